/* SPDX-License-Identifier: MIT
 *
 * tar.c - see tar.h. A tar is a row of blocks of 512 bytes: of each member a
 * header (tar_header.h) and its bytes, filled up with zeros; at the end at
 * least one block of zeros.
 *
 * Which types have bytes is as in Python's tarfile, with which WebDataset
 * reads.
 */
#include "pictures/tar.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MESSAGE = 256,
    BLOCK = TOOL_TAR_BLOCK,
    BUFFER = 128 * BLOCK,
    FIRST_ROOM = 1 << 20, /* bytes that a member's size is trusted with */
};

struct tool_tar {
    int fd;
    uint64_t total;   /* bytes of a regular file from its beginning, else 0 */
    bool regular;     /* the file can be skipped in */
    uint64_t at;      /* of the byte at buffer[begin] */
    uint64_t left;    /* bytes of the current member */
    unsigned padding; /* after them */
    bool marked;      /* a block of zeros was the last */
    size_t begin, end;
    char *name; /* of the current member */
    unsigned char buffer[BUFFER];
};

tool_tar *tool_tar_new(int fd)
{
    tool_tar *tar = tool_grow(NULL, 1, sizeof *tar);
    struct stat st;

    memset(tar, 0, sizeof *tar);
    tar->fd = fd;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        const off_t at = lseek(fd, 0, SEEK_CUR);
        tar->regular = at >= 0 && at <= st.st_size;
        tar->total = tar->regular ? (uint64_t)(st.st_size - at) : 0;
    }
    return tar;
}

void tool_tar_free(tool_tar *tar)
{
    if (!tar)
        return;
    free(tar->name);
    free(tar);
}

bool tool_tar_would_wait(const tool_tar *tar)
{
    struct pollfd poll_tar = { .fd = tar->fd, .events = POLLIN };

    return !tar->regular && tar->end - tar->begin < BLOCK &&
           poll(&poll_tar, 1, 0) == 0;
}

uint64_t tool_tar_at(const tool_tar *tar, uint64_t *total)
{
    *total = tar->total;
    return tar->at;
}

/* ---- bytes ------------------------------------------------------------- */

