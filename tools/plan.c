/* tools/plan.c: which processes a head-end needs on this machine */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tools.h"

static const char *const programs[STAGES] = { "bsm", "ecmg", "bridge", "scs", "mux", "emmg", "scrambler", "terminal", "play" };

struct draft {
	struct tool_plan *plan;
	const char *config, *log_level;
	int (*find)(const char *, char out[TOOL_PATH], struct gw_err *);
	struct gw_err *err;
};

static char * __attribute__((format(printf, 1, 2)))
text(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return s;
}

/* instance and does are taken; the words are copied, up to a NULL. */
static int
add(struct draft *d, enum tool_stage stage, char *instance, char *does, ...)
{
	struct tool_process *more = realloc(d->plan->p, (d->plan->n + 1) * sizeof(*more)), *p;
	char path[TOOL_PATH];
	const char *word;
	bool whole;
	size_t n = 0;
	va_list ap;

	if (!more) {
		free(instance);
		free(does);
		return gw_fail(d->err, GW_ESYS, "out of memory");
	}
	d->plan->p = more;
	p = &more[d->plan->n++];
	*p = (struct tool_process){ .stage = stage, .program = programs[stage], .instance = instance, .does = does };
	if (d->find(p->program, path, d->err) < 0)
		return -1;
	p->argv[n++] = strdup(path);
	va_start(ap, does);
	while ((word = va_arg(ap, const char *)) != NULL && n < TOOL_ARGS - 3)
		p->argv[n++] = strdup(word);
	va_end(ap);
	p->argv[n++] = strdup("--log-level");
	p->argv[n++] = strdup(d->log_level);
	whole = instance && does;
	for (size_t i = 0; i < n; i++)
		whole = whole && p->argv[i];
	return whole ? 0 : gw_fail(d->err, GW_ESYS, "out of memory");
}

static int
add_bsms(struct draft *d, const struct headend *h)
{
	char at[GW_ADDR_TEXT];

	for (size_t i = 0; i < h->nbsm; i++)
		if (gw_addr_local(&h->bsm[i].listen) && add(d, STAGE_BSM, strdup(h->bsm[i].name), text("subscribers of %s register at %s",
		    h->bsm[i].kms->name, gw_addr_text(&h->bsm[i].listen, at, sizeof(at))), "--config", d->config, "--bsm", h->bsm[i].name, NULL) < 0)
			return -1;
	return 0;
}

/* A bridge is its ECMG (make_stkm): one that has its SEAKs. */
static bool
of_bridge(const struct headend *h, const struct he_kms *k)
{
	for (size_t i = 0; i < h->nbridge; i++)
		for (size_t s = 0; k->store && h->bridge[i].seaks && strcmp(h->bridge[i].seaks, k->store) == 0 && s < h->bridge[i].nseak; s++)
			if (h->bridge[i].seak[s].make_stkm)
				return true;
	return false;
}

static int
add_ecmgs(struct draft *d, const struct headend *h)
{
	char at[GW_ADDR_TEXT];

	for (size_t i = 0; i < h->nkms; i++)
		for (size_t j = 0; h->kms[i].plugin && j < h->kms[i].necmg; j++) {
			if (!gw_addr_local(&h->kms[i].ecmg[j]) || of_bridge(h, &h->kms[i]))
				continue;
			gw_addr_text(&h->kms[i].ecmg[j], at, sizeof(at));
			if (add(d, STAGE_ECMG, strdup(h->kms[i].name), text("listens on %s", at), "--config", d->config, "--kms",
			    h->kms[i].name, "--listen", at, NULL) < 0)
				return -1;
		}
	return 0;
}

static int
add_bridges(struct draft *d, const struct headend *h)
{
	char at[GW_ADDR_TEXT];

	for (size_t i = 0; i < h->nbridge; i++) {
		const struct he_bridge *b = &h->bridge[i];
		char *does = b->listen.scheme ? text("XML of %zu peer%s at %s", b->npeers, b->npeers > 1 ? "s" : "",
		    gw_addr_text(&b->listen, at, sizeof(at))) : text("XML to %zu peer%s", b->npeers, b->npeers > 1 ? "s" : "");

		if (b->listen.scheme && !gw_addr_local(&b->listen))
			free(does);
		else if (add(d, STAGE_BRIDGE, strdup(b->name), does, "--config", d->config, "--bridge", b->name, NULL) < 0)
			return -1;
	}
	return 0;
}

/* "news srtp 10 s, …" of a few */
static char *
services_text(const struct headend *h)
{
	char list[160] = "";
	size_t len = 0, i;

	for (i = 0; i < h->nservices && len < 80; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%.40s every %g s", i ? ", " : "", h->services[i].id,
		    h->services[i].crypto_period_ms / 1000.0);
	return text("new keys for %s%s", list, i < h->nservices ? ", …" : "");
}

static char *
mux_text(const struct headend *h)
{
	size_t streams = 0;
	char at[GW_ADDR_TEXT] = "";

	for (size_t i = 0; i < h->nservices; i++)
		for (size_t j = 0; j < h->services[i].nunits; j++)
			for (size_t k = 0; k < h->services[i].units[j].nstkm; k++)
				streams += h->services[i].units[j].stkm[k].out.scheme != 0;
	if (h->mux.emmg.scheme)
		gw_addr_text(&h->mux.emmg, at, sizeof(at));
	return text("sends %zu ECM streams%s%s", streams, *at ? ", EMMGs at " : "", at);
}

