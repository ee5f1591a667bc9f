/*
 * contrib/csa2/csa2.c: DVB-CSA2 as a row of lib/transform.h, by libdvbcsa. Not part of Simulgate as it is built and distributed: what is linked
 * with libdvbcsa (GPL) is under the GPL as a whole; see README.
 *
 * A key is a control word of 8 octets as it comes: entropy reduction (CW[3], CW[7]) is its maker's.
 */
#include "contrib/csa2/csa2.h"
#include <dvbcsa/dvbcsa.h>
#include <string.h>
#include "lib/ts_cipher.h"

enum { CW = 8, PAYLOAD = 184 };

struct state { dvbcsa_key_t *key; };

static int
init(void *state, const uint8_t *tek)
{
	struct state *s = state;

	if (!(s->key = dvbcsa_key_alloc()))
		return -1;
	dvbcsa_key_set(tek, s->key);
	return 0;
}

static void
fini(void *state)
{
	struct state *s = state;
	static const uint8_t none[CW];

	dvbcsa_key_set(none, s->key);	/* its memory is libdvbcsa's, and not locked: overwritten at least */
	dvbcsa_key_free(s->key);
}

static void
seal(void *state, struct gw_burst *burst, uint8_t *p, size_t len)
{
	(void)burst;	/* knows AES only */
	dvbcsa_encrypt(((struct state *)state)->key, p, (unsigned)len);
}

static void
open_payload(void *state, uint8_t *p, size_t len)
{
	dvbcsa_decrypt(((struct state *)state)->key, p, (unsigned)len);
}

static const struct gw_ts_cipher csa2 = { "DVB-CSA2", sizeof(struct state), init, fini, seal, open_payload };

static struct gw_tx *
tx_new(const struct gw_tx_conf *conf, struct gw_err *err)
{
	return gw_ts_tx_new(&csa2, conf, err);
}

static struct gw_rx *
rx_new(const struct gw_rx_conf *conf, struct gw_err *err)
{
	return gw_ts_rx_new(&csa2, conf, err);
}

/* There and back; libdvbcsa's own tests have its vectors. */
static int
self_test(struct gw_err *err)
{
	static const uint8_t cw[CW] = { 1, 2, 3, 6, 4, 5, 6, 15 };
	uint8_t clear[PAYLOAD], p[PAYLOAD];
	struct state s;

	for (size_t i = 0; i < sizeof(p); i++)
		clear[i] = p[i] = (uint8_t)i;
	if (init(&s, cw) < 0)
		return gw_fail(err, GW_ECRYPTO, "no memory");
	seal(&s, NULL, p, sizeof(p));
	bool changed = memcmp(p, clear, sizeof(p)) != 0;
	open_payload(&s, p, sizeof(p));
	fini(&s);
	return changed && memcmp(p, clear, sizeof(p)) == 0 ? 0 : gw_fail(err, GW_ECRYPTO, "libdvbcsa does not open what it closed");
}

const struct gw_transform *
gw_transform_csa2(void)
{
	static struct gw_transform row;

	row = gw_transform_cissa;
	row.name = "dvb-csa2";
	row.tek = CW;
	row.tx_new = tx_new;
	row.rx_new = rx_new;
	row.self_test = self_test;
	return &row;
}
