/* SPDX-License-Identifier: MIT
 *
 * pipeline.c - see pipeline.h.
 *
 * Inputs are numbered from 0; number i lives in slot i % window while
 * head <= i < tail. Its state goes QUEUED, READING, READ, DONE, or from the
 * start to DONE when there is nothing to read or the reading failed. One mutex
 * guards the states and the counters; a slot's item belongs to the thread that
 * set its state: the reader while READING, the caller while READ and DONE.
 *
 * Readers are of two kinds. Files keep a core busy, so there are as many
 * readers as the caller wants cores used; URLs, standard input and pipes mostly
 * wait, and have threads of their own, started when the first one is named.
 *
 * Encoder and file readers share the cores: the encoder sleeps when no picture
 * is ready, the readers sleep when enough pictures are. A batch has
 * consecutive pictures unless one of them is slow: the same inputs give the
 * same batches, and with OpenBLAS the same last digits.
 */
#include "pictures/pipeline.h"

#include "common/progress.h"
#include "common/system.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    BATCH = 8,        /* encoded together, at least: enough to use the weights
                       * well once they are in the cache, few enough that
                       * answers come steadily */
    READER_BATCH = 4, /* for each reader: with fewer, the tower's threads share
                       * each matrix product and wait for each other
                       * (docs/SPEED.md, "Many CPUs") */
    AHEAD = 3,        /* batches of pictures of either kind decoded ahead */
    WINDOW = 1024,    /* inputs in flight */
    MAX_READERS = 64,
    MAX_FETCHERS = 8, /* transfers at a time */
    MAX_BATCH = READER_BATCH * MAX_READERS
};

/* Most of the answers in the window; a record may have a million labels. */
#define WINDOW_BYTES ((size_t)64 << 20)

/* Bytes of tars' members that are read and not yet decoded, for each reader; or
 * one member. The thread that finds names reads them, one after the other. */
#define MEMBER_BYTES ((size_t)16 << 20)

/* Bytes of the names in the window, or one name: a data: URL is as long as its
 * picture. */
#define NAME_BYTES ((size_t)64 << 20)

/* A reader's memory for a picture that cannot be decoded by rows. A picture
 * that needs more is read with the caller's limit, one at a time: the bound on
 * memory does not grow with the number of readers. */
#define SMALL_DECODE_BYTES ((size_t)128 << 20)

#define PATIENCE_NS 250000000 /* without a new picture, for a full batch */
#define LOOK_NS 20000000      /* between looks for signals */
#define GRACE_NS 40000000     /* for threads to end when stopped */

enum { FAST, SLOW, KINDS };

typedef enum state { QUEUED, READING, READ, DONE } state;

typedef struct slot {
    tool_item item;
    state state;
    int kind;
} slot;

typedef struct pipeline {
    const tool_pipeline_params *params;
    tool_read_params read;
    tool_stats *stats;    /* or NULL */
    slot *slots;          /* [window] */
    size_t window, batch; /* inputs in flight; encoded together */
    char *answers;        /* [window, answer_bytes] */
    char *batch_answers;  /* [batch, answer_bytes] */

    pthread_mutex_t mutex;
    pthread_cond_t moved;       /* for the caller: anything changed */
    pthread_cond_t room;        /* for the thread that finds names: a slot, or
                                 * the bytes of a member */
    pthread_cond_t work[KINDS]; /* for readers: a name, or a picture gone */
    size_t head, tail;
    size_t next[KINDS]; /* where readers look for a name */
    size_t n_queued[KINDS];
    size_t n_pictures[KINDS]; /* READING and READ */
    size_t n_idle[KINDS];     /* readers waiting */
    size_t n_held;            /* bytes of members in memory */
    size_t n_name_bytes;      /* of the names in the window */
    unsigned n_readers[KINDS];
    unsigned n_running;       /* threads that have not ended */
    bool ended;               /* all inputs are named */
    bool starved;             /* the writer of a list is awaited */
    size_t n_answered, total; /* inputs, total 0 or a guess */
    int64_t changed_ns;       /* when a picture came last */
    atomic_bool stop;

    pthread_mutex_t large;    /* held while a large picture is decoded */
    pthread_mutex_t counting; /* guards the stages of stats that readers add */
    pthread_t threads[1 + MAX_READERS + MAX_FETCHERS];
    unsigned n_threads;
    tool_pipeline_result result;
} pipeline;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- names ------------------------------------------------------------- */

