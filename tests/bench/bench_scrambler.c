/*
 * tests/bench/bench_scrambler.c: the scrambler's data plane end to end: UDP in, protected packets out, on one core.
 *
 * Method. A rig is what one worker of simulgate-scrambler has: inputs, batch, outputs, and turns as scrambler/worker.c does them (its lock
 * and clocks, too), without the thread. Packets of 1328 octets (12 of RTP, 7 of TS) go over the loopback interface in three phases: 256 are
 * put into the rig's sockets, turns are taken until nothing is left, the sink is emptied and counted. Only the turns are timed, by
 * the CPU time of the one thread, which has one core. Each 256 packets lie in a crypto-period of their own, a simulated second after the ones
 * before: the switch is part of the turn, what makes the key ready is not, since another thread does that.
 *
 * The ceilings are among the lines (tests/bench/loopback.h: bare recvmmsg, one burst of cryptography whose jobs were filled in before, bare
 * sendmmsg); rounds.h has what a result is. Where no
 * forwarder is bare enough the ceiling is the sum of its terms, each measured in the round. The sink takes datagrams one by one: with GSO
 * the kernel parts the large ones within our time, as it does for the bare loop. Every packet must arrive.
 *
 * srtp_1000_of_10000: 10,000 units, each with a group of its own to receive from and an address of its own to send to; 1,000 of them have a
 * packet each in turn, so that no two of a batch are of one stream. As many keys change as would in that time at RATE.
 * key_change_1000: the CPU time in which 1,000 units switch at the same moment; a packet of each is then opened by a receiver that has the
 * new key only. two_threads: batches of 500 units in memory, looked up by their group; by each thread's own CPU time.
 *
 * Remaining distance (Xeon with AVX-512, a busy machine; ratios held, rates did not): 5 % with SRTP and ESP, which is the row's own work on
 * headers, indices and keys and the noting of jobs (bench_transform, bench_crypto), and the turn's clocks, lock and two calls of epoll_wait; 8 %
 * with GSO, where the same nanoseconds stand beside a third of the kernel's time, and messages are 48 and 16 packets, not 32. A group
 * instead of a unicast address costs 5 %, for the kernel says with each datagram which group it was. 1,000 of 10,000 streams reach 0.87 of one
 * (0.79 before; ten runs on a busy machine: 0.81 to 0.91). The greater part of what is missing is the kernel's: bare_1000, a bare loop with as many
 * groups and addresses that looks nothing up and has one key, reaches 0.91 of the one with one group. That is its look-up of the route for each
 * datagram, its misses in the table of sockets (the receiver's, too, who shares the core), and the address that is copied. What of ours the
 * caches do not hold is asked for ahead, in a line or two for each thing (stream, sender, destination, key). Tried, and no better: to spread
 * these requests over the work on the packets; a socket for each destination, 0.64 with a call for each packet, and by io_uring, 64 sends in a
 * call, 0.96 of the shared socket's time for a send, which is not worth 10,000 sockets.
 * In memory the streams' state alone is 0.9 (bench_transform, srtp_64_1000_units).
 *
 * --only srtp_group,srtp_1000_of_10000 (or other lines of rigs) leaves the other rigs out: for a profiler, or in a hurry.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/rawip.h"
#include "lib/secret.h"
#include "scrambler/input.h"
#include "scrambler/output.h"
#include "tests/bench/ceiling.h"
#include "tests/bench/loopback.h"
#include "tests/bench/rounds.h"

enum { PACKET = 1328, FILL = 256, FILLS = 4, SECOND = 1000000, SECRET_KIB = 65536, GROUP_PORT = 21000, AU_PACKETS = 8,
	STREAMS = 10000, ACTIVE = 1000, ESP_AT = 0x7f010001, RATE = 500000 /* packets a second, by the simulated clock */ };

