/* tools/load_serve.c: an ECMG that counts what SCSs ask of it, answers after a fixed time, and misbehaves if it is to */
#include <stdlib.h>
#include <string.h>
#include "lib/link.h"
#include "proto/ecmg_scs.h"
#include "tools/load.h"

enum { KEEP_MS = 20, ROOM = 1024 };

struct peer_stream { bool up; uint16_t id; unsigned asked; int64_t last; };
struct peer {
	struct load_serve *serve;
	struct gw_link *link;
	bool open;
	uint16_t channel;
	struct peer_stream *streams; unsigned n, room;
	struct peer *next;
};
/* An answer that waits; they are due in the order in which they were asked for, since all take as long. */
struct later { struct later *next; struct peer *peer; int64_t due, asked; uint16_t stream, cp; };
struct load_serve {
	const struct load_conf *conf;
	struct load_report *report;
	void (*ended)(void *self); void *self;
	uv_timer_t keep, answers;
	struct gw_listener *listener;
	struct peer *peers;
	struct later *first, **last, *spare;
	unsigned linked, streams, waiting;
	uint64_t count;
	int64_t start, end;
	bool over;
	unsigned handles;
	struct sim_msg m;
	uint8_t out[ROOM];
};

static int64_t
now_ns(void)
{
	return (int64_t)uv_hrtime();
}

static void
say(struct peer *p, uint16_t message, uint16_t stream, uint16_t id)
{
	struct load_serve *s = p->serve;
	size_t len = load_wire_message(s->conf, message, p->channel, stream, id, s->out, sizeof(s->out));

	if (len)
		gw_link_send(p->link, s->out, len);
}

static void
refuse(struct peer *p, uint16_t message, uint16_t stream, uint16_t status)
{
	struct sim_writer w;
	size_t len;

	sim_begin(&w, &ecmg_scs, p->serve->conf->version, message, p->serve->out, sizeof(p->serve->out));
	sim_put_int(&w, ECMG_CHANNEL_ID, p->channel);
	if (message == ECMG_STREAM_ERROR)
		sim_put_int(&w, ECMG_STREAM_ID, stream);
	sim_put_int(&w, ECMG_ERROR_STATUS, status);
	len = sim_end(&w, NULL);
	load_error(p->serve->report, status);
	p->serve->report->errors++;
	gw_link_send(p->link, p->serve->out, len);
}

static struct peer_stream *
stream_of(const struct peer *p, uint16_t id)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->streams[i].id == id)
			return &p->streams[i];
	return NULL;
}

static struct peer_stream *
stream_new(struct peer *p, uint16_t id)
{
	struct peer_stream *s = stream_of(p, id);

	if (s)
		return s;
	if (p->n == p->room) {
		unsigned room = p->room ? 2 * p->room : 4;
		if (!(s = realloc(p->streams, room * sizeof(*s))))
			return NULL;
		p->streams = s;
		p->room = room;
	}
	p->streams[p->n] = (struct peer_stream){ .id = id };
	return &p->streams[p->n++];
}

/* ---- answers ---- */

static void
answer(struct peer *p, const struct later *a)
{
	struct load_serve *s = p->serve;
	struct peer_stream *stream = stream_of(p, a->stream);
	const struct load_misdeed *bad = s->conf->misdeed && ++s->count % s->conf->every == 0 ? s->conf->misdeed : NULL;
	size_t size = s->conf->size, len;
	uint8_t ecm[LOAD_ECM] = { 0x80, 0x70, (uint8_t)(size - 3) };	/* a section */
	struct sim_writer w;

	if (stream && stream->asked > 0)
		stream->asked--;
	s->report->misdeeds += bad != NULL;
	if (bad && bad->id == LOAD_SILENT)
		return;
	if (bad && bad->id == LOAD_REFUSE) {
		refuse(p, ECMG_STREAM_ERROR, a->stream, ECMG_E_COMPUTATION);
		return;
	}
	if (bad && bad->id == LOAD_VANISH) {
		gw_link_abort(p->link, GW_EPEER, "misbehaves as it was told");
		return;
	}
	sim_begin(&w, &ecmg_scs, s->conf->version, ECMG_ECM_RESPONSE, s->out, sizeof(s->out));
	sim_put_int(&w, ECMG_CHANNEL_ID, p->channel);
	sim_put_int(&w, ECMG_STREAM_ID, a->stream);
	sim_put_int(&w, ECMG_CP_NUMBER, (uint16_t)(a->cp + (bad && bad->id == LOAD_WRONG ? 1000 : 0)));
	sim_put_bytes(&w, ECMG_ECM_DATAGRAM, ecm, size);
	len = sim_end(&w, NULL);
	if (bad && bad->id == LOAD_GARBAGE)
		memset(s->out, 0xa5, len);
	if (gw_link_send(p->link, s->out, len) < 0)
		return;
	s->report->answered++;
	s->report->recovered += s->report->misdeeds > 0 && !bad;
	hist_add(&s->report->pace.sent_ns, now_ns() - a->asked);
}

