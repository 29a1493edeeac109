/* SPDX-License-Identifier: MIT
 *
 * test_hub.c - lib/hub/hub_lookup.c: ids and revisions, and huggingface_hub's
 * cache, without the network.
 */
#include "base/file.h"
#include "hub/hub.h"
#include "support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B40 "0123456789abcdef0123456789abcdef01234567"
#define N96 \
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

TEST(ids)
{
    static const struct {
        const char *name;
        bool is_id;
    } cases[] = {
        { "openai/clip-vit-base-patch32", true },
        { "gpt2", true },
        { "a", true },
        { "A_b.c-d/0", true },
        { "_x_/_y_", true },
        { N96 "/" N96, true },
        { N96 "n", false },
        { N96 "n/x", false },
        { "o/n@main", true },
        { "o/n@refs/pr/15", true },
        { "o/n@v1.0+x,y=~", true },
        { "n@" A40, true },
        { "", false },
        { "/", false },
        { "o/", false },
        { "/n", false },
        { "o//n", false },
        { "a/b/c", true }, /* a subfolder */
        { "a/b/c/d e", false },
        { "a/b/0_CLIPModel/x@main", true },
        { "a/b/", false },
        { "a/b/c/", false },
        { "a/b//c", false },
        { "a/b/..", false },
        { "a/b/../c", false },
        { "a/b/c/./d", false },
        { "a/b/c\\d", false },
        { ".", false },
        { "..", false },
        { "../n", false },
        { "o/..", false },
        { "o/.n", false },
        { "o/n.", false },
        { "-o/n", false },
        { "o/n-", false },
        { "o--x/n", false },
        { "o/n--x", false },
        { "o/n..x", false },
        { "o/n.git", false },
        { "o/n.gitx", true },
        { ".git", false },
        { "o/n x", false },
        { "o/n\\x", false },
        { "o/n\n", false },
        { "o/caf\xC3\xA9", false },
        { "https://huggingface.co/o/n", false },
        { "o/n@", false },
        { "o/n@.", false },
        { "o/n@..", false },
        { "o/n@../../x", false },
        { "o/n@a/../b", false },
        { "o/n@a/./b", false },
        { "o/n@/a", false },
        { "o/n@a/", false },
        { "o/n@a//b", false },
        { "o/n@a\\b", false },
        { "o/n@a b", false },
        { "o/n@a\x7F", false },
        { "o/n@caf\xC3\xA9", false },
        { "o/n@...", true }, /* a name like any other */
    };
    clipc_hub_id id;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (clipc_hub_parse(&id, cases[i].name) != cases[i].is_id)
            FAIL("%s", cases[i].name);
    char revision[300] = "o/n@";
    memset(revision + 4, 'r', 256);
    CHECK(!clipc_hub_parse(&id, revision));
    revision[4 + 255] = '\0';
    CHECK(clipc_hub_parse(&id, revision));
}

/* ---- a cache ----------------------------------------------------------- */

static char cache[300];

static const char *at(const char *path)
{
    static char paths[4][1024];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, sizeof paths[0], "%s/%s", cache, path);
    return out;
}

static void folder(const char *path)
{
    CHECK_STATUS(clipc_folder_make(at(path), NULL), CLIPC_OK);
}

static void file(const char *path, const char *text)
{
    test_write(at(path), text, strlen(text));
}

/* With nothing but the cache. */
static clipc_status find(char **found, const char *where, const char *id,
                         clipc_error *err)
{
    clipc_hub_params params = clipc_hub_params_default();
    params.cache_dir = where;
    return clipc_hub_download(found, id, &params, err);
}

/* The names that a model needs. */
static void snapshot(const char *path)
{
    static const char *const names[] = { "config.json", "model.safetensors" };
    char name[300];

    folder(path);
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s/%s", path, names[i]);
        if (symlink("../../blobs/123", at(name)) != 0)
            CHECK_INT(errno, EEXIST);
    }
}

static void make_cache(void)
{
    snprintf(cache, sizeof cache, "%s", test_path("hub"));
    folder("models--o--n/blobs");
    folder("models--o--n/refs/refs/pr");
    folder("models--o--n/refs/feature");
    folder("models--alone/refs");
    file("models--o--n/blobs/123", "{}");
    file("models--o--n/refs/main", A40);
    file("models--o--n/refs/refs/pr/15", B40 "\n");
    file("models--o--n/refs/feature/x", " \t" B40 "\r\n ");
    file("models--alone/refs/main", A40);
    snapshot("models--o--n/snapshots/" A40);
    snapshot("models--o--n/snapshots/" B40);
    folder("models--alone/blobs");
    file("models--alone/blobs/123", "{}");
    snapshot("models--alone/snapshots/" A40);
}

