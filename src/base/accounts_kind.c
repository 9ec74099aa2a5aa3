/* accounts_kind: the kinds of values that only accounts have. */
#include "base/accounts_impl.h"

#include <string.h>

#include "base/conf_value.h"
#include "base/mem.h"

/* A value as text that ends with NUL; the reader has refused those with control characters in them. */
static bool checked(const struct conf_option *o, void *base, struct span value, const char *(*wrong)(const char *text),
                    char why[CONF_WHY])
{
    char *text = mem_copy(value.p, value.n);
    const char *is_wrong = value.n ? wrong(text) : NULL;
    if (!is_wrong)
        return conf_text_set(o, base, text);
    mem_free(text);
    return conf_say(why, is_wrong);
}

static const char *name_wrong(const char *text)
{
    size_t n = strlen(text);
    bool ok = n <= ACCOUNT_NAME_MAX && *text != '.' && *text != '-';
    for (size_t i = 0; ok && i < n; i++) {
        char c = text[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._-@+", c);
    }
    return ok ? NULL
              : "is no name of an account; it has at most 64 letters, digits and \".\", \"_\", \"-\", \"@\", \"+\", "
                "and "
                "begins with none of \".\" and \"-\"";
}

static bool name_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    return checked(o, base, value, name_wrong, why);
}

static const char *server_wrong(const char *text)
{
    char *host = NULL;
    unsigned port;
    bool ok = account_address(text, ACCOUNT_PORT_POP3S, &host, &port);
    mem_free(host);
    if (ok)
        return NULL;
    if (*text == '"' || *text == '\'')
        return account_quoted;
    return strstr(text, "://")
               ? "has a scheme before the host; write the host alone, for instance pop.example.org"
               : "is no HOST or HOST:PORT; write for instance pop.example.org, pop.example.org:1995 or [::1]:995";
}

static bool server_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    return checked(o, base, value, server_wrong, why);
}

static bool path_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    char *text = mem_copy(value.p, value.n);
    const char *wrong = NULL;
    char *path = value.n ? account_path(text, &wrong) : mem_copy_text("");
    mem_free(text);
    return path ? conf_text_set(o, base, path) : conf_say(why, wrong);
}

static const char *fingerprint_wrong(const char *text)
{
    unsigned digits = 0;
    bool ok = true;
    for (; ok && *text; text++) {
        bool digit = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'f') || (*text >= 'A' && *text <= 'F');
        ok = digit || (*text == ':' && digits && digits % 2 == 0 && text[-1] != ':' && text[1]);
        digits += digit;
    }
    return ok && digits == 64 ? NULL
                              : "is no SHA-256 fingerprint, which has 64 hexadecimal digits; `bustia fetch --test` and "
                                "`openssl x509 -noout -fingerprint -sha256` print it";
}

/* The whole line that openssl prints may stand there: "sha256 Fingerprint=AA:BB:…". */
static bool fingerprint_read(const struct conf_option *o, void *base, struct span value, unsigned line,
                             char why[CONF_WHY])
{
    static const char before[] = "sha256 Fingerprint=";
    enum { N = sizeof before - 1 };
    (void)line;
    bool printed = value.n > N && span_is_nocase((struct span){value.p, N}, before);
    return checked(o, base, printed ? span_from(value, N) : value, fingerprint_wrong, why);
}

/* Of an envelope: it goes between "<" and ">". */
static const char *address_wrong(const char *text)
{
    return strlen(text) <= 254 && !strpbrk(text, " \t<>") ? NULL : "is no address; write for instance anna@example.org";
}

static bool address_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    return checked(o, base, value, address_wrong, why);
}

/* ---- delete = never | now | TIME, kept in `remove` and `remove_after`
 *
 * Other collectors count days where no unit stands, other options of ours seconds: here nobody's guess deletes mail. */

enum { YEARS = 3650 }; /* days: a time that is longer is a mistake */

