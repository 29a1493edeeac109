/* SPDX-License-Identifier: MIT
 *
 * test_tensor_files.c - lib/checkpoint/tensor_files.c and shard_index.c: the
 * file of a folder that is opened; checkpoints split in several files; the
 * same network from every container.
 */
#include "support/containers.h"
#include "support/files.h"
#include "support/fixture.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/tensor_files.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT ((size_t)8 << 20)

/* A safetensors file of one tensor, F32 [1] with `value`. */
static void write_one(const char *path, const char *name, float value)
{
    char header[256];
    builder b = { 0 };

    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],"
             "\"data_offsets\":[0,4]}}",
             name);
    build_number(&b, strlen(header), 8);
    build_string(&b, header);
    build(&b, &value, sizeof value);
    test_write(path, b.data, b.n);
    build_free(&b);
}

/* A PyTorch checkpoint of the same. */
static void write_one_torch(const char *path, const char *name, float value)
{
    const size_t one = 1;
    builder pickle = { 0 };
    zip_builder z = { 0 };

    build(&pickle, "\x80\2}", 3);
    pickle_text(&pickle, name);
    pickle_tensor(&pickle, "FloatStorage", "0", 1, 0, 1, &one, &one);
    build_string(&pickle, "s.");
    zip_add(&z, "x/data.pkl", pickle.data, pickle.n);
    zip_add(&z, "x/data/0", &value, sizeof value);
    zip_end(&z, true);
    test_write(path, z.out.data, z.out.n);
    build_free(&pickle);
    build_free(&z.out);
}

static float value_of(const clipc_tensor_files *weights, const char *name)
{
    const clipc_tensor *tensor = clipc_tensor_files_find(weights, name);
    float value;

    CHECK(tensor != NULL);
    memcpy(&value, tensor->data, sizeof value);
    return value;
}

static clipc_status open_folder(clipc_tensor_files **weights,
                                const char *folder)
{
    err = (clipc_error)CLIPC_ERROR_INIT;
    clipc_status status = clipc_tensor_files_open_folder(weights, folder,
                                                         CLIPC_LOAD_MAP, LIMIT,
                                                         &err);
    CHECK((status == CLIPC_OK) == (*weights != NULL));
    CHECK((status == CLIPC_OK) == (err.message[0] == '\0'));
    return status;
}

/* ---- which file -------------------------------------------------------- */

/* All that a folder may have; the first is taken away, and again. */
TEST(files_are_looked_for_in_order)
{
    static const char index[] = "{\"weight_map\": {\"a\": \"%s\"}}";
    const char *folder = test_folder();
    clipc_tensor_files *weights;
    char contents[128];

    write_one(path_in(folder, "model.safetensors"), "a", 1);
    snprintf(contents, sizeof contents, index, "part.safetensors");
    write_text(path_in(folder, "model.safetensors.index.json"), contents);
    write_one(path_in(folder, "part.safetensors"), "a", 2);
    write_one(path_in(folder, "open_clip_model.safetensors"), "a", 3);
    write_one_torch(path_in(folder, "pytorch_model.bin"), "a", 4);
    snprintf(contents, sizeof contents, index, "part.bin");
    write_text(path_in(folder, "pytorch_model.bin.index.json"), contents);
    write_one_torch(path_in(folder, "part.bin"), "a", 5);
    write_one_torch(path_in(folder, "open_clip_pytorch_model.bin"), "a", 6);

    static const char *const names[] = { "model.safetensors",
                                         "model.safetensors.index.json",
                                         "open_clip_model.safetensors",
                                         "pytorch_model.bin",
                                         "pytorch_model.bin.index.json",
                                         "open_clip_pytorch_model.bin" };
    for (int i = 0; i < 6; i++) {
        CHECK_OK(open_folder(&weights, folder), err);
        CHECK_INT(value_of(weights, "a"), i + 1);
        CHECK_STR(clipc_tensor_files_name(weights), path_in(folder, names[i]));
        clipc_tensor_files_free(weights);
        /* The same by its own name, copied. */
        CHECK(clipc_tensor_files_is_name(names[i]));
        CHECK_OK(clipc_tensor_files_open_file(&weights,
                                              path_in(folder, names[i]),
                                              CLIPC_LOAD_READ, LIMIT, &err),
                 err);
        CHECK_INT(value_of(weights, "a"), i + 1);
        clipc_tensor_files_free(weights);
        CHECK(unlink(path_in(folder, names[i])) == 0);
    }
    CHECK_STATUS(open_folder(&weights, folder), CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "no model.safetensors or pytorch_model.bin");
    CHECK(!clipc_tensor_files_is_name("config.json"));
    CHECK(!clipc_tensor_files_is_name(".bin"));
}

