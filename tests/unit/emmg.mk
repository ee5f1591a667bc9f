# emmg/: the engine of a channel; pace, packing and sources; the plugin's side
check_PROGRAMS += %D%/test_emmg_channel %D%/test_emmg_feed
TESTS += %D%/test_emmg_channel %D%/test_emmg_feed
%C%_test_emmg_channel_LDADD = emmg/libemmg.la $(peer_libs) $(base_libs) $(test_libs)
%C%_test_emmg_feed_SOURCES = %D%/test_emmg_feed.c %D%/scratch.h
%C%_test_emmg_feed_LDADD = emmg/libemmg.la $(peer_libs) $(kms_load_libs) $(base_libs) $(test_libs) $(UV_LIBS)
EXTRA_DIST += tests/data/emmg

# one source, one module a way of calling
check_LTLIBRARIES += %D%/plug_ltkm.la %D%/plug_ltkm_worker.la
%C%_plug_ltkm_la_SOURCES = %D%/plug_emmg.c
%C%_plug_ltkm_la_LDFLAGS = $(AM_LDFLAGS) $(ecmg_plug)
%C%_plug_ltkm_la_CPPFLAGS = $(AM_CPPFLAGS) -DCALLING=KMS_INLINE
%C%_plug_ltkm_worker_la_SOURCES = %D%/plug_emmg.c
%C%_plug_ltkm_worker_la_LDFLAGS = $(AM_LDFLAGS) $(ecmg_plug)
%C%_plug_ltkm_worker_la_CPPFLAGS = $(AM_CPPFLAGS) -DCALLING=KMS_WORKER
