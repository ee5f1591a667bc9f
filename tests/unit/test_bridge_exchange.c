/* tests/unit/test_bridge_exchange.c: exchanges between two bridges on one loop; when what is repeated; what is kept; whose certificate it is */
#include "bridge/exchange.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "bridge/ex_int.h"
#include "bridge/ex_store.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/secret.h"
#include "lib/tls_name.h"
#include "tests/suite.h"
#include "tests/unit/test_ca.h"

/* ---- when ---- */

START_TEST(waits_grow_to_a_minute)
{
	static const int64_t want_ms[] = { 200, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

	for (unsigned i = 0; i < sizeof(want_ms) / sizeof(want_ms[0]); i++)
		ck_assert_int_eq(ex_retry_us(i + 1), want_ms[i] * 1000);
	ck_assert_int_eq(ex_retry_us(1000000), 60000000);
}
END_TEST

/* ---- who ---- */

START_TEST(certificates_name_their_owners)
{
	static const struct { const char *identity; bool is; } rows[] = {
		{ "bsm1.operator.example", true }, { "BSM1.Operator.example", true }, { "bsm1.operator.exampl", false }, { "bsm1.operator.example.", false },
		{ "a.wild.example", false }, { "*.wild.example", true /* the name itself */ }, { "urn:operator:bsm2", true }, { "urn:operator:BSM2", false },
		{ "urn:operator:bsm", false }, { "subject", false }, { "127.0.0.1", false }, { "", false }, { "mail@operator.example", false },
	};
	struct test_ca ca;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	uint8_t *der = NULL;
	X509 *x;
	int len;

	ca_open(&ca, "ca");
	x = ca_sign(&ca, "subject", "DNS:bsm1.operator.example,DNS:*.wild.example,URI:urn:operator:bsm2,IP:127.0.0.1,email:mail@operator.example", key);
	len = i2d_X509(x, &der);
	ck_assert_int_gt(len, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(gw_tls_names(x, rows[i].identity) == rows[i].is, "%s", rows[i].identity);
		ck_assert(gw_tls_names_der(der, (size_t)len, rows[i].identity) == rows[i].is);
	}
	for (int n = 0; n < len; n++)
		ck_assert(!gw_tls_names_der(der, (size_t)n, "bsm1.operator.example"));
	X509_free(x);
	ca_issue(&ca, "localhost");
	x = ca_sign(&ca, "bare", "DNS:other.example", key);
	ck_assert(!gw_tls_names(x, "bare"));
	X509_free(x);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	ca_close(&ca);
}
END_TEST

/* ---- what is kept ---- */

static char *
slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *p = malloc(1 << 20);

	*len = f ? fread(p, 1, 1 << 20, f) : 0;
	if (f)
		fclose(f);
	return p;
}

static bool
on_disk(const char *path, const char *text)
{
	char wal[160];
	size_t n, m;
	char *a = slurp(path, &n), *b;
	bool found;

	snprintf(wal, sizeof(wal), "%s-wal", path);
	b = slurp(wal, &m);
	found = memmem(a, n, text, strlen(text)) || memmem(b, m, text, strlen(text));
	free(a);
	free(b);
	return found;
}

