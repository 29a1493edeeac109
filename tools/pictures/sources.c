/* SPDX-License-Identifier: MIT
 *
 * sources.c - see sources.h. A folder gives the files whose name has an
 * image's ending or whose first bytes are those of a format that is read,
 * sorted by the bytes of their paths. Thumbnails and other litter are left out,
 * pictures of other formats are counted. Links are followed; no folder is
 * entered twice, so that a loop ends.
 */
#include "pictures/sources.h"

#include "common/lines.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LIST_BUFFER = 65536,
    MAX_DATA_URL = 1 << 24, /* of a line in a list */
    MESSAGE = 256
};

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

/* Of standard input, as of a file. */
#define DEFAULT_BYTES ((size_t)64 << 20)

/* A path below a folder, waiting for its turn. */
typedef struct pending {
    char *path;
    bool folder;
} pending;

typedef struct identity {
    dev_t device;
    ino_t inode;
} identity;

struct tool_sources {
    const char *const *names;
    size_t n_names, next_name;

    const char *list_name;
    int list;       /* its descriptor, or -1 */
    int list_error; /* an errno not yet reported, or 0 */
    bool list_is_stdin, list_begun, list_ended;
    size_t list_bytes, list_used; /* of a regular file, else 0; used so far */
    size_t n_listed;              /* names it has given */
    char separator;    /* '\n', or '\0' when the list has one near its start */
    size_t begin, end; /* of what is read and not yet used */
    size_t searched;   /* bytes after begin without a separator */
    char *buffer;      /* [room] */
    size_t room;

    pending *stack; /* last first */
    size_t n_stack, stack_room;
    void *entered;  /* tree of identities of the operand's folders */
    char *operand;  /* the folder being walked, or NULL */
    bool from_list; /* where it was named */
    size_t n_found; /* images in it so far */
    size_t n_other[LENGTH(other_endings)]; /* left out, in all folders */
    bool stdin_used;
};

tool_sources *tool_sources_open(const char *const *names, size_t n,
                                const char *files_from)
{
    tool_sources *sources = tool_grow(NULL, 1, sizeof *sources);

    memset(sources, 0, sizeof *sources);
    sources->room = LIST_BUFFER;
    sources->buffer = tool_grow(NULL, sources->room, 1);
    sources->names = names;
    sources->n_names = n;
    sources->list_name = files_from;
    sources->list = -1;
    if (files_from && strcmp(files_from, "-") == 0) {
        sources->list = STDIN_FILENO;
        sources->list_is_stdin = sources->stdin_used = true;
    } else if (files_from) {
        sources->list = open(files_from, O_RDONLY | O_CLOEXEC);
        if (sources->list < 0)
            sources->list_error = errno;
    }
    if (sources->list >= 0)
        sources->list_error = tool_unreadable(sources->list);
    struct stat st;
    if (sources->list >= 0 && fstat(sources->list, &st) == 0 &&
        S_ISREG(st.st_mode) && st.st_size > 0)
        sources->list_bytes = (size_t)st.st_size;
    return sources;
}

bool tool_sources_listed(const tool_sources *sources, const char *option)
{
    if (!sources->list_error)
        return true;
    tool_say("%s %s: cannot read: %s", option,
             tool_shown_name(sources->list_name).text,
             tool_errno(sources->list_error));
    return false;
}

