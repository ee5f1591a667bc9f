/*
 * lib/store_db.c: one SQLite file. WAL, synchronous FULL: what was answered with GW_WON survives a power cut. What the log has grown by is
 * copied into the file by a thread of its own, with a connection of its own: it waits for the disk far longer than a commit does, and
 * crypto-periods do not wait.
 */
#include "lib/store_db.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/secret.h"

enum { BUSY_OPEN_MS = 5000, BUSY_MS = 250 };	/* waits for another process: its recovery or check; its one transaction */
enum { LOG_PAGES = 1000 };	/* of the write-ahead log, before they are copied: SQLite's own measure */

/* Statements of every store, behind those of its kind. */
enum own { BEGIN, COMMIT, ROLLBACK, NOTED, NOTE, RENOTE, ANY, VERSION, NOWN };
static const char *const own_sql[NOWN] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[NOTED] = "SELECT value FROM note WHERE name = ?1",
	[NOTE] = "INSERT INTO note VALUES (?1, ?2)",
	[RENOTE] = "INSERT INTO note VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	[VERSION] = "PRAGMA data_version",
};

struct copier {
	pthread_t thread; bool running;
	pthread_mutex_t lock; pthread_cond_t wake;	/* of what follows */
	bool wanted, stop;
	sqlite3 *db;
};

struct gw_db {
	sqlite3 *db;
	const struct gw_db_kind *kind;
	struct copier copier;
	sqlite3_stmt **q;
	char *path;
	int (*begun)(void *self); void *self;
	bool group;	/* between begin and flush */
	bool open;	/* its transaction has begun */
	bool broken;	/* and was lost: the rest of the group is not tried */
	int64_t version;	/* of the data, as asked last */
	struct gw_rate rate;
};

static int
own(const struct gw_db *s, enum own q)
{
	return s->kind->nsql + (int)q;
}

static const char *
sql_of(const struct gw_db *s, int q)
{
	if (q < s->kind->nsql)
		return s->kind->sql[q];
	return q == own(s, ANY) ? s->kind->any : own_sql[q - s->kind->nsql];
}

/* ---- opening ---- */

static int
refuse(struct gw_db *s, struct gw_err *err, const char *what)
{
	int rc = sqlite3_errcode(s->db) & 0xff;
	bool later = rc == SQLITE_BUSY || rc == SQLITE_LOCKED;

	errno = sqlite3_system_errno(s->db);
	return gw_fail(err, later ? GW_ETEMP : GW_ESTORE, "%s: %s", what, sqlite3_errmsg(s->db));
}

int
gw_db_make_dirs(const char *path, struct gw_err *err)
{
	char dir[4096];

	if (strlen(path) >= sizeof(dir))
		return gw_fail(err, GW_ECONF, "the path is too long");
	for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(p - path), path);
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return gw_fail(err, GW_ESYS, "cannot make %s: %s", dir, strerror(errno));
	}
	return 0;
}

/* The file and its directories, closed to others from their first moment; SQLite gives the -wal and -shm files the same mode. */
static int
make_file(const char *path, struct gw_err *err)
{
	int fd;

	if (gw_db_make_dirs(path, err) < 0)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		return close(fd);
	if (errno != EEXIST)
		return gw_fail(err, GW_ESYS, "cannot make it: %s", strerror(errno));
	return gw_secret_file_ok(path, err);
}

/* First column of the first row as text; "" without a row. */
static int
ask(struct gw_db *s, const char *question, char *out, size_t cap, struct gw_err *err)
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
exec(struct gw_db *s, const char *statements, struct gw_err *err)
{
	if (sqlite3_exec(s->db, statements, NULL, NULL, NULL) != SQLITE_OK)
		return refuse(s, err, "cannot be set up");
	return 0;
}

