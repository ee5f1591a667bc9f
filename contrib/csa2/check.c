/* contrib/csa2/check.c: a packet there and back through the row. GPL, version 2 or later, as libdvbcsa; see README. */
#include "contrib/csa2/csa2.h"
#include <stdio.h>
#include <string.h>

int
main(void)
{
	static _Alignas(4) uint8_t room[GW_XF_HEAD + 188 + GW_XF_TAIL];
	static const uint8_t cw[8] = { 1, 2, 3, 6, 4, 5, 6, 15 };
	const struct gw_transform *x = gw_transform_csa2();
	const struct gw_material m = { .id = { 1 }, .id_len = 1, .tek = cw };
	struct gw_pk pk = { room + GW_XF_HEAD, 188 };
	struct gw_rx_got got;
	struct gw_err err = { 0 };

	if (x->self_test(&err) < 0)
		return fprintf(stderr, "%s\n", err.text), 1;
	struct gw_tx *tx = x->tx_new(&(struct gw_tx_conf){ 0 }, &err);
	struct gw_tx_medium *medium = x->medium_new(tx, &(struct gw_tx_medium_conf){ 0 }, &err);
	struct gw_rx *rx = x->rx_new(&(struct gw_rx_conf){ 0 }, &err);

	memcpy(pk.p, (uint8_t[]){ 0x47, 0x01, 0x00, 0x10 }, 4);
	x->use(tx, x->key_new(tx, &m, &err));
	x->rx_key(rx, &m, &err);
	int ok = x->protect(tx, medium, &pk, NULL, NULL) == GW_XF_OK && pk.p[3] == 0xd0 && pk.p[4] != 0;
	ok = ok && x->unprotect(rx, &pk, &got, NULL) == GW_XF_OK && pk.p[3] == 0x10 && pk.p[4] == 0 && pk.p[187] == 0;
	x->medium_free(medium);
	x->tx_free(tx);
	x->rx_free(rx);
	puts(ok ? "ok" : "not ok");
	return !ok;
}
