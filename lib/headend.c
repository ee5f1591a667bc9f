/* lib/headend.c: the schema of simulgate.yaml(5), its cross checks, and the protected units that follow from it */
#include "lib/headend.h"
#include <arpa/inet.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/headend_int.h"
#include "proto/stkm.h"

_Static_assert(sizeof(struct he_place) == sizeof(struct gw_place), "lib/conf.c writes line and column");

enum { DRM = 0x0001, SMARTCARD = 0x0002 };	/* CA system ids of the BCAST profiles: upper half of Super_CAS_id */

static const struct gw_conf_word peers[] = { { "lenient", 0 }, { "strict", 1 } };
static const struct gw_conf_word standbys[] = { { "warm", 0 }, { "cold", 1 } };
static const struct gw_conf_word returns[] = { { "auto", 0 }, { "never", 1 } };
static const struct gw_conf_word ecm_ids[] = { { "send", 0 }, { "omit", 1 } };
static const struct gw_conf_word empties[] = { { "accept", 0 }, { "refuse", 1 } };
static const struct gw_conf_word durations[] = { { "when-different", 0 }, { "always", 1 } };
static const struct gw_conf_word criteria[] = { { "when-changed", 0 }, { "always", 1 } };
static const struct gw_conf_word stream_ids[] = { { "from-0", HE_FROM_0 }, { "from-1", HE_FROM_1 }, { "ecm_id", HE_ECM_ID } };
static const struct gw_conf_word formats[] = { { "section", 0 }, { "tspkt", 1 }, { "bcast", 2 } };
static const struct gw_conf_word profiles[] = { { "drm", 0 }, { "smartcard", 1 } };
static const struct gw_conf_word engines[] = { { "auto", 0 }, { "libsrtp2", 0 }, { "batch", 0 } };
static const struct gw_conf_word segmentations[] = { { "auto", 0 }, { "off", 1 } };
static const struct gw_conf_word losses[] = { { "hold", HE_HOLD }, { "mute", HE_MUTE }, { "clear", HE_EXPOSE } };
static const struct gw_conf_word starts[] = { { "scrambled", 0 }, { "clear", 1 } };
static const struct gw_conf_word media_types[] = { { "ts", HE_TS }, { "h264", HE_H264 }, { "aac", HE_AAC } };
static const struct gw_conf_word modes[] = { { "transport", 0 }, { "tunnel", 1 } };
static const struct gw_conf_word esp_outs[] = { { "raw", HE_ESP_RAW }, { "udp", HE_ESP_UDP }, { "pcap", HE_ESP_PCAP } };
static const struct gw_conf_word key_kinds[] = { { "sek", 0 }, { "pek", 1 } };
static const struct gw_conf_word ext_bcasts[] = { { "none", 0 }, { "min", 1 }, { "full", 2 } };
static const struct gw_conf_word submissions[] = { { "submit_sm", 0 }, { "data_sm", 1 } };
static const struct gw_conf_word cw_lengths[] = { { "8", 8 }, { "16", 16 } };
static const struct gw_conf_word scramblings[] = {
	{ "srtp", HE_SRTP }, { "ipsec", HE_IPSEC }, { "ismacryp", HE_ISMACRYP }, { "dvb-cissa", HE_CISSA }, { "none", HE_NONE },
};

static const struct gw_conf_row limit_rows[] = {
#define LIMIT(m, text) { #m, GW_CONF_INT, GIVEN(he_limit, m), .min = -32768, .max = 65535, .meaning = text }
	LIMIT(min, "Raised to this when the ECMG announces less."),
	LIMIT(max, "Lowered to this when it announces more."),
	LIMIT(replace, "Put in place of what it announces."),
};
static const struct gw_conf_schema limit_schema = { ROWS(limit_rows), sizeof(struct he_limit), "value", .check = NULL };
static const struct gw_conf_row override_rows[] = {
#define OVERRIDE(name, i, unit) { #name, GW_CONF_OBJECT, offsetof(struct he_kms, manners.limits[i]), sizeof(struct he_limit), \
	    .sub = &limit_schema, .meaning = "Of " #name unit "." }
	OVERRIDE(lead_CW, HE_LEAD_CW, ""),
	OVERRIDE(CW_per_msg, HE_CW_PER_MSG, ""),
	OVERRIDE(delay_start, HE_DELAY_START, ", ms"),
	OVERRIDE(delay_stop, HE_DELAY_STOP, ", ms"),
	OVERRIDE(transition_delay_start, HE_TRANSITION_DELAY_START, ", ms"),
	OVERRIDE(transition_delay_stop, HE_TRANSITION_DELAY_STOP, ", ms"),
	OVERRIDE(AC_delay_start, HE_AC_DELAY_START, ", ms"),
	OVERRIDE(AC_delay_stop, HE_AC_DELAY_STOP, ", ms"),
	OVERRIDE(ECM_rep_period, HE_ECM_REP_PERIOD, ", ms"),
	OVERRIDE(max_comp_time, HE_MAX_COMP_TIME, ", ms"),
	OVERRIDE(min_CP_duration, HE_MIN_CP_DURATION, ", tenths of a second"),
	OVERRIDE(max_streams, HE_MAX_STREAMS, "; 0 is not stated"),
};
static const struct gw_conf_schema override_schema = { ROWS(override_rows), sizeof(struct he_kms), "override", .check = NULL };

/* How a vendor's ECMG wants to be spoken to: an entry of kms may say it, and so may a profile, for the entries that name it. */
#define MANNERS \
	{ "protocol_version", GW_CONF_UINT, GW_CONF_AT(he_kms, protocol_version), .min = 1, .max = 5, \
	    .meaning = "SimulCrypt version spoken with it. The default is 5 for BCAST profiles, else 3." }, \
	{ "bcast_parameters", GW_CONF_BOOL, GW_CONF_AT(he_kms, bcast_parameters), \
	    .meaning = "Send it the user-defined parameters 0x8001 (traffic protection) and 0x8002 (key identifier). The default is " \
	    "true for BCAST profiles, else false." }, \
	{ "peer", GW_CONF_ENUM, GW_CONF_AT(he_kms, strict), WORDS(peers), .dflt = "lenient", \
	    .meaning = "Whether its messages may hold what the standard does not list." }, \
	{ "ECM_id", GW_CONF_ENUM, GW_CONF_AT(he_kms, manners.omit_ECM_id), WORDS(ecm_ids), .dflt = "send", \
	    .meaning = "Whether stream_setup carries the ECM_id that protocol_version 2 and later have." }, \
	{ "empty_ECM", GW_CONF_ENUM, GW_CONF_AT(he_kms, manners.refuse_empty_ECM), WORDS(empties), .dflt = "accept", \
	    .meaning = "An ECM_datagram of length 0: no ECM on air for this crypto-period, or no answer." }, \
	{ "CP_duration", GW_CONF_ENUM, GW_CONF_AT(he_kms, manners.CP_duration_always), WORDS(durations), .dflt = "when-different", \
	    .meaning = "Whether every CW_provision carries it, or those whose crypto-period does not last nominal_CP_duration." }, \
	{ "access_criteria", GW_CONF_ENUM, GW_CONF_AT(he_kms, manners.criteria_always), WORDS(criteria), .dflt = "when-changed", \
	    .meaning = "Whether every CW_provision carries them, or those that the ECMG's access_criteria_transfer_mode asks for." }, \
	{ "ECM_channel_id", GW_CONF_UINT, GIVEN(he_kms, manners.channel_id), \
	    .meaning = "Of the first channel to each of its ECMGs; further channels take the numbers that follow. The default is one " \
	    "out of the range of scs." }, \
	{ "ECM_stream_id", GW_CONF_ENUM, GW_CONF_AT(he_kms, manners.stream_ids), WORDS(stream_ids), .dflt = "from-1", \
	    .meaning = "How streams are numbered: upwards on each channel, or by their ECM_id." }, \
	{ "override", GW_CONF_OBJECT, 0, sizeof(struct he_kms), .sub = &override_schema, \
	    .meaning = "Corrections of what the ECMG announces in channel_status." }

static void note_given(struct gw_conf *, void *);
static const struct gw_conf_row profile_rows[] = { MANNERS };
static const struct gw_conf_schema profile_schema = { ROWS(profile_rows), sizeof(struct he_kms), "profile", .check = note_given };

