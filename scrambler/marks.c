/*
 * scrambler/marks.c: which numbers of a sender are spent (indices, sequence numbers, offsets), in a mapped file STATE/spent-UNIT. A
 * scrambler that comes back within a crypto-period is given the same key; going on where the old one stopped keeps receivers in step
 * and key streams apart. The page cache outlives the process, not the machine: after a loss of power the last seconds may be missing.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "scrambler/scrambler.h"

enum { LAYOUT = 2 };	/* of what stands in the file; 1 was another release's, without this header */
struct file {
	char magic[32];
	uint8_t layout, protection, spare[6];
	uint64_t len;		/* of what follows */
	int64_t until_us;	/* UTC: a key was in use then, or is to be by the plan */
	_Alignas(16) uint8_t marks[];
};
static const char magic[32] = "simulgate spent numbers";
enum { GRACE_S = 3600 };	/* the SCS may have a scrambler that comes back go on with it for as long */

/* Names may hold anything; a file name may not. */
static void
append(char *path, size_t cap, const char *name)
{
	size_t n = strlen(path);

	for (; *name && n + 4 < cap; name++)
		n += (size_t)snprintf(path + n, cap - n, isalnum((unsigned char)*name) || strchr("._", *name) ? "%c" : "%%%02x",
		    (unsigned char)*name);
}

/* What is there is of another protection, size or release: it may be begun anew once its keys are over. */
static bool
over(const struct file *f, const struct stat *st)
{
	int64_t until = st->st_size >= (off_t)sizeof(*f) && memcmp(f->magic, magic, sizeof(magic)) == 0 ? f->until_us / 1000000 :
	    (int64_t)st->st_mtime + 24 * GRACE_S;

	return gw_utc_us() / 1000000 > until + GRACE_S;
}

static bool
fits(const struct file *f, const struct stat *st, enum he_scrambling protection, size_t len)
{
	return st->st_size == (off_t)(sizeof(*f) + len) && memcmp(f->magic, magic, sizeof(magic)) == 0 && f->layout == LAYOUT &&
	    f->protection == (uint8_t)protection && f->len == len;
}

/* Maps the open file, begun anew where nothing is in it that must be kept. */
static int
map(struct scr_marks *m, enum he_scrambling protection, size_t len, struct gw_err *err)
{
	struct stat st;
	struct file *f;
	bool fresh;

	m->len = sizeof(*f) + len;
	if (fstat(m->fd, &st) < 0 || (st.st_size < (off_t)m->len && ftruncate(m->fd, (off_t)m->len) < 0) ||
	    (m->map = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0)) == MAP_FAILED) {
		m->map = NULL;
		return gw_fail(err, GW_ESYS, "%s: %s", m->path, strerror(errno));
	}
	f = m->map;
	fresh = st.st_size == 0;
	if (!fresh && !fits(f, &st, protection, len)) {
		if (!over(f, &st)) {
			gw_fail(err, GW_ESTORE, "%s: damaged, or of another protection, number of sources or release; remove it when its "
			    "crypto-period is over", m->path);
			return ftruncate(m->fd, st.st_size) < 0 ? gw_wrap(err, "%s: ", strerror(errno)) : -1;	/* as it was */
		}
		fresh = true;
		if (ftruncate(m->fd, (off_t)m->len) < 0)
			return gw_fail(err, GW_ESYS, "%s: %s", m->path, strerror(errno));
	}
	if (fresh) {
		memset(f, 0, m->len);
		*f = (struct file){ .layout = LAYOUT, .protection = (uint8_t)protection, .len = len };
		memcpy(f->magic, magic, sizeof(magic));
	}
	m->marks = f->marks;
	return 0;
}

int
scr_marks_open(struct scr_marks *m, const char *state, const char *unit, enum he_scrambling protection, size_t len, struct gw_err *err)
{
	char path[4096];

	*m = (struct scr_marks){ .fd = -1 };
	if (mkdir(state, 0700) < 0 && errno != EEXIST)
		return gw_fail(err, GW_ESYS, "%s: %s", state, strerror(errno));
	snprintf(path, sizeof(path), "%s/spent-", state);
	append(path, sizeof(path), unit);
	*m = (struct scr_marks){ .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), .path = path };
	if (m->fd < 0)
		gw_fail(err, GW_ESYS, "%s: %s", path, strerror(errno));
	else if (flock(m->fd, LOCK_EX | LOCK_NB) < 0)
		/* two of them would spend the same indices */
		gw_fail(err, GW_ETEMP, "%s: another scrambler works on this service", path);
	else if (map(m, protection, len, err) == 0)
		return m->path = NULL, 0;
	scr_marks_close(m);
	return -1;
}

void
scr_marks_until(struct scr_marks *m, int64_t utc_us)
{
	struct file *f = m->map;

	if (f && utc_us > f->until_us)
		f->until_us = utc_us;
}

void
scr_marks_close(struct scr_marks *m)
{
	if (m->map)
		munmap(m->map, m->len);
	if (m->fd >= 0)
		close(m->fd);
	*m = (struct scr_marks){ .fd = -1 };
}
