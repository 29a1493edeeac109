/* SPDX-License-Identifier: MIT
 *
 * safetensors.c - reads a safetensors file and believes none of it.
 *
 *     u64 n, little-endian | n bytes of JSON | tensor bytes
 *     {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
 *      "__metadata__": {"format": "pt"}}
 *
 * The tensors must tile the bytes after the header: no hole, no overlap, no
 * byte left over. Members of the header are found by brackets and quotes
 * alone and parsed one at a time, so that memory stays in proportion to the
 * tensors and not to the bytes of a hostile header; a first pass over all of
 * them rejects a broken header before anything is allocated.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 */
#include "checkpoint/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "base/sniff.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT_MAX_HEADER 100000000u /* bytes, by the format */
#define MAX_TENSORS 65536
#define MAX_NAME_BYTES 512

enum {
    LENGTH_BYTES = 8,
    MAX_DEPTH = 2,        /* of a member's value: object, then array */
    MAX_COMMAS = 64,      /* of a tensor's entry: rank 8 needs 10 */
    MAX_METADATA = 16384, /* commas of "__metadata__" */
    /* "\u0041" is the longest way to write a byte. */
    MAX_RAW_NAME = 6 * MAX_NAME_BYTES + 2
};

struct clipc_safetensors {
    char *name;              /* for messages */
    clipc_bytes bytes;       /* owned; empty when the caller's */
    const unsigned char *file;
    size_t file_bytes, header_bytes;
    char *names;             /* all tensor names, each terminated */
    size_t names_used;
    clipc_tensor *tensors;   /* [n] in file order */
    const clipc_tensor **by_name; /* [n] */
    size_t n;
};

/* ---- what it is instead ------------------------------------------------ */

#define SHOWN(st) CLIPC_QUOTE((st)->name)

static clipc_status fail_other(const clipc_safetensors *st, clipc_status code,
                               const char *why, clipc_error *err)
{
    const clipc_sniffed *other = clipc_sniff(st->file, st->file_bytes);
    if (other)
        return clipc_fail(err, CLIPC_ERR_FORMAT, 0,
                          "%s: not a safetensors file (looks like %s)",
                          SHOWN(st), other->what);
    return clipc_fail(err, code, 0, "%s: not a safetensors file (%s)",
                      SHOWN(st), why);
}

/* ---- members of the header --------------------------------------------- */

typedef struct span {
    size_t begin, end; /* in the header */
} span;

typedef struct reader {
    const clipc_safetensors *st;
    const char *text; /* the header */
    size_t n, pos;
    bool first;
} reader;

static clipc_status fail_at(const clipc_safetensors *st, size_t pos,
                            const char *what, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)(LENGTH_BYTES + pos),
                      "%s: safetensors header: %s", SHOWN(st), what);
}

static void skip_space(reader *r)
{
    while (r->pos < r->n &&
           (r->text[r->pos] == ' ' || r->text[r->pos] == '\n' ||
            r->text[r->pos] == '\t' || r->text[r->pos] == '\r'))
        r->pos++;
}

static bool take(reader *r, char c)
{
    skip_space(r);
    if (r->pos >= r->n || r->text[r->pos] != c)
        return false;
    r->pos++;
    return true;
}

/* Over the string that begins at pos; false when it does not end. */
static bool skip_string(reader *r)
{
    for (r->pos++; r->pos < r->n; r->pos++) {
        if (r->text[r->pos] == '\\')
            r->pos++;
        else if (r->text[r->pos] == '"')
            return r->pos++, true;
    }
    r->pos = r->n;
    return false;
}

/* Over the object that begins at pos, up to its closing bracket. */
static clipc_status skip_object(reader *r, size_t max_commas, clipc_error *err)
{
    size_t depth = 0, commas = 0, start = r->pos;

    while (r->pos < r->n) {
        switch (r->text[r->pos]) {
        case '"':
            if (!skip_string(r))
                return fail_at(r->st, r->pos, "a string does not end", err);
            continue;
        case '{':
        case '[':
            if (++depth > MAX_DEPTH)
                return fail_at(r->st, r->pos, "nested too deep", err);
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return r->pos++, CLIPC_OK;
            break;
        case ',':
            if (++commas > max_commas)
                return fail_at(r->st, start, "an entry has too many parts",
                               err);
            break;
        default:
            break;
        }
        r->pos++;
    }
    return fail_at(r->st, r->pos, "it ends inside an entry", err);
}