static const struct gw_conf_row kms_rows[] = {
	{ "super_cas_id", GW_CONF_UINT, GW_CONF_AT(he_kms, super_cas_id), .flags = GW_CONF_NEED | GW_CONF_HEX,
	    .meaning = "Super_CAS_id: CA system id and subsystem. 0x0001 and 0x0002 in the upper half are the BCAST DRM and "
	    "Smartcard profiles." },
	{ "ecmg", GW_CONF_ADDRS, LIST(he_kms, ecmg, necmg), .flags = GW_CONF_NEED, .schemes = GW_TCP | GW_UNIX,
	    .meaning = "Where its ECMGs listen, the preferred one first; the others are spares." },
	{ "profile", GW_CONF_PATH, GW_CONF_AT(he_kms, profile), .flags = GW_CONF_READABLE,
	    .meaning = "A file with the keys from protocol_version to override below: how its vendor's ECMGs want to be spoken to. "
	    "What this entry says itself wins." },
	MANNERS,
	{ "standby", GW_CONF_ENUM, GW_CONF_AT(he_kms, standby_cold), WORDS(standbys), .dflt = "warm",
	    .meaning = "Warm: the spares' channels and streams are kept open and tested, and one that is dead is an alarm. Cold: a spare is "
	    "connected when those before it fail." },
	{ "hedge", GW_CONF_DURATION, GW_CONF_AT(he_kms, hedge_ms), .dflt = "0", .max = 60000,
	    .meaning = "After so long without an answer a warm spare is asked the same, and the first answer counts. 0: never." },
	{ "return", GW_CONF_ENUM, GW_CONF_AT(he_kms, return_never), WORDS(returns), .dflt = "auto",
	    .meaning = "Whether a preferred ECMG that is well again is gone back to." },
	{ "return_after", GW_CONF_DURATION, GW_CONF_AT(he_kms, return_after_ms), .dflt = "10s", .max = 86400000,
	    .meaning = "How long it must have been well before that; twice as long after each relapse." },
	{ "test_interval", GW_CONF_DURATION, GW_CONF_AT(he_kms, test_interval_ms), .dflt = "10s", .min = 1000, .max = 600000,
	    .meaning = "After so long a silence a channel is tested, and some of its streams in turn." },
	{ "plugin", GW_CONF_PATH, GW_CONF_AT(he_kms, plugin), .flags = GW_CONF_OR_NAME,
	    .meaning = "The KMS plugin that our own ECMG loads: a name as lab, drm, smartcard, or a path. Without it the ECMG is "
	    "somebody else's." },
	{ "keys", GW_CONF_PATH, GW_CONF_AT(he_kms, keys), .flags = GW_CONF_KEYS,
	    .meaning = "The plugin's file of keys, mode 0600." },
	{ "store", GW_CONF_PATH, GW_CONF_AT(he_kms, store),
	    .meaning = "DRM profile: the store of SEAKs of a bridge (its seaks), beside keys. Smartcard profile: the store of keys, subscribers and rights "
	    "that its plugin and its BSM share, in place of keys. The "
	    "default is kms-NAME.db in the directory of state, when a BSM serves the KMS or the plugin smartcard has no keys." },
	{ "master", GW_CONF_PATH, GW_CONF_AT(he_kms, master),
	    .meaning = "The file of its master key, mode 0600, as a systemd credential. The default is the store's name with .master behind it." },
	{ "set", GW_CONF_MAP, GW_CONF_AT(he_kms, set), .meaning = "Further settings for the plugin." },
	{ "kms_type", GW_CONF_NAME, GW_CONF_AT(he_kms, kms_type),
	    .meaning = "kmstype of its key streams in session descriptions. The default is oma-bcast-drm-pki and oma-bcast-gba_u-mbms for the "
	    "BCAST DRM and Smartcard profiles, else simulcrypt and its Super_CAS_id." },
	{ "service_provider", GW_CONF_TEXT, GW_CONF_AT(he_kms, service_provider),
	    .meaning = "serviceprovider of them: a name or URI of who sells the rights." },
#define ANNOUNCED(name, low, high, unit) { #name, GW_CONF_INT, GIVEN(he_kms, name), .min = low, .max = high, \
	    .meaning = "Announced in channel_status instead of the plugin's own value" unit "." }
	ANNOUNCED(lead_CW, 0, 16, ""),
	ANNOUNCED(CW_per_msg, 1, 17, ""),
	ANNOUNCED(delay_start, -30000, 30000, ", ms"),
	ANNOUNCED(delay_stop, -30000, 30000, ", ms"),
	ANNOUNCED(ECM_rep_period, 0, 65535, ", ms"),
	ANNOUNCED(max_comp_time, 1, 65535, ", ms"),
	ANNOUNCED(min_CP_duration, 1, 65535, ", tenths of a second"),
	ANNOUNCED(max_streams, 0, 65535, "; 0 is not stated"),
};
static const struct gw_conf_row stkm_rows[] = {
	{ "kms", GW_CONF_REF, GW_CONF_AT(he_stkm, kms), .ref = "kms", .flags = GW_CONF_NEED, .meaning = "Who makes these ECMs." },
	{ "ecm_id", GW_CONF_UINT, GW_CONF_AT(he_stkm, ecm_id), .flags = GW_CONF_NEED,
	    .meaning = "ECM_id of the stream; one KMS sees each once." },
	{ "out", GW_CONF_ADDR, GW_CONF_AT(he_stkm, out), .schemes = GW_UDP | GW_PID,
	    .meaning = "Where the mux sends it; with ?pid=0x1f0 in a transport stream, which all that goes to this address with a PID "
	    "shares. STKMs of one service by KMSs of the DRM profile may share an address. Without it the ECMs are for a multiplexer that is not "
	    "ours." },
	{ "access_criteria", GW_CONF_OCTETS, LIST(he_stkm, access_criteria, access_criteria_len), .max = 60000,
	    .meaning = "Handed to the KMS as it is." },
	{ "required", GW_CONF_BOOL, GW_CONF_AT(he_stkm, required), .dflt = "true",
	    .meaning = "Whether a crypto-period may not begin without this ECM. One stream at least is required." },
	{ "base_cid", GW_CONF_TEXT, GW_CONF_AT(he_stkm, base_cid),
	    .meaning = "DRM profile: baseCID of the session description, as it is; it is escaped there." },
	{ "srv_cid_ext", GW_CONF_UINT, GIVEN(he_stkm, srv_cid_ext), .flags = GW_CONF_HEX, .meaning = "srvCIDExt of it." },
	{ "prg_cid_ext", GW_CONF_UINT, GIVEN(he_stkm, prg_cid_ext), .flags = GW_CONF_HEX, .meaning = "prgCIDExt of it." },
	{ "key", GW_CONF_ENUM, GW_CONF_AT(he_stkm, pek), WORDS(key_kinds), .dflt = "sek",
	    .meaning = "Smartcard profile: whether the stream is sealed with the keys of the service (sek) or with those of its programmes (pek)." },
};
static const struct gw_conf_schema kms_schema, stkm_schema, medium_schema;	/* below, with their checks */
static const struct gw_conf_row medium_rows[] = {
	{ "name", GW_CONF_NAME, GW_CONF_AT(raw_medium, m.name), .flags = GW_CONF_NEED, .meaning = "Names it within the service." },
	{ "in", GW_CONF_ADDR, GW_CONF_AT(raw_medium, m.in), .schemes = GW_UDP, .flags = GW_CONF_NEED,
	    .meaning = "Where it arrives in clear." },
	{ "out", GW_CONF_ADDR, GW_CONF_AT(raw_medium, m.out), .schemes = GW_UDP, .meaning = "Where it goes, scrambled." },
	{ "type", GW_CONF_ENUM, GW_CONF_AT(raw_medium, m.type), WORDS(media_types), .dflt = "ts",
	    .meaning = "What its packets carry: a transport stream (over RTP or UDP), H.264 by RFC 6184, or AAC by RFC 3640 in mode AAC-hbr. "
	    "ismacryp works on access units and therefore needs h264 or aac." },
	{ "pids", GW_CONF_NUMBERS, LIST(raw_medium, m.pids, m.npids), .flags = GW_CONF_HEX, .min = 0x10, .max = 0x1ffe,
	    .meaning = "With dvb-cissa: the PIDs that are scrambled, 0x0010 to 0x1FFE; the others go as they come. Without it all are but PSI, SI, "
	    "ECMs, EMMs and stuffing, as PAT, PMTs and CAT tell; what these have not told yet is scrambled." },
	{ "payload_type", GW_CONF_UINT, GW_CONF_AT(raw_medium, m.payload_type), .max = 127,
	    .meaning = "Payload type of its RTP as it goes out. The default is 33 for ts, 96 for h264, 97 for aac." },
	{ "in_payload_type", GW_CONF_UINT, GW_CONF_AT(raw_medium, m.in_payload_type), .max = 127,
	    .meaning = "With ismacryp: payload type of its RTP as it arrives, and as it goes out while the service is in clear; must differ from "
	    "payload_type, by which receivers tell the two apart. The default is 98 for h264, 99 for aac; with other scramblings it is payload_type." },
	{ "rtp", GW_CONF_BOOL, GW_CONF_AT(raw_medium, m.rtp), .dflt = "true",
	    .meaning = "Whether it is RTP. Without it is a transport stream by UDP alone, with ipsec or dvb-cissa." },
	{ "rtpmap", GW_CONF_TEXT, GW_CONF_AT(raw_medium, m.rtpmap),
	    .meaning = "For the session description: encoding and clock. The default is MP2T/90000 for ts, H264/90000 for h264, "
	    "mpeg4-generic/48000/2 for aac; with ismacryp the encoding is enc-mpeg4-generic, whatever is here." },
	{ "fmtp", GW_CONF_TEXT, GW_CONF_AT(raw_medium, m.fmtp),
	    .meaning = "For the session description: what the encoder says, as \"profile-level-id=41; config=1190\". Parameters that type and "
	    "scrambling need are added. It is no place for keys." },
	{ "rtcp", GW_CONF_BOOL, GW_CONF_AT(raw_medium, m.rtcp), .dflt = "false",
	    .meaning = "Whether the ports above those of in and out carry its RTCP, which is protected with the same key." },
	{ "stkm", GW_CONF_LIST, LIST(raw_medium, stkm, nstkm), .sub = &stkm_schema,
	    .meaning = "Its own key streams: it then has its own keys, too." },
	{ "stream_index", GW_CONF_UINT, GIVEN(raw_medium, index), .max = 0x7fff,
	    .meaning = "With key streams of its own: see the service's." },
};
static const struct gw_conf_row ipsec_rows[] = {
	{ "mode", GW_CONF_ENUM, GW_CONF_AT(he_ipsec, tunnel), WORDS(modes), .dflt = "transport",
	    .meaning = "What an ESP packet holds: the UDP datagram alone, or the whole IP packet." },
	{ "output", GW_CONF_ENUM, GW_CONF_AT(he_ipsec, output), WORDS(esp_outs), .dflt = "raw",
	    .meaning = "How ESP goes out. raw: as IP protocol 50, which needs CAP_NET_RAW. udp: in UDP as RFC 3948 has it, to the address of "
	    "out and the port below. pcap: into a file of captured packets." },
	{ "port", GW_CONF_UINT, GW_CONF_AT(he_ipsec, port), .dflt = "4500", .min = 1, .max = 65535,
	    .meaning = "Where ESP in UDP goes; the port of out is that of the datagram within." },
	{ "file", GW_CONF_PATH, GW_CONF_AT(he_ipsec, file), .meaning = "With output: pcap: the file, which is written anew." },
	{ "source", GW_CONF_TEXT, GW_CONF_AT(he_ipsec, source),
	    .meaning = "The numeric address, of this machine, that packets come from. The default is the one that the kernel would take." },
};
static const struct gw_conf_schema ipsec_schema = { ROWS(ipsec_rows), sizeof(struct he_ipsec), "ESP", .check = NULL };
static const struct gw_conf_row service_rows[] = {
	{ "id", GW_CONF_NAME, GW_CONF_AT(raw_service, s.id), .flags = GW_CONF_NEED, .meaning = "Names it in the whole head-end." },
	{ "title", GW_CONF_TEXT, GW_CONF_AT(raw_service, s.title), .meaning = "Its name for people, in session descriptions. The default is the id." },
	{ "session_id", GW_CONF_UINT, GIVEN(raw_service, s.session_id), .max = INT64_MAX,
	    .meaning = "Session id of its session description. The default is a number that hangs on the names of head-end and service." },
	{ "purchase_item", GW_CONF_TEXT, GW_CONF_AT(raw_service, s.purchase_item),
	    .meaning = "GlobalPurchaseItemID under which it is sold, a URI. The default is urn:simulgate:HEAD_END:ID." },
	{ "purchase_data", GW_CONF_TEXT, GW_CONF_AT(raw_service, s.purchase_data),
	    .meaning = "PurchaseDataReference; the MBMS User Service ID is the former and this, with nothing between them." },
	{ "global_service_id", GW_CONF_TEXT, GW_CONF_AT(raw_service, s.global_service_id),
	    .meaning = "GlobalServiceID by which bridges and their peers name it, a URI. The default is urn:simulgate:HEAD_END:ID." },
	{ "global_content_id", GW_CONF_TEXT, GW_CONF_AT(raw_service, s.global_content_id),
	    .meaning = "GlobalContentID by which they name what its keys protect. The default is global_service_id." },
	{ "keys", GW_CONF_NAME, GW_CONF_AT(raw_service, s.outside_keys),
	    .meaning = "The bridge through which a BSM gives it its traffic keys (CP-3, mode A). Without it they are made here." },
	{ "scrambling", GW_CONF_ENUM, GW_CONF_AT(raw_service, s.scrambling), WORDS(scramblings), .flags = GW_CONF_NEED,
	    .meaning = "How the media are protected; none: control words are made for a scrambler that is not ours." },
	{ "authentication", GW_CONF_BOOL, GW_CONF_AT(raw_service, s.authentication),
	    .meaning = "Whether packets carry an authentication tag. The default is true for srtp and ipsec, else false." },
	{ "rcc", GW_CONF_UINT, GW_CONF_AT(raw_service, s.rcc), .max = 65535, .dflt = "0",
	    .meaning = "With srtp: every packet whose sequence number it divides carries the roll-over counter (RFC 4771, RCCm2), so that "
	    "receivers may join late. 0: none does." },
	{ "crypto_period", GW_CONF_DURATION, GW_CONF_AT(raw_service, s.crypto_period_ms), .dflt = "10s", .min = 1000, .max = 6553500,
	    .meaning = "How long a key lasts; whole tenths of a second." },
	{ "extension_alarm", GW_CONF_DURATION, GW_CONF_AT(raw_service, s.extension_alarm_ms), .dflt = "30s", .min = 1000,
	    .max = 86400000, .meaning = "A crypto-period extended by more than this is an alarm." },
	{ "optional_wait", GW_CONF_DURATION, GW_CONF_AT(raw_service, s.optional_wait_ms), .dflt = "0", .max = 60000,
	    .meaning = "How long an ECM that is not required is waited for past its time." },
	{ "on_loss", GW_CONF_ENUM, GW_CONF_AT(raw_service, s.on_loss), WORDS(losses), .dflt = "hold",
	    .meaning = "What becomes of the service when a required ECM does not come for longer than on_loss_after. hold: key and ECM stay "
	    "as long as it takes. mute: nothing is sent. clear: it is sent in clear, which needs on_loss_clear, too. With its ECMs it is "
	    "scrambled again by itself. The scrambler does the same by itself when it hears no more of the SCS, which may have died: hold "
	    "keeps the service on air and protected then, and clear exposes it." },
	{ "on_loss_after", GW_CONF_DURATION, GW_CONF_AT(raw_service, s.on_loss_after_ms), .dflt = "30s", .min = 1000, .max = 86400000,
	    .meaning = "How long a crypto-period is extended before on_loss takes effect. For a scrambler without an SCS: how long that has been "
	    "silent, and the last crypto-period past its planned end." },
	{ "on_loss_clear", GW_CONF_BOOL, GW_CONF_AT(raw_service, loss_confirmed), .dflt = "false",
	    .meaning = "Says a second time that on_loss: clear is meant; true with it, and with nothing else." },
	{ "start", GW_CONF_ENUM, GW_CONF_AT(raw_service, s.start_clear), WORDS(starts), .dflt = "scrambled",
	    .meaning = "How the service begins when the SCS sees it for the first time. After that simulgate service decides." },
	{ "align", GW_CONF_BOOL, GW_CONF_AT(raw_service, s.align), .dflt = "false",
	    .meaning = "Whether crypto-periods begin on multiples of their duration since 1970." },
	{ "sources", GW_CONF_UINT, GW_CONF_AT(raw_service, s.sources), .min = 1, .max = 4096, .dflt = "128",
	    .meaning = "With srtp: SSRCs that may send at a time." },
	{ "cw_length", GW_CONF_ENUM, GW_CONF_AT(raw_service, s.cw_length),
	    .has = offsetof(struct raw_service, cw_length_given), WORDS(cw_lengths), .dflt = "8",
	    .meaning = "Octets of a control word with scrambling none." },
	{ "ipsec", GW_CONF_OBJECT, GW_CONF_AT(raw_service, s.ipsec), .has = offsetof(struct raw_service, s.ipsec.set), .sub = &ipsec_schema,
	    .meaning = "With scrambling ipsec: how packets are made of it, and where they go." },
	{ "stream_index", GW_CONF_UINT, GIVEN(raw_service, index), .max = 0x7fff,
	    .meaning = "The number in its SPIs. The default is the lowest free one, in the order of the file." },
	{ "media", GW_CONF_LIST, LIST(raw_service, media, nmedia), .sub = &medium_schema, .meaning = "What is protected. A service that only a bridge serves for, since it is "
	    "another head-end's, has neither media nor stkm." },
	{ "stkm", GW_CONF_LIST, LIST(raw_service, stkm, nstkm), .sub = &stkm_schema,
	    .meaning = "Its key streams, one per KMS; for the media that have none of their own." },
};
static const struct gw_conf_row ltkm_rows[] = {
	{ "kms", GW_CONF_REF, GW_CONF_AT(he_ltkm, kms), .ref = "kms", .flags = GW_CONF_NEED, .meaning = "Whose messages they are." },
	{ "client_id", GW_CONF_UINT, GW_CONF_AT(he_ltkm, client_id), .flags = GW_CONF_HEX,
	    .meaning = "client_id of its EMMG. The default is the Super_CAS_id of the KMS." },
	{ "data_id", GW_CONF_UINT, GW_CONF_AT(he_ltkm, data_id), .flags = GW_CONF_NEED, .meaning = "data_id of the stream." },
	{ "data_type", GW_CONF_UINT, GW_CONF_AT(he_ltkm, data_type), .max = 1, .dflt = "0",
	    .meaning = "data_type of the stream: 0 for EMMs and long-term keys, 1 for private data." },
	{ "bandwidth", GW_CONF_RATE, GW_CONF_AT(he_ltkm, bandwidth_bps), .dflt = "64kbit/s", .min = 1000, .max = UINT32_MAX,
	    .meaning = "What it may use at most." },
	{ "repeat", GW_CONF_UINT, GW_CONF_AT(he_ltkm, repeat), .dflt = "1", .min = 1, .max = 1000,
	    .meaning = "How often the mux sends each datagram; what the stream may use is shared among the repetitions." },
	{ "repeat_every", GW_CONF_DURATION, GW_CONF_AT(he_ltkm, repeat_every_ms), .dflt = "1s", .min = 20, .max = 3600000,
	    .meaning = "The time between two of them." },
	{ "udp_without_control", GW_CONF_BOOL, GW_CONF_AT(he_ltkm, udp_without_control), .dflt = "false",
	    .meaning = "Whether the mux takes data by UDP although no EMMG has set the stream up over TCP." },
	{ "out", GW_CONF_ADDR, GW_CONF_AT(he_ltkm, out), .schemes = GW_UDP | GW_PID,
	    .meaning = "Where the mux sends it. Sections and TS packets go into a transport stream when ?pid=0x1f0 names their PID. Only "
	    "a stream for somebody else's mux, see to, has none." },
	{ "source", GW_CONF_PATH, GW_CONF_AT(he_ltkm, source), .flags = GW_CONF_READABLE,
	    .meaning = "What simulgate-emmg sends, again and again: a file of sections or of TS packets, or with format bcast a file of one "
	    "message or a directory of such. Without it the plugin of the KMS makes the messages; a KMS without plugin has an EMMG of its own." },
	{ "format", GW_CONF_ENUM, GW_CONF_AT(he_ltkm, format), WORDS(formats),
	    .meaning = "What datagrams are: sections, TS packets, or messages of any kind as OMA BCAST has them (section_TSpkt_flag 0, 1, "
	    "2). The default is bcast for client_id 0x0001xxxx and 0x0002xxxx, else section." },
	{ "to", GW_CONF_ADDR, GW_CONF_AT(he_ltkm, to), .schemes = GW_TCP,
	    .meaning = "Where simulgate-emmg connects. The default is emmg of the mux." },
	{ "to_udp", GW_CONF_ADDR, GW_CONF_AT(he_ltkm, to_udp), .schemes = GW_UDP,
	    .meaning = "Where it sends data by UDP. The default is emmg_udp of the mux, if udp is true." },
	{ "udp", GW_CONF_BOOL, GW_CONF_AT(he_ltkm, udp), .meaning = "Whether it sends data by UDP. The default is true with to_udp, else false." },
	{ "protocol_version", GW_CONF_UINT, GW_CONF_AT(he_ltkm, protocol_version), .min = 1, .max = 5,
	    .meaning = "SimulCrypt version that it speaks with the mux. The default is 5 for format bcast, else 3." },
	{ "datagrams_per_message", GW_CONF_UINT, GW_CONF_AT(he_ltkm, datagrams_per_message), .dflt = "1", .min = 1, .max = 1000,
	    .meaning = "Datagrams that it puts into one message at most." },
	{ "bytes_per_message", GW_CONF_UINT, GW_CONF_AT(he_ltkm, bytes_per_message), .dflt = "65540", .min = 64, .max = 65540,
	    .meaning = "Octets of one message; a datagram that is longer travels alone. By UDP it is 1472, or less." },
	{ "peer", GW_CONF_ENUM, GW_CONF_AT(he_ltkm, strict), WORDS(peers), .dflt = "lenient",
	    .meaning = "Whether it takes from the mux what the standard does not have." },
};
static const struct gw_conf_row mux_rows[] = {
	{ "emmg", GW_CONF_ADDR, GW_CONF_AT(headend, mux.emmg), .schemes = GW_TCP, .meaning = "Where the mux listens for EMMGs." },
	{ "emmg_udp", GW_CONF_ADDR, GW_CONF_AT(headend, mux.emmg_udp), .schemes = GW_UDP, .meaning = "Where it takes their data by UDP." },
	{ "total_bandwidth", GW_CONF_RATE, GW_CONF_AT(headend, mux.total_bandwidth_bps), .dflt = "1Mbit/s", .min = 1000,
	    .max = INT64_C(10000000000), .meaning = "What all long-term key streams may use together." },
	{ "repetition", GW_CONF_DURATION, GW_CONF_AT(headend, mux.repetition_ms), .dflt = "500ms", .min = 20, .max = 60000,
	    .meaning = "How often an ECM is sent whose KMS states no ECM_rep_period." },
	{ "peer", GW_CONF_ENUM, GW_CONF_AT(headend, mux.strict), WORDS(peers), .dflt = "lenient",
	    .meaning = "Whether messages of EMMGs may hold what the standard does not list, or lack what others can tell." },
	{ "max_channels", GW_CONF_UINT, GW_CONF_AT(headend, mux.max_channels), .dflt = "1000", .min = 1, .max = 65535,
	    .meaning = "Channels of EMMGs at once." },
	{ "max_channels_per_client", GW_CONF_UINT, GW_CONF_AT(headend, mux.max_channels_per_client), .dflt = "16", .min = 1, .max = 65535,
	    .meaning = "Channels with one client_id." },
	{ "max_streams", GW_CONF_UINT, GW_CONF_AT(headend, mux.max_streams), .dflt = "4096", .min = 1, .max = 65535,
	    .meaning = "Streams of EMMGs at once." },
	{ "max_streams_per_channel", GW_CONF_UINT, GW_CONF_AT(headend, mux.max_streams_per_channel), .dflt = "1024", .min = 1, .max = 65535,
	    .meaning = "Streams on one channel." },
	{ "max_datagrams", GW_CONF_UINT, GW_CONF_AT(headend, mux.max_datagrams), .dflt = "1000", .min = 1, .max = 1000,
	    .meaning = "Datagrams in one message of an EMMG." },
	{ "max_message", GW_CONF_UINT, GW_CONF_AT(headend, mux.max_message), .dflt = "65540", .min = 256, .max = 65540,
	    .meaning = "Octets of one message of an EMMG." },
};
static const struct gw_conf_row scrambler_rows[] = {
	{ "engine", GW_CONF_TEXT, GW_CONF_AT(headend, scrambler.engine), WORDS(engines), .dflt = "auto",
	    .meaning = "What does the cryptography." },
	{ "threads", GW_CONF_UINT, GW_CONF_AT(headend, scrambler.threads), .dflt = "1", .min = 1, .max = 64,
	    .meaning = "Threads that packets are spread over, by service." },
	{ "gso", GW_CONF_ENUM, GW_CONF_AT(headend, scrambler.no_gso), WORDS(segmentations), .dflt = "auto",
	    .meaning = "Whether the kernel is handed several datagrams as one where it can part them (UDP_SEGMENT)." },
	{ "sap", GW_CONF_ADDR, GW_CONF_AT(headend, sap.to), .schemes = GW_UDP,
	    .meaning = "Where it announces the session description of each service, as udp://239.255.255.255:9875 (RFC 2974). Without it none is." },
	{ "sap_interval", GW_CONF_DURATION, GW_CONF_AT(headend, sap.interval_ms), .dflt = "30s", .min = 1000, .max = 3600000,
	    .meaning = "The time from one announcement of a service to the next." },
};
static const struct gw_conf_row session_rows[] = {
	{ "owner", GW_CONF_NAME, GW_CONF_AT(headend, session.owner), .dflt = "simulgate", .meaning = "The user of their origin lines." },
	{ "origin", GW_CONF_TEXT, GW_CONF_AT(headend, session.origin), .dflt = "127.0.0.1",
	    .meaning = "The host of them: an address or a full name." },
};
static const struct gw_conf_row terminal_rows[] = {
	{ "name", GW_CONF_NAME, GW_CONF_AT(he_terminal, name), .flags = GW_CONF_NEED, .meaning = "Names it." },
	{ "profile", GW_CONF_ENUM, GW_CONF_AT(he_terminal, smartcard), WORDS(profiles), .flags = GW_CONF_NEED,
	    .meaning = "Which key streams it understands." },
	{ "service", GW_CONF_REF, GW_CONF_AT(he_terminal, service), .ref = "services", .flags = GW_CONF_NEED, .meaning = "What it receives." },
	{ "keys", GW_CONF_PATH, GW_CONF_AT(he_terminal, keys), .flags = GW_CONF_KEYS,
	    .meaning = "Its file of keys, mode 0600. It is needed unless there is a card." },
	{ "card", GW_CONF_PATH, GW_CONF_AT(he_terminal, card), .flags = GW_CONF_KEYS,
	    .meaning = "Smartcard profile: its (U)SIM, a file of mode 0600. The terminal bootstraps and registers; its long-term keys come from a BSM." },
	{ "bsm", GW_CONF_TEXT, GW_CONF_AT(he_terminal, bsm_url),
	    .meaning = "The http or https URL where it registers and requests keys. The default is that of the file's BSM of a KMS of its service." },
	{ "bsf", GW_CONF_TEXT, GW_CONF_AT(he_terminal, bsf_url),
	    .meaning = "The http or https URL where it bootstraps. The default is the root of the BSM's." },
	{ "address", GW_CONF_ADDR, GW_CONF_AT(he_terminal, address), .schemes = GW_UDP,
	    .meaning = "Where long-term keys come to it; it calls the BSM from the same host. The default is port ltkm_port of the BSM, at any "
	    "address of the machine." },
	{ "card_state", GW_CONF_PATH, GW_CONF_AT(he_terminal, card_state),
	    .meaning = "The file in which it keeps what the card remembers. The default is terminal-NAME.card in the directory of state." },
	{ "sms", GW_CONF_PATH, GW_CONF_AT(he_terminal, sms_dir), .meaning = "The directory of files in which short messages come to it." },
	{ "stkm_poll", GW_CONF_DURATION, GW_CONF_AT(he_terminal, stkm_poll_ms), .dflt = "0s", .max = 3600000,
	    .meaning = "With a card: it fetches STKMs from the BSM so often, and hears none on air; less than their lead, 2 s as a rule. 0s: they come on air." },
	{ "out", GW_CONF_ADDR, GW_CONF_AT(he_terminal, out), .schemes = GW_UDP,
	    .meaning = "Where it sends what it descrambled. Further media go to further ports, each second one." },
	{ "file", GW_CONF_PATH, GW_CONF_AT(he_terminal, file),
	    .meaning = "The file that it writes what it descrambled into, begun anew each time, as players open it: a transport stream, H.264 "
	    "in Annex B, AAC in ADTS. Of several media each has its name behind it: FILE.video." },
};
static const struct gw_conf_row bsm_rows[] = {
	{ "kms", GW_CONF_REF, GW_CONF_AT(he_bsm, kms), .ref = "kms", .flags = GW_CONF_NEED,
	    .meaning = "The KMS of the Smartcard profile whose subscribers it serves." },
	{ "naf", GW_CONF_TEXT, GW_CONF_AT(he_bsm, naf), .flags = GW_CONF_NEED,
	    .meaning = "Its full name in bootstrapping: in the NAF_Id, in the realm of Digest, and as IDi in LTKMs. A new name makes all keys of "
	    "subscribers new." },
	{ "bsf", GW_CONF_TEXT, GW_CONF_AT(he_bsm, bsf), .meaning = "The name of the built-in BSF, after the @ of B-TIDs. The default is naf." },
	{ "key_domain", GW_CONF_OCTETS, LIST(he_bsm, key_domain, key_domain_len), .flags = GW_CONF_NEED, .min = 3, .max = 3,
	    .meaning = "Key Domain ID: MCC and MNC as networks write them; 0x00f110 is 001 01." },
	{ "listen", GW_CONF_ADDR, GW_CONF_AT(he_bsm, listen), .schemes = GW_TCP | GW_TLS, .flags = GW_CONF_NEED,
	    .meaning = "Where terminals bootstrap, register, request LTKMs and fetch STKMs, by HTTP, or with tls:// by HTTPS." },
	{ "certificate", GW_CONF_PATH, GW_CONF_AT(he_bsm, certificate), .flags = GW_CONF_READABLE,
	    .meaning = "For tls://: its certificate and those above it, PEM. They are read again at SIGHUP." },
	{ "private_key", GW_CONF_PATH, GW_CONF_AT(he_bsm, private_key), .flags = GW_CONF_KEYS, .meaning = "The key of it, PEM, mode 0600." },
	{ "path", GW_CONF_TEXT, GW_CONF_AT(he_bsm, path), .dflt = "/keymanagement",
	    .meaning = "Where registrations and requests go. What they are is told by their content type, and by requesttype in the query when they "
	    "have none." },
	{ "qop_auth", GW_CONF_BOOL, GW_CONF_AT(he_bsm, auth_ok), .dflt = "false",
	    .meaning = "Whether Digest with qop=auth is accepted, too. It does not protect what a request says." },
	{ "registered_address", GW_CONF_BOOL, GW_CONF_AT(he_bsm, registered_address), .dflt = "false",
	    .meaning = "For tests: believe X-Registered-Address in place of the address that a registration comes from." },
	{ "gba_u_mac_star", GW_CONF_BOOL, GW_CONF_AT(he_bsm, mac_star), .dflt = "false",
	    .meaning = "Whether the AUTN for a GBA_U card carries MAC*, as TS 33.220 has it; software cards want the plain MAC." },
	{ "registration", GW_CONF_DURATION, GW_CONF_AT(he_bsm, registration_ms), .dflt = "1h", .min = 1000, .max = 604800000,
	    .meaning = "How long a registration lasts." },
	{ "nonce", GW_CONF_DURATION, GW_CONF_AT(he_bsm, nonce_ms), .dflt = "5min", .min = 1000, .max = 86400000,
	    .meaning = "How long a nonce of Digest is good." },
	{ "bootstrapping", GW_CONF_DURATION, GW_CONF_AT(he_bsm, bootstrapping_ms), .dflt = "24h", .min = 1000, .max = INT64_C(31536000000),
	    .meaning = "How long a B-TID is good; then the terminal bootstraps again." },
	{ "challenge", GW_CONF_DURATION, GW_CONF_AT(he_bsm, challenge_ms), .dflt = "60s", .min = 1000, .max = 3600000,
	    .meaning = "How long the answer to a challenge of bootstrapping is waited for." },
	{ "requests", GW_CONF_UINT, GW_CONF_AT(he_bsm, requests), .dflt = "4", .min = 1, .max = 1000,
	    .meaning = "How often a terminal may request the keys of one Key Group within request_window; then it is told to come later." },
	{ "request_window", GW_CONF_DURATION, GW_CONF_AT(he_bsm, request_window_ms), .dflt = "30s", .min = 1000, .max = 86400000,
	    .meaning = "The time of requests. A terminal asks once in 30 s." },
	{ "ltkm", GW_CONF_ADDR, GW_CONF_AT(he_bsm, ltkm), .schemes = GW_UDP, .flags = GW_CONF_NEED,
	    .meaning = "Where LTKMs are sent from, and verified; the usual port is 4359." },
	{ "ltkm_port", GW_CONF_UINT, GW_CONF_AT(he_bsm, ltkm_port), .dflt = "4359", .min = 1, .max = 65535,
	    .meaning = "The port of the terminals to which LTKMs go." },
	{ "pushes_per_second", GW_CONF_UINT, GW_CONF_AT(he_bsm, pushes_per_second), .dflt = "1000", .min = 1, .max = 1000000,
	    .meaning = "LTKMs and pulls that are sent in a second at most." },
	{ "pull_on_purchase", GW_CONF_BOOL, GW_CONF_AT(he_bsm, pull_on_purchase), .dflt = "true",
	    .meaning = "Whether a terminal that is registered is asked to register again when something was bought, so that it learns of it." },
	{ "ext_bcast", GW_CONF_ENUM, GW_CONF_AT(he_bsm, ext_bcast), WORDS(ext_bcasts), .dflt = "none",
	    .meaning = "Management data of OMA BCAST in LTKMs: none, as plain MBMS cards want it, the least, or all." },
	{ "sek_life", GW_CONF_DURATION, GW_CONF_AT(he_bsm, sek_life_ms), .min = 2000, .max = INT64_C(315360000000),
	    .meaning = "How long a SEK is used. One has 65535 TEK IDs, one a crypto-period; the default is 30d, or as many whole hours as that allows." },
	{ "roll_window", GW_CONF_DURATION, GW_CONF_AT(he_bsm, roll_window_ms), .min = 1000, .max = INT64_C(31536000000),
	    .meaning = "The time before its end in which the next one goes to all who are registered. The default is 1h, or a tenth of sek_life if that "
	    "is less." },
	{ "roll_rate", GW_CONF_UINT, GW_CONF_AT(he_bsm, roll_rate), .dflt = "0", .max = 1000000,
	    .meaning = "LTKMs of a roll in a second; 0: evenly over its window." },
	{ "sms", GW_CONF_PATH, GW_CONF_AT(he_bsm, sms_dir), .meaning = "For labs: a directory of files, each the user data of one short message." },
	{ "smpp", GW_CONF_ADDR, GW_CONF_AT(he_bsm, smpp), .schemes = GW_TCP, .meaning = "The SMSC that short messages go to, by SMPP 3.4." },
	{ "smpp_system_id", GW_CONF_TEXT, GW_CONF_AT(he_bsm, smpp_system_id), .meaning = "The name by which it is known there, at most 15 characters." },
	{ "smpp_password", GW_CONF_PATH, GW_CONF_AT(he_bsm, smpp_password_file), .flags = GW_CONF_KEYS,
	    .meaning = "The file of its password, mode 0600; at most 8 characters." },
	{ "smpp_source", GW_CONF_TEXT, GW_CONF_AT(he_bsm, smpp_source), .meaning = "The number that short messages come from, digits." },
	{ "smpp_submit", GW_CONF_ENUM, GW_CONF_AT(he_bsm, smpp_data_sm), WORDS(submissions), .dflt = "submit_sm",
	    .meaning = "How they are handed over: in parts that fit, or with data_sm whole, for the SMSC to part." },
	{ "sms_per_second", GW_CONF_UINT, GW_CONF_AT(he_bsm, sms_per_second), .dflt = "10", .min = 1, .max = 100000,
	    .meaning = "Short messages in a second at most." },
	{ "api", GW_CONF_ADDR, GW_CONF_AT(he_bsm, api), .schemes = GW_TCP | GW_TLS,
	    .meaning = "Where web shops call: POST /api/v1/subscriptions. tcp:// only on a loopback address." },
	{ "api_token", GW_CONF_PATH, GW_CONF_AT(he_bsm, api_token_file), .flags = GW_CONF_KEYS,
	    .meaning = "The file of the bearer token that they show, mode 0600." },
};
static const struct gw_conf_row scs_rows[] = {
	{ "channel_id_min", GW_CONF_UINT, GW_CONF_AT(headend, scs.channel_id_min), .dflt = "1", .max = 65535,
	    .meaning = "The lowest ECM_channel_id given to a channel whose KMS has none of its own." },
	{ "channel_id_max", GW_CONF_UINT, GW_CONF_AT(headend, scs.channel_id_max), .dflt = "65535", .max = 65535,
	    .meaning = "The highest." },
};
static const struct gw_conf_row play_rows[] = {
	{ "file", GW_CONF_PATH, GW_CONF_AT(he_play, file), .flags = GW_CONF_NEED | GW_CONF_READABLE,
	    .meaning = "An MPEG-2 transport stream or a capture." },
	{ "to", GW_CONF_ADDR, GW_CONF_AT(he_play, to), .schemes = GW_UDP, .flags = GW_CONF_NEED, .meaning = "Where it is sent." },
	{ "type", GW_CONF_ENUM, GW_CONF_AT(he_play, type), WORDS(media_types), .dflt = "ts",
	    .meaning = "What of it: all as it is, or the h264 or aac of a transport stream, in RTP of RFC 6184 or RFC 3640." },
	{ "payload_type", GW_CONF_UINT, GW_CONF_AT(he_play, payload_type), .max = 127,
	    .meaning = "RTP payload type of h264 and aac. The default is 96 and 97; a medium with ismacryp wants another than that of what it "
	    "sends." },
	{ "rtp", GW_CONF_BOOL, GW_CONF_AT(he_play, rtp), .dflt = "true", .meaning = "Whether in RTP packets." },
	{ "loop", GW_CONF_BOOL, GW_CONF_AT(he_play, loop), .dflt = "true", .meaning = "Whether it begins again at its end." },
};

