/* cwg/cwg.c: control words */
#include "cwg/cwg.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include "lib/headend.h"
#include "lib/log.h"
#include "lib/secret.h"

struct cwg {
	struct gw_secret seed;	/* empty: the DRBG */
};

/* Octets of TEK with its salt, and of the traffic authentication seed that follows when there is authentication. */
static const struct {
	int protection;
	uint8_t base, seed;
} lengths[] = {
	{ HE_IPSEC,    16,     16 },
	{ HE_SRTP,     16 + 14, 0 },	/* SRTP derives its authentication key from the master key */
	{ HE_ISMACRYP, 16 + 8, 16 },
	{ HE_CISSA,    16,      0 },
};
enum { CSA = 8 };

size_t
cwg_length(int protection, bool authenticated, uint8_t cw_length)
{
	if (protection == HE_NONE)
		return cw_length == CSA || cw_length == 16 ? cw_length : 0;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		if (lengths[i].protection == protection)
			return (size_t)lengths[i].base + (authenticated ? lengths[i].seed : 0);
	return 0;
}

struct cwg *
cwg_new(const char *test_seed, struct gw_err *err)
{
	struct cwg *c = calloc(1, sizeof(*c));

	if (!c) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	if (!test_seed)
		return c;
	if (gw_secret_set(&c->seed, test_seed, strlen(test_seed) + 1) < 0) {
		gw_fail(err, GW_ESYS, "no locked memory left");
		cwg_free(c);
		return NULL;
	}
	gw_log(GW_ERR, "control_words_foretold",
	    "TEST SEED IN USE: every control word can be computed by whoever knows the seed; nothing is protected",
	    "source=%s", "seed");
	return c;
}

void
cwg_free(struct cwg *c)
{
	if (!c)
		return;
	gw_secret_free(&c->seed);
	free(c);
}

/* HMAC-SHA256(seed, block || cp || service), blocks 0, 1, ...: any length, the same for the same three. */
static int
foretell(struct cwg *c, const char *service, uint64_t cp, uint8_t *out, size_t len)
{
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END };
	uint8_t head[1 + 8], mac[32];
	size_t n = 0;

	for (int i = 0; i < 8; i++)
		head[1 + i] = (uint8_t)(cp >> (56 - 8 * i));
	for (head[0] = 0; ctx && n < len; head[0]++) {
		size_t maclen, part = len - n < sizeof(mac) ? len - n : sizeof(mac);

		if (!EVP_MAC_init(ctx, c->seed.p, c->seed.len, params) || !EVP_MAC_update(ctx, head, sizeof(head)) ||
		    !EVP_MAC_update(ctx, (const uint8_t *)service, strlen(service)) ||
		    !EVP_MAC_final(ctx, mac, &maclen, sizeof(mac)))
			break;
		memcpy(out + n, mac, part);
		n += part;
	}
	gw_cleanse(mac, sizeof(mac));
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(hmac);
	return n == len ? 0 : -1;
}

/* DVB-CSA descramblers refuse or correct a word whose 4th and 8th octets are not the sums of the three before them. */
static void
add_checksums(uint8_t cw[CSA])
{
	cw[3] = (uint8_t)(cw[0] + cw[1] + cw[2]);
	cw[7] = (uint8_t)(cw[4] + cw[5] + cw[6]);
}

int
cwg_draw(struct cwg *c, int protection, bool authenticated, const char *service, uint64_t cp, uint8_t *out, size_t len)
{
	if (len == 0 || len > CWG_MATERIAL_MAX || len != cwg_length(protection, authenticated, (uint8_t)len))
		return -1;
	if (c->seed.p ? foretell(c, service, cp, out, len) < 0 : RAND_priv_bytes_ex(NULL, out, len, 0) != 1) {
		gw_cleanse(out, len);
		return -1;
	}
	if (len == CSA)
		add_checksums(out);
	return 0;
}
