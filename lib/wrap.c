/*
 * lib/wrap.c: keys at rest, RFC 5649. The master key file and the store name each other: the store holds a check value that only
 * its master key opens. On first use the order is: FILE.new with the key, durable; the check value, durable; FILE.new becomes
 * FILE. So a crash at any point leaves a pair that can be told apart from a lost key and from a lost store.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <openssl/modes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/secret.h"
#include "lib/store_db.h"

enum { MASTER = 32 };
const char gw_wrap_check[] = "master-key-check";
static const uint8_t check_text[16] = "simulgate wraps";

struct gw_wrap {
	struct gw_secret key;
	struct gw_db *db;
	bool check_known; uint8_t check[sizeof(check_text) + GW_WRAP_OVERHEAD]; size_t check_len;	/* of the store, when its key was read */
	EVP_CIPHER *ecb;
	EVP_CIPHER_CTX *seal, *open;
	char path[4096], fresh[4096 + 4];
};

struct gw_block { EVP_CIPHER_CTX *ctx; bool *failed; };	/* what block() is told */

/* ---- the cipher ---- */

static int
ready(struct gw_wrap *w)
{
	EVP_CIPHER_CTX_free(w->seal);
	EVP_CIPHER_CTX_free(w->open);
	w->seal = EVP_CIPHER_CTX_new();
	w->open = EVP_CIPHER_CTX_new();
	if (!w->ecb)
		w->ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	if (!w->ecb || !w->seal || !w->open)
		return -1;
	return EVP_EncryptInit_ex2(w->seal, w->ecb, w->key.p, NULL, NULL) == 1 && EVP_CIPHER_CTX_set_padding(w->seal, 0) == 1 &&
	    EVP_DecryptInit_ex2(w->open, w->ecb, w->key.p, NULL, NULL) == 1 && EVP_CIPHER_CTX_set_padding(w->open, 0) == 1 ? 0 : -1;
}

/* OpenSSL's own AES-256-WRAP-PAD (3.0) takes its AES in C, five times as long as with the processor's instructions. */
static void
block(const unsigned char in[16], unsigned char out[16], const void *key)
{
	const struct gw_block *b = key;
	int n;

	if (EVP_CipherUpdate(b->ctx, out, &n, in, 16) != 1 || n != 16)
		*b->failed = true;
}

int
gw_wrap_seal(struct gw_wrap *w, const void *key, size_t len, uint8_t *out, size_t cap)
{
	bool failed = false;
	struct gw_block b = { w->seal, &failed };
	size_t n;

	if (len < 1 || len > 4096 || (len + 7) / 8 * 8 + 8 > cap)
		return -1;
	n = CRYPTO_128_wrap_pad(&b, NULL, out, key, len, block);
	return n && !failed ? (int)n : -1;
}

int
gw_wrap_open_key(struct gw_wrap *w, const void *wrapped, size_t len, uint8_t *out, size_t cap)
{
	uint8_t clear[4096 + 16];	/* OpenSSL writes the padding, too, before it checks it */
	bool failed = false;
	struct gw_block b = { w->open, &failed };
	size_t n;

	if (len < 16 || len % 8 || len > 4096 + 8)
		return -1;
	n = CRYPTO_128_unwrap_pad(&b, NULL, clear, wrapped, len, block);
	if (n > cap || failed)
		n = 0;
	memcpy(out, clear, n);
	gw_cleanse(clear, len);
	return n ? (int)n : -1;
}

/* ---- the master key and its store ---- */

