/* SPDX-License-Identifier: MIT
 *
 * test_layouts.c - folders as sentence-transformers and diffusers keep models
 * in, and the files beside the weights that config.json names. Whatever lies
 * where, the numbers are those of the same files in one folder.
 */
#include "support/files.h"
#include "support/fixture.h"

#include "base/file.h"

#include <sys/stat.h>

static const char *const TOKENIZER[] = { "tokenizer.json",
                                         "tokenizer_config.json" };

/* The tiny model in "ROOT/below"; returns that path, valid until the 4th call
 * from now. */
static const char *put(const char *root, const char *below)
{
    const char *folder = path_in(root, below);

    CHECK_STATUS(clipc_folder_make(folder, NULL), CLIPC_OK);
    tiny_model_write(folder, NULL);
    return folder;
}

/* Moves files of one folder to another, which is made. */
static void move_files(const char *from, const char *to,
                       const char *const *names, size_t n)
{
    CHECK_STATUS(clipc_folder_make(to, NULL), CLIPC_OK);
    for (size_t i = 0; i < n; i++)
        CHECK(rename(path_in(from, names[i]), path_in(to, names[i])) == 0);
}

static clipc_status open_named(clipc_model **opened, const char *name)
{
    err = (clipc_error)CLIPC_ERROR_INIT;
    return clipc_model_open(opened, name, NULL, &err);
}

static void refuse(const char *name, clipc_status status, const char *piece)
{
    clipc_model *opened;

    CHECK_STATUS(open_named(&opened, name), status);
    CHECK(opened == NULL);
    CHECK_HAS(err.message, piece);
}

static void embed(const clipc_model *of, float out[2 * DIM])
{
    const clipc_text t = text("a photo of a red car");
    clipc_ctx *c = make_ctx(of, 1);
    clipc_image *picture = draw(3, 40, 30, of);

    CHECK_OK(clipc_encode_texts(c, &t, 1, out, CLIPC_EMBED_RAW, &err), err);
    CHECK_OK(clipc_encode_images(c, &picture, 1, out + DIM, CLIPC_EMBED_RAW,
                                 &err),
             err);
    clipc_image_free(picture);
    clipc_ctx_free(c);
}

/* The name opens, and gives the tiny model's numbers. */
static void check_same(const char *name)
{
    float want[2 * DIM], got[2 * DIM];
    clipc_model *opened, *plain = open_tiny(&files, NULL);

    embed(plain, want);
    clipc_model_free(plain);
    tiny_model_free(&files);
    CHECK_OK(open_named(&opened, name), err);
    embed(opened, got);
    CHECK_BYTES(got, want, sizeof got);
    clipc_model_free(opened);
}

/* The status of a text, and the message. */
static clipc_status encode_status(const char *folder)
{
    const clipc_text t = text("x");
    clipc_model *opened;
    float out[DIM];

    CHECK_OK(open_named(&opened, folder), err);
    clipc_ctx *c = make_ctx(opened, 1);
    const clipc_status status = clipc_encode_texts(c, &t, 1, out, 0, &err);
    clipc_ctx_free(c);
    clipc_model_free(opened);
    return status;
}

/* ---- sentence-transformers --------------------------------------------- */

static const char CLIP_MODULES[] =
    "[{\"idx\": 0, \"name\": \"0\", \"path\": \"0_CLIPModel\", \"type\": "
    "\"sentence_transformers.models.CLIPModel\"}]";

/* Of a model in the folder itself. */
static const char ROOT_MODULES[] =
    "[{\"idx\": 0, \"name\": \"0\", \"path\": \"\", \"type\": "
    "\"sentence_transformers.models.CLIPModel\"}, {\"idx\": 1, \"name\": "
    "\"1\", \"path\": \"1_%s\", \"type\": "
    "\"sentence_transformers.models.%s\"}]";

TEST(a_folder_of_sentence_transformers)
{
    char root[512], modules[400];

    snprintf(root, sizeof root, "%s", test_path("st"));
    put(root, "0_CLIPModel");
    refuse(root, CLIPC_ERR_NOT_FOUND, "config.json");
    write_text(path_in(root, "modules.json"), CLIP_MODULES);
    check_same(root);
    check_same(path_in(root, "0_CLIPModel"));
    write_text(path_in(root, "config_sentence_transformers.json"),
               "{\"prompts\": {\"q\": \"find \"}, \"default_prompt_name\": "
               "\"q\"}");
    refuse(root, CLIPC_ERR_UNSUPPORTED, "default_prompt_name");
    check_same(path_in(root, "0_CLIPModel/model.safetensors"));
    CHECK(unlink(path_in(root, "config_sentence_transformers.json")) == 0);
    write_text(path_in(root, "0_CLIPModel/sentence_bert_config.json"),
               "{\"max_seq_length\": 9}");
    refuse(root, CLIPC_ERR_UNSUPPORTED, "max_seq_length");
    check_same(path_in(root, "0_CLIPModel")); /* by itself */
    CHECK(unlink(path_in(root, "0_CLIPModel/sentence_bert_config.json")) == 0);
    write_text(path_in(root, "modules.json"), "[");
    refuse(root, CLIPC_ERR_FORMAT, "modules.json");
    write_text(path_in(root, "modules.json"),
               "[{\"path\": \"0_Transformer\", \"type\": "
               "\"sentence_transformers.models.Transformer\"}, {\"path\": "
               "\"1_Pooling\", \"type\": "
               "\"sentence_transformers.models.Pooling\"}]");
    refuse(root, CLIPC_ERR_UNSUPPORTED, "Pooling");

    /* The model in the folder itself, and a module after it. */
    snprintf(root, sizeof root, "%s", test_path("root"));
    put(root, ".");
    snprintf(modules, sizeof modules, ROOT_MODULES, "Normalize", "Normalize");
    write_text(path_in(root, "modules.json"), modules);
    check_same(root);
    snprintf(modules, sizeof modules, ROOT_MODULES, "Dense", "Dense");
    write_text(path_in(root, "modules.json"), modules);
    refuse(root, CLIPC_ERR_UNSUPPORTED, "sentence_transformers.models.Dense");
    /* The remedy in the message. */
    CHECK_HAS(err.message, "name the file of weights");
    check_same(path_in(root, "model.safetensors"));
}

