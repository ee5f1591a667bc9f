/*
 * tests/bench/bench_bridge.c: CW_provision, tag 5, tag 6, ECM_response: how many a second simulgate-bridge brings across on one core, over kept
 * connections with mutual TLS, beside bare libcurl (multi) that asks the same BSM the same: a document that the bridge has sent, octet by octet. The
 * BSM, which answers at once, and the SCS are this process. Rates are per second of CPU of whom they are about, measured in turns. Then
 * what 1,000 streams of 10 s cost.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "proto/ecmg_scs.h"
#include "tests/bench/bare.h"
#include "tests/bench/ceiling.h"

enum { CONNECTIONS = 16, STREAMS = 64, MANY = 1000, PERIOD_S = 10, ROUNDS = 15, ROOM = 16384, STKM = 96 };

static char dir[] = "/tmp/simulgate-bench.XXXXXX";
static uint16_t bsm_port, face_port;
static int cpus;
static struct { _Atomic size_t len; char octets[ROOM]; } *document;	/* the first that the BSM was asked with; shared with it and with libcurl */

static void
die(const char *what)
{
	fprintf(stderr, "bench_bridge: %s\n", what);
	exit(1);
}

static double
seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *
at(const char *name)
{
	static char path[4][128];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static void
clean(void)
{
	char cmd[160];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	if (system(cmd) != 0)
		fprintf(stderr, "bench_bridge: %s stays\n", dir);
}

static void
certificates(void)
{
	static const char script[] = "cd '%s' && exec 2>openssl.log && K='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes' && "
	    "openssl req -x509 $K -days 2 -subj /CN=ca -keyout ca.key -out ca.pem && for n in bsda bsm; do "
	    "openssl req $K -subj /CN=$n -keyout $n.key -out $n.csr && printf 'subjectAltName=DNS:%%s.test.example,IP:127.0.0.1' $n >$n.ext && "
	    "openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out $n.pem -extfile $n.ext && chmod 600 $n.key || exit 1; done";
	char cmd[1200];

	snprintf(cmd, sizeof(cmd), script, dir);
	if (system(cmd) != 0)
		die("no certificates: is openssl there?");
}

/*
 * ---- the BSM: answers hold the messageID and the service of the question, and an STKM that is always the same. It and the SCS are one loop that never
 * sleeps: what it costs to wake somebody on the next processor is no cost of who is measured here; on a network there would be none ----
 */

struct conn { SSL *ssl; int fd; size_t len; char buf[ROOM]; };

static SSL_CTX *ctx;
static int events = -1, listener;

/* Octets of the request that buf begins with, if it is whole; its document is kept if it is the first. */
static size_t
whole_request(const char *buf, size_t len)
{
	const char *end = strstr(buf, "\r\n\r\n"), *length = strcasestr(buf, "content-length:");
	size_t total;

	if (!end || !length)
		return 0;
	total = (size_t)(end + 4 - buf) + strtoul(length + 15, NULL, 10);
	if (len < total)
		return 0;
	if (document->len == 0) {
		document->len = (size_t)(buf + total - end - 4);
		memcpy(document->octets, end + 4, document->len);
	}
	return total;
}

static void
between(const char *buf, const char *name, char end, char *out, size_t cap)
{
	const char *p = strstr(buf, name);
	size_t n = 0;

	for (p = p ? p + strlen(name) : ""; *p && *p != end && n < cap - 1; p++)
		out[n++] = *p;
	out[n] = '\0';
}

static void
answer(struct conn *c)
{
	char out[2048], body[1024], id[140], service[80], data[2 * STKM + 1] = { 0 };

	memset(data, 'A', 2 * STKM);
	between(c->buf, " messageID=\"", '"', id, sizeof(id));
	between(c->buf, "<GlobalServiceID>", '<', service, sizeof(service));
	const int n = snprintf(body, sizeof(body), "<STKMRequestResponse xmlns=\"urn:oma:xml:bcast:spcp:backend:1.0\" xmlns:e=\"urn:bcast-headend:xml:sp4ext:1.0\" "
	    "tag=\"6\" version=\"1\" messageID=\"%s\" destination=\"bsda.test.example\" source=\"bsm.test.example\" status=\"0\">"
	    "<GlobalServiceID>%s</GlobalServiceID><Data>%s</Data></STKMRequestResponse>", id, service, data);
	const int whole = snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\nContent-Type: application/xml; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s", n, body);
	if (SSL_write(c->ssl, out, whole) != whole)
		die("an answer is not taken");
}

/* Whatever has come; false: the connection is over. */
static bool
serve(struct conn *c)
{
	size_t total;

	for (;;) {
		const int n = c->len < ROOM - 1 ? SSL_read(c->ssl, c->buf + c->len, (int)(ROOM - 1 - c->len)) : 0;
		if (n <= 0)
			return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ;
		c->buf[c->len += (size_t)n] = '\0';
		while ((total = whole_request(c->buf, c->len)) > 0) {
			answer(c);
			memmove(c->buf, c->buf + total, (c->len -= total) + 1);
		}
	}
}

static void
let_in(void)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	c->ssl = SSL_new(ctx);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_accept_state(c->ssl);
	if (epoll_ctl(events, EPOLL_CTL_ADD, c->fd, &e) < 0)
		die("no connection");
}

