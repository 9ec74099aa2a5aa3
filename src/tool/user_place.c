/* user_place: see the header. Often runs as root. */
#include "tool/user_place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/open.h"
#include "tool/user_maildir.h"

/* The database's folder: only its last component is made, and only what is made here is given away. */
static int make_folder(const char *path, uint32_t uid, uint32_t gid, struct err *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return 0;
    char *folder = mem_copy(path, (size_t)(slash - path));
    int ret = 0;
    if (mkdir(folder, 0700) == 0) {
        if (lchown(folder, uid, gid))
            ret = err_set(err, ERR_PERM, "cannot give %s to uid %u: %s", folder, uid, strerror(errno));
    } else if (errno != EEXIST) {
        ret = err_set(err, ERR_PERM, "cannot make the folder %s: %s", folder, strerror(errno));
    }
    mem_free(folder);
    return ret;
}

void user_place_begin(struct user_job *job, const struct conf *conf)
{
    job->conf = conf;
    for (unsigned i = 0; i < conf->mail_roots; i++)
        job->roots[i] = (struct store_root){.path = conf->mail_root[i], .fd = -1, .memory = conf->allow_memory_store};
}

int user_place_open(struct user_job *job, bool create, struct err *err)
{
    uint32_t uid = (uint32_t)-1, gid = (uint32_t)-1;
    const char *path = job->conf->users_db;
    if (create) {
        if (geteuid() == 0 && account_find(job->conf->auth_user, &uid, &gid, err))
            return -1;
        if (make_folder(path, uid, gid, err) || users_make(path, uid, gid, err))
            return -1;
    }
    if (users_open(&job->db, path, create, err) == 0)
        return 0;
    if (err->kind == ERR_TEMP && access(path, R_OK | W_OK) && errno == EACCES)
        err_set(err, ERR_AUTH, "only root and the owner of the users' database %s may open it", path);
    return -1;
}

int user_place_default_ids(const struct user_job *job, uint32_t *uid, uint32_t *gid, struct err *err)
{
    struct err why;
    if (account_find(job->conf->mail_user, uid, gid, &why) == 0)
        return 0;
    return err_set(err, ERR_CONFIG, "mail_user: %s; give --uid and --gid", why.text);
}

int user_place_ids(const struct user_job *job, uint32_t *uid, uint32_t *gid, struct err *err)
{
    struct err why;
    uint32_t unused;
    if (job->option.uid && account_find(job->option.uid, uid, gid, &why))
        return err_set(err, ERR_USAGE, "--uid: %s", why.text);
    if (job->option.gid && account_find(job->option.gid, &unused, gid, &why))
        return err_set(err, ERR_USAGE, "--gid: %s", why.text);
    return 0;
}

char *user_place_fill(const char *template, const char *name)
{
    static const char mark[] = "{user}";
    size_t n = strlen(template), more = strlen(name);
    char *out = mem_alloc(n + 1 + more * (n / (sizeof mark - 1))), *to = out;
    for (const char *at; (at = strstr(template, mark)); template = at + sizeof mark - 1) {
        to = mempcpy(to, template, (size_t)(at - template));
        to = mempcpy(to, name, more);
    }
    memcpy(to, template, strlen(template) + 1);
    return out;
}

int user_place_check(const struct user_job *job, const struct user *u, struct err *err)
{
    if (u->uid < job->conf->first_uid)
        return err_set(err, ERR_INPUT, "uid %u is below first_uid (%llu): no mailbox is opened for it", u->uid,
                       (unsigned long long)job->conf->first_uid);
    if (u->uid == UINT32_MAX || u->gid == UINT32_MAX)
        return err_set(err, ERR_INPUT, "uid and gid are at most %u", UINT32_MAX - 1);
    if (strlen(u->where) > USER_WHERE_MAX)
        return err_set(err, ERR_INPUT, "a store has at most %d bytes", USER_WHERE_MAX);
    struct err why;
    if (store_where_check(job->roots, job->conf->mail_roots, u->where, NULL, &why) == 0)
        return 0;
    return err_set(err, ERR_INPUT, "\"%.100s\": %s", log_escape(span_of(u->where)), why.text);
}

int user_place_maildir(const struct user_job *job, const struct user *u, FILE *say, struct err *err)
{
    static const char scheme[] = "maildir:";
    unsigned root;
    if (strncmp(u->where, scheme, sizeof scheme - 1) != 0)
        return 0;
    if (store_where_check(job->roots, job->conf->mail_roots, u->where, &root, err))
        return -1;
    const char *top = job->roots[root].path, *path = u->where + sizeof scheme - 1;
    struct err why;
    enum user_maildir result = user_maildir_make(top, path + strlen(top) + 1, u->uid, u->gid, &why);
    if (result == USER_MAILDIR_WRONG)
        return err_set(err, ERR_PERM, "%s: %s", log_escape(span_of(path)), why.text);
    if (say && result == USER_MAILDIR_MADE)
        fprintf(say, "made %s for uid %u, gid %u\n", log_escape(span_of(path)), u->uid, u->gid);
    if (result == USER_MAILDIR_LEFT)
        fprintf(stderr, "bustia: %s was not made: %s\n", log_escape(span_of(path)), why.text);
    return 0;
}
