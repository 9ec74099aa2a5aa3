/* accounts_table: every option of an account, one row each. Adding one is a row here and a field in struct account. */
#include "base/accounts_impl.h"

#include "base/conf_value.h"

static const char *const tls_words[] = {"implicit", "starttls", "none", NULL};   /* enum account_tls */
static const char *const oversize_words[] = {"skip", "headers", "delete", NULL}; /* enum account_oversize */
static const char *const auth_words[] = {"EXTERNAL",    "OAUTHBEARER", "XOAUTH2", "SCRAM-SHA-256",
                                         "SCRAM-SHA-1", "CRAM-MD5",    "PLAIN",   "LOGIN",
                                         "APOP",        "USER",        NULL};
static const char *const smtp_auth_words[] = {
    "EXTERNAL", "OAUTHBEARER", "XOAUTH2", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", "NONE", NULL};

_Static_assert(sizeof(enum account_tls) == sizeof(unsigned) && sizeof(enum account_oversize) == sizeof(unsigned),
               "words are kept as their number");

#define AT(field) offsetof(struct account, field)
#define SECOND    1000ull
#define HOUR      (3600ull * SECOND)
#define DAY       (24ull * HOUR)
#define GIGA      (1024ull * 1024 * 1024)

/* clang-format off */
static const struct conf_option table[] = {
    {"account", &ACCOUNT_KIND_NAME, AT(name), NULL,
     .said = "none: each account begins with it", .examples = "work", .begins = true,
     .group = "An account",
     .about = "Begins an account and names it; the options below it, up to the next account, are about this one. Those before the "
              "first account hold for all of them that do not say otherwise. The name stands for the account in commands, and in "
              "the name of the file that remembers what was fetched: renamed, it is a new account."},
    {"enabled", &CONF_KIND_YES, AT(enabled), "yes",
     .about = "With no, the account is passed over unless it is named on the command line."},

    {"server", &ACCOUNT_KIND_SERVER, AT(server), "",
     .said = "none: each account has one", .examples = "pop.example.org",
     .group = "The server",
     .about = "The POP3 server's name or address. Without a port it is 995, or 110 where tls is starttls or none."},
    {"tls", &CONF_KIND_WORD, AT(tls), "implicit", .words = tls_words,
     .about = "implicit: TLS from the first octet on. starttls: begun with STLS, and without it nothing is said. none: in the "
              "clear; whoever is on the way can read the mail, and the password unless the server knows a way to log in "
              "that does not show it."},
    {"tls_ca", &ACCOUNT_KIND_PATH, AT(tls_ca), "", .said = "those that this system trusts",
     .about = "The issuers of certificates, in PEM, that are believed about this server, and no others."},
    {"tls_fingerprint", &ACCOUNT_KIND_FINGERPRINT, AT(tls_fingerprint), "",
     .about = "The SHA-256 fingerprint of the server's certificate, as `openssl x509 -noout -fingerprint -sha256` prints it: that "
              "one is believed and no other, whoever issued it and whatever its name and date."},
    {"tls_cert", &ACCOUNT_KIND_PATH, AT(tls_cert), "",
     .about = "A certificate of one's own, in PEM, for servers that ask for one."},
    {"tls_key", &ACCOUNT_KIND_PATH, AT(tls_key), "",
     .about = "Its private key, in PEM; nobody else may read the file."},
    {"user", &CONF_KIND_TEXT, AT(user), "",
     .said = "none: each account has one, but with auth = EXTERNAL", .examples = "anna@example.org",
     .about = "As whom to log in."},
    {"auth", &CONF_KIND_WORDS, AT(auth), "", .words = auth_words,
     .said = "the best that the server offers, without CRAM-MD5 and APOP", .examples = "SCRAM-SHA-256 PLAIN",
     .about = "The ways to log in that are allowed: mechanisms of SASL, APOP, and USER, which is the plain old one. The best of "
              "them that the server offers is tried first. CRAM-MD5 and APOP stand on MD5 and are used only if they are named "
              "here."},
    {"password_command", &CONF_KIND_TEXT, AT(password_command), "", .examples = "pass show mail/work",
     .about = "Run by sh -c; the first line that it prints is the password. Without any of these options the password is asked for "
              "at the terminal."},
    {"password_file", &ACCOUNT_KIND_PATH, AT(password_file), "", .examples = "~/.config/bustia/work.password",
     .about = "A file whose first line is the password; nobody else may read it (mode 0600)."},
    {"token_command", &CONF_KIND_TEXT, AT(token_command), "", .examples = "oama access anna@example.org",
     .about = "Run by sh -c; the first line that it prints is an OAuth 2.0 access token, for OAUTHBEARER and XOAUTH2."},
    {"netrc", &CONF_KIND_YES, AT(netrc), "no",
     .about = "With yes, the password is looked for in ~/.netrc (or the file $NETRC), by server and user; nobody else may read it."},
    {"connect_timeout", &CONF_KIND_TIME, AT(connect_timeout), "30s", .least = 100, .most = HOUR,
     .about = "How long a connection may take, and TLS after it."},
    {"silence_timeout", &CONF_KIND_TIME, AT(silence_timeout), "60s", .least = 100, .most = HOUR,
     .about = "How long the server may be silent until it is given up; so is one that in ten times as long gives or takes less than "
              "4 kB of what it was asked for."},
    {"check_timeout", &CONF_KIND_TIME, AT(check_timeout), "6h", .least = 0, .most = 30 * DAY, .said = "6h; 0: none",
     .about = "How long a check may take as a whole, once it is logged in. What it has delivered by then is delivered; the next check goes on "
              "from there."},
    {"window", &CONF_KIND_NUMBER, AT(window), "0", .least = 0, .most = 1000, .said = "0, as many as are of use",
     .about = "How many commands may be under way at once, where the server announces PIPELINING. 1: one after another."},

    {"delete", &ACCOUNT_KIND_DELETE, AT(remove), "never", .said = "never", .examples = "14d",
     .group = "What is fetched, and what is left on the server",
     .about = "When a message that was delivered is deleted on the server: never, now, or so long after it was first seen there, with "
              "its unit."},
    {"keep_newest", &CONF_KIND_NUMBER, AT(keep_newest), "0", .least = 0, .most = 1000000000, .said = "0, any number",
     .about = "How many messages, the newest, stay on the server at most; older ones that were delivered are deleted there even "
              "where delete would leave them. Those that were not delivered (marked, too large, in quarantine) stay, and are not counted."},
    {"size_limit", &CONF_KIND_SIZE, AT(size_limit), "0", .least = 0, .most = 64 * GIGA, .said = "0, none",
     .about = "How large a message may be to be fetched; what becomes of larger ones says oversize."},
    {"oversize", &CONF_KIND_WORD, AT(oversize), "skip", .words = oversize_words,
     .about = "skip: larger messages are left on the server, until `bustia fetch --whole` asks for them. headers: their headers "
              "are delivered, as a message that says so. delete: they are deleted on the server and nobody gets to see them."},
    {"attempts", &CONF_KIND_NUMBER, AT(attempts), "5", .least = 1, .most = 1000,
     .about = "How often a message is tried that cannot be fetched or delivered; then it is put into quarantine as it is, and the others "
              "go on."},

    {"deliver", &ACCOUNT_KIND_DELIVER, AT(deliver), "",
     .said = "none: each account has one",
     .examples = "maildir:~/Mail/work\nmailbox:anna\nlmtp:localhost:24\nlmtp:/run/dovecot/lmtp\nsmtp:localhost:25\n"
                 "command:procmail -d anna",
     .group = "Where it goes",
     .about = "maildir: a Maildir, made if its parent folder is there. mailbox: a user of the Bustia server on this machine. lmtp and "
              "smtp: another program that takes mail, for deliver_to. command: run by sh -c with the message on its standard "
              "input; 0 means taken, 65 and 76 never, anything else not now."},
    {"deliver_from", &ACCOUNT_KIND_ADDRESS, AT(deliver_from), "", .said = "none: nobody is told of what cannot be delivered",
     .examples = "anna@example.org",
     .about = "The sender that lmtp and smtp are told; bounces go to him."},
    {"deliver_to", &ACCOUNT_KIND_ADDRESS, AT(deliver_to), "", .examples = "anna@example.org",
     .about = "The recipient that lmtp and smtp are told."},
    {"deliver_tls", &CONF_KIND_WORD, AT(deliver_tls), "none", .words = tls_words,
     .about = "TLS of smtp, in the words of tls. The default is made for a server on this machine."},
    {"deliver_tls_ca", &ACCOUNT_KIND_PATH, AT(deliver_tls_ca), "", .said = "those that this system trusts",
     .about = "As tls_ca, for the server that smtp names."},

    {"interval", &CONF_KIND_TIME, AT(interval), "10m", .least = SECOND, .most = 30 * DAY,
     .group = "When, and who is told",
     .about = "How long `bustia fetch --watch` waits between two checks; a server that wants to be asked less often (LOGIN-DELAY) "
              "is."},
    {"notice_command", &CONF_KIND_TEXT, AT(notice_command), "", .examples = "notify-send \"$BUSTIA_ACCOUNT\" \"$BUSTIA_ERROR\"",
     .about = "Run by sh -c when the account failed notice_after times in a row, and once more, with BUSTIA_ERROR empty, when it "
              "succeeds again. BUSTIA_ACCOUNT, "
              "BUSTIA_FAILURES and BUSTIA_ERROR are in its environment."},
    {"notice_after", &CONF_KIND_NUMBER, AT(notice_after), "5", .least = 1, .most = 1000,
     .about = "After how many failures in a row."},

    {"from", &CONF_KIND_TEXT, AT(from), "", .examples = "Anna Muster <anna@example.org>",
     .group = "Sending",
     .about = "Who writes, for `bustia send`."},
    {"smtp_server", &ACCOUNT_KIND_SERVER, AT(smtp_server), "", .examples = "smtp.example.org",
     .about = "The server that takes what is sent. Without a port it is 465, or 587 where smtp_tls is starttls, or 25 where it is none."},
    {"smtp_tls", &CONF_KIND_WORD, AT(smtp_tls), "implicit", .words = tls_words,
     .about = "As tls, for smtp_server. A password is shown inside TLS only."},
    {"smtp_tls_ca", &ACCOUNT_KIND_PATH, AT(smtp_tls_ca), "", .said = "those that this system trusts",
     .about = "As tls_ca, for smtp_server."},
    {"smtp_tls_fingerprint", &ACCOUNT_KIND_FINGERPRINT, AT(smtp_tls_fingerprint), "",
     .about = "As tls_fingerprint, for smtp_server."},
    {"smtp_user", &CONF_KIND_TEXT, AT(smtp_user), "", .said = "that of user", .examples = "anna@example.org",
     .about = "As whom to log in there."},
    {"smtp_auth", &CONF_KIND_WORDS, AT(smtp_auth), "", .words = smtp_auth_words, .said = "the best that the server offers",
     .examples = "PLAIN",
     .about = "The mechanisms of SASL that are allowed there. NONE: the server takes mail without a log-in, and none is tried."},
    {"smtp_password_command", &CONF_KIND_TEXT, AT(smtp_password_command), "", .said = "that of password_command",
     .examples = "pass show mail/smtp",
     .about = "The password there, as password_command."},
    {"smtp_password_file", &ACCOUNT_KIND_PATH, AT(smtp_password_file), "", .said = "that of password_file",
     .examples = "~/.config/bustia/work.smtp",
     .about = "The password there, as password_file."},
};
/* clang-format on */

_Static_assert(sizeof table / sizeof *table <= ACCOUNT_OPTIONS && (int)ACCOUNT_OPTIONS <= (int)CONF_OPTIONS,
               "struct account has a line for each");

#define NO_PASSWORD "no password stands in this file; name password_file, password_command or netrc"
static const struct conf_other others[] = {
    {"password", NO_PASSWORD},
    {"passwd", NO_PASSWORD},
    {"pass", NO_PASSWORD},
    {"smtp_password", "no password stands in this file; name smtp_password_file or smtp_password_command"},
    {NULL, NULL}};

const struct conf_schema conf_schema_accounts = {
    table, sizeof table / sizeof *table, "bustia-accounts(5)",
    "# accounts: whose mail `bustia fetch` collects. bustia-accounts(5) explains it; `bustia check --accounts` checks "
    "it.\n"
    "#\n"
    "# Options before the first account hold for all of them. To begin, take away the \"#\" before account, server,\n"
    "# user, one of the passwords, and deliver. Every other option stands here with its default or an example.\n"
    "# A line is NAME = VALUE; a \"#\" at its start or after a blank begins a comment.\n",
    others};

unsigned account_line(const struct account *a, const char *option)
{
    unsigned i = conf_find(&conf_schema_accounts, span_of(option));
    return i < conf_schema_accounts.count ? a->lines[i] : 0;
}

void accounts_print(const struct accounts *a, FILE *to)
{
    for (unsigned i = 0; i < a->count; i++) {
        if (i)
            fputc('\n', to);
        for (unsigned k = 0; k < conf_schema_accounts.count; k++)
            conf_print_option(&conf_schema_accounts.table[k], &a->account[i], to);
    }
}

void accounts_sample(FILE *to)
{
    conf_sample_print(&conf_schema_accounts, to);
}

void accounts_manual(FILE *to)
{
    conf_manual_print(&conf_schema_accounts, to);
}
