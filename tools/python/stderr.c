/* SPDX-License-Identifier: MIT
 *
 * stderr.c - Debian compiles its archives for programs. In them libpng and
 * libjpeg reach libc's variable stderr as a program may and a shared library
 * may not. wheel.sh gives the variable another name there; this one has the
 * same value. clipc itself prints nothing.
 */
#include <stdio.h>

extern FILE *clipc_stderr;
FILE *clipc_stderr;

__attribute__((constructor)) static void set(void)
{
    clipc_stderr = stderr;
}
