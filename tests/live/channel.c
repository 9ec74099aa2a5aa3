/* channel: a TLS client that tells its channel binding, for tests in a language whose TLS cannot.
 *
 *     channel PORT [stls] [--tls12] [--no-ems]
 *
 * Connects to 127.0.0.1, begins TLS (behind STLS where it is asked to), writes a line "KIND HEX" ("none" where there is
 * no binding; with tls-unique it is the first Finished), and then passes octets between TLS and its own input and
 * output. Whoever runs it checks the certificate no further: it is the test's own. */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *why)
{
    fprintf(stderr, "channel: %s\n", why);
    exit(1);
}

static int connect_to(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        die("no connection");
    return fd;
}

/* A line in the clear, an octet at a time: what follows belongs to TLS. */
static void expect_ok(int fd)
{
    char line[600];
    size_t n = 0;
    while (n < sizeof line && read(fd, line + n, 1) == 1)
        if (line[n++] == '\n')
            break;
    if (n < 3 || memcmp(line, "+OK", 3) != 0)
        die("no +OK in the clear");
}

static void tell(SSL *ssl)
{
    unsigned char octets[64];
    size_t n = 0;
    const char *kind = "tls-unique";
    if (SSL_version(ssl) >= TLS1_3_VERSION) {
        kind = "tls-exporter";
        n = 32;
        if (SSL_export_keying_material(ssl, octets, n, "EXPORTER-Channel-Binding", 24, NULL, 0, 0) != 1)
            die("no exporter");
    } else {
        n = SSL_session_reused(ssl) ? SSL_get_peer_finished(ssl, octets, sizeof octets)
                                    : SSL_get_finished(ssl, octets, sizeof octets);
    }
    printf("%s ", kind);
    for (size_t i = 0; i < n; i++)
        printf("%02x", octets[i]);
    printf("\n");
    fflush(stdout);
}

static void pass_on(SSL *ssl, int fd)
{
    char p[65536];
    struct pollfd both[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    for (;;) {
        int waits = SSL_pending(ssl) > 0;
        if (poll(both, 2, waits ? 0 : -1) < 0)
            die("poll");
        if (both[0].revents) {
            ssize_t n = read(STDIN_FILENO, p, sizeof p);
            if (n <= 0)
                return;
            if (SSL_write(ssl, p, (int)n) != n)
                return;
        }
        if (both[1].revents || waits) {
            int n = SSL_read(ssl, p, sizeof p);
            if (n <= 0 && SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ)
                continue; /* a ticket: nothing for us */
            if (n <= 0)
                return;
            if (write(STDOUT_FILENO, p, (size_t)n) != n)
                return;
        }
    }
}

int main(int argc, char **argv)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (argc < 2 || !c)
        die("usage: channel PORT [stls] [--tls12] [--no-ems]");
    SSL_CTX_clear_mode(c, SSL_MODE_AUTO_RETRY); /* or a ticket would have it wait for more, deaf to our input */
    int fd = connect_to(atoi(argv[1]));
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "stls") == 0) {
            expect_ok(fd);
            if (write(fd, "STLS\r\n", 6) != 6)
                die("write");
            expect_ok(fd);
        } else if (strcmp(argv[i], "--tls12") == 0) {
            SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
        } else if (strcmp(argv[i], "--no-ems") == 0) {
            SSL_CTX_set_options(c, SSL_OP_NO_EXTENDED_MASTER_SECRET);
        }
    }
    SSL *ssl = SSL_new(c);
    if (!ssl || !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1)
        die("no handshake");
    tell(ssl);
    pass_on(ssl, fd);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    SSL_CTX_free(c);
    close(fd);
    return 0;
}
