/* lib/srtp.c: the row of SRTP, its vectors, and libsrtp2's life */
#include "lib/srtp.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "lib/hex.h"
#include "lib/srtp_int.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool up;

int
gw_srtp_init(struct gw_err *err)
{
	srtp_err_status_t s;

	pthread_mutex_lock(&lock);
	s = up ? srtp_err_status_ok : srtp_init();
	up = s == srtp_err_status_ok;
	pthread_mutex_unlock(&lock);
	return s ? gw_fail(err, GW_ECRYPTO, "libsrtp2 does not start (its status %d)", (int)s) : 0;
}

void
gw_srtp_fini(void)
{
	pthread_mutex_lock(&lock);
	if (up)
		srtp_shutdown();
	up = false;
	pthread_mutex_unlock(&lock);
}

bool
gw_srtp_is_rtcp(const uint8_t *p, size_t len)
{
	return len >= SRTCP_HEADER && p[0] >> 6 == 2 && (p[1] & 0x7f) >= 72 && (p[1] & 0x7f) <= 76;
}

/* ---- vectors ---- */

static const char master_key[] = "e1f97a0d3e018be0d64fa32c06de4139", master_salt[] = "0ec675ad498afeebb6960b3aabe6";	/* B.3 */
static const struct { uint8_t label; const char *want; } derived[] = {	/* RFC 3711 B.3 */
	{ 0, "c61e7a93744f39ee10734afe3ff7a087" },
	{ 1, "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef72270986371c10c9a369ac2"
	    "f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2" },
	{ 2, "30cbbc08863d8c85d49db34a9ae1" },
};
static const struct { uint16_t block; const char *want; } stream[] = {	/* RFC 3711 B.2 */
	{ 0x0000, "e03ead0935c95e80e166b16dd92b4eb4" }, { 0x0001, "d23513162b02d0f72a43a2fe4a5f97ab" },
	{ 0x0002, "41e95b3bb0a2e8dd477901e4fca894c0" }, { 0xfeff, "ec8cdf7398607cb0f2d21675ea9ea1e4" },
	{ 0xff00, "362b7c3c6773516318a077d7fc5073ae" }, { 0xff01, "6a2cc3787889374fbeb4c81b17ba6c44" },
};
/* libsrtp's packet with keys of B.3, ROC 0; ours has an MKI, which the tag does not cover. */
static const char packet[] = "800f1234decafbadcafebabeabababababababababababababababab";
static const char packet_want[] = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402" "0001" "b78d6acc99ea179b8dbb";

static bool
derives(void)
{
	uint8_t key[SRTP_KEY], salt[SRTP_SALT], want[128], got[128];

	gw_unhex(master_key, key, sizeof(key));
	gw_unhex(master_salt, salt, sizeof(salt));
	for (size_t i = 0; i < sizeof(derived) / sizeof(derived[0]); i++) {
		int n = gw_unhex(derived[i].want, want, sizeof(want));
		srtp_derive(key, salt, derived[i].label, got, (size_t)n);
		if (memcmp(got, want, (size_t)n) != 0)
			return false;
	}
	return true;
}

static bool
streams(void)
{
	uint8_t key[SRTP_KEY], salt[SRTP_SALT], iv[GW_AES_BLOCK], want[GW_AES_BLOCK];
	struct gw_aes aes;

	gw_unhex("2b7e151628aed2a6abf7158809cf4f3c", key, sizeof(key));
	gw_unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfd", salt, sizeof(salt));
	gw_aes_init(&aes, key);
	srtp_iv(salt, 0, 0, iv);
	for (size_t i = 0; i < sizeof(stream) / sizeof(stream[0]); i++) {
		uint8_t got[GW_AES_BLOCK] = { 0 };
		iv[14] = (uint8_t)(stream[i].block >> 8);
		iv[15] = (uint8_t)stream[i].block;
		gw_unhex(stream[i].want, want, sizeof(want));
		gw_ctr_once(&aes, iv, 0, got, sizeof(got));
		if (memcmp(got, want, sizeof(got)) != 0)
			return false;
	}
	return true;
}

