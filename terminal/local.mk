# terminal/: a lab receiver
sbin_PROGRAMS += %D%/simulgate-terminal
# The phone's engine; and all but main.
term_phone_engine = %D%/memory.c %D%/memory.h %D%/misbehave.c %D%/misbehave.h %D%/subscriber.c %D%/subscriber.h
term_sources = %D%/air.c %D%/card.c %D%/conf.c %D%/es.c %D%/es.h %D%/esp.c %D%/inbox.c %D%/inbox.h %D%/out.c %D%/phone.c %D%/phone.h %D%/phone_status.c \
	%D%/receiver.c %D%/receiver.h %D%/status.c %D%/terminal.h %D%/unit.c $(term_phone_engine)
term_libs = $(kms_xml_libs) $(kms_sub_libs) kms/libkms.la $(web_libs) $(SRTP_LIBS)
%C%_simulgate_terminal_SOURCES = %D%/main.c $(term_sources)
%C%_simulgate_terminal_LDADD = $(term_libs)
