/* proto/emmg_mux.h: EMMG/PDG <=> MUX, TS 103 197 clause 6, protocol_version 1 to 5 */
#ifndef PROTO_EMMG_MUX_H
#define PROTO_EMMG_MUX_H
#include "proto/sim.h"

enum emmg_message {
	EMMG_CHANNEL_SETUP = 0x0011,		/* EMMG -> MUX */
	EMMG_CHANNEL_TEST = 0x0012,		/* both */
	EMMG_CHANNEL_STATUS = 0x0013,		/* both, an answer */
	EMMG_CHANNEL_CLOSE = 0x0014,		/* EMMG -> MUX, has no answer */
	EMMG_CHANNEL_ERROR = 0x0015,		/* both */
	EMMG_STREAM_SETUP = 0x0111,		/* EMMG -> MUX */
	EMMG_STREAM_TEST = 0x0112,		/* both */
	EMMG_STREAM_STATUS = 0x0113,		/* both, an answer */
	EMMG_STREAM_CLOSE_REQUEST = 0x0114,	/* EMMG -> MUX */
	EMMG_STREAM_CLOSE_RESPONSE = 0x0115,	/* MUX -> EMMG */
	EMMG_STREAM_ERROR = 0x0116,		/* both */
	EMMG_STREAM_BW_REQUEST = 0x0117,	/* EMMG -> MUX; without bandwidth: what do I have? */
	EMMG_STREAM_BW_ALLOCATION = 0x0118,	/* MUX -> EMMG, an answer, or unasked when it changes */
	EMMG_DATA_PROVISION = 0x0211,		/* EMMG -> MUX, TCP or UDP, has no answer */
};
enum emmg_param {
	EMMG_CLIENT_ID = 0x0001,		/* CA_system_id, 2 octets, then free; BCAST DRM Profile: 0x0001xxxx */
	EMMG_SECTION_TSPKT = 0x0002,		/* 0 section, 1 TS packets, 2 arbitrary bytes (an LTKM) */
	EMMG_CHANNEL_ID = 0x0003,		/* data_channel_id: unique within client_id */
	EMMG_STREAM_ID = 0x0004,		/* data_stream_id: unique within the channel */
	EMMG_DATAGRAM = 0x0005,			/* one section or LTKM, or whole TS packets */
	EMMG_BANDWIDTH = 0x0006,		/* kbit/s */
	EMMG_DATA_TYPE = 0x0007,		/* 0 EMM or LTKM, 1 private data */
	EMMG_DATA_ID = 0x0008,			/* unique within client_id: what the mux maps to a place on air */
	EMMG_ERROR_STATUS = 0x7000,
	EMMG_ERROR_INFORMATION = 0x7001,
};
enum emmg_error {	/* error_status, clause 6.2.6: other numbers than on ECMG <=> SCS */
	EMMG_E_INVALID_MESSAGE = 0x0001,
	EMMG_E_VERSION = 0x0002,
	EMMG_E_MESSAGE_TYPE = 0x0003,
	EMMG_E_TOO_LONG = 0x0004,
	EMMG_E_STREAM_ID = 0x0005,
	EMMG_E_CHANNEL_ID = 0x0006,
	EMMG_E_TOO_MANY_CHANNELS = 0x0007,
	EMMG_E_TOO_MANY_STREAMS_CHANNEL = 0x0008,
	EMMG_E_TOO_MANY_STREAMS_MUX = 0x0009,
	EMMG_E_PARAMETER_TYPE = 0x000a,
	EMMG_E_LENGTH = 0x000b,
	EMMG_E_MISSING = 0x000c,
	EMMG_E_VALUE = 0x000d,
	EMMG_E_CLIENT_ID = 0x000e,
	EMMG_E_BANDWIDTH = 0x000f,
	EMMG_E_DATA_ID = 0x0010,
	EMMG_E_CHANNEL_ID_IN_USE = 0x0011,
	EMMG_E_STREAM_ID_IN_USE = 0x0012,
	EMMG_E_DATA_ID_IN_USE = 0x0013,
	EMMG_E_CLIENT_ID_IN_USE = 0x0014,
	EMMG_E_UNKNOWN = 0x7000,
	EMMG_E_UNRECOVERABLE = 0x7001,
	EMMG_E_BCAST = 0x8000,			/* + status code of OMA BCAST */
};

/*
 * On TCP a stream is named by its data_stream_id. A lenient receiver may get a data_provision of version 2 or later without one and
 * finds the stream by client_id and data_id; if that is missing, too, the message names no stream: EMMG_E_MISSING is the receiver's to say.
 */
extern const struct sim_iface emmg_mux;
/* The UDP port: data_provision only, from version 2 on (1 is tolerated), named by client_id and data_id. Whatever it refuses is dropped: there is no answer. */
extern const struct sim_iface emmg_mux_udp;
#endif
