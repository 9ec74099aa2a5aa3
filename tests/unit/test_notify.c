/* notify: what the service manager hears, by a path and by an abstract name, and how often it wants to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/notify.h"

static int manager(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    assert_true(n < sizeof at.sun_path);
    memcpy(at.sun_path, name, n);
    if (*name == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                     0);
    return fd;
}

static void hears(const char *name)
{
    char text[100] = "";
    int fd = manager(name);
    setenv("NOTIFY_SOCKET", name, 1);
    notify_manager("READY=1");
    assert_int_equal(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 7);
    assert_string_equal(text, "READY=1");
    close(fd);
    notify_manager("STOPPING=1"); /* nobody listens any more */
}

static void the_manager_hears(void **state)
{
    char name[64];
    snprintf(name, sizeof name, "@bustia-notify-%d", (int)getpid());
    hears(name);
    snprintf(name, sizeof name, "/tmp/bustia-notify-%d", (int)getpid());
    hears(name);
    unlink(name);
}

static void what_is_no_socket_is_none(void **state)
{
    char far[200];
    memset(far, '/', sizeof far - 1);
    far[sizeof far - 1] = '\0';
    static const char *const names[] = {"", "@", "relative", "/nowhere/at/all"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_manager("READY=1");
    }
    setenv("NOTIFY_SOCKET", far, 1);
    notify_manager("READY=1");
    unsetenv("NOTIFY_SOCKET");
    notify_manager("READY=1");
}

static void a_watchdog_is_fed_twice_as_often(void **state)
{
    static const struct {
        const char *us, *pid;
        uint64_t ms;
    } rows[] = {{"30000000", NULL, 15000}, {"1", NULL, 1},   {"0", NULL, 0},      {"", NULL, 0}, {"x", NULL, 0},
                {"-1", NULL, 0},           {"30s", NULL, 0}, {"30000000", "1", 0}};
    char own[32];
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        setenv("WATCHDOG_USEC", rows[i].us, 1);
        unsetenv("WATCHDOG_PID");
        if (rows[i].pid)
            setenv("WATCHDOG_PID", rows[i].pid, 1);
        assert_int_equal(notify_watchdog_ms(), rows[i].ms);
    }
    snprintf(own, sizeof own, "%d", (int)getpid());
    setenv("WATCHDOG_PID", own, 1);
    assert_int_equal(notify_watchdog_ms(), 15000);
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manager_hears),
        cmocka_unit_test(what_is_no_socket_is_none),
        cmocka_unit_test(a_watchdog_is_fed_twice_as_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
