/* client/secret: commands, files, netrc and the terminal; what is refused, and that no error shows a secret. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/secret.h"
#include "client/secret_impl.h"

enum { PATIENCE_MS = 20000, HANGS_MS = 200 };

static struct err err;
static char folder[64], path[128];

static uid_t pretended;
uid_t __wrap_geteuid(void);
uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void)
{
    return pretended ? pretended : __real_geteuid();
}

/* ---- what is compared */

static void gave(int rc, char **text, const char *secret)
{
    if (rc < 0)
        fail_msg("kind %d: %s", err.kind, err.text);
    assert_string_equal(*text, secret);
    secret_drop(*text);
}

/* And nothing of a secret stands in the words. */
static void failed(int rc, enum err_kind kind, const char *words)
{
    if (rc == 0 || err.kind != kind || !strstr(err.text, words) || strstr(err.text, "hunter2"))
        fail_msg("%d, kind %d: %s", rc, err.kind, err.text);
}

/* ---- commands */

static int of_command(const char *words, unsigned limit_ms, char **text)
{
    *text = NULL;
    err = (struct err){.kind = ERR_NONE};
    return secret_from_command(words, "password_command", limit_ms, text, &err);
}

static void command_gives(const char *words, const char *secret)
{
    char *text;
    int rc = of_command(words, PATIENCE_MS, &text);
    gave(rc, &text, secret);
}

static void command_fails(const char *words, const char *why)
{
    char *text;
    failed(of_command(words, PATIENCE_MS, &text), ERR_TEMP, why);
    assert_null(text);
    assert_ptr_equal(strstr(err.text, "password_command: "), err.text);
}

static void command_line(void **state)
{
    command_gives("printf secret", "secret");
    command_gives("echo secret", "secret");
    command_gives("printf 'secret\\r\\nmore\\n'", "secret");
    command_gives("printf 'a b\\tc \\nmore\\nand more'", "a b\tc ");
    command_gives("printf 'sec'; sleep 0.1; echo ret; sleep 0.1; echo more", "secret");
    command_gives("printf '\\303\\266\\r\\r\\n'", "\303\266\r");
    command_gives("echo secret; exec >&-; sleep 0.2", "secret");
    command_gives("head -c 1000000 /dev/zero | tr '\\0' '\\n' | { echo secret; cat; }", "secret");
}

static void command_empty(void **state)
{
    command_fails("true", "printed nothing");
    command_fails("echo", "first line is empty");
    command_fails("printf '\\r\\nhunter2\\n'", "first line is empty");
    command_fails("printf 'hunter2\\0x\\n'", "NUL");
}

static void command_failing(void **state)
{
    command_fails("echo hunter2; exit 3", "failed with status 3");
    command_fails("/no/such/program hunter2 2>/dev/null", "not found (status 127)");
    command_fails("echo hunter2; kill -KILL $$", "ended by signal 9");
}

static void command_large(void **state)
{
    char *text;
    assert_int_equal(of_command("head -c 65536 /dev/zero | tr '\\0' x", PATIENCE_MS, &text), 0);
    assert_int_equal(strlen(text), SECRET_LINE_MAX);
    secret_drop(text);
    command_fails("head -c 65537 /dev/zero | tr '\\0' x", "more than 65536 octets");
    uint64_t start = clock_ms();
    command_fails("yes hunter2", "without end");
    command_fails("cat /dev/zero", "without end");
    assert_true(clock_ms() - start < PATIENCE_MS);
}

/* Its children too; and one that does not care for SIGTERM. */
static void command_hanging(void **state)
{
    char *text, words[200];
    uint64_t start = clock_ms();
    snprintf(words, sizeof words, "echo hunter2; sleep 1000 & echo $! >%s/pid; wait", folder);
    failed(of_command(words, HANGS_MS, &text), ERR_TEMP, "did not end within 1 s");
    assert_true(clock_ms() - start >= HANGS_MS);
    failed(of_command("trap '' TERM; while :; do sleep 1000; done", HANGS_MS, &text), ERR_TEMP, "did not end");
    assert_true(clock_ms() - start < PATIENCE_MS);
    snprintf(words, sizeof words,
             "read pid <%s/pid; kill -0 $pid 2>/dev/null && grep -v '^State.*Z' /proc/$pid/status | "
             "grep -q State && echo there || echo gone",
             folder);
    command_gives(words, "gone");
}

/* Who stays behind and holds the pipe is not waited for. */
static void command_leaves_one_behind(void **state)
{
    uint64_t start = clock_ms();
    char *text, words[200];
    snprintf(words, sizeof words, "echo secret; sleep 1000 & echo $! >%s/pid", folder);
    int rc = of_command(words, PATIENCE_MS, &text);
    gave(rc, &text, "secret");
    assert_true(clock_ms() - start < PATIENCE_MS / 2);
    snprintf(words, sizeof words, "read pid <%s/pid; kill $pid; echo ended", folder);
    command_gives(words, "ended");
}

