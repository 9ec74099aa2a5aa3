/* jail_probe_calls: tries programs, other processes, rights, memory and the kernel's depths. A call that would do harm
 * if it were let through is made with arguments that fail, with another errno, when it is. */
#include "daemon/jail_probe_row.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* ---- programs, processes, threads */

static int waited(long pid)
{
    int status = 0;
    if (pid < 0)
        return errno;
    if (pid == 0)
        _exit(0);
    return waitpid((pid_t)pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ECHILD;
}

static int fork_one(const struct place *p)
{
    return waited(syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L));
}

static int fork_into_namespace(const struct place *p)
{
    return waited(syscall(SYS_clone, (long)(SIGCHLD | CLONE_NEWUSER), 0L, 0L, 0L, 0L));
}

static int clone3_none(const struct place *p)
{
    return done(syscall(SYS_clone3, NULL, (size_t)0));
}

/* If it is let through, this process becomes one that fails. */
static int exec_program(const struct place *p)
{
    char *argv[] = {"false", NULL}, *env[] = {NULL};
    fflush(stdout);
    return done(execve("/bin/false", argv, env));
}

static int exec_in_child(const struct place *p)
{
    char *argv[] = {"true", NULL}, *env[] = {NULL};
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execve("/bin/true", argv, env);
        _exit(1);
    }
    return waited(pid);
}

static int exec_descriptor(const struct place *p)
{
    char *argv[] = {"none", NULL}, *env[] = {NULL};
    return done(syscall(SYS_execveat, -1, "", argv, env, AT_EMPTY_PATH));
}

static void *nothing(void *arg)
{
    return arg;
}

static int start_thread(const struct place *p)
{
    pthread_t t;
    int error = pthread_create(&t, NULL, nothing, NULL);
    return error ? error : pthread_join(t, NULL);
}

static int new_namespace(const struct place *p)
{
    return done(unshare(CLONE_NEWUSER));
}

static int enter_namespace(const struct place *p)
{
    return done(setns(-1, 0));
}

/* ---- other processes */

static int trace_me(const struct place *p)
{
    return done(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int trace_parent(const struct place *p)
{
    return done(ptrace(PTRACE_SEIZE, p->parent, NULL, NULL));
}

static int read_parent(const struct place *p)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {&byte, 1};
    return done(process_vm_readv(p->parent, &local, 1, &remote, 1, 0));
}

static int write_parent(const struct place *p)
{
    struct iovec none = {NULL, 0};
    return done(process_vm_writev(p->parent, &none, 1, &none, 1, 0));
}

static int kill_parent(const struct place *p)
{
    return done(kill(p->parent, 0));
}

static int kill_init(const struct place *p)
{
    return done(kill(1, 0));
}

static int signal_parent_thread(const struct place *p)
{
    return done(syscall(SYS_tgkill, p->parent, p->parent, 0));
}

/* A process that is not there: where the parent's user or Landlock would answer EPERM too, only the filter does here.
 */
static int kill_none(const struct place *p)
{
    return done(kill(INT_MAX, 0));
}

static int signal_none(const struct place *p)
{
    return done(syscall(SYS_tgkill, INT_MAX, INT_MAX, 0));
}

static int signal_self(const struct place *p)
{
    return done(syscall(SYS_tgkill, getpid(), gettid(), 0));
}

static int open_pid(const struct place *p)
{
    return closed((int)syscall(SYS_pidfd_open, p->parent, 0));
}

static int own_signals(const struct place *p)
{
    return done(fcntl(STDOUT_FILENO, F_SETOWN, p->parent));
}

/* The socket of a session is one for all who hold it: who makes it wait stops the threads of another process. */
static int make_wait(const struct place *p)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return errno;
    int error = done(fcntl(fds[0], F_SETFL, O_RDWR | O_NONBLOCK)); /* this much is needed */
    if (!error)
        error = done(fcntl(fds[0], F_SETFL, O_RDWR));
    close(fds[0]);
    close(fds[1]);
    return error;
}

static int type_into_terminal(const struct place *p)
{
    return done(ioctl(-1, TIOCSTI, ""));
}

/* ---- rights */

static int set_uid(const struct place *p)
{
    return done(setuid(0));
}

static int set_gid(const struct place *p)
{
    return done(setgid(0));
}

static int set_nothing(const struct place *p)
{
    return done(setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1));
}

