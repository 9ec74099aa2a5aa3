/* conf_table: every option of the server, one row each. Adding one is a row here and a field in struct conf. */
#include "base/conf_table.h"

static const char *const mechanisms[] = {"EXTERNAL",    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256",
                                         "SCRAM-SHA-1", "CRAM-MD5",           "PLAIN",            "LOGIN",         NULL};
static const char *const log_places[] = {"stderr", "syslog", "file", NULL};          /* enum conf_log */
static const char *const languages[] = {"en", "ca", "es", "de", "fr", NULL};         /* enum conf_language */
static const char *const line_ends[] = {"lf", "wire", NULL};                         /* enum conf_lines */
static const char *const log_formats[] = {"text", "json", NULL};                     /* enum conf_format */
static const char *const busy_words[] = {"wait", "refuse", "takeover", NULL};        /* enum conf_busy */
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL}; /* enum conf_level */

#define AT(field) offsetof(struct conf, field)
#define SECOND    1000u
#define MINUTE    (60u * SECOND)
#define HOUR      (60u * MINUTE)
#define KILO      1024ull
#define MEGA      (1024ull * KILO)
#define GIGA      (1024ull * MEGA)

/* clang-format off */
static const struct conf_option table[] = {
    {"listen", &CONF_KIND_LISTEN, 0, NULL,
     .said = "port 110 on every address, and port 995 with pop3s if there is a certificate",
     .examples = "[::]:110 pop3\n0.0.0.0:110 pop3\n[::]:995 pop3s\n0.0.0.0:995 pop3s\n"
                 "/run/bustia/lmtp lmtp mode=0660 group=postfix\n127.0.0.1:24 lmtp\n[::]:25 smtp\n0.0.0.0:25 smtp",
     .group = "Where it listens",
     .about = "An address to serve on: 0.0.0.0 and [::] stand for every address. pop3 begins in the clear and offers "
              "STLS if there is a certificate; pop3s is inside TLS from the start. With cleartext=no, passwords need TLS here "
              "even from cleartext_networks. With proxy=required, a proxy stands before this port and says whose each connection is, by "
              "the PROXY protocol; proxy_networks says who it is. lmtp takes mail from a mail transfer agent; smtp takes it from anybody, for "
              "mailboxes of this server alone, and offers STARTTLS if there is a certificate. The path of a unix socket may "
              "stand for the address of lmtp; who may write to the socket may deliver mail: mode= (default: 0666) and "
              "group= say who."},
    {"hostname", &CONF_KIND_HOST, AT(hostname), NULL,
     .said = "the machine's name", .examples = "pop.example.org", .reloads = true,
     .about = "The name this server calls itself in its greeting."},
    {"tls_cert", &CONF_KIND_FILE, AT(tls_cert), "", .reloads = true,
     .about = "The certificate and what leads to its issuer, in PEM. Without one there is no TLS."},
    {"tls_key", &CONF_KIND_FILE, AT(tls_key), "", .reloads = true,
     .about = "The certificate's private key, in PEM. Only root needs to read it."},
    {"tls_also", &CONF_KIND_PAIR, 0, "", .reloads = true,
     .about = "A further certificate and its key, in PEM, for clients that ask for one of its names (SNI). Its names are those "
              "that stand in it. Whoever asks for a name that is nowhere, or for none, gets tls_cert."},
    {"tls_watch", &CONF_KIND_TIME, AT(tls_watch), "1m", .least = 0, .most = 24 * HOUR, .reloads = true,
     .about = "How often certificates and keys are looked after: those that have been renewed are taken as soon as each fits its "
              "key, and connections that there are keep theirs. 0: only at SIGHUP."},
    {"tls_client_ca", &CONF_KIND_FILE, AT(tls_client_ca), "", .reloads = true,
     .about = "The issuers, in PEM, of certificates with which clients log in (SASL EXTERNAL): as the user whom the certificate's "
              "common name names, if `bustia user set NAME --external` permits it to him. Nothing: clients are not asked for "
              "certificates. One that is shown and not to be believed ends the handshake."},
    {"cleartext_networks", &CONF_KIND_NETWORKS, AT(cleartext_networks), "127.0.0.0/8 ::1/128", .reloads = true,
     .about = "From where passwords are taken without TLS. Nothing: from nowhere."},
    {"proxy_networks", &CONF_KIND_NETWORKS, AT(proxy_networks), "", .reloads = true,
     .about = "Where the proxies are that listeners with proxy=required believe: the client's address, as limits, the log and "
              "cleartext_networks have it, and whether the client's side is TLS (PP2_TYPE_SSL), over which passwords may come. "
              "Whoever else connects there is turned away. Between proxy and server nothing is hidden but by TLS of "
              "their own."},

    {"users_db", &CONF_KIND_FILE, AT(users_db), "/var/lib/bustia/users.db",
     .group = "People and mail",
     .about = "The database of users, which `bustia user` keeps. It and its folder belong to auth_user."},
    {"sasl_mechanisms", &CONF_KIND_WORDS, AT(sasl_mechanisms),
     "EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", .words = mechanisms,
     .about = "The SASL mechanisms that AUTH may use. Those that show the password are offered only where passwords may come; "
              "those with -PLUS, which notice somebody between client and server, only inside TLS, and EXTERNAL only with tls_client_ca. CRAM-MD5 is for users who have "
              "a secret for APOP (`bustia user set NAME --apop`), and lets in nobody else: name it where all have one, as some "
              "mail programs choose it by themselves."},
    {"mail_root", &CONF_KIND_ROOT, 0, "/var/mail/bustia",
     .about = "A folder that holds mail: no maildrop is opened outside of these folders."},
    {"store_default", &CONF_KIND_STORE, AT(store_default), "maildir:/var/mail/bustia/{user}", .reloads = true,
     .about = "Where the mail of a new user is kept unless `bustia user add` is told; {user} stands for his name."},
    {"mail_user", &CONF_KIND_USER, AT(mail_user), "bustia-mail", .reloads = true,
     .about = "To whom the mail of a new user belongs unless `bustia user add` is told: the name or number of an account. "
              "What separates two mailboxes is their number: give users of their own who must not share one."},
    {"first_uid", &CONF_KIND_NUMBER, AT(first_uid), "1000", .least = 1, .most = UINT32_MAX - 1, .reloads = true,
     .about = "No mailbox is opened as a user with a lower number, so that none is ever opened as a system account."},
    {"mail_sessions", &CONF_KIND_NUMBER, AT(mail_sessions), "500", .least = 1, .most = 100000, .reloads = true,
     .about = "How many sessions of one uid a mail process may hold. 1: every session has a process of its own that can "
              "reach that one maildrop only."},
    {"mail_idle", &CONF_KIND_TIME, AT(mail_idle), "60s", .least = 0, .most = 24 * HOUR, .reloads = true,
     .about = "How long a mail process without sessions stays, to save the next log-in the start."},
    {"store_threads", &CONF_KIND_NUMBER, AT(store_threads), "8", .least = 1, .most = 256,
     .about = "How many sessions of a mail process may wait for a slow disk before the others have to."},
    {"busy", &CONF_KIND_WORD, AT(busy), "wait", .words = busy_words, .reloads = true,
     .about = "What becomes of a log-in to a maildrop that another session holds. With wait it waits for busy_wait, then it is "
              "answered [IN-USE]; with refuse it is so at once; with takeover the other session is ended, without its "
              "deletions unless it has said QUIT. In any case the other client is asked whether it is still there: the session of "
              "one that does not answer is ended within 5 s, or at write_timeout if it had stopped reading long before."},
    {"busy_wait", &CONF_KIND_TIME, AT(busy_wait), "5s", .least = 100, .most = MINUTE, .reloads = true,
     .about = "How long a log-in waits for a maildrop that is in use, with wait and takeover."},
    {"allow_memory_store", &CONF_KIND_YES, AT(allow_memory_store), "no",
     .about = "Allows maildrops in memory that fail and sleep on request. For tests."},
    {"utf8_downgrade", &CONF_KIND_YES, AT(utf8_downgrade), "yes", .reloads = true,
     .about = "A POP3 client that has not said UTF8 gets, of a message whose header is not all ASCII, one that it can read: with "
              "other header fields and the same body (RFC 6858). no: every client gets every message as it is, and UTF8 is not "
              "announced."},
    {"language", &CONF_KIND_WORD, AT(language), "en", .words = languages, .reloads = true,
     .about = "The language that POP3 clients get which ask for the one the server prefers (LANG *): English, Catalan, Spanish, "
              "German or French. Who asks for none gets English."},

    {"postmaster", &CONF_KIND_NAME, AT(postmaster), "",
     .group = "Reception", .reloads = true,
     .about = "The user who gets the mail for postmaster, which RFC 5321 wants taken at every domain, where no alias and no "
              "user of that name does."},
    {"maildir_line_ends", &CONF_KIND_WORD, AT(line_ends), "lf", .words = line_ends,
     .about = "How messages that come in are stored: with lf, as other programs expect of a Maildir; with wire, with CRLF as "
              "they travel, for mailboxes that this server alone reads. Clients get the same octets either way."},
    {"lmtp_networks", &CONF_KIND_NETWORKS, AT(lmtp_networks), "127.0.0.0/8 ::1/128", .reloads = true,
     .about = "From where LMTP is spoken over TCP. Who speaks it may deliver to every mailbox, and is held to no limit per "
              "address."},
    {"xclient_networks", &CONF_KIND_NETWORKS, AT(xclient_networks), "", .reloads = true,
     .about = "From where a mail transfer agent may say, with XCLIENT, for whom it speaks: his name and address then stand in "
              "the Received field. Nothing: from nowhere."},
    {"message_size", &CONF_KIND_SIZE, AT(message_size), "50M", .least = 64 * KILO, .most = 2 * GIGA, .reloads = true,
     .about = "The largest message that is taken; announced with SIZE. RFC 5321 asks for 64k or more."},
    {"messages_memory", &CONF_KIND_SIZE, AT(messages_memory), "256M", .least = MEGA, .most = 64 * GIGA, .reloads = true,
     .about = "What the messages that are just coming in may take of memory together; one more is put off (452), and comes "
              "again later."},
    {"recipients", &CONF_KIND_NUMBER, AT(recipients), "1000", .least = 100, .most = 10000, .reloads = true,
     .about = "How many recipients a message may have at once; the sender comes again with those beyond it (452). RFC 5321 "
              "asks for 100 or more."},
    {"header_size", &CONF_KIND_SIZE, AT(header_size), "1M", .least = 16 * KILO, .most = 64 * MEGA, .reloads = true,
     .about = "The largest header that a message may have."},
    {"smtp_timeout", &CONF_KIND_TIME, AT(smtp_timeout), "5m", .least = 100, .most = HOUR, .reloads = true,
     .about = "How long a peer of SMTP or LMTP may be silent, between commands and within a message. RFC 5321 asks for five "
              "minutes or more."},
    {"smtp_connections", &CONF_KIND_NUMBER, AT(smtp_connections), "20", .least = 1, .most = 100000, .reloads = true,
     .about = "How many connections of SMTP one address may have open, or one IPv6 network of 64 bits."},
    {"smtp_messages", &CONF_KIND_NUMBER, AT(smtp_messages), "120", .least = 0, .most = 1000000, .reloads = true,
     .about = "How many messages a minute one address, or one IPv6 network of 64 bits, may begin over SMTP; more are put off. "
              "0: as many as it likes."},
    {"smtp_unknown", &CONF_KIND_NUMBER, AT(smtp_unknown), "20", .least = 0, .most = 10000, .reloads = true,
     .about = "How many recipients a session of SMTP may name that are not here, beyond one for each that is: then it is ended "
              "(421), so that nobody learns by trying who has a mailbox. A message that is under way reaches those who are "
              "here, and its sender comes again with the others. 0: as many as it likes."},
    {"deliver_threads", &CONF_KIND_NUMBER, AT(deliver_threads), "8", .least = 1, .most = 256,
     .about = "How many mailboxes of one uid are delivered to at once."},
    {"delivery_timeout", &CONF_KIND_TIME, AT(delivery_timeout), "5m", .least = 100, .most = HOUR, .reloads = true,
     .about = "How long a sender waits for a delivery that does not come to its end, as on a disk that hangs, until he is told "
              "to come again later (451)."},

    {"door_user", &CONF_KIND_USER, AT(door_user), "bustia-door",
     .group = "The roles",
     .about = "As whom the processes that talk to strangers run: the name or number of an account of its own."},
    {"auth_user", &CONF_KIND_USER, AT(auth_user), "bustia-auth",
     .about = "As whom the process that knows the users runs."},
    {"control_user", &CONF_KIND_USER, AT(control_user), "bustia-control",
     .about = "As whom the process that answers `bustia who` and `bustia kick` runs."},
    {"metrics_user", &CONF_KIND_USER, AT(metrics_user), "bustia-metrics",
     .about = "As whom the process that serves metrics_listen runs. Needed only with it."},
    {"run_dir", &CONF_KIND_FILE, AT(run_dir), "/run/bustia",
     .about = "The folder of the control socket; made at the start if it is missing."},
    {"pid_file", &CONF_KIND_FILE, AT(pid_file), "",
     .said = "bustiad.pid in run_dir",
     .about = "The file that holds the number of the master process."},
    {"metrics_listen", &CONF_KIND_LOOPBACK, AT(metrics_listen), "",
     .about = "Where counters and latencies are served, by HTTP, at /metrics in the text format of OpenMetrics: an address of this "
              "machine's loopback, for instance 127.0.0.1:9110. Everybody on this machine can read them. Nothing: nowhere."},

    {"log", &CONF_KIND_WORD, AT(log), "stderr", .words = log_places,
     .group = "The log", .reloads = true,
     .about = "Where the log goes."},
    {"log_file", &CONF_KIND_FILE, AT(log_file), "", .reloads = true,
     .about = "The file, with log = file. Opened anew at SIGHUP, for logrotate(8)."},
    {"log_level", &CONF_KIND_WORD, AT(log_level), "info", .words = log_levels, .reloads = true,
     .about = "The least that is worth a line; info has one line per session."},
    {"log_format", &CONF_KIND_WORD, AT(log_format), "text", .words = log_formats, .reloads = true,
     .about = "How a line is written: json makes each an object of JSON with the same facts in it."},

    {"connections", &CONF_KIND_NUMBER, AT(connections), "10000", .least = 1, .most = 1000000,
     .group = "Limits", .reloads = true,
     .about = "How many connections may be open at once. The last sixteenth is for addresses that have none. When it is full, and for others "
              "in that sixteenth, the oldest connection that has not logged in of the address that has the most of them makes room; if there "
              "is none, the new one is closed at once."},
    {"tls_waiting", &CONF_KIND_NUMBER, AT(tls_waiting), "1000", .least = 1, .most = 1000000, .reloads = true,
     .about = "How many TLS connections that have not logged in may be open, and as many again over which mail comes in; each costs "
              "some 30 kB. When there are so many, the oldest of the address that has the most of them makes room."},
    {"trusted_networks", &CONF_KIND_NETWORKS, AT(trusted_networks), "127.0.0.0/8 ::1/128", .reloads = true,
     .about = "From where many people come by one address, as from a webmail or a proxy: held to none of the limits per address that "
              "follow. Nothing: none is trusted so. Users' own limits hold from there too."},
    {"address_waiting", &CONF_KIND_NUMBER, AT(address_waiting), "500", .least = 0, .most = 1000000, .reloads = true,
     .about = "How many connections that have not logged in one address may have open, or one IPv6 network of 64 bits. For one more, the oldest "
              "of them that has been silent for five seconds is closed, or it is refused itself. 0: as many as it likes."},
    {"address_sessions", &CONF_KIND_NUMBER, AT(address_sessions), "1000", .least = 0, .most = 1000000, .reloads = true,
     .about = "How many sessions that have logged in one address may have at once. 0: as many as it likes."},
    {"address_logins", &CONF_KIND_NUMBER, AT(address_logins), "1200", .least = 0, .most = 1000000, .reloads = true,
     .about = "How many log-ins a minute one address may try, right or wrong: so many at once, and then as they come back over a minute. 0: "
              "as many as it likes."},
    {"address_failures", &CONF_KIND_NUMBER, AT(address_failures), "120", .least = 0, .most = 1000000, .reloads = true,
     .about = "How many wrong passwords a minute are taken from one address. Beyond them only users who have logged in from there "
              "within a day may try. 0: any number."},
    {"user_failures", &CONF_KIND_NUMBER, AT(user_failures), "10", .least = 0, .most = 1000000, .reloads = true,
     .about = "How many wrong passwords a minute are taken for one user from one address. What is tried from elsewhere does not count "
              "against him: nobody is locked out because of his name. 0: any number."},
    {"user_sessions", &CONF_KIND_NUMBER, AT(user_sessions), "20", .least = 0, .most = 1000000, .reloads = true,
     .about = "How many sessions one user may have at once; who waits for his maildrop is none yet. 0: as many as he likes."},
    {"user_logins", &CONF_KIND_NUMBER, AT(user_logins), "600", .least = 0, .most = 1000000, .reloads = true,
     .about = "How many times a minute one user may log in. 0: as often as he likes."},
    {"memory_buffers", &CONF_KIND_SIZE, AT(memory_buffers), "8M", .least = 64 * KILO, .most = 64 * GIGA,
     .about = "What the buffers of one process may hold together; beyond it peers are served in small pieces."},
    {"password_threads", &CONF_KIND_NUMBER, AT(password_threads), "2", .least = 1, .most = 64,
     .about = "How many passwords may be checked at once; each takes 17 MB and a processor."},
    {"password_waiting", &CONF_KIND_NUMBER, AT(password_waiting), "1000", .least = 1, .most = 100000,
     .about = "How many log-ins may wait for a check; one more is refused as a passing trouble."},
    {"password_remember", &CONF_KIND_TIME, AT(password_remember), "10m", .least = 0, .most = 24 * HOUR, .reloads = true,
     .about = "How long a password just checked need not be checked the dear way again. 0: each time."},
    {"login_delay", &CONF_KIND_TIME, AT(login_delay), "0s", .least = 0, .most = 7 * 24 * HOUR, .reloads = true,
     .about = "The least time from one log-in of a user to the next, in whole seconds, announced with LOGIN-DELAY (RFC 2449 6.5). "
              "`bustia user set NAME --login-delay` gives a user another. 0: none."},
    {"expire", &CONF_KIND_DAYS, AT(expire), "never", .least = 0, .most = 36500, .reloads = true,
     .about = "How many days a message stays, announced with EXPIRE (RFC 2449 6.7). `bustia user set NAME --expire` gives a "
              "user another number. `bustia expire` removes what is older; 0: it is removed at the end of the session that has "
              "read it."},
    {"expire_state", &CONF_KIND_FILE, AT(expire_state), "/var/lib/bustia-expire/state", .reloads = true,
     .about = "Where `bustia expire` keeps what it knows of the clock and of its last run: it removes nothing after the clock "
              "has jumped by over a day, until that is confirmed."},
    {"failure_delay", &CONF_KIND_TIME, AT(failure_delay), "2s", .least = 0, .most = MINUTE, .reloads = true,
     .about = "How long a refused log-in waits for its answer."},
    {"authorization_timeout", &CONF_KIND_TIME, AT(authorization_timeout), "180s", .least = 100, .most = HOUR, .reloads = true,
     .about = "From the connection to the log-in."},
    {"command_timeout", &CONF_KIND_TIME, AT(command_timeout), "60s", .least = 100, .most = HOUR, .reloads = true,
     .about = "From the first octet of a command to its end."},
    {"idle_timeout", &CONF_KIND_TIME, AT(idle_timeout), "10m", .least = 100, .most = 24 * HOUR, .reloads = true,
     .about = "How long a session may be silent. RFC 1939 asks for ten minutes or more."},
    {"write_timeout", &CONF_KIND_TIME, AT(write_timeout), "2m", .least = 100, .most = HOUR, .reloads = true,
     .about = "How long a client may take nothing of what is sent."},
    {"drain_timeout", &CONF_KIND_TIME, AT(drain_timeout), "30s", .least = 0, .most = 24 * HOUR, .reloads = true,
     .about = "How long sessions may go on after SIGTERM."},
};
/* clang-format on */