static void
need(bool ok, const char *what, const struct gw_err *err)
{
	if (ok)
		return;
	fprintf(stderr, "bench_scrambler: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
	exit(1);
}

static void
be(uint8_t *p, uint32_t v, int octets)
{
	while (octets-- > 0) {
		p[octets] = (uint8_t)v;
		v >>= 8;
	}
}

/* ---- what is sent ---- */

static void
rtp(uint8_t *p, uint8_t payload_type, bool marker, uint32_t count, uint32_t unit, uint32_t ssrc)
{
	p[0] = 0x80;
	p[1] = (uint8_t)(payload_type | (marker ? 0x80 : 0));
	be(p + 2, count, 2);
	be(p + 4, unit * 3003, 4);
	be(p + 8, ssrc, 4);
}

static void
make_ts(uint8_t *p, uint32_t count, uint32_t ssrc)
{
	rtp(p, 33, false, count, count, ssrc);
	for (uint32_t i = 0; i < 7; i++) {
		uint8_t *ts = p + 12 + 188 * i;
		be(ts, 0x47010010 | ((count * 7 + i) & 15), 4);
	}
}

/* RFC 3640: one access unit a packet. */
static void
make_aac(uint8_t *p, uint32_t count, uint32_t ssrc)
{
	rtp(p, 99, true, count, count, ssrc);
	be(p + 12, 16, 2);			/* bits of the one header: size, index */
	be(p + 14, (PACKET - 16) << 3, 2);
}

/* RFC 6184: an access unit of one NAL unit, in AU_PACKETS fragments (FU-A). */
static void
make_h264(uint8_t *p, uint32_t count, uint32_t ssrc)
{
	uint32_t part = count % AU_PACKETS;

	rtp(p, 98, part == AU_PACKETS - 1, count, count / AU_PACKETS, ssrc);
	p[12] = 0x7c;
	p[13] = (uint8_t)(5 | (part == 0 ? 0x80 : part == AU_PACKETS - 1 ? 0x40 : 0));
}

/* What is protected, and how. */
static const struct kind {
	int protection;
	uint8_t id_len;
	bool authenticated;
	enum gw_media_type type;
	uint8_t payload_type;
	void (*make)(uint8_t *p, uint32_t count, uint32_t ssrc);
} kinds[] = {
	{ 1, 2, true, GW_MEDIA_TS, 33, make_ts },
	{ 0, 4, true, GW_MEDIA_TS, 33, make_ts },
	{ 2, 1, false, GW_MEDIA_AAC, 97, make_aac },
	{ 2, 1, false, GW_MEDIA_H264, 96, make_h264 },
	{ 7, 1, false, GW_MEDIA_TS, 33, make_ts },
};
enum { SRTP, ESP, AAC, H264, CISSA };

/* ---- a worker without its thread ---- */

struct stream {
	struct gw_tx_conf conf;
	struct scr_line line;
	struct scr_flow flow;
	struct scr_tap tap;
	uint32_t count;
	uint64_t cp;
	struct gw_rx *rx;
	struct sockaddr_in at;
};
struct rig {
	const struct kind *kind;
	bool judged;			/* its streams have receivers */
	unsigned n, active;
	pthread_mutex_t lock;
	struct scr_inputs *in;
	struct scr_outs *outs;
	struct scr_batch *batch;
	struct stream *streams;
	int feeder, sink;
	uint32_t turn, key_turn;	/* whose packet, whose key is next */
	uint64_t arrived;
	int64_t ahead_us;		/* of the real clock */
};

static void
on_send(void *self, const struct scr_packet *pk, size_t n)
{
	scr_outs_send(((struct rig *)self)->outs, pk, n);
}

static const struct scr_batch_ops ops = { .send = on_send };

static bool
take_turn(struct rig *r)
{
	bool some;

	pthread_mutex_lock(&r->lock);
	scr_batch_begin(r->batch, r->ahead_us + gw_utc_us(), r->ahead_us + gw_mono_us());
	some = scr_inputs_turn(r->in, r->batch);
	pthread_mutex_unlock(&r->lock);
	return some;
}

/* The stream has another key from start_us on; those that are over are freed. What the main thread does. */
static void
commit(struct rig *r, struct stream *s, int64_t start_us)
{
	uint8_t tek[16] = { 0 }, salt[14] = { 0 }, tak[20] = { 0 };
	struct gw_material m = { .id_len = r->kind->id_len, .tek = tek, .salt = salt, .tak = r->kind->authenticated ? tak : NULL,
		.authenticated = r->kind->authenticated };
	uint64_t cp = ++s->cp;
	struct scr_record record = { .mode = SCR_SCRAMBLED, .cp = cp, .start_us = start_us, .duration_ms = 1000, .authenticated =
		m.authenticated, .protection = (uint8_t)r->kind->protection, .key_id = m.id, .key_id_len = m.id_len, .key = tek, .key_len = sizeof(tek) };
	struct gw_err err = { 0 };
	const char *why = "";
	struct scr_key key;

	memcpy(tek, &cp, sizeof(cp));
	memcpy(tek + sizeof(cp), &s, sizeof(s));
	be(m.id, (uint32_t)(r->kind->protection == 7 ? cp & 1 : 65536 + cp), r->kind->id_len);
	while (scr_keys_gone(&s->line.keys, &key)) {
		s->line.row->key_free(key.ready);
		scr_key_free(&key);
	}
	need(scr_keys_take(&s->line.keys, &record, &why) == 0, why, NULL);
	struct gw_xkey *ready = s->line.row->key_new(s->line.tx, &m, &err);
	need(ready != NULL, "key_new", &err);
	scr_keys_coming(&s->line.keys, cp)->ready = ready;
	scr_line_plan(&s->line, r->ahead_us + gw_utc_us(), r->ahead_us + gw_mono_us());
	if (!r->judged)
		return;
	s->line.row->rx_free(s->rx);	/* one that has this key alone */
	s->rx = s->line.row->rx_new(&(struct gw_rx_conf){ .authenticated = m.authenticated, .type = r->kind->type }, &err);
	need(s->rx && s->line.row->rx_key(s->rx, &m, &err) == 0, "rx", &err);
}

/* n streams, one after the other, get a key that is in force a simulated second later, which is now. */
static void
change_keys(struct rig *r, unsigned n)
{
	int64_t start = r->ahead_us + gw_utc_us() + SECOND;

	for (unsigned i = 0; i < n; i++)
		commit(r, &r->streams[r->key_turn++ % r->n], start);
	r->ahead_us += SECOND;
}

static void
address(struct gw_addr *a, const char *text, struct gw_err *err)
{
	need(gw_addr_parse(text, GW_UDP, a, err) == 0 && gw_addr_resolve(a, err) == 0, text, err);
}

static void
stream_open(struct rig *r, unsigned i, uint16_t group_port, uint16_t sink_port)
{
	struct gw_tx_medium_conf mc = { .type = r->kind->type, .payload_type = r->kind->payload_type, .mtu = 1472 };
	const struct gw_transform *row = gw_transform_of(r->kind->protection);
	struct scr_form form = { row->name, (uint8_t)r->kind->protection, 16, row->id_min, row->id_max };
	struct stream *s = &r->streams[i];
	struct gw_addr in = { 0 }, out = { 0 };
	char text[GW_ADDR_TEXT] = "udp://127.0.0.1:0";
	struct gw_err err = { 0 };
	struct gw_tx *tx;

	s->conf = (struct gw_tx_conf){ .engine = GW_ENGINE_BATCH, .authenticated = r->kind->authenticated, .sources = 4 };
	s->conf.marks = calloc(1, row->marks_len(&s->conf) + 8);
	need(s->conf.marks && (tx = row->tx_new(&s->conf, &err)), row->name, &err);
	scr_line_init(&s->line, "bench", row, tx, &form);
	need(scr_batch_join(r->batch, &s->line) == 0, "no memory", NULL);
	if (group_port)
		snprintf(text, sizeof(text), "udp://239.192.%u.%u:%u?interface=lo", i / 250, 1 + i % 250, group_port);
	address(&in, text, &err);
	snprintf(text, sizeof(text), "udp://127.1.%u.%u:%u", i / 250, 1 + i % 250, sink_port);	/* the first one's is ESP_AT, too */
	address(&out, text, &err);
	mc.to = out.ss;
	need(gw_rawip_source(&out, NULL, &mc.from, &err) == 0, "source", &err);
	s->flow = (struct scr_flow){ .line = &s->line, .medium = row->medium_new(tx, &mc, &err) };
	need(s->flow.medium != NULL, row->name, &err);
	s->flow.out = s->flow.clear = r->kind->protection == 0 ? scr_out_open_raw(r->outs, &out, NULL, &err) : scr_out_open(r->outs, &out, &err);
	need(s->flow.out != NULL, "out", &err);
	need(scr_tap_open(r->in, &s->tap, &in, &err) == 0 && scr_tap_attach(&s->tap, &s->flow, &err) == 0, "in", &err);
	memcpy(&s->at, &in.ss, sizeof(s->at));
	s->at.sin_port = htons(scr_tap_port(&s->tap));
}

static void
stream_close(struct stream *s)
{
	const struct gw_transform *row = s->line.row;
	struct scr_key key;

	scr_tap_detach(&s->tap);
	scr_tap_close(&s->tap);
	scr_out_close(s->flow.out);
	scr_batch_leave(&s->line);
	row->use(s->line.tx, NULL);
	scr_keys_forget(&s->line.keys);
	while (scr_keys_gone(&s->line.keys, &key)) {
		row->key_free(key.ready);
		scr_key_free(&key);
	}
	scr_keys_fini(&s->line.keys);
	row->medium_free(s->flow.medium);
	row->tx_free(s->line.tx);
	row->rx_free(s->rx);
	free(s->conf.marks);
}

/* n streams, of which some are active; group: by multicast, as many to a socket as it takes. NULL: ESP, and no raw socket is allowed. */
static struct rig *
rig_open(const struct kind *kind, bool gso, unsigned n, unsigned active, bool group)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct gw_err err = { 0 };
	uint16_t group_port = group ? GROUP_PORT : 0, sink_port = 5004;
	int sink = kind->protection == 0 ? lo_esp_sink(ESP_AT) : lo_sink(&sink_port);

	if (sink < 0)
		return free(r), NULL;
	need(r && (r->streams = calloc(n, sizeof(*r->streams))), "no memory", NULL);
	r->kind = kind;
	r->n = n;
	r->active = active;
	pthread_mutex_init(&r->lock, NULL);
	need((r->in = scr_inputs_new(true, &err)) != NULL, "inputs", &err);
	need((r->outs = scr_outs_new(gso)) != NULL, "outputs", NULL);
	need((r->batch = scr_batch_new(GW_BURST_AUTO, &ops, r, &err)) != NULL, "batch", &err);
	r->feeder = lo_feeder();
	r->sink = sink;
	for (unsigned i = 0; i < n; i++)
		stream_open(r, i, group_port, sink_port);
	change_keys(r, n);
	take_turn(r);
	return r;
}

