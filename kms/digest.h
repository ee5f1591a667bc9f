/*
 * kms/digest.h: HTTP Digest (RFC 2617; RFC 3310 for AKAv1-MD5) with auth-int, both sides, over header texts: no HTTP, no clock, no store.
 * bcast-smartcard-profile 3.1 and 3.3. Every text from the wire is bounded and hostile.
 */
#ifndef KMS_DIGEST_H
#define KMS_DIGEST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digest_qop { DIGEST_NONE, DIGEST_AUTH, DIGEST_AUTH_INT };
enum digest_algorithm { DIGEST_MD5, DIGEST_AKA };	/* DIGEST_AKA: AKAv1-MD5, the password is RES, raw octets */
enum { DIGEST_TEXT = 320, DIGEST_HEX = 33, DIGEST_HEADER = 1600, DIGEST_REALM = 300 };

/* A client's Authorization header, taken apart and unquoted; absent values are "". */
struct digest_credentials {
	char username[DIGEST_TEXT], realm[DIGEST_REALM], nonce[DIGEST_TEXT], uri[2 * DIGEST_TEXT], response[DIGEST_HEX];
	char cnonce[DIGEST_TEXT], opaque[DIGEST_TEXT], auts[DIGEST_TEXT], nc_text[9];
	uint32_t nc;
	enum digest_qop qop;
	enum digest_algorithm algorithm;
};
/*
 * 0, or -1: no Digest credentials, or malformed (twice the same, too long, an unknown qop or algorithm, nc not eight digits, no username,
 * realm, nonce, uri or response at all). An empty response needs no more than these five: that of Ub's first request (3.1).
 */
int digest_credentials_parse(const char *header, struct digest_credentials *);
/* A server's WWW-Authenticate. */
struct digest_challenge {
	char realm[DIGEST_REALM], nonce[DIGEST_TEXT], opaque[DIGEST_TEXT];
	bool auth, auth_int;	/* offered qops */
	enum digest_algorithm algorithm;
	bool stale;
};
int digest_challenge_parse(const char *header, struct digest_challenge *);
size_t digest_challenge_print(const struct digest_challenge *, char *out, size_t cap);	/* octets, 0: no room */

/* The response of a request: A2 by the qop of c; password: octets. 0, or -1. */
int digest_response(const struct digest_credentials *c, const void *password, size_t len, const char *method, const void *body, size_t body_len,
    char out[DIGEST_HEX]);
/* Constant time; false for qop below `least`. */
bool digest_right(const struct digest_credentials *, enum digest_qop least, const void *password, size_t len, const char *method,
    const void *body, size_t body_len);
/* Authentication-Info with rspauth over the response body, and nextnonce unless it is NULL. Octets, 0: no room. */
size_t digest_info_print(const struct digest_credentials *, const void *password, size_t len, const void *body, size_t body_len,
    const char *nextnonce, char *out, size_t cap);
/*
 * The client: realm, nonce, opaque, algorithm and the best qop of a challenge; username, uri, cnonce, nc and at last response are filled in
 * by the caller. Then its header.
 */
void digest_begin(struct digest_credentials *, const struct digest_challenge *);
size_t digest_credentials_print(const struct digest_credentials *, char *out, size_t cap);
/* Is the server's Authentication-Info right? nextnonce, when there is one, is copied. */
bool digest_info_right(const char *header, const struct digest_credentials *, const void *password, size_t len, const void *body, size_t body_len,
    char nextnonce[DIGEST_TEXT]);
/* The password of a Ua request: base64 of the SRK (3.3): 44 characters. */
size_t digest_srk_password(const uint8_t srk[32], char out[45]);

/*
 * Nonces that the server need not remember until they are used: time and random octets under a key of its own. Made with gw_random.
 * extra: what they are bound to, at most 512 octets. digest_nonce_age: us since it was made, -1: not one of ours.
 */
enum { DIGEST_NONCE = 57 };	/* room for one */
size_t digest_nonce_make(const uint8_t key[32], int64_t now_us, const void *extra, size_t extra_len, char *out, size_t cap);
int64_t digest_nonce_age(const uint8_t key[32], int64_t now_us, const char *nonce, const void *extra, size_t extra_len);
#endif
