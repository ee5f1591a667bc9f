# lib/: media: SRTP, bursts of cryptography, transforms
%C%_libgw_la_SOURCES += %D%/srtp.c %D%/srtp.h %D%/burst.c %D%/burst_vectors.c %D%/burst_int.h %D%/burst.h %D%/transform.c %D%/transform.h
