/*
 * proto/playout.h: the playout link, SCS to mux and scrambler (design.md 5): SimulCrypt TLV framing, protocol_version 1, own
 * numbers in the user-defined range. The SCS serves; followers connect and ask. Only committed records travel on it.
 *
 * follower_held         follower -> SCS   before follower_setup, once a service: the newest CP I hold (after a restart of the SCS)
 * follower_setup        follower -> SCS   who I am and what I follow
 * follower_status       SCS -> follower   welcome; answers follower_setup
 * follower_error        both              error_status, error_information: refused
 * link_test/link_status both              liveness; a test is answered by a status at once
 * ecm_record            SCS -> mux        one ECM of one stream of a committed CP; answered by ecm_ack. With `hold` the mux keeps it ready, and what is
 *                                         on air stays there; it comes again without when the CP's key goes out, just before that. So neither goes on
 *                                         without the other, should the SCS end in between. Sent again after a reconnection.
 * key_record            SCS -> scrambler  the key of a committed CP; answered by key_ack, with the
 *                                         fingerprint of the key that is held. Sent only when every mux has acknowledged its ECMs.
 * mode_record           SCS -> scrambler  a committed CP without a key: in clear, or nothing at all; as key_record otherwise
 * service_command       operator -> SCS   the service in clear, or scrambled again; answered by service_answer once it is stored
 * service_answer        SCS -> operator   when it takes effect (absent: it is so already), or error_status
 * service_end           SCS -> both       the service is gone (from `start` on): forget its keys, take its ECMs off the air
 * record_error          follower -> SCS   a record was refused: service, cp, of which stream, error_status, error_information; of a key source: the
 *                                         key of that cp could not be got, and why
 * key_request           SCS -> key source the keys of cp to last_cp are wanted, each octets long for this protection; asked again each second while
 *                                         the service waits, and once when the source comes
 * key_supply            key source -> SCS the key of one of them; answered by key_supply_ack once it is stored
 * key_supply_ack        SCS -> key source service, cp, and the fingerprint of the key that is stored; or error_status: it is not taken
 *
 * A record of a (service, cp) already held replaces it when it differs (a later start); acknowledged either way.
 */
#ifndef PROTO_PLAYOUT_H
#define PROTO_PLAYOUT_H
#include "proto/sim.h"

