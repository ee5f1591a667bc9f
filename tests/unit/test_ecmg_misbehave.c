/* tests/unit/test_ecmg_misbehave.c: each fault does what its row says, to what it may strike, as often as it is told */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ecmg/misbehave.h"
#include "proto/ecmg_scs.h"
#include "tests/suite.h"

static struct ecmg_faults f;
static struct ecmg_edge *edge;
static int64_t now;
static char out[8192];		/* what left: messages as lines, or hex where they do not decode */
static size_t nout, pieces;
static uint8_t wire[8192];
static size_t nwire;

static void __attribute__((format(printf, 1, 2)))
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	nout += (size_t)vsnprintf(out + nout, sizeof(out) - nout, fmt, ap);
	va_end(ap);
}

/* The wire, cut into frames as a peer does it. */
static void
on_send(void *self, const uint8_t *bytes, size_t len)
{
	static struct sim_msg m;
	struct sim_fault why;
	char text[512];
	size_t n;

	ck_assert_ptr_eq(self, &f);
	pieces++;
	memcpy(wire + nwire, bytes, len);
	nwire += len;
	while ((n = sim_frame_length(wire, nwire)) != 0 && n <= nwire) {
		if (sim_decode_as(&ecmg_scs, SIM_STRICT, wire, n, &m, &why) == 0) {
			sim_print(&m, text, sizeof(text));
			say("v%u %s\n", m.version, text);
		} else {
			say("v%u %zu bytes, %s\n", m.version, n, sim_verdict_text(why.verdict));
		}
		memmove(wire, wire + n, nwire -= n);
	}
}

static void
on_close(void *self)
{
	(void)self;
	say("close\n");
}

static void
on_struck(void *self, const char *fault, const char *message)
{
	(void)self;
	ck_assert_ptr_nonnull(strstr(f.how.list, fault));
	ck_assert_str_ne(message, "");
}

static const struct ecmg_edge_door door = { on_send, on_close, on_struck };

static void
start(const char *list)
{
	struct ecmg_misbehave m;
	struct gw_err err = { 0 };

	ck_assert_msg(ecmg_misbehave_parse(&m, list, &err) == 0, "%s", err.text);
	ecmg_faults_init(&f, &m, &door);
	edge = ecmg_edge_new(&f, &f);
	now = 1000000;
	nout = pieces = nwire = 0;
	out[0] = '\0';
}

static void
send_hex(const char *hex)
{
	uint8_t msg[256];
	size_t n = unhex(hex, msg, sizeof(msg));

	ecmg_edge_send(edge, msg, n, now);
}

/* Runs the edge's own clock up to so many ms from now; what left since the last time. */
static const char *
after(int64_t ms)
{
	const int64_t end = now + ms * 1000;
	static char said[8192];

	while (ecmg_edge_due(edge) <= end) {
		now = ecmg_edge_due(edge) > now ? ecmg_edge_due(edge) : now;
		ecmg_edge_time(edge, now);
	}
	now = end;
	strcpy(said, out);
	nout = 0;
	out[0] = '\0';
	return said;
}

#define ECM(cp) "0302020019000e00020001000f0002000700120002" cp "0015000380700a"
#define ECM_LINE(cp) "v3 ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=" cp " ECM_datagram=80700a\n"
#define STATUS "0301030017000e00020001000f000200070019000201020011000100"
#define STATUS_LINE "v3 stream_status ECM_channel_id=1 ECM_stream_id=7 ECM_id=258 access_criteria_transfer_mode=0\n"

/* What an ECM of CP 100, then one of CP 101, and a stream_status between them become. */
static const struct { const char *list, *becomes; } faults[] = {
	{ "error=0x000D", "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x000d\n" STATUS_LINE
	    "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x000d\n" },
	{ "wrong-cp", ECM_LINE("101") STATUS_LINE ECM_LINE("102") },
	{ "wrong-channel,times=1", "v3 ECM_response ECM_channel_id=2 ECM_stream_id=7 CP_number=100 ECM_datagram=80700a\n" STATUS_LINE ECM_LINE("101") },
	{ "empty,skip=1", ECM_LINE("100") STATUS_LINE "v3 ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=101 ECM_datagram=\n" },
	{ "truncate,times=1", "v3 29 bytes, malformed message\n" STATUS_LINE ECM_LINE("101") },
	{ "garbage,times=1", "v3 30 bytes, malformed message\n" STATUS_LINE ECM_LINE("101") },
	{ "unasked-test,times=1", ECM_LINE("100") "v3 channel_test ECM_channel_id=1\nv3 stream_test ECM_channel_id=1 ECM_stream_id=7\n" STATUS_LINE ECM_LINE("101") },
	{ "unknown,times=1", ECM_LINE("100") "v3 11 bytes, unknown message type\n" STATUS_LINE ECM_LINE("101") },
	{ "version=2,times=2", "v2 ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=100 ECM_datagram=80700a\n"
	    "v2 stream_status ECM_channel_id=1 ECM_stream_id=7 ECM_id=258 access_criteria_transfer_mode=0\n" ECM_LINE("101") },
	{ "no-stream-status", ECM_LINE("100") ECM_LINE("101") },
	{ "slow-status=20ms", ECM_LINE("100") ECM_LINE("101") STATUS_LINE },
	{ "drop,times=1", STATUS_LINE ECM_LINE("101") },
	{ "duplicate,times=1", ECM_LINE("100") ECM_LINE("100") STATUS_LINE ECM_LINE("101") },
	{ "late=20ms,times=1", STATUS_LINE ECM_LINE("101") ECM_LINE("100") },
	{ "reorder,times=1", STATUS_LINE ECM_LINE("101") ECM_LINE("100") },
	{ "close,skip=1", ECM_LINE("100") STATUS_LINE "close\n" },
	{ "half-open", "" },
	{ "split=1,times=1", ECM_LINE("100") STATUS_LINE ECM_LINE("101") },
};
_Static_assert(sizeof(faults) / sizeof(faults[0]) == ECMG_FAULTS, "every row is tried");

