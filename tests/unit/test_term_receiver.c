/* tests/unit/test_term_receiver.c: the lab receiver's engine, of every protection: key changes, late joins, loss, wrong keys, replays */
#include "terminal/receiver.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "proto/ts.h"
#include "tests/suite.h"

enum { S = 1000000, TS = 188, AU = 100, CW_MAX = 40, INDEX = 3, MEDIA_PID = 0x100, PORT = 5004 };
enum { SRTP, IPSEC, ISMACRYP, CISSA, CISSA_UDP, KINDS };
static const struct kind { uint8_t protection; enum gw_media_type type; uint8_t payload_type; bool rtp, can_authenticate; } kinds[KINDS] = {
	[SRTP] =      { STKM_SRTP,     GW_MEDIA_TS,  33, true,  true  },
	[IPSEC] =     { STKM_IPSEC,    GW_MEDIA_TS,  33, true,  true  },
	[ISMACRYP] =  { STKM_ISMACRYP, GW_MEDIA_AAC, 97, true,  true  },
	[CISSA] =     { STKM_TS,       GW_MEDIA_TS,  33, true,  false },
	[CISSA_UDP] = { STKM_TS,       GW_MEDIA_TS,  0,  false, false },
};
static const struct kind *kind;
static const struct gw_transform *row;
static struct gw_burst *burst;
static struct gw_tx *tx;
static struct gw_tx_medium *medium;
static struct gw_xkey *in_force;
static void *marks;
static struct receiver *r;
static _Alignas(16) uint8_t room[GW_XF_HEAD + 2048 + GW_XF_TAIL], slots[4][sizeof(room)], clear_packet[2048];
static struct gw_pk pk, made[4];
static size_t nmade, clear_len;
static bool authenticated;
static uint32_t lifetime_s;
static uint16_t newest;		/* CP of the newest STKM our opener took */

static struct tkm
tkm_at(uint16_t cp)
{
	uint8_t cw[CW_MAX];
	const struct stkm_layout *l = stkm_layout(kind->protection, authenticated, STKM_CISSA);
	struct tkm t;

	memset(cw, (uint8_t)(31 * cp), sizeof(cw));	/* TEK and TAS */
	cw[3] = (uint8_t)(cp >> 8);
	cw[4] = (uint8_t)cp;
	ck_assert_int_eq(tkm_of_cw(&t, kind->protection, authenticated, cw, (size_t)l->tek + l->salt + l->tas), 0);
	return t;
}

static void
put_key(struct rx_key *k, uint16_t cp, uint16_t key)
{
	k->id_len = (uint8_t)stkm_key_id(kind->protection, INDEX, cp, k->id);
	k->tkm = tkm_at(key);
}

/* Our STKM: CP (2), 1 if the next key is in it, 1 if the key is a wrong one. Newer than the newest, equal, or refused as stale. */
static enum rx_result
opener(void *self, const void *stkm, size_t n, int64_t utc_s, struct rx_keys *out)
{
	const uint8_t *p = stkm;

	(void)self;
	(void)utc_s;
	*out = (struct rx_keys){ .lifetime_s = lifetime_s };
	if (n != 4)
		return rx_refuse(out, RX_MALFORMED);
	uint16_t cp = (uint16_t)(p[0] << 8 | p[1]);
	if (cp < newest)
		return rx_refuse(out, RX_STALE);
	out->n = 1 + p[2];
	put_key(&out->key[0], cp, p[3] ? (uint16_t)(cp + 1000) : cp);
	if (p[2])
		put_key(&out->key[1], (uint16_t)(cp + 1), (uint16_t)(cp + 1));
	if (cp == newest)
		return RX_REPEAT;
	newest = cp;
	return RX_NEW;
}

static enum rx_result
stkm(uint16_t cp, bool next, int64_t at)
{
	const uint8_t m[4] = { (uint8_t)(cp >> 8), (uint8_t)cp, next };
	enum rx_reason why;

	return receiver_stkm(r, m, sizeof(m), 0, at, &why);
}

static struct sockaddr_storage
address(uint16_t port)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return ss;
}

