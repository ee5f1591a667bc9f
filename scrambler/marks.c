/*
 * scrambler/marks.c: which SRTP indices are spent, in a mapped file STATE/spent-UNIT. A scrambler that comes back within
 * a crypto-period is given the same key; going on where the old one stopped keeps receivers in step and key streams apart. The
 * page cache outlives the process, not the machine: after a loss of power the last seconds may be missing.
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

struct file { char magic[32]; struct gw_srtp_mark marks[SCR_SOURCES]; };
static const char magic[32] = "simulgate spent SRTP indices 1";

/* Names may hold anything; a file name may not. */
static void
append(char *path, size_t cap, const char *name)
{
	size_t n = strlen(path);

	for (; *name && n + 4 < cap; name++)
		n += (size_t)snprintf(path + n, cap - n, isalnum((unsigned char)*name) || strchr("._", *name) ? "%c" : "%%%02x",
		    (unsigned char)*name);
}

int
scr_marks_open(struct scr_marks *m, const char *state, const char *unit, struct gw_err *err)
{
	char path[4096];
	struct stat st;
	struct file *f;

	if (mkdir(state, 0700) < 0 && errno != EEXIST)
		return gw_fail(err, GW_ESYS, "%s: %s", state, strerror(errno));
	snprintf(path, sizeof(path), "%s/spent-", state);
	append(path, sizeof(path), unit);
	*m = (struct scr_marks){ .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) };
	if (m->fd < 0 || fstat(m->fd, &st) < 0) {
		gw_fail(err, GW_ESYS, "%s: %s", path, strerror(errno));
	} else if (flock(m->fd, LOCK_EX | LOCK_NB) < 0) {
		/* two of them would spend the same indices */
		gw_fail(err, GW_ETEMP, "%s: another scrambler works on this service", path);
	} else if (st.st_size != 0 && st.st_size != (off_t)sizeof(*f)) {
		gw_fail(err, GW_ESTORE, "%s: not written by this release; remove it when its crypto-period is over", path);
	} else if (ftruncate(m->fd, (off_t)sizeof(*f)) < 0 ||
	    (m->map = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0)) == MAP_FAILED) {
		m->map = NULL;
		gw_fail(err, GW_ESYS, "%s: %s", path, strerror(errno));
	} else {
		f = m->map;
		if (st.st_size == 0)
			memcpy(f->magic, magic, sizeof(magic));
		if (memcmp(f->magic, magic, sizeof(magic)) == 0) {
			m->marks = f->marks;
			return 0;
		}
		gw_fail(err, GW_ESTORE, "%s: damaged; remove it when its crypto-period is over", path);
	}
	scr_marks_close(m);
	return -1;
}

void
scr_marks_close(struct scr_marks *m)
{
	if (m->map)
		munmap(m->map, sizeof(struct file));
	if (m->fd >= 0)
		close(m->fd);
	*m = (struct scr_marks){ .fd = -1 };
}