/* The first file in the order is broken: an error, and no later file is
 * read instead. */
TEST(a_broken_file_is_reported)
{
    const char *folder = test_folder();
    clipc_tensor_files *weights;

    write_one_torch(path_in(folder, "pytorch_model.bin"), "a", 4);
    write_text(path_in(folder, "model.safetensors"), "");
    CHECK_STATUS(open_folder(&weights, folder), CLIPC_ERR_TRUNCATED);
    CHECK(unlink(path_in(folder, "model.safetensors")) == 0);
    write_text(path_in(folder, "model.safetensors.index.json"), "{}");
    CHECK_STATUS(open_folder(&weights, folder), CLIPC_ERR_FORMAT);
    CHECK(unlink(path_in(folder, "model.safetensors.index.json")) == 0);
    CHECK(mkfifo(path_in(folder, "model.safetensors"), 0600) == 0);
    CHECK_STATUS(open_folder(&weights, folder), CLIPC_ERR_IO);
    CHECK(unlink(path_in(folder, "model.safetensors")) == 0);
    CHECK(mkdir(path_in(folder, "model.safetensors.index.json"), 0700) == 0);
    CHECK_STATUS(open_folder(&weights, folder), CLIPC_ERR_IO);
    CHECK_STATUS(open_folder(&weights, path_in(folder, "none")),
                 CLIPC_ERR_NOT_FOUND);
}

/* ---- split checkpoints ------------------------------------------------- */

TEST(files_of_an_index_become_one_set)
{
    const char *folder = test_folder();
    clipc_tensor_files *weights;

    write_one(path_in(folder, "2.safetensors"), "b", 2);
    write_one(path_in(folder, "1.safetensors"), "a", 1);
    write_text(path_in(folder, "model.safetensors.index.json"),
               "{\"metadata\": {\"total_size\": 8}, \"weight_map\": "
               "{\"b\": \"2.safetensors\", \"a\": \"1.safetensors\"}}");
    CHECK_OK(open_folder(&weights, folder), err);
    CHECK_INT(clipc_tensor_files_count(weights), 2);
    CHECK_INT(clipc_tensor_files_n_files(weights), 2);
    for (size_t i = 0; i < 2; i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(weights, i);
        const clipc_tensor_file *file = clipc_tensor_files_file(weights, i);
        clipc_file_stamp stamp = clipc_file_stamp_get(file->name);
        CHECK_STR(tensor->name, i ? "b" : "a");
        CHECK_INT(clipc_tensor_files_index(weights, tensor), i);
        CHECK(clipc_tensor_files_find(weights, tensor->name) == tensor);
        CHECK_STR(clipc_tensor_files_file_of(weights, tensor), file->name);
        CHECK_HAS(file->name, i ? "/2.safetensors" : "/1.safetensors");
        CHECK(clipc_file_stamp_equal(&stamp, &file->stamp));
        CHECK(file->header_bytes > 2 && file->header[0] == '{');
        clipc_tensor_files_forget(weights, tensor);
        CHECK_INT(value_of(weights, tensor->name), (int)i + 1);
    }
    CHECK(clipc_tensor_files_find(weights, "c") == NULL);
    CHECK(clipc_tensor_files_find(weights, "") == NULL);
    clipc_tensor_files_free(weights);
    clipc_tensor_files_free(NULL);
}

/* KiB of memory that a mapping has, by its address. */
static long resident_kib(const void *address)
{
    const uintptr_t at = (uintptr_t)address;
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    long kib = -1;

    CHECK(file);
    while (fgets(line, sizeof line, file)) {
        unsigned long long begin, end;
        if (sscanf(line, "%llx-%llx ", &begin, &end) == 2)
            inside = at >= begin && at < end;
        else if (inside && sscanf(line, "Rss: %ld", &kib) == 1)
            break;
    }
    fclose(file);
    return kib;
}

