/* put: hands files over to a destination as an account would, all in one commit, for tests of real servers.
 *
 *     post_put DELIVER FROM TO none|starttls|implicit FILE...
 *
 * Says a line for each: what became of it (base/err.h: "ok" or the kind), and its id or why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/mem.h"
#include "post/open.h"

enum { PIECE = 16384 };

static void say(const struct err *err, const char *id)
{
    printf("%s %s\n", err->kind == ERR_NONE ? "ok" : err_row(err->kind)->name, err->kind == ERR_NONE ? id : err->text);
}

static int write_file(struct out *o, struct out_draft *d, const char *path, struct err *err)
{
    char piece[PIECE];
    size_t n;
    int result = 0;
    FILE *f = fopen(path, "re");
    if (!f)
        exit(EX_NOINPUT);
    while (result == 0 && (n = fread(piece, 1, sizeof piece, f)) > 0)
        result = out_write(o, d, (struct span){piece, n}, err);
    fclose(f);
    return result;
}

/* NULL: it has been said why. */
static struct out_draft *draft(struct out *o, const char *path)
{
    struct out_draft *d = NULL;
    struct err err = {.kind = ERR_NONE};
    if (out_begin(o, &(struct out_about){.key = path, .uid = path, .wire = true}, &d, &err) == 0 &&
        write_file(o, d, path, &err) == 0)
        return d;
    say(&err, "");
    if (d)
        out_abort(o, d);
    return NULL;
}

static void put(struct out *o, char **files, unsigned n)
{
    struct out_draft **d = mem_alloc(n * sizeof(struct out_draft *));
    struct err *errs = mem_alloc(n * sizeof *errs);
    char(*ids)[OUT_ID] = mem_alloc(n * sizeof *ids);
    unsigned begun = 0;
    for (unsigned i = 0; i < n; i++)
        if ((d[begun] = draft(o, files[i])) != NULL)
            begun++;
    out_commit(o, d, begun, errs, ids);
    for (unsigned i = 0; i < begun; i++)
        say(&errs[i], ids[i]);
    mem_free(d);
    mem_free(errs);
    mem_free(ids);
}

int main(int argc, char **argv)
{
    static const char *const words[] = {
        [ACCOUNT_TLS] = "implicit", [ACCOUNT_STARTTLS] = "starttls", [ACCOUNT_CLEAR] = "none"};
    char name[] = "work";
    struct out *o = NULL;
    struct err err = {.kind = ERR_NONE};
    if (argc < 6)
        return EX_USAGE;
    struct account a = {.name = name, .deliver = argv[1], .deliver_from = argv[2], .deliver_to = argv[3]};
    while (a.deliver_tls < ACCOUNT_CLEAR && strcmp(words[a.deliver_tls], argv[4]) != 0)
        a.deliver_tls++;
    if (out_open(&o, &a, getenv("BUSTIA_CONF"), &err) < 0) {
        say(&err, "");
        return EX_UNAVAILABLE;
    }
    put(o, &argv[5], (unsigned)(argc - 5));
    out_close(o);
    return 0;
}
