/* SPDX-License-Identifier: MIT
 *
 * test_packed.c - packed files. A packed file gives the bits of its source
 * model, and no damage is worse than an error.
 */
#include "base/json.h"
#include "support/containers.h"
#include "support/files.h"
#include "support/fixture.h"
#include "checkpoint/packed_file.h"

enum { N_TEXTS = 5, N_EMBEDDINGS = 1 + N_TEXTS };

static const char *const words[N_TEXTS] = {
    "a red car", "", "Volvo 240 caf\xc3\xa9, 12 <|endoftext|>",
    "blue truck blue truck blue truck", "car"
};

static const clipc_precision precisions[] = { CLIPC_PRECISION_F32,
                                              CLIPC_PRECISION_BF16,
                                              CLIPC_PRECISION_INT8 };
enum { N_PRECISIONS = 3 };

/* ---- packing and embedding --------------------------------------------- */

/* The bytes of the tiny model packed, malloc'ed. */
static unsigned char *pack(const tiny_model_options *options,
                           clipc_precision precision, size_t *n)
{
    const char *path = test_path("packed");
    clipc_model_files made;
    clipc_model *from = open_tiny(&made, options);

    err = (clipc_error)CLIPC_ERROR_INIT;
    CHECK_OK(clipc_model_pack(from, path, precision, NULL, &err), err);
    clipc_model_free(from);
    tiny_model_free(&made);
    return (unsigned char *)test_read(path, n);
}

static clipc_model *open_bytes(const void *data, size_t n)
{
    clipc_model_files one = { .struct_size = sizeof one,
                              .weights = data,
                              .weights_bytes = n };
    clipc_model *opened;
    CHECK_OK(clipc_model_open_memory(&opened, &one, NULL, &err), err);
    return opened;
}

/* An image and the texts: [N_EMBEDDINGS, DIM]. */
static void embed(const clipc_model *of, clipc_precision precision,
                  clipc_gemm gemm, float *out)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_text texts[N_TEXTS];
    clipc_ctx *with;

    params.threads = 1;
    params.gemm = gemm;
    params.precision = precision;
    CHECK_OK(clipc_ctx_create(&with, of, &params, &err), err);
    clipc_image *image = draw(3, 40, 50, of);
    CHECK_OK(clipc_encode_images(with, &image, 1, out, 0, &err), err);
    for (size_t i = 0; i < N_TEXTS; i++)
        texts[i] = text(words[i]);
    CHECK_OK(clipc_encode_texts(with, texts, N_TEXTS, out + DIM, 0, &err),
             err);
    clipc_image_free(image);
    clipc_ctx_free(with);
}

static void check_equal(const clipc_model *packed, const float *want)
{
    float got[N_EMBEDDINGS * DIM];
    embed(packed, CLIPC_PRECISION_AUTO, CLIPC_GEMM_NATIVE, got);
    CHECK_BYTES(got, want, sizeof got);
}

static void check_round_trip(const tiny_model_options *options)
{
    for (size_t i = 0; i < N_PRECISIONS; i++) {
        clipc_model_params params = clipc_model_params_default();
        clipc_model_files made;
        clipc_model *from = open_tiny(&made, options), *opened;
        float want[N_EMBEDDINGS * DIM];
        size_t n;

        embed(from, precisions[i], CLIPC_GEMM_NATIVE, want);
        unsigned char *bytes = pack(options, precisions[i], &n);
        for (int load = CLIPC_LOAD_MAP; load <= CLIPC_LOAD_READ; load++) {
            params.load = (clipc_load)load;
            CHECK_OK(clipc_model_open(&opened, test_path("packed"), &params,
                                      &err),
                     err);
            check_equal(opened, want);
            clipc_model_free(opened);
        }
        /* Bytes that begin on no cache line, and at an odd address. */
        for (size_t shift = 0; shift < 66; shift += 13) {
            unsigned char *copy = malloc(n + shift);
            CHECK(copy != NULL);
            memcpy(copy + shift, bytes, n);
            opened = open_bytes(copy + shift, n);
            check_equal(opened, want);
            clipc_model_free(opened);
            free(copy);
        }
        free(bytes);
        clipc_model_free(from);
        tiny_model_free(&made);
    }
}