TEST(bytes_that_are_forgotten_leave_memory_and_come_back)
{
    enum { N = 1 << 20 }; /* floats */
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":["
                                 "1048576],\"data_offsets\":[0,4194304]}}";
    const char *folder = test_folder();
    const char *path = path_in(folder, "model.safetensors");
    clipc_tensor_files *weights;
    float *numbers = malloc(N * sizeof *numbers);
    builder b = { 0 };

    CHECK(numbers);
    for (size_t i = 0; i < N; i++)
        numbers[i] = (float)i;
    build_number(&b, sizeof header - 1, 8);
    build_string(&b, header);
    build(&b, numbers, N * sizeof *numbers);
    test_write(path, b.data, b.n);
    build_free(&b);
    CHECK_OK(open_folder(&weights, folder), err);
    const unsigned char *data = clipc_tensor_files_find(weights, "a")->data;
    CHECK_BYTES(data, numbers, N * sizeof *numbers);
    const long before = resident_kib(data);
    if (before == 0 && emulated()) { /* qemu 10 writes smaps itself */
        clipc_tensor_files_free(weights);
        free(numbers);
        SKIP("the emulator shows all memory as absent");
    }
    CHECK(before >= 4096);
    /* Bytes of no file, and bytes that reach past the file. */
    clipc_tensor_files_forget_bytes(weights, numbers, N * sizeof *numbers);
    clipc_tensor_files_forget_bytes(weights, data, N * sizeof *numbers + 1);
    clipc_tensor_files_forget_bytes(weights, data, 0);
    CHECK_BYTES(numbers, data, N * sizeof *numbers);
    CHECK(resident_kib(data) >= 4096);
    /* A half: all its whole pages go. */
    clipc_tensor_files_forget_bytes(weights, data, N * sizeof *numbers / 2);
    CHECK(resident_kib(data) <= before - 2048 + 128);
    CHECK_BYTES(data, numbers, N * sizeof *numbers);
    clipc_tensor_files_free(weights);
    free(numbers);
}

TEST(damaged_indexes_are_refused)
{
    static const struct {
        const char *index;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}",
          CLIPC_OK, "" },
        /* More in a file than the index says is no harm. */
        { "{\"weight_map\":{\"a\":\"1.safetensors\"}}", CLIPC_OK, "" },
        { "", CLIPC_ERR_FORMAT, "JSON" },
        { "[]", CLIPC_ERR_FORMAT, "weight_map" },
        { "{}", CLIPC_ERR_FORMAT, "weight_map" },
        { "{\"weight_map\":[]}", CLIPC_ERR_FORMAT, "weight_map" },
        { "{\"weight_map\":{}}", CLIPC_ERR_FORMAT, "no tensor" },
        { "{\"weight_map\":{\"a\":1}}", CLIPC_ERR_FORMAT, "not a string" },
        { "{\"weight_map\":{\"a\":null}}", CLIPC_ERR_FORMAT, "not a string" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"a\":\"1.safetensors\"}}",
          CLIPC_OK, "" },
        /* stale: the files say which tensors there are */
        { "{\"weight_map\":{\"a\":\"2.safetensors\"}}", CLIPC_OK, "" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"1.safetensors\"}}",
          CLIPC_OK, "" },
        { "{\"weight_map\":{\"c\":\"1.safetensors\"}}", CLIPC_OK, "" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"9.safetensors\"}}",
          CLIPC_ERR_NOT_FOUND, "9.safetensors that it names is missing" },
        { "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"3.safetensors\"}}",
          CLIPC_ERR_FORMAT, "tensor a: it is also in" },
        /* of which no network reads either */
        { "{\"weight_map\":{\"a\":\"5.safetensors\",\"b\":\"6.safetensors\"}}",
          CLIPC_OK, "" },
        { "{\"weight_map\":{\"a\":\"4.safetensors\"}}", CLIPC_ERR_TRUNCATED,
          "4.safetensors" },
        /* not names of tensors */
        { "{\"weight_map\":{\"a\":\"\"}}", CLIPC_ERR_FORMAT, "not the name" },
        { "{\"weight_map\":{\"a\":\".safetensors\"}}", CLIPC_ERR_FORMAT,
          "not the name" },
        { "{\"weight_map\":{\"a\":\"1.bin\"}}", CLIPC_ERR_FORMAT,
          "*.safetensors" },
        { "{\"weight_map\":{\"a\":\"../1.safetensors\"}}", CLIPC_ERR_FORMAT,
          "not the name" },
        { "{\"weight_map\":{\"a\":\"/etc/1.safetensors\"}}", CLIPC_ERR_FORMAT,
          "not the name" },
        { "{\"weight_map\":{\"a\":\"b/1.safetensors\"}}", CLIPC_ERR_FORMAT,
          "not the name" },
        { "{\"weight_map\":{\"a\":\"b\\\\1.safetensors\"}}", CLIPC_ERR_FORMAT,
          "not the name" },
        { "{\"weight_map\":{\"a\":\"1\\u0000.safetensors\"}}",
          CLIPC_ERR_FORMAT, "not the name" },
        { "{\"weight_map\":{\"a\":\"1\\n.safetensors\"}}", CLIPC_ERR_FORMAT,
          "not the name" },
        { "{\"weight_map\":{\"a\":\"1\\u007f.safetensors\"}}",
          CLIPC_ERR_FORMAT, "not the name" },
    };
    const char *folder = test_folder();

    write_one(path_in(folder, "1.safetensors"), "a", 1);
    write_one(path_in(folder, "2.safetensors"), "b", 2);
    write_one(path_in(folder, "3.safetensors"), "a", 3);
    write_text(path_in(folder, "4.safetensors"), "");
    write_one(path_in(folder, "5.safetensors"), "e.position_ids", 5);
    write_one(path_in(folder, "6.safetensors"), "e.position_ids", 6);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_tensor_files *weights;
        write_text(path_in(folder, "model.safetensors.index.json"),
                   cases[i].index);
        clipc_status status = open_folder(&weights, folder);
        clipc_tensor_files_free(weights);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("case %zu: %s: %s", i, clipc_status_name(status),
                 err.message);
    }
}

