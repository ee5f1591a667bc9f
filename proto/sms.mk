# proto/sms.mk: WSP pushes in short messages; SMPP, which hands those over
proto_libproto_la_SOURCES += proto/wsp.c proto/wsp.h proto/smpp.c proto/smpp.h
