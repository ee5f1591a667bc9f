/*
 * tests/unit/test_lib_srtp_engines.c: SRTP's two engines give the same verdicts and octets, whatever comes; libsrtp2 opens what the
 * batch made, RTP and RTCP; the ROC on air (RFC 4771); many sources; nothing malformed is ever opened
 */
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "lib/srtp.h"
#include "lib/transform.h"
#include "tests/suite.h"

enum { BATCH, LIBSRTP2, SIDES, ROOM = GW_XF_HEAD + 2048 + GW_XF_TAIL, RTCP_MARK = 32 };
static const enum gw_engine engines[SIDES] = { GW_ENGINE_BATCH, GW_ENGINE_LIBSRTP2 };
static const struct gw_transform *const row = &gw_transform_srtp;
static uint8_t tek[16], salt[14];

struct side {
	struct gw_tx_conf conf;
	struct gw_tx *tx; struct gw_tx_medium *medium[2];
	struct gw_burst *burst;
	uint8_t room[ROOM]; struct gw_pk pk;
};
static struct side side[SIDES];
static struct gw_rx *rx;
static struct gw_rx_got got;
static uint32_t dice_state;

static uint32_t
dice(uint32_t sides)
{
	dice_state = dice_state * 1664525 + 1013904223;
	return (dice_state >> 8) % sides;
}

static void
side_start(struct side *s)
{
	struct gw_err err = { 0 };

	ck_assert_msg((s->tx = row->tx_new(&s->conf, &err)) != NULL, "%s", err.text);
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_ptr_nonnull(s->medium[i] = row->medium_new(s->tx, &(struct gw_tx_medium_conf){ .index = i }, NULL));
}

static void
side_open(struct side *s, enum gw_engine engine, unsigned sources, bool authenticated, unsigned rcc)
{
	*s = (struct side){ .conf = { .engine = engine, .authenticated = authenticated, .sources = sources, .rcc_rate = rcc } };
	s->conf.marks = calloc(1, row->marks_len(&s->conf));
	ck_assert_ptr_nonnull(s->burst = gw_burst_new(GW_BURST_AUTO, NULL));
	side_start(s);
}

static void
side_stop(struct side *s)
{
	if (!s->tx)
		return;
	row->key_free(row->use(s->tx, NULL));
	row->medium_free(s->medium[0]);
	row->medium_free(s->medium[1]);
	row->tx_free(s->tx);
	s->tx = NULL;
}

static void
side_close(struct side *s)
{
	side_stop(s);
	gw_burst_free(s->burst);
	free(s->conf.marks);
	*s = (struct side){ 0 };
}

static void
up(void)
{
	dice_state = 4771;
	ck_assert_int_eq(gw_srtp_init(NULL), 0);
}

static void
close_all(void)
{
	for (int i = 0; i < SIDES; i++)
		side_close(&side[i]);
	row->rx_free(rx);
	rx = NULL;
}

static void
down(void)
{
	close_all();
	gw_srtp_fini();
}

/* A process for each turn costs more than the turn. */
#define TURNS(test, from, to)				\
	START_TEST(test)				\
	{						\
		for (int i = from; i < to; i++) {	\
			test ## _of(i);			\
			close_all();			\
		}					\
	}						\
	END_TEST

static struct gw_material
key_of(uint32_t cp, size_t mki_len, bool authenticated)
{
	struct gw_material m = { .id_len = mki_len, .tek = tek, .salt = salt, .authenticated = authenticated };

	memset(tek, 0x11, sizeof(tek));
	memset(salt, 0x22, sizeof(salt));
	memcpy(tek, &cp, sizeof(cp));
	memcpy(salt + 3, &cp, sizeof(cp));
	for (size_t i = 0; i < mki_len; i++)
		m.id[i] = (uint8_t)(i + 1 == mki_len ? cp : 0xa0 + i);
	return m;
}

static void
use_key(struct side *s, const struct gw_material *m)
{
	struct gw_err err = { 0 };
	struct gw_xkey *key = row->key_new(s->tx, m, &err);

	ck_assert_msg(key != NULL, "%s", err.text);
	row->key_free(row->use(s->tx, key));
}

