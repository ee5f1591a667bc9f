/* tests/unit/test_record.c: what simulgate-replay keeps is read back as it was said: over IPv4 and IPv6, in segments and in fragments */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "tests/suite.h"
#include "tools/record.h"
#include "tools/talk.h"

static char path[] = "/tmp/test_record.XXXXXX";
static uint8_t large[SIM_MAX], small[64];
static size_t nlarge, nsmall;

static struct ip_ends
ends(bool v6)
{
	struct ip_ends e = { .v6 = v6, .from_port = 50000, .to_port = 2000 };

	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? "2001:db8::5" : "192.0.2.5", e.from);
	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? "2001:db8::9" : "192.0.2.9", e.to);
	return e;
}

/* A data_provision with one datagram. */
static size_t
provision(uint8_t *out, size_t cap, size_t datagram)
{
	static uint8_t octets[60000];
	struct sim_writer w;
	size_t n;

	for (size_t k = 0; k < datagram; k++)
		octets[k] = (uint8_t)(k * 7 + (k >> 8));
	sim_begin(&w, &emmg_mux, 2, EMMG_DATA_PROVISION, out, cap);
	sim_put_int(&w, EMMG_CLIENT_ID, 0x4adc0001);
	sim_put_int(&w, EMMG_CHANNEL_ID, 1);
	sim_put_int(&w, EMMG_STREAM_ID, 1);
	sim_put_int(&w, EMMG_DATA_ID, 5);
	sim_put_bytes(&w, EMMG_DATAGRAM, octets, datagram);
	n = sim_end(&w, NULL);
	ck_assert_uint_gt(n, datagram);
	return n;
}

static void
written(bool v6)
{
	struct gw_err err = { 0 };
	struct ip_ends e = ends(v6);
	struct record_conn conn;
	struct record *r;
	struct stat st;
	int fd = mkstemp(strcpy(path, "/tmp/test_record.XXXXXX"));

	ck_assert_int_ge(fd, 0);
	close(fd);
	unlink(path);
	ck_assert_ptr_nonnull(r = record_open(path, "test", &err));
	nlarge = provision(large, sizeof(large), 59000);
	nsmall = provision(small, sizeof(small), 3);
	record_begin(r, &conn, &e, INT64_C(1700000000000000000));
	record_octets(r, &conn, 0, small, nsmall, INT64_C(1700000000000000001));
	record_octets(r, &conn, 0, large, nlarge, INT64_C(1700000001000000000));
	record_octets(r, &conn, 1, small, nsmall, INT64_C(1700000002000000000));	/* what a MUX never says; it is not the record's to know */
	record_datagram(r, &e, large, nlarge, INT64_C(1700000003000000000));
	record_datagram(r, &e, small, nsmall, INT64_C(1700000003500000000));
	record_end(r, &conn, 1, INT64_C(1700000004000000000));
	ck_assert_uint_eq(record_frames(r), 3 + 2 + 2 * ((nlarge + 1439) / 1440) + 2 + (nlarge + 8 + 1479) / 1480 + 1 + 3);
	ck_assert_int_eq(record_close(r, &err), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
}

START_TEST(what_is_kept_is_read_back)	/* _i: IPv6 */
{
	struct talk_conf conf = { .msg = { .as = &emmg_mux } };
	struct gw_err err = { 0 };
	struct talk t;
	struct talk_msg *m;

	written(_i);
	ck_assert_int_eq(talk_read(&t, path, &conf, &err), 0);
	ck_assert_uint_eq(t.n, 1);	/* datagrams stand with the connection of their client */
	ck_assert_uint_eq(t.c[0].n, 5);
	ck_assert_uint_eq(t.c[0].lost, 0);
	ck_assert(!t.c[0].midway);
	ck_assert_int_eq(t.origin_ns, INT64_C(1700000000000000000));
	m = t.c[0].m;
	ck_assert(m[0].len == nsmall && m[0].side == TALK_CLIENT && !m[0].udp && memcmp(m[0].p, small, nsmall) == 0);
	ck_assert_int_eq(m[0].at_ns, INT64_C(1700000000000000001));
	ck_assert(m[1].len == nlarge && memcmp(m[1].p, large, nlarge) == 0);
	ck_assert(m[2].side == TALK_SERVER && m[2].len == nsmall);
	ck_assert(m[3].udp && m[3].len == nlarge && memcmp(m[3].p, large, nlarge) == 0);
	ck_assert(m[4].udp && m[4].len == nsmall && m[4].at_ns == INT64_C(1700000003500000000));
	talk_free(&t);
	unlink(path);
}
END_TEST

START_TEST(a_place_that_cannot_be_written)
{
	struct gw_err err = { 0 };

	ck_assert_ptr_null(record_open("/nowhere/x.pcapng", "test", &err));
	ck_assert_int_eq(err.code, GW_ESYS);
	if (access("/dev/full", W_OK) == 0) {
		struct record *r = record_open("/dev/full", "test", &err);

		ck_assert_ptr_nonnull(r);
		ck_assert_int_eq(record_close(r, &err), -1);
		ck_assert_ptr_nonnull(strstr(err.text, "/dev/full"));
	}
}
END_TEST

START_TEST(sessions_are_chosen_by_number_and_interface)
{
	struct talk_conf conf = { .iface = &ecmg_scs };
	struct gw_err err = { 0 };
	struct talk t;

	written(false);
	ck_assert_int_eq(talk_read(&t, path, &conf, &err), 0);
	ck_assert_uint_eq(t.n, 0);
	conf = (struct talk_conf){ .msg = { .as = &emmg_mux }, .sessions = "2" };
	ck_assert_int_eq(talk_read(&t, path, &conf, &err), 0);
	ck_assert_uint_eq(t.n, 1);
	ck_assert(t.c[0].udp && t.c[0].n == 2);	/* without the connection, alone */
	talk_free(&t);
	unlink(path);
	ck_assert_int_eq(talk_read(&t, path, &conf, &err), -1);
	ck_assert_int_eq(err.code, GW_ECONF);
}
END_TEST

SUITE("record",
	tcase_add_loop_test(t, what_is_kept_is_read_back, 0, 2);
	tcase_add_test(t, a_place_that_cannot_be_written);
	tcase_add_test(t, sessions_are_chosen_by_number_and_interface))
