/* peer_help: see the header. */
#include "peer_help.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"
#include "net_help.h"
#include "user/sasl.h"
#include "user/secret.h"
#include "wire/base64.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

enum { LINE = 256 * 1024, HEARD = 1024 * 1024, PATIENCE_S = 60 };

struct peer {
    const char *script;
    char *line, *heard, *in;
    SSL *ssl;
    size_t heard_n, in_n;
    pthread_t thread;
    int listener, fd;
    unsigned port;
    char wrong[300]; /* what was not as awaited */
};

static char cert_file[64], key_file[64], *last_heard;

static void make_files(void)
{
    int cert, key;
    if (*cert_file)
        return;
    make_pair(0, 86400, &cert, &key); /* they stay open */
    snprintf(cert_file, sizeof cert_file, "/proc/%d/fd/%d", (int)getpid(), cert);
    snprintf(key_file, sizeof key_file, "/proc/%d/fd/%d", (int)getpid(), key);
}

const char *peer_cert(void)
{
    make_files();
    return cert_file;
}

const char *peer_key(void)
{
    make_files();
    return key_file;
}

/* ---- bytes */

static bool put(struct peer *p, const char *text, size_t n)
{
    while (n) {
        ssize_t did = p->ssl ? SSL_write(p->ssl, text, (int)n) : send(p->fd, text, n, MSG_NOSIGNAL);
        if (did <= 0)
            return false;
        text += did;
        n -= (size_t)did;
    }
    return true;
}

static bool get(struct peer *p)
{
    size_t room = LINE - p->in_n;
    ssize_t n = p->ssl ? SSL_read(p->ssl, p->in + p->in_n, (int)room) : recv(p->fd, p->in + p->in_n, room, 0);
    if (n > 0)
        p->in_n += (size_t)n;
    return n > 0;
}

/* The next line, without its end, into p->line. false: the client has gone. */
static bool get_line(struct peer *p)
{
    char *end;
    while (!(end = memchr(p->in, '\n', p->in_n)))
        if (p->in_n == LINE || !get(p))
            return false;
    size_t n = (size_t)(end - p->in) + 1;
    memcpy(p->line, p->in, n);
    MUST(p->heard_n + n < HEARD);
    memcpy(p->heard + p->heard_n, p->in, n);
    p->heard_n += n;
    memmove(p->in, p->in + n, p->in_n - n);
    p->in_n -= n;
    p->line[n >= 2 && p->line[n - 2] == '\r' ? n - 2 : n - 1] = '\0';
    return true;
}

static void hang_up(struct peer *p, bool order)
{
    if (p->ssl && order)
        SSL_shutdown(p->ssl);
    SSL_free(p->ssl);
    p->ssl = NULL;
    shutdown(p->fd, SHUT_RDWR);
}

/* ---- TLS */

static void shake_hands(struct peer *p)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    MUST(ctx && SSL_CTX_use_certificate_file(ctx, cert_file, SSL_FILETYPE_PEM) == 1);
    MUST(SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) == 1);
    p->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    MUST(p->ssl && SSL_set_fd(p->ssl, p->fd));
    if (SSL_accept(p->ssl) != 1) {
        SSL_free(p->ssl);
        p->ssl = NULL;
        shutdown(p->fd, SHUT_RDWR);
    }
}

/* ---- SASL */

static int find(void *arg, struct span name, struct user *u, struct err *err)
{
    char *const *keys = arg;
    if (!span_is(name, "anna"))
        return err_set(err, ERR_GONE, "nobody");
    *u = (struct user){
        .name = mem_copy_text("anna"), .scram1 = mem_copy_text(keys[0]), .scram256 = mem_copy_text(keys[1])};
    return 0;
}

static bool challenge(struct peer *p, const char *word, struct span text)
{
    char *coded = mem_alloc(base64_length(text.n) + 1);
    size_t n = base64_encode(text, coded);
    bool sent = put(p, word, strlen(word)) && put(p, coded, n) && put(p, "\r\n", 2) && get_line(p);
    mem_free(coded);
    return sent;
}

/* A step with the base64 in `text` (NULL: nothing was said yet). */
static enum sasl_result step(struct peer *p, struct sasl_session *x, char *text, struct span *out, struct err *err)
{
    struct span in = {NULL, 0};
    if (text) {
        struct span coded = strcmp(text, "=") == 0 ? span_of("") : span_of(text);
        in.p = text;
        if (!base64_decode(coded, text, &in.n))
            return SASL_FAILED;
    }
    return sasl_step(x, in, out, err);
}

/* What a server says with a challenge, a yes and a no. */
struct words {
    const char *more, *yes, *no;
};

static const struct words pop3_words = {"+ ", "+OK welcome\r\n", "-ERR [AUTH] no\r\n"};
static const struct words smtp_words = {"334 ", "235 2.7.0 welcome\r\n", "535 5.7.8 no\r\n"};

