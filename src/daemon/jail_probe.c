/* jail_probe: tries from inside what a role must not be able to do, and what it must. Each row says whose errno is expected; a call
 * that would do harm if it were let through is made with arguments that fail, with another errno, when it is. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/jail.h"
#include "daemon/jail_build.h"

enum {
    MASTER = 1 << ROLE_MASTER,
    DOOR = 1 << ROLE_DOOR,
    AUTH = 1 << ROLE_AUTH,
    MAIL = 1 << ROLE_MAIL,
    CONTROL = 1 << ROLE_CONTROL,
    NO_FILES = DOOR | CONTROL,
    FILES = AUTH | MAIL,
    CHILDREN = NO_FILES | FILES,
    ALL = MASTER | CHILDREN
};

struct place {
    const struct jail *jail;
    const char *other_mail;
    char climbing[4200]; /* the same file, by way of .. */
    int dir;             /* granted, or -1 */
    pid_t parent;
    bool outside;        /* the process sees the system's files: neither chroot nor Landlock */
    bool climbs;         /* nothing but permissions keeps it below dir */
    bool readable;       /* dir, for the role's user */
};

static int closed(int fd)
{
    int error = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

static int done(long result)
{
    return result < 0 ? errno : 0;
}

/* ---- files */

static int open_passwd(const struct place *p)
{
    return closed(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int open_other(const struct place *p)
{
    return closed(open(p->other_mail, O_RDONLY | O_CLOEXEC));
}

static int climb_to_other(const struct place *p)
{
    return closed(openat(p->dir, p->climbing, O_RDONLY | O_CLOEXEC));
}

static int open_memory_of_parent(const struct place *p)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)p->parent);
    return closed(open(path, O_RDONLY | O_CLOEXEC));
}