TEST(a_packed_file_gives_the_same_bits)
{
    check_round_trip(NULL);
}

TEST(so_it_does_of_other_checkpoints)
{
    check_round_trip(
        &(tiny_model_options){ .dtype = "F16", .vocab_merges = 1 });
    check_round_trip(&(tiny_model_options){
        .dtype = "BF16", .misaligned = 1, .activation = "gelu" });
    check_round_trip(
        &(tiny_model_options){ .seed = 5, .old_eos = 1, .position_ids = 1 });
}

TEST(openblas_runs_on_packed_f32_alone)
{
    clipc_build_info cpu = { .struct_size = sizeof cpu };
    clipc_ctx_params params = clipc_ctx_params_default();
    float got[N_EMBEDDINGS * DIM], want[N_EMBEDDINGS * DIM];
    clipc_ctx *none;
    size_t n;

    CHECK_OK(clipc_get_build_info(&cpu, &err), err);
    if (!cpu.openblas)
        SKIP("no OpenBLAS here");
    unsigned char *bytes = pack(NULL, CLIPC_PRECISION_F32, &n);
    clipc_model *packed = open_bytes(bytes, n);
    embed(packed, CLIPC_PRECISION_AUTO, CLIPC_GEMM_NATIVE, want);
    embed(packed, CLIPC_PRECISION_F32, CLIPC_GEMM_OPENBLAS, got);
    for (size_t i = 0; i < N_EMBEDDINGS * DIM; i++)
        CHECK_NEAR(got[i], want[i], 1e-5);
    clipc_model_free(packed);
    free(bytes);

    bytes = pack(NULL, CLIPC_PRECISION_INT8, &n);
    packed = open_bytes(bytes, n);
    params.gemm = CLIPC_GEMM_OPENBLAS;
    CHECK_STATUS(clipc_ctx_create(&none, packed, &params, &err),
                 CLIPC_ERR_UNSUPPORTED);
    clipc_model_free(packed);
    free(bytes);
}

TEST(another_precision_than_the_file_has_is_refused)
{
    static const char *const names[] = { "packed for f32", "packed for bf16",
                                         "packed for int8" };
    for (size_t i = 0; i < N_PRECISIONS; i++) {
        size_t n;
        unsigned char *bytes = pack(NULL, precisions[i], &n);
        clipc_model *packed = open_bytes(bytes, n);
        for (size_t k = 0; k < N_PRECISIONS; k++) {
            clipc_ctx_params params = clipc_ctx_params_default();
            clipc_ctx *made;
            params.precision = precisions[k];
            clipc_status status = clipc_ctx_create(&made, packed, &params,
                                                   &err);
            CHECK_INT(status, i == k ? CLIPC_OK : CLIPC_ERR_UNSUPPORTED);
            if (i != k)
                CHECK_HAS(err.message, names[i]);
            clipc_ctx_free(made);
        }
        clipc_model_free(packed);
        free(bytes);
    }
}

TEST(what_a_packed_file_says_of_itself)
{
    static const char *const dtypes[] = { "packed f32", "packed bf16",
                                          "packed int8" };
    clipc_model_info a = { .struct_size = sizeof a }, b = a;

    open_all();
    CHECK_OK(clipc_model_get_info(model, &a, &err), err);
    for (size_t i = 0; i < N_PRECISIONS; i++) {
        size_t n;
        unsigned char *bytes = pack(NULL, precisions[i], &n);
        clipc_model *packed = open_bytes(bytes, n);
        CHECK_OK(clipc_model_get_info(packed, &b, &err), err);
        CHECK_STR(b.dtype, dtypes[i]);
        CHECK_STR(b.tokenizer, "packed file");
        CHECK_STR(b.preprocessing, "packed file");
        CHECK_INT(b.n_parameters, a.n_parameters);
        CHECK_INT(b.dim, a.dim);
        CHECK_INT(b.vocab_size, a.vocab_size);
        CHECK(b.logit_scale == a.logit_scale);
        CHECK_BYTES(b.mean, a.mean, sizeof a.mean);
        CHECK_BYTES(b.std, a.std, sizeof a.std);
        for (size_t t = 0; t < b.n_tensors; t++) {
            clipc_tensor_info info = { .struct_size = sizeof info };
            CHECK_OK(clipc_model_get_tensor(packed, t, &info, &err), err);
            CHECK_INT(info.used, 1);
            if (strncmp(info.name, "clipc.", 6) == 0)
                CHECK_STR(info.tower, "both");
        }
        clipc_model_free(packed);
        free(bytes);
    }
    close_all();
}

