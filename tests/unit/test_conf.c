/* base/conf: reading, what is wrong and with which words, printing so that reading gives the same, the sample, reloads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/conf.h"
#include "base/conf_table.h"
#include "base/conf_value.h"
#include "guard.h"

/* ---- helpers */

static void read_text(struct conf *c, const char *text, struct conf_problems *p)
{
    char *guarded = guard_copy(text, strlen(text));
    conf_read(c, (struct span){guarded, strlen(text)}, p);
    guard_free(guarded);
}

static char *printed(const struct conf *c)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    conf_print(c, to);
    fclose(to);
    return text;
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

static void count_name(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
}

static unsigned differ(const struct conf *a, const struct conf *b)
{
    unsigned n = 0;
    conf_differ(a, b, count_name, &n);
    return n;
}

/* What print gives, read gives back: value for value, and no value is refused. */
static void assert_prints_itself(const struct conf *c)
{
    struct conf again;
    struct conf_problems p = {0};
    char *text = printed(c);
    read_text(&again, text, &p);
    char *text_again = printed(&again);
    assert_string_equal(text, text_again);
    assert_int_equal(differ(c, &again), 0);
    free(text);
    free(text_again);
    conf_free(&again);
    conf_problems_free(&p);
}

/* ---- defaults and values */

static void defaults(void **state)
{
    struct conf c;
    struct conf_problems p = {0};
    read_text(&c, "", &p);
    assert_int_equal(p.fatal, 0);
    assert_int_equal(c.listeners, 2);
    assert_string_equal(c.listen[0].address, "[::]:110");
    assert_string_equal(c.listen[1].address, "0.0.0.0:110");
    assert_int_equal(c.listen[1].service, CONF_POP3);
    assert_true(c.listen[1].cleartext);
    assert_int_equal(c.listen[0].line, 0);
    assert_true(strlen(c.hostname) > 0);
    assert_string_equal(c.tls_cert, "");
    assert_string_equal(c.cleartext_networks, "127.0.0.0/8 ::1/128");
    assert_string_equal(c.users_db, "/var/lib/bustia/users.db");
    assert_int_equal(c.mail_roots, 1);
    assert_string_equal(c.mail_root[0], "/var/mail/bustia");
    assert_int_equal(c.first_uid, 1000);
    assert_int_equal(c.mail_sessions, 500);
    assert_int_equal(c.mail_idle, 60000);
    assert_int_equal(c.store_threads, 8);
    assert_int_equal(c.busy, CONF_BUSY_WAIT);
    assert_int_equal(c.busy_wait, 5000);
    assert_false(c.allow_memory_store);
    assert_string_equal(c.door_user, "bustia-door");
    assert_string_equal(c.run_dir, "/run/bustia");
    assert_int_equal(c.log, CONF_LOG_STDERR);
    assert_int_equal(c.log_level, CONF_LEVEL_INFO);
    assert_int_equal(c.connections, 10000);
    assert_int_equal(c.tls_waiting, 1000);
    assert_string_equal(c.trusted_networks, "127.0.0.0/8 ::1/128");
    assert_int_equal(c.address_waiting, 500);
    assert_int_equal(c.address_sessions, 1000);
    assert_int_equal(c.address_logins, 1200);
    assert_int_equal(c.address_failures, 120);
    assert_int_equal(c.user_failures, 10);
    assert_int_equal(c.user_sessions, 20);
    assert_int_equal(c.user_logins, 600);
    assert_int_equal(c.memory_buffers, 8 << 20);
    assert_int_equal(c.password_remember, 600000);
    assert_int_equal(c.login_delay, 0);
    assert_int_equal(c.expire, CONF_NEVER);
    assert_int_equal(c.failure_delay, 2000);
    assert_int_equal(c.authorization_timeout, 180000);
    assert_int_equal(c.command_timeout, 60000);
    assert_int_equal(c.idle_timeout, 600000);
    assert_int_equal(c.write_timeout, 120000);
    assert_int_equal(c.drain_timeout, 30000);
    assert_string_equal(c.postmaster, "");
    assert_int_equal(c.line_ends, CONF_LINES_LF);
    assert_string_equal(c.lmtp_networks, "127.0.0.0/8 ::1/128");
    assert_string_equal(c.xclient_networks, "");
    assert_int_equal(c.message_size, 50 << 20);
    assert_int_equal(c.messages_memory, 256 << 20);
    assert_int_equal(c.recipients, 1000);
    assert_int_equal(c.header_size, 1 << 20);
    assert_int_equal(c.smtp_timeout, 300000);
    assert_int_equal(c.smtp_connections, 20);
    assert_int_equal(c.smtp_messages, 120);
    assert_int_equal(c.smtp_unknown, 20);
    assert_int_equal(c.deliver_threads, 8);
    assert_int_equal(c.delivery_timeout, 300000);
    assert_prints_itself(&c);
    conf_free(&c);
    conf_problems_free(&p);
}

static void listeners_of_reception(void **state)
{
    struct conf c;
    struct conf_problems p = {0};
    read_text(&c,
              "listen = /run//x/lmtp lmtp mode=0660 group=postfix\n"
              "listen = /run/y lmtp\n"
              "listen = 127.0.0.1:24 lmtp\n"
              "listen = [::1]:25 smtp\n",
              &p);
    assert_int_equal(p.count, 0);
    assert_int_equal(c.listeners, 4);
    assert_string_equal(c.listen[0].address, "/run/x/lmtp");
    assert_true(conf_listener_unix(&c.listen[0]));
    assert_int_equal(c.listen[0].service, CONF_LMTP);
    assert_int_equal(c.listen[0].mode, 0660);
    assert_string_equal(c.listen[0].group, "postfix");
    assert_int_equal(c.listen[1].mode, 0666);
    assert_string_equal(c.listen[1].group, "");
    assert_false(conf_listener_unix(&c.listen[2]));
    assert_int_equal(c.listen[2].service, CONF_LMTP);
    assert_int_equal(c.listen[3].service, CONF_SMTP);
    assert_string_equal(conf_service_name(CONF_SMTP), "smtp");
    assert_prints_itself(&c);
    conf_free(&c);
}

