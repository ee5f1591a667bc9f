/* proto/ecmg_scs.c: ECMG <=> SCS, TS 103 197 clause 5 */
#include "proto/ecmg_scs.h"
#include "proto/bcast_status.h"

static const struct sim_param params[] = {
	{ ECMG_SUPER_CAS_ID,        "Super_CAS_id",                 SIM_HEX,   4, 4, NULL,      0 },
	{ ECMG_SECTION_TSPKT,       "section_TSpkt_flag",           SIM_UINT,  1, 1, NULL,      0 },
	{ ECMG_DELAY_START,         "delay_start",                  SIM_INT,   2, 2, "ms",      0 },
	{ ECMG_DELAY_STOP,          "delay_stop",                   SIM_INT,   2, 2, "ms",      0 },
	{ ECMG_TRANS_START,         "transition_delay_start",       SIM_INT,   2, 2, "ms",      0 },
	{ ECMG_TRANS_STOP,          "transition_delay_stop",        SIM_INT,   2, 2, "ms",      0 },
	{ ECMG_REP_PERIOD,          "ECM_rep_period",               SIM_UINT,  2, 2, "ms",      0 },
	{ ECMG_MAX_STREAMS,         "max_streams",                  SIM_UINT,  2, 2, NULL,      0 },
	{ ECMG_MIN_CP_DURATION,     "min_CP_duration",              SIM_UINT,  2, 2, "x100 ms", 0 },
	{ ECMG_LEAD_CW,             "lead_CW",                      SIM_UINT,  1, 1, NULL,      0 },
	{ ECMG_CW_PER_MSG,          "CW_per_msg",                   SIM_UINT,  1, 1, NULL,      0 },
	{ ECMG_MAX_COMP_TIME,       "max_comp_time",                SIM_UINT,  2, 2, "ms",      0 },
	{ ECMG_ACCESS_CRITERIA,     "access_criteria",              SIM_BYTES, 0, UINT16_MAX, NULL, 0 },
	{ ECMG_CHANNEL_ID,          "ECM_channel_id",               SIM_UINT,  2, 2, NULL,      0 },
	{ ECMG_STREAM_ID,           "ECM_stream_id",                SIM_UINT,  2, 2, NULL,      0 },
	{ ECMG_NOMINAL_CP_DURATION, "nominal_CP_duration",          SIM_UINT,  2, 2, "x100 ms", 0 },
	{ ECMG_AC_TRANSFER_MODE,    "access_criteria_transfer_mode", SIM_UINT, 1, 1, NULL,      0 },
	{ ECMG_CP_NUMBER,           "CP_number",                    SIM_UINT,  2, 2, NULL,      0 },
	{ ECMG_CP_DURATION,         "CP_duration",                  SIM_UINT,  2, 2, "x100 ms", 0 },
	{ ECMG_CP_CW,               "CP_CW_combination",            SIM_BYTES, 3, UINT16_MAX, NULL, SIM_SECRET | SIM_CP },
	{ ECMG_ECM_DATAGRAM,        "ECM_datagram",                 SIM_BYTES, 0, UINT16_MAX, NULL, 0 },
	{ ECMG_AC_DELAY_START,      "AC_delay_start",               SIM_INT,   2, 2, "ms",      0 },
	{ ECMG_AC_DELAY_STOP,       "AC_delay_stop",                SIM_INT,   2, 2, "ms",      0 },
	{ ECMG_CW_ENCRYPTION,       "CW_encryption",                SIM_BYTES, 0, UINT16_MAX, NULL, 0 },
	{ ECMG_ECM_ID,              "ECM_id",                       SIM_UINT,  2, 2, NULL,      0 },
	{ ECMG_ERROR_STATUS,        "error_status",                 SIM_HEX,   2, 2, NULL,      0 },
	{ ECMG_ERROR_INFORMATION,   "error_information",            SIM_TEXT,  0, UINT16_MAX, NULL, 0 },
	/* OMA BCAST, user-defined: what the key of CP_CW_combination is for */
	{ ECMG_TRAFFIC_PROTECTION,  "traffic_protection",           SIM_HEX,   2, 2, NULL,      0 },
	{ ECMG_KEY_IDENTIFIER,      "key_identifier",               SIM_BYTES, 3, 10, NULL,     SIM_CP },
};

/*
 * ECM_id came with version 2. Some peers never send it (biTStream calls it optional); a lenient receiver takes ECM_stream_id for it.
 * section_TSpkt_flag 2 belongs to version 5; BCAST peers use it with 3, too, but 1 and 2 know a boolean only.
 * A version 1 CW is that of DVB-CSA: 8 octets.
 */