static void on_answers(uv_timer_t *);

static void
later(struct peer *p, uint16_t stream, uint16_t cp, int64_t now)
{
	struct load_serve *s = p->serve;
	struct later *a = s->spare, one = { NULL, p, now, now, stream, cp };

	if (s->conf->delay_ms == 0) {
		answer(p, &one);
		return;
	}
	if (a)
		s->spare = a->next;
	else if (!(a = malloc(sizeof(*a))))
		return;
	*a = one;
	a->due = now + (int64_t)s->conf->delay_ms * 1000000;
	if (!s->first)
		uv_timer_start(&s->answers, on_answers, s->conf->delay_ms, 0);
	*s->last = a;
	s->last = &a->next;
	s->waiting++;
}

static void
on_answers(uv_timer_t *t)
{
	struct load_serve *s = t->data;
	struct later *a;
	int64_t now = now_ns();

	while ((a = s->first) && a->due <= now) {
		if (!(s->first = a->next))
			s->last = &s->first;
		s->waiting--;
		if (a->peer)
			answer(a->peer, a);
		a->next = s->spare;
		s->spare = a;
	}
	if (s->first)
		uv_timer_start(t, on_answers, (uint64_t)((s->first->due - now + 999999) / 1000000), 0);
}

/* ---- messages ---- */

static void
on_provision(struct peer *p, const struct sim_msg *m)
{
	struct load_report *r = p->serve->report;
	uint16_t id = (uint16_t)sim_int(m, ECMG_STREAM_ID, 0);
	struct peer_stream *stream = stream_of(p, id);
	int64_t now = now_ns();

	r->pace.sent++;
	if (!stream) {
		refuse(p, ECMG_STREAM_ERROR, id, ECMG_E_STREAM_ID);
		return;
	}
	r->wrong += stream->asked > 0;		/* it may not ask again before it has the answer */
	stream->asked++;
	if (stream->last)
		hist_add(&r->interval, now - stream->last);
	stream->last = now;
	later(p, id, (uint16_t)sim_int(m, ECMG_CP_NUMBER, 0), now);
}

static void
on_stream_setup(struct peer *p, const struct sim_msg *m)
{
	struct load_serve *s = p->serve;
	uint16_t id = (uint16_t)sim_int(m, ECMG_STREAM_ID, 0);
	struct peer_stream *stream = stream_new(p, id);

	if (!stream)
		return;
	s->streams += !stream->up;
	stream->up = true;
	s->report->streams = s->streams > s->report->streams ? s->streams : s->report->streams;
	say(p, ECMG_STREAM_STATUS, id, (uint16_t)sim_int(m, ECMG_ECM_ID, 0));
}

static void
stream_gone(struct peer *p, uint16_t id)
{
	struct peer_stream *stream = stream_of(p, id);

	if (!stream)
		return;
	p->serve->streams -= stream->up;
	*stream = p->streams[--p->n];
}

