/*
 * tests/bench/bench_bsm.c: registrations a second of a real simulgate-bsm with 100,000 subscribers on disk: a POST that gets its challenge, and the
 * same POST under Digest (auth-int), over kept connections on loopback. A registration is answered when its row, its nonce and its LTKMs are
 * durable; many share a commit, as they come. Beside it, in turns, a bare libwebsockets server (tests/bench/bare.h) that answers the same two
 * requests with octets like those that the BSM answered; and what the Digest of both sides of such a pair costs the server in a bare loop.
 *
 * Two kinds of subscribers: those that have bought nothing, whose registration is all; and those that have bought a service, to whom one LTKM is pushed
 * for every registration, which a card verifies. What counts is the server's time on its CPU, system calls included; waiting for the disk is not in it:
 * bsm_register_wall has it.
 *
 * Wanted: half of the bare server's rate. The rate swings with what else the machine does, both servers' by a third: only rounds of one run compare.
 * Before challenges left without waiting for the commit, the document of the phone before was read again, nonces and registrations had an index more,
 * and each nonce was drawn by itself, it was 0.41 to 0.45. Sending answers takes 21 % of a registration's time now, commits 10 %, the look-up of the
 * subscriber with the opening of its keys 9 %, Digest 8 %, the nonce's row and the registration's 3 % each. SQLite's cache is no part of it: the
 * kernel has the pages.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kms/digest.h"
#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "tests/bench/bare.h"
#include "tests/bench/ceiling.h"
#include "tests/bench/crowd.h"

enum { CLIENTS = 64, ROUNDS = 5, HEAD = 4096, CRYPTO = 20000 };
#define URI "/keymanagement?requesttype=register"
#define BODY "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<mbmsSecurityRegister xmlns=\"urn:3GPP:metadata:2005:MBMS:userServiceRegister\">" \
	"<serviceID>urn:allServices</serviceID></mbmsSecurityRegister>\n"
#define FIRST "POST " URI " HTTP/1.1\r\nHost: " CROWD_NAF "\r\nUser-Agent: bench 3gpp-gba\r\nContent-Type: application/mbms-register+xml\r\nContent-Length: %zu\r\n"

static void
die(const char *what)
{
	fprintf(stderr, "bench_bsm: %s\n", what);
	exit(1);
}

/* ---- a terminal: one connection, many subscribers one after another ---- */

struct terminal { int fd; uint32_t number; bool authorized; char in[HEAD]; size_t len; };
struct server { pid_t pid; uint16_t port; int epoll; struct terminal t[CLIENTS]; char plain[HEAD], authorized[HEAD]; /* answers, as they came */ };
struct crowd { uint32_t from, upto, next; };	/* who registers next */

static void
post(struct terminal *t, const char *authorization)
{
	char out[HEAD];
	int n = snprintf(out, sizeof(out), FIRST "%s%s%s\r\n" BODY, sizeof(BODY) - 1, authorization ? "Authorization: " : "", authorization ? authorization : "",
	    authorization ? "\r\n" : "");

	t->authorized = authorization != NULL;
	t->len = 0;
	if (send(t->fd, out, (size_t)n, MSG_NOSIGNAL) != n)
		die("a server has hung up");
}

static void
begin(struct terminal *t, struct crowd *c)
{
	t->number = c->next++;
	if (c->next == c->upto)
		c->next = c->from;
	post(t, NULL);
}

/* A header's value, to the end of its line; "": not there. */
static void
header(const char *head, const char *name, char *out, size_t cap)
{
	out[0] = '\0';
	for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, strlen(name)) == 0) {
			const char *value = line + 2 + strlen(name) + 1;

			snprintf(out, cap, "%.*s", (int)strcspn(value, "\r"), value);
			return;
		}
	}
}

/* The whole answer is there. */
static bool
complete(struct terminal *t)
{
	char length[32], *body;

	t->in[t->len] = '\0';
	body = strstr(t->in, "\r\n\r\n");
	if (!body)
		return false;
	header(t->in, "content-length:", length, sizeof(length));
	return (size_t)(body + 4 - t->in) + strtoul(length, NULL, 10) <= t->len;
}

