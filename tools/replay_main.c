/* tools/replay_main.c: simulgate-replay: the engine of replay.c between a capture and the network */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/args.h"
#include "lib/clock.h"
#include "lib/link.h"
#include "lib/loop.h"
#include "lib/takes.h"
#include "lib/udp.h"
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "tools/record.h"
#include "tools/replay.h"
#include "tools/term.h"

enum { QUEUE = 8 << 20, BACKOFF_MS = 500, GRACE_MS = 60000, WAIT_S = 10, TIMEOUT_S = 5, OUR_PORT = 49152, OUR_PORTS = 16384, DATAGRAM = 65536 };

struct app;
struct wire {			/* what carries a link of the engine */
	struct app *app;
	struct gw_dialer *dialer;
	struct gw_link *link;	/* while it is up */
	struct ip_ends ends;
	struct record_conn record;
};
struct app {
	/* options */
	const char *file, *as, *sessions, *record_path;
	struct gw_addr to, listen, udp;
	struct replay_conf conf;
	const char *map[REPLAY_MAPS];
	size_t nmaps;
	double wait_s;
	bool json, secrets;
	/* at work */
	uv_loop_t loop;
	struct gw_life life;
	uv_timer_t timer, patience, second;
	uv_poll_t poll;
	struct talk talk;
	struct replay *replay;
	struct gw_listener *listener;
	struct record *record;
	struct find_out out;
	int udp_out, udp_in;
	struct ip_ends udp_ends;
	bool timers, polling, over, broken_output;
	bool shown;			/* how far it is, on a terminal */
	uint16_t ports;			/* made up so far */
	struct gw_err err;		/* why nothing could be played */
	struct wire wire[REPLAY_LINKS];
};

static int64_t
now_ns(void)
{
	return gw_mono_us() * 1000;
}

static int64_t
utc_ns(void)
{
	return gw_utc_us() * 1000;
}

/* ---- options ---- */

static const struct role { const char *name; const struct sim_iface *iface; enum talk_side side; } roles[] = {
	{ "scs", &ecmg_scs, TALK_CLIENT }, { "ecmg", &ecmg_scs, TALK_SERVER }, { "emmg", &emmg_mux, TALK_CLIENT }, { "mux", &emmg_mux, TALK_SERVER },
};

static int
take_as(void *self, const char *value, struct gw_err *err)
{
	struct app *app = self;

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, value) == 0) {
			app->as = value;
			app->conf.iface = roles[i].iface;
			app->conf.side = roles[i].side;
			return 0;
		}
	return gw_fail(err, GW_EUSAGE, "%s is none of scs, ecmg, emmg and mux", value);
}

static int
number(const char *value, double least, double most, double *out, struct gw_err *err)
{
	char *end;

	*out = strtod(value, &end);
	if (end == value || *end || !(*out >= least) || *out > most)
		return gw_fail(err, GW_EUSAGE, "%s is no number from %g to %g", value, least, most);
	return 0;
}

GW_TAKE_ADDR(to, app, to, GW_TCP | GW_UNIX)
GW_TAKE_ADDR(listen, app, listen, GW_TCP | GW_UNIX)
GW_TAKE_ADDR(udp, app, udp, GW_UDP)
GW_TAKE(loop, GW_CONF_UINT, app, conf.loops, .max = 1000000000)
GW_TAKE(version, GW_CONF_UINT, app, conf.version, .min = 1, .max = 255)
GW_TAKE_TEXT(record, app, record_path)
GW_TAKE_FLAG(strict, app, conf.alike.strict)
GW_TAKE_FLAG(json, app, json)
GW_TAKE_FLAG(secrets, app, secrets)
GW_TAKE_BODY(fast, (void)value; (void)err; ((struct app *)self)->conf.speed = 0; return 0;)

static int
take_speed(void *self, const char *value, struct gw_err *err)
{
	return number(value, 0.001, 1e6, &((struct app *)self)->conf.speed, err);
}

static int
take_timeout(void *self, const char *value, struct gw_err *err)
{
	double s;

	if (number(value, 0.001, 86400, &s, err) < 0)
		return -1;
	((struct app *)self)->conf.timeout_ns = (int64_t)(s * 1e9);
	return 0;
}

