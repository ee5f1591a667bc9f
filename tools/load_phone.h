/*
 * tools/load_phone.h: a terminal of the Smartcard profile as simulgate load needs it, thousands of them: its requests to a BSM, each with what it
 * takes to get it answered (kms/exchange.h), and its card, as far as LTKMs are verified. No I/O, no clock.
 */
#ifndef TOOLS_LOAD_PHONE_H
#define TOOLS_LOAD_PHONE_H
#include "kms/exchange.h"
#include "kms/mikey_ltkm.h"
#include "kms/provision.h"

enum phone_ask { PHONE_BOOTSTRAP, PHONE_REGISTER, PHONE_LTKM, PHONE_STKM, PHONE_DEREGISTER, PHONE_ASKS };
extern const char *const phone_asks[PHONE_ASKS];
enum { PHONE_ANSWER = 512 };

struct phone_net {			/* whom all of them know; lent */
	const char *url, *bsf_url, *stkm_url;	/* of the BSM, to which requesttype is added; of Ub; of an STKM, NULL: none */
	char *naf, *bsf;
	bool mac_star;			/* AUTN has the MAC* of GBA_U */
};
struct phone_keys { struct exchange_keys exchange; uint8_t k[16], opc[16], smk[32], srk[32], made[64]; struct ltkm ltkm; };
struct phone {
	const struct phone_net *net;
	struct gw_secret room; struct phone_keys *keys;	/* in it */
	struct usim usim;		/* lends from here */
	char impi[KMS_IMPI], btid[KMS_BTID], nonce[DIGEST_TEXT], url[EXCHANGE_URL];
	uint8_t sqn[6], amf[2];
	enum phone_ask doing;
	struct exchange x;		/* method, url, headers, body: what is to be sent */
	char *body;
	uint32_t counter;		/* of the LTKM accepted last */
	bool has_key; struct mikey_ids key;
};
/* 0, or -1 with *err: no memory, or a name is too long. What was opened before is closed by phone_fini() then, too. */
int phone_init(struct phone *, const struct phone_net *, const struct provision *, struct gw_err *);
void phone_fini(struct phone *);
bool phone_bootstrapped(const struct phone *);

/* The first request is in ->x. -1: it cannot be made. PHONE_LTKM asks for the key that came last; without one it is -1. */
int phone_begin(struct phone *, enum phone_ask);
enum phone_verdict {
	PHONE_SEND,	/* ->x is to be sent once more */
	PHONE_DONE,
	PHONE_REFUSED,	/* *status: of HTTP; of the document, + PHONE_DOCUMENT; 0: no answer; 200: the answer is none, or not signed by who knows the key */
	PHONE_UNKNOWN,	/* the B-TID is not known any more */
};
enum { PHONE_DOCUMENT = 1000 };
enum phone_verdict phone_reply(struct phone *, const struct exchange_reply *, unsigned *status);

/* An LTKM or a pull that is for this phone; octets of its verification, 0: none. *again: it came before, and is verified again. */
size_t phone_message(struct phone *, const void *msg, size_t len, uint8_t answer[PHONE_ANSWER], enum ltkm_result *, bool *again);
#endif