static void check_kms(struct gw_conf *, void *);
static void check_medium(struct gw_conf *, void *);
static void check_service(struct gw_conf *, void *);
static void check_ltkm(struct gw_conf *, void *);
static void check_session(struct gw_conf *, void *);
static void check_bsm(struct gw_conf *, void *);
static void check_terminal(struct gw_conf *, void *);
static void check_play(struct gw_conf *, void *);
static void check_all(struct gw_conf *, void *);

static const struct gw_conf_schema kms_schema = { ROWS(kms_rows), sizeof(struct he_kms), "KMS", NAMED(he_kms, name),
	PLACED(he_kms, at), .check = check_kms };
static const struct gw_conf_schema stkm_schema = { ROWS(stkm_rows), sizeof(struct he_stkm), "stream", PLACED(he_stkm, at) };
static const struct gw_conf_schema medium_schema = { ROWS(medium_rows), sizeof(struct raw_medium), "medium",
	NAMED(raw_medium, m.name), PLACED(raw_medium, m.at), .check = check_medium };
static const struct gw_conf_schema service_schema = { ROWS(service_rows), sizeof(struct raw_service), "service",
	NAMED(raw_service, s.id), PLACED(raw_service, s.at), .check = check_service };
static const struct gw_conf_schema ltkm_schema = { ROWS(ltkm_rows), sizeof(struct he_ltkm), "stream",
	PLACED(he_ltkm, at), .check = check_ltkm };
