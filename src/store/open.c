/* open: see the header. Master (the check), mail processes and the tool. */
#include "store/open.h"

#include <string.h>

#include "store/maildir.h"
#include "store/maildir_watch.h"
#include "store/memory.h"

static const struct scheme {
    const struct store_ops *ops;
    bool for_tests; /* only below a root that says so */
} schemes[] = {{&store_maildir, false}, {&store_memory, true}};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

enum { WHERE_MAX = 4000 };

static const struct scheme *scheme_of(struct span name)
{
    for (size_t i = 0; i < SCHEMES; i++)
        if (span_is(name, schemes[i].ops->scheme))
            return &schemes[i];
    return NULL;
}

/* Every component is a plain name: nothing that leads up, nothing that could be read in two ways. */
static const char *path_fault(struct span path)
{
    if (path.n < 2 || path.p[0] != '/')
        return "the path is not absolute";
    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f)
            return "the path has a control character";
    struct span rest = span_from(path, 1);
    while (rest.p) {
        struct span part = span_cut(&rest, '/');
        if (part.n == 0)
            return "the path has an empty component";
        if (span_is(part, ".") || span_is(part, ".."))
            return "the path has \".\" or \"..\" in it";
        if (part.n > 255)
            return "the path has a component that is too long";
    }
    return NULL;
}

/* Component-wise: /srv/mail is no root of /srv/mailbox, nor of itself. */
static bool is_below(struct span path, const char *root)
{
    size_t n = strlen(root);
    return path.n > n + 1 && memcmp(path.p, root, n) == 0 && path.p[n] == '/';
}

static const struct store_root *root_of(const struct store_root *roots, unsigned n_roots, struct span path)
{
    const struct store_root *best = NULL;
    for (unsigned i = 0; i < n_roots; i++)
        if (span_is(path, roots[i].path))
            return NULL; /* a root is nobody's maildrop, even below another one */
        else if (is_below(path, roots[i].path) && (!best || strlen(roots[i].path) > strlen(best->path)))
            best = &roots[i];
    return best;
}

struct place {
    const struct store_ops *ops;
    const struct store_root *root;
    const char *path; /* below the root */
};

static bool refuse(const char *why, struct err *err)
{
    err_set(err, ERR_PERM, "store: %s", why);
    return false;
}

static bool locate(const struct store_root *roots, unsigned n_roots, const char *where, struct place *p,
                   struct err *err)
{
    struct span path = span_of(where);
    if (path.n > WHERE_MAX)
        return refuse("it is too long", err);
    struct span name = span_cut(&path, ':');
    const struct scheme *scheme = path.p ? scheme_of(name) : NULL;
    if (!scheme)
        return refuse("no known scheme (maildir:/path)", err);
    const char *fault = path_fault(path);
    if (fault)
        return refuse(fault, err);
    const struct store_root *root = root_of(roots, n_roots, path);
    if (!root)
        return refuse("not below any mail_root", err);
    if (scheme->for_tests && !root->memory)
        return refuse("memory stores are not allowed (allow_memory_store)", err);
    *p = (struct place){scheme->ops, root, path.p + strlen(root->path) + 1};
    return true;
}

int store_where_check(const struct store_root *roots, unsigned n_roots, const char *where, unsigned *root,
                      struct err *err)
{
    struct place place;
    if (!locate(roots, n_roots, where, &place, err))
        return -1;
    if (root)
        *root = (unsigned)(place.root - roots);
    return 0;
}

int store_open(struct store **s, const struct store_root *roots, unsigned n_roots, const char *where,
               enum store_mode mode, struct err *err)
{
    struct place place;
    if (!locate(roots, n_roots, where, &place, err))
        return -1;
    return place.ops->open(s, place.root, place.path, mode, err);
}

void store_watch(unsigned most)
{
    maildir_watch_most(most);
}
