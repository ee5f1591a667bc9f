/* terminal/memory.h: what a phone with a card must remember over a restart, as octets: they hold keys, and are to be kept as those are. */
#ifndef TERM_MEMORY_H
#define TERM_MEMORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kms/card.h"
#include "lib/err.h"

enum { MEMORY_NAME = 280, MEMORY_MAX = CARD_STATE_MAX + 1024 };
struct memory {
	char whose[MEMORY_NAME];	/* IMPI, or the B-TID of a card that has none: of another card it is refused */
	uint8_t sqn[6];			/* the last one accepted */
	char btid[MEMORY_NAME];		/* "": not bootstrapped */
	uint8_t srk[32];
	int64_t since_us, expires_us;	/* of the B-TID, UTC; INT64_MAX: for good */
	size_t card_len; uint8_t card[CARD_STATE_MAX];	/* card_save() */
};
/* Octets, at most MEMORY_MAX; 0: no room. */
size_t memory_write(const struct memory *, void *out, size_t cap);
/* -1 with *err: none of ours, a newer one, damaged. */
int memory_read(const void *, size_t len, struct memory *, struct gw_err *err);
#endif
