/* tests/unit/test_kms_keymgr.c: a year of crypto-periods, and its worst moments, by the clock of the test */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include "kms/keymgr.h"
#include "lib/secret.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

#define S INT64_C(1000000)
#define DAY (86400 * S)
static const int64_t T0 = INT64_C(1800000000) * S;	/* a night in 2027 */
enum { NEWS = 10, NEWS_PPV = 11 };			/* ECM_ids: the subscription's stream and the programmes' */

static struct kms_store *store;
static struct kms_service news;
static struct keymgr_plan plan = { .life_us = 20 * DAY, .window_us = DAY };
static char path[128];

static struct kms_store *
reopen(struct kms_store *s)
{
	struct gw_err err = { 0 };

	kms_store_close(s);
	ck_assert_msg(kms_store_open(&(struct kms_store_conf){ .path = path, .create = true }, &s, &err) == 0, "%s", err.text);
	return s;
}

static void
ready(uint32_t crypto_period_ms)
{
	snprintf(path, sizeof(path), "%s", scratch("kms.db"));
	store = reopen(NULL);
	news = (struct kms_service){ .name = "news", .item = "urn:news", .domain = { 0x00, 0xf1, 0x10 }, .crypto_period_ms = crypto_period_ms,
		.group = { 0, 0 } };
	kms_store_begin(store);
	ck_assert_int_eq(kms_service_put(store, &news), GW_WON);
	ck_assert_int_eq(kms_stream_put(store, NEWS, news.id, KMS_SEK), GW_WON);
	ck_assert_int_eq(kms_stream_put(store, NEWS_PPV, news.id, KMS_PEK), GW_WON);
	ck_assert_int_eq(kms_service_get(store, news.id, &news), GW_WON);
	ck_assert_int_eq(kms_store_flush(store), GW_WON);
}

/* What a generator does for a CP. The TEK's hash is that of the test's TEK for that CP; other: another TEK's. */
struct got { enum keymgr_answer answer; struct kms_key k; uint16_t tek_id; bool spent, same; };

static struct got
ask_in(struct kms_store *s, const struct keymgr_plan *p, uint16_t ecm_id, uint64_t cp, int64_t now_us, uint8_t other)
{
	struct got g = { .answer = KEYMGR_LATER };
	uint8_t hash[32] = { other };

	memcpy(hash + 1, &cp, sizeof(cp));
	g.answer = keymgr_at(s, p, ecm_id, (uint16_t)cp, now_us, &g.k, &g.tek_id);
	if (g.answer == KEYMGR_KEY) {
		enum gw_outcome o = kms_tek_spend(s, g.k.id, g.tek_id, hash, &g.same);
		g.spent = o == GW_WON;
		g.answer = o == GW_UNAVAILABLE ? KEYMGR_LATER : g.answer;
	}
	return g;
}

static bool bsm_is_down;	/* then nobody makes LTKMs of a roll due */

static int
note_pushing(void *self, const struct kms_roll *r)
{
	if (r->state == KMS_ROLL_PUSHING)
		*(struct kms_roll *)self = *r;
	return 0;
}

/* As the BSM has it, by the end of a window. */
static void
push(struct kms_store *s, int64_t now_us)
{
	struct kms_roll r = { .id = 0 };

	ck_assert_int_eq(kms_rolls(s, false, note_pushing, &r), GW_WON);
	if (r.id && now_us >= r.switch_us) {
		r.state = KMS_ROLL_READY;
		ck_assert_int_eq(kms_roll_change(s, &r), GW_WON);
	}
}

static struct got
ask_of(struct kms_store *s, uint16_t ecm_id, uint64_t cp, int64_t now_us)
{
	kms_store_begin(s);
	if (!bsm_is_down)
		push(s, now_us);
	struct got g = ask_in(s, &plan, ecm_id, cp, now_us, 0);
	ck_assert_int_eq(kms_store_flush(s), GW_WON);
	return g;
}

static struct got
ask(uint64_t cp, int64_t now_us)
{
	return ask_of(store, NEWS, cp, now_us);
}

