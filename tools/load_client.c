/*
 * tools/load_client.c: an SCS or an EMMG of many channels, each a connection of its own. One thread, one loop; what one read brings is answered
 * by one write. A connection that ends is opened again a second later.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "lib/udp.h"
#include "tools/alarm.h"
#include "tools/load.h"

enum { CHUNK = 262144, OUT = 65536, KEEP_MS = 20, DEAF_NS = 1000000000 };
#define AGAIN_NS INT64_C(1000000000)
#define LINGER_NS INT64_C(500000000)	/* for what misdeeds may earn */
#define EARN_NS INT64_C(3000000000)	/* and for what they have to: whoever stands still for a while is not to be blamed */
enum conn_state { CLOSED, CONNECTING, SETTING_UP, READY, CLOSING };

struct conn {
	uv_tcp_t tcp; uv_connect_t connect;
	struct load_client *client;
	unsigned index, up;			/* up: streams set up */
	enum conn_state state;
	bool was_ready, storm;			/* storm: it comes back at once */
	int64_t since, retry, deaf_until, mute_until;
	uint8_t *held; size_t nheld;		/* what is said later */
	uint8_t *rest; size_t have;		/* of a frame that is not whole yet */
	uint8_t status[256]; size_t status_len;	/* the peer's channel_status, which is what its tests are answered with */
};
struct load_client {
	const struct load_conf *conf;
	struct load_report *report;
	void (*ended)(void *self); void *self;
	uv_loop_t *loop;
	uv_timer_t keep;
	struct alarm alarm;			/* of the timetable */
	struct conn *conns; uint16_t *cps;	/* of each stream: what it was asked for last */
	struct pace pace;
	struct load_wire wire; bool made;
	unsigned opened, ready, open;
	int64_t start, end, over_at;
	uint64_t count;
	bool over, closing;
	unsigned handles;
	struct sockaddr_storage to;
	int udp;				/* for data; -1: they go the same way as all else */
	uint8_t whole[LOAD_FRAME], big[LOAD_BIG];	/* a request that is misbehaved with; what goes in its place */
	uint8_t in[CHUNK], out[OUT]; size_t len;	/* len: of what waits to be written to the connection in hand */
	struct sim_msg m;
};

static int64_t
now_ns(void)
{
	return (int64_t)uv_hrtime();
}

static bool
is_mux(const struct load_client *k)
{
	return k->conf->side == LOAD_MUX;
}

/* The timetable's number of a stream. */
static unsigned
slot_of(const struct conn *c, unsigned s)
{
	return c->index * c->client->conf->streams + s;
}

static uint16_t
id_of(const struct conn *c, unsigned s)
{
	return (uint16_t)(c->client->conf->data_id + c->index * c->client->conf->streams + s);
}

/* ---- out ---- */

struct late_write { uv_write_t req; uint8_t bytes[]; };

static void
on_written(uv_write_t *req, int status)
{
	(void)status;
	free(req);
}

/* It is mute: all of it goes later. */
static void
hold(struct conn *c)
{
	struct load_client *k = c->client;
	uint8_t *more = realloc(c->held, c->nheld + k->len);

	if (more) {
		memcpy(more + c->nheld, k->out, k->len);
		c->held = more;
		c->nheld += k->len;
	}
	k->len = 0;
}

/* What was put together for the connection goes; what the socket does not take is kept by libuv. */
static void
flush(struct conn *c)
{
	struct load_client *k = c->client;
	uv_buf_t b = uv_buf_init((char *)k->out, (unsigned)k->len);
	struct late_write *w;
	int n;

	if (k->len == 0)
		return;
	if (c->mute_until) {
		hold(c);
		return;
	}
	n = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
	n = n < 0 ? 0 : n;
	if ((size_t)n < k->len && (w = malloc(sizeof(*w) + k->len - (size_t)n))) {
		memcpy(w->bytes, k->out + n, k->len - (size_t)n);
		b = uv_buf_init((char *)w->bytes, (unsigned)(k->len - (size_t)n));
		if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &b, 1, on_written) < 0)
			free(w);
	}
	k->len = 0;
}