TEST(snapshots_are_found)
{
    static const struct {
        const char *id, *folder;
    } cases[] = {
        { "o/n", "models--o--n/snapshots/" A40 },
        { "o/n@main", "models--o--n/snapshots/" A40 },
        { "o/n@refs/pr/15", "models--o--n/snapshots/" B40 },
        { "o/n@feature/x", "models--o--n/snapshots/" B40 },
        { "o/n@" A40, "models--o--n/snapshots/" A40 },
        { "o/n@" B40, "models--o--n/snapshots/" B40 },
        { "alone", "models--alone/snapshots/" A40 },
    };
    make_cache();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        char *found, path[800];
        CHECK_OK(find(&found, cache, cases[i].id, &err), err);
        CHECK_STR(found, at(cases[i].folder));
        free(found);
        if (i == 0) {
            snprintf(path, sizeof path, "%s/config.json", at(cases[i].folder));
            CHECK(clipc_file_exists(path));
        }
    }
}

TEST(misses_name_the_cache_and_the_remedies)
{
    static const struct {
        const char *id, *message;
    } cases[] = {
        { "o/absent", "not in the hub cache" },
        { "n", "not in the hub cache" },
        { "o/n@v2", "no such revision" },
        { "o/n@refs/pr/16", "no such revision" },
        { "o/n@main/x", "no such revision" },
        { "o/n@0000000000000000000000000000000000000000",
          "no files of this revision" },
        { "o/n@gone", "no files of this revision" },
    };
    make_cache();
    file("models--o--n/refs/gone", "1111111111111111111111111111111111111111");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        char *found;
        CHECK_STATUS(find(&found, cache, cases[i].id, &err),
                     CLIPC_ERR_NOT_FOUND);
        CHECK(found == NULL);
        CHECK_HAS(err.message, cases[i].message);
        CHECK_HAS(err.message, cache);
        CHECK_HAS(err.message, "downloading is off");
        /* Options are the programs' words. */
        CHECK(!strstr(err.message, " --"));
    }
}

