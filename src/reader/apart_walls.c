/* apart_walls: see the header. A list of what is barred, not of what is allowed: what GMime's and the C library's calls
 * are differs from one version to the next, and none of them needs these. */
#include "reader/apart_walls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined __riscv && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define ARCHITECTURE 0
#endif

enum { OTHER_CALLS = 0x40000000 /* x86-64: those of another ABI begin here */ };

#define REFUSE      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define BAR(call)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), REFUSE
/* To write, or to make one: its flags are the argument of that number (the half that comes first: these machines are
 * little-endian). */
#define BAR_WRITING(call, argument)                                                                                    \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 4), LOAD(args[argument]),                                           \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0, 1), REFUSE, ALLOW

static struct sock_filter filter[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
    REFUSE,
    LOAD(nr),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OTHER_CALLS, 0, 1),
    REFUSE,
    BAR_WRITING(SYS_openat, 2),
    BAR(SYS_openat2),
    BAR(SYS_socket),
    BAR(SYS_socketpair),
    BAR(SYS_connect),
    BAR(SYS_bind),
    BAR(SYS_sendto),
    BAR(SYS_sendmsg),
    BAR(SYS_execve),
    BAR(SYS_execveat),
    BAR(SYS_clone),
    BAR(SYS_clone3),
    BAR(SYS_ptrace),
    BAR(SYS_process_vm_readv),
    BAR(SYS_process_vm_writev),
    BAR(SYS_pidfd_getfd),
    BAR(SYS_kill),
    BAR(SYS_tkill),
    BAR(SYS_unlinkat),
    BAR(SYS_renameat2),
    BAR(SYS_mkdirat),
    BAR(SYS_mknodat),
    BAR(SYS_linkat),
    BAR(SYS_symlinkat),
    BAR(SYS_fchmodat),
    BAR(SYS_fchownat),
    BAR(SYS_truncate),
    BAR(SYS_setxattr),
    BAR(SYS_io_uring_setup),
    BAR(SYS_bpf),
    BAR(SYS_mount),
    BAR(SYS_unshare),
    BAR(SYS_setns),
#ifdef SYS_open
    BAR_WRITING(SYS_open, 1),
    BAR(SYS_creat),
    BAR(SYS_fork),
    BAR(SYS_vfork),
    BAR(SYS_unlink),
    BAR(SYS_rename),
    BAR(SYS_renameat),
    BAR(SYS_mkdir),
    BAR(SYS_rmdir),
    BAR(SYS_mknod),
    BAR(SYS_link),
    BAR(SYS_symlink),
    BAR(SYS_chmod),
    BAR(SYS_chown),
#endif
    ALLOW,
};

bool apart_walls(void)
{
    const struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    return ARCHITECTURE && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