static int
take_latest(void *self, const char *value, struct gw_err *err)
{
	double ms;

	if (number(value, 0.001, 86400000, &ms, err) < 0)
		return -1;
	((struct app *)self)->conf.latest_ns = (int64_t)(ms * 1e6);
	return 0;
}

static int
take_wait(void *self, const char *value, struct gw_err *err)
{
	return number(value, 0, 1e7, &((struct app *)self)->wait_s, err);
}

static int
take_mark(const char *value, struct replay_mark *mark, struct gw_err *err)
{
	if (replay_mark_parse(value, mark) < 0)
		return gw_fail(err, GW_EUSAGE, "%s is no place in a session: CW_provision, CW_provision#3 or frame:120", value);
	return 0;
}

static int
take_from(void *self, const char *value, struct gw_err *err)
{
	return take_mark(value, &((struct app *)self)->conf.from, err);
}

static int
take_until(void *self, const char *value, struct gw_err *err)
{
	return take_mark(value, &((struct app *)self)->conf.until, err);
}

static int
take_session(void *self, const char *value, struct gw_err *err)
{
	if (talk_listed(value, 1) < 0)
		return gw_fail(err, GW_EUSAGE, "%s is no list of sessions, such as 1,3-5", value);
	((struct app *)self)->sessions = value;
	return 0;
}

static int
take_map(void *self, const char *value, struct gw_err *err)
{
	struct app *app = self;

	if (app->nmaps == REPLAY_MAPS)
		return gw_fail(err, GW_EUSAGE, "more than %d of them", REPLAY_MAPS);
	app->map[app->nmaps++] = value;
	return 0;
}

static int
take_ignore(void *self, const char *value, struct gw_err *err)
{
	struct alike_conf *c = &((struct app *)self)->conf.alike;

	if (c->nignored == ALIKE_IGNORED)
		return gw_fail(err, GW_EUSAGE, "more than %d of them", ALIKE_IGNORED);
	c->ignored[c->nignored++] = value;
	return 0;
}

static const struct gw_option options[] = {
	{ "as", "ROLE", "the side that is played: scs, ecmg, emmg or mux", take_as },
	{ "to", "ADDR", "as scs and emmg: the peer, tcp://HOST:PORT or unix:///path", take_to },
	{ "listen", "ADDR", "as ecmg and mux: where peers connect", take_listen },
	{ "udp", "ADDR", "udp://HOST:PORT that captured datagrams of an EMMG go to, or come to", take_udp },
	{ "session", "LIST", "only these of the capture, as simulgate decode counts them: 1,3-5", take_session },
	{ "speed", "N", "N times as fast as captured", take_speed },
	{ "fast", NULL, "as fast as answers come", take_fast },
	{ "loop", "N", "so many times; 0: until stopped", take_loop },
	{ "from", "MESSAGE", "begin there, once channels and streams are set up: CW_provision#3, or frame:120", take_from },
	{ "until", "MESSAGE", "end there", take_until },
	{ "map", "NAME=OLD:NEW", "say another number: ECM_channel_id=1:7, max_streams=50 (whatever it was), CP_number=+100", take_map },
	{ "protocol-version", "N", "speak another version than was captured", take_version },
	{ "ignore", "NAME", "a parameter, or a message, that may differ", take_ignore },
	{ "strict", NULL, "ECMs, control words, payloads and error texts must be as captured, too", take_strict },
	{ "timeout", "SECONDS", "of an answer; default 5", take_timeout },
	{ "max-latency", "MS", "an answer that takes longer is a difference", take_latest },
	{ "wait", "SECONDS", "for the peer to be there; default 10, as ecmg and mux for ever", take_wait },
	{ "record", "OUT.pcapng", "keep the live session", take_record },
	{ "json", NULL, "the report as an object a line", take_json },
	{ "secrets", NULL, "show control words and keys in the report", take_secrets },
};
static const struct gw_program program = {
	"simulgate-replay", "FILE --as ROLE --to ADDR | --listen ADDR", "Becomes one side of a captured SimulCrypt session, and compares what the peer says.",
	options, sizeof(options) / sizeof(options[0]), 1, 1,
};

