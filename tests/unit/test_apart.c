/* apart: what the process apart cannot do from within its walls, each tried there, and what it still can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "reader/mime.h"
#include "reader/spool.h"

enum { FCHMODAT2 = 452, MESSAGE_FD = 3 };

static char secret[] = "/tmp/test_apart.XXXXXX"; /* a file of this user's, for nobody else */

struct said {
    FILE *to;
    char *text;
    size_t n;
    pid_t session_of; /* a process; its session when it said so */
    pid_t session;
};

static int take(void *arg, enum apart_kind kind, struct span what, struct err *err)
{
    struct said *s = arg;
    (void)err;
    if (kind == APART_ROW && what.n == sizeof s->session_of) {
        memcpy(&s->session_of, what.p, what.n);
        s->session = getsid(s->session_of);
    }
    if (kind == APART_TEXT)
        fprintf(s->to, "%.*s", (int)what.n, what.p);
    return 0;
}

static int ask(struct said *s, const char *message, apart_work *work, const void *arg)
{
    struct spool spool;
    struct apart *a;
    struct err err = {.kind = ERR_NONE};
    *s = (struct said){.to = NULL};
    s->to = open_memstream(&s->text, &s->n);
    assert_int_equal(spool_open(&spool, 1 << 20, &err), 0);
    assert_int_equal(apart_begin(&a, spool.fd, work, arg, &err), 0);
    assert_int_equal(spool_add(&spool, span_of(message), &err), 0);
    int result = apart_run(a, take, s, &err);
    if (result < 0)
        print_error("%s\n", err.text);
    fclose(s->to);
    apart_end(a);
    spool_close(&spool);
    return result;
}

/* ---- what is barred: of each the kernel says EPERM, and would say something else if it were let through */

static long open_parent_memory(void)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)getppid());
    return open(path, O_RDONLY);
}

static long exec_program(void)
{
    static char *const none[] = {NULL};
    return execve("/bin/false", none, none);
}

static long read_parent(void)
{
    char here[8];
    struct iovec to = {here, sizeof here}, from = {secret, sizeof here};
    return process_vm_readv(getppid(), &to, 1, &from, 1, 0);
}

static long map_message(int protection, int how)
{
    void *p = mmap(NULL, 4096, protection, how, MESSAGE_FD, 0);
    return p == MAP_FAILED ? -1 : 0;
}