static clipc_status fail(char message[256], clipc_status status,
                         const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static clipc_status fail(char message[256], clipc_status status,
                         const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(message, MESSAGE, format, args);
    va_end(args);
    return status;
}

static clipc_status fail_early(const tool_tar *tar, char message[256])
{
    return fail(message, CLIPC_ERR_TRUNCATED,
                "the tar ends too early (%llu bytes)",
                (unsigned long long)(tar->at + (tar->end - tar->begin)));
}

/* read(), again after a signal that does not end the program. */
static ssize_t read_some(const tool_tar *tar, void *to, size_t n)
{
    ssize_t got;

    do
        got = read(tar->fd, to, n);
    while (got < 0 && errno == EINTR && !tool_interrupted());
    return got;
}

/* Reads until the buffer has n bytes; *n_there is less at the end alone. */
static clipc_status fill(tool_tar *tar, size_t n, size_t *n_there,
                         char message[256])
{
    if (tar->begin > 0 && tar->begin + n > BUFFER) {
        memmove(tar->buffer, tar->buffer + tar->begin, tar->end - tar->begin);
        tar->end -= tar->begin;
        tar->begin = 0;
    }
    while (tar->end - tar->begin < n) {
        const ssize_t got = read_some(tar, tar->buffer + tar->end,
                                      BUFFER - tar->end);
        if (got < 0)
            return fail(message, CLIPC_ERR_IO, "cannot read the tar: %s",
                        tool_errno(errno));
        if (got == 0)
            break;
        tar->end += (size_t)got;
    }
    *n_there = tar->end - tar->begin < n ? tar->end - tar->begin : n;
    return CLIPC_OK;
}

static void take(tool_tar *tar, size_t n)
{
    tar->begin += n;
    tar->at += n;
    if (tar->begin == tar->end)
        tar->begin = tar->end = 0;
}

/* Leaves out n bytes. */
static clipc_status skip(tool_tar *tar, uint64_t n, char message[256])
{
    size_t there = tar->end - tar->begin;

    if (tar->regular && n > there) {
        if (n > tar->total - tar->at ||
            lseek(tar->fd, (off_t)(n - there), SEEK_CUR) < 0) {
            tar->at = tar->total;
            tar->begin = tar->end = 0;
            return fail_early(tar, message);
        }
        tar->begin = tar->end = 0;
        tar->at += n;
        return CLIPC_OK;
    }
    while (n > 0) {
        const size_t want = n < BUFFER ? (size_t)n : BUFFER;
        clipc_status status = fill(tar, want < BLOCK ? want : BLOCK, &there,
                                   message);
        if (status != CLIPC_OK)
            return status;
        if (there == 0)
            return fail_early(tar, message);
        there = tar->end - tar->begin < want ? tar->end - tar->begin : want;
        take(tar, there);
        n -= there;
    }
    return CLIPC_OK;
}

/* Sets how many bytes follow the header that was read. */
static void expect(tool_tar *tar, uint64_t bytes)
{
    tar->left = bytes;
    tar->padding = (unsigned)(-bytes % BLOCK);
}

/* The rest of the current member. */
static clipc_status finish_member(tool_tar *tar, char message[256])
{
    const uint64_t n = tar->left + tar->padding;

    tar->left = tar->padding = 0;
    return skip(tar, n, message);
}

clipc_status tool_tar_read(tool_tar *tar, size_t max_bytes, char **data,
                           size_t *n, char message[256])
{
    *data = NULL;
    *n = 0;
    if (tar->left > max_bytes)
        return fail(message, CLIPC_ERR_LIMIT,
                    "%llu bytes, over the limit of %zu",
                    (unsigned long long)tar->left, max_bytes);
    const size_t bytes = (size_t)tar->left;
    size_t room = bytes < FIRST_ROOM ? bytes : FIRST_ROOM, used = 0;
    char *to = tool_grow(NULL, room, 1);

    while (used < bytes) {
        if (used == room) {
            room = bytes / 2 < room ? bytes : 2 * room;
            to = tool_grow(to, room, 1);
        }
        size_t there = tar->end - tar->begin;
        if (there > 0) {
            if (there > room - used)
                there = room - used;
            memcpy(to + used, tar->buffer + tar->begin, there);
            take(tar, there);
        } else {
            const ssize_t got = read_some(tar, to + used, room - used);
            if (got <= 0) {
                free(to);
                return got == 0 ? fail_early(tar, message)
                                : fail(message, CLIPC_ERR_IO,
                                       "cannot read the tar: %s",
                                       tool_errno(errno));
            }
            there = (size_t)got;
            tar->at += there;
        }
        used += there;
    }
    tar->left = 0;
    *data = to;
    *n = bytes;
    return CLIPC_OK;
}

const unsigned char *tool_tar_head(tool_tar *tar, size_t n, size_t *n_head)
{
    char message[MESSAGE];

    if (n > tar->left)
        n = (size_t)tar->left;
    if (n > BLOCK)
        n = BLOCK;
    /* What cannot be read is told by who reads the member. */
    if (fill(tar, n, n_head, message) != CLIPC_OK)
        *n_head = 0;
    return tar->buffer + tar->begin;
}

/* ---- members ----------------------------------------------------------- */

/* A header in the buffer, or *found false: the end. */
static clipc_status find_header(tool_tar *tar, bool *found, char message[256])
{
    for (;;) {
        size_t n;
        clipc_status status = fill(tar, BLOCK, &n, message);
        if (status != CLIPC_OK)
            return status;
        const unsigned char *header = tar->buffer + tar->begin;
        const bool is_tar = n == BLOCK && tool_tar_is_header(header);
        const char *program = tar->at == 0 && !is_tar
                                  ? tool_tar_packed_with(header, n)
                                  : NULL;
        if (program)
            return fail(message, CLIPC_ERR_UNSUPPORTED,
                        "compressed: unpack it first (%s -d)", program);
        *found = n == BLOCK && !tool_tar_is_zero(header);
        if (n == BLOCK && *found && !is_tar)
            return tar->at == 0
                       ? fail(message, CLIPC_ERR_FORMAT, "not a tar")
                       : fail(message, CLIPC_ERR_FORMAT,
                              "not the header of a member, at byte %llu",
                              (unsigned long long)tar->at);
        if (n == BLOCK && *found)
            return CLIPC_OK;
        if (n == BLOCK) {
            take(tar, BLOCK);
            tar->marked = true;
            continue;
        }
        if (tar->marked)
            return CLIPC_OK;
        if (tar->at == 0 && n == 0)
            return fail(message, CLIPC_ERR_TRUNCATED, "empty");
        if (n > 0)
            return fail_early(tar, message);
        return fail(message, CLIPC_ERR_TRUNCATED,
                    "the tar ends without its end mark (%llu bytes); it may "
                    "have been cut",
                    (unsigned long long)tar->at);
    }
}

/* Reads the bytes of a header of `type` that describes the next one. */
static clipc_status read_extension(tool_tar *tar, tool_tar_extension *ext,
                                   int type, char message[256])
{
    tool_tar_extension global = { .name = NULL };
    char *data;
    size_t n;
    clipc_status status =
        tool_tar_read(tar, type == 'L' ? TOOL_TAR_MAX_NAME : TOOL_TAR_MAX_PAX,
                      &data, &n, message);

    if (status == CLIPC_ERR_LIMIT)
        return fail(message, status,
                    "the description of a member has more than the limit of "
                    "%d bytes",
                    type == 'L' ? (int)TOOL_TAR_MAX_NAME
                                : (int)TOOL_TAR_MAX_PAX);
    if (status != CLIPC_OK)
        return status;
    if (type == 'L')
        tool_tar_set_name(&ext->name, data, strnlen(data, n));
    else
        status = tool_tar_parse_pax(type == 'g' ? &global : ext, data, n,
                                    message);
    free(data);
    if (status == CLIPC_OK &&
        (global.name || global.has_bytes || global.sparse))
        status = fail(message, CLIPC_ERR_UNSUPPORTED,
                      "a global pax header names or sizes all members");
    free(global.name);
    free(global.sparse_name);
    return status;
}

/* The blocks of GNU's map of a sparse file, after its header. */
static clipc_status skip_map(tool_tar *tar, bool goes_on, char message[256])
{
    while (goes_on) {
        size_t n;
        clipc_status status = fill(tar, BLOCK, &n, message);
        if (status != CLIPC_OK)
            return status;
        if (n < BLOCK)
            return fail_early(tar, message);
        goes_on = tool_tar_map_goes_on(tar->buffer + tar->begin);
        take(tar, BLOCK);
    }
    return CLIPC_OK;
}

/* Takes the header in the buffer. *is_member: it is one, and no description of
 * the next, no folder and no name of the whole tar. */
static clipc_status take_header(tool_tar *tar, tool_tar_extension *ext,
                                tool_tar_member *member, bool *is_member,
                                char message[256])
{
    const unsigned char *header = tar->buffer + tar->begin;
    const int type = tool_tar_header_type(header);
    const bool goes_on = tool_tar_map_begins(header);
    uint64_t bytes;

    tar->marked = *is_member = false;
    if (!tool_tar_header_bytes(header, &bytes))
        return fail(message, CLIPC_ERR_FORMAT,
                    "a member's size is not a number, at byte %llu",
                    (unsigned long long)tar->at);
    if (type == 'x' || type == 'X' || type == 'g' || type == 'L') {
        take(tar, BLOCK);
        expect(tar, bytes);
        return read_extension(tar, ext, type, message);
    }
    if (type == 'K' || type == 'V') { /* a link's target, the tar's label */
        take(tar, BLOCK);
        expect(tar, bytes);
        return CLIPC_OK;
    }
    char *name = ext->sparse_name ? ext->sparse_name : ext->name;
    name = name ? tool_format("%s", name) : tool_tar_header_name(header);
    const size_t n = strlen(name);
    const bool folder = type == '5' || type == 'D' ||
                        (type == '\0' && n > 0 && name[n - 1] == '/');
    if (ext->has_bytes)
        bytes = ext->bytes;
    if ((type >= '1' && type <= '6') || (folder && type != 'D'))
        bytes = 0;
    const bool sparse = ext->sparse;
    tool_tar_forget(ext);
    free(tar->name);
    tar->name = name;
    take(tar, BLOCK);
    clipc_status status = skip_map(tar, type == 'S' && goes_on, message);
    if (status != CLIPC_OK)
        return status;
    if (n == 0)
        return fail(message, CLIPC_ERR_FORMAT,
                    "a member without a name, before byte %llu",
                    (unsigned long long)tar->at);
    expect(tar, bytes);
    member->name = name;
    member->kind = tool_tar_header_kind(type, sparse);
    member->bytes = bytes;
    *is_member = !folder;
    return CLIPC_OK;
}

clipc_status tool_tar_next(tool_tar *tar, tool_tar_member *member,
                           char message[256])
{
    tool_tar_extension ext = { .name = NULL };
    clipc_status status;
    bool found = false, is_member = false;

    do {
        *member = (tool_tar_member){ .name = NULL };
        status = finish_member(tar, message);
        if (status == CLIPC_OK)
            status = find_header(tar, &found, message);
        if (status == CLIPC_OK && found)
            status = take_header(tar, &ext, member, &is_member, message);
    } while (status == CLIPC_OK && found && !is_member);
    tool_tar_forget(&ext);
    if (status != CLIPC_OK)
        member->name = NULL;
    return status;
}
