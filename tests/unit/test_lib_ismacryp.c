/* tests/unit/test_lib_ismacryp.c: the worked example, access units over packets, loss, restarts, key changes; and that no key stream is used twice */
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "lib/transform.h"
#include "proto/au.h"
#include "proto/rtp.h"
#include "tests/suite.h"

#define XF (&gw_transform_ismacryp)
enum { IN_PT = 98, OUT_PT = 96, MTU = 600, SLOT = 2048, SLOTS = 8192, SECTION = 2 + 4 + 1 };

static uint64_t marks[512];
static struct gw_tx_conf tx_conf;
static struct gw_rx_conf rx_conf;
static struct gw_tx *tx;
static struct gw_tx_medium *medium;
static struct gw_rx *rx;
static struct gw_xkey *keys[256];
static struct gw_burst *burst;

/* The air, and what a receiver makes of it. */
static _Alignas(16) uint8_t memory[SLOTS][GW_XF_HEAD + SLOT + GW_XF_TAIL];
static struct gw_pk air[SLOTS];
static size_t nair, slots_left;
static uint8_t clear_memory[SLOTS][SLOT];
static struct gw_pk clear[SLOTS];
static size_t nclear;

static struct gw_pk *
air_slot(void *self)
{
	(void)self;
	if (slots_left == 0)
		return NULL;
	slots_left--;
	ck_assert_uint_lt(nair, SLOTS);
	air[nair].p = memory[nair] + GW_XF_HEAD;
	return &air[nair++];
}

static struct gw_pk *
clear_slot(void *self)
{
	(void)self;
	ck_assert_uint_lt(nclear, SLOTS);
	clear[nclear].p = clear_memory[nclear];
	return &clear[nclear++];
}

static struct gw_sink air_sink = { NULL, air_slot }, clear_sink = { NULL, clear_slot };

static struct gw_material
material(uint8_t cp)
{
	static uint8_t bytes[256][16 + 8 + 20];
	uint8_t *b = bytes[cp];

	memset(b, 0x30, sizeof(bytes[0]));
	b[0] = cp;
	return (struct gw_material){ .id = { cp }, .id_len = 1, .tek = b, .salt = b + 16, .tak = tx_conf.authenticated ? b + 24 : NULL,
		.authenticated = tx_conf.authenticated };
}

static void
use(uint8_t cp)
{
	struct gw_material m = material(cp);

	if (!keys[cp])
		ck_assert_ptr_nonnull(keys[cp] = XF->key_new(tx, &m, NULL));
	XF->use(tx, keys[cp]);
	ck_assert_int_eq(XF->rx_key(rx, &m, NULL), 0);
}

static void
sender_up(enum gw_media_type type)
{
	struct gw_tx_medium_conf m = { .type = type, .payload_type = OUT_PT, .mtu = MTU };

	ck_assert_uint_le(XF->marks_len(&tx_conf), sizeof(marks));
	tx_conf.marks = marks;
	ck_assert_ptr_nonnull(tx = XF->tx_new(&tx_conf, NULL));
	ck_assert_ptr_nonnull(medium = XF->medium_new(tx, &m, NULL));
}

static void
sender_down(void)
{
	for (size_t i = 0; i < 256; i++) {
		XF->key_free(keys[i]);
		keys[i] = NULL;
	}
	XF->medium_free(medium);
	XF->tx_free(tx);
}

static void
up(enum gw_media_type type, bool authenticated)
{
	tx_conf = (struct gw_tx_conf){ .authenticated = authenticated };
	rx_conf = (struct gw_rx_conf){ .authenticated = authenticated, .type = type, .payload_type = IN_PT };
	memset(marks, 0, sizeof(marks));
	sender_up(type);
	ck_assert_ptr_nonnull(rx = XF->rx_new(&rx_conf, NULL));
	ck_assert_ptr_nonnull(burst = gw_burst_new(GW_BURST_AUTO, NULL));
	nair = nclear = 0;
	slots_left = SLOTS;
}

static void
down(void)
{
	sender_down();
	XF->rx_free(rx);
	gw_burst_free(burst);
}

/* ---- packets of a source ---- */

static uint32_t ssrc = 0xc0ffee01;
static uint8_t in_pt = IN_PT;

