/* scrambler/sap.c: announcements, RFC 2974 */
#include "scrambler/sap.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/session.h"
#include "lib/udp.h"
#include "proto/sap.h"

/* New announcements leave one a step, so that a thousand of them are no burst; the others spread over the interval. */
enum { STEP_MS = 10 };

struct item { char *service, *text; uint64_t version; uint16_t hash; bool fresh, keep; };	/* fresh: not sent yet */
struct list { struct item *item; size_t n; };

struct scr_sap {
	uv_timer_t timer;
	struct gw_addr to;
	int fd;			/* -1: off */
	uint32_t interval_ms;
	struct list list;
	size_t next, fresh;
	bool failing;		/* said so */
};

/* ---- packets ---- */

static void
send_packet(struct scr_sap *s, const struct item *it, bool deletion, const char *payload, size_t len)
{
	static uint8_t packet[GW_SESSION_MAX + 64];
	struct sap sap = { .deletion = deletion, .hash = it->hash, .type = "application/sdp", .payload = payload, .len = len };
	struct sockaddr_storage own;
	socklen_t own_len = sizeof(own);
	struct gw_packet out = { packet, 0 };
	int sent;

	if (getsockname(s->fd, (struct sockaddr *)&own, &own_len) < 0)
		return;
	sap.v6 = own.ss_family == AF_INET6;
	if (sap.v6)
		memcpy(sap.source, &((struct sockaddr_in6 *)&own)->sin6_addr, 16);
	else
		memcpy(sap.source, &((struct sockaddr_in *)&own)->sin_addr, 4);
	out.len = sap_build(&sap, packet, sizeof(packet));
	sent = gw_udp_send(s->fd, &out, 1);
	if (sent != 1 && !s->failing)
		gw_log(GW_WARNING, "sap_unsent", sent < 0 ? strerror(errno) : "the socket is full", "service=%s", it->service);
	s->failing = sent != 1;
}

static void
announce(struct scr_sap *s, struct item *it)
{
	s->fresh -= it->fresh;
	it->fresh = false;
	send_packet(s, it, false, it->text, strlen(it->text));
}

/* Of the description the origin line is enough (clause 6). */
static void
delete(struct scr_sap *s, const struct item *it)
{
	const char *origin = strstr(it->text, "o="), *end = strchr(origin, '\n') + 1;

	if (!it->fresh)
		send_packet(s, it, true, origin, (size_t)(end - origin));
}

/* ---- the list ---- */

static void
drop(struct item *it)
{
	free(it->service);
	free(it->text);
}

static void
drop_all(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		drop(&l->item[i]);
	free(l->item);
	*l = (struct list){ NULL, 0 };
}

static int
describe(struct item *it, const struct headend *he, const struct he_service *service, uint64_t version, struct gw_err *err)
{
	static char text[GW_SESSION_MAX];
	const struct gw_session_more more = { .version = version };
	size_t n = gw_session_write(he, service, &more, text, sizeof(text), err);

	if (n == 0)
		return -1;
	*it = (struct item){ .service = strdup(service->id), .text = strdup(text), .version = version, .hash = sap_hash(text, n), .fresh = true };
	if (it->service && it->text)
		return 0;
	drop(it);
	return gw_fail(err, GW_ESYS, "no memory");
}

static int
make_list(struct list *l, const struct headend *he, struct gw_err *err)
{
	uint64_t version = gw_session_version(he);

	*l = (struct list){ calloc(he->nservices + 1, sizeof(*l->item)), 0 };
	if (!l->item)
		return gw_fail(err, GW_ESYS, "no memory");
	for (size_t i = 0; i < he->nservices; i++)
		if (he->services[i].scrambling != HE_NONE && describe(&l->item[l->n], he, &he->services[i], version, err) == 0)
			l->n++;
		else if (he->services[i].scrambling != HE_NONE) {
			drop_all(l);
			return -1;
		}
	return 0;
}

/* hint: where it probably is, for a file with thousands of them. */
static struct item *
find(const struct list *l, const char *service, size_t hint)
{
	if (hint < l->n && strcmp(l->item[hint].service, service) == 0)
		return &l->item[hint];
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->item[i].service, service) == 0)
			return &l->item[i];
	return NULL;
}

