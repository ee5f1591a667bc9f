/* terminal/misbehave.h: faults of a phone on purpose, so that a BSM can be tried (bcast-smartcard-profile 8). */
#ifndef TERM_MISBEHAVE_H
#define TERM_MISBEHAVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

enum term_fault { TERM_DROP_VERIFICATIONS, TERM_WRONG_MAC, TERM_IGNORE_PULLS, TERM_STALE_COUNTER, TERM_FORGET_KEYS, TERM_FAULTS };
struct term_misbehave {			/* as the operator wants it; zeroed: nothing */
	bool on;
	char list[256];			/* in the operator's words */
	struct { bool on; uint32_t value; } fault[TERM_FAULTS];
};
/* "drop-verifications=2,ignore-pulls". 0, or -1 with what is wrong with which word. */
int term_misbehave_parse(struct term_misbehave *, const char *list, struct gw_err *);
/* A row: "drop-verifications=N", what it does. NULL behind the last one. */
const char *term_misbehave_row(size_t nth, char form[48]);
#endif
