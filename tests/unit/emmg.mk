# emmg/: the engine of a channel; pace, packing and sources; the plugin's side
check_PROGRAMS += %D%/test_emmg_channel
TESTS += %D%/test_emmg_channel
%C%_test_emmg_channel_LDADD = emmg/libemmg.la $(base_libs) $(test_libs)
EXTRA_DIST += tests/data/emmg
