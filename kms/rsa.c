/* kms/rsa.c: see rsa.h */
#include "kms/rsa.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/secret.h"

enum { BITS_MIN = 1024, PEM_MAX = 65536 };

/* Nobody is there to type one. */
static int
no_passphrase(char *buf, int size, int rwflag, void *u)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)u;
	return -1;
}

static EVP_PKEY *
only_rsa(EVP_PKEY *k, const char *path, const char *what, struct gw_err *err)
{
	ERR_clear_error();
	if (k && EVP_PKEY_is_a(k, "RSA") && EVP_PKEY_get_bits(k) >= BITS_MIN && EVP_PKEY_get_size(k) <= RSA_OCTETS_MAX)
		return k;
	gw_fail(err, GW_ECONF, k ? "%s: the %s key is not RSA of %d to %d bits" : "%s: no %s key in PEM without passphrase", path, what,
	    BITS_MIN, 8 * RSA_OCTETS_MAX);
	EVP_PKEY_free(k);
	return NULL;
}

/* PEM_read_bio_PrivateKey() would leave the decoded key behind in memory that is neither locked nor cleansed. */
static EVP_PKEY *
read_private(FILE *f)
{
	struct gw_secret text = { 0 };
	unsigned char *der = NULL;
	EVP_PKEY *k = NULL;
	BIO *bio = NULL;
	long len = 0;
	struct stat st;

	/* No more of the locked memory than it needs: the keys of thousands of devices may be there already. */
	if (fstat(fileno(f), &st) == 0 && st.st_size > 0 && st.st_size <= PEM_MAX && gw_secret_new(&text, (size_t)st.st_size) == 0) {
		setvbuf(f, NULL, _IONBF, 0);
		bio = BIO_new_mem_buf(text.p, (int)fread(text.p, 1, text.len, f));
	}
	if (bio && PEM_bytes_read_bio_secmem(&der, &len, NULL, PEM_STRING_EVP_PKEY, bio, no_passphrase, NULL) == 1) {
		const unsigned char *p = der;
		k = d2i_AutoPrivateKey(NULL, &p, len);
	}
	OPENSSL_secure_clear_free(der, (size_t)len);
	BIO_free(bio);
	gw_secret_free(&text);
	return k;
}

static EVP_PKEY *
read_public(FILE *f)
{
	return PEM_read_PUBKEY(f, NULL, no_passphrase, NULL);
}

static EVP_PKEY *
of_file(const char *path, EVP_PKEY *(*read)(FILE *), const char *what, struct gw_err *err)
{
	FILE *f = fopen(path, "re");

	if (!f) {
		gw_fail(err, GW_ECONF, "%s: %s", path, strerror(errno));
		return NULL;
	}
	EVP_PKEY *k = read(f);
	fclose(f);
	return only_rsa(k, path, what, err);
}

EVP_PKEY *
rsa_private(const char *path, struct gw_err *err)
{
	return gw_secret_file_ok(path, err) < 0 ? NULL : of_file(path, read_private, "private", err);
}

EVP_PKEY *
rsa_public(const char *path, struct gw_err *err)
{
	return of_file(path, read_public, "public", err);
}

int
rsa_id(EVP_PKEY *k, uint8_t out[RSA_SHA1])
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(k, &der), rc = -1;

	if (n > 0 && EVP_Q_digest(NULL, "SHA1", NULL, der, (size_t)n, out, NULL) == 1)
		rc = 0;
	OPENSSL_free(der);
	return rc;
}

static EVP_PKEY_CTX *
oaep(EVP_PKEY *k, int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);

	if (c && init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha1()) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(c, EVP_sha1()) == 1)
		return c;
	EVP_PKEY_CTX_free(c);
	return NULL;
}

size_t
rsa_oaep_seal(EVP_PKEY *k, const void *in, size_t len, uint8_t *out, size_t cap)
{
	EVP_PKEY_CTX *c = oaep(k, EVP_PKEY_encrypt_init);
	size_t n = cap;

	if (!c || EVP_PKEY_encrypt(c, out, &n, in, len) != 1)
		n = 0;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return n;
}

int
rsa_oaep_open(EVP_PKEY *k, const void *in, size_t in_len, uint8_t *out, size_t len)
{
	EVP_PKEY_CTX *c = oaep(k, EVP_PKEY_decrypt_init);
	uint8_t clear[RSA_OCTETS_MAX];
	size_t n = sizeof(clear);
	int rc = c && EVP_PKEY_decrypt(c, clear, &n, in, in_len) == 1 && n == len ? 0 : -1;

	if (rc == 0)
		memcpy(out, clear, len);
	gw_cleanse(clear, sizeof(clear));
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return rc;
}

typedef int sign_init(EVP_MD_CTX *, EVP_PKEY_CTX **, const EVP_MD *, ENGINE *, EVP_PKEY *);

static EVP_MD_CTX *
pss(EVP_PKEY *k, sign_init *init)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p = NULL;

	if (c && init(c, &p, EVP_sha1(), NULL, k) == 1 && EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_mgf1_md(p, EVP_sha1()) == 1 && EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_SALT) == 1)
		return c;
	EVP_MD_CTX_free(c);
	return NULL;
}

size_t
rsa_pss_sign(EVP_PKEY *k, const void *msg, size_t len, uint8_t *out, size_t cap)
{
	EVP_MD_CTX *c = pss(k, EVP_DigestSignInit);
	size_t n = cap;

	if (!c || EVP_DigestSign(c, out, &n, msg, len) != 1)
		n = 0;
	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return n;
}

int
rsa_pss_verify(EVP_PKEY *k, const void *msg, size_t len, const uint8_t *signature, size_t signature_len)
{
	EVP_MD_CTX *c = pss(k, EVP_DigestVerifyInit);
	int rc = c && EVP_DigestVerify(c, signature, signature_len, msg, len) == 1 ? 0 : -1;

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return rc;
}
