/*
 * bsm/names.h: under which names a store's BSM serves. NAF keys (SMK, SRK) are made of the NAF's, B-TIDs of the BSF's (1.2, 3.2): what was made
 * under other names is of no use any more.
 */
#ifndef BSM_NAMES_H
#define BSM_NAMES_H
#include "kms/store.h"

struct bsm_names { char naf[256], bsf[256]; };
/* False: none are noted yet. */
bool bsm_names_get(struct kms_store *, struct bsm_names *);
/*
 * Notes them. Other ones than were noted: refused with the reason while there are subscribers with provision ks, whose keys only the operator can
 * make anew; else said in the log: everybody bootstraps again. -1: *err.
 */
int bsm_names_note(struct kms_store *, const char *naf, const char *bsf, struct gw_err *);
#endif
