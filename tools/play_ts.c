/* tools/play_ts.c: a transport stream at the pace of its PCRs */
#include <stdlib.h>
#include <string.h>
#include "proto/rtp.h"
#include "proto/ts.h"
#include "tools/play.h"

enum { PER_DATAGRAM = 7, RTP_MP2T = 33 };
static const int64_t PCR_HZ = 27000000, PCR_WRAP = ((int64_t)1 << 33) * 300;
/* ISO 13818-1 wants a PCR every 100 ms; files with one a second exist. What is further apart is another clock. */
static const int64_t GAP = 10 * PCR_HZ;

struct anchor { size_t packet; int64_t at; };	/* in ticks of 27 MHz since the first packet */

struct ts {
	struct play_source source;
	const uint8_t *bytes;
	size_t npackets;
	bool loop;
	struct anchor *anchors; size_t nanchors, room;
	int64_t duration;
	/* where we are */
	size_t packet, anchor;
	int64_t pass_at;		/* begin of this pass */
	struct play_rtp rtp;
	struct pid { uint8_t last, add; bool seen, here, marked; } pids[TS_PIDS];	/* ever met; met, marked in this pass */
	uint8_t out[RTP_HEADER + PER_DATAGRAM * TS_PACKET];
};

static bool
has_payload(const uint8_t *p)
{
	return p[3] & TS_PAYLOAD;
}

static bool
has_pcr(const uint8_t *p)
{
	return (p[3] & TS_ADAPTATION) && p[4] >= 7 && (p[5] & 0x10);
}

static int64_t
pcr_of(const uint8_t *p)
{
	int64_t base = (int64_t)p[6] << 25 | (int64_t)p[7] << 17 | (int64_t)p[8] << 9 | (int64_t)p[9] << 1 | p[10] >> 7;

	return base * 300 + ((p[10] & 1) << 8 | p[11]);
}

/* ---- the timetable ---- */

/* Linear between its anchors; before the first and after the last as beside them. */
static int64_t
time_between(const struct anchor *a, const struct anchor *b, size_t packet)
{
	int64_t ticks = b->at - a->at, n = (int64_t)(b->packet - a->packet), i = (int64_t)packet - (int64_t)a->packet;

	/* not ticks * i / n, which long gaps of fast streams would overflow */
	return a->at + ticks / n * i + ticks % n * i / n;
}

static int
add_anchor(struct ts *ts, size_t packet, int64_t at)
{
	if (ts->nanchors == ts->room) {
		size_t room = ts->room ? ts->room * 2 : 64;
		struct anchor *more = realloc(ts->anchors, room * sizeof(*more));

		if (!more)
			return -1;
		ts->anchors = more;
		ts->room = room;
	}
	ts->anchors[ts->nanchors++] = (struct anchor){ packet, at };
	return 0;
}

/*
 * One anchor for each PCR of the clock that goes on; at a break of the clock the pace before it goes on to the first PCR of the new
 * clock, from which it is measured again.
 */
static int
make_anchors(struct ts *ts, struct gw_err *err)
{
	int pid = -1;
	int64_t last_pcr = 0;
	size_t npcr = 0;

	for (size_t i = 0; i < ts->npackets; i++) {
		const uint8_t *p = ts->bytes + i * TS_PACKET;
		const struct anchor *end = ts->nanchors ? &ts->anchors[ts->nanchors - 1] : NULL;
		int64_t pcr, step, at;

		if (!has_pcr(p) || (pid >= 0 && ts_pid(p) != (unsigned)pid))
			continue;
		pcr = pcr_of(p);
		npcr++;
		step = (pcr - last_pcr + PCR_WRAP) % PCR_WRAP;
		last_pcr = pcr;
		pid = (int)ts_pid(p);
		if (!end) {
			at = 0;
		} else if (!(p[5] & 0x80) && step < GAP) {	/* discontinuity_indicator */
			at = end->at + step;
		} else if (ts->nanchors > 1) {
			at = time_between(end - 1, end, i);
		} else {
			ts->nanchors = 0;	/* no pace to go on with: begin at this one */
			at = 0;
		}
		if (add_anchor(ts, i, at) < 0)
			return gw_fail(err, GW_ESYS, "no memory");
	}
	if (ts->nanchors < 2 || ts->anchors[ts->nanchors - 1].at == 0)
		return gw_fail(err, GW_ECONF, "has %zu PCR%s: without two of one clock its pace is not known", npcr,
		    npcr == 1 ? "" : "s");
	return 0;
}

/* Shifts the timetable so that packet 0 is at 0; the whole lasts until where packet n would be. */
static void
settle(struct ts *ts)
{
	const struct anchor *a = ts->anchors, *z = a + ts->nanchors - 1;
	int64_t zero = time_between(a, a + 1, 0);

	for (size_t i = 0; i < ts->nanchors; i++)
		ts->anchors[i].at -= zero;
	ts->duration = time_between(z - 1, z, ts->npackets);
}

