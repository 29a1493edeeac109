/* SPDX-License-Identifier: MIT
 *
 * sources.c - see sources.h. A folder gives the files whose name has an
 * image's ending or whose first bytes are those of a format that is read, and
 * the members of its tars, sorted by the bytes of their paths. A tar gives its
 * members by the same rule, in its own order. Thumbnails and other litter are
 * left out, pictures of other formats are counted. Links are followed, but not
 * in a tar; no folder is entered twice, so that a loop ends.
 */
#include "pictures/sources.h"

#include "common/lines.h"
#include "pictures/kinds.h"
#include "pictures/tar.h"

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

/* Of standard input, as of a file. */
#define DEFAULT_BYTES ((size_t)64 << 20)

/* A path below a folder, waiting for its turn. */
typedef struct pending {
    char *path;
    bool folder, tar;
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
    size_t n_folders; /* on the stack */
    void *entered;    /* tree of identities of the operand's folders */
    char *operand;    /* the folder being walked, or NULL */
    bool from_list;   /* where it was named */
    size_t n_found;   /* images in it so far */

    tool_tar *tar; /* the tar being read, or NULL */
    int tar_fd;
    char *tar_name;
    bool tar_listed;  /* where it was named */
    bool tar_operand; /* named, not found in a folder */
    size_t n_members; /* pictures in it so far */

    tool_tars tars;
    bool tars_seen;
    bool stdin_used;
    tool_left_out left_out;
};

