/* SPDX-License-Identifier: MIT
 *
 * tiny_model.c - see tiny_model.h. Files are laid out as transformers 5.23
 * and safetensors 0.8 write them.
 */
#include "support/tiny_model.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- growing buffer ---------------------------------------------------- */

typedef struct buffer {
    unsigned char *data;
    size_t n, capacity;
} buffer;

static void die(const char *what, const char *name)
{
    fprintf(stderr, "tiny_model: %s %s\n", what, name);
    exit(1);
}

static unsigned char *grow(buffer *b, size_t n)
{
    if (b->n + n + 1 > b->capacity) {
        b->capacity = (b->n + n + 1) * 2;
        b->data = realloc(b->data, b->capacity);
        if (!b->data)
            die("out of memory", "");
    }
    b->n += n;
    b->data[b->n] = '\0';
    return b->data + b->n - n;
}

static void put(buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(buffer *b, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof line)
        die("line too long:", format);
    memcpy(grow(b, (size_t)n), line, (size_t)n);
}

/* ---- vocabulary -------------------------------------------------------- */

/* Merges in rank order; "_" ends a word. Every half is a byte or the result of
 * an earlier merge. */
static const char *const merges[][2] = {
    { "c", "a" },  { "ca", "r_" },  { "t", "h" },     { "th", "e_" },
    { "r", "e" },  { "re", "d_" },  { "o", "f_" },    { "p", "h" },
    { "ph", "o" }, { "pho", "t" },  { "phot", "o_" }, { "b", "l" },
    { "bl", "u" }, { "blu", "e_" }, { "v", "a" },     { "va", "n_" },
    { "t", "r" },  { "tr", "u" },   { "tru", "c" },   { "truc", "k_" },
    { "bl", "a" }, { "bla", "c" },  { "blac", "k_" }, { "i", "n_" },
    { "w", "h" },  { "wh", "i" },   { "t", "e_" },    { "whi", "te_" },
};
enum { N_MERGES = sizeof merges / sizeof merges[0], N_BYTES = 256 };
enum { START_ID = 2 * N_BYTES + N_MERGES, END_ID, VOCAB_SIZE };

size_t tiny_model_vocab_size(void)
{
    return VOCAB_SIZE;
}

/* Returns the code point of the i-th byte token: visible Latin-1 bytes stay,
 * the other 68 bytes are U+0100 and up. */
static unsigned byte_token(unsigned i)
{
    if (i < 94)
        return 33 + i;
    if (i < 94 + 12)
        return 161 + i - 94;
    if (i < 94 + 12 + 82)
        return 174 + i - 94 - 12;
    return 256 + i - 94 - 12 - 82;
}

/* Puts a code point as part of a JSON string. */
static void put_code_point(buffer *b, unsigned c)
{
    if (c == '"' || c == '\\')
        put(b, "\\%c", (int)c);
    else if (c < 0x80)
        put(b, "%c", (int)c);
    else
        put(b, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 0x3F)));
}

static void put_piece(buffer *b, const char *piece)
{
    for (; *piece; piece++)
        put(b, *piece == '_' ? "</w>" : "%c", *piece);
}

static void put_vocab(buffer *b)
{
    unsigned id = 0;
    put(b, "{");
    for (int end = 0; end < 2; end++) {
        for (unsigned i = 0; i < N_BYTES; i++) {
            put(b, "\"");
            put_code_point(b, byte_token(i));
            put(b, "%s\": %u, ", end ? "</w>" : "", id++);
        }
    }
    for (unsigned i = 0; i < N_MERGES; i++) {
        put(b, "\"");
        put_piece(b, merges[i][0]);
        put_piece(b, merges[i][1]);
        put(b, "\": %u, ", id++);
    }
    put(b, "\"<|startoftext|>\": %d, \"<|endoftext|>\": %d}", START_ID,
        END_ID);
}

