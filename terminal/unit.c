/* terminal/unit.c: the sockets of a protected unit: key stream and media in, clear RTP out where a player wants it */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/udp.h"
#include "terminal/terminal.h"

enum { SLOT = (GW_XF_HEAD + GW_UDP_MTU + GW_XF_TAIL + 63) / 64 * 64, STKM_SLOT = 65536, STKM_BATCH = 8, TURNS = 4 };

static _Alignas(64) uint8_t room[GW_UDP_BATCH][SLOT];
static uint8_t stkm_room[STKM_BATCH][STKM_SLOT];

/* ---- key streams ---- */

void
term_unit_stkm(struct term_unit *u, const void *msg, size_t len)
{
	int64_t utc = gw_utc_us();
	enum rx_reason why;
	bool first = u->said.accepted == 0, waits = first && (u->app->air || u->app->phone);

	switch (receiver_stkm(u->receiver, msg, len, utc / 1000000, gw_mono_us(), &why)) {
	case RX_NEW:
		gw_log(first ? GW_INFO : GW_DEBUG, "stkm_accepted", NULL, "terminal=%s service=%s keys=%zu", u->app->name, u->id, receiver_keys(u->receiver));
		u->said.accepted++;
		break;
	case RX_REPEAT:
		break;
	case RX_REFUSED:
		if (why == RX_NO_KEY || why == RX_ABOVE)
			term_phone_wants(u->app->phone, msg, len, why == RX_ABOVE);
		if (waits && why == RX_NO_KEY)	/* its rights are still to come */
			break;
		gw_log_limited(&u->app->rate, GW_WARNING, "stkm_refused", rx_reason_text(why), "terminal=%s service=%s reason=%s", u->app->name, u->id,
		    term_reason(why));
	}
}

void
term_unit_drain(struct term_unit *u)
{
	struct gw_packet pk[STKM_BATCH];
	int n = 0;

	term_air_drain(u->app->air);	/* a right that has come is there before the messages it opens */
	term_phone_drain(u->app->phone);
	if (u->stkm_fd < 0)	/* they come to its phone */
		return;
	do {
		for (size_t i = 0; i < STKM_BATCH; i++)
			pk[i].p = stkm_room[i];
		n = gw_udp_recv(u->stkm_fd, pk, STKM_BATCH, STKM_SLOT);
		for (int i = 0; i < n; i++)
			term_unit_stkm(u, pk[i].p, pk[i].len);
	} while (n == STKM_BATCH);
}

static void
on_stkm(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	term_unit_drain(poll->data);
}

/* ---- media ---- */

static int
receive(int fd, struct gw_packet pk[GW_UDP_BATCH])
{
	for (size_t i = 0; i < GW_UDP_BATCH; i++)
		pk[i].p = room[i] + GW_XF_HEAD;
	return gw_udp_recv(fd, pk, GW_UDP_BATCH, GW_UDP_MTU);
}

/* ESP comes elsewhere: what comes here in its stead is clear. */
static bool
open_packet(struct term_medium *m, struct gw_pk *p, int64_t now)
{
	if (!m->unit->esp)
		return receiver_packet(m->unit->receiver, m->index, p, term_out_sink(&m->out), now);
	receiver_clear(m->unit->receiver, m->index, p);
	return true;
}

static void
on_media(uv_poll_t *poll, int status, int events)
{
	struct term_medium *m = poll->data;
	struct gw_packet pk[GW_UDP_BATCH];
	int n = GW_UDP_BATCH;

	(void)status;
	(void)events;
	term_unit_drain(m->unit);	/* a key that has come is there before the packets it opens */
	for (int turn = 0; turn < TURNS && n == GW_UDP_BATCH; turn++) {
		int64_t now = gw_mono_us();
		n = receive(m->in_fd, pk);
		for (int i = 0; i < n; i++) {
			struct gw_pk p = { pk[i].p, pk[i].len };
			if (open_packet(m, &p, now))
				term_out_add(&m->out, &p);
		}
		term_out_flush();
	}
}

static void
on_rtcp(uv_poll_t *poll, int status, int events)
{
	struct term_medium *m = poll->data;
	struct gw_packet pk[GW_UDP_BATCH];
	int n;

	(void)status;
	(void)events;
	term_unit_drain(m->unit);
	n = receive(m->rtcp_fd, pk);
	for (int i = 0; i < n; i++)
		receiver_rtcp(m->unit->receiver, m->index, &(struct gw_pk){ pk[i].p, pk[i].len }, gw_mono_us());
}

/* ---- opening and closing ---- */

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

void
term_port(struct gw_addr *a, uint16_t port)
{
	a->port = port;
	if (a->ss.ss_family == AF_INET)
		((struct sockaddr_in *)&a->ss)->sin_port = htons(port);
	else if (a->ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a->ss)->sin6_port = htons(port);
}

static int
open_out(struct terminal *app, struct term_medium *m, const struct he_terminal *t, const struct he_medium *conf, size_t offset,
    struct gw_err *err)
{
	const struct term_out_conf out = { .to = app->to.scheme ? app->to : t->out, .offset = offset,
		.file = app->write ? app->write : t->file, .suffix = t->service->nmedia > 1 ? conf->name : NULL,
		.type = term_type(conf), .fmtp = conf->fmtp };

	return term_out_open(&m->out, &out, err);
}

/* Handles count as open from their term_watch() on: in_fd, rtcp_fd and stkm_fd say so. */
static int
open_socket(struct terminal *app, const struct gw_addr *at, int *fd, uv_poll_t *poll, uv_poll_cb cb, void *data, struct gw_err *err)
{
	int got = gw_udp_receiver(at, err);

	if (got < 0)
		return -1;
	if (term_watch(app, poll, got, cb, data, err) < 0) {
		close(got);
		return -1;
	}
	*fd = got;
	return 0;
}

