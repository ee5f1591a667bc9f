/* tests/unit/test_mux_channel.c: EMMGs and PDGs at the mux's door */
#include "tests/unit/mux_peer.h"

static const char *
udp(const char *hex)
{
	size_t n;
	uint8_t *in = octets(hex, &n);

	hush();
	mux_intake_udp(&e, in, n, now);
	memset(in, 0xee, n);
	free(in);
	return out;
}

static const char *
udp_drops(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "%llu %llu %llu %llu", (unsigned long long)e.udp_drops[MUX_UDP_MALFORMED],
	    (unsigned long long)e.udp_drops[MUX_UDP_NOT_DATA], (unsigned long long)e.udp_drops[MUX_UDP_UNKNOWN],
	    (unsigned long long)e.udp_drops[MUX_UDP_REFUSED]);
	return text;
}

START_TEST(the_machine_is_a_page)
{
	static char page[8192];

	ck_assert_uint_lt(gw_fsm_print(&mux_channel_fsm, page, sizeof(page)), sizeof(page));
	vec_golden("mux/channel_fsm.txt", page);
}
END_TEST

START_TEST(a_session)
{
	start(true);
	ck_assert_str_eq(fed(0, SETUP), "0: v3 channel_status client_id=0x4ae60001 data_channel_id=1 section_TSpkt_flag=0\n");
	ck_assert_str_eq(fed(0, STREAM3), "0: v3 stream_status " NAMES " data_id=32 data_type=0\n");
	ck_assert_str_eq(fed(0, "030117001a000100044ae600010003000200010004000200030006000200fa"),
	    "0: v3 stream_BW_allocation " NAMES " bandwidth=250kbit/s\n");
	ck_assert_str_eq(fed(0, "0301170014000100044ae60001000300020001000400020003"),
	    "0: v3 stream_BW_allocation " NAMES " bandwidth=250kbit/s\n");
	ck_assert_str_eq(fed(0, DATA), "air 10.0.0.1:1 12:82\n");
	ck_assert_str_eq(fed(0, "0302110036" IDS SECTION "00050008837005b0b1b2b3b4"), "air 10.0.0.1:1 12:82\nair 10.0.0.1:1 8:83\n");
	ck_assert_str_eq(fed(0, "030012000e000100044ae60001000300020001"),
	    "0: v3 channel_status client_id=0x4ae60001 data_channel_id=1 section_TSpkt_flag=0\n");
	ck_assert_str_eq(fed(0, "0301120014000100044ae60001000300020001000400020003"), "0: v3 stream_status " NAMES " data_id=32 data_type=0\n");
	ck_assert_str_eq(fed(0, "0301140014000100044ae60001000300020001000400020003"), "0: v3 stream_close_response " NAMES "\n");
	ck_assert_uint_eq(e.nstreams, 0);
	ck_assert_str_eq(fed(0, "030014000e000100044ae60001000300020001"), "");	/* channel_close has no answer */
	ck_assert_uint_eq(e.nchannels, 0);
	ck_assert_str_eq(at(1500), "0: close\n");
	finish();
}
END_TEST

/* Each negative vector in the state it asks for; the golden file has both readings of each. */
START_TEST(every_negative_vector)
{
	static char page[32768];
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *v;
	size_t k, n = 0, tested = 0;

	json_array_foreach(json_object_get(all, "negative"), k, v) {
		const char *name = json_string_value(json_object_get(v, "name")), *pre = json_string_value(json_object_get(v, "precondition"));
		const char *status = json_string_value(json_object_get(v, "error_status")), *hex = json_string_value(json_object_get(v, "hex"));
		const bool by_udp = strcmp(json_string_value(json_object_get(v, "transport")), "UDP") == 0;
		if (strcmp(json_string_value(json_object_get(v, "interface")), "EMMG-MUX") != 0)
			continue;
		for (int strict = 0; strict < 2; strict++) {
			const bool spared = !strict && strstr(json_string_value(json_object_get(v, "expect")), "(tolerant)");
			char expected[32];
			start(strict);
			if (strstr(pre, "channel 1") || by_udp)
				fed(0, SETUP);
			if (strstr(pre, "stream 3") || by_udp)
				fed(0, STREAM3);
			if (by_udp)
				udp(hex);
			else
				fed(0, hex);
			snprintf(expected, sizeof(expected), "error_status=0x%04lx", status ? strtoul(status, NULL, 16) : 0xffffff);
			ck_assert_msg((strstr(out, expected) != NULL) == (status && !spared), "%s: %s", name, out);
			ck_assert_ptr_null(strstr(out, "close"));
			ck_assert(!by_udp || *out == '\0');
			n += (size_t)snprintf(page + n, sizeof(page) - n, "%s (%s)\n%s", name, strict ? "strict" : "lenient", out);
			tested++;
			finish();
		}
	}
	ck_assert_uint_eq(tested, 16);
	vec_golden("mux/negative.txt", page);
	json_decref(all);
}
END_TEST

