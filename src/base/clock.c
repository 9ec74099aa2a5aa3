/* clock: see the header. */
#include "base/clock.h"

#include <stdio.h>

uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_ms(void)
{
    return clock_us() / 1000;
}

struct timespec clock_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}

struct timespec clock_tick(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return t;
}

struct timespec clock_tick_length(void)
{
    struct timespec t;
    clock_getres(CLOCK_REALTIME_COARSE, &t);
    return t;
}

/* Rounds down, also before 1970. */
static int64_t divide(int64_t n, int64_t by)
{
    return n / by - (n % by < 0);
}

struct clock_date clock_date(int64_t seconds)
{
    int64_t days = divide(seconds, 86400), second = seconds - days * 86400;
    int64_t since = days + 719468; /* from 0000-03-01: the leap day ends the year */
    int64_t era = divide(since, 146097), day = since - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    int64_t month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    year += era * 400 + (month >= 10);
    month += month < 10 ? 3 : -9;
    int64_t week = days + 4; /* 1970-01-01 was a Thursday */
    return (struct clock_date){(int)year,
                               (int)month,
                               (int)day + 1,
                               (int)(second / 3600),
                               (int)(second / 60 % 60),
                               (int)(second % 60),
                               (int)(week - divide(week, 7) * 7)};
}

void clock_header(int64_t seconds, char out[CLOCK_HEADER])
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct clock_date d = clock_date(seconds);
    snprintf(out, CLOCK_HEADER, "%.3s, %d %.3s %04d %02d:%02d:%02d +0000", days + 3 * d.weekday, d.day,
             months + 3 * (d.month - 1), d.year, d.hour, d.minute, d.second);
}
