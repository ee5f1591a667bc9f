/* tools/dec_tcp.c: reassembly */
#include "tools/dec_tcp.h"
#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS = 8192,
	LINGER = 256,			/* connections that have ended are remembered, for what comes late of them: few, whose memory is used again soon */
	WAIT_SEGMENTS = 64,		/* of a connection, once the receiver has confirmed what is missing: then the capture lost it */
	OVERHEAD = 64,			/* of a piece */
	WINDOW = 1 << 24,		/* a sequence number further ahead is no reordering */
};
#define WAIT_ACKED_NS INT64_C(500000000)
#define WAIT_NS INT64_C(60000000000)

/* Octets that came early. Pieces of a half are in order and do not overlap. */
struct dec_piece { struct dec_piece *next; uint32_t seq; size_t len; uint8_t p[]; };

struct age { struct dec_conn *oldest, *youngest; size_t n; };
struct dec_tcp {
	struct dec_tcp_user user;
	struct dec_conn *bucket[BUCKETS];
	struct age open, closed;	/* by who was heard last */
	size_t held, user_held;
	uint64_t evicted;
};

static int32_t
ahead(uint32_t seq, uint32_t of)
{
	return (int32_t)(seq - of);
}

/* ---- the table ---- */

/* The same for both directions. */
static uint32_t
hash_of(const struct ip_ends *e, bool udp)
{
	uint32_t a = e->from_port, b = e->to_port, word;

	for (size_t k = 0; k < (e->v6 ? 16u : 4u); k += 4) {
		memcpy(&word, e->from + k, 4);
		a = (a ^ word) * 0x9e3779b1u;
		memcpy(&word, e->to + k, 4);
		b = (b ^ word) * 0x9e3779b1u;
	}
	a = (a ^ a >> 15) + (b ^ b >> 15) + udp;
	return a ^ a >> 16;
}

/* Which side of the connection sends this: 0 or 1; -1: it is another's. */
static int
side_of(const struct dec_conn *c, const struct ip_ends *e, bool udp)
{
	if (c->udp != udp || c->ends.v6 != e->v6)
		return -1;
	if (c->ends.from_port == e->from_port && c->ends.to_port == e->to_port && memcmp(c->ends.from, e->from, 16) == 0 &&
	    memcmp(c->ends.to, e->to, 16) == 0)
		return 0;
	if (!udp && c->ends.from_port == e->to_port && c->ends.to_port == e->from_port && memcmp(c->ends.from, e->to, 16) == 0 &&
	    memcmp(c->ends.to, e->from, 16) == 0)
		return 1;
	return -1;
}

static struct age *
age_of(struct dec_tcp *t, const struct dec_conn *c)
{
	return c->closed ? &t->closed : &t->open;
}

static void
unlink_age(struct age *a, struct dec_conn *c)
{
	*(c->older ? &c->older->younger : &a->oldest) = c->younger;
	*(c->younger ? &c->younger->older : &a->youngest) = c->older;
	a->n--;
}

static void
link_youngest(struct age *a, struct dec_conn *c)
{
	c->older = a->youngest;
	c->younger = NULL;
	*(a->youngest ? &a->youngest->younger : &a->oldest) = c;
	a->youngest = c;
	a->n++;
}

static void
drop_pieces(struct dec_tcp *t, struct dec_half *h)
{
	struct dec_piece *next;

	for (struct dec_piece *p = h->first; p; p = next) {
		next = p->next;
		free(p);
	}
	t->held -= h->held;
	h->first = h->last = NULL;
	h->held = 0;
}

static void
forget(struct dec_tcp *t, struct dec_conn *c)
{
	struct dec_conn **at = &t->bucket[c->hash % BUCKETS];

	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	unlink_age(age_of(t, c), c);
	drop_pieces(t, &c->half[0]);
	drop_pieces(t, &c->half[1]);
	t->user_held -= c->user_held;
	free(c);
}

/* ---- giving out ---- */

static void
give(struct dec_tcp *t, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	struct dec_half *h = &c->half[side];

	h->next += (uint32_t)len;
	if (h->ignore)
		return;
	t->user_held -= c->user_held;	/* it may change meanwhile */
	t->user.data(t->user.self, c, side, p, len);
	t->user_held += c->user_held;
}

