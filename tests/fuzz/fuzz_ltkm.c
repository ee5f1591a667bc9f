/*
 * tests/fuzz/fuzz_ltkm.c: the first octet says how much of a message is made right by its SMK: bit 0 its MAC, bit 1 (before) the encryption of its
 * key data. What a card then takes can be verified, made again and taken again.
 */
#include <stdlib.h>
#include <string.h>
#include "kms/mikey_ltkm.h"
#include "kms/mikey_psk.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const uint8_t smk[MIKEY_SMK] = "the SMK of whoever is named here";

static void
must(int right)
{
	if (!right)
		abort();
}

static void
make_right(uint8_t *msg, const struct mikey *m, int how)
{
	struct mikey_session s;
	uint8_t iv[16];

	if (!(how & 1) || !m->has_kemac || m->mac.len != MIKEY_MAC || !m->rand.p)
		return;
	must(mikey_session_init(&s, smk, sizeof(smk), m->csb_id, m->rand.p, m->rand.len) == 0);
	mikey_iv(&s, (uint32_t)m->ts, iv);
	if (how & 2)
		must(crypt_aes(s.ctr, iv, m->encr.p, m->encr.len, msg + (m->encr.p - msg)) == 0);
	must(crypt_mac(s.mac, msg, m->mac_at, msg + m->mac_at) == 0);
	mikey_session_fini(&s);
}

static void
make_again(const struct ltkm_peer *peer, const struct ltkm *l, bool pull)
{
	struct ltkm_plan p = { .ids = l->ids, .counter = l->counter, .verify = l->verify, .pull = pull, .key = l->key, .lower = l->lower,
		.upper = l->upper, .management = l->has_management ? &l->management : NULL };
	uint8_t msg[LTKM_MAX], err_no;
	struct ltkm again;

	memcpy(p.rand, l->rand, sizeof(p.rand));
	size_t n = ltkm_make(peer, &p, msg, sizeof(msg), NULL);
	if (n == 0)
		return;	/* it had room that ours have not */
	must(ltkm_take(peer, l->counter - 1, msg, n, &again, &err_no) == (pull ? LTKM_PULL : LTKM_KEY));
	must(memcmp(again.key, l->key, sizeof(again.key)) == 0 && again.lower == l->lower && again.upper == l->upper && again.verify == l->verify);
}

static void
take(const uint8_t *msg, size_t len, const struct mikey *m)
{
	char naf[300], btid[300];
	uint8_t answer[1024], err_no;
	struct ltkm l;
	const struct ltkm_peer peer = { smk, naf, btid };

	if (!ltkm_names(m, naf, sizeof(naf), btid, sizeof(btid)))
		return;
	enum ltkm_result r = ltkm_take(&peer, 0, msg, len, &l, &err_no);
	must(ltkm_take(&peer, UINT32_MAX, msg, len, &(struct ltkm){ 0 }, &err_no) > LTKM_PULL);
	if (r != LTKM_KEY && r != LTKM_PULL)
		return;
	size_t n = ltkm_verification(&peer, msg, len, answer, sizeof(answer), NULL);
	must(n > 0 && ltkm_verified(&peer, msg, len, answer, n));
	make_again(&peer, &l, r == LTKM_PULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ltkm_peer other = { smk, "n", "b" };
	uint8_t out[64], err_no, *msg = size > 1 ? malloc(size - 1) : NULL;
	struct mikey m;
	struct ltkm l;

	if (!msg)
		return 0;
	memcpy(msg, data + 1, size - 1);
	if (mikey_decode(msg, size - 1, &m, NULL) == 0) {
		make_right(msg, &m, data[0]);
		take(msg, size - 1, &m);
	}
	ltkm_take(&other, 0, msg, size - 1, &l, &err_no);
	ltkm_verified(&other, msg, size - 1, msg, size - 1);
	ltkm_error(msg, size - 1, err_no, out, sizeof(out));
	free(msg);
	return 0;
}
