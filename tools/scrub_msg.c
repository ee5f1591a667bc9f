/* tools/scrub_msg.c: what each parameter is, as a table; and the inner structure of payloads */
#include "tools/scrub_msg.h"
#include <string.h>
#include "proto/bcro.h"
#include "proto/be.h"
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/mikey.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"
#include "proto/stkm.h"
#include "proto/ts.h"
#include "tools/dec_words.h"

enum { TLV = 4, DEPTH = 4, SECTION_HEAD = 3, SECTION_LONG = 8, CRC = 4, TWEAKS = 64, CW = 8, CP = 2 };
#define SCRUB_X(id, name, text) name,
const char *const scrub_class_names[SCRUB_NCLASSES] = { SCRUB_CLASSES(SCRUB_X) };
#undef SCRUB_X

/* ---- counting ---- */

bool
scrub_wants(const struct scrub_pen *pen, enum scrub_class class)
{
	return !(pen->keep & 1u << class);
}

void
scrub_counted(struct scrub_pen *pen, enum scrub_class class, const char *name)
{
	size_t i = 0;

	while (i < pen->ncounts && (pen->count[i].class != class || strcmp(pen->count[i].name, name) != 0))
		i++;
	if (i == SCRUB_COUNTS)
		return;
	if (i == pen->ncounts)
		pen->count[pen->ncounts++] = (struct scrub_count){ name, class, 0 };
	pen->count[i].n++;
}

/* ---- values ---- */

static void
octets(struct scrub_pen *pen, enum scrub_class class, enum scrub_domain domain, unsigned tweak, uint8_t *p, size_t n)
{
	if (scrub_wants(pen, class))
		scrub_octets(pen->names, domain, tweak, p, n);
}

static void
id(struct scrub_pen *pen, enum scrub_domain domain, const char *name, uint8_t *p, size_t n)
{
	uint8_t was[SCRUB_ID];

	if (!scrub_wants(pen, SCRUB_IDS))
		return;
	if (n > SCRUB_ID) {
		scrub_octets(pen->names, domain, 0, p, n);
		return;
	}
	memcpy(was, p, n);
	scrub_id(pen->names, domain, p, n);
	if (pen->note)
		pen->note(pen->self, SCRUB_IDS, name, was, p, n);
}

/* A control word. One of eight octets with the check octets of the common scrambling algorithm has them afterwards, too. */
static void
key(struct scrub_pen *pen, uint8_t *p, size_t n)
{
	bool checked = n == CW && p[3] == (uint8_t)(p[0] + p[1] + p[2]) && p[7] == (uint8_t)(p[4] + p[5] + p[6]);

	octets(pen, SCRUB_KEYS, SCRUB_D_KEY, 0, p, n);
	for (size_t k = 0; checked && k < CW; k += CW / 2)
		p[k + 3] = (uint8_t)(p[k] + p[k + 1] + p[k + 2]);
}

/* Descriptors: tag, length, value; what does not fit the loop is replaced whole. */
static void
descriptors(struct scrub_pen *pen, enum scrub_class class, enum scrub_domain domain, unsigned tweak, uint8_t *p, size_t n)
{
	while (n >= 2 && (size_t)p[1] + 2 <= n) {
		size_t k = p[1];

		octets(pen, class, domain, tweak, p + 2, k);
		p += 2 + k;
		n -= 2 + k;
	}
	octets(pen, class, domain, tweak, p, n);
}

/* ---- what goes on air ---- */

static void
air(struct scrub_pen *pen, unsigned tweak, uint8_t *p, size_t n)
{
	octets(pen, SCRUB_PAYLOAD, SCRUB_D_PAYLOAD, tweak, p, n);
}

/* A section of which n octets are there: table_id, flags, section_length, of the long form also the version and the numbers stay. */
static void
section(struct scrub_pen *pen, unsigned tweak, uint8_t *p, size_t n)
{
	size_t whole = SECTION_HEAD + ((size_t)(p[1] & 15) << 8 | p[2]);
	bool crc = (p[1] & 0x80) && n == whole && n >= SECTION_LONG + CRC && ts_crc(p, n) == 0;

	if (!(p[1] & 0x80) || n < SECTION_LONG + CRC) {
		air(pen, tweak, p + SECTION_HEAD, n - SECTION_HEAD);
		return;
	}
	id(pen, SCRUB_D_SERVICE, "table_id_extension", p + SECTION_HEAD, 2);
	air(pen, tweak, p + SECTION_LONG, n - SECTION_LONG - (crc ? CRC : 0));
	if (crc) {
		uint32_t v = ts_crc(p, n - CRC);

		for (size_t k = 0; k < CRC; k++)
			p[n - CRC + k] = (uint8_t)(v >> (24 - 8 * k));
	}
}

