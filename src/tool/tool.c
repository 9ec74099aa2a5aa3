/* tool: see the header. */
#include "tool/tool.h"

int tool_fail(const struct err *err)
{
    fprintf(stderr, "bustia: %s\n", err->text);
    return err_row(err->kind)->exit_status;
}

int tool_usage(const char *text)
{
    fprintf(stderr, "usage: bustia %s\n", text);
    return err_row(ERR_USAGE)->exit_status;
}