static void
turn_bsm(void)
{
	struct epoll_event e[CONNECTIONS];
	const int n = epoll_wait(events, e, CONNECTIONS, 0);

	for (int i = 0; i < n; i++) {
		struct conn *c = e[i].data.ptr;
		if (!c) {
			let_in();
		} else if (!serve(c)) {
			close(c->fd);
			SSL_free(c->ssl);
			free(c);
		}
	}
}

static void
start_bsm(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
	socklen_t len = sizeof(a);

	ctx = SSL_CTX_new(TLS_server_method());
	listener = socket(AF_INET, SOCK_STREAM, 0);
	events = epoll_create1(EPOLL_CLOEXEC);
	if (SSL_CTX_use_certificate_chain_file(ctx, at("bsm.pem")) != 1 || SSL_CTX_use_PrivateKey_file(ctx, at("bsm.key"), SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_locations(ctx, at("ca.pem"), NULL) != 1 || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 256) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &len) < 0 || epoll_ctl(events, EPOLL_CTL_ADD, listener, &e) < 0)
		die("the BSM cannot serve");
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bsm", 3);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	bsm_port = ntohs(a.sin_port);
}

/* ---- bare libcurl ---- */

static size_t
swallow(char *p, size_t size, size_t n, void *self)
{
	(void)p;
	*(size_t *)self += size * n;
	return size * n;
}

struct bare { pid_t pid; int ask, told; };

/* Asks for so many seconds each time it is told to, and says how many answers there were. */
static void
be_curl(int ask, int told)
{
	struct curl_slist *type = curl_slist_append(NULL, "Content-Type: application/xml; charset=utf-8");
	CURLM *multi;
	CURL *easy[CONNECTIONS];
	char url[64];
	double seconds;
	size_t octets = 0;

	bench_cpu(cpus - 1);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	type = curl_slist_append(type, "Expect:");
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/bcast/sp4", bsm_port);
	for (int i = 0; i < CONNECTIONS; i++) {
		CURL *e = easy[i] = curl_easy_init();
		curl_easy_setopt(e, CURLOPT_URL, url);
		curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(e, CURLOPT_HTTPHEADER, type);
		curl_easy_setopt(e, CURLOPT_SSLCERT, at("bsda.pem"));
		curl_easy_setopt(e, CURLOPT_SSLKEY, at("bsda.key"));
		curl_easy_setopt(e, CURLOPT_CAINFO, at("ca.pem"));
		curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, swallow);
		curl_easy_setopt(e, CURLOPT_WRITEDATA, &octets);
	}
	while (read(ask, &seconds, sizeof(seconds)) == sizeof(seconds)) {
		const double until = seconds_now() + seconds;
		unsigned long n = 0;
		int running = CONNECTIONS, left;
		CURLMsg *m;
		for (int i = 0; i < CONNECTIONS; i++) {
			curl_easy_setopt(easy[i], CURLOPT_POSTFIELDS, document->octets);
			curl_easy_setopt(easy[i], CURLOPT_POSTFIELDSIZE, (long)document->len);
			curl_multi_add_handle(multi, easy[i]);
		}
		while (running > 0) {
			curl_multi_perform(multi, &running);
			while ((m = curl_multi_info_read(multi, &left)) != NULL) {
				CURL *e = m->easy_handle;
				if (m->data.result != CURLE_OK)
					die(curl_easy_strerror(m->data.result));
				n++;
				curl_multi_remove_handle(multi, e);
				if (seconds_now() < until) {
					curl_multi_add_handle(multi, e);
					running++;
				}
			}
			if (running > 0)
				curl_multi_poll(multi, NULL, 0, 1000, NULL);
		}
		if (write(told, &n, sizeof(n)) != sizeof(n))
			break;
	}
	exit(0);
}

