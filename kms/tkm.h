/*
 * kms/tkm.h: traffic key material. One order everywhere, TEK, salt, TAS: as it stands in a CW (bcast-backend-xml 10), padded in
 * the DRM profile's STKM (bcast-drm-profile 3.2), and as key and salt in the Smartcard profile's (bcast-smartcard-profile 2.6).
 */
#ifndef KMS_TKM_H
#define KMS_TKM_H
#include <stdbool.h>
#include "proto/stkm.h"

struct tkm { const struct stkm_layout *layout; uint8_t cw[40]; };	/* a secret: cleanse it */

/* 0, or -1: the length is not that of this protection (SRTP without salt, say). TS: the length tells the cipher. */
int tkm_of_cw(struct tkm *, uint8_t protocol, bool authenticated, const void *cw, size_t len);
/* The padded form; the pad must be zero. */
int tkm_of_material(struct tkm *, uint8_t protocol, bool authenticated, uint8_t cipher, const void *material, size_t len);
size_t tkm_material(const struct tkm *, uint8_t out[STKM_MATERIAL_MAX]);

static inline const uint8_t *tkm_tek(const struct tkm *t) { return t->cw; }
static inline const uint8_t *tkm_salt(const struct tkm *t) { return t->cw + t->layout->tek; }
static inline const uint8_t *tkm_tas(const struct tkm *t) { return t->cw + t->layout->tek + t->layout->salt; }
static inline size_t tkm_len(const struct tkm *t) { return (size_t)t->layout->tek + t->layout->salt + t->layout->tas; }
/* The key of ESP's HMAC-SHA1-96 and ISMACryp's packet tag. -1: the protection has no TAS. */
int tkm_tak(const struct tkm *, uint8_t out[20]);
#endif
