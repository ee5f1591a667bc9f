# proto/bcast.mk: OMA BCAST key messages and RTP
proto_libproto_la_SOURCES += proto/cursor.h proto/stkm.c proto/stkm.h proto/bcro.c proto/bcro.h proto/mikey.c proto/mikey.h proto/rtp.c proto/rtp.h proto/ts.c proto/ts.h proto/say.c proto/say.h proto/esp.c proto/esp.h proto/ip.c proto/ip.h proto/be.h
proto_libproto_la_SOURCES += proto/au.c proto/au.h
