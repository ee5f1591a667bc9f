/* bsm/sms.c: see sms.h; a message becomes a push, and a sink takes that */
#include "bsm/sms_int.h"
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"

struct bsm_sms {
	const struct sms_sink *sink;
	void *at;
	struct sms_counts counts;
	uint8_t tid, ref;
	bool closing, full;		/* full: somebody waits for room */
	void (*done)(void *self, int64_t id, bool sent);
	void (*room)(void *self);
	void *self;
};

struct bsm_sms *
bsm_sms_open(uv_loop_t *loop, const struct sms_conf *c, struct gw_err *err)
{
	struct bsm_sms *s = calloc(1, sizeof(*s));

	if (!s) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	s->sink = c->dir ? &sms_files : &sms_smpp;
	s->done = c->done;
	s->room = c->room;
	s->self = c->self;
	/* Not from 0 after each start: phones may still wait for parts of what was sent before. */
	gw_random(&s->ref, sizeof(s->ref));
	s->tid = s->ref;
	s->at = s->sink->open(loop, s, c, err);
	if (!s->at) {
		free(s);
		return NULL;
	}
	return s;
}

int
bsm_sms_send(struct bsm_sms *s, int64_t id, const char *msisdn, const void *mikey, size_t len)
{
	struct sms_message m = { .id = id, .ref = s->ref };
	size_t digits = strlen(msisdn);

	if (s->closing || digits >= sizeof(m.msisdn))
		return -1;
	memcpy(m.msisdn, msisdn, digits + 1);
	m.len = wsp_push_encode(s->tid, mikey, len, m.pdu, sizeof(m.pdu));
	if (m.len == 0 || !s->sink->put(s->at, &m)) {
		s->full = true;
		return -1;
	}
	s->tid++;
	s->ref++;
	return 0;
}

struct sms_counts *sms_counts_of(struct bsm_sms *s) { return &s->counts; }

void
sms_done(struct bsm_sms *s, int64_t id, bool sent)
{
	++*(sent ? &s->counts.messages : &s->counts.refused);
	if (!s->closing)
		s->done(s->self, id, sent);
}

void
sms_room(struct bsm_sms *s)
{
	if (!s->full || s->closing)
		return;
	s->full = false;
	if (s->room)
		s->room(s->self);
}

void
bsm_sms_close(struct bsm_sms *s)
{
	if (!s || s->closing)
		return;
	s->closing = true;
	s->sink->close(s->at);
}

void sms_closed(struct bsm_sms *s) { free(s); }
const struct sms_counts *bsm_sms_counts(const struct bsm_sms *s) { return &s->counts; }
size_t bsm_sms_waiting(const struct bsm_sms *s) { return s->sink->waiting(s->at); }
const char *bsm_sms_state(const struct bsm_sms *s) { return s->sink->state(s->at); }
