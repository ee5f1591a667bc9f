/* tools/load_wire.c: messages that are made once by the tables, and then differ in a few places */
#include <stdio.h>
#include <string.h>
#include "proto/be.h"
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "tools/load.h"

enum { CHANNEL, STREAM, ID, CP, WORD, KEY_ID };	/* kinds of places */
enum { TLV = 4, CW_MAX = 64, CW_COUNT = 8, UNASSIGNED = 0x7abc };	/* a parameter_type that DVB has reserved */

#define STATUS(...) { __VA_ARGS__ }
enum { ECMG = 1 << LOAD_ECMG, SERVERS = 1 << LOAD_ECMG | 1 << LOAD_MUX, SCS = 1 << LOAD_SCS, BSM = 1 << LOAD_BSM };
const struct load_misdeed load_misdeeds[] = {
	{ "garbage", "random octets where a message should begin", SERVERS, LOAD_GARBAGE, LOAD_CUT, STATUS({ 0 }, { 0 }) },
	{ "truncated", "a message that ends within a parameter", SERVERS, LOAD_TRUNCATED, LOAD_MUST, STATUS({ 0x0001 }, { 0x0001 }) },
	{ "oversized", "a message as long as the length field goes", SERVERS, LOAD_OVERSIZED, LOAD_MAY,
		STATUS({ 0x0004, 0x000f, 0x0011 }, { 0x0004, 0x000b, 0x000f }) },
	{ "version", "protocol_version 9", SERVERS, LOAD_VERSION, LOAD_MUST, STATUS({ 0x0002 }, { 0x0002 }) },
	{ "unknown", "a message_type that there is not", SERVERS, LOAD_UNKNOWN, LOAD_MAY, STATUS({ 0x0003 }, { 0x0003 }) },
	{ "parameter", "a request with a parameter_type that there is not", SERVERS, LOAD_PARAMETER, LOAD_MAY, STATUS({ 0x000e }, { 0x000a }) },
	{ "missing", "a request without its last mandatory parameter", SERVERS, LOAD_MISSING, LOAD_MUST, STATUS({ 0x0010 }, { 0x000c }) },
	{ "window", "control words of other crypto-periods than the one asked for needs", ECMG, LOAD_WINDOW, LOAD_MUST, STATUS({ 0x000b }, { 0 }) },
	{ "overlap", "a second request on a stream whose first has no answer yet", SERVERS, LOAD_OVERLAP, LOAD_MAY, STATUS({ 0 }, { 0 }) },
	{ "flood", "a hundred channel_tests at once", SERVERS, LOAD_FLOOD, LOAD_TESTS, STATUS({ 0 }, { 0 }) },
	{ "dribble", "a request in segments of one octet", SERVERS, LOAD_DRIBBLE, LOAD_NO_HARM, STATUS({ 0 }, { 0 }) },
	{ "half", "half a request, and a second later the rest", SERVERS, LOAD_HALF, LOAD_NO_HARM, STATUS({ 0 }, { 0 }) },
	{ "mute", "nothing is said for a second", SERVERS, LOAD_MUTE, LOAD_NO_HARM, STATUS({ 0 }, { 0 }) },
	{ "deaf", "answers are not read for a second", SERVERS, LOAD_DEAF, LOAD_NO_HARM, STATUS({ 0 }, { 0 }) },
	{ "vanish", "half a request, then the connection is reset", SERVERS, LOAD_VANISH, LOAD_CUT, STATUS({ 0 }, { 0 }) },
	{ "storm", "the connection is reset, and at once opened anew", SERVERS, LOAD_STORM, LOAD_CUT, STATUS({ 0 }, { 0 }) },
	{ "silent", "no answer", SCS, LOAD_SILENT, LOAD_GO_ON, STATUS({ 0 }, { 0 }) },
	{ "refuse", "stream_error instead of the answer", SCS, LOAD_REFUSE, LOAD_GO_ON, STATUS({ 0 }, { 0 }) },
	{ "wrong", "the answer is for another crypto-period", SCS, LOAD_WRONG, LOAD_GO_ON, STATUS({ 0 }, { 0 }) },
	{ "garbage", "random octets where a message should begin", SCS, LOAD_GARBAGE, LOAD_GO_ON, STATUS({ 0 }, { 0 }) },
	{ "vanish", "the connection is closed instead of an answer", SCS, LOAD_VANISH, LOAD_GO_ON, STATUS({ 0 }, { 0 }) },
	/* RFC 2617 3.2 and 3.3, RFC 2616 10.4, TS 33.246 6.2.1.3: a B-TID that is not known has no stale=true, which would have the terminal try again for ever */
	{ "anonymous", "no credentials", BSM, LOAD_ANONYMOUS, LOAD_EARNS, STATUS({ 401 }, { 0 }) },
	{ "key", "a digest under another key", BSM, LOAD_WRONG_KEY, LOAD_EARNS, STATUS({ 401 }, { 0 }) },
	{ "stranger", "a B-TID that nobody has", BSM, LOAD_STRANGER, LOAD_EARNS, STATUS({ 401 }, { 0 }) },
	{ "replay", "what was answered before, octet by octet: its nonce and nonce count were used", BSM, LOAD_REPLAY, LOAD_EARNS,
		STATUS({ 401, LOAD_STALE + 401 }, { 0 }) },
	{ "tampered", "the body is not the one that the digest is of", BSM, LOAD_TAMPERED, LOAD_EARNS, STATUS({ 401 }, { 0 }) },
	{ "elsewhere", "the credentials are for another URI", BSM, LOAD_ELSEWHERE, LOAD_EARNS, STATUS({ 400, 401 }, { 0 }) },
	{ "nonsense", "a body that is no XML", BSM, LOAD_NONSENSE, LOAD_EARNS, STATUS({ 400 }, { 0 }) },
	{ "entities", "a document whose entities become a gigabyte", BSM, LOAD_ENTITIES, LOAD_EARNS, STATUS({ 400, 413, LOAD_CLOSED }, { 0 }) },
	{ "oversized", "a body of a megabyte", BSM, LOAD_BIG_BODY, LOAD_EARNS, STATUS({ 413, 400, LOAD_CLOSED }, { 0 }) },
	{ "garbage", "random octets before the request line", BSM, LOAD_NOISE, LOAD_EARNS, STATUS({ 400, LOAD_CLOSED }, { 0 }) },
	{ "lengths", "two Content-Lengths that contradict each other", BSM, LOAD_TWO_LENGTHS, LOAD_EARNS, STATUS({ 400, LOAD_CLOSED }, { 0 }) },
	{ "header", "a header of 64 KiB", BSM, LOAD_LONG_HEAD, LOAD_EARNS, STATUS({ 431, 400, 413, LOAD_CLOSED }, { 0 }) },
	{ "stall", "half of the body, and then nothing", BSM, LOAD_STALL, LOAD_EARNS, STATUS({ 408, LOAD_CLOSED }, { 0 }) },
	{ "leave", "the connection is closed when the request is out", BSM, LOAD_LEAVE, LOAD_EARNS, STATUS({ LOAD_LEFT }, { 0 }) },
	{ "vanish", "the connection is reset within the answer", BSM, LOAD_BREAK, LOAD_EARNS, STATUS({ 200 }, { 0 }) },
	{ NULL, NULL, 0, 0, LOAD_MUST, STATUS({ 0 }, { 0 }) },
};