static const struct gw_conf_schema mux_schema = { ROWS(mux_rows), sizeof(struct headend), "mux", .check = NULL };
static const struct gw_conf_schema scs_schema = { ROWS(scs_rows), sizeof(struct headend), "synchroniser", .check = NULL };
static const struct gw_conf_schema scrambler_schema = { ROWS(scrambler_rows), sizeof(struct headend), "scrambler", .check = NULL };
static const struct gw_conf_schema session_schema = { ROWS(session_rows), sizeof(struct headend), "session", .check = check_session };
static const struct gw_conf_schema bsm_schema = { ROWS(bsm_rows), sizeof(struct he_bsm), "BSM", NAMED(he_bsm, name),
	PLACED(he_bsm, at), .check = check_bsm };
static const struct gw_conf_schema terminal_schema = { ROWS(terminal_rows), sizeof(struct he_terminal), "terminal",
	NAMED(he_terminal, name), PLACED(he_terminal, at), .check = check_terminal };
static const struct gw_conf_schema play_schema = { ROWS(play_rows), sizeof(struct he_play), "player",
	PLACED(he_play, at), .check = check_play };

static const struct gw_conf_row rows[] = {
	{ "head_end", GW_CONF_NAME, GW_CONF_AT(full, h.head_end), .dflt = "simulgate", .meaning = "The name of the head-end." },
	{ "state", GW_CONF_PATH, GW_CONF_AT(full, h.state), .dflt = "/var/lib/simulgate",
	    .meaning = "The directory of what must outlive a process: committed records and wrapped keys." },
	{ "playout", GW_CONF_PATH, GW_CONF_AT(full, h.playout), .flags = GW_CONF_SOCKETS, .dflt = "unix:///run/simulgate",
	    .meaning = "The directory of the sockets between the processes." },
	{ "kms", GW_CONF_NAMED, LIST(full, h.kms, h.nkms), .sub = &kms_schema, .meaning = "The key management systems, by name." },
	{ "services", GW_CONF_LIST, LIST(full, services, nservices), .sub = &service_schema, .meaning = "The protected services." },
	{ "ltkm", GW_CONF_LIST, LIST(full, h.ltkm, h.nltkm), .sub = &ltkm_schema, .meaning = "Streams of EMMs or long-term keys." },
	{ "scs", GW_CONF_OBJECT, offsetof(struct full, h), sizeof(struct headend), .sub = &scs_schema, .meaning = "The synchroniser." },
	{ "mux", GW_CONF_OBJECT, offsetof(struct full, h), sizeof(struct headend), .sub = &mux_schema, .meaning = "The multiplexer." },
	{ "scrambler", GW_CONF_OBJECT, offsetof(struct full, h), sizeof(struct headend), .sub = &scrambler_schema,
	    .meaning = "The scrambler." },
	{ "session", GW_CONF_OBJECT, offsetof(struct full, h), sizeof(struct headend), .sub = &session_schema,
	    .meaning = "What all session descriptions have in common." },
	{ "bsm", GW_CONF_NAMED, LIST(full, h.bsm, h.nbsm), .sub = &bsm_schema,
	    .meaning = "The subscribers' side of KMSs of the Smartcard profile, by name: registration, long-term keys, purchases." },
	{ "bridge", GW_CONF_NAMED, LIST(full, h.bridge, h.nbridge), .sub = &he_bridge_schema,
	    .meaning = "Exchanges of SP-4 and CP-3 messages in XML by HTTPS, and what of SimulCrypt they stand for, by name." },
	{ "terminals", GW_CONF_LIST, LIST(full, h.terminals, h.nterminals), .sub = &terminal_schema, .meaning = "Lab receivers." },
	{ "play", GW_CONF_LIST, LIST(full, h.play, h.nplay), .sub = &play_schema,
	    .meaning = "Media that simulgate run sends to the scrambler, for demonstrations." },
};
static const struct gw_conf_schema schema = { ROWS(rows), sizeof(struct full), "head-end", .check = check_all };

/* ---- checks: what could not be read is NULL or 0 and was said before ---- */