static const struct { const char *first, *then, *want; } refused[] = {	/* what peer 1 says when peer 0 has its channel and stream */
	{ NULL, SETUP, "channel_error client_id=0x4ae60001 data_channel_id=1 error_status=0x0011" },
	{ NULL, "0300110013000100044ae600090003000200010002000100", "channel_error client_id=0x4ae60009 data_channel_id=1 error_status=0x000e" },
	{ NULL, "05001100130001000400020007000300020001000200" "0102", "channel_error client_id=0x00020007 data_channel_id=1 error_status=0x000e" },
	{ NULL, "0500110013000100040001000700030002000100020001" "01", "channel_error client_id=0x00010007 data_channel_id=1 error_status=0x000d" },
	{ NULL, "0200110013000100044ae600010003000200020002000102", "channel_error client_id=0x4ae60001 data_channel_id=2 error_status=0x000d" },
	{ NULL, "0300110013000100044ae600010003000200020002000102", "channel_error client_id=0x4ae60001 data_channel_id=2 error_status=0x000d" },
	{ "0300110013000100044ae600020003000200010002000100", "030111001f000100044ae600010003000200010004000200030008000200200007000100",
	    "stream_error " NAMES " error_status=0x000e" },
	{ "0300110013000100044ae600010003000200020002000100", "030111001f000100044ae600010003000200020004000200030008000200200007000100",
	    "stream_error client_id=0x4ae60001 data_channel_id=2 data_stream_id=3 error_status=0x0013" },
	{ "0300110013000100044ae600010003000200020002000100", "030111001f000100044ae600010003000200020004000200030008000200630007000100",
	    "stream_error client_id=0x4ae60001 data_channel_id=2 data_stream_id=3 error_status=0x0010" },
	{ "0300110013000100044ae600010003000200020002000100", "030111001f000100044ae600010003000200020004000200030008000200210007000100",
	    "error_status=0x0010" },	/* 33 is private data */
	{ "0300110013000100044ae600010003000200020002000100", "030111001f000100044ae600010003000200070004000200030008000200200007000100",
	    "stream_error client_id=0x4ae60001 data_channel_id=7 data_stream_id=3 error_status=0x0006" },
	{ "0300110013000100044ae600010003000200020002000100", "0301120014000100044ae60001000300020002000400020009",
	    "stream_error client_id=0x4ae60001 data_channel_id=2 data_stream_id=9 error_status=0x0005" },
	{ "0300110013000100044ae600010003000200020002000100", "0301170014000100044ae60001000300020002000400020009", "error_status=0x0005" },
	{ "0300110013000100044ae600010003000200020002000100", "0301140014000100044ae60001000300020002000400020009", "error_status=0x0005" },
	{ "0300110013000100044ae600010003000200020002000100", "030211002a000100044ae600010003000200020004000200090008000200" "20" SECTION,
	    "error_status=0x0005" },
	{ "0300110013000100044ae600010003000200020002000100", "0300110013000100044ae600010003000200020002000100", "error_status=0x0011" },
	{ "0300110013000100044ae600010003000200020002000100", "0301150014000100044ae60001000300020002000400020003", "error_status=0x0001" },
	{ "0500110013000100044ae600010003000200020002000102", "050111001f000100044ae600010003000200020004000200030008000200220007000100",
	    "error_status=0x000d error_information=\"no datagrams here\"" },	/* an out with a PID */
};
enum { NREFUSED = sizeof(refused) / sizeof(refused[0]) };

START_TEST(refusals)
{
	set_up(true);
	if (refused[_i].first)
		ck_assert_ptr_nonnull(strstr(fed(1, refused[_i].first), "channel_status"));
	fed(1, refused[_i].then);
	ck_assert_msg(strstr(out, refused[_i].want) != NULL, "%s", out);
	ck_assert_ptr_nonnull(strstr(out, "log refused"));
	ck_assert_str_eq(fed(0, DATA), "air 10.0.0.1:1 12:82\n");	/* the neighbour goes on */
	finish();
}
END_TEST

