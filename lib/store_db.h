/*
 * lib/store_db.h: what the stores have in common: one SQLite file (WAL, synchronous FULL, 0600) with a schema of its own, prepared
 * statements, groups of calls that become durable together, notes, and a thread that copies the log. Only lib/store*.c, kms/store*.c
 * and bridge/ex_store.c include it.
 */
#ifndef GW_STORE_DB_H
#define GW_STORE_DB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/store.h"

/* What a store is: constants of its program. Every schema has: note (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID. */
struct gw_db_kind {
	int32_t application_id;			/* in the file's header: ours, not any SQLite file */
	const char *const *migrations; int schema;	/* schema n comes from schema n - 1 by row n - 1; rows are only appended */
	const char *const *sql; int nsql;	/* statements, by the caller's enumeration from 0 */
	const char *any;			/* SELECT 1 or 0: does it hold anything but notes? */
};

struct gw_db;
/* create: the file (0600) and its directories (0700) are made when they are missing; else a missing one is refused. Errors name the path. */
int gw_db_open(const char *path, const struct gw_db_kind *, bool create, struct gw_db **, struct gw_err *);
void gw_db_close(struct gw_db *);
/* The directories (0700) of a file that is to be made. */
int gw_db_make_dirs(const char *path, struct gw_err *);
/* Called at the begin of each writing transaction; -1: it is undone. */
void gw_db_on_begin(struct gw_db *, int (*begun)(void *self), void *self);
/* One consistent copy, durable, into a new file of 0600; `to` must not exist. */
int gw_db_copy(struct gw_db *, const char *to, struct gw_err *);
/* Another connection has committed since this was asked last. */
bool gw_db_changed(struct gw_db *);

/*
 * Binds by type (s: text, NULL or "" binds NULL; t: text as it is; i: int64_t; b: bytes and size_t) and
 * steps; types NULL goes on with the next row. 1: a row, to be read and then done(); 0: none; -1: a fault, logged; -2: a unique key is taken, or what a
 * row refers to is not there; nothing was written. What is bound is borrowed until the next step or done.
 */
int gw_db_step(struct gw_db *, int q, const char *types, ...);
void gw_db_done(struct gw_db *, int q);
int64_t gw_db_int(struct gw_db *, int q, int column);
/* NULL: "". Cut to cap - 1 octets. */
void gw_db_text(struct gw_db *, int q, int column, char *out, size_t cap);
const void *gw_db_blob(struct gw_db *, int q, int column, size_t *len);	/* borrowed until the next step or done */
/* len octets exactly; anything else leaves out as it was and returns -1. */
int gw_db_octets(struct gw_db *, int q, int column, void *out, size_t len);
int gw_db_changes(struct gw_db *);	/* rows that the last write changed */
int64_t gw_db_id(struct gw_db *);	/* of the last insertion */

/* A writing call: enter, its steps, leave with what it answers. Groups as of gw_store_begin. */
bool gw_db_enter(struct gw_db *);
enum gw_outcome gw_db_leave(struct gw_db *, enum gw_outcome);
/* enter, one statement without rows, leave. GW_EXISTS: its unique key is taken, or (none_is) it changed nothing. */
#define gw_db_write(db, q, none_is, ...) \
	(gw_db_enter(db) ? gw_db_leave(db, gw_db_outcome(db, q, gw_db_step(db, q, __VA_ARGS__), none_is)) : GW_UNAVAILABLE)
enum gw_outcome gw_db_outcome(struct gw_db *, int q, int stepped, enum gw_outcome none_is);
void gw_db_begin(struct gw_db *);
enum gw_outcome gw_db_flush(struct gw_db *);
void gw_db_drop(struct gw_db *);

/* Put once; replace: put or replaced. */
enum gw_outcome gw_db_note(struct gw_db *, const char *name, const void *value, size_t len, bool replace);
enum gw_outcome gw_db_note_in(struct gw_db *, const char *name, const void *value, size_t len);	/* replace, within a transaction */
enum gw_outcome gw_db_noted(struct gw_db *, const char *name, struct gw_blob *);
enum gw_outcome gw_db_any(struct gw_db *);

/* ---- lib/wrap.c on any store ---- */
struct gw_db *gw_store_db(struct gw_store *);
/* create false: a store without a check value is refused. */
int gw_wrap_open_db(const char *path, struct gw_db *, bool create, struct gw_wrap **, struct gw_err *);
/* Within a transaction, or after a value did not open: takes the master key over that another process has changed to. -1: it cannot. */
int gw_wrap_follow(struct gw_wrap *);
/*
 * Another master key, in a transaction of its own: again() wraps everything anew, from the old one to the new one (GW_WON), and the check value
 * follows. A crash leaves the old pair or the new one.
 */
int gw_wrap_rotate(struct gw_wrap *, enum gw_outcome (*again)(void *self, struct gw_wrap *from, struct gw_wrap *to), void *self, struct gw_err *);
/* The master key into a new file of 0600, if it is that of a store with this check value: 0, else -1. */
int gw_wrap_copy(struct gw_wrap *, const char *to, const struct gw_blob *check, struct gw_err *);
extern const char gw_wrap_check[];	/* the name of the note with the check value */
#endif
