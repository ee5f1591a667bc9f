/* kms/plug.c: see plug.h */
#include "kms/plug.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OVERLAP_MS = 4000 };	/* an STKM is on air 2 s before its CP; receivers may see it as long after it */

int
plug_refuse(int status, char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cap)
		vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return -status;
}

static int
number(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 0);
	return *text && !*end && !errno && *out >= min && *out <= max ? 0 : -1;
}

/* Place of a word in "a|b|c", or -1. */
static int
word(const char *words, const char *text)
{
	size_t n = strlen(text);

	for (int k = 0; words; k++, words = strchr(words, '|') ? strchr(words, '|') + 1 : NULL)
		if (strncmp(words, text, n) == 0 && (words[n] == '|' || words[n] == '\0'))
			return k;
	return -1;
}

static int
take(const struct plug_row *r, void *out, const char *value)
{
	uint8_t *at = (uint8_t *)out + r->offset;
	int64_t v = 0;

	switch (r->type) {
	case PLUG_PATH:
		if (!*value || strlen(value) >= r->size)
			return -1;
		memcpy(at, value, strlen(value) + 1);
		return 0;
	case PLUG_UINT:
	case PLUG_INT:
		if (number(value, r->min, r->max, &v) < 0)
			return -1;
		break;
	case PLUG_FLAG:
		v = word("0|1|false|true", value);
		v = v < 0 ? v : v & 1;
		break;
	case PLUG_PROTECTION:
		v = stkm_protocol_find(value);
		break;
	case PLUG_WORDS:
		v = word(r->words, value);
		break;
	}
	if (v < 0 && r->type != PLUG_INT)
		return -1;
	const uint8_t v8 = (uint8_t)v;
	const uint16_t v16 = (uint16_t)v;
	const uint32_t v32 = (uint32_t)v;
	const void *from = r->size == 1 ? (const void *)&v8 : r->size == 2 ? (const void *)&v16 : &v32;
	memcpy(at, from, r->size);
	return 0;
}

int
plug_conf(const struct plug_row *rows, size_t n, void *out, const char *conf, char *why, size_t cap)
{
	char line[1200];

	while (conf && *conf) {
		size_t len = strcspn(conf, "\n"), k = 0;

		if (len == 0) {
			conf++;
			continue;
		}
		if (len >= sizeof(line)) {
			plug_refuse(1, why, cap, "a setting is too long");
			return -1;
		}
		memcpy(line, conf, len);
		line[len] = '\0';
		conf += len;
		char *value = strchr(line, '=');
		if (value)
			*value++ = '\0';
		while (k < n && strcmp(rows[k].key, line) != 0)
			k++;
		if (k == n || !value) {
			plug_refuse(1, why, cap, k == n ? "unknown setting %s" : "setting %s has no value", line);
			return -1;
		}
		if (take(&rows[k], out, value) < 0) {
			plug_refuse(1, why, cap, "setting %s: bad value %s", line, value);
			return -1;
		}
	}
	return 0;
}

const struct kms_cw *
plug_cw(const struct kms_request *r, uint16_t cp)
{
	for (size_t k = 0; k < r->ncws; k++)
		if (r->cws[k].cp_number == cp)
			return &r->cws[k];
	return NULL;
}

int
plug_key(const struct plug_call *c, const struct plug_protection *dflt, const struct kms_cw *cw, struct plug_key *k)
{
	const struct kms_request *r = c->r;
	uint8_t protocol = r->has_protection ? r->protection : dflt->protocol;
	bool authenticated = r->has_protection ? r->authenticated : dflt->authenticated;

	if (tkm_of_cw(&k->tkm, protocol, authenticated, cw->cw, cw->cw_len) < 0)
		return PLUG_NO(c, PLUG_BAD_VALUE, "CP_CW_combination of CP %u: %zu octets are no key for protection %u%s",
		    cw->cp_number, cw->cw_len, protocol, authenticated ? " with authentication" : "");
	k->id_len = stkm_key_id(protocol, r->ecm_id, cw->cp_number, k->id);
	if (protocol == STKM_TS)
		return 0;	/* named by parity */
	if (cw->key_id_len > STKM_ID_MAX || (cw->key_id_len && protocol == STKM_IPSEC && cw->key_id_len != 4))
		return PLUG_NO(c, PLUG_BAD_VALUE, "key_identifier of CP %u: %zu octets", cw->cp_number, cw->key_id_len);
	if (cw->key_id_len) {
		memcpy(k->id, cw->key_id, cw->key_id_len);
		k->id_len = cw->key_id_len;
	}
	if (k->id_len == 0)
		return PLUG_NO(c, PLUG_BAD_VALUE, "key_identifier of CP %u is missing, and protection %u has no rule for it",
		    cw->cp_number, protocol);
	return 0;
}

int
plug_criteria(const struct plug_call *c)
{
	if (stkm_criteria_count(c->r->access_criteria, c->r->access_criteria_len) < 0)
		return PLUG_NO(c, PLUG_BAD_VALUE, "access_criteria: the descriptors do not fill their loop");
	return 0;
}

uint8_t
plug_lifetime(const struct kms_request *r)
{
	return r->cp_duration_100ms ? stkm_lifetime(r->cp_duration_100ms * 100u, OVERLAP_MS) : 15;
}
