/* ecmg/misbehave.c: faults on purpose */
#include "ecmg/misbehave.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "proto/ecmg_scs.h"

enum { PIECE_US = 1000 };	/* between two pieces of a split message: a segment each, for TCP_NODELAY is set */

struct parcel {			/* on its way out */
	TAILQ_ENTRY(parcel) next;
	int64_t due_us;		/* INT64_MAX: after the next answer */
	size_t at, len, piece;	/* sent; all; bytes a segment, 0: whole */
	bool close;		/* instead: the connection ends */
	uint8_t bytes[];
};

struct ecmg_edge {
	struct ecmg_faults *f;
	void *self;
	bool deaf;		/* half-open: nothing goes out any more */
	int64_t next_piece_us;
	TAILQ_HEAD(parcels, parcel) parcels;
};

/* The message at hand, as faults change it. */
struct transit {
	struct ecmg_faults *f;
	struct ecmg_edge *edge;
	uint16_t type;
	size_t first, len;	/* bytes of the message; with what was added after it */
	unsigned copies;
	int64_t delay_us;
	size_t piece;
	bool held, close;
};

static uint64_t
draw(uint64_t *state)	/* splitmix64 */
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* ---- what faults do to a message */

static uint8_t *
value_of(struct transit *t, uint16_t param)
{
	const struct sim_value *v;

	sim_decode(&ecmg_scs, t->f->buf, t->first, &t->f->msg, NULL);
	v = sim_value(&t->f->msg, param, 0);
	return v ? t->f->buf + (v->p - t->f->buf) : NULL;
}

static void
set_length(struct transit *t, size_t len)
{
	t->first = t->len = len;
	t->f->buf[3] = (uint8_t)((len - SIM_HEADER) >> 8);
	t->f->buf[4] = (uint8_t)(len - SIM_HEADER);
}

/* Another number of two octets. */
static void
change(struct transit *t, uint16_t param)
{
	uint8_t *p = value_of(t, param);

	if (p && ++p[1] == 0)
		p[0]++;
}

static void
wrong_cp(struct transit *t, uint32_t value)
{
	(void)value;
	change(t, ECMG_CP_NUMBER);
}

static void
wrong_channel(struct transit *t, uint32_t value)
{
	(void)value;
	change(t, ECMG_CHANNEL_ID);
}

/* ECM_datagram is the last parameter of an ECM_response. */
static void
empty(struct transit *t, uint32_t value)
{
	uint8_t *p = value_of(t, ECMG_ECM_DATAGRAM);

	(void)value;
	if (!p)
		return;
	p[-2] = p[-1] = 0;
	set_length(t, (size_t)(p - t->f->buf));
}

/* An octet of the last parameter is missing: its length runs past the end of the message. */
static void
truncate_last(struct transit *t, uint32_t value)
{
	(void)value;
	set_length(t, t->first - 1);
}

static void
garbage(struct transit *t, uint32_t value)
{
	(void)value;
	for (size_t k = SIM_HEADER; k < t->first; k++)
		t->f->buf[k] = (uint8_t)draw(&t->f->random);
}

/* A message of the stream, or of its channel, that t is about. */
static size_t
compose(struct transit *t, uint8_t *out, uint16_t type, int status)
{
	const bool stream = type >= ECMG_STREAM_SETUP;
	struct sim_writer w;

	sim_decode(&ecmg_scs, t->f->buf, t->first, &t->f->msg, NULL);
	sim_begin(&w, &ecmg_scs, t->f->msg.version, type, out, SIM_MAX);
	sim_put_int(&w, ECMG_CHANNEL_ID, sim_int(&t->f->msg, ECMG_CHANNEL_ID, 0));
	if (stream)
		sim_put_int(&w, ECMG_STREAM_ID, sim_int(&t->f->msg, ECMG_STREAM_ID, 0));
	if (status >= 0)
		sim_put_int(&w, ECMG_ERROR_STATUS, status);
	return sim_end(&w, NULL);
}

