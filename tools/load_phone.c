/* tools/load_phone.c: see load_phone.h */
#include "tools/load_phone.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kms/mbms_xml.h"
#include "lib/secret.h"

const char *const phone_asks[PHONE_ASKS] = { [PHONE_BOOTSTRAP] = "bootstrap", [PHONE_REGISTER] = "register", [PHONE_LTKM] = "ltkm",
	[PHONE_STKM] = "stkm", [PHONE_DEREGISTER] = "deregister" };
/* What each of them is on Ua. */
static const enum mbms_procedure documents[PHONE_ASKS] = { [PHONE_REGISTER] = MBMS_REGISTER, [PHONE_LTKM] = MBMS_MSK, [PHONE_DEREGISTER] = MBMS_DEREGISTER };

int
phone_init(struct phone *p, const struct phone_net *net, const struct provision *from, struct gw_err *err)
{
	*p = (struct phone){ .net = net };
	if (gw_secret_new(&p->room, sizeof(*p->keys)) < 0)
		return gw_fail(err, GW_ESYS, "no locked memory for the keys of so many");
	p->keys = (struct phone_keys *)(void *)p->room.p;
	memcpy(p->keys->k, from->sub.k, sizeof(p->keys->k));
	memcpy(p->keys->opc, from->sub.opc, sizeof(p->keys->opc));
	memcpy(p->keys->smk, from->gba.smk, sizeof(p->keys->smk));
	memcpy(p->keys->srk, from->gba.srk, sizeof(p->keys->srk));
	memcpy(p->sqn, from->sub.sqn, sizeof(p->sqn));
	memcpy(p->amf, from->sub.amf, sizeof(p->amf));
	snprintf(p->impi, sizeof(p->impi), "%s", from->sub.impi);
	snprintf(p->btid, sizeof(p->btid), "%s", from->gba.btid);
	p->usim = (struct usim){ .provision = from->sub.provision == KMS_MILENAGE ? USIM_MILENAGE : USIM_KEYS, .impi = p->impi, .gba_me = from->sub.gba_me,
		.k = { p->keys->k, sizeof(p->keys->k) }, .opc = { p->keys->opc, sizeof(p->keys->opc) }, .naf = net->naf, .bsf = net->bsf, .amf = p->amf, .amf_len = sizeof(p->amf),
		.mac_star = net->mac_star };
	return 0;
}

void
phone_fini(struct phone *p)
{
	free(p->body);
	p->body = NULL;
	gw_secret_free(&p->room);
}

bool
phone_bootstrapped(const struct phone *p)
{
	return p->btid[0] != '\0';
}

/* All services; or the key that came last. NULL: no memory. */
static char *
document(const struct phone *p, enum mbms_procedure what)
{
	struct mbms_item *item = calloc(1, sizeof(*item));
	const struct mbms_list list = { item, 1 };
	char *text;

	if (!item)
		return NULL;
	if (what == MBMS_MSK)
		item->key = p->key;
	else
		snprintf(item->service, sizeof(item->service), "%s", mbms_all_services);
	text = mbms_request_print(what, &list);
	free(item);
	return text;
}

static int
post(struct phone *p, enum mbms_procedure what, const char *nonce)
{
	const char *base = p->net->url, *sep = strchr(base, '?') ? "&" : "?";

	if (!(p->body = document(p, what)) ||
	    snprintf(p->url, sizeof(p->url), "%s%srequesttype=%s", base, sep, mbms_request_type(what)) >= (int)sizeof(p->url))
		return -1;
	return exchange_post(&p->x, &p->usim, &p->keys->exchange, p->btid, p->keys->srk, p->url, mbms_media_type(what, false), p->body, nonce);
}

