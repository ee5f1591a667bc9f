# lib/: media: SRTP, bursts of cryptography, transforms
%C%_libgw_la_SOURCES += %D%/srtp.c %D%/srtp.h %D%/srtp_index.c %D%/srtp_index.h %D%/srtp_int.h %D%/srtp_key.c %D%/srtp_tx.c \
	%D%/srtp_rx.c %D%/burst.c %D%/burst_vectors.c %D%/burst_int.h %D%/burst.h %D%/transform.c %D%/transform.h
%C%_libgw_la_SOURCES += %D%/cissa.c %D%/cissa_vectors.h %D%/ts_cipher.h
%C%_libgw_la_SOURCES += %D%/ismacryp.c %D%/ismacryp_int.h %D%/ismacryp_tx.c %D%/ismacryp_rx.c
%C%_libgw_la_LIBADD = $(IPSECMB_LIBS)
if IPSECMB
%C%_libgw_la_SOURCES += %D%/burst_ipsecmb.c
else
%C%_libgw_la_SOURCES += %D%/burst_noipsecmb.c
endif
%C%_libgw_la_SOURCES += %D%/esp.c %D%/esp.h
