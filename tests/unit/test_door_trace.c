/* daemon/door_trace: the fields, word for word; nothing a peer says breaks them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "daemon/door_trace.h"

enum { WHEN = 1795532400 }; /* Tue, 24 Nov 2026 15:00:00 +0000 */

static struct smtp_peer peer;
static struct smtp_mail mail;
static char out[TALK_TRACE_MAX + 1];

static struct trace simple(void)
{
    memset(&peer, 0, sizeof peer);
    memset(&mail, 0, sizeof mail);
    strcpy(peer.helo, "mx.example.org");
    peer.esmtp = true;
    strcpy(mail.from.local, "anna");
    strcpy(mail.from.domain, "example.org");
    return (struct trace){.peer = &peer,
                          .address = "192.0.2.7",
                          .mail = &mail,
                          .dialect = SMTP_IS_SMTP,
                          .host = "mail.example.net",
                          .id = "5f.1.2",
                          .seconds = WHEN};
}

static const char *text(const struct trace *t, const char *rcpt, bool only)
{
    out[trace_text(t, rcpt, only, out)] = '\0';
    return out;
}

static void a_message_for_one(void **state)
{
    struct trace t = simple();
    (void)state;
    assert_string_equal(text(&t, "berta@example.net", true), "Return-Path: <anna@example.org>\r\n"
                                                             "Delivered-To: berta@example.net\r\n"
                                                             "Received: from mx.example.org ([192.0.2.7])\r\n"
                                                             "\tby mail.example.net with ESMTP id 5f.1.2\r\n"
                                                             "\tfor <berta@example.net>;\r\n"
                                                             "\tTue, 24 Nov 2026 15:00:00 +0000\r\n");
}

static void a_message_for_several_over_tls(void **state)
{
    struct trace t = simple();
    (void)state;
    t.address = "2001:db8::7";
    t.tls = "TLSv1.3";
    t.cipher = "TLS_AES_256_GCM_SHA384";
    mail.from = (struct smtp_address){0};
    assert_string_equal(text(&t, "berta@example.net", false), "Return-Path: <>\r\n"
                                                              "Delivered-To: berta@example.net\r\n"
                                                              "Received: from mx.example.org ([IPv6:2001:db8::7])\r\n"
                                                              "\tby mail.example.net with ESMTPS\r\n"
                                                              "\t(TLSv1.3 TLS_AES_256_GCM_SHA384) id 5f.1.2;\r\n"
                                                              "\tTue, 24 Nov 2026 15:00:00 +0000\r\n");
}

static void for_whom_a_proxy_speaks(void **state)
{
    struct trace t = simple();
    (void)state;
    strcpy(peer.name, "client.example.com");
    strcpy(peer.address, "198.51.100.9");
    t.address = "127.0.0.1";
    assert_non_null(strstr(text(&t, "b", true), "from mx.example.org (client.example.com [198.51.100.9])\r\n"));
    *peer.address = '\0';
    t.address = "unix";
    assert_non_null(strstr(text(&t, "b", true), "from mx.example.org (client.example.com)\r\n"));
    *peer.name = '\0';
    assert_non_null(strstr(text(&t, "b", true), "from mx.example.org\r\n"));
    *peer.helo = '\0';
    assert_non_null(strstr(text(&t, "b", true), "from unknown\r\n"));
}

static void protocols(void **state)
{
    (void)state;
    assert_string_equal(trace_protocol(SMTP_IS_SMTP, false, false, false), "SMTP");
    assert_string_equal(trace_protocol(SMTP_IS_SMTP, true, false, false), "ESMTP");
    assert_string_equal(trace_protocol(SMTP_IS_SMTP, true, true, false), "ESMTPS");
    assert_string_equal(trace_protocol(SMTP_IS_SMTP, true, false, true), "UTF8SMTP");
    assert_string_equal(trace_protocol(SMTP_IS_SMTP, true, true, true), "UTF8SMTPS");
    assert_string_equal(trace_protocol(SMTP_IS_LMTP, true, false, false), "LMTP");
    assert_string_equal(trace_protocol(SMTP_IS_LMTP, true, true, false), "LMTPS");
    assert_string_equal(trace_protocol(SMTP_IS_LMTP, true, false, true), "UTF8LMTP");
    assert_string_equal(trace_protocol(SMTP_IS_LMTP, true, true, true), "UTF8LMTPS");
}

/* Every octet there is, in every place, as long as it can be: still six lines of the right form, none too long. */
static void nothing_breaks_it(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        struct trace t = simple();
        char rcpt[SMTP_ADDRESS_TEXT];
        memset(peer.helo, (int)c, SMTP_NAME_MAX);
        memset(peer.name, (int)c, SMTP_NAME_MAX);
        memset(peer.address, (int)c, sizeof peer.address - 1);
        memset(mail.from.local, (int)c, SMTP_LOCAL_MAX);
        memset(mail.from.domain, (int)c, SMTP_DOMAIN_MAX);
        memset(rcpt, (int)c, sizeof rcpt - 1);
        rcpt[sizeof rcpt - 1] = '\0';
        mail.utf8 = c % 2;
        size_t n = trace_text(&t, rcpt, true, out);
        assert_true(n < TALK_TRACE_MAX);
        out[n] = '\0';
        unsigned lines = 0;
        for (char *p = out; *p; lines++) {
            size_t len = strcspn(p, "\r\n");
            assert_true(len <= 998);
            assert_true(lines < 3 ? strchr("RD", *p) != NULL : *p == '\t');
            for (size_t i = 0; i < len; i++)
                assert_true((unsigned char)p[i] >= 0x20 || p[i] == '\t');
            assert_memory_equal(p + len, "\r\n", 2);
            p += len + 2;
        }
        assert_int_equal(lines, 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_for_one),       cmocka_unit_test(a_message_for_several_over_tls),
        cmocka_unit_test(for_whom_a_proxy_speaks), cmocka_unit_test(protocols),
        cmocka_unit_test(nothing_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
