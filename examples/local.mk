# examples/: runnable head-ends; keys that are for tests only, installed beside the head-end that names them
include %D%/media.mk
nobase_dist_doc_DATA += %D%/keys/drm.yaml %D%/keys/smartcard.yaml %D%/keys/handset-drm.yaml %D%/keys/handset-smartcard.yaml
