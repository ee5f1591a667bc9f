/* kms/rx.c: see rx.h */
#include "kms/rx.h"
#include "lib/secret.h"

const char *
rx_reason_text(enum rx_reason r)
{
	static const char *const text[] = {
		[RX_FINE] = "accepted",
		[RX_MALFORMED] = "the message is malformed",
		[RX_UNSUPPORTED] = "the message asks for an algorithm or a protection that is not supported",
		[RX_NO_KEY] = "no key of this identifier: a long-term key message is needed",
		[RX_BAD_MAC] = "the MAC is wrong",
		[RX_NOT_VALID] = "the long-term key is not valid now",
		[RX_OLD] = "the time stamp is older than the window allows",
		[RX_ABOVE] = "the TEK ID is above the key's upper limit: a key update was missed",
		[RX_STALE] = "counter or TEK ID is not greater than the stored one",
		[RX_FAILED] = "a cryptographic operation failed",
	};

	return (unsigned)r < sizeof(text) / sizeof(text[0]) ? text[r] : "unknown reason";
}

void
rx_wipe(struct rx_keys *k)
{
	gw_cleanse(k, sizeof(*k));
}

enum rx_result
rx_refuse(struct rx_keys *k, enum rx_reason why)
{
	rx_wipe(k);
	k->reason = why;
	return RX_REFUSED;
}
