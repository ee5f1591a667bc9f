/* bridge/ex_store.c */
#include "bridge/ex_store.h"
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "lib/log.h"
#include "lib/secret.h"
#include "lib/store_db.h"

/* Of a row beside its answer and its names, which are in it and in its index: hash, times, numbers, and what SQLite needs. */
#define ROW 128
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define SIZE "length(octets) + 2 * (length(CAST(source AS BLOB)) + length(CAST(message AS BLOB))) + " TEXT(ROW)	/* as size_of() */

enum query { FIND, KEEP, SIZE_OF, DROP, ALL, OVER, TRIM, QUERIES };
static const char *const sql[QUERIES] = {
	[FIND] = "SELECT hash, secret, octets FROM answer WHERE source = ?1 AND message = ?2 AND at > ?3 AND at < ?4",
	[KEEP] = "INSERT INTO answer (source, message, hash, at, secret, octets) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SIZE_OF] = "SELECT " SIZE " FROM answer WHERE source = ?1 AND message = ?2",
	[DROP] = "DELETE FROM answer WHERE source = ?1 AND message = ?2",
	[ALL] = "SELECT source, " SIZE " FROM answer NOT INDEXED",	/* no GROUP BY: SQLite would sort the answers, or read all for few that are over */
	[OVER] = "SELECT source, " SIZE " FROM answer WHERE at < ?1 OR at > ?2",
	[TRIM] = "DELETE FROM answer WHERE at < ?1 OR at > ?2",
};
static const char *const migrations[] = {
	"CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE answer (source TEXT NOT NULL, message TEXT NOT NULL, hash BLOB NOT NULL, at INTEGER NOT NULL, secret INTEGER NOT NULL,"
	" octets BLOB NOT NULL, PRIMARY KEY (source, message));"
	"CREATE INDEX answer_at ON answer (at);",
};
static const struct gw_db_kind kind = { .application_id = 0x53675370, .migrations = migrations, .schema = 1, .sql = sql, .nsql = QUERIES,
	.any = "SELECT EXISTS (SELECT 1 FROM answer)" };
static const char boot_note[] = "boot";

/* Whose answers: kept; of the group that is under way; found to be over. */
struct owner { LIST_ENTRY(owner) entry; struct ex_kept kept, coming, going; char source[]; };

struct ex_store {
	struct gw_db *db;
	struct gw_wrap *wrap;
	int64_t boot;
	LIST_HEAD(, owner) owners;
	bool grouped;
};

/* ---- sums ---- */

static int64_t
size_of(const char *source, const char *message_id, size_t len)
{
	return (int64_t)(len + 2 * (strlen(source) + strlen(message_id))) + ROW;
}

static void
add(struct ex_kept *to, int64_t answers, int64_t octets)
{
	to->answers += answers;
	to->octets += octets;
}

static struct owner *
known(const struct ex_store *s, const char *source)
{
	struct owner *o;

	LIST_FOREACH(o, &s->owners, entry)
		if (strcmp(o->source, source) == 0)
			return o;
	return NULL;
}

/* NULL: no memory. */
static struct owner *
owner_of(struct ex_store *s, const char *source)
{
	struct owner *o = known(s, source);
	size_t len = strlen(source);

	if (o || !(o = calloc(1, sizeof(*o) + len + 1)))
		return o;
	memcpy(o->source, source, len);
	LIST_INSERT_HEAD(&s->owners, o, entry);
	return o;
}

/* The rows of a query whose first step answered rc, into each owner's `going`. 0; -1: a fault. */
static int
count(struct ex_store *s, enum query q, int rc)
{
	char source[512];
	struct owner *o;

	LIST_FOREACH(o, &s->owners, entry)
		o->going = (struct ex_kept){ 0, 0 };
	for (; rc == 1; rc = gw_db_step(s->db, q, NULL)) {
		gw_db_text(s->db, q, 0, source, sizeof(source));
		o = owner_of(s, source);
		if (!o) {
			rc = -1;
			break;
		}
		add(&o->going, 1, gw_db_int(s->db, q, 1));
	}
	gw_db_done(s->db, q);
	return rc;
}

