/*
 * kms/exchange.h: one request of a phone and what it takes to get it answered: bootstrapping with the BSF on Ub (AKAv1-MD5), or a
 * request to the BSM with HTTP Digest under the SRK (bcast-smartcard-profile 3.1, 3.3). Texts in, texts out: no HTTP, no clock.
 */
#ifndef KMS_EXCHANGE_H
#define KMS_EXCHANGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kms/digest.h"
#include "kms/gba.h"
#include "kms/usim.h"

enum { EXCHANGE_SENDS = 3, EXCHANGE_URL = 512, EXCHANGE_BTID = 280, EXCHANGE_HEADERS = 4, EXCHANGE_PASSWORD = 45 };

/* What lies in locked memory. */
struct exchange_keys { uint8_t password[EXCHANGE_PASSWORD]; size_t len; struct gba_vector vector; };

struct exchange {
	const struct usim *usim;	/* lent until the end, as is everything else that is given */
	struct exchange_keys *keys;
	bool bootstrap;
	const char *method, *url, *uri, *content_type, *body; size_t len;
	const char *username;		/* of a request to the BSM: the B-TID */
	uint8_t *sqn;			/* of the card; bootstrapping moves it */
	unsigned sends;
	bool proven, fresh;		/* what was sent last had a response in it; to a nonce of this exchange */
	bool resynced;
	struct digest_credentials sent;
	char header[DIGEST_HEADER + 16], type[128], agent[96];
	const char *headers[EXCHANGE_HEADERS];	/* for the request, NULL-terminated */
	char next_nonce[DIGEST_TEXT];	/* "": none; for the next exchange */
	char why[320];			/* of EX_LATER, EX_UNKNOWN and EX_FAILED, in words */
	unsigned retry_after_s;		/* of EX_LATER; 0: not said */
};

struct exchange_reply {			/* lent for the call; texts may be NULL */
	unsigned status;		/* 0: none came */
	const char *error;		/* then: why */
	const char *challenge, *info, *retry_after;	/* WWW-Authenticate, Authentication-Info, Retry-After */
	const void *body; size_t len;
};
enum exchange_verdict {
	EX_SEND,	/* once more, as x->headers say now */
	EX_DONE,	/* 200, from a server that has proven that it knows the password */
	EX_LATER,	/* 503 */
	EX_UNKNOWN,	/* 401 to a right answer: the B-TID is not known, or not any more */
	EX_FAILED,
};

/* Ub. url: of the BSF. -1: the URL is too long or none. */
int exchange_bootstrap(struct exchange *, const struct usim *, struct exchange_keys *, uint8_t sqn[6], const char *url);
/* A POST under the SRK; nonce: one that the server gave for the next request, or "". */
int exchange_post(struct exchange *, const struct usim *, struct exchange_keys *, const char *btid, const uint8_t srk[32], const char *url,
    const char *content_type, const char *body, const char *nonce);
/* A GET under the SRK. */
int exchange_get(struct exchange *, const struct usim *, struct exchange_keys *, const char *btid, const uint8_t srk[32], const char *url, const char *nonce);
enum exchange_verdict exchange_reply(struct exchange *, const struct exchange_reply *);
#endif