static void put_merges(buffer *b, const char *open, const char *between,
                       const char *close, const char *separator)
{
    for (unsigned i = 0; i < N_MERGES; i++) {
        put(b, "%s%s", i ? separator : "", open);
        put_piece(b, merges[i][0]);
        put(b, "%s", between);
        put_piece(b, merges[i][1]);
        put(b, "%s", close);
    }
}

static void put_added_token(buffer *b, int id, const char *content)
{
    put(b,
        "{\"id\": %d, \"content\": \"%s\", \"single_word\": false, "
        "\"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
        "\"special\": true}",
        id, content);
}

static void put_tokenizer_json(buffer *b)
{
    put(b, "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null,\n"
           "\"added_tokens\": [");
    put_added_token(b, START_ID, "<|startoftext|>");
    put(b, ", ");
    put_added_token(b, END_ID, "<|endoftext|>");
    put(b, "],\n\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
           "{\"type\": \"NFC\"}, {\"type\": \"Replace\", \"pattern\": "
           "{\"Regex\": \"\\\\s+\"}, \"content\": \" \"}, "
           "{\"type\": \"Lowercase\"}]},\n");
    put(b, "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": ["
           "{\"type\": \"Split\", \"pattern\": {\"Regex\": "
           "\"<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|'s|'t|'re|'ve|'m|"
           "'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"}, "
           "\"behavior\": \"Removed\", \"invert\": true}, "
           "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
           "\"trim_offsets\": true, \"use_regex\": true}]},\n");
    put(b,
        "\"post_processor\": {\"type\": \"RobertaProcessing\", "
        "\"sep\": [\"<|endoftext|>\", %d], "
        "\"cls\": [\"<|startoftext|>\", %d], \"trim_offsets\": false, "
        "\"add_prefix_space\": false},\n",
        END_ID, START_ID);
    put(b, "\"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": "
           "true, \"trim_offsets\": true, \"use_regex\": true},\n"
           "\"model\": {\"type\": \"BPE\", \"dropout\": null, "
           "\"unk_token\": \"<|endoftext|>\", "
           "\"continuing_subword_prefix\": \"\", "
           "\"end_of_word_suffix\": \"</w>\", \"fuse_unk\": false, "
           "\"byte_fallback\": false, \"ignore_merges\": false,\n"
           "\"vocab\": ");
    put_vocab(b);
    put(b, ",\n\"merges\": [");
    put_merges(b, "[\"", "\", \"", "\"]", ", ");
    put(b, "]}}\n");
}

/* ---- config.json, preprocessor_config.json, tokenizer_config.json ------- */

static void put_config(buffer *b, const tiny_model_options *o)
{
    const char *act = o->activation ? o->activation : "quick_gelu";

    put(b,
        "{\n  \"architectures\": [\"CLIPModel\"],\n"
        "  \"model_type\": \"clip\",\n  \"projection_dim\": %d,\n"
        "  \"logit_scale_init_value\": 2.6592,\n",
        TINY_DIM);
    put(b,
        "  \"text_config\": {\"model_type\": \"clip_text_model\", "
        "\"vocab_size\": %d, \"hidden_size\": %d, "
        "\"intermediate_size\": %d, \"projection_dim\": %d, "
        "\"num_hidden_layers\": %d, \"num_attention_heads\": %d, "
        "\"max_position_embeddings\": %d, \"hidden_act\": \"%s\", "
        "\"layer_norm_eps\": 1e-05, \"bos_token_id\": %d, "
        "\"eos_token_id\": %d, \"pad_token_id\": %d},\n",
        VOCAB_SIZE, TINY_TEXT_WIDTH, TINY_TEXT_MLP, TINY_DIM, TINY_TEXT_LAYERS,
        TINY_TEXT_HEADS, TINY_CONTEXT, act, START_ID, o->old_eos ? 2 : END_ID,
        END_ID);
    put(b,
        "  \"vision_config\": {\"model_type\": \"clip_vision_model\", "
        "\"hidden_size\": %d, \"intermediate_size\": %d, "
        "\"projection_dim\": %d, \"num_hidden_layers\": %d, "
        "\"num_attention_heads\": %d, \"num_channels\": 3, "
        "\"image_size\": %d, \"patch_size\": %d, \"hidden_act\": \"%s\", "
        "\"layer_norm_eps\": 1e-05}\n}\n",
        TINY_VISION_WIDTH, TINY_VISION_MLP, TINY_DIM, TINY_VISION_LAYERS,
        TINY_VISION_HEADS, TINY_IMAGE_SIZE, TINY_PATCH_SIZE, act);
}

