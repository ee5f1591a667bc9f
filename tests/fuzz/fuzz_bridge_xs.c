/*
 * tests/fuzz/fuzz_bridge_xs.c: any document that is a message goes to the engines behind XML: a tag 5 has one answer within seconds, whether there is an
 * ECMG or not; of a tag 11 or 15 all is kept or nothing, and what is kept is sent as it came.
 */
#include <stdlib.h>
#include <string.h>
#include "bridge/xs_ecmg.h"
#include "bridge/xs_mux.h"
#include "lib/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define S INT64_C(1000000)

static int answers, stored, sent;

static void
on_answer(void *self, void *call, const struct xs_answer *a)
{
	(void)self;
	(void)call;
	if ((a->status == 0) != (a->reason == NULL))
		abort();
	answers++;
}

static int
on_make(void *self, const char *unit, uint16_t cp, struct scs_key *key, struct gw_err *err)
{
	static const uint8_t material[30];

	(void)self;
	(void)unit;
	(void)err;
	*key = (struct scs_key){ .material = material, .len = sizeof(material), .id = { (uint8_t)(cp >> 8), (uint8_t)cp }, .id_len = 2 };
	return 0;
}

static void
on_asked(void *self, void *call, uint16_t max_comp_time_ms)
{
	(void)self;
	(void)call;
	(void)max_comp_time_ms;
}

static void
on_wake(void *self)
{
	(void)self;
}

static const struct xs_stream_ops stream_ops = { .answer = on_answer, .make = on_make, .asked = on_asked, .wake = on_wake };

/* A KMS that nobody can dial: its streams are told that they are up all the same. */
static void *
dial(void *self, struct scs_line *line, size_t ecmg)
{
	(void)self;
	(void)line;
	(void)ecmg;
	return NULL;
}
static void hang_up(void *conn) { (void)conn; }
static void send_nothing(void *conn, const void *msg, size_t len) { (void)conn; (void)msg; (void)len; }
static void drop(void *conn, const char *why, bool at_once) { (void)conn; (void)why; (void)at_once; }
static int take_id(void *self, int fixed) { (void)self; (void)fixed; return 1; }
static void free_id(void *self, uint16_t id) { (void)self; (void)id; }
static void stopped(void *self) { (void)self; }

static void
ask(const struct sp4_msg *m, bool up, bool mode_a, uint8_t lead_CW)
{
	struct scs_kms_conf c = { .necmg = 1, .chan = { .kms = "k", .super_cas_id = 0x00010001, .version = 5 } };
	struct xs_stream_conf s = { .unit = "news", .ecm_id = 1, .super_cas_id = 0x00010001, .protection = up ? HE_IPSEC : HE_SRTP, .authenticated = true,
		.nominal_100ms = 100, .mode_a = mode_a };
	struct scs_terms terms = { .lead_CW = lead_CW, .CW_per_msg = (uint8_t)(lead_CW + 1), .ECM_rep_period = 500 };
	struct scs_kms_ops ops = xs_kms_ops;
	struct scs_kms *kms;
	struct xs_stream *t;

	ops.dial = dial, ops.hang_up = hang_up, ops.send = send_nothing, ops.drop = drop, ops.take_id = take_id, ops.free_id = free_id, ops.stopped = stopped;
	kms = scs_kms_new(&c, &ops, NULL);
	t = kms ? xs_stream_new(kms, &s, &stream_ops, NULL, 0) : NULL;
	if (!t)
		abort();
	if (up)
		ops.stream_up(t, &terms);
	answers = 0;
	xs_stream_ask(t, m, NULL, 0);
	if (up && answers == 0) {	/* with an ECMG, if there were one */
		int64_t cp = m->n_stkm ? m->stkm.cp : 0;
		struct scs_key key;

		for (int64_t i = cp; i <= cp + lead_CW; i++)
			if (!ops.key(t, i, &key) || key.len == 0)
				abort();
		ops.ecm(t, cp, (const uint8_t *)"ECM", 3, &terms);
	}
	for (int64_t now = 0; now < 3 * S; now += S / 2)
		xs_stream_tick(t, now);
	if (answers != 1)
		abort();
	xs_stream_free(t, 3 * S);
	scs_kms_free(kms);
}

static const struct sp4_msg *delivered;

static bool
on_store(void *self, const struct gw_object *const *v, size_t n)
{
	(void)self;
	(void)v;
	stored += (int)n;
	return true;
}

static void
on_forget(void *self, int64_t now_s)
{
	(void)self;
	(void)now_s;
}

static int
on_send(void *self, const uint8_t *p, size_t len)
{
	(void)self;
	for (size_t i = 0; i < delivered->n_data; i++)
		if (delivered->data[i].len == len && memcmp(delivered->data[i].p, p, len) == 0)
			return sent++, 0;
	abort();
}

static void
on_want(void *self, uint32_t bps)
{
	(void)self;
	if (bps == 0 || bps > 64000)
		abort();
}

static const struct xs_carousel_ops carousel_ops = { .store = on_store, .forget = on_forget, .send = on_send, .want = on_want };

static void
deliver(const struct sp4_msg *m)
{
	const struct xs_carousel_conf conf = { .name = "news", .data_id = 2, .repetition_ms = 10000, .bandwidth_bps = 64000 };
	const int64_t utc = 1795257000 * S;
	struct xs_carousel *c = xs_carousel_new(&conf, &carousel_ops, NULL);
	struct xs_carousel_view v;
	const char *why = NULL;

	if (!c)
		abort();
	delivered = m;
	stored = sent = 0;
	xs_carousel_rate(c, 64000, 0);
	if ((xs_carousel_deliver(c, m, 0, utc, &why) == 0) != (why == NULL))
		abort();
	xs_carousel_view(c, &v);
	if (why ? v.objects || stored : v.objects > (size_t)stored || (size_t)stored != m->n_data)
		abort();
	for (int64_t at = 0; at < 20 * S; at += S)
		xs_carousel_tick(c, at, utc + at);
	xs_carousel_free(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sp4_fault f;
	struct sp4_msg m;
	int rc = sp4_decode(NULL, data, size, &m, &f);

	gw_log_init("fuzz", GW_ERR);
	if (rc == 0 && m.tag == 5) {
		ask(&m, false, false, 0);
		ask(&m, true, false, 0);
		ask(&m, true, true, 1);
	} else if (rc == 0 && (m.tag == 11 || m.tag == 15)) {
		deliver(&m);
	}
	sp4_fini(&m);
	return 0;
}
