/* SPDX-License-Identifier: MIT
 *
 * label_sets.c - see label_sets.h.
 *
 * The key of a set is its model's generation, flags and texts with their
 * lengths, all of it: no set is found by a hash alone. The cache holds at most
 * max_sets sets and MAX_BYTES of vectors and keys; the set that was used
 * longest ago goes first. A set in use may be over the bound until it is given
 * back.
 */
#include "serve/label_sets.h"

#include "serve/gate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Of all sets together. */
#define MAX_BYTES ((size_t)256 << 20)

typedef enum entry_state { MAKING, MADE, FAILED } entry_state;

typedef struct entry {
    serve_label_set set; /* first: a set is found in its entry */
    entry_state state;
    bool listed; /* in the list of the cache */
    size_t references;
    uint64_t generation, hash, used; /* used: a clock that counts calls */
    char *key;
    size_t key_bytes, bytes;
    struct entry *next;
} entry;

struct serve_label_cache {
    pthread_mutex_t mutex;
    pthread_cond_t made; /* an entry is MADE or FAILED */
    serve_batcher *batcher;
    entry *first;
    size_t n, max_sets, bytes;
    uint64_t clock;
    uint64_t generation; /* of the model whose sets are kept */
};

serve_label_cache *serve_label_cache_new(size_t max_sets,
                                         serve_batcher *batcher)
{
    serve_label_cache *cache = calloc(1, sizeof *cache);

    if (!cache)
        return NULL;
    cache->max_sets = max_sets;
    cache->batcher = batcher;
    if (pthread_mutex_init(&cache->mutex, NULL) == 0) {
        if (tool_cond_start(&cache->made))
            return cache;
        pthread_mutex_destroy(&cache->mutex);
    }
    free(cache);
    return NULL;
}

static void free_entry(entry *e)
{
    clipc_labels_free(e->set.labels);
    free(e->key);
    free(e);
}

void serve_label_cache_free(serve_label_cache *cache)
{
    if (!cache)
        return;
    for (entry *e = cache->first, *next; e; e = next) {
        next = e->next;
        free_entry(e);
    }
    pthread_cond_destroy(&cache->made);
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

/* ---- keys -------------------------------------------------------------- */

static void put_texts(serve_buffer *key, const clipc_text *texts, size_t n)
{
    serve_put(key, &n, sizeof n);
    for (size_t i = 0; i < n; i++) {
        serve_put(key, &texts[i].len, sizeof texts[i].len);
        serve_put(key, texts[i].data, texts[i].len);
    }
}

static uint64_t hash_of(const serve_buffer *key)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < key->n; i++)
        hash = (hash ^ (unsigned char)key->data[i]) * 1099511628211u;
    return hash;
}

/* ---- the list, under the mutex ----------------------------------------- */

static void take_out(serve_label_cache *cache, entry *e)
{
    entry **link = &cache->first;

    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    e->listed = false;
    cache->n--;
    cache->bytes -= e->bytes;
}

/* Frees what nobody uses until the cache keeps its bounds. */
static void shrink(serve_label_cache *cache)
{
    while (cache->n > cache->max_sets || cache->bytes > MAX_BYTES) {
        entry *oldest = NULL;
        for (entry *e = cache->first; e; e = e->next)
            if (e->references == 0 && (!oldest || e->used < oldest->used))
                oldest = e;
        if (!oldest)
            return;
        take_out(cache, oldest);
        free_entry(oldest);
    }
}

static void drop(serve_label_cache *cache, entry *e)
{
    e->references--;
    if (e->references == 0 && !e->listed)
        free_entry(e);
    else
        shrink(cache);
}

static entry *find(const serve_label_cache *cache, const serve_buffer *key,
                   uint64_t hash)
{
    for (entry *e = cache->first; e; e = e->next)
        if (e->hash == hash && e->key_bytes == key->n &&
            memcmp(e->key, key->data, key->n) == 0)
            return e;
    return NULL;
}

/* ---- getting ----------------------------------------------------------- */

/* Makes the set of an entry that is MAKING. Without the mutex. */
static clipc_status make(serve_label_cache *cache, serve_request *request,
                         const serve_label_texts *texts, entry *e,
                         clipc_error *err)
{
    serve_job job = { .kind = SERVE_JOB_LABELS,
                      .model = request->model,
                      .names = texts->names,
                      .n_names = texts->n_names,
                      .params = clipc_labels_params_default() };

    job.params.templates = texts->templates;
    job.params.n_templates = texts->n_templates;
    job.params.text_flags = texts->text_flags;
    clipc_status status = serve_batcher_run(cache->batcher, request, &job, 1,
                                            err);
    if (status == CLIPC_OK && job.err.code != CLIPC_OK) {
        *err = job.err;
        status = job.err.code;
    }
    if (status == CLIPC_OK)
        e->set.labels = job.made;
    else
        clipc_labels_free(job.made);
    return status;
}

