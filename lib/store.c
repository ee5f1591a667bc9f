/*
 * lib/store.c: the SQLite back end of lib/store.h. WAL, synchronous FULL: what was answered with GW_WON survives a power cut. What
 * the log has grown by is copied into the file by a thread of its own, with a connection of its own: it waits for the disk far longer
 * than a commit does, and crypto-periods do not wait.
 */
#include "lib/store.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/secret.h"

enum { BUSY_OPEN_MS = 5000, BUSY_MS = 250 };	/* waits for another process: its recovery or check; its one transaction */
enum { APPLICATION_ID = 0x53474b53 };		/* "SGKS" in the file's header: ours, not any SQLite file */

/* Schema n comes from schema n - 1 by row n - 1; PRAGMA user_version counts them. Rows are only appended. */
static const char *const migrations[] = {
	"CREATE TABLE owner (service TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE record (service TEXT NOT NULL, kind INTEGER NOT NULL, cp INTEGER NOT NULL, value BLOB NOT NULL,"
	" PRIMARY KEY (service, kind, cp)) WITHOUT ROWID;"
	"CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
};
enum { SCHEMA = sizeof(migrations) / sizeof(migrations[0]) };

enum query { BEGIN, COMMIT, ROLLBACK, OWN, EPOCH, GET, PUT, AMEND, EACH, TRIM, ANY, NOTED, NOTE, NQUERIES };
static const char *const sql[NQUERIES] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[OWN] = "INSERT INTO owner VALUES (?1, 1) ON CONFLICT (service) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
	[EPOCH] = "SELECT epoch FROM owner WHERE service = ?1",
	[GET] = "SELECT value FROM record WHERE service = ?1 AND kind = ?2 AND cp = ?3",
	[PUT] = "INSERT INTO record VALUES (?1, ?2, ?3, ?4)",
	[AMEND] = "UPDATE record SET value = ?4 WHERE service = ?1 AND kind = ?2 AND cp = ?3",
	[EACH] = "SELECT cp, value FROM record WHERE service = ?1 AND kind = ?2 AND cp >= ?3 ORDER BY cp",
	[TRIM] = "DELETE FROM record WHERE service = ?1 AND kind IN (1, 2) AND cp < ?2",
	[ANY] = "SELECT EXISTS (SELECT 1 FROM record)",
	[NOTED] = "SELECT value FROM note WHERE name = ?1",
	[NOTE] = "INSERT INTO note VALUES (?1, ?2)",
};

enum { LOG_PAGES = 1000 };	/* of the write-ahead log, before they are copied: SQLite's own measure */

struct copier {
	pthread_t thread; bool running;
	pthread_mutex_t lock; pthread_cond_t wake;	/* of what follows */
	bool wanted, stop;
	sqlite3 *db;
};

struct gw_store {
	sqlite3 *db;
	struct copier copier;
	sqlite3_stmt *q[NQUERIES];
	char *path;
	bool group;	/* between begin and flush */
	bool open;	/* its transaction has begun */
	bool broken;	/* and was lost: the rest of the group is not tried */
	struct gw_rate rate;
};

/* ---- opening ---- */

static int
refuse(struct gw_store *s, struct gw_err *err, const char *what)
{
	int rc = sqlite3_errcode(s->db) & 0xff;
	bool later = rc == SQLITE_BUSY || rc == SQLITE_LOCKED;

	errno = sqlite3_system_errno(s->db);
	return gw_fail(err, later ? GW_ETEMP : GW_ESTORE, "%s: %s", what, sqlite3_errmsg(s->db));
}

/* The file and its directories, closed to others from their first moment; SQLite gives the -wal and -shm files the same mode. */
static int
make_file(const char *path, struct gw_err *err)
{
	char dir[4096];
	int fd;

	if (strlen(path) >= sizeof(dir))
		return gw_fail(err, GW_ECONF, "the path is too long");
	for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(p - path), path);
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return gw_fail(err, GW_ESYS, "cannot make %s: %s", dir, strerror(errno));
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		return close(fd);
	if (errno != EEXIST)
		return gw_fail(err, GW_ESYS, "cannot make it: %s", strerror(errno));
	return gw_secret_file_ok(path, err);
}

/* First column of the first row as text; "" without a row. */
static int
ask(struct gw_store *s, const char *question, char *out, size_t cap, struct gw_err *err)
{
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(s->db, question, -1, &q, NULL);
	const unsigned char *text;

	out[0] = '\0';
	if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW && (text = sqlite3_column_text(q, 0)))
		snprintf(out, cap, "%s", (const char *)text);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		refuse(s, err, "cannot be read");
	sqlite3_finalize(q);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