#define IS(g, number_, tek) do { \
	ck_assert_int_eq((g).answer, KEYMGR_KEY); \
	ck_assert_int_eq((g).k.number, (int)(number_)); \
	ck_assert_int_eq((g).tek_id, (int)(tek)); \
	ck_assert((g).spent || (g).same); \
} while (0)

static enum gw_outcome
grouped(enum gw_outcome o)
{
	ck_assert_int_eq(kms_store_flush(store), GW_WON);
	return o;
}

#define IN_GROUP(call) (kms_store_begin(store), grouped(call))

static int64_t
tick(int64_t now_us)
{
	int64_t next_us = 0;

	ck_assert_int_eq(IN_GROUP(keymgr_tick(store, &plan, now_us, &next_us)), GW_WON);
	ck_assert_int_gt(next_us, now_us);
	return next_us;
}

struct census { int live, by_state[4]; struct kms_key last; };

static int
count_key(void *self, const struct kms_key *k)
{
	struct census *c = self;

	c->live++;
	c->by_state[k->state]++;
	c->last = *k;
	return 0;
}

static struct census
census(enum kms_kind kind)
{
	struct census c = { 0 };

	ck_assert_int_eq(kms_keys(store, news.id, kind, count_key, &c), GW_WON);
	return c;
}

/* ---- one SEK */

START_TEST(the_first_sek_waits_for_its_first_stkm)
{
	ready(10000);
	ck_assert_int_eq(IN_GROUP(keymgr_first(store, &news, &plan, T0)), GW_WON);
	ck_assert_int_eq(IN_GROUP(keymgr_first(store, &news, &plan, T0 + S)), GW_WON);
	struct census c = census(KMS_SEK);
	ck_assert_int_eq(c.live, 1);
	ck_assert_int_eq(c.last.state, KMS_KEY_CURRENT);	/* LTKMs with it may go out */
	ck_assert_int_eq(c.last.first_cp, -1);
	ck_assert_uint_eq(c.last.upper, 65535);
	ck_assert_int_eq(c.last.valid_until_us - c.last.valid_from_us, 65535 * 10 * S);	/* 20 days are more than its TEK IDs */
	struct got g = ask(700, T0 + DAY);
	IS(g, c.last.number, 1);
	ck_assert_mem_eq(g.k.key, c.last.key, 16);
	ck_assert_mem_eq(g.k.rand, c.last.rand, 16);
	IS(ask(701, T0 + DAY + 10 * S), c.last.number, 2);
	IS(ask(1000, T0 + DAY + 3000 * S), c.last.number, 301);	/* those between were not asked for */
	c = census(KMS_SEK);
	ck_assert_int_eq(c.last.first_cp, 700);
	ck_assert_int_eq(c.last.valid_from_us, T0);	/* as planned */
}
END_TEST

START_TEST(without_a_bsm_the_stkmg_makes_the_first)
{
	ready(10000);
	IS(ask(65535, T0), 1, 1);
	IS(ask(65536, T0), 1, 2);	/* CP_number 0 */
	ck_assert_int_eq(ask_of(store, 77, 0, T0).answer, KEYMGR_UNKNOWN);
}
END_TEST

START_TEST(a_tek_id_has_one_tek_for_ever)	/* also across a restart */
{
	ready(10000);
	for (uint64_t cp = 100; cp < 500; cp++)
		IS(ask(cp, T0 + (int64_t)cp * 10 * S), 1, cp - 99);
	for (int restarted = 0; restarted < 2; restarted++) {
		kms_store_begin(store);
		struct got g = ask_in(store, &plan, NEWS, 499, T0 + 4990 * S, 1);
		ck_assert_int_eq(g.answer, KEYMGR_KEY);
		ck_assert(!g.spent && !g.same);
		g = ask_in(store, &plan, NEWS, 499, T0 + 4990 * S, 0);
		ck_assert(!g.spent && g.same);
		g = ask_in(store, &plan, NEWS, 120, T0 + 4990 * S, 0);	/* long forgotten */
		ck_assert(g.answer == KEYMGR_BEYOND || (!g.spent && !g.same));
		ck_assert_int_eq(kms_store_flush(store), GW_WON);
		store = reopen(store);
	}
	/* What was dropped did not happen. */
	kms_store_begin(store);
	ck_assert(ask_in(store, &plan, NEWS, 500, T0 + 5000 * S, 1).spent);
	kms_store_drop(store);
	IS(ask(500, T0 + 5000 * S), 1, 401);
}
END_TEST

