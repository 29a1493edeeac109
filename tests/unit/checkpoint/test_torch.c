/* SPDX-License-Identifier: MIT
 *
 * test_torch.c - lib/checkpoint/torch.c on files that PyTorch wrote (see
 * tests/golden/make_torch.py): the tensors read, the refusals and their
 * messages; every prefix and many mutations of one file.
 */
#include "support/containers.h"
#include "support/test.h"
#include "checkpoint/tensor_files.h"

#include <stdlib.h>
#include <unistd.h>

#define FOLDER "tests/data/torch/"
#define LIMIT ((size_t)8 << 20)

static clipc_tensor_files *open_file(const char *name)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *torch;
    char path[128];

    snprintf(path, sizeof path, FOLDER "%s", name);
    CHECK_OK(clipc_tensor_files_open_file(&torch, path, CLIPC_LOAD_MAP, LIMIT,
                                          &err),
             err);
    return torch;
}

static const clipc_tensor *find(const clipc_tensor_files *torch,
                                const char *name)
{
    const clipc_tensor *tensor = clipc_tensor_files_find(torch, name);

    if (!tensor)
        FAIL("no tensor %s", name);
    return tensor;
}

/* Element i is (first + i) % 17 - 8. */
static void check_f32(const clipc_tensor_files *torch, const char *name,
                      size_t first, size_t n)
{
    const clipc_tensor *tensor = find(torch, name);

    CHECK_STR(tensor->dtype_name, "F32");
    CHECK_INT(tensor->dtype, CLIPC_DTYPE_F32);
    CHECK_INT(tensor->n_elements, n);
    CHECK_INT(tensor->n_bytes, 4 * n);
    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, tensor->data + 4 * i, 4);
        CHECK_INT(value, (int)((first + i) % 17) - 8);
    }
}

/* ---- tensors that are read --------------------------------------------- */

TEST(state_dicts_of_every_protocol_are_read)
{
    static const char *const names[] = { "state-dict.bin", "protocol-3.bin",
                                         "protocol-4.bin", "protocol-5.bin",
                                         "training.pt" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        clipc_tensor_files *torch = open_file(names[i]);
        CHECK_INT(clipc_tensor_files_count(torch), 2);
        check_f32(torch, "weight", 0, 6);
        check_f32(torch, "bias", 0, 2);
        CHECK_INT(find(torch, "weight")->rank, 2);
        CHECK_INT(find(torch, "weight")->shape[0], 2);
        CHECK_INT(find(torch, "weight")->shape[1], 3);
        CHECK_HAS(clipc_tensor_files_name(torch), names[i]);
        clipc_tensor_files_free(torch);
    }
}

TEST(dtypes_are_those_of_pytorch)
{
    static const struct {
        const char *name, *dtype_name;
        clipc_dtype dtype;
        size_t bytes;
        unsigned char first[8]; /* -8, or 8, or true */
    } kinds[] = {
        { "f32", "F32", CLIPC_DTYPE_F32, 4, { 0, 0, 0, 0xC1 } },
        { "f16", "F16", CLIPC_DTYPE_F16, 2, { 0, 0xC8 } },
        { "bf16", "BF16", CLIPC_DTYPE_BF16, 2, { 0, 0xC1 } },
        { "f64", "F64", CLIPC_DTYPE_F64, 8, { 0, 0, 0, 0, 0, 0, 0x20, 0xC0 } },
        { "i64",
          "I64",
          CLIPC_DTYPE_OTHER,
          8,
          { 0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF } },
        { "i32", "I32", CLIPC_DTYPE_OTHER, 4, { 0xF8, 0xFF, 0xFF, 0xFF } },
        { "i16", "I16", CLIPC_DTYPE_OTHER, 2, { 0xF8, 0xFF } },
        { "i8", "I8", CLIPC_DTYPE_OTHER, 1, { 0xF8 } },
        { "u8", "U8", CLIPC_DTYPE_OTHER, 1, { 8 } },
        { "bool", "BOOL", CLIPC_DTYPE_OTHER, 1, { 1 } },
        { "c64", "C64", CLIPC_DTYPE_OTHER, 8, { 0, 0, 0, 0xC1 } },
    };
    const size_t n = sizeof kinds / sizeof kinds[0];
    clipc_tensor_files *torch = open_file("dtypes.bin");

    CHECK_INT(clipc_tensor_files_count(torch), n);
    for (size_t i = 0; i < n; i++) {
        const clipc_tensor *tensor = find(torch, kinds[i].name);
        CHECK_STR(tensor->dtype_name, kinds[i].dtype_name);
        CHECK_INT(tensor->dtype, kinds[i].dtype);
        CHECK_INT(tensor->n_bytes, 6 * kinds[i].bytes);
        CHECK_BYTES(tensor->data, kinds[i].first, kinds[i].bytes);
        CHECK_INT((uintptr_t)tensor->data % 64, 0);
    }
    clipc_tensor_files_free(torch);
}