/* What a packet with payload_unit_start_indicator has behind its pointer_field: sections, then stuffing. Short ones are no sections. */
static void
sections(struct scrub_pen *pen, unsigned tweak, uint8_t *p, size_t n)
{
	enum { LEAST = SECTION_HEAD + 5 };

	while (n > 0 && p[0] != 0xff) {
		size_t whole = n < SECTION_HEAD ? 0 : SECTION_HEAD + ((size_t)(p[1] & 15) << 8 | p[2]);

		if (whole < LEAST || n < LEAST) {
			air(pen, tweak, p, n);
			return;
		}
		whole = whole < n ? whole : n;
		section(pen, tweak, p, whole);
		p += whole;
		n -= whole;
	}
	if (scrub_wants(pen, SCRUB_PAYLOAD))
		memset(p, 0xff, n);
}

/* Header, counters and flags of a TS packet stay; adaptation fields are emptied: clocks of a programme, private data. */
static void
packet(struct scrub_pen *pen, unsigned tweak, uint8_t *p)
{
	unsigned control = p[3] >> 4 & 3;
	uint8_t pid[2] = { p[1] & 0x1f, p[2] };
	size_t at = TS_HEADER, n;

	id(pen, SCRUB_D_PID, "PID", pid, 2);
	p[1] = (uint8_t)((p[1] & 0xe0) | (pid[0] & 0x1f));
	p[2] = pid[1];
	if (control & 2) {
		n = p[at] < TS_PACKET - TS_HEADER - 1 ? p[at] : TS_PACKET - TS_HEADER - 1u;
		if (n > 0 && scrub_wants(pen, SCRUB_PAYLOAD)) {
			p[at + 1] &= 0xe0;	/* discontinuity, random access, priority: nothing else is there */
			memset(p + at + 2, 0xff, n - 1);
		}
		at += 1 + n;
	}
	n = TS_PACKET - at;
	if (p[3] & TS_SCRAMBLED || !(control & 1) || n == 0) {
		air(pen, tweak, p + at, n);
	} else if (p[1] & TS_UNIT_START && p[at] < n) {
		size_t rest = p[at];	/* of the section before */

		air(pen, tweak, p + at + 1, rest);
		sections(pen, tweak, p + at + 1 + rest, n - 1 - rest);
	} else {
		while (n > 0 && p[at + n - 1] == 0xff)
			n--;
		air(pen, tweak, p + at, n);
	}
}

/* ---- BCAST ---- */

static void
view(struct scrub_pen *pen, unsigned tweak, uint8_t *buf, const struct mikey_view *v)
{
	if (v->p)
		air(pen, tweak, buf + (v->p - buf), v->len);
}

/* EXT MBMS: which keys. The number of a key and the TEK ID count, as CP numbers do, and stay. */
static void
mbms(struct scrub_pen *pen, uint8_t *p, size_t n)
{
	while (n >= 2 && (size_t)p[1] + 2 <= n) {
		if (p[0] == 0 && p[1] == 3)
			id(pen, SCRUB_D_DEVICE, "key domain", p + 2, 3);
		else if (p[0] == 1 && p[1] == 4)
			id(pen, SCRUB_D_KEY_ID, "key group", p + 2, 2);
		else if (p[0] > 2)
			id(pen, SCRUB_D_OTHER, "key id", p + 2, p[1]);
		n -= 2u + p[1];
		p += 2 + p[1];
	}
}

static void
bcast_extension(struct scrub_pen *pen, unsigned tweak, uint8_t *p, size_t n)
{
	struct mikey_view ext = { p, n };
	struct mikey_management m;

	if (mikey_management(&ext, &m, NULL) < 0) {
		if (n > 1)
			air(pen, tweak, p + 1, n - 1);
		return;
	}
	if (m.criteria.p)
		descriptors(pen, SCRUB_AC, SCRUB_D_AC, tweak, p + (m.criteria.p - p), m.criteria.len);
	if (m.policy.p)
		air(pen, tweak, p + (m.policy.p - p), m.policy.len);
	if (m.binding.p) {	/* terminalBindingKeyID, length, URI */
		uint8_t *b = p + (m.binding.p - p);

		id(pen, SCRUB_D_KEY_ID, "terminalBindingKeyID", b, 4);
		if (scrub_wants(pen, SCRUB_TEXT))
			scrub_text(pen->names, b + 5, m.binding.len - 5);
	}
}