static void
start_curl(struct bare *b)
{
	int ask[2], told[2];

	if (pipe(ask) < 0 || pipe2(told, O_NONBLOCK) < 0 || (b->pid = fork()) < 0)
		die("no process");
	if (b->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ask[1]);
		close(told[0]);
		be_curl(ask[0], told[1]);
	}
	b->ask = ask[1];
	b->told = told[0];
}

static double
curl_round(struct bare *b, double seconds)
{
	const double began = bench_cpu_of(b->pid);
	unsigned long n;

	if (write(b->ask, &seconds, sizeof(seconds)) != sizeof(seconds))
		die("libcurl has ended");
	for (ssize_t got; (got = read(b->told, &n, sizeof(n))) != sizeof(n); turn_bsm()) {
		if (got >= 0 || errno != EAGAIN)
			die("libcurl has ended");
	}
	return (double)n / (bench_cpu_of(b->pid) - began);
}

/* ---- the bridge ---- */

static void
write_conf(void)
{
	FILE *f = fopen(at("bridge.yaml"), "w");

	if (!f)
		die("no file");
	fprintf(f, "head_end: bench\nstate: %s\nplayout: unix://%s\nkms:\n  card: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:%u, max_comp_time: 5000 }\nservices:\n", dir, dir,
	    face_port);
	for (int i = 0; i < MANY; i++)
		fprintf(f, "  - { id: s%d, global_service_id: \"urn:test:s%d\", scrambling: none, cw_length: 16, crypto_period: 10s, stkm: [ { kms: card, ecm_id: %d } ] }\n", i, i, i);
	fprintf(f, "bridge:\n  x:\n    id: bsda.test.example\n    roles: bsda\n    certificate: bsda.pem\n    private_key: bsda.key\n    ca: ca.pem\n"
	    "    peers: { bsm: { id: bsm.test.example, url: \"https://127.0.0.1:%u\", roles: bsm, connections: %d } }\n    ecmg: [ { kms: card, peer: bsm } ]\n", bsm_port,
	    CONNECTIONS);
	fclose(f);
}

static uint16_t
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		die("no port");
	close(fd);
	return ntohs(a.sin_port);
}

static pid_t
start_bridge(void)
{
	const char *builddir = getenv("top_builddir"), *srcdir = getenv("top_srcdir");
	char program[512], schemas[512];
	const pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_cpu(cpus - 1);
	snprintf(program, sizeof(program), "%s/bridge/simulgate-bridge", builddir ? builddir : ".");
	snprintf(schemas, sizeof(schemas), "%s/bridge", srcdir ? srcdir : BRIDGE_SOURCE);
	execl(program, program, "--config", at("bridge.yaml"), "--schemas", schemas, "--log-level", "err", (char *)NULL);
	die("no simulgate-bridge");
	return -1;
}

/* ---- the SCS ---- */

static int scs;
static uint8_t in[1 << 16]; static size_t have;
static uint16_t cps[MANY];

static void
put(struct sim_writer *w)
{
	const size_t n = sim_end(w, NULL);

	if (n == 0 || send(scs, w->buf, n, MSG_NOSIGNAL) != (ssize_t)n)
		die("the bridge does not read");
}

static void
provide(int stream)
{
	static uint8_t buf[512];
	uint8_t cw[2 + 30] = { (uint8_t)(++cps[stream] >> 8), (uint8_t)cps[stream] };
	struct sim_writer w;

	memset(cw + 2, stream, 30);
	sim_begin(&w, &ecmg_scs, 5, ECMG_CW_PROVISION, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, 1);
	sim_put_int(&w, ECMG_STREAM_ID, stream);
	sim_put_int(&w, ECMG_CP_NUMBER, cps[stream]);
	sim_put_bytes(&w, ECMG_CP_CW, cw, sizeof(cw));
	put(&w);
}