static void
make(struct side *s, uint32_t ssrc, uint32_t seq, const void *packet, size_t len)
{
	uint8_t *p = s->room + GW_XF_HEAD;

	memcpy(p, packet, len);
	p[2] = (uint8_t)(seq >> 8);
	p[3] = (uint8_t)seq;
	for (int i = 0; i < 4; i++)
		p[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	s->pk = (struct gw_pk){ p, len };
}

static int
protect(struct side *s, unsigned from)
{
	return row->protect(s->tx, s->medium[from], &s->pk, s->burst, NULL);
}

/* A packet of 100 octets from the first medium, done. */
static int
emit(struct side *s, uint32_t ssrc, uint32_t seq)
{
	static const uint8_t plain[100] = { 0x80, 33, [12] = 0x47 };
	int v;

	make(s, ssrc, seq & 0xffff, plain, sizeof(plain));
	v = protect(s, 0);
	gw_burst_run(s->burst);
	return v;
}

/* Opens what a side has sent; 0, or the verdict. It must be what emit() makes. */
static int
receive(struct side *s)
{
	int v = row->unprotect(rx, &s->pk, &got, NULL);

	if (v == GW_XF_OK) {
		ck_assert_uint_eq(s->pk.len, 100);
		ck_assert_uint_eq(s->pk.p[12], 0x47);
		for (size_t i = 13; i < 100; i++)
			ck_assert_uint_eq(s->pk.p[i], 0);
	}
	return v;
}

/* ---- the same octets ---- */

/* CSRCs, an extension, any length, any content. */
static size_t
any_packet(uint8_t *p)
{
	size_t n, csrcs = dice(4) ? 0 : dice(16), header = 12 + 4 * csrcs;

	n = header + dice(dice(8) ? 60 : 1400);
	for (size_t i = 0; i < 2048; i++)
		p[i] = (uint8_t)dice(256);
	p[0] = (uint8_t)(0x80 | csrcs);
	p[1] = (uint8_t)dice(72);
	if (dice(5) == 0) {
		size_t words = dice(6);
		p[0] |= 0x10;
		p[header + 2] = 0;
		p[header + 3] = (uint8_t)words;
		n = header + 4 + 4 * words + dice(100);
	}
	if (dice(50) == 0)
		n = dice(20);
	return n;
}

/* Where the sources stand; they jump, repeat, restart. */
static uint32_t
any_step(uint32_t seq)
{
	uint32_t d = dice(256);

	return seq + (d < 220 ? 1 : d < 228 ? 0 : d < 240 ? (uint32_t)-3 : d < 250 ? 500 : d < 253 ? 20000 : dice(65536));
}

static void
compare(const uint8_t *clear, size_t len, int *passed)
{
	int v[SIDES];

	for (int i = 0; i < SIDES; i++)
		gw_burst_run(side[i].burst);
	for (int i = 0; i < SIDES; i++)
		v[i] = (int)side[i].pk.len;
	ck_assert_int_eq(v[BATCH], v[LIBSRTP2]);
	ck_assert_mem_eq(side[BATCH].pk.p, side[LIBSRTP2].pk.p, (size_t)v[BATCH]);
	if ((size_t)v[BATCH] == len)
		return;
	if (row->unprotect(rx, &side[BATCH].pk, &got, NULL) != GW_XF_OK)
		return;		/* a source that lost its place begins anew, which a receiver does not know at once */
	ck_assert_uint_eq(side[BATCH].pk.len, len);
	ck_assert_mem_eq(side[BATCH].pk.p + 12, clear + 12, len - 12);
	(*passed)++;
}

static void
engines_agree_of(int turn)	/* turn: octets of the MKI; above 8 without authentication */
{
	size_t mki_len = (size_t)(turn > 8 ? turn - 8 : turn);
	bool authenticated = turn <= 8;
	uint32_t seq[9] = { 65000, 1, 30000, 65535 };
	int passed = 0;

	dice_state += (uint32_t)turn;
	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = authenticated }, NULL));
	for (int i = 0; i < SIDES; i++)
		side_open(&side[i], engines[i], 6, authenticated, 0);
	for (uint32_t n = 0, cp = 0; n < 1200; n++) {
		static uint8_t clear[2048];
		unsigned source = dice(9), from = dice(40) == 0;
		size_t len = any_packet(clear);
		int v[SIDES];
		if (n % 300 == 0) {
			struct gw_material m = key_of(++cp, mki_len, authenticated);
			for (int i = 0; i < SIDES; i++)
				use_key(&side[i], &m);
			ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
		}
		if (n % 500 == 499) {	/* both start again, with the same key and what they noted */
			struct gw_material m = key_of(cp, mki_len, authenticated);
			for (int i = 0; i < SIDES; i++) {
				side_stop(&side[i]);
				side_start(&side[i]);
				use_key(&side[i], &m);
			}
		}
		seq[source] = any_step(seq[source]);
		for (int i = 0; i < SIDES; i++) {
			make(&side[i], 1000 + source, seq[source] & 0xffff, clear, len);
			v[i] = protect(&side[i], from);
		}
		ck_assert_msg(v[BATCH] == v[LIBSRTP2], "packet %u: %s, %s", n, gw_verdict_name(v[BATCH]), gw_verdict_name(v[LIBSRTP2]));
		if (v[BATCH] != GW_XF_OK)
			continue;
		if (authenticated) {
			compare(clear, len, &passed);
			continue;
		}
		gw_burst_run(side[BATCH].burst);
		ck_assert_uint_eq(side[BATCH].pk.len, side[LIBSRTP2].pk.len);
		ck_assert_mem_eq(side[BATCH].pk.p, side[LIBSRTP2].pk.p, side[BATCH].pk.len);
		passed++;
	}
	ck_assert_int_gt(passed, 500);
	ck_assert_mem_eq((uint8_t *)side[BATCH].conf.marks + RTCP_MARK, (uint8_t *)side[LIBSRTP2].conf.marks + RTCP_MARK,
	    row->marks_len(&side[BATCH].conf) - RTCP_MARK);
}
TURNS(engines_agree, 1, 17)

