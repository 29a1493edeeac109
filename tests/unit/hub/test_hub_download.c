/* SPDX-License-Identifier: MIT
 *
 * test_hub_download.c - clipc_hub_download() and clipc_model_open() of an id,
 * against the loopback hub of hub_server.c. Only 127.0.0.1 is connected to.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* flock, usleep */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64 /* hub_cache.c's fstatvfs() */
#endif
#include "support/test.h"
#include "support/tiny_model.h"
#if CLIPC_CURL
#include "loopback_hub.h"
#endif

#include <signal.h>
#include <stdarg.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if !CLIPC_CURL

TEST(without_libcurl_a_download_is_unsupported)
{
    clipc_hub_params params = clipc_hub_params_default();
    clipc_error err = CLIPC_ERROR_INIT;
    char *folder;

    params.cache_dir = test_path("cache");
    params.allow_network = 1;
    CHECK_STATUS(clipc_hub_download(&folder, "o/n", &params, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "built without libcurl");
    CHECK(folder == NULL);
}

#else

/* ---- downloads that succeed -------------------------------------------- */

TEST(a_model_is_downloaded_into_the_tree_of_huggingface_hub)
{
    char target[200];
    struct stat st;
    size_t n;

    begin();
    get("o/n");
    check_blobs("n", A40);
    CHECK_INT(n_notices, 0);
    char *ref = test_read(in(cache, "models--o--n/refs/main"), &n);
    CHECK_INT(n, 40);
    CHECK_STR(ref, A40);
    free(ref);
    ssize_t len = readlink(in(cache, "models--o--n/snapshots/" A40
                                     "/model.safetensors"),
                           target, sizeof target - 1);
    CHECK_INT(len, 12 + 64 + (long)strlen("blobs/") - 6);
    target[len] = '\0';
    CHECK(strncmp(target, "../../blobs/", 12) == 0);
    len = readlink(in(cache, "models--o--n/snapshots/" A40 "/config.json"),
                   target, sizeof target - 1);
    CHECK_INT(len, 12 + 40);
    CHECK(clipc_file_exists(
        in(cache, "models--o--n/.no_exist/" A40 "/processor_config.json")));
    CHECK(stat(in(cache, ".locks/models--o--n"), &st) == 0);
    CHECK(list_folder(in(cache, ".locks/models--o--n"), "", ".lock", NULL) >
          2);
    CHECK_INT(n_incomplete("n"), 0);
    /* Only the files that are needed. */
    CHECK_INT(hub_server_count(server, "vocab.json"), 0);
    CHECK_INT(hub_server_count(server, "pytorch_model.bin"), 0);
    CHECK_INT(hub_server_count(server, "storage GET"), 1);
    CHECK_INT(hub_server_count(server, "auth=yes"), 0);
}

TEST(what_is_in_the_cache_is_used_without_a_request)
{
    begin();
    get("o/n");
    hub_server_reset(server);
    get("o/n");
    get("o/n@" A40);
    params.allow_network = 0;
    get("o/n@main");
    CHECK_INT(hub_server_count(server, ""), 0);
}

TEST(update_asks_whether_a_branch_has_moved)
{
    begin();
    get("o/n");
    hub_server_reset(server);
    params.update = 1;
    get("o/n");
    CHECK_INT(hub_server_count(server, ""), 1);
    get("o/n@" A40); /* a commit does not move */
    CHECK_INT(hub_server_count(server, ""), 1);
    hub_server_rule(server, "hub | status=503");
    get("o/n");
    CHECK_INT(n_notices, 1);
    CHECK_HAS(last_notice, "503");
    params.endpoint = "http://127.0.0.1:1";
    get("o/n");
    CHECK_INT(n_notices, 2);
    CHECK_HAS(last_notice, "does not accept");
}

TEST(a_bin_is_fetched_where_there_is_no_safetensors)
{
    begin();
    get("o/bin");
    check_blobs("bin", B40);
    CHECK(clipc_file_exists(
        in(cache, "models--o--bin/snapshots/" B40 "/pytorch_model.bin")));
    CHECK(clipc_file_exists(
        in(cache, "models--o--bin/.no_exist/" B40 "/model.safetensors")));
}

TEST(other_revisions_by_branch_and_pull_request)
{
    begin();
    write_text(in(root, "o/n/refs/refs%%2Fpr%%2F1"), A40);
    get("o/n@refs/pr/1");
    CHECK(clipc_file_exists(in(cache, "models--o--n/refs/refs/pr/1")));
    CHECK(!clipc_file_exists(in(cache, "models--o--n/refs/main")));
    CHECK_INT(hub_server_count(server, "resolve/refs%2Fpr%2F1/"), 1);
    /* A commit leaves no ref. */
    begin();
    get("o/n@" A40);
    CHECK(!clipc_folder_exists(in(cache, "models--o--n/refs")));
}

TEST(shards_are_fetched_by_their_index)
{
    begin();
    CHECK_STATUS(clipc_folder_make(in(root, "o/split/refs"), NULL), CLIPC_OK);
    tiny_model_write(in(root, "o/split/" A40), NULL);
    write_text(in(root, "o/split/refs/main"), A40);
    CHECK(rename(in(root, "o/split/" A40 "/model.safetensors"),
                 in(root, "o/split/" A40 "/x.safetensors")) == 0);
    write_text(in(root, "o/split/" A40 "/model.safetensors.index.json"),
               "{\"weight_map\": {\"a\": \"x.safetensors\"}}");
    get("o/split");
    check_blobs("split", A40);
    CHECK(clipc_file_exists(
        in(cache, "models--o--split/snapshots/" A40 "/x.safetensors")));

    static const char *const evil[] = {
        "../../x.safetensors", "/x.safetensors", "a/../x.safetensors",
        "x\\\\y.safetensors",  ".x.safetensors", "x.txt"
    };
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        char index[200];
        begin();
        snprintf(index, sizeof index, "{\"weight_map\": {\"a\": \"%s\"}}",
                 evil[i]);
        write_text(in(root, "o/split/" A40 "/model.safetensors.index.json"),
                   index);
        refuse("o/split", CLIPC_ERR_FORMAT, "weight_map");
    }
    begin();
    write_text(in(root, "o/split/" A40 "/model.safetensors.index.json"),
               "{\"weight_map\": {\"a\": \"y.safetensors\"}}");
    refuse("o/split", CLIPC_ERR_NOT_FOUND, "has no file y.safetensors");
}

TEST(a_model_opens_by_its_id)
{
    clipc_model_params how = clipc_model_params_default();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;

    begin();
    how.hub = &params;
    CHECK_OK(clipc_model_open(&model, "o/n", &how, &err), err);
    clipc_model_free(model);
    params.allow_network = 0;
    CHECK_OK(clipc_model_open(&model, "o/n", &how, &err), err);
    clipc_model_free(model);
}

/* ---- the token --------------------------------------------------------- */

TEST(the_token_goes_to_the_hub_alone)
{
    begin();
    params.token = "hf_secret";
    get("o/n");
    CHECK(hub_server_count(server, "hub HEAD") > 3);
    CHECK_INT(hub_server_count(server, "hub"),
              hub_server_count(server, "auth=yes"));
    CHECK_INT(hub_server_count(server, "storage GET"), 1);
    CHECK_INT(hub_server_count(server, "storage GET /o/n/" A40
                                       "/model.safetensors auth=no"),
              1);
}

