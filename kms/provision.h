/* kms/provision.h: subscribers as an operator writes them, in a file of 0600: YAML (or JSON), or CSV (bcast-smartcard-profile 3.1) */
#ifndef KMS_PROVISION_H
#define KMS_PROVISION_H
#include "kms/store.h"

/* What B-TIDs and NAF keys of `ks` need; NULL: not known. */
struct provision_names { const char *naf, *bsf; int64_t now_us; };
/* A subscriber, and with ks or keys their context (its sub is not set). */
struct provision { struct kms_subscriber sub; struct kms_gba gba; };

/*
 * Reads the file and hears each, with where it stands ("FILE:LINE"); stops when each() returns non-zero and returns that. -1 with why: the file is not
 * valid, or can be read by others. What each() gets is lent, and cleansed after.
 */
typedef int provision_each(void *self, const char *where, const struct provision *, struct gw_err *);
int provision_read(const char *path, const struct provision_names *, provision_each *, void *self, struct gw_err *);
int provision_csv(const char *path, const struct provision_names *, provision_each *, void *self, struct gw_err *);
#endif