static bool delete_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)o;
    (void)line;
    struct account *a = base;
    uint64_t ms = 0;
    bool never = span_is(value, "never"), now = span_is(value, "now");
    uint64_t bare;
    if (span_number(value, &bare)) {
        int n = value.n < 20 ? (int)value.n : 20;
        if (bare == 0)
            return conf_say(why, "has no unit; write now, or never");
        snprintf(why, CONF_WHY, "has no unit; write %.*sd, or %.*ss if seconds are meant", n, value.p, n, value.p);
        return false;
    }
    if (!never && !now && !conf_time_read(value, &ms))
        return conf_say(why, "is neither never nor now nor a time; write for instance 14d");
    if (ms > YEARS * 86400000ull)
        return conf_say(why, "is too long; write at most 3650d, or never");
    a->remove = !never;
    a->remove_after = ms;
    return true;
}

static void delete_print(const struct conf_option *o, const void *base, unsigned i, FILE *to)
{
    (void)o;
    (void)i;
    const struct account *a = base;
    if (a->remove && a->remove_after)
        conf_time_print(a->remove_after, to);
    else
        fputs(a->remove ? "now" : "never", to);
}

static void delete_free(const struct conf_option *o, void *base)
{
    (void)o;
    (void)base;
}

/* ---- deliver */

/* "maildri:" was meant to be another word. */
static bool deliver_refuse(const char *text, const char *wrong, enum account_way way, char why[CONF_WHY])
{
    const char *names[ACCOUNT_WAYS + 1] = {NULL};
    for (unsigned i = 0; i < ACCOUNT_WAYS; i++)
        names[i] = account_way_name(i);
    const char *near = way < ACCOUNT_WAYS || wrong == account_quoted
                           ? NULL
                           : conf_nearest((struct span){text, strcspn(text, ":")}, names);
    if (near)
        snprintf(why, CONF_WHY, "%s; did you mean \"%s:\"?", wrong, near);
    return near ? false : conf_say(why, wrong);
}

static bool deliver_read(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY])
{
    (void)line;
    enum account_way way;
    const char *rest, *wrong = NULL;
    char *text = mem_copy(value.p, value.n);
    if (value.n && (wrong = account_deliver(text, &way, &rest)) != NULL) {
        deliver_refuse(text, wrong, way, why);
        mem_free(text);
        return false;
    }
    if (value.n && (way == ACCOUNT_MAILDIR || (way == ACCOUNT_LMTP && *rest == '/'))) {
        char *path = account_path(rest, &wrong), *whole = mem_alloc(strlen(path) + sizeof "maildir:");
        sprintf(whole, "%s:%s", account_way_name(way), path);
        mem_free(path);
        mem_free(text);
        text = whole;
    }
    return conf_text_set(o, base, text);
}

/* clang-format off */
const struct conf_kind
    ACCOUNT_KIND_NAME        = {"NAME",           name_read,        conf_text_print, conf_text_free, NULL},
    ACCOUNT_KIND_SERVER      = {"HOST[:PORT]",    server_read,      conf_text_print, conf_text_free, NULL},
    ACCOUNT_KIND_PATH        = {"PATH",           path_read,        conf_text_print, conf_text_free, NULL},
    ACCOUNT_KIND_FINGERPRINT = {"FINGERPRINT",    fingerprint_read, conf_text_print, conf_text_free, NULL},
    ACCOUNT_KIND_ADDRESS     = {"ADDRESS",        address_read,     conf_text_print, conf_text_free, NULL},
    ACCOUNT_KIND_DELETE      = {"never|now|TIME", delete_read,      delete_print,    delete_free,    NULL},
    ACCOUNT_KIND_DELIVER     = {"maildir:PATH|mailbox:USER|lmtp:HOST:PORT|lmtp:/SOCKET|smtp:HOST[:PORT]|command:WORDS",
                                deliver_read, conf_text_print, conf_text_free, NULL};
/* clang-format on */
