/* bsm/smpp_shell.c: the TCP connection of the link to an SMSC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bsm/smpp.h"
#include "lib/clock.h"
#include "lib/secret.h"

enum { READ = 4096 };

/* One attempt, and the connection that came of it. It outlives its sink's interest until libuv has let go of all of it. */
struct attempt {
	uv_tcp_t tcp;
	uv_getaddrinfo_t lookup;
	uv_connect_t connect;
	uv_write_t write;
	struct shell *shell;		/* NULL: given up */
	bool looking, writing, up, closed;
	uint8_t *rest; size_t rest_len;	/* what the socket did not take at once */
	char in[READ];
};
struct shell {
	uv_timer_t timer;
	uv_loop_t *loop;
	struct bsm_sms *sms;
	struct smsc *smsc;
	struct gw_addr to;
	unsigned attempts;		/* the addresses of a name take turns */
	struct attempt *now;
	bool turning;
};

static void turn(struct shell *);

/* ---- one attempt ---- */

static void
check_end(struct attempt *a)
{
	if (!a->closed || a->looking || a->writing)
		return;
	if (a->rest)
		gw_cleanse(a->rest, a->rest_len);
	free(a->rest);
	free(a);
}

static void
on_closed(uv_handle_t *h)
{
	struct attempt *a = h->data;

	a->closed = true;
	check_end(a);
}

static void
give_up(struct shell *sh)
{
	struct attempt *a = sh->now;

	if (!a)
		return;
	sh->now = NULL;
	a->shell = NULL;
	if (a->looking)
		uv_cancel((uv_req_t *)&a->lookup);
	uv_close((uv_handle_t *)&a->tcp, on_closed);
}

static void
lost(struct attempt *a, int status)
{
	struct shell *sh = a->shell;

	if (!sh)
		return;
	give_up(sh);
	smsc_lost(sh->smsc, uv_strerror(status), gw_mono_us());
	turn(sh);
}

static void
on_written(uv_write_t *w, int status)
{
	struct attempt *a = w->data;

	a->writing = false;
	gw_cleanse(a->rest, a->rest_len);
	free(a->rest);
	a->rest = NULL;
	if (a->closed) {
		check_end(a);
		return;
	}
	if (status < 0)
		lost(a, status);
	else if (a->shell)
		turn(a->shell);
}

/* What the socket takes at once, and the rest of it as a copy. */
static void
write_out(struct shell *sh, bool last)
{
	struct attempt *a = sh->now;
	size_t len;
	const uint8_t *p = smsc_out(sh->smsc, &len);
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)len);

	if (!a || !a->up || a->writing || len == 0)
		return;
	int n = uv_try_write((uv_stream_t *)&a->tcp, &b, 1);
	if (n > 0)
		smsc_written(sh->smsc, (size_t)n);
	p = smsc_out(sh->smsc, &len);
	if (len == 0 || last || (n < 0 && n != UV_EAGAIN))	/* a socket that is broken is told of when it is read */
		return;
	a->rest = malloc(len);
	if (!a->rest)
		return;
	memcpy(a->rest, p, len);
	a->rest_len = len;
	smsc_written(sh->smsc, len);
	b = uv_buf_init((char *)a->rest, (unsigned)len);
	a->write.data = a;
	n = uv_write(&a->write, (uv_stream_t *)&a->tcp, &b, 1, on_written);
	a->writing = n == 0;
	if (n < 0)
		lost(a, n);
}

static void
on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	struct attempt *a = h->data;

	(void)hint;
	*b = uv_buf_init(a->in, sizeof(a->in));
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct attempt *a = s->data;

	if (n < 0) {
		lost(a, (int)n);
	} else if (n > 0 && a->shell) {
		smsc_heard(a->shell->smsc, b->base, (size_t)n, gw_mono_us());
		turn(a->shell);
	}
}

static void
on_connected(uv_connect_t *c, int status)
{
	struct attempt *a = c->data;

	if (status < 0 || !a->shell) {
		lost(a, status);
		return;
	}
	a->up = true;
	uv_tcp_nodelay(&a->tcp, 1);
	uv_tcp_keepalive(&a->tcp, 1, 60);
	uv_read_start((uv_stream_t *)&a->tcp, on_alloc, on_read);
	smsc_up(a->shell->smsc, gw_mono_us());
	turn(a->shell);
}

static void
connect_to(struct attempt *a, const struct sockaddr *to)
{
	a->connect.data = a;
	int rc = uv_tcp_connect(&a->connect, &a->tcp, to, on_connected);
	if (rc < 0)
		lost(a, rc);
}

static void
on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct attempt *a = req->data;
	unsigned n = 0, pick;
	struct addrinfo *ai;

	a->looking = false;
	for (ai = found; ai; ai = ai->ai_next)
		n++;
	if (!a->shell) {
		check_end(a);
	} else if (status < 0 || n == 0) {
		lost(a, status < 0 ? status : UV_EAI_NONAME);
	} else {
		pick = a->shell->attempts % n;
		for (ai = found; pick; pick--)
			ai = ai->ai_next;
		connect_to(a, ai->ai_addr);
	}
	uv_freeaddrinfo(found);
}