/* No input, none of our descriptors, no signal that we ignore or block. */
static void command_surroundings(void **state)
{
    int fd = open("/dev/null", O_RDONLY); /* inherited by whoever does not close it */
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &before);
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    command_gives("cat; echo secret", "secret");
    command_gives("ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 ");
    command_gives("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\n' | tr -s '\\t0' ' '", "SigBlk: SigIgn: ");
    signal(SIGPIPE, old);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(fd);
}

/* ---- files */

static void put(const char *content, size_t n, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, n), n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void put_text(const char *content)
{
    put(content, strlen(content), 0600);
}

static int of_file(const char *content, size_t n, mode_t mode, char **text)
{
    *text = NULL;
    err = (struct err){.kind = ERR_NONE};
    put(content, n, mode);
    return secret_from_file(path, text, &err);
}

static void file_gives(const char *content, const char *secret)
{
    char *text;
    int rc = of_file(content, strlen(content), 0600, &text);
    gave(rc, &text, secret);
}

static void file_fails(const char *content, size_t n, mode_t mode, const char *why)
{
    char *text;
    failed(of_file(content, n, mode, &text), ERR_CONFIG, why);
    assert_non_null(strstr(err.text, path));
}

static void file_line(void **state)
{
    char *text;
    file_gives("secret", "secret");
    file_gives("secret\n", "secret");
    file_gives("secret\r\nmore\n", "secret");
    file_gives(" a b \n", " a b ");
    int rc = of_file("secret", 6, 0400, &text);
    gave(rc, &text, "secret");
    file_fails("", 0, 0600, "first line is empty");
    file_fails("\nhunter2", 8, 0600, "first line is empty");
    file_fails("hunter2\0x\n", 10, 0600, "NUL");
    char *large = mem_alloc(SECRET_LINE_MAX + 1);
    memset(large, 'x', SECRET_LINE_MAX + 1);
    rc = of_file(large, SECRET_LINE_MAX, 0600, &text);
    assert_int_equal(rc, 0);
    assert_int_equal(strlen(text), SECRET_LINE_MAX);
    secret_drop(text);
    file_fails(large, SECRET_LINE_MAX + 1, 0600, "more than 65536 octets");
    mem_free(large);
}

static void file_modes(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0660, 0606, 0602, 0620, 0610, 0601, 0644, 0777};
    for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
        file_fails("hunter2", 7, modes[i], "others may read or write it");
    char mode[8];
    snprintf(mode, sizeof mode, "%04o", 0777);
    assert_non_null(strstr(err.text, mode));
}

static void file_owner(void **state)
{
    char *text = NULL;
    put_text("hunter2");
    if (getuid() == 0)
        assert_int_equal(chown(path, 12345, 12345), 0);
    else
        pretended = getuid() + 1;
    int rc = secret_from_file(path, &text, &err);
    pretended = 0;
    failed(rc, ERR_CONFIG, "belongs to another user");
}

static void file_kinds(void **state)
{
    char *text = NULL, link[160];
    failed(secret_from_file(folder, &text, &err), ERR_CONFIG, "no file");
    unlink(path);
    failed(secret_from_file(path, &text, &err), ERR_CONFIG, "No such file");
    assert_int_equal(mkfifo(path, 0600), 0);
    failed(secret_from_file(path, &text, &err), ERR_CONFIG, "no file");
    file_gives("secret", "secret");
    snprintf(link, sizeof link, "%s.link", path);
    assert_int_equal(symlink(path, link), 0);
    int rc = secret_from_file(link, &text, &err);
    unlink(link);
    gave(rc, &text, "secret");
}

/* ---- netrc */

static int of_netrc(const char *content, char **text)
{
    *text = NULL;
    err = (struct err){.kind = ERR_NONE};
    put_text(content);
    setenv("NETRC", path, 1);
    return secret_from_netrc("pop.example.org", 995, "anna", text, &err);
}