START_TEST(cps_just_before_belong_to_the_key_before)
{
	ready(10000);
	for (uint64_t cp = 1000; cp < 1100; cp++)
		IS(ask(cp, T0), 1, cp - 999);
	ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, T0, T0)), GW_WON);
	IS(ask(1200, T0 + S), 2, 1);
	IS(ask(1201, T0 + S), 2, 2);
	IS(ask(1199, T0 + S), 1, 200);	/* never answered */
	IS(ask(1136, T0 + S), 1, 137);
	ck_assert_int_eq(ask(1135, T0 + S).answer, KEYMGR_BEYOND);
	IS(ask(1202, T0 + S), 2, 3);
}
END_TEST

START_TEST(a_whole_interval_is_served)	/* 65535 TEK IDs: its last CPs are not just before its first */
{
	static const uint64_t steps[] = { 1, 40000, 60000, 65000, 65400, 65480, 65530, 65534, 65535 };
	ready(3600000);
	plan = (struct keymgr_plan){ .life_us = 10000 * DAY, .window_us = 5 * 3600 * S };
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++)
		IS(ask(4999 + steps[k], T0 + S * 3600 * (int64_t)steps[k]), 1, steps[k]);
	ck_assert_int_eq(census(KMS_SEK).by_state[KMS_KEY_NEW], 1);
	IS(ask(4999 + 65536, T0 + S * 3600 * 65536), 2, 1);
	IS(ask(4999 + 65535, T0 + S * 3600 * 65536), 1, 65535);
	IS(ask(4999 + 65537, T0 + S * 3600 * 65537), 2, 2);
}
END_TEST

/* ---- the next one */

START_TEST(a_roll_ends_at_its_time)
{
	int64_t now = T0;
	struct kms_roll roll;
	uint64_t cp = 0;

	ready(100000);
	IS(ask(cp, now), 1, 1);
	int64_t next = tick(now);
	ck_assert_int_eq(census(KMS_SEK).live, 1);
	for (; now < T0 + 19 * DAY; now += 100 * S, cp++)
		IS(ask(cp, now), 1, cp + 1);
	ck_assert_int_le(next, T0 + 60 * S);
	tick(now);
	struct census c = census(KMS_SEK);
	ck_assert_int_eq(c.by_state[KMS_KEY_NEW], 1);
	ck_assert_uint_eq(c.last.number, 2);
	ck_assert_int_eq(kms_roll_get(store, c.last.id, &roll), GW_WON);
	ck_assert_int_eq(roll.switch_us, T0 + 20 * DAY);
	ck_assert_int_eq(roll.from_us, now);
	ck_assert_int_eq(roll.state, KMS_ROLL_PUSHING);
	for (; now < T0 + 20 * DAY; now += 100 * S, cp++)
		IS(ask(cp, now), 1, cp + 1);
	roll.state = KMS_ROLL_READY;	/* as the BSM has it */
	ck_assert_int_eq(kms_roll_change(store, &roll), GW_WON);
	IS(ask(cp, now), 2, 1);
	ck_assert_int_eq(kms_roll_get(store, c.last.id, &roll), GW_WON);
	ck_assert_int_eq(roll.state, KMS_ROLL_DONE);
	c = census(KMS_SEK);
	ck_assert_int_eq(c.by_state[KMS_KEY_OLD], 1);
	ck_assert_int_eq(c.last.valid_until_us, now + 20 * DAY);
	tick(now + 3599 * S);
	ck_assert_int_eq(census(KMS_SEK).live, 2);
	tick(now + 3601 * S);	/* nothing on air needs the old one */
	ck_assert_int_eq(census(KMS_SEK).live, 1);
}
END_TEST