static void
rig_close(struct rig *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->n; i++)
		stream_close(&r->streams[i]);
	scr_batch_free(r->batch);
	scr_inputs_free(r->in);
	scr_outs_free(r->outs);
	close(r->feeder);
	close(r->sink);
	free(r->streams);
	free(r);
}

/* ---- phases ---- */

static struct lo_packet packets[FILL];

/* The next n packets, a stream after another, into the rig's sockets. */
static void
fill(struct rig *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++, r->turn++) {
		unsigned k = r->turn % r->active * (r->n / r->active);
		struct stream *s = &r->streams[k];
		packets[i].len = PACKET;
		packets[i].to = s->at;
		r->kind->make(packets[i].p, s->count++, k + 1);
	}
	lo_fill(r->feeder, packets, n);
}

static uint64_t
sent(const struct rig *r)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r->n; i++)
		sum += r->streams[i].flow.sent;
	return sum;
}

static double
forward(struct rig *r)
{
	int warm = r->active > 1 ? (int)r->active / FILL + 1 : 0;	/* what the other lines have put out of the caches comes back */
	double begin, ns = 0;

	for (int k = -warm; k < FILLS; k++) {
		change_keys(r, 1 + (unsigned)((uint64_t)r->n * FILL / RATE));
		fill(r, FILL);
		begin = bench_cpu_ns();
		while (take_turn(r))
			;
		ns += k < 0 ? 0 : bench_cpu_ns() - begin;
		r->arrived += lo_drain(r->sink, NULL, NULL);
	}
	need(r->arrived == sent(r) && r->arrived > 0, "packets were lost", NULL);
	return ns / (FILLS * FILL);
}