/* ---- diffusers --------------------------------------------------------- */

TEST(a_pipeline_of_diffusers)
{
    char root[512], tower[600], beside[600];

    snprintf(root, sizeof root, "%s", test_path("sdxl"));
    snprintf(tower, sizeof tower, "%s/text_encoder_2", root);
    snprintf(beside, sizeof beside, "%s/tokenizer_2", root);
    put(root, "text_encoder_2");
    move_files(tower, beside, TOKENIZER, 2);
    write_text(path_in(root, "model_index.json"),
               "{\"text_encoder\": [\"transformers\", \"CLIPTextModel\"], "
               "\"text_encoder_2\": [\"transformers\", "
               "\"CLIPTextModelWithProjection\"]}");
    check_same(root);
    check_same(tower);
    snprintf(tower, sizeof tower, "%s/text_encoder_2/", root);
    check_same(tower);
    check_same(path_in(root, "text_encoder_2/model.safetensors"));
    /* The files of the tower's own folder count. */
    write_text(path_in(tower, "tokenizer_config.json"),
               "{\"tokenizer_class\": \"CLIPTokenizer\"}");
    clipc_model *opened;
    CHECK_OK(open_named(&opened, tower), err);
    clipc_model_info info = { .struct_size = sizeof info };
    CHECK_OK(clipc_model_get_info(opened, &info, &err), err);
    CHECK_STR(info.tokenizer, "none");
    clipc_model_free(opened);
    CHECK(unlink(path_in(tower, "tokenizer_config.json")) == 0);
    /* No tokenizer beside: a text says where it was looked for. */
    CHECK(rename(beside, path_in(root, "tokenizer")) == 0);
    CHECK_STATUS(encode_status(tower), CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "tokenizer_2");
    /* What is not to be guessed. */
    write_text(path_in(root, "model_index.json"),
               "{\"text_encoder\": [\"transformers\", "
               "\"CLIPTextModelWithProjection\"], \"text_encoder_2\": "
               "[\"transformers\", \"CLIPTextModelWithProjection\"]}");
    refuse(root, CLIPC_ERR_UNSUPPORTED, "text_encoder, text_encoder_2");
}

TEST(an_image_tower_finds_its_preprocessing_beside)
{
    static const char *const names[] = { "preprocessor_config.json" };
    char root[512], tower[600], beside[600];
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_model *opened;

    snprintf(root, sizeof root, "%s", test_path("svd"));
    snprintf(tower, sizeof tower, "%s/image_encoder", root);
    snprintf(beside, sizeof beside, "%s/feature_extractor", root);
    put(root, "image_encoder");
    move_files(tower, beside, names, 1);
    check_same(tower);
    CHECK_OK(open_named(&opened, tower), err);
    CHECK_OK(clipc_model_get_info(opened, &info, &err), err);
    CHECK_STR(info.preprocessing, "preprocessor_config.json");
    clipc_model_free(opened);
    write_text(path_in(beside, "preprocessor_config.json"),
               "{\"do_pad\": true}");
    refuse(tower, CLIPC_ERR_UNSUPPORTED,
           "feature_extractor/preprocessor_config.json");
}

/* ---- what config.json names -------------------------------------------- */

/* Puts a member into the tiny model's config.json. */
static void configure(const char *folder, const char *member)
{
    char changed[4000];
    size_t n;
    char *config;

    tiny_model_write(folder, NULL);
    config = test_read(path_in(folder, "config.json"), &n);
    snprintf(changed, sizeof changed, "{%s, %s", member,
             strchr(config, '{') + 1);
    free(config);
    write_text(path_in(folder, "config.json"), changed);
}

