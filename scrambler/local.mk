# scrambler/: clear media in, scrambled media out. libscrambler: the data plane, for benches and tests, too
noinst_LTLIBRARIES += %D%/libscrambler.la
%C%_libscrambler_la_SOURCES = %D%/batch.c %D%/batch.h %D%/input.c %D%/input.h %D%/keys.c %D%/keys.h %D%/output.c %D%/output.h \
	%D%/worker.c %D%/worker.h
scrambler_libs = scrambler/libscrambler.la kms/libkms.la $(media_libs)

sbin_PROGRAMS += %D%/simulgate-scrambler
%C%_simulgate_scrambler_SOURCES = %D%/main.c %D%/conf.c %D%/follow.c %D%/marks.c %D%/medium.c %D%/sap.c %D%/sap.h %D%/scrambler.h \
	%D%/status.c %D%/unit.c %D%/work.c
%C%_simulgate_scrambler_LDADD = $(scrambler_libs)