void
he_check_word(struct gw_conf *c, char *const *member, const char *key, const char *no)
{
	const char *bad = *member ? strpbrk(*member, no) : NULL;

	if (bad)
		gw_conf_fail(c, member, "%s: a %s has no place there", key, *bad == ' ' ? "blank" : (char[]){ *bad, '\0' });
}

static void
check_session(struct gw_conf *c, void *object)
{
	const struct headend *h = object;

	he_check_word(c, &h->session.origin, "origin", " /");
}

static void
check_play(struct gw_conf *c, void *object)
{
	struct he_play *p = object;
	static const uint8_t payload_types[] = { [HE_TS] = 33, [HE_H264] = 96, [HE_AAC] = 97 };

	if (!gw_conf_given(c, &p->payload_type))
		p->payload_type = payload_types[p->type];
	else if (p->type == HE_TS && p->payload_type != payload_types[HE_TS])
		gw_conf_fail(c, &p->payload_type, "a file as it is has no payload type of choice: 33, or the capture's");
	if (p->type != HE_TS && gw_conf_given(c, &p->rtp) && !p->rtp)
		gw_conf_fail(c, &p->rtp, "h264 and aac are sent in RTP");
}

static unsigned
cas(const struct he_kms *k)
{
	return k->super_cas_id >> 16;
}

/* A profile: which of its rows stand in the file. */
static void
note_given(struct gw_conf *c, void *object)
{
	struct he_kms *k = object;

	for (size_t i = 0; i < sizeof(profile_rows) / sizeof(profile_rows[0]); i++)
		if (profile_rows[i].type != GW_CONF_OBJECT && gw_conf_given(c, (char *)object + profile_rows[i].offset))
			k->profile_given |= UINT32_C(1) << i;
}

/* The one of the entry, or the profile's. */
static void
inherit(struct he_opt *own, const struct he_opt *profile)
{
	if (!own->set)
		*own = *profile;
}

/* What the profile says, and the entry does not. said: bits of the rows that either gives. */
static uint32_t
adopt_profile(struct gw_conf *c, struct he_kms *k)
{
	struct he_kms p = { .name = NULL };
	struct gw_err err = { 0 };
	uint32_t said = 0;

	if (k->profile && gw_conf_good(c, &k->profile) && gw_conf_load(&profile_schema, k->profile, &p, NULL, &err) < 0)
		gw_conf_fail(c, &k->profile, "%s", err.text);
	for (size_t i = 0; i < sizeof(profile_rows) / sizeof(profile_rows[0]); i++) {
		const struct gw_conf_row *r = &profile_rows[i];
		bool own = r->type != GW_CONF_OBJECT && gw_conf_given(c, (char *)k + r->offset), its = p.profile_given >> i & 1;

		said |= (uint32_t)(own || its) << i;
		if (own || !its)
			continue;
		memcpy((char *)k + r->offset, (char *)&p + r->offset, r->size);
		if (r->has)
			*(bool *)((char *)k + r->has) = true;
	}
	for (size_t i = 0; i < HE_ANNOUNCED; i++) {
		inherit(&k->manners.limits[i].min, &p.manners.limits[i].min);
		inherit(&k->manners.limits[i].max, &p.manners.limits[i].max);
		inherit(&k->manners.limits[i].replace, &p.manners.limits[i].replace);
	}
	return said;
}

static void
check_limits(struct gw_conf *c, const struct he_kms *k)
{
	for (size_t i = 0; i < HE_ANNOUNCED; i++) {
		const struct he_limit *l = &k->manners.limits[i];
		bool sign = i >= HE_DELAY_START && i <= HE_AC_DELAY_STOP;
		int64_t low = sign ? -32768 : i == HE_CW_PER_MSG || i == HE_MIN_CP_DURATION ? 1 : 0;
		int64_t high = sign ? 32767 : i <= HE_CW_PER_MSG ? 255 : 65535;
		const struct he_opt *each[] = { &l->min, &l->max, &l->replace };

		for (size_t n = 0; n < 3; n++)
			if (each[n]->set && (each[n]->v < low || each[n]->v > high))
				gw_conf_fail(c, &each[n]->v, "override: %s is from %" PRId64 " to %" PRId64, override_rows[i].key, low, high);
		if (l->min.set && l->max.set && l->min.v > l->max.v)
			gw_conf_fail(c, &l->min.v, "override: min of %s is above max", override_rows[i].key);
	}
}

static void
check_kms(struct gw_conf *c, void *object)
{
	struct he_kms *k = object;
	uint32_t said = adopt_profile(c, k);
	bool bcast = cas(k) == DRM || cas(k) == SMARTCARD;
	const struct { const void *member; const char *key; } ours[] = { { &k->keys, "keys" }, { &k->set, "set" } };

	if (!(said & 1))	/* the first two of MANNERS hang on the Super_CAS_id */
		k->protocol_version = bcast ? 5 : 3;
	if (!(said & 2))
		k->bcast_parameters = bcast;
	check_limits(c, k);
	he_check_word(c, &k->service_provider, "service_provider", " ;");
	if (k->necmg > HE_ECMGS)
		gw_conf_fail(c, &k->ecmg, "more than %d ECMGs", HE_ECMGS);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!gw_conf_given(c, &k->plugin) && gw_conf_given(c, ours[i].member))
			gw_conf_fail(c, ours[i].member, "%s is for a plugin of ours, and this KMS has none", ours[i].key);
	/* CW_provision(n) reaches from n + lead_CW back to n at most */
	if (k->CW_per_msg.set && k->lead_CW.set && k->CW_per_msg.v > k->lead_CW.v + 1)
		gw_conf_fail(c, &k->CW_per_msg.v, "CW_per_msg %" PRId64 " is more than lead_CW + 1", k->CW_per_msg.v);
}

/* config= of an fmtp is hexadecimal in H.264's and AAC's (RFC 3640, 4.1); receivers, ours too, take their headers from it. */
static void
check_config(struct gw_conf *c, const struct he_medium *m)
{
	const char *p = m->type == HE_TS || !m->fmtp ? NULL : strcasestr(m->fmtp, "config=");
	size_t digits;

	if (!p || (p > m->fmtp && p[-1] != ';' && p[-1] != ' '))
		return;
	p += strlen("config=");
	digits = strspn(p, "0123456789abcdefABCDEF");
	if (digits % 2 || (p[digits] && !strchr("; ", p[digits])))
		gw_conf_fail(c, &m->fmtp, "fmtp: config= is octets in hexadecimal");
}

static void
check_medium(struct gw_conf *c, void *object)
{
	struct raw_medium *m = object;

	if (m->m.in.scheme && m->m.out.scheme && memcmp(&m->m.in, &m->m.out, sizeof(m->m.in)) == 0)
		gw_conf_fail(c, &m->m.out, "out is the same as in: the scrambled packets would come back");
	he_check_word(c, &m->m.rtpmap, "rtpmap", " ");
	if (m->m.rtpmap && !strpbrk(m->m.rtpmap, " /"))
		gw_conf_fail(c, &m->m.rtpmap, "rtpmap: ENCODING/CLOCK is wanted, as H264/90000");
	check_config(c, &m->m);
	if (m->m.fmtp && (strcasestr(m->m.fmtp, "ISMACrypKey=") || strcasestr(m->m.fmtp, "ISMACrypSalt")))
		gw_conf_fail(c, &m->m.fmtp, "fmtp: keys and salts are in key streams, never in a session description");
	if (!m->m.rtp && gw_conf_given(c, &m->m.rtp) && m->m.type != HE_TS)
		gw_conf_fail(c, &m->m.rtp, "only a transport stream goes without RTP");
	if (m->m.in.source[0] && m->m.in.numeric && !gw_addr_multicast(&m->m.in))
		gw_conf_fail(c, &m->m.in, "source is for a multicast group: another sender cannot be told from it otherwise");
	if (m->m.rtcp && !m->m.rtp && gw_conf_given(c, &m->m.rtp))
		gw_conf_fail(c, &m->m.rtcp, "without RTP there is no RTCP");
	if (m->m.rtcp && (m->m.in.port == UINT16_MAX || m->m.out.port == UINT16_MAX))
		gw_conf_fail(c, &m->m.rtcp, "there is no port above 65535 for RTCP");
	if (m->index.set && !m->nstkm)
		gw_conf_fail(c, &m->index.v, "stream_index is for a medium with a stkm list of its own");
}

static void
check_streams(struct gw_conf *c, const struct raw_service *s, const struct he_stkm *list, size_t n, const void *at)
{
	size_t required = 0;

	for (size_t i = 0; i < n; i++) {
		const struct he_kms *k = list[i].kms;

		required += list[i].required;
		if (!k)
			continue;
		if (list[i].pek && cas(k) != SMARTCARD)
			gw_conf_fail(c, &list[i].pek, "key is for a KMS of the Smartcard profile");
		if (k->min_CP_duration.set && s->s.crypto_period_ms && s->s.crypto_period_ms < 100 * k->min_CP_duration.v)
			gw_conf_fail(c, &s->s.crypto_period_ms, "crypto_period is shorter than the min_CP_duration of KMS %s, %g s",
			    k->name, (double)k->min_CP_duration.v / 10);
	}
	if (n && !required)
		gw_conf_fail(c, at, "no stream is required: keys would change without any KMS");
}

/* Payload types: the defaults hang on type and scrambling. */
static void
check_payload_type(struct gw_conf *c, const struct raw_service *s, struct he_medium *m)
{
	static const uint8_t usual[] = { [HE_TS] = 33, [HE_H264] = 96, [HE_AAC] = 97 };
	bool isma = s->s.scrambling == HE_ISMACRYP;

	if (!gw_conf_good(c, &m->type) && gw_conf_given(c, &m->type))
		return;
	if (!gw_conf_given(c, &m->payload_type))
		m->payload_type = usual[m->type];
	if (!gw_conf_given(c, &m->in_payload_type))
		m->in_payload_type = isma && m->type != HE_TS ? (uint8_t)(usual[m->type] + 2) : m->payload_type;
	if (isma && m->type == HE_TS)
		gw_conf_fail(c, gw_conf_given(c, &m->type) ? (void *)&m->type : m, "ismacryp works on access units: this medium needs type h264 or aac");
	else if (isma && m->in_payload_type == m->payload_type)
		gw_conf_fail(c, gw_conf_given(c, &m->in_payload_type) ? &m->in_payload_type : &m->payload_type,
		    "with ismacryp payload_type and in_payload_type differ: receivers tell by them what is in clear");
	else if (!isma && m->in_payload_type != m->payload_type)
		gw_conf_fail(c, gw_conf_given(c, &m->in_payload_type) ? &m->in_payload_type : &m->payload_type,
		    "only ismacryp changes the payload type: in_payload_type is payload_type here");
}

static void
check_media(struct gw_conf *c, struct raw_service *s)
{
	bool none = s->s.scrambling == HE_NONE;
	size_t shared = 0;

	for (size_t i = 0; i < s->nmedia; i++) {
		struct raw_medium *m = &s->media[i];

		if (!m->m.rtp && gw_conf_given(c, &m->m.rtp) && m->m.type == HE_TS && (s->s.scrambling == HE_SRTP || s->s.scrambling == HE_ISMACRYP))
			gw_conf_fail(c, &m->m.rtp, "this scrambling works on RTP");
		check_payload_type(c, s, &m->m);
		if (m->m.type != HE_TS && s->s.scrambling == HE_CISSA)
			gw_conf_fail(c, &m->m.type, "dvb-cissa works on transport streams: this medium needs type ts");
		if (m->m.npids && s->s.scrambling != HE_CISSA)
			gw_conf_fail(c, &m->m.pids, "pids is for scrambling dvb-cissa: this scrambling knows no PIDs");
		if (none && m->m.out.scheme)
			gw_conf_fail(c, &m->m.out, "with scrambling none nothing is sent: this medium has no out");
		if (!none && !m->m.out.scheme && !gw_conf_given(c, &m->m.out))
			gw_conf_fail(c, m, "the medium lacks out");
		check_streams(c, s, m->stkm, m->nstkm, &m->stkm);
		shared += m->nstkm == 0;
	}
	if (shared && !s->nstkm && !none)
		gw_conf_fail(c, s, "the service has no stkm: nobody could descramble it");
	if (!shared && s->nstkm && (s->nmedia || !none))
		gw_conf_fail(c, &s->stkm, s->nmedia ? "every medium has its own stkm list: this one serves none" :
		    "the service has no media");
	else if (!s->nmedia && !none && (s->nstkm || gw_conf_given(c, &s->stkm)))
		gw_conf_fail(c, s, "the service has no media");
	/* The counter begins at 0 in each stream: one TEK and salt for two would be one key stream (scrambling spec 1.1 rule 4). */
	if (s->s.scrambling == HE_ISMACRYP && s->nmedia > 1 && shared)
		gw_conf_fail(c, &s->media, "with ismacryp each of several media has its own stkm list");
}

/* Of the family of every medium that names a numeric one. */
static void
check_source(struct gw_conf *c, const struct raw_service *s)
{
	const struct he_ipsec *i = &s->s.ipsec;
	uint8_t a[16];
	int family = !i->source ? 0 : inet_pton(AF_INET, i->source, a) == 1 ? AF_INET : inet_pton(AF_INET6, i->source, a) == 1 ? AF_INET6 : -1;

	if (family < 0)
		gw_conf_fail(c, &i->source, "source: %.64s is no numeric address", i->source);
	for (size_t k = 0; family > 0 && k < s->nmedia; k++)
		if (s->media[k].m.out.numeric && s->media[k].m.out.ss.ss_family != family)
			gw_conf_fail(c, &i->source, "source and out of medium %s are not both IPv4, or IPv6", s->media[k].m.name ? s->media[k].m.name : "");
}

