/* users_open: makes, opens and migrates the users' database. Runs in auth, chrooted and sealed: SQLite may load
 * nothing, map nothing but the WAL's index and make no temporary files; and in the tool, often as root, in a directory
 * that belongs to auth: no symbolic link is followed, and nothing in a file that auth could have prepared (triggers,
 * views, functions) is run. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "user/users_impl.h"

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

    "ALTER TABLE person ADD COLUMN quota_octets INTEGER NOT NULL DEFAULT 0 CHECK (quota_octets >= 0);"
    "ALTER TABLE person ADD COLUMN quota_messages INTEGER NOT NULL DEFAULT 0 CHECK (quota_messages >= 0);"
    "CREATE TABLE domain("
    " name TEXT NOT NULL PRIMARY KEY,"
    " names INTEGER NOT NULL CHECK (names IN (0, 1))"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE alias("
    " address TEXT NOT NULL,"
    " target TEXT NOT NULL REFERENCES person(name) ON DELETE CASCADE,"
    " PRIMARY KEY(address, target)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX alias_target ON alias(target);",

    "ALTER TABLE person ADD COLUMN external INTEGER NOT NULL DEFAULT 0 CHECK (external IN (0, 1));",

    /* NULL: the configuration's. expire = -1: never. What auth writes is apart from what the administrator sets. */
    "ALTER TABLE person ADD COLUMN pop3 INTEGER NOT NULL DEFAULT 1 CHECK (pop3 IN (0, 1));"
    "ALTER TABLE person ADD COLUMN login_delay INTEGER CHECK (login_delay BETWEEN 0 AND 604800);"
    "ALTER TABLE person ADD COLUMN expire INTEGER CHECK (expire BETWEEN -1 AND 36500);"
    "CREATE INDEX person_expire ON person(disabled, pop3, expire);"
    "CREATE INDEX person_delay ON person(disabled, pop3, login_delay);"
    "CREATE TABLE login("
    " person TEXT NOT NULL PRIMARY KEY REFERENCES person(name) ON DELETE CASCADE,"
    " time INTEGER NOT NULL,"
    " address TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE app_password("
    " person TEXT NOT NULL REFERENCES person(name) ON DELETE CASCADE,"
    " label TEXT NOT NULL,"
    " verifier TEXT NOT NULL,"
    " created INTEGER NOT NULL,"
    " used INTEGER NOT NULL,"
    " address TEXT NOT NULL,"
    " PRIMARY KEY(person, label)"
    ") STRICT, WITHOUT ROWID;",
};
enum { VERSION = sizeof migrations / sizeof *migrations };

int users_trouble(const struct users *db, struct err *err)
{
    return err_set(err, ERR_TEMP, "users' database %s: %s", db->path, sqlite3_errmsg(db->sql));
}

int users_run(struct users *db, const char *sql, struct err *err)
{
    return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : users_trouble(db, err);
}

static int number(struct users *db, const char *sql, int *value, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int ret = -1;
    if (sqlite3_prepare_v2(db->sql, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        *value = sqlite3_column_int(s, 0);
        ret = 0;
    } else {
        users_trouble(db, err);
    }
    sqlite3_finalize(s);
    return ret;
}

static int migrate(struct users *db, int version, struct err *err)
{
    char pragma[80];
    if (users_run(db, "BEGIN IMMEDIATE", err) || number(db, "PRAGMA user_version", &version, err))
        return -1; /* asked again under the lock: another process may have been first */
    for (; version < VERSION; version++)
        if (users_run(db, migrations[version], err))
            return -1;
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA user_version = %d; PRAGMA application_id = %d", VERSION,
                     APPLICATION);
    return users_run(db, pragma, err) ? -1 : users_run(db, "COMMIT", err);
}

enum how { LOOK, OPEN, MAKE };

static int check_version(struct users *db, enum how how, struct err *err)
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
    if (version == 0 && how != MAKE)
        return err_set(err, ERR_GONE, "users' database %s is empty; \"bustia user add\" fills it", db->path);
    if (how == LOOK)
        return 0;
    /* WAL is a property of the file; where it cannot be had (a strange file system), the older journal is as safe. */
    if (version == 0 && users_run(db, "PRAGMA journal_mode = WAL", err))
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
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_limit(db->sql, SQLITE_LIMIT_LENGTH, 1 << 20);
    sqlite3_limit(db->sql, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_busy_timeout(db->sql, USERS_WAIT_READ);
    return users_run(
        db,
        "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
        "PRAGMA cell_size_check = ON; PRAGMA cache_size = -256", /* kB: the kernel has the rest */
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

static int open_file(struct users *db, enum how how, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (how == MAKE && users_make(db->path, (uint32_t)-1, (uint32_t)-1, err))
        return -1;
    if (access(db->path, F_OK) && errno == ENOENT)
        return absent(db->path, err);
    if (sqlite3_open_v2(db->path, &db->sql, flags, NULL) != SQLITE_OK)
        return db->sql ? users_trouble(db, err) : err_set(err, ERR_TEMP, "users' database %s: no memory", db->path);
    db->opened++;
    sqlite3_extended_result_codes(db->sql, 1);
    return harden(db, err) ? -1 : check_version(db, how, err);
}

static void close_file(struct users *db)
{
    for (unsigned i = 0; i < USERS_STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    sqlite3_close(db->sql);
    db->sql = NULL;
}

static int open_path(struct users **db, const char *path, enum how how, struct err *err)
{
    char *whole = resolve(path);
    if (!whole)
        return errno == ENOENT ? absent(path, err)
                               : err_set(err, ERR_TEMP, "users' database %s: its folder: %s", path, strerror(errno));
    struct users *u = mem_alloc(sizeof *u);
    u->path = whole;
    if (open_file(u, how, err)) {
        users_close(u);
        return -1;
    }
    *db = u;
    return 0;
}

int users_open(struct users **db, const char *path, bool create, struct err *err)
{
    return open_path(db, path, create ? MAKE : OPEN, err);
}

int users_old(const char *path, struct err *err)
{
    struct users *db;
    int version;
    if (open_path(&db, path, LOOK, err))
        return -1;
    int ret = number(db, "PRAGMA user_version", &version, err);
    users_close(db);
    return ret ? ret : version < VERSION;
}

void users_close(struct users *db)
{
    if (!db)
        return;
    close_file(db);
    mem_free(db->path);
    mem_free(db);
}

int users_fresh(struct users *db, struct err *err)
{
    int moved = 0;
    if (db->sql && !sqlite3_get_autocommit(db->sql))
        return 0; /* within users_begin … users_commit */
    if (db->sql && sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && !moved)
        return 0;
    close_file(db);
    if (open_file(db, OPEN, err) == 0)
        return 0;
    close_file(db);
    if (err)
        err->kind = ERR_TEMP; /* it was there a moment ago: also its absence is trouble, not an answer */
    return -1;
}
