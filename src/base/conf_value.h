/* conf_value: addresses, networks, paths, times and sizes out of text. Pure; for the files of conf and for checks. */
#ifndef BASE_CONF_VALUE_H
#define BASE_CONF_VALUE_H

#include <stdio.h>

#include "base/span.h"

struct conf_address { /* of ADDRESS:PORT */
    bool v6;
    unsigned char ip[16]; /* 4 of them when !v6 */
    uint16_t port;
};

/* "127.0.0.1:110", "[::1]:995". Names are none: what they stand for may change while the server runs. NULL, or what is wrong. */
const char *conf_address_read(struct span text, struct conf_address *a);
bool conf_address_wildcard(const struct conf_address *a);
bool conf_address_loopback(const struct conf_address *a);
/* Both cannot be listened on at once: one port, and one address or one of the two stands for all. */
bool conf_address_clash(const struct conf_address *a, const struct conf_address *b);

/* "127.0.0.0/8", "::1", "2001:db8::/32"; no bits beyond the prefix. NULL, or what is wrong. */
const char *conf_network_read(struct span text, struct conf_address *network, unsigned *prefix);

/* "500ms", "30s", "10m", "2h", "14d"; a bare number is seconds. false: no time, or beyond 2^64 ms. */
bool conf_time_read(struct span text, uint64_t *ms);
void conf_time_print(uint64_t ms, FILE *to);
/* "30d", "30": whole days. Printed "never" for CONF_NEVER. */
bool conf_days_read(struct span text, uint64_t *days);
void conf_days_print(uint64_t days, FILE *to);
/* "4096", "64k", "8M", "1G". */
bool conf_size_read(struct span text, uint64_t *bytes);
void conf_size_print(uint64_t bytes, FILE *to);

/* The path without "//", "/./" and a slash at its end; NULL (and *why) if it is not absolute or has "..". Free with mem_free. */
char *conf_path_read(struct span text, const char **why);

/* Cuts the next word (no blanks) off `s`; empty at the end. */
struct span conf_word(struct span *s);

#endif
