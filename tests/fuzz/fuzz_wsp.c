/*
 * tests/fuzz/fuzz_wsp.c: a run of short messages (each with its length in front) goes to one receiver; what becomes whole is taken apart as a
 * push, and so is the input itself. What is for us comes out again when it is sent anew.
 */
#include <stdlib.h>
#include <string.h>
#include "proto/wsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(int right)
{
	if (!right)
		abort();
}

static void
check_inside(struct mikey_view v, const void *pdu, size_t len)
{
	const uint8_t *p = pdu;

	must(v.len == 0 || (v.p >= p && v.p + v.len <= p + len));
}

/* Made, parted, put together from the last part to the first: the same octets. */
static void
check_round(struct mikey_view body)
{
	static struct wdp_join again;
	uint8_t pdu[WDP_TOTAL * WDP_BLOCK], part[WDP_BLOCK];
	size_t len = wsp_push_encode(7, body.p, body.len, pdu, sizeof(pdu)), n = wdp_parts(len);
	struct mikey_view whole = { NULL, 0 };

	if (len == 0 || n > WDP_TOTAL)
		return;
	for (size_t i = n; i-- > 0;)
		must(wdp_take(&again, 0, part, wdp_part(pdu, len, 1, i, part), 0, &whole) == (i ? WDP_MORE : WDP_WHOLE));
	must(whole.len == len && memcmp(whole.p, pdu, len) == 0);
}

static void
push(const void *pdu, size_t len)
{
	struct wsp_push p;
	enum wsp_fault why;

	if (wsp_push_decode(pdu, len, &p, &why) < 0) {
		must(why != WSP_OK && wsp_fault_text(why) != NULL);
		return;
	}
	check_inside(p.type_text, pdu, len);
	check_inside(p.app_text, pdu, len);
	check_inside(p.body, pdu, len);
	if (wsp_push_is_mikey(&p))
		check_round(p.body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wdp_join join;
	struct mikey_view pdu;
	int64_t now = 0;

	push(data, size);
	memset(&join, 0, sizeof(join));
	for (size_t at = 0; at < size; now += WDP_WAIT_US / 4) {
		size_t n = data[at] < size - at - 1 ? data[at] : size - at - 1;
		uint8_t *block = malloc(n ? n : 1);	/* of its size, so that a sanitizer sees what is beyond */

		must(block != NULL);
		memcpy(block, data + at + 1, n);
		if (wdp_take(&join, n & 1, block, n, now, &pdu) == WDP_WHOLE)
			push(pdu.p, pdu.len);
		free(block);
		at += 1 + n;
	}
	return 0;
}
