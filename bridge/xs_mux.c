/* bridge/xs_mux.c: see xs_mux.h */
#include "bridge/xs_mux.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "lib/due.h"
#include "lib/emmg_chan.h"
#include "lib/emmg_pace.h"
#include "lib/log.h"

enum { S = 1000 * 1000 };
enum { LOOK = 10 * S };			/* a window that has not begun is looked at again so soon: the clock may jump */
enum { TURN = 64 };			/* objects in one call, so that a fast stream lets the others in */

struct object {
	struct gw_due due;		/* first: monotonic */
	struct object *next;		/* of the same slot */
	struct gw_object o;		/* whose octets lie behind it */
};
enum { SLOTS = 1024 };
struct xs_carousel {
	struct xs_carousel_conf conf;
	char name[65];
	const struct xs_carousel_ops *ops;
	void *self;
	struct object *slots[SLOTS];	/* by digest */
	size_t n, octets;
	struct gw_dues dues;
	struct emmg_pace pace;
	bool full;			/* the connection is */
	bool ended;			/* a window is over that is still in the store */
	int64_t look_us;		/* when all windows are looked at */
	uint32_t wanted;
	struct xs_carousel_view counts;
	struct gw_rate rate;
};

/* ---- objects ---- */

static struct object **
slot_of(struct xs_carousel *c, const uint8_t *digest)
{
	struct object **at = &c->slots[(digest[0] << 8 | digest[1]) % SLOTS];

	while (*at && memcmp((*at)->o.digest, digest, GW_OBJECT_DIGEST) != 0)
		at = &(*at)->next;
	return at;
}

static struct object *
new_object(const struct gw_object *o)
{
	struct object *x = malloc(sizeof(*x) + o->len);

	if (!x)
		return NULL;
	*x = (struct object){ .o = *o };
	x->o.p = memcpy(x + 1, o->p, o->len);
	return x;
}

/* The least of what the entry allows and what the objects on hand were said to need (DistributionContext @bandwidthKbps). */
static void
wish(struct xs_carousel *c)
{
	uint64_t most = 0;

	for (size_t i = 0; i < SLOTS; i++)
		for (const struct object *x = c->slots[i]; x; x = x->next) {
			uint64_t bps = x->o.bandwidth_kbps ? x->o.bandwidth_kbps * UINT64_C(1000) : UINT64_MAX;
			most = bps > most ? bps : most;
		}
	if (most == 0 || most > c->conf.bandwidth_bps)
		most = c->conf.bandwidth_bps;
	if (most == c->wanted)
		return;
	c->wanted = (uint32_t)most;
	c->ops->want(c->self, c->wanted);
}

static void
remove_object(struct xs_carousel *c, struct object *x)
{
	struct object **at = slot_of(c, x->o.digest);

	*at = x->next;
	gw_due_set(&c->dues, &x->due, INT64_MAX);
	c->n--;
	c->octets -= x->o.len;
	free(x);
}

/* Takes it; one of the same content goes, and with it the time when that was sent last: a peer that repeats itself repeats nothing on air. */
static void
insert(struct xs_carousel *c, struct object *x, int64_t mono)
{
	struct object **at = slot_of(c, x->o.digest), *old = *at;
	int64_t due = mono;

	if (old) {
		due = old->due.at_us < mono + x->o.repetition_ms * INT64_C(1000) && old->o.start_s <= x->o.start_s ? old->due.at_us : mono;
		remove_object(c, old);
		at = slot_of(c, x->o.digest);
	}
	x->next = NULL;
	*at = x;
	c->n++;
	c->octets += x->o.len;
	gw_due_set(&c->dues, &x->due, due);
}

/* ---- deliveries ---- */

static unsigned
refused(struct xs_carousel *c, unsigned status, const char *why, const char **reason)
{
	c->counts.refused++;
	*reason = why;
	gw_log_limited(&c->rate, GW_WARNING, "objects_refused", why, "stream=%s status=%u", c->name, status);
	return status;
}