START_TEST(a_burst_of_many_keys_and_sources)
{
	enum { N = 64 };
	static struct side many[4];
	static uint8_t room[N][ROOM];
	struct gw_pk pk[N];
	struct gw_xkey *old[4] = { 0 };

	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = true }, NULL));
	for (uint32_t u = 0; u < 4; u++) {
		struct gw_material m = key_of(u, 2, true);
		side_open(&many[u], GW_ENGINE_BATCH, 64, true, 0);
		use_key(&many[u], &m);
		ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
	}
	for (uint32_t n = 0; n < N; n++) {	/* one burst; the keys change within it */
		struct side *s = &many[n % 4];
		static const uint8_t plain[100] = { 0x80, 33, [12] = 0x47 };
		make(s, n, 7, plain, sizeof(plain));
		memcpy(room[n], s->room, ROOM);
		pk[n] = (struct gw_pk){ room[n] + GW_XF_HEAD, sizeof(plain) };
		ck_assert_int_eq(row->protect(s->tx, s->medium[0], &pk[n], many[0].burst, NULL), GW_XF_OK);
		if (n >= N / 2 && !old[n % 4]) {
			struct gw_material m = key_of(n % 4 + 4, 2, true);
			old[n % 4] = row->use(s->tx, row->key_new(s->tx, &m, NULL));
			ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
		}
	}
	gw_burst_run(many[0].burst);
	for (uint32_t n = 0; n < N; n++) {
		ck_assert_int_eq(row->unprotect(rx, &pk[n], &got, NULL), GW_XF_OK);
		ck_assert_uint_eq(got.id[1], n % 4 + (n < N / 2 + 4 ? 0 : 4));
		ck_assert_uint_eq(pk[n].len, 100);
		ck_assert_uint_eq(pk[n].p[12], 0x47);
	}
	for (int u = 0; u < 4; u++) {
		row->key_free(old[u]);
		side_close(&many[u]);
	}
}
END_TEST

/* ---- many sources ---- */

START_TEST(four_thousand_sources)
{
	enum { N = 4096 };
	struct side *s = &side[BATCH];
	struct gw_material m = key_of(1, 2, true);

	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = true }, NULL));
	side_open(s, GW_ENGINE_BATCH, N, true, 0);
	use_key(s, &m);
	for (uint32_t n = 0; n < N; n++)
		ck_assert_int_eq(emit(s, n * 0x9e3779b1, 65530), GW_XF_OK);
	ck_assert_int_eq(emit(s, 1, 1), GW_XF_FULL);
	ck_assert_uint_eq(row->sources(s->tx, NULL, 0), N);
	for (uint32_t cp = 2; cp < 6; cp++) {	/* half of them goes on and counts on; the other half is replaced */
		m = key_of(cp, 2, true);
		use_key(s, &m);
		ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
		for (uint32_t n = 0; n < N; n += 2)
			ck_assert_int_eq(emit(s, n * 0x9e3779b1, 65530 + 3 * cp), GW_XF_OK);
		for (uint32_t n = 1; n < N; n += 2)
			ck_assert_int_eq(emit(s, n * 0x9e3779b1 + cp, 65530), GW_XF_OK);
		ck_assert_int_eq(emit(s, 1, 1), GW_XF_FULL);
		ck_assert_uint_eq(row->sources(s->tx, NULL, 0), N);
		ck_assert_int_eq(emit(s, 40 * 0x9e3779b1, 65530 + 3 * cp + 1), GW_XF_OK);
		ck_assert_int_eq(receive(s), GW_XF_OK);
		ck_assert_uint_eq(got.index, 65530 + 3 * cp + 1);
	}
	side_stop(s);
	side_start(s);		/* found again in the marks */
	use_key(s, &m);
	ck_assert_int_eq(emit(s, 44 * 0x9e3779b1, 65530 + 3 * 5), GW_XF_REPEAT);
	ck_assert_int_eq(emit(s, 45 * 0x9e3779b1 + 5, 65530), GW_XF_REPEAT);
	ck_assert_int_eq(emit(s, 1, 1), GW_XF_FULL);	/* whose key they carry: it is the one in force */
}
END_TEST

