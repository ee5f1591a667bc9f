/* bsm/shell.c: joins the engines to sockets, timers and the store */
#include <stdlib.h>
#include <string.h>
#include "bsm/bsm.h"
#include "bsm/names.h"
#include "bsm/services.h"
#include "lib/clock.h"

enum {
	BODY = 64 << 10,		/* of a registration or request */
	CLIENTS = 4096, SHOPS = 256, IDLE_MS = 60000, REQUEST_MS = 10000,
	POLL_MS = 50,		/* how soon a purchase by a command is seen */
	KEYS_US = 1000 * 1000,
	BACK_US = 2 * KEYS_US,		/* what is to come is sooner; if it is not, the clock was set back */
	HOLD_US = 500 * 1000,		/* a store that was busy is left alone so long: asking it takes the loop's time */
};

/* ---- a turn ---- */

/* The loop is not to wait: bsm_turn() follows in this turn of it. */
static void on_idle(uv_idle_t *t) { (void)t; }

static void
wake(struct bsm *app)
{
	if (app->running && !uv_is_active((uv_handle_t *)&app->idle))
		uv_idle_start(&app->idle, on_idle);
}

static void
begin(struct bsm *app)
{
	if (app->turning)
		return;
	kms_store_begin(app->store);
	app->turning = true;
	wake(app);
}

static void
send_answer(struct bsm *app, struct bsm_pending *p)
{
	if (p->answer.status >= 100 && p->answer.status < 600)
		p->door->by_class[p->answer.status / 100]++;
	if (p->to)
		gw_exchange_answer(p->to, &(struct gw_answer){ .status = p->answer.status, .content_type = p->answer.type,
		    .body = p->answer.body, .len = p->answer.len, .headers = p->answer.headers });
	door_answer_free(&p->answer);
	free(p);
	app->answers++;
}

static void
answer(struct bsm *app, enum gw_outcome o)
{
	struct bsm_pending *p = app->first, *next;

	app->first = NULL;
	app->last = &app->first;
	for (; p; p = next) {
		next = p->next;
		if (o != GW_WON || !p->answer.status) {	/* status 0: nobody was asked */
			door_unavailable(&p->answer);
			p->door->unavailable++;
		}
		send_answer(app, p);
	}
}

/* In order, as far as sockets take them. */
static void
act(struct bsm *app)
{
	size_t n, done = 0;
	const struct delivery_action *a = delivery_actions(app->delivery, &n);

	while (done < n) {
		if (a[done].kind == DELIVERY_UDP) {
			size_t k = push_send(app->push, a + done, n - done);

			if (k == 0)
				break;	/* on_room() follows */
			done += k;
		} else {
			if (bsm_sms_send(app->sms, a[done].out, a[done].msisdn, a[done].octets, a[done].len) < 0)
				break;	/* on_room() follows */
			done++;
		}
	}
	if (done)
		delivery_taken(app->delivery, done);
	if (delivery_wants(app->delivery, gw_utc_us()))
		wake(app);	/* there are more than one batch holds */
}

/* Next SEKs are made and over-aged keys put away; a roll of this process's own is looked for like that of another. */
static void
tick_keys(struct bsm *app, int64_t now_us)
{
	const struct keymgr_plan plan = bsm_plan(app->conf.b);
	int64_t next_us = now_us + KEYS_US;

	if (now_us < app->keys_us)
		return;
	keymgr_tick(app->store, &plan, now_us, &next_us);
	app->keys_us = next_us > now_us && next_us < now_us + KEYS_US ? next_us : now_us + KEYS_US;
	delivery_changed(app->delivery);
}

static void
turn(struct bsm *app)
{
	int64_t now_us = gw_utc_us();
	enum gw_outcome o;

	begin(app);
	tick_keys(app, now_us);
	if (delivery_wants(app->delivery, now_us))
		gw_timer_at(&app->due, delivery_tick(app->delivery, now_us));
	o = kms_store_flush(app->store);
	app->turning = false;
	uv_idle_stop(&app->idle);
	app->turns++;
	delivery_flushed(app->delivery, o);
	answer(app, o);
	if (o != GW_WON) {
		app->lost++;
		app->keys_us = app->hold_us = gw_utc_us() + HOLD_US;
		gw_timer_at(&app->due, app->hold_us);
		gw_log_limited(&app->rate, GW_WARNING, "store_unavailable", "what came in this turn has not happened; terminals are told to come again",
		    "bsm=%s store=%s", app->conf.b->name, app->conf.b->kms->store);
	} else {
		act(app);
	}
}