START_TEST(answers_are_kept_for_ten_minutes)
{
	const int64_t now = INT64_C(1795257000) * 1000000, minute = 60 * INT64_C(1000000);
	uint8_t one[EX_HASH] = { 1 }, other[EX_HASH] = { 2 };
	struct ex_store *s = NULL;
	struct gw_err err = { 0 };
	struct gw_blob b;
	char path[128], master[128];
	bool same;

	snprintf(path, sizeof(path), "%s", scratch("b.db"));
	snprintf(master, sizeof(master), "%s", scratch("b.master"));
	for (int64_t life = 1; life <= 3; life++) {
		ck_assert_msg(ex_store_open(path, master, &s, &err) == 0, "%s", err.text);
		ck_assert_int_eq(ex_store_boot(s), life);
		if (life == 1) {
			ck_assert_int_eq(ex_store_find(s, "bsm1", "m-1", one, now, &same, &b), GW_EXISTS);
			ex_store_begin(s);
			ck_assert_int_eq(ex_store_keep(s, "bsm1", "m-1", one, now, false, "open answer", 11), GW_WON);
			ck_assert_int_eq(ex_store_keep(s, "bsm1", "m-2", one, now + minute, true, "closed answer", 13), GW_WON);
			ck_assert_int_eq(ex_store_flush(s), GW_WON);
			ck_assert_int_eq(ex_store_keep(s, "bsm1", "future", one, now + 60 * minute, false, "x", 1), GW_WON);
			ck_assert(on_disk(path, "open answer"));
			ck_assert(!on_disk(path, "closed answer"));
		}
		ck_assert_int_eq(ex_store_find(s, "bsm1", "m-1", one, now + 9 * minute, &same, &b), GW_WON);
		ck_assert(same && b.len == 11 && memcmp(b.p, "open answer", 11) == 0);
		gw_store_free(&b);
		ck_assert_int_eq(ex_store_find(s, "bsm1", "m-2", one, now + 9 * minute, &same, &b), GW_WON);
		ck_assert(same && b.len == 13 && memcmp(b.p, "closed answer", 13) == 0);
		gw_store_free(&b);
		ck_assert_int_eq(ex_store_find(s, "bsm1", "m-2", other, now, &same, &b), GW_WON);
		ck_assert(!same && !b.p);
		ck_assert_int_eq(ex_store_find(s, "bsm2", "m-1", one, now, &same, &b), GW_EXISTS);
		ck_assert_int_eq(ex_store_find(s, "bsm1", "m-1", one, now + 10 * minute, &same, &b), GW_EXISTS);
		ck_assert_int_eq(ex_store_find(s, "bsm1", "future", one, now, &same, &b), GW_EXISTS);
		if (life == 3) {
			ex_store_trim(s, now + 10 * minute + 1);
			ck_assert_int_eq(ex_store_find(s, "bsm1", "m-1", one, now, &same, &b), GW_EXISTS);
			ck_assert_int_eq(ex_store_find(s, "bsm1", "m-2", one, now, &same, &b), GW_WON);
			gw_store_free(&b);
		}
		ex_store_close(s);
	}
	ck_assert_int_eq(unlink(master), 0);
	ck_assert_int_eq(ex_store_open(path, master, &s, &err), -1);
}
END_TEST

static const int64_t then_us = INT64_C(1795257000) * 1000000, minute_us = 60 * INT64_C(1000000);

static struct ex_store *
open_store(const char *name)
{
	struct ex_store *s = NULL;
	struct gw_err err = { 0 };
	char path[128], master[160];

	snprintf(path, sizeof(path), "%s", scratch(name));
	snprintf(master, sizeof(master), "%s.master", path);
	ck_assert_msg(ex_store_open(path, master, &s, &err) == 0, "%s", err.text);
	return s;
}

static enum gw_outcome
keep_one(struct ex_store *s, const char *source, int n, int64_t utc_us, bool secret, size_t len)
{
	static const uint8_t hash[EX_HASH];
	static char answer[100000];
	char id[32];

	snprintf(id, sizeof(id), "m-%06d", n);
	return ex_store_keep(s, source, id, hash, utc_us, secret, answer, len);
}

static void
holds(const struct ex_store *s, const char *source, int64_t answers, int64_t octets)
{
	struct ex_kept k;

	ex_store_kept(s, source, &k);
	ck_assert_int_eq(k.answers, answers);
	ck_assert_int_eq(k.octets, octets);
}

