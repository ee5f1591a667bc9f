/*
 * tests/integration/cissa.c: a transport stream through our DVB-CISSA, for judges: cissa scramble|descramble IN OUT. Seven packets a datagram; every
 * 100 datagrams another key, n = 0, 1, …, whose octet i is 17 n + i; even keys are even.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/transform.h"

enum { DATAGRAM = 7 * 188, PER_KEY = 100 };
static const struct gw_transform *const x = &gw_transform_cissa;

static struct gw_material
material(unsigned n, uint8_t tek[16])
{
	for (unsigned i = 0; i < 16; i++)
		tek[i] = (uint8_t)(17 * n + i);
	return (struct gw_material){ .id = { n & 1 }, .id_len = 1, .tek = tek };
}

static struct gw_tx *tx;
static struct gw_tx_medium *medium;
static struct gw_burst *burst;
static struct gw_rx *rx;

static int
scramble(struct gw_pk *pk, unsigned datagram)
{
	uint8_t tek[16];
	struct gw_material m = material(datagram / PER_KEY, tek);

	if (datagram % PER_KEY == 0)
		x->key_free(x->use(tx, x->key_new(tx, &m, NULL)));
	int v = x->protect(tx, medium, pk, burst, NULL);
	gw_burst_run(burst);
	return v;
}

/* The key of the next period comes in the middle of this one. */
static int
descramble(struct gw_pk *pk, unsigned datagram)
{
	uint8_t tek[16];
	struct gw_material m = material((datagram + PER_KEY / 2) / PER_KEY, tek);
	struct gw_rx_got got;

	x->rx_key(rx, &m, NULL);
	return x->unprotect(rx, pk, &got, NULL);
}

int
main(int argc, char **argv)
{
	static _Alignas(4) uint8_t room[GW_XF_HEAD + DATAGRAM + GW_XF_TAIL];
	struct gw_err err = { 0 };
	unsigned bad = 0;
	FILE *in, *out;

	if (argc != 4 || !(in = fopen(argv[2], "rb")) || !(out = fopen(argv[3], "wb")))
		return 2;
	if (gw_burst_self_test(&err) < 0 || x->self_test(&err) < 0)
		return fprintf(stderr, "%s\n", err.text), 2;
	burst = gw_burst_new(GW_BURST_AUTO, NULL);
	tx = x->tx_new(&(struct gw_tx_conf){ 0 }, NULL);
	medium = x->medium_new(tx, &(struct gw_tx_medium_conf){ .mtu = 1472 }, NULL);
	rx = x->rx_new(&(struct gw_rx_conf){ 0 }, NULL);
	struct gw_pk pk = { room + GW_XF_HEAD, 0 };
	for (unsigned n = 0; (pk.len = fread(pk.p, 1, DATAGRAM, in)) > 0; n++) {
		bad += (strcmp(argv[1], "scramble") == 0 ? scramble : descramble)(&pk, n) != GW_XF_OK;
		if (fwrite(pk.p, 1, pk.len, out) != pk.len)
			return 2;
	}
	x->medium_free(medium);
	x->tx_free(tx);
	x->rx_free(rx);
	gw_burst_free(burst);
	fclose(in);
	return fclose(out) != 0 || bad != 0;
}
