/* client: see the header. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>

const struct stage_way client_ways[3] = {
    {"whole", 1 << 20, 1 << 17, false},
    {"seven bytes at a time", 7, 100, false},
    {"one byte at a time", 1, 64, false},
};

struct span client_turn(struct client *p, const char *event)
{
    if (event && !p->told)
        stage_event(&p->stage, "%s", event);
    p->told = p->turn == p->turn_count;
    return p->told ? (struct span){NULL, 0} : p->turns[p->turn++];
}

struct span client_word(struct span *rest)
{
    return span_cut(rest, ' ');
}

unsigned client_number(struct span *rest)
{
    uint64_t n;
    if (span_number(client_word(rest), &n))
        return (unsigned)n;
    fprintf(stderr, "a number is missing\n");
    exit(2);
}

/* Up to the next thing that is no line of the server's. */
static unsigned feed(struct client *p, unsigned i, client_run *run)
{
    struct buf all;
    buf_init(&all, 1 << 24, NULL);
    for (; i < p->s->item_count && p->s->items[i].what == SCRIPT_SERVER; i++)
        buf_add(&all, p->s->items[i].bytes, p->s->items[i].n);
    while (all.len && !p->closed) {
        struct span rest = buf_span(&all);
        size_t piece = p->stage.way->piece, room = buf_room(&p->stage.in);
        size_t n = rest.n < piece ? rest.n : piece;
        if (n > room)
            n = room;
        buf_add(&p->stage.in, rest.p, n);
        buf_take(&all, n);
        p->told = false;
        run(p);
    }
    buf_fini(&all);
    return i;
}

static bool is_expected(enum script_what what)
{
    return what == SCRIPT_CLIENT || what == SCRIPT_MESSAGE || what == SCRIPT_EVENT;
}

bool client_play(struct client *p, const struct script *s, const char *path, const struct stage_way *way,
                 client_run *run)
{
    if (script_fact(s, "whole") && way != client_ways)
        return true;
    p->s = s;
    stage_init(&p->stage, way, path);
    buf_fini(&p->stage.in);
    buf_init(&p->stage.in, 1 << 15, NULL);
    run(p);
    bool good = true;
    for (unsigned i = 0; good && i < s->item_count;) {
        const struct script_item *item = &s->items[i];
        if (is_expected(item->what)) {
            stage_expect(&p->stage, item);
            i++;
            continue;
        }
        good = stage_check(&p->stage, item->line);
        if (item->what == SCRIPT_SERVER) {
            i = feed(p, i, run);
            continue;
        }
        if (item->what != SCRIPT_OWNER) {
            fprintf(stderr, "%s:%u: not for a client\n", path, item->line);
            return false;
        }
        for (; i < s->item_count && s->items[i].what == SCRIPT_OWNER && p->turn_count < CLIENT_TURNS; i++)
            p->turns[p->turn_count++] = (struct span){s->items[i].bytes, s->items[i].n};
        run(p);
    }
    good = good && stage_check(&p->stage, s->item_count ? s->items[s->item_count - 1].line : 0);
    if (good && p->turn < p->turn_count) {
        fprintf(stderr, "%s: %s: the owner's turn has not come: %.*s\n", path, way->name, (int)p->turns[p->turn].n,
                p->turns[p->turn].p);
        good = false;
    }
    stage_fini(&p->stage);
    return good;
}