int
phone_begin(struct phone *p, enum phone_ask what)
{
	char nonce[DIGEST_TEXT];

	p->doing = what;
	free(p->body);
	p->body = NULL;
	memcpy(nonce, p->nonce, sizeof(nonce));
	p->nonce[0] = '\0';	/* good for one request */
	if (what == PHONE_BOOTSTRAP)
		return exchange_bootstrap(&p->x, &p->usim, &p->keys->exchange, p->sqn, p->net->bsf_url);
	if (what == PHONE_STKM)
		return p->net->stkm_url ?
		    exchange_get(&p->x, &p->usim, &p->keys->exchange, p->btid, p->keys->srk, p->net->stkm_url, nonce) : -1;
	return what == PHONE_LTKM && !p->has_key ? -1 : post(p, documents[what], nonce);
}

static enum phone_verdict
bootstrapped(struct phone *p, const struct exchange_reply *r)
{
	const struct gba_vector *v = &p->keys->exchange.vector;
	struct phone_keys *k = p->keys;
	int64_t expires;

	if (mbms_bootstrapping_parse(r->body, r->len, p->btid, sizeof(p->btid), &expires, NULL) < 0 ||
	    gba_naf_keys(v->ks, v->rand, p->impi, p->net->naf, p->usim.gba_me, k->smk, k->srk) < 0) {
		p->btid[0] = '\0';
		return PHONE_REFUSED;
	}
	p->nonce[0] = '\0';	/* of the BSF */
	p->counter = 0;
	p->has_key = false;
	return PHONE_DONE;
}

/* A code that is not 200: of urn:allServices; of a key. Services that were not bought are none of this. */
static enum phone_verdict
judged(const struct phone *p, const struct exchange_reply *r, unsigned *status)
{
	struct mbms_list list = { 0 };
	enum phone_verdict v = PHONE_REFUSED;

	if (mbms_response_parse(documents[p->doing], r->body, r->len, &list, NULL) < 0)
		return PHONE_REFUSED;
	for (size_t i = 0; i < list.n; i++) {
		const struct mbms_item *it = &list.items[i];
		if (p->doing != PHONE_LTKM && strcmp(it->service, mbms_all_services) != 0)
			continue;
		v = it->code == 200 ? PHONE_DONE : PHONE_REFUSED;
		*status = it->code == 200 ? 200 : PHONE_DOCUMENT + it->code;
		break;
	}
	mbms_list_free(&list);
	return v;
}

static enum phone_verdict
done(struct phone *p, const struct exchange_reply *r, unsigned *status)
{
	snprintf(p->nonce, sizeof(p->nonce), "%s", p->x.next_nonce);
	switch (p->doing) {
	case PHONE_BOOTSTRAP:
		return bootstrapped(p, r);
	case PHONE_STKM:
		return PHONE_DONE;
	default:
		return judged(p, r, status);
	}
}

enum phone_verdict
phone_reply(struct phone *p, const struct exchange_reply *r, unsigned *status)
{
	*status = r->status;
	switch (exchange_reply(&p->x, r)) {
	case EX_SEND:
		return PHONE_SEND;
	case EX_DONE:
		return done(p, r, status);
	case EX_UNKNOWN:
		return PHONE_UNKNOWN;
	default:
		return PHONE_REFUSED;
	}
}

size_t
phone_message(struct phone *p, const void *msg, size_t len, uint8_t answer[PHONE_ANSWER], enum ltkm_result *result, bool *again)
{
	const struct ltkm_peer peer = { p->keys->smk, p->net->naf, p->btid };
	struct ltkm *l = &p->keys->ltkm;
	uint8_t err_no;
	bool verify;

	*result = ltkm_take(&peer, p->counter, msg, len, l, &err_no);
	/* what came last comes again when its verification was lost: of a card that is loaded, more likely than a replay */
	*again = *result == LTKM_STALE && p->has_key && ltkm_take(&peer, p->counter - 1, msg, len, l, &err_no) == LTKM_KEY && l->counter == p->counter;
	if (*result == LTKM_KEY || *result == LTKM_PULL)
		p->counter = l->counter;
	if (*result == LTKM_KEY) {
		p->has_key = true;
		p->key = l->ids;
	}
	verify = (*again || *result == LTKM_KEY) && l->verify;
	gw_cleanse(l, sizeof(*l));
	return verify ? ltkm_verification(&peer, msg, len, answer, PHONE_ANSWER, NULL) : 0;
}