/* Sender and receiver of a kind; authenticated is set before. */
static void
set_up(int k)
{
	static const uint16_t pids[] = { MEDIA_PID };
	struct gw_err err = { 0 };

	kind = &kinds[k];
	ck_assert_ptr_nonnull(row = gw_transform_of(kind->protection));
	authenticated &= kind->can_authenticate;
	struct gw_tx_conf conf = { .authenticated = authenticated, .sources = 4 };
	size_t n = row->marks_len(&conf);
	ck_assert_ptr_nonnull(conf.marks = marks = calloc(1, n ? n : 1));
	const struct gw_tx_medium_conf m = { .type = kind->type, .payload_type = kind->payload_type, .mtu = 1400, .from = address(4000),
		.to = address(PORT), .pids = pids, .npids = 1 };
	const struct gw_rx_conf rx[2] = { { .authenticated = authenticated, .type = kind->type, .payload_type = 98, .port = PORT },
		{ .authenticated = authenticated, .type = kind->type, .payload_type = 98, .port = PORT + 2 } };
	ck_assert_msg((tx = row->tx_new(&conf, &err)) != NULL, "%s", err.text);
	ck_assert_msg((medium = row->medium_new(tx, &m, &err)) != NULL, "%s", err.text);
	ck_assert_msg((r = receiver_new(row, rx, 2, opener, NULL, &err)) != NULL, "%s", err.text);
}

static void
up(void)
{
	ck_assert_ptr_nonnull(burst = gw_burst_new(GW_BURST_OPENSSL, NULL));
	authenticated = true;
	lifetime_s = 16;
	newest = 0;
	tx = NULL;
	r = NULL;
}

static void
down(void)
{
	if (tx) {
		row->key_free(row->use(tx, NULL));
		row->medium_free(medium);
		row->tx_free(tx);
		free(marks);
	}
	receiver_free(r);
	gw_burst_free(burst);
}

static void
scramble_with(uint16_t cp)
{
	struct tkm t = tkm_at(cp);
	struct gw_err err = { 0 };
	struct gw_material m = { .tek = tkm_tek(&t), .salt = tkm_salt(&t), .authenticated = authenticated };
	uint8_t tak[20];

	m.id_len = stkm_key_id(kind->protection, INDEX, cp, m.id);
	if (t.layout->tas) {
		ck_assert_int_eq(tkm_tak(&t, tak), 0);
		m.tak = tak;
	}
	in_force = row->key_new(tx, &m, &err);
	ck_assert_msg(in_force != NULL, "%s", err.text);
	row->key_free(row->use(tx, in_force));
}

static void
put_ts(uint8_t *p, unsigned seq, unsigned k)
{
	memset(p, 0x20 + (int)k, TS);
	p[0] = 0x47;
	p[1] = MEDIA_PID >> 8;
	p[2] = MEDIA_PID & 0xff;
	p[3] = (uint8_t)(0x10 | ((2 * seq + k) & 15));
	p[4] = (uint8_t)(seq >> 8);
	p[5] = (uint8_t)seq;
}

/* A clear packet: two TS packets, or an access unit of AAC. */
static size_t
put_clear(uint8_t *p, uint32_t seq)
{
	size_t n = 0;

	if (kind->rtp) {
		memset(p, 0, 12);
		p[0] = 0x80;
		p[1] = kind->type == GW_MEDIA_AAC ? 98 : 33;
		p[2] = (uint8_t)(seq >> 8);
		p[3] = (uint8_t)seq;
		p[11] = 7;
		n = 12;
	}
	if (kind->type == GW_MEDIA_TS) {
		put_ts(p + n, seq, 0);
		put_ts(p + n + TS, seq, 1);
		return n + 2 * TS;
	}
	p[n++] = 0;
	p[n++] = 16;
	p[n++] = (AU << 3) >> 8;
	p[n++] = (AU << 3) & 0xff;
	memset(p + n, (int)(seq & 0xff), AU);
	return n + AU;
}