TEST(shapes_of_all_ranks_are_read)
{
    clipc_tensor_files *torch = open_file("shapes.bin");

    CHECK_INT(clipc_tensor_files_count(torch), 5);
    CHECK_INT(find(torch, "scalar")->rank, 0);
    CHECK_INT(find(torch, "scalar")->n_elements, 1);
    CHECK_INT(find(torch, "empty")->rank, 2);
    CHECK_INT(find(torch, "empty")->shape[1], 4);
    CHECK_INT(find(torch, "empty")->n_bytes, 0);
    CHECK_INT(find(torch, "one")->rank, 3);
    CHECK_INT(find(torch, "eight")->rank, 8);
    CHECK_INT(find(torch, "eight")->n_elements, 16);
    const clipc_tensor *ids = find(torch, "position_ids");
    CHECK_INT(ids->rank, 2);
    CHECK_INT(ids->shape[1], 77);
    for (int i = 0; i < 77; i++)
        CHECK_INT(ids->data[8 * i], i);
    clipc_tensor_files_free(torch);
}

TEST(views_share_their_storage)
{
    clipc_tensor_files *torch = open_file("shared.bin");
    const clipc_tensor *whole = find(torch, "whole");

    CHECK_INT(clipc_tensor_files_count(torch), 5);
    check_f32(torch, "whole", 0, 24);
    check_f32(torch, "tied", 0, 24);
    check_f32(torch, "rows", 6, 12);
    check_f32(torch, "last", 18, 6);
    check_f32(torch, "copy", 0, 24);
    CHECK(find(torch, "tied")->data == whole->data);
    CHECK(find(torch, "rows")->data == whole->data + 4 * 6);
    CHECK(find(torch, "copy")->data != whole->data);
    clipc_tensor_files_forget(torch, whole);
    check_f32(torch, "whole", 0, 24);
    clipc_tensor_files_free(torch);
}

TEST(parameters_and_what_is_beside_tensors)
{
    clipc_tensor_files *torch = open_file("parameter.bin");
    check_f32(torch, "weight", 0, 6);
    check_f32(torch, "frozen", 0, 3);
    clipc_tensor_files_free(torch);

    torch = open_file("more.bin");
    CHECK_INT(clipc_tensor_files_count(torch), 1);
    check_f32(torch, "weight", 0, 6);
    clipc_tensor_files_free(torch);

    torch = open_file("no-crc.bin");
    check_f32(torch, "weight", 0, 6);
    clipc_tensor_files_free(torch);
}

/* Everything that torch.load(weights_only=True) admits lies beside the tensors,
 * or around them; named.bin has each admitted name once. */
TEST(what_torch_admits_beside_tensors_is_passed_over)
{
    static const char *const names[] = { "beside.bin", "around.bin" };
    clipc_tensor_files *torch;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        torch = open_file(names[i]);
        CHECK_INT(clipc_tensor_files_count(torch), i == 0 ? 14 : 3);
        check_f32(torch, "weight", 0, 6);
        check_f32(torch, "parameter", 0, 6);
        check_f32(torch, "attribute", 0, 6);
        clipc_tensor_files_free(torch);
    }
    torch = open_file("named.bin");
    CHECK_INT(clipc_tensor_files_count(torch), 1);
    check_f32(torch, "weight", 0, 6);
    clipc_tensor_files_free(torch);
}

