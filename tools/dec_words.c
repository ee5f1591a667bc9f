/* tools/dec_words.c */
#include "tools/dec_words.h"
#include <stdio.h>
#include <string.h>
#include "proto/bcro.h"
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/mikey.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"
#include "proto/stkm.h"

/* Channel and stream messages stand in the order of their numbers, one clause each. */
static const struct place { const struct sim_iface *iface; uint16_t first, last; const char *clause; unsigned number; } places[] = {
	{ &ecmg_scs, 0x0001, 0x0005, "5.4", 1 }, { &ecmg_scs, 0x0101, 0x0106, "5.5", 1 }, { &ecmg_scs, 0x0201, 0x0202, "5.5", 7 },
	{ &emmg_mux, 0x0011, 0x0015, "6.2.4", 1 }, { &emmg_mux, 0x0111, 0x0118, "6.2.5", 1 }, { &emmg_mux, 0x0211, 0x0211, "6.2.5", 9 },
};
static const struct { const struct sim_iface *iface; const char *whole, *params; } clauses[] = {
	{ &ecmg_scs, "TS 103 197, 5", "TS 103 197, 5.3" }, { &emmg_mux, "TS 103 197, 6", "TS 103 197, 6.2.3" },
	{ &cpsig_psig, "TS 103 197, 8", "TS 103 197, 8, Table 36" }, { &psig_mux, "TS 103 197, 9", "TS 103 197, 9" },
	{ &eis_scs, "TS 103 197, 10", "TS 103 197, 10" }, { &playout, "simulgate-protocol(7)", "simulgate-protocol(7)" },
};
enum { NPLACES = sizeof(places) / sizeof(places[0]), NCLAUSES = sizeof(clauses) / sizeof(clauses[0]) };

const char *
dec_clause_message(const struct sim_iface *iface, uint16_t type, char *out, size_t cap)
{
	for (size_t i = 0; i < NPLACES; i++)
		if (places[i].iface == iface && type >= places[i].first && type <= places[i].last) {
			snprintf(out, cap, "TS 103 197, %s.%u", places[i].clause, places[i].number + (type - places[i].first));
			return out;
		}
	for (size_t i = 0; i < NCLAUSES; i++)
		if (clauses[i].iface == iface) {
			snprintf(out, cap, "%s", clauses[i].whole);
			return out;
		}
	return "";
}

const char *
dec_clause_param(const struct sim_iface *iface, uint16_t type)
{
	if (type >= 0x8000 && iface != &playout)
		return "user defined, simulgate-protocol(7)";
	if (type >= 0x7000 && iface == &ecmg_scs)
		return "TS 103 197, 5.6";
	if (type >= 0x7000 && iface == &emmg_mux)
		return "TS 103 197, 6.2.6";
	for (size_t i = 0; i < NCLAUSES; i++)
		if (clauses[i].iface == iface)
			return clauses[i].params;
	return "";
}