static const uint16_t *
statuses(const struct load_conf *c)
{
	return c->misdeed->status[c->side == LOAD_MUX];
}

/* How many errors were such as the misdeed may earn. */
static uint64_t
earned(const struct load_conf *c, const struct load_report *r)
{
	const uint16_t *s = statuses(c);
	uint64_t n = 0;

	for (unsigned i = 0; i < r->nerrors; i++)
		for (int k = 0; k < LOAD_STATUSES && s[k]; k++)
			n += r->error[i].status == s[k] ? r->error[i].n : 0;
	return s[0] ? n : r->errors;
}

const char *
load_outcome_text(unsigned outcome, char *out, size_t cap)
{
	static const char *const words[] = { [LOAD_CLOSED] = "closed without an answer", [LOAD_SILENCE] = "no answer in time", [LOAD_LEFT] = "left",
		[LOAD_UNTRIED] = "never came to it" };
	unsigned status = outcome % LOAD_STALE;

	if (outcome >= LOAD_CLOSED && outcome <= LOAD_UNTRIED)
		snprintf(out, cap, "%s", words[outcome]);
	else
		snprintf(out, cap, "%u%s", status, outcome >= LOAD_BARE ? " without a challenge" : outcome >= LOAD_STALE ? " stale" : "");
	return out;
}