#define CHANNEL ONE(ECMG_CHANNEL_ID)
#define STREAM ONE(ECMG_CHANNEL_ID), ONE(ECMG_STREAM_ID)
#define ECM_ID { ECMG_ECM_ID, 1, 1, 2, 0, 1, 0, 0 }
#define TSPKT { ECMG_SECTION_TSPKT, 1, 1, 1, 2, 0, 0, 1 }, { ECMG_SECTION_TSPKT, 1, 1, 3, 0, 0, 0, 2 }
#define CP_CW { ECMG_CP_CW, 1, SIM_ANY, 1, 1, 0, 2 + 8, 0 }, { ECMG_CP_CW, 1, SIM_ANY, 2, 0, 0, 0, 0 }
#define CW_ENCRYPTION { ECMG_CW_ENCRYPTION, 0, 1, 2, 0, 0, 0, 0 }

static const struct sim_message messages[] = {
	{ ECMG_CHANNEL_SETUP,         "channel_setup",         USES(CHANNEL, ONE(ECMG_SUPER_CAS_ID)) },
	{ ECMG_CHANNEL_TEST,          "channel_test",          USES(CHANNEL) },
	{ ECMG_CHANNEL_STATUS,        "channel_status",        USES(CHANNEL, TSPKT,
		OPT(ECMG_AC_DELAY_START), OPT(ECMG_AC_DELAY_STOP), ONE(ECMG_DELAY_START), ONE(ECMG_DELAY_STOP),
		OPT(ECMG_TRANS_START), OPT(ECMG_TRANS_STOP), ONE(ECMG_REP_PERIOD), ONE(ECMG_MAX_STREAMS),
		ONE(ECMG_MIN_CP_DURATION), ONE(ECMG_LEAD_CW), ONE(ECMG_CW_PER_MSG), ONE(ECMG_MAX_COMP_TIME)) },
	{ ECMG_CHANNEL_CLOSE,         "channel_close",         USES(CHANNEL) },
	{ ECMG_CHANNEL_ERROR,         "channel_error",         USES(CHANNEL, SOME(ECMG_ERROR_STATUS), MANY(ECMG_ERROR_INFORMATION)) },
	{ ECMG_STREAM_SETUP,          "stream_setup",          USES(STREAM, ECM_ID, ONE(ECMG_NOMINAL_CP_DURATION)) },
	{ ECMG_STREAM_TEST,           "stream_test",           USES(STREAM) },
	{ ECMG_STREAM_STATUS,         "stream_status",         USES(STREAM, ECM_ID, ONE(ECMG_AC_TRANSFER_MODE)) },
	{ ECMG_STREAM_CLOSE_REQUEST,  "stream_close_request",  USES(STREAM) },
	{ ECMG_STREAM_CLOSE_RESPONSE, "stream_close_response", USES(STREAM) },
	{ ECMG_STREAM_ERROR,          "stream_error",          USES(STREAM, SOME(ECMG_ERROR_STATUS), MANY(ECMG_ERROR_INFORMATION)) },
	{ ECMG_CW_PROVISION,          "CW_provision",          USES(STREAM, ONE(ECMG_CP_NUMBER), CW_ENCRYPTION, CP_CW,
		OPT(ECMG_CP_DURATION), OPT(ECMG_ACCESS_CRITERIA), OPT(ECMG_TRAFFIC_PROTECTION), MANY(ECMG_KEY_IDENTIFIER)) },
	{ ECMG_ECM_RESPONSE,          "ECM_response",          USES(STREAM, ONE(ECMG_CP_NUMBER), ONE(ECMG_ECM_DATAGRAM)) },
};

static const struct sim_error errors[] = {
	{ SIM_MALFORMED, ECMG_E_INVALID_MESSAGE }, { SIM_VERSION,    ECMG_E_VERSION }, { SIM_NO_MESSAGE, ECMG_E_MESSAGE_TYPE },
	{ SIM_TOO_LONG,  ECMG_E_TOO_LONG },        { SIM_NO_PARAM,   ECMG_E_PARAMETER_TYPE }, { SIM_BAD_LENGTH, ECMG_E_LENGTH },
	{ SIM_MISSING,   ECMG_E_MISSING },         { SIM_BAD_VALUE,  ECMG_E_VALUE },   { SIM_REPEATED,   ECMG_E_INVALID_MESSAGE },
};