START_TEST(what_is_kept_is_counted)
{
	enum { ONE = 1000 + 2 * (4 + 8) + 128 };	/* as ex_store.c counts it */
	struct ex_store *s = open_store("count.db");
	sqlite3 *other;
	struct ex_kept k;
	int64_t wrapped;

	holds(s, NULL, 0, 0);
	ck_assert_int_eq(keep_one(s, "bsm1", 1, then_us, false, 1000), GW_WON);
	holds(s, "bsm1", 1, ONE);
	ex_store_begin(s);
	keep_one(s, "bsm1", 2, then_us + minute_us, false, 1000);
	keep_one(s, "bsm2", 1, then_us + minute_us, true, 1000);
	holds(s, NULL, 1, ONE);
	ck_assert_int_eq(ex_store_flush(s), GW_WON);
	holds(s, "bsm1", 2, 2 * ONE);
	ex_store_kept(s, "bsm2", &k);
	wrapped = k.octets;
	ck_assert_int_gt(wrapped, ONE);		/* what is on disk is longer */
	holds(s, NULL, 3, 2 * ONE + wrapped);

	/* the same name when its time is over, but it is not away yet: one takes the other's place */
	ex_store_begin(s);
	keep_one(s, "bsm1", 1, then_us + 11 * minute_us, false, 500);
	ck_assert_int_eq(ex_store_flush(s), GW_WON);
	holds(s, "bsm1", 2, 2 * ONE - 500);
	ck_assert_int_eq(keep_one(s, "bsm1", 1, then_us + 11 * minute_us, false, 1000), GW_WON);
	holds(s, "bsm1", 2, 2 * ONE);

	/* what is not kept does not count */
	ck_assert_int_eq(sqlite3_open(scratch("count.db"), &other), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	ex_store_begin(s);
	ck_assert_int_eq(keep_one(s, "bsm1", 3, then_us, false, 1000), GW_UNAVAILABLE);
	ck_assert_int_eq(ex_store_flush(s), GW_UNAVAILABLE);
	ex_store_trim(s, then_us + 60 * minute_us);
	holds(s, NULL, 3, 2 * ONE + wrapped);
	ck_assert_int_eq(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);

	for (int life = 0; life < 2; life++) {
		ex_store_close(s);
		s = open_store("count.db");
		holds(s, "bsm1", 2, 2 * ONE);
		holds(s, "bsm2", 1, wrapped);
		holds(s, "nobody", 0, 0);
	}
	ex_store_trim(s, then_us + 12 * minute_us);
	holds(s, "bsm2", 0, 0);
	holds(s, NULL, 1, ONE);
	ex_store_trim(s, then_us - minute_us);	/* a clock that is set back makes a future of it */
	holds(s, NULL, 0, 0);
	ex_store_close(s);
}
END_TEST

/* As many of 10,000 octets as there is room for. */
static int
fill(struct ex_store *s, const char *source, uint64_t limit, size_t npeers)
{
	int n = 0;

	ex_store_begin(s);
	while (n < 1000 && ex_store_room(s, source, (size_t)n * 10152, limit, npeers))
		ck_assert_int_eq(keep_one(s, source, n++, then_us, false, 10000), GW_WON);
	ck_assert_int_eq(ex_store_flush(s), GW_WON);
	return n;
}

START_TEST(nobody_takes_anothers_room)
{
	enum { MIB = 1 << 20 };
	struct ex_store *s = open_store("room.db");
	struct ex_kept all;

	ck_assert_int_eq(fill(s, "bsm1", MIB, 4), 39);	/* an eighth, and a quarter: 3/8 MiB */
	ck_assert(!ex_store_room(s, "bsm1", 0, MIB, 4));
	ck_assert_int_eq(fill(s, "bsm2", MIB, 4), 39);
	ck_assert_int_eq(fill(s, "bsm3", MIB, 4), 13);	/* its share, of which nobody took anything; the rest is taken */
	ck_assert_int_eq(fill(s, "bsm4", MIB, 4), 13);
	ck_assert_int_eq(fill(s, "bsm1", MIB, 4), 0);
	ex_store_kept(s, NULL, &all);
	ck_assert_int_le(all.octets, MIB + 4 * 10152);
	ck_assert(ex_store_room(s, "bsm1", 0, 2 * MIB, 4));	/* another limit counts at once */
	ck_assert(!ex_store_room(s, "bsm4", 0, MIB / 2, 4));
	ex_store_trim(s, then_us + 10 * minute_us + 1);
	ck_assert_int_eq(fill(s, "bsm4", MIB, 4), 39);
	ck_assert_int_eq(fill(s, "bsm5", MIB, 1), 78);	/* alone in the file: three quarters */
	ex_store_close(s);
}
END_TEST

/* ---- two bridges ---- */

static uv_loop_t loop;
static struct headend *he;
static struct ex *front, *back;
static struct { int handled, done, open, most; struct ex_call *waiting[600]; size_t nwaiting; enum ex_end end[600]; int64_t status; char reason[240]; unsigned attempts;
	char ids[2][128]; } seen;
static bool answers;
static char long_reason[600];

static const char yaml[] =
	"state: state\n"
	"services: [{ id: tv1, scrambling: none, global_service_id: 'urn:tv1' }]\n"
	"bridge:\n"
	"  front: { roles: [bsda, bsa], plain: true, store: front.db, peers: { back: { roles: bsm, url: 'http://127.0.0.1:%u', connections: 3 },\n"
	"    nobody: { roles: bsm, url: 'http://127.0.0.1:1' }, mute: { roles: bsm } } }\n"
	"  back: { roles: bsm, plain: true, listen: 'tcp://127.0.0.1:%u', store: back.db, peers: { front: { roles: [bsda, bsa]%s } } }\n";

static unsigned
free_port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned port;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	port = port_of(fd);
	close(fd);
	return port;
}

