/* SPDX-License-Identifier: MIT
 *
 * sqlite_clipc.c - CLIP in SQLite's SQL: a loadable extension.
 *
 *     cc -shared -fPIC -o clipc.so sqlite_clipc.c \
 *        $(pkg-config --cflags --libs clipc)
 *
 *     .load ./clipc
 *     SELECT clip_model('weights/demo');
 *
 *     clip_model(PATH)             opens the model of this connection: a folder
 *     clip_model(PATH, PRECISION)  or a packed file; 'f32', 'bf16' or 'int8'.
 *                                  The numbers in an embedding.
 *     clip_text(TEXT)              the embedding of a text
 *     clip_image(PATH)             that of a picture: a file,
 *     clip_image(BLOB)             or its bytes
 *
 * An embedding is a blob of float32, little-endian, of unit length: what
 * sqlite-vec takes for a vector. Of NULL it is NULL. A connection has one model
 * for all its life: within a statement the functions always answer alike, so
 * that SQLite computes clip_text('a red car') once, not for every row.
 *
 * clip_model() and clip_image() read files. Only statements may call them, no
 * trigger or view that a stranger has put into a database.
 */
#include <clipc.h>
#include <sqlite3ext.h>
#include <string.h>
SQLITE_EXTENSION_INIT1

/* Of a connection, shared by its functions. */
typedef struct session {
    int n_functions; /* that still use it */
    clipc_model *model;
    clipc_ctx *ctx;
    clipc_precision precision;
    char *path;
    float *vector; /* [dim] */
    size_t dim;
} session;

static void close_model(session *s)
{
    clipc_ctx_free(s->ctx);
    clipc_model_free(s->model);
    sqlite3_free(s->path);
    sqlite3_free(s->vector);
    s->ctx = NULL;
    s->model = NULL;
    s->path = NULL;
    s->vector = NULL;
}

/* SQLite calls it for each function when the connection is closed. */
static void release(void *user)
{
    session *s = user;

    if (--s->n_functions > 0)
        return;
    close_model(s);
    sqlite3_free(s);
}

static void fail(sqlite3_context *sql, const clipc_error *err)
{
    if (err->code == CLIPC_ERR_NOMEM)
        sqlite3_result_error_nomem(sql);
    else
        sqlite3_result_error(sql, err->message, -1);
}

/* ---- clip_model -------------------------------------------------------- */

/* false: the value names no precision. */
static int read_precision(sqlite3_value *value, clipc_precision *precision)
{
    static const char *const names[] = { "f32", "bf16", "int8" };
    static const clipc_precision all[] = { CLIPC_PRECISION_F32,
                                           CLIPC_PRECISION_BF16,
                                           CLIPC_PRECISION_INT8 };
    const char *name = (const char *)sqlite3_value_text(value);

    for (int i = 0; i < 3; i++) {
        if (name && strcmp(name, names[i]) == 0) {
            *precision = all[i];
            return 1;
        }
    }
    return 0;
}

static void clip_model(sqlite3_context *sql, int n, sqlite3_value **values)
{
    session *s = sqlite3_user_data(sql);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ctx_params params = clipc_ctx_params_default();
    const char *path = (const char *)sqlite3_value_text(values[0]);

    if (!path) {
        sqlite3_result_error(sql, "clip_model: no path", -1);
        return;
    }
    if (n == 2 && !read_precision(values[1], &params.precision)) {
        sqlite3_result_error(
            sql, "clip_model: the precision is 'f32', 'bf16' or 'int8'", -1);
        return;
    }
    if (s->model && (strcmp(path, s->path) != 0 ||
                     params.precision != s->precision)) {
        sqlite3_result_error(sql,
                             "clip_model: this connection has a model; open "
                             "another connection for another one",
                             -1);
        return;
    }
    if (s->model) {
        sqlite3_result_int64(sql, (sqlite3_int64)s->dim);
        return;
    }
    if (clipc_model_open(&s->model, path, NULL, &err) ||
        clipc_ctx_create(&s->ctx, s->model, &params, &err)) {
        close_model(s);
        fail(sql, &err);
        return;
    }
    s->dim = clipc_model_dim(s->model);
    s->precision = params.precision;
    s->path = sqlite3_mprintf("%s", path);
    s->vector = sqlite3_malloc64(s->dim * sizeof *s->vector);
    if (!s->path || !s->vector) {
        close_model(s);
        sqlite3_result_error_nomem(sql);
        return;
    }
    sqlite3_result_int64(sql, (sqlite3_int64)s->dim);
}

