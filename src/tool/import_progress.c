/* import_progress: see the header. */
#include "tool/import_progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { TERMINAL_MS = 200, PLAIN_MS = 10000, FIRST_MS = 1000 };

void import_progress_clear(struct import_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

void import_progress_show(struct import_progress *p, uint64_t done, uint64_t whole)
{
    uint64_t now = clock_ms();
    bool terminal = isatty(STDERR_FILENO);
    if (!p->started) {
        p->started = now;
        p->next = now + FIRST_MS; /* what is soon over needs no show */
    }
    if (now < p->next)
        return;
    p->next = now + (terminal ? TERMINAL_MS : PLAIN_MS);
    double part = whole ? (double)done / (double)whole : 1, seconds = (double)(now - p->started) / 1000;
    unsigned left = part > 0.001 ? (unsigned)(seconds / part - seconds) : 0;
    import_progress_clear(p);
    fprintf(stderr, "%3.0f %%, %u messages, %.0f a second, %u:%02u left%s", 100 * part, p->there, p->there / seconds,
            left / 60, left % 60, terminal ? "" : "\n");
    p->shown = terminal;
    fflush(stderr);
}
