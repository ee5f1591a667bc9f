/*
 * message.c: ECMs and EMMs: private sections (ISO/IEC 13818-1 clause 2.4.4) with a CRC_32, or TS packets that carry such a section.
 * SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 *	ECM	table_id 0x80 | (CP_number & 1), table_id_extension ECM_id
 *		Super_CAS_id(4) CP_number(2), and wrapped: package(2) age(1) count(1), then count times CP(2) length(1) control word
 *	EMM	table_id 0x82, table_id_extension 0
 *		card number(4), and the service key, wrapped under the card's
 *
 * Wrapping is RFC 5649. It has no nonce: the same request makes the same octets, as the contract wants it; and a receiver sees when anything
 * in it has been changed, the rights included.
 */
#include <string.h>
#include <openssl/crypto.h>
#include "example.h"

enum { SECTION_HEAD = 8, CRC = 4, WRAP_MORE = 16, PID = 0x1fff, TAG_PACKAGE = 1, TAG_AGE = 2 };
enum { PLAIN_MAX = 4 + CWS_MAX * (3 + CW_MAX) };

static uint8_t *
put(uint8_t *p, uint32_t value, int octets)
{
	while (octets-- > 0)
		*p++ = (uint8_t)(value >> 8 * octets);
	return p;
}

/* ---- requests */

/*
 * access_criteria are ours to define: what the operator writes in the head-end's file comes here as it is. Ours are tag(1) length(1) value:
 * 1 package (2 octets), 2 least age in years (1 octet). What is not understood is refused: to leave a condition out is to give programmes away.
 */
static int
take_criteria(struct order *o, const uint8_t *p, size_t len, char *why, size_t why_cap)
{
	for (size_t at = 0; at < len; at += 2u + p[at + 1]) {
		if (len - at < 2 || len - at - 2 < p[at + 1])
			return REFUSE(ECM_BAD_VALUE, "access_criteria: octet %zu: the element is cut off", at);
		if (p[at] == TAG_PACKAGE && p[at + 1] == 2)
			o->package = (uint16_t)(p[at + 2] << 8 | p[at + 3]);
		else if (p[at] == TAG_AGE && p[at + 1] == 1)
			o->age = p[at + 2];
		else
			return REFUSE(ECM_BAD_VALUE, "access_criteria: octet %zu: there is no element %u of %u octets", at, p[at], p[at + 1]);
	}
	return 0;
}

int
order_take(struct order *o, const struct kms_request *r, char *why, size_t why_cap)
{
	*o = (struct order){ .handle = r->handle, .super_cas_id = r->super_cas_id, .ecm_id = r->ecm_id, .cp_number = r->cp_number };
	if (r->ncws > CWS_MAX)
		return REFUSE(ECM_BAD_VALUE, "%zu control words are more than an ECM has room for", r->ncws);
	for (size_t k = 0; k < r->ncws; k++) {
		const struct kms_cw *cw = &r->cws[k];

		/* A CW of 8 or 16 octets, or a TEK with its salt and seed; whatever it is, we only carry it. */
		if (cw->cw_len == 0 || cw->cw_len > CW_MAX)
			return REFUSE(ECM_BAD_VALUE, "CP_CW_combination of CP %u: a control word of %zu octets", cw->cp_number, cw->cw_len);
		o->cws[k].cp = cw->cp_number;
		o->cws[k].len = (uint8_t)cw->cw_len;
		memcpy(o->cws[k].cw, cw->cw, cw->cw_len);
	}
	o->ncws = (unsigned)r->ncws;
	return take_criteria(o, r->access_criteria, r->access_criteria_len, why, why_cap);	/* NULL and 0 when none were ever sent */
}

/* ---- sections and packets */

/* CRC_32 of ISO/IEC 13818-1 Annex A. */
static uint32_t
crc_32(const uint8_t *p, size_t len)
{
	uint32_t crc = UINT32_MAX;

	while (len--) {
		crc ^= (uint32_t)*p++ << 24;
		for (int k = 0; k < 8; k++)
			crc = crc & 0x80000000u ? crc << 1 ^ 0x04c11db7u : crc << 1;
	}
	return crc;
}

/* The head of a section whose body stands behind it already, and its CRC_32. Octets in all. */
static size_t
finish_section(uint8_t *section, uint8_t table_id, uint16_t extension, size_t body)
{
	const size_t whole = SECTION_HEAD + body + CRC;
	uint8_t *p = section;

	p = put(p, table_id, 1);
	p = put(p, 0xb000u | (uint32_t)(whole - 3), 2);	/* section_syntax_indicator, not private, reserved 11, section_length */
	p = put(p, extension, 2);
	p = put(p, 0xc1, 1);				/* reserved 11, version_number 0, current_next_indicator 1 */
	put(p, 0, 2);					/* section_number, last_section_number */
	put(section + SECTION_HEAD + body, crc_32(section, SECTION_HEAD + body), CRC);
	return whole;
}