/* Packets are asked for in order, so the anchors are walked along. */
static int64_t
time_of(struct ts *ts, size_t packet)
{
	if (packet == 0)
		ts->anchor = 0;
	while (ts->anchor + 2 < ts->nanchors && ts->anchors[ts->anchor + 1].packet <= packet)
		ts->anchor++;
	return ts->pass_at + time_between(&ts->anchors[ts->anchor], &ts->anchors[ts->anchor + 1], packet);
}

/* ---- playing ---- */

static void
next_pass(struct ts *ts)
{
	ts->packet = 0;
	ts->pass_at += ts->duration;
	for (size_t pid = 0; pid < TS_PIDS; pid++)
		ts->pids[pid].here = ts->pids[pid].marked = false;
}

/* One offset for a PID and pass: repeated packets and losses of the file itself stay as they are. */
static void
continue_counter(struct pid *pid, uint8_t *p)
{
	unsigned cc = p[3] & 15u;

	if (!pid->here && pid->seen)
		pid->add = (uint8_t)((pid->last + has_payload(p) - cc) & 15u);
	pid->here = pid->seen = true;
	pid->last = (uint8_t)((cc + pid->add) & 15u);
	p[3] = (uint8_t)((p[3] & 0xf0u) | pid->last);
}

static void
put_packet(struct ts *ts, uint8_t *p)
{
	struct pid *pid;

	memcpy(p, ts->bytes + ts->packet++ * TS_PACKET, TS_PACKET);
	pid = &ts->pids[ts_pid(p)];
	if (ts_pid(p) != TS_NULL)
		continue_counter(pid, p);
	if (ts->pass_at > 0 && has_pcr(p) && !pid->marked) {
		p[5] |= 0x80;	/* discontinuity_indicator */
		pid->marked = true;
	}
}

static void
put_rtp(struct ts *ts, uint8_t *p, int64_t at)
{
	uint32_t timestamp = ts->rtp.timestamp + (uint32_t)(at / 300), ssrc = ts->rtp.ssrc;
	uint16_t sequence = ts->rtp.sequence++;

	memcpy(p, (uint8_t[RTP_HEADER]){ 0x80, RTP_MP2T, (uint8_t)(sequence >> 8), (uint8_t)sequence,
	    (uint8_t)(timestamp >> 24), (uint8_t)(timestamp >> 16), (uint8_t)(timestamp >> 8), (uint8_t)timestamp,
	    (uint8_t)(ssrc >> 24), (uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8), (uint8_t)ssrc }, RTP_HEADER);
}

/* A datagram is due with its first packet; in a loop it may hold the end of one pass and the beginning of the next. */
static int
next(struct play_source *source, struct play_datagram *d, struct gw_err *err)
{
	struct ts *ts = (struct ts *)source;
	uint8_t *p = ts->out;
	int64_t at;
	int n = 0;

	(void)err;
	if (ts->packet == ts->npackets && !ts->loop)
		return 0;
	if (ts->packet == ts->npackets)
		next_pass(ts);
	at = time_of(ts, ts->packet);
	if (ts->rtp.on) {
		put_rtp(ts, p, at);
		p += RTP_HEADER;
	}
	for (; n < PER_DATAGRAM; n++, p += TS_PACKET) {
		if (ts->packet == ts->npackets && !ts->loop)
			break;
		if (ts->packet == ts->npackets)
			next_pass(ts);
		put_packet(ts, p);
	}
	*d = (struct play_datagram){ .due_ns = at / 27 * 1000 + at % 27 * 1000 / 27, .p = ts->out, .len = (size_t)(p - ts->out) };
	return 1;
}

static void
ts_free(struct play_source *source)
{
	struct ts *ts = (struct ts *)source;

	free(ts->anchors);
	free(ts);
}

int
play_ts_check(const uint8_t *bytes, size_t n, struct gw_err *err)
{
	if (n == 0)
		return gw_fail(err, GW_ECONF, "has not one whole transport stream packet");
	for (size_t i = 0; i < n; i++)
		if (bytes[i * TS_PACKET] != TS_SYNC)
			return gw_fail(err, GW_ECONF, "is no transport stream of 188-octet packets: no sync octet at offset %zu",
			    i * TS_PACKET);
	return 0;
}

struct play_source *
play_ts(const uint8_t *bytes, size_t len, bool loop, const struct play_rtp *rtp, struct gw_err *err)
{
	struct ts *ts;

	if (play_ts_check(bytes, len / TS_PACKET, err) < 0)
		return NULL;
	ts = calloc(1, sizeof(*ts));
	if (!ts) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	ts->source = (struct play_source){ next, ts_free };
	ts->bytes = bytes;
	ts->npackets = len / TS_PACKET;
	ts->loop = loop;
	ts->rtp = *rtp;
	if (make_anchors(ts, err) < 0) {
		ts_free(&ts->source);
		return NULL;
	}
	settle(ts);
	return &ts->source;
}
