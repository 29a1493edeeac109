/* SPDX-License-Identifier: MIT
 *
 * hub_file.c - one file of a repository.
 *
 *     HEAD /ORG/NAME/resolve/COMMIT/FILE    ETag, size, address
 *     GET  the address, Range: bytes=N-     to blobs/ETAG
 *
 * Only its checksum decides whether a blob is accepted, whatever the sender
 * and the number of pieces.
 */
#include "hub/hub_file.h"

#include "base/file.h"
#include "checkpoint/model_files.h"
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    MOST_DOUBLINGS = 3,     /* of the wait before a retry */
    MAX_SERVER_WAIT_S = 60, /* no retry if the server asks for more */
    MAX_CONNECTIONS = 1000, /* for the bytes of one file */
    PROGRESS = 65536,       /* bytes: see progressed() */
    SHARE = 25              /* so much of a file, there */
};

/* The hub's description of a file. */
typedef struct description {
    clipc_hub_blob blob;
    char *url;
    bool elsewhere; /* as in the answer */
} description;

/* ---- answers of the hub ------------------------------------------------ */

static bool code_is(const clipc_hub_answer *answer, const char *code)
{
    return strcmp(answer->error_code, code) == 0;
}

static clipc_status fail_repository(const clipc_hub_task *d,
                                    const clipc_hub_answer *answer,
                                    clipc_error *err)
{
    char names[64], near[96] = "";

    clipc_hub_near_misses(names, sizeof names, d->params->cache_dir, d->id);
    if (names[0])
        snprintf(near, sizeof near, "; the cache has %s", names);
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%.80s: the hub has no such repository, or it is "
                      "private and wants a token%s (HTTP status %ld)%s",
                      d->id->repo,
                      d->params->token ? " of somebody who may read it" : "",
                      answer->status, near);
}

static clipc_status fail_revision(clipc_hub_task *d, clipc_error *err)
{
    char names[64], near[96] = "";

    d->final = true;
    clipc_hub_revisions(names, sizeof names, d->tree.repository);
    if (names[0])
        snprintf(near, sizeof near, "; the cache has %s", names);
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%.80s: the hub has no revision %.60s of it%s",
                      d->id->repo, CLIPC_QUOTE(d->id->revision), near);
}

/* Fails for an answer that is neither a file nor a file's absence. */
static clipc_status fail_answer(clipc_hub_task *d, const char *file,
                                const clipc_hub_answer *answer,
                                clipc_error *err)
{
    const char *text = answer->error_text;
    long status = answer->status;
    const char *hint = "";

    if (code_is(answer, "RevisionNotFound"))
        return fail_revision(d, err);
    if (!answer->elsewhere && status == 404 && d->commit[0] &&
        answer->error_code[0] == '\0')
        return clipc_fail(err, CLIPC_ERR_HTTP, -1,
                          "%.80s: %s: HTTP status 404, but no word of the hub "
                          "that the file does not exist (X-Error-Code); a "
                          "proxy or a mirror may have answered",
                          d->id->repo, CLIPC_QUOTE(file));
    if (code_is(answer, "RepoNotFound") ||
        (!answer->elsewhere &&
         (status == 404 ||
          (status == 401 && !clipc_hub_session_sends_token(d->session)))))
        return fail_repository(d, answer, err);
    if (code_is(answer, "GatedRepo"))
        return clipc_fail(err, CLIPC_ERR_HTTP, -1,
                          "%.80s is gated (HTTP status %ld): accept its terms "
                          "at %.60s/%.80s and give a token of that account",
                          d->id->repo, status,
                          CLIPC_QUOTE(clipc_hub_session_endpoint(d->session)),
                          d->id->repo);
    if (status == 407)
        return clipc_fail(err, CLIPC_ERR_HTTP, -1,
                          "%.80s: %s: " CLIPC_PROXY_WANTS_LOGIN, d->id->repo,
                          CLIPC_QUOTE(file));
    if (status == 401)
        hint = ": it refuses the token";
    else if (status == 403)
        hint = ": it does not allow this";
    else if (status == 429)
        hint = ": too many requests; try again later";
    else if (status >= 500)
        hint = ": try again later";
    return clipc_fail(err, CLIPC_ERR_HTTP, -1,
                      "%.80s: %s: the %s answered with HTTP status %ld%s%s%s",
                      d->id->repo, CLIPC_QUOTE(file),
                      answer->elsewhere ? "storage host" : "hub", status, hint,
                      text[0] ? ": " : "", text[0] ? CLIPC_QUOTE(text) : "");
}