START_TEST(who_is_sending_keeps_his_place)
{
	struct side *s = &side[BATCH];

	side_open(s, GW_ENGINE_BATCH, 4, true, 0);
	for (uint32_t cp = 1; cp <= 3; cp++) {
		struct gw_material m = key_of(cp, 2, true);
		use_key(s, &m);
		if (cp == 3)	/* a new one comes before those that were heard under the key before */
			ck_assert_int_eq(emit(s, 50, 1), GW_XF_OK);
		for (uint32_t ssrc = 1; ssrc <= (cp == 1 ? 4 : 3); ssrc++)
			ck_assert_int_eq(emit(s, ssrc, 70000 * cp), cp == 1 || ssrc < 4 ? GW_XF_OK : GW_XF_FULL);
	}
	struct gw_source list[4];
	ck_assert_uint_eq(row->sources(s->tx, list, 4), 4);
	for (int i = 0; i < 4; i++)
		ck_assert(list[i].ssrc == 50 ? list[i].roc == 0 : list[i].ssrc <= 3);
}
END_TEST

START_TEST(indices_end)
{
	struct side *s = &side[BATCH];
	struct gw_material m = key_of(1, 2, true);
	struct gw_srtp_mark *mark;

	side_open(s, GW_ENGINE_BATCH, 4, true, 0);
	use_key(s, &m);
	ck_assert_int_eq(emit(s, 7, 65535), GW_XF_OK);
	mark = (struct gw_srtp_mark *)((uint8_t *)s->conf.marks + RTCP_MARK);
	mark->highest = (UINT64_C(1) << 48) - 1;
	ck_assert_int_eq(emit(s, 7, 0), GW_XF_EXHAUSTED);
	m = key_of(2, 2, true);
	use_key(s, &m);
	ck_assert_int_eq(emit(s, 7, 1), GW_XF_OK);
	ck_assert_uint_eq(mark->highest, 1);
}
END_TEST

START_TEST(what_is_too_long_spends_nothing)
{
	static uint8_t room[GW_XF_HEAD + 65536 + GW_XF_TAIL];
	struct side *s = &side[BATCH];
	struct gw_material m = key_of(1, 8, true);
	struct gw_pk pk = { room + GW_XF_HEAD, 65507 - 17 };

	side_open(s, GW_ENGINE_BATCH, 4, true, 0);
	use_key(s, &m);
	pk.p[0] = 0x80;
	ck_assert_int_eq(row->protect(s->tx, s->medium[0], &pk, s->burst, NULL), GW_XF_TOO_LONG);
	pk.len--;
	ck_assert_int_eq(row->protect(s->tx, s->medium[0], &pk, s->burst, NULL), GW_XF_OK);
	gw_burst_run(s->burst);
	ck_assert_uint_eq(pk.len, 65507);
}
END_TEST

/* ---- RTCP ---- */