_Static_assert(sizeof table / sizeof *table <= CONF_OPTIONS, "struct conf has a line for each");
_Static_assert(sizeof(enum conf_log) == sizeof(unsigned) && sizeof(enum conf_level) == sizeof(unsigned) &&
                   sizeof(enum conf_lines) == sizeof(unsigned) && sizeof(enum conf_format) == sizeof(unsigned) &&
                   sizeof(enum conf_busy) == sizeof(unsigned) && sizeof(enum conf_language) == sizeof(unsigned),
               "words are kept as their number");

const struct conf_schema conf_schema_server = {
    table, sizeof table / sizeof *table, "bustia.conf(5)",
    "# bustia.conf: the configuration of bustiad(8). bustia.conf(5) explains it; `bustia check` checks it.\n"
    "#\n"
    "# Every option stands here with its default, but for \"listen\" and \"hostname\": their defaults are said above\n"
    "# their lines, which are examples. To change an option, take away the \"#\" before it.\n"
    "# A line is NAME = VALUE; a \"#\" at its start or after a blank begins a comment.\n"};

unsigned conf_line(const struct conf *c, const char *name)
{
    unsigned i = conf_find(&conf_schema_server, span_of(name));
    return i < conf_schema_server.count ? c->lines[i] : 0;
}
