/*
 * tests/fuzz/fuzz_mux_intake.c: EMMGs gone mad: their byte stream, cut into messages, each to one of two connections or the UDP port by
 * the low bits of its length and its place. First byte: bit 0 strict, bit 1 UDP alone is enough. Whatever the mux sends must be
 * well-formed, no more may be granted than there is, and when all have gone nothing may be left.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "mux/output.h"
#include "lib/mux_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mux_intake e;
static struct mux_channel peers[2];
static int outs;

static void
door_send(void *self, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;

	(void)self;
	if (sim_decode_as(&emmg_mux, SIM_STRICT, msg, len, &m, NULL) < 0)
		abort();
}

static void
door_close(void *self)
{
	(void)self;
}

static void
door_note(void *self, const struct mux_note *n)
{
	(void)self;
	(void)n;
}

static void *
door_open(void *owner, const struct mux_route *r, uint8_t flag, struct gw_err *err)
{
	(void)owner;
	if (flag == 2 && r->out.pid) {
		gw_fail(err, GW_ECONF, "no datagrams here");
		return NULL;
	}
	outs++;
	return &outs;
}

static void
door_shut(void *owner, void *out)
{
	(void)owner;
	(void)out;
	outs--;
}

static void
door_air(void *owner, void *out, const uint8_t *p, size_t len)
{
	static volatile uint8_t seen;

	(void)owner;
	(void)out;
	if (len == 0)
		abort();
	seen = p[0] ^ p[len - 1];	/* both ends can be read */
	(void)seen;
}

static const struct mux_door door = { door_send, door_close, door_note, door_open, door_shut, door_air, NULL };

static void
check_shares(void)
{
	const struct mux_stream *s;
	uint64_t sum = 0;

	TAILQ_FOREACH(s, &e.streams, all) {
		sum += s->grant_bps;
		if (s->nwaiting > MUX_QUEUE_BYTES || s->nheld > MUX_HELD_BYTES)
			abort();
	}
	if (sum > e.total_bps)
		abort();
}

static void
prepare(struct mux_map *map, uint8_t flags)
{
	mux_map_add(map, "0/0x4ae60001/32=udp://127.0.0.1:1", NULL);
	mux_map_add(map, "1/0x4ae60001/33=udp://127.0.0.1:2", NULL);
	mux_map_add(map, "0x4ae60001/3=udp://127.0.0.1:3?pid=0x100", NULL);
	mux_map_add(map, "0x00010007/21=udp://127.0.0.1:4", NULL);
	for (size_t i = 0; i < map->n; i++) {
		map->v[i].udp_alone = flags & 2;
		map->v[i].repeat = 2;
		map->v[i].repeat_ms = 100;
	}
	memset(&e, 0, sizeof(e));
	e.door = &door;
	e.map = map;
	e.total_bps = 100000;
	e.limits = (struct he_mux){ .strict = flags & 1, .max_channels = 2, .max_channels_per_client = 2, .max_streams = 3,
		.max_streams_per_channel = 2, .max_datagrams = 100, .max_message = 4096 };
	e.silence_ms = 1000;
	e.patience_ms = 1000;
	mux_intake_init(&e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mux_map map = { 0 };
	int64_t now = 1;
	size_t n, k = 0;

	if (size < 1)
		return 0;
	prepare(&map, data[0]);
	for (int i = 0; i < 2; i++)
		mux_channel_init(&peers[i], &e, &peers[i], now);
	for (size_t at = 1; (n = sim_frame_length(data + at, size - at)) > 0 && n <= size - at; at += n, k++) {
		now += 20000;
		if (k % 8 == 7)
			mux_intake_udp(&e, data + at, n, now);
		else
			mux_channel_feed(&peers[k % 8 > 4], data + at, n, now);
		mux_intake_run(&e, now);
		mux_intake_time(&e, now);
		mux_channel_time(&peers[k & 1], now);
		check_shares();
	}
	if (k & 1) {	/* the first EMM stream has lost its place */
		map.v[map.n - 1].udp_alone = false;
		map.n--;
		mux_intake_revise(&e, now);
		check_shares();
	}
	mux_channel_fini(&peers[0]);
	mux_channel_fini(&peers[1]);
	mux_intake_fini(&e);
	mux_map_free(&map);
	if (e.nchannels || e.nstreams || outs || e.want_bps)
		abort();
	return 0;
}
