/* check_tls: the certificates and their keys, opened and read as the server will. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "check/check_parts.h"
#include "net/tls.h"

enum { DAY = 86400, SOON = 14 * DAY };

/* A certificate and its key, as the file says them. */
struct pair {
    const char *cert_option, *cert, *key_option, *key;
    unsigned cert_line, key_line;
};

static struct pair pair_of(const struct conf *c, unsigned i)
{
    if (i == 0)
        return (struct pair){"tls_cert", c->tls_cert, "tls_key", c->tls_key, conf_line(c, "tls_cert"), conf_line(c, "tls_key")};
    const struct conf_pair *p = &c->tls_also[i - 1];
    return (struct pair){"tls_also", p->cert, "tls_also", p->key, p->line, p->line};
}

static int open_pem(const struct check *k, unsigned line, const char *option, const char *path)
{
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

static void check_key_mode(const struct check *k, const struct pair *p, int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_mode & S_IROTH)
        conf_problem_add(k->p, p->key_line, false, "%s = %s may be read by everybody (mode %04o); chmod o-r %s", p->key_option,
                         p->key, st.st_mode & 07777, p->key);
}

static void check_expiry(const struct check *k, const struct pair *p, const struct tls_context *t)
{
    long long left = tls_context_expires(t);
    if (left < 0)
        conf_problem_add(k->p, p->cert_line, false, "%s = %s has expired %lld days ago: clients will refuse it; renew it",
                         p->cert_option, p->cert, -left / DAY);
    else if (left < SOON)
        conf_problem_add(k->p, p->cert_line, false, "%s = %s expires in %lld days; renew it%s", p->cert_option, p->cert,
                         left / DAY, k->c->tls_watch ? "" : ", then send SIGHUP");
}

static void check_issuers(const struct check *k, struct tls_context *t)
{
    struct err err;
    int fd = *k->c->tls_client_ca ? open_pem(k, conf_line(k->c, "tls_client_ca"), "tls_client_ca", k->c->tls_client_ca) : -1;
    if (fd < 0)
        return;
    if (tls_context_ask(t, fd, &err) < 0)
        conf_problem_add(k->p, conf_line(k->c, "tls_client_ca"), true, "tls_client_ca = %s: %s", k->c->tls_client_ca, err.text);
    close(fd);
}

/* All pairs that can be used, in one context as the server will have them; `number`: which of the file each is. */
struct all {
    struct tls_context *context;
    unsigned number[1 + CONF_PAIRS], n;
};

/* Each by itself, then beside the others. */
static int use_pair(const struct check *k, struct all *all, const struct pair *p, int cert, int key)
{
    struct tls_context *t = NULL;
    struct err err;
    if (tls_context_new(&t, cert, key, "pop3", &err) == 0) {
        check_expiry(k, p, t);
        if (!all->context) {
            all->context = t;
            return 0;
        }
        tls_context_free(t);
        if (tls_context_add(all->context, cert, key, &err) == 0)
            return 0;
    }
    conf_problem_add(k->p, p->cert_line, true, "%s = %s with %s%s%s: %s", p->cert_option, p->cert,
                     p->key_option == p->cert_option ? "" : p->key_option, p->key_option == p->cert_option ? "" : " = ", p->key,
                     err.text);
    return -1;
}

static void check_pair(const struct check *k, struct all *all, unsigned i)
{
    struct pair p = pair_of(k->c, i);
    int cert = open_pem(k, p.cert_line, p.cert_option, p.cert), key = open_pem(k, p.key_line, p.key_option, p.key);
    if (key >= 0)
        check_key_mode(k, &p, key);
    if (cert >= 0 && key >= 0 && use_pair(k, all, &p, cert, key) == 0)
        all->number[all->n++] = i;
    if (cert >= 0)
        close(cert);
    if (key >= 0)
        close(key);
}

/* Whoever asks for a name gets the first that has it: another one with it would never be seen. */
static void check_names(const struct check *k, const struct all *all)
{
    char name[TLS_HOST_MAX + 1];
    unsigned with;
    for (unsigned i = 1; i < all->n; i++) {
        struct pair p = pair_of(k->c, all->number[i]);
        if (!tls_context_has_name(all->context, i))
            conf_problem_add(k->p, p.cert_line, false, "%s = %s has no name of a host in it, so that nobody ever gets it",
                             p.cert_option, p.cert);
        if (tls_context_clash(all->context, i, &with, name))
            conf_problem_add(k->p, p.cert_line, false,
                             "%s = %s is for %s, and so is %s, which is given to whoever asks for it; take the name out of one of them",
                             p.cert_option, p.cert, log_quote_text(name), pair_of(k->c, all->number[with]).cert);
    }
}

void check_tls(const struct check *k)
{
    const struct conf *c = k->c;
    struct all all = {.n = 0};
    if (!*c->tls_cert || !*c->tls_key)
        return;
    for (unsigned i = 0; i <= c->tls_pairs; i++)
        check_pair(k, &all, i);
    if (all.context) {
        check_names(k, &all);
        check_issuers(k, all.context);
    }
    tls_context_free(all.context);
}
