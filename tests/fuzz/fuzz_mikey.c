/* tests/fuzz/fuzz_mikey.c: whatever decodes must print, and encode back to the same bytes; so must its inner structures */
#include <stdlib.h>
#include <string.h>
#include "proto/mikey.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static uint8_t again[70000];

static void
check_keys(const struct mikey *m)
{
	struct mikey_key k[4];
	int n = mikey_keys(m->encr.p, m->encr.len, k, 4, NULL);

	if (n == 1 && (mikey_put_key(k, again, sizeof(again)) != m->encr.len || memcmp(again, m->encr.p, m->encr.len) != 0))
		abort();
}

/* The reserved octet before the criteria is not kept: the second reading must equal the first. */
static void
check_management(const struct mikey *m)
{
	struct mikey_management d, e;

	if (!m->bcast.p || mikey_management(&m->bcast, &d, NULL) < 0)
		return;
	struct mikey_view v = { again, mikey_put_management(&d, again, sizeof(again)) };
	if (v.len != m->bcast.len || mikey_management(&v, &e, NULL) < 0 || e.protocol != d.protocol || e.lifetime != d.lifetime ||
	    e.criteria.len != d.criteria.len || e.binding.len != d.binding.len || e.policy.len != d.policy.len)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[4096];
	struct mikey_writer w;
	struct mikey m;

	if (mikey_decode(data, size, &m, NULL) < 0)
		return 0;
	mikey_print(&m, text, sizeof(text));
	check_management(&m);
	if (m.has_kemac)
		check_keys(&m);
	mikey_begin_map(&w, again, sizeof(again), &m);
	for (size_t k = 0; k < m.n; k++)
		mikey_put(&w, m.payload[k].type, m.payload[k].body.p, m.payload[k].body.len);
	if (size <= sizeof(again) && (mikey_end(&w, NULL) != size || memcmp(again, data, size) != 0))
		abort();
	return 0;
}
