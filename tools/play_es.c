/*
 * tools/play_es.c: H.264 and AAC out of a transport stream, as RTP of RFC 6184 and RFC 3640. The file is taken apart at the beginning: the
 * access units lie in memory, as long as the file at most.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/ts.h"
#include "tools/play.h"

enum { RTP_HEADER = 12, MTU = 1400, FU_A = 28, H264_TYPE = 0x1b, ADTS_TYPE = 0x0f, PAT_PID = 0, PAT_TABLE = 0, PMT_TABLE = 2,
	SAMPLES = 1024, ADTS_HEADER = 7, LENGTH = 4 };
static const int64_t HZ = 90000, WRAP = (int64_t)1 << 33, GAP = 10 * HZ;

/* An access unit: H.264 as NAL units behind their length in 4 octets, or a bare AAC frame. dts in 90 kHz since the file's first. */
struct unit { int64_t dts; uint32_t timestamp; size_t at, len; };

struct stream {
	uint16_t pid; bool present;
	struct play_rtp rtp;		/* on: it is wanted */
	struct unit *units; size_t n, room;
	/* while the file is taken apart */
	uint8_t *pes; size_t pes_len, pes_room;
	bool pes_open, started; uint8_t counter;
	int64_t last, at;		/* the last time stamp as it stood there; unwrapped */
	int64_t samples;		/* AAC: where the next frame begins if nothing is missing */
	uint32_t rate; uint8_t config[2];
	/* while it plays */
	size_t next;
	size_t sent, nal_end;		/* within the unit that is on its way */
	uint8_t nal_header;
};

struct es {
	struct play_source source;
	bool loop;
	uint8_t *pool; size_t len, room;
	struct stream stream[PLAY_STREAMS];
	int64_t zero, duration, pass_at, due;	/* 90 kHz */
	struct stream *now;			/* whose unit is on its way */
	uint8_t out[RTP_HEADER + LENGTH + MTU];
};

/* ---- memory ---- */

static bool
put(uint8_t **p, size_t *len, size_t *room, const void *octets, size_t n)
{
	if (*room - *len < n) {
		size_t more = (*len + n) * 2;
		uint8_t *grown = realloc(*p, more);

		if (!grown)
			return false;
		*p = grown;
		*room = more;
	}
	memcpy(*p + *len, octets, n);
	*len += n;
	return true;
}

static bool
add_unit(struct stream *s, const struct unit *u)
{
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 256;
		struct unit *more = realloc(s->units, room * sizeof(*more));

		if (!more)
			return false;
		s->units = more;
		s->room = room;
	}
	s->units[s->n++] = *u;
	return true;
}

static size_t
nal_length(const uint8_t p[LENGTH])
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* ---- which PIDs ---- */

/* The first whole section of that table on the PID. Its length without CRC, or 0. */
static size_t
find_section(const uint8_t *bytes, size_t npackets, uint16_t pid, uint8_t table, uint8_t out[TS_SECTION])
{
	size_t fill = 0;
	bool open = false;

	for (size_t i = 0; i < npackets; i++) {
		const uint8_t *p = bytes + i * TS_PACKET;
		struct ts_packet t;
		size_t from = 0, n, total;

		if (ts_pid(p) != pid || ts_parse(p, &t) < 0 || t.error || !t.len)
			continue;
		if (t.unit_start) {
			from = 1u + p[t.at];
			open = from < t.len && p[t.at + from] == table;
			fill = 0;
		}
		if (!open)
			continue;
		n = t.len - from < TS_SECTION - fill ? t.len - from : TS_SECTION - fill;
		memcpy(out + fill, p + t.at + from, n);
		fill += n;
		total = fill < 3 ? TS_SECTION + 1 : 3u + ((out[1] & 0x0fu) << 8 | out[2]);
		if (fill >= total && total >= 12 && ts_crc(out, total) == 0)
			return total - 4;
	}
	return 0;
}

