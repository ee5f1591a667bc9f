# examples/media.mk: the example head-end and its programme, installed beside the documents
nobase_dist_doc_DATA = %D%/headend.yaml %D%/media/clip.ts %D%/media/make-clip.sh
