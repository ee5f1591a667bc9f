/*
 * terminal/esp.c: where ESP comes: IP protocol 50 at a host, or UDP at its port for it. Neither tells media apart: what is for a
 * service its SPIs say, and for which of its media the port within.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/rawip.h"
#include "proto/esp.h"
#include "terminal/terminal.h"

enum { SLOT = (GW_XF_HEAD + GW_UDP_MTU + 64 + GW_XF_TAIL + 63) / 64 * 64, IP_ROOM = 60, TURNS = 4 };

struct term_esp {
	struct term_esp *next;
	struct gw_addr at;		/* the port counts by UDP only */
	bool raw;
	int fd; uv_poll_t poll;
	struct sockaddr_storage from;	/* of the packet before; raw sockets only */
	struct term_medium **media; size_t nmedia;
	size_t *match;			/* room for as many numbers */
};

static _Alignas(64) uint8_t room[GW_UDP_BATCH][SLOT];

/* The media of this source that an SPI may be for, into match: those of one service, or none. */
static struct term_unit *
unit_of(const struct term_esp *e, uint32_t spi, size_t *n)
{
	struct term_unit *u = NULL;

	*n = 0;
	for (size_t i = 0; i < e->nmedia; i++) {
		struct term_medium *m = e->media[i];
		if (spi >> 16 != (0x8000u | m->unit->index) || (u && u != m->unit))
			continue;
		u = m->unit;
		e->match[(*n)++] = m->index;
	}
	return u;
}

static void
take(const struct term_esp *e, struct gw_pk *p, int64_t now)
{
	struct term_unit *u;
	size_t n, which;

	if (p->len < ESP_HEADER || (!e->raw && esp_in_udp(p->p, p->len) != ESP_IN_UDP))
		return;
	if ((u = unit_of(e, esp_spi(p->p), &n)) && receiver_among(u->receiver, e->match, n, &which, p, NULL, now))
		term_out_add(&u->media[which].out, p);
}

/* Datagrams in transport mode have the sum of the addresses outside. In UDP these may be a NAT's (RFC 3948 3.1.2). */
static void
comes_from(struct term_esp *e, const struct sockaddr_storage *from)
{
	if (!e->raw || memcmp(&e->from, from, sizeof(*from)) == 0)
		return;
	e->from = *from;
	for (size_t i = 0; i < e->nmedia; i++)
		receiver_between(e->media[i]->unit->receiver, e->media[i]->index, from, &e->at.ss);
}

static int
receive(const struct term_esp *e, struct gw_packet pk[GW_UDP_BATCH], struct sockaddr_storage from[GW_UDP_BATCH])
{
	if (e->raw)
		memset(from, 0, GW_UDP_BATCH * sizeof(*from));	/* what an address leaves of it is compared, too */
	for (size_t i = 0; i < GW_UDP_BATCH; i++)
		pk[i].p = room[i] + GW_XF_HEAD;
	return e->raw ? gw_rawip_recv(e->fd, e->at.ss.ss_family, pk, from, GW_UDP_BATCH, GW_UDP_MTU + IP_ROOM) :
	    gw_udp_recv(e->fd, pk, GW_UDP_BATCH, GW_UDP_MTU);
}

static void
on_esp(uv_poll_t *poll, int status, int events)
{
	struct term_esp *e = poll->data;
	static struct sockaddr_storage from[GW_UDP_BATCH];
	struct gw_packet pk[GW_UDP_BATCH];
	int n = GW_UDP_BATCH;

	(void)status;
	(void)events;
	for (size_t i = 0; i < e->nmedia; i++)
		term_unit_drain(e->media[i]->unit);
	for (int turn = 0; turn < TURNS && n == GW_UDP_BATCH; turn++) {
		int64_t now = gw_mono_us();
		n = receive(e, pk, from);
		for (int i = 0; i < n; i++) {
			comes_from(e, &from[i]);
			take(e, &(struct gw_pk){ pk[i].p, pk[i].len }, now);
		}
		term_out_flush();
	}
}

static bool
same(const struct term_esp *e, const struct gw_addr *a, bool raw)
{
	return e->raw == raw && (raw || e->at.port == a->port) && strcmp(e->at.host, a->host) == 0 && strcmp(e->at.interface, a->interface) == 0;
}

static struct term_esp *
add(struct terminal *app, const struct gw_addr *a, bool raw)
{
	struct term_esp *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	*e = (struct term_esp){ .next = app->esp, .at = *a, .raw = raw, .fd = -1 };
	return app->esp = e;
}

static int
join(struct term_esp *e, struct term_medium *m)
{
	struct term_medium **media = realloc(e->media, (e->nmedia + 1) * sizeof(struct term_medium *));
	size_t *match;

	if (!media)
		return -1;
	e->media = media;
	if (!(match = realloc(e->match, (e->nmedia + 1) * sizeof(*match))))
		return -1;
	e->match = match;
	e->media[e->nmedia++] = m;
	return 0;
}

static int
listen_at(struct terminal *app, struct term_esp *e, struct gw_err *err)
{
	int fd;

	if (gw_addr_resolve(&e->at, err) < 0 || (fd = (e->raw ? gw_rawip_receiver : gw_udp_receiver)(&e->at, err)) < 0)
		return -1;
	if (term_watch(app, &e->poll, fd, on_esp, e, err) < 0) {
		close(fd);
		return -1;
	}
	e->fd = fd;
	return 0;
}

int
term_esp_open(struct terminal *app, struct term_medium *m, const struct he_service *s, const struct he_medium *conf, struct gw_err *err)
{
	bool raw = s->ipsec.output == HE_ESP_RAW;
	struct gw_addr at = conf->out;
	struct term_esp *e = app->esp;

	term_port(&at, raw ? at.port : s->ipsec.port);
	while (e && !same(e, &at, raw))
		e = e->next;
	if (!e && !(e = add(app, &at, raw)))
		return gw_fail(err, GW_ESYS, "no memory");
	if (join(e, m) < 0)
		return gw_fail(err, GW_ESYS, "no memory");
	return e->fd < 0 ? listen_at(app, e, err) : 0;
}

void
term_esp_close(struct terminal *app)
{
	for (struct term_esp *e = app->esp; e; e = e->next)
		term_unwatch(&e->poll, &e->fd);
}

void
term_esp_free(struct terminal *app)
{
	struct term_esp *e;

	while ((e = app->esp)) {
		app->esp = e->next;
		free(e->media);
		free(e->match);
		free(e);
	}
}