TEST(private_and_gated_repositories)
{
    begin();
    CHECK_STATUS(clipc_folder_make(in(root, "o/private/refs"), NULL),
                 CLIPC_OK);
    tiny_model_write(in(root, "o/private/" A40), NULL);
    write_text(in(root, "o/private/refs/main"), A40);
    write_text(in(root, "o/private/token"), "hf_secret");
    refuse("o/private", CLIPC_ERR_NOT_FOUND, "private");
    params.token = "hf_wrong";
    refuse("o/private", CLIPC_ERR_NOT_FOUND, "private");
    params.token = "hf_secret";
    get("o/private");

    begin();
    CHECK_STATUS(clipc_folder_make(in(root, "o/gated"), NULL), CLIPC_OK);
    write_text(in(root, "o/gated/gated"), "");
    clipc_error err = refuse("o/gated", CLIPC_ERR_HTTP, "accept its terms");
    CHECK_HAS(err.message, "403");
    params.token = "not a token";
    refuse("o/n", CLIPC_ERR_ARGUMENT, "token");
    params.token = "hf_\r\nX: y";
    refuse("o/n", CLIPC_ERR_ARGUMENT, "token");
}

TEST(redirects)
{
    char rule[700];

    /* A moved repository: the same origin, with the token. */
    begin();
    params.token = "hf_secret";
    snprintf(rule, sizeof rule,
             "hub HEAD /old/n | status=307 location=%s/o/n/"
             "resolve/main/config.json times=1",
             hub_server_url(server));
    hub_server_rule(server, rule);
    clipc_error err = CLIPC_ERROR_INIT;
    char *folder;
    (void)clipc_hub_download(&folder, "old/n", &params, &err);
    free(folder);
    CHECK_INT(hub_server_count(server, "HEAD /o/n/resolve/main/config.json "
                                       "auth=yes"),
              1);
    /* Elsewhere without a description: asked there, without the token. */
    begin();
    params.token = "hf_secret";
    snprintf(rule, sizeof rule,
             "hub HEAD | status=302 location=%s/o/n/" A40 "/config.json",
             hub_server_storage_url(server));
    hub_server_rule(server, rule);
    refuse("o/n", CLIPC_ERR_FORMAT, "names no commit");
    CHECK_INT(hub_server_count(server, "storage HEAD"), 1);
    CHECK_INT(hub_server_count(server, "storage HEAD /o/n/" A40
                                       "/config.json auth=no"),
              1);
    /* And back: still without the token. */
    begin();
    params.token = "hf_secret";
    hub_server_rule(server, rule);
    snprintf(rule, sizeof rule, "storage | status=302 location=%s/back",
             hub_server_url(server));
    hub_server_rule(server, rule);
    refuse("o/n", CLIPC_ERR_LIMIT, "redirects");
    CHECK(hub_server_count(server, "/back auth=no") > 0);
    CHECK_INT(hub_server_count(server, "/back auth=yes"), 0);
    /* The bytes too, where the address was found in this way. */
    begin();
    params.token = "hf_secret";
    snprintf(rule, sizeof rule,
             "HEAD /o/n/resolve/" A40
             "/config.json | status=302 location=%s/x times=1",
             hub_server_storage_url(server));
    hub_server_rule(server, rule);
    snprintf(rule, sizeof rule,
             "storage HEAD /x | status=302 location=%s/o/n/resolve/" A40
             "/config.json",
             hub_server_url(server));
    hub_server_rule(server, rule);
    get("o/n");
    CHECK_INT(hub_server_count(server, "HEAD /o/n/resolve/" A40
                                       "/config.json auth=no"),
              1);
    CHECK_INT(hub_server_count(server,
                               "GET /o/n/resolve/" A40 "/config.json auth=no"),
              1);
    CHECK_INT(hub_server_count(server, "GET /o/n/resolve/" A40
                                       "/config.json auth=yes"),
              0);
    /* In circles. */
    begin();
    snprintf(rule, sizeof rule, "hub | status=302 location=%s/loop",
             hub_server_url(server));
    hub_server_rule(server, rule);
    refuse("o/n", CLIPC_ERR_LIMIT, "redirects");
    /* To other schemes. */
    begin();
    hub_server_rule(server, "model.safetensors | location=file:///etc/passwd");
    refuse("o/n", CLIPC_ERR_URL, "only http");
    begin();
    hub_server_rule(server, "model.safetensors | "
                            "location=http://user:secret@127.0.0.1:1/x");
    refuse("o/n", CLIPC_ERR_URL, "user name or password");
    CHECK(!clipc_file_exists(
        in(cache, "models--o--n/snapshots/" A40 "/model.safetensors")));
}

TEST(a_model_in_a_subfolder)
{
    clipc_model_params model_params = clipc_model_params_default();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;

    begin();
    CHECK_STATUS(clipc_folder_make(in(root, "o/sub/refs"), NULL), CLIPC_OK);
    CHECK_STATUS(clipc_folder_make(in(root, "o/sub/" B40 "/a"), NULL),
                 CLIPC_OK);
    tiny_model_write(in(root, "o/sub/" B40 "/a/0_CLIPModel"), NULL);
    write_text(in(root, "o/sub/refs/main"), B40);
    get("o/sub/a/0_CLIPModel");
    CHECK(clipc_file_exists(in(cache, "models--o--sub/snapshots/" B40
                                      "/a/0_CLIPModel/model.safetensors")));
    CHECK_INT(hub_server_count(server, "hub GET /o/sub/resolve/" B40
                                       "/a/0_CLIPModel/config.json"),
              1);
    /* The cache serves it, and the top of the repository is another model. */
    hub_server_reset(server);
    get("o/sub/a/0_CLIPModel@main");
    get("o/sub/a/0_CLIPModel@" B40);
    CHECK_INT(hub_server_count(server, "hub"), 0);
    refuse("o/sub", CLIPC_ERR_NOT_FOUND, "no config.json");
    refuse("o/sub/a", CLIPC_ERR_NOT_FOUND, "no config.json");
    refuse("o/sub/none", CLIPC_ERR_NOT_FOUND, "no config.json");
    model_params.hub = &params;
    params.allow_network = 0;
    CHECK_OK(clipc_model_open(&model, "o/sub/a/0_CLIPModel", &model_params,
                              &err),
             err);
    clipc_model_free(model);
}

/* The mirror only sends its clients on; the hub behind it has the files, the
 * storage, and tells which files there are not. */
