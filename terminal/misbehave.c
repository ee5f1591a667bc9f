/* terminal/misbehave.c: see misbehave.h; the phone's engine does them */
#include "terminal/misbehave.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The table: parsing, --help and the manual page follow it. */
static const struct row {
	const char *name, *arg;		/* NULL: it takes no value; in [ ]: it may */
	uint32_t absent, least, most;	/* without a value */
	const char *meaning;
} rows[TERM_FAULTS] = {
	[TERM_DROP_VERIFICATIONS] = { "drop-verifications", "N", 0, 1, UINT32_MAX, "the first N verifications are not sent" },
	[TERM_WRONG_MAC] = { "wrong-mac", "[N]", UINT32_MAX, 1, UINT32_MAX, "the first N verifications, or all, have a wrong MAC" },
	[TERM_IGNORE_PULLS] = { "ignore-pulls", NULL, 1, 0, 0, "pulls are taken, and nothing is done about them" },
	[TERM_STALE_COUNTER] = { "stale-counter", "[N]", UINT32_MAX, 0, UINT32_MAX,
	    "the card begins with LTKM counter N, or the last there is: what the BSM sends is stale until it bootstraps anew" },
	[TERM_FORGET_KEYS] = { "forget-keys", "[S]", 0, 0, 86400, "the card forgets its service keys at the start, or S seconds after" },
};

const char *
term_misbehave_row(size_t nth, char form[48])
{
	const char *arg;

	if (nth >= TERM_FAULTS)
		return NULL;
	arg = rows[nth].arg;
	if (!arg)
		snprintf(form, 48, "%s", rows[nth].name);
	else if (arg[0] == '[')
		snprintf(form, 48, "%s[=%s", rows[nth].name, arg + 1);
	else
		snprintf(form, 48, "%s=%s", rows[nth].name, arg);
	return rows[nth].meaning;
}

static int
take_value(const struct row *r, const char *text, uint32_t *value, struct gw_err *err)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || n < r->least || n > r->most)
		return gw_fail(err, GW_EUSAGE, "%s is no number from %u to %u", text, r->least, r->most);
	*value = (uint32_t)n;
	return 0;
}

static int
take_word(struct term_misbehave *m, char *word, struct gw_err *err)
{
	char *arg = strchr(word, '=');

	if (arg)
		*arg++ = '\0';
	for (size_t k = 0; k < TERM_FAULTS; k++) {
		const struct row *r = &rows[k];
		if (strcmp(r->name, word) != 0)
			continue;
		m->on = m->fault[k].on = true;
		m->fault[k].value = r->absent;
		if (arg)
			return r->arg ? take_value(r, arg, &m->fault[k].value, err) : gw_fail(err, GW_EUSAGE, "it takes no value");
		return !r->arg || r->arg[0] == '[' ? 0 : gw_fail(err, GW_EUSAGE, "a value is missing");
	}
	return gw_fail(err, GW_EUSAGE, "no such misbehaviour");
}

int
term_misbehave_parse(struct term_misbehave *m, const char *list, struct gw_err *err)
{
	char words[sizeof(m->list)], *rest = words, *word;

	*m = (struct term_misbehave){ 0 };
	if (strlen(list) >= sizeof(words))
		return gw_fail(err, GW_EUSAGE, "the list is too long");
	strcpy(words, list);
	strcpy(m->list, list);
	while ((word = strsep(&rest, ",")) != NULL)
		if (take_word(m, word, err) < 0)
			return gw_wrap(err, "%s: ", word);
	return 0;
}