TEST(config_json_may_name_the_weights)
{
    const char *folder = test_path("named");

    CHECK_STATUS(clipc_folder_make(folder, NULL), CLIPC_OK);
    configure(folder, "\"transformers_weights\": \"other.safetensors\"");
    refuse(folder, CLIPC_ERR_NOT_FOUND, "other.safetensors");
    check_same(path_in(folder, "model.safetensors"));
    CHECK(rename(path_in(folder, "model.safetensors"),
                 path_in(folder, "other.safetensors")) == 0);
    write_text(path_in(folder, "model.safetensors"), "not read");
    check_same(folder);
    write_text(path_in(folder, "shards.safetensors.index.json"),
               "{\"weight_map\": {\"x\": \"other.safetensors\"}}");
    CHECK(rename(path_in(folder, "other.safetensors"),
                 path_in(folder, "model.safetensors")) == 0);
    configure(folder,
              "\"transformers_weights\": \"shards.safetensors.index.json\"");
    refuse(folder, CLIPC_ERR_NOT_FOUND, "other.safetensors");
    CHECK(rename(path_in(folder, "model.safetensors"),
                 path_in(folder, "other.safetensors")) == 0);
    check_same(folder);
}

TEST(a_distributed_checkpoint_is_refused)
{
    const char *folder = test_path("shards");

    tiny_model_write(folder, NULL);
    check_same(folder);
    write_text(path_in(folder, "shard-00000-model-00001-of-00001.safetensors"),
               "");
    refuse(folder, CLIPC_ERR_UNSUPPORTED, "distributed checkpoint");
    check_same(path_in(folder, "model.safetensors"));
}

/* The class of config.json counts where tokenizer_config.json names none. */
TEST(config_json_may_name_the_tokenizers_class)
{
    static const struct {
        const char *config, *tokenizer_config, *message;
    } cases[] = {
        { "\"tokenizer_class\": \"CLIPTokenizerFast\"", "{}", NULL },
        { "\"tokenizer_class\": null", "{}", NULL },
        { "\"tokenizer_class\": \"BertTokenizer\"", "{}",
          "\"tokenizer_class\" is \"BertTokenizer\"" },
        { "\"tokenizer_class\": \"BertTokenizer\"",
          "{\"tokenizer_class\": \"\"}",
          "\"tokenizer_class\" is \"BertTokenizer\"" },
        { "\"tokenizer_class\": \"BertTokenizer\"",
          "{\"tokenizer_class\": \"CLIPTokenizer\"}", NULL },
        { "\"tokenizer_class\": \"CLIPTokenizer\"",
          "{\"tokenizer_class\": \"GPT2TokenizerFast\"}",
          "\"tokenizer_class\" is \"GPT2Tokenizer\"" },
        { "\"tokenizer_class\": \"SiglipTokenizer\"", "{}", "not a Unigram" },
    };
    const char *folder = test_path("class");

    CHECK_STATUS(clipc_folder_make(folder, NULL), CLIPC_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        configure(folder, cases[i].config);
        write_text(path_in(folder, "tokenizer_config.json"),
                   cases[i].tokenizer_config);
        if (!cases[i].message) {
            check_same(folder);
            continue;
        }
        CHECK(encode_status(folder) != CLIPC_OK);
        CHECK_HAS(err.message, cases[i].message);
    }
}

TEST(a_vocabulary_of_another_kind_is_not_passed_over)
{
    static const char *const others[] = { "tokenizer.model", "tekken.json",
                                          "tiktoken.model" };
    const tiny_model_options options = { .vocab_merges = 1 };
    const char *folder = test_path("vocabularies");

    tiny_model_write(folder, &options);
    CHECK_STATUS(encode_status(folder), CLIPC_OK);
    for (size_t i = 0; i < 3; i++) {
        write_text(path_in(folder, others[i]), "x");
        CHECK_STATUS(encode_status(folder), CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, others[i]);
        CHECK_HAS(err.message, "in place of vocab.json");
        CHECK(unlink(path_in(folder, others[i])) == 0);
    }
    /* Beside a tokenizer.json it is not read. */
    tiny_model_write(folder, NULL);
    write_text(path_in(folder, others[0]), "x");
    CHECK_STATUS(encode_status(folder), CLIPC_OK);
}

TEST(config_json_may_name_the_image_processor)
{
    const char *folder = test_path("processor");
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_model *opened;

    CHECK_STATUS(clipc_folder_make(folder, NULL), CLIPC_OK);
    configure(folder, "\"image_processor_type\": \"SiglipImageProcessor\"");
    /* The file's own values count: all of them are there. */
    check_same(folder);
    write_text(path_in(folder, "preprocessor_config.json"),
               "{\"size\": {\"height\": 32, \"width\": 32}}");
    CHECK_OK(open_named(&opened, folder), err);
    CHECK_OK(clipc_model_get_info(opened, &info, &err), err);
    CHECK(info.mean[0] == 0.5f && info.std[2] == 0.5f);
    clipc_model_free(opened);
    configure(folder, "\"image_processor_type\": \"ViTImageProcessor\"");
    refuse(folder, CLIPC_ERR_UNSUPPORTED, "ViTImageProcessor");
    configure(folder, "\"quantization_config\": {\"quant_method\": \"gptq\"}");
    refuse(folder, CLIPC_ERR_UNSUPPORTED, "quantised (gptq)");
}