static bool is_worth_a_retry(const clipc_hub_task *d, clipc_status status,
                             const clipc_hub_answer *answer)
{
    if (status == CLIPC_ERR_NETWORK || status == CLIPC_ERR_TIMEOUT)
        return clipc_hub_session_connected(d->session);
    return status == CLIPC_OK &&
           (answer->status == 408 || answer->status == 429 ||
            answer->status >= 500) &&
           answer->wait_s <= MAX_SERVER_WAIT_S;
}

static clipc_status wait_before(const clipc_hub_task *d, unsigned retry,
                                const clipc_hub_answer *answer,
                                const char *file, uint64_t done,
                                uint64_t total, clipc_error *err)
{
    uint64_t ms = (uint64_t)d->params->retry_wait_ms
                  << (retry < MOST_DOUBLINGS ? retry : MOST_DOUBLINGS);

    /* Only an answer that asks for patience says how much. */
    if ((answer->status == 429 || answer->status == 503) &&
        (uint64_t)answer->wait_s * 1000 > ms)
        ms = (uint64_t)answer->wait_s * 1000;
    if (ms > MAX_SERVER_WAIT_S * 1000)
        ms = MAX_SERVER_WAIT_S * 1000;
    return clipc_hub_pause(d->params, file, done, total, (unsigned)ms, err);
}

/* ---- descriptions ------------------------------------------------------ */

/* Returns text percent-encoded, malloc'ed. With keep_slash '/' stays. */
static char *encode(const char *text, bool keep_slash)
{
    char *out = clipc_alloc(strlen(text) + 1, 3), *p = out;

    if (!out)
        return NULL;
    for (; *text; text++) {
        char c = *text;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c >= '0' && c <= '9') || strchr("-_.~", c) ||
            (c == '/' && keep_slash))
            *p++ = c;
        else
            p += snprintf(p, 4, "%%%02X", (unsigned char)c);
    }
    *p = '\0';
    return out;
}

/* Sends HEAD for a file, with retries, until an answer is about the file. */
static clipc_status ask(clipc_hub_task *d, const char *file,
                        clipc_hub_answer *answer, clipc_error *err)
{
    const char *revision = d->commit[0] ? d->commit : d->id->revision;
    char *name = encode(file, true), *encoded = encode(revision, false);
    char *path = name && encoded ? clipc_format("%s/resolve/%s/%s",
                                                d->id->repo, encoded, name)
                                 : NULL;
    clipc_status status;

    *answer = (clipc_hub_answer){ 0 };
    free(name);
    free(encoded);
    if (!path)
        return clipc_fail_nomem(err, "URL");
    for (unsigned retry = 0;; retry++) {
        clipc_hub_answer_release(answer);
        status = clipc_hub_head(d->session, path, file, answer, err);
        if (!is_worth_a_retry(d, status, answer) || d->impatient ||
            retry >= d->params->max_retries)
            break;
        status = wait_before(d, retry, answer, file, 0, 0, err);
        if (status != CLIPC_OK)
            break;
    }
    if (status == CLIPC_OK)
        d->impatient = false;
    free(path);
    return status;
}

static clipc_status fail_not_a_hub(const char *file, const char *what,
                                   const clipc_hub_task *d, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                      "%.80s: %s: %s; is %s a Hugging Face hub?", d->id->repo,
                      CLIPC_QUOTE(file), what,
                      CLIPC_QUOTE(clipc_hub_session_endpoint(d->session)));
}

static bool is_commit(const char *text)
{
    return strlen(text) == CLIPC_HUB_COMMIT_DIGITS &&
           clipc_hub_is_hex(text, CLIPC_HUB_COMMIT_DIGITS);
}

/* Whether the answer describes a file or reports the file's absence. */
static bool is_description(const clipc_hub_answer *answer)
{
    return answer->status == 200 ||
           (answer->status >= 300 && answer->status < 400);
}

static bool is_absence(const clipc_hub_task *d, const clipc_hub_answer *answer)
{
    if (answer->status != 404)
        return false;
    /* A mirror may send its clients to a hub elsewhere, which has to say of
     * which commit it speaks. */
    if (code_is(answer, "EntryNotFound"))
        return !answer->elsewhere ||
               (is_commit(answer->commit) &&
                (!d->commit[0] || strcmp(answer->commit, d->commit) == 0));
    if (answer->elsewhere)
        return false;
    /* A 404 without a reason is the hub's own where the answer names the
     * commit. Another host between here and the hub knows no commit. */
    return answer->error_code[0] == '\0' && is_commit(answer->commit) &&
           (!d->commit[0] || strcmp(answer->commit, d->commit) == 0);
}

