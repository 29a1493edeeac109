/* SPDX-License-Identifier: MIT
 *
 * loopback_hub.h - a hub on the loopback interface with small models, an empty
 * cache, and downloads from the one into the other: shared by the tests of this
 * folder that download.
 */
#ifndef CLIPC_TEST_LOOPBACK_HUB_H
#define CLIPC_TEST_LOOPBACK_HUB_H

#include "base/file.h"
#include "support/files.h"
#include "support/hub_server.h"
#include "support/loopback.h"
#include "support/test.h"
#include "support/tiny_model.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B40 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static hub_server *server;
static char root[600], cache[600];
static clipc_hub_params params;
static char last_notice[512];
static unsigned n_notices;

/* "DIR/..." of the hub's files or of the cache; valid for 8 calls. */
static inline const char *in(const char *dir, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline const char *in(const char *dir, const char *format, ...)
{
    static char paths[8][1400];
    static unsigned next;
    char *out = paths[next++ % 8];
    int n = snprintf(out, sizeof paths[0], "%s/", dir);
    va_list args;

    va_start(args, format);
    vsnprintf(out + n, sizeof paths[0] - (size_t)n, format, args);
    va_end(args);
    return out;
}

static inline void note(void *user, const char *message)
{
    (void)user;
    n_notices++;
    snprintf(last_notice, sizeof last_notice, "%s", message);
}

/* An empty cache and a hub with o/n (main: a tiny model as safetensors) and
 * o/bin, where there is only a .bin. */
static inline void begin(void)
{
    static unsigned n;
    char name[32];

    if (!has_loopback())
        SKIP("no loopback network here");
    if (!root[0] || !clipc_folder_exists(root)) { /* a new test */
        snprintf(root, sizeof root, "%s", test_path("hub"));
        CHECK_STATUS(clipc_folder_make(in(root, "o/n/refs"), NULL), CLIPC_OK);
        CHECK_STATUS(clipc_folder_make(in(root, "o/bin/refs"), NULL),
                     CLIPC_OK);
        tiny_model_write(in(root, "o/n/" A40), NULL);
        tiny_model_write(in(root, "o/bin/" B40), NULL);
        write_text(in(root, "o/n/refs/main"), A40);
        write_text(in(root, "o/bin/refs/main"), B40);
        CHECK(rename(in(root, "o/bin/" B40 "/model.safetensors"),
                     in(root, "o/bin/" B40 "/pytorch_model.bin")) == 0);
        if (!server)
            server = hub_server_start(root);
        hub_server_root(server, root);
    }
    hub_server_reset(server);
    snprintf(name, sizeof name, "cache%u", n++);
    snprintf(cache, sizeof cache, "%s", test_path(name));
    params = clipc_hub_params_default();
    params.cache_dir = cache;
    params.allow_network = 1;
    params.endpoint = hub_server_url(server);
    params.retry_wait_ms = 1;
    params.notice = note;
    n_notices = 0;
    last_notice[0] = '\0';
}

static inline void get(const char *id)
{
    clipc_error err = CLIPC_ERROR_INIT;
    char *folder;
    CHECK_OK(clipc_hub_download(&folder, id, &params, &err), err);
    CHECK(clipc_folder_exists(folder));
    free(folder);
}

static inline clipc_error refuse(const char *id, clipc_status status,
                                 const char *piece)
{
    clipc_error err = CLIPC_ERROR_INIT;
    char *folder;
    clipc_status got = clipc_hub_download(&folder, id, &params, &err);

    if (got != status)
        FAIL("%s gives %s, not %s: %s", id, clipc_status_name(got),
             clipc_status_name(status), err.message);
    CHECK(folder == NULL);
    CHECK_HAS(err.message, piece);
    CHECK(!strstr(err.message, "secret"));
    return err;
}

static inline void check_same(const char *path, const char *original)
{
    size_t n, n_original;
    char *data = test_read(path, &n), *want = test_read(original, &n_original);

    CHECK_INT(n, n_original);
    CHECK_BYTES(data, want, n);
    free(data);
    free(want);
}

static inline size_t n_incomplete(const char *repo)
{
    return list_folder(in(cache, "models--o--%s/blobs", repo), "",
                       ".incomplete", NULL);
}

/* Bytes of the largest of them. */
static inline off_t largest_incomplete(const char *repo)
{
    const char *folder = in(cache, "models--o--%s/blobs", repo);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    off_t largest = 0;

    while (dir && (entry = readdir(dir)) != NULL) {
        struct stat st;
        const char *suffix = strrchr(entry->d_name, '.');
        if (suffix && strcmp(suffix, ".incomplete") == 0 &&
            fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
            st.st_size > largest)
            largest = st.st_size;
    }
    if (dir)
        closedir(dir);
    return largest;
}

/* Every link of a snapshot leads to a blob with the bytes of the hub's file. */
static inline void check_blobs(const char *repo, const char *commit)
{
    char folder[1400], original[1400];
    struct dirent *entry;

    snprintf(folder, sizeof folder, "%s",
             in(cache, "models--o--%s/snapshots/%s", repo, commit));
    DIR *dir = opendir(folder);
    while (dir && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(original, sizeof original, "%s",
                 in(root, "o/%s/%s/%s", repo, commit, entry->d_name));
        check_same(in(folder, "%s", entry->d_name), original);
    }
    if (dir)
        closedir(dir);
    snprintf(folder, sizeof folder, "%s",
             in(cache, "models--o--%s/blobs", repo));
    size_t n_links = list_folder(in(cache, "models--o--%s/snapshots/%s", repo,
                                    commit),
                                 "", "", NULL);
    size_t n_blobs = list_folder(folder, "", "", NULL) -
                     list_folder(folder, "", ".incomplete", NULL);
    CHECK(n_blobs <= n_links);
}

#endif /* CLIPC_TEST_LOOPBACK_HUB_H */