/* The first program's first H.264 and first AAC stream. */
static void
find_streams(struct es *es, const uint8_t *bytes, size_t npackets)
{
	uint8_t s[TS_SECTION];
	size_t len = find_section(bytes, npackets, PAT_PID, PAT_TABLE, s), at = 8;
	uint16_t pmt;

	while (at + 4 <= len && s[at] == 0 && s[at + 1] == 0)	/* program 0: network information */
		at += 4;
	if (at + 4 > len)
		return;
	pmt = (uint16_t)((s[at + 2] & 0x1f) << 8 | s[at + 3]);
	len = find_section(bytes, npackets, pmt, PMT_TABLE, s);
	if (len < 12)
		return;
	for (at = 12u + ((s[10] & 0x0fu) << 8 | s[11]); at + 5 <= len; at += 5u + ((s[at + 3] & 0x0fu) << 8 | s[at + 4])) {
		struct stream *st = s[at] == H264_TYPE ? &es->stream[PLAY_H264] : s[at] == ADTS_TYPE ? &es->stream[PLAY_AAC] : NULL;

		if (!st || st->present)
			continue;
		st->present = true;
		st->pid = (uint16_t)((s[at + 1] & 0x1f) << 8 | s[at + 2]);
	}
}

/* ---- access units ---- */

/* The 33 bits of a stream, unwrapped; over a break of the clock time goes on as if there were none. */
static int64_t
unwrap(struct stream *s, int64_t stamp)
{
	int64_t step = stamp - s->last;

	step += step < -WRAP / 2 ? WRAP : step > WRAP / 2 ? -WRAP : 0;
	if (!s->started)
		s->at = stamp;
	else if (step > -GAP && step < GAP)
		s->at += step;
	s->started = true;
	s->last = stamp;
	return s->at;
}

/* Where the next start code is, or the end; *len is that of the code. */
static size_t
start_code(const uint8_t *p, size_t at, size_t end, size_t *len)
{
	for (; at + 3 <= end; at++)
		if (p[at] == 0 && p[at + 1] == 0 && p[at + 2] == 1) {
			*len = 3;
			return at;
		}
	*len = 0;
	return end;
}

