/* lib/mux_face.c */
#include "lib/mux_face.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/udp.h"
#include "lib/mux_stream.h"

enum { TICK_MS = 250, PATIENCE_MS = 10000, GOODBYE_MS = 300, LOG_BURST = 10, LOG_PER_MS = 1000 };
/* Rooms of 64 KiB each would begin at the same lines of the cache: they are a little larger. */
enum { UDP_BYTES = 65536, UDP_STRIDE = UDP_BYTES + 1408, UDP_ROUNDS = 8 };

/* ---- the door of the intake */

static int64_t
now_us(const struct mux_face *s)
{
	return (int64_t)uv_now(s->loop) * 1000;
}

static void
trace(const struct mux_conn *k, const char *way, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;
	char text[512];

	if (!gw_log_on(GW_DEBUG))
		return;
	sim_decode(&emmg_mux, msg, len, &m, NULL);
	sim_print(&m, text, sizeof(text));
	gw_log(GW_DEBUG, "message", text, "peer=%s way=%s version=%u", gw_link_peer(k->link), way, m.version);
}

static void
door_send(void *self, const uint8_t *msg, size_t len)
{
	struct mux_conn *k = self;

	if (k->leaving)
		return;
	trace(k, "out", msg, len);
	if (gw_link_send(k->link, msg, len) == 1)
		gw_link_read(k->link, false);	/* what it does not take in it shall not ask for */
}

static void
leave(struct mux_conn *k)
{
	if (k->leaving)
		return;
	k->leaving = true;
	gw_link_close(k->link, GOODBYE_MS);
}

static void
door_close(void *self)
{
	leave(self);
}

static void
number(char out[16], int n)
{
	snprintf(out, 16, n < 0 ? "-" : "%d", n);
}

static const char *
param_name(char out[16], uint16_t type)
{
	const struct sim_param *param = sim_param_find(&emmg_mux, type);

	if (param)
		return param->name;
	snprintf(out, 16, type ? "0x%04x" : "-", type);
	return out;
}

static void
door_note(void *self, const struct mux_note *n)
{
	struct mux_conn *k = self;
	const struct sim_status *words = sim_status_words(&emmg_mux, n->status);
	char client[16], channel[16], stream[16], param[16];
	const char *peer = gw_link_peer(k->link);

	snprintf(client, sizeof(client), n->client_id < 0 ? "-" : "0x%08x", (unsigned)n->client_id);
	number(channel, n->channel);
	number(stream, n->stream);
	if (strcmp(n->event, "refused") == 0)
		gw_refusals_add(&k->server->refused, peer, n->message, n->status, n->why);
	else if (strcmp(n->event, "tolerated") == 0)
		k->server->tolerated++;
	if (n->message && n->status)	/* its meaning, where the engine knows no better reason */
		gw_log_limited(&k->rate, n->level, n->event, n->why && strcmp(n->why, words->name) != 0 ? n->why : words->meaning,
		    "peer=%s client=%s channel=%s stream=%s message=%s error=0x%04x param=%s offset=%zu name=%s next=%s", peer, client, channel,
		    stream, n->message, n->status, param_name(param, n->param), n->offset, words->name, words->next);
	else if (n->message)
		gw_log_limited(&k->rate, n->level, n->event, n->why, "peer=%s client=%s channel=%s stream=%s message=%s error=- param=%s offset=%zu",
		    peer, client, channel, stream, n->message, param_name(param, n->param), n->offset);
	else
		gw_log_limited(&k->rate, n->level, n->event, n->why, "peer=%s client=%s channel=%s stream=%s", peer, client, channel, stream);
}

/* ---- the clock */

static void
on_queue(uv_timer_t *t)
{
	struct mux_face *s = t->data;
	const int64_t next = mux_intake_run(&s->intake, now_us(s)) - now_us(s);

	if (!TAILQ_EMPTY(&s->intake.busy))
		uv_timer_start(t, on_queue, (uint64_t)(next > 1000 ? next / 1000 : 1), 0);
}

