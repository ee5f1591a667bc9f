/* tools/scrub.c: from frames to messages, and back into the frames */
#include "tools/scrub.h"
#include <stdlib.h>
#include <string.h>
#include "tools/dec_net.h"
#include "tools/dec_tcp.h"
#include "tools/scrub_net.h"

enum {
	KEPT = 32,		/* segments whose octets are known that are remembered for those that come again */
	SETTLED = 1 << 17,	/* octets behind the last one given out: nothing that is being put together reaches that far back */
	HALF_MAX = 1 << 16, ALL_MAX = 1 << 19,	/* segments that are remembered: of a direction, of all */
	PIECES = 1 << 14,	/* of a datagram */
	RUN = 2048,
};
#define NOWHERE UINT64_MAX

/* Octets [seq, seq + len) of a direction stand at `at` of the output, the checksum over them at sum_at (NOWHERE: none follows them). */
struct place { uint32_t seq, len; uint64_t at, sum_at; uint32_t filled; };	/* filled: octets, as far as they are counted */
struct tracked { struct place *p; size_t n, room; uint32_t top, done; bool any; };
struct tracker { struct tracked half[2]; uint64_t number; };
/* Octets [from, from + len) of an IP payload, or of the payload of TCP or UDP. */
struct piece { size_t from, len; uint64_t at; };
struct group { uint64_t born; struct ip_ends ends; uint8_t proto; uint32_t id; struct piece *p; size_t n, room; };
struct scrub {
	struct scrub_pen *pen;
	struct scrub_out *out;
	struct scrub_seen *learn;
	const struct scrub_seen *only;
	struct dec_net *net;
	struct dec_tcp *tcp;
	struct dec_msg *msg;
	struct dec_tcp_user below;		/* dec_msg's own */
	struct scrub_counts counts;
	struct group group[DEC_FRAGMENTED]; uint64_t clock;
	/* of the frame that is being read */
	struct piece *now; size_t nnow; struct piece one;
	uint64_t sum_at; bool written;
	const struct scrub_record *record; const uint8_t *in; size_t there;
	struct scrub_frame f; struct dec_segment segment;
	uint64_t connections; size_t remembered;
	uint8_t message[SIM_MAX];
	uint8_t frame[SCRUB_FRAME];
};