static void
room_for(struct conn *c, size_t len)
{
	if (c->client->len + len > OUT)
		flush(c);
}

static void
say(struct conn *c, uint16_t message, unsigned s)
{
	struct load_client *k = c->client;

	room_for(c, LOAD_FRAME);
	k->len += load_wire_message(k->conf, message, (uint16_t)c->index, (uint16_t)s, id_of(c, s), k->out + k->len, LOAD_FRAME);
}

static void drop(struct conn *, const char *why);

/* Beside a good request, whose octets are `good`. */
static void
misbehave(struct conn *c, const uint8_t *good, size_t len)
{
	struct load_client *k = c->client;
	unsigned id = k->conf->misdeed->id;
	uint8_t bad[LOAD_FRAME];
	size_t n;

	k->report->misdeeds++;
	if (id == LOAD_DEAF) {
		c->deaf_until = now_ns() + DEAF_NS;
		uv_read_stop((uv_stream_t *)&c->tcp);
		return;
	}
	if (id == LOAD_FLOOD) {
		for (int i = 0; i < LOAD_TESTS_AT_ONCE; i++)
			say(c, is_mux(k) ? EMMG_CHANNEL_TEST : ECMG_CHANNEL_TEST, 0);
		return;
	}
	n = load_wire_bad(id, good, len, bad);
	if (n == 0)
		return;
	room_for(c, n);
	memcpy(k->out + k->len, bad, n);
	k->len += n;
}

static void
put(struct conn *c, const uint8_t *p, size_t len)
{
	struct load_client *k = c->client;

	for (size_t n; len > 0; p += n, len -= n) {
		if (k->len == OUT)
			flush(c);
		n = len < OUT - k->len ? len : OUT - k->len;
		memcpy(k->out + k->len, p, n);
		k->len += n;
	}
}

/* A misdeed with a request that is due: beside it, in its place, or with how it goes. */
static void
do_bad(struct conn *c, unsigned id, const uint8_t *good, size_t len)
{
	struct load_client *k = c->client;
	size_t n = load_wire_instead(id, k->conf->side, good, len, k->big), half = id == LOAD_HALF || id == LOAD_VANISH ? len / 2 : 0;

	if (n) {
		k->report->misdeeds++;
		put(c, k->big, n);
	} else if (id == LOAD_DRIBBLE) {
		k->report->misdeeds++;
		for (flush(c); n < len; n++) {
			put(c, good + n, 1);
			flush(c);
		}
	} else if (id == LOAD_VANISH || id == LOAD_STORM) {
		k->report->misdeeds++;
		put(c, good, half);
		flush(c);
		c->storm = id == LOAD_STORM;
		drop(c, NULL);
	} else if (id == LOAD_HALF || id == LOAD_MUTE) {
		put(c, good, half);
		flush(c);
		k->report->misdeeds += c->mute_until == 0;
		c->mute_until = c->mute_until ? c->mute_until : now_ns() + DEAF_NS;
		put(c, good + half, len - half);
	} else {
		put(c, good, len);
		misbehave(c, good, len);
	}
}

/* The first message of the request that was put together goes by UDP; its test follows on the connection. */
static void
send_data(struct load_client *k, size_t at, size_t len)
{
	size_t first = sim_frame_length(k->out + at, len);
	struct gw_packet pk = { k->out + at, first };

	if (gw_udp_send(k->udp, &pk, 1) == 1)
		k->report->datagrams++;
	else
		k->report->unsendable++;
	memmove(k->out + at, k->out + at + first, len - first);
	k->len -= first;
}

/* A request that the timetable wants. */
static void
ask(struct load_client *k, const struct pace_ask *a)
{
	struct conn *c = &k->conns[a->slot / k->conf->streams];
	unsigned i = a->slot % k->conf->streams;
	const struct load_misdeed *bad = k->conf->misdeed;
	bool wrong = bad && ++k->count % k->conf->every == 0;
	size_t at, len;

	room_for(c, LOAD_FRAME);
	at = k->len;
	len = load_wire_put(&k->wire, k->out + at, (uint16_t)c->index, (uint16_t)i, id_of(c, i), ++k->cps[a->slot]);
	k->len += len;
	pace_sent(&k->pace, a, now_ns());
	if (k->udp >= 0)
		send_data(k, at, len);
	if (!wrong)
		return;
	k->len = at;
	memcpy(k->whole, k->out + at, len);
	do_bad(c, bad->id, k->whole, len);
}

