/* SPDX-License-Identifier: MIT
 *
 * shim.c - makes the n-th allocation, read, open, ... of a process fail. Put
 * the shim before the C library with LD_PRELOAD: the shim also reaches the
 * libraries that clipc uses. Tests only; glibc only (__libc_malloc and
 * friends): with another C library this file is empty.
 *
 * From a program (dlsym(RTLD_DEFAULT, ...), see torture.c):
 *     shim_arm(classes, n, mode)  counts calls of these classes from 1; the
 *                                 n-th call fails. SHIM_FOR_GOOD: every later
 *                                 call fails too. SHIM_INTERRUPT: the call
 *                                 fails with EINTR. SHIM_SHORT: from the n-th
 *                                 call on reads and writes move about half
 *                                 the bytes
 *     shim_disarm()               number of calls counted
 *     shim_fired()                number of calls that failed
 *     shim_live()                 number of allocations not freed
 * For a whole process: SHIM=CLASSES:N:MODE in the environment, with CLASSES a
 * sum of the numbers of shim.h and MODE 0 to 3. With SHIM_TRACE set the stack
 * of the first call that fails goes to standard error.
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <errno.h>
#ifdef __GLIBC__
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h> /* memalign */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/shim.h"

static atomic_uint armed_classes;
static atomic_uint mode;
static atomic_long target, n_counted, n_fired, n_live;
static bool tracing;

void shim_arm(unsigned classes, long n, unsigned how)
{
    atomic_store(&armed_classes, 0);
    atomic_store(&target, n);
    atomic_store(&mode, how);
    atomic_store(&n_counted, 0);
    atomic_store(&n_fired, 0);
    atomic_store(&armed_classes, classes);
}

long shim_disarm(void)
{
    atomic_store(&armed_classes, 0);
    return atomic_load(&n_counted);
}

long shim_fired(void)
{
    return atomic_load(&n_fired);
}

long shim_live(void)
{
    return atomic_load(&n_live);
}

__attribute__((constructor)) static void arm_from_environment(void)
{
    const char *text = getenv("SHIM");
    unsigned classes, how;
    void *frame;
    long n;

    tracing = getenv("SHIM_TRACE") != NULL;
    if (tracing)
        backtrace(&frame, 1); /* allocates the first time */
    if (text && sscanf(text, "%u:%ld:%u", &classes, &n, &how) == 3)
        shim_arm(classes, n, how);
}

/* Counts a call of the class; whether the shim disturbs this call. */
static bool hit(unsigned class)
{
    if (!(atomic_load(&armed_classes) & class))
        return false;
    long i = atomic_fetch_add(&n_counted, 1) + 1;
    unsigned how = atomic_load(&mode);
    bool lasting = how == SHIM_FOR_GOOD || how == SHIM_SHORT;
    if (i != atomic_load(&target) && !(lasting && i > atomic_load(&target)))
        return false;
    if (atomic_fetch_add(&n_fired, 1) == 0 && tracing) {
        void *frames[32];
        atomic_store(&armed_classes, 0);
        backtrace_symbols_fd(frames, backtrace(frames, 32), 2);
        atomic_store(&armed_classes, how == SHIM_FOR_GOOD ? class : 0);
    }
    return true;
}

/* The failure of a call that may also be interrupted. */
static int interrupted_or(int error)
{
    return atomic_load(&mode) == SHIM_INTERRUPT ? EINTR : error;
}

static bool is_short(void)
{
    return atomic_load(&mode) == SHIM_SHORT;
}

/* The failure of a call that is never interrupted or shortened. */
static bool fails(unsigned class, int error)
{
    unsigned how = atomic_load(&mode);
    if (how == SHIM_INTERRUPT || how == SHIM_SHORT || !hit(class))
        return false;
    errno = error;
    return true;
}

/* Pointers to the C library's own functions: real_NAME. */
#define FUNCTIONS(X) \
    X(int, open, (const char *, int, ...)) \
    X(int, open64, (const char *, int, ...)) \
    X(int, openat, (int, const char *, int, ...)) \
    X(int, openat64, (int, const char *, int, ...)) \
    X(ssize_t, read, (int, void *, size_t)) \
    X(ssize_t, pread, (int, void *, size_t, off_t)) \
    X(ssize_t, pread64, (int, void *, size_t, off64_t)) \
    X(ssize_t, write, (int, const void *, size_t)) \
    X(int, fsync, (int)) \
    X(int, rename, (const char *, const char *)) \
    X(void *, mmap, (void *, size_t, int, int, int, off_t)) \
    X(void *, mmap64, (void *, size_t, int, int, int, off64_t)) \
    X(int, pthread_create, \
      (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)) \
    X(int, socket, (int, int, int)) \
    X(int, connect, (int, const struct sockaddr *, socklen_t)) \
    X(ssize_t, recv, (int, void *, size_t, int)) \
    X(ssize_t, send, (int, const void *, size_t, int))
#define DECLARE(type, name, arguments) static type(*real_##name) arguments;
FUNCTIONS(DECLARE)

static void find(void *pointer, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(pointer, &symbol, sizeof symbol);
}

/* Call before the first use: a constructor may run too late. */
static void resolve(void)
{
    static atomic_bool done;
    if (atomic_load(&done))
        return;
#define FIND(type, name, arguments) find(&real_##name, #name);
    FUNCTIONS(FIND)
    atomic_store(&done, true);
}

