/*
 * tests/bench/bench_seak.c: a SEAK from one BSM to 50 others: from when its delivery is sent to the BSD/A until the last of the others has answered, over
 * HTTPS with certificates on both sides, on connections that are kept. The BSD/A is a process of its own with all that it keeps on disk; the BSMs are stubs
 * that answer after ROUND_TRIP_MS, so that what is beyond one round trip shows. Its ceiling is that round trip and 50 ms.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bridge/seak_run.h"
#include "lib/clock.h"
#include "lib/http.h"
#include "lib/httpd.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/secret.h"

enum { BSMS = 50, ROUND_TRIP_MS = 20, ROUNDS = 40, AIM_MS = 50 };
static char dir[] = "/tmp/bench_seak.XXXXXX";
static unsigned port[2];		/* the BSD/A's, the stubs' */

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "bench_seak: %s: %s\n", what, why);
	exit(1);
}

static void
certificates(void)
{
	char command[2048];

	snprintf(command, sizeof(command), "cd %s && n='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes' && openssl req -x509 $n -days 2 -subj /CN=ca "
	    "-keyout ca.key -out ca.pem 2>/dev/null && for i in hub bsm; do openssl req $n -subj /CN=$i -keyout $i.key -out $i.csr 2>/dev/null && "
	    "echo subjectAltName=DNS:$i,IP:127.0.0.1 >san && openssl x509 -req -in $i.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san "
	    "-out $i.pem 2>/dev/null || exit 1; done; chmod 600 *.key", dir);
	if (system(command) != 0)
		die("openssl", "no certificates");
}

/* ---- the BSD/A ---- */

static void
serve(void)
{
	static char text[16384];
	struct gw_err err = { 0 };
	uv_loop_t loop;
	int n = snprintf(text, sizeof(text), "state: %s\nplayout: unix://%s\nkms: { drm: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:1 } }\nservices:\n"
	    "  - { id: news, scrambling: none, global_service_id: news, stkm: [{ kms: drm, ecm_id: 1 }] }\nbridge:\n  hub:\n    roles: bsda\n"
	    "    listen: tls://127.0.0.1:%u\n    certificate: %s/hub.pem\n    private_key: %s/hub.key\n    ca: %s/ca.pem\n    peers:\n"
	    "      gen: { identity: bsm, roles: bsm }\n", dir, dir, port[0], dir, dir, dir);

	for (int i = 0; i < BSMS; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "      b%d: { identity: bsm, roles: bsm, url: \"https://127.0.0.1:%u\" }\n", i, port[1]);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "    seak: [{ service: news, generator: gen, others: [b0");
	for (int i = 1; i < BSMS; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", b%d", i);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "] }]\n");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	gw_log_init("bench_seak", GW_ERR);
	if (gw_secrets_init(1024, true, &err) < 0)
		die("memory", err.text);
	uv_loop_init(&loop);
	struct headend *he = headend_load_text("bench.yaml", text, (size_t)n, &err);
	struct ex *ex = he ? ex_open(&loop, he, &he->bridge[0], SP4_SOURCE "/bridge", &err) : NULL;
	if (!ex || !seak_run_open(&loop, he, &he->bridge[0], ex, &err))
		die("the BSD/A", err.text);
	uv_run(&loop, UV_RUN_DEFAULT);
	exit(0);
}

/* ---- the BSMs ---- */

struct stub { struct gw_exchange *to; char id[160]; uv_timer_t timer; };
static uv_loop_t stubs;
static struct gw_http *client;
static int answered, round_no;
static double took_ms[ROUNDS + 1], cpu_ms[ROUNDS + 2];	/* cpu_ms: of the BSD/A, before each round */
static clockid_t hub_clock;
static int64_t began_us;
static void next_round(void);

static void
on_answered(struct gw_exchange *to, const char *id)
{
	char body[400];
	int n = snprintf(body, sizeof(body), "<SEAKDeliveryConfirmation xmlns=\"urn:oma:xml:bcast:spcp:backend:1.0\" tag=\"20\" messageID=\"%s\" status=\"0\"/>", id);

	gw_exchange_answer(to, &(struct gw_answer){ .status = 200, .content_type = "application/xml", .body = body, .len = (size_t)n });
	if (++answered < BSMS)
		return;
	took_ms[round_no++] = (double)(gw_mono_us() - began_us) / 1000;
	next_round();
}

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
on_late(uv_timer_t *t)
{
	struct stub *s = t->data;

	on_answered(s->to, s->id);
	uv_close((uv_handle_t *)t, on_closed);
}

static void
on_request(void *self, struct gw_exchange *to, const struct gw_httpd_request *r)
{
	struct stub *s = calloc(1, sizeof(*s));
	const char *id = strstr((const char *)r->body, "messageID=\"");

	(void)self;
	if (!id || !s)
		die("a delivery", "has no messageID");
	snprintf(s->id, sizeof(s->id), "%.*s", (int)strcspn(id + 11, "\""), id + 11);
	s->to = to;
	uv_timer_init(&stubs, &s->timer);
	s->timer.data = s;
	uv_timer_start(&s->timer, on_late, ROUND_TRIP_MS, 0);
}