static bool
mikey(struct scrub_pen *pen, unsigned tweak, uint8_t *p, size_t n)
{
	struct mikey m;
	enum { CSB = 4, SRTP_ID = 9 };

	if (mikey_decode(p, n, &m, NULL) < 0)
		return false;
	id(pen, SCRUB_D_KEY_ID, "CSB ID", p + CSB, 4);
	for (size_t k = 0; m.map.p && k + SRTP_ID <= m.map.len; k += SRTP_ID)
		id(pen, SCRUB_D_REFERENCE, "SSRC", p + (m.map.p - p) + k + 1, 4);
	view(pen, tweak, p, &m.rand);
	view(pen, tweak, p, &m.encr);
	view(pen, tweak, p, &m.mac);
	for (const struct mikey_view *v = &m.idi; v; v = v == &m.idi ? &m.idr : NULL)
		if (v->p && scrub_wants(pen, SCRUB_TEXT))
			scrub_text(pen->names, p + (v->p - p), v->len);
	for (size_t k = 0; k < m.n; k++) {
		uint8_t *b = p + (m.payload[k].body.p - p);

		if (m.payload[k].type != MIKEY_EXT || m.payload[k].body.len < 3)
			continue;
		if (b[0] == MIKEY_EXT_MBMS)
			mbms(pen, b + 3, m.payload[k].body.len - 3);
		else if (b[0] == MIKEY_EXT_BCAST)
			bcast_extension(pen, tweak, b + 3, m.payload[k].body.len - 3);
		else
			air(pen, tweak, b + 3, m.payload[k].body.len - 3);
	}
	return true;
}

static bool
stkm(struct scrub_pen *pen, unsigned tweak, uint8_t *p, size_t n)
{
	struct stkm s;
	uint8_t cid[4], *scratch = pen->scratch;

	memcpy(scratch, p, n);
	if (stkm_decode(scratch, n, &s, NULL) < 0)
		return false;
	id(pen, SCRUB_D_KEY_ID, "key identifier", s.id, s.id_len);
	if (s.has_next)
		id(pen, SCRUB_D_KEY_ID, "key identifier", s.next_id, s.id_len);
	air(pen, tweak, s.material, s.material_len);
	if (s.has_next)
		air(pen, tweak, s.next_material, s.material_len);
	if (s.has_criteria)
		descriptors(pen, SCRUB_AC, SCRUB_D_AC, tweak, scratch + (s.criteria - scratch), s.criteria_len);
	if (s.program && s.service)
		air(pen, tweak, s.encrypted_PEK, STKM_PEK);
	for (int k = 0; k < 2; k++) {
		uint32_t *v = k ? &s.service_CID_extension : &s.program_CID_extension;

		for (int i = 0; i < 4; i++)
			cid[i] = (uint8_t)(*v >> (24 - 8 * i));
		id(pen, SCRUB_D_CID, k ? "service_CID_extension" : "program_CID_extension", cid, 4);
		*v = (uint32_t)be16(cid) << 16 | be16(cid + 2);
	}
	air(pen, tweak, s.program_MAC, STKM_MAC);
	air(pen, tweak, s.service_MAC, STKM_MAC);
	return stkm_encode(&s, p, n, NULL) == n;
}

