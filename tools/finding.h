/* tools/finding.h: where two sessions differ, and how that is told: as lines of a report, or as JSON, an object a line */
#ifndef TOOLS_FINDING_H
#define TOOLS_FINDING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/alike.h"
#include "tools/talk.h"

/* A is what is compared with: the capture, or the first of two; B what is judged: the live session, or the second. */
enum find_what {
	FIND_FIELD,		/* of a message that both have: field */
	FIND_INSTEAD,		/* another message in its place */
	FIND_MISSING,		/* only A has it; without a message: the connection */
	FIND_UNEXPECTED,	/* only B has it */
	FIND_LATE,		/* the answer took longer than it may: took_ns */
	FIND_LOST,		/* the peer closed before the end: left messages were not exchanged */
	FIND_KINDS
};
struct finding {
	enum find_what what;
	const struct talk_conn *conn;		/* of A; of B, where A has none */
	const struct talk_conn *other;		/* of B; NULL: none, or a live one */
	const struct talk_msg *a, *b;		/* NULL: none; lent */
	const struct talk_msg *asked;		/* of B: what b answers; NULL: nothing */
	const struct alike_field *field;
	int64_t took_ns; size_t left;
};
const char *find_word(enum find_what);		/* "missing" */
struct find_times { uint64_t n; double sum_ns; int64_t max_ns; };	/* how long answers took */
void find_time(struct find_times *, int64_t ns);

struct find_out_conf {
	bool json, colour, secrets;
	unsigned width;				/* columns; 0: lines are not cut */
	const char *a, *b;			/* "captured", "live" */
	int64_t first_ns, b_first_ns;		/* of A, of B: times are told from here on */
	void (*write)(void *self, const char *p, size_t len);
	void *self;
};
struct find_out { struct find_out_conf conf; const struct talk_conn *conn; const struct talk_msg *a, *b; };	/* what the last heading was about */
void find_out(struct find_out *, const struct finding *);
/* What A's names are in B, those that differ; a line for each connection, nothing when there are none. */
void find_names(struct find_out *, const struct talk_conn *, const struct alike_map *);
/* "answers took …", when there were any. */
void find_took(struct find_out *, const char *whose, const struct find_times *);
void find_printf(struct find_out *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "SCS 127.0.0.1:57594 > ECMG 127.0.0.1:22220 TCP" */
char *find_ends(const struct talk_conn *, char *out, size_t cap);
#endif