static size_t
rtp(uint8_t *p, bool marker, uint16_t seq, uint32_t timestamp)
{
	p[0] = 0x80;
	p[1] = (uint8_t)(marker << 7 | in_pt);
	p[2] = (uint8_t)(seq >> 8);
	p[3] = (uint8_t)seq;
	for (int i = 0; i < 4; i++) {
		p[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
		p[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	}
	return RTP_HEADER;
}

/* One packet to the sender; what came of it is on the air, encrypted. */
static int
offer(const uint8_t *packet, size_t len)
{
	struct gw_pk pk = { memory[nair] + GW_XF_HEAD, len };
	size_t at = nair++;	/* its own room */
	int v;

	ck_assert_uint_lt(nair, SLOTS);
	memcpy(pk.p, packet, len);
	v = XF->protect(tx, medium, &pk, burst, &air_sink);
	gw_burst_run(burst);
	if (v == GW_XF_OK) {
		ck_assert_uint_eq(nair, at + 1);
		air[at] = pk;
	} else {	/* its room is empty */
		memmove(&air[at], &air[at + 1], (nair - at - 1) * sizeof(air[0]));
		memmove(memory[at], memory[at + 1], (nair - at - 1) * sizeof(memory[0]));
		nair--;
		for (size_t i = at; i < nair; i++)
			air[i].p = memory[i] + GW_XF_HEAD;
	}
	return v;
}

static int
hear(size_t i, struct gw_rx_got *got)
{
	static _Alignas(4) uint8_t copy[SLOT];
	struct gw_rx_got g;
	struct gw_pk pk = { copy, air[i].len };
	int v;

	memcpy(copy, air[i].p, air[i].len);
	v = XF->unprotect(rx, &pk, got ? got : &g, &clear_sink);
	if (v == GW_XF_OK) {
		ck_assert_uint_lt(nclear, SLOTS);
		clear[nclear].p = clear_memory[nclear];
		memcpy(clear[nclear].p, pk.p, clear[nclear].len = pk.len);
		nclear++;
	}
	return v;
}

/* Everything on the air from at on is heard; the last verdict. */
static int
hear_all(size_t at)
{
	int v = GW_XF_HELD;

	for (; at < nair; at++)
		v = hear(at, NULL);
	return v;
}

static uint16_t
seq_of(const struct gw_pk *pk)
{
	return (uint16_t)(pk->p[2] << 8 | pk->p[3]);
}

static struct au
head_of(const struct gw_pk *pk, const struct au_params *mode)
{
	struct au_params p = au_ismacryp(mode, 1);
	struct au_reader r;
	struct au a;

	ck_assert_int_eq(au_read(&r, &p, pk->p + RTP_HEADER, pk->len - RTP_HEADER - (tx_conf.authenticated ? 10 : 0)), 0);
	ck_assert_int_eq(au_next(&r, &a), 1);
	return a;
}

/* ---- AAC ---- */

static size_t
aac(uint8_t *p, uint16_t seq, const size_t *sizes, size_t n)
{
	struct au a[8] = { { .size = 0 } };
	size_t len = rtp(p, true, seq, seq * 1024u);

	for (size_t i = 0; i < n; i++)
		a[i] = (struct au){ .size = (uint32_t)sizes[i] };
	len += au_write(&au_aac_hbr, a, n, p + len, SLOT);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < sizes[i]; k++)
			p[len++] = (uint8_t)(seq * 31 + i * 7 + k);
	return len;
}

START_TEST(the_worked_example_is_bit_exact)
{
	json_t *j = vec_json("media/ismacryp.json");
	uint8_t tek[16], salt[8], want[128], packet[128], fill[0x123] = { 0 };
	struct gw_material m = { .id = { 5 }, .id_len = 1, .tek = tek, .salt = salt };
	size_t n, len;
	struct au a = { .size = 0x123 };

	up(GW_MEDIA_AAC, false);
	unhex(json_string_value(json_object_get(j, "TEK")), tek, 16);
	unhex(json_string_value(json_object_get(j, "salt")), salt, 8);
	XF->use(tx, keys[0] = XF->key_new(tx, &m, NULL));
	len = rtp(packet, true, 1, 0);	/* the first 0x123 octets of the key stream go to another */
	uint8_t first[512];
	memcpy(first, packet, len);
	len += au_write(&au_aac_hbr, &a, 1, first + len, sizeof(first));
	memcpy(first + len, fill, sizeof(fill));
	ck_assert_int_eq(offer(first, len + sizeof(fill)), GW_XF_OK);
	a.size = 40;
	len = rtp(packet, true, 2, 1024);
	len += au_write(&au_aac_hbr, &a, 1, packet + len, sizeof(packet) - len);
	len += unhex(json_string_value(json_object_get(j, "access_unit")), packet + len, sizeof(packet) - len);
	ck_assert_int_eq(offer(packet, len), GW_XF_OK);
	n = unhex(json_string_value(json_object_get(j, "rtp_payload")), want, sizeof(want));
	ck_assert_uint_eq(air[1].len, RTP_HEADER + n);
	ck_assert_mem_eq(air[1].p + RTP_HEADER, want, n);
	ck_assert_uint_eq(air[1].p[1], 0x80 | OUT_PT);
	ck_assert_int_eq(XF->rx_key(rx, &m, NULL), 0);
	ck_assert_int_eq(hear(1, NULL), GW_XF_OK);
	ck_assert_uint_eq(clear[0].len, len);
	ck_assert_mem_eq(clear[0].p, packet, len);
	ck_assert_int_eq(XF->self_test(NULL), 0);
	json_decref(j);
	down();
}
END_TEST

START_TEST(aac_goes_there_and_back)	/* _i: authenticated */
{
	static const size_t sizes[][4] = { { 100 }, { 1 }, { 200, 3, 77 }, { 15, 16, 17, 18 } };
	static const size_t count[] = { 1, 1, 3, 4 };
	uint8_t packet[SLOT];
	struct gw_rx_got got;

	up(GW_MEDIA_AAC, _i);
	for (unsigned n = 0; n < 200; n++) {
		uint16_t seq = (uint16_t)(65500 + n);
		size_t len = aac(packet, seq, sizes[n % 4], count[n % 4]);

		if (n % 20 == 0)
			use((uint8_t)(1 + n / 20));
		if (n % 3 == 0) {	/* padding is none of the access units' */
			packet[0] |= 0x20;
			packet[len] = 0;
			packet[len + 1] = 2;
		}
		ck_assert_int_eq(offer(packet, len + (n % 3 ? 0 : 2)), GW_XF_OK);
		ck_assert_uint_eq(air[n].len, len + 5 + (_i ? 10 : 0));
		ck_assert_uint_eq(head_of(&air[n], &au_aac_hbr).key[0], 1 + n / 20);
		ck_assert_int_eq(head_of(&air[n], &au_aac_hbr).iv == 0, n % 20 == 0);
		ck_assert_int_eq(hear(n, &got), GW_XF_OK);
		ck_assert_uint_eq(got.id_len, 1);
		ck_assert_uint_eq(got.source, ssrc);
		ck_assert_uint_eq(got.index, 65500 + n);
		packet[0] = 0x80;
		ck_assert_uint_eq(clear[n].len, len);
		ck_assert_mem_eq(clear[n].p, packet, len);
	}
	down();
}
END_TEST

START_TEST(aac_fragments_are_one_access_unit)	/* _i: authenticated */
{
	uint8_t whole[2000], packet[SLOT], back[2000];
	struct au a = { .size = sizeof(whole) }, h;
	size_t len, got = 0;
	uint64_t next = 0;

	up(GW_MEDIA_AAC, _i);
	use(1);
	for (size_t i = 0; i < sizeof(whole); i++)
		whole[i] = (uint8_t)(i * 13);
	for (uint16_t turn = 0; turn < 3; turn++)
		for (uint16_t k = 0; k < 5; k++) {	/* 300, 300, 300, 300, 800 */
			len = rtp(packet, k == 4, (uint16_t)(turn * 5 + k), turn);
			len += au_write(&au_aac_hbr, &a, 1, packet + len, SLOT);
			memcpy(packet + len, whole + 300 * k, k < 4 ? 300 : 800);
			if (turn == 1 && k == 2)
				continue;	/* lost: nothing of it goes out */
			if (turn == 2 && k == 3)
				use(2);		/* a key that changes within it does for all of it */
			int v = offer(packet, len + (k < 4 ? 300 : 800));
			ck_assert_int_eq(v, turn == 1 && k == 4 ? GW_XF_INCOMPLETE : GW_XF_HELD);
			ck_assert_uint_eq(nair, turn * 5u + (k == 4 ? 5 : 0) - (turn ? turn == 1 && k == 4 ? 5 : turn == 1 ? 0 : 5 : 0));
		}
	for (size_t i = 0; i < nair; i++) {
		h = head_of(&air[i], &au_aac_hbr);
		ck_assert_uint_eq(h.key[0], 1 + i / 5);
		ck_assert_uint_eq(h.size, sizeof(whole));
		ck_assert_uint_eq(h.iv, i % 5 ? next : 0);
		next = h.iv + h.len;
		ck_assert_uint_eq(seq_of(&air[i]), i < 5 ? i : i + 5);
		ck_assert_uint_eq(air[i].p[1] >> 7, i % 5 == 4);
		ck_assert_int_eq(hear(i, NULL), GW_XF_OK);
		memcpy(back + got, clear[i].p + RTP_HEADER + 4, clear[i].len - RTP_HEADER - 4);
		got += clear[i].len - RTP_HEADER - 4;
		if (i % 5 == 4) {
			ck_assert_uint_eq(got, sizeof(whole));
			ck_assert_mem_eq(back, whole, got);
			got = 0;
		}
	}
	ck_assert_uint_eq(nair, 10);
	down();
}
END_TEST

START_TEST(what_is_no_aac_is_dropped)
{
	static const char *const bad[] = { "", "00", "0000", "0010", "0010 0050", "0020 0008 0008 aa", "0010 0008 aa bb", "0018 0008 00 aa", "0010 0000 aa", "ffff 0008 aa" };
	uint8_t packet[64];

	up(GW_MEDIA_AAC, false);
	use(1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t len = rtp(packet, true, 1, 1);
		len += unhex(bad[i], packet + len, sizeof(packet) - len);
		ck_assert_msg(offer(packet, len) == GW_XF_MALFORMED, "%s", bad[i]);
		ck_assert_uint_eq(nair, 0);
	}
	ck_assert_int_eq(offer(packet, 11), GW_XF_NOT_RTP);
	packet[0] = 0;
	ck_assert_int_eq(offer(packet, 20), GW_XF_NOT_RTP);
	in_pt = OUT_PT;		/* could not be told from what is protected */
	size_t one = 1, len = aac(packet, 2, &one, 1);
	in_pt = IN_PT;
	ck_assert_int_eq(offer(packet, len), GW_XF_MALFORMED);
	down();
}
END_TEST

/* ---- H.264 ---- */

static uint8_t source_au[SLOTS][8192];	/* samples as sent, by access unit */
static size_t source_len[SLOTS];

/* Packets of access unit n; seq counts on. Their verdicts but the last are GW_XF_HELD; the last is returned. lost: this packet is not offered. */
static int
picture(unsigned n, size_t slice, uint16_t *seq, int lost, bool marker)
{
	uint8_t packet[SLOT], *au = source_au[n];
	struct h264_split s;
	size_t len = 0;
	int v = GW_XF_HELD, k = 0;

	if (n % 5 == 0) {
		static const uint8_t ps[] = { 0, 0, 0, 4, 0x67, 0x42, 0, 1, 0, 0, 0, 3, 0x68, 1, 2 };
		memcpy(au, ps, len = sizeof(ps));
	}
	au[len] = au[len + 1] = 0;
	au[len + 2] = (uint8_t)(slice >> 8);
	au[len + 3] = (uint8_t)slice;
	au[len + 4] = n % 5 ? 0x41 : 0x65;
	for (size_t i = 1; i < slice; i++)
		au[len + 4 + i] = (uint8_t)(0x80 | (i * 7 + n));
	source_len[n] = len + 4 + slice;
	ck_assert_int_eq(h264_split(&s, au, source_len[n]), 0);
	for (; !h264_ended(&s); k++, (*seq)++) {
		size_t at = RTP_HEADER, got = h264_next(&s, packet + RTP_HEADER, 400);
		rtp(packet, marker && h264_ended(&s), *seq, n * 3600);
		if (k == lost)
			continue;
		v = offer(packet, at + got);
		if (lost < 0 && !h264_ended(&s))
			ck_assert_int_eq(v, GW_XF_HELD);
	}
	return v;
}

/* The clear packets from at on are access unit n and no more. */
static size_t
check_picture(size_t at, unsigned n)
{
	static uint8_t room[8192];
	struct h264_au au = { .p = room, .cap = sizeof(room) };
	struct rtp r;

	do {
		ck_assert_uint_lt(at, nclear);
		ck_assert_uint_le(clear[at].len, 1400);
		ck_assert_int_eq(rtp_parse(clear[at].p, clear[at].len, &r), 0);
		ck_assert_uint_eq(r.payload_type, IN_PT);
		ck_assert_uint_eq(r.timestamp, n * 3600);
		ck_assert_uint_eq(r.ssrc, ssrc);
		ck_assert_int_eq(h264_add(&au, clear[at].p + RTP_HEADER, r.payload_len), H264_OK);
		at++;
	} while (!r.marker);
	ck_assert(h264_complete(&au));
	ck_assert_uint_eq(au.len, source_len[n]);
	ck_assert_mem_eq(room, source_au[n], au.len);
	return at;
}

START_TEST(h264_goes_there_and_back)	/* _i: authenticated */
{
	uint16_t seq = 65530, out = 65530;
	struct gw_rx_got got;
	size_t heard = 0, at = 0;
	uint64_t bso = 0;

	up(GW_MEDIA_H264, _i);
	for (unsigned n = 0; n < 100; n++) {
		if (n % 10 == 0) {
			use((uint8_t)(n / 10));
			bso = 0;
		}
		ck_assert_int_eq(picture(n, 1 + (n * 397) % 3000, &seq, -1, true), GW_XF_HELD);
		for (; heard < nair; heard++) {
			struct au h = head_of(&air[heard], &au_avc_video);
			ck_assert_uint_le(air[heard].len, MTU);
			ck_assert_uint_eq(air[heard].p[1], (heard + 1 == nair ? 0x80u : 0) | OUT_PT);
			ck_assert_uint_eq(seq_of(&air[heard]), out++);
			ck_assert_uint_eq(h.key[0], n / 10);
			ck_assert_uint_eq(h.iv, bso);
			ck_assert_int_eq(h.rap, n % 5 == 0);
			bso += h.len;
			ck_assert_int_eq(hear(heard, &got), GW_XF_HELD);
			ck_assert_uint_eq(got.index, 65530 + heard);
			ck_assert_uint_eq(got.source, ssrc);
		}
		at = check_picture(at, n);
		ck_assert_uint_eq(at, nclear);
	}
	ck_assert_uint_gt(nair, 200);
	struct gw_source s[2];
	ck_assert_uint_eq(XF->sources(tx, s, 2), 1);
	ck_assert_uint_eq(s[0].ssrc, ssrc);
	ck_assert_uint_eq(s[0].roc, 1);
	down();
}
END_TEST

START_TEST(a_time_stamp_ends_it_too)
{
	uint16_t seq = 1;
	size_t at = 0;

	up(GW_MEDIA_H264, false);
	use(1);
	for (unsigned n = 0; n < 6; n++) {
		ck_assert_int_eq(picture(n, 900, &seq, -1, false), GW_XF_HELD);
		ck_assert_int_eq(hear_all(0), n == 0 ? GW_XF_HELD : GW_XF_HELD);
		nair = 0;
	}
	for (unsigned n = 0; n < 5; n++)
		at = check_picture(at, n);
	ck_assert_uint_eq(at, nclear);
	down();
}
END_TEST

START_TEST(what_has_lost_a_part_is_lost_whole)	/* _i: which of three packets of the second access unit */
{
	uint16_t seq = 1;
	size_t at;

	up(GW_MEDIA_H264, false);
	use(1);
	picture(1, 1000, &seq, -1, true);
	ck_assert_int_eq(picture(2, 1000, &seq, _i, true), _i == 2 ? GW_XF_HELD : GW_XF_INCOMPLETE);
	if (_i == 2)	/* its end is missing: neither it nor the next, whose beginning may be missing, too */
		ck_assert_int_eq(picture(3, 1000, &seq, 9, true), GW_XF_INCOMPLETE);
	ck_assert_int_eq(picture(4, 1000, &seq, -1, true), GW_XF_HELD);
	hear_all(0);
	at = check_picture(check_picture(0, 1), 4);
	ck_assert_uint_eq(at, nclear);
	for (size_t i = 1; i < nair; i++)	/* the air has no gap */
		ck_assert_uint_eq(seq_of(&air[i]), (uint16_t)(seq_of(&air[i - 1]) + 1));
	down();
}
END_TEST

START_TEST(the_receiver_gives_nothing_in_part)	/* _i: the packet of the air that is lost */
{
	uint16_t seq = 1;
	size_t at = 0;

	up(GW_MEDIA_H264, false);
	use(1);
	for (unsigned n = 1; n < 5; n++)
		picture(n, 1500, &seq, -1, true);	/* three each */
	ck_assert_uint_eq(nair, 12);
	for (size_t i = 0; i < nair; i++)
		if (i != (size_t)_i)
			hear(i, NULL);
	for (unsigned n = 1; n < 5; n++)
		if (n != 1 + (unsigned)_i / 3 && !(n == 2 + (unsigned)_i / 3 && _i % 3 == 2))
			at = check_picture(at, n);
	ck_assert_uint_eq(at, nclear);
	down();
}
END_TEST

START_TEST(disorder_and_repetition_do_no_harm)
{
	uint8_t p[4][SLOT];
	uint16_t seq = 1;
	size_t len = 0, at;

	up(GW_MEDIA_H264, false);
	use(1);
	picture(1, 300, &seq, -1, true);	/* 1 */
	for (uint16_t i = 0; i < 4; i++) {	/* 2 to 5: an access unit each */
		len = rtp(p[i], true, (uint16_t)(seq + i), 7200u + i);
		memcpy(p[i] + len, "\x41\x9a\x00", 3);
		len += 3;
	}
	seq = 6;
	ck_assert_int_eq(offer(p[0], len), GW_XF_HELD);
	ck_assert_int_eq(offer(p[0], len), GW_XF_REPEAT);
	ck_assert_int_eq(offer(p[2], len), GW_XF_INCOMPLETE);
	ck_assert_int_eq(offer(p[1], len), GW_XF_RESTART);
	ck_assert_int_eq(offer(p[3], len), GW_XF_HELD);
	ck_assert_int_eq(picture(2, 300, &seq, -1, true), GW_XF_HELD);
	ck_assert_uint_eq(nair, 4);
	ck_assert_int_eq(hear(0, NULL), GW_XF_HELD);
	ck_assert_int_eq(hear(0, NULL), GW_XF_REPEAT);
	ck_assert_int_eq(hear(2, NULL), GW_XF_HELD);
	ck_assert_int_eq(hear(1, NULL), GW_XF_HELD);
	ck_assert_int_eq(hear(3, NULL), GW_XF_HELD);
	at = check_picture(0, 1);
	ck_assert_uint_eq(check_picture(at, 2), nclear);
	down();
}
END_TEST

START_TEST(a_source_that_begins_anew_is_followed)	/* _i: 0 far behind, 1 near behind, 2 far ahead, 3 another SSRC, 4 the same number */
{
	static const uint16_t to[] = { 10, 990, 40000, 3, 1001 };
	uint16_t seq = 1000;
	unsigned n;

	up(GW_MEDIA_H264, false);
	use(1);
	ck_assert_int_eq(picture(1, 300, &seq, -1, true), GW_XF_HELD);
	seq = to[_i];
	if (_i == 3)
		ssrc++;
	int v = picture(2, 300, &seq, -1, true);
	ck_assert_int_eq(v, _i == 3 || _i == 4 ? GW_XF_HELD : _i == 1 ? GW_XF_RESTART : GW_XF_INCOMPLETE);
	for (n = 3; n < 8; n++) {
		v = picture(n, 300, &seq, -1, true);
		if (v == GW_XF_HELD)
			break;
	}
	ck_assert_uint_le(n, 4);
	hear_all(0);
	ck_assert_uint_eq(nclear, nair);
	ssrc = 0xc0ffee01;
	down();
}
END_TEST

START_TEST(a_stream_is_joined_at_a_beginning)
{
	uint16_t seq = 1;

	up(GW_MEDIA_H264, false);
	use(1);
	ck_assert_int_eq(picture(1, 1000, &seq, 0, true), GW_XF_INCOMPLETE);	/* the sender comes in its middle */
	ck_assert_int_eq(picture(2, 1500, &seq, -1, true), GW_XF_HELD);
	ck_assert_int_eq(picture(3, 1500, &seq, -1, true), GW_XF_HELD);
	ck_assert_uint_eq(nair, 6);
	for (size_t i = 1; i < 6; i++)						/* and the receiver */
		ck_assert_int_eq(hear(i, NULL), GW_XF_HELD);
	ck_assert_uint_eq(check_picture(0, 3), nclear);
	down();
}
END_TEST

START_TEST(what_is_no_h264_is_dropped)
{
	static const char *const bad[] = { "", "1900", "1a00", "1b00", "1d85000088", "00", "7c05aa", "18", "1800ff67", "c100" };
	uint8_t packet[64];
	uint16_t seq = 1;

	up(GW_MEDIA_H264, false);
	use(1);
	picture(1, 300, &seq, -1, true);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t len = rtp(packet, true, seq++, 100);
		len += unhex(bad[i], packet + len, sizeof(packet) - len);
		ck_assert_msg(offer(packet, len) == GW_XF_MALFORMED, "%s", bad[i]);
	}
	ck_assert_int_eq(picture(2, 300, &seq, -1, true), GW_XF_HELD);	/* and the next is whole */
	size_t len = rtp(packet, true, seq++, 100);	/* a fragment whose end never comes */
	len += unhex("7c85 8800", packet + len, 8);
	ck_assert_int_eq(offer(packet, len), GW_XF_INCOMPLETE);
	ck_assert_uint_eq(nair, 2);
	hear_all(0);
	ck_assert_uint_eq(check_picture(check_picture(0, 1), 2), nclear);
	down();
}
END_TEST

