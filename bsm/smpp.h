/*
 * bsm/smpp.h: the link to an SMSC, SMPP 3.4 as a transmitter, sans-I/O (bcast-smartcard-profile 4.3): binds, hands messages over within a window and a
 * rate, tries again what is put off, answers and sends enquire_link, unbinds. Times: monotonic, us. What was in flight when a link is lost
 * is sent again.
 */
#ifndef BSM_SMPP_H
#define BSM_SMPP_H
#include "bsm/sms_int.h"
#include "lib/fsm.h"

enum { SMSC_WINDOW = 10, SMSC_SYSTEM_ID = 15, SMSC_PASSWORD = 8, SMSC_ADDRESS = 20 };	/* PDUs unanswered; octets of texts */
enum { SMSC_ANSWER_US = 30000000, SMSC_SILENCE_US = 30000000, SMSC_ALIVE_US = 10000000, SMSC_CONNECT_US = 10000000, SMSC_UNBIND_US = 2000000,
	SMSC_LEAST_US = 1000000, SMSC_MOST_US = 60000000 };	/* the last two: 1, 2, 4 … 60 s between attempts */
#define SMSC_LIFE_US 86400000000	/* a message that is put off for so long is refused */

struct smsc_conf {			/* copied; the password into locked memory */
	const char *system_id, *password, *source;
	bool data_sm;
	uint32_t per_second;		/* PDUs with messages; 0: no limit */
	/* Within smsc_heard() and smsc_tick(), never within smsc_put(). */
	void (*done)(void *self, int64_t id, bool sent);
	void *self;
	struct sms_counts *counts;	/* lent */
};
enum smsc_state { SMSC_WAITING, SMSC_CONNECTING, SMSC_BINDING, SMSC_BOUND, SMSC_UNBINDING, SMSC_OVER, SMSC_STATES };
extern const struct gw_fsm smsc_fsm;

struct smsc;
struct smsc *smsc_new(const struct smsc_conf *, struct gw_err *);
void smsc_free(struct smsc *);		/* quiet on NULL */
bool smsc_put(struct smsc *, const struct sms_message *, int64_t now_us);	/* false: full */

/* What the shell has to do now; each is said once. CLOSE: what smsc_out() has is written first, as far as it goes. */
enum smsc_want { SMSC_NOTHING, SMSC_CONNECT, SMSC_CLOSE };
enum smsc_want smsc_want(struct smsc *);
void smsc_up(struct smsc *, int64_t now_us);			/* the connection that was wanted is there */
void smsc_lost(struct smsc *, const char *why, int64_t now_us);	/* … or not, or not any more (not after CLOSE) */
void smsc_heard(struct smsc *, const void *octets, size_t len, int64_t now_us);
/* Octets to be written; the shell takes what it can. They hold the password while it binds. */
const uint8_t *smsc_out(const struct smsc *, size_t *len);
void smsc_written(struct smsc *, size_t len);			/* cleansed */
/* What is due. Returns when it wants the time again; INT64_MAX: never. */
int64_t smsc_tick(struct smsc *, int64_t now_us);
void smsc_stop(struct smsc *, int64_t now_us);			/* unbinds; then SMSC_OVER */
enum smsc_state smsc_state(const struct smsc *);
size_t smsc_waiting(const struct smsc *);			/* messages that nobody was told of yet */
#endif
