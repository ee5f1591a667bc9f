# bsm/: what HTTP clients meet: terminals and web shops
%C%_libbsm_la_SOURCES += %D%/door.c %D%/door.h %D%/regd.h %D%/api.h
