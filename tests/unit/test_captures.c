/* tests/unit/test_captures.c: sessions of other people's equipment: read, and played against our engines with the peer's half */
#include "lib/ecmg_channel.h"
#include "lib/emmg_chan.h"
#include "lib/mux_intake.h"
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "proto/ifaces.h"
#include "lib/scs_chan.h"
#include "tests/unit/capture.h"
#include "tests/unit/sim_vectors.h"

#define ECMG_PCAP "captures/third-party-ecmg-scs.pcap"
#define TCP_PCAP "captures/third-party-emmg-mux-tcp.pcap"
#define UDP_PCAP "captures/third-party-emmg-mux-udp.pcap"
static const struct { const char *pcap, *text; size_t flows; } files[] = {
	{ ECMG_PCAP, "captures/ecmg-scs.txt", 7 },
	{ TCP_PCAP, "captures/emmg-mux-tcp.txt", 5 },
	{ UDP_PCAP, "captures/emmg-mux-udp.txt", 8 },
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

/* The equipment says data_id in version 1, too; we would not write it: as version 2, the message is the same. */
static void
same_bytes_as_version_2(const struct cap_message *g)
{
	uint8_t copy[4096];

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
		ck_assert_uint_eq(m.ignored, 0);
		if (iface == &emmg_mux && m.version == 1 && sim_value(&m, EMMG_DATA_ID, 0))
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

	/* what the equipment has in version 1 the standard has not, and what is like it is for the lenient */
	ck_assert_int_eq(sim_decode_as(iface, p[0] == 1 ? SIM_LENIENT : SIM_STRICT, p, len, &m, NULL), 0);
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
kms_channel(void *self, uint32_t super_cas_id, struct ecmg_says *says, char *why, size_t cap)
{
	(void)self, (void)why, (void)cap;
	ck_assert_uint_eq(super_cas_id, 0x4adc0001);
	ck_assert(find_theirs(ECMG_CHANNEL_STATUS, -1));
	*says = (struct ecmg_says){
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
kms_ecm(void *self, const struct ecmg_request *q, uint8_t *out, size_t cap, char *why, size_t why_cap)
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
	(void)self;
	said_as_captured(&ecmg_scs, false, p, len, nothing);
}

static void
client_drop(void *self, const char *why)
{
	(void)self;
	ck_assert_msg(why == NULL, "%s", why);
	did.drop++;
}

static void
scs_drop(void *self, const char *why, bool at_once)
{
	(void)at_once;
	client_drop(self, why);
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

static uint16_t
scs_another_id(void *self, uint16_t taken)
{
	(void)self;
	return taken;
}

static void
scs_opened(void *self, const struct scs_terms *terms)
{
	(void)self, (void)terms;
}

static void
scs_setup_failed(void *self, size_t stream, bool full)
{
	(void)self;
	ck_abort_msg("stream %zu could not be set up%s", stream, full ? ": full" : "");
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
scs_refused(void *self, size_t stream, int64_t cp, bool timed_out)
{
	(void)self, (void)stream, (void)cp;
	ck_assert(!timed_out);
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

/* Those that the captured SCS sends for a CP. */
static size_t
scs_criteria(void *self, size_t stream, int64_t cp, const uint8_t **p)
{
	const struct sim_value *v;

	(void)self, (void)stream;
	if (cp < 0 || !find_theirs(ECMG_CW_PROVISION, (int)(cp & 0xffff)) || !(v = sim_value(&theirs, ECMG_ACCESS_CRITERIA, 0)))
		return 0;
	*p = v->p;
	return v->len;
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
	static const struct scs_chan_ops ops = { .send = scs_send, .drop = scs_drop, .another_id = scs_another_id, .opened = scs_opened,
		.stream_up = scs_up, .stream_down = scs_down, .setup_failed = scs_setup_failed, .ecm = scs_ecm, .refused = scs_refused,
		.key = scs_key, .nominal = scs_nominal, .criteria = scs_criteria };
	static const struct scs_chan_stream stream = { .unit = "a", .ecm_id = 1, .protection = 255 };
	struct scs_chan_conf conf = { .kms = "k", .super_cas_id = 0x4adc0001, .channel_id = 1,
		.manners = { .CP_duration_always = true, .criteria_always = true, .stream_ids = HE_FROM_1 } };	/* the captured SCS's */
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
	ck_assert_uint_eq(did.down, 0);
	ck_assert_uint_gt(ecms + errors, 0);
	ck_assert_uint_eq(did.drop, closes);
	scs_chan_lost(c, now);
	scs_chan_view(c, &view);
	ck_assert_str_eq(view.state, "CLOSED");
	ck_assert_uint_eq(view.counts.ignored, 0);
	scs_chan_free(c);
}
END_TEST

/* ---- our MUX, with the half of an EMMG ---- */

static const struct { const char *pcap; size_t flow; } data_sessions[] = {
	{ TCP_PCAP, 0 }, { TCP_PCAP, 1 }, { TCP_PCAP, 2 }, { TCP_PCAP, 3 }, { TCP_PCAP, 4 },
	{ UDP_PCAP, 0 }, { UDP_PCAP, 2 }, { UDP_PCAP, 4 }, { UDP_PCAP, 6 },
};
enum { NDATA_SESSIONS = sizeof(data_sessions) / sizeof(data_sessions[0]), SECOND = 1000000 };
static const uint16_t of_version_1[] = { EMMG_DATA_ID, 0 };	/* the equipment has it there, too */
static struct mux_intake intake;
static struct mux_channel mux_channel;
static const struct cap_message *feeding;	/* whose datagrams are to come on air */
static size_t aired;				/* of it */
static unsigned tolerated;			/* what our mux named */

static void
mux_send(void *self, const uint8_t *p, size_t len)
{
	(void)self;
	said_as_captured(&emmg_mux, true, p, len, nothing);
}

static void
mux_close(void *self)
{
	(void)self;
	closed = true;
}

static void
mux_note(void *self, const struct mux_note *n)
{
	(void)self;
	ck_assert_msg(n->level > GW_WARNING, "%s: %s", n->event, n->why ? n->why : "");
	tolerated += strcmp(n->event, "tolerated") == 0;
}

static void *
mux_open(void *owner, const struct mux_route *route, uint8_t section_TSpkt_flag, struct gw_err *err)
{
	(void)owner, (void)err;
	ck_assert_uint_eq(route->data_id, 5);
	ck_assert_uint_le(section_TSpkt_flag, 1);
	return &aired;
}

static void
mux_shut(void *owner, void *out)
{
	(void)owner, (void)out;
}

static void
mux_air(void *owner, void *out, const uint8_t *datagram, size_t len)
{
	const struct sim_value *v;

	(void)owner, (void)out;
	ck_assert_int_eq(sim_decode(&emmg_mux, feeding->p, feeding->len, &theirs, NULL), 0);
	v = sim_value(&theirs, EMMG_DATAGRAM, aired++);
	ck_assert_msg(v != NULL, "more on air than came");
	ck_assert_uint_eq(len, v->len);
	ck_assert_mem_eq(datagram, v->p, len);
}

/* One message of the equipment's EMMG; a second later all that it brought is on air. */
static void
mux_feed(const struct cap_message *g, int64_t *now)
{
	feeding = g;
	aired = 0;
	if (g->udp)
		mux_intake_udp(&intake, g->p, g->len, *now);
	else
		mux_channel_feed(&mux_channel, g->p, g->len, *now);
	*now += SECOND;
	mux_intake_run(&intake, *now);
	ck_assert_int_eq(sim_decode(&emmg_mux, g->p, g->len, &theirs, NULL), 0);
	ck_assert_uint_eq(aired, sim_count(&theirs, EMMG_DATAGRAM));
}

START_TEST(our_mux_serves_their_emmg)	/* _i: session */
{
	static const struct mux_door door = { mux_send, mux_close, mux_note, mux_open, mux_shut, mux_air, NULL };
	const struct cap_message *g;
	struct mux_map map = { 0 };
	unsigned channels = 0, streams = 0, data = 0, quirks = 0;
	int64_t now = SECOND;
	size_t at = 0;

	begin(data_sessions[_i].pcap, data_sessions[_i].flow);
	ck_assert_int_eq(mux_map_add(&map, "0x4adc0001/5=udp://239.255.0.1:5", NULL), 0);
	memset(&intake, 0, sizeof(intake));
	intake.door = &door;
	intake.map = &map;
	intake.total_bps = 10000000;
	intake.limits = (struct he_mux){ .max_channels = 1, .max_channels_per_client = 1, .max_streams = 1, .max_streams_per_channel = 1,
		.max_datagrams = 1000, .max_message = SIM_MAX };
	mux_intake_init(&intake);
	mux_channel_init(&mux_channel, &intake, &mux_channel, now);
	closed = false;
	tolerated = 0;
	while ((g = capture_next(played, flow, &at)) != NULL) {
		if (g->from_server)
			continue;
		mux_feed(g, &now);
		channels += type_of(g) == EMMG_CHANNEL_SETUP;
		channels -= type_of(g) == EMMG_CHANNEL_CLOSE;
		streams += type_of(g) == EMMG_STREAM_SETUP;
		streams -= type_of(g) == EMMG_STREAM_CLOSE_REQUEST;
		data += type_of(g) == EMMG_DATA_PROVISION;
		quirks |= (g->p[0] == 1 ? 1u : 0) | (g->udp ? 2u : 0);
		ck_assert_uint_eq(intake.nchannels, channels);
		ck_assert_uint_eq(intake.nstreams, streams);
		ck_assert(!closed);
	}
	ck_assert(half_is_over(true));
	ck_assert_uint_eq(channels + streams, 0);
	ck_assert_uint_ge(data, 12);
	ck_assert_uint_eq(tolerated, (quirks & 1) + (quirks >> 1));	/* data_id in version 1; identifiers by UDP: each once */
	mux_channel_fini(&mux_channel);
	mux_intake_fini(&intake);
	mux_map_free(&map);
}
END_TEST

/* ---- our EMMG, with the half of a MUX ---- */

static uint32_t granted;

static int
emmg_send(void *self, const void *p, size_t len)
{
	(void)self;
	said_as_captured(&emmg_mux, false, p, len, of_version_1);
	return 0;
}

static int
emmg_send_udp(void *self, const void *p, size_t len)
{
	(void)self;
	said_as_captured(&emmg_mux_udp, false, p, len, nothing);
	return 0;
}

static void
emmg_rate(void *self, size_t stream, uint32_t bps)
{
	(void)self;
	ck_assert_uint_eq(stream, 0);
	granted = bps;
}

/* What makes our EMMG say what the captured one says now; stream_setup and stream_BW_request it says by itself. */
static void
emmg_do(struct emmg_chan *c, const struct cap_message *g, int64_t now)
{
	static struct sim_msg whole;	/* `theirs` is read anew while our message is compared */
	struct emmg_datagram d[64];
	size_t n;

	ck_assert_int_eq(sim_decode(&emmg_mux, g->p, g->len, &whole, NULL), 0);
	switch (type_of(g)) {
	case EMMG_CHANNEL_SETUP:
		emmg_chan_connected(c, "peer", now);
		break;
	case EMMG_DATA_PROVISION:
		n = sim_count(&whole, EMMG_DATAGRAM);
		ck_assert(n > 0 && n <= 64);
		for (size_t k = 0; k < n; k++)
			d[k] = (struct emmg_datagram){ sim_value(&whole, EMMG_DATAGRAM, k)->p, sim_value(&whole, EMMG_DATAGRAM, k)->len };
		/* by UDP as the standard has it: not in version 1, where the equipment does it all the same */
		ck_assert_int_eq(emmg_chan_data(c, 0, d, n, g->udp && emmg_chan_udp(c), now), 0);
		break;
	case EMMG_STREAM_CLOSE_REQUEST:
		emmg_chan_remove(c, 0, now);
		emmg_chan_tick(c, now + SECOND);	/* what UDP still carries has its time */
		break;
	case EMMG_CHANNEL_CLOSE:
		emmg_chan_stop(c, now);
		break;
	default:
		break;
	}
}

START_TEST(our_emmg_is_served_by_their_mux)	/* _i: session */
{
	static const struct emmg_chan_ops ops = { emmg_send, emmg_send_udp, client_drop, emmg_rate };
	struct emmg_stream_conf stream = { .data_id = 5, .bandwidth_bps = 100000 };
	struct emmg_chan_conf conf = { .name = "e", .client_id = 0x4adc0001, .channel_id = 1, .udp = true };
	const struct cap_message *g;
	struct emmg_chan *c;
	int64_t now = SECOND;
	size_t at = 0;

	gw_log_init("test", GW_ERR);
	begin(data_sessions[_i].pcap, data_sessions[_i].flow);
	memset(&did, 0, sizeof(did));
	g = capture_next(played, flow, &at);
	ck_assert_int_eq(sim_decode(&emmg_mux, g->p, g->len, &theirs, NULL), 0);
	conf.version = theirs.version;
	conf.format = (uint8_t)sim_int(&theirs, EMMG_SECTION_TSPKT, 0);
	if (conf.version == 1)	/* ours has data_id as data_stream_id there, and the equipment has 1 */
		stream.data_id = 1;
	at = 0;
	c = emmg_chan_new(&conf, &ops, NULL);
	ck_assert_int_eq(emmg_chan_add(c, &stream, now), 0);
	while ((g = capture_next(played, flow, &at)) != NULL) {
		now += SECOND / 10;
		if (g->from_server) {
			emmg_chan_frame(c, g->p, g->len, now);
			continue;
		}
		emmg_do(c, g, now);
		ck_assert_uint_eq(at_ours, at);	/* said, and compared */
		if (type_of(g) == EMMG_DATA_PROVISION)
			ck_assert_uint_eq(granted, 100000);
	}
	ck_assert(half_is_over(false));
	ck_assert(emmg_chan_idle(c));
	ck_assert_uint_eq(did.drop, 1);	/* in order */
	emmg_chan_lost(c, now);
	ck_assert_str_eq(emmg_chan_state(c), "IDLE");
	ck_assert_uint_eq(emmg_chan_counts(c)->nerrors + emmg_chan_counts(c)->refused + emmg_chan_counts(c)->ignored, 0);
	emmg_chan_free(c);
}
END_TEST

SUITE("captures", tcase_add_loop_test(t, every_message_decodes_prints_and_encodes, 0, NFILES);
    tcase_add_loop_test(t, our_ecmg_serves_their_scs, 0, 7); tcase_add_loop_test(t, our_scs_is_served_by_their_ecmg, 0, 7);
    tcase_add_loop_test(t, our_mux_serves_their_emmg, 0, NDATA_SESSIONS); tcase_add_loop_test(t, our_emmg_is_served_by_their_mux, 0, NDATA_SESSIONS))