static void
words(const struct load_conf *c, char *out, size_t cap)
{
	static const char *const duties[] = { [LOAD_MUST] = "each time an error:", [LOAD_MAY] = "nothing, or an error:", [LOAD_NO_HARM] = "it is answered all the same",
		[LOAD_TESTS] = "each channel_test is answered by a channel_status, and requests as ever", [LOAD_CUT] = "the connection is lost, and a new one taken",
		[LOAD_GO_ON] = "the SCS goes on", [LOAD_EARNS] = "others are answered, and it earns each time:" };
	const uint16_t *s = statuses(c);
	size_t n = (size_t)snprintf(out, cap, "%s", duties[c->misdeed->duty]);
	char text[LOAD_WORDS];

	for (int k = 0; k < LOAD_STATUSES && s[k] && n < cap; k++) {
		if (c->misdeed->duty == LOAD_EARNS)
			load_outcome_text(s[k], text, sizeof(text));
		else
			snprintf(text, sizeof(text), "0x%04x", s[k]);
		n += (size_t)snprintf(out + n, cap - n, "%s %s", k ? " or" : "", text);
	}
	if (c->misdeed->duty == LOAD_MAY && !s[0] && n < cap)
		snprintf(out + n, cap - n, " any");
}

bool
load_judge(const struct load_conf *c, const struct load_report *r, char expected[LOAD_WORDS])
{
	uint64_t n = earned(c, r);
	bool well = r->answered > 0 && r->wrong == 0 && r->refused == 0, whole = well && r->lost == 0 && r->pace.unanswered == 0 && r->bad == 0;

	words(c, expected, LOAD_WORDS);
	switch (c->misdeed->duty) {
	case LOAD_MUST: return whole && n == r->misdeeds && n == r->errors;
	case LOAD_MAY: return whole && n == r->errors && n <= r->misdeeds;
	case LOAD_NO_HARM: return whole && r->errors == 0;
	case LOAD_TESTS: return whole && r->errors == 0 && r->tested == r->misdeeds * LOAD_TESTS_AT_ONCE;
	case LOAD_CUT: return well;
	case LOAD_GO_ON: return r->misdeeds == 0 || r->recovered > 0;
	case LOAD_EARNS: return whole && n == r->misdeeds && r->errors == 0 && r->bsm.unknown == 0 && r->bsm.refused == 0;
	}
	return false;
}

const struct sim_iface *
load_iface(enum load_side side)
{
	return side == LOAD_MUX ? &emmg_mux : &ecmg_scs;
}

void
load_error(struct load_report *r, uint16_t status)
{
	unsigned i = 0;

	while (i < r->nerrors && r->error[i].status != status)
		i++;
	if (i == LOAD_ERRORS)
		return;
	if (i == r->nerrors)
		r->error[r->nerrors++].status = status;
	r->error[i].n++;
}

/* A control word that hangs on its crypto-period alone, so that neighbours' requests agree on it, with the check sums of DVB-CSA. */
static void
word(uint8_t *cw, size_t len, unsigned cp)
{
	for (size_t i = 0; i < len; i++)
		cw[i] = i % 4 == 3 ? (uint8_t)(cw[i - 1] + cw[i - 2] + cw[i - 3]) : (uint8_t)(i & 1 ? cp >> 8 : cp + i);
}

/* The value of the parameter that is put next, `skip` octets on, is to be patched. */
static void
place(struct load_wire *w, const struct sim_writer *s, unsigned kind, unsigned index)
{
	w->patch[w->n].kind = (uint8_t)kind;
	w->patch[w->n].index = (uint8_t)index;
	w->patch[w->n++].at = (uint16_t)((size_t)(s->buf - w->bytes) + s->len + TLV);
}

static void
put_place(struct load_wire *w, struct sim_writer *s, unsigned kind, uint16_t type)
{
	place(w, s, kind, 0);
	sim_put_int(s, type, 0);
}

static int
finish(struct load_wire *w, struct sim_writer *s, struct gw_err *err)
{
	struct sim_fault why;
	size_t len = sim_end(s, &why);

	w->len += len;
	return len ? 0 : gw_fail(err, GW_EUSAGE, "a request with these options is none: %s, parameter 0x%04x", sim_verdict_text(why.verdict), why.param);
}

static int
provision(struct load_wire *w, const struct load_conf *c, struct gw_err *err)
{
	static const uint8_t srtp[2] = { 1, 1 };
	uint8_t cw[2 + CW_MAX] = { 0 }, id[4] = { 0 };
	struct sim_writer s;

	sim_begin(&s, &ecmg_scs, c->version, ECMG_CW_PROVISION, w->bytes, sizeof(w->bytes));
	put_place(w, &s, CHANNEL, ECMG_CHANNEL_ID);
	put_place(w, &s, STREAM, ECMG_STREAM_ID);
	put_place(w, &s, CP, ECMG_CP_NUMBER);
	for (unsigned i = 0; i < w->count; i++) {
		put16(cw, i);
		place(w, &s, WORD, i);
		sim_put_bytes(&s, ECMG_CP_CW, cw, 2 + c->cw_len);
	}
	if (c->ac_len)
		sim_put_bytes(&s, ECMG_ACCESS_CRITERIA, c->ac, c->ac_len);
	if (c->bcast) {
		sim_put_bytes(&s, ECMG_TRAFFIC_PROTECTION, srtp, sizeof(srtp));
		for (unsigned i = 0; i < w->count; i++) {
			put16(id, i);
			place(w, &s, KEY_ID, i);
			sim_put_bytes(&s, ECMG_KEY_IDENTIFIER, id, sizeof(id));
		}
	}
	return finish(w, &s, err);
}