static void put_preprocessor_config(buffer *b)
{
    put(b,
        "{\"crop_size\": {\"height\": %d, \"width\": %d}, "
        "\"do_center_crop\": true, \"do_convert_rgb\": true, "
        "\"do_normalize\": true, \"do_rescale\": true, "
        "\"do_resize\": true,\n\"image_mean\": [0.48145466, 0.4578275, "
        "0.40821073], \"image_std\": [0.26862954, 0.26130258, "
        "0.27577711],\n\"image_processor_type\": \"CLIPImageProcessor\", "
        "\"resample\": 3, \"rescale_factor\": 0.00392156862745098, "
        "\"size\": {\"shortest_edge\": %d}}\n",
        TINY_IMAGE_SIZE, TINY_IMAGE_SIZE, TINY_IMAGE_SIZE);
}

static void put_tokenizer_config(buffer *b)
{
    put(b,
        "{\"backend\": \"tokenizers\", \"bos_token\": \"<|startoftext|>\", "
        "\"eos_token\": \"<|endoftext|>\", \"model_max_length\": %d, "
        "\"pad_token\": \"<|endoftext|>\", \"tokenizer_class\": "
        "\"CLIPTokenizer\", \"unk_token\": \"<|endoftext|>\"}\n",
        TINY_CONTEXT);
}

/* ---- weights ----------------------------------------------------------- */

/* values: (k / 128) * 2^exponent with |k| <= range, plus `centre` 0 or 1:
 * at most 8 significant bits. */
typedef struct tensor_list {
    buffer header, data;
    const char *dtype;
    uint64_t state;
} tensor_list;

static unsigned next_random(tensor_list *list)
{
    list->state = list->state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(list->state >> 40);
}

static unsigned to_f16(uint32_t bits)
{
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    if (magnitude == 0)
        return sign;
    /* Exact: the values are normal numbers of both formats. */
    return sign | ((magnitude >> 13) - (112u << 10));
}

static void put_value(tensor_list *list, float value)
{
    uint32_t bits;
    unsigned half;
    memcpy(&bits, &value, 4);
    if (strcmp(list->dtype, "F32") == 0) {
        memcpy(grow(&list->data, 4), &bits, 4);
        return;
    }
    half = strcmp(list->dtype, "F16") == 0 ? to_f16(bits) : bits >> 16;
    unsigned char *p = grow(&list->data, 2);
    p[0] = (unsigned char)half;
    p[1] = (unsigned char)(half >> 8);
}

static void put_entry(tensor_list *list, const char *name, const char *dtype,
                      size_t begin, int rank, const size_t *shape)
{
    put(&list->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
        list->header.n > 1 ? "," : "", name, dtype);
    for (int i = 0; i < rank; i++)
        put(&list->header, "%s%zu", i ? "," : "", shape[i]);
    put(&list->header, "],\"data_offsets\":[%zu,%zu]}", begin, list->data.n);
}

/* Adds a tensor of shape [s0, s1, s2, s3]; trailing zeros are left out. */
static void add(tensor_list *list, int range, float scale, float centre,
                const char *name, size_t s0, size_t s1, size_t s2, size_t s3)
{
    size_t shape[4] = { s0, s1, s2, s3 }, n = 1, begin = list->data.n;
    int rank = 0;
    while (rank < 4 && shape[rank])
        n *= shape[rank++];
    for (size_t i = 0; i < n; i++) {
        int k = (int)(next_random(list) % (2u * (unsigned)range + 1)) - range;
        put_value(list, centre + (float)k / 128 * scale);
    }
    put_entry(list, name, list->dtype, begin, rank, shape);
}

