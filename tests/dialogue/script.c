/* script: reads a dialogue file. See the header. */
#include "script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *file;
static unsigned line_number;

__attribute__((noreturn, format(printf, 1, 2))) static void wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%u: ", file, line_number);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    exit(2);
}

static enum err_kind kind_of(struct span word)
{
    for (unsigned k = 0; k < ERR_KINDS; k++)
        if (span_is(word, err_row(k)->name))
            return (enum err_kind)k;
    wrong("unknown kind \"%.*s\"", (int)word.n, word.p);
}

static char *text_of(struct span s)
{
    return mem_copy(s.p, s.n);
}

/* ---- escapes */

static void add_repeated(struct buf *to, struct span what)
{
    uint64_t times;
    if (!span_number(span_cut(&what, ' '), &times) || times > 100000)
        wrong("\\{TIMES text} expected");
    while (times--)
        buf_add_span(to, what);
}

/* One escape at the head of s (after the backslash); cuts it off. false: \c */
static bool add_escape(struct buf *to, struct span *s)
{
    static const char from[] = "rn0t\\", bytes[] = "\r\n\0\t\\";
    const char *found = s->n ? memchr(from, s->p[0], sizeof from - 1) : NULL;
    if (found) {
        buf_add(to, bytes + (found - from), 1);
        *s = span_from(*s, 1);
    } else if (s->n > 2 && s->p[0] == 'x') {
        char digits[3] = {s->p[1], s->p[2], 0}, byte = (char)strtol(digits, NULL, 16);
        buf_add(to, &byte, 1);
        *s = span_from(*s, 3);
    } else if (s->n && s->p[0] == '{') {
        *s = span_from(*s, 1);
        add_repeated(to, span_cut(s, '}'));
    } else if (s->n == 1 && s->p[0] == 'c') {
        return false;
    } else {
        wrong("unknown escape");
    }
    return true;
}

static void add_line(struct buf *to, struct span s, const char *end)
{
    while (s.n) {
        const char *back = memchr(s.p, '\\', s.n);
        buf_add(to, s.p, back ? (size_t)(back - s.p) : s.n);
        s = span_from(s, back ? (size_t)(back - s.p) + 1 : s.n);
        if (back && !add_escape(to, &s))
            return;
    }
    buf_add_text(to, end);
}

/* ---- the head */

static void *grown(void *list, unsigned count, size_t size)
{
    list = mem_resize(list, (count + 1) * size);
    memset((char *)list + count * size, 0, size);
    return list;
}

struct script_user *script_user(const struct script *s, struct span name)
{
    for (unsigned i = 0; i < s->user_count; i++)
        if (span_is(name, s->users[i].name))
            return &s->users[i];
    return NULL;
}

static struct script_user *some_user(struct script *s, struct span name)
{
    struct script_user *u = script_user(s, name);
    if (u)
        return u;
    s->users = grown(s->users, s->user_count, sizeof *s->users);
    u = &s->users[s->user_count++];
    u->name = text_of(name);
    return u;
}

static void on_user(struct script *s, struct span rest)
{
    struct span name = span_cut(&rest, ' ');
    some_user(s, name)->password = text_of(rest);
}

static void on_apop(struct script *s, struct span rest)
{
    struct span name = span_cut(&rest, ' ');
    some_user(s, name)->secret = text_of(rest);
}

static void on_fault(struct script *s, struct span rest)
{
    struct span name = span_cut(&rest, ' ');
    some_user(s, name)->fault = kind_of(rest);
}

static void on_stamp(struct script *s, struct span rest)
{
    s->stamp = text_of(rest);
}

static void on_sasl(struct script *s, struct span rest)
{
    s->sasl = text_of(rest);
}

static void on_sasl_clear(struct script *s, struct span rest)
{
    s->sasl_clear = text_of(rest);
}

static void on_expire(struct script *s, struct span rest)
{
    s->expire = text_of(rest);
}

static void on_expire_own(struct script *s, struct span rest)
{
    s->expire_own = text_of(rest);
}

static void on_sasl_tls(struct script *s, struct span rest)
{
    s->sasl_tls = text_of(rest);
}

static void on_tls(struct script *s, struct span rest)
{
    s->tls = true;
}

static void on_tls_active(struct script *s, struct span rest)
{
    s->tls_active = true;
}

static void on_no_clear(struct script *s, struct span rest)
{
    s->no_clear = true;
}

static void on_commit(struct script *s, struct span rest)
{
    uint64_t left;
    s->commit = kind_of(span_cut(&rest, ' '));
    if (!span_number(rest, &left))
        wrong("commit KIND LEFT expected");
    s->commit_left = (size_t)left;
}

static void on_message(struct script *s, struct span rest)
{
    s->messages = grown(s->messages, s->message_count, sizeof *s->messages);
    struct script_message *m = &s->messages[s->message_count++];
    m->uid = text_of(span_cut(&rest, ' '));
    m->fault = rest.n ? kind_of(rest) : ERR_NONE;
    buf_init(&m->text, 1 << 20, NULL);
}

