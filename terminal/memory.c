/* terminal/memory.c: see memory.h */
#include "terminal/memory.h"
#include <openssl/sha.h>
#include <string.h>
#include "lib/secret.h"

static const char magic[8] = "SGPHONE";	/* NUL included */
enum { VERSION = 1, SUM = SHA256_DIGEST_LENGTH, HEAD = sizeof(magic) + 1 };

/* One walk that writes or reads. Sticky: after the first thing that does not fit nothing is done. */
struct walk { uint8_t *out; const uint8_t *in; size_t at, len; bool bad; };

static void
octets(struct walk *w, void *p, size_t n)
{
	if (w->bad || n > w->len - w->at) {
		w->bad = true;
		return;
	}
	if (n && w->out)
		memcpy(w->out + w->at, p, n);
	else if (n)
		memcpy(p, w->in + w->at, n);
	w->at += n;
}

static void
number(struct walk *w, uint64_t *v, size_t n)
{
	uint8_t b[8] = { 0 };

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(*v >> 8 * (n - 1 - i));
	octets(w, b, n);
	if (w->out)
		return;
	*v = 0;
	for (size_t i = 0; i < n && !w->bad; i++)
		*v = *v << 8 | b[i];
}

static void
time_us(struct walk *w, int64_t *t)
{
	uint64_t v = (uint64_t)*t;

	number(w, &v, 8);
	*t = (int64_t)v;
}

static void
sized(struct walk *w, void *p, size_t *len, size_t max)
{
	uint64_t n = *len;

	number(w, &n, 2);
	w->bad |= n > max;
	octets(w, p, w->bad ? 0 : (size_t)n);
	if (!w->out)
		*len = w->bad ? 0 : (size_t)n;
}

static void
text(struct walk *w, char name[MEMORY_NAME])
{
	size_t n = w->out ? strlen(name) : 0;

	sized(w, name, &n, MEMORY_NAME - 1);
	if (w->out)
		return;
	name[n] = '\0';
	w->bad = w->bad || strlen(name) != n;
}

static void
all(struct walk *w, struct memory *m)
{
	text(w, m->whose);
	octets(w, m->sqn, sizeof(m->sqn));
	text(w, m->btid);
	octets(w, m->srk, sizeof(m->srk));
	time_us(w, &m->since_us);
	time_us(w, &m->expires_us);
	sized(w, m->card, &m->card_len, sizeof(m->card));
}

size_t
memory_write(const struct memory *m, void *out, size_t cap)
{
	struct walk w = { .out = out, .at = HEAD, .len = cap };

	if (cap < HEAD + SUM)
		return 0;
	w.len -= SUM;
	memcpy(w.out, magic, sizeof(magic));
	w.out[sizeof(magic)] = VERSION;
	all(&w, (struct memory *)(uintptr_t)m);	/* which a walk that writes leaves as it is */
	if (w.bad)
		return 0;
	SHA256(w.out, w.at, w.out + w.at);
	return w.at + SUM;
}

int
memory_read(const void *in, size_t len, struct memory *m, struct gw_err *err)
{
	struct walk w = { .in = in, .at = HEAD, .len = len };
	uint8_t sum[SUM];

	memset(m, 0, sizeof(*m));
	if (len < HEAD + SUM || memcmp(in, magic, sizeof(magic)) != 0)
		return gw_fail(err, GW_ESTORE, "it is no card state");
	if (w.in[sizeof(magic)] != VERSION)
		return gw_fail(err, GW_ESTORE, "it is of version %u, and this program knows version %d", w.in[sizeof(magic)], VERSION);
	w.len -= SUM;
	SHA256(in, w.len, sum);
	if (memcmp(sum, w.in + w.len, SUM) == 0)
		all(&w, m);
	else
		w.bad = true;
	if (!w.bad && w.at == w.len)
		return 0;
	gw_cleanse(m, sizeof(*m));
	return gw_fail(err, GW_ESTORE, "it is damaged");
}
