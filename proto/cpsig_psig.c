/* proto/cpsig_psig.c: C(P)SIG <=> (P)SIG, TS 103 197 clause 8 */
#include "proto/cpsig_psig.h"

/* Table 36. Which message carries which is not known here, nor how often: any may stand in all. 0x0109 and 0x010a are reserved. */
#define PARAMS(X) /* type, name, kind, least and most octets, unit */ \
	X(0x000d, "access_criteria",              SIM_BYTES, 0, UINT16_MAX, NULL) \
	X(0x0100, "bouquet_id",                   SIM_UINT,  2, 2, NULL) \
	X(0x0101, "CA_descriptor_insertion_mode", SIM_UINT,  1, 1, NULL) \
	X(0x0102, "custom_CAS_id",                SIM_HEX,   4, 4, NULL) \
	X(0x0103, "custom_channel_id",            SIM_UINT,  2, 2, NULL) \
	X(0x0104, "custom_stream_id",             SIM_UINT,  2, 2, NULL) \
	X(0x0105, "descriptor",                   SIM_BYTES, 0, UINT16_MAX, NULL) \
	X(0x0106, "descriptor_insert_status",     SIM_UINT,  1, 1, NULL) \
	X(0x0107, "duration",                     SIM_HEX,   3, 3, NULL) \
	X(0x0108, "ECM_related_data",             SIM_BYTES, 0, UINT16_MAX, NULL) \
	X(0x010b, "ES_id",                        SIM_UINT,  2, 2, NULL) \
	X(0x010c, "event_id",                     SIM_UINT,  2, 2, NULL) \
	X(0x010d, "event_related_data",           SIM_BYTES, 0, UINT16_MAX, NULL) \
	X(0x010e, "flow_id",                      SIM_UINT,  2, 2, NULL) \
	X(0x010f, "flow_PID",                     SIM_UINT,  2, 2, NULL) \
	X(0x0110, "flow_PID_change_related_data", SIM_BYTES, 9, 9, NULL) \
	X(0x0111, "flow_super_CAS_id",            SIM_HEX,   4, 4, NULL) \
	X(0x0112, "flow_type",                    SIM_UINT,  1, 1, NULL) \
	X(0x0113, "insertion_delay",              SIM_INT,   2, 2, "ms") \
	X(0x0114, "insertion_delay_type",         SIM_UINT,  1, 1, NULL) \
	X(0x0115, "last_section_indicator",       SIM_UINT,  1, 1, NULL) \
	X(0x0116, "location_id",                  SIM_UINT,  1, 1, NULL) \
	X(0x0117, "max_comp_time",                SIM_UINT,  2, 2, "s") /* seconds, here alone */ \
	X(0x0118, "max_streams",                  SIM_UINT,  2, 2, NULL) \
	X(0x0119, "MPEG_section",                 SIM_BYTES, 0, UINT16_MAX, NULL) \
	X(0x011a, "network_id",                   SIM_UINT,  2, 2, NULL) \
	X(0x011b, "original_network_id",          SIM_UINT,  2, 2, NULL) \
	X(0x011c, "private_data",                 SIM_BYTES, 0, UINT16_MAX, NULL) \
	X(0x011d, "private_data_specifier",       SIM_HEX,   4, 4, NULL) \
	X(0x011e, "(P)SIG_type",                  SIM_UINT,  1, 1, NULL) \
	X(0x011f, "segment_number",               SIM_UINT,  1, 1, NULL) \
	X(0x0120, "service_id",                   SIM_UINT,  2, 2, NULL) \
	X(0x0121, "service_parameters",           SIM_BYTES, 8, 8, NULL) \
	X(0x0122, "start_time",                   SIM_HEX,   5, 5, NULL) \
	X(0x0123, "stream_change_timestamp",      SIM_HEX,   5, 5, NULL) \
	X(0x0124, "stream_change_type",           SIM_UINT,  1, 1, NULL) \
	X(0x0125, "table_id",                     SIM_UINT,  1, 1, NULL) \
	X(0x0126, "transaction_id",               SIM_UINT,  2, 2, NULL) \
	X(0x0127, "transport_stream_id",          SIM_UINT,  2, 2, NULL) \
	X(0x0128, "trigger_id",                   SIM_UINT,  2, 2, NULL) \
	X(0x0129, "trigger_list",                 SIM_HEX,   4, 4, NULL) \
	X(0x012a, "trigger_type",                 SIM_HEX,   4, 4, NULL) \
	X(0x012b, "PD_related_data",              SIM_BYTES, 0, UINT16_MAX, NULL) \
	X(0x012c, "flow_stream_type",             SIM_UINT,  1, 1, NULL) \
	X(0x7000, "error_status",                 SIM_HEX,   2, 2, NULL) \
	X(0x7001, "error_information",            SIM_TEXT,  0, UINT16_MAX, NULL)