static clipc_status reader_start(reader *r, const clipc_safetensors *st,
                                 clipc_error *err)
{
    *r = (reader){ .st = st,
                   .text = (const char *)st->file + LENGTH_BYTES,
                   .n = st->header_bytes,
                   .first = true };
    if (!take(r, '{'))
        return fail_at(st, r->pos, "it is not a JSON object", err);
    return CLIPC_OK;
}

/* Finds the next key and value; *more is false after the last one. Only their
 * extents are sure: what is between the brackets is not looked at. */
static clipc_status reader_next(reader *r, span *key, span *value, bool *more,
                                clipc_error *err)
{
    static const char metadata[] = "\"__metadata__\"";
    size_t max_commas = MAX_COMMAS;

    *more = false;
    if (take(r, '}')) {
        skip_space(r);
        if (r->pos != r->n)
            return fail_at(r->st, r->pos, "something follows the JSON object",
                           err);
        return CLIPC_OK;
    }
    if (!r->first && !take(r, ','))
        return fail_at(r->st, r->pos, "\",\" or \"}\" expected", err);
    r->first = false;
    skip_space(r);
    key->begin = r->pos;
    if (r->pos >= r->n || r->text[r->pos] != '"' || !skip_string(r))
        return fail_at(r->st, r->pos, "a tensor's name expected", err);
    key->end = r->pos;
    if (!take(r, ':'))
        return fail_at(r->st, r->pos, "\":\" expected", err);
    skip_space(r);
    value->begin = r->pos;
    if (r->pos >= r->n || r->text[r->pos] != '{')
        return fail_at(r->st, r->pos, "an object expected", err);
    if (key->end - key->begin == sizeof metadata - 1 &&
        memcmp(r->text + key->begin, metadata, sizeof metadata - 1) == 0)
        max_commas = MAX_METADATA;
    CLIPC_TRY(skip_object(r, max_commas, err));
    value->end = r->pos;
    *more = true;
    return CLIPC_OK;
}

/* Walks over the header; counts its members. */
static clipc_status count_members(const clipc_safetensors *st, size_t *count,
                                  clipc_error *err)
{
    reader r;
    span key, value;
    bool more;

    *count = 0;
    CLIPC_TRY(reader_start(&r, st, err));
    for (;;) {
        CLIPC_TRY(reader_next(&r, &key, &value, &more, err));
        if (!more)
            return CLIPC_OK;
        if (key.end - key.begin > MAX_RAW_NAME)
            return clipc_fail(err, CLIPC_ERR_LIMIT,
                              (int64_t)(LENGTH_BYTES + key.begin),
                              "%s: a tensor's name is longer than %d bytes",
                              SHOWN(st), MAX_NAME_BYTES);
        if (++*count > MAX_TENSORS + 1) /* one may be __metadata__ */
            break;
    }
    return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                      "%s: more than %d tensors (limit of clipc)", SHOWN(st),
                      MAX_TENSORS);
}

