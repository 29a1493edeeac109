/* SPDX-License-Identifier: MIT
 *
 * test_worst_time.c - tokenizers made to be slow: a mebibyte of text through
 * added tokens that take white space, that nearly match everywhere, merges of
 * long runs, pieces of every length. Each is quick, or refused.
 */
#include "support/test.h"
#include "base/clock.h"
#include "text/tokenizer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VOCAB_SIZE 100000
/* Of CPU time, without instrumentation, on a slow processor. Where time grows
 * with the square of the length it is hours. */
#define SECONDS 30.0

/* ---- making tokenizers --------------------------------------------------- */

/* A growing text. */
typedef struct writer {
    char *data;
    size_t n, capacity;
} writer;

static void put(writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(writer *w, const char *format, ...)
{
    va_list args;

    if (w->capacity - w->n < 4096) {
        w->capacity = 2 * w->capacity + 8192;
        w->data = realloc(w->data, w->capacity);
        CHECK(w->data != NULL);
    }
    va_start(args, format);
    int n = vsnprintf(w->data + w->n, w->capacity - w->n, format, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < w->capacity - w->n);
    w->n += (size_t)n;
}

static void put_run(writer *w, const char *unit, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(w, "%s", unit);
}

/* The text with `what` behind the first `place` in it. */
static char *insert(char *text, const char *place, const char *what)
{
    const char *at = strstr(text, place);
    writer w = { 0 };

    if (!at)
        FAIL("\"%s\" is not in the file", place);
    const size_t head = (size_t)(at - text) + strlen(place);
    w.capacity = head + strlen(what) + strlen(text) + 8192;
    w.data = malloc(w.capacity);
    CHECK(w.data != NULL);
    sprintf(w.data, "%.*s%s%s", (int)head, text, what, text + head);
    free(text);
    return w.data;
}

static char *read_file(const char *path)
{
    size_t n;
    return test_read(path, &n);
}

static clipc_tokenizer *make(char *json, char *config)
{
    clipc_tokenizer *tokenizer;
    clipc_tokenizer_files files = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;

    files.tokenizer_json = (clipc_tokenizer_file){ json, strlen(json),
                                                   "tokenizer.json" };
    if (config)
        files.tokenizer_config = (clipc_tokenizer_file){
            config, strlen(config), "tokenizer_config.json"
        };
    CHECK_OK(clipc_tokenizer_create(&tokenizer, &files, VOCAB_SIZE, &err),
             err);
    free(json);
    free(config);
    return tokenizer;
}

/* Seconds of CPU that encoding takes: `bytes` bytes of a unit, or as much as
 * fits whole. */
static double time_of(const clipc_tokenizer *tokenizer, const char *unit,
                      size_t bytes, clipc_status want)
{
    const size_t len = strlen(unit);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ids ids = { 0 };
    char *text = malloc(bytes);
    size_t n = 0;

    CHECK(text != NULL);
    for (; n + len <= bytes; n += len)
        memcpy(text + n, unit, len);
    const double begun = clipc_clock(CLOCK_PROCESS_CPUTIME_ID);
    CHECK_STATUS(clipc_tokenizer_encode(tokenizer, (clipc_text){ text, n }, 0,
                                        0, &ids, &err),
                 want);
    const double s = clipc_clock(CLOCK_PROCESS_CPUTIME_ID) - begun;
    free(ids.ids);
    free(text);
    return s;
}

/* A mebibyte of the unit is refused. */
static void check_refused(const clipc_tokenizer *tokenizer, const char *unit)
{
    (void)time_of(tokenizer, unit, CLIPC_MAX_TEXT_BYTES, CLIPC_ERR_LIMIT);
}

/* The time of a text of the unit grows with its length and not much faster,
 * and a mebibyte takes SECONDS at most. Where a part says that it would take
 * long, a longer part stands for it; where the processor is not the real one
 * time says nothing, and a part shows what else is wrong. */
static void check_time(const clipc_tokenizer *tokenizer, const char *name,
                       const char *unit)
{
    enum { PARTS = 16 };
    const size_t part = CLIPC_MAX_TEXT_BYTES / PARTS;
    const double s = time_of(tokenizer, unit, part, CLIPC_OK);

    if (emulated() || SANITIZED)
        return;
    const int times = PARTS * s < 1 ? PARTS : 2;
    const double longer = time_of(tokenizer, unit, (size_t)times * part,
                                  CLIPC_OK);
    if (getenv("V"))
        printf("# %-34s \"%.8s\" %.3f s, %d times as much %.3f\n", name, unit,
               s, times, longer);
    if (longer > SECONDS * times / PARTS)
        FAIL("%s: %d/%d of a mebibyte of \"%s\" take %.1f s", name, times,
             PARTS, unit, longer);
    if (longer > 1.5 * times * s + 0.1)
        FAIL("%s: \"%s\": %.3f s, %d times as much %.3f", name, unit, s, times,
             longer);
}

/* ---- added tokens -------------------------------------------------------- */

static void put_added(writer *w, long id, const char *text, const char *flags)
{
    put(w, ",\"%ld\":{\"content\":\"%s\"%s}", id, text, flags);
}

/* Tokens that take the white space around them, that stand for themselves
 * alone, and runs of a letter with another behind, of every length. */
static char *added_config(const char *start, const char *end, long next,
                          const char *letters, const char *flags)
{
    writer w = { 0 };

    put(&w, "{\"added_tokens_decoder\":{%s", start);
    put(&w, ",%s", end);
    put_added(&w, next++, " ",
              ",\"rstrip\":true,\"lstrip\":true,\"normalized\":false");
    put_added(&w, next++, "\\t", ",\"rstrip\":true,\"normalized\":false");
    put_added(&w, next++, "QQ", ",\"single_word\":true,\"normalized\":false");
    put_added(&w, next++, "ZZ", ",\"lstrip\":true,\"normalized\":false");
    for (size_t n = 1; n < 256; n++) {
        put(&w, ",\"%ld\":{\"content\":\"", next++);
        put_run(&w, letters, n);
        put(&w, "b\"%s}", flags);
    }
    put(&w, "}}");
    return w.data;
}

#define CLIP_START "\"561\":{\"content\":\"<|startoftext|>\",\"special\":true}"
#define CLIP_END "\"562\":{\"content\":\"<|endoftext|>\",\"special\":true}"

static void check_added(clipc_tokenizer *tokenizer, const char *name)
{
    static const char *const UNITS[] = { " ",     " \t", "\t",   "QQ",
                                         "QQ ",   " ZZ", "a",    "aa ",
                                         "\t \n", "ab",  "\n \n" };

    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        check_time(tokenizer, name, UNITS[i]);
    clipc_tokenizer_destroy(tokenizer);
}

TEST(added_tokens_of_clip)
{
    static const char *const FLAGS[] = { ",\"normalized\":false",
                                         ",\"normalized\":true",
                                         ",\"single_word\":true" };

    for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++)
        check_added(make(read_file("tests/data/tokenizer/tokenizer.json"),
                         added_config(CLIP_START, CLIP_END, 563, "a",
                                      FLAGS[i])),
                    FLAGS[i] + 2);
}

