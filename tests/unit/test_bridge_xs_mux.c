/* tests/unit/test_bridge_xs_mux.c: what tags 11 and 15 bring, stored and repeated, on fake clocks */
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "bridge/xs_mux.h"
#include "lib/log.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)
enum { UTC = 1795257000 };

static struct xs_carousel *c;
static int64_t mono, utc;
static struct { int stored, forgotten, wants; bool fails, full; uint32_t want; size_t n; int64_t at[4096]; uint8_t first[4096]; } saw;

static bool
on_store(void *self, const struct gw_object *const *v, size_t n)
{
	(void)self;
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_gt(v[i]->len, 0);
	saw.stored += saw.fails ? 0 : (int)n;
	return !saw.fails;
}

static void
on_forget(void *self, int64_t now_s)
{
	(void)self;
	ck_assert_int_eq(now_s, utc / S);
	saw.forgotten++;
}

static int
on_send(void *self, const uint8_t *p, size_t len)
{
	(void)self;
	ck_assert_uint_gt(len, 0);
	ck_assert_uint_lt(saw.n, 4096);
	saw.at[saw.n] = utc - UTC * S;
	saw.first[saw.n++] = p[0];
	return saw.full;
}

static void
on_want(void *self, uint32_t bps)
{
	(void)self;
	saw.wants++;
	saw.want = bps;
}

static const struct xs_carousel_ops ops = { .store = on_store, .forget = on_forget, .send = on_send, .want = on_want };
static const struct xs_carousel_conf conf = { .name = "news", .data_id = 2, .repetition_ms = 10000, .bandwidth_bps = 64000 };

static void
begin(void)
{
	gw_log_init("test", GW_ERR);
	memset(&saw, 0, sizeof(saw));
	mono = 500 * S;
	utc = UTC * S;
	c = xs_carousel_new(&conf, &ops, NULL);
	ck_assert_ptr_nonnull(c);
}

static void
until(int64_t seconds_us)
{
	int64_t end = utc + seconds_us;

	for (int i = 0;; i++) {
		int64_t at = xs_carousel_next(c), step = at > mono ? at - mono : 0;
		if (at == INT64_MAX || utc + step > end)
			break;
		ck_assert_int_lt(i, 100000);	/* asks for the present without end */
		mono += step;
		utc += step;
		xs_carousel_tick(c, mono, utc);
	}
	mono += end - utc;
	utc = end;
}

/* A delivery of n objects whose octets are first, first + 1 …; window in seconds from UTC. */
static struct sp4_msg
delivery(int first, size_t n, size_t len, int64_t start, int64_t stop, int64_t every_ms)
{
	static uint8_t data[256][2048];
	struct sp4_msg m;

	sp4_init(&m, 11);
	m.n_data = n;
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = memset(data[first + (int)i], first + (int)i, sizeof(data[0]));
		m.data[i] = (struct sp4_octets){ p, len };
	}
	m.distribution_start = sp4_ntp(UTC + start);
	m.distribution_end = sp4_ntp(UTC + stop);
	m.n_distribution = 1;
	m.distribution = (struct sp4_distribution_context){ .data_id = 2, .repetition_ms = every_ms, .bandwidth_kbps = SP4_ABSENT };
	return m;
}

static unsigned
deliver(const struct sp4_msg *m)
{
	const char *why = NULL;
	unsigned status = xs_carousel_deliver(c, m, mono, utc, &why);

	ck_assert_int_eq(status != 0, why != NULL);
	return status;
}

START_TEST(an_object_is_repeated_within_its_window)
{
	struct sp4_msg m = delivery(1, 1, 100, 5, 26, 5000);

	begin();
	xs_carousel_rate(c, 64000, mono);
	ck_assert_uint_eq(deliver(&m), 0);
	ck_assert_int_eq(saw.stored, 1);
	until(60 * S);
	ck_assert_uint_eq(saw.n, 5);	/* 5, 10, 15, 20, 25 */
	for (size_t i = 0; i < saw.n; i++)
		ck_assert_int_eq(saw.at[i], (int64_t)(i + 1) * 5 * S);
	ck_assert_int_eq(saw.forgotten, 1);
	ck_assert_int_eq(xs_carousel_next(c), INT64_MAX);
	xs_carousel_free(c);
}
END_TEST

START_TEST(never_more_than_the_bandwidth)
{
	struct sp4_msg m = delivery(1, 10, 1000, 0, 3600, 1000);	/* 80 kbit/s of objects */
	struct xs_carousel_view v;

	begin();
	ck_assert_uint_eq(deliver(&m), 0);
	until(10 * S);
	ck_assert_uint_eq(saw.n, 0);		/* no mux yet */
	xs_carousel_rate(c, 8000, mono);
	until(100 * S);
	ck_assert_uint_ge(saw.n, 99);
	ck_assert_uint_le(saw.n, 102);
	for (int k = 1; k <= 10; k++) {	/* and all get their share */
		int n = 0;
		for (size_t i = 0; i < saw.n; i++)
			n += saw.first[i] == k;
		ck_assert_int_ge(n, 9);
	}
	xs_carousel_view(c, &v);
	ck_assert_uint_gt(v.late, 0);
	xs_carousel_rate(c, 0, mono);
	saw.n = 0;
	until(100 * S);
	ck_assert_uint_eq(saw.n, 0);
	xs_carousel_free(c);
}
END_TEST

