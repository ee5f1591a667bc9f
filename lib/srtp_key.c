/* lib/srtp_key.c: session keys, and libsrtp2's sessions */
#include <stdlib.h>
#include <string.h>
#include "lib/hex.h"
#include "lib/srtp.h"
#include "lib/srtp_int.h"

enum { ENCRYPTION, AUTHENTICATION, SALTING, RTCP = 3 };	/* labels of RFC 3711 4.3; SRTCP's are three higher */

static void
derive(const struct gw_aes *master, const uint8_t salt[SRTP_SALT], uint8_t label, uint8_t *out, size_t n)
{
	uint8_t x[GW_AES_BLOCK] = { 0 }, block[GW_AES_BLOCK];

	memcpy(x, salt, SRTP_SALT);
	x[7] ^= label;
	for (size_t at = 0; at < n; at += GW_AES_BLOCK, x[15]++) {
		gw_aes_block(master, x, block);
		memcpy(out + at, block, n - at < GW_AES_BLOCK ? n - at : GW_AES_BLOCK);
	}
	gw_cleanse(block, sizeof(block));
}

void
srtp_derive(const uint8_t key[SRTP_KEY], const uint8_t salt[SRTP_SALT], uint8_t label, uint8_t *out, size_t n)
{
	struct gw_aes master;

	gw_aes_init(&master, key);
	derive(&master, salt, label, out, n);
	gw_cleanse(&master, sizeof(master));
}

static void
derive_all(struct srtp_session_keys *s, const uint8_t *key, const uint8_t *salt)
{
	struct { struct gw_aes master; uint8_t aes[GW_AES_KEY], mac[GW_SHA1]; } t;

	gw_aes_init(&t.master, key);
	derive(&t.master, salt, ENCRYPTION, t.aes, sizeof(t.aes));
	gw_aes_init(&s->rtp, t.aes);
	derive(&t.master, salt, AUTHENTICATION, t.mac, sizeof(t.mac));
	gw_hmac_init(&s->rtp_mac, t.mac, sizeof(t.mac));
	derive(&t.master, salt, SALTING, s->rtp_salt, SRTP_SALT);
	derive(&t.master, salt, RTCP + ENCRYPTION, t.aes, sizeof(t.aes));
	gw_aes_init(&s->rtcp, t.aes);
	derive(&t.master, salt, RTCP + AUTHENTICATION, t.mac, sizeof(t.mac));
	gw_hmac_init(&s->rtcp_mac, t.mac, sizeof(t.mac));
	derive(&t.master, salt, RTCP + SALTING, s->rtcp_salt, SRTP_SALT);
	gw_cleanse(&t, sizeof(t));
}

void
srtp_key_free(struct srtp_key *k)
{
	gw_secret_free(&k->derived);
	gw_secret_free(&k->master);
	*k = (struct srtp_key){ 0 };
}

int
srtp_key_set(struct srtp_key *k, const struct gw_material *from, bool with_master, struct gw_err *err)
{
	struct { uint8_t octets[SRTP_MASTER]; char fp[17]; } master;

	*k = (struct srtp_key){ .mki_len = from->id_len, .authenticated = from->authenticated };
	if (from->id_len < 1 || from->id_len > SRTP_MKI)
		return gw_fail(err, GW_ECRYPTO, "an MKI of %zu octets; 1 to %d are possible", from->id_len, SRTP_MKI);
	if (gw_secret_new(&k->derived, sizeof(struct srtp_session_keys)) < 0 ||
	    (with_master && gw_secret_new(&k->master, SRTP_MASTER) < 0)) {
		srtp_key_free(k);
		return gw_fail(err, GW_ECRYPTO, "no locked memory left for an SRTP key");
	}
	memcpy(k->mki, from->id, from->id_len);
	derive_all((void *)k->derived.p, from->tek, from->salt);
	memcpy(master.octets, from->tek, SRTP_KEY);
	memcpy(master.octets + SRTP_KEY, from->salt, SRTP_SALT);
	if (with_master)
		memcpy(k->master.p, master.octets, SRTP_MASTER);
	gw_fingerprint(master.octets, SRTP_MASTER, master.fp);
	gw_unhex(master.fp, k->name, sizeof(k->name));
	gw_cleanse(&master, sizeof(master));
	return 0;
}

/* ---- libsrtp2 ---- */

int
srtp_session_open(struct srtp_session *s, const struct srtp_key *k, uint32_t ssrc)
{
	uint8_t mki[SRTP_MKI];
	srtp_master_key_t master = { .key = k->master.p, .mki_id = memcpy(mki, k->mki, sizeof(mki)), .mki_size = (unsigned)k->mki_len };
	srtp_master_key_t *keys = &master;
	srtp_policy_t policy = { .ssrc = { ssrc_specific, ssrc }, .keys = &keys, .num_master_keys = 1, .window_size = GW_SRTP_WINDOW };

	if (k->authenticated)
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
	else
		srtp_crypto_policy_set_aes_cm_128_null_auth(&policy.rtp);
	srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
	*s = (struct srtp_session){ .ssrc = ssrc };
	if (srtp_create(&s->ctx, &policy) == srtp_err_status_ok)
		return 0;
	*s = (struct srtp_session){ 0 };
	return -1;
}

void
srtp_session_close(struct srtp_session *s)
{
	if (s->ctx)
		srtp_dealloc(s->ctx);
	*s = (struct srtp_session){ 0 };
}

bool
srtp_session_aim(struct srtp_session *s, uint64_t index)
{
	if (gw_srtp_guess(s->at, (uint16_t)index) == index)
		return true;
	return index > s->at + GW_SRTP_MEDIAN && srtp_set_stream_roc(s->ctx, s->ssrc, (uint32_t)(index >> 16)) == srtp_err_status_ok;
}
