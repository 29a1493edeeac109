/* SPDX-License-Identifier: MIT
 *
 * checkpoint.c - finds the network's tensors in a checkpoint's files and
 * hands them out: matrices where they lie, vectors as float arrays. In a
 * packed file the linear layers are strips (packed_file.h), all else is the
 * same.
 *
 * parameters.c knows the names and shapes, tensor_names.c where other programs
 * keep the same. One walk over the parameters of a tower serves both steps:
 * opening checks every tensor, first use points to it, or converts it where it
 * is a vector (loader.c).
 */
#include "checkpoint/checkpoint.h"

#include "config/other_networks.h"
#include "checkpoint/loader.h"
#include "checkpoint/outliers.h"
#include "checkpoint/packed_file.h"
#include "checkpoint/parameters.h"
#include "checkpoint/tensor_names.h"
#include "checkpoint/tensor_numbers.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPE_BYTES = 96 }; /* of a shape in a message */

/* Which towers read a tensor. */
enum { EXTRA, VISION, TEXT, BOTH };

struct clipc_checkpoint {
    clipc_tensor_files *files;
    clipc_config *config;
    clipc_layout layout;
    clipc_precision packed; /* AUTO: not a packed file */
    unsigned char *users;   /* [tensors of the files] */
    double logit_scale;
    float log_scale, logit_bias;
    size_t n_parameters;
    pthread_mutex_t mutex; /* guards the members below until they are
                            * published */
    clipc_vision_weights vision;
    clipc_text_weights text;
    float *vision_converted, *text_converted; /* or NULL */
    _Atomic(const clipc_vision_weights *) vision_ready;
    _Atomic(const clipc_text_weights *) text_ready;
};

static clipc_status visit_tower(clipc_checkpoint *checkpoint, int tower,
                                clipc_parameter_fn visit, void *user,
                                clipc_error *err)
{
    if (tower == VISION)
        return clipc_parameters_vision(checkpoint->config, &checkpoint->vision,
                                       visit, user, err);
    return clipc_parameters_text(checkpoint->config, &checkpoint->text, visit,
                                 user, err);
}

/* ---- checking ---------------------------------------------------------- */

/* "[2, 3]"; "[]" is a number. */
static const char *print_shape(char out[SHAPE_BYTES], const size_t *shape,
                               size_t rank)
{
    size_t n = 1;
    out[0] = '[';
    for (size_t i = 0; i < rank; i++) {
        /* Eight dimensions of 20 digits would not fit; the first ones of such
         * a tensor are wrong already. */
        if (n + 28 > SHAPE_BYTES) {
            n += (size_t)snprintf(out + n, SHAPE_BYTES - n, ", ...");
            break;
        }
        n += (size_t)snprintf(out + n, SHAPE_BYTES - n, "%s%zu", i ? ", " : "",
                              shape[i]);
    }
    snprintf(out + n, SHAPE_BYTES - n, "]");
    return out;
}

typedef struct checker {
    clipc_checkpoint *checkpoint;
    unsigned char user; /* VISION or TEXT */
} checker;

static bool has_one_tower(const clipc_checkpoint *checkpoint)
{
    return checkpoint->config->has_vision != checkpoint->config->has_text;
}

/* A tensor whose name is this one behind a prefix; or NULL. */
static const char *find_longer(const clipc_tensor_files *files,
                               const char *name)
{
    const size_t n = strlen(name);

    for (size_t i = 0; i < clipc_tensor_files_count(files); i++) {
        const char *other = clipc_tensor_files_at(files, i)->name;
        const size_t n_other = strlen(other);
        if (n_other > n + 1 && other[n_other - n - 1] == '.' &&
            strcmp(other + (n_other - n), name) == 0)
            return other;
    }
    return NULL;
}

/* A tensor of CLIP's tower by itself is missing. A CLIPTextModel or
 * CLIPVisionModel, which transformers 5 saves with names without the tower,
 * has no projection. */
