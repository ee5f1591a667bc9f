/* terminal/unit.c: the sockets of a protected unit: key stream and media in, clear RTP out where a player wants it */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/srtp.h"
#include "lib/udp.h"
#include "terminal/terminal.h"

enum { SLOT = (GW_UDP_MTU + 63) / 64 * 64, STKM_SLOT = 65536, STKM_BATCH = 8, TURNS = 4 };

static _Alignas(64) uint8_t room[GW_UDP_BATCH][SLOT];
static uint8_t stkm_room[STKM_BATCH][STKM_SLOT];

static void
take_stkm(struct term_unit *u, const struct gw_packet *pk)
{
	int64_t utc = gw_utc_us();
	enum rx_reason why;
	bool first = u->said.accepted == 0, waits = first && u->app->air;

	switch (receiver_stkm(u->receiver, pk->p, pk->len, utc / 1000000, gw_mono_us(), &why)) {
	case RX_NEW:
		gw_log(first ? GW_INFO : GW_DEBUG, "stkm_accepted", NULL, "terminal=%s service=%s keys=%zu", u->app->name, u->id, receiver_keys(u->receiver));
		u->said.accepted++;
		break;
	case RX_REPEAT:
		break;
	case RX_REFUSED:
		if (waits && why == RX_NO_KEY)	/* its rights are still to come */
			break;
		gw_log_limited(&u->app->rate, GW_WARNING, "stkm_refused", rx_reason_text(why), "terminal=%s service=%s", u->app->name, u->id);
	}
}

static void
drain_stkm(struct term_unit *u)
{
	struct gw_packet pk[STKM_BATCH];
	int n;

	term_air_drain(u->app->air);	/* a right that has come is there before the messages it opens */
	do {
		for (size_t i = 0; i < STKM_BATCH; i++)
			pk[i].p = stkm_room[i];
		n = gw_udp_recv(u->stkm_fd, pk, STKM_BATCH, STKM_SLOT);
		for (int i = 0; i < n; i++)
			take_stkm(u, &pk[i]);
	} while (n == STKM_BATCH);
}

static void
on_stkm(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	drain_stkm(poll->data);
}

static void
on_media(uv_poll_t *poll, int status, int events)
{
	struct term_medium *m = poll->data;
	struct gw_packet pk[GW_UDP_BATCH];
	int n = GW_UDP_BATCH;

	(void)status;
	(void)events;
	drain_stkm(m->unit);	/* a key that has come is there before the packets it opens */
	for (int turn = 0; turn < TURNS && n == GW_UDP_BATCH; turn++) {
		int64_t now = gw_mono_us();
		size_t clear = 0;
		for (size_t i = 0; i < GW_UDP_BATCH; i++)
			pk[i].p = room[i];
		n = gw_udp_recv(m->in_fd, pk, GW_UDP_BATCH, SLOT);
		for (int i = 0; i < n; i++)
			if (receiver_packet(m->unit->receiver, m->index, pk[i].p, &pk[i].len, now))
				pk[clear++] = pk[i];
		if (m->out_fd >= 0 && clear > 0)
			(void)gw_udp_send(m->out_fd, pk, clear);	/* a player that is not there is no fault of ours */
	}
}

int
term_watch(struct terminal *app, uv_poll_t *poll, int fd, uv_poll_cb cb, void *data, struct gw_err *err)
{
	int rc = uv_poll_init(&app->loop, poll, fd);

	poll->data = data;
	if (rc < 0)
		return gw_fail(err, GW_ESYS, "%s", uv_strerror(rc));
	uv_poll_start(poll, UV_READABLE, cb);
	return 0;
}

/* Handles count as open from their term_watch() on: in_fd and stkm_fd say so. */
static int
open_medium(struct terminal *app, struct term_unit *u, const struct he_medium *conf, const struct gw_addr *out, size_t offset, struct gw_err *err)
{
	struct term_medium *m = &u->media[u->nmedia];
	struct gw_addr to = *out;

	m->unit = u;
	m->index = u->nmedia;
	m->in_fd = m->out_fd = -1;
	u->nmedia++;
	if (!(m->name = strdup(conf->name)))
		return gw_fail(err, GW_ESYS, "no memory");
	if (to.scheme) {	/* further media on further ports, as RTP sessions have them: each second one */
		to.port = (uint16_t)(to.port + 2 * offset);
		if (to.ss.ss_family == AF_INET)
			((struct sockaddr_in *)&to.ss)->sin_port = htons(to.port);
		else if (to.ss.ss_family == AF_INET6)
			((struct sockaddr_in6 *)&to.ss)->sin6_port = htons(to.port);
		if ((m->out_fd = gw_udp_sender(&to, err)) < 0)
			return -1;
	}
	int fd = gw_udp_receiver(&conf->out, err);
	if (fd < 0)
		return -1;
	if (term_watch(app, &m->poll, fd, on_media, m, err) < 0) {
		close(fd);
		return -1;
	}
	m->in_fd = fd;
	return 0;
}