static void
on_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct peer *p = self;
	struct load_serve *s = p->serve;
	struct sim_msg *m = &s->m;
	struct sim_fault why;
	uint16_t id;

	(void)link;
	if (sim_decode(&ecmg_scs, msg, len, m, &why) < 0) {
		s->report->bad++;
		refuse(p, ECMG_CHANNEL_ERROR, 0, sim_status_of(&ecmg_scs, why.verdict));
		return;
	}
	id = (uint16_t)sim_int(m, ECMG_STREAM_ID, 0);
	switch (m->type) {
	case ECMG_CHANNEL_SETUP:
		p->channel = (uint16_t)sim_int(m, ECMG_CHANNEL_ID, 0);
		s->report->up += !p->open;
		p->open = true;
		say(p, ECMG_CHANNEL_STATUS, 0, 0);
		break;
	case ECMG_CHANNEL_TEST: say(p, ECMG_CHANNEL_STATUS, 0, 0); break;
	case ECMG_CHANNEL_CLOSE: gw_link_close(p->link, 1000); break;
	case ECMG_STREAM_SETUP: on_stream_setup(p, m); break;
	case ECMG_STREAM_TEST: say(p, ECMG_STREAM_STATUS, id, id); break;
	case ECMG_STREAM_CLOSE_REQUEST:
		stream_gone(p, id);
		say(p, ECMG_STREAM_CLOSE_RESPONSE, id, 0);
		break;
	case ECMG_CW_PROVISION: on_provision(p, m); break;
	case ECMG_CHANNEL_ERROR: case ECMG_STREAM_ERROR:
		s->report->errors++;
		load_error(s->report, (uint16_t)sim_int(m, ECMG_ERROR_STATUS, 0));
		break;
	default: break;
	}
}

static void
on_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct peer *p = self, **at = &p->serve->peers;
	struct load_serve *s = p->serve;

	(void)link;
	s->report->lost += why && why->code && p->open && !s->over;
	for (struct later *a = s->first; a; a = a->next)
		if (a->peer == p)
			a->peer = NULL;
	for (unsigned i = 0; i < p->n; i++)
		s->streams -= p->streams[i].up;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	s->linked--;
	free(p->streams);
	free(p);
}

static void
on_up(void *self, struct gw_link *link)
{
	(void)self;
	(void)link;
}

static const struct gw_link_ops ops = { .up = on_up, .frame = on_frame, .down = on_down };

static void *
on_accept(void *self, struct gw_link *link)
{
	struct load_serve *s = self;
	struct peer *p = s->over ? NULL : calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct peer){ .serve = s, .link = link, .next = s->peers };
	s->peers = p;
	s->linked++;
	return p;
}

/* ---- its life ---- */

static void
on_handle(uv_handle_t *h)
{
	struct load_serve *s = h->data;

	if (--s->handles == 0)
		s->ended(s->self);
}

static void
on_keep(uv_timer_t *t)
{
	struct load_serve *s = t->data;

	if (!s->over && now_ns() >= s->end)
		load_serve_stop(s);
	if (s->over && s->linked == 0) {
		uv_close((uv_handle_t *)&s->keep, on_handle);
		uv_close((uv_handle_t *)&s->answers, on_handle);
	}
}

void
load_serve_stop(struct load_serve *s)
{
	if (s->over)
		return;
	s->over = true;
	s->report->ran_ns = now_ns() - s->start;
	s->report->pace.unanswered = s->waiting;
	gw_listener_close(s->listener, NULL);
	for (struct peer *p = s->peers, *next; p; p = next) {
		next = p->next;
		gw_link_close(p->link, 1000);
	}
}

const struct gw_addr *
load_serve_addr(const struct load_serve *s)
{
	return gw_listener_addr(s->listener);
}

struct load_live
load_serve_live(const struct load_serve *s)
{
	return (struct load_live){ s->linked, s->report->answered, s->report->errors, s->waiting, s->over };
}

void
load_serve_free(struct load_serve *s)
{
	struct later *a;

	if (!s)
		return;
	while ((a = s->first)) {
		s->first = a->next;
		free(a);
	}
	while ((a = s->spare)) {
		s->spare = a->next;
		free(a);
	}
	free(s);
}

struct load_serve *
load_serve_open(uv_loop_t *loop, const struct load_conf *conf, struct load_report *report, void (*ended)(void *), void *self, struct gw_err *err)
{
	struct load_serve *s = calloc(1, sizeof(*s));

	if (!s) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	*s = (struct load_serve){ .conf = conf, .report = report, .ended = ended, .self = self, .start = now_ns(), .handles = 2 };
	s->end = conf->duration_ns ? s->start + conf->duration_ns : INT64_MAX;
	s->last = &s->first;
	if (!(s->listener = gw_listen(loop, &conf->at, &ops, NULL, on_accept, s, err))) {
		free(s);
		return NULL;
	}
	uv_timer_init(loop, &s->keep);
	uv_timer_init(loop, &s->answers);
	s->keep.data = s->answers.data = s;
	uv_timer_start(&s->keep, on_keep, KEEP_MS, KEEP_MS);
	return s;
}
