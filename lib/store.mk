# lib/: the stores and the wrapping of keys at rest; no event loop: plugins link it, too
noinst_LTLIBRARIES += %D%/libgwstore.la
%C%_libgwstore_la_SOURCES = %D%/store.c %D%/store.h %D%/store_db.c %D%/store_db.h %D%/wrap.c \
	%D%/store_objects.c %D%/store_objects.h
