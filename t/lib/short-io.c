/*
 * For LD_PRELOAD: no socket of nginx takes or gives more than a few bytes at
 * once, as on the worst of networks.  Sizes differ from call to call, so that
 * each border of a parser is met.
 *
 * Where nginx got less than it asked for it waits for the next edge of epoll,
 * which never comes: events are made level-triggered.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>


static size_t
limit(size_t size)
{
    size_t  max;

    static unsigned  n;

    n++;
    max = 1 + n % 7 * n % 997;

    return size < max ? size : max;
}


#define real(name, ...)                                                       \
    ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))(__VA_ARGS__)


ssize_t
recv(int fd, void *buf, size_t size, int flags)
{
    return real(recv, fd, buf, flags & MSG_PEEK ? size : limit(size), flags);
}


ssize_t
send(int fd, const void *buf, size_t size, int flags)
{
    return real(send, fd, buf, limit(size), flags);
}


ssize_t
readv(int fd, const struct iovec *iov, int n)
{
    struct iovec  one;

    if (n == 0) {
        return 0;
    }

    one = iov[0];
    one.iov_len = limit(one.iov_len);

    return real(readv, fd, &one, 1);
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    struct iovec  one;

    if (n == 0) {
        return 0;
    }

    one = iov[0];
    one.iov_len = limit(one.iov_len);

    return real(writev, fd, &one, 1);
}


ssize_t
sendfile(int out, int in, off_t *offset, size_t size)
{
    return real(sendfile, out, in, offset, limit(size));
}


int
epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
    struct epoll_event  level;

    if (event) {
        level = *event;
        level.events &= ~(unsigned) EPOLLET;
        event = &level;
    }

    return real(epoll_ctl, ep, op, fd, event);
}
