/* tools/load_rogue.c: see load_rogue.h */
#include "tools/load_rogue.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include "kms/mbms_xml.h"
#include "lib/secret.h"

enum { RAND = 16, NOISE = 64, BIG_BODY = 1 << 20, LONG_HEAD = 64 << 10, LEVELS = 9 };
static const char service[] = "urn:simulgate:nothing";

/* What is wrong with it; what is not said is as it should be. */
struct rogue_manner {
	unsigned misdeed;
	bool anonymous, key, name, elsewhere, tampered, again;
	char *(*spoil)(const char *body);	/* of a document, another; heap */
	bool bare, proven;			/* it goes by a bare connection: at once; or when there is a challenge to answer */
	bool noise, lengths, header, half;	/* and then */
	enum rogue_stay stays;
};

/* ---- documents ---- */

static char *
nonsense(const char *body)
{
	(void)body;
	return strdup("this is no document, and \xff\xfe\x01 no text");
}

/* Spaces behind the end are XML. */
static char *
big(const char *body)
{
	size_t len = strlen(body);
	char *text = malloc(BIG_BODY + 1);

	if (!text)
		return NULL;
	memset(text, ' ', BIG_BODY);
	memcpy(text, body, len);
	text[BIG_BODY] = '\0';
	return text;
}

/* Each entity is ten of the one before it. */
static char *
entities(const char *body)
{
	const char *prolog = strstr(body, "?>"), *at = strstr(body, service);
	char *text = NULL;
	size_t len;
	FILE *f = prolog && at ? open_memstream(&text, &len) : NULL;

	if (!f)
		return NULL;
	fprintf(f, "%.*s<!DOCTYPE x [<!ENTITY e0 \"nothing\">", (int)(prolog + 2 - body), body);
	for (int i = 1; i < LEVELS; i++) {
		fprintf(f, "<!ENTITY e%d \"", i);
		for (int k = 0; k < 10; k++)
			fprintf(f, "&e%d;", i - 1);
		fprintf(f, "\">");
	}
	fprintf(f, "]>%.*s&e%d;%s", (int)(at - prolog - 2), prolog + 2, LEVELS - 1, at + sizeof(service) - 1);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static const struct rogue_manner manners[] = {
	{ .misdeed = LOAD_ANONYMOUS, .anonymous = true },
	{ .misdeed = LOAD_WRONG_KEY, .key = true },
	{ .misdeed = LOAD_STRANGER, .name = true },
	{ .misdeed = LOAD_REPLAY, .again = true },
	{ .misdeed = LOAD_TAMPERED, .tampered = true },
	{ .misdeed = LOAD_ELSEWHERE, .elsewhere = true },
	{ .misdeed = LOAD_NONSENSE, .spoil = nonsense },
	{ .misdeed = LOAD_ENTITIES, .spoil = entities },
	{ .misdeed = LOAD_BIG_BODY, .spoil = big },
	{ .misdeed = LOAD_NOISE, .bare = true, .noise = true },
	{ .misdeed = LOAD_TWO_LENGTHS, .bare = true, .lengths = true },
	{ .misdeed = LOAD_LONG_HEAD, .bare = true, .header = true },
	{ .misdeed = LOAD_STALL, .bare = true, .proven = true, .half = true },	/* without credentials 401 would be right before the body is there */
	{ .misdeed = LOAD_LEAVE, .bare = true, .proven = true, .stays = ROGUE_UNTIL_SENT },
	{ .misdeed = LOAD_BREAK, .bare = true, .proven = true, .stays = ROGUE_UNTIL_STATUS },
};

static const struct rogue_manner *
manner_of(unsigned misdeed)
{
	for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++)
		if (manners[i].misdeed == misdeed)
			return &manners[i];
	return NULL;
}

bool
rogue_is_bare(unsigned misdeed)
{
	const struct rogue_manner *m = manner_of(misdeed);

	return m && m->bare;
}

enum rogue_stay
rogue_stays(const struct rogue *r)
{
	return r->how->stays;
}

/* ---- what it sends ---- */

static int
make_body(struct rogue *r)
{
	struct mbms_item *item = calloc(1, sizeof(*item));
	const struct mbms_list list = { item, 1 };
	char *text;

	if (!item)
		return -1;
	memcpy(item->service, service, sizeof(service));
	text = mbms_request_print(MBMS_REGISTER, &list);
	free(item);
	r->body = text && r->how->spoil ? r->how->spoil(text) : text;
	if (r->body != text)
		free(text);
	return r->body ? 0 : -1;
}