static void
authorize(struct terminal *t)
{
	static struct digest_challenge c;
	static struct digest_credentials d;
	char value[DIGEST_HEADER], out[DIGEST_HEADER], password[45];
	uint8_t srk[32];

	header(t->in, "www-authenticate:", value, sizeof(value));
	if (digest_challenge_parse(value, &c) < 0)
		die("no challenge");
	crowd_srk(t->number, srk);
	digest_srk_password(srk, password);
	digest_begin(&d, &c);
	crowd_btid(t->number, d.username, sizeof(d.username));
	snprintf(d.uri, sizeof(d.uri), "%s", URI);
	snprintf(d.cnonce, sizeof(d.cnonce), "0a4f113b");
	d.nc = 1;
	if (digest_response(&d, password, strlen(password), "POST", BODY, sizeof(BODY) - 1, d.response) < 0 || digest_credentials_print(&d, out, sizeof(out)) == 0)
		die("no credentials");
	post(t, out);
}

/* True: that was the second answer. */
static bool
answered(struct terminal *t)
{
	if (strncmp(t->in, t->authorized ? "HTTP/1.1 200" : "HTTP/1.1 401", 12) != 0)
		die(t->in);
	if (t->authorized)
		return true;
	authorize(t);
	return false;
}

static void
connect_all(struct server *s)
{
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < CLIENTS; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

		s->t[i].fd = bench_connect(s->port);
		if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->t[i].fd, &e) < 0)
			die("no connection");
	}
}

/* Registrations of this crowd for so long; how many. */
static unsigned long
run(struct server *s, struct crowd *c, double seconds)
{
	double until = (double)gw_mono_us() + 1e6 * seconds;
	unsigned long n = 0, open = CLIENTS;
	struct epoll_event e[CLIENTS];

	for (int i = 0; i < CLIENTS; i++)
		begin(&s->t[i], c);
	while (open > 0) {
		int events = epoll_wait(s->epoll, e, CLIENTS, 10000);
		bool more = (double)gw_mono_us() < until;

		if (events <= 0)
			die("a server does not answer");
		for (int k = 0; k < events; k++) {
			struct terminal *t = &s->t[e[k].data.u32];
			ssize_t len = recv(t->fd, t->in + t->len, sizeof(t->in) - 1 - t->len, 0);

			if (len <= 0)
				die("a server has hung up");
			t->len += (size_t)len;
			if (!complete(t))
				continue;
			memcpy(t->authorized ? s->authorized : s->plain, t->in, t->len + 1);
			if (!answered(t))
				continue;
			n++;
			if (more)
				begin(t, c);
			else
				open--;
		}
	}
	return n;
}

/* ---- simulgate-bsm ---- */

struct bsm { const char *dir; char conf[300], program[300]; };

static void
find_program(struct bsm *b)
{
	const char *at = getenv("SIMULGATE_LIBEXEC");

	snprintf(b->program, sizeof(b->program), "%s/bsm/simulgate-bsm", at ? at : ".");
	if (access(b->program, X_OK) < 0)
		snprintf(b->program, sizeof(b->program), "%s/simulgate-bsm", at ? at : ".");
	if (access(b->program, X_OK) < 0)
		die("no simulgate-bsm at SIMULGATE_LIBEXEC");
}

static uint16_t
free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		die("no port");
	close(fd);
	return ntohs(at.sin_port);
}

static void
configure(struct bsm *b, uint16_t port, uint16_t cards)
{
	FILE *f;

	snprintf(b->conf, sizeof(b->conf), "%s/headend.yaml", b->dir);
	if (!(f = fopen(b->conf, "w")))
		die("no configuration");
	fprintf(f, "head_end: bench\nstate: .\nplayout: unix://%s/run\n"
	    "kms:\n  card: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:7002, plugin: smartcard, store: kms.db }\n"
	    "services:\n  - id: news\n    scrambling: srtp\n    crypto_period: 60s\n    media: [{ name: av, in: \"udp://239.255.0.1:5004\", out: \"udp://239.255.1.1:5004\" }]\n"
	    "    stkm: [{ kms: card, ecm_id: 1, out: \"udp://239.255.1.1:5012\" }]\n"
	    "bsm:\n  main: { kms: card, naf: %s, bsf: bsf.mnc001.mcc001.pub.3gppnetwork.org, key_domain: 0x00f110, listen: \"tcp://127.0.0.1:%u\", ltkm: \"udp://127.0.0.1:%u\", ltkm_port: %u }\n",
	    b->dir, CROWD_NAF, port, free_port(), cards);
	fclose(f);
}