static void a_certificate_opens_995(void **state)
{
    struct conf c;
    struct conf_problems p = {0};
    read_text(&c, "tls_cert = /c\ntls_key = /k\n", &p);
    assert_int_equal(p.count, 0);
    assert_int_equal(c.listeners, 4);
    assert_string_equal(c.listen[3].address, "0.0.0.0:995");
    assert_int_equal(c.listen[3].service, CONF_POP3S);
    assert_prints_itself(&c);
    conf_free(&c);
}

static void values(void **state)
{
    struct conf c;
    struct conf_problems p = {0};
    read_text(&c,
              "\xef\xbb\xbf# a comment\r\n"
              "listen=127.0.0.1:1100  pop3\tcleartext=no  proxy=required # why\r\n"
              "  listen = [::1]:995 pop3s\n"
              "tls_cert = /etc/a#b\n"
              "tls_key = //etc/./k/\n"
              "mail_root = /srv/a/\n"
              "mail_root = /srv/b\n"
              "store_default = maildir:/srv/b/{user}/Maildir\n"
              "cleartext_networks =\n"
              "sasl_mechanisms = PLAIN\t SCRAM-SHA-1 \n"
              "idle_timeout = 2h\nfailure_delay = 250ms\nwrite_timeout = 90\n"
              "memory_buffers = 64k\n"
              "auth_user = 990:991\n"
              "log = file\nlog_file = /var/log/x\nlog_level = debug\n"
              "allow_memory_store = yes\nproxy_networks = 192.0.2.1",
              &p);
    assert_int_equal(p.fatal, 0);
    assert_int_equal(c.listeners, 2);
    assert_false(c.listen[0].cleartext);
    assert_true(c.listen[0].proxy && !c.listen[1].proxy);
    assert_int_equal(c.listen[0].line, 2);
    assert_int_equal(c.listen[1].service, CONF_POP3S);
    assert_int_equal(c.listen[1].line, 3);
    assert_string_equal(c.tls_cert, "/etc/a#b");
    assert_string_equal(c.tls_key, "/etc/k");
    assert_int_equal(c.mail_roots, 2);
    assert_string_equal(c.mail_root[0], "/srv/a");
    assert_int_equal(c.mail_root_line[1], 7);
    assert_string_equal(c.cleartext_networks, "");
    assert_string_equal(c.sasl_mechanisms, "PLAIN SCRAM-SHA-1");
    assert_int_equal(c.idle_timeout, 7200000);
    assert_int_equal(c.failure_delay, 250);
    assert_int_equal(c.write_timeout, 90000);
    assert_int_equal(c.memory_buffers, 65536);
    assert_string_equal(c.auth_user, "990:991");
    assert_int_equal(c.log, CONF_LOG_FILE);
    assert_int_equal(c.log_level, CONF_LEVEL_DEBUG);
    assert_true(c.allow_memory_store);
    assert_int_equal(conf_line(&c, "idle_timeout"), 11);
    assert_int_equal(conf_line(&c, "mail_root"), 6);
    assert_int_equal(conf_line(&c, "mail_idle"), 0);
    assert_int_equal(conf_line(&c, "no such"), 0);
    assert_prints_itself(&c);
    conf_free(&c);
    conf_problems_free(&p);
}

/* ---- what is wrong. `quiet` stands before each text so that only what the row is about is told. */

#define QUIET "tls_cert = /c\ntls_key = /k\n" /* lines 1 and 2 */
#define LONG53  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG107 LONG53 LONG53 "a"
#define MAIL  "mail_root = /m\nstore_default = maildir:/m/{user}\n"

struct wrong {
    const char *text, *told;
};

