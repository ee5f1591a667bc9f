# bridge/: SP-4 and CP-3 as XML; the messages are a library, so that tests reach them
noinst_LTLIBRARIES += %D%/libsp4.la
%C%_libsp4_la_SOURCES = %D%/sp4.h %D%/sp4_int.h %D%/sp4_print.c %D%/sp4_read.c %D%/sp4_table.c %D%/sp4_write.c
sp4_libs = bridge/libsp4.la $(web_libs)
sp4dir = $(pkgdatadir)/sp4
dist_sp4_DATA = %D%/sp4-backend.xsd %D%/sp4-ext.xsd
bin_PROGRAMS += %D%/simulgate-sp4
%C%_simulgate_sp4_SOURCES = %D%/sp4.c
%C%_simulgate_sp4_CPPFLAGS = $(AM_CPPFLAGS) -DSP4_SCHEMAS='"$(sp4dir)"'
%C%_simulgate_sp4_LDADD = $(sp4_libs)
include %D%/sx.mk
include %D%/seak.mk
# Exchanges by HTTPS, and the program.
noinst_LTLIBRARIES += %D%/libex.la
%C%_libex_la_SOURCES = %D%/exchange.c %D%/exchange.h %D%/ex_client.c %D%/ex_int.h %D%/ex_server.c %D%/ex_store.c %D%/ex_store.h
ex_libs = bridge/libex.la bridge/libsp4.la $(store_libs) $(web_libs)
sbin_PROGRAMS += %D%/simulgate-bridge
%C%_simulgate_bridge_SOURCES = %D%/main.c %D%/bridge.h %D%/conf.c %D%/conf.h %D%/parts.c %D%/shell.c
%C%_simulgate_bridge_CPPFLAGS = $(AM_CPPFLAGS) -DSP4_SCHEMAS='"$(sp4dir)"'
bridge_part_libs = $(sx_libs) $(xs_libs) $(seak_run_libs) bridge/libbrkeys.la cwg/libcwg.la
%C%_simulgate_bridge_LDADD = $(bridge_part_libs) $(ex_libs)
include %D%/xs.mk
include %D%/keys.mk
