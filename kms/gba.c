/* kms/gba.c: see gba.h */
#include "kms/gba.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include "kms/crypt.h"
#include "lib/secret.h"

enum { BLOCK = 16, KEY = 32, STRING_MAX = 1024 };

static void
xor_to(uint8_t *out, const uint8_t *with, size_t n)
{
	for (size_t k = 0; k < n; k++)
		out[k] ^= with[k];
}

/* --- MILENAGE (TS 35.206) --------------------------------------------------------------------------------------------- */

int
milenage_opc(const uint8_t k[16], const uint8_t op[16], uint8_t opc[16])
{
	EVP_CIPHER_CTX *e = crypt_aes_new(CRYPT_ECB, k);
	int rc = e ? crypt_aes(e, NULL, op, BLOCK, opc) : -1;

	EVP_CIPHER_CTX_free(e);
	if (rc == 0)
		xor_to(opc, op, BLOCK);
	return rc;
}

/* OUT = E(rot(in XOR OPc, r) XOR c XOR and) XOR OPc; all r are whole octets, c differs in its last octet only. */
static int
round_of(EVP_CIPHER_CTX *e, const uint8_t *opc, const uint8_t *in, size_t r, uint8_t c, const uint8_t *and, uint8_t out[BLOCK])
{
	uint8_t x[BLOCK];

	for (size_t k = 0; k < BLOCK; k++)
		x[k] = in[(k + r) % BLOCK] ^ opc[(k + r) % BLOCK];
	x[BLOCK - 1] ^= c;
	if (and)
		xor_to(x, and, BLOCK);
	int rc = crypt_aes(e, NULL, x, BLOCK, out);
	xor_to(out, opc, BLOCK);
	gw_cleanse(x, sizeof(x));
	return rc;
}

int
milenage(const uint8_t k[16], const uint8_t opc[16], const uint8_t rand[16], const uint8_t sqn[6], const uint8_t amf[2], struct milenage *m)
{
	EVP_CIPHER_CTX *e = crypt_aes_new(CRYPT_ECB, k);
	uint8_t temp[BLOCK], in1[BLOCK], out[5][BLOCK] = { 0 };
	int rc = e ? 0 : -1;

	memcpy(temp, rand, BLOCK);
	xor_to(temp, opc, BLOCK);
	rc = rc == 0 ? crypt_aes(e, NULL, temp, BLOCK, temp) : rc;
	for (size_t half = 0; half < BLOCK; half += 8) {
		memcpy(in1 + half, sqn, 6);
		memcpy(in1 + half + 6, amf, 2);
	}
	/* r1 64, r2 0, r3 32, r4 64, r5 96 bits; f1 turns SQN and AMF and not TEMP */
	rc = rc == 0 ? round_of(e, opc, in1, 8, 0, temp, out[0]) : rc;
	for (size_t n = 1; rc == 0 && n < 5; n++)
		rc = round_of(e, opc, temp, 4 * (n - 1), (uint8_t)(1 << (n - 1)), NULL, out[n]);
	EVP_CIPHER_CTX_free(e);
	memcpy(m->mac_a, out[0], 8);
	memcpy(m->mac_s, out[0] + 8, 8);
	memcpy(m->res, out[1] + 8, 8);
	memcpy(m->ak, out[1], 6);
	memcpy(m->ck, out[2], 16);
	memcpy(m->ik, out[3], 16);
	memcpy(m->ak_s, out[4], 6);
	gw_cleanse(temp, sizeof(temp));
	gw_cleanse(out, sizeof(out));
	if (rc < 0)
		gw_cleanse(m, sizeof(*m));
	return rc;
}

/* --- AKA (TS 33.102 6.3) ---------------------------------------------------------------------------------------------- */

/* MAC* of a GBA_U card: MAC XOR the first 64 bits of SHA-1(IK) (3.1: a reading). Its own inverse. */
static int
mac_star_of(uint8_t mac[8], const uint8_t ik[16])
{
	uint8_t md[EVP_MAX_MD_SIZE];
	int ok = EVP_Digest(ik, 16, md, NULL, EVP_sha1(), NULL);

	xor_to(mac, md, 8);
	gw_cleanse(md, sizeof(md));
	return ok ? 0 : -1;
}

/* AUTN = (SQN XOR AK) || AMF || MAC, Ks = CK || IK. */
static int
vector_of(const struct milenage *m, const uint8_t sqn[6], const uint8_t amf[2], const uint8_t rand[16], bool mac_star, struct gba_vector *v)
{
	memcpy(v->rand, rand, sizeof(v->rand));
	memcpy(v->autn, sqn, 6);
	xor_to(v->autn, m->ak, 6);
	memcpy(v->autn + 6, amf, 2);
	memcpy(v->autn + 8, m->mac_a, 8);
	memcpy(v->res, m->res, sizeof(v->res));
	memcpy(v->ks, m->ck, 16);
	memcpy(v->ks + 16, m->ik, 16);
	return mac_star ? mac_star_of(v->autn + 8, m->ik) : 0;
}

int
gba_vector(const uint8_t k[16], const uint8_t opc[16], const uint8_t sqn[6], const uint8_t amf[2], const uint8_t rand[16], bool mac_star,
    struct gba_vector *v)
{
	struct milenage m;
	int rc = milenage(k, opc, rand, sqn, amf, &m);

	rc = rc == 0 ? vector_of(&m, sqn, amf, rand, mac_star, v) : rc;
	gw_cleanse(&m, sizeof(m));
	if (rc < 0)
		gw_cleanse(v, sizeof(*v));
	return rc;
}

static const uint8_t resync_amf[2];	/* of AUTS: zero (TS 33.102 6.3.3) */

