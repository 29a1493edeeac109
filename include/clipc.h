/* SPDX-License-Identifier: MIT
 *
 * clipc.h - CLIP from plain C: images and texts in, embeddings out, with the
 * numbers of Hugging Face transformers.
 *
 * Name what is in a picture:
 *
 *     const clipc_text names[] = { CLIPC_TEXT("a cat"), CLIPC_TEXT("a dog") };
 *     clipc_error err = CLIPC_ERROR_INIT;
 *     clipc_model *model = NULL;
 *     clipc_ctx *ctx = NULL;
 *     clipc_labels *labels = NULL;
 *     clipc_result best;
 *
 *     if (clipc_model_open(&model, "clip-vit-base-patch32", NULL, &err) ||
 *         clipc_ctx_create(&ctx, model, NULL, &err) ||
 *         clipc_labels_create(&labels, ctx, names, 2, NULL, &err) ||
 *         clipc_classify_file(ctx, labels, "pet.jpg", NULL, 1, &best, &err))
 *         fprintf(stderr, "%s\n", err.message);
 *     else
 *         printf("%s (%.2f)\n", clipc_labels_name(labels, best.index).data,
 *                best.probability);
 *     clipc_labels_free(labels);
 *     clipc_ctx_free(ctx);
 *     clipc_model_free(model);
 *
 * Embed a text, in a buffer of the model's own size:
 *
 *     float *vector = malloc(clipc_model_dim(model) * sizeof *vector);
 *     clipc_text text = clipc_text_from("a red car");
 *     if (vector && clipc_encode_texts(ctx, &text, 1, vector, 0, &err) == 0)
 *         use(vector, clipc_model_dim(model));
 *     free(vector);
 *
 * The order of this header: errors; objects and types; the calls of the
 * example; then pixels, tokens and similarity; what an object is; packed
 * files; the Hugging Face hub; and the settings of the engine room.
 *
 * Conventions, true of every function unless its comment says otherwise:
 *
 *  - A fallible call returns a clipc_status and takes a clipc_error last. The
 *    error may be NULL. On failure a handle is set to NULL, a count to 0, and
 *    an array of the caller holds unspecified values.
 *  - A call that makes an object gives it to the caller, who frees the object.
 *    Arguments stay the caller's; of pointers in them the library keeps those
 *    of a context's progress callback alone.
 *  - Every fallible call may return CLIPC_ERR_ARGUMENT (a NULL or
 *    contradictory argument) and CLIPC_ERR_NOMEM, and the statuses that its
 *    comment lists. There "_IO" stands for CLIPC_ERR_IO.
 *  - A parameter struct comes from its _default() function. NULL in its place
 *    means the defaults; a limit of 0 means the default limit. The struct
 *    begins with struct_size; the library touches no more of a struct than
 *    its struct_size says.
 *  - An _info struct is filled by a _get_info() call, which fails for wrong
 *    arguments alone. The caller sets struct_size. Strings and arrays in the
 *    struct belong to the object.
 *  - Any number of threads may use one clipc_model, clipc_labels or
 *    clipc_image at once. A clipc_ctx belongs to one thread at a time. Calls
 *    without an object may come from any thread.
 *  - A _free() function accepts NULL. An object keeps alive what it depends
 *    on, so the order of freeing does not matter.
 *  - Text is UTF-8 with a length. U+0000 is text.
 *  - The library never exits and never prints. It reads no environment
 *    variable, opens no connection and writes no file unless a parameter
 *    says so.
 *
 * Versions. Until 1.0 a new minor version may rename or remove functions,
 * types and members, and append members to structs, while the soname stays
 * libclipc.so.0: compile a program again for each minor version. A patch
 * version changes no name and no struct. What stays: the numbers of
 * clipc_status, the rule of struct_size, clipc_result, and exactness: token
 * ids and pixels equal the reference's (Hugging Face transformers with
 * Pillow), f32 embeddings differ from the reference's by rounding alone.
 */
#ifndef CLIPC_H
#define CLIPC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLIPC_VERSION_MAJOR 0
#define CLIPC_VERSION_MINOR 2
#define CLIPC_VERSION_PATCH 0

#if defined(__GNUC__)
#define CLIPC_API __attribute__((visibility("default")))
#else
#define CLIPC_API
#endif

/* ---- status and errors ------------------------------------------------- */

/* The numbers are pinned: none changes its meaning, none is used again. */
typedef enum clipc_status {
    CLIPC_OK = 0,
    CLIPC_ERR_ARGUMENT = 1,     /* the caller's mistake: NULL, mixed models */
    CLIPC_ERR_NOMEM = 2,        /* an allocation failed */
    CLIPC_ERR_IO = 3,           /* open, read, write or map failed */
    CLIPC_ERR_NOT_FOUND = 4,    /* no such file, model or label list */
    CLIPC_ERR_FORMAT = 5,       /* the bytes break their format's rules */
    CLIPC_ERR_TRUNCATED = 6,    /* the data ends too early */
    CLIPC_ERR_UNSUPPORTED = 7,  /* valid, but not something clipc reads */
    CLIPC_ERR_LIMIT = 8,        /* a limit was reached; the message names it */
    CLIPC_ERR_CONFIG = 9,       /* config.json and friends: missing or wrong */
    CLIPC_ERR_UTF8 = 10,        /* invalid UTF-8; offset says where */
    CLIPC_ERR_TOO_LONG = 11,    /* more tokens than the context length */
    CLIPC_ERR_NUMERIC = 12,     /* NaN, infinity or a zero embedding */
    CLIPC_ERR_URL = 13,         /* malformed URL or a scheme not allowed */
    CLIPC_ERR_URL_BLOCKED = 14, /* the address is private, loopback, ... */
    CLIPC_ERR_NETWORK = 15,     /* no connection, TLS failure, cut transfer */
    CLIPC_ERR_HTTP = 16,        /* the server answered with an error status */
    CLIPC_ERR_TIMEOUT = 17,     /* a time limit was reached */
    CLIPC_ERR_CANCELLED = 18,   /* a progress callback asked to stop */
    CLIPC_ERR_INTERNAL = 19     /* a bug in clipc */
} clipc_status;

/* What went wrong. CLIPC_ERROR_INIT sets struct_size; the library leaves a
 * struct of a smaller size alone. A call that succeeds writes nothing. */
typedef struct clipc_error {
    size_t struct_size;
    clipc_status code;
    int64_t offset;    /* byte offset in the input, or -1 */
    char message[256]; /* one line of UTF-8, names the file, field or limit */
} clipc_error;

#define CLIPC_ERROR_INIT \
    { \
        sizeof(clipc_error), CLIPC_OK, -1, \
        { \
            0 \
        } \
    }

/* "0.2.0": the version of the library that runs. Static string. */
CLIPC_API const char *clipc_version(void);