START_TEST(room_is_bounded)
{
	uint8_t packet[SLOT] = { 0 };
	size_t n = 0, len;
	uint16_t seq = 1;
	int v;

	up(GW_MEDIA_H264, false);
	use(1);
	do {	/* fragments without end */
		len = rtp(packet, false, seq, 1);
		packet[len] = 0x7c;
		packet[len + 1] = seq == 1 ? 0x85 : 0x05;
		packet[len + 2] = 0x88;
		seq++;
		v = offer(packet, SLOT);
		n += SLOT - RTP_HEADER - 2;
	} while (v == GW_XF_HELD);
	ck_assert_int_eq(v, GW_XF_TOO_LONG);
	ck_assert_uint_lt(n, (4u << 20) + 3 * SLOT);
	ck_assert_uint_eq(nair, 0);
	slots_left = 2;		/* no room on the air: what is not sent shows as a gap */
	picture(1, 300, &seq, -1, true);
	ck_assert_int_eq(picture(2, 2000, &seq, -1, true), GW_XF_FAILED);
	slots_left = SLOTS;
	ck_assert_int_eq(picture(3, 300, &seq, -1, true), GW_XF_HELD);
	ck_assert_uint_gt((uint16_t)(seq_of(&air[nair - 1]) - seq_of(&air[nair - 2])), 1);
	down();
}
END_TEST

