/* lib/settings.h: what a program tells the plugin it hosts: its settings, as lines "KEY=VALUE\n", from the command line or the file */
#ifndef GW_SETTINGS_H
#define GW_SETTINGS_H
#include "lib/err.h"

struct he_kms;
/* A copy of value in *where, in place of the one there. The caller's to free. 0, or -1 with why. */
int gw_word(char **where, const char *value, struct gw_err *);
int gw_setting(char **lines, const char *value, struct gw_err *);	/* --set KEY=VALUE: a line more */
int gw_settings_of(char **lines, const struct he_kms *, struct gw_err *);	/* keys and set of the file's KMS: lines more */
#endif
