/* SPDX-License-Identifier: MIT
 *
 * mix.c - requests: of a list, or one for each file.
 *
 *     WEIGHT EXPECTED POST /path TYPE FILE     TYPE - for no Content-Type
 *     WEIGHT EXPECTED GET /path
 *     WEIGHT EXPECTED TORN /path TYPE FILE     half of a POST's body
 *     WEIGHT EXPECTED SLOW /path               a few bytes of a GET
 *     WEIGHT EXPECTED RAW FILE                 bytes as they are
 *
 * EXPECTED: outcomes with commas between ("200", "400,closed"), or "any".
 */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 1 << 30, MAX_REQUESTS = 100000 };

static const char *const special[] = {
    [LOAD_CLOSED] = "closed",
    [LOAD_TIMEOUT] = "timeout",
    [LOAD_REFUSED] = "refused",
    [LOAD_MALFORMED] = "malformed",
};
enum { N_SPECIAL = sizeof special / sizeof *special };

const char *load_outcome_name(unsigned outcome)
{
    static char text[16];

    if (outcome < N_SPECIAL)
        return special[outcome];
    snprintf(text, sizeof text, "%u", outcome);
    return text;
}

/* ---- files ------------------------------------------------------------- */

static char *read_file(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    long n = -1;

    if (file && fseek(file, 0, SEEK_END) == 0)
        n = ftell(file);
    if (!file || n < 0 || fseek(file, 0, SEEK_SET) != 0)
        load_die("%s: %s", path, strerror(errno));
    if (n > MAX_FILE_BYTES)
        load_die("%s: more than %d bytes", path, MAX_FILE_BYTES);
    char *data = load_alloc((size_t)n + 1);
    if (fread(data, 1, (size_t)n, file) != (size_t)n)
        load_die("%s: cannot be read", path);
    fclose(file);
    data[n] = '\0';
    *n_bytes = (size_t)n;
    return data;
}

