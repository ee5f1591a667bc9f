/*
 * tests/fuzz/fuzz_talk.c: a capture file, kept as conversations: whatever it is, answers and their requests name one another, and it says the
 * same as itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tools/diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_found(void *self, const struct finding *f)
{
	(void)self;
	(void)f;
	abort();
}

static void
check(const struct talk_conn *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct talk_msg *m = &c->m[i];

		if ((m->request && (m->request > i || c->m[m->request - 1].answer != i + 1 || c->m[m->request - 1].side == m->side)) ||
		    (m->answer && (m->answer > c->n || c->m[m->answer - 1].request != i + 1)))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct alike_conf strict = { .strict = true };
	struct talk_conf conf = { 0 };
	struct diff_user user = { NULL, on_found, NULL };
	struct diff_counts counts;
	struct gw_err err = { 0 };
	struct talk t;
	char path[64];
	int fd = memfd_create("capture", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (talk_read(&t, path, &conf, &err) >= 0) {
		for (size_t i = 0; i < t.n; i++)
			check(&t.c[i]);
		if (diff(&strict, &t, &t, &user, &counts) == 0 && !diff_same(&counts))
			abort();
		talk_free(&t);
	}
	close(fd);
	return 0;
}
