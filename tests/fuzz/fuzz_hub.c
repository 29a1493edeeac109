/* SPDX-License-Identifier: MIT
 *
 * fuzz_hub.c - what a hub and its users write: header lines of an answer
 * (ETag, sizes, ranges, error codes, waiting), repository ids, folder names of
 * the cache. The first byte chooses.
 */
#include "hub/hub.h"
#include "hub/hub_headers.h"

#include <stdlib.h>
#include <string.h>

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_text(const char *text, size_t room)
{
    check(memchr(text, '\0', room) != NULL);
}

static void read_headers(const uint8_t *data, size_t n)
{
    clipc_hub_answer answer = { 0 };
    clipc_hub_headers headers = { .answer = &answer };

    while (n > 0) {
        const uint8_t *end = memchr(data, '\n', n);
        const size_t len = end ? (size_t)(end - data) + 1 : n;
        /* An exact copy: a sanitizer sees a read past the end. */
        char *line = malloc(len);
        if (!line)
            abort();
        memcpy(line, data, len);
        clipc_hub_headers_read(&headers, line, len);
        free(line);
        data += len;
        n -= len;
    }
    check_text(answer.commit, sizeof answer.commit);
    check_text(answer.etag, sizeof answer.etag);
    check_text(answer.error_code, sizeof answer.error_code);
    check_text(answer.error_text, sizeof answer.error_text);
    check(answer.wait_s <= 86400);
    check(!headers.has_linked_size || answer.has_size);
    clipc_hub_answer_release(&answer);
}

/* Whether a part of the path is empty, "." or "..". */
static bool leads_elsewhere(const char *path)
{
    for (const char *p = path;; p++) {
        const size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') ||
            (n == 2 && p[0] == '.' && p[1] == '.'))
            return true;
        p += n;
        if (!*p)
            return false;
    }
}

/* An id that is accepted may become part of a path. */
static void parse_id(const char *name)
{
    clipc_hub_id id;
    char *path;

    if (!clipc_hub_parse(&id, name))
        return;
    check_text(id.repo, sizeof id.repo);
    check_text(id.revision, sizeof id.revision);
    check(!leads_elsewhere(id.repo) && !leads_elsewhere(id.revision));
    const char *slash = strchr(id.repo, '/');
    check(!slash || !strchr(slash + 1, '/'));
    path = clipc_hub_repository("/cache", &id);
    check(path && strncmp(path, "/cache/models--", 15) == 0 &&
          !strchr(path + 15, '/'));
    clipc_hub_decode(path + 15);
    check(strcmp(path + 15, id.repo) == 0 || strstr(id.repo, "--"));
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    char *text = malloc(n);
    if (!text)
        abort();
    memcpy(text, data + 1, n - 1);
    text[n - 1] = '\0';
    if (data[0] % 2 == 0)
        read_headers(data + 1, n - 1);
    else
        parse_id(text);
    free(text);
    return 0;
}