static void
attempt(struct shell *sh)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG };
	struct attempt *a = calloc(1, sizeof(*a));
	char port[8];

	if (!a) {
		smsc_lost(sh->smsc, "out of memory", gw_mono_us());
		return;
	}
	a->shell = sh;
	sh->now = a;
	sh->attempts++;
	a->tcp.data = a;
	uv_tcp_init(sh->loop, &a->tcp);
	if (sh->to.numeric) {
		connect_to(a, (const struct sockaddr *)&sh->to.ss);
		return;
	}
	a->lookup.data = a;
	snprintf(port, sizeof(port), "%u", sh->to.port);
	int rc = uv_getaddrinfo(sh->loop, &a->lookup, on_found, sh->to.host, port, &hints);
	a->looking = rc == 0;
	if (rc < 0)
		lost(a, rc);
}

/* ---- the sink ---- */

static void
on_end(uv_handle_t *h)
{
	struct shell *sh = h->data;

	smsc_free(sh->smsc);
	sms_closed(sh->sms);
	free(sh);
}

static void on_time(uv_timer_t *t) { turn(t->data); }

/* Whatever has happened: the engine gets the time, and its wishes are done. */
static void
turn(struct shell *sh)
{
	int64_t next_us;
	enum smsc_want w;

	if (sh->turning)
		return;
	sh->turning = true;
	do {
		next_us = smsc_tick(sh->smsc, gw_mono_us());
		w = smsc_want(sh->smsc);
		if (w == SMSC_CONNECT)
			attempt(sh);
		write_out(sh, w == SMSC_CLOSE);
		if (w == SMSC_CLOSE)
			give_up(sh);
	} while (w != SMSC_NOTHING);
	sh->turning = false;
	if (smsc_state(sh->smsc) == SMSC_OVER && !sh->now) {
		if (!uv_is_closing((uv_handle_t *)&sh->timer))
			uv_close((uv_handle_t *)&sh->timer, on_end);
		return;
	}
	int64_t wait_us = next_us - gw_mono_us();
	uv_timer_stop(&sh->timer);
	if (next_us < INT64_MAX)
		uv_timer_start(&sh->timer, on_time, wait_us > 0 ? (uint64_t)((wait_us + 999) / 1000) : 0, 0);
	if (smsc_waiting(sh->smsc) < SMS_QUEUE)
		sms_room(sh->sms);
}

static void
on_done(void *self, int64_t id, bool sent)
{
	sms_done(((struct shell *)self)->sms, id, sent);
}

/* One line, at most 8 characters, mode 0600. */
static int
read_password(const char *path, char out[SMSC_PASSWORD + 1], struct gw_err *err)
{
	char line[SMSC_PASSWORD + 3];
	int n = gw_secret_line(path, line, sizeof(line), err);
	bool right = n > 0 && n <= SMSC_PASSWORD;

	if (n < 0)
		return -1;
	if (right)
		memcpy(out, line, (size_t)n + 1);
	gw_cleanse(line, sizeof(line));
	return right ? 0 : gw_fail(err, GW_ECONF, "%s: a password of SMPP is one line of 1 to %d characters", path, SMSC_PASSWORD);
}

static struct smsc *
make_engine(struct shell *sh, const struct sms_conf *c, struct gw_err *err)
{
	char password[SMSC_PASSWORD + 1] = "";
	const struct smsc_conf conf = { .system_id = c->system_id, .password = password, .source = c->source, .data_sm = c->data_sm,
		.per_second = c->per_second, .done = on_done, .self = sh, .counts = sms_counts_of(sh->sms) };
	struct smsc *s = read_password(c->password_file, password, err) < 0 ? NULL : smsc_new(&conf, err);

	gw_cleanse(password, sizeof(password));
	return s;
}

static void *
shell_open(uv_loop_t *loop, struct bsm_sms *sms, const struct sms_conf *c, struct gw_err *err)
{
	struct shell *sh = calloc(1, sizeof(*sh));

	if (!sh) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	sh->loop = loop;
	sh->sms = sms;
	sh->to = c->smpp;
	sh->smsc = make_engine(sh, c, err);
	if (!sh->smsc) {
		free(sh);
		return NULL;
	}
	sh->timer.data = sh;
	uv_timer_init(loop, &sh->timer);
	uv_timer_start(&sh->timer, on_time, 0, 0);
	return sh;
}

static bool
shell_put(void *self, const struct sms_message *m)
{
	struct shell *sh = self;

	if (!smsc_put(sh->smsc, m, gw_mono_us()))
		return false;
	if (smsc_state(sh->smsc) == SMSC_BOUND && !sh->turning)
		uv_timer_start(&sh->timer, on_time, 0, 0);	/* not within this call */
	return true;
}

static size_t shell_waiting(const void *self) { return smsc_waiting(((const struct shell *)self)->smsc); }

static const char *
shell_state(const void *self)
{
	static const char *const words[SMSC_STATES] = { "waiting", "connecting", "binding", "bound", "closing", "closing" };

	return words[smsc_state(((const struct shell *)self)->smsc)];
}

static void
shell_close(void *self)
{
	struct shell *sh = self;

	smsc_stop(sh->smsc, gw_mono_us());
	turn(sh);
}

const struct sms_sink sms_smpp = { shell_open, shell_put, shell_waiting, shell_state, shell_close };
