/* SPDX-License-Identifier: MIT
 *
 * versions.h - what the program is made of, for --version and reports.
 */
#ifndef CLIPC_TOOL_VERSIONS_H
#define CLIPC_TOOL_VERSIONS_H

#include "common/tool.h"

/* clipc_get_build_info(), which cannot fail for a struct of ours. */
clipc_build_info tool_describe(void);

/* "clipc-classify 0.2.0" and one line a library, on standard output. */
void tool_print_version(const char *program);

#endif /* CLIPC_TOOL_VERSIONS_H */
