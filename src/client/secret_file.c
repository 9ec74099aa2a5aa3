/* secret_file: a secret out of a file that nobody else may read: one of its own, or netrc. */
#include "client/secret_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "client/netrc.h"

enum { OTHERS = S_IRWXG | S_IRWXO, PATH_SHOWN = 120 };

static const char *shown(const char *path)
{
    struct span text = span_of(path);
    text.n = text.n < PATH_SHOWN ? text.n : PATH_SHOWN;
    return log_escape(text);
}

/* Of the file that is open, so that no other can take its place. */
static int check(int fd, const char *path, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(err, ERR_TEMP, "%s: %s", shown(path), strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_CONFIG, "%s: this is no file", shown(path));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, ERR_CONFIG, "%s: it belongs to another user, who can read the secret in it", shown(path));
    if (st.st_mode & OTHERS)
        return err_set(err, ERR_CONFIG, "%s: others may read or write it (mode %04o); make it 0600 with chmod",
                       shown(path), (unsigned)st.st_mode & 07777u);
    return 0;
}

static int take(int fd, const char *path, struct buf *out, struct err *err)
{
    for (;;) {
        size_t room;
        char *p = buf_reserve(out, 4096, &room);
        if (!p)
            return 0;
        ssize_t n = read(fd, p, room);
        if (n == 0)
            return 0;
        if (n > 0)
            buf_commit(out, (size_t)n);
        else if (errno != EINTR)
            return err_set(err, ERR_TEMP, "%s: %s", shown(path), strerror(errno));
    }
}

static enum err_kind meaning(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return ERR_GONE;
    case EACCES:
    case EPERM:
    case ELOOP:
    case ENAMETOOLONG:
        return ERR_CONFIG;
    default:
        return ERR_TEMP;
    }
}

int secret_read_file(const char *path, size_t most, struct buf *out, struct err *err)
{
    buf_init(out, most, NULL);
    out->secret = true;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO is not waited for */
    if (fd < 0)
        return err_set(err, meaning(errno), "%s: %s", shown(path), strerror(errno));
    int rc = check(fd, path, err);
    if (rc == 0)
        rc = take(fd, path, out, err);
    close(fd);
    return rc;
}

int secret_from_file(const char *path, char **text, struct err *err)
{
    struct buf in;
    struct err why = {.kind = ERR_NONE};
    int rc = secret_read_file(path, SECRET_LINE_MAX + 2, &in, &why);
    if (rc == 0)
        rc = secret_first_line(buf_span(&in), shown(path), ERR_CONFIG, text, err);
    else
        err_set(err, why.kind == ERR_GONE ? ERR_CONFIG : why.kind, "%s", why.text);
    buf_fini(&in);
    return rc;
}

/* ---- netrc */

static char *netrc_path(void)
{
    const char *named = getenv("NETRC"), *home = getenv("HOME");
    if (named && *named)
        return mem_copy_text(named);
    if (!home || *home != '/')
        return NULL;
    char *path = mem_alloc(strlen(home) + sizeof "/.netrc");
    strcpy(path, home);
    strcat(path, "/.netrc");
    return path;
}

static int find(const char *path, const struct buf *file, const char *host, unsigned port, const char *user,
                char **text, struct err *err)
{
    struct buf password;
    struct err why = {.kind = ERR_NONE};
    if (file->len == SECRET_FILE_MAX)
        return err_set(err, ERR_CONFIG, "%s: it has more than %d octets", shown(path), SECRET_FILE_MAX - 1);
    buf_init(&password, NETRC_WORD_MAX, NULL);
    password.secret = true;
    int rc = netrc_find(buf_span(file), host, port, user, &password, &why);
    struct span got = buf_span(&password);
    if (rc < 0)
        err_set(err, why.kind, "%s: %s", shown(path), why.text);
    else if (!got.n || memchr(got.p, '\0', got.n))
        rc = err_set(err, ERR_CONFIG, "%s: the password in it is empty, or has a NUL", shown(path));
    else
        *text = mem_copy(got.p, got.n);
    buf_fini(&password);
    return rc;
}

int secret_from_netrc(const char *host, unsigned port, const char *user, char **text, struct err *err)
{
    struct buf file;
    char *path = netrc_path();
    if (!path)
        return err_set(err, ERR_GONE, "neither NETRC nor HOME names a netrc");
    int rc = secret_read_file(path, SECRET_FILE_MAX, &file, err);
    if (rc == 0)
        rc = find(path, &file, host, port, user, text, err);
    buf_fini(&file);
    mem_free(path);
    return rc;
}
