# examples/: runnable head-ends; keys that are for tests only
EXTRA_DIST += %D%/keys/drm.yaml %D%/keys/smartcard.yaml %D%/keys/handset-drm.yaml %D%/keys/handset-smartcard.yaml
