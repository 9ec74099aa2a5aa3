/* conf_list: the options that may stand several times: listeners and mail roots. */
#include "base/conf_table.h"

#include <string.h>

#include "base/conf_value.h"
#include "base/log.h"
#include "base/mem.h"

static bool say(char why[CONF_WHY], const char *text)
{
    snprintf(why, CONF_WHY, "%s", text);
    return false;
}

/* ---- listen */

static bool listener_words(struct span rest, struct conf_listener *l, bool *served, char why[CONF_WHY])
{
    for (struct span word = conf_word(&rest); word.n; word = conf_word(&rest)) {
        if (span_is(word, "pop3") || span_is(word, "pop3s")) {
            if (*served)
                return say(why, "names two services; write one of pop3 and pop3s");
            *served = true;
            l->service = span_is(word, "pop3s") ? CONF_POP3S : CONF_POP3;
        } else if (span_is(word, "cleartext=no") || span_is(word, "cleartext=yes")) {
            l->cleartext = span_is(word, "cleartext=yes");
        } else {
            snprintf(why, CONF_WHY, "has the unknown word %s; write ADDRESS:PORT pop3|pop3s [cleartext=no]",
                     log_quote(word));
            return false;
        }
    }
    return true;
}

static bool listen_read(const struct conf_option *o, struct conf *c, struct span value, unsigned line,
                        char why[CONF_WHY])
{
    (void)o;
    struct span rest = value, address = conf_word(&rest);
    struct conf_listener l = {.cleartext = true, .line = line};
    struct conf_address parsed;
    bool served = false;
    const char *wrong = conf_address_read(address, &parsed);
    if (wrong)
        return say(why, wrong);
    if (!listener_words(rest, &l, &served, why))
        return false;
    if (!served)
        return say(why, "does not say the service; write pop3 or pop3s after the address");
    if (c->listeners == CONF_LISTENERS) {
        snprintf(why, CONF_WHY, "is one too many; there may be %d", CONF_LISTENERS);
        return false;
    }
    l.address = mem_copy(address.p, address.n);
    c->listen[c->listeners++] = l;
    return true;
}

static void listen_print(const struct conf_option *o, const struct conf *c, unsigned i, FILE *to)
{
    (void)o;
    const struct conf_listener *l = &c->listen[i];
    fprintf(to, "%s %s%s", l->address, l->service == CONF_POP3S ? "pop3s" : "pop3",
            l->cleartext ? "" : " cleartext=no");
}

static unsigned listen_count(const struct conf *c)
{
    return c->listeners;
}

static void listen_free(const struct conf_option *o, struct conf *c)
{
    (void)o;
    for (unsigned i = 0; i < c->listeners; i++)
        mem_free(c->listen[i].address);
    c->listeners = 0;
}

/* ---- mail_root */

/* Folders that hold the system itself: whoever gets in as a mailbox would get in there. */
static bool root_of_system(const char *path)
{
    static const char *const folders[] = {"/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/sbin", "/sys", "/usr"};
    if (strcmp(path, "/") == 0)
        return true;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (conf_path_below(path, folders[i]))
            return true;
    return false;
}

static bool root_read(const struct conf_option *o, struct conf *c, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)o;
    const char *wrong;
    char *path = conf_path_read(value, &wrong);
    if (!path)
        return say(why, wrong);
    if (root_of_system(path)) {
        mem_free(path);
        return say(why, "holds the system itself; name a folder that holds nothing but mail");
    }
    if (c->mail_roots == CONF_ROOTS) {
        mem_free(path);
        snprintf(why, CONF_WHY, "is one too many; there may be %d", CONF_ROOTS);
        return false;
    }
    c->mail_root_line[c->mail_roots] = line;
    c->mail_root[c->mail_roots++] = path;
    return true;
}

static void root_print(const struct conf_option *o, const struct conf *c, unsigned i, FILE *to)
{
    (void)o;
    fputs(c->mail_root[i], to);
}

static unsigned root_count(const struct conf *c)
{
    return c->mail_roots;
}

static void root_free(const struct conf_option *o, struct conf *c)
{
    (void)o;
    for (unsigned i = 0; i < c->mail_roots; i++)
        mem_free(c->mail_root[i]);
    c->mail_roots = 0;
}

const struct conf_kind CONF_KIND_LISTEN = {
    "ADDRESS:PORT pop3|pop3s [cleartext=no]", listen_read, listen_print, listen_free, listen_count, NULL};
const struct conf_kind CONF_KIND_ROOT = {"FOLDER", root_read, root_print, root_free, root_count, NULL};