/* ---- lines ---- */

enum { RIG_SRTP, RIG_SRTP_GSO, RIG_ESP, RIG_AAC, RIG_H264, RIG_CISSA, RIG_GROUP, RIG_MANY, RIGS };
static const struct { const char *name; int kind; bool gso; unsigned n, active; bool group; } rig_rows[RIGS] = {
	[RIG_SRTP] = { "srtp", SRTP, false, 1, 1, false },
	[RIG_SRTP_GSO] = { "srtp_gso", SRTP, true, 1, 1, false },
	[RIG_ESP] = { "esp", ESP, false, 1, 1, false },
	[RIG_AAC] = { "ismacryp_aac", AAC, false, 1, 1, false },
	[RIG_H264] = { "ismacryp_h264", H264, false, 1, 1, false },
	[RIG_CISSA] = { "cissa", CISSA, false, 1, 1, false },
	[RIG_GROUP] = { "srtp_group", SRTP, false, 1, 1, true },
	[RIG_MANY] = { "srtp_1000_of_10000", SRTP, false, STREAMS, ACTIVE, true },
};
enum { BARE_SRTP, BARE_SRTP_GSO, BARE_ESP, BARE_CTR, BARE_CISSA, BARE_GROUP, BARE_MANY, BARES };
static const struct { enum lo_out out; enum ceiling_shape shape; } bare_rows[BARES] = {
	[BARE_SRTP] = { LO_UDP, CEILING_SRTP },
	[BARE_SRTP_GSO] = { LO_GSO, CEILING_SRTP },
	[BARE_ESP] = { LO_RAW, CEILING_ESP },
	[BARE_CTR] = { LO_UDP, CEILING_CTR },
	[BARE_CISSA] = { LO_UDP, CEILING_TS },
	[BARE_GROUP] = { LO_GROUPS, CEILING_SRTP },
	[BARE_MANY] = { LO_MANY, CEILING_SRTP },
};
static struct rig *rigs[RIGS];
static struct lo_bare bares[BARES]; static bool bare_here[BARES];
static struct ceiling *ceiling;
static int bare_feeder;