static bool
on_call(void *self, struct ex_call *c, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	ck_assert_str_eq(from->name, "front");
	ck_assert_ptr_eq(self, &seen);
	snprintf(seen.ids[seen.handled++ % 2], sizeof(seen.ids[0]), "%s", m->message_id);
	if (m->tag == 9)
		return false;
	if (answers) {
		ex_status(c, m->tag == 17 ? 20 : 0, m->tag == 17 ? "no generator" : NULL);
		return true;
	}
	seen.waiting[seen.nwaiting++] = c;
	if (++seen.open > seen.most)
		seen.most = seen.open;
	return true;
}

static void
on_done(void *self, const struct ex_result *r)
{
	ck_assert_ptr_eq(self, &seen);
	seen.end[seen.done++] = r->end;
	seen.status = r->answer ? r->answer->status : -1;
	seen.attempts = r->attempts;
	snprintf(seen.reason, sizeof(seen.reason), "%s", r->reason);
	if (r->answer) {	/* the short form, too, has all of it */
		ck_assert_str_eq(r->answer->source, "back");
		ck_assert_str_eq(r->answer->destination, "front");
		ck_assert_str_eq(r->answer->service, "urn:tv1");
	}
}

static void
open_both(const char *more)
{
	char text[1500], path[PATH_MAX];
	struct gw_err err = { 0 };
	unsigned port = free_port();

	scratch("");
	ck_assert_ptr_nonnull(realpath(vec_path("../../bridge"), path));
	ck_assert_int_eq(chdir(scratch_dir), 0);
	ck_assert_int_eq(gw_secrets_init(256, true, &err), 0);
	snprintf(text, sizeof(text), yaml, port, port, more);
	uv_loop_init(&loop);
	he = headend_load_text("b.yaml", text, strlen(text), &err);
	ck_assert_msg(he != NULL, "%s", err.text);
	front = ex_open(&loop, he, &he->bridge[0], path, &err);
	ck_assert_msg(front != NULL, "%s", err.text);
	back = ex_open(&loop, he, &he->bridge[1], path, &err);
	ck_assert_msg(back != NULL, "%s", err.text);
	for (int tag = 1; tag < SP4_TAGS; tag += 2)
		ex_handle(back, tag, on_call, &seen);
	answers = true;
}

static void
close_both(void)
{
	ex_close(front);
	ex_close(back);
	gw_loop_fini(&loop);
	headend_free(he);
	gw_secrets_fini();
}