TEST(longest_names_leave_room_for_the_cache)
{
    clipc_error err = CLIPC_ERROR_INIT;
    char *found, where[600];

    memset(where, 'c', sizeof where - 1);
    where[sizeof where - 1] = '\0';
    CHECK_STATUS(find(&found, where, N96 "/" N96 "@" A40, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "downloading is off (hub cache: ccc");
}

TEST(damaged_refs_are_refused)
{
    static const struct {
        const char *text;
        clipc_status status;
    } cases[] = {
        { "", CLIPC_ERR_FORMAT },
        { "\n", CLIPC_ERR_FORMAT },
        { "main", CLIPC_ERR_FORMAT },
        { "../../../../../../../../etc/../../../../etc", CLIPC_ERR_FORMAT },
        { A40 "a", CLIPC_ERR_FORMAT },
        { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", CLIPC_ERR_FORMAT },
        { A40 "\n" A40, CLIPC_ERR_FORMAT },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    char *found, large[1100];

    make_cache();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        file("models--o--n/refs/main", cases[i].text);
        CHECK_STATUS(find(&found, cache, "o/n", &err), cases[i].status);
        CHECK(found == NULL);
        CHECK_HAS(err.message, "refs/main");
    }
    memset(large, 'a', sizeof large);
    test_write(at("models--o--n/refs/main"), large, sizeof large);
    CHECK_STATUS(find(&found, cache, "o/n", &err), CLIPC_ERR_LIMIT);
    CHECK_STATUS(find(&found, cache, "o/n@feature", &err),
                 CLIPC_ERR_IO); /* a folder */
    CHECK(mkfifo(at("models--o--n/refs/pipe"), 0600) == 0);
    CHECK_STATUS(find(&found, cache, "o/n@pipe", &err), CLIPC_ERR_IO);
    CHECK_STATUS(find(&found, cache, "o/../n", &err), CLIPC_ERR_ARGUMENT);
}

TEST(near_misses_and_revisions_are_told)
{
    static const struct {
        const char *id, *message;
    } cases[] = {
        { "o/m", "(it has o/n)" },
        { "other/n", "(it has o/n)" },
        { "n", "(it has o/n)" },
        { "alonr", "(it has alone)" },
        { "O/N", "(it has o/n)" },
        { "something/else-entirely", "not in the hub cache, and" },
        { "o/n@v2", "main" },
        { "o/n@v3", "refs/pr/15" },
        { "o/n@v4", "feature/x" },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    char *found;

    make_cache();
    folder("models--not--an--id");
    folder("models--");
    folder("datasets--o--m");
    file("models--a--file", "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(find(&found, cache, cases[i].id, &err),
                     CLIPC_ERR_NOT_FOUND);
        CHECK_HAS(err.message, cases[i].message);
    }
}

/* ---- the files of a snapshot ------------------------------------------- */

/* A file of the snapshot of repository `number`; "-NAME": one that is known not
 * to exist. */
static void put(size_t number, const char *name, const char *text)
{
    char path[400];
    const bool absent = *name == '-';

    snprintf(path, sizeof path, "%zu/%s/" A40 "/%s", number,
             absent ? ".no_exist" : "snapshots", name + absent);
    *strrchr(path, '/') = '\0';
    folder(path);
    snprintf(path, sizeof path, "%zu/%s/" A40 "/%s", number,
             absent ? ".no_exist" : "snapshots", name + absent);
    file(path, text);
}

TEST(a_snapshot_is_complete_when_nothing_is_left_to_ask)
{
    const clipc_hub_id id = { .is_commit = true };
    /* "-NAME": known not to exist. "-others": so are the files beside the
     * vocabulary. missing NULL: not looked at. */
    static const struct {
        const char *files[9];
        clipc_hub_state state;
        const char *missing;
    } cases[] = {
        { { NULL }, CLIPC_HUB_LACKING, "" },
        { { "config.json" }, CLIPC_HUB_LACKING, "" },
        { { "model.safetensors" }, CLIPC_HUB_LACKING, "" },
        { { "config.json", "model.safetensors" },
          CLIPC_HUB_USABLE,
          "tokenizer.json, vocab.json, merges.txt, preprocessor_config.json, "
          "processor_config.json" },
        { { "config.json", "pytorch_model.bin" }, CLIPC_HUB_USABLE, NULL },
        { { "config.json", "open_clip_model.safetensors" },
          CLIPC_HUB_LACKING,
          "" },
        { { "open_clip_config.json", "open_clip_model.safetensors" },
          CLIPC_HUB_USABLE,
          NULL },
        { { "open_clip_config.json", "open_clip_pytorch_model.bin" },
          CLIPC_HUB_USABLE,
          NULL },
        { { "config.json", "model.safetensors", "tokenizer.json",
            "preprocessor_config.json" },
          CLIPC_HUB_USABLE,
          "tokenizer_config.json, special_tokens_map.json, "
          "added_tokens.json, processor_config.json" },
        { { "config.json", "model.safetensors", "tokenizer.json", "-others",
            "preprocessor_config.json", "-processor_config.json" },
          CLIPC_HUB_COMPLETE,
          "" },
        { { "config.json", "model.safetensors", "tokenizer.json",
            "tokenizer_config.json", "special_tokens_map.json",
            "added_tokens.json", "preprocessor_config.json",
            "processor_config.json" },
          CLIPC_HUB_COMPLETE,
          "" },
        { { "config.json", "model.safetensors", "tokenizer.json", "-others",
            "processor_config.json" },
          CLIPC_HUB_USABLE,
          "preprocessor_config.json" },
        { { "config.json", "model.safetensors", "vocab.json", "merges.txt",
            "-others", "preprocessor_config.json", "-processor_config.json" },
          CLIPC_HUB_COMPLETE,
          "" },
        { { "config.json", "model.safetensors", "spiece.model", "-others",
            "preprocessor_config.json", "-processor_config.json" },
          CLIPC_HUB_COMPLETE,
          "" },
        { { "config.json", "model.safetensors", "vocab.json", "-others",
            "preprocessor_config.json", "-processor_config.json" },
          CLIPC_HUB_USABLE,
          "tokenizer.json, merges.txt" },
        { { "config.json", "model.safetensors", "-tokenizer.json",
            "-vocab.json", "-merges.txt", "-preprocessor_config.json",
            "-processor_config.json" },
          CLIPC_HUB_COMPLETE,
          "" }, /* an image tower alone */
        /* Filled by a clipc that asked for less. */
        { { "config.json", "model.safetensors", "tokenizer.json", "-others",
            "preprocessor_config.json", "-processor_config.json",
            "-open_clip_config.json" },
          CLIPC_HUB_USABLE,
          "adapter_config.json, modules.json" },
        { { "config.json", "model.safetensors", "tokenizer.json", "-others",
            "preprocessor_config.json", "-processor_config.json",
            "-open_clip_config.json", "-adapter_config.json",
            "-modules.json" },
          CLIPC_HUB_COMPLETE,
          "" },
        { { "adapter_config.json", "adapter_model.safetensors" },
          CLIPC_HUB_COMPLETE,
          "" },
        { { "config.json", "model.safetensors.index.json" },
          CLIPC_HUB_LACKING,
          "" },
        { { "config.json", "model.safetensors.index.json", "a.safetensors" },
          CLIPC_HUB_LACKING,
          "" },
        { { "config.json", "model.safetensors.index.json", "a.safetensors",
            "b.safetensors" },
          CLIPC_HUB_USABLE,
          NULL },
    };
    static const char index[] = "{\"weight_map\": {\"x\": \"a.safetensors\","
                                " \"y\": \"b.safetensors\"}}";
    char repository[64], missing[160];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(cache, sizeof cache, "%s", test_path("states"));
        snprintf(repository, sizeof repository, "%zu", i);
        for (size_t j = 0; j < 9 && cases[i].files[j]; j++) {
            static const char *const others[] = { "-tokenizer_config.json",
                                                  "-special_tokens_map.json",
                                                  "-added_tokens.json" };
            const bool all = strcmp(cases[i].files[j], "-others") == 0;
            for (size_t k = 0; k < (all ? 3 : 1); k++)
                put(i, all ? others[k] : cases[i].files[j],
                    strstr(cases[i].files[j], "index") ? index : "");
        }
        clipc_hub_state state = clipc_hub_examine(at(repository), A40, &id,
                                                  missing, sizeof missing);
        if (state != cases[i].state)
            FAIL("case %zu: state %d, not %d", i, (int)state,
                 (int)cases[i].state);
        if (cases[i].missing && strcmp(missing, cases[i].missing) != 0)
            FAIL("case %zu: %s", i, missing);
    }
}

/* huggingface_hub leaves a list of all files of the commit after a download of
 * the whole repository: what is not in it does not exist. */
TEST(a_listing_says_what_does_not_exist)
{
    static const struct {
        const char *listing;
        clipc_hub_state state;
    } cases[] = {
        { "{\"format_version\": 1, \"files\": {\"config.json\": {}, "
          "\"model.safetensors\": {}, \"tokenizer.json\": {}}}",
          CLIPC_HUB_COMPLETE },
        { "{\"format_version\": 1, \"files\": {\"config.json\": {}, "
          "\"model.safetensors\": {}, \"tokenizer.json\": {}, "
          "\"special_tokens_map.json\": {}}}",
          CLIPC_HUB_USABLE },
        { "{\"format_version\": 2, \"files\": {}}", CLIPC_HUB_USABLE },
        { "{\"format_version\": 1, \"files\": []}", CLIPC_HUB_USABLE },
        { "[", CLIPC_HUB_USABLE },
    };
    const clipc_hub_id id = { .is_commit = true };

    snprintf(cache, sizeof cache, "%s", test_path("listing"));
    put(0, "config.json", "");
    put(0, "model.safetensors", "");
    put(0, "tokenizer.json", "");
    folder("0/trees");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file("0/trees/" A40 ".json", cases[i].listing);
        CHECK_INT(clipc_hub_examine(at("0"), A40, &id, NULL, 0),
                  cases[i].state);
    }
}