static void
on_check(uv_check_t *c)
{
	struct bsm *app = c->data;
	int64_t now_us = gw_utc_us();

	if (app->turning || (now_us >= app->hold_us && delivery_wants(app->delivery, now_us)))
		turn(app);
	else if (app->first)
		answer(app, GW_UNAVAILABLE);
	if (!app->turning)
		uv_idle_stop(&app->idle);
}

static void
on_due(void *self)
{
	turn(self);
}

/* Commands have a handle of their own: what they bought or cut, and rolls that they planned. */
static void
on_poll(uv_timer_t *t)
{
	struct bsm *app = t->data;
	int64_t now_us = gw_utc_us();

	if (app->keys_us > now_us + BACK_US)
		app->keys_us = 0;
	if (app->hold_us > now_us + BACK_US)
		app->hold_us = 0;
	if (!app->turning && kms_store_changed(app->store))
		delivery_changed(app->delivery);
	if (now_us >= app->hold_us && (now_us >= app->keys_us || delivery_wants(app->delivery, now_us)))
		turn(app);
}

/* ---- doors ---- */

static enum gw_outcome
ask_regd(struct bsm *app, const struct door_request *r, struct door_answer *a)
{
	return regd_request(app->regd, r, a);
}

static enum gw_outcome
ask_api(struct bsm *app, const struct door_request *r, struct door_answer *a)
{
	return bsm_api_request(app->api, r, a);
}

static void
on_request(void *self, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	struct bsm_door *door = self;
	struct bsm *app = door->app;
	struct bsm_pending *p = calloc(1, sizeof(*p));
	const struct door_request ask = { .method = r->method, .path = r->path, .query = r->query, .uri = r->uri, .content_type = r->content_type,
		.authorization = gw_exchange_header(x, "authorization"), .user_agent = gw_exchange_header(x, "user-agent"),
		.registered_address = gw_exchange_header(x, "x-registered-address"), .idempotency_key = gw_exchange_header(x, "idempotency-key"),
		.body = r->body, .body_len = r->body_len, .peer = r->peer, .now_us = gw_utc_us() };

	door->requests++;
	if (!p) {
		gw_exchange_answer(x, &(struct gw_answer){ .status = 503, .close = true });
		return;
	}
	p->to = x;
	p->door = door;
	door_answer_init(&p->answer);
	if (!app->turning && ask.now_us < app->hold_us) {
		wake(app);	/* it is told at the end of this turn */
	} else {
		begin(app);
		door->ask(app, &ask, &p->answer);
	}
	if (p->answer.at_once) {	/* a challenge: the commits are for those who answer it */
		send_answer(app, p);
		return;
	}
	*app->last = p;
	app->last = &p->next;
}

static void
on_gone(void *self, struct gw_exchange *x)
{
	struct bsm_door *door = self;

	for (struct bsm_pending *p = door->app->first; p; p = p->next)
		if (p->to == x)
			p->to = NULL;
}

static void
on_refused(void *self, const struct sockaddr *peer, unsigned status, const char *why)
{
	struct bsm_door *door = self;
	char at[GW_ADDR_TEXT] = "";

	door->refused++;
	if (peer)
		gw_sockaddr_text(peer, at, sizeof(at));
	gw_log_limited(&door->app->rate, GW_NOTICE, "request_refused", why, "bsm=%s peer=%s status=%u", door->app->conf.b->name, at, status);
}

static int
open_door(struct bsm *app, struct bsm_door *door, const struct gw_addr *at, size_t body, unsigned clients, struct gw_err *err)
{
	const struct gw_httpd_conf conf = { .listen = *at, .certificate = at->scheme == GW_TLS ? app->conf.b->certificate : NULL,
		.private_key = at->scheme == GW_TLS ? app->conf.b->private_key : NULL, .max_body = body, .max_clients = clients, .idle_ms = IDLE_MS,
		.request_ms = REQUEST_MS, .headers = door_headers, .request = on_request, .gone = on_gone, .refused = on_refused, .self = door };

	door->httpd = gw_httpd_open(&app->loop, &conf, err);
	return door->httpd ? 0 : -1;
}

