# Keys that a BSM makes: CP-3, both sides.
noinst_LTLIBRARIES += %D%/libbrkeys.la
%C%_libbrkeys_la_SOURCES = %D%/keys.c %D%/keys.h %D%/keys_int.h %D%/keys_bsa.c %D%/keys_link.c %D%/keys_made.c
