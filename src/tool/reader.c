/* reader: see the header. */
#include "tool/reader.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"

#define PROGRAM "bustia-reader"
#ifndef BUSTIA_LIBEXECDIR
#define BUSTIA_LIBEXECDIR "/usr/local/libexec"
#endif

/* From the folder of this program: beside it; among the programs that only programs start, here or where they were meant to be;
 * where it was built. */
static const char *const places[] = {"", "../libexec/", BUSTIA_LIBEXECDIR "/", "../reader/"};
enum { PLACES = sizeof places / sizeof *places };

static bool own_folder(char folder[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (n <= 0)
        return false;
    folder[n] = '\0';
    char *slash = strrchr(folder, '/');
    if (!slash)
        return false;
    slash[1] = '\0';
    return true;
}

int tool_reader(const struct tool *t, int argc, char **argv)
{
    char folder[PATH_MAX], path[PATH_MAX + 64];
    int error = ENOENT;
    char **words = mem_alloc(((size_t)argc + 2) * sizeof(char *));
    words[0] = (char *)PROGRAM;
    memcpy(words + 1, argv, (size_t)argc * sizeof(char *));
    if (!own_folder(folder))
        *folder = '\0';
    for (unsigned i = 0; *folder && i < PLACES && error == ENOENT; i++) {
        snprintf(path, sizeof path, "%s%s" PROGRAM, *places[i] == '/' ? "" : folder, places[i]);
        execv(path, words);
        error = errno;
    }
    mem_free(words);
    if (error == ENOENT)
        fprintf(stderr,
                "bustia: %s is another program's work, " PROGRAM "'s, which is not installed beside this one (%s)\n",
                argv[0], folder);
    else
        fprintf(stderr, "bustia: %s cannot be started: %s\n", path, strerror(error));
    return EX_UNAVAILABLE;
}
