/* net/tls: contexts and streams, both ends in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/tls.h"
#include "net/tls_impl.h"
#include "net_help.h"

struct both {
    int fds[2];
    struct tls_stream *server;
    SSL *client;
    struct err err;
};

static void open_both(struct both *b, struct tls_context *c, int min, int max, const char *alpn, int bytes)
{
    if (bytes)
        tcp_pair(b->fds, bytes);
    else
        unix_pair(b->fds);
    for (int i = 0; i < 2; i++)
        fcntl(b->fds[i], F_SETFL, O_NONBLOCK);
    b->server = tls_accept_new(c, b->fds[0]);
    b->client = client_new(b->fds[1], min, max, alpn);
    b->err = (struct err){0};
}

static void close_both(struct both *b)
{
    tls_stream_free(b->server);
    client_free(b->client);
    close(b->fds[0]);
    close(b->fds[1]);
}

/* How it came out for the server; *client: SSL_get_error or 0. */
static enum tls_result shake(struct both *b, int *client)
{
    enum tls_result r = TLS_WANT_READ;
    *client = SSL_ERROR_WANT_READ;
    for (unsigned i = 0; i < 10000; i++) {
        ERR_clear_error();
        if (*client == SSL_ERROR_WANT_READ || *client == SSL_ERROR_WANT_WRITE) {
            int n = SSL_do_handshake(b->client);
            *client = n == 1 ? 0 : SSL_get_error(b->client, n);
        }
        if (r == TLS_WANT_READ)
            r = tls_handshake(b->server, &b->err);
        if (r != TLS_WANT_READ && *client != SSL_ERROR_WANT_READ)
            return r;
    }
    return r;
}

static void agree(struct both *b)
{
    int client;
    if (shake(b, &client) != TLS_OK || client != 0)
        fail_msg("no handshake: %s", b->err.text);
}

/* ---- contexts */

static void loads_certificates(void **state)
{
    struct tls_context *c;
    struct err err;
    int cert, key;
    make_pair(2048, 3600, &cert, &key);
    lseek(cert, 7, SEEK_SET); /* read from the start in any case */
    assert_int_equal(tls_context_new(&c, cert, key, "pop3", &err), 0);
    assert_in_range(tls_context_expires(c), 3500, 3600);
    tls_context_free(c);
    assert_int_equal(tls_context_new(&c, cert, key, NULL, &err), 0); /* and again */
    tls_context_free(c);
    close(cert);
    close(key);
    make_pair(0, -60, &cert, &key);
    assert_int_equal(tls_context_new(&c, cert, key, "pop3", &err), 0);
    assert_in_range(-tls_context_expires(c), 60, 160);
    tls_context_free(c);
    close(cert);
    close(key);
    tls_context_free(NULL);
}

static void refuse(int cert, int key, const char *why)
{
    struct tls_context *c = (struct tls_context *)1;
    struct err err = {0};
    assert_int_equal(tls_context_new(&c, cert, key, "pop3", &err), -1);
    assert_null(c);
    assert_int_equal(err.kind, ERR_CONFIG);
    if (!strstr(err.text, why))
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    assert_int_equal(ERR_peek_error(), 0);
}

static int encrypted_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *p;
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL), 1);
    long n = BIO_get_mem_data(bio, &p);
    int fd = memory_file(p, (size_t)n);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return fd;
}

static int cut(int fd, size_t n)
{
    char text[16384];
    ssize_t got = pread(fd, text, sizeof text, 0);
    assert_true(got > (ssize_t)n);
    return memory_file(text, n);
}

