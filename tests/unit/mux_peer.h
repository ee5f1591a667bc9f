/* tests/unit/mux_peer.h: an intake with EMMGs, a clock and a wire of the test's own */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "mux/output.h"
#include "lib/mux_stream.h"
#include "tests/suite.h"

enum { PEERS = 4 };
static struct mux_intake e;
static struct mux_channel peer[PEERS];
static struct mux_map map;
static char out[65536];		/* what the mux did, a line each */
static size_t nout, outs, on_air, air_bytes;
static bool quiet;		/* what goes on air is counted, not said */
static int64_t now;

static void __attribute__((format(printf, 1, 2)))
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	nout += (size_t)vsnprintf(out + nout, sizeof(out) - nout, fmt, ap);
	va_end(ap);
	ck_assert_uint_lt(nout, sizeof(out));
}

static int
who(const void *self)
{
	return (int)((const struct mux_channel *)self - peer);
}

static void
door_send(void *self, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;
	char text[1024];

	ck_assert_int_eq(sim_decode_as(&emmg_mux, SIM_STRICT, msg, len, &m, NULL), 0);
	sim_print(&m, text, sizeof(text));
	say("%d: v%u %s\n", who(self), m.version, text);
}

static void
door_close(void *self)
{
	say("%d: close\n", who(self));
}

static void
door_note(void *self, const struct mux_note *n)
{
	const struct sim_param *param = sim_param_find(&emmg_mux, n->param);

	if (n->level > GW_NOTICE || strncmp(n->event, "channel_", 8) == 0)
		return;
	say("%d: log %s message=%s client=%llx channel=%d stream=%d error=0x%04x param=%s offset=%zu: %s\n", who(self), n->event,
	    n->message ? n->message : "-", (long long)n->client_id, n->channel, n->stream, n->status,
	    param ? param->name : n->param ? "unknown" : "-", n->offset, n->why ? n->why : "");
}

/* An output is its address as text; sections may go anywhere, datagrams not into a transport stream. */
static void *
door_open(void *owner, const struct mux_route *r, uint8_t flag, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];

	ck_assert_ptr_eq(owner, &outs);
	if (flag == 2 && r->out.pid) {
		gw_fail(err, GW_ECONF, "no datagrams here");
		return NULL;
	}
	outs++;
	return strdup(gw_addr_text(&r->out, text, sizeof(text)));
}

static void
door_shut(void *owner, void *o)
{
	(void)owner;
	outs--;
	free(o);
}

static void
door_air(void *owner, void *o, const uint8_t *p, size_t len)
{
	(void)owner;
	on_air++;
	air_bytes += len;
	if (!quiet)
		say("air %s %zu:%02x\n", (const char *)o + strlen("udp://"), len, p[0]);
}

static const struct mux_door door = { door_send, door_close, door_note, door_open, door_shut, door_air, NULL };

static void
add(const char *text)
{
	struct gw_err err = { 0 };

	ck_assert_msg(mux_map_add(&map, text, &err) == 0, "%s", err.text);
}

/* The map of most tests: an EMM stream, private data beside it, a second client, LTKMs. */
static void
start(bool strict)
{
	memset(&e, 0, sizeof(e));
	e.door = &door;
	e.owner = &outs;
	e.map = &map;
	e.total_bps = 1000000;
	e.limits = (struct he_mux){ .strict = strict, .max_channels = 3, .max_channels_per_client = 2, .max_streams = 5,
		.max_streams_per_channel = 4, .max_datagrams = 1000, .max_message = SIM_MAX };
	e.silence_ms = 30000;
	e.patience_ms = 10000;
	now = 1000000;
	nout = on_air = air_bytes = 0;
	quiet = false;
	out[0] = '\0';
	mux_intake_init(&e);
	add("0/0x4ae60001/32=udp://10.0.0.1:1");
	add("1/0x4ae60001/33=udp://10.0.0.1:2");
	add("0x4ae60001/34=udp://10.0.0.1:3?pid=0x1f0");
	add("0x4ae60001/3=udp://10.0.0.1:4");
	add("0x4ae60002/32=udp://10.0.0.2:1");
	add("0x00010007/21=udp://10.0.0.3:1");
	add("0x00020007/21=udp://10.0.0.4:1");
	for (int i = 0; i < PEERS; i++)
		mux_channel_init(&peer[i], &e, &peer[i], now);
}

/* Everybody leaves: nothing is left over. */
static void
finish(void)
{
	for (int i = 0; i < PEERS; i++)
		mux_channel_fini(&peer[i]);
	ck_assert_uint_eq(e.nchannels, 0);
	mux_intake_fini(&e);
	ck_assert_uint_eq(e.nstreams, 0);
	ck_assert_uint_eq(e.want_bps, 0);
	ck_assert_uint_eq(outs, 0);
	mux_map_free(&map);
}

static void
hush(void)
{
	nout = 0;
	out[0] = '\0';
}

static uint8_t *
octets(const char *hex, size_t *n)
{
	static uint8_t in[SIM_MAX];
	uint8_t *exact;

	*n = unhex(hex, in, sizeof(in));
	exact = malloc(*n);
	memcpy(exact, in, *n);
	return exact;
}

/* What hearing it makes the mux do. */
static const char *
fed(int i, const char *hex)
{
	size_t n;
	uint8_t *in = octets(hex, &n);

	hush();
	mux_channel_feed(&peer[i], in, n, now);
	memset(in, 0xee, n);	/* nothing keeps a pointer into it */
	free(in);
	return out;
}

static const char *
at(int64_t ms)
{
	hush();
	now = 1000000 + ms * 1000;
	mux_intake_run(&e, now);
	mux_intake_time(&e, now);
	for (int i = 0; i < PEERS; i++)
		mux_channel_time(&peer[i], now);
	return out;
}

#define SETUP "0300110013000100044ae600010003000200010002000100"
#define STREAM3 "030111001f000100044ae600010003000200010004000200030008000200200007000100"	/* data_id 32, EMM */
#define IDS "000100044ae600010003000200010004000200030008000200" "20"
#define SECTION "0005000c827009a0a1a2a3a4a5a6a7a8"
#define DATA "030211002a" IDS SECTION
#define UDP_DATA "030211001e000100044ae6000100080002002" "0" SECTION
#define ASK(kbps) "030117001a000100044ae600010003000200010004000200030006" "0002" kbps
#define NAMES "client_id=0x4ae60001 data_channel_id=1 data_stream_id=3"

static void
set_up(bool strict)
{
	start(strict);
	fed(0, SETUP);
	fed(0, STREAM3);
	ck_assert_uint_eq(e.nchannels, 1);
	ck_assert_uint_eq(e.nstreams, 1);
}
