/* SPDX-License-Identifier: MIT
 *
 * tar_header.c - see tar_header.h.
 */
#include "pictures/tar_header.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGE = 256, BLOCK = TOOL_TAR_BLOCK };

/* Fields of a header. */
enum {
    NAME = 0,
    NAME_BYTES = 100,
    SIZE = 124,
    SIZE_BYTES = 12,
    CHECKSUM = 148,
    CHECKSUM_BYTES = 8,
    TYPE = 156,
    MAGIC = 257,
    PREFIX = 345,
    PREFIX_BYTES = 155,
    SPARSE_GOES_ON = 482,      /* of GNU: a block of the map follows */
    SPARSE_BLOCK_GOES_ON = 504 /* the same in such a block */
};

/* A number in octal digits up to a NUL, or, with the highest bit set, in base
 * 256. Nothing but spaces is 0. */
static bool parse_number(const unsigned char *field, size_t n, uint64_t *value)
{
    size_t i = 0;

    *value = 0;
    if (field[0] & 0x80) {
        *value = field[0] & 0x7F;
        for (i = 1; i < n && *value < (uint64_t)1 << 55; i++)
            *value = *value << 8 | field[i];
        return i == n && *value <= INT64_MAX;
    }
    while (i < n && field[i] == ' ')
        i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (field[i] - (unsigned)'0');
    while (i < n && field[i] == ' ')
        i++;
    return i == n || field[i] == '\0';
}

/* Whether the checksum is right. Old programs have added signed bytes. */
bool tool_tar_is_header(const unsigned char *header)
{
    uint64_t stored;
    int64_t sum = 0, sum_signed = 0;

    if (!parse_number(header + CHECKSUM, CHECKSUM_BYTES, &stored))
        return false;
    for (size_t i = 0; i < BLOCK; i++) {
        const bool own = i >= CHECKSUM && i < CHECKSUM + CHECKSUM_BYTES;
        sum += own ? ' ' : header[i];
        sum_signed += own ? ' ' : (signed char)header[i];
    }
    return stored == (uint64_t)sum || (int64_t)stored == sum_signed;
}

bool tool_tar_is_zero(const unsigned char *block)
{
    return block[0] == 0 && memcmp(block, block + 1, BLOCK - 1) == 0;
}

/* The program that unpacks the bytes, or NULL. */
const char *tool_tar_packed_with(const unsigned char *head, size_t n)
{
    static const struct {
        const char *magic;
        size_t n;
        const char *program;
    } kinds[] = { { "\x1F\x8B", 2, "gzip" },
                  { "BZh", 3, "bzip2" },
                  { "\xFD"
                    "7zXZ",
                    5, "xz" },
                  { "\x28\xB5\x2F\xFD", 4, "zstd" } };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= kinds[i].n && memcmp(head, kinds[i].magic, kinds[i].n) == 0)
            return kinds[i].program;
    return NULL;
}

int tool_tar_header_type(const unsigned char *header)
{
    return header[TYPE];
}

tool_tar_kind tool_tar_header_kind(int type, bool sparse)
{
    switch (type) {
    case '\0':
    case '0':
    case '7': return sparse ? TOOL_TAR_SPARSE : TOOL_TAR_FILE;
    case '1':
    case '2': return TOOL_TAR_LINK;
    case 'S': return TOOL_TAR_SPARSE;
    default: return TOOL_TAR_OTHER;
    }
}

bool tool_tar_header_bytes(const unsigned char *header, uint64_t *bytes)
{
    return parse_number(header + SIZE, SIZE_BYTES, bytes);
}

bool tool_tar_map_begins(const unsigned char *header)
{
    return header[SPARSE_GOES_ON] != 0;
}

bool tool_tar_map_goes_on(const unsigned char *block)
{
    return block[SPARSE_BLOCK_GOES_ON] != 0;
}

