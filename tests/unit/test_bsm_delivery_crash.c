/*
 * tests/unit/test_bsm_delivery_crash.c: the BSM is killed before and after every commit and every sending, one point a run, and started again. Then
 * every subscriber has their key, and no two different messages ever left under one counter of one SMK (bcast-smartcard-profile 2.5).
 */
#include <fcntl.h>
#include <sys/wait.h>
#include "tests/unit/delivery_rig.h"

enum flow { REGISTERED, OFF, NEVER, ROLL, UPDATE };
enum { ROLLED = 3, ROLL_S = 6, UPPER = 4000 };
static const char *const files[] = { "kms.db", "kms.db.master" };
static int64_t service;

static void
copy(const char *from, const char *to)
{
	static uint8_t buf[1 << 20];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	ck_assert_int_ge(in, 0);
	ck_assert_int_ge(out, 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		ck_assert_int_eq(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

/* The store and the world as they are before the flow: kept, put back. */
static void
keep(bool back)
{
	char aside[64];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(aside, sizeof(aside), "%s.kept", files[i]);
		const char *there = scratch(files[i]), *kept = scratch(aside);
		back ? copy(kept, there) : copy(there, kept);
	}
	unlink(scratch("kms.db-wal"));
	unlink(scratch("kms.db-shm"));
}

/* Flows with all of them, who have bought it. */
static bool
to_all(enum flow flow)
{
	return flow == ROLL || flow == UPDATE;
}

static void
prepare(struct rig *r, enum flow flow)
{
	rig_start(r);
	service = rig_service(r, "news");
	for (size_t i = 0; i < (to_all(flow) ? ROLLED : 1); i++) {
		struct phone *p = rig_phone(r, true, flow != NEVER);
		struct kms_subscription s = rig_right(p, service);
		int64_t id;
		s.state = KMS_TOLD;
		if (to_all(flow))
			ck_assert_int_eq(kms_subscription_put(r->store, &s, &id), GW_WON);
		p->wants_in = to_all(flow) || flow == REGISTERED;
	}
	rig_run(r, 5 * S);
	rig_stop(r);
}

/* ---- what happens; each step may have happened before the BSM was killed ---- */

static void
shop(struct rig *r)
{
	struct kms_subscription s = rig_right(&r->w->phone[0], service);

	snprintf(s.order, sizeof(s.order), "order-1");
	if (kms_subscription_put(r->store, &s, &s.id) == GW_WON)
		r->events.subscription(r->events.self, &s, r->w->now);
}

static void
roll(struct rig *r)
{
	struct kms_service s;
	enum gw_outcome o;

	kms_service_get(r->store, service, &s);
	o = keymgr_next(r->store, &s, &r->conf.plan, r->w->now, r->w->now + ROLL_S * S);
	ck_assert(o == GW_WON || o == GW_EXISTS);
}

/* As the command does it: once, and not again when it has happened. */
static void
update(struct rig *r)
{
	const struct keymgr_validity to = { .upper = UPPER };
	const struct kms_key k = rig_key(r, service, 0);
	struct kms_service s;
	const char *why;

	kms_service_get(r->store, service, &s);
	if (k.upper != UPPER)
		ck_assert_int_eq(keymgr_change(r->store, &s, k.id, &to, r->w->now, r->w->now + ROLL_S * S, &why), GW_WON);
}

static void (*const begins[])(struct rig *) = { [REGISTERED] = shop, [OFF] = shop, [NEVER] = shop, [ROLL] = roll, [UPDATE] = update };

static bool
over(struct rig *r, enum flow flow)
{
	uint64_t ltkm[KMS_OUT_STATES], pull[KMS_OUT_STATES];

	for (size_t i = 0; i < r->w->n; i++)
		if (r->w->phone[i].nkeys < (flow == ROLL ? 2 : 1) || r->w->phone[i].wants_in ||
		    (flow == UPDATE && r->w->phone[i].key[0].upper != UPPER))
			return false;
	ck_assert_int_eq(kms_out_counts(r->store, ltkm, pull), GW_WON);
	return ltkm[KMS_OUT_DUE] + ltkm[KMS_OUT_SENT] == 0;
}

static void
live(struct rig *r, enum flow flow)
{
	struct phone *p = &r->w->phone[0];
	int64_t end = r->w->now + 600 * S;

	rig_start(r);
	rig_turn(r, begins[flow]);
	if (flow == NEVER && p->nkeys == 0) {
		if (p->never)
			phone_boot(r, p, 1);
		p->wants_in = true;
	}
	while (!over(r, flow)) {
		ck_assert_int_lt(r->w->now, end);
		rig_run(r, S);
	}
	rig_stop(r);
}

/* A life of the BSM in a process of its own; its wait status. */
static int
run(struct rig *r, enum flow flow, size_t kill_at)
{
	int status;
	pid_t pid;

	r->w->point = 0;
	r->w->kill_at = kill_at;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		live(r, flow);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(killed_anywhere)
{
	enum flow flow = (enum flow)_i;
	struct rig r = { .w = rig_world(), .conf = rig_conf() };
	static struct world before;
	size_t n = 0;
	int status;

	scratch("");
	gw_secrets_init(256, true, NULL);
	if (fork() == 0) {	/* SQLite's handles are not to be inherited */
		prepare(&r, flow);
		_exit(0);
	}
	ck_assert_int_gt(wait(&status), 0);
	ck_assert_int_eq(status, 0);
	service = 1;
	keep(false);
	before = *r.w;
	do {
		*r.w = before;
		keep(true);
		status = run(&r, flow, ++n);
		if (WIFSIGNALED(status)) {
			ck_assert_int_eq(WTERMSIG(status), SIGKILL);
			r.w->now += S;
			ck_assert_msg(run(&r, flow, 0) == 0, "flow %d, killed at point %zu of it", _i, n);
			continue;
		}
		ck_assert_msg(status == 0, "flow %d fails by itself", _i);
		break;
	} while (n < 1000);
	ck_assert_uint_gt(n, 8);
	ck_assert_uint_lt(n, 1000);
}
END_TEST

SUITE("bsm_delivery_crash", tcase_set_timeout(t, 300); tcase_add_loop_test(t, killed_anywhere, REGISTERED, UPDATE + 1))
