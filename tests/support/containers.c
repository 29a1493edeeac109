/* SPDX-License-Identifier: MIT
 *
 * containers.c - see containers.h.
 */
#include "support/containers.h"

#include "checkpoint/tensor_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "containers: out of memory\n");
        exit(1);
    }
    return p;
}

void build(builder *b, const void *data, size_t n)
{
    if (b->capacity - b->n < n) {
        b->capacity = 2 * (b->n + n);
        b->data = must(realloc(b->data, b->capacity));
    }
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
}

void build_string(builder *b, const char *text)
{
    build(b, text, strlen(text));
}

void build_number(builder *b, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        unsigned char byte = i < 8 ? (unsigned char)(number >> 8 * i) : 0;
        build(b, &byte, 1);
    }
}

void build_free(builder *b)
{
    free(b->data);
    *b = (builder){ 0 };
}

/* ---- zip --------------------------------------------------------------- */

void zip_add(zip_builder *z, const char *name, const void *data, size_t n)
{
    static const unsigned char padding[64] = { 0 };
    const size_t n_name = strlen(name), offset = z->out.n;
    const size_t end = offset + 30 + n_name + 4;
    const size_t pad = (64 - end % 64) % 64;
    const uint32_t crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), data, n);

    build(&z->out, "PK\3\4\0\0\x08\x08\0\0\0\0\0\0", 14);
    build_number(&z->out, 0, 12);
    build_number(&z->out, n_name, 2);
    build_number(&z->out, 4 + pad, 2);
    build_string(&z->out, name);
    build_string(&z->out, "FB");
    build_number(&z->out, pad, 2);
    build(&z->out, padding, pad);
    build(&z->out, data, n);
    build(&z->out, "PK\7\10", 4);
    build_number(&z->out, crc, 4);
    build_number(&z->out, n, 4);
    build_number(&z->out, n, 4);

    build(&z->directory, "PK\1\2\0\0\0\0\x08\x08\0\0\0\0\0\0", 16);
    build_number(&z->directory, crc, 4);
    build_number(&z->directory, n, 4);
    build_number(&z->directory, n, 4);
    build_number(&z->directory, n_name, 2);
    build_number(&z->directory, 0, 12);
    build_number(&z->directory, offset, 4);
    build_string(&z->directory, name);
    z->n++;
}

void zip_end(zip_builder *z, bool zip64)
{
    const size_t begin = z->out.n, bytes = z->directory.n;
    const size_t end = begin + bytes;

    build(&z->out, z->directory.data, bytes);
    build_free(&z->directory);
    if (zip64) {
        build(&z->out, "PK\6\6", 4);
        build_number(&z->out, 44, 8);
        build_number(&z->out, 0x2D031E, 4);
        build_number(&z->out, 0, 8);
        build_number(&z->out, z->n, 8);
        build_number(&z->out, z->n, 8);
        build_number(&z->out, bytes, 8);
        build_number(&z->out, begin, 8);
        build(&z->out, "PK\6\7", 4);
        build_number(&z->out, 0, 4);
        build_number(&z->out, end, 8);
        build_number(&z->out, 1, 4);
    }
    build(&z->out, "PK\5\6", 4);
    build_number(&z->out, 0, 4);
    build_number(&z->out, z->n, 2);
    build_number(&z->out, z->n, 2);
    build_number(&z->out, bytes, 4);
    build_number(&z->out, begin, 4);
    build_number(&z->out, 0, 2);
}

/* ---- pickle ------------------------------------------------------------ */

void pickle_text(builder *b, const char *text)
{
    build_string(b, "X");
    build_number(b, strlen(text), 4);
    build_string(b, text);
}

void pickle_integer(builder *b, uint64_t number)
{
    build(b, "\x8A\x08", 2); /* LONG1 */
    build_number(b, number, 8);
}

void pickle_tensor(builder *b, const char *storage_class, const char *key,
                   size_t elements, size_t offset, size_t rank,
                   const size_t *shape, const size_t *stride)
{
    build_string(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_text(b, "storage");
    build_string(b, "ctorch\n");
    build_string(b, storage_class);
    build_string(b, "\n");
    pickle_text(b, key);
    pickle_text(b, "cpu");
    pickle_integer(b, elements);
    build_string(b, "tQ");
    pickle_integer(b, offset);
    build_string(b, "(");
    for (size_t i = 0; i < rank; i++)
        pickle_integer(b, shape[i]);
    build_string(b, "t(");
    for (size_t i = 0; i < rank; i++)
        pickle_integer(b, stride[i]);
    build_string(b, "t\x89"
                    "ccollections\nOrderedDict\n)RtR");
}

/* ---- checkpoints ------------------------------------------------------- */

static clipc_tensor_files *open_tensors(const void *data, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *st;

    if (clipc_tensor_files_open_memory(&st, data, n, "tiny", (size_t)8 << 20,
                                       &err) != CLIPC_OK) {
        fprintf(stderr, "containers: %s\n", err.message);
        exit(1);
    }
    return st;
}

static const char *storage_class(const clipc_tensor *tensor)
{
    static const struct {
        const char *dtype, *class_name;
    } classes[] = { { "F32", "FloatStorage" },     { "F16", "HalfStorage" },
                    { "BF16", "BFloat16Storage" }, { "I64", "LongStorage" },
                    { "I32", "IntStorage" },       { "I8", "CharStorage" },
                    { "U8", "ByteStorage" } };

    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(tensor->dtype_name, classes[i].dtype) == 0)
            return classes[i].class_name;
    fprintf(stderr, "containers: dtype %s\n", tensor->dtype_name);
    exit(1);
}