static bool
bcro(struct scrub_pen *pen, unsigned tweak, uint8_t *p, size_t n)
{
	static struct bcro b;
	uint8_t roid[8];

	if (bcro_decode(p, n, &b, NULL) < 0)
		return false;
	id(pen, SCRUB_D_DEVICE, "address", b.address, BCRO_ADDRESS_LEN);
	if (b.has_issuer)
		id(pen, SCRUB_D_DEVICE, "rights issuer", b.issuer, BCRO_ISSUER_LEN);
	for (int k = 0; k < 8; k++)
		roid[k] = (uint8_t)(b.rights_object_id >> (56 - 8 * k));
	id(pen, SCRUB_D_REFERENCE, "rights_object_id", roid, 8);
	for (int k = 0; k < 8; k++)
		b.rights_object_id = b.rights_object_id << 8 | roid[k];
	for (size_t k = 0; k < b.nassets; k++) {
		id(pen, SCRUB_D_CID, "BaseCID", b.asset[k].BCI, BCRO_BCI - 4);
		id(pen, SCRUB_D_CID, b.asset[k].type == BCRO_SERVICE ? "service_CID_extension" : "program_CID_extension", b.asset[k].BCI + BCRO_BCI - 4, 4);
		air(pen, tweak, b.asset[k].wrapped, BCRO_WRAPPED);
	}
	air(pen, tweak, b.MAC, BCRO_MAC);
	return bcro_encode(&b, p, n, NULL) == n;
}

static bool
registration(struct scrub_pen *pen, unsigned tweak, uint8_t *p, size_t n)
{
	struct bcro_registration r;
	uint8_t *scratch = pen->scratch;

	memcpy(scratch, p, n);
	if (bcro_registration_decode(scratch, n, &r, NULL) < 0)
		return false;
	id(pen, SCRUB_D_DEVICE, "device", r.device, BCRO_DEVICE_LEN);
	for (size_t k = 0; scrub_wants(pen, SCRUB_IDS) && k < BCRO_DEVICE_LEN; k++)	/* BCD */
		r.device[k] = (uint8_t)((r.device[k] >> 4) % 10 << 4 | (r.device[k] & 15) % 10);
	id(pen, SCRUB_D_DEVICE, "rights issuer", r.issuer, BCRO_ISSUER_LEN);
	air(pen, tweak, scratch + (r.session_key - scratch), r.session_key_len);
	air(pen, tweak, scratch + (r.keyset - scratch), r.keyset_len);
	air(pen, tweak, scratch + (r.signature - scratch), r.signature_len);
	return bcro_registration_encode(&r, p, n, NULL) == n;
}

/* ---- payloads ---- */

static void
replace(struct scrub_pen *pen, const char *kind, unsigned tweak, uint8_t *p, size_t n)
{
	static bool (*const forms[])(struct scrub_pen *, unsigned, uint8_t *, size_t) = { mikey, bcro, registration, stkm };	/* in decode's order */

	if (kind && strcmp(kind, "TS") == 0) {
		for (size_t at = 0; at + TS_PACKET <= n; at += TS_PACKET)
			packet(pen, tweak, p + at);
		return;
	}
	if (kind && strcmp(kind, "section") == 0) {
		section(pen, tweak, p, n);
		return;
	}
	for (size_t k = 0; kind && k < sizeof(forms) / sizeof(forms[0]); k++)
		if (forms[k](pen, tweak, p, n))
			return;
	air(pen, tweak, p, n);
}