/* ---- keys ---- */

START_TEST(nothing_goes_out_without_a_key)	/* _i: media type */
{
	uint8_t packet[SLOT];
	uint16_t seq = 1;
	size_t size = 40, len;

	up((enum gw_media_type)_i, false);
	for (int turn = 0; turn < 2; turn++) {
		if (_i == GW_MEDIA_H264) {
			ck_assert_int_eq(picture(1, 1000, &seq, -1, true), GW_XF_NO_KEY);
		} else {
			len = aac(packet, seq++, &size, 1);
			ck_assert_int_eq(offer(packet, len), GW_XF_NO_KEY);
		}
		ck_assert_uint_eq(nair, 0);
		use(1);
		ck_assert_ptr_eq(XF->use(tx, NULL), keys[1]);
	}
	down();
}
END_TEST

START_TEST(key_stream_is_used_once)	/* whatever is done with keys and processes */
{
	static struct { uint64_t from, to; uint8_t key; } spent[SLOTS];
	size_t n = 0, size = 500;
	uint8_t packet[SLOT];
	uint16_t seq = 1;

	up(GW_MEDIA_AAC, false);
	for (int turn = 0; turn < 60; turn++) {
		if (turn % 3 == 0) {	/* the process ends without a word; its key is still in force */
			sender_down();
			sender_up(GW_MEDIA_AAC);
		}
		use((uint8_t)(1 + turn / 6 + turn % 2));	/* back and forth */
		for (int k = 0; k < 5; k++) {
			ck_assert_int_eq(offer(packet, aac(packet, seq++, &size, 1)), GW_XF_OK);
			struct au h = head_of(&air[nair - 1], &au_aac_hbr);
			spent[n].key = h.key[0];
			spent[n].from = h.iv;
			spent[n].to = h.iv + h.len;
			for (size_t i = 0; i < n; i++)
				ck_assert(spent[i].key != spent[n].key || spent[i].to <= spent[n].from || spent[n].to <= spent[i].from);
			n++;
			ck_assert_int_eq(hear(nair - 1, NULL), GW_XF_OK);
		}
	}
	down();
}
END_TEST

