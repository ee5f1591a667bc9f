/* tests/bench/crowd.c */
#include "tests/bench/crowd.h"
#include <arpa/inet.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "kms/mikey_ltkm.h"
#include "lib/clock.h"
#include "lib/udp.h"

#define SECOND_US INT64_C(1000000)
enum { GROUP = 1000, IN = 512 };

static char dir[256];
static pid_t owner;

static void
die(const char *what)
{
	fprintf(stderr, "crowd: %s\n", what);
	exit(1);
}

static int
drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
clean(void)
{
	if (getpid() == owner)
		nftw(dir, drop, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
crowd_dir(const char *name)
{
	char *at = realpath(getenv("TMPDIR") ? getenv("TMPDIR") : ".", NULL);

	snprintf(dir, sizeof(dir), "%s/%s.XXXXXX", at ? at : "", name);
	free(at);
	if (!mkdtemp(dir))
		die("no directory");
	owner = getpid();
	atexit(clean);
	return dir;
}

size_t
crowd_kib(pid_t pid, const char *what)
{
	char line[256], path[64];
	size_t kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid ? (int)pid : (int)getpid());
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, what, strlen(what)) == 0)
			kib = strtoul(line + strlen(what) + 1, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* ---- subscribers ---- */

static void
key_of(uint32_t i, uint8_t first, uint8_t key[32])
{
	memset(key, first, 32);
	memcpy(key, &i, sizeof(i));
}

void crowd_smk(uint32_t i, uint8_t smk[32]) { key_of(i, 0x5a, smk); }

void crowd_srk(uint32_t i, uint8_t srk[32]) { key_of(i, 0xa5, srk); }

void
crowd_btid(uint32_t i, char *out, size_t cap)
{
	snprintf(out, cap, "%022u==@bsf.mnc001.mcc001.pub.3gppnetwork.org", i);
}

static void
won(enum gw_outcome o, const char *what)
{
	if (o != GW_WON)
		die(what);
}

static void
subscriber(struct kms_store *store, uint32_t i, int64_t service, int64_t now)
{
	struct kms_subscriber s = { .provision = KMS_KEYS };
	struct kms_gba g = { .since_us = now, .expires_us = now + 86400 * SECOND_US };
	struct kms_registration r = { .since_us = now, .expires_us = now + 86400 * SECOND_US, .reachable = true, .services = "*" };
	struct kms_subscription p = { .service = service, .from_us = now - 1, .source = "import", .state = KMS_TOLD };
	int64_t id;

	snprintf(s.name, sizeof(s.name), "s%u", i);
	snprintf(s.msisdn, sizeof(s.msisdn), "49%09u", i);
	won(kms_subscriber_put(store, &s, &id), "subscriber");
	g.sub = r.sub = p.sub = id;
	crowd_btid(i, g.btid, sizeof(g.btid));
	crowd_smk(i, g.smk);
	crowd_srk(i, g.srk);
	memcpy(r.btid, g.btid, sizeof(r.btid));
	*(struct sockaddr_in *)&r.at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010000 + i) };
	won(kms_gba_put(store, &g), "context");
	won(kms_registration_put(store, &r), "registration");
	if (service)
		won(kms_subscription_put(store, &p, &id), "subscription");
}

int64_t
crowd_fill(struct kms_store *store, uint32_t n, uint32_t from)
{
	struct kms_service s = { .name = "news", .item = "urn:bench:news", .domain = { 0x00, 0xf1, 0x10 }, .crypto_period_ms = 60000 };
	int64_t now = gw_utc_us();

	won(kms_service_put(store, &s), "service");
	for (uint32_t i = 0; i < n; i += GROUP) {
		kms_store_begin(store);
		for (uint32_t k = i; k < i + GROUP && k < n; k++)
			subscriber(store, k, k >= from ? s.id : 0, now);
		won(kms_store_flush(store), "flush");
	}
	return s.id;
}

/* ---- cards ---- */

static void
answer(int fd, const struct gw_packet *in, const struct sockaddr_storage *from)
{
	char naf[64], btid[128];
	uint8_t smk[32], out[IN];
	struct mikey m;
	struct gw_err err;
	const struct ltkm_peer peer = { smk, naf, btid };
	size_t n;

	if (mikey_decode(in->p, in->len, &m, NULL) < 0 || !ltkm_names(&m, naf, sizeof(naf), btid, sizeof(btid)))
		return;
	crowd_smk((uint32_t)strtoul(btid, NULL, 10), smk);
	n = ltkm_verification(&peer, in->p, in->len, out, sizeof(out), &err);
	if (n)
		sendto(fd, out, n, 0, (const struct sockaddr *)from, sizeof(struct sockaddr_in));
}

static void
cards(int fd)
{
	static uint8_t in[GW_UDP_BATCH][IN];
	struct gw_packet pk[GW_UDP_BATCH];
	struct sockaddr_storage from[GW_UDP_BATCH];
	fd_set set;
	int n;

	for (;;) {
		for (size_t i = 0; i < GW_UDP_BATCH; i++)
			pk[i] = (struct gw_packet){ in[i], 0 };
		FD_ZERO(&set);
		FD_SET(fd, &set);
		select(fd + 1, &set, NULL, NULL, NULL);
		n = gw_udp_recv_from(fd, pk, from, GW_UDP_BATCH, IN);
		for (int i = 0; i < n; i++)
			answer(fd, &pk[i], &from[i]);
	}
}

pid_t
crowd_cards(uint16_t *port)
{
	struct gw_addr a;
	struct gw_err err = { 0 };
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	int fd = gw_addr_parse("udp://0.0.0.0:0", GW_UDP, &a, &err) < 0 ? -1 : gw_udp_receiver(&a, &err);
	pid_t pid;

	if (fd < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		die(err.text);
	*port = ntohs(at.sin_port);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cards(fd);
	}
	close(fd);
	return pid;
}
