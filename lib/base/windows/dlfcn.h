/* SPDX-License-Identifier: MIT
 *
 * dlfcn.h - libraries loaded while the program runs, on Windows: see posix.h.
 */
#ifndef CLIPC_WINDOWS_DLFCN_H
#define CLIPC_WINDOWS_DLFCN_H

#define RTLD_NOW 2
#define RTLD_LOCAL 0

#define dlopen clipc_windows_dlopen
#define dlsym clipc_windows_dlsym
/* From the program's folder, the system's, and those of AddDllDirectory(): not
 * from the current folder, nor from PATH. */
void *dlopen(const char *name, int flags);
void *dlsym(void *library, const char *name);

#endif /* CLIPC_WINDOWS_DLFCN_H */
