/* kms/store.c: the store as a whole: opened, copied, put back, wrapped anew; and its smaller tables */
#include "kms/store.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kms/store_int.h"
#include "lib/log.h"
#include "lib/secret.h"

static const int64_t day_us = INT64_C(86400) * 1000000;

/* ---- one handle ---- */

/* A transaction writes under the master key of now: another process may have changed it. */
static int
same_master(void *self)
{
	struct kms_store *s = self;

	return s->wrap ? gw_wrap_follow(s->wrap) : 0;
}

static int
name_files(struct kms_store *s, const struct kms_store_conf *conf, struct gw_err *err)
{
	if (strlen(conf->path) >= sizeof(s->path) || (conf->master && strlen(conf->master) >= sizeof(s->master)))
		return gw_fail(err, GW_ECONF, "store %s: the path is too long", conf->path);
	snprintf(s->path, sizeof(s->path), "%s", conf->path);
	if (conf->master)
		snprintf(s->master, sizeof(s->master), "%s", conf->master);
	else
		snprintf(s->master, sizeof(s->master), "%s.master", s->path);
	return 0;
}

static int
open_files(struct kms_store *s, bool create, struct gw_err *err)
{
	if (access(s->path, F_OK) < 0) {
		if (!create)
			return gw_fail(err, GW_ESTORE, "store %s: %s", s->path,
			    errno == ENOENT ? "there is none; simulgate kms init makes it, simulgate kms restore puts a backup there" : strerror(errno));
		if (access(s->master, F_OK) == 0)
			return gw_fail(err, GW_ESTORE, "store %s is missing, but its master key %s is there: put the store back from the backup, "
			    "or remove this file to begin anew", s->path, s->master);
	}
	if (gw_db_open(s->path, &kms_store_kind, create, &s->db, err) < 0)
		return -1;
	if (gw_wrap_open_db(s->master, s->db, create, &s->wrap, err) < 0)
		return gw_wrap(err, "store %s", s->path);
	gw_db_on_begin(s->db, same_master, s);
	return 0;
}

