/* SPDX-License-Identifier: MIT
 *
 * temporary.h - names of temporary files, and the removal of those that a
 * killed process left behind.
 */
#ifndef CLIPC_TEMPORARY_H
#define CLIPC_TEMPORARY_H

/* A name beside path that hardly any file has, "PATH.XX-XX-XX.SUFFIX" with
 * hexadecimal numbers, malloc'ed; NULL: no memory. O_EXCL decides; another
 * `turn` makes another name. */
char *clipc_temporary_name(const char *path, unsigned turn,
                           const char *suffix);

/* Removes files of such names that nobody writes any more: a process that is
 * killed leaves one. A file that is being written is locked (flock), as the
 * writer's is; where the file system has no locks, a day must have gone by. */
void clipc_temporary_sweep(const char *path, const char *suffix);

#endif /* CLIPC_TEMPORARY_H */
