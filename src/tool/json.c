/* json: see the header. */
#include "tool/json.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum { TEXT = 2048 };

/* json-c has no memory: as with ours (base/mem), there is no going on. */
static void *there(void *p)
{
    if (p)
        return p;
    fputs("no memory\n", stderr);
    abort();
}

static void add(struct json *j, const char *name, struct json_object *value)
{
    if (json_object_object_add((struct json_object *)j, name, value) < 0)
        there(NULL);
}

struct json *json_new(void)
{
    return there(json_object_new_object());
}

void json_text(struct json *j, const char *name, const char *text)
{
    char shown[TEXT];
    log_shown(text, shown, sizeof shown);
    add(j, name, there(json_object_new_string(shown)));
}

void json_number(struct json *j, const char *name, uint64_t value)
{
    add(j, name, there(json_object_new_uint64(value)));
}

void json_truth(struct json *j, const char *name, bool value)
{
    add(j, name, there(json_object_new_boolean(value)));
}

void json_null(struct json *j, const char *name)
{
    add(j, name, NULL);
}

void json_time(struct json *j, const char *name, int64_t seconds)
{
    char text[64];
    struct clock_date d = clock_date(seconds);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", d.year, d.month, d.day, d.hour, d.minute, d.second);
    if (seconds > 0)
        add(j, name, there(json_object_new_string(text)));
    else
        json_null(j, name);
}

void json_line(struct json *j, FILE *to)
{
    struct json_object *o = (struct json_object *)j;
    fputs(there((void *)json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)),
          to);
    fputc('\n', to);
    fflush(to);
    json_object_put(o);
}
