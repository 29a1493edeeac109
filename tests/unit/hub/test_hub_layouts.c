/* SPDX-License-Identifier: MIT
 *
 * test_hub_layouts.c - repositories that keep a model in another way, against
 * the loopback hub: in Xet's storage, in the folders of sentence-transformers
 * and diffusers, as an adapter for another repository; and caches that hold
 * some of a model's files.
 */
#include "support/test.h"

#if !CLIPC_CURL

TEST(repositories_are_not_downloaded_without_libcurl)
{
    SKIP("built without libcurl");
}

#else

#include "loopback_hub.h"

static clipc_status open_id(clipc_model **model, const char *id,
                            const char *adapter, clipc_error *err)
{
    clipc_model_params model_params = clipc_model_params_default();

    *err = (clipc_error)CLIPC_ERROR_INIT;
    model_params.hub = &params;
    model_params.adapter = adapter;
    return clipc_model_open(model, id, &model_params, err);
}

/* The id opens and takes a text. */
static void check_opens(const char *id)
{
    const clipc_text text = { "a red car", 9 };
    clipc_error err = CLIPC_ERROR_INIT;
    float out[64];
    clipc_model *model;
    clipc_ctx *ctx;

    CHECK_OK(open_id(&model, id, NULL, &err), err);
    CHECK(clipc_model_dim(model) <= sizeof out / sizeof *out);
    CHECK_OK(clipc_ctx_create(&ctx, model, NULL, &err), err);
    CHECK_OK(clipc_encode_texts(ctx, &text, 1, out, 0, &err), err);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
}

static void check_refused(const char *id, const char *adapter,
                          clipc_status status, const char *piece)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;

    CHECK_STATUS(open_id(&model, id, adapter, &err), status);
    CHECK(model == NULL);
    CHECK_HAS(err.message, piece);
}

/* o/NAME with the commit B40 as main. */
static void make_repository(const char *name)
{
    CHECK_STATUS(clipc_folder_make(in(root, "o/%s/refs", name), NULL),
                 CLIPC_OK);
    CHECK_STATUS(clipc_folder_make(in(root, "o/%s/" B40, name), NULL),
                 CLIPC_OK);
    write_text(in(root, "o/%s/refs/main", name), B40);
}

static bool is_cached(const char *repo, const char *commit, const char *file)
{
    return clipc_file_exists(
        in(cache, "models--o--%s/snapshots/%s/%s", repo, commit, file));
}

static void copy(const char *from, const char *to)
{
    size_t n;
    char *data = test_read(from, &n);

    test_write(to, data, n);
    free(data);
}

/* ---- Xet --------------------------------------------------------------- */

/* The file's plain address is enough, and the hash of Xet's is not the
 * file's. */
TEST(a_file_in_xets_storage)
{
    begin();
    params.token = "hf_secret";
    hub_server_rule(server,
                    "hub HEAD /o/n/resolve/" A40 "/model.safetensors | xet=1");
    get("o/n");
    check_blobs("n", A40);
    CHECK_INT(hub_server_count(server, "xet-read-token"), 0);
    CHECK_INT(hub_server_count(server, "reconstructions"), 0);
    CHECK_INT(hub_server_count(server, "storage GET"), 1);
    CHECK_INT(hub_server_count(server, "storage GET /o/n/" A40
                                       "/model.safetensors auth=no"),
              1);
    check_opens("o/n");
}

/* ---- sentence-transformers, diffusers ---------------------------------- */