static clipc_status check_tower(const clipc_checkpoint *checkpoint,
                                const char *name, clipc_error *err)
{
    const clipc_tensor_files *files = checkpoint->files;
    const bool text = checkpoint->config->has_text;
    const bool bare =
        clipc_tensor_files_find(files, "embeddings.position_embedding.weight");

    if (bare && clipc_tensor_files_find(files, text ? "text_projection.weight"
                                                    : "visual_projection."
                                                      "weight"))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: tensor %s is missing; the names of the tower's "
                          "tensors lack \"%s\"",
                          CLIPC_QUOTE(clipc_tensor_files_name(files)), name,
                          text ? "text_model." : "vision_model.");
    if (bare || strstr(name, "projection"))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: a tower without its projection, whose vectors "
                          "compare with no others; clipc reads what "
                          "CLIP...ModelWithProjection saves (%s is missing)",
                          CLIPC_QUOTE(clipc_tensor_files_name(files)), name);
    return CLIPC_OK;
}

/* A tensor is missing: says what kind of model the files seem to be. */
static clipc_status fail_missing(const clipc_checkpoint *checkpoint,
                                 const char *name, clipc_error *err)
{
    const clipc_tensor_files *files = checkpoint->files;
    const clipc_family family = checkpoint->config->family;
    /* MetaCLIP 2 has CLIP's names. */
    const char *own = clipc_family_name(
        family == CLIPC_FAMILY_METACLIP_2 ? CLIPC_FAMILY_CLIP : family);

    for (size_t i = 0; i < clipc_tensor_files_count(files); i++) {
        const char *network =
            clipc_network_of_tensor(clipc_tensor_files_at(files, i)->name,
                                    own);
        if (network)
            return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                              "%s: tensor %s is missing; by the names of its "
                              "tensors this network is %s",
                              CLIPC_QUOTE(clipc_tensor_files_name(files)),
                              name, network);
    }
    if (family != CLIPC_FAMILY_SIGLIP && has_one_tower(checkpoint))
        CLIPC_TRY(check_tower(checkpoint, name, err));
    const char *longer = find_longer(files, name);
    return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                      "%s: tensor %s is missing%s%s%s",
                      CLIPC_QUOTE(clipc_tensor_files_name(files)), name,
                      longer ? "; there is " : "",
                      longer ? CLIPC_QUOTE(longer) : "",
                      longer ? ", but not all names begin alike" : "");
}

static clipc_status find_float(const clipc_checkpoint *checkpoint,
                               const clipc_tensor **tensor, const char *name,
                               clipc_error *err)
{
    const clipc_tensor_files *files = checkpoint->files;

    *tensor = clipc_tensor_files_find(files, name);
    if (!*tensor)
        return fail_missing(checkpoint, name, err);
    if ((*tensor)->dtype == CLIPC_DTYPE_OTHER)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: tensor %s is stored as %s; clipc reads F64, "
                          "F32, F16 and BF16",
                          CLIPC_QUOTE(
                              clipc_tensor_files_file_of(files, *tensor)),
                          name, (*tensor)->dtype_name);
    return CLIPC_OK;
}

/* The shape that a parameter's tensor must have; returns its rank. */
static size_t stored_shape(size_t shape[CLIPC_MAX_DIMS],
                           const clipc_parameter *p,
                           const clipc_tensor_place *place)
{
    memcpy(shape, p->shape, sizeof p->shape);
    if (place->boxed) { /* a matrix */
        shape[0] = 1;
        memcpy(shape + 1, p->shape, p->rank * sizeof shape[0]);
        return p->rank + 1;
    }
    if (place->transposed) {
        shape[0] = p->shape[1];
        shape[1] = p->shape[0];
    }
    shape[0] *= place->n_parts; /* a width: 3 * 65,536 at most */
    return p->rank;
}

static clipc_status check_packed(const checker *c, const clipc_parameter *p,
                                 clipc_error *err)
{
    const clipc_tensor_files *files = c->checkpoint->files;
    unsigned char *users = c->checkpoint->users;
    clipc_packed_tensors tensors;

    CLIPC_TRY(
        clipc_packed_find(&tensors, files, c->checkpoint->packed, p, err));
    users[clipc_tensor_files_index(files, tensors.strips)] = c->user;
    p->linear->fine = c->checkpoint->packed == CLIPC_PRECISION_INT8 &&
                      p->kind == CLIPC_KIND_LAYER && !tensors.scale;
    if (tensors.scale) {
        users[clipc_tensor_files_index(files, tensors.scale)] = c->user;
        users[clipc_tensor_files_index(files, tensors.sums)] = c->user;
    }
    return CLIPC_OK;
}

