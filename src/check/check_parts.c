/* check_parts: what several of the checks need. */
#include "check/check_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

int check_stat(const struct check *k, unsigned line, const char *what, const char *path, const char *remedy,
               struct stat *st)
{
    if (stat(path, st) == 0)
        return 0;
    if (errno == ENOENT)
        conf_problem_add(k->p, line, true, "%s %s does not exist; %s", what, path, remedy);
    else
        conf_problem_add(k->p, line, true, "%s %s cannot be looked at: %s", what, path, strerror(errno));
    return -1;
}

char *check_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !slash || slash == path ? mem_copy_text("/") : mem_copy(path, (size_t)(slash - path));
}
