/* kms/csv.c */
#include "kms/csv.h"
#include <string.h>

/* A quoted field in place: "" is ". Where it ends, behind the closing quote; NULL: it does not. */
static char *
unquote(char *p)
{
	char *out = p++;

	for (; *p; p++) {
		if (*p == '"' && p[1] != '"') {
			*out = '\0';
			return p + 1;
		}
		p += *p == '"';
		*out++ = *p;
	}
	return NULL;
}

int
csv_split(char *line, char *field[CSV_FIELDS], const char **why)
{
	int n = 0;
	char *p = line;

	line[strcspn(line, "\r\n")] = '\0';
	for (;;) {
		char *end;

		if (n == CSV_FIELDS) {
			*why = "there are too many fields";
			return -1;
		}
		field[n++] = p;
		end = *p == '"' ? unquote(p) : p + strcspn(p, ",");
		if (!end || (*end && *end != ',')) {
			*why = end ? "there is text behind a quote" : "a quote does not end";
			return -1;
		}
		if (!*end)
			return n;
		*end = '\0';
		p = end + 1;
	}
}
