# proto/http.mk: requests of HTTP/1.1
proto_libproto_la_SOURCES += proto/http1.c proto/http1.h
