/* base/accounts: reading, defaults for all, what is wrong and with which words, printing so that reading gives the
 * same, the sample and the manual's list, places, hosts and destinations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/accounts.h"
#include "base/conf_table.h"
#include "base/mem.h"
#include "guard.h"

/* ---- helpers */

static void read_text(struct accounts *a, const char *text, struct conf_problems *p)
{
    char *guarded = guard_copy(text, strlen(text));
    accounts_read(a, (struct span){guarded, strlen(text)}, p);
    guard_free(guarded);
}

static char *told(const struct conf_problems *p)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    conf_problems_print(p, "f", to);
    fclose(to);
    return text;
}

static char *printed(const struct accounts *a)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    accounts_print(a, to);
    fclose(to);
    return text;
}

static void assert_prints_itself(const struct accounts *a)
{
    struct accounts again;
    struct conf_problems p = {0};
    char *text = printed(a);
    read_text(&again, text, &p);
    assert_int_equal(p.fatal, 0);
    char *text_again = printed(&again);
    assert_string_equal(text, text_again);
    free(text);
    free(text_again);
    accounts_free(&again);
    conf_problems_free(&p);
}

static void assert_told(const char *text, const char *wanted)
{
    struct accounts a;
    struct conf_problems p = {0};
    read_text(&a, text, &p);
    char *said = told(&p);
    assert_string_equal(said, wanted);
    free(said);
    accounts_free(&a);
    conf_problems_free(&p);
}

#define HEAD "account = work\nserver = pop.example.org\nuser = anna\n" /* three lines */
#define GOOD HEAD "deliver = maildir:/m\n"                             /* four */

/* ---- values */

static void defaults(void **state)
{
    struct accounts a;
    struct conf_problems p = {0};
    read_text(&a, GOOD, &p);
    assert_int_equal(p.count, 0);
    assert_int_equal(a.count, 1);
    const struct account *w = &a.account[0];
    assert_string_equal(w->name, "work");
    assert_int_equal(w->line, 1);
    assert_true(w->enabled);
    assert_string_equal(w->server, "pop.example.org");
    assert_int_equal(w->tls, ACCOUNT_TLS);
    assert_string_equal(w->tls_ca, "");
    assert_string_equal(w->tls_fingerprint, "");
    assert_string_equal(w->tls_cert, "");
    assert_string_equal(w->tls_key, "");
    assert_string_equal(w->user, "anna");
    assert_string_equal(w->auth, "");
    assert_string_equal(w->password_command, "");
    assert_string_equal(w->password_file, "");
    assert_string_equal(w->token_command, "");
    assert_false(w->netrc);
    assert_int_equal(w->connect_timeout, 30000);
    assert_int_equal(w->silence_timeout, 60000);
    assert_int_equal(w->window, 0);
    assert_false(w->remove);
    assert_int_equal(w->remove_after, 0);
    assert_int_equal(w->keep_newest, 0);
    assert_int_equal(w->size_limit, 0);
    assert_int_equal(w->oversize, ACCOUNT_SKIP);
    assert_int_equal(w->attempts, 5);
    assert_string_equal(w->deliver, "maildir:/m");
    assert_string_equal(w->deliver_from, "");
    assert_string_equal(w->deliver_to, "");
    assert_int_equal(w->deliver_tls, ACCOUNT_CLEAR);
    assert_int_equal(w->interval, 600000);
    assert_string_equal(w->notice_command, "");
    assert_int_equal(w->notice_after, 5);
    assert_string_equal(w->from, "");
    assert_string_equal(w->smtp_server, "");
    assert_int_equal(w->smtp_tls, ACCOUNT_TLS);
    assert_string_equal(w->smtp_user, "");
    assert_string_equal(w->smtp_auth, "");
    assert_string_equal(w->smtp_password_command, "");
    assert_string_equal(w->smtp_password_file, "");
    assert_int_equal(account_line(w, "server"), 2);
    assert_int_equal(account_line(w, "tls"), 0);
    assert_int_equal(account_line(w, "no such option"), 0);
    assert_string_equal(a.state_folder, "/state/bustia");
    assert_string_equal(a.file, "");
    assert_prints_itself(&a);
    accounts_free(&a);
    conf_problems_free(&p);
}