/* Numbers that the network cannot use where they lie get a copy. */
static clipc_status make_plain(clipc_checkpoint *checkpoint,
                               const clipc_tensor *tensor, clipc_error *err)
{
    float *numbers;

    return tensor->strided || tensor->dtype == CLIPC_DTYPE_F64
               ? clipc_tensor_files_own(checkpoint->files, tensor, &numbers,
                                        err)
               : CLIPC_OK;
}

static clipc_status check_parameter(void *user, const clipc_parameter *p,
                                    clipc_error *err)
{
    const checker *c = user;
    const clipc_tensor_files *files = c->checkpoint->files;
    char found[SHAPE_BYTES], expected[SHAPE_BYTES];
    const clipc_tensor *tensor;
    clipc_tensor_place place;
    size_t shape[CLIPC_MAX_DIMS];

    c->checkpoint->n_parameters += clipc_parameter_numbers(p);
    if (p->linear && c->checkpoint->packed)
        return check_packed(c, p, err);
    clipc_tensor_place_find(&place, c->checkpoint->layout, p->name);
    CLIPC_TRY(find_float(c->checkpoint, &tensor, place.name, err));
    const size_t rank = stored_shape(shape, p, &place);
    if (tensor->rank != rank ||
        memcmp(tensor->shape, shape, rank * sizeof shape[0]) != 0)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "tensor %s has shape %s, config.json says %s (%s)",
                          place.name,
                          print_shape(found, tensor->shape, tensor->rank),
                          print_shape(expected, shape, rank),
                          CLIPC_QUOTE(
                              clipc_tensor_files_file_of(files, tensor)));
    c->checkpoint->users[clipc_tensor_files_index(files, tensor)] = c->user;
    return make_plain(c->checkpoint, tensor, err);
}

/* A tensor of one number: a scalar, or as SigLIP stores it, [1]. */
static clipc_status read_number(clipc_checkpoint *checkpoint, float *value,
                                const char *name, clipc_error *err)
{
    const clipc_tensor_files *files = checkpoint->files;
    const clipc_tensor *tensor;

    CLIPC_TRY(find_float(checkpoint, &tensor, name, err));
    if (tensor->rank > 1 || tensor->n_elements != 1)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: tensor %s must be one number",
                          CLIPC_QUOTE(
                              clipc_tensor_files_file_of(files, tensor)),
                          name);
    CLIPC_TRY(make_plain(checkpoint, tensor, err));
    clipc_tensor_read(value, tensor);
    checkpoint->n_parameters++;
    checkpoint->users[clipc_tensor_files_index(files, tensor)] = BOTH;
    return CLIPC_OK;
}

/* Whether the checkpoint may be without the scale, or the bias, of the logits:
 * a tower by itself stores none. SiglipModel sets absent ones to 0, while
 * CLIPModel leaves an absent scale at whatever the memory holds. */
static bool may_lack_logits(const clipc_checkpoint *checkpoint)
{
    return has_one_tower(checkpoint) ||
           (checkpoint->config->family == CLIPC_FAMILY_SIGLIP &&
            checkpoint->layout == CLIPC_LAYOUT_TRANSFORMERS);
}

static clipc_status check_logit_scale(clipc_checkpoint *checkpoint,
                                      clipc_error *err)
{
    const clipc_tensor_files *files = checkpoint->files;
    float value;

    /* The initial value of the config; 0 of SigLIP's. */
    if (may_lack_logits(checkpoint) &&
        !clipc_tensor_files_find(files, "logit_scale")) {
        checkpoint->log_scale = (float)checkpoint->config->logit_scale_init;
        checkpoint->logit_scale = exp(checkpoint->config->logit_scale_init);
        return CLIPC_OK;
    }
    CLIPC_TRY(read_number(checkpoint, &value, "logit_scale", err));
    checkpoint->log_scale = value;
    checkpoint->logit_scale = exp((double)value);
    /* Logits are floats: a cosine of 1, rounded up, times the scale must be
     * one. */
    if (!isfinite(value) || !(checkpoint->logit_scale < FLT_MAX / 2))
        return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                          "%s: tensor logit_scale or its exponential is not "
                          "a finite number",
                          CLIPC_QUOTE(clipc_tensor_files_file_of(
                              files,
                              clipc_tensor_files_find(files, "logit_scale"))));
    return CLIPC_OK;
}

