/* SPDX-License-Identifier: MIT
 *
 * test_field.c - header values.
 */
#include "serve/field.h"
#include "support/test.h"

static clipc_error err = CLIPC_ERROR_INIT;

TEST(media_types_are_read)
{
    static const struct {
        const char *field, *name, *boundary;
    } cases[] = {
        { NULL, "", "" },
        { "image/jpeg", "image/jpeg", "" },
        { " Image/PNG ", "image/png", "" },
        { "application/json; charset=UTF-8", "application/json", "" },
        { "application/json;charset=\"utf-8\" ; v=1", "application/json", "" },
        { "multipart/form-data; boundary=----formdata-undici-043812345678",
          "multipart/form-data", "----formdata-undici-043812345678" },
        { "multipart/form-data; BOUNDARY=\"a b?c\"", "multipart/form-data",
          "a b?c" },
        { "multipart/form-data; charset=utf-8; boundary=x",
          "multipart/form-data", "x" },
        { "image/jpeg; boundary=\"\\\"\"", "image/jpeg", "" },
    };
    serve_media_type type;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_OK(serve_media_type_parse(&type, cases[i].field, &err), err);
        CHECK_STR(type.name, cases[i].name);
        CHECK_STR(type.boundary, cases[i].boundary);
    }
}

TEST(wrong_media_types_are_refused)
{
    static const struct {
        const char *field;
        clipc_status status;
    } cases[] = {
        { "", CLIPC_ERR_FORMAT },
        { "jpeg", CLIPC_ERR_FORMAT },
        { "image/", CLIPC_ERR_FORMAT },
        { "/jpeg", CLIPC_ERR_FORMAT },
        { "image/jpeg charset=utf-8", CLIPC_ERR_FORMAT },
        { "image/jpeg;", CLIPC_ERR_FORMAT },
        { "image/jpeg; a", CLIPC_ERR_FORMAT },
        { "image/jpeg; a=", CLIPC_ERR_FORMAT },
        { "image/jpeg; a =b", CLIPC_ERR_FORMAT },
        { "image/jpeg; a=\"b", CLIPC_ERR_FORMAT },
        { "image/jpeg; a=\"b\x01\"", CLIPC_ERR_FORMAT },
        { "image/jpeg, image/png", CLIPC_ERR_FORMAT },
        { "application/json; charset=latin1", CLIPC_ERR_UNSUPPORTED },
        { "application/json; a=\"\xFF\"", CLIPC_ERR_UTF8 },
        { "multipart/form-data", CLIPC_ERR_FORMAT },
        { "multipart/form-data; boundary=\"\"", CLIPC_ERR_FORMAT },
        { "multipart/form-data; boundary=\"a \"", CLIPC_ERR_FORMAT },
        { "multipart/form-data; boundary=\"a;b\"", CLIPC_ERR_FORMAT },
        { "multipart/form-data; boundary=a; boundary=b", CLIPC_ERR_FORMAT },
        { "multipart/form-data; boundary="
          "12345678901234567890123456789012345678901234567890123456789012345"
          "678901",
          CLIPC_ERR_FORMAT },
        { "application/"
          "vnd.x12345678901234567890123456789012345678901234567890123456789",
          CLIPC_ERR_FORMAT },
    };
    serve_media_type type;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_status status = serve_media_type_parse(&type, cases[i].field,
                                                     &err);
        if (status != cases[i].status)
            FAIL("%s: %s", cases[i].field, clipc_status_name(status));
    }
}

TEST(parameters_are_unquoted_and_decoded)
{
    static const struct {
        const char *field, *value;
        clipc_status status;
    } cases[] = {
        { "; a=b", "b", CLIPC_OK },
        { ";a=\"\"", "", CLIPC_OK },
        { ";a=\"b;c, d\"", "b;c, d", CLIPC_OK },
        { ";a=\"b\\\"c\\\\d\\e\"", "b\"c\\d\\e", CLIPC_OK },
        { ";a=\"C:\\dir\\cat.jpg\"", "C:\\dir\\cat.jpg", CLIPC_OK },
        { ";a=\"caf\xC3\xA9\"", "caf\xC3\xA9", CLIPC_OK },
        { ";a*=UTF-8''caf%c3%A9", "caf\xC3\xA9", CLIPC_OK },
        { ";a*=utf-8'fr'x", "x", CLIPC_OK },
        { ";a*=ISO-8859-1''caf%E9", "caf\xC3\xA9", CLIPC_OK },
        { ";a*=UTF-8''caf%E9", "", CLIPC_ERR_UTF8 },
        { ";a*=UTF-8''%0", "", CLIPC_ERR_FORMAT },
        { ";a*=UTF-8''%00", "", CLIPC_ERR_FORMAT },
        { ";a*=UTF-8'x", "", CLIPC_ERR_FORMAT },
        { ";a*=x", "", CLIPC_ERR_FORMAT },
        { ";a*=\"UTF-8''x\"", "", CLIPC_ERR_FORMAT },
        { ";a*=KOI8-R''x", "", CLIPC_ERR_UNSUPPORTED },
    };
    serve_param param;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_text rest = clipc_text_from(cases[i].field);
        clipc_status status = serve_param_next(&param, &rest, &err);
        if (status != cases[i].status)
            FAIL("%s: %s", cases[i].field, clipc_status_name(status));
        if (status == CLIPC_OK)
            CHECK_STR(param.value, cases[i].value);
    }
    char field[600] = ";a=";
    memset(field + 3, 'x', SERVE_PARAM_BYTES);
    clipc_text rest = clipc_text_from(field);
    CHECK_STATUS(serve_param_next(&param, &rest, &err), CLIPC_ERR_LIMIT);
    field[3 + SERVE_PARAM_BYTES - 1] = '\0';
    rest = clipc_text_from(field);
    CHECK_OK(serve_param_next(&param, &rest, &err), err);
    CHECK_INT(param.n_value, SERVE_PARAM_BYTES - 1);
}

TEST(accepted_types_are_named)
{
    static const struct {
        const char *accept;
        bool html;
    } cases[] = {
        { NULL, false },
        { "", false },
        { "*/*", false },
        { "text/*", false },
        { "application/json, text/plain, */*", false },
        { "text/html", true },
        { "Text/HTML;q=0.9", true },
        { "text/html;q=0", false },
        { "text/html;q=0.00", false },
        { "text/html;level=1;q=0.001", true },
        { "image/png,text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", true },
        { "text/htmlx", false },
        { ",,;text/html", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (serve_accepts(cases[i].accept, "text/html") != cases[i].html)
            FAIL("Accept: %s", cases[i].accept);
}
