/* seen: an account's board: whose rows they are, how its last check went, when the next may begin. */
#include <stdio.h>
#include <string.h>

#include "fetch/seen_impl.h"

int seen_maildrop(struct seen *s, const char *maildrop, bool moved, struct err *err)
{
    sqlite3_stmt *p;
    if (seen_prepare(s, "SELECT maildrop, EXISTS(SELECT 1 FROM message) FROM board", &p, err))
        return -1;
    char noted[500] = "";
    bool known = false;
    int ret = sqlite3_step(p) == SQLITE_ROW ? 0 : seen_trouble(s, err);
    if (ret == 0)
        known = sqlite3_column_int(p, 1) != 0;
    if (ret == 0 && sqlite3_column_text(p, 0))
        snprintf(noted, sizeof noted, "%s", (const char *)sqlite3_column_text(p, 0));
    sqlite3_finalize(p);
    if (ret || strncmp(noted, maildrop, sizeof noted - 1) == 0)
        return ret;
    if (known && *noted && !moved) /* without a message the name may have been a mistake */
        return err_set(err, ERR_CONFIG,
                       "what was collected so far is of %s, the account names %s: give the account another name, or "
                       "say \"--moved\" if "
                       "it is the same maildrop",
                       noted, maildrop);
    if (seen_prepare(s, "UPDATE board SET maildrop = ?1", &p, err))
        return -1;
    sqlite3_bind_text(p, 1, maildrop, -1, SQLITE_STATIC);
    ret = seen_step(s, p, err);
    sqlite3_finalize(p);
    return ret;
}

int seen_board_get(struct seen *s, struct seen_board *b, struct err *err)
{
    sqlite3_stmt *p;
    if (seen_prepare(
            s, "SELECT checked, succeeded, next, fetched, left, failures, not_before, told, expires, error FROM board",
            &p, err))
        return -1;
    int ret = sqlite3_step(p) == SQLITE_ROW ? 0 : seen_trouble(s, err);
    if (ret == 0) {
        *b = (struct seen_board){
            .checked = sqlite3_column_int64(p, 0),
            .succeeded = sqlite3_column_int64(p, 1),
            .next = sqlite3_column_int64(p, 2),
            .fetched = (uint64_t)sqlite3_column_int64(p, 3),
            .left = (uint64_t)sqlite3_column_int64(p, 4),
            .failures = (uint64_t)sqlite3_column_int64(p, 5),
            .not_before = sqlite3_column_int64(p, 6),
            .told = sqlite3_column_int64(p, 7),
            .expires = sqlite3_column_int64(p, 8),
        };
        const char *error = (const char *)sqlite3_column_text(p, 9);
        snprintf(b->error, sizeof b->error, "%s", error ? error : "");
    }
    sqlite3_finalize(p);
    return ret;
}

int seen_board_put(struct seen *s, const struct seen_board *b, struct err *err)
{
    const int64_t numbers[] = {b->checked,           b->succeeded,  b->next, (int64_t)b->fetched, (int64_t)b->left,
                               (int64_t)b->failures, b->not_before, b->told, b->expires};
    sqlite3_stmt *p;
    if (seen_prepare(s,
                     "UPDATE board SET checked = ?1, succeeded = ?2, next = ?3, fetched = ?4, left = ?5, failures = ?6,"
                     " not_before = ?7, told = ?8, expires = ?9, error = ?10",
                     &p, err))
        return -1;
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sqlite3_bind_int64(p, (int)i + 1, numbers[i]);
    sqlite3_bind_text(p, 10, b->error, -1, SQLITE_STATIC);
    int ret = seen_step(s, p, err);
    sqlite3_finalize(p);
    return ret;
}

int seen_board_of(const char *state_folder, const char *account, struct seen_board *b, struct err *err)
{
    struct seen *s = NULL;
    struct seen_quiet q;
    char path[SEEN_PATH];
    bool fits = snprintf(path, sizeof path, "%s/%s.db", state_folder, account) < (int)sizeof path;
    if (fits && !strchr(account, '/') && seen_quiet_read(path, &q)) {
        *b = q.board;
        return 0;
    }
    int ret = seen_open(&s, state_folder, account, false, err) || seen_board_get(s, b, err) ? -1 : 0;
    seen_close(s);
    return ret;
}
