/* tests/unit/test_captures.c: sessions of other people's equipment: read, and played against our engines with the peer's half */
#include "ecmg/channel.h"
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "proto/ifaces.h"
#include "scs/chan.h"
#include "tests/unit/capture.h"
#include "tests/unit/sim_vectors.h"

#define ECMG_PCAP "captures/third-party-ecmg-scs.pcap"
static const struct { const char *pcap, *text; size_t flows; } files[] = {
	{ ECMG_PCAP, "captures/ecmg-scs.txt", 7 },
	{ "captures/third-party-emmg-mux-tcp.pcap", "captures/emmg-mux-tcp.txt", 5 },
	{ "captures/third-party-emmg-mux-udp.pcap", "captures/emmg-mux-udp.txt", 8 },
};
enum { NFILES = sizeof(files) / sizeof(files[0]), LINE = 200 };

static uint16_t
type_of(const struct cap_message *g)
{
	return (uint16_t)(g->p[1] << 8 | g->p[2]);
}

/* "flow 0, TCP to 22220, version 2: channel_setup ...", cut where it becomes tedious. */
static size_t
line(const struct capture *c, const struct cap_message *g, char *out, size_t cap)
{
	const struct cap_flow *f = &c->flow[g->flow];
	char text[LINE];
	size_t whole = sim_print(&m, text, sizeof(text));

	return (size_t)snprintf(out, cap, "flow %zu, %s %s %u, version %u: %s%s\n", g->flow, g->udp ? "UDP" : "TCP",
	    g->from_server ? "from" : "to", f->server, m.version, text, whole >= sizeof(text) ? "..." : "");
}

/* The equipment says data_id in version 1, too, which has none: written as version 2, the message is the same. */
static void
same_bytes_as_version_2(const struct cap_message *g)
{
	uint8_t copy[4096];

	ck_assert_uint_eq(m.version, 1);
	ck_assert_uint_le(g->len, sizeof(copy));
	memcpy(copy, g->p, g->len);
	copy[0] = 2;
	ck_assert_int_eq(sim_decode_as(&emmg_mux, SIM_STRICT, copy, g->len, &m, NULL), 0);
	same_bytes("capture", copy, g->len);
}

START_TEST(every_message_decodes_prints_and_encodes)	/* _i: file */
{
	static char text[65536];
	const struct capture *c = capture_read(files[_i].pcap);
	size_t at = 0;

	ck_assert_uint_eq(c->nflows, files[_i].flows);
	for (size_t k = 0; k < c->nmessages; k++) {
		const struct cap_message *g = &c->message[k];
		const struct sim_iface *iface = sim_iface_of(type_of(g));
		struct sim_fault why;

		ck_assert_ptr_nonnull(iface);
		ck_assert_msg(sim_decode(iface, g->p, g->len, &m, &why) == 0, "message %zu: %s", k, sim_verdict_text(why.verdict));
		at += line(c, g, text + at, sizeof(text) - at);
		if (m.ignored)
			same_bytes_as_version_2(g);
		else
			same_bytes("capture", g->p, g->len);
		if (g->udp) {	/* what the mux's port has of it: neither channel nor stream */
			ck_assert_int_eq(sim_decode(&emmg_mux_udp, g->p, g->len, &m, NULL), 0);
			ck_assert_uint_eq(m.ignored, 2);
			ck_assert_int_eq(sim_int(&m, EMMG_DATA_ID, -1), 5);
		}
	}
	text[at] = '\0';
	vec_golden(files[_i].text, text);
}
END_TEST

/* ---- playing a half ---- */

static const struct capture *played;
static size_t flow, at_ours;		/* the session, and how far the side that our engine takes has come in it */
static struct sim_msg theirs;		/* what the equipment said at this place */

/*
 * What our engine sends has to say all that the equipment in its place said: the same message, version and values. Those of `may`
 * (ending in 0) are the sender's choice.
 */