static int
send_to(size_t peer, int tag, unsigned attempt_ms, int64_t give_up_ms, struct gw_err *err)
{
	static struct sp4_msg m;
	int done = seen.done, rc;

	sp4_init(&m, tag);
	m.service = "urn:tv1";
	if (sp4_object_of(tag) == SP4_LTKM) {
		m.distribution_start = sp4_ntp(gw_utc_us() / 1000000);
		m.distribution_end = m.distribution_start + 60;
	}
	if (sp4_kind_of(tag) == SP4_DELIVERY)
		m.data[m.n_data++] = (struct sp4_octets){ (const uint8_t *)"\xa1", 1 };
	rc = ex_send(front, &he->bridge[0].peers[peer], &m, attempt_ms, give_up_ms ? gw_mono_us() + give_up_ms * 1000 : INT64_MAX, on_done, &seen, err);
	ck_assert_int_eq(seen.done, done);	/* never from within */
	return rc;
}

static void
run_until(const int *n, int want)
{
	int64_t end = gw_mono_us() + 30 * INT64_C(1000000);

	while (*n < want && gw_mono_us() < end)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_int_eq(*n, want);
}

START_TEST(a_request_is_answered)	/* _i: short form */
{
	struct ex_counts n;

	open_both(_i ? ", short: true" : "");
	ck_assert_int_eq(send_to(0, 5, 0, 0, NULL), 0);
	run_until(&seen.done, 1);
	ck_assert_int_eq(seen.end[0], EX_ANSWERED);
	ck_assert_int_eq(seen.status, 0);
	ck_assert_uint_eq(seen.attempts, 1);
	ck_assert_str_eq(seen.ids[0], "front-1-1");
	ck_assert_int_eq(send_to(0, 17, 0, 0, NULL), 0);
	run_until(&seen.done, 2);
	ck_assert_int_eq(seen.status, 20);
	ck_assert_str_eq(seen.reason, "no generator");
	ck_assert_int_eq(send_to(0, 9, 0, 0, NULL), 0);
	run_until(&seen.done, 3);
	ck_assert_int_eq(seen.status, 11);
	ex_counted(front, &he->bridge[0].peers[0], &n);
	ck_assert_uint_eq(n.sent, 3);
	ck_assert_uint_eq(n.answered, 3);
	ex_counted(back, &he->bridge[1].peers[0], &n);
	ck_assert_uint_eq(n.received, 3);
	close_both();
}
END_TEST

START_TEST(a_basic_peer_is_told_one)
{
	open_both(", status: basic");
	ck_assert_int_eq(send_to(0, 17, 0, 0, NULL), 0);
	run_until(&seen.done, 1);
	ck_assert_int_eq(seen.status, 1);
	close_both();
}
END_TEST

START_TEST(what_cannot_be_sent_is_said_at_once)
{
	struct gw_err err = { 0 };

	open_both("");
	ck_assert_int_eq(send_to(2, 5, 0, 0, &err), -1);
	ck_assert_str_eq(err.text, "peer mute: it has no url");
	ck_assert_int_eq(send_to(0, 6, 0, 0, &err), -1);
	ck_assert_int_eq(seen.done, 0);
	close_both();
	ck_assert_int_eq(seen.done, 0);
}
END_TEST

/* Nobody answers in time: the same message again and again, which is one for who answers. */
START_TEST(repeats_are_one_message)
{
	struct ex_counts n;

	open_both("");
	answers = false;
	ck_assert_int_eq(send_to(0, 5, 100, 0, NULL), 0);
	run_until(&seen.handled, 1);
	do {
		uv_run(&loop, UV_RUN_ONCE);
		ex_counted(back, &he->bridge[1].peers[0], &n);
	} while (n.repeated < 2);
	ck_assert_int_eq(seen.handled, 1);
	ex_status(seen.waiting[0], 0, NULL);
	run_until(&seen.done, 1);
	ck_assert_int_eq(seen.end[0], EX_ANSWERED);
	ck_assert_uint_ge(seen.attempts, 3);
	close_both();
}
END_TEST

