/* SPDX-License-Identifier: MIT
 *
 * safetensors.c - reads a safetensors file and checks every field.
 *
 *     u64 n, little-endian | n bytes of JSON | tensor bytes
 *     {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
 *      "__metadata__": {"format": "pt"}}
 *
 * The tensors must tile the bytes after the header: no hole, no overlap, no
 * byte left over. Members of the header are found by brackets and quotes alone
 * and parsed one at a time: memory is in proportion to the tensors, not to the
 * bytes of a hostile header. A first pass over all members rejects a broken
 * header before anything is allocated.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 */
#include "checkpoint/safetensors.h"

#include "base/json.h"
#include "base/sniff.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT_MAX_HEADER 100000000u /* bytes, the format's limit */
#define MAX_NAME_BYTES 512

enum {
    LENGTH_BYTES = 8,
    MAX_DEPTH = 2,        /* in a member's value: object, then array */
    MAX_COMMAS = 64,      /* in a tensor's entry: rank 8 needs 10 */
    MAX_METADATA = 16384, /* commas in "__metadata__" */
    /* "\u0041" is the longest way to write a byte. */
    MAX_RAW_NAME = 6 * MAX_NAME_BYTES + 2
};

/* ---- files of other formats -------------------------------------------- */

#define SHOWN(file) CLIPC_QUOTE((file)->name)

static clipc_status fail_other(const clipc_tensor_file *file,
                               clipc_status code, const char *why,
                               clipc_error *err)
{
    const clipc_sniffed *other = clipc_sniff(file->data, file->size);
    if (other)
        return clipc_fail(err, CLIPC_ERR_FORMAT, 0,
                          "%s: not a safetensors file (looks like %s)",
                          SHOWN(file), other->what);
    return clipc_fail(err, code, 0, "%s: not a safetensors file (%s)",
                      SHOWN(file), why);
}

/* ---- members of the header --------------------------------------------- */

typedef struct span {
    size_t begin, end; /* offsets in the header */
} span;

typedef struct reader {
    const clipc_tensor_file *file;
    const char *text; /* the header */
    size_t n, pos;
    bool first;
} reader;

static clipc_status fail_at(const clipc_tensor_file *file, size_t pos,
                            const char *what, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)(LENGTH_BYTES + pos),
                      "%s: safetensors header: %s", SHOWN(file), what);
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

/* Skips the string that begins at pos; false: the string does not end. */
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

/* Skips the object that begins at pos, with its closing bracket. */
static clipc_status skip_object(reader *r, size_t max_commas, clipc_error *err)
{
    size_t depth = 0, commas = 0, start = r->pos;

    while (r->pos < r->n) {
        switch (r->text[r->pos]) {
        case '"':
            if (!skip_string(r))
                return fail_at(r->file, r->pos, "a string does not end", err);
            continue;
        case '{':
        case '[':
            if (++depth > MAX_DEPTH)
                return fail_at(r->file, r->pos, "nested too deep", err);
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return r->pos++, CLIPC_OK;
            break;
        case ',':
            if (++commas > max_commas)
                return fail_at(r->file, start, "an entry has too many parts",
                               err);
            break;
        default: break;
        }
        r->pos++;
    }
    return fail_at(r->file, r->pos, "it ends inside an entry", err);
}

static clipc_status reader_start(reader *r, const clipc_tensor_file *file,
                                 clipc_error *err)
{
    *r = (reader){ .file = file,
                   .text = (const char *)file->header,
                   .n = file->header_bytes,
                   .first = true };
    if (!take(r, '{'))
        return fail_at(file, r->pos, "it is not a JSON object", err);
    return CLIPC_OK;
}

/* Finds the next key and value; *more is false after the last member. Only the
 * extents are checked, not the text between the brackets. */
static clipc_status reader_next(reader *r, span *key, span *value, bool *more,
                                clipc_error *err)
{
    static const char metadata[] = "\"__metadata__\"";
    size_t max_commas = MAX_COMMAS;

    *more = false;
    if (take(r, '}')) {
        skip_space(r);
        if (r->pos != r->n)
            return fail_at(r->file, r->pos,
                           "something follows the JSON object", err);
        return CLIPC_OK;
    }
    if (!r->first && !take(r, ','))
        return fail_at(r->file, r->pos, "\",\" or \"}\" expected", err);
    r->first = false;
    skip_space(r);
    key->begin = r->pos;
    if (r->pos >= r->n || r->text[r->pos] != '"' || !skip_string(r))
        return fail_at(r->file, r->pos, "a tensor's name expected", err);
    key->end = r->pos;
    if (!take(r, ':'))
        return fail_at(r->file, r->pos, "\":\" expected", err);
    skip_space(r);
    value->begin = r->pos;
    if (r->pos >= r->n || r->text[r->pos] != '{')
        return fail_at(r->file, r->pos, "an object expected", err);
    if (key->end - key->begin == sizeof metadata - 1 &&
        memcmp(r->text + key->begin, metadata, sizeof metadata - 1) == 0)
        max_commas = MAX_METADATA;
    CLIPC_TRY(skip_object(r, max_commas, err));
    value->end = r->pos;
    *more = true;
    return CLIPC_OK;
}

