# tools/: the front command and what stands beside it
bin_PROGRAMS += %D%/simulgate
%C%_simulgate_SOURCES = %D%/simulgate.c %D%/check.c %D%/explain.c %D%/find.c %D%/plan.c %D%/probe.c %D%/run.c %D%/sdp.c %D%/service.c %D%/status.c %D%/tools.h
%C%_simulgate_LDADD = $(net_libs)
include %D%/play.mk
include %D%/decode.mk
include %D%/replay.mk
include %D%/load.mk
include %D%/plugin_test.mk
include %D%/lint.mk
include %D%/lint_page.mk
include %D%/scrub.mk
