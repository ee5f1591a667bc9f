/* bsm/api.c: the purchase API: who may, what is where, and how it is said; what is done: bsm/api_rows.c */
#include "bsm/api.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "bsm/api_int.h"
#include "lib/addr.h"
#include "lib/clock.h"

#define API_X(code, name, help) { name, help },
const struct api_counter api_counters[API_NCOUNTS] = { API_COUNTS(API_X) };
#undef API_X

#define FAULT_X(code, status, word, message) { status, word, message },
static const struct { unsigned status; const char *word, *message; } faults[API_NFAULTS] = { API_FAULTS(FAULT_X) };
#undef FAULT_X

/* ---- answers ---- */

enum gw_outcome
api_say(struct door_answer *a, unsigned status, json_t *object)
{
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	door_answer_take(a, status, door_json, text);
	return GW_WON;
}

enum gw_outcome
api_refuse(struct bsm_api *api, const struct door_request *q, struct door_answer *a, enum api_fault f, const char *field, const char *message)
{
	char peer[64] = "-";
	json_t *j;

	api->counts[f == API_FAULT_NOT_AUTHORIZED ? API_DENIED : API_REFUSED]++;
	message = message != NULL ? message : faults[f].message;
	if (q->peer != NULL)
		gw_sockaddr_text(q->peer, peer, sizeof(peer));
	gw_log_limited(&api->log, GW_NOTICE, "purchase_refused", message, "error=%s field=%s peer=%s", faults[f].word, field != NULL ? field : "-", peer);
	j = json_pack("{s:s, s:s, s:s?}", "error", faults[f].word, "message", message, "field", field);
	if (j == NULL)	/* what is quoted may be no UTF-8 */
		j = json_pack("{s:s, s:s, s:n}", "error", faults[f].word, "message", faults[f].message, "field");
	return api_say(a, faults[f].status, j);
}

json_t *
api_time_json(int64_t utc_us)
{
	char text[32];

	return utc_us != 0 ? json_string(gw_utc_text(utc_us, text)) : json_null();
}

/* ---- what stands in a request ---- */

bool
api_unescape(const char *text, size_t len, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char digits[3] = { 0 };
		unsigned char c = (unsigned char)text[i];

		if (c == '%') {
			if (len - i < 3 || !isxdigit((unsigned char)text[i + 1]) || !isxdigit((unsigned char)text[i + 2]))
				return false;
			memcpy(digits, text + i + 1, 2);
			c = (unsigned char)strtoul(digits, NULL, 16);
			i += 2;
		}
		if (c < ' ' || n + 1 >= cap)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

int
api_query(const char *query, const char *name, char *out, size_t cap)
{
	size_t len = strlen(name);

	for (const char *p = query; *p != '\0'; p += strcspn(p, "&"), p += *p == '&') {
		if (strncmp(p, name, len) == 0 && p[len] == '=')
			return api_unescape(p + len + 1, strcspn(p + len + 1, "&"), out, cap) ? 1 : -1;
		if (strncmp(p, name, len) == 0 && (p[len] == '&' || p[len] == '\0'))
			return -1;
	}
	return 0;
}

bool
api_time(const char *text, int64_t *utc_us)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t fraction = 0, unit = 1000000;
	struct tm again;
	time_t s;

	if (p == NULL || tm.tm_year < 70 || tm.tm_year > 7000 || tm.tm_sec > 59)
		return false;
	if (*p == '.') {
		if (!isdigit((unsigned char)p[1]))
			return false;
		for (p++; isdigit((unsigned char)*p); p++)
			if (unit > 1)
				unit /= 10, fraction += (*p - '0') * unit;
	}
	again = tm;
	s = timegm(&again);
	*utc_us = (int64_t)s * 1000000 + fraction;
	return strcmp(p, "Z") == 0 && again.tm_mday == tm.tm_mday && *utc_us > 0;	/* no 31 February */
}

static bool
number(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0;
}

const char *
api_page(const char *query, struct api_page *page)
{
	char text[32];
	int64_t n = API_PAGE;
	int there;

	page->after = 0;
	if ((there = api_query(query, "after", text, sizeof(text))) < 0 || (there > 0 && !number(text, &page->after)))
		return "after";
	if ((there = api_query(query, "limit", text, sizeof(text))) < 0 || (there > 0 && (!number(text, &n) || n == 0 || n > API_PAGE_MAX)))
		return "limit";
	page->limit = (size_t)n;
	return NULL;
}

/* ---- who may ---- */

static bool
hash(const void *text, size_t len, uint8_t out[32])
{
	return EVP_Digest(text, len, out, NULL, EVP_sha256(), NULL) == 1;
}

static int
read_token(const char *path, uint8_t out[32], struct gw_err *err)
{
	char line[512];
	int n = gw_secret_line(path, line, sizeof(line), err);
	size_t len = n < 0 ? 0 : (size_t)n;

	if (n < 0)
		return -1;
	if (len < API_TOKEN_MIN || len == sizeof(line) - 1 || strcspn(line, " \t") < len || !hash(line, len, out)) {
		gw_cleanse(line, sizeof(line));
		return gw_fail(err, GW_ECONF, "%s: a token is one line of %d to %zu characters without spaces", path, API_TOKEN_MIN, sizeof(line) - 2);
	}
	gw_cleanse(line, sizeof(line));
	return 0;
}