static struct gw_pk *
slot(void *self)
{
	(void)self;
	ck_assert_uint_lt(nmade, 4);
	made[nmade] = (struct gw_pk){ slots[nmade] + GW_XF_HEAD, 0 };
	return &made[nmade++];
}
static struct gw_sink sink = { NULL, slot };

static int
protect(void)
{
	int v;

	nmade = 0;
	v = row->protect(tx, medium, &pk, burst, &sink);
	gw_burst_run(burst);
	if (v == GW_XF_HELD && nmade == 1)
		pk = made[0];
	return v == GW_XF_HELD && nmade == 1 ? GW_XF_OK : v;
}

/* A scrambled packet in pk. */
static void
make(uint32_t seq)
{
	pk.p = room + GW_XF_HEAD;
	pk.len = clear_len = put_clear(clear_packet, seq & 0xffff);
	memcpy(pk.p, clear_packet, pk.len);
	ck_assert_int_eq(protect(), GW_XF_OK);
}

/* What it becomes is the packet that went in. */
static bool
open_packet(int64_t at)
{
	static _Alignas(16) uint8_t aligned[sizeof(room)];
	bool opened;

	memmove(aligned, pk.p, pk.len);	/* as it comes from a socket */
	pk.p = aligned;
	nmade = 0;
	opened = receiver_packet(r, 0, &pk, &sink, at);
	if (!opened && nmade == 1) {
		pk = made[0];
		opened = true;
	}
	return opened;
}

static bool
packet(uint32_t seq, int64_t at)
{
	make(seq);
	bool clear = open_packet(at);
	if (clear) {
		ck_assert_uint_eq(pk.len, clear_len);
		ck_assert_mem_eq(pk.p, clear_packet, clear_len);
	}
	return clear;
}

static struct receiver_counts
counts(void)
{
	struct receiver_counts c;

	receiver_counts(r, &c);
	return c;
}

START_TEST(nothing_is_lost_at_key_changes)	/* _i: bit 0 the STKM has the next key, too; bit 1 authenticated; above, the kind */
{
	uint32_t seq = 65000;
	int64_t t = 0;

	authenticated = _i & 2;
	set_up(_i >> 2);
	for (uint16_t cp = 1; cp <= 12; cp++) {
		for (int half = 0; half < 200; half++, t += 50000, seq++) {	/* 10 s, a packet each 50 ms */
			uint16_t on_air = (uint16_t)(half >= 160 ? cp + 1 : cp);	/* 2 s ahead of the switch */
			if (half % 10 == 0)
				ck_assert_int_ne(stkm(on_air, _i & 1, t), RX_REFUSED);
			if (half == 0)
				scramble_with(cp);
			ck_assert_msg(packet(seq, t), "cp %u packet %d", cp, half);
		}
	}
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.packets, 2400);
	ck_assert_uint_eq(c.crypto_periods, 12);
	ck_assert_uint_eq(c.lost + c.undecryptable + c.waiting + c.repeated + c.reordered, 0);
	ck_assert_uint_eq(c.accepted, 13);
	ck_assert_uint_eq(c.stkm, c.accepted + c.repeats);
	ck_assert_uint_le(receiver_keys(r), 4);
}
END_TEST

START_TEST(waits_for_the_first_stkm)	/* _i: kind */
{
	set_up(_i);
	scramble_with(1);
	ck_assert(!packet(1, 0));
	ck_assert(!packet(2, 0));
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert(packet(3, 0));
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.waiting, 2);
	ck_assert_uint_eq(c.packets, 1);
	ck_assert_uint_eq(c.lost + c.undecryptable, 0);
}
END_TEST

START_TEST(joins_in_the_overlap)	/* the STKM on air is already that of the next CP; _i: kind */
{
	set_up(_i);
	scramble_with(1);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	ck_assert(!packet(1, S));
	scramble_with(2);
	ck_assert(packet(2, 2 * S));
	ck_assert_uint_eq(counts().waiting, 1);
	ck_assert_uint_eq(counts().undecryptable, 0);
	scramble_with(9);
	ck_assert(!packet(3, 3 * S));		/* tuned in: now it is a fault */
	ck_assert_uint_eq(counts().undecryptable, 1);
}
END_TEST

