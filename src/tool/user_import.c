/* user_import: see the header. */
#include "tool/user_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "tool/passwd_file.h"
#include "tool/user_import_hash.h"
#include "tool/user_password.h"
#include "tool/user_place.h"
#include "user/secret.h"

/* So many users are hashed, then stored as one change: an interruption loses at most these. */
enum { BATCH = 512, FILE_MAX = 1 << 30 };

struct import {
    struct user_job *job;
    struct user_import_entry *entries;
    size_t count, room;
    unsigned bad, added, replaced, kept;
    bool has_default;
    uint32_t uid, gid; /* for who has none in the file */
    struct err no_default;
};

/* ---- reading */

static void complain(struct import *im, unsigned line, const char *text)
{
    fprintf(stderr, "%s:%u: error: %s\n", im->job->word, line, text);
    im->bad++;
}

static void warn(const struct import *im, unsigned line, const char *text)
{
    fprintf(stderr, "%s:%u: warning: %s\n", im->job->word, line, text);
}

static char *read_all(const char *path, size_t *n, struct err *err)
{
    char *text = mem_alloc(1);
    size_t room = 0;
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    *n = 0;
    while (got > 0 && *n < FILE_MAX) {
        if (room - *n < 65536) {
            /* Passwords lie here: growing leaves no copy behind. */
            char *more = mem_alloc(room = 2 * room + 131072);
            memcpy(more, text, *n);
            mem_wipe(text, *n);
            mem_free(text);
            text = more;
        }
        got = read(fd, text + *n, room - *n);
        *n += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        close(fd);
    if (got == 0)
        return text;
    err_set(err, ERR_INPUT, "%s: %s", path, got < 0 ? strerror(errno) : "larger than 1 GB");
    mem_wipe(text, *n);
    mem_free(text);
    return NULL;
}

/* An explicit --store, else userdb_mail, else the Maildir in his home, else the default. "~/" is his home. */
static char *store_of(const struct import *im, const struct passwd_entry *e, const char *name)
{
    static const char tilde[] = "maildir:~/";
    char *store = NULL;
    if (im->job->option.store || (e->store.n == 0 && e->home.n == 0))
        return user_place_fill(im->job->option.store ? im->job->option.store : im->job->conf->store_default, name);
    struct span rest = e->store.n ? e->store : span_of("maildir:~/Maildir");
    size_t skip = rest.n > sizeof tilde - 1 && memcmp(rest.p, tilde, sizeof tilde - 1) == 0 ? sizeof tilde - 2 : 0;
    if (!skip)
        return mem_copy(rest.p, rest.n);
    struct span home = e->home;
    while (home.n && home.p[home.n - 1] == '/')
        home.n--;
    if (asprintf(&store, "maildir:%.*s%.*s", (int)home.n, home.p, (int)(rest.n - skip), rest.p + skip) < 0)
        abort();
    return store;
}

static int fill_user(struct import *im, const struct passwd_entry *e, struct user_import_entry *to, struct err *err)
{
    if (users_check_name(e->user, err))
        return -1;
    to->user.name = mem_copy(e->user.p, e->user.n);
    to->user.where = store_of(im, e, to->user.name);
    to->user.disabled = e->nologin;
    if (!e->has_uid && !im->has_default) {
        *err = im->no_default;
        return -1;
    }
    to->user.uid = e->has_uid ? e->uid : im->uid;
    to->user.gid = e->has_gid ? e->gid : e->has_uid ? e->uid : im->gid;
    to->locked = e->kind == PASSWD_LOCKED;
    to->has_store = im->job->option.store || e->store.n || e->home.n;
    to->has_uid = e->has_uid || im->job->option.uid;
    to->has_gid = to->has_uid || e->has_gid || im->job->option.gid;
    if (user_place_check(im->job, &to->user, err))
        return -1;
    if (e->kind == PASSWD_CLEAR) {
        to->password = secret_prepare(e->secret);
        return strlen(to->password) <= SECRET_MAX
                   ? 0
                   : err_set(err, ERR_INPUT, "the password has more than %d bytes", SECRET_MAX);
    }
    to->user.verifier = e->kind == PASSWD_CRYPT ? mem_copy(e->secret.p, e->secret.n) : mem_copy_text("");
    return e->kind == PASSWD_CRYPT ? secret_check(to->user.verifier, err) : 0;
}

static void free_entry(struct user_import_entry *e)
{
    user_free(&e->user);
    secret_free(e->password);
    e->password = NULL;
}

static void read_line(struct import *im, struct span line, unsigned number)
{
    struct passwd_entry e;
    struct err err;
    int what = passwd_file_parse(line, &e, &err);
    if (what < 0)
        complain(im, number, err.text);
    if (what <= 0)
        return;
    if (im->count == im->room) {
        im->room = 2 * im->room + 1024;
        im->entries = mem_resize(im->entries, im->room * sizeof *im->entries);
    }
    struct user_import_entry *to = &im->entries[im->count];
    *to = (struct user_import_entry){.line = number};
    if (fill_user(im, &e, to, &err) == 0) {
        im->count++;
        return;
    }
    free_entry(to);
    complain(im, number, err.text);
}

struct reference {
    struct user_import_entry *entry;
};

static int by_name(const void *a, const void *b)
{
    const struct reference *x = a, *y = b;
    int order = strcmp(x->entry->user.name, y->entry->user.name);
    return order ? order : (x->entry->line > y->entry->line) - (x->entry->line < y->entry->line);
}

/* A name that stands twice: the first counts, as in Dovecot; the others are errors. */
static void find_doubles(struct import *im)
{
    struct reference *sorted = mem_alloc(im->count * sizeof *sorted);
    for (size_t i = 0; i < im->count; i++)
        sorted[i].entry = &im->entries[i];
    qsort(sorted, im->count, sizeof *sorted, by_name);
    for (size_t i = 1; i < im->count; i++) {
        if (strcmp(sorted[i].entry->user.name, sorted[i - 1].entry->user.name) != 0)
            continue;
        complain(im, sorted[i].entry->line, "the name stands in an earlier line too");
        sorted[i].entry->skip = true;
    }
    mem_free(sorted);
}

static int read_file(struct import *im, struct err *err)
{
    size_t n;
    unsigned number = 0;
    char *text = read_all(im->job->word, &n, err);
    if (!text)
        return -1;
    struct span rest = {text, n}, line;
    while (passwd_file_line(&rest, &line))
        read_line(im, line, ++number);
    mem_wipe(text, n);
    mem_free(text);
    find_doubles(im);
    if (im->bad && !im->job->option.keep_going)
        return err_set(err, ERR_INPUT, "%u lines are wrong; nobody was imported (--keep-going imports the others)",
                       im->bad);
    return 0;
}

/* ---- storing */

/* Is he there already? Asked before anything dear is done for him, and again when he is stored: there are other changes
 * meanwhile. */
static int look(struct import *im, struct user_import_entry *e, struct user *old, struct err *err)
{
    *old = (struct user){0};
    e->exists = users_find(im->job->db, span_of(e->user.name), old, err) == 0;
    if (!e->exists)
        return err->kind == ERR_GONE ? 0 : -1;
    if (!im->job->option.replace) {
        e->skip = true;
        im->kept++;
    }
    return 0;
}

/* What the file says nothing about stays. It can disable somebody, and never lets in who has been disabled here. */
static void keep(struct user_import_entry *e, const struct user *old)
{
    e->user.disabled = e->user.disabled || old->disabled;
    e->user.uid = e->has_uid ? e->user.uid : old->uid;
    e->user.gid = e->has_gid ? e->user.gid : old->gid;
    if (!e->has_store) {
        mem_free(e->user.where);
        e->user.where = mem_copy_text(old->where);
    }
    e->user.quota_octets = old->quota_octets;
    e->user.quota_messages = old->quota_messages;
    e->user.external = old->external;
    e->user.no_pop3 = old->no_pop3;
    e->user.has_login_delay = old->has_login_delay;
    e->user.login_delay = old->login_delay;
    e->user.has_expire = old->has_expire;
    e->user.expire = old->expire;
}

static int store_one(struct import *im, struct user_import_entry *e, struct err *err)
{
    struct user old;
    if (e->skip)
        return 0;
    if (e->failed.kind != ERR_NONE) {
        complain(im, e->line, e->failed.text);
        e->skip = true;
        return 0;
    }
    if (look(im, e, &old, err))
        return -1;
    if (e->exists) {
        keep(e, &old);
        if (e->locked && !e->user.disabled && old.has_app && !e->skip)
            warn(im, e->line,
                 "he has no password any more, but his app passwords still let him in (user app-password, user set "
                 "--disable)");
    }
    user_free(&old);
    if (e->skip)
        return 0;
    if (e->exists ? users_change(im->job->db, &e->user, err) : users_add(im->job->db, &e->user, err))
        return -1;
    if (e->hashed && !*e->user.scram256)
        warn(im, e->line, USER_NO_SCRAM);
    *(e->exists ? &im->replaced : &im->added) += 1;
    return 0;
}

static int store_batch(struct import *im, struct user_import_entry *e, size_t n, struct err *err)
{
    if (users_begin(im->job->db, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (store_one(im, &e[i], err)) {
            users_rollback(im->job->db);
            return -1;
        }
    if (users_commit(im->job->db, err) == 0)
        return 0;
    users_rollback(im->job->db);
    return -1;
}

static int batch(struct import *im, struct user_import_entry *e, size_t n, struct err *err)
{
    struct user old;
    for (size_t i = 0; i < n; i++) {
        if (e[i].skip)
            continue;
        if (look(im, &e[i], &old, err))
            return -1;
        user_free(&old);
    }
    user_import_hash(e, n);
    if (store_batch(im, e, n, err))
        return -1;
    for (size_t i = 0; i < n && im->job->option.maildir; i++) {
        struct err why;
        if (!e[i].skip && user_place_maildir(im->job, &e[i].user, NULL, &why))
            warn(im, e[i].line, why.text);
    }
    return 0;
}

static int store_all(struct import *im, struct err *err)
{
    int ret = 0;
    bool shown = isatty(STDERR_FILENO) == 1 && im->count > BATCH;
    for (size_t i = 0; ret == 0 && i < im->count; i += BATCH) {
        ret = batch(im, im->entries + i, im->count - i < BATCH ? im->count - i : BATCH, err);
        if (shown)
            fprintf(stderr, "\r%zu of %zu users", i + BATCH < im->count ? i + BATCH : im->count, im->count);
    }
    if (shown)
        fprintf(stderr, "\n");
    return ret;
}

int user_import(struct user_job *job, struct err *err)
{
    struct import im = {.job = job};
    im.has_default = job->option.uid || user_place_default_ids(job, &im.uid, &im.gid, &im.no_default) == 0;
    int ret = user_place_ids(job, &im.uid, &im.gid, err);
    if (ret == 0)
        ret = read_file(&im, err);
    if (ret == 0)
        ret = user_place_open(job, true, err);
    if (ret == 0)
        ret = store_all(&im, err);
    if (ret == 0 || im.added || im.replaced)
        printf("%u users imported, %u replaced, %u were there already, %u lines wrong\n", im.added, im.replaced,
               im.kept, im.bad);
    if (ret == 0 && im.bad)
        ret = err_set(err, ERR_INPUT, "%u lines were wrong", im.bad);
    for (size_t i = 0; i < im.count; i++)
        free_entry(&im.entries[i]);
    mem_free(im.entries);
    return ret;
}
