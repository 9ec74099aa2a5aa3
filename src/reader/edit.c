/* edit: see the header. */
#include "reader/edit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static const char *editor(void)
{
    const char *visual = getenv("VISUAL"), *other = getenv("EDITOR");
    return visual && *visual ? visual : other && *other ? other : "vi";
}

/* As the shell reads it: it may have words of its own. The path is no part of what the shell reads. */
static pid_t start(const char *path)
{
    const char *words = editor();
    size_t n = strlen(words) + sizeof " \"$1\"";
    char *command = mem_alloc(n);
    snprintf(command, n, "%s \"$1\"", words);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
        _exit(127);
    }
    mem_free(command);
    return pid;
}

int edit_file(const char *path, struct err *err)
{
    int status = 0;
    pid_t pid = start(path);
    if (pid < 0)
        return err_set(err, ERR_TEMP, "no process can be begun: %s", strerror(errno));
    signal(SIGINT, SIG_IGN); /* it is the editor's */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    signal(SIGINT, SIG_DFL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_TEMP, "the editor (%.60s) did not end well; nothing was sent", editor());
    return 0;
}
