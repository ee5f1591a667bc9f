/* tests/unit/test_pt_elf.c: what the file of a shared object says; the seeds of the fuzz target are the samples */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/suite.h"
#include "tools/pt.h"

static uint8_t file[65536];

static size_t
seed(const char *name)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/elf/%s", top ? top : ".", name);
	f = fopen(path, "rb");
	ck_assert_ptr_nonnull(f);
	n = fread(file, 1, sizeof(file), f);
	fclose(f);
	return n;
}

/* The samples are those of one kind of machine; others say so. */
static bool
strange(const char *why)
{
	return strstr(why, "another kind of machine") != NULL;
}

START_TEST(a_shared_object_tells_of_itself)
{
	char why[200] = "";
	struct pt_elf e;
	const int rc = pt_elf_read(file, seed("two_symbols_execstack"), &e, why, sizeof(why));

	if (strange(why))
		return;
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(e.nexported, 2);
	ck_assert((strcmp(e.exported[0], "kms_plugin_entry") == 0 && strcmp(e.exported[1], "other") == 0) ||
	    (strcmp(e.exported[1], "kms_plugin_entry") == 0 && strcmp(e.exported[0], "other") == 0));
	ck_assert(e.execstack);
	ck_assert(!e.textrel);
	ck_assert_uint_eq(e.constructors, 1);	/* one of two is taken for the C run-time's */
}
END_TEST

START_TEST(what_is_none_is_refused_with_a_sentence)
{
	char why[200] = "";
	struct pt_elf e;

	ck_assert_int_eq(pt_elf_read((const uint8_t *)"#!/bin/sh\n", 10, &e, why, sizeof(why)), -1);
	ck_assert_str_eq(why, "it is no ELF file");
	ck_assert_int_eq(pt_elf_read(file, 0, &e, why, sizeof(why)), -1);
	const size_t n = seed("two_symbols_execstack");
	file[16] = 2;	/* ET_EXEC */
	ck_assert_int_eq(pt_elf_read(file, n, &e, why, sizeof(why)), -1);
	ck_assert(strange(why) || strstr(why, "no shared object"));
}
END_TEST

START_TEST(every_truncation_ends_within_the_file)
{
	const size_t n = seed("two_symbols_execstack");
	char why[200];
	struct pt_elf e;

	for (size_t k = 0; k < n; k++) {
		uint8_t *cut = malloc(k ? k : 1);	/* of this length, for the sanitizer's sake */
		ck_assert_ptr_nonnull(cut);
		memcpy(cut, file, k);
		pt_elf_read(cut, k, &e, why, sizeof(why));
		ck_assert_uint_le(e.nexported, 2);
		free(cut);
	}
}
END_TEST

SUITE("pt_elf", tcase_add_test(t, a_shared_object_tells_of_itself); tcase_add_test(t, what_is_none_is_refused_with_a_sentence);
    tcase_add_test(t, every_truncation_ends_within_the_file))
