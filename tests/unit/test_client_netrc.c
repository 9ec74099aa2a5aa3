/* client/netrc: which entry's password is found, and what is said of a file that is not well formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "client/netrc.h"
#include "guard.h"

enum { PORT = 995 };

static struct err err;
static struct buf found;

static int look(const char *text, size_t n)
{
    char *copy = guard_copy(text, n);
    buf_fini(&found);
    buf_init(&found, NETRC_WORD_MAX, NULL);
    err = (struct err){.kind = ERR_NONE};
    int rc = netrc_find((struct span){copy, n}, "pop.example.org", PORT, "anna", &found, &err);
    guard_free(copy);
    return rc;
}

static void finds(const char *text, const char *password)
{
    if (look(text, strlen(text)) < 0)
        fail_msg("%s: %s", text, err.text);
    if (!span_is(buf_span(&found), password))
        fail_msg("%s: \"%.*s\"", text, (int)found.len, buf_span(&found).p);
}

static void fails(const char *text, enum err_kind kind, const char *words)
{
    if (look(text, strlen(text)) == 0 || err.kind != kind || !strstr(err.text, words) || found.len)
        fail_msg("%s: kind %d: %s", text, err.kind, err.text);
}

static void none(const char *text)
{
    fails(text, ERR_GONE, "no entry");
}

static void machines(void **state)
{
    finds("machine pop.example.org login anna password secret", "secret");
    finds("machine a.example login anna password no\nmachine POP.Example.Org password secret login anna\n", "secret");
    finds("machine\n\tpop.example.org\r\n\tpassword secret\r\n", "secret");
    finds("machine pop.example.org login bert password no machine pop.example.org login anna password secret",
          "secret");
    finds("machine pop.example.org password one machine pop.example.org login anna password two", "one");
    finds("machine pop.example.org login anna machine pop.example.org login anna password secret", "secret");
    finds("machine pop.example.org password secret password other", "secret");
    finds("machine pop.example.org account login password secret", "secret");
    none("");
    none(" \n\t\r\n");
    none("machine pop.example.org login anna");
    none("machine pop.example.or login anna password no machine pop.example.org. password no");
    none("machine pop.example.org login Anna password no");
    none("machine pop.example.org login \"\" password no");
}

static void defaults(void **state)
{
    finds("default login anna password secret", "secret");
    finds("default password secret default password other", "secret");
    finds("default password no machine pop.example.org login anna password secret", "secret");
    finds("machine pop.example.org login bert password no default password secret", "secret");
    none("default login bert password no");
    none("default");
}

static void ports(void **state)
{
    finds("machine pop.example.org port 110 password no machine pop.example.org port 995 password secret", "secret");
    none("machine pop.example.org port pop3 password no");
    none("machine pop.example.org port 99 password no");
}

static void words(void **state)
{
    finds("machine pop.example.org password \"a b\"", "a b");
    finds("machine \"pop.example.org\" login \"anna\" password \"\\\"\\\\\\n\\r\\t\\x#\"", "\"\\\n\r\tx#");
    finds("machine pop.example.org password \"\"\n", "");
    finds("machine pop.example.org password a\\b", "a\\b");
    finds("machine pop.example.org password a\"b\"", "a\"b\"");
    finds("machine pop.example.org password #1", "#1");
    finds("machine pop.example.org password machine", "machine");
    none("machine # password no\n");
}

static void comments(void **state)
{
    finds("#x y\n  # machine a\nmachine pop.example.org # here \"x\nlogin anna #\n#\npassword secret # that", "secret");
    finds("machine pop.example.org #password no\npassword secret", "secret");
    none("# machine pop.example.org password no");
}

static void macros(void **state)
{
    finds("macdef init\ncd /\npassword no\n\nmachine pop.example.org password secret", "secret");
    finds("machine pop.example.org login anna\nmacdef init\r\nmachine x\r\n\r\npassword secret", "secret");
    finds("machine pop.example.org password secret macdef init\nbin", "secret");
    none("macdef init\nmachine pop.example.org password no");
    none("macdef init");
}

static void wrong(void **state)
{
    fails("login anna", ERR_CONFIG, "line 1: login before the first machine");
    fails("\n\npassword x", ERR_CONFIG, "line 3: password before");
    fails("machine pop.example.org\npassword hunter2 apples", ERR_CONFIG, "line 2: a word that is none of");
    assert_null(strstr(err.text, "apples"));
    fails("machine", ERR_CONFIG, "line 1: nothing stands after machine");
    fails("machine pop.example.org\npassword \n\n", ERR_CONFIG, "line 2: nothing stands after password");
    fails("machine pop.example.org password \"a\nb\"", ERR_CONFIG, "line 1: a quote that does not end");
    fails("machine pop.example.org password \"a", ERR_CONFIG, "line 1: a quote that does not end");
    fails("machine pop.example.org password \"a\\", ERR_CONFIG, "line 1: a quote that does not end");
    fails("machine pop.example.org password \"a\"b", ERR_CONFIG, "line 1: a closing quote");
    fails("macdef", ERR_CONFIG, "nothing stands after macdef");
    /* what stands behind the entry that is found is not read */
    finds("machine pop.example.org password secret machine x nonsense", "secret");
}

static void octets(void **state)
{
    const char nul[] = "machine pop.example.org password a\0b";
    assert_int_equal(look(nul, sizeof nul - 1), 0);
    assert_int_equal(found.len, 3);
    const char eight[] = "\xff\0machine";
    assert_int_equal(look(eight, sizeof eight - 1), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
}

static void long_words(void **state)
{
    static const char head[] = "machine pop.example.org password ";
    const size_t n = sizeof head - 1;
    char *text = mem_alloc(n + NETRC_WORD_MAX + 3);
    memcpy(text, head, n);
    memset(text + n, 'x', NETRC_WORD_MAX + 3);
    assert_int_equal(look(text, n + NETRC_WORD_MAX), 0);
    assert_int_equal(found.len, NETRC_WORD_MAX);
    assert_int_equal(look(text, n + NETRC_WORD_MAX + 1), -1);
    assert_non_null(strstr(err.text, "line 1: a word has more than"));
    text[n] = text[n + NETRC_WORD_MAX + 2] = '"';
    assert_int_equal(look(text, n + NETRC_WORD_MAX + 3), -1);
    assert_non_null(strstr(err.text, "line 1: a word has more than"));
    mem_free(text);
}

static int tidy(void **state)
{
    buf_fini(&found);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines), cmocka_unit_test(defaults), cmocka_unit_test(ports),
        cmocka_unit_test(words),    cmocka_unit_test(comments), cmocka_unit_test(macros),
        cmocka_unit_test(wrong),    cmocka_unit_test(octets),   cmocka_unit_test(long_words),
    };
    return cmocka_run_group_tests(tests, NULL, tidy);
}
