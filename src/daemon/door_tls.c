/* door_tls: certificates and keys as the master hands them over, all of them at once, at the start and when one has been renewed.
 * Connections that there are keep those they have begun with. Door. */
#include "daemon/door_state.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

static void replace(struct tls_context **old, struct tls_context *fresh)
{
    tls_context_free(*old);
    *old = fresh;
}

static void take_file(int *kept, int fd)
{
    if (*kept >= 0)
        close(*kept);
    *kept = fd;
}

/* The first pair of a set is for whoever asks for no name. SMTP has no ALPN. */
static int add_pair(struct door_tls *t, int key_fd, struct err *err)
{
    if (t->cert_fd < 0)
        return err_set(err, ERR_CONFIG, "a key without its certificate");
    t->pairs++;
    if (t->fresh)
        return tls_context_add(t->fresh, t->cert_fd, key_fd, err) < 0 ? -1 : tls_context_add(t->fresh_mail, t->cert_fd, key_fd, err);
    if (tls_context_new(&t->fresh, t->cert_fd, key_fd, "pop3", err) < 0)
        return -1;
    return tls_context_new(&t->fresh_mail, t->cert_fd, key_fd, NULL, err);
}

/* The set is whole: it is taken as a whole, or the old one goes on. */
static void take_set(struct door *d)
{
    struct door_tls *t = &d->certs;
    struct err err;
    if (!t->wrong && t->client_ca_fd >= 0 && tls_context_ask(t->fresh, t->client_ca_fd, &err) < 0) {
        log_error("tls", "%s%s", err.text, d->tls ? ": the old certificate goes on" : "");
        t->wrong = true;
    }
    if (!t->wrong) {
        replace(&d->tls, t->fresh);
        replace(&d->tls_mail, t->fresh_mail);
        t->fresh = t->fresh_mail = NULL;
        metric_set(METRIC_CERTIFICATE, (uint64_t)(clock_wall().tv_sec + tls_context_expires(d->tls)));
        log_info("tls", "certificate loaded, expires in %lld days%s", tls_context_expires(d->tls) / 86400,
                 t->pairs > 1 ? " (the first of several that does)" : "");
    }
    replace(&t->fresh, NULL);
    replace(&t->fresh_mail, NULL);
    take_file(&t->client_ca_fd, -1);
    t->wrong = false;
    t->pairs = 0;
}

static void take_key(struct door *d, int key_fd, bool last)
{
    struct door_tls *t = &d->certs;
    struct err err;
    if (!t->wrong && add_pair(t, key_fd, &err) < 0) {
        log_error("tls", "%s%s", err.text, d->tls ? ": the old certificate goes on" : "");
        t->wrong = true;
    }
    take_file(&t->cert_fd, -1);
    close(key_fd);
    if (last)
        take_set(d);
}

void door_tls_init(struct door *d)
{
    d->certs = (struct door_tls){.cert_fd = -1, .client_ca_fd = -1};
}

bool door_tls_take(struct door *d, const struct talk *t)
{
    if (t->type == TALK_CLIENT_CA)
        take_file(&d->certs.client_ca_fd, t->fd);
    else if (t->type == TALK_CERT)
        take_file(&d->certs.cert_fd, t->fd);
    else if (t->type == TALK_KEY)
        take_key(d, t->fd, t->num[0] == 0);
    else
        return false;
    return true;
}