/* Octets of the message that has come; 0: none has. */
static size_t
heard(void)
{
	size_t n = sim_frame_length(in, have);

	if (n == 0 || n > have) {
		const ssize_t got = recv(scs, in + have, sizeof(in) - have, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			die("the bridge has hung up");
		have += got > 0 ? (size_t)got : 0;
		n = sim_frame_length(in, have);
	}
	return n <= have ? n : 0;
}

/* One message; its stream. */
static int
hear(uint16_t type)
{
	static struct sim_msg m;
	size_t n;
	int stream;

	while ((n = heard()) == 0)
		turn_bsm();
	if (sim_decode(&ecmg_scs, in, n, &m, NULL) < 0 || m.type != type) {
		char text[400];
		sim_print(&m, text, sizeof(text));
		fprintf(stderr, "bench_bridge: %s\n", text);
		die("another message was wanted");
	}
	stream = (int)sim_int(&m, ECMG_STREAM_ID, -1);
	memmove(in, in + n, have -= n);
	return stream;
}

static void
set_up(void)
{
	static uint8_t buf[512];
	struct sim_writer w;

	for (int tries = 0; ; tries++) {
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(face_port) };
		scs = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(scs, (struct sockaddr *)&a, sizeof(a)) == 0)
			break;
		close(scs);
		if (tries == 300)
			die("the bridge does not listen");
		usleep(100000);
	}
	setsockopt(scs, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	sim_begin(&w, &ecmg_scs, 5, ECMG_CHANNEL_SETUP, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, 1);
	sim_put_int(&w, ECMG_SUPER_CAS_ID, 0x00020001);
	put(&w);
	hear(ECMG_CHANNEL_STATUS);
	for (int i = 0; i < MANY; i++) {
		sim_begin(&w, &ecmg_scs, 5, ECMG_STREAM_SETUP, buf, sizeof(buf));
		sim_put_int(&w, ECMG_CHANNEL_ID, 1);
		sim_put_int(&w, ECMG_STREAM_ID, i);
		sim_put_int(&w, ECMG_ECM_ID, i);
		sim_put_int(&w, ECMG_NOMINAL_CP_DURATION, PERIOD_S * 10);
		put(&w);
		hear(ECMG_STREAM_STATUS);
	}
}

static double
bridge_round(pid_t pid, double seconds)
{
	const double until = seconds_now() + seconds, began = bench_cpu_of(pid);
	unsigned long n = 0;
	int open = STREAMS;

	for (int i = 0; i < STREAMS; i++)
		provide(i);
	while (open > 0) {
		const int stream = hear(ECMG_ECM_RESPONSE);
		n++;
		if (seconds_now() < until)
			provide(stream);
		else
			open--;
	}
	return (double)n / (bench_cpu_of(pid) - began);
}

/* Share of a core of 1,000 streams, each once in ten seconds. */
static double
many(pid_t pid, double seconds)
{
	const double began = seconds_now(), cpu = bench_cpu_of(pid);
	int asked = 0, answered = 0;

	while (seconds_now() < began + seconds || answered < asked) {
		const double next = began + asked * (double)PERIOD_S / MANY, now = seconds_now();
		if (now >= next && now < began + seconds)
			provide(asked++ % MANY);
		for (; heard() > 0; answered++)
			hear(ECMG_ECM_RESPONSE);
		turn_bsm();
	}
	return 100 * (bench_cpu_of(pid) - cpu) / (seconds_now() - began);
}

int
main(int argc, char **argv)
{
	const double seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? atof(argv[2]) : 4;
	double a[ROUNDS], b[ROUNDS], r[ROUNDS], share;
	struct bare bare;
	pid_t bridge;

	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		die("no directory");
	atexit(clean);
	cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	document = mmap(NULL, sizeof(*document), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (document == MAP_FAILED)
		die("no shared memory");
	certificates();
	start_bsm();
	face_port = free_port();
	write_conf();
	bridge = start_bridge();
	start_curl(&bare);
	bench_cpu(0);
	set_up();
	bridge_round(bridge, 0.3);
	curl_round(&bare, 0.3);
	for (int i = 0; i < ROUNDS; i++) {
		a[i] = bridge_round(bridge, seconds / ROUNDS);
		b[i] = curl_round(&bare, seconds / ROUNDS);
		r[i] = a[i] / b[i];
	}
	share = many(bridge, seconds < 3 ? 3 : seconds);
	printf("# bridge: CW_provision, tag 5, tag 6, ECM_response; %d streams at a time, %d kept connections with mutual TLS; per second of CPU\n", STREAMS,
	    CONNECTIONS);
	printf("bridge_stkm %.0f stkm/s %.2f of bridge_bare_curl\nbridge_bare_curl %.0f req/s\nbridge_1000_streams_10s %.1f %%\n", bench_median(a, ROUNDS),
	    bench_median(r, ROUNDS), bench_median(b, ROUNDS), share);
	kill(bridge, SIGKILL);
	kill(bare.pid, SIGKILL);
	return 0;
}
