/* proto/playout.c: the playout link's tables; who sends what is in the header */
#include "proto/playout.h"

static const struct sim_param params[] = {
	{ PLAYOUT_FOLLOWER_ROLE,       "follower_role",       SIM_UINT,  1, 1,    NULL, 0 },
	{ PLAYOUT_FOLLOWER_NAME,       "follower_name",       SIM_TEXT,  1, 64,   NULL, 0 },
	{ PLAYOUT_HEAD_END,            "head_end",            SIM_TEXT,  1, 64,   NULL, 0 },
	{ PLAYOUT_SERVICE,             "service",             SIM_TEXT,  1, 128,  NULL, 0 },
	{ PLAYOUT_CP,                  "cp",                  SIM_UINT,  8, 8,    NULL, 0 },
	{ PLAYOUT_START,               "start",               SIM_INT,   8, 8,    "us", 0 },
	{ PLAYOUT_DURATION,            "duration",            SIM_UINT,  4, 4,    "ms", 0 },
	{ PLAYOUT_MIN_DURATION,        "min_duration",        SIM_UINT,  4, 4,    "ms", 0 },
	{ PLAYOUT_EPOCH,               "epoch",               SIM_UINT,  8, 8,    NULL, 0 },
	{ PLAYOUT_PROTECTION,          "protection",          SIM_UINT,  1, 1,    NULL, 0 },
	{ PLAYOUT_AUTHENTICATED,       "authenticated",       SIM_UINT,  1, 1,    NULL, 0 },
	{ PLAYOUT_KEY_IDENTIFIER,      "key_identifier",      SIM_BYTES, 1, 8,    NULL, 0 },
	{ PLAYOUT_KEY_MATERIAL,        "key_material",        SIM_BYTES, 8, 48,   NULL, SIM_SECRET },
	{ PLAYOUT_KMS,                 "kms",                 SIM_TEXT,  1, 64,   NULL, 0 },
	{ PLAYOUT_SUPER_CAS_ID,        "Super_CAS_id",        SIM_HEX,   4, 4,    NULL, 0 },
	{ PLAYOUT_ECM_ID,              "ECM_id",              SIM_UINT,  2, 2,    NULL, 0 },
	{ PLAYOUT_SECTION_TSPKT,       "section_TSpkt_flag",  SIM_UINT,  1, 1,    NULL, 0 },
	{ PLAYOUT_DELAY_START,         "delay_start",         SIM_INT,   2, 2,    "ms", 0 },
	{ PLAYOUT_PREVIOUS_DELAY_STOP, "previous_delay_stop", SIM_INT,   2, 2,    "ms", 0 },
	{ PLAYOUT_ECM_REP_PERIOD,      "ECM_rep_period",      SIM_UINT,  2, 2,    "ms", 0 },
	{ PLAYOUT_ECM_DATAGRAM,        "ECM_datagram",        SIM_BYTES, 0, UINT16_MAX, NULL, 0 },
	{ PLAYOUT_OUT,                 "out",                 SIM_TEXT,  1, 320,  NULL, 0 },
	{ PLAYOUT_MODE,                "mode",                SIM_UINT,  1, 1,    NULL, 0 },
	{ PLAYOUT_FINGERPRINT,         "fingerprint",         SIM_BYTES, 8, 8,    NULL, 0 },
	{ PLAYOUT_LAST_CP,             "last_cp",             SIM_UINT,  8, 8,    NULL, 0 },
	{ PLAYOUT_KEY_LENGTH,          "key_length",          SIM_UINT,  1, 1,    "octets", 0 },
	{ PLAYOUT_HOLD,                "hold",                SIM_UINT,  1, 1,    NULL, 0 },
	{ PLAYOUT_ERROR_STATUS,        "error_status",        SIM_HEX,   2, 2,    NULL, 0 },
	{ PLAYOUT_ERROR_INFORMATION,   "error_information",   SIM_TEXT,  0, UINT16_MAX, NULL, 0 },
};

