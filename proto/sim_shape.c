/* proto/sim_shape.c */
#include "proto/sim_shape.h"
#include "proto/be.h"

enum { TLV_HEADER = 4 };

/* Whether a parameter that fits stands at p, of which there are left octets. */
static inline bool
fits(const struct sim_place *v, const uint8_t *p, size_t left)
{
	size_t n;

	if (left < TLV_HEADER || be16(p) != v->type)
		return false;
	n = be16(p + 2);
	return n <= left - TLV_HEADER && n >= v->least && n <= v->most && (!v->top || p[TLV_HEADER] <= v->top);
}

/* Whether the message is as the one that was kept; then *m is filled. */
static bool
alike(const struct sim_shape *s, const uint8_t *p, size_t len, struct sim_msg *m)
{
	size_t at = SIM_HEADER, n = 0, ignored = 0;

	if (len < SIM_HEADER || p[0] != s->version || be16(p + 1) != s->def->type || (size_t)SIM_HEADER + be16(p + 3) != len)
		return false;
	for (const struct sim_place *v = s->v, *end = s->v + s->n; v < end; v++) {
		if (!fits(v, p + at, len - at))
			return false;
		do {
			uint16_t octets = (uint16_t)be16(p + at + 2);

			if (v->dropped)
				ignored++;
			else if (n == SIM_VALUES)
				return false;
			else
				m->v[n++] = (struct sim_value){ v->type, octets, p + at + TLV_HEADER };
			at += TLV_HEADER + (size_t)octets;
		} while (v->run && fits(v, p + at, len - at));
	}
	if (at != len)
		return false;
	m->iface = s->iface;
	m->def = s->def;
	m->version = s->version;
	m->type = s->def->type;
	m->n = n;
	m->ignored = ignored;
	return true;
}

/* The row of a parameter in this version; NULL: the message does not know it. */
static const struct sim_use *
use_of(const struct sim_msg *m, uint16_t type)
{
	for (size_t k = 0; k < m->def->n; k++) {
		const struct sim_use *use = &m->def->uses[k];

		if (use->type == type && (use->from == 0 || m->version >= use->from) && (use->to == 0 || m->version <= use->to))
			return use;
	}
	return NULL;
}

/* What the tables say of a parameter of a good message. false: more than can be kept. */
static bool
place_of(struct sim_place *v, const struct sim_msg *m, uint16_t type, uint16_t len, bool dropped)
{
	const struct sim_param *param = sim_param_find(m->iface, type);
	const struct sim_use *use = param ? use_of(m, type) : NULL;

	*v = (struct sim_place){ .type = type, .most = UINT16_MAX, .dropped = dropped };
	if (!use)
		return dropped;
	if (dropped || use->len) {	/* user defined, and not ours because of its length */
		v->least = v->most = len;
	} else {
		v->least = param->min;
		v->most = param->max;
	}
	v->run = !dropped && use->most != 1;
	v->top = dropped || use->top > UINT8_MAX ? 0 : (uint8_t)use->top;
	return param->kind != SIM_GROUP && use->top <= UINT8_MAX && (!v->top || (v->least == 1 && v->most == 1));
}

static void
keep(struct sim_shape *s, const uint8_t *p, size_t len, const struct sim_msg *m)
{
	size_t value = 0;

	s->def = NULL;
	s->n = 0;
	for (size_t at = SIM_HEADER; at < len; at += TLV_HEADER + be16(p + at + 2)) {
		bool taken = value < m->n && m->v[value].p == p + at + TLV_HEADER;
		uint16_t type = (uint16_t)be16(p + at);

		value += taken;
		if (taken && s->n > 0 && s->v[s->n - 1].run && s->v[s->n - 1].type == type)
			continue;
		if (s->n == SIM_SHAPE || !place_of(&s->v[s->n++], m, type, (uint16_t)be16(p + at + 2), !taken))
			return;
	}
	s->iface = m->iface;
	s->version = m->version;
	s->def = m->def;
}

int
sim_decode_alike(const struct sim_iface *iface, struct sim_shape *s, const void *buf, size_t len, struct sim_msg *m, struct sim_fault *why)
{
	int rc;

	if (s->def && s->iface == iface && alike(s, buf, len, m)) {
		if (why)
			*why = (struct sim_fault){ SIM_OK, 0, 0 };
		return 0;
	}
	rc = sim_decode(iface, buf, len, m, why);
	if (rc == 0)
		keep(s, buf, len, m);
	return rc;
}
