/* conf_kind: the kinds of values that more than one table may have: how each is read, printed and freed. */
#include "base/conf_table.h"

#include <inttypes.h>
#include <string.h>

#include "base/conf_value.h"
#include "base/log.h"
#include "base/mem.h"

static char **text_at(const struct conf_option *o, void *base)
{
    return (char **)((char *)base + o->at);
}

static const void *value_at(const struct conf_option *o, const void *base)
{
    return (const char *)base + o->at;
}

/* ---- text of several kinds */

bool conf_text_set(const struct conf_option *o, void *base, char *text)
{
    char **at = text_at(o, base);
    mem_free(*at);
    *at = text;
    return true;
}

static bool text_copy(const struct conf_option *o, void *base, struct span value)
{
    return conf_text_set(o, base, mem_copy(value.p, value.n));
}

void conf_text_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)i;
    fputs(*(char *const *)value_at(o, base), to);
}

void conf_text_free(const struct conf_option *o, void *base)
{
    conf_text_set(o, base, NULL);
}

/* Any text; what means something by its form has a kind of its own. */
static bool text_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    if (value.n <= CONF_TEXT)
        return text_copy(o, base, value);
    snprintf(why, CONF_WHY, "is longer than %d bytes", CONF_TEXT);
    return false;
}

/* A name that may stand in a greeting, before or after an "@" (RFC 1939 §7: APOP's timestamp is a msg-id). */
static bool host_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    bool ok = value.n > 0 && value.n <= 255 && value.p[0] != '.' && value.p[0] != '-';
    for (size_t i = 0; ok && i < value.n; i++) {
        char a = value.p[i];
        ok = (a >= 'a' && a <= 'z') || (a >= 'A' && a <= 'Z') || (a >= '0' && a <= '9') || a == '.' || a == '-';
    }
    if (!ok)
        return conf_say(why,
                        "is no host name; write one of letters, digits, \"-\" and \".\", for instance pop.example.org");
    return text_copy(o, base, value);
}

/* What is served there is for this machine. */
static bool loopback_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    struct conf_address a;
    (void)line;
    if (!value.n)
        return text_copy(o, base, value);
    const char *wrong = conf_address_read(value, &a);
    if (!wrong && !conf_address_loopback(&a))
        wrong = "is not of this machine's loopback; write for instance 127.0.0.1:9110";
    return wrong ? conf_say(why, wrong) : text_copy(o, base, value);
}

static bool file_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    if (!value.n && o->fallback && !*o->fallback)
        return text_copy(o, base, value);
    const char *wrong;
    char *path = conf_path_read(value, &wrong);
    return path ? conf_text_set(o, base, path) : conf_say(why, wrong);
}

/* A list of words as one text with single blanks between them; each is checked by `ok`, which words its refusal. */
typedef bool word_ok_fn(const struct conf_option *o, struct span word, char why[CONF_WHY]);

static bool list_read(const struct conf_option *o, void *base, struct span value, word_ok_fn *ok, char why[CONF_WHY])
{
    char *list = mem_alloc(value.n + 1);
    size_t n = 0;
    for (struct span word = conf_word(&value); word.n; word = conf_word(&value)) {
        if (!ok(o, word, why)) {
            mem_free(list);
            return false;
        }
        if (n)
            list[n++] = ' ';
        memcpy(list + n, word.p, word.n);
        n += word.n;
    }
    return conf_text_set(o, base, list);
}

static bool network_ok(const struct conf_option *o, struct span word, char why[CONF_WHY])
{
    (void)o;
    struct conf_address network;
    unsigned prefix;
    const char *wrong = conf_network_read(word, &network, &prefix);
    if (wrong)
        snprintf(why, CONF_WHY, "has %s, which %s", log_quote(word), wrong);
    return !wrong;
}

static bool networks_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    return list_read(o, base, value, network_ok, why);
}

