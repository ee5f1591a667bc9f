# kms/: the store of synchronised SEAKs, for the bridge, the plugin drm and the commands
noinst_LTLIBRARIES += %D%/libseaks.la
%C%_libseaks_la_SOURCES = %D%/seaks.c %D%/seaks.h
seaks_libs = kms/libseaks.la $(store_libs)