/* ---- the record ---- */

static bool
parse_end(const char *text, uint8_t out[16], uint16_t *port, bool *v6)
{
	char host[80];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!colon || n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	*port = (uint16_t)strtoul(colon + 1, NULL, 10);
	memset(out, 0, 16);
	if (host[0] == '[' && n > 1 && host[n - 1] == ']') {
		host[n - 1] = '\0';
		*v6 = true;
		return inet_pton(AF_INET6, host + 1, out) == 1;
	}
	*v6 = false;
	return inet_pton(AF_INET, host, out) == 1;
}

/* The address that this machine has toward the peer: what a datagram would come from. */
static void
our_address(const uint8_t peer[16], bool v6, uint8_t out[16])
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(9) };
	socklen_t len = v6 ? sizeof(six) : sizeof(four);
	struct sockaddr *sa = v6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(v6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr, peer, v6 ? 16 : 4);
	memset(out, 0, 16);
	if (fd >= 0 && connect(fd, sa, len) == 0 && getsockname(fd, sa, &len) == 0)
		memcpy(out, v6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr, v6 ? 16 : 4);
	if (fd >= 0)
		close(fd);
}

/* The ends of a link; a Unix socket is told as loopback. Our own port as a client is made up. */
static void
find_link_ends(struct wire *w)
{
	struct app *app = w->app;
	static const uint8_t loopback[16] = { 127, 0, 0, 1 };
	uint8_t peer[16], us[16];
	uint16_t peer_port = 0, our_port = (uint16_t)(OUR_PORT + w->app->ports++ % OUR_PORTS);
	bool v6 = false, server = app->conf.side == TALK_SERVER;

	if (!parse_end(gw_link_peer(w->link), peer, &peer_port, &v6)) {
		memcpy(peer, loopback, sizeof(peer));
		peer_port = server ? our_port : 1;
	}
	our_address(peer, v6, us);
	if (server)
		our_port = app->listener && gw_listener_addr(app->listener)->port ? gw_listener_addr(app->listener)->port : 1;
	w->ends = (struct ip_ends){ .v6 = v6, .from_port = server ? peer_port : our_port, .to_port = server ? our_port : peer_port };
	memcpy(w->ends.from, server ? peer : us, 16);
	memcpy(w->ends.to, server ? us : peer, 16);
}

static void
keep(struct wire *w, enum talk_side side, const uint8_t *p, size_t len)
{
	if (w->app->record)
		record_octets(w->app->record, &w->record, side == TALK_SERVER, p, len, utc_ns());
}

/* ---- the end ---- */

static void
close_all(struct app *app)
{
	if (app->over)
		return;
	app->over = true;
	if (app->replay)
		replay_stop(app->replay, now_ns());
	for (unsigned i = 0; i < REPLAY_LINKS; i++) {
		gw_dialer_close(app->wire[i].dialer, NULL);
		app->wire[i].dialer = NULL;
	}
	if (app->listener)
		gw_listener_close(app->listener, NULL);
	app->listener = NULL;
	if (app->timers) {
		uv_close((uv_handle_t *)&app->timer, NULL);
		uv_close((uv_handle_t *)&app->patience, NULL);
		uv_close((uv_handle_t *)&app->second, NULL);
	}
	if (app->polling)
		uv_close((uv_handle_t *)&app->poll, NULL);
	gw_life_close(&app->life);
}

static void
on_signal(void *self)
{
	struct app *app = self;

	for (unsigned i = 0; i < REPLAY_LINKS; i++)	/* what a slow peer has not taken yet is not waited for */
		if (app->wire[i].link && gw_link_queued(app->wire[i].link) > 0)
			gw_link_abort(app->wire[i].link, GW_EUNAVAIL, "stopped");
	close_all(app);
}

static void on_due(uv_timer_t *);
static void on_impatient(uv_timer_t *);

static bool
any_up(const struct app *app)
{
	for (unsigned i = 0; i < REPLAY_LINKS; i++)
		if (app->wire[i].link)
			return true;
	return false;
}

