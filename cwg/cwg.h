/* cwg/cwg.h: the one place where control words are born: TEK, salt, authentication seed (bcast-drm-profile 3.2, without padding). */
#ifndef CWG_CWG_H
#define CWG_CWG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

enum { CWG_MATERIAL_MAX = 48 };
struct cwg;
/*
 * Keys come from OpenSSL's DRBG. test_seed (NULL in service) makes them a pure function of (seed, service, cp) instead, so that
 * tests can foretell them; that is said at err level on every start.
 */
struct cwg *cwg_new(const char *test_seed, struct gw_err *);
void cwg_free(struct cwg *);

/*
 * Octets of key material: SRTP 30 (master key 16, salt 14); IPsec 16, or 32 with TAS; ISMACryp 24 (TEK 16, salt 8), or 40 with
 * TAS; CISSA 16; none: cw_length (8: DVB-CSA, bytes 3 and 7 are the sums of the three before them; or 16). 0: no such protection.
 *   protection  enum he_scrambling of lib/headend.h
 */
size_t cwg_length(int protection, bool authenticated, uint8_t cw_length);
/* Draws len octets of material (from cwg_length) for the CP of a service into out, which is locked memory of the caller's. */
int cwg_draw(struct cwg *, int protection, bool authenticated, const char *service, uint64_t cp, uint8_t *out, size_t len);
#endif