static void
error_instead(struct transit *t, uint32_t value)
{
	uint8_t out[64];
	const size_t n = compose(t, out, ECMG_STREAM_ERROR, (int)value);

	memcpy(t->f->buf, out, n);
	set_length(t, n ? n : t->first);
}

static void
unasked_test(struct transit *t, uint32_t value)
{
	(void)value;
	t->len += compose(t, t->f->buf + t->len, ECMG_CHANNEL_TEST, -1);
	t->len += compose(t, t->f->buf + t->len, ECMG_STREAM_TEST, -1);
}

/* A type that the standard has reserved and no interface has assigned. */
static void
unknown(struct transit *t, uint32_t value)
{
	static const uint8_t reserved[] = { 0, 0x7f, 0x01, 0, 6, 0x7f, 0x02, 0, 2, 0xab, 0xcd };

	(void)value;
	memcpy(t->f->buf + t->len, reserved, sizeof(reserved));
	t->f->buf[t->len] = t->f->buf[0];
	t->len += sizeof(reserved);
}

static void
other_version(struct transit *t, uint32_t value)
{
	for (size_t at = 0; at < t->len; at += sim_frame_length(t->f->buf + at, t->len - at))
		t->f->buf[at] = (uint8_t)value;
}

static void
lose(struct transit *t, uint32_t value)
{
	(void)value;
	t->copies = 0;
}

static void
repeat(struct transit *t, uint32_t value)
{
	(void)value;
	t->copies++;
}

static void
delay(struct transit *t, uint32_t value)
{
	t->delay_us += (int64_t)value * 1000;
}

static void
hold_back(struct transit *t, uint32_t value)
{
	(void)value;
	t->held = true;
}

static void
hang_up(struct transit *t, uint32_t value)
{
	(void)value;
	t->close = true;
}

static void
go_deaf(struct transit *t, uint32_t value)
{
	(void)value;
	t->copies = 0;
	t->edge->deaf = true;
}

static void
split(struct transit *t, uint32_t value)
{
	t->piece = value;
}

/* ---- the table: parsing, --help and the manual page follow it, and so does the order in which faults strike one message */

enum arg { CHANCE, NOTHING, TIME, CODE, NUMBER };
enum { ECM = 1, STREAM_STATUS = 2, CHANNEL_STATUS = 4, ALL = 8 };	/* what it can strike */

static const struct row {
	const char *name;
	enum arg arg;
	unsigned strikes, least, most;	/* of a NUMBER */
	void (*act)(struct transit *, uint32_t value);
	const char *meaning;
} rows[] = {
	{ "error",            CODE,   ECM, 0, 0, error_instead, "stream_error with this error_status in place of the ECM" },
	{ "wrong-cp",         CHANCE, ECM, 0, 0, wrong_cp, "the ECM is said to be of the next crypto-period" },
	{ "wrong-channel",    CHANCE, ECM, 0, 0, wrong_channel, "the ECM is said to be of another channel" },
	{ "empty",            CHANCE, ECM, 0, 0, empty, "an ECM_datagram of no octets" },
	{ "truncate",         CHANCE, ECM, 0, 0, truncate_last, "the last octet is missing: the message is malformed" },
	{ "garbage",          CHANCE, ECM, 0, 0, garbage, "random octets behind a right header" },
	{ "unasked-test",     CHANCE, ECM, 0, 0, unasked_test, "channel_test and stream_test follow the ECM" },
	{ "unknown",          CHANCE, ECM, 0, 0, unknown, "a message of a reserved type follows the ECM" },
	{ "version",          NUMBER, ALL, 0, 255, other_version, "protocol_version of every message" },
	{ "no-stream-status", NOTHING, STREAM_STATUS, 0, 0, lose, "stream_setup and stream_test get no answer" },
	{ "slow-status",      TIME,   STREAM_STATUS | CHANNEL_STATUS, 0, 0, delay, "channel_status and stream_status come late" },
	{ "drop",             CHANCE, ECM, 0, 0, lose, "the ECM is not sent" },
	{ "duplicate",        CHANCE, ECM, 0, 0, repeat, "the ECM is sent twice" },
	{ "late",             TIME,   ECM, 0, 0, delay, "the ECM comes so much later" },
	{ "reorder",          CHANCE, ECM, 0, 0, hold_back, "the ECM waits until another one of the connection has gone" },
	{ "close",            CHANCE, ECM, 0, 0, hang_up, "the connection ends in place of the ECM" },
	{ "half-open",        CHANCE, ECM, 0, 0, go_deaf, "nothing more is sent on the connection, which stays open" },
	{ "split",            NUMBER, ALL, 1, SIM_MAX, split, "so many bytes a segment" },
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == ECMG_FAULTS, "a setting for every row");