/* clang-format off */
static const struct wrong wrongs[] = {
    {"", ""},
    {"tls_crt = /x", "f:3: error: unknown option \"tls_crt\"; did you mean \"tls_cert\"?\n"},
    {"Idle-Timeout = 20m", "f:3: error: unknown option \"Idle-Timeout\"; did you mean \"idle_timeout\"?\n"},
    {"mial_root = /m", "f:3: error: unknown option \"mial_root\"; did you mean \"mail_root\"?\n"},
    {"frobnicate = 1", "f:3: error: unknown option \"frobnicate\"; bustia.conf(5) lists those that there are\n"},
    {"x\x1b[2J = 1", "f:3: error: there is a control character in \"x\\x1b[2J = 1\"; take it out\n"},
    {"x\xff = 1", "f:3: error: unknown option \"x\\xff\"; bustia.conf(5) lists those that there are\n"},
    {"listen 127.0.0.1:110", "f:3: error: \"listen 127.0.0.1:110\" has no \"=\"; write listen = VALUE\n"},
    {"what?", "f:3: error: \"what?\" sets nothing; write NAME = VALUE, or \"#\" before a comment\n"},
    {"= /x", "f:3: error: \"= /x\" sets nothing; write NAME = VALUE, or \"#\" before a comment\n"},
    {"run_dir =", "f:3: error: run_dir has no value; write run_dir = PATH, or take the line out\n"},
    {"door_user = ", "f:3: error: door_user has no value; write door_user = USER, or take the line out\n"},
    {"mail_idle = 5s\nmail_idle = 5s", "f:4: error: mail_idle stands on line 3 already; keep one of the two\n"},
    {"mail_idle = 5x\nmail_idle = 5s", "f:3: error: mail_idle = \"5x\" is no time; write for instance 500ms, 30s, 10m, 2h or 14d\n"
                                       "f:4: error: mail_idle stands on line 3 already; keep one of the two\n"},
    {"log_format = xml", "f:3: error: log_format = \"xml\" is no word that is known here; write text or json\n"},
    /* proxies; certificates for further names */
    {"listen = 127.0.0.1:110 pop3 proxy=required\nproxy_networks = 192.0.2.0/24", ""},
    {"listen = 127.0.0.1:110 pop3 proxy=required",
     "f:3: error: listen = 127.0.0.1:110 has proxy=required, and proxy_networks names no proxy; nobody could connect; name it there\n"},
    {"proxy_networks = 192.0.2.1", "f:3: warning: proxy_networks is not used; it is for listeners with proxy=required\n"},
    {"listen = 127.0.0.1:110 pop3 proxy=required\nproxy_networks = 0.0.0.0/0",
     "f:4: warning: proxy_networks has 0.0.0.0/0 in it: anybody may say whose a connection is from everywhere\n"},
    {"listen = /run/x lmtp proxy=required",
     "f:3: error: listen = \"/run/x lmtp proxy=required\" has proxy=required, and whoever connects to a unix socket is on this machine; take it out\n"},
    {"tls_also = /a /b\ntls_also = /c /d\ntls_also =", ""},
    {"tls_also = /a", "f:3: error: tls_also = \"/a\" is not two files; write the certificate and, after a blank, its key\n"},
    {"tls_also = /a /b /c", "f:3: error: tls_also = \"/a /b /c\" is not two files; write the certificate and, after a blank, its key\n"},
    {"tls_also = a /b", "f:3: error: tls_also = \"a /b\" has a certificate that is not absolute; write it from the root, beginning with \"/\"\n"},
    {"tls_also = /a /../b", "f:3: error: tls_also = \"/a /../b\" has a key that has \"..\" in it; write the path without it\n"},
    {"mail_root = /m\nstore_default = maildir:/m/{user}\ntls_also = /a /m/k",
     "f:5: error: tls_also = /m/k lies in mail_root = /m, where users of mailboxes may write; keep it elsewhere\n"},
    /* numbers, times, sizes, words */
    {"mail_sessions = 0", "f:3: error: mail_sessions = \"0\" is too small; it goes from 1 to 100000\n"},
    {"mail_sessions = -1", "f:3: error: mail_sessions = \"-1\" is no number; write digits only\n"},
    {"mail_sessions = 18446744073709551616", "f:3: error: mail_sessions = \"18446744073709551616\" is no number; write digits only\n"},
    {"idle_timeout = 25h", "f:3: error: idle_timeout = \"25h\" is too large; it goes from 100ms to 24h\n"},
    {"mail_idle = 18446744073709551615h", "f:3: error: mail_idle = \"18446744073709551615h\" is no time; write for instance 500ms, 30s, 10m, 2h or 14d\n"},
    {"expire = soon", "f:3: error: expire = \"soon\" is no number of days; write for instance 30d, or never\n"},
    {"expire = 36501d", "f:3: error: expire = \"36501d\" is too large; it goes from 0d to 36500d\n"},
    {"expire = 4294967295", "f:3: error: expire = \"4294967295\" is too large; it goes from 0d to 36500d\n"},
    {"mail_idle = ms", "f:3: error: mail_idle = \"ms\" is no time; write for instance 500ms, 30s, 10m, 2h or 14d\n"},
    {"memory_buffers = 1", "f:3: error: memory_buffers = \"1\" is too small; it goes from 64k to 64G\n"},
    {"memory_buffers = 8MB", "f:3: error: memory_buffers = \"8MB\" is no size; write for instance 65536, 64k, 8M or 1G\n"},
    {"allow_memory_store = true", "f:3: error: allow_memory_store = \"true\" is neither yes nor no\n"},
    {"log = flie", "f:3: error: log = \"flie\" is no word that is known here; did you mean \"file\"? (stderr, syslog or file)\n"},
    {"log = tape", "f:3: error: log = \"tape\" is no word that is known here; write stderr, syslog or file\n"},
    {"sasl_mechanisms = PLAIN DIGEST-MD5", "f:3: error: sasl_mechanisms = \"PLAIN DIGEST-MD5\" has the unknown word \"DIGEST-MD5\"; write EXTERNAL, SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN or LOGIN\n"},
    {"sasl_mechanisms = SCRAM-SHA256", "f:3: error: sasl_mechanisms = \"SCRAM-SHA256\" has the unknown word \"SCRAM-SHA256\"; did you mean \"SCRAM-SHA-256\"? (EXTERNAL, SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN or LOGIN)\n"},
    /* names */
    {"hostname = a_b", "f:3: error: hostname = \"a_b\" is no host name; write one of letters, digits, \"-\" and \".\", for instance pop.example.org\n"},
    {"door_user = a b", "f:3: error: door_user = \"a b\" is no account; write the name of one, or the numbers USER or USER:GROUP\n"},
    {"door_user = 0", "f:3: error: door_user = \"0\" is no USER or USER:GROUP in numbers from 1 to 4294967294\n"},
    {"door_user = 5:0", "f:3: error: door_user = \"5:0\" is no USER or USER:GROUP in numbers from 1 to 4294967294\n"},
    {"door_user = 4294967295", "f:3: error: door_user = \"4294967295\" is no USER or USER:GROUP in numbers from 1 to 4294967294\n"},
    {"door_user = 5x", "f:3: error: door_user = \"5x\" is no USER or USER:GROUP in numbers from 1 to 4294967294\n"},
    /* listeners */
    {"listen = 110 pop3", "f:3: error: listen = \"110 pop3\" is no ADDRESS:PORT; write for instance 0.0.0.0:110 or [::]:110\n"},
    {"listen = :110 pop3", "f:3: error: listen = \":110 pop3\" is no ADDRESS:PORT; write for instance 0.0.0.0:110 or [::]:110\n"},
    {"listen = 127.0.0.1:65536 pop3", "f:3: error: listen = \"127.0.0.1:65536 pop3\" has no port from 1 to 65535; write for instance 0.0.0.0:110 or [::]:110\n"},
    {"listen = localhost:110 pop3", "f:3: error: listen = \"localhost:110 pop3\" has no numeric address; names are not looked up, write for instance 127.0.0.1:110 or [::1]:110\n"},
    {"listen = ::1:110 pop3", "f:3: error: listen = \"::1:110 pop3\" is an IPv6 address without brackets; write for instance [::]:110\n"},
    {"listen = [::1:110 pop3", "f:3: error: listen = \"[::1:110 pop3\" lacks the \"]\" of an IPv6 address; write for instance [::]:110\n"},
    {"listen = [::ffff:127.0.0.1]:110 pop3", "f:3: error: listen = \"[::ffff:127.0.0.1]:110 pop3\" is an IPv4 address written as IPv6; write it as IPv4, for instance 127.0.0.1:110\n"},
    {"listen = 127.0.0.1:110", "f:3: error: listen = \"127.0.0.1:110\" does not say the service; write pop3, pop3s, lmtp or smtp after the address\n"},
    {"listen = 127.0.0.1:110 pop3 pop3s", "f:3: error: listen = \"127.0.0.1:110 pop3 pop3s\" names two services; write one of pop3, pop3s, lmtp and smtp\n"},
    {"listen = localhost:110 imap pop3 mode=9 group=1x tls=on lmtp",
     "f:3: error: listen = \"localhost:110 imap pop3 mode=9 group=1x tls=on lmtp\" has no numeric address; names are not looked up, write for instance 127.0.0.1:110 or [::1]:110\n"
     "f:3: error: listen = \"localhost:110 imap pop3 mode=9 group=1x tls=on lmtp\" has the unknown word \"imap\"; write ADDRESS:PORT|PATH pop3|pop3s|lmtp|smtp [cleartext=no] [proxy=required] [mode=MODE] [group=GROUP]\n"
     "f:3: error: listen = \"localhost:110 imap pop3 mode=9 group=1x tls=on lmtp\" has a mode that is no number in octal, whose digits are 0 to 7; write for instance mode=0660\n"
     "f:3: error: listen = \"localhost:110 imap pop3 mode=9 group=1x tls=on lmtp\" has a group that is none; write the name or number of one, for instance group=postfix\n"
     "f:3: error: listen = \"localhost:110 imap pop3 mode=9 group=1x tls=on lmtp\" has the unknown word \"tls=on\"; write ADDRESS:PORT|PATH pop3|pop3s|lmtp|smtp [cleartext=no] [proxy=required] [mode=MODE] [group=GROUP]\n"
     "f:3: error: listen = \"localhost:110 imap pop3 mode=9 group=1x tls=on lmtp\" names two services; write one of pop3, pop3s, lmtp and smtp\n"
     "f:3: error: listen = \"localhost:110 imap pop3 mode=9 group=1x tls=on lmtp\" has a mode or group, which only a unix socket can have; take it out\n"},
    {"listen = /l/.. pop3", "f:3: error: listen = \"/l/.. pop3\" has \"..\" in it; write the path without it\n"
                            "f:3: error: listen = \"/l/.. pop3\" is a unix socket, on which lmtp is served; write an ADDRESS:PORT for the other services\n"},
    {"listen = 127.0.0.1:110 imap", "f:3: error: listen = \"127.0.0.1:110 imap\" has the unknown word \"imap\"; write ADDRESS:PORT|PATH pop3|pop3s|lmtp|smtp [cleartext=no] [proxy=required] [mode=MODE] [group=GROUP]\n"},
    {"listen = 0.0.0.0:110 pop3\nlisten = 127.0.0.1:110 pop3s\nlisten = [::]:110 pop3", "f:4: error: listen = 127.0.0.1:110 clashes with 0.0.0.0:110 on line 3; take one of them out\n"},
    {"listen = [::1]:110 pop3\nlisten = [0:0::1]:110 pop3", "f:4: error: listen = [0:0::1]:110 clashes with [::1]:110 on line 3; take one of them out\n"},
    {"listen = 127.0.0.1:110 pop3\nlisten = 127.0.0.2:110 pop3\nlisten = 127.0.0.1:111 pop3", ""},
    {"listen = 127.0.0.1:995 pop3s cleartext=no", "f:3: warning: cleartext=no says nothing with pop3s, which is never in the clear\n"},
    {"listen = 127.0.0.1:24 lmtp cleartext=no", "f:3: warning: cleartext=no says nothing with lmtp, which takes no passwords\n"},
    {"listen = 127.0.0.1:24 lmtp smtp", "f:3: error: listen = \"127.0.0.1:24 lmtp smtp\" names two services; write one of pop3, pop3s, lmtp and smtp\n"},
    {"listen = 127.0.0.1:24 lmtp mode=0660", "f:3: error: listen = \"127.0.0.1:24 lmtp mode=0660\" has a mode or group, which only a unix socket can have; take it out\n"},
    {"listen = 127.0.0.1:24 lmtp group=mail", "f:3: error: listen = \"127.0.0.1:24 lmtp group=mail\" has a mode or group, which only a unix socket can have; take it out\n"},
    {"listen = 127.0.0.1:24 lmtp\nlisten = 127.0.0.1:25 smtp\nlisten = /run/l lmtp\nlisten = /run/m lmtp", ""},
    {"listen = 127.0.0.1:25 lmtp\nlisten = 0.0.0.0:25 smtp", "f:4: error: listen = 0.0.0.0:25 clashes with 127.0.0.1:25 on line 3; take one of them out\n"},
    {"listen = /run/l lmtp\nlisten = /run//l lmtp", "f:4: error: listen = /run/l clashes with /run/l on line 3; take one of them out\n"},
    {"listen = /run/l smtp", "f:3: error: listen = \"/run/l smtp\" is a unix socket, on which lmtp is served; write an ADDRESS:PORT for the other services\n"},
    {"listen = /run/l", "f:3: error: listen = \"/run/l\" does not say the service; write pop3, pop3s, lmtp or smtp after the address\n"},
    {"listen = /run/../l lmtp", "f:3: error: listen = \"/run/../l lmtp\" has \"..\" in it; write the path without it\n"},
    {"listen = / lmtp", "f:3: error: listen = \"/ lmtp\" is no name of a socket; it may have 107 bytes\n"},
    {"listen = run/l lmtp", "f:3: error: listen = \"run/l lmtp\" is not absolute; write it from the root, beginning with \"/\"\n"},
    {"listen = /" LONG107 " lmtp", "f:3: error: listen = \"/" LONG107 " lmtp\" is no name of a socket; it may have 107 bytes\n"},
    {"listen = /run/l lmtp mode=660 group=_x", ""},
    {"listen = /run/l lmtp mode=0888", "f:3: error: listen = \"/run/l lmtp mode=0888\" has a mode that is no number in octal, whose digits are 0 to 7; write for instance mode=0660\n"},
    {"listen = /run/l lmtp mode=00000000660", "f:3: error: listen = \"/run/l lmtp mode=00000000660\" has a mode beyond 0777; write it in octal, for instance mode=0660\n"},
    {"listen = /run/l lmtp mode=0444", "f:3: error: listen = \"/run/l lmtp mode=0444\" has a mode with which nobody may write, and nobody could connect; write for instance mode=0660\n"},
    {"listen = /run/l lmtp mode=4777", "f:3: error: listen = \"/run/l lmtp mode=4777\" has a mode beyond 0777; write it in octal, for instance mode=0660\n"},
    {"listen = /run/l lmtp group=", "f:3: error: listen = \"/run/l lmtp group=\" has a group that is none; write the name or number of one, for instance group=postfix\n"},
    {"listen = /run/l lmtp group=1x", "f:3: error: listen = \"/run/l lmtp group=1x\" has a group that is none; write the name or number of one, for instance group=postfix\n"},
    {"listen = /run/bustia/control.sock lmtp", "f:3: error: listen = /run/bustia/control.sock is the name of the control socket; take another\n"},
    {"listen = /var/mail/bustia/l lmtp", "f:3: error: listen = /var/mail/bustia/l lies in mail_root = /var/mail/bustia, where users of mailboxes may write; keep it elsewhere\n"},
    {"listen = 0.0.0.0:24 lmtp", "f:3: warning: listen = 0.0.0.0:24 lmtp is open to other machines, and lmtp_networks lets none of them in; name them there, or listen on 127.0.0.1\n"},
    {"listen = 0.0.0.0:24 lmtp\nlmtp_networks = 127.0.0.0/8 192.0.2.0/24", ""},
    {"listen = [::]:24 lmtp\nlmtp_networks =", "f:3: warning: listen = [::]:24 lmtp is open to other machines, and lmtp_networks lets none of them in; name them there, or listen on 127.0.0.1\n"},
    /* networks */
    {"lmtp_networks = ::/0", "f:3: warning: lmtp_networks has ::/0 in it: mail is delivered without a limit from everywhere\n"},
    {"xclient_networks = 0.0.0.0/0", "f:3: warning: xclient_networks has 0.0.0.0/0 in it: anybody may say who he is from everywhere\n"},
    {"xclient_networks = home", "f:3: error: xclient_networks = \"home\" has \"home\", which is no network; write for instance 192.0.2.0/24, 2001:db8::/32 or ::1\n"},
    {"cleartext_networks = 10.0.0.1/8", "f:3: error: cleartext_networks = \"10.0.0.1/8\" has \"10.0.0.1/8\", which has bits beyond its prefix; write the first address of the network before the \"/\"\n"},
    {"cleartext_networks = ::1/129", "f:3: error: cleartext_networks = \"::1/129\" has \"::1/129\", which has no prefix length from 0 to 128 after the \"/\"\n"},
    {"cleartext_networks = 10.0.0.0/", "f:3: error: cleartext_networks = \"10.0.0.0/\" has \"10.0.0.0/\", which has no prefix length from 0 to 32 after the \"/\"\n"},
    {"cleartext_networks = home", "f:3: error: cleartext_networks = \"home\" has \"home\", which is no network; write for instance 192.0.2.0/24, 2001:db8::/32 or ::1\n"},
    {"cleartext_networks = ::ffff:0:0/96", "f:3: error: cleartext_networks = \"::ffff:0:0/96\" has \"::ffff:0:0/96\", which is an IPv4 network written as IPv6; write it as IPv4, for instance 192.0.2.0/24\n"},
    {"cleartext_networks = ::1 0.0.0.0/0", "f:3: warning: cleartext_networks has 0.0.0.0/0 in it: passwords are taken without TLS from everywhere\n"},
    /* folders */
    {"mail_root = mail", "f:3: error: mail_root = \"mail\" is not absolute; write it from the root, beginning with \"/\"\n"},
    {"mail_root = /srv/ /", "f:3: error: mail_root = \"/srv/ /\" ends with a blank; write it without\n"},
    {"mail_root = /a/../b", "f:3: error: mail_root = \"/a/../b\" has \"..\" in it; write the path without it\n"},
    {"mail_root = //./", "f:3: error: mail_root = \"//./\" holds the system itself; name a folder that holds nothing but mail\n"},
    {"mail_root = /etc/mail", "f:3: error: mail_root = \"/etc/mail\" holds the system itself; name a folder that holds nothing but mail\n"},
    {MAIL "mail_root = /m/n", "f:5: error: mail_root = /m/n lies in mail_root = /m on line 3, which holds it already; take one of them out\n"},
    {MAIL "mail_root = /m/", "f:5: error: mail_root = /m stands on line 3 already\n"},
    {MAIL "mail_root = /mn", ""},
    {MAIL "users_db = /m/users.db", "f:5: error: users_db = /m/users.db lies in mail_root = /m, where users of mailboxes may write; keep it elsewhere\n"},
    {MAIL "run_dir = /m", "f:5: error: run_dir = /m lies in mail_root = /m, where users of mailboxes may write; keep it elsewhere\n"},
    {MAIL "pid_file = /m/pid", "f:5: error: pid_file = /m/pid lies in mail_root = /m, where users of mailboxes may write; keep it elsewhere\n"},
    {"mail_root = /m", "f:3: warning: mail_root does not hold the default of store_default, maildir:/var/mail/bustia/{user}; set store_default too\n"},
    {"store_default = maildir:/n/{user}", "f:3: error: store_default = maildir:/n/{user} lies in no mail_root; name one that holds it\n"},
    {"store_default = maildir:/var/mail/bustia/all", "f:3: error: store_default = \"maildir:/var/mail/bustia/all\" has no {user} in it, so that all users would share one maildrop\n"},
    {"store_default = mbox:/var/mail/bustia/{user}", "f:3: error: store_default = \"mbox:/var/mail/bustia/{user}\" has an unknown scheme; write for instance maildir:/var/mail/bustia/{user}\n"},
    {"store_default = /var/mail/bustia/{user}", "f:3: error: store_default = \"/var/mail/bustia/{user}\" is no SCHEME:PATH; write for instance maildir:/var/mail/bustia/{user}\n"},
    {"store_default = maildir:{user}", "f:3: error: store_default = \"maildir:{user}\" has a path that is not absolute; write it from the root, beginning with \"/\"\n"},
    {"store_default = memory:/var/mail/bustia/{user}", "f:3: error: store_default = memory:/var/mail/bustia/{user} keeps mail in memory, and allow_memory_store is no\n"},
    {"run_dir = /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "f:3: error: run_dir is longer than the 94 bytes that a socket in it allows\n"},
    /* what does not fit together */
    {"log = file", "f:3: error: log = file needs log_file; name the file\n"},
    {"log_file = /var/log/x", "f:3: warning: log_file is not used; it needs log = file\n"},
    {"connections = 10\ntls_waiting = 20", "f:4: warning: tls_waiting is more than connections, which then is the limit\n"},
    {"connections = 10\naddress_waiting = 11", "f:4: warning: address_waiting is more than connections: one address may take all of them\n"},
    {"connections = 10", ""},
    {"trusted_networks = ::/0", "f:3: warning: trusted_networks has ::/0 in it: no limit per address holds from everywhere\n"},
    {"failure_delay = 1m\nauthorization_timeout = 1m", "f:3: warning: failure_delay is not less than authorization_timeout: nobody sees that his password was wrong\n"},
    {"busy_wait = 30s\nauthorization_timeout = 30s", "f:3: warning: busy_wait is not less than authorization_timeout: who waits for his maildrop is cut off\n"},
    {"authorization_timeout = 3s", "f:3: warning: busy_wait is not less than authorization_timeout: who waits for his maildrop is cut off\n"},
    {"busy = refuse\nauthorization_timeout = 3s", ""},
    {"busy = refuse\nbusy_wait = 3s", "f:4: warning: busy_wait is not used with busy = refuse\n"},
    {"busy = takeover\nbusy_wait = 3s", ""},
    {"busy = yes", "f:3: error: busy = \"yes\" is no word that is known here; write wait, refuse or takeover\n"},
    {"login_delay = 1500ms", "f:3: warning: login_delay is announced in whole seconds: it is taken as the next one\n"},
    {"idle_timeout = 599s", "f:3: warning: idle_timeout is less than the 10m that RFC 1939 asks for\n"},
    {"first_uid = 999", "f:3: warning: first_uid is less than 1000: mailboxes may be opened as system accounts\n"},
    {"message_size = 300M", "f:3: error: message_size is more than messages_memory: a message of that size could never come in\n"},
    {"message_size = 2M\nmessages_memory = 1M", "f:4: error: message_size is more than messages_memory: a message of that size could never come in\n"},
    {"smtp_timeout = 299s", "f:3: warning: smtp_timeout is less than the 5m that RFC 5321 asks for\n"},
    {"postmaster = anna maria", "f:3: error: postmaster = \"anna maria\" is no user's name; write one word\n"},
    {"postmaster =\nmaildir_line_ends = wire\nsmtp_messages = 0", ""},
    {"maildir_line_ends = crlf", "f:3: error: maildir_line_ends = \"crlf\" is no word that is known here; write lf or wire\n"},
    {"allow_memory_store = yes", "f:3: warning: allow_memory_store = yes is for tests only\n"},
};

/* Without a certificate: not behind QUIET. */
static const struct wrong without_tls[] = {
    {"tls_cert = /c", "f:1: error: tls_cert has no tls_key beside it; name its private key\n"},
    {"tls_key = /k", "f:1: error: tls_key has no tls_cert beside it; name its certificate\n"},
    {"tls_also = /c /k\nlisten = 127.0.0.1:110 pop3", "f:1: error: tls_also needs tls_cert and tls_key, for whoever asks for no name or for another\n"},
    {"tls_client_ca = /c", "f: warning: there is no tls_cert, so passwords from outside of cleartext_networks are refused; set tls_cert and tls_key\n"
                          "f:1: error: tls_client_ca needs tls_cert and tls_key: certificates are shown inside TLS\n"},
    {"tls_cert = c\ntls_key = /k", "f:1: error: tls_cert = \"c\" is not absolute; write it from the root, beginning with \"/\"\n"},
    {"listen = 127.0.0.1:995 pop3s", "f:1: error: listen = 127.0.0.1:995 pop3s needs tls_cert and tls_key\n"},
    {"listen = 127.0.0.1:110 pop3", ""},
    {"listen = [::1]:110 pop3 cleartext=no", "f:1: warning: listen = [::1]:110 takes no passwords at all: it has cleartext=no, and there is no tls_cert\n"},
    {"listen = 192.0.2.1:110 pop3", "f: warning: there is no tls_cert, so passwords from outside of cleartext_networks are refused; set tls_cert and tls_key\n"},
};
/* clang-format on */

static void assert_told(const char *before, const struct wrong *w)
{
    struct conf c;
    struct conf_problems p = {0};
    char *text = NULL;
    assert_true(asprintf(&text, "%s%s", before, w->text) >= 0);
    read_text(&c, text, &p);
    char *said = told(&p);
    assert_string_equal(said, w->told);
    unsigned fatal = 0;
    for (unsigned i = 0; i < p.count; i++)
        fatal += p.list[i].fatal;
    assert_int_equal(fatal, p.fatal);
    assert_prints_itself(&c);
    free(said);
    free(text);
    conf_free(&c);
    conf_problems_free(&p);
}

static void says_what_is_wrong(void **state)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
        assert_told(QUIET, &wrongs[i]);
    for (size_t i = 0; i < sizeof without_tls / sizeof *without_tls; i++)
        assert_told("", &without_tls[i]);
}