static const struct meaning { const struct sim_iface *iface; uint16_t param; const char *text; } meanings[] = {
	{ &ecmg_scs, ECMG_SUPER_CAS_ID, "the CA system (16 bits) and its subsystem that the ECMG serves" },
	{ &ecmg_scs, ECMG_SECTION_TSPKT, "the form of every ECM_datagram of the channel" },
	{ &ecmg_scs, ECMG_DELAY_START, "when an ECM goes on air, from the start of its crypto-period; negative: before it" },
	{ &ecmg_scs, ECMG_DELAY_STOP, "when an ECM leaves the air, from the end of its crypto-period" },
	{ &ecmg_scs, ECMG_TRANS_START, "as delay_start, for the first crypto-period after clear" },
	{ &ecmg_scs, ECMG_TRANS_STOP, "as delay_stop, for the last crypto-period before clear" },
	{ &ecmg_scs, ECMG_REP_PERIOD, "how often an ECM is repeated on air" },
	{ &ecmg_scs, ECMG_MAX_STREAMS, "streams that may be open on the channel; 0: not stated" },
	{ &ecmg_scs, ECMG_MIN_CP_DURATION, "the shortest crypto-period that this CA system bears" },
	{ &ecmg_scs, ECMG_LEAD_CW, "an ECM needs control words that many crypto-periods ahead" },
	{ &ecmg_scs, ECMG_CW_PER_MSG, "control words in each CW_provision" },
	{ &ecmg_scs, ECMG_MAX_COMP_TIME, "the longest that computing an ECM takes; the base of the SCS's time-out" },
	{ &ecmg_scs, ECMG_ACCESS_CRITERIA, "who may watch, in the CA system's own language" },
	{ &ecmg_scs, ECMG_CHANNEL_ID, "names the channel: one a connection, numbered by the SCS" },
	{ &ecmg_scs, ECMG_STREAM_ID, "names the ECM stream within the channel" },
	{ &ecmg_scs, ECMG_NOMINAL_CP_DURATION, "how long the stream's crypto-periods last, unless aligned to events" },
	{ &ecmg_scs, ECMG_AC_TRANSFER_MODE, "whether access_criteria are needed in every CW_provision" },
	{ &ecmg_scs, ECMG_CP_NUMBER, "the crypto-period that the ECM is for; the answer copies it; wraps at 65536" },
	{ &ecmg_scs, ECMG_CP_DURATION, "how long this crypto-period lasts, where it is not the nominal time" },
	{ &ecmg_scs, ECMG_CP_CW, "a crypto-period and its control word; even periods have even words" },
	{ &ecmg_scs, ECMG_ECM_DATAGRAM, "the ECM to be broadcast; empty: none in this crypto-period" },
	{ &ecmg_scs, ECMG_AC_DELAY_START, "as delay_start, where access criteria change" },
	{ &ecmg_scs, ECMG_AC_DELAY_STOP, "as delay_stop, where access criteria change" },
	{ &ecmg_scs, ECMG_CW_ENCRYPTION, "the control words are encrypted, in the way that this says" },
	{ &ecmg_scs, ECMG_ECM_ID, "names the ECM stream at this Super_CAS_id, in the whole head-end" },
	{ &ecmg_scs, ECMG_ERROR_STATUS, "what was refused" },
	{ &ecmg_scs, ECMG_ERROR_INFORMATION, "what else the peer says of it: free" },
	{ &ecmg_scs, ECMG_TRAFFIC_PROTECTION, "what the keys are for: protocol, then flags (01: authenticated)" },
	{ &ecmg_scs, ECMG_KEY_IDENTIFIER, "a crypto-period and its SPI, MKI or key indicator" },
	{ &emmg_mux, EMMG_CLIENT_ID, "the EMMG or PDG; of CA data its first 16 bits are the CA_system_id" },
	{ &emmg_mux, EMMG_SECTION_TSPKT, "the form of every datagram of the channel" },
	{ &emmg_mux, EMMG_CHANNEL_ID, "names the channel within the client" },
	{ &emmg_mux, EMMG_STREAM_ID, "names the stream within the channel" },
	{ &emmg_mux, EMMG_DATAGRAM, "what is to go on air: a section, TS packets or a message" },
	{ &emmg_mux, EMMG_BANDWIDTH, "asked for, or allocated; absent: what is allocated, or not known" },
	{ &emmg_mux, EMMG_DATA_TYPE, "what kind of data" },
	{ &emmg_mux, EMMG_DATA_ID, "what the mux maps to a place on air" },
	{ &emmg_mux, EMMG_ERROR_STATUS, "what was refused" },
	{ &emmg_mux, EMMG_ERROR_INFORMATION, "what else the peer says of it: free" },
	{ &eis_scs, EIS_CHANNEL_ID, "names the channel: one a connection" },
	{ &eis_scs, EIS_SERVICE_FLAG, "whether groups of whole services are supported" },
	{ &eis_scs, EIS_COMPONENT_FLAG, "whether groups of elementary streams are supported" },
	{ &eis_scs, EIS_MAX_SCG, "groups that the channel may have" },
	{ &eis_scs, EIS_ECM_GROUP, "one ECM stream of the group" },
	{ &eis_scs, EIS_SCG_ID, "names the scrambling control group: what shares control words" },
	{ &eis_scs, EIS_SCG_REFERENCE_ID, "the event system's handle of this definition of the group" },
	{ &eis_scs, EIS_SUPER_CAS_ID, "the CA system and subsystem" },
	{ &eis_scs, EIS_ECM_ID, "names the ECM stream at this Super_CAS_ID" },
	{ &eis_scs, EIS_ACCESS_CRITERIA, "who may watch, in the CA system's own language" },
	{ &eis_scs, EIS_ACTIVATION_TIME, "from when on it holds, UTC; absent: at once" },
	{ &eis_scs, EIS_ACTIVATION_PENDING_FLAG, "whether a definition waits for its time" },
	{ &eis_scs, EIS_COMPONENT_ID, "an elementary stream of the group" },
	{ &eis_scs, EIS_SERVICE_ID, "a service of the group" },
	{ &eis_scs, EIS_AC_CHANGED_FLAG, "whether the access criteria differ from those before" },
	{ &eis_scs, EIS_RECOMMENDED_CP_DURATION, "the crypto-period that the event system would like" },
	{ &eis_scs, EIS_SCG_NOMINAL_CP_DURATION, "the crypto-period in force" },
	{ &eis_scs, EIS_TRANSPORT_STREAM_ID, "the transport stream that the group's services are in" },
	{ &eis_scs, EIS_ORIGINAL_NETWORK_ID, "the network that this transport stream comes from; from version 3 on" },
	{ &eis_scs, EIS_SCG_CURRENT_REFERENCE_ID, "the definition that is in force, by its SCG_reference_ID" },
	{ &eis_scs, EIS_SCG_PENDING_REFERENCE_ID, "the definition that waits for its time, likewise" },
	{ &eis_scs, EIS_CP_DURATION_FLAG, "whether the SCS heeds recommended_CP_duration" },
	{ &eis_scs, EIS_ERROR_STATUS, "what was refused" },
	{ &eis_scs, EIS_ERROR_INFORMATION, "what else the peer says of it: free" },
	{ &eis_scs, EIS_ERROR_DESCRIPTION, "the same in words" },
	{ &psig_mux, 0x0001, "what the generator makes: PSI, SI, or both" },
	{ &psig_mux, 0x0002, "names the channel: one a connection" },
	{ &psig_mux, 0x0003, "names the stream within the channel" },
	{ &psig_mux, 0x0004, "the transport stream that the tables go into" },
	{ &psig_mux, 0x0005, "the network that this transport stream comes from" },
	{ &psig_mux, 0x0006, "the PID that the stream is for" },
	{ &psig_mux, 0x0007, "who repeats the tables, and how data travel" },
	{ &psig_mux, 0x0008, "streams that may be open on the channel" },
	{ &psig_mux, 0x0009, "sections, how often they are repeated, and from when on" },
	{ &psig_mux, 0x000a, "a section of PSI or SI, as it goes on air" },
	{ &psig_mux, 0x000b, "how often the sections of the pair are repeated" },
	{ &psig_mux, 0x000c, "from when on they are, UTC" },
	{ &psig_mux, 0x000d, "what is to go on air: TS packets of the stream" },
	{ &psig_mux, 0x000e, "asked for, or allocated" },
	{ &psig_mux, 0x000f, "what the stream begins with" },
	{ &psig_mux, 0x0010, "the longest that the mux takes until new tables are on air" },
	{ &psig_mux, 0x0011, "the PID at the mux's ASI input that carries the stream" },
	{ &psig_mux, 0x7000, "what was refused, or a warning" },
	{ &psig_mux, 0x7001, "what else the peer says of it: free" },
	{ &cpsig_psig, 0x000d, "who may watch, in the CA system's own language" },
	{ &cpsig_psig, 0x0100, "the bouquet that a BAT is of" },
	{ &cpsig_psig, 0x0101, "how CA_descriptors come into the tables" },
	{ &cpsig_psig, 0x0102, "the CA system and subsystem that the C(P)SIG works for" },
	{ &cpsig_psig, 0x0103, "names the channel" },
	{ &cpsig_psig, 0x0104, "names the stream within the channel: a service's, or a table's" },
	{ &cpsig_psig, 0x0105, "a descriptor of PSI or SI, as it goes into the table" },
	{ &cpsig_psig, 0x0106, "whether the descriptors are in the tables" },
	{ &cpsig_psig, 0x0107, "how long the event lasts: hours, minutes, seconds, as in an EIT" },
	{ &cpsig_psig, 0x0108, "what a trigger tells of an ECM stream" },
	{ &cpsig_psig, 0x010b, "an elementary stream of the service" },
	{ &cpsig_psig, 0x010c, "the event, as in an EIT" },
	{ &cpsig_psig, 0x010d, "what a trigger tells of an event" },
	{ &cpsig_psig, 0x010e, "names a flow: ECMs, EMMs or private data" },
	{ &cpsig_psig, 0x010f, "the PID of this flow" },
	{ &cpsig_psig, 0x0110, "what a trigger tells of a flow that changes its PID" },
	{ &cpsig_psig, 0x0111, "the CA system and subsystem of this flow" },
	{ &cpsig_psig, 0x0112, "what kind of flow" },
	{ &cpsig_psig, 0x0113, "when the descriptors go into the table, from the trigger on" },
	{ &cpsig_psig, 0x0114, "what this delay is counted from" },
	{ &cpsig_psig, 0x0115, "whether the section is the table's last one here" },
	{ &cpsig_psig, 0x0116, "the place in the table where descriptors go" },
	{ &cpsig_psig, 0x0117, "the longest that an answer takes, in seconds (on this interface alone)" },
	{ &cpsig_psig, 0x0118, "streams that may be open on the channel" },
	{ &cpsig_psig, 0x0119, "a section of the table that was asked for" },
	{ &cpsig_psig, 0x011a, "the network that a NIT is of" },
	{ &cpsig_psig, 0x011b, "the network that the transport stream comes from" },
	{ &cpsig_psig, 0x011c, "private data of the CA system" },
	{ &cpsig_psig, 0x011d, "whose the private data are, as in a private_data_specifier_descriptor" },
	{ &cpsig_psig, 0x011e, "what the generator makes: PSI, SI, or both" },
	{ &cpsig_psig, 0x011f, "the segment of the table" },
	{ &cpsig_psig, 0x0120, "the service" },
	{ &cpsig_psig, 0x0121, "the service, by all its numbers" },
	{ &cpsig_psig, 0x0122, "when the event starts: MJD and UTC, as in an EIT" },
	{ &cpsig_psig, 0x0123, "when the stream changes: MJD and UTC" },
	{ &cpsig_psig, 0x0124, "what changes of the stream" },
	{ &cpsig_psig, 0x0125, "which table" },
	{ &cpsig_psig, 0x0126, "tells which request an answer is of" },
	{ &cpsig_psig, 0x0127, "the transport stream" },
	{ &cpsig_psig, 0x0128, "tells one trigger from another" },
	{ &cpsig_psig, 0x0129, "the triggers that are wanted, a bit each" },
	{ &cpsig_psig, 0x012a, "what has happened, a bit each" },
	{ &cpsig_psig, 0x012b, "what a trigger tells of private data" },
	{ &cpsig_psig, 0x012c, "the stream_type of the flow, as in a PMT" },
	{ &cpsig_psig, 0x7000, "what was refused" },
	{ &cpsig_psig, 0x7001, "what else the peer says of it: free" },
	{ &playout, PLAYOUT_FOLLOWER_ROLE, "what the follower is" },
	{ &playout, PLAYOUT_FOLLOWER_NAME, "who it is" },
	{ &playout, PLAYOUT_HEAD_END, "whose SCS answers" },
	{ &playout, PLAYOUT_SERVICE, "the protected unit" },
	{ &playout, PLAYOUT_CP, "the crypto-period in 64 bits; CP_number is its low 16" },
	{ &playout, PLAYOUT_START, "when it begins, UTC" },
	{ &playout, PLAYOUT_DURATION, "how long it is planned to last" },
	{ &playout, PLAYOUT_MIN_DURATION, "no crypto-period may last less" },
	{ &playout, PLAYOUT_EPOCH, "which of several SCSs decided; a higher one fences the others off" },
	{ &playout, PLAYOUT_PROTECTION, "what the key is for" },
	{ &playout, PLAYOUT_AUTHENTICATED, "whether packets are authenticated, too" },
	{ &playout, PLAYOUT_KEY_IDENTIFIER, "the SPI, MKI or key indicator" },
	{ &playout, PLAYOUT_KEY_MATERIAL, "the key, its salt, and the authentication seed" },
	{ &playout, PLAYOUT_KMS, "the KMS that made the ECM, as the configuration calls it" },
	{ &playout, PLAYOUT_SUPER_CAS_ID, "the CA system and subsystem of the ECM" },
	{ &playout, PLAYOUT_ECM_ID, "names the ECM stream at this Super_CAS_id" },
	{ &playout, PLAYOUT_SECTION_TSPKT, "the form of the ECM" },
	{ &playout, PLAYOUT_DELAY_START, "when the ECM goes on air, from the start of its crypto-period" },
	{ &playout, PLAYOUT_PREVIOUS_DELAY_STOP, "when the ECM before it leaves the air, from the same start" },
	{ &playout, PLAYOUT_ECM_REP_PERIOD, "how often it is repeated on air; 0: as the mux likes" },
	{ &playout, PLAYOUT_ECM_DATAGRAM, "the ECM; empty: none in this crypto-period" },
	{ &playout, PLAYOUT_OUT, "where it goes" },
	{ &playout, PLAYOUT_MODE, "how the service goes out" },
	{ &playout, PLAYOUT_FINGERPRINT, "names the key that is held, without showing it" },
	{ &playout, PLAYOUT_LAST_CP, "the last of the crypto-periods that keys are wanted for" },
	{ &playout, PLAYOUT_KEY_LENGTH, "how long the keys shall be" },
	{ &playout, PLAYOUT_HOLD, "whether this ECM is kept ready, not on air yet" },
	{ &playout, PLAYOUT_ERROR_STATUS, "what was refused" },
	{ &playout, PLAYOUT_ERROR_INFORMATION, "what else the peer says of it: free" },
};