/* A PES packet holds one access unit: RFC 6184 wants NAL units without what ISO 14496-10 annex B puts around them. */
static bool
take_picture(struct es *es, struct stream *s, const uint8_t *p, size_t end, int64_t pts, int64_t dts)
{
	struct unit u = { .dts = dts, .timestamp = (uint32_t)pts, .at = es->len };
	size_t code, at = start_code(p, 0, end, &code);

	while (at < end) {
		size_t from = at + code, stop = start_code(p, from, end, &code), n = stop - from;

		while (n && p[from + n - 1] == 0)	/* zero octets before the next start code, or at the end */
			n--;
		if (n && (!put(&es->pool, &es->len, &es->room, (uint8_t[LENGTH]){ (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
		    (uint8_t)n }, LENGTH) || !put(&es->pool, &es->len, &es->room, p + from, n)))
			return false;
		at = stop;
	}
	u.len = es->len - u.at;
	return u.len == 0 || add_unit(s, &u);
}

static const uint32_t rates[16] = { 96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350 };

/*
 * The frames of a PES packet; its time is the first one's, the others follow without a gap. Where the file is off by less than ten
 * milliseconds (times are rounded to 90 kHz) the samples go on being counted.
 */
static bool
take_frames(struct es *es, struct stream *s, const uint8_t *p, size_t end, int64_t pts)
{
	bool first = true;

	for (size_t at = 0; at + ADTS_HEADER <= end; ) {
		size_t len = (p[at + 3] & 3u) << 11 | (size_t)p[at + 4] << 3 | p[at + 5] >> 5, head = p[at + 1] & 1 ? ADTS_HEADER : ADTS_HEADER + 2;
		uint32_t rate = rates[p[at + 2] >> 2 & 15];
		struct unit u = { .at = es->len };
		int64_t here;

		if (p[at] != 0xff || (p[at + 1] & 0xf6) != 0xf0 || len <= head || len > end - at || !rate || (p[at + 6] & 3)) {
			at++;	/* not the begin of a frame, or one of several blocks: look for the next */
			continue;
		}
		here = pts / HZ * rate + pts % HZ * rate / HZ;
		if (!s->rate || (first && (here - s->samples > rate / 100 || s->samples - here > rate / 100)))
			s->samples = here;
		if (!s->rate) {	/* AudioSpecificConfig, ISO 14496-3 1.6.2.1: object type, frequency index, channels */
			unsigned config = ((p[at + 2] >> 6) + 1u) << 11 | (p[at + 2] >> 2 & 15u) << 7 | ((p[at + 2] & 1u) << 2 | p[at + 3] >> 6) << 3;
			s->config[0] = (uint8_t)(config >> 8);
			s->config[1] = (uint8_t)config;
			s->rate = rate;
		}
		u.dts = s->samples / rate * HZ + s->samples % rate * HZ / rate;
		u.timestamp = (uint32_t)s->samples;
		u.len = len - head;
		if (!put(&es->pool, &es->len, &es->room, p + at + head, u.len) || !add_unit(s, &u))
			return false;
		s->samples += SAMPLES;
		first = false;
		at += len;
	}
	return true;
}

static int64_t
stamp_of(const uint8_t *p)
{
	return (int64_t)(p[0] >> 1 & 7) << 30 | (int64_t)p[1] << 22 | (int64_t)(p[2] >> 1) << 15 | p[3] << 7 | p[4] >> 1;
}

/* ISO 13818-1 2.4.3.6. One without a time stamp belongs to nothing that we know the time of. */
static bool
take_pes(struct es *es, struct stream *s)
{
	const uint8_t *p = s->pes;
	size_t len = s->pes_len, head;
	int64_t pts, dts, late;

	s->pes_len = 0;
	if (!s->pes_open || len < 9 || p[0] || p[1] || p[2] != 1 || (p[6] & 0xc0) != 0x80 || !(p[7] & 0x80))
		return true;
	head = 9u + p[8];
	if (head > len || p[8] < (p[7] & 0x40 ? 10 : 5))
		return true;
	pts = stamp_of(p + 9);
	dts = p[7] & 0x40 ? stamp_of(p + 14) : pts;
	late = (pts - dts + WRAP) % WRAP;	/* of the picture, after it was decoded */
	dts = unwrap(s, dts);
	return s == &es->stream[PLAY_H264] ? take_picture(es, s, p + head, len - head, dts + late, dts) :
	    take_frames(es, s, p + head, len - head, dts);
}

static bool
take_packet(struct es *es, struct stream *s, const uint8_t *p)
{
	struct ts_packet t;

	if (ts_parse(p, &t) < 0 || t.error || t.scrambling || !t.len)
		return true;
	if (s->pes_open && t.counter == s->counter && !t.unit_start)
		return true;	/* sent twice */
	s->counter = t.counter;
	if (t.unit_start) {
		if (!take_pes(es, s))
			return false;
		s->pes_open = true;
	}
	return !s->pes_open || put(&s->pes, &s->pes_len, &s->pes_room, p + t.at, t.len);
}

static int
take_apart(struct es *es, const uint8_t *bytes, size_t npackets, struct gw_err *err)
{
	bool good = true;

	for (size_t i = 0; good && i < npackets; i++)
		for (size_t k = 0; good && k < PLAY_STREAMS; k++)
			if (es->stream[k].present && ts_pid(bytes + i * TS_PACKET) == es->stream[k].pid)
				good = take_packet(es, &es->stream[k], bytes + i * TS_PACKET);
	for (size_t k = 0; k < PLAY_STREAMS; k++) {
		good = good && take_pes(es, &es->stream[k]);
		free(es->stream[k].pes);
		es->stream[k].pes = NULL;
	}
	return good ? 0 : gw_fail(err, GW_ESYS, "no memory");
}

/* All streams of the file count, sent or not, so that two players of one file stay together. */
static void
settle(struct es *es)
{
	int64_t end = INT64_MIN;

	es->zero = INT64_MAX;
	for (size_t k = 0; k < PLAY_STREAMS; k++) {
		const struct stream *s = &es->stream[k];
		int64_t frame = s->rate ? SAMPLES * HZ / s->rate : s->n > 1 ? s->units[s->n - 1].dts - s->units[s->n - 2].dts : HZ / 25;

		if (!s->n)
			continue;
		if (s->units[0].dts < es->zero)
			es->zero = s->units[0].dts;
		if (s->units[s->n - 1].dts + frame > end)
			end = s->units[s->n - 1].dts + frame;
	}
	es->duration = end > es->zero ? end - es->zero : 0;
}

/* ---- playing ---- */

/* The stream whose next unit is due first; NULL at the end of the pass. */
static struct stream *
first_due(struct es *es)
{
	struct stream *first = NULL;

	for (size_t k = 0; k < PLAY_STREAMS; k++) {
		struct stream *s = &es->stream[k];

		if (s->rtp.on && s->next < s->n && (!first || s->units[s->next].dts < first->units[first->next].dts))
			first = s;
	}
	return first;
}

/* RFC 6184: a NAL unit alone (5.6) or in fragments, FU-A (5.8), which carry its header octet in their first two. Octets of payload. */
static size_t
put_h264(const struct es *es, struct stream *s, uint8_t *out)
{
	const uint8_t *p = es->pool + s->units[s->next].at;
	bool begin = s->sent == s->nal_end;
	size_t n, head = 0;

	if (begin) {
		s->nal_end = s->sent + LENGTH + nal_length(p + s->sent);
		s->sent += LENGTH;
	}
	n = s->nal_end - s->sent;
	if (!begin || n > MTU) {
		if (begin)
			s->nal_header = p[s->sent++];
		n = s->nal_end - s->sent < MTU - 2 ? s->nal_end - s->sent : MTU - 2;
		out[0] = (uint8_t)((s->nal_header & 0xe0) | FU_A);
		out[1] = (uint8_t)((begin ? 0x80 : 0) | (s->sent + n == s->nal_end ? 0x40 : 0) | (s->nal_header & 0x1f));
		head = 2;
	}
	memcpy(out + head, p + s->sent, n);
	s->sent += n;
	return head + n;
}

/* RFC 3640 3.3.6, AAC-hbr: one frame a packet, or a fragment of one: each states the size of the whole. */
static size_t
put_aac(const struct es *es, struct stream *s, uint8_t *out)
{
	const struct unit *u = &s->units[s->next];
	size_t n = u->len - s->sent < MTU - LENGTH ? u->len - s->sent : MTU - LENGTH;

	memcpy(out, (uint8_t[LENGTH]){ 0, 16, (uint8_t)(u->len >> 5), (uint8_t)(u->len << 3) }, LENGTH);
	memcpy(out + LENGTH, es->pool + u->at + s->sent, n);
	s->sent += n;
	return LENGTH + n;
}

static void
put_header(struct es *es, struct stream *s, bool last)
{
	const struct unit *u = &s->units[s->next];
	int64_t clock = s->rate ? s->rate : HZ;
	uint32_t timestamp = s->rtp.timestamp + u->timestamp + (uint32_t)(es->pass_at / HZ * clock + es->pass_at % HZ * clock / HZ);
	uint32_t ssrc = s->rtp.ssrc;
	uint16_t sequence = s->rtp.sequence++;

	memcpy(es->out, (uint8_t[RTP_HEADER]){ 0x80, (uint8_t)((last ? 0x80 : 0) | s->rtp.payload_type), (uint8_t)(sequence >> 8), (uint8_t)sequence,
	    (uint8_t)(timestamp >> 24), (uint8_t)(timestamp >> 16), (uint8_t)(timestamp >> 8), (uint8_t)timestamp,
	    (uint8_t)(ssrc >> 24), (uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8), (uint8_t)ssrc }, RTP_HEADER);
}

/* The unit that is on its way, or the next. NULL at the end. */
static struct stream *
unit_on_its_way(struct es *es)
{
	if (es->now)
		return es->now;
	es->now = first_due(es);
	if (!es->now && es->loop) {
		es->pass_at += es->duration;
		for (size_t k = 0; k < PLAY_STREAMS; k++)
			es->stream[k].next = 0;
		es->now = first_due(es);
	}
	if (es->now)
		es->now->sent = es->now->nal_end = 0;
	return es->now;
}

/* A whole access unit is due at its decoding time. */
static int
next(struct play_source *source, struct play_datagram *d, struct gw_err *err)
{
	struct es *es = (struct es *)source;
	struct stream *s = unit_on_its_way(es);
	size_t len;
	bool last;

	(void)err;
	if (!s)
		return 0;
	if (es->pass_at + s->units[s->next].dts - es->zero > es->due)
		es->due = es->pass_at + s->units[s->next].dts - es->zero;
	len = (s == &es->stream[PLAY_H264] ? put_h264 : put_aac)(es, s, es->out + RTP_HEADER);
	last = s->sent == s->units[s->next].len;
	put_header(es, s, last);
	*d = (struct play_datagram){ .due_ns = es->due / 9 * 100000 + es->due % 9 * 100000 / 9, .p = es->out, .len = RTP_HEADER + len,
		.stream = (unsigned)(s - es->stream) };
	if (last) {
		s->next++;
		es->now = NULL;
	}
	return 1;
}

static void
es_free(struct play_source *source)
{
	struct es *es = (struct es *)source;

	for (size_t k = 0; k < PLAY_STREAMS; k++)
		free(es->stream[k].units);
	free(es->pool);
	free(es);
}

/* ---- what a session description must say of them ---- */

static char *
put_base64(char *o, const uint8_t *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);

		*o++ = digits[v >> 18];
		*o++ = digits[v >> 12 & 63];
		*o++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*o++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*o = '\0';
	return o;
}

