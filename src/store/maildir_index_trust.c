/* maildir_index_trust: see maildir_index.h. Mail processes; blocking. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "store/maildir_index.h"

bool maildir_index_same_place(const struct maildir_index *x, const struct maildir_state state[MAILDIR_DIRS])
{
    bool same = true;
    for (int i = 0; i < MAILDIR_DIRS; i++)
        same = same && x->head.state[i].device == state[i].device && x->head.state[i].inode == state[i].inode;
    return same;
}

bool maildir_index_same_state(const struct maildir_index *x, const struct maildir_state state[MAILDIR_DIRS])
{
    bool same = true;
    for (int i = 0; i < MAILDIR_DIRS; i++)
        same = same && maildir_state_same(&x->head.state[i], &state[i]);
    return same;
}

/* A clock that has been set back since may stamp a change as one that we have seen. */
bool maildir_index_past(const struct maildir_index *x)
{
    int64_t now = maildir_ns(clock_wall());
    return x->fd >= 0 && x->head.looked <= now && x->head.state[MAILDIR_NEW].changed < now && x->head.state[MAILDIR_CUR].changed < now;
}

bool maildir_index_trusted(const struct maildir_index *x, int maildrop)
{
    struct maildir_state state[MAILDIR_DIRS] = {0};
    if (x->fd < 0 || !x->head.state[MAILDIR_NEW].changed)
        return false;
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        struct stat st;
        if (fstatat(maildrop, maildir_dir_name(i), &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            return false;
        state[i] = maildir_state_of(&st);
    }
    return maildir_index_same_state(x, state) && maildir_index_past(x);
}
