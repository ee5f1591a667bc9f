# examples/media.mk: a short programme and the command that made it
EXTRA_DIST += %D%/media/clip.ts %D%/media/make-clip.sh