static int
count_all(struct ex_store *s, struct gw_err *err)
{
	struct owner *o;

	if (count(s, ALL, gw_db_step(s->db, ALL, "")) < 0)
		return gw_fail(err, GW_ESTORE, "what is kept cannot be counted");
	LIST_FOREACH(o, &s->owners, entry)
		o->kept = o->going;
	return 0;
}

void
ex_store_kept(const struct ex_store *s, const char *source, struct ex_kept *out)
{
	const struct owner *o;

	*out = (struct ex_kept){ 0, 0 };
	LIST_FOREACH(o, &s->owners, entry)
		if (!source || strcmp(o->source, source) == 0)
			add(out, o->kept.answers, o->kept.octets);
}

bool
ex_store_room(const struct ex_store *s, const char *source, size_t coming, uint64_t limit, size_t npeers)
{
	const int64_t half = (int64_t)(limit / 2), share = half / (int64_t)npeers;
	const struct owner *o = known(s, source);
	int64_t own = (o ? o->kept.octets : 0) + (int64_t)coming, lent = 0;

	if (own < share)
		return true;
	if (own - share >= half / 2)
		return false;
	LIST_FOREACH(o, &s->owners, entry)
		lent += o->kept.octets > share ? o->kept.octets - share : 0;
	return lent < half;
}

/* ---- opening ---- */

static int
count_boot(struct ex_store *s, struct gw_err *err)
{
	struct gw_blob b = { NULL, 0 };
	uint8_t octets[8];
	enum gw_outcome o = gw_db_noted(s->db, boot_note, &b);

	if (o == GW_WON && b.len == sizeof(octets))
		for (size_t i = 0; i < b.len; i++)
			s->boot = s->boot << 8 | b.p[i];
	gw_store_free(&b);
	s->boot++;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(s->boot >> (56 - 8 * i));
	if (o == GW_UNAVAILABLE || gw_db_note(s->db, boot_note, octets, sizeof(octets), true) != GW_WON)
		return gw_fail(err, GW_ESTORE, "the start cannot be counted");
	return 0;
}

int
ex_store_open(const char *path, const char *master, struct ex_store **out, struct gw_err *err)
{
	struct ex_store *s = calloc(1, sizeof(*s));

	if (!s)
		return gw_fail(err, GW_ESYS, "out of memory");
	LIST_INIT(&s->owners);
	if (gw_db_open(path, &kind, true, &s->db, err) < 0) {
		ex_store_close(s);
		return -1;
	}
	if (gw_wrap_open_db(master, s->db, true, &s->wrap, err) < 0 || count_boot(s, err) < 0 || count_all(s, err) < 0) {
		ex_store_close(s);
		return gw_wrap(err, "store %s", path);
	}
	*out = s;
	return 0;
}

void
ex_store_close(struct ex_store *s)
{
	struct owner *o;

	if (!s)
		return;
	while ((o = LIST_FIRST(&s->owners)) != NULL) {
		LIST_REMOVE(o, entry);
		free(o);
	}
	gw_wrap_close(s->wrap);
	gw_db_close(s->db);
	free(s);
}

int64_t
ex_store_boot(const struct ex_store *s)
{
	return s->boot;
}

static int
take_out(struct ex_store *s, struct gw_blob *answer)
{
	size_t len;
	const void *octets = gw_db_blob(s->db, FIND, 2, &len);
	bool secret = gw_db_int(s->db, FIND, 1) != 0;
	int n = (int)len;

	answer->p = malloc(len + 1);
	if (!answer->p)
		return -1;
	if (secret)
		n = gw_wrap_open_key(s->wrap, octets, len, answer->p, len);
	else if (len > 0)
		memcpy(answer->p, octets, len);
	answer->len = n < 0 ? len : (size_t)n;
	if (n < 0)
		gw_store_free(answer);
	return n;
}

