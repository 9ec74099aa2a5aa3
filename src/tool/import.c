/* import: see the header. What was imported is known again by its content: a mailbox that is opened knows the keys of
 * the messages in it; by LMTP, which has no keys, a journal is kept (import_journal). So an import that was interrupted
 * is simply run again. */
#include "tool/import.h"

#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "post/out_mailbox.h"
#include "tool/deliver.h"
#include "tool/import_journal.h"
#include "tool/import_progress.h"
#include "tool/import_source.h"

enum {
    TOGETHER = 64,
    TOGETHER_OCTETS = 16 << 20,
    FULL = 20 /* as many in a row that do not fit: the mailbox is full for all */
};

struct written {
    struct out_draft *draft;
    char *key, *name;
    bool had;
};

struct import {
    const struct conf *conf;
    const char *user;
    struct import_source *source;
    struct out *out;
    struct import_journal *journal; /* NULL: the mailbox itself knows */
    struct import_progress progress;
    struct map times; /* of each content: how often it came in this source */
    struct written written[TOGETHER];
    unsigned n;
    size_t octets;
    unsigned had;              /* of those that are there: they were before */
    unsigned unfit, unfit_row; /* there was no room for them; in a row */
    int status;                /* of the first that failed */
};

/* The content, and which of several equal ones it is. */
static char *key_of(struct import *im, struct span text)
{
    unsigned char digest[DIGEST_SHA256];
    char hex[2 * DIGEST_SHA256 + 1], key[sizeof hex + 32];
    uint64_t word;
    digest_sha256(text, digest);
    digest_hex(digest, sizeof digest, hex);
    memcpy(&word, digest, sizeof word);
    unsigned *seen = map_get(&im->times, word);
    if (!seen)
        map_put(&im->times, word, seen = mem_alloc(sizeof *seen));
    snprintf(key, sizeof key, "import:%s:%u", hex, (*seen)++);
    return mem_copy_text(key);
}

static void complain(struct import *im, const char *name, const struct err *err)
{
    import_progress_clear(&im->progress);
    fprintf(stderr, "bustia: %s: %s\n", log_escape(span_of(name)), err->text);
    im->progress.failed++;
    if (im->status == EX_OK || err->kind == ERR_TEMP || err->kind == ERR_UNKNOWN)
        im->status = deliver_status(err);
}

static void count_there(struct import *im, bool had)
{
    im->progress.there++;
    im->had += had;
    im->unfit_row = 0;
}

/* A smaller one may fit. -1: there is no sense in going on. */
static int refused(struct import *im, const char *name, const struct err *err)
{
    complain(im, name, err);
    if (err->kind == ERR_LIMIT) {
        im->unfit++;
        im->unfit_row++;
    }
    return err->kind == ERR_INPUT || err->kind == ERR_LIMIT ? 0 : -1;
}

/* Soon enough to stop where all that is to come would be refused. */
static bool is_due(const struct import *im)
{
    return im->n == TOGETHER || im->n == im->out->together || im->octets >= TOGETHER_OCTETS ||
           (im->unfit_row && im->unfit_row + im->n >= FULL);
}

/* -1: there is no sense in going on. */
static int commit(struct import *im)
{
    struct out_draft *drafts[TOGETHER];
    struct err errs[TOGETHER] = {0}, err;
    int result = 0;
    for (unsigned i = 0; i < im->n; i++)
        drafts[i] = im->written[i].draft;
    if (im->n)
        out_commit(im->out, drafts, im->n, errs, NULL);
    for (unsigned i = 0; i < im->n; i++) {
        struct written *w = &im->written[i];
        if (errs[i].kind == ERR_NONE)
            count_there(im, w->had);
        else if (refused(im, w->name, &errs[i]) < 0)
            result = -1;
        if (errs[i].kind == ERR_NONE && im->journal)
            import_journal_add(im->journal, w->key);
        mem_free(w->key);
        mem_free(w->name);
    }
    if (im->journal && import_journal_sync(im->journal, &err) < 0) {
        complain(im, "journal", &err);
        result = -1;
    }
    im->n = 0;
    im->octets = 0;
    return im->unfit_row >= FULL ? -1 : result;
}

