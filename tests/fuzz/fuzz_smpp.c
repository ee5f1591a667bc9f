/* tests/fuzz/fuzz_smpp.c: a stream of PDUs: what decodes is made again, and says the same */
#include <stdlib.h>
#include <string.h>
#include "proto/smpp.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(int right)
{
	if (!right)
		abort();
}

static void
same(struct mikey_view a, struct mikey_view b)
{
	must(a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0));
}

static void
pdu(const uint8_t *in, size_t len)
{
	static uint8_t out[SMPP_MAX];
	struct smpp p, q;
	enum smpp_fault why;

	must(smpp_status_text(len > 12 ? in[11] : 0) != NULL);
	if (smpp_decode(in, len, &p, &why) < 0) {
		must(why != SMPP_FINE && smpp_fault_text(why) != NULL);
		return;
	}
	if (p.payload.len + p.message.len > SMPP_MAX / 2 || (p.id & SMPP_RESP && p.status))
		return;
	size_t n = smpp_encode(&p, out, sizeof(out));
	must(n > 0 && smpp_frame(out, n) == (int)n && smpp_decode(out, n, &q, NULL) == 0);
	must(p.id == q.id && p.status == q.status && p.sequence == q.sequence && p.esm_class == q.esm_class && p.data_coding == q.data_coding);
	must(p.has_ports == q.has_ports && (!p.has_ports || (p.source_port == q.source_port && p.destination_port == q.destination_port)));
	same(p.source, q.source);
	same(p.destination, q.destination);
	same(p.system_id, q.system_id);
	same(p.message_id, q.message_id);
	same(p.message, q.message);
	same(p.payload, q.payload);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int n;

	pdu(data, size);
	for (size_t at = 0; at < size && (n = smpp_frame(data + at, size - at)) > 0; at += (size_t)n)
		pdu(data + at, (size_t)n);
	return 0;
}