static int
open_unit(struct terminal *app, const struct he_terminal *t, const struct he_unit *conf, size_t *offset, struct gw_err *err)
{
	struct term_unit *u = &app->units[app->nunits++];
	const struct he_stkm *s = term_conf_stkm(conf, t->smartcard);

	u->app = app;
	u->stkm_fd = -1;
	if (!(u->id = strdup(conf->id)) || !(u->kms = strdup(s->kms->name)) || !(u->media = calloc(conf->nmedia + 1, sizeof(*u->media))))
		return gw_fail(err, GW_ESYS, "no memory");
	if (!(u->card = term_card_new(t->keys, t->smartcard, t->service->authentication, app->air, err)))
		return -1;
	if (!(u->receiver = receiver_new(conf->nmedia, term_card_receive, u->card)))
		return gw_fail(err, GW_ESYS, "no memory");
	int fd = gw_udp_receiver(&s->out, err);
	if (fd < 0)
		return -1;
	if (term_watch(app, &u->poll, fd, on_stkm, u, err) < 0) {
		close(fd);
		return -1;
	}
	u->stkm_fd = fd;
	for (size_t i = 0; i < conf->nmedia; i++)
		if (open_medium(app, u, conf->media[i], &t->out, (*offset)++, err) < 0)
			return -1;
	return 0;
}

/* Long-term keys on air are those of the KMSs whose STKMs this terminal opens. */
static int
open_air(struct terminal *app, const struct headend *he, const struct he_terminal *t, struct gw_err *err)
{
	const struct he_ltkm **list = NULL;
	size_t n = 0;
	int rc = term_air_new(app, t, &app->air, err);

	if (rc == 0 && app->air)
		rc = term_conf_ltkm(he, t, &list, &n, err);
	if (rc == 0 && app->air)
		rc = term_air_open(app->air, list, n, err);
	free(list);
	return rc;
}

int
term_units_open(struct terminal *app, const struct headend *he, const struct he_terminal *t, struct gw_err *err)
{
	size_t offset = 0;

	if (open_air(app, he, t, err) < 0)
		return gw_wrap(err, "terminal %s: ", t->name);
	if (!(app->units = calloc(t->service->nunits + 1, sizeof(*app->units))))
		return gw_fail(err, GW_ESYS, "no memory");
	for (size_t i = 0; i < t->service->nunits; i++)
		if (open_unit(app, t, &t->service->units[i], &offset, err) < 0)
			return gw_wrap(err, "terminal %s, service %s: ", t->name, t->service->units[i].id);
	return 0;
}

void
term_unwatch(uv_poll_t *poll, int *fd)
{
	if (*fd < 0)
		return;
	uv_close((uv_handle_t *)poll, NULL);
	close(*fd);
	*fd = -1;
}

void
term_units_close(struct terminal *app)
{
	term_air_close(app->air);
	for (size_t i = 0; i < app->nunits; i++) {
		struct term_unit *u = &app->units[i];
		term_unwatch(&u->poll, &u->stkm_fd);
		for (size_t k = 0; k < u->nmedia; k++) {
			term_unwatch(&u->media[k].poll, &u->media[k].in_fd);
			if (u->media[k].out_fd >= 0)
				close(u->media[k].out_fd);
			u->media[k].out_fd = -1;
		}
	}
}

void
term_units_free(struct terminal *app)
{
	for (size_t i = 0; i < app->nunits; i++) {
		struct term_unit *u = &app->units[i];
		for (size_t k = 0; k < u->nmedia; k++)
			free(u->media[k].name);
		receiver_free(u->receiver);
		term_card_free(u->card);
		free(u->media);
		free(u->id);
		free(u->kms);
	}
	free(app->units);
	term_air_free(app->air);
	app->air = NULL;
	app->units = NULL;
	app->nunits = 0;
}

/* Packets are counted, never logged one by one: what has grown is said once a second. */
void
term_units_second(struct terminal *app)
{
	struct receiver_counts c;

	term_air_second(app->air);
	for (size_t i = 0; i < app->nunits; i++) {
		struct term_unit *u = &app->units[i];
		receiver_tick(u->receiver, gw_mono_us());
		receiver_counts(u->receiver, &c);
		if (u->said.packets == 0 && c.packets > 0)
			gw_log(GW_INFO, "tuned", NULL, "terminal=%s service=%s", app->name, u->id);
		if (c.undecryptable > u->said.undecryptable || c.lost > u->said.lost)
			gw_log_limited(&app->rate, GW_WARNING, "media_incomplete", NULL, "terminal=%s service=%s lost=%llu undecryptable=%llu",
			    app->name, u->id, (unsigned long long)c.lost, (unsigned long long)c.undecryptable);
		u->said = c;
	}
}

void
term_counts(const struct terminal *app, struct receiver_counts *sum)
{
	*sum = (struct receiver_counts){ 0 };
	for (size_t i = 0; i < app->nunits; i++) {
		struct receiver_counts c;
		if (!app->units[i].receiver)
			continue;
		receiver_counts(app->units[i].receiver, &c);
		sum->packets += c.packets;
		sum->clear += c.clear;
		sum->lost += c.lost;
		sum->undecryptable += c.undecryptable;
		sum->waiting += c.waiting;
		sum->repeated += c.repeated;
		sum->crypto_periods += c.crypto_periods;
		sum->stkm += c.stkm;
		sum->accepted += c.accepted;
		sum->repeats += c.repeats;
		for (size_t r = 0; r < RECEIVER_REASONS; r++)
			sum->refused[r] += c.refused[r];
	}
}