START_TEST(a_roll_that_is_still_pushing_ends_later)
{
	struct kms_roll roll;

	bsm_is_down = true;
	ready(10000);
	IS(ask(1, T0), 1, 1);
	ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, T0, T0 + 600 * S)), GW_WON);
	IS(ask(2, T0 + 600 * S), 1, 2);		/* the cards do not have it yet: for as long as the window was… */
	IS(ask(3, T0 + 1200 * S - 1), 1, 3);
	IS(ask(4, T0 + 1200 * S), 2, 1);	/* …and no longer */
	ck_assert_int_eq(kms_roll_get(store, census(KMS_SEK).last.id, &roll), GW_WON);
	ck_assert_int_eq(roll.state, KMS_ROLL_PUSHING);	/* not DONE: the rest must still be told */
	tick(T0 + 1201 * S);
	ck_assert_int_eq(kms_roll_get(store, roll.new_key, &roll), GW_WON);
	ck_assert_int_eq(roll.state, KMS_ROLL_PUSHING);
	roll.state = KMS_ROLL_READY;
	ck_assert_int_eq(kms_roll_change(store, &roll), GW_WON);
	tick(T0 + 1202 * S);
	ck_assert_int_eq(kms_roll_get(store, roll.new_key, &roll), GW_WON);
	ck_assert_int_eq(roll.state, KMS_ROLL_DONE);
}
END_TEST

START_TEST(a_cut_is_at_once_and_sooner_wins)
{
	struct kms_roll roll;

	ready(10000);
	IS(ask(50, T0), 1, 1);
	ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, T0, T0 + DAY)), GW_WON);
	ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, T0, T0 + 2 * DAY)), GW_EXISTS);
	ck_assert_int_eq(kms_roll_get(store, census(KMS_SEK).last.id, &roll), GW_WON);
	ck_assert_int_eq(roll.switch_us, T0 + DAY);
	IS(ask(51, T0 + 10 * S), 1, 2);
	ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, T0 + 15 * S, T0 + 15 * S)), GW_EXISTS);
	IS(ask(51, T0 + 16 * S), 1, 2);	/* answered before */
	IS(ask(52, T0 + 16 * S), 2, 1);
	IS(ask(51, T0 + 17 * S), 1, 2);
	/* One after the other: a card keeps two of a group. */
	for (unsigned n = 3; n < 9; n++) {
		ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, T0 + n * 20 * S, T0 + n * 20 * S)), GW_WON);
		ck_assert_int_eq(census(KMS_SEK).live, 2);
		IS(ask(50 + n, T0 + n * 20 * S), n, 1);
		ck_assert_int_eq(census(KMS_SEK).live, 2);
	}
}
END_TEST

START_TEST(a_cut_before_the_first_stkm_leaves_no_gap)
{
	ready(10000);
	ck_assert_int_eq(IN_GROUP(keymgr_first(store, &news, &plan, T0)), GW_WON);
	ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, T0, T0)), GW_WON);
	IS(ask(9, T0 + S), 2, 1);
	IS(ask(10, T0 + S), 2, 2);
}
END_TEST

START_TEST(the_stkmg_asks_for_the_next_key_itself)	/* no BSM is alive */
{
	ready(10000);
	plan = (struct keymgr_plan){ .life_us = DAY, .window_us = 10 * S, .tek_ids = 30 };
	for (uint64_t cp = 0; cp < 300; cp++) {
		IS(ask(cp, T0 + (int64_t)cp * 10 * S), cp / 30 + 1, cp % 30 + 1);
		ck_assert_int_eq(census(KMS_SEK).by_state[KMS_KEY_NEW], cp % 30 >= 30 - KEYMGR_FEW);
	}
}
END_TEST

START_TEST(a_window_has_its_room_when_planning_comes_late)
{
	struct kms_roll roll;

	ready(100000);
	IS(ask(0, T0), 1, 1);
	IS(ask(18000, T0 + 25 * DAY), 1, 18001);	/* 20 days were over, nobody had planned: an STKM comes before a roll does */
	struct census c = census(KMS_SEK);
	ck_assert_int_eq(c.by_state[KMS_KEY_NEW], 1);
	ck_assert_int_eq(kms_roll_get(store, c.last.id, &roll), GW_WON);
	ck_assert_int_eq(roll.switch_us, T0 + 26 * DAY);
	IS(ask(18001, T0 + 26 * DAY), 2, 1);
}
END_TEST

/* ---- CP numbers that are none of ours */

