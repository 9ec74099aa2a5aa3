/* out_command: a command that is given the message on its standard input. It cannot be asked what it has. */
#ifndef POST_OUT_COMMAND_H
#define POST_OUT_COMMAND_H

#include "post/out.h"

enum { OUT_COMMAND_MS = 600000 };

/* `words` are run by sh -c for each message, in a process group of their own, with lines that end with LF on standard
 * input, no output, and BUSTIA_ACCOUNT (`account`), BUSTIA_UID and BUSTIA_SIZE in their environment. Exit status 0 is
 * yes; 65 and 76 (sysexits.h) no to this message for ever: ERR_INPUT; 67 ERR_GONE and others of 64-78 ERR_PERM: not its
 * fault; 75 and anything else no for now. What has not ended after limit_ms is ended with all of its group, and whether
 * it took the message is not known. The last line of its standard error goes into err. */
struct out *out_command(const char *account, const char *words, unsigned limit_ms);

#endif