static void
serve_bsm(const void *self, int port_fd)
{
	const struct bsm *b = self;
	int log = open("/dev/null", O_WRONLY | O_CLOEXEC);

	close(port_fd);
	if (!getenv("BENCH_LOG"))
		dup2(log, 2);
	execl(b->program, b->program, "--config", b->conf, "--log-level", "warning", (char *)NULL);
}

/* It says nothing of a port: it is up when it takes connections. */
static bool
is_up(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool up = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;

	close(fd);
	return up;
}

static void
start_bsm(struct bsm *b, struct server *s, uint16_t cards)
{
	s->port = free_port();
	configure(b, s->port, cards);
	if ((s->pid = fork()) == 0) {
		bench_cpu((int)sysconf(_SC_NPROCESSORS_ONLN) - 1);
		serve_bsm(b, -1);
		_exit(1);
	}
	for (int i = 0; i < 1000 && !is_up(s->port); i++)
		usleep(10000);
	connect_all(s);
}

/* ---- the bare ones ---- */

/* What the BSM has answered, in the bare server's hands. */
static struct bare_answer
bare_of(char *answer, const char *name, unsigned status, char value[DIGEST_HEADER])
{
	static char type[2][128];
	char *body = strstr(answer, "\r\n\r\n") + 4, *t = type[status == 200];

	header(answer, name, value, DIGEST_HEADER);
	header(answer, "content-type:", t, sizeof(type[0]));
	return (struct bare_answer){ .status = status, .type = t[0] ? t + 1 : "text/plain", .header = name, .value = value, .body = body, .len = strlen(body) };
}

static void
start_bare(struct server *bare, struct server *like)
{
	static char value[2][DIGEST_HEADER];
	static struct bare_conf conf;

	conf.plain = bare_of(like->plain, "www-authenticate:", 401, value[0]);
	conf.authorized = bare_of(like->authorized, "authentication-info:", 200, value[1]);
	bare->pid = bench_server(bare_serve, &conf, &bare->port);
	connect_all(bare);
}

/* The Digest of a pair of requests, the server's side: a nonce, credentials checked, the answer signed. Pairs a second. */
static double
digest_alone(const char *authorization, const char *body)
{
	static struct digest_credentials c;
	struct digest_challenge challenge = { .realm = "3GPP-bootstrapping@" CROWD_NAF, .auth_int = true };
	char text[DIGEST_HEADER], password[45];
	uint8_t key[32] = { 1 }, srk[32] = { 2 };
	double at = bench_cpu_ns();

	for (int i = 0; i < CRYPTO; i++) {
		digest_nonce_make(key, i, NULL, 0, challenge.nonce, sizeof(challenge.nonce));
		digest_challenge_print(&challenge, text, sizeof(text));
		if (digest_credentials_parse(authorization, &c) < 0)
			die("no credentials");
		digest_nonce_age(key, i, c.nonce, NULL, 0);
		digest_srk_password(srk, password);
		digest_right(&c, DIGEST_AUTH_INT, password, 44, "POST", BODY, sizeof(BODY) - 1);
		digest_info_print(&c, password, 44, body, strlen(body), challenge.nonce, text, sizeof(text));
	}
	return CRYPTO / (bench_cpu_ns() - at) * 1e9;
}

static double
digest_bare(struct server *s)
{
	static struct digest_challenge c;
	static struct digest_credentials d;
	char value[DIGEST_HEADER], out[DIGEST_HEADER];

	header(s->plain, "www-authenticate:", value, sizeof(value));
	if (digest_challenge_parse(value, &c) < 0)
		die("no challenge");
	digest_begin(&d, &c);
	crowd_btid(1, d.username, sizeof(d.username));
	snprintf(d.uri, sizeof(d.uri), "%s", URI);
	snprintf(d.cnonce, sizeof(d.cnonce), "0a4f113b");
	d.nc = 1;
	digest_response(&d, "x", 1, "POST", BODY, sizeof(BODY) - 1, d.response);
	digest_credentials_print(&d, out, sizeof(out));
	return digest_alone(out, strstr(s->authorized, "\r\n\r\n") + 4);
}

