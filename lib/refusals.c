/* lib/refusals.c */
#include "lib/refusals.h"
#include <stdio.h>
#include "lib/clock.h"

enum { UNKNOWN_ERROR = 0x7000 };	/* the same on every interface */

static uint64_t *
counter(struct gw_refusals *r, uint16_t status)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->by[i].status == status)
			return &r->by[i].n;
	if (r->n >= GW_REFUSAL_CODES - 1 && status != UNKNOWN_ERROR)
		return counter(r, UNKNOWN_ERROR);
	r->by[r->n].status = status;
	return &r->by[r->n++].n;
}

void
gw_refusals_add(struct gw_refusals *r, const char *peer, const char *message, uint16_t status, const char *why)
{
	const size_t at = r->nlast++ % GW_REFUSALS_LAST;

	++*counter(r, status);
	r->last[at].utc_us = gw_utc_us();
	snprintf(r->last[at].text, sizeof(r->last[at].text), "%s: %s 0x%04x %s", peer, message ? message : "-", status, why ? why : "");
}

json_t *
gw_refusals_counts(const struct gw_refusals *r, const struct sim_iface *iface)
{
	json_t *o = json_object();
	char name[96];

	for (size_t i = 0; i < r->n; i++) {
		snprintf(name, sizeof(name), "0x%04x %s", r->by[i].status, sim_status_words(iface, r->by[i].status)->name);
		json_object_set_new(o, name, json_integer((json_int_t)r->by[i].n));
	}
	return o;
}

json_t *
gw_refusals_last(const struct gw_refusals *r)
{
	const size_t n = r->nlast < GW_REFUSALS_LAST ? r->nlast : GW_REFUSALS_LAST;
	json_t *list = json_array();
	char at[32];

	for (size_t i = 1; i <= n; i++) {
		const size_t k = (r->nlast - i) % GW_REFUSALS_LAST;
		json_array_append_new(list, json_pack("{s:s, s:s}", "at", gw_utc_text(r->last[k].utc_us, at), "error", r->last[k].text));
	}
	return list;
}

void
gw_refusals_collect(const struct gw_refusals *r, const struct sim_iface *iface, const struct gw_metric *metric, const char *labels,
    struct gw_samples *out)
{
	char all[512], code[8];

	for (size_t i = 0; i < r->n; i++) {
		snprintf(all, sizeof(all), "%s", labels);
		snprintf(code, sizeof(code), "0x%04x", r->by[i].status);
		gw_label(all, sizeof(all), "error", code);
		gw_label(all, sizeof(all), "name", sim_status_words(iface, r->by[i].status)->name);
		gw_sample(out, metric, all, (double)r->by[i].n);
	}
}
