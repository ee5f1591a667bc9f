/* proto/psig_mux.c: (P)SIG <=> MUX, TS 103 197 clause 9 */
#include "proto/psig_mux.h"

/* Which message carries which is not known here, nor how often: any may stand in all. */
#define PARAMS(X) /* type, name, kind, least and most octets, unit */ \
	X(0x0001, "(P)SIG_type",                  SIM_UINT,  1, 1, NULL) /* 1 PSIG, 2 SIG, 3 PSISIG */ \
	X(0x0002, "channel_ID",                   SIM_UINT,  2, 2, NULL) \
	X(0x0003, "stream_ID",                    SIM_UINT,  2, 2, NULL) \
	X(0x0004, "transport_stream_ID",          SIM_UINT,  2, 2, NULL) \
	X(0x0005, "original_network_ID",          SIM_UINT,  2, 2, NULL) \
	X(0x0006, "packet_ID",                    SIM_UINT,  2, 2, NULL) \
	X(0x0007, "interface_mode_configuration", SIM_UINT,  1, 1, NULL) \
	X(0x0008, "max_stream",                   SIM_UINT,  2, 2, NULL) \
	X(0x0009, "table_period_pair",            SIM_GROUP, 0, UINT16_MAX, NULL) \
	X(0x000a, "MPEG_section",                 SIM_BYTES, 0, UINT16_MAX, NULL) \
	X(0x000b, "repetition_rate",              SIM_UINT,  4, 4, NULL) \
	X(0x000c, "activation_time",              SIM_TIME,  8, 8, NULL) \
	X(0x000d, "datagram",                     SIM_BYTES, 0, UINT16_MAX, NULL) \
	X(0x000e, "bandwidth",                    SIM_UINT,  2, 2, "kbit/s") \
	X(0x000f, "initial_bandwidth",            SIM_UINT,  2, 2, "kbit/s") \
	X(0x0010, "max_comp_time",                SIM_UINT,  2, 2, "ms") \
	X(0x0011, "ASI_input_packet_ID",          SIM_UINT,  2, 2, NULL) \
	X(0x7000, "error_status",                 SIM_HEX,   2, 2, NULL) \
	X(0x7001, "error_information",            SIM_TEXT,  0, UINT16_MAX, NULL)

#define ROW(type, name, kind, min, max, unit) { type, name, kind, min, max, unit, 0 },
#define USE(type, name, kind, min, max, unit) MANY(type),
static const struct sim_param params[] = { PARAMS(ROW) };
static const struct sim_use any[] = { PARAMS(USE) };
#undef ROW
#undef USE

static const struct sim_message messages[] = {
	{ 0x0411, "channel_set_up",               TABLE(any) },
	{ 0x0412, "channel_test",                 TABLE(any) },
	{ 0x0413, "channel_status",               TABLE(any) },
	{ 0x0414, "channel_close",                TABLE(any) },
	{ 0x0415, "channel_error",                TABLE(any) },
	{ 0x0421, "stream_setup",                 TABLE(any) },
	{ 0x0422, "stream_test",                  TABLE(any) },
	{ 0x0423, "stream_status",                TABLE(any) },
	{ 0x0424, "stream_close_request",         TABLE(any) },
	{ 0x0425, "stream_close_response",        TABLE(any) },
	{ 0x0426, "stream_error",                 TABLE(any) },
	{ 0x0431, "CiM_stream_section_provision", TABLE(any) },
	{ 0x0432, "CiM_channel_reset",            TABLE(any) },
	{ 0x0441, "CiP_stream_BW_request",        TABLE(any) },
	{ 0x0442, "CiP_stream_BW_allocation",     TABLE(any) },
	{ 0x0443, "CiP_stream_data_provision",    TABLE(any) },
};
static const struct sim_message groups[] = {
	{ 0x0009, "table_period_pair", USES(MANY(0x000a), MANY(0x000b), MANY(0x000c)) },	/* sections, how often, from when on */
};

static const struct sim_error errors[] = {
	{ SIM_MALFORMED, 0x0001 }, { SIM_VERSION, 0x0002 }, { SIM_NO_MESSAGE, 0x0003 }, { SIM_TOO_LONG,  0x0004 }, { SIM_NO_PARAM, 0x000a },
	{ SIM_BAD_LENGTH, 0x000b }, { SIM_MISSING, 0x000c }, { SIM_BAD_VALUE, 0x000d }, { SIM_REPEATED, 0x0001 },
};