/* Whether no name more is looked for before a record is written. */
static bool is_full(const pipeline *p)
{
    return p->tail - p->head == p->window ||
           (p->tail > p->head && p->n_name_bytes >= NAME_BYTES);
}

/* The next input that is not answered yet; false: there is none. */
static bool next_item(pipeline *p, tool_item *item)
{
    void *answer = item->answer;

    memset(item, 0, sizeof *item);
    item->answer = answer;
    while (tool_sources_next(p->params->sources, &item->source)) {
        if (!p->params->answered ||
            !tool_answered_take(p->params->answered, item->source.name,
                                strlen(item->source.name))) {
            item->status = item->source.status;
            memcpy(item->message, item->source.message, sizeof item->message);
            return true;
        }
        tool_source_free(&item->source);
    }
    return false;
}

/* The number of inputs: the named ones and a guess at the rest; 0: unknown.
 * Called by the thread that finds names. */
static size_t guess_total(const pipeline *p, size_t n_named)
{
    size_t rest;
    return tool_sources_rest(p->params->sources, &rest) ? n_named + rest : 0;
}

static int kind_of(const tool_source *source)
{
    const char *name = source->name;
    struct stat st;

    if (source->member || tool_is_data_url(name))
        return FAST;
    if (tool_is_url(name) || strcmp(name, "-") == 0)
        return SLOW;
    /* A name that leads nowhere fails at once. */
    return stat(name, &st) != 0 || S_ISREG(st.st_mode) ? FAST : SLOW;
}

/* ---- members of tars --------------------------------------------------- */

/* Of a member of a tar, reads the bytes, once there is room for them in memory.
 * Called by the thread that finds names. */