tool_sources *tool_sources_open(const char *const *names, size_t n,
                                const char *files_from, tool_tars tars)
{
    tool_sources *sources = tool_grow(NULL, 1, sizeof *sources);

    memset(sources, 0, sizeof *sources);
    sources->room = LIST_BUFFER;
    sources->buffer = tool_grow(NULL, sources->room, 1);
    sources->names = names;
    sources->n_names = n;
    sources->tars = tars;
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

static void close_tar(tool_sources *sources)
{
    if (!sources->tar)
        return;
    tool_tar_free(sources->tar);
    if (sources->tar_fd != STDIN_FILENO)
        close(sources->tar_fd);
    free(sources->tar_name);
    sources->tar = NULL;
    sources->tar_name = NULL;
}

void tool_sources_close(tool_sources *sources)
{
    if (!sources)
        return;
    close_tar(sources);
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

void tool_source_unload(tool_source *source)
{
    free(source->data);
    source->data = NULL;
}

void tool_source_free(tool_source *source)
{
    tool_source_unload(source);
    free(source->name);
    source->name = NULL;
}

void tool_sources_say_left_out(const tool_sources *sources)
{
    tool_left_out_say(&sources->left_out);
}

/* Whether an operand or name of the list that is no folder is a tar. */
static bool is_tar(const tool_sources *sources, const char *name)
{
    return sources->tars == TOOL_TARS_ALL ||
           (sources->tars == TOOL_TARS_BY_NAME && tool_ends_as_tar(name));
}

bool tool_sources_single(const tool_sources *sources)
{
    struct stat st;
    return sources->n_names == 1 && !sources->list_name &&
           !is_tar(sources, sources->names[0]) &&
           (tool_is_url(sources->names[0]) ||
            tool_is_data_url(sources->names[0]) ||
            stat(sources->names[0], &st) != 0 || !S_ISDIR(st.st_mode));
}

static void fail_source(tool_source *source, clipc_status status,
                        const char *format, const char *detail)
{
    source->status = status;
    snprintf(source->message, MESSAGE, format, detail);
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

static bool begins_as_image(const char *path)
{
    unsigned char head[TOOL_IMAGE_HEAD];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return false;
    ssize_t n = read(fd, head, sizeof head);
    close(fd);
    return n > 0 && tool_begins_as_image(head, (size_t)n);
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
        if (tool_is_litter(item->d_name))
            continue;
        size_t n = strlen(path);
        char *below = tool_format("%s%s%s", path,
                                  n && path[n - 1] == '/' ? "" : "/",
                                  item->d_name);
        bool known = stat(below, &st) == 0;
        bool is_folder = known && S_ISDIR(st.st_mode);
        bool is_file = known && S_ISREG(st.st_mode);
        bool tar = is_file && sources->tars != TOOL_TARS_NONE &&
                   tool_ends_as_tar(item->d_name);
        /* A dangling link named as an image is an error worth telling. */
        if (!is_folder && !tar && !tool_ends_as_image(item->d_name) &&
            !(is_file && begins_as_image(below))) {
            if (is_file)
                (void)tool_left_out_add(&sources->left_out, item->d_name);
            free(below);
            continue;
        }
        if (sources->n_stack == sources->stack_room) {
            sources->stack_room = sources->stack_room ? 2 * sources->stack_room
                                                      : 64;
            sources->stack = tool_grow(sources->stack, sources->stack_room,
                                       sizeof *sources->stack);
        }
        sources->stack[sources->n_stack++] =
            (pending){ .path = below, .folder = is_folder, .tar = tar };
        sources->n_folders += is_folder;
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

/* Reads more of the list into the buffer, which has room; false: nothing
 * came. */
static bool read_list(tool_sources *sources)
{
    ssize_t got;

    do
        got = read(sources->list, sources->buffer + sources->end,
                   sources->room - sources->end);
    while (got < 0 && errno == EINTR && !tool_interrupted());
    if (got < 0)
        sources->list_error = errno;
    if (got > 0)
        sources->end += (size_t)got;
    else
        sources->list_ended = true;
    return got > 0;
}

/* Whether the buffer has the end of a name. */
static bool has_separator(const tool_sources *sources)
{
    return memchr(sources->buffer, '\n', sources->end) ||
           memchr(sources->buffer, '\0', sources->end);
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
    if (!read_list(sources))
        return false;
    if (!sources->list_begun) {
        sources->list_begun = true;
        while (!has_separator(sources) && sources->end < sources->room &&
               read_list(sources))
            continue;
        /* No name has a NUL: the list is from `find -print0`. */
        sources->separator = memchr(sources->buffer, '\0', sources->end)
                                 ? '\0'
                                 : '\n';
        if (sources->end >= 3 &&
            memcmp(sources->buffer, "\xEF\xBB\xBF", 3) == 0)
            sources->begin = 3;
    }
    return true;
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
    if (sources->tar)
        return tool_tar_would_wait(sources->tar);
    if (sources->list < 0 || sources->n_stack > 0 ||
        sources->next_name < sources->n_names || sources->list_ended)
        return false;
    size_t n = sources->end - sources->begin;
    if (n && memchr(sources->buffer + sources->begin, sources->separator, n))
        return false;
    return !list_ready(sources);
}

/* Of the tar that is read, members and what lies between them are as long as
 * those before. Of tars that were not opened nothing is known. */
static bool members_left(const tool_sources *sources, size_t *n)
{
    uint64_t total, at = sources->tar ? tool_tar_at(sources->tar, &total) : 0;

    if (!sources->tar || *n > 0 || sources->list_name || total == 0 ||
        sources->n_members == 0)
        return false;
    *n = (size_t)((double)(total - at) / (double)at *
                      (double)sources->n_members +
                  0.5);
    return true;
}

/* Names still in the list are as long as those before; nobody knows how much is
 * in folders that were not entered yet. */
bool tool_sources_rest(const tool_sources *sources, size_t *n)
{
    *n = sources->n_names - sources->next_name + sources->n_stack;
    if (sources->n_folders > 0)
        return false;
    if (sources->tars_seen)
        return members_left(sources, n);
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

/* ---- tars -------------------------------------------------------------- */

/* Begins to read the tar of the source, which is left empty; true: it failed,
 * and the source says so. */
static bool open_tar(tool_sources *sources, tool_source *source, bool operand)
{
    const bool input = strcmp(source->name, "-") == 0;
    const int fd = input ? STDIN_FILENO
                         : open(source->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    const int error = fd < 0 ? errno : tool_unreadable(fd);

    sources->tars_seen = true;
    if (error) {
        fail_source(source,
                    error == ENOENT ? CLIPC_ERR_NOT_FOUND : CLIPC_ERR_IO,
                    "cannot open the tar: %s", tool_errno(error));
        if (fd >= 0 && !input)
            close(fd);
        return true;
    }
    sources->tar = tool_tar_new(fd);
    sources->tar_fd = fd;
    sources->tar_name = source->name;
    sources->tar_listed = source->listed;
    sources->tar_operand = operand;
    sources->n_members = 0;
    source->name = NULL;
    return false;
}

/* Ends the reading of the tar, which gives a source of its own name: it
 * failed. */
static void fail_tar(tool_sources *sources, tool_source *source,
                     clipc_status status, const char *message)
{
    source->name = tool_format("%s", sources->tar_name);
    source->listed = sources->tar_listed;
    sources->n_found++;
    fail_source(source, status, "%s", message);
    close_tar(sources);
}

/* Whether the tar's member is a picture; others are counted. */
static bool is_picture(tool_sources *sources, const tool_tar_member *member)
{
    size_t n;

    if (tool_is_litter_path(member->name))
        return false;
    if (tool_ends_as_image(member->name))
        return true;
    if (member->kind == TOOL_TAR_FILE) {
        const unsigned char *head = tool_tar_head(sources->tar,
                                                  TOOL_IMAGE_HEAD, &n);
        if (tool_begins_as_image(head, n))
            return true;
    }
    if (!tool_left_out_add(&sources->left_out, member->name))
        sources->left_out.n_members++;
    return false;
}

/* The next picture in the tar; false: there is none left. */
static bool next_member(tool_sources *sources, tool_source *source)
{
    static const char *const why[] = {
        [TOOL_TAR_LINK] = "a link in a tar is not followed",
        [TOOL_TAR_SPARSE] = "a sparse file in a tar is not read",
        [TOOL_TAR_OTHER] = "not a file that lies in one piece in the tar",
    };
    tool_tar_member member;
    char message[MESSAGE];

    do {
        clipc_status status = tool_tar_next(sources->tar, &member, message);
        if (status != CLIPC_OK) {
            fail_tar(sources, source, status, message);
            return true;
        }
    } while (member.name && !tool_interrupted() &&
             !is_picture(sources, &member));
    if (!member.name && sources->tar_operand && sources->n_members == 0) {
        fail_tar(sources, source, CLIPC_ERR_NOT_FOUND,
                 "no pictures in this tar");
        return true;
    }
    if (!member.name || tool_interrupted()) {
        close_tar(sources);
        return false;
    }
    sources->n_members++;
    sources->n_found++;
    source->name = tool_format("%s/%s", sources->tar_name, member.name);
    source->listed = sources->tar_listed;
    source->member = strlen(sources->tar_name) + 1;
    source->bytes = member.bytes;
    if (member.kind != TOOL_TAR_FILE)
        fail_source(source, CLIPC_ERR_UNSUPPORTED, "%s", why[member.kind]);
    return true;
}

void tool_sources_load(tool_sources *sources, tool_source *source,
                       size_t max_bytes)
{
    char message[MESSAGE];
    size_t n;

    if (source->member == 0 || source->status != CLIPC_OK)
        return;
    clipc_status status = tool_tar_read(sources->tar,
                                        max_bytes ? max_bytes : DEFAULT_BYTES,
                                        &source->data, &n, message);
    if (status == CLIPC_OK)
        return;
    fail_source(source, status, "%s", message);
    /* Nothing follows what is cut off. */
    if (status != CLIPC_ERR_LIMIT)
        close_tar(sources);
}

clipc_text tool_source_key(const tool_source *source)
{
    const char *key = source->name + source->member;
    const char *base = source->member ? strrchr(key, '/') : NULL;

    if (source->member == 0)
        return clipc_text_from("");
    base = base ? base + 1 : key;
    return (clipc_text){ key, (size_t)(base - key) + strcspn(base, ".") };
}

/* ---- one after another ------------------------------------------------- */

/* The next image below the folder being walked; false: there is none left. */
static bool next_below(tool_sources *sources, tool_source *source)
{
    while (sources->n_stack > 0) {
        pending top = sources->stack[--sources->n_stack];
        sources->n_folders -= top.folder;
        source->name = top.path;
        source->listed = sources->from_list;
        if (top.tar && !open_tar(sources, source, false))
            return next_member(sources, source);
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
        if (sources->tar) {
            if (next_member(sources, source))
                return true;
            continue;
        }
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
        if (source->status != CLIPC_OK)
            return true;
        if (tool_is_url(source->name) || tool_is_data_url(source->name)) {
            if (sources->tars == TOOL_TARS_ALL)
                fail_source(source, CLIPC_ERR_UNSUPPORTED, "%s",
                            "a tar is read from a file or from standard "
                            "input, not from a URL");
            return true;
        }
        if (strcmp(source->name, "-") == 0) {
            if (sources->stdin_used) {
                fail_source(source, CLIPC_ERR_ARGUMENT, "%s",
                            "standard input is used already");
                return true;
            }
            sources->stdin_used = true;
            if (sources->tars != TOOL_TARS_ALL ||
                open_tar(sources, source, true))
                return true;
            continue;
        }
        if (stat(source->name, &st) != 0 || !S_ISDIR(st.st_mode)) {
            if (!is_tar(sources, source->name) ||
                open_tar(sources, source, true))
                return true;
            continue;
        }
        if (!enter_folder(sources, source->name)) {
            fail_source(source, CLIPC_ERR_IO, "cannot read the folder: %s",
                        tool_errno(errno));
            if (sources->n_stack > 0) { /* what was read of it comes next */
                sources->operand = tool_format("%s", source->name);
                sources->from_list = source->listed;
                sources->n_found = 1;
            } else {
                forget_entered(sources);
            }
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

/* Reads bytes; a message begins with the name. */
static clipc_status read_bytes(clipc_image **image, const char *name,
                               const char *data, size_t n,
                               const clipc_image_params *params,
                               clipc_error *err)
{
    static const char unnamed[] = "(memory)"; /* the library's word for it */
    char message[MESSAGE];
    clipc_status status = clipc_image_read_memory(image, data, n, params, err);

    if (status != CLIPC_OK &&
        strncmp(err->message, unnamed, sizeof unnamed - 1) == 0) {
        const char *rest = err->message + sizeof unnamed - 1;
        const int room = (int)(sizeof message - 1 - strlen(rest));
        snprintf(message, sizeof message, "%.*s%s", room,
                 tool_shown_name(name).text, rest);
        return fail(err, status, message);
    }
    return status;
}

static clipc_status read_stdin(clipc_image **image,
                               const clipc_image_params *params,
                               clipc_error *err)
{
    char message[MESSAGE], *data;
    size_t n, most = params->max_bytes ? params->max_bytes : DEFAULT_BYTES;
    clipc_status status = tool_read_all(STDIN_FILENO, most, &data, &n,
                                        message);

    if (status != CLIPC_OK)
        return fail(err, status, message);
    status = read_bytes(image, "-", data, n, params, err);
    free(data);
    return status;
}

clipc_status tool_source_read(clipc_image **image, const tool_source *source,
                              const tool_read_params *params, clipc_error *err)
{
    clipc_image_params image_params = params->image;

    *image = NULL;
    if (params->max_bytes)
        image_params.max_bytes = params->max_bytes;
    if (source->member)
        return read_bytes(image, source->name, source->data,
                          (size_t)source->bytes, &image_params, err);
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
