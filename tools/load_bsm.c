/*
 * tools/load_bsm.c: the terminals of a BSM: they bootstrap as they are switched on, and then ask what the timetable wants. HTTP connections are kept
 * and shared; LTKMs come to one port, from where the BSM thinks all of them are. A terminal that got no answer, or whose B-TID is not known, begins
 * again a second later. Misdeeds go beside their requests, and are none: no time of theirs is counted.
 */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kms/card.h"
#include "lib/clock.h"
#include "lib/http.h"
#include "lib/index.h"
#include "lib/secret.h"
#include "lib/udp.h"
#include "tools/alarm.h"
#include "tools/load_bare.h"
#include "tools/load_rogue.h"

enum { KEEP_MS = 20, ANSWER_MAX = 1 << 20, SLOT = 2048, BATCH = 32, TURNS = 64, GROW = 1024, NAME = 64 };
#define AGAIN_NS INT64_C(1000000000)
#define LINGER_NS INT64_C(300000000)	/* for the LTKMs of the last registrations */
#define SECOND_US INT64_C(1000000)

/* A misdeed that is on its way. */
struct wrong { struct rogue rogue; struct bare *bare; int64_t since; };	/* since: what is out now */
struct terminal {
	struct phone phone;
	struct load_bsm *bsm;
	unsigned slot, turn;		/* turn: of what it asks */
	int64_t began, sent;		/* what it does now; its HTTP request */
	int64_t again;			/* when it may begin anew; 0: it did */
	int64_t waits;			/* since then for an LTKM; 0: it has one */
	struct wrong *wrong;		/* NULL: none */
	bool busy, was_up;
};
struct load_bsm {
	const struct load_conf *conf;
	struct load_report *report;
	void (*ended)(void *self); void *self;
	uv_loop_t *loop;
	uv_timer_t keep;
	struct alarm alarm;
	uv_poll_t poll; int fd;		/* of LTKMs; -1: none */
	struct gw_http *http;
	struct phone_net net;
	char url[EXCHANGE_URL], bsf_url[EXCHANGE_URL], stkm_url[EXCHANGE_URL];
	struct terminal **terminals; unsigned n, cap;
	struct gw_index by_btid;
	struct pace pace;
	struct gw_addr bare;		/* where bare connections go to */
	uint64_t count;			/* of requests, for misdeeds */
	unsigned opened, up, handles, wrongs;
	int64_t start, end, over_at;
	bool over, closing;
};

static int64_t
now_ns(void)
{
	return (int64_t)uv_hrtime();
}

/* ---- subscribers ---- */

static int
add(void *self, const char *where, const struct provision *from, struct gw_err *err)
{
	struct load_bsm *b = self;
	struct terminal *t, **more;

	if (b->n == b->conf->connections)
		return 0;
	if (b->n == b->cap) {
		if (!(more = realloc(b->terminals, (b->cap + GROW) * sizeof(struct terminal *))))
			return gw_fail(err, GW_ESYS, "no memory");
		b->terminals = more;
		b->cap += GROW;
	}
	if (!(t = calloc(1, sizeof(*t))))
		return gw_fail(err, GW_ESYS, "no memory");
	t->bsm = b;
	t->slot = b->n;
	b->terminals[b->n++] = t;
	if (phone_init(&t->phone, &b->net, from, err) < 0)
		return gw_wrap(err, "%s: ", where);
	return phone_bootstrapped(&t->phone) && gw_index_put(&b->by_btid, t->phone.btid, t) < 0 ? gw_fail(err, GW_ESYS, "no memory") : 0;
}

/* Number i of those that are made: keys that hang on the number alone, so that a BSM can be told of them before. */
static void
make(unsigned i, struct provision *p)
{
	uint8_t octets[SHA256_DIGEST_LENGTH];
	char seed[NAME];

	*p = (struct provision){ .sub = { .provision = KMS_MILENAGE, .amf = { 0x80, 0 } } };
	snprintf(p->sub.name, sizeof(p->sub.name), "load%u", i);
	snprintf(p->sub.impi, sizeof(p->sub.impi), "00101%010u@ims.mnc001.mcc001.3gppnetwork.org", i);
	snprintf(seed, sizeof(seed), "simulgate load %u", i);
	SHA256((const unsigned char *)seed, strlen(seed), octets);
	memcpy(p->sub.k, octets, sizeof(p->sub.k));
	memcpy(p->sub.opc, octets + sizeof(p->sub.k), sizeof(p->sub.opc));
}

