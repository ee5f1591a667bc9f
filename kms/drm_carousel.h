/*
 * kms/drm_carousel.h: which long-term key messages of a key file should be on air, by number: the registrations of its devices,
 * then a BCRO for each SEAK and each PEAK of each right of its groups and devices, from the rights issuer's lead before valid_from
 * until valid_to. A message is made when it is first asked for and keeps its octets, so that receivers know it again.
 */
#ifndef KMS_DRM_CAROUSEL_H
#define KMS_DRM_CAROUSEL_H
#include "kms/keys.h"

struct drm_carousel;
/* Reads the PEM files that the key file names. keys: lent for its life; with a rights issuer. NULL with *err. */
struct drm_carousel *drm_carousel_new(const struct keys_drm *keys, struct gw_err *);
void drm_carousel_free(struct drm_carousel *);
/* Octets of message number index (from 0; what is on air is looked up when it is 0), 0: there are no more, -1 with *err. */
int drm_carousel_get(struct drm_carousel *, uint32_t index, int64_t now_s, void *out, size_t cap, struct gw_err *);
#endif
