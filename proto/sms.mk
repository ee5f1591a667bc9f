# proto/sms.mk: WSP pushes in short messages
proto_libproto_la_SOURCES += proto/wsp.c proto/wsp.h
