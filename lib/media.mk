# lib/: media: SRTP
%C%_libgw_la_SOURCES += %D%/srtp.c %D%/srtp.h