START_TEST(limits)
{
	char hex[128];

	start(false);
	fed(0, SETUP);
	fed(1, "0300110013000100044ae600010003000200020002000100");
	ck_assert_ptr_nonnull(strstr(fed(2, "0300110013000100044ae600010003000200030002000100"), "error_status=0x0007"));	/* of this client */
	ck_assert_ptr_nonnull(strstr(fed(2, "0300110013000100044ae600020003000200030002000100"), "channel_status"));
	ck_assert_ptr_nonnull(strstr(fed(3, "05001100130001000400010007000300020001000200" "0102"), "error_status=0x0007"));	/* of this mux */
	e.limits.max_streams_per_channel = 1;
	ck_assert_ptr_nonnull(strstr(fed(0, STREAM3), "stream_status"));
	ck_assert_ptr_nonnull(strstr(fed(0, STREAM3), "error_status=0x0012"));
	ck_assert_ptr_nonnull(strstr(fed(0, "030111001f000100044ae600010003000200010004000200040008000200210007000101"), "error_status=0x0008"));
	e.limits.max_streams_per_channel = 9;
	e.limits.max_streams = 1;
	ck_assert_ptr_nonnull(strstr(fed(0, "030111001f000100044ae600010003000200010004000200040008000200210007000101"), "error_status=0x0009"));
	e.limits.max_message = 40;
	ck_assert_ptr_nonnull(strstr(fed(0, DATA), "stream_error " NAMES " error_status=0x0004"));
	e.limits.max_message = SIM_MAX;
	e.limits.max_datagrams = 1;
	ck_assert_ptr_nonnull(strstr(fed(0, "0302110036" IDS SECTION "00050008837005b0b1b2b3b4"), "stream_error " NAMES " error_status=0x0004"));
	mux_channel_fini(&peer[1]);
	e.limits.max_channels_per_client = 1;
	snprintf(hex, sizeof(hex), "0300110013000100044ae6000100030002%04x0002000100", 9);
	ck_assert_ptr_nonnull(strstr(fed(3, hex), "error_status=0x0014"));
	finish();
}
END_TEST

/* 500 datagrams in 65,540 octets: the largest message there can be. */
START_TEST(the_largest_message)
{
	static char hex[2 * SIM_MAX + 1];
	const size_t body = 65535 - 8 - 6 - 6 - 6, each = body / 500 - 4, rest = body - 500 * (each + 4);
	size_t n = 0;

	set_up(true);
	e.total_bps = INT64_C(10000000000);
	mux_stream_share(&e);
	n += (size_t)snprintf(hex + n, sizeof(hex) - n, "030211ffff" IDS);
	for (int i = 0; i < 500; i++) {
		const size_t len = each + (i == 0 ? rest : 0);
		n += (size_t)snprintf(hex + n, sizeof(hex) - n, "0005%04zx827%03zx", len, len - 3);
		for (size_t k = 3; k < len; k++)
			n += (size_t)snprintf(hex + n, sizeof(hex) - n, "%02x", i & 0xff);
	}
	ck_assert_uint_eq(n, 2 * SIM_MAX);
	quiet = true;
	ck_assert_str_eq(fed(0, hex), "");
	ck_assert_uint_eq(on_air, 500);
	finish();
}
END_TEST

START_TEST(what_is_no_section_or_packet_is_refused)
{
	static char hex[1024];

	set_up(false);
	ck_assert_ptr_nonnull(strstr(fed(0, "030211002a" IDS "0005000c82700aa0a1a2a3a4a5a6a7a8"), "stream_error " NAMES " error_status=0x000b"));
	ck_assert_ptr_nonnull(strstr(fed(0, "0302110020" IDS "000500028270"), "error_status=0x000b"));
	ck_assert_ptr_nonnull(strstr(fed(0, "030211001e" IDS "00050000"), "error_status=0x000b"));
	/* one bad datagram and none of the message goes on air */
	ck_assert_ptr_null(strstr(fed(0, "030211002e" IDS "00050008837005b0b1b2b3b4" "00050000"), "air"));
	ck_assert_str_eq(fed(0, DATA), "air 10.0.0.1:1 12:82\n");

	fed(1, "0300110013000100044ae600010003000200020002000101");	/* packets */
	fed(1, "030111001f000100044ae600010003000200020004000200010008000200220007000100");
	snprintf(hex, sizeof(hex), "03021100da000100044ae600010003000200020004000200010008000200220005" "00bc" "47%0374d", 0);
	ck_assert_str_eq(fed(1, hex), "air 10.0.0.1:3?pid=0x01f0 188:47\n");
	memcpy(strstr(hex, "00bc47"), "00bc48", 6);
	ck_assert_ptr_nonnull(strstr(fed(1, hex), "stream_error client_id=0x4ae60001 data_channel_id=2 data_stream_id=1 error_status=0x000d"));
	ck_assert_ptr_nonnull(strstr(fed(1, "0302110022000100044ae600010003000200020004000200010008000200220005" "000447000000"), "error_status=0x000b"));
	finish();
}
END_TEST

