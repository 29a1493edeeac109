/* SPDX-License-Identifier: MIT
 *
 * hub_lookup.c - repository ids, and their files in a Hugging Face hub cache.
 * This file only reads the cache; hub_download.c fills the cache.
 *
 *     CACHE/models--ORG--NAME/refs/REVISION             a commit, 40 hex
 *     CACHE/models--ORG--NAME/snapshots/COMMIT/FILE     usually a link
 *     CACHE/models--ORG--NAME/.no_exist/COMMIT/FILE     empty: not in the repo
 *
 * The tree is huggingface_hub 2.4's. Names from outside are checked part by
 * part before they enter a path.
 */
#include "hub/hub.h"

#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_REF_BYTES = 1024, /* in a file in refs/ */
    MAX_REF_DEPTH = 4     /* of the folders listed in refs/ */
};

/* ---- ids --------------------------------------------------------------- */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

/* [A-Za-z0-9_.-], no "--" or "..", no '-' or '.' at either end. */
static bool is_id_part(const char *s, size_t n)
{
    if (n == 0 || n > CLIPC_HUB_MAX_PART)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool mark = s[i] == '-' || s[i] == '.';
        if (!mark && s[i] != '_' && !is_alphanumeric(s[i]))
            return false;
        if (mark && (i == 0 || i == n - 1 || s[i + 1] == s[i]))
            return false;
    }
    return true;
}

bool clipc_hub_is_hex(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'f'))
            return false;
    return s[n] == '\0';
}

/* A branch, a tag, refs/pr/N or a commit: visible ASCII without '\'; no part
 * between '/' is empty, "." or "..". */
static bool is_revision(const char *s, size_t n)
{
    size_t start = 0;

    if (n == 0 || n > CLIPC_HUB_MAX_REVISION)
        return false;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && s[i] != '/') {
            if (s[i] <= ' ' || s[i] > '~' || s[i] == '\\')
                return false;
            continue;
        }
        size_t length = i - start;
        if (length == 0 || (length == 1 && s[start] == '.') ||
            (length == 2 && s[start] == '.' && s[start + 1] == '.'))
            return false;
        start = i + 1;
    }
    return true;
}

bool clipc_hub_parse(clipc_hub_id *id, const char *name)
{
    const char *at = strchr(name, '@');
    size_t n = at ? (size_t)(at - name) : strlen(name);
    const char *slash = memchr(name, '/', n);
    const char *last = slash ? slash + 1 : name;
    const char *below = memchr(last, '/', n - (size_t)(last - name));
    size_t n_last = (below ? (size_t)(below - name) : n) -
                    (size_t)(last - name);
    size_t n_below = below ? n - (size_t)(below + 1 - name) : 0;
    const char *revision = at ? at + 1 : "main";
    size_t n_revision = strlen(revision);

    if (slash && !is_id_part(name, (size_t)(slash - name)))
        return false;
    if (!is_id_part(last, n_last) || !is_revision(revision, n_revision))
        return false;
    if (n_last >= 4 && memcmp(last + n_last - 4, ".git", 4) == 0)
        return false;
    /* A subfolder's name has the same rules as a revision's. */
    if (below && (n_below > CLIPC_HUB_MAX_SUBFOLDER ||
                  !is_revision(below + 1, n_below)))
        return false;
    n = (size_t)(last - name) + n_last;
    memcpy(id->repo, name, n);
    id->repo[n] = '\0';
    memcpy(id->subfolder, below ? below + 1 : "", n_below);
    id->subfolder[n_below] = '\0';
    memcpy(id->revision, revision, n_revision + 1);
    id->is_commit = n_revision == CLIPC_HUB_COMMIT_DIGITS &&
                    clipc_hub_is_hex(revision, n_revision);
    return true;
}

char *clipc_hub_within(const clipc_hub_id *id, const char *first,
                       const char *last)
{
    const char *sub = id->subfolder;

    return clipc_format("%s%s%s%s%s", first, *first && *sub ? "/" : "", sub,
                        last && (*first || *sub) ? "/" : "", last ? last : "");
}

