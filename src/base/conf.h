/* conf: every option of the server in one table: name, kind, default, limits, one sentence. The table reads the file, checks it,
 * writes the sample file (`bustia conf --sample`) and the manual's list.
 *
 * Syntax: `name = value` on a line; `#` begins a comment at the start of a line or after white space; an option that may be repeated
 * (listen, tls_also, mail_root) adds to a list, any other may stand once. Times: 500ms, 30s, 10m, 2h, 14d (a bare number is seconds). Sizes: 64k, 8M. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/span.h"

enum { CONF_LISTENERS = 16, CONF_ROOTS = 16, CONF_PAIRS = 32, CONF_OPTIONS = 128 };
#define CONF_NEVER UINT32_MAX /* of days */

enum conf_service { CONF_POP3, CONF_POP3S, CONF_LMTP, CONF_SMTP, CONF_SERVICES };
const char *conf_service_name(enum conf_service s); /* as it is written, "pop3" */

struct conf_listener {
    char *address; /* ADDRESS:PORT, or the absolute path of a unix socket */
    enum conf_service service;
    bool cleartext; /* false: passwords need TLS here whatever cleartext_networks says */
    bool proxy;     /* each connection begins with a proxy's word about whose it is (net/proxy.h) */
    unsigned mode;  /* of a unix socket */
    char *group;    /* of a unix socket, name or number; "" = the server's own */
    unsigned line;  /* in the file, 0 = a default */
};
enum { CONF_SOCKET_PATH = 107, CONF_SOCKET_MODE = 0666 }; /* octets of a unix socket's name (unix(7)); its default mode */
bool conf_listener_unix(const struct conf_listener *l);

/* A further certificate and its key, for names of its own. */
struct conf_pair {
    char *cert, *key;
    unsigned line;
};

enum conf_log { CONF_LOG_STDERR, CONF_LOG_SYSLOG, CONF_LOG_FILE };
enum conf_format { CONF_FORMAT_TEXT, CONF_FORMAT_JSON };
enum conf_lines { CONF_LINES_LF, CONF_LINES_WIRE };
enum conf_busy { CONF_BUSY_WAIT, CONF_BUSY_REFUSE, CONF_BUSY_TAKEOVER };
enum conf_language { CONF_ENGLISH, CONF_CATALAN, CONF_SPANISH, CONF_GERMAN, CONF_FRENCH };
enum conf_level { CONF_LEVEL_ERROR, CONF_LEVEL_WARNING, CONF_LEVEL_INFO, CONF_LEVEL_DEBUG };

struct conf {
    /* where it listens */
    struct conf_listener listen[CONF_LISTENERS];
    unsigned listeners;
    char *hostname;              /* in greetings; default: the machine's */
    char *tls_cert, *tls_key;    /* PEM; "" = no TLS */
    struct conf_pair tls_also[CONF_PAIRS];
    unsigned tls_pairs;          /* of tls_also */
    uint64_t tls_watch;          /* ms between two looks at the files of TLS; 0 = only at SIGHUP */
    char *tls_client_ca;         /* PEM; "" = clients are not asked for certificates */
    char *cleartext_networks;    /* where passwords may come without TLS; default loopback */
    char *proxy_networks;        /* who may say whose a connection is, on listeners with proxy=required */
    /* people and mail */
    char *users_db;
    char *sasl_mechanisms;
    char *mail_root[CONF_ROOTS]; /* stores must lie below one of them */
    unsigned mail_roots;
    char *store_default;         /* for `bustia user add`: "maildir:/var/mail/bustia/{user}" */
    char *mail_user;             /* for `bustia user add`: the uid of virtual users, name or number */
    uint64_t first_uid;          /* no mailbox is opened for a uid below it */
    uint64_t mail_sessions;      /* how many sessions a mail process holds; 1 = a process each */
    uint64_t mail_idle;          /* ms without sessions until a mail process ends */
    uint64_t store_threads;      /* threads that may be held up by a slow store, per mail process */
    enum conf_busy busy;         /* who comes to a maildrop that another session holds */
    uint64_t busy_wait;          /* ms that he waits for it */
    bool allow_memory_store;
    bool utf8_downgrade;         /* surrogates of messages whose header is not ASCII */
    enum conf_language language; /* what LANG * selects */
    /* reception */
    char *postmaster;              /* the user who gets postmaster's mail where nobody else is named; "" = nobody */
    enum conf_lines line_ends;     /* maildir_line_ends: how messages that come in are stored */
    char *lmtp_networks;           /* who may speak LMTP over TCP */
    char *xclient_networks;        /* who may say for whom he speaks (XCLIENT) */
    uint64_t message_size;         /* octets of a message */
    uint64_t messages_memory;      /* octets of all messages that are coming in, per door */
    uint64_t recipients;           /* of one message */
    uint64_t header_size;          /* octets of a header */
    uint64_t smtp_timeout;         /* ms for a command, or a piece of a message */
    uint64_t smtp_connections;     /* of SMTP, per address */
    uint64_t smtp_messages;        /* of SMTP, per address and minute; 0 = no limit */
    uint64_t smtp_unknown;         /* recipients of a session of SMTP that are not here; 0 = no limit */
    uint64_t deliver_threads;      /* deliveries side by side in a process */
    uint64_t delivery_timeout;     /* ms until a delivery that does not come to its end is a passing trouble */
    /* roles */
    char *door_user, *auth_user, *control_user, *metrics_user; /* names or numbers */
    char *metrics_listen;        /* ADDRESS:PORT on loopback; "" = nobody is served */
    char *run_dir;               /* control socket */
    char *pid_file;              /* "" = run_dir/bustiad.pid */
    /* log */
    enum conf_log log;           /* log = stderr | syslog | file */
    char *log_file;
    enum conf_level log_level;
    enum conf_format log_format;
    /* limits */
    uint64_t connections;        /* open connections before and after log-in */
    uint64_t tls_waiting;        /* TLS connections that have not logged in */
    char *trusted_networks;      /* many people behind one address: no limits per address */
    uint64_t address_waiting, address_sessions; /* of one address: connections before and after log-in; 0 = no limit, as below */
    uint64_t address_logins, address_failures;  /* a minute, from one address */
    uint64_t user_failures;      /* a minute, for one user from one address */
    uint64_t user_sessions, user_logins; /* of one user; logins: a minute */
    uint64_t memory_buffers;     /* bytes of buffers per process beyond which peers get small pieces */
    uint64_t password_threads, password_waiting, password_remember; /* remember: ms */
    uint64_t login_delay;        /* ms between two log-ins of a user who has none of his own; 0 = none */
    uint64_t expire;             /* days that messages of a user stay who has none of his own; or CONF_NEVER */
    char *expire_state;          /* what `bustia expire` knows of the clock and of its last run */
    uint64_t failure_delay;      /* ms until a refused log-in is answered */
    uint64_t authorization_timeout, command_timeout, idle_timeout, write_timeout, drain_timeout; /* ms */
    /* where the file says it, 0 = a default; ask conf_line */
    unsigned lines[CONF_OPTIONS];
    unsigned mail_root_line[CONF_ROOTS];
};

