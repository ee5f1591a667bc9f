/* bridge/ex_store.c */
#include "bridge/ex_store.h"
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "lib/secret.h"
#include "lib/store_db.h"

enum query { FIND, KEEP, TRIM, QUERIES };
static const char *const sql[QUERIES] = {
	[FIND] = "SELECT hash, secret, octets FROM answer WHERE source = ?1 AND message = ?2 AND at > ?3 AND at < ?4",
	[KEEP] = "REPLACE INTO answer (source, message, hash, at, secret, octets) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
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

struct ex_store {
	struct gw_db *db;
	struct gw_wrap *wrap;
	int64_t boot;
};

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
	if (gw_db_open(path, &kind, true, &s->db, err) < 0) {
		ex_store_close(s);
		return -1;
	}
	if (gw_wrap_open_db(master, s->db, true, &s->wrap, err) < 0 || count_boot(s, err) < 0) {
		ex_store_close(s);
		return gw_wrap(err, "store %s", path);
	}
	*out = s;
	return 0;
}

void
ex_store_close(struct ex_store *s)
{
	if (!s)
		return;
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

enum gw_outcome
ex_store_keep(struct ex_store *s, const char *source, const char *message_id, const uint8_t hash[EX_HASH], int64_t utc_us, bool secret,
    const void *answer, size_t len)
{
	uint8_t *wrapped = secret ? malloc(len + GW_WRAP_OVERHEAD) : NULL;
	int n = wrapped ? gw_wrap_seal(s->wrap, answer, len, wrapped, len + GW_WRAP_OVERHEAD) : (int)len;
	enum gw_outcome o = GW_UNAVAILABLE;

	if (n >= 0 && (wrapped || !secret))
		o = gw_db_write(s->db, KEEP, GW_EXISTS, "ttbiib", source, message_id, hash, (size_t)EX_HASH, utc_us, (int64_t)secret,
		    secret ? (const void *)wrapped : answer, (size_t)n);
	free(wrapped);
	return o;
}

void
ex_store_begin(struct ex_store *s)
{
	gw_db_begin(s->db);
}

enum gw_outcome
ex_store_flush(struct ex_store *s)
{
	return gw_db_flush(s->db);
}

void
ex_store_trim(struct ex_store *s, int64_t utc_us)
{
	gw_db_write(s->db, TRIM, GW_WON, "ii", utc_us - EX_KEPT_US, utc_us + EX_KEPT_US);
}