/* ---- one tensor -------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned bits;
    clipc_dtype dtype;
} dtypes[] = {
    { "F32", 32, CLIPC_DTYPE_F32 },      { "F16", 16, CLIPC_DTYPE_F16 },
    { "BF16", 16, CLIPC_DTYPE_BF16 },    { "F64", 64, CLIPC_DTYPE_OTHER },
    { "I64", 64, CLIPC_DTYPE_OTHER },    { "U64", 64, CLIPC_DTYPE_OTHER },
    { "C64", 64, CLIPC_DTYPE_OTHER },    { "I32", 32, CLIPC_DTYPE_OTHER },
    { "U32", 32, CLIPC_DTYPE_OTHER },    { "I16", 16, CLIPC_DTYPE_OTHER },
    { "U16", 16, CLIPC_DTYPE_OTHER },    { "I8", 8, CLIPC_DTYPE_OTHER },
    { "U8", 8, CLIPC_DTYPE_OTHER },      { "BOOL", 8, CLIPC_DTYPE_OTHER },
    { "F8_E5M2", 8, CLIPC_DTYPE_OTHER }, { "F8_E4M3", 8, CLIPC_DTYPE_OTHER },
    { "F8_E8M0", 8, CLIPC_DTYPE_OTHER }, { "F8_E5M2FNUZ", 8, CLIPC_DTYPE_OTHER },
    { "F8_E4M3FNUZ", 8, CLIPC_DTYPE_OTHER },
    { "F6_E2M3", 6, CLIPC_DTYPE_OTHER }, { "F6_E3M2", 6, CLIPC_DTYPE_OTHER },
    { "F4", 4, CLIPC_DTYPE_OTHER },
};

static clipc_status fail_tensor(const clipc_safetensors *st, const char *name,
                                const char *what, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: tensor %s: %s",
                      SHOWN(st), CLIPC_QUOTE(name), what);
}

static clipc_status parse_span(json_t **value, const clipc_safetensors *st,
                               span s, clipc_error *err)
{
    const char *text = (const char *)st->file + LENGTH_BYTES + s.begin;
    clipc_error inner = CLIPC_ERROR_INIT;
    clipc_status status = clipc_json_parse(value, text, s.end - s.begin,
                                           st->name, &inner);
    if (status != CLIPC_OK) {
        int64_t offset = inner.offset < 0 ? 0 : inner.offset;
        return clipc_fail(err, status,
                          LENGTH_BYTES + (int64_t)s.begin + offset, "%s",
                          inner.message);
    }
    return CLIPC_OK;
}

static bool get_size(const json_t *value, size_t *out)
{
    json_int_t number;
    if (!json_is_integer(value))
        return false;
    number = json_integer_value(value);
    if (number < 0 || (uintmax_t)number > SIZE_MAX)
        return false;
    *out = (size_t)number;
    return true;
}

static clipc_status read_dtype(const clipc_safetensors *st,
                               clipc_tensor *tensor, unsigned *bits,
                               const json_t *value, clipc_error *err)
{
    const char *name = json_string_value(value);

    if (!name)
        return fail_tensor(st, tensor->name, "no \"dtype\"", err);
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            tensor->dtype = dtypes[i].dtype;
            tensor->dtype_name = dtypes[i].name;
            *bits = dtypes[i].bits;
            return CLIPC_OK;
        }
    }
    return fail_tensor(st, tensor->name, "unknown dtype", err);
}

static clipc_status read_shape(const clipc_safetensors *st,
                               clipc_tensor *tensor, const json_t *value,
                               clipc_error *err)
{
    if (!json_is_array(value))
        return fail_tensor(st, tensor->name, "no \"shape\"", err);
    tensor->rank = json_array_size(value);
    if (tensor->rank > CLIPC_MAX_RANK)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: tensor %s: more than %d dimensions", SHOWN(st),
                          CLIPC_QUOTE(tensor->name), CLIPC_MAX_RANK);
    tensor->n_elements = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (!get_size(json_array_get(value, i), &tensor->shape[i]))
            return fail_tensor(st, tensor->name, "bad \"shape\"", err);
        if (!clipc_mul(tensor->n_elements, tensor->shape[i],
                       &tensor->n_elements))
            return fail_tensor(st, tensor->name, "its shape overflows", err);
    }
    return CLIPC_OK;
}

static clipc_status read_offsets(const clipc_safetensors *st,
                                 clipc_tensor *tensor, unsigned bits,
                                 const json_t *value, clipc_error *err)
{
    size_t start = LENGTH_BYTES + st->header_bytes;
    size_t begin, end, n_bits;

    if (!json_is_array(value) || json_array_size(value) != 2 ||
        !get_size(json_array_get(value, 0), &begin) ||
        !get_size(json_array_get(value, 1), &end) || begin > end)
        return fail_tensor(st, tensor->name, "bad \"data_offsets\"", err);
    if (!clipc_mul(tensor->n_elements, bits, &n_bits) || n_bits % 8 != 0)
        return fail_tensor(st, tensor->name,
                           "its shape is not a number of bytes", err);
    tensor->n_bytes = n_bits / 8;
    if (tensor->n_bytes != end - begin)
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: tensor %s: shape and dtype make %zu bytes, "
                          "data_offsets %zu", SHOWN(st),
                          CLIPC_QUOTE(tensor->name), tensor->n_bytes,
                          end - begin);
    if (end > st->file_bytes - start)
        return clipc_fail(err, CLIPC_ERR_TRUNCATED, (int64_t)st->file_bytes,
                          "%s: cut off: it has %zu bytes of tensors, tensor "
                          "%s ends at %zu", SHOWN(st), st->file_bytes - start,
                          CLIPC_QUOTE(tensor->name), end);
    tensor->data = st->file + start + begin;
    return CLIPC_OK;
}

/* Copies the decoded key behind the other names. A decoded string is never
 * longer than its source with both quotes, so the names fit in as many bytes
 * as the header has. */