/* ---- */

static double
rate(struct server *s, struct crowd *c, double seconds, double *wall)
{
	double began = bench_cpu_of(s->pid), at = (double)gw_mono_us();
	unsigned long n = run(s, c, seconds);

	if (wall)
		*wall = (double)n / ((double)gw_mono_us() - at) * 1e6;
	usleep(200000);	/* the verifications of the last are its work, too */
	return (double)n / (bench_cpu_of(s->pid) - began);
}

static void
fill(const struct bsm *b, uint32_t subscribers)
{
	struct kms_store_conf sc = { .create = true };
	struct kms_store *store;
	struct gw_err err = { 0 };
	char path[300];

	snprintf(path, sizeof(path), "%s/kms.db", b->dir);
	sc.path = path;
	if (gw_secrets_init(1024, true, &err) < 0 || kms_store_open(&sc, &store, &err) < 0)
		die(err.text);
	crowd_fill(store, subscribers, subscribers / 2);
	kms_store_close(store);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "seconds", 1, NULL, 's' }, { "subscribers", 1, NULL, 'n' }, { 0 } };
	static struct server ours, bare;
	static struct bsm b;
	uint32_t subscribers = 100000;
	double seconds = 2, plain[ROUNDS], bought[ROUNDS], lws[ROUNDS], wall[ROUNDS], r[2][ROUNDS], digest;
	struct crowd without, with, any;
	uint16_t port;
	size_t before;
	pid_t cards;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)
		c == 's' ? (seconds = atof(optarg)) : (subscribers = (uint32_t)atol(optarg));
	without = any = (struct crowd){ 0, subscribers / 2, 0 };
	with = (struct crowd){ subscribers / 2, subscribers, subscribers / 2 };
	gw_log_init("bench_bsm", GW_WARNING);
	find_program(&b);
	b.dir = crowd_dir("bench_bsm");
	cards = crowd_cards(&port);
	fill(&b, subscribers);
	bench_cpu(0);
	start_bsm(&b, &ours, port);
	rate(&ours, &without, 0.1, NULL);
	rate(&ours, &with, 0.1, NULL);
	start_bare(&bare, &ours);
	digest = digest_bare(&ours);
	before = crowd_kib(ours.pid, "VmRSS:");
	for (int i = 0; i < ROUNDS; i++) {
		plain[i] = rate(&ours, &without, seconds / ROUNDS, &wall[i]);
		lws[i] = rate(&bare, &any, seconds / ROUNDS, NULL);
		bought[i] = rate(&ours, &with, seconds / ROUNDS, NULL);
		r[0][i] = plain[i] / lws[i];
		r[1][i] = bought[i] / lws[i];
	}
	printf("# bsm: a challenge and an authenticated POST each, %d kept connections, %u subscribers on disk; per second of the server's CPU\n", CLIENTS, subscribers);
	printf("bsm_register %.0f reg/s %.2f of bsm_bare_lws\n", bench_median(plain, ROUNDS), bench_median(r[0], ROUNDS));
	printf("bsm_register_ltkm %.0f reg/s %.2f of bsm_bare_lws\n", bench_median(bought, ROUNDS), bench_median(r[1], ROUNDS));
	printf("bsm_register_wall %.0f reg/s\n", bench_median(wall, ROUNDS));
	printf("bsm_bare_lws %.0f reg/s\nbsm_bare_digest %.0f reg/s\n", bench_median(lws, ROUNDS), digest);
	printf("# bsm: resident before %zu KiB, at most %zu KiB\n", before, crowd_kib(ours.pid, "VmHWM:"));
	kill(ours.pid, SIGTERM);
	kill(bare.pid, SIGKILL);
	kill(cards, SIGKILL);
	waitpid(ours.pid, NULL, 0);
	return 0;
}
