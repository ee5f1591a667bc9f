/*
 * tests/bench/bench_ltkm.c: LTKMs pushed and verified a second, with durable counters: the delivery engine, its UDP socket, a store of 100,000
 * registered subscribers on disk, and a process that is all of their cards on loopback. A roll goes to everybody as fast as the engine can.
 * Beside it, in the same run, what the cryptography alone costs the BSM: LTKMs made and verifications checked in a bare loop. Memory is
 * what the process holds before the roll, and the most that it held.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bsm/delivery.h"
#include "bsm/push.h"
#include "kms/mikey_ltkm.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "tests/bench/ceiling.h"
#include "tests/bench/crowd.h"

#define SECOND_US INT64_C(1000000)
enum { CRYPTO = 20000 };

struct bench {
	uv_loop_t loop;
	uv_timer_t timer;
	uv_prepare_t turn;
	struct kms_store *store;
	struct delivery *d;
	struct push *push;
	int64_t service;
	uint64_t want;
	double until;
};

static void
die(const char *what)
{
	fprintf(stderr, "bench_ltkm: %s\n", what);
	exit(1);
}

static void
won(enum gw_outcome o, const char *what)
{
	if (o != GW_WON)
		die(what);
}

/* ---- the BSM ---- */

static void
on_heard(void *self, const struct sockaddr *from, const void *msg, size_t len)
{
	delivery_heard(((struct bench *)self)->d, from, msg, len);
}

static void on_room(void *self) { (void)self; }

static void
on_turn(uv_prepare_t *h)
{
	struct bench *b = h->data;
	const struct delivery_action *a;
	size_t n;

	if (delivery_wants(b->d, gw_utc_us())) {
		kms_store_begin(b->store);
		delivery_tick(b->d, gw_utc_us());
		delivery_flushed(b->d, kms_store_flush(b->store));
	}
	a = delivery_actions(b->d, &n);
	delivery_taken(b->d, push_send(b->push, a, n));
	if (delivery_counts(b->d)->verified >= b->want || gw_mono_us() > b->until)
		uv_stop(&b->loop);
}

static void on_timer(uv_timer_t *t) { (void)t; }

static void
start_roll(struct bench *b, const struct keymgr_plan *plan)
{
	struct kms_service s;
	int64_t now = gw_utc_us();

	kms_store_begin(b->store);
	won(kms_service_get(b->store, b->service, &s), "service");
	keymgr_first(b->store, &s, plan, now);
	won(keymgr_next(b->store, &s, plan, now, now + 3600 * SECOND_US), "the next SEK");
	won(kms_store_flush(b->store), "roll");
}

/* ---- the cryptography alone ---- */

static double
bare(void)
{
	uint8_t smk[32], key[16] = { 7 }, ltkm[LTKM_MAX], verification[LTKM_MAX];
	char btid[128];
	const struct ltkm_peer peer = { smk, CROWD_NAF, btid };
	struct ltkm_plan plan = { .ids = { .has_domain = true, .has_key = true, .key_group = 1, .key_number = 1 }, .verify = true, .key = key, .upper = 1000 };
	struct gw_err err;
	double spent = 0, at;

	for (uint32_t i = 0; i < CRYPTO; i++) {
		crowd_smk(i, smk);
		crowd_btid(i, btid, sizeof(btid));
		plan.counter = i + 1;
		at = bench_cpu_ns();
		size_t n = ltkm_make(&peer, &plan, ltkm, sizeof(ltkm), &err), v;
		spent += bench_cpu_ns() - at;
		v = ltkm_verification(&peer, ltkm, n, verification, sizeof(verification), &err);	/* the card's cost, not ours */
		at = bench_cpu_ns();
		if (!ltkm_verified(&peer, ltkm, n, verification, v))
			die("a verification is refused");
		spent += bench_cpu_ns() - at;
	}
	return CRYPTO / spent * 1e9;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "seconds", 1, NULL, 's' }, { "subscribers", 1, NULL, 'n' }, { 0 } };
	struct delivery_conf conf = { .naf = CROWD_NAF, .domain = { 0x00, 0xf1, 0x10 }, .roll_rate = 1000000,
		.plan = { .life_us = 30 * 86400 * SECOND_US, .window_us = 3600 * SECOND_US } };
	struct push_conf pc = { .heard = on_heard, .room = on_room };
	struct bench b = { 0 };
	struct kms_store_conf sc = { .create = true };
	uint32_t subscribers = 100000;
	double seconds = 90, ceiling, cpu, wall;
	char path[300];
	struct gw_err err = { 0 };
	size_t before, most;
	pid_t pid;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)	/* a roll to everybody takes its time, whatever the others do */
		c == 's' ? (seconds = 30 * atof(optarg)) : (subscribers = (uint32_t)atol(optarg));
	delivery_keep_memory();
	snprintf(path, sizeof(path), "%s/kms.db", crowd_dir("bench_ltkm"));
	pid = crowd_cards(&conf.port);
	gw_log_init("bench_ltkm", GW_WARNING);
	if (gw_secrets_init(1024, true, &err) < 0)
		die(err.text);
	sc.path = path;
	if (kms_store_open(&sc, &b.store, &err) < 0)
		die(err.text);
	b.service = crowd_fill(b.store, subscribers, 0);
	ceiling = bare();
	uv_loop_init(&b.loop);
	pc.self = &b;
	if (delivery_new(b.store, &conf, &b.d, &err) < 0 || gw_addr_parse("udp://127.0.0.1:0", GW_UDP, &pc.listen, &err) < 0 ||
	    !(b.push = push_open(&b.loop, &pc, &err)))
		die(err.text);
	start_roll(&b, &conf.plan);
	uv_prepare_init(&b.loop, &b.turn);
	uv_timer_init(&b.loop, &b.timer);
	b.turn.data = &b;
	uv_prepare_start(&b.turn, on_turn);
	uv_timer_start(&b.timer, on_timer, 1, 1);
	before = crowd_kib(0, "VmRSS:");
	b.want = subscribers;
	wall = (double)gw_mono_us();
	b.until = wall + seconds * 1e6;
	cpu = bench_cpu_ns();
	uv_run(&b.loop, UV_RUN_DEFAULT);
	cpu = bench_cpu_ns() - cpu;
	wall = ((double)gw_mono_us() - wall) / 1e6;
	const struct delivery_counts *n = delivery_counts(b.d);
	printf("ltkm_bare %.0f msg/s\n", ceiling);
	printf("ltkm_push %.0f msg/s %.2f of ltkm_bare\n", (double)n->verified / cpu * 1e9, (double)n->verified / cpu * 1e9 / ceiling);
	printf("ltkm_push_wall %.0f msg/s\n", (double)n->verified / wall);
	printf("ltkm_roll %llu verified %.2f of %u\n", (unsigned long long)n->verified, (double)n->verified / subscribers, subscribers);
	most = crowd_kib(0, "VmHWM:");
	printf("ltkm_roll_memory %zu KiB %.2f of %zu\n", most, (double)most / (double)before, before);
	printf("# ltkm: resident before the roll %zu KiB, at most %zu KiB in it, behind it %zu KiB\n", before, most, crowd_kib(0, "VmRSS:"));
	printf("# ltkm: pushed %llu, sent again %llu, failed %llu, flood %llu\n", (unsigned long long)n->pushed, (unsigned long long)n->repeated,
	    (unsigned long long)n->failed, (unsigned long long)n->flood);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	delivery_free(b.d);
	kms_store_close(b.store);
	return 0;
}
