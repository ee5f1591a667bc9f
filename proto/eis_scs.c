/* proto/eis_scs.c: EIS <=> SCS, TS 103 197 clause 10 */
#include "proto/eis_scs.h"

static const struct sim_param params[] = {
	{ EIS_CHANNEL_ID,               "EIS_channel_ID",           SIM_UINT,  2, 2, NULL,      0 },
	{ EIS_SERVICE_FLAG,             "service_flag",             SIM_UINT,  1, 1, NULL,      0 },
	{ EIS_COMPONENT_FLAG,           "component_flag",           SIM_UINT,  1, 1, NULL,      0 },
	{ EIS_MAX_SCG,                  "max_SCG",                  SIM_UINT,  2, 2, NULL,      0 },
	{ EIS_ECM_GROUP,                "ECM_Group",                SIM_GROUP, 0, UINT16_MAX, NULL, 0 },
	{ EIS_SCG_ID,                   "SCG_ID",                   SIM_UINT,  2, 2, NULL,      0 },
	{ EIS_SCG_REFERENCE_ID,         "SCG_reference_ID",         SIM_HEX,   4, 4, NULL,      0 },
	{ EIS_SUPER_CAS_ID,             "Super_CAS_ID",             SIM_HEX,   4, 4, NULL,      0 },
	{ EIS_ECM_ID,                   "ECM_ID",                   SIM_UINT,  2, 2, NULL,      0 },
	{ EIS_ACCESS_CRITERIA,          "access_criteria",          SIM_BYTES, 0, UINT16_MAX, NULL, 0 },
	{ EIS_ACTIVATION_TIME,          "activation_time",          SIM_TIME,  8, 8, NULL,      0 },
	{ EIS_ACTIVATION_PENDING_FLAG,  "activation_pending_flag",  SIM_UINT,  1, 1, NULL,      0 },
	{ EIS_COMPONENT_ID,             "component_ID",             SIM_UINT,  2, 2, NULL,      0 },
	{ EIS_SERVICE_ID,               "service_ID",               SIM_UINT,  2, 2, NULL,      0 },
	{ EIS_TRANSPORT_STREAM_ID,      "transport_stream_ID",      SIM_UINT,  2, 2, NULL,      0 },
	{ EIS_AC_CHANGED_FLAG,          "AC_changed_flag",          SIM_UINT,  1, 1, NULL,      0 },
	{ EIS_SCG_CURRENT_REFERENCE_ID, "SCG_current_reference_ID", SIM_HEX,   4, 4, NULL,      0 },
	{ EIS_SCG_PENDING_REFERENCE_ID, "SCG_pending_reference_ID", SIM_HEX,   4, 4, NULL,      0 },
	{ EIS_CP_DURATION_FLAG,         "CP_duration_flag",         SIM_UINT,  1, 1, NULL,      0 },
	{ EIS_RECOMMENDED_CP_DURATION,  "recommended_CP_duration",  SIM_UINT,  2, 2, "x100 ms", 0 },
	{ EIS_SCG_NOMINAL_CP_DURATION,  "SCG_nominal_CP_duration",  SIM_UINT,  2, 2, "x100 ms", 0 },
	{ EIS_ORIGINAL_NETWORK_ID,      "original_network_ID",      SIM_UINT,  2, 2, NULL,      0 },
	{ EIS_ERROR_STATUS,             "error_status",             SIM_HEX,   2, 2, NULL,      0 },
	{ EIS_ERROR_INFORMATION,        "error_information",        SIM_TEXT,  0, UINT16_MAX, NULL, 0 },
	{ EIS_ERROR_DESCRIPTION,        "error_description",        SIM_TEXT,  0, UINT16_MAX, NULL, 0 },
};

/*
 * Which parameters are mandatory is certain for the identifiers only; for the others no text of clause 10 was at hand, so they are
 * wanted once and spared. original_network_ID came with version 3.
 */
#define CHANNEL ONE(EIS_CHANNEL_ID)
#define SCG ONE(EIS_CHANNEL_ID), ONE(EIS_SCG_ID)
#define ERRORS SOME(EIS_ERROR_STATUS), MANY(EIS_ERROR_INFORMATION), MANY(EIS_ERROR_DESCRIPTION)

