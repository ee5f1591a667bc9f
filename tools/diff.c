/* tools/diff.c */
#include "tools/diff.h"
#include <stdlib.h>
#include <string.h>
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"

enum { AHEAD = 32, MANY = 2048 };	/* AHEAD: how far the next common exchange is looked for; MANY: connections beyond which order alone pairs them */

/* ---- pairs of connections ---- */

struct face {			/* what a connection is recognised by */
	const struct sim_iface *iface;
	bool udp, taken, known;		/* known: its client was heard */
	int64_t version, super, channel;	/* Super_CAS_id or client_id */
	uint16_t port;
	uint32_t course;		/* a hash of the types of its messages, in order */
	size_t n;
};
static const struct { const struct sim_iface *iface; uint16_t super; } supers[] = { { &ecmg_scs, ECMG_SUPER_CAS_ID }, { &emmg_mux, EMMG_CLIENT_ID } };
enum { BY_SUPER = 8, BY_VERSION = 4, BY_PORT = 4, BY_COURSE = 4, BY_LENGTH = 1, BY_CHANNEL = 2, BEST = 23 };

static void
look(const struct alike_conf *conf, const struct talk_conn *c, struct face *f)
{
	bool any_version = alike_ignored(conf, c->iface, ALIKE_VERSION);

	*f = (struct face){ .iface = c->iface, .udp = c->udp, .version = -1, .super = -1, .channel = -1, .port = c->ends.to_port, .n = c->n };
	for (size_t i = 0; i < c->n; i++) {
		f->course = (f->course ^ talk_type(&c->m[i])) * 0x01000193u;
		if (c->m[i].side != TALK_CLIENT || f->known)
			continue;
		f->known = true;
		f->version = any_version ? 0 : c->m[i].p[0];
		f->channel = talk_int(&c->m[i], dec_channel_param(c->iface));
		for (size_t k = 0; k < sizeof(supers) / sizeof(supers[0]); k++)
			if (supers[k].iface == c->iface)
				f->super = talk_int(&c->m[i], supers[k].super);
	}
}

/* -1: not comparable at all. */
static int
likeness(const struct face *a, const struct face *b)
{
	if (a->iface != b->iface || a->udp != b->udp)
		return -1;
	return (a->super == b->super) * BY_SUPER + (a->version == b->version) * BY_VERSION + (a->port == b->port) * BY_PORT +
	    (a->course == b->course) * BY_COURSE + (a->n == b->n) * BY_LENGTH + (a->channel == b->channel) * BY_CHANNEL;
}

/* For each connection of A, index + 1 of its like in B, the most alike first and of those the earlier; 0: none. NULL: no memory. */
static size_t *
pairs_of(const struct alike_conf *conf, const struct talk *a, const struct talk *b)
{
	struct face *fa = calloc(a->n + 1, sizeof(*fa)), *fb = calloc(b->n + 1, sizeof(*fb));
	size_t *pair = calloc(a->n + 1, sizeof(*pair));
	int step = a->n > MANY || b->n > MANY ? BEST + 1 : 1;

	for (size_t i = 0; fa && i < a->n; i++)
		look(conf, &a->c[i], &fa[i]);
	for (size_t i = 0; fb && i < b->n; i++)
		look(conf, &b->c[i], &fb[i]);
	for (int least = BEST; fa && fb && pair && least > -step; least -= step)
		for (size_t i = 0; i < a->n; i++)
			for (size_t k = 0; k < b->n && !pair[i]; k++)
				if (!fb[k].taken && likeness(&fa[i], &fb[k]) >= (least > 0 && step == 1 ? least : 0)) {
					pair[i] = k + 1;
					fb[k].taken = true;
				}
	free(fa);
	free(fb);
	return pair;
}

/* ---- a pair ---- */

struct comparing {
	const struct alike_conf *conf;
	const struct diff_user *user;
	struct diff_counts *counts;
	const struct talk_conn *a, *b;
	struct alike_map names;
	struct finding f;
};
struct course { const struct talk_msg **m; size_t n; };	/* messages that begin an exchange, of one stream */

static void
found(struct comparing *c, enum find_what what, const struct talk_msg *a, const struct talk_msg *b)
{
	c->f = (struct finding){ .what = what, .conn = c->a, .other = c->b, .a = a, .b = b };
	c->counts->found[what]++;
	c->counts->messages++;
	c->user->found(c->user->self, &c->f);
}

