/* SPDX-License-Identifier: MIT
 *
 * fuzz_lists.c - files of one text a line: labels and templates read whole,
 * texts line by line, and the JSON lines that --resume reads. The first byte
 * chooses the reader and the limit of a line.
 */
#include "base/utf8.h"
#include "common/lines.h"
#include "pictures/answered.h"
#include "scratch_file.h"

#include <string.h>

static void check(bool good)
{
    if (!good)
        abort();
}

static void whole(const char *path, size_t n)
{
    char message[256] = "";
    tool_lines lines;

    if (!tool_lines_read(&lines, path, message)) {
        check(message[0] != '\0');
        return;
    }
    check(lines.n > 0 && lines.n <= 1000000);
    for (size_t i = 0; i < lines.n; i++) {
        const clipc_text *item = &lines.items[i];
        check(item->len > 0 && item->len <= n &&
              clipc_utf8_check(item->data, item->len) == item->len &&
              !memchr(item->data, '\n', item->len));
    }
    tool_lines_free(&lines);
}

static void by_line(const char *path, size_t limit)
{
    char message[256] = "";
    tool_texts *texts = tool_texts_open(path, limit, message);
    tool_text text = { 0 };
    size_t count = 0;

    check(texts != NULL);
    while (tool_texts_next(texts, &text, message)) {
        check(text.len <= limit && text.len <= text.room);
        check(text.status == CLIPC_OK || text.message[0] != '\0');
        count++;
        (void)tool_texts_total(texts, count);
    }
    check(message[0] == '\0');
    free(text.data);
    tool_texts_close(texts);
}

static void records(const char *path, size_t n)
{
    char message[256] = "";
    uint64_t whole_bytes = 0;
    tool_answered *answered = tool_answered_new();

    if (tool_answered_read(answered, path, "image", &whole_bytes, message)) {
        check(whole_bytes <= n);
        (void)tool_answered_take(answered, "a.png", 5);
        (void)tool_answered_take(answered, "a.png", 5);
    } else {
        check(message[0] != '\0');
    }
    tool_answered_free(answered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[96];

    if (n == 0)
        return 0;
    snprintf(path, sizeof path, "%s/list", scratch_dir());
    scratch_write(path, data + 1, n - 1);
    switch (data[0] % 4) {
    case 0: whole(path, n); break;
    case 1: by_line(path, TOOL_TEXT_BYTES); break;
    case 2: by_line(path, 1 + data[0] / 4); break;
    default: records(path, n); break;
    }
    return 0;
}
