/*
 * tests/integration/httpd_run.c: lib/httpd as a program, for clients that are not ours. httpd_run ADDRESS [CERTIFICATE KEY [CA]]: its port, then a line a
 * request ("request METHOD URI OCTETS SUBJECT"), a refusal ("refused STATUS WHY") or a client that left ("gone"). It sends bodies back; /later after
 * 50 ms, /never not at all, /big 8 MiB of its own. SIGHUP reads the certificates again; SIGTERM ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/httpd.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { BIG = 8 << 20, LATER_MS = 50, WAITING = 64 };

struct later { uv_timer_t timer; struct gw_exchange *x; void *body; size_t len; };
static uv_loop_t loop;
static struct gw_life life;
static struct gw_httpd *server;
static struct later *waiting[WAITING];
static char *big;

static void
answer(struct gw_exchange *x, const void *body, size_t len)
{
	gw_exchange_answer(x, &(struct gw_answer){ .status = 200, .content_type = "text/plain", .body = body, .len = len });
}

static void
free_later(uv_handle_t *h)
{
	struct later *l = h->data;

	free(l->body);
	free(l);
}

static void
forget(size_t i)
{
	uv_close((uv_handle_t *)&waiting[i]->timer, free_later);
	waiting[i] = NULL;
}

static void
on_later(uv_timer_t *t)
{
	struct later *l = t->data;

	for (size_t i = 0; i < WAITING; i++)
		if (waiting[i] == l)
			forget(i);
	answer(l->x, l->body, l->len);
}

static void
answer_later(struct gw_exchange *x, const void *body, size_t len)
{
	size_t i = 0;

	while (i < WAITING && waiting[i])
		i++;
	if (i == WAITING) {
		gw_exchange_answer(x, &(struct gw_answer){ .status = 503 });
		return;
	}
	waiting[i] = calloc(1, sizeof(*waiting[i]));
	waiting[i]->x = x;
	waiting[i]->body = malloc(len + 1);
	memcpy(waiting[i]->body, body, len);
	waiting[i]->len = len;
	uv_timer_init(&loop, &waiting[i]->timer);
	waiting[i]->timer.data = waiting[i];
	uv_timer_start(&waiting[i]->timer, on_later, LATER_MS, 0);
}

static void
on_request(void *self, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	(void)self;
	printf("request %s %s %zu %s\n", r->method, r->uri, r->body_len, r->subject ? r->subject : "-");
	if (strcmp(r->path, "/later") == 0)
		answer_later(x, r->body, r->body_len);
	else if (strcmp(r->path, "/big") == 0)
		answer(x, big, BIG);
	else if (strcmp(r->path, "/never") != 0)
		answer(x, r->body, r->body_len);
}

static void
on_gone(void *self, struct gw_exchange *x)
{
	(void)self;
	printf("gone\n");
	for (size_t i = 0; i < WAITING; i++)
		if (waiting[i] && waiting[i]->x == x)
			forget(i);
}

static void
on_refused(void *self, const struct sockaddr *peer, unsigned status, const char *why)
{
	(void)self;
	(void)peer;
	printf("refused %u %s\n", status, why);
}

static void
stop(void *self)
{
	(void)self;
	for (size_t i = 0; i < WAITING; i++)
		if (waiting[i])
			forget(i);
	gw_httpd_close(server);
	gw_life_close(&life);
}

static void
reload(void *self)
{
	struct gw_err err = { 0 };

	(void)self;
	if (gw_httpd_reload(server, &err) < 0)
		printf("reload %s\n", err.text);
	else
		printf("reload done\n");
}

int
main(int argc, char **argv)
{
	struct gw_httpd_conf conf = { .max_body = 65536, .max_clients = 100, .idle_ms = 3000, .request_ms = 1000, .request = on_request, .gone = on_gone,
		.refused = on_refused, .certificate = argc > 3 ? argv[2] : NULL, .private_key = argc > 3 ? argv[3] : NULL,
		.client_ca = argc > 4 ? argv[4] : NULL };
	const char *few = getenv("HTTPD_CLIENTS");	/* places, and they are kept for long */
	struct gw_err err = { 0 };

	if (few) {
		conf.max_clients = (unsigned)atoi(few);
		conf.idle_ms = conf.request_ms = 60000;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	gw_log_init("httpd_run", GW_NOTICE);
	big = calloc(1, BIG);
	uv_loop_init(&loop);
	if (!big || argc < 2 || gw_addr_parse(argv[1], GW_TCP | GW_TLS, &conf.listen, &err) < 0 ||
	    (server = gw_httpd_open(&loop, &conf, &err)) == NULL || gw_life_open(&life, &loop, stop, reload, NULL, &err) < 0)
		return gw_die(&err);
	printf("port %u\n", gw_httpd_addr(server)->port);
	uv_run(&loop, UV_RUN_DEFAULT);
	gw_loop_fini(&loop);
	free(big);
	return 0;
}
