/* SPDX-License-Identifier: MIT
 *
 * shim.h - the calls that shim.c makes fail, and the ways of failing.
 */
#ifndef CLIPC_SHIM_H
#define CLIPC_SHIM_H

/* Classes of calls. */
#define SHIM_ALLOC 1u    /* malloc, calloc, realloc, aligned: NULL */
#define SHIM_READ 2u     /* read, pread: EIO */
#define SHIM_OPEN 4u     /* open, openat: EMFILE */
#define SHIM_WRITE 8u    /* write, fsync, rename: ENOSPC, EIO, EACCES */
#define SHIM_MMAP 16u    /* ENOMEM */
#define SHIM_THREAD 32u  /* pthread_create: EAGAIN */
#define SHIM_NETWORK 64u /* socket, connect, recv, send */

/* Modes. */
#define SHIM_ONCE 0u
#define SHIM_FOR_GOOD 1u
#define SHIM_INTERRUPT 2u
#define SHIM_SHORT 3u

void shim_arm(unsigned classes, long n, unsigned how);
long shim_disarm(void);
long shim_fired(void);
long shim_live(void);

#endif /* CLIPC_SHIM_H */