void
load_bsm_print_subscribers(const struct load_bsm_conf *c, FILE *f)
{
	fprintf(f, "name,provision,impi,k,opc,amf\n");
	for (unsigned i = c->from; i <= c->upto; i++) {
		struct provision p;

		make(i, &p);
		fprintf(f, "%s,milenage,%s,0x", p.sub.name, p.sub.impi);
		for (size_t k = 0; k < sizeof(p.sub.k); k++)
			fprintf(f, "%02x", p.sub.k[k]);
		fprintf(f, ",0x");
		for (size_t k = 0; k < sizeof(p.sub.opc); k++)
			fprintf(f, "%02x", p.sub.opc[k]);
		fprintf(f, ",0x8000\n");
	}
}

static int
read_subscribers(struct load_bsm *b, struct gw_err *err)
{
	const struct load_bsm_conf *c = &b->conf->bsm;
	const struct provision_names names = { c->naf, c->bsf, gw_utc_us() };
	size_t len = c->subscribers ? strlen(c->subscribers) : 0;
	bool csv = len > 4 && strcmp(c->subscribers + len - 4, ".csv") == 0;
	struct provision p;

	if (c->subscribers && (csv ? provision_csv : provision_read)(c->subscribers, &names, add, b, err) < 0)
		return -1;
	for (unsigned i = c->from; !c->subscribers && i <= c->upto; i++) {
		make(i, &p);
		if (add(b, p.sub.name, &p, err) < 0)
			return -1;
	}
	return b->n > 0 ? 0 : gw_fail(err, GW_EUSAGE, "%s: there are no subscribers", c->subscribers);
}

/* ---- what they ask ---- */

static void ask(struct load_bsm *, const struct pace_ask *);
static void replied(void *self, const struct gw_reply *);

static void
count_code(struct load_bsm *b, enum phone_ask kind, unsigned status)
{
	struct load_bsm_report *r = &b->report->bsm;
	unsigned i = 0;

	while (i < r->ncodes && (r->code[i].kind != kind || r->code[i].status != status))
		i++;
	if (i == LOAD_CODES)
		return;
	if (i == r->ncodes) {
		r->code[i].kind = (uint8_t)kind;
		r->code[r->ncodes++].status = status;
	}
	r->code[i].n++;
}

/* It is off for a while; anew: it bootstraps then. */
static void
off(struct terminal *t, bool anew)
{
	struct load_bsm *b = t->bsm;

	b->up -= pace_ready(&b->pace, t->slot);
	pace_down(&b->pace, t->slot, now_ns());
	t->again = now_ns() + AGAIN_NS;
	if (anew && t->phone.usim.provision == USIM_MILENAGE)
		t->phone.btid[0] = '\0';
}

static void
on(struct terminal *t)
{
	struct load_bsm *b = t->bsm;
	struct pace_ask a;

	b->up++;
	b->report->up += !t->was_up;
	t->was_up = true;
	t->again = 0;
	if (pace_up(&b->pace, t->slot, now_ns(), &a))
		ask(b, &a);
}

static int
send_it(struct terminal *t)
{
	struct load_bsm *b = t->bsm;
	const struct exchange *x = &t->phone.x;

	t->sent = now_ns();
	t->busy = gw_http_send(b->http, x->method, x->url, x->headers, x->body, x->len, replied, t, &b->report->why) == 0;
	return t->busy ? 0 : -1;
}

static void
begin(struct terminal *t, enum phone_ask what)
{
	struct load_bsm *b = t->bsm;

	t->began = now_ns();
	b->report->bsm.kind[what].asked++;
	if (what == PHONE_REGISTER || what == PHONE_LTKM)
		t->waits = t->began;
	if (phone_begin(&t->phone, what) == 0 && send_it(t) == 0)
		return;
	b->report->bsm.kind[what].failed++;
	count_code(b, what, 0);
	off(t, false);
}

/* ---- misdeeds ---- */