/* Adds gain and bias of a LayerNorm. */
static void add_norm(tensor_list *list, const char *prefix, size_t width)
{
    char name[128];
    snprintf(name, sizeof name, "%s.weight", prefix);
    add(list, 60, 1, 1, name, width, 0, 0, 0);
    snprintf(name, sizeof name, "%s.bias", prefix);
    add(list, 100, 0.25f, 0, name, width, 0, 0, 0);
}

static void add_linear(tensor_list *list, const char *prefix, size_t out,
                       size_t in)
{
    char name[128];
    snprintf(name, sizeof name, "%s.weight", prefix);
    add(list, 127, in > 40 ? 0.25f : 0.5f, 0, name, out, in, 0, 0);
    snprintf(name, sizeof name, "%s.bias", prefix);
    add(list, 100, 0.25f, 0, name, out, 0, 0, 0);
}

static void add_layers(tensor_list *list, const char *tower, size_t n_layers,
                       size_t width, size_t mlp)
{
    static const char *const projections[] = { "q_proj", "k_proj", "v_proj",
                                               "out_proj" };
    char prefix[96];
    for (size_t layer = 0; layer < n_layers; layer++) {
        for (int i = 0; i < 4; i++) {
            snprintf(prefix, sizeof prefix,
                     "%s.encoder.layers.%zu.self_attn.%s", tower, layer,
                     projections[i]);
            add_linear(list, prefix, width, width);
        }
        for (int i = 1; i <= 2; i++) {
            snprintf(prefix, sizeof prefix,
                     "%s.encoder.layers.%zu.layer_norm%d", tower, layer, i);
            add_norm(list, prefix, width);
            snprintf(prefix, sizeof prefix, "%s.encoder.layers.%zu.mlp.fc%d",
                     tower, layer, i);
            add_linear(list, prefix, i == 1 ? mlp : width,
                       i == 1 ? width : mlp);
        }
    }
}

static void add_position_ids(tensor_list *list, const char *name, size_t n)
{
    size_t shape[2] = { 1, n }, begin = list->data.n;
    for (uint64_t i = 0; i < n; i++)
        memcpy(grow(&list->data, 8), &i, 8);
    put_entry(list, name, "I64", begin, 2, shape);
}

static void put_weights(buffer *b, const tiny_model_options *o)
{
    enum { SIDE = TINY_IMAGE_SIZE / TINY_PATCH_SIZE };
    tensor_list list = { .dtype = o->dtype ? o->dtype : "F32",
                         .state = 0x9E3779B97F4A7C15u * (o->seed + 1u) };
    const size_t D = TINY_VISION_WIDTH, T = TINY_TEXT_WIDTH;

    put(&list.header, "{");
    add(&list, 0, 0, 3, "logit_scale", 0, 0, 0, 0);
    if (o->position_ids)
        add_position_ids(&list, "text_model.embeddings.position_ids",
                         TINY_CONTEXT);
    add(&list, 127, 0.5f, 0, "text_model.embeddings.token_embedding.weight",
        VOCAB_SIZE, T, 0, 0);
    add(&list, 127, 0.25f, 0,
        "text_model.embeddings.position_embedding.weight", TINY_CONTEXT, T, 0,
        0);
    add_layers(&list, "text_model", TINY_TEXT_LAYERS, T, TINY_TEXT_MLP);
    add_norm(&list, "text_model.final_layer_norm", T);
    add(&list, 127, 0.5f, 0, "text_projection.weight", TINY_DIM, T, 0, 0);
    if (o->position_ids)
        add_position_ids(&list, "vision_model.embeddings.position_ids",
                         SIDE * SIDE + 1);
    add(&list, 127, 1, 0, "vision_model.embeddings.class_embedding", D, 0, 0,
        0);
    add(&list, 127, 0.125f, 0,
        "vision_model.embeddings.patch_embedding.weight", D, 3,
        TINY_PATCH_SIZE, TINY_PATCH_SIZE);
    add(&list, 127, 0.5f, 0,
        "vision_model.embeddings.position_embedding.weight", SIDE * SIDE + 1,
        D, 0, 0);
    add_layers(&list, "vision_model", TINY_VISION_LAYERS, D, TINY_VISION_MLP);
    add_norm(&list, "vision_model.pre_layrnorm", D);
    add_norm(&list, "vision_model.post_layernorm", D);
    add(&list, 127, 0.5f, 0, "visual_projection.weight", TINY_DIM, D, 0, 0);
    put(&list.header, ",\"__metadata__\":{\"format\":\"pt\"}}");
    while (list.header.n % 8 != (o->misaligned ? 5u : 0u))
        put(&list.header, " ");

    uint64_t n = list.header.n;
    memcpy(grow(b, 8), &n, 8);
    memcpy(grow(b, list.header.n), list.header.data, list.header.n);
    memcpy(grow(b, list.data.n), list.data.data, list.data.n);
    free(list.header.data);
    free(list.data.data);
}