static bool
alike(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

void
scrub_payload(struct scrub_pen *pen, int flag, uint8_t *p, size_t n)
{
	char text[8];
	const char *kind = dec_payload(flag, p, n, text, sizeof(text));

	if (n > sizeof(pen->before))
		return;
	memcpy(pen->before, p, n);
	replace(pen, kind, 0, p, n);
	/* What looks random may look like something: then it is drawn again. */
	for (unsigned tweak = 1; tweak < TWEAKS && !alike(dec_payload(flag, p, n, text, sizeof(text)), kind); tweak++) {
		memcpy(p, pen->before, n);
		replace(pen, kind, tweak, p, n);
	}
	if (n > 0 && scrub_wants(pen, SCRUB_PAYLOAD))
		scrub_counted(pen, SCRUB_PAYLOAD, kind ? kind : "other octets");
}

/* ---- parameters ---- */

enum how { KEEP, ID, KEY, CP_KEY, CP_ID, OCTETS, TEXT, DATAGRAM, SECTION, DESCRIPTORS, GROUP };
/* Of those without a row numbers and times stay, and all else is replaced. */
static const struct row { const struct sim_iface *iface; uint16_t param; enum how how; enum scrub_class class; enum scrub_domain domain; } rows[] = {
	{ &ecmg_scs, ECMG_SUPER_CAS_ID, ID, SCRUB_IDS, SCRUB_D_CAS },
	{ &ecmg_scs, ECMG_ACCESS_CRITERIA, OCTETS, SCRUB_AC, SCRUB_D_AC },
	{ &ecmg_scs, ECMG_CHANNEL_ID, ID, SCRUB_IDS, SCRUB_D_CHANNEL },
	{ &ecmg_scs, ECMG_STREAM_ID, ID, SCRUB_IDS, SCRUB_D_STREAM },
	{ &ecmg_scs, ECMG_ECM_ID, ID, SCRUB_IDS, SCRUB_D_ECM },
	{ &ecmg_scs, ECMG_CP_CW, CP_KEY, SCRUB_KEYS, SCRUB_D_KEY },
	{ &ecmg_scs, ECMG_ECM_DATAGRAM, DATAGRAM, SCRUB_PAYLOAD, SCRUB_D_PAYLOAD },
	{ &ecmg_scs, ECMG_CW_ENCRYPTION, OCTETS, SCRUB_KEYS, SCRUB_D_KEY },
	{ &ecmg_scs, ECMG_ERROR_STATUS, KEEP, 0, 0 },
	{ &ecmg_scs, ECMG_ERROR_INFORMATION, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },
	{ &ecmg_scs, ECMG_TRAFFIC_PROTECTION, KEEP, 0, 0 },
	{ &ecmg_scs, ECMG_KEY_IDENTIFIER, CP_ID, SCRUB_IDS, SCRUB_D_KEY_ID },

	{ &emmg_mux, EMMG_CLIENT_ID, ID, SCRUB_IDS, SCRUB_D_CAS },
	{ &emmg_mux, EMMG_CHANNEL_ID, ID, SCRUB_IDS, SCRUB_D_CHANNEL },
	{ &emmg_mux, EMMG_STREAM_ID, ID, SCRUB_IDS, SCRUB_D_STREAM },
	{ &emmg_mux, EMMG_DATA_ID, ID, SCRUB_IDS, SCRUB_D_DATA },
	{ &emmg_mux, EMMG_DATAGRAM, DATAGRAM, SCRUB_PAYLOAD, SCRUB_D_PAYLOAD },
	{ &emmg_mux, EMMG_ERROR_STATUS, KEEP, 0, 0 },
	{ &emmg_mux, EMMG_ERROR_INFORMATION, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },

	{ &eis_scs, EIS_CHANNEL_ID, ID, SCRUB_IDS, SCRUB_D_CHANNEL },
	{ &eis_scs, EIS_ECM_GROUP, GROUP, 0, 0 },
	{ &eis_scs, EIS_SCG_ID, ID, SCRUB_IDS, SCRUB_D_STREAM },
	{ &eis_scs, EIS_SCG_REFERENCE_ID, ID, SCRUB_IDS, SCRUB_D_REFERENCE },
	{ &eis_scs, EIS_SCG_CURRENT_REFERENCE_ID, ID, SCRUB_IDS, SCRUB_D_REFERENCE },
	{ &eis_scs, EIS_SCG_PENDING_REFERENCE_ID, ID, SCRUB_IDS, SCRUB_D_REFERENCE },
	{ &eis_scs, EIS_SUPER_CAS_ID, ID, SCRUB_IDS, SCRUB_D_CAS },
	{ &eis_scs, EIS_ECM_ID, ID, SCRUB_IDS, SCRUB_D_ECM },
	{ &eis_scs, EIS_ACCESS_CRITERIA, OCTETS, SCRUB_AC, SCRUB_D_AC },
	{ &eis_scs, EIS_COMPONENT_ID, ID, SCRUB_IDS, SCRUB_D_SERVICE },
	{ &eis_scs, EIS_SERVICE_ID, ID, SCRUB_IDS, SCRUB_D_SERVICE },
	{ &eis_scs, EIS_TRANSPORT_STREAM_ID, ID, SCRUB_IDS, SCRUB_D_NETWORK },
	{ &eis_scs, EIS_ORIGINAL_NETWORK_ID, ID, SCRUB_IDS, SCRUB_D_NETWORK },
	{ &eis_scs, EIS_ERROR_STATUS, KEEP, 0, 0 },
	{ &eis_scs, EIS_ERROR_INFORMATION, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },
	{ &eis_scs, EIS_ERROR_DESCRIPTION, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },

	{ &psig_mux, 0x0002, ID, SCRUB_IDS, SCRUB_D_CHANNEL },
	{ &psig_mux, 0x0003, ID, SCRUB_IDS, SCRUB_D_STREAM },
	{ &psig_mux, 0x0004, ID, SCRUB_IDS, SCRUB_D_NETWORK },
	{ &psig_mux, 0x0005, ID, SCRUB_IDS, SCRUB_D_NETWORK },
	{ &psig_mux, 0x0006, ID, SCRUB_IDS, SCRUB_D_PID },
	{ &psig_mux, 0x0009, GROUP, 0, 0 },
	{ &psig_mux, 0x000a, SECTION, SCRUB_PAYLOAD, SCRUB_D_PAYLOAD },
	{ &psig_mux, 0x000d, DATAGRAM, SCRUB_PAYLOAD, SCRUB_D_PAYLOAD },
	{ &psig_mux, 0x0011, ID, SCRUB_IDS, SCRUB_D_PID },
	{ &psig_mux, 0x7000, KEEP, 0, 0 },
	{ &psig_mux, 0x7001, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },

	{ &cpsig_psig, 0x000d, OCTETS, SCRUB_AC, SCRUB_D_AC },
	{ &cpsig_psig, 0x0100, ID, SCRUB_IDS, SCRUB_D_NETWORK },	/* bouquet_id */
	{ &cpsig_psig, 0x0102, ID, SCRUB_IDS, SCRUB_D_CAS },
	{ &cpsig_psig, 0x0103, ID, SCRUB_IDS, SCRUB_D_CHANNEL },
	{ &cpsig_psig, 0x0104, ID, SCRUB_IDS, SCRUB_D_STREAM },
	{ &cpsig_psig, 0x0105, DESCRIPTORS, SCRUB_PAYLOAD, SCRUB_D_PAYLOAD },
	{ &cpsig_psig, 0x0107, KEEP, 0, 0 },	/* duration */
	{ &cpsig_psig, 0x010b, ID, SCRUB_IDS, SCRUB_D_SERVICE },	/* ES_id */
	{ &cpsig_psig, 0x010c, ID, SCRUB_IDS, SCRUB_D_SERVICE },	/* event_id */
	{ &cpsig_psig, 0x010e, ID, SCRUB_IDS, SCRUB_D_SERVICE },	/* flow_id */
	{ &cpsig_psig, 0x010f, ID, SCRUB_IDS, SCRUB_D_PID },
	{ &cpsig_psig, 0x0111, ID, SCRUB_IDS, SCRUB_D_CAS },
	{ &cpsig_psig, 0x0119, SECTION, SCRUB_PAYLOAD, SCRUB_D_PAYLOAD },
	{ &cpsig_psig, 0x011a, ID, SCRUB_IDS, SCRUB_D_NETWORK },
	{ &cpsig_psig, 0x011b, ID, SCRUB_IDS, SCRUB_D_NETWORK },
	{ &cpsig_psig, 0x011d, ID, SCRUB_IDS, SCRUB_D_REFERENCE },	/* private_data_specifier */
	{ &cpsig_psig, 0x0120, ID, SCRUB_IDS, SCRUB_D_SERVICE },
	{ &cpsig_psig, 0x0122, KEEP, 0, 0 },	/* start_time */
	{ &cpsig_psig, 0x0123, KEEP, 0, 0 },	/* stream_change_timestamp */
	{ &cpsig_psig, 0x0127, ID, SCRUB_IDS, SCRUB_D_NETWORK },
	{ &cpsig_psig, 0x0129, KEEP, 0, 0 },	/* trigger_list */
	{ &cpsig_psig, 0x012a, KEEP, 0, 0 },	/* trigger_type */
	{ &cpsig_psig, 0x7000, KEEP, 0, 0 },
	{ &cpsig_psig, 0x7001, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },

	{ &playout, PLAYOUT_FOLLOWER_NAME, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },
	{ &playout, PLAYOUT_HEAD_END, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },
	{ &playout, PLAYOUT_SERVICE, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },
	{ &playout, PLAYOUT_KEY_IDENTIFIER, ID, SCRUB_IDS, SCRUB_D_KEY_ID },
	{ &playout, PLAYOUT_KEY_MATERIAL, KEY, SCRUB_KEYS, SCRUB_D_KEY },
	{ &playout, PLAYOUT_KMS, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },
	{ &playout, PLAYOUT_SUPER_CAS_ID, ID, SCRUB_IDS, SCRUB_D_CAS },
	{ &playout, PLAYOUT_ECM_ID, ID, SCRUB_IDS, SCRUB_D_ECM },
	{ &playout, PLAYOUT_ECM_DATAGRAM, DATAGRAM, SCRUB_PAYLOAD, SCRUB_D_PAYLOAD },
	{ &playout, PLAYOUT_OUT, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },
	{ &playout, PLAYOUT_FINGERPRINT, ID, SCRUB_IDS, SCRUB_D_KEY_ID },
	{ &playout, PLAYOUT_ERROR_STATUS, KEEP, 0, 0 },
	{ &playout, PLAYOUT_ERROR_INFORMATION, TEXT, SCRUB_TEXT, SCRUB_D_TEXT },
};

static struct row
row_of(const struct sim_iface *iface, uint16_t type, const struct sim_param *param)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].param == type && rows[i].iface == iface)
			return rows[i];
	if (!param)
		return (struct row){ iface, type, OCTETS, SCRUB_UNKNOWN, SCRUB_D_OTHER };
	if (param->flags & SIM_SECRET)
		return (struct row){ iface, type, KEY, SCRUB_KEYS, SCRUB_D_KEY };
	if (param->kind == SIM_UINT || param->kind == SIM_INT || param->kind == SIM_TIME)
		return (struct row){ iface, type, KEEP, 0, 0 };
	return (struct row){ iface, type, OCTETS, SCRUB_PAYLOAD, SCRUB_D_PAYLOAD };
}

