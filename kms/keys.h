/*
 * kms/keys.h: the key files (YAML, mode 0600) that a KMS plugin and a lab receiver both read: long-term keys, and at the plugin
 * which ECM_id is sealed with the keys of which service. examples/keys/ has one of each kind.
 */
#ifndef KMS_KEYS_H
#define KMS_KEYS_H
#include <stdio.h>
#include "kms/drm_stkm.h"
#include "kms/mikey_stkm.h"
#include "lib/secret.h"

/* ECM_id to service; by the profile, a struct keys_drm_service or keys_card_service. */
struct keys_stream { uint16_t ecm_id; const void *service; };

struct keys_seak {	/* SEAK: SEK and SAS; PEAK: PEK and PAS */
	uint32_t CID_extension;
	struct gw_secret key, seed;	/* emptied once `made` holds them, unless a rights issuer will wrap them */
	char *valid_from, *valid_to; int64_t from_s, to_s;	/* NULL: without limit */
	struct drm_key *made;
};
struct keys_drm_service {
	char *name;
	struct keys_seak *seak; size_t nseak; struct keys_seak *peak; size_t npeak;
	bool synchronised;	/* more come from the store of SEAKs */
};

/* Broadcast-only rights (bcast-drm-profile 8 and 9): who issues them and to whom. */
struct keys_issuer { bool given; char *private_key; struct gw_secret RIAK; uint64_t lead_ms; };
struct keys_right { const struct keys_drm_service *service; };
struct keys_group {	/* BCROs of mode 0 */
	char *name;
	uint8_t *address; size_t address_len;
	struct gw_secret UGK;
	struct keys_right *rights; size_t nrights;
};
struct keys_member {	/* a device as its issuer knows it; BCROs of mode 1 */
	char *number;		/* 20 digits */
	char *public_key;
	struct gw_secret UDK; uint8_t *UDF; size_t UDF_len;
	const struct keys_group *group; uint8_t position;
	struct keys_right *rights; size_t nrights;
};
struct keys_device { bool given; char *number, *private_key, *rights_issuer; };	/* a receiver's: rights come from the air */

struct keys_drm {
	uint8_t profile;
	char *base_cid;
	struct keys_issuer issuer;
	struct keys_group *groups; size_t ngroups;
	struct keys_member *devices; size_t ndevices;
	struct keys_device device;
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
/*
 * One more SEAK or PEAK (32 octets: key and seed) of a service, for a file of services. 1: it is there. 0: no such service, it is not synchronised, or the file
 * has that extension itself. -1 with *err.
 */
struct keys_more { const char *service; enum drm_layer layer; uint32_t CID_extension; const uint8_t *key; int64_t from_s, to_s; };
int keys_drm_add(struct keys_drm *, const struct keys_more *, struct gw_err *err);
int keys_card_load(const char *path, struct keys_card *, struct gw_err *err);
void keys_card_free(struct keys_card *);

/* The keys of such a file for simulgate-keys(5), mdoc, from the rows that it is read by. */
void keys_print_mdoc(bool smartcard, FILE *);

/* The service of an ECM_id: by `streams`, or the only one there is. NULL: none. */
const struct keys_drm_service *keys_drm_service(const struct keys_drm *, uint16_t ecm_id);
const struct keys_card_service *keys_card_service(const struct keys_card *, uint16_t ecm_id);
/* Of the SEAKs (or PEAKs) of a list that are valid at now_s the one that became so last, of several the greatest extension; NULL: none. */
struct drm_key *keys_valid(const struct keys_seak *, size_t n, int64_t now_s);
/* The SEK in use at a CP: of those whose interval reaches it, the one that came into use last. NULL: none. */
struct msk *keys_sek_at(const struct keys_card_service *, uint16_t cp, uint16_t *tek_id);
#endif
