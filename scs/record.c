/* scs/record.c: see scs.h. The ECMs of a committed CP are kept as the playout messages that carry them. */
#include <stdlib.h>
#include <string.h>
#include "proto/playout.h"
#include "scs/scs.h"

enum { FORMAT = 1, HEAD = 1 + 8 + 8 + 8 + 8 + 1 + 8, DATAGRAM = 2 };

static void
put64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static uint64_t
get64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static size_t
encode(const struct scs_unit *u, size_t i, const struct scs_cp *cp, uint8_t *buf, size_t cap)
{
	const struct scs_unit_stream *t = &u->streams[i];
	bool have = cp->with >> i & 1 && t->ecm.cp == cp->cp;
	int16_t start, stop;
	char out[GW_ADDR_TEXT];
	struct sim_writer w;

	scs_schedule_delays(u->schedule, i, cp, &start, &stop);
	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_ECM_RECORD, buf, cap);
	sim_put_text(&w, PLAYOUT_SERVICE, u->conf->id);
	sim_put_int(&w, PLAYOUT_CP, cp->cp);
	sim_put_int(&w, PLAYOUT_START, cp->start_us);
	sim_put_int(&w, PLAYOUT_EPOCH, u->epoch);
	sim_put_text(&w, PLAYOUT_KMS, t->conf->kms->name);
	sim_put_int(&w, PLAYOUT_SUPER_CAS_ID, t->conf->kms->super_cas_id);
	sim_put_int(&w, PLAYOUT_ECM_ID, t->conf->ecm_id);
	sim_put_int(&w, PLAYOUT_SECTION_TSPKT, have ? t->ecm.terms.section_TSpkt_flag : DATAGRAM);	/* nothing has no packets */
	sim_put_int(&w, PLAYOUT_DELAY_START, start);
	sim_put_int(&w, PLAYOUT_PREVIOUS_DELAY_STOP, stop);
	sim_put_int(&w, PLAYOUT_ECM_REP_PERIOD, have ? t->ecm.terms.ECM_rep_period : 0);
	sim_put_text(&w, PLAYOUT_OUT, gw_addr_text(&t->conf->out, out, sizeof(out)));
	/* a stream that was left out has nothing on air for this CP: its old ECM would lie */
	sim_put_bytes(&w, PLAYOUT_ECM_DATAGRAM, have ? t->ecm.p : (const uint8_t *)"", have ? t->ecm.len : 0);
	sim_put_int(&w, PLAYOUT_HOLD, 1);
	return sim_end(&w, NULL);
}

int
scs_record_frames(const struct scs_unit *u, const struct scs_cp *cp, struct scs_frames *f)
{
	static uint8_t buf[SIM_MAX];

	*f = (struct scs_frames){ .cp = cp->cp, .p = malloc(1) };	/* none is an answer, too */
	for (size_t i = 0; f->p && i < u->n; i++) {
		if (!(u->with_out >> i & 1))
			continue;
		size_t len = encode(u, i, cp, buf, sizeof(buf));
		uint8_t *grown = len ? realloc(f->p, f->len + len) : NULL;
		if (!grown) {
			free(f->p);
			*f = (struct scs_frames){ 0 };
			return -1;
		}
		memcpy(grown + f->len, buf, len);
		f->p = grown;
		f->len += len;
	}
	return f->p ? 0 : -1;
}

bool
scs_record_next(const struct scs_frames *f, size_t *at, const uint8_t **msg, size_t *len)
{
	*len = *at < f->len ? sim_frame_length(f->p + *at, f->len - *at) : 0;
	if (*len == 0 || *len > f->len - *at)
		return false;
	*msg = f->p + *at;
	*at += *len;
	return true;
}

int
scs_record_place(const struct scs_frames *f, int64_t super_cas_id, int64_t ecm_id)
{
	static struct sim_msg m;
	const uint8_t *msg;
	size_t at = 0, len;

	for (int i = 0; scs_record_next(f, &at, &msg, &len); i++)
		if (sim_decode(&playout, msg, len, &m, NULL) == 0 && sim_int(&m, PLAYOUT_SUPER_CAS_ID, -1) == super_cas_id &&
		    sim_int(&m, PLAYOUT_ECM_ID, -1) == ecm_id)
			return i;
	return -1;
}