TEST(tensors_without_numbers_say_what_they_are)
{
    static const char *const odd[][2] = {
        { "float8", "torch.float8_e4m3fn" },
        { "u16", "torch.uint16" },
        { "sparse", "a sparse tensor" },
        { "csr", "a sparse tensor" },
        { "quantized", "a quantized tensor" },
        { "channels", "a quantized tensor" },
        { "meta", "a meta tensor, without numbers" },
        { "nested", "a nested tensor" },
        { "conj", "a negative or conjugate view (resolve_neg())" },
        { "neg", "a negative or conjugate view (resolve_neg())" },
        { "c128", "C128" },
    };
    clipc_tensor_files *torch = open_file("beside.bin");

    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        const clipc_tensor *tensor = find(torch, odd[i][0]);
        CHECK_INT(tensor->dtype, CLIPC_DTYPE_OTHER);
        CHECK_STR(tensor->dtype_name, odd[i][1]);
        CHECK_INT(tensor->n_bytes, i == 10 ? 32 : 0);
    }
    clipc_tensor_files_free(torch);
}

/* Numbers of a tensor as the network gets them. */
static void check_own(const char *file, const char *name, const float *want,
                      size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *torch = open_file(file);
    const clipc_tensor *tensor = find(torch, name);
    float *numbers;

    CHECK_OK(clipc_tensor_files_own(torch, tensor, &numbers, &err), err);
    CHECK(!tensor->strided && tensor->dtype == CLIPC_DTYPE_F32);
    CHECK(tensor->data == (const unsigned char *)numbers);
    CHECK_INT(tensor->n_elements, n);
    CHECK_BYTES(numbers, want, n * sizeof *want);
    clipc_tensor_files_forget(torch, tensor);
    CHECK_BYTES(numbers, want, n * sizeof *want);
    clipc_tensor_files_free(torch);
}

TEST(views_are_read_in_the_order_of_their_shape)
{
    static const float transposed[] = { -8, -5, -7, -4, -6, -3 };
    static const float expanded[] = { -8, -7, -6, -8, -7, -6 };
    static const float strided[] = {
        -8, -7, -6, -2, -1, 0, 4, 5, 6, -7, -6, -5
    };
    static const float plain[] = { -8, -7, -6, -5, -4, -3 };

    check_own("transposed.bin", "weight", transposed, 6);
    check_own("expanded.bin", "weight", expanded, 6);
    check_own("strided.bin", "weight", strided, 12);
    check_own("dtypes.bin", "f64", plain, 6);
    check_own("dtypes.bin", "bf16", plain, 6);
}

/* An archive with views of one number, F32 [n[i]], named "0", "1", ... */
static clipc_tensor_files *open_views(builder *file, const size_t *n,
                                      size_t n_views)
{
    static const float number = 3;
    const size_t stride = 0;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *torch;
    builder pickle = { 0 };
    zip_builder z = { 0 };
    char name[24];

    build(&pickle, "\x80\2}(", 4);
    for (size_t i = 0; i < n_views; i++) {
        snprintf(name, sizeof name, "%zu", i);
        pickle_text(&pickle, name);
        pickle_tensor(&pickle, "FloatStorage", "0", 1, 0, 1, &n[i], &stride);
    }
    build_string(&pickle, "u.");
    zip_add(&z, "x/data.pkl", pickle.data, pickle.n);
    zip_add(&z, "x/data/0", &number, sizeof number);
    zip_end(&z, true);
    build_free(&pickle);
    *file = z.out;
    CHECK_OK(clipc_tensor_files_open_memory(&torch, file->data, file->n,
                                            "views", LIMIT, &err),
             err);
    return torch;
}

TEST(copies_of_views_are_bounded_by_the_size_of_the_file)
{
    const size_t free_floats = (size_t)16 << 20; /* 64 MiB */
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n[] = { 5, 1, (size_t)1 << 60 };
    clipc_tensor_files *torch;
    float *numbers;
    builder file;

    torch = open_views(&file, n, 3);
    CHECK_OK(clipc_tensor_files_own(torch, find(torch, "0"), &numbers, &err),
             err);
    for (size_t i = 0; i < 5; i++)
        CHECK(numbers[i] == 3);
    CHECK_STATUS(clipc_tensor_files_own(torch, find(torch, "2"), &numbers,
                                        &err),
                 CLIPC_ERR_LIMIT);
    CHECK(numbers == NULL);
    CHECK_HAS(err.message, "views: tensor 2: a copy of its 115292150460");
    clipc_tensor_files_free(torch);

    /* Four bytes a number, and four times the bytes of the file: together all
     * that is free, then one number more. The size does not depend on n. */
    n[0] = free_floats;
    n[2] = file.n;
    build_free(&file);
    torch = open_views(&file, n, 3);
    CHECK_INT(file.n, n[2]);
    CHECK_OK(clipc_tensor_files_admit_copy(torch, find(torch, "0"), &err),
             err);
    CHECK_OK(clipc_tensor_files_admit_copy(torch, find(torch, "2"), &err),
             err);
    CHECK_STATUS(clipc_tensor_files_admit_copy(torch, find(torch, "1"), &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "tensor 1: a copy of its 1 numbers");
    clipc_tensor_files_free(torch);
    build_free(&file);
}

/* ---- refusals ---------------------------------------------------------- */

/* The message names the file too. */
static void check_refused(const char *path, clipc_status want,
                          const char *message)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *torch;

    CHECK_STATUS(clipc_tensor_files_open_file(&torch, path, CLIPC_LOAD_READ,
                                              LIMIT, &err),
                 want);
    CHECK(torch == NULL);
    CHECK_HAS(err.message, message);
    CHECK_HAS(err.message, strrchr(path, '/') + 1);
}

