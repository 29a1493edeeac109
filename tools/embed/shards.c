/* SPDX-License-Identifier: MIT
 *
 * shards.c - see shards.h. The header of an array comes first and has the
 * number of rows in it: its place is left free and filled in at the end.
 *
 * Two runs must not write the same shard: the array's temporary file is locked
 * until it has its name.
 */
#include "embed/shards.h"

#include "common/json.h"
#include "common/lines.h"
#include "common/npy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGE = 256, MAX_DIGITS = 9 };

enum { ARRAY, INDEX }; /* the files of a shard */

struct tool_shards {
    tool_shards_params params;
    char *folder;                    /* of the prefix */
    const char *base;                /* the prefix in it */
    unsigned long number;            /* of the current or next shard */
    size_t n_rows;                   /* in it */
    off_t index_bytes;               /* of its records */
    char *names[2], *temporaries[2]; /* of its array and index, or NULL */
    int fds[2];                      /* the temporaries, or -1 */
    unsigned char *row;
};

/* ---- numbers ----------------------------------------------------------- */

uint16_t tool_half(float value)
{
    uint32_t x;

    memcpy(&x, &value, sizeof x);
    uint16_t sign = (uint16_t)(x >> 16 & 0x8000);
    x &= 0x7FFFFFFF;
    if (x > 0x7F800000)
        return sign | 0x7E00; /* NaN */
    if (x >= 0x477FF000)
        return sign | 0x7C00; /* 65520 and more */
    if (x >= 0x38800000)      /* 2^-14: normal */
        return (uint16_t)(sign |
                          (x - 0x38000000 + 0xFFF + (x >> 13 & 1)) >> 13);
    if (x <= 0x33000000) /* 2^-25 */
        return sign;
    uint32_t mantissa = (x & 0x7FFFFF) | 0x800000, shift = 126 - (x >> 23);
    uint32_t whole = mantissa >> shift, rest = mantissa & ((1u << shift) - 1);
    uint32_t tie = 1u << (shift - 1);
    return (uint16_t)(sign |
                      (whole + (rest > tie || (rest == tie && whole & 1))));
}

/* ---- names ------------------------------------------------------------- */

static char *name_of(const tool_shards *s, unsigned long number,
                     const char *ending)
{
    return tool_format("%s-%05lu%s", s->params.prefix, number, ending);
}

static bool is_there(const tool_shards *s, unsigned long number)
{
    char *array = name_of(s, number, ".npy");
    char *index = name_of(s, number, ".jsonl");
    bool there = access(array, F_OK) == 0 && access(index, F_OK) == 0;
    free(array);
    free(index);
    return there;
}

static bool fail(char message[256], const char *path, const char *what,
                 int error)
{
    snprintf(message, MESSAGE, "%s: cannot %s: %s", tool_shown_name(path).text,
             what, tool_errno(error));
    return false;
}

/* Finds the number after the last shard that is there. */
static bool find_number(tool_shards *s, char message[256])
{
    DIR *folder = opendir(s->folder);
    size_t n = strlen(s->base);

    if (!folder)
        return fail(message, s->folder, "open the folder", errno);
    for (;;) {
        errno = 0;
        const struct dirent *item = readdir(folder);
        if (!item)
            break;
        const char *digits = item->d_name + n + 1;
        if (strncmp(item->d_name, s->base, n) != 0 || item->d_name[n] != '-')
            continue;
        size_t n_digits = strspn(digits, "0123456789");
        unsigned long number = strtoul(digits, NULL, 10);
        if (n_digits >= 5 && n_digits <= MAX_DIGITS &&
            strcmp(digits + n_digits, ".npy") == 0 && number >= s->number &&
            is_there(s, number))
            s->number = number + 1;
    }
    int error = errno;
    closedir(folder);
    return error == 0 || fail(message, s->folder, "read the folder", error);
}

/* ---- arrays ------------------------------------------------------------ */

static size_t row_bytes(const tool_shards *s)
{
    return s->params.dim * (s->params.half ? 2 : 4);
}

static void make_header(const tool_shards *s, size_t n_rows,
                        char header[TOOL_NPY_HEADER])
{
    tool_array array = { .descr = s->params.half ? "<f2" : "<f4",
                         .element_bytes = s->params.half ? 2 : 4,
                         .rank = 2,
                         .shape = { n_rows, s->params.dim } };
    (void)tool_npy_header(header, &array);
}