/* SigLIP's; 0 where it may be absent. */
static clipc_status check_logit_bias(clipc_checkpoint *checkpoint,
                                     clipc_error *err)
{
    static const char name[] = "logit_bias";
    const clipc_tensor_files *files = checkpoint->files;

    if (checkpoint->config->family != CLIPC_FAMILY_SIGLIP ||
        (may_lack_logits(checkpoint) && !clipc_tensor_files_find(files, name)))
        return CLIPC_OK;
    CLIPC_TRY(read_number(checkpoint, &checkpoint->logit_bias, name, err));
    /* A logit is a float, as above. */
    if (!(fabs((double)checkpoint->logit_bias) < FLT_MAX / 4))
        return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                          "%s: tensor %s is not a finite number, or too large",
                          CLIPC_QUOTE(clipc_tensor_files_file_of(
                              files, clipc_tensor_files_find(files, name))),
                          name);
    return CLIPC_OK;
}

/* ---- loading ----------------------------------------------------------- */

/* A packed file was made with its own: check_packed() has set them. */
static void mark_outliers(clipc_checkpoint *checkpoint, int tower)
{
    if (!checkpoint->packed)
        clipc_outliers_mark(tower == VISION ? &checkpoint->vision.tower
                                            : &checkpoint->text.tower,
                            tower == VISION ? &checkpoint->config->vision
                                            : &checkpoint->config->text);
}

/* Under the mutex. After a failure there is no converted copy, and nobody has
 * seen the slots. */
static clipc_status load_tower(clipc_checkpoint *checkpoint, int tower,
                               float **converted, clipc_error *err)
{
    clipc_loader l = { .files = checkpoint->files,
                       .config = checkpoint->config,
                       .layout = checkpoint->layout,
                       .packed = checkpoint->packed };

    CLIPC_TRY(visit_tower(checkpoint, tower, clipc_load_parameter, &l, err));
    if (l.floats.used == 0 && !l.floats.overflow) {
        mark_outliers(checkpoint, tower);
        return CLIPC_OK;
    }
    float *block = l.floats.overflow ? NULL
                                     : clipc_alloc_aligned(l.floats.used, 1);
    if (!block)
        return clipc_fail_nomem(err, "converted weights");
    l.floats = (clipc_arena){ .base = (void *)block };
    clipc_status status = visit_tower(checkpoint, tower, clipc_load_parameter,
                                      &l, err);
    if (status != CLIPC_OK) {
        clipc_free_aligned(block);
        return status;
    }
    *converted = block;
    mark_outliers(checkpoint, tower);
    return CLIPC_OK;
}

clipc_status clipc_checkpoint_vision(clipc_checkpoint *checkpoint,
                                     const clipc_vision_weights **weights,
                                     clipc_error *err)
{
    clipc_status status = CLIPC_OK;

    *weights = atomic_load(&checkpoint->vision_ready);
    if (*weights)
        return CLIPC_OK;
    pthread_mutex_lock(&checkpoint->mutex);
    if (!atomic_load(&checkpoint->vision_ready)) {
        status = load_tower(checkpoint, VISION, &checkpoint->vision_converted,
                            err);
        if (status == CLIPC_OK)
            atomic_store(&checkpoint->vision_ready, &checkpoint->vision);
    }
    pthread_mutex_unlock(&checkpoint->mutex);
    *weights = atomic_load(&checkpoint->vision_ready);
    return status;
}

clipc_status clipc_checkpoint_text(clipc_checkpoint *checkpoint,
                                   const clipc_text_weights **weights,
                                   clipc_error *err)
{
    clipc_status status = CLIPC_OK;

    *weights = atomic_load(&checkpoint->text_ready);
    if (*weights)
        return CLIPC_OK;
    pthread_mutex_lock(&checkpoint->mutex);
    if (!atomic_load(&checkpoint->text_ready)) {
        status = load_tower(checkpoint, TEXT, &checkpoint->text_converted,
                            err);
        if (status == CLIPC_OK)
            atomic_store(&checkpoint->text_ready, &checkpoint->text);
    }
    pthread_mutex_unlock(&checkpoint->mutex);
    *weights = atomic_load(&checkpoint->text_ready);
    return status;
}

/* ---- open, close, questions -------------------------------------------- */

