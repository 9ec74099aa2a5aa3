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

#endif
