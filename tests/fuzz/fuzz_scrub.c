/*
 * tests/fuzz/fuzz_scrub.c: a capture file is scrubbed; what decode finds in it is then what it finds in what came of it: the same frames, the same
 * messages of the same length, with the same faults, the same troubles.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tools/dec_read.h"
#include "tools/scrub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was found, folded into a number; the last of it, to be looked at. */
struct found { uint64_t all; unsigned n; };
struct input { const uint8_t *p; size_t n, at; };

static void
note(struct found *f, uint64_t v)
{
	f->all = (f->all ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	f->all ^= f->all >> 29;
}

static void
message(void *self, const struct dec_message *g)
{
	struct found *f = self;

	f->n++;
	note(f, g->session->number << 4 | (unsigned)g->side << 3 | g->error);
	note(f, (uint64_t)g->msg->type << 32 | (uint64_t)g->msg->version << 24 | g->len);
	note(f, (uint64_t)g->why.verdict << 48 | (uint64_t)g->why.param << 32 | g->why.offset);
	note(f, g->frame);
	note(f, (uint64_t)g->at_ns);
	if (getenv("FUZZ_SAY"))
		fprintf(stderr, "#%u %d type %04x length %zu verdict %d frame %llu\n", g->session->number, g->side, g->msg->type, g->len, (int)g->why.verdict,
		    (unsigned long long)g->frame);
}

static void
trouble(void *self, struct dec_session *s, int side, enum dec_trouble what, uint64_t octets)
{
	note(self, (uint64_t)what << 56 | (uint64_t)s->number << 40 | (uint64_t)side << 39 | octets);
	if (getenv("FUZZ_SAY"))
		fprintf(stderr, "#%u %d trouble %d of %llu\n", s->number, side, (int)what, (unsigned long long)octets);
}

static int
look(int fd, struct found *f)
{
	struct dec_read read = { .user = { f, message, trouble, NULL } };
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	rc = dec_read(&read, name, NULL);
	note(f, read.counts.frames);
	note(f, read.counts.tcp << 32 | read.counts.udp);
	note(f, read.counts.other << 32 | read.counts.broken);
	note(f, read.counts.fragments << 32 | read.counts.cut);
	return rc;
}

static size_t
more(void *self, void *p, size_t n)
{
	struct input *i = self;

	n = n < i->n - i->at ? n : i->n - i->at;
	memcpy(p, i->p + i->at, n);
	i->at += n;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[SCRUB_KEY] = "pseudonyms for a fuzzer";
	static struct scrub_pen pen;
	struct input input = { data, size, 0 };
	struct scrub_source source = { more, &input };
	struct found before = { 0, 0 }, after = { 0, 0 };
	struct dec_msg_conf any = { 0 };
	int in = memfd_create("in", 0), to = memfd_create("out", 0), rc;
	struct scrub_out *out = scrub_out_new(to);
	struct scrub *s;

	memset(&pen, 0, offsetof(struct scrub_pen, before));
	pen.names = scrub_names_new(key);
	s = scrub_new(&pen, out, &any, NULL, NULL);
	if (in < 0 || to < 0 || !out || !s || write(in, data, size) != (ssize_t)size)
		abort();
	rc = scrub_capture(s, out, &source, "in", NULL, NULL, NULL);
	scrub_free(s);
	if (rc >= 0 && scrub_out_end(out, NULL) < 0)
		abort();
	/* libpcap is the judge of what a capture is: of one that it refuses nothing can be said */
	if (rc == 0 && look(in, &before) == 0 && (look(to, &after) != 0 || after.all != before.all))
		abort();
	scrub_out_free(out);
	scrub_names_free(pen.names);
	close(in);
	close(to);
	return 0;
}
