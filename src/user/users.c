/* users: see the header. Runs in auth, chrooted and sealed: SQLite may load nothing, map nothing but the WAL's index
 * and make no temporary files; and in `bustia user`, often as root, in a directory that belongs to auth: no symbolic
 * link is followed, and nothing in a file that auth could have prepared (triggers, views, functions) is run. */
#include "user/users.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* How long to wait for a lock, in ms. In WAL a reader waits only while the last other user closes the database, and
 * auth serves everybody by one loop: rather [SYS/TEMP] than a long stall. */
enum { WAIT_READ = 200, WAIT_WRITE = 10000 };

enum { APPLICATION = 0x42757374 }; /* "Bust" in the file's header: never mistake another program's tables for ours */

/* What leads from schema version i to i + 1. Rows are only ever added here. */
static const char *const migrations[] = {
    "CREATE TABLE person("
    " name TEXT NOT NULL PRIMARY KEY,"
    " verifier TEXT NOT NULL, scram1 TEXT NOT NULL, scram256 TEXT NOT NULL, apop TEXT NOT NULL,"
    " store TEXT NOT NULL,"
    " uid INTEGER NOT NULL CHECK (uid BETWEEN 0 AND 4294967295),"
    " gid INTEGER NOT NULL CHECK (gid BETWEEN 0 AND 4294967295),"
    " disabled INTEGER NOT NULL CHECK (disabled IN (0, 1))"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE key(one INTEGER PRIMARY KEY CHECK (one = 1), bytes BLOB NOT NULL) STRICT;"
    "INSERT INTO key VALUES(1, randomblob(32));",
};
enum { VERSION = sizeof migrations / sizeof *migrations };

#define COLUMNS "name, verifier, scram1, scram256, apop, store, uid, gid, disabled"

enum statement { FIND, ADD, CHANGE, DEL, EACH, KEY, STATEMENTS };

static const char *const sql_of[STATEMENTS] = {
    [FIND] = "SELECT " COLUMNS " FROM person WHERE name = ?1",
    [ADD] = "INSERT INTO person(" COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [CHANGE] = "UPDATE person SET verifier = ?2, scram1 = ?3, scram256 = ?4, apop = ?5, store = ?6, uid = ?7, gid = ?8,"
               " disabled = ?9 WHERE name = ?1",
    [DEL] = "DELETE FROM person WHERE name = ?1",
    [EACH] = "SELECT " COLUMNS " FROM person ORDER BY name",
    [KEY] = "SELECT bytes FROM key",
};

struct users {
    sqlite3 *sql;
    sqlite3_stmt *statements[STATEMENTS];
    char *path;
};

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

/* Whatever SQLite stumbles over is trouble inside, never "nobody of this name". */
static int trouble(const struct users *db, struct err *err)
{
    return err_set(err, ERR_TEMP, "users' database %s: %s", db->path, sqlite3_errmsg(db->sql));
}

static int run(struct users *db, const char *sql, struct err *err)
{
    return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : trouble(db, err);
}

static int number(struct users *db, const char *sql, int *value, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int ret = -1;
    if (sqlite3_prepare_v2(db->sql, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        *value = sqlite3_column_int(s, 0);
        ret = 0;
    } else {
        trouble(db, err);
    }
    sqlite3_finalize(s);
    return ret;
}

static int migrate(struct users *db, int version, struct err *err)
{
    char pragma[80];
    if (run(db, "BEGIN IMMEDIATE", err) || number(db, "PRAGMA user_version", &version, err))
        return -1; /* asked again under the lock: another process may have been first */
    for (; version < VERSION; version++)
        if (run(db, migrations[version], err))
            return -1;
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA user_version = %d; PRAGMA application_id = %d", VERSION,
                     APPLICATION);
    return run(db, pragma, err) ? -1 : run(db, "COMMIT", err);
}

static int check_version(struct users *db, bool create, struct err *err)
{
    int version, application, tables;
    if (number(db, "PRAGMA user_version", &version, err) || number(db, "PRAGMA application_id", &application, err) ||
        number(db, "SELECT count(*) FROM sqlite_schema", &tables, err))
        return -1;
    if (application != APPLICATION && (application || version || tables))
        return err_set(err, ERR_CONFIG, "%s is a database of another program", db->path);
    if (version > VERSION)
        return err_set(err, ERR_CONFIG, "users' database %s has schema version %d; this program knows %d", db->path,
                       version, VERSION);
    if (version == 0 && !create)
        return err_set(err, ERR_GONE, "users' database %s is empty; \"bustia user add\" fills it", db->path);
    /* WAL is a property of the file; where it cannot be had (a strange file system), the older journal is as safe. */
    if (version == 0 && run(db, "PRAGMA journal_mode = WAL", err))
        return -1;
    return version < VERSION ? migrate(db, version, err) : 0;
}