/* ---- the whole --------------------------------------------------------- */

void tiny_model_files(clipc_model_files *files,
                      const tiny_model_options *options)
{
    tiny_model_options o = { 0 };
    buffer config = { 0 }, preprocessor = { 0 }, tokenizer = { 0 };
    buffer tokenizer_config = { 0 }, vocab = { 0 }, list = { 0 };
    buffer weights = { 0 };

    if (options)
        o = *options;
    memset(files, 0, sizeof *files);
    files->struct_size = sizeof *files;
    put_config(&config, &o);
    put_preprocessor_config(&preprocessor);
    put_tokenizer_config(&tokenizer_config);
    put_weights(&weights, &o);
    if (o.vocab_merges) {
        put_vocab(&vocab);
        put(&list, "#version: 0.2\n");
        put_merges(&list, "", " ", "\n", "");
    } else {
        put_tokenizer_json(&tokenizer);
    }
    files->config = config.data;
    files->config_bytes = config.n;
    files->preprocessor_config = preprocessor.data;
    files->preprocessor_config_bytes = preprocessor.n;
    files->tokenizer_json = tokenizer.data;
    files->tokenizer_json_bytes = tokenizer.n;
    files->tokenizer_config = tokenizer_config.data;
    files->tokenizer_config_bytes = tokenizer_config.n;
    files->vocab_json = vocab.data;
    files->vocab_json_bytes = vocab.n;
    files->merges_txt = list.data;
    files->merges_txt_bytes = list.n;
    files->weights = weights.data;
    files->weights_bytes = weights.n;
}

static void release(const void *data)
{
    union {
        const void *in;
        void *out;
    } p = { data };
    free(p.out);
}

void tiny_model_free(clipc_model_files *files)
{
    release(files->config);
    release(files->preprocessor_config);
    release(files->tokenizer_json);
    release(files->tokenizer_config);
    release(files->vocab_json);
    release(files->merges_txt);
    release(files->weights);
    memset(files, 0, sizeof *files);
}

void write_file(const char *folder, const char *name, const void *data,
                size_t n)
{
    char path[1024];
    if (!data)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, n, file) != n || fclose(file) != 0)
        die("cannot write", path);
}

void tiny_model_write(const char *folder, const tiny_model_options *options)
{
    clipc_model_files files;

    tiny_model_files(&files, options);
    mkdir(folder, 0777);
    write_file(folder, "config.json", files.config, files.config_bytes);
    write_file(folder, "preprocessor_config.json", files.preprocessor_config,
               files.preprocessor_config_bytes);
    write_file(folder, "tokenizer.json", files.tokenizer_json,
               files.tokenizer_json_bytes);
    write_file(folder, "tokenizer_config.json", files.tokenizer_config,
               files.tokenizer_config_bytes);
    write_file(folder, "vocab.json", files.vocab_json, files.vocab_json_bytes);
    write_file(folder, "merges.txt", files.merges_txt, files.merges_txt_bytes);
    write_file(folder, "model.safetensors", files.weights,
               files.weights_bytes);
    tiny_model_free(&files);
}
