/*
 * terminal/inbox.h: short messages that come as files, each the user data of one (bcast-smartcard-profile 4.2, 4.3): MSISDN-ORDER-PART.sms of a
 * directory. Those of one phone are taken in the order of their names; what was handed on is removed.
 */
#ifndef TERM_INBOX_H
#define TERM_INBOX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/wsp.h"

struct inbox {
	const char *dir, *msisdn;	/* lent */
	struct wdp_join join;
	uint64_t files, messages, refused;	/* taken; pushes to the BCAST client in them; not even that */
};
/* A MIKEY message that a push held; lent for the call. */
typedef void inbox_take(void *self, const void *mikey, size_t len);
/* All that is there now; not more than INBOX_FILES at a time. False: the directory cannot be read (errno). */
enum { INBOX_FILES = 256 };
bool inbox_look(struct inbox *, int64_t now_us, inbox_take *, void *self);
#endif