static const char every_option[] =
    "account = home+1@x-y_z\n"
    "enabled = no\n"
    "server = [2001:db8::1]:1995\n"
    "tls = starttls\n"
    "tls_ca = ~/ca.pem\n"
    "tls_fingerprint = "
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff\n"
    "tls_cert = /c\n"
    "tls_key = ~//k/\n"
    "user = anna muster\n"
    "auth = XOAUTH2   USER\n"
    "password_command = pass show \"a b\" | head -1\n"
    "token_command = oama access anna@example.org # a comment\n"
    "connect_timeout = 1500ms\n"
    "silence_timeout = 5\n"
    "window = 1\n"
    "delete = 14d\n"
    "keep_newest = 500\n"
    "size_limit = 10M\n"
    "oversize = headers\n"
    "attempts = 3\n"
    "deliver = lmtp:/run//dovecot/lmtp\n"
    "deliver_from = anna@example.org\n"
    "deliver_to = otto\n"
    "interval = 36h\n"
    "notice_command = notify-send x\n"
    "notice_after = 7\n"
    "from = Anna Müster <anna@example.org>\n"
    "smtp_server = smtp.example.org:25\n"
    "smtp_tls = starttls\n"
    "smtp_user = a\n"
    "smtp_auth = PLAIN\n"
    "smtp_password_file = ~/p\n";

static void values(void **state)
{
    struct accounts a;
    struct conf_problems p = {0};
    read_text(&a, every_option, &p);
    char *said = told(&p);
    assert_string_equal(said, "");
    free(said);
    const struct account *w = &a.account[0];
    assert_string_equal(w->name, "home+1@x-y_z");
    assert_false(w->enabled);
    assert_string_equal(w->server, "[2001:db8::1]:1995");
    assert_int_equal(w->tls, ACCOUNT_STARTTLS);
    assert_string_equal(w->tls_ca, "/home/anna/ca.pem");
    assert_int_equal(strlen(w->tls_fingerprint), 95);
    assert_string_equal(w->tls_key, "/home/anna/k");
    assert_string_equal(w->user, "anna muster");
    assert_string_equal(w->auth, "XOAUTH2 USER");
    assert_string_equal(w->password_command, "pass show \"a b\" | head -1");
    assert_string_equal(w->token_command, "oama access anna@example.org");
    assert_int_equal(w->connect_timeout, 1500);
    assert_int_equal(w->silence_timeout, 5000);
    assert_int_equal(w->window, 1);
    assert_true(w->remove);
    assert_int_equal(w->remove_after, 14ull * 86400000);
    assert_int_equal(w->keep_newest, 500);
    assert_int_equal(w->size_limit, 10 << 20);
    assert_int_equal(w->oversize, ACCOUNT_HEADERS);
    assert_int_equal(w->attempts, 3);
    assert_string_equal(w->deliver, "lmtp:/run/dovecot/lmtp");
    assert_string_equal(w->deliver_to, "otto");
    assert_int_equal(w->interval, 36 * 3600000);
    assert_int_equal(w->notice_after, 7);
    assert_string_equal(w->from, "Anna Müster <anna@example.org>");
    assert_string_equal(w->smtp_server, "smtp.example.org:25");
    assert_int_equal(w->smtp_tls, ACCOUNT_STARTTLS);
    assert_string_equal(w->smtp_password_file, "/home/anna/p");
    assert_prints_itself(&a);
    accounts_free(&a);
    conf_problems_free(&p);
}

static void what_is_said_for_all(void **state)
{
    struct accounts a;
    struct conf_problems p = {0};
    read_text(&a,
              "interval = 2h\n"
              "delete = now\n"
              "netrc = yes\n"
              "deliver = maildir:~/Mail\n" GOOD "interval = 1m\n"
              "delete = never\n"
              "account = home\nserver = pop.example.com\nuser = anna\n",
              &p);
    assert_int_equal(p.count, 0);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.account[0].interval, 60000);
    assert_int_equal(account_line(&a.account[0], "interval"), 9);
    assert_false(a.account[0].remove);
    assert_true(a.account[0].netrc);
    assert_string_equal(a.account[0].deliver, "maildir:/m");
    assert_int_equal(a.account[1].interval, 7200000);
    assert_int_equal(account_line(&a.account[1], "interval"), 1);
    assert_true(a.account[1].remove);
    assert_int_equal(a.account[1].remove_after, 0);
    assert_string_equal(a.account[1].deliver, "maildir:/home/anna/Mail");
    assert_int_equal(a.account[1].line, 11);
    assert_ptr_equal(accounts_find(&a, "home"), &a.account[1]);
    assert_null(accounts_find(&a, "hom"));
    assert_string_equal(accounts_near(&a, "hom"), "home");
    assert_string_equal(accounts_near(&a, "Work"), "work");
    assert_null(accounts_near(&a, "elsewhere"));
    assert_prints_itself(&a);
    accounts_free(&a);
    conf_problems_free(&p);
}

/* ---- what is wrong with one value */

#define FINGERPRINT                                                                                                    \
    "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:"                                                                 \
    "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB"
#define NO_PASSWORD "no password stands in this file; name password_file, password_command or netrc"