#define ROW(type, name, kind, min, max, unit) { type, name, kind, min, max, unit, 0 },
#define USE(type, name, kind, min, max, unit) MANY(type),
static const struct sim_param params[] = { PARAMS(ROW) };
static const struct sim_use any[] = { PARAMS(USE) };
#undef ROW
#undef USE

static const struct sim_message messages[] = {	/* status and test stand in another order than elsewhere */
	{ 0x0301, "channel_setup",                  TABLE(any) },
	{ 0x0302, "channel_status",                 TABLE(any) },
	{ 0x0303, "channel_test",                   TABLE(any) },
	{ 0x0304, "channel_close",                  TABLE(any) },
	{ 0x0305, "channel_error",                  TABLE(any) },
	{ 0x0311, "stream_setup",                   TABLE(any) },
	{ 0x0312, "stream_status",                  TABLE(any) },
	{ 0x0313, "stream_test",                    TABLE(any) },
	{ 0x0314, "stream_close",                   TABLE(any) },
	{ 0x0315, "stream_close_request",           TABLE(any) },
	{ 0x0316, "stream_close_response",          TABLE(any) },
	{ 0x0317, "stream_error",                   TABLE(any) },
	{ 0x0318, "stream_service_change",          TABLE(any) },
	{ 0x0319, "stream_trigger_enable_request",  TABLE(any) },
	{ 0x031a, "stream_trigger_enable_response", TABLE(any) },
	{ 0x031b, "trigger",                        TABLE(any) },
	{ 0x031c, "table_request",                  TABLE(any) },
	{ 0x031d, "table_response",                 TABLE(any) },
	{ 0x031e, "descriptor_insert_request",      TABLE(any) },
	{ 0x031f, "descriptor_insert_response",     TABLE(any) },
	{ 0x0320, "PID_provision_request",          TABLE(any) },
	{ 0x0321, "PID_provision_response",         TABLE(any) },
};

/* Of clause 8's numbers those are given that all interfaces share; its own, from 5 on, are in no source at hand. */
static const struct sim_error errors[] = {
	{ SIM_MALFORMED, 0x0001 }, { SIM_VERSION, 0x0002 }, { SIM_NO_MESSAGE, 0x0003 }, { SIM_TOO_LONG, 0x0004 }, { SIM_NO_PARAM, 0x7000 },
	{ SIM_BAD_LENGTH, 0x7000 }, { SIM_MISSING, 0x7000 }, { SIM_BAD_VALUE, 0x7000 }, { SIM_REPEATED, 0x0001 },
};
static const struct sim_status statuses[] = {
	{ 0x0001, "invalid message", "the message's parameters do not fill it exactly, or it is inconsistent in itself",
	    "look at both peers' logs for the parameter and offset; capture the connection and decode it" },
	{ 0x0002, "unsupported protocol version", "the receiver does not speak the protocol_version of the message", "set both ends to the same version: 3 in the standard's present edition" },
	{ 0x0003, "unknown message_type value", "the receiver does not know the message and does not ignore unknown ones as clause 4.4.1 asks",
	    "find out which message the peer lacks; channel_status and channel_test have other numbers here than on other interfaces" },
	{ 0x0004, "message too long", "the message is longer than the receiver can take", "put fewer sections or descriptors into one message" },
	{ 0x7000, "unknown error", "the peer failed for a reason it does not say", "look at the peer's log and at error_information" },
	{ 0x7001, "unrecoverable error", "the peer cannot go on; the channel or the stream has to be closed", "let the C(P)SIG set it up again; look at the (P)SIG if it repeats" },
};

const struct sim_iface cpsig_psig = { "C(P)SIG<=>(P)SIG", 2, 3, TABLE(params), TABLE(messages), TABLE(errors), TABLE(statuses), NULL, 0 };
