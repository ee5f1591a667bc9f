# bsm/: what HTTP clients meet: terminals and web shops
%C%_libbsm_la_SOURCES += %D%/door.c %D%/door.h %D%/api.h %D%/regd.c %D%/regd_ub.c %D%/regd_mbms.c %D%/regd.h %D%/regd_int.h