TEST(a_repository_of_sentence_transformers)
{
    begin();
    make_repository("st");
    tiny_model_write(in(root, "o/st/" B40 "/0_CLIPModel"), NULL);
    write_text(in(root, "o/st/" B40 "/modules.json"),
               "[{\"idx\": 0, \"name\": \"0\", \"path\": \"0_CLIPModel\", "
               "\"type\": \"sentence_transformers.models.CLIPModel\"}]");
    write_text(in(root, "o/st/" B40 "/config_sentence_transformers.json"),
               "{\"prompts\": {}, \"default_prompt_name\": null}");
    write_text(in(root, "o/st/" B40 "/0_CLIPModel/sentence_bert_config.json"),
               "{\"module_output_name\": \"sentence_embedding\"}");
    get("o/st");
    CHECK(is_cached("st", B40, "0_CLIPModel/sentence_bert_config.json"));
    CHECK(is_cached("st", B40, "config_sentence_transformers.json"));
    CHECK(is_cached("st", B40, "0_CLIPModel/model.safetensors"));
    hub_server_reset(server);
    check_opens("o/st");
    check_opens("o/st/0_CLIPModel");
    params.allow_network = 0;
    check_opens("o/st@main");
    CHECK_INT(hub_server_count(server, ""), 0);
    CHECK_INT(n_notices, 0);

    /* A module that changes the vectors: known before the weights come. */
    begin();
    write_text(in(root, "o/st/" B40 "/modules.json"),
               "[{\"path\": \"0_CLIPModel\", \"type\": "
               "\"sentence_transformers.models.CLIPModel\"}, {\"path\": "
               "\"1_Dense\", \"type\": "
               "\"sentence_transformers.models.Dense\"}]");
    check_refused("o/st", NULL, CLIPC_ERR_UNSUPPORTED,
                  "sentence_transformers.models.Dense");
    CHECK_INT(hub_server_count(server, "storage GET"), 0);
    check_opens("o/st/0_CLIPModel");
    /* A folder that the repository does not have. */
    begin();
    write_text(in(root, "o/st/" B40 "/modules.json"),
               "[{\"path\": \"none\", \"type\": "
               "\"sentence_transformers.models.CLIPModel\"}]");
    check_refused("o/st", NULL, CLIPC_ERR_NOT_FOUND, "no config.json");
    write_text(in(root, "o/st/" B40 "/modules.json"),
               "[{\"path\": \"../../x\", \"type\": "
               "\"sentence_transformers.models.CLIPModel\"}]");
    begin();
    check_refused("o/st", NULL, CLIPC_ERR_CONFIG, "\"path\"");
}

TEST(a_repository_of_diffusers)
{
    static const char *const names[] = { "tokenizer.json",
                                         "tokenizer_config.json" };

    begin();
    make_repository("xl");
    tiny_model_write(in(root, "o/xl/" B40 "/text_encoder_2"), NULL);
    CHECK_STATUS(clipc_folder_make(in(root, "o/xl/" B40 "/tokenizer_2"), NULL),
                 CLIPC_OK);
    for (int i = 0; i < 2; i++)
        CHECK(rename(in(root, "o/xl/" B40 "/text_encoder_2/%s", names[i]),
                     in(root, "o/xl/" B40 "/tokenizer_2/%s", names[i])) == 0);
    write_text(in(root, "o/xl/" B40 "/model_index.json"),
               "{\"text_encoder\": [\"transformers\", \"CLIPTextModel\"], "
               "\"text_encoder_2\": [\"transformers\", "
               "\"CLIPTextModelWithProjection\"]}");
    check_opens("o/xl/text_encoder_2");
    CHECK(is_cached("xl", B40, "tokenizer_2/tokenizer.json"));
    CHECK(!is_cached("xl", B40, "model_index.json"));
    hub_server_reset(server);
    check_opens("o/xl/text_encoder_2");
    params.allow_network = 0;
    check_opens("o/xl/text_encoder_2@main");
    CHECK_INT(hub_server_count(server, ""), 0);
    CHECK_INT(n_notices, 0);

    begin();
    check_opens("o/xl");
    CHECK(is_cached("xl", B40, "tokenizer_2/tokenizer_config.json"));
    hub_server_reset(server);
    check_opens("o/xl");
    CHECK_INT(hub_server_count(server, ""), 0);

    begin();
    write_text(in(root, "o/xl/" B40 "/model_index.json"),
               "{\"text_encoder\": [\"transformers\", \"CLIPTextModel\"]}");
    check_refused("o/xl", NULL, CLIPC_ERR_UNSUPPORTED, "projection");
}

