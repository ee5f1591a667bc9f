# bridge/: X->S, its engines
check_PROGRAMS += %D%/test_bridge_xs_ecmg %D%/test_bridge_xs_mux
TESTS += %D%/test_bridge_xs_ecmg %D%/test_bridge_xs_mux
%C%_test_bridge_xs_ecmg_LDADD = $(xs_libs) $(test_libs)
%C%_test_bridge_xs_mux_SOURCES = %D%/test_bridge_xs_mux.c %D%/scratch.h
%C%_test_bridge_xs_mux_LDADD = $(xs_libs) $(test_libs)
