/* passwd_file: one line of a passwd-file in Dovecot's format, taken apart. Sees no file and no database.
 *
 *     user:{SCHEME}password:uid:gid:gecos:home:shell:extra fields
 *
 * Only user and password must be there. The spans of an entry borrow from the line. */
#ifndef TOOL_PASSWD_FILE_H
#define TOOL_PASSWD_FILE_H

#include "base/err.h"
#include "base/span.h"

enum passwd_secret {
    PASSWD_CLEAR, /* the password itself: {PLAIN}, {CLEARTEXT} */
    PASSWD_CRYPT, /* libcrypt's: {CRYPT}, {SHA512-CRYPT}, …; without a scheme too, as in Dovecot */
    PASSWD_LOCKED /* "*" or "!…": nobody can log in by it */
};

struct passwd_entry {
    struct span user, secret;
    enum passwd_secret kind;
    bool has_uid, has_gid;
    uint32_t uid, gid;
    struct span home;  /* "" = none */
    struct span store; /* "maildir:/path" of userdb_mail, without its options; "" = none */
    bool nologin;      /* an extra field: who may not log in at present */
};

/* The next line of a file, without its end (LF or CRLF). false: no more. */
bool passwd_file_line(struct span *text, struct span *line);

/* 1: an entry; 0: an empty line or a comment; -1 with ERR_INPUT: what is wrong with it. */
int passwd_file_parse(struct span line, struct passwd_entry *e, struct err *err);

#endif
