# tests/unit/plugin.mk: parts of simulgate-plugin-test
check_PROGRAMS += tests/unit/test_pt_elf
TESTS += tests/unit/test_pt_elf
tests_unit_test_pt_elf_LDADD = $(test_libs) tools/libpt.la
