/* SPDX-License-Identifier: MIT
 *
 * zip.c - reads the directory of a zip archive and checks every field.
 *
 *     entry: header, name, extra, bytes | ... | directory | zip64 end | end
 *
 * Only one layout is accepted, so that all readers see the same entries:
 *   - the end record is the last 22 bytes and has no comment;
 *   - a zip64 end record and its locator lie directly before the end record;
 *   - the directory ends where these records begin;
 *   - each entry's own header agrees with the directory.
 */
#include "checkpoint/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    MAX_ENTRIES = 66000, /* tensors and other entries */
    MAX_NAME = 512,
    ZIP64_EXTRA = 1,
    STORED = 0,
    FLAG_ENCRYPTED = 1,
    FLAG_DESCRIPTOR = 8, /* sizes and CRC follow the bytes */
    /* Compression strength and UTF-8 names are also accepted. */
    KNOWN_FLAGS = 0x0806 | FLAG_DESCRIPTOR
};

static const unsigned char end_magic[] = { 'P', 'K', 5, 6 };
static const unsigned char locator_magic[] = { 'P', 'K', 6, 7 };
static const unsigned char end64_magic[] = { 'P', 'K', 6, 6 };
static const unsigned char central_magic[] = { 'P', 'K', 1, 2 };
static const unsigned char local_magic[] = { 'P', 'K', 3, 4 };

typedef struct archive {
    const unsigned char *data;
    size_t n;
    const char *name;
} archive;

/* The place of the directory. */
typedef struct place {
    uint64_t begin, bytes, n;
} place;

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | p[bytes];
    return value;
}

static bool has_magic(const unsigned char *p, const unsigned char magic[4])
{
    return memcmp(p, magic, 4) == 0;
}

static clipc_status fail_at(const archive *a, size_t offset, const char *what,
                            clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)offset,
                      "%s: zip archive: %s", CLIPC_QUOTE(a->name), what);
}

static clipc_status fail_entry(const archive *a, clipc_status code,
                               const clipc_zip_entry *entry, const char *what,
                               clipc_error *err)
{
    return clipc_fail(err, code, (int64_t)entry->offset,
                      "%s: zip archive: entry %s: %s", CLIPC_QUOTE(a->name),
                      clipc_quote(entry->name.data, entry->name.len).text,
                      what);
}

/* ---- the end records --------------------------------------------------- */

/* Whether a field of the end record has the value, or all ones: the value is
 * in the zip64 record. */
static bool agrees(uint64_t field, int bytes, uint64_t value)
{
    uint64_t ones = ((uint64_t)1 << 8 * bytes) - 1;
    return field == value || field == ones;
}

/* Checks the zip64 records before the end record at `end`; *before: the byte
 * at which these records begin. */
static clipc_status read_end64(const archive *a, size_t end, place *where,
                               size_t *before, clipc_error *err)
{
    const unsigned char *locator = a->data + end - LOCATOR_BYTES;

    if (end < LOCATOR_BYTES + END64_BYTES)
        return fail_at(a, end, "no room for its zip64 record", err);
    *before = end - LOCATOR_BYTES - END64_BYTES;
    const unsigned char *record = a->data + *before;
    if (number(locator + 8, 8) != *before || !has_magic(record, end64_magic) ||
        number(record + 4, 8) != END64_BYTES - 12)
        return fail_at(a, *before, "its zip64 record is not before its end",
                       err);
    if (number(locator + 4, 4) != 0 || number(locator + 16, 4) != 1 ||
        number(record + 16, 4) != 0 || number(record + 20, 4) != 0 ||
        number(record + 24, 8) != number(record + 32, 8))
        return fail_at(a, *before, "it is one of several volumes", err);
    *where = (place){ .n = number(record + 32, 8),
                      .bytes = number(record + 40, 8),
                      .begin = number(record + 48, 8) };
    return CLIPC_OK;
}

