/*
 * tests/unit/test_bridge_keys.c: keys that a BSM makes, on both sides of CP-3: the bridge's part as it is, an SCS on a socket, and peers who say what the test
 * wants.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "bridge/errors.h"
#include "bridge/keys.h"
#include "lib/clock.h"
#include "lib/hex.h"
#include "lib/link.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/ops.h"
#include "lib/secret.h"
#include "proto/playout.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

enum { TEK = 30, SENT = 64 };

static char b1[] = "b1", news[] = "news", audio[] = "news/audio", service_id[] = "urn:s", content_id[] = "urn:c", bsm_name[] = "bsm", bsa_name[] = "bsa",
	url[] = "https://127.0.0.1:1", playout_dir[128], store[160];
static struct he_kms kms = { .super_cas_id = 0x00010001 };
static struct he_service service;
static struct he_stkm stkm[2];
static struct he_unit units[2];
static struct headend he;
static struct he_sp4_peer peers[3];
static struct he_bridge_ecmg ecmg;
static struct he_bridge_stkm row;
static struct he_bridge conf;
static uv_loop_t loop;
static struct br_keys *keys;

/* ---- peers ---- */

struct ex { ex_handler *handler[SP4_TAGS + 1]; void *self[SP4_TAGS + 1]; };
static struct ex ex;
struct ex_call { int64_t tag; bool answered; unsigned status; char reason[160]; size_t n; uint16_t cp[8]; uint8_t key[8][TEK]; };

static struct sent { const struct he_sp4_peer *to; int64_t tag; char content[64]; size_t n; uint16_t cp[8]; uint8_t key[8][TEK]; uint8_t id[8][8];
	ex_done *done; void *self; } sent[SENT];
static size_t nsent;

void
ex_handle(struct ex *x, int tag, ex_handler *h, void *self)
{
	x->handler[tag] = h;
	x->self[tag] = self;
}

int
ex_send(struct ex *x, const struct he_sp4_peer *to, struct sp4_msg *m, unsigned attempt_ms, int64_t give_up_us, ex_done *done, void *self, struct gw_err *err)
{
	struct sent *s = &sent[nsent++ % SENT];
	static char text[SP4_DOCUMENT];
	struct sp4_fault f;

	(void)x, (void)attempt_ms, (void)err;
	ck_assert_int_gt(give_up_us, gw_mono_us());
	*s = (struct sent){ .to = to, .tag = m->tag, .n = m->n_keys, .done = done, .self = self };
	snprintf(s->content, sizeof(s->content), "%s", m->content);
	for (size_t i = 0; i < m->n_keys && i < 8; i++) {
		s->cp[i] = (uint16_t)m->keys[i].cp;
		if (m->n_data)
			memcpy(s->key[i], m->data[i].p, TEK);
		if (m->keys[i].key_id.p)
			memcpy(s->id[i], m->keys[i].key_id.p, m->keys[i].key_id.len);
	}
	m->message_id = "m", m->source = "s", m->destination = "d";
	ck_assert_msg(sp4_encode(m, text, sizeof(text), &f) > 0, "%s: %s", f.element, f.rule);
	return 0;
}

void
ex_answer(struct ex_call *c, struct sp4_msg *m)
{
	ck_assert(!c->answered);
	c->answered = true;
	c->status = (unsigned)m->status;
	c->n = m->n_data;
	for (size_t i = 0; i < m->n_data && i < 8; i++) {
		c->cp[i] = (uint16_t)m->keys[i].cp;
		memcpy(c->key[i], m->data[i].p, TEK);
	}
}

void
ex_status(struct ex_call *c, unsigned status, const char *reason)
{
	ck_assert(!c->answered);
	c->answered = true;
	c->status = status;
	snprintf(c->reason, sizeof(c->reason), "%s", reason ? reason : "");
}

/* What a BSM says of a CP. */
static void
key_of(int cp, uint8_t key[TEK])
{
	for (int i = 0; i < TEK; i++)
		key[i] = (uint8_t)(cp * 3 + i);
}

static void
fill(struct sp4_msg *m, uint8_t store_of[8][TEK], const int *cps, size_t n)
{
	static char c[] = "urn:c";

	m->content = c;
	for (size_t i = 0; i < n; i++) {
		key_of(cps[i], store_of[i]);
		m->data[i] = (struct sp4_octets){ store_of[i], TEK };
		m->keys[i].cp = cps[i];
		m->keys[i].protection = SP4_SRTP;
		m->keys[i].authenticated = 1;
	}
	m->n_data = m->n_keys = n;
}

/* The answer to what was sent last. */
static const char *said_why;
static void
answer(const int *cps, size_t n, int64_t status)
{
	const struct sent *s = &sent[(nsent - 1) % SENT];
	uint8_t k[8][TEK];
	struct sp4_msg m;
	struct ex_result r = { .end = status < 0 ? EX_SILENT : EX_ANSWERED, .answer = &m, .reason = status < 0 ? "nobody there" : "" };

	sp4_init(&m, 2);
	fill(&m, k, cps, n);
	m.status = status;
	m.reason = said_why;
	s->done(s->self, &r);
}

static struct ex_call
deliver(struct sp4_msg *m)
{
	static struct ex_call c;

	c = (struct ex_call){ .tag = 3 };
	ck_assert(ex.handler[3](ex.self[3], &c, &peers[0], m));
	return c;
}