START_TEST(a_key_has_an_end)
{
	uint8_t packet[SLOT];
	size_t size = 500, n = 0;
	uint16_t seq = 1;
	int v = GW_XF_OK;

	up(GW_MEDIA_AAC, false);
	for (; n < 5000 && v == GW_XF_OK; n++) {	/* each beginning of a process costs what was reserved */
		nair = 0;
		use(1);
		v = offer(packet, aac(packet, seq++, &size, 1));
		if (v == GW_XF_OK)
			ck_assert_uint_lt(head_of(&air[0], &au_aac_hbr).iv, UINT64_C(0x100000000) - size + 1);
	}
	ck_assert_int_eq(v, GW_XF_EXHAUSTED);
	ck_assert_uint_gt(n, 4000);
	ck_assert_int_eq(offer(packet, aac(packet, seq++, &size, 1)), GW_XF_EXHAUSTED);
	use(2);
	ck_assert_int_eq(offer(packet, aac(packet, seq++, &size, 1)), GW_XF_OK);
	down();
}
END_TEST

START_TEST(two_media_of_a_unit_share_no_key_stream)
{
	uint8_t packet[SLOT];
	size_t size = 100;
	struct gw_tx_medium_conf c = { .type = GW_MEDIA_AAC, .payload_type = OUT_PT, .mtu = MTU };

	up(GW_MEDIA_AAC, false);
	struct gw_tx_medium *one = medium, *two = XF->medium_new(tx, &c, NULL);
	use(1);
	ck_assert_int_eq(offer(packet, aac(packet, 1, &size, 1)), GW_XF_OK);
	medium = two;
	ck_assert_int_eq(offer(packet, aac(packet, 1, &size, 1)), GW_XF_OK);
	ck_assert_uint_eq(head_of(&air[1], &au_aac_hbr).iv, 100);
	medium = one;
	XF->medium_free(two);
	down();
}
END_TEST