/* Window and repetition of a delivery, for each of its objects. NULL, or why not. */
static const char *
terms(const struct xs_carousel *c, const struct sp4_msg *m, int64_t utc, struct gw_object *o, unsigned *status)
{
	const struct sp4_distribution_context *d = m->n_distribution ? &m->distribution : NULL;
	int64_t now = utc / S;

	*status = BR_INVALID;
	if (d && d->data_id != SP4_ABSENT && d->data_id != c->conf.data_id)
		return "@dataId is not that of the stream";
	if (m->distribution_end == SP4_ABSENT) {
		*status = BR_MISSING;
		return "no DistributionEnd: until when?";
	}
	o->start_s = m->distribution_start == SP4_ABSENT ? now : sp4_unix(m->distribution_start);
	o->end_s = sp4_unix(m->distribution_end);
	if (o->end_s <= o->start_s || o->end_s <= now)
		return "DistributionEnd is past, or not after DistributionStart";
	o->repetition_ms = d && d->repetition_ms > 0 ? (uint32_t)d->repetition_ms : c->conf.repetition_ms;
	if (o->repetition_ms < XS_REPETITION_LEAST_MS)
		o->repetition_ms = XS_REPETITION_LEAST_MS;
	o->bandwidth_kbps = d && d->bandwidth_kbps > 0 ? (uint32_t)d->bandwidth_kbps : 0;
	return NULL;
}

static bool
digest_of(struct gw_object *o)
{
	unsigned len = 0;

	return EVP_Digest(o->p, o->len, o->digest, &len, EVP_sha256(), NULL) == 1 && len == GW_OBJECT_DIGEST;
}

/* The objects of a delivery as they would be kept; what is new of them counts against the bounds. */
static unsigned
make(struct xs_carousel *c, const struct sp4_msg *m, struct gw_object o, struct object **v, const char **why)
{
	size_t n = c->n, octets = c->octets;

	for (size_t i = 0; i < m->n_data; i++) {
		o.p = m->data[i].p;
		o.len = m->data[i].len;
		if ((*why = emmg_datagram_fault(EMMG_BCAST, o.p, o.len)))
			return BR_INVALID;
		*why = "out of memory";
		if (!digest_of(&o) || !(v[i] = new_object(&o)))
			return BR_DELAYED;
		if (!*slot_of(c, o.digest))
			n++, octets += o.len;
	}
	*why = "the stream has as many objects as it can: their windows have to end first";
	return n > XS_OBJECTS || octets > XS_OCTETS || gw_dues_reserve(&c->dues, n) < 0 ? BR_DELAYED : BR_OK;
}

unsigned
xs_carousel_deliver(struct xs_carousel *c, const struct sp4_msg *m, int64_t mono, int64_t utc, const char **reason)
{
	struct object *v[SP4_DATA] = { NULL };
	const struct gw_object *stored[SP4_DATA];
	struct gw_object o = { .len = 0 };
	unsigned status;
	const char *why = terms(c, m, utc, &o, &status);

	if (why)
		return refused(c, status, why, reason);
	status = make(c, m, o, v, &why);
	for (size_t i = 0; i < m->n_data && v[i]; i++)
		stored[i] = &v[i]->o;
	if (status == BR_OK && !c->ops->store(c->self, stored, m->n_data)) {
		status = BR_DELAYED;
		why = "it could not be stored";
	}
	for (size_t i = 0; i < m->n_data && v[i]; i++) {
		if (status == BR_OK)
			insert(c, v[i], mono);
		else
			free(v[i]);
	}
	if (status != BR_OK)
		return refused(c, status, why, reason);
	c->counts.delivered += m->n_data;
	wish(c);
	return BR_OK;
}

int
xs_carousel_restore(struct xs_carousel *c, const struct gw_object *o, int64_t mono)
{
	struct object *x;

	if (c->n == XS_OBJECTS || c->octets + o->len > XS_OCTETS || gw_dues_reserve(&c->dues, c->n + 1) < 0 || !(x = new_object(o)))
		return -1;
	insert(c, x, mono);
	wish(c);
	return 0;
}

/* ---- sending ---- */