/* A list of everything that is wrong, in order of lines. */
struct conf_problem {
    unsigned line; /* 0: about the file as a whole */
    bool fatal;    /* else a warning */
    char *text;    /* what is wrong and the remedy */
};
struct conf_problems {
    struct conf_problem *list;
    unsigned count, fatal;
};
void conf_problem_add(struct conf_problems *p, unsigned line, bool fatal, const char *format, ...) __attribute__((format(printf, 4, 5)));
void conf_problems_free(struct conf_problems *p);
/* "FILE:LINE: error|warning: text", one a line. */
void conf_problems_print(const struct conf_problems *p, const char *file, FILE *to);

/* Reads `text`; fills every option (defaults where it says nothing) and adds what is wrong: unknown words with the nearest known
 * one, wrong values, options given twice, what does not fit together. Never fails otherwise. Free with conf_free. */
void conf_read(struct conf *c, struct span text, struct conf_problems *p);
void conf_free(struct conf *c);

/* The same from a file (at most 1 MB). -1: it cannot be read; `c` is then as after conf_read of an empty text. */
int conf_load(struct conf *c, const char *path, struct conf_problems *p, struct err *err);

/* The known name that `word` was probably meant to be, NULL if none is near. `names` ends with NULL. */
const char *conf_nearest(struct span word, const char *const *names);
/* Of a command line's options, without "=" and what is behind it; a single letter is no near miss of another. */
const char *conf_nearest_option(const char *word, const char *const *names);

/* Does `path` lie in `folder` (or is it)? By their names; both absolute. */
bool conf_path_below(const char *path, const char *folder);

/* The line of the file that set an option, 0 if none: for checks that other rooms make (readable keys, known users). */
unsigned conf_line(const struct conf *c, const char *name);

/* The whole configuration in the file's syntax, such that conf_read gives the same: how the master hands it to the roles. */
void conf_print(const struct conf *c, FILE *to);
/* The shipped sample: every option with its sentence, kind and default, all commented out. */
void conf_sample(FILE *to);
/* The manual's list, as mdoc(7) items. */
void conf_manual(FILE *to);

/* true: the daemon takes a changed value up at SIGHUP; false: at the next start. For the log and the manual. */
bool conf_reloads(const char *name);
/* Calls fn with the name of each option whose value differs. */
void conf_differ(const struct conf *a, const struct conf *b, void (*fn)(void *arg, const char *name), void *arg);

/* What cannot be taken up in place stays: each option of `fresh` that does not reload gets the value it has in `old`. */
void conf_keep(struct conf *fresh, const struct conf *old);

#endif
