/* draft: see the header. */
#include "reader/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/whole.h"
#include "reader/names.h"

static char *folder_of(const char *state_folder)
{
    size_t n = strlen(state_folder) + sizeof "/drafts";
    char *folder = mem_alloc(n);
    snprintf(folder, n, "%s/drafts", state_folder);
    return folder;
}

/* All of the path that is not there is made. */
static int make_folder(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int made = mkdir(path, S_IRWXU);
        *slash = '/';
        if (made < 0 && errno != EEXIST)
            return -1;
    }
    return mkdir(path, S_IRWXU) < 0 && errno != EEXIST ? -1 : 0;
}

static void set_path(struct draft *d, const char *folder)
{
    size_t n = strlen(folder) + strlen(d->name) + 2;
    d->path = mem_alloc(n);
    snprintf(d->path, n, "%s/%s", folder, d->name);
}

static int open_folder(struct draft *d, char *folder, struct err *err)
{
    if (make_folder(folder) == 0)
        d->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->folder < 0)
        return err_set(err, ERR_CONFIG, "the folder of drafts, %.150s, cannot be opened: %s", folder, strerror(errno));
    return 0;
}

int draft_begin(struct draft *d, const char *state_folder, const char *account, struct err *err)
{
    char name[NAME_ROOM], when[32] = "";
    time_t now = time(NULL);
    struct tm tm;
    if (localtime_r(&now, &tm))
        strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
    *d = (struct draft){.folder = -1};
    if (!*state_folder)
        return err_set(err, ERR_CONFIG, "without a state_folder there is no place for drafts");
    char *folder = folder_of(state_folder);
    snprintf(name, sizeof name, "%.64s-%s.draft", account, when);
    int result = open_folder(d, folder, err);
    int fd = result == 0 ? name_create(d->folder, name, d->name, err) : -1;
    if (fd >= 0) {
        close(fd);
        set_path(d, folder);
    }
    mem_free(folder);
    return fd < 0 ? -1 : 0;
}

bool draft_adopt(struct draft *d, const char *state_folder, const char *path)
{
    char whole[PATH_MAX], folder[PATH_MAX];
    char *drafts = folder_of(state_folder);
    bool is = realpath(path, whole) && realpath(drafts, folder);
    char *slash = is ? strrchr(whole, '/') : NULL;
    mem_free(drafts);
    if (!slash || (size_t)(slash - whole) != strlen(folder) || strncmp(whole, folder, strlen(folder)) != 0 ||
        strlen(slash + 1) >= sizeof d->name)
        return false;
    *d = (struct draft){.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    snprintf(d->name, sizeof d->name, "%.255s", slash + 1);
    set_path(d, folder);
    return true;
}

/* Through another file, so that one of them is always whole. */
int draft_fill(struct draft *d, struct span text, struct err *err)
{
    char other[NAME_ROOM];
    int fd = name_create(d->folder, d->name, other, err);
    if (fd < 0)
        return -1;
    bool failed = whole_write(fd, text.p, text.n) < 0 || fsync(fd) < 0;
    failed = close(fd) < 0 || failed;
    failed = failed || renameat(d->folder, other, d->folder, d->name) < 0 || fsync(d->folder) < 0;
    if (!failed)
        return 0;
    err_set(err, ERR_TEMP, "%.150s cannot be written: %s", d->path, strerror(errno));
    unlinkat(d->folder, other, 0);
    return -1;
}

void draft_close(struct draft *d)
{
    if (d->folder >= 0)
        close(d->folder);
    mem_free(d->path);
    *d = (struct draft){.folder = -1};
}

void draft_drop(struct draft *d)
{
    if (d->folder >= 0)
        unlinkat(d->folder, d->name, 0);
    draft_close(d);
}
