/* show: see the header. */
#include "reader/show.h"

#include "reader/one.h"
#include "reader/output.h"

enum { PIECE = 64 * 1024 };

static int put_text(void *arg, enum apart_kind kind, struct span what, struct err *err)
{
    if (kind != APART_TEXT || output_text(arg, what) == 0)
        return 0;
    return err_set(err, ERR_NONE, "nobody reads on");
}

/* `octets`: as they are, unless somebody sits there. */
static int put_spool(const struct spool *s, uint64_t at, bool octets, struct output *o, struct err *err)
{
    char piece[PIECE];
    long n;
    while ((n = spool_read(s, at, piece, sizeof piece, err)) > 0) {
        struct span what = {piece, (size_t)n};
        if ((octets ? output_octets(o, what) : output_text(o, what)) < 0)
            return err_set(err, ERR_NONE, "nobody reads on");
        at += (uint64_t)n;
    }
    return (int)n;
}

int reader_show(struct reader *r, int argc, char **argv, struct err *err)
{
    struct mime_how how = {.html = r->html};
    struct output out;
    struct one o;
    (void)argc;
    int result = one_begin(&o, r->raw ? ONE_SAVED_MB : ONE_SHOWN_MB, r->raw ? NULL : mime_show, &how, err);
    if (result == 0)
        result = one_fetch(&o, r, argv, err);
    if (result == 0) {
        output_open(&out);
        result = r->raw ? put_spool(&o.spool, 0, true, &out, err) : apart_run(o.apart, put_text, &out, err);
        result = output_close(&out, result, err);
    }
    one_end(&o);
    return result;
}

int reader_headers(struct reader *r, int argc, char **argv, struct err *err)
{
    struct output out;
    struct one o;
    (void)argc;
    int result = one_begin(&o, ONE_SHOWN_MB, NULL, NULL, err);
    if (result == 0)
        result = reader_source(r, argv[0], &o.source, err);
    if (result == 0)
        result = reader_pick(o.source, argv[1], &o.msg, err);
    if (result == 0)
        result = o.source->ops->heads(o.source, &o.msg, 1, SOURCE_HEAD_ALL, &o.spool, err);
    if (result == 0 && o.spool.size <= sizeof(uint32_t))
        result = err_set(err, ERR_TEMP, "its head cannot be had");
    if (result == 0) {
        output_open(&out);
        result = output_close(&out, put_spool(&o.spool, sizeof(uint32_t), false, &out, err), err);
    }
    one_end(&o);
    return result;
}