static void
report(struct side *s, uint32_t ssrc, size_t len)
{
	uint8_t *p = s->room + GW_XF_HEAD;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(3 * i);
	p[0] = 0x80;
	p[1] = 200;
	for (int i = 0; i < 4; i++)
		p[4 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	s->pk = (struct gw_pk){ p, len };
}

static int
send_report(struct side *s, uint32_t ssrc, uint32_t *index)
{
	int v;

	report(s, ssrc, 28);
	v = row->protect_rtcp(s->tx, s->medium[0], &s->pk, s->burst);
	gw_burst_run(s->burst);
	if (v == GW_XF_OK) {
		const uint8_t *p = s->pk.p + 28;
		ck_assert_uint_eq(p[0] >> 7, 1);	/* encrypted */
		*index = (uint32_t)(p[0] & 0x7f) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	}
	return v;
}

static void
reports_are_as_libsrtp2_makes_them_of(int turn)	/* turn: octets of the MKI */
{
	struct gw_material m = key_of(9, (size_t)turn, turn % 2);
	uint8_t master[30];
	srtp_master_key_t key = { .key = master, .mki_id = m.id, .mki_size = (unsigned)turn }, *keys = &key;
	srtp_policy_t policy = { .ssrc = { ssrc_any_outbound, 0 }, .keys = &keys, .num_master_keys = 1 };
	struct side *s = &side[BATCH];
	srtp_t theirs;

	memcpy(master, tek, 16);
	memcpy(master + 16, salt, 14);
	srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
	srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
	ck_assert_int_eq(srtp_create(&theirs, &policy), 0);
	side_open(s, GW_ENGINE_BATCH, 4, turn % 2, 0);
	use_key(s, &m);
	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = turn % 2 }, NULL));
	ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
	for (int n = 0; n < 40; n++) {
		size_t len = 8 + 4 * (size_t)(n % 30);
		_Alignas(4) uint8_t want[512];
		int want_len = (int)len;
		uint32_t index;

		if (n == 0) {	/* theirs begins with 1 */
			ck_assert_int_eq(send_report(s, 77, &index), GW_XF_OK);
			ck_assert_uint_eq(index, 0);
			continue;
		}
		report(s, 77, len);
		memcpy(want, s->pk.p, len);
		ck_assert_int_eq(srtp_protect_rtcp_mki(theirs, want, &want_len, 1, 0), 0);
		ck_assert_int_eq(row->protect_rtcp(s->tx, s->medium[0], &s->pk, s->burst), GW_XF_OK);
		gw_burst_run(s->burst);
		ck_assert_uint_eq(s->pk.len, (size_t)want_len);
		ck_assert_mem_eq(s->pk.p, want, s->pk.len);
		ck_assert_int_eq(row->unprotect_rtcp(rx, &s->pk, &got), GW_XF_OK);
		ck_assert_uint_eq(s->pk.len, len);
		ck_assert_uint_eq(got.source, 77);
		ck_assert_uint_eq(got.index, (unsigned)n);
		memcpy(s->pk.p, want, s->pk.len = (size_t)want_len);
		ck_assert_int_eq(row->unprotect_rtcp(rx, &s->pk, &got), GW_XF_REPEAT);
		want[want_len - 1] ^= 1;
		memcpy(s->pk.p, want, s->pk.len = (size_t)want_len);
		ck_assert_int_ne(row->unprotect_rtcp(rx, &s->pk, &got), GW_XF_OK);
	}
	srtp_dealloc(theirs);
}
TURNS(reports_are_as_libsrtp2_makes_them, 1, 9)

static void
report_indices_go_on_of(int turn)	/* turn: engine */
{
	struct side *s = &side[BATCH];
	uint64_t written = 0, *mark;
	uint32_t index, last = 0;
	int writes = 0;

	side_open(s, engines[turn], 4, true, 0);
	mark = s->conf.marks;
	ck_assert_int_eq(send_report(s, 7, &index), GW_XF_NO_KEY);
	for (int n = 0; n < 3000; n++) {
		if (n % 500 == 0) {
			struct gw_material m = key_of(1 + (uint32_t)n / 1000, 2, true);
			if (n == 1500) {
				side_stop(s);
				side_start(s);
			}
			use_key(s, &m);
		}
		ck_assert_int_eq(send_report(s, (uint32_t)n % 3, &index), GW_XF_OK);
		ck_assert_msg(n == 0 || index > last, "%u after %u", index, last);
		ck_assert_uint_gt(*mark, index);	/* what is on air is spent, should the process die now */
		writes += *mark != written;
		written = *mark;
		last = index;
	}
	ck_assert_int_le(writes, 6);	/* not with each */
	ck_assert_uint_le(last, 3000 + 1024);
}
TURNS(report_indices_go_on, 0, SIDES)

START_TEST(report_indices_end)
{
	struct side *s = &side[BATCH];
	struct gw_material m = key_of(1, 2, true);
	uint32_t index;
	uint64_t *mark;

	side_open(s, GW_ENGINE_BATCH, 4, true, 0);
	use_key(s, &m);
	ck_assert_int_eq(send_report(s, 7, &index), GW_XF_OK);
	side_stop(s);
	mark = s->conf.marks;
	mark[0] = (UINT64_C(1) << 31) - 2;	/* reserved: all but two */
	side_start(s);
	use_key(s, &m);
	ck_assert_int_eq(send_report(s, 7, &index), GW_XF_OK);
	ck_assert_uint_eq(index, 0x7ffffffe);
	ck_assert_int_eq(send_report(s, 7, &index), GW_XF_OK);
	ck_assert_int_eq(send_report(s, 7, &index), GW_XF_EXHAUSTED);
	m = key_of(2, 2, true);
	use_key(s, &m);
	ck_assert_int_eq(send_report(s, 7, &index), GW_XF_OK);
	ck_assert_uint_eq(index, 0);
}
END_TEST

