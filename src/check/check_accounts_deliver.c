/* check_accounts_deliver: where the mail goes, as far as it is on this machine. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "check/check_accounts_impl.h"
#include "check/check_parts.h"

static const char *const parts[] = {"new", "cur", "tmp"};
enum { PARTS = 3 };

/* ---- a Maildir */

static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *d;
    unsigned n = 0;
    while (folder && n == 0 && (d = readdir(folder)))
        n += strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
    if (folder)
        closedir(folder);
    return folder && n == 0;
}

static void to_be_made(const struct check_person *k, const char *path)
{
    char *folder = check_folder_of(path);
    struct stat st;
    if (stat(folder, &st) < 0 && errno == ENOENT)
        check_tell(k, "deliver", true, "deliver = maildir:%s cannot be made: there is no folder %s; mkdir -p %s", path,
                   folder, folder);
    else if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode) || access(folder, W_OK | X_OK) < 0)
        check_tell(k, "deliver", true, "deliver = maildir:%s cannot be made: %s is no folder that uid %u may write in",
                   path, folder, geteuid());
    mem_free(folder);
}

/* Returns whether the part is there. */
static bool check_part(const struct check_person *k, const char *path, const char *part)
{
    size_t room = strlen(path) + sizeof "/cur";
    char *whole = mem_alloc(room);
    struct stat st;
    snprintf(whole, room, "%s/%s", path, part);
    bool is_there = lstat(whole, &st) == 0;
    if (is_there && !S_ISDIR(st.st_mode))
        check_tell(k, "deliver", true, "deliver = maildir:%s: %s is no folder", path, whole);
    else if (is_there && access(whole, R_OK | W_OK | X_OK) < 0)
        check_tell(k, "deliver", true, "deliver = maildir:%s: %s may not be read and written by uid %u", path, whole,
                   geteuid());
    mem_free(whole);
    return is_there;
}

static void is_there_already(const struct check_person *k, const char *path, const struct stat *st)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PARTS; i++)
        n += check_part(k, path, parts[i]);
    if (n == 0 && !is_empty(path))
        check_tell(k, "deliver", true,
                   "deliver = maildir:%s is not a Maildir: it is not empty, and has neither new/ nor cur/; name a "
                   "folder in it",
                   path);
    else if (n < PARTS && access(path, W_OK | X_OK) < 0)
        check_tell(k, "deliver", true, "deliver = maildir:%s may not be written by uid %u", path, geteuid());
    if (st->st_mode & S_IWOTH)
        check_tell(k, "deliver", false, "deliver = maildir:%s may be written by everybody (mode %04o); chmod o-w %s",
                   path, st->st_mode & 07777, path);
}

/* Only our own link, or root's, is followed when mail is delivered. */
static bool another_link(const char *path, struct stat *st)
{
    return lstat(path, st) == 0 && S_ISLNK(st->st_mode) && st->st_uid != geteuid() && st->st_uid != 0;
}

static void check_maildir(const struct check_person *k, const char *path)
{
    struct stat st;
    if (strcmp(path, "/") == 0)
        check_tell(k, "deliver", true, "deliver = maildir:/ names no folder in a folder");
    else if (another_link(path, &st))
        check_tell(k, "deliver", true, "deliver = maildir:%s is a link of uid %u, and is not followed", path,
                   st.st_uid);
    else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        is_there_already(k, path, &st);
    else if (lstat(path, &st) == 0)
        check_tell(k, "deliver", true, "deliver = maildir:%s is no folder", path);
    else if (errno == ENOENT)
        to_be_made(k, path);
    else
        check_tell(k, "deliver", true, "deliver = maildir:%s cannot be looked at: %s", path, strerror(errno));
}

/* ---- all of them */

void check_deliver(struct check_person *k)
{
    enum account_way way;
    const char *rest;
    if (!*k->a->deliver || account_deliver(k->a->deliver, &way, &rest))
        return;
    switch (way) {
    case ACCOUNT_MAILDIR:
        check_maildir(k, rest);
        break;
    case ACCOUNT_MAILBOX:
        check_mailbox(k, rest);
        break;
    case ACCOUNT_LMTP:
        if (*rest == '/')
            check_socket(k, rest);
        break;
    case ACCOUNT_COMMAND:
        check_command(k, "deliver", rest);
        break;
    case ACCOUNT_SMTP:
    case ACCOUNT_WAYS:
        break;
    }
}
