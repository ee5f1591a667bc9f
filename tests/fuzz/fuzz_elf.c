/* tests/fuzz/fuzz_elf.c: whatever the file of a plugin holds, reading it ends within it */
#include <stdlib.h>
#include <string.h>
#include "tools/pt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[200] = "";
	struct pt_elf e;

	if (pt_elf_read(data, size, &e, why, sizeof(why)) < 0) {
		if (!*why)
			abort();
		return 0;
	}
	for (size_t k = 0; k < e.nexported && k < sizeof(e.exported) / sizeof(e.exported[0]); k++)
		if (!memchr(e.exported[k], '\0', sizeof(e.exported[k])))
			abort();
	return 0;
}