char *clipc_hub_repository(const char *cache_dir, const clipc_hub_id *id)
{
    const char *slash = strchr(id->repo, '/');

    if (!slash)
        return clipc_format("%s/" CLIPC_HUB_PREFIX "%s", cache_dir, id->repo);
    return clipc_format("%s/" CLIPC_HUB_PREFIX "%.*s--%s", cache_dir,
                        (int)(slash - id->repo), id->repo, slash + 1);
}

void clipc_hub_decode(char *repo)
{
    char *dashes = strstr(repo, "--");

    if (dashes) {
        *dashes = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
}

/* ---- revisions --------------------------------------------------------- */

static clipc_status fail_missing(const clipc_hub_id *id, const char *cache_dir,
                                 const char *what, const char *near,
                                 clipc_error *err)
{
    /* The cache's path comes last: only this path may be too long for the
     * message. */
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%.80s: %s%s, and downloading is off (hub cache: %s)",
                      id->repo, what, near, CLIPC_QUOTE(cache_dir));
}

static clipc_status fail_no_repository(const clipc_hub_id *id,
                                       const char *cache_dir, clipc_error *err)
{
    char names[48], near[64] = "";

    clipc_hub_near_misses(names, sizeof names, cache_dir, id);
    if (names[0])
        snprintf(near, sizeof near, " (it has %s)", names);
    return fail_missing(id, cache_dir, "not in the hub cache", near, err);
}

static clipc_status fail_no_revision(const clipc_hub_id *id,
                                     const char *cache_dir, const char *folder,
                                     const char *what, clipc_error *err)
{
    char names[48], near[64] = "";

    clipc_hub_revisions(names, sizeof names, folder);
    if (names[0])
        snprintf(near, sizeof near, " (it has %s)", names);
    return fail_missing(id, cache_dir, what, near, err);
}

/* Reads refs/REVISION. */
static clipc_status read_ref(char commit[CLIPC_HUB_COMMIT_DIGITS + 1],
                             const clipc_hub_id *id, const char *folder,
                             const char *cache_dir, clipc_error *err)
{
    clipc_bytes bytes;
    clipc_status status;
    char *path = clipc_format("%s/refs/%s", folder, id->revision);

    if (!path)
        return clipc_fail_nomem(err, "path in the hub cache");
    status = clipc_file_read(&bytes, path, MAX_REF_BYTES, "a ref", err);
    if (status == CLIPC_ERR_NOT_FOUND)
        status = fail_no_revision(id, cache_dir, folder,
                                  "no such revision in the hub cache", err);
    if (status == CLIPC_OK) {
        char *text = (char *)bytes.data;
        size_t n = bytes.n;
        while (n > 0 && (*text == ' ' || (*text >= '\t' && *text <= '\r')))
            text++, n--;
        while (n > 0 && (text[n - 1] == ' ' ||
                         (text[n - 1] >= '\t' && text[n - 1] <= '\r')))
            n--;
        text[n] = '\0';
        if (n == CLIPC_HUB_COMMIT_DIGITS && clipc_hub_is_hex(text, n)) {
            memcpy(commit, text, n + 1);
        } else {
            status = clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                                "%s: it does not hold a commit of 40 hex "
                                "digits",
                                CLIPC_QUOTE(path));
        }
        clipc_bytes_release(&bytes);
    }
    free(path);
    return status;
}

clipc_status clipc_hub_commit(char commit[CLIPC_HUB_COMMIT_DIGITS + 1],
                              const char *cache_dir, const clipc_hub_id *id,
                              clipc_error *err)
{
    char *folder = clipc_hub_repository(cache_dir, id), *snapshot;
    clipc_status status = CLIPC_OK;

    if (!folder)
        return clipc_fail_nomem(err, "path in the hub cache");
    if (!clipc_folder_exists(folder)) {
        status = fail_no_repository(id, cache_dir, err);
    } else if (id->is_commit) {
        memcpy(commit, id->revision, CLIPC_HUB_COMMIT_DIGITS + 1);
    } else {
        status = read_ref(commit, id, folder, cache_dir, err);
    }
    if (status == CLIPC_OK) {
        snapshot = clipc_format("%s/snapshots/%s", folder, commit);
        if (!snapshot)
            status = clipc_fail_nomem(err, "path in the hub cache");
        else if (!clipc_folder_exists(snapshot))
            status = fail_no_revision(id, cache_dir, folder,
                                      "no files of "
                                      "this revision in the hub cache",
                                      err);
        free(snapshot);
    }
    free(folder);
    return status;
}