static const struct sim_status statuses[] = {
	{ ECMG_E_INVALID_MESSAGE, "invalid message", "the message's parameters do not fill it exactly, one that may stand once stands twice, or the message travels in the wrong direction",
	    "look at both peers' logs for the parameter and offset; capture the connection: tshark decodes it as simulcrypt" },
	{ ECMG_E_VERSION, "unsupported protocol version", "the receiver does not speak the protocol_version of the message, or it changed within a connection",
	    "set protocol_version of this KMS to one that the ECMG supports (1 to 5; most equipment speaks 2 or 3, BCAST 5)" },
	{ ECMG_E_MESSAGE_TYPE, "unknown message_type value", "the receiver does not know the message and does not ignore unknown ones as clause 4.4.1 asks",
	    "find out which message the peer lacks; a strict peer of ours can be told to be lenient" },
	{ ECMG_E_TOO_LONG, "message too long", "the message is longer than the receiver can take",
	    "use fewer CWs per message or shorter access_criteria" },
	{ ECMG_E_SUPER_CAS_ID, "unknown Super_CAS_id value", "the ECMG does not serve this Super_CAS_id",
	    "compare super_cas_id of the KMS in the configuration with the ECMG's; check that the address is that KMS's" },
	{ ECMG_E_CHANNEL_ID, "unknown ECM_channel_id value", "the message names another channel than the one open on this connection, or none is open",
	    "usually a peer that lost its state: it reconnects by itself; if it does not, restart the SCS's side of the channel" },
	{ ECMG_E_STREAM_ID, "unknown ECM_stream_id value", "the stream is not open on this channel",
	    "the SCS sets it up again by itself; if it repeats, two SCSs may be using one connection's identifiers" },
	{ ECMG_E_TOO_MANY_CHANNELS, "too many channels on this ECMG", "the ECMG has no room for another channel",
	    "add an ECMG to the KMS's address list, or close channels of other head-ends" },
	{ ECMG_E_TOO_MANY_STREAMS_CHANNEL, "too many ECM streams on this channel", "max_streams of the channel is used up",
	    "spread the services over more channels or raise max_streams at the KMS" },
	{ ECMG_E_TOO_MANY_STREAMS_ECMG, "too many ECM streams on this ECMG", "the ECMG has no room for another stream",
	    "add an ECMG to the KMS's address list" },
	{ ECMG_E_NOT_ENOUGH_CW, "not enough control words to compute ECM", "the CW_provision does not hold the crypto-periods that lead_CW and CW_per_msg ask for",
	    "harmless once after a start; otherwise compare lead_CW and CW_per_msg of channel_status with what the SCS sends" },
	{ ECMG_E_STORAGE, "ECMG out of storage capacity", "the ECMG ran out of memory or disk", "look at the KMS's host; switch to another ECMG meanwhile" },
	{ ECMG_E_COMPUTATION, "ECMG out of computational resources", "the ECMG or its HSM cannot keep up",
	    "lengthen the crypto-period, spread the services over more ECMGs, look at the KMS's load" },
	{ ECMG_E_PARAMETER_TYPE, "unknown parameter_type value", "the receiver does not know a parameter and does not ignore unknown ones as clause 4.4.1 asks",
	    "set bcast_parameters: false for this KMS if it is none of OMA BCAST's" },
	{ ECMG_E_LENGTH, "inconsistent length for DVB parameter", "a parameter has a length that the standard does not allow",
	    "look at error_information or the log for the parameter; a 16-octet CW needs protocol_version 2 or later" },
	{ ECMG_E_MISSING, "missing mandatory DVB parameter", "a parameter that the message must carry is not there",
	    "look at error_information or the log for the parameter; ECM_id is mandatory from protocol_version 2 on" },
	{ ECMG_E_VALUE, "invalid value for DVB parameter", "a value is outside what the receiver accepts, such as a nominal_CP_duration below min_CP_duration",
	    "compare crypto_period with the KMS's min_CP_duration; look at the log for the parameter" },
	{ ECMG_E_ECM_ID, "unknown ECM_id value", "the KMS does not know an ECM stream of this number", "compare ecm_id of the service with the streams set up at the KMS" },
	{ ECMG_E_CHANNEL_ID_IN_USE, "ECM_channel_id value already in use", "another connection holds this channel identifier",
	    "a stale connection ends by itself within seconds; if not, two SCSs use the same number at an ECMG that wants it unique" },
	{ ECMG_E_STREAM_ID_IN_USE, "ECM_stream_id value already in use", "the stream is open on this channel already",
	    "the SCS forgot a stream; reconnecting the channel clears it" },
	{ ECMG_E_ECM_ID_IN_USE, "ECM_id value already in use", "another stream serves this ECM_id",
	    "give every service its own ecm_id at this KMS; stop the other head-end if it should not run" },
	{ ECMG_E_UNKNOWN, "unknown error", "the peer failed for a reason it does not say", "look at the peer's log and at error_information" },
	{ ECMG_E_UNRECOVERABLE, "unrecoverable error", "the peer cannot go on; the channel or the stream has to be closed",
	    "the SCS closes and sets up again by itself; look at the KMS if it repeats" },
	BCAST_STATUSES(ECMG_E_BCAST)
};

const struct sim_iface ecmg_scs = { "ECMG<=>SCS", 1, 5, TABLE(params), TABLE(messages), TABLE(errors), TABLE(statuses), NULL, 0 };
