/* SPDX-License-Identifier: MIT
 *
 * common_options.c - see common_options.h.
 */
#include "common/common_options.h"
#include "common/numbers.h"
#include "common/places.h"
#include "common/progress.h"

#include <string.h>

/* Of --max-pixels and --max-bytes: 2^40, or what an address space can hold. */
#define MOST (SIZE_MAX >> 24 > 65535 ? (uint64_t)1 << 40 : SIZE_MAX / 16)

/* Of --context: more than any CLIP model reads. tool_context_fits() checks the
 * model's own limit. */
#define MOST_TOKENS 1000000

/* Of --image-size: the library's limit. */
#define MOST_SIDE 8192

/* Values of options in the order of their words. */
static const clipc_alpha alphas[] = { CLIPC_ALPHA_DROP, CLIPC_ALPHA_WHITE };
static const clipc_decode decodes[] = { CLIPC_DECODE_EXACT,
                                        CLIPC_DECODE_FAST };
static const clipc_gemm gemms[] = { CLIPC_GEMM_AUTO, CLIPC_GEMM_NATIVE,
                                    CLIPC_GEMM_OPENBLAS,
                                    CLIPC_GEMM_ACCELERATE };
static const clipc_cpu cpus[] = { CLIPC_CPU_C,      CLIPC_CPU_AVX2,
                                  CLIPC_CPU_AVX512, CLIPC_CPU_AMX,
                                  CLIPC_CPU_NEON,   CLIPC_CPU_DOTPROD,
                                  CLIPC_CPU_I8MM,   CLIPC_CPU_BF16,
                                  CLIPC_CPU_SME };
static const clipc_precision precisions[] = { CLIPC_PRECISION_F32,
                                              CLIPC_PRECISION_BF16,
                                              CLIPC_PRECISION_INT8 };

tool_common tool_common_default(void)
{
    tool_common common = { .ctx = clipc_ctx_params_default(),
                           .read = { .image = clipc_image_params_default() } };

    common.read.image.ca_file = common.download.ca_file = tool_ca_file();
    common.read.image.ca_dir = common.download.ca_dir = tool_ca_dir();
    return common;
}

/* The library's rule, told before the first URL. */
static const char *user_agent(const char *value)
{
    size_t n = strlen(value);

    for (size_t i = 0; i < n; i++)
        if (value[i] < ' ' || value[i] > '~')
            n = 0;
    if (n == 0 || n > 256)
        tool_usage_error("--user-agent: 1 to 256 characters of ASCII");
    return value;
}

bool tool_common_option(tool_common *common, const tool_scan *scan, int id)
{
    clipc_image_params *image = &common->read.image;
    const char *name = scan->name, *value = scan->value;

    switch (id) {
    case TOOL_OPT_MODEL: common->model = value; break;
    case TOOL_OPT_DATA_DIR: common->data_dir = value; break;
    case TOOL_OPT_IMAGE_SIZE:
        common->image_size = (size_t)tool_whole(name, value, 1, MOST_SIDE);
        break;
    case TOOL_OPT_ADAPTER:
        common->adapter = strcmp(value, "none") == 0 ? "" : value;
        break;
    case TOOL_OPT_EXIF: image->auto_orient = 1; break;
    case TOOL_OPT_ALPHA: image->alpha = alphas[tool_choice(scan)]; break;
    case TOOL_OPT_DECODE: image->decode = decodes[tool_choice(scan)]; break;
    case TOOL_OPT_FILES_FROM: common->files_from = value; break;
    case TOOL_OPT_TAR: common->tars = true; break;
    case TOOL_OPT_MAX_PIXELS:
        image->max_pixels = (size_t)tool_pixels(name, value, MOST);
        break;
    case TOOL_OPT_MAX_BYTES:
        common->read.max_bytes = (size_t)tool_bytes(name, value, MOST);
        break;
    case TOOL_OPT_TIMEOUT:
        image->timeout_ms = tool_seconds(name, value);
        break;
    case TOOL_OPT_CA_FILE:
        image->ca_file = common->download.ca_file = value;
        image->ca_dir = common->download.ca_dir = NULL;
        break;
    case TOOL_OPT_USER_AGENT: image->user_agent = user_agent(value); break;
    case TOOL_OPT_PROXY: image->proxy = common->download.proxy = value; break;
    case TOOL_OPT_OFFLINE:
        common->read.offline = common->download.offline = true;
        break;
    case TOOL_OPT_UPDATE: common->download.update = true; break;
    case TOOL_OPT_TRUNCATE: common->text_flags |= CLIPC_TEXT_TRUNCATE; break;
    case TOOL_OPT_CONTEXT:
        common->ctx.context_length = (size_t)tool_whole(name, value, 3,
                                                        MOST_TOKENS);
        break;
    case TOOL_OPT_PLAIN_SPECIALS:
        common->text_flags |= CLIPC_TEXT_SPECIALS_PLAIN;
        break;
    case TOOL_OPT_LOWERCASE: common->text_flags |= CLIPC_TEXT_LOWERCASE; break;
    case TOOL_OPT_THREADS:
        common->ctx.threads = (unsigned)tool_whole(name, value, 1, 1024);
        break;
    case TOOL_OPT_GEMM: common->ctx.gemm = gemms[tool_choice(scan)]; break;
    case TOOL_OPT_CPU: common->ctx.cpu = cpus[tool_choice(scan)]; break;
    case TOOL_OPT_DTYPE:
        common->ctx.precision = precisions[tool_choice(scan)];
        break;
    case TOOL_OPT_QUIET: common->quiet = true; break;
    case TOOL_OPT_STATS: common->stats = true; break;
    default: return false;
    }
    return true;
}

void tool_common_check(tool_common *common)
{
    clipc_image_params *image = &common->read.image;

    if (image->connect_timeout_ms > image->timeout_ms)
        image->connect_timeout_ms = image->timeout_ms;
    tool_progress_allow(!common->quiet);
    tool_download_set(&common->download);
}