/* Nothing but the version differs: what is on air stays, so that nobody sees a change. */
static bool
unchanged(const struct item *was, const struct headend *he)
{
	struct item again;
	bool same;

	if (describe(&again, he, headend_service(he, was->service), was->version, NULL) < 0)
		return false;
	same = strcmp(was->text, again.text) == 0;
	drop(&again);
	return same;
}

static void
adopt(struct scr_sap *s, struct list *now, const struct headend *he)
{
	for (size_t i = 0; i < now->n; i++) {
		struct item *was = find(&s->list, now->item[i].service, i), swap = now->item[i];

		if (was && unchanged(was, he)) {
			now->item[i] = *was;
			*was = swap;
			was->keep = true;
		}
	}
	for (size_t i = 0; i < s->list.n; i++)
		if (!s->list.item[i].keep && s->fd >= 0)
			delete(s, &s->list.item[i]);
	drop_all(&s->list);
	s->list = *now;
	s->next = s->fresh = 0;
	for (size_t i = 0; i < now->n; i++)
		s->fresh += now->item[i].fresh;
}

/* ---- time ---- */

static void
on_timer(uv_timer_t *t)
{
	struct scr_sap *s = t->data;
	size_t n = s->list.n, wait, batch;

	if (s->fd < 0 || n == 0)
		return;
	wait = s->interval_ms / n > STEP_MS ? s->interval_ms / n : STEP_MS;
	batch = (n * wait + s->interval_ms - 1) / s->interval_ms;
	for (size_t i = 0; i < batch && !s->fresh; i++, s->next = (s->next + 1) % n)
		announce(s, &s->list.item[s->next]);
	for (size_t i = 0, sent = 0; i < n && s->fresh && sent < batch; i++)
		if (s->list.item[i].fresh) {
			announce(s, &s->list.item[i]);
			sent++;
			s->next = (i + 1) % n;
		}
	uv_timer_start(t, on_timer, s->fresh ? STEP_MS : wait, 0);
}

static bool
same_place(const struct gw_addr *a, const struct gw_addr *b)
{
	char one[GW_ADDR_TEXT], other[GW_ADDR_TEXT];

	return a->scheme == b->scheme && (!a->scheme || strcmp(gw_addr_text(a, one, sizeof(one)), gw_addr_text(b, other, sizeof(other))) == 0);
}

/* Everything new is there before anything old goes. */
static int
take(struct scr_sap *s, const struct headend *he, struct gw_err *err)
{
	struct list now = { NULL, 0 };
	bool move = !same_place(&s->to, &he->sap.to);
	int fd = move && he->sap.to.scheme ? gw_udp_sender(&he->sap.to, err) : -1;

	if (move && he->sap.to.scheme && fd < 0)
		return -1;
	if (he->sap.to.scheme && make_list(&now, he, err) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (move) {
		adopt(s, &(struct list){ NULL, 0 }, he);	/* deletes what is at the old place */
		if (s->fd >= 0)
			close(s->fd);
		s->fd = fd;
		s->to = he->sap.to;
	}
	adopt(s, &now, he);
	s->interval_ms = he->sap.interval_ms;
	uv_timer_start(&s->timer, on_timer, 0, 0);
	return 0;
}

struct scr_sap *
scr_sap_open(uv_loop_t *loop, const struct headend *he, struct gw_err *err)
{
	struct scr_sap *s = calloc(1, sizeof(*s));

	if (!s) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	s->fd = -1;
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	if (take(s, he, err) == 0)
		return s;
	gw_wrap(err, "scrambler: sap");
	scr_sap_close(s);
	return NULL;
}

void
scr_sap_reload(struct scr_sap *s, const struct headend *he)
{
	struct gw_err err = { 0 };

	if (s && take(s, he, &err) < 0)
		gw_log(GW_ERR, "sap_refused", err.text, "services=%zu", s->list.n);
}

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

void
scr_sap_close(struct scr_sap *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->list.n; i++)
		delete(s, &s->list.item[i]);
	drop_all(&s->list);
	if (s->fd >= 0)
		close(s->fd);
	uv_close((uv_handle_t *)&s->timer, on_closed);
}
