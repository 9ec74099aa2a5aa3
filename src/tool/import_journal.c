/* import_journal: see the header. */
#include "tool/import_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/map.h"
#include "base/mem.h"

enum { NAMED = 8 /* octets of the digest in the file's name */ };

struct import_journal {
    FILE *file;
    char *path;
    struct map keys; /* the digest of a key → the key; a clash only costs a message that comes twice */
};

static uint64_t number_of(const char *key)
{
    return digest_word(span_of(key));
}

/* Makes the folders of a path that are missing, for its owner alone. */
static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700); /* what is wrong shows when the file is opened */
        *slash = '/';
    }
}

static char *path_of(const char *source, const char *user, struct err *err)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    unsigned char digest[DIGEST_SHA256];
    char hex[2 * NAMED + 1], *path = NULL;
    char *real = realpath(source, NULL);
    struct digest *d = digest_new();
    digest_add(d, user, strlen(user) + 1);
    digest_add(d, real ? real : source, strlen(real ? real : source));
    digest_finish(d, digest);
    digest_hex(digest, NAMED, hex);
    free(real);
    int n = -1;
    if (state && *state == '/')
        n = asprintf(&path, "%s/bustia/import-%s", state, hex);
    else if (home && *home == '/')
        n = asprintf(&path, "%s/.local/state/bustia/import-%s", home, hex);
    if (n < 0)
        err_set(err, ERR_TEMP, "neither HOME nor XDG_STATE_HOME says where the import's journal is to be kept");
    return n < 0 ? NULL : path;
}

static void keep(struct import_journal *j, const char *key)
{
    mem_free(map_take(&j->keys, number_of(key)));
    map_put(&j->keys, number_of(key), mem_copy_text(key));
}

/* A last line without its end is one that a crash cut off: it says nothing, and is cut off. */
static int read_keys(struct import_journal *j)
{
    char *line = NULL;
    size_t room = 0;
    off_t whole = 0;
    for (ssize_t n; (n = getline(&line, &room, j->file)) > 0 && line[n - 1] == '\n'; whole += n) {
        line[n - 1] = '\0';
        keep(j, line);
    }
    free(line);
    return ferror(j->file) || ftruncate(fileno(j->file), whole) < 0 || fseeko(j->file, whole, SEEK_SET) < 0 ? -1 : 0;
}

int import_journal_open(struct import_journal **journal, const char *source, const char *user, struct err *err)
{
    char *path = path_of(source, user, err);
    if (!path)
        return -1;
    make_folders(path);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct import_journal *j = mem_alloc(sizeof *j);
    j->path = path;
    map_init(&j->keys);
    j->file = fd < 0 ? NULL : fdopen(fd, "r+");
    int result = 0;
    if (j->file && flock(fd, LOCK_EX | LOCK_NB) < 0)
        result = err_set(err, ERR_BUSY, "this import runs already (%s is locked)", path);
    else if (!j->file || read_keys(j) < 0)
        result = err_set(err, ERR_TEMP, "the import's journal %s: %s", path, strerror(errno));
    if (result < 0)
        import_journal_close(j);
    else
        *journal = j;
    return result;
}

bool import_journal_has(const struct import_journal *j, const char *key)
{
    const char *kept = map_get(&j->keys, number_of(key));
    return kept && strcmp(kept, key) == 0;
}

void import_journal_add(struct import_journal *j, const char *key)
{
    fprintf(j->file, "%s\n", key);
    keep(j, key);
}

int import_journal_sync(struct import_journal *j, struct err *err)
{
    if (fflush(j->file) == 0 && !ferror(j->file) && fdatasync(fileno(j->file)) == 0)
        return 0;
    return err_set(err, ERR_TEMP, "the import's journal %s: %s", j->path, strerror(errno));
}

void import_journal_close(struct import_journal *j)
{
    if (!j)
        return;
    size_t at = 0;
    for (char *key; (key = map_next(&j->keys, &at));)
        mem_free(key);
    map_fini(&j->keys);
    if (j->file)
        fclose(j->file);
    free(j->path); /* asprintf's */
    mem_free(j);
}
