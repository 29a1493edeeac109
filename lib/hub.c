/* SPDX-License-Identifier: MIT
 *
 * hub.c - finds a repository's snapshot in a Hugging Face hub cache. Only
 * reads; nothing is downloaded.
 *
 *     CACHE/models--ORG--NAME/refs/REVISION             a commit, 40 hex
 *     CACHE/models--ORG--NAME/snapshots/COMMIT/FILE     usually a link
 *
 * The tree is that of huggingface_hub 2.4. Names from outside never reach a
 * path before they are checked part by part.
 */
#include "hub.h"

#include "file.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_ID_PART = 96,      /* characters */
    MAX_REVISION = 255,
    COMMIT_DIGITS = 40,
    MAX_REF_BYTES = 1024   /* of a file in refs/ */
};

typedef struct repository {
    const char *org, *name; /* org_bytes 0: none */
    size_t org_bytes, name_bytes;
    const char *revision;
    size_t revision_bytes;
} repository;

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

/* [A-Za-z0-9_.-], no "--" or "..", no '-' or '.' at either end. */
static bool is_id_part(const char *s, size_t n)
{
    if (n == 0 || n > MAX_ID_PART)
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

static bool is_commit(const char *s, size_t n)
{
    if (n != COMMIT_DIGITS)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'f'))
            return false;
    return true;
}

/* A branch, a tag, refs/pr/N or a commit: parts between '/' that are not
 * empty, "." or "..", of visible ASCII without '\'. */
static bool is_revision(const char *s, size_t n)
{
    size_t start = 0;

    if (n == 0 || n > MAX_REVISION)
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

static bool parse_id(repository *repo, const char *id)
{
    const char *at = strchr(id, '@');
    size_t n = at ? (size_t)(at - id) : strlen(id);
    const char *slash = memchr(id, '/', n);

    *repo = (repository){ .name = id, .name_bytes = n };
    if (slash) {
        repo->org = id;
        repo->org_bytes = (size_t)(slash - id);
        repo->name = slash + 1;
        repo->name_bytes = n - repo->org_bytes - 1;
        if (!is_id_part(repo->org, repo->org_bytes))
            return false;
    }
    if (!is_id_part(repo->name, repo->name_bytes))
        return false;
    if (repo->name_bytes >= 4 &&
        memcmp(repo->name + repo->name_bytes - 4, ".git", 4) == 0)
        return false;
    repo->revision = at ? at + 1 : "main";
    repo->revision_bytes = strlen(repo->revision);
    return is_revision(repo->revision, repo->revision_bytes);
}

bool clipc_hub_is_id(const char *name)
{
    repository repo;
    return parse_id(&repo, name);
}

/* CACHE/models--ORG--NAME */
static char *repository_path(const repository *repo, const char *cache_dir)
{
    return clipc_format("%s/models--%.*s%s%.*s", cache_dir,
                        (int)repo->org_bytes, repo->org ? repo->org : "",
                        repo->org ? "--" : "", (int)repo->name_bytes,
                        repo->name);
}

static clipc_status fail_missing(const char *id, const char *cache_dir,
                                 const char *what, clipc_error *err)
{
    /* The cache comes last: it alone may be too long for the message. */
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%.80s: %s, and clipc does not download; use --model "
                      "DIR or --model demo (hub cache: %s)", id, what,
                      CLIPC_QUOTE(cache_dir));
}

/* Reads refs/REVISION into commit[40]. */
static clipc_status read_ref(char commit[COMMIT_DIGITS + 1],
                             const repository *repo, const char *folder,
                             const char *id, const char *cache_dir,
                             clipc_error *err)
{
    clipc_bytes bytes;
    clipc_status status;
    char *path = clipc_format("%s/refs/%.*s", folder,
                              (int)repo->revision_bytes, repo->revision);

    if (!path)
        return clipc_fail_nomem(err, "path in the hub cache");
    status = clipc_file_read(&bytes, path, MAX_REF_BYTES, "a ref", err);
    if (status == CLIPC_ERR_NOT_FOUND)
        status = fail_missing(id, cache_dir, "no such revision in the hub cache",
                              err);
    if (status == CLIPC_OK) {
        const char *text = (const char *)bytes.data;
        size_t n = bytes.n;
        while (n > 0 && (*text == ' ' || (*text >= '\t' && *text <= '\r')))
            text++, n--;
        while (n > 0 && (text[n - 1] == ' ' ||
                         (text[n - 1] >= '\t' && text[n - 1] <= '\r')))
            n--;
        if (is_commit(text, n)) {
            memcpy(commit, text, n);
            commit[n] = '\0';
        } else {
            status = clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                                "%s: it does not hold a commit of 40 hex "
                                "digits", CLIPC_QUOTE(path));
        }
        clipc_bytes_release(&bytes);
    }
    free(path);
    return status;
}

clipc_status clipc_hub_find(char **out, const char *cache_dir, const char *id,
                            clipc_error *err)
{
    char commit[COMMIT_DIGITS + 1];
    repository repo;
    char *folder = NULL, *snapshot = NULL;
    clipc_status status;

    *out = NULL;
    if (!parse_id(&repo, id))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "%s: not a repository id (NAME or ORG/NAME, "
                          "optionally @REVISION)", CLIPC_QUOTE(id));
    folder = repository_path(&repo, cache_dir);
    if (!folder)
        return clipc_fail_nomem(err, "path in the hub cache");
    if (!clipc_folder_exists(folder)) {
        status = fail_missing(id, cache_dir, "not in the hub cache",
                              err);
        goto done;
    }
    if (is_commit(repo.revision, repo.revision_bytes)) {
        memcpy(commit, repo.revision, COMMIT_DIGITS);
        commit[COMMIT_DIGITS] = '\0';
    } else {
        CLIPC_TRY_GOTO(status, done,
                       read_ref(commit, &repo, folder, id, cache_dir, err));
    }
    snapshot = clipc_format("%s/snapshots/%s", folder, commit);
    if (!snapshot) {
        status = clipc_fail_nomem(err, "path in the hub cache");
    } else if (!clipc_folder_exists(snapshot)) {
        status = fail_missing(id, cache_dir, "no files of this revision in the hub cache", err);
        free(snapshot);
    } else {
        status = CLIPC_OK;
        *out = snapshot;
    }
done:
    free(folder);
    return status;
}