/* Whether an existing array has the type and width of the new rows. */
static bool check_array(const tool_shards *s, unsigned long number,
                        char message[256])
{
    char header[TOOL_NPY_HEADER], found[TOOL_NPY_ROWS_AT];
    struct stat st;
    char *path = name_of(s, number, ".npy");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fstat(fd, &st) == 0 &&
                read(fd, found, sizeof found) == (ssize_t)sizeof found;

    if (good) {
        size_t rows = st.st_size < TOOL_NPY_ROWS_AT
                          ? 0
                          : (size_t)(st.st_size - TOOL_NPY_ROWS_AT) /
                                row_bytes(s);
        make_header(s, rows, header);
        good = memcmp(header, found, sizeof found) == 0;
    }
    if (fd >= 0)
        close(fd);
    if (!good)
        snprintf(message, MESSAGE,
                 "%s: not an array of %s with %zu columns; choose another "
                 "-o PREFIX",
                 tool_shown_name(path).text,
                 s->params.half ? "float16" : "float32", s->params.dim);
    free(path);
    return good;
}

/* ---- indexes ----------------------------------------------------------- */

/* The word "decode" of the first record, "" of a text's, or NULL: there is no
 * record. Records of before the choice have no such member. */
static char *read_decode(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL, *word = NULL;
    size_t room = 0;
    const size_t n = file ? tool_record_read(&line, &room, file) : 0;
    json_t *record = n > 0 && line[n - 1] == '\n'
                         ? tool_json_parse(line, n, JSON_ALLOW_NUL, NULL)
                         : NULL;

    if (json_is_object(record)) {
        const char *found = json_string_value(
            json_object_get(record, "decode"));
        const bool of_text = json_object_get(record, "text") != NULL;
        word = tool_format("%s", of_text ? "" : found ? found : "exact");
    }
    json_decref(record);
    free(line);
    if (file)
        fclose(file);
    return word;
}

/* Whether an existing shard is of pictures that were decoded as the new ones,
 * or, like the new ones, of texts. */
static bool check_decode(const tool_shards *s, unsigned long number,
                         char message[256])
{
    const char *wanted = s->params.decode ? s->params.decode : "";
    char *path = name_of(s, number, ".jsonl");
    char *word = read_decode(path);
    bool good = word && strcmp(word, wanted) == 0;

    if (!good && word && (!word[0] || !wanted[0]))
        snprintf(message, MESSAGE,
                 "%s: its vectors are of %s; choose another -o PREFIX",
                 tool_shown_name(path).text,
                 word[0] ? "pictures, not of texts"
                         : "texts, not of pictures");
    else if (!good && !word)
        snprintf(message, MESSAGE,
                 "%s: line 1 is not a record; choose another -o PREFIX",
                 tool_shown_name(path).text);
    else if (!good)
        snprintf(
            message, MESSAGE,
            "%.130s: its pictures were read with --decode %.16s; go on with "
            "that, or choose another -o PREFIX",
            tool_shown_name(path).text, word);
    free(word);
    free(path);
    return good;
}

/* ---- one shard --------------------------------------------------------- */

/* Opens a temporary file, alone; -1: `message` says why. */
static int open_temporary(const char *path, char message[256])
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct stat named, opened;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                  0666);

    if (fd < 0) {
        fail(message, path, "write", errno);
        return -1;
    }
    /* Another run may have renamed the file meanwhile. */
    bool busy = fcntl(fd, F_SETLK, &lock) != 0 &&
                (errno == EACCES || errno == EAGAIN);
    if (busy || lstat(path, &named) != 0 || fstat(fd, &opened) != 0 ||
        named.st_ino != opened.st_ino) {
        snprintf(message, MESSAGE, "%s: another run is writing it",
                 tool_shown_name(path).text);
        close(fd);
        return -1;
    }
    const bool ours = S_ISREG(opened.st_mode) && opened.st_nlink == 1;
    if (ours && ftruncate(fd, 0) == 0)
        return fd;
    if (ours)
        fail(message, path, "write", errno);
    else
        snprintf(
            message, MESSAGE,
            "%s: a link, or no regular file, where a temporary file is to be",
            tool_shown_name(path).text);
    close(fd);
    return -1;
}

static bool is_open(const tool_shards *s)
{
    return s->fds[ARRAY] >= 0 && s->fds[INDEX] >= 0;
}