static const struct {
    const char *line; /* the fifth */
    const char *said;
} wrong_values[] = {
    {"servre = x", "f:5: error: unknown option \"servre\"; did you mean \"server\"?\n"},
    {"listen = x", "f:5: error: unknown option \"listen\"; bustia-accounts(5) lists those that there are\n"},
    {"interval", "f:5: error: \"interval\" has no \"=\"; write interval = VALUE\n"},
    {"server = b.example.org", "f:5: error: server stands on line 2 already; keep one of the two\n"},
    {"tls = ssl", "f:5: error: tls = \"ssl\" is no word that is known here; write implicit, starttls or none\n"},
    {"tls = starttl", "f:5: error: tls = \"starttl\" is no word that is known here; did you mean \"starttls\"? "
                      "(implicit, starttls or none)\n"},
    {"tls_ca = ca.pem",
     "f:5: error: tls_ca = \"ca.pem\" is not absolute; write it from the root \"/\", or from the home folder \"~/\"\n"},
    {"tls_ca = ~otto/ca", "f:5: error: tls_ca = \"~otto/ca\" begins with \"~\"; write \"~/\" for the home folder, or "
                          "the path from the root \"/\"\n"},
    {"tls_ca = ~/../x", "f:5: error: tls_ca = \"~/../x\" has \"..\" in it; write the path without it\n"},
    {"tls_fingerprint = 00:11", "f:5: error: tls_fingerprint = \"00:11\" is no SHA-256 fingerprint, which has 64 "
                                "hexadecimal digits; `bustia fetch "
                                "--test` and `openssl x509 -noout -fingerprint -sha256` print it\n"},
    {"tls_fingerprint = sha256 Fingerprint=" FINGERPRINT, ""},
    {"tls_fingerprint = SHA256 Fingerprint=" FINGERPRINT, ""},
    {"tls_fingerprint = MD5 Fingerprint=00:11", "f:5: error: tls_fingerprint = \"MD5 Fingerprint=00:11\" is no SHA-256 "
                                                "fingerprint, which has 64 hexadecimal digits; `bustia fetch --test` "
                                                "and `openssl x509 -noout -fingerprint -sha256` print it\n"},
    {"tls_fingerprint = sha256 Fingerprint=", "f:5: error: tls_fingerprint = \"sha256 Fingerprint=\" is no SHA-256 "
                                              "fingerprint, which has 64 hexadecimal digits; `bustia fetch --test` and "
                                              "`openssl x509 -noout -fingerprint -sha256` print it\n"},
    {"password = secret", "f:5: error: unknown option \"password\"; " NO_PASSWORD "\n"},
    {"Passwd = secret", "f:5: error: unknown option \"Passwd\"; " NO_PASSWORD "\n"},
    {"pass = secret", "f:5: error: unknown option \"pass\"; " NO_PASSWORD "\n"},
    {"smtp_password = secret", "f:5: error: unknown option \"smtp_password\"; no password stands in this file; name "
                               "smtp_password_file or smtp_password_command\n"},
    {"password_file = \"~/p\"",
     "f:5: error: password_file = \"\\x22~/p\\x22\" begins with a quote; leave out the quotes\n"},
    {"tls_ca = '/ca'", "f:5: error: tls_ca = \"'/ca'\" begins with a quote; leave out the quotes\n"},
    {"auth = PLIAN", "f:5: error: auth = \"PLIAN\" has the unknown word \"PLIAN\"; did you mean \"PLAIN\"? (EXTERNAL, "
                     "OAUTHBEARER, XOAUTH2, "
                     "SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN, LOGIN, APOP or USER)\n"},
    {"netrc = maybe", "f:5: error: netrc = \"maybe\" is neither yes nor no\n"},
    {"connect_timeout = 2h", "f:5: error: connect_timeout = \"2h\" is too large; it goes from 100ms to 1h\n"},
    {"delete = 14", "f:5: error: delete = \"14\" has no unit; write 14d, or 14s if seconds are meant\n"},
    {"delete = 0", "f:5: error: delete = \"0\" has no unit; write now, or never\n"},
    {"delete = 14s", "f:5: warning: account work deletes what it has delivered 14s after it was first seen; if that is "
                     "too soon write for instance delete = 14d\n"},
    {"delete = 59m", "f:5: warning: account work deletes what it has delivered 59m after it was first seen; if that is "
                     "too soon write for instance delete = 14d\n"},
    {"delete = 1h", ""},
    {"delete = now", ""},
    {"delete = 14w", "f:5: error: delete = \"14w\" is neither never nor now nor a time; write for instance 14d\n"},
    {"delete = 3651d", "f:5: error: delete = \"3651d\" is too long; write at most 3650d, or never\n"},
    {"delete =", "f:5: error: delete has no value; write delete = never|now|TIME, or take the line out\n"},
    {"size_limit = big", "f:5: error: size_limit = \"big\" is no size; write for instance 65536, 64k, 8M or 1G\n"},
    {"attempts = 0", "f:5: error: attempts = \"0\" is too small; it goes from 1 to 1000\n"},
    {"deliver_to = <a@b>", "f:5: error: deliver_to = \"<a@b>\" is no address; write for instance anna@example.org\n"},
    {"interval = 31d", "f:5: error: interval = \"31d\" is too large; it goes from 1s to 30d\n"},
    {"smtp_server = smtps://x", "f:5: error: smtp_server = \"smtps://x\" has a scheme before the host; write "
                                "the host alone, for instance pop.example.org\n"},
    {"smtp_server = x:0", "f:5: error: smtp_server = \"x:0\" is no HOST or HOST:PORT; write for instance "
                          "pop.example.org, pop.example.org:1995 or [::1]:995\n"},
    {"smtp_auth = APOP", "f:5: error: smtp_auth = \"APOP\" has the unknown word \"APOP\"; write EXTERNAL, OAUTHBEARER, "
                         "XOAUTH2, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN, LOGIN or NONE\n"},
    {"account = ../x\nserver = a\nuser = b\ndeliver = command:c",
     "f:5: error: account = \"../x\" is no name of an account; it has at most 64 letters, digits and \".\", \"_\", "
     "\"-\", \"@\", \"+\", and begins "
     "with none of \".\" and \"-\"\n"},
    {"account =\nserver = a\nuser = b\ndeliver = command:c",
     "f:5: error: account has no value; write account = NAME, or take the line out\n"},
};

