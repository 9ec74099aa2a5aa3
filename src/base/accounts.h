/* accounts: the file of a person's accounts, in the configuration's syntax (base/conf.h) and read by the same reader: a table of
 * options, all errors at once with file:line and the nearest known name.
 *
 *     interval = 10m              before the first account: for all of them
 *     account = work              begins one; what follows is about it
 *     server = pop.example.org
 *     user = anna@example.org
 *     password_command = pass show work
 *     deliver = maildir:~/Mail/work */
#ifndef BASE_ACCOUNTS_H
#define BASE_ACCOUNTS_H

#include <stdint.h>

#include "base/conf.h"

enum { ACCOUNTS_MAX = 100, ACCOUNT_OPTIONS = 64, ACCOUNT_NAME_MAX = 64 };

enum account_tls { ACCOUNT_TLS, ACCOUNT_STARTTLS, ACCOUNT_CLEAR }; /* tls = implicit | starttls | none */
enum account_oversize { ACCOUNT_SKIP, ACCOUNT_HEADERS, ACCOUNT_DELETE };

struct account {
    char *name; /* letters, digits, "." "_" "-" "@" "+", neither "." nor "-" first: it names files */
    /* the server */
    char *server;                  /* host; with a port if it is not 995 or 110: "pop.example.org:1995" */
    char *tls_ca, *tls_fingerprint, *tls_cert, *tls_key;
    char *user;
    char *auth;                    /* ways to log in that are allowed: SASL mechanisms, APOP, USER; "": the best, without APOP */
    char *password_command, *password_file, *token_command;
    uint64_t connect_timeout, silence_timeout, check_timeout; /* ms; check_timeout 0: none */
    uint64_t window;               /* commands ahead; 0: as many as the machine allows */
    /* what is fetched, what is left */
    uint64_t remove_after;         /* with `remove`: ms since we first saw it; 0: at once */
    uint64_t keep_newest;          /* 0: any number */
    uint64_t size_limit;           /* 0: none */
    uint64_t attempts;             /* until a message goes to quarantine */
    /* where it goes */
    char *deliver;                 /* maildir:PATH, mailbox:USER, lmtp:HOST:PORT or lmtp:/SOCKET, smtp:HOST:PORT, command:WORDS */
    char *deliver_from, *deliver_to; /* the envelope of lmtp and smtp */
    char *deliver_tls_ca;
    /* when, and who is told */
    uint64_t interval;             /* ms, of --watch */
    char *notice_command;
    uint64_t notice_after;         /* failures in a row */
    /* `bustia send` */
    char *from;                    /* "Anna <anna@example.org>" */
    char *smtp_server;             /* host; with a port if it is not 465 or 587 */
    char *smtp_user;               /* "": user */
    char *smtp_tls_ca, *smtp_tls_fingerprint;
    char *smtp_auth, *smtp_password_command, *smtp_password_file;
    /* one of a few words */
    enum account_tls tls;
    enum account_tls deliver_tls;  /* of smtp */
    enum account_tls smtp_tls;
    enum account_oversize oversize;
    bool enabled;                  /* no: passed over unless it is named */
    bool netrc;
    bool remove;                   /* delete = never | now | 14d: never → false */
    unsigned line;                 /* where it begins */
    unsigned lines[ACCOUNT_OPTIONS]; /* where the file says it; 0: a default. account_line */
};

struct accounts {
    struct account account[ACCOUNTS_MAX]; /* those that are there, in the file's order */
    unsigned count;
    char *state_folder; /* absolute: $XDG_STATE_HOME/bustia, ~/.local/state/bustia; "": there is no $HOME, which is a problem */
    char *file;         /* as it was read */
};

/* $BUSTIA_ACCOUNTS, $XDG_CONFIG_HOME/bustia/accounts, ~/.config/bustia/accounts; NULL: none of them is set. Free with mem_free. */
char *accounts_file(void);
/* The one that is named, or else that of accounts_file. NULL, and ERR_CONFIG with what to do, if there is none. Free with mem_free. */
char *accounts_file_of(const char *named, struct err *err);
/* Fills `a`, adds everything that is wrong: with the file, that others may write it. -1: the file cannot be read. Free with
 * accounts_free, also then. What was read with problems that are fatal is fit for being shown, not for being used. */
int accounts_load(struct accounts *a, const char *file, struct conf_problems *p, struct err *err);
void accounts_read(struct accounts *a, struct span text, struct conf_problems *p);
void accounts_free(struct accounts *a);
const struct account *accounts_find(const struct accounts *a, const char *name); /* NULL: there is none */
const char *accounts_near(const struct accounts *a, const char *name); /* what it was probably meant to be, or NULL */
unsigned account_line(const struct account *a, const char *option);    /* 0: a default */

/* Host and port of `server`, `smtp_server` or a destination's address; "[::1]:995" too. `port_else` 0: it must name one. false: not well
 * formed. Free *host with mem_free. */
bool account_address(const char *text, unsigned port_else, char **host, unsigned *port);
enum { ACCOUNT_PORT_POP3 = 110, ACCOUNT_PORT_POP3S = 995, ACCOUNT_PORT_SMTP = 25, ACCOUNT_PORT_SUBMIT = 587, ACCOUNT_PORT_SUBMITS = 465 };
/* Those of an account, with the port that its TLS means. Also where it does not fit together: "" then. */
void account_server(const struct account *a, char **host, unsigned *port);
void account_smtp_server(const struct account *a, char **host, unsigned *port);
bool account_loopback(const char *host); /* on this machine, by its name: nobody is on the way */

/* `deliver` taken apart: "maildir:/home/anna/Mail" is ACCOUNT_MAILDIR and "/home/anna/Mail". NULL, or what is wrong with it. */
enum account_way { ACCOUNT_MAILDIR, ACCOUNT_MAILBOX, ACCOUNT_LMTP, ACCOUNT_SMTP, ACCOUNT_COMMAND, ACCOUNT_WAYS };
const char *account_deliver(const char *deliver, enum account_way *way, const char **rest);
const char *account_way_name(enum account_way way);

/* A path with "~/" for $HOME, absolute and without ".."; NULL and *why. Accounts that were read have such paths only, also in `deliver`.
 * Free with mem_free. */
char *account_path(const char *text, const char **why);

char *accounts_state_folder(void); /* NULL: neither XDG_STATE_HOME nor HOME is set */
void accounts_print(const struct accounts *a, FILE *to); /* as they were read, defaults included, in the file's syntax */
void accounts_sample(FILE *to); /* every option with its sentence, all commented out */
void accounts_manual(FILE *to); /* the manual's list, as mdoc(7) items */

#endif