/* ---- LTKMs ---- */

static void
on_heard(void *self, const struct sockaddr *from, const void *msg, size_t len)
{
	delivery_heard(((struct bsm *)self)->delivery, from, msg, len);
}

static void
on_batch(void *self)
{
	wake(self);
}

static void
on_room(void *self)
{
	struct bsm *app = self;

	act(app);
	wake(app);
}

/* ---- short messages ---- */

static void
on_sms(void *self, int64_t out, bool sent)
{
	struct bsm *app = self;

	delivery_sms_done(app->delivery, out, sent);
	wake(app);
}

static int
open_sms(struct bsm *app, struct gw_err *err)
{
	const struct he_bsm *b = app->conf.b;
	const struct sms_conf conf = { .dir = b->sms_dir, .smpp = b->smpp, .system_id = b->smpp_system_id, .password_file = b->smpp_password_file,
		.source = b->smpp_source, .data_sm = b->smpp_data_sm, .per_second = b->sms_per_second, .done = on_sms, .room = on_room, .self = app };

	if (!b->sms_dir && !b->smpp.scheme)
		return 0;
	app->sms = bsm_sms_open(&app->loop, &conf, err);
	return app->sms ? 0 : -1;
}

static struct delivery_conf
delivery_of(const struct bsm *app)
{
	const struct he_bsm *b = app->conf.b;
	struct delivery_conf c = { .naf = b->naf, .port = b->ltkm_port, .ext_bcast = (enum delivery_bcast)b->ext_bcast,
		.pull_on_purchase = b->pull_on_purchase, .sms = b->sms_dir || b->smpp.scheme, .pushes_per_second = b->pushes_per_second,
		.roll_rate = b->roll_rate, .plan = bsm_plan(b) };

	memcpy(c.domain, b->key_domain, sizeof(c.domain));
	return c;
}

static void
set_regd(struct bsm *app)
{
	const struct he_bsm *b = app->conf.b;

	app->regd_conf.naf = b->naf;
	app->regd_conf.bsf = b->bsf;
	app->regd_conf.path = b->path;
	app->regd_conf.auth_ok = b->auth_ok;
	app->regd_conf.registered_address = b->registered_address;
	app->regd_conf.mac_star = b->mac_star;
	app->regd_conf.registration_us = (int64_t)b->registration_ms * 1000;
	app->regd_conf.nonce_us = (int64_t)b->nonce_ms * 1000;
	app->regd_conf.bootstrapping_us = (int64_t)b->bootstrapping_ms * 1000;
	app->regd_conf.challenge_us = (int64_t)b->challenge_ms * 1000;
	app->regd_conf.request_us = (int64_t)b->request_window_ms * 1000;
	app->regd_conf.requests = b->requests;
}

/* ---- up and down ---- */

static int
open_engines(struct bsm *app, struct gw_err *err)
{
	const struct he_bsm *b = app->conf.b;
	const struct kms_store_conf store = { .path = b->kms->store, .master = b->kms->master, .create = true };
	const struct delivery_conf delivery = delivery_of(app);
	struct bsm_events events;

	if (kms_store_open(&store, &app->store, err) < 0 || bsm_names_note(app->store, b->naf, b->bsf, err) < 0 ||
	    bsm_services_put(app->store, app->conf.he, b, gw_utc_us(), &app->services, err) < 0 ||
	    delivery_new(app->store, &delivery, &app->delivery, err) < 0)
		return -1;
	events = delivery_events(app->delivery);
	if (stkm_get_new(app->store, 0, &app->stkms, err) < 0)
		return -1;
	app->route = stkm_get_route(app->stkms, NULL);
	app->regd_conf.routes = &app->route;
	app->regd_conf.nroutes = 1;
	set_regd(app);
	if (regd_new(app->store, &app->regd_conf, &events, &app->regd, err) < 0)
		return -1;
	return b->api.scheme ? bsm_api_new(app->store, b->api_token_file, &events, &app->api, err) : 0;
}

