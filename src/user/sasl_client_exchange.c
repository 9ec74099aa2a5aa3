/* sasl_client_exchange: see the header. PLAIN, LOGIN and EXTERNAL are written here, so that their only copy of the
 * secret is one that is wiped. Runs in the tool and in the collector; what it reads comes from servers that may be
 * anybody's. */
#include "user/sasl_client_parts.h"

#include <string.h>

#include "base/mem.h"
#include "user/sasl.h"

static sasl_client_step_fn step_external, step_plain, step_login;

static int check_password(struct sasl_client *c, struct err *err)
{
    if (!c->who->password.n || memchr(c->who->password.p, '\0', c->who->password.n))
        return err_set(err, ERR_INPUT, "the password is empty or has a NUL in it");
    return 0;
}

static int check_nothing(struct sasl_client *c, struct err *err)
{
    return 0;
}

static bool has_certificate(const struct sasl_client_who *who)
{
    return who->certificate;
}

static bool has_token(const struct sasl_client_who *who)
{
    return who->token.p;
}

/* May be false before the password is known: then it is asked again. */
static bool scram_in_vain(const struct sasl_client_row *r, const struct sasl_client_who *who)
{
    return r->step == sasl_client_step_scram && who->password.n && !sasl_scram_takes(who->password);
}

static bool has_password(const struct sasl_client_who *who)
{
    return who->password.p;
}

/* clang-format off */
/* The best first. */
static const struct sasl_client_row rows[] = {
    /* name           step                          check                    has             begins shows  asked  nameless */
    {"EXTERNAL",      step_external,                check_nothing,           has_certificate, true,  false, false, true},
    {"OAUTHBEARER",   sasl_client_step_oauthbearer, sasl_client_check_token, has_token,       true,  true,  false, false},
    {"XOAUTH2",       sasl_client_step_xoauth2,     sasl_client_check_token, has_token,       true,  true,  false, false},
    {"SCRAM-SHA-256", sasl_client_step_scram,       sasl_client_check_keyed, has_password,    true,  false, false, false},
    {"SCRAM-SHA-1",   sasl_client_step_scram,       sasl_client_check_keyed, has_password,    true,  false, false, false},
    {"CRAM-MD5",      sasl_client_step_cram,        sasl_client_check_keyed, has_password,    false, false, true,  false},
    {"PLAIN",         step_plain,                   check_password,          has_password,    true,  true,  false, false},
    {"LOGIN",         step_login,                   check_password,          has_password,    false, true,  false, false},
};
/* clang-format on */

enum { ROWS = sizeof rows / sizeof *rows };

/* ---- which */

static bool lists(const char *words, const char *name)
{
    struct span rest = span_of(words ? words : "");
    while (rest.n)
        if (span_is_nocase(span_cut(&rest, ' '), name))
            return true;
    return false;
}

const char *sasl_client_choose(const char *offered, const char *allowed, const char *tried,
                               const struct sasl_client_who *who)
{
    const char *in_vain = NULL; /* it says why */
    bool any = !allowed || !*allowed;
    for (unsigned i = 0; i < ROWS; i++) {
        const struct sasl_client_row *r = &rows[i];
        if (lists(offered, r->name) && (lists(allowed, r->name) || (any && !r->asked)) && !lists(tried, r->name) &&
            r->has(who) && (who->clear || !r->shows)) {
            if (!scram_in_vain(r, who))
                return r->name;
            in_vain = r->name;
        }
    }
    return in_vain;
}

/* ---- an exchange */

static int step(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    *out = (struct span){NULL, 0};
    if (c->over)
        return err_set(err, ERR_AUTH, "the server goes on after the end of %s", c->row->name);
    if (c->row->step(c, in, out, err) < 0) {
        c->over = true;
        c->whole = false;
        return -1;
    }
    c->steps++;
    return 0;
}

/* The first message of those that begin depends on nothing that a server says: made here, so that what is wrong with it
 * is said before the server is told anything. */
