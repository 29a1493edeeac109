/* SPDX-License-Identifier: MIT
 *
 * gate.c - see gate.h.
 */
#include "serve/gate.h"

#include <string.h>

/* A mutex and a condition, or neither. */
static bool start(pthread_mutex_t *mutex, pthread_cond_t *cond)
{
    if (pthread_mutex_init(mutex, NULL) != 0)
        return false;
    if (tool_cond_start(cond))
        return true;
    pthread_mutex_destroy(mutex);
    return false;
}

/* ---- places ------------------------------------------------------------ */

bool serve_gate_start(serve_gate *gate, size_t max_places)
{
    memset(gate, 0, sizeof *gate);
    gate->max_places = max_places;
    return start(&gate->mutex, &gate->left);
}

void serve_gate_end(serve_gate *gate)
{
    pthread_cond_destroy(&gate->left);
    pthread_mutex_destroy(&gate->mutex);
}

static bool enter(serve_gate *gate)
{
    if (gate->places == gate->max_places)
        return false;
    gate->places++;
    return true;
}

bool serve_gate_try(serve_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    bool good = enter(gate);
    pthread_mutex_unlock(&gate->mutex);
    return good;
}

clipc_status serve_gate_enter(serve_gate *gate, serve_request *request,
                              clipc_error *err)
{
    clipc_status status = CLIPC_OK;

    pthread_mutex_lock(&gate->mutex);
    while (status == CLIPC_OK && !enter(gate)) {
        tool_cond_wait(&gate->left, &gate->mutex, SERVE_WAIT_NS);
        status = serve_request_over(request, err);
    }
    pthread_mutex_unlock(&gate->mutex);
    return status;
}

void serve_gate_leave(serve_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->places--;
    pthread_cond_broadcast(&gate->left);
    pthread_mutex_unlock(&gate->mutex);
}

size_t serve_gate_taken(serve_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    size_t taken = gate->places;
    pthread_mutex_unlock(&gate->mutex);
    return taken;
}

/* ---- bytes ------------------------------------------------------------- */

bool serve_budget_start(serve_budget *budget, size_t n, size_t n_bytes)
{
    memset(budget, 0, sizeof *budget);
    budget->max_bytes = n_bytes > SIZE_MAX / n ? SIZE_MAX : n * n_bytes;
    return start(&budget->mutex, &budget->given);
}

void serve_budget_end(serve_budget *budget)
{
    pthread_cond_destroy(&budget->given);
    pthread_mutex_destroy(&budget->mutex);
}

static bool take(serve_budget *budget, size_t n_bytes)
{
    if (n_bytes > budget->max_bytes - budget->bytes)
        return false;
    budget->bytes += n_bytes;
    return true;
}

bool serve_budget_try(serve_budget *budget, size_t n_bytes)
{
    pthread_mutex_lock(&budget->mutex);
    bool good = take(budget, n_bytes);
    pthread_mutex_unlock(&budget->mutex);
    return good;
}

clipc_status serve_budget_take(serve_budget *budget, size_t n_bytes,
                               size_t held, serve_request *request,
                               clipc_error *err)
{
    clipc_status status = CLIPC_OK;

    pthread_mutex_lock(&budget->mutex);
    budget->stuck += held;
    while (status == CLIPC_OK && !take(budget, n_bytes)) {
        if (budget->stuck == budget->bytes) {
            status = serve_refuse(err, CLIPC_ERR_NOMEM, SERVE_NO_ROOM);
            break;
        }
        tool_cond_wait(&budget->given, &budget->mutex, SERVE_WAIT_NS);
        status = serve_request_over(request, err);
    }
    budget->stuck -= held;
    pthread_mutex_unlock(&budget->mutex);
    return status;
}

void serve_budget_give(serve_budget *budget, size_t n_bytes)
{
    if (n_bytes == 0)
        return;
    pthread_mutex_lock(&budget->mutex);
    budget->bytes -= n_bytes;
    pthread_cond_broadcast(&budget->given);
    pthread_mutex_unlock(&budget->mutex);
}

size_t serve_budget_taken(serve_budget *budget)
{
    pthread_mutex_lock(&budget->mutex);
    size_t taken = budget->bytes;
    pthread_mutex_unlock(&budget->mutex);
    return taken;
}
