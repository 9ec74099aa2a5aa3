/* check_users: the database of users, and whether each of them could be served. */
#include "check/check.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "check/check_parts.h"
#include "store/open.h"
#include "user/users.h"

enum { TOLD = 20 }; /* users named one by one; the rest are counted */

/* ---- who may read and write it */

static void check_owner(const struct check *k, const char *path, const struct stat *st, const char *what)
{
    const struct check_role *auth = &k->roles[CHECK_AUTH];
    if (!k->root || !auth->found || auth->uid == 0 || st->st_uid == auth->uid)
        return;
    conf_problem_add(k->p, conf_line(k->c, "users_db"), true,
                     "users_db: the %s %s belongs to uid %u, not to auth_user = %s; chown %s %s", what, path,
                     st->st_uid, auth->name, auth->name, path);
}

/* SQLite keeps its journal beside the database, so auth must be able to make files there. */
static bool check_db_folder(const struct check *k, const char *folder)
{
    unsigned line = conf_line(k->c, "users_db");
    char remedy[4096 + 200];
    struct stat st;
    snprintf(remedy, sizeof remedy, "install -d%s%s -m 0700 %s", k->root ? " -o " : "", k->root ? k->c->auth_user : "",
             folder);
    if (check_stat(k, line, "users_db: the folder", folder, remedy, &st) < 0)
        return false;
    if (st.st_mode & S_IWOTH)
        conf_problem_add(k->p, line, true,
                         "users_db: the folder %s may be written by everybody (mode %04o); chmod o-w %s", folder,
                         st.st_mode & 07777, folder);
    if (!k->root && access(folder, W_OK | X_OK) < 0)
        conf_problem_add(k->p, line, true, "users_db: the folder %s may not be written by this user; chmod u+wx %s",
                         folder, folder);
    check_owner(k, folder, &st, "folder");
    return true;
}

static void check_db_file(const struct check *k)
{
    const char *path = k->c->users_db;
    unsigned line = conf_line(k->c, "users_db");
    struct stat st;
    if (check_stat(k, line, "users_db =", path, "`bustia user add NAME` makes it", &st) < 0)
        return;
    if (!S_ISREG(st.st_mode)) {
        conf_problem_add(k->p, line, true, "users_db = %s is no regular file", path);
        return;
    }
    if (st.st_mode & 077)
        conf_problem_add(k->p, line, true,
                         "users_db = %s may be read or written by others than its owner (mode %04o); chmod 600 %s",
                         path, st.st_mode & 07777, path);
    check_owner(k, path, &st, "file");
    if (access(path, R_OK | W_OK) < 0)
        conf_problem_add(k->p, line, true, "users_db = %s may not be read and written by this user", path);
}

void check_database(const struct check *k)
{
    char *folder = check_folder_of(k->c->users_db);
    if (check_db_folder(k, folder))
        check_db_file(k);
    mem_free(folder);
}

/* ---- who is in it */

struct walk {
    const struct check *k;
    struct store_root roots[CONF_ROOTS];
    unsigned wrong;
};

/* Fills `why` if this user could not be served. */
static bool user_wrong(const struct walk *w, const struct user *u, struct err *why)
{
    const struct check *k = w->k;
    if (u->uid < k->c->first_uid)
        err_set(why, ERR_CONFIG, "has uid %u, which is below first_uid = %llu; `bustia user set` gives another", u->uid,
                (unsigned long long)k->c->first_uid);
    else if (u->gid == 0)
        err_set(why, ERR_CONFIG, "has root's group; `bustia user set` gives another");
    else if (!k->root && u->uid != geteuid())
        err_set(why, ERR_CONFIG, "has uid %u, whose mail can be served only by a server started as root", u->uid);
    else {
        for (unsigned i = 0; i < CHECK_ROLES; i++)
            if (k->roles[i].found && k->roles[i].uid == u->uid)
                return err_set(why, ERR_CONFIG, "has the uid of %s; `bustia user set` gives another",
                               k->roles[i].option) < 0;
        return store_where_check(w->roots, k->c->mail_roots, u->where, NULL, why) < 0;
    }
    return true;
}

static int look_at(void *arg, const struct user *u)
{
    struct walk *w = arg;
    struct err why;
    if (!u->disabled && user_wrong(w, u, &why) && ++w->wrong <= TOLD)
        conf_problem_add(w->k->p, conf_line(w->k->c, "users_db"), false, "user %s cannot be served: %s",
                         log_quote_text(u->name), why.text);
    return 0;
}

void check_people(const struct conf *c, struct conf_problems *p)
{
    struct check k;
    struct walk w = {.k = &k};
    struct users *db = NULL;
    struct err err;
    unsigned line = conf_line(c, "users_db");
    check_begin(&k, c, NULL, p);
    for (unsigned i = 0; i < c->mail_roots; i++)
        w.roots[i] = (struct store_root){c->mail_root[i], -1, c->allow_memory_store};
    if (access(c->users_db, R_OK | W_OK) < 0) /* check_database has said so */
        return;
    if (users_old(c->users_db, &err) > 0) { /* opening it would change it */
        conf_problem_add(
            p, line, false,
            "users_db = %s is an older version's: the server takes it over at the first log-in, and the older "
            "version opens it no more; who is in it is not checked",
            c->users_db);
        return;
    }
    if (users_open(&db, c->users_db, false, &err) < 0) {
        conf_problem_add(p, line, true, "users_db = %s cannot be opened: %s", c->users_db, err.text);
        return;
    }
    if (users_each(db, look_at, &w, &err) < 0)
        conf_problem_add(p, line, true, "users_db = %s cannot be read: %s", c->users_db, err.text);
    if (w.wrong > TOLD)
        conf_problem_add(p, line, false, "and %u more users cannot be served", w.wrong - TOLD);
    check_addresses(&k, db);
    check_ages(&k, db);
    users_close(db);
}