static const struct { const char *name, *meaning; } controls[] = {
	{ "seed", "of the chances: the same seed, the same faults" },
	{ "skip", "so many messages are spared first" },
	{ "times", "so many messages are struck; then it behaves" },
};
enum { CONTROLS = sizeof(controls) / sizeof(controls[0]) };
static const char *const forms[] = { [CHANCE] = "[=P]", [NOTHING] = "", [TIME] = "=TIME[@P]", [CODE] = "=CODE[@P]", [NUMBER] = "=N[@P]" };

const char *
ecmg_misbehave_row(size_t nth, char form[48])
{
	if (nth < ECMG_FAULTS) {
		snprintf(form, 48, "%s%s", rows[nth].name, forms[rows[nth].arg]);
		return rows[nth].meaning;
	}
	if (nth >= ECMG_FAULTS + CONTROLS)
		return NULL;
	snprintf(form, 48, "%s=N", controls[nth - ECMG_FAULTS].name);
	return controls[nth - ECMG_FAULTS].meaning;
}

/* ---- the operator's words */

static int
take_chance(const char *text, double *chance, struct gw_err *err)
{
	char *end;

	*chance = strtod(text, &end);
	if (end == text || *end || !(*chance > 0 && *chance <= 1))
		return gw_fail(err, GW_EUSAGE, "%s is no probability above 0 and up to 1", text);
	return 0;
}

static int
take_count(const char *text, uint64_t least, uint64_t most, uint64_t *n, struct gw_err *err)
{
	char *end;

	*n = strtoull(text, &end, 0);
	if (end == text || *end || *text == '-' || *n < least || *n > most)
		return gw_fail(err, GW_EUSAGE, "%s is no number from %llu to %llu", text, (unsigned long long)least, (unsigned long long)most);
	return 0;
}

static int
take_time(const char *text, uint32_t *ms, struct gw_err *err)
{
	char *end;
	const double v = strtod(text, &end), unit = strcmp(end, "ms") == 0 ? 1 : strcmp(end, "s") == 0 ? 1000 : 0;

	if (end == text || unit <= 0 || !(v >= 0 && v * unit <= 3600000))
		return gw_fail(err, GW_EUSAGE, "%s is no time up to an hour, like 800ms or 2s", text);
	*ms = (uint32_t)(v * unit);
	return 0;
}

static int
take_value(const struct row *r, const char *text, uint32_t *value, struct gw_err *err)
{
	uint64_t n = 0;
	int rc;

	if (r->arg == TIME)
		return take_time(text, value, err);
	rc = r->arg == CODE ? take_count(text, 0, UINT16_MAX, &n, err) : take_count(text, r->least, r->most, &n, err);
	*value = (uint32_t)n;
	return rc;
}

