/* kms/smartcard.c: the KMS of the Smartcard profile as a plugin: TEKs become MIKEY STKMs under SEKs of a key file or a store (6.1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kms/card_store.h"
#include "kms/keys.h"
#include "kms/plug.h"

enum { PROFILE = 0x0002, EXT_NONE = 0, EXT_MIN = 1, ID_EXPLICIT = 0, ID_MBMS = 1, ECM_IDS = 65536, FEW_LEFT = 10 };

struct smartcard {
	struct kms_channel channel;
	struct plug_protection protection;
	uint8_t after_reception, ext_bcast, key_id_mode;
	char path[1024];
	char store_path[1024], master[1024];	/* in place of path */
	struct card_store *store;
	struct kms_host host;
	struct keys_card keys;
	const struct keys_card_service *service[ECM_IDS];	/* found once */
};

static const struct plug_row settings[] = {
	{ "keys", PLUG_PATH, PLUG_AT(smartcard, path), 0, 0, NULL },
	{ "store", PLUG_PATH, PLUG_AT(smartcard, store_path), 0, 0, NULL },
	{ "master", PLUG_PATH, PLUG_AT(smartcard, master), 0, 0, NULL },
	{ "protection", PLUG_PROTECTION, PLUG_AT(smartcard, protection.protocol), 0, 0, NULL },
	{ "authenticated", PLUG_FLAG, PLUG_AT(smartcard, protection.authenticated), 0, 0, NULL },
	{ "protection_after_reception", PLUG_UINT, PLUG_AT(smartcard, after_reception), 0, 3, NULL },
	{ "ext_bcast", PLUG_WORDS, PLUG_AT(smartcard, ext_bcast), 0, 0, "none|min" },
	{ "key_id_mode", PLUG_WORDS, PLUG_AT(smartcard, key_id_mode), 0, 0, "explicit|mbms" },
	PLUG_CHANNEL(smartcard),
};

/* plan: TEK ID; the rest is filled in here. */
static int
seal(const void *self, struct msk *sek, const struct msk_plan *tek, const struct plug_key *key, const struct plug_call *c)
{
	const struct smartcard *d = self;
	const struct kms_request *r = c->r;
	struct mikey_management m = { .protection_after_reception = d->after_reception, .lifetime = plug_lifetime(r) };
	struct msk_plan plan = { .tek_id = tek->tek_id, .spent = tek->spent, .id = key->id, .id_len = key->id_len };
	struct gw_err err = { 0 };

	if (r->access_criteria_len)
		m.criteria = (struct mikey_view){ r->access_criteria, r->access_criteria_len };
	if (d->ext_bcast == EXT_MIN || r->access_criteria_len)
		plan.management = &m;
	if (d->key_id_mode == ID_MBMS && key->tkm.layout->protocol != STKM_TS)
		plan.id_len = 0;
	size_t n = msk_seal(sek, &plan, &key->tkm, c->out, c->cap, &err);
	if (n)
		return (int)n;
	return PLUG_NO(c, err.code == GW_EPEER ? PLUG_BAD_VALUE : PLUG_GENERATION_FAILURE, "CP_number %u: %s", r->cp_number, err.text);
}

static void
smartcard_close(void *state)
{
	struct smartcard *d = state;

	card_store_close(d->store);
	keys_card_free(&d->keys);
	free(d);
}

/* Exactly one of both places. */
static int
open_keys(struct smartcard *d, char *why, size_t why_cap)
{
	struct gw_err err = { 0 };
	int rc;

	if (!*d->path == !*d->store_path)
		return plug_refuse(1, why, why_cap, *d->path ? "keys come from keys or from store, not from both" :
		    "setting keys (the key file) or store (that of its BSM) is missing");
	if (*d->path && *d->master)
		return plug_refuse(1, why, why_cap, "setting master is for a store");
	if (*d->path)
		rc = keys_card_load(d->path, &d->keys, &err);
	else
		rc = card_store_open(d->store_path, *d->master ? d->master : NULL, &d->host, seal, d, &d->store, &err);
	return rc < 0 ? plug_refuse(1, why, why_cap, "%s", err.text) : 0;
}

