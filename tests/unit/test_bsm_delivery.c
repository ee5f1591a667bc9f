/* tests/unit/test_bsm_delivery.c: LTKM delivery on a real store, with cards that verify: months in seconds */
#include "tests/unit/delivery_rig.h"

static struct phone *self_phone;
static struct kms_subscription self_right;

static void
buy(struct rig *r)
{
	self_right.state = KMS_NEW;
	ck_assert_int_eq(kms_subscription_put(r->store, &self_right, &self_right.id), GW_WON);
	r->events.subscription(r->events.self, &self_right, r->w->now);
}

static void
purchase(struct rig *r, struct phone *p, int64_t service)
{
	self_right = rig_right(p, service);
	rig_turn(r, buy);
}

static void enter(struct rig *r) { phone_register(r, self_phone); }
static void quit(struct rig *r) { kms_registration_end(r->store, self_phone->sub); r->events.deregistered(r->events.self, self_phone->sub, r->w->now); }

static void
registers(struct rig *r, struct phone *p)
{
	self_phone = p;
	rig_turn(r, enter);
}

/* Bought by an operator's command before the BSM looked. */
static void
owned(struct rig *r, struct phone *p, int64_t service)
{
	struct kms_subscription s = rig_right(p, service);

	s.state = KMS_TOLD;
	ck_assert_int_eq(kms_subscription_put(r->store, &s, &s.id), GW_WON);
}

static bool
has(struct rig *r, const struct phone *p, int64_t service, uint16_t number)
{
	struct kms_key k = rig_key(r, service, number);

	for (size_t i = 0; i < p->nkeys; i++)
		if (p->key[i].group == k.group && p->key[i].number == k.number)
			return memcmp(p->key[i].key, k.key, 16) == 0 && p->key[i].lower == k.lower && p->key[i].upper == k.upper;
	return false;
}

static const struct delivery_counts *counts(struct rig *r) { return delivery_counts(r->d); }

static size_t
ltkm_state(struct rig *r, enum kms_out_state state)
{
	uint64_t ltkm[KMS_OUT_STATES], pull[KMS_OUT_STATES];

	ck_assert_int_eq(kms_out_counts(r->store, ltkm, pull), GW_WON);
	return (size_t)ltkm[state];
}

START_TEST(a_registration_brings_all_that_was_bought)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news"), sport = rig_service(&r, "sport"), other = rig_service(&r, "other");
	struct phone *p = rig_phone(&r, true, true);

	owned(&r, p, news);
	owned(&r, p, sport);
	registers(&r, p);
	rig_run(&r, 10 * S);
	ck_assert(has(&r, p, news, 0) && has(&r, p, sport, 0));
	ck_assert_uint_eq(p->nkeys, 2);
	ck_assert_uint_eq(r.w->nlog, 2);
	ck_assert_uint_eq(counts(&r)->verified, 2);
	ck_assert_uint_eq(ltkm_state(&r, KMS_OUT_ACKED), 2);
	(void)other;
	rig_stop(&r);
}
END_TEST

START_TEST(no_answer_is_repeated_three_times_then_given_up)
{
	static const int64_t at_s[] = { 0, 4, 12, 28 };
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);
	struct kms_registration g;

	owned(&r, p, news);
	p->deaf = true;
	registers(&r, p);
	rig_run(&r, 31 * S);
	ck_assert_uint_eq(r.w->nlog, 4);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(r.w->log[i].at_us - T0, at_s[i] * S);
		ck_assert_uint_eq(r.w->log[i].len, r.w->log[0].len);
		ck_assert_mem_eq(r.w->log[i].octets, r.w->log[0].octets, r.w->log[0].len);
	}
	ck_assert_int_eq(kms_registration_get(r.store, p->sub, &g), GW_WON);
	ck_assert(g.reachable);
	rig_run(&r, 2 * S);
	ck_assert_int_eq(kms_registration_get(r.store, p->sub, &g), GW_WON);
	ck_assert(!g.reachable);
	ck_assert_uint_eq(ltkm_state(&r, KMS_OUT_SMS), 1);
	ck_assert_uint_eq(r.w->nlog, 5);	/* the SMS, which it did not get either */
	ck_assert(r.w->log[4].sms);
	rig_run(&r, 3600 * S);
	ck_assert_uint_eq(r.w->nlog, 5);
	rig_stop(&r);
}
END_TEST

/* Somebody sets the clock right, which was an hour ahead. */
START_TEST(a_clock_that_is_set_back_delays_nothing)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	owned(&r, p, news);
	p->deaf = true;
	registers(&r, p);
	rig_run(&r, 2 * S);
	ck_assert_uint_eq(r.w->nlog, 1);
	r.w->now -= 3600 * S;
	r.lose = true;		/* the store does not take the first turn after it */
	rig_turn(&r, NULL);
	r.lose = false;
	p->deaf = false;
	rig_run(&r, 3 * S);
	ck_assert_uint_eq(r.w->nlog, 2);
	ck_assert(has(&r, p, news, 0));
	rig_stop(&r);
}
END_TEST

