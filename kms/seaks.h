/*
 * kms/seaks.h: the store of synchronised SEAKs (bcast-backend-xml 6): one SQLite file of a bridge, which the plugin drm reads, too, and its
 * commands ask. Keys are wrapped at rest, under a master key in a file of its own (lib/store.h). Each caller has a handle of its own; a handle is for one thread.
 */
#ifndef KMS_SEAKS_H
#define KMS_SEAKS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/store.h"	/* enum gw_outcome */

enum { SEAK_LEN = 32, SEAK_URI = 256, SEAK_WHO = 129, SEAK_TEXT = 400 };
enum seak_kind { SEAK_SERVICE, SEAK_PROGRAM };	/* SEK || SAS; PEK || PAS */
enum seak_state { SEAK_PENDING, SEAK_DELIVERED, SEAK_FAILED };

/* One SEAK. Names are UTF-8, NUL-terminated. */
struct seak_row {
	int64_t id;			/* given by the store, ascending */
	char service[SEAK_URI];		/* the head-end's id of it */
	char urn[SEAK_URI];		/* GlobalServiceID; with kind and cid_extension the key */
	enum seak_kind kind; uint32_t cid_extension;
	uint8_t key[SEAK_LEN];		/* plain here: the caller cleanses it */
	int64_t from_s, to_s;		/* UTC, from the first second to before the second; INT64_MIN, INT64_MAX: without limit */
	char generator[SEAK_WHO];	/* whose it is, by @source */
	int64_t since_us;		/* when it was stored, UTC */
	int64_t first_us;		/* the gate's clock runs from here; 0: not yet */
	int64_t open_us;		/* STKMs may use it since then; 0: not yet */
};
struct seak_mark { char who[SEAK_WHO]; enum seak_state state; int64_t at_us; };	/* somebody who is to have it; at_us: since when it is so */

struct seaks;
/* path.master is the master key unless `master` names another place. create: both are made when neither is there. 0, or -1 with *err. */
int seaks_open(const char *path, const char *master, bool create, struct seaks **, struct gw_err *);
void seaks_close(struct seaks *);
/* Another handle has committed since this was asked last (cheap). */
bool seaks_changed(struct seaks *);
/* As kms_store_begin: what follows becomes durable together. */
void seaks_begin(struct seaks *);
enum gw_outcome seaks_flush(struct seaks *);

/* Below: GW_WON; GW_EXISTS: its key is taken, or what is to change is not there; GW_UNAVAILABLE: not now. */
enum gw_outcome seaks_put(struct seaks *, const struct seak_row *, int64_t *id);
enum gw_outcome seaks_gate(struct seaks *, int64_t id, int64_t first_us, int64_t open_us);
enum gw_outcome seaks_mark(struct seaks *, int64_t id, const struct seak_mark *);	/* put or changed */
enum gw_outcome seaks_drop(struct seaks *, int64_t id);		/* with its marks, not its audit */
typedef int seaks_each_row(void *self, const struct seak_row *);	/* borrows; calls nothing of the store; not 0: stop */
enum gw_outcome seaks_each(struct seaks *, seaks_each_row *, void *self);	/* by id */
typedef int seaks_each_mark(void *self, int64_t id, const struct seak_mark *);
enum gw_outcome seaks_marks(struct seaks *, seaks_each_mark *, void *self);	/* of all, by id */

/* Who did what with which SEAK, in words without keys. */
struct seak_audit { int64_t id, at_us; char urn[SEAK_URI]; enum seak_kind kind; uint32_t cid_extension; char who[SEAK_WHO], what[SEAK_TEXT]; };
enum gw_outcome seaks_audit(struct seaks *, const struct seak_audit *);		/* id is the store's */
typedef int seaks_each_audit(void *self, const struct seak_audit *);
enum gw_outcome seaks_audits(struct seaks *, int64_t after, size_t max, seaks_each_audit *, void *self);	/* those after that id, ascending */
enum gw_outcome seaks_trim(struct seaks *, int64_t audits_before_us);		/* forgets audit lines that are older */
#endif
