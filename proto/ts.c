/* proto/ts.c: see ts.h */
#include "proto/ts.h"
#include <string.h>

enum { PAT_PID = 0, CAT_PID = 1, PAT = 0, CAT = 1, PMT = 2, CA_DESCRIPTOR = 9 };
enum { FREE_PIDS = 0x10 };	/* below: never media (table 2-3) */
enum { SECTION_HEADER = 8, CRC = 4, STUFFING = 0xff, NO_VERSION = 0xff };

int
ts_parse(const uint8_t p[TS_PACKET], struct ts_packet *k)
{
	unsigned at = TS_HEADER, field = p[3] & TS_ADAPTATION ? p[4] + 1u : 0;

	if (p[0] != TS_SYNC || !(p[3] & (TS_ADAPTATION | TS_PAYLOAD)) || at + field > TS_PACKET)
		return -1;
	at += field;
	*k = (struct ts_packet){ .pid = ts_pid(p), .error = p[1] & TS_ERROR, .unit_start = p[1] & TS_UNIT_START,
		.discontinuity = field > 1 && p[5] & 0x80, .scrambling = p[3] & TS_SCRAMBLED, .counter = p[3] & TS_COUNTER,
		.at = (uint8_t)at, .len = p[3] & TS_PAYLOAD ? (uint8_t)(TS_PACKET - at) : 0 };
	return 0;
}

uint32_t
ts_crc(const void *bytes, size_t len)
{
	/* of a nibble, polynomial 0x04c11db7 */
	static const uint32_t table[16] = { 0x00000000, 0x04c11db7, 0x09823b6e, 0x0d4326d9, 0x130476dc, 0x17c56b6b, 0x1a864db2, 0x1e475005,
		0x2608edb8, 0x22c9f00f, 0x2f8ad6d6, 0x2b4bcb61, 0x350c9b64, 0x31cd86d3, 0x3c8ea00a, 0x384fbdbd };
	const uint8_t *p = bytes;
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc = crc << 4 ^ table[crc >> 28 ^ p[i] >> 4];
		crc = crc << 4 ^ table[crc >> 28 ^ (p[i] & 15u)];
	}
	return crc;
}

static unsigned be16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }
static unsigned pid_at(const uint8_t *p) { return be16(p) & 0x1fff; }
static unsigned length_at(const uint8_t *p) { return be16(p) & 0x0fff; }

static void
set(uint8_t *bits, uint16_t pid, bool on)
{
	if (on)
		bits[pid >> 3] |= (uint8_t)(1 << (pid & 7));
	else
		bits[pid >> 3] &= (uint8_t)~(1 << (pid & 7));
}

/* The sets of PIDs from what the tables say; elementary streams last, so that whoever else claims one does not get it. */
static void
settle(struct ts_psi *t)
{
	memset(t->clear, 0, sizeof(t->clear));
	memset(t->pmt, 0, sizeof(t->pmt));
	for (uint16_t pid = 0; pid <= TS_SI_LAST; pid++)
		set(t->clear, pid, true);
	set(t->clear, TS_NULL, true);
	for (size_t i = 0; i < TS_PROGRAMS; i++)
		if (t->programs[i].pid) {
			set(t->clear, t->programs[i].pid, true);
			set(t->pmt, t->programs[i].pid, t->programs[i].number != 0);
		}
	for (size_t i = 0; i < t->nlinks; i++)
		if (!t->links[i].elementary)
			set(t->clear, t->links[i].pid, true);
	for (size_t i = 0; i < t->nlinks; i++)
		if (t->links[i].elementary)
			set(t->clear, t->links[i].pid, false);
}

void
ts_psi_init(struct ts_psi *t)
{
	memset(t, 0, sizeof(*t));
	t->pat_version = t->cat_version = NO_VERSION;
	settle(t);
}

/* ---- what the tables say ---- */

static void
add_link(struct ts_psi *t, unsigned of, unsigned pid, bool elementary)
{
	if (pid < FREE_PIDS || pid == TS_NULL)
		return;
	if (t->nlinks == TS_LINKS)
		t->overflow = true;
	else
		t->links[t->nlinks++] = (struct ts_link){ (uint16_t)pid, (uint8_t)of, elementary };
}

