/* bsm/sms_files.c: short messages as files of a directory, for labs: a phone's inbox reads them there */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bsm/sms_int.h"
#include "lib/clock.h"
#include "lib/log.h"

enum { LEAST_MS = 1000, MOST_MS = 60000 };	/* after a file that could not be written */

struct files {
	uv_timer_t timer;
	struct bsm_sms *sms;
	char dir[PATH_MAX - 64];
	struct sms_message queue[SMS_QUEUE]; size_t first, n;
	size_t part;			/* of the first: those before are written */
	int64_t order, next_us;		/* of the last message; when the next file may be written */
	int64_t every_us;		/* 0: no limit */
	unsigned wait_ms;
	struct gw_rate rate;
};

static int
write_whole(const char *path, const void *p, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, p, len);
	if (n >= 0 && (size_t)n < len)
		errno = ENOSPC;
	return close(fd) == 0 && n >= 0 && (size_t)n == len ? 0 : -1;
}

/* It appears whole, under a name that sorts by time: a reader takes what ends in .sms. */
static int
write_part(struct files *f, const struct sms_message *m)
{
	uint8_t block[WDP_BLOCK];
	char path[PATH_MAX], temporary[PATH_MAX];
	size_t n = wdp_part(m->pdu, m->len, m->ref, f->part, block);

	snprintf(path, sizeof(path), "%s/%s-%016" PRId64 "-%zu.sms", f->dir, m->msisdn, f->order, f->part + 1);
	snprintf(temporary, sizeof(temporary), "%s/.%s-%016" PRId64 "-%zu.part", f->dir, m->msisdn, f->order, f->part + 1);
	if (write_whole(temporary, block, n) < 0 || rename(temporary, path) < 0) {
		gw_log_limited(&f->rate, GW_ERR, "sms_not_written", strerror(errno), "file=%s", path);
		unlink(temporary);
		return -1;
	}
	sms_counts_of(f->sms)->parts++;
	return 0;
}

/* The first message's next part; false: not now. */
static bool
step(struct files *f, int64_t now_us)
{
	struct sms_message *m = &f->queue[f->first];

	if (now_us < f->next_us)
		return false;
	if (f->part == 0)
		f->order = f->order < gw_utc_us() ? gw_utc_us() : f->order + 1;
	if (write_part(f, m) < 0) {
		sms_counts_of(f->sms)->retries++;
		f->wait_ms = f->wait_ms ? f->wait_ms * 2 < MOST_MS ? f->wait_ms * 2 : MOST_MS : LEAST_MS;
		f->next_us = now_us + (int64_t)f->wait_ms * 1000;
		return false;
	}
	f->wait_ms = 0;
	f->next_us = (f->next_us + f->every_us > now_us ? f->next_us : now_us) + f->every_us;
	if (++f->part < wdp_parts(m->len))
		return true;
	int64_t id = m->id;
	f->part = 0;
	f->first = (f->first + 1) % SMS_QUEUE;
	f->n--;
	sms_done(f->sms, id, true);
	return true;
}

static void
on_time(uv_timer_t *t)
{
	struct files *f = t->data;
	int64_t now_us = gw_mono_us();

	while (f->n && step(f, now_us))
		;
	if (f->n)
		uv_timer_start(t, on_time, f->next_us > now_us ? (uint64_t)((f->next_us - now_us + 999) / 1000) : 0, 0);
	if (f->n < SMS_QUEUE)
		sms_room(f->sms);
}

static void *
files_open(uv_loop_t *loop, struct bsm_sms *sms, const struct sms_conf *c, struct gw_err *err)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f || strlen(c->dir) >= sizeof(f->dir)) {
		free(f);
		gw_fail(err, GW_ECONF, "%s: too long", c->dir);
		return NULL;
	}
	if (mkdir(c->dir, 0700) < 0 && errno != EEXIST) {
		gw_fail(err, GW_EUNAVAIL, "%s: short messages cannot be written there: %s", c->dir, strerror(errno));
		free(f);
		return NULL;
	}
	if (access(c->dir, W_OK | X_OK) < 0) {
		gw_fail(err, GW_EUNAVAIL, "%s: short messages cannot be written there: %s", c->dir, strerror(errno));
		free(f);
		return NULL;
	}
	strcpy(f->dir, c->dir);
	f->sms = sms;
	f->rate = (struct gw_rate){ .burst = 1, .per_ms = 10000 };
	f->every_us = c->per_second ? 1000000 / c->per_second : 0;
	f->timer.data = f;
	uv_timer_init(loop, &f->timer);
	return f;
}

static bool
files_put(void *self, const struct sms_message *m)
{
	struct files *f = self;

	if (f->n == SMS_QUEUE)
		return false;
	f->queue[(f->first + f->n++) % SMS_QUEUE] = *m;
	if (!uv_is_active((uv_handle_t *)&f->timer))
		uv_timer_start(&f->timer, on_time, 0, 0);
	return true;
}

static size_t files_waiting(const void *self) { return ((const struct files *)self)->n; }

static const char *
files_state(const void *self)
{
	return ((const struct files *)self)->wait_ms ? "waiting" : "files";
}

static void
on_closed(uv_handle_t *h)
{
	struct files *f = h->data;

	sms_closed(f->sms);
	free(f);
}

static void
files_close(void *self)
{
	uv_close((uv_handle_t *)&((struct files *)self)->timer, on_closed);
}

const struct sms_sink sms_files = { files_open, files_put, files_waiting, files_state, files_close };
