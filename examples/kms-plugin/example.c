/*
 * example.c: a whole KMS as a plugin of simulgate-ecmg and simulgate-emmg, to start your own from. simulgate-kms-plugin(3) is the contract.
 * SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Receivers are cards that have a key each; EMMs bring them the service key, under which ECMs are wrapped. A real KMS has keys that
 * expire, and rights that are checked before an EMM is made.
 */
#include <string.h>
#include <openssl/crypto.h>
#include "example.h"

/* One open(). There are no globals: hosts open a plugin several times, with other settings each. */
struct kms {
	const struct kms_host *host;	/* lent until close() */
	struct settings settings;
	EVP_CIPHER_CTX *wrap;		/* of the thread that calls ecm(), for answers at once */
	struct pool *pool;		/* NULL: all answers come at once */
};

static void
kms_close(void *state)
{
	struct kms *k = state;

	pool_close(k->pool);		/* first: its threads use the rest */
	EVP_CIPHER_CTX_free(k->wrap);
	settings_free(&k->settings);
	OPENSSL_secure_clear_free(k, sizeof(*k));
}

/* Fails as a whole: a state that is half open is never seen by the host. */
static int
kms_open(const struct kms_host *host, const char *conf, void **state, char *why, size_t why_cap)
{
	struct kms *k;
	char text[120];

	if (host->size < sizeof(*host))	/* of a host older than what we were built for; one that is newer is longer, and good */
		return REFUSE(1, "this Simulgate is too old: its struct kms_host has %u octets", (unsigned)host->size);
	k = OPENSSL_secure_zalloc(sizeof(*k));	/* the hosts have locked memory for this; elsewhere it is malloc() */
	if (!k)
		return REFUSE(1, "no locked memory is left");
	k->host = host;
	if (settings_read(&k->settings, conf, why, why_cap) < 0) {
		kms_close(k);
		return -1;
	}
	k->wrap = wrap_new(k->settings.key);
	if (!k->wrap)
		snprintf(why, why_cap, "OpenSSL has no AES key wrap");
	else if (k->settings.threads)
		k->pool = pool_open(host, &k->settings, why, why_cap);
	if (!k->wrap || (k->settings.threads && !k->pool)) {
		kms_close(k);
		return -1;
	}
	snprintf(text, sizeof(text), "open: %zu cards, %u threads", k->settings.ncards, k->settings.threads);
	host->log(host->ctx, KMS_LOG_INFO, text);
	*state = k;
	return 0;
}

/* One control word in each ECM, which is on air from 0.2 s before its crypto-period until the next one's is. */
static int
kms_channel(void *state, uint32_t super_cas_id, struct kms_channel *c, char *why, size_t why_cap)
{
	const struct kms *k = state;

	if (!settings_serve(&k->settings, super_cas_id))
		return REFUSE(ECM_UNKNOWN_CAS, "Super_CAS_id 0x%08x is not served", (unsigned)super_cas_id);
	c->section_TSpkt_flag = k->settings.section_TSpkt_flag;
	c->lead_CW = 0;
	c->CW_per_msg = 1;
	c->delay_start = c->delay_stop = -200;
	c->ECM_rep_period = 100;
	c->max_streams = k->settings.max_streams;
	c->min_CP_duration = 10;	/* x 100 ms */
	c->max_comp_time = (uint16_t)(200 + k->settings.delay_ms);	/* a promise: the SCS asks that much earlier */
	return 0;
}

static int
kms_stream(void *state, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t why_cap)
{
	const struct kms *k = state;

	(void)super_cas_id;
	return settings_know(&k->settings, ecm_id) ? 0 : REFUSE(ECM_UNKNOWN_ECM_ID, "ECM_id %u is none of ours", ecm_id);
}

/*
 * On the event loop of the ECMG, where every other channel waits meanwhile: what can be refused is refused here and now, the work is the
 * pool's. It could as well answer some requests at once and others later.
 */
static int
kms_ecm(void *state, const struct kms_request *r, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct kms *k = state;
	struct order o;
	int rc = order_take(&o, r, why, why_cap);

	if (rc == 0)
		rc = k->pool ? pool_ask(k->pool, &o, why, why_cap) :
			ecm_make(k->wrap, &o, k->settings.section_TSpkt_flag, out, cap, why, why_cap);
	OPENSSL_cleanse(&o, sizeof(o));
	return rc;
}

/* A round has an EMM for each card. Its file was read by open(): SIGHUP makes the host open us again. */
static int
kms_ltkm(void *state, const struct kms_ltkm *what, uint32_t index, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	const struct kms *k = state;

	if (!settings_serve(&k->settings, what->client_id))
		return REFUSE(EMM_UNKNOWN_CLIENT, "client_id 0x%08x is not ours", (unsigned)what->client_id);
	if (what->data_type != 0 || what->section_TSpkt_flag > 1)
		return REFUSE(EMM_BAD_VALUE, "there are EMMs only, as sections or TS packets");
	if (index >= k->settings.ncards)
		return 0;		/* the round is over, the host begins anew */
	return emm_make(&k->settings.cards[index], k->settings.key, what->section_TSpkt_flag, out, cap, why, why_cap);
}

static const struct kms_plugin plugin = {
	.abi = KMS_PLUGIN_ABI, .size = sizeof(plugin),
	.name = "example", .version = "2",
	.calling = KMS_ASYNC,
	.open = kms_open, .channel = kms_channel, .stream = kms_stream, .ecm = kms_ecm, .close = kms_close, .ltkm = kms_ltkm,
};

/* The only symbol that the shared object exports: see the Makefile. */
const struct kms_plugin *
kms_plugin_entry(void)
{
	return &plugin;
}
