/* bridge/seak_load.c: see seak_load.h */
#include "bridge/seak_load.h"
#include <stdlib.h>
#include <string.h>

static const int64_t kept_us = INT64_C(86400) * 1000000;

struct marked { int64_t id; struct seak_mark m; };
struct load { struct seak_engines *e; struct marked *marks; size_t n, room, at; const struct he_bridge *conf; int64_t now_us; bool failed; };

static int
take_mark(void *self, int64_t id, const struct seak_mark *m)
{
	struct load *l = self;

	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct marked *grown = reallocarray(l->marks, room, sizeof(*grown));

		if (!grown) {
			l->failed = true;
			return -1;
		}
		l->marks = grown;
		l->room = room;
	}
	l->marks[l->n++] = (struct marked){ id, *m };
	return 0;
}

static bool
has_entry(const struct he_bridge *conf, const char *urn)
{
	for (size_t i = 0; i < conf->nseak; i++)
		if (strcmp(conf->seak[i].service->global_service_id, urn) == 0)
			return true;
	return false;
}

static int
take_row(void *self, const struct seak_row *row)
{
	struct load *l = self;
	struct seak_mark marks[256];
	size_t n = 0;
	int64_t *gone;

	/* Of services that have left the file: nobody else forgets those. */
	if (!has_entry(l->conf, row->urn) && row->to_s < (l->now_us - kept_us) / 1000000) {
		if ((gone = reallocarray(l->e->gone, l->e->ngone + 1, sizeof(*gone))) != NULL) {
			l->e->gone = gone;
			gone[l->e->ngone++] = row->id;
		}
		return 0;
	}
	for (; l->at < l->n && l->marks[l->at].id <= row->id; l->at++)	/* both come by id */
		if (l->marks[l->at].id == row->id && n < sizeof(marks) / sizeof(marks[0]))
			marks[n++] = l->marks[l->at].m;
	if ((l->e->sync && seak_restore(l->e->sync, row, marks, n, l->now_us) < 0) || (l->e->bsm && seak_bsm_restore(l->e->bsm, row, l->now_us) < 0))
		l->failed = true;
	return l->failed;
}

static int
make_sync(const struct he_bridge *conf, const struct seak_ops *ops, void *self, struct seak_engines *e)
{
	struct seak_rule *rules = calloc(conf->nseak + 1, sizeof(*rules));
	struct seak_member *members = NULL;
	size_t n = 0, nm = 0, total = 0;

	for (size_t i = 0; i < conf->nseak; i++)
		total += conf->seak[i].nothers + 1;
	members = calloc(total + 1, sizeof(*members));
	for (size_t i = 0; rules && members && i < conf->nseak; i++) {
		const struct he_bridge_seak *s = &conf->seak[i];
		struct seak_rule *rule = &rules[n];

		if (s->bsda)
			continue;
		*rule = (struct seak_rule){ .service = s->service->id, .urn = s->service->global_service_id, .generator = s->generator ? s->generator->id : NULL,
			.members = &members[nm], .wait_us = s->wait_ms * INT64_C(1000) };
		if (s->generator)
			members[nm++] = (struct seak_member){ s->generator->id, s->generator->url != NULL };
		for (size_t k = 0; k < s->nothers; k++)
			members[nm++] = (struct seak_member){ s->others[k]->id, s->others[k]->url != NULL };
		rule->nmembers = (size_t)(&members[nm] - rule->members);
		n++;
	}
	if (rules && members && n)
		e->sync = seak_new(rules, n, ops, self);
	bool ok = rules && members && (n == 0 || e->sync);
	free(rules);
	free(members);
	return ok ? 0 : -1;
}

static int
make_bsm(const struct he_bridge *conf, const struct seak_ops *ops, void *self, struct seak_engines *e)
{
	struct seak_bsm_rule *rules = calloc(conf->nseak + 1, sizeof(*rules));
	size_t n = 0;

	for (size_t i = 0; rules && i < conf->nseak; i++) {
		const struct he_bridge_seak *s = &conf->seak[i];

		if (s->bsda)
			rules[n++] = (struct seak_bsm_rule){ s->service->id, s->service->global_service_id, s->bsda->id, s->bsda->url != NULL, s->generate,
				(int64_t)(s->life_ms / 1000), (int64_t)(s->ahead_ms + 999) / 1000 };
	}
	if (rules && n)
		e->bsm = seak_bsm_new(conf->id, rules, n, ops, self);
	bool ok = rules && (n == 0 || e->bsm);
	free(rules);
	return ok ? 0 : -1;
}

int
seak_engines_load(const struct he_bridge *conf, struct seaks *store, const struct seak_ops *ops, void *const selfs[2], int64_t now_us,
    struct seak_engines *e, struct gw_err *err)
{
	struct load l = { .e = e, .conf = conf, .now_us = now_us };
	int rc = -1;

	*e = (struct seak_engines){ 0 };
	if (make_sync(conf, ops, selfs[0], e) < 0 || make_bsm(conf, ops, selfs[1], e) < 0)
		gw_fail(err, GW_ESYS, "no memory for the services whose SEAKs are synchronised");
	else if (store && (seaks_marks(store, take_mark, &l) != GW_WON || seaks_each(store, take_row, &l) != GW_WON))
		gw_fail(err, GW_ETEMP, "store of SEAKs %s: cannot be read now", conf->seaks);
	else if (l.failed)
		gw_fail(err, GW_ESYS, "no locked memory left for SEAKs");
	else
		rc = 0;
	free(l.marks);
	if (rc == 0)
		return 0;
	seak_free(e->sync);
	seak_bsm_free(e->bsm);
	free(e->gone);
	*e = (struct seak_engines){ 0 };
	return -1;
}
