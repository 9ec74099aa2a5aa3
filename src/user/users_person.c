/* users_person: finds, adds, changes and lists people; changes as one; the key. Runs in auth and in the tool. */
#include "user/users.h"

#include <string.h>

#include "base/mem.h"
#include "user/users_impl.h"

void user_wipe(char *text)
{
    if (text)
        mem_wipe(text, strlen(text));
    mem_free(text);
}

void user_free(struct user *u)
{
    user_wipe(u->name);
    user_wipe(u->verifier);
    user_wipe(u->scram1);
    user_wipe(u->scram256);
    user_wipe(u->apop);
    user_wipe(u->where);
    *u = (struct user){0};
}

/* ---- statements */

sqlite3_stmt *users_prepared(struct users *db, enum users_statement which, const char *sql, struct err *err)
{
    sqlite3_stmt **s = &db->statements[which];
    if (!db->sql)
        err_set(err, ERR_TEMP, "users' database %s is not there any more", db->path);
    else if (!*s && sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK)
        users_trouble(db, err);
    return *s;
}

void users_done(sqlite3_stmt *s)
{
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

void users_bind(sqlite3_stmt *s, int at, struct span text)
{
    sqlite3_bind_text(s, at, text.n ? text.p : "", (int)text.n, SQLITE_STATIC);
}

int users_write(struct users *db, sqlite3_stmt *s, int *changes)
{
    sqlite3_busy_timeout(db->sql, USERS_WAIT_WRITE);
    int rc = sqlite3_step(s);
    *changes = sqlite3_changes(db->sql);
    users_done(s);
    sqlite3_busy_timeout(db->sql, USERS_WAIT_READ);
    return rc;
}

static char *text_of(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return mem_copy_text(text ? (const char *)text : "");
}

void users_read(sqlite3_stmt *s, struct user *u)
{
    *u = (struct user){
        .name = text_of(s, 0),
        .verifier = text_of(s, 1),
        .scram1 = text_of(s, 2),
        .scram256 = text_of(s, 3),
        .apop = text_of(s, 4),
        .where = text_of(s, 5),
        .uid = (uint32_t)sqlite3_column_int64(s, 6),
        .gid = (uint32_t)sqlite3_column_int64(s, 7),
        .disabled = sqlite3_column_int(s, 8) != 0,
        .quota_octets = (uint64_t)sqlite3_column_int64(s, 9),
        .quota_messages = (uint64_t)sqlite3_column_int64(s, 10),
        .external = sqlite3_column_int(s, 11) != 0,
        .no_pop3 = sqlite3_column_int(s, 12) == 0,
        .has_login_delay = sqlite3_column_type(s, 13) != SQLITE_NULL,
        .login_delay = (uint32_t)sqlite3_column_int64(s, 13),
        .has_expire = sqlite3_column_type(s, 14) != SQLITE_NULL,
        .expire = (uint32_t)sqlite3_column_int64(s, 14), /* -1 is USER_NEVER */
    };
}

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    users_bind(s, at, span_of(text ? text : ""));
}

/* The columns from the first to the last. */
static int bind_user(sqlite3_stmt *s, const struct user *u, struct err *err)
{
    if (u->quota_octets > INT64_MAX || u->quota_messages > INT64_MAX)
        return err_set(err, ERR_INPUT, "a quota is at most %lld", (long long)INT64_MAX);
    if (u->login_delay > USER_DELAY_MAX || (u->expire > USER_DAYS_MAX && u->expire != USER_NEVER))
        return err_set(err, ERR_INPUT, "a delay is at most %d s, an age at most %d days", USER_DELAY_MAX, USER_DAYS_MAX);
    bind_text(s, 1, u->name);
    bind_text(s, 2, u->verifier);
    bind_text(s, 3, u->scram1);
    bind_text(s, 4, u->scram256);
    bind_text(s, 5, u->apop);
    bind_text(s, 6, u->where);
    sqlite3_bind_int64(s, 7, u->uid);
    sqlite3_bind_int64(s, 8, u->gid);
    sqlite3_bind_int(s, 9, u->disabled);
    sqlite3_bind_int64(s, 10, (sqlite3_int64)u->quota_octets);
    sqlite3_bind_int64(s, 11, (sqlite3_int64)u->quota_messages);
    sqlite3_bind_int(s, 12, u->external);
    sqlite3_bind_int(s, 13, !u->no_pop3);
    if (u->has_login_delay) /* else NULL: nothing is bound */
        sqlite3_bind_int64(s, 14, u->login_delay);
    if (u->has_expire)
        sqlite3_bind_int64(s, 15, u->expire == USER_NEVER ? -1 : (sqlite3_int64)u->expire);
    return 0;
}

/* ---- people */

static int look_up(struct users *db, enum users_statement which, const char *sql, struct span name, struct user *u, struct err *err)
{
    sqlite3_stmt *s = users_prepared(db, which, sql, err);
    if (!s)
        return -1;
    if (name.n > USER_NAME_MAX)
        return 0;
    users_bind(s, 1, name);
    int rc = sqlite3_step(s), ret = 0;
    if (rc == SQLITE_ROW) {
        users_read(s, u);
        u->has_app = sqlite3_column_int(s, USERS_COLUMN_COUNT) != 0;
        ret = 1;
    } else if (rc != SQLITE_DONE) {
        ret = users_trouble(db, err);
    }
    users_done(s);
    return ret;
}

