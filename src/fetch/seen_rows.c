/* seen: the rows of messages. */
#include <string.h>

#include "fetch/seen_impl.h"

#define COLUMNS     "uid, state, first, gone, size, failures, turn, whole"
#define ALL_COLUMNS COLUMNS ", sha256, id, reason"

const char *seen_state_text(enum seen_state state)
{
    static const char *const texts[SEEN_STATES] = {
        [SEEN_NEW] = "new",
        [SEEN_SEEN] = "left",
        [SEEN_FETCHED] = "handed over",
        [SEEN_DELIVERED] = "delivered",
        [SEEN_HEADERS] = "headers",
        [SEEN_MARKED] = "marked",
        [SEEN_QUARANTINED] = "quarantine",
        [SEEN_DELETED] = "deleted",
    };
    return (unsigned)state < SEEN_STATES ? texts[state] : "?";
}

static const char *text(sqlite3_stmt *stmt, int column)
{
    const char *t = (const char *)sqlite3_column_text(stmt, column);
    return t ? t : "";
}

static struct seen_row row_of(sqlite3_stmt *stmt)
{
    return (struct seen_row){
        .uid = text(stmt, 0),
        .state = (enum seen_state)sqlite3_column_int(stmt, 1),
        .first = sqlite3_column_int64(stmt, 2),
        .gone = sqlite3_column_int64(stmt, 3),
        .size = (uint64_t)sqlite3_column_int64(stmt, 4),
        .failures = (unsigned)sqlite3_column_int64(stmt, 5),
        .turn = (unsigned)sqlite3_column_int64(stmt, 6),
        .whole = sqlite3_column_int(stmt, 7) != 0,
    };
}

int seen_each(struct seen *s, void (*fn)(void *arg, const struct seen_row *row), void *arg, struct err *err)
{
    sqlite3_stmt *stmt;
    if (seen_prepare(s, "SELECT " COLUMNS " FROM message", &stmt, err))
        return -1;
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct seen_row row = row_of(stmt);
        fn(arg, &row);
    }
    int ret = code == SQLITE_DONE ? 0 : seen_trouble(s, err);
    sqlite3_finalize(stmt);
    return ret;
}

static struct seen_kept kept_of(sqlite3_stmt *stmt)
{
    struct seen_kept k = {.row = row_of(stmt), .id = text(stmt, 9), .reason = text(stmt, 10)};
    const void *digest = sqlite3_column_blob(stmt, 8);
    k.digested = digest && sqlite3_column_bytes(stmt, 8) == sizeof k.sha256;
    if (k.digested)
        memcpy(k.sha256, digest, sizeof k.sha256);
    return k;
}

int seen_show(struct seen *s, bool (*fn)(void *arg, const struct seen_kept *kept), void *arg, struct err *err)
{
    sqlite3_stmt *stmt;
    if (seen_prepare(s, "SELECT " ALL_COLUMNS " FROM message ORDER BY first, uid", &stmt, err))
        return -1;
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct seen_kept k = kept_of(stmt);
        if (!fn(arg, &k))
            break;
    }
    int ret = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : seen_trouble(s, err);
    sqlite3_finalize(stmt);
    return ret;
}

int seen_find(struct seen *s, const char *uid, void (*fn)(void *arg, const struct seen_kept *kept), void *arg,
              struct err *err)
{
    sqlite3_stmt *stmt;
    if (seen_prepare(s, "SELECT " ALL_COLUMNS " FROM message WHERE uid = ?1", &stmt, err))
        return -1;
    sqlite3_bind_text(stmt, 1, uid, -1, SQLITE_STATIC);
    int code = sqlite3_step(stmt), ret = 0;
    if (code == SQLITE_ROW) {
        struct seen_kept k = kept_of(stmt);
        fn(arg, &k);
    } else {
        ret = code == SQLITE_DONE ? err_set(err, ERR_GONE, "no message with this uid was ever seen")
                                  : seen_trouble(s, err);
    }
    sqlite3_finalize(stmt);
    return ret;
}