/* The image tower alone, of a model in a subfolder of a snapshot. */
TEST(a_part_of_a_model_says_what_it_has_and_whence)
{
#define COMMIT "0123456789abcdef0123456789abcdef01234567"
    static const char snapshot[] = "models--o--n/snapshots/" COMMIT;
    clipc_pack_params params = clipc_pack_params_default();
    clipc_model_info info = { .struct_size = sizeof info };
    char folder[300], path[400];
    clipc_model *from, *packed;
    size_t n;

    snprintf(folder, sizeof folder, "%s/%s", test_path("hub"), snapshot);
    CHECK_OK(clipc_folder_make(folder, &err), err);
    snprintf(path, sizeof path, "%s/0_CLIPModel", folder);
    tiny_model_write(path, NULL);
    CHECK_OK(clipc_model_open(&from, path, NULL, &err), err);
    params.towers = CLIPC_TOWER_IMAGE;
    CHECK_OK(clipc_model_pack(from, test_path("part"), CLIPC_PRECISION_F32,
                              &params, &err),
             err);
    clipc_model_free(from);
    CHECK_OK(clipc_model_open(&packed, test_path("part"), NULL, &err), err);
    CHECK_OK(clipc_model_get_info(packed, &info, &err), err);
    CHECK_STR(info.tokenizer, "none");
    CHECK_INT(info.has_text, 0);
    clipc_model_free(packed);
    char *bytes = test_read(test_path("part"), &n);
    uint64_t header_bytes;
    memcpy(&header_bytes, bytes, sizeof header_bytes);
    json_t *header;
    CHECK_OK(clipc_json_parse(&header, bytes + 8, header_bytes, "header",
                              &err),
             err);
    const json_t *metadata = json_object_get(header, "__metadata__");
    CHECK_STR(json_string_value(json_object_get(metadata, "source")), "o/n");
    CHECK_STR(json_string_value(json_object_get(metadata, "revision")),
              COMMIT);
    json_decref(header);
    free(bytes);
}

/* Named in the config of a folder, in memory, in a packed file. */
TEST(own_labels_go_into_a_packed_file)
{
    static const char member[] = "{\"clipc\": {\"labels\": \"birds\"}, ";
    const char *path = test_path("packed");
    clipc_model_info p = { .struct_size = sizeof p };

    err = (clipc_error)CLIPC_ERROR_INIT;
    for (int named = 0; named < 2; named++) {
        clipc_model_files made, given;
        clipc_model *from, *packed;

        tiny_model_files(&made, NULL);
        given = made;
        given.config_bytes += sizeof member - 2;
        char *config = malloc(given.config_bytes);
        CHECK(config != NULL);
        memcpy(config, member, sizeof member - 1);
        memcpy(config + sizeof member - 1, (const char *)made.config + 1,
               made.config_bytes - 1);
        if (named)
            given.config = config;
        else
            given = made;
        CHECK_OK(clipc_model_open_memory(&from, &given, NULL, &err), err);
        CHECK_OK(clipc_model_get_info(from, &p, &err), err);
        CHECK(named ? p.labels && strcmp(p.labels, "birds") == 0
                    : p.labels == NULL);
        CHECK_OK(clipc_model_pack(from, path, CLIPC_PRECISION_INT8, NULL,
                                  &err),
                 err);
        clipc_model_free(from);
        CHECK_OK(clipc_model_open(&packed, path, NULL, &err), err);
        CHECK_OK(clipc_model_get_info(packed, &p, &err), err);
        CHECK(named ? p.labels && strcmp(p.labels, "birds") == 0
                    : p.labels == NULL);
        clipc_model_free(packed);
        tiny_model_free(&made);
        free(config);
    }
}

