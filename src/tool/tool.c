/* tool: see the header. */
#include "tool/tool.h"

#include <stdarg.h>

#include "base/log.h"

int tool_fail(const struct err *err)
{
    fprintf(stderr, "bustia: %s\n", err->text);
    return err_row(err->kind)->exit_status;
}

int tool_wrong(const char *usage, const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "bustia: %s\n", text);
    return tool_usage(usage);
}

int tool_no_option(const char *usage, const char *word, const char *const *names)
{
    const char *near = conf_nearest_option(word, names);
    if (near)
        return tool_wrong(usage, "there is no option %s; did you mean %s?", log_quote(span_of(word)), near);
    return tool_wrong(usage, "there is no option %s", log_quote(span_of(word)));
}

int tool_usage(const char *text)
{
    fprintf(stderr, "usage: bustia %s\n", text);
    return err_row(ERR_USAGE)->exit_status;
}