int seen_same(struct seen *s, const unsigned char sha256[32], bool (*fn)(void *arg, const struct seen_row *row),
              void *arg, struct err *err)
{
    sqlite3_stmt *stmt;
    if (seen_prepare(s, "SELECT " COLUMNS " FROM message WHERE sha256 = ?1", &stmt, err))
        return -1;
    sqlite3_bind_blob(stmt, 1, sha256, 32, SQLITE_STATIC);
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct seen_row row = row_of(stmt);
        if (!fn(arg, &row))
            break;
    }
    int ret = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : seen_trouble(s, err);
    sqlite3_finalize(stmt);
    return ret;
}

/* ---- changes */

static sqlite3_stmt *kept_statement(struct seen *s, enum seen_statement which, const char *sql, struct err *err)
{
    if (!s->statements[which] && seen_prepare(s, sql, &s->statements[which], err))
        return NULL;
    return s->statements[which];
}

int seen_put(struct seen *s, const struct seen_row *row, const unsigned char sha256[32], const char *id,
             const char *reason, struct err *err)
{
    sqlite3_stmt *p =
        kept_statement(s, SEEN_SQL_PUT,
                       "INSERT INTO message(" ALL_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                       " ON CONFLICT(uid) DO UPDATE SET state = ?2, first = ?3, gone = ?4, size = ?5, failures = ?6,"
                       " turn = ?7, whole = ?8, sha256 = coalesce(?9, sha256), id = coalesce(?10, id),"
                       " reason = coalesce(?11, reason)",
                       err);
    if (!p)
        return -1;
    sqlite3_bind_text(p, 1, row->uid, -1, SQLITE_STATIC);
    sqlite3_bind_int(p, 2, (int)row->state);
    sqlite3_bind_int64(p, 3, row->first);
    sqlite3_bind_int64(p, 4, row->gone);
    sqlite3_bind_int64(p, 5, (sqlite3_int64)row->size);
    sqlite3_bind_int64(p, 6, row->failures);
    sqlite3_bind_int64(p, 7, row->turn);
    sqlite3_bind_int(p, 8, row->whole);
    if (sha256)
        sqlite3_bind_blob(p, 9, sha256, 32, SQLITE_STATIC);
    if (id)
        sqlite3_bind_text(p, 10, id, -1, SQLITE_STATIC);
    if (reason)
        sqlite3_bind_text(p, 11, reason, -1, SQLITE_STATIC);
    return seen_step(s, p, err);
}

int seen_forget(struct seen *s, const char *uid, struct err *err)
{
    sqlite3_stmt *p = kept_statement(s, SEEN_SQL_FORGET, "DELETE FROM message WHERE uid = ?1", err);
    if (!p)
        return -1;
    sqlite3_bind_text(p, 1, uid, -1, SQLITE_STATIC);
    return seen_step(s, p, err);
}

int seen_rename(struct seen *s, const char *uid, const char *now, struct err *err)
{
    sqlite3_stmt *p;
    if (seen_forget(s, now, err) || seen_prepare(s, "UPDATE message SET uid = ?2 WHERE uid = ?1", &p, err))
        return -1;
    sqlite3_bind_text(p, 1, uid, -1, SQLITE_STATIC);
    sqlite3_bind_text(p, 2, now, -1, SQLITE_STATIC);
    int ret = seen_step(s, p, err);
    sqlite3_finalize(p);
    return ret;
}

int seen_forget_gone(struct seen *s, int64_t before, struct err *err)
{
    sqlite3_stmt *p;
    if (seen_prepare(s, "DELETE FROM message WHERE gone != 0 AND gone < ?1", &p, err))
        return -1;
    sqlite3_bind_int64(p, 1, before);
    int ret = seen_step(s, p, err);
    sqlite3_finalize(p);
    return ret;
}
