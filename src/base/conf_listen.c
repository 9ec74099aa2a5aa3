/* conf_listen: listen, which may stand several times: what is served where. */
#include "base/conf_table.h"

#include <string.h>

#include "base/conf_value.h"
#include "base/log.h"
#include "base/mem.h"

#define FORM "ADDRESS:PORT|PATH pop3|pop3s|lmtp|smtp [cleartext=no] [mode=MODE] [group=GROUP]"

static const char *const services[CONF_SERVICES] = {
    [CONF_POP3] = "pop3", [CONF_POP3S] = "pop3s", [CONF_LMTP] = "lmtp", [CONF_SMTP] = "smtp"};

const char *conf_service_name(enum conf_service s)
{
    return (unsigned)s < CONF_SERVICES ? services[s] : "?";
}

bool conf_listener_unix(const struct conf_listener *l)
{
    return l->address[0] == '/';
}

/* ---- the words behind the address */

struct words {
    struct conf_listener *l;
    bool service, mode, group; /* was said */
};

static bool read_mode(struct words *w, struct span value, char why[CONF_WHY])
{
    unsigned mode = 0;
    bool ok = value.n > 0 && value.n <= 4;
    for (size_t i = 0; ok && i < value.n; i++) {
        ok = value.p[i] >= '0' && value.p[i] <= '7';
        mode = mode * 8 + (unsigned)(value.p[i] - '0');
    }
    if (!ok || mode > 0777 || !(mode & 0222))
        return conf_say(why, "has a mode that is none of a socket; write it in octal, for instance mode=0660");
    w->l->mode = mode;
    w->mode = true;
    return true;
}

/* The name of a group as accounts have it, or its number. */
static bool read_group(struct words *w, struct span value, char why[CONF_WHY])
{
    bool ok = value.n > 0 && value.n <= 32 && value.p[0] != '-';
    uint64_t number;
    for (size_t i = 0; ok && i < value.n; i++) {
        char a = value.p[i];
        ok = (a >= 'a' && a <= 'z') || (a >= 'A' && a <= 'Z') || (a >= '0' && a <= '9') || strchr("._-", a);
    }
    if (ok && value.p[0] >= '0' && value.p[0] <= '9')
        ok = span_number(value, &number) && number < UINT32_MAX;
    if (!ok)
        return conf_say(why, "has a group that is none; write the name or number of one, for instance group=postfix");
    mem_free(w->l->group);
    w->l->group = mem_copy(value.p, value.n);
    w->group = true;
    return true;
}

static bool read_service(struct words *w, struct span word)
{
    for (unsigned i = 0; i < CONF_SERVICES; i++)
        if (span_is(word, services[i])) {
            w->l->service = i;
            w->service = true;
            return true;
        }
    return false;
}

static bool begins(struct span word, const char *with)
{
    size_t n = strlen(with);
    return word.n >= n && memcmp(word.p, with, n) == 0;
}

static bool read_word(struct words *w, struct span word, char why[CONF_WHY])
{
    bool had_service = w->service;
    if (read_service(w, word))
        return !had_service || conf_say(why, "names two services; write one of pop3, pop3s, lmtp and smtp");
    if (span_is(word, "cleartext=no") || span_is(word, "cleartext=yes")) {
        w->l->cleartext = span_is(word, "cleartext=yes");
        return true;
    }
    if (begins(word, "mode="))
        return read_mode(w, span_from(word, strlen("mode=")), why);
    if (begins(word, "group="))
        return read_group(w, span_from(word, strlen("group=")), why);
    snprintf(why, CONF_WHY, "has the unknown word %s; write " FORM, log_quote(word));
    return false;
}

static bool words_fit(const struct words *w, char why[CONF_WHY])
{
    bool path = conf_listener_unix(w->l);
    if (!w->service)
        return conf_say(why, "does not say the service; write pop3, pop3s, lmtp or smtp after the address");
    if (path && w->l->service != CONF_LMTP)
        return conf_say(why, "is a unix socket, on which lmtp is served; write an ADDRESS:PORT for the other services");
    if (!path && (w->mode || w->group))
        return conf_say(why, "has a mode or group, which only a unix socket can have; take it out");
    return true;
}

/* ---- the address */

static bool read_address(struct conf_listener *l, struct span text, char why[CONF_WHY])
{
    struct conf_address parsed;
    const char *wrong = NULL;
    if (!text.n || text.p[0] != '/') {
        wrong = conf_address_read(text, &parsed);
        if (!wrong)
            l->address = mem_copy(text.p, text.n);
        return wrong ? conf_say(why, wrong) : true;
    }
    l->address = conf_path_read(text, &wrong);
    if (!l->address)
        return conf_say(why, wrong);
    if (strlen(l->address) <= CONF_SOCKET_PATH && strcmp(l->address, "/") != 0)
        return true;
    snprintf(why, CONF_WHY, "is no name of a socket; it may have %d bytes", CONF_SOCKET_PATH);
    return false;
}

static void free_one(struct conf_listener *l)
{
    mem_free(l->address);
    mem_free(l->group);
}

static bool read_whole(struct conf_listener *l, struct span value, char why[CONF_WHY])
{
    struct words w = {.l = l};
    if (!read_address(l, conf_word(&value), why))
        return false;
    for (struct span word = conf_word(&value); word.n; word = conf_word(&value))
        if (!read_word(&w, word, why))
            return false;
    return words_fit(&w, why);
}

static bool listen_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)o;
    struct conf *c = base;
    struct conf_listener l = {.cleartext = true, .mode = CONF_SOCKET_MODE, .line = line};
    bool ok = read_whole(&l, value, why);
    if (ok && c->listeners == CONF_LISTENERS) {
        snprintf(why, CONF_WHY, "is one too many; there may be %d", CONF_LISTENERS);
        ok = false;
    }
    if (!ok) {
        free_one(&l);
        return false;
    }
    if (!l.group)
        l.group = mem_copy_text("");
    c->listen[c->listeners++] = l;
    return true;
}

static void listen_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)o;
    const struct conf *c = base;
    const struct conf_listener *l = &c->listen[i];
    fprintf(to, "%s %s%s", l->address, conf_service_name(l->service), l->cleartext ? "" : " cleartext=no");
    if (conf_listener_unix(l) && l->mode != CONF_SOCKET_MODE)
        fprintf(to, " mode=%04o", l->mode);
    if (*l->group)
        fprintf(to, " group=%s", l->group);
}

static unsigned listen_count(const void *base)
{
    const struct conf *c = base;
    return c->listeners;
}

static void listen_free(const struct conf_option *o, void *base)
{
    (void)o;
    struct conf *c = base;
    for (unsigned i = 0; i < c->listeners; i++)
        free_one(&c->listen[i]);
    c->listeners = 0;
}

const struct conf_kind CONF_KIND_LISTEN = {FORM, listen_read, listen_print, listen_free, listen_count, NULL};
