/* bsm/sms_int.h: within the short messages: what a sink is */
#ifndef BSM_SMS_INT_H
#define BSM_SMS_INT_H
#include "bsm/sms.h"
#include "kms/store.h"
#include "proto/wsp.h"

enum { SMS_PUSH = SMS_MIKEY + WSP_OVERHEAD, SMS_PARTS = (SMS_PUSH + WDP_PART - 1) / WDP_PART };
struct sms_message {
	int64_t id;
	char msisdn[KMS_MSISDN];
	uint8_t ref;			/* of its parts */
	uint8_t pdu[SMS_PUSH]; size_t len;
};
struct sms_sink {
	void *(*open)(uv_loop_t *, struct bsm_sms *, const struct sms_conf *, struct gw_err *);
	bool (*put)(void *, const struct sms_message *);	/* a copy; false: full */
	size_t (*waiting)(const void *);
	const char *(*state)(const void *);
	void (*close)(void *);		/* frees itself; then sms_closed() */
};
extern const struct sms_sink sms_files, sms_smpp;

struct sms_counts *sms_counts_of(struct bsm_sms *);
/* Never within put(). */
void sms_done(struct bsm_sms *, int64_t id, bool sent);
void sms_room(struct bsm_sms *);	/* there is some again */
void sms_closed(struct bsm_sms *);
#endif
