/* lib/text.c: see text.h */
#include "lib/text.h"
#include <string.h>

/* Octets of the character that s begins with; 0: XML (its 2.2) has none like it, and UTF-8 (RFC 3629) perhaps neither. */
static size_t
length(const unsigned char *s)
{
	static const struct { unsigned char first, last, least, most; size_t n; } rows[] = {	/* least, most: of the second octet */
		{ ' ',  0x7e, 0,    0xff, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t r = 0;

	while (r < sizeof(rows) / sizeof(rows[0]) && (*s < rows[r].first || *s > rows[r].last))
		r++;
	if (r == sizeof(rows) / sizeof(rows[0]) || (rows[r].n > 1 && (s[1] < rows[r].least || s[1] > rows[r].most)))
		return 0;
	for (size_t i = 2; i < rows[r].n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return memcmp(s, "\xef\xbf\xbe", rows[r].n) != 0 && memcmp(s, "\xef\xbf\xbf", rows[r].n) != 0 ? rows[r].n : 0;
}

void
gw_text(char *out, size_t cap, const char *text)
{
	const unsigned char *s = (const unsigned char *)(text ? text : "");
	size_t at = 0;

	while (*s) {
		size_t n = length(s);

		if (at + (n ? n : 1) >= cap)
			break;
		if (n)
			memcpy(out + at, s, n);
		else
			out[at] = '?';
		at += n ? n : 1;
		s += n ? n : 1;
	}
	out[at] = '\0';
}