static void
check_ipsec(struct gw_conf *c, struct raw_service *s)
{
	struct he_ipsec *i = &s->s.ipsec;

	if (s->s.scrambling != HE_IPSEC) {
		if (i->set)
			gw_conf_fail(c, i, "ipsec is for scrambling ipsec");
		return;
	}
	i->set = true;	/* its defaults hold */
	if (i->output == HE_ESP_PCAP && !i->file && !gw_conf_given(c, &i->file))
		gw_conf_fail(c, &i->output, "output: pcap lacks file");
	if (i->output != HE_ESP_PCAP && i->file)
		gw_conf_fail(c, &i->file, "file is for output: pcap");
	if (i->output != HE_ESP_UDP && gw_conf_given(c, &i->port) && i->port != 4500)
		gw_conf_fail(c, &i->port, "port is for output: udp");
	check_source(c, s);
}

static void
check_service(struct gw_conf *c, void *object)
{
	struct raw_service *s = object;
	bool tagged = s->s.scrambling == HE_SRTP || s->s.scrambling == HE_IPSEC;

	if (!gw_conf_good(c, &s->s.scrambling))
		return;		/* nothing else can be judged */
	if (!gw_conf_given(c, &s->s.authentication))
		s->s.authentication = tagged;
	if (s->s.authentication && (s->s.scrambling == HE_NONE || s->s.scrambling == HE_CISSA))
		gw_conf_fail(c, &s->s.authentication, "this scrambling has no authentication");
	if (s->s.rcc && s->s.scrambling != HE_SRTP)
		gw_conf_fail(c, &s->s.rcc, "rcc is for srtp");
	if (s->s.crypto_period_ms % 100)
		gw_conf_fail(c, &s->s.crypto_period_ms, "crypto_period is no whole number of tenths of a second");
	if (s->s.on_loss == HE_EXPOSE && !s->loss_confirmed)
		gw_conf_fail(c, &s->s.on_loss, "on_loss: clear has to be said twice: add on_loss_clear: true if the media of this service may be "
		    "sent in clear");
	if (s->s.on_loss != HE_EXPOSE && s->loss_confirmed)
		gw_conf_fail(c, &s->loss_confirmed, "on_loss_clear is for on_loss: clear");
	if (s->s.scrambling == HE_NONE && s->s.on_loss != HE_HOLD)
		gw_conf_fail(c, &s->s.on_loss, "with scrambling none the scrambler is not ours: it can be held only");
	if (s->s.scrambling == HE_NONE && s->s.start_clear)
		gw_conf_fail(c, &s->s.start_clear, "with scrambling none the scrambler is not ours: it cannot be told to be clear");
	if (s->s.rcc && s->s.scrambling == HE_SRTP && !s->s.authentication)
		gw_conf_fail(c, &s->s.rcc, "the roll-over counter stands in the authentication tag: rcc needs authentication");
	if (s->s.scrambling != HE_NONE && gw_conf_given(c, &s->s.cw_length))
		gw_conf_fail(c, &s->s.cw_length, "cw_length is for scrambling none");
	check_ipsec(c, s);
	he_check_word(c, &s->s.purchase_item, "purchase_item", " ");
	he_check_word(c, &s->s.purchase_data, "purchase_data", " ");
	check_streams(c, s, s->stkm, s->nstkm, &s->stkm);
	check_media(c, s);
}

static void
check_ltkm(struct gw_conf *c, void *object)
{
	struct he_ltkm *l = object;

	if (l->kms && !gw_conf_given(c, &l->client_id))
		l->client_id = l->kms->super_cas_id;
	if (!gw_conf_given(c, &l->format))
		l->format = l->client_id >> 16 == DRM || l->client_id >> 16 == SMARTCARD ? 2 : 0;
	if (!gw_conf_given(c, &l->protocol_version))
		l->protocol_version = l->format == 2 ? 5 : 3;
	else if (l->format == 2 && l->protocol_version && l->protocol_version < 3)
		gw_conf_fail(c, &l->protocol_version, "format bcast came with protocol_version 3");
	if (!gw_conf_given(c, &l->out) && !gw_conf_given(c, &l->to))
		gw_conf_fail(c, l, "the stream lacks out");
}

bool
he_ltkm_ours(const struct he_ltkm *l)
{
	return l->source || (l->kms && l->kms->plugin);
}

/* Where our EMMG goes: the file's mux, unless the stream says otherwise. */
static void
set_target(struct gw_conf *c, const struct full *f, struct he_ltkm *l)
{
	bool own = l->to.scheme != 0 || gw_conf_given(c, &l->to);

	if (!gw_conf_given(c, &l->udp))
		l->udp = l->to_udp.scheme != 0;
	if (!own)
		l->to = f->h.mux.emmg;
	if (l->udp && !own && !l->to_udp.scheme)
		l->to_udp = f->h.mux.emmg_udp;
	if (l->udp && !l->to_udp.scheme && !gw_conf_given(c, &l->to_udp))
		gw_conf_fail(c, &l->udp, own ? "with to, data by UDP needs to_udp" : "data by UDP needs emmg_udp of the mux, or to_udp");
	if (l->udp && l->protocol_version == 1)
		gw_conf_fail(c, &l->udp, "data by UDP came with protocol_version 2");
}

static bool
readable(const struct he_stkm *list, size_t n, unsigned want)
{
	for (size_t i = 0; i < n; i++)
		if (!list[i].kms || (cas(list[i].kms) == want && list[i].out.scheme))
			return true;
	return false;
}

/* What a host name may hold, or a path; as much as fits into the wire's fields. */
static void
check_host(struct gw_conf *c, char *const *member, const char *key)
{
	he_check_word(c, member, key, " @/:\"");
	if (*member && strlen(*member) > 100)
		gw_conf_fail(c, member, "%s: a name has at most 100 characters here, or LTKMs would not fit cards", key);
}

static void
check_url(struct gw_conf *c, char *const *member, const char *key)
{
	if (*member && strncmp(*member, "http://", 7) != 0 && strncmp(*member, "https://", 8) != 0)
		gw_conf_fail(c, member, "%s: a URL that begins with http:// or https:// is wanted", key);
	he_check_word(c, member, key, " ");
}

void
he_check_parts(struct gw_conf *c, const void *whole, const char *key, bool there, const struct he_part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (there && !parts[i].there && !gw_conf_given(c, parts[i].member))
			gw_conf_fail(c, whole, "%s lacks %s", key, parts[i].key);
		if (!there && parts[i].there)
			gw_conf_fail(c, parts[i].member, "%s is for %s", parts[i].key, key);
	}
}

static void
check_smpp(struct gw_conf *c, const struct he_bsm *b)
{
	const struct he_part needs[] = { { &b->smpp_system_id, "smpp_system_id", b->smpp_system_id },
		{ &b->smpp_password_file, "smpp_password", b->smpp_password_file }, { &b->smpp_source, "smpp_source", b->smpp_source } };

	he_check_parts(c, &b->smpp, "smpp", b->smpp.scheme != 0, needs, 3);
	if (b->smpp_system_id && strlen(b->smpp_system_id) > 15)
		gw_conf_fail(c, &b->smpp_system_id, "smpp_system_id: SMPP has room for 15 characters");
	if (b->smpp_source && (strlen(b->smpp_source) > 20 || b->smpp_source[strspn(b->smpp_source, "0123456789")]))
		gw_conf_fail(c, &b->smpp_source, "smpp_source: at most 20 digits are wanted");
	if (b->smpp.scheme && b->sms_dir)
		gw_conf_fail(c, &b->sms_dir, "short messages go to smpp, or into files of sms, not to both");
}

static void
check_bsm(struct gw_conf *c, void *object)
{
	struct he_bsm *b = object;
	bool tls = b->listen.scheme == GW_TLS || b->api.scheme == GW_TLS;
	const struct he_part certified[] = { { &b->certificate, "certificate", b->certificate }, { &b->private_key, "private_key", b->private_key } };
	const struct he_part token = { &b->api_token_file, "api_token", b->api_token_file };

	if (b->kms && cas(b->kms) != SMARTCARD)
		gw_conf_fail(c, &b->kms, "KMS %s is not of the Smartcard profile (Super_CAS_id 0x0002xxxx)", b->kms->name);
	if (b->kms && b->kms->keys)
		gw_conf_fail(c, &b->kms, "KMS %s takes its keys from a file: its subscribers would get others; it needs a store in place of keys",
		    b->kms->name);
	check_host(c, &b->naf, "naf");
	check_host(c, &b->bsf, "bsf");
	if (!b->bsf && b->naf && !gw_conf_given(c, &b->bsf))
		gw_conf_text(c, &b->bsf, b->naf);
	if (gw_conf_good(c, &b->listen) && (b->api.scheme || !gw_conf_given(c, &b->api)))
		he_check_parts(c, b->listen.scheme == GW_TLS ? &b->listen : &b->api, "tls://", tls, certified, 2);
	he_check_parts(c, &b->api, "api", b->api.scheme != 0, &token, gw_conf_given(c, &b->api) && !b->api.scheme ? 0 : 1);
	if (b->api.scheme == GW_TCP && !gw_addr_loopback(&b->api))
		gw_conf_fail(c, &b->api, "api by tcp:// is for a loopback address: the token would go over the network in clear");
	if (b->path && (b->path[0] != '/' || strpbrk(b->path, " ?#")))
		gw_conf_fail(c, &b->path, "path: it begins with / and has no query");
	if (gw_addr_multicast(&b->ltkm))
		gw_conf_fail(c, &b->ltkm, "ltkm is an address of this machine: LTKMs of this profile are never broadcast");
	check_smpp(c, b);
}

/* Its card or its file of keys. */
static void
check_receiver(struct gw_conf *c, const struct he_terminal *t)
{
	const struct he_part parts[] = { { &t->bsm_url, "bsm", t->bsm_url }, { &t->bsf_url, "bsf", t->bsf_url },
		{ &t->address, "address", t->address.scheme != 0 }, { &t->card_state, "card_state", t->card_state }, { &t->sms_dir, "sms", t->sms_dir },
		{ &t->stkm_poll_ms, "stkm_poll", t->stkm_poll_ms != 0 } };
	bool card = t->card || gw_conf_given(c, &t->card);

	for (size_t i = 0; !card && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].there)
			gw_conf_fail(c, parts[i].member, "%s is for a terminal with a card", parts[i].key);
	check_url(c, &t->bsm_url, "bsm");
	check_url(c, &t->bsf_url, "bsf");
	if (t->card && !t->smartcard && gw_conf_good(c, &t->smartcard))
		gw_conf_fail(c, &t->card, "card is for the Smartcard profile");
	else if (card && t->keys)
		gw_conf_fail(c, &t->keys, "with a card the keys come from its BSM: keys has no place here");
	else if (!card && !t->keys && !gw_conf_given(c, &t->keys))
		gw_conf_fail(c, t, t->smartcard ? "the terminal lacks keys, or a card" : "the terminal lacks keys");
}

static void
check_terminal(struct gw_conf *c, void *object)
{
	const struct he_terminal *t = object;
	const struct raw_service *s = (const struct raw_service *)(const void *)t->service;
	unsigned want = t->smartcard ? SMARTCARD : DRM;
	bool ok = s && (s->nstkm == 0 || readable(s->stkm, s->nstkm, want));

	check_receiver(c, t);
	if (!s || !gw_conf_good(c, &t->smartcard))
		return;
	for (size_t i = 0; i < s->nmedia; i++)
		ok = ok && (s->media[i].nstkm == 0 || readable(s->media[i].stkm, s->media[i].nstkm, want));
	if (s->s.scrambling == HE_NONE)
		gw_conf_fail(c, &t->service, "service %s sends no media to receive", s->s.id);
	else if (s->s.scrambling == HE_IPSEC && s->s.ipsec.output == HE_ESP_PCAP)
		gw_conf_fail(c, &t->service, "the ESP of service %s goes into a file, not on air", s->s.id);
	else if (!ok)
		gw_conf_fail(c, &t->service, "service %s has no key stream with an out of a KMS of the %s profile "
		    "(Super_CAS_id 0x%04xxxxx)", s->s.id, t->smartcard ? "Smartcard" : "DRM", want);
}

void
he_add_addr(struct he_keys *keys, const struct gw_addr *a)
{
	struct gw_addr plain = *a;

	if (!a->scheme)
		return;
	plain.ttl = 1;		/* one address whatever the reach */
	plain.dscp = 0;
	keys->k[keys->n].member = a;
	gw_addr_text(&plain, keys->k[keys->n++].text, sizeof(keys->k->text));
}

/* Its RTCP has an address, too. */
static void
add_rtcp(struct he_keys *keys, const struct gw_addr *a)
{
	struct gw_addr next = *a;

	if (!a->scheme)
		return;
	next.port++;
	he_add_addr(keys, &next);
	keys->k[keys->n - 1].member = a;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(((const struct gw_conf_key *)a)->text, ((const struct gw_conf_key *)b)->text);
}