/* One line of results: a rig, a bare loop or some of its parts, or the sum of three lines. ratio: to the line of that name. */
enum by { BARE, TERM, SUM, FORWARD };	/* TERM: nanoseconds, not a rate */
static const struct line { struct round_line row; enum by by; int of_what, parts; const char *sum[3]; } lines[] = {
	{ { "srtp_ceiling", NULL, false }, BARE, BARE_SRTP, LO_ALL, { NULL } },
	{ { "srtp", "srtp_ceiling", false }, FORWARD, RIG_SRTP, 0, { NULL } },
	{ { "srtp_gso_ceiling", NULL, false }, BARE, BARE_SRTP_GSO, LO_ALL, { NULL } },
	{ { "srtp_gso", "srtp_gso_ceiling", false }, FORWARD, RIG_SRTP_GSO, 0, { NULL } },
	{ { "t_in", NULL, true }, TERM, BARE_SRTP, LO_IN, { NULL } },
	{ { "t_out", NULL, true }, TERM, BARE_SRTP, LO_OUT, { NULL } },
	{ { "t_raw", NULL, true }, TERM, BARE_ESP, LO_OUT, { NULL } },
	{ { "t_esp", NULL, true }, TERM, BARE_ESP, LO_CRYPT, { NULL } },
	{ { "t_ctr", NULL, true }, TERM, BARE_CTR, LO_CRYPT, { NULL } },
	{ { "t_cissa", NULL, true }, TERM, BARE_CISSA, LO_CRYPT, { NULL } },
	{ { "esp_ceiling", NULL, false }, SUM, 0, 0, { "t_in", "t_esp", "t_raw" } },
	{ { "esp", "esp_ceiling", false }, FORWARD, RIG_ESP, 0, { NULL } },
	{ { "ismacryp_ceiling", NULL, false }, SUM, 0, 0, { "t_in", "t_ctr", "t_out" } },
	{ { "ismacryp_aac", "ismacryp_ceiling", false }, FORWARD, RIG_AAC, 0, { NULL } },
	{ { "ismacryp_h264", "ismacryp_ceiling", false }, FORWARD, RIG_H264, 0, { NULL } },
	{ { "cissa_ceiling", NULL, false }, SUM, 0, 0, { "t_in", "t_cissa", "t_out" } },
	{ { "cissa", "cissa_ceiling", false }, FORWARD, RIG_CISSA, 0, { NULL } },
	{ { "srtp_group", "srtp", false }, FORWARD, RIG_GROUP, 0, { NULL } },
	{ { "bare_group", NULL, false }, BARE, BARE_GROUP, LO_ALL, { NULL } },
	{ { "bare_1000", "bare_group", false }, BARE, BARE_MANY, LO_ALL, { NULL } },
	{ { "srtp_1000_of_10000", "srtp_group", false }, FORWARD, RIG_MANY, 0, { NULL } },
};
enum { LINES = sizeof(lines) / sizeof(lines[0]) };
static double measure(void *, size_t);
static struct rounds results = { "scrambler_", lines, LINES, sizeof(lines[0]), measure, NULL, NULL, 0 };