static void
on_field(void *self, const struct alike_field *field)
{
	struct comparing *c = self;

	c->f.field = field;
	c->counts->found[FIND_FIELD]++;
	c->user->found(c->user->self, &c->f);
}

static void
compare(struct comparing *c, const struct talk_msg *a, const struct talk_msg *b)
{
	c->counts->compared++;
	if (talk_type(a) != talk_type(b)) {
		found(c, FIND_INSTEAD, a, b);
		return;
	}
	c->f = (struct finding){ .what = FIND_FIELD, .conn = c->a, .other = c->b, .a = a, .b = b };
	c->counts->messages += alike(c->conf, &c->names, c->a->iface, a, b, on_field, c) > 0;
}

static const struct talk_msg *
answer_of(const struct talk_conn *c, const struct talk_msg *m)
{
	return m->answer ? &c->m[m->answer - 1] : NULL;
}

static bool
is_test(const struct talk_conn *c, const struct talk_msg *m)
{
	char room[24];
	const char *name = talk_name(c->iface, talk_type(m), room);
	size_t n = strlen(name);

	return n > 5 && strcmp(name + n - 5, "_test") == 0;
}

static void
exchange(struct comparing *c, const struct talk_msg *a, const struct talk_msg *b)
{
	const struct talk_msg *x = answer_of(c->a, a), *y = answer_of(c->b, b);

	compare(c, a, b);
	if (x && y) {
		find_time(&c->counts->a, x->at_ns - a->at_ns);
		find_time(&c->counts->b, y->at_ns - b->at_ns);
		compare(c, x, y);
	} else if (x) {
		found(c, FIND_MISSING, x, NULL);
	} else if (y) {
		found(c, FIND_UNEXPECTED, NULL, y);
	}
}

/* ---- streams ---- */

static int64_t
stream_of(const struct talk_conn *c, const struct talk_msg *m)
{
	return talk_int(m, dec_stream_param(c->iface));
}

static bool
begins(const struct comparing *c, const struct talk_conn *of, const struct talk_msg *m)
{
	return m->request == 0 && !alike_ignored_message(c->conf, of->iface, m) && (c->conf->strict || !is_test(of, m));
}

struct place { int64_t stream; size_t at; bool done, answered; };	/* done, answered: it, or its answer, has been compared */

static int
by_stream(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->stream != y->stream ? (x->stream > y->stream) - (x->stream < y->stream) : (x->at > y->at) - (x->at < y->at);
}

/* The exchanges of a connection, those of a stream together, each stream in its order. */
struct sorted { struct place *v; size_t n; };

static int
sort(const struct comparing *c, const struct talk_conn *of, struct sorted *s)
{
	*s = (struct sorted){ calloc(of->n + 1, sizeof(*s->v)), 0 };
	if (!s->v)
		return -1;
	for (size_t i = 0; i < of->n; i++)
		if (begins(c, of, &of->m[i]))
			s->v[s->n++] = (struct place){ .stream = stream_of(of, &of->m[i]), .at = i };
	qsort(s->v, s->n, sizeof(*s->v), by_stream);
	return 0;
}

/* Runs of one stream. */
struct run { int64_t stream; size_t from, to; bool taken; };
struct runs { struct run *v; size_t n; };

static int
runs_of(const struct sorted *s, struct runs *r)
{
	*r = (struct runs){ calloc(s->n + 1, sizeof(*r->v)), 0 };
	if (!r->v)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		if (i == 0 || s->v[i].stream != s->v[i - 1].stream)
			r->v[r->n++] = (struct run){ s->v[i].stream, i, i, false };
		r->v[r->n - 1].to = i + 1;
	}
	return 0;
}

static int
by_run(const void *stream, const void *run)
{
	int64_t x = *(const int64_t *)stream, y = ((const struct run *)run)->stream;

	return (x > y) - (x < y);
}

/* Runs stand in the order of their streams. */
static struct run *
run_of(const struct runs *r, int64_t stream)
{
	return bsearch(&stream, r->v, r->n, sizeof(*r->v), by_run);
}