static struct dec_piece *
pop(struct dec_tcp *t, struct dec_half *h)
{
	struct dec_piece *p = h->first;

	h->first = p->next;
	if (!h->first)
		h->last = NULL;
	h->held -= p->len + OVERHEAD;
	t->held -= p->len + OVERHEAD;
	h->waited = 0;
	return p;
}

/* What is due now. */
static void
drain(struct dec_tcp *t, struct dec_conn *c, int side, int64_t at_ns)
{
	struct dec_half *h = &c->half[side];

	while (h->first && ahead(h->first->seq, h->next) <= 0) {
		struct dec_piece *p = pop(t, h);
		size_t old = (size_t)-(int64_t)ahead(p->seq, h->next);

		if (old < p->len)
			give(t, c, side, p->p + old, p->len - old);
		free(p);
		h->since_ns = at_ns;
	}
}

static void
give_up_gap(struct dec_tcp *t, struct dec_conn *c, int side, int64_t at_ns)
{
	struct dec_half *h = &c->half[side];
	uint32_t lost = h->first->seq - h->next;

	h->next = h->first->seq;
	if (!h->ignore) {
		t->user_held -= c->user_held;
		t->user.gap(t->user.self, c, side, lost);
		t->user_held += c->user_held;
	}
	drain(t, c, side, at_ns);
}

static void
give_all(struct dec_tcp *t, struct dec_conn *c, int64_t at_ns)
{
	for (int side = 0; side < 2; side++)
		while (c->half[side].first)
			give_up_gap(t, c, side, at_ns);
}

static void
end(struct dec_tcp *t, struct dec_conn *c, int64_t at_ns)
{
	give_all(t, c, at_ns);
	t->user_held -= c->user_held;
	t->user.end(t->user.self, c);
	c->user_held = 0;
	forget(t, c);
}

/* Time of the capture and room decide; the receiver's confirmation says that no repetition will come. */
static void
look_at_gap(struct dec_tcp *t, struct dec_conn *c, int side, int64_t at_ns)
{
	struct dec_half *h = &c->half[side];

	while (h->first) {
		int64_t waited = at_ns - h->since_ns;
		bool confirmed = h->acked_known && ahead(h->acked, h->first->seq) >= 0;

		if (h->held <= DEC_HELD_HALF && waited < WAIT_NS && !(confirmed && (waited > WAIT_ACKED_NS || h->waited > WAIT_SEGMENTS)))
			return;
		give_up_gap(t, c, side, at_ns);
	}
}

/* ---- taking in ---- */

/* Keeps octets [seq, seq + len) that are not kept already. -1: no memory. */
static int
keep(struct dec_tcp *t, struct dec_half *h, uint32_t seq, const uint8_t *p, size_t len, int64_t at_ns)
{
	struct dec_piece **at = &h->first, *piece;

	if (!h->first) {
		h->since_ns = at_ns;
		h->waited = 0;
	}
	if (h->last && ahead(seq, h->last->seq + (uint32_t)h->last->len) >= 0)
		at = &h->last->next;	/* behind all, as most are */
	while (len > 0) {
		size_t n = len;

		if (*at && ahead((*at)->seq + (uint32_t)(*at)->len, seq) <= 0) {	/* wholly before */
			at = &(*at)->next;
			continue;
		}
		if (*at && ahead((*at)->seq, seq) <= 0) {	/* kept already, in part or all */
			n = (size_t)ahead((*at)->seq + (uint32_t)(*at)->len, seq);
			n = n < len ? n : len;
			at = &(*at)->next;
		} else {
			if (*at && (size_t)ahead((*at)->seq, seq) < n)
				n = (size_t)ahead((*at)->seq, seq);
			if (!(piece = malloc(sizeof(*piece) + n)))
				return -1;
			*piece = (struct dec_piece){ *at, seq, n };
			memcpy(piece->p, p, n);
			if (!*at)
				h->last = piece;
			*at = piece;
			at = &piece->next;
			h->held += n + OVERHEAD;
			t->held += n + OVERHEAD;
		}
		seq += (uint32_t)n;
		p += n;
		len -= n;
	}
	return 0;
}

