/* users_terms: see the header. Runs in auth. */
#include "user/users_terms.h"

#include "user/users_impl.h"

/* Each is one step into an index, however many users there are: auth asks in its loop, also after each of its own notes. */
#define OF_THOSE "FROM person WHERE disabled = 0 AND pop3 = 1 AND "
static const char sql[] = "SELECT EXISTS (SELECT 1 " OF_THOSE "expire IS NULL), EXISTS (SELECT 1 " OF_THOSE "expire = -1),"
                          " (SELECT expire " OF_THOSE "expire >= 0 ORDER BY expire LIMIT 1),"
                          " (SELECT expire " OF_THOSE "expire >= 0 ORDER BY expire DESC LIMIT 1),"
                          " EXISTS (SELECT 1 " OF_THOSE "login_delay IS NULL),"
                          " (SELECT login_delay " OF_THOSE "login_delay >= 0 ORDER BY login_delay LIMIT 1),"
                          " (SELECT login_delay " OF_THOSE "login_delay >= 0 ORDER BY login_delay DESC LIMIT 1)";

struct range {
    uint32_t least, most;
    bool any;
};

static void add(struct range *r, uint32_t n)
{
    r->least = r->any && r->least < n ? r->least : n;
    r->most = r->any && r->most > n ? r->most : n;
    r->any = true;
}

/* What is in the two columns from `at` on, unless they are empty. */
static void add_columns(struct range *r, sqlite3_stmt *s, int at)
{
    if (sqlite3_column_type(s, at) == SQLITE_NULL)
        return;
    add(r, (uint32_t)sqlite3_column_int64(s, at));
    add(r, (uint32_t)sqlite3_column_int64(s, at + 1));
}

static void take(sqlite3_stmt *s, uint32_t expire, uint32_t delay, struct users_terms *t)
{
    struct range days = {0}, seconds = {0};
    if (sqlite3_column_int(s, 0))
        add(&days, expire);
    if (sqlite3_column_int(s, 1))
        add(&days, USER_NEVER);
    add_columns(&days, s, 2);
    if (sqlite3_column_int(s, 4))
        add(&seconds, delay);
    add_columns(&seconds, s, 5);
    if (days.any) /* else there is nobody */
        *t = (struct users_terms){days.least, days.most, seconds.least, seconds.most};
}

int users_terms(struct users *db, uint32_t expire, uint32_t delay, struct users_terms *t, struct err *err)
{
    if (users_fresh(db, err))
        return -1;
    sqlite3_stmt *s = users_prepared(db, USERS_TERMS, sql, err);
    if (!s)
        return -1;
    int ret = 0;
    *t = (struct users_terms){expire, expire, delay, delay};
    if (sqlite3_step(s) == SQLITE_ROW)
        take(s, expire, delay, t);
    else
        ret = users_trouble(db, err);
    users_done(s);
    return ret;
}

uint64_t users_version(struct users *db)
{
    uint64_t version = 0;
    struct err err;
    if (users_fresh(db, &err))
        return 0;
    sqlite3_stmt *s = users_prepared(db, USERS_VERSION, "PRAGMA data_version", &err);
    if (s && sqlite3_step(s) == SQLITE_ROW)
        version = db->opened << 32 | (uint32_t)sqlite3_column_int64(s, 0);
    if (s)
        users_done(s);
    return version;
}