static void fields(struct scrub_pen *, const struct sim_iface *, int flag, uint8_t *p, size_t len, int depth);

static void
value(struct scrub_pen *pen, const struct row *r, const char *name, int flag, uint8_t *p, size_t n, int depth)
{
	switch (r->how) {
	case KEEP: return;
	case GROUP: fields(pen, r->iface, flag, p, n, depth + 1); return;
	case ID: id(pen, r->domain, name, p, n); break;
	case KEY: key(pen, p, n); break;
	case CP_KEY: if (n > CP) key(pen, p + CP, n - CP); break;
	case CP_ID: if (n > CP) id(pen, r->domain, name, p + CP, n - CP); break;
	case OCTETS: octets(pen, r->class, r->domain, 0, p, n); break;
	case TEXT: if (scrub_wants(pen, r->class)) scrub_text(pen->names, p, n); break;
	case DATAGRAM: scrub_payload(pen, flag, p, n); return;
	case SECTION: n < SECTION_HEAD ? air(pen, 0, p, n) : section(pen, 0, p, n); break;
	case DESCRIPTORS: descriptors(pen, r->class, r->domain, 0, p, n); break;
	}
	if (n > 0 && scrub_wants(pen, r->class))
		scrub_counted(pen, r->class, name);
}

/* A value that is cut, or has not the length that it must have, is nothing to be understood. */
static void
odd_value(struct scrub_pen *pen, const struct row *r, uint8_t *p, size_t n)
{
	enum scrub_class class = r->how == KEEP || r->how == GROUP ? SCRUB_UNKNOWN : r->class;

	if (n > 0 && scrub_wants(pen, class))
		scrub_counted(pen, class, "of another length");
	octets(pen, class, SCRUB_D_OTHER, 0, p, n);
}

