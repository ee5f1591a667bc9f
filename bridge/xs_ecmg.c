/* bridge/xs_ecmg.c: see xs_ecmg.h */
#include "bridge/xs_ecmg.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "cwg/cwg.h"
#include "lib/log.h"
#include "lib/secret.h"

enum { MS = 1000, S = 1000 * 1000 };
enum { WAIT = 1 * S };			/* for its turn, and for an ECMG that takes it */
enum { PATIENCE = 3 };			/* crypto-periods of silence before it is an unrecoverable error (11.4) */
enum { KEYS = 16, ID = 8, ENCRYPTION = 256, WORDS = 256 };	/* KEYS: crypto-periods whose keys an ECMG may look back to */
#define NO_CP INT64_MIN

struct key {
	int64_t cp;			/* NO_CP: none */
	struct gw_secret material;
	uint8_t id[ID]; size_t id_len;
	uint8_t encryption[ENCRYPTION]; size_t encryption_len;
};
struct question {
	struct question *next;
	void *call;
	int64_t cp, duration_us, until_us;
	struct key keys[SP4_MODE_C_KEYS]; size_t n;
	size_t criteria_len;
	uint8_t criteria[];
};
struct xs_stream {
	struct xs_stream_conf conf;
	char unit[65];
	const struct xs_stream_ops *ops;
	void *self;
	struct scs_kms *kms;
	struct scs_kms_stream *line;
	bool up;
	struct scs_terms terms;
	struct question *asked, *first, **end;	/* asked: is with an ECMG */
	size_t waiting;
	int64_t cp;			/* of the latest question, counted on beyond 16 bits */
	int64_t failed;			/* the latest crypto-period without a word from an ECMG */
	unsigned silent;		/* how many of them in a row */
	struct key keys[KEYS];		/* by cp */
	unsigned last_status;
	struct xs_stream_counts counts;
	struct gw_rate rate;
};

/* ---- keys ---- */

static void
drop_key(struct key *k)
{
	gw_secret_free(&k->material);
	*k = (struct key){ .cp = NO_CP };
}

static struct key *
place_of(struct xs_stream *t, int64_t cp)
{
	return &t->keys[(uint64_t)cp % KEYS];
}

static struct key *
find_key(struct xs_stream *t, int64_t cp)
{
	struct key *k = place_of(t, cp);

	return k->cp == cp ? k : NULL;
}

static void
keep(struct xs_stream *t, struct key *k)
{
	struct key *at = place_of(t, k->cp);

	drop_key(at);
	*at = *k;
	k->material = (struct gw_secret){ 0 };
}

/* ---- answers ---- */

static void
free_question(struct question *q)
{
	for (size_t i = 0; i < SP4_MODE_C_KEYS; i++)
		gw_secret_free(&q->keys[i].material);
	free(q);
}

static void
refuse(struct xs_stream *t, void *call, int64_t cp, unsigned status, const char *why)
{
	struct xs_answer a = { .status = status, .reason = why, .cp = (uint16_t)cp };

	t->counts.failed++;
	t->last_status = status;
	gw_log_limited(&t->rate, GW_WARNING, "stkm_refused", why, "service=%s ecm_id=%u cp=%u status=%u", t->unit, t->conf.ecm_id, a.cp, status);
	t->ops->answer(t->self, call, &a);
}

static void
fail(struct xs_stream *t, struct question *q, unsigned status, const char *why)
{
	refuse(t, q->call, q->cp, status, why);
	free_question(q);
}

/* No ECMG made it: what one of them said, else their silence (11.4, read backwards). */
static void
fail_as_told(struct xs_stream *t, struct question *q, const char *otherwise)
{
	const struct scs_trouble *told = scs_kms_trouble(t->line);
	char why[WORDS];

	if (told->status) {
		snprintf(why, sizeof(why), "ECMG error_status 0x%04x: %s", told->status, told->text);
		fail(t, q, br_status_of(BR_ECMG, told->status), why);
		return;
	}
	if (q->cp != t->failed)
		t->silent++;
	t->failed = q->cp;
	snprintf(why, sizeof(why), "%s", told->text[0] ? told->text : otherwise);
	fail(t, q, t->silent > PATIENCE ? BR_SERVER_ERROR : BR_DELAYED, why);
}

/* ---- what is asked ---- */

