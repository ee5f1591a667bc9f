# examples/: runnable head-ends; keys that are for tests only, installed beside the head-end that names them
include %D%/media.mk
nobase_dist_doc_DATA += %D%/ipsec.yaml %D%/ismacryp.yaml %D%/cissa.yaml
nobase_dist_doc_DATA += %D%/keys/drm-ismacryp.yaml %D%/keys/smartcard-ismacryp.yaml %D%/keys/handset-drm-ismacryp.yaml \
	%D%/keys/handset-smartcard-ismacryp.yaml
nobase_dist_doc_DATA += %D%/keys/drm.yaml %D%/keys/smartcard.yaml %D%/keys/handset-drm.yaml %D%/keys/handset-smartcard.yaml %D%/keys/usim.yaml %D%/keys/subscribers.yaml \
	%D%/keys/drm-broadcast.yaml %D%/keys/handset-broadcast.yaml %D%/keys/rights-issuer-private.pem %D%/keys/rights-issuer-public.pem \
	%D%/keys/handset-private.pem %D%/keys/handset-public.pem
# How other vendors' ECMGs want to be spoken to: for `profile` of a KMS.
nobase_dist_doc_DATA += %D%/profiles/standard.yaml %D%/profiles/tsduck-like.yaml %D%/profiles/no-ecm-id.yaml \
	%D%/profiles/empty-ecm-allowed.yaml %D%/profiles/fixed-channel-id.yaml
# one SEAK for three BSMs
nobase_dist_doc_DATA += %D%/seak/README %D%/seak/headend.yaml %D%/seak/certificates.sh %D%/seak/keys/bsm1.yaml %D%/seak/keys/bsm2.yaml \
	%D%/seak/keys/bsm3.yaml %D%/seak/keys/hub.yaml
# a KMS plugin to start one's own from: a project of its own, which builds against an installed Simulgate
nobase_dist_doc_DATA += %D%/kms-plugin/README %D%/kms-plugin/Makefile %D%/kms-plugin/example.h %D%/kms-plugin/example.c \
	%D%/kms-plugin/settings.c %D%/kms-plugin/message.c %D%/kms-plugin/worker.c