static struct dec_conn *
find(struct dec_tcp *t, const struct ip_ends *e, bool udp, uint32_t hash, int *side)
{
	for (struct dec_conn *c = t->bucket[hash % BUCKETS]; c; c = c->chain)
		if (c->hash == hash && (*side = side_of(c, e, udp)) >= 0)
			return c;
	*side = 0;	/* of the connection that is to be added */
	return NULL;
}

static struct dec_conn *
add(struct dec_tcp *t, const struct ip_ends *e, bool udp, uint32_t hash, int64_t at_ns)
{
	struct dec_conn *c;

	while (t->open.n + t->closed.n >= DEC_CONNECTIONS) {
		struct dec_conn *old = t->closed.oldest ? t->closed.oldest : t->open.oldest;

		t->evicted += !old->closed && !old->udp;
		end(t, old, at_ns);
	}
	if (!(c = calloc(1, sizeof(*c))))
		return NULL;
	c->ends = *e;
	c->udp = udp;
	c->opener = -1;
	c->hash = hash;
	c->chain = t->bucket[hash % BUCKETS];
	t->bucket[hash % BUCKETS] = c;
	link_youngest(&t->open, c);
	return c;
}

static void
touch(struct dec_tcp *t, struct dec_conn *c)
{
	struct age *a = age_of(t, c);

	if (a->youngest == c)
		return;
	unlink_age(a, c);
	link_youngest(a, c);
}

static void
closes(struct dec_tcp *t, struct dec_conn *c, int64_t at_ns)
{
	if (c->closed)
		return;
	unlink_age(&t->open, c);
	c->closed = true;
	link_youngest(&t->closed, c);
	if (t->closed.n > LINGER)
		end(t, t->closed.oldest, at_ns);
}

static void
shrink(struct dec_tcp *t, const struct dec_conn *but, int64_t at_ns)
{
	while (t->held + t->user_held > DEC_HELD) {
		struct dec_conn *old = t->closed.oldest && t->closed.oldest != but ? t->closed.oldest : t->open.oldest;

		if (!old || old == but)
			break;
		t->evicted += !old->closed;
		end(t, old, at_ns);
	}
}

/* A SYN: the beginning, or the beginning of another connection with the same ends. */
static struct dec_conn *
opened(struct dec_tcp *t, struct dec_conn *c, const struct dec_segment *s, int *side, int64_t at_ns)
{
	struct dec_half *h;

	if (c->half[*side].known && !c->closed && !c->half[*side].fin && ahead(c->half[*side].next, s->seq + 1) >= 0 &&
	    ahead(c->half[*side].next, s->seq + 1) < WINDOW) {	/* sent again, or captured late */
		c->opener = s->flags & DEC_ACK ? 1 - *side : *side;
		return c;
	}
	if ((c->closed || c->half[*side].known)) {
		uint32_t hash = c->hash;

		end(t, c, at_ns);
		if (!(c = add(t, &s->ends, false, hash, at_ns)))
			return NULL;
		*side = 0;
	}
	h = &c->half[*side];
	h->known = h->from_start = true;
	h->next = s->seq + 1;
	c->opener = s->flags & DEC_ACK ? 1 - *side : *side;
	return c;
}

static int
payload(struct dec_tcp *t, struct dec_conn *c, int side, const struct dec_segment *s, uint32_t seq, int64_t at_ns)
{
	struct dec_half *h = &c->half[side];
	const uint8_t *p = s->p;
	size_t len = s->len;
	int32_t d = ahead(seq, h->next);

	if (d < 0) {	/* sent again, or a probe that keeps the connection alive */
		size_t old = (size_t)-(int64_t)d;

		if (old >= len)
			return 0;
		p += old;
		len -= old;
		seq += (uint32_t)old;
		d = 0;
	}
	if (d == 0 && (!h->first || ahead(h->first->seq, seq + (uint32_t)len) >= 0)) {
		give(t, c, side, p, len);
		drain(t, c, side, at_ns);
		return 0;
	}
	if (h->ignore) {
		h->next = seq + (uint32_t)len;
		return 0;
	}
	if (keep(t, h, seq, p, len, at_ns) < 0)
		return -1;
	drain(t, c, side, at_ns);
	if (h->first && ahead(h->first->seq, h->next) > WINDOW)
		give_up_gap(t, c, side, at_ns);
	return 0;
}