START_TEST(the_version_of_channel_setup_is_mirrored)
{
	start(false);
	ck_assert_ptr_nonnull(strstr(fed(0, "0200110013000100044ae600010003000200010002000100"), "v2 channel_status"));
	ck_assert_ptr_nonnull(strstr(fed(0, "030012000e000100044ae60001000300020001"),
	    "v2 channel_error client_id=0x4ae60001 data_channel_id=1 error_status=0x0002"));
	ck_assert_ptr_nonnull(strstr(fed(1, "0600110013000100044ae600010003000200010002000100"), "v5 channel_error"));
	ck_assert_ptr_nonnull(strstr(fed(1, "0000110013000100044ae600010003000200010002000100"), "v1 channel_error"));
	for (int v = 1; v <= 5; v++) {
		char hex[64], want[32];
		snprintf(hex, sizeof(hex), "%02x00110013000100044ae600010003000200020002000100", (unsigned)v);
		snprintf(want, sizeof(want), "v%d channel_status", v);
		ck_assert_ptr_nonnull(strstr(fed(1, hex), want));
		mux_channel_fini(&peer[1]);
		mux_channel_init(&peer[1], &e, &peer[1], now);
	}
	finish();
}
END_TEST

/* Version 1 has no data_id: the stream's number stands for it. */
START_TEST(version_1)
{
	start(true);
	fed(0, "0100110013000100044ae600010003000200010002000100");
	ck_assert_str_eq(fed(0, "0101110019000100044ae60001000300020001000400020003" "0007000100"), "0: v1 stream_status " NAMES " data_type=0\n");
	ck_assert_str_eq(fed(0, "0102110024000100044ae600010003000200010004000200030005000c827009a0a1a2a3a4a5a6a7a8"), "air 10.0.0.1:4 12:82\n");
	finish();
}
END_TEST

START_TEST(each_deviation_is_named_once)
{
	start(false);
	ck_assert_ptr_nonnull(strstr(fed(0, "0300110013000100044ae600010003000200010002000102"), "log tolerated message=channel_setup"));
	ck_assert_ptr_nonnull(strstr(fed(0, "0301110019000100044ae60001000300020001000400020003" "0007000100"), "log tolerated message=stream_setup"));
	ck_assert_ptr_nonnull(strstr(out, NAMES " data_id=3 data_type=0\n"));
	ck_assert_str_eq(fed(0, "0301120014000100044ae60001000300020001000400020003"), "0: v3 stream_status " NAMES " data_id=3 data_type=0\n");
	ck_assert_ptr_nonnull(strstr(fed(0, "0307770000"), "log tolerated"));
	ck_assert_str_eq(fed(0, "0307770000"), "");
	ck_assert_ptr_nonnull(strstr(fed(0, "0300120014000100044ae60001000300020001" "00090002" "0000"), "log tolerated message=channel_test"));
	ck_assert_str_eq(fed(0, "0300120014000100044ae60001000300020001" "00090002" "0000"),
	    "0: v3 channel_status client_id=0x4ae60001 data_channel_id=1 section_TSpkt_flag=2\n");
	/* data by TCP that names its stream by data_id alone */
	ck_assert_ptr_nonnull(strstr(fed(0, "0302110012000100044ae6000100080002000300050000"), "log tolerated message=data_provision"));
	ck_assert_str_eq(fed(0, "0302110013000100044ae60001000800020003000500" "01aa"), "air 10.0.0.1:4 1:aa\n");
	ck_assert_ptr_nonnull(strstr(fed(0, "030211000d000100044ae60001000500" "01aa"), "channel_error client_id=0x4ae60001 data_channel_id=0 error_status=0x000c"));
	finish();

	set_up(true);
	ck_assert_ptr_nonnull(strstr(fed(0, "0307770000"), "error_status=0x0003"));
	ck_assert_ptr_nonnull(strstr(fed(0, "0300120014000100044ae60001000300020001" "00090002" "0000"), "error_status=0x000a"));
	ck_assert_ptr_nonnull(strstr(fed(0, "0301110019000100044ae60001000300020001000400020004" "0007000100"), "error_status=0x000c"));
	finish();
}
END_TEST

