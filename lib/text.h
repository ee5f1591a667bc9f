/* lib/text.h: what strangers say, so that it can be shown and sent on */
#ifndef GW_TEXT_H
#define GW_TEXT_H
#include <stddef.h>

/*
 * A copy of cap - 1 octets at most (cap > 0), cut between two characters. Control characters, and what is no UTF-8, become '?': a document of XML and one of
 * JSON take the result, whatever the text was. NULL: as "".
 */
void gw_text(char *out, size_t cap, const char *text);
#endif
