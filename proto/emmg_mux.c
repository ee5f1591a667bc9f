/* proto/emmg_mux.c: EMMG/PDG <=> MUX, TS 103 197 clause 6 */
#include "proto/emmg_mux.h"
#include "proto/bcast_status.h"

static const struct sim_param params[] = {
	{ EMMG_CLIENT_ID,         "client_id",          SIM_HEX,   4, 4, NULL,     0 },
	{ EMMG_SECTION_TSPKT,     "section_TSpkt_flag", SIM_UINT,  1, 1, NULL,     0 },
	{ EMMG_CHANNEL_ID,        "data_channel_id",    SIM_UINT,  2, 2, NULL,     0 },
	{ EMMG_STREAM_ID,         "data_stream_id",     SIM_UINT,  2, 2, NULL,     0 },
	{ EMMG_DATAGRAM,          "datagram",           SIM_BYTES, 0, UINT16_MAX, NULL, 0 },
	{ EMMG_BANDWIDTH,         "bandwidth",          SIM_UINT,  2, 2, "kbit/s", 0 },
	{ EMMG_DATA_TYPE,         "data_type",          SIM_UINT,  1, 1, NULL,     0 },
	{ EMMG_DATA_ID,           "data_id",            SIM_UINT,  2, 2, NULL,     0 },
	{ EMMG_ERROR_STATUS,      "error_status",       SIM_HEX,   2, 2, NULL,     0 },
	{ EMMG_ERROR_INFORMATION, "error_information",  SIM_TEXT,  0, UINT16_MAX, NULL, 0 },
};

/*
 * data_id came with version 2. Some peers never send it; a lenient receiver takes data_stream_id for it. TSDuck sends it with version 1,
 * too: a lenient receiver takes it, for by UDP it is what the data are known by.
 * section_TSpkt_flag 2 belongs to version 5; BCAST peers use it with 3, too, but 1 and 2 know a boolean only.
 * data_type 2 is reserved (for ECMs), as are all above it.
 * Data on TCP names channel and stream (6.2.5.9); from version 2 on client_id and data_id say as much, and a lenient receiver takes that.
 */
#define CHANNEL ONE(EMMG_CLIENT_ID), ONE(EMMG_CHANNEL_ID)
#define STREAM CHANNEL, ONE(EMMG_STREAM_ID)
#define DATA_ID { EMMG_DATA_ID, 0, 1, 1, 1, 1, 0, 0 }, { EMMG_DATA_ID, 1, 1, 2, 0, 1, 0, 0 }
#define DATA_TYPE { EMMG_DATA_TYPE, 1, 1, 0, 0, 0, 0, 1 }
#define TSPKT { EMMG_SECTION_TSPKT, 1, 1, 1, 2, 0, 0, 1 }, { EMMG_SECTION_TSPKT, 1, 1, 3, 0, 0, 0, 2 }
#define DATA_OF(t) { (t), 1, 1, 1, 1, 0, 0, 0 }, { (t), 1, 1, 2, 0, 1, 0, 0 }
#define ERRORS SOME(EMMG_ERROR_STATUS), MANY(EMMG_ERROR_INFORMATION)

