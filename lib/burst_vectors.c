/* lib/burst_vectors.c: the public vectors that lib/burst is held against when a program starts */
#include <stdbool.h>
#include <string.h>
#include "lib/burst.h"
#include "lib/hex.h"

enum kind { CTR, CBC, HMAC };
static const struct vector { enum kind kind; const char *name, *key, *iv, *in, *out; } vectors[] = {
	{ CTR, "SP 800-38A F.5.1",
	    "2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef"
	    "f69f2445df4f9b17ad2b417be66c3710",
	    "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab"
	    "1e031dda2fbe03d1792170a0f3009cee" },
	{ CTR, "RFC 3686, vector 1",
	    "ae6852f8121067cc4bf7a5765577f39e", "00000030000000000000000000000001",
	    "53696e676c6520626c6f636b206d7367",
	    "e4095d4fb7a7b3792d6175a3261311b8" },
	{ CTR, "RFC 3686, vector 2",
	    "7e24067817fae0d743d6ce1f32539163", "006cb6dbc0543b59da48d90b00000001",
	    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	    "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28" },
	{ CTR, "RFC 3686, vector 3",
	    "7691be035e5020a8ac6e618529f9a0dc", "00e0017b27777f3f4a1786f000000001",
	    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
	    "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f" },
	{ CBC, "SP 800-38A F.2.1",
	    "2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f",
	    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef"
	    "f69f2445df4f9b17ad2b417be66c3710",
	    "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e22229516"
	    "3ff1caa1681fac09120eca307586e1a7" },
	{ HMAC, "RFC 2202, case 1",
	    "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "",
	    "4869205468657265",
	    "b617318655057264e28bc0b6fb378c8ef146be00" },
	{ HMAC, "RFC 2202, case 2",
	    "4a656665", "",
	    "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	    "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
	{ HMAC, "RFC 2202, case 3",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "",
	    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
	    "dddd",
	    "125d7342b9ac11cd91a39af48aa17b4f63f175d3" },
	{ HMAC, "RFC 2202, case 4",
	    "0102030405060708090a0b0c0d0e0f10111213141516171819", "",
	    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	    "cdcd",
	    "4c9007f4026250c6bc8414f9bf50c86c2d7235da" },
	{ HMAC, "RFC 2202, case 5",
	    "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c", "",
	    "546573742057697468205472756e636174696f6e",
	    "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04" },
	{ HMAC, "RFC 2202, case 6",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "",
	    "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579"
	    "204669727374",
	    "aa4ae5e15272d00e95705637ce8a3b55ed402112" },
	{ HMAC, "RFC 2202, case 7",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "",
	    "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b657920616e64204c6172676572"
	    "205468616e204f6e6520426c6f636b2d53697a652044617461",
	    "e8e99d0f45237d786d6bbaa7965c7808bbff1a91" },
};

/* Copies at a time: one, and as many as fill the lanes of what works on several at once, with some left over. */
enum { MOST = 70, ROOM = 96 };
static const size_t counts[] = { 1, 2, 5, 16, 17, MOST };

struct unhexed { uint8_t key[ROOM], iv[GW_AES_BLOCK], in[ROOM], out[ROOM]; size_t key_len, len, out_len; };

static int
unhex_vector(const struct vector *v, struct unhexed *u)
{
	int key = gw_unhex(v->key, u->key, sizeof(u->key)), in = gw_unhex(v->in, u->in, sizeof(u->in));
	int out = gw_unhex(v->out, u->out, sizeof(u->out));

	if (key < 0 || in < 0 || out < 0 || gw_unhex(v->iv, u->iv, sizeof(u->iv)) < 0)
		return -1;
	u->key_len = (size_t)key, u->len = (size_t)in, u->out_len = (size_t)out;
	return 0;
}

static bool
holds(struct gw_burst *b, enum kind kind, const struct unhexed *u, size_t n)
{
	static _Thread_local uint8_t at[MOST][ROOM], tags[MOST][GW_SHA1];
	struct gw_aes aes;
	struct gw_hmac hmac;

	gw_aes_init(&aes, u->key);
	gw_hmac_init(&hmac, u->key, u->key_len);
	for (size_t i = 0; i < n; i++) {
		memcpy(at[i], u->in, u->len);
		if (kind == CTR)
			gw_burst_ctr(b, &aes, u->iv, 0, at[i], u->len);
		else if (kind == CBC)
			gw_burst_cbc(b, &aes, u->iv, at[i], u->len);
		else
			gw_burst_mac(b, &hmac, at[i], u->len, tags[i], GW_SHA1, NULL, NULL, 0);
	}
	gw_burst_run(b);
	for (size_t i = 0; i < n; i++)
		if (memcmp(kind == HMAC ? tags[i] : at[i], u->out, u->out_len) != 0)
			return false;
	return true;
}

static int
test_means(struct gw_burst *b, struct gw_err *err)
{
	for (size_t k = 0; k < sizeof(vectors) / sizeof(vectors[0]); k++) {
		struct unhexed u;

		if (unhex_vector(&vectors[k], &u) < 0)
			return gw_fail(err, GW_ECRYPTO, "%s: the vector itself is broken", vectors[k].name);
		for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
			if (!holds(b, vectors[k].kind, &u, counts[c]))
				return gw_fail(err, GW_ECRYPTO, "%s: %s, %zu at a time, gives another result", gw_burst_name(b), vectors[k].name,
				    counts[c]);
	}
	return 0;
}

int
gw_burst_self_test(struct gw_err *err)
{
	static const enum gw_burst_by means[] = { GW_BURST_OPENSSL, GW_BURST_AUTO };
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < sizeof(means) / sizeof(means[0]); i++) {
		struct gw_burst *b = gw_burst_new(means[i], err);

		ret = b ? test_means(b, err) : -1;
		gw_burst_free(b);
	}
	return ret;
}