TEST(a_mirror_leads_to_the_hub)
{
    static hub_server *mirror;
    char rule[300];

    begin();
    if (!mirror)
        mirror = hub_server_start(root);
    hub_server_reset(mirror);
    snprintf(rule, sizeof rule, "hub | status=308 mirror=%s",
             hub_server_url(server));
    hub_server_rule(mirror, rule);
    params.endpoint = hub_server_url(mirror);
    params.token = "hf_secret";
    get("o/n");
    check_blobs("n", A40);
    CHECK(hub_server_count(mirror, "auth=yes") > 0);
    CHECK_INT(hub_server_count(server, "auth=yes"), 0);
    CHECK(hub_server_count(server, "hub HEAD") > 3);
    CHECK_INT(hub_server_count(server, "storage GET"), 1);
    CHECK(clipc_file_exists(
              in(cache, "models--o--n/.no_exist/" A40 "/spiece.model")) ||
          clipc_file_exists(
              in(cache, "models--o--n/.no_exist/" A40 "/added_tokens.json")));
    /* What is not there is named. */
    refuse("o/none", CLIPC_ERR_NOT_FOUND, "no such repository");
    refuse("o/n@none", CLIPC_ERR_NOT_FOUND, "no revision none");
    /* An absence of another commit is none. */
    begin();
    params.endpoint = hub_server_url(mirror);
    hub_server_rule(server, "hub HEAD /o/n/resolve/" A40
                            "/added_tokens.json | status=404 "
                            "code=EntryNotFound commit=" B40);
    refuse("o/n", CLIPC_ERR_HTTP, "404");
}

/* ---- cuts -------------------------------------------------------------- */

/* The file is whole in the end, whatever the storage host did. */
static void check_recovers(const char *rule)
{
    begin();
    hub_server_rule(server, rule);
    clipc_error err = CLIPC_ERROR_INIT;
    char *folder;
    clipc_status status = clipc_hub_download(&folder, "o/n", &params, &err);
    if (status != CLIPC_OK)
        FAIL("%s: %s", rule, err.message);
    free(folder);
    check_blobs("n", A40);
    CHECK_INT(n_incomplete("n"), 0);
}

TEST(a_cut_transfer_is_continued)
{
    struct stat st;
    char rule[200];

    begin();
    CHECK(stat(in(root, "o/n/" A40 "/model.safetensors"), &st) == 0);
    const long cuts[] = { 0,
                          1,
                          2,
                          1000,
                          (long)st.st_size / 2,
                          (long)st.st_size - 1,
                          (long)st.st_size };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        snprintf(rule, sizeof rule, "storage GET | cut=%ld times=1", cuts[i]);
        check_recovers(rule);
        if (cuts[i] > 0 && cuts[i] < st.st_size) {
            snprintf(rule, sizeof rule, "range=%ld", cuts[i]);
            CHECK_INT(hub_server_count(server, rule), 1);
        }
    }
    /* Twenty pieces: every one is progress. */
    snprintf(rule, sizeof rule, "storage GET | cut=%ld times=20",
             (long)st.st_size / 21);
    check_recovers(rule);
    /* In the header, at the first byte, without an answer. */
    static const int headers[] = { 0, 1, 12, 30, 60 };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        snprintf(rule, sizeof rule, "storage GET | cut-header=%d times=2",
                 headers[i]);
        check_recovers(rule);
        snprintf(rule, sizeof rule, "hub HEAD | cut-header=%d times=1",
                 headers[i]);
        check_recovers(rule);
    }
    check_recovers("storage GET | drop=1 times=3");
    check_recovers("hub HEAD | drop=1 times=3");
    check_recovers("hub GET /o/n/resolve | cut=10 times=4");
    /* The body ends where the connection ends: no header gives its size. */
    check_recovers("storage GET | length=- cut=5000 times=1");
    check_recovers("storage GET | length=-");
}

TEST(a_range_that_is_not_honoured_starts_the_file_anew)
{
    static const char *const lengths[] = { "", " length=-" };

    for (size_t i = 0; i < 2; i++) {
        char rule[100];
        begin();
        hub_server_rule(server, "storage GET | cut=5000 times=1");
        snprintf(rule, sizeof rule, "storage GET | no-range=1%s", lengths[i]);
        hub_server_rule(server, rule);
        get("o/n");
        check_blobs("n", A40);
        CHECK_INT(hub_server_count(server, "range=5000"), 1);
    }
    /* 416 too. */
    begin();
    hub_server_rule(server, "storage GET | cut=5000 times=1");
    hub_server_rule(server, "storage GET | status=416 times=1");
    get("o/n");
    check_blobs("n", A40);
}

TEST(an_expired_address_is_asked_for_again)
{
    begin();
    hub_server_rule(server, "storage GET | status=403 times=1");
    get("o/n");
    check_blobs("n", A40);
    CHECK_INT(hub_server_count(server,
                               "HEAD /o/n/resolve/" A40 "/model.safetensors"),
              2);
    begin();
    hub_server_rule(server, "storage GET | status=403");
    refuse("o/n", CLIPC_ERR_HTTP,
           "storage host answered with HTTP status 403");
}

TEST(servers_that_are_busy_are_asked_again)
{
    check_recovers("storage GET | status=503 times=5");
    check_recovers("storage GET | status=500 times=2");
    check_recovers("hub HEAD | status=502 times=3");
    check_recovers("hub GET | status=408 times=1");
    check_recovers("hub HEAD | status=429 wait=0 times=1");
    begin();
    hub_server_rule(server, "storage GET | status=503");
    refuse("o/n", CLIPC_ERR_HTTP, "503");
    CHECK_INT(hub_server_count(server, "storage GET"), 6);
    begin();
    params.max_retries = 0;
    hub_server_rule(server, "hub HEAD | status=500");
    refuse("o/n", CLIPC_ERR_HTTP, "500");
    CHECK_INT(hub_server_count(server, ""), 1);
    /* Who asks for too long a wait is not waited for. */
    begin();
    hub_server_rule(server, "hub HEAD | status=429 limit=3600");
    refuse("o/n", CLIPC_ERR_HTTP, "too many requests");
    CHECK_INT(hub_server_count(server, ""), 1);
}

/* A proxy that compresses adds to the ETag. */
TEST(an_etag_may_have_a_suffix)
{
    check_recovers("hub | etag-suffix=-gzip");
    check_recovers("hub | etag-suffix=;gzip");
    begin();
    hub_server_rule(server, "hub | etag-suffix=gzip");
    refuse("o/n", CLIPC_ERR_FORMAT, "not a checksum");
}

/* Mirrors give the sums that they have. All are compared with the bytes. */
TEST(an_etag_may_be_another_sum_of_the_file)
{
    static const char *const sums[] = { "md5", "sha1" };
    char rule[100];

    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        snprintf(rule, sizeof rule, "hub | etag-sum=%s", sums[i]);
        check_recovers(rule);
        begin();
        hub_server_rule(server, rule);
        hub_server_rule(server, "storage GET | flip=100");
        refuse("o/n", CLIPC_ERR_FORMAT, "do not have the checksum");
    }
    /* Of S3's parts, not of the file. */
    begin();
    hub_server_rule(server, "hub | etag-sum=md5 etag-suffix=-2");
    refuse("o/n", CLIPC_ERR_FORMAT, "not a checksum");
}

/* A Retry-After counts in an answer that asks for patience, and nowhere
 * else. */
TEST(a_cut_answer_makes_nobody_wait)
{
    check_recovers("storage GET | cut=3000 wait=86400 times=1");
    check_recovers("hub GET | cut=1 wait=59 times=1");
    check_recovers("storage GET | status=500 wait=59 times=1");
}