/* clang-format off */
#define PROBES(X) \
    X(open_terminal, open("/dev/tty", O_RDONLY)) \
    X(open_terminal_for_writing, open("/dev/tty", O_RDWR)) \
    X(type_into_terminal, ioctl(STDIN_FILENO, TIOCSTI, "x")) \
    X(take_terminal, ioctl(STDIN_FILENO, TIOCSCTTY, 0)) \
    X(open_secret, open(secret, O_RDONLY)) \
    X(open_any, open("/dev/null", O_RDONLY)) \
    X(open_to_write, open("/dev/null", O_WRONLY)) \
    X(make_file, open("/tmp/test_apart_made", O_CREAT | O_WRONLY, 0600)) \
    X(make_memory_file, memfd_create("x", 0)) \
    X(list_folder, syscall(SYS_getdents64, MESSAGE_FD, NULL, 0)) \
    X(look_at_secret, access(secret, F_OK)) \
    X(remove_file, unlink("/tmp/test_apart_none")) \
    X(rename_file, rename("/tmp/test_apart_none", "/tmp/test_apart_more")) \
    X(mode_of_descriptor, fchmod(MESSAGE_FD, 0644)) \
    X(mode_of_path, syscall(SYS_fchmodat, AT_FDCWD, secret, 0644)) \
    X(mode_of_path_2, syscall(FCHMODAT2, AT_FDCWD, secret, 0644, 0)) \
    X(write_message, pwrite(MESSAGE_FD, "", 0, 0)) \
    X(write_message_plainly, write(MESSAGE_FD, "", 0)) \
    X(cut_message, ftruncate(MESSAGE_FD, 0)) \
    X(share_message, map_message(PROT_READ | PROT_WRITE, MAP_SHARED)) \
    X(run_message, map_message(PROT_READ | PROT_EXEC, MAP_PRIVATE)) \
    X(end_parent, kill(getppid(), 0)) \
    X(end_all, kill(-1, 0)) \
    X(end_thread, syscall(SYS_tgkill, getppid(), getppid(), 0)) \
    X(end_thread_2, syscall(SYS_tkill, getppid(), 0)) \
    X(descriptor_of_parent, syscall(SYS_pidfd_open, getppid(), 0)) \
    X(end_by_descriptor, syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0)) \
    X(signals_by_descriptor, fcntl(MESSAGE_FD, F_SETOWN, getppid())) \
    X(trace_parent, ptrace(PTRACE_SEIZE, getppid(), NULL, NULL)) \
    X(inet, socket(AF_INET, SOCK_STREAM, 0)) \
    X(unix_socket, socket(AF_UNIX, SOCK_STREAM, 0)) \
    X(another_process, syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L)) \
    X(another_process_3, syscall(SYS_clone3, NULL, (size_t)0)) \
    X(ring, syscall(SYS_io_uring_setup, 1, NULL)) \
    X(bpf, syscall(SYS_bpf, 0, NULL, 0)) \
    X(page_faults, syscall(SYS_userfaultfd, 0)) \
    X(keys, syscall(SYS_keyctl, 0, -3, 0)) \
    X(mounts, syscall(SYS_mount, NULL, NULL, NULL, 0L, NULL)) \
    X(mounts_anew, syscall(SYS_fsopen, "tmpfs", 0)) \
    X(namespace, syscall(SYS_unshare, 0)) \
    X(rights, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)) \
    X(limits_of_parent, syscall(SYS_prlimit64, getppid(), RLIMIT_CPU, NULL, NULL)) \
    X(open_parent_memory, open_parent_memory()) \
    X(read_parent, read_parent()) \
    X(open_by_rules, syscall(SYS_openat2, AT_FDCWD, "/dev/null", &(struct open_how){.flags = O_RDONLY}, sizeof(struct open_how))) \
    X(exec_program, exec_program()) \
    X(queue_signal, syscall(SYS_rt_sigqueueinfo, getppid(), 0, &(siginfo_t){.si_code = SI_QUEUE})) \
    X(limits, setrlimit(RLIMIT_CORE, &(struct rlimit){0}))
/* clang-format on */

#define TRY(name, call)                                                                                                \
    static long try_##name(void)                                                                                       \
    {                                                                                                                  \
        return (call);                                                                                                 \
    }
PROBES(TRY)
#define ROW(name, call) {#name, try_##name},
static const struct row {
    const char *what;
    long (*try)(void);
} rows[] = {PROBES(ROW)};

/* Says what was not barred. */
static int try_all(int message, struct apart_out *o, const void *arg, struct err *err)
{
    (void)message, (void)arg, (void)err;
    FILE *to = apart_text(o);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        errno = 0;
        long result = rows[i].try();
        if (result >= 0 || errno != EPERM)
            fprintf(to, "%s: %ld, %s\n", rows[i].what, result, strerror(errno));
    }
    fclose(to);
    return 0;
}

static void test_barred(void **state)
{
    struct said s;
    (void)state;
    int fd = mkstemp(secret);
    assert_true(fd >= 0);
    int result = ask(&s, "x", try_all, NULL);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(secret);
    close(fd);
    assert_string_equal(s.text, "");
    assert_int_equal(result, 0);
    free(s.text);
}

/* ---- it is in no terminal's session */