/* ---- the SCS ---- */

static struct gw_listener *listener;
static struct gw_link *scs;
static struct { unsigned setups, supplies; int64_t cp; uint8_t key[TEK], id[8]; size_t id_len; int refuse; } heard;

static void
send_msg(uint16_t type, void (*params)(struct sim_writer *, int64_t, int64_t), int64_t a, int64_t b)
{
	uint8_t buf[512];
	struct sim_writer w;

	sim_begin(&w, &playout, PLAYOUT_VERSION, type, buf, sizeof(buf));
	params(&w, a, b);
	size_t n = sim_end(&w, NULL);
	ck_assert_uint_gt(n, 0);
	gw_link_send(scs, buf, n);
}

static void
welcome(struct sim_writer *w, int64_t a, int64_t b)
{
	(void)a, (void)b;
	sim_put_text(w, PLAYOUT_HEAD_END, "x");
}

static void
request(struct sim_writer *w, int64_t from, int64_t last)
{
	sim_put_text(w, PLAYOUT_SERVICE, news);
	sim_put_int(w, PLAYOUT_CP, from);
	sim_put_int(w, PLAYOUT_LAST_CP, last);
	sim_put_int(w, PLAYOUT_DURATION, 2000);
	sim_put_int(w, PLAYOUT_PROTECTION, HE_SRTP);
	sim_put_int(w, PLAYOUT_AUTHENTICATED, 1);
	sim_put_int(w, PLAYOUT_KEY_LENGTH, TEK);
}

static void
ack(struct sim_writer *w, int64_t cp, int64_t error)
{
	sim_put_text(w, PLAYOUT_SERVICE, news);
	sim_put_int(w, PLAYOUT_CP, cp);
	if (error) {
		sim_put_int(w, PLAYOUT_ERROR_STATUS, error);
		sim_put_text(w, PLAYOUT_ERROR_INFORMATION, "no");
	}
}

static void
ack_of_another(struct sim_writer *w, int64_t cp, int64_t unused)
{
	ack(w, cp, 0);
	(void)unused;
	sim_put_bytes(w, PLAYOUT_FINGERPRINT, "another.", 8);
}

static void
ack_of_this(struct sim_writer *w, int64_t cp, int64_t unused)
{
	char text[17];
	uint8_t print[8];

	(void)unused;
	ack(w, cp, 0);
	gw_fingerprint(heard.key, TEK, text);
	ck_assert_int_eq(gw_unhex(text, print, sizeof(print)), 8);
	sim_put_bytes(w, PLAYOUT_FINGERPRINT, print, sizeof(print));
}

static void
frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;
	const struct sim_value *id;

	(void)self, (void)link;
	ck_assert_int_eq(sim_decode_as(&playout, SIM_STRICT, msg, len, &m, NULL), 0);
	if (m.def->type == PLAYOUT_FOLLOWER_SETUP) {
		ck_assert_int_eq(sim_int(&m, PLAYOUT_FOLLOWER_ROLE, 0), PLAYOUT_KEY_SOURCE);
		heard.setups++;
		send_msg(PLAYOUT_FOLLOWER_STATUS, welcome, 0, 0);
	} else if (m.def->type == PLAYOUT_KEY_SUPPLY) {
		heard.supplies++;
		heard.cp = sim_int(&m, PLAYOUT_CP, -1);
		memcpy(heard.key, sim_value(&m, PLAYOUT_KEY_MATERIAL, 0)->p, TEK);
		id = sim_value(&m, PLAYOUT_KEY_IDENTIFIER, 0);
		heard.id_len = id ? id->len : 0;
		if (heard.refuse >= 0)
			send_msg(PLAYOUT_KEY_SUPPLY_ACK, ack, heard.cp, heard.refuse);
	}
}

static void down(void *self, struct gw_link *link, const struct gw_err *why) { (void)self, (void)link, (void)why; scs = NULL; }
static void up(void *self, struct gw_link *link) { (void)self, (void)link; }
static const struct gw_link_ops scs_ops = { .up = up, .frame = frame, .down = down };
static void *accept_one(void *owner, struct gw_link *link) { scs = link; return owner; }

static bool is_up(void) { json_t *j = br_keys_status(keys); bool yes = json_is_true(json_object_get(j, "scs")); json_decref(j); return yes; }

/* What the part says of its first unit. */
static json_int_t
says(const char *list, const char *member)
{
	json_t *j = br_keys_status(keys);
	const json_t *value = json_object_get(json_array_get(json_object_get(j, list), 0), member);
	json_int_t v = json_is_true(value) ? 1 : json_integer_value(value);

	json_decref(j);
	return v;
}