/* "ok", "argument", "nomem", ...; "unknown" for other numbers. Static. */
CLIPC_API const char *clipc_status_name(clipc_status status);

/* ---- objects and types ------------------------------------------------- */

typedef struct clipc_model clipc_model;   /* weights, config, tokenizer */
typedef struct clipc_ctx clipc_ctx;       /* threads and scratch memory */
typedef struct clipc_image clipc_image;   /* 8-bit RGB pixels */
typedef struct clipc_labels clipc_labels; /* n named unit vectors */

/* UTF-8 text, not terminated. data may be NULL where len is 0. */
typedef struct clipc_text {
    const char *data;
    size_t len; /* bytes */
} clipc_text;

/* A string literal as a text: CLIPC_TEXT("red car"). The literal's NUL byte is
 * not part of the text. */
#ifdef __cplusplus
#define CLIPC_TEXT(literal) (clipc_text{ "" literal, sizeof(literal) - 1 })
#else
#define CLIPC_TEXT(literal) ((clipc_text){ "" literal, sizeof(literal) - 1 })
#endif

/* A terminated string as a text, which refers to the string. NULL gives
 * {NULL, 0}, the empty text. */
CLIPC_API clipc_text clipc_text_from(const char *string);

/* One answer of clipc_classify() or clipc_similarity_topk(). The struct is
 * frozen: no member is added or changed. */
typedef struct clipc_result {
    uint32_t index;    /* of the label or vector */
    float cosine;      /* of the two unit vectors, to within 1e-6: of equal
                        * ones it may be over 1 */
    float logit;       /* cosine * exp(logit_scale) + logit_bias */
    float probability; /* as clipc_scoring says. SOFTMAX: over all labels or
                        * vectors, whose probabilities add up to 1. SIGMOID: of
                        * this pair alone; the probabilities do not add up to
                        * 1, and all of them may be small. */
} clipc_result;

/* The arithmetic of the linear layers; what surrounds them is f32. */
typedef enum clipc_precision {
    CLIPC_PRECISION_AUTO = 0, /* f32; of a packed file its own precision,
                               * the only one that the file holds */
    CLIPC_PRECISION_F32 = 1,  /* the reference's numbers */
    CLIPC_PRECISION_BF16 = 2, /* weights and inputs rounded to bf16, sums in
                               * f32 */
    CLIPC_PRECISION_INT8 = 3  /* weights rounded to 8 bits with one scale an
                               * output, inputs with one scale a row; exact
                               * 32-bit sums. Layers whose inputs 8 bits
                               * cannot hold are BF16 (docs/PACKED.md) */
} clipc_precision;

/* Settings, each defined in the section that is named beside it. */
typedef struct clipc_model_params clipc_model_params;   /* "model" below */
typedef struct clipc_ctx_params clipc_ctx_params;       /* "engine room" */
typedef struct clipc_image_params clipc_image_params;   /* "reading images" */
typedef struct clipc_labels_params clipc_labels_params; /* "labels" */
typedef struct clipc_pack_params clipc_pack_params;     /* "packed files" */
typedef struct clipc_hub_params clipc_hub_params;       /* "hub" */

/* How far a call is. Valid during the callback. */
typedef struct clipc_progress {
    const char *what;     /* the things counted: "images", "texts", "labels",
                           * "vectors"; "tensors" of an adapter; "bytes" of a
                           * transfer or a packed file; or the name of a file
                           * that is downloaded, counted in bytes */
    uint64_t done, total; /* total 0: not known */
} clipc_progress;

/* Called on the thread that called the library, also while the library waits
 * for a server or for another process. user: the progress_user beside the
 * callback. Nonzero cancels: the running call returns CLIPC_ERR_CANCELLED.
 * While a context computes, its callback is called several times a second,
 * with the same numbers again where nothing more is done, so that a cancel is
 * heard within a tenth of a second.
 *
 * A callback of a context must not free the context or an object that the
 * running call uses. A call on the context from its own callback returns
 * CLIPC_ERR_ARGUMENT; another context is free to use. */
typedef int (*clipc_progress_fn)(void *user, const clipc_progress *progress);

/* Told what a person should know that is not an error: one line, valid during
 * the callback. Called on the thread that called the library. */
typedef void (*clipc_notice_fn)(void *user, const char *message);

/* ======== the calls of the example ====================================== */

/* ---- model ------------------------------------------------------------- */

/* Opens a CLIP checkpoint as transformers or open_clip published it: both
 * towers, or one (CLIPTextModelWithProjection, CLIPVisionModelWithProjection).
 *
 * name, never NULL or empty, is the first of these that fits:
 *   - "demo", where params->data_dir is given: the model in that folder;
 *   - a folder with config.json, weights, tokenizer.json (or vocab.json and
 *     merges.txt, or spiece.model) and preprocessor_config.json;
 *   - a folder of sentence-transformers (modules.json) or of diffusers
 *     (model_index.json): the CLIP model in it, where there is one;
 *   - a packed file, or the file of weights in such a folder;
 *   - where params->hub is given, a repository id such as
 *     "openai/clip-vit-base-patch32", as clipc_hub_download() takes it. Files
 *     of the cache that turn out to be damaged are downloaded again where
 *     params->hub allows it.
 *
 * Weights are those that config.json names (transformers_weights), else the
 * first that exist of model.safetensors, the files that
 * model.safetensors.index.json names, open_clip_model.safetensors,
 * pytorch_model.bin, the files of pytorch_model.bin.index.json,
 * open_clip_pytorch_model.bin. Only the tensors of a PyTorch checkpoint are
 * read; no code in the file can run (docs/MODEL.md). open_clip_config.json
 * counts where open_clip's weights are the only ones, or where config.json
 * belongs to another program.
 *
 * An adapter_config.json in the folder is applied, as transformers does where
 * peft is installed: the weights are those of peft's merge_and_unload(). A
 * folder with an adapter alone stands for the model that it names
 * (base_model_name_or_path) with the adapter. An adapter that cannot be
 * applied is an error, never passed over.
 *
 * Opening validates the description of the tensors, all names and shapes, and
 * maps the weights without reading them. A tower's vectors stored in 16 bits
 * are converted when the tower is first used; the tokenizer is parsed when
 * first needed. A packed file is mapped and used as it lies.
 *
 * Returns
 *     CLIPC_ERR_NOT_FOUND    no such folder, file or repository; no weights
 *     CLIPC_ERR_CONFIG       a config is wrong, or a tensor is missing or has
 *                            another shape than the config says
 *     CLIPC_ERR_UNSUPPORTED  another network; a tensor's type; a packed file
 *                            of another version
 *     CLIPC_ERR_NUMERIC      logit_scale is not finite
 *     CLIPC_ERR_IO, _FORMAT, _TRUNCATED, _LIMIT; for an id those of
 *     clipc_hub_download() too */