clipc_status clipc_hub_learn_commit(clipc_hub_task *d, clipc_error *err)
{
    char *file = clipc_hub_within(d->id, "", CLIPC_CONFIG_JSON);
    clipc_hub_answer answer = { 0 };
    clipc_status status = file ? ask(d, file, &answer, err)
                               : clipc_fail_nomem(err, "name of a file");

    if (status == CLIPC_OK) {
        if (!is_description(&answer) && !is_absence(d, &answer))
            status = fail_answer(d, file, &answer, err);
        else if (!is_commit(answer.commit))
            status = fail_not_a_hub(file, "the answer names no commit", d,
                                    err);
        else
            memcpy(d->commit, answer.commit, sizeof d->commit);
    }
    clipc_hub_answer_release(&answer);
    free(file);
    return status;
}

/* The digits of the checksum that an etag begins with, or 0. The hub's is git's
 * SHA-1 or a SHA-256; proxies and mirrors also give the file's SHA-1 or MD5.
 * A proxy that compresses adds "-gzip" or ";gzip" to the etag. An S3 storage
 * adds "-PARTS" to what is an MD5 of its parts' MD5s, not of the file. */
static size_t checksum_digits(const char *etag)
{
    size_t n = strspn(etag, "0123456789abcdef");

    if (n == 32 && etag[n] == '-' && strchr("0123456789", etag[n + 1]))
        return 0;
    return (n == 32 || n == 40 || n == CLIPC_HUB_MAX_ETAG) &&
                   strchr("-;", etag[n])
               ? n
               : 0;
}

/* *found false: the commit has no such file. Free the description's url. */
static clipc_status describe(clipc_hub_task *d, const char *file, bool *found,
                             description *out, clipc_error *err)
{
    clipc_hub_answer answer;
    clipc_status status = ask(d, file, &answer, err);
    size_t n = checksum_digits(answer.etag);

    *found = false;
    *out = (description){ .url = NULL };
    if (status != CLIPC_OK) {
        ;
    } else if (is_absence(d, &answer)) {
        /* Remembered for ever: only what the hub says in so many words. */
        if (code_is(&answer, "EntryNotFound") &&
            strcmp(answer.commit, d->commit) == 0)
            clipc_hub_absent_write(&d->tree, d->commit, file);
    } else if (!is_description(&answer)) {
        status = fail_answer(d, file, &answer, err);
    } else if (strcmp(answer.commit, d->commit) != 0) {
        status = fail_not_a_hub(file, "the answer is about another commit", d,
                                err);
    } else if (n == 0) {
        status = fail_not_a_hub(file,
                                "the ETag is not a checksum of 32, 40 or 64 "
                                "hex digits",
                                d, err);
    } else {
        *found = true;
        memcpy(out->blob.etag, answer.etag, n);
        out->blob.etag[n] = '\0';
        out->blob.has_size = answer.has_size;
        out->blob.size = answer.size;
        out->url = answer.url;
        out->elsewhere = answer.elsewhere;
        answer.url = NULL;
    }
    clipc_hub_answer_release(&answer);
    return status;
}

/* ---- bytes ------------------------------------------------------------- */

/* Asks for a new address of the same content: a signed address expired. */
static clipc_status renew_url(clipc_hub_task *d, const char *file,
                              description *what, clipc_error *err)
{
    description again;
    bool found;

    CLIPC_TRY(describe(d, file, &found, &again, err));
    if (!found || strcmp(again.blob.etag, what->blob.etag) != 0) {
        free(again.url);
        return fail_not_a_hub(file, "it changed during the download", d, err);
    }
    free(what->url);
    what->url = again.url;
    what->elsewhere = again.elsewhere;
    return CLIPC_OK;
}

static bool may_have_expired(const clipc_hub_answer *answer)
{
    return answer->elsewhere &&
           (answer->status == 401 || answer->status == 403 ||
            answer->status == 404 || answer->status == 410);
}

/* Whether a connection brought enough that the retries begin anew: 64 KiB, or
 * a 25th of a smaller file. A server of a byte a connection is left. */
static bool progressed(const clipc_hub_sink *sink, uint64_t before)
{
    uint64_t least = PROGRESS;

    if (sink->has_size && sink->size / SHARE < least)
        least = sink->size / SHARE + 1;
    return sink->have >= before + least;
}

