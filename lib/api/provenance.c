/* SPDX-License-Identifier: MIT
 *
 * provenance.c - where the weights came from: SHA-256 of their files, and the
 * repository that the path names.
 */
#include "api/provenance.h"
#include "base/utf8.h"
#include "hub/hub.h"

#include <nettle/sha2.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_BLOCK = 1 << 20 }; /* bytes of a source file at a time */

enum { HEX = 2 * SHA256_DIGEST_SIZE };

/* SHA-256 of a file in hex, as sha256sum prints it. */
static clipc_status hash_file(char hex[HEX + 1], const char *path,
                              clipc_error *err)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    clipc_bytes bytes;

    CLIPC_TRY(clipc_file_map(&bytes, path, err));
    sha256_init(&sha);
    for (size_t at = 0; at < bytes.n; at += HASH_BLOCK) {
        size_t n = bytes.n - at < HASH_BLOCK ? bytes.n - at : HASH_BLOCK;
        sha256_update(&sha, n, bytes.data + at);
    }
    sha256_digest(&sha, sizeof digest, digest);
    clipc_bytes_release(&bytes);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return CLIPC_OK;
}

/* SHA-256 of every file of the weights with spaces between, malloc'ed; NULL
 * with CLIPC_OK: the weights are in memory. */
static clipc_status hash_weights(char **out, const clipc_model *model,
                                 clipc_error *err)
{
    const clipc_tensor_files *files = clipc_checkpoint_files(
        model->checkpoint);
    const size_t n = clipc_tensor_files_n_files(files);

    *out = NULL;
    if (!model->config_path)
        return CLIPC_OK;
    char *text = clipc_alloc(n, HEX + 1);
    if (!text)
        return clipc_fail_nomem(err, "provenance");
    for (size_t i = 0; i < n; i++) {
        char *hex = text + i * (HEX + 1);
        clipc_status status =
            hash_file(hex, clipc_tensor_files_file(files, i)->name, err);
        if (status != CLIPC_OK) {
            free(text);
            return status;
        }
        hex[HEX] = i + 1 < n ? ' ' : '\0';
    }
    *out = text;
    return CLIPC_OK;
}

/* The repository id and revision, both malloc'ed, of a path
 * .../models--OWNER--NAME/snapshots/REVISION; of another folder its last part,
 * since a whole path would tell of its owner's computer to whom the file is
 * passed on. */
static char *guess_source(const char *path, char **revision)
{
    static const char middle[] = "/snapshots/";
    size_t n = strlen(path);

    *revision = NULL;
    while (n > 1 && path[n - 1] == '/')
        n--;
    const char *repository = strstr(path, CLIPC_HUB_PREFIX);
    const char *snapshot = repository ? strstr(repository, middle) : NULL;
    if (snapshot) {
        repository += sizeof CLIPC_HUB_PREFIX - 1;
        char *id = clipc_strndup(repository, (size_t)(snapshot - repository));
        snapshot += sizeof middle - 1; /* below may be a subfolder */
        *revision = clipc_strndup(snapshot, strcspn(snapshot, "/"));
        if (id && *revision) {
            clipc_hub_decode(id);
            return id;
        }
        free(id);
        return NULL;
    }
    size_t begin = n;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    return clipc_strndup(path + begin, n - begin);
}

/* A JSON string must be UTF-8, and a folder's name may be anything. */
static clipc_status check_utf8(const char *text, const char *what,
                               clipc_error *err)
{
    size_t n = text ? strlen(text) : 0;
    size_t valid = text ? clipc_utf8_check(text, n) : 0;

    if (valid == n)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_UTF8, (int64_t)valid,
                      "the model's %s is not UTF-8 (%s)", what,
                      CLIPC_QUOTE(text));
}

clipc_status clipc_provenance(json_t **out, const clipc_model *model,
                              clipc_precision precision,
                              const clipc_pack_params *params,
                              clipc_error *err)
{
    char *hashes, *guessed_revision;

    *out = NULL;
    CLIPC_TRY(hash_weights(&hashes, model, err));
    char *guess = guess_source(model->source, &guessed_revision);
    const char *source = params->source ? params->source : guess;
    const char *revision = params->revision ? params->revision
                                            : guessed_revision;
    clipc_status status = guess ? check_utf8(source, "source", err)
                                : clipc_fail_nomem(err, "provenance");
    if (status == CLIPC_OK)
        status = check_utf8(revision, "revision", err);
    if (status != CLIPC_OK) {
        free(guess);
        free(guessed_revision);
        free(hashes);
        return status;
    }
    *out = json_pack("{s:s, s:s, s:s, s:s}", "format", "clipc-packed",
                     "precision", clipc_precision_name(precision),
                     "clipc_version", clipc_version(), "source", source);
    bool ok = *out != NULL;
    if (ok && revision && *revision)
        ok = json_object_set_new(*out, "revision", json_string(revision)) == 0;
    if (ok && hashes)
        ok = json_object_set_new(*out, "weights_sha256",
                                 json_string(hashes)) == 0;
    free(guess);
    free(guessed_revision);
    free(hashes);
    if (ok)
        return CLIPC_OK;
    json_decref(*out);
    *out = NULL;
    return clipc_fail_nomem(err, "provenance");
}
