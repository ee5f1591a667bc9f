# contrib/: units for systemd, a plugin to start one's own from
EXTRA_DIST += %D%/plugin-example/Makefile %D%/plugin-example/README %D%/plugin-example/example.c \
	%D%/systemd/README %D%/systemd/simulgate.sysusers %D%/systemd/simulgate.target %D%/systemd/simulgate-.service.d/common.conf \
	%D%/systemd/simulgate-ecmg@.service %D%/systemd/simulgate-emmg@.service %D%/systemd/simulgate-mux.service %D%/systemd/simulgate-scrambler.service \
	%D%/systemd/simulgate-scs.service %D%/systemd/simulgate-terminal@.service