/* ---- clip_text, clip_image --------------------------------------------- */

/* The session, or NULL: there is nothing to embed, and the result is set. */
static session *ready(sqlite3_context *sql, sqlite3_value *value)
{
    session *s = sqlite3_user_data(sql);

    if (sqlite3_value_type(value) == SQLITE_NULL)
        return NULL; /* of which the result is NULL */
    if (s->model)
        return s;
    sqlite3_result_error(sql,
                         "this connection has no model: SELECT "
                         "clip_model('FOLDER OR FILE') first",
                         -1);
    return NULL;
}

static void give_vector(sqlite3_context *sql, const session *s,
                        clipc_status status, const clipc_error *err)
{
    if (status != CLIPC_OK)
        fail(sql, err);
    else
        sqlite3_result_blob64(sql, s->vector, s->dim * sizeof *s->vector,
                              SQLITE_TRANSIENT);
}

static void clip_text(sqlite3_context *sql, int n, sqlite3_value **values)
{
    session *s = ready(sql, values[0]);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_text text;

    (void)n;
    if (!s)
        return;
    if (sqlite3_value_type(values[0]) != SQLITE_TEXT) {
        sqlite3_result_error(sql, "clip_text: not a text", -1);
        return;
    }
    text.data = (const char *)sqlite3_value_text(values[0]);
    text.len = (size_t)sqlite3_value_bytes(values[0]);
    if (!text.data) {
        sqlite3_result_error_nomem(sql);
        return;
    }
    clipc_status status = clipc_encode_texts(s->ctx, &text, 1, s->vector, 0,
                                             &err);
    give_vector(sql, s, status, &err);
}

static void clip_image(sqlite3_context *sql, int n, sqlite3_value **values)
{
    session *s = ready(sql, values[0]);
    const int type = sqlite3_value_type(values[0]);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image_params params = clipc_image_params_default();
    clipc_image *image = NULL;
    clipc_status status;

    (void)n;
    if (!s)
        return;
    params.fit = s->model;
    if (type == SQLITE_TEXT && sqlite3_value_text(values[0])) {
        status = clipc_image_read_file(
            &image, (const char *)sqlite3_value_text(values[0]), &params,
            &err);
    } else if (type == SQLITE_BLOB) {
        const void *bytes = sqlite3_value_blob(values[0]);
        status = clipc_image_read_memory(
            &image, bytes ? bytes : "",
            (size_t)sqlite3_value_bytes(values[0]), &params, &err);
    } else {
        sqlite3_result_error(sql, "clip_image: neither a path nor a blob", -1);
        return;
    }
    if (status == CLIPC_OK)
        status = clipc_encode_images(s->ctx, &image, 1, s->vector, 0, &err);
    give_vector(sql, s, status, &err);
    clipc_image_free(image);
}

/* ---- loading ----------------------------------------------------------- */

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int sqlite3_clipc_init(sqlite3 *db, char **message,
                       const sqlite3_api_routines *api);

int sqlite3_clipc_init(sqlite3 *db, char **message,
                       const sqlite3_api_routines *api)
{
    static const struct {
        const char *name;
        int n_values, flags;
        void (*body)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {
        { "clip_model", 1, SQLITE_DIRECTONLY, clip_model },
        { "clip_model", 2, SQLITE_DIRECTONLY, clip_model },
        { "clip_text", 1, SQLITE_DETERMINISTIC, clip_text },
        { "clip_image", 1, SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
          clip_image },
    };
    int status = SQLITE_OK;

    SQLITE_EXTENSION_INIT2(api)
    (void)message;
    session *s = sqlite3_malloc64(sizeof *s);
    if (!s)
        return SQLITE_NOMEM;
    memset(s, 0, sizeof *s);
    s->n_functions = 1; /* this one, until its end */
    for (size_t i = 0; i < 4 && status == SQLITE_OK; i++) {
        s->n_functions++; /* released by SQLite, after a failure too */
        status = sqlite3_create_function_v2(
            db, functions[i].name, functions[i].n_values,
            SQLITE_UTF8 | functions[i].flags, s, functions[i].body, NULL, NULL,
            release);
    }
    release(s);
    return status;
}