static const char *type_of(const char *path)
{
    static const struct {
        const char *end, *type;
    } types[] = {
        { ".jpg", "image/jpeg" },        { ".jpeg", "image/jpeg" },
        { ".png", "image/png" },         { ".webp", "image/webp" },
        { ".json", "application/json" },
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcmp(dot, types[i].end) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* ---- requests ---------------------------------------------------------- */

static load_request *add(load_mix *mix)
{
    if (mix->n == MAX_REQUESTS)
        load_die("more than %d different requests", MAX_REQUESTS);
    mix->items = realloc(mix->items, (mix->n + 1) * sizeof *mix->items);
    if (!mix->items)
        load_die("out of memory");
    load_request *r = &mix->items[mix->n++];
    memset(r, 0, sizeof *r);
    return r;
}

static void add_weight(load_mix *mix, load_request *r, unsigned weight)
{
    r->weight = weight;
    mix->weights += weight;
}

/* type NULL: no Content-Type, and no body where the method is GET. */
static void make_head(load_request *r, const char *method, const char *target,
                      const char *type, const char *host, const char *headers)
{
    size_t room = 256 + strlen(target) + strlen(host) + strlen(headers) +
                  (type ? strlen(type) : 0);
    char *head = load_alloc(room);
    int n = snprintf(head, room, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", method,
                     target, host, headers);

    if (type)
        n += snprintf(head + n, room - (size_t)n, "Content-Type: %s\r\n",
                      type);
    if (strcmp(method, "POST") == 0)
        n += snprintf(head + n, room - (size_t)n, "Content-Length: %zu\r\n",
                      r->body_bytes);
    n += snprintf(head + n, room - (size_t)n, "\r\n");
    r->head = head;
    r->head_bytes = (size_t)n;
}

void load_mix_add_file(load_mix *mix, const char *file, const char *target,
                       const char *type, const char *host, const char *headers)
{
    load_request *r = add(mix);

    r->action = LOAD_ASK;
    r->expected[200] = true;
    r->line = load_copy(file);
    r->body = read_file(file, &r->body_bytes);
    make_head(r, "POST", target, type ? type : type_of(file), host, headers);
    add_weight(mix, r, 1);
}

/* ---- lists ------------------------------------------------------------- */

/* Outcomes with commas between; false: one of them is none. */
static bool read_expected(load_request *r, char *text)
{
    char *rest = NULL;

    for (char *word = strtok_r(text, ",", &rest); word;
         word = strtok_r(NULL, ",", &rest)) {
        char *end;
        unsigned long status = strtoul(word, &end, 10);
        size_t i = 0;
        if (strcmp(word, "any") == 0) {
            r->any = true;
            continue;
        }
        if (*end == '\0' && status >= 100 && status < LOAD_OUTCOMES) {
            r->expected[status] = true;
            continue;
        }
        while (i < N_SPECIAL && strcmp(word, special[i]) != 0)
            i++;
        if (i == N_SPECIAL)
            return false;
        r->expected[i] = true;
    }
    return true;
}

/* The words of a line; fewer than room, or the line is wrong. */
static size_t split(char *line, char **words, size_t room)
{
    char *rest = NULL;
    size_t n = 0;

    for (char *word = strtok_r(line, " \t\r\n", &rest); word && n < room;
         word = strtok_r(NULL, " \t\r\n", &rest))
        words[n++] = word;
    return n;
}

static bool read_action(load_request *r, char *const *words, size_t n,
                        const char *host, const char *headers)
{
    const char *name = words[0];

    if (strcmp(name, "RAW") == 0 && n == 2) {
        r->action = LOAD_RAW;
        r->head = read_file(words[1], &r->head_bytes);
        return true;
    }
    if (n < 2 || words[1][0] != '/')
        return false;
    if (n == 2 && (strcmp(name, "GET") == 0 || strcmp(name, "SLOW") == 0)) {
        r->action = *name == 'S' ? LOAD_SLOW : LOAD_ASK;
        make_head(r, "GET", words[1], NULL, host, headers);
        return true;
    }
    if (n != 4 || (strcmp(name, "POST") != 0 && strcmp(name, "TORN") != 0))
        return false;
    r->action = *name == 'T' ? LOAD_TORN : LOAD_ASK;
    r->body = read_file(words[3], &r->body_bytes);
    make_head(r, "POST", words[1], strcmp(words[2], "-") ? words[2] : NULL,
              host, headers);
    return true;
}

void load_mix_read(load_mix *mix, const char *path, const char *host,
                   const char *headers)
{
    size_t n_bytes, number = 0;
    char *rest = NULL, *text = read_file(path, &n_bytes);

    if (strlen(text) != n_bytes)
        load_die("%s: not a text", path);
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *words[7], *end;
        number++;
        if (line[strspn(line, " \t\r")] == '#' ||
            line[strspn(line, " \t\r")] == '\0')
            continue;
        char *copy = load_copy(line);
        size_t n = split(line, words, sizeof words / sizeof *words);
        unsigned long weight = n >= 3 ? strtoul(words[0], &end, 10) : 0;
        if (n < 3 || *end || weight == 0 || weight > 1000000)
            load_die("%s: request %zu: a line begins with a weight from 1 to "
                     "1000000, outcomes and an action: %s",
                     path, number, copy);
        load_request *r = add(mix);
        r->line = copy;
        if (!read_expected(r, words[1]) ||
            !read_action(r, words + 2, n - 2, host, headers))
            load_die("%s: request %zu: wrong outcomes, or a wrong action: %s",
                     path, number, copy);
        add_weight(mix, r, (unsigned)weight);
    }
    free(text);
    if (mix->n == 0)
        load_die("%s: no request in it", path);
}

void load_mix_free(load_mix *mix)
{
    for (size_t i = 0; i < mix->n; i++) {
        free(mix->items[i].head);
        free(mix->items[i].body);
        free(mix->items[i].line);
    }
    free(mix->items);
}

/* A number that looks random and is the same in every run. */
static uint64_t scatter(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

const load_request *load_mix_choose(const load_mix *mix, uint64_t k)
{
    uint64_t at = mix->weights == mix->n ? k % mix->n
                                         : scatter(k) % mix->weights;
    size_t i = 0;

    while (at >= mix->items[i].weight)
        at -= mix->items[i++].weight;
    return &mix->items[i];
}