/* Ours, of a schema we know, and sound? A file without tables is a new one. */
static int
inspect(struct gw_db *s, struct gw_err *err)
{
	char tables[32], id[32], schema[32], verdict[256];

	if (ask(s, "SELECT count(*) FROM sqlite_schema", tables, sizeof(tables), err) < 0 ||
	    ask(s, "PRAGMA application_id", id, sizeof(id), err) < 0 ||
	    ask(s, "PRAGMA user_version", schema, sizeof(schema), err) < 0)
		return -1;
	if (atoll(tables) > 0 && atoll(id) != s->kind->application_id)
		return gw_fail(err, GW_ESTORE, "is a SQLite file, but not a store of ours");
	if (atoll(schema) > s->kind->schema)
		return gw_fail(err, GW_ESTORE, "has schema %s; this program knows schemas up to %d", schema, s->kind->schema);
	if (ask(s, "PRAGMA quick_check(1)", verdict, sizeof(verdict), err) < 0)
		return -1;
	if (strcmp(verdict, "ok") != 0)
		return gw_fail(err, GW_ESTORE, "is corrupt: %s; put a backup in its place", verdict);
	return 0;
}

static int
migrate(struct gw_db *s, struct gw_err *err)
{
	char schema[32], done[96];

	if (exec(s, "BEGIN IMMEDIATE", err) < 0 || ask(s, "PRAGMA user_version", schema, sizeof(schema), err) < 0)
		return -1;
	for (long long n = atoll(schema); n < s->kind->schema; n++) {
		snprintf(done, sizeof(done), "PRAGMA user_version = %lld; PRAGMA application_id = %d", n + 1,
		    (int)s->kind->application_id);
		if (exec(s, s->kind->migrations[n], err) < 0 || exec(s, done, err) < 0)
			return -1;	/* closing rolls back */
	}
	return exec(s, "COMMIT", err);
}

