# kms/: the plugin contract, the crypto of both BCAST profiles, the built-in KMSs as plugins
pkginclude_HEADERS += %D%/kms-plugin.h
pkgconfig_DATA += %D%/simulgate-kms.pc

noinst_LTLIBRARIES += %D%/libkms.la
%C%_libkms_la_SOURCES = %D%/crypt.c %D%/crypt.h %D%/fauth.c %D%/fauth.h %D%/tkm.c %D%/tkm.h %D%/rx.c %D%/rx.h \
	%D%/drm_stkm.c %D%/drm_stkm.h %D%/drm_ltkm.c %D%/drm_ltkm.h %D%/drm_carousel.c %D%/drm_carousel.h %D%/rsa.c %D%/rsa.h %D%/mikey_psk.c %D%/mikey_psk.h %D%/mikey_stkm.c %D%/mikey_stkm.h \
	%D%/mikey_ltkm.c %D%/mikey_ltkm.h %D%/gba.c %D%/gba.h %D%/digest.c %D%/digest.h %D%/card.c %D%/card.h %D%/keys.c %D%/keys.h
%C%_libkms_la_SOURCES += %D%/usim.c %D%/usim.h
kms_libs = kms/libkms.la $(base_libs)

# The subscribers' documents: for programs only, plugins do without libxml2.
noinst_LTLIBRARIES += %D%/libkmsxml.la
%C%_libkmsxml_la_SOURCES = %D%/mbms_xml.c %D%/mbms_xml.h
kms_xml_libs = kms/libkmsxml.la
# Their files, and their requests: for programs, too. Ahead of libkms.
noinst_LTLIBRARIES += %D%/libkmssub.la
%C%_libkmssub_la_SOURCES = %D%/csv.c %D%/csv.h %D%/exchange.c %D%/exchange.h %D%/provision.c %D%/provision.h
kms_sub_libs = kms/libkmssub.la
dist_pkgdata_DATA += %D%/mbms/mbms-register.xsd %D%/mbms/mbms-deregister.xsd %D%/mbms/mbms-register-response.xsd %D%/mbms/mbms-msk.xsd \
	%D%/mbms/mbms-msk-response.xsd %D%/mbms/bootstrapping.xsd

# What hosts a plugin; plugins carry none of it.
noinst_LTLIBRARIES += %D%/libkmsload.la
%C%_libkmsload_la_SOURCES = %D%/load.c %D%/load.h %D%/kms-plugin.h
kms_load_libs = kms/libkmsload.la

# A plugin is a module that exports one name.
pkglib_LTLIBRARIES += %D%/drm.la %D%/smartcard.la %D%/lab.la
kms_module = -module -avoid-version -shared -export-symbols-regex '^kms_plugin_entry$$' $(SG_LDHARDEN)
%C%_drm_la_SOURCES = %D%/drm.c %D%/plug.c %D%/plug.h %D%/kms-plugin.h
%C%_drm_la_LDFLAGS = $(kms_module)
%C%_drm_la_LIBADD = kms/libseaks.la kms/libkms.la $(store_libs)
%C%_smartcard_la_SOURCES = %D%/smartcard.c %D%/card_store.c %D%/card_store.h %D%/plug.c %D%/plug.h %D%/kms-plugin.h
%C%_smartcard_la_LDFLAGS = $(kms_module)
%C%_smartcard_la_LIBADD = $(kms_store_libs) -lpthread
%C%_lab_la_SOURCES = %D%/lab.c %D%/plug.c %D%/plug.h %D%/kms-plugin.h
%C%_lab_la_LDFLAGS = $(kms_module)
%C%_lab_la_LIBADD = $(kms_libs) -lpthread
include %D%/store.mk
include %D%/seaks.mk