/* Whether the tensor is to be a view of its first number. views: or NULL. */
static bool is_view(const clipc_tensor *tensor, const char *views)
{
    return views && tensor->n_elements > 1 && strstr(tensor->name, views);
}

/* Writes the tensors first, first + step, ... of st; those whose names contain
 * `views` as views of their first number. */
static void torch_part(builder *b, const clipc_tensor_files *st, size_t first,
                       size_t step, const char *views)
{
    zip_builder z = { 0 };
    builder pickle = { 0 };
    char key[48];

    build(&pickle, "\x80\x02}(", 4);
    for (size_t i = first; i < clipc_tensor_files_count(st); i += step) {
        const clipc_tensor *tensor = clipc_tensor_files_at(st, i);
        const bool view = is_view(tensor, views);
        size_t stride[CLIPC_MAX_RANK], n = 1;
        for (size_t d = tensor->rank; d-- > 0;) {
            stride[d] = view ? 0 : n;
            n *= tensor->shape[d];
        }
        snprintf(key, sizeof key, "%zu", i);
        pickle_text(&pickle, tensor->name);
        pickle_tensor(&pickle, storage_class(tensor), key, view ? 1 : n, 0,
                      tensor->rank, tensor->shape, stride);
    }
    build_string(&pickle, "u.");
    zip_add(&z, "tiny/data.pkl", pickle.data, pickle.n);
    zip_add(&z, "tiny/byteorder", "little", 6);
    for (size_t i = first; i < clipc_tensor_files_count(st); i += step) {
        const clipc_tensor *tensor = clipc_tensor_files_at(st, i);
        snprintf(key, sizeof key, "tiny/data/%zu", i);
        zip_add(&z, key, tensor->data,
                is_view(tensor, views) ? tensor->n_bytes / tensor->n_elements
                                       : tensor->n_bytes);
    }
    zip_add(&z, "tiny/version", "3\n", 2);
    zip_end(&z, true);
    build_free(&pickle);
    *b = z.out;
}

void torch_file(builder *b, const void *safetensors, size_t n,
                const char *views)
{
    clipc_tensor_files *st = open_tensors(safetensors, n);
    torch_part(b, st, 0, 1, views);
    clipc_tensor_files_free(st);
}

static void safetensors_part(builder *b, const clipc_tensor_files *st,
                             size_t first, size_t step)
{
    builder header = { 0 };
    char text[256];
    size_t offset = 0;

    build_string(&header, "{");
    for (size_t i = first; i < clipc_tensor_files_count(st); i += step) {
        const clipc_tensor *tensor = clipc_tensor_files_at(st, i);
        snprintf(text, sizeof text, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                 i == first ? "" : ",", tensor->name, tensor->dtype_name);
        build_string(&header, text);
        for (size_t d = 0; d < tensor->rank; d++) {
            snprintf(text, sizeof text, "%s%zu", d ? "," : "",
                     tensor->shape[d]);
            build_string(&header, text);
        }
        snprintf(text, sizeof text, "],\"data_offsets\":[%zu,%zu]}", offset,
                 offset + tensor->n_bytes);
        build_string(&header, text);
        offset += tensor->n_bytes;
    }
    build_string(&header, "}");
    *b = (builder){ 0 };
    build_number(b, header.n, 8);
    build(b, header.data, header.n);
    for (size_t i = first; i < clipc_tensor_files_count(st); i += step) {
        const clipc_tensor *tensor = clipc_tensor_files_at(st, i);
        build(b, tensor->data, tensor->n_bytes);
    }
    build_free(&header);
}

/* Writes the tiny model without its weights and returns the weights. */
static clipc_tensor_files *write_rest(const char *folder,
                                      const tiny_model_options *options,
                                      clipc_model_files *files)
{
    char path[512];

    tiny_model_write(folder, options);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    tiny_model_files(files, options);
    return open_tensors(files->weights, files->weights_bytes);
}

void write_torch_model(const char *folder, const tiny_model_options *options)
{
    clipc_model_files files;
    clipc_tensor_files *st = write_rest(folder, options, &files);
    builder b;

    torch_part(&b, st, 0, 1, NULL);
    write_file(folder, "pytorch_model.bin", b.data, b.n);
    build_free(&b);
    clipc_tensor_files_free(st);
    tiny_model_free(&files);
}

void write_split_model(const char *folder, const tiny_model_options *options,
                       size_t n, bool torch)
{
    const char *stem = torch ? "pytorch_model" : "model";
    const char *suffix = torch ? "bin" : "safetensors";
    clipc_model_files files;
    clipc_tensor_files *st = write_rest(folder, options, &files);
    builder index = { 0 };
    char name[80], text[256];

    build_string(&index, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (size_t i = 0; i < n; i++) {
        builder b;
        snprintf(name, sizeof name, "%s-%05zu-of-%05zu.%s", stem, i + 1, n,
                 suffix);
        if (torch)
            torch_part(&b, st, i, n, NULL);
        else
            safetensors_part(&b, st, i, n);
        write_file(folder, name, b.data, b.n);
        build_free(&b);
        for (size_t j = i; j < clipc_tensor_files_count(st); j += n) {
            snprintf(text, sizeof text, "%s\"%s\":\"%s\"", j ? "," : "",
                     clipc_tensor_files_at(st, j)->name, name);
            build_string(&index, text);
        }
    }
    build_string(&index, "}}");
    snprintf(name, sizeof name, "%s.%s.index.json", stem, suffix);
    write_file(folder, name, index.data, index.n);
    build_free(&index);
    clipc_tensor_files_free(st);
    tiny_model_free(&files);
}