static entry *new_entry(serve_label_cache *cache, serve_buffer *key,
                        uint64_t hash, const serve_request *request, size_t n)
{
    entry *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->set.cache = cache;
    e->set.n = n;
    e->state = MAKING;
    e->listed = true;
    e->generation = request->model->generation;
    e->hash = hash;
    e->key = key->data;
    e->key_bytes = key->n;
    e->bytes = sizeof *e + key->room +
               n * (request->model->info.dim * sizeof(float) +
                    sizeof(clipc_text));
    *key = (serve_buffer){ 0 };
    e->next = cache->first;
    cache->first = e;
    cache->n++;
    cache->bytes += e->bytes;
    return e;
}

/* Waits while another request makes the set. */
static clipc_status wait_for(serve_label_cache *cache, serve_request *request,
                             const entry *e, clipc_error *err)
{
    clipc_status status = CLIPC_OK;

    while (e->state == MAKING && status == CLIPC_OK) {
        tool_cond_wait(&cache->made, &cache->mutex, SERVE_WAIT_NS);
        status = serve_request_over(request, err);
    }
    return status;
}

/* Makes the set that no entry has. Called and returns with the mutex. */
static clipc_status add(serve_label_cache *cache, serve_request *request,
                        const serve_label_texts *texts, serve_buffer *key,
                        uint64_t hash, entry **made, clipc_error *err)
{
    entry *e = new_entry(cache, key, hash, request, texts->n_names);

    if (!e)
        return serve_refuse(err, CLIPC_ERR_NOMEM, "out of memory for labels");
    e->references = 1;
    pthread_mutex_unlock(&cache->mutex);
    clipc_status status = make(cache, request, texts, e, err);
    pthread_mutex_lock(&cache->mutex);
    e->state = status == CLIPC_OK ? MADE : FAILED;
    pthread_cond_broadcast(&cache->made);
    if (status == CLIPC_OK) {
        *made = e;
        /* Of a model that has gone meanwhile: for this request alone. */
        if (e->generation < cache->generation && e->listed)
            take_out(cache, e);
        shrink(cache);
        return CLIPC_OK;
    }
    if (e->listed)
        take_out(cache, e);
    drop(cache, e);
    return status;
}

clipc_status serve_label_set_get(serve_label_cache *cache,
                                 serve_request *request,
                                 const serve_label_texts *texts,
                                 serve_label_set **set, clipc_error *err)
{
    serve_buffer key = { 0 };
    clipc_status status = CLIPC_OK;
    entry *e = NULL;

    *set = NULL;
    serve_put(&key, &request->model->generation,
              sizeof request->model->generation);
    serve_put(&key, &texts->text_flags, sizeof texts->text_flags);
    put_texts(&key, texts->names, texts->n_names);
    put_texts(&key, texts->templates, texts->n_templates);
    if (key.failed) {
        serve_buffer_free(&key);
        return serve_refuse(err, CLIPC_ERR_NOMEM, "out of memory for labels");
    }
    uint64_t hash = hash_of(&key);
    pthread_mutex_lock(&cache->mutex);
    while (status == CLIPC_OK && !*set) {
        e = find(cache, &key, hash);
        if (!e) {
            status = add(cache, request, texts, &key, hash, &e, err);
            if (status == CLIPC_OK)
                *set = &e->set;
            break;
        }
        e->references++;
        status = wait_for(cache, request, e, err);
        if (status == CLIPC_OK && e->state == MADE)
            *set = &e->set;
        else
            drop(cache, e); /* its maker failed or left: try again */
    }
    if (*set)
        e->used = ++cache->clock;
    pthread_mutex_unlock(&cache->mutex);
    serve_buffer_free(&key);
    return status;
}

void serve_label_set_drop(serve_label_set *set)
{
    if (!set || !set->cache)
        return;
    serve_label_cache *cache = set->cache;
    pthread_mutex_lock(&cache->mutex);
    drop(cache, (entry *)set);
    pthread_mutex_unlock(&cache->mutex);
}

void serve_label_cache_forget(serve_label_cache *cache, uint64_t generation)
{
    pthread_mutex_lock(&cache->mutex);
    cache->generation = generation;
    for (entry *e = cache->first, *next; e; e = next) {
        next = e->next;
        if (e->generation == generation || e->state == MAKING)
            continue;
        take_out(cache, e);
        if (e->references == 0)
            free_entry(e);
    }
    pthread_mutex_unlock(&cache->mutex);
}

size_t serve_label_cache_size(serve_label_cache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    size_t n = cache->n;
    pthread_mutex_unlock(&cache->mutex);
    return n;
}