static void
drop_links(struct ts_psi *t, unsigned from, unsigned upto)
{
	size_t n = 0;

	for (size_t i = 0; i < t->nlinks; i++)
		if (t->links[i].of < from || t->links[i].of >= upto)
			t->links[n++] = t->links[i];
	t->nlinks = n;
}

static void
add_ca(struct ts_psi *t, unsigned of, const uint8_t *p, size_t len)
{
	for (size_t n; len >= 2 && (n = 2u + p[1]) <= len; p += n, len -= n)
		if (p[0] == CA_DESCRIPTOR && n >= 6)
			add_link(t, of, pid_at(p + 4), false);
}

static void
add_program(struct ts_psi *t, uint16_t number, uint16_t pid, uint8_t section)
{
	struct ts_program *room = NULL;

	if (pid <= TS_SI_LAST || pid == TS_NULL)
		return;
	for (size_t i = 0; i < TS_PROGRAMS; i++) {
		struct ts_program *g = &t->programs[i];
		if (g->pid == pid && g->number == number) {
			g->stale = false;
			g->section = section;
			return;
		}
		if (!g->pid && !room)
			room = g;
	}
	if (room)
		*room = (struct ts_program){ .number = number, .pid = pid, .section = section };
	else
		t->overflow = true;
}

/* p: the body between header and CRC. A section replaces what the same one said before; a new version, all of the one before. */
static void
take_pat(struct ts_psi *t, const uint8_t *header, const uint8_t *p, size_t len)
{
	uint8_t version = header[5] >> 1 & 0x1f;

	for (size_t i = 0; i < TS_PROGRAMS; i++)
		t->programs[i].stale = t->programs[i].section == header[6] || version != t->pat_version;
	for (; len >= 4; p += 4, len -= 4)
		add_program(t, (uint16_t)be16(p), (uint16_t)pid_at(p + 2), header[6]);
	for (unsigned i = 0; i < TS_PROGRAMS; i++)
		if (t->programs[i].pid && t->programs[i].stale) {
			drop_links(t, i, i + 1);
			t->programs[i] = (struct ts_program){ 0 };
		}
	t->pat = true;
	t->pat_version = version;
}

static void
take_cat(struct ts_psi *t, const uint8_t *header, const uint8_t *p, size_t len)
{
	uint8_t version = header[5] >> 1 & 0x1f;
	unsigned of = TS_PROGRAMS + (header[6] & 0x1f);		/* a CAT of more sections is not likely: they replace one another */

	drop_links(t, version == t->cat_version ? of : TS_PROGRAMS, version == t->cat_version ? of + 1 : UINT8_MAX);
	add_ca(t, of, p, len);
	t->cat_version = version;
}

static void
take_pmt(struct ts_psi *t, unsigned of, const uint8_t *p, size_t len)
{
	size_t n;

	drop_links(t, of, of + 1);
	if (len < 4 || (n = length_at(p + 2)) > len - 4)
		return;
	add_ca(t, of, p + 4, n);
	for (p += 4 + n, len -= 4 + n; len >= 5 && (n = length_at(p + 3)) <= len - 5; p += 5 + n, len -= 5 + n) {
		add_link(t, of, pid_at(p + 1), true);
		add_ca(t, of, p + 5, n);
	}
}

static struct ts_program *
program_of(struct ts_psi *t, uint16_t pid, unsigned number)
{
	for (size_t i = 0; i < TS_PROGRAMS; i++)
		if (t->programs[i].pid == pid && t->programs[i].number == number && number != 0)
			return &t->programs[i];
	return NULL;
}