START_TEST(a_fault_does_what_its_row_says)
{
	char form[48];

	ecmg_misbehave_row((size_t)_i, form);
	ck_assert_int_eq(strncmp(form, faults[_i].list, strcspn(form, "[=")), 0);	/* in the order of the table */
	start(faults[_i].list);
	send_hex(ECM("0064"));
	send_hex(STATUS);
	send_hex(ECM("0065"));
	ck_assert_str_eq(after(100), faults[_i].becomes);
	ck_assert_uint_ge(f.struck, 1);
	ck_assert_int_eq(ecmg_edge_due(edge), INT64_MAX);
	ecmg_edge_free(edge);
}
END_TEST

START_TEST(what_is_late_is_not_early)
{
	start("late=800ms");
	send_hex(ECM("0064"));
	ck_assert_str_eq(after(799), "");
	ck_assert_str_eq(after(1), ECM_LINE("100"));
	send_hex(ECM("0065"));	/* never sent: the connection ends first */
	ecmg_edge_free(edge);
}
END_TEST

START_TEST(a_split_message_is_whole_before_another_begins)
{
	start("split=7,times=1");
	send_hex(ECM("0064"));
	send_hex(ECM("0065"));
	ck_assert_uint_eq(pieces, 1);
	ck_assert_str_eq(after(100), ECM_LINE("100") ECM_LINE("101"));
	ck_assert_uint_eq(pieces, 5 + 1);	/* 30 bytes are five pieces */
	ecmg_edge_free(edge);
}
END_TEST

START_TEST(the_same_seed_does_the_same)
{
	uint64_t struck[3];

	for (int run = 0; run < 3; run++) {
		start(run < 2 ? "drop=0.1,seed=7" : "drop=0.1,seed=8");
		for (int k = 0; k < 2000; k++) {
			send_hex(ECM("0064"));
			after(0);
		}
		struck[run] = f.struck;
		ck_assert_uint_eq(f.seen, 2000);
		ck_assert(struck[run] > 150 && struck[run] < 250);	/* 200, and 3.7 standard deviations */
		ecmg_edge_free(edge);
		nwire = 0;
	}
	ck_assert_uint_eq(struck[0], struck[1]);
	ck_assert_uint_ne(struck[0], struck[2]);
}
END_TEST

static const struct { const char *list, *said; } wrong[] = {
	{ "drp", "drp: no such misbehaviour" }, { "", ": no such misbehaviour" }, { "late", "late: a value is missing" },
	{ "late=800", "late: 800 is no time" }, { "late=-1ms", "late: -1ms is no time" }, { "late=2h", "is no time" },
	{ "drop=0", "drop: 0 is no probability" }, { "drop=1.5", "is no probability" }, { "drop=x", "is no probability" },
	{ "error=0x10000", "error: 0x10000 is no number from 0 to 65535" }, { "error=0x000D@2", "error: 2 is no probability" },
	{ "version=256", "is no number" }, { "split=0", "split: 0 is no number from 1" }, { "no-stream-status=1", "it takes no value" },
	{ "seed=7", "seed=7: no misbehaviour among it" }, { "drop,seed", "seed: " }, { "drop,,late=1ms", ": no such" },
};

START_TEST(a_wrong_list_is_refused_by_word)
{
	struct ecmg_misbehave m;
	struct gw_err err = { 0 };

	ck_assert_int_eq(ecmg_misbehave_parse(&m, wrong[_i].list, &err), -1);
	ck_assert_int_eq(err.code, GW_EUSAGE);
	ck_assert_msg(strstr(err.text, wrong[_i].said) != NULL, "%s", err.text);
}
END_TEST

START_TEST(the_manual_page_has_every_row)
{
	const char *top = getenv("top_srcdir"), *meaning;
	static char page[65536];
	char path[4096], form[48], row[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/man/simulgate-ecmg.8", top ? top : ".");
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s", path);
	page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
	fclose(file);
	for (size_t k = 0; (meaning = ecmg_misbehave_row(k, form)) != NULL; k++) {
		snprintf(row, sizeof(row), ".It Li %s\n", form);
		ck_assert_msg(strstr(page, row) != NULL, "no row %s", form);
	}
}
END_TEST

SUITE("ecmg_misbehave", tcase_add_loop_test(t, a_fault_does_what_its_row_says, 0, ECMG_FAULTS);
    tcase_add_test(t, what_is_late_is_not_early); tcase_add_test(t, a_split_message_is_whole_before_another_begins);
    tcase_add_test(t, the_same_seed_does_the_same); tcase_add_test(t, the_manual_page_has_every_row);
    tcase_add_loop_test(t, a_wrong_list_is_refused_by_word, 0, sizeof(wrong) / sizeof(wrong[0])))
