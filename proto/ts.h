/*
 * proto/ts.h: MPEG-2 transport stream packets and the sections that say what a PID carries (ISO/IEC 13818-1, 2.4.3 and 2.4.4). Pure;
 * bounded memory without allocation.
 *
 * PSI is gathered to learn which PIDs a scrambler leaves clear: PMTs and network information as the PAT names them, ECMs by the CA_descriptors
 * of the PMTs, EMMs by those of the CAT. A doubt (a table that is not whole, or more of them than there is room) leaves a PID out, so
 * that it counts as media; and a PID that a PMT names as an elementary stream is media whoever else claims it.
 */
#ifndef PROTO_TS_H
#define PROTO_TS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TS_PACKET = 188, TS_HEADER = 4, TS_SYNC = 0x47,
	TS_PIDS = 0x2000, TS_NULL = 0x1fff,
	TS_SI_LAST = 0x1f,	/* PIDs up to here are PSI and SI by their number */
	TS_SECTION = 1024,	/* octets of a section of PAT, CAT or PMT at most */
};
/* bits of octets 1 and 3, as they stand there */
enum { TS_ERROR = 0x80, TS_UNIT_START = 0x40, TS_SCRAMBLED = 0xc0, TS_EVEN = 0x80, TS_ODD = 0xc0, TS_ADAPTATION = 0x20, TS_PAYLOAD = 0x10, TS_COUNTER = 0x0f };

static inline uint16_t
ts_pid(const uint8_t p[TS_HEADER])
{
	return (uint16_t)((p[1] & 0x1f) << 8 | p[2]);
}

struct ts_packet {
	uint16_t pid;
	bool error;		/* transport_error_indicator: nothing else in the packet can be relied on */
	bool unit_start, discontinuity;
	uint8_t scrambling;	/* 0 or transport_scrambling_control, in place: TS_EVEN, TS_ODD, or the reserved 0x40 */
	uint8_t counter;	/* continuity_counter */
	uint8_t at, len;	/* the payload's place; len 0: there is none */
};
/* 0, or -1: no sync octet, the reserved adaptation_field_control, or an adaptation field that does not fit. */
int ts_parse(const uint8_t packet[TS_PACKET], struct ts_packet *);

enum { TS_PROGRAMS = 128, TS_LINKS = 512, TS_GATHERS = 4 };	/* programs; ECM, EMM and elementary PIDs; sections begun at a time */
struct ts_program { uint16_t number, pid; uint8_t section; bool stale; uint32_t crc; };	/* pid 0: free; crc of its PMT, 0: none yet */
struct ts_link { uint16_t pid; uint8_t of; bool elementary; };	/* of: which program, or TS_PROGRAMS + section_number of the CAT */
struct ts_gather { uint16_t pid, fill; bool busy; uint8_t counter; uint32_t since; uint8_t p[TS_SECTION]; };
struct ts_psi {
	uint8_t clear[TS_PIDS / 8], pmt[TS_PIDS / 8];	/* a bit a PID */
	bool pat;			/* there was one */
	uint8_t pat_version, cat_version;
	bool overflow;			/* something had no room */
	uint32_t begun;
	struct ts_program programs[TS_PROGRAMS];
	struct ts_link links[TS_LINKS]; size_t nlinks;
	struct ts_gather gather[TS_GATHERS];
};
void ts_psi_init(struct ts_psi *);
/* A packet of any PID, in order; looks only at unscrambled ones of PAT, CAT and PMTs. The same packet twice does nothing. */
void ts_psi_feed(struct ts_psi *, const uint8_t packet[TS_PACKET], const struct ts_packet *);
/* Is it PSI, SI, ECM, EMM or stuffing (TS_NULL), as far as is known? */
static inline bool
ts_psi_clear(const struct ts_psi *t, uint16_t pid)
{
	return t->clear[pid >> 3] >> (pid & 7) & 1;
}

/* CRC_32 of annex A; over a whole section it is 0. */
uint32_t ts_crc(const void *p, size_t len);
#endif
