/* fetch_crew: the processes at work, side by side: checks of accounts, and the commands that tell their owner. A
 * bounded number at a time; the rest waits its turn. What happens to one never stops another. */
#ifndef TOOL_FETCH_CREW_H
#define TOOL_FETCH_CREW_H

#include "base/loop.h"
#include "fetch/collect.h"

enum { CREW_MOST = 64, CREW_COMMAND_MS = 60000, CREW_END_MS = 5000 };

struct crew;

struct crew_rules {
    struct loop *loop;                   /* the crew takes its SIGCHLD */
    unsigned most;                       /* checks at one time */
    bool apart;                          /* each in a process group of its own, without the terminal */
    void (*began)(void *arg, void *tag); /* its turn has come */
    void (*event)(void *arg, void *tag, const struct event *e); /* all but EVENT_DONE */
    /* The end of a check, once its process is gone: EVENT_DONE, as it said or as became of it. */
    void (*ended)(void *arg, void *tag, const struct event *done);
    void (*idle)(void *arg); /* nothing is at work any more, nothing waits */
    void *arg;
};

struct crew *crew_new(const struct crew_rules *rules);
void crew_free(struct crew *c); /* nothing is at work any more */

/* What job points to lives until `ended`. */
void crew_check(struct crew *c, const struct collect_job *job, void *tag);
/* Ends it after CREW_COMMAND_MS. false: it could not be started. */
bool crew_command(struct crew *c, const char *command, char *const environment[], struct err *err);
unsigned crew_busy(const struct crew *c); /* at work or waiting */
/* Asks all to end, ends those that do not, forgets what waits: `ended` is called for each. */
void crew_end(struct crew *c);

#endif
