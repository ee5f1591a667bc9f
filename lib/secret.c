/* lib/secret.c: keys live in locked memory, are compared in constant time and end cleansed */
#include "lib/secret.h"
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "lib/hex.h"
#include "lib/log.h"

enum { SMALLEST = 16 };	/* bytes of the secure heap's smallest piece: a TEK */

int
gw_secrets_init(size_t size_kib, bool unlocked_ok, struct gw_err *err)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return gw_fail(err, GW_ESYS, "cannot turn core dumps off: %s", strerror(errno));
	if (CRYPTO_secure_malloc_initialized())
		return 0;
	errno = 0;
	switch (CRYPTO_secure_malloc_init(size_kib * 1024, SMALLEST)) {
	case 1:
		return 0;
	case 2:	/* there, but mlock() failed */
		if (unlocked_ok) {
			gw_log(GW_WARNING, "keys_not_locked", "keys may be swapped to disk: memory cannot be locked",
			    "kib=%zu", size_kib);
			return 0;
		}
		CRYPTO_secure_malloc_done();
		return gw_fail(err, GW_ESYS, "%zu KiB of memory for keys cannot be locked: raise the limit of locked memory "
		    "(ulimit -l, LimitMEMLOCK=)", size_kib);
	default:
		return gw_fail(err, GW_ESYS, "no secure heap of %zu KiB", size_kib);
	}
}

void
gw_secrets_fini(void)
{
	CRYPTO_secure_malloc_done();	/* refuses, quietly, while a key is still held */
}

int
gw_secret_new(struct gw_secret *s, size_t len)
{
	s->p = len ? OPENSSL_secure_zalloc(len) : NULL;
	s->len = s->p ? len : 0;
	return s->p || len == 0 ? 0 : -1;
}

int
gw_secret_set(struct gw_secret *s, const void *bytes, size_t len)
{
	if (gw_secret_new(s, len) < 0)
		return -1;
	if (len)
		memcpy(s->p, bytes, len);
	return 0;
}

void
gw_secret_free(struct gw_secret *s)
{
	OPENSSL_secure_clear_free(s->p, s->len);
	*s = (struct gw_secret){ NULL, 0 };
}

bool
gw_secret_equal(const struct gw_secret *s, const void *bytes, size_t len)
{
	return s->len == len && (len == 0 || CRYPTO_memcmp(s->p, bytes, len) == 0);
}

void
gw_cleanse(void *p, size_t len)
{
	explicit_bzero(p, len);	/* no compiler leaves it out either, and OPENSSL_cleanse() takes eight octets at a time */
}

void
gw_fingerprint(const void *key, size_t len, char out[17])
{
	uint8_t mac[EVP_MAX_MD_SIZE];

	if (len > INT_MAX || !HMAC(EVP_sha256(), len ? key : "", (int)len, (const uint8_t *)"fp", 2, mac, NULL))
		abort();	/* SHA-256 is there, or nothing of ours works */
	gw_hex(mac, 8, out, 17);
}

void
gw_random(void *out, size_t len)
{
	uint8_t *p = out;

	while (len) {
		int n = len > INT_MAX ? INT_MAX : (int)len;

		if (RAND_priv_bytes(p, n) != 1)
			abort();	/* no key is better than a guessable one */
		p += n;
		len -= (size_t)n;
	}
}

int
gw_secret_file_ok(const char *path, struct gw_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return gw_fail(err, GW_ECONF, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return gw_fail(err, GW_ECONF, "%s is not a regular file", path);
	if (st.st_mode & 077)
		return gw_fail(err, GW_ECONF, "%s holds keys and others can get at it (mode %04o): chmod 600 it", path,
		    st.st_mode & 07777u);
	return 0;
}

int
gw_secret_line(const char *path, char *out, size_t cap, struct gw_err *err)
{
	FILE *f;

	*out = '\0';
	if (gw_secret_file_ok(path, err) < 0)
		return -1;
	if ((f = fopen(path, "re")) == NULL)
		return gw_fail(err, GW_ESYS, "%s cannot be read", path);
	setvbuf(f, NULL, _IONBF, 0);	/* no copy of it in a buffer of stdio */
	if (!fgets(out, (int)cap, f))
		*out = '\0';
	fclose(f);
	out[strcspn(out, "\r\n")] = '\0';
	return (int)strlen(out);
}