/* Where ESP in UDP goes; the SPI tells services of one address apart, so it is added once, that nothing else goes there. */
static void
add_esp(struct gw_conf *c, const struct full *f, struct he_keys *outs, struct he_keys *esp)
{
	for (size_t i = 0; i < f->nservices; i++) {
		const struct raw_service *s = &f->services[i];

		if (s->s.scrambling != HE_IPSEC || s->s.ipsec.output != HE_ESP_UDP || !gw_conf_good(c, &s->s.ipsec.port))
			continue;
		for (size_t j = 0; j < s->nmedia; j++) {
			struct gw_addr a = s->media[j].m.out;

			a.port = s->s.ipsec.port;
			he_add_addr(esp, &a);
			if (a.scheme)
				esp->k[esp->n - 1].member = gw_conf_given(c, &s->s.ipsec.port) ? (const void *)&s->s.ipsec.port :
				    &s->media[j].m.out;
		}
	}
	qsort(esp->k, esp->n, sizeof(*esp->k), by_text);
	for (size_t i = 0; i < esp->n; i++)
		if (i == 0 || strcmp(esp->k[i - 1].text, esp->k[i].text) != 0)
			outs->k[outs->n++] = esp->k[i];
}

/*
 * Those with a PID, by address: they share a transport stream, where each has its PID. To the list of all outs the address is added
 * once, so that nothing else goes there.
 */
static void
check_pids(struct gw_conf *c, struct he_keys *outs)
{
	struct he_keys plain = { .k = calloc(outs->n + 1, sizeof(*plain.k)) };
	const size_t n = outs->n;

	if (!plain.k) {
		gw_conf_fail(c, outs->n ? outs->k[0].member : NULL, "out of memory");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct gw_addr a = *(const struct gw_addr *)outs->k[i].member;
		if (!a.pid)
			continue;
		a.pid = 0;
		a.ttl = 1;
		plain.k[plain.n].member = outs->k[i].member;
		gw_addr_text(&a, plain.k[plain.n++].text, sizeof(plain.k->text));
	}
	qsort(plain.k, plain.n, sizeof(*plain.k), by_text);
	for (size_t i = 0, next; i < plain.n; i = next) {
		const struct gw_addr *first = plain.k[i].member, *other = NULL;
		outs->k[outs->n++] = plain.k[i];
		for (next = i + 1; next < plain.n && strcmp(plain.k[next].text, plain.k[i].text) == 0; next++)
			if (((const struct gw_addr *)plain.k[next].member)->ttl != first->ttl)
				other = plain.k[next].member;
		if (other)
			gw_conf_fail(c, other, "%s is one transport stream: it has one ttl", plain.k[i].text);
	}
	free(plain.k);
}

/* STKMs of the DRM profile name the SEAK that opens them, and BSMs that share one may share an address. */
static bool
shares(const struct he_stkm *list, size_t i)
{
	const struct he_stkm *s = &list[i];

	for (size_t k = 0; k < i; k++)
		if (s->out.scheme == GW_UDP && s->kms && list[k].kms && s->kms->super_cas_id >> 16 == 1 && list[k].kms->super_cas_id >> 16 == 1 &&
		    memcmp(&list[k].out, &s->out, sizeof(s->out)) == 0)
			return true;
	return false;
}

static void
add_streams(const struct gw_conf *c, struct he_keys *ids, struct he_keys *outs, const struct he_stkm *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].kms && list[i].kms->name && gw_conf_good(c, &list[i].ecm_id)) {
			ids->k[ids->n].member = &list[i].ecm_id;
			snprintf(ids->k[ids->n++].text, sizeof(ids->k->text), "%u at KMS %s", list[i].ecm_id, list[i].kms->name);
		}
		if (!shares(list, i))
			he_add_addr(outs, &list[i].out);
	}
}

static size_t
things(const struct full *f)
{
	size_t n = 2 * f->h.nltkm + f->h.nterminals + f->nservices + 2 * f->h.nbsm + 1;	/* an out with a PID counts twice */

	for (size_t i = 0; i < f->nservices; i++) {
		n += 2 * f->services[i].nstkm + 3 * f->services[i].nmedia;	/* and RTCP's, and ESP's in UDP */
		for (size_t j = 0; j < f->services[i].nmedia; j++)
			n += 2 * f->services[i].media[j].nstkm;
	}
	return n;
}

static void
check_addresses(struct gw_conf *c, struct full *f, struct he_keys *ids, struct he_keys *ins, struct he_keys *outs, struct he_keys *data,
    struct he_keys *esp)
{
	for (size_t i = 0; i < f->nservices; i++) {
		struct raw_service *s = &f->services[i];

		add_streams(c, ids, outs, s->stkm, s->nstkm);
		for (size_t j = 0; j < s->nmedia; j++) {
			he_add_addr(ins, &s->media[j].m.in);
			he_add_addr(outs, &s->media[j].m.out);
			if (s->media[j].m.rtcp) {
				add_rtcp(ins, &s->media[j].m.in);
				add_rtcp(outs, &s->media[j].m.out);
			}
			add_streams(c, ids, outs, s->media[j].stkm, s->media[j].nstkm);
		}
	}
	for (size_t i = 0; i < f->h.nltkm; i++) {
		struct he_ltkm *l = &f->h.ltkm[i];
		size_t same = 0;

		while (same < i && memcmp(&f->h.ltkm[same].out, &l->out, sizeof(l->out)) != 0)
			same++;
		if (same == i)	/* long-term key streams may share an address: they name themselves */
			he_add_addr(outs, &l->out);
		if (!l->kms || !gw_conf_good(c, &l->data_id))
			continue;
		data->k[data->n].member = &l->data_id;
		snprintf(data->k[data->n++].text, sizeof(data->k->text), "0x%08" PRIx32 " %u", l->client_id, l->data_id);
	}
	for (size_t i = 0; i < f->h.nterminals; i++)
		he_add_addr(outs, &f->h.terminals[i].out);
	gw_conf_unique(c, ids->k, ids->n, "streams have ecm_id");
	gw_conf_unique(c, ins->k, ins->n, "media come in at");
	check_pids(c, outs);
	add_esp(c, f, outs, esp);
	gw_conf_unique(c, outs->k, outs->n, "things go out to");
	gw_conf_unique(c, data->k, data->n, "streams have client_id and data_id");
}

/* Every unit gets a stream index: those given first, the others the lowest free ones in the order of the file. */
enum { INDEXES = 0x8000 };

struct indexes { const void *taken[INDEXES]; size_t next; };

static void
take_index(struct gw_conf *c, struct indexes *x, const uint16_t *v, const char *id)
{
	if (*v < INDEXES && x->taken[*v])
		gw_conf_fail(c, v, "stream_index %u of service %s is taken", *v, id ? id : "");
	else if (*v < INDEXES)
		x->taken[*v] = v;
}

static void
free_index(struct gw_conf *c, struct indexes *x, bool *set, uint16_t *v)
{
	if (*set)
		return;
	while (x->next < INDEXES && x->taken[x->next])
		x->next++;
	if (x->next == INDEXES) {
		gw_conf_fail(c, v, "more than %d key sequences", INDEXES);
		return;
	}
	x->taken[x->next] = v;
	*v = (uint16_t)x->next;
	*set = true;
}

static bool
has_unit(const struct raw_service *s)
{
	for (size_t i = 0; i < s->nmedia; i++)
		if (!s->media[i].nstkm)
			return true;
	return s->nmedia == 0;
}

static void
set_indexes(struct gw_conf *c, struct full *f, struct indexes *x)
{
	for (int given = 1; given >= 0; given--)
		for (size_t i = 0; i < f->nservices; i++) {
			struct raw_service *s = &f->services[i];

			if (given && s->index.set)
				take_index(c, x, &s->index.v, s->s.id);
			else if (!given && has_unit(s))
				free_index(c, x, &s->index.set, &s->index.v);
			for (size_t j = 0; j < s->nmedia; j++)
				if (given && s->media[j].index.set)
					take_index(c, x, &s->media[j].index.v, s->s.id);
				else if (!given && s->media[j].nstkm)
					free_index(c, x, &s->media[j].index.set, &s->media[j].index.v);
		}
}

/* ---- defaults that hang on other parts of the file ---- */

static const struct he_bsm *
bsm_of(const struct full *f, const struct he_kms *k)
{
	for (size_t i = 0; i < f->h.nbsm; i++)
		if (k && f->h.bsm[i].kms == k)
			return &f->h.bsm[i];
	return NULL;
}

/* The plugin smartcard without a file of keys, which `set` may name, too. */
static bool
wants_store(const struct he_kms *k)
{
	return k->plugin && strcmp(k->plugin, "smartcard") == 0 && !k->keys && (!k->set || (strncmp(k->set, "keys=", 5) != 0 && !strstr(k->set, "\nkeys=")));
}

static void
set_store(struct gw_conf *c, const struct full *f, struct he_kms *k)
{
	bool served = bsm_of(f, k) != NULL;
	char path[PATH_MAX];
	bool synchronised = k->plugin && strcmp(k->plugin, "drm") == 0;	/* its file says which services have more SEAKs in the store */

	if (k->store && k->keys && !served && !synchronised)
		gw_conf_fail(c, &k->store, "keys come from a file or from a store, not from both");
	else if (k->store && !served && !k->plugin && !gw_conf_given(c, &k->plugin))
		gw_conf_fail(c, &k->store, "store is for a plugin of ours or a BSM, and this KMS has neither");
	if (!k->store && !gw_conf_given(c, &k->store) && !gw_conf_given(c, &k->keys) && (served || wants_store(k)) && f->h.state && k->name) {
		snprintf(path, sizeof(path), "%s/kms-%s.db", f->h.state, k->name);
		gw_conf_text(c, &k->store, path);
	}
	if (k->master && !k->store)
		gw_conf_fail(c, &k->master, "master is for a store, and this KMS has none");
}

/* The MBMS User Service ID, by which subscribers name it, is one service's. */
static void
set_purchase(struct gw_conf *c, struct full *f, struct he_keys *ids)
{
	char item[256];

	for (size_t i = 0; i < f->nservices; i++) {
		struct he_service *s = &f->services[i].s;

		if (!s->purchase_item && !gw_conf_given(c, &s->purchase_item) && s->id && f->h.head_end) {
			snprintf(item, sizeof(item), "urn:simulgate:%s:%s", f->h.head_end, s->id);
			gw_conf_text(c, &s->purchase_item, item);
		}
		if (!s->purchase_item)
			continue;
		if (strlen(s->purchase_item) + strlen(s->purchase_data ? s->purchase_data : "") > 200)
			gw_conf_fail(c, &s->purchase_item, "purchase_item and purchase_data have at most 200 characters together");
		ids->k[ids->n].member = gw_conf_given(c, &s->purchase_item) ? &s->purchase_item : gw_conf_given(c, &s->purchase_data) ?
		    &s->purchase_data : (const void *)&s->id;
		snprintf(ids->k[ids->n++].text, sizeof(ids->k->text), "%.200s%.150s", s->purchase_item, s->purchase_data ? s->purchase_data : "");
	}
	gw_conf_unique(c, ids->k, ids->n, "services are sold as");
	ids->n = 0;
}

static void
shortest(const struct he_stkm *list, size_t n, const struct he_kms *k, const struct he_service *s, const struct he_service **found)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].kms == k && s->crypto_period_ms && (!*found || s->crypto_period_ms < (*found)->crypto_period_ms))
			*found = s;
}

/* A SEK has one TEK ID for each crypto-period, and 65535 of them (2.5). */
static void
set_life(struct gw_conf *c, const struct full *f, struct he_bsm *b)
{
	const uint64_t day = 86400000, hour = 3600000, teks = 65535;
	const struct he_service *s = NULL;
	uint64_t most;

	for (size_t i = 0; i < f->nservices; i++) {
		shortest(f->services[i].stkm, f->services[i].nstkm, b->kms, &f->services[i].s, &s);
		for (size_t j = 0; j < f->services[i].nmedia; j++)
			shortest(f->services[i].media[j].stkm, f->services[i].media[j].nstkm, b->kms, &f->services[i].s, &s);
	}
	most = s ? teks * s->crypto_period_ms : UINT64_MAX;
	if (!gw_conf_given(c, &b->sek_life_ms))
		b->sek_life_ms = most < 30 * day ? most / hour * hour : 30 * day;
	else if (b->sek_life_ms > most)
		gw_conf_fail(c, &b->sek_life_ms, "sek_life is longer than the 65535 TEK IDs of a SEK last service %s, %" PRIu64 " h: one is spent each %g s",
		    s->id ? s->id : "", most / hour, s->crypto_period_ms / 1000.0);
	if (!gw_conf_given(c, &b->roll_window_ms))
		b->roll_window_ms = b->sek_life_ms / 10 < hour ? (b->sek_life_ms / 10000 ? b->sek_life_ms / 10000 * 1000 : 1000) : hour;
	else if (b->sek_life_ms && b->roll_window_ms >= b->sek_life_ms)
		gw_conf_fail(c, &b->roll_window_ms, "roll_window is as long as sek_life: SEKs would be rolled all the time");
}