START_TEST(numbers_go_on_after_a_restart)
{
	uint16_t seq = 65000, last;

	up(GW_MEDIA_H264, true);
	use(1);
	for (unsigned n = 0; n < 300; n++) {
		nair = 0;
		ck_assert_int_eq(picture(n % 7, 900, &seq, -1, true), GW_XF_HELD);
	}
	ck_assert_int_eq(hear_all(0), GW_XF_HELD);	/* joins after the ROC has moved */
	last = seq_of(&air[nair - 1]);
	sender_down();
	sender_up(GW_MEDIA_H264);
	use(1);
	nair = 0;
	ck_assert_int_eq(picture(1, 900, &seq, -1, true), GW_XF_HELD);
	ck_assert_uint_eq(seq_of(&air[0]), (uint16_t)(last + 1));
	ck_assert_int_eq(hear_all(0), GW_XF_HELD);
	down();
}
END_TEST

START_TEST(a_tag_is_believed_only_whole)	/* _i: media type */
{
	uint8_t packet[SLOT];
	size_t size = 40;
	uint16_t seq = 7;
	struct gw_rx_got got;

	up((enum gw_media_type)_i, true);
	use(1);
	if (_i == GW_MEDIA_H264)
		picture(1, 100, &seq, -1, true);
	else
		offer(packet, aac(packet, 7, &size, 1));
	ck_assert_uint_eq(nair, 1);
	for (size_t i = 0; i < air[0].len; i++) {
		air[0].p[i] ^= 1;
		int v = hear(0, &got);
		ck_assert_msg(v >= GW_XF_NOT_RTP, "octet %zu: verdict %d", i, v);
		if (i >= RTP_HEADER + 8)
			ck_assert_int_eq(v, GW_XF_FORGED);
		air[0].p[i] ^= 1;
	}
	for (size_t n = 0; n < air[0].len; n++) {
		struct gw_pk pk = air[0];
		pk.len = n;
		ck_assert_int_ge(XF->unprotect(rx, &pk, &got, &clear_sink), GW_XF_NOT_RTP);
	}
	ck_assert_int_le(hear(0, &got), GW_XF_HELD);
	ck_assert_uint_eq(nclear, 1);
	down();
}
END_TEST

