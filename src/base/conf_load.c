/* conf_load: the configuration from its file. The master and the tool. */
#include "base/conf_table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { FILE_MAX = 1 << 20 };

static int read_all(int fd, const char *path, char *text, size_t *n, struct stat *st, struct err *err)
{
    if (fstat(fd, st) < 0)
        return err_set(err, ERR_CONFIG, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISREG(st->st_mode))
        return err_set(err, ERR_CONFIG, "%s is no regular file", path);
    for (*n = 0; *n <= FILE_MAX;) {
        ssize_t got = read(fd, text + *n, FILE_MAX + 1 - *n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, ERR_CONFIG, "cannot read %s: %s", path, strerror(errno));
        if (got == 0)
            return 0;
        *n += (size_t)got;
    }
    return err_set(err, ERR_CONFIG, "%s is larger than %d bytes; is it a configuration?", path, FILE_MAX);
}

int conf_file_read(const char *path, char **text, size_t *n, struct stat *st, struct err *err)
{
    *n = 0;
    *text = mem_alloc(FILE_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(err, ERR_CONFIG, "cannot open %s: %s", path, strerror(errno));
    int result = read_all(fd, path, *text, n, st, err);
    close(fd);
    return result;
}

int conf_load(struct conf *c, const char *path, struct conf_problems *p, struct err *err)
{
    char *text;
    size_t n;
    struct stat st;
    int result = conf_file_read(path, &text, &n, &st, err);
    struct conf_problems nobodys = {0}; /* a file that was not read has no problems of its own */
    conf_read(c, (struct span){text, result == 0 ? n : 0}, result == 0 ? p : &nobodys);
    conf_problems_free(&nobodys);
    mem_free(text);
    return result;
}