START_TEST(waits_no_longer_than_an_overlap)	/* _i: kind */
{
	set_up(_i);
	scramble_with(1);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	ck_assert(!packet(1, RECEIVER_TUNE_IN_US));
	ck_assert_uint_eq(counts().undecryptable, 1);
}
END_TEST

START_TEST(joins_late_in_the_service)
{
	set_up(_i);
	scramble_with(1);
	for (uint32_t s = 0; s < 70000; s++)	/* the sequence numbers have gone round */
		make(s);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	for (uint32_t s = 70000; s < 70010; s++)
		ck_assert(packet(s, 0));
	ck_assert_uint_eq(counts().packets, 10);
	ck_assert_uint_eq(counts().undecryptable + counts().lost, 0);
}
END_TEST

START_TEST(lost_reordered_and_repeated_packets)	/* _i: kind */
{
	uint8_t copy[2048];
	size_t n;

	set_up(_i);
	scramble_with(1);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert(packet(65534, 0));
	ck_assert(packet(65535, 0));
	make(65536);			/* lost */
	make(65537);			/* late */
	memcpy(copy, pk.p, n = pk.len);
	ck_assert(packet(65538, 0));
	ck_assert_uint_eq(counts().lost, 2);
	pk.p = room + GW_XF_HEAD;
	memcpy(pk.p, copy, pk.len = n);
	ck_assert(open_packet(0));
	ck_assert_uint_eq(counts().lost, 1);
	ck_assert_uint_eq(counts().reordered, 1);
	ck_assert_uint_eq(counts().packets, 4);
	ck_assert_uint_eq(counts().undecryptable, 0);
	if (_i != SRTP)		/* others have no window, or none that is on */
		return;
	pk.p = room + GW_XF_HEAD;
	memcpy(pk.p, copy, pk.len = n);
	ck_assert(!open_packet(0));
	ck_assert_uint_eq(counts().repeated, 1);
	ck_assert_uint_eq(counts().packets, 4);
}
END_TEST

START_TEST(a_restarted_source_is_no_loss)
{
	set_up(SRTP);
	scramble_with(1);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	for (uint32_t s = 30000; s < 30010; s++)
		ck_assert(packet(s, 0));
	make(30010);			/* one is lost before the restart */
	ck_assert(packet(30011, 0));
	pk.p = room + GW_XF_HEAD;
	pk.len = put_clear(pk.p, 0);
	ck_assert_int_eq(protect(), GW_XF_RESTART);	/* the scrambler makes sure */
	for (uint32_t s = 1; s < 10; s++)
		ck_assert(packet(s, 0));
	ck_assert_uint_eq(counts().lost, 1);
	ck_assert_uint_eq(counts().undecryptable, 0);
}
END_TEST

START_TEST(wrong_key_and_changed_packet)	/* _i: kind */
{
	const uint8_t wrong[4] = { 0, 1, 0, 1 };
	enum rx_reason why;

	if (!kinds[_i].can_authenticate)
		return;
	set_up(_i);
	scramble_with(1);
	ck_assert_int_eq(receiver_stkm(r, wrong, 4, 0, 0, &why), RX_NEW);
	for (uint32_t s = 1; s < 5; s++)
		ck_assert(!packet(s, 0));
	ck_assert_uint_eq(counts().undecryptable, 4);
	ck_assert_uint_eq(counts().bad_tag, 4);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	scramble_with(2);
	ck_assert(packet(5, 0));
	make(6);
	pk.p[pk.len - 30] ^= 1;
	ck_assert(!open_packet(0));
	ck_assert_uint_eq(counts().undecryptable, 5);
	ck_assert_uint_eq(counts().bad_tag, 5);
	ck_assert(packet(7, 0));
	ck_assert_uint_eq(counts().lost, 1);
	scramble_with(3);		/* nobody has said what that is */
	ck_assert(!packet(8, 0));
	ck_assert_uint_eq(counts().unknown_key, 1);
	ck_assert_uint_eq(counts().undecryptable, 6);
	memset(pk.p, 0, pk.len = 5);
	ck_assert(!open_packet(0));
	ck_assert_uint_eq(counts().undecryptable, 7);
	ck_assert_uint_eq(counts().unknown_key + counts().bad_tag, 6);
}
END_TEST