/* The ECMG's window must be there: from the crypto-period itself to lead_CW after it (2.5); what lies before was told in its time. */
static int
complete(struct xs_stream *t, struct question *q, unsigned *status, char *why, size_t cap)
{
	for (int64_t cp = q->cp; cp <= q->cp + t->terms.lead_CW; cp++) {
		struct scs_key made = { 0 };
		struct gw_err err = { 0 };
		struct key k = { .cp = cp };

		if (find_key(t, cp))
			continue;
		if (!t->conf.mode_a || q->n) {
			*status = BR_MISSING;
			snprintf(why, cap, "no KeyContext for CP_number %u, which the ECMG needs (lead_CW %u)", (unsigned)(cp & 0xffff), t->terms.lead_CW);
			return -1;
		}
		*status = BR_NOT_GENERATED;
		if (t->ops->make(t->self, t->unit, (uint16_t)cp, &made, &err) < 0) {
			snprintf(why, cap, "%.200s", err.text);
			return -1;
		}
		if (made.id_len > ID || gw_secret_set(&k.material, made.material, made.len) < 0) {
			snprintf(why, cap, "no locked memory for a key");
			return -1;
		}
		memcpy(k.id, made.id, made.id_len);
		k.id_len = made.id_len;
		keep(t, &k);
	}
	return 0;
}

/* The next question, if there is an ECMG for it. */
static void
go_on(struct xs_stream *t, int64_t now)
{
	while (t->up && !t->asked && t->first) {
		struct question *q = t->first;
		char why[WORDS];
		unsigned status;

		if (!(t->first = q->next))
			t->end = &t->first;
		t->waiting--;
		for (size_t i = 0; i < q->n; i++)
			if (q->keys[i].material.p)
				keep(t, &q->keys[i]);
		if (complete(t, q, &status, why, sizeof(why)) < 0) {
			fail(t, q, status, why);
			continue;
		}
		t->asked = q;
		t->ops->asked(t->self, q->call, t->terms.max_comp_time);
		scs_kms_ask(t->line, q->cp, q->duration_us, now);
	}
}

static struct question *
take_asked(struct xs_stream *t)
{
	struct question *q = t->asked;

	t->asked = NULL;
	return q;
}

/* ---- the engine's calls ---- */

static void
stream_up(void *owner, const struct scs_terms *terms)
{
	struct xs_stream *t = owner;

	t->up = true;
	t->terms = *terms;
	t->ops->wake(t->self);
}

/* The ECMG that had the question is gone, and there is no other yet: unless it said why, it is put again to the first that comes. */
static void
stream_down(void *owner)
{
	struct xs_stream *t = owner;
	struct question *q = take_asked(t);

	t->up = false;
	if (!q)
		return;
	if (scs_kms_trouble(t->line)->status) {
		fail_as_told(t, q, "");
		return;
	}
	q->next = t->first;
	if (!t->first)
		t->end = &q->next;
	t->first = q;
	t->waiting++;
	t->ops->wake(t->self);
}

static void
on_ecm(void *owner, int64_t cp, const uint8_t *p, size_t len, const struct scs_terms *terms)
{
	struct xs_stream *t = owner;
	struct xs_answer a = { .ecm = p, .len = len, .cp = (uint16_t)cp, .repetition_ms = terms->ECM_rep_period };
	struct question *q;

	if (!t->asked || t->asked->cp != cp)
		return;
	q = take_asked(t);
	t->ops->wake(t->self);
	t->silent = 0;
	t->failed = NO_CP;
	if (len == 0 || len > SP4_DATA_OCTETS) {
		fail(t, q, BR_NOT_GENERATED, "the ECMG's ECM_datagram is empty");
		return;
	}
	t->counts.answered++;
	t->last_status = 0;
	t->ops->answer(t->self, q->call, &a);
	free_question(q);
}

static void
on_refused(void *owner, int64_t cp)
{
	struct xs_stream *t = owner;

	if (!t->asked || t->asked->cp != cp)
		return;
	fail_as_told(t, take_asked(t), "no ECMG could be asked");
	t->ops->wake(t->self);
}

static bool
on_key(void *owner, int64_t cp, struct scs_key *out)
{
	const struct key *k = find_key(owner, cp);

	if (!k)
		return false;
	*out = (struct scs_key){ .material = k->material.p, .len = k->material.len, .id_len = k->id_len,
		.encryption = k->encryption, .encryption_len = k->encryption_len };
	memcpy(out->id, k->id, k->id_len);
	return true;
}

