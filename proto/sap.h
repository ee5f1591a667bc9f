/* proto/sap.h: the session announcement protocol, RFC 2974: one packet announces a session description, or deletes it. Pure. */
#ifndef PROTO_SAP_H
#define PROTO_SAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SAP_PORT = 9875 };
struct sap {
	bool deletion, v6;
	bool encrypted, compressed;	/* read only: the payload is not for us */
	uint16_t hash;			/* msg id hash: never 0; with the source it names this version of the announcement */
	uint8_t source[16];		/* 4 octets of IPv4, or 16: who sent it first */
	char type[64];			/* of the payload; "" is application/sdp left out, as the first version had it */
	const void *payload;		/* lent */
	size_t len;
};
/* A packet without authentication data. Octets, or 0 when it does not fit or hash is 0. */
size_t sap_build(const struct sap *, void *out, size_t cap);
/* Versions 1; authentication data are skipped. The payload lies in the packet. 0, or -1 when it is no such packet. */
int sap_parse(const void *packet, size_t len, struct sap *);
/* A hash of the payload for `hash`, never 0. */
uint16_t sap_hash(const void *payload, size_t len);
#endif