static int
connect_to(struct gw_db *s, struct gw_err *err)
{
	char mode[32];

	if (access(s->path, W_OK) < 0)	/* SQLite says no more than that it is unable to open it */
		return gw_fail(err, GW_ESTORE, "cannot be written: %s", strerror(errno));
	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return refuse(s, err, "cannot be opened");
	sqlite3_busy_timeout(s->db, BUSY_OPEN_MS);
	if (inspect(s, err) < 0 || ask(s, "PRAGMA journal_mode = WAL", mode, sizeof(mode), err) < 0)
		return -1;
	if (strcmp(mode, "wal") != 0)
		return gw_fail(err, GW_ESTORE, "its file system cannot hold a write-ahead log");
	if (exec(s, "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON", err) < 0 || migrate(s, err) < 0)
		return -1;
	for (int i = 0; i < s->kind->nsql + NOWN; i++)
		if (sqlite3_prepare_v3(s->db, sql_of(s, i), -1, SQLITE_PREPARE_PERSISTENT, &s->q[i], NULL) != SQLITE_OK)
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
start_copier(struct gw_db *s)
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
gw_db_open(const char *path, const struct gw_db_kind *kind, bool create, struct gw_db **out, struct gw_err *err)
{
	struct gw_db *s = calloc(1, sizeof(*s));

	if (!s || !(s->path = strdup(path)) || !(s->q = calloc((size_t)kind->nsql + NOWN, sizeof(*s->q)))) {
		if (s)
			free(s->path);
		free(s);
		return gw_fail(err, GW_ESYS, "no memory");
	}
	s->kind = kind;
	s->rate = (struct gw_rate){ .burst = 1, .per_ms = 10000 };
	if ((create ? make_file(path, err) : gw_secret_file_ok(path, err)) < 0 || connect_to(s, err) < 0) {
		gw_db_close(s);
		return gw_wrap(err, "store %s", path);
	}
	gw_db_changed(s);
	start_copier(s);
	*out = s;
	return 0;
}

void
gw_db_close(struct gw_db *s)
{
	if (!s)
		return;
	stop_copier(&s->copier);
	for (int i = 0; i < s->kind->nsql + NOWN; i++)
		sqlite3_finalize(s->q[i]);
	sqlite3_close(s->db);
	free(s->q);
	free(s->path);
	free(s);
}

void
gw_db_on_begin(struct gw_db *s, int (*begun)(void *), void *self)
{
	s->begun = begun;
	s->self = self;
}

bool
gw_db_changed(struct gw_db *s)
{
	int64_t before = s->version;

	if (gw_db_step(s, own(s, VERSION), "") == 1)
		s->version = gw_db_int(s, own(s, VERSION), 0);
	gw_db_done(s, own(s, VERSION));
	return s->version != before;
}

static int
sync_path(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

int
gw_db_copy(struct gw_db *s, const char *to, struct gw_err *err)
{
	sqlite3_stmt *q = NULL;
	char dir[4096];
	int fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc;

	if (fd < 0)
		return gw_fail(err, GW_ESYS, "cannot make %s: %s", to, strerror(errno));
	close(fd);
	snprintf(dir, sizeof(dir), "%s", to);
	rc = sqlite3_prepare_v2(s->db, "VACUUM INTO ?1", -1, &q, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_bind_text(q, 1, to, -1, SQLITE_STATIC)) == SQLITE_OK)
		rc = sqlite3_step(q);
	if (rc != SQLITE_DONE)
		refuse(s, err, "cannot be copied");
	sqlite3_finalize(q);
	if (rc == SQLITE_DONE && sync_path(to, 0) == 0 && sync_path(dirname(dir), O_DIRECTORY) == 0)
		return 0;
	if (rc == SQLITE_DONE)
		gw_fail(err, GW_ESYS, "cannot write %s: %s", to, strerror(errno));
	unlink(to);
	return -1;
}

/* ---- one query ---- */

static void
fault(struct gw_db *s, int q)
{
	gw_log_limited(&s->rate, GW_WARNING, "store_unavailable", sqlite3_errmsg(s->db), "path=%s code=%d doing=%s",
	    s->path, sqlite3_extended_errcode(s->db), sql_of(s, q));
}

static bool
taken(struct gw_db *s)
{
	int code = sqlite3_extended_errcode(s->db);

	return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_ROWID ||
	    code == SQLITE_CONSTRAINT_FOREIGNKEY;
}

static void
bind_text(sqlite3_stmt *st, int n, const char *text, bool as_is)
{
	if (text && (as_is || *text))
		sqlite3_bind_text(st, n, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, n);
}

int
gw_db_step(struct gw_db *s, int q, const char *types, ...)
{
	sqlite3_stmt *st = s->q[q];
	va_list ap;
	int rc;

	va_start(ap, types);
	for (int n = 1; types && *types; types++, n++) {
		if (*types == 's' || *types == 't') {
			bind_text(st, n, va_arg(ap, const char *), *types == 't');
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
	if (rc == SQLITE_DONE) {
		sqlite3_reset(st);
		return 0;
	}
	rc = taken(s) ? -2 : -1;
	if (rc == -1)
		fault(s, q);
	sqlite3_reset(st);
	return rc;
}

void
gw_db_done(struct gw_db *s, int q)
{
	sqlite3_reset(s->q[q]);
	sqlite3_clear_bindings(s->q[q]);
}

int64_t
gw_db_int(struct gw_db *s, int q, int column)
{
	return sqlite3_column_int64(s->q[q], column);
}

void
gw_db_text(struct gw_db *s, int q, int column, char *out, size_t cap)
{
	const unsigned char *text = sqlite3_column_text(s->q[q], column);

	snprintf(out, cap, "%s", text ? (const char *)text : "");
}

const void *
gw_db_blob(struct gw_db *s, int q, int column, size_t *len)
{
	const void *p = sqlite3_column_blob(s->q[q], column);

	*len = (size_t)sqlite3_column_bytes(s->q[q], column);
	return p;
}

int
gw_db_octets(struct gw_db *s, int q, int column, void *out, size_t len)
{
	size_t n;
	const void *p = gw_db_blob(s, q, column, &n);

	if (n != len)
		return -1;
	if (len)
		memcpy(out, p, len);
	return 0;
}

int
gw_db_changes(struct gw_db *s)
{
	return sqlite3_changes(s->db);
}

int64_t
gw_db_id(struct gw_db *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

/* ---- transactions ---- */

static void
roll_back(struct gw_db *s)
{
	if (!sqlite3_get_autocommit(s->db))	/* a grave fault has rolled back by itself */
		gw_db_step(s, own(s, ROLLBACK), "");
	s->open = false;
}

bool
gw_db_enter(struct gw_db *s)
{
	if (s->group && (s->open || s->broken))
		return !s->broken;
	s->open = gw_db_step(s, own(s, BEGIN), "") == 0;
	if (s->open && s->begun && s->begun(s->self) < 0)
		roll_back(s);
	s->broken = s->group && !s->open;	/* one wait for the lock is enough for the whole burst */
	return s->open;
}

enum gw_outcome
gw_db_leave(struct gw_db *s, enum gw_outcome o)
{
	if (o == GW_UNAVAILABLE) {
		roll_back(s);
		s->broken = s->group;
	} else if (!s->group) {
		if (gw_db_step(s, own(s, COMMIT), "") < 0) {
			roll_back(s);
			return GW_UNAVAILABLE;
		}
		s->open = false;
	}
	return o;
}

enum gw_outcome
gw_db_outcome(struct gw_db *s, int q, int stepped, enum gw_outcome none_is)
{
	gw_db_done(s, q);
	if (stepped < 0)
		return stepped == -2 ? GW_EXISTS : GW_UNAVAILABLE;
	return gw_db_changes(s) > 0 ? GW_WON : none_is;
}

void
gw_db_begin(struct gw_db *s)
{
	s->group = true;
}

enum gw_outcome
gw_db_flush(struct gw_db *s)
{
	bool lost = s->broken;

	s->group = s->broken = false;
	if (lost)
		return GW_UNAVAILABLE;
	return s->open ? gw_db_leave(s, GW_WON) : GW_WON;
}

void
gw_db_drop(struct gw_db *s)
{
	if (s->open)
		roll_back(s);
	s->group = s->broken = false;
}

/* ---- notes ---- */

enum gw_outcome
gw_db_any(struct gw_db *s)
{
	int n = gw_db_step(s, own(s, ANY), "");
	bool some = n == 1 && gw_db_int(s, own(s, ANY), 0) != 0;

	gw_db_done(s, own(s, ANY));
	return n < 1 ? GW_UNAVAILABLE : some ? GW_WON : GW_EXISTS;
}

enum gw_outcome
gw_db_noted(struct gw_db *s, const char *name, struct gw_blob *out)
{
	int q = own(s, NOTED), n = gw_db_step(s, q, "t", name);
	size_t len = 0;
	const void *p;

	if (n < 1)
		return n < 0 ? GW_UNAVAILABLE : GW_EXISTS;
	p = gw_db_blob(s, q, 0, &len);
	*out = (struct gw_blob){ malloc(len ? len : 1), len };
	if (out->p && len)
		memcpy(out->p, p, len);
	gw_db_done(s, q);
	return out->p ? GW_WON : GW_UNAVAILABLE;
}

enum gw_outcome
gw_db_note(struct gw_db *s, const char *name, const void *value, size_t len, bool replace)
{
	return gw_db_write(s, own(s, replace ? RENOTE : NOTE), GW_WON, "tb", name, value, len);
}

enum gw_outcome
gw_db_note_in(struct gw_db *s, const char *name, const void *value, size_t len)
{
	return gw_db_outcome(s, own(s, RENOTE), gw_db_step(s, own(s, RENOTE), "tb", name, value, len), GW_UNAVAILABLE);
}