static int compare_identities(const void *a, const void *b)
{
    const identity *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void forget_entered(tool_sources *sources)
{
    while (sources->entered) {
        identity *id = *(identity **)sources->entered;
        tdelete(id, &sources->entered, compare_identities);
        free(id);
    }
}

void tool_sources_close(tool_sources *sources)
{
    if (!sources)
        return;
    forget_entered(sources);
    for (size_t i = 0; i < sources->n_stack; i++)
        free(sources->stack[i].path);
    free(sources->stack);
    free(sources->operand);
    free(sources->buffer);
    if (sources->list >= 0 && !sources->list_is_stdin)
        close(sources->list);
    free(sources);
}

void tool_source_free(tool_source *source)
{
    free(source->name);
    source->name = NULL;
}

bool tool_sources_single(const tool_sources *sources)
{
    struct stat st;
    return sources->n_names == 1 && !sources->list_name &&
           (tool_is_url(sources->names[0]) ||
            tool_is_data_url(sources->names[0]) ||
            stat(sources->names[0], &st) != 0 || !S_ISDIR(st.st_mode));
}

/* ---- folders ----------------------------------------------------------- */

/* "a/b" before "a.b": a folder sorts as if its name ended in a slash, so that
 * the walk is in the order of the sorted paths. Reversed: a stack. */
static int compare_pending(const void *a, const void *b)
{
    const pending *x = a, *y = b;
    const unsigned char *s = (const unsigned char *)x->path;
    const unsigned char *t = (const unsigned char *)y->path;

    while (*s && *s == *t)
        s++, t++;
    int left = *s ? *s : x->folder ? '/' : 0;
    int right = *t ? *t : y->folder ? '/' : 0;
    return right - left;
}

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

static bool is_litter(const char *name)
{
    return name[0] == '.' ||
           find_name(name, litter, LENGTH(litter)) < LENGTH(litter);
}

static bool has_ending(const char *name)
{
    static const char *const endings[] = { "jpg",  "jpeg", "jpe",
                                           "jfif", "png",  "webp",
                                           "avif", "gif",  "bmp" };
    const char *dot = strrchr(name, '.');

    return dot &&
           find_name(dot + 1, endings, LENGTH(endings)) < LENGTH(endings);
}

static void count_other(tool_sources *sources, const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t i = dot ? find_name(dot + 1, other_endings, LENGTH(other_endings))
                   : LENGTH(other_endings);

    if (i < LENGTH(other_endings))
        sources->n_other[i]++;
}

void tool_sources_say_left_out(const tool_sources *sources)
{
    enum { SHOWN = 5 };
    char list[128] = "";
    size_t used = 0, n_total = 0, n_shown = 0;
    size_t left[LENGTH(other_endings)];

    memcpy(left, sources->n_other, sizeof left);
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

static bool begins_as_image(const char *path)
{
    unsigned char head[64]; /* with the brands of an AVIF */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return false;
    ssize_t n = read(fd, head, sizeof head);
    close(fd);
    return (n >= 3 && memcmp(head, "\xFF\xD8\xFF", 3) == 0) ||
           (n >= 8 && memcmp(head, "\x89PNG\r\n\x1A\n", 8) == 0) ||
           (n >= 12 && memcmp(head, "RIFF", 4) == 0 &&
            memcmp(head + 8, "WEBP", 4) == 0) ||
           (n >= 12 && begins_as_avif(head, (size_t)n)) ||
           (n >= 6 && (memcmp(head, "GIF87a", 6) == 0 ||
                       memcmp(head, "GIF89a", 6) == 0)) ||
           (n >= 26 && memcmp(head, "BM", 2) == 0 &&
            memcmp(head + 6, "\0\0\0\0", 4) == 0 && head[14] >= 12 &&
            memcmp(head + 15, "\0\0\0", 3) == 0);
}

/* Puts the folder's files and folders on the stack. false: see errno. */
static bool enter_folder(tool_sources *sources, const char *path)
{
    struct stat st;
    DIR *folder = opendir(path);
    size_t first = sources->n_stack;

    if (!folder)
        return false;
    if (fstat(dirfd(folder), &st) == 0) {
        identity *id = tool_grow(NULL, 1, sizeof *id);
        id->device = st.st_dev;
        id->inode = st.st_ino;
        void *node = tsearch(id, &sources->entered, compare_identities);
        if (!node || *(identity **)node != id) {
            free(id); /* entered before: a loop, or a second way to it */
            closedir(folder);
            return true;
        }
    }
    for (;;) {
        errno = 0;
        const struct dirent *item = readdir(folder);
        if (!item)
            break;
        if (is_litter(item->d_name))
            continue;
        size_t n = strlen(path);
        char *below = tool_format("%s%s%s", path,
                                  n && path[n - 1] == '/' ? "" : "/",
                                  item->d_name);
        bool known = stat(below, &st) == 0;
        bool is_folder = known && S_ISDIR(st.st_mode);
        /* A dangling link named as an image is an error worth telling. */
        if (!is_folder && !has_ending(item->d_name) &&
            !(known && S_ISREG(st.st_mode) && begins_as_image(below))) {
            if (known && S_ISREG(st.st_mode))
                count_other(sources, item->d_name);
            free(below);
            continue;
        }
        if (sources->n_stack == sources->stack_room) {
            sources->stack_room = sources->stack_room ? 2 * sources->stack_room
                                                      : 64;
            sources->stack = tool_grow(sources->stack, sources->stack_room,
                                       sizeof *sources->stack);
        }
        sources->stack[sources->n_stack].path = below;
        sources->stack[sources->n_stack++].folder = is_folder;
    }
    int error = errno;
    closedir(folder);
    if (sources->n_stack > first)
        qsort(sources->stack + first, sources->n_stack - first,
              sizeof *sources->stack, compare_pending);
    errno = error;
    return error == 0;
}

/* ---- lists ------------------------------------------------------------- */

static bool list_ready(tool_sources *sources)
{
    struct pollfd poll_list = { .fd = sources->list, .events = POLLIN };
    return poll(&poll_list, 1, 0) != 0;
}

/* Reads more of the list behind the unused bytes; false: nothing came. */
static bool fill_buffer(tool_sources *sources)
{
    if (sources->begin > 0) {
        memmove(sources->buffer, sources->buffer + sources->begin,
                sources->end - sources->begin);
        sources->end -= sources->begin;
        sources->begin = 0;
    }
    if (sources->list_ended || sources->end == sources->room)
        return false;
    ssize_t got;
    do
        got = read(sources->list, sources->buffer + sources->end,
                   sources->room - sources->end);
    while (got < 0 && errno == EINTR && !tool_interrupted());
    if (got < 0)
        sources->list_error = errno;
    if (got <= 0) {
        sources->list_ended = true;
        return false;
    }
    sources->end += (size_t)got;
    if (!sources->list_begun) {
        /* No name has a NUL: the list is from `find -print0`. */
        sources->list_begun = true;
        sources->separator = memchr(sources->buffer, '\0', sources->end)
                                 ? '\0'
                                 : '\n';
        if (sources->end >= 3 &&
            memcmp(sources->buffer, "\xEF\xBB\xBF", 3) == 0)
            sources->begin = 3;
    }
    return true;
}

static void fail_source(tool_source *source, clipc_status status,
                        const char *format, const char *detail)
{
    source->status = status;
    snprintf(source->message, MESSAGE, format, detail);
}

/* Makes the buffer larger for a data: URL that fills it. false: it does not,
 * or has the most there may be. */
static bool make_room(tool_sources *sources, size_t n)
{
    const char *line = sources->buffer + sources->begin;

    if (n < sources->room || sources->room >= MAX_DATA_URL ||
        strncasecmp(line, "data:", 5) != 0)
        return false;
    sources->room *= 2;
    sources->buffer = tool_grow(sources->buffer, sources->room, 1);
    return true;
}

/* The next name of the list, malloc'ed, or NULL at its end. A name that is
 * too long or has a NUL, and a list that cannot be read, become a failure in
 * `source`. */
static char *next_listed(tool_sources *sources, tool_source *source)
{
    for (;;) {
        const char *line = sources->buffer + sources->begin;
        size_t n = sources->end - sources->begin;
        const char *end = n ? memchr(line + sources->searched,
                                     sources->separator, n - sources->searched)
                            : NULL;
        sources->searched = end ? 0 : n;
        if (!end && !sources->list_ended && make_room(sources, n))
            continue;
        bool whole = end || sources->list_ended || n == sources->room;

        if (!whole || (!end && n == 0)) {
            if (fill_buffer(sources) || sources->begin < sources->end)
                continue;
            if (!sources->list_error)
                return NULL;
            fail_source(source, CLIPC_ERR_IO, "cannot read the list: %s",
                        tool_errno(sources->list_error));
            sources->list_error = 0;
            return tool_format("%s", sources->list_name);
        }
        size_t len = end ? (size_t)(end - line) : n;
        sources->begin += len + (end != NULL);
        sources->list_used += len + (end != NULL);
        if (!end && !sources->list_ended) {
            snprintf(source->message, MESSAGE,
                     "a name in the list has more than the limit of %zu bytes",
                     sources->room);
            source->status = CLIPC_ERR_LIMIT;
            sources->list_ended = true; /* what follows is its middle */
            sources->begin = sources->end = sources->searched = 0;
            return tool_format("%.64s...", line);
        }
        if (sources->separator == '\n' && len > 0 && line[len - 1] == '\r')
            len--;
        if (len == 0)
            continue;
        sources->n_listed++;
        if (memchr(line, '\0', len)) {
            snprintf(source->message, MESSAGE, "the name contains a NUL");
            source->status = CLIPC_ERR_ARGUMENT;
        }
        return tool_format("%.*s", (int)len, line);
    }
}

bool tool_sources_would_wait(tool_sources *sources)
{
    if (sources->list < 0 || sources->n_stack > 0 ||
        sources->next_name < sources->n_names || sources->list_ended)
        return false;
    size_t n = sources->end - sources->begin;
    if (n && memchr(sources->buffer + sources->begin, sources->separator, n))
        return false;
    return !list_ready(sources);
}

/* Names still in the list are as long as those before; folders that were not
 * entered yet count as one. */
bool tool_sources_rest(const tool_sources *sources, size_t *n)
{
    *n = sources->n_names - sources->next_name + sources->n_stack;
    if (!sources->list_name || sources->list_ended)
        return true;
    if (sources->list_bytes == 0)
        return false;
    size_t left = sources->list_bytes > sources->list_used
                      ? sources->list_bytes - sources->list_used
                      : 0;
    double bytes = sources->n_listed
                       ? (double)sources->list_used / (double)sources->n_listed
                       : 64;
    *n += (size_t)((double)left / bytes + 0.5);
    return true;
}

/* ---- one after another ------------------------------------------------- */

/* The next image below the folder being walked; false: there is none left. */
static bool next_below(tool_sources *sources, tool_source *source)
{
    while (sources->n_stack > 0) {
        pending top = sources->stack[--sources->n_stack];
        source->name = top.path;
        source->listed = sources->from_list;
        sources->n_found++;
        if (!top.folder)
            return true;
        if (!enter_folder(sources, top.path)) {
            fail_source(source, CLIPC_ERR_IO, "cannot read the folder: %s",
                        tool_errno(errno));
            return true;
        }
        sources->n_found--;
        tool_source_free(source);
    }
    bool empty = sources->operand && sources->n_found == 0;
    if (empty) {
        source->name = sources->operand;
        source->listed = sources->from_list;
        fail_source(source, CLIPC_ERR_NOT_FOUND, "%s",
                    "no pictures in this folder");
    } else {
        free(sources->operand);
    }
    sources->operand = NULL;
    forget_entered(sources);
    return empty;
}

bool tool_sources_next(tool_sources *sources, tool_source *source)
{
    struct stat st;

    for (;;) {
        memset(source, 0, sizeof *source);
        if (tool_interrupted())
            return false;
        if (sources->operand) {
            if (next_below(sources, source))
                return true;
            continue;
        }
        if (sources->next_name < sources->n_names) {
            source->name = tool_format("%s",
                                       sources->names[sources->next_name++]);
        } else if (sources->list_name) {
            source->name = next_listed(sources, source);
            source->listed = true;
        }
        if (!source->name)
            return false;
        if (source->status != CLIPC_OK || tool_is_url(source->name) ||
            tool_is_data_url(source->name))
            return true;
        if (strcmp(source->name, "-") == 0) {
            if (sources->stdin_used)
                fail_source(source, CLIPC_ERR_ARGUMENT, "%s",
                            "standard input is used already");
            sources->stdin_used = true;
            return true;
        }
        if (stat(source->name, &st) != 0 || !S_ISDIR(st.st_mode))
            return true;
        if (!enter_folder(sources, source->name)) {
            fail_source(source, CLIPC_ERR_IO, "cannot read the folder: %s",
                        tool_errno(errno));
            return true;
        }
        sources->operand = source->name;
        sources->from_list = source->listed;
        sources->n_found = 0;
    }
}

/* ---- reading ----------------------------------------------------------- */

static clipc_status fail(clipc_error *err, clipc_status status,
                         const char *message)
{
    err->code = status;
    err->offset = -1;
    snprintf(err->message, sizeof err->message, "%s", message);
    return status;
}

static clipc_status read_stdin(clipc_image **image,
                               const clipc_image_params *params,
                               clipc_error *err)
{
    static const char unnamed[] = "(memory)"; /* the library's word for it */
    char message[MESSAGE], *data;
    size_t n, most = params->max_bytes ? params->max_bytes : DEFAULT_BYTES;
    clipc_status status = tool_read_all(STDIN_FILENO, most, &data, &n,
                                        message);

    if (status != CLIPC_OK)
        return fail(err, status, message);
    status = clipc_image_read_memory(image, data, n, params, err);
    free(data);
    if (status != CLIPC_OK &&
        strncmp(err->message, unnamed, sizeof unnamed - 1) == 0) {
        snprintf(message, sizeof message, "-%s",
                 err->message + sizeof unnamed - 1);
        return fail(err, status, message);
    }
    return status;
}

clipc_status tool_source_read(clipc_image **image, const tool_source *source,
                              const tool_read_params *params, clipc_error *err)
{
    clipc_image_params image_params = params->image;

    *image = NULL;
    if (params->max_bytes)
        image_params.max_bytes = params->max_bytes;
    if (strcmp(source->name, "-") == 0)
        return read_stdin(image, &image_params, err);
    if (tool_is_data_url(source->name))
        return clipc_image_read_url(image, source->name, &image_params, err);
    if (!tool_is_url(source->name))
        return clipc_image_read_file(image, source->name, &image_params, err);
    if (params->offline)
        return fail(err, CLIPC_ERR_NETWORK, "not fetched: --offline");
    /* The user may name any host; a list is data and may not name a private
     * one. */
    image_params.private_hosts = source->listed ? CLIPC_PRIVATE_DENY
                                                : CLIPC_PRIVATE_FIRST_HOP;
    clipc_status status = clipc_image_read_url(image, source->name,
                                               &image_params, err);
    if (status == CLIPC_ERR_URL_BLOCKED && source->listed)
        return fail(err, status,
                    "a private, loopback or reserved address, which a URL in "
                    "a list may not lead to; name it on the command line");
    return status;
}