static int32_t
ahead(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* ---- filling in ---- */

static void
fill(struct scrub *s, uint64_t at, uint64_t sum_at, bool udp, const uint8_t *p, size_t n)
{
	uint8_t was[RUN], field[2];

	for (size_t k = 0; k < n; k += RUN) {
		size_t run = n - k < RUN ? n - k : RUN;

		if (sum_at != NOWHERE) {	/* RUN is even: what is odd in the first run is so in each */
			uint16_t sum;

			scrub_out_read(s->out, at + k, was, run);
			scrub_out_read(s->out, sum_at, field, 2);
			sum = scrub_sum_changed((uint16_t)(field[0] << 8 | field[1]), false, was, p + k, run, udp);
			scrub_out_write(s->out, sum_at, (uint8_t[]){ (uint8_t)(sum >> 8), (uint8_t)sum }, 2);
		}
		scrub_out_write(s->out, at + k, p + k, run);
	}
}

/* What of [seq, seq + n) stands in the place. A part at an odd offset is widened by the octet before it, so that sums stay aligned. */
static void
fill_place(struct scrub *s, struct place *q, bool udp, uint32_t seq, const uint8_t *p, size_t n)
{
	int64_t from = ahead(seq, q->seq);	/* of p[0] in the place */
	size_t skip = from < 0 ? (size_t)-from : 0, to = from < 0 ? 0 : (size_t)from, len, fresh;

	if (skip >= n || to >= q->len)
		return;
	len = n - skip < q->len - to ? n - skip : q->len - to;
	fresh = q->filled + len <= q->len ? len : q->len - q->filled;	/* what is filled twice counts once */
	q->filled += (uint32_t)fresh;
	s->counts.filled += fresh;
	p += skip;
	if (to & 1 && q->sum_at != NOWHERE) {
		uint8_t two[2];

		scrub_out_read(s->out, q->at + to - 1, two, 1);
		two[1] = p[0];
		fill(s, q->at + to - 1, q->sum_at, udp, two, 2);
		to++;
		p++;
		len--;
	}
	fill(s, q->at + to, q->sum_at, udp, p, len);
}

static struct tracker *
tracker_of(struct scrub *s, struct dec_conn *c)
{
	struct tracker *t = c->tracker;

	if (!t && (t = c->tracker = calloc(1, sizeof(*t))))
		t->number = s->connections++;
	return t;
}

static void
put(struct scrub *s, struct dec_conn *c, int side, uint32_t seq, const uint8_t *p, size_t n)
{
	struct tracker *t = c->tracker;
	struct tracked *h;

	if (!t)
		return;
	h = &t->half[side];
	for (size_t i = h->n; i-- > 0; )
		fill_place(s, &h->p[i], c->udp, seq, p, n);
	h->done = seq + (uint32_t)n;
}

/* ---- which frames carry what ---- */

static void
drop(struct scrub *s, struct tracked *h, size_t n)
{
	memmove(h->p, h->p + n, (h->n - n) * sizeof(*h->p));
	h->n -= n;
	s->remembered -= n;
}

/* Room for one more: what is settled goes first, but for the last of it; then the oldest, which stays as it is in the output. */
static bool
room(struct scrub *s, struct tracked *h, uint32_t next)
{
	uint32_t settled = ahead(h->done, next - SETTLED) > 0 ? h->done : next - SETTLED;
	struct place *more;
	size_t n = 0, cap = h->room ? 2 * h->room : 4;

	if (h->n < h->room && s->remembered < ALL_MAX)
		return true;
	while (n < h->n && ahead(h->p[n].seq + h->p[n].len, settled) <= 0)
		n++;
	if (n > KEPT && n - KEPT >= h->room / 2)
		drop(s, h, n - KEPT);
	else if (h->n >= HALF_MAX || s->remembered >= ALL_MAX)
		drop(s, h, (h->n + 3) / 4);
	if (h->n < h->room || s->remembered >= ALL_MAX)
		return h->n < h->room;
	if (!(more = realloc(h->p, cap * sizeof(*more))))
		return false;
	h->p = more;
	h->room = cap;
	return true;
}

/* Octets that have come before get what stands there already: nothing, or what was filled in. */
static void
again(struct scrub *s, const struct dec_conn *c, const struct tracked *h, struct place *q)
{
	const struct dec_session *session = c->user;
	uint8_t run[RUN];

	for (size_t i = 0; i < h->n; i++) {
		const struct place *old = &h->p[i];
		int32_t d = ahead(q->seq, old->seq);
		uint32_t at = d < 0 ? 0 : (uint32_t)d;

		if (d < 0 && (uint32_t)-(int64_t)d >= q->len)
			continue;
		for (; at < old->len && ahead(old->seq + at, q->seq + q->len) < 0; at += RUN) {
			size_t n = old->len - at < RUN ? old->len - at : RUN;

			scrub_out_read(s->out, old->at + at, run, n);
			fill_place(s, q, c->udp, old->seq + at, run, n);
		}
	}
	if (!session || !session->iface) {	/* blank octets */
		s->counts.filled -= q->filled;
		q->filled = 0;
	}
}

static void
remember(struct scrub *s, struct dec_conn *c, int side, uint32_t seq)
{
	struct tracked *h = &((struct tracker *)c->tracker)->half[side];

	if ((c->udp || c->half[side].ignore) && h->n > 0)
		drop(s, h, h->n);
	for (size_t i = 0; i < s->nnow && !c->half[side].ignore; i++) {
		struct place q = { seq + (uint32_t)s->now[i].from, (uint32_t)s->now[i].len, s->now[i].at, s->sum_at, 0 };

		if (!h->any)
			h->top = h->done = q.seq;
		h->any = true;
		if (!room(s, h, c->half[side].known || c->udp ? c->half[side].next : seq))
			return;
		if (ahead(q.seq, h->top) < 0)
			again(s, c, h, &q);
		h->p[h->n++] = q;
		s->remembered++;
		if (ahead(q.seq + q.len, h->top) > 0)
			h->top = q.seq + q.len;
	}
}

static void
forget(struct scrub *s, struct dec_conn *c)
{
	struct tracker *t = c->tracker;

	for (int k = 0; t && k < 2; k++) {
		s->remembered -= t->half[k].n;
		free(t->half[k].p);
	}
	free(t);
	c->tracker = NULL;
}

/* ---- what decode's engines say ---- */

static void
data(void *self, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	struct scrub *s = self;

	s->below.data(s->below.self, c, side, p, len);
}

static void
gap(void *self, struct dec_conn *c, int side, uint32_t lost)
{
	struct scrub *s = self;

	s->below.gap(s->below.self, c, side, lost);
}

static void
ended(void *self, struct dec_conn *c)
{
	struct scrub *s = self;

	s->below.end(s->below.self, c);
	forget(s, c);
}

static void
learnt(struct scrub *s, const struct dec_conn *c)
{
	const struct tracker *t = c->tracker;
	struct scrub_seen *seen = s->learn;

	if (!seen || !t)
		return;
	if (t->number / 8 >= seen->octets) {
		size_t octets = seen->octets ? seen->octets : 64;
		uint8_t *more;

		while (t->number / 8 >= octets)
			octets *= 2;
		if (!(more = realloc(seen->map, octets)))
			return;
		memset(more + seen->octets, 0, octets - seen->octets);
		seen->map = more;
		seen->octets = octets;
	}
	seen->map[t->number / 8] |= (uint8_t)(1u << t->number % 8);
}

static void
scrubbed(struct scrub *s, struct dec_session *session, int side, uint32_t seq, const uint8_t *p, size_t len)
{
	struct dec_conn *c = (struct dec_conn *)(uintptr_t)session->conn;	/* ours as much as the session's */

	if (len > sizeof(s->message))
		return;
	if (session->number > s->counts.sessions)
		s->counts.sessions = session->number;
	learnt(s, c);
	memcpy(s->message, p, len);
	scrub_message(s->pen, session->iface, session->section_TSpkt, s->message, len);
	put(s, c, side, seq, s->message, len);
}

static void
message(void *self, const struct dec_message *g)
{
	struct scrub *s = self;

	s->counts.messages++;
	scrubbed(s, g->session, g->side, g->seq, g->p, g->len);
}

static void
partial(void *self, struct dec_session *session, int side, uint32_t seq, const uint8_t *p, size_t len)
{
	struct scrub *s = self;

	s->counts.partial++;
	scrubbed(s, session, side, seq, p, len);
}

static void
trouble(void *self, struct dec_session *session, int side, enum dec_trouble what, uint64_t octets)
{
	(void)self;
	(void)session;
	(void)side;
	(void)what;
	(void)octets;
}

/* ---- fragments ---- */

static struct group *
group_of(struct scrub *s, const struct scrub_frame *f)
{
	struct group *oldest = &s->group[0];

	for (size_t i = 0; i < DEC_FRAGMENTED; i++) {
		struct group *g = &s->group[i];

		if (g->born && g->id == f->id && g->proto == f->proto && memcmp(&g->ends, &f->ends, sizeof(g->ends)) == 0)
			return g;
		if (g->born < oldest->born)
			oldest = g;
	}
	oldest->ends = f->ends;
	oldest->id = f->id;
	oldest->proto = f->proto;
	oldest->n = 0;
	oldest->born = ++s->clock;
	return oldest;
}

static void
keep_fragment(struct group *g, const struct scrub_frame *f, uint64_t at)
{
	if (g->n == g->room) {
		size_t cap = g->room ? 2 * g->room : 8;
		struct piece *more = g->n < PIECES ? realloc(g->p, cap * sizeof(*more)) : NULL;

		if (!more)
			return;
		g->p = more;
		g->room = cap;
	}
	g->p[g->n++] = (struct piece){ f->at, f->ip_payload_len, at };
}

/* The datagram is whole: its header goes to where it lies, and what is left of the pieces is payload. */
static void
whole(struct scrub *s, struct group *g, const struct dec_segment *seg)
{
	uint8_t header[SCRUB_TRANSPORT];
	enum scrub_sum kind;
	size_t sum_at, n = scrub_transport(s->pen, g->proto, seg, header, &kind, &sum_at), end = n + seg->len;

	s->sum_at = NOWHERE;
	s->now = g->p;
	s->nnow = 0;
	for (size_t i = 0; i < g->n; i++) {
		struct piece q = g->p[i];

		if (q.from < n) {
			size_t part = q.len < n - q.from ? q.len : n - q.from;

			scrub_out_write(s->out, q.at, header + q.from, part);
			if ((kind == SCRUB_RIGHT || kind == SCRUB_WRONG) && sum_at >= q.from && sum_at + 2 <= q.from + part)
				s->sum_at = q.at + (sum_at - q.from);
			q = (struct piece){ n, q.len - part, q.at + part };
		}
		if (q.from >= end)
			continue;
		if (q.len > end - q.from)
			q.len = end - q.from;
		q.from -= n;
		if (q.len > 0)
			s->now[s->nnow++] = q;
	}
	g->born = 0;
}

/* ---- frames ---- */

static uint64_t
emit(struct scrub *s)
{
	const struct scrub_record *r = s->record;
	uint64_t at;

	scrub_out_put(s->out, r->head, r->head_len);
	at = scrub_out_at(s->out);
	scrub_out_put(s->out, s->frame, r->caplen);
	scrub_out_put(s->out, r->tail, r->tail_len);
	s->written = true;
	return at;
}

/* Where the payload of the frame stands, once it is written. */
static void
payload_at(struct scrub *s, uint64_t at)
{
	const struct dec_segment *seg = &s->segment;

	if (seg->len == 0 || seg->p < s->in || seg->p + seg->len > s->in + s->there)
		return;
	s->one = (struct piece){ 0, seg->len, at + (uint64_t)(seg->p - s->in) };
	s->now = &s->one;
	s->nnow = 1;
	s->sum_at = s->f.follows ? at + s->f.sum_at : NOWHERE;
}

static void
fragment(struct scrub *s, enum dec_frame kind)
{
	struct group *g = group_of(s, &s->f);

	s->counts.fragments++;
	keep_fragment(g, &s->f, emit(s) + s->f.ip_payload_at);
	if (kind == DEC_TCP || kind == DEC_UDP)
		whole(s, g, &s->segment);
	else if (kind == DEC_BROKEN || kind == DEC_OTHER)
		g->born = 0;
}

static bool
known(const struct scrub_seen *seen, uint64_t n)
{
	return n / 8 < seen->octets && (seen->map[n / 8] & 1u << n % 8);
}

static void
segment(void *self, struct dec_conn *c, int side, uint32_t seq, size_t len)
{
	struct scrub *s = self;
	struct tracker *t = tracker_of(s, c);

	if (!s->written) {
		if (s->only && (!t || !known(s->only, t->number))) {
			s->counts.dropped++;
			s->written = true;
			return;
		}
		payload_at(s, emit(s));
	}
	s->counts.payload += len;
	if (t)
		remember(s, c, side, seq);
}

void
scrub_record(struct scrub *s, const struct scrub_record *record, int link, const uint8_t *frame, size_t there, size_t wire_len, int64_t at_ns)
{
	enum dec_frame kind = dec_net_read(s->net, link, frame, there, wire_len, &s->segment);

	s->counts.frames++;
	dec_msg_now(s->msg, s->counts.frames, at_ns);
	s->record = record;
	s->in = frame;
	s->there = there;
	s->now = NULL;
	s->nnow = 0;
	s->sum_at = NOWHERE;
	s->written = false;
	scrub_frame(s->pen, link, frame, there, wire_len, kind, &s->segment, s->frame, &s->f);
	memset(s->frame + there, 0, record->caplen - there);
	if (s->f.fragment)
		fragment(s, kind);
	if (kind == DEC_TCP)
		dec_tcp_segment(s->tcp, &s->segment, at_ns);
	else if (kind == DEC_UDP && !s->segment.cut)
		dec_tcp_datagram(s->tcp, &s->segment, at_ns);
	else if (kind == DEC_OTHER)
		s->counts.other++;
	else if (kind == DEC_BROKEN)
		s->counts.broken++;
	if (s->written)
		return;
	if (s->only)
		s->counts.dropped++;
	else
		emit(s);
}

void
scrub_flush(struct scrub *s)
{
	dec_tcp_flush(s->tcp);
}

struct scrub_counts *
scrub_count(struct scrub *s)
{
	return &s->counts;
}

struct scrub *
scrub_new(struct scrub_pen *pen, struct scrub_out *out, const struct dec_msg_conf *conf, struct scrub_seen *learn, const struct scrub_seen *only)
{
	struct scrub *s = calloc(1, sizeof(*s));
	struct dec_msg_user messages = { .self = s, .message = message, .trouble = trouble, .partial = partial };
	struct dec_tcp_user stream = { .self = s, .data = data, .gap = gap, .end = ended, .segment = segment };

	if (!s)
		return NULL;
	s->pen = pen;
	s->out = out;
	s->learn = learn;
	s->only = only;
	s->net = dec_net_new();
	s->msg = dec_msg_new(conf, &messages);
	s->tcp = dec_tcp_new(&stream);
	if (s->net && s->msg && s->tcp) {
		s->below = dec_msg_sink(s->msg);
		return s;
	}
	scrub_free(s);
	return NULL;
}

void
scrub_free(struct scrub *s)
{
	if (!s)
		return;
	if (s->tcp && s->msg)
		dec_tcp_flush(s->tcp);	/* what is remembered hangs on connections */
	dec_tcp_free(s->tcp);
	dec_msg_free(s->msg);
	dec_net_free(s->net);
	for (size_t i = 0; i < DEC_FRAGMENTED; i++)
		free(s->group[i].p);
	free(s);
}
