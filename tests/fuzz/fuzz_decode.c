/*
 * tests/fuzz/fuzz_decode.c: a capture: link layer and form of output (an octet each), then frames, each behind its length (2 octets). Whatever comes is
 * taken, and no more is held than may be.
 */
#include <stdlib.h>
#include <pcap/dlt.h>
#include "tools/dec_out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
nowhere(void *self, const char *p, size_t len)
{
	(void)self;
	(void)p;
	(void)len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int links[] = { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW, DLT_NULL };
	struct dec_out_conf conf = { .write = nowhere, .filter = { .channel = -1, .stream = -1 } };
	struct dec_msg_conf any = { 0 };
	struct dec_counts counts = { 0 };
	struct dec_net *net;
	struct dec_out *o;
	struct dec_msg *d;
	struct dec_tcp *t;
	struct dec_msg_user sink;
	struct dec_tcp_user stream;
	int link;

	if (size < 2)
		return 0;
	link = links[data[0] % (sizeof(links) / sizeof(links[0]))];
	conf.mode = (enum dec_mode)(data[1] % (DEC_SUMMARY + 1));
	conf.width = data[1] & 0x80 ? 40 : 0;
	conf.colour = (data[1] & 0x40) != 0;
	any.forced = (data[1] & 0x20) != 0;
	net = dec_net_new();
	o = dec_out_new(&conf);
	sink = dec_out_sink(o);
	d = dec_msg_new(&any, &sink);
	stream = dec_msg_sink(d);
	t = dec_tcp_new(&stream);
	dec_out_begin(o, 0);
	for (size_t at = 2; at + 2 <= size; ) {
		size_t n = (size_t)data[at] << 8 | data[at + 1];
		struct dec_segment s;
		enum dec_frame kind;
		int64_t now = (int64_t)at * 1000000;

		at += 2;
		n = n < size - at ? n : size - at;
		kind = dec_net_read(net, link, data + at, n, n, &s);
		dec_msg_now(d, at, now);
		if (kind == DEC_TCP)
			dec_tcp_segment(t, &s, now);
		else if (kind == DEC_UDP) {
			dec_tcp_datagram(t, &s, now);
			dec_out_air(o, &s, at, now);
		}
		if (dec_tcp_held(t) > DEC_HELD + 65536 + 1024)
			abort();
		at += n;
	}
	dec_tcp_flush(t);
	dec_out_summary(o, &counts);
	dec_tcp_free(t);
	dec_msg_free(d);
	dec_out_free(o);
	dec_net_free(net);
	return 0;
}