static void wrong_goes(struct terminal *, enum rogue_verdict, unsigned outcome);

static void
wrong_free(struct terminal *t)
{
	struct wrong *w = t->wrong;

	t->wrong = NULL;
	t->bsm->wrongs--;
	bare_close(w->bare);
	rogue_fini(&w->rogue);
	free(w);
}

static bool
overdue(const struct terminal *t)
{
	return now_ns() - t->wrong->since >= t->bsm->conf->timeout_ns;
}

static void
wrong_replied(void *self, const struct gw_reply *r)
{
	struct terminal *t = self;
	const struct exchange_reply reply = { .status = r->status, .error = r->error, .challenge = gw_reply_header(r, "WWW-Authenticate"),
		.info = gw_reply_header(r, "Authentication-Info"), .body = r->body, .len = r->len };
	unsigned outcome;
	enum rogue_verdict v = rogue_reply(&t->wrong->rogue, &reply, &outcome);

	wrong_goes(t, v, outcome == LOAD_CLOSED && overdue(t) ? LOAD_SILENCE : outcome);
}

static void
wrong_earned(void *self, unsigned outcome)
{
	wrong_goes(self, ROGUE_OVER, outcome);
}

static bool
wrong_sent(struct terminal *t, bool bare)
{
	struct load_bsm *b = t->bsm;
	struct wrong *w = t->wrong;
	const struct exchange *x = &w->rogue.x;
	char *octets;
	size_t len;

	w->since = now_ns();
	if (!bare)
		return gw_http_send(b->http, x->method, x->url, x->headers, x->body, x->len, wrong_replied, t, &b->report->why) == 0;
	octets = rogue_octets(&w->rogue, &len);
	w->bare = bare_open(b->loop, (const struct sockaddr *)&b->bare.ss, octets, len, rogue_stays(&w->rogue), wrong_earned, t);
	return w->bare != NULL;
}

static void
wrong_goes(struct terminal *t, enum rogue_verdict v, unsigned outcome)
{
	if (v != ROGUE_OVER && wrong_sent(t, v == ROGUE_BARE))
		return;
	load_error(t->bsm->report, (uint16_t)(v == ROGUE_OVER ? outcome : LOAD_UNTRIED));
	wrong_free(t);
}

/* With every so many-th request. A terminal is at one at a time; the next one's turn is sooner then. */
static void
misbehave(struct terminal *t)
{
	struct load_bsm *b = t->bsm;
	const struct load_misdeed *d = b->conf->misdeed;

	if (!d || ++b->count < b->conf->every || t->wrong || !(t->wrong = calloc(1, sizeof(*t->wrong))))
		return;
	b->count = 0;
	b->wrongs++;
	b->report->misdeeds++;
	wrong_goes(t, rogue_begin(&t->wrong->rogue, d->id, &t->phone), LOAD_UNTRIED);
}

static void
ask(struct load_bsm *b, const struct pace_ask *a)
{
	struct terminal *t = b->terminals[a->slot];
	const struct load_bsm_conf *c = &b->conf->bsm;
	enum phone_ask what = (enum phone_ask)c->asks[t->turn++ % c->nasks];

	pace_sent(&b->pace, a, now_ns());
	misbehave(t);
	begin(t, what == PHONE_LTKM && !t->phone.has_key ? PHONE_REGISTER : what);	/* which brings a key, if it bought any */
}

static void
switch_on(struct terminal *t)
{
	t->again = 0;
	if (phone_bootstrapped(&t->phone))
		on(t);
	else
		begin(t, PHONE_BOOTSTRAP);
}

static void
finished(struct terminal *t, enum phone_verdict v, unsigned status)
{
	struct load_bsm *b = t->bsm;
	enum phone_ask what = t->phone.doing;
	struct load_kind *k = &b->report->bsm.kind[what];
	int64_t now = now_ns();
	struct pace_ask a;

	if (v == PHONE_DONE) {
		k->done++;
		hist_add(&k->ns, now - t->began);
	} else {
		k->failed++;
		b->report->errors += status != 0;
		count_code(b, what, status);
	}
	if (v == PHONE_UNKNOWN)
		b->report->bsm.unknown++;
	if (what == PHONE_BOOTSTRAP && v == PHONE_DONE) {
		hist_add(&b->report->ready, now - t->began);
		if (gw_index_put(&b->by_btid, t->phone.btid, t) == 0)
			on(t);
	} else if (what == PHONE_BOOTSTRAP) {
		b->report->refused++;
		off(t, true);
	} else if (status == 0 || v == PHONE_UNKNOWN) {
		off(t, v == PHONE_UNKNOWN);
	} else {
		b->report->answered += v == PHONE_DONE;
		if (pace_answered(&b->pace, t->slot, now, &a))
			ask(b, &a);
	}
}

