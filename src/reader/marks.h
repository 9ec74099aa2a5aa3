/* marks: what the collector knows of a server's messages, for a list. */
#ifndef READER_MARKS_H
#define READER_MARKS_H

#include "base/accounts.h"
#include "base/drop.h"

/* A letter for each message, freed by mem_free: "c" collected, "h" its head alone, "s" passed over ("mark-seen"), "q"
 * in quarantine, "-" seen and not collected, " " new. NULL: ERR_GONE, nothing was ever collected, or what seen_open and
 * seen_each say. */
char *marks_of(const struct accounts *all, const struct account *a, const struct drop *d, struct err *err);

#endif