static void words_what_is_wrong_with_certificates(void **state)
{
    int cert, key, other_cert, other_key, weak_cert, weak_key, fds[2];
    make_pair(0, 3600, &cert, &key);
    make_pair(0, 3600, &other_cert, &other_key);
    make_pair(512, 3600, &weak_cert, &weak_key);
    int empty = memory_file("", 0), text = memory_file("hello\n", 6), encrypted = encrypted_key();
    int half_cert = cut(cert, 200), half_key = cut(key, 100);
    assert_int_equal(pipe(fds), 0);
    refuse(cert, other_key, "the key does not fit");
    refuse(other_cert, key, "the key does not fit");
    refuse(empty, key, "the certificate file is empty");
    refuse(cert, empty, "the key file is empty");
    refuse(text, key, "no certificate in PEM form");
    refuse(key, key, "no certificate in PEM form");
    refuse(cert, text, "no private key in PEM form");
    refuse(cert, cert, "no private key in PEM form");
    refuse(cert, encrypted, "encrypted");
    refuse(half_cert, key, "certificate");
    refuse(cert, half_key, "key");
    refuse(weak_cert, weak_key, "key too small");
    refuse(-1, key, "cannot be read");
    refuse(cert, fds[0], "cannot be read");
    int all[] = {cert, key, other_cert, other_key, weak_cert, weak_key, fds[0], fds[1], empty, text, encrypted, half_cert, half_key};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        close(all[i]);
}

/* ---- handshakes */

static void agrees_on_versions(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    int client;
    open_both(&b, c, 0, TLS1_2_VERSION, NULL, 0);
    agree(&b);
    assert_string_equal(tls_version(b.server), "TLSv1.2");
    close_both(&b);
    open_both(&b, c, TLS1_3_VERSION, 0, NULL, 0);
    agree(&b);
    assert_string_equal(tls_version(b.server), "TLSv1.3");
    assert_memory_equal(tls_cipher(b.server), "TLS_", 4);
    close_both(&b);
    static const int old[] = {TLS1_VERSION, TLS1_1_VERSION};
    for (size_t i = 0; i < 2; i++) {
        open_both(&b, c, old[i], old[i], NULL, 0);
        assert_int_equal(shake(&b, &client), TLS_FAILED);
        assert_int_equal(client, SSL_ERROR_SSL); /* by an alert */
        assert_string_equal(b.err.text, "tls: unsupported protocol");
        assert_int_equal(b.err.kind, ERR_INPUT);
        close_both(&b);
    }
    tls_context_free(c);
}