static int
data(struct load_wire *w, const struct load_conf *c, struct gw_err *err)
{
	uint8_t datagram[LOAD_DATAGRAM] = { 0 };
	struct sim_writer s;

	/* a section of a private table, which any format passes on */
	datagram[0] = 0x82;
	put16(datagram + 1, 0x3000 | (c->size - 3));
	sim_begin(&s, &emmg_mux, c->version, EMMG_DATA_PROVISION, w->bytes, sizeof(w->bytes));
	sim_put_int(&s, EMMG_CLIENT_ID, c->client_id);
	put_place(w, &s, CHANNEL, EMMG_CHANNEL_ID);
	put_place(w, &s, STREAM, EMMG_STREAM_ID);
	if (c->version > 1)
		put_place(w, &s, ID, EMMG_DATA_ID);
	sim_put_bytes(&s, EMMG_DATAGRAM, datagram, c->size);
	if (finish(w, &s, err) < 0)
		return -1;
	sim_begin(&s, &emmg_mux, c->version, EMMG_STREAM_TEST, w->bytes + w->len, sizeof(w->bytes) - w->len);
	sim_put_int(&s, EMMG_CLIENT_ID, c->client_id);
	put_place(w, &s, CHANNEL, EMMG_CHANNEL_ID);
	put_place(w, &s, STREAM, EMMG_STREAM_ID);
	return finish(w, &s, err);
}

int
load_wire_request(struct load_wire *w, const struct load_conf *c, uint8_t lead, uint8_t count, struct gw_err *err)
{
	*w = (struct load_wire){ .lead = lead, .count = count, .cw_len = c->cw_len };
	if (c->side == LOAD_MUX)
		return data(w, c, err);
	if (count < 1 || count > (c->bcast ? CW_COUNT / 2 : CW_COUNT) || lead >= CW_COUNT)
		return gw_fail(err, GW_EPEER, "lead_CW %u and CW_per_msg %u are more than this generator makes", lead, count);
	return provision(w, c, err);
}

size_t
load_wire_put(const struct load_wire *w, uint8_t *out, uint16_t channel, uint16_t stream, uint16_t id, uint16_t cp)
{
	memcpy(out, w->bytes, w->len);
	for (unsigned i = 0; i < w->n; i++) {
		uint8_t *p = out + w->patch[i].at;
		/* the window of TS 103 197: the last word is lead_CW ahead */
		unsigned n = (cp + 1u + w->lead - w->count + w->patch[i].index) & 0xffff;
		switch (w->patch[i].kind) {
		case CHANNEL: put16(p, channel); break;
		case STREAM: put16(p, stream); break;
		case ID: put16(p, id); break;
		case CP: put16(p, cp); break;
		case WORD: put16(p, n), word(p + 2, w->cw_len, n); break;
		default: put16(p, n), put16(p + 2, n); break;	/* MKI: the CP */
		}
	}
	return w->len;
}