TEST(other_files_are_refused_by_name)
{
    static const struct {
        const char *name;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "script.pt", CLIPC_ERR_UNSUPPORTED, "TorchScript" },
        { "size.bin", CLIPC_ERR_UNSUPPORTED,
          "it is torch.Size, not a dictionary" },
        { "counted.bin", CLIPC_ERR_UNSUPPORTED,
          "state_dict is collections.Counter, not a dictionary" },
        { "module.bin", CLIPC_ERR_UNSUPPORTED,
          "torch.nn.modules.linear.Linear" },
        { "tensor.bin", CLIPC_ERR_UNSUPPORTED, "not a dictionary" },
        { "list.bin", CLIPC_ERR_UNSUPPORTED, "not a dictionary" },
        { "none.bin", CLIPC_ERR_UNSUPPORTED, "no tensor" },
        { "bare.bin", CLIPC_ERR_FORMAT, "a Python pickle" },
        /* pickles that are programs */
        { "os-system.bin", CLIPC_ERR_UNSUPPORTED, "os.system" },
        { "posix-system.bin", CLIPC_ERR_UNSUPPORTED, "posix.system" },
        { "eval.bin", CLIPC_ERR_UNSUPPORTED, "builtins.eval" },
        { "stack-global.bin", CLIPC_ERR_UNSUPPORTED, "os.system" },
        { "inst.bin", CLIPC_ERR_UNSUPPORTED, "instruction INST" },
        { "obj.bin", CLIPC_ERR_UNSUPPORTED, "os.system" },
        { "newobj.bin", CLIPC_ERR_UNSUPPORTED, "subprocess.Popen" },
        { "ext.bin", CLIPC_ERR_UNSUPPORTED, "instruction EXT1" },
        { "dotted.bin", CLIPC_ERR_UNSUPPORTED, "OrderedDict.__init__" },
        { "torch-load.bin", CLIPC_ERR_UNSUPPORTED, "torch.load" },
        { "storage-call.bin", CLIPC_ERR_FORMAT, "not a function" },
        { "ordered.bin", CLIPC_ERR_UNSUPPORTED, "a call that" },
        { "build.bin", CLIPC_ERR_UNSUPPORTED, "sets attributes" },
        { "persistent.bin", CLIPC_ERR_FORMAT, "not a storage" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, FOLDER "%s", cases[i].name);
        check_refused(path, cases[i].status, cases[i].message);
    }
    CHECK(access("/tmp/clipc-was-here", F_OK) != 0);
}

TEST(other_formats_are_recognised)
{
    static const struct {
        const char *bytes;
        size_t n;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "", 0, CLIPC_ERR_TRUNCATED, "no zip archive" },
        { "PK", 2, CLIPC_ERR_TRUNCATED, "no zip archive" },
        { "PK\3", 3, CLIPC_ERR_TRUNCATED, "no zip archive" },
        { "PK\3\4", 4, CLIPC_ERR_TRUNCATED, "cut off" },
        { "version https://git-lfs.github.com/spec/v1\n", 43, CLIPC_ERR_FORMAT,
          "Git LFS pointer" },
        { "\x02\0\0\0\0\0\0\0{\"a\"", 12, CLIPC_ERR_FORMAT, "safetensors" },
        { "GGUF\3\0\0\0", 8, CLIPC_ERR_FORMAT, "GGUF" },
        { "\x89HDF\r\n\x1a\n", 8, CLIPC_ERR_FORMAT, "HDF5" },
        { "<html>", 6, CLIPC_ERR_FORMAT, "HTML" },
        { "hello, world", 12, CLIPC_ERR_FORMAT, "a text file" },
    };
    const char *path = test_path("other.bin");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_write(path, cases[i].bytes, cases[i].n);
        check_refused(path, cases[i].status, cases[i].message);
    }
}