TEST(a_server_of_a_byte_a_connection_is_left)
{
    begin();
    hub_server_rule(server, "storage GET | cut=1");
    refuse("o/n", CLIPC_ERR_NETWORK, "ended before the whole body");
    CHECK_INT(hub_server_count(server, "storage GET"), 6);
    CHECK_INT(n_incomplete("n"), 1);
}

/* 500 bytes a second are no silence, and would take a day for a model of 40
 * MB. */
TEST(a_server_of_few_bytes_a_second_is_left)
{
    begin();
    params.timeout_ms = 600;
    params.max_retries = 1;
    hub_server_rule(server, "storage GET | slow=50");
    refuse("o/n", CLIPC_ERR_TIMEOUT, "slower than 1000 bytes/s for 2 s");
    CHECK_INT(hub_server_count(server, "storage GET"), 2);
    CHECK_INT(n_incomplete("n"), 1);
}

TEST(silence_is_a_timeout)
{
    begin();
    params.timeout_ms = 300;
    params.connect_timeout_ms = 300;
    params.max_retries = 0;
    hub_server_rule(server, "hub HEAD | silent=1");
    refuse("o/n", CLIPC_ERR_TIMEOUT, "timeout_ms");
    begin();
    params.timeout_ms = 30000;
    params.head_timeout_ms = 200;
    params.max_retries = 0;
    hub_server_rule(server, "hub HEAD | silent=1");
    refuse("o/n", CLIPC_ERR_TIMEOUT, "no answer for 200 ms (head_timeout_ms)");
    begin();
    params.timeout_ms = 300;
    params.max_retries = 1;
    hub_server_rule(server, "storage GET | stop=3000 times=1");
    hub_server_rule(server, "storage GET | silent=1");
    refuse("o/n", CLIPC_ERR_TIMEOUT, "no answer for 300 ms");
    CHECK_INT(n_incomplete("n"), 1);
    hub_server_reset(server);
    get("o/n");
    CHECK_INT(hub_server_count(server, "range=3000"), 1);
    check_blobs("n", A40);
}

/* ---- partial files of an earlier run ----------------------------------- */

enum { PARTIAL = 5000 };

/* The cache has the first bytes of the weights, and their connection is cut. */
static void leave_partial(void)
{
    begin();
    params.max_retries = 0;
    hub_server_rule(server, "storage GET | cut=5000");
    refuse("o/n", CLIPC_ERR_NETWORK, "ended before the whole body");
    CHECK_INT(largest_incomplete("n"), PARTIAL);
    hub_server_reset(server);
    params.max_retries = 5;
}

/* Nothing of the partial file is lost, and the next run continues it. */
static void check_kept(const char *what)
{
    if (largest_incomplete("n") != PARTIAL)
        FAIL("%s: the partial file has %ld bytes", what,
             (long)largest_incomplete("n"));
    hub_server_reset(server);
    get("o/n");
    CHECK_INT(hub_server_count(server, "range=5000"), 1);
    CHECK_INT(n_incomplete("n"), 0);
    check_blobs("n", A40);
}