START_TEST(errors_are_never_answered)
{
	set_up(true);
	ck_assert_ptr_null(strstr(fed(0, "0300150014000100044ae60001000300020001700000020001"), "v3"));
	ck_assert_ptr_nonnull(strstr(out, "log peer_error"));
	ck_assert_ptr_null(strstr(fed(0, "030116000a0001000400000000ffff"), "v3"));	/* not even a broken one */
	ck_assert_ptr_null(strstr(fed(0, "0301160014000100044ae6000900030002000770000002000f"), "v3"));
	ck_assert_ptr_null(strstr(fed(1, "0300150014000100044ae60001000300020001700000020001"), "v3"));
	ck_assert_str_eq(fed(0, "0300130013000100044ae600010003000200010002000100"), "");	/* nor a status */
	finish();
}
END_TEST

START_TEST(silence_is_probed_and_the_dead_are_freed)
{
	set_up(false);
	ck_assert_str_eq(at(9000), "");
	ck_assert_ptr_nonnull(strstr(at(11000), "1: close\n"));	/* connected, and never said a word */
	ck_assert_str_eq(at(30500), "0: v3 channel_test client_id=0x4ae60001 data_channel_id=1\n");
	fed(0, "0300130013000100044ae600010003000200010002000100");
	ck_assert_str_eq(at(60000), "");
	ck_assert_str_eq(at(61000), "0: v3 channel_test client_id=0x4ae60001 data_channel_id=1\n");
	ck_assert_str_eq(at(70000), "");
	ck_assert_ptr_nonnull(strstr(at(71000), "log peer_silent"));
	ck_assert_ptr_nonnull(strstr(out, "0: close\n"));
	finish();
}
END_TEST

/* A second one with its identifiers makes the mux look whether the first still lives; then they are free at once. */
START_TEST(a_stale_connection_gives_way)
{
	set_up(false);
	ck_assert_ptr_nonnull(strstr(fed(1, SETUP), "error_status=0x0011"));
	ck_assert_str_eq(at(1000), "0: v3 channel_test client_id=0x4ae60001 data_channel_id=1\n");
	ck_assert_ptr_nonnull(strstr(at(11000), "0: close\n"));
	mux_channel_fini(&peer[0]);
	ck_assert_uint_eq(outs, 0);
	ck_assert_ptr_nonnull(strstr(fed(1, SETUP), "channel_status"));
	ck_assert_ptr_nonnull(strstr(fed(1, STREAM3), "stream_status"));
	finish();
}
END_TEST

START_TEST(udp_feeds_streams_known_over_tcp)
{
	start(false);
	ck_assert_str_eq(udp(UDP_DATA), "");
	ck_assert_str_eq(udp_drops(), "0 0 1 0");
	fed(0, SETUP);
	fed(0, STREAM3);
	ck_assert_str_eq(udp(UDP_DATA), "air 10.0.0.1:1 12:82\n");
	ck_assert_ptr_nonnull(strstr(udp(DATA), "air 10.0.0.1:1 12:82\n"));	/* with identifiers, as TSDuck has it */
	ck_assert_ptr_nonnull(strstr(out, "log tolerated"));
	ck_assert_str_eq(udp(SETUP), "");
	ck_assert_str_eq(udp_drops(), "0 1 1 0");
	ck_assert_str_eq(udp("030211001e000100044ae60001000800020020" "0005000c827009"), "");	/* cut */
	ck_assert_str_eq(udp(UDP_DATA "00"), "");
	ck_assert_str_eq(udp("03"), "");
	ck_assert_str_eq(udp("000211001e000100044ae60001000800020020" SECTION), "");
	/* version 1 knows no UDP; TSDuck sends it all the same */
	ck_assert_str_eq(udp("010211001e000100044ae60001000800020020" SECTION), "air 10.0.0.1:1 12:82\n");
	ck_assert_str_eq(udp_drops(), "4 1 1 0");
	/* a fault of the datagram itself is told over TCP */
	ck_assert_ptr_nonnull(strstr(udp("030211001e000100044ae60001000800020020" "0005000c827008a0a1a2a3a4a5a6a7a8"),
	    "0: v3 stream_error " NAMES " error_status=0x000b"));
	ck_assert_str_eq(udp_drops(), "4 1 1 1");
	/* but once a second only, however many there are: anybody can send them */
	for (int i = 0; i < 1000; i++)
		ck_assert_str_eq(udp("030211001e000100044ae60001000800020020" "0005000c827008a0a1a2a3a4a5a6a7a8"), "");
	at(1001);
	ck_assert_ptr_nonnull(strstr(udp("030211001e000100044ae60001000800020020" "0005000c827008a0a1a2a3a4a5a6a7a8"), "error_status=0x000b"));
	ck_assert_str_eq(udp_drops(), "4 1 1 1002");
	mux_channel_fini(&peer[0]);	/* the right ends with the connection */
	ck_assert_str_eq(udp(UDP_DATA), "");
	ck_assert_str_eq(udp_drops(), "4 1 2 1002");
	finish();
}
END_TEST