static uint16_t
on_nominal(void *owner, const struct scs_terms *terms)
{
	const struct xs_stream *t = owner;

	return terms->min_CP_duration > t->conf.nominal_100ms ? terms->min_CP_duration : t->conf.nominal_100ms;
}

static size_t
on_criteria(void *owner, int64_t cp, const uint8_t **p)
{
	const struct question *q = ((struct xs_stream *)owner)->asked;

	(void)cp;
	*p = q ? q->criteria : NULL;
	return q ? q->criteria_len : 0;
}

const struct scs_kms_ops xs_kms_ops = { .stream_up = stream_up, .stream_down = stream_down, .ecm = on_ecm, .refused = on_refused,
	.key = on_key, .nominal = on_nominal, .criteria = on_criteria };

/* ---- tag 5 ---- */

/* CP_number is 16 bits and wraps: the crypto-period with this number that is nearest to the latest one. */
static int64_t
count_on(const struct xs_stream *t, int64_t cp)
{
	return t->cp == NO_CP ? cp : t->cp + (int16_t)(uint16_t)((uint64_t)cp - (uint64_t)t->cp);
}

static const int protections[] = { [SP4_IPSEC] = HE_IPSEC, [SP4_SRTP] = HE_SRTP, [SP4_ISMACRYP] = HE_ISMACRYP, [SP4_DCF] = HE_NONE,
	[SP4_CSA2] = HE_NONE, [SP4_CISSA] = HE_CISSA };

/* One KeyContext. NULL, or why not, with *status. */
static const char *
read_key(const struct xs_stream *t, const struct sp4_key_context *c, int64_t cp, struct key *k, unsigned *status)
{
	*status = BR_INVALID;
	if (c->cp != (cp & 0xffff))
		return "the KeyContexts are those of @cp and of the crypto-period after it, in this order";
	if (c->protection != SP4_ABSENT && protections[c->protection] != t->conf.protection)
		return "@protection is not that of the service";
	if (c->authenticated != SP4_ABSENT && c->protection <= SP4_ISMACRYP && (c->authenticated != 0) != t->conf.authenticated)
		return "@authenticated is not that of the service";
	if (c->key_id.len > ID || c->cw_encryption.len > ENCRYPTION)
		return "KeyId or CWEncryption is too long";
	if (!c->material.len) {
		*status = BR_MISSING;
		return "a KeyContext without KeyMaterial";
	}
	if (c->cw_encryption.p ? c->material.len > 256 : c->material.len != cwg_length(t->conf.protection, t->conf.authenticated, t->conf.cw_length))
		return "KeyMaterial has not the length that the protection wants";
	k->cp = cp;
	if (gw_secret_set(&k->material, c->material.p, c->material.len) < 0) {
		*status = BR_DELAYED;
		return "no locked memory for a key";
	}
	k->id_len = c->key_id.len;
	k->encryption_len = c->cw_encryption.len;
	if (k->id_len)
		memcpy(k->id, c->key_id.p, k->id_len);
	if (k->encryption_len)
		memcpy(k->encryption, c->cw_encryption.p, k->encryption_len);
	return NULL;
}

/* Super_CAS_id's upper half (10). A KMS of neither profile takes any: without the attribute it is drm. */
static bool
of_profile(const struct xs_stream *t, int64_t profile)
{
	uint32_t half = t->conf.super_cas_id >> 16;

	return profile == SP4_ABSENT || (half != 1 && half != 2) || half == (profile == SP4_DRM ? 1u : 2u);
}

static const char *
read_question(struct xs_stream *t, const struct sp4_msg *m, struct question *q, unsigned *status)
{
	const char *why = NULL;

	*status = BR_INVALID;
	if (!of_profile(t, m->stkm.profile))
		return "@profile is not that of the KMS";
	if (m->n_keys == 0 && !t->conf.mode_a) {
		*status = BR_MISSING;
		return "no KeyContext: the keys of this service come with the request (mode C)";
	}
	if (m->n_keys && m->keys[0].duration_ds > UINT16_MAX)
		return "@durationDs does not fit into CP_duration";
	for (size_t i = 0; i < m->n_keys && i < SP4_MODE_C_KEYS && !why; i++, q->n++)
		why = read_key(t, &m->keys[i], q->cp + (int64_t)i, &q->keys[i], status);
	return why;
}

