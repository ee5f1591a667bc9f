/* tests/fuzz/fuzz_csv.c: what is taken apart, put together again with every field in quotes, is taken apart to the same */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "kms/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static char *
quote(char *out, const char *field)
{
	*out++ = '"';
	for (; *field; field++) {
		if (*field == '"')
			*out++ = '"';
		*out++ = *field;
	}
	*out++ = '"';
	return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char line[CSV_LINE], again[2 * CSV_LINE + 4 * CSV_FIELDS];
	char *field[CSV_FIELDS], *same[CSV_FIELDS], *p = again;
	const char *why = NULL;
	int n;

	if (size >= sizeof(line))
		return 0;
	memcpy(line, data, size);
	line[size] = '\0';
	n = csv_split(line, field, &why);
	if (n < 0 && !why)
		abort();
	if (n < 0)
		return 0;
	for (int i = 0; i < n; i++) {
		if (i)
			*p++ = ',';
		p = quote(p, field[i]);
	}
	*p = '\0';
	if (csv_split(again, same, &why) != n)
		abort();
	for (int i = 0; i < n; i++)
		if (strcmp(field[i], same[i]) != 0)
			abort();
	return 0;
}
