/* lib/emmg_pace.c: see emmg_pace.h */
#include "lib/emmg_pace.h"
#include "lib/emmg_chan.h"

/* A token bucket this deep: time that a late timer lost is caught up, an idle minute is not. */
enum { SLACK_US = 20 * 1000, TS = 188, TS_PAYLOAD = 184 };

uint64_t
emmg_pace_bits(uint8_t format, size_t len)
{
	if (format == EMMG_SECTION)
		return 8 * TS * (((uint64_t)len + 1 + TS_PAYLOAD - 1) / TS_PAYLOAD);
	return 8 * (uint64_t)len;
}

void
emmg_pace_rate(struct emmg_pace *p, uint32_t bps, int64_t now)
{
	int64_t wait = p->next_us > now ? p->next_us - now : 0;

	if (p->bps && bps)	/* a message is 65,540 octets, 524 s at 1 kbit/s: no overflow */
		wait = (int64_t)((uint64_t)wait * p->bps / bps);
	p->next_us = now + wait;
	p->bps = bps;
}

bool
emmg_pace_due(const struct emmg_pace *p, int64_t now)
{
	return p->bps > 0 && now >= p->next_us;
}

void
emmg_pace_spend(struct emmg_pace *p, uint64_t bits, int64_t now)
{
	int64_t from = p->next_us > now - SLACK_US ? p->next_us : now - SLACK_US;

	p->next_us = from + (int64_t)((bits * 1000000 + p->bps - 1) / p->bps);
}

int64_t
emmg_pace_next(const struct emmg_pace *p)
{
	return p->bps ? p->next_us : INT64_MAX;
}