static const struct sim_message messages[] = {
	{ EIS_CHANNEL_SETUP,     "channel_set-up",    USES(CHANNEL) },
	{ EIS_CHANNEL_TEST,      "channel_test",      USES(CHANNEL) },
	{ EIS_CHANNEL_STATUS,    "channel_status",    USES(CHANNEL, WANT(EIS_SERVICE_FLAG), WANT(EIS_COMPONENT_FLAG), WANT(EIS_MAX_SCG),
		WANT(EIS_CP_DURATION_FLAG)) },
	{ EIS_CHANNEL_CLOSE,     "channel_close",     USES(CHANNEL) },
	{ EIS_CHANNEL_ERROR,     "channel_error",     USES(CHANNEL, ERRORS) },
	{ EIS_CHANNEL_RESET,     "channel_reset",     USES(CHANNEL) },
	{ EIS_SCG_PROVISION,     "SCG_provision",     USES(SCG, WANT(EIS_TRANSPORT_STREAM_ID),
		{ EIS_ORIGINAL_NETWORK_ID, 1, 1, 3, 0, 1, 0, 0 }, WANT(EIS_SCG_REFERENCE_ID), WANT(EIS_RECOMMENDED_CP_DURATION),
		MANY(EIS_SERVICE_ID), MANY(EIS_COMPONENT_ID), OPT(EIS_ACTIVATION_TIME), MANY(EIS_ECM_GROUP)) },
	{ EIS_SCG_TEST,          "SCG_test",          USES(SCG) },
	{ EIS_SCG_STATUS,        "SCG_status",        USES(SCG, WANT(EIS_SCG_CURRENT_REFERENCE_ID), WANT(EIS_ACTIVATION_PENDING_FLAG),
		OPT(EIS_SCG_PENDING_REFERENCE_ID), WANT(EIS_SCG_NOMINAL_CP_DURATION)) },
	{ EIS_SCG_ERROR,         "SCG_error",         USES(SCG, ERRORS) },
	{ EIS_SCG_LIST_REQUEST,  "SCG_list_request",  USES(CHANNEL) },
	{ EIS_SCG_LIST_RESPONSE, "SCG_list_response", USES(CHANNEL, MANY(EIS_SCG_ID)) },
};
static const struct sim_message groups[] = {
	{ EIS_ECM_GROUP, "ECM_Group", USES(ONE(EIS_ECM_ID), ONE(EIS_SUPER_CAS_ID), WANT(EIS_ACCESS_CRITERIA), WANT(EIS_AC_CHANGED_FLAG)) },
};

/* No number for an unknown parameter_type here. */
static const struct sim_error errors[] = {
	{ SIM_MALFORMED, EIS_E_INVALID_MESSAGE }, { SIM_VERSION,    EIS_E_VERSION }, { SIM_NO_MESSAGE, EIS_E_MESSAGE_TYPE },
	{ SIM_TOO_LONG,  EIS_E_TOO_LONG },        { SIM_NO_PARAM,   EIS_E_INVALID_MESSAGE }, { SIM_BAD_LENGTH, EIS_E_LENGTH },
	{ SIM_MISSING,   EIS_E_MISSING },         { SIM_BAD_VALUE,  EIS_E_VALUE },   { SIM_REPEATED,   EIS_E_INVALID_MESSAGE },
};