START_TEST(beyond_the_interval_there_is_no_key)
{
	ready(10000);
	plan = (struct keymgr_plan){ .life_us = DAY, .window_us = 10 * S, .tek_ids = 100 };
	IS(ask(0, T0), 1, 1);
	ck_assert_int_eq(ask(1000, T0).answer, KEYMGR_BEYOND);
	ck_assert_int_eq(ask(50000, T0).answer, KEYMGR_BEYOND);
	ck_assert_int_eq(ask(65535, T0).answer, KEYMGR_BEYOND);	/* just before the first key there was none */
	ck_assert_int_eq(census(KMS_SEK).live, 1);		/* and none is made for whoever asks so */
	IS(ask(1, T0), 1, 2);
	/* CP numbers that began anew: a roll takes what comes. */
	ck_assert_int_eq(ask(40000, T0).answer, KEYMGR_BEYOND);
	ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, T0, T0)), GW_WON);
	IS(ask(40000, T0), 2, 1);
}
END_TEST

/* ---- two generators */

START_TEST(a_stand_by_gives_the_same_around_the_switch)
{
	struct kms_store *other;

	ready(10000);
	other = reopen(NULL);
	IS(ask(1, T0), 1, 1);
	ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, T0, T0 + 100 * S)), GW_WON);
	IS(ask(2, T0 + 99 * S), 1, 2);
	IS(ask_of(other, NEWS, 2, T0 + 101 * S), 1, 2);	/* the window ended between the two */
	IS(ask_of(other, NEWS, 3, T0 + 109 * S), 2, 1);
	IS(ask(3, T0 + 99 * S), 2, 1);			/* a clock that is behind */
	IS(ask(2, T0 + 112 * S), 1, 2);
	kms_store_close(other);
}
END_TEST

START_TEST(one_waits_for_the_other_s_group)
{
	struct kms_store *other;
	struct got g;

	ready(10000);
	other = reopen(NULL);
	IS(ask(1, T0), 1, 1);
	kms_store_begin(other);
	g = ask_in(other, &plan, NEWS, 2, T0, 0);
	ck_assert(g.spent);
	kms_store_begin(store);
	g = ask_in(store, &plan, NEWS, 2, T0, 0);
	ck_assert_int_eq(g.answer, KEYMGR_LATER);
	ck_assert_int_eq(kms_store_flush(store), GW_UNAVAILABLE);
	ck_assert_int_eq(kms_store_flush(other), GW_WON);
	IS(ask(2, T0), 1, 2);
	kms_store_close(other);
}
END_TEST

START_TEST(key_numbers_wrap_past_0)
{
	static const unsigned numbers[] = { 65534, 65535, 1, 2, 3 };
	sqlite3 *db;

	ready(10000);
	IS(ask(1, T0), 1, 1);
	/* 65532 rolls later */
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "UPDATE keys SET number = 65533", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
		const int64_t now = T0 + (int64_t)(k + 1) * DAY;
		ck_assert_int_eq(IN_GROUP(keymgr_next(store, &news, &plan, now, now)), GW_WON);
		IS(ask(2 + k, now), numbers[k], 1);
	}
}
END_TEST

/* ---- programmes */