void
xs_carousel_rate(struct xs_carousel *c, uint32_t bps, int64_t mono)
{
	emmg_pace_rate(&c->pace, bps, mono);
	c->full = c->full && bps;	/* another connection has room */
}

void
xs_carousel_go_on(struct xs_carousel *c)
{
	c->full = false;
}

static void
expire(struct xs_carousel *c, struct object *x)
{
	c->counts.expired++;
	c->ended = true;
	remove_object(c, x);
}

/* Windows end whether anything can be sent or not. */
static void
look(struct xs_carousel *c, int64_t utc)
{
	struct object *x, *next;

	for (size_t i = 0; i < SLOTS; i++)
		for (x = c->slots[i]; x; x = next) {
			next = x->next;
			if (utc >= x->o.end_s * S)
				expire(c, x);
		}
}

/* One object whose time has come: false: it has to wait, and the others with it. */
static bool
serve(struct xs_carousel *c, struct object *x, int64_t mono, int64_t utc)
{
	int64_t period = x->o.repetition_ms * INT64_C(1000), ahead = x->o.start_s - utc / S;
	int rc;

	if (utc >= x->o.end_s * S) {
		expire(c, x);
		return true;
	}
	if (utc < x->o.start_s * S) {
		gw_due_set(&c->dues, &x->due, mono + (ahead < LOOK / S ? x->o.start_s * S - utc : LOOK));
		return true;
	}
	if (c->full || !emmg_pace_due(&c->pace, mono))
		return false;
	rc = c->ops->send(c->self, x->o.p, x->o.len);
	c->full = rc > 0;
	emmg_pace_spend(&c->pace, emmg_pace_bits(EMMG_BCAST, x->o.len), mono);
	c->counts.lost += rc < 0;
	c->counts.sent += rc >= 0;
	c->counts.octets_sent += rc >= 0 ? x->o.len : 0;
	c->counts.late += mono - x->due.at_us >= period;
	gw_due_set(&c->dues, &x->due, mono - x->due.at_us >= period ? mono + period : x->due.at_us + period);
	return true;
}

void
xs_carousel_tick(struct xs_carousel *c, int64_t mono, int64_t utc)
{
	struct gw_due *d;

	if (mono >= c->look_us) {
		look(c, utc);
		c->look_us = mono + LOOK;
	}
	for (int i = 0; i < TURN && (d = gw_dues_first(&c->dues)) && d->at_us <= mono; i++)
		if (!serve(c, (struct object *)d, mono, utc))
			break;
	if (!c->ended)
		return;
	c->ended = false;
	c->ops->forget(c->self, utc / S);
	wish(c);
}

int64_t
xs_carousel_next(const struct xs_carousel *c)
{
	int64_t due = gw_dues_next(&c->dues), pace = c->full ? INT64_MAX : emmg_pace_next(&c->pace), at = due > pace ? due : pace;

	return c->n == 0 ? INT64_MAX : at < c->look_us ? at : c->look_us;
}

/* ---- life ---- */

struct xs_carousel *
xs_carousel_new(const struct xs_carousel_conf *conf, const struct xs_carousel_ops *ops, void *self)
{
	struct xs_carousel *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->ops = ops;
	c->self = self;
	c->rate = (struct gw_rate){ .burst = 20, .per_ms = 10000 };
	xs_carousel_reconf(c, conf);
	c->wanted = conf->bandwidth_bps;
	return c;
}

void
xs_carousel_reconf(struct xs_carousel *c, const struct xs_carousel_conf *conf)
{
	c->conf = *conf;
	snprintf(c->name, sizeof(c->name), "%s", conf->name);
	c->conf.name = c->name;
	if (c->wanted)		/* else it is new, and asks for what it was given */
		wish(c);
}

void
xs_carousel_free(struct xs_carousel *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		while (c->slots[i])
			remove_object(c, c->slots[i]);
	gw_dues_free(&c->dues);
	free(c);
}

void
xs_carousel_view(const struct xs_carousel *c, struct xs_carousel_view *v)
{
	*v = c->counts;
	v->objects = c->n;
	v->octets = c->octets;
	v->rate_bps = c->pace.bps;
	v->wanted_bps = c->wanted;
}