/* What is due, and when the next is. */
static void
pump(struct app *app)
{
	int64_t next, now;

	if (app->over)
		return;
	replay_tick(app->replay, now_ns());
	if (app->broken_output || (replay_done(app->replay) && !any_up(app))) {	/* up: a slow peer has not taken all of it yet */
		close_all(app);
		return;
	}
	next = replay_next(app->replay);
	now = now_ns();
	uv_update_time(&app->loop);
	if (next == INT64_MAX)
		uv_timer_stop(&app->timer);
	else
		uv_timer_start(&app->timer, on_due, next > now ? (uint64_t)((next - now + 999999) / 1000000) : 0, 0);
}

static void
on_due(uv_timer_t *t)
{
	pump(t->data);
}

/* ---- links ---- */

static unsigned
index_of(const struct wire *w)
{
	return (unsigned)(w - w->app->wire);
}

static bool
any_opening(const struct app *app)
{
	for (unsigned i = 0; i < REPLAY_LINKS; i++)
		if (app->wire[i].dialer && !app->wire[i].link)
			return true;
	return false;
}

static void
on_up(void *self, struct gw_link *link)
{
	struct wire *w = self;

	w->link = link;
	if (!any_opening(w->app))
		uv_timer_stop(&w->app->patience);
	find_link_ends(w);
	if (w->app->record)
		record_begin(w->app->record, &w->record, &w->ends, utc_ns());
	if (w->dialer)
		replay_up(w->app->replay, index_of(w), now_ns());
	pump(w->app);
}

static void
on_frame(void *self, struct gw_link *link, const uint8_t *p, size_t len)
{
	struct wire *w = self;

	(void)link;
	keep(w, w->app->conf.side == TALK_CLIENT ? TALK_SERVER : TALK_CLIENT, p, len);
	if (w->app->over)
		return;
	replay_message(w->app->replay, index_of(w), p, len, now_ns());
	pump(w->app);
}

static void
on_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct wire *w = self;
	enum talk_side closer = why ? 1 - w->app->conf.side : w->app->conf.side;

	(void)link;
	w->link = NULL;
	if (w->app->record)
		record_end(w->app->record, &w->record, closer == TALK_SERVER, utc_ns());
	gw_dialer_close(w->dialer, NULL);	/* it would dial again */
	w->dialer = NULL;
	replay_down(w->app->replay, index_of(w), now_ns());
	pump(w->app);
}

/* Within gw_link_send, perhaps: what goes on, goes on later. */
static void
on_drained(void *self, struct gw_link *link)
{
	struct wire *w = self;

	(void)link;
	if (w->app->over)
		return;
	replay_drained(w->app->replay, index_of(w));
	uv_timer_start(&w->app->timer, on_due, 0, 0);
}

static const struct gw_link_ops ops = { on_up, on_frame, on_down, on_drained };
static const struct gw_link_limits limits = { QUEUE };

static void *
on_accept(void *owner, struct gw_link *link)
{
	struct app *app = owner;
	int n = app->over || replay_done(app->replay) ? -1 : replay_accept(app->replay, now_ns());

	(void)link;
	return n < 0 ? NULL : &app->wire[n];
}

/* ---- calls of the engine ---- */

static void
do_open(void *self, unsigned link)
{
	struct app *app = self;
	struct wire *w = &app->wire[link];

	w->dialer = gw_dial(&app->loop, &app->to, 1, &ops, &limits, w);
	if (w->dialer)
		gw_dialer_max_backoff(w->dialer, BACKOFF_MS);
	if (app->wait_s > 0)
		uv_timer_start(&app->patience, on_impatient, (uint64_t)(app->wait_s * 1000), 0);
}

static bool
do_send(void *self, unsigned link, bool udp, const uint8_t *p, size_t len)
{
	struct app *app = self;
	struct wire *w = &app->wire[link];
	struct gw_packet packet = { (uint8_t *)(uintptr_t)p, len };

	if (udp) {
		if (app->udp_out >= 0)
			gw_udp_send(app->udp_out, &packet, 1);
		if (app->udp_out >= 0 && app->record)
			record_datagram(app->record, &app->udp_ends, p, len, utc_ns());
	} else if (w->link) {
		keep(w, app->conf.side, p, len);
		return gw_link_send(w->link, p, len) == 0;
	}
	return true;
}