/* n entries, each with a file of its own or all with one. */
static clipc_status parse_many(size_t n, bool own_files,
                               clipc_shard_index *index)
{
    builder b = { 0 };
    char entry[80];

    build_string(&b, "{\"weight_map\":{");
    for (size_t i = 0; i < n; i++) {
        snprintf(entry, sizeof entry, "%s\"t%zu\":\"%zu.bin\"", i ? "," : "",
                 i, own_files ? n - i : 0);
        build_string(&b, entry);
    }
    build_string(&b, "}}");
    err = (clipc_error)CLIPC_ERROR_INIT;
    clipc_status status = clipc_shard_index_parse(index, (const char *)b.data,
                                                  b.n, ".bin", "index", &err);
    build_free(&b);
    return status;
}

TEST(limits_of_an_index)
{
    clipc_shard_index index;
    char long_name[400];

    CHECK_OK(parse_many(1024, true, &index), err);
    CHECK_INT(index.n_shards, 1024);
    for (size_t i = 1; i < 1024; i++)
        CHECK(strcmp(index.shards[i - 1], index.shards[i]) < 0);
    clipc_shard_index_release(&index);
    CHECK_STATUS(parse_many(1025, true, &index), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "1024 files");
    CHECK_OK(parse_many(65536, false, &index), err);
    CHECK_INT(index.n_shards, 1);
    clipc_shard_index_release(&index);
    CHECK_STATUS(parse_many(65537, false, &index), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "65536 tensors");
    for (int more = 0; more < 2; more++) {
        char name[300];
        memset(name, 'x', sizeof name);
        snprintf(name + 251 + more, sizeof name - 251 - 1, ".bin");
        snprintf(long_name, sizeof long_name,
                 "{\"weight_map\":{\"a\":\"%s\"}}", name);
        CHECK_STATUS(clipc_shard_index_parse(&index, long_name,
                                             strlen(long_name), ".bin", "i",
                                             &err),
                     more ? CLIPC_ERR_FORMAT : CLIPC_OK);
        clipc_shard_index_release(&index);
    }

    /* An index of over 8 MiB is not read. */
    const char *folder = test_folder();
    char *spaces = malloc(CLIPC_MAX_INDEX_BYTES + 1);
    clipc_tensor_files *weights;
    CHECK(spaces != NULL);
    memset(spaces, ' ', CLIPC_MAX_INDEX_BYTES + 1);
    test_write(path_in(folder, "model.safetensors.index.json"), spaces,
               CLIPC_MAX_INDEX_BYTES + 1);
    free(spaces);
    CHECK_STATUS(open_folder(&weights, folder), CLIPC_ERR_LIMIT);
}