static void
fields(struct scrub_pen *pen, const struct sim_iface *iface, int flag, uint8_t *p, size_t len, int depth)
{
	size_t at = 0;

	while (at + TLV <= len) {
		uint16_t type = (uint16_t)be16(p + at);
		size_t n = be16(p + at + 2), there = n < len - at - TLV ? n : len - at - TLV;
		const struct sim_param *param = sim_param_find(iface, type);
		struct row r = row_of(iface, type, param);

		at += TLV;
		if (there < n && !param)	/* neither its type nor its length need be one: they stay what they are, wrong */
			memset(p + at - TLV, 0xff, TLV);
		if (there < n || depth == DEPTH || (param && (n < param->min || n > param->max)))
			odd_value(pen, &r, p + at, there);
		else
			value(pen, &r, param ? param->name : "parameters without a name", flag, p + at, n, depth);
		at += there;
	}
	scrub_octets(pen->names, SCRUB_D_OTHER, 0, p + at, len - at);	/* fewer octets than the head of a parameter */
}

void
scrub_message(struct scrub_pen *pen, const struct sim_iface *iface, int flag, uint8_t *p, size_t len)
{
	if (len > SIM_HEADER)
		fields(pen, iface, flag, p + SIM_HEADER, len - SIM_HEADER, 0);
}
