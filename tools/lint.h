/*
 * tools/lint.h: what is wrong with SimulCrypt sessions, by the clause of the standard that says so. An engine without I/O and clock: it follows
 * what tools/dec_msg.h recognises and judges it by one table of rules; what comes out is a report in memory, that the text, the JSON and the
 * page are written from. Memory is bounded whatever comes: lists stop growing, counts go on.
 */
#ifndef TOOLS_LINT_H
#define TOOLS_LINT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "tools/dec_msg.h"
#include "tools/dec_read.h"
#include "tools/hist.h"

enum lint_severity {
	LINT_NOTICE,		/* worth knowing; nobody broke a rule for sure */
	LINT_WARNING,		/* the standard is bent, or a limit that was announced is not kept: most peers live with it */
	LINT_ERROR,		/* the standard is broken */
	LINT_SEVERITIES
};
const char *lint_severity_word(enum lint_severity);	/* "warning" */

/* Who can break a rule. */
enum lint_side { LINT_CLIENT, LINT_SERVER, LINT_EITHER };	/* SCS, EMMG, EIS, (C)(P)SIG; the one that is connected to; any */
/* "SCS", "ECMG", "EMMG", "MUX" …; LINT_EITHER: "either". */
const char *lint_side_word(const struct sim_iface *, enum lint_side);

/* What the table says; the check itself is in lint_rules.c. */
struct lint_rule {
	const char *id;			/* "cw-outstanding": stable */
	const struct sim_iface *iface;	/* NULL: all */
	const char *clause;		/* "TS 103 197, 5.5.7"; NULL: that of the message or the parameter */
	enum lint_severity severity;
	enum lint_side side;
	const char *says;		/* the rule: a sentence without its full stop */
};
/* NULL: n is past the end. */
const struct lint_rule *lint_rule(size_t n);
const struct lint_rule *lint_rule_find(const char *id);

enum {
	LINT_SESSIONS = 4096,		/* kept in the report */
	LINT_FINDINGS = 16384,		/* kept, equal ones being one */
	LINT_PERIODS = 1 << 17,		/* crypto-periods kept, of all sessions */
	LINT_PERIODS_STREAM = 4096,	/* of one stream, the first ones */
	LINT_GAPS = 64,			/* kept of one session */
	LINT_HISTS = 128,		/* histograms kept of single sessions */
	LINT_MESSAGES = 24, LINT_LATENCIES = 8, LINT_TEXT = 200, LINT_CLAUSE = 48, LINT_NAME = 48, LINT_ENDS = 64
};

/* What one rule found in one session about one side, message and parameter: the first time, and how often. */
struct lint_finding {
	const struct lint_rule *rule;
	char clause[LINT_CLAUSE];
	unsigned session;		/* number of the session */
	int64_t stream;			/* that the first one was about, as lint_stream.id; -1: none */
	enum lint_side side;		/* who broke it: client or server; LINT_EITHER: not known */
	uint64_t frame; int64_t at_ns;	/* of the first one; at_ns from 1970 on */
	uint64_t last_frame; int64_t last_ns;
	char message[LINT_NAME];	/* "CW_provision"; "": none, it is about the connection */
	char param[LINT_NAME];		/* "CP_number", or "0x0042"; "": none */
	char text[LINT_TEXT];		/* a sentence: what was seen, and what was to be expected; no secrets */
	uint64_t count;			/* 1: no further one */
};

/* One CW_provision and what came of it. Times from 1970 on in ns; 0: not seen. */
struct lint_period {
	uint16_t cp;			/* CP_number */
	uint16_t duration_100ms;	/* CP_duration, else nominal_CP_duration; 0: not known */
	int64_t asked_ns, answered_ns;
	uint64_t asked_frame, answered_frame;
	int64_t latency_ns;		/* -1: no answer */
	bool late;			/* later than max_comp_time, and what the network takes */
	bool refused;			/* answered by stream_error */
	bool unwatched;			/* too many requests were under way: whether it was answered is not known */
	/*
	 * When the period begins and ends, as far as the capture tells: from when its ECM was on air, or from the playout link. 0: not known.
	 * air: first and last time that its ECM was seen on air; repeats: how often.
	 */
	int64_t start_ns, end_ns, air_first_ns, air_last_ns;
	uint64_t air_repeats;
};