START_TEST(udp_alone_by_configuration)
{
	char hex[512];

	start(false);
	for (size_t i = 0; i < map.n; i++)
		map.v[i].udp_alone = map.v[i].data_id != 33;
	ck_assert_str_eq(udp(UDP_DATA), "air 10.0.0.1:1 12:82\n");
	ck_assert_uint_eq(e.nstreams, 1);
	/* into a transport stream: the first datagram tells what is sent */
	snprintf(hex, sizeof(hex), "03021100ce000100044ae60001000800020022" "0005" "00bc" "47%0374d", 0);
	ck_assert_str_eq(udp(hex), "air 10.0.0.1:3?pid=0x01f0 188:47\n");
	ck_assert_str_eq(udp("030211001e000100044ae60001000800020022" SECTION), "");
	ck_assert_str_eq(udp_drops(), "0 0 0 1");
	ck_assert_str_eq(udp("030211001e00010004000200070008000200" "15" SECTION), "");	/* Smartcard Profile: never */
	/* an EMMG that comes by TCP takes the stream over, and with it goes the right */
	fed(0, SETUP);
	e.limits.max_streams_per_channel = 0;	/* one that is refused takes nothing */
	ck_assert_ptr_nonnull(strstr(fed(0, STREAM3), "error_status=0x0008"));
	ck_assert_uint_eq(e.nstreams, 2);
	e.limits.max_streams_per_channel = 9;
	e.limits.max_streams = 2;		/* nor is there one more */
	ck_assert_ptr_nonnull(strstr(fed(0, STREAM3), "stream_status"));
	ck_assert_uint_eq(e.nstreams, 2);
	at(29000);
	ck_assert_uint_eq(e.nstreams, 2);
	at(31000);	/* silent: its share is free */
	ck_assert_uint_eq(e.nstreams, 1);
	finish();
}
END_TEST

START_TEST(the_map_changes_under_open_streams)
{
	struct mux_map fresh = { 0 }, old = map;
	struct gw_err err = { 0 };

	set_up(false);
	old = map;
	fed(0, "030111001f000100044ae600010003000200010004000200040008000200210007000101");
	mux_map_add(&fresh, "0x4ae60001/32=udp://10.9.9.9:9", &err);
	e.map = &fresh;
	hush();
	mux_intake_revise(&e, now);
	ck_assert_ptr_nonnull(strstr(out, "0: v3 stream_error client_id=0x4ae60001 data_channel_id=1 data_stream_id=4 error_status=0x7001"));
	ck_assert_uint_eq(e.nstreams, 1);
	ck_assert_str_eq(fed(0, DATA), "air 10.9.9.9:9 12:82\n");
	mux_map_free(&old);
	map = fresh;
	finish();
}
END_TEST

SUITE("mux_channel", tcase_add_test(t, the_machine_is_a_page); tcase_add_test(t, a_session); tcase_add_test(t, every_negative_vector);
      tcase_add_loop_test(t, refusals, 0, NREFUSED); tcase_add_test(t, limits); tcase_add_test(t, the_largest_message);
      tcase_add_test(t, what_is_no_section_or_packet_is_refused); tcase_add_test(t, the_version_of_channel_setup_is_mirrored);
      tcase_add_test(t, version_1); tcase_add_test(t, each_deviation_is_named_once); tcase_add_test(t, errors_are_never_answered);
      tcase_add_test(t, silence_is_probed_and_the_dead_are_freed); tcase_add_test(t, a_stale_connection_gives_way);
      tcase_add_test(t, udp_feeds_streams_known_over_tcp); tcase_add_test(t, udp_alone_by_configuration);
      tcase_add_test(t, the_map_changes_under_open_streams))
