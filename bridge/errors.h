/*
 * bridge/errors.h: errors from one side to the other (bcast-backend-xml 9 and 11.4): SimulCrypt's error_status, whose numbers below 0x7000 mean
 * different things on its two interfaces, and the @status of SP-4, its HTTP answers and its silence.
 */
#ifndef BRIDGE_ERRORS_H
#define BRIDGE_ERRORS_H
#include <stdint.h>

enum br_face { BR_ECMG, BR_MUX };	/* ECMG<=>SCS, EMMG<=>MUX */
enum br_status {			/* global status codes, those that the bridge gives itself */
	BR_OK = 0, BR_NOT_ENTITLED = 5, BR_SERVER_ERROR = 7, BR_SEMANTIC = 8, BR_NOT_PERMITTED = 11, BR_VERSION = 12, BR_NO_SERVICE = 15,
	BR_PROCESSED = 16, BR_MISSING = 17, BR_UNSPECIFIED = 18, BR_DELAYED = 19, BR_NOT_GENERATED = 20, BR_INVALID = 21,
	BR_WRONG_DESTINATION = 23, BR_WRONG_KEY = 24, BR_UNKNOWN_SOURCE = 26, BR_CONFLICT = 27,
};

/* @status (extended) for an error_status. */
unsigned br_status_of(enum br_face, uint16_t error_status);
/* error_status for an @status that is not 0; whatever exceeds 255 is BR_UNSPECIFIED. */
uint16_t br_error_of_status(unsigned status);
/* error_status for an HTTP status other than 200, or for none (0: no connection, no answer in time). After three periods of these an ECMG says 0x7001. */
uint16_t br_error_of_http(enum br_face, unsigned http);
#endif