static void wrong_values_are_told(void **state)
{
    for (size_t i = 0; i < sizeof wrong_values / sizeof *wrong_values; i++) {
        char text[1000];
        snprintf(text, sizeof text, "%s%s\n", GOOD, wrong_values[i].line);
        assert_told(text, wrong_values[i].said);
    }
}

static const struct {
    const char *deliver, *said;
} wrong_destinations[] = {
    {"Mail", "names no way to deliver; write maildir:PATH, mailbox:USER, lmtp:HOST:PORT, lmtp:/SOCKET, smtp:HOST:PORT "
             "or command:WORDS"},
    {"mailidr:/x", "names no way to deliver; write maildir:PATH, mailbox:USER, lmtp:HOST:PORT, lmtp:/SOCKET, "
                   "smtp:HOST:PORT or command:WORDS; did "
                   "you mean \"maildir:\"?"},
    {"'maildir:/Mail'", "begins with a quote; leave out the quotes"},
    {"maildir:'/Mail'", "begins with a quote; leave out the quotes"},
    {"maildir:Mail", "is not absolute; write it from the root \"/\", or from the home folder \"~/\""},
    {"mailbox:", "is no mailbox:USER; write the name of one user of the server"},
    {"mailbox:a b", "is no mailbox:USER; write the name of one user of the server"},
    {"lmtp:host", "is no lmtp:HOST:PORT nor lmtp:/SOCKET; write for instance lmtp:localhost:24"},
    {"smtp:a b", "is no smtp:HOST or smtp:HOST:PORT; write for instance smtp:localhost:25"},
    {"command: ", "names no command; write for instance command:procmail"},
};

static void wrong_destinations_are_told(void **state)
{
    for (size_t i = 0; i < sizeof wrong_destinations / sizeof *wrong_destinations; i++) {
        char text[1000], wanted[1000], shown[100];
        snprintf(shown, sizeof shown, "%s", wrong_destinations[i].deliver);
        for (size_t n = strlen(shown); n && shown[n - 1] == ' '; n--)
            shown[n - 1] = '\0';
        snprintf(text, sizeof text, "%sdeliver = %s\n", HEAD, wrong_destinations[i].deliver);
        snprintf(wanted, sizeof wanted, "f:4: error: deliver = \"%s\" %s\n", shown, wrong_destinations[i].said);
        assert_told(text, wanted);
    }
}

/* ---- what does not fit together */