/* The run of B for one of A: of the same name, else the first that is left, which A does not have, either. */
static struct run *
run_for(const struct runs *a, const struct run *of, struct runs *b)
{
	struct run *same = run_of(b, of->stream);

	if (same && !same->taken)
		return same;
	for (size_t i = 0; i < b->n && of->stream >= 0; i++)
		if (!b->v[i].taken && b->v[i].stream >= 0 && !run_of(a, b->v[i].stream))
			return &b->v[i];
	return NULL;
}

/* ---- the order within a stream ---- */

struct line { const struct talk_conn *c; const struct sorted *s; const struct run *run; };

static const struct talk_msg *
at(const struct line *l, size_t i)
{
	return &l->c->m[l->s->v[l->run->from + i].at];
}

static size_t
length(const struct line *l)
{
	return l->run->to - l->run->from;
}

static int64_t
cp_of(const struct talk_conn *c, const struct talk_msg *m)
{
	return c->iface == &ecmg_scs ? talk_int(m, ECMG_CP_NUMBER) : -1;
}

static int64_t
first_cp(const struct line *l)
{
	for (size_t i = 0; i < length(l); i++)
		if (cp_of(l->c, at(l, i)) >= 0)
			return cp_of(l->c, at(l, i));
	return -1;
}

static bool
has_cp(const struct line *l, int64_t cp)
{
	for (size_t i = 0; i < length(l); i++)
		if (cp_of(l->c, at(l, i)) == cp)
			return true;
	return false;
}

/* Crypto-periods go by the same numbers where the two have any in common, else from their first ones on. */
static uint16_t
distance(const struct line *a, const struct line *b)
{
	int64_t x = first_cp(a), y = first_cp(b);

	if (x < 0 || y < 0 || has_cp(b, x) || has_cp(a, y))
		return 0;
	return (uint16_t)(y - x);
}

static bool
same_kind(const struct talk_conn *a, const struct talk_msg *x, const struct talk_conn *b, const struct talk_msg *y, uint16_t off)
{
	int64_t cx = cp_of(a, x), cy = cp_of(b, y);

	return x->side == y->side && x->udp == y->udp && talk_type(x) == talk_type(y) && (cx < 0) == (cy < 0) && (cx < 0 || (uint16_t)(cx + off) == (uint16_t)cy);
}

static bool
same_place(const struct line *a, size_t i, const struct line *b, size_t k, uint16_t off)
{
	return same_kind(a->c, at(a, i), b->c, at(b, k), off);
}

/* How many of each to pass over until both are at the same place again: the fewest. false: not within reach. */
static bool
resume(const struct line *a, size_t i, const struct line *b, size_t k, uint16_t off, size_t *skip_a, size_t *skip_b)
{
	for (size_t d = 1; d <= AHEAD; d++)
		for (size_t x = 0; x <= d; x++)
			if (i + x < length(a) && k + d - x < length(b) && same_place(a, i + x, b, k + d - x, off)) {
				*skip_a = x;
				*skip_b = d - x;
				return true;
			}
	return false;
}

static bool
done(const struct line *l, size_t i)
{
	return l->s->v[l->run->from + i].done;
}

/* Exchanges i to i + n, which the other has not. */
struct part { const struct line *l; size_t i, n; };

static struct place *
place(const struct part *p, size_t i)
{
	return &p->l->s->v[p->l->run->from + p->i + i];
}

/* Where the capture of one lacks a request, its answer stands alone: it is compared with the answer that the other has in an exchange. */
static void
match_answers(struct comparing *c, const struct part *one, const struct part *other, bool one_is_a, uint16_t off)
{
	for (size_t i = 0; i < one->n; i++)
		for (size_t k = 0; k < other->n; k++) {
			struct place *x = place(one, i), *y = place(other, k);
			const struct talk_msg *m = &one->l->c->m[x->at], *n = answer_of(other->l->c, &other->l->c->m[y->at]);

			if (x->done || y->answered || !n || m->answer || !same_kind(one->l->c, m, other->l->c, n, one_is_a ? off : (uint16_t)-off))
				continue;
			x->done = y->answered = true;
			compare(c, one_is_a ? m : n, one_is_a ? n : m);
		}
}

static void
alone(struct comparing *c, const struct part *p, bool a)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct place *p_ = place(p, i);
		const struct talk_msg *m = &p->l->c->m[p_->at], *x = answer_of(p->l->c, m);
		enum find_what what = a ? FIND_MISSING : FIND_UNEXPECTED;

		if (!p_->done)
			found(c, what, a ? m : NULL, a ? NULL : m);
		if (x && !p_->answered)
			found(c, what, a ? x : NULL, a ? NULL : x);
	}
}

