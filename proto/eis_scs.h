/* proto/eis_scs.h: EIS <=> SCS, TS 103 197 clause 10: an event scheduler tells the SCS what belongs to one CW sequence, from when on */
#ifndef PROTO_EIS_SCS_H
#define PROTO_EIS_SCS_H
#include "proto/sim.h"

enum eis_message {
	EIS_CHANNEL_SETUP = 0x0401,		/* EIS -> SCS */
	EIS_CHANNEL_TEST = 0x0402,		/* both */
	EIS_CHANNEL_STATUS = 0x0403,		/* SCS -> EIS; an answer */
	EIS_CHANNEL_CLOSE = 0x0404,		/* EIS -> SCS */
	EIS_CHANNEL_ERROR = 0x0405,		/* both */
	EIS_CHANNEL_RESET = 0x0406,		/* EIS -> SCS */
	EIS_SCG_PROVISION = 0x0408,		/* EIS -> SCS; 0x0407 is not assigned */
	EIS_SCG_TEST = 0x0409,			/* EIS -> SCS */
	EIS_SCG_STATUS = 0x040a,		/* SCS -> EIS */
	EIS_SCG_ERROR = 0x040b,			/* SCS -> EIS */
	EIS_SCG_LIST_REQUEST = 0x040c,		/* EIS -> SCS */
	EIS_SCG_LIST_RESPONSE = 0x040d,		/* SCS -> EIS */
};
enum eis_param {
	EIS_CHANNEL_ID = 0x0001,
	EIS_SERVICE_FLAG = 0x0002,		/* SCGs of whole services are supported */
	EIS_COMPONENT_FLAG = 0x0003,		/* SCGs of elementary streams are supported */
	EIS_MAX_SCG = 0x0004,
	EIS_ECM_GROUP = 0x0005,			/* compound: one ECM stream of the SCG */
	EIS_SCG_ID = 0x0006,
	EIS_SCG_REFERENCE_ID = 0x0007,		/* the EIS's handle of one definition of an SCG */
	EIS_SUPER_CAS_ID = 0x0008,
	EIS_ECM_ID = 0x0009,
	EIS_ACCESS_CRITERIA = 0x000a,
	EIS_ACTIVATION_TIME = 0x000b,		/* absent: at once */
	EIS_ACTIVATION_PENDING_FLAG = 0x000c,
	EIS_COMPONENT_ID = 0x000d,
	EIS_SERVICE_ID = 0x000e,
	EIS_TRANSPORT_STREAM_ID = 0x000f,
	EIS_AC_CHANGED_FLAG = 0x0010,
	EIS_SCG_CURRENT_REFERENCE_ID = 0x0011,
	EIS_SCG_PENDING_REFERENCE_ID = 0x0012,
	EIS_CP_DURATION_FLAG = 0x0013,		/* recommended_CP_duration is obeyed */
	EIS_RECOMMENDED_CP_DURATION = 0x0014,	/* x 100 ms */
	EIS_SCG_NOMINAL_CP_DURATION = 0x0015,	/* x 100 ms */
	EIS_ORIGINAL_NETWORK_ID = 0x0016,
	EIS_ERROR_STATUS = 0x7000,
	EIS_ERROR_INFORMATION = 0x7001,
	EIS_ERROR_DESCRIPTION = 0x7002,
};
enum eis_error {	/* error_status, clause 10: numbers of this interface's own */
	EIS_E_INVALID_MESSAGE = 0x0001,
	EIS_E_VERSION = 0x0002,
	EIS_E_MESSAGE_TYPE = 0x0003,
	EIS_E_TOO_LONG = 0x0004,
	EIS_E_LENGTH = 0x0005,
	EIS_E_MISSING = 0x0006,
	EIS_E_VALUE = 0x0007,
	EIS_E_CHANNEL_ID = 0x0008,
	EIS_E_SCG_ID = 0x0009,
	EIS_E_MAX_SCG = 0x000a,
	EIS_E_SERVICE_LEVEL = 0x000b,
	EIS_E_COMPONENT_LEVEL = 0x000c,
	EIS_E_TOO_SOON = 0x000d,
	EIS_E_SPANS_TS = 0x000e,
	EIS_E_NO_RESOURCE = 0x000f,
	EIS_E_RESOURCE_IN_USE = 0x0010,
	EIS_E_NO_ECM_GROUP = 0x0011,
	EIS_E_NO_CONTENT = 0x0012,
	EIS_E_CHANNEL_ID_IN_USE = 0x0013,
	EIS_E_SUPER_CAS_ID = 0x0014,
	EIS_E_UNKNOWN = 0x7000,
	EIS_E_UNRECOVERABLE = 0x7001,
};

extern const struct sim_iface eis_scs;
#endif
