/* tools/lint_state.h: what the engine of simulgate lint knows of a session, for the checks of its rules. Not for others: see lint.h. */
#ifndef TOOLS_LINT_STATE_H
#define TOOLS_LINT_STATE_H
#include "tools/lint.h"

#define LINT_MS INT64_C(1000000)
#define LINT_SECOND INT64_C(1000000000)
enum { LINT_ECMS = 1 << 14 };		/* that are looked for on air */

/* What a message is for, whatever its interface calls it. */
enum lint_class { CLASS_OTHER, CHANNEL_SETUP, CHANNEL_TEST, CHANNEL_STATUS, CHANNEL_CLOSE, CHANNEL_ERROR,
	STREAM_SETUP, STREAM_TEST, STREAM_STATUS, STREAM_CLOSE_REQUEST, STREAM_CLOSE_RESPONSE, STREAM_ERROR,
	STREAM_ASK, STREAM_REPLY, STREAM_DATA };
struct lint_kind { const struct sim_iface *iface; uint16_t type; enum lint_class class; enum lint_side by; };
const struct lint_kind *lint_kind(const struct sim_iface *, uint16_t type);	/* never NULL */

enum lint_channel_state { CHANNEL_UNKNOWN, CHANNEL_NONE, CHANNEL_ASKED, CHANNEL_OPEN, CHANNEL_REFUSED, CHANNEL_CLOSED };
enum lint_stream_state { STREAM_UNKNOWN, STREAM_ASKED, STREAM_OPEN, STREAM_CLOSING, STREAM_CLOSED };
enum { LINT_CWS = 16, LINT_PACE = 8, LINT_STREAMS = 4096, LINT_WAITS = 1024 };

/* A request without an answer. */
struct lint_wait {
	const struct dec_pair *pair;
	enum lint_class class;
	int side;			/* that asked, as in the connection */
	int64_t channel, stream, key, at_ns, limit_ns;
	uint64_t frame;
	size_t period;			/* of the report; SIZE_MAX: none */
	bool overdue;			/* that was told; the answer may come yet */
	bool moot;			/* its stream or channel is closed, or it was asked again: no answer is due, and one that was on its way may come */
	bool cws_right;			/* it had the control words that were asked for */
};
/* A stream, from its setup on; what was kept of it when it is set up again is its report only. */
struct lint_st {
	int64_t id, ecm_id, data_type;
	enum lint_stream_state state;
	uint64_t opened_frame;
	uint16_t nominal; int ac_mode;	/* nominal_CP_duration, 0: not known; -1 likewise */
	int64_t dead_ns;		/* since when the server wants it closed (0x7001); 0: it does not */
	bool was_open;			/* when it was set up: it is yet, if that is refused */
	bool empty;			/* EIS: a group without content and ECMs */
	int64_t replied_ns;		/* the last ECM_response or stream_error; 0: none */
	bool cp_known, repeat; uint16_t cp; uint64_t ncps;	/* how many; of the last CW_provision; it may be sent again */
	struct { bool known; uint16_t cp, len; uint64_t digest; } cw[LINT_CWS];	/* by CP; a digest under a key of this run */
	int64_t pace[LINT_PACE]; unsigned npace;
	int table_id; uint16_t table_cp; uint64_t ecm_digest;	/* of the last ECM; -1: none */
	bool allocated; double credit; int64_t credit_ns, spared_ns;	/* octets that may be sent, by bandwidth; until when what is on its way may be more */
	size_t rep;			/* its place in the report; SIZE_MAX: none */
	size_t air;			/* the newest period seen on air, + 1; 0: none */
	unsigned extra; uint64_t extra_frame;	/* what a rule keeps */
};
struct lint_live {
	struct lint *lint;
	struct lint_live *prev, *next;
	const struct dec_session *s;
	struct lint_session *rep; bool listed;	/* in the report; else it is freed with this */
	enum lint_channel_state channel;
	bool streams_known;		/* a stream that is not here is not open */
	bool lost[2]; unsigned calm; int64_t lost_ns;	/* messages of this side may be missing; messages since then; when that was */
	int64_t dead_ns;		/* since when the server wants the channel closed (0x7001); 0: it does not */
	int64_t trip_ns;		/* the quickest answer of the server that is no ECM; 0: none yet */
	bool was_open;			/* when it was set up: it is yet, if that is refused */
	uint8_t version[2];		/* by side of the connection; 0: nothing yet */
	bool limits;			/* channel_status was seen */
	struct lint_wait *wait; size_t nwaits, wait_room, nwaits_most;
	bool unwatched;			/* there were more requests without an answer than are kept: whose an answer is, is not known for sure */
	struct lint_st *st; size_t nst, st_room, nst_most;
	int last_side; bool last_error;	/* of the message before */
	int service_flag, component_flag, max_scg;	/* EIS; -1: not known */
};

