/* netrc: see the header. */
#include "client/netrc.h"

#include <string.h>

struct reader {
    struct span rest;
    struct buf word; /* the last */
    unsigned line;   /* on which it stands */
};

/* What has been read of an entry, and whether it is the one that is looked for. */
struct entry {
    struct buf password;
    bool open;    /* there is one */
    bool general; /* default */
    bool fits, has_password;
};

struct search {
    struct reader in;
    struct entry entry;
    struct buf other; /* the first default's password */
    const char *host, *user;
    unsigned port;
    bool has_other;
};

/* ---- words */

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char step(struct reader *r)
{
    char c = *r->rest.p;
    r->rest = span_from(r->rest, 1);
    r->line += c == '\n';
    return c;
}

static void pass_blanks(struct reader *r)
{
    while (r->rest.n && blank(*r->rest.p))
        (void)step(r);
}

static void pass_line(struct reader *r)
{
    while (r->rest.n && step(r) != '\n')
        ;
}

static int too_long(const struct reader *r, struct err *err)
{
    return err_set(err, ERR_CONFIG, "line %u: a word has more than %d octets", r->line, NETRC_WORD_MAX);
}

static char unescaped(char c)
{
    return c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
}

static int quoted(struct reader *r, struct err *err)
{
    (void)step(r);
    while (r->rest.n && *r->rest.p != '\n') {
        char c = step(r);
        if (c == '"')
            return !r->rest.n || blank(*r->rest.p)
                       ? 1
                       : err_set(err, ERR_CONFIG, "line %u: a closing quote with no blank after it", r->line);
        if (c == '\\' && r->rest.n && *r->rest.p != '\n')
            c = unescaped(step(r));
        if (!buf_add(&r->word, &c, 1))
            return too_long(r, err);
    }
    return err_set(err, ERR_CONFIG, "line %u: a quote that does not end on its line", r->line);
}

/* 1: r->word; 0: the end. */
static int next_word(struct reader *r, struct err *err)
{
    buf_take(&r->word, r->word.len);
    pass_blanks(r);
    if (!r->rest.n)
        return 0;
    if (*r->rest.p == '"')
        return quoted(r, err);
    size_t n = 0;
    while (n < r->rest.n && !blank(r->rest.p[n]))
        n++;
    if (!buf_add(&r->word, r->rest.p, n))
        return too_long(r, err);
    r->rest = span_from(r->rest, n);
    return 1;
}

/* ---- what stands behind a keyword */

static int begin(struct search *s, bool general, bool fits)
{
    buf_wipe(&s->entry.password);
    s->entry.open = true;
    s->entry.general = general;
    s->entry.fits = fits;
    s->entry.has_password = false;
    return 0;
}

static int on_machine(struct search *s, struct span word)
{
    return begin(s, false, span_is_nocase(word, s->host));
}

static int on_login(struct search *s, struct span word)
{
    s->entry.fits = s->entry.fits && span_is(word, s->user);
    return 0;
}

static int on_password(struct search *s, struct span word)
{
    if (!s->entry.has_password)
        (void)buf_add_span(&s->entry.password, word); /* as large as a word may be */
    s->entry.has_password = true;
    return 0;
}

static int on_account(struct search *s, struct span word)
{
    return 0;
}

static int on_port(struct search *s, struct span word)
{
    uint64_t number;
    s->entry.fits = s->entry.fits && span_number(word, &number) && number == s->port;
    return 0;
}

/* Up to an empty line. */
static int on_macdef(struct search *s, struct span word)
{
    struct reader *r = &s->in;
    pass_line(r);
    while (r->rest.n) {
        bool empty = *r->rest.p == '\n' || (*r->rest.p == '\r' && r->rest.n > 1 && r->rest.p[1] == '\n');
        pass_line(r);
        if (empty)
            break;
    }
    return 0;
}

static const struct {
    const char *word;
    int (*take)(struct search *s, struct span word);
    bool begins, inside; /* ends the entry before it; may only stand in one */
} keywords[] = {
    {"machine", on_machine, true, false}, {"login", on_login, false, true}, {"password", on_password, false, true},
    {"account", on_account, false, true}, {"port", on_port, false, true},   {"macdef", on_macdef, false, false},
};

/* ---- the search */

/* The entry is read to its end. true: it is the one. */
static bool settle(struct search *s)
{
    struct entry *e = &s->entry;
    if (!e->open || !e->fits || !e->has_password)
        return false;
    if (!e->general)
        return true;
    if (!s->has_other)
        (void)buf_add_span(&s->other, buf_span(&e->password));
    s->has_other = true;
    return false;
}

/* 1: the entry is found; 0: go on. */
static int on_keyword(struct search *s, struct err *err)
{
    struct span word = buf_span(&s->in.word);
    unsigned line = s->in.line;
    if (span_is(word, "default"))
        return settle(s) ? 1 : begin(s, true, true);
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (!span_is(word, keywords[i].word))
            continue;
        if (keywords[i].inside && !s->entry.open)
            return err_set(err, ERR_CONFIG, "line %u: %s before the first machine", line, keywords[i].word);
        if (keywords[i].begins && settle(s))
            return 1;
        int got = next_word(&s->in, err);
        if (got == 0)
            return err_set(err, ERR_CONFIG, "line %u: nothing stands after %s", line, keywords[i].word);
        return got < 0 ? -1 : keywords[i].take(s, buf_span(&s->in.word));
    }
    return err_set(err, ERR_CONFIG,
                   "line %u: a word that is none of machine, default, login, password, account, port and macdef (what "
                   "has blanks in it stands in double quotes)",
                   line);
}

/* 1: found. */
static int search(struct search *s, struct err *err)
{
    for (;;) {
        pass_blanks(&s->in);
        if (s->in.rest.n && *s->in.rest.p == '#') {
            pass_line(&s->in);
            continue;
        }
        int got = next_word(&s->in, err);
        if (got == 0)
            return settle(s);
        if (got > 0)
            got = on_keyword(s, err);
        if (got != 0)
            return got;
    }
}

static void secret_buf(struct buf *b)
{
    buf_init(b, NETRC_WORD_MAX, NULL);
    b->secret = true;
}

int netrc_find(struct span text, const char *host, unsigned port, const char *user, struct buf *password,
               struct err *err)
{
    struct search s = {.in = {.rest = text, .line = 1}, .host = host, .user = user, .port = port};
    secret_buf(&s.in.word);
    secret_buf(&s.entry.password);
    secret_buf(&s.other);
    int rc = search(&s, err);
    if (rc > 0)
        rc = buf_add_span(password, buf_span(&s.entry.password)) ? 0 : -1;
    else if (rc == 0 && s.has_other)
        rc = buf_add_span(password, buf_span(&s.other)) ? 0 : -1;
    else if (rc == 0)
        rc = err_set(err, ERR_GONE, "there is no entry with a password for this server and user");
    buf_fini(&s.in.word);
    buf_fini(&s.entry.password);
    buf_fini(&s.other);
    return rc;
}
