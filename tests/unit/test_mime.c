/* mime: what a person is shown, saves and answers of a message, through the process apart; and what is made of a
 * letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/walls.h"
#include "reader/mime.h"
#include "reader/mime_address.h"
#include "reader/spool.h"

enum { FIELDS = 16 };

/* What was said: text; names and octets of files as "[NAME]octets"; the fields of the last row. */
struct said {
    FILE *to;
    char *text;
    size_t n;
    char *field[FIELDS];
    unsigned fields;
};

static int take(void *arg, enum apart_kind kind, struct span what, struct err *err)
{
    struct said *s = arg;
    (void)err;
    if (kind == APART_ROW) {
        for (s->fields = 0; what.n && s->fields < FIELDS; s->fields++) {
            struct span one = span_cut(&what, '\0');
            mem_free(s->field[s->fields]);
            s->field[s->fields] = mem_copy(one.p, one.n);
        }
        return 0;
    }
    fprintf(s->to, kind == APART_PART ? "[%.*s]" : "%.*s", (int)what.n, what.p);
    return 0;
}

static int ask(struct said *s, const char *message, size_t n, apart_work *work, struct mime_how how, struct err *err)
{
    struct spool spool;
    struct apart *a;
    *s = (struct said){.to = NULL};
    s->to = open_memstream(&s->text, &s->n);
    assert_int_equal(spool_open(&spool, 1 << 20, err), 0);
    assert_int_equal(apart_begin(&a, spool.fd, work, &how, err), 0);
    assert_int_equal(spool_add(&spool, (struct span){message, n}, err), 0);
    int result = apart_run(a, take, s, err);
    fclose(s->to);
    apart_end(a);
    spool_close(&spool);
    return result;
}

static void forget(struct said *s)
{
    for (int i = 0; i < FIELDS; i++)
        mem_free(s->field[i]);
    free(s->text);
}

static void check(const char *message, apart_work *work, struct mime_how how, const char *expected)
{
    struct said s;
    struct err err;
    assert_int_equal(ask(&s, message, strlen(message), work, how, &err), 0);
    assert_string_equal(s.text, expected);
    forget(&s);
}

/* ---- what is shown and saved */

static const char forms[] =
    "MIME-Version: 1.0\nSubject: s\nContent-Type: multipart/alternative; boundary=b\n\n"
    "--b\nContent-Type: text/plain\n\nplain\n--b\nContent-Type: text/html\n\n<b>html</b>\n--b--\n";

static void test_forms(void **state)
{
    (void)state;
    check(forms, mime_show, (struct mime_how){.html = false},
          "Subject: s\n\nplain\n\nParts, to be saved by their number:\n[2] text/html, 11 (the same text in another "
          "form)\n");
    check(forms, mime_show, (struct mime_how){.html = true},
          "Subject: s\n\nhtml\n\nParts, to be saved by their number:\n[1] text/plain, 5 (the same text in another "
          "form)\n");
}

static void test_a_field_stays_one(void **state)
{
    (void)state;
    check("Subject: =?utf-8?q?x=0D=0AFrom:_boss=40example.test?=\n\ntext", mime_show, (struct mime_how){.html = false},
          "Subject: x  From: boss@example.test\n\ntext\n");
}

static const char files[] =
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n"
    "--b\nContent-Type: image/png; name=\"../x.png\"\nContent-Transfer-Encoding: base64\n\nYWJj\n"
    "--b\nContent-Type: message/rfc822\n\nSubject: in\n\ninner\n"
    "--b\nContent-Disposition: attachment\n\nnameless\n--b--\n";

