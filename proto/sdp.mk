# proto/sdp.mk: session descriptions and their announcements
proto_libproto_la_SOURCES += proto/sdp.c proto/sdp.h proto/sap.c proto/sap.h