static clipc_layout find_layout(const clipc_checkpoint *checkpoint)
{
    const clipc_tensor_files *files = checkpoint->files;

    if (checkpoint->packed)
        return CLIPC_LAYOUT_PACKED;
    /* What SiglipTextModel and SiglipVisionModel save, heads included. */
    if (checkpoint->config->family == CLIPC_FAMILY_SIGLIP &&
        has_one_tower(checkpoint) &&
        clipc_tensor_files_find(files, "embeddings.position_embedding.weight"))
        return CLIPC_LAYOUT_TOWER;
    if (checkpoint->config->family == CLIPC_FAMILY_SIGLIP &&
        clipc_tensor_files_find(files, "visual.trunk.pos_embed"))
        return CLIPC_LAYOUT_OPEN_CLIP_TIMM;
    if (!clipc_tensor_files_find(files, "visual.conv1.weight") &&
        !clipc_tensor_files_find(files, "visual.class_embedding"))
        return CLIPC_LAYOUT_TRANSFORMERS;
    return clipc_tensor_files_find(files, "text.token_embedding.weight")
               ? CLIPC_LAYOUT_OPEN_CLIP_TEXT
               : CLIPC_LAYOUT_OPEN_CLIP;
}

static bool is_open_clip(const clipc_checkpoint *checkpoint)
{
    return checkpoint->layout == CLIPC_LAYOUT_OPEN_CLIP ||
           checkpoint->layout == CLIPC_LAYOUT_OPEN_CLIP_TEXT ||
           checkpoint->layout == CLIPC_LAYOUT_OPEN_CLIP_TIMM;
}

static bool has_prefix(const clipc_tensor_files *files, const char *prefix)
{
    for (size_t i = 0; i < clipc_tensor_files_count(files); i++)
        if (strncmp(clipc_tensor_files_at(files, i)->name, prefix,
                    strlen(prefix)) == 0)
            return true;
    return false;
}

/* A config may describe both towers where the files have one. */
static void find_towers(clipc_checkpoint *checkpoint)
{
    const clipc_tensor_files *files = checkpoint->files;
    clipc_config *config = checkpoint->config;
    bool vision, text;

    if (is_open_clip(checkpoint) || !config->has_vision || !config->has_text)
        return;
    vision = has_prefix(files, "vision_model.") ||
             has_prefix(files, "visual_projection.");
    text = has_prefix(files, "text_model.") ||
           has_prefix(files, "text_projection.");
    if (vision || text) {
        config->has_vision = vision;
        config->has_text = text;
    }
}

/* The tensors of bytes in a packed file are the model's. */
static void use_bytes(clipc_checkpoint *checkpoint)
{
    for (size_t i = 0; i < clipc_tensor_files_count(checkpoint->files); i++)
        if (strncmp(clipc_tensor_files_at(checkpoint->files, i)->name,
                    CLIPC_PACKED_PREFIX, strlen(CLIPC_PACKED_PREFIX)) == 0)
            checkpoint->users[i] = BOTH;
}

static clipc_status check_all(clipc_checkpoint *checkpoint, clipc_error *err)
{
    checker c = { checkpoint, VISION };

    if (checkpoint->packed)
        use_bytes(checkpoint);
    checkpoint->layout = find_layout(checkpoint);
    find_towers(checkpoint);
    if (checkpoint->config->has_vision)
        CLIPC_TRY(visit_tower(checkpoint, VISION, check_parameter, &c, err));
    c.user = TEXT;
    if (checkpoint->config->has_text)
        CLIPC_TRY(visit_tower(checkpoint, TEXT, check_parameter, &c, err));
    if (!clipc_outliers_sound(&checkpoint->vision.tower,
                              &checkpoint->config->vision) ||
        !clipc_outliers_sound(&checkpoint->text.tower,
                              &checkpoint->config->text))
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: layers that read the same rows are stored in "
                          "different precisions",
                          CLIPC_QUOTE(
                              clipc_tensor_files_name(checkpoint->files)));
    CLIPC_TRY(check_logit_scale(checkpoint, err));
    return check_logit_bias(checkpoint, err);
}