static clipc_status find_directory(const archive *a, place *where,
                                   clipc_error *err)
{
    if (a->n < END_BYTES || !has_magic(a->data + a->n - END_BYTES, end_magic))
        return clipc_fail(err, CLIPC_ERR_TRUNCATED, (int64_t)a->n,
                          "%s: zip archive: it does not end in its directory "
                          "(cut off, or something follows it)",
                          CLIPC_QUOTE(a->name));
    size_t end = a->n - END_BYTES, before = end;
    const unsigned char *record = a->data + end;
    uint64_t n = number(record + 10, 2), bytes = number(record + 12, 4);
    uint64_t begin = number(record + 16, 4);

    if (number(record + 20, 2) != 0)
        return fail_at(a, end, "it has a comment", err);
    if (number(record + 4, 2) != 0 || number(record + 6, 2) != 0 ||
        number(record + 8, 2) != n)
        return fail_at(a, end, "it is one of several volumes", err);
    *where = (place){ .begin = begin, .bytes = bytes, .n = n };
    if (end >= LOCATOR_BYTES &&
        has_magic(a->data + end - LOCATOR_BYTES, locator_magic)) {
        CLIPC_TRY(read_end64(a, end, where, &before, err));
        if (!agrees(n, 2, where->n) || !agrees(bytes, 4, where->bytes) ||
            !agrees(begin, 4, where->begin))
            return fail_at(a, end, "its two end records disagree", err);
    }
    if (where->begin > before || where->bytes != before - where->begin)
        return fail_at(a, end, "its directory is not before its end", err);
    return CLIPC_OK;
}

/* ---- one entry --------------------------------------------------------- */

/* Sizes and position from the directory. */
typedef struct extent {
    uint64_t n, stored, offset;
} extent;

/* Reads fields with all bits set from the zip64 extra field instead. */
static bool widen(extent *e, const unsigned char *extra, size_t n_extra,
                  bool disk_is_ones)
{
    uint64_t *const fields[] = { &e->n, &e->stored, &e->offset };
    bool done = false;

    while (n_extra >= 4) {
        size_t id = (size_t)number(extra, 2), n = (size_t)number(extra + 2, 2);
        extra += 4, n_extra -= 4;
        if (n > n_extra)
            return false;
        const unsigned char *value = extra;
        size_t left = id == ZIP64_EXTRA ? n : 0;
        extra += n, n_extra -= n;
        if (id != ZIP64_EXTRA)
            continue;
        if (done)
            return false;
        done = true;
        for (int i = 0; i < 3; i++) {
            if (*fields[i] != UINT32_MAX)
                continue;
            if (left < 8)
                return false;
            *fields[i] = number(value, 8);
            value += 8, left -= 8;
        }
        if (disk_is_ones && (left < 4 || number(value, 4) != 0))
            return false;
    }
    /* All ones without a zip64 field are no size and no position. */
    return n_extra == 0 &&
           (done || (e->n != UINT32_MAX && e->stored != UINT32_MAX &&
                     e->offset != UINT32_MAX && !disk_is_ones));
}

/* Reads the header before the entry's bytes and sets entry->data. `central` is
 * the entry of the directory. */