static int
exec(struct gw_store *s, const char *statements, struct gw_err *err)
{
	if (sqlite3_exec(s->db, statements, NULL, NULL, NULL) != SQLITE_OK)
		return refuse(s, err, "cannot be set up");
	return 0;
}

/* Ours, of a schema we know, and sound? A file without tables is a new one. */
static int
inspect(struct gw_store *s, struct gw_err *err)
{
	char tables[32], id[32], schema[32], verdict[256];

	if (ask(s, "SELECT count(*) FROM sqlite_schema", tables, sizeof(tables), err) < 0 ||
	    ask(s, "PRAGMA application_id", id, sizeof(id), err) < 0 ||
	    ask(s, "PRAGMA user_version", schema, sizeof(schema), err) < 0)
		return -1;
	if (atoll(tables) > 0 && atoll(id) != APPLICATION_ID)
		return gw_fail(err, GW_ESTORE, "is a SQLite file, but not a store of ours");
	if (atoll(schema) > SCHEMA)
		return gw_fail(err, GW_ESTORE, "has schema %s; this program knows schemas up to %d", schema, SCHEMA);
	if (ask(s, "PRAGMA quick_check(1)", verdict, sizeof(verdict), err) < 0)
		return -1;
	if (strcmp(verdict, "ok") != 0)
		return gw_fail(err, GW_ESTORE, "is corrupt: %s; put a backup in its place", verdict);
	return 0;
}

static int
migrate(struct gw_store *s, struct gw_err *err)
{
	char schema[32], done[96];

	if (exec(s, "BEGIN IMMEDIATE", err) < 0 || ask(s, "PRAGMA user_version", schema, sizeof(schema), err) < 0)
		return -1;
	for (long long n = atoll(schema); n < SCHEMA; n++) {
		snprintf(done, sizeof(done), "PRAGMA user_version = %lld; PRAGMA application_id = %d", n + 1, APPLICATION_ID);
		if (exec(s, migrations[n], err) < 0 || exec(s, done, err) < 0)
			return -1;	/* closing rolls back */
	}
	return exec(s, "COMMIT", err);
}

static int
connect_to(struct gw_store *s, struct gw_err *err)
{
	char mode[32];

	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return refuse(s, err, "cannot be opened");
	sqlite3_busy_timeout(s->db, BUSY_OPEN_MS);
	if (inspect(s, err) < 0 || ask(s, "PRAGMA journal_mode = WAL", mode, sizeof(mode), err) < 0)
		return -1;
	if (strcmp(mode, "wal") != 0)
		return gw_fail(err, GW_ESTORE, "its file system cannot hold a write-ahead log");
	if (exec(s, "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON", err) < 0 || migrate(s, err) < 0)
		return -1;
	for (int i = 0; i < NQUERIES; i++)
		if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->q[i], NULL) != SQLITE_OK)
			return refuse(s, err, "its tables are not as they should be");
	sqlite3_busy_timeout(s->db, BUSY_MS);
	return 0;
}

/* ---- the log into the file ---- */