CLIPC_API clipc_status clipc_model_open(clipc_model **model, const char *name,
                                        const clipc_model_params *params,
                                        clipc_error *err);

/* Drops the caller's reference. Contexts and labels made from the model keep
 * the model alive. */
CLIPC_API void clipc_model_free(clipc_model *model);

/* Numbers in an embedding of the model: a buffer for n embeddings has
 * n * clipc_model_dim(model) floats. 0 for NULL. */
CLIPC_API size_t clipc_model_dim(const clipc_model *model);

typedef enum clipc_load {
    CLIPC_LOAD_MAP = 0, /* map the weights. Do not truncate or rewrite the file
                         * in place while the model lives: the process would
                         * end with SIGBUS or SIGSEGV, or compute with other
                         * numbers. A rename over the file is safe. */
    CLIPC_LOAD_READ = 1 /* read a private copy; the file may change */
} clipc_load;

struct clipc_model_params {
    size_t struct_size;
    clipc_load load;
    const char *data_dir;    /* folder that holds demo/, or NULL */
    size_t max_header_bytes; /* of the description of the tensors: header
                                * of safetensors, data.pkl; default 8 MiB */
    size_t image_size; /* 0: the checkpoint's. Else, at most 8,192: pictures
                        * are preprocessed to this size, and the positions of
                        * the patches interpolated as transformers does it with
                        * interpolate_pos_encoding */
    const clipc_hub_params *hub; /* the cache that holds repositories, and
                                  * how they are downloaded; NULL: no name is
                                  * an id */
    const char *adapter; /* a low-rank adapter (LoRA), which is added to the
                          * weights: a folder with adapter_config.json and its
                          * weights, the id of a repository with them, or a
                          * file of Kohya's names; "": none; NULL: the one in
                          * the model's folder, if any */
    clipc_progress_fn progress; /* while an adapter is added: "tensors", of the
                                 * adapter; or NULL */
    void *progress_user;
};

CLIPC_API clipc_model_params clipc_model_params_default(void);

/* The files of a checkpoint in memory. Absent files are NULL, 0.
 *
 * config (config.json or open_clip_config.json) and weights are required.
 * Calls with texts need tokenizer_json, or vocab_json and merges_txt, or
 * spiece_model. A packed file is given as weights, alone; its bytes are copied
 * when first used unless they begin on a cache line.
 *
 * The buffers stay the caller's. Unlike other arguments they must outlive the
 * model and all objects made from the model. */
typedef struct clipc_model_files {
    size_t struct_size;
    const void *config;
    size_t config_bytes;
    const void *preprocessor_config; /* or processor_config.json's contents */
    size_t preprocessor_config_bytes;
    const void *tokenizer_json;
    size_t tokenizer_json_bytes;
    const void *tokenizer_config;
    size_t tokenizer_config_bytes;
    const void *vocab_json;
    size_t vocab_json_bytes;
    const void *merges_txt;
    size_t merges_txt_bytes;
    const void *weights; /* safetensors, or a PyTorch checkpoint */
    size_t weights_bytes;
    const void *spiece_model;
    size_t spiece_model_bytes;
    const void *special_tokens_map; /* this and the next are files of older
                                     * transformers */
    size_t special_tokens_map_bytes;
    const void *added_tokens;
    size_t added_tokens_bytes;
} clipc_model_files;

/* The same from files in memory. params->data_dir and hub are not used; load
 * counts for an adapter's file alone. The limits of files hold.
 * Returns the statuses of clipc_model_open() for a file. */
CLIPC_API clipc_status
clipc_model_open_memory(clipc_model **model, const clipc_model_files *files,
                        const clipc_model_params *params, clipc_error *err);

/* ---- context ----------------------------------------------------------- */

/* Makes a context for one model. A context is cheap; its threads start with
 * the first call that has work for them. A context is not valid in a forked
 * child. Returns CLIPC_ERR_UNSUPPORTED for a backend or instruction set that
 * this build or CPU lacks, and for another precision than that of a packed
 * file. */
CLIPC_API clipc_status clipc_ctx_create(clipc_ctx **ctx,
                                        const clipc_model *model,
                                        const clipc_ctx_params *params,
                                        clipc_error *err);

/* Ends the context's threads. */
CLIPC_API void clipc_ctx_free(clipc_ctx *ctx);

/* ---- labels ------------------------------------------------------------ */

struct clipc_labels_params {
    size_t struct_size;
    const clipc_text *templates; /* each with exactly one "{}"; n_templates 0:
                                  * the label alone */
    size_t n_templates;
    const char *cache_dir; /* folder of the label cache, made if absent; NULL:
                            * none. An unusable folder is not an error. */
    unsigned text_flags;   /* CLIPC_TEXT_... ("embeddings" below) */
};

CLIPC_API clipc_labels_params clipc_labels_params_default(void);

/* Embeds n labels, 1 to 1,000,000, or takes them from the cache. A prompt is a
 * template with the label in place of "{}". One template: the prompt's unit
 * vector; several (at most 1,000): the mean of the prompts' unit vectors,
 * scaled to unit length. Duplicates are kept.
 *
 * Returns the statuses of clipc_encode_texts(), whose messages name the label;
 * CLIPC_ERR_LIMIT also for too many labels or templates, _NUMERIC also where
 * the vectors of a label's prompts cancel each other. */
CLIPC_API clipc_status clipc_labels_create(clipc_labels **labels,
                                           clipc_ctx *ctx,
                                           const clipc_text *names, size_t n,
                                           const clipc_labels_params *params,
                                           clipc_error *err);

/* Labels from vectors of the caller, [n, dim], copied and scaled to unit
 * length; dim must be the model's. names: [n], copied; NULL: no names. Returns
 * CLIPC_ERR_NUMERIC for a vector that is zero or not finite, _UTF8, _LIMIT
 * (a name over 1 MiB; n over 2^32 - 1). */
CLIPC_API clipc_status clipc_labels_from_embeddings(
    clipc_labels **labels, const clipc_model *model, const clipc_text *names,
    const float *embeddings, size_t n, size_t dim, clipc_error *err);

/* The name of label `index`, followed by a NUL byte that len does not count.
 * The text belongs to the labels. {NULL, 0} for labels NULL, labels without
 * names, and an index past the last. */
CLIPC_API clipc_text clipc_labels_name(const clipc_labels *labels,
                                       size_t index);

CLIPC_API void clipc_labels_free(clipc_labels *labels);

/* ---- reading images ---------------------------------------------------- */

