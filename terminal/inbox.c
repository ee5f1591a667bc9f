/* terminal/inbox.c: see inbox.h */
#include "terminal/inbox.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/log.h"

static const char suffix[] = ".sms";
enum { NAME = 200 };
struct names { char (*name)[NAME]; size_t n; };

static bool
ours(const struct inbox *b, const char *name)
{
	size_t n = strlen(b->msisdn), len = strlen(name);

	return len < NAME && len > n + sizeof(suffix) && strncmp(name, b->msisdn, n) == 0 && name[n] == '-' &&
	    strcmp(name + len - (sizeof(suffix) - 1), suffix) == 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool
list(const struct inbox *b, struct names *l)
{
	DIR *d = opendir(b->dir);
	struct dirent *e;

	if (!d)
		return false;
	l->n = 0;
	while (l->n < INBOX_FILES && (e = readdir(d)))
		if (ours(b, e->d_name))
			strcpy(l->name[l->n++], e->d_name);
	closedir(d);
	qsort(l->name, l->n, sizeof(l->name[0]), by_name);
	return true;
}

/* Octets, at most WDP_BLOCK; more are -1, as is what cannot be read. */
static ssize_t
read_block(const char *path, uint8_t out[WDP_BLOCK + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, out, WDP_BLOCK + 1);

	if (fd >= 0)
		close(fd);
	return n > WDP_BLOCK ? -1 : n;
}

static void
path_of(const struct inbox *b, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", b->dir, name);
}

/* The parts of one message have one name but for the last number: they go together, once they are whole. */
static void
drop(struct inbox *b, struct names *l, const char *name, bool all)
{
	const char *last = strrchr(name, '-');
	size_t n = last ? (size_t)(last - name) : strlen(name);
	char path[PATH_MAX], keep[NAME];

	strcpy(keep, name);
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->name[i], keep) != 0 && !(all && strncmp(l->name[i], keep, n + 1) == 0))
			continue;
		path_of(b, l->name[i], path);
		if (l->name[i][0] && unlink(path) == 0)
			b->files++;
		l->name[i][0] = '\0';
	}
}

static void
take_push(struct inbox *b, const struct mikey_view *pdu, inbox_take *take, void *self)
{
	struct wsp_push push;
	enum wsp_fault why = WSP_OK;

	if (wsp_push_decode(pdu->p, pdu->len, &push, &why) == 0 && wsp_push_is_mikey(&push)) {
		b->messages++;
		take(self, push.body.p, push.body.len);
		return;
	}
	b->refused++;
	gw_log(GW_WARNING, "sms_refused", why == WSP_OK ? "a push to another application" : wsp_fault_text(why), "directory=%s", b->dir);
}

static void
take_file(struct inbox *b, struct names *l, const char *name, int64_t now_us, inbox_take *take, void *self)
{
	uint8_t block[WDP_BLOCK + 1];
	struct mikey_view pdu;
	enum wdp_result r;
	char path[PATH_MAX];
	ssize_t n;

	path_of(b, name, path);
	n = read_block(path, block);
	r = n < 0 ? WDP_BAD : wdp_take(&b->join, 0, block, (size_t)n, now_us, &pdu);
	if (r == WDP_MORE || r == WDP_AGAIN)
		return;		/* it stays until the others have come */
	if (r == WDP_WHOLE) {
		take_push(b, &pdu, take, self);
	} else {
		b->refused++;
		gw_log(GW_WARNING, "sms_refused", wdp_result_text(r), "file=%s", name);
	}
	drop(b, l, name, r == WDP_WHOLE);
}

bool
inbox_look(struct inbox *b, int64_t now_us, inbox_take *take, void *self)
{
	struct names l = { malloc(INBOX_FILES * sizeof(l.name[0])), 0 };
	bool ok = l.name && list(b, &l);

	for (size_t i = 0; ok && i < l.n; i++)
		if (l.name[i][0])
			take_file(b, &l, l.name[i], now_us, take, self);
	free(l.name);
	return ok;
}
