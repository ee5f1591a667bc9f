# kms/: the store of the Smartcard profile, for its plugin, the BSM and the commands
noinst_LTLIBRARIES += %D%/libkmsstore.la
%C%_libkmsstore_la_SOURCES = %D%/store.c %D%/store.h %D%/store_int.h %D%/store_schema.c %D%/store_sub.c %D%/store_service.c %D%/store_key.c \
	%D%/store_out.c %D%/purchase.c %D%/purchase.h %D%/keymgr.c %D%/keymgr.h
kms_store_libs = kms/libkmsstore.la kms/libkms.la $(store_libs)
