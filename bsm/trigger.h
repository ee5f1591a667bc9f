/* bsm/trigger.h: the Smartcard Profile Trigger Message, an SMS upon which a terminal registers (bcast-smartcard-profile 3.4), and pulls that an operator wants */
#ifndef BSM_TRIGGER_H
#define BSM_TRIGGER_H
#include "kms/store.h"

/*
 * Reading: the reference names the message and says what a terminal does upon it, not what it looks like. What a terminal that does 2.9 and 4
 * certainly understands is a WSP push of a pull with Key Group 0, so that is what it is. It is put into the outbox, and the delivery of
 * LTKMs sends it (its counter is spent, its octets are made there). Within a group of the store. GW_EXISTS: no MSISDN, or no live GBA
 * context that it could be protected with. *out (may be NULL): the row.
 */
enum gw_outcome trigger_put(struct kms_store *, int64_t sub, int64_t now_us, int64_t *out);
/*
 * A solicited pull (2.9) for a Key Group: the phone requests the key in force of it; of Key Group 0: it registers again. Over UDP when it is registered
 * and answers there, else by SMS as the trigger is: *sms says which. GW_EXISTS: it can be reached by neither.
 */
enum gw_outcome pull_put(struct kms_store *, int64_t sub, uint16_t group, int64_t now_us, bool *sms, int64_t *out);
#endif
