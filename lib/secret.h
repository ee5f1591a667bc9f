/* lib/secret.h: keys live in locked memory, are compared in constant time and end cleansed. */
#ifndef GW_SECRET_H
#define GW_SECRET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

/*
 * Core dumps off (RLIMIT_CORE, PR_SET_DUMPABLE), then OpenSSL's secure heap of size_kib (a power of two). Call before any key
 * exists. Refused when the memory cannot be locked, unless unlocked_ok (then it is logged at warning).
 */
int gw_secrets_init(size_t size_kib, bool unlocked_ok, struct gw_err *);
void gw_secrets_fini(void);

struct gw_secret { uint8_t *p; size_t len; };	/* has no printer */
/* len bytes of locked memory, zeroed. -1 when the heap is full. */
int gw_secret_new(struct gw_secret *, size_t len);
/* A copy. */
int gw_secret_set(struct gw_secret *, const void *bytes, size_t len);
/* Cleansed and freed; quiet on an empty one; leaves {NULL, 0}. */
void gw_secret_free(struct gw_secret *);
bool gw_secret_equal(const struct gw_secret *, const void *bytes, size_t len);	/* CRYPTO_memcmp */
void gw_cleanse(void *, size_t);
/* First 8 bytes of HMAC-SHA256(key, "fp") as 16 hexadecimal digits and NUL: names a key without showing it. */
void gw_fingerprint(const void *key, size_t len, char out[17]);

/* Random bytes of OpenSSL's DRBG; aborts when there are none. */
void gw_random(void *out, size_t len);

/* A file that holds keys: refused when group or others may read it (mode must be 0600 or stricter) or it is not a regular file. */
int gw_secret_file_ok(const char *path, struct gw_err *);
/* The first line of such a file, without its end; at most cap - 1 octets, NUL-terminated, and no copy stays. Its length, cap - 1 if it may be longer; -1 with *err. */
int gw_secret_line(const char *path, char *out, size_t cap, struct gw_err *);
#endif
