# scs/: the synchroniser; its engines are a library, so that tests reach them
noinst_LTLIBRARIES += %D%/libscs.la
%C%_libscs_la_SOURCES = %D%/schedule.c %D%/schedule.h %D%/record.c %D%/keys.c %D%/outside.c
sbin_PROGRAMS += %D%/simulgate-scs
%C%_simulgate_scs_SOURCES = %D%/main.c %D%/scs.h %D%/unit.c %D%/peer.c %D%/follow.c %D%/status.c
%C%_simulgate_scs_LDADD = %D%/libscs.la cwg/libcwg.la $(peer_libs) $(net_libs)
