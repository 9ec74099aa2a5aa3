/* answer: see the header. */
#include "reader/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reader/one.h"
#include "reader/terminal.h"

enum { QUOTED_MAX = 256 * 1024 };

enum field { TO, SUBJECT, ID, REFERENCES, AUTHOR, DATE, OTHERS, FIELDS };

struct answer {
    char *field[FIELDS];
    struct terminal terminal;
    FILE *text;
    char *p;
    size_t n, taken;
    bool told; /* the fields are there */
};

static char *cut_field(struct span *row)
{
    struct span text = row->p ? span_cut(row, '\0') : *row;
    char *field = mem_copy(text.n ? text.p : "", text.n);
    for (char *p = field; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            *p = ' ';
    return field;
}

static int take(void *arg, enum apart_kind kind, struct span what, struct err *err)
{
    struct answer *a = arg;
    (void)err;
    if (kind == APART_ROW && !a->told) {
        a->told = true;
        for (int i = 0; i < FIELDS; i++)
            a->field[i] = cut_field(&what);
    } else if (kind == APART_TEXT && a->taken < QUOTED_MAX) {
        a->taken += what.n;
        terminal_put(&a->terminal, what, a->text);
    }
    return 0;
}

static void put_quoted(FILE *to, const char *text, size_t n)
{
    struct span rest = {text, n};
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        fprintf(to, "%s%.*s\n", line.n && line.p[0] == '>' ? ">" : line.n ? "> " : ">", (int)line.n, line.p);
    }
}

static void set_text(struct letter *l, const struct answer *a)
{
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    if (!to)
        abort();
    fprintf(to, "On %s, %s wrote:\n", a->field[DATE], a->field[AUTHOR]);
    put_quoted(to, a->p, a->n);
    fclose(to);
    mem_free(l->text);
    l->text = mem_copy(text, n);
    l->text_n = n;
    free(text);
}

static int fill(struct letter *l, const struct answer *a, const struct reader *r, struct err *err)
{
    if (!a->told || !*a->field[TO])
        return err_set(err, ERR_INPUT, "the message does not say to whom an answer goes; --to does");
    letter_add(&l->to, a->field[TO]);
    if (r->all)
        letter_add(&l->cc, a->field[OTHERS]);
    if (!l->subject)
        l->subject = mem_copy_text(a->field[SUBJECT]);
    l->in_reply_to = mem_copy_text(a->field[ID]);
    l->references = mem_copy_text(a->field[REFERENCES]);
    set_text(l, a);
    return 0;
}

int answer_begin(struct letter *l, struct reader *r, const char *account, const char *own, struct err *err)
{
    const struct mime_how how = {.own = own};
    struct answer a = {.told = false};
    char *words[] = {(char *)account, (char *)r->reply};
    struct one o;
    a.text = open_memstream(&a.p, &a.n);
    if (!a.text)
        abort();
    int result = one_begin(&o, ONE_SHOWN_MB, mime_reply, &how, err);
    if (result == 0)
        result = one_fetch(&o, r, words, err);
    if (result == 0)
        result = apart_run(o.apart, take, &a, err);
    one_end(&o);
    terminal_end(&a.terminal, a.text);
    fclose(a.text);
    if (result == 0)
        result = fill(l, &a, r, err);
    for (int i = 0; i < FIELDS; i++)
        mem_free(a.field[i]);
    free(a.p);
    return result;
}
