/* bsm/stkm_hear.c: the sockets of stkm_get: the multicast groups that the head-end sends STKMs to */
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>
#include "bsm/stkm_get.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/udp.h"

enum { BATCH = 16 };

struct ear {
	uv_poll_t poll;
	int fd, stream;
	bool wanted;
	uint16_t ecm_id;
	char service[KMS_NAME], out[GW_ADDR_TEXT];
	struct stkm_hear *of;
	LIST_ENTRY(ear) entry;
};
struct stkm_hear {
	uv_loop_t *loop;
	struct stkm_get *get;
	LIST_HEAD(, ear) ears;
};

static void
on_stkm(uv_poll_t *poll, int status, int events)
{
	static uint8_t room[BATCH][STKM_GET_MAX];
	struct ear *e = poll->data;
	struct gw_packet pk[BATCH];
	int n;

	(void)status, (void)events;
	for (size_t i = 0; i < BATCH; i++)
		pk[i].p = room[i];
	n = gw_udp_recv(e->fd, pk, BATCH, STKM_GET_MAX);	/* what is left is for the loop's next turn */
	for (int i = 0; i < n; i++)
		if (pk[i].len)
			stkm_get_heard(e->of->get, e->stream, pk[i].p, pk[i].len, gw_utc_us());
}

static void
on_closed(uv_handle_t *h)
{
	struct ear *e = h->data;

	close(e->fd);
	free(e);
}

static void
leave(struct ear *e)
{
	LIST_REMOVE(e, entry);
	stkm_get_end(e->of->get, e->stream);
	uv_close((uv_handle_t *)&e->poll, on_closed);
}

static int
join(struct stkm_hear *h, const struct he_unit *u, const struct he_stkm *s, const char *out, struct gw_err *err)
{
	struct ear *e = calloc(1, sizeof(*e));

	if (!e)
		return gw_fail(err, GW_ESYS, "out of memory");
	e->fd = gw_udp_receiver(&s->out, err);
	e->stream = e->fd < 0 ? -1 : stkm_get_stream(h->get, s->ecm_id, u->id, s->pek ? KMS_PEK : KMS_SEK);
	if (e->fd >= 0 && e->stream < 0)
		gw_fail(err, GW_ESYS, "service %s: no memory for its STKMs", u->id);
	if (e->stream < 0 || uv_poll_init(h->loop, &e->poll, e->fd) < 0) {
		if (e->fd >= 0)
			close(e->fd);
		free(e);
		return -1;
	}
	e->wanted = true;
	e->ecm_id = s->ecm_id;
	snprintf(e->service, sizeof(e->service), "%s", u->id);
	snprintf(e->out, sizeof(e->out), "%s", out);
	e->of = h;
	e->poll.data = e;
	LIST_INSERT_HEAD(&h->ears, e, entry);
	uv_poll_start(&e->poll, UV_READABLE, on_stkm);
	return 0;
}

/* One that can be heard: not within a transport stream, and not to one receiver alone, whose datagrams are not ours to take. */
static int
want(struct stkm_hear *h, const struct he_unit *u, const struct he_stkm *s, bool joining, struct gw_err *err)
{
	char out[GW_ADDR_TEXT];
	struct ear *e;

	if (s->out.scheme != GW_UDP || s->out.pid || !gw_addr_multicast(&s->out))
		return 0;
	gw_addr_text(&s->out, out, sizeof(out));
	LIST_FOREACH(e, &h->ears, entry)
		if (e->ecm_id == s->ecm_id && strcmp(e->service, u->id) == 0 && strcmp(e->out, out) == 0) {
			e->wanted = true;
			return 0;
		}
	return joining ? join(h, u, s, out, err) : 0;
}

static int
each(struct stkm_hear *h, const struct headend *he, const struct he_kms *kms, bool joining, struct gw_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < he->nservices; i++)
		for (size_t j = 0; j < he->services[i].nunits; j++)
			for (size_t k = 0; k < he->services[i].units[j].nstkm; k++) {
				const struct he_unit *u = &he->services[i].units[j];
				if (u->stkm[k].kms == kms && want(h, u, &u->stkm[k], joining, err) < 0)
					rc = -1;
			}
	return rc;
}

/* Those that are gone are left before others are joined: a stream that goes elsewhere keeps its name. */
int
stkm_hear_reload(struct stkm_hear *h, const struct headend *he, const struct he_kms *kms, struct gw_err *err)
{
	struct ear *e, *next;

	LIST_FOREACH(e, &h->ears, entry)
		e->wanted = false;
	each(h, he, kms, false, NULL);
	for (e = LIST_FIRST(&h->ears); e; e = next) {
		next = LIST_NEXT(e, entry);
		if (!e->wanted)
			leave(e);
	}
	return each(h, he, kms, true, err);
}

struct stkm_hear *
stkm_hear_open(uv_loop_t *loop, struct stkm_get *get, const struct headend *he, const struct he_kms *kms, struct gw_err *err)
{
	struct stkm_hear *h = calloc(1, sizeof(*h));

	if (!h) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	h->loop = loop;
	h->get = get;
	LIST_INIT(&h->ears);
	if (stkm_hear_reload(h, he, kms, err) < 0) {
		stkm_hear_close(h);
		return NULL;
	}
	return h;
}

void
stkm_hear_close(struct stkm_hear *h)
{
	if (!h)
		return;
	while (!LIST_EMPTY(&h->ears))
		leave(LIST_FIRST(&h->ears));
	free(h);
}
