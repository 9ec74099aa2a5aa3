/* jail_probe: tries from inside what a role must not be able to do, and what it must, and compares what it got. */
#include <stdio.h>
#include <string.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

enum { BEFORE_MOST = 8 };

/* What the rows that say AS_BEFORE got, in their order. */
struct before {
    int got[BEFORE_MOST];
    size_t n;
};

/* In a child, which is what the role will be but for its walls. */
static int try_before(const struct probe_row *r, const struct place *p)
{
    const struct jail *j = p->jail;
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bool changes = j->root && j->role != ROLE_MASTER;
        bool there = !changes || (setgroups(0, NULL) == 0 && setresgid(j->gid, j->gid, j->gid) == 0 &&
                                  setresuid(j->uid, j->uid, j->uid) == 0);
        _exit(there ? r->try(p) : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
        return 0; /* as expected of a kernel that has it */
    return WEXITSTATUS(status);
}

static void look_before(const struct probe_table *t, const struct place *p, struct before *b)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->rows[i].flags & AS_BEFORE && applies(&t->rows[i], p) && b->n < BEFORE_MOST)
            b->got[b->n++] = try_before(&t->rows[i], p);
}

/* One line; true: as expected. */
static bool try_row(const struct probe_row *r, const struct place *p, int before)
{
    int first = r->expect[0], second = r->expect[1] ? r->expect[1] : first;
    if (r->flags & BY_MODE && !p->readable)
        first = second = EACCES;
    if (before)
        second = before;
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

static void try_table(const struct probe_table *t, const struct place *p, const struct before *b, size_t *at, unsigned counts[2])
{
    for (size_t i = 0; i < t->n; i++)
        if (applies(&t->rows[i], p)) {
            int before = t->rows[i].flags & AS_BEFORE && *at < b->n ? b->got[(*at)++] : 0;
            counts[try_row(&t->rows[i], p, before)]++;
        }
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
    struct before before = {0};
    size_t at = 0;
    unsigned counts[2] = {0}; /* not as expected, as expected */
    if (!jail_build.walls)
        return err_set(err, ERR_PERM, "this build is for sanitizers: it has no walls to probe");
    look_around(&p, j, other_mail);
    look_before(&probe_files, &p, &before);
    look_before(&probe_calls, &p, &before);
    if (jail_enter(j, &report, err) < 0)
        return -1;
    p.outside = !report.chrooted && !report.landlock_abi;
    p.climbs = !report.landlock_abi;
    jail_report_text(&report, text);
    printf("%s: %s\n", role_name(j->role), text);
    try_table(&probe_files, &p, &before, &at, counts);
    try_table(&probe_calls, &p, &before, &at, counts);
    printf("%u as expected, %u not\n", counts[true], counts[false]);
    fflush(stdout);
    if (!counts[false])
        return 0;
    err_set(err, ERR_PERM, "%s: %u of %u calls did not answer as expected", role_name(j->role), counts[false], counts[false] + counts[true]);
    return -1;
}