clipc_status clipc_checkpoint_open(clipc_checkpoint **out,
                                   clipc_tensor_files *files,
                                   clipc_config *config,
                                   clipc_precision packed, clipc_error *err)
{
    clipc_checkpoint *checkpoint = clipc_alloc_zero(1, sizeof *checkpoint);
    clipc_status status;

    *out = NULL;
    if (!checkpoint) {
        clipc_tensor_files_free(files);
        return clipc_fail_nomem(err, "checkpoint");
    }
    if (pthread_mutex_init(&checkpoint->mutex, NULL) != 0) {
        free(checkpoint);
        clipc_tensor_files_free(files);
        return clipc_fail_nomem(err, "mutex");
    }
    atomic_init(&checkpoint->vision_ready, NULL);
    atomic_init(&checkpoint->text_ready, NULL);
    checkpoint->files = files;
    checkpoint->packed = packed;
    checkpoint->config = config;
    checkpoint->users = clipc_alloc_zero(clipc_tensor_files_count(files), 1);
    checkpoint->vision.tower.layers =
        clipc_alloc_zero(config->vision.n_layers,
                         sizeof *checkpoint->vision.tower.layers);
    checkpoint->text.tower.layers =
        clipc_alloc_zero(config->text.n_layers,
                         sizeof *checkpoint->text.tower.layers);
    if (!checkpoint->users || !checkpoint->vision.tower.layers ||
        !checkpoint->text.tower.layers)
        status = clipc_fail_nomem(err, "checkpoint");
    else
        status = check_all(checkpoint, err);
    if (status != CLIPC_OK) {
        clipc_checkpoint_free(checkpoint);
        return status;
    }
    *out = checkpoint;
    return CLIPC_OK;
}

void clipc_checkpoint_free(clipc_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    pthread_mutex_destroy(&checkpoint->mutex);
    clipc_free_aligned(checkpoint->vision_converted);
    clipc_free_aligned(checkpoint->text_converted);
    free(checkpoint->vision.tower.layers);
    free(checkpoint->text.tower.layers);
    free(checkpoint->users);
    clipc_tensor_files_free(checkpoint->files);
    free(checkpoint);
}

const char *clipc_checkpoint_layout(const clipc_checkpoint *checkpoint)
{
    return is_open_clip(checkpoint) ? "open_clip" : "transformers";
}

double clipc_checkpoint_logit_scale(const clipc_checkpoint *checkpoint)
{
    return checkpoint->logit_scale;
}

float clipc_checkpoint_log_scale(const clipc_checkpoint *checkpoint)
{
    return checkpoint->log_scale;
}

float clipc_checkpoint_logit_bias(const clipc_checkpoint *checkpoint)
{
    return checkpoint->logit_bias;
}

size_t clipc_checkpoint_n_parameters(const clipc_checkpoint *checkpoint)
{
    return checkpoint->n_parameters;
}

clipc_status clipc_checkpoint_visit(clipc_checkpoint *checkpoint, bool vision,
                                    clipc_parameter_fn visit, void *user,
                                    clipc_error *err)
{
    return visit_tower(checkpoint, vision ? VISION : TEXT, visit, user, err);
}

const clipc_tensor_files *
clipc_checkpoint_files(const clipc_checkpoint *checkpoint)
{
    return checkpoint->files;
}

void clipc_checkpoint_forget(const clipc_checkpoint *checkpoint, bool text)
{
    for (size_t i = 0; i < clipc_tensor_files_count(checkpoint->files); i++)
        if (checkpoint->users[i] == (text ? TEXT : VISION))
            clipc_tensor_files_forget(checkpoint->files,
                                      clipc_tensor_files_at(checkpoint->files,
                                                            i));
}

void clipc_checkpoint_forget_bytes(const clipc_checkpoint *checkpoint,
                                   const void *data, size_t n)
{
    clipc_tensor_files_forget_bytes(checkpoint->files, data, n);
}

bool clipc_checkpoint_uses(const clipc_checkpoint *checkpoint, size_t index)
{
    return checkpoint->users[index] != EXTRA;
}

bool clipc_checkpoint_is_text(const clipc_checkpoint *checkpoint, size_t index)
{
    return checkpoint->users[index] == TEXT;
}

const char *clipc_checkpoint_tower(const clipc_checkpoint *checkpoint,
                                   size_t index)
{
    static const char *const names[] = {
        [EXTRA] = "none", [VISION] = "vision", [TEXT] = "text", [BOTH] = "both"
    };
    return names[checkpoint->users[index]];
}
