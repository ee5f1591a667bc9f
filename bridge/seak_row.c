/* bridge/seak_row.c: see seak_row.h */
#include "bridge/seak_row.h"
#include <stdio.h>
#include <string.h>
#include "lib/clock.h"

static const int64_t second = 1000000;

bool
seak_over(const struct seak_row *r, int64_t now_us)
{
	return r->to_s <= now_us / second;
}

bool
seak_goes_before(const struct seak_row *r, const struct seak_row *other, const char *who, size_t *n)
{
	if (r->to_s < INT64_MAX / second || strcmp(r->generator, who) != 0)
		return false;
	++*n;
	return !other || r->since_us < other->since_us || (r->since_us == other->since_us && r->id < other->id);
}

unsigned
seak_delay_s(unsigned before_s)
{
	return before_s == 0 ? 1 : before_s * 2 > SEAK_LONGEST_S ? SEAK_LONGEST_S : before_s * 2;
}

bool
seak_worth_a_line(int64_t *last_us, int64_t now_us)
{
	if (*last_us && now_us >= *last_us && now_us - *last_us < SEAK_LONGEST_S * second)
		return false;
	*last_us = now_us;
	return true;
}

void
seak_note(const struct seak_ops *ops, void *self, const struct seak_row *r, const char *who, int64_t now_us, const char *what)
{
	struct seak_audit a = { .at_us = now_us, .kind = r->kind, .cid_extension = r->cid_extension };

	snprintf(a.urn, sizeof(a.urn), "%s", r->urn);
	snprintf(a.who, sizeof(a.who), "%s", who);
	snprintf(a.what, sizeof(a.what), "%s", what);
	ops->audit(self, &a);
}

/* ---- for operators ---- */

json_t *
seak_time_json(int64_t us)
{
	char text[32];

	return us == 0 ? json_null() : json_string(gw_utc_text(us, text));
}

static json_t *
second_json(int64_t s)
{
	return s <= INT64_MIN / second || s >= INT64_MAX / second ? json_null() : seak_time_json(s * second);
}

json_t *
seak_row_json(const struct seak_row *r, const struct gw_secret *key, int64_t now_us)
{
	char fp[17];

	gw_fingerprint(key->p, key->len, fp);
	return json_pack("{s:s, s:I, s:s, s:s, s:o, s:o, s:b}", "kind", r->kind ? "program" : "service", "cid_extension", (json_int_t)r->cid_extension,
	    "fingerprint", fp, "generator", r->generator, "valid_from", second_json(r->from_s), "valid_to", second_json(r->to_s), "expired",
	    seak_over(r, now_us));
}