static int change_root(const struct place *p)
{
    return done(chroot(""));
}

static int mount_none(const struct place *p)
{
    return done(mount("none", "/nowhere", "tmpfs", 0, NULL));
}

static int umount_none(const struct place *p)
{
    return done(umount2("/nowhere", 0));
}

static int pivot(const struct place *p)
{
    return done(syscall(SYS_pivot_root, "/nowhere", "/nowhere"));
}

static int more_privileges(const struct place *p)
{
    return done(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int raise_limit(const struct place *p)
{
    struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
    return done(setrlimit(RLIMIT_NOFILE, &most));
}

/* ---- memory */

static int map_code(const struct place *p)
{
    void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return errno;
    munmap(m, 4096);
    return 0;
}

static int make_code(const struct place *p)
{
    void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return ENOMEM;
    int error = done(mprotect(m, 4096, PROT_READ | PROT_EXEC));
    munmap(m, 4096);
    return error;
}

static int make_code_by_key(const struct place *p)
{
    return done(
        syscall(SYS_pkey_mprotect, NULL, (size_t)0, (long)(PROT_READ | PROT_EXEC), -1L)); /* libc makes it mprotect */
}

static int all_code(const struct place *p)
{
    return done(personality(READ_IMPLIES_EXEC));
}

static int memory_file(const struct place *p)
{
    return closed(memfd_create("probe", MFD_CLOEXEC));
}

/* ---- the kernel's depths */

static int bpf(const struct place *p)
{
    return done(syscall(SYS_bpf, 0, NULL, 0));
}

static int key(const struct place *p)
{
    return done(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, 0, 0));
}

static int add_key(const struct place *p)
{
    return done(syscall(SYS_add_key, NULL, NULL, NULL, 0, 0));
}

static int close_several(const struct place *p)
{
    int fd = dup(STDOUT_FILENO);
    return fd < 0 ? errno : done(syscall(SYS_close_range, fd, fd, 0));
}

static int unshare_files(const struct place *p)
{
    return done(syscall(SYS_close_range, ~0u, ~0u, CLOSE_RANGE_UNSHARE));
}

static int ring(const struct place *p)
{
    return closed((int)syscall(SYS_io_uring_setup, 0, NULL));
}

static int fault(const struct place *p)
{
    return closed((int)syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */));
}

