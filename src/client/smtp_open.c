/* smtp_open: a session's beginning and its end, and what moves it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/smtp_impl.h"

enum {
    SILENCES_OPENING = 4, /* greeting, EHLO, TLS, log-in */
    SILENCES_LEAVING = 1,
    LEAVING_MS = 5000 /* the answer to QUIT says nothing that we need */
};

/* ---- what moves it */

int smtp_end(struct smtp_session *s, struct err *err, enum err_kind kind, const char *text)
{
    char words[ERR_TEXT];
    snprintf(words, sizeof words, "%s", text);
    s->over = true;
    return err_set(err, kind, "%.100s: %s", s->to->link.host, words);
}

void smtp_end_after(struct smtp_session *s, unsigned silences)
{
    struct link *l = s->link;
    unsigned long long most = (unsigned long long)l->to.silence_ms * silences, until = clock_ms() + most;
    bool nearer = most && (!s->ends_at || until < s->ends_at);
    l->to.whole_ms = nearer ? most : s->to->link.whole_ms;
    l->ends_at = nearer ? until : s->ends_at;
}

/* What came before the end is looked at, and then why it ended is said. */
int smtp_next(struct smtp_session *s, enum smtp_client_want *want, struct err *err)
{
    struct link *l = s->link;
    for (;;) {
        bool over = l->over;
        *want = smtp_client_feed(&s->machine, &l->in, &l->out);
        if (*want == SMTP_CLIENT_WANT_CLOSE && s->machine.err.kind != ERR_NONE)
            return smtp_end(s, err, s->machine.err.kind, s->machine.err.text);
        if (*want != SMTP_CLIENT_WANT_INPUT && *want != SMTP_CLIENT_WANT_ROOM)
            return 0;
        struct err why = {.kind = ERR_NONE};
        if (link_move(l, &why) < 0 && (over || !l->over)) {
            s->over = true;
            return err_set(err, why.kind, "%s", why.text);
        }
    }
}

/* ---- our name (RFC 5321 §4.1.3, 4.1.4): the machine's if it is a whole one, else our address, which is never wrong.
 */

static bool whole_name(const char *name)
{
    size_t n = strlen(name);
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") == n && strchr(name, '.') &&
           *name != '.' && *name != '-' && name[n - 1] != '.' && name[n - 1] != '-' && !strstr(name, "..");
}

static void our_address(int fd, char *out, size_t room)
{
    struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
    socklen_t n = sizeof a;
    char text[INET6_ADDRSTRLEN] = "";
    snprintf(out, room, "localhost");
    if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        return;
    if (a.ss_family == AF_INET && inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, text, sizeof text))
        snprintf(out, room, "[%s]", text);
    if (a.ss_family == AF_INET6 && inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a)->sin6_addr, text, sizeof text))
        snprintf(out, room, "[IPv6:%s]", text);
}

static void our_name(int fd, char *out, size_t room)
{
    if (gethostname(out, room - 1) < 0)
        *out = '\0';
    out[room - 1] = '\0';
    if (!whole_name(out))
        our_address(fd, out, room);
}

/* ---- the beginning */

static int secure(struct smtp_session *s, struct err *err)
{
    if (link_start_tls(s->link, &s->to->rules, err) < 0) {
        s->over = true;
        return -1;
    }
    return 0;
}

static int greet(struct smtp_session *s, struct err *err)
{
    enum smtp_client_want want;
    for (;;) {
        if (smtp_next(s, &want, err) < 0)
            return -1;
        if (want == SMTP_CLIENT_WANT_MAIL)
            return s->to->user ? smtp_log_in(s, err) : 0;
        if (want != SMTP_CLIENT_WANT_TLS)
            return smtp_end(s, err, ERR_INPUT, "the server answers out of turn");
        if (secure(s, err) < 0)
            return -1;
        smtp_client_secured(&s->machine);
    }
}

static int begin(struct smtp_session *s, struct err *err)
{
    static const enum smtp_client_tls ways[] = {[ACCOUNT_TLS] = SMTP_CLIENT_SECURE,
                                                [ACCOUNT_STARTTLS] = SMTP_CLIENT_STARTTLS,
                                                [ACCOUNT_CLEAR] = SMTP_CLIENT_CLEAR};
    char name[200];
    if (link_open(&s->link, &s->to->link, err) < 0)
        return -1;
    s->ends_at = s->link->ends_at;
    smtp_end_after(s, SILENCES_OPENING);
    our_name(s->link->fd, name, sizeof name);
    smtp_client_init(&s->machine, s->to->lmtp, name);
    smtp_client_tls(&s->machine, ways[s->to->tls]);
    if (s->to->tls == ACCOUNT_TLS && secure(s, err) < 0)
        return -1;
    return greet(s, err);
}

int smtp_open(struct smtp_session **made, const struct smtp_to *to, struct err *err)
{
    struct smtp_session *s = mem_alloc(sizeof *s);
    *s = (struct smtp_session){.to = to};
    *made = NULL;
    if (begin(s, err) < 0) {
        smtp_close(s);
        return -1;
    }
    smtp_end_after(s, 0);
    *made = s;
    return 0;
}

/* ---- the end */

static void leave(struct smtp_session *s)
{
    enum smtp_client_want want;
    struct err err;
    if (!s->link->to.silence_ms || s->link->to.silence_ms > LEAVING_MS)
        s->link->to.silence_ms = LEAVING_MS;
    smtp_end_after(s, SILENCES_LEAVING);
    smtp_client_quit(&s->machine);
    (void)smtp_next(s, &want, &err);
}

void smtp_close(struct smtp_session *s)
{
    if (!s)
        return;
    if (s->link && !s->over && !s->link->over)
        leave(s);
    smtp_client_fini(&s->machine);
    link_close(s->link);
    mem_wipe(s->piece, sizeof s->piece);
    mem_free(s);
}
