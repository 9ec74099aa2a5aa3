/* control_ask: see the header. Believes no row before control_row_ok. */
#include "tool/control_ask.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/sock.h"

enum { PATIENCE_S = 30 };

static int send_request(int fd, const struct control_request *q, struct err *err)
{
    const char *p = (const char *)q;
    for (size_t sent = 0; sent < sizeof *q;) {
        ssize_t n = send(fd, p + sent, sizeof *q - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_TEMP, "the server cannot be asked: %s", strerror(errno));
        sent += (size_t)n;
    }
    return 0;
}

static int receive_row(int fd, struct control_row *r, struct err *err)
{
    char *p = (char *)r;
    for (size_t got = 0; got < sizeof *r;) {
        ssize_t n = recv(fd, p + got, sizeof *r - got, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return err_set(err, ERR_TEMP, "the server has not answered within %d s", PATIENCE_S);
        if (n < 0)
            return err_set(err, ERR_TEMP, "the server's answer cannot be read: %s", strerror(errno));
        if (n == 0)
            return err_set(err, ERR_TEMP, "the server has closed in the middle of its answer");
        got += (size_t)n;
    }
    if (!control_row_ok(r))
        return err_set(err, ERR_TEMP, "the server's answer is of another version of bustia; restart the server");
    return 0;
}

int control_ask(const struct conf *c, const struct control_request *q, struct err *err)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    char path[4096 + sizeof CONTROL_SOCKET];
    snprintf(path, sizeof path, "%s/%s", c->run_dir, CONTROL_SOCKET);
    int fd = sock_connect_unix(path, err);
    if (fd < 0)
        return access(path, W_OK) < 0 && errno == EACCES
                   ? err_set(err, ERR_AUTH, "only root, or the user who started the server, may ask it at %s", path)
                   : err_set(err, ERR_TEMP, "no server answers at %s; does it run, and with this run_dir?", path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (send_request(fd, q, err) == 0)
        return fd;
    close(fd);
    return -1;
}

int control_rows(int fd, void (*fn)(void *arg, const struct control_row *r), void *arg, uint32_t *count, struct err *err)
{
    for (;;) {
        struct control_row r;
        if (receive_row(fd, &r, err) < 0)
            return -1;
        if (r.kind == CONTROL_ERROR) {
            enum err_kind kind = r.count > ERR_NONE && r.count < ERR_KINDS ? (enum err_kind)r.count : ERR_TEMP;
            return err_set(err, kind, "%s", log_escape(span_of(r.text)));
        }
        if (r.kind == CONTROL_DONE) {
            *count = r.count;
            return 0;
        }
        fn(arg, &r);
    }
}
