/* terminal/phone.c: see phone.h */
#include "terminal/phone.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/http.h"
#include "lib/secret.h"
#include "terminal/inbox.h"
#include "terminal/memory.h"
#include "terminal/terminal.h"

enum { SLOT = 2048, BATCH = 8, CONNECT_MS = 5000, TOTAL_MS = 12000, ANSWER_MAX = 1 << 20 };

struct call { LIST_ENTRY(call) next; struct term_phone *phone; unsigned id; };
struct term_phone {
	struct terminal *app;
	struct usim usim;
	struct subscriber *subscriber;
	struct gw_http *http;
	char *bsm_url, *bsf_url, *state, *sms_dir;
	char **stkm_urls; size_t nstkm_urls;	/* of the terminal's units, in order; none: it hears STKMs on air */
	int fd; uv_poll_t poll;
	uv_timer_t timer; bool open;
	void (*over)(struct terminal *);
	struct inbox *inbox;		/* NULL: it has no number, or there are no short messages */
	LIST_HEAD(, call) calls;	/* whose replies are still to come */
};

static uint8_t room[BATCH][SLOT];

static struct sub_clock
now(void)
{
	return (struct sub_clock){ gw_utc_us(), gw_mono_us() };
}

/* ---- its state, in a file ---- */

static int
sync_directory(const char *path)
{
	char copy[PATH_MAX];
	int fd, rc;

	snprintf(copy, sizeof(copy), "%s", path);
	if ((fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

static int
write_all(int fd, const uint8_t *p, size_t len, bool lasting)
{
	for (ssize_t n; len > 0; p += n, len -= (size_t)n)
		if ((n = write(fd, p, len)) <= 0 && !(n < 0 && errno == EINTR && (n = 0, true)))
			return -1;
	return lasting ? fsync(fd) : 0;
}

/* In place of what was there, at once or not at all. */
static int
save(void *self, const void *octets, size_t len, bool lasting)
{
	struct term_phone *p = self;
	char temporary[PATH_MAX];
	int fd, rc;

	if (snprintf(temporary, sizeof(temporary), "%s.new", p->state) >= (int)sizeof(temporary))
		return -1;
	if ((fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0) {
		gw_log_limited(&p->app->rate, GW_ERR, "state_not_saved", strerror(errno), "terminal=%s file=%s", p->app->name, temporary);
		return -1;
	}
	rc = write_all(fd, octets, len, lasting);
	if (close(fd) < 0 || rc < 0 || rename(temporary, p->state) < 0 || (lasting && sync_directory(p->state) < 0)) {
		gw_log_limited(&p->app->rate, GW_ERR, "state_not_saved", strerror(errno), "terminal=%s file=%s", p->app->name, p->state);
		return -1;
	}
	return 0;
}

/* Octets; 0: a new card. -1 with *err. */
static ssize_t
read_state(const char *path, uint8_t *out, size_t cap, struct gw_err *err)
{
	ssize_t n;
	int fd;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (gw_secret_file_ok(path, err) < 0)
		return -1;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return gw_fail(err, GW_ESYS, "%s: %s", path, strerror(errno));
	n = read(fd, out, cap);
	close(fd);
	return n < 0 ? gw_fail(err, GW_ESYS, "%s: %s", path, strerror(errno)) : n;
}

/* ---- time ---- */

static void on_time(uv_timer_t *);

/* After everything that was told to the engine. */
static void
arm(struct term_phone *p)
{
	int64_t at, wait;

	if (!p->open)
		return;
	at = subscriber_next(p->subscriber);
	if (at == INT64_MAX) {
		uv_timer_stop(&p->timer);
		return;
	}
	wait = at - gw_mono_us();
	uv_update_time(&p->app->loop);
	uv_timer_start(&p->timer, on_time, wait > 0 ? (uint64_t)(wait + 999) / 1000 : 0, 0);
}

static void
on_time(uv_timer_t *t)
{
	struct term_phone *p = t->data;

	subscriber_time(p->subscriber, now());
	arm(p);
}

/* ---- requests ---- */

static void
replied(void *self, const struct gw_reply *r)
{
	struct call *call = self;
	struct term_phone *p = call->phone;
	const struct exchange_reply reply = { .status = r->status, .error = r->error, .challenge = gw_reply_header(r, "WWW-Authenticate"),
		.info = gw_reply_header(r, "Authentication-Info"), .retry_after = gw_reply_header(r, "Retry-After"), .body = r->body, .len = r->len };

	gw_log(GW_DEBUG, "reply", r->error, "terminal=%s id=%u status=%u octets=%zu", p->app->name, call->id, r->status, r->len);
	subscriber_reply(p->subscriber, call->id, &reply, now());
	LIST_REMOVE(call, next);
	free(call);
	arm(p);
}

static int
request(void *self, const struct sub_request *r)
{
	struct term_phone *p = self;
	struct call *call = malloc(sizeof(*call));
	struct gw_err err = { 0 };

	if (!call)
		return -1;
	*call = (struct call){ .phone = p, .id = r->id };
	gw_log(GW_DEBUG, "request", NULL, "terminal=%s id=%u method=%s url=%s", p->app->name, r->id, r->method, r->url);
	if (gw_http_send(p->http, r->method, r->url, r->headers, r->body, r->len, replied, call, &err) == 0) {
		LIST_INSERT_HEAD(&p->calls, call, next);
		return 0;
	}
	gw_log_limited(&p->app->rate, GW_WARNING, "request_not_sent", err.text, "terminal=%s url=%s", p->app->name, r->url);
	free(call);
	return -1;
}

static void
over(void *self)
{
	struct term_phone *p = self;

	if (p->over)
		p->over(p->app);
}

static void
stkm(void *self, size_t unit, const void *msg, size_t len)
{
	struct term_phone *p = self;

	if (unit < p->app->nunits)
		term_unit_stkm(&p->app->units[unit], msg, len);
}

static const struct sub_ops ops = { request, save, over, stkm };

/* ---- LTKMs ---- */

static void
take(struct term_phone *p, const struct gw_packet *pk, const struct sockaddr_storage *from)
{
	const socklen_t n = from->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	uint8_t answer[SUB_ANSWER];
	size_t len = subscriber_message(p->subscriber, SUB_UDP, pk->p, pk->len, answer, sizeof(answer), now());

	if (len && sendto(p->fd, answer, len, 0, (const struct sockaddr *)from, n) < 0)
		gw_log_limited(&p->app->rate, GW_WARNING, "answer_not_sent", strerror(errno), "terminal=%s", p->app->name);
}

void
term_phone_drain(struct term_phone *p)
{
	struct sockaddr_storage from[BATCH];
	struct gw_packet pk[BATCH];
	int n = BATCH;

	if (!p || p->fd < 0)
		return;
	for (int turn = 0; turn < BATCH && n == BATCH; turn++) {
		for (size_t i = 0; i < BATCH; i++)
			pk[i].p = room[i];
		n = gw_udp_recv_from(p->fd, pk, from, BATCH, SLOT);
		for (int i = 0; i < n; i++)
			take(p, &pk[i], &from[i]);
		if (n > 0)
			arm(p);
	}
}

static void
on_ltkm(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	term_phone_drain(poll->data);
}

int
term_phone_lend(struct term_phone *p, struct msk_rx *rx)
{
	return card_lend(subscriber_card(p->subscriber), rx);
}

void
term_phone_counted(struct term_phone *p)
{
	subscriber_counted(p->subscriber);
}

void
term_phone_wants(struct term_phone *p, const void *stkm, size_t len, bool beyond)
{
	struct mikey m;

	if (!p || mikey_decode(stkm, len, &m, NULL) < 0 || !m.has_ids || !m.ids.has_tek)
		return;
	subscriber_wants(p->subscriber, &m.ids, beyond, now());
	arm(p);
}

struct subscriber *
term_phone_subscriber(struct term_phone *p)
{
	return p->subscriber;
}

/* ---- opening and closing ---- */

/* Calls come from the host that LTKMs come to: a BSM takes the one for the other. */
static const char *
local_of(const struct gw_addr *a)
{
	const bool any = a->ss.ss_family == AF_INET ? ((const struct sockaddr_in *)&a->ss)->sin_addr.s_addr == INADDR_ANY :
	    a->ss.ss_family != AF_INET6 || IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)&a->ss)->sin6_addr);

	return any ? NULL : a->host;
}

/* Where the STKMs of a unit are to be had (bsm/stkm_get.h): at the BSM's root, by the head-end's name of it. NULL: no memory. */
static char *
stkm_url(const char *bsm_url, const char *unit)
{
	static const char path[] = "/stkm/";
	const char *host = strstr(bsm_url, "://");
	const size_t origin = host ? (size_t)(host - bsm_url) + 3 + strcspn(host + 3, "/?") : 0, cap = origin + sizeof(path) + 3 * strlen(unit);
	char *url = malloc(cap);
	size_t n = 0;

	if (!url)
		return NULL;
	n = (size_t)snprintf(url, cap, "%.*s%s", (int)origin, bsm_url, path);
	for (const char *c = unit; *c; c++)
		n += (size_t)snprintf(url + n, cap - n, isalnum((unsigned char)*c) || strchr("-._~", *c) ? "%c" : "%%%02X", (unsigned char)*c);
	return url;
}

static int
name_stkms(struct term_phone *p, const struct he_terminal *t)
{
	if (t->stkm_poll_ms == 0)
		return 0;
	if (!(p->stkm_urls = calloc(t->service->nunits + 1, sizeof(*p->stkm_urls))))
		return -1;
	for (size_t i = 0; i < t->service->nunits; i++)
		if (!(p->stkm_urls[p->nstkm_urls++] = stkm_url(p->bsm_url, t->service->units[i].id)))
			return -1;
	return 0;
}

static char *
copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static int
open_subscriber(struct term_phone *p, const struct he_terminal *t, struct gw_err *err)
{
	struct sub_conf c = { .name = p->app->name, .usim = &p->usim, .misbehave = p->app->misbehave };
	struct gw_secret octets;
	ssize_t n;

	p->bsm_url = copy(t->bsm_url);
	p->bsf_url = copy(t->bsf_url);
	p->state = copy(t->card_state);
	p->sms_dir = copy(t->sms_dir);
	if (!p->bsm_url || !p->state || (t->sms_dir && !p->sms_dir) || (t->bsf_url && !p->bsf_url) || name_stkms(p, t) < 0)
		return gw_fail(err, GW_ESYS, "no memory");
	if (gw_secret_new(&octets, MEMORY_MAX) < 0)
		return gw_fail(err, GW_ESYS, "no locked memory");
	if ((n = read_state(p->state, octets.p, octets.len, err)) >= 0) {
		c.bsm_url = p->bsm_url;
		c.bsf_url = p->bsf_url;
		c.stkm_urls = (const char *const *)p->stkm_urls;
		c.nstkm_urls = p->nstkm_urls;
		c.stkm_poll_us = (int64_t)t->stkm_poll_ms * 1000;
		c.state = octets.p;
		c.state_len = (size_t)n;
		if (!(p->subscriber = subscriber_new(&c, &ops, p, err)))
			gw_wrap(err, "%s: ", p->state);
	}
	gw_secret_free(&octets);
	return p->subscriber ? 0 : -1;
}

static int
open_doors(struct term_phone *p, const struct he_terminal *t, struct gw_err *err)
{
	const struct gw_http_conf http = { .ca = p->usim.ca, .local = local_of(&t->address), .max_answer = ANSWER_MAX, .connect_ms = CONNECT_MS,
		.total_ms = TOTAL_MS, .plain_ok = true };
	int fd = gw_udp_receiver(&t->address, err);

	if (fd < 0)
		return -1;
	if (p->sms_dir && p->usim.msisdn) {
		if (!(p->inbox = calloc(1, sizeof(*p->inbox)))) {
			close(fd);
			return gw_fail(err, GW_ESYS, "no memory");
		}
		p->inbox->dir = p->sms_dir;
		p->inbox->msisdn = p->usim.msisdn;
	}
	if (term_watch(p->app, &p->poll, fd, on_ltkm, p, err) < 0) {
		close(fd);
		return -1;
	}
	p->fd = fd;
	return (p->http = gw_http_open(&p->app->loop, &http, err)) ? 0 : -1;
}

int
term_phone_open(struct terminal *app, const struct he_terminal *t, struct term_phone **out, struct gw_err *err)
{
	struct term_phone *p;

	*out = NULL;
	if (!t->card)
		return 0;
	if (!(p = calloc(1, sizeof(*p))))
		return gw_fail(err, GW_ESYS, "no memory");
	*out = p;	/* what was opened is closed and freed by its owner, after a failure, too */
	p->app = app;
	p->fd = -1;
	if (usim_load(t->card, &p->usim, err) < 0 || open_subscriber(p, t, err) < 0 || open_doors(p, t, err) < 0)
		return -1;
	uv_timer_init(&app->loop, &p->timer);
	p->timer.data = p;
	p->open = true;
	subscriber_start(p->subscriber, now());
	arm(p);
	return 0;
}

void
term_phone_stop(struct term_phone *p, void (*done)(struct terminal *))
{
	p->over = done;
	subscriber_stop(p->subscriber, now());
	arm(p);
}

void
term_phone_close(struct term_phone *p)
{
	if (!p)
		return;
	gw_http_close(p->http);
	p->http = NULL;
	term_unwatch(&p->poll, &p->fd);
	if (p->open)
		uv_close((uv_handle_t *)&p->timer, NULL);
	p->open = false;
}

void
term_phone_free(struct term_phone *p)
{
	struct call *call;

	if (!p)
		return;
	while ((call = LIST_FIRST(&p->calls))) {	/* the client calls nobody any more */
		LIST_REMOVE(call, next);
		free(call);
	}
	subscriber_free(p->subscriber);
	usim_free(&p->usim);
	free(p->bsm_url);
	free(p->bsf_url);
	free(p->state);
	free(p->sms_dir);
	for (size_t i = 0; i < p->nstkm_urls; i++)
		free(p->stkm_urls[i]);
	free(p->stkm_urls);
	free(p->inbox);
	free(p);
}

static void
take_sms(void *self, const void *mikey, size_t len)
{
	struct term_phone *p = self;
	uint8_t answer[SUB_ANSWER];

	/* what would be answered by UDP has nowhere to go */
	(void)subscriber_message(p->subscriber, SUB_SMS, mikey, len, answer, sizeof(answer), now());
	arm(p);
}

void
term_phone_second(struct term_phone *p)
{
	if (p && p->inbox && !inbox_look(p->inbox, gw_mono_us(), take_sms, p) && errno != ENOENT)
		gw_log_limited(&p->app->rate, GW_WARNING, "sms_not_read", strerror(errno), "terminal=%s directory=%s", p->app->name, p->inbox->dir);
}