/* base64(RAND)@BSF, as B-TIDs are. */
static void
make_name(struct rogue *r, const struct phone *p)
{
	unsigned char random[RAND];
	char name[4 * RAND];

	gw_random(random, sizeof(random));
	EVP_EncodeBlock((unsigned char *)name, random, RAND);
	snprintf(r->btid, sizeof(r->btid), "%s@%s", name, p->net->bsf);
}

static int
make(struct rogue *r, const struct phone *p)
{
	const char *base = p->net->url, *sep = strchr(base, '?') ? "&" : "?";
	uint8_t srk[sizeof(p->keys->srk)];
	int rc;

	snprintf(r->btid, sizeof(r->btid), "%s", p->btid);
	if (r->how->name)
		make_name(r, p);
	if (make_body(r) < 0 ||
	    snprintf(r->url, sizeof(r->url), "%s%srequesttype=%s", base, sep, mbms_request_type(MBMS_REGISTER)) >= (int)sizeof(r->url))
		return -1;
	memcpy(srk, p->keys->srk, sizeof(srk));
	srk[0] ^= r->how->key;
	rc = exchange_post(&r->x, &p->usim, r->keys, r->btid, srk, r->url, mbms_media_type(MBMS_REGISTER, false), r->body, "");
	gw_cleanse(srk, sizeof(srk));
	if (r->how->elsewhere)
		snprintf(r->x.sent.uri, sizeof(r->x.sent.uri), "/elsewhere");
	return rc;
}

enum rogue_verdict
rogue_begin(struct rogue *r, unsigned misdeed, const struct phone *p)
{
	*r = (struct rogue){ .how = manner_of(misdeed) };
	if (!r->how || gw_secret_new(&r->room, sizeof(*r->keys)) < 0)
		return ROGUE_OVER;
	r->keys = (struct exchange_keys *)(void *)r->room.p;
	if (make(r, p) < 0)
		return ROGUE_OVER;
	return r->how->bare && !r->how->proven ? ROGUE_BARE : ROGUE_SEND;
}

void
rogue_fini(struct rogue *r)
{
	free(r->body);
	r->body = NULL;
	gw_secret_free(&r->room);
}

/* The octets of the request as it stands in r->x, and what is wrong with them. */
char *
rogue_octets(const struct rogue *r, size_t *len)
{
	const struct rogue_manner *m = r->how;
	const char *host = strstr(r->url, "://") + 3;
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		return NULL;
	for (int i = 0; m->noise && i < NOISE; i++)
		fputc(0x80 | (0xa5 + 31 * i), f);	/* no line ends, or it would be two misdeeds */
	if (m->noise)
		fputs("\r\n", f);
	fprintf(f, "%s %s HTTP/1.1\r\nHost: %.*s\r\n", r->x.method, r->x.uri, (int)strcspn(host, "/?"), host);
	for (const char *const *h = r->x.headers; *h; h++)
		fprintf(f, "%s\r\n", *h);
	if (m->header)
		fprintf(f, "X-Filler: %0*d\r\n", LONG_HEAD, 0);
	if (m->lengths)
		fputs("Content-Length: 0\r\n", f);
	fprintf(f, "Content-Length: %zu\r\n\r\n", r->x.len);
	fwrite(r->x.body, m->half ? r->x.len / 2 : r->x.len, 1, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- what it gets ---- */

static unsigned
outcome_of(const struct exchange_reply *a)
{
	struct digest_challenge c;

	if (a->status == 0)
		return LOAD_CLOSED;
	if (a->status != 401)
		return a->status;
	if (!a->challenge || digest_challenge_parse(a->challenge, &c) < 0)
		return LOAD_BARE + a->status;
	return c.stale ? LOAD_STALE + a->status : a->status;
}

/* It has a challenge, and so credentials. */
static enum rogue_verdict
proven(struct rogue *r)
{
	if (r->how->tampered)	/* the last letter of the service */
		strstr(r->body, service)[sizeof(service) - 2] ^= 1;
	return r->how->bare ? ROGUE_BARE : ROGUE_SEND;
}

enum rogue_verdict
rogue_reply(struct rogue *r, const struct exchange_reply *a, unsigned *outcome)
{
	bool first = r->answers++ == 0, before = r->how->again && r->answers == 2;
	enum exchange_verdict v;

	*outcome = outcome_of(a);
	if (before || (first && *outcome == 401 && !r->how->anonymous)) {
		v = exchange_reply(&r->x, a);
		if (v == (before ? EX_DONE : EX_SEND))
			return before ? ROGUE_SEND : proven(r);	/* EX_DONE has left the headers as they were */
		*outcome = LOAD_UNTRIED;
	}
	return ROGUE_OVER;
}
