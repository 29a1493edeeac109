/* SPDX-License-Identifier: MIT
 *
 * token_files.c - see token_files.h. Tokens spell bytes with an alphabet of 256
 * printable characters (docs/MODEL.md, "byte-level BPE"): those of Latin-1 that
 * are printable stand for themselves, the others for U+0100 and up.
 */
#include "inspect/token_files.h"

#include "common/json.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#define WORD_END "</w>"

enum { MAX_TOKENS = 1 << 22, MESSAGE = 256 };

/* ---- digests ----------------------------------------------------------- */

static void hash(struct sha256_ctx *sha, const char *text)
{
    sha256_update(sha, strlen(text), (const uint8_t *)text);
}

static void hash_tokens(tool_vocabulary *v)
{
    struct sha256_ctx sha;

    sha256_init(&sha);
    for (size_t i = 0; i < v->n; i++) {
        hash(&sha, v->tokens[i] ? v->tokens[i] : "");
        hash(&sha, "\n");
    }
    sha256_digest(&sha, TOOL_SHA256_BYTES, v->tokens_digest);
}

/* Each "left right" or ["left", "right"]. */
static void hash_merges(tool_vocabulary *v, const json_t *merges)
{
    struct sha256_ctx sha;
    const json_t *merge;
    size_t i;

    sha256_init(&sha);
    json_array_foreach(merges, i, merge)
    {
        const char *whole = json_string_value(merge);
        const char *left = json_string_value(json_array_get(merge, 0));
        const char *right = json_string_value(json_array_get(merge, 1));
        if (whole) {
            hash(&sha, whole);
        } else if (left && right) {
            hash(&sha, left);
            hash(&sha, " ");
            hash(&sha, right);
        }
        hash(&sha, "\n");
    }
    v->n_merges = json_array_size(merges);
    sha256_digest(&sha, TOOL_SHA256_BYTES, v->merges_digest);
}

/* merges.txt: a line each, after one that begins "#version". */
static bool hash_merges_file(tool_vocabulary *v, const char *path)
{
    FILE *file = fopen(path, "re");
    struct sha256_ctx sha;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool first = true;

    if (!file)
        return false;
    sha256_init(&sha);
    while ((n = getline(&line, &room, file)) > 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        bool header = first && n >= 8 && strncmp(line, "#version", 8) == 0;
        first = false;
        if (header || n == 0)
            continue;
        sha256_update(&sha, (size_t)n, (const uint8_t *)line);
        hash(&sha, "\n");
        v->n_merges++;
    }
    sha256_digest(&sha, TOOL_SHA256_BYTES, v->merges_digest);
    bool good = !ferror(file);
    free(line);
    fclose(file);
    return good;
}

/* ---- reading ----------------------------------------------------------- */

static bool add_token(tool_vocabulary *v, const char *token, const json_t *id)
{
    json_int_t number = json_integer_value(id);

    if (!token || !json_is_integer(id) || number < 0 || number >= MAX_TOKENS)
        return false;
    size_t n = (size_t)number + 1;
    if (n > v->room) {
        v->tokens = tool_grow(v->tokens, 2 * n, sizeof *v->tokens);
        for (size_t i = v->room; i < 2 * n; i++)
            v->tokens[i] = NULL;
        v->room = 2 * n;
    }
    if (n > v->n)
        v->n = n;
    v->tokens[number] = token;
    return true;
}

static json_t *load(const tool_folder *folder, const char *name,
                    char message[256], bool *there)
{
    json_error_t err;

    for (size_t i = 0; i < folder->n; i++) {
        if (strcmp(folder->files[i].name, name) != 0)
            continue;
        char *path = tool_folder_path(folder, &folder->files[i]);
        json_t *root = tool_json_load(path, JSON_ALLOW_NUL, &err);
        free(path);
        if (!root)
            snprintf(message, MESSAGE, "%s: %.200s", name,
                     tool_shown_name(err.text).text);
        *there = true;
        return root;
    }
    *there = false;
    return NULL;
}

static bool read_tokens(tool_vocabulary *v, json_t *vocab, json_t *added)
{
    const char *token;
    json_t *id, *entry;
    size_t i;
    bool good = json_is_object(vocab) && json_object_size(vocab) > 0;

    json_object_foreach(vocab, token, id)
        good = good && add_token(v, token, id);
    json_array_foreach(added, i, entry)
        good = good &&
               add_token(v,
                         json_string_value(json_object_get(entry, "content")),
                         json_object_get(entry, "id"));
    return good;
}

/* Pieces with scores, or pieces of bytes for what is in no piece. */
static bool is_other(const json_t *model)
{
    return json_is_array(json_object_get(model, "vocab")) ||
           json_is_true(json_object_get(model, "byte_fallback"));
}

bool tool_vocabulary_read(tool_vocabulary *v, const tool_folder *folder,
                          char message[256])
{
    bool there, good;

    memset(v, 0, sizeof *v);
    message[0] = '\0';
    v->root = load(folder, "tokenizer.json", message, &there);
    if (there) {
        json_t *model = json_object_get(v->root, "model");
        v->file = "tokenizer.json";
        v->other = is_other(model);
        if (v->other)
            return false;
        good = v->root &&
               read_tokens(v, json_object_get(model, "vocab"),
                           json_object_get(v->root, "added_tokens"));
        hash_merges(v, json_object_get(model, "merges"));
    } else {
        v->root = load(folder, "vocab.json", message, &there);
        if (!there)
            return false;
        v->file = "vocab.json, merges.txt";
        char *merges = tool_format("%s/merges.txt", folder->path);
        good = v->root && read_tokens(v, v->root, NULL) &&
               hash_merges_file(v, merges);
        free(merges);
    }
    if (good)
        hash_tokens(v);
    else if (!*message)
        snprintf(message, MESSAGE, "%s: not a vocabulary", v->file);
    return good;
}

void tool_vocabulary_free(tool_vocabulary *v)
{
    json_decref(v->root);
    free(v->tokens);
    memset(v, 0, sizeof *v);
}

/* ---- bytes ------------------------------------------------------------- */

static bool printable(unsigned c)
{
    return (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || c >= 0xAE;
}

/* Byte of a character of the alphabet; -1: not one. */
static int byte_of(unsigned long c)
{
    if (c < 256)
        return printable((unsigned)c) ? (int)c : -1;
    for (unsigned b = 0, next = 256; b < 256; b++)
        if (!printable(b) && next++ == c)
            return (int)b;
    return -1;
}

bool tool_vocabulary_bytes(const char *token, char *out, size_t room,
                           size_t *n)
{
    size_t len = strlen(token), end = strlen(WORD_END);

    *n = 0;
    if (len >= end && strcmp(token + len - end, WORD_END) == 0)
        len -= end;
    for (size_t i = 0; i < len;) {
        size_t bad, bytes = tool_utf8(token + i, len - i, &bad);
        unsigned long c = (unsigned char)token[i];
        if (bytes == 2)
            c = (c & 0x1F) << 6 | ((unsigned char)token[i + 1] & 0x3F);
        int byte = bytes == 1 || bytes == 2 ? byte_of(c) : -1;
        if (byte < 0 || *n == room)
            return false;
        out[(*n)++] = (char)byte;
        i += bytes;
    }
    return true;
}