static clipc_status read_name(clipc_safetensors *st, const char **name,
                              span key, clipc_error *err)
{
    json_t *string;
    size_t n;

    CLIPC_TRY(parse_span(&string, st, key, err));
    n = json_string_length(string);
    const char *text = json_string_value(string);
    clipc_status status = CLIPC_OK;
    if (!text || memchr(text, '\0', n))
        status = fail_at(st, key.begin, "a tensor's name contains NUL", err);
    else if (n > MAX_NAME_BYTES)
        status = clipc_fail(err, CLIPC_ERR_LIMIT,
                            (int64_t)(LENGTH_BYTES + key.begin),
                            "%s: a tensor's name is longer than %d bytes",
                            SHOWN(st), MAX_NAME_BYTES);
    if (status == CLIPC_OK) {
        char *copy = st->names + st->names_used;
        memcpy(copy, text, n);
        copy[n] = '\0';
        st->names_used += n + 1;
        *name = copy;
    }
    json_decref(string);
    return status;
}

static clipc_status read_tensor(clipc_safetensors *st, const char *name,
                                span value, clipc_error *err)
{
    clipc_tensor *tensor = &st->tensors[st->n];
    clipc_status status;
    json_t *entry;
    unsigned bits = 0;

    *tensor = (clipc_tensor){ .name = name };
    CLIPC_TRY(parse_span(&entry, st, value, err));
    CLIPC_TRY_GOTO(status, done,
                   read_dtype(st, tensor, &bits,
                              json_object_get(entry, "dtype"), err));
    CLIPC_TRY_GOTO(status, done,
                   read_shape(st, tensor, json_object_get(entry, "shape"),
                              err));
    CLIPC_TRY_GOTO(status, done,
                   read_offsets(st, tensor, bits,
                                json_object_get(entry, "data_offsets"), err));
    if (json_object_size(entry) != 3)
        status = fail_tensor(st, name, "its entry has an unknown key", err);
    else
        st->n++;
done:
    json_decref(entry);
    return status;
}

static clipc_status check_metadata(const clipc_safetensors *st, span value,
                                   clipc_error *err)
{
    clipc_status status = CLIPC_OK;
    const char *key;
    json_t *object, *item;

    CLIPC_TRY(parse_span(&object, st, value, err));
    json_object_foreach(object, key, item)
        if (!json_is_string(item))
            status = fail_at(st, value.begin,
                             "__metadata__ holds something not a string", err);
    json_decref(object);
    return status;
}