/* Which hosts a URL may lead to, checked on the connected address. */
typedef enum clipc_private_hosts {
    CLIPC_PRIVATE_DENY = 0,      /* public addresses only */
    CLIPC_PRIVATE_FIRST_HOP = 1, /* the URL itself may name any host; a
                                  * redirect must stay at the URL's scheme, host
                                  * and port, or lead to a public host */
    CLIPC_PRIVATE_ALLOW = 2      /* any host */
} clipc_private_hosts;

/* How transparency is removed. */
typedef enum clipc_alpha {
    CLIPC_ALPHA_DROP = 0, /* dropped, as Pillow's convert("RGB") does: the
                           * colours under transparent pixels are used */
    CLIPC_ALPHA_WHITE = 1 /* the picture is laid on white, as transformers'
                           * own image processor does */
} clipc_alpha;

/* How much of a JPEG is decoded for a model that sees a small picture. */
typedef enum clipc_decode {
    CLIPC_DECODE_EXACT = 0, /* every pixel, as the reference does */
    CLIPC_DECODE_FAST = 1   /* a half, a quarter or an eighth of each side, but
                             * at least twice what the resize makes: equal bit
                             * for bit to Pillow's Image.draft("RGB", (2 * S,
                             * 2 * S)) before the same steps. Other formats are
                             * decoded exactly. */
} clipc_decode;

/* Seconds that reading pictures takes, by stage. Wall time, and CPU time of the
 * calling thread. Decoding and resizing take turns, row by row: their CPU time
 * is divided as their wall time is. */
typedef struct clipc_image_times {
    double read, read_cpu;     /* bytes of a file or URL */
    double decode, decode_cpu; /* to rows of pixels */
    double resize, resize_cpu; /* rows to a model's pixels */
} clipc_image_times;

struct clipc_image_params {
    size_t struct_size;
    const clipc_model *fit; /* rows are resized and cropped for this model
                             * while they are decoded, and only [S, S, 3] is
                             * kept; NULL keeps every pixel */
    /* Limits. 0 means the default, except max_redirects, where 0 means no
     * redirect. */
    size_t max_bytes;        /* of the file; default 64 MiB (URL: 32 MiB) */
    size_t max_pixels;       /* default 178,956,970, as Pillow */
    size_t max_decode_bytes; /* decoder memory of formats that cannot stream:
                              * progressive JPEG, interlaced PNG and GIF,
                              * WebP, AVIF, run-length coded BMP; default
                              * 512 MiB */
    unsigned max_scans;      /* of a progressive JPEG; frames of an AVIF, with
                              * those of its tiles and those that are not
                              * shown; default 500 */
    unsigned timeout_ms;     /* whole transfer; default 30,000. A server that
                              * sends fewer than 1,000 bytes/s for 10 s, or
                              * nothing for so long, is left sooner */
    unsigned connect_timeout_ms; /* default 5,000 */
    unsigned max_redirects;      /* default 5 */
    clipc_private_hosts private_hosts;
    const char *ca_file;        /* PEM certificates instead of the system's */
    clipc_progress_fn progress; /* bytes of a transfer; or NULL */
    void *progress_user;
    int auto_orient;    /* turn the picture as its EXIF orientation says, as
                        * Pillow's ImageOps.exif_transpose() does */
    clipc_alpha alpha;  /* default CLIPC_ALPHA_DROP */
    int fit_published;  /* with `fit` NULL: fits rows to the preprocessing that
                        * clipc_preprocess() has without a model */
    const char *ca_dir; /* folder of PEM certificates named by their hashes
                         * (openssl rehash), beside ca_file; with either, the
                         * system's certificates do not count */
    const char *user_agent; /* of requests; some servers want an address of the
                             * operator in it; NULL: libclipc and its version;
                             * at most 256 characters of ASCII */
    clipc_decode decode; /* default CLIPC_DECODE_EXACT; FAST counts with fit or
                          * fit_published (docs/FORMATS.md) */
    clipc_image_times *times; /* each read adds to it, a failed one too; one
                               * thread at a time; NULL: nothing is measured */
    const char
        *proxy; /* URL of a proxy for URLs, http, https or socks5h; NULL:
                        * none: the environment's is not read. The proxy looks
                        * names up, so that private_hosts only hears of
                        * addresses that stand in a URL */
};

CLIPC_API clipc_image_params clipc_image_params_default(void);

/* Reads a JPEG, PNG, WebP, AVIF, GIF or BMP, and converts it to RGB as Pillow's
 * convert("RGB") does: no rotation, transparency dropped, of an animation the
 * first frame (docs/FORMATS.md has the details). The content says which format
 * a picture has. A damaged picture fails here, in no later call.
 *
 * Returns
 *     CLIPC_ERR_FORMAT, _TRUNCATED  a damaged picture
 *     CLIPC_ERR_UNSUPPORTED         another format; WebP, AVIF or GIF in a
 *                                   build without; a picture so narrow that
 *                                   resizing leaves nothing; a model of `fit`
 *                                   without an image tower
 *     CLIPC_ERR_LIMIT               a limit of params
 *     CLIPC_ERR_CONFIG              the preprocessing of `fit` makes another
 *                                   size than the model reads
 *     CLIPC_ERR_NOT_FOUND, _IO      of a file
 *     CLIPC_ERR_URL, _URL_BLOCKED, _NETWORK, _HTTP, _TIMEOUT, _CANCELLED
 *                                   of a URL; _UNSUPPORTED in a build without
 *                                   libcurl
 *
 * A URL is http, https or data: (base64 or percent-encoded), which opens no
 * connection and needs no libcurl. */
CLIPC_API clipc_status clipc_image_read_file(clipc_image **image,
                                             const char *path,
                                             const clipc_image_params *params,
                                             clipc_error *err);
CLIPC_API clipc_status
clipc_image_read_memory(clipc_image **image, const void *data, size_t n_bytes,
                        const clipc_image_params *params, clipc_error *err);
CLIPC_API clipc_status clipc_image_read_url(clipc_image **image,
                                            const char *url,
                                            const clipc_image_params *params,
                                            clipc_error *err);

/* The bytes that clipc_image_read_url() decodes, for a caller that bounds how
 * many pictures are decoded at once: clipc_image_read_memory() decodes them.
 * *data: [*n_bytes], the caller's, to be freed by free(); NULL on failure. Of
 * params, max_bytes, times and what concerns a transfer count; the others are
 * checked as for a picture. Returns
 * CLIPC_ERR_LIMIT and the statuses of a URL; of the text of a data: URL
 * CLIPC_ERR_FORMAT and _TRUNCATED too. */
CLIPC_API clipc_status clipc_image_fetch_url(void **data, size_t *n_bytes,
                                             const char *url,
                                             const clipc_image_params *params,
                                             clipc_error *err);

/* An image from pixels of the caller, copied. rgb: [height, stride_bytes] with
 * 3 bytes a pixel; stride_bytes >= 3 * width. Of params, fit, fit_published and
 * max_pixels count. Returns CLIPC_ERR_UNSUPPORTED, _LIMIT, _CONFIG. */