/* As above, and the BSM was started anew between. */
START_TEST(a_clock_that_was_set_back_delays_nothing)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	owned(&r, p, news);
	p->deaf = true;
	registers(&r, p);
	rig_run(&r, 2 * S);
	rig_stop(&r);
	r.w->now -= 86400 * S;
	p->deaf = false;
	rig_start(&r);
	rig_run(&r, 3 * S);
	ck_assert(has(&r, p, news, 0));
	rig_stop(&r);
}
END_TEST

START_TEST(an_sms_brings_it_back)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	owned(&r, p, news);
	p->deaf = true;
	registers(&r, p);
	rig_run(&r, 31 * S);
	p->deaf = false;
	rig_run(&r, 10 * S);
	ck_assert_uint_eq(p->pulls, 1);
	ck_assert(has(&r, p, news, 0));
	ck_assert_uint_eq(counts(&r)->sms_sent, 1);
	ck_assert_uint_eq(ltkm_state(&r, KMS_OUT_ACKED), 1);
	rig_stop(&r);
}
END_TEST

START_TEST(without_a_number_it_waits_for_the_registration)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, false, true);

	owned(&r, p, news);
	p->deaf = true;
	registers(&r, p);
	rig_run(&r, 100 * S);
	ck_assert_uint_eq(ltkm_state(&r, KMS_OUT_FAILED), 1);
	ck_assert_uint_eq(r.w->nlog, 4);
	p->deaf = false;
	registers(&r, p);
	rig_run(&r, 10 * S);
	ck_assert(has(&r, p, news, 0));
	rig_stop(&r);
}
END_TEST

START_TEST(a_message_lost_behind_a_later_one_gets_a_new_counter)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news"), sport = rig_service(&r, "sport");
	struct phone *p = rig_phone(&r, true, true);

	registers(&r, p);
	rig_run(&r, S);
	p->deaf = true;
	purchase(&r, p, news);	/* LTKM and pull, both lost */
	rig_run(&r, S);
	p->deaf = false;
	purchase(&r, p, sport);	/* a later counter: the card is past the first ones */
	rig_run(&r, 60 * S);
	ck_assert(has(&r, p, news, 0) && has(&r, p, sport, 0));
	ck_assert_uint_eq(p->stale, 0);
	rig_stop(&r);
}
END_TEST

START_TEST(bought_while_registered)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);
	struct kms_subscription s;

	registers(&r, p);
	purchase(&r, p, news);
	rig_run(&r, 20 * S);
	ck_assert(has(&r, p, news, 0));
	ck_assert_uint_eq(p->pulls, 1);	/* so that it learns of the service: it has registered again */
	ck_assert_uint_eq(p->stale, 0);
	ck_assert_uint_eq(counts(&r)->sms, 0);
	ck_assert_int_eq(kms_subscription_get(r.store, self_right.id, &s), GW_WON);
	ck_assert_int_eq(s.state, KMS_TOLD);
	rig_stop(&r);
}
END_TEST

START_TEST(bought_without_the_pull)
{
	struct rig r = { .w = rig_world(), .conf = rig_conf() };

	gw_secrets_init(256, true, NULL);
	r.conf.pull_on_purchase = false;
	rig_start(&r);
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);
	registers(&r, p);
	purchase(&r, p, news);
	rig_run(&r, 20 * S);
	ck_assert(has(&r, p, news, 0));
	ck_assert_uint_eq(p->pulls, 0);
	ck_assert_uint_eq(p->ltkms, 1);
	rig_stop(&r);
}
END_TEST

START_TEST(bought_while_off)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	purchase(&r, p, news);
	rig_run(&r, 20 * S);
	ck_assert_uint_eq(r.w->log[0].sms, 1);
	ck_assert_uint_eq(p->pulls, 1);
	ck_assert(has(&r, p, news, 0));
	rig_stop(&r);
}
END_TEST

START_TEST(two_purchases_while_off_are_one_sms)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news"), sport = rig_service(&r, "sport");
	struct phone *p = rig_phone(&r, true, true);

	p->deaf = true;	/* the SMSC has it until the morning */
	purchase(&r, p, news);
	rig_run(&r, 60 * S);
	purchase(&r, p, sport);
	rig_run(&r, 60 * S);
	ck_assert_uint_eq(r.w->nlog, 1);
	p->deaf = false;
	phone_take(&r, p, r.w->log[0].octets, r.w->log[0].len);
	rig_run(&r, 60 * S);
	ck_assert(has(&r, p, news, 0) && has(&r, p, sport, 0));
	rig_stop(&r);
}
END_TEST

