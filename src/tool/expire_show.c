/* expire_show: see the header. */
#include "tool/expire_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "tool/column.h"
#include "tool/json.h"

static void print_time(int64_t seconds)
{
    char text[40] = "?";
    time_t t = (time_t)seconds;
    struct tm tm;
    if (localtime_r(&t, &tm))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    fputs(text, stdout);
}

static void print_row(const struct expire_show *show, const struct expire_person *p, const struct expire_row *row)
{
    column_print(log_escape(span_of(p->name)), show->width);
    if (row->kind == EXPIRE_WILL) {
        printf(" %8" PRIu64 "  to be removed ", row->messages);
        if (row->due <= show->now)
            fputs("now", stdout);
        else
            print_time(row->due);
    } else if (row->err.kind == ERR_BUSY) {
        printf(" %8s  skipped: a session has the mailbox", "?");
    } else {
        printf(" %8" PRIu64 "  %s", row->messages, row->messages == 1 ? "message" : "messages");
        if (!show->plan)
            printf(", %" PRIu64 " removed", row->removed);
        printf("; they stay %" PRIu32 " day%s", p->days, p->days == 1 ? "" : "s");
        if (row->err.kind != ERR_NONE)
            printf(": %s", row->err.text);
        if (row->unkept.kind != ERR_NONE)
            printf(": %s", row->unkept.text);
    }
    putchar('\n');
}

static void print_json(const struct expire_show *show, const struct expire_person *p, const struct expire_row *row)
{
    struct json *j = json_new();
    json_text(j, "user", p->name);
    json_number(j, "days", p->days);
    json_number(j, "messages", row->messages);
    if (row->kind == EXPIRE_WILL) {
        json_time(j, "due", row->due);
        json_truth(j, "now", row->due <= show->now);
        json_line(j, stdout);
        return;
    }
    if (!show->plan)
        json_number(j, "removed", row->removed);
    json_truth(j, "skipped", row->err.kind == ERR_BUSY);
    const struct err *err = row->err.kind != ERR_NONE ? &row->err : &row->unkept;
    if (err->kind == ERR_NONE)
        json_null(j, "error");
    else
        json_text(j, "error", err->text);
    json_line(j, stdout);
}

void expire_show_row(void *arg, size_t i, const struct expire_row *row)
{
    struct expire_show *show = arg;
    const struct expire_person *p = &show->people[i];
    (show->json ? print_json : print_row)(show, p, row);
    const struct err *err = row->err.kind != ERR_NONE ? &row->err : &row->unkept;
    if (row->kind == EXPIRE_DONE && err->kind != ERR_NONE && err->kind != ERR_BUSY && show->failed++ == 0)
        err_set(&show->first, err->kind, "%s: %s", log_escape(span_of(p->name)), err->text);
}