/* "NAME", "NAME=P", "NAME=VALUE" or "NAME=VALUE@P"; arg: what follows the sign, or NULL. */
static int
take_fault(struct ecmg_misbehave *m, size_t nth, char *arg, struct gw_err *err)
{
	const struct row *r = &rows[nth];
	char *at = arg && r->arg != CHANCE ? strchr(arg, '@') : NULL;

	m->fault[nth].chance = 1;
	m->on = true;
	if (r->arg == NOTHING)
		return arg ? gw_fail(err, GW_EUSAGE, "it takes no value") : 0;
	if (r->arg == CHANCE)
		return arg ? take_chance(arg, &m->fault[nth].chance, err) : 0;
	if (!arg)
		return gw_fail(err, GW_EUSAGE, "a value is missing");
	if (at)
		*at++ = '\0';
	if (take_value(r, arg, &m->fault[nth].value, err) < 0)
		return -1;
	return at ? take_chance(at, &m->fault[nth].chance, err) : 0;
}

static int
take_control(struct ecmg_misbehave *m, size_t nth, const char *arg, struct gw_err *err)
{
	uint64_t n = 0;

	if (take_count(arg ? arg : "", 0, nth == 0 ? UINT64_MAX : UINT32_MAX, &n, err) < 0)
		return -1;
	if (nth == 0)
		m->seed = n;
	else if (nth == 1)
		m->skip = (uint32_t)n;
	else
		m->times = (uint32_t)n;
	return 0;
}

static int
take_word(struct ecmg_misbehave *m, char *word, struct gw_err *err)
{
	char *arg = strchr(word, '=');

	if (arg)
		*arg++ = '\0';
	for (size_t k = 0; k < ECMG_FAULTS; k++)
		if (strcmp(rows[k].name, word) == 0)
			return take_fault(m, k, arg, err);
	for (size_t k = 0; k < CONTROLS; k++)
		if (strcmp(controls[k].name, word) == 0)
			return take_control(m, k, arg, err);
	return gw_fail(err, GW_EUSAGE, "no such misbehaviour");
}

int
ecmg_misbehave_parse(struct ecmg_misbehave *m, const char *list, struct gw_err *err)
{
	char words[sizeof(m->list)], *rest = words, *word;

	*m = (struct ecmg_misbehave){ .seed = 1 };
	if (strlen(list) >= sizeof(words))
		return gw_fail(err, GW_EUSAGE, "the list is too long");
	strcpy(words, list);
	strcpy(m->list, list);
	while ((word = strsep(&rest, ",")) != NULL)
		if (take_word(m, word, err) < 0)
			return gw_wrap(err, "%s: ", word);
	return m->on ? 0 : gw_fail(err, GW_EUSAGE, "%s: no misbehaviour among it", list);
}

/* ---- the way out */

void
ecmg_faults_init(struct ecmg_faults *f, const struct ecmg_misbehave *how, const struct ecmg_edge_door *door)
{
	f->how = *how;
	f->door = door;
	f->random = how->seed;
	f->seen = f->struck = 0;
}

struct ecmg_edge *
ecmg_edge_new(struct ecmg_faults *f, void *self)
{
	struct ecmg_edge *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->f = f;
	e->self = self;
	TAILQ_INIT(&e->parcels);
	return e;
}

static void
drop(struct ecmg_edge *e, struct parcel *p)
{
	TAILQ_REMOVE(&e->parcels, p, next);
	free(p);
}

static unsigned
kind_of(uint16_t type)
{
	return ALL | (type == ECMG_ECM_RESPONSE ? ECM : type == ECMG_STREAM_STATUS ? STREAM_STATUS : type == ECMG_CHANNEL_STATUS ?
	    CHANNEL_STATUS : 0);
}

static bool
could_strike(const struct ecmg_faults *f, unsigned kind)
{
	for (size_t k = 0; k < ECMG_FAULTS; k++)
		if (f->how.fault[k].chance > 0 && rows[k].strikes & kind)
			return true;
	return false;
}

static void
strike(struct transit *t)
{
	struct ecmg_faults *f = t->f;
	const unsigned kind = kind_of(t->type);
	const struct sim_message *def = sim_message_find(&ecmg_scs, t->type);
	bool struck = false;

	if (!could_strike(f, kind) || f->seen++ < f->how.skip || (f->how.times && f->struck >= f->how.times))
		return;
	for (size_t k = 0; k < ECMG_FAULTS; k++) {
		if (!(f->how.fault[k].chance > 0 && rows[k].strikes & kind))
			continue;
		if ((double)(draw(&f->random) >> 11) * 0x1p-53 >= f->how.fault[k].chance)
			continue;
		rows[k].act(t, f->how.fault[k].value);
		f->door->struck(t->edge->self, rows[k].name, def ? def->name : "unknown");
		struck = true;
	}
	f->struck += struck;
}