static const struct sim_status statuses[] = {
	{ 0x0001, "invalid message", "the message's parameters do not fill it exactly, one that may stand once stands twice, or the message travels in the wrong direction",
	    "look at both peers' logs for the parameter and offset; capture the connection: tshark decodes it as simulcrypt" },
	{ 0x0002, "unsupported protocol version", "the receiver does not speak the protocol_version of the message, or it changed within a connection",
	    "set both ends to the same version: 4 in the standard's present edition" },
	{ 0x0003, "unknown message_type value", "the receiver does not know the message and does not ignore unknown ones as clause 4.4.1 asks",
	    "compare the interface modes: CiM_ messages need a carousel in the mux, CiP_ messages one in the generator" },
	{ 0x0004, "message too long", "the message is longer than the receiver can take", "put fewer sections or packets into one message" },
	{ 0x0005, "unknown stream_ID value", "the stream is not open on this channel", "let the generator set it up again" },
	{ 0x0006, "unknown channel_ID value", "the message names another channel than the one open on this connection, or none is open",
	    "usually a peer that lost its state: let the generator reconnect" },
	{ 0x0007, "too many channels on this MUX", "the mux has no room for another channel", "close channels of other generators, or use another mux" },
	{ 0x0008, "too many streams on this channel", "max_stream of the channel is used up", "spread the streams over more channels" },
	{ 0x0009, "too many streams on this MUX", "the mux has no room for another stream", "close streams that are not needed, or use another mux" },
	{ 0x000a, "unknown parameter_type value", "the receiver does not know a parameter and does not ignore unknown ones as clause 4.4.1 asks",
	    "look at error_information or the log for the parameter; compare the protocol versions of both ends" },
	{ 0x000b, "inconsistent length for DVB parameter", "a parameter has a length that the standard does not allow", "look at error_information or the log for the parameter" },
	{ 0x000c, "missing mandatory DVB parameter", "a parameter that the message must carry is not there", "look at error_information or the log for the parameter" },
	{ 0x000d, "invalid value for DVB parameter", "a value is outside what the receiver accepts", "look at error_information or the log for the parameter" },
	{ 0x000e, "inconsistent transport_stream_ID value", "the stream or its sections belong to another transport stream than the channel's", "compare transport_stream_ID of the generator with the mux's outputs" },
	{ 0x000f, "inconsistent packet_ID value", "the PID may not carry these tables, or belongs to something else", "compare packet_ID with the mux's PID plan" },
	{ 0x0010, "channel_ID value already in use", "another connection holds the channel identifier", "give each generator its own channel_ID; a stale connection ends by itself" },
	{ 0x0011, "stream_ID value already in use", "the stream is open on this channel already", "let the generator reconnect: it forgot a stream" },
	{ 0x0012, "stream already open for this transport_stream_ID and packet_ID", "another stream feeds the same PID", "stop the other generator, or give the stream its own PID" },
	{ 0x0013, "overflow of the section list (CiM)", "the mux has no room for another section of the carousel", "send fewer sections, or raise the mux's limit" },
	{ 0x0014, "inconsistent TOT template (CiM)", "the section from which the mux makes its TOTs is none", "check the TOT that the generator sends" },
	{ 0x0015, "warning: repetition rates hardly met for five minutes (CiM)", "the mux could not repeat the sections as often as was asked",
	    "lower repetition_rate, or give the tables more bandwidth in the mux" },
	{ 0x0016, "warning: bandwidth hardly met for five minutes (CiM)", "the sections need more bandwidth than they have", "raise the bandwidth of the stream in the mux, or send less" },
	{ 0x7000, "unknown error", "the peer failed for a reason it does not say", "look at the peer's log and at error_information" },
	{ 0x7001, "unrecoverable error", "the peer cannot go on; the channel or the stream has to be closed", "let the generator set it up again; look at the mux if it repeats" },
};

const struct sim_iface psig_mux = { "(P)SIG<=>MUX", 2, 4, TABLE(params), TABLE(messages), TABLE(errors), TABLE(statuses), TABLE(groups) };