CLIPC_API clipc_status clipc_image_from_rgb(clipc_image **image,
                                            const uint8_t *rgb, size_t width,
                                            size_t height, size_t stride_bytes,
                                            const clipc_image_params *params,
                                            clipc_error *err);

CLIPC_API void clipc_image_free(clipc_image *image);

/* ---- classification ---------------------------------------------------- */

/* The k most probable labels of each image, best first (equal scores: lowest
 * index first). results: [n, k]; 1 <= k <= number of labels. The labels must
 * be of the context's model. The order is that of the cosines. Probabilities
 * are made in double, by clipc_model_info's scoring: the softmax of all labels'
 * logits, or the sigmoid of each label's own.
 * Returns the statuses of clipc_encode_images(). */
CLIPC_API clipc_status clipc_classify(clipc_ctx *ctx,
                                      const clipc_labels *labels,
                                      clipc_image *const *images, size_t n,
                                      size_t k, clipc_result *results,
                                      clipc_error *err);

/* The same for one picture by its name: a path, or an http(s) or data: URL.
 * results: [k]. The picture is read with params as clipc_image_read_file() and
 * clipc_image_read_url() read one, whose statuses are returned too; in the
 * place of params->fit stands the context's model. */
CLIPC_API clipc_status clipc_classify_file(clipc_ctx *ctx,
                                           const clipc_labels *labels,
                                           const char *name,
                                           const clipc_image_params *params,
                                           size_t k, clipc_result *results,
                                           clipc_error *err);

/* ---- embeddings -------------------------------------------------------- */

/* Flags. A call ignores those of this list that it has no use for; any other
 * bit is CLIPC_ERR_ARGUMENT. */

/* Cut texts that are too long, keeping the end token: to the context length,
 * or to the tokenizer's model_max_length where that is less; on the side that
 * the tokenizer's truncation_side says. */
#define CLIPC_TEXT_TRUNCATE 1u
/* "<|endoftext|>" and other special tokens in a text are text. */
#define CLIPC_TEXT_SPECIALS_PLAIN 2u
/* The projection's output, not scaled to unit length. */
#define CLIPC_EMBED_RAW 4u
/* Texts are lowered first, as SigLIP 2 was trained and as its published
 * tokenizer does not do. Tokenizers that lower every text ignore the flag;
 * XLM-R's and T5's refuse the flag with CLIPC_ERR_UNSUPPORTED. */
#define CLIPC_TEXT_LOWERCASE 16u

/* Embeddings of n images, [n, dim], of unit length unless CLIPC_EMBED_RAW. An
 * image must hold every pixel, or have been read with the context's model as
 * `fit`. n may be 0, with NULL arrays.
 *
 * Returns
 *     CLIPC_ERR_UNSUPPORTED  the model has no image tower; a picture so narrow
 *                            that resizing leaves nothing
 *     CLIPC_ERR_CONFIG       the model's preprocessing makes another size than
 *                            the model reads
 *     CLIPC_ERR_NUMERIC      an embedding is zero or not finite
 *     CLIPC_ERR_LIMIT, _CANCELLED */
CLIPC_API clipc_status clipc_encode_images(clipc_ctx *ctx,
                                           clipc_image *const *images,
                                           size_t n, float *embeddings,
                                           unsigned flags, clipc_error *err);

/* The same from preprocessed pixels, [n, 3, S, S], S the model's image_size.
 * Returns CLIPC_ERR_UNSUPPORTED, _NUMERIC, _LIMIT, _CANCELLED. */
CLIPC_API clipc_status clipc_encode_pixels(clipc_ctx *ctx, const float *pixels,
                                           size_t n, float *embeddings,
                                           unsigned flags, clipc_error *err);

/* Embeddings of n texts, [n, dim], of unit length unless CLIPC_EMBED_RAW. The
 * context length is clipc_ctx_params's, else the model's. n may be 0, with
 * NULL arrays.
 *
 * Returns
 *     CLIPC_ERR_TOO_LONG     more tokens than the context length, without
 *                            CLIPC_TEXT_TRUNCATE
 *     CLIPC_ERR_UTF8         offset: in the text
 *     CLIPC_ERR_LIMIT        a text over 1 MiB
 *     CLIPC_ERR_UNSUPPORTED  the model has no text tower
 *     CLIPC_ERR_NUMERIC      an embedding is zero or not finite
 *     CLIPC_ERR_CANCELLED
 *     CLIPC_ERR_NOT_FOUND, _IO, _CONFIG, _FORMAT, _LIMIT, _UNSUPPORTED
 *                            the tokenizer's files, when first needed */
CLIPC_API clipc_status clipc_encode_texts(clipc_ctx *ctx,
                                          const clipc_text *texts, size_t n,
                                          float *embeddings, unsigned flags,
                                          clipc_error *err);

/* ======== pixels, tokens, similarity ==================================== */

/* ---- pixels ------------------------------------------------------------ */

/* The image processor: resize, centre crop, scale, normalise. Equal bit for
 * bit to transformers 5.24's CLIPImageProcessorPil on Pillow 13.
 * pixels: [n, 3, S, S], S the model's image_size. model NULL: the
 * preprocessing published with openai/clip-vit-base-patch32, S = 224. An image
 * must hold every pixel, or have been read with the model as `fit` (NULL:
 * fit_published). Any thread may call. Returns CLIPC_ERR_UNSUPPORTED, _CONFIG
 * and _LIMIT as clipc_encode_images() does. */
CLIPC_API clipc_status clipc_preprocess(const clipc_model *model,
                                        clipc_image *const *images, size_t n,
                                        float *pixels, clipc_error *err);

/* The same before scaling and normalising. pixels: [n, 3, S, S]. */
CLIPC_API clipc_status clipc_preprocess_u8(const clipc_model *model,
                                           clipc_image *const *images,
                                           size_t n, uint8_t *pixels,
                                           clipc_error *err);

/* ---- tokens ------------------------------------------------------------ */

/* Token ids of a text, start and end token included. A model that reads a
 * fixed number of ids (SigLIP) pads its texts: the ids include the padding, up
 * to the model's context length, or model_max_length where that is less.
 *
 * Writes the first `capacity` ids to ids, [capacity]; *n_ids is the number that
 * the text has, which may be larger. To ask for the number alone give ids NULL,
 * capacity 0. With CLIPC_TEXT_TRUNCATE the number is at most the model's
 * context length. Any thread may call. Returns CLIPC_ERR_UTF8, _LIMIT (a text
 * over 1 MiB), _UNSUPPORTED (the model has no text tower), _CONFIG (the model
 * pads and the tokenizer has no padding token), and the statuses of the
 * tokenizer's files as clipc_encode_texts() does. */
