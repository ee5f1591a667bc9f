/*
 * tests/integration/keys.c: foretells the keys of a head-end that runs with a test seed, for receivers that are not ours.
 * keys SEED UNIT FIRST COUNT [PROTECTION]: a line "MKI KEY" a crypto-period, hexadecimal; srtp unless it is said, and whatever can be, with
 * authentication.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cwg/cwg.h"
#include "lib/headend.h"

static const struct { const char *name; int protection; bool authenticated; } known[] = {
	{ "srtp", HE_SRTP, true }, { "ipsec", HE_IPSEC, true }, { "ismacryp", HE_ISMACRYP, true }, { "cissa", HE_CISSA, false },
};

int
main(int argc, char **argv)
{
	struct gw_err err = { 0 };
	uint8_t key[CWG_MATERIAL_MAX];
	size_t len, which = 0;
	struct cwg *c;
	uint64_t first;

	while (argc == 6 && which < sizeof(known) / sizeof(known[0]) && strcmp(argv[5], known[which].name) != 0)
		which++;
	if (argc < 5 || argc > 6 || which == sizeof(known) / sizeof(known[0])) {
		fputs("keys: SEED UNIT FIRST COUNT [srtp|ipsec|ismacryp|cissa]\n", stderr);
		return 1;
	}
	if ((c = cwg_new(argv[1], &err)) == NULL) {
		fprintf(stderr, "keys: %s\n", err.text);
		return 1;
	}
	len = cwg_length(known[which].protection, known[which].authenticated, 0);
	first = strtoull(argv[3], NULL, 10);
	for (uint64_t cp = first; cp < first + strtoull(argv[4], NULL, 10); cp++) {
		if (cwg_draw(c, known[which].protection, known[which].authenticated, argv[2], cp, key, len) < 0)
			return 1;
		printf("%04x ", (unsigned)(cp & 0xffff));
		for (size_t i = 0; i < len; i++)
			printf("%02x", key[i]);
		putchar('\n');
	}
	cwg_free(c);
	return 0;
}