static void test_files(void **state)
{
    (void)state;
    struct said s;
    struct err err;
    check(files, mime_save, (struct mime_how){.part = 0}, "[../x.png]abc[part-5.txt]nameless");
    check(files, mime_save, (struct mime_how){.part = 3}, "[message.eml]Subject: in\n\ninner");
    check(files, mime_save, (struct mime_how){.part = 1}, "[part-1.txt]text");
    assert_int_equal(ask(&s, files, strlen(files), mime_save, (struct mime_how){.part = 9}, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    forget(&s);
}

static void test_charsets(void **state)
{
    (void)state;
    check("Content-Type: text/plain; charset=iso-8859-1\n\n\xe4", mime_show, (struct mime_how){.html = false},
          "\n\xc3\xa4\n");
    check("\n\x80\n", mime_show, (struct mime_how){.html = false}, "\n\xe2\x82\xac\n");
    check("\n\xc3\xa4\n", mime_show, (struct mime_how){.html = false}, "\n\xc3\xa4\n");
}

static void test_rows(void **state)
{
    (void)state;
    static const char head[] = "From: =?utf-8?q?Zo=C3=AB?= <z@example.test>\nSubject: s\n";
    char heads[200];
    struct said s;
    struct err err;
    uint32_t n = sizeof head - 1;
    memset(heads, 0, sizeof(uint32_t)); /* one that could not be had */
    memcpy(heads + sizeof n, &n, sizeof n);
    memcpy(heads + 2 * sizeof n, head, n);
    assert_int_equal(ask(&s, heads, 2 * sizeof n + n, mime_rows, (struct mime_how){.html = false}, &err), 0);
    assert_int_equal(s.fields, 3);
    assert_string_equal(s.field[0], "");
    assert_string_equal(s.field[1], "Zo\xc3\xab");
    assert_string_equal(s.field[2], "s");
    forget(&s);
}

/* ---- answers */

static void check_reply(const char *message, const char *to, const char *subject, const char *references,
                        const char *others)
{
    struct said s;
    struct err err;
    assert_int_equal(ask(&s, message, strlen(message), mime_reply, (struct mime_how){.own = "me@example.test"}, &err),
                     0);
    assert_int_equal(s.fields, 7);
    assert_string_equal(s.field[0], to);
    assert_string_equal(s.field[1], subject);
    assert_string_equal(s.field[3], references);
    assert_string_equal(s.field[6], others);
    forget(&s);
}

static void test_answers(void **state)
{
    (void)state;
    check_reply("From: A <a@example.test>\nTo: Me <ME@example.test>, b@example.test\nCc: c@example.test\nSubject: x\n"
                "Message-ID: <1@x>\n\n",
                "A <a@example.test>", "Re: x", "<1@x>", "b@example.test, c@example.test");
    check_reply(
        "From: a@example.test\nReply-To: list@example.test\nSubject: RE: x\nReferences: <0@x>\nMessage-ID: <1@x>\n\n",
        "list@example.test", "RE: x", "<0@x> <1@x>", "");
    check_reply("From: a@example.test\nIn-Reply-To: <0@x>\n\n", "a@example.test", "Re: ", "<0@x>", "");
    check_reply("From: Group: a@example.test;\n\n", "", "Re: ", "", "");
}

/* A name that, decoded, would be an address more. */
static void test_a_name_is_no_address(void **state)
{
    (void)state;
    static const char *const names[] = {
        "=?utf-8?q?x=2C_evil=40example.test=2C?=",  "=?utf-8?q?x=22=2C_evil=40example.test=2C_=22?=",
        "=?utf-8?q?=3Cevil=40example.test=3E=2C?=", "\"x\\\", evil@example.test, \\\"\"",
        "=?utf-8?q?x=3A_evil=40example.test=3B?=",  "=?utf-8?q?x=0D=0Aevil=40example.test=2C?="};
    for (size_t i = 0; i < sizeof names / sizeof(void *); i++) {
        struct said s;
        struct err err;
        struct envelope e = {.from = NULL};
        char message[200];
        snprintf(message, sizeof message, "From: %s <a@example.test>\n\n", names[i]);
        assert_int_equal(ask(&s, message, strlen(message), mime_reply, (struct mime_how){.own = NULL}, &err), 0);
        assert_int_equal(mime_recipients(s.field[0], &e, &err), 0);
        assert_int_equal(e.count, 1);
        assert_string_equal(e.rcpts[0].address, "a@example.test");
        envelope_free(&e);
        forget(&s);
    }
}

static void test_references_have_room_in_a_line(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    fputs("From: a@b\nReferences:", to);
    for (int i = 0; i < 100; i++)
        fprintf(to, " <%d.%0*d@example.test>\n", i, 30, i);
    fputs("\n", to);
    fclose(to);
    struct said s;
    struct err err;
    assert_int_equal(ask(&s, text, n, mime_reply, (struct mime_how){.own = NULL}, &err), 0);
    assert_true(strlen(s.field[3]) < 900);
    assert_int_equal(strncmp(s.field[3], "<0.", 3), 0);
    assert_non_null(strstr(s.field[3], "<99."));
    forget(&s);
    free(text);
}

/* ---- a work that breaks */

static int breaks(int message, struct apart_out *o, const void *arg, struct err *err)
{
    (void)message, (void)arg, (void)err;
    apart_say(o, APART_TEXT, span_of("before"));
    abort();
}

static void test_what_breaks_apart_breaks_alone(void **state)
{
    (void)state;
    struct said s;
    struct err err;
    assert_int_equal(ask(&s, "x", 1, breaks, (struct mime_how){.html = false}, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    forget(&s);
}

/* What reads strangers' words is barred from all but reading what it has. */
static int tries(int message, struct apart_out *o, const void *arg, struct err *err)
{
    (void)message, (void)arg, (void)err;
    static char *const none[] = {NULL};
    FILE *to = apart_text(o);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    fprintf(to, "%d %d %d %d %d %d %d %d %d", pid < 0, open("/tmp/apart", O_CREAT | O_WRONLY, 0600) < 0,
            open("/dev/null", O_RDWR) < 0, open("/dev/null", O_RDONLY) < 0, socket(AF_INET, SOCK_STREAM, 0) < 0,
            socket(AF_UNIX, SOCK_STREAM, 0) < 0, execve("/bin/true", none, none) < 0, kill(getppid(), 0) < 0,
            unlink("/tmp/apart-none") < 0 && errno == EPERM);
    fclose(to);
    return 0;
}

static void test_walls(void **state)
{
    struct walls walls;
    (void)state;
    walls_ask(&walls);
    if (!walls.seccomp)
        skip();
    check("x", tries, (struct mime_how){.html = false}, "1 1 1 1 1 1 1 1 1");
}

/* ---- what is written */

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        int count;
    } rows[] = {{"a@b", 1},          {"A <a@b>, c@d", 2}, {"\"x, y\" <a@b>", 1},
                {"G: a@b, c@d;", 2}, {"a@b, a@b", 1},     {"", 0},
                {"a", -1},           {"a@", -1},          {"@b", -1},
                {"a@b, c", -1},      {",", -1},           {"<a@b", 1},
                {"a b@c d", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct envelope e = {.from = NULL};
        struct err err;
        int result = mime_recipients(rows[i].list, &e, &err);
        if (rows[i].count < 0)
            assert_int_equal(result, -1);
        else
            assert_int_equal(result == 0 ? (int)e.count : -1, rows[i].count);
        for (unsigned k = 0; k < e.count; k++)
            assert_null(strpbrk(e.rcpts[k].address, " <>\r\n"));
        envelope_free(&e);
    }
}

static void test_one_sender(void **state)
{
    (void)state;
    struct err err;
    char *address = NULL;
    assert_int_equal(mime_sender("A <a@b>", &address, &err), 0);
    assert_string_equal(address, "a@b");
    mem_free(address);
    assert_int_equal(mime_sender("a@b, c@d", &address, &err), -1);
    assert_int_equal(mime_sender("", &address, &err), -1);
    char *field = mime_from_field("Zo\xc3\xab <a@b>");
    assert_int_equal(strncmp(field, "From: =?", 8), 0);
    assert_non_null(strstr(field, "?= <a@b>\n"));
    mem_free(field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_a_field_stays_one),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_a_name_is_no_address),
        cmocka_unit_test(test_references_have_room_in_a_line),
        cmocka_unit_test(test_what_breaks_apart_breaks_alone),
        cmocka_unit_test(test_walls),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_one_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