static int
sync_dir(const char *path)
{
	char copy[4096 + 4];
	int fd, rc;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* 1: read and ready; 0: there is no such file; -1: refused. */
static int
read_key(struct gw_wrap *w, const char *path, struct gw_err *err)
{
	uint8_t more;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool whole;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return gw_fail(err, GW_ESYS, "cannot read it: %s", strerror(errno));
	if (gw_secret_file_ok(path, err) < 0) {
		close(fd);
		return -1;
	}
	whole = read(fd, w->key.p, MASTER) == MASTER && read(fd, &more, 1) == 0;
	close(fd);
	if (!whole)
		return gw_fail(err, GW_ESTORE, "is not a master key: it must have exactly %d bytes", MASTER);
	return ready(w) < 0 ? gw_fail(err, GW_ECRYPTO, "AES-256 key wrap is not available") : 1;
}

static bool
opens(struct gw_wrap *w, const struct gw_blob *check)
{
	uint8_t text[sizeof(check_text)];

	return gw_wrap_open_key(w, check->p, check->len, text, sizeof(text)) == sizeof(text) &&
	    memcmp(text, check_text, sizeof(text)) == 0;
}

static int
write_key(struct gw_wrap *w, struct gw_err *err)
{
	int fd;
	bool ok;

	unlink(w->fresh);	/* of a start that never reached its check value: nothing was sealed with it */
	fd = open(w->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return gw_fail(err, GW_ESYS, "cannot make %s: %s", w->fresh, strerror(errno));
	ok = write(fd, w->key.p, MASTER) == MASTER && fsync(fd) == 0;
	ok = close(fd) == 0 && ok && sync_dir(w->fresh) == 0;
	return ok ? 0 : gw_fail(err, GW_ESYS, "cannot write %s: %s", w->fresh, strerror(errno));
}

/* The check value of the key that is in force here. */
static int
seal_check(struct gw_wrap *w, struct gw_err *err)
{
	int n = ready(w) < 0 ? -1 : gw_wrap_seal(w, check_text, sizeof(check_text), w->check, sizeof(w->check));

	w->check_known = n > 0;
	w->check_len = n > 0 ? (size_t)n : 0;
	return n > 0 ? 0 : gw_fail(err, GW_ECRYPTO, "AES-256 key wrap is not available");
}

/* The write lock, taken with the note, keeps a second process that starts at the same time out until FILE.new is durable. */
static enum gw_outcome
first_use(struct gw_wrap *w, struct gw_err *err)
{
	enum gw_outcome o = GW_UNAVAILABLE;

	gw_random(w->key.p, MASTER);
	if (seal_check(w, err) < 0)
		return GW_UNAVAILABLE;
	gw_fail(err, GW_ETEMP, "the store is busy or cannot be written");
	gw_db_begin(w->db);
	o = gw_db_note(w->db, gw_wrap_check, w->check, w->check_len, false);
	if (o == GW_WON && write_key(w, err) < 0) {
		gw_db_drop(w->db);
		return GW_UNAVAILABLE;
	}
	return gw_db_flush(w->db) == GW_WON ? o : GW_UNAVAILABLE;
}

/*
 * The store has a check value: find its key. FILE, unless a first use or a rotation was cut short after the check value: then FILE.new,
 * which becomes FILE.
 */
static int
match(struct gw_wrap *w, const struct gw_blob *check, struct gw_err *err)
{
	int n;

	w->check_known = false;	/* what is read may be another key */
	if ((n = read_key(w, w->path, err)) < 0)
		return -1;
	if (n == 0 || !opens(w, check)) {
		if (read_key(w, w->fresh, err) < 1 || !opens(w, check))
			return gw_fail(err, GW_ESTORE, "%s", n == 1 ? "is not the master key of this store" :
			    "is missing, and the store's keys are wrapped under it: put it back from the backup");
		/* Another process may be as far and rename first. */
		if (rename(w->fresh, w->path) < 0 && errno != ENOENT)
			return gw_fail(err, GW_ESYS, "cannot rename %s: %s", w->fresh, strerror(errno));
		if (sync_dir(w->path) < 0)
			return gw_fail(err, GW_ESYS, "cannot be made durable: %s", strerror(errno));
	}
	w->check_known = check->len <= sizeof(w->check);
	w->check_len = w->check_known ? check->len : 0;
	memcpy(w->check, check->p, w->check_len);
	return 0;
}

/*
 * The check value and the files are read one after the other: while another process rotates they may be of two keys, and so another look
 * decides. GW_EXISTS: there is no check value.
 */
static enum gw_outcome
find_key(struct gw_wrap *w, struct gw_err *err)
{
	enum { LOOKS = 5 };
	static const struct timespec pause = { .tv_nsec = 2000000 };
	enum gw_outcome o = GW_UNAVAILABLE;
	int rc = -1;

	for (int look = 0; look < LOOKS && rc < 0; look++) {
		struct gw_blob check = { NULL, 0 };

		if (look)
			nanosleep(&pause, NULL);
		o = gw_db_noted(w->db, gw_wrap_check, &check);
		if (o == GW_WON && w->check_known && check.len == w->check_len && memcmp(check.p, w->check, check.len) == 0)
			rc = 0;	/* the one that is in use here */
		else if (o == GW_WON)
			rc = match(w, &check, err);
		gw_store_free(&check);
		if (o != GW_WON)
			return o;
	}
	return rc < 0 ? GW_FENCED : GW_WON;
}

static int
pair(struct gw_wrap *w, bool create, struct gw_err *err)
{
	enum gw_outcome o = find_key(w, err), any;

	if (o == GW_EXISTS) {
		if (access(w->path, F_OK) == 0)
			return gw_fail(err, GW_ESTORE,
			    "is there, but its store is new: put the store back from the backup, or remove this file to begin anew");
		any = gw_db_any(w->db);
		if (any == GW_WON)
			return gw_fail(err, GW_ESTORE, "is missing, and the store holds records already");
		if (!create && any == GW_EXISTS)
			return gw_fail(err, GW_ESTORE, "is missing, and the store is empty: its making was cut short");
		if (any == GW_UNAVAILABLE || first_use(w, err) == GW_UNAVAILABLE)
			return -1;
		w->check_known = false;	/* FILE.new is to become FILE */
		o = find_key(w, err);
	}
	if (o == GW_EXISTS || o == GW_UNAVAILABLE)
		return gw_fail(err, GW_ETEMP, "the store cannot be read");
	return o == GW_WON ? 0 : -1;
}

static struct gw_wrap *
new_wrap(const char *path, struct gw_db *db, struct gw_err *err)
{
	struct gw_wrap *w = calloc(1, sizeof(*w));

	if (!w) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	if (strlen(path) >= sizeof(w->path)) {
		free(w);
		gw_fail(err, GW_ECONF, "the path of the master key is too long");
		return NULL;
	}
	snprintf(w->path, sizeof(w->path), "%s", path);
	snprintf(w->fresh, sizeof(w->fresh), "%s.new", path);
	w->db = db;
	if (gw_secret_new(&w->key, MASTER) == 0)
		return w;
	gw_fail(err, GW_ESYS, "no locked memory left");
	gw_wrap_close(w);
	return NULL;
}

int
gw_wrap_open_db(const char *path, struct gw_db *db, bool create, struct gw_wrap **out, struct gw_err *err)
{
	struct gw_wrap *w = new_wrap(path, db, err);

	if (!w || pair(w, create, err) < 0) {
		gw_wrap_close(w);
		return gw_wrap(err, "master key %s", path);
	}
	*out = w;
	return 0;
}

int
gw_wrap_open(const char *path, struct gw_store *store, struct gw_wrap **out, struct gw_err *err)
{
	return gw_wrap_open_db(path, gw_store_db(store), true, out, err);
}

void
gw_wrap_close(struct gw_wrap *w)
{
	if (!w)
		return;
	EVP_CIPHER_CTX_free(w->seal);
	EVP_CIPHER_CTX_free(w->open);
	EVP_CIPHER_free(w->ecb);
	gw_secret_free(&w->key);
	free(w);
}

/* ---- another master key ---- */

int
gw_wrap_follow(struct gw_wrap *w)
{
	struct gw_err err = { 0 };
	enum gw_outcome o = find_key(w, &err);

	if (o == GW_FENCED)
		gw_log(GW_ERR, "master_key_lost", err.text, "path=%s", w->path);
	return o == GW_WON ? 0 : -1;
}

int
gw_wrap_rotate(struct gw_wrap *w, enum gw_outcome (*again)(void *, struct gw_wrap *, struct gw_wrap *), void *self, struct gw_err *err)
{
	struct gw_wrap *to = new_wrap(w->path, w->db, err);
	bool ok = to != NULL;

	if (ok) {
		gw_random(to->key.p, MASTER);
		ok = seal_check(to, err) == 0;
	}
	if (ok) {
		gw_fail(err, GW_ETEMP, "the store is busy or cannot be written");
		gw_db_begin(w->db);
		/* FILE must be the key in force before FILE.new is made anew: a rotation before this one may have been cut short. */
		ok = gw_db_enter(w->db);
		w->check_known = false;
		ok = ok && find_key(w, err) == GW_WON && again(self, w, to) == GW_WON &&
		    gw_db_note(w->db, gw_wrap_check, to->check, to->check_len, true) == GW_WON && write_key(to, err) == 0;
		if (!ok)
			gw_db_drop(w->db);
		else
			ok = gw_db_flush(w->db) == GW_WON;
	}
	gw_wrap_close(to);
	if (!ok)
		return gw_wrap(err, "master key %s", w->path);
	return gw_wrap_follow(w) == 0 ? 0 : gw_fail(err, GW_ESYS, "master key %s: the new one is in %s and cannot take its place: %s",
	    w->path, w->fresh, strerror(errno));
}

int
gw_wrap_copy(struct gw_wrap *w, const char *to, const struct gw_blob *check, struct gw_err *err)
{
	int fd;
	bool ok;

	if (!opens(w, check))
		return gw_fail(err, GW_ETEMP, "the master key was changed meanwhile");
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return gw_fail(err, GW_ESYS, "cannot make %s: %s", to, strerror(errno));
	ok = write(fd, w->key.p, MASTER) == MASTER && fsync(fd) == 0;
	ok = close(fd) == 0 && ok && sync_dir(to) == 0;
	return ok ? 0 : gw_fail(err, GW_ESYS, "cannot write %s: %s", to, strerror(errno));
}