START_TEST(it_is_given_up_in_time)	/* _i: nobody there; somebody mute */
{
	int64_t began, took;

	open_both("");
	answers = false;
	began = gw_mono_us();
	ck_assert_int_eq(send_to(_i ? 0 : 1, 5, 100, 400, NULL), 0);
	run_until(&seen.done, 1);
	took = gw_mono_us() - began;
	ck_assert_int_eq(seen.end[0], EX_SILENT);
	ck_assert_uint_ge(strlen(seen.reason), 5);
	ck_assert_int_ge(took, 100000);
	close_both();
	ck_assert_int_eq(seen.done, 1);
}
END_TEST

static int told[2];

static void
on_told(void *self, const struct he_sp4_peer *peer, bool silent)
{
	ck_assert_ptr_eq(self, told);
	ck_assert_ptr_eq(peer, &he->bridge[0].peers[0]);
	told[silent]++;
}

/* Also when that was the only attempt; it answers again with the next answer to anything. */
START_TEST(a_peer_that_took_it_and_does_not_answer_is_silent)
{
	open_both("");
	ex_watch(front, on_told, told);
	answers = false;
	ck_assert_int_eq(send_to(0, 19, 2000, 2000, NULL), 0);
	run_until(&seen.done, 1);
	ck_assert_int_eq(seen.end[0], EX_SILENT);
	ck_assert_uint_eq(seen.attempts, 1);
	ck_assert(ex_silent(front, &he->bridge[0].peers[0]));
	ck_assert_int_eq(told[1], 1);
	answers = true;
	ck_assert_int_eq(send_to(0, 5, 0, 0, NULL), 0);
	run_until(&seen.done, 2);
	ck_assert(!ex_silent(front, &he->bridge[0].peers[0]));
	ck_assert_int_eq(told[0], 1);
	answers = false;	/* an attempt for which there was hardly any time is no sign of anything */
	ck_assert_int_eq(send_to(0, 19, 10000, 300, NULL), 0);
	run_until(&seen.done, 3);
	ck_assert_int_eq(seen.end[2], EX_SILENT);
	ck_assert(!ex_silent(front, &he->bridge[0].peers[0]));
	ck_assert_int_eq(told[1], 1);
	close_both();
}
END_TEST

/* One in flight on each of the peer's connections; the others wait for their turn. */
START_TEST(connections_are_bounded)
{
	open_both("");
	answers = false;
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(send_to(0, 5, 20000, 0, NULL), 0);
	for (int i = 0; i < 50; i++) {
		run_until(&seen.handled, i + 1 < 48 ? i + 3 : 50);
		seen.open--;
		ex_status(seen.waiting[i], 0, NULL);
	}
	run_until(&seen.done, 50);
	ck_assert_int_eq(seen.most, 3);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(seen.end[i], EX_ANSWERED);
	close_both();
}
END_TEST

/* Reasons are cut, answers that break a rule become status 7; neither is left unanswered. */
START_TEST(wrong_answers_become_status_7)
{
	static struct sp4_msg m;

	open_both("");
	answers = false;
	ck_assert_int_eq(send_to(0, 5, 20000, 0, NULL), 0);
	run_until(&seen.handled, 1);
	sp4_init(&m, 6);
	m.status = 300;
	ex_answer(seen.waiting[0], &m);
	run_until(&seen.done, 1);
	ck_assert_int_eq(seen.status, 7);
	ck_assert_int_eq(send_to(0, 5, 20000, 0, NULL), 0);
	run_until(&seen.handled, 2);
	memset(long_reason, 'x', sizeof(long_reason) - 1);
	ex_status(seen.waiting[1], 20, long_reason);
	run_until(&seen.done, 2);
	ck_assert_int_eq(seen.status, 20);
	ck_assert_int_eq(send_to(0, 5, 20000, 0, NULL), 0);
	run_until(&seen.handled, 3);
	ex_status(seen.waiting[2], 20, "no\xe4\x01 \xc3\xa4");	/* an ECMG's, in ISO 8859-1 by half */
	run_until(&seen.done, 3);
	ck_assert_int_eq(seen.status, 20);
	ck_assert_str_eq(seen.reason, "no?? \xc3\xa4");
	close_both();
}
END_TEST