static void
do_close(void *self, unsigned link)
{
	struct wire *w = &((struct app *)self)->wire[link];

	if (w->link) {
		gw_link_close(w->link, GRACE_MS);
	} else {
		gw_dialer_close(w->dialer, NULL);
		w->dialer = NULL;
	}
}

static void
do_found(void *self, const struct finding *f)
{
	find_out(&((struct app *)self)->out, f);
}

/* ---- datagrams ---- */

static void
on_datagram(uv_poll_t *poll, int status, int events)
{
	static uint8_t room[DATAGRAM];
	struct app *app = poll->data;
	struct gw_packet packet = { room, 0 };
	struct sockaddr_storage from;

	(void)status;
	(void)events;
	while (gw_udp_recv_from(app->udp_in, &packet, &from, 1, sizeof(room)) == 1) {
		struct ip_ends ends = app->udp_ends;
		char text[GW_ADDR_TEXT];
		bool v6;

		if (app->record && parse_end(gw_sockaddr_text((struct sockaddr *)&from, text, sizeof(text)), ends.from, &ends.from_port, &v6)) {
			ends.v6 = v6;
			record_datagram(app->record, &ends, room, packet.len, utc_ns());
		}
		if (!app->over)
			replay_datagram(app->replay, room, packet.len, now_ns());
	}
	pump(app);
}

static int
open_udp(struct app *app, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];
	uint8_t peer[16] = { 0 };
	bool v6 = false;

	if (!app->udp.scheme)
		return 0;
	if (gw_addr_resolve(&app->udp, err) < 0)
		return -1;
	gw_sockaddr_text((struct sockaddr *)&app->udp.ss, text, sizeof(text));
	if (parse_end(text, peer, &app->udp_ends.to_port, &v6)) {
		app->udp_ends.v6 = v6;
		memcpy(app->udp_ends.to, peer, 16);
		our_address(peer, v6, app->udp_ends.from);
		app->udp_ends.from_port = OUR_PORT - 1;
	}
	if (app->conf.side == TALK_CLIENT)
		return (app->udp_out = gw_udp_sender(&app->udp, err)) < 0 ? -1 : 0;
	if ((app->udp_in = gw_udp_receiver(&app->udp, err)) < 0)
		return -1;
	uv_poll_init(&app->loop, &app->poll, app->udp_in);
	app->poll.data = app;
	app->polling = true;
	return uv_poll_start(&app->poll, UV_READABLE, on_datagram) < 0 ? gw_fail(err, GW_ESYS, "cannot wait for datagrams") : 0;
}

/* ---- reading and reporting ---- */

static void
hide_progress(struct app *app)
{
	if (app->shown)
		fprintf(stderr, "\r%70s\r", "");
	app->shown = false;
}

static void
on_second(uv_timer_t *t)
{
	struct app *app = t->data;
	const struct replay_counts *n = replay_counts(app->replay);

	fflush(stdout);
	fprintf(stderr, "\r%llu sessions, %llu messages sent, %llu received, %llu differ ", (unsigned long long)n->connections, (unsigned long long)n->sent,
	    (unsigned long long)n->received, (unsigned long long)n->messages);
	app->shown = true;
}

static void
write_out(void *self, const char *p, size_t len)
{
	struct app *app = self;

	hide_progress(app);
	if (fwrite(p, 1, len, stdout) != len)
		app->broken_output = true;
}

static size_t
messages(const struct talk *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->c[i].n;
	return n;
}

static bool
has_datagrams(const struct talk *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < t->c[i].n; k++)
			if (t->c[i].m[k].udp)
				return true;
	return false;
}

/* Where a replay begins or ends, as the user wrote it. */
static const char *
mark_text(const struct replay_mark *mark, char out[64])
{
	if (mark->frame)
		snprintf(out, 64, "frame:%llu", (unsigned long long)mark->frame);
	else
		snprintf(out, 64, mark->nth ? "%s#%zu" : "%s", mark->name, mark->nth + 1);
	return out;
}

