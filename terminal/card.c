/* terminal/card.c: the long-term keys of a terminal, from its key file or from the air, and the receiver of its profile */
#include <stdlib.h>
#include "kms/keys.h"
#include "terminal/terminal.h"

struct term_card {
	bool smartcard;
	const struct term_air *air;	/* lent; NULL: the key file has the keys */
	struct keys_drm drm; struct drm_rx drm_rx;
	struct keys_card card; struct msk_rx msk_rx;	/* counters are in the keys: a card serves one stream */
};

struct term_card *
term_card_new(const char *keys, bool smartcard, const struct he_service *service, const struct term_air *air, struct gw_err *err)
{
	struct term_card *c = calloc(1, sizeof(*c));

	if (!c) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	c->smartcard = smartcard;
	c->air = air;
	if (!air && (smartcard ? keys_card_load(keys, &c->card, err) : keys_drm_load(keys, &c->drm, err)) < 0) {
		free(c);
		return NULL;
	}
	c->drm_rx = (struct drm_rx){ .keys = c->drm.all, .nkeys = c->drm.nall };
	c->msk_rx = (struct msk_rx){ .keys = c->card.all, .nkeys = c->card.nall, .protocol = (uint8_t)service->scrambling,
		.authenticated = service->authentication };
	return c;
}

void
term_card_free(struct term_card *c)
{
	if (!c)
		return;
	if (c->smartcard)
		keys_card_free(&c->card);
	else
		keys_drm_free(&c->drm);
	free(c);
}

enum rx_result
term_card_receive(void *self, const void *stkm, size_t len, int64_t utc_s, struct rx_keys *out)
{
	struct term_card *c = self;

	if (c->air)
		c->drm_rx.keys = term_air_keys(c->air, &c->drm_rx.nkeys);
	return c->smartcard ? msk_receive(&c->msk_rx, stkm, len, out) : drm_receive(&c->drm_rx, stkm, len, utc_s, out);
}
