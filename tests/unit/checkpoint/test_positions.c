/* SPDX-License-Identifier: MIT
 *
 * test_positions.c - lib/checkpoint/positions.c against torch's own bicubic
 * interpolation, recorded by tests/golden/make_positions.py.
 */
#include "checkpoint/positions.h"
#include "support/test.h"

#include <jansson.h>
#include <stdlib.h>

/* torch fuses the sums of 16 products too; values are up to 2. */
static const double BOUND = 1e-6;

static size_t size_of(const json_t *record, const char *key)
{
    return (size_t)json_integer_value(json_object_get(record, key));
}

/* As the script makes them. */
static float *trained(size_t n)
{
    float *in = malloc(n * sizeof *in);
    CHECK(in != NULL);
    for (size_t i = 0; i < n; i++)
        in[i] = (float)((int)(i * 37 % 101) - 50) / 32;
    return in;
}

TEST(positions_are_those_of_torch)
{
    clipc_error err = CLIPC_ERROR_INIT;
    json_t *root = json_load_file("tests/data/golden/positions.json", 0, NULL);
    json_t *record;
    size_t i;

    CHECK_INT(json_array_size(root), 10);
    json_array_foreach(root, i, record)
    {
        size_t from = size_of(record, "from"), to = size_of(record, "to");
        size_t width = size_of(record, "width");
        const json_t *want = json_object_get(record, "out");
        size_t n = (1 + to * to) * width;
        float *in = trained((1 + from * from) * width);
        float *out = malloc(n * sizeof *out);
        CHECK(out != NULL);
        CHECK_INT(json_array_size(want), n);
        CHECK_OK(clipc_positions_interpolate(out, to, in, from, 1, width,
                                             &err),
                 err);
        for (size_t k = 0; k < n; k++) {
            double expected = json_number_value(json_array_get(want, k));
            if (!(fabs((double)out[k] - expected) <= BOUND))
                FAIL("%zu to %zu: element %zu is %.9g, not %.9g", from, to, k,
                     (double)out[k], expected);
        }
        /* without the class row: the other rows alike */
        CHECK_OK(clipc_positions_interpolate(out, to, in + width, from, 0,
                                             width, &err),
                 err);
        for (size_t k = 0; k + width < n; k++) {
            double expected = json_number_value(
                json_array_get(want, k + width));
            if (!(fabs((double)out[k] - expected) <= BOUND))
                FAIL("%zu to %zu: element %zu is %.9g, not %.9g", from, to, k,
                     (double)out[k], expected);
        }
        free(in);
        free(out);
    }
    json_decref(root);
}

TEST(as_many_positions_stay_what_they_are)
{
    clipc_error err = CLIPC_ERROR_INIT;
    enum { SIDE = 5, WIDTH = 3, N = (1 + SIDE * SIDE) * WIDTH };
    float *in = trained(N), out[N];

    CHECK_OK(clipc_positions_interpolate(out, SIDE, in, SIDE, 1, WIDTH, &err),
             err);
    CHECK_BYTES(out, in, sizeof out);
    free(in);
}
