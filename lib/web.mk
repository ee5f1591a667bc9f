# lib/: HTTP and XML, for the programs that speak them
noinst_LTLIBRARIES += %D%/libgwweb.la
%C%_libgwweb_la_SOURCES = %D%/httpd.h %D%/http.h %D%/xml.h