START_TEST(an_sms_that_is_nowhere_is_sent_again_when_its_sink_has_gone)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	r.no_smsc = true;
	purchase(&r, p, news);
	rig_run(&r, 600 * S);
	ck_assert_uint_eq(r.w->nlog, 1);	/* the SMSC takes its time */
	r.no_smsc = false;
	delivery_sms_gone(r.d);
	rig_run(&r, 120 * S);
	ck_assert_uint_eq(r.w->log[1].len, r.w->log[0].len);
	ck_assert_mem_eq(r.w->log[1].octets, r.w->log[0].octets, r.w->log[0].len);
	ck_assert(has(&r, p, news, 0));
	rig_stop(&r);
}
END_TEST

START_TEST(an_operators_pull_goes_by_sms_though_it_is_registered)
{
	struct rig r = rig();
	struct phone *p = rig_phone(&r, true, true);
	struct kms_out o = { .sub = p->sub, .pull = true, .sms = true, .due_us = T0 };

	registers(&r, p);
	ck_assert_int_eq(kms_out_put(r.store, &o, &o.id), GW_WON);
	delivery_changed(r.d);
	rig_run(&r, S);
	ck_assert_uint_eq(p->pulls, 1);
	ck_assert(r.w->log[0].sms);
	rig_stop(&r);
}
END_TEST

START_TEST(a_refused_sms_is_tried_less_and_less_often_then_given_up)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);
	uint64_t ltkm[KMS_OUT_STATES], pull[KMS_OUT_STATES];

	r.sms_refused = true;
	purchase(&r, p, news);
	rig_run(&r, 4 * 3600 * S);
	ck_assert_uint_eq(r.w->nlog, 5);
	for (size_t i = 2; i < 5; i++)
		ck_assert_int_gt(r.w->log[i].at_us - r.w->log[i - 1].at_us, r.w->log[i - 1].at_us - r.w->log[i - 2].at_us);
	ck_assert_int_eq(kms_out_counts(r.store, ltkm, pull), GW_WON);
	ck_assert_uint_eq(pull[KMS_OUT_FAILED], 1);
	registers(&r, p);	/* it comes by itself */
	rig_run(&r, 5 * S);
	ck_assert(has(&r, p, news, 0));
	rig_stop(&r);
}
END_TEST

START_TEST(what_a_full_socket_left_waits_its_turn)
{
	struct rig r = rig();
	int64_t services[6];
	struct phone *p = rig_phone(&r, true, true);

	r.room = 1;
	for (size_t i = 0; i < 6; i++) {
		char name[8];
		snprintf(name, sizeof(name), "s%zu", i);
		owned(&r, p, services[i] = rig_service(&r, name));
	}
	registers(&r, p);
	ck_assert_uint_eq(r.w->nlog, 1);
	rig_run(&r, S);
	ck_assert_uint_eq(r.w->nlog, 6);
	for (size_t i = 0; i < 6; i++)
		ck_assert(has(&r, p, services[i], 0));
	ck_assert_uint_eq(p->stale, 0);
	rig_stop(&r);
}
END_TEST

START_TEST(bought_before_the_first_bootstrapping)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, false);
	struct kms_subscription s;

	purchase(&r, p, news);
	rig_run(&r, 3 * 3600 * S);
	ck_assert_uint_eq(r.w->nlog, 0);
	ck_assert_int_eq(kms_subscription_get(r.store, self_right.id, &s), GW_WON);
	ck_assert_int_eq(s.state, KMS_NEW);
	phone_boot(&r, p, 1);
	registers(&r, p);
	rig_run(&r, 20 * S);
	ck_assert(has(&r, p, news, 0));
	ck_assert_int_eq(kms_subscription_get(r.store, self_right.id, &s), GW_WON);
	ck_assert_int_eq(s.state, KMS_TOLD);
	rig_stop(&r);
}
END_TEST

START_TEST(what_begins_tomorrow_is_pushed_tomorrow)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	registers(&r, p);
	self_right = rig_right(p, news);
	self_right.from_us = T0 + 1800 * S;
	rig_turn(&r, buy);
	rig_run(&r, 1799 * S);
	ck_assert_uint_eq(r.w->nlog, 0);
	rig_run(&r, 20 * S);
	ck_assert(has(&r, p, news, 0));
	rig_stop(&r);
}
END_TEST