START_TEST(programmes_follow_each_other)
{
	struct kms_key k, again;
	uint64_t cp = 65500;
	int none = 0, of[4] = { 0 };

	ready(10000);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "match", T0 + 1000 * S, T0 + 2000 * S, &k)), GW_WON);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "match", T0 + 1000 * S, T0 + 2000 * S, &again)), GW_WON);
	ck_assert_int_eq(again.id, k.id);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "film", T0 + 1999 * S, T0 + 3000 * S, &again)), GW_EXISTS);
	ck_assert_str_eq(again.programme, "match");
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "late", T0 + 3000 * S, T0 + 4000 * S, &again)), GW_WON);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "film", T0 + 2000 * S, T0 + 2500 * S, &again)), GW_WON);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "none", T0, T0, &again)), GW_EXISTS);
	/* Asked three seconds ahead: [T0 + 10 n, T0 + 10 n + 10) are CP 65500 + n. */
	for (int64_t n = 0; n < 500; n++, cp++) {
		const int64_t begins = T0 + n * 10 * S;
		struct got g = ask_of(store, NEWS_PPV, cp, begins - 3 * S), sek = ask(cp, begins - 3 * S);
		const int want = n < 100 ? 0 : n < 200 ? 1 : n < 250 ? 3 : n < 300 ? 0 : n < 400 ? 2 : 0;	/* by Key Number */

		IS(sek, 1, n + 1);
		of[want]++;
		if (want == 0) {
			ck_assert_int_eq(g.answer, KEYMGR_NO_PROGRAMME);
			none++;
			continue;
		}
		IS(g, want, of[want]);
		ck_assert_uint_eq(g.k.group, news.group[KMS_PEK]);
		ck_assert_uint_ne(g.k.group, sek.k.group);
		/* Again, when the programme may be over, and the one before. */
		IS(ask_of(store, NEWS_PPV, cp, begins + 20 * S), want, of[want]);
		if (of[want] > 1)
			IS(ask_of(store, NEWS_PPV, cp - 1, begins + 30 * S), want, of[want] - 1);
	}
	ck_assert_int_eq(none, 250);
	ck_assert_int_eq(census(KMS_PEK).live, 3);
	tick(T0 + 2 * DAY);
	ck_assert_int_eq(census(KMS_PEK).live, 0);
}
END_TEST

START_TEST(a_programme_is_cut_by_its_end)
{
	struct kms_key k;

	ready(10000);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "match", T0, T0 + 1000 * S, &k)), GW_WON);
	IS(ask_of(store, NEWS_PPV, 7, T0), 1, 1);
	ck_assert_int_eq(kms_key_validity(store, k.id, T0 + 10 * S), GW_WON);
	IS(ask_of(store, NEWS_PPV, 7, T0 + 9 * S), 1, 1);
	ck_assert_int_eq(ask_of(store, NEWS_PPV, 8, T0 + 9 * S).answer, KEYMGR_NO_PROGRAMME);
}
END_TEST

START_TEST(the_same_number_a_week_later_is_another_programme_s)	/* nobody has buried the key of the first */
{
	struct kms_key k;

	ready(1000);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "a", T0, T0 + 600 * S, &k)), GW_WON);
	IS(ask_of(store, NEWS_PPV, 7, T0), 1, 1);
	IS(ask_of(store, NEWS_PPV, 8, T0 + S), 1, 2);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "b", T0 + 65536 * S, T0 + 65600 * S, &k)), GW_WON);
	ck_assert_int_eq(ask_of(store, NEWS_PPV, 65536 + 2, T0 + 65530 * S).answer, KEYMGR_NO_PROGRAMME);
	IS(ask_of(store, NEWS_PPV, 65536 + 8, T0 + 65536 * S), 2, 1);
}
END_TEST

/* ---- a year */

static const struct { struct keymgr_plan plan; bool stkmg_knows; unsigned least, most; } years[] = {
	/* by life */					{ { .life_us = 20 * DAY, .window_us = DAY }, true, 18, 24 },
	/* the STKMG goes on as the BSM began */	{ { .life_us = 30 * DAY, .window_us = 3600 * S }, false, 12, 16 },
	/* by TEK IDs */				{ { .life_us = 300 * DAY, .window_us = DAY, .tek_ids = 500 }, true, 31, 35 },
};

static uint64_t seed = 20271;

static unsigned
chance(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % n;
}

/* The BSM's part now and then: it may be down for days. */
static void
bsm(int64_t now_us, int64_t *down_until_us)
{
	struct kms_roll roll;
	int64_t next_us;

	if (chance(500) == 0)
		*down_until_us = now_us + chance(5) * DAY;
	if (now_us < *down_until_us)
		return;
	ck_assert_int_eq(keymgr_tick(store, &plan, now_us, &next_us), GW_WON);
	struct census c = census(KMS_SEK);
	ck_assert_int_le(c.live, 2);
	if (kms_roll_get(store, c.last.id, &roll) == GW_WON && roll.state == KMS_ROLL_PUSHING && now_us > (roll.from_us + roll.switch_us) / 2) {
		roll.state = KMS_ROLL_READY;
		ck_assert_int_eq(kms_roll_change(store, &roll), GW_WON);
	}
	if (chance(500) == 0)	/* a cut */
		ck_assert_int_ne(keymgr_next(store, &news, &plan, now_us, now_us), GW_UNAVAILABLE);
}

