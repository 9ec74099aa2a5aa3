/* clock: what time it is. The only place that asks the system, so that tests can step the clock
 * and nothing depends on wall-clock time by accident. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

uint64_t clock_ms(void); /* monotonic milliseconds, for every timer and deadline */
uint64_t clock_us(void); /* monotonic microseconds, for measuring */

/* Wall-clock time: only for stamps that people or other programs read. The one function. */
struct timespec clock_wall(void);
/* The same as of the last tick, from which the kernel stamps files, and how long a tick is. */
struct timespec clock_tick(void);
struct timespec clock_tick_length(void);

/* UTC, by the proleptic Gregorian calendar. Not gmtime: that reads the time zone's file, which a sealed role has not. */
struct clock_date {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
    int weekday; /* 0: Sunday */
};
struct clock_date clock_date(int64_t seconds); /* since 1970 */

/* As a header says it (RFC 5322 §3.3): "Tue, 24 Nov 2026 15:00:00 +0000". */
enum { CLOCK_HEADER = 40 };
void clock_header(int64_t seconds, char out[CLOCK_HEADER]);

#endif