static void says_all_at_once_in_order(void **state)
{
    static const struct wrong all = {
        "mail_root = /m\n"
        "users_db = /m/db\n"
        "bogus = 1\n"
        "mail_sessions = 0\n"
        "listen = [::1]:995 pop3s\n",
        "f:1: warning: mail_root does not hold the default of store_default, "
        "maildir:/var/mail/bustia/{user}; set store_default too\n"
        "f:2: error: users_db = /m/db lies in mail_root = /m, where users of mailboxes may write; "
        "keep it elsewhere\n"
        "f:3: error: unknown option \"bogus\"; bustia.conf(5) lists those that there are\n"
        "f:4: error: mail_sessions = \"0\" is too small; it goes from 1 to 100000\n"
        "f:5: error: listen = [::1]:995 pop3s needs tls_cert and tls_key\n"};
    assert_told("", &all);
}

static void lists_have_an_end(void **state)
{
    struct conf c;
    struct conf_problems p = {0};
    char text[8192] = QUIET;
    for (unsigned i = 0; i <= CONF_LISTENERS; i++)
        sprintf(text + strlen(text), "listen = 127.0.0.1:%u pop3\n", 1000 + i);
    for (unsigned i = 0; i <= CONF_ROOTS; i++)
        sprintf(text + strlen(text), "mail_root = /m%u\n", i);
    strcat(text, "store_default = maildir:/m1/{user}\n");
    read_text(&c, text, &p);
    assert_int_equal(p.fatal, 2);
    assert_int_equal(c.listeners, CONF_LISTENERS);
    assert_int_equal(c.mail_roots, CONF_ROOTS);
    assert_non_null(strstr(p.list[0].text, "is one too many; there may be 16"));
    assert_prints_itself(&c);
    conf_free(&c);
    conf_problems_free(&p);
}