CLIPC_API clipc_status clipc_tokenize(const clipc_model *model,
                                      clipc_text text, int32_t *ids,
                                      size_t capacity, size_t *n_ids,
                                      unsigned flags, clipc_error *err);

/* ---- similarity -------------------------------------------------------- */

/* The k nearest vectors of each query by cosine, best first (equal scores:
 * lowest index first). queries: [n_queries, dim]; vectors: [n_vectors, dim],
 * of any length but zero; results: [n_queries, k]; 1 <= k <= n_vectors. logit
 * and probability are made as clipc_classify() makes them. Progress counts the
 * queries as "vectors". Returns CLIPC_ERR_NUMERIC for a vector that is zero or
 * not finite, CLIPC_ERR_LIMIT for more than 2^32 - 1 vectors,
 * CLIPC_ERR_CANCELLED. */
CLIPC_API clipc_status
clipc_similarity_topk(clipc_ctx *ctx, const float *queries, size_t n_queries,
                      const float *vectors, size_t n_vectors, size_t dim,
                      size_t k, clipc_result *results, clipc_error *err);

/* How vectors are stored. */
typedef enum clipc_vector_dtype {
    CLIPC_VECTOR_F32 = 0,
    CLIPC_VECTOR_F16 = 1,
    CLIPC_VECTOR_INT8 = 2 /* -128 to 127, each vector in a scale of its own,
                           * which the cosine does not need */
} clipc_vector_dtype;

/* The same with vectors of fewer bits, [n_vectors, dim]. The numbers are
 * widened on the way, never in memory; the answers are, bit for bit, those of
 * the same numbers as f32. The call reads each vector once: with f16 half the
 * bytes of f32, with int8 a quarter. */
CLIPC_API clipc_status clipc_similarity_topk_stored(
    clipc_ctx *ctx, const float *queries, size_t n_queries,
    const void *vectors, clipc_vector_dtype dtype, size_t n_vectors,
    size_t dim, size_t k, clipc_result *results, clipc_error *err);

#define CLIPC_SIMILARITY_LOGITS \
    8u /* cosines times the model's logit scale, plus
        * its logit bias */

/* All cosines between two sets of vectors: images and texts, texts and texts,
 * images and images. a: [n_a, dim]; b: [n_b, dim], of any length but zero;
 * `a` and `b` may be the same array. matrix: [n_a, n_b] row by row, element
 * i * n_b + j of a[i] and b[j]. n_a and n_b may be 0.
 *
 * With CLIPC_SIMILARITY_LOGITS, images as `a` and texts as `b`, the matrix is
 * the reference's logits_per_image; the other way round logits_per_text, its
 * transpose bit for bit. What probabilities are made of logits, the scoring of
 * clipc_model_info says.
 *
 * An element is an f32 sum, which does not depend on the vectors beside its
 * own, on the number of threads or on the GEMM; its last bits depend on the
 * instruction set. In the tests it is within 1e-6 of the exact cosine, and may
 * thus be a little over 1. Vectors of unit length, as
 * clipc_encode_...() makes them, are used as they are: the numbers are those
 * of clipc_classify(). Progress counts the vectors of `a`. Returns
 * CLIPC_ERR_NUMERIC for a vector that is zero or not finite,
 * CLIPC_ERR_CANCELLED. */
CLIPC_API clipc_status clipc_similarity(clipc_ctx *ctx, const float *a,
                                        size_t n_a, const float *b, size_t n_b,
                                        size_t dim, float *matrix,
                                        unsigned flags, clipc_error *err);

/* ======== what an object is ============================================= */

typedef struct clipc_tower_info {
    size_t width, n_layers, n_heads, mlp_width;
    const char *activation; /* "quick_gelu", "gelu" or "gelu_pytorch_tanh" */
} clipc_tower_info;

/* What a logit means. */
typedef enum clipc_scoring {
    CLIPC_SCORING_SOFTMAX = 0, /* CLIP: the probabilities of a set of labels
                                * are the softmax of their logits */
    CLIPC_SCORING_SIGMOID = 1  /* SigLIP: the probability that a label fits a
                                * picture is 1 / (1 + exp(-logit)), whatever
                                * the other labels */
} clipc_scoring;

typedef struct clipc_model_info {
    size_t struct_size;
    size_t dim;        /* of an embedding */
    size_t image_size; /* S: pixels are [3, S, S] */
    size_t patch_size;
    size_t context_length; /* most tokens in a text, both ends included */
    size_t vocab_size;
    clipc_tower_info vision, text;
    float mean[3], std[3]; /* of the image normalisation: R, G, B */
    double logit_scale;    /* exp(logit_scale); for a single-tower model
                            * without one, exp(config's
                            * logit_scale_init_value) */
    size_t n_parameters;   /* numbers in all tensors that are used */
    size_t n_tensors;      /* in the file: see clipc_model_get_tensor() */
    const char *dtype;     /* "F32", "F16", "BF16" or "mixed" as stored, F32
                            * where an adapter has changed the numbers; of a
                            * packed file "packed f32", "packed bf16" or
                            * "packed int8" */
    const char *source;    /* path of the folder or file, or "(memory)" */
    const char *tokenizer; /* file the tokenizer comes from, or "none" */
    const char *preprocessing; /* file of the preprocessing, or "default" */
    int has_vision, has_text;  /* 0: the checkpoint lacks the tower; members
                                * that describe the tower are 0 or NULL, calls
                                * that need it return CLIPC_ERR_UNSUPPORTED */
    size_t trained_image_size; /* image_size as the checkpoint has it */
    const char *layout;        /* of the tensors' names: "transformers" or
                         * "open_clip" */
    const char *labels; /* name of the model's own list of labels, from its
                         * config: {"clipc": {"labels": "demo"}}; never a path:
                         * 1 to 63 of A-Z a-z 0-9 . - _, the first a letter or
                         * a digit. NULL: the config names no list. The lists
                         * lie in the data folder of clipc-classify. */
    const char *family; /* the network: "CLIP", "SigLIP" (SigLIP 2 too) or
                         * "MetaCLIP 2" */
    clipc_scoring scoring;
    double logit_bias;   /* logit = cosine * logit_scale + logit_bias; CLIP: 0.
                        * A SigLIP tower by itself without one: 0 */
    const char *adapter; /* path of the adapter that is in the weights, or
                          * NULL */
} clipc_model_info;

CLIPC_API clipc_status clipc_model_get_info(const clipc_model *model,
                                            clipc_model_info *info,
                                            clipc_error *err);

