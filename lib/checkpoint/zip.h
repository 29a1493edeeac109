/* SPDX-License-Identifier: MIT
 *
 * zip.h - the directory of a zip archive. Nothing is copied or expanded:
 * an entry's bytes are where they lie in the archive, which is of use when it
 * is stored and not compressed, as torch.save() does.
 * Format: PKWARE APPNOTE.TXT 6.3, sections 4.3 and 4.5.3 (zip64).
 */
#ifndef CLIPC_ZIP_H
#define CLIPC_ZIP_H

#include "base/base.h"

typedef struct clipc_zip_entry {
    clipc_text name;           /* not terminated; no NUL in it */
    const unsigned char *data; /* n bytes */
    size_t n, offset;          /* offset: of its header in the archive */
    bool stored;               /* false: the n bytes are compressed */
    uint32_t crc;              /* 0 may mean that none was computed */
} clipc_zip_entry;

typedef struct clipc_zip {
    clipc_zip_entry *entries;        /* [n] in the order of the archive */
    const clipc_zip_entry **by_name; /* [n] */
    clipc_text first; /* the name that the directory has first, or empty */
    size_t n;
} clipc_zip;

/* Checks the whole directory and each entry's own header: all inside the
 * archive, none overlapping, names unique. The directory may take
 * max_directory_bytes. Entries' bytes are not looked at. name is for the
 * messages. */
clipc_status clipc_zip_open(clipc_zip *zip, const void *data, size_t n,
                            const char *name, size_t max_directory_bytes,
                            clipc_error *err);
/* Zeroes *zip. */
void clipc_zip_release(clipc_zip *zip);

/* NULL when absent. */
const clipc_zip_entry *clipc_zip_find(const clipc_zip *zip, clipc_text name);

/* Whether a stored entry's bytes have the entry's CRC-32; true without one. */
bool clipc_zip_intact(const clipc_zip_entry *entry);

#endif /* CLIPC_ZIP_H */
