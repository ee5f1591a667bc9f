# contrib/: units for systemd, a plugin to start one's own from
EXTRA_DIST += %D%/plugin-example/Makefile %D%/plugin-example/README %D%/plugin-example/example.c