/* One for each KMS that has something to send: a plugin of ours makes it, or there is a source. */
static int
add_emmgs(struct draft *d, const struct headend *h)
{
	char to[GW_ADDR_TEXT];

	for (size_t i = 0; i < h->nkms; i++) {
		const struct he_ltkm *first = NULL;
		size_t n = 0;

		for (size_t j = 0; j < h->nltkm; j++)
			if (h->ltkm[j].kms == &h->kms[i] && he_ltkm_ours(&h->ltkm[j])) {
				first = first ? first : &h->ltkm[j];
				n++;
			}
		if (first && add(d, STAGE_EMMG, strdup(h->kms[i].name), text("sends %zu LTKM stream%s to %s", n, n > 1 ? "s" : "",
		    gw_addr_text(&first->to, to, sizeof(to))), "--config", d->config, "--kms", h->kms[i].name, NULL) < 0)
			return -1;
	}
	return 0;
}

static char *
scrambler_text(const struct headend *h, size_t *media)
{
	char in[GW_ADDR_TEXT], out[GW_ADDR_TEXT], *first = NULL;

	*media = 0;
	for (size_t i = 0; i < h->nservices; i++)
		for (size_t j = 0; h->services[i].scrambling != HE_NONE && j < h->services[i].nmedia; j++, ++*media)
			if (!first)
				first = text("%s/%s: %s to %s", h->services[i].id, h->services[i].media[j].name,
				    gw_addr_text(&h->services[i].media[j].in, in, sizeof(in)),
				    gw_addr_text(&h->services[i].media[j].out, out, sizeof(out)));
	if (*media > 1) {
		free(first);
		first = text("%zu media", *media);
	}
	return first ? first : strdup("");
}

static int
add_terminals_and_players(struct draft *d, const struct headend *h)
{
	char to[GW_ADDR_TEXT];

	for (size_t i = 0; i < h->nterminals; i++) {
		const struct he_terminal *t = &h->terminals[i];

		if (add(d, STAGE_TERMINAL, strdup(t->name), text("receives %s, %s profile", t->service->id,
		    t->smartcard ? "Smartcard" : "DRM"), "--config", d->config, "--terminal", t->name, NULL) < 0)
			return -1;
	}
	for (size_t i = 0; i < h->nplay; i++) {
		static const char *const to_options[] = { [HE_TS] = "--to", [HE_H264] = "--h264", [HE_AAC] = "--aac" };
		const struct he_play *p = &h->play[i];
		const char *flags[2] = { NULL, NULL }, *slash = strrchr(p->file, '/');
		char type[40];
		size_t n = 0;

		gw_addr_text(&p->to, to, sizeof(to));
		snprintf(type, sizeof(type), "%s-payload-type=%u", to_options[p->type], p->payload_type);
		if (p->type != HE_TS)
			flags[n++] = type;
		else if (p->rtp)
			flags[n++] = "--rtp";
		if (p->loop)
			flags[n++] = "--loop";
		if (add(d, STAGE_PLAY, h->nplay > 1 ? text("%zu", i + 1) : strdup(""), text("%s to %s", slash ? slash + 1 : p->file, to),
		    p->file, to_options[p->type], to, flags[0], flags[1], NULL) < 0)
			return -1;
	}
	return 0;
}

int
tool_plan(const struct headend *h, const char *config, const char *log_level,
    int (*find)(const char *, char out[TOOL_PATH], struct gw_err *), struct tool_plan *plan, struct gw_err *err)
{
	struct draft d = { plan, config, log_level, find, err };
	size_t media;
	char *scrambles = scrambler_text(h, &media);
	int rc = 0;

	*plan = (struct tool_plan){ NULL, 0 };
	if (add_bsms(&d, h) < 0 || add_ecmgs(&d, h) < 0 || add_bridges(&d, h) < 0)
		rc = -1;
	if (rc == 0 && tool_has_streams(h))
		rc = add(&d, STAGE_SCS, strdup(""), services_text(h), "--config", config, NULL);
	if (rc == 0 && (tool_has_streams(h) || h->nltkm))
		rc = add(&d, STAGE_MUX, strdup(""), mux_text(h), "--config", config, NULL);
	if (rc == 0)
		rc = add_emmgs(&d, h);
	if (rc == 0 && media) {
		rc = add(&d, STAGE_SCRAMBLER, strdup(""), scrambles, "--config", config, NULL);
		scrambles = NULL;
	}
	free(scrambles);
	if (rc == 0)
		rc = add_terminals_and_players(&d, h);
	if (rc == 0 && plan->n == 0)
		rc = gw_fail(err, GW_ECONF, "%s: there is nothing to run on this machine", config);
	if (rc < 0)
		tool_plan_free(plan);
	return rc;
}

void
tool_plan_free(struct tool_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		free(plan->p[i].instance);
		free(plan->p[i].does);
		for (size_t j = 0; j < TOOL_ARGS; j++)
			free(plan->p[i].argv[j]);
	}
	free(plan->p);
	*plan = (struct tool_plan){ NULL, 0 };
}

void
tool_plan_print(const struct tool_plan *plan, const struct headend *h, FILE *f)
{
	fprintf(f, "head-end %s: %zu processes, their sockets in %s\n", h->head_end, plan->n, h->playout);
	for (size_t i = 0; i < plan->n; i++)
		fprintf(f, "  %-10s %-12s %s\n", plan->p[i].program, plan->p[i].instance, plan->p[i].does);
	fflush(f);
}
