/* proto/sap.c: RFC 2974 clause 3 */
#include "proto/sap.h"
#include <string.h>

enum { VERSION_1 = 1 << 5, VERSION = 7 << 5, V6 = 1 << 4, DELETION = 1 << 2, ENCRYPTED = 1 << 1, COMPRESSED = 1, FIXED = 4 };

size_t
sap_build(const struct sap *s, void *out, size_t cap)
{
	uint8_t *p = out;
	size_t address = s->v6 ? 16 : 4, type = strlen(s->type), head = FIXED + address + (type ? type + 1 : 0);

	if (s->hash == 0 || cap < head || cap - head < s->len)
		return 0;
	p[0] = (uint8_t)(VERSION_1 | (s->v6 ? V6 : 0) | (s->deletion ? DELETION : 0));
	p[1] = 0;	/* authentication length */
	p[2] = (uint8_t)(s->hash >> 8);
	p[3] = (uint8_t)s->hash;
	memcpy(p + FIXED, s->source, address);
	if (type)
		memcpy(p + FIXED + address, s->type, type + 1);
	if (s->len)
		memcpy(p + head, s->payload, s->len);
	return head + s->len;
}

int
sap_parse(const void *packet, size_t len, struct sap *s)
{
	const uint8_t *p = packet, *end;
	size_t address, head, type;

	if (len < FIXED || (p[0] & VERSION) != VERSION_1)
		return -1;
	*s = (struct sap){ .v6 = p[0] & V6, .deletion = p[0] & DELETION, .encrypted = p[0] & ENCRYPTED, .compressed = p[0] & COMPRESSED,
		.hash = (uint16_t)(p[2] << 8 | p[3]) };
	address = s->v6 ? 16 : 4;
	head = FIXED + address + 4u * p[1];
	if (len < head)
		return -1;
	memcpy(s->source, p + FIXED, address);
	if (!s->encrypted && !s->compressed && len > head && (len - head < 3 || memcmp(p + head, "v=0", 3) != 0) &&
	    !(len - head > 2 && memcmp(p + head, "o=", 2) == 0)) {
		if (!(end = memchr(p + head, '\0', len - head)) || (type = (size_t)(end - (p + head))) >= sizeof(s->type))
			return -1;
		memcpy(s->type, p + head, type + 1);
		head += type + 1;
	}
	s->payload = p + head;
	s->len = len - head;
	return 0;
}

/* FNV-1a, folded. */
uint16_t
sap_hash(const void *payload, size_t len)
{
	const uint8_t *p = payload;
	uint32_t h = UINT32_C(2166136261);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT32_C(16777619);
	h = (h >> 16) ^ (h & 0xffff);
	return h ? (uint16_t)h : 1;
}