/* Data came: what of it has to wait is not to wait for another stream's repetition. */
static void
look_after(struct mux_face *s)
{
	if (!TAILQ_EMPTY(&s->intake.busy) &&
	    (!uv_is_active((uv_handle_t *)&s->queue) || uv_timer_get_due_in(&s->queue) > MUX_TICK_US / 1000))
		uv_timer_start(&s->queue, on_queue, MUX_TICK_US / 1000, 0);
}

static void
on_tick(uv_timer_t *t)
{
	struct mux_face *s = t->data;
	struct mux_conn *k, *after;

	for (k = TAILQ_FIRST(&s->conns); k; k = after) {
		after = TAILQ_NEXT(k, all);
		if (!k->leaving)
			mux_channel_time(&k->channel, now_us(s));
	}
	mux_intake_time(&s->intake, now_us(s));
}

/* ---- connections */

static void *
on_accept(void *owner, struct gw_link *link)
{
	struct mux_face *s = owner;
	struct mux_conn *k = s->closing ? NULL : calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->server = s;
	k->link = link;
	k->rate = (struct gw_rate){ .burst = LOG_BURST, .per_ms = LOG_PER_MS };
	mux_channel_init(&k->channel, &s->intake, k, now_us(s));
	TAILQ_INSERT_TAIL(&s->conns, k, all);
	s->nconns++;
	return k;
}

static void
on_up(void *self, struct gw_link *link)
{
	(void)self;
	gw_log(GW_INFO, "connected", NULL, "peer=%s", gw_link_peer(link));
}

static void
on_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct mux_conn *k = self;

	(void)link;
	if (k->leaving)
		return;
	trace(k, "in", msg, len);
	mux_channel_feed(&k->channel, msg, len, now_us(k->server));
	look_after(k->server);
}

static void
on_drained(void *self, struct gw_link *link)
{
	struct mux_conn *k = self;

	if (!k->leaving)
		gw_link_read(link, true);
}

static void
on_closed(uv_handle_t *h)
{
	struct mux_face *s = h->data;

	if (--s->handles == 0 && s->maker->parted)
		s->maker->parted(s->owner);
}

static void
end_timers(struct mux_face *s)
{
	uv_close((uv_handle_t *)&s->tick, on_closed);
	uv_close((uv_handle_t *)&s->queue, on_closed);
	mux_intake_fini(&s->intake);
}

static void
on_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct mux_conn *k = self;
	struct mux_face *s = k->server;

	gw_log(GW_INFO, "disconnected", why ? why->text : NULL, "peer=%s", gw_link_peer(link));
	mux_channel_fini(&k->channel);
	TAILQ_REMOVE(&s->conns, k, all);
	free(k);
	if (--s->nconns == 0 && s->closing)
		end_timers(s);
}

/* No descriptor for it: it is told, and everybody else stays. */
static void
on_refuse(void *owner, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct mux_face *s = owner;
	struct mux_conn k = { .server = s, .link = link, .rate = s->full };

	if (msg)
		trace(&k, "in", msg, len);
	mux_channel_turn_away(&s->intake, &k, msg, len);
	s->full = k.rate;
}

static const struct gw_link_ops link_ops = { on_up, on_frame, on_down, on_drained };

/* ---- UDP */

static void
log_udp_drops(struct mux_face *s, const uint64_t before[MUX_UDP_DROPS])
{
	for (int i = 0; i < MUX_UDP_DROPS; i++)
		if (s->intake.udp_drops[i] != before[i])
			gw_log_limited(&s->udp_rate, GW_WARNING, "udp_dropped", NULL, "reason=%s dropped=%llu", mux_udp_drops[i],
			    (unsigned long long)s->intake.udp_drops[i]);
}

static void
on_udp(uv_poll_t *p, int status, int events)
{
	struct mux_face *s = p->data;
	struct gw_packet pk[MUX_UDP_BATCH];
	uint64_t before[MUX_UDP_DROPS];
	int n = MUX_UDP_BATCH;

	(void)status;
	(void)events;
	memcpy(before, s->intake.udp_drops, sizeof(before));
	for (int round = 0; round < UDP_ROUNDS && n == MUX_UDP_BATCH; round++) {	/* then it is the others' turn */
		for (size_t i = 0; i < MUX_UDP_BATCH; i++)
			pk[i] = (struct gw_packet){ s->udp_room + i * UDP_STRIDE, 0 };
		n = gw_udp_recv(s->udp_fd, pk, MUX_UDP_BATCH, UDP_BYTES);
		for (int i = 0; i < n; i++)
			mux_intake_udp(&s->intake, pk[i].p, pk[i].len, now_us(s));
	}
	log_udp_drops(s, before);
	look_after(s);
}

