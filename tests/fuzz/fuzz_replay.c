/*
 * tests/fuzz/fuzz_replay.c: a capture and a live peer, both as they like: an octet of flags, then messages, each behind an octet that says where it
 * belongs and its length (2 octets). Those before the first that belongs to the peer are the capture. What is sent is a message; the
 * report and the comparison of both are printed to nowhere.
 */
#include <stdlib.h>
#include <string.h>
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "tools/diff.h"
#include "tools/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AS_SERVER = 1, EMMG = 2, FAST = 4, STRICT = 8, JSON = 16, LOOP = 32, VERSION = 64, PART = 128 };
enum { PEER = 1, BY_SERVER = 2, DATAGRAM = 4, PASSES = 8, LOST = 16, NARROW = 32 };
static struct find_out printer;
static bool up, asked, shut;

static void
nowhere(void *self, const char *p, size_t len)
{
	(void)self;
	(void)p;
	(void)len;
}

static void
on_open(void *self, unsigned link)
{
	(void)self;
	(void)link;
	asked = true;
}

static bool
on_send(void *self, unsigned link, bool udp, const uint8_t *p, size_t len)
{
	(void)self;
	(void)link;
	(void)udp;
	if (len < SIM_HEADER || len > SIM_MAX || (size_t)p[3] << 8 != (len - SIM_HEADER) >> 8 << 8 || p[4] != (uint8_t)(len - SIM_HEADER))
		abort();
	return true;
}

static void
on_close(void *self, unsigned link)
{
	(void)self;
	(void)link;
	up = false;
	shut = true;
}

static void
on_found(void *self, const struct finding *f)
{
	(void)self;
	find_out(&printer, f);
}

static struct talk_conn *
talk_of(struct talk *t, const struct sim_iface *iface)
{
	*t = (struct talk){ .c = calloc(1, sizeof(*t->c)), .n = 1, .room = 1 };
	t->c->iface = iface;
	t->c->number = 1;
	return t->c;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct replay_user user = { NULL, on_open, on_send, on_close, on_found };
	const struct diff_user differ = { NULL, on_found, NULL };
	struct replay_conf conf = { .timeout_ns = 1000000, .loops = 1 };
	struct diff_counts counts;
	struct talk script, live;
	struct replay *r = NULL;
	int64_t now = 1;
	int link = 0;
	uint8_t flags;

	if (size < 1)
		return 0;
	flags = data[0];
	conf.side = flags & AS_SERVER ? TALK_SERVER : TALK_CLIENT;
	conf.iface = flags & EMMG ? &emmg_mux : &ecmg_scs;
	conf.speed = flags & FAST ? 0 : 1;
	conf.alike.strict = (flags & STRICT) != 0;
	conf.loops = flags & LOOP ? 2 : 1;
	conf.version = flags & VERSION ? 3 : 0;
	if (flags & PART)
		replay_mark_parse("CW_provision", &conf.from);
	replay_map_parse(flags & EMMG ? "data_id=9" : "CP_number=+9", conf.iface, &conf.map[conf.nmaps++]);
	printer = (struct find_out){ .conf = { .json = (flags & JSON) != 0, .a = "a", .b = "b", .write = nowhere } };
	talk_of(&script, conf.iface);
	talk_of(&live, conf.iface);
	up = asked = shut = false;
	for (size_t at = 1; at + 3 <= size; ) {
		uint8_t what = data[at];
		size_t n = (size_t)data[at + 1] << 8 | data[at + 2];

		at += 3;
		n = n < size - at ? n : size - at;
		printer.conf.width = what & NARROW ? 40 : 0;
		if (r && !(what & PEER))
			break;	/* the script is lent */
		if (n >= SIM_HEADER)
			talk_add(what & PEER ? live.c : script.c, what & BY_SERVER ? TALK_SERVER : TALK_CLIENT, (what & DATAGRAM) != 0, data + at, n, now, 1);
		if (what & PEER && script.c->n && !r) {
			script.first_ns = script.c->m[0].at_ns;
			r = replay_new(&conf, &script, &user);
			replay_start(r, now);
			if (conf.side == TALK_SERVER)
				link = replay_accept(r, now);
		}
		if (r && asked && !up) {
			asked = false;
			up = true;
			replay_up(r, 0, now);
		}
		if (r && what & PEER) {
			if (what & LOST)
				replay_down(r, (unsigned)link, now);
			else if (what & DATAGRAM)
				replay_datagram(r, data + at, n, now);
			else if (n >= SIM_HEADER)
				replay_message(r, (unsigned)link, data + at, n, now);
			replay_tick(r, now);
			if (shut)
				replay_down(r, (unsigned)link, now);
			shut = false;
			if (what & PASSES && replay_next(r) != INT64_MAX)
				now = replay_next(r) > now ? replay_next(r) : now;
			replay_tick(r, now);
		}
		now += what & PASSES ? 1000000 : 0;
		at += n;
	}
	if (r) {
		for (unsigned i = 0; i < replay_links(r); i++)
			if (replay_script(r, i))
				find_names(&printer, replay_script(r, i), replay_names(r, i));
		replay_stop(r, now);
	}
	replay_free(r);
	if (script.c->n && live.c->n)
		diff(&conf.alike, &script, &live, &differ, &counts);
	talk_free(&script);
	talk_free(&live);
	return 0;
}
