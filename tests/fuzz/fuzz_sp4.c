/*
 * tests/fuzz/fuzz_sp4.c: what our tables take the schema takes, too (elements of foreign name spaces, where it looks further than we do,
 * excepted), so that not asking it, as sp4_decode does, changes no verdict; it prints, and what is written of it reads as the same.
 */
#include <stdlib.h>
#include <string.h>
#include "bridge/sp4.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct gw_xml_schema *
schema(void)
{
	static struct gw_xml_schema *s;
	const char *src = getenv("top_srcdir");
	char dir[4096];

	if (s)
		return s;
	snprintf(dir, sizeof(dir), "%s/bridge", src ? src : ".");
	s = sp4_schema(dir, NULL);
	if (!s)
		abort();
	return s;
}

static char *
json(const struct sp4_msg *m)
{
	json_t *j = sp4_json(m, true);
	char *s = j ? json_dumps(j, 0) : NULL;

	json_decref(j);
	return s;
}

/* What sp4_decode reads by itself, and what sp4_validate has libxml2 read. */
static void
same(const struct sp4_msg *m, const struct sp4_msg *n)
{
	char *a = json(m), *b = json(n);

	if (!a || !b || strcmp(a, b) != 0 || m->ignored != n->ignored)
		abort();
	free(a);
	free(b);
}

static void
round_trip(struct sp4_msg *m)
{
	static char text[SP4_DOCUMENT + 1];
	struct sp4_fault f;
	struct sp4_msg n;
	size_t len;

	m->ignored = 0;
	len = sp4_encode(m, text, sizeof(text), &f);
	if (len == 0) {		/* what is never sent is taken; and some grow when they are written */
		if (f.verdict != SP4_TOO_LONG && (f.verdict != SP4_INVALID || strncmp(f.element, "Distribution", 12) != 0))
			abort();
		return;
	}
	if (sp4_validate(schema(), text, len, &n, &f) < 0)
		abort();
	same(m, &n);
	sp4_fini(&n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sp4_fault f, g, h;
	struct sp4_msg m, n, o;
	int ours = sp4_decode(NULL, data, size, &m, &f), both = sp4_validate(schema(), data, size, &n, &g);
	int quick = sp4_decode(schema(), data, size, &o, &h);	/* asks the schema when ours alone will not do: the same as both */

	if (ours == 0 && both < 0 && m.ignored == 0)
		abort();
	if (ours < 0 && both == 0)
		abort();
	if (quick != both || h.verdict != g.verdict || h.line != g.line || strcmp(h.element, g.element) != 0 || strcmp(h.rule, g.rule) != 0)
		abort();
	if (both == 0) {
		same(&n, &o);
		round_trip(&n);
	}
	sp4_fini(&m);
	sp4_fini(&n);
	sp4_fini(&o);
	return 0;
}
