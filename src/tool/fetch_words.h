/* fetch_words: what a collector says, in words for a person. Pure. */
#ifndef TOOL_FETCH_WORDS_H
#define TOOL_FETCH_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "fetch/collect.h"

enum { FETCH_WORD = 32, FETCH_SENTENCE = 640 };

void fetch_size(uint64_t octets, char out[FETCH_WORD]);  /* "512 B", "3.4 kB", "12 MB" */
void fetch_time(uint64_t seconds, char out[FETCH_WORD]); /* "0:42", "1:02:03" */
void fetch_span(uint64_t seconds, char out[FETCH_WORD]); /* "42 s", "7 min", "3 h", "12 d" */
const char *fetch_s(uint64_t n);                         /* the plural's "s" */

/* How an account's check ended, for the exit status and for programs. */
enum fetch_result { FETCH_WELL, FETCH_FOR_NOW, FETCH_REFUSED, FETCH_MISCONFIGURED, FETCH_RESULTS };
enum fetch_result fetch_result(const struct event *done);
const char *fetch_result_name(enum fetch_result r); /* "ok", "failed", "refused", "configuration" */
int fetch_result_status(enum fetch_result r);

/* The sentence about an event that is worth a line, to follow the account's name. false: it is worth none. */
bool fetch_sentence(enum collect_what what, const struct event *e, char out[FETCH_SENTENCE]);
/* It tells of trouble. */
bool fetch_trouble(const struct event *e);
const char *fetch_event_name(enum event_kind kind); /* "listed" */

/* What all accounts together came to. */
struct fetch_sum {
    unsigned accounts, result[FETCH_RESULTS];
    uint64_t fetched, deleted, failed;
    bool interrupted;
};
void fetch_sum_add(struct fetch_sum *s, const struct event *done);
/* What a person must mend counts before what may pass by itself. `exit_new`: 1 where all is well and nothing was new.
 */
int fetch_sum_status(const struct fetch_sum *s, bool exit_new);
void fetch_sum_sentence(enum collect_what what, const struct fetch_sum *s, char out[FETCH_SENTENCE]);

#endif
