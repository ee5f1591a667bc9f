/* tests/unit/scratch.h: a directory of the test program's own, gone when it ends */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H
#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_dir[64];
static pid_t scratch_owner;

static int
scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
scratch_end(void)
{
	if (getpid() == scratch_owner)
		nftw(scratch_dir, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* DIR/name, in one of four static buffers. Each test is a process of its own, with a directory of its own. */
static const char *
scratch(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % 4];

	if (scratch_owner == 0) {
		snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/simulgate-test.XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(scratch_dir));
		scratch_owner = getpid();
		atexit(scratch_end);
	}
	snprintf(p, sizeof(path[0]), "%s/%s", scratch_dir, name);
	return p;
}
#endif