static int begin(struct import *im, const struct import_message *m, const char *key, bool *had, struct out_draft **d,
                 struct err *err)
{
    struct out_about about = {.key = key, .ask_first = true, .had = had, .time = m->time, .size = m->text.n};
    if (out_begin(im->out, &about, d, err) < 0)
        return -1;
    if (out_write(im->out, *d, m->text, err) < 0) {
        out_abort(im->out, *d);
        return -1;
    }
    return 0;
}

static int take(struct import *im, const struct import_message *m)
{
    struct written *w = &im->written[im->n];
    struct out_draft *d;
    struct err err;
    char *key = key_of(im, m->text);
    if (im->journal && import_journal_has(im->journal, key)) {
        count_there(im, true);
        mem_free(key);
        return 0;
    }
    *w = (struct written){.draft = NULL};
    if (begin(im, m, key, &w->had, &d, &err) < 0) {
        mem_free(key);
        return refused(im, m->name, &err);
    }
    w->draft = d;
    w->key = key;
    w->name = mem_copy_text(m->name);
    im->n++;
    im->octets += m->text.n;
    return is_due(im) ? commit(im) : 0;
}

static void run(struct import *im)
{
    struct import_message m;
    struct err err;
    int got, going = 0;
    while (going == 0 && (got = import_source_next(im->source, &m, &err)) != 0) {
        if (got < 0)
            complain(im, "a message", &err);
        else
            going = take(im, &m);
        uint64_t done, whole;
        import_source_progress(im->source, &done, &whole);
        import_progress_show(&im->progress, done, whole);
    }
    if (commit(im) < 0)
        going = -1;
    import_progress_clear(&im->progress);
    if (im->unfit_row >= FULL)
        fprintf(stderr,
                "bustia: the import stopped: %u messages in a row did not fit, so the mailbox seems full; make room or "
                "raise the quota, and run it again: nothing comes twice\n",
                im->unfit_row);
    else if (going < 0)
        fputs("bustia: the import stopped; run it again to go on where it is, nothing comes twice\n", stderr);
}

static void forget_times(struct map *times)
{
    size_t at = 0;
    for (unsigned *n; (n = map_next(times, &at));)
        mem_free(n);
    map_fini(times);
}

static int import(struct import *im, const char *path, struct err *err)
{
    if (import_source_open(&im->source, path, im->conf->message_size, err) < 0 ||
        out_mailbox(&im->out, im->conf, im->user, "", err) < 0)
        return -1;
    if (!im->out->keys && import_journal_open(&im->journal, path, im->user, err) < 0)
        return -1;
    run(im);
    if (*import_source_note(im->source))
        fprintf(stderr, "bustia: %s\n", import_source_note(im->source));
    printf("%u message%s of %s %s in the mailbox of %s", im->progress.there, im->progress.there == 1 ? "" : "s",
           log_escape(span_of(path)), im->progress.there == 1 ? "is" : "are", log_escape(span_of(im->user)));
    printf(": %u new, %u there already", im->progress.there - im->had, im->had);
    if (im->unfit)
        printf(", %u did not fit", im->unfit);
    printf(im->progress.failed > im->unfit ? ", %u not taken\n" : "\n", im->progress.failed - im->unfit);
    return 0;
}

int tool_import(const struct tool *t, int argc, char **argv)
{
    struct import im = {.conf = t->conf};
    struct err err;
    if (argc != 3 || !*argv[1] || argv[1][0] == '-' || argv[2][0] == '-')
        return tool_usage("import USER MAILDIR|MBOX|FOLDER_OF_EML");
    im.user = argv[1];
    map_init(&im.times);
    int result = import(&im, argv[2], &err);
    import_source_close(im.source);
    out_close(im.out);
    import_journal_close(im.journal);
    forget_times(&im.times);
    if (result == 0)
        return im.status;
    tool_fail(&err);
    return deliver_status(&err);
}