TEST(a_tar_is_refused_by_name)
{
    static char tar[512];
    const char *path = test_path("tar.bin");

    memcpy(tar, "sys_info", 8);
    memcpy(tar + 257, "ustar", 5);
    test_write(path, tar, sizeof tar);
    check_refused(path, CLIPC_ERR_UNSUPPORTED, "before 0.1.10");
}

/* ---- the form before 1.6 ----------------------------------------------- */

TEST(the_form_before_1_6_is_read)
{
    clipc_tensor_files *torch = open_file("old.bin");
    const unsigned char *odd;

    CHECK_INT(clipc_tensor_files_count(torch), 1);
    check_f32(torch, "weight", 0, 6);
    clipc_tensor_files_free(torch);

    torch = open_file("old-shared.bin");
    CHECK_INT(clipc_tensor_files_count(torch), 10);
    check_f32(torch, "whole", 0, 24);
    check_f32(torch, "tied", 0, 24);
    check_f32(torch, "rows", 6, 12);
    check_f32(torch, "last", 18, 6);
    check_f32(torch, "copy", 0, 24);
    CHECK(find(torch, "tied")->data == find(torch, "whole")->data);
    CHECK(find(torch, "copy")->data != find(torch, "whole")->data);
    CHECK_STR(find(torch, "f16")->dtype_name, "F16");
    CHECK_INT(find(torch, "empty")->shape[1], 4);
    odd = find(torch, "odd")->data;
    for (int i = 0; i < 5; i++)
        CHECK_INT(odd[i], 8 - i);
    clipc_tensor_files_free(torch);

    torch = open_file("old-training.pt");
    CHECK_INT(clipc_tensor_files_count(torch), 3);
    check_f32(torch, "weight", 0, 6);
    check_f32(torch, "bias", 0, 2);
    CHECK_STR(find(torch, "sparse")->dtype_name, "a sparse tensor");
    clipc_tensor_files_free(torch);
}

#define MAGIC "\x80\2\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19."
#define VERSION "\x80\2M\xE9\3."
#define LITTLE "\x80\2}X\x0D\0\0\0little_endian\x88s."
#define STORAGE(key, view) \
    "(X\7\0\0\0storagectorch\nFloatStorage\n" key "X\3\0\0\0cpuK\2" view "tQ"
#define KEY \
    "X\1\0\0\0" \
    "7"
#define OTHER_KEY \
    "X\1\0\0\0" \
    "8"
#define REBUILT(storage) \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage "K\0K\2\x85K\1\x85\x89" \
    "NtR"
#define OBJECT "\x80\2}X\1\0\0\0a" REBUILT(STORAGE(KEY, "N")) "s."
#define KEYS "\x80\2]" KEY "a."
#define BYTES \
    "\2\0\0\0\0\0\0\0" \
    "\0\0\0\xC1\0\0\xE0\xC0"
#define CASE(program, status, message) \
    { \
        "" program, sizeof program - 1, status, message \
    }

