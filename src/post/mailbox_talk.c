/* mailbox_talk: see the header. */
#include "post/mailbox_talk.h"

#include <errno.h>
#include <sys/socket.h>

int mailbox_send(int fd, const void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t sent = send(fd, (const char *)p + done, n - done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        done += (size_t)sent;
    }
    return 0;
}

int mailbox_receive(int fd, void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = recv(fd, (char *)p + done, n - done, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}