static void drop_shard(tool_shards *s)
{
    /* Unlinked while the lock is held. */
    for (int i = 0; i < 2; i++)
        if (s->temporaries[i] && s->fds[i] >= 0)
            (void)unlink(s->temporaries[i]);
    for (int i = 0; i < 2; i++) {
        if (s->fds[i] >= 0)
            close(s->fds[i]);
        s->fds[i] = -1;
        free(s->names[i]);
        free(s->temporaries[i]);
        s->names[i] = s->temporaries[i] = NULL;
    }
}

/* Whether the files of the shard would replace the list that is being read. */
static bool is_input(const tool_shards *s)
{
    const char *const paths[] = { s->names[ARRAY], s->names[INDEX],
                                  s->temporaries[ARRAY],
                                  s->temporaries[INDEX] };
    struct stat input, st;

    if (!s->params.input || stat(s->params.input, &input) != 0)
        return false;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (stat(paths[i], &st) == 0 && st.st_dev == input.st_dev &&
            st.st_ino == input.st_ino)
            return true;
    return false;
}

static bool has_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

/* Whether a file is in the way that no run of clipc-embed has left: a run that
 * is killed between the two renames leaves an array without its index, and the
 * index's temporary file. */
static bool is_in_the_way(const tool_shards *s, char message[256])
{
    const bool array = has_bytes(s->names[ARRAY]);
    const bool index = has_bytes(s->names[INDEX]);

    if ((!array && !index) ||
        (!index && s->params.append && has_bytes(s->temporaries[INDEX])))
        return false;
    snprintf(
        message, MESSAGE,
        "%.150s: it is there, and not from a run that is to go on; move it "
        "away, or choose another -o PREFIX",
        tool_shown_name(s->names[array ? ARRAY : INDEX]).text);
    return true;
}

static bool open_shard(tool_shards *s, char message[256])
{
    static const char *const endings[] = { ".npy", ".jsonl" };
    char zeros[TOOL_NPY_ROWS_AT] = { 0 };

    for (int i = 0; i < 2; i++) {
        s->names[i] = name_of(s, s->number, endings[i]);
        s->temporaries[i] = tool_format("%s.tmp", s->names[i]);
    }
    s->n_rows = 0;
    s->index_bytes = 0;
    if (is_input(s)) {
        snprintf(message, MESSAGE,
                 "%s: a shard would replace this list; choose another -o "
                 "PREFIX",
                 tool_shown_name(s->params.input).text);
        drop_shard(s);
        return false;
    }
    if (is_in_the_way(s, message)) {
        drop_shard(s);
        return false;
    }
    for (int i = 0; i < 2 && (i == 0 || s->fds[0] >= 0); i++)
        s->fds[i] = open_temporary(s->temporaries[i], message);
    /* Looked at under both locks: another run that renames its files, first
     * one, then the other, holds them until both have their names. */
    if (is_open(s) && is_there(s, s->number))
        snprintf(message, MESSAGE, "%s: another run has written it",
                 tool_shown_name(s->names[ARRAY]).text);
    else if (is_open(s) && tool_write_all(s->fds[ARRAY], zeros, sizeof zeros))
        return true;
    else if (is_open(s))
        fail(message, s->names[ARRAY], "write", errno);
    drop_shard(s);
    return false;
}

/* A rename is on the disk after fsync() of the folder. */
static void flush_folder(const tool_shards *s)
{
    int fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd); /* some file systems cannot, and need not */
    close(fd);
}

static bool finish_shard(tool_shards *s, char message[256])
{
    char header[TOOL_NPY_HEADER];

    make_header(s, s->n_rows, header);
    bool good = pwrite(s->fds[ARRAY], header, TOOL_NPY_ROWS_AT, 0) ==
                    TOOL_NPY_ROWS_AT &&
                fsync(s->fds[ARRAY]) == 0 && fsync(s->fds[INDEX]) == 0 &&
                rename(s->temporaries[ARRAY], s->names[ARRAY]) == 0 &&
                rename(s->temporaries[INDEX], s->names[INDEX]) == 0;
    if (!good) {
        fail(message, s->names[ARRAY], "write", errno);
        drop_shard(s);
        return false;
    }
    flush_folder(s);
    if (s->params.completed)
        s->params.completed(s->names[ARRAY]);
    for (int i = 0; i < 2; i++) {
        free(s->temporaries[i]);
        s->temporaries[i] = NULL;
    }
    drop_shard(s);
    s->number++;
    return true;
}

/* ---- all --------------------------------------------------------------- */