TEST(damaged_files_of_the_form_before_1_6_are_refused)
{
    static const struct {
        const char *bytes;
        size_t n;
        clipc_status status;
        const char *message;
    } cases[] = {
        CASE(MAGIC VERSION LITTLE OBJECT KEYS BYTES, CLIPC_OK, ""),
        CASE(MAGIC VERSION LITTLE OBJECT KEYS BYTES "more", CLIPC_OK, ""),
        CASE(MAGIC VERSION LITTLE OBJECT KEYS BYTES "", CLIPC_OK, ""),
        /* the pickles before the dictionary */
        CASE(MAGIC, CLIPC_ERR_TRUNCATED, "ends inside"),
        CASE(MAGIC "\x80\2M\xE8\3." LITTLE OBJECT KEYS BYTES,
             CLIPC_ERR_UNSUPPORTED, "another version"),
        CASE(MAGIC "\x80\2N." LITTLE OBJECT KEYS BYTES, CLIPC_ERR_UNSUPPORTED,
             "another version"),
        CASE(MAGIC VERSION "\x80\2N." OBJECT KEYS BYTES, CLIPC_ERR_FORMAT,
             "byte order"),
        CASE(MAGIC VERSION "\x80\2}." OBJECT KEYS BYTES, CLIPC_ERR_FORMAT,
             "byte order"),
        CASE(MAGIC VERSION
             "\x80\2}X\x0D\0\0\0little_endianK\1s." OBJECT KEYS BYTES,
             CLIPC_ERR_FORMAT, "byte order"),
        CASE(MAGIC VERSION
             "\x80\2}X\x0D\0\0\0little_endian\x89s." OBJECT KEYS BYTES,
             CLIPC_ERR_UNSUPPORTED, "not little-endian"),
        CASE(MAGIC VERSION "\x80\2"
                           "cos\nsystem\n",
             CLIPC_ERR_UNSUPPORTED, "os.system"),
        /* the dictionary */
        CASE(MAGIC VERSION LITTLE "\x80\2N." KEYS BYTES, CLIPC_ERR_FORMAT,
             "that nothing has"),
        CASE(MAGIC VERSION LITTLE "\x80\2]" STORAGE(KEY, "N") "a." KEYS BYTES,
             CLIPC_ERR_UNSUPPORTED, "not a dictionary"),
        CASE(MAGIC VERSION LITTLE "\x80\2" STORAGE(KEY, "") "." KEYS BYTES,
             CLIPC_ERR_FORMAT, "not a storage"),
        CASE(MAGIC VERSION LITTLE
             "\x80\2" STORAGE(KEY, "(K\1t") "." KEYS BYTES,
             CLIPC_ERR_UNSUPPORTED, "a view of another"),
        CASE(MAGIC VERSION LITTLE "\x80\2" STORAGE(KEY, "\x89") "." KEYS BYTES,
             CLIPC_ERR_UNSUPPORTED, "a view of another"),
        CASE(MAGIC VERSION LITTLE
             "\x80\2" STORAGE("X\x41\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                              "N"),
             CLIPC_ERR_LIMIT, "64 bytes"),
        /* the keys */
        CASE(MAGIC VERSION LITTLE OBJECT "\x80\2}.", CLIPC_ERR_FORMAT,
             "not a list"),
        CASE(MAGIC VERSION LITTLE OBJECT "\x80\2]K\7a.", CLIPC_ERR_FORMAT,
             "not a text"),
        CASE(MAGIC VERSION LITTLE OBJECT "\x80\2](" KEY "]e.",
             CLIPC_ERR_FORMAT, "not a text"),
        CASE(MAGIC VERSION LITTLE OBJECT "\x80\2]" OTHER_KEY "a." BYTES,
             CLIPC_ERR_FORMAT, "that nothing has"),
        CASE(MAGIC VERSION LITTLE OBJECT "\x80\2]." BYTES, CLIPC_ERR_FORMAT,
             "tensor a: the file has no such storage"),
        CASE(MAGIC VERSION LITTLE OBJECT "\x80\2](" KEY KEY "e." BYTES BYTES,
             CLIPC_ERR_FORMAT, "storage 7 is there twice"),
        /* the storages */
        CASE(MAGIC VERSION LITTLE OBJECT KEYS, CLIPC_ERR_TRUNCATED,
             "storage 7: the file ends before it"),
        CASE(MAGIC VERSION LITTLE OBJECT KEYS "\2\0\0\0\0\0\0\0"
                                              "1234567",
             CLIPC_ERR_TRUNCATED, "storage 7: the file ends inside it"),
        CASE(MAGIC VERSION LITTLE OBJECT KEYS "\3\0\0\0\0\0\0\0"
                                              "12345678"
                                              "1234",
             CLIPC_ERR_FORMAT, "storage 7: it has another size"),
        CASE(MAGIC VERSION LITTLE OBJECT KEYS "\2\0\0\0\0\0\0\x80"
                                              "12345678",
             CLIPC_ERR_FORMAT, "storage 7: it has another size"),
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tensor_files *torch;
        clipc_status status = clipc_tensor_files_open_memory(&torch,
                                                             cases[i].bytes,
                                                             cases[i].n, "old",
                                                             LIMIT, &err);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("case %zu: %s: %s", i, clipc_status_name(status),
                 err.message);
        if (torch) {
            float numbers[2];
            memcpy(numbers, find(torch, "a")->data, sizeof numbers);
            CHECK(numbers[0] == -8 && numbers[1] == -7);
        }
        clipc_tensor_files_free(torch);
    }
}

TEST(the_pickles_before_1_6_are_bounded_as_a_header_is)
{
    static const char file[] = MAGIC VERSION LITTLE OBJECT KEYS BYTES;
    const size_t header = sizeof(MAGIC VERSION LITTLE OBJECT KEYS) - 1;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *torch;

    CHECK_OK(clipc_tensor_files_open_memory(&torch, file, sizeof file - 1, "m",
                                            header, &err),
             err);
    CHECK_INT(clipc_tensor_files_file(torch, 0)->header_bytes, header);
    clipc_tensor_files_free(torch);
    CHECK_STATUS(clipc_tensor_files_open_memory(&torch, file, sizeof file - 1,
                                                "m", header - 1, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_header_bytes");
}

/* ---- prefixes and mutations -------------------------------------------- */

static volatile unsigned char sum;

/* Opens a copy in an allocation of its size and reads all tensors: a sanitizer
 * sees a step outside. */
static clipc_status open_copy(const unsigned char *data, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *torch;
    unsigned char *copy = malloc(n ? n : 1);

    CHECK(copy != NULL);
    memcpy(copy, data, n);
    clipc_status status = clipc_tensor_files_open_memory(&torch, copy, n,
                                                         "m.bin", LIMIT, &err);
    CHECK((status == CLIPC_OK) == (torch != NULL));
    if (status == CLIPC_OK) {
        for (size_t i = 0; i < clipc_tensor_files_count(torch); i++) {
            const clipc_tensor *tensor = clipc_tensor_files_at(torch, i);
            for (size_t j = 0; j < tensor->n_bytes; j++)
                sum = (unsigned char)(sum ^ tensor->data[j]);
        }
    } else {
        CHECK(status == CLIPC_ERR_FORMAT || status == CLIPC_ERR_TRUNCATED ||
              status == CLIPC_ERR_UNSUPPORTED || status == CLIPC_ERR_LIMIT);
        CHECK(err.message[0] != '\0');
    }
    clipc_tensor_files_free(torch);
    free(copy);
    return status;
}

TEST(every_prefix_is_refused)
{
    static const char *const names[] = { "state-dict.bin", "training.pt" };

    for (size_t i = 0; i < 2; i++) {
        char path[128];
        size_t n;
        snprintf(path, sizeof path, FOLDER "%s", names[i]);
        char *data = test_read(path, &n);
        CHECK_STATUS(open_copy((unsigned char *)data, n), CLIPC_OK);
        /* Fewer than 4 bytes do not look like a zip archive. */
        for (size_t cut = 4; cut < n; cut++)
            CHECK_STATUS(open_copy((unsigned char *)data, cut),
                         CLIPC_ERR_TRUNCATED);
        free(data);
    }
}

TEST(every_prefix_of_the_form_before_1_6_is_refused)
{
    size_t n;
    char *data = test_read(FOLDER "old-training.pt", &n);

    CHECK_STATUS(open_copy((unsigned char *)data, n), CLIPC_OK);
    for (size_t cut = sizeof MAGIC - 1; cut < n; cut++)
        CHECK_STATUS(open_copy((unsigned char *)data, cut),
                     CLIPC_ERR_TRUNCATED);
    free(data);
}

/* One to four bytes changed: any answer is allowed, a crash is not. */
static void mutate(const char *path)
{
    enum { N_MUTATIONS = 20000 };
    uint64_t random = 5;
    size_t n, n_good = 0;
    char *data = test_read(path, &n);
    char *changed = malloc(n);

    CHECK(changed != NULL);
    for (int i = 0; i < N_MUTATIONS; i++) {
        memcpy(changed, data, n);
        for (int j = i % 4; j >= 0; j--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            changed[(random >> 33) % n] = (char)(random >> 20);
        }
        n_good += open_copy((unsigned char *)changed, n) == CLIPC_OK;
    }
    /* Padding, dates and the tensors' own bytes may change. */
    CHECK(n_good > 100 && n_good < N_MUTATIONS / 2);
    free(changed);
    free(data);
}

TEST(mutations_do_no_harm)
{
    mutate(FOLDER "state-dict.bin");
    mutate(FOLDER "old-shared.bin");
}