int
kms_store_open(const struct kms_store_conf *conf, struct kms_store **out, struct gw_err *err)
{
	struct kms_store *s = calloc(1, sizeof(*s));

	if (!s)
		return gw_fail(err, GW_ESYS, "no memory");
	if (name_files(s, conf, err) < 0 || open_files(s, conf->create, err) < 0) {
		kms_store_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

void
kms_store_close(struct kms_store *s)
{
	if (!s)
		return;
	gw_wrap_close(s->wrap);
	gw_db_close(s->db);
	free(s);
}

void
kms_store_begin(struct kms_store *s)
{
	gw_db_begin(s->db);
	gw_db_enter(s->db);	/* what the group reads is what it writes on; a fault is told by its first write and by flush */
}

enum gw_outcome
kms_store_flush(struct kms_store *s)
{
	return gw_db_flush(s->db);
}

void
kms_store_drop(struct kms_store *s)
{
	gw_db_drop(s->db);
}

bool
kms_store_changed(struct kms_store *s)
{
	return gw_db_changed(s->db);
}

/* ---- what its files share ---- */

int
kms_store_seal(struct kms_store *s, const void *keys, size_t len, uint8_t out[KMS_SECRET + GW_WRAP_OVERHEAD])
{
	return len <= KMS_SECRET ? gw_wrap_seal(s->wrap, keys, len, out, KMS_SECRET + GW_WRAP_OVERHEAD) : -1;
}

static int
unseal(struct kms_store *s, const void *sealed, size_t n, void *keys, size_t cap)
{
	int got = gw_wrap_open_key(s->wrap, sealed, n, keys, cap);

	/* Read before another process changed the master key, unwrapped after. */
	if (got < 0 && gw_wrap_follow(s->wrap) == 0)
		got = gw_wrap_open_key(s->wrap, sealed, n, keys, cap);
	if (got < 0)
		gw_log(GW_ERR, "store_tampered", "a key does not open under the master key of the store", "path=%s", s->path);
	return got;
}

int
kms_store_unseal(struct kms_store *s, enum kms_query q, int column, void *keys, size_t len)
{
	size_t n;
	const void *sealed = gw_db_blob(s->db, q, column, &n);

	return unseal(s, sealed, n, keys, len) == (int)len ? 0 : -1;
}

enum gw_outcome
kms_store_number(struct kms_store *s, enum kms_query q, int stepped, int64_t none, int64_t *out)
{
	*out = stepped == 1 ? gw_db_int(s->db, q, 0) : none;
	gw_db_done(s->db, q);
	return stepped < 0 ? GW_UNAVAILABLE : stepped ? GW_WON : GW_EXISTS;
}

enum gw_outcome
kms_store_listed(struct kms_store *s, enum kms_query q, int stepped)
{
	gw_db_done(s->db, q);
	return stepped < 0 ? GW_UNAVAILABLE : GW_WON;
}

/* ---- backups ---- */

static int
absent(const char *path, struct gw_err *err)
{
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	return gw_fail(err, GW_ESTORE, "%s is there already", path);
}

/* Which master key the copy was wrapped under. */
static int
copied_check(const char *to, struct gw_blob *check, struct gw_err *err)
{
	struct gw_db *copy = NULL;
	enum gw_outcome o;

	if (gw_db_open(to, &kms_store_kind, false, &copy, err) < 0)
		return -1;
	o = gw_db_noted(copy, gw_wrap_check, check);
	gw_db_close(copy);
	return o == GW_WON ? 0 : gw_fail(err, GW_ESTORE, "the copy %s has no master key", to);
}

static int
copy_pair(struct kms_store *s, const char *to, const char *master, struct gw_err *err)
{
	struct gw_blob check = { NULL, 0 };
	int rc = gw_db_copy(s->db, to, err);

	if (rc == 0 && (rc = copied_check(to, &check, err)) == 0 && (rc = gw_wrap_follow(s->wrap)) == 0)
		rc = gw_wrap_copy(s->wrap, master, &check, err);
	if (rc < 0)
		unlink(to);
	gw_store_free(&check);
	return rc;
}

int
kms_store_backup(struct kms_store *s, const char *to, struct gw_err *err)
{
	char master[4096];
	struct gw_err why = { 0 };
	int rc = -1;

	if ((size_t)snprintf(master, sizeof(master), "%s.master", to) >= sizeof(master))
		return gw_fail(err, GW_EUSAGE, "the path is too long");
	if (absent(to, err) < 0 || absent(master, err) < 0)
		return -1;
	for (int tries = 0; rc < 0 && tries < 3; tries++) {	/* the master key may change between the two copies */
		why = (struct gw_err){ 0 };
		rc = copy_pair(s, to, master, &why);
		if (why.code != GW_ETEMP)
			break;
	}
	return rc < 0 ? gw_fail(err, why.code, "%s", why.text) : 0;
}

static int
copy_file(const char *from, const char *to, struct gw_err *err)
{
	uint8_t block[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	ssize_t n = 1;

	if (in < 0)
		return gw_fail(err, GW_ESTORE, "%s: %s", from, strerror(errno));
	unlink(to);	/* of a restoration that was cut short */
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	while (out >= 0 && (n = read(in, block, sizeof(block))) > 0)
		if (write(out, block, (size_t)n) != n)
			n = -1;
	if (out >= 0 && n == 0 && fsync(out) < 0)
		n = -1;
	if (out < 0 || n < 0)
		gw_fail(err, GW_ESYS, "%s: %s", out < 0 ? to : from, strerror(errno));
	gw_cleanse(block, sizeof(block));
	if (out >= 0)
		close(out);
	close(in);
	return out < 0 || n < 0 ? -1 : 0;
}

/* Counters that may have been spent after the backup was made are not spent again. */
static int
skip(const struct kms_store_conf *conf, struct gw_err *err)
{
	enum { LTKMS = 65536, SQNS = 1 << 20 };
	struct kms_store *s = NULL;
	enum gw_outcome o;

	if (kms_store_open(conf, &s, err) < 0)
		return -1;
	kms_store_begin(s);
	o = kms_gba_skip(s, LTKMS);
	if (o == GW_WON)
		o = gw_db_write(s->db, SUB_SQN_SKIP, GW_WON, "i", (int64_t)SQNS);
	o = kms_store_flush(s) == GW_WON ? o : GW_UNAVAILABLE;
	kms_store_close(s);
	return o == GW_WON ? 0 : gw_fail(err, GW_ESTORE, "%s cannot be written", conf->path);
}

int
kms_store_restore(const char *from, const struct kms_store_conf *conf, struct gw_err *err)
{
	struct kms_store place;
	char from_master[4096], from_wal[4096], path[4096 + 16], master[4096 + 32], wal[4096];
	struct stat st;

	if (name_files(&place, conf, err) < 0)
		return -1;
	if ((size_t)snprintf(from_master, sizeof(from_master), "%s.master", from) >= sizeof(from_master) ||
	    (size_t)snprintf(from_wal, sizeof(from_wal), "%s-wal", from) >= sizeof(from_wal) ||
	    (size_t)snprintf(wal, sizeof(wal), "%s-wal", place.path) >= sizeof(wal))
		return gw_fail(err, GW_EUSAGE, "the path is too long");
	if (absent(place.path, err) < 0 || absent(place.master, err) < 0 || absent(wal, err) < 0)
		return -1;
	if (stat(from_wal, &st) == 0 && st.st_size > 0)
		return gw_fail(err, GW_ESTORE, "%s has a write-ahead log: it is a store that is in use, or was, and no backup", from);
	snprintf(path, sizeof(path), "%s.restoring", place.path);
	snprintf(master, sizeof(master), "%s.restoring", place.master);
	const struct kms_store_conf there = { .path = path, .master = master };
	if (access(from, R_OK) == 0 && gw_db_make_dirs(path, err) < 0)
		return gw_wrap(err, "store %s", place.path);
	if (copy_file(from, path, err) < 0 || copy_file(from_master, master, err) < 0 || skip(&there, err) < 0) {
		unlink(path);
		unlink(master);
		return -1;
	}
	/* The store first: one that lacks its master key says so, and the file beside it has it. */
	if (rename(path, place.path) < 0 || rename(master, place.master) < 0)
		return gw_fail(err, GW_ESYS, "%s: %s", place.path, strerror(errno));
	return 0;
}

/* ---- another master key ---- */

enum { VALUE = 4096 };	/* of a note, at most */

/* One wrapped value: out of one key, into the other. */
static int
turn(struct gw_wrap *from, struct gw_wrap *to, const void *sealed, size_t n, uint8_t *out, size_t cap)
{
	uint8_t clear[VALUE];
	int len = gw_wrap_open_key(from, sealed, n, clear, sizeof(clear));

	if (len > 0)
		len = gw_wrap_seal(to, clear, (size_t)len, out, cap);
	gw_cleanse(clear, sizeof(clear));
	return len > 0 ? len : -1;
}

static enum gw_outcome
turn_rows(struct kms_store *s, enum kms_query get, enum kms_query put, struct gw_wrap *from, struct gw_wrap *to)
{
	uint8_t out[KMS_SECRET + GW_WRAP_OVERHEAD];
	int64_t id = 0;
	int n;

	while ((n = gw_db_step(s->db, get, "i", id)) == 1) {
		size_t len;
		const void *sealed = gw_db_blob(s->db, get, 1, &len);
		int m = turn(from, to, sealed, len, out, sizeof(out));

		id = gw_db_int(s->db, get, 0);
		gw_db_done(s->db, get);
		if (m < 0 || gw_db_step(s->db, put, "ib", id, out, (size_t)m) < 0)
			return GW_UNAVAILABLE;
	}
	return n < 0 ? GW_UNAVAILABLE : GW_WON;
}

static enum gw_outcome
turn_notes(struct kms_store *s, struct gw_wrap *from, struct gw_wrap *to)
{
	static uint8_t out[VALUE + GW_WRAP_OVERHEAD];
	char name[256] = "";
	int n;

	while ((n = gw_db_step(s->db, TURN_NOTE, "t", name)) == 1) {
		size_t len;
		const void *sealed = gw_db_blob(s->db, TURN_NOTE, 1, &len);
		int m = turn(from, to, sealed, len, out, sizeof(out));

		gw_db_text(s->db, TURN_NOTE, 0, name, sizeof(name));
		gw_db_done(s->db, TURN_NOTE);
		if (m < 0 || gw_db_step(s->db, TURNED_NOTE, "tb", name, out, (size_t)m) < 0)
			return GW_UNAVAILABLE;
	}
	return n < 0 ? GW_UNAVAILABLE : GW_WON;
}

static enum gw_outcome
turn_all(void *self, struct gw_wrap *from, struct gw_wrap *to)
{
	static const enum kms_query rows[][2] = { { TURN_SUB, TURNED_SUB }, { TURN_GBA, TURNED_GBA }, { TURN_KEY, TURNED_KEY } };
	struct kms_store *s = self;
	enum gw_outcome o = GW_WON;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && o == GW_WON; i++)
		o = turn_rows(s, rows[i][0], rows[i][1], from, to);
	return o == GW_WON ? turn_notes(s, from, to) : o;
}

int
kms_store_rotate(struct kms_store *s, struct gw_err *err)
{
	return gw_wrap_rotate(s->wrap, turn_all, s, err);
}

/* ---- nonces, notes, audit ---- */

enum gw_outcome
kms_nonce_use(struct kms_store *s, const char *nonce, uint32_t nc, int64_t expires_us)
{
	return gw_db_write(s->db, NONCE_USE, GW_EXISTS, "tii", nonce, (int64_t)nc, expires_us);
}

enum { NOTE_NAME = 160 };

static const char *
note_name(const char *name, bool secret, char out[NOTE_NAME])
{
	snprintf(out, NOTE_NAME, "%s:%s", secret ? "secret" : "plain", name);
	return out;
}

enum gw_outcome
kms_note_put(struct kms_store *s, const char *name, const void *value, size_t len, bool secret)
{
	uint8_t sealed[VALUE + GW_WRAP_OVERHEAD];
	char full[NOTE_NAME];
	enum gw_outcome o = GW_UNAVAILABLE;
	int n;

	if (!secret)
		return gw_db_note(s->db, note_name(name, false, full), value, len, true);
	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	n = gw_wrap_seal(s->wrap, value, len, sealed, sizeof(sealed));
	if (n > 0)
		o = gw_db_note_in(s->db, note_name(name, true, full), sealed, (size_t)n);
	return gw_db_leave(s->db, o);
}

enum gw_outcome
kms_note_get(struct kms_store *s, const char *name, void *value, size_t *len, bool secret)
{
	struct gw_blob b = { NULL, 0 };
	char full[NOTE_NAME];
	enum gw_outcome o = gw_db_noted(s->db, note_name(name, secret, full), &b);
	int n = -1;

	if (o != GW_WON)
		return o;
	if (secret)
		n = unseal(s, b.p, b.len, value, *len);
	else if (b.len <= *len) {
		memcpy(value, b.p, b.len);
		n = (int)b.len;
	}
	gw_store_free(&b);
	*len = n < 0 ? 0 : (size_t)n;
	return n < 0 ? GW_UNAVAILABLE : GW_WON;
}

enum gw_outcome
kms_audit(struct kms_store *s, int64_t at_us, const char *who, const char *what)
{
	return gw_db_write(s->db, AUDIT, GW_UNAVAILABLE, "itt", at_us, who, what);
}

enum gw_outcome
kms_audits(struct kms_store *s, int64_t after, size_t max, kms_audit_each *each, void *self)
{
	int n = gw_db_step(s->db, AUDITS, "ii", after, (int64_t)max);

	while (n == 1) {
		char who[KMS_NAME], what[KMS_TEXT * 2];

		gw_db_text(s->db, AUDITS, 2, who, sizeof(who));
		gw_db_text(s->db, AUDITS, 3, what, sizeof(what));
		if (each(self, gw_db_int(s->db, AUDITS, 0), gw_db_int(s->db, AUDITS, 1), who, what) != 0)
			break;
		n = gw_db_step(s->db, AUDITS, NULL);
	}
	return kms_store_listed(s, AUDITS, n);
}

enum gw_outcome
kms_store_trim(struct kms_store *s, int64_t now_us)
{
	static const struct { enum kms_query q; bool a_day_later; } what[] = { { NONCE_TRIM, false }, { REG_TRIM, true }, { GBA_TRIM, true } };
	enum gw_outcome o = GW_WON;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]) && o == GW_WON; i++)
		o = gw_db_outcome(s->db, what[i].q, gw_db_step(s->db, what[i].q, "i", now_us - (what[i].a_day_later ? day_us : 0)), GW_WON);
	return gw_db_leave(s->db, o);
}