/* "yes, no or maybe": what may be written, for a message. */
static void words_join(const char *const *words, FILE *to)
{
    for (unsigned i = 0; words[i]; i++)
        fprintf(to, "%s%s", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

static bool word_refuse(const struct conf_option *o, struct span word, const char *before, char why[CONF_WHY])
{
    memset(why, 0, CONF_WHY);
    FILE *to = fmemopen(why, CONF_WHY, "w");
    if (!to)
        return conf_say(why, "is no word that is known here");
    fputs(before, to);
    const char *near = conf_nearest(word, o->words);
    if (near)
        fprintf(to, "; did you mean \"%s\"", near);
    fputs(near ? "? (" : "; write ", to);
    words_join(o->words, to);
    fputs(near ? ")" : "", to);
    fclose(to);
    return false;
}

static bool listed_word_ok(const struct conf_option *o, struct span word, char why[CONF_WHY])
{
    for (unsigned i = 0; o->words[i]; i++)
        if (span_is(word, o->words[i]))
            return true;
    char before[CONF_WHY / 2];
    snprintf(before, sizeof before, "has the unknown word %s", log_quote(word));
    return word_refuse(o, word, before, why);
}

static bool words_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    return list_read(o, base, value, listed_word_ok, why);
}

static bool store_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    struct span path = value;
    struct span scheme = span_cut(&path, ':');
    if (!path.p || !scheme.n)
        return conf_say(why, "is no SCHEME:PATH; write for instance maildir:/var/mail/bustia/{user}");
    if (!span_is(scheme, "maildir") && !span_is(scheme, "memory"))
        return conf_say(why, "has an unknown scheme; write for instance maildir:/var/mail/bustia/{user}");
    const char *wrong;
    char *whole = conf_path_read(path, &wrong);
    if (!whole) {
        snprintf(why, CONF_WHY, "has a path that %s", wrong);
        return false;
    }
    bool named = strstr(whole, "{user}") != NULL;
    mem_free(whole);
    if (!named)
        return conf_say(why, "has no {user} in it, so that all users would share one maildrop");
    return text_copy(o, base, value);
}

/* "990" or "990:991", user and group; see base/account. */
static bool account_numbers(struct span value)
{
    struct span group = value, user = span_cut(&group, ':');
    uint64_t uid, gid;
    return span_number(user, &uid) && uid > 0 && uid < UINT32_MAX &&
           (!group.p || (span_number(group, &gid) && gid > 0 && gid < UINT32_MAX));
}

static bool user_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    if (value.n && value.p[0] >= '0' && value.p[0] <= '9' && !account_numbers(value))
        return conf_say(why, "is no USER or USER:GROUP in numbers from 1 to 4294967294");
    bool ok = value.n > 0 && value.n <= 32 && value.p[0] != '-';
    for (size_t i = 0; ok && i < value.n; i++) {
        char a = value.p[i];
        ok = (a >= 'a' && a <= 'z') || (a >= 'A' && a <= 'Z') || (a >= '0' && a <= '9') || a == '.' || a == '_' ||
             a == '-' || (a == ':' && value.p[0] <= '9');
    }
    return ok ? text_copy(o, base, value)
              : conf_say(why, "is no account; write the name of one, or the numbers USER or USER:GROUP");
}

/* The name of a user of this server: one word, or nothing. */
static bool name_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    struct span rest = value, word = conf_word(&rest);
    if (word.n != value.n || value.n > 255)
        return conf_say(why, "is no user's name; write one word");
    return text_copy(o, base, value);
}

/* ---- numbers */

static bool number_set(const struct conf_option *o, void *base, uint64_t value, char why[CONF_WHY])
{
    if (value >= o->least && value <= o->most) {
        *(uint64_t *)((char *)base + o->at) = value;
        return true;
    }
    memset(why, 0, CONF_WHY);
    FILE *to = fmemopen(why, CONF_WHY, "w");
    if (!to)
        return conf_say(why, "is outside its limits");
    fputs(value < o->least ? "is too small; it goes from " : "is too large; it goes from ", to);
    o->kind->number(o->least, to);
    fputs(" to ", to);
    o->kind->number(o->most, to);
    fclose(to);
    return false;
}

static uint64_t number_of(const struct conf_option *o, const void *base)
{
    return *(const uint64_t *)value_at(o, base);
}

static void plain_print(uint64_t value, FILE *to)
{
    fprintf(to, "%" PRIu64, value);
}

