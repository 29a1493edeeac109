/* SPDX-License-Identifier: MIT
 *
 * fuzz_tar.c - the reader of tars. What it finds must be the same from a file,
 * in which it skips, and from a pipe; and a member's first bytes must be those
 * of its data.
 *
 * A checksum stands before everything else in a header, and no fuzzer guesses
 * it: the checksums of blocks that have the magic are set right first.
 */
#include "pictures/tar.h"

#include "fuzz/scratch_file.h"
#include "fuzz/use.h"

#include <string.h>

enum {
    BLOCK = 512,
    MAX_INPUT = 65536, /* what a pipe holds without a reader */
    MAX_BYTES = 20000, /* of a member that is read */
    HEAD = 64
};

/* A hash of all that was found. */
static uint64_t mix(uint64_t hash, const void *data, size_t n)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return (hash ^ n) * 1099511628211u;
}

static void mend_checksums(uint8_t *tar, size_t n)
{
    for (size_t at = 0; at + BLOCK <= n; at += BLOCK) {
        unsigned sum = 8 * ' ';
        char digits[8];
        if (memcmp(tar + at + 257, "ustar", 5) != 0)
            continue;
        for (size_t i = 0; i < BLOCK; i++)
            sum += i >= 148 && i < 156 ? 0 : tar[at + i];
        snprintf(digits, sizeof digits, "%06o", sum);
        memcpy(tar + at + 148, digits, sizeof digits);
    }
}

static uint64_t read_member(tool_tar *tar, const tool_tar_member *member,
                            uint64_t hash, clipc_status *status)
{
    unsigned char first[HEAD];
    char message[256], *data;
    size_t n_head, n;
    const unsigned char *head = tool_tar_head(tar, HEAD, &n_head);

    if (n_head > HEAD || n_head > member->bytes)
        abort();
    memcpy(first, head, n_head);
    *status = tool_tar_read(tar, MAX_BYTES, &data, &n, message);
    hash = mix(hash, status, sizeof *status);
    if (*status == CLIPC_OK) {
        if (n != member->bytes || n_head != (n < HEAD ? n : HEAD) ||
            (n > 0 && memcmp(first, data, n_head) != 0))
            abort();
        use(data, n);
        hash = mix(hash, data, n);
    } else if (data || !message[0]) {
        abort();
    }
    free(data);
    if (*status == CLIPC_ERR_LIMIT)
        *status = CLIPC_OK;
    return hash;
}

static uint64_t read_all(int fd, unsigned choice)
{
    tool_tar *tar = tool_tar_new(fd);
    tool_tar_member member;
    clipc_status status;
    char message[256] = "";
    uint64_t hash = 14695981039346656037u;

    for (;;) {
        status = tool_tar_next(tar, &member, message);
        if (status != CLIPC_OK || !member.name)
            break;
        if (!member.name[0])
            abort();
        hash = mix(hash, member.name, strlen(member.name));
        hash = mix(hash, &member.kind, sizeof member.kind);
        hash = mix(hash, &member.bytes, sizeof member.bytes);
        choice = choice * 1103515245u + 12345u;
        if (choice & 0x10000) /* else it is skipped */
            hash = read_member(tar, &member, hash, &status);
        if (status != CLIPC_OK)
            break;
    }
    if (status != CLIPC_OK && !message[0] && status != CLIPC_ERR_TRUNCATED)
        abort();
    hash = mix(hash, &status, sizeof status);
    tool_tar_free(tar);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char path[128];
    static uint8_t tar[MAX_INPUT];
    int ends[2];

    if (n == 0 || --n > sizeof tar)
        return 0;
    memcpy(tar, data + 1, n);
    mend_checksums(tar, n);
    if (!path[0])
        snprintf(path, sizeof path, "%s/x.tar", scratch_dir());
    scratch_write(path, tar, n);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pipe(ends) != 0 || write(ends[1], tar, n) != (ssize_t)n)
        abort();
    close(ends[1]);
    const uint64_t of_file = read_all(fd, data[0]);
    const uint64_t of_pipe = read_all(ends[0], data[0]);
    close(ends[0]);
    close(fd);
    if (of_file != of_pipe)
        abort();
    return 0;
}