/* A whole section of PAT, CAT or PMT that is in force, in the syntax that they have. */
static void
take(struct ts_psi *t, uint16_t pid, const uint8_t *p, size_t len)
{
	static const uint16_t wants[] = { [PAT] = PAT_PID, [CAT] = CAT_PID };
	struct ts_program *program = NULL;
	const uint8_t *body = p + SECTION_HEADER;
	uint32_t crc;

	if (len < SECTION_HEADER + CRC || !(p[1] & 0x80) || !(p[5] & 1))
		return;
	if (p[0] == PMT ? !(program = program_of(t, pid, be16(p + 3))) : p[0] > PMT || wants[p[0]] != pid)
		return;
	crc = (uint32_t)be16(p + len - CRC) << 16 | be16(p + len - 2);
	if (program && program->crc == crc)	/* as before */
		return;
	if (ts_crc(p, len) != 0)
		return;
	len -= SECTION_HEADER + CRC;
	if (p[0] == PAT)
		take_pat(t, p, body, len);
	else if (p[0] == CAT)
		take_cat(t, p, body, len);
	else
		take_pmt(t, (unsigned)(program - t->programs), body, len);
	if (program)
		program->crc = crc;
	settle(t);
}

/* ---- sections from packets ---- */

static struct ts_gather *
begun(struct ts_psi *t, uint16_t pid)
{
	for (size_t i = 0; i < TS_GATHERS; i++)
		if (t->gather[i].busy && t->gather[i].pid == pid)
			return &t->gather[i];
	return NULL;
}

/* Room for a section that goes on in the next packet: at need that of the one begun first. */
static struct ts_gather *
begin(struct ts_psi *t, const struct ts_packet *k)
{
	struct ts_gather *g = &t->gather[0];

	for (size_t i = 0; i < TS_GATHERS; i++) {
		struct ts_gather *o = &t->gather[i];
		if (!o->busy || (g->busy && t->begun - o->since > t->begun - g->since))
			g = o;
	}
	t->overflow |= g->busy;
	g->busy = true;
	g->pid = k->pid;
	g->counter = k->counter;
	g->since = ++t->begun;
	g->fill = 0;
	return g;
}

static size_t
need(const uint8_t *p, size_t have)
{
	return have < 3 ? 3 : 3 + length_at(p + 1);
}

/* As much of p as the section lacks; done with it when it is whole or can never be. */
static void
append(struct ts_psi *t, struct ts_gather *g, const uint8_t *p, size_t len)
{
	size_t n;

	while (len > 0 && g->fill < (n = need(g->p, g->fill)) && n <= TS_SECTION) {
		n = n - g->fill < len ? n - g->fill : len;
		memcpy(g->p + g->fill, p, n);
		g->fill = (uint16_t)(g->fill + n);
		p += n;
		len -= n;
	}
	n = need(g->p, g->fill);
	g->busy = n <= TS_SECTION && g->fill < n;
	if (g->fill >= 3 && g->fill == n)
		take(t, g->pid, g->p, n);
}

static void
sections(struct ts_psi *t, const struct ts_packet *k, const uint8_t *p, size_t len)
{
	for (size_t n; len > 0 && p[0] != STUFFING; p += n, len -= n) {
		n = need(p, len);
		if (n > TS_SECTION)
			return;
		if (len < 3 || n > len) {
			append(t, begin(t, k), p, len);
			return;
		}
		take(t, k->pid, p, n);
	}
}

void
ts_psi_feed(struct ts_psi *t, const uint8_t packet[TS_PACKET], const struct ts_packet *k)
{
	const uint8_t *p = packet + k->at;
	struct ts_gather *g;
	size_t pointer;

	if (k->len == 0 || k->error || k->scrambling || (k->pid > CAT_PID && !(t->pmt[k->pid >> 3] >> (k->pid & 7) & 1)))
		return;
	g = begun(t, k->pid);
	if (g && k->counter == g->counter)	/* sent twice (2.4.3.3) */
		return;
	if (g && k->counter != ((g->counter + 1) & TS_COUNTER)) {
		g->busy = false;
		g = NULL;
	}
	if (g)
		g->counter = k->counter;
	if (!k->unit_start) {
		if (g)
			append(t, g, p, k->len);
		return;
	}
	pointer = p[0];
	if (pointer >= k->len) {
		if (g)
			g->busy = false;
		return;
	}
	if (g) {
		append(t, g, p + 1, pointer);
		g->busy = false;
	}
	sections(t, k, p + 1 + pointer, k->len - 1 - pointer);
}
