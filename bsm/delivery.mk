# bsm/delivery.mk: LTKMs to the cards: the engine and its UDP socket
%C%_libbsm_la_SOURCES += %D%/delivery.c %D%/delivery.h %D%/delivery_int.h %D%/delivery_out.c %D%/delivery_rights.c %D%/delivery_roll.c \
	%D%/push.c %D%/push.h