START_TEST(garbage_without_authentication_is_seen)
{
	const uint8_t wrong[4] = { 0, 1, 0, 1 };
	enum rx_reason why;

	authenticated = false;
	set_up(SRTP);
	scramble_with(1);
	ck_assert_int_eq(receiver_stkm(r, wrong, 4, 0, 0, &why), RX_NEW);
	ck_assert(!packet(1, 0));
	ck_assert_uint_eq(counts().undecryptable, 1);
	ck_assert_uint_eq(counts().packets, 0);
}
END_TEST

/* RTCP, protected, in pk. */
static void
make_report(void)
{
	static const uint8_t report[] = { 0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 202, 0, 2, 0, 0, 0, 7, 1, 2, 'a', 0 };

	pk = (struct gw_pk){ room + GW_XF_HEAD, clear_len = sizeof(report) };
	memcpy(clear_packet, report, clear_len);
	memcpy(pk.p, report, clear_len);
	if (!in_force)
		return;
	ck_assert_int_eq(row->protect_rtcp(tx, medium, &pk, burst), GW_XF_OK);
	gw_burst_run(burst);
}

START_TEST(rtcp_is_counted_apart)
{
	set_up(SRTP);
	scramble_with(1);
	make_report();
	ck_assert(!receiver_rtcp(r, 0, &pk, 0));	/* no key could be there */
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	make_report();
	ck_assert(!receiver_rtcp(r, 0, &pk, 0));	/* of the crypto-period that ends: tuning in */
	ck_assert_uint_eq(counts().rtcp + counts().rtcp_bad, 0);
	scramble_with(2);
	ck_assert(packet(1, 0));
	for (int i = 0; i < 5; i++) {
		make_report();
		ck_assert(receiver_rtcp(r, 0, &pk, 0));
		ck_assert_uint_eq(pk.len, clear_len);
		ck_assert_mem_eq(pk.p, clear_packet, clear_len);
	}
	make_report();
	pk.p[9] ^= 1;
	ck_assert(!receiver_rtcp(r, 0, &pk, 0));
	ck_assert_uint_eq(counts().rtcp_bad, 1);
	scramble_with(3);		/* nobody has said what that is */
	make_report();
	ck_assert(!receiver_rtcp(r, 0, &pk, 0));
	ck_assert_uint_eq(counts().rtcp_bad, 2);
	in_force = NULL;
	make_report();
	ck_assert(!receiver_rtcp(r, 0, &pk, 0));	/* in clear */
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.rtcp, 5);
	ck_assert_uint_eq(c.rtcp_bad, 2);
	ck_assert_uint_eq(c.packets, 1);
	ck_assert_uint_eq(c.lost + c.undecryptable + c.waiting + c.repeated + c.clear, 0);
}
END_TEST

START_TEST(rtcp_comes_within_esp)
{
	set_up(IPSEC);
	scramble_with(1);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert(packet(1, 0));
	for (int i = 0; i < 3; i++) {
		make_report();
		ck_assert(!open_packet(0));	/* nothing for who wants the media */
	}
	ck_assert(packet(2, 0));
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.rtcp, 3);
	ck_assert_uint_eq(c.packets, 2);
	ck_assert_uint_eq(c.lost + c.undecryptable + c.rtcp_bad, 0);
}
END_TEST

START_TEST(keys_of_another_protection_are_refused)	/* _i: kind */
{
	const uint8_t m[4] = { 0, 1, 0, 0 };
	enum rx_reason why;

	set_up(_i);
	kind = &kinds[_i == SRTP ? CISSA : SRTP];
	authenticated &= kind->can_authenticate;
	ck_assert_int_eq(receiver_stkm(r, m, sizeof(m), 0, 0, &why), RX_REFUSED);
	ck_assert_int_eq(why, RX_UNSUPPORTED);
	ck_assert_uint_eq(receiver_keys(r), 0);
	kind = &kinds[_i];
}
END_TEST