tool_shards *tool_shards_open(const tool_shards_params *params,
                              char message[256])
{
    tool_shards *s = tool_grow(NULL, 1, sizeof *s);
    const char *slash = strrchr(params->prefix, '/');
    struct stat st;

    memset(s, 0, sizeof *s);
    s->params = *params;
    s->fds[ARRAY] = s->fds[INDEX] = -1;
    s->base = slash ? slash + 1 : params->prefix;
    if (!slash)
        s->folder = tool_format(".");
    else if (slash == params->prefix)
        s->folder = tool_format("/");
    else
        s->folder = tool_format("%.*s", (int)(slash - params->prefix),
                                params->prefix);
    s->row = tool_grow(NULL, params->dim, 4);
    bool good = find_number(s, message);
    if (good && s->number > 0 && !params->append) {
        snprintf(message, MESSAGE,
                 "%s-*.npy: there are shards already; continue after them "
                 "with --append or --resume",
                 tool_shown_name(params->prefix).text);
        good = false;
    }
    good = good &&
           (s->number == 0 || (check_array(s, s->number - 1, message) &&
                               check_decode(s, s->number - 1, message)));
    if (good && stat(s->folder, &st) == 0 && access(s->folder, W_OK) != 0)
        good = fail(message, s->folder, "write in the folder", errno);
    if (good)
        return s;
    tool_shards_close(s);
    return NULL;
}

bool tool_shards_answered(const tool_shards *shards, tool_answered *answered,
                          const char *key, char message[256])
{
    char why[MESSAGE];
    uint64_t whole;
    bool good = true;

    for (unsigned long i = 0; i < shards->number && good; i++) {
        if (!is_there(shards, i))
            continue;
        char *path = name_of(shards, i, ".jsonl");
        good = tool_answered_read(answered, path, key, &whole, why);
        if (!good) {
            tool_name name = tool_shown_name(path);
            snprintf(message, MESSAGE, "%.160s: %.90s", name.text, why);
        }
        free(path);
    }
    return good;
}

static bool write_row(tool_shards *s, const float *embedding)
{
    size_t dim = s->params.dim;

    if (!s->params.half)
        return tool_write_all(s->fds[ARRAY], embedding, row_bytes(s));
    for (size_t i = 0; i < dim; i++) {
        uint16_t half = tool_half(embedding[i]);
        memcpy(s->row + 2 * i, &half, sizeof half);
    }
    return tool_write_all(s->fds[ARRAY], s->row, row_bytes(s));
}

/* After a write that failed: cuts off what is not whole. */
static void cut_back(tool_shards *s)
{
    const off_t array_bytes = TOOL_NPY_ROWS_AT +
                              (off_t)(s->n_rows * row_bytes(s));

    if (s->index_bytes == 0 || ftruncate(s->fds[ARRAY], array_bytes) != 0 ||
        ftruncate(s->fds[INDEX], s->index_bytes) != 0)
        drop_shard(s);
}

/* false: neither file has the input. */
static bool write_record(tool_shards *s, const char *text,
                         const float *embedding, char message[256])
{
    const size_t n = strlen(text);

    if (tool_write_all(s->fds[INDEX], text, n) &&
        tool_write_all(s->fds[INDEX], "\n", 1) &&
        (!embedding || write_row(s, embedding))) {
        s->index_bytes += (off_t)n + 1;
        s->n_rows += embedding != NULL;
        return true;
    }
    fail(message, s->names[ARRAY], "write", errno);
    cut_back(s);
    return false;
}

bool tool_shards_add(tool_shards *shards, json_t *record,
                     const float *embedding, char message[256])
{
    tool_shards *s = shards;

    bool full = is_open(s) && s->n_rows == s->params.max_rows && embedding;
    bool good = (!full || finish_shard(s, message)) &&
                (is_open(s) || open_shard(s, message));
    char *text = NULL;
    if (good &&
        json_object_set_new(record, "row",
                            embedding ? json_integer((json_int_t)s->n_rows)
                                      : json_null()) == 0)
        text = tool_json_text(record, 0);
    json_decref(record);
    if (good && !text)
        snprintf(message, MESSAGE, "out of memory");
    good = text && write_record(s, text, embedding, message);
    free(text);
    return good;
}

bool tool_shards_finish(tool_shards *shards, char message[256])
{
    return !is_open(shards) || finish_shard(shards, message);
}

void tool_shards_close(tool_shards *shards)
{
    if (!shards)
        return;
    drop_shard(shards);
    free(shards->row);
    free(shards->folder);
    free(shards);
}