/* Counts the members of the header and checks their extents. */
static clipc_status count_members(const clipc_tensor_file *file, size_t *count,
                                  clipc_error *err)
{
    reader r;
    span key, value;
    bool more;

    *count = 0;
    CLIPC_TRY(reader_start(&r, file, err));
    for (;;) {
        CLIPC_TRY(reader_next(&r, &key, &value, &more, err));
        if (!more)
            return CLIPC_OK;
        if (key.end - key.begin > MAX_RAW_NAME)
            return clipc_fail(err, CLIPC_ERR_LIMIT,
                              (int64_t)(LENGTH_BYTES + key.begin),
                              "%s: a tensor's name is longer than %d bytes",
                              SHOWN(file), MAX_NAME_BYTES);
        if (++*count > CLIPC_MAX_TENSORS + 1) /* 1 for __metadata__ */
            break;
    }
    return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                      "%s: more than %d tensors (limit of clipc)", SHOWN(file),
                      CLIPC_MAX_TENSORS);
}

/* ---- one tensor -------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned bits;
    clipc_dtype dtype;
} dtypes[] = {
    { "F32", 32, CLIPC_DTYPE_F32 },
    { "F16", 16, CLIPC_DTYPE_F16 },
    { "BF16", 16, CLIPC_DTYPE_BF16 },
    { "F64", 64, CLIPC_DTYPE_F64 },
    { "I64", 64, CLIPC_DTYPE_OTHER },
    { "U64", 64, CLIPC_DTYPE_OTHER },
    { "C64", 64, CLIPC_DTYPE_OTHER },
    { "I32", 32, CLIPC_DTYPE_OTHER },
    { "U32", 32, CLIPC_DTYPE_OTHER },
    { "I16", 16, CLIPC_DTYPE_OTHER },
    { "U16", 16, CLIPC_DTYPE_OTHER },
    { "I8", 8, CLIPC_DTYPE_OTHER },
    { "U8", 8, CLIPC_DTYPE_OTHER },
    { "BOOL", 8, CLIPC_DTYPE_OTHER },
    { "F8_E5M2", 8, CLIPC_DTYPE_OTHER },
    { "F8_E4M3", 8, CLIPC_DTYPE_OTHER },
    { "F8_E8M0", 8, CLIPC_DTYPE_OTHER },
    { "F8_E5M2FNUZ", 8, CLIPC_DTYPE_OTHER },
    { "F8_E4M3FNUZ", 8, CLIPC_DTYPE_OTHER },
    { "F6_E2M3", 6, CLIPC_DTYPE_OTHER },
    { "F6_E3M2", 6, CLIPC_DTYPE_OTHER },
    { "F4", 4, CLIPC_DTYPE_OTHER },
};

static clipc_status fail_tensor(const clipc_tensor_file *file,
                                const char *name, const char *what,
                                clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: tensor %s: %s",
                      SHOWN(file), CLIPC_QUOTE(name), what);
}

static clipc_status parse_span(json_t **value, const clipc_tensor_file *file,
                               span s, clipc_error *err)
{
    const char *text = (const char *)file->header + s.begin;
    clipc_error inner = CLIPC_ERROR_INIT;
    clipc_status status = clipc_json_parse_strict(value, text, s.end - s.begin,
                                                  file->name, &inner);
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

static clipc_status read_dtype(const clipc_tensor_file *file,
                               clipc_tensor *tensor, unsigned *bits,
                               const json_t *value, clipc_error *err)
{
    const char *name = json_string_value(value);

    if (!name)
        return fail_tensor(file, tensor->name, "no \"dtype\"", err);
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            tensor->dtype = dtypes[i].dtype;
            tensor->dtype_name = dtypes[i].name;
            *bits = dtypes[i].bits;
            return CLIPC_OK;
        }
    }
    return fail_tensor(file, tensor->name, "unknown dtype", err);
}

static clipc_status read_shape(const clipc_tensor_file *file,
                               clipc_tensor *tensor, const json_t *value,
                               clipc_error *err)
{
    if (!json_is_array(value))
        return fail_tensor(file, tensor->name, "no \"shape\"", err);
    tensor->rank = json_array_size(value);
    if (tensor->rank > CLIPC_MAX_RANK)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: tensor %s: more than %d dimensions",
                          SHOWN(file), CLIPC_QUOTE(tensor->name),
                          CLIPC_MAX_RANK);
    tensor->n_elements = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (!get_size(json_array_get(value, i), &tensor->shape[i]))
            return fail_tensor(file, tensor->name, "bad \"shape\"", err);
        if (!clipc_mul(tensor->n_elements, tensor->shape[i],
                       &tensor->n_elements))
            return fail_tensor(file, tensor->name, "its shape overflows", err);
    }
    return CLIPC_OK;
}

static clipc_status read_offsets(const clipc_tensor_file *file,
                                 clipc_tensor *tensor, unsigned bits,
                                 const json_t *value, clipc_error *err)
{
    size_t start = LENGTH_BYTES + file->header_bytes;
    size_t begin, end, n_bits;

    if (!json_is_array(value) || json_array_size(value) != 2 ||
        !get_size(json_array_get(value, 0), &begin) ||
        !get_size(json_array_get(value, 1), &end) || begin > end)
        return fail_tensor(file, tensor->name, "bad \"data_offsets\"", err);
    if (!clipc_mul(tensor->n_elements, bits, &n_bits) || n_bits % 8 != 0)
        return fail_tensor(file, tensor->name,
                           "its shape is not a number of bytes", err);
    tensor->n_bytes = n_bits / 8;
    if (tensor->n_bytes != end - begin)
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: tensor %s: shape and dtype make %zu bytes, "
                          "data_offsets %zu",
                          SHOWN(file), CLIPC_QUOTE(tensor->name),
                          tensor->n_bytes, end - begin);
    if (end > file->size - start)
        return clipc_fail(err, CLIPC_ERR_TRUNCATED, (int64_t)file->size,
                          "%s: cut off: it has %zu bytes of tensors, tensor "
                          "%s ends at %zu",
                          SHOWN(file), file->size - start,
                          CLIPC_QUOTE(tensor->name), end);
    tensor->data = file->data + start + begin;
    return CLIPC_OK;
}

/* Copies the decoded key to name, in file->names. A decoded string is never
 * longer than its source with both quotes, so that all names fit in as many
 * bytes as the header has. */
