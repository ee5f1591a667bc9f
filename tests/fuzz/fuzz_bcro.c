/* tests/fuzz/fuzz_bcro.c: whatever decodes must print, and encode back to the same bytes; any octets are also tried as a key set */
#include <stdlib.h>
#include <string.h>
#include "proto/bcro.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static uint8_t again[BCRO_REGISTRATION_MAX];
static char text[65536];

static void
check(size_t n, const uint8_t *data, size_t size)
{
	if (n != size || memcmp(again, data, size) != 0)
		abort();
}

static void
try_keyset(const uint8_t *data, size_t size)
{
	struct bcro_keyset k, same;
	size_t n;

	if (bcro_keyset_decode(data, size, &k, NULL) < 0)
		return;
	n = bcro_keyset_encode(&k, again, sizeof(again), NULL);
	if (n == 0 || bcro_keyset_decode(again, n, &same, NULL) < 0 || (k.has & 0x7fe) != same.has || k.nSGK != same.nSGK ||
	    memcmp(k.SGK, same.SGK, sizeof(k.SGK)) != 0 || memcmp(k.UGK, same.UGK, sizeof(k.UGK)) != 0 || k.valid_to != same.valid_to)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bcro b;
	struct bcro_registration r;

	if (bcro_decode(data, size, &b, NULL) == 0) {
		bcro_print(&b, text, sizeof(text));
		check(bcro_encode(&b, again, sizeof(again), NULL), data, size);
		if (b.MAC_at + BCRO_MAC != size)
			abort();
	}
	if (bcro_registration_decode(data, size, &r, NULL) == 0) {
		bcro_registration_print(&r, text, sizeof(text));
		check(bcro_registration_encode(&r, again, sizeof(again), NULL), data, size);
		if (r.signed_len + 2 + r.signature_len != size)
			abort();
	}
	try_keyset(data, size);
	return 0;
}