TEST(an_answer_without_the_file_keeps_the_partial_file)
{
    static const struct {
        const char *rule;
        clipc_status status;
        const char *piece;
    } cases[] = {
        { "storage GET | status=403 page=100000", CLIPC_ERR_HTTP, "403" },
        { "storage GET | status=502 page=100000", CLIPC_ERR_HTTP, "502" },
        { "storage GET | status=503 page=100", CLIPC_ERR_HTTP, "503" },
        { "storage GET | headers=100000", CLIPC_ERR_LIMIT, "of headers" },
        { "storage GET | gzip=1", CLIPC_ERR_FORMAT, "compressed" },
        { "storage GET | length=7", CLIPC_ERR_FORMAT, "announces" },
        { "storage GET | range-start=0", CLIPC_ERR_FORMAT, "another part" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leave_partial();
        hub_server_rule(server, cases[i].rule);
        refuse("o/n", cases[i].status, cases[i].piece);
        check_kept(cases[i].rule);
    }
    /* The address expired, and the hub speaks of something else meanwhile. */
    leave_partial();
    hub_server_rule(server, "storage GET | status=403 times=1");
    hub_server_rule(server, "HEAD /o/n/resolve/" A40
                            "/model.safetensors | skip=1 commit=" B40);
    refuse("o/n", CLIPC_ERR_FORMAT, "another commit");
    check_kept("another commit");
}

/* The whole file instead of a part of it is judged before the partial file is
 * emptied for it. */
TEST(a_whole_file_that_is_none_keeps_the_partial_file)
{
    static const struct {
        const char *rule;
        clipc_status status;
        const char *piece;
    } cases[] = {
        { "storage GET | status=200 page=100", CLIPC_ERR_FORMAT, "announces" },
        { "storage GET | status=200 page=9999", CLIPC_ERR_FORMAT,
          "announces" },
        { "storage GET | no-range=1 extra=1", CLIPC_ERR_FORMAT, "announces" },
        { "storage GET | no-range=1 gzip=1", CLIPC_ERR_FORMAT, "compressed" },
        { "storage GET | status=200 page=0", CLIPC_ERR_NETWORK, "no bytes" },
        { "storage GET | status=200 page=0 length=-", CLIPC_ERR_NETWORK,
          "no bytes" },
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
        /* The hub says the size, or does not. */
        const bool sized = i % 2 == 0;
        if (!sized && cases[i / 2].status != CLIPC_ERR_NETWORK)
            continue;
        leave_partial();
        hub_server_rule(server, cases[i / 2].rule);
        if (!sized)
            hub_server_rule(server, "hub HEAD /o/n/resolve/" A40
                                    "/model.safetensors | size=-");
        refuse("o/n", cases[i / 2].status, cases[i / 2].piece);
        check_kept(cases[i / 2].rule);
    }
    leave_partial();
    params.max_file_bytes = 6000;
    hub_server_rule(server, "hub HEAD | size=-");
    hub_server_rule(server, "storage GET | no-range=1");
    refuse("o/n", CLIPC_ERR_LIMIT, "larger than 6000 bytes");
    params.max_file_bytes = 0;
    check_kept("max_file_bytes");
}

/* An answer that does not give its length, as a proxy's page or a chunked file,
 * is compared with what is here. What comes again before the connection is cut
 * takes nothing away. */
TEST(a_whole_file_without_a_length_continues_the_partial_file)
{
    for (int sized = 0; sized < 2; sized++) {
        leave_partial();
        hub_server_rule(server, "storage GET | status=200 page=100 length=-");
        if (!sized)
            hub_server_rule(server, "hub HEAD /o/n/resolve/" A40
                                    "/model.safetensors | size=-");
        refuse("o/n", CLIPC_ERR_FORMAT, "begins otherwise");
        check_kept("a page without a length");
    }
    leave_partial();
    params.max_retries = 0;
    hub_server_rule(server, "storage GET | no-range=1 length=- cut=3000");
    refuse("o/n", CLIPC_ERR_NETWORK, "ended early");
    check_kept("cut where the file is here");
    leave_partial();
    params.max_retries = 0;
    hub_server_rule(server, "storage GET | no-range=1 cut=3000");
    refuse("o/n", CLIPC_ERR_NETWORK, "ended before");
    check_kept("cut, of a known length");
    leave_partial();
    params.max_retries = 0;
    hub_server_rule(server, "storage GET | no-range=1 length=- cut=7000");
    refuse("o/n", CLIPC_ERR_NETWORK, "ended early");
    CHECK_INT(largest_incomplete("n"), 7000);
    hub_server_reset(server);
    get("o/n");
    CHECK_INT(hub_server_count(server, "range=7000"), 1);
    check_blobs("n", A40);
}

/* Wrong bytes of an earlier run give way to a whole file of the length that the
 * hub announced. */
TEST(a_partial_file_that_is_wrong_is_written_over)
{
    begin();
    params.max_retries = 0;
    hub_server_rule(server, "storage GET | cut=5000 flip=4500");
    refuse("o/n", CLIPC_ERR_NETWORK, "ended before the whole body");
    CHECK_INT(largest_incomplete("n"), PARTIAL);
    hub_server_reset(server);
    hub_server_rule(server, "storage GET | no-range=1");
    get("o/n");
    CHECK_INT(hub_server_count(server, "storage GET"), 1);
    check_blobs("n", A40);
}

/* After 416 the whole file is asked for; who sends a part again sends all. */
TEST(a_part_from_byte_0_replaces_what_came)
{
    leave_partial();
    hub_server_rule(server, "storage GET | status=416 times=1");
    hub_server_rule(server, "storage GET | part=1");
    get("o/n");
    check_blobs("n", A40);
    CHECK_INT(hub_server_count(server, "storage GET"), 2);
}

/* However long its page is: the status decides whether to ask again. */
TEST(a_long_error_page_is_an_answer)
{
    char rule[300];

    check_recovers("storage GET | status=503 page=100000 times=2");
    check_recovers("storage GET | status=403 page=100000 times=1");
    check_recovers("hub GET | status=502 page=100000 times=2");
    begin();
    snprintf(rule, sizeof rule,
             "storage GET /o/n | status=302 page=100000 times=1 location=%s"
             "/o/n/" A40 "/model.safetensors",
             hub_server_storage_url(server));
    hub_server_rule(server, rule);
    get("o/n");
    check_blobs("n", A40);
}

/* ---- wrong bytes ------------------------------------------------------- */

/* Nothing of the file is left. */
static void check_refused(const char *rule, clipc_status status,
                          const char *piece)
{
    begin();
    hub_server_rule(server, rule);
    refuse("o/n", status, piece);
    check_blobs("n", A40);
    CHECK_INT(n_incomplete("n"), 0);
    CHECK(!clipc_file_exists(in(cache, "models--o--n/refs/main")));
    hub_server_reset(server);
    get("o/n");
    check_blobs("n", A40);
}

TEST(wrong_bytes_are_never_kept)
{
    static const struct {
        const char *rule;
        clipc_status status;
        const char *piece;
    } cases[] = {
        { "storage GET | flip=0", CLIPC_ERR_FORMAT, "checksum" },
        { "storage GET | flip=7777", CLIPC_ERR_FORMAT, "checksum" },
        { "hub GET | flip=3", CLIPC_ERR_FORMAT, "checksum" },
        { "storage GET | extra=1", CLIPC_ERR_FORMAT, "announces" },
        { "storage GET | extra=1 length=-", CLIPC_ERR_FORMAT, "more than" },
        { "storage GET | length=99999999", CLIPC_ERR_FORMAT, "announces" },
        { "storage GET | gzip=1", CLIPC_ERR_FORMAT, "compressed" },
        { "HEAD /o/n/resolve/" A40 "/model.safetensors | size=5",
          CLIPC_ERR_FORMAT, "announces" },
        { "HEAD /o/n/resolve/" A40 "/model.safetensors | size=999999999",
          CLIPC_ERR_FORMAT, "announces" },
        { "HEAD | etag=\"../../evil\"", CLIPC_ERR_FORMAT, "ETag" },
        { "HEAD | etag=\"../../../../../../../../evil/evil/evil/e\"",
          CLIPC_ERR_FORMAT, "ETag" },
        { "HEAD | etag=\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
          CLIPC_ERR_FORMAT, "ETag" },
        { "HEAD /o/n/resolve/" A40 "/config.json | etag=-", CLIPC_ERR_FORMAT,
          "ETag" },
        { "HEAD | etag=" A40, CLIPC_ERR_FORMAT, "checksum" },
        { "HEAD | commit=-", CLIPC_ERR_FORMAT, "names no commit" },
        { "HEAD | commit=../../evil", CLIPC_ERR_FORMAT, "names no commit" },
        { "HEAD /o/n/resolve/" A40 " | commit=" B40, CLIPC_ERR_FORMAT,
          "another commit" },
        { "HEAD /o/n/resolve/" A40 "/config.json | size=999999999999",
          CLIPC_ERR_FORMAT, "" },
    };
    for (size_t i = 0; i + 1 < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].rule, cases[i].status, cases[i].piece);
}

TEST(a_wrong_part_is_refused)
{
    static const char *const rules[] = {
        "storage GET | range-start=4999",
        "storage GET | range-start=0",
        "storage GET | range-total=5001",
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        begin();
        hub_server_rule(server, "storage GET | cut=5000 times=1");
        hub_server_rule(server, rules[i]);
        refuse("o/n", CLIPC_ERR_FORMAT, "another part");
        check_blobs("n", A40);
        CHECK_INT(n_incomplete("n"), 0);
    }
}

TEST(sizes_are_limited)
{
    begin();
    params.max_file_bytes = 1000;
    refuse("o/n", CLIPC_ERR_LIMIT, "max_file_bytes");
    CHECK_INT(hub_server_count(server, "storage GET"), 0);
    /* No Content-Length announces the size. */
    begin();
    params.max_file_bytes = 1000;
    hub_server_rule(server, "model.safetensors | size=-");
    refuse("o/n", CLIPC_ERR_LIMIT, "max_file_bytes");
    CHECK_INT(n_incomplete("n"), 0);
    begin();
    hub_server_rule(server, "/model.safetensors | size=-");
    get("o/n");
    check_blobs("n", A40);
}

/* ---- files that do not exist ------------------------------------------- */

TEST(what_does_not_exist_is_named)
{
    begin();
    get("o/n");
    refuse("o/m", CLIPC_ERR_NOT_FOUND, "no such repository");
    clipc_error err = refuse("o/m", CLIPC_ERR_NOT_FOUND, "the cache has o/n");
    CHECK_HAS(err.message, "HTTP status 404");
    refuse("o/n@v9", CLIPC_ERR_NOT_FOUND, "no revision v9");
    refuse("o/n@v9", CLIPC_ERR_NOT_FOUND, "the cache has main");
    refuse("o/n@" B40, CLIPC_ERR_NOT_FOUND, "no revision");
    begin();
    CHECK_STATUS(clipc_folder_make(in(root, "o/empty/" A40), NULL), CLIPC_OK);
    CHECK_STATUS(clipc_folder_make(in(root, "o/empty/refs"), NULL), CLIPC_OK);
    write_text(in(root, "o/empty/refs/main"), A40);
    refuse("o/empty", CLIPC_ERR_NOT_FOUND, "no config.json");
    begin();
    write_text(in(root, "o/empty/" A40 "/config.json"), "{}");
    refuse("o/empty", CLIPC_ERR_NOT_FOUND, "no weights that clipc reads");
}

