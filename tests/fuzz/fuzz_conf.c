/* tests/fuzz/fuzz_conf.c: any text read as a head-end: what is understood prints and reads back */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/conf.h"
#include "lib/headend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_err err = { 0 };
	struct headend *h, *back;
	char *text = malloc(size + 1), *printed;
	size_t len;
	FILE *f;

	if (!text)
		return 0;
	memcpy(text, data, size);
	h = headend_load_text("/tmp/fuzz.yaml", text, size, &err);
	free(text);
	if (!h)
		return 0;
	f = open_memstream(&printed, &len);
	headend_write(h, f);
	fclose(f);
	back = headend_load_text("/tmp/back.yaml", printed, len, &err);
	if (!back) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	headend_free(back);
	headend_free(h);
	free(printed);
	return 0;
}