int sasl_client_new(struct sasl_client **c, const char *mechanism, const struct sasl_client_who *who, struct err *err)
{
    *c = NULL;
    const struct sasl_client_row *row = NULL;
    for (unsigned i = 0; i < ROWS && !row; i++)
        row = span_is_nocase(span_of(mechanism), rows[i].name) ? &rows[i] : NULL;
    if (!row || !row->has(who) || (row->shows && !who->clear))
        return err_set(err, ERR_INPUT, "SASL mechanism %.40s cannot be used here", mechanism);
    bool nameless = row->nameless && who->user && !*who->user;
    if (!who->user || (!nameless && !sasl_client_sound(span_of(who->user))))
        return err_set(err, ERR_INPUT, "the user's name is empty or has a control character in it");
    struct sasl_client *made = mem_alloc(sizeof *made);
    *made = (struct sasl_client){.row = row, .who = who, .waits = row->begins};
    if (row->check(made, err) < 0 || (row->begins && step(made, (struct span){NULL, 0}, &made->first, err) < 0)) {
        sasl_client_end(made);
        return -1;
    }
    *c = made;
    return 0;
}

bool sasl_client_initial(struct sasl_client *c, struct span *out)
{
    bool there = c->waits;
    *out = there ? c->first : (struct span){NULL, 0};
    c->waits = false;
    return there;
}

int sasl_client_step(struct sasl_client *c, struct span challenge, struct span *out, struct err *err)
{
    if (!c->waits)
        return step(c, (struct span){challenge.p ? challenge.p : "", challenge.n}, out, err);
    sasl_client_initial(c, out); /* the server asks for it by an empty challenge (RFC 4422 §3) */
    if (!challenge.n)
        return 0;
    *out = (struct span){NULL, 0};
    c->over = true;
    c->whole = false;
    return err_set(err, ERR_INPUT, "the server speaks first, where %s is the client's to begin", c->row->name);
}

int sasl_client_finish(const struct sasl_client *c, struct err *err)
{
    if (c->whole && !c->waits)
        return 0;
    return err_set(err, ERR_AUTH,
                   "the server says yes before %s is at its end: it has not shown that it is the one it says it is",
                   c->row->name);
}

static void forget(struct sasl_client *c)
{
    if (c->out)
        mem_wipe(c->out, c->n);
    mem_free(c->out);
    c->out = NULL;
    c->n = 0;
}

void sasl_client_end(struct sasl_client *c)
{
    if (!c)
        return;
    sasl_client_end_keyed(c);
    forget(c);
    mem_free(c);
}

char *sasl_client_room(struct sasl_client *c, size_t n, struct span *out)
{
    forget(c);
    c->out = mem_alloc(n + 1);
    c->n = n;
    *out = (struct span){c->out, n};
    return c->out;
}

bool sasl_client_sound(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return false;
    return text.n;
}

/* ---- RFC 4422 appendix A: who we are says the certificate; the name is who we act for, and empty where that is
 * ourselves. */
static int step_external(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    size_t n = strlen(c->who->user);
    memcpy(sasl_client_room(c, n, out), c->who->user, n);
    c->whole = c->over = true;
    return 0;
}

/* RFC 4616 §2: NUL authcid NUL passwd. */
static int step_plain(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    size_t name = strlen(c->who->user), n = c->who->password.n;
    char *to = sasl_client_room(c, name + n + 2, out);
    memcpy(to + 1, c->who->user, name);
    memcpy(to + name + 2, c->who->password.p, n);
    c->whole = c->over = true;
    return 0;
}

/* draft-murchison-sasl-login-00 §2: name and password in this order, whatever words ask for them. */
static int step_login(struct sasl_client *c, struct span in, struct span *out, struct err *err)
{
    struct span say = c->steps ? c->who->password : span_of(c->who->user);
    memcpy(sasl_client_room(c, say.n, out), say.p, say.n);
    c->whole = c->over = c->steps == 1;
    return 0;
}
