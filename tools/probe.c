/* tools/probe.c: simulgate check-config --probe: asks every peer of a head-end whether it is there and takes us, one line each */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/clock.h"
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "tools/tools.h"

enum { ANSWER_US = 2 * 1000 * 1000, REFUSAL_MS = 300, SAY = 3 };

/* A channel that is set up and closed again: what to say on which interface. The first `nclose` parameters name the channel. */
struct trial {
	const char *who;
	const struct gw_addr *at;
	const struct sim_iface *iface;
	uint8_t version;
	uint16_t setup, status, error, close, in_use[2];	/* messages; error_status of a channel that somebody has open */
	struct { uint16_t type; int64_t value; } say[SAY]; size_t nsay, nclose;
	int64_t began_us;
};

static void __attribute__((format(printf, 4, 5)))
report(const char *who, const struct gw_addr *at, int64_t began_us, const char *fmt, ...)
{
	char where[GW_ADDR_TEXT];
	va_list ap;

	printf("%s at %s, %.1f ms: ", who, gw_addr_text(at, where, sizeof(where)), (double)(gw_mono_us() - began_us) / 1000);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* Waits until `until_us`. 0, or -1 with why. */
static int
wait_for(int fd, short events, int64_t until_us, const char *what, struct gw_err *err)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left_ms;
	int rc;

	do {
		left_ms = (until_us - gw_mono_us() + 999) / 1000;
		rc = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
	} while (rc < 0 && errno == EINTR);
	if (rc > 0)
		return 0;
	errno = rc < 0 ? errno : ETIMEDOUT;
	return gw_fail(err, GW_EUNAVAIL, "%s: %s", what, strerror(errno));
}