#define UNTIL(condition) do { int64_t end = gw_mono_us() + 15000000; \
	while (!(condition)) { uv_run(&loop, UV_RUN_ONCE); ck_assert_msg(gw_mono_us() < end, "%s", #condition); } } while (0)
/* Whatever is on its way arrives. */
static void
settle(void)
{
	int64_t end = gw_mono_us() + 50000;

	while (gw_mono_us() < end)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void
open_keys(void)
{
	struct gw_err err = { 0 };

	memset(&ex, 0, sizeof(ex));
	keys = br_keys_open(&loop, &he, &conf, &ex, &err);
	ck_assert_msg(keys != NULL, "%s", err.text);
}

static void
setup(void)
{
	struct gw_err err = { 0 };
	struct gw_addr a;
	char where[200];

	gw_log_init("test", GW_ERR);
	signal(SIGPIPE, SIG_IGN);	/* as programs do */
	ck_assert_int_eq(gw_secrets_init(1024, true, &err), 0);
	uv_loop_init(&loop);
	snprintf(playout_dir, sizeof(playout_dir), "%s", scratch("run"));
	snprintf(store, sizeof(store), "%s", scratch("b.db"));
	ck_assert_int_eq(mkdir(playout_dir, 0700), 0);
	snprintf(where, sizeof(where), "unix://%s/scs.sock", playout_dir);
	ck_assert_int_eq(gw_addr_parse(where, GW_UNIX, &a, &err), 0);
	listener = gw_listen(&loop, &a, &scs_ops, NULL, accept_one, &loop, &err);
	ck_assert_ptr_nonnull(listener);
	service = (struct he_service){ .id = news, .global_service_id = service_id, .global_content_id = content_id, .outside_keys = b1, .scrambling = HE_SRTP,
		.authentication = true, .crypto_period_ms = 2000, .units = units, .nunits = 2 };
	stkm[0] = (struct he_stkm){ .kms = &kms, .ecm_id = 1 };
	stkm[1] = (struct he_stkm){ .kms = &kms, .ecm_id = 2 };
	units[0] = (struct he_unit){ .id = news, .service = &service, .stkm = &stkm[0], .nstkm = 1 };
	units[1] = (struct he_unit){ .id = audio, .service = &service, .stkm = &stkm[1], .nstkm = 1 };
	peers[0] = (struct he_sp4_peer){ .name = bsm_name, .id = bsm_name, .url = url, .roles = HE_ROLE_BSM };
	peers[1] = (struct he_sp4_peer){ .name = bsa_name, .id = bsa_name, .url = url, .roles = HE_ROLE_BSA };
	peers[2] = (struct he_sp4_peer){ .name = bsm_name, .id = bsm_name, .roles = HE_ROLE_BSM };
	ecmg = (struct he_bridge_ecmg){ .kms = &kms, .peer = &peers[0], .mode = HE_MODE_A };
	row = (struct he_bridge_stkm){ .kms = &kms, .peer = &peers[1], .service = &service, .ecm_id = 2, .mode = HE_MODE_A };
	conf = (struct he_bridge){ .name = b1, .id = b1, .roles = HE_ROLE_BSA, .store = store, .peers = peers, .npeers = 3, .ecmg = &ecmg, .necmg = 1 };
	he = (struct headend){ .playout = playout_dir, .services = &service, .nservices = 1, .bridge = &conf, .nbridge = 1 };
	heard.cp = -1;
}

static void
as_bsa(void)
{
	open_keys();
	UNTIL(is_up());
}

static void
as_bsm(void)
{
	service.outside_keys = NULL;
	conf.roles = HE_ROLE_BSM;
	conf.stkm = &row;
	conf.nstkm = 1;
	conf.necmg = 0;
	open_keys();
}

static void
teardown(void)
{
	br_keys_close(keys);
	gw_listener_close(listener, NULL);
	if (scs)
		gw_link_close(scs, 0);
	gw_loop_fini(&loop);
	gw_secrets_fini();
}

/* ---- as BSA ---- */

START_TEST(what_the_scs_wants_is_asked_for)
{
	const int both[] = { 65535, 0 };	/* CP_number wraps */
	uint8_t key[TEK];

	as_bsa();
	send_msg(PLAYOUT_KEY_REQUEST, request, 131071, 131072);
	UNTIL(nsent == 1);
	ck_assert(sent[0].tag == 1 && sent[0].to == &peers[0] && sent[0].n == 2 && sent[0].cp[0] == 65535 && sent[0].cp[1] == 0);
	ck_assert_str_eq(sent[0].content, "urn:c");
	send_msg(PLAYOUT_KEY_REQUEST, request, 131071, 131072);	/* the SCS has a second's patience */
	settle();
	ck_assert_uint_eq(nsent, 1);
	answer(both, 2, 0);
	UNTIL(says("taken", "supplied") == 2);
	ck_assert(heard.supplies == 2 && heard.cp == 131072 && heard.id_len == 0);
	key_of(0, key);
	ck_assert_mem_eq(heard.key, key, TEK);
	send_msg(PLAYOUT_KEY_REQUEST, request, 131071, 131072);	/* it lost them: they are here still */
	UNTIL(heard.supplies == 4);
	ck_assert_uint_eq(nsent, 1);
}
END_TEST

START_TEST(a_bsm_that_fails_is_asked_again)
{
	const int other[] = { 9 }, right[] = { 7 };
	char umlauts[603] = "";

	as_bsa();
	send_msg(PLAYOUT_KEY_REQUEST, request, 7, 7);
	UNTIL(nsent == 1);
	for (size_t i = 0; i + 2 < sizeof(umlauts); i += 2)
		memcpy(umlauts + i, "\xc3\xa4", 2);
	said_why = umlauts;
	answer(NULL, 0, BR_NO_SERVICE);
	ck_assert_int_eq(says("taken", "failed"), 1);	/* half a character would have left nothing of it for /status */
	said_why = NULL;
	UNTIL(nsent == 2);
	answer(NULL, 0, -1);
	UNTIL(nsent == 3);
	answer(other, 1, 0);
	ck_assert_int_eq(says("taken", "failed"), 3);
	UNTIL(nsent == 4);
	ck_assert(sent[3].n == 1 && sent[3].cp[0] == 7 && heard.supplies == 0 && says("taken", "failed") == 3);
	answer(right, 1, 0);
	UNTIL(says("taken", "supplied") == 1);
	ck_assert_int_eq(heard.cp, 7);
}
END_TEST

START_TEST(deliveries)
{
	const int cps[] = { 3, 4 };
	uint8_t k[8][TEK], other[TEK] = "another key of thirty octets!";
	struct sp4_msg m;
	struct ex_call c;
	char unknown[] = "urn:x", of_audio[] = "urn:c/audio";

	as_bsa();
	sp4_init(&m, 3);
	fill(&m, k, cps, 2);
	c = deliver(&m);	/* before anybody wants them */
	ck_assert(c.answered && c.status == 0 && says("taken", "held") == 2 && says("taken", "delivered") == 1);
	c = deliver(&m);
	ck_assert_uint_eq(c.status, 0);
	m.data[1].p = other;
	c = deliver(&m);
	ck_assert_uint_eq(c.status, BR_WRONG_KEY);
	m.data[1] = (struct sp4_octets){ k[1], TEK - 1 };
	c = deliver(&m);
	ck_assert(c.status == BR_INVALID && strstr(c.reason, "length"));
	m.data[1].len = TEK;
	m.keys[1].protection = SP4_DCF;
	c = deliver(&m);
	ck_assert_uint_eq(c.status, BR_INVALID);
	m.keys[1].protection = SP4_SRTP;
	m.keys[1].cw_encryption = (struct sp4_octets){ k[0], 4 };
	c = deliver(&m);
	ck_assert_uint_eq(c.status, BR_INVALID);
	m.keys[1].cw_encryption.p = NULL;
	m.n_keys = 0;
	c = deliver(&m);
	ck_assert_uint_eq(c.status, BR_MISSING);
	m.n_keys = 2;
	m.content = unknown;
	c = deliver(&m);
	ck_assert_uint_eq(c.status, BR_NO_SERVICE);
	m.content = of_audio;	/* a medium with keys of its own */
	c = deliver(&m);
	ck_assert_uint_eq(c.status, 0);
	m.content = content_id;
	ck_assert(ex.handler[3](ex.self[3], (c = (struct ex_call){ .tag = 3 }, &c), &peers[2], &m));
	ck_assert_uint_eq(c.status, BR_NOT_ENTITLED);
	send_msg(PLAYOUT_KEY_REQUEST, request, 3, 4);
	UNTIL(heard.supplies == 2);
	ck_assert_uint_eq(nsent, 0);	/* nobody is asked */
}
END_TEST

/* What the SCS wants now it judges before the BSM is told. */
START_TEST(the_scs_has_the_last_word)
{
	const int cps[] = { 3 };
	uint8_t k[8][TEK];
	struct ex_call c = { .tag = 3 };
	struct sp4_msg m;

	as_bsa();
	sp4_init(&m, 3);
	fill(&m, k, cps, 1);
	send_msg(PLAYOUT_KEY_REQUEST, request, 3, 3);
	UNTIL(nsent == 1);
	heard.refuse = PLAYOUT_E_CONFLICT;
	ck_assert(ex.handler[3](ex.self[3], &c, &peers[0], &m) && !c.answered);
	UNTIL(c.answered);
	ck_assert(c.status == BR_WRONG_KEY && says("taken", "held") == 0 && says("taken", "refused") == 1);
	heard.refuse = 0;
	c = (struct ex_call){ .tag = 3 };
	ck_assert(ex.handler[3](ex.self[3], &c, &peers[0], &m));	/* it was not kept */
	UNTIL(c.answered);
	ck_assert_uint_eq(c.status, 0);
	heard.refuse = -1;	/* an SCS that says nothing */
	send_msg(PLAYOUT_KEY_REQUEST, request, 4, 4);
	UNTIL(says("taken", "wanted") == 1);
	c = (struct ex_call){ .tag = 3 };
	m.keys[0].cp = 4;
	key_of(4, k[0]);
	ck_assert(ex.handler[3](ex.self[3], &c, &peers[0], &m) && !c.answered);
	UNTIL(c.answered);
	ck_assert_uint_eq(c.status, 0);	/* it is held here */
}
END_TEST

/* It had stored one before anybody remembers, and says by a fingerprint that it keeps that. */
START_TEST(the_scs_keeps_another_key)
{
	const int cps[] = { 3, 4 };
	uint8_t k[8][TEK];
	struct ex_call c = { .tag = 3 };
	struct sp4_msg m;

	as_bsa();
	heard.refuse = -1;
	send_msg(PLAYOUT_KEY_REQUEST, request, 3, 4);
	UNTIL(nsent == 1);
	sp4_init(&m, 3);
	fill(&m, k, cps, 2);
	ck_assert(ex.handler[3](ex.self[3], &c, &peers[0], &m) && !c.answered);
	UNTIL(heard.supplies >= 2 && heard.cp == 4);
	send_msg(PLAYOUT_KEY_SUPPLY_ACK, ack_of_another, 3, 0);
	send_msg(PLAYOUT_KEY_SUPPLY_ACK, ack_of_this, 4, 0);
	UNTIL(says("taken", "supplied") == 1);
	ck_assert(says("taken", "refused") == 1 && says("taken", "held") == 1 && says("taken", "wanted") == 0);
	UNTIL(c.answered);
	ck_assert(c.status == BR_WRONG_KEY || (c.status == 0 && !*c.reason));	/* 0: it took longer than a call waits */
}
END_TEST

START_TEST(no_more_than_there_is_room_for)
{
	uint8_t k[8][TEK];
	struct ex_call c;
	struct sp4_msg m;

	as_bsa();
	for (int cp = 0; cp < 70; cp++) {
		sp4_init(&m, 3);
		fill(&m, k, &cp, 1);
		c = deliver(&m);
		ck_assert_msg(c.status == (cp < 64 ? 0 : BR_DELAYED), "%d: %u", cp, c.status);
	}
	send_msg(PLAYOUT_KEY_REQUEST, request, 40, 40);	/* those before are past */
	UNTIL(heard.supplies == 1);
	c = deliver(&m);
	ck_assert_uint_eq(c.status, 0);
}
END_TEST

/* All of a message or none: neither room for half of it, nor two keys of one crypto-period. */
START_TEST(half_a_delivery)
{
	const int twice[] = { 9, 9 }, tail[] = { 200, 201 };
	uint8_t k[8][TEK], other[TEK] = "another key of thirty octets!";
	struct ex_call c;
	struct sp4_msg m;

	as_bsa();
	sp4_init(&m, 3);
	fill(&m, k, twice, 2);
	m.data[1].p = other;
	c = deliver(&m);
	ck_assert_uint_eq(c.status, BR_WRONG_KEY);
	ck_assert_int_eq(says("taken", "held"), 0);
	m.data[1].p = k[0];		/* the same twice does no harm */
	c = deliver(&m);
	ck_assert_uint_eq(c.status, 0);
	ck_assert_int_eq(says("taken", "held"), 1);
	for (int cp = 100; cp < 162; cp++) {
		sp4_init(&m, 3);
		fill(&m, k, &cp, 1);
		ck_assert_uint_eq(deliver(&m).status, 0);
	}
	sp4_init(&m, 3);
	fill(&m, k, tail, 2);
	c = deliver(&m);	/* one place is left */
	ck_assert_uint_eq(c.status, BR_DELAYED);
	ck_assert_int_eq(says("taken", "held"), 63);
}
END_TEST

/* One that comes when its crypto-period is over: it must not be there 65,536 crypto-periods later. */
START_TEST(a_key_that_comes_too_late_does_not_stay)
{
	const int cps[] = { 3 };
	uint8_t k[8][TEK];
	struct sp4_msg m;

	as_bsa();
	send_msg(PLAYOUT_KEY_REQUEST, request, 10, 10);
	UNTIL(nsent == 1);
	sp4_init(&m, 3);
	fill(&m, k, cps, 1);
	ck_assert_uint_eq(deliver(&m).status, 0);
	ck_assert_int_eq(says("taken", "held"), 1);
	send_msg(PLAYOUT_KEY_REQUEST, request, 11, 11);
	UNTIL(says("taken", "from") == 11);
	ck_assert_int_eq(says("taken", "held"), 0);
}
END_TEST

static void
end_of_audio(struct sim_writer *w, int64_t a, int64_t b)
{
	(void)a, (void)b;
	sim_put_text(w, PLAYOUT_SERVICE, audio);
	sim_put_int(w, PLAYOUT_START, 0);
}

START_TEST(the_end_of_another_service_confirms_nothing)
{
	const int cps[] = { 3 };
	uint8_t k[8][TEK];
	struct ex_call c = { .tag = 3 };
	struct sp4_msg m;
	int64_t began;

	as_bsa();
	heard.refuse = -1;
	send_msg(PLAYOUT_KEY_REQUEST, request, 3, 3);
	UNTIL(nsent == 1);
	sp4_init(&m, 3);
	fill(&m, k, cps, 1);
	began = gw_mono_us();
	ck_assert(ex.handler[3](ex.self[3], &c, &peers[0], &m) && !c.answered);
	send_msg(PLAYOUT_SERVICE_END, end_of_audio, 0, 0);
	send_msg(PLAYOUT_KEY_SUPPLY_ACK, ack, 3, PLAYOUT_E_CONFLICT);
	UNTIL(c.answered);
	if (gw_mono_us() - began < 1000000)	/* else the SCS has had its time */
		ck_assert_uint_eq(c.status, BR_WRONG_KEY);
}
END_TEST

START_TEST(a_service_goes_while_its_bsm_is_asked)
{
	const int cps[] = { 7 };
	struct gw_err err = { 0 };

	as_bsa();
	send_msg(PLAYOUT_KEY_REQUEST, request, 7, 7);
	UNTIL(nsent == 1);
	service.outside_keys = NULL;
	ck_assert_int_eq(br_keys_reconf(keys, &he, &conf, &err), 0);
	ck_assert_int_eq(br_keys_reconf(keys, &he, &conf, &err), 0);	/* it is asking still */
	answer(cps, 1, 0);
	ck_assert_int_eq(br_keys_reconf(keys, &he, &conf, &err), 0);
	ck_assert_uint_eq(heard.supplies, 0);
}
END_TEST

/* A BSM that is never called delivers, all the same. */
START_TEST(a_bsm_without_a_url)
{
	const int cps[] = { 7 };
	uint8_t k[8][TEK];
	struct sp4_msg m;
	struct ex_call c;

	conf.necmg = 0;
	peers[0].url = NULL;
	as_bsa();
	send_msg(PLAYOUT_KEY_REQUEST, request, 7, 7);
	UNTIL(says("taken", "wanted") == 1);
	sp4_init(&m, 3);
	fill(&m, k, cps, 1);
	ck_assert(ex.handler[3](ex.self[3], (c = (struct ex_call){ .tag = 3 }, &c), &peers[0], &m));
	UNTIL(c.answered);
	ck_assert(c.status == 0 && heard.cp == 7 && nsent == 0);
	for (int cp = 8; cp < 40; cp++) {	/* a key that is past is not kept */
		sp4_init(&m, 3);
		fill(&m, k, &cp, 1);
		send_msg(PLAYOUT_KEY_REQUEST, request, cp, cp);
		UNTIL(says("taken", "wanted") == 1);
		ck_assert(ex.handler[3](ex.self[3], (c = (struct ex_call){ .tag = 3 }, &c), &peers[0], &m));
		UNTIL(c.answered);
	}
	ck_assert_int_le(says("taken", "held"), 6);
	ck_assert_int_eq(says("taken", "supplied"), 33);
}
END_TEST

/* ---- as BSM ---- */

START_TEST(what_is_made_is_offered_given_and_stays)
{
	struct br_key one, two;
	uint8_t first[TEK], second[TEK];
	struct ex_call c = { .tag = 1 };
	struct gw_err err = { 0 };
	struct sp4_msg m;
	char of_audio[] = "urn:c/audio";

	as_bsm();
	ck_assert_int_eq(br_keys_make(keys, audio, 65535, &one, &err), 0);
	memcpy(first, one.material, TEK);
	ck_assert(one.len == TEK && one.id_len == 2 && memcmp(one.id, "\xff\xff", 2) == 0);
	ck_assert_int_eq(br_keys_make(keys, audio, 0, &two, &err), 0);
	memcpy(second, two.material, TEK);
	ck_assert_mem_ne(first, second, TEK);
	ck_assert_int_eq(br_keys_make(keys, audio, 65535, &one, &err), 0);
	ck_assert_mem_eq(first, one.material, TEK);
	ck_assert_uint_eq(nsent, 2);	/* to the one BSA, once each */
	ck_assert(sent[0].tag == 3 && sent[0].to == &peers[1] && sent[0].cp[0] == 65535 && sent[1].cp[0] == 0);
	ck_assert_str_eq(sent[0].content, "urn:c/audio");
	ck_assert_mem_eq(sent[0].key[0], first, TEK);
	ck_assert_mem_eq(sent[0].id[0], "\xff\xff", 2);
	ck_assert_int_eq(br_keys_make(keys, news, 1, &one, &err), -1);	/* not made here */
	br_keys_close(keys);
	settle();
	open_keys();	/* killed, and back */
	sp4_init(&m, 1);
	m.content = of_audio;
	m.n_keys = 3;
	for (int i = 0; i < 3; i++)
		m.keys[i].cp = (uint16_t)(65535 + i), m.keys[i].protection = SP4_SRTP, m.keys[i].authenticated = 1;
	ck_assert(ex.handler[1](ex.self[1], &c, &peers[1], &m) && c.answered && c.status == 0 && c.n == 3);
	ck_assert(c.cp[0] == 65535 && c.cp[1] == 0 && c.cp[2] == 1);
	ck_assert_mem_eq(c.key[0], first, TEK);
	ck_assert_mem_eq(c.key[1], second, TEK);
	ck_assert_int_eq(br_keys_make(keys, audio, 1, &one, &err), 0);	/* given before it was needed: the same */
	ck_assert_mem_eq(c.key[2], one.material, TEK);
	m.n_keys = 0;	/* a BSA that says nothing of crypto-periods gets the newest */
	ck_assert(ex.handler[1](ex.self[1], (c = (struct ex_call){ .tag = 1 }, &c), &peers[1], &m) && c.n == 2 && c.cp[1] == 1);
	m.n_keys = 1;
	m.keys[0].protection = SP4_IPSEC;
	ck_assert(ex.handler[1](ex.self[1], (c = (struct ex_call){ .tag = 1 }, &c), &peers[1], &m) && c.status == BR_INVALID);
	m.content = content_id;
	ck_assert(ex.handler[1](ex.self[1], (c = (struct ex_call){ .tag = 1 }, &c), &peers[1], &m) && c.status == BR_NO_SERVICE);
	ck_assert(!ex.handler[1](ex.self[1], &c, &peers[0], &m));	/* no BSA */
}
END_TEST

/* A head-end that is BSD/A and BSA has the keys of its own services, not another's; a BSA that is no BSD/A those of services that are listed for it. */
START_TEST(keys_of_another_head_end)
{
	const struct he_service *listed[] = { &service };
	char other[] = "other", of_audio[] = "urn:c/audio";
	struct gw_err err = { 0 };
	struct br_key made;
	struct ex_call c;
	struct sp4_msg m;

	peers[1].roles = HE_ROLE_BSA | HE_ROLE_BSDA;
	peers[2] = (struct he_sp4_peer){ .name = other, .id = other, .url = url, .roles = HE_ROLE_BSA | HE_ROLE_BSDA };
	as_bsm();
	ck_assert_int_eq(br_keys_make(keys, audio, 1, &made, &err), 0);
	ck_assert(nsent == 1 && sent[0].to == &peers[1]);
	sp4_init(&m, 1);
	m.content = of_audio;
	ck_assert(ex.handler[1](ex.self[1], (c = (struct ex_call){ .tag = 1 }, &c), &peers[2], &m) && c.status == BR_NOT_ENTITLED && c.n == 0);
	ck_assert(ex.handler[1](ex.self[1], (c = (struct ex_call){ .tag = 1 }, &c), &peers[1], &m) && c.status == 0 && c.n == 2);
	peers[2].roles = HE_ROLE_BSA;
	ck_assert(ex.handler[1](ex.self[1], (c = (struct ex_call){ .tag = 1 }, &c), &peers[2], &m) && c.status == BR_NOT_ENTITLED && c.n == 0);
	ck_assert_int_eq(br_keys_make(keys, audio, 2, &made, &err), 0);
	ck_assert(nsent == 2 && sent[1].to == &peers[1]);
	peers[2].services = listed;
	peers[2].nservices = 1;
	ck_assert(ex.handler[1](ex.self[1], (c = (struct ex_call){ .tag = 1 }, &c), &peers[2], &m) && c.status == 0 && c.n == 2);
	ck_assert_int_eq(br_keys_make(keys, audio, 3, &made, &err), 0);
	ck_assert(nsent == 4 && (sent[2].to == &peers[2] || sent[3].to == &peers[2]));
}
END_TEST

/* Keys that an answer holds stay while others are made for it. */
START_TEST(old_and_new_keys_in_one_answer)
{
	struct br_key made;
	uint8_t first[TEK];
	struct ex_call c = { .tag = 1 };
	struct gw_err err = { 0 };
	struct sp4_msg m;
	char of_audio[] = "urn:c/audio";

	as_bsm();
	for (int cp = 0; cp < 8; cp++) {
		ck_assert_int_eq(br_keys_make(keys, audio, (uint16_t)cp, &made, &err), 0);
		if (cp == 0)
			memcpy(first, made.material, TEK);
	}
	sp4_init(&m, 1);
	m.content = of_audio;
	m.n_keys = 2;
	for (int i = 0; i < 2; i++)
		m.keys[i].cp = 8 * i, m.keys[i].protection = SP4_SRTP, m.keys[i].authenticated = 1;
	ck_assert(ex.handler[1](ex.self[1], &c, &peers[1], &m) && c.answered && c.status == 0 && c.n == 2);
	ck_assert_mem_eq(c.key[0], first, TEK);
	ck_assert_mem_ne(c.key[1], first, TEK);
}
END_TEST

/* A BSA gets as many as a message names, in their order. */
START_TEST(many_keys_in_one_answer)
{
	struct br_key made;
	uint8_t first[TEK];
	struct ex_call c = { .tag = 1 };
	struct gw_err err = { 0 };
	struct sp4_msg m;
	char of_audio[] = "urn:c/audio";

	as_bsm();
	ck_assert_int_eq(br_keys_make(keys, audio, 0, &made, &err), 0);
	memcpy(first, made.material, TEK);
	sp4_init(&m, 1);
	m.content = of_audio;
	for (m.n_keys = 0; m.n_keys < SP4_KEYS; m.n_keys++)
		m.keys[m.n_keys].cp = (int64_t)m.n_keys, m.keys[m.n_keys].protection = SP4_SRTP, m.keys[m.n_keys].authenticated = 1;
	ck_assert(ex.handler[1](ex.self[1], &c, &peers[1], &m) && c.answered && c.status == 0 && c.n == SP4_KEYS);
	ck_assert_mem_eq(c.key[0], first, TEK);
	ck_assert_int_eq(c.cp[7], 7);
	ck_assert_int_eq(br_keys_make(keys, audio, 7, &made, &err), 0);
	ck_assert_mem_eq(c.key[7], made.material, TEK);
}
END_TEST

/* What a CP_number means is not for a BSA to move. */
START_TEST(nobody_asks_too_far_ahead)
{
	static const struct { int64_t cp; unsigned status; } asks[] = { { 32000, BR_INVALID }, { 5 + 1000, BR_INVALID }, { 5 + 64, 0 }, { 32069, BR_INVALID }, { 5, 0 } };
	struct br_key made;
	uint8_t first[TEK];
	struct ex_call c = { .tag = 1 };
	struct gw_err err = { 0 };
	struct sp4_msg m;
	char of_audio[] = "urn:c/audio";

	as_bsm();
	service.crypto_period_ms = 10000;
	ck_assert_int_eq(br_keys_make(keys, audio, 5, &made, &err), 0);
	memcpy(first, made.material, TEK);
	sp4_init(&m, 1);
	m.content = of_audio;
	m.n_keys = 1;
	m.keys[0].protection = SP4_SRTP, m.keys[0].authenticated = 1;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		m.keys[0].cp = asks[i].cp;
		c = (struct ex_call){ .tag = 1 };
		ck_assert(ex.handler[1](ex.self[1], &c, &peers[1], &m));
		ck_assert_msg(c.status == asks[i].status, "%d: status %u", (int)asks[i].cp, c.status);
	}
	ck_assert_mem_eq(c.key[0], first, TEK);
}
END_TEST

/* A file that fails leaves nothing behind. */
START_TEST(a_file_that_fails)
{
	struct he_bridge *fresh = malloc(sizeof(*fresh));
	struct headend *fresh_he = malloc(sizeof(*fresh_he));
	struct gw_err err = { 0 };
	struct br_key k;
	char path[200];

	as_bsa();
	snprintf(path, sizeof(path), "%s.keys", store);
	ck_assert_int_eq(mkdir(path, 0700), 0);		/* no store can be there */
	*fresh = conf;
	*fresh_he = he;
	fresh->stkm = &row;
	fresh->nstkm = 1;
	ck_assert_int_eq(br_keys_reconf(keys, fresh_he, fresh, &err), -1);
	free(fresh);
	free(fresh_he);
	ck_assert_int_eq(br_keys_make(keys, audio, 5, &k, &err), -1);
	send_msg(PLAYOUT_KEY_REQUEST, request, 7, 7);
	UNTIL(nsent == 1);
	conf.stkm = &row;
	conf.nstkm = 1;
	ck_assert_int_eq(remove(path), 0);
	ck_assert_int_eq(br_keys_reconf(keys, &he, &conf, &err), 0);
	ck_assert_int_eq(br_keys_make(keys, audio, 5, &k, &err), 0);
}
END_TEST

/* Peers come and change places: the running key is for all that are there now, and for more than 32 of them. */
START_TEST(others_come_while_a_key_runs)
{
	enum { MANY = 40 };
	static struct he_sp4_peer fresh[MANY];
	static char names[MANY][8];
	const struct he_service *listed[] = { &service };
	struct gw_err err = { 0 };
	struct br_key k;
	bool heard_of[MANY] = { false };

	as_bsm();
	ck_assert_int_eq(br_keys_make(keys, audio, 5, &k, &err), 0);
	ck_assert(nsent == 1 && sent[0].to == &peers[1]);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "p%zu", i);
		fresh[i] = (struct he_sp4_peer){ .name = names[i], .id = names[i], .url = url, .roles = HE_ROLE_BSA, .services = listed, .nservices = 1 };
	}
	row.peer = &fresh[0];
	conf.peers = fresh;
	conf.npeers = MANY;
	ck_assert_int_eq(br_keys_reconf(keys, &he, &conf, &err), 0);
	for (int again = 0; again < 2; again++)
		ck_assert_int_eq(br_keys_make(keys, audio, 5, &k, &err), 0);
	ck_assert_uint_eq(nsent, 1 + MANY);
	for (size_t i = 1; i < nsent; i++)
		heard_of[sent[i].to - fresh] = true;
	for (size_t i = 0; i < MANY; i++)
		ck_assert_msg(heard_of[i], "%zu", i);
}
END_TEST

