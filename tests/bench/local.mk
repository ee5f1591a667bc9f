# make bench: rates beside their ceilings, measured in the same run
bench_programs += %D%/bench_ecmg %D%/bench_scs
EXTRA_PROGRAMS += %D%/bench_ecmg %D%/bench_scs
EXTRA_DIST += %D%/run.sh
CLEANFILES += %D%/bench_ecmg$(EXEEXT) %D%/bench_scs$(EXEEXT)
bench_programs += %D%/bench_ecmg %D%/bench_ecmg_idle %D%/bench_mux
EXTRA_PROGRAMS += %D%/bench_ecmg %D%/bench_ecmg_idle %D%/bench_mux
EXTRA_DIST += %D%/run.sh
CLEANFILES += %D%/bench_ecmg$(EXEEXT) %D%/bench_ecmg_idle$(EXEEXT) %D%/bench_mux$(EXEEXT)
%C%_bench_ecmg_LDADD = proto/libproto.la $(UV_LIBS)
%C%_bench_ecmg_idle_LDADD = proto/libproto.la
%C%_bench_mux_LDADD = $(net_libs)
bench_programs += %D%/bench_switch
EXTRA_PROGRAMS += %D%/bench_switch
CLEANFILES += %D%/bench_switch$(EXEEXT)
%C%_bench_switch_LDADD = $(net_libs)
%C%_bench_scs_LDADD = proto/libproto.la