/* ---- the nearest word */

static void nearest(void **state)
{
    static const char *const names[] = {"listen", "log", "log_file", "log_level", NULL};
    assert_string_equal(conf_nearest(span_of("lsiten"), names), "listen");
    assert_string_equal(conf_nearest(span_of("LISTEN"), names), "listen");
    assert_string_equal(conf_nearest(span_of("log-file"), names), "log_file");
    assert_string_equal(conf_nearest(span_of("logfile"), names), "log_file");
    assert_string_equal(conf_nearest(span_of("lg"), names), "log");
    assert_null(conf_nearest(span_of("password"), names));
    assert_null(conf_nearest(span_of(""), names));
    assert_null(conf_nearest(span_of("listenlistenlistenlistenlistenlistenlistenlistenlisten"), names));
}

static void below(void **state)
{
    assert_true(conf_path_below("/a", "/a"));
    assert_true(conf_path_below("/a/b", "/a"));
    assert_true(conf_path_below("/a/b", "/"));
    assert_false(conf_path_below("/ab", "/a"));
    assert_false(conf_path_below("/a", "/a/b"));
    assert_false(conf_path_below("", "/a"));
}

/* ---- print and read are each other's opposite */

static uint64_t dice_state = 88172645463325252ull;

static unsigned dice(unsigned sides)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 7;
    dice_state ^= dice_state << 17;
    return (unsigned)(dice_state % sides);
}