static void load_member(pipeline *p, tool_item *item)
{
    tool_source *source = &item->source;
    const size_t most = MEMBER_BYTES * p->params->n_readers;

    if (!source->member)
        return;
    pthread_mutex_lock(&p->mutex);
    while (p->n_held > 0 && !atomic_load(&p->stop) &&
           (source->bytes > most || p->n_held > most - source->bytes))
        pthread_cond_wait(&p->room, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
    const tool_span start = tool_stats_now();
    tool_sources_load(p->params->sources, source, p->read.max_bytes);
    if (p->stats) {
        pthread_mutex_lock(&p->counting);
        tool_stats_add(p->stats, TOOL_STAGE_READ, start);
        pthread_mutex_unlock(&p->counting);
    }
    item->status = source->status;
    memcpy(item->message, source->message, sizeof item->message);
    if (source->data) {
        pthread_mutex_lock(&p->mutex);
        p->n_held += (size_t)source->bytes;
        pthread_mutex_unlock(&p->mutex);
    }
}

/* Locked: the picture is decoded. */
static void drop_member(pipeline *p, tool_source *source)
{
    if (!source->data)
        return;
    tool_source_unload(source);
    p->n_held -= (size_t)source->bytes;
    pthread_cond_signal(&p->room);
}

/* ---- reading ----------------------------------------------------------- */

/* Stops a transfer; transfers have no progress line. */
static int on_transfer(void *user, const clipc_progress *progress)
{
    const pipeline *p = user;
    (void)progress;
    return atomic_load(&p->stop) || tool_interrupted();
}

/* Adds what the reading of a picture took. */
static void add_times(pipeline *p, const clipc_image_times *times)
{
    tool_span *stages = p->stats->stages;

    pthread_mutex_lock(&p->counting);
    stages[TOOL_STAGE_READ].wall += times->read;
    stages[TOOL_STAGE_READ].cpu += times->read_cpu;
    stages[TOOL_STAGE_DECODE].wall += times->decode;
    stages[TOOL_STAGE_DECODE].cpu += times->decode_cpu;
    stages[TOOL_STAGE_RESIZE].wall += times->resize;
    stages[TOOL_STAGE_RESIZE].cpu += times->resize_cpu;
    pthread_mutex_unlock(&p->counting);
}

static void read_item(pipeline *p, tool_item *item)
{
    clipc_image_times times = { 0 };
    tool_read_params all = p->read;
    clipc_error err = CLIPC_ERROR_INIT;
    if (p->stats)
        all.image.times = &times;
    tool_read_params small = all;
    size_t most = all.image.max_decode_bytes;
    /* A pipe can be read only once. */
    bool again = p->window > 1 && (most == 0 || most > SMALL_DECODE_BYTES) &&
                 (tool_is_url(item->source.name) ||
                  kind_of(&item->source) == FAST);

    if (again)
        small.image.max_decode_bytes = SMALL_DECODE_BYTES;
    clipc_status status = tool_source_read(&item->image, &item->source, &small,
                                           &err);
    if (status == CLIPC_ERR_LIMIT && again) {
        pthread_mutex_lock(&p->large);
        status = tool_source_read(&item->image, &item->source, &all, &err);
        pthread_mutex_unlock(&p->large);
    }
    if (p->stats)
        add_times(p, &times);
    if (status != CLIPC_OK) {
        item->status = status;
        memcpy(item->message, err.message, sizeof item->message);
        return;
    }
    item->info = (clipc_image_info){ .struct_size = sizeof item->info };
    (void)clipc_image_get_info(item->image, &item->info, NULL);
}

/* Waits for a name, locked; NULL: there will be none. */
static slot *take_name(pipeline *p, int kind)
{
    while (!atomic_load(&p->stop)) {
        if (p->next[kind] < p->head)
            p->next[kind] = p->head;
        while (p->next[kind] < p->tail) {
            slot *s = &p->slots[p->next[kind] % p->window];
            if (s->kind == kind && s->state == QUEUED)
                break;
            p->next[kind]++;
        }
        if (p->next[kind] < p->tail) {
            if (p->n_pictures[kind] < AHEAD * p->batch + p->n_readers[kind]) {
                slot *s = &p->slots[p->next[kind]++ % p->window];
                s->state = READING;
                p->n_queued[kind]--;
                p->n_pictures[kind]++;
                return s;
            }
        } else if (p->ended) {
            return NULL;
        }
        p->n_idle[kind]++;
        pthread_cond_wait(&p->work[kind], &p->mutex);
        p->n_idle[kind]--;
    }
    return NULL;
}

static void end_thread(pipeline *p)
{
    p->n_running--;
    pthread_cond_signal(&p->moved);
    pthread_mutex_unlock(&p->mutex);
}

static void read_names(pipeline *p, int kind)
{
    slot *s;

    pthread_mutex_lock(&p->mutex);
    while ((s = take_name(p, kind)) != NULL) {
        pthread_mutex_unlock(&p->mutex);
        read_item(p, &s->item);
        pthread_mutex_lock(&p->mutex);
        drop_member(p, &s->item.source);
        s->state = s->item.image ? READ : DONE;
        if (s->state == DONE) {
            p->n_pictures[kind]--;
            p->n_answered++;
            pthread_cond_signal(&p->work[kind]);
        }
        p->changed_ns = now_ns();
        pthread_cond_signal(&p->moved);
    }
    end_thread(p);
}

static void *read_files(void *arg)
{
    read_names(arg, FAST);
    return NULL;
}

static void *read_slow(void *arg)
{
    read_names(arg, SLOW);
    return NULL;
}

/* Locked. The caller of tool_pipeline_run() keeps the signals. */
static bool start_thread(pipeline *p, void *(*body)(void *))
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = pthread_create(&p->threads[p->n_threads], NULL, body, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    p->n_threads += good;
    p->n_running += good;
    return good;
}

/* ---- the thread that finds names --------------------------------------- */

/* Locked: publishes slot `tail`. */
static void queue_slot(pipeline *p, slot *s)
{
    int kind = s->item.status == CLIPC_OK ? s->kind : FAST;

    if (kind == SLOW && p->n_idle[SLOW] <= p->n_queued[SLOW] &&
        p->n_readers[SLOW] < MAX_FETCHERS && start_thread(p, read_slow))
        p->n_readers[SLOW]++;
    if (p->n_readers[kind] == 0)
        kind = FAST;
    s->kind = kind;
    p->tail++;
    p->n_name_bytes += strlen(s->item.source.name);
    if (s->item.status != CLIPC_OK) {
        s->state = DONE;
        p->n_answered++;
        pthread_cond_signal(&p->moved);
        return;
    }
    s->state = QUEUED;
    p->n_queued[kind]++;
    pthread_cond_signal(&p->work[kind]);
}

static void *find_names(void *arg)
{
    pipeline *p = arg;
    bool more = true;

    pthread_mutex_lock(&p->mutex);
    while (more) {
        while (is_full(p) && !atomic_load(&p->stop))
            pthread_cond_wait(&p->room, &p->mutex);
        if (atomic_load(&p->stop))
            break;
        slot *s = &p->slots[p->tail % p->window];
        pthread_mutex_unlock(&p->mutex);
        bool waits = tool_sources_would_wait(p->params->sources);
        if (waits) {
            pthread_mutex_lock(&p->mutex);
            p->starved = true;
            pthread_cond_signal(&p->moved);
            pthread_mutex_unlock(&p->mutex);
        }
        more = next_item(p, &s->item);
        if (more)
            load_member(p, &s->item);
        if (more && s->item.status == CLIPC_OK)
            s->kind = kind_of(&s->item.source);
        size_t total = guess_total(p, p->tail + more);
        pthread_mutex_lock(&p->mutex);
        p->starved = false;
        p->total = total;
        if (more)
            queue_slot(p, s);
    }
    p->ended = true;
    for (int kind = 0; kind < KINDS; kind++)
        pthread_cond_broadcast(&p->work[kind]);
    end_thread(p);
    return NULL;
}

/* ---- encoding ---------------------------------------------------------- */

static void encode_items(pipeline *p, tool_item *const *items, size_t n)
{
    const tool_pipeline_params *params = p->params;
    clipc_image *images[MAX_BATCH] = { NULL };
    clipc_error err = CLIPC_ERROR_INIT;
    const tool_span start = tool_stats_now();

    for (size_t i = 0; i < n; i++)
        images[i] = items[i]->image;
    clipc_status status = params->encode(params->user, images, n,
                                         p->batch_answers, &err);
    for (size_t i = 0; i < n; i++) {
        char *answer = p->batch_answers + i * params->answer_bytes;
        /* One that cannot be encoded (its embedding is not a number, say) must
         * not take the others with it. */
        items[i]->status = status;
        if (status != CLIPC_OK && n > 1)
            items[i]->status = tool_interrupted()
                                   ? CLIPC_ERR_CANCELLED
                                   : params->encode(params->user, &images[i],
                                                    1, answer, &err);
        if (items[i]->status == CLIPC_OK) {
            memcpy(items[i]->answer, answer, params->answer_bytes);
        } else {
            tool_message_of_one(&err);
            memcpy(items[i]->message, err.message, sizeof items[i]->message);
        }
        clipc_image_free(items[i]->image);
        items[i]->image = NULL;
    }
    if (p->stats)
        tool_stats_add(p->stats, TOOL_STAGE_TOWER, start);
}

/* Locked: the slots to encode now. 0: better wait. */
static size_t choose_batch(pipeline *p, slot *batch[MAX_BATCH])
{
    bool patient = now_ns() - p->changed_ns < PATIENCE_NS;
    bool full = is_full(p);
    size_t n = 0;

    for (size_t i = p->head; i < p->tail && n < p->batch; i++) {
        slot *s = &p->slots[i % p->window];
        if (s->state == READ)
            batch[n++] = s;
        else if (s->state != DONE && s->kind == FAST && patient)
            return 0;
    }
    return n == p->batch || !patient || p->ended || p->starved || full ? n : 0;
}

/* Locked before and after. */
static void encode_batch(pipeline *p, slot *const *batch, size_t n)
{
    tool_item *items[MAX_BATCH];

    for (size_t i = 0; i < n; i++)
        items[i] = &batch[i]->item;
    pthread_mutex_unlock(&p->mutex);
    encode_items(p, items, n);
    pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < n; i++) {
        batch[i]->state = DONE;
        p->n_pictures[batch[i]->kind]--;
    }
    p->n_answered += n;
    for (int kind = 0; kind < KINDS; kind++)
        pthread_cond_broadcast(&p->work[kind]);
}