#define CP ONE(PLAYOUT_SERVICE), ONE(PLAYOUT_CP)
#define ERROR ONE(PLAYOUT_ERROR_STATUS), MANY(PLAYOUT_ERROR_INFORMATION)

static const struct sim_message messages[] = {
	{ PLAYOUT_FOLLOWER_SETUP,  "follower_setup",  USES(ONE(PLAYOUT_FOLLOWER_ROLE), ONE(PLAYOUT_FOLLOWER_NAME), MANY(PLAYOUT_SERVICE)) },
	{ PLAYOUT_FOLLOWER_STATUS, "follower_status", USES(ONE(PLAYOUT_HEAD_END), OPT(PLAYOUT_EPOCH)) },
	{ PLAYOUT_FOLLOWER_ERROR,  "follower_error",  USES(ERROR) },
	{ PLAYOUT_LINK_TEST,       "link_test",       NULL, 0 },
	{ PLAYOUT_LINK_STATUS,     "link_status",     NULL, 0 },
	{ PLAYOUT_FOLLOWER_HELD,   "follower_held",   USES(CP) },
	/* no hold: an SCS of an earlier release */
	{ PLAYOUT_ECM_RECORD,      "ecm_record",      USES(CP, ONE(PLAYOUT_START), ONE(PLAYOUT_EPOCH), ONE(PLAYOUT_KMS),
		ONE(PLAYOUT_SUPER_CAS_ID), ONE(PLAYOUT_ECM_ID), ONE(PLAYOUT_SECTION_TSPKT), ONE(PLAYOUT_DELAY_START),
		ONE(PLAYOUT_PREVIOUS_DELAY_STOP), ONE(PLAYOUT_ECM_REP_PERIOD), ONE(PLAYOUT_OUT), ONE(PLAYOUT_ECM_DATAGRAM), OPT(PLAYOUT_HOLD)) },
	{ PLAYOUT_ECM_ACK,         "ecm_ack",         USES(CP, ONE(PLAYOUT_SUPER_CAS_ID), ONE(PLAYOUT_ECM_ID)) },
	/* no key_identifier: a scrambler that needs none (dvb-cissa, none) */
	{ PLAYOUT_KEY_RECORD,      "key_record",      USES(CP, ONE(PLAYOUT_START), ONE(PLAYOUT_DURATION), ONE(PLAYOUT_MIN_DURATION),
		ONE(PLAYOUT_EPOCH), ONE(PLAYOUT_PROTECTION), ONE(PLAYOUT_AUTHENTICATED), OPT(PLAYOUT_KEY_IDENTIFIER),
		ONE(PLAYOUT_KEY_MATERIAL)) },
	/* no fingerprint: a record without a key, one that is over, or a scrambler of an earlier release */
	{ PLAYOUT_KEY_ACK,         "key_ack",         USES(CP, OPT(PLAYOUT_FINGERPRINT)) },
	{ PLAYOUT_MODE_RECORD,     "mode_record",     USES(CP, ONE(PLAYOUT_START), ONE(PLAYOUT_EPOCH), ONE(PLAYOUT_MODE)) },
	{ PLAYOUT_SERVICE_COMMAND, "service_command", USES(ONE(PLAYOUT_SERVICE), ONE(PLAYOUT_MODE)) },
	{ PLAYOUT_SERVICE_ANSWER,  "service_answer",  USES(ONE(PLAYOUT_SERVICE), ONE(PLAYOUT_MODE), OPT(PLAYOUT_START),
		OPT(PLAYOUT_ERROR_STATUS), OPT(PLAYOUT_ERROR_INFORMATION)) },
	{ PLAYOUT_SERVICE_END,     "service_end",     USES(ONE(PLAYOUT_SERVICE), ONE(PLAYOUT_START)) },
	{ PLAYOUT_KEY_REQUEST,     "key_request",     USES(CP, ONE(PLAYOUT_LAST_CP), ONE(PLAYOUT_DURATION), ONE(PLAYOUT_PROTECTION),
		ONE(PLAYOUT_AUTHENTICATED), ONE(PLAYOUT_KEY_LENGTH)) },
	/* no key_identifier: the SCS's own */
	{ PLAYOUT_KEY_SUPPLY,      "key_supply",      USES(CP, ONE(PLAYOUT_PROTECTION), ONE(PLAYOUT_AUTHENTICATED), OPT(PLAYOUT_KEY_IDENTIFIER),
		ONE(PLAYOUT_KEY_MATERIAL)) },
	{ PLAYOUT_KEY_SUPPLY_ACK,  "key_supply_ack",  USES(CP, OPT(PLAYOUT_FINGERPRINT), OPT(PLAYOUT_ERROR_STATUS),
		OPT(PLAYOUT_ERROR_INFORMATION)) },
	{ PLAYOUT_RECORD_ERROR,    "record_error",    USES(CP, OPT(PLAYOUT_SUPER_CAS_ID), OPT(PLAYOUT_ECM_ID), ERROR) },
};

