/* emmg/source.c: see source.h */
#include "emmg/source.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/emmg_chan.h"
#include "lib/clock.h"
#include "lib/log.h"

enum { FILE_MOST = 64 << 20, TS = 188, TS_PER_DATAGRAM = 7 };
/* ROUND: a plugin's carousel begins at most so often; WAIT: after nothing, or a refusal; FAILURES in a row begin a new round. */
enum { ROUND_US = 1000 * 1000, WAIT_US = 1000 * 1000, FAILURES = 3 };

struct piece { size_t at, len; };
struct content { uint8_t *p; size_t len; struct piece *pieces; size_t n; };

struct emmg_source {
	uint8_t format;
	uint64_t rounds, skipped;
	/* a file */
	char *path;
	bool loop, ended;
	struct content c;
	size_t at;
	/* a plugin */
	struct emmg_plugin *plugin;
	struct kms_ltkm what;
	void (*ready)(void *self); void *self;
	struct emmg_ask *ask;
	bool asking;			/* within emmg_plugin_ask() */
	uint32_t index;
	unsigned failures;
	uint8_t *slot; size_t slot_len;
	int64_t now_us, again_us, round_us;
	struct gw_rate rate;
};

/* ---- files ---- */

static void
content_free(struct content *c)
{
	free(c->p);
	free(c->pieces);
	*c = (struct content){ 0 };
}

static int
add_piece(struct content *c, size_t at, size_t len, struct gw_err *err)
{
	struct piece *more;

	if ((c->n & (c->n - 1)) == 0) {	/* a power of two: full */
		more = realloc(c->pieces, (c->n ? 2 * c->n : 1) * sizeof(*more));
		if (!more)
			return gw_fail(err, GW_ESYS, "out of memory");
		c->pieces = more;
	}
	c->pieces[c->n++] = (struct piece){ at, len };
	return 0;
}

/* Appends a regular file's octets. */
static int
read_file(struct content *c, const char *path, struct gw_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	uint8_t *grown;
	ssize_t n = -1;
	size_t end;

	if (fd < 0 || fstat(fd, &st) < 0) {
		gw_fail(err, GW_ECONF, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		gw_fail(err, GW_ECONF, "%s is no file", path);
	} else if (st.st_size > FILE_MOST || c->len + (size_t)st.st_size > FILE_MOST) {
		gw_fail(err, GW_ECONF, "%s: more than %d octets in all", path, FILE_MOST);
	} else if (!(grown = realloc(c->p, c->len + (size_t)st.st_size + 1))) {
		gw_fail(err, GW_ESYS, "out of memory");
	} else {
		c->p = grown;
		end = c->len + (size_t)st.st_size;
		while (c->len < end && (n = read(fd, c->p + c->len, end - c->len)) > 0)
			c->len += (size_t)n;
		n = c->len == end ? 0 : gw_fail(err, GW_ECONF, "%s: %s", path, n < 0 ? strerror(errno) : "it shrank while it was read");
	}
	if (fd >= 0)
		close(fd);
	return n == 0 ? 0 : -1;
}

static int
cut_sections(struct content *c, const char *path, struct gw_err *err)
{
	for (size_t at = 0, len; at < c->len; at += len) {
		len = c->len - at < 3 ? 0 : (size_t)((c->p[at + 1] & 0x0f) << 8 | c->p[at + 2]) + 3;
		if (len == 0 || len > c->len - at || emmg_datagram_fault(EMMG_SECTION, c->p + at, len))
			return gw_fail(err, GW_ECONF, "%s: offset %zu: no whole section begins here", path, at);
		if (add_piece(c, at, len, err) < 0)
			return -1;
	}
	return 0;
}

static int
cut_packets(struct content *c, const char *path, struct gw_err *err)
{
	size_t run;

	for (size_t at = 0; at < c->len; at += TS)
		if (c->len - at < TS || c->p[at] != 0x47)
			return gw_fail(err, GW_ECONF, "%s: offset %zu: no whole TS packet begins here", path, at);
	for (size_t at = 0; at < c->len; at += run) {
		run = c->len - at < TS * TS_PER_DATAGRAM ? c->len - at : TS * TS_PER_DATAGRAM;
		if (add_piece(c, at, run, err) < 0)
			return -1;
	}
	return 0;
}

static int
read_message(struct content *c, const char *path, struct gw_err *err)
{
	size_t at = c->len;

	if (read_file(c, path, err) < 0)
		return -1;
	if (c->len == at || c->len - at > EMMG_DATAGRAM_MAX)
		return gw_fail(err, GW_ECONF, "%s: offset 0: a message has 1 to %d octets, this has %zu", path, EMMG_DATAGRAM_MAX, c->len - at);
	return add_piece(c, at, c->len - at, err);
}

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);	/* not strcoll: the same order in every locale */
}

static int
read_directory(struct content *c, const char *path, struct gw_err *err)
{
	struct dirent **list = NULL;
	char file[4096];
	int n = scandir(path, &list, visible, by_name), rc = 0;

	if (n < 0)
		return gw_fail(err, GW_ECONF, "%s: %s", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, list[i]->d_name);
		if (rc == 0)
			rc = read_message(c, file, err);
		free(list[i]);
	}
	free(list);
	return rc;
}