/* ---- records ----------------------------------------------------------- */

/* false: stop. An input that a signal broke off has no record; on the caller's
 * own thread a signal breaks off reads, too. */
static bool write_item(pipeline *p, tool_item *item)
{
    if (tool_interrupted() && (item->status == CLIPC_ERR_CANCELLED ||
                               (item->status != CLIPC_OK && p->window == 1)))
        return false;
    const tool_span start = tool_stats_now();
    p->result.refused = !p->params->write(p->params->user, item);
    if (p->stats)
        tool_stats_add(p->stats, TOOL_STAGE_WRITE, start);
    if (p->result.refused)
        return false;
    p->result.n_written++;
    p->result.n_failed += item->status != CLIPC_OK;
    return true;
}

/* Locked before and after: all records whose turn has come. */
static bool write_ready(pipeline *p)
{
    bool good = true;

    while (good && p->head < p->tail &&
           p->slots[p->head % p->window].state == DONE) {
        tool_item *item = &p->slots[p->head % p->window].item;
        pthread_mutex_unlock(&p->mutex);
        good = write_item(p, item);
        pthread_mutex_lock(&p->mutex);
        if (good) {
            p->n_name_bytes -= strlen(item->source.name);
            tool_source_free(&item->source);
            p->head++;
            pthread_cond_signal(&p->room);
        }
    }
    return good;
}