static clipc_status read_local(const archive *a, const place *where,
                               const unsigned char *central,
                               clipc_zip_entry *entry, clipc_error *err)
{
    size_t limit = (size_t)where->begin, offset = entry->offset;
    uint64_t flags = number(central + 8, 2);

    if (offset > limit || limit - offset < LOCAL_BYTES)
        return fail_entry(a, CLIPC_ERR_FORMAT, entry,
                          "it begins outside the archive", err);
    const unsigned char *local = a->data + offset;
    size_t n_name = (size_t)number(local + 26, 2);
    size_t skip = LOCAL_BYTES + n_name + (size_t)number(local + 28, 2);
    if (limit - offset < skip || limit - offset - skip < entry->n)
        return fail_entry(a, CLIPC_ERR_FORMAT, entry,
                          "it ends outside the archive", err);
    if (!has_magic(local, local_magic) || number(local + 6, 2) != flags ||
        number(local + 8, 2) != number(central + 10, 2) ||
        n_name != entry->name.len ||
        memcmp(local + LOCAL_BYTES, entry->name.data, n_name) != 0)
        return fail_entry(a, CLIPC_ERR_FORMAT, entry,
                          "its header differs from the directory", err);
    uint64_t crc = number(local + 14, 4);
    uint64_t stored = number(local + 18, 4), n = number(local + 22, 4);
    bool later = (flags & FLAG_DESCRIPTOR) && crc == 0 && stored == 0 &&
                 n == 0;
    if (!later && (crc != entry->crc || !agrees(stored, 4, entry->n) ||
                   (entry->stored && !agrees(n, 4, entry->n))))
        return fail_entry(a, CLIPC_ERR_FORMAT, entry,
                          "its header differs from the directory", err);
    entry->data = local + skip;
    return CLIPC_OK;
}

/* Reads the entry of the directory at *pos, and moves *pos behind the
 * entry. */
static clipc_status read_central(const archive *a, const place *where,
                                 size_t *pos, clipc_zip_entry *entry,
                                 clipc_error *err)
{
    size_t end = (size_t)(where->begin + where->bytes);
    const unsigned char *p = a->data + *pos;

    if (end - *pos < CENTRAL_BYTES || !has_magic(p, central_magic))
        return fail_at(a, *pos, "its directory is damaged", err);
    size_t n_name = (size_t)number(p + 28, 2);
    size_t n_extra = (size_t)number(p + 30, 2);
    size_t bytes = CENTRAL_BYTES + n_name + n_extra +
                   (size_t)number(p + 32, 2);
    if (end - *pos < bytes)
        return fail_at(a, *pos, "its directory is damaged", err);
    if (n_name == 0 || n_name > MAX_NAME ||
        memchr(p + CENTRAL_BYTES, '\0', n_name))
        return fail_at(a, *pos,
                       "an entry's name is empty, too long or has a "
                       "NUL",
                       err);
    *entry = (clipc_zip_entry){ .name = { (const char *)p + CENTRAL_BYTES,
                                          n_name },
                                .offset = *pos,
                                .stored = number(p + 10, 2) == STORED,
                                .crc = (uint32_t)number(p + 16, 4) };
    *pos += bytes;

    uint64_t flags = number(p + 8, 2), disk = number(p + 34, 2);
    extent e = { .n = number(p + 24, 4),
                 .stored = number(p + 20, 4),
                 .offset = number(p + 42, 4) };
    if (flags & FLAG_ENCRYPTED)
        return fail_entry(a, CLIPC_ERR_UNSUPPORTED, entry, "it is encrypted",
                          err);
    if (flags & ~(uint64_t)KNOWN_FLAGS)
        return fail_entry(a, CLIPC_ERR_UNSUPPORTED, entry,
                          "it has unknown flags", err);
    if (!widen(&e, p + CENTRAL_BYTES + n_name, n_extra, disk == UINT16_MAX) ||
        (disk != 0 && disk != UINT16_MAX) ||
        (entry->stored && e.n != e.stored))
        return fail_entry(a, CLIPC_ERR_FORMAT, entry, "its sizes are damaged",
                          err);
    if (e.offset > where->begin || e.stored > where->begin)
        return fail_entry(a, CLIPC_ERR_FORMAT, entry,
                          "it begins or ends outside the archive", err);
    entry->n = (size_t)e.stored;
    entry->offset = (size_t)e.offset;
    return read_local(a, where, p, entry, err);
}

/* ---- the whole --------------------------------------------------------- */

