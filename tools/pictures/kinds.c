/* SPDX-License-Identifier: MIT
 *
 * kinds.c - see kinds.h.
 */
#include "pictures/kinds.h"

#include "common/tool.h"

#include <stdlib.h>
#include <string.h>

/* Files and folders that are nobody's pictures: thumbnails, deleted files and
 * snapshots of NAS systems, Windows and archives, in any case of letters. Names
 * that begin with a dot are left out, too (.@__thumb, ._x.jpg, .thumbnails,
 * .DS_Store). A file that the user names is
 * read, whatever its name. */
static const char *const litter[] = {
    "@eaDir",
    "#recycle",
    "@Recycle",
    "#snapshot",
    "@Recently-Snapshot",
    "$RECYCLE.BIN",
    "RECYCLER",
    "System Volume Information",
    "lost+found",
    "__MACOSX",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
};

/* Endings of pictures that are not read. */
static const char *const other_endings[] = {
    "dib", "tif", "tiff", "heic", "heif", "hif", "jxl", "jp2", "j2k", "jpf",
    "jpx", "jxr", "wdp",  "svg",  "svgz", "ico", "cur", "psd", "psb", "xcf",
    "tga", "pcx", "pbm",  "pgm",  "ppm",  "pnm", "pam", "exr", "hdr", "qoi",
    "eps", "dng", "raw",  "cr2",  "cr3",  "crw", "nef", "nrw", "arw", "srf",
    "sr2", "orf", "rw2",  "raf",  "pef",  "srw", "rwl", "3fr", "fff", "iiq",
    "mrw", "x3f", "dcr",  "kdc",  "erf",  "mef", "mos",
};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

_Static_assert(LENGTH(other_endings) == TOOL_OTHER_ENDINGS, "kinds.h");

/* ---- names ------------------------------------------------------------- */

/* ASCII only: tolower() would follow the locale. */
static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* Index of the name among n, in any case of letters; n: it is none of them. */
static size_t find_name(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *s = name, *t = names[i];
        while (*s && lower(*s) == lower(*t))
            s++, t++;
        if (!*s && !*t)
            return i;
    }
    return n;
}

bool tool_is_litter(const char *name)
{
    return name[0] == '.' ||
           find_name(name, litter, LENGTH(litter)) < LENGTH(litter);
}

bool tool_is_litter_path(const char *path)
{
    char name[256]; /* a longer name is no litter of the list */

    for (;;) {
        const size_t n = strcspn(path, "/");
        const bool here = n == 0 || (n <= 2 && memcmp(path, "..", n) == 0);
        if (!here && path[0] == '.')
            return true;
        if (n < sizeof name) {
            memcpy(name, path, n);
            name[n] = '\0';
            if (!here && tool_is_litter(name))
                return true;
        }
        if (!path[n])
            return false;
        path += n + 1;
    }
}

bool tool_ends_as_image(const char *name)
{
    static const char *const endings[] = { "jpg",  "jpeg", "jpe",
                                           "jfif", "png",  "webp",
                                           "avif", "gif",  "bmp" };
    const char *dot = strrchr(name, '.');

    return dot &&
           find_name(dot + 1, endings, LENGTH(endings)) < LENGTH(endings);
}

/* Whether the name ends in a dot and the ending, in any case of letters. */
static bool ends_in(const char *name, const char *ending)
{
    const size_t n = strlen(name), n_ending = strlen(ending);

    return n > n_ending + 1 && name[n - n_ending - 1] == '.' &&
           find_name(name + n - n_ending, &ending, 1) == 0;
}

bool tool_ends_as_tar(const char *name)
{
    static const char *const endings[] = { "tar",     "tar.gz",  "tgz",
                                           "tar.bz2", "tbz2",    "tar.xz",
                                           "txz",     "tar.zst", "tzst" };

    for (size_t i = 0; i < LENGTH(endings); i++)
        if (ends_in(name, endings[i]))
            return true;
    return false;
}

/* ---- first bytes ------------------------------------------------------- */

/* The brands of files that are read: of HEIC and films they are others. */
static bool begins_as_avif(const unsigned char *head, size_t n)
{
    if (memcmp(head + 4, "ftypavi", 7) == 0)
        return head[11] == 'f' || head[11] == 's';
    if (memcmp(head + 4, "ftypmif1", 8) != 0 &&
        memcmp(head + 4, "ftypmsf1", 8) != 0)
        return false;
    for (size_t at = 16; at + 4 <= n && at + 4 <= head[3]; at += 4)
        if (memcmp(head + at, "avif", 4) == 0 ||
            memcmp(head + at, "avis", 4) == 0)
            return true;
    return false;
}

bool tool_begins_as_image(const unsigned char *head, size_t n)
{
    return (n >= 3 && memcmp(head, "\xFF\xD8\xFF", 3) == 0) ||
           (n >= 8 && memcmp(head, "\x89PNG\r\n\x1A\n", 8) == 0) ||
           (n >= 12 && memcmp(head, "RIFF", 4) == 0 &&
            memcmp(head + 8, "WEBP", 4) == 0) ||
           (n >= 12 && begins_as_avif(head, n)) ||
           (n >= 6 && (memcmp(head, "GIF87a", 6) == 0 ||
                       memcmp(head, "GIF89a", 6) == 0)) ||
           (n >= 26 && memcmp(head, "BM", 2) == 0 &&
            memcmp(head + 6, "\0\0\0\0", 4) == 0 && head[14] >= 12 &&
            memcmp(head + 15, "\0\0\0", 3) == 0);
}

/* ---- what is left out -------------------------------------------------- */

bool tool_left_out_add(tool_left_out *left_out, const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t i = dot ? find_name(dot + 1, other_endings, LENGTH(other_endings))
                   : LENGTH(other_endings);

    if (i == LENGTH(other_endings))
        return false;
    left_out->n_other[i]++;
    return true;
}

/* The endings that were left out most often. */
static void say_others(const tool_left_out *left_out)
{
    enum { SHOWN = 5 };
    char list[128] = "";
    size_t used = 0, n_total = 0, n_shown = 0;
    size_t left[LENGTH(other_endings)];

    memcpy(left, left_out->n_other, sizeof left);
    for (size_t i = 0; i < LENGTH(left); i++)
        n_total += left[i];
    if (n_total == 0)
        return;
    for (int k = 0; k < SHOWN && n_shown < n_total; k++) {
        size_t most = 0;
        for (size_t i = 1; i < LENGTH(left); i++)
            if (left[i] > left[most])
                most = i;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%zu .%s",
                                 k ? ", " : "", left[most],
                                 other_endings[most]);
        n_shown += left[most];
        left[most] = 0;
    }
    if (n_shown < n_total)
        snprintf(list + used, sizeof list - used, ", %zu of other kinds",
                 n_total - n_shown);
    tool_say("%zu %s left out (%s)", n_total,
             n_total == 1 ? "file of another format"
                          : "files of other formats",
             list);
}

void tool_left_out_say(const tool_left_out *left_out)
{
    const size_t n = left_out->n_members;

    say_others(left_out);
    if (n > 0)
        tool_say("%zu %s left out", n,
                 n == 1 ? "member of a tar that is no picture"
                        : "members of tars that are no pictures");
}