/* The cheapest of those that are strong enough; ChaCha20 with who wants it most, as he has no instructions for AES; and all that there are. */
static void agrees_on_the_suite(void **state)
{
    static const struct {
        const char *client, *agreed;
    } rows[] = {
        {"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"},
        {"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"},
        {"TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
        {"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
    };
    struct tls_context *c = make_context();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct both b;
        open_both(&b, c, TLS1_3_VERSION, 0, NULL, 0);
        assert_int_equal(SSL_set_ciphersuites(b.client, rows[i].client), 1);
        agree(&b);
        assert_string_equal(tls_cipher(b.server), rows[i].agreed);
        close_both(&b);
    }
    tls_context_free(c);
}

static void agrees_on_the_protocol_above(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    int client;
    const unsigned char *chosen;
    unsigned n;
    static const char *const good[] = {"\4pop3", "\2h2\4pop3\4imap"};
    static const char *const bad[] = {"\4imap", "\2h2\10http/1.1", "\5pop3s"};
    for (size_t i = 0; i < 2; i++) {
        open_both(&b, c, 0, 0, good[i], 0);
        agree(&b);
        SSL_get0_alpn_selected(b.client, &chosen, &n);
        assert_int_equal(n, 4);
        assert_memory_equal(chosen, "pop3", 4);
        close_both(&b);
    }
    for (size_t i = 0; i < 3; i++) {
        open_both(&b, c, 0, 0, bad[i], 0);
        assert_int_equal(shake(&b, &client), TLS_FAILED);
        assert_int_equal(client, SSL_ERROR_SSL);
        ERR_clear_error();
        assert_string_equal(b.err.text, "tls: no application protocol");
        close_both(&b);
    }
    open_both(&b, c, 0, 0, NULL, 0);
    agree(&b);
    close_both(&b);
    tls_context_free(c);
}

static void words_what_the_peer_says(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    int client;
    open_both(&b, c, 0, TLS1_2_VERSION, NULL, 0); /* in 1.2 the alert comes within the handshake */
    SSL_set_verify(b.client, SSL_VERIFY_PEER, NULL);
    assert_int_equal(shake(&b, &client), TLS_FAILED);
    assert_string_equal(b.err.text, "tls: the peer says: unknown CA");
    close_both(&b);
    tls_context_free(c);
}

static enum tls_result answer_to(struct tls_context *c, const void *p, size_t n, char *reply, ssize_t *replied, struct err *err)
{
    int fds[2];
    unix_pair(fds);
    struct tls_stream *s = tls_accept_new(c, fds[0]);
    enum tls_result r = TLS_WANT_READ;
    for (size_t done = 0; done < n && r == TLS_WANT_READ; done++) { /* byte by byte */
        assert_int_equal(send(fds[1], (const char *)p + done, 1, 0), 1);
        r = tls_handshake(s, err);
    }
    *replied = recv(fds[1], reply, 100, MSG_DONTWAIT);
    tls_stream_free(s);
    close(fds[0]);
    close(fds[1]);
    return r;
}

static void refuses_what_is_no_handshake(void **state)
{
    struct tls_context *c = make_context();
    struct err err;
    char reply[100];
    ssize_t n;
    static const char *const words[] = {"USER a\r\nPASS b\r\n", "GET / HTTP/1.0\r\n\r\n", "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(answer_to(c, words[i], 16, reply, &n, &err), TLS_FAILED);
        assert_memory_equal(err.text, "tls: ", 5);
        assert_true(n <= 0 || (n == 7 && reply[0] == SSL3_RT_ALERT));
    }
    /* A hello that announces itself longer than any is: nothing is reserved for it. */
    unsigned char hello[] = {22, 3, 1, 0x40, 0, 1, 1, 0, 0, 3, 3, 0, 0, 0, 0, 0};
    assert_int_equal(answer_to(c, hello, sizeof hello, reply, &n, &err), TLS_FAILED);
    assert_non_null(strstr(err.text, "too long"));
    hello[6] = 0;
    hello[7] = 0x30;
    assert_int_equal(answer_to(c, hello, sizeof hello, reply, &n, &err), TLS_WANT_READ);
    tls_context_free(c);
}

/* A second hello, after HelloRetryRequest, and whatever could hide how long a hello is. */
static void reserves_nothing_for_long_hellos(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    char in[1000];
    static const unsigned char odd[][16] = {
        {22, 3, 1, 0, 0, 22, 3, 1, 0x40, 0, 1, 1, 0, 0, 3, 3},     /* an empty record first */
        {21, 3, 1, 0, 2, 1, 90, 22, 3, 1, 0x40, 0, 1, 1, 0, 0},    /* a warning */
        {22, 3, 1, 0, 2, 1, 0, 22, 3, 1, 0, 12, 0xff, 0xff, 3, 3}, /* a header in two records */
        {20, 3, 1, 0, 1, 1, 22, 3, 1, 0x40, 0, 1, 1, 0, 0, 3},
        {23, 3, 1, 0, 1, 1, 22, 3, 1, 0x40, 0, 1, 1, 0, 0, 3},
    };
    char reply[100];
    ssize_t n;
    struct err err;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        assert_int_equal(answer_to(c, odd[i], sizeof odd[i], reply, &n, &err), TLS_FAILED);
        assert_non_null(strstr(err.text, "in pieces"));
    }
    static const unsigned char second[][20] = {
        {22, 3, 3, 0x40, 0, 1, 1, 0, 0, 3, 3},
        {20, 3, 3, 0, 1, 1, 22, 3, 3, 0x40, 0, 1, 1, 0, 0, 3, 3},
        {23, 3, 3, 0, 1, 1, 22, 3, 3, 0x40, 0, 1, 1, 0, 0, 3, 3},
    };
    /* TLS 1.3 with P-256, and no key yet. */
    static const unsigned char keyless[] = {
        22, 3, 1, 0, 76, 1, 0, 0, 72, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 19, 1, 1, 0, 0, 29, 0, 43, 0, 3, 2, 3, 4, 0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4,
        0, 2, 4, 3, 0, 51, 0, 2, 0, 0};
    for (unsigned i = 0; i < 4; i++) {
        open_both(&b, c, 0, 0, NULL, 0);
        assert_int_equal(send(b.fds[1], keyless, sizeof keyless, 0), sizeof keyless);
        if (i < 3) {
            assert_int_equal(tls_handshake(b.server, &b.err), TLS_WANT_READ);
            n = recv(b.fds[1], in, sizeof in, MSG_DONTWAIT);
            assert_true(n > 11 && in[5] == SSL3_MT_SERVER_HELLO);
            assert_memory_equal(in + 11, "\xcf\x21\xad\x74", 4); /* HelloRetryRequest */
        }
        const unsigned char *huge = second[i % 3]; /* the last comes with the first hello, unasked */
        if (i == 1) { /* one that is as long as hellos are, behind the same CCS, would be read on */
            static const unsigned char fair[] = {20, 3, 3, 0, 1, 1, 22, 3, 3, 0x20, 0, 1, 0, 0x1f, 0xfc, 3, 3};
            struct tls_hello h = {0};
            assert_true(tls_hello_allowed(&h, false, fair, sizeof fair) && h.known);
        }
        assert_int_equal(send(b.fds[1], huge, sizeof *second, 0), sizeof *second);
        assert_int_equal(tls_handshake(b.server, &b.err), TLS_FAILED);
        assert_non_null(strstr(b.err.text, "in pieces"));
        close_both(&b);
    }
    tls_context_free(c);
}