START_TEST(keys_are_named_by_packets)
{
	uint8_t packet[SLOT];
	size_t size = 40;
	struct gw_rx_got got;
	uint8_t id = 1;
	struct gw_material m;

	up(GW_MEDIA_AAC, false);
	struct gw_material other = material(9);
	ck_assert_ptr_nonnull(keys[1] = XF->key_new(tx, (m = material(1), &m), NULL));
	XF->use(tx, keys[1]);
	offer(packet, aac(packet, 1, &size, 1));
	ck_assert_int_eq(hear(0, &got), GW_XF_NO_KEY);		/* none at all */
	ck_assert_int_eq(XF->rx_key(rx, &other, NULL), 0);
	ck_assert_int_eq(hear(0, &got), GW_XF_NO_KEY);		/* another */
	ck_assert_uint_eq(got.id[0], 1);
	for (uint8_t cp = 10; cp < 17; cp++)
		ck_assert_int_eq(XF->rx_key(rx, (m = material(cp), &m), NULL), 0);
	ck_assert_int_eq(XF->rx_key(rx, (m = material(1), &m), NULL), 0);	/* the ninth: 9 goes */
	ck_assert_int_eq(hear(0, &got), GW_XF_OK);
	XF->rx_drop(rx, &id, 1);
	air[0].p[3]++;
	ck_assert_int_eq(hear(0, &got), GW_XF_NO_KEY);
	m.id_len = 3;
	ck_assert_int_eq(XF->rx_key(rx, &m, NULL), -1);
	m.id_len = 0;
	ck_assert_int_eq(XF->rx_key(rx, &m, NULL), -1);
	down();
}
END_TEST