/* A 404 of another host between here and the hub is no word about a file. */
TEST(absence_is_the_hubs_own_word)
{
    static const char file[] = "preprocessor_config.json";
    const char *remembered;

    begin();
    CHECK(unlink(in(root, "o/n/" A40 "/%s", file)) == 0 || errno == ENOENT);
    get("o/n"); /* X-Error-Code: EntryNotFound */
    remembered = in(cache, "models--o--n/.no_exist/" A40 "/%s", file);
    CHECK(access(remembered, F_OK) == 0);
    begin();
    hub_server_rule(server, "preprocessor_config.json | status=404");
    refuse("o/n", CLIPC_ERR_HTTP, "no word of the hub");
    /* The hub names the commit, and gives no reason: believed, this once. */
    begin();
    hub_server_rule(server,
                    "preprocessor_config.json | status=404 commit=" A40);
    get("o/n");
    remembered = in(cache, "models--o--n/.no_exist/" A40 "/%s", file);
    CHECK(access(remembered, F_OK) != 0);
}

TEST(errors_of_the_hub_are_told_as_they_are)
{
    static const struct {
        const char *rule;
        clipc_status status;
        const char *piece;
    } cases[] = {
        { "hub | status=401 code=RepoNotFound", CLIPC_ERR_NOT_FOUND,
          "private" },
        { "hub | status=403 message=Access_is_disabled.", CLIPC_ERR_HTTP,
          "Access is disabled." },
        { "hub | status=451", CLIPC_ERR_HTTP, "451" },
        { "hub | status=404", CLIPC_ERR_NOT_FOUND, "no such repository" },
        { "hub | drop=1", CLIPC_ERR_NETWORK, "without an answer" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        hub_server_rule(server, cases[i].rule);
        refuse("o/n", cases[i].status, cases[i].piece);
    }
    begin();
    params.endpoint = "http://127.0.0.1:1";
    refuse("o/n", CLIPC_ERR_NETWORK, "does not accept");
    params.endpoint = "ftp://127.0.0.1";
    refuse("o/n", CLIPC_ERR_URL, "only http");
    params.endpoint = "http://user:secret@127.0.0.1";
    refuse("o/n", CLIPC_ERR_URL, "user name");
    params.endpoint = "user:secret@127.0.0.1:1";
    refuse("o/n", CLIPC_ERR_URL, "127.0.0.1:1: only http");
    params.endpoint = "http://127.0.0.1/?secret";
    refuse("o/n", CLIPC_ERR_URL, "query");
    params.endpoint = "https://hub.test";
    static const char *const proxies[] = {
        "name:secret@127.0.0.1:1",
        "http://name:secret@127.0.0.1:1",
        "name:secret",
        "http://name:se/secret@127.0.0.1:1",
        "xyz://name:secret@h",
        "http://name:secret@127.0.0.1:x",
    };
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) {
        params.proxy = proxies[i];
        refuse("o/n", CLIPC_ERR_NETWORK, "proxy");
    }
    refuse("o//n", CLIPC_ERR_ARGUMENT, "not a repository id");
    params.cache_dir = NULL;
    refuse("o/n", CLIPC_ERR_ARGUMENT, "cache_dir");
}

/* ---- the state of the cache -------------------------------------------- */

TEST(a_partial_file_of_another_process_is_continued)
{
    static const char partial[] = ".clipc.incomplete";
    char etag[100];
    size_t n;

    begin();
    get("o/n");
    ssize_t len = readlink(in(cache, "models--o--n/snapshots/" A40
                                     "/model.safetensors"),
                           etag, sizeof etag - 1);
    etag[len] = '\0';
    memmove(etag, etag + strlen("../../blobs/"), 65);
    char *data = test_read(in(root, "o/n/" A40 "/model.safetensors"), &n);

    const size_t have[] = { 1, 4321, n - 1, n };
    for (size_t i = 0; i < sizeof have / sizeof *have; i++) {
        begin();
        CHECK_STATUS(clipc_folder_make(in(cache, "models--o--n/blobs"), NULL),
                     CLIPC_OK);
        test_write(in(cache, "models--o--n/blobs/%s%s", etag, partial), data,
                   have[i]);
        get("o/n");
        check_blobs("n", A40);
        char range[40];
        snprintf(range, sizeof range, "range=%zu", have[i]);
        CHECK_INT(hub_server_count(server, range), have[i] < n);
        CHECK_INT(hub_server_count(server, "storage GET"), have[i] < n);
    }
    /* Damaged, or too long: thrown away, and from the start. */
    for (size_t i = 0; i < 2; i++) {
        begin();
        CHECK_STATUS(clipc_folder_make(in(cache, "models--o--n/blobs"), NULL),
                     CLIPC_OK);
        char *wrong = calloc(n + 10, 1);
        CHECK(wrong != NULL);
        test_write(in(cache, "models--o--n/blobs/%s%s", etag, partial), wrong,
                   i == 0 ? n / 2 : n + 10);
        free(wrong);
        get("o/n");
        check_blobs("n", A40);
        CHECK_INT(n_incomplete("n"), 0);
    }
    free(data);
}

TEST(dangling_links_are_filled_again)
{
    begin();
    get("o/n");
    const char *link = in(cache,
                          "models--o--n/snapshots/" A40 "/model.safetensors");
    char *blob = realpath(link, NULL);
    CHECK(blob != NULL);
    CHECK(unlink(blob) == 0);
    free(blob);
    hub_server_reset(server);
    get("o/n");
    CHECK_INT(hub_server_count(server, "storage GET"), 1);
    check_blobs("n", A40);
    /* A blob without its link costs no GET. */
    CHECK(unlink(in(cache,
                    "models--o--n/snapshots/" A40 "/model.safetensors")) == 0);
    hub_server_reset(server);
    get("o/n");
    CHECK_INT(hub_server_count(server, "GET"), 0);
    check_blobs("n", A40);
}

TEST(snapshots_of_regular_files_are_used)
{
    begin();
    CHECK(mkdir(cache, 0777) == 0);
    tiny_model_write(in(cache, "x"), NULL);
    CHECK_STATUS(clipc_folder_make(in(cache, "models--o--n/snapshots"), NULL),
                 CLIPC_OK);
    CHECK_STATUS(clipc_folder_make(in(cache, "models--o--n/refs"), NULL),
                 CLIPC_OK);
    CHECK(rename(in(cache, "x"), in(cache, "models--o--n/snapshots/" A40)) ==
          0);
    write_text(in(cache, "models--o--n/refs/main"), A40);
    get("o/n"); /* asks for files that nobody has asked for yet */
    CHECK_INT(hub_server_count(server, "GET"), 0);
    hub_server_reset(server);
    get("o/n");
    CHECK_INT(hub_server_count(server, ""), 0);
}

