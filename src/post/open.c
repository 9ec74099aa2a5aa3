/* open: see the header. A row for each kind of destination. */
#include "post/open.h"

#include "base/log.h"
#include "base/mem.h"
#include "post/out_command.h"
#include "post/out_maildir.h"

static int open_maildir(struct out **o, const struct account *a, const char *rest, const char *conf_file,
                        struct err *err)
{
    const char *why = NULL;
    char *path = account_path(rest, &why);
    (void)conf_file;
    if (!path)
        return err_set(err, ERR_CONFIG, "account %s: deliver = %s: the path %s", a->name,
                       log_escape(span_of(a->deliver)), why);
    int result = out_maildir(o, path, err);
    mem_free(path);
    return result;
}

static int open_command(struct out **o, const struct account *a, const char *rest, const char *conf_file,
                        struct err *err)
{
    (void)conf_file;
    (void)err;
    *o = out_command(a->name, rest, OUT_COMMAND_MS);
    return 0;
}

typedef int open_fn(struct out **o, const struct account *a, const char *rest, const char *conf_file, struct err *err);

static open_fn *const ways[ACCOUNT_WAYS] = {[ACCOUNT_MAILDIR] = open_maildir, [ACCOUNT_COMMAND] = open_command};

const char *out_wrong(const char *deliver)
{
    enum account_way way;
    const char *rest;
    return account_deliver(deliver, &way, &rest);
}

int out_open(struct out **o, const struct account *a, const char *conf_file, struct err *err)
{
    enum account_way way;
    const char *rest, *wrong = account_deliver(a->deliver, &way, &rest);
    if (wrong)
        return err_set(err, ERR_CONFIG, "account %s: deliver = %s %s", a->name, log_escape(span_of(a->deliver)), wrong);
    if (!ways[way])
        return err_set(err, ERR_CONFIG, "account %s: deliver = %s is no destination of this version", a->name,
                       log_escape(span_of(a->deliver)));
    return ways[way](o, a, rest, conf_file, err);
}