static void
set_bsms(struct gw_conf *c, struct full *f, struct he_keys *names, struct he_keys *listeners)
{
	for (size_t i = 0; i < f->h.nbsm; i++) {
		struct he_bsm *b = &f->h.bsm[i];

		set_life(c, f, b);
		he_add_addr(listeners, &b->listen);
		he_add_addr(listeners, &b->api);
		if (!b->kms || !b->kms->name)
			continue;
		names->k[names->n].member = &b->kms;
		snprintf(names->k[names->n++].text, sizeof(names->k->text), "%s", b->kms->name);
	}
	for (size_t i = 0; i < listeners->n; i++)	/* tcp and tls are one port */
		memmove(listeners->k[i].text, listeners->k[i].text + strlen("tcp://"), sizeof(listeners->k->text) - strlen("tcp://"));
	gw_conf_unique(c, names->k, names->n, "BSMs serve KMS");
	gw_conf_unique(c, listeners->k, listeners->n, "BSM ports are at");
	names->n = listeners->n = 0;
}

static const struct he_bsm *
bsm_in(const struct full *f, const struct he_stkm *list, size_t n)
{
	const struct he_bsm *b = NULL;

	for (size_t i = 0; !b && i < n; i++)
		b = bsm_of(f, list[i].kms);
	return b;
}

/* The BSM that sells what a terminal receives; NULL: none of this file. */
static const struct he_bsm *
bsm_for(const struct full *f, const struct raw_service *s)
{
	const struct he_bsm *b = bsm_in(f, s->stkm, s->nstkm);

	for (size_t i = 0; !b && i < s->nmedia; i++)
		b = bsm_in(f, s->media[i].stkm, s->media[i].nstkm);
	return b;
}

static void
url_of(const struct he_bsm *b, const char *path, char *out, size_t cap)
{
	struct gw_addr at = b->listen;
	bool any = at.numeric && (strcmp(at.host, "0.0.0.0") == 0 || strcmp(at.host, "::") == 0);
	bool six = !any && strchr(at.host, ':');

	snprintf(out, cap, "%s://%s%s%s:%u%s", at.scheme == GW_TLS ? "https" : "http", six ? "[" : "", any ? "127.0.0.1" : at.host, six ? "]" : "",
	    at.port, path);
}

static void
set_terminal(struct gw_conf *c, const struct full *f, struct he_terminal *t)
{
	const struct raw_service *s = (const struct raw_service *)(const void *)t->service;
	const struct he_bsm *b = s ? bsm_for(f, s) : NULL;
	char text[PATH_MAX];

	if (!t->card)
		return;
	if (!t->bsm_url && !gw_conf_given(c, &t->bsm_url)) {
		if (s && !b)
			gw_conf_fail(c, &t->card, "no BSM of this file serves a KMS of service %s: where it registers has to be said with bsm", s->s.id ? s->s.id : "");
		if (b && b->listen.scheme && b->path) {
			url_of(b, b->path, text, sizeof(text));
			gw_conf_text(c, &t->bsm_url, text);
		}
	}
	if (!t->bsf_url && !gw_conf_given(c, &t->bsf_url) && t->bsm_url) {
		const char *host = strstr(t->bsm_url, "://");
		size_t n = host ? (size_t)(host - t->bsm_url) + 3 + strcspn(host + 3, "/") : 0;

		snprintf(text, sizeof(text), "%.*s/", (int)n, t->bsm_url);
		gw_conf_text(c, &t->bsf_url, text);
	}
	if (!t->address.scheme && !gw_conf_given(c, &t->address)) {
		snprintf(text, sizeof(text), "udp://0.0.0.0:%u", b && b->ltkm_port ? b->ltkm_port : 4359);
		gw_addr_parse(text, GW_UDP, &t->address, NULL);
	}
	if (!t->card_state && !gw_conf_given(c, &t->card_state) && f->h.state && t->name) {
		snprintf(text, sizeof(text), "%s/terminal-%s.card", f->h.state, t->name);
		gw_conf_text(c, &t->card_state, text);
	}
}

static bool
bridged(const struct full *f, const struct he_kms *k)
{
	for (size_t i = 0; i < f->h.nbridge; i++)
		for (size_t e = 0; e < f->h.bridge[i].necmg; e++)
			if (f->h.bridge[i].ecmg[e].kms == k)
				return true;
	return false;
}

/* Only who announces channel_status can announce something else. */
static void
check_announced(struct gw_conf *c, const struct full *f, const struct he_kms *k)
{
	const struct { const void *member; const char *key; } ours[] = { { &k->lead_CW.v, "lead_CW" }, { &k->CW_per_msg.v, "CW_per_msg" },
		{ &k->delay_start.v, "delay_start" }, { &k->delay_stop.v, "delay_stop" }, { &k->ECM_rep_period.v, "ECM_rep_period" },
		{ &k->max_comp_time.v, "max_comp_time" }, { &k->min_CP_duration.v, "min_CP_duration" }, { &k->max_streams.v, "max_streams" } };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]) && !gw_conf_given(c, &k->plugin) && !bridged(f, k); i++)
		if (gw_conf_given(c, ours[i].member))
			gw_conf_fail(c, ours[i].member, "%s is for a plugin of ours or a bridge, and this KMS has neither", ours[i].key);
}

static void
check_all(struct gw_conf *c, void *object)
{
	struct full *f = object;
	size_t n = things(f);
	struct he_keys keys[5] = { { NULL, 0 } };
	struct indexes *x = calloc(1, sizeof(*x));
	bool memory = x != NULL;

	for (size_t i = 0; i < 5; i++)
		memory = (keys[i].k = calloc(n, sizeof(*keys[i].k))) != NULL && memory;
	if (f->h.scs.channel_id_min > f->h.scs.channel_id_max)
		gw_conf_fail(c, &f->h.scs.channel_id_min, "channel_id_min is above channel_id_max");
	if (memory) {
		for (size_t i = 0; i < f->h.nltkm; i++)
			set_target(c, f, &f->h.ltkm[i]);
		set_purchase(c, f, &keys[0]);
		set_bsms(c, f, &keys[0], &keys[1]);
		he_bridge_check_all(c, f);
		for (size_t i = 0; i < f->h.nkms; i++) {
			check_announced(c, f, &f->h.kms[i]);
			set_store(c, f, &f->h.kms[i]);
		}
		for (size_t i = 0; i < f->h.nterminals; i++)
			set_terminal(c, f, &f->h.terminals[i]);
		check_addresses(c, f, &keys[0], &keys[1], &keys[2], &keys[3], &keys[4]);
		set_indexes(c, f, x);
	} else {
		gw_conf_fail(c, f, "out of memory");
	}
	for (size_t i = 0; i < 5; i++)
		free(keys[i].k);
	free(x);
}

/* ---- the head-end that programs see ---- */

/* A protected unit with the media at which own is false, or the one medium. */
static int
make_unit(struct he_unit *u, const struct he_service *s, const struct raw_service *raw, size_t from, size_t upto, bool own)
{
	const struct raw_medium *m = own ? &raw->media[from] : NULL;
	size_t len = strlen(s->id) + (m ? strlen(m->m.name) + 1 : 0) + 1;

	*u = (struct he_unit){ .id = malloc(len), .service = s, .media = calloc(upto - from + 1, sizeof(*u->media)),
		.stkm = m ? m->stkm : raw->stkm, .nstkm = m ? m->nstkm : raw->nstkm, .index = m ? m->index.v : raw->index.v };
	if (!u->id || !u->media)
		return -1;
	snprintf(u->id, len, "%s%s%s", s->id, m ? "/" : "", m ? m->m.name : "");
	for (size_t i = from; i < upto; i++)
		if ((raw->media[i].nstkm > 0) == own)
			u->media[u->nmedia++] = &s->media[i];
	return 0;
}

static int
make_service(struct he_service *s, const struct raw_service *raw)
{
	static char nothing[1];

	*s = raw->s;
	s->purchase_data = s->purchase_data ? s->purchase_data : nothing;
	s->media = calloc(raw->nmedia + 1, sizeof(*s->media));
	s->units = calloc(raw->nmedia + 1, sizeof(*s->units));
	if (!s->media || !s->units)
		return -1;
	for (size_t i = 0; i < raw->nmedia; i++)
		s->media[s->nmedia++] = raw->media[i].m;
	if (has_unit(raw) && make_unit(&s->units[s->nunits++], s, raw, 0, raw->nmedia, false) < 0)
		return -1;
	for (size_t i = 0; i < raw->nmedia; i++)
		if (raw->media[i].nstkm && make_unit(&s->units[s->nunits++], s, raw, i, i + 1, true) < 0)
			return -1;
	return 0;
}

static int
make_services(struct full *f)
{
	struct headend *h = &f->h;

	h->services = calloc(f->nservices + 1, sizeof(*h->services));
	if (!h->services)
		return -1;
	for (size_t i = 0; i < f->nservices; i++)
		if (make_service(&h->services[h->nservices++], &f->services[i]) < 0)
			return -1;
	for (size_t i = 0; i < h->nterminals; i++)
		h->terminals[i].service = &h->services[(const struct raw_service *)(const void *)h->terminals[i].service -
		    f->services];
	he_bridge_services(f);
	return 0;
}

/* text NULL: the file at path. */
static struct headend *
load(const char *path, char *text, size_t len, const struct gw_conf_listener *listener, struct gw_err *err)
{
	struct full *f = calloc(1, sizeof(*f));
	char *file = strdup(path);

	if (!f || !file) {
		gw_fail(err, GW_ESYS, "%s: out of memory", path);
	} else if ((text ? gw_conf_load_text(&schema, path, text, len, f, listener, err) :
	    gw_conf_load(&schema, path, f, listener, err)) == 0) {
		f->h.file = file;
		if (make_services(f) == 0)
			return &f->h;
		gw_fail(err, GW_ESYS, "%s: out of memory", path);
		headend_free(&f->h);
		return NULL;
	}
	free(f);
	free(file);
	return NULL;
}

struct headend *
headend_load_all(const char *path, void (*say)(void *self, const char *line), void *self, struct gw_err *err)
{
	return load(path, NULL, 0, say ? &(struct gw_conf_listener){ say, self } : NULL, err);
}

struct headend *
headend_load_text(const char *path, char *text, size_t len, struct gw_err *err)
{
	return load(path, text, len, NULL, err);
}

struct headend *
headend_load(const char *path, struct gw_err *err)
{
	return load(path ? path : HEADEND_FILE, NULL, 0, NULL, err);
}

void
headend_free(struct headend *h)
{
	struct full *f = (struct full *)(void *)h;

	if (!h)
		return;
	for (size_t i = 0; i < h->nservices; i++) {
		for (size_t j = 0; j < h->services[i].nunits; j++) {
			free(h->services[i].units[j].id);
			free(h->services[i].units[j].media);
		}
		free(h->services[i].units);
		free(h->services[i].media);
	}
	free(h->services);
	free(h->file);
	gw_conf_free(&schema, f);	/* texts and lists, which the copies above shared */
	free(f);
}

const struct he_kms *
headend_kms(const struct headend *h, const char *name)
{
	for (size_t i = 0; i < h->nkms; i++)
		if (strcmp(h->kms[i].name, name) == 0)
			return &h->kms[i];
	return NULL;
}

static bool
same_opt(const struct he_opt *a, const struct he_opt *b)
{
	return a->set == b->set && (!a->set || a->v == b->v);
}

bool
he_same_manners(const struct he_manners *a, const struct he_manners *b)
{
	for (size_t i = 0; i < HE_ANNOUNCED; i++)
		if (!same_opt(&a->limits[i].min, &b->limits[i].min) || !same_opt(&a->limits[i].max, &b->limits[i].max) ||
		    !same_opt(&a->limits[i].replace, &b->limits[i].replace))
			return false;
	return a->omit_ECM_id == b->omit_ECM_id && a->refuse_empty_ECM == b->refuse_empty_ECM &&
	    a->CP_duration_always == b->CP_duration_always && a->criteria_always == b->criteria_always &&
	    a->stream_ids == b->stream_ids && a->channel_id.set == b->channel_id.set && a->channel_id.v == b->channel_id.v;
}

const struct he_service *
headend_service(const struct headend *h, const char *id)
{
	for (size_t i = 0; i < h->nservices; i++)
		if (strcmp(h->services[i].id, id) == 0)
			return &h->services[i];
	return NULL;
}

const struct he_unit *
headend_unit(const struct headend *h, const char *id)
{
	for (size_t i = 0; i < h->nservices; i++)
		for (size_t j = 0; j < h->services[i].nunits; j++)
			if (strcmp(h->services[i].units[j].id, id) == 0)
				return &h->services[i].units[j];
	return NULL;
}

void
headend_write(const struct headend *h, FILE *out)
{
	gw_conf_print(&schema, h, out);	/* the first member of struct full */
}

void
headend_print(const struct headend *h)
{
	headend_write(h, stdout);
}

int
headend_check(const char *path, struct gw_err *err)
{
	struct headend *h = headend_load(path, err);

	if (!h)
		return gw_die(err);
	headend_print(h);
	headend_free(h);
	return 0;
}

void
headend_print_mdoc(void)
{
	gw_conf_print_mdoc(&schema, stdout);
}

size_t
he_key_id(enum he_scrambling scrambling, uint16_t stream_index, uint16_t cp, uint8_t out[8])
{
	/* TS: parity is in the packets' headers, and is no identifier to be sent */
	return scrambling == HE_CISSA ? 0 : stkm_key_id((uint8_t)scrambling, stream_index, cp, out);
}