/* Gets bytes until the sink has every byte, over as many connections as
 * needed. */
static clipc_status transfer(clipc_hub_task *d, const char *file,
                             description *what, clipc_hub_sink *sink,
                             clipc_error *err)
{
    for (unsigned retry = 0, connections = 1;; retry++, connections++) {
        clipc_hub_answer answer;
        uint64_t before = sink->have;
        clipc_status status = clipc_hub_get(d->session, what->url,
                                            what->elsewhere, sink, &answer,
                                            err);
        bool good = status == CLIPC_OK &&
                    (answer.status == 200 || answer.status == 206);
        if (good && (!sink->has_size || sink->have == sink->size)) {
            clipc_hub_answer_release(&answer);
            return CLIPC_OK;
        }
        if (good) /* the connection was cut; no Content-Length */
            status = clipc_fail(err, CLIPC_ERR_NETWORK, -1,
                                "%s: %s: the connection ended early",
                                d->id->repo, CLIPC_QUOTE(file));
        if (progressed(sink, before))
            retry = 0;
        bool again = is_worth_a_retry(d, status, &answer) ||
                     (status == CLIPC_OK &&
                      (answer.status == 416 || may_have_expired(&answer)));
        if (!again || retry >= d->params->max_retries ||
            connections >= MAX_CONNECTIONS) {
            if (status == CLIPC_OK)
                status = fail_answer(d, file, &answer, err);
            clipc_hub_answer_release(&answer);
            return status;
        }
        bool renew = may_have_expired(&answer);
        if (status == CLIPC_OK && answer.status == 416)
            sink->have = 0; /* the request from byte 0 is answered by 200 */
        status = wait_before(d, retry, &answer, file, sink->have,
                             sink->has_size ? sink->size : 0, err);
        clipc_hub_answer_release(&answer);
        CLIPC_TRY(status);
        if (renew)
            CLIPC_TRY(renew_url(d, file, what, err));
    }
}

static clipc_status fail_checksum(const clipc_hub_task *d, const char *file,
                                  clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                      "%.80s: %s: the bytes that came do not have the "
                      "checksum the hub announced; they were thrown away",
                      d->id->repo, CLIPC_QUOTE(file));
}

/* Fills the partial file and renames it to the blob. *discard: the partial
 * file's bytes are useless. */
static clipc_status fill(clipc_hub_task *d, const char *file,
                         description *what, clipc_hub_partial *partial,
                         uint64_t max_bytes, bool *discard, clipc_error *err)
{
    clipc_hub_sink sink = { .fd = partial->fd,
                            .name = partial->path,
                            .file = file,
                            .have = partial->have,
                            .has_size = what->blob.has_size,
                            .size = what->blob.size,
                            .max_bytes = max_bytes };
    bool good, continued = sink.have > 0;

    for (;;) {
        if (sink.have > (sink.has_size ? sink.size : max_bytes)) {
            CLIPC_TRY(clipc_hub_partial_empty(partial, err));
            sink.have = 0;
        }
        if (sink.has_size)
            CLIPC_TRY(
                clipc_hub_partial_room(partial, sink.size - sink.have, err));
        if (!sink.has_size || sink.have < sink.size) {
            clipc_status status = transfer(d, file, what, &sink, err);
            *discard = sink.suspect;
            CLIPC_TRY(status);
        }
        CLIPC_TRY(clipc_hub_blob_check_fd(&good, &what->blob, partial->fd,
                                          partial->path, err));
        if (good)
            return clipc_hub_partial_keep(partial, err);
        *discard = true;
        if (!continued)
            return fail_checksum(d, file, err);
        /* An earlier run's bytes may be wrong: start again from zero. */
        continued = *discard = false;
        CLIPC_TRY(clipc_hub_partial_empty(partial, err));
        sink.have = 0;
    }
}

