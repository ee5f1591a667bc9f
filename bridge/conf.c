/* bridge/conf.c */
#include "bridge/conf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/ops.h"
#include "lib/settings.h"

static int
take_bridge(void *self, const char *value, struct gw_err *err)
{
	return gw_word(&((struct bridge_args *)self)->name, value, err);
}

static int
take_schemas(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct bridge_args *)self)->schemas = value;
	return 0;
}

static const struct gw_option options[] = {
	{ "bridge", "NAME", "which bridge of the configuration; needed when it has several", take_bridge },
	{ "schemas", "DIR", "where sp4-backend.xsd and sp4-ext.xsd are, if not where they were installed", take_schemas },
};
static const struct gw_program program = {
	.name = "simulgate-bridge", .usage = "[--config FILE] [--bridge NAME]",
	.summary = "SP-4 and CP-3 as XML over HTTPS on one side, SimulCrypt on the other (OMA BCAST 1.0, TS 103 197).",
	.options = options, .noptions = sizeof(options) / sizeof(options[0]),
};

int
bridge_args(struct bridge_args *a, int argc, char **argv)
{
	*a = (struct bridge_args){ .schemas = getenv("SIMULGATE_SCHEMAS") };
	if (!a->schemas)
		a->schemas = SP4_SCHEMAS;
	return gw_args(&program, &a->common, a, argc, argv);
}

void
bridge_args_free(struct bridge_args *a)
{
	free(a->name);
	a->name = NULL;
}

static const struct he_bridge *
find(const struct headend *he, const char *name, struct gw_err *err)
{
	if (he->nbridge == 0)
		gw_fail(err, GW_ECONF, "%s: there is no bridge", he->file);
	else if (!name && he->nbridge > 1)
		gw_fail(err, GW_EUSAGE, "%s has several bridges: --bridge NAME says which", he->file);
	else if (name)
		gw_fail(err, GW_ECONF, "%s: no bridge of the name %s", he->file, name);
	for (size_t i = 0; i < he->nbridge; i++)
		if (name ? strcmp(he->bridge[i].name, name) == 0 : he->nbridge == 1)
			return &he->bridge[i];
	return NULL;
}

int
bridge_conf_load(struct bridge_conf *c, const struct bridge_args *a, struct gw_err *err)
{
	struct gw_err why = { 0 };

	*c = (struct bridge_conf){ .he = headend_load(a->common.config, err), .status = a->common.status };
	if (!c->he)
		return -1;
	c->b = find(c->he, a->name, &why);
	if (!c->b)
		*err = why;
	if (c->b && (c->status.scheme || gw_ops_default_addr(c->he->playout, "bridge", c->b->name, &c->status, err) == 0))
		return 0;
	bridge_conf_free(c);
	return -1;
}

void
bridge_conf_free(struct bridge_conf *c)
{
	headend_free(c->he);
	*c = (struct bridge_conf){ .he = NULL };
}

static const char *
roles_text(unsigned roles, char out[32])
{
	snprintf(out, 32, "%s%s%s", roles & HE_ROLE_BSM ? " bsm" : "", roles & HE_ROLE_BSDA ? " bsda" : "", roles & HE_ROLE_BSA ? " bsa" : "");
	return *out ? out + 1 : out;
}

static const char *const modes[] = { [HE_MODE_A] = "a", [HE_MODE_C] = "c" };

static void
print_ecmgs(const struct he_bridge *b)
{
	char text[GW_ADDR_TEXT];

	for (size_t i = 0; i < b->necmg; i++) {
		printf("ecmg of %s mode=%s peer=%s", b->ecmg[i].kms->name, modes[b->ecmg[i].mode], b->ecmg[i].peer->name);
		for (size_t k = 0; k < b->ecmg[i].nlisten; k++)
			printf(" listen=%s", gw_addr_text(&b->ecmg[i].listen[k], text, sizeof(text)));
		printf("\n");
	}
	for (size_t i = 0; i < b->nstkm; i++)
		printf("stkms of %s service=%s ecm_id=%u mode=%s peer=%s\n", b->stkm[i].kms->name, b->stkm[i].service->id, b->stkm[i].ecm_id,
		    modes[b->stkm[i].mode], b->stkm[i].peer->name);
}

static void
print_streams(const struct he_bridge *b)
{
	char text[GW_ADDR_TEXT];

	for (size_t i = 0; i < b->nemmg; i++)
		printf("stream of EMMG client_id=0x%08x data_id=%u %s service=%s listen=%s peer=%s\n", b->emmg[i].client_id, b->emmg[i].data_id,
		    b->emmg[i].registration ? "registration" : "ltkm", b->emmg[i].service->id, gw_addr_text(&b->emmg[i].listen, text, sizeof(text)),
		    b->emmg[i].peer->name);
	for (size_t i = 0; i < b->nmux; i++)
		printf("stream to MUX client_id=0x%08x data_id=%u %s service=%s to=%s peer=%s\n", b->mux[i].client_id, b->mux[i].data_id,
		    b->mux[i].registration ? "registration" : "ltkm", b->mux[i].service->id, gw_addr_text(&b->mux[i].to, text, sizeof(text)),
		    b->mux[i].peer->name);
}

static void
print_seaks(const struct he_bridge *b)
{
	for (size_t i = 0; i < b->nseak; i++) {
		const struct he_bridge_seak *s = &b->seak[i];

		printf("seak service=%s", s->service->id);
		if (s->bsda)
			printf(" bsda=%s%s", s->bsda->name, s->generate ? " generate" : "");
		if (s->generator)
			printf(" generator=%s", s->generator->name);
		for (size_t k = 0; k < s->nothers; k++)
			printf(" other=%s", s->others[k]->name);
		printf("%s\n", s->make_stkm ? " make_stkm" : "");
	}
}

void
bridge_conf_print(const struct bridge_conf *c)
{
	const struct he_bridge *b = c->b;
	char text[GW_ADDR_TEXT], roles[32];

	printf("bridge=%s\nid=%s\nroles=%s\nstore=%s\n", b->name, b->id, roles_text(b->roles, roles), b->store);
	printf("status=%s\n", gw_addr_text(&c->status, text, sizeof(text)));
	if (b->listen.scheme)
		printf("listen=%s\n", gw_addr_text(&b->listen, text, sizeof(text)));
	for (size_t i = 0; i < b->npeers; i++) {
		const struct he_sp4_peer *p = &b->peers[i];

		printf("peer %s id=%s identity=%s roles=%s url=%s", p->name, p->id, p->identity, roles_text(p->roles, roles), p->url ? p->url : "-");
		for (size_t k = 0; k < p->nservices; k++)
			printf(" service=%s", p->services[k]->id);
		printf("\n");
	}
	print_ecmgs(b);
	print_streams(b);
	print_seaks(b);
	for (size_t i = 0; i < c->he->nservices; i++)
		if (c->he->services[i].outside_keys && strcmp(c->he->services[i].outside_keys, b->name) == 0)
			printf("keys of service %s\n", c->he->services[i].id);
}
