# lib/io.mk: on a loop: life, links, datagrams, the operator's door
%C%_libgw_la_SOURCES += %D%/loop.c %D%/loop.h %D%/listen.c %D%/listen.h %D%/link.c %D%/link.h %D%/udp.c %D%/udp.h %D%/udp_int.h %D%/rawip.c %D%/rawip.h \
	%D%/ops.c %D%/ops.h %D%/refusals.c %D%/refusals.h %D%/stall.c %D%/stall.h