/* ---- connections ---- */

static void
on_closed(uv_handle_t *h)
{
	struct conn *c = h->data;
	struct load_client *k = c->client;

	c->state = CLOSED;
	free(c->rest);
	free(c->held);
	c->rest = c->held = NULL;
	c->have = c->nheld = 0;
	k->open--;
	c->retry = now_ns() + (c->storm ? 0 : AGAIN_NS);
	c->storm = false;
}

/* What was asked has no answer any more. */
static void
forget(struct conn *c)
{
	struct load_client *k = c->client;

	for (unsigned i = 0; i < k->conf->streams; i++)
		pace_down(&k->pace, slot_of(c, i), now_ns());
	c->up = 0;
}

/* why NULL: it is our own doing. */
static void
drop(struct conn *c, const char *why)
{
	struct load_client *k = c->client;

	if (c->state == CLOSED || c->state == CLOSING)
		return;
	if (why && !k->closing) {
		if (c->state == READY)
			k->report->lost++;
		else
			k->report->refused++;
		if (!k->report->why.code)
			gw_fail(&k->report->why, GW_EUNAVAIL, "channel %u: %s", c->index, why);
	}
	k->ready -= c->state == READY;
	forget(c);
	c->state = CLOSING;
	k->len = 0;		/* what it was about to be told is for no other connection */
	if (why || k->closing)
		uv_close((uv_handle_t *)&c->tcp, on_closed);
	else if (uv_tcp_close_reset(&c->tcp, on_closed) < 0)
		uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void
ready(struct conn *c)
{
	struct load_client *k = c->client;
	struct pace_ask a;
	int64_t now = now_ns();

	c->state = READY;
	k->ready++;
	hist_add(&k->report->ready, now - c->since);
	k->report->up += !c->was_ready;
	c->was_ready = true;
	for (unsigned i = 0; c->state == READY && i < k->conf->streams; i++)
		if (pace_up(&k->pace, slot_of(c, i), now, &a))
			ask(k, &a);
	flush(c);
}

/* ---- in ---- */

static void
answered(struct conn *c, unsigned i, bool well)
{
	struct load_client *k = c->client;
	struct pace_ask a;

	k->report->answered += well;
	if (pace_answered(&k->pace, slot_of(c, i), now_ns(), &a))
		ask(k, &a);
}

/* The answer to a request, which is most of what comes: without decoding it whole. */
static void
on_answer(struct conn *c, const uint8_t *p, size_t len)
{
	struct load_client *k = c->client;
	int i = load_wire_find(p, len, is_mux(k) ? EMMG_STREAM_ID : ECMG_STREAM_ID);
	int channel = load_wire_find(p, len, is_mux(k) ? EMMG_CHANNEL_ID : ECMG_CHANNEL_ID);

	if (i < 0 || (unsigned)i >= k->conf->streams || channel != (int)(uint16_t)c->index) {
		k->report->wrong++;
		return;
	}
	if (!pace_out(&k->pace, slot_of(c, (unsigned)i)))
		k->report->late++;
	else if (!is_mux(k) && load_wire_find(p, len, ECMG_CP_NUMBER) != k->cps[slot_of(c, (unsigned)i)])
		k->report->wrong++;
	else
		answered(c, (unsigned)i, true);
}

/* The request itself was the misdeed: its error is its answer. */
static bool
in_place(unsigned misdeed)
{
	return misdeed == LOAD_PARAMETER || misdeed == LOAD_WINDOW || misdeed == LOAD_OVERSIZED;
}

static void
on_error(struct conn *c, const struct sim_msg *m)
{
	struct load_client *k = c->client;
	int64_t i = sim_int(m, is_mux(k) ? EMMG_STREAM_ID : ECMG_STREAM_ID, -1);

	k->report->errors++;
	load_error(k->report, (uint16_t)sim_int(m, ECMG_ERROR_STATUS, 0));	/* the same number on both interfaces */
	if (c->state != READY) {
		char text[256];
		sim_print(m, text, sizeof(text));
		drop(c, text);
	} else if (is_mux(k) || (k->conf->misdeed && !in_place(k->conf->misdeed->id) && k->report->errors <= k->report->misdeeds)) {
		return;		/* of data, which have no answer; the test behind them has. Or earned: the good request beside it gets its own. */
	} else if (i >= 0 && i < k->conf->streams && pace_out(&k->pace, slot_of(c, (unsigned)i))) {
		answered(c, (unsigned)i, false);
	}
}

static void
on_status(struct conn *c, const struct sim_msg *m, const uint8_t *p, size_t len)
{
	struct load_client *k = c->client;
	struct gw_err err = { 0 };

	if (c->status_len) {
		k->report->tested++;
		return;
	}
	if (!k->made && load_wire_request(&k->wire, k->conf, (uint8_t)sim_int(m, ECMG_LEAD_CW, 0), (uint8_t)sim_int(m, ECMG_CW_PER_MSG, 1), &err) < 0) {
		drop(c, err.text);
		return;
	}
	k->made = true;
	c->status_len = len < sizeof(c->status) ? len : 0;
	memcpy(c->status, p, c->status_len);
	for (unsigned i = 0; i < k->conf->streams; i++)
		say(c, is_mux(k) ? EMMG_STREAM_SETUP : ECMG_STREAM_SETUP, i);
	flush(c);
}

static void
on_other(struct conn *c, const uint8_t *p, size_t len)
{
	struct load_client *k = c->client;
	bool mux = is_mux(k);
	struct sim_msg *m = &k->m;
	int64_t i;

	if (sim_decode(load_iface(k->conf->side), p, len, m, NULL) < 0) {
		k->report->bad++;
		return;
	}
	i = sim_int(m, mux ? EMMG_STREAM_ID : ECMG_STREAM_ID, -1);
	if (m->type == (mux ? EMMG_CHANNEL_STATUS : ECMG_CHANNEL_STATUS)) {
		on_status(c, m, p, len);
	} else if (m->type == (mux ? EMMG_STREAM_STATUS : ECMG_STREAM_STATUS)) {
		if (c->state == SETTING_UP && ++c->up == k->conf->streams)
			ready(c);
	} else if (m->type == (mux ? EMMG_CHANNEL_ERROR : ECMG_CHANNEL_ERROR) || m->type == (mux ? EMMG_STREAM_ERROR : ECMG_STREAM_ERROR)) {
		on_error(c, m);
	} else if (m->type == (mux ? EMMG_CHANNEL_TEST : ECMG_CHANNEL_TEST)) {
		room_for(c, c->status_len);
		memcpy(k->out + k->len, c->status, c->status_len);
		k->len += c->status_len;
	} else if (m->type == (mux ? EMMG_STREAM_TEST : ECMG_STREAM_TEST) && i >= 0 && i < k->conf->streams) {
		say(c, mux ? EMMG_STREAM_STATUS : ECMG_STREAM_STATUS, (unsigned)i);
	}
}

static void
room(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	struct conn *c = h->data;
	struct load_client *k = c->client;

	(void)size;
	if (c->have)
		memcpy(k->in, c->rest, c->have);
	*buf = uv_buf_init((char *)k->in + c->have, (unsigned)(sizeof(k->in) - c->have));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;
	struct load_client *k = c->client;
	size_t at = 0, end = c->have + (n > 0 ? (size_t)n : 0), len;

	(void)buf;
	if (n < 0) {
		drop(c, n == UV_EOF ? "the peer closed the connection" : uv_strerror((int)n));
		return;
	}
	while (c->state != CLOSING && (len = sim_frame_length(k->in + at, end - at)) != 0 && len <= end - at) {
		const uint8_t *p = k->in + at;
		unsigned type = (unsigned)p[1] << 8 | p[2];

		at += len;
		if (c->state == READY && type == (is_mux(k) ? (unsigned)EMMG_STREAM_STATUS : (unsigned)ECMG_ECM_RESPONSE))
			on_answer(c, p, len);
		else
			on_other(c, p, len);
	}
	if (c->state == CLOSING)
		return;
	flush(c);
	c->have = end - at;
	if (c->have && !c->rest && !(c->rest = malloc(SIM_MAX)))
		drop(c, "no memory");
	else if (c->have)
		memcpy(c->rest, k->in + at, c->have);
}

static void
on_connect(uv_connect_t *req, int status)
{
	struct conn *c = req->data;
	struct load_client *k = c->client;

	if (c->state != CONNECTING)
		return;		/* closed meanwhile */
	if (status < 0) {
		drop(c, uv_strerror(status));
		return;
	}
	c->state = SETTING_UP;
	uv_tcp_nodelay(&c->tcp, 1);
	uv_read_start((uv_stream_t *)&c->tcp, room, on_read);
	say(c, is_mux(k) ? EMMG_CHANNEL_SETUP : ECMG_CHANNEL_SETUP, 0);
	flush(c);
}

static void
dial(struct conn *c)
{
	struct load_client *k = c->client;
	int rc;

	c->state = CONNECTING;
	c->since = now_ns();
	c->status_len = 0;
	c->deaf_until = c->mute_until = 0;
	c->tcp.data = c->connect.data = c;
	uv_tcp_init(k->loop, &c->tcp);
	k->open++;
	if ((rc = uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&k->to, on_connect)) < 0)
		drop(c, uv_strerror(rc));
}