static int open_granted(const struct place *p)
{
    return closed(openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int open_up(const struct place *p)
{
    return closed(openat(p->dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int open2(int dir, const char *path, uint64_t resolve)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = resolve};
    return closed((int)syscall(SYS_openat2, dir, path, &how, sizeof how));
}

static int open2_up(const struct place *p)
{
    return open2(p->dir, "..", 0);
}

static int open2_up_beneath(const struct place *p)
{
    return open2(p->dir, "..", RESOLVE_BENEATH);
}

static int open2_none(const struct place *p)
{
    return open2(-1, ".", 0);
}

static int create_in_tmp(const struct place *p)
{
    char path[48];
    snprintf(path, sizeof path, "/tmp/bustia-probe-%d", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int error = closed(fd);
    if (fd >= 0)
        unlink(path);
    return error;
}

static int symlink_in_granted(const struct place *p)
{
    return done(symlinkat("/etc/passwd", p->dir, ".bustia-probe/symlink"));
}

static int fifo_in_granted(const struct place *p)
{
    return done(mknodat(p->dir, ".bustia-probe/fifo", S_IFIFO | 0600, 0));
}

static int link_in_granted(const struct place *p)
{
    return done(linkat(AT_FDCWD, "/etc/passwd", p->dir, ".bustia-probe/link", 0));
}

static int open_by_handle(const struct place *p)
{
    return done(syscall(SYS_open_by_handle_at, -1, NULL, 0));
}

/* ---- sockets */

static int socket_of(int domain)
{
    return closed(socket(domain, (domain == AF_NETLINK ? SOCK_RAW : SOCK_STREAM) | SOCK_CLOEXEC, 0));
}

static int socket_inet(const struct place *p)
{
    return socket_of(AF_INET);
}

static int socket_unix(const struct place *p)
{
    return socket_of(AF_UNIX);
}

static int socket_netlink(const struct place *p)
{
    return socket_of(AF_NETLINK);
}

static int socket_packet(const struct place *p)
{
    return socket_of(AF_PACKET);
}

static int connect_none(const struct place *p)
{
    struct sockaddr a = {.sa_family = AF_INET};
    return done(connect(-1, &a, sizeof a));
}

static int bind_none(const struct place *p)
{
    struct sockaddr a = {.sa_family = AF_INET};
    return done(bind(-1, &a, sizeof a));
}

static int pair_of_own(const struct place *p)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return errno;
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static int attach_filter(const struct place *p)
{
    return done(setsockopt(-1, SOL_SOCKET, SO_ATTACH_FILTER, NULL, 0));
}

static int small_buffer(const struct place *p)
{
    int size = 4096;
    return done(setsockopt(-1, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
}

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
    struct rlimit_like {
        uint64_t soft, hard;
    } most = {~0ULL, ~0ULL};
    return done(syscall(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, &most, NULL));
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
    return done(syscall(SYS_pkey_mprotect, NULL, (size_t)0, (long)(PROT_READ | PROT_EXEC), -1L)); /* libc makes it mprotect */
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

enum flag {
    NEEDS_DIR = 1,     /* only where a directory is granted */
    NEEDS_OTHER = 2,   /* only where another's mail is named */
    HIDDEN = 4,        /* a wall only where there is chroot or Landlock */
    BENEATH = 8,       /* a wall only where there is Landlock */
    BY_MODE = 16,      /* as the directory's permissions say */
    NOT_AS_ROOT = 32,  /* nothing to show where the role is root */
};

/* clang-format off */
static const struct row {
    const char *call;
    int (*try)(const struct place *p);
    unsigned roles;
    int expect[2]; /* errno, 0 = succeeds; either (the second may be 0 too: then only the first) */
    unsigned flags;
} rows[] = {
    /* files */
    {"open /etc/passwd",                  open_passwd,           NO_FILES, {EPERM}, 0},
    {"open /etc/passwd",                  open_passwd,           FILES,    {EACCES, ENOENT}, HIDDEN},
    {"open /etc/passwd",                  open_passwd,           MASTER,   {0}, 0},
    {"open another's mail",               open_other,            NO_FILES, {EPERM}, NEEDS_OTHER},
    {"open another's mail",               open_other,            FILES,    {EACCES, ENOENT}, NEEDS_OTHER | HIDDEN},
    {"open another's mail by ..",         climb_to_other,        FILES,    {EACCES, ENOENT}, NEEDS_DIR | NEEDS_OTHER | BENEATH},
    {"open /proc/PARENT/mem",             open_memory_of_parent, NO_FILES, {EPERM}, 0},
    {"open /proc/PARENT/mem",             open_memory_of_parent, FILES,    {EACCES, ENOENT}, 0},
    {"open what is granted",              open_granted,          FILES,    {0}, NEEDS_DIR | BY_MODE},
    {"open .. of it",                     open_up,               AUTH,     {EACCES}, NEEDS_DIR | BENEATH | NOT_AS_ROOT},
    {"open .. of it",                     open_up,               MAIL,     {EACCES}, NEEDS_DIR | BENEATH},
    {"openat2 .. of it",                  open2_up,              MAIL,     {EACCES}, NEEDS_DIR | BENEATH},
    {"openat2 .. of it, beneath",         open2_up_beneath,      MAIL,     {EXDEV}, NEEDS_DIR},
    {"openat2",                           open2_none,            DOOR | AUTH | CONTROL, {EPERM}, 0},
    {"create in /tmp",                    create_in_tmp,         NO_FILES, {EPERM}, 0},
    {"create in /tmp",                    create_in_tmp,         FILES,    {EACCES, ENOENT}, HIDDEN},
    {"symlinkat in what is granted",      symlink_in_granted,    FILES,    {EPERM}, NEEDS_DIR},
    {"mknodat in what is granted",        fifo_in_granted,       FILES,    {EPERM}, NEEDS_DIR},
    {"linkat into what is granted",       link_in_granted,       FILES,    {EPERM}, NEEDS_DIR},
    {"open_by_handle_at",                 open_by_handle,        ALL,      {EPERM}, 0},
    /* sockets */
    {"socket AF_INET",                    socket_inet,           CHILDREN, {EPERM}, 0},
    {"socket AF_INET",                    socket_inet,           MASTER,   {0}, 0},
    {"socket AF_UNIX",                    socket_unix,           CHILDREN, {EPERM}, 0},
    {"socket AF_UNIX",                    socket_unix,           MASTER,   {0}, 0},
    {"socket AF_NETLINK",                 socket_netlink,        CHILDREN, {EPERM}, 0},
    {"socket AF_PACKET",                  socket_packet,         ALL,      {EPERM}, 0},
    {"connect",                           connect_none,          CHILDREN, {EPERM}, 0},
    {"bind",                              bind_none,             CHILDREN, {EPERM}, 0},
    {"bind",                              bind_none,             MASTER,   {EBADF}, 0},
    {"socketpair AF_UNIX",                pair_of_own,           ALL,      {0}, 0},
    {"setsockopt SO_ATTACH_FILTER",       attach_filter,         ALL,      {EPERM}, 0},
    {"setsockopt SO_SNDBUF",              small_buffer,          ALL,      {EBADF}, 0},
    /* programs, processes, threads */
    {"execve",                            exec_program,          CHILDREN, {EPERM}, 0},
    {"execve in a child",                 exec_in_child,         MASTER,   {0}, 0},
    {"execveat",                          exec_descriptor,       CHILDREN, {EPERM}, 0},
    {"fork",                              fork_one,              CHILDREN, {EPERM}, 0},
    {"fork",                              fork_one,              MASTER,   {0}, 0},
    {"clone CLONE_NEWUSER",               fork_into_namespace,   ALL,      {EPERM}, 0},
    {"clone3",                            clone3_none,           ALL,      {ENOSYS}, 0},
    {"a thread",                          start_thread,          NO_FILES, {EPERM}, 0},
    {"a thread",                          start_thread,          FILES,    {0}, 0},
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
    {"tgkill self",                       signal_self,           ALL,      {0}, 0},
    {"pidfd_open parent",                 open_pid,              ALL,      {EPERM}, 0},
    {"fcntl F_SETOWN",                    own_signals,           ALL,      {EPERM}, 0},
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
    {"memfd_create",                      memory_file,           AUTH | CONTROL, {EPERM}, 0},
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

static const char *name_of(int error)
{
    const char *name = error ? strerrorname_np(error) : "success";
    return name ? name : "?";
}

static bool applies(const struct row *r, const struct place *p)
{
    return r->roles & 1u << p->jail->role && (!(r->flags & NEEDS_DIR) || p->dir >= 0) &&
           (!(r->flags & NEEDS_OTHER) || p->other_mail) && (!(r->flags & NOT_AS_ROOT) || !p->jail->root);
}

/* One line; true: as expected. */
static bool try_row(const struct row *r, const struct place *p)
{
    int first = r->expect[0], second = r->expect[1] ? r->expect[1] : first;
    if (r->flags & BY_MODE && !p->readable)
        first = second = EACCES;
    bool open = (r->flags & HIDDEN && p->outside) || (r->flags & BENEATH && p->climbs);
    fflush(stdout);
    int got = r->try(p);
    bool as_expected = got == first || got == second || open;
    printf("%s: expected %s", r->call, name_of(first));
    if (second != first)
        printf(" or %s", name_of(second));
    printf("%s: got %s: %s\n", open ? " (no wall on this system)" : "", name_of(got), as_expected ? "ok" : "NOT OK");
    return as_expected;
}

static bool may_read(int dir, const struct jail *j)
{
    struct stat st;
    if (fstat(dir, &st) < 0)
        return false;
    uid_t uid = j->root ? j->uid : geteuid();
    gid_t gid = j->root ? j->gid : getegid();
    mode_t bits = st.st_uid == uid ? st.st_mode >> 6 : st.st_gid == gid ? st.st_mode >> 3 : st.st_mode;
    return bits & 4;
}

static void look_around(struct place *p, const struct jail *j, const char *other_mail)
{
    *p = (struct place){.jail = j, .other_mail = other_mail, .dir = j->n_paths ? j->paths[0].fd : -1, .parent = getppid()};
    if (other_mail)
        snprintf(p->climbing, sizeof p->climbing, "../../../../../../../../../../../../../../../..%s%s",
                 *other_mail == '/' ? "" : "/", other_mail);
    p->readable = p->dir >= 0 && may_read(p->dir, j);
}

int jail_probe(const struct jail *j, const char *other_mail, struct err *err)
{
    struct place p;
    struct jail_report report;
    char text[128];
    unsigned good = 0, bad = 0;
    if (!jail_build.walls)
        return err_set(err, ERR_PERM, "this build is for sanitizers: it has no walls to probe");
    look_around(&p, j, other_mail);
    if (jail_enter(j, &report, err) < 0)
        return -1;
    p.outside = !report.chrooted && !report.landlock_abi;
    p.climbs = !report.landlock_abi;
    jail_report_text(&report, text);
    printf("%s: %s\n", role_name(j->role), text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!applies(&rows[i], &p))
            continue;
        bool as_expected = try_row(&rows[i], &p);
        good += as_expected;
        bad += !as_expected;
    }
    printf("%u as expected, %u not\n", good, bad);
    fflush(stdout);
    return bad ? err_set(err, ERR_PERM, "%s: %u of %u calls did not answer as expected", role_name(j->role), bad, good + bad) : 0;
}
