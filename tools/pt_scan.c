/* tools/pt_scan.c: control words that are still in the process when the state that had them is closed */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/secret.h"
#include "tools/pt.h"

enum { NEEDLES = 64, PIECE = 8, CW_MAX = 64, MAPS = 1 << 18 };
#define MASK UINT64_C(0x6b8b4567327b23c6)	/* what is looked for is itself in memory: in another form */
#define TOO_LARGE ((size_t)1 << 30)		/* no heap, but room that somebody has reserved */

static uint64_t needles[NEEDLES];
static size_t nneedles;
static bool may[65536];				/* by the first two octets */

static void
add(const uint8_t *p)
{
	uint64_t v;

	if (nneedles == NEEDLES)
		return;
	memcpy(&v, p, PIECE);
	may[(v ^ MASK) & 0xffff] = true;
	needles[nneedles++] = v ^ MASK;
}

void
pt_scan_add(const struct pt_ask *a)
{
	uint8_t cw[CW_MAX];

	if (a->cw_len < PIECE || a->cw_len > sizeof(cw))
		return;
	pt_cw(a, a->cp, cw);
	add(cw + a->cw_len - PIECE);		/* malloc() writes over the first octets of what is freed */
	gw_cleanse(cw, sizeof(cw));
}

static size_t
search(const uint8_t *p, size_t len)
{
	size_t found = 0;
	uint64_t v;

	for (size_t i = 0; i + PIECE <= len; i++) {
		memcpy(&v, p + i, PIECE);
		v ^= MASK;
		if (may[v & 0xffff])
			for (size_t k = 0; k < nneedles; k++)
				found += needles[k] == v;
	}
	return found;
}

/* Writable private memory, but for the stack, on which spent frames of OpenSSL's lie as well. */
size_t
pt_scan(char *where, size_t cap)
{
	static char maps[MAPS];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t n = 0, all = 0;
	ssize_t got;

	while (fd >= 0 && n < sizeof(maps) - 1 && (got = read(fd, maps + n, sizeof(maps) - 1 - n)) > 0)
		n += (size_t)got;
	maps[n] = '\0';
	if (fd >= 0)
		close(fd);
	for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long long from, to;
		char perms[8], name[256] = "";

		if (sscanf(line, "%llx-%llx %7s %*s %*s %*s %255[^\n]", &from, &to, perms, name) < 3 || strncmp(perms, "rw-p", 4) != 0)
			continue;
		if (strcmp(name, "[stack]") == 0 || to - from > TOO_LARGE)
			continue;
		const size_t found = search((const uint8_t *)(uintptr_t)from, (size_t)(to - from));
		if (found && !all)
			snprintf(where, cap, "%s", strcmp(name, "[heap]") == 0 ? "the heap" : *name ? name : "the heap or the stack of a thread");
		all += found;
	}
	return all;
}