const char *
dec_meaning(const struct sim_iface *iface, uint16_t param)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].iface == iface && meanings[i].param == param)
			return meanings[i].text;
	return NULL;
}

static const struct { const struct sim_iface *iface; uint16_t param; int64_t value; const char *text; } values[] = {
	{ &ecmg_scs, ECMG_SECTION_TSPKT, 0, "sections" }, { &ecmg_scs, ECMG_SECTION_TSPKT, 1, "TS packets" },
	{ &ecmg_scs, ECMG_SECTION_TSPKT, 2, "arbitrary octets" },
	{ &ecmg_scs, ECMG_AC_TRANSFER_MODE, 0, "only when they change" }, { &ecmg_scs, ECMG_AC_TRANSFER_MODE, 1, "always" },
	{ &emmg_mux, EMMG_SECTION_TSPKT, 0, "sections" }, { &emmg_mux, EMMG_SECTION_TSPKT, 1, "TS packets" },
	{ &emmg_mux, EMMG_SECTION_TSPKT, 2, "arbitrary octets" },
	{ &emmg_mux, EMMG_DATA_TYPE, 0, "EMMs or LTKMs" }, { &emmg_mux, EMMG_DATA_TYPE, 1, "private data" },
	{ &eis_scs, EIS_SERVICE_FLAG, 0, "no" }, { &eis_scs, EIS_SERVICE_FLAG, 1, "yes" },
	{ &eis_scs, EIS_COMPONENT_FLAG, 0, "no" }, { &eis_scs, EIS_COMPONENT_FLAG, 1, "yes" },
	{ &eis_scs, EIS_CP_DURATION_FLAG, 0, "no" }, { &eis_scs, EIS_CP_DURATION_FLAG, 1, "yes" },
	{ &eis_scs, EIS_ACTIVATION_PENDING_FLAG, 0, "no" }, { &eis_scs, EIS_ACTIVATION_PENDING_FLAG, 1, "yes" },
	{ &eis_scs, EIS_AC_CHANGED_FLAG, 0, "no" }, { &eis_scs, EIS_AC_CHANGED_FLAG, 1, "yes" },
	{ &psig_mux, 0x0001, 1, "PSIG" }, { &psig_mux, 0x0001, 2, "SIG" }, { &psig_mux, 0x0001, 3, "PSISIG" },
	{ &cpsig_psig, 0x0115, 0, "no" }, { &cpsig_psig, 0x0115, 1, "yes" },
	{ &playout, PLAYOUT_FOLLOWER_ROLE, PLAYOUT_MUX, "mux" }, { &playout, PLAYOUT_FOLLOWER_ROLE, PLAYOUT_SCRAMBLER, "scrambler" },
	{ &playout, PLAYOUT_FOLLOWER_ROLE, PLAYOUT_OPERATOR, "operator" }, { &playout, PLAYOUT_FOLLOWER_ROLE, PLAYOUT_KEY_SOURCE, "key source" },
	{ &playout, PLAYOUT_PROTECTION, 0, "IPsec" }, { &playout, PLAYOUT_PROTECTION, 1, "SRTP" }, { &playout, PLAYOUT_PROTECTION, 2, "ISMACryp" },
	{ &playout, PLAYOUT_PROTECTION, 7, "TS" }, { &playout, PLAYOUT_PROTECTION, 255, "a scrambler that is not ours" },
	{ &playout, PLAYOUT_AUTHENTICATED, 0, "no" }, { &playout, PLAYOUT_AUTHENTICATED, 1, "yes" },
	{ &playout, PLAYOUT_SECTION_TSPKT, 0, "sections" }, { &playout, PLAYOUT_SECTION_TSPKT, 1, "TS packets" },
	{ &playout, PLAYOUT_SECTION_TSPKT, 2, "arbitrary octets" },
	{ &playout, PLAYOUT_MODE, PLAYOUT_SCRAMBLED, "scrambled" }, { &playout, PLAYOUT_MODE, PLAYOUT_CLEAR, "in clear" },
	{ &playout, PLAYOUT_MODE, PLAYOUT_MUTED, "nothing is sent" },
};

