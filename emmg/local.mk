# emmg/: the EMMG, PDG, LTKMG; its engines and the plugin's side are a library, so that tests reach them
noinst_LTLIBRARIES += %D%/libemmg.la
%C%_libemmg_la_SOURCES = %D%/feed.c %D%/feed.h %D%/source.c %D%/source.h \
	%D%/plugin.c %D%/plugin.h
sbin_PROGRAMS += %D%/simulgate-emmg
%C%_simulgate_emmg_SOURCES = %D%/main.c %D%/emmg.h %D%/conf.c %D%/conf.h %D%/peer.c %D%/show.c
%C%_simulgate_emmg_LDADD = %D%/libemmg.la $(peer_libs) $(kms_load_libs) $(net_libs)