/* ---- near misses ------------------------------------------------------- */

/* Levenshtein's distance, without case; each text has at most MAX_TEXT
 * bytes. */
enum { MAX_TEXT = sizeof((clipc_hub_id *)0)->repo };

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static size_t distance(const char *a, const char *b)
{
    size_t row[MAX_TEXT + 1], n = strlen(b);

    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t best = diagonal + (lower(a[i]) != lower(b[j]));
            diagonal = row[j + 1];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (diagonal + 1 < best)
                best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[n];
}

/* Turns "models--ORG--NAME" into ORG/NAME; false: no folder of a model. */
static bool folder_id(char repo[MAX_TEXT], const char *entry)
{
    size_t n_prefix = sizeof CLIPC_HUB_PREFIX - 1, n = strlen(entry);
    clipc_hub_id id;

    if (n <= n_prefix || n - n_prefix >= MAX_TEXT ||
        memcmp(entry, CLIPC_HUB_PREFIX, n_prefix) != 0)
        return false;
    memcpy(repo, entry + n_prefix, n - n_prefix + 1);
    clipc_hub_decode(repo);
    return clipc_hub_parse(&id, repo);
}

/* Adds ", name"; false: no room is left. */
static bool add_name(char *text, size_t room, const char *name)
{
    size_t used = strlen(text), n = strlen(name);

    if (used + n + 3 > room)
        return false;
    snprintf(text + used, room - used, "%s%s", used ? ", " : "", name);
    return true;
}

void clipc_hub_near_misses(char *text, size_t room, const char *cache_dir,
                           const clipc_hub_id *id)
{
    enum { MOST = 2 };
    char best[MOST][MAX_TEXT];
    size_t scores[MOST], n = 0;
    const char *slash = strchr(id->repo, '/');
    const char *wanted = slash ? slash + 1 : id->repo;
    struct dirent *entry;
    DIR *dir = opendir(cache_dir);

    text[0] = '\0';
    while (dir && (entry = readdir(dir)) != NULL) {
        char repo[MAX_TEXT];
        if (!folder_id(repo, entry->d_name) || strcmp(repo, id->repo) == 0)
            continue;
        slash = strchr(repo, '/');
        const char *name = slash ? slash + 1 : repo;
        size_t score = distance(repo, id->repo);
        if (distance(name, wanted) == 0)
            score = 1; /* the organisation differs or was not given */
        if (score > 2 + strlen(id->repo) / 6)
            continue;
        size_t at = n < MOST ? n++ : MOST;
        while (at > 0 && scores[at - 1] > score) {
            if (at < MOST) {
                memcpy(best[at], best[at - 1], sizeof best[at]);
                scores[at] = scores[at - 1];
            }
            at--;
        }
        if (at < MOST) {
            memcpy(best[at], repo, sizeof repo);
            scores[at] = score;
        }
    }
    if (dir)
        closedir(dir);
    for (size_t i = 0; i < n; i++)
        add_name(text, room, best[i]);
}

static void list_refs(char *text, size_t room, const char *folder,
                      const char *prefix, unsigned depth)
{
    struct dirent *entry;
    DIR *dir = opendir(folder);

    while (dir && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = clipc_format("%s/%s", folder, entry->d_name);
        char *name = clipc_format("%s%s", prefix, entry->d_name);
        if (path && name && clipc_file_exists(path) &&
            is_revision(name, strlen(name))) {
            add_name(text, room, name);
        } else if (path && name && depth < MAX_REF_DEPTH &&
                   clipc_folder_exists(path)) {
            free(name);
            name = clipc_format("%s%s/", prefix, entry->d_name);
            if (name)
                list_refs(text, room, path, name, depth + 1);
        }
        free(path);
        free(name);
    }
    if (dir)
        closedir(dir);
}

void clipc_hub_revisions(char *text, size_t room, const char *repository)
{
    char *refs = clipc_format("%s/refs", repository);

    text[0] = '\0';
    if (refs)
        list_refs(text, room, refs, "", 0);
    free(refs);
}
