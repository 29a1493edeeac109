/* SPDX-License-Identifier: MIT
 *
 * json_shape.c - see json_shape.h.
 */
#include "support/json_shape.h"

#include "support/test.h"

/* Members whose values are words of the API, not of the example. */
static bool is_word(const char *key)
{
    static const char *const keys[] = { "code",   "status", "title",
                                        "object", "model",  "message",
                                        "id",     "type",   "detail" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static bool same_kind(const json_t *a, const json_t *b)
{
    return json_typeof(a) == json_typeof(b) ||
           (json_is_number(a) && json_is_number(b)) ||
           (json_is_boolean(a) && json_is_boolean(b));
}

void json_compare(const json_t *want, const json_t *got, bool words,
                  const char *where)
{
    const char *key;
    json_t *member;
    char inside[512];
    size_t i;

    if (!same_kind(want, got))
        FAIL("%s: another type than in the example", where);
    json_object_foreach((json_t *)(uintptr_t)want, key, member)
    {
        const json_t *other = json_object_get(got, key);
        snprintf(inside, sizeof inside, "%s.%s", where, key);
        if (!other)
            FAIL("%s: not in the answer", inside);
        json_compare(member, other, words, inside);
        if (words && is_word(key) && !json_is_object(member) &&
            !json_equal(member, other))
            FAIL("%s: not the example's \"%s\" but \"%s\"", inside,
                 json_string_value(member), json_string_value(other));
    }
    json_object_foreach((json_t *)(uintptr_t)got, key,
                        member) if (!json_object_get(want, key))
        FAIL("%s.%s: not in the example", where, key);
    if (json_is_array(want) && !json_array_size(want) != !json_array_size(got))
        FAIL("%s: empty on one side alone", where);
    json_array_foreach(got, i, member)
    {
        json_compare(json_array_get(want, 0), member, words, where);
    }
}
