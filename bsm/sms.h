/*
 * bsm/sms.h: short messages to phones that have no address: a MIKEY message as WSP push (bcast-smartcard-profile 4), into files or to an SMSC by
 * SMPP 3.4.
 */
#ifndef BSM_SMS_H
#define BSM_SMS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/err.h"

enum { SMS_QUEUE = 1024, SMS_MIKEY = 255 };	/* messages that may wait; octets of one */

/* Lent for the call of open. Either dir or smpp. */
struct sms_conf {
	/* Each user-data block is a file MSISDN-ORDER-PART.sms of that directory, which appears whole or not at all. NULL: none. */
	const char *dir;
	struct gw_addr smpp;		/* tcp; scheme 0: none */
	const char *system_id, *password_file, *source;
	bool data_sm;			/* data_sm, and the SMSC parts it; else submit_sm */
	uint32_t per_second;		/* PDUs that hand over messages, or files; 0: as many as there are */
	/* Never within a call of ours. sent: it was taken; else refused for good. */
	void (*done)(void *self, int64_t id, bool sent);
	void (*room)(void *self);	/* after bsm_sms_send was short; may be NULL */
	void *self;
};
struct bsm_sms;
struct bsm_sms *bsm_sms_open(uv_loop_t *, const struct sms_conf *, struct gw_err *);
/* msisdn: digits. 0: done() will tell; -1: no room now. What is sent again after a crash or a lost link comes twice: the card takes one. */
int bsm_sms_send(struct bsm_sms *, int64_t id, const char *msisdn, const void *mikey, size_t len);
/* Unbinds; what has not left is told of no more (the outbox has it); frees itself. Quiet on NULL. */
void bsm_sms_close(struct bsm_sms *);

#define SMS_COUNTS(X) /* field, words for the operator */ \
	X(messages, "messages handed over whole") X(refused, "messages refused for good") X(parts, "short messages or PDUs taken by the sink") \
	X(retries, "PDUs that were to be tried again") X(links, "times that an SMSC took us in") X(link_failures, "links lost or refused") \
	X(malformed, "PDUs from the SMSC that were malformed or out of place")
#define SMS_X(field, words) uint64_t field;
struct sms_counts { SMS_COUNTS(SMS_X) };
#undef SMS_X
const struct sms_counts *bsm_sms_counts(const struct bsm_sms *);
size_t bsm_sms_waiting(const struct bsm_sms *);
/* "files", "bound", "binding", "connecting", "waiting", "closing" */
const char *bsm_sms_state(const struct bsm_sms *);
#endif
