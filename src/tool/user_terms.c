/* user_terms: see the header. */
#include "tool/user_terms.h"

#include <inttypes.h>
#include <string.h>

#include "base/conf_value.h"
#include "base/log.h"

enum { SECOND = 1000 };

static int wrong(const char *option, const char *value, const char *form, struct err *err)
{
    return err_set(err, ERR_USAGE, "%s: \"%.60s\" is not %s", option, log_escape(span_of(value)), form);
}

static int take_pop3(const char *value, struct user *u, struct err *err)
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return wrong("--pop3", value, "on or off", err);
    u->no_pop3 = strcmp(value, "off") == 0;
    return 0;
}

static int take_delay(const char *value, struct user *u, struct err *err)
{
    uint64_t ms = 0;
    bool none = strcmp(value, "none") == 0;
    u->has_login_delay = strcmp(value, "default") != 0;
    u->login_delay = 0;
    if (none || !u->has_login_delay)
        return 0;
    if (!conf_time_read(span_of(value), &ms) || ms % SECOND || ms / SECOND > USER_DELAY_MAX)
        return wrong("--login-delay", value, "a time of whole seconds up to 7d (for instance 5m), none or default", err);
    u->login_delay = (uint32_t)(ms / SECOND);
    return 0;
}

static int take_expire(const char *value, struct user *u, struct err *err)
{
    uint64_t days = 0;
    bool never = strcmp(value, "never") == 0;
    u->has_expire = strcmp(value, "default") != 0;
    u->expire = never ? USER_NEVER : 0;
    if (never || !u->has_expire)
        return 0;
    if (!conf_days_read(span_of(value), &days) || days > USER_DAYS_MAX)
        return wrong("--expire", value, "a number of days (for instance 30d), never or default", err);
    u->expire = (uint32_t)days;
    return 0;
}

int user_terms_take(const struct user_options *o, struct user *u, struct err *err)
{
    if (o->pop3 && take_pop3(o->pop3, u, err))
        return -1;
    if (o->login_delay && take_delay(o->login_delay, u, err))
        return -1;
    return o->expire ? take_expire(o->expire, u, err) : 0;
}

void user_terms_print(const struct conf *conf, const struct user *u)
{
    uint64_t delay = u->has_login_delay ? u->login_delay * (uint64_t)SECOND : conf->login_delay;
    uint64_t days = u->has_expire ? u->expire : conf->expire;
    printf("POP3      %s\n", u->no_pop3 ? "off (mail is delivered)" : "on");
    printf("delay     ");
    if (delay)
        conf_time_print(delay, stdout);
    printf("%s%s\n", delay ? "" : "none", u->has_login_delay ? "" : " (login_delay)");
    printf("expire    ");
    conf_days_print(days, stdout);
    printf("%s\n", u->has_expire ? "" : " (expire)");
}
