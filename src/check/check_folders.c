/* check_folders: mail roots, run_dir, and where the log and the pid file go. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "check/check_parts.h"

/* A folder that not everybody may write to: else anyone could put his own things where the server expects its own. */
static void check_folder(const struct check *k, const char *option, unsigned line, const char *path,
                         const struct stat *st)
{
    if (!S_ISDIR(st->st_mode))
        conf_problem_add(k->p, line, true, "%s = %s is no folder", option, path);
    else if (st->st_mode & S_IWOTH)
        conf_problem_add(k->p, line, true, "%s = %s may be written by everybody (mode %04o); chmod o-w %s", option,
                         path, st->st_mode & 07777, path);
}

static void check_root(const struct check *k, unsigned i)
{
    const char *path = k->c->mail_root[i];
    char remedy[PATH_MAX + 200], real[PATH_MAX];
    struct stat st;
    snprintf(remedy, sizeof remedy, "install -d%s%s -m 0711 %s", k->root ? " -o " : "", k->root ? k->c->mail_user : "",
             path);
    if (check_stat(k, k->c->mail_root_line[i], "mail_root =", path, remedy, &st) < 0)
        return;
    check_folder(k, "mail_root", k->c->mail_root_line[i], path, &st);
    if (access(path, W_OK) < 0 && errno == EROFS)
        conf_problem_add(k->p, k->c->mail_root_line[i], false,
                         "mail_root = %s is read-only: mail can be read there, and neither delivered nor deleted (where systemd starts "
                         "the server, ReadWritePaths= in a drop-in opens it)",
                         path);
    if (realpath(path, real) && strcmp(real, "/") == 0)
        conf_problem_add(k->p, k->c->mail_root_line[i], true,
                         "mail_root = %s leads to \"/\"; name a folder that holds nothing but mail", path);
}

/* By the names it was looked at when the file was read; here by where the names lead. */
static void check_outside_roots(const struct check *k, const char *option, const char *path)
{
    char *folder = check_folder_of(path);
    char real[PATH_MAX], root[PATH_MAX];
    for (unsigned i = 0; realpath(folder, real) && i < k->c->mail_roots; i++)
        if (realpath(k->c->mail_root[i], root) && conf_path_below(real, root) &&
            !conf_path_below(path, k->c->mail_root[i])) {
            conf_problem_add(k->p, conf_line(k->c, option), true,
                             "%s = %s leads into mail_root = %s, where users of mailboxes may write; keep it elsewhere",
                             option, path, k->c->mail_root[i]);
            break;
        }
    mem_free(folder);
}

static void check_run_dir(const struct check *k)
{
    const char *path = k->c->run_dir;
    unsigned line = conf_line(k->c, "run_dir");
    struct stat st;
    if (stat(path, &st) == 0) {
        check_folder(k, "run_dir", line, path, &st);
        if (k->root && st.st_uid != 0)
            conf_problem_add(k->p, line, true, "run_dir = %s belongs to uid %u; chown root %s", path, st.st_uid, path);
        else if (!k->root && access(path, W_OK) < 0)
            conf_problem_add(k->p, line, true, "run_dir = %s may not be written by this user; name one of his own",
                             path);
        return;
    }
    char *folder = check_folder_of(path);
    if (errno != ENOENT)
        conf_problem_add(k->p, line, true, "run_dir = %s cannot be looked at: %s", path, strerror(errno));
    else if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
        conf_problem_add(k->p, line, true, "run_dir = %s cannot be made: there is no folder %s; mkdir -p %s", path,
                         folder, folder);
    else if (access(folder, W_OK) < 0)
        conf_problem_add(k->p, line, true,
                         "run_dir = %s cannot be made: %s may not be written by this user; name another", path, folder);
    mem_free(folder);
}

/* A file that the server makes or appends to. */
static void check_written(const struct check *k, const char *option, const char *path)
{
    unsigned line = conf_line(k->c, option);
    struct stat st;
    char *folder = check_folder_of(path);
    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode))
        conf_problem_add(k->p, line, true, "%s = %s is a folder; name a file in it", option, path);
    else if (exists && access(path, W_OK) < 0)
        conf_problem_add(k->p, line, true, "%s = %s may not be written: %s", option, path, strerror(errno));
    else if (!exists && (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)))
        conf_problem_add(k->p, line, true, "%s = %s cannot be made: there is no folder %s; mkdir -p %s", option, path,
                         folder, folder);
    else if (!exists && access(folder, W_OK) < 0)
        conf_problem_add(k->p, line, true, "%s = %s cannot be made: %s may not be written by this user", option, path,
                         folder);
    mem_free(folder);
}

void check_folders(const struct check *k)
{
    const struct conf *c = k->c;
    for (unsigned i = 0; i < c->mail_roots; i++)
        check_root(k, i);
    check_outside_roots(k, "users_db", c->users_db);
    check_run_dir(k);
    if (*c->pid_file)
        check_written(k, "pid_file", c->pid_file);
    if (*c->tls_key)
        check_outside_roots(k, "tls_key", c->tls_key);
    for (unsigned i = 0; i < c->tls_pairs; i++)
        check_outside_roots(k, "tls_also", c->tls_also[i].key);
    if (c->log == CONF_LOG_FILE && *c->log_file) {
        check_written(k, "log_file", c->log_file);
        check_outside_roots(k, "log_file", c->log_file);
    }
}