TEST(packing_twice_gives_the_same_bytes_on_a_page)
{
    size_t n, again;
    unsigned char *bytes = pack(NULL, CLIPC_PRECISION_INT8, &n);
    unsigned char *other = pack(NULL, CLIPC_PRECISION_INT8, &again);
    uint64_t header;

    CHECK_INT(again, n);
    CHECK_BYTES(other, bytes, n);
    memcpy(&header, bytes, sizeof header);
    CHECK_INT((header + 8) % CLIPC_PACKED_ALIGNMENT, 0);
    CHECK_INT(bytes[8], '{');
    free(bytes);
    free(other);
}

/* ---- packing that fails ------------------------------------------------ */

static int stop_at(void *user, const clipc_progress *progress)
{
    size_t *calls = user;
    return progress->done > progress->total || (*calls)-- == 0;
}

TEST(packing_that_fails_leaves_nothing)
{
    clipc_pack_params params = clipc_pack_params_default();
    const char *path = test_path("new");
    size_t n, calls;

    unsigned char *bytes = pack(NULL, CLIPC_PRECISION_F32, &n);
    clipc_model *packed = open_bytes(bytes, n);
    open_all();
    size_t before = list_folder(test_folder(), "", "", NULL);

    CHECK_STATUS(clipc_model_pack(NULL, path, CLIPC_PRECISION_F32, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_pack(model, "", CLIPC_PRECISION_F32, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_pack(model, path, (clipc_precision)4, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_pack(model, test_path("no/new"),
                                  CLIPC_PRECISION_F32, NULL, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_STATUS(clipc_model_pack(model, test_folder(), CLIPC_PRECISION_F32,
                                  NULL, &err),
                 CLIPC_ERR_IO);
    CHECK_STATUS(clipc_model_pack(packed, path, CLIPC_PRECISION_F32, NULL,
                                  &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "packed already");
    params.source = "\xFF";
    CHECK_STATUS(clipc_model_pack(model, path, CLIPC_PRECISION_F32, &params,
                                  &err),
                 CLIPC_ERR_UTF8);
    params.source = NULL;
    params.progress = stop_at;
    params.progress_user = &calls;
    for (size_t i = 0; i < 40; i += 13) {
        calls = i;
        CHECK_STATUS(clipc_model_pack(model, path, CLIPC_PRECISION_INT8,
                                      &params, &err),
                     CLIPC_ERR_CANCELLED);
    }
    CHECK_INT(list_folder(test_folder(), "", "", NULL), before);
    calls = 100000;
    CHECK_OK(clipc_model_pack(model, path, CLIPC_PRECISION_AUTO, &params,
                              &err),
             err);
    CHECK_INT(list_folder(test_folder(), "", "", NULL), before + 1);
    close_all();
    clipc_model_free(packed);
    free(bytes);
}

/* ---- damage ------------------------------------------------------------ */

static clipc_status try_bytes(const void *data, size_t n)
{
    clipc_model_files one = { .struct_size = sizeof one,
                              .weights = data,
                              .weights_bytes = n };
    clipc_model *opened = (clipc_model *)1;

    err = (clipc_error)CLIPC_ERROR_INIT;
    clipc_status status = clipc_model_open_memory(&opened, &one, NULL, &err);
    CHECK((status == CLIPC_OK) == (opened != NULL));
    CHECK((status == CLIPC_OK) == (err.message[0] == '\0'));
    clipc_model_free(opened);
    return status;
}

/* Where the text is in the header. */
static unsigned char *find_text(unsigned char *bytes, const char *what)
{
    uint64_t header;
    size_t n = strlen(what);
    memcpy(&header, bytes, sizeof header);
    for (size_t i = 8; i + n < header; i++)
        if (memcmp(bytes + i, what, n) == 0)
            return bytes + i;
    FAIL("the header has no %s", what);
}

/* Begin and length of a tensor's bytes. */
static unsigned char *find_tensor(unsigned char *bytes, const char *name,
                                  size_t *n)
{
    uint64_t header;
    char key[128];
    size_t begin, stop;

    memcpy(&header, bytes, sizeof header);
    snprintf(key, sizeof key, "\"%s\":", name);
    char *at = (char *)find_text(bytes, key);
    at = strstr(at, "\"data_offsets\":[");
    CHECK(at && sscanf(at, "\"data_offsets\":[%zu,%zu]", &begin, &stop) == 2);
    *n = stop - begin;
    return bytes + 8 + header + begin;
}

#define LAYER "vision_model.encoder.layers.0.mlp.fc1.weight"

/* Text of the header replaced by one as long. */
static const struct {
    const char *from, *to;
    clipc_precision precision;
    clipc_status want;
    const char *piece;
} edits[] = {
    { "\"" LAYER "\"",
      "\""
      "visian_model.encoder.layers.0.mlp.fc1.weight\"",
      CLIPC_PRECISION_F32, CLIPC_ERR_FORMAT, "is missing" },
    { "\"" LAYER ".scale\"",
      "\"visian_model.encoder.layers.0.mlp.fc1.weight.scale\"",
      CLIPC_PRECISION_INT8, CLIPC_ERR_FORMAT, "fc1.weight.scale: is missing" },
    { "\"" LAYER ".sums\":{\"dtype\":\"I32\"",
      "\"" LAYER ".sums\":{\"dtype\":\"F32\"", CLIPC_PRECISION_INT8,
      CLIPC_ERR_FORMAT, "number for each column" },
    { "\"" LAYER "\":{\"dtype\":\"F32\",\"shape\":[5,32,16]",
      "\"" LAYER "\":{\"dtype\":\"F32\",\"shape\":[5,16,32]",
      CLIPC_PRECISION_F32, CLIPC_ERR_FORMAT, "another shape" },
    { "\"" LAYER "\":{\"dtype\":\"F32\"", "\"" LAYER "\":{\"dtype\":\"I32\"",
      CLIPC_PRECISION_F32, CLIPC_ERR_FORMAT, "manifest's precision" },
    { "\"" LAYER "\":{\"dtype\":\"I8\"", "\"" LAYER "\":{\"dtype\":\"U8\"",
      CLIPC_PRECISION_INT8, CLIPC_ERR_FORMAT, "manifest's precision" },
    { "\"" LAYER "\":{\"dtype\":\"BF16\",",
      "\"" LAYER "\":{\"dtype\":\"F16\" ,", CLIPC_PRECISION_BF16,
      CLIPC_ERR_FORMAT, "manifest's precision" },
    { "\"clipc.manifest\":{\"dtype\":\"U8\"",
      "\"clipc.manifest\":{\"dtype\":\"I8\"", CLIPC_PRECISION_F32,
      CLIPC_ERR_FORMAT, "row of bytes" },
    { "\"clipc.tokenizer\"", "\"clipc.tokeniser\"", CLIPC_PRECISION_F32,
      CLIPC_ERR_FORMAT, "clipc.tokenizer: is missing" },
    { "\"clipc.config.json\"", "\"clipc.config.jsan\"", CLIPC_PRECISION_F32,
      CLIPC_ERR_FORMAT, "clipc.config.json: is missing" },
    { "\"clipc.manifest\"", "\"clipc.menifest\"", CLIPC_PRECISION_F32,
      CLIPC_ERR_ARGUMENT, "files->config" },
    { "\"logit_scale\"", "\"logit_scala\"", CLIPC_PRECISION_F32,
      CLIPC_ERR_CONFIG, "logit_scale is missing" },
};

TEST(edited_headers_are_refused)
{
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        size_t n;
        unsigned char *bytes = pack(NULL, edits[i].precision, &n);
        CHECK_INT(strlen(edits[i].to), strlen(edits[i].from));
        memcpy(find_text(bytes, edits[i].from), edits[i].to,
               strlen(edits[i].to));
        clipc_status status = try_bytes(bytes, n);
        if (status != edits[i].want || !strstr(err.message, edits[i].piece))
            FAIL("edit %zu gives %s: %s", i, clipc_status_name(status),
                 err.message);
        free(bytes);
    }
}

/* ---- other containers -------------------------------------------------- */

/* A PyTorch checkpoint of the packed tiny model. views: as of torch_file(). */
static builder pack_as_torch(clipc_precision precision, const char *views)
{
    builder torch;
    size_t n;
    unsigned char *bytes = pack(NULL, precision, &n);

    torch_file(&torch, bytes, n, views);
    free(bytes);
    return torch;
}

/* Strips that lie elsewhere than their shape says would be read past the end of
 * the file. */
TEST(a_packed_model_in_a_pytorch_checkpoint_is_refused)
{
    static const char *const views[] = { NULL,           ".weight",
                                         ".scale",       ".sums",
                                         "clipc.config", "clipc.manifest" };

    for (size_t i = 0; i < N_PRECISIONS; i++)
        for (size_t k = 0; k < sizeof views / sizeof *views; k++) {
            builder torch = pack_as_torch(precisions[i], views[k]);
            /* An exact copy: a sanitizer sees a read past the end. */
            unsigned char *copy = malloc(torch.n);
            clipc_model *opened = NULL;
            CHECK(copy != NULL);
            memcpy(copy, torch.data, torch.n);
            CHECK_STATUS(try_bytes(copy, torch.n), CLIPC_ERR_UNSUPPORTED);
            CHECK_HAS(err.message, "packed files are safetensors");
            test_write(test_path("packed.bin"), torch.data, torch.n);
            CHECK_STATUS(clipc_model_open(&opened, test_path("packed.bin"),
                                          NULL, &err),
                         CLIPC_ERR_UNSUPPORTED);
            CHECK_HAS(err.message, "packed.bin: a PyTorch checkpoint");
            CHECK(opened == NULL);
            free(copy);
            build_free(&torch);
        }
}

/* What clipc_packed_find() and clipc_packed_bytes() say of a checkpoint, in
 * which the tensors `views` are views. */
static clipc_status find_in_torch(clipc_precision precision, const char *views)
{
    const clipc_parameter layer = { .name = LAYER,
                                    .kind = CLIPC_KIND_LAYER,
                                    .rank = 2,
                                    .shape = { TINY_VISION_MLP,
                                               TINY_VISION_WIDTH } };
    builder torch = pack_as_torch(precision, views);
    const clipc_tensor *config;
    clipc_packed_tensors found;
    clipc_tensor_files *opened;

    err = (clipc_error)CLIPC_ERROR_INIT;
    CHECK_OK(clipc_tensor_files_open_memory(&opened, torch.data, torch.n,
                                            "packed", (size_t)1 << 20, &err),
             err);
    clipc_status status = clipc_packed_find(&found, opened, precision, &layer,
                                            &err);
    if (status == CLIPC_OK)
        status = clipc_packed_bytes(&config, opened, CLIPC_PACKED_CONFIG, true,
                                    &err);
    clipc_tensor_files_free(opened);
    build_free(&torch);
    return status;
}

TEST(views_are_no_part_of_a_packed_model)
{
    static const struct {
        clipc_precision precision;
        const char *views, *piece;
    } cases[] = {
        { CLIPC_PRECISION_F32, "fc1.weight", "fc1.weight: its numbers do" },
        { CLIPC_PRECISION_BF16, "fc1.weight", "fc1.weight: its numbers do" },
        { CLIPC_PRECISION_INT8, "fc1.weight", "fc1.weight: its numbers do" },
        { CLIPC_PRECISION_INT8, "fc1.weight.scale", ".scale: its numbers do" },
        { CLIPC_PRECISION_INT8, "fc1.weight.sums", ".sums: its numbers do" },
        { CLIPC_PRECISION_F32, "clipc.config", "config.json: its numbers do" },
    };

    for (size_t i = 0; i < N_PRECISIONS; i++)
        CHECK_INT(find_in_torch(precisions[i], NULL), CLIPC_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_STATUS(find_in_torch(cases[i].precision, cases[i].views),
                     CLIPC_ERR_FORMAT);
        CHECK_HAS(err.message, cases[i].piece);
    }
}

/* One byte of the manifest. */
static const struct {
    size_t at;
    unsigned char value;
    clipc_status want;
    const char *piece;
} manifests[] = {
    { 0, 'x', CLIPC_ERR_FORMAT, "does not begin" },
    { 8, 2, CLIPC_ERR_UNSUPPORTED, "version 2" },
    { 8, 0, CLIPC_ERR_UNSUPPORTED, "version 0" },
    { 12, 0, CLIPC_ERR_FORMAT, "unknown precision" },
    { 12, 4, CLIPC_ERR_FORMAT, "unknown precision" },
    { 12, 2, CLIPC_ERR_FORMAT, "manifest's precision" },
    { 12, 3, CLIPC_ERR_FORMAT, "manifest's precision" },
    { 20, 1, CLIPC_ERR_FORMAT, "reserved" },
    { 63, 1, CLIPC_ERR_FORMAT, "reserved" },
};

TEST(damaged_manifests_are_refused)
{
    size_t n, n_manifest;
    unsigned char *bytes = pack(NULL, CLIPC_PRECISION_F32, &n);
    unsigned char *manifest = find_tensor(bytes, "clipc.manifest",
                                          &n_manifest);

    CHECK_INT(n_manifest, CLIPC_MANIFEST_BYTES);
    for (size_t i = 0; i < sizeof manifests / sizeof *manifests; i++) {
        unsigned char was = manifest[manifests[i].at];
        manifest[manifests[i].at] = manifests[i].value;
        clipc_status status = try_bytes(bytes, n);
        if (status != manifests[i].want ||
            !strstr(err.message, manifests[i].piece))
            FAIL("manifest %zu gives %s: %s", i, clipc_status_name(status),
                 err.message);
        manifest[manifests[i].at] = was;
    }
    CHECK_STATUS(try_bytes(bytes, n), CLIPC_OK);
    free(bytes);
}

TEST(a_packed_file_cut_off_anywhere_is_refused)
{
    size_t n;
    unsigned char *bytes = pack(NULL, CLIPC_PRECISION_INT8, &n);
    uint64_t header;

    memcpy(&header, bytes, sizeof header);
    for (size_t end = 0; end < header + 8; end++)
        CHECK(try_bytes(bytes, end) != CLIPC_OK);
    for (size_t end = header + 8; end < n; end += 97)
        CHECK_STATUS(try_bytes(bytes, end), CLIPC_ERR_TRUNCATED);
    free(bytes);
}

/* Ids of a text, or the status. */
static clipc_status tokenize(const unsigned char *bytes, size_t n)
{
    clipc_model *opened = open_bytes(bytes, n);
    int32_t ids[80];
    size_t n_ids;

    clipc_status status =
        clipc_tokenize(opened, text("Caf\xc3\xa9 <|endoftext|> a red car"),
                       ids, 80, &n_ids, 0, &err);
    for (size_t i = 0; status == CLIPC_OK && i < n_ids; i++)
        CHECK(ids[i] >= 0 && (size_t)ids[i] < tiny_model_vocab_size());
    clipc_model_free(opened);
    return status;
}

/* 32-bit numbers at an offset of the vocabulary. */
static const struct {
    size_t at;
    uint32_t value;
    clipc_status want;
} vocabularies[] = {
    { 0, 0x70696c63, CLIPC_OK }, /* "clip": as it is */
    { 4, 0, CLIPC_ERR_FORMAT },
    { 8, 2, CLIPC_ERR_FORMAT },
    { 8, 3, CLIPC_ERR_UNSUPPORTED },
    { 12, 0, CLIPC_ERR_FORMAT }, /* n_ids */
    { 12, 0xFFFFFFFF, CLIPC_ERR_FORMAT },
    { 16, 0xFFFFFFFF, CLIPC_ERR_FORMAT }, /* n_merges */
    { 16, 0, CLIPC_ERR_FORMAT },
    { 20, 65537, CLIPC_ERR_LIMIT }, /* n_added */
    { 20, 1, CLIPC_ERR_FORMAT },
    { 24, 0xFFFFFFFF, CLIPC_ERR_FORMAT },    /* text_bytes */
    { 28, 0xFFFFFFFF, CLIPC_ERR_CONFIG },    /* start_id */
    { 32, 100000, CLIPC_ERR_CONFIG },        /* end_id */
    { 36, 8, CLIPC_ERR_FORMAT },             /* flags */
    { 40, 0xFFFFFFFF, CLIPC_ERR_FORMAT },    /* inner_ids[0] */
    { 40 + 2044, 100000, CLIPC_ERR_FORMAT }, /* last_ids[255] */
    { 40 + 2048, 1, CLIPC_ERR_FORMAT },      /* starts[0] */
    { 40 + 2052, 0xFFFFFFFF, CLIPC_ERR_FORMAT },
};

TEST(damaged_vocabularies_are_refused)
{
    size_t n, n_vocabulary;
    unsigned char *bytes = pack(NULL, CLIPC_PRECISION_F32, &n);
    unsigned char *v = find_tensor(bytes, "clipc.tokenizer", &n_vocabulary);

    for (size_t i = 0; i < sizeof vocabularies / sizeof *vocabularies; i++) {
        unsigned char was[4];
        memcpy(was, v + vocabularies[i].at, 4);
        memcpy(v + vocabularies[i].at, &vocabularies[i].value, 4);
        clipc_status status = tokenize(bytes, n);
        if (status != vocabularies[i].want)
            FAIL("vocabulary %zu gives %s: %s", i, clipc_status_name(status),
                 err.message);
        memcpy(v + vocabularies[i].at, was, 4);
    }
    free(bytes);
}

/* Every byte inverted: an error or ids in range, and nothing else. */
TEST(any_byte_of_a_vocabulary_may_be_wrong)
{
    size_t n, n_vocabulary, n_refused = 0;
    unsigned char *bytes = pack(NULL, CLIPC_PRECISION_F32, &n);
    unsigned char *v = find_tensor(bytes, "clipc.tokenizer", &n_vocabulary);

    for (size_t i = 0; i < n_vocabulary; i++) {
        v[i] ^= 0xFF;
        n_refused += tokenize(bytes, n) != CLIPC_OK;
        v[i] ^= 0xFF;
    }
    CHECK(n_refused > n_vocabulary / 2);
    free(bytes);
}

/* ---- the label cache --------------------------------------------------- */

static size_t label(const clipc_model *of, const char *cache_dir)
{
    clipc_labels_params params = clipc_labels_params_default();
    const clipc_text names[] = { text("red"), text("car") };
    clipc_labels *labels;
    size_t n_encoded;

    params.cache_dir = cache_dir;
    clipc_ctx *with = make_ctx(of, 1);
    CHECK_OK(clipc_labels_create(&labels, with, names, 2, &params, &err), err);
    label_vectors(labels, NULL, NULL, &n_encoded);
    clipc_labels_free(labels);
    clipc_ctx_free(with);
    return n_encoded;
}

TEST(cached_labels_read_nothing_of_the_text_side)
{
    size_t n, n_tensor;
    unsigned char *bytes = pack(NULL, CLIPC_PRECISION_INT8, &n);
    const char *cache_dir = test_path("cache");
    clipc_model *packed = open_bytes(bytes, n);

    CHECK_INT(label(packed, cache_dir), 2);
    clipc_model_free(packed);
    packed = open_bytes(bytes, n);
    CHECK_INT(label(packed, cache_dir), 0);
    clipc_model_free(packed);
    /* Cached labels need no tokenizer: a broken one is not noticed. */
    find_tensor(bytes, "clipc.tokenizer", &n_tensor)[0] = 'x';
    packed = open_bytes(bytes, n);
    CHECK_INT(label(packed, cache_dir), 0);
    clipc_model_free(packed);
    free(bytes);
}

/* Other weights that claim the digest of these may read the vectors cached
 * for these, and never write there. */
TEST(a_false_digest_writes_nothing_into_the_cache)
{
    size_t n, n_tensor;
    unsigned char *bytes = pack(NULL, CLIPC_PRECISION_INT8, &n);
    const char *cache_dir = test_path("cache");
    float *bias =
        (void *)find_tensor(bytes, "text_model.encoder.layers.0.mlp.fc1.bias",
                            &n_tensor);

    bias[0] += 1.0f;
    for (int i = 0; i < 2; i++) {
        clipc_model *packed = open_bytes(bytes, n);
        CHECK_INT(label(packed, cache_dir), 2);
        CHECK_INT(label(packed, cache_dir), 2);
        clipc_model_free(packed);
    }
    free(bytes);
}

TEST(a_file_that_is_not_packed_is_no_model)
{
    clipc_model *none;
    clipc_model_files made;

    err = (clipc_error)CLIPC_ERROR_INIT;
    tiny_model_files(&made, NULL);
    test_write(test_path("plain"), made.weights, made.weights_bytes);
    CHECK_STATUS(clipc_model_open(&none, test_path("plain"), NULL, &err),
                 CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "not a packed one");
    CHECK(none == NULL);
    tiny_model_free(&made);
}
