/* conf_list: mail_root and tls_also, which may stand several times. */
#include "base/conf_table.h"

#include <string.h>

#include "base/conf_value.h"
#include "base/mem.h"

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

static bool root_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)o;
    struct conf *c = base;
    const char *wrong;
    char *path = conf_path_read(value, &wrong);
    if (!path)
        return conf_say(why, wrong);
    if (root_of_system(path)) {
        mem_free(path);
        return conf_say(why, "holds the system itself; name a folder that holds nothing but mail");
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

static void root_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)o;
    const struct conf *c = base;
    fputs(c->mail_root[i], to);
}

static unsigned root_count(const void *base)
{
    const struct conf *c = base;
    return c->mail_roots;
}

static void root_free(const struct conf_option *o, void *base)
{
    (void)o;
    struct conf *c = base;
    for (unsigned i = 0; i < c->mail_roots; i++)
        mem_free(c->mail_root[i]);
    c->mail_roots = 0;
}

const struct conf_kind CONF_KIND_ROOT = {"FOLDER", root_read, root_print, root_free, root_count, NULL};

/* ---- certificates with their keys */

static void free_pair(struct conf_pair *p)
{
    mem_free(p->cert);
    mem_free(p->key);
}

static bool pair_words(struct conf_pair *pair, struct span value, char why[CONF_WHY])
{
    const char *wrong = NULL;
    struct span cert = conf_word(&value), key = conf_word(&value);
    if (!key.n || conf_word(&value).n)
        return conf_say(why, "is not two files; write the certificate and, after a blank, its key");
    pair->cert = conf_path_read(cert, &wrong);
    if (pair->cert)
        pair->key = conf_path_read(key, &wrong);
    if (pair->key)
        return true;
    snprintf(why, CONF_WHY, "has a %s that %s", pair->cert ? "key" : "certificate", wrong);
    return false;
}

static bool pair_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)o;
    struct conf *c = base;
    struct conf_pair pair = {.line = line};
    if (!value.n) /* "tls_also =": none */
        return true;
    bool ok = pair_words(&pair, value, why);
    if (ok && c->tls_pairs == CONF_PAIRS) {
        snprintf(why, CONF_WHY, "is one too many; there may be %d", CONF_PAIRS);
        ok = false;
    }
    if (ok)
        c->tls_also[c->tls_pairs++] = pair;
    else
        free_pair(&pair);
    return ok;
}

static void pair_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)o;
    const struct conf *c = base;
    fprintf(to, "%s %s", c->tls_also[i].cert, c->tls_also[i].key);
}

static unsigned pair_count(const void *base)
{
    const struct conf *c = base;
    return c->tls_pairs;
}

static void pair_free(const struct conf_option *o, void *base)
{
    (void)o;
    struct conf *c = base;
    for (unsigned i = 0; i < c->tls_pairs; i++)
        free_pair(&c->tls_also[i]);
    c->tls_pairs = 0;
}

const struct conf_kind CONF_KIND_PAIR = {"CERTIFICATE KEY", pair_read, pair_print, pair_free, pair_count, NULL};
