/* tests/unit/test_cissa.c: DVB-CISSA: what is scrambled and what stays clear, and the way back. tests/integration/cissa_openssl.sh has another's opinion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/transform.h"
#include "proto/ts.h"
#include "tests/suite.h"

enum { N = 7, DATAGRAM = N * TS_PACKET, RTP = 12, CLIP = 2 << 20, MEDIA = 0x100 };
static const struct gw_transform *const x = &gw_transform_cissa;
static struct gw_tx *tx;
static struct gw_tx_medium *medium;
static struct gw_rx *rx;
static struct gw_burst *burst;
static _Alignas(4) uint8_t room[GW_XF_HEAD + 65536 + GW_XF_TAIL];
static struct gw_pk pk;
static struct gw_rx_got got;
static uint8_t tek[2][16], counters[TS_PIDS];	/* even, odd, of the worked STKM D */

static struct gw_material
material(unsigned parity, const uint8_t *key)
{
	return (struct gw_material){ .id = { (uint8_t)parity }, .id_len = 1, .tek = key };
}

static void
use(unsigned parity)
{
	struct gw_material m = material(parity, tek[parity]);
	struct gw_xkey *k = x->key_new(tx, &m, NULL);

	ck_assert_ptr_nonnull(k);
	x->key_free(x->use(tx, k));
}

static void
know(unsigned parity)
{
	struct gw_material m = material(parity, tek[parity]);

	ck_assert_int_eq(x->rx_key(rx, &m, NULL), 0);
}

static void
new_medium(const uint16_t *pids, size_t n)
{
	x->medium_free(medium);
	ck_assert_ptr_nonnull(medium = x->medium_new(tx, &(struct gw_tx_medium_conf){ .pids = pids, .npids = n, .mtu = 1472 }, NULL));
}

static void
up(void)
{
	json_t *examples = vec_json("bcast/stkm-examples.json"), *d = NULL, *e;
	size_t i;

	json_array_foreach(json_object_get(examples, "examples"), i, e)
		if (strcmp(json_string_value(json_object_get(e, "name")), "D") == 0)
			d = e;
	ck_assert_uint_eq(unhex(json_string_value(json_object_get(d, "key_even")), tek[0], 16), 16);
	ck_assert_uint_eq(unhex(json_string_value(json_object_get(d, "key_odd")), tek[1], 16), 16);
	json_decref(examples);
	ck_assert_ptr_nonnull(burst = gw_burst_new(GW_BURST_AUTO, NULL));
	ck_assert_ptr_nonnull(tx = x->tx_new(&(struct gw_tx_conf){ 0 }, NULL));
	ck_assert_ptr_nonnull(rx = x->rx_new(&(struct gw_rx_conf){ 0 }, NULL));
	medium = NULL;
	new_medium(NULL, 0);
	memset(counters, 0, sizeof(counters));
	pk = (struct gw_pk){ room + GW_XF_HEAD, 0 };
}

static void
down(void)
{
	x->medium_free(medium);
	x->tx_free(tx);
	x->rx_free(rx);
	gw_burst_free(burst);
}

static int
protect(void)
{
	int v = x->protect(tx, medium, &pk, burst, NULL);

	gw_burst_run(burst);
	return v;
}

static int unprotect(void) { return x->unprotect(rx, &pk, &got, NULL); }

/* A packet at the end of pk with a payload of len octets. */
static uint8_t *
add(uint16_t pid, size_t len)
{
	uint8_t *p = pk.p + pk.len;
	size_t field = 184 - len;

	memset(p, 0x5a, TS_PACKET);
	memcpy(p, (uint8_t[]){ 0x47, (uint8_t)(pid >> 8), (uint8_t)pid, (uint8_t)((len ? 0x10 : 0) | (field ? 0x20 : 0)) }, 4);
	p[3] |= (uint8_t)((len ? counters[pid]++ : counters[pid] - 1) & 15);
	if (field)
		p[4] = (uint8_t)(field - 1);
	if (field > 1)
		p[5] = 0;
	pk.len += TS_PACKET;
	return p;
}