static void
pack(struct transit *t, int64_t now_us)
{
	struct parcel *p = calloc(1, sizeof(*p) + t->len);

	if (!p)
		return;	/* a fault like any other */
	p->due_us = t->held ? INT64_MAX : now_us + t->delay_us;
	p->close = t->close;
	p->piece = t->piece;
	p->len = t->len;
	memcpy(p->bytes, t->f->buf, t->len);
	TAILQ_INSERT_TAIL(&t->edge->parcels, p, next);
}

/* Answers that were held back go behind the one that was packed last. */
static void
let_go(struct ecmg_edge *e)
{
	struct parcel *last = TAILQ_LAST(&e->parcels, parcels), *p, *next;

	for (p = TAILQ_FIRST(&e->parcels); p != last; p = next) {
		next = TAILQ_NEXT(p, next);
		if (p->due_us != INT64_MAX)
			continue;
		p->due_us = last->due_us;
		TAILQ_REMOVE(&e->parcels, p, next);
		TAILQ_INSERT_TAIL(&e->parcels, p, next);
	}
}

static void
clear(struct ecmg_edge *e)
{
	while (!TAILQ_EMPTY(&e->parcels))
		drop(e, TAILQ_FIRST(&e->parcels));
}

void
ecmg_edge_free(struct ecmg_edge *e)
{
	if (e)
		clear(e);
	free(e);
}

void
ecmg_edge_send(struct ecmg_edge *e, const uint8_t *msg, size_t len, int64_t now_us)
{
	struct transit t = { .f = e->f, .edge = e, .type = (uint16_t)(msg[1] << 8 | msg[2]), .first = len, .len = len, .copies = 1 };

	if (e->deaf)
		return;
	memcpy(e->f->buf, msg, len);
	strike(&t);
	for (unsigned k = 0; k < t.copies; k++)
		pack(&t, now_us);
	if (t.type == ECMG_ECM_RESPONSE && t.copies > 0 && !t.held && !TAILQ_EMPTY(&e->parcels))
		let_go(e);
	if (e->deaf)
		clear(e);
	ecmg_edge_time(e, now_us);
}

/* A message that is half out is finished before another one begins. */
static struct parcel *
foremost(const struct ecmg_edge *e, int64_t now_us)
{
	struct parcel *p;

	TAILQ_FOREACH(p, &e->parcels, next)
		if (p->at > 0)
			return p;
	TAILQ_FOREACH(p, &e->parcels, next)
		if (p->due_us <= now_us)
			return p;
	return NULL;
}

int64_t
ecmg_edge_due(const struct ecmg_edge *e)
{
	const struct parcel *p;
	int64_t due = INT64_MAX;

	TAILQ_FOREACH(p, &e->parcels, next)
		if (p->at > 0)
			return e->next_piece_us;
		else if (p->due_us < due)
			due = p->due_us;
	return due < e->next_piece_us ? e->next_piece_us : due;
}

void
ecmg_edge_time(struct ecmg_edge *e, int64_t now_us)
{
	struct parcel *p;

	while (now_us >= e->next_piece_us && (p = foremost(e, now_us)) != NULL) {
		const size_t left = p->len - p->at, n = p->piece && p->piece < left ? p->piece : left;
		if (p->close) {
			e->deaf = true;
			clear(e);
			e->f->door->close(e->self);
			return;
		}
		if (p->piece)
			e->next_piece_us = now_us + PIECE_US;
		e->f->door->send(e->self, p->bytes + p->at, n);
		p->at += n;
		if (p->at == p->len)
			drop(e, p);
	}
}