/* One tensor of the checkpoint. */
typedef struct clipc_tensor_info {
    size_t struct_size;
    const char *name;
    const char *dtype; /* as stored: "F32", "I64", ...; "F32" of numbers that
                        * clipc copied: of F64, strided, or of an adapter; of
                        * numbers that clipc cannot read, what they are: "a
                        * sparse tensor". Those have no shape and no data. */
    size_t rank, shape[8];
    size_t n_bytes;
    int used;          /* 0: an extra tensor that the network does not read */
    const char *tower; /* which reads the tensor: "vision", "text", "both",
                        * "none" */
    const void *data;  /* [shape] row by row as stored, little-endian, n_bytes,
                        * perhaps not aligned; of a mapped file, reading brings
                        * it into memory. The copy, where clipc made one. NULL:
                        * the file holds the numbers in another order. */
} clipc_tensor_info;

/* Describes tensor number `index`, 0 <= index < n_tensors, in file order, as a
 * _get_info() call does. */
CLIPC_API clipc_status clipc_model_get_tensor(const clipc_model *model,
                                              size_t index,
                                              clipc_tensor_info *info,
                                              clipc_error *err);

typedef struct clipc_image_info {
    size_t struct_size;
    size_t width, height;  /* of the picture as stored */
    const char *format;    /* "JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP" or,
                            * from memory, "RGB" */
    int orientation;       /* EXIF 1-8 as found, applied or not; 0: none */
    unsigned n_warnings;   /* damage the decoder repaired */
    int fitted;            /* the pixels are a model's: [S, S, 3] */
    const uint8_t *pixels; /* [pixels_height, pixels_width, 3] */
    size_t pixels_width, pixels_height;
    unsigned scale; /* a JPEG was decoded at 1/scale of its sides: 1, and with
                     * CLIPC_DECODE_FAST 2, 4 or 8 */
} clipc_image_info;

CLIPC_API clipc_status clipc_image_get_info(const clipc_image *image,
                                            clipc_image_info *info,
                                            clipc_error *err);

typedef struct clipc_labels_info {
    size_t struct_size;
    size_t n, dim;
    size_t n_encoded;        /* prompts that were not in the cache */
    const float *embeddings; /* [n, dim] unit vectors */
} clipc_labels_info;

CLIPC_API clipc_status clipc_labels_get_info(const clipc_labels *labels,
                                             clipc_labels_info *info,
                                             clipc_error *err);

/* ======== packed files ================================================== */

#define CLIPC_TOWER_IMAGE 1u
#define CLIPC_TOWER_TEXT 2u /* with the tokenizer */

struct clipc_pack_params {
    size_t struct_size;
    clipc_progress_fn progress; /* bytes of the file; or NULL */
    void *progress_user;
    /* The origin that the file names. NULL: of a snapshot in a hub cache the
     * repository id and revision, else the folder's name. */
    const char *source, *revision;
    unsigned towers; /* CLIPC_TOWER_... that the file is to hold; 0: all of
                      * the model's */
};

CLIPC_API clipc_pack_params clipc_pack_params_default(void);

/* Writes the model as one packed file (docs/PACKED.md): weights rearranged for
 * the kernels and rounded to `precision` (AUTO: f32), both configs, the
 * tokenizer, provenance. Embeddings from the file have the bits of the model's
 * at that precision with native kernels. The file appears whole under its name
 * or not at all, and replaces a file of that name. Any thread may call.
 *
 * Returns
 *     CLIPC_ERR_UNSUPPORTED  the model is packed already, or lacks a tower of
 *                            params->towers
 *     CLIPC_ERR_NOT_FOUND    a text tower without a tokenizer; no such folder
 *     CLIPC_ERR_UTF8         source or revision
 *     CLIPC_ERR_IO           the file cannot be written; a full disk
 *     CLIPC_ERR_CANCELLED
 *     CLIPC_ERR_CONFIG, _FORMAT, _LIMIT: the tokenizer's files */
CLIPC_API clipc_status clipc_model_pack(const clipc_model *model,
                                        const char *path,
                                        clipc_precision precision,
                                        const clipc_pack_params *params,
                                        clipc_error *err);

/* ======== Hugging Face hub ============================================== */

struct clipc_hub_params {
    size_t struct_size;
    const char *cache_dir; /* the hub cache, made if absent; never NULL */
    int allow_network;     /* 0 (default): only what is in the cache */
    int update;            /* also for files in the cache: ask the hub whether
                            * the branch has moved */
    const char *endpoint;  /* NULL: https://huggingface.co */
    const char *token;     /* NULL: none. Sent to the endpoint's own origin
                            * alone, over https or to this machine; no message
                            * contains it */
    const char *ca_file;   /* PEM certificates instead of the system's */
    const char *proxy;     /* URL; NULL: none. Not used for this machine */
    const char *no_proxy;  /* hosts reached without the proxy, as libcurl's
                            * no_proxy; NULL: none */
    /* Limits. 0 means the default, except max_retries, where 0 means no
     * retry. */
    unsigned connect_timeout_ms; /* default 10,000 */
    unsigned timeout_ms;         /* of silence; default 10,000. A server that
                                  * sends fewer than 1,000 bytes/s for three
                                  * times as long is left, too */
    unsigned max_retries;        /* in a row that bring less than 64 KiB, of a
                                  * smaller file less than a 25th; default 5 */
    unsigned retry_wait_ms;   /* before the first retry, doubled up to 8 times
                               * as long, at most 60,000; default 1,000 */
    unsigned lock_timeout_ms; /* while another process downloads the same
                               * file; default 3,600,000 */
    uint64_t max_file_bytes;  /* of weights; default 64 GiB. Other files:
                               * 128 MiB */
    clipc_progress_fn progress; /* or NULL; a cancelled call keeps what was
                                 * downloaded for the next */
    void *progress_user;
    clipc_notice_fn notice; /* or NULL */
    void *notice_user;
    const char *ca_dir;       /* as in clipc_image_params */
    unsigned head_timeout_ms; /* for the answer that describes a file; default
                               * timeout_ms */
};

CLIPC_API clipc_hub_params clipc_hub_params_default(void);

