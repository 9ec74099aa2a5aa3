/* net_help: see the header. */
#include "net_help.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* What a test cannot go on without. */
#define MUST(condition) ((condition) ? (void)0 : abort())

int memory_file(const void *p, size_t n)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    return fd;
}

static int file_of(BIO *bio)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    int fd = memory_file(p, (size_t)n);
    BIO_free(bio);
    return fd;
}

void make_pair(int bits, long valid_s, int *cert_fd, int *key_fd)
{
    EVP_PKEY *key = bits ? EVP_RSA_gen((unsigned)bits) : EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    MUST(key && cert);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), valid_s);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    MUST(X509_sign(cert, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    MUST(PEM_write_bio_X509(bio, cert));
    *cert_fd = file_of(bio);
    bio = BIO_new(BIO_s_mem());
    MUST(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    *key_fd = file_of(bio);
    X509_free(cert);
    EVP_PKEY_free(key);
}

struct tls_context *make_context(void)
{
    struct tls_context *c;
    struct err err;
    int cert, key;
    make_pair(0, 86400, &cert, &key);
    MUST(tls_context_new(&c, cert, key, "pop3", &err) == 0);
    close(cert);
    close(key);
    return c;
}

SSL *client_new(int fd, int min, int max, const char *alpn)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    MUST(ctx);
    SSL_CTX_set_min_proto_version(ctx, min);
    SSL_CTX_set_max_proto_version(ctx, max);
    if (max && max < TLS1_2_VERSION)
        SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    MUST(ssl && SSL_set_fd(ssl, fd));
    if (alpn)
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_set_connect_state(ssl);
    return ssl;
}

void client_free(SSL *ssl)
{
    SSL_free(ssl);
}

struct run {
    struct loop *l;
    struct loop_timer *tick;
    const bool *flag;
    uint64_t until;
    unsigned ticks; /* to come: a machine that stands still takes not all of the turns away; each may last some ms */
};

static void on_tick(void *arg)
{
    struct run *r = arg;
    r->ticks -= r->ticks > 0;
    if ((r->flag && *r->flag) || (clock_ms() >= r->until && !r->ticks))
        loop_stop(r->l);
    else
        loop_timer_set(r->tick, 1);
}

bool run_until(struct loop *l, const bool *flag, unsigned ms)
{
    struct run r = {.l = l, .flag = flag, .until = clock_ms() + ms, .ticks = ms / 10};
    r.tick = loop_timer_new(l, on_tick, &r);
    loop_timer_set(r.tick, 0);
    loop_run(l);
    loop_timer_free(r.tick);
    return flag && *flag;
}

void run_for(struct loop *l, unsigned ms)
{
    run_until(l, NULL, ms);
}

static void small_buffers(int fd, int bytes)
{
    if (bytes) {
        MUST(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0);
        MUST(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
    }
}

static void make_tcp_pair(int fds[2], int bytes, int far_bytes, int segment)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    small_buffers(listener, bytes);
    if (segment)
        MUST(setsockopt(listener, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) == 0);
    MUST(bind(listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(listener, 1) == 0);
    MUST(getsockname(listener, (struct sockaddr *)&a, &n) == 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    small_buffers(fds[1], far_bytes);
    if (segment)
        MUST(setsockopt(fds[1], IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) == 0);
    MUST(connect(fds[1], (struct sockaddr *)&a, n) == 0);
    const int on = 1; /* small pieces arrive when they are sent */
    MUST(setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    MUST(fds[0] >= 0);
    close(listener);
}

void tcp_pair(int fds[2], int bytes)
{
    make_tcp_pair(fds, bytes, bytes, 0);
}

void far_pair(int fds[2])
{
    make_tcp_pair(fds, 0, 65536, 1400);
}

void end_whole(int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {"", 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    control.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    for (ssize_t r = -1; r < 0;) {
        struct pollfd p = {fd, POLLOUT, 0};
        poll(&p, 1, 1000);
        r = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        MUST(r == 1 || errno == EAGAIN || errno == EPIPE);
        if (r < 0 && errno == EPIPE)
            return;
    }
}

void unix_pair(int fds[2])
{
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
}

unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    MUST(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static unsigned descriptors;

int loop_begin(void **state)
{
    descriptors = open_descriptors();
    *state = loop_new();
    return 0;
}

int loop_finish(void **state)
{
    loop_free(*state);
    return open_descriptors() != descriptors;
}

/* ---- pump. > 0: bytes; 0: the end; -1: not now; -2: broken */

static ssize_t tls_outcome(SSL *ssl, int r, size_t n)
{
    if (r == 1)
        return (ssize_t)n;
    switch (SSL_get_error(ssl, r)) {
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -1;
    default:
        ERR_clear_error();
        return -2;
    }
}

static ssize_t pump_read(struct pump *p, char *to, size_t n)
{
    if (p->ssl) {
        size_t got = 0;
        int done = SSL_read_ex(p->ssl, to, n, &got);
        return tls_outcome(p->ssl, done, got);
    }
    ssize_t r = recv(p->fd, to, n, MSG_DONTWAIT);
    return r >= 0 ? r : errno == EAGAIN ? -1 : -2;
}

static ssize_t pump_write(struct pump *p, const char *from, size_t n)
{
    if (p->ssl) {
        size_t took = 0;
        int done = SSL_write_ex(p->ssl, from, n, &took);
        return tls_outcome(p->ssl, done, took);
    }
    ssize_t r = send(p->fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return r >= 0 ? r : errno == EAGAIN ? -1 : -2;
}

static bool pump_send(struct pump *p)
{
    char out[16384];
    size_t n = p->to_send - p->sent < sizeof out ? p->to_send - p->sent : sizeof out;
    fill(out, n, p->sent);
    ssize_t r = pump_write(p, out, n);
    if (r > 0)
        p->sent += (size_t)r;
    p->failed |= r == -2;
    return r > 0;
}

/* close_notify may not fit at once, as any other bytes. */
static void pump_close_half(struct pump *p)
{
    if (p->ssl && SSL_shutdown(p->ssl) < 0) {
        ERR_clear_error();
        return;
    }
    if (p->whole)
        end_whole(p->fd);
    shutdown(p->fd, SHUT_WR);
    p->closed_half = true;
}

static bool pump_receive(struct pump *p)
{
    char in[65536];
    ssize_t r = pump_read(p, in, p->piece ? p->piece : sizeof in);
    if (r > 0) {
        p->wrong |= !matches(in, (size_t)r, p->received);
        p->received += (size_t)r;
    }
    p->ended |= r == 0;
    p->failed |= r == -2;
    return r > 0;
}

static bool to_close(const struct pump *p)
{
    return p->close_first && p->to_send && p->sent == p->to_send && !p->closed_half;
}

static void *pump_run(void *arg)
{
    struct pump *p = arg;
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    while ((!p->ended || (p->sends_on && p->sent < p->to_send)) && !p->failed && (p->received < p->to_receive || p->sent < p->to_send || p->close_first)) {
        bool moved = p->sent < p->to_send && pump_send(p);
        if (to_close(p))
            pump_close_half(p);
        if (p->pause_ms)
            usleep(p->pause_ms * 1000);
        if (p->failed)
            break;
        if ((p->ended || !pump_receive(p)) && !moved) {
            struct pollfd fd = {p->fd, (p->ended ? 0 : POLLIN) | (p->sent < p->to_send || to_close(p) ? POLLOUT : 0), 0};
            poll(&fd, 1, 5);
        }
    }
    p->done = true;
    return NULL;
}

void pump_start(struct pump *p)
{
    MUST(pthread_create(&p->thread, NULL, pump_run, p) == 0);
}

void pump_join(struct pump *p)
{
    pthread_join(p->thread, NULL);
}

static char byte_at(size_t i)
{
    return (char)(i * 2654435761u >> 13);
}

void fill(char *p, size_t n, size_t offset)
{
    for (size_t i = 0; i < n; i++)
        p[i] = byte_at(offset + i);
}

bool matches(const char *p, size_t n, size_t offset)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != byte_at(offset + i))
            return false;
    return true;
}