START_TEST(purchases_by_commands_are_found)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);
	struct kms_subscription s = rig_right(p, news);

	registers(&r, p);
	rig_run(&r, S);
	ck_assert_int_eq(kms_subscription_put(r.store, &s, &s.id), GW_WON);
	rig_run(&r, S);
	ck_assert_uint_eq(r.w->nlog, 0);
	delivery_changed(r.d);
	rig_run(&r, S);
	ck_assert(has(&r, p, news, 0));
	/* and cut */
	ck_assert_int_eq(kms_subscription_until(r.store, s.id, r.w->now, KMS_CUT), GW_WON);
	delivery_changed(r.d);
	rig_run(&r, S);
	ck_assert_uint_gt(p->key[0].lower, p->key[0].upper);
	rig_stop(&r);
}
END_TEST

static void
cut_it(struct rig *r)
{
	ck_assert_int_eq(kms_subscription_until(r->store, self_right.id, r->w->now, KMS_CUT), GW_WON);
	ck_assert_int_eq(kms_subscription_get(r->store, self_right.id, &self_right), GW_WON);
	r->events.subscription(r->events.self, &self_right, r->w->now);
}

START_TEST(a_cut_takes_the_key_away_and_the_others_get_a_new_one)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true), *q = rig_phone(&r, true, true);

	registers(&r, p);
	registers(&r, q);
	purchase(&r, q, news);
	rig_run(&r, 5 * S);
	purchase(&r, p, news);
	rig_run(&r, 5 * S);
	uint16_t number = rig_key(&r, news, 0).number;
	ck_assert(has(&r, p, news, 0) && has(&r, q, news, 0));
	rig_turn(&r, cut_it);
	rig_run(&r, 20 * S);
	ck_assert_uint_gt(p->key[0].lower, p->key[0].upper);
	ck_assert_uint_eq(p->nkeys, 1);
	ck_assert_uint_eq(q->nkeys, 2);
	ck_assert_uint_eq(q->key[1].number, number + 1);
	/* the others had it before the STKMs change over, and that is soon */
	struct kms_roll roll;
	struct kms_service s;
	struct kms_key next;
	kms_service_get(r.store, news, &s);
	ck_assert_int_eq(kms_key_find(r.store, s.domain, s.group[KMS_SEK], (uint16_t)(number + 1), &next), GW_WON);
	ck_assert_int_eq(kms_roll_get(r.store, next.id, &roll), GW_WON);
	ck_assert_int_gt(roll.switch_us, r.w->log[r.w->nlog - 1].at_us);
	ck_assert_int_le(roll.switch_us, T0 + 20 * S);
	rig_stop(&r);
}
END_TEST

START_TEST(what_is_paid_for_twice_is_not_cut)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	owned(&r, p, news);
	registers(&r, p);
	purchase(&r, p, news);
	rig_run(&r, 5 * S);
	rig_turn(&r, cut_it);
	rig_run(&r, 20 * S);
	ck_assert(has(&r, p, news, 0));
	rig_stop(&r);
}
END_TEST

START_TEST(a_deregistered_terminal_is_left_alone)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	owned(&r, p, news);
	p->deaf = true;
	registers(&r, p);
	rig_run(&r, 2 * S);
	rig_turn(&r, quit);
	rig_run(&r, 100 * S);
	ck_assert_uint_eq(r.w->nlog, 1);
	ck_assert_uint_eq(ltkm_state(&r, KMS_OUT_VOID), 1);
	rig_stop(&r);
}
END_TEST

static int64_t wanted_key;
static void want(struct rig *r) { r->events.wanted(r->events.self, self_phone->sub, wanted_key, r->w->now); }

START_TEST(a_requested_key_is_pushed)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	owned(&r, p, news);
	registers(&r, p);
	rig_run(&r, 2 * S);
	memset(p->key, 0, sizeof(p->key));
	p->nkeys = 0;
	wanted_key = rig_key(&r, news, 0).id;
	rig_turn(&r, want);
	rig_run(&r, 2 * S);
	ck_assert(has(&r, p, news, 0));
	ck_assert_uint_eq(p->ltkms, 2);
	rig_stop(&r);
}
END_TEST

START_TEST(only_a_right_verification_counts)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, false, true);
	uint8_t out[300], ltkm[300];
	size_t n, len;
	struct gw_err err;

	owned(&r, p, news);
	p->forges = true;
	registers(&r, p);
	rig_run(&r, 1 * S);
	ck_assert_uint_eq(counts(&r)->bad_mac, 1);
	ck_assert_uint_eq(counts(&r)->verified, 0);
	p->forges = false;
	p->error = true;
	rig_run(&r, 4 * S);	/* repeated, as the error is a hint only */
	ck_assert_uint_eq(counts(&r)->errors, 1);
	p->error = false;
	rig_run(&r, 8 * S);
	ck_assert_uint_eq(counts(&r)->verified, 1);
	ck_assert_uint_eq(counts(&r)->repeated, 2);
	memcpy(ltkm, r.w->log[0].octets, len = r.w->log[0].len);
	const struct ltkm_peer peer = { p->smk, NAF, p->btid };
	n = ltkm_verification(&peer, ltkm, len, out, sizeof(out), &err);
	delivery_heard(r.d, NULL, out, n);
	rig_run(&r, S);
	ck_assert_uint_eq(counts(&r)->duplicate, 1);
	out[13] ^= 0x40;	/* another counter */
	delivery_heard(r.d, NULL, out, n);
	delivery_heard(r.d, NULL, out, 17);
	delivery_heard(r.d, NULL, ltkm, len);
	rig_run(&r, S);
	ck_assert_uint_eq(counts(&r)->unknown, 1);
	ck_assert_uint_eq(counts(&r)->malformed, 1);
	ck_assert_uint_eq(counts(&r)->not_verification, 1);
	ck_assert_uint_eq(ltkm_state(&r, KMS_OUT_ACKED), 1);
	rig_stop(&r);
}
END_TEST

