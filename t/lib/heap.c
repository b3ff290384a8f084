/*
 * For LD_PRELOAD: on SIGRTMIN a process writes a line to the file HEAP_REPORT,
 * the bytes that malloc has given out and that were not freed.  What malloc
 * itself keeps for later is not among them; so a leak is seen, however small,
 * and nothing but a leak.
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>


static int  report;


/* from where a process waits for events: malloc is not at work then */

static void
tell(int signo)
{
    int               n;
    char              line[64];
    struct mallinfo2  info;

    (void) signo;

    info = mallinfo2();
    n = snprintf(line, sizeof(line), "%zu\n", info.uordblks + info.hblkhd);

    if (write(report, line, (size_t) n) != n) {
        abort();
    }
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