/* Where there is no key for: a receiver of transport streams knows media by the PAT. */
static void
tables(void)
{
	static const uint8_t pat[] = { 0x00, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0x00 };
	uint32_t crc = ts_crc(pat, sizeof(pat));
	uint8_t *p = room + GW_XF_HEAD + (kind->rtp ? 12 : 0);

	pk.p = room + GW_XF_HEAD;
	pk.len = put_clear(pk.p, 0) - TS;
	memset(p, 0xff, TS);
	memcpy(p, (const uint8_t []){ 0x47, 0x40, 0, 0x10, 0 }, 5);
	memcpy(p + 5, pat, sizeof(pat));
	for (size_t k = 0; k < 4; k++)
		p[5 + sizeof(pat) + k] = (uint8_t)(crc >> (24 - 8 * k));
	ck_assert(open_packet(0));
	ck_assert_uint_eq(counts().packets + counts().clear, 0);	/* neither */
}

START_TEST(clear_for_a_while)	/* _i: kind: as it came in, by a committed record */
{
	set_up(_i);
	scramble_with(1);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	if (kind->protection == STKM_TS)
		tables();
	for (uint32_t s = 1; s < 30; s++) {
		bool in_clear = s >= 10 && s < 20;
		if (!in_clear) {
			ck_assert_msg(packet(s, 0), "packet %u", s);
			continue;
		}
		make(s);	/* the scrambler's source goes on; what it sends is what came */
		pk.p = slots[3];
		memcpy(pk.p, clear_packet, pk.len = clear_len);
		if (_i == IPSEC)
			receiver_clear(r, 0, &pk);
		else
			ck_assert(receiver_packet(r, 0, &pk, &sink, 0));
	}
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.clear, 10);
	ck_assert_uint_eq(c.packets, 19);
	ck_assert_uint_eq(c.lost + c.undecryptable + c.repeated + c.reordered, 0);
}
END_TEST

/*
 * A transport stream names keys by parity. When the STKM of CP n is on air before CP n begins, its next key has the name of the key
 * that is still in force.
 */
START_TEST(the_next_parity_waits_for_its_turn)
{
	set_up(CISSA);
	ck_assert_int_eq(stkm(1, true, 0), RX_NEW);
	scramble_with(1);
	ck_assert(packet(1, 0));
	ck_assert_int_eq(stkm(2, true, 8 * S), RX_NEW);		/* 2 and 3, and 3 is odd, too */
	ck_assert(packet(2, 8 * S));
	scramble_with(2);
	ck_assert(packet(3, 10 * S));
	ck_assert_int_eq(stkm(2, true, 10 * S), RX_REPEAT);
	scramble_with(3);
	ck_assert(packet(4, 11 * S));
	ck_assert_uint_eq(counts().crypto_periods, 3);
}
END_TEST

START_TEST(joins_in_the_overlap_of_parities)
{
	set_up(CISSA);
	scramble_with(1);
	ck_assert_int_eq(stkm(2, true, 0), RX_NEW);
	ck_assert(!packet(1, 0));	/* odd, but not with the key of 3 */
	ck_assert_uint_eq(counts().waiting, 1);
	scramble_with(2);
	ck_assert(packet(2, S));
}
END_TEST

START_TEST(replayed_and_broken_stkms_change_nothing)
{
	enum rx_reason why;

	set_up(SRTP);
	scramble_with(2);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	ck_assert_int_eq(stkm(1, false, 5 * S), RX_REFUSED);
	ck_assert_int_eq(receiver_stkm(r, "x", 1, 0, 0, &why), RX_REFUSED);
	ck_assert_int_eq(why, RX_MALFORMED);
	ck_assert(packet(1, 5 * S));
	ck_assert_uint_eq(receiver_keys(r), 2);
	receiver_tick(r, 16 * S);		/* the replay did not lengthen a life */
	ck_assert_uint_eq(receiver_keys(r), 0);
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.refused[RX_STALE], 1);
	ck_assert_uint_eq(c.refused[RX_MALFORMED], 1);
	ck_assert_uint_eq(c.stkm, 4);
}
END_TEST