static bool
may(const struct bsm_api *api, const struct door_request *q)
{
	static const char scheme[] = "bearer ";
	const char *token = q->authorization;
	uint8_t h[32];

	if (token == NULL || strncasecmp(token, scheme, sizeof(scheme) - 1) != 0)
		return false;
	token += sizeof(scheme) - 1;
	token += strspn(token, " ");
	return hash(token, strlen(token), h) && CRYPTO_memcmp(h, api->token, sizeof(h)) == 0;
}

/* ---- what is where ---- */

#define SUBSCRIPTIONS "/api/v1/subscriptions"
#define SUBSCRIBERS "/api/v1/subscribers"
static const struct place {
	const char *method, *path;
	bool one;	/* a name or number follows the path */
	enum gw_outcome (*answer)(struct bsm_api *, const struct door_request *, const char *rest, struct door_answer *);
} places[] = {
	{ "POST",   SUBSCRIPTIONS,     false, api_subscription_post },
	{ "GET",    SUBSCRIPTIONS,     false, api_subscriptions_get },
	{ "GET",    SUBSCRIPTIONS "/", true,  api_subscription_get },
	{ "DELETE", SUBSCRIPTIONS "/", true,  api_subscription_end },
	{ "GET",    SUBSCRIBERS,       false, api_subscribers_get },
	{ "GET",    SUBSCRIBERS "/",   true,  api_subscriber_get },
};

static bool
is_at(const struct place *p, const char *path, char *rest, size_t cap)
{
	size_t len = strlen(p->path);

	if (!p->one)
		return strcmp(p->path, path) == 0;
	return strncmp(p->path, path, len) == 0 && path[len] != '\0' && strchr(path + len, '/') == NULL &&
	    api_unescape(path + len, strlen(path + len), rest, cap);
}

static enum gw_outcome
answer(struct bsm_api *api, const struct door_request *q, struct door_answer *a)
{
	char rest[KMS_IMPI] = "", allow[64] = "";

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct place *p = &places[i];

		if (!is_at(p, q->path, rest, sizeof(rest)))
			continue;
		if (strcmp(p->method, q->method) == 0)
			return p->answer(api, q, rest, a);
		snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), "%s%s", allow[0] != '\0' ? ", " : "", p->method);
	}
	if (allow[0] == '\0')
		return api_refuse(api, q, a, API_FAULT_NOT_FOUND, NULL, NULL);
	door_answer_header(a, "allow: %s", allow);
	return api_refuse(api, q, a, API_FAULT_METHOD, NULL, NULL);
}

enum gw_outcome
bsm_api_request(struct bsm_api *api, const struct door_request *q, struct door_answer *a)
{
	enum gw_outcome o = GW_WON;

	door_answer_init(a);
	if (!may(api, q)) {
		door_answer_header(a, "www-authenticate: Bearer realm=\"simulgate\"");
		api_refuse(api, q, a, API_FAULT_NOT_AUTHORIZED, NULL, NULL);
	} else if (q->body_len > API_BODY) {
		api_refuse(api, q, a, API_FAULT_TOO_LARGE, NULL, NULL);
	} else {
		o = answer(api, q, a);
	}
	gw_cleanse(api->now, sizeof(*api->now));
	if (o == GW_WON)
		return o;
	api->counts[API_UNAVAILABLE]++;
	a->type = door_json;
	door_unavailable(a);
	return GW_UNAVAILABLE;
}

/* ---- up and down ---- */

int
bsm_api_new(struct kms_store *store, const char *token_file, const struct bsm_events *events, struct bsm_api **out, struct gw_err *err)
{
	struct bsm_api *api = calloc(1, sizeof(*api));

	*out = NULL;
	if (api == NULL || gw_secret_new(&api->memory, sizeof(*api->now)) < 0) {
		free(api);
		return gw_fail(err, GW_ESYS, "no memory for the purchase API");
	}
	api->store = store;
	api->events = *events;
	api->now = (struct api_passing *)(void *)api->memory.p;
	api->log = (struct gw_rate){ .burst = 20, .per_ms = 1000 };
	if (read_token(token_file, api->token, err) < 0) {
		bsm_api_free(api);
		return -1;
	}
	*out = api;
	return 0;
}

int
bsm_api_reload(struct bsm_api *api, const char *token_file, struct gw_err *err)
{
	uint8_t token[32];

	if (read_token(token_file, token, err) < 0)
		return -1;
	memcpy(api->token, token, sizeof(token));
	return 0;
}

void
bsm_api_free(struct bsm_api *api)
{
	if (api == NULL)
		return;
	gw_secret_free(&api->memory);
	gw_cleanse(api->token, sizeof(api->token));
	free(api);
}

const uint64_t *
bsm_api_counts(const struct bsm_api *api)
{
	return api->counts;
}
