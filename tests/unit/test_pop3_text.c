/* pop3_text: every text in every language, with the same places to fill; and which language a range finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "guard.h"

#include "wire/pop3_text.h"

/* The places of a text, each once: "1", "2", "s". A per cent sign stands for nothing else. */
static unsigned places(const char *text)
{
    unsigned found = 0;
    for (const char *p = text; (p = strchr(p, '%')); p += 2) {
        const char *mark = p[1] ? strchr("12s", p[1]) : NULL;
        assert_non_null(mark);
        unsigned bit = *mark == 's' ? 1u : 1u << (unsigned)(*mark - '0');
        assert_int_equal(found & bit, 0);
        found |= bit;
    }
    return found;
}

/* Well-formed UTF-8 of letters and signs that stand on a line. */
static void assert_line(const char *text, bool ascii)
{
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        unsigned more = *p < 0x80 ? 0 : *p >= 0xc2 && *p <= 0xdf ? 1 : *p >= 0xe1 && *p <= 0xef ? 2 : 9;
        assert_in_range(more, 0, ascii ? 0 : 2);
        assert_true(more || (*p >= ' ' && *p <= '~'));
        assert_false(p[0] == 0xc2 && p[1] < 0xa0); /* C1 */
        for (p++; more; more--, p++)
            assert_int_equal(*p & 0xc0, 0x80);
    }
}

static void test_complete(void **state)
{
    for (unsigned t = 0; t < POP3_TEXTS; t++)
        for (unsigned l = 0; l < POP3_LANGUAGES; l++) {
            const char *text = pop3_text((enum pop3_language)l, (enum pop3_text)t);
            assert_non_null(text);
            assert_in_range(strlen(text), 2, 200);
            assert_line(text, l == POP3_ENGLISH);
            assert_int_equal(places(text), places(pop3_text(POP3_ENGLISH, (enum pop3_text)t)));
            /* nothing may be taken for a response code (RFC 2449 §8) */
            assert_int_not_equal(text[0], '[');
        }
}

/* A translation that was forgotten is the English text once more. */
static void test_translated(void **state)
{
    static const enum pop3_text alike[] = {SAY_COUNT, SAY_OCTETS}; /* English and French agree */
    for (unsigned t = 0; t < POP3_TEXTS; t++)
        for (unsigned l = POP3_ENGLISH + 1; l < POP3_LANGUAGES; l++) {
            bool same = false;
            for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
                same = same || alike[i] == t;
            if (!same)
                assert_string_not_equal(pop3_text((enum pop3_language)l, (enum pop3_text)t),
                                        pop3_text(POP3_ENGLISH, (enum pop3_text)t));
        }
}

static void assert_written(enum pop3_language l, enum pop3_text t, struct pop3_fill fill, size_t room, const char *want)
{
    char *out = guard_space(room);
    size_t n = pop3_text_write(l, t, &fill, out, room);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(out, want, n);
    guard_free(out);
}

static void test_filled(void **state)
{
    struct pop3_fill fill = {.n1 = 3, .n2 = UINT64_MAX, .s = "100%s"};
    assert_written(POP3_ENGLISH, SAY_COUNT, fill, 200, "3 message(s) (18446744073709551615 octets)");
    assert_written(POP3_GERMAN, SAY_HAS, fill, 200, "100%s hat 3 Nachricht(en) (18446744073709551615 Oktette)");
    assert_written(POP3_GERMAN, SAY_HAS, fill, 9, "100%s hat");
    assert_written(POP3_ENGLISH, SAY_HAS, fill, 3, "100");
    assert_written(POP3_ENGLISH, SAY_BYE, fill, 0, "");
    assert_written(POP3_ENGLISH, SAY_READY, (struct pop3_fill){.s = NULL}, 200, "bustia ready");
    assert_written(POP3_FRENCH, SAY_OCTETS, (struct pop3_fill){.n1 = 0}, 200, "0 octets");
}

static void test_tags(void **state)
{
    static const struct {
        const char *range, *tag;
    } rows[] = {{"en", "en"},          {"EN-us", "en"},       {"de-CH-1996", "de"},   {"ca-ES-x-foo", "ca"},
                {"fr-x", "fr"},        {"es-419", "es"},      {"i-default", "i-default"},
                {"I-Default-y", "i-default"}, {"i", NULL},    {"x-no-such-language", NULL}, {"deu", NULL},
                {"d", NULL},           {"", NULL},            {"-", NULL},            {"--", NULL},
                {"-de", NULL},         {"sv", NULL},          {"de_CH", NULL},        {"a-b-c-d", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].range);
        char *range = guard_copy(rows[i].range, n);
        const struct pop3_tag *tag = pop3_tag_find((struct span){range, n});
        assert_int_equal(tag != NULL, rows[i].tag != NULL);
        if (tag)
            assert_string_equal(tag->tag, rows[i].tag);
        guard_free(range);
    }
    /* Every language has a tag of its own, in the order of its number. */
    for (unsigned l = 0; l < POP3_LANGUAGES; l++)
        assert_int_equal(pop3_tag_of(l)->language, l);
    assert_int_equal(pop3_tag_of(POP3_LANGUAGES)->language, POP3_ENGLISH);
    assert_int_equal(pop3_tag_of(UINT32_MAX)->language, POP3_ENGLISH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_translated),
        cmocka_unit_test(test_filled),
        cmocka_unit_test(test_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
