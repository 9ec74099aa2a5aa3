/* dest: see the header. */
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dest.h"
#include "fault.h"

const struct dest *const dests[] = {&dest_maildir, &dest_mailbox, &dest_mailbox_owner,
                                    &dest_lmtp,    &dest_smtp,    &dest_command};
const unsigned n_dests = sizeof dests / sizeof(void *);
const struct dest *dest_current;

int dest_set_up(void **state)
{
    struct dest_test *t = mem_alloc(sizeof *t);
    t->dest = dest_current;
    *state = t;
    t->dest->make(t);
    return 0;
}

int dest_tear_down(void **state)
{
    struct dest_test *t = *state;
    fault_rules("");
    t->dest->clean(t);
    mem_free(t);
    return 0;
}

/* ---- who tries */

static pid_t other = -1; /* 0: this is the process that has become somebody else */

bool dest_may(void)
{
    if (!dest_current->owner || geteuid() != 0)
        return !dest_current->root || geteuid() == 0;
    fflush(NULL);
    other = fork();
    if (other == 0 &&
        (setgroups(0, NULL) || setresgid(DEST_UID, DEST_UID, DEST_UID) || setresuid(DEST_UID, DEST_UID, DEST_UID)))
        _exit(EXIT_FAILURE);
    return other == 0;
}

void dest_done(int *failed)
{
    int status = 0;
    fflush(NULL);
    if (other == 0)
        _exit(*failed ? EXIT_FAILURE : EXIT_SUCCESS);
    if (other > 0 && (waitpid(other, &status, 0) != other || status != 0))
        ++*failed;
    other = -1;
}

/* ---- what tests do */

struct out *dest_open(struct dest_test *t)
{
    struct out *o = NULL;
    struct err err = {0};
    if (t->dest->open(t, &o, &err) < 0)
        fail_msg("open: %s", err.text);
    return o;
}

struct out_draft *dest_draft(struct out *o, const struct out_about *about, struct span text, size_t n)
{
    struct out_draft *d = NULL;
    struct err err = {0};
    if (out_begin(o, about, &d, &err) < 0)
        fail_msg("begin: %s", err.text);
    for (; text.n; text = span_from(text, n))
        if (out_write(o, d, (struct span){text.p, text.n < n ? text.n : n}, &err) < 0)
            fail_msg("write: %s", err.text);
    return d;
}

void dest_deliver(struct out *o, const struct out_about *about, struct span text, char *id)
{
    struct out_draft *d = dest_draft(o, about, text, text.n);
    char ids[1][OUT_ID];
    struct err err = {0};
    out_commit(o, &d, 1, &err, ids);
    if (err.kind != ERR_NONE)
        fail_msg("commit: %s", err.text);
    if (id)
        strcpy(id, ids[0]);
}

char *dest_wire(struct span text, size_t *n)
{
    char *out = mem_alloc(2 * text.n + 3);
    *n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))
            out[(*n)++] = '\r';
        out[(*n)++] = text.p[i];
    }
    if (text.n && text.p[text.n - 1] != '\n')
        *n = (size_t)((char *)mempcpy(out + *n, "\r\n", 2) - out);
    return out;
}

void dest_expect(const struct dest_test *t, unsigned i, struct span text)
{
    size_t is_n, n, expected_n;
    char *is = t->dest->read(t, i, &is_n), *got = dest_wire((struct span){is, is_n}, &n),
         *expected = dest_wire(text, &expected_n);
    assert_int_equal(n, expected_n);
    assert_memory_equal(got, expected, n);
    mem_free(is);
    mem_free(got);
    mem_free(expected);
}
