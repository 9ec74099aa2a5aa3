/* users_terms: see the header. Runs in auth. */
#include "user/users_terms.h"

#include "user/users_impl.h"

int users_terms(struct users *db, uint32_t expire, uint32_t delay, struct users_terms *t, struct err *err)
{
    /* -1 stands for never, and is to be the largest. */
    static const char sql[] = "SELECT min(days), max(days), min(delay), max(delay) FROM (SELECT CASE ifnull(expire, ?1) WHEN -1 THEN "
                              "?2 ELSE ifnull(expire, ?1) END AS days, ifnull(login_delay, ?3) AS delay FROM person "
                              "WHERE disabled = 0 AND pop3 = 1)";
    if (users_fresh(db, err))
        return -1;
    sqlite3_stmt *s = users_prepared(db, USERS_TERMS, sql, err);
    if (!s)
        return -1;
    sqlite3_bind_int64(s, 1, expire);
    sqlite3_bind_int64(s, 2, USER_NEVER);
    sqlite3_bind_int64(s, 3, delay);
    int ret = 0;
    *t = (struct users_terms){expire, expire, delay, delay};
    if (sqlite3_step(s) != SQLITE_ROW)
        ret = users_trouble(db, err);
    else if (sqlite3_column_type(s, 0) != SQLITE_NULL)
        *t = (struct users_terms){(uint32_t)sqlite3_column_int64(s, 0), (uint32_t)sqlite3_column_int64(s, 1),
                                  (uint32_t)sqlite3_column_int64(s, 2), (uint32_t)sqlite3_column_int64(s, 3)};
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
