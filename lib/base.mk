# lib/base.mk: without an event loop; plugins link it, too
%C%_libgwbase_la_SOURCES += %D%/err.c %D%/err.h %D%/log.c %D%/log.h %D%/secret.c %D%/secret.h \
	%D%/grow.h %D%/hex.c %D%/hex.h %D%/index.c %D%/index.h %D%/clock.c %D%/clock.h %D%/addr.c %D%/addr.h %D%/fsm.c %D%/fsm.h \
	%D%/due.c %D%/due.h %D%/args.c %D%/args.h %D%/takes.h %D%/text.c %D%/text.h \
	%D%/conf.c %D%/conf_kind.c %D%/conf_print.c %D%/conf_int.h %D%/conf.h %D%/headend.c %D%/headend_bridge.c %D%/headend.h %D%/headend_int.h %D%/settings.c %D%/settings.h