static bool number_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    uint64_t number;
    if (!span_number(value, &number))
        return conf_say(why, "is no number; write digits only");
    return number_set(o, base, number, why);
}

static void number_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)i;
    plain_print(number_of(o, base), to);
}

static bool time_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    uint64_t ms;
    if (!conf_time_read(value, &ms))
        return conf_say(why, "is no time; write for instance 500ms, 30s, 10m, 2h or 14d");
    return number_set(o, base, ms, why);
}

static void time_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)i;
    conf_time_print(number_of(o, base), to);
}

static bool days_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    uint64_t days;
    if (span_is(value, "never")) {
        *(uint64_t *)((char *)base + o->at) = CONF_NEVER;
        return true;
    }
    if (!conf_days_read(value, &days))
        return conf_say(why, "is no number of days; write for instance 30d, or never");
    return number_set(o, base, days, why);
}

static void days_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)i;
    conf_days_print(number_of(o, base), to);
}

static bool size_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    uint64_t bytes;
    if (!conf_size_read(value, &bytes))
        return conf_say(why, "is no size; write for instance 65536, 64k, 8M or 1G");
    return number_set(o, base, bytes, why);
}

static void size_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)i;
    conf_size_print(number_of(o, base), to);
}

/* ---- words */

static bool yes_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    bool yes = span_is(value, "yes");
    if (!yes && !span_is(value, "no"))
        return conf_say(why, "is neither yes nor no");
    *(bool *)((char *)base + o->at) = yes;
    return true;
}

static void yes_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)i;
    fputs(*(const bool *)value_at(o, base) ? "yes" : "no", to);
}

/* An enum that is set by a word counts from 0 in the order of its words. */

static bool word_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    for (unsigned i = 0; o->words[i]; i++)
        if (span_is(value, o->words[i])) {
            memcpy((char *)base + o->at, &i, sizeof i);
            return true;
        }
    return word_refuse(o, value, "is no word that is known here", why);
}

static void word_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)i;
    unsigned number;
    memcpy(&number, value_at(o, base), sizeof number);
    fputs(o->words[number], to);
}

static void nothing_free(const struct conf_option *o, void *base)
{
    (void)o;
    (void)base;
}

/* clang-format off */
const struct conf_kind
    CONF_KIND_TEXT     = {"TEXT",       text_read,     conf_text_print,   conf_text_free, NULL},
    CONF_KIND_HOST     = {"HOST",       host_read,     conf_text_print,   conf_text_free, NULL},
    CONF_KIND_LOOPBACK = {"ADDRESS:PORT", loopback_read, conf_text_print, conf_text_free, NULL},
    CONF_KIND_FILE     = {"PATH",       file_read,     conf_text_print,   conf_text_free, NULL},
    CONF_KIND_NETWORKS = {"NETWORK ...", networks_read, conf_text_print,   conf_text_free, NULL},
    CONF_KIND_WORDS    = {"WORD ...",    words_read,    conf_text_print,   conf_text_free, NULL},
    CONF_KIND_STORE    = {"SCHEME:PATH", store_read,   conf_text_print,   conf_text_free, NULL},
    CONF_KIND_USER     = {"USER",       user_read,     conf_text_print,   conf_text_free, NULL},
    CONF_KIND_NAME     = {"NAME",       name_read,     conf_text_print,   conf_text_free, NULL},
    CONF_KIND_NUMBER   = {"NUMBER",     number_read,   number_print, nothing_free, NULL, plain_print},
    CONF_KIND_TIME     = {"TIME",       time_read,     time_print,   nothing_free, NULL, conf_time_print},
    CONF_KIND_DAYS     = {"DAYS",       days_read,     days_print,   nothing_free, NULL, conf_days_print},
    CONF_KIND_SIZE     = {"SIZE",       size_read,     size_print,   nothing_free, NULL, conf_size_print},
    CONF_KIND_YES      = {"yes|no",     yes_read,      yes_print,    nothing_free, NULL},
    CONF_KIND_WORD     = {"WORD",       word_read,     word_print,   nothing_free, NULL};
/* clang-format on */