/* ---- the whole --------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const clipc_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* By position; empty tensors before the one that begins where they are. */
static int compare_positions(const void *a, const void *b)
{
    const clipc_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    if (x->n_bytes != y->n_bytes)
        return x->n_bytes < y->n_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static clipc_status read_members(clipc_safetensors *st, clipc_error *err)
{
    reader r;
    span key, value;
    const char *name = NULL;
    bool more, has_metadata = false;

    CLIPC_TRY(reader_start(&r, st, err));
    for (;;) {
        CLIPC_TRY(reader_next(&r, &key, &value, &more, err));
        if (!more)
            return CLIPC_OK;
        CLIPC_TRY(read_name(st, &name, key, err));
        if (strcmp(name, "__metadata__") == 0) {
            if (has_metadata)
                return fail_at(st, key.begin, "two __metadata__", err);
            has_metadata = true;
            CLIPC_TRY(check_metadata(st, value, err));
        } else {
            CLIPC_TRY(read_tensor(st, name, value, err));
        }
    }
}

/* Every byte after the header belongs to exactly one tensor. */
static clipc_status check_tiling(const clipc_safetensors *st, clipc_error *err)
{
    const unsigned char *next = st->file + LENGTH_BYTES + st->header_bytes;
    const unsigned char *end = st->file + st->file_bytes;

    for (size_t i = 0; i < st->n; i++) {
        const clipc_tensor *tensor = &st->tensors[i];
        if (tensor->data > next)
            return fail_tensor(st, tensor->name,
                               "bytes before it belong to no tensor", err);
        if (tensor->data < next)
            return fail_tensor(st, tensor->name, "it overlaps another", err);
        next = tensor->data + tensor->n_bytes;
    }
    if (next != end)
        return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)(next - st->file),
                          "%s: %zu bytes after the last tensor", SHOWN(st),
                          (size_t)(end - next));
    return CLIPC_OK;
}

static clipc_status index_names(clipc_safetensors *st, clipc_error *err)
{
    st->by_name = clipc_alloc(st->n, sizeof *st->by_name);
    if (!st->by_name)
        return clipc_fail_nomem(err, "index of tensors");
    for (size_t i = 0; i < st->n; i++)
        st->by_name[i] = &st->tensors[i];
    qsort(st->by_name, st->n, sizeof *st->by_name, compare_names);
    for (size_t i = 1; i < st->n; i++)
        if (strcmp(st->by_name[i - 1]->name, st->by_name[i]->name) == 0)
            return fail_tensor(st, st->by_name[i]->name,
                               "two tensors have this name", err);
    return CLIPC_OK;
}

static clipc_status check_header_length(clipc_safetensors *st,
                                        size_t max_header_bytes,
                                        clipc_error *err)
{
    uint64_t n = 0;

    if (st->file_bytes < LENGTH_BYTES)
        return fail_other(st, CLIPC_ERR_TRUNCATED, "shorter than 8 bytes",
                          err);
    for (int i = LENGTH_BYTES; i-- > 0;)
        n = n << 8 | st->file[i];
    if (n > FORMAT_MAX_HEADER)
        return fail_other(st, CLIPC_ERR_FORMAT,
                          "header longer than 100,000,000 bytes", err);
    if (n < 2)
        return fail_other(st, CLIPC_ERR_FORMAT, "empty header", err);
    bool too_long = n > max_header_bytes;
    bool cut_off = n > st->file_bytes - LENGTH_BYTES;
    /* Another format's first bytes may be a possible length. */
    if ((too_long || cut_off) && st->file_bytes > LENGTH_BYTES &&
        st->file[LENGTH_BYTES] != '{' &&
        clipc_sniff(st->file, st->file_bytes))
        return fail_other(st, CLIPC_ERR_FORMAT, "", err);
    if (too_long)
        return clipc_fail(err, CLIPC_ERR_LIMIT, 0,
                          "%s: safetensors header of %llu bytes, the limit is "
                          "%zu (max_header_bytes)", SHOWN(st),
                          (unsigned long long)n, max_header_bytes);
    if (cut_off)
        return clipc_fail(err, CLIPC_ERR_TRUNCATED, (int64_t)st->file_bytes,
                          "%s: cut off inside its header", SHOWN(st));
    st->header_bytes = (size_t)n;
    return CLIPC_OK;
}