START_TEST(a_flood_is_bounded)
{
	struct rig r = rig();
	uint8_t junk[400] = { 1, 2, 3 };

	for (size_t i = 0; i < 2 * DELIVERY_HEARD; i++)
		delivery_heard(r.d, NULL, junk, sizeof(junk));
	rig_run(&r, S);
	ck_assert_uint_eq(counts(&r)->malformed, DELIVERY_HEARD);
	ck_assert_uint_eq(counts(&r)->flood, DELIVERY_HEARD);
	rig_stop(&r);
}
END_TEST

START_TEST(nothing_leaves_before_the_store_has_it)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);
	struct kms_gba g;
	size_t n;

	owned(&r, p, news);
	registers(&r, p);
	p->mute = false;
	/* the verification, and a purchase beside it, come when the store is away */
	r.lose = true;
	for (size_t i = 0; i < 5; i++)
		rig_turn(&r, NULL);
	ck_assert_uint_eq(counts(&r)->flushes_lost, 5);
	delivery_actions(r.d, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(counts(&r)->verified, 0);
	ck_assert_uint_eq(r.w->nlog, 1);
	r.lose = false;
	rig_run(&r, 2 * S);
	ck_assert_uint_eq(counts(&r)->verified, 1);
	ck_assert_int_eq(kms_gba_get(r.store, p->btid, &g), GW_WON);
	ck_assert_uint_eq(g.ltkm_counter, 1);
	rig_stop(&r);
}
END_TEST

/* As kill -9 leaves it. */
static void
killed(struct rig *r)
{
	static const uint8_t running = 1;

	delivery_free(r->d);
	ck_assert_int_eq(kms_note_put(r->store, "ltkm.running", &running, 1, false), GW_WON);
	kms_store_close(r->store);
}

START_TEST(an_unclean_stop_skips_counters_and_goes_on)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);
	struct kms_gba g;

	owned(&r, p, news);
	p->deaf = true;
	registers(&r, p);
	rig_stop(&r);	/* clean */
	rig_start(&r);
	ck_assert_int_eq(kms_gba_get(r.store, p->btid, &g), GW_WON);
	ck_assert_uint_eq(g.ltkm_counter, 1);
	killed(&r);
	rig_start(&r);
	ck_assert_int_eq(kms_gba_get(r.store, p->btid, &g), GW_WON);
	ck_assert_uint_eq(g.ltkm_counter, 17);
	p->deaf = false;
	rig_run(&r, 20 * S);
	ck_assert(has(&r, p, news, 0));
	ck_assert_uint_eq(p->counter, 18);
	rig_stop(&r);
}
END_TEST

START_TEST(a_new_smk_gets_a_new_message)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);

	owned(&r, p, news);
	p->deaf = true;
	registers(&r, p);
	rig_run(&r, 2 * S);
	phone_boot(&r, p, 2);
	p->deaf = false;
	registers(&r, p);
	rig_run(&r, 20 * S);
	ck_assert(has(&r, p, news, 0));
	ck_assert_uint_eq(p->counter, 1);
	ck_assert_uint_eq(ltkm_state(&r, KMS_OUT_ACKED), 1);
	ck_assert_uint_eq(ltkm_state(&r, KMS_OUT_SENT), 0);
	rig_stop(&r);
}
END_TEST

START_TEST(management_data_as_told)
{
	struct rig r = { .w = rig_world(), .conf = rig_conf() };
	static const uint8_t criteria[] = { 1, 2, 0, 9 }, binding[] = { 0, 0, 0, 7, 4, 'u', 'r', 'i', ':' };
	struct mikey m;

	gw_secrets_init(256, true, NULL);
	r.conf.ext_bcast = _i ? DELIVERY_FULL : DELIVERY_MIN;
	r.conf.criteria = (struct mikey_view){ criteria, sizeof(criteria) };
	r.conf.binding = (struct mikey_view){ binding, sizeof(binding) };
	rig_start(&r);
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);
	owned(&r, p, news);
	registers(&r, p);
	rig_run(&r, S);
	ck_assert(has(&r, p, news, 0));
	ck_assert_int_eq(mikey_decode(r.w->log[0].octets, r.w->log[0].len, &m, NULL), 0);
	ck_assert_uint_eq(m.bcast.len, _i ? 2 + 2 + sizeof(criteria) + sizeof(binding) : 2);
	rig_stop(&r);
}
END_TEST

