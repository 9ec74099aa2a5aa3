/* reader: the commands that read and write mail: they are a program of their own, so that what understands MIME is
 * linked nowhere else. */
#ifndef TOOL_READER_H
#define TOOL_READER_H

#include "tool/tool.h"

tool_fn tool_reader; /* list, show, save, headers, delete, send */

#endif
