# bsm/sms.mk: short messages: to files, to an SMSC; STKMs over the interaction channel
%C%_libbsm_la_SOURCES += %D%/sms.c %D%/sms.h %D%/sms_int.h %D%/sms_files.c %D%/smpp.c %D%/smpp.h %D%/smpp_shell.c %D%/stkm_get.c %D%/stkm_get.h %D%/stkm_hear.c