/* More words than a pipe holds, so that it is still there when the first is taken. */
static int say_who(int message, struct apart_out *o, const void *arg, struct err *err)
{
    static char piece[APART_PIECE];
    (void)message, (void)arg, (void)err;
    pid_t own = getpid();
    apart_say(o, APART_ROW, (struct span){(const char *)&own, sizeof own});
    for (int i = 0; i < 64; i++)
        apart_say(o, APART_DATA, (struct span){piece, sizeof piece});
    return 0;
}

static void test_session(void **state)
{
    struct said s;
    (void)state;
    assert_int_equal(ask(&s, "x", say_who, NULL), 0);
    assert_true(s.session_of > 0);
    assert_int_equal(s.session, s.session_of);
    free(s.text);
}

/* ---- nor does it outlive its parent, whom a terminal's signal has ended */

static int wait_for_ever(int message, struct apart_out *o, const void *arg, struct err *err)
{
    int never = 0;
    (void)message, (void)arg, (void)err;
    pid_t own = getpid();
    apart_say(o, APART_ROW, (struct span){(const char *)&own, sizeof own});
    for (;;)
        syscall(SYS_futex, &never, FUTEX_WAIT, 0, NULL, NULL, 0);
    return 0;
}

static int tell_and_die(void *arg, enum apart_kind kind, struct span what, struct err *err)
{
    (void)kind, (void)err;
    if (write(*(int *)arg, what.p, what.n) == (ssize_t)what.n)
        kill(getpid(), SIGKILL);
    return -1;
}

static void test_end_of_its_parent(void **state)
{
    int told[2], status;
    pid_t apart;
    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    assert_int_equal(pipe(told), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct err err;
        struct apart *a;
        if (apart_begin(&a, told[0], wait_for_ever, NULL, &err) == 0)
            apart_run(a, tell_and_die, &told[1], &err);
        _exit(1);
    }
    assert_int_equal(read(told[0], &apart, sizeof apart), sizeof apart);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(waitpid(apart, &status, 0), apart);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(told[0]);
    close(told[1]);
}

/* ---- what it still can: convert whatever the C library converts, and tell the time here */

/* Names that it cannot convert, of those in `arg`. */
static int convert(int message, struct apart_out *o, const void *arg, struct err *err)
{
    (void)message, (void)err;
    FILE *to = apart_text(o);
    for (const char *name = arg; *name; name += strlen(name) + 1) {
        iconv_t in = iconv_open("UTF-8", name), out = iconv_open(name, "UTF-8");
        if (in == (iconv_t)-1 || out == (iconv_t)-1)
            fprintf(to, "%s\n", name);
        if (in != (iconv_t)-1)
            iconv_close(in);
        if (out != (iconv_t)-1)
            iconv_close(out);
    }
    fclose(to);
    return 0;
}

static bool can(const char *name)
{
    iconv_t in = iconv_open("UTF-8", name), out = in == (iconv_t)-1 ? in : iconv_open(name, "UTF-8");
    if (in != (iconv_t)-1)
        iconv_close(in);
    if (out != (iconv_t)-1)
        iconv_close(out);
    return out != (iconv_t)-1;
}

/* Adds what is in a line of `iconv -l`, "NAME// NAME//", each ended by NUL. */
static size_t add_names(char *line, char *names, size_t room)
{
    size_t n = 0;
    char *rest = NULL;
    for (char *name = strtok_r(line, "/ \n", &rest); name; name = strtok_r(NULL, "/ \n", &rest)) {
        size_t more = strlen(name) + 1;
        if (n + more >= room || !can(name))
            continue;
        memcpy(names + n, name, more);
        n += more;
    }
    return n;
}

/* All that this machine's C library knows, by all their names. */
static void test_charsets(void **state)
{
    static char names[64 * 1024];
    char line[4000];
    size_t n = 0;
    struct said s;
    (void)state;
    FILE *list = popen("LC_ALL=C iconv -l", "r");
    while (list && fgets(line, sizeof line, list))
        n += add_names(line, names + n, sizeof names - n);
    if (list)
        pclose(list);
    if (!n)
        skip();
    assert_int_equal(ask(&s, "x", convert, names), 0);
    assert_string_equal(s.text, "");
    free(s.text);
}