static const struct sim_message messages[] = {
	{ EMMG_CHANNEL_SETUP,         "channel_setup",         USES(CHANNEL, TSPKT) },
	{ EMMG_CHANNEL_TEST,          "channel_test",          USES(CHANNEL) },
	{ EMMG_CHANNEL_STATUS,        "channel_status",        USES(CHANNEL, TSPKT) },
	{ EMMG_CHANNEL_CLOSE,         "channel_close",         USES(CHANNEL) },
	{ EMMG_CHANNEL_ERROR,         "channel_error",         USES(CHANNEL, ERRORS) },
	{ EMMG_STREAM_SETUP,          "stream_setup",          USES(STREAM, DATA_ID, DATA_TYPE) },
	{ EMMG_STREAM_TEST,           "stream_test",           USES(STREAM) },
	{ EMMG_STREAM_STATUS,         "stream_status",         USES(STREAM, DATA_ID, DATA_TYPE) },
	{ EMMG_STREAM_CLOSE_REQUEST,  "stream_close_request",  USES(STREAM) },
	{ EMMG_STREAM_CLOSE_RESPONSE, "stream_close_response", USES(STREAM) },
	{ EMMG_STREAM_ERROR,          "stream_error",          USES(STREAM, ERRORS) },
	{ EMMG_STREAM_BW_REQUEST,     "stream_BW_request",     USES(STREAM, OPT(EMMG_BANDWIDTH)) },
	{ EMMG_STREAM_BW_ALLOCATION,  "stream_BW_allocation",  USES(STREAM, OPT(EMMG_BANDWIDTH)) },
	{ EMMG_DATA_PROVISION,        "data_provision",        USES(ONE(EMMG_CLIENT_ID),
		DATA_OF(EMMG_CHANNEL_ID), DATA_OF(EMMG_STREAM_ID), DATA_ID, SOME(EMMG_DATAGRAM)) },
};
/*
 * 6.3.1: nothing else may come. UDP is from version 2 on; TSDuck sends version 1 by it, too, with client_id and data_id, which only a
 * lenient receiver takes. It also sends data_channel_id and data_stream_id: unlisted, so a lenient receiver drops them.
 */
#define CLIENT_ID { EMMG_CLIENT_ID, 0, 1, 1, 1, 1, 0, 0 }, { EMMG_CLIENT_ID, 1, 1, 2, 0, 0, 0, 0 }
static const struct sim_message udp_messages[] = {
	{ EMMG_DATA_PROVISION,        "data_provision",        USES(CLIENT_ID, ONE(EMMG_DATA_ID), SOME(EMMG_DATAGRAM)) },
};

static const struct sim_error errors[] = {
	{ SIM_MALFORMED, EMMG_E_INVALID_MESSAGE }, { SIM_VERSION,    EMMG_E_VERSION }, { SIM_NO_MESSAGE, EMMG_E_MESSAGE_TYPE },
	{ SIM_TOO_LONG,  EMMG_E_TOO_LONG },        { SIM_NO_PARAM,   EMMG_E_PARAMETER_TYPE }, { SIM_BAD_LENGTH, EMMG_E_LENGTH },
	{ SIM_MISSING,   EMMG_E_MISSING },         { SIM_BAD_VALUE,  EMMG_E_VALUE },   { SIM_REPEATED,   EMMG_E_INVALID_MESSAGE },
};