/* ---- merges -------------------------------------------------------------- */

/* "a" times n for each n, made of the run before and one letter more, the
 * longest first: each merge makes the next possible. */
static void put_merges(writer *vocab, writer *merges, long id, long n_runs)
{
    for (long n = 2; n <= n_runs; n++) {
        put(vocab, "\"");
        put_run(vocab, "a", (size_t)n);
        put(vocab, "\":%ld,", id++);
    }
    for (long n = n_runs; n >= 2; n--) {
        put(merges, "[\"");
        put_run(merges, "a", (size_t)n - 1);
        put(merges, "\",\"a\"],");
    }
}

TEST(merges_of_long_runs)
{
    writer vocab = { 0 }, merges = { 0 };

    put_merges(&vocab, &merges, 1000, 200);
    char *json = read_file("tests/data/tokenizer/tokenizer.json");
    json = insert(json, "\"vocab\": {", vocab.data);
    json = insert(json, "\"merges\": [", merges.data);
    clipc_tokenizer *tokenizer = make(json, NULL);
    check_time(tokenizer, "runs, longest first", "a");
    check_time(tokenizer, "runs, longest first", "aab");
    clipc_tokenizer_destroy(tokenizer);
    free(vocab.data);
    free(merges.data);
}

/* ---- pieces -------------------------------------------------------------- */

/* A Unigram with all runs of a letter as pieces: every place of a text has as
 * many ways to go on as a piece has bytes. */
static char *runs_of_pieces(const char *path, long n_runs)
{
    writer pieces = { 0 };

    for (long n = 2; n <= n_runs; n++) {
        put(&pieces, ",[\"");
        put_run(&pieces, "q", (size_t)n);
        put(&pieces, "\",-%ld.5]", n);
    }
    char *json = read_file(path);
    json = insert(json, "-10.874946594238281\n]", pieces.data);
    free(pieces.data);
    return json;
}

TEST(pieces_of_every_length)
{
    clipc_tokenizer *tokenizer =
        make(runs_of_pieces("tests/data/pieces/t5.json", 512),
             read_file("tests/data/pieces/t5_config.json"));
    check_time(tokenizer, "pieces to 512 bytes", "q");
    check_time(tokenizer, "pieces to 512 bytes", "q ");
    /* One character becomes many: after normalisation too many for pieces so
     * long, in one part or in all parts between added tokens. */
    check_refused(tokenizer, "\xEF\xB7\xBA");
    check_refused(
        tokenizer,
        "</s>\xEF\xB7\xBA\xEF\xB7\xBA\xEF\xB7\xBA\xEF\xB7\xBA\xEF\xB7\xBA\xEF\xB7\xBA\xEF\xB7\xBA\xEF\xB7\xBA");
    clipc_tokenizer_destroy(tokenizer);
}