/* The folder with the files of a repository, for clipc_model_open() or any
 * other use. *folder is the caller's, to be freed by free(). params may not be
 * NULL: params->cache_dir is needed.
 *
 * id: NAME or ORG/NAME, optionally @REVISION: a branch, a tag, a commit or
 * refs/pr/N. Without a revision the branch main is meant. ORG/NAME/SUBFOLDER is
 * a model in a subfolder of the repository; *folder is then that subfolder. Of
 * a repository of sentence-transformers or diffusers the model in it is
 * downloaded, and *folder is the repository's own.
 *
 * A revision whose files are all in params->cache_dir, or known not to exist,
 * is taken from there, without a connection. Otherwise, with allow_network, the
 * library downloads the config, preprocessing and tokenizer files, and one set
 * of weights: the one that config.json names (transformers_weights), or the
 * first that exists of
 *     model.safetensors, or its shards
 *     open_clip_model.safetensors
 *     pytorch_model.bin, or its shards
 *     open_clip_pytorch_model.bin
 * Every file is checked: size, and SHA-256 or git's SHA-1 (or the plain SHA-1
 * or MD5 that a mirror gives instead). The cache has the format of
 * huggingface_hub 2.4 and is shared with Python programs. A transfer that was
 * cut is continued, also by another process. When the hub cannot be asked, or
 * what answers is no hub, files of an older state in the cache are used, and
 * params->notice is told why; so it is, without allow_network, of files that
 * nobody has asked the hub for.
 *
 * Returns
 *     CLIPC_ERR_NOT_FOUND    no such repository or revision, or the cache has
 *                            none of its files and allow_network is 0
 *     CLIPC_ERR_IO           the cache cannot be written; a full disk
 *     CLIPC_ERR_FORMAT       a wrong checksum or answer; nothing of it is kept
 *     CLIPC_ERR_URL_BLOCKED  a public hub sends its clients to a private
 *                            address
 *     CLIPC_ERR_HTTP         401, 403, 429, 5xx
 *     CLIPC_ERR_LIMIT, _URL, _NETWORK, _TIMEOUT, _CANCELLED
 *     CLIPC_ERR_UNSUPPORTED  a build without libcurl, or a libcurl without
 *                            https or ca_dir */
CLIPC_API clipc_status clipc_hub_download(char **folder, const char *id,
                                          const clipc_hub_params *params,
                                          clipc_error *err);

/* ======== engine room: backends, precision, memory ====================== */

typedef enum clipc_gemm {
    CLIPC_GEMM_AUTO = 0,      /* NATIVE where the CPU has AVX2, AVX-512 or
                               * NEON, else OpenBLAS where it was built in */
    CLIPC_GEMM_NATIVE = 1,    /* clipc's own kernels: the same bits for any
                               * batch size, order and number of threads */
    CLIPC_GEMM_OPENBLAS = 2,  /* cblas_sgemm of OpenBLAS */
    CLIPC_GEMM_ACCELERATE = 3 /* cblas_sgemm of macOS's Accelerate, which may
                               * compute on threads of its own; elsewhere
                               * CLIPC_ERR_UNSUPPORTED */
} clipc_gemm;

/* The highest instruction set the native kernels may use; one that the CPU
 * lacks is CLIPC_ERR_UNSUPPORTED. */
typedef enum clipc_cpu {
    CLIPC_CPU_AUTO = 0,
    CLIPC_CPU_C = 1,
    CLIPC_CPU_AVX2 = 2,   /* and AVX-VNNI */
    CLIPC_CPU_AVX512 = 3, /* and its VNNI and BF16, no AMX */
    CLIPC_CPU_AMX = 4,    /* int8 and bf16 products; f32 as AVX512 */
    /* 64-bit Arm. f32 and int8 have the bits of CLIPC_CPU_AVX2. */
    CLIPC_CPU_NEON = 5,
    CLIPC_CPU_DOTPROD = 6, /* int8 products by SDOT; the rest as NEON */
    CLIPC_CPU_I8MM = 7,    /* int8 products by SMMLA; the rest as NEON */
    CLIPC_CPU_BF16 = 8,    /* bf16 products by BFMMLA; the rest as I8MM */
    /* All products by SME, with vectors of 64 bytes; else AUTO takes it for f32
     * and int8 alone, and only where a timing says that SME pays. A thread
     * that gives itself vectors of another length must not compute. */
    CLIPC_CPU_SME = 9
} clipc_cpu;

/* Whether weights are rearranged in memory for the kernels. The embeddings
 * have the same bits either way. */
typedef enum clipc_packing {
    CLIPC_PACKING_AUTO = 0,  /* once a tower is used for the third time */
    CLIPC_PACKING_NEVER = 1, /* least memory */
    CLIPC_PACKING_ALWAYS = 2 /* before the first use: fastest from then on */
} clipc_packing;

struct clipc_ctx_params {
    size_t struct_size;
    unsigned threads; /* at most 1,024; 0: one for each CPU that the process
                       * may use, of several kinds the fast ones */
    clipc_gemm gemm;
    clipc_cpu cpu;
    int keep_blas_threads; /* 0: creating the first context with OpenBLAS sets
                            * OpenBLAS to one thread for the whole process,
                            * because clipc's own threads call OpenBLAS;
                            * 1: OpenBLAS keeps its number of threads.
                            * Accelerate is left as it is */
    clipc_progress_fn progress; /* images, texts or labels; or NULL */
    void *progress_user;
    size_t context_length; /* most tokens read of a text, both ends included,
                            * at least 3; 0: the model's, which is the most */
    clipc_precision precision; /* BF16 and INT8 need native kernels */
    clipc_packing packing; /* of the model's weights, in one copy that all its
                            * contexts share */
    /* Limits on what a model's config asks for, checked before memory is
     * taken. 0 means the default. */
    size_t max_scratch_bytes; /* memory of a forward pass; default 4 GiB */
    uint64_t max_macs; /* multiply-adds for one image or text, and 64 more for
                        * each output of a layer; default 10^13, ten times
                        * what the largest published network takes */
};

CLIPC_API clipc_ctx_params clipc_ctx_params_default(void);

/* What computes, for logs and bug reports. Strings are static. */
typedef struct clipc_build_info {
    size_t struct_size;
    const char *features;      /* of the CPU: "avx2 avx512 vnni ...", or "" */
    const char *isa;           /* best native kernels here: "c", "avx2", ... */
    const char *gemm;          /* what AUTO means: "openblas" or "native" */
    const char *openblas;      /* version; NULL: OpenBLAS is not built in, not
                                * installed, or has kernels that this CPU
                                * cannot run */
    const char *openblas_core; /* core type OpenBLAS runs as, or NULL */
    const char *openblas_core_better;       /* a faster core type to set in the
                                       * environment variable
                                       * OPENBLAS_CORETYPE, or NULL */
    unsigned n_cpus;                        /* CPUs that the process may use */
    const char *libjpeg, *libpng, *libcurl; /* versions; libcurl NULL: not
                                             * built in */
    const char *libwebp;                    /* version; NULL: not built in */
    /* The tiles of native matrix products in each precision, such as "avx512
     * 9x48" or "amx-int8 32x32" (rows x columns). */
    const char *kernel_f32, *kernel_bf16, *kernel_int8;
    const char *libavif; /* version; NULL: not built in */
    int reads_gif;       /* 0: built with GIF=0 */
} clipc_build_info;

/* Loads OpenBLAS where it is built in. */
CLIPC_API clipc_status clipc_get_build_info(clipc_build_info *info,
                                            clipc_error *err);

#ifdef __cplusplus
}
#endif

#endif /* CLIPC_H */
