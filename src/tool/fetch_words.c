/* fetch_words: see the header. */
#include "tool/fetch_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

void fetch_size(uint64_t octets, char out[FETCH_WORD])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double n = (double)octets;
    unsigned unit = 0;
    for (; n >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        n /= 1000;
    snprintf(out, FETCH_WORD, unit && n < 9.95 ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

void fetch_time(uint64_t seconds, char out[FETCH_WORD])
{
    if (seconds < 3600)
        snprintf(out, FETCH_WORD, "%" PRIu64 ":%02" PRIu64, seconds / 60, seconds % 60);
    else
        snprintf(out, FETCH_WORD, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600, seconds / 60 % 60,
                 seconds % 60);
}

void fetch_span(uint64_t seconds, char out[FETCH_WORD])
{
    static const struct {
        uint64_t below, unit;
        const char *name;
    } spans[] = {{100, 1, "s"}, {6000, 60, "min"}, {172800, 3600, "h"}, {UINT64_MAX, 86400, "d"}};
    unsigned i = 0;
    while (seconds >= spans[i].below && spans[i].below != UINT64_MAX)
        i++;
    snprintf(out, FETCH_WORD, "%" PRIu64 " %s", seconds / spans[i].unit, spans[i].name);
}

const char *fetch_s(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- results */

static const struct {
    const char *name;
    const char *words; /* of the summary: "2 …" */
    int status;
} results[FETCH_RESULTS] = {
    [FETCH_WELL] = {"ok", "well", EX_OK},
    [FETCH_FOR_NOW] = {"failed", "failed for now", EX_TEMPFAIL},
    [FETCH_REFUSED] = {"refused", "could not log in", EX_NOPERM},
    [FETCH_MISCONFIGURED] = {"configuration", "not set up right", EX_CONFIG},
};

enum fetch_result fetch_result(const struct event *done)
{
    switch (done->err.kind) {
    case ERR_NONE:
        return done->failed ? FETCH_FOR_NOW : FETCH_WELL;
    case ERR_AUTH:
        return FETCH_REFUSED;
    case ERR_CONFIG:
    case ERR_USAGE:
        return FETCH_MISCONFIGURED;
    case ERR_TEMP:
    case ERR_PERM:
    case ERR_BUSY:
    case ERR_GONE:
    case ERR_UNKNOWN:
    case ERR_INPUT:
    case ERR_LIMIT:
    case ERR_DELAY:
    case ERR_KINDS:
        break;
    }
    return FETCH_FOR_NOW;
}

const char *fetch_result_name(enum fetch_result r)
{
    return results[r].name;
}

int fetch_result_status(enum fetch_result r)
{
    return results[r].status;
}

void fetch_sum_add(struct fetch_sum *s, const struct event *done)
{
    s->accounts++;
    s->result[fetch_result(done)]++;
    s->fetched += done->fetched;
    s->deleted += done->deleted;
    s->failed += done->failed;
}

enum { EXIT_NOTHING_NEW = 1 };

int fetch_sum_status(const struct fetch_sum *s, bool exit_new)
{
    for (unsigned r = FETCH_RESULTS; r-- > FETCH_FOR_NOW;)
        if (s->result[r])
            return results[r].status;
    return exit_new && !s->fetched ? EXIT_NOTHING_NEW : EX_OK;
}

/* ---- sentences */

struct text {
    char *p;
    size_t room;
};

/* What did not fit is cut. */
static void advance(struct text *t, int n)
{
    size_t used = n < 0 ? 0 : (size_t)n < t->room ? (size_t)n : t->room - 1;
    t->p += used;
    t->room -= used;
}

#define add(t, ...) advance(t, snprintf((t)->p, (t)->room, __VA_ARGS__))

static void listed(const struct event *e, struct text *t)
{
    char size[FETCH_WORD];
    fetch_size(e->bytes, size);
    add(t, "%u message%s on the server, %u to fetch", e->count, fetch_s(e->count), e->todo);
    if (e->bytes)
        add(t, " (%s)", size);
}

/* What was done comes first also where it then failed: it is done. A text stands for a check that was not made. */
static void done(enum collect_what what, const struct event *e, struct text *t)
{
    bool well = e->err.kind == ERR_NONE;
    if (well && *e->text && what != COLLECT_TEST)
        add(t, "%s", e->text);
    else if (what == COLLECT_FETCH && (well || e->fetched || e->deleted)) {
        if (e->fetched)
            add(t, "%u new", e->fetched);
        else
            add(t, "nothing new");
        if (e->failed)
            add(t, ", %u failed", e->failed);
        if (e->deleted)
            add(t, ", %u deleted", e->deleted);
        if (well)
            add(t, ", %u left on the server", e->left);
        else
            add(t, "; then: ");
    } else if (what == COLLECT_MARK_SEEN && well)
        add(t, "%u message%s taken as seen", e->count, fetch_s(e->count));
    else if (well)
        add(t, what == COLLECT_PLAN ? "nothing was changed" : "all is well");
    if (!well)
        add(t, "%s", e->err.text);
}

bool fetch_sentence(enum collect_what what, const struct event *e, char out[FETCH_SENTENCE])
{
    struct text t = {out, FETCH_SENTENCE};
    *out = '\0';
    switch (e->kind) {
    case EVENT_LISTED:
        if (what == COLLECT_FETCH && !e->todo) /* the end says it */
            return false;
        listed(e, &t);
        return true;
    case EVENT_SKIPPED:
        add(&t, "left: %s", e->text);
        break;
    case EVENT_QUARANTINED:
        add(&t, "put into quarantine: %s", e->text);
        break;
    case EVENT_FAILED:
        add(&t, "failed: %s", e->text);
        break;
    case EVENT_PLAN:
    case EVENT_FOUND:
        add(&t, "%s", e->text);
        return true;
    case EVENT_DONE:
        done(what, e, &t);
        return true;
    case EVENT_STEP:
    case EVENT_PROGRESS:
    case EVENT_DELIVERED:
        return false;
    }
    if (*e->uid)
        add(&t, " (message %s)", e->uid);
    return true;
}

bool fetch_trouble(const struct event *e)
{
    return e->kind == EVENT_QUARANTINED || e->kind == EVENT_FAILED ||
           (e->kind == EVENT_DONE && fetch_result(e) != FETCH_WELL);
}

const char *fetch_event_name(enum event_kind kind)
{
    static const char *const names[] = {
        [EVENT_STEP] = "step",           [EVENT_LISTED] = "listed",   [EVENT_PROGRESS] = "progress",
        [EVENT_DELIVERED] = "delivered", [EVENT_SKIPPED] = "skipped", [EVENT_QUARANTINED] = "quarantined",
        [EVENT_FAILED] = "failed",       [EVENT_PLAN] = "plan",       [EVENT_FOUND] = "found",
        [EVENT_DONE] = "done",
    };
    return names[kind];
}

void fetch_sum_sentence(enum collect_what what, const struct fetch_sum *s, char out[FETCH_SENTENCE])
{
    struct text t = {out, FETCH_SENTENCE};
    add(&t, "%u account%s", s->accounts, fetch_s(s->accounts));
    if (what == COLLECT_FETCH)
        add(&t, ", %" PRIu64 " new message%s", s->fetched, fetch_s(s->fetched));
    if (s->failed)
        add(&t, ", %" PRIu64 " message%s failed", s->failed, fetch_s(s->failed));
    for (unsigned r = FETCH_FOR_NOW; r < FETCH_RESULTS; r++)
        if (s->result[r])
            add(&t, "; %u %s", s->result[r], results[r].words);
    if (s->interrupted)
        add(&t, "; interrupted");
}
