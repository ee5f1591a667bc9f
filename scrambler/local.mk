# scrambler/: clear RTP in, SRTP out
sbin_PROGRAMS += %D%/simulgate-scrambler
%C%_simulgate_scrambler_SOURCES = %D%/main.c %D%/conf.c %D%/follow.c %D%/keys.c %D%/keys.h %D%/marks.c %D%/medium.c \
	%D%/sap.c %D%/sap.h %D%/scrambler.h %D%/status.c %D%/unit.c
%C%_simulgate_scrambler_LDADD = $(media_libs)