/* ---- the schedule ---- */

static void
schedule(struct load_client *k)
{
	struct pace_ask a;

	while (pace_tick(&k->pace, now_ns(), &a)) {
		ask(k, &a);
		flush(&k->conns[a.slot / k->conf->streams]);
	}
	alarm_set(&k->alarm, pace_next(&k->pace));
}

static void
on_alarm(void *self)
{
	schedule(self);
}

/* No more requests; what is out may still be answered. */
static void
finish(struct load_client *k)
{
	if (k->over)
		return;
	k->over = true;
	k->over_at = now_ns();
	k->report->ran_ns = now_ns() - k->start;
	pace_finish(&k->pace, now_ns());
}

static void
on_handle(uv_handle_t *h)
{
	struct load_client *k = h->data;

	if (--k->handles == 0 && k->ended)
		k->ended(k->self);
}

static void
end(struct load_client *k)
{
	k->closing = true;
	for (unsigned i = 0; i < k->conf->connections; i++) {
		struct conn *c = &k->conns[i];
		c->mute_until = 0;
		if (c->state == READY) {
			say(c, is_mux(k) ? EMMG_CHANNEL_CLOSE : ECMG_CHANNEL_CLOSE, 0);
			flush(c);
		}
		drop(c, NULL);
	}
}

