/* check_accounts_files: files of passwords, and those of TLS. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "check/check_accounts_impl.h"
#include "net/tls.h"
#include "net/tls_client.h"

enum { DAY = 86400, SOON = 14 * DAY };

/* A regular file that can be read, or -1 and the problem. */
static int open_file(const struct check_person *k, const char *option, const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        check_tell(k, option, true, "%s = %s cannot be opened: %s", option, path, strerror(errno));
        return -1;
    }
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
        return fd;
    check_tell(k, option, true, "%s = %s is no regular file", option, path);
    close(fd);
    return -1;
}

/* ---- passwords */

/* Whose file it is decides what the password is. */
static bool is_anothers(const struct stat *st)
{
    return st->st_uid != geteuid() && st->st_uid != 0;
}

static void check_password(const struct check_person *k, const char *option, const char *path)
{
    struct stat st;
    char first = '\n';
    if (!*path)
        return;
    int fd = open_file(k, option, path, &st);
    if (fd < 0)
        return;
    if (is_anothers(&st))
        check_tell(k, option, true, "%s = %s belongs to uid %u, and is not used", option, path, st.st_uid);
    else if (st.st_mode & 077)
        check_tell(k, option, true, "%s = %s may be read by others (mode %04o), and is not used; chmod 600 %s", option,
                   path, st.st_mode & 07777, path);
    if (read(fd, &first, 1) != 1 || first == '\n' || first == '\r')
        check_tell(k, option, true, "%s = %s has no password on its first line", option, path);
    close(fd);
}

static void check_netrc(const struct check_person *k)
{
    const char *named = getenv("NETRC"), *why = NULL;
    struct stat st;
    char *path = named && *named ? mem_copy_text(named) : account_path("~/.netrc", &why);
    if (!path)
        check_tell(k, "netrc", true, "netrc = yes, and neither NETRC nor HOME says where that file is");
    else if (stat(path, &st) < 0)
        check_tell(k, "netrc", false, "netrc = yes, and %s cannot be looked at: %s; the password is asked for", path,
                   strerror(errno));
    else if (!S_ISREG(st.st_mode) || access(path, R_OK) < 0)
        check_tell(k, "netrc", true, "netrc = yes, and %s is no file that uid %u may read", path, geteuid());
    else if (is_anothers(&st))
        check_tell(k, "netrc", true, "netrc = yes, and %s belongs to uid %u, and is not used", path, st.st_uid);
    else if (st.st_mode & 077)
        check_tell(k, "netrc", true,
                   "netrc = yes, and %s may be read by others (mode %04o), and is not used; chmod 600 %s", path,
                   st.st_mode & 07777, path);
    mem_free(path);
}

/* What stands behind another way is not used, and the reading has said so. */
void check_passwords(const struct check_person *k)
{
    const struct account *a = k->a;
    if (!*a->password_command)
        check_password(k, "password_file", a->password_file);
    if (!*a->smtp_password_command)
        check_password(k, "smtp_password_file", a->smtp_password_file);
    if (a->netrc && !*a->password_command && !*a->password_file)
        check_netrc(k);
}

/* ---- TLS */

/* As the client will take them up: nothing is connected. */
static bool usable(const struct tls_client_rules *rules, struct err *err)
{
    struct tls_client *s = NULL;
    bool ok = tls_client_new(&s, -1, "localhost", rules, err) == 0;
    tls_client_free(s);
    return ok;
}

static void check_issuers(const struct check_person *k, const char *option, const char *path)
{
    const struct tls_client_rules rules = {.ca = path};
    struct stat st;
    struct err err;
    int fd = *path ? open_file(k, option, path, &st) : -1;
    if (fd >= 0 && !usable(&rules, &err))
        check_tell(k, option, true, "%s = %s: %s", option, path, err.text);
    if (fd >= 0)
        close(fd);
}

static void check_expiry(const struct check_person *k, int cert, int key)
{
    struct tls_context *t = NULL;
    struct err err;
    if (tls_context_new(&t, cert, key, "pop3", &err) == 0) {
        long long left = tls_context_expires(t);
        if (left < 0)
            check_tell(k, "tls_cert", false, "tls_cert = %s has expired %lld days ago; renew it", k->a->tls_cert,
                       -left / DAY);
        else if (left < SOON)
            check_tell(k, "tls_cert", false, "tls_cert = %s expires in %lld days; renew it", k->a->tls_cert,
                       left / DAY);
    }
    tls_context_free(t);
}

void check_person_tls(const struct check_person *k)
{
    const struct account *a = k->a;
    const struct tls_client_rules rules = {.cert = a->tls_cert, .key = a->tls_key};
    struct stat st, key_st;
    struct err err;
    check_issuers(k, "tls_ca", k->a->tls_ca);
    check_issuers(k, "deliver_tls_ca", k->a->deliver_tls_ca);
    check_issuers(k, "smtp_tls_ca", k->a->smtp_tls_ca);
    if (!*a->tls_cert || !*a->tls_key)
        return;
    int cert = open_file(k, "tls_cert", a->tls_cert, &st), key = open_file(k, "tls_key", a->tls_key, &key_st);
    if (key >= 0 && key_st.st_mode & 077)
        check_tell(k, "tls_key", false, "tls_key = %s may be read by others (mode %04o); chmod 600 %s", a->tls_key,
                   key_st.st_mode & 07777, a->tls_key);
    if (cert >= 0 && key >= 0) {
        if (usable(&rules, &err))
            check_expiry(k, cert, key);
        else
            check_tell(k, "tls_cert", true, "tls_cert = %s with tls_key = %s: %s", a->tls_cert, a->tls_key, err.text);
    }
    if (cert >= 0)
        close(cert);
    if (key >= 0)
        close(key);
}
