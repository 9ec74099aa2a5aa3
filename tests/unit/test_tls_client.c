/* net/tls_client: against a server of the tests' own, over socket pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls_client.h"
#include "tls_peer.h"

/* Whom the tests are about: an authority, and servers of its. */
struct world {
    struct identity root, middle, server, stranger;
};

struct both {
    struct peer peer;
    struct tls_client *client;
    struct err err;
    int fd;
};

static void begin(struct both *b, const char *name, const struct tls_client_rules *rules)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    b->fd = fds[0];
    b->err = (struct err){0};
    fcntl(b->fd, F_SETFL, O_NONBLOCK);
    if (tls_client_new(&b->client, b->fd, name, rules, &b->err) < 0)
        fail_msg("%s", b->err.text);
    peer_start_on(&b->peer, fds[1]);
}

static void wait_for(struct both *b, enum tls_result r)
{
    struct pollfd p = {b->fd, r == TLS_WANT_READ ? POLLIN : POLLOUT, 0};
    if (poll(&p, 1, 60000) != 1)
        fail_msg("the peer stands still");
}

static enum tls_result shake(struct both *b)
{
    for (;;) {
        enum tls_result r = tls_client_handshake(b->client, &b->err);
        if (r != TLS_WANT_READ && r != TLS_WANT_WRITE)
            return r;
        wait_for(b, r);
    }
}

static enum tls_result read_some(struct both *b, void *p, size_t n, size_t *got)
{
    for (;;) {
        enum tls_result r = tls_client_read(b->client, p, n, got, &b->err);
        if (r != TLS_WANT_READ && r != TLS_WANT_WRITE)
            return r;
        assert_false(tls_client_pending(b->client));
        wait_for(b, r);
    }
}

static void agree(struct both *b)
{
    if (shake(b) != TLS_OK)
        fail_msg("no handshake: %s", b->err.text);
}

static void end(struct both *b)
{
    tls_client_free(b->client);
    close(b->fd);
    peer_join(&b->peer);
}

static void echo_line(struct peer *p)
{
    if (peer_tls(p) && peer_hear_text(p, "hello\r\n"))
        peer_say_text(p, "HELLO\r\n");
}

static void only_tls(struct peer *p)
{
    (void)peer_tls(p);
}

static void talk(struct both *b)
{
    char in[64];
    size_t n;
    assert_int_equal(tls_client_write(b->client, "hello\r\n", 7, &n, &b->err), TLS_OK);
    assert_int_equal(n, 7);
    assert_int_equal(read_some(b, in, sizeof in, &n), TLS_OK);
    assert_int_equal(n, 7);
    assert_memory_equal(in, "HELLO\r\n", 7);
    assert_int_equal(read_some(b, in, sizeof in, &n), TLS_CLOSED);
    assert_int_equal(n, 0);
}

/* ---- who is believed */

static void believed(void **state)
{
    static const struct {
        int version;
        const char *word, *name, *sni;
    } rows[] = {
        {TLS1_2_VERSION, "TLSv1.2", "pop.example.org", "pop.example.org"},
        {TLS1_3_VERSION, "TLSv1.3", "pop.example.org", "pop.example.org"},
        {0, "TLSv1.3", "POP.example.org.", "POP.example.org"},
        {0, "TLSv1.3", "b.wild.example.org", "b.wild.example.org"},
        {0, "TLSv1.3", "127.0.0.1", ""},
        {0, "TLSv1.3", "::1", ""},
    };
    struct world *w = *state;
    struct tls_client_rules rules = {.ca = w->root.cert_file, .alpn = "pop3"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct both b = {.peer = {.script = echo_line, .who = &w->server, .version = rows[i].version}};
        char print[65] = "?";
        begin(&b, rows[i].name, &rules);
        tls_client_fingerprint(b.client, print);
        assert_string_equal(print, "");
        agree(&b);
        assert_string_equal(tls_client_version(b.client), rows[i].word);
        tls_client_fingerprint(b.client, print);
        assert_string_equal(print, w->server.fingerprint);
        talk(&b);
        end(&b);
        assert_false(b.peer.failed);
        assert_string_equal(b.peer.name, rows[i].sni);
        assert_string_equal(b.peer.protocol, "pop3");
    }
}

