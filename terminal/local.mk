# terminal/: a lab receiver
sbin_PROGRAMS += %D%/simulgate-terminal
%C%_simulgate_terminal_SOURCES = %D%/main.c %D%/air.c %D%/card.c %D%/conf.c %D%/es.c %D%/es.h %D%/esp.c %D%/out.c %D%/receiver.c %D%/receiver.h %D%/status.c %D%/terminal.h %D%/unit.c
%C%_simulgate_terminal_LDADD = kms/libkms.la $(media_libs)