START_TEST(reports_and_media_are_told_apart)
{
	struct side *s = &side[BATCH];
	struct gw_material m = key_of(1, 2, true);
	uint32_t index;

	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = true }, NULL));
	side_open(s, GW_ENGINE_BATCH, 4, true, 0);
	use_key(s, &m);
	ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
	report(s, 7, 28);
	ck_assert_int_eq(protect(s, 0), GW_XF_NOT_RTP);
	ck_assert_int_eq(send_report(s, 7, &index), GW_XF_OK);
	ck_assert_int_eq(row->unprotect(rx, &s->pk, &got, NULL), GW_XF_NOT_RTP);
	ck_assert_int_eq(row->unprotect_rtcp(rx, &s->pk, &got), GW_XF_OK);
	ck_assert_int_eq(emit(s, 7, 1), GW_XF_OK);
	ck_assert_int_eq(row->unprotect_rtcp(rx, &s->pk, &got), GW_XF_NOT_RTP);
	ck_assert_int_eq(receive(s), GW_XF_OK);
}
END_TEST

/* ---- RFC 4771 ---- */

static const struct { enum gw_engine engine; bool authenticated; unsigned rate; } refused[] = {
	{ GW_ENGINE_LIBSRTP2, true, 50 }, { GW_ENGINE_BATCH, false, 50 }, { GW_ENGINE_AUTO, true, 65536 },
};

static void
roc_on_air_is_refused_where_it_cannot_be_of(int turn)
{
	uint64_t page[64] = { 0 };
	struct gw_tx_conf conf = { .engine = refused[turn].engine, .authenticated = refused[turn].authenticated, .rcc_rate = refused[turn].rate,
		.sources = 4, .marks = page };
	struct gw_err err = { 0 };

	ck_assert_ptr_null(row->tx_new(&conf, &err));
	ck_assert_int_eq(err.code, GW_ECONF);
	ck_assert_ptr_nonnull(strstr(err.text, "ROC"));
}
TURNS(roc_on_air_is_refused_where_it_cannot_be, 0, 3)

static void
tags_with_roc_are_as_the_rfc_has_them_of(int turn)	/* turn: octets of the MKI */
{
	enum { RATE = 50 };
	struct gw_material m = key_of(1, (size_t)turn, true);
	struct side *plain = &side[LIBSRTP2], *s = &side[BATCH];

	side_open(s, GW_ENGINE_BATCH, 4, true, RATE);
	side_open(plain, GW_ENGINE_LIBSRTP2, 4, true, 0);
	use_key(s, &m);
	use_key(plain, &m);
	for (uint32_t seq = 65480; seq < 65480 + 200; seq++) {
		ck_assert_int_eq(emit(s, 7, seq), GW_XF_OK);
		ck_assert_int_eq(emit(plain, 7, seq), GW_XF_OK);
		size_t tag = 100 + (size_t)turn;
		ck_assert_uint_eq(s->pk.len, tag + 10);
		ck_assert_mem_eq(s->pk.p, plain->pk.p, tag);	/* but for the tag nothing changes */
		if ((seq & 0xffff) % RATE == 0) {
			ck_assert_mem_eq(s->pk.p + tag, ((uint8_t[]){ 0, 0, 0, (uint8_t)(seq >> 16) }), 4);
			ck_assert_mem_eq(s->pk.p + tag + 4, plain->pk.p + tag, 6);	/* of the same MAC */
		} else {
			ck_assert_mem_eq(s->pk.p + tag, plain->pk.p + tag, 10);
		}
	}
}
TURNS(tags_with_roc_are_as_the_rfc_has_them, 1, 9)

