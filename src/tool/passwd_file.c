/* passwd_file: see the header. Runs in `bustia user import`, often as root, over what another server wrote. */
#include "tool/passwd_file.h"

#include <string.h>

/* Schemes by their names in braces; what a libcrypt scheme's hash must begin with. */
/* clang-format off */
static const struct scheme {
    const char *name;
    enum passwd_secret kind;
    const char *prefix;
} schemes[] = {
    {"PLAIN",        PASSWD_CLEAR, ""},
    {"CLEARTEXT",    PASSWD_CLEAR, ""},
    {"CLEAR",        PASSWD_CLEAR, ""},
    {"CRYPT",        PASSWD_CRYPT, ""},
    {"SHA512-CRYPT", PASSWD_CRYPT, "$6$"},
    {"SHA256-CRYPT", PASSWD_CRYPT, "$5$"},
    {"BLF-CRYPT",    PASSWD_CRYPT, "$2"},
    {"MD5-CRYPT",    PASSWD_CRYPT, "$1$"},
    {"DES-CRYPT",    PASSWD_CRYPT, ""},
};
/* clang-format on */

bool passwd_file_line(struct span *text, struct span *line)
{
    if (text->n == 0)
        return false;
    *line = span_cut(text, '\n');
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static bool begins(struct span s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

static int bad(struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "%s", what);
}

/* Cuts "{SCHEME}" off. An encoding after a dot ("{PLAIN.b64}") makes another name, which is not known. */
static int take_scheme(struct passwd_entry *e, struct err *err)
{
    e->kind = PASSWD_CRYPT;
    if (!begins(e->secret, "{"))
        return 0;
    struct span rest = span_from(e->secret, 1);
    struct span name = span_cut(&rest, '}');
    if (!rest.p)
        return bad(err, "the password's scheme has no \"}\"");
    e->secret = rest;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (span_is_nocase(name, schemes[i].name)) {
            e->kind = schemes[i].kind;
            return begins(rest, schemes[i].prefix) ? 0 : bad(err, "the password's hash is not of its scheme");
        }
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~')
            return bad(err, "the password's scheme is no word");
    return err_set(err, ERR_INPUT, "the scheme {%.*s} is not libcrypt's: the user needs a new password",
                   name.n < 32 ? (int)name.n : 32, name.p);
}

static int take_password(struct passwd_entry *e, struct err *err)
{
    if (take_scheme(e, err))
        return -1;
    if (e->kind == PASSWD_CRYPT && (begins(e->secret, "*") || begins(e->secret, "!")))
        e->kind = PASSWD_LOCKED;
    if (e->secret.n == 0)
        return bad(err, "no password (\"*\" for a user who has none)");
    return memchr(e->secret.p, '\0', e->secret.n) ? bad(err, "a NUL in the password") : 0;
}

static int take_id(struct span field, const char *what, bool *has, uint32_t *id, struct err *err)
{
    uint64_t n;
    if (field.n == 0)
        return 0;
    if (!span_number(field, &n) || n >= UINT32_MAX)
        return err_set(err, ERR_INPUT, "the %s is no number", what);
    *id = (uint32_t)n;
    *has = true;
    return 0;
}

/* userdb_mail=maildir:/path:OPTION=…: the options are another server's. */
static struct span store_of(struct span value)
{
    struct span rest = value;
    struct span scheme = span_cut(&rest, ':');
    if (!rest.p)
        return value;
    struct span path = span_cut(&rest, ':');
    return (struct span){value.p, scheme.n + 1 + path.n};
}

static void take_extra(struct span extra, struct passwd_entry *e)
{
    while (extra.n) {
        struct span value = span_cut(&extra, ' ');
        struct span name = span_cut(&value, '=');
        if (span_is(name, "userdb_mail"))
            e->store = store_of(value);
        else if (span_is(name, "nologin"))
            e->nologin = true;
    }
}

int passwd_file_parse(struct span line, struct passwd_entry *e, struct err *err)
{
    enum { USER, PASSWORD, UID, GID, GECOS, HOME, SHELL, FIELDS };
    struct span fields[FIELDS] = {{NULL, 0}};
    *e = (struct passwd_entry){.kind = PASSWD_CRYPT};
    if (line.n == 0 || line.p[0] == '#')
        return 0;
    struct span rest = line;
    for (unsigned i = 0; i < FIELDS; i++)
        fields[i] = span_cut(&rest, ':');
    if (!fields[PASSWORD].p)
        return bad(err, "no password field (user:password)");
    e->user = fields[USER];
    e->secret = fields[PASSWORD];
    e->home = fields[HOME];
    take_extra(rest, e);
    if (e->user.n == 0)
        return bad(err, "no user's name");
    if (take_password(e, err) || take_id(fields[UID], "uid", &e->has_uid, &e->uid, err) ||
        take_id(fields[GID], "gid", &e->has_gid, &e->gid, err))
        return -1;
    return 1;
}
