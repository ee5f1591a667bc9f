/*
 * tools/pt_guard.c: what a call is lent stands at the end of a page, with a page after it that nobody may touch, and is withdrawn
 * after the call. The addresses are not used again for long, so that a pointer that was kept is found out, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tools/pt.h"

enum { REGIONS = 4096, CANARY = 0xc5 };
#define ARENA ((size_t)512 << 20)

struct region { uint8_t *base, *p; size_t pages, len; const char *name; enum pt_lending how; bool lent; };
static struct region regions[REGIONS];	/* the latest ones; a handler of signals reads them */
static uint8_t *arena;
static size_t at, next, page;

void
pt_guard_init(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	arena = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED)
		abort();
	at = page;
}

/* A slot whose last tenant has gone; states keep theirs for long. */
static struct region *
slot(void)
{
	for (size_t k = 0; k < REGIONS; k++) {
		struct region *r = &regions[next++ % REGIONS];
		if (!r->lent)
			return r;
	}
	abort();
}

static bool
in_use(const uint8_t *base, size_t octets)
{
	for (size_t k = 0; k < REGIONS; k++)
		if (regions[k].lent && base < regions[k].base + (regions[k].pages + 1) * page && regions[k].base < base + octets)
			return true;
	return false;
}

void *
pt_lend(const char *name, enum pt_lending how, const void *from, size_t len)
{
	struct region *r = slot();
	const size_t pages = len ? (len + page - 1) / page : 1, octets = (pages + 1) * page;
	static bool wrapped;

	do {
		if (at + octets > ARENA) {
			at = page;
			wrapped = true;
		}
		r->base = arena + at;
		at += octets;
	} while (wrapped && in_use(r->base, octets));
	if (mprotect(r->base, pages * page, PROT_READ | PROT_WRITE) < 0)
		abort();
	*r = (struct region){ r->base, r->base + pages * page - len, pages, len, name, how, true };
	memset(r->base, CANARY, (size_t)(r->p - r->base));
	if (from && len)
		memcpy(r->p, from, len);
	else if (len)
		memset(r->p, 0, len);
	if (how == PT_CONST)
		mprotect(r->base, pages * page, PROT_READ);
	return r->p;
}

void
pt_withdraw(void *p)
{
	struct region *r = NULL;

	if (!p)
		return;
	for (size_t k = 1; k <= REGIONS && !(r && r->lent && r->p == p); k++)	/* the latest first */
		r = &regions[(next + REGIONS - k) % REGIONS];
	if (!r || !r->lent || r->p != p)
		abort();
	for (uint8_t *c = r->base; r->how == PT_OUT && c < r->p; c++)
		if (*c != CANARY) {
			pt_find(PT_R_OVERWRITE, "it wrote %zu octets before the beginning of %s", (size_t)(r->p - c), r->name);
			break;
		}
	madvise(r->base, r->pages * page, MADV_DONTNEED);	/* the octets are gone, too */
	mprotect(r->base, r->pages * page, PROT_NONE);
	r->lent = false;
}

/* The arena's pages tell by themselves what went wrong. Called in a handler of signals. */
bool
pt_guard_judge(const void *address, bool is_write, bool known, enum pt_rule_id *rule, char *text, size_t cap)
{
	const uint8_t *a = address;
	const struct region *best = NULL;
	const char *verb = !known ? "touched" : is_write ? "wrote" : "read";

	if (!arena || a < arena || a >= arena + ARENA)
		return false;
	for (size_t k = 0; k < REGIONS; k++) {
		const struct region *r = &regions[k];
		if (r->base && a >= r->base && a < r->base + (r->pages + 1) * page && (!best || r->lent))
			best = r;
	}
	if (!best)
		return false;
	if (a < best->base + best->pages * page && !best->lent) {
		*rule = PT_R_KEPT;
		snprintf(text, cap, "it %s %s (%zu octets) after the call that it was lent for", verb, best->name, best->len);
	} else if (a < best->base + best->pages * page) {
		*rule = PT_R_OVERWRITE;
		snprintf(text, cap, "it wrote into %s, which is const", best->name);
	} else {
		*rule = known && is_write ? PT_R_OVERWRITE : PT_R_OVERREAD;
		snprintf(text, cap, "it %s octet %zu of %s, which has %zu", verb, (size_t)(a - best->p), best->name, best->len);
	}
	return true;
}
