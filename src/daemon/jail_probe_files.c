/* jail_probe_files: tries files and sockets. */
#include "daemon/jail_probe_row.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

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

static int open2_as(int dir, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve, .mode = flags & O_CREAT ? 0600 : 0};
    return closed((int)syscall(SYS_openat2, dir, path, &how, sizeof how));
}

static int open2(int dir, const char *path, uint64_t resolve)
{
    return open2_as(dir, path, O_RDONLY | O_DIRECTORY, resolve);
}

static int open2_passwd(const struct place *p)
{
    return open2_as(AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}

static int open2_other(const struct place *p)
{
    return open2_as(AT_FDCWD, p->other_mail, O_RDONLY, 0);
}

static int climb2_to_other(const struct place *p)
{
    return open2_as(p->dir, p->climbing, O_RDONLY, 0);
}

static int open2_granted(const struct place *p)
{
    return open2(p->dir, ".", RESOLVE_BENEATH);
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

static const char *name_in_tmp(void)
{
    static char path[48];
    snprintf(path, sizeof path, "/tmp/bustia-probe-%d", (int)getpid());
    return path;
}

static int create_in_tmp(const struct place *p)
{
    int fd = open(name_in_tmp(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int error = closed(fd);
    if (fd >= 0)
        unlink(name_in_tmp());
    return error;
}

static int create2_in_tmp(const struct place *p)
{
    int error = open2_as(AT_FDCWD, name_in_tmp(), O_WRONLY | O_CREAT | O_EXCL, 0);
    if (error == 0)
        unlinkat(AT_FDCWD, name_in_tmp(), 0);
    return error;
}

static int symlink_in_tmp(const struct place *p)
{
    int error = done(symlinkat("nothing", AT_FDCWD, name_in_tmp()));
    if (error == 0)
        unlinkat(AT_FDCWD, name_in_tmp(), 0);
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

static int shorten(const struct place *p)
{
    return done(ftruncate(-1, 0));
}

static int open_by_handle(const struct place *p)
{
    return done(syscall(SYS_open_by_handle_at, -1, NULL, 0));
}

/* ---- what happens to files */

static int watch_group(const struct place *p)
{
    const unsigned flags = FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK | FAN_CLOEXEC;
    return closed(fanotify_init(flags, O_RDONLY | O_CLOEXEC));
}

static int watch_and_decide(const struct place *p)
{
    return closed(fanotify_init(FAN_CLASS_CONTENT | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC));
}

static int watch_directory(const struct place *p)
{
    return done(fanotify_mark(-1, FAN_MARK_ADD, FAN_CREATE, -1, NULL));
}

static int watch_path(const struct place *p)
{
    return done(fanotify_mark(-1, FAN_MARK_ADD, FAN_CREATE, AT_FDCWD, "."));
}

static int watch_mount(const struct place *p)
{
    return done(fanotify_mark(-1, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, -1, NULL));
}

static int handle_of_open(const struct place *p)
{
    struct file_handle none = {0};
    int mount;
    return done(name_to_handle_at(-1, "", &none, &mount, AT_EMPTY_PATH));
}

static int handle_of_here(const struct place *p)
{
    struct file_handle none = {0};
    int mount;
    return done(name_to_handle_at(-1, ".", &none, &mount, AT_EMPTY_PATH));
}

static int handle_of_path(const struct place *p)
{
    struct file_handle none = {0};
    int mount;
    return done(name_to_handle_at(AT_FDCWD, ".", &none, &mount, 0));
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

static int pair_of_datagrams(const struct place *p)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) < 0)
        return errno;
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static int send_to_another(const struct place *p)
{
    struct sockaddr a = {.sa_family = AF_INET};
    return done(sendto(-1, "", 1, MSG_NOSIGNAL, &a, sizeof a));
}

static int send_and_connect(const struct place *p)
{
    return done(sendto(-1, "", 1, MSG_NOSIGNAL | MSG_FASTOPEN, NULL, 0));
}

static int send_message_and_connect(const struct place *p)
{
    struct msghdr m = {0};
    return done(sendmsg(-1, &m, MSG_NOSIGNAL | MSG_FASTOPEN));
}

static int send_many(const struct place *p)
{
    return done(sendmmsg(-1, NULL, 0, 0));
}

static int send_to_peer(const struct place *p)
{
    return done(send(-1, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
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

/* Whoever closed it last would wait: a descriptor that was sent makes that another role. */
static int long_goodbye(const struct place *p)
{
    const struct linger wait = {1, 3600};
    return done(setsockopt(-1, SOL_SOCKET, SO_LINGER, &wait, sizeof wait));
}

/* clang-format off */
static const struct probe_row rows[] = {
    /* files */
    {"open /etc/passwd",                  open_passwd,           NO_OPEN,  {EPERM}, 0},
    {"open /etc/passwd",                  open_passwd,           FILES,    {EACCES, ENOENT}, HIDDEN},
    {"open /etc/passwd",                  open_passwd,           MASTER,   {0}, 0},
    {"open another's mail",               open_other,            NO_OPEN,  {EPERM}, NEEDS_OTHER},
    {"open another's mail",               open_other,            FILES,    {EACCES, ENOENT}, NEEDS_OTHER | HIDDEN},
    {"open another's mail by ..",         climb_to_other,        FILES,    {EACCES, ENOENT},
                                                                           NEEDS_DIR | NEEDS_OTHER | BENEATH},
    {"open /proc/PARENT/mem",             open_memory_of_parent, NO_OPEN,  {EPERM}, 0},
    {"open /proc/PARENT/mem",             open_memory_of_parent, FILES,    {EACCES, ENOENT}, 0},
    {"open what is granted",              open_granted,          FILES,    {0}, NEEDS_DIR | BY_MODE},
    {"open .. of it",                     open_up,               AUTH,     {EACCES}, NEEDS_DIR | BENEATH | NOT_AS_ROOT},
    {"open .. of it",                     open_up,               MAIL,     {EACCES}, NEEDS_DIR | BENEATH},
    {"openat2 /etc/passwd",               open2_passwd,          DELIVER,  {EACCES, ENOENT}, HIDDEN},
    {"openat2 another's mail",            open2_other,           DELIVER,  {EACCES, ENOENT}, NEEDS_OTHER | HIDDEN},
    {"openat2 another's mail by ..",      climb2_to_other,       DELIVER,  {EACCES, ENOENT},
                                                                           NEEDS_DIR | NEEDS_OTHER | BENEATH},
    {"openat2 what is granted",           open2_granted,         DELIVER,  {0}, NEEDS_DIR | BY_MODE},
    {"openat2 .. of it",                  open2_up,              MAILDROPS, {EACCES}, NEEDS_DIR | BENEATH},
    {"openat2 .. of it, beneath",         open2_up_beneath,      MAILDROPS, {EXDEV}, NEEDS_DIR},
    {"openat2",                           open2_none,            NO_FILES | AUTH, {EPERM}, 0},
    {"create in /tmp",                    create_in_tmp,         NO_OPEN,  {EPERM}, 0},
    {"create in /tmp",                    create_in_tmp,         FILES,    {EACCES, ENOENT}, HIDDEN},
    {"openat2 to create in /tmp",         create2_in_tmp,        DELIVER,  {EACCES, ENOENT}, HIDDEN},
    {"symlinkat in /tmp",                 symlink_in_tmp,        MAILDROPS, {EACCES, ENOENT}, HIDDEN},
    {"symlinkat in what is granted",      symlink_in_granted,    AUTH,     {EPERM}, NEEDS_DIR},
    {"mknodat in what is granted",        fifo_in_granted,       FILES | DELIVER, {EPERM}, NEEDS_DIR},
    {"linkat into what is granted",       link_in_granted,       FILES,    {EPERM}, NEEDS_DIR},
    {"ftruncate",                         shorten,               DELIVER | CONTROL | METRICS, {EPERM}, 0},
    {"open_by_handle_at",                 open_by_handle,        ALL,      {EPERM}, 0},
    /* what happens to files */
    {"fanotify_init",                     watch_group,           MAIL,     {0}, AS_BEFORE},
    {"fanotify_init",                     watch_group,           CHILDREN & ~MAIL, {EPERM}, 0},
    {"fanotify_init FAN_CLASS_CONTENT",   watch_and_decide,      CHILDREN, {EPERM}, 0},
    {"fanotify_mark of a descriptor",     watch_directory,       MAIL,     {EBADF}, AS_BEFORE},
    {"fanotify_mark of a descriptor",     watch_directory,       CHILDREN & ~MAIL, {EPERM}, 0},
    {"fanotify_mark of a path",           watch_path,            ALL,      {EPERM}, 0},
    {"fanotify_mark FAN_MARK_MOUNT",      watch_mount,           ALL,      {EPERM}, 0},
    {"name_to_handle_at of a descriptor", handle_of_open,        MAIL,     {EBADF, EOVERFLOW}, AS_BEFORE},
    /* of a path, too: it leads to a number, by which nobody may open anything */
    {"name_to_handle_at of a name",       handle_of_here,        MAIL,     {EBADF}, AS_BEFORE},
    {"name_to_handle_at of a name",       handle_of_here,        CHILDREN & ~MAIL, {EPERM}, 0},
    {"name_to_handle_at without a flag",  handle_of_path,        ALL,      {EPERM}, 0},
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
    {"socketpair AF_UNIX, datagrams",     pair_of_datagrams,     ALL,      {EPERM}, 0},
    {"sendto an address",                 send_to_another,       CHILDREN, {EPERM}, 0},
    {"sendto MSG_FASTOPEN",               send_and_connect,      CHILDREN, {EPERM}, 0},
    {"sendmsg MSG_FASTOPEN",              send_message_and_connect, CHILDREN, {EPERM}, 0},
    {"sendmmsg",                          send_many,             CHILDREN, {EPERM}, 0},
    {"send",                              send_to_peer,          ALL,      {EBADF}, 0},
    {"setsockopt SO_ATTACH_FILTER",       attach_filter,         ALL,      {EPERM}, 0},
    {"setsockopt SO_LINGER",              long_goodbye,          ALL,      {EPERM}, 0},
    {"setsockopt SO_SNDBUF",              small_buffer,          ALL,      {EBADF}, 0},
};
/* clang-format on */

const struct probe_table probe_files = {rows, sizeof rows / sizeof rows[0]};
