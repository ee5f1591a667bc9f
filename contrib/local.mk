# contrib/: units for systemd, a row for DVB-CSA2 that is not built
EXTRA_DIST += %D%/systemd/README %D%/systemd/simulgate.sysusers %D%/systemd/simulgate.target %D%/systemd/simulgate-.service.d/common.conf \
	%D%/systemd/simulgate-bridge@.service %D%/systemd/simulgate-bsm@.service %D%/systemd/simulgate-ecmg@.service %D%/systemd/simulgate-emmg@.service %D%/systemd/simulgate-mux.service %D%/systemd/simulgate-scrambler.service \
	%D%/systemd/simulgate-scs.service %D%/systemd/simulgate-terminal@.service
EXTRA_DIST += %D%/csa2/README
# built only when asked for by name
EXTRA_PROGRAMS += %D%/csa2/csa2-check
%C%_csa2_csa2_check_SOURCES = %D%/csa2/check.c %D%/csa2/csa2.c %D%/csa2/csa2.h
%C%_csa2_csa2_check_LDADD = $(media_libs) -ldvbcsa