static const struct sim_error errors[] = {
	{ SIM_MALFORMED, PLAYOUT_E_INVALID }, { SIM_VERSION,   PLAYOUT_E_VERSION }, { SIM_NO_MESSAGE, PLAYOUT_E_INVALID },
	{ SIM_TOO_LONG,  PLAYOUT_E_INVALID }, { SIM_NO_PARAM,  PLAYOUT_E_INVALID }, { SIM_BAD_LENGTH, PLAYOUT_E_INVALID },
	{ SIM_MISSING,   PLAYOUT_E_INVALID }, { SIM_BAD_VALUE, PLAYOUT_E_INVALID }, { SIM_REPEATED,   PLAYOUT_E_INVALID },
};

static const struct sim_status statuses[] = {
	{ PLAYOUT_E_INVALID, "invalid message", "the message is malformed", "compare the versions of the SCS and its followers; they belong together" },
	{ PLAYOUT_E_VERSION, "unsupported protocol version", "the peer speaks another version of the playout link", "install the same release on both hosts" },
	{ PLAYOUT_E_UNKNOWN, "unknown service", "the service is not in this process's configuration", "give SCS, mux and scrambler the same configuration file and reload them" },
	{ PLAYOUT_E_STATE, "out of state", "the message came before follower_setup, or twice", "restart the follower" },
	{ PLAYOUT_E_ROLE, "wrong role", "a mux was sent a key, a scrambler an ECM, or the role is none of these", "check which process connects to which socket" },
	{ PLAYOUT_E_PROTECTION, "protection not available", "the scrambler cannot do this protection or takes no such key", "compare scrambling of the service in both configurations" },
	{ PLAYOUT_E_OUT, "output not usable", "the mux cannot send to this address", "check out of the service's stkm and the host's interfaces" },
	{ PLAYOUT_E_RESOURCES, "out of resources", "the follower has no room for another record", "look at the follower's memory and its status" },
	{ PLAYOUT_E_STORE, "not stored", "the command could not be stored, so it was not obeyed", "look at the SCS's log and the disk of its state directory, then command again" },
	{ PLAYOUT_E_CONFLICT, "another key", "the crypto-period has a key already, and it is another one", "look for a second BSM, or one that has lost its keys, behind the service" },
	{ PLAYOUT_E_LENGTH, "wrong key length", "the key has not the length that the protection takes", "compare scrambling and authentication of the service with those of its BSM" },
	{ PLAYOUT_E_IDENTIFIER, "key identifier not usable", "the scrambler cannot name the key so", "let the BSM leave KeyId out, or give the one that the protection takes" },
	{ PLAYOUT_E_OVER, "crypto-period not wanted", "the crypto-period is over, or too far ahead", "compare the crypto-period numbers of the BSM with those of the service" },
	{ PLAYOUT_E_NO_KEY, "no key", "the key source could not get the key that is wanted", "look at the bridge's log and status, and at the BSM behind it" },
};

const struct sim_iface playout = { "playout", PLAYOUT_VERSION, PLAYOUT_VERSION, TABLE(params), TABLE(messages), TABLE(errors), TABLE(statuses), NULL, 0 };