static void netrc(void **state)
{
    char *text;
    int rc = of_netrc("machine pop.example.org login anna password secret\n", &text);
    gave(rc, &text, "secret");
    failed(of_netrc("machine pop.example.org login bert password hunter2\n", &text), ERR_GONE, "no entry");
    assert_ptr_equal(strstr(err.text, path), err.text);
    failed(of_netrc("machine pop.example.org password hunter2x apple\n", &text), ERR_CONFIG, "line 1");
    failed(of_netrc("machine pop.example.org password \"\"\n", &text), ERR_CONFIG, "empty");
    chmod(path, 0644);
    failed(secret_from_netrc("pop.example.org", 995, "anna", &text, &err), ERR_CONFIG, "others may read");
    unlink(path);
    failed(secret_from_netrc("pop.example.org", 995, "anna", &text, &err), ERR_GONE, "No such file");
    char *large = mem_alloc(SECRET_FILE_MAX + 1);
    memset(large, ' ', SECRET_FILE_MAX);
    failed(of_netrc(large, &text), ERR_CONFIG, "more than 1048575 octets");
    mem_free(large);
}

static void netrc_at_home(void **state)
{
    char *text, home[140];
    snprintf(home, sizeof home, "%s/.netrc", folder);
    assert_int_equal(of_netrc("default password secret", &text), 0);
    secret_drop(text);
    setenv("NETRC", "", 1);
    setenv("HOME", folder, 1);
    assert_int_equal(rename(path, home), 0);
    int rc = secret_from_netrc("pop.example.org", 995, "anna", &text, &err);
    unlink(home);
    gave(rc, &text, "secret");
    unsetenv("NETRC");
    setenv("HOME", "nowhere", 1);
    failed(secret_from_netrc("pop.example.org", 995, "anna", &text, &err), ERR_GONE, "neither NETRC nor HOME");
}

/* ---- which of them */

static struct account account(void)
{
    return (struct account){.name = "work",
                            .server = "pop.example.org",
                            .user = "anna",
                            .password_command = "",
                            .password_file = "",
                            .token_command = "",
                            .smtp_server = "smtp.example.org",
                            .smtp_user = "",
                            .smtp_password_command = "",
                            .smtp_password_file = ""};
}

static void order(void **state)
{
    struct account a = account();
    char *text;
    put_text("default password file");
    setenv("NETRC", path, 1);
    a.netrc = true;
    gave(secret_get(&a, false, true, &text, &err), &text, "file");
    put_text("machine pop.example.org login anna password pop machine smtp.example.org port 465 password smtp");
    gave(secret_get(&a, false, false, &text, &err), &text, "pop");
    gave(secret_get_smtp(&a, false, false, &text, &err), &text, "smtp");
    put_text("in a file");
    a.password_file = path;
    gave(secret_get(&a, false, false, &text, &err), &text, "in a file");
    a.password_command = "echo from a command";
    gave(secret_get(&a, false, false, &text, &err), &text, "from a command");
    gave(secret_get_smtp(&a, false, false, &text, &err), &text, "from a command");
    a.smtp_password_file = path;
    gave(secret_get_smtp(&a, false, false, &text, &err), &text, "in a file");
    a.smtp_password_command = "echo smtp";
    gave(secret_get_smtp(&a, false, false, &text, &err), &text, "smtp");
    a.smtp_password_command = "exit 4";
    failed(secret_get_smtp(&a, false, false, &text, &err), ERR_TEMP, "smtp_password_command: ");
    failed(secret_get(&a, true, false, &text, &err), ERR_CONFIG, "no token_command");
    a.token_command = "echo to.ken";
    gave(secret_get(&a, true, false, &text, &err), &text, "to.ken");
    gave(secret_get_smtp(&a, true, false, &text, &err), &text, "to.ken");
}

static void smtp_user(void **state)
{
    struct account a = account();
    char *text;
    a.netrc = true;
    a.smtp_user = "sender";
    put_text("default login anna password no default login sender password yes");
    setenv("NETRC", path, 1);
    gave(secret_get_smtp(&a, false, false, &text, &err), &text, "yes");
}

static void nobody_to_ask(void **state)
{
    struct account a = account();
    char *text;
    failed(secret_get(&a, false, false, &text, &err), ERR_CONFIG, "names no password");
    assert_null(strstr(err.text, "terminal"));
    a.netrc = true;
    put_text("default login bert password hunter2");
    setenv("NETRC", path, 1);
    failed(secret_get(&a, false, false, &text, &err), ERR_CONFIG, "no entry");
    put_text("hunter2");
    failed(secret_get(&a, false, true, &text, &err), ERR_CONFIG, "line 1");
}

/* ---- the terminal: a child has one, or none */

struct terminal {
    int master;
    pid_t child;
};

/* The child exits with 0 if it was given `secret` (NULL: an error with `words`). */
static void ask_in_child(const char *secret, const char *words)
{
    struct account a = account();
    char *text = NULL;
    a.user = "anna\033[2J";
    int rc = secret_get(&a, false, true, &text, &err);
    bool good = secret ? rc == 0 && strcmp(text, secret) == 0 : rc < 0 && strstr(err.text, words);
    if (!good)
        fprintf(stderr, "%d: %s\n", rc, rc < 0 ? err.text : text);
    secret_drop(text);
    _exit(good ? 0 : 1);
}