static void
said_as_captured(const struct sim_iface *iface, bool server, const uint8_t *p, size_t len, const uint16_t *may)
{
	const struct cap_message *g;

	ck_assert_int_eq(sim_decode_as(iface, SIM_STRICT, p, len, &m, NULL), 0);
	do
		g = capture_next(played, flow, &at_ours);
	while (g && g->from_server != server);
	ck_assert_msg(g != NULL, "the equipment says nothing more, we say %s", m.def->name);
	ck_assert_int_eq(sim_decode(iface, g->p, g->len, &theirs, NULL), 0);
	ck_assert_str_eq(m.def->name, theirs.def->name);
	ck_assert_uint_eq(m.version, theirs.version);
	for (size_t k = 0, n; k < theirs.n; k++) {
		const struct sim_value *v = &theirs.v[k], *w = NULL;
		bool same = false, free = false;

		for (n = 0; may[n]; n++)
			free |= may[n] == v->type;
		for (n = 0; !same && (w = sim_value(&m, v->type, n)) != NULL; n++)
			same = w->len == v->len && memcmp(w->p, v->p, v->len) == 0;
		ck_assert_msg(same || free, "%s: %s differs", m.def->name, sim_param_find(iface, v->type)->name);
	}
}

static bool
half_is_over(bool server)
{
	const struct cap_message *g;

	while ((g = capture_next(played, flow, &at_ours)) != NULL)
		if (g->from_server == server)
			return false;
	return true;
}

static void
begin(const char *pcap, size_t which)
{
	played = capture_read(pcap);
	flow = which;
	at_ours = 0;
}

/* ---- our ECMG, with the half of an SCS; its KMS announces and answers what the captured one did ---- */

static struct ecmg_engine engine;
static struct ecmg_channel channel;
static bool closed;
static const uint16_t nothing[] = { 0 };

static void
ecmg_send(void *self, const uint8_t *p, size_t len)
{
	(void)self;
	said_as_captured(&ecmg_scs, true, p, len, nothing);
}

/* The captured ECMG's next message of a type, in `theirs`; its CP_number as given, or any. */
static bool
find_theirs(uint16_t type, int cp)
{
	const struct cap_message *g;
	size_t at = 0;

	while ((g = capture_next(played, flow, &at)) != NULL)
		if (type_of(g) == type && sim_decode(&ecmg_scs, g->p, g->len, &theirs, NULL) == 0 &&
		    (cp < 0 || sim_int(&theirs, ECMG_CP_NUMBER, -1) == cp))
			return true;
	return false;
}

static int
kms_channel(void *self, uint32_t super_cas_id, struct kms_channel *says, char *why, size_t cap)
{
	(void)self, (void)why, (void)cap;
	ck_assert_uint_eq(super_cas_id, 0x4adc0001);
	ck_assert(find_theirs(ECMG_CHANNEL_STATUS, -1));
	*says = (struct kms_channel){
		.section_TSpkt_flag = (uint8_t)sim_int(&theirs, ECMG_SECTION_TSPKT, 0),
		.lead_CW = (uint8_t)sim_int(&theirs, ECMG_LEAD_CW, 0), .CW_per_msg = (uint8_t)sim_int(&theirs, ECMG_CW_PER_MSG, 0),
		.delay_start = (int16_t)sim_int(&theirs, ECMG_DELAY_START, 0), .delay_stop = (int16_t)sim_int(&theirs, ECMG_DELAY_STOP, 0),
		.has_transition = 1, .transition_delay_start = (int16_t)sim_int(&theirs, ECMG_TRANS_START, 0),
		.transition_delay_stop = (int16_t)sim_int(&theirs, ECMG_TRANS_STOP, 0),
		.has_AC = 1, .AC_delay_start = (int16_t)sim_int(&theirs, ECMG_AC_DELAY_START, 0),
		.AC_delay_stop = (int16_t)sim_int(&theirs, ECMG_AC_DELAY_STOP, 0),
		.ECM_rep_period = (uint16_t)sim_int(&theirs, ECMG_REP_PERIOD, 0), .max_streams = (uint16_t)sim_int(&theirs, ECMG_MAX_STREAMS, 0),
		.min_CP_duration = (uint16_t)sim_int(&theirs, ECMG_MIN_CP_DURATION, 0),
		.max_comp_time = (uint16_t)sim_int(&theirs, ECMG_MAX_COMP_TIME, 0),
	};
	return 0;
}

static int
kms_stream(void *self, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	(void)self, (void)super_cas_id, (void)why, (void)cap;
	ck_assert_uint_eq(ecm_id, 1);
	return 0;
}

static int
kms_ecm(void *self, const struct kms_request *q, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	const struct sim_value *v;

	(void)self, (void)why, (void)why_cap;
	ck_assert_msg(find_theirs(ECMG_ECM_RESPONSE, q->cp_number), "CP %u is asked for, which the equipment refused", q->cp_number);
	v = sim_value(&theirs, ECMG_ECM_DATAGRAM, 0);
	ck_assert_uint_le(v->len, cap);
	memcpy(out, v->p, v->len);
	return v->len;
}