static const struct {
    const char *text, *said;
} unfit[] = {
    {"", "f: error: there is no account here; write account = NAME, and below it its server, user and deliver\n"},
    {"interval = 5m\n",
     "f: error: there is no account here; write account = NAME, and below it its server, user and deliver\n"},
    {"\naccount = work\n", "f:2: error: account work has no server; write server = HOST below it\n"
                           "f:2: error: account work has no user; write user = NAME below it\n"
                           "f:2: error: account work does not say where its mail goes; write for instance deliver = "
                           "maildir:~/Mail/work below it\n"},
    {"account = work\nserver = a b\nuser = x\ndeliver = maildir:y\n",
     "f:2: error: server = \"a b\" is no HOST or HOST:PORT; write for instance pop.example.org, pop.example.org:1995 "
     "or [::1]:995\n"
     "f:4: error: deliver = \"maildir:y\" is not absolute; write it from the root \"/\", or from the home folder "
     "\"~/\"\n"},
    {GOOD "account = work\nserver = b\nuser = b\ndeliver = maildir:/n\n",
     "f:5: error: account work stands on line 1 already; take another name for one of them\n"},
    {GOOD "account = home\nserver = POP.example.org:995\nuser = anna\ndeliver = maildir:/m/\n",
     "f:5: warning: account home has the server, the user and the destination of account work on line 1: each message "
     "would come twice; take one of "
     "them out\n"},
    {GOOD "account = home\nserver = pop.example.org:996\nuser = anna\ndeliver = maildir:/m/\n", ""},
    {"account = a\nserver = pop3s://h\nuser = b\ndeliver = maildir:/m\n",
     "f:2: error: server = \"pop3s://h\" has a scheme before the host; write the host alone, for instance "
     "pop.example.org\n"},
    {"account = a\nserver = 'h'\nuser = b\ndeliver = maildir:/m\n",
     "f:2: error: server = \"'h'\" begins with a quote; leave out the quotes\n"},
    {"account = a\nserver = localhost:995\nuser = b\ndeliver = maildir:/m\ntls = none\n",
     "f:2: warning: account a: on port 995 TLS begins at once; write tls = implicit, or the port 110\n"},
    {"account = a\nserver = h:995\nuser = b\ndeliver = maildir:/m\ntls = starttls\n",
     "f:2: warning: account a: on port 995 TLS begins at once; write tls = implicit, or the port 110\n"},
    {"account = a\nserver = h:110\nuser = b\ndeliver = maildir:/m\n",
     "f:2: warning: account a: on port 110 nothing begins with TLS; write tls = starttls, or the port 995\n"},
    {"account = a\nserver = h:995\nuser = b\ndeliver = maildir:/m\n", ""},
    {"account = a\nserver = h:110\nuser = b\ndeliver = maildir:/m\ntls = starttls\n", ""},
    {GOOD "smtp_server = h:587\n",
     "f:5: warning: account work: on port 587 nothing begins with TLS; write smtp_tls = starttls, or the port 465\n"},
    {GOOD "smtp_server = h:465\nsmtp_tls = starttls\n",
     "f:5: warning: account work: on port 465 TLS begins at once; write smtp_tls = implicit, or the port 587\n"},
    {GOOD "tls_cert = /c\n", "f:5: error: tls_cert has no tls_key beside it; name its private key\n"},
    {GOOD "tls_key = /c\n", "f:5: error: tls_key has no tls_cert beside it; name its certificate\n"},
    {GOOD "tls = none\ntls_ca = /c\n", "f:5: warning: account work speaks to pop.example.org without TLS: whoever is "
                                       "on the way can read the mail and may learn "
                                       "the password; write tls = implicit, or starttls\n"
                                       "f:6: warning: tls_ca says nothing with tls = none\n"},
    {"tls = none\naccount = a\nserver = 127.0.0.1:1110\nuser = b\ndeliver = maildir:/m\n", ""},
    {"tls = none\naccount = a\nserver = [::1]\nuser = b\ndeliver = maildir:/m\n", ""},
    {"tls = none\naccount = a\nserver = localhost\nuser = b\ndeliver = maildir:/m\n", ""},
    {GOOD "password_command = a\npassword_file = /b\nnetrc = yes\n",
     "f:6: warning: account work has its password from password_command already; password_file is not used\n"
     "f:7: warning: account work has its password from password_command already; netrc is not used\n"},
    {"netrc = yes\n" GOOD "password_command = a\n", ""},
    {GOOD "auth = XOAUTH2\n",
     "f:5: error: auth = XOAUTH2 needs token_command; name the command that prints the token\n"},
    {GOOD "auth = XOAUTH2 PLAIN\n", ""},
    {GOOD "auth = PLAIN\ntoken_command = x\n",
     "f:6: warning: token_command is not used; auth = PLAIN allows neither OAUTHBEARER nor XOAUTH2\n"},
    {"account = a\nserver = b\ndeliver = maildir:/m\nauth = EXTERNAL\n",
     "f:4: error: auth = EXTERNAL needs tls_cert and tls_key: the certificate is what logs in\n"},
    {"account = a\nserver = b\ndeliver = maildir:/m\nauth = EXTERNAL\ntls_cert = /c\ntls_key = /c\n", ""},
    {"account = a\nserver = localhost\ndeliver = maildir:/m\nauth = EXTERNAL\ntls_cert = /c\ntls_key = /c\ntls=none\n",
     "f:4: error: auth = EXTERNAL needs TLS, in which the certificate is shown\n"
     "f:5: warning: tls_cert says nothing with tls = none\n"},
    {GOOD "delete = now\nkeep_newest = 3\n",
     "f:6: warning: keep_newest says nothing with delete = now, which leaves nothing\n"},
    {GOOD "oversize = delete\n",
     "f:5: warning: oversize says nothing without size_limit; set how large is too large\n"},
    {HEAD "deliver = lmtp:localhost:24\n",
     "f:4: error: deliver = lmtp:localhost:24 needs deliver_to; name the address that account work's mail is for\n"},
    {HEAD "deliver = smtp:mail.example.org\ndeliver_to = anna@example.org\n",
     "f:4: warning: account work hands its mail to mail.example.org without TLS: whoever is on the way can read it; "
     "write deliver_tls = starttls, or "
     "implicit\n"},
    {HEAD "deliver = smtp:mail.example.org\ndeliver_to = anna@example.org\ndeliver_tls = starttls\n", ""},
    {HEAD "deliver = smtp:localhost\ndeliver_to = anna@example.org\n", ""},
    {HEAD "deliver = smtp:localhost\ndeliver_to = anna@example.org\ndeliver_tls = starttls\ndeliver_tls_ca = /ca\n",
     ""},
    {HEAD "deliver = smtp:localhost\ndeliver_to = anna@example.org\ndeliver_tls_ca = /ca\n",
     "f:6: warning: deliver_tls_ca says nothing without smtp and deliver_tls\n"},
    {"delete = now\n" HEAD "deliver = command:procmail\n",
     "f:1: warning: account work deletes at once, and command:procmail cannot be asked whether a message arrived: "
     "after a crash one may come twice; none "
     "is lost\n"},
    {HEAD "deliver = command:procmail\ndelete = 1d\n", ""},
    {GOOD "notice_after = 3\n", "f:5: warning: notice_after says nothing without notice_command\n"},
    {GOOD "smtp_user = 3\n", "f:5: warning: smtp_user says nothing without smtp_server\n"},
    {GOOD "smtp_server = s\nsmtp_tls = none\nsmtp_password_command = x\nsmtp_password_file = /y\n",
     "f:6: warning: account work sends through s without TLS: whoever is on the way can read the mail, and no password "
     "is shown; write smtp_tls = "
     "implicit, or starttls\n"
     "f:8: warning: account work has its password for sending from smtp_password_command already; smtp_password_file "
     "is not used\n"},
};