static int perf(const struct place *p)
{
    return closed((int)syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static int load_module(const struct place *p)
{
    return done(syscall(SYS_init_module, NULL, 0, ""));
}

static int load_module_file(const struct place *p)
{
    return done(syscall(SYS_finit_module, -1, "", 0));
}

static int load_kernel(const struct place *p)
{
    return done(syscall(SYS_kexec_load, 0, 0, NULL, ~0UL));
}

static int restart(const struct place *p)
{
    return done(syscall(SYS_reboot, 0, 0, 0, NULL));
}

static int swap(const struct place *p)
{
    return done(syscall(SYS_swapon, "", 0));
}

static int set_time(const struct place *p)
{
    return done(syscall(SYS_clock_settime, -1, NULL));
}

/* clang-format off */
static const struct probe_row rows[] = {
    /* programs, processes, threads */
    {"execve",                            exec_program,          CHILDREN, {EPERM}, 0},
    {"execve in a child",                 exec_in_child,         MASTER,   {0}, 0},
    {"execveat",                          exec_descriptor,       CHILDREN, {EPERM}, 0},
    {"fork",                              fork_one,              CHILDREN, {EPERM}, 0},
    {"fork",                              fork_one,              MASTER,   {0}, 0},
    {"clone CLONE_NEWUSER",               fork_into_namespace,   ALL,      {EPERM}, 0},
    {"clone3",                            clone3_none,           ALL,      {ENOSYS}, 0},
    {"a thread",                          start_thread,          NO_FILES, {EPERM}, 0},
    {"a thread",                          start_thread,          FILES | DELIVER, {0}, 0},
    {"unshare CLONE_NEWUSER",             new_namespace,         ALL,      {EPERM}, 0},
    {"setns",                             enter_namespace,       ALL,      {EPERM}, 0},
    /* other processes */
    {"ptrace TRACEME",                    trace_me,              ALL,      {EPERM}, 0},
    {"ptrace SEIZE parent",               trace_parent,          ALL,      {EPERM}, 0},
    {"process_vm_readv parent",           read_parent,           ALL,      {EPERM}, 0},
    {"process_vm_writev parent",          write_parent,          ALL,      {EPERM}, 0},
    {"kill parent",                       kill_parent,           CHILDREN, {EPERM}, 0},
    {"kill 1",                            kill_init,             CHILDREN, {EPERM}, 0},
    {"tgkill parent",                     signal_parent_thread,  CHILDREN, {EPERM}, 0},
    {"kill none",                         kill_none,             CHILDREN, {EPERM}, 0},
    {"tgkill none",                       signal_none,           CHILDREN, {EPERM}, 0},
    {"tgkill self",                       signal_self,           ALL,      {0}, 0},
    {"pidfd_open parent",                 open_pid,              ALL,      {EPERM}, 0},
    {"fcntl F_SETOWN",                    own_signals,           ALL,      {EPERM}, 0},
    {"fcntl F_SETFL without O_NONBLOCK",  make_wait,             CHILDREN, {EPERM}, 0},
    {"close_range",                       close_several,         CHILDREN & ~MAIL, {EPERM}, 0},
    {"close_range",                       close_several,         MAIL,     {0}, AS_BEFORE},
    {"close_range CLOSE_RANGE_UNSHARE",   unshare_files,         CHILDREN, {EPERM}, 0},
    {"ioctl TIOCSTI",                     type_into_terminal,    ALL,      {EPERM}, 0},
    /* rights */
    {"setuid 0",                          set_uid,               CHILDREN, {EPERM}, 0},
    {"setgid 0",                          set_gid,               CHILDREN, {EPERM}, 0},
    {"setresuid of none",                 set_nothing,           MASTER,   {0}, 0},
    {"chroot",                            change_root,           CHILDREN, {EPERM}, 0},
    {"chroot of none",                    change_root,           MASTER,   {ENOENT}, 0},
    {"mount",                             mount_none,            ALL,      {EPERM}, 0},
    {"umount2",                           umount_none,           ALL,      {EPERM}, 0},
    {"pivot_root",                        pivot,                 ALL,      {EPERM}, 0},
    {"prctl PR_SET_DUMPABLE",             more_privileges,       CHILDREN, {EPERM}, 0},
    {"prlimit64 of more",                 raise_limit,           CHILDREN, {EPERM}, 0},
    /* memory */
    {"mmap PROT_WRITE PROT_EXEC",         map_code,              CHILDREN, {EPERM}, 0},
    {"mmap PROT_WRITE PROT_EXEC",         map_code,              MASTER,   {0}, 0},
    {"mprotect PROT_EXEC",                make_code,             CHILDREN, {EPERM}, 0},
    {"mprotect PROT_EXEC",                make_code,             MASTER,   {0}, 0},
    {"pkey_mprotect PROT_EXEC",           make_code_by_key,      ALL,      {EPERM}, 0},
    {"personality READ_IMPLIES_EXEC",     all_code,              ALL,      {EPERM}, 0},
    {"memfd_create",                      memory_file,           AUTH | DELIVER | CONTROL | METRICS, {EPERM}, 0},
    {"memfd_create",                      memory_file,           MASTER | DOOR | MAIL, {0}, 0},
    /* the kernel's depths */
    {"bpf",                               bpf,                   ALL,      {EPERM}, 0},
    {"keyctl",                            key,                   ALL,      {EPERM}, 0},
    {"add_key",                           add_key,               ALL,      {EPERM}, 0},
    {"io_uring_setup",                    ring,                  ALL,      {EPERM}, 0},
    {"userfaultfd",                       fault,                 ALL,      {EPERM}, 0},
    {"perf_event_open",                   perf,                  ALL,      {EPERM}, 0},
    {"init_module",                       load_module,           ALL,      {EPERM}, 0},
    {"finit_module",                      load_module_file,      ALL,      {EPERM}, 0},
    {"kexec_load",                        load_kernel,           ALL,      {EPERM}, 0},
    {"reboot",                            restart,               ALL,      {EPERM}, 0},
    {"swapon",                            swap,                  ALL,      {EPERM}, 0},
    {"clock_settime",                     set_time,              ALL,      {EPERM}, 0},
};
/* clang-format on */

const struct probe_table probe_calls = {rows, sizeof rows / sizeof rows[0]};
