# lib/: HTTP and XML, for the programs that speak them
noinst_LTLIBRARIES += %D%/libgwweb.la
%C%_libgwweb_la_SOURCES = %D%/httpd.c %D%/httpd.h %D%/httpd_tls.c %D%/httpd_tls.h %D%/http.c %D%/http.h \
	%D%/tls_name.c %D%/tls_name.h %D%/xml.c %D%/xml.h %D%/xml_int.h %D%/xml_light.c