/* The socket, or -1 with why. */
static int
reach(const struct gw_addr *addr, int type, int64_t until_us, struct gw_err *err)
{
	struct gw_addr a = *addr;
	socklen_t len = sizeof(int);
	int fd, e = 0;

	if (gw_addr_resolve(&a, err) < 0)
		return -1;
	fd = socket(a.ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return gw_fail(err, GW_ESYS, "socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&a.ss, a.sslen) == 0)
		return fd;
	e = errno;
	if (e == EINPROGRESS)
		e = wait_for(fd, POLLOUT, until_us, "not reachable", err) < 0 ? ETIMEDOUT :
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 ? errno : e;
	if (!e)
		return fd;
	close(fd);
	return gw_fail(err, GW_EUNAVAIL, "not reachable: %s", strerror(e));
}

static int
say(const struct trial *t, int fd, uint16_t message, size_t n, struct gw_err *err)
{
	uint8_t out[128];
	struct sim_writer w;
	size_t len;

	sim_begin(&w, t->iface, t->version, message, out, sizeof(out));
	for (size_t k = 0; k < n; k++)
		sim_put_int(&w, t->say[k].type, t->say[k].value);
	len = sim_end(&w, NULL);
	if (send(fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
		return gw_fail(err, GW_EUNAVAIL, "connected, then: %s", strerror(errno));
	return 0;
}

/* One whole frame into buf (SIM_MAX). Its length, or -1 with why. A length that is none of SimulCrypt's is waited for in vain. */
static int
hear(int fd, uint8_t *buf, int64_t until_us, struct gw_err *err)
{
	size_t have = 0, want = SIM_HEADER;
	ssize_t n;

	while (have < want) {
		if (wait_for(fd, POLLIN, until_us, have < SIM_HEADER ? "connected, but no answer to channel_setup" : "connected, but no whole answer",
		    err) < 0)
			break;
		n = recv(fd, buf + have, want - have, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0) {
			gw_fail(err, GW_EUNAVAIL, "connected, but the peer closes without %s answer%s%s", have < SIM_HEADER ? "an" : "a whole",
			    n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
			break;
		}
		have += (size_t)n;
		want = have < SIM_HEADER ? SIM_HEADER : sim_frame_length(buf, have);
	}
	if (have == want)
		return (int)have;
	if (have >= SIM_HEADER)
		return gw_wrap(err, "what answers begins with %02x %02x%02x %02x%02x, perhaps no SimulCrypt", buf[0], buf[1], buf[2], buf[3], buf[4]);
	return -1;
}

/* The answer to channel_setup into m, which borrows buf; what else comes, such as a test, is passed over. */
static int
hear_answer(const struct trial *t, int fd, uint8_t *buf, int64_t until_us, struct sim_msg *m, struct gw_err *err)
{
	do {
		int len = hear(fd, buf, until_us, err);
		struct sim_fault why;

		if (len < 0)
			return -1;
		if (sim_decode(t->iface, buf, (size_t)len, m, &why) < 0 && why.verdict != SIM_NO_MESSAGE)
			return gw_fail(err, GW_EPEER, "answers what is no message of %s: %s, version %u, message 0x%04x, parameter 0x%04x",
			    t->iface->name, sim_verdict_text(why.verdict), m->version, m->type, why.param);
	} while (m->type != t->status && m->type != t->error);
	return 0;
}

/* 0 if the peer is well. */
static int
judge(const struct trial *t, const struct sim_msg *m)
{
	char text[512];
	uint16_t code;
	const struct sim_status *s;

	sim_print(m, text, sizeof(text));
	if (m->type == t->status) {
		report(t->who, t->at, t->began_us, "open, version %u: %s", m->version, text);
		return 0;
	}
	code = (uint16_t)sim_int(m, ECMG_ERROR_STATUS, 0);	/* the same number on all interfaces */
	s = sim_status_words(t->iface, code);
	if (code == t->in_use[0] || code == t->in_use[1]) {
		report(t->who, t->at, t->began_us, "answers; the channel is somebody's already, as is right while the head-end runs: 0x%04x %s",
		    code, s->name);
		return 0;
	}
	report(t->who, t->at, t->began_us, "refuses: 0x%04x %s: %s; next: %s (version %u: %s)", code, s->name, s->meaning, s->next,
	    m->version, text);
	return -1;
}

/* Connects, opens the channel, closes it. 0 if the peer is well. */
static int
try_channel(struct trial *t)
{
	static uint8_t buf[SIM_MAX];
	static struct sim_msg m;
	struct gw_err err = { 0 };
	int64_t until_us;
	int fd, rc = -1;

	t->began_us = gw_mono_us();
	until_us = t->began_us + ANSWER_US;
	fd = reach(t->at, SOCK_STREAM, until_us, &err);
	if (fd >= 0 && t->nsay == 0) {	/* nobody to introduce ourselves as */
		report(t->who, t->at, t->began_us, "reachable");
		close(fd);
		return 0;
	}
	if (fd < 0 || say(t, fd, t->setup, t->nsay, &err) < 0 || hear_answer(t, fd, buf, until_us, &m, &err) < 0) {
		report(t->who, t->at, t->began_us, "%s", err.text);
	} else {
		rc = judge(t, &m);
		if (m.type == t->status)
			say(t, fd, t->close, t->nclose, &err);	/* has no answer; if it does not arrive, the end of the connection does */
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* UDP gets no answer, but a port that nobody has is told to a connected socket, by ICMP, after the first datagram. 0 unless that came. */
static int
try_datagram(const char *who, const struct gw_addr *at, const void *out, size_t len)
{
	const int64_t began_us = gw_mono_us();
	struct gw_err err = { 0 };
	int fd = reach(at, SOCK_DGRAM, 0, &err), e = 0;
	socklen_t n = sizeof(e);

	if (fd < 0) {
		report(who, at, began_us, "%s", err.text);
		return -1;
	}
	if (send(fd, out, len, 0) < 0)
		e = errno;
	else if (wait_for(fd, POLLIN, began_us + REFUSAL_MS * 1000, "", &err) == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0)
		e = errno;
	close(fd);
	if (e)
		report(who, at, began_us, "nobody has the port: %s", strerror(e));
	else
		report(who, at, began_us, "a datagram was not refused; there is never an answer");
	return e ? -1 : 0;
}

/* Data of client 0, which nobody is: a mux has no place for them. */
static int
try_udp(const char *who, const struct gw_addr *at)
{
	struct sim_writer w;
	uint8_t out[64];

	sim_begin(&w, &emmg_mux_udp, 3, EMMG_DATA_PROVISION, out, sizeof(out));
	sim_put_int(&w, EMMG_CLIENT_ID, 0);
	sim_put_int(&w, EMMG_DATA_ID, 0);
	sim_put_bytes(&w, EMMG_DATAGRAM, "", 0);
	return try_datagram(who, at, out, sim_end(&w, NULL));
}

/* A channel of its own, the last of those that the SCS may take, unless the peer wants always the same. */
static int
try_ecmg(const struct headend *h, const struct he_kms *k, const struct gw_addr *at)
{
	char who[96];
	struct trial t = { .who = who, .at = at, .iface = &ecmg_scs, .version = k->protocol_version, .setup = ECMG_CHANNEL_SETUP,
		.status = ECMG_CHANNEL_STATUS, .error = ECMG_CHANNEL_ERROR, .close = ECMG_CHANNEL_CLOSE,
		.in_use = { ECMG_E_CHANNEL_ID_IN_USE, ECMG_E_CHANNEL_ID_IN_USE },
		.say = { { ECMG_CHANNEL_ID, k->manners.channel_id.set ? k->manners.channel_id.v : h->scs.channel_id_max },
			{ ECMG_SUPER_CAS_ID, k->super_cas_id } }, .nsay = 2, .nclose = 1 };

	snprintf(who, sizeof(who), "kms %s", k->name);
	return try_channel(&t);
}

static int
try_mux(const struct he_ltkm *l)
{
	char who[96];
	struct trial t = { .who = who, .at = &l->to, .iface = &emmg_mux, .version = l->protocol_version, .setup = EMMG_CHANNEL_SETUP,
		.status = EMMG_CHANNEL_STATUS, .error = EMMG_CHANNEL_ERROR, .close = EMMG_CHANNEL_CLOSE,
		.in_use = { EMMG_E_CHANNEL_ID_IN_USE, EMMG_E_CLIENT_ID_IN_USE },
		.say = { { EMMG_CLIENT_ID, l->client_id }, { EMMG_CHANNEL_ID, UINT16_MAX }, { EMMG_SECTION_TSPKT, l->format } },
		.nsay = 3, .nclose = 2 };

	snprintf(who, sizeof(who), "mux, client_id 0x%08x,", l->client_id);
	return try_channel(&t);
}

/* There is nobody to be: whether anybody listens. */
static int
try_port(const char *who, const struct gw_addr *at)
{
	struct trial t = { .who = who, .at = at };

	return at->scheme ? try_channel(&t) : 0;
}

static bool
same_addr(const struct gw_addr *a, const struct gw_addr *b)
{
	char one[GW_ADDR_TEXT], other[GW_ADDR_TEXT];

	return a->scheme && b->scheme && strcmp(gw_addr_text(a, one, sizeof(one)), gw_addr_text(b, other, sizeof(other))) == 0;
}

/* A mux is asked once for each client, a UDP port once. */
static int
try_muxes(const struct headend *h)
{
	const struct gw_addr *tcp = &h->mux.emmg, *udp = &h->mux.emmg_udp;
	bool taken = false;
	int bad = 0;

	if (udp->scheme)
		bad |= try_udp("mux, data by UDP,", udp);
	for (size_t i = 0; i < h->nltkm; i++) {
		const struct he_ltkm *l = &h->ltkm[i];
		bool tcp_again = !l->to.scheme, udp_again = !l->to_udp.scheme || same_addr(&l->to_udp, udp);

		for (size_t k = 0; k < i; k++) {
			tcp_again |= h->ltkm[k].client_id == l->client_id && same_addr(&h->ltkm[k].to, &l->to);
			udp_again |= same_addr(&h->ltkm[k].to_udp, &l->to_udp);
		}
		taken |= same_addr(&l->to, tcp);
		if (!tcp_again)
			bad |= try_mux(l);
		if (!udp_again)
			bad |= try_udp("mux, data by UDP,", &l->to_udp);
	}
	if (tcp->scheme && !taken)
		bad |= try_port("mux", tcp);
	return bad;
}

/* A status of HTTP, of whatever number: 401 to one that shows no credentials. */
static int
try_http(const char *who, const struct gw_addr *at, const char *naf)
{
	const int64_t began_us = gw_mono_us();
	struct gw_err err = { 0 };
	char out[512], in[64] = "";
	int fd = reach(at, SOCK_STREAM, began_us + ANSWER_US, &err), n;

	if (fd < 0) {
		report(who, at, began_us, "%s", err.text);
		return -1;
	}
	n = snprintf(out, sizeof(out), "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", naf);
	if (send(fd, out, (size_t)n, MSG_NOSIGNAL) != n || wait_for(fd, POLLIN, began_us + ANSWER_US, "connected, but no answer", &err) < 0 ||
	    recv(fd, in, sizeof(in) - 1, 0) <= 0)
		report(who, at, began_us, "%s", *err.text ? err.text : "connected, but the peer closes without an answer");
	else if (strncmp(in, "HTTP/1.", 7) != 0)
		report(who, at, began_us, "what answers is no HTTP");
	else
		report(who, at, began_us, "answers: %.*s", (int)strcspn(in, "\r\n"), in);
	close(fd);
	return strncmp(in, "HTTP/1.", 7) == 0 ? 0 : -1;
}

static int
try_bsm(const struct he_bsm *b)
{
	const struct { const char *what; const struct gw_addr *at; } ports[] = { { "purchases", &b->api }, { "SMSC", &b->smpp } };
	char who[96];
	int bad;

	snprintf(who, sizeof(who), "bsm %s, registration,", b->name);
	bad = b->listen.scheme == GW_TCP ? try_http(who, &b->listen, b->naf) : try_port(who, &b->listen);
	snprintf(who, sizeof(who), "bsm %s, LTKMs,", b->name);
	bad |= try_datagram(who, &b->ltkm, "", 0);
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		snprintf(who, sizeof(who), "bsm %s, %s,", b->name, ports[i].what);
		bad |= try_port(who, ports[i].at);
	}
	return bad;
}

int
tool_probe(const struct headend *h)
{
	int bad = 0;

	for (size_t i = 0; i < h->nkms; i++)
		for (size_t j = 0; j < h->kms[i].necmg; j++)
			bad |= try_ecmg(h, &h->kms[i], &h->kms[i].ecmg[j]);
	bad |= try_muxes(h);
	for (size_t i = 0; i < h->nbsm; i++)
		bad |= try_bsm(&h->bsm[i]);
	return bad ? gw_exit_status(GW_EUNAVAIL) : 0;
}
