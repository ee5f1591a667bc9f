/*
 * tests/fuzz/fuzz_ecmg_channel.c: an SCS gone mad: its byte stream, cut into messages. First byte: bit 0 strict, bit 1 the plugin
 * answers later. Whatever the channel sends must be well-formed, and what it counts must come out even.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/ecmg_channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ecmg_engine e;
static uint64_t handles[64];
static size_t nhandles;
static bool later;

static void
door_send(void *self, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;

	(void)self;
	if (sim_decode_as(&ecmg_scs, SIM_STRICT, msg, len, &m, NULL) < 0)
		abort();
}

static int
door_channel(void *self, uint32_t super_cas_id, struct ecmg_says *says, char *why, size_t cap)
{
	(void)self;
	(void)why;
	(void)cap;
	*says = (struct ecmg_says){ .lead_CW = 1, .CW_per_msg = 2, .access_criteria_transfer_mode = super_cas_id >> 1 & 1,
	    .section_TSpkt_flag = 2 * (super_cas_id & 1), .max_streams = 4 };
	return super_cas_id == 0 ? -ECMG_E_SUPER_CAS_ID : 0;
}

static int
door_stream(void *self, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	(void)self;
	(void)super_cas_id;
	(void)why;
	(void)cap;
	return ecm_id == 0xffff ? -ECMG_E_ECM_ID : 0;
}

static int
door_ecm(void *self, const struct ecmg_request *q, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	unsigned sum = 0;

	(void)self;
	(void)cap;
	(void)why;
	(void)why_cap;
	for (size_t k = 0; k < q->ncws; k++)
		for (size_t i = 0; i < q->cws[k].cw_len; i++)
			sum += q->cws[k].cw[i];
	for (size_t i = 0; i < q->access_criteria_len; i++)
		sum += q->access_criteria[i];
	memcpy(out, "\x80\x70\x01\x00", 4);
	out[3] = (uint8_t)sum;
	if (!later || nhandles == 64)
		return sum % 7 == 0 ? -ECMG_E_COMPUTATION : 4;
	handles[nhandles++] = q->handle;
	return ECMG_LATER;
}

static void
door_close(void *self)
{
	(void)self;
}

static void
door_note(void *self, const struct ecmg_note *n)
{
	(void)self;
	(void)n;
}

static int64_t
door_clock(void *self)
{
	(void)self;
	return 0;
}

static const struct ecmg_door door = { door_send, door_channel, door_stream, door_ecm, door_close, door_note, door_clock };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ecmg_channel c;
	int64_t now = 0;
	size_t n, answered = 0;

	if (size < 1)
		return 0;
	e.door = &door;
	e.strict = data[0] & 1;
	e.silence_ms = 1000;
	later = data[0] & 2;
	nhandles = 0;
	ecmg_channel_init(&c, &e, NULL, 1, now);
	for (size_t at = 1; (n = sim_frame_length(data + at, size - at)) > 0 && n <= size - at; at += n) {
		ecmg_channel_feed(&c, data + at, n, now += 100000);
		ecmg_channel_time(&c, now);
		if (at % 3 == 0 && answered < nhandles)
			ecmg_channel_answer(&c, handles[answered++], 4, (const uint8_t *)"\x80\x70\x01\x00", NULL);
	}
	while (answered < nhandles)
		ecmg_channel_answer(&c, handles[answered++], -ECMG_E_COMPUTATION, NULL, "late");
	if (!later && c.pending)
		abort();
	ecmg_channel_fini(&c);
	if (e.channels || e.streams || c.pending)
		abort();
	return 0;
}