START_TEST(repeats_keep_a_key_alive)
{
	set_up(SRTP);
	scramble_with(1);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	for (int64_t t = 0; t < 600 * (int64_t)S; t += 5 * S) {		/* the crypto-period is extended */
		ck_assert_int_eq(stkm(1, false, t), RX_REPEAT);
		ck_assert(packet((uint32_t)(t / S) + 1, t));
	}
	receiver_tick(r, 595 * (int64_t)S + 16 * S - 1);
	ck_assert_uint_eq(receiver_keys(r), 1);
	receiver_tick(r, 595 * (int64_t)S + 16 * S);
	ck_assert_uint_eq(receiver_keys(r), 0);
	ck_assert(!packet(700, 700 * (int64_t)S));
	ck_assert_uint_eq(counts().undecryptable, 1);
	ck_assert_int_eq(stkm(1, false, 700 * (int64_t)S), RX_REPEAT);	/* after a silence: the same message, its key is taken again */
	ck_assert(packet(701, 700 * (int64_t)S));
}
END_TEST

START_TEST(without_a_lifetime_two_further_identifiers)
{
	set_up(SRTP);
	lifetime_s = 0;
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	receiver_tick(r, INT64_C(1) << 50);
	ck_assert_uint_eq(receiver_keys(r), 2);
	ck_assert_int_eq(stkm(3, false, 0), RX_NEW);
	ck_assert_uint_eq(receiver_keys(r), 2);
	scramble_with(1);
	ck_assert(!packet(1, RECEIVER_TUNE_IN_US));
	scramble_with(2);
	ck_assert(packet(2, 0));
}
END_TEST

START_TEST(what_is_on_air_is_kept_without_a_lifetime)
{
	set_up(SRTP);
	lifetime_s = 0;
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	scramble_with(1);
	ck_assert(packet(1, 0));
	ck_assert_int_eq(stkm(3, false, 0), RX_NEW);	/* on air a crypto-period early: the scrambler is about to change to 2 */
	ck_assert(packet(2, 0));
	scramble_with(2);
	ck_assert(packet(3, 0));
	receiver_tick(r, 0);
	ck_assert_uint_eq(receiver_keys(r), 2);
}
END_TEST

SUITE("term_receiver", tcase_add_checked_fixture(t, up, down); tcase_set_timeout(t, 30);
      tcase_add_loop_test(t, nothing_is_lost_at_key_changes, 0, 4 * KINDS); tcase_add_loop_test(t, waits_for_the_first_stkm, 0, KINDS);
      tcase_add_loop_test(t, joins_in_the_overlap, 0, KINDS); tcase_add_loop_test(t, waits_no_longer_than_an_overlap, 0, KINDS);
      tcase_add_loop_test(t, joins_late_in_the_service, 0, KINDS); tcase_add_loop_test(t, lost_reordered_and_repeated_packets, 0, CISSA_UDP);
      tcase_add_test(t, a_restarted_source_is_no_loss); tcase_add_loop_test(t, wrong_key_and_changed_packet, 0, KINDS);
      tcase_add_test(t, garbage_without_authentication_is_seen); tcase_add_test(t, rtcp_is_counted_apart);
      tcase_add_test(t, rtcp_comes_within_esp); tcase_add_loop_test(t, keys_of_another_protection_are_refused, 0, KINDS);
      tcase_add_loop_test(t, clear_for_a_while, 0, KINDS); tcase_add_test(t, the_next_parity_waits_for_its_turn);
      tcase_add_test(t, joins_in_the_overlap_of_parities); tcase_add_test(t, replayed_and_broken_stkms_change_nothing);
      tcase_add_test(t, repeats_keep_a_key_alive); tcase_add_test(t, without_a_lifetime_two_further_identifiers);
      tcase_add_test(t, what_is_on_air_is_kept_without_a_lifetime))