const char *
dec_value_words(const struct sim_iface *iface, uint16_t param, int64_t value)
{
	if (param == 0x7000 && sim_param_find(iface, param))
		return sim_status_words(iface, (uint16_t)value)->name;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i].iface == iface && values[i].param == param && values[i].value == value)
			return values[i].text;
	return NULL;
}

int
dec_is_datagram(const struct sim_iface *iface, uint16_t param)
{
	return (iface == &ecmg_scs && param == ECMG_ECM_DATAGRAM) || (iface == &emmg_mux && param == EMMG_DATAGRAM) ||
	    (iface == &playout && param == PLAYOUT_ECM_DATAGRAM);
}

static const char *
mikey(const uint8_t *p, size_t len, char *out, size_t cap)
{
	struct mikey m;

	if (mikey_decode(p, len, &m, NULL) < 0)
		return NULL;
	mikey_print(&m, out, cap);
	return m.bcast.len && m.bcast.p[0] == MIKEY_BCAST_STKM ? "STKM" : m.bcast.len && m.bcast.p[0] == MIKEY_BCAST_LTKM ? "LTKM" : "MIKEY";
}

static const char *
bcast(const uint8_t *p, size_t len, char *out, size_t cap)
{
	static struct bcro b;
	struct bcro_registration r;
	struct stkm s;
	const char *name = mikey(p, len, out, cap);

	if (name)
		return name;
	if (bcro_decode(p, len, &b, NULL) == 0) {
		bcro_print(&b, out, cap);
		return "BCRO";
	}
	if (bcro_registration_decode(p, len, &r, NULL) == 0) {
		bcro_registration_print(&r, out, cap);
		return "registration";
	}
	if (stkm_decode(p, len, &s, NULL) == 0) {
		stkm_print(&s, out, cap);
		return "STKM";
	}
	return NULL;
}

