# ecmg/: the engine of a connection, and the plugin host with plugins made to misbehave
check_PROGRAMS += %D%/test_ecmg_channel %D%/test_ecmg_host %D%/test_ecmg_misbehave %D%/test_ecmg_conf %D%/test_ecmg_server
TESTS += %D%/test_ecmg_channel %D%/test_ecmg_host %D%/test_ecmg_misbehave %D%/test_ecmg_conf %D%/test_ecmg_server
%C%_test_ecmg_channel_SOURCES = %D%/test_ecmg_channel.c
%C%_test_ecmg_channel_LDADD = $(net_libs) $(test_libs)
%C%_test_ecmg_host_SOURCES = %D%/test_ecmg_host.c
%C%_test_ecmg_host_LDADD = ecmg/libecmg.la $(kms_load_libs) $(base_libs) $(test_libs) $(UV_LIBS)
%C%_test_ecmg_misbehave_SOURCES = %D%/test_ecmg_misbehave.c
%C%_test_ecmg_misbehave_LDADD = ecmg/libecmg.la $(kms_load_libs) $(base_libs) $(test_libs)
%C%_test_ecmg_conf_SOURCES = %D%/test_ecmg_conf.c
%C%_test_ecmg_conf_LDADD = ecmg/libecmg.la $(kms_load_libs) $(net_libs) $(test_libs)
%C%_test_ecmg_server_SOURCES = %D%/test_ecmg_server.c
%C%_test_ecmg_server_LDADD = ecmg/libecmg.la $(kms_load_libs) $(net_libs) $(test_libs)
EXTRA_DIST += tests/data/ecmg

# one source, one module a fault
ecmg_test_plugins = %D%/plug_inline.la %D%/plug_abi.la %D%/plug_short.la %D%/plug_bare.la %D%/plug_worker.la %D%/plug_async.la
check_LTLIBRARIES += $(ecmg_test_plugins)
ecmg_plug = -module -avoid-version -rpath $(abs_builddir) -export-symbols-regex '^kms_plugin_entry$$'
%C%_plug_inline_la_SOURCES = %D%/plug_ecmg.c
%C%_plug_inline_la_LDFLAGS = $(AM_LDFLAGS) $(ecmg_plug)
%C%_plug_inline_la_CPPFLAGS = $(AM_CPPFLAGS) -DCALLING=KMS_INLINE
%C%_plug_abi_la_SOURCES = %D%/plug_ecmg.c
%C%_plug_abi_la_LDFLAGS = $(AM_LDFLAGS) $(ecmg_plug)
%C%_plug_abi_la_CPPFLAGS = $(AM_CPPFLAGS) -DCALLING=KMS_INLINE -DABI=2
%C%_plug_short_la_SOURCES = %D%/plug_ecmg.c
%C%_plug_short_la_LDFLAGS = $(AM_LDFLAGS) $(ecmg_plug)
%C%_plug_short_la_CPPFLAGS = $(AM_CPPFLAGS) -DCALLING=KMS_INLINE -DSIZE=8
%C%_plug_bare_la_SOURCES = %D%/plug_ecmg.c
%C%_plug_bare_la_LDFLAGS = $(AM_LDFLAGS) $(ecmg_plug)
%C%_plug_bare_la_CPPFLAGS = $(AM_CPPFLAGS) -DCALLING=KMS_INLINE -DNO_ECM
%C%_plug_worker_la_SOURCES = %D%/plug_ecmg.c
%C%_plug_worker_la_LDFLAGS = $(AM_LDFLAGS) $(ecmg_plug)
%C%_plug_worker_la_CPPFLAGS = $(AM_CPPFLAGS) -DCALLING=KMS_WORKER
%C%_plug_async_la_SOURCES = %D%/plug_ecmg.c
%C%_plug_async_la_LDFLAGS = $(AM_LDFLAGS) $(ecmg_plug)
%C%_plug_async_la_CPPFLAGS = $(AM_CPPFLAGS) -DCALLING=KMS_ASYNC
