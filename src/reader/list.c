/* list: see the header. */
#include "reader/list.h"

#include <string.h>

#include "reader/marks.h"
#include "reader/mime.h"
#include "reader/output.h"
#include "reader/size.h"

enum {
    NEWEST = 25, /* without --all and numbers */
    FROM_COLUMNS = 24,
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
    terminal_cell(date, 16, true, o->terminal.ascii, o->to);
    fputs("  ", o->to);
    terminal_cell(from, o->columns ? FROM_COLUMNS : MIME_FIELD, o->columns > 0, o->terminal.ascii, o->to);
    fputs("  ", o->to);
    int room = o->columns ? (int)o->columns - 16 - FROM_COLUMNS - 18 : MIME_FIELD;
    terminal_cell(subject, room > 10 ? room : 10, false, o->terminal.ascii, o->to);
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