struct lint_stream {
	int64_t channel, id;		/* ECM_stream_id, data_stream_id, SCG_ID; -1: none (UDP) */
	int64_t ecm_id;			/* ECM_id or data_id; -1: not known */
	uint16_t nominal_100ms;		/* ECMG: nominal_CP_duration; 0: not known */
	int32_t bandwidth_kbit;		/* EMMG: allocated; -1: not known */
	int64_t opened_ns, closed_ns;	/* stream_status, stream_close_response; 0: not seen */
	uint64_t data_bytes, data_messages;	/* EMMG: data_provision */
	char air[LINT_ENDS];		/* where its ECMs were first seen on air: what other places have may be a copy, and behind; "": nowhere */
	struct lint_period *periods; size_t nperiods;
	uint64_t more_periods;		/* that there was no room for */
	size_t period_room;
};
/* What channel_status (ECMG) or channel_setup (EMMG) announced; -1: not known. Delays: INT32_MIN: absent. */
struct lint_channel {
	int64_t id, super_cas_id;	/* super_cas_id: client_id on EMMG<=>MUX */
	int section_TSpkt_flag, max_streams, min_CP_duration, lead_CW, CW_per_msg, max_comp_time, ECM_rep_period;
	int32_t delay_start, delay_stop, transition_delay_start, transition_delay_stop, AC_delay_start, AC_delay_stop;
};
struct lint_count { uint16_t type; char message[LINT_NAME]; uint64_t of_client, of_server; };
/* How long a kind of request took to be answered. */
struct lint_latency {
	uint16_t request_type;
	char request[LINT_NAME], answer[LINT_NAME];
	uint64_t n, unanswered, late;	/* late: past the limit */
	int64_t min_ns, max_ns; double sum_ns;
	int64_t limit_ns;		/* 0: none is known */
	struct hist *hist;		/* of nanoseconds; NULL: no room for one (LINT_HISTS) */
};
struct lint_gap { int side; uint64_t frame; int64_t at_ns; uint64_t octets; enum dec_trouble what; };	/* side: 0 client, 1 server */

struct lint_session {
	unsigned number;		/* from 1 on, as simulgate decode counts them */
	const struct sim_iface *iface;
	bool udp;
	char client[LINT_ENDS], server[LINT_ENDS];	/* "10.0.0.7:2000", "[::1]:2000" */
	bool from_start, to_end;	/* its beginning, its end are in the capture */
	uint8_t version;		/* protocol_version of the client's first message, else the server's */
	int64_t first_ns, last_ns;
	uint64_t first_frame, last_frame;
	uint64_t messages;
	struct lint_channel channel;	/* the last one set up */
	struct lint_stream *streams; size_t nstreams; uint64_t more_streams;
	size_t stream_room;
	struct lint_count count[LINT_MESSAGES]; size_t ncounts;
	struct lint_latency latency[LINT_LATENCIES]; size_t nlatencies;
	struct lint_gap gap[LINT_GAPS]; size_t ngaps; uint64_t more_gaps;
	uint64_t found[LINT_SEVERITIES];	/* each one counted */
};

struct lint_report {
	const char *name;		/* the file, or the interface */
	struct dec_counts counts;
	int64_t first_ns, last_ns;	/* of the capture */
	bool whole;			/* read to its end: not stopped, not broken off */
	char broken[256];		/* why it is not whole; "": it is, or it was stopped */
	struct lint_session **sessions; size_t nsessions; uint64_t more_sessions;
	struct lint_finding *findings; size_t nfindings;	/* in the order of the first of each */
	uint64_t more_findings;		/* of which nothing but the counts is known */
	uint64_t found[LINT_SEVERITIES], messages;
	uint64_t of_rule[128];		/* by its place in the table */
};

struct lint_conf { const char *ignored[64]; size_t nignored; };	/* ids of rules that are not looked at */
struct lint;
struct lint *lint_new(const struct lint_conf *);	/* NULL: no memory */
void lint_free(struct lint *);
/* For dec_msg and dec_read: messages, gaps, ends of connections. */
struct dec_msg_user lint_sink(struct lint *);
/* A frame was read: the time of the capture goes on. */
void lint_now(struct lint *, int64_t at_ns);
/* A UDP datagram of whatever kind: perhaps the air side of a stream that is followed. */
void lint_air(struct lint *, const struct dec_segment *, uint64_t frame, int64_t at_ns);
/* What was found, after dec_read has returned. Lent until lint_free. */
const struct lint_report *lint_report(struct lint *, const char *name, const struct dec_counts *, bool whole, const char *broken);

/* The session of a finding; NULL: there was no room for it. */
const struct lint_session *lint_session(const struct lint_report *, unsigned number);
/* The report in its forms. 0; -1: could not be written. */
struct lint_text_conf { bool colour, brief; unsigned width; };	/* width: columns, 0: 80 */
int lint_text(FILE *, const struct lint_report *, const struct lint_text_conf *);
int lint_json(FILE *, const struct lint_report *);
int lint_html(FILE *, const struct lint_report *);	/* lint_html.c */
#endif
