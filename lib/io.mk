lib_libgw_la_SOURCES += lib/loop.c lib/loop.h lib/link.c lib/link.h lib/udp.c lib/udp.h