const char *script_fact(const struct script *s, const char *word)
{
    for (unsigned i = 0; i < s->fact_count; i++)
        if (strcmp(s->facts[i].word, word) == 0)
            return s->facts[i].rest;
    return NULL;
}

static void add_fact(struct script *s, struct span word, struct span rest)
{
    s->facts = grown(s->facts, s->fact_count, sizeof *s->facts);
    s->facts[s->fact_count++] = (struct script_fact){text_of(word), text_of(rest)};
}

static const char *const facts[] = {"lmtp",   "xclient",  "size", "recipients", "unknown", "received", "header",
                                    "answer", "tls-busy", "rows", "octets",     "window",  "whole",    "utf8",
                                    "login-delay", "login-delay-own"};

static const struct {
    const char *word;
    void (*act)(struct script *s, struct span rest);
} words[] = {
    {"user", on_user},         {"apop", on_apop},
    {"fault", on_fault},       {"stamp", on_stamp},
    {"sasl", on_sasl},         {"sasl-clear", on_sasl_clear},
    {"expire", on_expire},     {"expire-own", on_expire_own},
    {"sasl-tls", on_sasl_tls},
    {"tls", on_tls},           {"tls-active", on_tls_active},
    {"no-clear", on_no_clear}, {"commit", on_commit},
    {"message", on_message},
};

static void read_head(struct script *s, struct span line)
{
    struct span rest = line, word = span_cut(&rest, ' ');
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_is(word, words[i].word)) {
            words[i].act(s, rest);
            return;
        }
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (span_is(word, facts[i])) {
            add_fact(s, word, rest);
            return;
        }
    wrong("unknown word \"%.*s\"", (int)word.n, word.p);
}

/* ---- what is said */

static void add_item(struct script *s, enum script_what what, struct span text, const char *end)
{
    struct buf b;
    buf_init(&b, 1 << 20, NULL);
    s->items = grown(s->items, s->item_count, sizeof *s->items);
    struct script_item *i = &s->items[s->item_count++];
    i->what = what;
    i->line = line_number;
    if (what == SCRIPT_ABORT)
        i->kind = kind_of(span_cut(&text, ' '));
    add_line(&b, text, end);
    i->n = b.len;
    i->bytes = mem_copy(buf_span(&b).p, b.len);
    buf_fini(&b);
}

static bool starts(struct span line, const char *with)
{
    size_t n = strlen(with);
    return line.n >= n && memcmp(line.p, with, n) == 0;
}

static void read_line(struct script *s, struct span line)
{
    static const struct {
        const char *mark;
        enum script_what what;
        const char *end;
    } marks[] = {{"C: ", SCRIPT_CLIENT, "\r\n"}, {"S: ", SCRIPT_SERVER, "\r\n"}, {"M: ", SCRIPT_MESSAGE, "\r\n"},
                 {"E: ", SCRIPT_EVENT, ""},      {"O: ", SCRIPT_OWNER, ""},      {"A: ", SCRIPT_ABORT, ""},
                 {"--", SCRIPT_WAIT, ""}};
    if (line.n == 0 || line.p[0] == '#')
        return;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (starts(line, marks[i].mark)) {
            add_item(s, marks[i].what, span_from(line, strlen(marks[i].mark)), marks[i].end);
            return;
        }
    if (line.p[0] != '|')
        read_head(s, line);
    else if (s->message_count == 0)
        wrong("a line of no message");
    else
        add_line(&s->messages[s->message_count - 1].text, span_from(line, 1), "\n");
}

void script_read(struct script *s, const char *path)
{
    *s = (struct script){0};
    file = path;
    FILE *f = fopen(path, "r");
    if (!f)
        wrong("cannot be opened");
    char *text = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&text, &room, f)) > 0) {
        line_number++;
        if (text[n - 1] == '\n')
            n--;
        read_line(s, (struct span){text, (size_t)n});
    }
    free(text);
    fclose(f);
}

void script_free(struct script *s)
{
    for (unsigned i = 0; i < s->user_count; i++) {
        mem_free(s->users[i].name);
        mem_free(s->users[i].password);
        mem_free(s->users[i].secret);
    }
    for (unsigned i = 0; i < s->message_count; i++) {
        mem_free(s->messages[i].uid);
        buf_fini(&s->messages[i].text);
    }
    for (unsigned i = 0; i < s->item_count; i++)
        mem_free(s->items[i].bytes);
    for (unsigned i = 0; i < s->fact_count; i++) {
        mem_free(s->facts[i].word);
        mem_free(s->facts[i].rest);
    }
    mem_free(s->facts);
    mem_free(s->users);
    mem_free(s->messages);
    mem_free(s->items);
    mem_free(s->stamp);
    mem_free(s->sasl);
    mem_free(s->sasl_clear);
    mem_free(s->expire);
    mem_free(s->expire_own);
    mem_free(s->sasl_tls);
}
