/* script: a dialogue as data. A file tells first what the server knows and offers, then what is said.
 *
 *   # …                      a comment
 *   user NAME PASSWORD       may log in (the password is the rest of the line)
 *   apop NAME SECRET         may use APOP
 *   fault NAME KIND          the right password leads to this refusal: busy, temp, perm, limit
 *   stamp <…>                APOP is offered
 *   sasl WORDS               mechanisms that need no encryption
 *   sasl-clear WORDS         mechanisms that show the password
 *   expire WORDS             EXPIRE's arguments before the log-in
 *   expire-own WORD          the same after it, "0" among them
 *   login-delay WORDS        LOGIN-DELAY's arguments before the log-in;  login-delay-own WORD: after it
 *   sasl-tls WORDS           mechanisms that need TLS to bind to
 *   tls                      STLS is offered;  tls-active: inside TLS already
 *   utf8                     UTF8 is offered
 *   no-clear                 passwords are not taken outside TLS
 *   commit KIND LEFT         how the removal at QUIT ends
 *   message UID [KIND]       a message; KIND: opening it fails so (gone, temp)
 *   |text                    a line of the message, ended by LF
 *
 * and about reception (smtp_play.c):
 *
 *   lmtp                     speaks LMTP; else SMTP
 *   xclient                  the peer may use XCLIENT;  tls-busy: STARTTLS is put off
 *   size N, recipients N, unknown N, received N, header N   the limits
 *   answer WHAT VERDICT      what the owner says to it, instead of ok. WHAT: "mail ADDRESS", "rcpt ADDRESS";
 *                            "message N" and "deliver N", the Nth that is asked for; "piece", all of them
 *
 * and about the client's half (pop3c_play.c, which says how its own lines are read):
 *
 *   rows N, octets N, window N   the client's limits
 *   whole                    what comes too early depends on the cut: not played in pieces
 *   O: text                  what the client's owner does next
 *
 * and then:
 *
 *   C: text                  the client's line, ended by CRLF
 *   S: text                  the server's line, ended by CRLF
 *   M: text                  a line of the message that is to be delivered, ended by CRLF
 *   E: text                  what the machine wanted then: tls, cancelled, remove N…, closed; mail ADDRESS…, rcpt
 *                            ADDRESS, deliver N (recipients; its lines follow), reset
 *   A: KIND text             the owner ends the session with this reason
 *   --                       the client has waited for all answers so far
 *
 * Escapes in texts: \r \n \0 \t \\ \xNN, \{300 ab} = "ab" 300 times, \c at the end = no line end. */
#ifndef TESTS_DIALOGUE_SCRIPT_H
#define TESTS_DIALOGUE_SCRIPT_H

#include "base/buf.h"
#include "base/err.h"

struct script_user {
    char *name, *password, *secret; /* NULL: not by this way */
    enum err_kind fault;
};

struct script_message {
    char *uid;
    struct buf text;
    enum err_kind fault;
};

enum script_what { SCRIPT_CLIENT, SCRIPT_SERVER, SCRIPT_MESSAGE, SCRIPT_EVENT, SCRIPT_OWNER, SCRIPT_ABORT, SCRIPT_WAIT };

struct script_item {
    enum script_what what;
    enum err_kind kind; /* SCRIPT_ABORT */
    char *bytes;        /* with the line end; events without */
    size_t n;
    unsigned line;
};

/* A line of the head that a player reads for itself. */
struct script_fact {
    char *word, *rest;
};

struct script {
    struct script_user *users;
    struct script_message *messages;
    struct script_item *items;
    struct script_fact *facts;
    unsigned user_count, message_count, item_count, fact_count;
    char *stamp, *sasl, *sasl_clear, *sasl_tls, *expire, *expire_own;
    bool tls, tls_active, no_clear;
    enum err_kind commit;
    size_t commit_left;
};

/* Ends the program with a sentence if the file is not well formed. */
void script_read(struct script *s, const char *path);
void script_free(struct script *s);
const char *script_fact(const struct script *s, const char *word);         /* its rest of the line, or NULL */
struct script_user *script_user(const struct script *s, struct span name); /* or NULL */

#endif