static void
ecmg_close(void *self)
{
	(void)self;
	closed = true;
}

static void
ecmg_note(void *self, const struct ecmg_note *n)
{
	(void)self, (void)n;
}

static int64_t
ecmg_clock(void *self)
{
	(void)self;
	return 0;
}

START_TEST(our_ecmg_serves_their_scs)	/* _i: session */
{
	static const struct ecmg_door door = { ecmg_send, kms_channel, kms_stream, kms_ecm, ecmg_close, ecmg_note, ecmg_clock };
	const struct cap_message *g;
	unsigned channels = 0, streams = 0;
	size_t at = 0;

	begin(ECMG_PCAP, (size_t)_i);
	memset(&engine, 0, sizeof(engine));
	engine.door = &door;
	ecmg_channel_init(&channel, &engine, &channel, 0, 0);
	closed = false;
	while ((g = capture_next(played, flow, &at)) != NULL) {
		if (g->from_server)
			continue;
		ecmg_channel_feed(&channel, g->p, g->len, 0);
		channels += type_of(g) == ECMG_CHANNEL_SETUP;
		channels -= type_of(g) == ECMG_CHANNEL_CLOSE;
		streams += type_of(g) == ECMG_STREAM_SETUP;
		streams -= type_of(g) == ECMG_STREAM_CLOSE_REQUEST;
		ck_assert_uint_eq(engine.channels, channels);
		ck_assert_uint_eq(engine.streams, streams);
		ck_assert(!closed);	/* the connection is its opener's to close */
	}
	ck_assert(half_is_over(true));
	ck_assert_uint_eq(streams, 0);
	ck_assert_int_eq(channel.state.state, channels ? ECMG_OPEN : ECMG_NO_CHANNEL);	/* one SCS leaves without channel_close */
	ecmg_channel_fini(&channel);
	ck_assert_uint_eq(engine.channels, 0);
}
END_TEST

/* ---- our SCS, with the half of an ECMG; its CWs are those of the captured SCS ---- */

static struct { unsigned up, down, ecm, refused, drop; } did;

static void
scs_send(void *self, const void *p, size_t len)
{
	static const uint16_t may[] = { ECMG_CP_DURATION, ECMG_ACCESS_CRITERIA, 0 };	/* if it is not the nominal one; if they changed */

	(void)self;
	said_as_captured(&ecmg_scs, false, p, len, may);
}

static void
scs_drop(void *self, const char *why)
{
	(void)self;
	ck_assert_msg(why == NULL, "%s", why);
	did.drop++;
}

static void
scs_up(void *self, size_t stream, const struct scs_terms *terms)
{
	(void)self, (void)stream;
	ck_assert(find_theirs(ECMG_CHANNEL_STATUS, -1));
	ck_assert_int_eq(terms->delay_start, sim_int(&theirs, ECMG_DELAY_START, -1));
	ck_assert_int_eq(terms->CW_per_msg, sim_int(&theirs, ECMG_CW_PER_MSG, -1));
	did.up++;
}

static void
scs_down(void *self, size_t stream)
{
	(void)self, (void)stream;
	did.down++;
}

static void
scs_ecm(void *self, size_t stream, int64_t cp, const uint8_t *p, size_t len)
{
	const struct sim_value *v;

	(void)self, (void)stream;
	ck_assert(find_theirs(ECMG_ECM_RESPONSE, (int)cp));
	v = sim_value(&theirs, ECMG_ECM_DATAGRAM, 0);
	ck_assert_uint_eq(len, v->len);
	ck_assert_mem_eq(p, v->p, len);
	did.ecm++;
}

static void
scs_refused(void *self, size_t stream, int64_t cp)
{
	(void)self, (void)stream, (void)cp;
	did.refused++;
}

/* The CW that the captured SCS has for a CP; where it sent two and its ECMG wanted three, the third is made up. */
static bool
scs_key(void *self, size_t stream, int64_t cp, struct scs_key *k)
{
	static const uint8_t made_up[8];
	const struct cap_message *g;
	size_t at = 0;

	(void)self, (void)stream;
	while (cp >= 0 && (g = capture_next(played, flow, &at)) != NULL) {
		const struct sim_value *v;

		if (type_of(g) != ECMG_CW_PROVISION || sim_decode(&ecmg_scs, g->p, g->len, &theirs, NULL) < 0)
			continue;
		for (size_t n = 0; (v = sim_value(&theirs, ECMG_CP_CW, n)) != NULL; n++)
			if ((v->p[0] << 8 | v->p[1]) == (int)(cp & 0xffff)) {
				*k = (struct scs_key){ .material = v->p + 2, .len = v->len - 2u };
				return true;
			}
	}
	*k = (struct scs_key){ .material = made_up, .len = sizeof(made_up) };
	return cp >= 0;
}

