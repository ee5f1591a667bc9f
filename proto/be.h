/* proto/be.h: numbers on the wire, the most significant octet first */
#ifndef PROTO_BE_H
#define PROTO_BE_H
#include <stddef.h>
#include <stdint.h>

static inline uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* Of len octets: the low 64 bits; with the sign of the first octet. */
static inline uint64_t
be_uint(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	while (len--)
		v = v << 8 | *p++;
	return v;
}

static inline int64_t
be_int(const uint8_t *p, size_t len)
{
	uint64_t v = be_uint(p, len);

	return (int64_t)(len > 0 && len < 8 && (p[0] & 0x80) ? v | UINT64_MAX << 8 * len : v);
}

/* The low 16, or all 32 bits of v. */
static inline void
put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}
#endif