static void what_does_not_fit_is_told(void **state)
{
    for (size_t i = 0; i < sizeof unfit / sizeof *unfit; i++)
        assert_told(unfit[i].text, unfit[i].said);
}

/* An option of the wrong account is found on its line, and does not stop the others. */
static void all_errors_at_once(void **state)
{
    assert_told("intervall = 5m\n"
                "delete = sometimes\n" GOOD "account = home\n"
                "tls = none\n"
                "tls = none\n"
                "netrc\n",
                "f:1: error: unknown option \"intervall\"; did you mean \"interval\"?\n"
                "f:2: error: delete = \"sometimes\" is neither never nor now nor a time; write for instance 14d\n"
                "f:7: error: account home has no server; write server = HOST below it\n"
                "f:7: error: account home has no user; write user = NAME below it\n"
                "f:7: error: account home does not say where its mail goes; write for instance deliver = "
                "maildir:~/Mail/home below it\n"
                "f:9: error: tls stands on line 8 already; keep one of the two\n"
                "f:10: error: \"netrc\" has no \"=\"; write netrc = VALUE\n");
}

static void too_many_accounts(void **state)
{
    struct accounts a;
    struct conf_problems p = {0};
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    fputs("tls = none\nserver = localhost\nuser = u\n", to);
    for (unsigned i = 0; i < ACCOUNTS_MAX + 2; i++)
        fprintf(to, "account = a%u\ndeliver = maildir:/m/%u\n", i, i);
    fclose(to);
    read_text(&a, text, &p);
    char *said = told(&p);
    assert_string_equal(said, "f:204: error: this account is one too many; there may be 100\n"
                              "f:206: error: this account is one too many; there may be 100\n");
    assert_int_equal(a.count, ACCOUNTS_MAX);
    assert_string_equal(a.account[99].deliver, "maildir:/m/99");
    free(said);
    free(text);
    accounts_free(&a);
    conf_problems_free(&p);
}

/* ---- places */