static size_t
ahead(const struct line *l, size_t i)
{
	return length(l) - i < AHEAD ? length(l) - i : AHEAD;
}

static void
pass_over(struct comparing *c, const struct line *a, size_t i, size_t na, const struct line *b, size_t k, size_t nb, uint16_t off)
{
	struct part x = { a, i, na }, y = { b, k, nb };

	if (na <= AHEAD && nb <= AHEAD) {	/* an answer comes a while after what it answers */
		match_answers(c, &(struct part){ a, i, na + ahead(a, i + na) }, &y, true, off);
		match_answers(c, &(struct part){ b, k, nb + ahead(b, k + nb) }, &x, false, off);
	}
	alone(c, &x, true);
	alone(c, &y, false);
}

static void
align(struct comparing *c, const struct line *a, const struct line *b)
{
	uint16_t off = distance(a, b);
	size_t i = 0, k = 0, skip_a, skip_b;

	if (off)
		alike_learn_distance(&c->names, a->run->stream, off);
	while (i < length(a) && k < length(b)) {
		skip_a = skip_b = 0;
		if (done(a, i) || done(b, k)) {
			i += done(a, i);
			k += done(b, k);
			continue;
		}
		if (same_place(a, i, b, k, off)) {
			exchange(c, at(a, i++), at(b, k++));
			continue;
		}
		if (!resume(a, i, b, k, off, &skip_a, &skip_b))
			skip_a = skip_b = 1;
		pass_over(c, a, i, skip_a, b, k, skip_b, off);
		i += skip_a;
		k += skip_b;
	}
	pass_over(c, a, i, length(a) - i, b, k, length(b) - k, off);
}

static int
connections(struct comparing *c)
{
	struct sorted sa = { 0 }, sb = { 0 };
	struct runs ra = { 0 }, rb = { 0 };
	static const struct run none = { 0 };
	int rc = -1;

	if (sort(c, c->a, &sa) == 0 && sort(c, c->b, &sb) == 0 && runs_of(&sa, &ra) == 0 && runs_of(&sb, &rb) == 0) {
		rc = 0;
		for (size_t i = 0; i < ra.n; i++) {
			struct run *other = run_for(&ra, &ra.v[i], &rb);

			if (other)
				other->taken = true;
			align(c, &(struct line){ c->a, &sa, &ra.v[i] }, &(struct line){ c->b, &sb, other ? other : &none });
		}
		for (size_t i = 0; i < rb.n; i++)
			if (!rb.v[i].taken)
				align(c, &(struct line){ c->a, &sa, &none }, &(struct line){ c->b, &sb, &rb.v[i] });
	}
	free(sa.v);
	free(sb.v);
	free(ra.v);
	free(rb.v);
	return rc;
}

int
diff(const struct alike_conf *conf, const struct talk *a, const struct talk *b, const struct diff_user *user, struct diff_counts *counts)
{
	size_t *pair = pairs_of(conf, a, b);
	bool *taken = calloc(b->n + 1, sizeof(*taken));
	int rc = pair && taken ? 0 : -1;

	*counts = (struct diff_counts){ 0 };
	for (size_t i = 0; rc == 0 && i < a->n; i++) {
		struct comparing c = { .conf = conf, .user = user, .counts = counts, .a = &a->c[i], .b = pair[i] ? &b->c[pair[i] - 1] : NULL };

		if (!c.b) {
			found(&c, FIND_MISSING, NULL, NULL);
			continue;
		}
		taken[pair[i] - 1] = true;
		counts->connections++;
		rc = connections(&c);
		if (rc == 0 && user->names)
			user->names(user->self, c.a, &c.names);
		alike_map_fini(&c.names);
	}
	for (size_t i = 0; rc == 0 && i < b->n; i++) {
		struct comparing c = { .conf = conf, .user = user, .counts = counts, .a = &b->c[i] };

		if (!taken[i])
			found(&c, FIND_UNEXPECTED, NULL, NULL);
	}
	free(pair);
	free(taken);
	return rc;
}

bool
diff_same(const struct diff_counts *counts)
{
	for (int k = 0; k < FIND_KINDS; k++)
		if (counts->found[k])
			return false;
	return true;
}
