/* kms/drm_stkm.h: sealing and opening the STKM of the DRM profile (bcast-drm-profile 3). */
#ifndef KMS_DRM_STKM_H
#define KMS_DRM_STKM_H
#include "kms/rx.h"
#include "lib/err.h"

/* A SEAK or a PEAK with its contexts; used by one thread at a time. */
struct drm_key;
enum drm_layer { DRM_SERVICE, DRM_PROGRAM };
struct drm_key *drm_key_new(enum drm_layer, uint32_t CID_extension, const uint8_t key[16], const uint8_t seed[16], struct gw_err *);
void drm_key_free(struct drm_key *);
/* Unix seconds, valid from the first to before the second; at first: always. */
void drm_key_validity(struct drm_key *, int64_t from, int64_t to);
bool drm_key_valid(const struct drm_key *, int64_t now_s);
/* They have one name on air: layer and CID extension. */
bool drm_key_same(const struct drm_key *, const struct drm_key *);

/*
 * Fills in what follows from the keys (layers, extensions, protection, key material, MACs), encodes, and signs. The rest of *m
 * is the caller's. service or program may be NULL, not both; next NULL: no next key. Octets, or 0 with *err.
 */
size_t drm_seal(struct drm_key *service, struct drm_key *program, struct stkm *m, const struct tkm *current, const struct tkm *next,
	void *out, size_t cap, struct gw_err *err);

/*
 * A receiver of one stream. Zeroed at first, keys lent. The MAC of the layer for which a key is held (the service first) is
 * verified before anything but the flags is looked at.
 */
struct drm_rx {
	struct drm_key *const *keys; size_t nkeys;
	uint32_t window_s;	/* how much older than the newest a time stamp may be; 0: 60 s */
	int64_t newest_s; bool has_newest, has_last;
	uint8_t last_MAC[STKM_MAC];
};
enum rx_result drm_receive(struct drm_rx *, const void *stkm, size_t len, int64_t now_s, struct rx_keys *);
#endif
