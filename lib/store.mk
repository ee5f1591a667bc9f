# lib/: the store and the wrapping of keys at rest
%C%_libgw_la_SOURCES += %D%/store.c %D%/store.h %D%/wrap.c
