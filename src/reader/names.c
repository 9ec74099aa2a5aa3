/* names: see the header. */
#include "reader/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "reader/terminal.h"

enum { ENDING_MAX = 16 };

/* What stands behind the last slash of either kind. */
static struct span last_part(struct span name)
{
    for (size_t i = name.n; i > 0; i--)
        if (name.p[i - 1] == '/' || name.p[i - 1] == '\\')
            return span_from(name, i);
    return name;
}

/* ".pdf", or the end of the name. */
static const char *ending(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name && strlen(dot) <= ENDING_MAX ? dot : name + strlen(name);
}

/* At most n octets of it, no character cut. */
static size_t cut_whole(const char *text, size_t n)
{
    while (n && (text[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* The text is clean but for what a shell or a file system takes amiss. */
static void replace(char *name)
{
    for (char *p = name; *p; p++)
        if (strchr("/\\:*?\"<>|", *p))
            *p = '_';
    if (*name == '-')
        *name = '_';
}

void name_safe(struct span wanted, const char *otherwise, char out[NAME_ROOM])
{
    char *clean = terminal_line(last_part(wanted), false);
    char *name = clean + strspn(clean, ". ");
    size_t n = strlen(name);
    while (n && (name[n - 1] == ' ' || name[n - 1] == '.'))
        n--;
    name[n] = '\0';
    replace(name);
    const char *end = ending(name);
    size_t base =
        cut_whole(name, (size_t)(end - name) < NAME_SAFE - ENDING_MAX ? (size_t)(end - name) : NAME_SAFE - ENDING_MAX);
    snprintf(out, NAME_ROOM, "%.*s%s", (int)base, name, end);
    if (!*name)
        snprintf(out, NAME_ROOM, "%s", otherwise);
    mem_free(clean);
}

int name_create(int folder, const char *name, char made[NAME_ROOM], struct err *err)
{
    const char *end = ending(name);
    for (unsigned i = 0; i < NAME_TRIES; i++) {
        if (i == 0)
            snprintf(made, NAME_ROOM, "%s", name);
        else
            snprintf(made, NAME_ROOM, "%.*s-%u%s", (int)(end - name), name, i, end);
        int fd = openat(folder, made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
        if (fd >= 0)
            return fd;
        if (errno != EEXIST && errno != ELOOP)
            return err_set(err, ERR_PERM, "%s cannot be made: %s", made, strerror(errno));
    }
    return err_set(err, ERR_PERM, "%s is there, and so are %d like it", name, NAME_TRIES - 1);
}