static int harden(struct users *db, struct err *err)
{
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_limit(db->sql, SQLITE_LIMIT_LENGTH, 1 << 20);
    sqlite3_limit(db->sql, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_busy_timeout(db->sql, WAIT_READ);
    return run(db,
               "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
               "PRAGMA cell_size_check = ON",
               err);
}

/* Only the last component may not be a link: the administrator's own directories may be reached as he likes. */
static char *resolve(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? mem_copy(path, slash == path ? 1 : (size_t)(slash - path)) : mem_copy_text(".");
    char *real = realpath(dir, NULL);
    mem_free(dir);
    if (!real)
        return NULL;
    const char *base = slash ? slash + 1 : path;
    char *whole = mem_alloc(strlen(real) + strlen(base) + 2);
    stpcpy(stpcpy(stpcpy(whole, real), strcmp(real, "/") == 0 ? "" : "/"), base);
    free(real);
    return whole;
}

int users_make(const char *path, uint32_t uid, uint32_t gid, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : err_set(err, ERR_PERM, "cannot create %s: %s", path, strerror(errno));
    int ret = fchown(fd, uid, gid);
    if (ret)
        err_set(err, ERR_PERM, "cannot give %s to uid %u: %s", path, uid, strerror(errno));
    close(fd);
    return ret;
}

static int absent(const char *path, struct err *err)
{
    return err_set(err, ERR_GONE, "users' database %s does not exist; \"bustia user add\" makes it", path);
}

static int open_file(struct users *db, bool create, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (create && users_make(db->path, (uint32_t)-1, (uint32_t)-1, err))
        return -1;
    if (access(db->path, F_OK) && errno == ENOENT)
        return absent(db->path, err);
    if (sqlite3_open_v2(db->path, &db->sql, flags, NULL) != SQLITE_OK)
        return db->sql ? trouble(db, err) : err_set(err, ERR_TEMP, "users' database %s: no memory", db->path);
    sqlite3_extended_result_codes(db->sql, 1);
    return harden(db, err) ? -1 : check_version(db, create, err);
}

static void close_file(struct users *db)
{
    for (unsigned i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    sqlite3_close(db->sql);
    db->sql = NULL;
}

int users_open(struct users **db, const char *path, bool create, struct err *err)
{
    char *whole = resolve(path);
    if (!whole)
        return errno == ENOENT ? absent(path, err)
                               : err_set(err, ERR_TEMP, "users' database %s: its folder: %s", path, strerror(errno));
    struct users *u = mem_alloc(sizeof *u);
    u->path = whole;
    if (open_file(u, create, err)) {
        users_close(u);
        return -1;
    }
    *db = u;
    return 0;
}

void users_close(struct users *db)
{
    if (!db)
        return;
    close_file(db);
    mem_free(db->path);
    mem_free(db);
}

/* ---- statements */

static sqlite3_stmt *prepared(struct users *db, enum statement which, struct err *err)
{
    sqlite3_stmt **s = &db->statements[which];
    if (!db->sql)
        err_set(err, ERR_TEMP, "users' database %s is not there any more", db->path);
    else if (!*s && sqlite3_prepare_v3(db->sql, sql_of[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK)
        trouble(db, err);
    return *s;
}

/* Ends a statement, also its lock; what was bound is not kept. */
static void done(sqlite3_stmt *s)
{
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

static void bind(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text ? text : "", -1, SQLITE_STATIC);
}

static void bind_user(sqlite3_stmt *s, const struct user *u)
{
    bind(s, 1, u->name);
    bind(s, 2, u->verifier);
    bind(s, 3, u->scram1);
    bind(s, 4, u->scram256);
    bind(s, 5, u->apop);
    bind(s, 6, u->where);
    sqlite3_bind_int64(s, 7, u->uid);
    sqlite3_bind_int64(s, 8, u->gid);
    sqlite3_bind_int(s, 9, u->disabled);
}

static char *text_of(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return mem_copy_text(text ? (const char *)text : "");
}

static void read_user(sqlite3_stmt *s, struct user *u)
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
    };
}

/* A file that was put in the place of the open one is the one that counts from now on. */
static int reopen_if_moved(struct users *db, struct err *err)
{
    int moved = 0;
    if (db->sql && !sqlite3_get_autocommit(db->sql))
        return 0; /* within users_begin … users_commit */
    if (db->sql && sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && !moved)
        return 0;
    close_file(db);
    if (open_file(db, false, err) == 0)
        return 0;
    close_file(db);
    if (err)
        err->kind = ERR_TEMP; /* it was there a moment ago: also its absence is trouble, not an answer */
    return -1;
}

int users_find(struct users *db, struct span name, struct user *u, struct err *err)
{
    if (reopen_if_moved(db, err))
        return -1;
    sqlite3_stmt *s = prepared(db, FIND, err);
    if (!s)
        return -1;
    if (name.n > USER_NAME_MAX)
        return err_set(err, ERR_GONE, "no such user");
    sqlite3_bind_text(s, 1, name.n ? name.p : "", (int)name.n, SQLITE_STATIC);
    int rc = sqlite3_step(s), ret = -1;
    if (rc == SQLITE_ROW) {
        read_user(s, u);
        ret = 0;
    } else if (rc == SQLITE_DONE) {
        err_set(err, ERR_GONE, "no such user");
    } else {
        trouble(db, err);
    }
    done(s);
    return ret;
}

/* Runs a statement that changes; ERR_GONE if it changed nobody. */
static int change(struct users *db, sqlite3_stmt *s, const char *name, struct err *err)
{
    sqlite3_busy_timeout(db->sql, WAIT_WRITE);
    int rc = sqlite3_step(s), ret = 0;
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        ret = err_set(err, ERR_INPUT, "user %s exists already", name);
    else if (rc != SQLITE_DONE)
        ret = trouble(db, err);
    else if (sqlite3_changes(db->sql) == 0)
        ret = err_set(err, ERR_GONE, "no user %s", name);
    done(s);
    sqlite3_busy_timeout(db->sql, WAIT_READ);
    return ret;
}

int users_add(struct users *db, const struct user *u, struct err *err)
{
    if (users_check_name(span_of(u->name), err))
        return -1;
    sqlite3_stmt *s = prepared(db, ADD, err);
    if (!s)
        return -1;
    bind_user(s, u);
    return change(db, s, u->name, err);
}

int users_change(struct users *db, const struct user *u, struct err *err)
{
    sqlite3_stmt *s = prepared(db, CHANGE, err);
    if (!s)
        return -1;
    bind_user(s, u);
    return change(db, s, u->name, err);
}

int users_del(struct users *db, struct span name, struct err *err)
{
    if (users_check_name(name, err))
        return -1;
    sqlite3_stmt *s = prepared(db, DEL, err);
    if (!s)
        return -1;
    char *text = mem_copy(name.p, name.n);
    bind(s, 1, text);
    int ret = change(db, s, text, err);
    mem_free(text);
    return ret;
}

int users_each(struct users *db, int (*fn)(void *arg, const struct user *u), void *arg, struct err *err)
{
    sqlite3_stmt *s = prepared(db, EACH, err);
    if (!s)
        return -1;
    int rc, stop = 0;
    while (!stop && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct user u;
        read_user(s, &u);
        stop = fn(arg, &u);
        user_free(&u);
    }
    int ret = stop || rc == SQLITE_DONE ? 0 : trouble(db, err);
    done(s);
    return ret;
}

int users_key(struct users *db, unsigned char key[USERS_KEY], struct err *err)
{
    sqlite3_stmt *s = prepared(db, KEY, err);
    if (!s)
        return -1;
    int ret = -1;
    if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_bytes(s, 0) == USERS_KEY) {
        memcpy(key, sqlite3_column_blob(s, 0), USERS_KEY);
        ret = 0;
    } else {
        err_set(err, ERR_TEMP, "users' database %s: it has lost its key", db->path);
    }
    done(s);
    return ret;
}

/* ---- several changes as one */

int users_begin(struct users *db, struct err *err)
{
    sqlite3_busy_timeout(db->sql, WAIT_WRITE);
    int ret = run(db, "BEGIN IMMEDIATE", err);
    sqlite3_busy_timeout(db->sql, WAIT_READ);
    return ret;
}

int users_commit(struct users *db, struct err *err)
{
    sqlite3_busy_timeout(db->sql, WAIT_WRITE);
    int ret = run(db, "COMMIT", err);
    sqlite3_busy_timeout(db->sql, WAIT_READ);
    return ret;
}

void users_rollback(struct users *db)
{
    if (!sqlite3_get_autocommit(db->sql))
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}
