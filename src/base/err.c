/* err: the one table of what a failure means to POP3, SMTP, the shell and the log. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>
#include <syslog.h>

static const struct err_row rows[ERR_KINDS] = {
    /* kind                       name       POP3        SMTP     exit            log */
    [ERR_NONE]    = {ERR_NONE,    "none",    "",         "2.0.0", EX_OK,          LOG_INFO},
    [ERR_TEMP]    = {ERR_TEMP,    "temp",    "SYS/TEMP", "4.3.0", EX_TEMPFAIL,    LOG_ERR},
    [ERR_PERM]    = {ERR_PERM,    "perm",    "SYS/PERM", "5.3.0", EX_SOFTWARE,    LOG_ERR},
    [ERR_BUSY]    = {ERR_BUSY,    "busy",    "IN-USE",   "4.2.0", EX_TEMPFAIL,    LOG_INFO},
    [ERR_AUTH]    = {ERR_AUTH,    "auth",    "AUTH",     "5.7.8", EX_NOPERM,      LOG_INFO},
    [ERR_GONE]    = {ERR_GONE,    "gone",    "",         "5.1.1", EX_NOINPUT,     LOG_INFO},
    [ERR_UNKNOWN] = {ERR_UNKNOWN, "unknown", "SYS/TEMP", "4.3.0", EX_TEMPFAIL,    LOG_ERR},
    [ERR_INPUT]   = {ERR_INPUT,   "input",   "",         "5.5.2", EX_DATAERR,     LOG_INFO},
    [ERR_LIMIT]   = {ERR_LIMIT,   "limit",   "SYS/TEMP", "4.3.2", EX_TEMPFAIL,    LOG_WARNING},
    [ERR_CONFIG]  = {ERR_CONFIG,  "config",  "SYS/PERM", "5.3.5", EX_CONFIG,      LOG_ERR},
    [ERR_USAGE]   = {ERR_USAGE,   "usage",   "",         "5.5.4", EX_USAGE,       LOG_ERR},
    [ERR_DELAY]   = {ERR_DELAY,   "delay",   "LOGIN-DELAY", "4.7.0", EX_TEMPFAIL, LOG_INFO},
};

int err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    if (!err)
        return -1;
    err->kind = kind;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -1;
}

const struct err_row *err_row(enum err_kind kind)
{
    return &rows[(unsigned)kind < ERR_KINDS ? kind : ERR_TEMP];
}
