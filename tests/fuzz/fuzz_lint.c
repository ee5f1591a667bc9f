/*
 * tests/fuzz/fuzz_lint.c: a capture file judged: whatever it is, findings name frames of it and what was counted agrees, and the report prints in
 * all its forms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tools/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_frame(void *self, const struct dec_counts *counts)
{
	lint_now(self, counts->last_ns);
}

static void
on_datagram(void *self, const struct dec_segment *s, uint64_t frame, int64_t at_ns)
{
	lint_air(self, s, frame, at_ns);
}

static void
check(const struct lint_report *r)
{
	uint64_t all = r->more_findings, counted = 0;

	for (size_t i = 0; i < r->nfindings; i++) {
		const struct lint_finding *f = &r->findings[i];

		all += f->count;
		if (f->frame > r->counts.frames || f->last_frame > r->counts.frames || f->count == 0 || f->side > LINT_EITHER || !*f->clause)
			abort();
	}
	for (int s = 0; s < LINT_SEVERITIES; s++)
		counted += r->found[s];
	if (all != counted)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct lint_conf conf = { 0 };
	struct lint_text_conf text = { .colour = size & 1, .width = size & 2 ? 40 : 0 };
	struct lint *t = lint_new(&conf);
	struct dec_read read = { .user = lint_sink(t), .frame = on_frame, .datagram = on_datagram };
	const struct lint_report *r;
	struct gw_err err = { 0 };
	char path[64];
	int fd = memfd_create("capture", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || (!nowhere && !(nowhere = fopen("/dev/null", "w"))))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (dec_read(&read, path, &err) >= 0) {
		r = lint_report(t, "capture", &read.counts, !err.code, err.text);
		check(r);
		if (lint_text(nowhere, r, &text) < 0 || lint_json(nowhere, r) < 0)
			abort();
	}
	close(fd);
	lint_free(t);
	return 0;
}