/* ---- rolls ---- */

static struct kms_roll
roll_of(struct rig *r, int64_t service)
{
	struct kms_roll roll;
	struct kms_key k = rig_key(r, service, (uint16_t)(rig_key(r, service, 0).number + 1));

	ck_assert_int_eq(kms_roll_get(r->store, k.id, &roll), GW_WON);
	return roll;
}

static void
all_register(struct rig *r, size_t n, int64_t service)
{
	for (size_t i = 0; i < n; i++) {
		struct phone *p = rig_phone(r, true, true);
		if (service)
			owned(r, p, service);
		registers(r, p);
	}
	rig_run(r, 2 * S);
}

static int64_t roll_service;
static void
begin_roll(struct rig *r)
{
	struct kms_service s;

	kms_service_get(r->store, roll_service, &s);
	ck_assert_int_eq(keymgr_next(r->store, &s, &r->conf.plan, r->w->now, r->w->now + WINDOW_S * S), GW_WON);
}

START_TEST(a_roll_goes_evenly_to_all_who_are_entitled)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	size_t base, half = 0;

	all_register(&r, 40, news);
	all_register(&r, 5, 0);	/* have bought nothing */
	struct phone *late = rig_phone(&r, true, true), *off = rig_phone(&r, true, true);
	owned(&r, late, news);
	owned(&r, off, news);
	base = r.w->nlog;
	ck_assert_uint_eq(base, 40);
	roll_service = news;
	rig_turn(&r, begin_roll);
	int64_t began = r.w->now;
	rig_run(&r, 45 * S);
	half = r.w->nlog - base;
	ck_assert_uint_ge(half, 14);	/* of 40, at half the time that there is */
	ck_assert_uint_le(half, 26);
	registers(&r, late);
	rig_run(&r, 50 * S);
	uint16_t next = (uint16_t)(rig_key(&r, news, 0).number + 1);
	struct kms_roll roll = roll_of(&r, news);
	ck_assert_int_eq(roll.state, KMS_ROLL_READY);
	ck_assert_uint_eq(roll.out[KMS_OUT_ACKED], 41);
	for (size_t i = 0; i < 40; i++)
		ck_assert(has(&r, &r.w->phone[i], news, next));
	for (size_t i = 40; i < 45; i++)
		ck_assert_uint_eq(r.w->phone[i].nkeys, 0);
	ck_assert(has(&r, late, news, 0) && has(&r, late, news, next));
	ck_assert_uint_eq(late->ltkms, 2);
	ck_assert_uint_eq(off->nkeys, 0);
	ck_assert_int_lt(r.w->log[r.w->nlog - 1].at_us, began + WINDOW_S * S);
	rig_stop(&r);
}
END_TEST

START_TEST(a_roll_at_a_given_rate)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");

	all_register(&r, 40, news);
	r.conf.roll_rate = 4;
	delivery_configure(r.d, &r.conf);
	roll_service = news;
	rig_turn(&r, begin_roll);
	rig_run(&r, 5 * S);
	ck_assert_uint_ge(r.w->nlog - 40, 15);
	ck_assert_uint_le(r.w->nlog - 40, 24);
	rig_run(&r, 10 * S);
	ck_assert_uint_eq(r.w->nlog - 40, 40);
	rig_stop(&r);
}
END_TEST

START_TEST(a_roll_counts_failures_and_sms_and_who_comes_back)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct kms_roll roll;

	all_register(&r, 10, news);
	r.w->phone[3].deaf = r.w->phone[4].deaf = true;
	ck_assert_int_eq(kms_subscription_until(r.store, 1, r.w->now + 10 * S, KMS_TOLD), GW_WON);	/* over before the switch */
	roll_service = news;
	rig_turn(&r, begin_roll);
	rig_run(&r, 95 * S);
	roll = roll_of(&r, news);
	ck_assert_uint_eq(roll.out[KMS_OUT_ACKED], 7);
	ck_assert_uint_eq(roll.out[KMS_OUT_SMS], 2);
	ck_assert_uint_eq(r.w->phone[0].nkeys, 1);
	r.w->phone[3].deaf = false;
	registers(&r, &r.w->phone[3]);
	rig_run(&r, 3 * S);
	roll = roll_of(&r, news);
	ck_assert_uint_eq(roll.out[KMS_OUT_ACKED], 8);
	ck_assert_uint_eq(roll.out[KMS_OUT_SMS], 1);
	rig_stop(&r);
}
END_TEST

