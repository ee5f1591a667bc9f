/* lib/hex.c: hexadecimal text */
#include "lib/hex.h"

char *
gw_hex(const void *bytes, size_t len, char *out, size_t cap)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = bytes;
	size_t n = 0;

	for (; n < len && 2 * n + 2 < cap; n++) {
		out[2 * n] = digits[p[n] >> 4];
		out[2 * n + 1] = digits[p[n] & 15];
	}
	if (cap)
		out[2 * n] = '\0';
	return out;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
gw_unhex(const char *text, void *out, size_t cap)
{
	uint8_t *p = out;
	size_t n = 0;

	for (; text[2 * n]; n++) {
		int hi = digit(text[2 * n]), lo = hi < 0 ? -1 : digit(text[2 * n + 1]);

		if (lo < 0 || n == cap || n == INT32_MAX)
			return -1;
		p[n] = (uint8_t)(hi << 4 | lo);
	}
	return (int)n;
}