static void
late_joiner_hears_the_roc_of(int turn)	/* turn: packets that were before him */
{
	enum { RATE = 50 };
	static const uint32_t before[] = { 65536, 3 };
	struct side *s = &side[BATCH];
	struct gw_material m = key_of(1, 2, true);
	uint32_t seq = 0, n;

	side_open(s, GW_ENGINE_BATCH, 4, true, RATE);
	use_key(s, &m);
	for (; seq < before[turn]; seq++)
		ck_assert_int_eq(emit(s, 7, seq), GW_XF_OK);
	if (turn == 1)	/* and a ROC that nobody would search for */
		((struct gw_srtp_mark *)((uint8_t *)s->conf.marks + RTCP_MARK))->highest |= UINT64_C(1000000) << 16;
	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = true, .rcc_rate = RATE }, NULL));
	ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
	for (n = 0; n < 200; n++, seq++) {
		ck_assert_int_eq(emit(s, 7, seq), GW_XF_OK);
		int v = receive(s);
		if (v == GW_XF_OK)
			break;
		ck_assert_uint_ne((seq & 0xffff) % RATE, 0);	/* the first such packet at the latest */
	}
	ck_assert_uint_le(n, 50);
	ck_assert_uint_eq(got.index, (turn == 1 ? UINT64_C(1000000) << 16 : 0) + seq);
	for (n = 0; n < 70000; n++) {	/* and from then on nothing is lost */
		ck_assert_int_eq(emit(s, 7, ++seq), GW_XF_OK);
		if (n < 200 || n % 97 == 0)
			ck_assert_int_eq(receive(s), GW_XF_OK);
	}
}
TURNS(late_joiner_hears_the_roc, 0, 2)

START_TEST(late_joiner_searches_the_roc)
{
	struct side *s = &side[BATCH];
	struct gw_material m = key_of(1, 2, true);
	uint32_t seq = 0;

	side_open(s, GW_ENGINE_BATCH, 4, true, 0);
	use_key(s, &m);
	for (; seq < 65536 + 10; seq++)
		ck_assert_int_eq(emit(s, 7, seq), GW_XF_OK);
	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = true }, NULL));
	ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
	ck_assert_int_eq(emit(s, 7, seq), GW_XF_OK);
	ck_assert_int_eq(receive(s), GW_XF_OK);
	ck_assert_uint_eq(got.index, seq);
}
END_TEST

static void
roc_on_air_must_be_authentic_of(int turn)	/* turn: MKI octets */
{
	struct side *s = &side[BATCH];
	struct gw_material m = key_of(1, (size_t)turn, true), newer;
	uint8_t copy[256];
	size_t n;

	side_open(s, GW_ENGINE_BATCH, 4, true, 10);
	use_key(s, &m);
	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = true, .rcc_rate = 10 }, NULL));
	ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
	ck_assert_int_eq(emit(s, 7, 20), GW_XF_OK);
	memcpy(copy, s->pk.p, n = s->pk.len);
	for (size_t i = 12; i < n; i++) {	/* each octet of it matters, and a forged one changes nothing */
		if (i >= 100 && i < 100 + (size_t)turn)
			continue;	/* the MKI names another key */
		memcpy(s->pk.p, copy, s->pk.len = n);
		s->pk.p[i] ^= 0x40;
		ck_assert_int_eq(row->unprotect(rx, &s->pk, &got, NULL), GW_XF_FORGED);
		ck_assert_uint_eq(s->pk.len, n);
		s->pk.p[i] ^= 0x40;
		ck_assert_mem_eq(s->pk.p, copy, n);
	}
	ck_assert_int_eq(receive(s), GW_XF_OK);
	memcpy(s->pk.p, copy, s->pk.len = n);
	ck_assert_int_eq(receive(s), GW_XF_REPEAT);
	for (uint32_t seq = 21; seq < 200; seq++) {
		ck_assert_int_eq(emit(s, 7, seq), GW_XF_OK);
		ck_assert_int_eq(receive(s), GW_XF_OK);
	}
	memcpy(s->pk.p, copy, s->pk.len = n);
	ck_assert_int_eq(receive(s), GW_XF_RESTART);	/* long ago, but the same key: a replay */
	newer = key_of(2, (size_t)turn, true);
	ck_assert_int_eq(row->rx_key(rx, &newer, NULL), 0);
	side_close(s);		/* a scrambler that lost its marks begins anew: believed under a new key */
	side_open(s, GW_ENGINE_BATCH, 4, true, 10);
	use_key(s, &newer);
	ck_assert_int_eq(emit(s, 7, 30), GW_XF_OK);
	ck_assert_int_eq(receive(s), GW_XF_OK);
	ck_assert_uint_eq(got.index, 30);
	ck_assert_int_eq(emit(s, 7, 31), GW_XF_OK);
	ck_assert_int_eq(receive(s), GW_XF_OK);
}
TURNS(roc_on_air_must_be_authentic, 1, 9)

/* ---- malformed ---- */