/* What SQLite stumbled over last: it has waited already. */
static bool is_locked(const struct users *db)
{
    enum { CODE = 0xff }; /* of an extended one */
    int why = db->sql ? sqlite3_errcode(db->sql) & CODE : SQLITE_OK;
    return why == SQLITE_BUSY || why == SQLITE_LOCKED;
}

/* Both tables by one statement, as its lock is dearer than what it reads. Trouble with the app passwords' is left to who wants to read
 * them; whoever has waited for a lock in vain does not wait again. */
int users_look_up(struct users *db, struct span name, struct user *u, struct err *err)
{
    static const char both[] = "SELECT " USERS_COLUMNS ", EXISTS (SELECT 1 FROM app_password WHERE person = ?1)"
                               " FROM person WHERE name = ?1";
    static const char alone[] = "SELECT " USERS_COLUMNS ", 1 FROM person WHERE name = ?1";
    int found = look_up(db, USERS_FIND, both, name, u, err);
    return found >= 0 || is_locked(db) ? found : look_up(db, USERS_FIND_ALONE, alone, name, u, err);
}

int users_find(struct users *db, struct span name, struct user *u, struct err *err)
{
    if (users_fresh(db, err))
        return -1;
    int found = users_look_up(db, name, u, err);
    return found > 0 ? 0 : found < 0 ? -1 : err_set(err, ERR_GONE, "no such user");
}

/* Runs a statement that changes; ERR_GONE if it changed nobody. */
static int change(struct users *db, sqlite3_stmt *s, const char *name, struct err *err)
{
    int changes, rc = users_write(db, s, &changes);
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        return err_set(err, ERR_INPUT, "user %s exists already", name);
    if (rc != SQLITE_DONE)
        return users_trouble(db, err);
    return changes ? 0 : err_set(err, ERR_GONE, "no user %s", name);
}

int users_add(struct users *db, const struct user *u, struct err *err)
{
    static const char sql[] =
        "INSERT INTO person(" USERS_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    if (users_check_name(span_of(u->name), err))
        return -1;
    sqlite3_stmt *s = users_prepared(db, USERS_ADD, sql, err);
    return s && bind_user(s, u, err) == 0 ? change(db, s, u->name, err) : -1;
}

int users_change(struct users *db, const struct user *u, struct err *err)
{
    static const char sql[] =
        "UPDATE person SET verifier = ?2, scram1 = ?3, scram256 = ?4, apop = ?5, store = ?6, uid = ?7, gid = ?8,"
        " disabled = ?9, quota_octets = ?10, quota_messages = ?11, external = ?12, pop3 = ?13, login_delay = ?14,"
        " expire = ?15 WHERE name = ?1";
    sqlite3_stmt *s = users_prepared(db, USERS_CHANGE, sql, err);
    return s && bind_user(s, u, err) == 0 ? change(db, s, u->name, err) : -1;
}

int users_del(struct users *db, struct span name, struct err *err)
{
    if (users_check_name(name, err))
        return -1;
    sqlite3_stmt *s = users_prepared(db, USERS_DEL, "DELETE FROM person WHERE name = ?1", err);
    if (!s)
        return -1;
    char *text = mem_copy(name.p, name.n);
    bind_text(s, 1, text);
    int ret = change(db, s, text, err);
    mem_free(text);
    return ret;
}

int users_each(struct users *db, int (*fn)(void *arg, const struct user *u), void *arg, struct err *err)
{
    sqlite3_stmt *s = users_prepared(db, USERS_EACH, "SELECT " USERS_COLUMNS " FROM person ORDER BY name", err);
    if (!s)
        return -1;
    int rc, stop = 0;
    while (!stop && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct user u;
        users_read(s, &u);
        stop = fn(arg, &u);
        user_free(&u);
    }
    int ret = stop || rc == SQLITE_DONE ? 0 : users_trouble(db, err);
    users_done(s);
    return ret;
}

int users_key(struct users *db, unsigned char key[USERS_KEY], struct err *err)
{
    sqlite3_stmt *s = users_prepared(db, USERS_KEY_READ, "SELECT bytes FROM key", err);
    if (!s)
        return -1;
    int ret = -1;
    if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_bytes(s, 0) == USERS_KEY) {
        memcpy(key, sqlite3_column_blob(s, 0), USERS_KEY);
        ret = 0;
    } else {
        err_set(err, ERR_TEMP, "users' database %s: it has lost its key", db->path);
    }
    users_done(s);
    return ret;
}

/* ---- several changes as one */

int users_begin(struct users *db, struct err *err)
{
    sqlite3_busy_timeout(db->sql, USERS_WAIT_WRITE);
    int ret = users_run(db, "BEGIN IMMEDIATE", err);
    sqlite3_busy_timeout(db->sql, USERS_WAIT_READ);
    return ret;
}

int users_commit(struct users *db, struct err *err)
{
    sqlite3_busy_timeout(db->sql, USERS_WAIT_WRITE);
    int ret = users_run(db, "COMMIT", err);
    sqlite3_busy_timeout(db->sql, USERS_WAIT_READ);
    return ret;
}

void users_rollback(struct users *db)
{
    if (!sqlite3_get_autocommit(db->sql))
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

void users_sweep(struct users *db)
{
    if (!db->sql)
        return;
    sqlite3_busy_timeout(db->sql, USERS_WAIT_WRITE);
    sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(db->sql, USERS_WAIT_READ);
}
