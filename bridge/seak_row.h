/*
 * bridge/seak_row.h: what the BSD/A's side of the synchronisation of SEAKs (bridge/seak.h) and the BSM's (bridge/seak_bsm.h) do alike with one SEAK.
 * Times are UTC in us.
 */
#ifndef BRIDGE_SEAK_ROW_H
#define BRIDGE_SEAK_ROW_H
#include "bridge/seak.h"
#include "lib/secret.h"

enum { SEAK_LONGEST_S = 60 };	/* between two attempts */
bool seak_over(const struct seak_row *, int64_t now_us);	/* its validity */
/*
 * A SEAK without an end is never over, but newer ones of its generator take its place: when there are SEAK_ENDLESS of them, the oldest may go. Is it one of who's
 * that goes before the other (NULL: any does)? *n counts who's.
 */
bool seak_goes_before(const struct seak_row *, const struct seak_row *other, const char *who, size_t *n);
unsigned seak_delay_s(unsigned before_s);	/* between two attempts: 1, 2, 4 … 60 s */
/* Who asks or delivers without end does not fill the audit: a line a minute says it as well. *last_us: 0 before the first. */
bool seak_worth_a_line(int64_t *last_us, int64_t now_us);
/* A line of the audit, to the owner. */
void seak_note(const struct seak_ops *, void *self, const struct seak_row *, const char *who, int64_t now_us, const char *what);
/* What /status says of it, without its key; the caller adds its own. NULL: no memory. */
json_t *seak_row_json(const struct seak_row *, const struct gw_secret *key, int64_t now_us);
json_t *seak_time_json(int64_t us);		/* null: 0 */
#endif
