/*
 * kms/card_store.h: STKMs under SEKs and PEKs of a store that the BSM and other STKMGs share (bcast-smartcard-profile 6.1). A commit takes longer than
 * a loop may wait: a thread gathers what has been asked, asks keymgr for the keys, spends the TEK IDs, all in one group of the store, and
 * answers when the group is durable. So a TEK ID has one TEK, whoever asks, across a crash or a stand-by.
 */
#ifndef KMS_CARD_STORE_H
#define KMS_CARD_STORE_H
#include "kms/mikey_stkm.h"
#include "kms/plug.h"

struct card_store;
/* Makes the STKM of a call with that key: octets, or -error_status with why. Called on the thread; changes nothing of self. */
typedef int card_seal(const void *self, struct msk *, const struct msk_plan *, const struct plug_key *, const struct plug_call *);

/* The store must be there; master: NULL, PATH.master. host is copied, self is lent until close. 0, or -1. */
int card_store_open(const char *path, const char *master, const struct kms_host *, card_seal *, const void *self, struct card_store **,
    struct gw_err *);
/* Every answer has been given before. */
void card_store_close(struct card_store *);
/* Loop: the store has a stream with this ECM_id, or cannot tell now. */
bool card_store_knows(struct card_store *, uint16_t ecm_id);
/* Loop: KMS_LATER, the answer follows; or -error_status with why. The call's request and the key are copied. */
int card_store_ecm(struct card_store *, const struct plug_call *, const struct plug_key *);
#endif