#define REAL(name) (resolve(), real_##name)

/* ---- memory ------------------------------------------------------------ */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t element_bytes);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *p);

static void *counted(void *p)
{
    if (p)
        atomic_fetch_add(&n_live, 1);
    return p;
}

static bool out_of_memory(void)
{
    return fails(SHIM_ALLOC, ENOMEM);
}

void *malloc(size_t n)
{
    return out_of_memory() ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t n, size_t element_bytes)
{
    return out_of_memory() ? NULL : counted(__libc_calloc(n, element_bytes));
}

void *realloc(void *p, size_t n)
{
    if (out_of_memory())
        return NULL;
    void *grown = __libc_realloc(p, n);
    if (!p && grown)
        atomic_fetch_add(&n_live, 1);
    else if (p && !grown && n == 0)
        atomic_fetch_sub(&n_live, 1);
    return grown;
}

void *reallocarray(void *p, size_t n, size_t element_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, element_bytes, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(p, bytes);
}

void *memalign(size_t alignment, size_t n)
{
    return out_of_memory() ? NULL : counted(__libc_memalign(alignment, n));
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return memalign(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    if (out_of_memory())
        return ENOMEM;
    void *p = counted(__libc_memalign(alignment, n));
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

void free(void *p)
{
    if (p)
        atomic_fetch_sub(&n_live, 1);
    __libc_free(p);
}

/* ---- files ------------------------------------------------------------- */

static mode_t mode_argument(int flags, va_list args)
{
    bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    return creates ? (mode_t)va_arg(args, unsigned) : 0;
}

static bool cannot_open(void)
{
    if (!hit(SHIM_OPEN))
        return false;
    errno = interrupted_or(EMFILE);
    return true;
}

#define DEFINE_OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list args; \
        va_start(args, flags); \
        mode_t bits = mode_argument(flags, args); \
        va_end(args); \
        return cannot_open() ? -1 : REAL(name)(path, flags, bits); \
    }
#define DEFINE_OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        va_list args; \
        va_start(args, flags); \
        mode_t bits = mode_argument(flags, args); \
        va_end(args); \
        return cannot_open() ? -1 : REAL(name)(folder, path, flags, bits); \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

/* Returns false if the call fails; else *n is the size to ask for. */
static bool may_transfer(unsigned class, size_t *n, int error)
{
    if (!hit(class))
        return true;
    if (is_short()) {
        *n = *n / 2 + (*n > 0);
        return true;
    }
    errno = interrupted_or(error);
    return false;
}

ssize_t read(int fd, void *data, size_t n)
{
    return may_transfer(SHIM_READ, &n, EIO) ? REAL(read)(fd, data, n) : -1;
}

ssize_t pread(int fd, void *data, size_t n, off_t offset)
{
    return may_transfer(SHIM_READ, &n, EIO) ? REAL(pread)(fd, data, n, offset)
                                            : -1;
}

ssize_t pread64(int fd, void *data, size_t n, off64_t offset)
{
    return may_transfer(SHIM_READ, &n, EIO)
               ? REAL(pread64)(fd, data, n, offset)
               : -1;
}

ssize_t write(int fd, const void *data, size_t n)
{
    return may_transfer(SHIM_WRITE, &n, ENOSPC) ? REAL(write)(fd, data, n)
                                                : -1;
}

int fsync(int fd)
{
    return fails(SHIM_WRITE, EIO) ? -1 : REAL(fsync)(fd);
}

int rename(const char *from, const char *to)
{
    return fails(SHIM_WRITE, EACCES) ? -1 : REAL(rename)(from, to);
}

void *mmap(void *p, size_t n, int protection, int flags, int fd, off_t offset)
{
    return fails(SHIM_MMAP, ENOMEM)
               ? MAP_FAILED
               : REAL(mmap)(p, n, protection, flags, fd, offset);
}

void *mmap64(void *p, size_t n, int protection, int flags, int fd,
             off64_t offset)
{
    return fails(SHIM_MMAP, ENOMEM)
               ? MAP_FAILED
               : REAL(mmap64)(p, n, protection, flags, fd, offset);
}

/* ---- threads and sockets ----------------------------------------------- */

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*run)(void *), void *arg)
{
    return fails(SHIM_THREAD, EAGAIN)
               ? EAGAIN
               : REAL(pthread_create)(thread, attr, run, arg);
}

int socket(int domain, int type, int protocol)
{
    return fails(SHIM_NETWORK, EMFILE) ? -1
                                       : REAL(socket)(domain, type, protocol);
}

int connect(int fd, const struct sockaddr *address, socklen_t n)
{
    return fails(SHIM_NETWORK, ENETUNREACH) ? -1
                                            : REAL(connect)(fd, address, n);
}

ssize_t recv(int fd, void *data, size_t n, int flags)
{
    return may_transfer(SHIM_NETWORK, &n, ECONNRESET)
               ? REAL(recv)(fd, data, n, flags)
               : -1;
}

ssize_t send(int fd, const void *data, size_t n, int flags)
{
    return may_transfer(SHIM_NETWORK, &n, EPIPE)
               ? REAL(send)(fd, data, n, flags)
               : -1;
}

#else

typedef int shim_is_of_glibc; /* ISO C wants a declaration */

#endif
