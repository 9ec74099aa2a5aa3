/* secret_impl: what the files of secret share; nobody else includes it. */
#ifndef CLIENT_SECRET_IMPL_H
#define CLIENT_SECRET_IMPL_H

#include "base/buf.h"
#include "base/err.h"

enum { SECRET_LINE_MAX = 65536, SECRET_FILE_MAX = 1024 * 1024 /* of a netrc */ };

/* A copy of the first line of `in`. -1: `kind`, in words that begin with `what`: there is nothing in it, too much, or a
 * NUL. */
int secret_first_line(struct span in, const char *what, enum err_kind kind, char **text, struct err *err);

/* `words` for sh -c. `what` is the option's name: what stands in the option is nobody's to read in an error, for it may
 * hold a secret itself. ERR_TEMP. */
int secret_from_command(const char *words, const char *what, unsigned limit_ms, char **text, struct err *err);

/* The octets of a file that only we and root may read or write, up to `most` of them, into `out` (initialised here, and
 * to be freed also on failure). ERR_GONE: there is none; ERR_CONFIG: others may read it, or it cannot be read. */
int secret_read_file(const char *path, size_t most, struct buf *out, struct err *err);
int secret_from_file(const char *path, char **text, struct err *err);

/* From $NETRC or ~/.netrc. ERR_GONE: there is no such file or entry. */
int secret_from_netrc(const char *host, unsigned port, const char *user, char **text, struct err *err);

/* ERR_GONE: there is no terminal. */
int secret_from_terminal(const char *user, const char *host, char **text, struct err *err);

#endif
