/*
 * tests/fuzz/fuzz_emmg_channel.c: a MUX gone mad: its byte stream, cut into messages. First byte: bit 0 strict, bits 1-3 the
 * protocol_version, bit 4 UDP, bits 5-6 how much time goes by between messages. Whatever the EMMG sends must be well-formed, never an
 * error in answer to an error, and every stream ends in order.
 */
#include <stdlib.h>
#include "lib/emmg_chan.h"
#include "lib/log.h"
#include "proto/emmg_mux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sim_msg sent;
static unsigned errors, dropped;

static int
on_send(void *self, const void *msg, size_t len)
{
	(void)self;
	if (sim_decode_as(&emmg_mux, SIM_STRICT, msg, len, &sent, NULL) < 0)
		abort();
	errors += sent.type == EMMG_CHANNEL_ERROR || sent.type == EMMG_STREAM_ERROR;
	return 0;
}

static int
on_udp(void *self, const void *msg, size_t len)
{
	(void)self;
	if (sim_decode_as(&emmg_mux_udp, SIM_STRICT, msg, len, &sent, NULL) < 0)
		abort();
	return 0;
}

static void
on_drop(void *self, const char *why)
{
	(void)self;
	(void)why;
	dropped++;
}

static void
on_rate(void *self, size_t stream, uint32_t bps)
{
	(void)self;
	if (stream > 1 || bps > 100000)
		abort();
}

static const struct emmg_chan_ops ops = { on_send, on_udp, on_drop, on_rate };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t steps[] = { 1000, 300000, 2000000, 11000000 };
	static const uint8_t section[] = { 0x82, 0x70, 0x00 };
	const struct emmg_datagram d = { section, sizeof(section) };
	struct emmg_stream_conf t = { .data_id = 0x20, .bandwidth_bps = 100000 };
	int64_t now = 1000000;
	size_t n;

	if (size < 1)
		return 0;
	gw_log_init("fuzz", GW_ERR);
	struct emmg_chan_conf conf = { .name = "k", .client_id = 0x4ae60001, .channel_id = 1, .version = (uint8_t)(1 + (data[0] >> 1 & 7) % 5),
		.strict = data[0] & 1, .udp = data[0] & 16 };
	struct emmg_chan *c = emmg_chan_new(&conf, &ops, NULL);
	if (!c || emmg_chan_add(c, &t, now) != 0 || (t.data_id++, emmg_chan_add(c, &t, now)) != 1)
		abort();
	dropped = 0;
	emmg_chan_connected(c, "fuzz", now);
	for (size_t at = 1; (n = sim_frame_length(data + at, size - at)) > 0 && n <= size - at; at += n) {
		unsigned type = (unsigned)data[at + 1] << 8 | data[at + 2], before = errors;
		emmg_chan_frame(c, data + at, n, now += steps[data[0] >> 5 & 3]);
		if (errors > before + 1 || (errors != before && (type == EMMG_CHANNEL_ERROR || type == EMMG_STREAM_ERROR)))
			abort();
		emmg_chan_tick(c, now);
		for (size_t i = 0; i < 2; i++)
			emmg_chan_data(c, i, &d, 1, emmg_chan_udp(c), now);
		if (dropped) {
			dropped = 0;
			emmg_chan_lost(c, now);
			emmg_chan_connected(c, "fuzz", now);
		}
	}
	emmg_chan_stop(c, now);
	for (int i = 0; i < 10 && !dropped; i++)
		emmg_chan_tick(c, now += 300000);
	if (!dropped)
		abort();	/* three seconds are more than closing takes */
	emmg_chan_free(c);
	return 0;
}