static void random_number(const struct conf_option *o, FILE *to)
{
    static const char *const units[] = {"ms", "s", "m", "h"}, *const sizes[] = {"", "k", "M", "G"};
    uint64_t span = o->most - o->least, value = dice(4)   ? o->least + dice(1000000) % (span + 1)
                                                : dice(2) ? o->most
                                                          : o->least;
    if (o->kind == &CONF_KIND_TIME)
        dice(2) ? fprintf(to, "%llums", (unsigned long long)value) : fprintf(to, "%u%s", dice(100), units[dice(4)]);
    else if (o->kind == &CONF_KIND_SIZE)
        dice(2) ? fprintf(to, "%llu", (unsigned long long)value) : fprintf(to, "%u%s", dice(100), sizes[dice(4)]);
    else
        fprintf(to, "%llu", (unsigned long long)value);
}

static void random_value(const struct conf_option *o, FILE *to)
{
    static const char *const addresses[] = {"127.0.0.1", "0.0.0.0", "[::]", "[::1]", "[2001:db8::7]", "192.0.2.1"};
    static const char *const networks[] = {"", "10.0.0.0/8", "::1", "fe80::/10 192.0.2.1", "0.0.0.0/0", "1.2.3.4/24"};
    static const char *const paths[] = {"",       "/a",   "/a/b",  "//a//./b/", "/srv/mail", "/x/{user}",
                                        "/ä/ü ö", "/a#b", "/a #b", "a",         "/.."};
    static const char *const services[] = {"pop3", "pop3s", "lmtp", "smtp"}, *const modes[] = {"", " mode=0600", " mode=666"};
    if (o->kind == &CONF_KIND_LISTEN && !dice(4))
        fprintf(to, "%s %s%s%s", paths[dice(11)], services[dice(3)], modes[dice(3)], dice(2) ? "" : " group=g1");
    else if (o->kind == &CONF_KIND_NAME)
        fputs(dice(2) ? "" : "anna@example.org", to);
    else if (o->kind == &CONF_KIND_LISTEN)
        fprintf(to, "%s:%u %s%s", addresses[dice(6)], 1 + dice(65535), services[dice(4)],
                dice(2) ? "" : " cleartext=no");
    else if (o->kind == &CONF_KIND_NETWORKS)
        fputs(networks[dice(6)], to);
    else if (o->kind == &CONF_KIND_WORD || o->kind == &CONF_KIND_WORDS)
        for (unsigned i = 0; o->words[i]; i++)
            fprintf(to, "%s%s", dice(2) ? o->words[i] : "", o->kind == &CONF_KIND_WORD ? "" : "  ");
    else if (o->kind == &CONF_KIND_STORE)
        fprintf(to, "%s:%s%s", dice(2) ? "maildir" : "memory", paths[dice(11)], dice(2) ? "/{user}" : "");
    else if (o->kind == &CONF_KIND_USER)
        fprintf(to, dice(2) ? "%u" : "u%u", dice(70000));
    else if (o->kind == &CONF_KIND_HOST)
        fprintf(to, "h%u.example.org", dice(100));
    else if (o->kind == &CONF_KIND_YES)
        fputs(dice(2) ? "yes" : "no", to);
    else if (o->kind->number)
        random_number(o, to);
    else
        fputs(paths[dice(11)], to);
}