static void places(void **state)
{
    char *path = accounts_file();
    assert_string_equal(path, "/home/anna/.config/bustia/accounts");
    mem_free(path);
    setenv("XDG_CONFIG_HOME", "relative", 1); /* counts for nothing */
    path = accounts_file();
    assert_string_equal(path, "/home/anna/.config/bustia/accounts");
    mem_free(path);
    setenv("XDG_CONFIG_HOME", "/conf", 1);
    path = accounts_file();
    assert_string_equal(path, "/conf/bustia/accounts");
    mem_free(path);
    setenv("BUSTIA_ACCOUNTS", "here", 1);
    path = accounts_file();
    assert_string_equal(path, "here");
    mem_free(path);
    unsetenv("BUSTIA_ACCOUNTS");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_STATE_HOME");
    path = accounts_state_folder();
    assert_string_equal(path, "/home/anna/.local/state/bustia");
    mem_free(path);
    unsetenv("HOME");
    assert_null(accounts_file());
    assert_null(accounts_state_folder());
    assert_told(GOOD "tls_ca = ~/x\n",
                "f: error: neither XDG_STATE_HOME nor HOME names a folder, to remember in what was fetched; set one\n"
                "f:5: error: tls_ca = \"~/x\" begins with \"~/\", and HOME names no home folder\n");
    setenv("HOME", "/home/anna", 1);
    setenv("XDG_STATE_HOME", "/state", 1);
}

/* ---- hosts */

static void assert_address(const char *text, unsigned port_else, const char *host, unsigned port)
{
    char *got;
    unsigned got_port;
    bool ok = account_address(text, port_else, &got, &got_port);
    assert_int_equal(ok, host != NULL);
    if (!host) {
        assert_null(got);
        return;
    }
    assert_string_equal(got, host);
    assert_int_equal(got_port, port);
    mem_free(got);
}

