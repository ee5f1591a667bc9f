/* scrambler/medium.c: one socket in, one out, SRTP in between; a batch of packets at a time, nothing allocated or logged for one */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/udp.h"
#include "proto/rtp.h"
#include "scrambler/scrambler.h"

enum {
	SLOT = (GW_UDP_MTU + GW_SRTP_TAIL + 63) / 64 * 64,
	TURNS = 4,			/* batches of one socket before the others have their turn */
	RTCP_FIRST = 72, RTCP_LAST = 76,	/* payload types RTCP would have (RFC 3551 6): not RTP, not ours */
};

/* One thread, one batch in hand: the packets of all media lie here while they pass. */
static _Alignas(64) uint8_t room[GW_UDP_BATCH][SLOT];

const char *
scr_reason(int reason)
{
	return reason == SCR_CUT ? "too_long" : reason == SCR_SEND ? "send_error" : gw_srtp_verdict_name(reason);
}

static int
pass(struct scr_medium *m, struct gw_packet *pk)
{
	struct rtp rtp;

	if (pk->len == 0)
		return SCR_CUT;
	if (rtp_parse(pk->p, pk->len, &rtp) < 0 || (rtp.payload_type >= RTCP_FIRST && rtp.payload_type <= RTCP_LAST))
		return GW_SRTP_NOT_RTP;
	if (m->unit->clear)
		return m->sent_clear++, GW_SRTP_OK;
	return gw_srtp_protect(m->unit->tx, m->index, pk->p, &pk->len);
}

static void
send_all(struct scr_medium *m, const struct gw_packet *pk, size_t n)
{
	for (size_t done = 0; done < n;) {
		int k = gw_udp_send(m->out_fd, pk + done, n - done);
		if (k < 0) {		/* this one cannot go: the next may */
			m->dropped[SCR_SEND]++;
			done++;
		} else if (k == 0) {	/* the kernel's buffer is full: media do not wait */
			m->dropped[SCR_SEND] += n - done;
			return;
		} else {
			m->sent += (size_t)k;
			done += (size_t)k;
		}
	}
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct scr_medium *m = poll->data;
	struct gw_packet pk[GW_UDP_BATCH];
	int n;

	(void)status;
	(void)events;
	for (int turn = 0; turn < TURNS; turn++) {
		size_t k = 0;
		for (size_t i = 0; i < GW_UDP_BATCH; i++)
			pk[i].p = room[i];
		if ((n = gw_udp_recv(m->in_fd, pk, GW_UDP_BATCH, GW_UDP_MTU)) <= 0)
			return;
		scr_unit_tick(m->unit);		/* the key in force for what has just come */
		m->received += (size_t)n;
		for (int i = 0; i < n; i++) {
			int v = pass(m, &pk[i]);
			if (v == GW_SRTP_OK)
				pk[k++] = pk[i];
			else
				m->dropped[v]++;
		}
		send_all(m, pk, k);
		if (n < GW_UDP_BATCH)
			return;
	}
}

static bool
same_addr(const struct gw_addr *a, const struct gw_addr *b)
{
	char x[GW_ADDR_TEXT], y[GW_ADDR_TEXT];

	return strcmp(gw_addr_text(a, x, sizeof(x)), gw_addr_text(b, y, sizeof(y))) == 0;
}

bool
scr_medium_same_in(const struct scr_medium *m, const struct he_medium *conf)
{
	return same_addr(&m->in, &conf->in);
}

int
scr_medium_change(struct scr_medium *m, const struct he_medium *conf, struct gw_err *err)
{
	if (!(m->next.name = strdup(conf->name)))
		return gw_fail(err, GW_ESYS, "no memory");
	m->next.out = conf->out;
	if (!same_addr(&m->out, &conf->out) && (m->next.out_fd = gw_udp_sender(&conf->out, err)) < 0)
		return gw_wrap(err, "medium %s: ", conf->name);
	return 0;
}

void
scr_medium_commit(struct scr_medium *m)
{
	if (m->next.name) {
		free(m->name);
		m->name = m->next.name;
		m->next.name = NULL;
	}
	if (m->next.out_fd >= 0) {
		close(m->out_fd);
		m->out_fd = m->next.out_fd;
		m->out = m->next.out;
		m->next.out_fd = -1;
	}
}

void
scr_medium_revert(struct scr_medium *m)
{
	free(m->next.name);
	m->next.name = NULL;
	if (m->next.out_fd >= 0)
		close(m->next.out_fd);
	m->next.out_fd = -1;
}

static void
closed(uv_handle_t *h)
{
	struct scr_medium *m = h->data;

	free(m->name);
	free(m);
}

void
scr_medium_close(struct scr_medium *m)
{
	scr_medium_revert(m);
	if (m->polling)
		uv_close((uv_handle_t *)&m->poll, closed);
	if (m->in_fd >= 0)
		close(m->in_fd);
	if (m->out_fd >= 0)
		close(m->out_fd);
	m->poll.data = m;
	if (!m->polling)
		closed((uv_handle_t *)&m->poll);
}

struct scr_medium *
scr_medium_open(struct scrambler *app, struct scr_unit *unit, const struct he_medium *conf, struct gw_err *err)
{
	struct scr_medium *m = calloc(1, sizeof(*m));
	int rc;

	if (!m || !(m->name = strdup(conf->name))) {
		free(m);
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	m->unit = unit;
	m->in = conf->in;
	m->out = conf->out;
	m->index = unit->inputs++;
	m->in_fd = m->out_fd = m->next.out_fd = -1;
	if ((m->in_fd = gw_udp_receiver(&m->in, err)) >= 0 && (m->out_fd = gw_udp_sender(&m->out, err)) >= 0) {
		if ((rc = uv_poll_init(&app->loop, &m->poll, m->in_fd)) == 0) {
			m->polling = true;
			m->poll.data = m;
			uv_poll_start(&m->poll, UV_READABLE, on_readable);
			return m;
		}
		gw_fail(err, GW_ESYS, "%s", uv_strerror(rc));
	}
	gw_wrap(err, "medium %s: ", m->name);
	scr_medium_close(m);
	return NULL;
}
