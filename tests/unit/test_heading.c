/* fetch/heading: a header that stands alone, whole and an octet at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fetch/heading.h"

static const struct {
    const char *in, *out;
} rows[] = {
    {"", ""},
    {"\r\n", "\r\n"},
    {"Subject: a\r\nContent-Type: multipart/mixed;\r\n\tboundary=content-x\r\nTo: b\r\n\r\n",
     "Subject: a\r\nX-Bustia-Content-Type: multipart/mixed;\r\n\tboundary=content-x\r\nTo: b\r\n\r\n"},
    {"content-transfer-encoding: base64\r\nCONTENT-ID: <1>\r\n\r\n",
     "X-Bustia-content-transfer-encoding: base64\r\nX-Bustia-CONTENT-ID: <1>\r\n\r\n"},
    {"Contents: x\r\nConten\r\nCC: y\r\n X: Content-Type: z\r\n\r\n",
     "Contents: x\r\nConten\r\nCC: y\r\n X: Content-Type: z\r\n\r\n"},
    {"Content", "Content"},
    {"Content-", "X-Bustia-Content-"},
    {"A: b\nContent-Type: x\n\n", "A: b\nX-Bustia-Content-Type: x\n\n"},
};

struct text {
    char p[400];
    size_t n;
};

static void put(void *arg, struct span out)
{
    struct text *t = arg;
    assert_true(t->n + out.n < sizeof t->p);
    memcpy(t->p + t->n, out.p, out.n);
    t->n += out.n;
}

static void fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 1; piece <= 40; piece++) {
            struct heading h = {0};
            struct text t = {.n = 0};
            struct span in = span_of(rows[i].in);
            while (in.n) {
                size_t n = in.n < piece ? in.n : piece;
                heading_add(&h, (struct span){in.p, n}, put, &t);
                in = span_from(in, n);
            }
            heading_end(&h, put, &t);
            t.p[t.n] = '\0';
            assert_string_equal(t.p, rows[i].out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fields)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