static void
add_section(uint16_t pid, const uint8_t *head, size_t n)
{
	uint8_t *p = add(pid, 184), *s = p + 5;
	uint32_t crc;

	memset(p + 4, 0xff, 184);
	p[1] |= 0x40;
	p[4] = 0;
	memcpy(s, head, n);
	crc = ts_crc(s, n);
	memcpy(s + n, (uint8_t[]){ (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc }, 4);
}
/* Program 1: PMT 0x50; its ECM PID is 0x60, its video MEDIA. */
static void add_pat(void) { add_section(0, (uint8_t[]){ 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0, 0x50 }, 12); }
static void add_pmt(void) { add_section(0x50, (uint8_t[]){ 2, 0xb0, 24, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 6, 9, 4, 0x4a, 0x75, 0xe0, 0x60,
	0x1b, 0xe1, 0, 0xf0, 0 }, 23); }

static void
rtp(uint16_t seq, uint32_t ssrc)
{
	memcpy(pk.p, (uint8_t[RTP]){ 0x80, 33, (uint8_t)(seq >> 8), (uint8_t)seq, 0, 0, 0, 1, 0, 0, 0, (uint8_t)ssrc }, RTP);
	pk.len = RTP;
}

static unsigned control(const uint8_t *p) { return p[3] >> 6; }

/* ---- */

START_TEST(known_answers)
{
	struct gw_err err;

	ck_assert_msg(x->self_test(&err) == 0, "%s", err.text);
	ck_assert_ptr_eq(gw_transform_of(7), x);
}
END_TEST

START_TEST(clip_there_and_back)	/* _i: in RTP? */
{
	uint8_t *clip = malloc(CLIP), *was = malloc(DATAGRAM), *at;
	FILE *f = fopen(vec_path("../../examples/media/clip.ts"), "rb");
	size_t len = f ? fread(clip, 1, CLIP, f) : 0, scrambled = 0, datagrams = 0, key = 0;

	ck_assert_uint_gt(len, 1000 * TS_PACKET);
	fclose(f);
	for (size_t from = 0, n; from < len; from += n, datagrams++) {
		n = len - from < DATAGRAM ? len - from : DATAGRAM;
		if (datagrams % 50 == 0) {	/* a new key; the receiver has had it as next */
			tek[key & 1][0] = (uint8_t)key;
			use(key & 1);
			know(key & 1);
			key++;
		}
		pk = (struct gw_pk){ room + GW_XF_HEAD, 0 };
		if (_i)
			rtp((uint16_t)(65500 + datagrams), 1);
		at = pk.p + pk.len;
		memcpy(at, clip + from, n);
		memcpy(was, clip + from, n);
		pk.len += n;
		ck_assert_int_eq(protect(), GW_XF_OK);
		bool any = false;
		for (size_t i = 0; i < n; i += TS_PACKET) {
			struct ts_packet k;
			ck_assert_int_eq(ts_parse(was + i, &k), 0);
			bool media = (k.pid == 0x100 || k.pid == 0x101) && k.len > 0;
			ck_assert_uint_eq(control(at + i), media ? 2 + ((key - 1) & 1) : 0);
			ck_assert_int_eq(memcmp(at + i + k.at, was + i + k.at, k.len) != 0, media && k.len >= 16);
			scrambled += media;
			any = any || media;
		}
		ck_assert(!x->in_clear(rx, &pk));
		ck_assert_int_eq(unprotect(), GW_XF_OK);
		ck_assert_mem_eq(at, was, n);
		ck_assert_uint_eq(got.index, datagrams + (_i ? 65500u : 0));
		ck_assert_uint_eq(got.source, _i ? 1 : 0);
		ck_assert(!any || (got.id_len == 1 && got.id[0] == ((key - 1) & 1)));
	}
	ck_assert_uint_eq(scrambled, 6000);
	ck_assert_uint_gt(key, 10);
	free(clip);
	free(was);
}
END_TEST

START_TEST(nothing_is_clear_before_its_time)
{
	uint8_t *pmt, *ecm, *media, *psi;

	use(0);
	pmt = pk.p;
	add_pmt();			/* before the PAT: could be anything */
	add_pat();
	add_pmt();			/* now it is known */
	ecm = add(0x60, 184);
	media = add(MEDIA, 184);
	psi = add(0x11, 184);
	add(TS_NULL, 184);
	ck_assert_int_eq(protect(), GW_XF_OK);
	ck_assert_uint_eq(control(pmt), 2);
	ck_assert_uint_eq(control(pmt + TS_PACKET), 0);
	ck_assert_uint_eq(control(pmt + 2 * TS_PACKET), 0);
	ck_assert_uint_eq(control(ecm), 0);
	ck_assert_uint_eq(control(media), 2);
	ck_assert_uint_eq(control(psi), 0);
	ck_assert_uint_eq(control(psi + TS_PACKET), 0);
	pk.len = 0;
	pmt = add(0x50, 184);
	pmt[1] |= 0x80;			/* damaged: its PID may be another's */
	ck_assert_int_eq(protect(), GW_XF_OK);
	ck_assert_uint_eq(control(pmt), 2);
}
END_TEST

START_TEST(psi_is_learned_without_a_key)
{
	add_pat();
	add_pmt();
	ck_assert_int_eq(protect(), GW_XF_NO_KEY);
	pk.len = 0;
	use(1);
	uint8_t *p = add(0x60, 184);
	ck_assert_int_eq(protect(), GW_XF_OK);
	ck_assert_uint_eq(control(p), 0);
}
END_TEST

START_TEST(residue_and_exceptions)
{
	uint8_t *p[6], was[6][TS_PACKET];

	use(1);
	p[0] = add(MEDIA, 183);		/* 11 blocks and 7 octets */
	p[1] = add(MEDIA, 15);		/* none */
	p[2] = add(MEDIA, 0);
	p[3] = add(MEDIA, 184);
	p[3][3] |= 0x80;		/* of another system */
	p[4] = add(MEDIA, 16);
	p[5] = add(MEDIA, 184);
	p[5][3] |= 0x40;		/* reserved: nobody's scrambling, so it is not believed */
	for (int i = 0; i < 6; i++)
		memcpy(was[i], p[i], TS_PACKET);
	ck_assert_int_eq(protect(), GW_XF_OK);
	ck_assert_uint_eq(control(p[0]), 3);
	ck_assert_mem_eq(p[0] + 181, was[0] + 181, 7);
	ck_assert_mem_ne(p[0] + 5 + 160, was[0] + 5 + 160, 16);
	ck_assert_mem_eq(p[0] + 4, was[0] + 4, 1);
	ck_assert_uint_eq(control(p[1]), 3);
	ck_assert_mem_eq(p[1] + 4, was[1] + 4, 184);
	ck_assert_mem_eq(p[2], was[2], TS_PACKET);
	ck_assert_mem_eq(p[3], was[3], TS_PACKET);
	ck_assert_uint_eq(control(p[4]), 3);
	ck_assert_mem_ne(p[4] + 172, was[4] + 172, 16);
	ck_assert_mem_eq(p[4] + 4, was[4] + 4, 168);
	ck_assert_uint_eq(control(p[5]), 3);
	ck_assert_mem_ne(p[5] + 4, was[5] + 4, 16);
	ck_assert_mem_ne(p[5] + 4 + 160, was[5] + 4 + 160, 16);
}
END_TEST

START_TEST(only_the_pids_that_are_named)
{
	static const uint16_t pids[] = { 0x101, 0x50 };
	uint8_t *p;

	new_medium(pids, 2);
	use(0);
	p = pk.p;
	add_pat();
	add_pmt();		/* named: so be it */
	add(MEDIA, 184);
	add(0x101, 184);
	ck_assert_int_eq(protect(), GW_XF_OK);
	ck_assert_uint_eq(control(p), 0);
	ck_assert_uint_eq(control(p + TS_PACKET), 2);
	ck_assert_uint_eq(control(p + 2 * TS_PACKET), 0);
	ck_assert_uint_eq(control(p + 3 * TS_PACKET), 2);
}
END_TEST

START_TEST(what_is_no_transport_stream_is_dropped)
{
	use(0);
	know(0);
	ck_assert_int_eq(protect(), GW_XF_MALFORMED);	/* empty */
	add(MEDIA, 184);
	add(MEDIA, 184);
	for (size_t len = 1; len < 2 * TS_PACKET; len++) {
		pk.len = len;
		ck_assert_int_eq(protect(), len == TS_PACKET ? GW_XF_OK : GW_XF_MALFORMED);
		ck_assert_int_eq(unprotect(), len == TS_PACKET ? GW_XF_OK : GW_XF_MALFORMED);
	}
	pk.len = 2 * TS_PACKET;
	pk.p[TS_PACKET] = 0x48;				/* in the second: the first must not be touched either */
	ck_assert_int_eq(protect(), GW_XF_MALFORMED);
	ck_assert_uint_eq(control(pk.p), 0);
	pk.p[TS_PACKET] = 0x47;
	pk.p[TS_PACKET + 3] = 0x00;
	ck_assert_int_eq(protect(), GW_XF_MALFORMED);
	pk.p[0] = 0x00;
	ck_assert_int_eq(protect(), GW_XF_NOT_RTP);
	rtp(1, 1);
	ck_assert_int_eq(protect(), GW_XF_MALFORMED);	/* RTP without anything */
	add(MEDIA, 184);
	pk.len--;
	ck_assert_int_eq(protect(), GW_XF_MALFORMED);
	pk.len++;
	pk.p[0] = 0x90;					/* an extension that is not there */
	pk.p[RTP + 2] = 0xff;
	ck_assert_int_eq(protect(), GW_XF_NOT_RTP);
}
END_TEST

START_TEST(padding_is_left_out)
{
	use(0);
	know(0);
	rtp(1, 1);
	add(MEDIA, 184);
	add(MEDIA, 184);
	pk.p[0] |= 0x20;
	pk.p[pk.len - 1] = TS_PACKET;		/* the second packet is the padding, by its last octet */
	ck_assert_int_eq(protect(), GW_XF_OK);
	ck_assert_uint_eq(pk.len, RTP + TS_PACKET);
	ck_assert_uint_eq(pk.p[0], 0x80);
	ck_assert_uint_eq(control(pk.p + RTP), 2);
}
END_TEST

START_TEST(keys_by_parity)
{
	uint8_t was[TS_PACKET], scrambled[TS_PACKET], other[16] = { 9 };
	struct gw_material bad = material(2, other), m = material(0, other);

	ck_assert_ptr_null(x->key_new(tx, &bad, NULL));
	ck_assert_int_eq(x->rx_key(rx, &bad, NULL), -1);
	memcpy(was, add(MEDIA, 184), TS_PACKET);
	ck_assert_int_eq(protect(), GW_XF_NO_KEY);
	ck_assert_mem_eq(pk.p, was, TS_PACKET);
	use(0);
	ck_assert_int_eq(protect(), GW_XF_OK);
	memcpy(scrambled, pk.p, TS_PACKET);
	know(1);
	ck_assert_int_eq(unprotect(), GW_XF_NO_KEY);
	ck_assert_mem_eq(pk.p, scrambled, TS_PACKET);
	know(0);
	ck_assert_int_eq(unprotect(), GW_XF_OK);
	ck_assert_mem_eq(pk.p, was, TS_PACKET);
	ck_assert_int_eq(x->rx_key(rx, &m, NULL), 0);		/* another even key: the one before is gone */
	memcpy(pk.p, scrambled, TS_PACKET);
	ck_assert_int_eq(unprotect(), GW_XF_OK);
	ck_assert_mem_ne(pk.p, was, TS_PACKET);
	x->rx_drop(rx, (uint8_t[]){ 0 }, 1);
	memcpy(pk.p, scrambled, TS_PACKET);
	ck_assert_int_eq(unprotect(), GW_XF_NO_KEY);
	x->key_free(x->use(tx, NULL));
	ck_assert_int_eq(protect(), GW_XF_NO_KEY);
}
END_TEST

static uint64_t
index_of(uint16_t seq, uint32_t ssrc)
{
	rtp(seq, ssrc);
	add(MEDIA, 184);
	ck_assert_int_eq(unprotect(), GW_XF_OK);
	return got.index;
}

START_TEST(rtp_is_counted_on)
{
	ck_assert_uint_eq(index_of(65534, 1), 65534);
	ck_assert_uint_eq(index_of(65535, 1), 65535);
	ck_assert_uint_eq(index_of(1, 1), 65537);
	ck_assert_uint_eq(index_of(0, 1), 65536);	/* late */
	ck_assert_uint_eq(index_of(2, 1), 65538);
	ck_assert_uint_eq(index_of(2, 1), 65538);	/* twice */
	ck_assert_uint_eq(index_of(500, 2), 65539);	/* another source */
	ck_assert_uint_eq(got.source, 2);
	ck_assert_uint_eq(index_of(501, 2), 65540);
	ck_assert_uint_eq(index_of(40000, 2), 65541);	/* restarted */
	ck_assert_uint_eq(index_of(40001, 2), 65542);
}
END_TEST

static uint64_t
counted(size_t n)
{
	pk.len = 0;
	for (size_t i = 0; i < n; i++)
		add(i % 3 == 2 ? 0x101 : MEDIA, 184);
	ck_assert_int_eq(unprotect(), GW_XF_OK);
	return got.index;
}

START_TEST(udp_is_counted_by_its_packets)
{
	ck_assert_uint_eq(counted(N), 0);
	for (unsigned i = 1; i < 40; i++)
		ck_assert_uint_eq(counted(N), i);
	counters[MEDIA] += 5;			/* a datagram that did not come */
	counters[0x101] += 2;
	ck_assert_uint_eq(counted(N), 41);
	counters[MEDIA] += 5;			/* two, and a bit */
	counters[0x101] += 10;
	ck_assert_uint_eq(counted(N), 45);
	ck_assert_int_eq(unprotect(), GW_XF_OK);	/* the same again is no loss of 15 packets… */
	counters[TS_NULL] = 7;
	pk.len = 0;
	add(TS_NULL, 184);
	counters[TS_NULL] = 3;
	add(TS_NULL, 184);
	counters[MEDIA]++;			/* …nor are stuffing, and jumps that are announced */
	add(MEDIA, 170)[5] = 0x80;
	ck_assert_int_eq(unprotect(), GW_XF_OK);
	uint64_t before = got.index;
	ck_assert_uint_eq(counted(1), before + 1);
}
END_TEST

START_TEST(clear_is_media_in_clear)
{
	add_pmt();
	add(MEDIA, 184);
	ck_assert(!x->in_clear(rx, &pk));	/* no PAT yet: who knows */
	pk.len = 0;
	add_pat();
	add_pmt();
	add(TS_NULL, 184);
	add(0x60, 184);
	add(MEDIA, 0);
	ck_assert(!x->in_clear(rx, &pk));
	ck_assert_int_eq(unprotect(), GW_XF_OK);
	ck_assert_uint_eq(got.id_len, 0);
	add(MEDIA, 184);
	ck_assert(x->in_clear(rx, &pk));
	add(MEDIA, 184)[3] |= 0x80;
	ck_assert(!x->in_clear(rx, &pk));
	pk.len--;
	ck_assert(!x->in_clear(rx, &pk));
	/* PSI alone, once keys are in use: of the stream that they protect */
	pk.len = 0;
	know(1);
	add(MEDIA, 184)[3] |= 0xc0;
	ck_assert_int_eq(unprotect(), GW_XF_OK);
	pk.len = 0;
	add_pat();
	ck_assert(!x->in_clear(rx, &pk));
	ck_assert_int_eq(unprotect(), GW_XF_OK);
	ck_assert(got.id_len == 1 && got.id[0] == 1);
}
END_TEST

SUITE("cissa", tcase_add_checked_fixture(t, up, down); tcase_add_test(t, known_answers); tcase_add_loop_test(t, clip_there_and_back, 0, 2);
      tcase_add_test(t, nothing_is_clear_before_its_time); tcase_add_test(t, psi_is_learned_without_a_key);
      tcase_add_test(t, residue_and_exceptions); tcase_add_test(t, only_the_pids_that_are_named);
      tcase_add_test(t, what_is_no_transport_stream_is_dropped); tcase_add_test(t, padding_is_left_out); tcase_add_test(t, keys_by_parity); tcase_add_test(t, rtp_is_counted_on);
      tcase_add_test(t, udp_is_counted_by_its_packets); tcase_add_test(t, clear_is_media_in_clear))