/* One packet to and fro. -1: something failed, with *err; else whether the octets were right. */
static int
passes(struct gw_tx *tx, struct gw_rx *rx, struct gw_burst *burst, const struct gw_material *m, struct gw_err *err)
{
	_Alignas(4) uint8_t room[GW_XF_HEAD + 64 + GW_XF_TAIL];
	uint8_t clear[64], want[64];
	struct gw_tx_medium medium = { 0 };
	struct gw_pk pk = { .p = room + GW_XF_HEAD, .len = (size_t)gw_unhex(packet, clear, sizeof(clear)) };
	size_t n = (size_t)gw_unhex(packet_want, want, sizeof(want)), rtp = pk.len;
	struct gw_xkey *key = srtp_key_new(tx, m, err);
	struct gw_rx_got got;
	bool right;

	if (!key || srtp_rx_key(rx, m, err) < 0) {
		srtp_xkey_free(key);
		return -1;
	}
	memcpy(pk.p, clear, rtp);
	srtp_use(tx, key);
	right = srtp_protect_rtp(tx, &medium, &pk, burst, NULL) == GW_XF_OK;
	gw_burst_run(burst);
	right = right && pk.len == n && memcmp(pk.p, want, n) == 0 && srtp_unprotect_rtp(rx, &pk, &got, NULL) == GW_XF_OK &&
	    pk.len == rtp && memcmp(pk.p, clear, rtp) == 0;
	srtp_xkey_free(srtp_use(tx, NULL));
	return right;
}

static int
packets(enum gw_engine engine, struct gw_err *err)
{
	struct { struct srtp_rtcp_mark rtcp; struct gw_srtp_mark one; } marks;	/* struct srtp_marks */
	uint8_t key[SRTP_KEY], salt[SRTP_SALT];
	struct gw_tx_conf tc = { .engine = engine, .authenticated = true, .sources = 1, .marks = &marks };
	struct gw_rx_conf rc = { .authenticated = true };
	struct gw_material m = { .id = { 0, 1 }, .id_len = 2, .tek = key, .salt = salt, .authenticated = true };
	struct gw_burst *burst = gw_burst_new(GW_BURST_AUTO, err);
	struct gw_tx *tx;
	struct gw_rx *rx = NULL;
	int right = -1;

	memset(&marks, 0, sizeof(marks));
	gw_unhex(master_key, key, sizeof(key));
	gw_unhex(master_salt, salt, sizeof(salt));
	tx = burst ? srtp_tx_new(&tc, err) : NULL;
	if (tx && (rx = srtp_rx_new(&rc, err)))
		right = passes(tx, rx, burst, &m, err);
	srtp_rx_free(rx);
	srtp_tx_free(tx);
	gw_burst_free(burst);
	return right;
}

static int
self_test(struct gw_err *err)
{
	static const enum gw_engine engines[] = { GW_ENGINE_BATCH, GW_ENGINE_LIBSRTP2 };

	if (!derives() || !streams())
		return gw_fail(err, GW_ECRYPTO, "the vectors of RFC 3711 appendix B do not come out");
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		int right = packets(engines[i], err);
		if (right < 0)
			return -1;
		if (!right)
			return gw_fail(err, GW_ECRYPTO, "the packet of libsrtp's test does not come out");
	}
	return 0;
}

const struct gw_transform gw_transform_srtp = {
	.name = "srtp", .protection = 1, .tek = SRTP_KEY, .salt = SRTP_SALT, .id_min = 1, .id_max = SRTP_MKI, .authenticates = true,
	.overhead = SRTP_MKI + SRTP_TAG,
	.marks_len = srtp_marks_len, .tx_new = srtp_tx_new, .tx_free = srtp_tx_free, .medium_new = srtp_medium_new,
	.medium_free = srtp_medium_free, .key_new = srtp_key_new, .key_free = srtp_xkey_free, .use = srtp_use,
	.protect = srtp_protect_rtp, .warm = srtp_warm, .protect_rtcp = srtp_protect_report, .sources = srtp_sources,
	.rx_new = srtp_rx_new, .rx_free = srtp_rx_free, .rx_key = srtp_rx_key, .rx_drop = srtp_rx_drop,
	.unprotect = srtp_unprotect_rtp, .unprotect_rtcp = srtp_unprotect_report, .in_clear = srtp_in_clear,
	.self_test = self_test,
};
