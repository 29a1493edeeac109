/* SPDX-License-Identifier: MIT
 *
 * gate.c - see gate.h.
 */
#include "serve/gate.h"

#include <string.h>

bool serve_gate_start(serve_gate *gate, size_t max_places, size_t max_bytes)
{
    memset(gate, 0, sizeof *gate);
    gate->max_places = max_places;
    gate->max_bytes = max_bytes;
    if (pthread_mutex_init(&gate->mutex, NULL) != 0)
        return false;
    if (tool_cond_start(&gate->left))
        return true;
    pthread_mutex_destroy(&gate->mutex);
    return false;
}

void serve_gate_end(serve_gate *gate)
{
    pthread_cond_destroy(&gate->left);
    pthread_mutex_destroy(&gate->mutex);
}

static bool take(serve_gate *gate, size_t n_bytes)
{
    if (gate->places == gate->max_places ||
        (gate->places > 0 && (n_bytes > gate->max_bytes ||
                              gate->bytes > gate->max_bytes - n_bytes)))
        return false;
    gate->places++;
    gate->bytes += n_bytes;
    return true;
}

bool serve_gate_try(serve_gate *gate, size_t n_bytes)
{
    pthread_mutex_lock(&gate->mutex);
    bool good = take(gate, n_bytes);
    pthread_mutex_unlock(&gate->mutex);
    return good;
}

clipc_status serve_gate_enter(serve_gate *gate, size_t n_bytes,
                              serve_request *request, clipc_error *err)
{
    clipc_status status = CLIPC_OK;

    pthread_mutex_lock(&gate->mutex);
    while (status == CLIPC_OK && !take(gate, n_bytes)) {
        tool_cond_wait(&gate->left, &gate->mutex, SERVE_WAIT_NS);
        status = serve_request_over(request, err);
    }
    pthread_mutex_unlock(&gate->mutex);
    return status;
}

void serve_gate_leave(serve_gate *gate, size_t n_bytes)
{
    pthread_mutex_lock(&gate->mutex);
    gate->places--;
    gate->bytes -= n_bytes;
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