static int
open_udp(struct mux_face *s, const struct gw_addr *a, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];

	s->udp_room = malloc((size_t)MUX_UDP_BATCH * UDP_STRIDE);
	if (!s->udp_room)
		return gw_fail(err, GW_ESYS, "out of memory");
	s->udp_fd = gw_udp_receiver(a, err);
	if (s->udp_fd < 0)
		return -1;
	uv_poll_init(s->loop, &s->udp, s->udp_fd);
	s->udp.data = s;
	s->handles++;
	uv_poll_start(&s->udp, UV_READABLE, on_udp);
	gw_log(GW_NOTICE, "listening", NULL, "address=%s", gw_addr_text(a, text, sizeof(text)));
	return 0;
}

/* ---- up and down */

static void
take_rules(struct mux_face *s, const struct mux_face_conf *c)
{
	s->intake.map = c->map;
	s->intake.limits = c->rules;
	s->intake.total_bps = c->rules.total_bandwidth_bps;
	s->intake.silence_ms = c->silence_ms;
	s->intake.patience_ms = PATIENCE_MS;
}

int
mux_face_open(struct mux_face *s, uv_loop_t *loop, const struct mux_maker *maker, void *owner, const struct mux_face_conf *c, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];

	s->loop = loop;
	s->maker = maker;
	s->owner = owner;
	s->udp_fd = -1;
	s->full = (struct gw_rate){ .burst = LOG_BURST, .per_ms = LOG_PER_MS };
	s->udp_rate = (struct gw_rate){ .burst = LOG_BURST, .per_ms = 10 * LOG_PER_MS };
	TAILQ_INIT(&s->conns);
	s->door = (struct mux_door){ door_send, door_close, door_note, maker->open, maker->shut, maker->air, maker->provide };
	s->intake.door = &s->door;
	s->intake.owner = owner;
	mux_intake_init(&s->intake);
	take_rules(s, c);
	uv_timer_init(loop, &s->tick);
	uv_timer_init(loop, &s->queue);
	s->tick.data = s->queue.data = s;
	s->handles += 2;
	s->open = true;
	if (c->rules.emmg_udp.scheme && open_udp(s, &c->rules.emmg_udp, err) < 0)
		return -1;
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	if (!c->rules.emmg.scheme)
		return 0;
	s->listener = gw_listen(loop, &c->rules.emmg, &link_ops, NULL, on_accept, s, err);
	if (!s->listener)
		return -1;
	gw_listener_refuse(s->listener, on_refuse);
	gw_log(GW_NOTICE, "listening", NULL, "address=%s", gw_addr_text(gw_listener_addr(s->listener), text, sizeof(text)));
	return 0;
}

void
mux_face_reload(struct mux_face *s, const struct mux_face_conf *c)
{
	take_rules(s, c);
	mux_intake_revise(&s->intake, now_us(s));
}

void
mux_face_close(struct mux_face *s)
{
	struct mux_conn *k, *after;

	if (!s->open || s->closing)
		return;
	s->closing = true;
	if (s->listener)
		gw_listener_close(s->listener, NULL);
	s->listener = NULL;
	if (s->udp_fd >= 0) {
		uv_close((uv_handle_t *)&s->udp, on_closed);
		close(s->udp_fd);
	}
	uv_timer_stop(&s->tick);
	uv_timer_stop(&s->queue);	/* what waited is not sent any more */
	for (k = TAILQ_FIRST(&s->conns); k; k = after) {
		after = TAILQ_NEXT(k, all);
		leave(k);
	}
	if (s->nconns == 0)
		end_timers(s);
}

void
mux_face_fini(struct mux_face *s)
{
	free(s->udp_room);
	s->udp_room = NULL;
}