static const struct sim_status statuses[] = {
	{ EIS_E_INVALID_MESSAGE, "invalid message", "the message's parameters do not fill it exactly, one that may stand once stands twice, one is unknown, or the message travels in the wrong direction",
	    "look at both peers' logs for the parameter and offset; capture the connection: tshark decodes it as simulcrypt" },
	{ EIS_E_VERSION, "unsupported protocol version", "the receiver does not speak the protocol_version of the message, or it changed within a connection",
	    "set the EIS's protocol version to 4 or, for older equipment, 3" },
	{ EIS_E_MESSAGE_TYPE, "unknown message_type value", "the receiver does not know the message and does not ignore unknown ones as clause 4.4.1 asks",
	    "find out which message the peer lacks; check that the EIS connects to the SCS's EIS port" },
	{ EIS_E_TOO_LONG, "message too long", "the message is longer than the receiver can take", "put fewer services, components or ECM_Groups into one SCG" },
	{ EIS_E_LENGTH, "inconsistent length for DVB parameter", "a parameter has a length that the standard does not allow",
	    "look at error_description or the log for the parameter; compare the protocol versions of both ends" },
	{ EIS_E_MISSING, "missing mandatory DVB parameter", "a parameter that the message must carry is not there",
	    "look at error_description or the log for the parameter; original_network_ID is mandatory from protocol_version 3 on" },
	{ EIS_E_VALUE, "invalid value for DVB parameter", "a value is outside what the receiver accepts",
	    "look at error_description or the log for the parameter; an activation_time in BCD instead of binary is a usual one" },
	{ EIS_E_CHANNEL_ID, "unknown EIS_channel_ID value", "the message names another channel than the one open on this connection, or none is open",
	    "usually a peer that lost its state: let the EIS reconnect and send its SCGs again" },
	{ EIS_E_SCG_ID, "unknown SCG_ID value", "the SCS has no scrambling control group of this number", "let the EIS ask for the list of SCGs and provision what is missing" },
	{ EIS_E_MAX_SCG, "maximum number of SCGs already defined", "the channel holds max_SCG groups", "remove SCGs that are over, or use another channel or SCS" },
	{ EIS_E_SERVICE_LEVEL, "service-level SCGs not supported", "the SCS scrambles elementary streams only (service_flag is 0)", "define the SCG by component_ID" },
	{ EIS_E_COMPONENT_LEVEL, "elementary-stream-level SCGs not supported", "the SCS scrambles whole services only (component_flag is 0)", "define the SCG by service_ID" },
	{ EIS_E_TOO_SOON, "activation_time possibly too soon", "the definition may take effect after its activation_time",
	    "send SCG_provision earlier: at least lead_CW crypto-periods and the KMSs' computing time ahead; check the clocks of both ends, which are UTC" },
	{ EIS_E_SPANS_TS, "SCG may not span transport streams", "the resources of one SCG lie in several transport streams", "make an SCG for each transport stream" },
	{ EIS_E_NO_RESOURCE, "resource does not exist on this SCG", "a service or component is not among those that the SCS knows", "compare the service_IDs of the EIS with the SCS's configuration" },
	{ EIS_E_RESOURCE_IN_USE, "resource already in another SCG", "a service or component belongs to another SCG still", "take it out of the other SCG first, with an earlier activation_time" },
	{ EIS_E_NO_ECM_GROUP, "content entries without ECM_Group", "the SCG has services or components and no ECM stream", "add an ECM_Group, or remove the entries so that they go in clear" },
	{ EIS_E_NO_CONTENT, "ECM_Group without content entries", "the SCG has ECM streams and nothing to scramble", "add a service_ID or component_ID" },
	{ EIS_E_CHANNEL_ID_IN_USE, "EIS_channel_ID value already in use", "another connection holds the channel identifier",
	    "stop the other EIS, or give each its own EIS_channel_ID; a stale connection ends by itself within seconds" },
	{ EIS_E_SUPER_CAS_ID, "unknown Super_CAS_ID value", "no KMS of this Super_CAS_id is configured", "compare super_cas_id of the KMSs with what the EIS sends" },
	{ EIS_E_UNKNOWN, "unknown error", "the peer failed for a reason it does not say", "look at the peer's log and at error_description" },
	{ EIS_E_UNRECOVERABLE, "unrecoverable error", "the peer cannot go on; the channel has to be closed", "let the EIS reconnect and send its SCGs again; look at the SCS if it repeats" },
};

/* V1.5.1 asks for version 4; event systems of version 3 are in use. */
const struct sim_iface eis_scs = { "EIS<=>SCS", 2, 4, TABLE(params), TABLE(messages), TABLE(errors), TABLE(statuses), TABLE(groups) };
