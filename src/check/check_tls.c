/* check_tls: the certificate and its key, opened and read as the server will. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check/check_parts.h"
#include "net/tls.h"

enum { DAY = 86400, SOON = 14 * DAY };

static int open_pem(const struct check *k, const char *option, const char *path)
{
    unsigned line = conf_line(k->c, option);
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        conf_problem_add(k->p, line, true, "%s = %s cannot be opened: %s%s", option, path, strerror(errno),
                         errno == EACCES && !k->root ? "; root, as whom the server should be started, may be able to"
                                                     : "");
        return -1;
    }
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        conf_problem_add(k->p, line, true, "%s = %s is no regular file; name a file in PEM", option, path);
        close(fd);
        return -1;
    }
    return fd;
}

static void check_key_mode(const struct check *k, int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_mode & S_IROTH)
        conf_problem_add(k->p, conf_line(k->c, "tls_key"), false,
                         "tls_key = %s may be read by everybody (mode %04o); chmod o-r %s", k->c->tls_key,
                         st.st_mode & 07777, k->c->tls_key);
}

static void check_expiry(const struct check *k, const struct tls_context *t)
{
    long long left = tls_context_expires(t);
    unsigned line = conf_line(k->c, "tls_cert");
    if (left < 0)
        conf_problem_add(k->p, line, false, "tls_cert = %s has expired %lld days ago: clients will refuse it; renew it",
                         k->c->tls_cert, -left / DAY);
    else if (left < SOON)
        conf_problem_add(k->p, line, false, "tls_cert = %s expires in %lld days; renew it, then send SIGHUP",
                         k->c->tls_cert, left / DAY);
}

static void check_issuers(const struct check *k, struct tls_context *t)
{
    struct err err;
    int fd = *k->c->tls_client_ca ? open_pem(k, "tls_client_ca", k->c->tls_client_ca) : -1;
    if (fd < 0)
        return;
    if (tls_context_ask(t, fd, &err) < 0)
        conf_problem_add(k->p, conf_line(k->c, "tls_client_ca"), true, "tls_client_ca = %s: %s", k->c->tls_client_ca, err.text);
    close(fd);
}

void check_tls(const struct check *k)
{
    const struct conf *c = k->c;
    struct tls_context *t = NULL;
    struct err err;
    if (!*c->tls_cert || !*c->tls_key)
        return;
    int cert = open_pem(k, "tls_cert", c->tls_cert), key = open_pem(k, "tls_key", c->tls_key);
    if (key >= 0)
        check_key_mode(k, key);
    if (cert >= 0 && key >= 0) {
        if (tls_context_new(&t, cert, key, "pop3", &err) < 0)
            conf_problem_add(k->p, conf_line(c, "tls_cert"), true, "tls_cert = %s with tls_key = %s: %s", c->tls_cert,
                             c->tls_key, err.text);
        else {
            check_expiry(k, t);
            check_issuers(k, t);
        }
        tls_context_free(t);
    }
    if (cert >= 0)
        close(cert);
    if (key >= 0)
        close(key);
}
