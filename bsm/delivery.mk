# bsm/delivery.mk: LTKMs to the cards: the engine and its UDP socket
%C%_libbsm_la_SOURCES += %D%/delivery.h %D%/push.c %D%/push.h