static void refuses_renegotiation(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    char p[10];
    size_t n;
    open_both(&b, c, 0, TLS1_2_VERSION, NULL, 0);
    agree(&b);
    assert_int_equal(SSL_renegotiate(b.client), 1);
    (void)SSL_do_handshake(b.client);
    assert_int_not_equal(tls_read(b.server, p, sizeof p, &n, &b.err), TLS_OK);
    (void)SSL_do_handshake(b.client);
    assert_int_not_equal(SSL_get_state(b.client), TLS_ST_OK);
    ERR_clear_error();
    close_both(&b);
    tls_context_free(c);
}

static unsigned tickets;
static SSL_SESSION *ticket;

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    tickets++;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

static void gives_one_ticket_that_resumes(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    char p[10];
    size_t n;
    for (unsigned i = 0; i < 2; i++) {
        open_both(&b, c, TLS1_3_VERSION, 0, NULL, 0);
        SSL_CTX_set_session_cache_mode(SSL_get_SSL_CTX(b.client), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(SSL_get_SSL_CTX(b.client), on_ticket);
        if (ticket)
            SSL_set_session(b.client, ticket);
        agree(&b);
        assert_int_equal(SSL_session_reused(b.client), i);
        assert_int_equal(SSL_read(b.client, p, sizeof p), -1);
        assert_int_equal(tickets, i + 1);
        assert_int_equal(tls_bye(b.server), TLS_OK);
        assert_int_equal(tls_bye(b.server), TLS_OK); /* once */
        assert_int_equal(SSL_read(b.client, p, sizeof p), 0);
        assert_int_equal(SSL_get_error(b.client, 0), SSL_ERROR_ZERO_RETURN);
        SSL_shutdown(b.client);
        assert_int_equal(tls_read(b.server, p, sizeof p, &n, &b.err), TLS_CLOSED);
        close_both(&b);
    }
    SSL_SESSION_free(ticket);
    tls_context_free(c);
}

/* Bytes that the client has not looked at. */
static size_t waiting(const struct both *b)
{
    int n = 0;
    assert_int_equal(ioctl(SSL_get_fd(b->client), FIONREAD, &n), 0);
    return (size_t)n;
}

static void greets_with_the_ticket(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    char p[10];
    size_t n;
    for (unsigned i = 0; i < 3; i++) {
        open_both(&b, c, i < 2 ? TLS1_3_VERSION : 0, i < 2 ? 0 : TLS1_2_VERSION, NULL, 0);
        SSL_CTX_set_session_cache_mode(SSL_get_SSL_CTX(b.client), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(SSL_get_SSL_CTX(b.client), on_ticket);
        ticket = NULL;
        tickets = 0;
        tls_greets(b.server);
        assert_int_equal(SSL_do_handshake(b.client), -1);
        assert_int_equal(tls_handshake(b.server, &b.err), TLS_WANT_READ);
        assert_int_equal(tls_write(b.server, "", 0, &n, &b.err), TLS_OK); /* as if not all had found room */
        agree(&b);
        assert_int_equal(waiting(&b), 0);
        if (i == 1) /* it says nothing but good-bye */
            assert_int_equal(tls_bye(b.server), TLS_OK);
        else
            assert_int_equal(tls_write(b.server, "hello", 5, &n, &b.err), TLS_OK);
        assert_int_equal(SSL_read(b.client, p, sizeof p), i == 1 ? 0 : 5);
        assert_int_equal(tickets, 1);
        if (i != 1) {
            tls_last(b.server);
            assert_int_equal(tls_write(b.server, "bye", 3, &n, &b.err), TLS_OK);
            assert_int_equal(n, 3);
            assert_int_equal(SSL_read(b.client, p, sizeof p), 3);
            assert_int_equal(SSL_read(b.client, p, sizeof p), 0);
        }
        assert_int_equal(SSL_get_error(b.client, 0), SSL_ERROR_ZERO_RETURN);
        assert_int_equal(tls_bye(b.server), TLS_OK);
        assert_int_equal(waiting(&b), 0); /* once */
        close_both(&b);
        SSL_SESSION_free(ticket);
    }
    tls_context_free(c);
}

/* ---- what both ends have alike */

static void binding_of(struct both *b, const char *kind, struct tls_binding *ours)
{
    assert_true(tls_binds(b->server));
    assert_true(tls_binding(b->server, ours));
    assert_string_equal(ours->kind, kind);
}

/* RFC 9266: 32 octets of the exporter, under its label and an empty context. */
static void binds_by_the_exporter(void **state)
{
    struct tls_context *c = make_context();
    struct tls_binding ours[2];
    unsigned char theirs[32];
    for (unsigned i = 0; i < 2; i++) {
        struct both b;
        open_both(&b, c, TLS1_3_VERSION, 0, NULL, 0);
        assert_false(tls_binds(b.server) || tls_binding(b.server, &ours[i])); /* not before the handshake */
        agree(&b);
        binding_of(&b, "tls-exporter", &ours[i]);
        assert_int_equal(SSL_export_keying_material(b.client, theirs, sizeof theirs, "EXPORTER-Channel-Binding", 24, NULL, 0, 0), 1);
        assert_int_equal(ours[i].n, sizeof theirs);
        assert_memory_equal(ours[i].octets, theirs, sizeof theirs);
        close_both(&b);
    }
    assert_memory_not_equal(ours[0].octets, ours[1].octets, sizeof theirs); /* of this connection alone */
    tls_context_free(c);
}

/* RFC 5929 §3.1: the first Finished, which is the client's, but of a resumed connection the server's. */
static void binds_by_the_first_finished(void **state)
{
    struct tls_context *c = make_context();
    SSL_SESSION *session = NULL;
    struct tls_binding ours[2];
    unsigned char theirs[64];
    for (unsigned i = 0; i < 2; i++) {
        struct both b;
        open_both(&b, c, TLS1_2_VERSION, TLS1_2_VERSION, NULL, 0);
        if (session)
            SSL_set_session(b.client, session);
        agree(&b);
        assert_int_equal(SSL_session_reused(b.client), i);
        binding_of(&b, "tls-unique", &ours[i]);
        size_t n = i ? SSL_get_peer_finished(b.client, theirs, sizeof theirs) : SSL_get_finished(b.client, theirs, sizeof theirs);
        assert_int_equal(ours[i].n, n);
        assert_memory_equal(ours[i].octets, theirs, n);
        SSL_SESSION_free(session);
        session = SSL_get1_session(b.client);
        SSL_shutdown(b.client); /* or it could not be resumed */
        close_both(&b);
    }
    assert_memory_not_equal(ours[0].octets, ours[1].octets, ours[0].n);
    SSL_SESSION_free(session);
    tls_context_free(c);
}

/* RFC 7627: without it two connections can be made to have one Finished. */
static void binds_to_nothing_without_the_extended_master_secret(void **state)
{
    struct tls_context *c = make_context();
    struct tls_binding ours;
    struct both b;
    open_both(&b, c, TLS1_2_VERSION, TLS1_2_VERSION, NULL, 0);
    SSL_set_options(b.client, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    agree(&b);
    assert_int_equal(SSL_get_extms_support(b.client), 0);
    assert_false(tls_binds(b.server) || tls_binding(b.server, &ours));
    close_both(&b);
    tls_context_free(c);
}

/* ---- bytes */

enum { BIG = 3 << 20 };

static void write_all(struct both *b, size_t piece_max)
{
    static char out[TLS_PIECE], in[65536];
    size_t sent = 0, received = 0;
    for (unsigned idle = 0; received < BIG && idle < 100000; idle++) {
        size_t room = tls_room(b->server), took = 0, n;
        assert_true(!tls_unsent(b->server) == (room > 0));
        room = room < piece_max ? room : piece_max;
        room = room < BIG - sent ? room : BIG - sent;
        fill(out, room, sent);
        enum tls_result r = tls_write(b->server, out, room, &took, &b->err);
        assert_true(r == TLS_OK || r == TLS_WANT_WRITE);
        assert_int_equal(took, r == TLS_OK ? room : 0);
        sent += took;
        /* What the socket did not take is about one record. */
        assert_in_range(tls_unsent(b->server), 0, 2 * 16384 + 1024);
        while (SSL_read_ex(b->client, in, sizeof in, &n)) {
            assert_true(matches(in, n, received));
            received += n;
            idle = 0;
        }
    }
    assert_int_equal(received, BIG);
}

static void writes_through_small_buffers(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    static const size_t pieces[] = {TLS_PIECE, 16384, 5000};
    for (size_t i = 0; i < 6; i++) {
        open_both(&b, c, 0, i % 2 ? TLS1_2_VERSION : 0, NULL, i < 3 ? 8192 : 0);
        agree(&b);
        write_all(&b, pieces[i % 3]);
        close_both(&b);
    }
    tls_context_free(c);
}

static void reads_in_pieces(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    static char out[16384];
    char in[1000];
    size_t n, received = 0;
    open_both(&b, c, 0, 0, NULL, 0);
    agree(&b);
    assert_int_equal(tls_read(b.server, in, sizeof in, &n, &b.err), TLS_WANT_READ);
    assert_false(tls_pending(b.server));
    fill(out, sizeof out, 0);
    assert_int_equal(SSL_write(b.client, out, sizeof out), sizeof out);
    while (tls_read(b.server, in, sizeof in, &n, &b.err) == TLS_OK) {
        assert_true(matches(in, n, received));
        received += n;
        assert_int_equal(tls_pending(b.server), received < sizeof out);
    }
    assert_int_equal(received, sizeof out);
    shutdown(b.fds[1], SHUT_WR); /* without close_notify: he can still be answered */
    assert_int_equal(tls_read(b.server, in, sizeof in, &n, &b.err), TLS_CLOSED);
    assert_int_equal(tls_write(b.server, "bye", 3, &n, &b.err), TLS_OK);
    assert_int_equal(SSL_read(b.client, in, sizeof in), 3);
    close_both(&b);
    tls_context_free(c);
}

static void counts_what_it_keeps(void **state)
{
    struct tls_context *c = make_context();
    struct budget budget = {0, 1};
    struct both b;
    static char out[TLS_PIECE];
    size_t took;
    open_both(&b, c, 0, 0, NULL, 8192);
    tls_budget(b.server, &budget);
    agree(&b);
    assert_true(tls_room(b.server) >= 16384);
    for (unsigned i = 0; i < 1000 && !tls_unsent(b.server); i++)
        assert_int_equal(tls_write(b.server, out, tls_room(b.server), &took, &b.err), TLS_OK);
    assert_true(tls_unsent(b.server) > 0);
    assert_in_range(budget.used, tls_unsent(b.server), tls_unsent(b.server) + 16384);
    assert_int_equal(tls_room(b.server), 0);

    struct both second; /* the budget is spent: small pieces */
    open_both(&second, c, 0, 0, NULL, 0);
    tls_budget(second.server, &budget);
    agree(&second);
    assert_int_equal(tls_room(second.server), BUF_SMALL);
    close_both(&second);
    close_both(&b);
    assert_int_equal(budget.used, 0);
    tls_context_free(c);
}

static void reports_a_broken_socket(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    const struct linger reset = {1, 0};
    char p[10];
    size_t n;
    open_both(&b, c, 0, 0, NULL, 8192);
    agree(&b);
    setsockopt(b.fds[1], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(b.fds[1]);
    assert_int_equal(tls_read(b.server, p, sizeof p, &n, &b.err), TLS_FAILED);
    assert_int_equal(b.err.kind, ERR_TEMP);
    assert_int_equal(tls_write(b.server, "x", 1, &n, &b.err), TLS_FAILED);
    assert_int_equal(b.err.kind, ERR_TEMP);
    assert_int_equal(tls_bye(b.server), TLS_FAILED);
    b.fds[1] = open("/dev/null", O_RDONLY);
    close_both(&b);
    tls_context_free(c);
}

static void refuses_damaged_records(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    char p[10];
    size_t n;
    open_both(&b, c, 0, 0, NULL, 0);
    agree(&b);
    assert_int_equal(send(b.fds[1], "\27\3\3\0\30damaged damaged damaged ", 29, 0), 29);
    assert_int_equal(tls_read(b.server, p, sizeof p, &n, &b.err), TLS_FAILED);
    assert_int_equal(b.err.kind, ERR_INPUT);
    assert_memory_equal(b.err.text, "tls: ", 5);
    close_both(&b);
    tls_context_free(c);
}

/* A stream outlives the context it was made with (a renewed certificate). */
/* Records that bear no bytes for us: a call comes to an end though they do not. */
static void rests_while_keys_are_updated(void **state)
{
    enum { UPDATES = 20000 };
    struct tls_context *c = make_context();
    struct both b;
    char in[100];
    size_t n;
    open_both(&b, c, TLS1_3_VERSION, 0, NULL, 0);
    close(b.fds[0]);
    close(b.fds[1]);
    tcp_pair(b.fds, 0);
    for (int i = 0; i < 2; i++)
        fcntl(b.fds[i], F_SETFL, O_NONBLOCK);
    tls_stream_free(b.server);
    SSL_set_fd(b.client, b.fds[1]);
    b.server = tls_accept_new(c, b.fds[0]);
    agree(&b);
    for (unsigned i = 0; i < UPDATES; i++) {
        assert_int_equal(SSL_key_update(b.client, SSL_KEY_UPDATE_REQUESTED), 1);
        if (SSL_do_handshake(b.client) != 1)
            break; /* all is full */
    }
    assert_int_equal(tls_read(b.server, in, sizeof in, &n, &b.err), TLS_WANT_READ);
    assert_int_equal(recv(b.fds[0], in, 1, MSG_PEEK), 1); /* the rest has its turn later */
    for (unsigned i = 0; i < 100000; i++) {
        if (SSL_write(b.client, "NOOP\r\n", 6) == 6)
            break;
        assert_int_equal(tls_read(b.server, in, sizeof in, &n, &b.err), TLS_WANT_READ);
    }
    enum tls_result r;
    do
        r = tls_read(b.server, in, sizeof in, &n, &b.err);
    while (r == TLS_WANT_READ);
    assert_int_equal(r, TLS_OK);
    assert_int_equal(n, 6);
    assert_int_equal(tls_unsent(b.server), 0);
    assert_int_equal(tls_write(b.server, "+OK\r\n", 5, &n, &b.err), TLS_OK);
    assert_int_equal(SSL_read(b.client, in, sizeof in), 5);
    close_both(&b);
    tls_context_free(c);
}

static void keeps_its_context(void **state)
{
    struct tls_context *c = make_context();
    struct both b;
    open_both(&b, c, 0, 0, NULL, 0);
    tls_context_free(c);
    agree(&b);
    write_all(&b, TLS_PIECE);
    close_both(&b);
}

/* ---- behind the walls: no file can be opened, no other descriptor made */

static void forbid_files(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit(77);
}

static void child(int cert, int key, const int fds[2])
{
    struct tls_context *c;
    struct both b = {.fds = {fds[0], fds[1]}};
    int client;
    tls_init();
    b.client = client_new(fds[1], 0, 0, NULL);
    forbid_files();
    if (tls_context_new(&c, cert, key, "pop3", &b.err) < 0)
        _exit(2);
    b.server = tls_accept_new(c, fds[0]);
    if (shake(&b, &client) != TLS_OK || client)
        _exit(3);
    SSL_write(b.client, "\0", 1);
    size_t n;
    char p[100];
    if (tls_read(b.server, p, sizeof p, &n, &b.err) != TLS_OK || n != 1)
        _exit(4);
    tls_stream_free(b.server);
    tls_context_free(c);
    int bad = memory_file("nonsense", 8); /* errors are worded behind the walls, too */
    if (tls_context_new(&c, bad, key, "pop3", &b.err) == 0 || !strstr(b.err.text, "PEM"))
        _exit(5);
    _exit(0);
}

static void works_behind_the_walls(void **state)
{
    int cert, key, fds[2], status;
    make_pair(2048, 3600, &cert, &key);
    unix_pair(fds);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0)
        child(cert, key, fds);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    close(cert);
    close(key);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* no seccomp here */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static unsigned descriptors;

static int begin(void **state)
{
    descriptors = open_descriptors();
    return 0;
}

static int finish(void **state)
{
    return open_descriptors() != descriptors;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)
    const struct CMUnitTest tests[] = {
        TEST(works_behind_the_walls), /* first: nothing is loaded yet but what tls_init loads */
        TEST(loads_certificates),
        TEST(words_what_is_wrong_with_certificates),
        TEST(agrees_on_versions),
        TEST(agrees_on_the_suite),
        TEST(agrees_on_the_protocol_above),
        TEST(words_what_the_peer_says),
        TEST(refuses_what_is_no_handshake),
        TEST(reserves_nothing_for_long_hellos),
        TEST(refuses_renegotiation),
        TEST(gives_one_ticket_that_resumes),
        TEST(greets_with_the_ticket),
        TEST(binds_by_the_exporter),
        TEST(binds_by_the_first_finished),
        TEST(binds_to_nothing_without_the_extended_master_secret),
        TEST(writes_through_small_buffers),
        TEST(reads_in_pieces),
        TEST(counts_what_it_keeps),
        TEST(reports_a_broken_socket),
        TEST(refuses_damaged_records),
        TEST(keeps_its_context),
        TEST(rests_while_keys_are_updated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
