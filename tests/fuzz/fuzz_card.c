/* tests/fuzz/fuzz_card.c: a card's state from octets: what is taken is saved as the same octets, and its keys serve */
#include <stdlib.h>
#include <string.h>
#include "kms/card.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[CARD_STATE_MAX];
	struct msk_rx rx = { .protocol = STKM_SRTP };
	struct card *c = card_new();
	struct card_news news;
	struct rx_keys got;

	if (card_load(c, data, size, NULL) == 0) {
		if (card_save(c, again, sizeof(again)) != size || memcmp(again, data, size) != 0)
			abort();
		if (card_lend(c, &rx) < 0 || card_save(c, again, sizeof(again)) != size || memcmp(again, data, size) != 0)
			abort();	/* lending moves nothing */
		msk_receive(&rx, data, size, &got);
	}
	card_take(c, data, size, &news);
	card_free(c);
	return 0;
}