START_TEST(clear_is_told_by_its_payload_type)	/* _i: media type */
{
	uint8_t packet[SLOT];
	size_t size = 40;
	uint16_t seq = 7;

	up((enum gw_media_type)_i, false);
	use(1);
	struct gw_pk pk = { packet, aac(packet, 1, &size, 1) };
	ck_assert(XF->in_clear(rx, &pk));
	if (_i == GW_MEDIA_H264)
		picture(1, 100, &seq, -1, true);
	else
		offer(packet, pk.len);
	ck_assert(!XF->in_clear(rx, &air[0]));
	pk.len = 5;
	ck_assert(!XF->in_clear(rx, &pk));
	down();
}
END_TEST

START_TEST(what_it_cannot_do_is_said)
{
	struct gw_tx_medium_conf c = { .type = GW_MEDIA_TS, .payload_type = OUT_PT, .mtu = MTU };
	struct gw_rx_conf r = { .type = GW_MEDIA_TS };
	struct gw_material m = { .id = { 1 }, .id_len = 1 };
	struct gw_err err;

	up(GW_MEDIA_AAC, true);
	ck_assert_ptr_null(XF->medium_new(tx, &c, &err));
	c.type = GW_MEDIA_AAC;
	c.mtu = 100;
	ck_assert_ptr_null(XF->medium_new(tx, &c, &err));
	ck_assert_ptr_null(XF->rx_new(&r, &err));
	ck_assert_ptr_null(XF->key_new(tx, &m, &err));
	m = material(1);
	m.tak = NULL;
	ck_assert_ptr_null(XF->key_new(tx, &m, &err));
	ck_assert_ptr_eq(gw_transform_of(2), XF);
	XF->medium_free(NULL);
	XF->tx_free(NULL);
	XF->rx_free(NULL);
	XF->key_free(NULL);
	down();
}
END_TEST

SUITE("lib_ismacryp", tcase_add_test(t, the_worked_example_is_bit_exact); tcase_add_loop_test(t, aac_goes_there_and_back, 0, 2);
      tcase_add_loop_test(t, aac_fragments_are_one_access_unit, 0, 2); tcase_add_test(t, what_is_no_aac_is_dropped);
      tcase_add_loop_test(t, h264_goes_there_and_back, 0, 2); tcase_add_test(t, a_time_stamp_ends_it_too);
      tcase_add_loop_test(t, what_has_lost_a_part_is_lost_whole, 0, 3); tcase_add_loop_test(t, the_receiver_gives_nothing_in_part, 1, 12);
      tcase_add_test(t, disorder_and_repetition_do_no_harm); tcase_add_loop_test(t, a_source_that_begins_anew_is_followed, 0, 5);
      tcase_add_test(t, a_stream_is_joined_at_a_beginning); tcase_add_test(t, what_is_no_h264_is_dropped); tcase_add_test(t, room_is_bounded);
      tcase_add_loop_test(t, nothing_goes_out_without_a_key, GW_MEDIA_H264, GW_MEDIA_AAC + 1); tcase_add_test(t, key_stream_is_used_once);
      tcase_add_test(t, a_key_has_an_end); tcase_add_test(t, two_media_of_a_unit_share_no_key_stream); tcase_add_test(t, numbers_go_on_after_a_restart);
      tcase_add_loop_test(t, a_tag_is_believed_only_whole, GW_MEDIA_H264, GW_MEDIA_AAC + 1); tcase_add_test(t, keys_are_named_by_packets);
      tcase_add_loop_test(t, clear_is_told_by_its_payload_type, GW_MEDIA_H264, GW_MEDIA_AAC + 1); tcase_add_test(t, what_it_cannot_do_is_said))
