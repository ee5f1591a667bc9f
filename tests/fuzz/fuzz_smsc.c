/*
 * tests/fuzz/fuzz_smsc.c: what an SMSC may say to a link that is bound and has messages to hand over: runs of a length octet, so many octets, and the
 * time that passes. Nothing but that: no message is told of twice, and what it says itself is always whole PDUs.
 */
#include <stdlib.h>
#include <string.h>
#include "bsm/smpp.h"
#include "lib/log.h"
#include "proto/smpp.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum { MESSAGES = 12 };
static unsigned told[MESSAGES];

static void
must(int right)
{
	if (!right)
		abort();
}

static void
on_done(void *self, int64_t id, bool sent)
{
	(void)self, (void)sent;
	must(id >= 0 && id < MESSAGES && told[id]++ == 0);
}

static void
drain(struct smsc *s)
{
	size_t len;
	const uint8_t *p = smsc_out(s, &len);
	struct smpp pdu;
	int n;

	while (len) {
		n = smpp_frame(p, len);
		must(n > 0 && smpp_decode(p, (size_t)n, &pdu, NULL) == 0);
		smsc_written(s, (size_t)n);
		p = smsc_out(s, &len);
	}
}

static void
turn(struct smsc *s, int64_t now)
{
	smsc_tick(s, now);
	switch (smsc_want(s)) {
	case SMSC_CONNECT:
		smsc_up(s, now);
		break;
	case SMSC_CLOSE:
	case SMSC_NOTHING:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t bound[17] = { 0, 0, 0, 17, 0x80, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0 };
	struct sms_counts counts = { 0 };
	const struct smsc_conf c = { .system_id = "bsm", .password = "secret", .source = "4000", .done = on_done, .counts = &counts, .data_sm = size & 1 };
	struct smsc *s = smsc_new(&c, NULL);
	int64_t now = 1000;

	must(s != NULL);
	gw_log_init("fuzz", GW_ERR);
	memset(told, 0, sizeof(told));
	turn(s, now);
	smsc_heard(s, bound, sizeof(bound), now);
	for (int i = 0; i < MESSAGES; i++) {
		struct sms_message m = { .id = i, .msisdn = "4916", .len = i & 1 ? 165 : 100 };
		must(smsc_put(s, &m, now));
	}
	for (size_t at = 0; at + 1 < size;) {
		size_t n = data[at] < size - at - 2 ? data[at] : size - at - 2;
		now += (int64_t)data[at + 1] * data[at + 1] * 10000;
		turn(s, now);
		if (!(data[at + 1] & 1))	/* else it does not read what we say */
			drain(s);
		if (data[at + 1] == 254)
			smsc_lost(s, "lost", now);
		smsc_heard(s, data + at + 2, n, now);
		at += 2 + n;
	}
	smsc_stop(s, now);
	turn(s, now + SMSC_UNBIND_US);
	must(smsc_state(s) == SMSC_OVER || smsc_state(s) == SMSC_WAITING);
	smsc_free(s);
	return 0;
}