static void *
copy_log(void *self)
{
	struct copier *c = self;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		if (!c->wanted) {
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		c->wanted = false;
		pthread_mutex_unlock(&c->lock);
		/* Passive: writers go on. What it cannot copy now it copies with the next growth. */
		sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static int
log_grew(void *self, sqlite3 *db, const char *name, int pages)
{
	struct copier *c = self;

	(void)db, (void)name;
	if (pages < LOG_PAGES)
		return SQLITE_OK;
	pthread_mutex_lock(&c->lock);
	c->wanted = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	return SQLITE_OK;
}

/* Without a thread of its own the copying stays with the writer, as SQLite has it. */
static void
start_copier(struct gw_store *s)
{
	struct copier *c = &s->copier;
	sigset_t all, before;

	/* A connection that has read nothing yet knows of no log: it would copy none, and say that all is well. */
	if (sqlite3_open_v2(s->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
	    sqlite3_exec(c->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) != SQLITE_OK)
		return;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);	/* signals are the loop's */
	c->running = pthread_create(&c->thread, NULL, copy_log, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (c->running)
		sqlite3_wal_hook(s->db, log_grew, c);
}

static void
stop_copier(struct copier *c)
{
	if (c->running) {
		pthread_mutex_lock(&c->lock);
		c->stop = true;
		pthread_cond_signal(&c->wake);
		pthread_mutex_unlock(&c->lock);
		pthread_join(c->thread, NULL);
	}
	sqlite3_close(c->db);
}

int
gw_store_open(const char *path, struct gw_store **out, struct gw_err *err)
{
	struct gw_store *s = calloc(1, sizeof(*s));

	if (!s || !(s->path = strdup(path))) {
		free(s);
		return gw_fail(err, GW_ESYS, "no memory");
	}
	s->rate = (struct gw_rate){ .burst = 1, .per_ms = 10000 };
	if (make_file(path, err) < 0 || connect_to(s, err) < 0) {
		gw_store_close(s);
		return gw_wrap(err, "store %s", path);
	}
	start_copier(s);
	*out = s;
	return 0;
}

void
gw_store_close(struct gw_store *s)
{
	if (!s)
		return;
	stop_copier(&s->copier);
	for (int i = 0; i < NQUERIES; i++)
		sqlite3_finalize(s->q[i]);
	sqlite3_close(s->db);
	free(s->path);
	free(s);
}

/* ---- one query ---- */

static enum gw_outcome
fault(struct gw_store *s, enum query q)
{
	gw_log_limited(&s->rate, GW_WARNING, "store_unavailable", sqlite3_errmsg(s->db), "path=%s code=%d doing=%s",
	    s->path, sqlite3_extended_errcode(s->db), sql[q]);
	return GW_UNAVAILABLE;
}

/*
 * Binds by type (s: text; i: int64_t; b: bytes and size_t) and steps. 1: a row, to be read and then done(); 0: none; -1: a fault,
 * logged. What is bound is borrowed until the next step or done.
 */
static int
step(struct gw_store *s, enum query q, const char *types, ...)
{
	sqlite3_stmt *st = s->q[q];
	va_list ap;
	int rc;

	va_start(ap, types);
	for (int n = 1; *types; types++, n++) {
		if (*types == 's') {
			sqlite3_bind_text(st, n, va_arg(ap, const char *), -1, SQLITE_STATIC);
		} else if (*types == 'i') {
			sqlite3_bind_int64(st, n, va_arg(ap, int64_t));
		} else {
			const void *p = va_arg(ap, const void *);
			/* A null pointer would bind NULL; an empty value is a value. */
			sqlite3_bind_blob64(st, n, p ? p : "", va_arg(ap, size_t), SQLITE_STATIC);
		}
	}
	va_end(ap);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		fault(s, q);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

static void
done(struct gw_store *s, enum query q)
{
	sqlite3_reset(s->q[q]);
	sqlite3_clear_bindings(s->q[q]);
}

/* A copy of the value in a column; NULL out is a question only. */
static int
copy(struct gw_store *s, enum query q, int column, struct gw_blob *out)
{
	size_t len = (size_t)sqlite3_column_bytes(s->q[q], column);

	if (!out)
		return 0;
	out->p = malloc(len ? len : 1);
	out->len = len;
	if (!out->p)
		return -1;
	if (len)
		memcpy(out->p, sqlite3_column_blob(s->q[q], column), len);
	return 0;
}

/* ---- transactions ---- */

static bool
enter(struct gw_store *s)
{
	if (s->group && (s->open || s->broken))
		return !s->broken;
	s->open = step(s, BEGIN, "") == 0;
	s->broken = s->group && !s->open;	/* one wait for the lock is enough for the whole burst */
	return s->open;
}

static void
roll_back(struct gw_store *s)
{
	if (!sqlite3_get_autocommit(s->db))	/* a grave fault has rolled back by itself */
		step(s, ROLLBACK, "");
	s->open = false;
}

static enum gw_outcome
leave(struct gw_store *s, enum gw_outcome o)
{
	if (o == GW_UNAVAILABLE) {
		roll_back(s);
		s->broken = s->group;
	} else if (!s->group) {
		if (step(s, COMMIT, "") < 0) {
			roll_back(s);
			return GW_UNAVAILABLE;
		}
		s->open = false;
	}
	return o;
}

void
gw_store_begin(struct gw_store *s)
{
	s->group = true;
}

enum gw_outcome
gw_store_flush(struct gw_store *s)
{
	bool lost = s->broken;

	s->group = s->broken = false;
	if (lost)
		return GW_UNAVAILABLE;
	return s->open ? leave(s, GW_WON) : GW_WON;
}

void
gw_store_drop(struct gw_store *s)
{
	if (s->open)
		roll_back(s);
	s->group = s->broken = false;
}

static enum gw_outcome
mine(struct gw_store *s, const char *service, int64_t epoch)
{
	int n = step(s, EPOCH, "s", service);
	enum gw_outcome o = n < 0 ? GW_UNAVAILABLE : GW_FENCED;

	if (n == 1) {
		if (sqlite3_column_int64(s->q[EPOCH], 0) == epoch)
			o = GW_WON;
		done(s, EPOCH);
	}
	return o;
}

/* Reads one value by a query that is already bound and stepped. */
static enum gw_outcome
take(struct gw_store *s, enum query q, int stepped, enum gw_outcome if_there, enum gw_outcome if_not, struct gw_blob *out)
{
	int n;

	if (stepped < 1)
		return stepped < 0 ? GW_UNAVAILABLE : if_not;
	n = copy(s, q, 0, out);
	done(s, q);
	return n < 0 ? GW_UNAVAILABLE : if_there;
}

static enum gw_outcome
write_one(struct gw_store *s, enum query q, const char *service, int64_t kind, int64_t cp, const void *value, size_t len)
{
	int n = step(s, q, "siib", service, kind, cp, value, len);

	done(s, q);
	return n < 0 ? GW_UNAVAILABLE : GW_WON;
}

/* ---- the contract ---- */

enum gw_outcome
gw_store_own(struct gw_store *s, const char *service, int64_t *epoch)
{
	enum gw_outcome o = GW_UNAVAILABLE;

	if (!enter(s))
		return GW_UNAVAILABLE;
	if (step(s, OWN, "s", service) == 1) {
		*epoch = sqlite3_column_int64(s->q[OWN], 0);
		done(s, OWN);
		o = GW_WON;
	}
	return leave(s, o);
}

enum gw_outcome
gw_store_put(struct gw_store *s, const char *service, int64_t epoch, enum gw_record_kind kind, int64_t cp,
    const void *value, size_t len, struct gw_blob *found)
{
	enum gw_outcome o;

	if (!enter(s))
		return GW_UNAVAILABLE;
	o = mine(s, service, epoch);
	if (o == GW_WON)
		o = take(s, GET, step(s, GET, "sii", service, (int64_t)kind, cp), GW_EXISTS, GW_WON, found);
	if (o == GW_WON)
		o = write_one(s, PUT, service, kind, cp, value, len);
	return leave(s, o);
}

enum gw_outcome
gw_store_amend(struct gw_store *s, const char *service, int64_t epoch, enum gw_record_kind kind, int64_t cp,
    const void *value, size_t len)
{
	enum gw_outcome o;

	if (!enter(s))
		return GW_UNAVAILABLE;
	o = mine(s, service, epoch);
	if (o == GW_WON)
		o = write_one(s, AMEND, service, kind, cp, value, len);
	if (o == GW_WON && sqlite3_changes(s->db) == 0)
		o = GW_EXISTS;
	return leave(s, o);
}

enum gw_outcome
gw_store_get(struct gw_store *s, const char *service, enum gw_record_kind kind, int64_t cp, struct gw_blob *out)
{
	return take(s, GET, step(s, GET, "sii", service, (int64_t)kind, cp), GW_WON, GW_EXISTS, out);
}

enum gw_outcome
gw_store_each(struct gw_store *s, const char *service, enum gw_record_kind kind, int64_t from,
    int (*each)(void *, int64_t, const void *, size_t), void *self)
{
	int n = step(s, EACH, "sii", service, (int64_t)kind, from);

	while (n == 1 && each(self, sqlite3_column_int64(s->q[EACH], 0), sqlite3_column_blob(s->q[EACH], 1),
	    (size_t)sqlite3_column_bytes(s->q[EACH], 1)) == 0)
		n = step(s, EACH, "");
	done(s, EACH);
	return n < 0 ? GW_UNAVAILABLE : GW_WON;
}

enum gw_outcome
gw_store_trim(struct gw_store *s, const char *service, int64_t epoch, int64_t cp)
{
	enum gw_outcome o;

	if (!enter(s))
		return GW_UNAVAILABLE;
	o = mine(s, service, epoch);
	if (o == GW_WON && step(s, TRIM, "si", service, cp) < 0)
		o = GW_UNAVAILABLE;
	done(s, TRIM);
	return leave(s, o);
}

enum gw_outcome
gw_store_any(struct gw_store *s)
{
	int n = step(s, ANY, "");
	bool some = n == 1 && sqlite3_column_int(s->q[ANY], 0) != 0;

	done(s, ANY);
	return n < 1 ? GW_UNAVAILABLE : some ? GW_WON : GW_EXISTS;
}

enum gw_outcome
gw_store_noted(struct gw_store *s, const char *name, struct gw_blob *out)
{
	return take(s, NOTED, step(s, NOTED, "s", name), GW_WON, GW_EXISTS, out);
}

enum gw_outcome
gw_store_note(struct gw_store *s, const char *name, const void *value, size_t len)
{
	enum gw_outcome o;

	if (!enter(s))
		return GW_UNAVAILABLE;
	o = take(s, NOTED, step(s, NOTED, "s", name), GW_EXISTS, GW_WON, NULL);
	if (o == GW_WON && step(s, NOTE, "sb", name, value, len) < 0)
		o = GW_UNAVAILABLE;
	done(s, NOTE);
	return leave(s, o);
}

void
gw_store_free(struct gw_blob *b)
{
	if (b->p)
		gw_cleanse(b->p, b->len);
	free(b->p);
	*b = (struct gw_blob){ NULL, 0 };
}
