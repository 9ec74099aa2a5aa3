/* fetch_show: what is shown of accounts that are collected: on a terminal a line per account at work, written anew in
 * place, and below each other those that stay; elsewhere plain lines; JSON for programs; log lines for a daemon.
 * Nothing of an event is shown that could command a terminal, whatever a process says. */
#ifndef TOOL_FETCH_SHOW_H
#define TOOL_FETCH_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "tool/fetch_line.h"
#include "tool/fetch_words.h"

struct fetch_show;
extern const struct fetch_form fetch_terminal, fetch_plain, fetch_json, fetch_log;

struct fetch_show_rules {
    const struct fetch_form *form;
    FILE *out, *trouble; /* where it goes (what tells of trouble elsewhere, in plain lines); the caller's */
    enum collect_what what;
    bool quiet;        /* only trouble */
    int width, height; /* 0: as the terminal says */
    int name_width;    /* columns of the longest name */
};

struct fetch_show *fetch_show_new(const struct fetch_show_rules *rules);
void fetch_show_free(struct fetch_show *s);

/* An account's check begins; the line lives until EVENT_DONE was told of it. */
void fetch_show_begin(struct fetch_show *s, struct fetch_line *l, const char *name, uint64_t now);
void fetch_show_event(struct fetch_show *s, struct fetch_line *l, const struct event *e, uint64_t now);
void fetch_show_tick(struct fetch_show *s, uint64_t now); /* several times a second: what moves is shown */
void fetch_show_sum(struct fetch_show *s, const struct fetch_sum *sum, int status);
/* true: somebody is asked at the terminal; nothing is shown until it is over, nothing is lost. */
void fetch_show_hold(struct fetch_show *s, bool hold);

#endif