/* The child has a terminal, and its command has none. */
static void command_in_child(void)
{
    char *text = NULL;
    static const char words[] = "(: </dev/tty) 2>/dev/null && echo terminal || echo none";
    bool here = open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0;
    int rc = secret_from_command(words, "password_command", PATIENCE_MS, &text, &err);
    _exit(here && rc == 0 && strcmp(text, "none") == 0 ? 0 : 1);
}

static struct terminal begin(const char *secret, const char *words)
{
    struct terminal t = {.master = posix_openpt(O_RDWR | O_NOCTTY)};
    assert_true(t.master >= 0);
    assert_int_equal(grantpt(t.master), 0);
    assert_int_equal(unlockpt(t.master), 0);
    char *name = mem_copy_text(ptsname(t.master));
    t.child = fork();
    if (t.child == 0) {
        setsid();
        if (open(name, O_RDWR) < 0)
            _exit(9);
        if (!secret && !words)
            command_in_child();
        ask_in_child(secret, words);
    }
    mem_free(name);
    return t;
}

static void await_prompt(const struct terminal *t, char *said, size_t room)
{
    size_t n = 0;
    do {
        ssize_t got = read(t->master, said + n, room - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        said[n] = '\0';
    } while (!strstr(said, "pop.example.org: "));
}

static int end(const struct terminal *t)
{
    int status;
    assert_int_equal(waitpid(t->child, &status, 0), t->child);
    return status;
}

static bool echoes(const struct terminal *t)
{
    struct termios now;
    assert_int_equal(tcgetattr(t->master, &now), 0);
    return now.c_lflag & ECHO;
}

static void terminal_asks(void **state)
{
    char said[400];
    struct terminal t = begin("sec ret", NULL);
    await_prompt(&t, said, sizeof said);
    assert_non_null(strstr(said, "Password of anna\\x1b[2J at pop.example.org: "));
    assert_false(echoes(&t));
    assert_int_equal(write(t.master, "sec ret\n", 8), 8);
    assert_int_equal(end(&t), 0);
    assert_true(echoes(&t));
    ssize_t n = read(t.master, said, sizeof said - 1);
    said[n > 0 ? n : 0] = '\0';
    assert_null(strstr(said, "ret"));
    close(t.master);
}

static void terminal_empty(void **state)
{
    char said[400];
    struct terminal t = begin(NULL, "the terminal: its first line is empty");
    await_prompt(&t, said, sizeof said);
    assert_int_equal(write(t.master, "\n", 1), 1);
    assert_int_equal(end(&t), 0);
    close(t.master);
}

/* ^C ends us as ever, and leaves the terminal as it was. */
static void terminal_interrupted(void **state)
{
    char said[400];
    struct terminal t = begin(NULL, "");
    await_prompt(&t, said, sizeof said);
    assert_false(echoes(&t));
    assert_int_equal(write(t.master, "hun\003", 4), 4);
    int status = end(&t);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    assert_true(echoes(&t));
    close(t.master);
}

static void command_has_no_terminal(void **state)
{
    struct terminal t = begin(NULL, NULL);
    assert_int_equal(end(&t), 0);
    close(t.master);
}

static void no_terminal(void **state)
{
    struct terminal t = {.child = fork()};
    if (t.child == 0) {
        setsid();
        ask_in_child(NULL, "names no password (password_command, password_file or netrc), and there is no terminal");
    }
    assert_int_equal(end(&t), 0);
}

/* ---- */

static int make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/secret-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/secret", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char pid[140];
    snprintf(pid, sizeof pid, "%s/pid", folder);
    unlink(pid);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_line),
        cmocka_unit_test(command_empty),
        cmocka_unit_test(command_failing),
        cmocka_unit_test(command_large),
        cmocka_unit_test(command_hanging),
        cmocka_unit_test(command_leaves_one_behind),
        cmocka_unit_test(command_surroundings),
        cmocka_unit_test(file_line),
        cmocka_unit_test(file_modes),
        cmocka_unit_test(file_owner),
        cmocka_unit_test(file_kinds),
        cmocka_unit_test(netrc),
        cmocka_unit_test(netrc_at_home),
        cmocka_unit_test(order),
        cmocka_unit_test(smtp_user),
        cmocka_unit_test(nobody_to_ask),
        cmocka_unit_test(terminal_asks),
        cmocka_unit_test(terminal_empty),
        cmocka_unit_test(terminal_interrupted),
        cmocka_unit_test(command_has_no_terminal),
        cmocka_unit_test(no_terminal),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
