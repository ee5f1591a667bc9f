# tools/lint.mk: simulgate-lint; the engine is tested and fuzzed by itself
noinst_LTLIBRARIES += %D%/liblint.la
%C%_liblint_la_SOURCES = %D%/lint.c %D%/lint.h %D%/lint_state.h %D%/lint_rules.c %D%/lint_out.c %D%/hist.c %D%/hist.h
bin_PROGRAMS += %D%/simulgate-lint
%C%_simulgate_lint_SOURCES = %D%/lint_main.c
%C%_simulgate_lint_LDADD = %D%/liblintpage.la %D%/liblint.la %D%/libdecode.la $(net_libs) $(PCAP_LIBS) $(JANSSON_LIBS)