/* Everything under way ends once; who answers then speaks to nobody. */
/* What nobody answers is answered after a while; whoever has the call may still answer it, or never. */
START_TEST(a_call_that_nobody_answers_ends)
{
	struct ex_counts n;

	open_both("");
	answers = false;
	ck_assert_int_eq(send_to(0, 5, 20000, 0, NULL), 0);
	ck_assert_int_eq(send_to(0, 5, 20000, 0, NULL), 0);
	run_until(&seen.handled, 2);
	ex_expire(back, uv_now(&loop) + EX_ANSWER_MS / 2);
	ck_assert_uint_eq(back->ncalls, 2);
	ex_expire(back, uv_now(&loop) + EX_ANSWER_MS);
	run_until(&seen.done, 2);
	ck_assert_int_eq(seen.end[0], EX_ANSWERED);
	ck_assert_int_eq(seen.status, 19);
	ck_assert_str_eq(seen.reason, "there was no answer in time");
	ex_counted(back, &he->bridge[1].peers[0], &n);
	ck_assert_uint_eq(n.refused, 2);
	ck_assert_uint_eq(back->ncalls, 2);	/* somebody has them still */
	ck_assert_uint_eq(LIST_FIRST(&back->peers)->calls, 2);
	ex_status(seen.waiting[0], 0, NULL);
	ck_assert_uint_eq(back->ncalls, 1);
	ck_assert_uint_eq(LIST_FIRST(&back->peers)->calls, 1);
	close_both();
}
END_TEST

/* Who knows that it takes longer says so. */
START_TEST(an_answer_that_takes_its_time)
{
	open_both("");
	answers = false;
	ck_assert_int_eq(send_to(0, 5, 20000, 0, NULL), 0);
	run_until(&seen.handled, 1);
	ex_wait(seen.waiting[0], 1);	/* not less than the half minute */
	ex_expire(back, uv_now(&loop) + EX_ANSWER_MS / 2);
	ck_assert(LIST_EMPTY(&back->late));
	ex_wait(seen.waiting[0], 66000);
	ex_expire(back, uv_now(&loop) + 2 * EX_ANSWER_MS);
	ck_assert(LIST_EMPTY(&back->late));
	ex_status(seen.waiting[0], 0, NULL);
	run_until(&seen.done, 1);
	ck_assert_int_eq(seen.status, 0);
	ck_assert_uint_eq(back->ncalls, 0);
	close_both();
}
END_TEST

START_TEST(a_server_that_is_full_says_when_to_come_again)
{
	struct ex_counts n = { 0 };
	int64_t began = gw_mono_us();

	open_both("");
	back->ncalls += EX_CALLS;
	ck_assert_int_eq(send_to(0, 5, 0, 0, NULL), 0);
	while (n.refused == 0) {
		uv_run(&loop, UV_RUN_ONCE);
		ex_counted(back, &he->bridge[1].peers[0], &n);
	}
	ck_assert_uint_eq(back->http[5], 1);	/* 503, Retry-After: 1 */
	ck_assert_int_eq(seen.done, 0);
	back->ncalls -= EX_CALLS;
	run_until(&seen.done, 1);
	ck_assert_int_eq(seen.end[0], EX_ANSWERED);
	ck_assert_uint_eq(seen.attempts, 2);
	ck_assert_int_ge(gw_mono_us() - began, 1000000);	/* without it: after 0.2 s */
	ck_assert_int_eq(seen.handled, 1);
	close_both();
}
END_TEST

START_TEST(closing_ends_all)
{
	open_both("");
	answers = false;
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(send_to(i % 2, 5, 20000, 0, NULL), 0);
	run_until(&seen.handled, 3);
	ex_close(front);
	ck_assert_int_eq(seen.done, 10);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(seen.end[i], EX_CANCELLED);
	ex_close(back);
	ex_status(seen.waiting[0], 0, NULL);
	ex_status(seen.waiting[1], 0, NULL);
	gw_loop_fini(&loop);
	headend_free(he);
	gw_secrets_fini();
	ck_assert_int_eq(seen.done, 10);
}
END_TEST