static int
open_ports(struct bsm *app, struct gw_err *err)
{
	const struct he_bsm *b = app->conf.b;
	const struct push_conf push = { .listen = b->ltkm, .heard = on_heard, .batch = on_batch, .room = on_room, .self = app };
	const struct gw_ops_conf ops = { .program = "bsm", .instance = b->name, .status = bsm_status, .collect = bsm_collect, .self = app };

	if (!(app->push = push_open(&app->loop, &push, err)) || open_sms(app, err) < 0 ||
	    open_door(app, &app->terminals, &b->listen, BODY, CLIENTS, err) < 0 ||
	    (b->api.scheme && open_door(app, &app->shops, &b->api, API_BODY, SHOPS, err) < 0))
		return -1;
	if (!(app->hear = stkm_hear_open(&app->loop, app->stkms, app->conf.he, b->kms, err)))
		return -1;
	app->ops = gw_ops_open(&app->loop, &app->conf.status, &ops, err);
	return app->ops ? 0 : -1;
}

int
bsm_shell_open(struct bsm *app, struct gw_err *err)
{
	app->last = &app->first;
	app->terminals.app = app->shops.app = app;
	app->terminals.ask = ask_regd;
	app->shops.ask = ask_api;
	app->rate = (struct gw_rate){ .burst = 10, .per_ms = 10000 };
	if (open_engines(app, err) < 0)
		return -1;
	gw_timer_init(&app->due, &app->loop, on_due, app);
	uv_timer_init(&app->loop, &app->poll);
	app->poll.data = app;
	uv_check_init(&app->loop, &app->check);
	uv_idle_init(&app->loop, &app->idle);
	app->check.data = app;
	app->running = true;
	if (open_ports(app, err) < 0)
		return -1;
	uv_check_start(&app->check, on_check);
	uv_timer_start(&app->poll, on_poll, 0, POLL_MS);
	return 0;
}

void
bsm_shell_close(struct bsm *app)
{
	if (app->turning)
		turn(app);	/* what has come before the end is answered */
	gw_httpd_close(app->terminals.httpd);
	gw_httpd_close(app->shops.httpd);
	push_close(app->push);
	bsm_sms_close(app->sms);
	stkm_hear_close(app->hear);
	gw_ops_close(app->ops);
	if (app->running) {
		gw_timer_close(&app->due, NULL);
		uv_close((uv_handle_t *)&app->poll, NULL);
		uv_close((uv_handle_t *)&app->check, NULL);
		uv_close((uv_handle_t *)&app->idle, NULL);
	}
	app->running = false;
	bsm_api_free(app->api);
	regd_free(app->regd);
	stkm_get_free(app->stkms);
	delivery_free(app->delivery);	/* notes that the stop was clean */
	if (app->store)
		kms_store_close(app->store);
	app->store = NULL;
}

int
bsm_shell_reload(struct bsm *app, struct bsm_conf *fresh, struct gw_err *err)
{
	struct bsm_conf old = app->conf;
	struct gw_err why = { 0 };
	struct delivery_conf delivery;

	if (bsm_conf_same(&app->conf, fresh, err) < 0 ||
	    (app->api && bsm_api_reload(app->api, fresh->b->api_token_file, err) < 0) ||
	    gw_httpd_reload(app->terminals.httpd, err) < 0 || (app->shops.httpd && gw_httpd_reload(app->shops.httpd, err) < 0) ||
	    bsm_services_put(app->store, fresh->he, fresh->b, gw_utc_us(), &app->services, err) < 0)
		return -1;
	app->conf = *fresh;
	app->conf.status = old.status;
	set_regd(app);
	regd_configure(app->regd, &app->regd_conf);
	delivery = delivery_of(app);
	delivery_configure(app->delivery, &delivery);
	if (stkm_hear_reload(app->hear, app->conf.he, app->conf.b->kms, &why) < 0)
		gw_log(GW_WARNING, "stkm_not_heard", why.text, "bsm=%s", app->conf.b->name);
	delivery_changed(app->delivery);
	bsm_conf_free(&old);
	return 0;
}
