/* An account's `deliver`, to each kind of destination; and what is wrong with it, in words that name the account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../unit/peer_help.h"
#include "base/mem.h"
#include "dest_mailbox.h"
#include "post/open.h"

static const char text[] = "Subject: x\r\n\r\nbody\r\n";

static struct account account(const char *deliver)
{
    return (struct account){.name = (char *)"work",
                            .deliver = (char *)deliver,
                            .deliver_from = (char *)"me@example.org",
                            .deliver_to = (char *)"anna@example.org",
                            .deliver_tls = ACCOUNT_CLEAR};
}

static void goes(const struct account *a, const char *conf_file)
{
    struct out *o = NULL;
    struct err err = {0};
    if (out_open(&o, a, conf_file, &err) < 0)
        fail_msg("%s", err.text);
    dest_deliver(o, &(struct out_about){.wire = true, .uid = "17"}, span_of(text), NULL);
    out_close(o);
}

static void refused(const struct account *a, const char *conf_file, enum err_kind kind, const char *words)
{
    struct out *o = NULL;
    struct err err = {0};
    assert_int_equal(out_open(&o, a, conf_file, &err), -1);
    if (err.kind != kind || !strstr(err.text, words))
        fail_msg("kind %d, \"%s\", not %d, \"%s\"", err.kind, err.text, kind, words);
}

/* ---- each kind */

static void test_maildir(void **state)
{
    struct place p;
    place_make(&p);
    setenv("HOME", p.top, 1);
    struct account a = account("maildir:~/anna");
    goes(&a, NULL);
    assert_int_equal(place_count(&p, "new"), 1);
    a = account("maildir:~/nowhere/anna");
    refused(&a, NULL, ERR_TEMP, "nowhere");
    place_free(&p);
}

static void test_command(void **state)
{
    struct place p;
    char words[3 * PLACE_PATH];
    place_make(&p);
    snprintf(words, sizeof words, "command:mkdir %s/anna && cat > %s/anna/$BUSTIA_ACCOUNT.$BUSTIA_UID", p.top, p.top);
    struct account a = account(words);
    goes(&a, NULL);
    assert_true(place_has(&p, "work.17"));
    place_free(&p);
}

#define SESSION(hello)                                                                                                 \
    "S 220 test\nC " hello " *\nS 250 test\nC MAIL FROM:<me@example.org>\nS 250 yes\nC RCPT TO:<anna@example.org>\n"   \
    "S 250 yes\nC DATA\nS 354 go on\nC Subject: x\nC \nC body\nC .\nS 250 kept\nC QUIT\nS 221 bye\nE\n"

static void server(const char *scheme, enum account_tls tls, const char *script)
{
    struct peer *p = peer_start(script);
    char deliver[60];
    snprintf(deliver, sizeof deliver, "%s:localhost:%u", scheme, peer_port(p));
    struct account a = account(deliver);
    a.deliver_tls = tls;
    setenv("SSL_CERT_FILE", peer_cert(), 1);
    goes(&a, NULL);
    assert_non_null(peer_end(p));
    unsetenv("SSL_CERT_FILE");
}

/* deliver_tls is SMTP's; the system's issuers are believed. */
static void test_servers(void **state)
{
    server("smtp", ACCOUNT_CLEAR, SESSION("EHLO"));
    server("smtp", ACCOUNT_TLS, "T\n" SESSION("EHLO"));
    server("lmtp", ACCOUNT_CLEAR, SESSION("LHLO"));
    server("lmtp", ACCOUNT_TLS, SESSION("LHLO"));
}

static void test_mailbox(void **state)
{
    struct dest_test t = {.dest = geteuid() ? &dest_mailbox_owner : &dest_mailbox};
    char file[PLACE_PATH + 20], lines[3 * PLACE_PATH], old[PLACE_PATH + 20], new[PLACE_PATH + 20];
    struct place db; /* it may not lie below the mail root */
    struct account a = account("mailbox:anna"), other = account("mailbox:berta");
    t.dest->make(&t);
    place_make(&db);
    snprintf(old, sizeof old, "%s/users.db", t.place.top);
    snprintf(new, sizeof new, "%s/users.db", db.top);
    assert_int_equal(rename(old, new), 0);
    snprintf(file, sizeof file, "%s/conf", t.place.top);
    FILE *f = fopen(file, "we");
    assert_non_null(f);
    snprintf(lines, sizeof lines, "mail_root = %s\nusers_db = %s\n", t.place.top, new);
    fputs(lines, f);
    fclose(f);
    goes(&a, file);
    assert_int_equal(t.dest->count(&t), 1);
    refused(&other, file, geteuid() ? ERR_CONFIG : ERR_GONE, geteuid() ? "lmtp" : "no such user");
    f = fopen(file, "we");
    assert_non_null(f);
    fputs("mail_rot = /srv\n", f);
    fclose(f);
    refused(&a, file, ERR_CONFIG, "account work: deliver = mailbox:anna: the server's configuration");
    unlink(file);
    struct out *o = NULL;
    struct err err = {0};
    assert_int_equal(out_open(&o, &a, file, &err), -1);
    assert_non_null(strstr(err.text, file));
    t.dest->clean(&t);
    place_free(&db);
}

/* ---- what is wrong */

static void test_wrong(void **state)
{
    static const char *const wrong[] = {
        "",      "anna",  "maildir:", "maildir:relative", "maildir:/a/../b", "mbox:/a",
        "smtp:", "lmtp:", "command:", "command: ",        "lmtp:localhost",  "smtp:a:b:c"};
    for (size_t i = 0; i < sizeof wrong / sizeof(void *); i++) {
        struct account a = account(wrong[i]);
        refused(&a, NULL, ERR_CONFIG, "account work: deliver = ");
    }
    static const char *const handed[] = {"lmtp:localhost:24", "smtp:localhost", "lmtp:/run/lmtp"};
    for (size_t i = 0; i < 3; i++) {
        struct account a = account(handed[i]);
        a.deliver_to = (char *)"";
        refused(&a, NULL, ERR_CONFIG, "needs deliver_to");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maildir), cmocka_unit_test(test_command), cmocka_unit_test(test_servers),
        cmocka_unit_test(test_mailbox), cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
