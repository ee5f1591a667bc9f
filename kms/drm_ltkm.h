/*
 * kms/drm_ltkm.h: sealing and opening the long-term key messages of the DRM profile on the broadcast channel: BCRO and
 * device_registration_response (bcast-drm-profile 8 and 9).
 */
#ifndef KMS_DRM_LTKM_H
#define KMS_DRM_LTKM_H
#include "kms/crypt.h"
#include "kms/drm_stkm.h"
#include "kms/rsa.h"
#include "proto/bcro.h"

/* Binary content identifier: of the BaseCID and the layer, then the extension (2.2). 0, or -1. */
int drm_bci(const char *base_cid, enum drm_layer, uint32_t CID_extension, uint8_t out[BCRO_BCI]);
/* The key of MACs of BCROs: BAK = fauth(RIAK, 4). NULL: no memory for keys. */
struct crypt_mac *drm_bak(const uint8_t RIAK[16]);

/* --- the rights issuer -------------------------------------------------------------------------------------------------- */

/* Wraps SEK and SAS (or PEK and PAS) under UGK or UDK into an asset. 0, or -1 with *err. */
int drm_asset_seal(struct bcro_asset *, const uint8_t IEK[16], const uint8_t key[16], const uint8_t seed[16], struct gw_err *);
/* Encodes, and signs with BAK. Octets, or 0 with *err. */
size_t drm_bcro_seal(struct bcro *, const struct crypt_mac *bak, void *out, size_t cap, struct gw_err *);
/*
 * Encrypts the key set under a session key drawn here and that key under the device's, fills in rights_issuer_id, encodes and
 * signs; device number, time stamp and status 0 are the caller's. Octets, or 0 with *err.
 */
size_t drm_registration_seal(struct bcro_registration *, struct bcro_keyset *, EVP_PKEY *device, EVP_PKEY *issuer, void *out, size_t cap,
	struct gw_err *);

/* --- the device --------------------------------------------------------------------------------------------------------- */

enum { DRM_RIGHTS_MAX = 128 };	/* assets held; of more, those that begin last go, then those that end first */
struct drm_device;
/* Takes both RSA keys, also when it fails. unique_device_number: 20 digits. */
struct drm_device *drm_device_new(const char *base_cid, const char *unique_device_number, EVP_PKEY *own, EVP_PKEY *issuer, struct gw_err *);
void drm_device_free(struct drm_device *);
/*
 * One datagram, in the order of checks that the profile gives. RX_NEW: registered, or a right is new or has changed; RX_REPEAT:
 * nothing new; RX_REFUSED: with the reason. Assets of another BaseCID are passed over.
 */
enum rx_result drm_device_receive(struct drm_device *, const void *msg, size_t len, int64_t now_s, enum bcro_reason *why);
/* Drops what has expired; receive does it, too. */
void drm_device_tick(struct drm_device *, int64_t now_s);
bool drm_device_registered(const struct drm_device *);
/* What struct drm_rx takes; changes with receive and tick. */
struct drm_key *const *drm_device_keys(const struct drm_device *, size_t *n);
#endif
