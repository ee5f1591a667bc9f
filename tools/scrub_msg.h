/*
 * tools/scrub_msg.h: SimulCrypt messages whose keys, access criteria, payloads, ids and texts are replaced by pseudonyms, in place: lengths, types,
 * versions, times, delays and flags stay, and whatever decodes before decodes after. No I/O; total on any octets.
 */
#ifndef TOOLS_SCRUB_MSG_H
#define TOOLS_SCRUB_MSG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/sim.h"
#include "tools/scrub_name.h"

/* What is replaced, by groups that a user can tell to keep; parameters that no table knows, and keys, never are kept. */
#define SCRUB_CLASSES(X) \
	X(SCRUB_KEYS,      "keys",      "control words and key material") \
	X(SCRUB_AC,        "ac",        "access criteria") \
	X(SCRUB_PAYLOAD,   "payload",   "ECMs, EMMs, STKMs, LTKMs, rights objects, sections, private data") \
	X(SCRUB_IDS,       "ids",       "Super_CAS_id, client_id, channel, stream, ECM, data and service ids, PIDs, key ids") \
	X(SCRUB_TEXT,      "text",      "error_information, names") \
	X(SCRUB_UNKNOWN,   "unknown",   "parameters that are not known here") \
	X(SCRUB_ADDRESSES, "addresses", "MAC and IP addresses") \
	X(SCRUB_PORTS,     "ports",     "TCP and UDP ports")
#define SCRUB_X(id, name, text) id,
enum scrub_class { SCRUB_CLASSES(SCRUB_X) SCRUB_NCLASSES };
#undef SCRUB_X
extern const char *const scrub_class_names[SCRUB_NCLASSES];

enum { SCRUB_COUNTS = 128 };
struct scrub_count { const char *name; enum scrub_class class; uint64_t n; };
struct scrub_pen {
	struct scrub_names *names;
	unsigned keep;			/* bits: 1 << class */
	struct scrub_count count[SCRUB_COUNTS]; size_t ncounts;	/* what was replaced, by the parameter's name, and how often */
	/* An id or an address that is replaced; NULL: not wanted. `to` as it is in the other capture. */
	void (*note)(void *self, enum scrub_class, const char *name, const uint8_t *from, const uint8_t *to, size_t n);
	void *self;
	uint8_t before[UINT16_MAX], scratch[UINT16_MAX];	/* a payload as it was; while it is made anew */
};

/*
 * A message of the interface, or the beginning of one: len octets from protocol_version on. section_TSpkt: as dec_session has it (-1: not
 * known); it says how datagrams are read, and decode reads what comes out as it read what went in.
 */
void scrub_message(struct scrub_pen *, const struct sim_iface *, int section_TSpkt, uint8_t *p, size_t len);
/* What an ECM_datagram or datagram holds: TS packets, a section, an STKM, LTKM or BCRO; anything else is replaced whole. */
void scrub_payload(struct scrub_pen *, int section_TSpkt, uint8_t *p, size_t len);
/* Notes that one is replaced; false: its class is kept. For addresses and ports, which are not within messages. */
bool scrub_wants(const struct scrub_pen *, enum scrub_class);
void scrub_counted(struct scrub_pen *, enum scrub_class, const char *name);
#endif
