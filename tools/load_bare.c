/* tools/load_bare.c: see load_bare.h */
#include "tools/load_bare.h"
#include <stdlib.h>
#include <string.h>

enum { LINE = 12, DIGITS = 9 };		/* "HTTP/1.1 400"; what stands before the status */

struct bare {
	uv_tcp_t tcp; uv_connect_t connect; uv_write_t write;
	char *octets; size_t len;
	enum rogue_stay stay;
	bare_done *done; void *self;
	bool told, reset;
	char line[LINE + 1]; size_t have;
	char spare[256];		/* what is read when the line is there */
};

static void
tell(struct bare *b, unsigned status)
{
	if (b->told)
		return;
	b->told = true;
	b->done(b->self, status);
}

static void
room(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	struct bare *b = h->data;

	(void)size;
	*buf = b->have < LINE ? uv_buf_init(b->line + b->have, (unsigned)(LINE - b->have)) : uv_buf_init(b->spare, sizeof(b->spare));
}

/* What is no answer of HTTP is none. */
static unsigned
status_of(const char *line)
{
	unsigned long status = strtoul(line + DIGITS, NULL, 10);

	return strncmp(line, "HTTP/1.", 7) == 0 && status >= 100 && status < 600 ? (unsigned)status : LOAD_CLOSED;
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct bare *b = s->data;

	(void)buf;
	if (n < 0) {
		tell(b, LOAD_CLOSED);
	} else if (b->have < LINE && (b->have += (size_t)n) == LINE) {
		b->reset = b->stay == ROGUE_UNTIL_STATUS;
		tell(b, status_of(b->line));
	}
}

/* A server that refuses what it is being sent may have answered: that is read, not this. */
static void
on_written(uv_write_t *req, int status)
{
	struct bare *b = req->data;

	if (b->stay == ROGUE_UNTIL_SENT && status != UV_ECANCELED)
		tell(b, status < 0 ? LOAD_CLOSED : LOAD_LEFT);
}

static void
on_connect(uv_connect_t *req, int status)
{
	struct bare *b = req->data;
	uv_buf_t all = uv_buf_init(b->octets, (unsigned)b->len);

	if (status == UV_ECANCELED)
		return;
	if (status < 0 || uv_write(&b->write, (uv_stream_t *)&b->tcp, &all, 1, on_written) < 0)
		tell(b, LOAD_CLOSED);
	else if (b->stay != ROGUE_UNTIL_SENT)
		uv_read_start((uv_stream_t *)&b->tcp, room, on_read);
}

static void
on_closed(uv_handle_t *h)
{
	struct bare *b = h->data;

	free(b->octets);
	free(b);
}

void
bare_close(struct bare *b)
{
	if (!b)
		return;
	b->told = true;
	if (!b->reset || uv_tcp_close_reset(&b->tcp, on_closed) < 0)
		uv_close((uv_handle_t *)&b->tcp, on_closed);
}

struct bare *
bare_open(uv_loop_t *loop, const struct sockaddr *to, char *octets, size_t len, enum rogue_stay stay, bare_done *done, void *self)
{
	struct bare *b = octets ? calloc(1, sizeof(*b)) : NULL;

	if (!b) {
		free(octets);
		return NULL;
	}
	b->octets = octets;
	b->len = len;
	b->stay = stay;
	b->done = done;
	b->self = self;
	b->tcp.data = b->connect.data = b->write.data = b;
	uv_tcp_init(loop, &b->tcp);
	if (uv_tcp_connect(&b->connect, &b->tcp, to, on_connect) == 0)
		return b;
	bare_close(b);
	return NULL;
}