TEST(a_damaged_file_of_the_cache_is_repaired)
{
    clipc_model_params how = clipc_model_params_default();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;

    for (int i = 0; i < 4; i++) {
        begin();
        get("o/n");
        const char *path = in(cache, "models--o--n/snapshots/" A40
                                     "/model.safetensors");
        if (i == 3) { /* shorter, and the branch has moved on */
            tiny_model_write(in(root, "o/n/" B40), NULL);
            write_text(in(root, "o/n/refs/main"), B40);
        }
        if (i == 0 || i == 3) /* shorter */
            CHECK(truncate(path, 1000) == 0);
        if (i == 1) { /* a regular file of the right size, wrong */
            struct stat st;
            CHECK(stat(path, &st) == 0);
            char *zeros = calloc((size_t)st.st_size, 1);
            CHECK(zeros && unlink(path) == 0);
            test_write(path, zeros, (size_t)st.st_size);
            free(zeros);
        }
        if (i == 2)
            write_text(in(cache, "models--o--n/snapshots/" A40 "/config.json"),
                       "not json");
        how.hub = &params;
        params.allow_network = 0;
        CHECK(clipc_model_open(&model, "o/n", &how, &err) != CLIPC_OK);
        params.allow_network = 1;
        err = (clipc_error)CLIPC_ERROR_INIT;
        CHECK_OK(clipc_model_open(&model, "o/n", &how, &err), err);
        CHECK_STR(err.message, "");
        CHECK_INT(err.code, CLIPC_OK);
        clipc_model_free(model);
        check_blobs("n", A40);
    }
}

TEST(without_the_network_what_is_there_is_used_and_told)
{
    begin();
    get("o/n");
    CHECK(unlink(in(cache, "models--o--n/snapshots/" A40 "/tokenizer.json")) ==
          0);
    hub_server_reset(server);
    hub_server_rule(server, "hub | status=500");
    get("o/n");
    CHECK_INT(n_notices, 1);
    CHECK_HAS(last_notice, "using the files in the cache");
    CHECK_INT(hub_server_count(server, ""), 1); /* not asked again */
    /* Missing weights cannot be done without. */
    CHECK(unlink(in(cache,
                    "models--o--n/snapshots/" A40 "/model.safetensors")) == 0);
    refuse("o/n", CLIPC_ERR_HTTP, "500");
    params.allow_network = 0;
    refuse("o/n", CLIPC_ERR_NOT_FOUND, "only some files");
}

