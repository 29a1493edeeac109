/* SPDX-License-Identifier: MIT
 *
 * options.h - the command line of clipc-serve.
 */
#ifndef CLIPC_SERVE_OPTIONS_H
#define CLIPC_SERVE_OPTIONS_H

#include "serve/settings.h"

serve_settings serve_settings_default(void);

/* Reads the options, and the file of --api-key. false: standard error has the
 * cause. Wrong usage, --help and the like end the program. */
bool serve_settings_read(serve_settings *settings, int argc, char **argv);
void serve_settings_free(serve_settings *settings);

#endif /* CLIPC_SERVE_OPTIONS_H */