static double
bare(struct lo_bare *b, int parts)
{
	double ns = 0;

	for (int k = 0; k < FILLS; k++) {
		for (unsigned i = 0; i < FILL; i++) {
			packets[i].len = PACKET;
			packets[i].to = lo_bare_feed(b);
		}
		if (parts & LO_IN)
			lo_fill(bare_feeder, packets, FILL);
		ns += lo_bare_run(b, ceiling, parts, FILL);
		if (parts & LO_OUT)
			need(lo_drain(b->sink, NULL, NULL) == FILL, "packets of the bare loop were lost", NULL);
	}
	return ns / (FILLS * FILL);
}

/* 0: not on this machine. */
static double
sum(const struct line *l)
{
	double ns = 0;

	for (int i = 0; i < 3; i++) {
		double term = rounds_now(&results, l->sum[i]);
		if (term <= 0)
			return 0;
		ns += term;
	}
	return ns;
}

static double
measure(void *self, size_t i)
{
	const struct line *l = &lines[i];

	(void)self;
	switch (l->by) {
	case FORWARD: return rigs[l->of_what] ? forward(rigs[l->of_what]) : 0;
	case SUM: return sum(l);
	default: return bare_here[l->of_what] ? bare(&bares[l->of_what], l->parts) * (bares[l->of_what].shape == CEILING_TS ? 7 : 1) : 0;
	}
}

/* How full the batches were. */
static void
histogram(const char *name, const struct rig *r)
{
	const struct scr_batch_counts *c = scr_batch_counts(r->batch);

	printf("scrambler_%s_a_batch %.1f packets\n", name, (double)c->packets / (double)c->batches);
	for (unsigned i = 0; i < SCR_SIZES; i++)
		if (c->sizes[i])
			printf("scrambler_%s_batches_%u %.1f %%\n", name, 1u << i, 100 * (double)c->sizes[i] / (double)c->batches);
}

/* Is it in a list with commas, or is there none? */
static bool
wanted(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
		if (strncmp(at, name, len) == 0 && (at[len] == '\0' || at[len] == ','))
			return true;
	return !list;
}

static void
forwarding(double seconds, const char *only)
{
	for (int i = 0; i < RIGS; i++)
		if (wanted(only, rig_rows[i].name))
			rigs[i] = rig_open(&kinds[rig_rows[i].kind], rig_rows[i].gso, rig_rows[i].n, rig_rows[i].active, rig_rows[i].group);
	for (int i = 0; i < BARES; i++)
		bare_here[i] = lo_bare_open(&bares[i], bare_rows[i].out, bare_rows[i].shape) == 0;
	bare_feeder = lo_feeder();
	rounds_run(&results, seconds);
	for (int i = 0; i < RIGS; i++)
		if (rigs[i] && (only || i == RIG_SRTP || i == RIG_MANY))
			histogram(rig_rows[i].name, rigs[i]);
	for (int i = 0; i < RIGS; i++)
		rig_close(rigs[i]);
}

/* ---- all keys at once ---- */

enum { CHANGES = 5 };
struct judged { struct rig *rig; unsigned n; };

/* A packet from the air: of which stream, under the key in force, and as it went in. */
static void
judge(void *self, uint8_t *p, size_t len)
{
	struct judged *j = self;
	uint32_t ssrc = (uint32_t)p[8] << 24 | (uint32_t)p[9] << 16 | (uint32_t)p[10] << 8 | p[11];
	struct stream *s = &j->rig->streams[ssrc - 1];
	struct gw_pk pk = { p, len };
	struct gw_rx_got got;
	uint8_t id[2], want[PACKET];

	need(ssrc >= 1 && ssrc <= j->rig->n, "a packet of no stream", NULL);
	need(s->line.row->unprotect(s->rx, &pk, &got, NULL) == GW_XF_OK, "a packet does not open", NULL);
	be(id, (uint32_t)(65536 + s->cp), 2);
	need(got.id_len == 2 && memcmp(got.id, id, 2) == 0, "a packet is under another key than that in force", NULL);
	memset(want, 0, sizeof(want));
	j->rig->kind->make(want, s->count - 1, ssrc);
	need(pk.len == PACKET && memcmp(pk.p, want, PACKET) == 0, "a packet is not what it was", NULL);
	j->n++;
}