TEST(a_file_may_not_have_two_tensors_of_one_name)
{
    const size_t one = 1;
    builder pickle = { 0 };
    zip_builder z = { 0 };
    clipc_tensor_files *weights;

    build(&pickle, "\x80\2}(", 4);
    for (int i = 0; i < 2; i++) {
        pickle_text(&pickle, "a");
        pickle_tensor(&pickle, "FloatStorage", "0", 1, 0, 1, &one, &one);
    }
    build_string(&pickle, "u.");
    zip_add(&z, "x/data.pkl", pickle.data, pickle.n);
    zip_add(&z, "x/data/0", "1234", 4);
    zip_end(&z, true);
    clipc_status status = clipc_tensor_files_open_memory(&weights, z.out.data,
                                                         z.out.n, "x.bin",
                                                         LIMIT, &err);
    build_free(&pickle);
    build_free(&z.out);
    CHECK_STATUS(status, CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "two tensors have this name");
}

/* ---- archives that lie about their tensors ----------------------------- */

TEST(storages_hold_what_tensors_need)
{
    enum { N = 24 }; /* bytes of the storage: 6 floats */
    static const struct {
        size_t elements, offset, rank, shape[3], stride[3];
        const char *key;
        clipc_status status;
        const char *message;
    } cases[] = {
        { 6, 0, 2, { 2, 3 }, { 3, 1 }, "0", CLIPC_OK, "" },
        { 6, 3, 1, { 3 }, { 1 }, "0", CLIPC_OK, "" },
        { 6, 6, 1, { 0 }, { 1 }, "0", CLIPC_OK, "" },
        { 6, 5, 0, { 0 }, { 0 }, "0", CLIPC_OK, "" },
        { 6, 0, 3, { 1, 6, 1 }, { 99, 1, 77 }, "0", CLIPC_OK, "" },
        { 6, 6, 0, { 0 }, { 0 }, "0", CLIPC_ERR_FORMAT, "outside" },
        { 6, 4, 1, { 3 }, { 1 }, "0", CLIPC_ERR_FORMAT, "outside" },
        { 6, 7, 1, { 0 }, { 1 }, "0", CLIPC_ERR_FORMAT, "outside" },
        { 6, INT64_MAX, 1, { 3 }, { 1 }, "0", CLIPC_ERR_FORMAT, "outside" },
        { 6, 0, 1, { INT64_MAX }, { 1 }, "0", CLIPC_ERR_FORMAT, "outside" },
        { 6,
          0,
          2,
          { INT64_MAX, 3 },
          { 3, 1 },
          "0",
          CLIPC_ERR_FORMAT,
          "overflows" },
        { 6,
          0,
          3,
          { INT64_MAX, 3, 0 },
          { 3, 1, 1 },
          "0",
          CLIPC_ERR_FORMAT,
          "overflows" },
        { 5, 0, 1, { 5 }, { 1 }, "0", CLIPC_ERR_FORMAT, "another size" },
        { 7, 0, 1, { 5 }, { 1 }, "0", CLIPC_ERR_FORMAT, "another size" },
        { INT64_MAX,
          0,
          1,
          { 5 },
          { 1 },
          "0",
          CLIPC_ERR_FORMAT,
          "another size" },
        { 6, 0, 2, { 2, 3 }, { 1, 2 }, "0", CLIPC_OK, "" },
        { 6,
          0,
          2,
          { 2, 3 },
          { 1, 3 },
          "0",
          CLIPC_ERR_FORMAT,
          "it ends outside its storage" },
        { 6, 0, 2, { 2, 3 }, { 0, 1 }, "0", CLIPC_OK, "" },
        { 6, 0, 1, { 2 }, { 2 }, "0", CLIPC_OK, "" },
        { 6,
          0,
          2,
          { 2, 2 },
          { (size_t)1 << 62, (size_t)1 << 62 },
          "0",
          CLIPC_ERR_FORMAT,
          "it ends outside its storage" },
        { 6, 0, 1, { 6 }, { 1 }, "1", CLIPC_ERR_FORMAT, "no such storage" },
        { 6, 0, 1, { 6 }, { 1 }, "", CLIPC_ERR_FORMAT, "no such storage" },
        { 6,
          0,
          1,
          { 6 },
          { 1 },
          "../data.pkl",
          CLIPC_ERR_FORMAT,
          "no such storage" },
        { 6,
          0,
          1,
          { 6 },
          { 1 },
          "00000000000000000000000000000000000000000000000000000000000000000",
          CLIPC_ERR_FORMAT,
          "no such storage" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        builder pickle = { 0 };
        zip_builder z = { 0 };
        clipc_tensor_files *weights;
        err = (clipc_error)CLIPC_ERROR_INIT;
        build(&pickle, "\x80\2}", 3);
        pickle_text(&pickle, "a");
        pickle_tensor(&pickle, "FloatStorage", cases[i].key, cases[i].elements,
                      cases[i].offset, cases[i].rank, cases[i].shape,
                      cases[i].stride);
        build_string(&pickle, "s.");
        zip_add(&z, "x/data.pkl", pickle.data, pickle.n);
        zip_add(&z, "x/data/0", "abcdefghijklmnopqrstuvwx", N);
        zip_end(&z, true);
        clipc_status status = clipc_tensor_files_open_memory(&weights,
                                                             z.out.data,
                                                             z.out.n, "x.bin",
                                                             LIMIT, &err);
        clipc_tensor_files_free(weights);
        build_free(&pickle);
        build_free(&z.out);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("case %zu: %s: %s", i, clipc_status_name(status),
                 err.message);
    }
}

TEST(archives_without_what_they_need)
{
    static const struct {
        const char *first, *second, *contents;
        size_t limit;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "x/readme", "x/more", "", LIMIT, CLIPC_ERR_FORMAT,
          "without data.pkl" },
        { "data.pkl", "more", "\x80\2}.", LIMIT, CLIPC_ERR_UNSUPPORTED,
          "no tensor" },
        { "x/data.pkl", "x/byteorder", "little", LIMIT, CLIPC_ERR_FORMAT,
          "protocol" },
        { "x/data.pkl", "x/byteorder", "big", LIMIT, CLIPC_ERR_UNSUPPORTED,
          "little-endian" },
        { "x/data.pkl", "y/byteorder", "\x80\2}.", LIMIT,
          CLIPC_ERR_UNSUPPORTED, "no tensor" },
        { "y/z", "x/data.pkl", "\x80\2}.", LIMIT, CLIPC_ERR_FORMAT,
          "without data.pkl" },
        { "x/data.pkl", "x/constants.pkl", "\x80\2}.", LIMIT,
          CLIPC_ERR_UNSUPPORTED, "TorchScript" },
        { "x/data.pkl", "x/code/a.py", "\x80\2}.", LIMIT,
          CLIPC_ERR_UNSUPPORTED, "TorchScript" },
        { "x/data.pkl", "x/more", /* 120 bytes; the directory has 112 */
          "123456789012345678901234567890123456789012345678901234567890"
          "123456789012345678901234567890123456789012345678901234567890",
          119, CLIPC_ERR_LIMIT, "data.pkl of 120 bytes, the limit is 119" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        zip_builder z = { 0 };
        clipc_tensor_files *weights;
        zip_add(&z, cases[i].first, cases[i].contents,
                strlen(cases[i].contents));
        zip_add(&z, cases[i].second, cases[i].contents,
                strlen(cases[i].contents));
        zip_end(&z, false);
        clipc_status status =
            clipc_tensor_files_open_memory(&weights, z.out.data, z.out.n,
                                           "x.bin", cases[i].limit, &err);
        CHECK(weights == NULL);
        build_free(&z.out);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("case %zu: %s: %s", i, clipc_status_name(status),
                 err.message);
    }
    /* The CRC of data.pkl is checked; the CRC of a storage is not. */
    zip_builder z = { 0 };
    clipc_tensor_files *weights;
    zip_add(&z, "x/data.pkl", "\x80\2}.", 4);
    zip_end(&z, false);
    z.out.data[64] = 0x81;
    CHECK_STATUS(clipc_tensor_files_open_memory(&weights, z.out.data, z.out.n,
                                                "x.bin", LIMIT, &err),
                 CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "wrong CRC");
    build_free(&z.out);
}

/* ---- the same network -------------------------------------------------- */

static void encode(float v[2 * DIM], const char *name, clipc_load load)
{
    clipc_model_params params = clipc_model_params_default();
    const clipc_text words = text("a red car");
    clipc_model *opened;

    params.load = load;
    CHECK_OK(clipc_model_open(&opened, name, &params, &err), err);
    clipc_ctx *made = make_ctx(opened, 1);
    clipc_image *image = draw(1, 40, 30, opened);
    CHECK_OK(clipc_encode_texts(made, &words, 1, v, 0, &err), err);
    CHECK_OK(clipc_encode_images(made, &image, 1, v + DIM, 0, &err), err);
    clipc_image_free(image);
    clipc_ctx_free(made);
    clipc_model_free(opened);
}

TEST(every_container_gives_the_same_embeddings)
{
    static const char *const dtypes[] = { "F32", "F16", "BF16" };

    for (int i = 0; i < 3; i++) {
        const tiny_model_options options = { .dtype = dtypes[i],
                                             .position_ids = 1 };
        float want[2 * DIM], got[2 * DIM];
        tiny_model_write(test_path("st"), &options);
        write_torch_model(test_path("bin"), &options);
        write_split_model(test_path("split"), &options, 3, false);
        write_split_model(test_path("split-bin"), &options, 2, true);
        encode(want, test_path("st"), CLIPC_LOAD_MAP);
        const char *const names[] = {
            test_path("bin"), test_path("split"), test_path("split-bin"),
            test_path("bin/pytorch_model.bin"),
            test_path("split/model.safetensors.index.json")
        };
        for (int j = 0; j < 5; j++) {
            for (int load = CLIPC_LOAD_MAP; load <= CLIPC_LOAD_READ; load++) {
                encode(got, names[j], (clipc_load)load);
                CHECK_BYTES(got, want, sizeof want);
            }
        }
    }
}

/* Labels cached for one file are not read for another; the memo notices a
 * change of any file. */
TEST(the_cache_knows_every_file)
{
    const clipc_text words = text("a red car");
    tiny_model_options options = { 0 };
    float kept[DIM];

    for (int i = 0; i < 3; i++) {
        clipc_labels_params params = clipc_labels_params_default();
        clipc_model *opened;
        clipc_labels *made;
        options.seed = i == 2;
        write_split_model(test_path("m"), &options, 3, false);
        CHECK_OK(clipc_model_open(&opened, test_path("m"), NULL, &err), err);
        clipc_ctx *context = make_ctx(opened, 1);
        params.cache_dir = test_path("cache");
        CHECK_OK(clipc_labels_create(&made, context, &words, 1, &params, &err),
                 err);
        const float *v = label_vectors(made, NULL, NULL, NULL);
        if (i == 0)
            memcpy(kept, v, sizeof kept);
        CHECK((memcmp(kept, v, sizeof kept) == 0) == (i < 2));
        clipc_labels_free(made);
        clipc_ctx_free(context);
        clipc_model_free(opened);
    }
}

/* ---- mutations --------------------------------------------------------- */

/* The safetensors twin of mutations_do_no_harm in test_torch.c: every answer
 * is a status. */
TEST(mutations_of_safetensors_do_no_harm)
{
    enum { N_MUTATIONS = 20000 };
    static volatile unsigned char sum;
    uint64_t random = 7;
    builder b = { 0 };
    size_t n_good = 0;
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":"
        "[0,24]},\"a.bias\":{\"dtype\":\"F16\",\"shape\":[3],"
        "\"data_offsets\":[24,30]},\"ids\":{\"dtype\":\"I64\",\"shape\":[1,2],"
        "\"data_offsets\":[30,46]}}";

    build_number(&b, sizeof header - 1, 8);
    build_string(&b, header);
    for (int i = 0; i < 46; i++)
        build_number(&b, (uint64_t)i, 1);
    for (size_t i = 0; i < b.n + N_MUTATIONS; i++) {
        /* First every prefix, then the mutations. */
        size_t n = i < b.n ? i : b.n;
        unsigned char *copy = malloc(n ? n : 1);
        clipc_tensor_files *weights;
        CHECK(copy != NULL);
        memcpy(copy, b.data, n);
        for (size_t j = i % 4; i >= b.n && j < 4; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            copy[(random >> 33) % n] = (unsigned char)(random >> 20);
        }
        clipc_status status = clipc_tensor_files_open_memory(&weights, copy, n,
                                                             "m", LIMIT, &err);
        if (status == CLIPC_OK) {
            n_good++;
            for (size_t t = 0; t < clipc_tensor_files_count(weights); t++) {
                const clipc_tensor *tensor = clipc_tensor_files_at(weights, t);
                for (size_t j = 0; j < tensor->n_bytes; j++)
                    sum = (unsigned char)(sum ^ tensor->data[j]);
            }
        }
        CHECK(i >= b.n || status == CLIPC_ERR_TRUNCATED);
        clipc_tensor_files_free(weights);
        free(copy);
    }
    build_free(&b);
    CHECK(n_good > 100 && n_good < N_MUTATIONS / 2);
}