static clipc_status read_name(const clipc_tensor_file *file, char *name,
                              span key, clipc_error *err)
{
    json_t *string;
    size_t n;

    CLIPC_TRY(parse_span(&string, file, key, err));
    n = json_string_length(string);
    const char *text = json_string_value(string);
    clipc_status status = CLIPC_OK;
    if (!text || memchr(text, '\0', n))
        status = fail_at(file, key.begin, "a tensor's name contains NUL", err);
    else if (n > MAX_NAME_BYTES)
        status = clipc_fail(err, CLIPC_ERR_LIMIT,
                            (int64_t)(LENGTH_BYTES + key.begin),
                            "%s: a tensor's name is longer than %d bytes",
                            SHOWN(file), MAX_NAME_BYTES);
    if (status == CLIPC_OK) {
        memcpy(name, text, n);
        name[n] = '\0';
    }
    json_decref(string);
    return status;
}

static clipc_status read_tensor(clipc_tensor_file *file, const char *name,
                                span value, clipc_error *err)
{
    clipc_tensor *tensor = &file->tensors[file->n];
    clipc_status status;
    json_t *entry;
    unsigned bits = 0;

    *tensor = (clipc_tensor){ .name = name };
    CLIPC_TRY(parse_span(&entry, file, value, err));
    CLIPC_TRY_GOTO(status, done,
                   read_dtype(file, tensor, &bits,
                              json_object_get(entry, "dtype"), err));
    CLIPC_TRY_GOTO(status, done,
                   read_shape(file, tensor, json_object_get(entry, "shape"),
                              err));
    CLIPC_TRY_GOTO(status, done,
                   read_offsets(file, tensor, bits,
                                json_object_get(entry, "data_offsets"), err));
    if (json_object_size(entry) != 3)
        status = fail_tensor(file, name, "its entry has an unknown key", err);
    else
        file->n++;
done:
    json_decref(entry);
    return status;
}

static clipc_status check_metadata(const clipc_tensor_file *file, span value,
                                   clipc_error *err)
{
    clipc_status status = CLIPC_OK;
    const char *key;
    json_t *object, *item;

    CLIPC_TRY(parse_span(&object, file, value, err));
    json_object_foreach(object, key, item) if (!json_is_string(item))
        status = fail_at(file, value.begin,
                         "__metadata__ holds something not a string", err);
    json_decref(object);
    return status;
}