static void addresses(void **state)
{
    assert_address("pop.example.org", 995, "pop.example.org", 995);
    assert_address("pop.example.org:1", 995, "pop.example.org", 1);
    assert_address("127.0.0.1:65535", 995, "127.0.0.1", 65535);
    assert_address("my_host", 110, "my_host", 110);
    assert_address("[::1]", 995, "::1", 995);
    assert_address("[2001:db8::5]:7", 995, "2001:db8::5", 7);
    static const char *const wrong[] = {"",    ":",  "a:",   "a:0",    "a:65536", "a:b",       "a:1:2",
                                        "::1", "[]", "[::1", "[::1]x", "[::1]:",  "[1.2.3.4]", "[::/0]",
                                        "-a",  ".a", "a b",  "a/b",    "a@b",     "b\xc3\xbc", "a:1 "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_address(wrong[i], 995, NULL, 0);
    assert_address("a", 0, NULL, 0);
    assert_address("a:24", 0, "a", 24);
}

static void servers(void **state)
{
    struct accounts a;
    struct conf_problems p = {0};
    char *host;
    unsigned port;
    read_text(&a, GOOD "smtp_server = s\naccount = b\ntls = starttls\nserver = c\nsmtp_server = d:7\naccount = e\n",
              &p);
    account_server(&a.account[0], &host, &port);
    assert_string_equal(host, "pop.example.org");
    assert_int_equal(port, 995);
    mem_free(host);
    account_smtp_server(&a.account[0], &host, &port);
    assert_string_equal(host, "s");
    assert_int_equal(port, 465);
    mem_free(host);
    account_server(&a.account[1], &host, &port);
    assert_int_equal(port, 110);
    mem_free(host);
    account_smtp_server(&a.account[1], &host, &port);
    assert_int_equal(port, 7);
    mem_free(host);
    account_server(&a.account[2], &host, &port);
    assert_string_equal(host, "");
    mem_free(host);
    accounts_free(&a);
    conf_problems_free(&p);
}

static void loopback(void **state)
{
    static const char *const here[] = {"localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "/run/x"};
    static const char *const far[] = {"localhost.example.org", "128.0.0.1", "::2", "127.0.0.0/8", "pop.example.org"};
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        assert_true(account_loopback(here[i]));
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        assert_false(account_loopback(far[i]));
}

static void destinations(void **state)
{
    enum account_way way;
    const char *rest;
    static const struct {
        const char *text;
        enum account_way way;
        const char *rest;
    } good[] = {{"maildir:~/Mail", ACCOUNT_MAILDIR, "~/Mail"},
                {"mailbox:anna", ACCOUNT_MAILBOX, "anna"},
                {"lmtp:/run/lmtp", ACCOUNT_LMTP, "/run/lmtp"},
                {"lmtp:[::1]:24", ACCOUNT_LMTP, "[::1]:24"},
                {"smtp:mail.example.org", ACCOUNT_SMTP, "mail.example.org"},
                {"command:a b:c", ACCOUNT_COMMAND, "a b:c"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_null(account_deliver(good[i].text, &way, &rest));
        assert_int_equal(way, good[i].way);
        assert_string_equal(rest, good[i].rest);
    }
    assert_non_null(account_deliver("", &way, &rest));
    assert_int_equal(way, ACCOUNT_WAYS);
    assert_string_equal(account_way_name(ACCOUNT_LMTP), "lmtp");
    assert_string_equal(account_way_name(ACCOUNT_WAYS), "?");
}

/* ---- the file */

static void loads(void **state)
{
    struct accounts a;
    struct conf_problems p = {0};
    struct err err;
    char name[] = "/tmp/bustia-accounts-XXXXXX";
    int fd = mkstemp(name);
    assert_int_equal(write(fd, GOOD, strlen(GOOD)), strlen(GOOD));
    assert_int_equal(accounts_load(&a, name, &p, &err), 0);
    assert_int_equal(p.count, 0);
    assert_string_equal(a.file, name);
    assert_int_equal(a.count, 1);
    accounts_free(&a);
    assert_int_equal(fchmod(fd, 0666), 0);
    assert_int_equal(accounts_load(&a, name, &p, &err), 0);
    assert_int_equal(p.fatal, 1);
    assert_non_null(strstr(p.list[0].text, "everybody may change this file (mode 0666)"));
    accounts_free(&a);
    conf_problems_free(&p);
    assert_int_equal(fchmod(fd, 0664), 0);
    assert_int_equal(accounts_load(&a, name, &p, &err), 0);
    assert_int_equal(p.fatal, 0);
    assert_int_equal(p.count, 1);
    accounts_free(&a);
    conf_problems_free(&p);
    close(fd);
    unlink(name);
    assert_int_equal(accounts_load(&a, name, &p, &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_int_equal(p.count, 0);
    assert_int_equal(a.count, 0);
    accounts_free(&a);
}

/* ---- the sample and the manual's list */

static void sample(void **state)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    accounts_sample(to);
    fclose(to);
    assert_told(
        text, "f: error: there is no account here; write account = NAME, and below it its server, user and deliver\n");
    assert_non_null(strstr(text, "# never|now|TIME; default: never\n#delete = 14d\n"));
    /* Each line that shows an option is read, the first of those that show the same one. */
    char *live = mem_alloc(n + 1), *at = live, *line = text, last[64] = "";
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        size_t name = line[0] == '#' ? strcspn(line + 1, " \n") : 0;
        bool shows = name && line[1] >= 'a' && line[1] <= 'z' && strncmp(line + 1 + name, " =", 2) == 0;
        if (shows && (strlen(last) != name || strncmp(last, line + 1, name) != 0)) {
            memcpy(at, line + 1, (size_t)(end - line));
            at += end - line;
            snprintf(last, sizeof last, "%.*s", (int)name, line + 1);
        }
    }
    struct accounts a;
    struct conf_problems p = {0};
    read_text(&a, live, &p);
    char *said = told(&p);
    assert_null(strstr(said, "error"));
    assert_int_equal(a.count, 1);
    for (unsigned i = 0; i < conf_schema_accounts.count; i++)
        assert_true(a.account[0].lines[i] > 0);
    free(said);
    free(text);
    mem_free(live);
    accounts_free(&a);
    conf_problems_free(&p);
}

static void manual(void **state)
{
    char *text = NULL, item[100];
    size_t n;
    FILE *to = open_memstream(&text, &n);
    accounts_manual(to);
    fclose(to);
    for (unsigned i = 0; i < conf_schema_accounts.count; i++) {
        snprintf(item, sizeof item, "\n.It Ic %s No = ", conf_schema_accounts.table[i].name);
        assert_non_null(strstr(text, item));
    }
    assert_null(strstr(text, "(null)"));
    free(text);
}

int main(void)
{
    setenv("HOME", "/home/anna", 1);
    setenv("XDG_STATE_HOME", "/state", 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("BUSTIA_ACCOUNTS");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(values),
        cmocka_unit_test(what_is_said_for_all),
        cmocka_unit_test(wrong_values_are_told),
        cmocka_unit_test(wrong_destinations_are_told),
        cmocka_unit_test(what_does_not_fit_is_told),
        cmocka_unit_test(all_errors_at_once),
        cmocka_unit_test(too_many_accounts),
        cmocka_unit_test(places),
        cmocka_unit_test(addresses),
        cmocka_unit_test(servers),
        cmocka_unit_test(loopback),
        cmocka_unit_test(destinations),
        cmocka_unit_test(loads),
        cmocka_unit_test(sample),
        cmocka_unit_test(manual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