static const struct sim_status statuses[] = {
	{ EMMG_E_INVALID_MESSAGE, "invalid message", "the message's parameters do not fill it exactly, one that may stand once stands twice, or the message travels in the wrong direction",
	    "look at both peers' logs for the parameter and offset; capture the connection: tshark decodes it as simulcrypt" },
	{ EMMG_E_VERSION, "unsupported protocol version", "the receiver does not speak the protocol_version of the message, or it changed within a connection",
	    "set the EMMG's protocol version to one that the mux supports (1 to 5; most equipment speaks 2 or 3, BCAST 5)" },
	{ EMMG_E_MESSAGE_TYPE, "unknown message_type value", "the receiver does not know the message and does not ignore unknown ones as clause 4.4.1 asks",
	    "find out which message the peer lacks; a strict peer of ours can be told to be lenient" },
	{ EMMG_E_TOO_LONG, "message too long", "the message is longer than the receiver can take", "put fewer datagrams into one data_provision" },
	{ EMMG_E_STREAM_ID, "unknown data_stream_id value", "the stream is not open on this channel",
	    "the EMMG sets it up again by itself; if it repeats, two EMMGs may be using one connection's identifiers" },
	{ EMMG_E_CHANNEL_ID, "unknown data_channel_id value", "the message names another channel than the one open on this connection, or none is open",
	    "usually a peer that lost its state: it reconnects by itself; if it does not, restart the EMMG" },
	{ EMMG_E_TOO_MANY_CHANNELS, "too many channels on this MUX", "the mux has no room for another channel", "close channels of other EMMGs, or use another mux" },
	{ EMMG_E_TOO_MANY_STREAMS_CHANNEL, "too many data streams on this channel", "the mux takes no further stream on this channel",
	    "spread the streams over more channels" },
	{ EMMG_E_TOO_MANY_STREAMS_MUX, "too many data streams on this MUX", "the mux has no room for another stream", "close streams that are not needed, or use another mux" },
	{ EMMG_E_PARAMETER_TYPE, "unknown parameter_type", "the receiver does not know a parameter and does not ignore unknown ones as clause 4.4.1 asks",
	    "look at error_information or the log for the parameter; data_id is unknown to peers of protocol_version 1" },
	{ EMMG_E_LENGTH, "inconsistent length for DVB parameter", "a parameter has a length that the standard does not allow",
	    "look at error_information or the log for the parameter" },
	{ EMMG_E_MISSING, "missing mandatory DVB parameter", "a parameter that the message must carry is not there",
	    "look at error_information or the log for the parameter; data_id is mandatory from protocol_version 2 on, data_channel_id and data_stream_id in every data_provision by TCP" },
	{ EMMG_E_VALUE, "invalid value for DVB parameter", "a value is outside what the receiver accepts: usually a section_TSpkt_flag or data_type that it does not carry",
	    "compare the EMMG's format (sections, TS packets, or LTKMs, which want protocol_version 3 or later) with what the mux is made for" },
	{ EMMG_E_CLIENT_ID, "unknown client_id value", "the mux is not configured for this client, or the message names another one than channel_setup did",
	    "compare client_id of both ends; LTKMs of the Smartcard Profile (0x0002xxxx) never go this way" },
	{ EMMG_E_BANDWIDTH, "exceeded bandwidth", "the stream sends more than it was allocated, or the mux cannot send as fast; data may have been dropped",
	    "the EMMG slows down by itself; if it repeats, raise the stream's bandwidth or total_bandwidth of the mux" },
	{ EMMG_E_DATA_ID, "unknown data_id value", "the mux does not know where data of this client_id and data_id go",
	    "give the mux a destination for this data_id, or compare it with the EMMG's" },
	{ EMMG_E_CHANNEL_ID_IN_USE, "data_channel_id value already in use", "another connection of this client holds the channel identifier, or this one has its channel already",
	    "a stale connection ends by itself within seconds; if not, give each EMMG of the client its own data_channel_id" },
	{ EMMG_E_STREAM_ID_IN_USE, "data_stream_id value already in use", "the stream is open on this channel already",
	    "the EMMG forgot a stream; reconnecting the channel clears it" },
	{ EMMG_E_DATA_ID_IN_USE, "data_id value already in use", "another stream feeds this data_id",
	    "give every stream of the client its own data_id; stop the other EMMG if it should not run" },
	{ EMMG_E_CLIENT_ID_IN_USE, "client_id value already in use", "another connection serves this client, and the mux wants one only",
	    "stop the other EMMG, or give each its own client_id; a stale connection ends by itself within seconds" },
	{ EMMG_E_UNKNOWN, "unknown error", "the peer failed for a reason it does not say", "look at the peer's log and at error_information" },
	{ EMMG_E_UNRECOVERABLE, "unrecoverable error", "the peer cannot go on; the channel or the stream has to be closed",
	    "the EMMG closes and sets up again by itself; look at the mux if it repeats" },
	BCAST_STATUSES(EMMG_E_BCAST)
};

const struct sim_iface emmg_mux = { "EMMG<=>MUX", 1, 5, TABLE(params), TABLE(messages), TABLE(errors), TABLE(statuses), NULL, 0 };
const struct sim_iface emmg_mux_udp = { "EMMG=>MUX, UDP", 1, 5, TABLE(params), TABLE(udp_messages), TABLE(errors), TABLE(statuses), NULL, 0 };