enum playout_message {
	PLAYOUT_FOLLOWER_SETUP = 0x9001, PLAYOUT_FOLLOWER_STATUS = 0x9002, PLAYOUT_FOLLOWER_ERROR = 0x9003,
	PLAYOUT_LINK_TEST = 0x9004, PLAYOUT_LINK_STATUS = 0x9005, PLAYOUT_FOLLOWER_HELD = 0x9006,
	PLAYOUT_ECM_RECORD = 0x9011, PLAYOUT_ECM_ACK = 0x9012,
	PLAYOUT_KEY_RECORD = 0x9021, PLAYOUT_KEY_ACK = 0x9022, PLAYOUT_MODE_RECORD = 0x9023,
	PLAYOUT_SERVICE_END = 0x9031, PLAYOUT_RECORD_ERROR = 0x9032,
	PLAYOUT_SERVICE_COMMAND = 0x9041, PLAYOUT_SERVICE_ANSWER = 0x9042,
	PLAYOUT_KEY_REQUEST = 0x9051, PLAYOUT_KEY_SUPPLY = 0x9052, PLAYOUT_KEY_SUPPLY_ACK = 0x9053,
};
enum playout_param {
	PLAYOUT_FOLLOWER_ROLE = 0x0001,		/* 1: 1 mux, 2 scrambler, 3 operator, 4 key source (its name: the bridge's) */
	PLAYOUT_FOLLOWER_NAME = 0x0002,		/* 1..64, text */
	PLAYOUT_HEAD_END = 0x0003,		/* 1..64, text */
	PLAYOUT_SERVICE = 0x0004,		/* 1..128, text: the protected unit */
	PLAYOUT_CP = 0x0005,			/* 8: the 64-bit crypto-period; the wire's CP_number is its low 16 bits */
	PLAYOUT_START = 0x0006,			/* 8, signed: UTC us */
	PLAYOUT_DURATION = 0x0007,		/* 4: ms, the plan */
	PLAYOUT_MIN_DURATION = 0x0008,		/* 4: ms, no CP may last less */
	PLAYOUT_EPOCH = 0x0009,			/* 8 */
	PLAYOUT_PROTECTION = 0x000a,		/* 1: 0 IPsec, 1 SRTP, 2 ISMACryp, 7 TS; 255 in a key_request or key_supply: a scrambler that is not ours */
	PLAYOUT_AUTHENTICATED = 0x000b,		/* 1: boolean */
	PLAYOUT_KEY_IDENTIFIER = 0x000c,	/* 1..8: SPI, MKI or key indicator */
	PLAYOUT_KEY_MATERIAL = 0x000d,		/* 8..48, secret: TEK, salt, TAS without padding */
	PLAYOUT_KMS = 0x000e,			/* 1..64, text: its name in the configuration */
	PLAYOUT_SUPER_CAS_ID = 0x000f,		/* 4 */
	PLAYOUT_ECM_ID = 0x0010,		/* 2 */
	PLAYOUT_SECTION_TSPKT = 0x0011,		/* 1: section_TSpkt_flag */
	PLAYOUT_DELAY_START = 0x0012,		/* 2, signed: ms; this ECM goes on air at start + this */
	PLAYOUT_PREVIOUS_DELAY_STOP = 0x0013,	/* 2, signed: ms; the ECM before it leaves the air at start + this */
	PLAYOUT_ECM_REP_PERIOD = 0x0014,	/* 2: ms; 0: the mux's own */
	PLAYOUT_ECM_DATAGRAM = 0x0015,		/* 0..65535; empty: no ECM on air for this CP */
	PLAYOUT_OUT = 0x0016,			/* 1..320, text: where it goes, an address of lib/addr.h */
	PLAYOUT_MODE = 0x0017,			/* 1: enum playout_mode */
	PLAYOUT_FINGERPRINT = 0x0018,		/* 8: the first octets of HMAC-SHA256(key_material, "fp"): names the key that is held, without showing it */
	PLAYOUT_LAST_CP = 0x0019,		/* 8: the last of several, as cp */
	PLAYOUT_KEY_LENGTH = 0x001a,		/* 1: octets of key_material */
	PLAYOUT_HOLD = 0x001b,			/* 1: boolean: not on air yet, whatever its times; a record that was let go before, with the same times, stays so */
	PLAYOUT_ERROR_STATUS = 0x7000,		/* 2 */
	PLAYOUT_ERROR_INFORMATION = 0x7001,	/* text */
};
enum playout_role { PLAYOUT_MUX = 1, PLAYOUT_SCRAMBLER = 2, PLAYOUT_OPERATOR = 3, PLAYOUT_KEY_SOURCE = 4 };
enum playout_mode { PLAYOUT_SCRAMBLED = 0, PLAYOUT_CLEAR = 1, PLAYOUT_MUTED = 2 };
enum playout_error { PLAYOUT_E_INVALID = 0x0001, PLAYOUT_E_VERSION = 0x0002, PLAYOUT_E_UNKNOWN = 0x0003,
	PLAYOUT_E_STATE = 0x0004, PLAYOUT_E_ROLE = 0x0005, PLAYOUT_E_PROTECTION = 0x0006, PLAYOUT_E_OUT = 0x0007, PLAYOUT_E_RESOURCES = 0x0008,
	PLAYOUT_E_STORE = 0x0009, PLAYOUT_E_CONFLICT = 0x000a, PLAYOUT_E_LENGTH = 0x000b, PLAYOUT_E_IDENTIFIER = 0x000c, PLAYOUT_E_OVER = 0x000d,
	PLAYOUT_E_NO_KEY = 0x000e };
enum { PLAYOUT_VERSION = 1 };

extern const struct sim_iface playout;
#endif