START_TEST(a_roll_goes_on_where_it_was)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");

	all_register(&r, 40, news);
	roll_service = news;
	rig_turn(&r, begin_roll);
	rig_run(&r, 45 * S);
	size_t before = r.w->nlog;
	rig_stop(&r);
	rig_start(&r);
	rig_run(&r, 50 * S);
	ck_assert_uint_eq(r.w->nlog, 80);
	ck_assert_uint_gt(before, 50);
	for (size_t i = 0; i < 40; i++)
		ck_assert_uint_eq(r.w->phone[i].nkeys, 2);
	rig_stop(&r);
}
END_TEST

static struct keymgr_validity other_validity;
static void
change_key(struct rig *r)
{
	struct kms_service s;
	const char *why = "";

	kms_service_get(r->store, roll_service, &s);
	ck_assert_msg(keymgr_change(r->store, &s, rig_key(r, roll_service, 0).id, &other_validity, r->w->now, r->w->now + WINDOW_S * S, &why) == GW_WON,
	    "%s", why);
}

static int
an_update(void *self, const struct kms_roll *r)
{
	if (kms_roll_is_update(r))
		*(struct kms_roll *)self = *r;
	return 0;
}

static void
has_interval(struct rig *r, size_t from, size_t to, uint16_t upper)
{
	for (size_t i = from; i < to; i++) {
		ck_assert_uint_eq(r->w->phone[i].nkeys, 1);
		ck_assert_uint_eq(r->w->phone[i].key[0].lower, 0);
		ck_assert_uint_eq(r->w->phone[i].key[0].upper, upper);
	}
}

START_TEST(another_interval_goes_to_all_who_are_entitled)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct kms_roll update = { .id = 0 };

	all_register(&r, 20, news);
	all_register(&r, 3, 0);	/* have bought nothing */
	struct phone *off = rig_phone(&r, true, true);
	owned(&r, off, news);
	const struct kms_key was = rig_key(&r, news, 0);
	has_interval(&r, 0, 20, was.upper);
	ck_assert_int_eq(kms_subscription_until(r.store, 1, r.w->now, KMS_ENDED), GW_WON);	/* the first has it for as long as it was told */
	r.w->phone[7].deaf = true;
	roll_service = news;
	other_validity = (struct keymgr_validity){ .upper = 5000 };
	rig_turn(&r, change_key);
	ck_assert_uint_eq(rig_key(&r, news, 0).upper, 5000);	/* the STKMG's, at once */
	rig_run(&r, 20 * S);
	other_validity.upper = 3000;	/* another one, in the middle of it */
	rig_turn(&r, change_key);
	r.w->phone[7].deaf = false;
	registers(&r, off);
	rig_run(&r, 150 * S);
	has_interval(&r, 0, 1, was.upper);
	has_interval(&r, 1, 20, 3000);
	has_interval(&r, 23, 24, 3000);
	ck_assert_mem_eq(r.w->phone[1].key[0].key, was.key, sizeof(was.key));	/* the same key */
	for (size_t i = 20; i < 23; i++)
		ck_assert_uint_eq(r.w->phone[i].nkeys, 0);
	ck_assert_int_eq(kms_rolls(r.store, false, an_update, &update), GW_WON);
	ck_assert_int_eq(update.id, 0);	/* both are over */
	ck_assert_int_eq(kms_rolls(r.store, true, an_update, &update), GW_WON);
	ck_assert_uint_eq(update.out[KMS_OUT_ACKED], 20);	/* the one who registered meanwhile was not passed over */
	rig_stop(&r);
}
END_TEST

START_TEST(an_update_goes_on_where_it_was)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");

	all_register(&r, 20, news);
	roll_service = news;
	other_validity = (struct keymgr_validity){ .upper = 5000 };
	rig_turn(&r, change_key);
	rig_run(&r, 45 * S);
	size_t before = r.w->nlog;
	ck_assert_uint_gt(before, 24);
	ck_assert_uint_lt(before, 36);
	rig_stop(&r);
	rig_start(&r);
	rig_run(&r, 100 * S);
	ck_assert_uint_eq(r.w->nlog, 40);
	has_interval(&r, 0, 20, 5000);
	rig_stop(&r);
}
END_TEST

