/* tests/unit/test_lib_fsm.c */
#include <stdio.h>
#include <string.h>
#include "lib/fsm.h"
#include "tests/suite.h"

enum { SHUT, OPENING, OPEN, ENDED };
enum { CONNECTED, STATUS, LOST, STOP };

struct door { struct gw_state state; char heard[512]; };

static void
hear(struct door *d, const char *what, const void *arg)
{
	snprintf(d->heard + strlen(d->heard), sizeof(d->heard) - strlen(d->heard), "%s(%s)@%s ", what,
	    arg ? (const char *)arg : "", gw_fsm_name(&d->state));
}
static void
knock(void *self, const void *arg)
{
	hear(self, "knock", arg);
	gw_fsm_post(&((struct door *)self)->state, STATUS);
	hear(self, "knocked", NULL);
}
static void
enter(void *self, const void *arg)
{
	hear(self, "enter", arg);
}
static void
leave(void *self, const void *arg)
{
	hear(self, "leave", arg);
}
static void
stray(void *self, int state, int event, const void *arg)
{
	char what[32];

	snprintf(what, sizeof(what), "stray-%d-%d", state, event);
	hear(self, what, arg);
}

static const struct gw_edge edges[] = {
	{ SHUT,    CONNECTED, OPENING, knock },
	{ OPENING, STATUS,    OPEN,    enter },
	{ OPEN,    STATUS,    GW_SAME, NULL  },
	{ OPEN,    LOST,      OPENING, leave },	/* before the general row */
	{ GW_ANY,  LOST,      SHUT,    leave },
	{ GW_ANY,  STOP,      ENDED,   NULL  },
};
static const char *const states[] = { "SHUT", "OPENING", "OPEN", "ENDED" };
static const char *const events[] = { "CONNECTED", "STATUS", "LOST", "STOP" };
static const struct gw_fsm door = { "door", edges, 6, states, 4, events, 4, stray };

START_TEST(rows_act_in_the_new_state_and_posts_follow)
{
	struct door d = { .heard = "" };

	gw_fsm_init(&d.state, &door, SHUT);
	gw_fsm_feed(&d.state, &d, CONNECTED, "a");
	ck_assert_str_eq(d.heard, "knock(a)@OPENING knocked()@OPENING enter()@OPEN ");
	ck_assert_int_eq(d.state.state, OPEN);
	d.heard[0] = '\0';
	gw_fsm_feed(&d.state, &d, STATUS, "b");
	gw_fsm_feed(&d.state, &d, LOST, "c");
	gw_fsm_feed(&d.state, &d, LOST, "d");
	ck_assert_str_eq(d.heard, "leave(c)@OPENING leave(d)@SHUT ");
}
END_TEST

START_TEST(a_pair_without_a_row_is_stray_and_stays)
{
	struct door d = { .heard = "" };

	gw_fsm_init(&d.state, &door, SHUT);
	gw_fsm_feed(&d.state, &d, STATUS, "x");
	ck_assert_str_eq(d.heard, "stray-0-1(x)@SHUT ");
	gw_fsm_feed(&d.state, &d, STOP, NULL);
	ck_assert_str_eq(gw_fsm_name(&d.state), "ENDED");
}
END_TEST

START_TEST(the_machine_prints_as_a_page)
{
	static const char page[] =
	    "SHUT + CONNECTED -> OPENING\nSHUT + STATUS stray\nSHUT + LOST -> SHUT\nSHUT + STOP -> ENDED\n"
	    "OPENING + CONNECTED stray\nOPENING + STATUS -> OPEN\nOPENING + LOST -> SHUT\nOPENING + STOP -> ENDED\n"
	    "OPEN + CONNECTED stray\nOPEN + STATUS -> OPEN\nOPEN + LOST -> OPENING\nOPEN + STOP -> ENDED\n"
	    "ENDED + CONNECTED stray\nENDED + STATUS stray\nENDED + LOST -> SHUT\nENDED + STOP -> ENDED\n";
	char out[1024];

	ck_assert_uint_eq(gw_fsm_print(&door, out, sizeof(out)), sizeof(page) - 1);
	ck_assert_str_eq(out, page);
	ck_assert_uint_eq(gw_fsm_print(&door, out, 10), sizeof(page) - 1);
	ck_assert_str_eq(out, "SHUT + CO");
}
END_TEST

SUITE("lib_fsm", tcase_add_test(t, rows_act_in_the_new_state_and_posts_follow);
      tcase_add_test(t, a_pair_without_a_row_is_stray_and_stays); tcase_add_test(t, the_machine_prints_as_a_page))