static void authenticate(struct peer *p, const struct words *w, const char *mechanism)
{
    struct err err;
    struct sasl *s;
    struct span out;
    char *keys[2] = {sasl_scram_keys(SASL_SHA1, "secret", &err), sasl_scram_keys(SASL_SHA256, "secret", &err)};
    MUST(keys[0] && keys[1] && sasl_new(&s, mechanism, &err) == 0);
    struct sasl_session *x = sasl_begin(s, span_of(mechanism), find, keys, &err);
    char *initial = get_line(p) && strncmp(p->line, "AUTH ", 5) == 0 ? strchr(p->line + 5, ' ') : NULL;
    enum sasl_result r = step(p, x, initial ? initial + 1 : NULL, &out, &err);
    while (r == SASL_CHALLENGE && challenge(p, w->more, out))
        r = step(p, x, p->line, &out, &err);
    bool yes = r == SASL_DONE ||
               (r == SASL_PASSWORD && strcmp(sasl_user(x), "anna") == 0 && strcmp(sasl_password(x), "secret") == 0);
    const char *answer = yes ? w->yes : w->no;
    put(p, answer, strlen(answer));
    sasl_end(x);
    sasl_free(s);
    user_wipe(keys[0]);
    user_wipe(keys[1]);
}

/* ---- the script */

static void say(struct peer *p, struct span text, const char *end)
{
    put(p, text.p, text.n);
    put(p, end, strlen(end));
}

static void await(struct peer *p, struct span text)
{
    bool any = text.n && text.p[text.n - 1] == '*';
    size_t n = any ? text.n - 1 : text.n;
    if (*p->wrong)
        return;
    if (!get_line(p))
        snprintf(p->wrong, sizeof p->wrong, "no line, where \"%.*s\" is awaited", (int)text.n, text.p);
    else if ((n && strncmp(p->line, text.p, n) != 0) || (!any && p->line[n]))
        snprintf(p->wrong, sizeof p->wrong, "\"%.100s\", not \"%.*s\"", p->line, (int)text.n, text.p);
}

/* In one piece, so that a client sees all of it at once. */
static void say_at_once(struct peer *p, struct span text)
{
    char *all = mem_alloc(text.n * 2 + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '|')
            all[n++] = '\r';
        all[n++] = text.p[i] == '|' || text.p[i] == '~' ? '\n' : text.p[i];
    }
    put(p, all, n);
    mem_free(all);
}

static void repeat(struct peer *p, struct span text)
{
    uint64_t n = 0;
    span_number(span_cut(&text, ' '), &n);
    for (; n; n--)
        say(p, text, "\r\n");
}

static void drip(struct peer *p, struct span text)
{
    uint64_t ms = 0;
    span_number(span_cut(&text, ' '), &ms);
    for (size_t i = 0; put(p, text.p + i % text.n, 1); i++)
        usleep((useconds_t)ms * 1000);
}

static void welcome(struct peer *p)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(p->listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    p->fd = accept(p->listener, NULL, NULL);
    MUST(p->fd >= 0);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

static void play(struct peer *p, struct span line)
{
    struct span rest = span_from(line, 2);
    switch (line.n ? line.p[0] : 0) {
    case 'S':
        say(p, rest, "\r\n");
        break;
    case 'W':
        say_at_once(p, rest);
        break;
    case 'C':
        await(p, rest);
        break;
    case 'T':
        shake_hands(p);
        break;
    case 'A':
    case 'a': {
        char *mechanism = mem_copy(rest.p, rest.n);
        authenticate(p, line.p[0] == 'A' ? &pop3_words : &smtp_words, mechanism);
        mem_free(mechanism);
        break;
    }
    case 'N':
        repeat(p, rest);
        break;
    case 'D':
        drip(p, rest);
        break;
    case 'P': {
        uint64_t ms = 0;
        span_number(rest, &ms);
        usleep((useconds_t)ms * 1000);
        break;
    }
    case 'E':
    case 'R':
        hang_up(p, line.p[0] == 'E');
        break;
    case 'O':
        hang_up(p, true);
        close(p->fd);
        p->in_n = 0;
        welcome(p);
        break;
    default:
        MUST(line.n == 0);
    }
}

static void *run(void *arg)
{
    struct peer *p = arg;
    sigset_t none;
    sigemptyset(&none);
    sigaddset(&none, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &none, NULL); /* the client's own is left as it is */
    welcome(p);
    struct span rest = span_of(p->script);
    while (rest.n)
        play(p, span_cut(&rest, '\n'));
    while (get_line(p))
        ;
    hang_up(p, true);
    return NULL;
}

struct peer *peer_start(const char *script)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    make_files();
    struct peer *p = mem_alloc(sizeof *p);
    *p = (struct peer){.script = script, .line = mem_alloc(LINE), .heard = mem_alloc(HEARD), .in = mem_alloc(LINE)};
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(p->listener >= 0 && bind(p->listener, (struct sockaddr *)&a, n) == 0 && listen(p->listener, 1) == 0);
    MUST(getsockname(p->listener, (struct sockaddr *)&a, &n) == 0);
    p->port = ntohs(a.sin_port);
    MUST(pthread_create(&p->thread, NULL, run, p) == 0);
    return p;
}

unsigned peer_port(const struct peer *p)
{
    return p->port;
}

const char *peer_end(struct peer *p)
{
    MUST(pthread_join(p->thread, NULL) == 0);
    close(p->fd);
    close(p->listener);
    bool wrong = *p->wrong;
    if (wrong)
        fprintf(stderr, "the client said %s; all that it said:\n%s\n", p->wrong, p->heard);
    mem_free(last_heard);
    last_heard = p->heard;
    mem_free(p->line);
    mem_free(p->in);
    mem_free(p);
    return wrong ? NULL : last_heard;
}
