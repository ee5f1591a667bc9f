/*
 * bridge/ex_store.h: what was answered, so that a repeat gets the same octets, also after a restart (bcast-backend-xml 8); and how often we started.
 * Answers that hold keys are wrapped on disk.
 */
#ifndef BRIDGE_EX_STORE_H
#define BRIDGE_EX_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/store.h"

enum { EX_HASH = 32 };		/* SHA-256 of the document that was answered */
#define EX_KEPT_US (INT64_C(600) * 1000000)	/* how long an answer is kept */

struct ex_store;
/* Opens or creates both files; another start is counted, durably. 0; -1 with *err. */
int ex_store_open(const char *path, const char *master, struct ex_store **, struct gw_err *);
void ex_store_close(struct ex_store *);			/* quiet on NULL */
int64_t ex_store_boot(const struct ex_store *);		/* from 1 */

/*
 * GW_WON: it was answered, and *same says whether to the same octets; then *answer is the answer (heap, gw_store_free). GW_EXISTS: it was not.
 * GW_UNAVAILABLE: that cannot be told now.
 */
enum gw_outcome ex_store_find(struct ex_store *, const char *source, const char *message_id, const uint8_t hash[EX_HASH], int64_t utc_us, bool *same,
    struct gw_blob *answer);
/* Keeps one, in place of one that has had its ten minutes; durable by itself, or with ex_store_flush after ex_store_begin. secret: it holds keys. */
enum gw_outcome ex_store_keep(struct ex_store *, const char *source, const char *message_id, const uint8_t hash[EX_HASH], int64_t utc_us, bool secret,
    const void *answer, size_t len);
void ex_store_begin(struct ex_store *);
enum gw_outcome ex_store_flush(struct ex_store *);
/* Forgets what is older than ten minutes, and what is of a future that a clock was in. Not within a group. */
void ex_store_trim(struct ex_store *, int64_t utc_us);

/* What is kept, and about how many octets of the file that takes. Counted in memory: asking costs nothing. */
struct ex_kept { int64_t answers, octets; };
void ex_store_kept(const struct ex_store *, const char *source, struct ex_kept *);	/* source NULL: of all */
/*
 * May another answer to source be kept beside `coming` octets of such that are not there yet? Half of limit belongs to the npeers (> 0) in equal shares; of the
 * other half who needs more than its share may have half, while there is some. So nobody takes another's share, nor all of what is beyond, and what is
 * kept is kept for its ten minutes: an answer that were forgotten sooner would have its repeat done twice.
 */
bool ex_store_room(const struct ex_store *, const char *source, size_t coming, uint64_t limit, size_t npeers);
#endif