/* Finds or downloads blobs/ETAG. */
static clipc_status get_blob(clipc_hub_task *d, const char *file,
                             description *what, uint64_t max_bytes,
                             clipc_error *err)
{
    clipc_hub_partial partial;
    char *path = NULL;
    clipc_status status;
    bool good, discard = false;
    int lock = -1;

    if (what->blob.has_size && what->blob.size > max_bytes)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%.80s: %s has %llu bytes, more than %llu (%s)",
                          d->id->repo, CLIPC_QUOTE(file),
                          (unsigned long long)what->blob.size,
                          (unsigned long long)max_bytes,
                          clipc_hub_limit_name(max_bytes));
    CLIPC_TRY(
        clipc_hub_tree_path(&path, &d->tree, "blobs", what->blob.etag, err));
    CLIPC_TRY_GOTO(status, done,
                   clipc_hub_blob_check(&good, &what->blob, path, d->verify,
                                        err));
    if (good)
        goto done;
    CLIPC_TRY_GOTO(status, done,
                   clipc_hub_lock(&lock, &d->tree, what->blob.etag, file,
                                  err));
    /* Another process may have made the blob meanwhile. */
    CLIPC_TRY_GOTO(status, done,
                   clipc_hub_blob_check(&good, &what->blob, path, d->verify,
                                        err));
    if (good)
        goto done;
    CLIPC_TRY_GOTO(status, done,
                   clipc_hub_partial_open(&partial, &d->tree, what->blob.etag,
                                          lock, err));
    status = fill(d, file, what, &partial, max_bytes, &discard, err);
    clipc_hub_partial_close(&partial, discard);
done:
    clipc_hub_unlock(lock);
    free(path);
    return status;
}

/* ---- a file ------------------------------------------------------------ */

/* Looks up a file of the commit in the cache. *settled: the cache knows, and
 * *found is the answer. */
static clipc_status look_up(const clipc_hub_task *d, const char *file,
                            clipc_hub_need need, bool *settled, bool *found,
                            clipc_error *err)
{
    char *name = clipc_format("%s/%s", d->commit, file);
    char *path = NULL, *absent = NULL;
    clipc_status status;
    struct stat st;

    *settled = *found = false;
    if (!name)
        return clipc_fail_nomem(err, "path in the hub cache");
    CLIPC_TRY_GOTO(status, done,
                   clipc_hub_tree_path(&path, &d->tree, "snapshots", name,
                                       err));
    CLIPC_TRY_GOTO(status, done,
                   clipc_hub_tree_path(&absent, &d->tree, ".no_exist", name,
                                       err));
    if (d->verify) /* verify only files in the cache */
        *settled = need == CLIPC_HUB_OPTIONAL && lstat(path, &st) != 0;
    else
        *settled = (*found = clipc_file_exists(path)) ||
                   clipc_file_exists(absent);
done:
    free(name);
    free(path);
    free(absent);
    return status;
}

/* For verify: whether the snapshot's file has the right content. The file may
 * be no link. */
static clipc_status entry_is_good(const clipc_hub_task *d, const char *file,
                                  const description *what, bool *good,
                                  clipc_error *err)
{
    char *name = clipc_format("%s/%s", d->commit, file), *path = NULL;
    clipc_status status;

    *good = false;
    if (!name)
        return clipc_fail_nomem(err, "path in the hub cache");
    status = clipc_hub_tree_path(&path, &d->tree, "snapshots", name, err);
    if (status == CLIPC_OK)
        status = clipc_hub_blob_check(good, &what->blob, path, true, err);
    free(name);
    free(path);
    return status;
}

/* file: from the top of the repository. */
static clipc_status get_file(clipc_hub_task *d, const char *file,
                             clipc_hub_need need, uint64_t max_bytes,
                             bool *found, clipc_error *err)
{
    description what = { .url = NULL };
    bool settled, good = false;
    clipc_status status;

    CLIPC_TRY(look_up(d, file, need, &settled, found, err));
    if (!settled) {
        CLIPC_TRY(describe(d, file, found, &what, err));
        status = CLIPC_OK;
        if (*found && d->verify)
            status = entry_is_good(d, file, &what, &good, err);
        if (status == CLIPC_OK && *found && !good)
            status = get_blob(d, file, &what, max_bytes, err);
        if (status == CLIPC_OK && *found && !good) {
            status = clipc_hub_link(&d->tree, d->commit, file, what.blob.etag,
                                    err);
            d->repaired = d->repaired || status == CLIPC_OK;
            d->taken = d->taken || status == CLIPC_OK;
        }
        free(what.url);
        CLIPC_TRY(status);
    }
    if (*found || need == CLIPC_HUB_OPTIONAL)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%.80s: the hub has no file %s in revision %.60s",
                      d->id->repo, CLIPC_QUOTE(file), d->id->revision);
}

clipc_status clipc_hub_file_get(clipc_hub_task *d, const char *name,
                                clipc_hub_need need, uint64_t max_bytes,
                                bool *found, clipc_error *err)
{
    char *file = clipc_hub_within(d->id, "", name);
    clipc_status status = file ? get_file(d, file, need, max_bytes, found, err)
                               : clipc_fail_nomem(err, "name of a file");

    free(file);
    return status;
}
