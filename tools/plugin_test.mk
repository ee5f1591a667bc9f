# tools/plugin_test.mk: simulgate-plugin-test; what reads a plugin's file is tested and fuzzed by itself
noinst_LTLIBRARIES += %D%/libpt.la
%C%_libpt_la_SOURCES = %D%/pt_elf.c %D%/pt.h
bin_PROGRAMS += %D%/simulgate-plugin-test
%C%_simulgate_plugin_test_SOURCES = %D%/plugin_test.c %D%/pt_child.c %D%/pt_guard.c %D%/pt_host.c %D%/pt_report.c %D%/pt_scan.c %D%/pt_tests.c
%C%_simulgate_plugin_test_LDADD = %D%/libpt.la %D%/libload.la %D%/libdecode.la $(kms_load_libs) $(net_libs) $(PCAP_LIBS) -lpthread -ldl