/* Locked before and after: the tower has nothing to do. */
static void wait_picture(pipeline *p)
{
    const int64_t start = now_ns();

    tool_cond_wait(&p->moved, &p->mutex, LOOK_NS);
    if (p->stats)
        p->stats->waited += 1e-9 * (double)(now_ns() - start);
}

/* ---- the whole --------------------------------------------------------- */

/* The loop of the caller's thread. true: all inputs were answered. */
static bool answer_all(pipeline *p)
{
    slot *batch[MAX_BATCH];
    bool good = true, finished = false;

    pthread_mutex_lock(&p->mutex);
    while (!tool_interrupted()) {
        good = write_ready(p);
        finished = p->ended && p->head == p->tail;
        if (!good || finished)
            break;
        size_t n = choose_batch(p, batch);
        if (n > 0)
            encode_batch(p, batch, n);
        else
            wait_picture(p);
        size_t n_answered = p->n_answered, total = p->total;
        pthread_mutex_unlock(&p->mutex);
        tool_progress_show(n_answered, total);
        pthread_mutex_lock(&p->mutex);
    }
    if (good && !finished)
        write_ready(p);
    pthread_mutex_unlock(&p->mutex);
    return finished;
}

/* Starts the threads; false: not all could start, and none runs. */
static bool start_threads(pipeline *p)
{
    unsigned n = p->params->n_readers;

    if (n > MAX_READERS)
        n = MAX_READERS;
    pthread_mutex_lock(&p->mutex);
    while (p->n_readers[FAST] < n && start_thread(p, read_files))
        p->n_readers[FAST]++;
    bool good = p->n_readers[FAST] > 0 && start_thread(p, find_names);
    pthread_mutex_unlock(&p->mutex);
    return good;
}

/* false: some thread does not end. */
static bool stop_threads(pipeline *p, bool finished)
{
    int64_t end = now_ns() + GRACE_NS;

    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->room);
    for (int kind = 0; kind < KINDS; kind++)
        pthread_cond_broadcast(&p->work[kind]);
    while (p->n_running > 0 && (finished || now_ns() < end))
        tool_cond_wait(&p->moved, &p->mutex, GRACE_NS / 4);
    bool all = p->n_running == 0;
    pthread_mutex_unlock(&p->mutex);
    for (unsigned i = 0; all && i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    if (all)
        p->n_threads = 0;
    return all;
}

