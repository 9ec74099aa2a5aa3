/* endat: ends a process of a command just before its n-th call of one kind.
 *
 *     endat FILE count COMMAND...             FILE: "PROCESS CALL HOW-MANY", a line each
 *     endat FILE PROCESS CALL N COMMAND...    FILE: "killed", if it came so far
 *
 * A process is known by its turn of birth: 0 is the command, 1 the first that it starts. strace counts in every process by itself and
 * kills in all of them at the same number, so that a parent's end hides all of a child's calls that the parent makes, too. Waits for
 * all processes; the exit status is the command's, or 128 + the signal that ended it. */
#include <errno.h>
#include <limits.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 1024, CALLS = 1024 };

static struct {
    pid_t pid;
    unsigned made[CALLS];
} processes[PROCESSES];
static unsigned born;
static long at_process = -1, at_call, at_n;
static int killed;

static void die(const char *what)
{
    perror(what);
    exit(125);
}

static unsigned process_of(pid_t pid)
{
    for (unsigned i = born; i-- > 0;)
        if (processes[i].pid == pid)
            return i;
    if (born == PROCESSES) {
        fprintf(stderr, "more than %d processes\n", PROCESSES);
        exit(125);
    }
    processes[born].pid = pid;
    return born++;
}

static void call(pid_t pid)
{
    struct __ptrace_syscall_info info;
    memset(&info, 0, sizeof info);
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) < 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr >= CALLS)
        return;
    unsigned p = process_of(pid), n = ++processes[p].made[info.entry.nr];
    if ((long)p == at_process && (long)info.entry.nr == at_call && (long)n == at_n) {
        kill(pid, SIGKILL);
        killed = 1;
    }
}

/* What is to be given to it when it goes on: a signal, or nothing. */
static int stopped(pid_t pid, int status)
{
    int sig = WSTOPSIG(status), event = status >> 16;
    if (sig == (SIGTRAP | 0x80)) {
        call(pid);
        return 0;
    }
    if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
        unsigned long child = 0;
        if (ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child) == 0)
            process_of((pid_t)child);
        return 0;
    }
    return event ? 0 : sig;
}

static int follow(pid_t first)
{
    int result = 125, status;
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return result;
        if (WIFSTOPPED(status)) {
            int sig = stopped(pid, status);
            ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
        } else if (pid == first)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

static pid_t start(char **argv)
{
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        raise(SIGSTOP);
        execvp(*argv, argv);
        die(*argv);
    }
    int status;
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        die("waitpid");
    process_of(pid);
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                                                       PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) < 0)
        die("ptrace");
    kill(pid, SIGCONT);
    return pid;
}

static void report(FILE *to)
{
    if (killed)
        fprintf(to, "killed\n");
    for (unsigned p = 0; at_process < 0 && p < born; p++)
        for (int nr = 0; nr < CALLS; nr++) {
            char *name = processes[p].made[nr] ? seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr) : NULL;
            if (name)
                fprintf(to, "%u %s %u\n", p, name, processes[p].made[nr]);
            free(name);
        }
}

int main(int argc, char **argv)
{
    int words = argc > 2 && strcmp(argv[2], "count") == 0 ? 3 : 5;
    if (argc <= words) {
        fprintf(stderr, "endat FILE count COMMAND...\nendat FILE PROCESS CALL N COMMAND...\n");
        return 125;
    }
    if (words == 5) {
        at_process = strtol(argv[2], NULL, 10);
        at_call = seccomp_syscall_resolve_name(argv[3]);
        at_n = strtol(argv[4], NULL, 10);
    }
    FILE *to = fopen(argv[1], "we");
    if (!to)
        die(argv[1]);
    int result = follow(start(argv + words));
    report(to);
    return fclose(to) == 0 ? result : 125;
}
