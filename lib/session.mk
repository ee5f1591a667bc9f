# lib/: session descriptions
%C%_libgwbase_la_SOURCES += %D%/session.c %D%/session.h