/* A packet of each stream, there and back. */
static void
all_right(struct rig *r)
{
	struct judged j = { r, 0 };

	for (unsigned at = 0; at < r->n; at += FILL) {
		fill(r, r->n - at < FILL ? r->n - at : FILL);
		while (take_turn(r))
			;
		lo_drain(r->sink, judge, &j);
	}
	need(j.n == r->n, "packets were lost at the change of keys", NULL);
}

/* 1000 units change their keys at the same moment: what that takes of the packets' thread, and that no packet suffers. */
static void
all_keys(void)
{
	struct rig *r = rig_open(&kinds[SRTP], false, ACTIVE, ACTIVE, true);
	double us[CHANGES], begin;

	r->judged = true;
	for (int k = 0; k < CHANGES; k++) {
		change_keys(r, r->n);
		begin = bench_cpu_ns();
		take_turn(r);			/* there are no packets: the switches alone */
		us[k] = (bench_cpu_ns() - begin) / 1000;
		all_right(r);
	}
	printf("scrambler_key_change_1000 %.0f us\n", bench_median(us, CHANGES));
	rig_close(r);
}

/* ---- two threads ---- */

enum { UNITS = 500, THREAD_PACKETS = 64 * 2000, PAIRS = 7 };

/* A worker without sockets: packets appear in its slots, are looked up by their group, protected, and forgotten. */
struct mill {
	struct rig rig;
	struct scr_batch *batch;
	struct stream *streams;
	uint32_t seed, mask;
	uint16_t *table;		/* by group: the stream, + 1 */
	int cpu;
	uint64_t packets;
	double ns;			/* of CPU */
};

static void
forget(void *self, const struct scr_packet *pk, size_t n)
{
	(void)pk;
	((struct mill *)self)->packets += n;
}

static const struct scr_batch_ops mill_ops = { .send = forget };

static uint32_t
hash(uint32_t group)
{
	return group * 2654435761u >> 8;
}

static struct mill *
mill_open(int cpu)
{
	const struct gw_transform *row = gw_transform_of(1);
	struct scr_form form = { row->name, 1, 16, row->id_min, row->id_max };
	struct gw_tx_medium_conf mc = { .type = GW_MEDIA_TS, .payload_type = 33, .mtu = 1472 };
	struct mill *m = calloc(1, sizeof(*m));
	struct gw_err err = { 0 };
	struct gw_tx *tx;

	need(m && (m->streams = calloc(UNITS, sizeof(*m->streams))) && (m->table = calloc(2048, sizeof(*m->table))), "no memory", NULL);
	m->rig.kind = &kinds[SRTP];
	m->cpu = cpu;
	m->mask = 2047;
	m->seed = 1 + (uint32_t)cpu;
	need((m->batch = scr_batch_new(GW_BURST_AUTO, &mill_ops, m, &err)) != NULL, "batch", &err);
	for (uint32_t i = 0; i < UNITS; i++) {
		struct stream *s = &m->streams[i];
		uint32_t at = hash(i) & m->mask;
		s->conf = (struct gw_tx_conf){ .engine = GW_ENGINE_BATCH, .authenticated = true, .sources = 4 };
		need((s->conf.marks = calloc(1, row->marks_len(&s->conf) + 8)) && (tx = row->tx_new(&s->conf, &err)), row->name, &err);
		scr_line_init(&s->line, "mill", row, tx, &form);
		need(scr_batch_join(m->batch, &s->line) == 0, "no memory", NULL);
		s->flow = (struct scr_flow){ .line = &s->line, .medium = row->medium_new(tx, &mc, &err) };
		need(s->flow.medium != NULL, row->name, &err);
		while (m->table[at])
			at = (at + 1) & m->mask;
		m->table[at] = (uint16_t)(i + 1);
		commit(&m->rig, s, gw_utc_us());
	}
	return m;
}