static char *random_conf(void)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    for (unsigned lines = dice(60); lines > 0; lines--) {
        const struct conf_option *o = &conf_schema_server.table[dice(conf_schema_server.count)];
        fprintf(to, "%s%s%s", o->name, dice(2) ? " = " : "=", dice(30) ? "" : "\x01");
        random_value(o, to);
        fputs(dice(5) ? "\n" : " # why\r\n", to);
    }
    fclose(to);
    return text;
}

static void print_then_read_is_the_same(void **state)
{
    for (unsigned i = 0; i < 3000; i++) {
        struct conf c;
        struct conf_problems p = {0};
        char *text = random_conf();
        read_text(&c, text, &p);
        assert_prints_itself(&c);
        for (unsigned k = 1; k < p.count; k++)
            assert_true(p.list[k - 1].line <= p.list[k].line);
        free(text);
        conf_free(&c);
        conf_problems_free(&p);
    }
}

/* ---- sample and manual */

/* The sample with every "#NAME = VALUE" as a line of its own, but for options whose example is no default. */
static char *uncommented(const char *sample)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    struct span rest = span_of(sample);
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        bool option = line.n > 1 && line.p[0] == '#' && line.p[1] >= 'a' && line.p[1] <= 'z';
        bool example = line.n > 9 && memcmp(line.p, "#hostname", 9) == 0;
        example |= line.n > 5 && memcmp(line.p + line.n - 5, "pop3s", 5) == 0;
        example |= line.n > 8 && memcmp(line.p, "#listen ", 8) == 0 && memmem(line.p, line.n, "mtp", 3);
        fprintf(to, "%.*s\n", (int)line.n - (option && !example), line.p + (option && !example));
    }
    fclose(to);
    return text;
}

