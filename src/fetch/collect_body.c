/* collect: a message that comes in: to the destination piece by piece, so that its size costs no memory. One whose
 * content has to be looked at first, or that may end in quarantine, goes into a file without a name. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fetch/collect_state.h"

enum { LIE_ROOM = 64 * 1024, WORD = 4 * SEEN_UID, LINE = 640, EMPTY = 2 /* octets: a CRLF */ };

/* Sizes are hints: a server may count each line end as one octet, and what it adds itself not at all. */
static uint64_t most(const struct plan_row *row)
{
    return row->size && row->size < UINT64_MAX / 4 ? row->size * 2 + LIE_ROOM : COLLECT_MESSAGE_MAX;
}

static bool may_be_the_last(const struct collect *c, const struct plan_row *row)
{
    return row->failures + 1u >= c->account->attempts;
}

static void begin(struct collect *c, unsigned at)
{
    const struct plan_row *row = c->listing.rows[at];
    struct collect_body *b = &c->body;
    *b = (struct collect_body){.begun = true,
                               .digest = digest_new(),
                               .most = most(row),
                               .d = {.at = at, .headers = row->take == PLAN_HEADERS}};
    c->at++;
    if (row->take == PLAN_COMPARE || may_be_the_last(c, row))
        b->spooled = spool_open(&b->spool, false, &b->failed) == 0;
    if (row->take != PLAN_COMPARE && b->failed.kind == ERR_NONE)
        collect_draft(c);
}

/* The destination has said no: nothing more goes there. */
static void add(struct collect *c, struct span piece)
{
    struct collect_body *b = &c->body;
    struct err *why = &b->failed;
    if (b->spooled && spool_write(&b->spool, piece, b->d.draft ? &(struct err){.kind = ERR_NONE} : why) < 0) {
        spool_close(&b->spool);
        b->spooled = false;
    }
    if (b->d.draft && out_write(c->out, b->d.draft, piece, why) < 0) {
        out_abort(c->out, b->d.draft);
        b->d.draft = NULL;
    }
}

/* Of a header that stands alone. */
static void put(void *arg, struct span out)
{
    add(arg, out);
}

/* Nobody wants it: what the server sends is passed over, or there is too much of it. */
static int pass(struct collect *c, struct span piece, struct err *err)
{
    c->passed += piece.n;
    if (c->passed <= COLLECT_PASS)
        return 0;
    c->broken = true;
    *err = c->trouble;
    return -1;
}

int collect_piece(struct collect *c, unsigned at, struct span piece, struct err *err)
{
    struct collect_body *b = &c->body;
    if (!b->begun && c->stopping)
        return pass(c, piece, err);
    if (!b->begun)
        begin(c, at);
    b->d.octets += piece.n;
    c->octets += piece.n;
    digest_add(b->digest, piece.p, piece.n);
    if (b->d.headers)
        heading_add(&b->heading, piece, put, c);
    else
        add(c, piece);
    collect_say_progress(c, c->listing.rows[at], b->d.octets, false);
    if (b->d.octets <= b->most) /* those that are whole do not wait for a large one */
        return collect_due(c) ? collect_commit(c, err) : 0;
    c->broken = true;
    return err_set(err, ERR_INPUT, "the server sends more of message %u than the %llu octets that it said",
                   c->listing.rows[at]->msg, (unsigned long long)c->listing.rows[at]->size);
}

/* As a word of a shell, into which a person may copy it. */
static void quote(const char *uid, char out[WORD])
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,_-+:@/";
    static const char mark[] = "'\\''";
    char *p = out, *last = out + WORD - sizeof mark - 1;
    if (*uid != '-' && uid[strspn(uid, plain)] == '\0') {
        snprintf(out, WORD, "%s", uid);
        return;
    }
    *p++ = '\'';
    for (; *uid && p < last; uid++)
        if (*uid == '\'')
            p = stpcpy(p, mark);
        else
            *p++ = *uid;
    stpcpy(p, "'");
}

/* Behind a header that stands alone, so that a person sees what it is and how to have the rest. */
static void add_notice(struct collect *c, const struct plan_row *row)
{
    char line[LINE], uid[WORD];
    quote(row->uid, uid);
    heading_end(&c->body.heading, put, c);
    int n = snprintf(line, sizeof line,
                     "[The rest of this message, %llu octets in all, is still on the server. To fetch it:\r\n"
                     "bustia fetch --whole %s %s]\r\n",
                     (unsigned long long)row->size, uid, c->account->name);
    add(c, (struct span){line, (size_t)n});
}

void collect_drop(struct collect *c)
{
    struct collect_body *b = &c->body;
    unsigned char unused[DIGEST_SHA256];
    if (b->d.draft)
        out_abort(c->out, b->d.draft);
    if (b->digest)
        digest_finish(b->digest, unused);
    if (b->spooled)
        spool_close(&b->spool);
    *b = (struct collect_body){.begun = false};
}

static int deliver(struct collect *c, struct err *err)
{
    struct collect_body *b = &c->body;
    struct plan_row *row = c->listing.rows[b->d.at];
    bool same = false;
    if (row->take == PLAN_HEADERS)
        add_notice(c, row);
    if (row->take == PLAN_COMPARE && b->failed.kind == ERR_NONE && collect_same(c, &same, err))
        return -1;
    if (same)
        return 0;
    if (b->failed.kind != ERR_NONE)
        return collect_not_taken(c, b->d.at, b->d.sha256, &b->failed, err);
    bool alone = b->spooled; /* if it fails, its octets are needed */
    return collect_add(c, err) || (alone && collect_commit(c, err)) ? -1 : 0;
}

int collect_whole(struct collect *c, unsigned at, struct err *err)
{
    struct collect_body *b = &c->body;
    if (!b->begun && c->stopping)
        return 0;
    if (!b->begun) /* a message without an octet */
        begin(c, at);
    /* It has lost it for a moment: nobody is to delete it now. */
    if (!b->d.octets && c->listing.rows[at]->size > EMPTY) {
        const struct pop3_got got = {.text = span_of("an empty message")};
        collect_drop(c);
        return collect_refused(c, at, &got, err);
    }
    digest_finish(b->digest, b->d.sha256);
    b->digest = NULL;
    collect_say_progress(c, c->listing.rows[at], b->d.octets, true);
    int ret = deliver(c, err) || collect_taken(c, &c->server, err) ? -1 : 0;
    collect_drop(c);
    return ret;
}
