/* seen: the file, its lock and its groups.
 *
 * Write-ahead log with synchronous = full: one fsync makes a group durable, and `bustia status` reads beside the
 * collector without waiting. A new file is filled under another name and only then given its own: what bears the name
 * is whole, and an empty or strange file is never taken for a new one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "fetch/seen_impl.h"

enum { APPLICATION = 0x42736565 /* "Bsee" in the file's header */, VERSION = 1, WAIT_MS = 10000 };

static const char schema[] =
    "PRAGMA journal_mode = WAL;"
    "BEGIN;"
    "CREATE TABLE message("
    " uid TEXT NOT NULL PRIMARY KEY,"
    " state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 7),"
    " first INTEGER NOT NULL, gone INTEGER NOT NULL, size INTEGER NOT NULL,"
    " failures INTEGER NOT NULL, turn INTEGER NOT NULL, whole INTEGER NOT NULL,"
    " sha256 BLOB, id TEXT, reason TEXT"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE board("
    " one INTEGER PRIMARY KEY CHECK (one = 1), maildrop TEXT NOT NULL DEFAULT '',"
    " checked INTEGER NOT NULL DEFAULT 0, succeeded INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0,"
    " fetched INTEGER NOT NULL DEFAULT 0, left INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,"
    " not_before INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0, expires INTEGER NOT NULL DEFAULT -1,"
    " error TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "INSERT INTO board(one) VALUES(1);";

/* ---- words */

static int damaged(const struct seen *s, const char *what, struct err *err)
{
    return err_set(
        err, ERR_PERM,
        "%s %s; move it away, then \"bustia mark-seen\" if what the server has is here already, else all of it is "
        "fetched again",
        s->path, what);
}

int seen_trouble(const struct seen *s, struct err *err)
{
    int code = sqlite3_errcode(s->sql) & 0xff;
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return damaged(s, code == SQLITE_CORRUPT ? "is damaged" : "is no database", err);
    return err_set(err, ERR_TEMP, "%s: %s", s->path, sqlite3_errmsg(s->sql));
}

int seen_run(struct seen *s, const char *sql, struct err *err)
{
    return sqlite3_exec(s->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : seen_trouble(s, err);
}

int seen_prepare(struct seen *s, const char *sql, sqlite3_stmt **stmt, struct err *err)
{
    *stmt = NULL;
    return sqlite3_prepare_v2(s->sql, sql, -1, stmt, NULL) == SQLITE_OK ? 0 : seen_trouble(s, err);
}

int seen_step(struct seen *s, sqlite3_stmt *stmt, struct err *err)
{
    int ret = sqlite3_step(stmt) == SQLITE_DONE ? 0 : seen_trouble(s, err);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return ret;
}

/* ---- the file */

static int number(struct seen *s, const char *sql, int *value, struct err *err)
{
    sqlite3_stmt *stmt;
    if (seen_prepare(s, sql, &stmt, err))
        return -1;
    int ret = sqlite3_step(stmt) == SQLITE_ROW ? 0 : seen_trouble(s, err);
    if (ret == 0)
        *value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return ret;
}

static int open_database(struct seen *s, const char *path, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (sqlite3_open_v2(path, &s->sql, flags, NULL) != SQLITE_OK)
        return s->sql ? seen_trouble(s, err) : err_set(err, ERR_TEMP, "%s: no memory", s->path);
    sqlite3_db_config(s->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_busy_timeout(s->sql, WAIT_MS);
    return seen_run(s, "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON", err);
}

static int check_version(struct seen *s, struct err *err)
{
    int application, version;
    if (number(s, "PRAGMA application_id", &application, err) || number(s, "PRAGMA user_version", &version, err))
        return -1;
    if (application != APPLICATION)
        return damaged(s, application || version ? "is a database of another program" : "is empty", err);
    if (version != VERSION)
        return err_set(err, ERR_PERM, "%s has schema version %d; this program knows %d: use the program that made it",
                       s->path, version, VERSION);
    return 0;
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int ret = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return ret;
}

static int remove_ends(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *file = sqlite3_mprintf("%s%s", path, ends[i]);
        int ret = file ? unlink(file) : -1;
        sqlite3_free(file);
        if (ret && errno != ENOENT)
            return -1;
    }
    return 0;
}

static int fill(struct seen *s, const char *fresh, struct err *err)
{
    char *mark = sqlite3_mprintf("%s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;", schema,
                                 APPLICATION, VERSION);
    int ret = open_database(s, fresh, err) || seen_run(s, mark, err) ? -1 : 0;
    sqlite3_free(mark);
    if (sqlite3_close(s->sql) != SQLITE_OK && ret == 0) /* moves all of the log into the file */
        ret = seen_trouble(s, err);
    s->sql = NULL;
    return ret;
}

/* Under the lock. A log that was left of a file that is gone belongs to no new one. */
static int make(struct seen *s, const char *folder, struct err *err)
{
    char *fresh = sqlite3_mprintf("%s.new", s->path);
    int ret = -1, fd = -1;
    if (!fresh || remove_ends(fresh) || remove_ends(s->path) ||
        (fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0)
        err_set(err, ERR_TEMP, "cannot create %s: %s", s->path, strerror(errno));
    else if (fill(s, fresh, err) == 0) {
        ret = fsync(fd) || rename(fresh, s->path) || sync_folder(folder)
                  ? err_set(err, ERR_TEMP, "cannot create %s: %s", s->path, strerror(errno))
                  : 0;
    }
    if (fd >= 0)
        close(fd);
    sqlite3_free(fresh);
    return ret;
}

/* ---- the folder and the lock */

/* Makes the folders of a path that are missing, for their owner alone. What is wrong shows when a file is opened. */
static void make_folders(const char *folder)
{
    char *path = mem_copy_text(folder);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    (void)mkdir(path, 0700);
    mem_free(path);
}

static int take_lock(struct seen *s, struct err *err)
{
    char *path = sqlite3_mprintf("%.*s.lock", (int)(strlen(s->path) - strlen(".db")), s->path);
    int ret = 0;
    s->lock = path ? open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    if (s->lock < 0)
        ret = err_set(err, ERR_TEMP, "cannot create %s: %s", path ? path : s->path, strerror(errno));
    else if (flock(s->lock, LOCK_EX | LOCK_NB) < 0)
        ret = errno == EWOULDBLOCK ? err_set(err, ERR_BUSY, "another process collects this account now")
                                   : err_set(err, ERR_TEMP, "cannot lock %s: %s", path, strerror(errno));
    sqlite3_free(path);
    return ret;
}

/* A new file is made by whoever holds the lock. */
static int open_file(struct seen *s, struct err *err)
{
    if (access(s->path, F_OK)) {
        if (errno != ENOENT)
            return err_set(err, ERR_TEMP, "%s: %s", s->path, strerror(errno));
        if (s->lock < 0)
            return err_set(err, ERR_GONE, "nothing was collected yet (there is no %s)", s->path);
        char *folder = mem_copy_text(s->path);
        *strrchr(folder, '/') = '\0';
        int ret = make(s, folder, err);
        mem_free(folder);
        if (ret)
            return -1;
    }
    return open_database(s, s->path, err) || check_version(s, err) ? -1 : 0;
}

static struct seen *new_seen(const char *state_folder, const char *account, struct err *err)
{
    if (!*account || *account == '.' || strchr(account, '/')) {
        err_set(err, ERR_CONFIG, "the account's name cannot name a file");
        return NULL;
    }
    struct seen *s = mem_alloc(sizeof *s);
    s->lock = -1;
    s->path = mem_alloc(strlen(state_folder) + strlen(account) + sizeof "/.db");
    stpcpy(stpcpy(stpcpy(stpcpy(s->path, state_folder), "/"), account), ".db");
    return s;
}

int seen_lock(struct seen **seen, const char *state_folder, const char *account, struct seen_quiet *q, bool *quiet,
              struct err *err)
{
    struct seen *s = new_seen(state_folder, account, err);
    if (!s)
        return -1;
    make_folders(state_folder);
    if (take_lock(s, err)) {
        seen_close(s);
        return -1;
    }
    *quiet = seen_quiet_read(s->path, q);
    *seen = s;
    return 0;
}

int seen_ready(struct seen *s, struct err *err)
{
    if (s->sql)
        return 0;
    if (s->lock >= 0)
        seen_quiet_remove(s->path); /* it may be changed from now on */
    return open_file(s, err);
}

int seen_open(struct seen **seen, const char *state_folder, const char *account, bool lock, struct err *err)
{
    struct seen_quiet q;
    struct seen *s = NULL;
    bool quiet;
    if (lock ? seen_lock(&s, state_folder, account, &q, &quiet, err) : !(s = new_seen(state_folder, account, err)))
        return -1;
    if (seen_ready(s, err)) {
        seen_close(s);
        return -1;
    }
    *seen = s;
    return 0;
}

void seen_keep_quiet(struct seen *s, const struct seen_quiet *q)
{
    s->is_quiet = true;
    s->quiet = *q;
}

void seen_close(struct seen *s)
{
    if (!s)
        return;
    seen_abandon(s);
    for (unsigned i = 0; i < SEEN_STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->sql);
    if (s->is_quiet)
        seen_quiet_write(s->path, &s->quiet);
    if (s->lock >= 0)
        close(s->lock);
    mem_free(s->path);
    mem_free(s);
}

/* ---- groups */

int seen_begin(struct seen *s, struct err *err)
{
    if (seen_run(s, "BEGIN IMMEDIATE", err))
        return -1;
    s->group = true;
    return 0;
}

int seen_commit(struct seen *s, struct err *err)
{
    if (seen_run(s, "COMMIT", err)) {
        seen_abandon(s);
        return -1;
    }
    s->group = false;
    return 0;
}

void seen_abandon(struct seen *s)
{
    if (s->group)
        (void)sqlite3_exec(s->sql, "ROLLBACK", NULL, NULL, NULL); /* it may have happened by itself */
    s->group = false;
}