START_TEST(a_year_of_crypto_periods)	/* _i: of years; CPs of 2000 s, numbers wrap */
{
	const int64_t cp_us = 2000 * S;
	int64_t down = 0;
	unsigned rolls = 0, number = 0, tek = 0;

	plan = years[_i].plan;
	seed += (unsigned)_i;
	ready((uint32_t)(cp_us / 1000));
	kms_store_begin(store);
	ck_assert_int_eq(keymgr_first(store, &news, &plan, T0), GW_WON);
	for (uint64_t n = 0; n < 15768; n++) {
		const int64_t at = T0 + (int64_t)n * cp_us - 3 * S;
		const uint64_t cp = 60000 + n;
		const struct keymgr_plan *p = years[_i].stkmg_knows ? &plan : NULL;

		if (n % 4 == 0)
			bsm(at - (int64_t)chance(900) * S, &down);
		/* One generator, and the other with another delay and clock; or one is down; a retry of what was before. */
		struct got a = ask_in(store, p, NEWS, cp, at + chance(3000) * 1000, 0);
		IS(a, a.k.number, a.tek_id);
		if (chance(4)) {
			struct got b = ask_in(store, p, NEWS, cp, at + chance(5000) * 1000 - 2 * S, 0);
			IS(b, a.k.number, a.tek_id);
			ck_assert(b.same);
		}
		if (n && chance(10) == 0) {
			struct got b = ask_in(store, p, NEWS, cp - 1, at + 2 * S, 0);
			ck_assert_int_eq(b.answer, KEYMGR_KEY);
			ck_assert(b.same);
			if (a.tek_id == 1)
				ck_assert_uint_eq(b.k.number, a.k.number - 1);
		}
		if (chance(100) == 0)
			ck_assert(!ask_in(store, p, NEWS, cp, at, 1).same);
		if (a.k.number != number) {
			ck_assert_uint_eq(a.k.number, number + 1);
			ck_assert_uint_eq(a.tek_id, 1);
			rolls++;
		} else {
			ck_assert_uint_eq(a.tek_id, tek + 1);
		}
		number = a.k.number;
		tek = a.tek_id;
		if (n % 500 == 499) {
			ck_assert_int_eq(kms_store_flush(store), GW_WON);
			if (n % 1000 == 999)
				store = reopen(store);
			kms_store_begin(store);
		}
	}
	ck_assert_int_eq(kms_store_flush(store), GW_WON);
	ck_assert_msg(rolls >= years[_i].least && rolls <= years[_i].most + 20, "%u rolls", rolls);	/* and the cuts */
}
END_TEST

START_TEST(a_life_is_no_longer_than_its_tek_ids)
{
	ck_assert_int_eq(keymgr_life_max_us(0, 10000), 655350 * S);	/* seven days and a half */
	ck_assert_int_ge(keymgr_life_max_us(0, 40000), 30 * DAY);
	ck_assert_int_eq(keymgr_life_max_us(100, 1000), 100 * S);
}
END_TEST

static const char *
change(const struct kms_key *k, uint16_t upper, int64_t until_us, int64_t now_us)
{
	const struct keymgr_validity to = { upper, until_us };
	const char *why = "";
	enum gw_outcome o;

	kms_store_begin(store);
	o = keymgr_change(store, &news, k->id, &to, now_us, now_us, &why);
	ck_assert_int_ne(o, GW_UNAVAILABLE);
	ck_assert_int_eq(kms_store_flush(store), GW_WON);
	return o == GW_WON ? "" : why;
}

#define REFUSED(words, call) ck_assert_ptr_nonnull(strstr((call), words))

START_TEST(another_end_of_the_interval_holds_at_once)
{
	ready(10000);
	struct got g = ask(100, T0);
	struct kms_key k;

	IS(g, 1, 1);
	g = ask(150, T0 + 500 * S);
	IS(g, 1, 51);
	REFUSED("spent", change(&g.k, 51, 0, T0 + 500 * S));
	ck_assert_str_eq(change(&g.k, 52, 0, T0 + 500 * S), "");
	ck_assert_int_eq(kms_key_get(store, g.k.id, &k), GW_WON);
	ck_assert_uint_eq(k.upper, 52);
	IS(ask(151, T0 + 510 * S), 1, 52);
	IS(ask(152, T0 + 520 * S), 2, 1);	/* used up: the next one is made, and takes over */
	IS(ask(151, T0 + 520 * S), 1, 52);
	REFUSED("not used any more", change(&g.k, 9999, 0, T0 + 520 * S));
}
END_TEST

