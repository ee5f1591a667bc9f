# lib/: what every process needs. libgwbase: no event loop (plugins link it, too); libgw: on a libuv loop.
noinst_LTLIBRARIES += %D%/libgwbase.la %D%/libgw.la
%C%_libgwbase_la_SOURCES =
%C%_libgw_la_SOURCES =
include %D%/base.mk
include %D%/io.mk
include %D%/store.mk
include %D%/media.mk
include %D%/session.mk
include %D%/web.mk
include %D%/peer.mk
include %D%/faces.mk
