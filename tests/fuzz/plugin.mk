# tests/fuzz/plugin.mk: what simulgate plugin-test reads of a file
check_PROGRAMS += %D%/fuzz_elf
%C%_fuzz_elf_SOURCES = %D%/fuzz_elf.c $(fuzz_main) tools/pt_elf.c
%C%_fuzz_elf_CFLAGS = $(AM_CFLAGS) $(AM_FUZZ)
%C%_fuzz_elf_LDFLAGS = $(AM_LDFLAGS) $(AM_FUZZ)
if !FUZZERS
TESTS += %D%/fuzz_elf
endif