static int
read_capture(struct app *app, struct gw_err *err)
{
	struct talk_conf conf = { .iface = app->conf.iface, .sessions = app->sessions };
	const struct replay_mark *marks[] = { &app->conf.from, &app->conf.until };
	int rc = talk_read(&app->talk, app->file, &conf, err);

	if (rc < 0)
		return -1;
	if (rc > 0) {
		fprintf(stderr, "simulgate-replay: %s\n", err->text);
		*err = (struct gw_err){ 0 };
	}
	if (app->talk.n == 0)
		return gw_fail(err, GW_ECONF, "%s: no messages of %s in it%s", app->file, app->conf.iface->name, app->sessions ? " in these sessions" : "");
	if (app->talk.n > REPLAY_LINKS)
		return gw_fail(err, GW_ECONF, "%s: %zu sessions, more than %d: choose some with --session", app->file, app->talk.n, REPLAY_LINKS);
	if (has_datagrams(&app->talk) && !app->udp.scheme)
		return gw_fail(err, GW_EUSAGE, "%s: there are datagrams in it: say with --udp where they go", app->file);
	for (size_t i = 0; i < 2; i++)
		if ((marks[i]->name[0] || marks[i]->frame) && !replay_has_mark(&app->talk, marks[i]))
			return gw_fail(err, GW_ECONF, "%s: no session has %s", app->file, mark_text(marks[i], (char[64]){ 0 }));
	return 0;
}

static bool
is_message(const struct sim_iface *iface, const char *name)
{
	for (size_t i = 0; i < iface->nmessages; i++)
		if (strcmp(iface->messages[i].name, name) == 0)
			return true;
	return strncmp(name, "message_0x", 10) == 0;	/* as those are called that have no name */
}

static bool
is_parameter(const struct sim_iface *iface, const char *name)
{
	for (size_t i = 0; i < iface->nparams; i++)
		if (strcmp(iface->params[i].name, name) == 0)
			return true;
	return strcmp(name, "protocol_version") == 0 || (*name >= '0' && *name <= '9');
}

static int
check_names(const struct app *app, struct gw_err *err)
{
	const struct sim_iface *iface = app->conf.iface;
	const struct replay_mark *marks[] = { &app->conf.from, &app->conf.until };

	for (size_t i = 0; i < 2; i++)
		if (marks[i]->name[0] && !is_message(iface, marks[i]->name))
			return gw_fail(err, GW_EUSAGE, "%s: %s has no message of that name", marks[i]->name, iface->name);
	for (size_t i = 0; i < app->conf.alike.nignored; i++)
		if (!is_message(iface, app->conf.alike.ignored[i]) && !is_parameter(iface, app->conf.alike.ignored[i]))
			return gw_fail(err, GW_EUSAGE, "--ignore %s: %s has no message and no parameter of that name", app->conf.alike.ignored[i], iface->name);
	return 0;
}

static int
check_usage(struct app *app, struct gw_err *err)
{
	if (!app->as)
		return gw_fail(err, GW_EUSAGE, "--as says which side is played");
	if (app->conf.side == TALK_CLIENT ? !app->to.scheme || app->listen.scheme : !app->listen.scheme || app->to.scheme)
		return gw_fail(err, GW_EUSAGE, "as %s it wants %s", app->as, app->conf.side == TALK_CLIENT ? "--to" : "--listen");
	if (app->conf.version && app->conf.side == TALK_SERVER)
		return gw_fail(err, GW_EUSAGE, "--protocol-version is the client's to choose");
	for (size_t i = 0; i < app->nmaps; i++)
		if (replay_map_parse(app->map[i], app->conf.iface, &app->conf.map[app->conf.nmaps++]) < 0)
			return gw_fail(err, GW_EUSAGE, "--map %s: NAME=NEW or NAME=OLD:NEW, with the name of a number of %s that holds it; or CP_number=+N", app->map[i], app->conf.iface->name);
	return check_names(app, err);
}

