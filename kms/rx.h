/* kms/rx.h: what a terminal's receiver of one STKM stream says of a datagram; the same for both profiles. */
#ifndef KMS_RX_H
#define KMS_RX_H
#include "kms/tkm.h"

enum rx_result { RX_REFUSED = -1, RX_NEW, RX_REPEAT };	/* repeat: the message accepted last, once more */
enum rx_reason { RX_FINE, RX_MALFORMED, RX_UNSUPPORTED, RX_NO_KEY, RX_BAD_MAC, RX_NOT_VALID, RX_OLD, RX_ABOVE, RX_STALE, RX_FAILED };

struct rx_key { uint8_t id[STKM_ID_MAX], id_len; struct tkm tkm; };	/* id as in the packets; TS: one octet, the parity */
struct rx_keys {
	size_t n;		/* 1, or 2 with the next key */
	struct rx_key key[2];
	uint32_t lifetime_s;	/* from this message on, repeats count; 0: not stated, until two further identifiers were seen */
	uint8_t protection_after_reception;
	enum rx_reason reason;	/* of a refusal */
};
const char *rx_reason_text(enum rx_reason);
void rx_wipe(struct rx_keys *);
/* Fills the reason; returns RX_REFUSED. */
enum rx_result rx_refuse(struct rx_keys *, enum rx_reason);
#endif
