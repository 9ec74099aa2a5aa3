/* import: `bustia import USER SOURCE`: the messages of a Maildir, an mbox or a folder of .eml files into a mailbox,
 * nothing twice. */
#ifndef TOOL_IMPORT_H
#define TOOL_IMPORT_H

#include "tool/tool.h"

int tool_import(const struct tool *t, int argc, char **argv);

#endif