static int compare_offsets(const void *a, const void *b)
{
    const clipc_zip_entry *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int order_of(clipc_text a, clipc_text b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int compare_names(const void *a, const void *b)
{
    const clipc_zip_entry *const *x = a, *const *y = b;
    return order_of((*x)->name, (*y)->name);
}

static clipc_status check_entries(const clipc_zip *zip, const archive *a,
                                  clipc_error *err)
{
    for (size_t i = 1; i < zip->n; i++) {
        const clipc_zip_entry *before = &zip->entries[i - 1];
        const clipc_zip_entry *entry = &zip->entries[i];
        if ((size_t)(before->data - a->data) + before->n > entry->offset)
            return fail_entry(a, CLIPC_ERR_FORMAT, entry,
                              "it overlaps another", err);
    }
    for (size_t i = 1; i < zip->n; i++)
        if (compare_names(&zip->by_name[i - 1], &zip->by_name[i]) == 0)
            return fail_entry(a, CLIPC_ERR_FORMAT, zip->by_name[i],
                              "two entries have this name", err);
    return CLIPC_OK;
}

static clipc_status read_all(clipc_zip *zip, const archive *a,
                             size_t max_directory_bytes, clipc_error *err)
{
    place where = { 0 };

    CLIPC_TRY(find_directory(a, &where, err));
    if (where.bytes > max_directory_bytes)
        return clipc_fail(err, CLIPC_ERR_LIMIT, (int64_t)where.begin,
                          "%s: zip directory of %llu bytes, the limit is %zu "
                          "(max_header_bytes)",
                          CLIPC_QUOTE(a->name),
                          (unsigned long long)where.bytes,
                          max_directory_bytes);
    if (where.n > MAX_ENTRIES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, (int64_t)where.begin,
                          "%s: zip archive of more than %d entries (limit of "
                          "clipc)",
                          CLIPC_QUOTE(a->name), MAX_ENTRIES);
    /* Check the number of entries before allocating them. */
    if (where.n > where.bytes / CENTRAL_BYTES)
        return fail_at(a, (size_t)where.begin, "its directory is damaged",
                       err);
    zip->entries = clipc_alloc((size_t)where.n, sizeof *zip->entries);
    zip->by_name = clipc_alloc((size_t)where.n, sizeof *zip->by_name);
    if (!zip->entries || !zip->by_name)
        return clipc_fail_nomem(err, "directory of a zip archive");
    size_t pos = (size_t)where.begin;
    for (size_t i = 0; i < (size_t)where.n; i++, zip->n++)
        CLIPC_TRY(read_central(a, &where, &pos, &zip->entries[i], err));
    if (pos != (size_t)(where.begin + where.bytes))
        return fail_at(a, pos, "its directory is damaged", err);
    if (zip->n > 0)
        zip->first = zip->entries[0].name;
    qsort(zip->entries, zip->n, sizeof *zip->entries, compare_offsets);
    for (size_t i = 0; i < zip->n; i++)
        zip->by_name[i] = &zip->entries[i];
    qsort(zip->by_name, zip->n, sizeof *zip->by_name, compare_names);
    return check_entries(zip, a, err);
}

clipc_status clipc_zip_open(clipc_zip *zip, const void *data, size_t n,
                            const char *name, size_t max_directory_bytes,
                            clipc_error *err)
{
    const archive a = { data, n, name };

    *zip = (clipc_zip){ 0 };
    clipc_status status = read_all(zip, &a, max_directory_bytes, err);
    if (status != CLIPC_OK)
        clipc_zip_release(zip);
    return status;
}

void clipc_zip_release(clipc_zip *zip)
{
    free(zip->entries);
    free(zip->by_name);
    *zip = (clipc_zip){ 0 };
}

const clipc_zip_entry *clipc_zip_find(const clipc_zip *zip, clipc_text name)
{
    const clipc_zip_entry wanted = { .name = name }, *key = &wanted;
    const clipc_zip_entry **found = bsearch(&key, zip->by_name, zip->n,
                                            sizeof *zip->by_name,
                                            compare_names);
    return found ? *found : NULL;
}

bool clipc_zip_intact(const clipc_zip_entry *entry)
{
    uLong crc = crc32_z(crc32_z(0, NULL, 0), entry->data, entry->n);
    return entry->crc == 0 || entry->crc == (uint32_t)crc;
}