/* AUTS = (SQN of the card XOR AK*) || MAC-S. */
static int
auts_of(const uint8_t k[16], const uint8_t opc[16], const uint8_t rand[16], const uint8_t sqn[6], uint8_t auts[14])
{
	struct milenage m;
	int rc = milenage(k, opc, rand, sqn, resync_amf, &m);

	memcpy(auts, sqn, 6);
	xor_to(auts, m.ak_s, 6);
	memcpy(auts + 6, m.mac_s, 8);
	gw_cleanse(&m, sizeof(m));
	return rc;
}

enum gba_auth
gba_answer(const uint8_t k[16], const uint8_t opc[16], const uint8_t amf[2], const uint8_t rand[16], const uint8_t autn[16], bool mac_star,
    uint8_t sqn[6], struct gba_vector *v, uint8_t auts[14])
{
	struct milenage m;
	uint8_t got[6];
	enum gba_auth r = GBA_FAILED;

	(void)amf;	/* the one in AUTN counts */
	if (milenage(k, opc, rand, sqn, autn + 6, &m) == 0) {	/* AK does not depend on SQN */
		memcpy(got, autn, 6);
		xor_to(got, m.ak, 6);
		if (milenage(k, opc, rand, got, autn + 6, &m) == 0 && vector_of(&m, got, autn + 6, rand, mac_star, v) == 0)
			r = CRYPTO_memcmp(v->autn, autn, sizeof(v->autn)) == 0 ? GBA_OK : GBA_BAD_MAC;
	}
	gw_cleanse(&m, sizeof(m));
	if (r == GBA_OK && memcmp(got, sqn, 6) <= 0)
		r = auts_of(k, opc, rand, sqn, auts) == 0 ? GBA_SYNC : GBA_FAILED;
	if (r == GBA_OK)
		memcpy(sqn, got, 6);
	else
		gw_cleanse(v, sizeof(*v));
	return r;
}

int
gba_resync(const uint8_t k[16], const uint8_t opc[16], const uint8_t rand[16], const uint8_t auts[14], uint8_t sqn[6])
{
	struct milenage m;
	uint8_t got[6], want[14];
	int rc = milenage(k, opc, rand, sqn, resync_amf, &m);	/* AK* does not depend on SQN */

	memcpy(got, auts, 6);
	xor_to(got, m.ak_s, 6);
	gw_cleanse(&m, sizeof(m));
	if (rc < 0 || auts_of(k, opc, rand, got, want) < 0 || CRYPTO_memcmp(want, auts, sizeof(want)) != 0)
		return -1;
	memcpy(sqn, got, 6);
	return 0;
}

/* --- GBA (TS 33.220) -------------------------------------------------------------------------------------------------- */

size_t
gba_btid(const uint8_t rand[16], const char *bsf, char *out, size_t cap)
{
	enum { TEXT = 24 };	/* base64 of 16 octets */
	size_t n = strlen(bsf);

	if (n == 0 || cap < TEXT + 1 + 1 || n > cap - TEXT - 2)
		return 0;
	EVP_EncodeBlock((unsigned char *)out, rand, 16);
	out[TEXT] = '@';
	memcpy(out + TEXT + 1, bsf, n + 1);
	return TEXT + 1 + n;
}

/* S = FC || P0 || L0 || P1 || L1 ...; key = HMAC-SHA-256(ks, S) (TS 33.220 annex B). */
struct kdf_part { const void *p; size_t len; };
static int
kdf(const uint8_t ks[KEY], const struct kdf_part *parts, size_t nparts, uint8_t out[KEY])
{
	uint8_t s[STRING_MAX] = { 0x01 }, *p = s + 1;
	unsigned n = 0;

	for (size_t k = 0; k < nparts; k++) {
		if (parts[k].len > sizeof(s) - 2 - (size_t)(p - s))
			return -1;
		memcpy(p, parts[k].p, parts[k].len);
		p += parts[k].len;
		*p++ = (uint8_t)(parts[k].len >> 8);
		*p++ = (uint8_t)parts[k].len;
	}
	return HMAC(EVP_sha256(), ks, KEY, s, (size_t)(p - s), out, &n) && n == KEY ? 0 : -1;
}

static int
naf_key(const char *label, const uint8_t ks[KEY], const uint8_t rand[16], const char *impi, const char *naf, uint8_t out[KEY])
{
	static const uint8_t ua[5] = { 1, 0, 0, 0, 1 };	/* MBMS Ua protocol */
	uint8_t naf_id[STRING_MAX];
	size_t n = strlen(naf);

	if (n == 0 || n > sizeof(naf_id) - sizeof(ua))
		return -1;
	memcpy(naf_id, naf, n);
	memcpy(naf_id + n, ua, sizeof(ua));
	const struct kdf_part parts[] = { { label, strlen(label) }, { rand, 16 }, { impi, strlen(impi) }, { naf_id, n + sizeof(ua) } };
	return kdf(ks, parts, sizeof(parts) / sizeof(parts[0]), out);
}

/* Both keys are used whole: a reading (1.1). MRK of a card without GBA: FC 0x01 and "mbms-mrk", a reading, too. */
int
gba_naf_keys(const uint8_t ks[32], const uint8_t rand[16], const char *impi, const char *naf, bool me, uint8_t smk[32], uint8_t srk[32])
{
	static const struct kdf_part mrk = { "mbms-mrk", 8 };
	int rc;

	if (me)
		rc = naf_key("gba-me", ks, rand, impi, naf, smk) == 0 ? kdf(smk, &mrk, 1, srk) : -1;
	else
		rc = naf_key("gba-u", ks, rand, impi, naf, smk) == 0 ? naf_key("gba-me", ks, rand, impi, naf, srk) : -1;
	if (rc < 0) {
		gw_cleanse(smk, 32);
		gw_cleanse(srk, 32);
	}
	return rc;
}