static int
smartcard_open(const struct kms_host *host, const char *conf, void **state, char *why, size_t why_cap)
{
	struct smartcard *d = calloc(1, sizeof(*d));

	if (!d) {
		plug_refuse(1, why, why_cap, "no memory");
		return -1;
	}
	/* delay_start: STKM n is on air before CP n begins and leaves when STKM n+1 starts; one STKM holds one TEK (5.1) */
	d->channel = (struct kms_channel){ .section_TSpkt_flag = 2, .lead_CW = 0, .CW_per_msg = 1,
		.delay_start = -2000, .delay_stop = -2000, .ECM_rep_period = 500, .min_CP_duration = 10, .max_comp_time = 500 };
	d->host = *host;
	d->protection = (struct plug_protection){ STKM_SRTP, true };
	d->after_reception = 3;
	int rc = plug_conf(settings, sizeof(settings) / sizeof(settings[0]), d, conf, why, why_cap);
	if (rc == 0)
		rc = open_keys(d, why, why_cap);
	if (rc == 0) {
		*state = d;
		return 0;
	}
	smartcard_close(d);
	return -1;
}

static int
smartcard_channel(void *state, uint32_t super_cas_id, struct kms_channel *channel, char *why, size_t why_cap)
{
	const struct smartcard *d = state;

	if (super_cas_id >> 16 != PROFILE)
		return plug_refuse(PLUG_UNKNOWN_CAS, why, why_cap, "Super_CAS_id 0x%08x is not of the Smartcard profile (0x0002xxxx)",
		    (unsigned)super_cas_id);
	*channel = d->channel;
	return 0;
}

static const struct keys_card_service *
service_of(struct smartcard *d, uint16_t ecm_id)
{
	if (!d->service[ecm_id])
		d->service[ecm_id] = keys_card_service(&d->keys, ecm_id);
	return d->service[ecm_id];
}

static int
smartcard_stream(void *state, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t why_cap)
{
	struct smartcard *d = state;

	(void)super_cas_id;
	if (d->store && !card_store_knows(d->store, ecm_id))
		return plug_refuse(PLUG_UNKNOWN_ECM_ID, why, why_cap, "no service in the store has a stream with ECM_id %u", ecm_id);
	if (!d->store && !service_of(d, ecm_id))
		return plug_refuse(PLUG_UNKNOWN_ECM_ID, why, why_cap, "no service in the key file for ECM_id %u", ecm_id);
	return 0;
}

/* 6.1: the next SEK is due when the interval's end is 10 TEKs away; past it there are no STKMs. */
static void
warn_of_the_end(const struct smartcard *d, const struct keys_card_service *s, const struct msk *sek, uint16_t tek_id, uint16_t cp)
{
	uint16_t left = (uint16_t)(msk_upper(sek) - tek_id), ignored;
	char text[200];

	if (left > FEW_LEFT || keys_sek_at(s, (uint16_t)(cp + left + 1), &ignored))
		return;
	snprintf(text, sizeof(text), "service %s: the SEK in use has %u TEK IDs left and the key file has no other after it", s->name, left);
	d->host.log(d->host.ctx, KMS_LOG_WARNING, text);
}

static int
from_file(struct smartcard *d, const struct plug_call *c, const struct plug_key *key)
{
	const struct kms_request *r = c->r;
	const struct keys_card_service *s = service_of(d, r->ecm_id);
	struct msk_plan tek = { 0 };

	if (!s)
		return PLUG_NO(c, PLUG_UNKNOWN_ECM_ID, "no service in the key file for ECM_id %u", r->ecm_id);
	struct msk *sek = keys_sek_at(s, r->cp_number, &tek.tek_id);
	if (!sek)
		return PLUG_NO(c, PLUG_GENERATION_FAILURE, "CP_number %u is beyond the interval of every SEK of service %s", r->cp_number, s->name);
	int n = seal(d, sek, &tek, key, c);
	if (n > 0)
		warn_of_the_end(d, s, sek, tek.tek_id, r->cp_number);
	return n;
}

static int
smartcard_ecm(void *state, const struct kms_request *r, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	const struct plug_call call = { r, out, cap, why, why_cap };
	struct smartcard *d = state;
	const struct kms_cw *cw = plug_cw(r, r->cp_number);
	struct plug_key key = { 0 };

	if (!cw)
		return PLUG_NO(&call, PLUG_NOT_ENOUGH_CWS, "no CP_CW_combination for CP_number %u", r->cp_number);
	int n = plug_criteria(&call);
	if (n == 0)
		n = plug_key(&call, &d->protection, cw, &key);
	if (n == 0)
		n = d->store ? card_store_ecm(d->store, &call, &key) : from_file(d, &call, &key);
	gw_cleanse(&key, sizeof(key));
	return n;
}

static const struct kms_plugin plugin = {
	.abi = KMS_PLUGIN_ABI, .size = sizeof(plugin), .name = "smartcard", .version = "2", .calling = KMS_ASYNC,
	.open = smartcard_open, .channel = smartcard_channel, .stream = smartcard_stream, .ecm = smartcard_ecm,
	.close = smartcard_close,
};

const struct kms_plugin *
kms_plugin_entry(void)
{
	return &plugin;
}