/* `text` in a charset as quoted-printable. */
static void put_encoded(const char *charset, const char *text, FILE *to)
{
    char octets[200], *in = (char *)text, *out = octets;
    size_t left = strlen(text), room = sizeof octets;
    iconv_t c = iconv_open(charset, "UTF-8");
    assert_true(c != (iconv_t)-1);
    assert_true(iconv(c, &in, &left, &out, &room) != (size_t)-1 && iconv(c, NULL, NULL, &out, &room) != (size_t)-1);
    iconv_close(c);
    for (const char *p = octets; p < out; p++)
        fprintf(to, "=%02X", (unsigned char)*p);
}

/* clang-format off */
static const struct {
    const char *charset, *text;
} messages[] = {
    {"utf-7", "Grüße 日本語"}, {"iso-2022-jp", "日本語"}, {"iso-2022-kr", "한국어"}, {"gb18030", "中文 𠀀"},
    {"koi8-r", "Привет"}, {"windows-1251", "Привет"}, {"windows-1258", "Đồng"}, {"windows-1255", "שלום"},
    {"big5-hkscs", "香港"}, {"shift_jis", "日本語"}, {"euc-tw", "中文"}, {"iso-8859-16", "Ștefan"}, {"tis-620", "ไทย"},
    {"viscii", "Việt"}, {"armscii-8", "Հայ"}, {"johab", "한국"}, {"ibm1047", "Grüße"}, {"ibm866", "Привет"},
    {"macintosh", "Grüße"}, {"georgian-ps", "ქართული"}, {"iso-2022-cn-ext", "中文"}, {"pt154", "Қазақ"},
    {"utf-16", "Grüße"},
};
/* clang-format on */

static void test_messages_in_rare_charsets(void **state)
{
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        char *message = NULL;
        size_t n = 0;
        struct said s;
        const struct mime_how how = {.html = false};
        FILE *to = open_memstream(&message, &n);
        if (!can(messages[i].charset)) { /* some systems have these apart */
            fclose(to);
            free(message);
            continue;
        }
        fprintf(to,
                "MIME-Version: 1.0\nContent-Type: text/%s; charset=%s\nContent-Transfer-Encoding: quoted-printable\n\n",
                i % 2 ? "html" : "plain", messages[i].charset);
        put_encoded(messages[i].charset, messages[i].text, to);
        fclose(to);
        assert_int_equal(ask(&s, message, mime_show, &how), 0);
        if (!strstr(s.text, messages[i].text))
            fail_msg("%s: \"%s\"", messages[i].charset, s.text);
        free(s.text);
        free(message);
    }
    (void)state;
}

static void test_zone_of_time(void **state)
{
    static const char *const zones[] = {"Asia/Tokyo", ":America/St_Johns", "XYZ-3:30", "", NULL};
    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        const struct mime_how how = {.html = false};
        const time_t when = 1606723200; /* 2020-11-30 08:00 +0000 */
        char expected[40];
        struct tm here;
        struct said s;
        if (zones[i])
            setenv("TZ", zones[i], 1);
        else
            unsetenv("TZ");
        tzset();
        strftime(expected, sizeof expected, "Date: %Y-%m-%d %H:%M\n", localtime_r(&when, &here));
        assert_int_equal(ask(&s, "From: a@b\nDate: Mon, 30 Nov 2020 10:00:00 +0200\n\nx\n", mime_show, &how), 0);
        assert_non_null(strstr(s.text, expected));
        free(s.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_barred),       cmocka_unit_test(test_session),
        cmocka_unit_test(test_charsets),     cmocka_unit_test(test_messages_in_rare_charsets),
        cmocka_unit_test(test_zone_of_time), cmocka_unit_test(test_end_of_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