size_t
load_wire_message(const struct load_conf *c, uint16_t message, uint16_t channel, uint16_t stream, uint16_t id, uint8_t *out, size_t cap)
{
	const struct sim_iface *iface = load_iface(c->side);
	const struct sim_message *def = sim_message_find(iface, message);
	bool mux = c->side == LOAD_MUX;
	struct sim_writer w;

	sim_begin(&w, iface, c->version, message, out, cap);
	for (size_t i = 0; def && i < def->n; i++) {
		const struct sim_use *u = &def->uses[i];
		if (u->least == 0 || c->version < u->from || (u->to && c->version > u->to))
			continue;
		switch (u->type | (mux ? 0x10000 : 0)) {	/* the interfaces number their parameters each for itself */
		case ECMG_CHANNEL_ID: case 0x10000 | EMMG_CHANNEL_ID: sim_put_int(&w, u->type, channel); break;
		case ECMG_STREAM_ID: case 0x10000 | EMMG_STREAM_ID: sim_put_int(&w, u->type, stream); break;
		case ECMG_ECM_ID: case 0x10000 | EMMG_DATA_ID: sim_put_int(&w, u->type, id); break;
		case ECMG_SUPER_CAS_ID: sim_put_int(&w, u->type, c->super_cas_id); break;
		case ECMG_NOMINAL_CP_DURATION: sim_put_int(&w, u->type, c->cp_100ms); break;
		case ECMG_LEAD_CW: sim_put_int(&w, u->type, c->lead); break;
		case ECMG_CW_PER_MSG: sim_put_int(&w, u->type, c->cw_per_msg); break;
		case ECMG_SECTION_TSPKT: sim_put_int(&w, u->type, c->bcast ? 2 : 0); break;
		case ECMG_REP_PERIOD: sim_put_int(&w, u->type, 500); break;
		case ECMG_MAX_COMP_TIME: sim_put_int(&w, u->type, 500 + (int64_t)c->delay_ms); break;
		case ECMG_MIN_CP_DURATION: sim_put_int(&w, u->type, 10); break;
		case 0x10000 | EMMG_CLIENT_ID: sim_put_int(&w, u->type, c->client_id); break;
		default: sim_put_int(&w, u->type, 0); break;	/* delays, AC transfer, data_type, section */
		}
	}
	return sim_end(&w, NULL);
}

int
load_wire_find(const uint8_t *frame, size_t len, uint16_t type)
{
	for (size_t at = SIM_HEADER; at + TLV <= len;) {
		size_t n = be16(frame + at + 2);
		if (be16(frame + at) == type && n == 2 && at + TLV + 2 <= len)
			return (int)be16(frame + at + TLV);
		at += TLV + n;
	}
	return -1;
}

size_t
load_wire_bad(unsigned misdeed, const uint8_t *good, size_t len, uint8_t *out)
{
	size_t first = sim_frame_length(good, len), at = SIM_HEADER;	/* a MUX's request is two messages */

	memcpy(out, good, first);
	switch (misdeed) {
	case LOAD_GARBAGE:
		for (size_t i = 0; i < 64; i++)
			out[i] = (uint8_t)(0xa5 + 31 * i);
		return 64;
	case LOAD_TRUNCATED:	/* the frame is whole, its last parameter is not */
		put16(out + 3, (unsigned)(first - SIM_HEADER - 1));
		return first - 1;
	case LOAD_VERSION:
		out[0] = 9;
		return first;
	case LOAD_UNKNOWN:
		put16(out + 1, 0x0fff);
		return first;
	case LOAD_MISSING:	/* two parameters, no more */
		for (int i = 0; i < 2; i++)
			at += TLV + be16(out + at + 2);
		put16(out + 3, (unsigned)(at - SIM_HEADER));
		return at;
	case LOAD_OVERLAP:
		return first;
	default:
		return 0;
	}
}

/* The first parameter of that type; 0: there is none. */
static size_t
place_of(const uint8_t *frame, size_t len, uint16_t type)
{
	for (size_t at = SIM_HEADER; at + TLV <= len; at += TLV + be16(frame + at + 2))
		if (be16(frame + at) == type)
			return at;
	return 0;
}

size_t
load_wire_instead(unsigned misdeed, enum load_side side, const uint8_t *good, size_t len, uint8_t *out)
{
	size_t first = sim_frame_length(good, len), behind = len - first, n = first, at;	/* behind: of a MUX's request, the test */

	memcpy(out, good, first);
	switch (misdeed) {
	case LOAD_PARAMETER:
		put16(out + n, UNASSIGNED);
		put16(out + n + 2, 2);
		put16(out + n + TLV, 0xbeef);
		n += TLV + 2;
		break;
	case LOAD_OVERSIZED:	/* one parameter more, that fills it */
		put16(out + n, side == LOAD_MUX ? (unsigned)EMMG_DATAGRAM : (unsigned)ECMG_ACCESS_CRITERIA);
		put16(out + n + 2, (unsigned)(LOAD_BIG - n - TLV - behind));
		memset(out + n + TLV, 0xff, LOAD_BIG - n - TLV - behind);
		n = LOAD_BIG - behind;
		break;
	case LOAD_WINDOW:	/* a thousand crypto-periods on */
		for (at = place_of(out, first, ECMG_CP_CW); at && at + TLV <= first && be16(out + at) == ECMG_CP_CW; at += TLV + be16(out + at + 2))
			put16(out + at + TLV, (be16(out + at + TLV) + 1000) & 0xffff);
		break;
	default:
		return 0;
	}
	put16(out + 3, (unsigned)(n - SIM_HEADER));
	memcpy(out + n, good + first, behind);
	return n + behind;
}