static void
replied(void *self, const struct gw_reply *r)
{
	struct terminal *t = self;
	const struct exchange_reply reply = { .status = r->status, .error = r->error, .challenge = gw_reply_header(r, "WWW-Authenticate"),
		.info = gw_reply_header(r, "Authentication-Info"), .retry_after = gw_reply_header(r, "Retry-After"), .body = r->body, .len = r->len };
	enum phone_verdict v;
	unsigned status;

	t->busy = false;
	hist_add(&t->bsm->report->bsm.exchange, now_ns() - t->sent);
	v = phone_reply(&t->phone, &reply, &status);
	if (v == PHONE_SEND && send_it(t) == 0)
		return;
	if (v != PHONE_DONE && !t->bsm->report->why.code)
		gw_fail(&t->bsm->report->why, GW_EPEER, "%s of terminal %u: %s", phone_asks[t->phone.doing], t->slot,
		    *t->phone.x.why ? t->phone.x.why : "refused in the answer's document");
	finished(t, v, v == PHONE_SEND ? 0 : status);
}

/* ---- LTKMs ---- */

static void
take(struct load_bsm *b, const struct gw_packet *pk, const struct sockaddr_storage *from)
{
	struct load_bsm_report *r = &b->report->bsm;
	char naf[CARD_NAME], btid[CARD_NAME];
	uint8_t answer[PHONE_ANSWER];
	enum ltkm_result result;
	struct terminal *t = NULL;
	struct mikey m;
	size_t len;
	bool again;

	if (mikey_decode(pk->p, pk->len, &m, NULL) == 0 && ltkm_names(&m, naf, sizeof(naf), btid, sizeof(btid)))
		t = gw_index_get(&b->by_btid, btid, strlen(btid));
	if (!t || strcmp(t->phone.btid, btid) != 0) {	/* a B-TID that was given up is still in the index */
		r->strangers++;
		return;
	}
	len = phone_message(&t->phone, pk->p, pk->len, answer, &result, &again);
	if (t->waits && (result == LTKM_KEY || result == LTKM_PULL)) {
		hist_add(&r->push, now_ns() - t->waits);
		t->waits = 0;
	}
	r->ltkms += result == LTKM_KEY;
	r->pulls += result == LTKM_PULL;
	r->again += again;
	r->refused += result != LTKM_KEY && result != LTKM_PULL && !again;
	if (len)	/* what the socket does not take is asked for again */
		(void)!sendto(b->fd, answer, len, 0, (const struct sockaddr *)from,
		    from->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
}

static void
on_ltkms(uv_poll_t *poll, int status, int events)
{
	static uint8_t room[BATCH][SLOT];
	struct load_bsm *b = poll->data;
	struct sockaddr_storage from[BATCH];
	struct gw_packet pk[BATCH];
	int n = BATCH;

	(void)status;
	(void)events;
	for (int turn = 0; turn < TURNS && n == BATCH; turn++) {
		for (size_t i = 0; i < BATCH; i++)
			pk[i].p = room[i];
		n = gw_udp_recv_from(b->fd, pk, from, BATCH, SLOT);
		for (int i = 0; i < n; i++)
			take(b, &pk[i], &from[i]);
	}
}

/* ---- its life ---- */

static void
schedule(void *self)
{
	struct load_bsm *b = self;
	struct pace_ask a;

	while (pace_tick(&b->pace, now_ns(), &a))
		ask(b, &a);
	if (!b->closing)
		alarm_set(&b->alarm, pace_next(&b->pace));
}

static void
finish(struct load_bsm *b)
{
	if (b->over)
		return;
	b->over = true;
	b->over_at = now_ns();
	b->report->ran_ns = b->over_at - b->start;
	pace_finish(&b->pace, b->over_at);
}

static void
on_handle(uv_handle_t *h)
{
	struct load_bsm *b = h->data;

	if (--b->handles == 0)
		b->ended(b->self);
}

static void
end(struct load_bsm *b)
{
	if (b->closing)
		return;
	b->closing = true;
	for (unsigned i = 0; i < b->n; i++)
		pace_down(&b->pace, i, now_ns());
	gw_http_close(b->http);	/* calls nobody any more */
	b->http = NULL;
	for (unsigned i = 0; i < b->n; i++)
		if (b->terminals[i]->wrong)
			wrong_free(b->terminals[i]);
	uv_close((uv_handle_t *)&b->keep, on_handle);
	alarm_close(&b->alarm, on_handle);
	if (b->fd >= 0) {
		uv_poll_stop(&b->poll);
		uv_close((uv_handle_t *)&b->poll, on_handle);
	}
}

static void
on_keep(uv_timer_t *timer)
{
	struct load_bsm *b = timer->data;
	int64_t now = now_ns();
	unsigned due = b->over ? 0 : pace_opened(&b->pace, b->n, now);

	while (b->opened < due)
		switch_on(b->terminals[b->opened++]);
	for (unsigned i = 0; i < b->opened; i++) {
		struct terminal *t = b->terminals[i];
		if (!b->over && t->again && now >= t->again)
			switch_on(t);
		if (t->wrong && t->wrong->bare && overdue(t))
			wrong_earned(t, LOAD_SILENCE);
	}
	schedule(b);
	if (now >= b->end || (b->report->up == 0 && b->opened == b->n && b->report->refused >= b->n))
		finish(b);
	if (b->over && b->pace.asked == 0 && b->wrongs == 0 && (b->fd < 0 || now >= b->over_at + LINGER_NS))
		end(b);
}

struct load_live
load_bsm_live(const struct load_bsm *b)
{
	return (struct load_live){ b->up, b->report->answered, b->report->errors, b->pace.asked, b->over };
}

void
load_bsm_stop(struct load_bsm *b)
{
	if (b->over)
		end(b);
	else
		finish(b);
}

void
load_bsm_free(struct load_bsm *b)
{
	if (!b)
		return;
	if (b->fd >= 0)
		close(b->fd);
	gw_http_close(b->http);
	for (unsigned i = 0; i < b->n; i++) {
		phone_fini(&b->terminals[i]->phone);
		free(b->terminals[i]);
	}
	free(b->terminals);
	gw_index_clear(&b->by_btid);
	pace_close(&b->pace);
	free(b);
}

/* http://HOST:PORT/PATH: the BSM; without a path its usual one. The BSF and the STKMs are at its root, if not said otherwise. */
static int
name_urls(struct load_bsm *b, struct gw_err *err)
{
	const struct load_bsm_conf *c = &b->conf->bsm;
	const char *host = strstr(c->url, "://");
	size_t origin = host ? (size_t)(host - c->url) + 3 + strcspn(host + 3, "/?") : 0, n[3];

	if (!host || (strncmp(c->url, "http://", 7) != 0 && strncmp(c->url, "https://", 8) != 0))
		return gw_fail(err, GW_EUSAGE, "%s: a BSM is http://HOST:PORT or https://HOST:PORT, and its path", c->url);
	n[0] = (size_t)snprintf(b->url, sizeof(b->url), "%s%s", c->url, strlen(c->url + origin) > 1 ? "" : &"/keymanagement"[c->url[origin] == '/']);
	n[1] = c->bsf_url ? (size_t)snprintf(b->bsf_url, sizeof(b->bsf_url), "%s", c->bsf_url) :
	    (size_t)snprintf(b->bsf_url, sizeof(b->bsf_url), "%.*s/", (int)origin, c->url);
	n[2] = (size_t)snprintf(b->stkm_url, sizeof(b->stkm_url), "%.*s/stkm/%s", (int)origin, c->url, c->service ? c->service : "");
	for (int i = 0; i < 3; i++)
		if (n[i] >= EXCHANGE_URL)
			return gw_fail(err, GW_EUSAGE, "an address is too long");
	b->net = (struct phone_net){ .url = b->url, .bsf_url = b->bsf_url, .stkm_url = c->service ? b->stkm_url : NULL, .naf = c->naf, .bsf = c->bsf,
		.mac_star = c->mac_star };
	return 0;
}

/* Where misdeeds go that no HTTP client would make. */
static int
name_bare(struct load_bsm *b, struct gw_err *err)
{
	const char *url = b->conf->bsm.url, *host = strstr(url, "://") + 3;
	size_t len = strcspn(host, "/?");
	char text[EXCHANGE_URL];

	if (!b->conf->misdeed || !rogue_is_bare(b->conf->misdeed->id))
		return 0;
	if (strncmp(url, "http://", 7) != 0)
		return gw_fail(err, GW_EUSAGE, "--misbehave %s: what is no HTTP goes by bare TCP here, to http:// alone", b->conf->misdeed->name);
	snprintf(text, sizeof(text), "tcp://%.*s%s", (int)len, host, len && host[len - 1] != ']' && memchr(host, ':', len) ? "" : ":80");
	return gw_addr_parse(text, GW_TCP, &b->bare, err) < 0 || gw_addr_resolve(&b->bare, err) < 0 ? -1 : 0;
}

/* Registrations come from the address that LTKMs go to. */
static int
open_doors(struct load_bsm *b, struct gw_err *err)
{
	const struct load_bsm_conf *c = &b->conf->bsm;
	unsigned ms = (unsigned)(b->conf->timeout_ns / 1000000);
	struct gw_http_conf http = { .ca = c->ca, .max_answer = ANSWER_MAX, .connect_ms = ms, .total_ms = ms, .plain_ok = true };

	if (c->ltkm.scheme) {
		if ((b->fd = gw_udp_receiver(&c->ltkm, err)) < 0)
			return -1;
		if (strcmp(c->ltkm.host, "0.0.0.0") != 0 && strcmp(c->ltkm.host, "::") != 0)
			http.local = c->ltkm.host;
	}
	return (b->http = gw_http_open(b->loop, &http, err)) ? 0 : -1;
}

/* By rate terminals are groups, so that it grows with those that are on; by window all are one, that shares it. */
static int
open_pace(struct load_bsm *b, struct gw_err *err)
{
	const struct load_conf *c = b->conf;
	bool rate = c->rate > 0;
	const struct pace_conf pace = { .groups = rate ? b->n : 1, .slots = rate ? 1 : b->n, .rate = c->rate,
		.window = c->window && c->window < b->n ? c->window : b->n, .start = b->start, .ramp = c->ramp_ns, .duration = c->duration_ns,
		.timeout = c->timeout_ns };

	return pace_open(&b->pace, &pace, &b->report->pace) < 0 ? gw_fail(err, GW_ESYS, "no memory") : 0;
}

static void
start(struct load_bsm *b)
{
	uv_timer_init(b->loop, &b->keep);
	b->keep.data = b;
	b->handles = 2;
	if (b->fd >= 0) {
		b->handles++;
		uv_poll_init(b->loop, &b->poll, b->fd);
		b->poll.data = b;
		uv_poll_start(&b->poll, UV_READABLE, on_ltkms);
	}
	uv_timer_start(&b->keep, on_keep, 0, KEEP_MS);
}

struct load_bsm *
load_bsm_open(uv_loop_t *loop, struct load_conf *conf, struct load_report *report, void (*ended)(void *), void *self, struct gw_err *err)
{
	struct load_bsm *b = calloc(1, sizeof(*b));

	if (!b) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	*b = (struct load_bsm){ .conf = conf, .report = report, .ended = ended, .self = self, .loop = loop, .fd = -1 };
	if (name_urls(b, err) == 0 && name_bare(b, err) == 0 && read_subscribers(b, err) == 0) {
		conf->connections = b->n;
		b->start = now_ns();
		b->end = b->start + conf->duration_ns;
		if (open_pace(b, err) == 0 && open_doors(b, err) == 0 && alarm_open(&b->alarm, loop, schedule, b, err) == 0) {
			start(b);
			return b;
		}
	}
	load_bsm_free(b);
	return NULL;
}
