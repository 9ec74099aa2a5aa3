/* app_password: see the header. Runs in auth and in the tool. */
#include "user/app_password.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "user/users_impl.h"

/* "SALT:HMAC" in hexadecimal. The key is the salt as it is written. */
enum { SALT = 16, SALT_TEXT = 2 * SALT, MAC_TEXT = 2 * DIGEST_SHA256, VERIFIER = SALT_TEXT + 1 + MAC_TEXT };

static void mac_of(struct span salt, struct span password, char out[MAC_TEXT + 1])
{
    unsigned char mac[DIGEST_SHA256];
    digest_hmac_sha256(salt, password, mac);
    digest_hex(mac, sizeof mac, out);
    mem_wipe(mac, sizeof mac);
}

static void make(const char *password, char out[VERIFIER + 1])
{
    unsigned char salt[SALT];
    digest_random(salt, sizeof salt);
    digest_hex(salt, sizeof salt, out);
    out[SALT_TEXT] = ':';
    mac_of((struct span){out, SALT_TEXT}, span_of(password), out + SALT_TEXT + 1);
}

static bool fits(const char *verifier, struct span password)
{
    char mac[MAC_TEXT + 1];
    if (strlen(verifier) != VERIFIER)
        return false;
    mac_of((struct span){verifier, SALT_TEXT}, password, mac);
    bool same = digest_same(mac, verifier + SALT_TEXT + 1, MAC_TEXT);
    mem_wipe(mac, sizeof mac);
    return same;
}

static int check_label(struct span label, struct err *err)
{
    if (label.n == 0 || label.n > APP_LABEL_MAX)
        return err_set(err, ERR_INPUT, "a label has 1 to %d bytes", APP_LABEL_MAX);
    return users_check_text(label, "a label", err);
}

int app_password_add(struct users *db, struct span user, struct span label, const char *password, int64_t now, struct err *err)
{
    static const char sql[] = "INSERT INTO app_password SELECT ?1, ?2, ?3, ?4, 0, ''"
                              " WHERE (SELECT count(*) FROM app_password WHERE person = ?1) < ?5";
    char verifier[VERIFIER + 1];
    int changes;
    sqlite3_stmt *s = check_label(label, err) ? NULL : users_prepared(db, APP_ADD, sql, err);
    if (!s)
        return -1;
    make(password, verifier);
    users_bind(s, 1, user);
    users_bind(s, 2, label);
    users_bind(s, 3, span_of(verifier));
    sqlite3_bind_int64(s, 4, now);
    sqlite3_bind_int(s, 5, APP_PASSWORDS_MAX);
    int rc = users_write(db, s, &changes);
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        return err_set(err, ERR_INPUT, "there is an app password of this label already; revoke it first");
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
        return err_set(err, ERR_GONE, "no such user");
    if (rc != SQLITE_DONE)
        return users_trouble(db, err);
    return changes ? 0 : err_set(err, ERR_INPUT, "a user has at most %d app passwords; revoke one first", APP_PASSWORDS_MAX);
}

int app_password_revoke(struct users *db, struct span user, struct span label, struct err *err)
{
    int changes;
    sqlite3_stmt *s = users_prepared(db, APP_DEL, "DELETE FROM app_password WHERE person = ?1 AND label = ?2", err);
    if (!s)
        return -1;
    users_bind(s, 1, user);
    users_bind(s, 2, label);
    if (users_write(db, s, &changes) != SQLITE_DONE)
        return users_trouble(db, err);
    return changes ? 0 : err_set(err, ERR_GONE, "no app password of this label");
}

static const char *text_of(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return text ? (const char *)text : "";
}

int app_password_each(struct users *db, struct span user, int (*fn)(void *arg, const struct app_password *p), void *arg, struct err *err)
{
    static const char sql[] = "SELECT label, created, used, address FROM app_password WHERE person = ?1 ORDER BY label";
    int rc, stop = 0;
    sqlite3_stmt *s = users_prepared(db, APP_EACH, sql, err);
    if (!s)
        return -1;
    users_bind(s, 1, user);
    while (!stop && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct app_password p = {text_of(s, 0), text_of(s, 3), sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2)};
        stop = fn(arg, &p);
    }
    int ret = stop || rc == SQLITE_DONE ? 0 : users_trouble(db, err);
    users_done(s);
    return ret;
}

int app_password_match(struct users *db, struct span user, struct span password, char label[APP_LABEL_MAX + 1], struct err *err)
{
    static const char sql[] = "SELECT label, verifier FROM app_password WHERE person = ?1 LIMIT ?2";
    int rc, found = 0;
    sqlite3_stmt *s = users_prepared(db, APP_MATCH, sql, err);
    if (!s)
        return -1;
    users_bind(s, 1, user);
    sqlite3_bind_int(s, 2, APP_PASSWORDS_MAX); /* whatever the file holds */
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        if (fits(text_of(s, 1), password)) {
            found = 1;
            snprintf(label, APP_LABEL_MAX + 1, "%s", text_of(s, 0));
        }
    if (rc != SQLITE_DONE)
        found = users_trouble(db, err);
    users_done(s);
    return found;
}
