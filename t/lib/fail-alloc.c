/*
 * Linked into nginx with --wrap=malloc,--wrap=posix_memalign: what nginx
 * allocates is counted, and refused as the file named by FAIL_ALLOC says.
 * The file is written by the test while nginx runs.  Libraries are spared.
 * With FAIL_ALLOC_TRACE set each refusal tells on stderr where it was.
 */

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


typedef struct {
    unsigned  first;                    /* to be refused; 0: none */
    unsigned  last;
    unsigned  count;
    unsigned  refused;
} control_t;


static volatile control_t  *control;
static int                  trace;


static __attribute__((constructor)) void
fail_alloc_init(void)
{
    int          fd;
    void        *p;
    const char  *name;

    name = getenv("FAIL_ALLOC");
    if (name == NULL) {
        return;
    }

    fd = open(name, O_RDWR);
    if (fd == -1) {
        abort();
    }

    p = mmap(NULL, sizeof(control_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        abort();
    }

    (void) close(fd);
    control = p;
    trace = (getenv("FAIL_ALLOC_TRACE") != NULL);
}


static int
fail_alloc(void)
{
    void  *frames[32];

    if (control == NULL || control->first == 0) {
        return 0;
    }

    control->count++;

    if (control->count < control->first || control->count > control->last) {
        return 0;
    }

    control->refused++;

    if (trace) {
        backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
    }

    return 1;
}


void *
__wrap_malloc(size_t size)
{
    if (fail_alloc()) {
        errno = ENOMEM;
        return NULL;
    }

    return malloc(size);
}


int
__wrap_posix_memalign(void **p, size_t alignment, size_t size)
{
    return fail_alloc() ? ENOMEM : posix_memalign(p, alignment, size);
}
