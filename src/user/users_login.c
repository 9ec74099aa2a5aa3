/* users_login: see the header. */
#include "user/users_login.h"

#include "user/users_impl.h"

static int run(struct users *db, sqlite3_stmt *s, const struct users_login *l, struct err *err)
{
    int changes;
    if (!s)
        return -1;
    users_bind(s, 1, span_of(l->user));
    sqlite3_bind_int64(s, 2, l->time);
    users_bind(s, 3, span_of(l->address));
    if (sqlite3_bind_parameter_count(s) > 3)
        users_bind(s, 4, span_of(l->label));
    return users_write(db, s, &changes) == SQLITE_DONE ? 0 : users_trouble(db, err);
}

static int note(struct users *db, const struct users_login *l, struct err *err)
{
    static const char login[] = "INSERT INTO login SELECT name, ?2, ?3 FROM person WHERE name = ?1"
                                " ON CONFLICT(person) DO UPDATE SET time = excluded.time, address = excluded.address";
    static const char app[] = "UPDATE app_password SET used = ?2, address = ?3 WHERE person = ?1 AND label = ?4";
    if (run(db, users_prepared(db, LOGIN_NOTE, login, err), l, err))
        return -1;
    return *l->label ? run(db, users_prepared(db, LOGIN_NOTE_APP, app, err), l, err) : 0;
}

int users_login_note(struct users *db, const struct users_login *list, size_t n, struct err *err)
{
    if (users_begin(db, err))
        return -1;
    size_t i = 0;
    while (i < n && note(db, &list[i], err) == 0)
        i++;
    if (i == n && users_commit(db, err) == 0)
        return 0;
    users_rollback(db);
    return -1;
}

static int rows(struct users *db, sqlite3_stmt *s, users_login_fn *fn, void *arg, struct err *err)
{
    int rc, stop = 0;
    while (!stop && (rc = sqlite3_step(s)) == SQLITE_ROW)
        stop = fn(arg, (const char *)sqlite3_column_text(s, 0), sqlite3_column_int64(s, 1), (const char *)sqlite3_column_text(s, 2));
    int ret = stop || rc == SQLITE_DONE ? 0 : users_trouble(db, err);
    users_done(s);
    return ret;
}

int users_login_each(struct users *db, users_login_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *s = users_prepared(db, LOGIN_EACH, "SELECT person, time, address FROM login ORDER BY person", err);
    return s ? rows(db, s, fn, arg, err) : -1;
}

int users_login_find(struct users *db, struct span user, users_login_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *s = users_prepared(db, LOGIN_FIND, "SELECT person, time, address FROM login WHERE person = ?1", err);
    if (!s)
        return -1;
    users_bind(s, 1, user);
    return rows(db, s, fn, arg, err);
}