static void
say(struct dec_tcp *t, struct dec_conn *c, int side, enum dec_tcp_event what)
{
	if (t->user.event)
		t->user.event(t->user.self, c, side, what);
}

int
dec_tcp_segment(struct dec_tcp *t, const struct dec_segment *s, int64_t at_ns)
{
	uint32_t hash = hash_of(&s->ends, false), seq = s->seq;
	int side = 0;
	struct dec_conn *c = find(t, &s->ends, false, hash, &side);

	if (!c && !(c = add(t, &s->ends, false, hash, at_ns)))
		return -1;
	if (s->flags & DEC_SYN) {
		if (!(c = opened(t, c, s, &side, at_ns)))
			return -1;
		seq++;
	}
	touch(t, c);
	if (s->flags & DEC_ACK) {
		struct dec_half *other = &c->half[1 - side];

		if (!other->acked_known || ahead(s->ack, other->acked) > 0)
			other->acked = s->ack;
		other->acked_known = true;
	}
	if (!c->half[side].known && !(s->flags & DEC_RST)) {	/* begun before the capture */
		c->half[side].known = true;
		c->half[side].next = seq;
	}
	if (s->len > 0 && c->half[side].fin && ahead(seq + (uint32_t)s->len, c->half[side].fin_seq) > 0)
		say(t, c, side, DEC_TCP_BEHIND_FIN);
	if (t->user.segment)
		t->user.segment(t->user.self, c, side, seq, s->len);
	/* what a reset brings says why, and is none of the stream: RFC 9293, 3.5.2 */
	if (s->len > 0 && !(s->flags & DEC_RST) && payload(t, c, side, s, seq, at_ns) < 0)
		return -1;
	for (int k = 0; k < 2; k++)
		if (c->half[k].first) {
			c->half[k].waited++;
			look_at_gap(t, c, k, at_ns);
		}
	if ((s->flags & DEC_FIN) && !c->half[side].fin) {
		c->half[side].fin = true;
		c->half[side].fin_seq = seq + (uint32_t)s->len;
		c->half[side].fin_ns = at_ns;
	}
	if (s->flags & DEC_RST && !c->closed)
		say(t, c, side, DEC_TCP_RESET);
	if (s->flags & DEC_RST || (c->half[0].fin && c->half[1].fin && !c->half[0].first && !c->half[1].first))
		closes(t, c, at_ns);
	shrink(t, c, at_ns);
	return 0;
}

int
dec_tcp_datagram(struct dec_tcp *t, const struct dec_segment *s, int64_t at_ns)
{
	uint32_t hash = hash_of(&s->ends, true);
	int side = 0;
	struct dec_conn *c = find(t, &s->ends, true, hash, &side);

	if (!c && !(c = add(t, &s->ends, true, hash, at_ns)))
		return -1;
	touch(t, c);
	if (t->user.segment)
		t->user.segment(t->user.self, c, 0, c->half[0].next, s->len);
	if (!c->half[0].ignore)
		give(t, c, 0, s->p, s->len);
	return 0;
}

struct dec_tcp *
dec_tcp_new(const struct dec_tcp_user *user)
{
	struct dec_tcp *t = calloc(1, sizeof(*t));

	if (t)
		t->user = *user;
	return t;
}

void
dec_tcp_flush(struct dec_tcp *t)
{
	while (t->closed.oldest)
		end(t, t->closed.oldest, t->closed.oldest->half[0].since_ns);
	while (t->open.oldest)
		end(t, t->open.oldest, t->open.oldest->half[0].since_ns);
}

void
dec_tcp_free(struct dec_tcp *t)
{
	while (t && t->closed.oldest)
		forget(t, t->closed.oldest);
	while (t && t->open.oldest)
		forget(t, t->open.oldest);
	free(t);
}

size_t
dec_tcp_held(const struct dec_tcp *t)
{
	return t->held;
}

uint64_t
dec_tcp_evicted(const struct dec_tcp *t)
{
	return t->evicted;
}
