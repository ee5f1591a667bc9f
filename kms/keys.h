/*
 * kms/keys.h: the key files (YAML, mode 0600) that a KMS plugin and a lab receiver both read: long-term keys, and at the plugin
 * which ECM_id is sealed with the keys of which service. examples/keys/ has one of each kind.
 */
#ifndef KMS_KEYS_H
#define KMS_KEYS_H
#include "kms/drm_stkm.h"
#include "kms/mikey_stkm.h"
#include "lib/secret.h"

/* ECM_id to service; by the profile, a struct keys_drm_service or keys_card_service. */
struct keys_stream { uint16_t ecm_id; const void *service; };

struct keys_seak {	/* SEAK: SEK and SAS; PEAK: PEK and PAS */
	uint32_t CID_extension;
	struct gw_secret key, seed;	/* emptied once `made` holds them */
	char *valid_from, *valid_to; int64_t from_s, to_s;	/* NULL: without limit */
	struct drm_key *made;
};
struct keys_drm_service { char *name; struct keys_seak *seak; size_t nseak; struct keys_seak *peak; size_t npeak; };
struct keys_drm {
	uint8_t profile;
	char *base_cid;
	struct keys_drm_service *services; size_t nservices;
	struct keys_stream *streams; size_t nstreams;
	struct drm_key **all; size_t nall;	/* of all services: what struct drm_rx takes */
};

struct keys_sek {	/* SEK or PEK */
	uint32_t id;	/* Key Group, Key Number */
	struct gw_secret key;
	uint8_t *rand; size_t rand_len;
	uint16_t lower, upper, first_cp;
	struct msk *made;
};
struct keys_card_service { char *name; struct keys_sek *sek; size_t nsek; };
struct keys_card {
	uint8_t profile;
	uint8_t *key_domain; size_t key_domain_len;
	struct keys_card_service *services; size_t nservices;
	struct keys_stream *streams; size_t nstreams;
	struct msk **all; size_t nall;
};

/* 0, or -1 with every fault of the file in *err, a line each: FILE:LINE:COLUMN: sentence. */
int keys_drm_load(const char *path, struct keys_drm *, struct gw_err *err);
void keys_drm_free(struct keys_drm *);
int keys_card_load(const char *path, struct keys_card *, struct gw_err *err);
void keys_card_free(struct keys_card *);

/* The service of an ECM_id: by `streams`, or the only one there is. NULL: none. */
const struct keys_drm_service *keys_drm_service(const struct keys_drm *, uint16_t ecm_id);
const struct keys_card_service *keys_card_service(const struct keys_card *, uint16_t ecm_id);
/* The first SEAK (or PEAK) of a list that is valid at now_s; NULL: none. */
struct drm_key *keys_valid(const struct keys_seak *, size_t n, int64_t now_s);
/* The SEK in use at a CP: of those whose interval reaches it, the one that came into use last. NULL: none. */
struct msk *keys_sek_at(const struct keys_card_service *, uint16_t cp, uint16_t *tek_id);
#endif