START_TEST(a_sek_is_kept_longer)
{
	ready(40000);
	struct got g = ask(100, T0);
	const int64_t until = T0 + 25 * DAY;

	IS(g, 1, 1);
	REFUSED("do not last", change(&g.k, 0, T0 + 40 * DAY, T0));
	REFUSED("do not last", change(&g.k, 1000, T0 + DAY, T0));
	REFUSED("over", change(&g.k, 0, T0 - S, T0));
	ck_assert_str_eq(change(&g.k, 0, until, T0), "");
	tick(T0 + 20 * DAY);	/* as it was planned: no successor yet */
	ck_assert_int_eq(census(KMS_SEK).live, 1);
	tick(until - DAY / 2);
	ck_assert_int_eq(census(KMS_SEK).live, 2);
	REFUSED("on its way", change(&g.k, 0, T0 + 26 * DAY, until - DAY / 2));
}
END_TEST

START_TEST(a_programme_is_prolonged)
{
	struct kms_key final, late;

	ready(10000);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "urn:final", T0, T0 + 3600 * S, &final)), GW_WON);
	ck_assert_int_eq(IN_GROUP(keymgr_programme(store, &news, "urn:late", T0 + 7200 * S, T0 + 9000 * S, &late)), GW_WON);
	IS(ask_of(store, NEWS_PPV, 100, T0 + S), 1, 1);
	REFUSED("another programme", change(&final, 0, T0 + 7300 * S, T0 + S));
	ck_assert_str_eq(change(&final, 0, T0 + 6300 * S, T0 + S), "");
	IS(ask_of(store, NEWS_PPV, 700, T0 + 6000 * S), 1, 601);
	ck_assert_int_eq(ask_of(store, NEWS_PPV, 740, T0 + 6400 * S).answer, KEYMGR_NO_PROGRAMME);
}
END_TEST

static void
locked_memory(void)
{
	ck_assert_int_eq(gw_secrets_init(256, true, NULL), 0);
}

SUITE("kms_keymgr", tcase_add_checked_fixture(t, locked_memory, NULL); tcase_add_test(t, the_first_sek_waits_for_its_first_stkm);
      tcase_add_test(t, without_a_bsm_the_stkmg_makes_the_first); tcase_add_test(t, a_tek_id_has_one_tek_for_ever);
      tcase_add_test(t, cps_just_before_belong_to_the_key_before); tcase_add_test(t, a_whole_interval_is_served);
      tcase_add_test(t, a_roll_ends_at_its_time); tcase_add_test(t, a_roll_that_is_still_pushing_ends_later);
      tcase_add_test(t, a_cut_is_at_once_and_sooner_wins); tcase_add_test(t, a_cut_before_the_first_stkm_leaves_no_gap);
      tcase_add_test(t, the_stkmg_asks_for_the_next_key_itself); tcase_add_test(t, a_window_has_its_room_when_planning_comes_late);
      tcase_add_test(t, beyond_the_interval_there_is_no_key); tcase_add_test(t, a_stand_by_gives_the_same_around_the_switch);
      tcase_add_test(t, one_waits_for_the_other_s_group); tcase_add_test(t, key_numbers_wrap_past_0); tcase_add_test(t, programmes_follow_each_other);
      tcase_add_test(t, a_programme_is_cut_by_its_end); tcase_add_test(t, the_same_number_a_week_later_is_another_programme_s);
      tcase_add_test(t, another_end_of_the_interval_holds_at_once); tcase_add_test(t, a_sek_is_kept_longer); tcase_add_test(t, a_programme_is_prolonged);
      tcase_add_loop_test(t, a_year_of_crypto_periods, 0, sizeof(years) / sizeof(years[0])); tcase_add_test(t, a_life_is_no_longer_than_its_tek_ids))