/* Those whose time is over: a stream may be asked again. */
static void
time_out(struct load_client *k, struct conn *c, int64_t now)
{
	struct pace_ask a;
	bool late;

	for (unsigned i = 0; k->pace.group[c->index].asked > 0 && i < k->conf->streams; i++)
		if (pace_overdue(&k->pace, slot_of(c, i), now, &late, &a))
			ask(k, &a);
	if (c->state == READY)
		flush(c);
}

/* It was mute: all that it had to say. */
static void
speak(struct conn *c)
{
	uint8_t *held = c->held;
	size_t n = c->nheld;

	c->held = NULL;
	c->nheld = 0;
	c->mute_until = 0;
	if (n)
		put(c, held, n);
	flush(c);
	free(held);
}

/* What misdeeds earn has come, or will not. */
static bool
settled(const struct load_client *k, int64_t now)
{
	const struct load_misdeed *d = k->conf->misdeed;
	bool has_to;
	char expected[LOAD_WORDS];

	if (!d)
		return true;
	has_to = d->duty == LOAD_MUST || d->duty == LOAD_TESTS;
	return now >= k->over_at + (has_to ? EARN_NS : LINGER_NS) || (has_to && load_judge(k->conf, k->report, expected));
}

static void
on_keep(uv_timer_t *t)
{
	struct load_client *k = t->data;
	const struct load_conf *conf = k->conf;
	int64_t now = now_ns();

	if (k->closing) {
		if (k->open == 0 && !uv_is_closing((uv_handle_t *)t)) {
			uv_close((uv_handle_t *)&k->keep, on_handle);
			alarm_close(&k->alarm, on_handle);
		}
		return;
	}
	for (unsigned due = k->over ? 0 : pace_opened(&k->pace, conf->connections, now); k->opened < due;)
		dial(&k->conns[k->opened++]);
	for (unsigned i = 0; i < k->opened; i++) {
		struct conn *c = &k->conns[i];
		if (c->state == CLOSED && !k->over && now >= c->retry)
			dial(c);
		if (c->deaf_until && now >= c->deaf_until && c->state >= SETTING_UP && c->state <= READY) {
			c->deaf_until = 0;
			uv_read_start((uv_stream_t *)&c->tcp, room, on_read);
		}
		if (c->mute_until && now >= c->mute_until && c->state == READY)
			speak(c);
		if (c->state == SETTING_UP && now - c->since >= conf->timeout_ns)
			drop(c, "no answer to the set-up");
		time_out(k, c, now);
	}
	schedule(k);
	if (now >= k->end || (k->report->up == 0 && k->opened == conf->connections && k->report->refused >= conf->connections))
		finish(k);	/* or nobody is taken */
	if (k->over && k->pace.asked == 0 && settled(k, now))
		end(k);
}

