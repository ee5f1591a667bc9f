# bsm/: what HTTP clients meet: terminals and web shops
%C%_libbsm_la_SOURCES += %D%/door.c %D%/door.h %D%/api.c %D%/api_rows.c %D%/api.h %D%/api_int.h %D%/regd.c %D%/regd_ub.c %D%/regd_mbms.c %D%/regd.h %D%/regd_int.h
