/*
 * For LD_PRELOAD: on SIGRTMIN a process writes a line to the file HEAP_REPORT:
 * the most bytes that malloc had given out at a time since the last line, and
 * those that it has given out now.  What malloc itself keeps for later is not
 * among them; so a leak is seen, however small, and nothing but a leak.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>


/* glibc's own, under the names by which it offers them */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *p);


static int     report;
static size_t  now;
static size_t  most;


/* threads of libraries allocate, too */

static void *
given(void *p)
{
    size_t  sum, old;

    if (p == NULL) {
        return NULL;
    }

    sum = __atomic_add_fetch(&now, malloc_usable_size(p), __ATOMIC_RELAXED);
    old = __atomic_load_n(&most, __ATOMIC_RELAXED);

    while (sum > old
           && !__atomic_compare_exchange_n(&most, &old, sum, 1,
                                           __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED))
    {
        /* void */
    }

    return p;
}


static void
taken(void *p)
{
    __atomic_sub_fetch(&now, malloc_usable_size(p), __ATOMIC_RELAXED);
}


void *
malloc(size_t size)
{
    return given(__libc_malloc(size));
}


void *
calloc(size_t n, size_t size)
{
    return given(__libc_calloc(n, size));
}


void *
realloc(void *p, size_t size)
{
    void    *fresh;
    size_t   old;

    old = malloc_usable_size(p);
    fresh = __libc_realloc(p, size);

    if (fresh == NULL && size != 0) {
        return NULL;
    }

    __atomic_sub_fetch(&now, old, __ATOMIC_RELAXED);

    return given(fresh);
}


void *
memalign(size_t align, size_t size)
{
    return given(__libc_memalign(align, size));
}


void *
aligned_alloc(size_t align, size_t size)
{
    return memalign(align, size);
}


int
posix_memalign(void **p, size_t align, size_t size)
{
    *p = memalign(align, size);

    return *p ? 0 : ENOMEM;
}


void
free(void *p)
{
    taken(p);
    __libc_free(p);
}


/* from where a process waits for events: malloc is not at work then */

static void
tell(int signo)
{
    int   n;
    char  line[64];

    (void) signo;

    n = snprintf(line, sizeof(line), "%zu %zu\n", most, now);

    if (write(report, line, (size_t) n) != n) {
        abort();
    }

    most = now;
}


/* opened before workers become another user */

__attribute__((constructor)) static void
init(void)
{
    struct sigaction  action = { .sa_handler = tell, .sa_flags = SA_RESTART };

    report = open(getenv("HEAP_REPORT"), O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC,
                  0600);

    if (report == -1 || sigaction(SIGRTMIN, &action, NULL) != 0) {
        abort();
    }
}
