/*
 * kms/usim.h: the card file of a subscriber of the Smartcard profile (YAML, mode 0600): what stands in a (U)SIM and what a phone knows beside it
 * (bcast-smartcard-profile 1.1, 3.1). The phone reads it, and whoever provisions the same subscriber at the BSM may, too.
 */
#ifndef KMS_USIM_H
#define KMS_USIM_H
#include <stdbool.h>
#include <stdio.h>
#include "lib/err.h"
#include "lib/secret.h"

enum usim_provision { USIM_MILENAGE, USIM_KS, USIM_KEYS };	/* who computes: bootstrapping on Ub; both sides from a given Ks; SMK and SRK are given */

struct usim {
	uint8_t provision;		/* enum usim_provision */
	char *impi;			/* NULL only with USIM_KEYS */
	char *msisdn;			/* digits; NULL: no SMS */
	char *naf;			/* FQDN: IDi, and in the realm */
	char *bsf;			/* FQDN: realm of Ub, after the @ of the B-TID */
	bool gba_me;			/* gba_mode me; else u */
	struct gw_secret k, opc, op;	/* USIM_MILENAGE: k, and opc once loaded */
	uint8_t *sqn, *amf; size_t sqn_len, amf_len;	/* 6, 2; sqn: the last one accepted, until the phone has a state of its own */
	bool mac_star;			/* gba_u_mac_star */
	uint8_t *rand; size_t rand_len;	/* USIM_KS: 16 */
	struct gw_secret ks;		/* 32 */
	char *btid;			/* USIM_KEYS; of USIM_KS made of rand and bsf */
	struct gw_secret smk, srk;	/* USIM_KEYS: 32 each */
	char *ca;			/* absolute path: who vouches for the BSM's and the BSF's certificates; NULL: the system's */
	uint64_t lifetime_ms;		/* of what is given, from its first use on; 0: for good */
	uint64_t registration_ms;	/* how long the BSM keeps a registration */
	uint64_t request_delay_ms;	/* LTKM Requests wait a random time up to this */
	bool repeat_verifications;	/* an LTKM that comes again octet by octet is verified again */
	bool errors;			/* what is refused is answered with a MIKEY error where there is a number for it */
};

/* 0, or -1 with every fault of the file in *err, a line each: FILE:LINE:COLUMN: sentence. Needs locked memory (gw_secrets_init). */
int usim_load(const char *path, struct usim *, struct gw_err *err);
void usim_free(struct usim *);
/* The rows for simulgate-keys(5). */
void usim_print_mdoc(FILE *);
#endif
