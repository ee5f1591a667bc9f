/* proto/ecmg_scs.h: ECMG <=> SCS, TS 103 197 clause 5, protocol_version 1 to 5, with OMA BCAST's user-defined parameters */
#ifndef PROTO_ECMG_SCS_H
#define PROTO_ECMG_SCS_H
#include "proto/sim.h"

enum ecmg_message {
	ECMG_CHANNEL_SETUP = 0x0001,		/* SCS -> ECMG */
	ECMG_CHANNEL_TEST = 0x0002,		/* both */
	ECMG_CHANNEL_STATUS = 0x0003,		/* both, an answer */
	ECMG_CHANNEL_CLOSE = 0x0004,		/* SCS -> ECMG, has no answer */
	ECMG_CHANNEL_ERROR = 0x0005,		/* both */
	ECMG_STREAM_SETUP = 0x0101,		/* SCS -> ECMG */
	ECMG_STREAM_TEST = 0x0102,		/* both */
	ECMG_STREAM_STATUS = 0x0103,		/* both, an answer */
	ECMG_STREAM_CLOSE_REQUEST = 0x0104,	/* SCS -> ECMG */
	ECMG_STREAM_CLOSE_RESPONSE = 0x0105,	/* ECMG -> SCS */
	ECMG_STREAM_ERROR = 0x0106,		/* both */
	ECMG_CW_PROVISION = 0x0201,		/* SCS -> ECMG */
	ECMG_ECM_RESPONSE = 0x0202,		/* ECMG -> SCS */
};
enum ecmg_param {
	ECMG_SUPER_CAS_ID = 0x0001,
	ECMG_SECTION_TSPKT = 0x0002,		/* 0 section, 1 TS packets, 2 arbitrary bytes (an STKM) */
	ECMG_DELAY_START = 0x0003,		/* ms, signed */
	ECMG_DELAY_STOP = 0x0004,
	ECMG_TRANS_START = 0x0005,
	ECMG_TRANS_STOP = 0x0006,
	ECMG_REP_PERIOD = 0x0007,		/* ms */
	ECMG_MAX_STREAMS = 0x0008,		/* 0: not stated */
	ECMG_MIN_CP_DURATION = 0x0009,		/* x 100 ms */
	ECMG_LEAD_CW = 0x000a,
	ECMG_CW_PER_MSG = 0x000b,
	ECMG_MAX_COMP_TIME = 0x000c,		/* ms */
	ECMG_ACCESS_CRITERIA = 0x000d,
	ECMG_CHANNEL_ID = 0x000e,
	ECMG_STREAM_ID = 0x000f,
	ECMG_NOMINAL_CP_DURATION = 0x0010,	/* x 100 ms */
	ECMG_AC_TRANSFER_MODE = 0x0011,		/* boolean: not 0 is true */
	ECMG_CP_NUMBER = 0x0012,
	ECMG_CP_DURATION = 0x0013,		/* x 100 ms */
	ECMG_CP_CW = 0x0014,			/* CP, 2 octets, then the CW: secret */
	ECMG_ECM_DATAGRAM = 0x0015,		/* empty: no ECM on air for this CP */
	ECMG_AC_DELAY_START = 0x0016,
	ECMG_AC_DELAY_STOP = 0x0017,
	ECMG_CW_ENCRYPTION = 0x0018,
	ECMG_ECM_ID = 0x0019,
	ECMG_ERROR_STATUS = 0x7000,
	ECMG_ERROR_INFORMATION = 0x7001,
	ECMG_TRAFFIC_PROTECTION = 0x8001,	/* protocol (0 IPsec, 1 SRTP, 2 ISMACryp, 7 TS), then flags (0x01 authenticated) */
	ECMG_KEY_IDENTIFIER = 0x8002,		/* CP, 2 octets, then SPI, MKI or key indicator */
};
enum ecmg_error {	/* error_status, clause 5.6 */
	ECMG_E_INVALID_MESSAGE = 0x0001,
	ECMG_E_VERSION = 0x0002,
	ECMG_E_MESSAGE_TYPE = 0x0003,
	ECMG_E_TOO_LONG = 0x0004,
	ECMG_E_SUPER_CAS_ID = 0x0005,
	ECMG_E_CHANNEL_ID = 0x0006,
	ECMG_E_STREAM_ID = 0x0007,
	ECMG_E_TOO_MANY_CHANNELS = 0x0008,
	ECMG_E_TOO_MANY_STREAMS_CHANNEL = 0x0009,
	ECMG_E_TOO_MANY_STREAMS_ECMG = 0x000a,
	ECMG_E_NOT_ENOUGH_CW = 0x000b,
	ECMG_E_STORAGE = 0x000c,
	ECMG_E_COMPUTATION = 0x000d,
	ECMG_E_PARAMETER_TYPE = 0x000e,
	ECMG_E_LENGTH = 0x000f,
	ECMG_E_MISSING = 0x0010,
	ECMG_E_VALUE = 0x0011,
	ECMG_E_ECM_ID = 0x0012,
	ECMG_E_CHANNEL_ID_IN_USE = 0x0013,
	ECMG_E_STREAM_ID_IN_USE = 0x0014,
	ECMG_E_ECM_ID_IN_USE = 0x0015,
	ECMG_E_UNKNOWN = 0x7000,
	ECMG_E_UNRECOVERABLE = 0x7001,
	ECMG_E_BCAST = 0x8000,			/* + status code of OMA BCAST */
};

extern const struct sim_iface ecmg_scs;
#endif