enum gw_outcome
ex_store_find(struct ex_store *s, const char *source, const char *message_id, const uint8_t hash[EX_HASH], int64_t utc_us, bool *same,
    struct gw_blob *answer)
{
	uint8_t kept[EX_HASH];
	int rc = gw_db_step(s->db, FIND, "ttii", source, message_id, utc_us - EX_KEPT_US, utc_us + EX_KEPT_US);

	*answer = (struct gw_blob){ NULL, 0 };
	*same = false;
	if (rc != 1) {
		gw_db_done(s->db, FIND);
		return rc == 0 ? GW_EXISTS : GW_UNAVAILABLE;
	}
	*same = gw_db_octets(s->db, FIND, 0, kept, sizeof(kept)) == 0 && memcmp(kept, hash, sizeof(kept)) == 0;
	rc = *same ? take_out(s, answer) : 0;
	gw_db_done(s->db, FIND);
	if (rc < 0)
		gw_log(GW_ERR, "store_tampered", "an answer does not open under the master key of the store", "source=%s", source);
	return rc < 0 ? GW_UNAVAILABLE : GW_WON;
}

/* One of that name is there: it was not found, so its time is over, or a clock was set. */
static void
drop(struct ex_store *s, struct owner *o, const char *message_id)
{
	int64_t octets = 0;

	if (gw_db_step(s->db, SIZE_OF, "tt", o->source, message_id) == 1)
		octets = gw_db_int(s->db, SIZE_OF, 0);
	gw_db_done(s->db, SIZE_OF);
	if (gw_db_write(s->db, DROP, GW_EXISTS, "tt", o->source, message_id) == GW_WON)
		add(s->grouped ? &o->coming : &o->kept, -1, -octets);
}

enum gw_outcome
ex_store_keep(struct ex_store *s, const char *source, const char *message_id, const uint8_t hash[EX_HASH], int64_t utc_us, bool secret,
    const void *answer, size_t len)
{
	struct owner *owner = owner_of(s, source);
	uint8_t *wrapped = secret ? malloc(len + GW_WRAP_OVERHEAD) : NULL;
	int n = wrapped ? gw_wrap_seal(s->wrap, answer, len, wrapped, len + GW_WRAP_OVERHEAD) : (int)len;
	enum gw_outcome o = GW_EXISTS;

	if (!owner || n < 0 || (secret && !wrapped))
		o = GW_UNAVAILABLE;
	for (int i = 0; i < 2 && o == GW_EXISTS; i++) {
		if (i > 0)
			drop(s, owner, message_id);
		o = gw_db_write(s->db, KEEP, GW_EXISTS, "ttbiib", source, message_id, hash, (size_t)EX_HASH, utc_us, (int64_t)secret,
		    secret ? (const void *)wrapped : answer, (size_t)n);
	}
	if (o == GW_WON)
		add(s->grouped ? &owner->coming : &owner->kept, 1, size_of(source, message_id, (size_t)n));
	free(wrapped);
	return o;
}

void
ex_store_begin(struct ex_store *s)
{
	gw_db_begin(s->db);
	s->grouped = true;
}

enum gw_outcome
ex_store_flush(struct ex_store *s)
{
	enum gw_outcome o = gw_db_flush(s->db);
	struct owner *w;

	s->grouped = false;
	LIST_FOREACH(w, &s->owners, entry) {
		if (o == GW_WON)
			add(&w->kept, w->coming.answers, w->coming.octets);
		w->coming = (struct ex_kept){ 0, 0 };
	}
	return o;
}

void
ex_store_trim(struct ex_store *s, int64_t utc_us)
{
	const int64_t before = utc_us - EX_KEPT_US, behind = utc_us + EX_KEPT_US;
	struct owner *o, *next;

	if (count(s, OVER, gw_db_step(s->db, OVER, "ii", before, behind)) < 0 || gw_db_write(s->db, TRIM, GW_WON, "ii", before, behind) != GW_WON)
		return;
	for (o = LIST_FIRST(&s->owners); o; o = next) {
		next = LIST_NEXT(o, entry);
		add(&o->kept, -o->going.answers, -o->going.octets);
		if (o->kept.answers > 0)
			continue;
		LIST_REMOVE(o, entry);
		free(o);
	}
}
