/* conf: the server's configuration by its table. The master and the tool read the file, every role what the master
 * prints. */
#include "base/conf.h"

#include <string.h>
#include <unistd.h>

#include "base/conf_table.h"

/* The machine's name if it can stand in a greeting. */
static void default_hostname(const struct conf_option *o, struct conf *c)
{
    char name[256] = "", why[CONF_WHY];
    if (gethostname(name, sizeof name - 1) < 0 || !o->kind->read(o, c, span_of(name), 0, why))
        o->kind->read(o, c, span_of("localhost"), 0, why);
}

static void default_listeners(const struct conf_option *o, struct conf *c)
{
    char why[CONF_WHY];
    o->kind->read(o, c, span_of("[::]:110 pop3"), 0, why);
    o->kind->read(o, c, span_of("0.0.0.0:110 pop3"), 0, why);
    if (!*c->tls_cert)
        return;
    o->kind->read(o, c, span_of("[::]:995 pop3s"), 0, why);
    o->kind->read(o, c, span_of("0.0.0.0:995 pop3s"), 0, why);
}

static const struct conf_option *option(const char *name)
{
    return &conf_schema_server.table[conf_find(&conf_schema_server, span_of(name))];
}

static void defaults_before(struct conf *c)
{
    memset(c, 0, sizeof *c);
    conf_defaults(&conf_schema_server, c);
    default_hostname(option("hostname"), c);
}

static void defaults_after(struct conf *c)
{
    char why[CONF_WHY];
    const struct conf_option *root = option("mail_root");
    if (!c->mail_roots)
        root->kind->read(root, c, span_of(root->fallback), 0, why);
    if (!c->listeners)
        default_listeners(option("listen"), c);
}

void conf_read(struct conf *c, struct span text, struct conf_problems *p)
{
    bool wrong[CONF_OPTIONS] = {false};
    struct conf_reader r = {.schema = &conf_schema_server, .p = p, .base = c, .lines = c->lines, .wrong = wrong};
    defaults_before(c);
    conf_parse(&r, text);
    defaults_after(c);
    conf_fit(c, wrong, p);
}

void conf_free(struct conf *c)
{
    conf_clear(&conf_schema_server, c);
    memset(c, 0, sizeof *c);
}
