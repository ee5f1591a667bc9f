# kms/: the plugin contract, the crypto of both BCAST profiles, the built-in KMSs as plugins
noinst_LTLIBRARIES += %D%/libkms.la
%C%_libkms_la_SOURCES = %D%/crypt.c %D%/crypt.h %D%/fauth.c %D%/fauth.h %D%/tkm.c %D%/tkm.h %D%/rx.c %D%/rx.h \
	%D%/drm_stkm.c %D%/drm_stkm.h %D%/mikey_stkm.c %D%/mikey_stkm.h
kms_libs = kms/libkms.la $(base_libs)