TEST(the_weights_that_config_json_names)
{
    char config[4000];
    size_t n;

    begin();
    make_repository("named");
    tiny_model_write(in(root, "o/named/" B40), NULL);
    char *old = test_read(in(root, "o/named/" B40 "/config.json"), &n);
    snprintf(config, sizeof config,
             "{\"transformers_weights\": \"x.safetensors\", %s",
             strchr(old, '{') + 1);
    free(old);
    write_text(in(root, "o/named/" B40 "/config.json"), config);
    check_refused("o/named", NULL, CLIPC_ERR_NOT_FOUND, "x.safetensors");
    copy(in(root, "o/named/" B40 "/model.safetensors"),
         in(root, "o/named/" B40 "/x.safetensors"));
    begin();
    check_opens("o/named");
    CHECK(is_cached("named", B40, "x.safetensors"));
    CHECK(!is_cached("named", B40, "model.safetensors"));
    hub_server_reset(server);
    check_opens("o/named");
    CHECK_INT(hub_server_count(server, ""), 0);
}

/* ---- adapters ---------------------------------------------------------- */

#define ADAPTER "tests/data/adapters/lora/"

static void make_adapter(const char *base, const char *more)
{
    char config[600];

    make_repository("lora");
    copy(ADAPTER "adapter_model.safetensors",
         in(root, "o/lora/" B40 "/adapter_model.safetensors"));
    snprintf(
        config, sizeof config,
        "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 8, \"rank_pattern\": {\"fc1\": 1}, "
        "\"base_model_name_or_path\": \"%s\"%s}",
        base, more);
    write_text(in(root, "o/lora/" B40 "/adapter_config.json"), config);
}

/* o/base, which the adapter fits. */
static void make_base(void)
{
    static const char *const names[] = { "config.json", "model.safetensors",
                                         "tokenizer.json",
                                         "tokenizer_config.json",
                                         "preprocessor_config.json" };
    char from[200];

    make_repository("base");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(from, sizeof from, "tests/data/tiny/%s", names[i]);
        copy(from, in(root, "o/base/" B40 "/%s", names[i]));
    }
}

TEST(an_adapter_and_its_model_are_downloaded)
{
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;

    begin();
    make_base();
    make_adapter("o/base", "");
    check_opens("o/lora");
    CHECK(is_cached("lora", B40, "adapter_model.safetensors"));
    CHECK(is_cached("base", B40, "model.safetensors"));
    hub_server_reset(server);
    CHECK_OK(open_id(&model, "o/lora", NULL, &err), err);
    CHECK_OK(clipc_model_get_info(model, &info, &err), err);
    CHECK_HAS(info.adapter, "models--o--lora");
    CHECK_HAS(info.source, "models--o--base");
    clipc_model_free(model);
    /* The other way round: an adapter that is asked for. */
    CHECK_OK(open_id(&model, "tests/data/tiny", "o/lora", &err), err);
    CHECK_OK(clipc_model_get_info(model, &info, &err), err);
    CHECK_HAS(info.adapter, "models--o--lora");
    clipc_model_free(model);
    params.allow_network = 0;
    check_opens("o/lora");
    CHECK_INT(hub_server_count(server, ""), 0);

    /* A model that is not there, or not to be had. */
    begin();
    check_refused("tests/data/tiny", "o/none", CLIPC_ERR_NOT_FOUND,
                  "no such repository");
    make_adapter("o/none", "");
    check_refused("o/lora", NULL, CLIPC_ERR_NOT_FOUND, "its model: o/none");
    begin();
    make_adapter("o/base", "");
    get("o/lora");
    params.allow_network = 0;
    check_refused("o/lora", NULL, CLIPC_ERR_NOT_FOUND,
                  "its model: o/base: not in the hub cache");
    begin();
    make_adapter("o/base", ", \"revision\": \"v2\"");
    check_refused("o/lora", NULL, CLIPC_ERR_UNSUPPORTED,
                  "\"revision\" is \"v2\"");
    begin();
    make_adapter("o/base", ", \"revision\": \"main\"");
    check_opens("o/lora");
}