/* PID and continuity_counter are the multiplexer's to write (TS 103 197, section_TSpkt_flag). */
static size_t
packetise(const uint8_t *section, size_t len, uint8_t out[TS_MAX])
{
	size_t n = 0;

	for (unsigned k = 0; len > 0; k++, n += PACKET) {
		uint8_t *p = put(out + n, 0x47, 1);
		p = put(p, (k == 0 ? 0x4000u : 0) | PID, 2);	/* payload_unit_start_indicator */
		p = put(p, 0x10u | (k & 15), 1);		/* payload only */
		if (k == 0)
			p = put(p, 0, 1);			/* pointer_field */
		const size_t room = (size_t)(out + n + PACKET - p), part = len < room ? len : room;
		memcpy(p, section, part);
		memset(p + part, 0xff, room - part);		/* stuffing */
		section += part;
		len -= part;
	}
	return n;
}

/* Into the caller's buffer, in the form that section_TSpkt_flag asks for: never more than cap. */
static int
hand_over(const uint8_t *section, size_t len, uint8_t section_TSpkt_flag, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	uint8_t packets[TS_MAX];

	if (section_TSpkt_flag == 1) {
		len = packetise(section, len, packets);
		section = packets;
	}
	if (len > cap)
		return REFUSE(ANY_OTHER, "%zu octets do not fit %zu", len, cap);
	memcpy(out, section, len);
	return (int)len;
}

/* ---- ECMs and EMMs */

EVP_CIPHER_CTX *
wrap_new(const uint8_t key[KEY])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (!c)
		return NULL;
	EVP_CIPHER_CTX_set_flags(c, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_EncryptInit_ex(c, EVP_aes_128_wrap_pad(), NULL, key, NULL) == 1)
		return c;
	EVP_CIPHER_CTX_free(c);
	return NULL;
}

static int
wrap(EVP_CIPHER_CTX *c, const uint8_t *plain, size_t len, uint8_t *out)
{
	int n = 0;

	if (EVP_EncryptInit_ex(c, NULL, NULL, NULL, NULL) != 1 || EVP_EncryptUpdate(c, out, &n, plain, (int)len) != 1)
		return -1;
	return n;
}

int
ecm_make(EVP_CIPHER_CTX *c, const struct order *o, uint8_t section_TSpkt_flag, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	uint8_t section[SECTION_HEAD + 6 + PLAIN_MAX + WRAP_MORE + CRC], plain[PLAIN_MAX], *p = plain, *body = section + SECTION_HEAD;
	int n;

	p = put(p, o->package, 2);
	p = put(p, o->age, 1);
	p = put(p, o->ncws, 1);
	for (unsigned k = 0; k < o->ncws; k++) {
		p = put(p, o->cws[k].cp, 2);
		p = put(p, o->cws[k].len, 1);
		memcpy(p, o->cws[k].cw, o->cws[k].len);
		p += o->cws[k].len;
	}
	body = put(body, o->super_cas_id, 4);
	body = put(body, o->cp_number, 2);
	n = wrap(c, plain, (size_t)(p - plain), body);
	OPENSSL_cleanse(plain, sizeof(plain));	/* not memset(): the compiler would leave that out */
	if (n < 0)
		return REFUSE(ANY_OTHER, "CP %u: the control words cannot be wrapped", o->cp_number);
	return hand_over(section, finish_section(section, (uint8_t)(0x80 | (o->cp_number & 1)), o->ecm_id, 6 + (size_t)n), section_TSpkt_flag,
	    out, cap, why, why_cap);
}

int
emm_make(const struct card *card, const uint8_t key[KEY], uint8_t section_TSpkt_flag, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	uint8_t section[SECTION_HEAD + 4 + KEY + WRAP_MORE + CRC];
	EVP_CIPHER_CTX *c = wrap_new(card->key);
	int n = c ? wrap(c, key, KEY, put(section + SECTION_HEAD, card->number, 4)) : -1;

	EVP_CIPHER_CTX_free(c);			/* cleanses the card's key */
	if (n < 0)
		return REFUSE(ANY_OTHER, "card %u: the key cannot be wrapped", (unsigned)card->number);
	return hand_over(section, finish_section(section, 0x82, 0, 4 + (size_t)n), section_TSpkt_flag, out, cap, why, why_cap);
}
