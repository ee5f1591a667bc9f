/* tests/fuzz/fuzz_term_memory.c: a phone's state: what is read is written again as the same octets, whatever it is */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include "terminal/memory.h"

static uint8_t whole[MEMORY_MAX + SHA256_DIGEST_LENGTH], again[MEMORY_MAX + SHA256_DIGEST_LENGTH];
static struct memory m;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The sum is put behind the input: none would get past it by itself. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size + SHA256_DIGEST_LENGTH;

	if (size > MEMORY_MAX)
		return 0;
	(void)memory_read(data, size, &m, NULL);
	memcpy(whole, data, size);
	SHA256(whole, size, whole + size);
	if (memory_read(whole, n, &m, NULL) < 0)
		return 0;
	if (memory_write(&m, again, sizeof(again)) != n || memcmp(again, whole, n) != 0)
		abort();
	return 0;
}