struct load_live
load_client_live(const struct load_client *k)
{
	return (struct load_live){ k->ready, k->report->answered, k->report->errors, k->pace.asked, k->over };
}

void
load_client_stop(struct load_client *k)
{
	if (k->over)
		end(k);
	else
		finish(k);
}

void
load_client_free(struct load_client *k)
{
	if (!k)
		return;
	if (k->udp >= 0)
		close(k->udp);
	free(k->conns);
	free(k->cps);
	pace_close(&k->pace);
	free(k);
}

struct load_client *
load_client_open(uv_loop_t *loop, const struct load_conf *conf, struct load_report *report, void (*ended)(void *), void *self, struct gw_err *err)
{
	struct load_client *k = calloc(1, sizeof(*k));
	struct gw_addr to = conf->at, udp = conf->udp;
	const struct pace_conf pace = { .groups = conf->connections, .slots = conf->streams, .rate = conf->rate, .window = conf->window, .start = now_ns(),
		.ramp = conf->ramp_ns, .duration = conf->duration_ns, .timeout = conf->timeout_ns };

	if (k)
		k->udp = -1;
	if (!k || !(k->conns = calloc(conf->connections, sizeof(*k->conns))) ||
	    !(k->cps = calloc((size_t)conf->connections * conf->streams, sizeof(*k->cps))) || pace_open(&k->pace, &pace, &report->pace) < 0)
		gw_fail(err, GW_ESYS, "no memory");
	else if (gw_addr_resolve(&to, err) < 0 || (udp.scheme && (gw_addr_resolve(&udp, err) < 0 || (k->udp = gw_udp_sender(&udp, err)) < 0)))
		;
	else if (alarm_open(&k->alarm, loop, on_alarm, k, err) == 0) {
		k->conf = conf;
		k->report = report;
		k->ended = ended;
		k->self = self;
		k->loop = loop;
		k->to = to.ss;
		k->start = pace.start;
		k->end = k->pace.end;
		for (unsigned i = 0; i < conf->connections; i++)
			k->conns[i] = (struct conn){ .client = k, .index = i };
		uv_timer_init(loop, &k->keep);
		k->keep.data = k;
		k->handles = 2;
		uv_timer_start(&k->keep, on_keep, 0, KEEP_MS);
		return k;
	}
	load_client_free(k);
	return NULL;
}