static void
summary_lines(struct app *app)
{
	const struct replay_counts *n = replay_counts(app->replay);

	for (unsigned i = 0; i < replay_links(app->replay); i++)
		if (replay_script(app->replay, i))
			find_names(&app->out, replay_script(app->replay, i), replay_names(app->replay, i));
	find_printf(&app->out, "%llu session%s: %llu message%s sent, %llu received, %llu compared", (unsigned long long)n->connections, n->connections == 1 ? "" : "s",
	    (unsigned long long)n->sent, n->sent == 1 ? "" : "s", (unsigned long long)n->received, (unsigned long long)n->compared);
	if (n->beyond || n->unanswered)
		find_printf(&app->out, "%llu messages of the peer were not in the capture, %llu of them had no answer", (unsigned long long)(n->beyond + n->unanswered),
		    (unsigned long long)n->unanswered);
	find_took(&app->out, "captured", &n->captured);
	find_took(&app->out, "live", &n->live);
	if (replay_as_captured(app->replay)) {
		if (n->compared)
			find_printf(&app->out, "as captured");
		return;
	}
	find_printf(&app->out, "%llu messages differ:", (unsigned long long)n->messages);
	for (int k = 0; k < FIND_KINDS; k++)
		if (n->found[k])
			find_printf(&app->out, "  %-12s %llu", find_word((enum find_what)k), (unsigned long long)n->found[k]);
}

static json_t *
times_json(const struct find_times *t)
{
	return json_pack("{s:I, s:f, s:f}", "n", (json_int_t)t->n, "mean_us", t->n ? t->sum_ns / (double)t->n / 1e3 : 0.0, "max_us", (double)t->max_ns / 1e3);
}

static void
summary_json(struct app *app)
{
	const struct replay_counts *n = replay_counts(app->replay);
	json_t *found = json_object(), *j;
	char *text;

	for (int k = 0; k < FIND_KINDS; k++)
		json_object_set_new(found, find_word((enum find_what)k), json_integer((json_int_t)n->found[k]));
	j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o}", "event", "summary", "sessions", (json_int_t)n->connections,
	    "sent", (json_int_t)n->sent, "received", (json_int_t)n->received, "compared", (json_int_t)n->compared, "differ", (json_int_t)n->messages,
	    "beyond", (json_int_t)n->beyond, "unanswered", (json_int_t)n->unanswered, "as_captured", replay_as_captured(app->replay),
	    "found", found, "captured", times_json(&n->captured), "live", times_json(&n->live));
	if ((text = json_dumps(j, JSON_COMPACT)) != NULL)
		printf("%s\n", text);
	free(text);
	json_decref(j);
}

static void
set_up_output(struct app *app)
{
	app->out.conf = (struct find_out_conf){ .json = app->json, .secrets = app->secrets, .a = "captured", .b = "live",
		.first_ns = app->talk.origin_ns, .write = write_out, .self = app, .width = term_width(), .colour = term_colour() };
}

/* ---- the program ---- */

static void
give_up_opening(struct app *app)
{
	for (unsigned i = 0; i < REPLAY_LINKS; i++) {
		struct wire *w = &app->wire[i];

		if (!w->dialer || w->link)
			continue;
		gw_dialer_close(w->dialer, NULL);
		w->dialer = NULL;
		replay_down(app->replay, i, now_ns());
	}
}

static void
on_impatient(uv_timer_t *t)
{
	struct app *app = t->data;
	char text[GW_ADDR_TEXT];
	bool client = app->conf.side == TALK_CLIENT;

	if (any_up(app)) {	/* the peer is there, but not for all */
		give_up_opening(app);
		pump(app);
		return;
	}
	gw_fail(&app->err, GW_EUNAVAIL, client ? "%s: nobody answers there" : "%s: nobody came", gw_addr_text(client ? &app->to : &app->listen, text, sizeof(text)));
	close_all(app);
}