/* The network asks for a login, say, and answers everything itself. */
TEST(where_something_else_answers_what_is_there_is_used_and_told)
{
    static const struct {
        const char *rule, *why;
        clipc_status status; /* without a model in the cache */
    } cases[] = {
        { "hub | status=200 page=5000", "names no commit", CLIPC_ERR_FORMAT },
        { "hub | headers=100000", "of headers", CLIPC_ERR_LIMIT },
        { "hub | status=302 location=ftp://127.0.0.1/login", "only http",
          CLIPC_ERR_URL },
        { "hub | status=302 location=http://a%b/login", "percent sign",
          CLIPC_ERR_URL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        hub_server_rule(server, cases[i].rule);
        refuse("o/n", cases[i].status, cases[i].why);
        hub_server_reset(server);
        get("o/n");
        hub_server_rule(server, cases[i].rule);
        /* The branch may have moved. */
        params.update = 1;
        get("o/n");
        CHECK_INT(n_notices, 1);
        CHECK_HAS(last_notice, "using the files in the cache");
        CHECK_HAS(last_notice, cases[i].why);
        /* A file that answers would depend on was never asked for. */
        params.update = 0;
        CHECK(unlink(in(cache, "models--o--n/snapshots/" A40
                               "/tokenizer.json")) == 0);
        get("o/n");
        CHECK_INT(n_notices, 2);
        CHECK_HAS(last_notice, cases[i].why);
    }
}

/* A new commit of which some files have come is not given up silently. */
TEST(a_hub_that_fails_halfway_is_told)
{
    begin();
    get("o/n");
    tiny_model_write(in(root, "o/n/" B40), NULL);
    write_text(in(root, "o/n/refs/main"), B40);
    params.update = 1;
    hub_server_rule(server,
                    "HEAD /o/n/resolve/" B40 "/tokenizer.json | etag=x");
    refuse("o/n", CLIPC_ERR_FORMAT, "not a checksum");
    CHECK_INT(n_notices, 0);
    /* Nothing has come yet: as if nobody had answered. */
    begin();
    write_text(in(root, "o/n/refs/main"), A40);
    get("o/n");
    write_text(in(root, "o/n/refs/main"), B40);
    params.update = 1;
    hub_server_rule(server, "HEAD /o/n/resolve/" B40 " | etag=x");
    get("o/n");
    CHECK_HAS(last_notice, "not a checksum");
}

/* SigLIP's class reads spiece.model; no other class is asked for that file. */
TEST(spiece_model_is_got_for_its_class)
{
    static const char *const CONFIGS[] = {
        "{\"tokenizer_class\": \"SiglipTokenizer\"}",
        "{\"tokenizer_class\": \"CLIPTokenizer\"}",
        "not JSON",
        "{}",
    };
    begin();
    size_t n;
    char *data = test_read("tests/data/pieces/rules.model", &n);

    test_write(in(root, "o/n/" A40 "/spiece.model"), data, n);
    for (size_t i = 0; i < sizeof CONFIGS / sizeof *CONFIGS; i++) {
        begin();
        write_text(in(root, "o/n/" A40 "/tokenizer_config.json"), CONFIGS[i]);
        get("o/n");
        CHECK_INT(hub_server_count(server, "spiece.model") > 0, i == 0);
        CHECK(clipc_file_exists(in(cache, "models--o--n/snapshots/" A40
                                          "/spiece.model")) == (i == 0));
        CHECK(clipc_file_exists(
            in(cache, "models--o--n/snapshots/" A40 "/tokenizer.json")));
    }
    /* Without tokenizer.json: vocab.json is not asked for. */
    begin();
    CHECK(unlink(in(root, "o/n/" A40 "/tokenizer.json")) == 0);
    write_text(in(root, "o/n/" A40 "/tokenizer_config.json"), CONFIGS[0]);
    get("o/n");
    CHECK_INT(hub_server_count(server, "vocab.json"), 0);
    CHECK(clipc_file_exists(
        in(cache, "models--o--n/snapshots/" A40 "/spiece.model")));
    free(data);
}

TEST(a_damaged_ref_is_asked_for_again)
{
    begin();
    get("o/n");
    write_text(in(cache, "models--o--n/refs/main"), "garbage");
    get("o/n");
    size_t n;
    char *ref = test_read(in(cache, "models--o--n/refs/main"), &n);
    CHECK_STR(ref, A40);
    free(ref);
}

TEST(a_cache_that_cannot_be_written)
{
    begin();
    write_text(cache, "a file in its place");
    refuse("o/n", CLIPC_ERR_NOT_FOUND, "not a folder");
    begin();
    if (geteuid() == 0)
        SKIP("root may write anywhere");
    CHECK(mkdir(cache, 0555) == 0);
    refuse("o/n", CLIPC_ERR_IO, "permission denied");
}

/* ---- two downloads at once --------------------------------------------- */

TEST(two_processes_download_once)
{
    int codes[3];
    pid_t pids[3];

    begin();
    /* Slow enough for the others to arrive. */
    hub_server_rule(server, "storage GET | cut=9000 times=3");
    params.retry_wait_ms = 60;
    for (int i = 0; i < 3; i++) {
        pids[i] = test_fork();
        if (pids[i] == 0) {
            char *folder;
            clipc_status status = clipc_hub_download(&folder, "o/n", &params,
                                                     NULL);
            _exit(status == CLIPC_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 3; i++) {
        CHECK(waitpid(pids[i], &codes[i], 0) == pids[i]);
        CHECK_INT(codes[i], 0);
    }
    check_blobs("n", A40);
    CHECK_INT(hub_server_count(server, "storage GET"), 4);
    CHECK_INT(n_incomplete("n"), 0);
}

/* Until their 5,000 bytes have come: other files have been incomplete
 * before. */
static void wait_for_weights(void)
{
    for (int i = 0;
         i < 3000 && (hub_server_count(server, "storage GET") == 0 ||
                      largest_incomplete("n") < 5000);
         i++)
        usleep(20000);
}

TEST(a_process_that_is_killed_leaves_what_the_next_continues)
{
    begin();
    hub_server_rule(server, "storage GET | stop=5000 times=1");
    pid_t pid = test_fork();
    if (pid == 0) {
        char *folder;
        (void)clipc_hub_download(&folder, "o/n", &params, NULL);
        _exit(0);
    }
    wait_for_weights();
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, NULL, 0) == pid);
    CHECK_INT(n_incomplete("n"), 1);
    get("o/n");
    check_blobs("n", A40);
    CHECK_INT(hub_server_count(server, "range=5000"), 1);
    CHECK_INT(n_incomplete("n"), 0);
}

static bool no_locks; /* as on some network file systems */

/* In place of the C library's, in this program. */
int flock(int fd, int operation)
{
    if (no_locks) {
        errno = ENOSYS;
        return -1;
    }
    return (int)syscall(SYS_flock, fd, operation);
}

/* Without locks nobody can tell what a killed process left from what another
 * one writes, nor can the process id: in a container it is 1 each time. Names
 * are unique, and what is a day old is removed. */
TEST(without_locks_a_killed_process_blocks_nobody)
{
    struct timespec times[2];
    char young[512], old[600];

    begin();
    no_locks = true;
    hub_server_rule(server, "storage GET | stop=5000 times=1");
    const pid_t pid = test_fork();
    if (pid == 0) {
        char *folder;
        (void)clipc_hub_download(&folder, "o/n", &params, NULL);
        _exit(0);
    }
    wait_for_weights();
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    CHECK_INT(list_folder(in(cache, "models--o--n/blobs"), "", ".incomplete",
                          young),
              1);
    snprintf(old, sizeof old, "%s", young);
    char *turn = strrchr(old, '-'); /* another turn of the same process */
    CHECK(turn != NULL);
    strcpy(turn, "-7f.incomplete");
    test_write(old, "x", 1);
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= 25l * 60 * 60;
    times[1] = times[0];
    CHECK(utimensat(AT_FDCWD, old, times, 0) == 0);

    /* On a slow machine the killed process has asked again itself. */
    const int asked = hub_server_count(server, "range=5000");
    get("o/n");
    no_locks = false;
    check_blobs("n", A40);
    CHECK_INT(hub_server_count(server, "range=5000"), asked);
    CHECK(access(old, F_OK) != 0 && access(young, F_OK) == 0);
}

static unsigned long block_bytes; /* of a disk with few blocks left, or 0 */

/* In place of the C library's, in this program. 0 blocks: no size is told. */
int fstatvfs(int fd, struct statvfs *fs)
{
    (void)fd;
    *fs = (struct statvfs){ .f_frsize = block_bytes,
                            .f_blocks = block_bytes != 0,
                            .f_bavail = 40000 };
    return 0;
}

TEST(a_full_disk_is_told_before_it_is_full)
{
    static const struct {
        unsigned long block_bytes;
        const char *left;
    } cases[] = {
        { 512, "900 MB are needed and the disk has 20 MB left" },
        { 4096, "900 MB are needed and the disk has 163 MB left" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        hub_server_rule(server, "/model.safetensors | size=900000000");
        block_bytes = cases[i].block_bytes;
        refuse("o/n", CLIPC_ERR_IO, cases[i].left);
        block_bytes = 0;
        CHECK_INT(hub_server_count(server, "storage GET"), 0);
    }
}

static int cancel_at(void *user, const clipc_progress *progress)
{
    const uint64_t *at = user;
    return strcmp(progress->what, "model.safetensors") == 0 &&
           progress->done >= *at && (progress->total > 0 || *at == 0);
}

TEST(cancelling_leaves_what_came)
{
    uint64_t at = 4000;

    begin();
    params.progress = cancel_at;
    params.progress_user = &at;
    hub_server_rule(server, "storage GET | stop=5000 times=1");
    refuse("o/n", CLIPC_ERR_CANCELLED, "cancelled");
    CHECK_INT(n_incomplete("n"), 1);
    check_blobs("n", A40);
    params.progress = NULL;
    get("o/n");
    CHECK_INT(hub_server_count(server, "range=5000"), 1);
    check_blobs("n", A40);
}

/* Python's lock is the same flock(); a lock file that nobody
 * holds does not lock. */
TEST(locks_are_those_of_huggingface_hub)
{
    char etag[100], path[1400];

    begin();
    get("o/n");
    ssize_t len = readlink(in(cache, "models--o--n/snapshots/" A40
                                     "/model.safetensors"),
                           etag, sizeof etag - 1);
    etag[len] = '\0';
    begin();
    snprintf(path, sizeof path, "%s",
             in(cache, ".locks/models--o--n/%s.lock", etag + 12));
    CHECK_STATUS(clipc_folder_make(in(cache, ".locks/models--o--n"), NULL),
                 CLIPC_OK);
    int fd = open(path, O_RDWR | O_CREAT, 0664);
    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
    params.lock_timeout_ms = 200;
    refuse("o/n", CLIPC_ERR_TIMEOUT, "lock_timeout_ms");
    CHECK_INT(hub_server_count(server, "storage GET"), 0);
    close(fd);
    get("o/n"); /* the file is still there */
    /* Another user's lock file, which may only be read, is a lock too. */
    if (geteuid() != 0) {
        begin();
        CHECK_STATUS(clipc_folder_make(in(cache, ".locks/models--o--n"), NULL),
                     CLIPC_OK);
        snprintf(path, sizeof path, "%s",
                 in(cache, ".locks/models--o--n/%s.lock", etag + 12));
        fd = open(path, O_RDONLY | O_CREAT, 0444);
        CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
        params.lock_timeout_ms = 200;
        refuse("o/n", CLIPC_ERR_TIMEOUT, "lock_timeout_ms");
        close(fd);
        get("o/n");
    }
    /* A link in its place is not followed. */
    begin();
    CHECK_STATUS(clipc_folder_make(in(cache, ".locks/models--o--n"), NULL),
                 CLIPC_OK);
    CHECK(symlink("/dev/null",
                  in(cache, ".locks/models--o--n/%s.lock", etag + 12)) == 0);
    refuse("o/n", CLIPC_ERR_IO, "symbolic link");
}

#endif /* CLIPC_CURL */