START_TEST(a_full_connection_rests)
{
	struct sp4_msg m = delivery(1, 3, 100, 0, 3600, 1000);

	begin();
	xs_carousel_rate(c, 64000, mono);
	saw.full = true;
	ck_assert_uint_eq(deliver(&m), 0);
	until(5 * S);
	ck_assert_uint_eq(saw.n, 1);
	saw.full = false;
	xs_carousel_go_on(c);
	until(1 * S);
	ck_assert_uint_ge(saw.n, 4);
	xs_carousel_free(c);
}
END_TEST

START_TEST(the_same_again_is_one_object_with_the_new_window)
{
	struct sp4_msg m = delivery(1, 1, 100, 0, 10, 4000), again = delivery(1, 1, 100, 0, 20, 4000);
	struct xs_carousel_view v;

	begin();
	xs_carousel_rate(c, 64000, mono);
	ck_assert_uint_eq(deliver(&m), 0);
	until(1 * S);
	ck_assert_uint_eq(saw.n, 1);
	ck_assert_uint_eq(deliver(&again), 0);
	until(1 * S);
	ck_assert_uint_eq(saw.n, 1);
	xs_carousel_view(c, &v);
	ck_assert_uint_eq(v.objects, 1);
	until(60 * S);
	ck_assert_uint_eq(saw.n, 5);	/* 0, 4, 8, 12, 16 */
	ck_assert_int_eq(saw.forgotten, 1);
	xs_carousel_free(c);
}
END_TEST

START_TEST(nothing_is_kept_that_is_not_stored)
{
	struct sp4_msg m = delivery(1, 3, 100, 0, 10, 1000);
	struct xs_carousel_view v;

	begin();
	xs_carousel_rate(c, 64000, mono);
	saw.fails = true;
	ck_assert_uint_eq(deliver(&m), BR_DELAYED);
	xs_carousel_view(c, &v);
	ck_assert_uint_eq(v.objects, 0);
	saw.fails = false;
	ck_assert_uint_eq(deliver(&m), 0);
	ck_assert_int_eq(saw.stored, 3);
	xs_carousel_free(c);
}
END_TEST

static void no_end(struct sp4_msg *m) { m->distribution_end = SP4_ABSENT; }
static void past(struct sp4_msg *m) { m->distribution_start = sp4_ntp(UTC - 20); m->distribution_end = sp4_ntp(UTC); }
static void backwards(struct sp4_msg *m) { m->distribution_end = m->distribution_start; }
static void other_stream(struct sp4_msg *m) { m->distribution.data_id = 3; }
static void empty(struct sp4_msg *m) { m->data[1].len = 0; }
static void long_one(struct sp4_msg *m) { static uint8_t p[65536]; m->data[1] = (struct sp4_octets){ p, 65536 }; }
static const struct { void (*spoil)(struct sp4_msg *); unsigned status; } faults[] = { { no_end, BR_MISSING }, { past, BR_INVALID },
	{ backwards, BR_INVALID }, { other_stream, BR_INVALID }, { empty, BR_INVALID }, { long_one, BR_INVALID } };
START_TEST(a_faulty_delivery_is_refused_whole)
{
	struct sp4_msg m = delivery(1, 2, 100, 0, 10, 1000);
	struct xs_carousel_view v;

	begin();
	faults[_i].spoil(&m);
	ck_assert_uint_eq(deliver(&m), faults[_i].status);
	ck_assert_int_eq(saw.stored, 0);
	xs_carousel_view(c, &v);
	ck_assert_uint_eq(v.objects, 0);
	xs_carousel_free(c);
}
END_TEST

START_TEST(what_is_left_out_is_of_the_configuration)
{
	struct sp4_msg m = delivery(1, 1, 100, 0, 30, 1000);

	begin();
	xs_carousel_rate(c, 64000, mono);
	m.n_distribution = 0;
	m.distribution_start = SP4_ABSENT;
	ck_assert_uint_eq(deliver(&m), 0);
	until(60 * S);
	ck_assert_uint_eq(saw.n, 3);	/* every 10 s, from now on */
	xs_carousel_free(c);
}
END_TEST

START_TEST(as_many_as_fit)
{
	unsigned status = 0;
	struct xs_carousel_view v;
	size_t n = 0;

	begin();
	for (int i = 0; i < 70 && status == 0; i++) {	/* the first octets count, the rest is the same */
		static uint8_t data[64][70];
		struct sp4_msg m = delivery(0, 64, 70, 0, 3600, 1000);
		for (size_t k = 0; k < 64; k++) {
			data[k][0] = (uint8_t)i, data[k][1] = (uint8_t)k;
			m.data[k].p = data[k];
		}
		status = deliver(&m);
		n += status == 0;
	}
	ck_assert_uint_eq(status, BR_DELAYED);
	ck_assert_uint_eq(n, XS_OBJECTS / 64);
	xs_carousel_view(c, &v);
	ck_assert_uint_eq(v.objects, XS_OBJECTS);
	until(3601 * S);	/* without a mux: windows end all the same */
	xs_carousel_view(c, &v);
	ck_assert_uint_eq(v.objects, 0);
	ck_assert_int_eq(saw.forgotten, 1);	/* together: a write waits for the disk, and everybody with it */
	xs_carousel_free(c);
}
END_TEST