static int
read_content(struct content *c, const char *path, uint8_t format, struct gw_err *err)
{
	struct stat st;
	int rc;

	if (stat(path, &st) < 0)
		return gw_fail(err, GW_ECONF, "%s: %s", path, strerror(errno));
	if (format == EMMG_BCAST)
		rc = S_ISDIR(st.st_mode) ? read_directory(c, path, err) : read_message(c, path, err);
	else if ((rc = read_file(c, path, err)) == 0)
		rc = format == EMMG_SECTION ? cut_sections(c, path, err) : cut_packets(c, path, err);
	if (rc == 0 && c->n == 0)
		rc = gw_fail(err, GW_ECONF, "%s: there is nothing in it to send", path);
	return rc;
}

struct emmg_source *
emmg_source_file(const char *path, uint8_t format, bool loop, struct gw_err *err)
{
	struct emmg_source *s = calloc(1, sizeof(*s));

	if (!s || !(s->path = strdup(path))) {
		gw_fail(err, GW_ESYS, "out of memory");
	} else {
		s->format = format;
		s->loop = loop;
		if (read_content(&s->c, path, format, err) == 0)
			return s;
	}
	emmg_source_free(s);
	return NULL;
}

/* ---- the plugin ---- */

struct emmg_source *
emmg_source_plugin(struct emmg_plugin *p, const struct kms_ltkm *what, struct gw_err *err)
{
	struct emmg_source *s = calloc(1, sizeof(*s));

	if (!s || !(s->slot = malloc(EMMG_DATAGRAM_MAX))) {
		gw_fail(err, GW_ESYS, "out of memory");
		emmg_source_free(s);
		return NULL;
	}
	s->plugin = p;
	s->what = *what;
	s->what.size = sizeof(s->what);
	s->format = what->section_TSpkt_flag;
	s->round_us = INT64_MIN / 2;
	s->rate = (struct gw_rate){ .burst = 5, .per_ms = 10000 };
	return s;
}

void
emmg_source_listen(struct emmg_source *s, void (*ready)(void *), void *self)
{
	s->ready = ready;
	s->self = self;
}

static void
new_round(struct emmg_source *s)
{
	s->rounds += s->index > 0;
	s->index = 0;
	s->failures = 0;
	s->again_us = s->round_us + ROUND_US;
}

/* A datagram that cannot be sent is passed over, never asked for again in the same round. */
static void
skip(struct emmg_source *s, int status, const char *why)
{
	s->skipped++;
	gw_log_limited(&s->rate, GW_WARNING, "datagram_skipped", why, "client_id=0x%08x data_id=%u index=%u error=0x%04x",
	    s->what.client_id, s->what.data_id, s->index, status);
	s->index++;
	s->again_us = s->now_us + WAIT_US;
	if (++s->failures == FAILURES)
		new_round(s);
	if (s->again_us < s->now_us + WAIT_US)
		s->again_us = s->now_us + WAIT_US;
}

static void
on_answer(void *self, int rc, const uint8_t *out, const char *why)
{
	struct emmg_source *s = self;
	const char *fault = rc > 0 ? emmg_datagram_fault(s->format, out, (size_t)rc) : NULL;

	s->ask = NULL;
	if (rc < 0 || fault) {
		skip(s, rc < 0 ? -rc : 0, fault ? fault : *why ? why : "the plugin gives no reason");
	} else if (rc == 0 && s->index == 0) {
		s->again_us = s->now_us + WAIT_US;	/* nothing is to be on air now */
	} else if (rc == 0) {
		new_round(s);
	} else {
		memcpy(s->slot, out, (size_t)rc);
		s->slot_len = (size_t)rc;
		s->index++;
		s->failures = 0;
	}
	if (!s->asking && s->ready)
		s->ready(s->self);
}

static size_t
peek_plugin(struct emmg_source *s, int64_t now)
{
	s->now_us = now;
	if (s->slot_len || s->ask || now < s->again_us)
		return s->slot_len;
	if (s->index == 0)
		s->round_us = now;
	s->again_us = 0;
	s->what.utc_s = gw_utc_us() / 1000000;
	s->asking = true;
	s->ask = emmg_plugin_ask(s->plugin, &s->what, s->index, on_answer, s);
	s->asking = false;
	return s->slot_len;
}

/* ---- both ---- */

void
emmg_source_free(struct emmg_source *s)
{
	if (!s)
		return;
	emmg_plugin_forget(s->ask);
	content_free(&s->c);
	free(s->slot);
	free(s->path);
	free(s);
}

size_t
emmg_source_peek(struct emmg_source *s, int64_t now)
{
	if (s->plugin)
		return peek_plugin(s, now);
	return s->ended ? 0 : s->c.pieces[s->at].len;
}

void
emmg_source_take(struct emmg_source *s, uint8_t *out)
{
	if (s->plugin) {
		memcpy(out, s->slot, s->slot_len);
		s->slot_len = 0;
		return;
	}
	memcpy(out, s->c.p + s->c.pieces[s->at].at, s->c.pieces[s->at].len);
	if (++s->at < s->c.n)
		return;
	s->at = 0;
	s->rounds++;
	s->ended = !s->loop;
}

int64_t
emmg_source_next(const struct emmg_source *s)
{
	return s->plugin && !s->ask ? s->again_us : INT64_MAX;
}

bool
emmg_source_ended(const struct emmg_source *s)
{
	return s->ended;
}

size_t
emmg_source_size(const struct emmg_source *s)
{
	return s->c.n;
}

uint64_t
emmg_source_skipped(const struct emmg_source *s)
{
	return s->skipped;
}

uint64_t
emmg_source_rounds(const struct emmg_source *s)
{
	return s->rounds;
}