/* The first NAL unit of that type in the first picture; parameter sets of more than a few octets do not exist. */
static const uint8_t *
find_nal(const struct es *es, unsigned type, size_t *len)
{
	const struct unit *u = es->stream[PLAY_H264].units;
	const uint8_t *p = es->pool + u->at;

	for (size_t at = 0; at + LENGTH < u->len; at += LENGTH + nal_length(p + at))
		if ((p[at + LENGTH] & 0x1fu) == type) {
			*len = nal_length(p + at);
			return p + at + LENGTH;
		}
	return NULL;
}

bool
play_es_fmtp(const struct play_source *source, enum play_stream which, char out[PLAY_FMTP])
{
	const struct es *es = (const struct es *)source;
	size_t nsps, npps;
	const uint8_t *sps, *pps;
	char *o = out;

	if (!es->stream[which].n)
		return false;
	if (which == PLAY_AAC) {
		snprintf(out, PLAY_FMTP, "config=%02x%02x", es->stream[which].config[0], es->stream[which].config[1]);
		return true;
	}
	if (!(sps = find_nal(es, 7, &nsps)) || !(pps = find_nal(es, 8, &npps)) || nsps < 4 || nsps + npps > PLAY_FMTP / 2)
		return false;
	o += snprintf(o, PLAY_FMTP, "packetization-mode=1; profile-level-id=%02X%02X%02X; sprop-parameter-sets=", sps[1], sps[2], sps[3]);
	o = put_base64(o, sps, nsps);
	*o++ = ',';
	put_base64(o, pps, npps);
	return true;
}

struct play_source *
play_es(const uint8_t *bytes, size_t len, bool loop, const struct play_rtp rtp[PLAY_STREAMS], struct gw_err *err)
{
	static const char *const names[PLAY_STREAMS] = { [PLAY_H264] = "H.264", [PLAY_AAC] = "AAC" };
	struct es *es;
	int rc = 0;

	if (play_ts_check(bytes, len / TS_PACKET, err) < 0)
		return NULL;
	if (!(es = calloc(1, sizeof(*es)))) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	es->source = (struct play_source){ next, es_free };
	es->loop = loop;
	find_streams(es, bytes, len / TS_PACKET);
	rc = take_apart(es, bytes, len / TS_PACKET, err);
	settle(es);
	for (size_t k = 0; k < PLAY_STREAMS && rc == 0; k++) {
		es->stream[k].rtp = rtp[k];
		if (rtp[k].on && !es->stream[k].n)
			rc = gw_fail(err, GW_ECONF, "has no %s in the first program that its PAT names", names[k]);
	}
	if (rc < 0) {
		es_free(&es->source);
		return NULL;
	}
	return &es->source;
}
