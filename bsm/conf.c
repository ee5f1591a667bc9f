/* bsm/conf.c */
#include "bsm/conf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/ops.h"
#include "lib/settings.h"

static int
take_bsm(void *self, const char *value, struct gw_err *err)
{
	return gw_word(&((struct bsm_args *)self)->name, value, err);
}

static const struct gw_option options[] = {
	{ "bsm", "NAME", "which BSM of the configuration; needed when it has several", take_bsm },
};
static const struct gw_program program = {
	.name = "simulgate-bsm", .usage = "[--config FILE] [--bsm NAME]",
	.summary = "The subscribers' side of a KMS of the Smartcard profile: bootstrapping, registration, LTKMs, purchases (OMA BCAST 1.0).",
	.options = options, .noptions = sizeof(options) / sizeof(options[0]),
};

int
bsm_args(struct bsm_args *a, int argc, char **argv)
{
	*a = (struct bsm_args){ .name = NULL };
	return gw_args(&program, &a->common, a, argc, argv);
}

void
bsm_args_free(struct bsm_args *a)
{
	free(a->name);
	a->name = NULL;
}

static const struct he_bsm *
find(const struct headend *he, const char *name, struct gw_err *err)
{
	if (he->nbsm == 0)
		gw_fail(err, GW_ECONF, "%s: there is no bsm", he->file);
	else if (!name && he->nbsm > 1)
		gw_fail(err, GW_EUSAGE, "%s has several BSMs: --bsm NAME says which", he->file);
	else if (name)
		gw_fail(err, GW_ECONF, "%s: no bsm of the name %s", he->file, name);
	for (size_t i = 0; i < he->nbsm; i++)
		if (name ? strcmp(he->bsm[i].name, name) == 0 : he->nbsm == 1)
			return &he->bsm[i];
	return NULL;
}

int
bsm_conf_load(struct bsm_conf *c, const struct bsm_args *a, struct gw_err *err)
{
	struct gw_err why = { 0 };

	*c = (struct bsm_conf){ .he = headend_load(a->common.config, err), .status = a->common.status };
	if (!c->he)
		return -1;
	c->b = find(c->he, a->name, &why);
	if (!c->b)
		*err = why;
	if (c->b && (c->status.scheme || gw_ops_default_addr(c->he->playout, "bsm", c->b->name, &c->status, err) == 0))
		return 0;
	bsm_conf_free(c);
	return -1;
}

void
bsm_conf_free(struct bsm_conf *c)
{
	headend_free(c->he);
	*c = (struct bsm_conf){ .he = NULL };
}

static void
print_addr(const char *key, const struct gw_addr *a)
{
	char text[GW_ADDR_TEXT];

	if (a->scheme)
		printf("%s=%s\n", key, gw_addr_text(a, text, sizeof(text)));
}

void
bsm_conf_print(const struct bsm_conf *c)
{
	const struct he_bsm *b = c->b;

	printf("bsm=%s\nkms=%s\nstore=%s\nnaf=%s\nbsf=%s\nkey_domain=0x%02x%02x%02x\n", b->name, b->kms->name, b->kms->store, b->naf, b->bsf,
	    b->key_domain[0], b->key_domain[1], b->key_domain[2]);
	print_addr("status", &c->status);
	print_addr("listen", &b->listen);
	print_addr("api", &b->api);
	print_addr("ltkm", &b->ltkm);
	print_addr("smpp", &b->smpp);
	if (b->sms_dir)
		printf("sms=%s\n", b->sms_dir);
	printf("sek_life=%gs\nroll_window=%gs\n", (double)b->sek_life_ms / 1000, (double)b->roll_window_ms / 1000);
	for (size_t i = 0; i < c->he->nservices; i++)
		for (size_t j = 0; j < c->he->services[i].nunits; j++)
			for (size_t k = 0; k < c->he->services[i].units[j].nstkm; k++) {
				const struct he_stkm *s = &c->he->services[i].units[j].stkm[k];

				if (s->kms == b->kms)
					printf("service %s ecm_id=%u key=%s sold_as=%s%s\n", c->he->services[i].units[j].id, s->ecm_id,
					    s->pek ? "pek" : "sek", c->he->services[i].purchase_item, c->he->services[i].purchase_data);
			}
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same_addr(const struct gw_addr *a, const struct gw_addr *b)
{
	char one[GW_ADDR_TEXT], other[GW_ADDR_TEXT];

	return a->scheme == b->scheme &&
	    (!a->scheme || strcmp(gw_addr_text(a, one, sizeof(one)), gw_addr_text(b, other, sizeof(other))) == 0);
}

int
bsm_conf_same(const struct bsm_conf *old, const struct bsm_conf *fresh, struct gw_err *err)
{
	const struct he_bsm *a = old->b, *b = fresh->b;
	const struct { const char *key; bool same; } fixed[] = {
		{ "kms", same_text(a->kms->name, b->kms->name) },
		{ "store", same_text(a->kms->store, b->kms->store) && same_text(a->kms->master, b->kms->master) },
		{ "naf", same_text(a->naf, b->naf) },
		{ "bsf", same_text(a->bsf, b->bsf) },
		{ "key_domain", memcmp(a->key_domain, b->key_domain, a->key_domain_len) == 0 },
		{ "listen", same_addr(&a->listen, &b->listen) },
		{ "api", same_addr(&a->api, &b->api) },
		{ "ltkm", same_addr(&a->ltkm, &b->ltkm) },
		{ "smpp", same_addr(&a->smpp, &b->smpp) },
		{ "sms", same_text(a->sms_dir, b->sms_dir) },
		{ "path", same_text(a->path, b->path) },
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (!fixed[i].same)
			return gw_fail(err, GW_ECONF, "%s:%d:%d: %s of BSM %s has changed: that takes a restart", fresh->he->file, b->at.line,
			    b->at.column, fixed[i].key, b->name);
	return 0;
}