START_TEST(a_card_gets_no_third_key_of_a_group)
{
	struct rig r = rig();
	int64_t news = rig_service(&r, "news");
	struct phone *p = rig_phone(&r, true, true);
	struct kms_service s;
	struct kms_key k[3];
	struct kms_subscription sale;

	registers(&r, p);
	kms_service_get(r.store, news, &s);
	for (int i = 0; i < 3; i++) {
		char item[2] = { (char)('a' + i), 0 };
		ck_assert_int_eq(keymgr_programme(r.store, &s, item, T0 + (3600 + 600 * i) * S, T0 + (4200 + 600 * i) * S, &k[i]), GW_WON);
	}
	for (int i = 2; i >= 0; i--) {	/* the last one first */
		sale = rig_right(p, news);
		sale.kind = KMS_PEK;
		sale.key = k[i].id;
		ck_assert_int_eq(kms_subscription_put(r.store, &sale, &sale.id), GW_WON);
	}
	delivery_changed(r.d);
	rig_run(&r, 60 * S);
	ck_assert_uint_eq(p->nkeys, 2);
	ck_assert(p->key[0].number <= k[1].number && p->key[1].number <= k[1].number);
	registers(&r, p);	/* nor by registering */
	rig_run(&r, 60 * S);
	ck_assert_uint_eq(p->nkeys, 2);
	rig_run(&r, 3500 * S);
	ck_assert_uint_eq(p->nkeys, 2);
	registers(&r, p);
	rig_run(&r, 700 * S);	/* the first is over */
	ck_assert_uint_eq(p->nkeys, 3);
	ck_assert_int_eq(kms_subscription_get(r.store, 1, &sale), GW_WON);
	ck_assert(sale.key == k[2].id && sale.state == KMS_TOLD);
	rig_stop(&r);
}
END_TEST

START_TEST(pushes_are_paced)
{
	struct rig r = { .w = rig_world(), .conf = rig_conf() };

	gw_secrets_init(256, true, NULL);
	r.conf.pushes_per_second = 5;
	rig_start(&r);
	int64_t news = rig_service(&r, "news");
	for (size_t i = 0; i < 30; i++) {
		struct phone *p = rig_phone(&r, true, true);
		owned(&r, p, news);
		registers(&r, p);
	}
	rig_run(&r, 2 * S);
	ck_assert_uint_ge(r.w->nlog, 8);
	ck_assert_uint_le(r.w->nlog, 12);
	rig_run(&r, 5 * S);
	ck_assert_uint_eq(r.w->nlog, 30);
	rig_stop(&r);
}
END_TEST

SUITE("bsm_delivery",
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_clock_that_is_set_back_delays_nothing); tcase_add_test(t, a_clock_that_was_set_back_delays_nothing);
	tcase_add_test(t, a_registration_brings_all_that_was_bought); tcase_add_test(t, no_answer_is_repeated_three_times_then_given_up);
	tcase_add_test(t, an_sms_brings_it_back); tcase_add_test(t, without_a_number_it_waits_for_the_registration);
	tcase_add_test(t, a_message_lost_behind_a_later_one_gets_a_new_counter);
	tcase_add_test(t, bought_while_registered); tcase_add_test(t, bought_without_the_pull); tcase_add_test(t, bought_while_off);
	tcase_add_test(t, two_purchases_while_off_are_one_sms); tcase_add_test(t, bought_before_the_first_bootstrapping);
	tcase_add_test(t, an_sms_that_is_nowhere_is_sent_again_when_its_sink_has_gone);
	tcase_add_test(t, a_refused_sms_is_tried_less_and_less_often_then_given_up); tcase_add_test(t, what_a_full_socket_left_waits_its_turn);
	tcase_add_test(t, an_operators_pull_goes_by_sms_though_it_is_registered);
	tcase_add_test(t, what_begins_tomorrow_is_pushed_tomorrow); tcase_add_test(t, purchases_by_commands_are_found);
	tcase_add_test(t, a_cut_takes_the_key_away_and_the_others_get_a_new_one); tcase_add_test(t, what_is_paid_for_twice_is_not_cut);
	tcase_add_test(t, a_deregistered_terminal_is_left_alone); tcase_add_test(t, a_requested_key_is_pushed);
	tcase_add_test(t, only_a_right_verification_counts); tcase_add_test(t, a_flood_is_bounded);
	tcase_add_test(t, nothing_leaves_before_the_store_has_it); tcase_add_test(t, an_unclean_stop_skips_counters_and_goes_on);
	tcase_add_test(t, a_new_smk_gets_a_new_message); tcase_add_loop_test(t, management_data_as_told, 0, 2);
	tcase_add_test(t, a_roll_goes_evenly_to_all_who_are_entitled); tcase_add_test(t, a_roll_at_a_given_rate);
	tcase_add_test(t, a_roll_counts_failures_and_sms_and_who_comes_back); tcase_add_test(t, a_roll_goes_on_where_it_was);
	tcase_add_test(t, another_interval_goes_to_all_who_are_entitled); tcase_add_test(t, an_update_goes_on_where_it_was);
	tcase_add_test(t, a_card_gets_no_third_key_of_a_group);
	tcase_add_test(t, pushes_are_paced))
