/* user_terms: on what terms somebody may log in, and keep his mail: --pop3, --login-delay, --expire. */
#ifndef TOOL_USER_TERMS_H
#define TOOL_USER_TERMS_H

#include "tool/user_state.h"

/* What the options say into u; where they say nothing it stays. ERR_USAGE. */
int user_terms_take(const struct user_options *o, struct user *u, struct err *err);
/* The lines of `bustia user show`. */
void user_terms_print(const struct conf *conf, const struct user *u);

#endif
