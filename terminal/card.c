/* terminal/card.c: the long-term keys of a terminal, from its key file, from the air or from its phone, and the receiver of its profile */
#include <stdlib.h>
#include "kms/keys.h"
#include "terminal/terminal.h"

struct term_card {
	bool smartcard;
	const struct term_air *air;	/* lent; NULL: the key file has the keys, or */
	struct term_phone *phone;	/* lent: a card that gets them from a BSM; else NULL */
	struct keys_drm drm; struct drm_rx drm_rx;
	struct keys_card card; struct msk_rx msk_rx;	/* counters are in the keys: a card serves one stream */
};

struct term_card *
term_card_new(const struct terminal *app, const struct he_terminal *t, struct gw_err *err)
{
	struct term_card *c = calloc(1, sizeof(*c));

	if (!c) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	c->smartcard = t->smartcard;
	c->air = app->air;
	c->phone = app->phone;
	if (!c->air && !c->phone && (c->smartcard ? keys_card_load(t->keys, &c->card, err) : keys_drm_load(t->keys, &c->drm, err)) < 0) {
		free(c);
		return NULL;
	}
	c->drm_rx = (struct drm_rx){ .keys = c->drm.all, .nkeys = c->drm.nall };
	c->msk_rx = (struct msk_rx){ .keys = c->card.all, .nkeys = c->card.nall, .protocol = (uint8_t)t->service->scrambling,
		.authenticated = t->service->authentication };
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
	if (c->phone && term_phone_lend(c->phone, &c->msk_rx) < 0)
		return rx_refuse(out, RX_FAILED);
	enum rx_result r = c->smartcard ? msk_receive(&c->msk_rx, stkm, len, out) : drm_receive(&c->drm_rx, stkm, len, utc_s, out);

	if (c->phone && r == RX_NEW)
		term_phone_counted(c->phone);
	return r;
}