static clipc_status load(clipc_safetensors *st, size_t max_header_bytes,
                         clipc_error *err)
{
    size_t count;

    CLIPC_TRY(check_header_length(st, max_header_bytes, err));
    CLIPC_TRY(count_members(st, &count, err));
    st->names = clipc_alloc(st->header_bytes, 1);
    st->tensors = clipc_alloc(count, sizeof *st->tensors);
    if (!st->names || !st->tensors)
        return clipc_fail_nomem(err, "table of tensors");
    CLIPC_TRY(read_members(st, err));
    if (st->n > MAX_TENSORS)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: more than %d tensors (limit of clipc)",
                          SHOWN(st), MAX_TENSORS);
    qsort(st->tensors, st->n, sizeof *st->tensors, compare_positions);
    CLIPC_TRY(index_names(st, err));
    return check_tiling(st, err);
}

static clipc_status create(clipc_safetensors **out, const char *name,
                           clipc_error *err)
{
    clipc_safetensors *st = clipc_alloc_zero(1, sizeof *st);

    *out = NULL;
    if (st)
        st->name = clipc_strndup(name, strlen(name));
    if (!st || !st->name) {
        clipc_safetensors_close(st);
        return clipc_fail_nomem(err, "safetensors file");
    }
    *out = st;
    return CLIPC_OK;
}

clipc_status clipc_safetensors_open(clipc_safetensors **st_out,
                                    const char *path, clipc_load load_mode,
                                    size_t max_header_bytes, clipc_error *err)
{
    clipc_safetensors *st;
    clipc_status status;

    *st_out = NULL;
    CLIPC_TRY(create(&st, path, err));
    if (load_mode == CLIPC_LOAD_READ)
        status = clipc_file_read(&st->bytes, path, SIZE_MAX, "address space",
                                 err);
    else
        status = clipc_file_map(&st->bytes, path, err);
    if (status == CLIPC_OK) {
        st->file = st->bytes.data;
        st->file_bytes = st->bytes.n;
        status = load(st, max_header_bytes, err);
    }
    if (status != CLIPC_OK) {
        clipc_safetensors_close(st);
        return status;
    }
    *st_out = st;
    return CLIPC_OK;
}

clipc_status clipc_safetensors_open_memory(clipc_safetensors **st_out,
                                           const void *data, size_t n,
                                           const char *name,
                                           size_t max_header_bytes,
                                           clipc_error *err)
{
    clipc_safetensors *st;
    clipc_status status;

    *st_out = NULL;
    CLIPC_TRY(create(&st, name, err));
    st->file = data;
    st->file_bytes = n;
    status = load(st, max_header_bytes, err);
    if (status != CLIPC_OK) {
        clipc_safetensors_close(st);
        return status;
    }
    *st_out = st;
    return CLIPC_OK;
}

void clipc_safetensors_close(clipc_safetensors *st)
{
    if (!st)
        return;
    clipc_bytes_release(&st->bytes);
    free(st->by_name);
    free(st->tensors);
    free(st->names);
    free(st->name);
    free(st);
}

size_t clipc_safetensors_count(const clipc_safetensors *st)
{
    return st->n;
}

const clipc_tensor *clipc_safetensors_at(const clipc_safetensors *st,
                                         size_t index)
{
    return &st->tensors[index];
}

const clipc_tensor *clipc_safetensors_find(const clipc_safetensors *st,
                                           const char *name)
{
    size_t low = 0, high = st->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, st->by_name[middle]->name);
        if (order == 0)
            return st->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void clipc_safetensors_forget(const clipc_safetensors *st,
                              const clipc_tensor *tensor)
{
    clipc_bytes_forget(&st->bytes, (size_t)(tensor->data - st->file),
                       tensor->n_bytes);
}

const unsigned char *clipc_safetensors_header(const clipc_safetensors *st,
                                              size_t *n)
{
    *n = st->header_bytes;
    return st->file + LENGTH_BYTES;
}

const char *clipc_safetensors_name(const clipc_safetensors *st)
{
    return st->name;
}