/* What is not protected is nothing that a key was needed for; within ESP it comes where the media do. */
static int
open_rtcp(struct terminal *app, struct term_medium *m, const struct he_service *s, const struct he_medium *conf, struct gw_err *err)
{
	struct gw_addr at = conf->out;

	if (!conf->rtcp || m->unit->esp || !gw_transform_of(s->scrambling)->unprotect_rtcp)
		return 0;
	term_port(&at, (uint16_t)(at.port + 1));
	return open_socket(app, &at, &m->rtcp_fd, &m->rtcp_poll, on_rtcp, m, err);
}

static int
open_medium(struct terminal *app, struct term_unit *u, const struct he_terminal *t, const struct he_medium *conf, size_t offset,
    struct gw_err *err)
{
	struct term_medium *m = &u->media[u->nmedia];

	m->unit = u;
	m->index = u->nmedia;
	m->in_fd = m->rtcp_fd = m->out.fd = -1;
	u->nmedia++;
	if (!(m->name = strdup(conf->name)))
		return gw_fail(err, GW_ESYS, "no memory");
	if (open_out(app, m, t, conf, offset, err) < 0)
		return gw_wrap(err, "medium %s: ", m->name);
	if (open_socket(app, &conf->out, &m->in_fd, &m->poll, on_media, m, err) < 0 || open_rtcp(app, m, t->service, conf, err) < 0)
		return -1;
	return u->esp ? term_esp_open(app, m, t->service, conf, err) : 0;
}

/* Opens STKMs with the terminal's keys, and packets with what is in them. */
static int
open_receiver(struct term_unit *u, const struct he_terminal *t, const struct he_unit *conf, struct gw_err *err)
{
	const struct he_service *s = t->service;
	struct gw_rx_conf *media = calloc(conf->nmedia + 1, sizeof(*media));

	if (!media)
		return gw_fail(err, GW_ESYS, "no memory");
	for (size_t i = 0; i < conf->nmedia; i++)
		media[i] = (struct gw_rx_conf){ .authenticated = s->authentication, .rcc_rate = s->rcc, .tunnel = s->ipsec.tunnel, .type = term_type(conf->media[i]),
			.payload_type = conf->media[i]->in_payload_type, .port = conf->media[i]->out.port };
	if ((u->card = term_card_new(u->app, t, err)))
		u->receiver = receiver_new(gw_transform_of(s->scrambling), media, conf->nmedia, term_card_receive, u->card, err);
	free(media);
	return u->receiver ? 0 : -1;
}

static int
open_unit(struct terminal *app, const struct he_terminal *t, const struct he_unit *conf, size_t *offset, struct gw_err *err)
{
	struct term_unit *u = &app->units[app->nunits++];
	const struct he_stkm *s = term_conf_stkm(conf, t->smartcard);

	u->app = app;
	u->esp = t->service->scrambling == HE_IPSEC;
	u->index = conf->index;
	u->stkm_fd = -1;
	if (!(u->id = strdup(conf->id)) || !(u->kms = strdup(s->kms->name)) || !(u->media = calloc(conf->nmedia + 1, sizeof(*u->media))))
		return gw_fail(err, GW_ESYS, "no memory");
	if (open_receiver(u, t, conf, err) < 0)
		return -1;
	if (!t->stkm_poll_ms && open_socket(app, &s->out, &u->stkm_fd, &u->poll, on_stkm, u, err) < 0)
		return -1;
	for (size_t i = 0; i < conf->nmedia; i++)
		if (open_medium(app, u, t, conf->media[i], (*offset)++, err) < 0)
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

	if (open_air(app, he, t, err) < 0 || term_phone_open(app, t, &app->phone, err) < 0)
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
	term_phone_close(app->phone);
	term_esp_close(app);
	for (size_t i = 0; i < app->nunits; i++) {
		struct term_unit *u = &app->units[i];
		term_unwatch(&u->poll, &u->stkm_fd);
		for (size_t k = 0; k < u->nmedia; k++) {
			term_unwatch(&u->media[k].poll, &u->media[k].in_fd);
			term_unwatch(&u->media[k].rtcp_poll, &u->media[k].rtcp_fd);
			term_out_close(&u->media[k].out);
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
	term_esp_free(app);
	free(app->units);
	term_air_free(app->air);
	term_phone_free(app->phone);
	app->air = NULL;
	app->phone = NULL;
	app->units = NULL;
	app->nunits = 0;
}

/* Packets are counted, never logged one by one: what has grown is said once a second. */
void
term_units_second(struct terminal *app)
{
	struct receiver_counts c;

	term_air_second(app->air);
	term_phone_second(app->phone);
	for (size_t i = 0; i < app->nunits; i++) {
		struct term_unit *u = &app->units[i];
		receiver_tick(u->receiver, gw_mono_us());
		receiver_counts(u->receiver, &c);
		if (u->said.packets == 0 && c.packets > 0)
			gw_log(GW_INFO, "tuned", NULL, "terminal=%s service=%s", app->name, u->id);
		if (c.undecryptable > u->said.undecryptable || c.lost > u->said.lost || c.rtcp_bad > u->said.rtcp_bad)
			gw_log_limited(&app->rate, GW_WARNING, "media_incomplete", NULL, "terminal=%s service=%s lost=%llu undecryptable=%llu rtcp_bad=%llu",
			    app->name, u->id, (unsigned long long)c.lost, (unsigned long long)c.undecryptable, (unsigned long long)c.rtcp_bad);
		u->said = c;
		for (size_t k = 0; k < u->nmedia; k++)
			term_out_second(&u->media[k].out);
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
		receiver_add(sum, &c);
	}
}