/* malloc'ed, terminated copy of a field or value. */
static char *copy(const void *text, size_t n)
{
    char *name = tool_grow(NULL, n + 1, 1);

    memcpy(name, text, n);
    name[n] = '\0';
    return name;
}

char *tool_tar_header_name(const unsigned char *header)
{
    const char *name = (const char *)header + NAME;
    const char *prefix = (const char *)header + PREFIX;
    const size_t n = strnlen(name, NAME_BYTES);

    /* GNU has times in the place of the prefix. */
    if (memcmp(header + MAGIC, "ustar", 6) != 0 || !*prefix)
        return copy(name, n);
    return tool_format("%.*s/%.*s", (int)strnlen(prefix, PREFIX_BYTES), prefix,
                       (int)n, name);
}

/* ---- what stands before a header --------------------------------------- */

void tool_tar_set_name(char **name, const char *value, size_t n)
{
    free(*name);
    *name = copy(value, n);
}

/* One KEY=VALUE. */
static clipc_status take_pair(tool_tar_extension *ext, const char *key,
                              size_t n_key, const char *value, size_t n,
                              char message[256])
{
    const bool path = n_key == 4 && memcmp(key, "path", 4) == 0;
    const bool sparse = n_key >= 11 && memcmp(key, "GNU.sparse.", 11) == 0;
    const bool sparse_name = sparse && n_key == 15 &&
                             memcmp(key + 11, "name", 4) == 0;

    ext->sparse |= sparse;
    if (path || sparse_name) {
        if (n > TOOL_TAR_MAX_NAME) {
            snprintf(message, MESSAGE,
                     "a member's name has more than the limit of %d bytes",
                     (int)TOOL_TAR_MAX_NAME);
            return CLIPC_ERR_LIMIT;
        }
        if (memchr(value, '\0', n)) {
            snprintf(message, MESSAGE, "a NUL in a member's name");
            return CLIPC_ERR_FORMAT;
        }
        if (n > 0) /* an empty value takes the key away */
            tool_tar_set_name(path ? &ext->name : &ext->sparse_name, value, n);
    } else if (n_key == 4 && memcmp(key, "size", 4) == 0) {
        ext->has_bytes = n > 0;
        ext->bytes = 0;
        for (size_t i = 0; i < n; i++) {
            const unsigned digit = (unsigned char)value[i] - (unsigned)'0';
            if (digit > 9 || ext->bytes > ((uint64_t)INT64_MAX - digit) / 10) {
                snprintf(message, MESSAGE, "a member's size is not a number");
                return CLIPC_ERR_FORMAT;
            }
            ext->bytes = 10 * ext->bytes + digit;
        }
    }
    return CLIPC_OK;
}

clipc_status tool_tar_parse_pax(tool_tar_extension *ext, const char *data,
                                size_t n, char message[256])
{
    while (n > 0) {
        size_t len = 0, digits = 0;
        while (digits < n && data[digits] >= '0' && data[digits] <= '9' &&
               len <= n)
            len = 10 * len + (size_t)(data[digits++] - '0');
        const size_t key = digits + 1;
        const char *equal = NULL;
        if (len > key && len <= n && data[digits] == ' ' &&
            data[len - 1] == '\n')
            equal = memchr(data + key, '=', len - 1 - key);
        if (!equal) {
            snprintf(message, MESSAGE,
                     "a pax header that is not \"LENGTH KEY=VALUE\"");
            return CLIPC_ERR_FORMAT;
        }
        const size_t value = (size_t)(equal - data) + 1;
        clipc_status status = take_pair(ext, data + key, value - 1 - key,
                                        data + value, len - 1 - value,
                                        message);
        if (status != CLIPC_OK)
            return status;
        data += len;
        n -= len;
    }
    return CLIPC_OK;
}

void tool_tar_forget(tool_tar_extension *ext)
{
    free(ext->name);
    free(ext->sparse_name);
    *ext = (tool_tar_extension){ .name = NULL };
}