static int
start(struct app *app, struct gw_err *err)
{
	struct replay_user user = { app, do_open, do_send, do_close, do_found };
	char text[GW_ADDR_TEXT];

	uv_timer_init(&app->loop, &app->timer);
	uv_timer_init(&app->loop, &app->patience);
	uv_timer_init(&app->loop, &app->second);
	app->timer.data = app->patience.data = app->second.data = app;
	app->timers = true;
	if (gw_life_open(&app->life, &app->loop, on_signal, NULL, app, err) < 0 || open_udp(app, err) < 0)
		return -1;
	if (app->record_path && !(app->record = record_open(app->record_path, "simulgate-replay", err)))
		return -1;
	if (app->conf.side == TALK_SERVER && !(app->listener = gw_listen(&app->loop, &app->listen, &ops, &limits, on_accept, app, err)))
		return -1;
	if (!(app->replay = replay_new(&app->conf, &app->talk, &user)))
		return gw_fail(err, GW_ESYS, "no memory");
	if (!app->json)
		find_printf(&app->out, "%s: %zu session%s, %zu messages; as %s %s %s", app->file, app->talk.n, app->talk.n == 1 ? "" : "s", messages(&app->talk),
		    talk_role(app->conf.iface, app->conf.side, (char[24]){ 0 }), app->listener ? "at" : "to",
		    gw_addr_text(app->listener ? gw_listener_addr(app->listener) : &app->to, text, sizeof(text)));
	fflush(stdout);
	if (app->wait_s > 0 && app->listener)
		uv_timer_start(&app->patience, on_impatient, (uint64_t)(app->wait_s * 1000), 0);
	if (isatty(STDERR_FILENO))
		uv_timer_start(&app->second, on_second, 1000, 1000);
	replay_start(app->replay, now_ns());
	pump(app);
	return 0;
}

static int
finish(struct app *app, int status, struct gw_err *err)
{
	const struct replay_counts *n = app->replay ? replay_counts(app->replay) : NULL;
	bool any = n && n->sent + n->received > 0;

	if (any || (n && status == 0)) {
		if (app->json)
			summary_json(app);
		else
			summary_lines(app);
	}
	if (status == 0 && n && !any) {
		gw_fail(err, GW_EUNAVAIL, "no message was exchanged");
		fprintf(stderr, "simulgate-replay: %s\n", err->text);
		status = gw_exit_status(err->code);
	} else if (status == 0 && n) {
		status = replay_as_captured(app->replay) ? 0 : 1;
	}
	if (record_close(app->record, err) < 0 || (fflush(stdout) != 0 && gw_fail(err, GW_ESYS, "cannot write: %s", strerror(errno)) < 0)) {
		fprintf(stderr, "simulgate-replay: %s\n", err->text);
		status = gw_exit_status(err->code);
	}
	return status;
}

int
main(int argc, char **argv)
{
	static struct app app = { .conf = { .speed = 1, .loops = 1, .timeout_ns = TIMEOUT_S * INT64_C(1000000000) }, .wait_s = -1, .udp_out = -1, .udp_in = -1 };
	struct gw_args args;
	struct gw_err err = { 0 };
	int status = gw_args(&program, &args, &app, argc, argv);

	if (status >= 0)
		return status;
	gw_log_init("replay", args.log_level);
	app.file = args.rest[0];
	if (check_usage(&app, &err) < 0 || read_capture(&app, &err) < 0) {
		fprintf(stderr, "simulgate-replay: %s\n", err.text);
		talk_free(&app.talk);
		return gw_exit_status(err.code);
	}
	if (app.wait_s < 0)
		app.wait_s = app.conf.side == TALK_CLIENT ? WAIT_S : 0;
	set_up_output(&app);
	for (unsigned i = 0; i < REPLAY_LINKS; i++)
		app.wire[i].app = &app;
	uv_loop_init(&app.loop);
	status = 0;
	if (start(&app, &err) < 0) {
		fprintf(stderr, "simulgate-replay: %s\n", err.text);
		status = gw_exit_status(err.code);
		close_all(&app);
	}
	gw_loop_fini(&app.loop);
	hide_progress(&app);
	if (app.err.code) {
		fprintf(stderr, "simulgate-replay: %s\n", app.err.text);
		status = gw_exit_status(app.err.code);
	}
	status = finish(&app, status, &err);
	if (app.udp_in >= 0)
		close(app.udp_in);
	if (app.udp_out >= 0)
		close(app.udp_out);
	replay_free(app.replay);
	talk_free(&app.talk);
	return status;
}
