/*
 * tests/integration/ex_run.c: bridge/exchange as a program, for peers that are not ours: ex_run FILE BRIDGE SCHEMAS. Every tag is answered: status 0,
 * and Data of an octet per object; what is for a service or content whose name ends with …:later after 300 ms, …:never not at all, …:refused with status 19.
 * A line a call ("handled TAG MESSAGE-ID"). Of its standard input each line "PEER TAG [ATTEMPT-MS GIVE-UP-MS]" begins an exchange, whose end is a line:
 * "done TAG END HTTP STATUS DATA REASON". SIGHUP reads the file again, SIGTERM ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/exchange.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/secret.h"

enum { LATER_MS = 300 };
static uv_loop_t loop;
static struct gw_life life;
static uv_pipe_t in;
static struct headend *he;
static const struct he_bridge *conf;
static struct ex *ex;
static const char *file, *name;
static char line[256];
static size_t line_len;
struct later { uv_timer_t timer; struct ex_call *call; int tag; };

static const struct he_bridge *
find(const struct headend *h)
{
	for (size_t i = 0; i < h->nbridge; i++)
		if (strcmp(h->bridge[i].name, name) == 0)
			return &h->bridge[i];
	return NULL;
}

/* What a message of the tag holds beside its target. */
static void
fill(struct sp4_msg *m, int tag)
{
	static const uint8_t octets[] = { 0xa1, 0xa2, 0xa3, 0xa4, 0xa5 };
	bool carries = sp4_kind_of(tag) == SP4_RESPONSE || sp4_kind_of(tag) == SP4_DELIVERY;

	sp4_init(m, tag);
	if (sp4_kind_of(tag) == SP4_RESPONSE || sp4_kind_of(tag) == SP4_CONFIRMATION)
		m->status = 0;
	if (carries)
		m->data[m->n_data++] = (struct sp4_octets){ &octets[sp4_object_of(tag)], 1 };
}

static void
answer(struct ex_call *c, int tag)
{
	static struct sp4_msg m;

	fill(&m, tag + 1);
	ex_answer(c, &m);
}

static void on_closed(uv_handle_t *h) { free(h->data); }

static void
on_later(uv_timer_t *t)
{
	struct later *l = t->data;

	answer(l->call, l->tag);
	uv_close((uv_handle_t *)t, on_closed);
}

static bool
ends(const char *text, const char *end)
{
	return text && strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static bool
on_call(void *self, struct ex_call *c, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	const char *target = m->service ? m->service : m->content;
	struct later *l;

	(void)self;
	(void)from;
	printf("handled %d %s\n", (int)m->tag, m->message_id);
	if (ends(target, ":refused"))
		ex_status(c, 19, "not yet");
	else if (ends(target, ":later") && (l = calloc(1, sizeof(*l))) != NULL) {
		l->call = c;
		l->tag = (int)m->tag;
		uv_timer_init(&loop, &l->timer);
		l->timer.data = l;
		uv_timer_start(&l->timer, on_later, LATER_MS, 0);
	} else if (!ends(target, ":never"))
		answer(c, (int)m->tag);
	return true;
}

static void
on_done(void *self, const struct ex_result *r)
{
	static const char *const words[] = { "answered", "refused", "wrong", "silent", "cancelled" };
	int *tag = self;

	printf("done %d %s %u %d %zu %s\n", *tag, words[r->end], r->http, r->answer ? (int)r->answer->status : -1, r->answer ? r->answer->n_data : 0,
	    r->reason);
	free(tag);
}

static const struct he_sp4_peer *
peer(const char *called)
{
	for (size_t i = 0; i < conf->npeers; i++)
		if (strcmp(conf->peers[i].name, called) == 0)
			return &conf->peers[i];
	return NULL;
}

static void
command(const char *text)
{
	static struct sp4_msg m;
	char who[64];
	unsigned attempt = 0, give_up = 0;
	int *tag = malloc(sizeof(*tag));
	struct gw_err err = { 0 };
	const struct he_sp4_peer *p;

	if (!tag || sscanf(text, "%63s %d %u %u", who, tag, &attempt, &give_up) < 2 || !(p = peer(who))) {
		printf("what? %s\n", text);
		free(tag);
		return;
	}
	fill(&m, *tag);
	if (sp4_object_of(*tag) == SP4_TEK)
		m.content = he->services[0].global_content_id;
	else
		m.service = he->services[0].global_service_id;
	if (sp4_object_of(*tag) == SP4_LTKM || sp4_object_of(*tag) == SP4_REG) {
		m.distribution_start = sp4_ntp(gw_utc_us() / 1000000);
		m.distribution_end = m.distribution_start + 3600;
	}
	if (ex_send(ex, p, &m, attempt, give_up ? gw_mono_us() + give_up * INT64_C(1000) : INT64_MAX, on_done, tag, &err) < 0) {
		printf("not sent %d %s\n", *tag, err.text);
		free(tag);
	}
}

static void
on_alloc(uv_handle_t *h, size_t want, uv_buf_t *b)
{
	(void)h;
	(void)want;
	*b = uv_buf_init(line + line_len, (unsigned)(sizeof(line) - 1 - line_len));
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	char *end;

	(void)b;
	if (n < 0) {
		uv_read_stop(s);
		return;
	}
	line_len += (size_t)n;
	line[line_len] = '\0';
	while ((end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		command(line);
		line_len -= (size_t)(end + 1 - line);
		memmove(line, end + 1, line_len + 1);
	}
}

static void
stop(void *self)
{
	(void)self;
	ex_close(ex);
	if (!uv_is_closing((uv_handle_t *)&in))
		uv_close((uv_handle_t *)&in, NULL);
	gw_life_close(&life);
}

static void
reload(void *self)
{
	struct gw_err err = { 0 };
	struct headend *fresh = headend_load(file, &err);

	(void)self;
	if (!fresh || !find(fresh) || ex_reconf(ex, fresh, find(fresh), &err) < 0) {
		printf("reload refused %s\n", err.text);
		headend_free(fresh);
		return;
	}
	headend_free(he);
	he = fresh;
	conf = find(fresh);
	printf("reload done\n");
}

int
main(int argc, char **argv)
{
	struct gw_err err = { 0 };

	if (argc != 4)
		return 64;
	setvbuf(stdout, NULL, _IOLBF, 0);
	gw_log_init("ex_run", GW_DEBUG);
	file = argv[1];
	name = argv[2];
	gw_secrets_init(1024, true, &err);
	uv_loop_init(&loop);
	he = headend_load(file, &err);
	conf = he ? find(he) : NULL;
	ex = conf ? ex_open(&loop, he, conf, argv[3], &err) : NULL;
	if (!ex || gw_life_open(&life, &loop, stop, reload, NULL, &err) < 0)
		return gw_die(&err);
	for (int tag = 1; tag <= SP4_TAGS; tag += 2)
		ex_handle(ex, tag, on_call, NULL);
	uv_pipe_init(&loop, &in, 0);
	uv_pipe_open(&in, 0);
	uv_read_start((uv_stream_t *)&in, on_alloc, on_read);
	printf("ready\n");
	gw_loop_fini(&loop);
	headend_free(he);
	gw_secrets_fini();
	return 0;
}
