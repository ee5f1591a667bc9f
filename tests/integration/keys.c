/*
 * tests/integration/keys.c: foretells the keys of a head-end that runs with a test seed, for receivers that are not ours.
 * keys SEED SERVICE FIRST COUNT: a line "MKI KEY" a crypto-period, hexadecimal; SRTP with authentication.
 */
#include <stdio.h>
#include <stdlib.h>
#include "cwg/cwg.h"
#include "lib/headend.h"

int
main(int argc, char **argv)
{
	struct gw_err err = { 0 };
	uint8_t key[CWG_MATERIAL_MAX];
	size_t len = cwg_length(HE_SRTP, true, 0);
	struct cwg *c;
	uint64_t first;

	if (argc != 5 || (c = cwg_new(argv[1], &err)) == NULL) {
		fprintf(stderr, "keys: %s\n", argc == 5 ? err.text : "SEED SERVICE FIRST COUNT");
		return 1;
	}
	first = strtoull(argv[3], NULL, 10);
	for (uint64_t cp = first; cp < first + strtoull(argv[4], NULL, 10); cp++) {
		if (cwg_draw(c, HE_SRTP, true, argv[2], cp, key, len) < 0)
			return 1;
		printf("%04x ", (unsigned)(cp & 0xffff));
		for (size_t i = 0; i < len; i++)
			printf("%02x", key[i]);
		putchar('\n');
	}
	cwg_free(c);
	return 0;
}