void
xs_stream_ask(struct xs_stream *t, const struct sp4_msg *m, void *call, int64_t now)
{
	size_t len = m->n_stkm ? m->stkm.access_criteria.len : 0;
	struct question *q;
	unsigned status;
	const char *why;

	t->counts.asked++;
	if (!m->n_stkm || m->stkm.cp == SP4_ABSENT) {	/* in mode A, too: an ECMG makes an STKM for a CP_number (11.2) */
		refuse(t, call, 0, BR_MISSING, m->n_stkm ? "StkmContext lacks @cp: an STKM is for one crypto-period" :
		    "StkmContext is missing: an STKM is for one crypto-period, which its @cp says");
		return;
	}
	if (t->waiting == XS_QUEUE || !(q = calloc(1, sizeof(*q) + len))) {
		refuse(t, call, m->stkm.cp, BR_DELAYED, "too many requests of this stream are waiting");
		return;
	}
	q->call = call;
	q->cp = count_on(t, m->stkm.cp);
	q->until_us = now + WAIT;
	q->duration_us = (m->n_keys && m->keys[0].duration_ds > 0 ? m->keys[0].duration_ds : t->conf.nominal_100ms) * (int64_t)(100 * MS);
	q->criteria_len = len;
	if (len)
		memcpy(q->criteria, m->stkm.access_criteria.p, len);
	if ((why = read_question(t, m, q, &status))) {
		fail(t, q, status, why);
		return;
	}
	t->cp = q->cp;
	*t->end = q;
	t->end = &q->next;
	t->waiting++;
	go_on(t, now);
}

void
xs_stream_tick(struct xs_stream *t, int64_t now)
{
	go_on(t, now);
	for (struct question **at = &t->first, *q; (q = *at) != NULL;) {
		if (q->until_us > now) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		if (t->end == &q->next)
			t->end = at;
		t->waiting--;
		if (t->asked)
			fail(t, q, BR_DELAYED, "an earlier request of this stream is with the ECMG");
		else
			fail_as_told(t, q, "no ECMG is connected");
	}
}

int64_t
xs_stream_next(const struct xs_stream *t)
{
	int64_t at = INT64_MAX;

	if (t->up && !t->asked && t->first)
		return INT64_MIN;
	for (const struct question *q = t->first; q; q = q->next)
		at = q->until_us < at ? q->until_us : at;
	return at;
}

/* ---- life ---- */

struct xs_stream *
xs_stream_new(struct scs_kms *kms, const struct xs_stream_conf *conf, const struct xs_stream_ops *ops, void *self, int64_t now)
{
	struct scs_chan_stream c = { .ecm_id = conf->ecm_id, .protection = (uint8_t)conf->protection, .authenticated = conf->authenticated };
	struct xs_stream *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->conf = *conf;
	snprintf(t->unit, sizeof(t->unit), "%s", conf->unit);
	t->conf.unit = c.unit = t->unit;
	t->ops = ops;
	t->self = self;
	t->kms = kms;
	t->end = &t->first;
	t->cp = t->failed = NO_CP;
	t->rate = (struct gw_rate){ .burst = 20, .per_ms = 10000 };
	for (size_t i = 0; i < KEYS; i++)
		t->keys[i].cp = NO_CP;
	if (!(t->line = scs_kms_join(kms, &c, t, now))) {
		free(t);
		return NULL;
	}
	return t;
}

void
xs_stream_free(struct xs_stream *t, int64_t now)
{
	struct question *q;

	if (!t)
		return;
	if (t->line)
		scs_kms_leave(t->line, now);
	if (t->asked)
		fail(t, take_asked(t), BR_DELAYED, "the bridge's configuration changes");
	while ((q = t->first)) {
		t->first = q->next;
		fail(t, q, BR_DELAYED, "the bridge's configuration changes");
	}
	for (size_t i = 0; i < KEYS; i++)
		drop_key(&t->keys[i]);
	free(t);
}

/* ---- what operators see ---- */

void
xs_stream_view(const struct xs_stream *t, struct xs_stream_view *v)
{
	*v = (struct xs_stream_view){ .up = t->up, .waiting = t->waiting + (t->asked != NULL), .cp = t->cp == NO_CP ? -1 : t->cp & 0xffff,
		.last_status = t->last_status, .counts = t->counts };
}

const struct scs_kms_stream *
xs_stream_line(const struct xs_stream *t)
{
	return t->line;
}
