/* import_open: what a source is, and what its readers share (import_source.h). */
#include "tool/import_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tool/import_state.h"

int import_source_open(struct import_source **s, const char *path, uint64_t most, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_set(err, ERR_INPUT, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (S_ISDIR(st.st_mode))
        return import_folder_open(s, fd, most, err);
    if (S_ISREG(st.st_mode))
        return import_mbox_open(s, fd, &st, most, err);
    close(fd);
    return err_set(err, ERR_INPUT, "%s is neither a folder nor a file", path);
}

int import_source_next(struct import_source *s, struct import_message *m, struct err *err)
{
    s->n = 0;
    return s->ops->next(s, m, err);
}

void import_source_progress(const struct import_source *s, uint64_t *done, uint64_t *whole)
{
    *done = s->done;
    *whole = s->whole;
}

const char *import_source_note(const struct import_source *s)
{
    return s->note;
}

void import_source_close(struct import_source *s)
{
    if (!s)
        return;
    mem_free(s->text);
    s->ops->close(s);
}