static void
on_confirmed(void *self, const struct gw_reply *r)
{
	(void)self;
	if (r->status != 200 || !strstr((const char *)r->body, "status=\"0\""))
		die("the BSD/A", r->status ? (const char *)r->body : r->error);
}

static void
next_round(void)
{
	static const char *const headers[] = { "Content-Type: application/xml", NULL };
	char body[1024], url[64];
	int64_t ntp = (int64_t)time(NULL) + INT64_C(2208988800);
	struct gw_err err = { 0 };
	struct timespec t;
	int n;

	clock_gettime(hub_clock, &t);
	cpu_ms[round_no] = (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
	if (round_no > ROUNDS) {
		uv_stop(&stubs);
		return;
	}
	answered = 0;
	n = snprintf(body, sizeof(body), "<SEAKDelivery xmlns=\"urn:oma:xml:bcast:spcp:backend:1.0\" xmlns:e=\"urn:bcast-headend:xml:sp4ext:1.0\" tag=\"19\" "
	    "messageID=\"g%d\" destination=\"hub\" source=\"gen\"><GlobalServiceID>news</GlobalServiceID><Data>%064d</Data>"
	    "<e:SeakContext kind=\"service\" cidExtension=\"%d\" validFrom=\"%lld\" validTo=\"%lld\"/></SEAKDelivery>", round_no, round_no + 1, round_no + 1,
	    (long long)ntp, (long long)ntp + 3600);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/bcast/sp4", port[0]);
	began_us = gw_mono_us();
	if (gw_http_send(client, "POST", url, headers, body, (size_t)n, on_confirmed, NULL, &err) < 0)
		die("delivery", err.text);
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Two ports that nobody has. */
static void
take_ports(void)
{
	struct sockaddr_in at[2];
	socklen_t len = sizeof(at[0]);
	int fd[2];

	for (int i = 0; i < 2; i++) {
		at[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fd[i] < 0 || bind(fd[i], (struct sockaddr *)&at[i], len) < 0 || getsockname(fd[i], (struct sockaddr *)&at[i], &len) < 0)
			die("ports", "there are none");
		port[i] = ntohs(at[i].sin_port);
	}
	close(fd[0]);
	close(fd[1]);
}

int
main(void)
{
	char path[4][64], listen[64];
	struct gw_err err = { 0 };
	struct gw_httpd_conf c = { .max_body = 1 << 16, .max_clients = 4 * BSMS, .idle_ms = 60000, .request_ms = 10000, .request = on_request };
	struct gw_http_conf http = { .max_answer = 1 << 16, .connect_ms = 5000, .total_ms = 20000 };

	if (!mkdtemp(dir))
		die("mkdtemp", dir);
	certificates();
	gw_log_init("bench_seak", GW_ERR);
	take_ports();
	pid_t hub = fork();
	if (hub == 0)
		serve();
	uv_loop_init(&stubs);
	static const char *const names[] = { "bsm.pem", "bsm.key", "ca.pem" };
	for (int i = 0; i < 3; i++)
		snprintf(path[i], sizeof(path[i]), "%s/%s", dir, names[i]);
	c.certificate = http.certificate = path[0];
	c.private_key = http.private_key = path[1];
	c.client_ca = http.ca = path[2];
	snprintf(listen, sizeof(listen), "tls://127.0.0.1:%u", port[1]);
	gw_addr_parse(listen, GW_TLS, &c.listen, &err);
	if (!gw_httpd_open(&stubs, &c, &err) || !(client = gw_http_open(&stubs, &http, &err)))
		die("the BSMs", err.text);
	clock_getcpuclockid(hub, &hub_clock);
	sleep(1);	/* the BSD/A listens by then */
	next_round();
	uv_run(&stubs, UV_RUN_DEFAULT);
	kill(hub, SIGKILL);
	waitpid(hub, NULL, 0);
	printf("# seak: one SEAK to %d BSMs that answer after %d ms; medians of %d rounds; cpu: what the BSD/A worked for one\n", BSMS, ROUND_TRIP_MS, ROUNDS);
	printf("seak_fan_out_first %.1f ms\nseak_fan_out_cpu %.1f ms\n", took_ms[0], (cpu_ms[ROUNDS + 1] - cpu_ms[1]) / ROUNDS);
	qsort(took_ms + 1, ROUNDS, sizeof(took_ms[0]), ascending);
	double median = took_ms[1 + ROUNDS / 2];
	printf("seak_fan_out_50 %.1f ms %.2f of round_trip_and_%d_ms\n", median, median / (ROUND_TRIP_MS + AIM_MS), AIM_MS);
	snprintf(listen, sizeof(listen), "rm -rf %s", dir);
	return system(listen) != 0;
}
