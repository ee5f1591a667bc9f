# bridge/: the synchronisation of SEAKs, without I/O
noinst_LTLIBRARIES += %D%/libseak.la
%C%_libseak_la_SOURCES = %D%/seak.c %D%/seak.h %D%/seak_bsm.c %D%/seak_bsm.h %D%/seak_load.c %D%/seak_load.h %D%/seak_row.c %D%/seak_row.h
seak_libs = bridge/libseak.la $(seaks_libs) $(JANSSON_LIBS)
# between peers, store and clock
noinst_LTLIBRARIES += %D%/libseakrun.la
%C%_libseakrun_la_SOURCES = %D%/seak_run.c %D%/seak_run.h %D%/seak_ecmg.c %D%/seak_ecmg.h
seak_run_libs = bridge/libseakrun.la $(kms_load_libs) $(seak_libs)
bin_PROGRAMS += %D%/simulgate-seak
%C%_simulgate_seak_SOURCES = %D%/seak_cmd.c
%C%_simulgate_seak_CPPFLAGS = $(AM_CPPFLAGS) -DSP4_SCHEMAS='"$(sp4dir)"'
%C%_simulgate_seak_LDADD = $(seak_libs) $(sp4_libs)
