/* lib/clock.c: one absolute clock for the head-end */
#include "lib/clock.h"
#include <stdio.h>
#include <time.h>

static int64_t
now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
gw_utc_us(void)
{
	return now_us(CLOCK_REALTIME);
}

int64_t
gw_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

int64_t
gw_utc_tick_us(void)
{
	return now_us(CLOCK_REALTIME_COARSE);
}

int64_t
gw_mono_tick_us(void)
{
	return now_us(CLOCK_MONOTONIC_COARSE);
}

char *
gw_utc_text(int64_t utc_us, char out[32])
{
	int64_t us = utc_us % 1000000;
	time_t s = (time_t)(utc_us / 1000000);
	struct tm tm;
	size_t n;

	if (us < 0) {	/* before 1970 the fraction still counts upwards */
		us += 1000000;
		s--;
	}
	if (!gmtime_r(&s, &tm) || (n = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &tm)) == 0)
		snprintf(out, 32, "@%lld us", (long long)utc_us);
	else
		snprintf(out + n, 32 - n, ".%06dZ", (int)us);
	return out;
}

int64_t
gw_clock_jump(struct gw_clock_watch *w, int64_t utc_us, int64_t mono_us, int64_t tolerance_us)
{
	int64_t jump = (utc_us - w->utc_us) - (mono_us - w->mono_us);
	int first = w->utc_us == 0 && w->mono_us == 0;

	/* The reference moves on with every look: NTP's slewing adds up to no jump. */
	w->utc_us = utc_us;
	w->mono_us = mono_us;
	return !first && (jump > tolerance_us || jump < -tolerance_us) ? jump : 0;
}