/* A part of a pipeline may have its tokenizer beside it. */
TEST(folders_of_other_programs_are_examined)
{
    clipc_hub_id id = { .is_commit = true };

    snprintf(cache, sizeof cache, "%s", test_path("programs"));
    put(0, "modules.json",
        "[{\"path\": \"0_CLIPModel\", \"type\": "
        "\"sentence_transformers.models.CLIPModel\"}]");
    CHECK_INT(clipc_hub_examine(at("0"), A40, &id, NULL, 0),
              CLIPC_HUB_LACKING);
    put(0, "0_CLIPModel/config.json", "{}");
    put(0, "0_CLIPModel/model.safetensors", "");
    CHECK_INT(clipc_hub_examine(at("0"), A40, &id, NULL, 0), CLIPC_HUB_USABLE);
    /* Nothing is left to ask for where the folder says that it is no CLIP. */
    put(1, "modules.json", "[]");
    CHECK_INT(clipc_hub_examine(at("1"), A40, &id, NULL, 0),
              CLIPC_HUB_COMPLETE);

    static const char *const own[] = {
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "-text_encoder/tokenizer.json",
        "-text_encoder/vocab.json",
        "-text_encoder/merges.txt",
        "-text_encoder/preprocessor_config.json",
        "-text_encoder/processor_config.json"
    };
    static const char *const beside[] = {
        "tokenizer/vocab.json", "tokenizer/merges.txt",
        "-tokenizer/tokenizer_config.json", "-tokenizer/added_tokens.json",
        "-tokenizer/special_tokens_map.json"
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        put(2, own[i], "");
    strcpy(id.subfolder, "text_encoder");
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        CHECK_INT(clipc_hub_examine(at("2"), A40, &id, NULL, 0),
                  CLIPC_HUB_USABLE);
        put(2, beside[i], "");
    }
    CHECK_INT(clipc_hub_examine(at("2"), A40, &id, NULL, 0),
              CLIPC_HUB_COMPLETE);
}