size_t
scs_record_count(const struct scs_frames *f)
{
	const uint8_t *msg;
	size_t at = 0, len, n = 0;

	while (scs_record_next(f, &at, &msg, &len))
		n++;
	return n;
}

/* A number in each message, in place. -1: in one of them it is not. */
static int
rewrite(struct scs_frames *f, uint16_t param, uint64_t value)
{
	static struct sim_msg m;
	const uint8_t *msg;
	size_t at = 0, len;

	while (scs_record_next(f, &at, &msg, &len)) {
		const struct sim_value *v = sim_decode(&playout, msg, len, &m, NULL) < 0 ? NULL : sim_value(&m, param, 0);
		if (!v)
			return -1;
		for (size_t i = 0; i < v->len; i++)
			f->p[(v->p - f->p) + (ptrdiff_t)i] = (uint8_t)(value >> 8 * (v->len - 1 - i));
	}
	return 0;
}

int
scs_record_restart(struct scs_frames *f, int64_t start_us)
{
	return rewrite(f, PLAYOUT_START, (uint64_t)start_us);
}

void
scs_record_hold(struct scs_frames *f, bool hold)
{
	rewrite(f, PLAYOUT_HOLD, hold);	/* in a record of an earlier release it is not, and its mux does not hold */
}

int
scs_record_pack(const struct scs_cp *cp, const struct scs_frames *f, struct gw_blob *b)
{
	b->len = HEAD + f->len;
	b->p = malloc(b->len);
	if (!b->p)
		return -1;
	b->p[0] = FORMAT;
	put64(b->p + 1, (uint64_t)cp->cp);
	put64(b->p + 9, (uint64_t)cp->start_us);
	put64(b->p + 17, (uint64_t)cp->duration_us);
	put64(b->p + 25, (uint64_t)cp->lead_us);
	b->p[33] = (uint8_t)(cp->first | cp->mode << 1);
	put64(b->p + 34, cp->with);
	if (f->len)
		memcpy(b->p + HEAD, f->p, f->len);
	return 0;
}

/* Whole messages, each an ecm_record of this CP. */
static bool
sound(const struct scs_frames *f)
{
	static struct sim_msg m;
	const uint8_t *msg;
	size_t at = 0, len;

	while (scs_record_next(f, &at, &msg, &len))
		if (sim_decode(&playout, msg, len, &m, NULL) < 0 || m.def->type != PLAYOUT_ECM_RECORD || sim_int(&m, PLAYOUT_CP, -1) != f->cp)
			return false;
	return at == f->len;
}

int
scs_record_unpack(const void *value, size_t len, struct scs_cp *cp, struct scs_frames *f)
{
	const uint8_t *p = value;

	if (len < HEAD || p[0] != FORMAT)
		return -1;
	*cp = (struct scs_cp){ .cp = (int64_t)get64(p + 1), .start_us = (int64_t)get64(p + 9), .duration_us = (int64_t)get64(p + 17),
		.lead_us = (int64_t)get64(p + 25), .first = p[33] & 1, .mode = (enum scs_mode)(p[33] >> 1), .with = get64(p + 34) };
	*f = (struct scs_frames){ .cp = cp->cp, .len = len - HEAD };
	f->p = malloc(f->len ? f->len : 1);
	if (!f->p)
		return -1;
	memcpy(f->p, p + HEAD, f->len);
	/* a mode that a newer release knows is none of ours: the store is refused, nothing is guessed */
	if (cp->cp >= 0 && cp->duration_us > 0 && cp->lead_us >= 0 && p[33] >> 1 < SCS_NOTHING && sound(f))
		return 0;
	free(f->p);
	*f = (struct scs_frames){ 0 };
	return -1;
}
