/* list: see the header. */
#include "reader/list.h"

#include <string.h>

#include "reader/marks.h"
#include "reader/mime.h"
#include "reader/output.h"
#include "reader/size.h"

enum {
    NEWEST = 25,         /* without --all and numbers */
    NUMBER_COLUMNS = 14, /* the mark, number and size, and what stands between them */
    DATE_COLUMNS = 16,
    FROM_COLUMNS = 24,
    NARROW = 72,
    HEADS_MAX = 1 << 30, /* octets of all heads together: of very many each is cut shorter */
};

struct listing {
    struct output out;
    const struct source *source;
    const unsigned *msgs;
    unsigned count, at;
    const char *marks; /* or NULL */
    bool uids;
};

/* The next of a ROW's fields, cleaned. */
static char *field(struct span *row, bool ascii)
{
    return terminal_line(row->p ? span_cut(row, '\0') : *row, ascii);
}

static void put_number(struct listing *l, unsigned msg)
{
    const struct drop_message *m = &l->source->drop.messages[msg];
    char size[SIZE_TEXT];
    size_text(m->octets, size);
    fprintf(l->out.to, "%c%5u %5s  ", l->marks ? l->marks[msg] : ' ', msg + 1, size);
}

static void put_uid(struct listing *l, unsigned msg)
{
    char *uid = terminal_line(span_of(l->source->drop.messages[msg].uid), l->out.terminal.ascii);
    fprintf(l->out.to, "%-24s  ", uid);
    mem_free(uid);
}

struct columns {
    int date, from, subject; /* 0: it has none */
};

/* The subject is what one looks for: on a narrow terminal it has half of it, and the date goes. */
static struct columns columns_of(const struct listing *l)
{
    int all = (int)l->out.columns;
    if (!all)
        return (struct columns){DATE_COLUMNS, MIME_FIELD, MIME_FIELD};
    if (all >= NARROW)
        return (struct columns){DATE_COLUMNS, FROM_COLUMNS, all - NUMBER_COLUMNS - DATE_COLUMNS - FROM_COLUMNS - 4};
    int from = all - NUMBER_COLUMNS - 2 - (all + 1) / 2;
    from = from > FROM_COLUMNS ? FROM_COLUMNS : from < 3 ? 0 : from;
    int subject = all - NUMBER_COLUMNS - (from ? from + 2 : 0);
    return (struct columns){0, from, subject > 10 ? subject : 10};
}

static void put_cell(struct output *o, const char *clean, int columns)
{
    if (!columns)
        return;
    terminal_cell(clean, columns, o->columns > 0 || columns == DATE_COLUMNS, o->terminal.ascii, o->to);
    fputs("  ", o->to);
}

/* Columns where somebody sits there; else nothing is cut. */
static int put_row(void *arg, enum apart_kind kind, struct span what, struct err *err)
{
    struct listing *l = arg;
    struct output *o = &l->out;
    if (kind != APART_ROW || l->at == l->count)
        return 0;
    unsigned msg = l->msgs[l->at++];
    char *date = field(&what, o->terminal.ascii), *from = field(&what, o->terminal.ascii);
    char *subject = field(&what, o->terminal.ascii);
    put_number(l, msg);
    if (l->uids)
        put_uid(l, msg);
    struct columns columns = columns_of(l);
    put_cell(o, date, columns.date);
    put_cell(o, from, columns.from);
    terminal_cell(subject, columns.subject, false, o->terminal.ascii, o->to);
    mem_free(date);
    mem_free(from);
    mem_free(subject);
    return output_line(o) < 0 ? err_set(err, ERR_NONE, "nobody reads on") : 0;
}

/* ---- which ones */

static int choose(const struct source *s, bool all, int argc, char **argv, unsigned **msgs, unsigned *count,
                  struct err *err)
{
    const struct drop *d = &s->drop;
    unsigned first = !all && d->count > NEWEST ? d->count - NEWEST : 0;
    *count = argc ? (unsigned)argc : d->count - first;
    *msgs = mem_alloc(*count * sizeof **msgs);
    for (unsigned i = 0; i < *count; i++) {
        (*msgs)[i] = first + i;
        if (argc && reader_pick(s, argv[i], &(*msgs)[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the list */

struct heads {
    struct spool spool;
    struct apart *apart;
};

/* The process apart is there before anything is known that it must not know. */
static int heads_begin(struct heads *h, struct err *err)
{
    h->apart = NULL;
    if (spool_open(&h->spool, HEADS_MAX, err) < 0)
        return -1;
    return apart_begin(&h->apart, h->spool.fd, mime_rows, NULL, err);
}

static void heads_end(struct heads *h)
{
    apart_end(h->apart);
    spool_close(&h->spool);
}

static int list(struct heads *h, struct reader *r, struct source *s, struct listing *l, struct err *err)
{
    size_t most = HEADS_MAX / (l->count + 1) - sizeof(uint32_t);
    if (most > SOURCE_HEAD_MAX)
        most = SOURCE_HEAD_MAX;
    if (l->count && s->ops->heads(s, l->msgs, l->count, most, &h->spool, err) < 0)
        return -1;
    struct err unmarked = {.kind = ERR_NONE};
    char *marks = s->account && !r->collected ? marks_of(r->accounts, s->account, &s->drop, &unmarked) : NULL;
    if (unmarked.kind != ERR_NONE && unmarked.kind != ERR_GONE)
        reader_say("bustia: what was collected cannot be told: %s", unmarked.text);
    l->source = s;
    l->marks = marks;
    output_open(&l->out);
    int result = l->count ? apart_run(h->apart, put_row, l, err) : 0;
    mem_free(marks);
    return output_close(&l->out, result, err);
}

int reader_list(struct reader *r, int argc, char **argv, struct err *err)
{
    struct heads h;
    struct source *s = NULL;
    unsigned *msgs = NULL;
    struct listing l = {.uids = r->uids};
    int result = heads_begin(&h, err);
    if (result == 0)
        result = reader_source(r, argv[0], &s, err);
    if (result == 0)
        result = choose(s, r->all, argc - 1, argv + 1, &msgs, &l.count, err);
    if (result == 0) {
        l.msgs = msgs;
        result = list(&h, r, s, &l, err);
    }
    if (result == 0 && l.count < s->drop.count && argc == 1)
        reader_say("the newest %u of %u; --all shows all", l.count, s->drop.count);
    if (s)
        s->ops->close(s);
    heads_end(&h);
    mem_free(msgs);
    return result;
}