/* One after the other, on the caller's thread alone. */
static void run_alone(pipeline *p)
{
    tool_item item = { .answer = p->answers }, *items = &item;
    size_t n = 0;
    bool good = true;

    while (good && !tool_interrupted() && next_item(p, &item)) {
        size_t total = guess_total(p, ++n);
        load_member(p, &item);
        if (item.status == CLIPC_OK)
            read_item(p, &item);
        drop_member(p, &item.source);
        if (item.image && !tool_interrupted())
            encode_items(p, &items, 1);
        if (item.image) { /* interrupted */
            clipc_image_free(item.image);
            good = false;
        }
        good = good && write_item(p, &item);
        tool_source_free(&item.source);
        tool_progress_show(n, total);
    }
}

static void make_conds(pipeline *p)
{
    pthread_mutex_init(&p->mutex, NULL);
    pthread_mutex_init(&p->large, NULL);
    pthread_mutex_init(&p->counting, NULL);
    tool_cond_start(&p->moved);
    pthread_cond_init(&p->room, NULL);
    for (int kind = 0; kind < KINDS; kind++)
        pthread_cond_init(&p->work[kind], NULL);
}

static void free_pipeline(pipeline *p)
{
    for (size_t i = p->head; i < p->tail; i++) {
        tool_item *item = &p->slots[i % p->window].item;
        clipc_image_free(item->image);
        tool_source_free(&item->source);
    }
    for (int kind = 0; kind < KINDS; kind++)
        pthread_cond_destroy(&p->work[kind]);
    pthread_cond_destroy(&p->room);
    pthread_cond_destroy(&p->moved);
    pthread_mutex_destroy(&p->counting);
    pthread_mutex_destroy(&p->large);
    pthread_mutex_destroy(&p->mutex);
    free(p->answers);
    free(p->batch_answers);
    free(p->slots);
    free(p);
}

/* The inputs in flight and the batch. Large answers bound both. */
static void set_sizes(pipeline *p)
{
    const size_t bytes = p->params->answer_bytes;
    unsigned n = p->params->n_readers;

    p->window = p->batch = 1;
    if (n == 0)
        return;
    p->window = WINDOW;
    if (bytes > WINDOW_BYTES / WINDOW)
        p->window = WINDOW_BYTES / bytes > 4 * BATCH ? WINDOW_BYTES / bytes
                                                     : 4 * BATCH;
    if (n > MAX_READERS)
        n = MAX_READERS;
    p->batch = (size_t)READER_BATCH * n;
    if (p->batch > p->window / 4)
        p->batch = p->window / 4;
    if (p->batch < BATCH)
        p->batch = BATCH;
}

tool_pipeline_result tool_pipeline_run(const tool_pipeline_params *params)
{
    pipeline *p = tool_grow(NULL, 1, sizeof *p);
    size_t bytes = params->answer_bytes;
    bool threads = params->n_readers > 0;

    memset(p, 0, sizeof *p);
    p->params = params;
    p->read = *params->read;
    p->stats = params->stats;
    p->read.image.progress = on_transfer;
    p->read.image.progress_user = p;
    set_sizes(p);
    p->slots = tool_grow(NULL, p->window, sizeof *p->slots);
    p->answers = tool_grow(NULL, p->window, bytes);
    p->batch_answers = tool_grow(NULL, p->batch, bytes);
    for (size_t i = 0; i < p->window; i++)
        p->slots[i].item.answer = p->answers + i * bytes;
    p->changed_ns = now_ns();
    make_conds(p);
    if (threads && start_threads(p)) {
        bool finished = answer_all(p);
        p->result.threads_left = !stop_threads(p, finished);
    } else {
        if (threads) {
            (void)stop_threads(p, true);
            atomic_store(&p->stop, false);
        }
        run_alone(p);
    }
    tool_pipeline_result result = p->result;
    if (!result.threads_left)
        free_pipeline(p);
    return result;
}
