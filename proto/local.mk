# proto/: wire formats; pure
noinst_LTLIBRARIES += %D%/libproto.la
%C%_libproto_la_SOURCES =
include %D%/tlv.mk
include %D%/bcast.mk
include %D%/sdp.mk
include %D%/http.mk
include %D%/sms.mk