START_TEST(the_wish_for_bandwidth)
{
	struct sp4_msg m = delivery(1, 1, 100, 0, 30, 1000), n = delivery(2, 1, 100, 0, 20, 1000);

	begin();
	xs_carousel_rate(c, 64000, mono);
	m.distribution.bandwidth_kbps = 16;
	ck_assert_uint_eq(deliver(&m), 0);
	ck_assert_uint_eq(saw.want, 16000);
	n.distribution.bandwidth_kbps = 32;
	ck_assert_uint_eq(deliver(&n), 0);
	ck_assert_uint_eq(saw.want, 32000);
	until(21 * S);
	ck_assert_uint_eq(saw.want, 16000);
	n = delivery(3, 1, 100, 0, 60, 1000);
	n.distribution.bandwidth_kbps = 1000;	/* more than the entry has */
	ck_assert_uint_eq(deliver(&n), 0);
	ck_assert_uint_eq(saw.want, 64000);
	xs_carousel_free(c);
}
END_TEST

START_TEST(a_clock_that_jumps)
{
	struct sp4_msg m = delivery(1, 1, 100, 3600, 7200, 1000);

	begin();
	xs_carousel_rate(c, 64000, mono);
	ck_assert_uint_eq(deliver(&m), 0);
	until(60 * S);
	ck_assert_uint_eq(saw.n, 0);
	utc += 3600 * S;	/* NTP has come */
	until(12 * S);
	ck_assert_uint_ge(saw.n, 2);
	xs_carousel_free(c);
}
END_TEST

static size_t restored;
static void
put_back(void *self, const struct gw_object *o)
{
	(void)self;
	ck_assert_int_eq(xs_carousel_restore(c, o, mono), 0);
	restored++;
}

START_TEST(the_store_remembers)
{
	struct gw_objects *o = NULL;
	struct gw_object a = { .start_s = UTC, .end_s = UTC + 30, .repetition_ms = 5000, .bandwidth_kbps = 8, .p = (const uint8_t *)"LTKM", .len = 4 }, b = a;
	const struct gw_object *v[] = { &a, &b };
	struct gw_err err = { 0 };
	char path[400];

	begin();
	snprintf(path, sizeof(path), "%s", scratch("objects.db"));
	memset(a.digest, 1, sizeof(a.digest));
	memset(b.digest, 2, sizeof(b.digest));
	b.p = (const uint8_t *)"BCRO";
	ck_assert_int_eq(gw_objects_open(path, &o, &err), 0);
	ck_assert_int_eq(gw_objects_put(o, "news", v, 2), GW_WON);
	ck_assert_int_eq(gw_objects_put(o, "other", v, 1), GW_WON);
	a.end_s = UTC + 20;
	ck_assert_int_eq(gw_objects_put(o, "news", v, 1), GW_WON);
	ck_assert_int_eq(gw_objects_trim(o, UTC + 20), GW_WON);	/* none is before that */
	gw_objects_close(o);
	ck_assert_int_eq(gw_objects_open(path, &o, &err), 0);
	ck_assert_int_eq(gw_objects_each(o, "nobody", put_back, NULL), GW_WON);
	ck_assert_uint_eq(restored, 0);
	ck_assert_int_eq(gw_objects_each(o, "news", put_back, NULL), GW_WON);
	ck_assert_uint_eq(restored, 2);
	xs_carousel_rate(c, 64000, mono);
	until(60 * S);
	ck_assert_uint_eq(saw.n, 4 + 6);
	ck_assert_uint_eq(saw.want, 64000);
	ck_assert_int_eq(gw_objects_trim(o, UTC + 25), GW_WON);
	restored = 0;
	ck_assert_int_eq(gw_objects_each(o, "news", put_back, NULL), GW_WON);
	ck_assert_uint_eq(restored, 1);
	gw_objects_close(o);
	xs_carousel_free(c);
}
END_TEST

SUITE("bridge_xs_mux", tcase_add_test(t, an_object_is_repeated_within_its_window); tcase_add_test(t, never_more_than_the_bandwidth);
    tcase_add_test(t, a_full_connection_rests); tcase_add_test(t, the_same_again_is_one_object_with_the_new_window);
    tcase_add_test(t, nothing_is_kept_that_is_not_stored);
    tcase_add_loop_test(t, a_faulty_delivery_is_refused_whole, 0, sizeof(faults) / sizeof(faults[0]));
    tcase_add_test(t, what_is_left_out_is_of_the_configuration); tcase_add_test(t, as_many_as_fit); tcase_add_test(t, the_wish_for_bandwidth);
    tcase_add_test(t, a_clock_that_jumps); tcase_add_test(t, the_store_remembers))