/* A peer that goes takes what is under way with it; one that stays keeps its connections until they are done. */
START_TEST(peers_come_and_go)
{
	struct headend *fresh;
	struct gw_err err = { 0 };
	char text[1500], less[] = "nobody: { roles: bsm, url: 'http://127.0.0.1:1' }, ", *p;

	open_both("");
	answers = false;
	ck_assert_int_eq(send_to(0, 5, 20000, 0, NULL), 0);
	ck_assert_int_eq(send_to(1, 5, 20000, 0, NULL), 0);
	run_until(&seen.handled, 1);
	snprintf(text, sizeof(text), yaml, he->bridge[1].listen.port, he->bridge[1].listen.port, "");
	p = strstr(text, less);
	ck_assert_ptr_nonnull(p);
	memset(p, ' ', strlen(less));
	fresh = headend_load_text("b.yaml", text, strlen(text), &err);
	ck_assert_msg(fresh != NULL, "%s", err.text);
	ck_assert_msg(ex_reconf(front, fresh, &fresh->bridge[0], &err) == 0 && ex_reconf(back, fresh, &fresh->bridge[1], &err) == 0, "%s", err.text);
	headend_free(he);
	he = fresh;
	ck_assert_int_eq(seen.done, 1);
	ck_assert_int_eq(seen.end[0], EX_SILENT);
	ex_status(seen.waiting[0], 0, NULL);
	run_until(&seen.done, 2);
	ck_assert_int_eq(seen.end[1], EX_ANSWERED);
	ck_assert_uint_eq(seen.attempts, 1);
	answers = true;
	ck_assert_int_eq(send_to(0, 5, 0, 0, NULL), 0);
	run_until(&seen.done, 3);
	ck_assert_int_eq(seen.end[2], EX_ANSWERED);
	close_both();
}
END_TEST

/* What is opened once cannot be elsewhere without a restart: the file must not say that it is. */
START_TEST(stores_do_not_move)
{
	struct headend *fresh;
	struct gw_err err = { 0 };
	char text[1500];

	open_both("");
	snprintf(text, sizeof(text), yaml, he->bridge[1].listen.port, he->bridge[1].listen.port, "");
	fresh = headend_load_text("b.yaml", text, strlen(text), &err);
	ck_assert_msg(fresh != NULL, "%s", err.text);
	free(fresh->bridge[0].seaks);
	fresh->bridge[0].seaks = strdup("elsewhere.seaks");
	ck_assert_int_eq(ex_reconf(front, fresh, &fresh->bridge[0], &err), -1);
	ck_assert_msg(strstr(err.text, "seaks of bridge") != NULL, "%s", err.text);
	headend_free(fresh);
	close_both();
}
END_TEST

SUITE("bridge_exchange", tcase_add_test(t, waits_grow_to_a_minute);
      tcase_add_test(t, certificates_name_their_owners);
      tcase_add_test(t, answers_are_kept_for_ten_minutes);
      tcase_add_test(t, what_is_kept_is_counted); tcase_add_test(t, nobody_takes_anothers_room);
      tcase_add_loop_test(t, a_request_is_answered, 0, 2);
      tcase_add_test(t, a_basic_peer_is_told_one);
      tcase_add_test(t, what_cannot_be_sent_is_said_at_once);
      tcase_add_test(t, repeats_are_one_message);
      tcase_add_loop_test(t, it_is_given_up_in_time, 0, 2);
      tcase_add_test(t, a_peer_that_took_it_and_does_not_answer_is_silent);
      tcase_add_test(t, connections_are_bounded);
      tcase_add_test(t, wrong_answers_become_status_7);
      tcase_add_test(t, closing_ends_all); tcase_add_test(t, a_call_that_nobody_answers_ends); tcase_add_test(t, an_answer_that_takes_its_time);
    tcase_add_test(t, a_server_that_is_full_says_when_to_come_again);
      tcase_add_test(t, peers_come_and_go); tcase_add_test(t, stores_do_not_move))