/* ---- the whole --------------------------------------------------------- */

/* Orders by position; of tensors that begin at the same byte the empty tensor
 * comes first. */
static int compare_positions(const void *a, const void *b)
{
    const clipc_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    if (x->n_bytes != y->n_bytes)
        return x->n_bytes < y->n_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static clipc_status read_members(clipc_tensor_file *file, clipc_error *err)
{
    reader r;
    span key, value;
    char *name = file->names;
    bool more, has_metadata = false;

    CLIPC_TRY(reader_start(&r, file, err));
    for (;;) {
        CLIPC_TRY(reader_next(&r, &key, &value, &more, err));
        if (!more)
            return CLIPC_OK;
        CLIPC_TRY(read_name(file, name, key, err));
        if (strcmp(name, "__metadata__") == 0) {
            if (has_metadata)
                return fail_at(file, key.begin, "two __metadata__", err);
            has_metadata = true;
            CLIPC_TRY(check_metadata(file, value, err));
        } else {
            CLIPC_TRY(read_tensor(file, name, value, err));
            name += strlen(name) + 1;
        }
    }
}

/* Checks that every byte after the header belongs to exactly one tensor. */
static clipc_status check_tiling(const clipc_tensor_file *file,
                                 clipc_error *err)
{
    const unsigned char *next = file->header + file->header_bytes;
    const unsigned char *end = file->data + file->size;

    for (size_t i = 0; i < file->n; i++) {
        const clipc_tensor *tensor = &file->tensors[i];
        if (tensor->data > next)
            return fail_tensor(file, tensor->name,
                               "bytes before it belong to no tensor", err);
        if (tensor->data < next)
            return fail_tensor(file, tensor->name, "it overlaps another", err);
        next = tensor->data + tensor->n_bytes;
    }
    if (next != end)
        return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)(next - file->data),
                          "%s: %zu bytes after the last tensor", SHOWN(file),
                          (size_t)(end - next));
    return CLIPC_OK;
}

static clipc_status check_header_length(clipc_tensor_file *file,
                                        size_t max_header_bytes,
                                        clipc_error *err)
{
    uint64_t n = 0;

    if (file->size < LENGTH_BYTES)
        return fail_other(file, CLIPC_ERR_TRUNCATED, "shorter than 8 bytes",
                          err);
    for (int i = LENGTH_BYTES; i-- > 0;)
        n = n << 8 | file->data[i];
    if (n > FORMAT_MAX_HEADER)
        return fail_other(file, CLIPC_ERR_FORMAT,
                          "header longer than 100,000,000 bytes", err);
    if (n < 2)
        return fail_other(file, CLIPC_ERR_FORMAT, "empty header", err);
    bool too_long = n > max_header_bytes;
    bool cut_off = n > file->size - LENGTH_BYTES;
    /* Another format's first bytes may look like a length. */
    if ((too_long || cut_off) && file->size > LENGTH_BYTES &&
        file->data[LENGTH_BYTES] != '{' && clipc_sniff(file->data, file->size))
        return fail_other(file, CLIPC_ERR_FORMAT, "", err);
    if (too_long)
        return clipc_fail(err, CLIPC_ERR_LIMIT, 0,
                          "%s: safetensors header of %llu bytes, the limit is "
                          "%zu (max_header_bytes)",
                          SHOWN(file), (unsigned long long)n,
                          max_header_bytes);
    if (cut_off)
        return clipc_fail(err, CLIPC_ERR_TRUNCATED, (int64_t)file->size,
                          "%s: cut off inside its header", SHOWN(file));
    file->header = file->data + LENGTH_BYTES;
    file->header_bytes = (size_t)n;
    return CLIPC_OK;
}

clipc_status clipc_safetensors_read(clipc_tensor_file *file,
                                    size_t max_header_bytes, clipc_error *err)
{
    size_t count;

    CLIPC_TRY(check_header_length(file, max_header_bytes, err));
    CLIPC_TRY(count_members(file, &count, err));
    file->names = clipc_alloc(file->header_bytes, 1);
    file->tensors = clipc_alloc(count, sizeof *file->tensors);
    if (!file->names || !file->tensors)
        return clipc_fail_nomem(err, "table of tensors");
    CLIPC_TRY(read_members(file, err));
    qsort(file->tensors, file->n, sizeof *file->tensors, compare_positions);
    return check_tiling(file, err);
}