START_TEST(another_file)
{
	struct gw_err err = { 0 };
	struct br_key k;

	as_bsm();
	ck_assert_int_eq(br_keys_make(keys, audio, 5, &k, &err), 0);
	conf.nstkm = 0;
	ck_assert_int_eq(br_keys_reconf(keys, &he, &conf, &err), 0);
	ck_assert_int_eq(br_keys_make(keys, audio, 5, &k, &err), -1);
	conf.nstkm = 1;
	service.outside_keys = b1;
	ck_assert_int_eq(br_keys_reconf(keys, &he, &conf, &err), 0);
	UNTIL(is_up());
	ck_assert_int_eq(br_keys_make(keys, audio, 6, &k, &err), 0);
	service.outside_keys = NULL;
	ck_assert_int_eq(br_keys_reconf(keys, &he, &conf, &err), 0);
}
END_TEST

SUITE("bridge_keys", tcase_add_checked_fixture(t, setup, teardown); tcase_set_timeout(t, 120);
    tcase_add_test(t, what_the_scs_wants_is_asked_for); tcase_add_test(t, a_bsm_that_fails_is_asked_again); tcase_add_test(t, deliveries);
    tcase_add_test(t, the_scs_has_the_last_word); tcase_add_test(t, the_scs_keeps_another_key); tcase_add_test(t, no_more_than_there_is_room_for); tcase_add_test(t, half_a_delivery);
    tcase_add_test(t, a_bsm_without_a_url); tcase_add_test(t, a_key_that_comes_too_late_does_not_stay);
    tcase_add_test(t, the_end_of_another_service_confirms_nothing); tcase_add_test(t, a_service_goes_while_its_bsm_is_asked);
    tcase_add_test(t, keys_of_another_head_end); tcase_add_test(t, old_and_new_keys_in_one_answer); tcase_add_test(t, many_keys_in_one_answer);
    tcase_add_test(t, nobody_asks_too_far_ahead); tcase_add_test(t, a_file_that_fails);
    tcase_add_test(t, what_is_made_is_offered_given_and_stays); tcase_add_test(t, others_come_while_a_key_runs); tcase_add_test(t, another_file))