static void sample_is_the_defaults(void **state)
{
    struct conf c, sample;
    struct conf_problems p = {0};
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    conf_sample(to);
    fclose(to);
    read_text(&c, "", &p);
    read_text(&sample, text, &p);
    assert_int_equal(differ(&c, &sample), 0); /* all is commented out */
    conf_free(&sample);
    char *open = uncommented(text);
    read_text(&sample, open, &p);
    assert_int_equal(p.fatal, 0);
    assert_int_equal(differ(&c, &sample), 0); /* and says the defaults */
    for (unsigned i = 0; i < conf_schema_server.count; i++)
        assert_true(conf_line(&sample, conf_schema_server.table[i].name) > 0 || strcmp(conf_schema_server.table[i].name, "hostname") == 0);
    free(open);
    free(text);
    conf_free(&c);
    conf_free(&sample);
    conf_problems_free(&p);
}

static void manual_has_every_option(void **state)
{
    char *text = NULL, item[100];
    size_t n;
    FILE *to = open_memstream(&text, &n);
    conf_manual(to);
    fclose(to);
    for (unsigned i = 0; i < conf_schema_server.count; i++) {
        snprintf(item, sizeof item, "\n.It Ic %s No = ", conf_schema_server.table[i].name);
        assert_non_null(strstr(text, item));
        assert_true(strlen(conf_schema_server.table[i].about) > 10);
    }
    free(text);
}

/* ---- reload */

static void keeps_what_needs_a_restart(void **state)
{
    struct conf old, fresh;
    struct conf_problems p = {0};
    read_text(&old, "tls_cert = /old\ntls_key = /k\nlisten = 127.0.0.1:1 pop3\nmail_root = /m\nusers_db = /old.db\n",
              &p);
    read_text(&fresh,
              "tls_cert = /new\ntls_key = /k\nlisten = 127.0.0.1:2 pop3\nlisten = 127.0.0.1:3 pop3\nmail_root = "
              "/n\nusers_db = /new.db\n",
              &p);
    assert_true(conf_reloads("tls_cert"));
    assert_false(conf_reloads("listen"));
    assert_false(conf_reloads("no such"));
    assert_int_equal(differ(&old, &fresh), 4);
    conf_keep(&fresh, &old);
    assert_string_equal(fresh.tls_cert, "/new");
    assert_string_equal(fresh.users_db, "/old.db");
    assert_int_equal(fresh.listeners, 1);
    assert_string_equal(fresh.listen[0].address, "127.0.0.1:1");
    assert_int_equal(fresh.mail_roots, 1);
    assert_string_equal(fresh.mail_root[0], "/m");
    assert_int_equal(differ(&old, &fresh), 1);
    conf_free(&old);
    conf_free(&fresh);
    conf_problems_free(&p);
}

/* ---- files */

static void loads(void **state)
{
    struct conf c;
    struct conf_problems p = {0};
    struct err err;
    const char *tmp = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/test_conf.XXXXXX", tmp ? tmp : "/tmp");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "mail_sessions = 7\n", 18), 18);
    assert_int_equal(conf_load(&c, path, &p, &err), 0);
    assert_int_equal(c.mail_sessions, 7);
    conf_free(&c);
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    assert_int_equal(conf_load(&c, path, &p, &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_int_equal(c.mail_sessions, 500);
    conf_free(&c);
    close(fd);
    unlink(path);
    assert_int_equal(conf_load(&c, path, &p, &err), -1);
    assert_non_null(strstr(err.text, "No such file"));
    conf_free(&c);
    assert_int_equal(conf_load(&c, "/", &p, &err), -1);
    assert_non_null(strstr(err.text, "is no regular file"));
    conf_free(&c);
    conf_problems_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(a_certificate_opens_995),
        cmocka_unit_test(listeners_of_reception),
        cmocka_unit_test(values),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(says_all_at_once_in_order),
        cmocka_unit_test(lists_have_an_end),
        cmocka_unit_test(nearest),
        cmocka_unit_test(below),
        cmocka_unit_test(print_then_read_is_the_same),
        cmocka_unit_test(sample_is_the_defaults),
        cmocka_unit_test(manual_has_every_option),
        cmocka_unit_test(keeps_what_needs_a_restart),
        cmocka_unit_test(loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
