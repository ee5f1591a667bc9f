/*
 * lib/store.h: what must outlive a process, in the shape of design.md section 8: an owner per service with an epoch, and records
 * that are put once. One conformance suite runs on every back end; here: SQLite (WAL), one file per role.
 */
#ifndef GW_STORE_H
#define GW_STORE_H
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

enum gw_outcome {
	GW_WON,		/* stored */
	GW_EXISTS,	/* somebody (an earlier life of ours, too) stored it before: throw own keys away, use that one */
	GW_FENCED,	/* another owner took the service: stop at once */
	GW_UNAVAILABLE,	/* not now: retry until the committed horizon ends, then hold the last TEK and STKM */
};
/* A drawn key, wrapped; a committed crypto-period; the latest command to the service (cp 0, never trimmed). */
enum gw_record_kind { GW_RECORD_KEY = 1, GW_RECORD_CP = 2, GW_RECORD_MODE = 3 };

struct gw_store;
/* Opens or creates the file (0600, its directory 0700 if created). A corrupt file or a newer schema is refused with the reason. */
int gw_store_open(const char *path, struct gw_store **, struct gw_err *);
void gw_store_close(struct gw_store *);

/* Takes the service over: a new epoch, greater than every earlier one; older epochs are FENCED from now on. */
enum gw_outcome gw_store_own(struct gw_store *, const char *service, int64_t *epoch);
/* One transaction: the epoch is still mine and (kind, cp) of the service does not exist: put. On EXISTS *found is the stored
 * value (heap; cleanse and free with gw_store_free). found may be NULL. */
struct gw_blob { uint8_t *p; size_t len; };
enum gw_outcome gw_store_put(struct gw_store *, const char *service, int64_t epoch, enum gw_record_kind, int64_t cp,
    const void *value, size_t len, struct gw_blob *found);
/* Replaces a record that nobody has acted on yet (a later start of a committed CP). GW_EXISTS, as of get: there is none. */
enum gw_outcome gw_store_amend(struct gw_store *, const char *service, int64_t epoch, enum gw_record_kind, int64_t cp,
    const void *value, size_t len);
/* GW_WON with the value, GW_EXISTS if there is no such record (nothing is set), or GW_UNAVAILABLE. */
enum gw_outcome gw_store_get(struct gw_store *, const char *service, enum gw_record_kind, int64_t cp, struct gw_blob *);
/* Every record of a kind from cp `from` on, ascending; each() borrows and calls no function of the store. Stops when each()
 * returns non-zero. */
enum gw_outcome gw_store_each(struct gw_store *, const char *service, enum gw_record_kind, int64_t from,
    int (*each)(void *self, int64_t cp, const void *value, size_t len), void *self);
/* Forgets keys and crypto-periods below cp. */
enum gw_outcome gw_store_trim(struct gw_store *, const char *service, int64_t epoch, int64_t cp);
void gw_store_free(struct gw_blob *);
/* GW_WON if there is any record, GW_EXISTS if there is none (never had, or all trimmed). */
enum gw_outcome gw_store_any(struct gw_store *);
/* A few named values beside the records, put once, of no service; outcomes as of put and get. */
enum gw_outcome gw_store_note(struct gw_store *, const char *name, const void *value, size_t len);
enum gw_outcome gw_store_noted(struct gw_store *, const char *name, struct gw_blob *);

/*
 * Calls between begin and flush become durable together (one fsync for a burst of services); until flush answers GW_WON none of
 * them has happened. The first UNAVAILABLE in a group undoes all of it: the rest, and flush, answer the same at once. EXISTS and
 * FENCED leave the others alone. Without begin each call is its own.
 */
void gw_store_begin(struct gw_store *);
enum gw_outcome gw_store_flush(struct gw_store *);
/* Instead of flush: none of them happened. */
void gw_store_drop(struct gw_store *);

/*
 * Wrapping: keys at rest are AES-256-KWP (RFC 5649) under a master key in a file of 0600 that is made on first use; one file per
 * store, which knows its key by a check value. A store that lacks its master key file is refused, and so are a wrong master key
 * and a master key whose store has gone (never silently new keys).
 */
struct gw_wrap;
int gw_wrap_open(const char *path, struct gw_store *, struct gw_wrap **, struct gw_err *);
void gw_wrap_close(struct gw_wrap *);
enum { GW_WRAP_OVERHEAD = 16 };
int gw_wrap_seal(struct gw_wrap *, const void *key, size_t len, uint8_t *out, size_t cap);	/* bytes written, -1 */
int gw_wrap_open_key(struct gw_wrap *, const void *wrapped, size_t len, uint8_t *out, size_t cap);	/* bytes written, -1: tampered */
#endif
