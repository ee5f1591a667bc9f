/*
 * lib/ts_cipher.h: a cipher of transport stream payloads. What is scrambled, how keys are told and how a receiver works is the same for all of
 * them (lib/cissa.c); contrib/csa2 brings another than DVB-CISSA's.
 */
#ifndef GW_TS_CIPHER_H
#define GW_TS_CIPHER_H
#include "lib/transform.h"

struct gw_ts_cipher {
	const char *name;	/* for errors */
	size_t state;		/* octets of a key made ready: zeroed, in locked memory, 16-byte aligned */
	int (*init)(void *state, const uint8_t *tek);	/* 0, or -1: then there is no fini */
	void (*fini)(void *state);			/* what it holds elsewhere; NULL: nothing */
	/* The payload of a packet, 1..184 octets, in place: noted in the burst, or done at once; and back. */
	void (*seal)(void *state, struct gw_burst *, uint8_t *p, size_t len);
	void (*open)(void *state, uint8_t *p, size_t len);
};
/* tx_new and rx_new of such a cipher's row; the other functions are those of gw_transform_cissa, but for self_test. cipher is lent. */
struct gw_tx *gw_ts_tx_new(const struct gw_ts_cipher *, const struct gw_tx_conf *, struct gw_err *);
struct gw_rx *gw_ts_rx_new(const struct gw_ts_cipher *, const struct gw_rx_conf *, struct gw_err *);
#endif
