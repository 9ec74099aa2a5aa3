/* conf_listen: listen, which may stand several times: what is served where. */
#include "base/conf_table.h"

#include <stdarg.h>
#include <string.h>

#include "base/conf_value.h"
#include "base/log.h"
#include "base/mem.h"

#define FORM "ADDRESS:PORT|PATH pop3|pop3s|lmtp|smtp [cleartext=no] [proxy=required] [mode=MODE] [group=GROUP]"

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
    char *why;                             /* each thing that is wrong, on a line of its own */
    bool path;                             /* it is meant as a unix socket */
    bool service, mode, group, two, other; /* was said; two services; a word that is none of them */
};

static void wrong(const struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void wrong(const struct words *w, const char *format, ...)
{
    size_t n = strlen(w->why);
    va_list args;
    va_start(args, format);
    if (n && n + 1 < CONF_WHY)
        w->why[n++] = '\n';
    vsnprintf(w->why + n, CONF_WHY - n, format, args);
    va_end(args);
}

static void read_mode(struct words *w, struct span value)
{
    unsigned mode = 0;
    bool octal = value.n > 0;
    for (size_t i = 0; octal && i < value.n; i++) {
        octal = value.p[i] >= '0' && value.p[i] <= '7';
        mode = (mode * 8 + (unsigned)(value.p[i] - '0')) & 0xffff;
    }
    if (!octal)
        wrong(w, "has a mode that is no number in octal, whose digits are 0 to 7; write for instance mode=0660");
    else if (value.n > 4 || mode > 0777)
        wrong(w, "has a mode beyond 0777; write it in octal, for instance mode=0660");
    else if (!(mode & 0222))
        wrong(w, "has a mode with which nobody may write, and nobody could connect; write for instance mode=0660");
    w->l->mode = mode;
    w->mode = true;
}

/* The name of a group as accounts have it, or its number. */
static void read_group(struct words *w, struct span value)
{
    bool ok = value.n > 0 && value.n <= 32 && value.p[0] != '-';
    uint64_t number;
    for (size_t i = 0; ok && i < value.n; i++) {
        char a = value.p[i];
        ok = (a >= 'a' && a <= 'z') || (a >= 'A' && a <= 'Z') || (a >= '0' && a <= '9') || strchr("._-", a);
    }
    if (ok && value.p[0] >= '0' && value.p[0] <= '9')
        ok = span_number(value, &number) && number < UINT32_MAX;
    w->group = true;
    if (!ok) {
        wrong(w, "has a group that is none; write the name or number of one, for instance group=postfix");
        return;
    }
    mem_free(w->l->group);
    w->l->group = mem_copy(value.p, value.n);
}

static bool read_service(struct words *w, struct span word)
{
    for (unsigned i = 0; i < CONF_SERVICES; i++)
        if (span_is(word, services[i])) {
            w->two |= w->service;
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

static void read_word(struct words *w, struct span word)
{
    if (read_service(w, word))
        return;
    if (span_is(word, "cleartext=no") || span_is(word, "cleartext=yes"))
        w->l->cleartext = span_is(word, "cleartext=yes");
    else if (span_is(word, "proxy=required"))
        w->l->proxy = true;
    else if (begins(word, "mode="))
        read_mode(w, span_from(word, strlen("mode=")));
    else if (begins(word, "group="))
        read_group(w, span_from(word, strlen("group=")));
    else {
        wrong(w, "has the unknown word %s; write " FORM, log_quote(word));
        w->other |= !memchr(word.p, '=', word.n); /* which was meant as the service */
    }
}

static void fit_words(const struct words *w)
{
    if (w->two)
        wrong(w, "names two services; write one of pop3, pop3s, lmtp and smtp");
    else if (!w->service && !w->other)
        wrong(w, "does not say the service; write pop3, pop3s, lmtp or smtp after the address");
    else if (w->path && w->service && w->l->service != CONF_LMTP)
        wrong(w, "is a unix socket, on which lmtp is served; write an ADDRESS:PORT for the other services");
    if (!w->path && (w->mode || w->group))
        wrong(w, "has a mode or group, which only a unix socket can have; take it out");
    if (w->path && w->l->proxy)
        wrong(w, "has proxy=required, and whoever connects to a unix socket is on this machine; take it out");
}

/* ---- the address */

static void read_address(struct words *w, struct span text)
{
    struct conf_address parsed;
    const char *why = NULL;
    w->path = text.n && memchr(text.p, '/', text.n);
    if (w->path)
        w->l->address = conf_path_read(text, &why);
    else
        why = conf_address_read(text, &parsed);
    if (why)
        wrong(w, "%s", why);
    else if (!w->path)
        w->l->address = mem_copy(text.p, text.n);
    else if (strlen(w->l->address) > CONF_SOCKET_PATH || strcmp(w->l->address, "/") == 0)
        wrong(w, "is no name of a socket; it may have %d bytes", CONF_SOCKET_PATH);
}

static void free_one(struct conf_listener *l)
{
    mem_free(l->address);
    mem_free(l->group);
}

static bool read_whole(struct conf_listener *l, struct span value, char why[CONF_WHY])
{
    struct words w = {.l = l, .why = why};
    *why = '\0';
    read_address(&w, conf_word(&value));
    for (struct span word = conf_word(&value); word.n; word = conf_word(&value))
        read_word(&w, word);
    fit_words(&w);
    return !*why;
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
    fprintf(to, "%s %s%s%s", l->address, conf_service_name(l->service), l->cleartext ? "" : " cleartext=no",
            l->proxy ? " proxy=required" : "");
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
