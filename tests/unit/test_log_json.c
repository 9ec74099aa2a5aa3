/* base/log_json: whatever the text is, a line is one object of JSON, whole, with the facts of the text in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/log_json.h"

enum { ROOM = 4096 };

static size_t made(const char *text, char *out, size_t room)
{
    const struct log_line l = {"2026-01-01T00:00:00.000Z", "bustiad", "door", "info", "session", text, 12};
    return log_json(&l, out, room);
}

/* The behind part of the line, from the fields on. */
static void assert_line(const char *text, const char *fields)
{
    static const char head[] = "{\"time\":\"2026-01-01T00:00:00.000Z\",\"program\":\"bustiad\",\"pid\":12,\"role\":\"door\","
                               "\"level\":\"info\",\"event\":\"session\",\"fields\":";
    char out[ROOM + 1];
    size_t n = made(text, out, ROOM);
    out[n] = '\0';
    assert_memory_equal(out, head, sizeof head - 1);
    assert_string_equal(out + sizeof head - 1, fields);
}

static void facts_are_fields(void **state)
{
    static const struct {
        const char *text, *fields;
    } rows[] = {
        {"", "{},\"message\":\"\"}"},
        {"user=\"a\" read=3 end=quit", "{\"user\":\"a\",\"read\":3,\"end\":\"quit\"},\"message\":\"\"}"},
        {"time=0.120 id=1.20 id2=007 n=-1", "{\"time\":0.120,\"id\":\"1.20\",\"id2\":\"007\",\"n\":\"-1\"},\"message\":\"\"}"},
        {"a=1. b=.5 c=1.2.3 d=1234567890123456", "{\"a\":\"1.\",\"b\":\".5\",\"c\":\"1.2.3\",\"d\":\"1234567890123456\"},\"message\":\"\"}"},
        {"user=\"12\"", "{\"user\":\"12\"},\"message\":\"\"}"},
        {"user=\"\" x=1", "{\"user\":\"\",\"x\":1},\"message\":\"\"}"},
        {"addr=::1 is in none, says a=b", "{\"addr\":\"::1\"},\"message\":\"is in none, says a=b\"}"},
        {"certificate loaded", "{},\"message\":\"certificate loaded\"}"},
        {"role=door pid=1 role=auth", "{\"role\":\"door\",\"pid\":1},\"message\":\"role=auth\"}"},
        {"error=\"open \"x\": y\"", "{},\"message\":\"error=\\\"open \\\"x\\\": y\\\"\"}"},
        {"user=\"a\\x0a\\x22\\x5c\\xe2\\x80\\xae\\xff\\x4\\xzz\"", "{\"user\":\"a\\u000a\\\"\\\\\\u202e\xef\xbf\xbd\\\\x4\\\\xzz\"},\"message\":\"\"}"},
        {"user=\"\xc3\xa9\" \x01\xff\x7f", "{\"user\":\"\xc3\xa9\"},\"message\":\"\\u0001\xef\xbf\xbd\\u007f\"}"},
        {"user=\"cut off", "{\"user\":\"cut off\"},\"message\":\"\"}"},
        {"user=", "{},\"message\":\"user=\"}"},
        {"=x A=b", "{},\"message\":\"=x A=b\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_line(rows[i].text, rows[i].fields);
}

static json_object *parsed(const char *line, size_t n)
{
    json_tokener *t = json_tokener_new();
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *o = json_tokener_parse_ex(t, line, (int)n);
    size_t used = json_tokener_get_parse_end(t);
    if (!o || used != n) {
        print_error("%.*s\n", (int)n, line);
        fail();
    }
    json_tokener_free(t);
    return o;
}

/* Texts of pieces that look like something, cut to every room. */
static void it_is_always_whole(void **state)
{
    static const char *const pieces[] = {"a=", "b=\"", "\"", "\\x0a", "\\xff", " ", "\xff", "\xc3\xa9", "\x01", "1", "=", "\\",
                                         "\xe2\x80\xae", "word", "key_1=7 ", "x=\"y z\" ", "\n", "{}", "\xf0\x9f\x98\x80"};
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        char text[2048] = "", out[ROOM];
        unsigned n = (unsigned)rand() % 120, room = LOG_JSON_LEAST + (unsigned)rand() % 700;
        while (n--)
            strcat(text, pieces[(unsigned)rand() % (sizeof pieces / sizeof *pieces)]);
        size_t len = made(text, out, room);
        assert_true(len <= room);
        json_object *o = parsed(out, len), *event, *whole;
        assert_true(json_object_object_get_ex(o, "event", &event));
        assert_string_equal(json_object_get_string(event), "session");
        assert_null(memchr(out, '\n', len));
        if (!json_object_object_get_ex(o, "cut", &whole))
            assert_true(room >= LOG_JSON_LEAST);
        json_object_put(o);
    }
}

/* Wherever the room ends between two fields, and within a name or a number. */
static void fields_are_whole(void **state)
{
    char text[2048] = "", out[ROOM];
    for (unsigned i = 0; i < 30; i++)
        sprintf(text + strlen(text), "name_%u=%u ", i, 100000 + i);
    for (size_t room = LOG_JSON_LEAST; room < 1200; room++) {
        json_object *o = parsed(out, made(text, out, room)), *fields;
        assert_true(json_object_object_get_ex(o, "fields", &fields));
        json_object_object_foreach(fields, name, value) {
            assert_int_equal(json_object_get_int(value), 100000 + atoi(name + 5));
        }
        json_object_put(o);
    }
}

static void what_is_cut_is_marked(void **state)
{
    char text[2048], out[ROOM];
    json_object *cut;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (unsigned quoted = 0; quoted < 2; quoted++) {
        if (quoted)
            memcpy(text, "k=\"", 3);
        json_object *o = parsed(out, made(text, out, LOG_JSON_LEAST));
        assert_true(json_object_object_get_ex(o, "cut", &cut));
        json_object_put(o);
        o = parsed(out, made(text, out, ROOM));
        assert_false(json_object_object_get_ex(o, "cut", &cut));
        json_object_put(o);
    }
}

/* Through the log itself: what a peer has chosen comes back as it was. */
static void what_was_quoted_comes_back(void **state)
{
    static const char name[] = "a\" level=error \\x41\n{\"event\":\"forged\"}";
    char line[ROOM];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    log_open(ends[1], LOG_TO_STREAM, "door");
    log_format_set(LOG_JSON);
    log_info("denied", "user=%s addr=%s", log_quote_text(name), "192.0.2.1");
    log_format_set(LOG_TEXT);
    log_open(STDERR_FILENO, LOG_TO_STREAM, "test");
    ssize_t n = read(ends[0], line, sizeof line);
    close(ends[0]);
    close(ends[1]);
    assert_true(n > 0 && line[n - 1] == '\n');
    json_object *o = parsed(line, (size_t)n - 1), *fields, *user;
    assert_true(json_object_object_get_ex(o, "fields", &fields));
    assert_true(json_object_object_get_ex(fields, "user", &user));
    assert_string_equal(json_object_get_string(user), name);
    assert_int_equal(json_object_object_length(fields), 2);
    json_object_put(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_fields),
        cmocka_unit_test(it_is_always_whole),
        cmocka_unit_test(fields_are_whole),
        cmocka_unit_test(what_is_cut_is_marked),
        cmocka_unit_test(what_was_quoted_comes_back),
    };
    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