static const char *
packets(const uint8_t *p, size_t len, char *out, size_t cap)
{
	if (len == 0 || len % 188)
		return NULL;
	for (size_t at = 0; at < len; at += 188)
		if (p[at] != 0x47)
			return NULL;
	snprintf(out, cap, "TS packets=%zu PID=0x%04x", len / 188, (p[1] & 0x1fu) << 8 | p[2]);
	return "TS";
}

static const char *
section(const uint8_t *p, size_t len, char *out, size_t cap)
{
	if (len < 3 || ((p[1] & 15u) << 8 | p[2]) + 3u != len)
		return NULL;
	snprintf(out, cap, "section table_id=0x%02x%s section_length=%zu", p[0], (p[0] & 0xfe) == 0x80 ? " (ECM)" : p[0] >= 0x82 && p[0] <= 0x8f ? " (EMM)" : "", len - 3);
	return "section";
}

const char *
dec_payload(int flag, const uint8_t *p, size_t len, char *out, size_t cap)
{
	const char *name = NULL;

	if (flag != 2) {
		name = packets(p, len, out, cap);
		if (!name && (flag == 0 || (len > 0 && p[0] >= 0x80 && p[0] <= 0x8f)))
			name = section(p, len, out, cap);
	}
	return name ? name : bcast(p, len, out, cap);
}