static void
nothing_malformed_is_opened_of(int turn)	/* turn: 0 plain, 1 with the ROC on air */
{
	struct side *s = &side[BATCH];
	struct gw_material m = key_of(1, 2, true);
	uint8_t copy[256];
	size_t n;

	side_open(s, GW_ENGINE_BATCH, 4, true, turn ? 10 : 0);
	use_key(s, &m);
	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = true, .rcc_rate = turn ? 10 : 0 }, NULL));
	ck_assert_int_eq(row->rx_key(rx, &m, NULL), 0);
	ck_assert_int_eq(emit(s, 7, 20), GW_XF_OK);
	memcpy(copy, s->pk.p, n = s->pk.len);
	for (size_t len = 0; len < n; len++) {
		uint8_t *cut = malloc(len + 1);		/* with nothing readable behind it */
		memcpy(cut, copy, len);
		s->pk = (struct gw_pk){ cut, len };
		ck_assert_int_ge(row->unprotect(rx, &s->pk, &got, NULL), GW_XF_NOT_RTP);
		free(cut);
		if (len < 12)
			continue;
		cut = malloc(len + 12);			/* the right end, but less before it; and a header that does not fit */
		memcpy(cut, copy, len);
		memcpy(cut + len, copy + n - 12, 12);
		cut[0] = (uint8_t)(0x90 | (len & 15));
		s->pk = (struct gw_pk){ cut, len + 12 };
		ck_assert_int_ge(row->unprotect(rx, &s->pk, &got, NULL), GW_XF_NOT_RTP);
		s->pk = (struct gw_pk){ cut, len + 12 };
		cut[1] = 200;
		ck_assert_int_ge(row->unprotect_rtcp(rx, &s->pk, &got), GW_XF_NOT_RTP);
		free(cut);
	}
	for (int i = 0; i < 1000; i++) {
		size_t len = dice(150);
		for (size_t k = 0; k < len; k++)
			s->room[k] = (uint8_t)dice(256);
		s->room[0] = (uint8_t)(0x80 | (s->room[0] & 0x3f));
		if (len > 12)
			memcpy(s->room + len - 12, m.id, 2);
		s->pk = (struct gw_pk){ s->room, len };
		ck_assert_int_ge((i % 2 ? row->unprotect(rx, &s->pk, &got, NULL) : row->unprotect_rtcp(rx, &s->pk, &got)), GW_XF_NOT_RTP);
	}
}
TURNS(nothing_malformed_is_opened, 0, 2)

START_TEST(clear_is_told_by_its_end)
{
	uint8_t p[12 + 2 * 188 + 2] = { 0x80, 33, [12] = 0x47, [12 + 188] = 0x47 };

	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ 0 }, NULL));
	ck_assert(row->in_clear(rx, &(struct gw_pk){ p, 12 + 2 * 188 }));
	ck_assert(!row->in_clear(rx, &(struct gw_pk){ p, 12 + 2 * 188 + 2 }));
	ck_assert(!row->in_clear(rx, &(struct gw_pk){ p, 12 }));
	ck_assert(!row->in_clear(rx, &(struct gw_pk){ p, 3 }));
	p[12 + 188] = 0x46;
	ck_assert(!row->in_clear(rx, &(struct gw_pk){ p, 12 + 2 * 188 }));
	p[1] = 96;
	ck_assert(!row->in_clear(rx, &(struct gw_pk){ p, 12 + 188 }));
}
END_TEST

START_TEST(self_test_holds)
{
	struct gw_err err = { 0 };

	ck_assert_msg(row->self_test(&err) == 0, "%s", err.text);
	ck_assert_ptr_eq(gw_transform_of(1), row);
}
END_TEST

SUITE("lib_srtp_engines", tcase_add_checked_fixture(t, up, down);
      tcase_add_test(t, self_test_holds); tcase_add_test(t, engines_agree);
      tcase_add_test(t, a_burst_of_many_keys_and_sources); tcase_add_test(t, four_thousand_sources);
      tcase_add_test(t, who_is_sending_keeps_his_place); tcase_add_test(t, indices_end); tcase_add_test(t, what_is_too_long_spends_nothing);
      tcase_add_test(t, reports_are_as_libsrtp2_makes_them); tcase_add_test(t, report_indices_go_on);
      tcase_add_test(t, report_indices_end); tcase_add_test(t, reports_and_media_are_told_apart);
      tcase_add_test(t, roc_on_air_is_refused_where_it_cannot_be);
      tcase_add_test(t, tags_with_roc_are_as_the_rfc_has_them); tcase_add_test(t, late_joiner_hears_the_roc);
      tcase_add_test(t, late_joiner_searches_the_roc); tcase_add_test(t, roc_on_air_must_be_authentic);
      tcase_add_test(t, nothing_malformed_is_opened); tcase_add_test(t, clear_is_told_by_its_end))