/* The base is there already; only the adapter's file is damaged. */
TEST(a_damaged_adapter_of_the_cache_is_repaired)
{
    static const char *const files[] = { "adapter_model.safetensors",
                                         "adapter_config.json" };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;

    for (size_t i = 0; i < 4; i++) {
        const char *base = i < 2 ? "tests/data/tiny" : "o/lora";
        const char *adapter = i < 2 ? "o/lora" : NULL;
        const char *file = files[i % 2];

        begin();
        make_base();
        make_adapter("o/base", "");
        get("o/lora");
        get("o/base");
        CHECK(truncate(in(cache, "models--o--lora/snapshots/" B40 "/%s", file),
                       i % 2 ? 3 : 1000) == 0);
        params.allow_network = 0;
        CHECK(open_id(&model, base, adapter, &err) != CLIPC_OK);
        params.allow_network = 1;
        CHECK_OK(open_id(&model, base, adapter, &err), err);
        clipc_model_free(model);
        check_same(in(cache, "models--o--lora/snapshots/" B40 "/%s", file),
                   in(root, "o/lora/" B40 "/%s", file));
    }
}

/* ---- caches with some of the files ------------------------------------- */

/* What huggingface_hub leaves with allow_patterns: regular files are as good as
 * links. */
static void make_partial_cache(void)
{
    static const char *const names[] = { "config.json", "model.safetensors",
                                         "tokenizer.json" };

    CHECK_STATUS(clipc_folder_make(in(cache, "models--o--n/refs"), NULL),
                 CLIPC_OK);
    CHECK_STATUS(clipc_folder_make(in(cache, "models--o--n/snapshots/" A40),
                                   NULL),
                 CLIPC_OK);
    write_text(in(cache, "models--o--n/refs/main"), A40);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        copy(in(root, "o/n/" A40 "/%s", names[i]),
             in(cache, "models--o--n/snapshots/" A40 "/%s", names[i]));
}

TEST(a_cache_with_some_of_the_files_is_completed)
{
    begin();
    write_text(in(root, "o/n/" A40 "/special_tokens_map.json"),
               "{\"bos_token\": \"<|startoftext|>\"}");
    write_text(in(root, "o/n/" A40 "/processor_config.json"),
               "{\"processor_class\": \"CLIPProcessor\"}");
    make_partial_cache();
    check_opens("o/n");
    CHECK(is_cached("n", A40, "special_tokens_map.json"));
    CHECK(is_cached("n", A40, "processor_config.json"));
    CHECK(is_cached("n", A40, "preprocessor_config.json"));
    CHECK(is_cached("n", A40, "tokenizer_config.json"));
    CHECK_INT(hub_server_count(server, "storage GET"), 0);
    CHECK_INT(n_notices, 0);
    hub_server_reset(server);
    check_opens("o/n");
    CHECK_INT(hub_server_count(server, ""), 0);
}

TEST(without_the_network_unasked_files_are_named)
{
    begin();
    make_partial_cache();
    params.allow_network = 0;
    check_opens("o/n");
    CHECK_INT(n_notices, 1);
    CHECK_HAS(last_notice, "tokenizer_config.json, special_tokens_map.json, "
                           "added_tokens.json, preprocessor_config.json, "
                           "processor_config.json");
    CHECK_HAS(last_notice, "downloading is off");
    /* A hub that does not answer: the same files, and why. */
    params.allow_network = 1;
    params.endpoint = "http://127.0.0.1:1";
    check_opens("o/n");
    CHECK_INT(n_notices, 2);
    CHECK_HAS(last_notice, "old or not all");
    CHECK_INT(hub_server_count(server, ""), 0);
}

#endif
