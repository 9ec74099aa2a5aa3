/* open: see the header. A row for each kind of destination. */
#include "post/open.h"

#include <string.h>

#include "base/log.h"
#include "post/out_maildir.h"

struct kind {
    const char *scheme;
    int (*open)(struct out **o, const struct account *a, const char *rest, const char *conf_file, struct err *err);
    const char *(*wrong)(const char *rest); /* NULL: well formed */
};

static int open_maildir(struct out **o, const struct account *a, const char *rest, const char *conf_file,
                        struct err *err)
{
    (void)a;
    (void)conf_file;
    return out_maildir(o, rest, err);
}

static const struct kind kinds[] = {
    {"maildir", open_maildir, out_maildir_wrong},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* *rest: what follows the colon. */
static const struct kind *kind_of(const char *deliver, const char **rest)
{
    struct span text = span_of(deliver), scheme = span_cut(&text, ':');
    for (size_t i = 0; text.p && i < KINDS; i++)
        if (span_is(scheme, kinds[i].scheme)) {
            *rest = text.p;
            return &kinds[i];
        }
    return NULL;
}

const char *out_wrong(const char *deliver)
{
    const char *rest;
    const struct kind *k = kind_of(deliver, &rest);
    return k ? k->wrong(rest) : "it begins with none of maildir:, mailbox:, lmtp:, smtp:, command:";
}

int out_open(struct out **o, const struct account *a, const char *conf_file, struct err *err)
{
    const char *rest, *wrong = out_wrong(a->deliver);
    if (wrong)
        return err_set(err, ERR_CONFIG, "deliver = %s: %s", log_escape(span_of(a->deliver)), wrong);
    return kind_of(a->deliver, &rest)->open(o, a, rest, conf_file, err);
}