/* Whatever is not believed is refused within the handshake: the server never sees its end. */
static void hears_nothing(struct peer *p)
{
    char c;
    p->failed = peer_tls(p) && peer_hear(p, &c, 1) > 0;
}

static void refuse(struct identity *server, const char *name, const struct tls_client_rules *rules, const char *why)
{
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct both b = {.peer = {.script = hears_nothing, .who = server, .version = versions[i]}};
        char c = 'x';
        size_t n;
        begin(&b, name, rules);
        assert_int_equal(shake(&b), TLS_FAILED);
        assert_int_equal(b.err.kind, ERR_AUTH);
        if (!strstr(b.err.text, why))
            fail_msg("\"%s\" is not in: %s", why, b.err.text);
        for (const char *p = b.err.text; *p; p++)
            assert_true((unsigned char)*p >= ' ' && *p != '\177');
        assert_int_equal(tls_client_write(b.client, &c, 1, &n, &b.err), TLS_FAILED);
        assert_int_equal(n, 0);
        end(&b);
        assert_false(b.peer.failed);
    }
}

static void not_believed(void **state)
{
    struct world *w = *state;
    static const struct {
        struct identity_as as;
        const char *name, *why;
        bool stranger;
    } rows[] = {
        {{.names = "DNS:mail.example.net,DNS:a.example.net"},
         "pop.example.org",
         "the certificate is for mail.example.net, a.example.net, not pop.example.org",
         false},
        {{.names = "DNS:pop.example.org"}, "127.0.0.1", "is for pop.example.org, not 127.0.0.1", false},
        {{.names = "IP:192.0.2.7,IP:2001:db8::7"}, "pop.example.org", "is for 192.0.2.7, 2001:db8::7, not pop", false},
        {{.names = "DNS:*.example.org"}, "a.b.example.org", "is for *.example.org, not a.b", false},
        {{.names = "DNS:p*.example.org"}, "pop.example.org", "is for p*.example.org, not pop", false},
        {{.name = "old.example.net"}, "pop.example.org", "is for old.example.net, not pop", false},
        {{.name = "pop.example.org", .names = "DNS:mail.example.net"},
         "pop.example.org",
         "is for mail.example.net, not pop",
         false},
        {{.names = NULL}, "pop.example.org", "is for no name at all, not pop", false},
        {{.raw = "e\033[2J\"\xff"}, "pop.example.org", "is for e\\x1b[2J\\x22\\xff, not pop", false},
        {{.names = "DNS:pop.example.org", .until_s = -86400},
         "pop.example.org",
         "the certificate expired on 20",
         false},
        {{.names = "DNS:pop.example.org", .from_s = 3600},
         "pop.example.org",
         "the certificate is not valid before 20",
         false},
        {{.names = "DNS:pop.example.org"},
         "pop.example.org",
         "was issued by \"CN=A \\x1b[31mstranger\", whom nobody here knows",
         true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct identity server;
        struct identity_as as = rows[i].as;
        struct tls_client_rules rules = {.ca = w->root.cert_file};
        as.issuer = rows[i].stranger ? &w->stranger : &w->root;
        identity_make(&server, as);
        refuse(&server, rows[i].name, &rules, rows[i].why);
        identity_free(&server);
    }
}

static void many_names(void **state)
{
    struct world *w = *state;
    struct identity server;
    struct tls_client_rules rules = {.ca = w->root.cert_file};
    char names[4096] = "DNS:n0.example.net";
    for (int i = 1; i < 100; i++)
        sprintf(names + strlen(names), ",DNS:n%d.example.net", i);
    identity_make(&server, (struct identity_as){.issuer = &w->root, .names = names});
    refuse(&server, "pop.example.org", &rules, "n5.example.net and 94 more, not pop.example.org");
    identity_free(&server);
    memset(names, 'a', sizeof names);
    names[sizeof names - 1] = '\0';
    identity_make(&server, (struct identity_as){.issuer = &w->root, .raw = names});
    refuse(&server, "pop.example.org", &rules, "aaaa, not pop.example.org");
    identity_free(&server);
}

static void by_itself(void **state)
{
    struct world *w = *state;
    struct identity own;
    struct tls_client_rules rules = {.ca = w->root.cert_file};
    identity_make(&own, (struct identity_as){.name = "pop.example.org", .names = "DNS:pop.example.org"});
    refuse(&own, "pop.example.org", &rules, "issued by nobody but itself");
    refuse(&own, "pop.example.org", &rules, own.fingerprint);
    rules.ca = own.cert_file; /* who names it means it */
    struct both b = {.peer = {.script = echo_line, .who = &own}};
    begin(&b, "pop.example.org", &rules);
    agree(&b);
    talk(&b);
    end(&b);
    refuse(&own, "mail.example.org", &rules, "is for pop.example.org, not mail");
    identity_free(&own);
}

/* An issuer whose own issuer is not shown: enough if he is the one that is named. */
static void a_middle(void **state)
{
    struct world *w = *state;
    struct identity server;
    identity_make(&server, (struct identity_as){.issuer = &w->middle, .names = "DNS:pop.example.org"});
    struct tls_client_rules rules = {.ca = w->root.cert_file};
    refuse(&server, "pop.example.org", &rules,
           "issued by \"CN=middle\", whom nobody here knows, and the server does not show");
    rules.ca = w->middle.cert_file;
    struct both b = {.peer = {.script = echo_line, .who = &server}};
    begin(&b, "pop.example.org", &rules);
    agree(&b);
    talk(&b);
    end(&b);
    identity_free(&server);
}

/* The system's issuers: in a folder by their names, or in one file. */
static void of_the_system(void **state)
{
    struct world *w = *state;
    struct tls_client_rules rules = {0};
    char folder[] = "/tmp/bustia-test-XXXXXX", link[80];
    assert_non_null(mkdtemp(folder));
    setenv("SSL_CERT_DIR", folder, 1);
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    refuse(&w->server, "pop.example.org", &rules, "whom nobody here knows");
    setenv("SSL_CERT_FILE", w->root.cert_file, 1);
    for (int round = 0; round < 2; round++) {
        struct both b = {.peer = {.script = echo_line, .who = &w->server}};
        begin(&b, "pop.example.org", &rules);
        agree(&b);
        talk(&b);
        end(&b);
        setenv("SSL_CERT_FILE", "/dev/null", 1);
        snprintf(link, sizeof link, "%s/%08lx.0", folder,
                 X509_NAME_hash_ex(X509_get_subject_name(w->root.cert), NULL, NULL, NULL));
        assert_int_equal(round || symlink(w->root.cert_file, link) == 0, 1);
    }
    refuse(&w->server, "mail.example.org", &rules, "not mail.example.org");
    unlink(link);
    rmdir(folder);
    unsetenv("SSL_CERT_DIR");
    unsetenv("SSL_CERT_FILE");
}

/* ---- the pinned one */

static void pinned(void **state)
{
    struct world *w = *state;
    struct identity old, other;
    char colons[96] = "";
    identity_make(&old, (struct identity_as){.name = "of another", .until_s = -86400});
    identity_make(&other, (struct identity_as){.name = "of another"});
    for (size_t i = 0; i < 64; i++)
        sprintf(colons + strlen(colons), "%s%c", i && i % 2 == 0 ? ":" : "",
                old.fingerprint[i] - (old.fingerprint[i] > '9' ? 32 : 0));
    const char *forms[] = {old.fingerprint, colons};
    for (size_t i = 0; i < 2; i++) {
        struct tls_client_rules rules = {.fingerprint = forms[i], .ca = "/nowhere"};
        struct both b = {.peer = {.script = echo_line, .who = &old}};
        begin(&b, "pop.example.org", &rules);
        agree(&b);
        talk(&b);
        end(&b);
        char why[200];
        snprintf(why, sizeof why, "the certificate is not the pinned one; its fingerprint is %s", other.fingerprint);
        refuse(&other, "pop.example.org", &rules, why);
        snprintf(why, sizeof why, "its fingerprint is %s", w->server.fingerprint);
        refuse(&w->server, "pop.example.org", &rules, why); /* however well known it is */
    }
    identity_free(&old);
    identity_free(&other);
}

static void wrong_rules(void **state)
{
    struct world *w = *state;
    static const char sixty_four[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char longer[80], split[80];
    snprintf(longer, sizeof longer, "%s0", sixty_four);
    snprintf(split, sizeof split, "0:%s", sixty_four + 1);
    const struct {
        struct tls_client_rules rules;
        const char *name, *why;
    } rows[] = {
        {{.fingerprint = "abc"}, "a", "is no SHA-256"},
        {{.fingerprint = sixty_four + 1}, "a", "is no SHA-256"},
        {{.fingerprint = longer}, "a", "is no SHA-256"},
        {{.fingerprint = split}, "a", "is no SHA-256"},
        {{.fingerprint = "gg"}, "a", "is no SHA-256"},
        {{.ca = "/nowhere/ca.pem"}, "a", "the file of issuers \"/nowhere/ca.pem\" cannot be read: No such file"},
        {{.ca = "/dev/null"}, "a", "the file of issuers \"/dev/null\""},
        {{.ca = w->root.key_file}, "a", "cannot be used: no certificate or crl found"},
        {{.cert = "/nowhere"}, "a", "our certificate \"/nowhere\" cannot be read"},
        {{.cert = w->server.cert_file, .key = "/nowhere"}, "a", "our key \"/nowhere\" cannot be read"},
        {{.cert = w->server.cert_file, .key = w->root.key_file}, "a", "our key"},
        {{.cert = w->server.cert_file}, "a", "holds nothing of that kind"},
        {{.ca = w->root.cert_file}, "", "no certificate can be for such a name"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_client *c = (struct tls_client *)1;
        struct err err = {0};
        assert_int_equal(tls_client_new(&c, 0, rows[i].name, &rows[i].rules, &err), -1);
        assert_null(c);
        assert_int_equal(err.kind, ERR_CONFIG);
        if (!strstr(err.text, rows[i].why))
            fail_msg("\"%s\" is not in: %s", rows[i].why, err.text);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

/* ---- our own certificate */

static void ours(void **state)
{
    struct world *w = *state;
    struct identity anna;
    identity_make(&anna, (struct identity_as){.issuer = &w->root, .name = "anna"});
    struct tls_client_rules rules = {.ca = w->root.cert_file, .cert = anna.cert_file, .key = anna.key_file};
    struct both b = {.peer = {.script = echo_line, .who = &w->server, .client_ca = &w->root}};
    begin(&b, "pop.example.org", &rules);
    agree(&b);
    talk(&b);
    end(&b);
    assert_string_equal(b.peer.client, "anna");
    identity_free(&anna);
    rules.cert = rules.key = ""; /* TLS 1.3: what the server thinks of it comes after the handshake */
    b = (struct both){.peer = {.script = only_tls, .who = &w->server, .client_ca = &w->root}};
    char c;
    size_t n;
    begin(&b, "pop.example.org", &rules);
    agree(&b);
    assert_int_equal(read_some(&b, &c, 1, &n), TLS_FAILED);
    assert_int_equal(b.err.kind, ERR_AUTH);
    assert_non_null(strstr(b.err.text, "the server does not take our certificate"));
    end(&b);
}

/* ---- no TLS, and its end */

static void in_the_clear(struct peer *p)
{
    peer_say_text(p, "+OK POP3 at your service\r\n");
    peer_until_gone(p);
}

static void ends_at_once(struct peer *p)
{
    char room[16];
    (void)peer_hear(p, room, sizeof room);
}

static void no_tls(void **state)
{
    struct world *w = *state;
    const struct {
        void (*script)(struct peer *p);
        int version;
        enum err_kind kind;
        const char *why;
    } rows[] = {
        {in_the_clear, 0, ERR_INPUT, "is no TLS"},
        {only_tls, TLS1_1_VERSION, ERR_INPUT, "no TLS 1.2 or above"},
        {ends_at_once, 0, ERR_TEMP, ""},
    };
    struct tls_client_rules rules = {.ca = w->root.cert_file};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct both b = {.peer = {.script = rows[i].script, .who = &w->server, .version = rows[i].version}};
        begin(&b, "pop.example.org", &rules);
        assert_int_equal(shake(&b), TLS_FAILED);
        assert_int_equal(b.err.kind, rows[i].kind);
        if (!strstr(b.err.text, rows[i].why))
            fail_msg("\"%s\" is not in: %s", rows[i].why, b.err.text);
        end(&b);
    }
}

/* Says a line, then ends without close_notify, or in the middle of a record, or with octets of somebody else. */
static void cut(struct peer *p)
{
    static const char half[] = "\x17\x03\x03\x01\x00half", foreign[] = "\x17\x03\x03\x00\x18not from the server at all";
    const char *what = p->arg;
    if (!peer_tls(p))
        return;
    peer_say_text(p, "+OK\r\n");
    if (*what == 'h')
        (void)send(p->fd, half, sizeof half - 1, MSG_NOSIGNAL);
    if (*what == 'f')
        (void)send(p->fd, foreign, 5 + 0x18, MSG_NOSIGNAL);
    peer_end(p, *what == 'n');
}

static void ends(void **state)
{
    struct world *w = *state;
    struct tls_client_rules rules = {.ca = w->root.cert_file};
    static const struct {
        char *what;
        const char *why; /* NULL: in good order */
    } rows[] = {
        {"notify", NULL},
        {"cut", "without TLS's own end"},
        {"half a record", "without TLS's own end"},
        {"foreign", "tls: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows * 2; i++) {
        struct both b = {.peer = {.script = cut,
                                  .who = &w->server,
                                  .arg = rows[i / 2].what,
                                  .version = i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION}};
        const char *why = rows[i / 2].why;
        char in[16];
        size_t n;
        begin(&b, "pop.example.org", &rules);
        agree(&b);
        assert_int_equal(read_some(&b, in, sizeof in, &n), TLS_OK);
        assert_int_equal(n, 5);
        for (int again = 0; again < 2; again++) {
            b.err = (struct err){0};
            assert_int_equal(read_some(&b, in, sizeof in, &n), why ? TLS_FAILED : TLS_CLOSED);
            assert_int_equal(n, 0);
            assert_int_equal(b.err.kind, why ? ERR_TEMP : ERR_NONE);
            if (why && !again && !strstr(b.err.text, why))
                fail_msg("\"%s\" is not in: %s", why, b.err.text);
        }
        tls_client_bye(b.client);
        end(&b);
    }
}

/* A server that is gone raises no signal: SIGPIPE is left as it is by the system. */
static void no_signal(void **state)
{
    struct world *w = *state;
    struct tls_client_rules rules = {.ca = w->root.cert_file};
    struct both b = {.peer = {.script = cut, .who = &w->server, .arg = "cut"}};
    char in[16];
    size_t n;
    begin(&b, "pop.example.org", &rules);
    agree(&b);
    assert_int_equal(read_some(&b, in, sizeof in, &n), TLS_OK);
    peer_join(&b.peer);
    assert_int_equal(tls_client_write(b.client, "QUIT\r\n", 6, &n, &b.err), TLS_FAILED);
    assert_int_equal(b.err.kind, ERR_TEMP);
    assert_non_null(strstr(b.err.text, "Broken pipe"));
    tls_client_bye(b.client);
    tls_client_free(b.client);
    close(b.fd);
}

/* ---- a lot of it */

enum { MUCH = 3 << 20 };

static char octet(size_t i)
{
    return (char)(i * 2654435761u >> 11);
}

/* Sends while nobody reads, and the other way round; new keys now and then (RFC 8446 §4.6.3). */
static void much(struct peer *p)
{
    static char piece[50000], in[50000];
    if (!peer_tls(p))
        return;
    for (size_t done = 0; done < MUCH; done += sizeof piece) {
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = octet(done + i);
        if (p->version == TLS1_3_VERSION)
            SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED);
        peer_say(p, piece, sizeof piece < MUCH - done ? sizeof piece : MUCH - done);
    }
    for (size_t n, done = 0; done < MUCH; done += n) {
        n = peer_hear(p, in, sizeof in);
        for (size_t i = 0; i < n; i++)
            p->failed |= in[i] != octet(done + i);
        if (!n || p->failed)
            break;
    }
}

static void large(void **state)
{
    struct world *w = *state;
    struct tls_client_rules rules = {.ca = w->root.cert_file};
    static char in[65536], out[MUCH];
    for (size_t i = 0; i < MUCH; i++)
        out[i] = octet(i);
    for (int i = 0; i < 2; i++) {
        struct both b = {.peer = {.script = much, .who = &w->server, .version = i ? TLS1_3_VERSION : TLS1_2_VERSION}};
        size_t came = 0, went = 0, n;
        begin(&b, "pop.example.org", &rules);
        agree(&b);
        while (came < MUCH || went < MUCH) {
            enum tls_result r = went < MUCH ? tls_client_write(b.client, out + went, MUCH - went, &n, &b.err) : TLS_OK;
            went += went < MUCH && r == TLS_OK ? n : 0;
            assert_int_not_equal(r, TLS_FAILED);
            enum tls_result got = came < MUCH ? tls_client_read(b.client, in, sizeof in, &n, &b.err) : TLS_WANT_WRITE;
            for (size_t k = 0; got == TLS_OK && k < n; k++)
                assert_int_equal(in[k], octet(came + k));
            came += got == TLS_OK ? n : 0;
            if (got == TLS_FAILED || got == TLS_CLOSED)
                fail_msg("%zu of %zu came, %zu went: %s", came, (size_t)MUCH, went, b.err.text);
            struct pollfd p = {b.fd, (short)((came < MUCH ? POLLIN : 0) | (went < MUCH ? POLLOUT : 0)), 0};
            if (!tls_client_pending(b.client) && p.events && poll(&p, 1, 60000) != 1)
                fail_msg("both stand still");
        }
        assert_int_equal(read_some(&b, in, 1, &n), TLS_CLOSED);
        end(&b);
        assert_false(b.peer.failed);
    }
}

/* ---- */

static int make_world(void **state)
{
    static struct world w;
    identity_make(&w.root, (struct identity_as){.name = "root", .authority = true});
    identity_make(&w.middle, (struct identity_as){.issuer = &w.root, .name = "middle", .authority = true});
    identity_make(&w.stranger, (struct identity_as){.name = "A \033[31mstranger", .authority = true});
    identity_make(&w.server,
                  (struct identity_as){.issuer = &w.root,
                                       .names = "DNS:pop.example.org,DNS:*.wild.example.org,IP:127.0.0.1,IP:::1"});
    *state = &w;
    return 0;
}

static int free_world(void **state)
{
    struct world *w = *state;
    identity_free(&w->root);
    identity_free(&w->middle);
    identity_free(&w->stranger);
    identity_free(&w->server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believed),  cmocka_unit_test(not_believed), cmocka_unit_test(many_names),
        cmocka_unit_test(by_itself), cmocka_unit_test(a_middle),     cmocka_unit_test(of_the_system),
        cmocka_unit_test(pinned),    cmocka_unit_test(wrong_rules),  cmocka_unit_test(ours),
        cmocka_unit_test(no_tls),    cmocka_unit_test(ends),         cmocka_unit_test(no_signal),
        cmocka_unit_test(large),
    };
    return cmocka_run_group_tests(tests, make_world, free_world);
}
