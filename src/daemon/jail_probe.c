/* jail_probe: tries from inside what a role must not be able to do, and what it must, and compares what it got. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/jail.h"
#include "daemon/jail_build.h"
#include "daemon/jail_probe_row.h"

static const char *name_of(int error)
{
    const char *name = error ? strerrorname_np(error) : "success";
    return name ? name : "?";
}

static bool applies(const struct probe_row *r, const struct place *p)
{
    return r->roles & 1u << p->jail->role && (!(r->flags & NEEDS_DIR) || p->dir >= 0) &&
           (!(r->flags & NEEDS_OTHER) || p->other_mail) && (!(r->flags & NOT_AS_ROOT) || !p->jail->root);
}

/* One line; true: as expected. */
static bool try_row(const struct probe_row *r, const struct place *p)
{
    int first = r->expect[0], second = r->expect[1] ? r->expect[1] : first;
    if (r->flags & BY_MODE && !p->readable)
        first = second = EACCES;
    bool open = (r->flags & HIDDEN && p->outside) || (r->flags & BENEATH && p->climbs);
    fflush(stdout);
    int got = r->try(p);
    bool as_expected = got == first || got == second || open;
    printf("%s: expected %s", r->call, name_of(first));
    if (second != first)
        printf(" or %s", name_of(second));
    printf("%s: got %s: %s\n", open ? " (no wall on this system)" : "", name_of(got), as_expected ? "ok" : "NOT OK");
    return as_expected;
}

static void try_table(const struct probe_table *t, const struct place *p, unsigned *good, unsigned *bad)
{
    for (size_t i = 0; i < t->n; i++)
        if (applies(&t->rows[i], p))
            ++*(try_row(&t->rows[i], p) ? good : bad);
}

static bool may_read(int dir, const struct jail *j)
{
    struct stat st;
    if (fstat(dir, &st) < 0)
        return false;
    uid_t uid = j->root ? j->uid : geteuid();
    gid_t gid = j->root ? j->gid : getegid();
    mode_t bits = st.st_uid == uid ? st.st_mode >> 6 : st.st_gid == gid ? st.st_mode >> 3 : st.st_mode;
    return bits & 4;
}

static void look_around(struct place *p, const struct jail *j, const char *other_mail)
{
    *p = (struct place){
        .jail = j, .other_mail = other_mail, .dir = j->n_paths ? j->paths[0].fd : -1, .parent = getppid()};
    if (other_mail)
        snprintf(p->climbing, sizeof p->climbing, "../../../../../../../../../../../../../../../..%s%s",
                 *other_mail == '/' ? "" : "/", other_mail);
    p->readable = p->dir >= 0 && may_read(p->dir, j);
}

int jail_probe(const struct jail *j, const char *other_mail, struct err *err)
{
    struct place p;
    struct jail_report report;
    char text[128];
    unsigned good = 0, bad = 0;
    if (!jail_build.walls)
        return err_set(err, ERR_PERM, "this build is for sanitizers: it has no walls to probe");
    look_around(&p, j, other_mail);
    if (jail_enter(j, &report, err) < 0)
        return -1;
    p.outside = !report.chrooted && !report.landlock_abi;
    p.climbs = !report.landlock_abi;
    jail_report_text(&report, text);
    printf("%s: %s\n", role_name(j->role), text);
    try_table(&probe_files, &p, &good, &bad);
    try_table(&probe_calls, &p, &good, &bad);
    printf("%u as expected, %u not\n", good, bad);
    fflush(stdout);
    return bad ? err_set(err, ERR_PERM, "%s: %u of %u calls did not answer as expected", role_name(j->role), bad,
                         good + bad)
               : 0;
}