static uint16_t
scs_nominal(void *self, size_t stream, const struct scs_terms *terms)
{
	(void)self, (void)stream, (void)terms;
	ck_assert(find_theirs(ECMG_STREAM_SETUP, -1));
	return (uint16_t)sim_int(&theirs, ECMG_NOMINAL_CP_DURATION, 0);
}

/* What makes our SCS say what the captured one says now; stream_setup it says by itself. */
static void
scs_do(struct scs_chan *c, const struct cap_message *g, int64_t now)
{
	switch (type_of(g)) {
	case ECMG_CHANNEL_SETUP:
		scs_chan_connected(c, "peer", now);
		break;
	case ECMG_CW_PROVISION:
		ck_assert_int_eq(sim_decode(&ecmg_scs, g->p, g->len, &theirs, NULL), 0);
		scs_chan_provision(c, 0, sim_int(&theirs, ECMG_CP_NUMBER, -1), sim_int(&theirs, ECMG_CP_DURATION, 0) * 100000, now);
		break;
	case ECMG_STREAM_CLOSE_REQUEST:
		scs_chan_remove(c, 0, now);
		break;
	case ECMG_CHANNEL_CLOSE:
		scs_chan_stop(c, now);
		break;
	default:
		break;
	}
}

START_TEST(our_scs_is_served_by_their_ecmg)	/* _i: session */
{
	static const struct scs_chan_ops ops = { scs_send, scs_drop, scs_up, scs_down, scs_ecm, scs_refused, scs_key, scs_nominal };
	static const struct scs_chan_stream stream = { .unit = "a", .ecm_id = 1, .protection = 255 };
	struct scs_chan_conf conf = { .kms = "k", .super_cas_id = 0x4adc0001, .channel_id = 1 };
	const struct cap_message *g;
	struct scs_chan_view view;
	struct scs_chan *c;
	unsigned ecms = 0, errors = 0, closes = 0;
	int64_t now = 1000000;
	size_t at = 0;

	gw_log_init("test", GW_ERR);
	begin(ECMG_PCAP, (size_t)_i);
	memset(&did, 0, sizeof(did));
	conf.version = capture_next(played, flow, &at)->p[0];
	at = 0;
	c = scs_chan_new(&conf, &ops, NULL);
	ck_assert_int_eq(scs_chan_add(c, &stream, now), 0);
	while ((g = capture_next(played, flow, &at)) != NULL) {
		now += 10000;
		if (!g->from_server) {
			scs_do(c, g, now);
			ck_assert_uint_eq(at_ours, at);	/* said, and compared */
			closes += type_of(g) == ECMG_CHANNEL_CLOSE;
			continue;
		}
		scs_chan_frame(c, g->p, g->len, now);
		ecms += type_of(g) == ECMG_ECM_RESPONSE;
		errors += type_of(g) == ECMG_STREAM_ERROR;
		scs_chan_view(c, &view);
		ck_assert_uint_eq(view.streams_up, type_of(g) >= ECMG_STREAM_SETUP && type_of(g) != ECMG_STREAM_CLOSE_RESPONSE);
	}
	ck_assert(half_is_over(false));
	ck_assert_uint_eq(did.up, 1);
	ck_assert_uint_eq(did.ecm, ecms);
	ck_assert_uint_eq(did.refused, errors);
	ck_assert_uint_gt(ecms + errors, 0);
	ck_assert_uint_eq(did.drop, closes);
	scs_chan_lost(c, now);
	scs_chan_view(c, &view);
	ck_assert_str_eq(view.state, "CLOSED");
	ck_assert_uint_eq(view.counts.ignored, 0);
	scs_chan_free(c);
}
END_TEST

SUITE("captures", tcase_add_loop_test(t, every_message_decodes_prints_and_encodes, 0, NFILES);
    tcase_add_loop_test(t, our_ecmg_serves_their_scs, 0, 7); tcase_add_loop_test(t, our_scs_is_served_by_their_ecmg, 0, 7))
