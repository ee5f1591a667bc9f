lib_libgw_la_SOURCES += lib/link.c lib/link.h