static void
mill_close(struct mill *m)
{
	for (unsigned i = 0; i < UNITS; i++)
		stream_close(&m->streams[i]);
	scr_batch_free(m->batch);
	free(m->streams);
	free(m->table);
	free(m);
}

static void *
grind(void *self)
{
	struct mill *m = self;
	cpu_set_t set;
	double begin;

	CPU_ZERO(&set);
	CPU_SET((size_t)m->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	begin = bench_cpu_ns();
	for (unsigned k = 0; k < THREAD_PACKETS; k += SCR_BATCH) {
		scr_batch_begin(m->batch, gw_utc_us(), gw_mono_us());
		for (unsigned i = 0; i < SCR_BATCH; i++) {
			struct gw_pk pk = scr_batch_slot(m->batch, i);
			uint32_t group = (m->seed = m->seed * 1664525 + 1013904223) % UNITS, at = hash(group) & m->mask;
			while (m->table[at] != group + 1)
				at = (at + 1) & m->mask;
			struct stream *s = &m->streams[m->table[at] - 1];
			rtp(pk.p, 33, false, s->count, s->count, group + 1);
			s->count++;
			pk.len = PACKET;
			scr_batch_take(m->batch, &s->flow, &pk);
		}
		scr_batch_flush(m->batch);
	}
	m->ns = bench_cpu_ns() - begin;
	return NULL;
}

/* Jiffies in which CPUs had nothing to do, of all there were. */
static double
idle(void)
{
	double v[8] = { 0 }, all = 0;
	FILE *f = fopen("/proc/stat", "re");

	if (f && fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) == 8)
		for (int i = 0; i < 8; i++)
			all += v[i];
	if (f)
		fclose(f);
	static double idle0, all0;
	double share = all > all0 ? (v[3] - idle0) / (all - all0) : 1;
	idle0 = v[3];
	all0 = all;
	return share * (double)sysconf(_SC_NPROCESSORS_ONLN);
}

/*
 * One worker, then two of them at once on two cores, by turns. A thread's rate is by its own CPU time: what others take of the
 * core does not count, what the two take from each other (locks, cache lines) does.
 */
static void
two_threads(void)
{
	double one[PAIRS], ratio[PAIRS];
	struct mill *m[2];
	pthread_t t[2];

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("# scrambler_two_threads: this machine has one core\n");
		return;
	}
	idle();
	nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
	double cores = idle();
	if (cores < 1.8)
		printf("# scrambler_two_threads: of two cores %.1f were idle\n", cores);
	for (int i = 0; i < 2; i++)
		m[i] = mill_open(i);
	for (int k = -1; k < PAIRS; k++) {	/* the first to warm */
		need(pthread_create(&t[0], NULL, grind, m[0]) == 0 && pthread_join(t[0], NULL) == 0, "thread", NULL);
		double alone = 1e6 * THREAD_PACKETS / m[0]->ns;
		for (int i = 0; i < 2; i++)
			need(pthread_create(&t[i], NULL, grind, m[i]) == 0, "thread", NULL);
		for (int i = 0; i < 2; i++)
			pthread_join(t[i], NULL);
		if (k < 0)
			continue;
		one[k] = alone;
		ratio[k] = 1e6 * THREAD_PACKETS * (1 / m[0]->ns + 1 / m[1]->ns) / alone;
	}
	double rate = bench_median(one, PAIRS), times_one = bench_median(ratio, PAIRS);
	printf("scrambler_one_thread %.0f kpps\nscrambler_two_threads %.0f kpps %.2f of scrambler_one_thread\n", rate, rate * times_one, times_one);
	for (int i = 0; i < 2; i++)
		mill_close(m[i]);
}

int
main(int argc, char **argv)
{
	struct gw_err err = { 0 };
	const char *only = NULL;
	double seconds = 10;

	for (int i = 1; i + 1 < argc; i += 2)
		if (strcmp(argv[i], "--seconds") == 0)
			seconds = atof(argv[i + 1]);
		else if (strcmp(argv[i], "--only") == 0)
			only = argv[i + 1];
	bench_pin();
	need(gw_secrets_init(SECRET_KIB, true, &err) == 0, "locked memory", &err);
	gw_raise_nofile();
	ceiling = ceiling_new();
	forwarding(seconds, only);
	if (!only) {
		all_keys();
		two_threads();
	}
	ceiling_free(ceiling);
	gw_secrets_fini();
	return 0;
}