/* What a rule looks at: one message, or one thing that has come to pass. */
struct lint_check;
struct lint_seen {
	struct lint *lint;
	struct lint_live *live;
	const struct sim_iface *iface;
	const struct lint_check *row;	/* the rule */
	const struct dec_message *g;	/* NULL: no message */
	const struct lint_kind *kind;
	int side;			/* as in the connection; -1: nobody's */
	int64_t channel, stream;	/* that the message names; -1: none */
	struct lint_st *st;		/* of the message; NULL: not known */
	const struct lint_wait *wait;	/* that the message answers, or that is overdue; NULL: none */
	int64_t took_ns; bool late;	/* from the request on, or from when the server had done what was asked before; longer than max_comp_time and the way */
	const struct lint_live *control;	/* data by UDP: the session that set its stream up; else live; NULL: not known */
	uint64_t frame; int64_t at_ns;
	const char *message;
	/* on air */
	struct lint_session *rep; struct lint_stream *stream_rep; size_t period; const char *where;
	enum dec_tcp_event event; enum dec_trouble trouble; uint64_t octets;
};
/* ON_PARAMS: a message that a strict receiver would refuse; ON_OCTETS: any; ON_MESSAGE: one that is well-formed, so that what is wrong is told once. */
enum lint_on { ON_PARAMS, ON_OCTETS, ON_MESSAGE, ON_OVERDUE, ON_END, ON_TCP, ON_TROUBLE, ON_AIR };
struct lint_check {
	struct lint_rule rule;
	enum lint_on on;
	uint16_t type;			/* ON_OCTETS, ON_MESSAGE: of this message only; 0: of any */
	bool of_param;			/* the clause is that of the parameter, where the rule has none */
	void (*check)(struct lint_seen *);
};
extern const struct lint_check lint_checks[];
size_t lint_nchecks(void);

/*
 * The rule of seen->row is broken by this side (as in the connection; -1: nobody known). param: a parameter_type that the interface's table
 * knows, or not; LINT_NO_PARAM: none.
 */
/* A CW_provision has what lead_CW and CW_per_msg ask for. */
bool lint_window_right(const struct lint_seen *);
/* An error that refuses a protocol_version, in whichever version the other side speaks. */
bool lint_refuses_version(const struct lint_seen *);
/* After the checks: what they want to know later. */
void lint_note(struct lint_seen *);
enum { LINT_NO_PARAM = 0x10000 };
void lint_found(struct lint_seen *, int side, uint32_t param, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
uint64_t lint_digest(const struct lint *, const void *, size_t);
enum lint_side lint_whose(const struct lint_live *, int side);
const char *lint_who(const struct lint_live *, int side);	/* "ECMG" */
struct lint_st *lint_stream_of(struct lint_live *, int64_t id);
struct lint_live *lint_lives(struct lint *);		/* the first of those that go on */
int64_t lint_now_ns(const struct lint *);
#endif
