/*
 * proto/wsp.h: a WSP connectionless push, and the short messages that carry it (bcast-smartcard-profile 4.1, 4.2; WAP-230, WAP-259, TS 23.040
 * 9.2.3.24): made and taken apart. Pure; decoded views borrow the input.
 */
#ifndef PROTO_WSP_H
#define PROTO_WSP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/mikey.h"	/* struct mikey_view */

enum {
	WSP_MIKEY = 0x52,	/* application/mikey among the assigned content types */
	WSP_BCAST = 0x13,	/* x-oma-application:bcast.ua among the application ids */
	WSP_OVERHEAD = 6,	/* octets of our push before its body */
	WDP_PUSH_PORT = 2948, WDP_FROM_PORT = 9200,
	WDP_BLOCK = 140,	/* user data of one short message, its header included */
	WDP_ONE = 133, WDP_PART = 128	/* octets of a push in one that is alone, in one of several */
};
enum wsp_fault { WSP_OK, WSP_TRUNCATED, WSP_NOT_PUSH, WSP_BAD_LENGTH, WSP_BAD_TYPE, WSP_BAD_HEADER };

struct wsp_push {
	uint8_t tid;
	int type; struct mikey_view type_text;	/* assigned number, -1: none; then the text, without NUL */
	int app; struct mikey_view app_text;	/* X-Wap-Application-Id: the same; -1 and no text: it is not there */
	struct mikey_view body;
};
/* The whole PDU, all forms of 4.1; headers that it does not know are stepped over. 0, or -1 with the reason in *why (may be NULL). */
int wsp_push_decode(const void *pdu, size_t len, struct wsp_push *, enum wsp_fault *why);
/* Octets of a push of application/mikey to bcast.ua (V20); 0: no room. */
size_t wsp_push_encode(uint8_t tid, const void *mikey, size_t len, void *out, size_t cap);
/* Is it for us: application/mikey to bcast.ua, as numbers or as text? */
bool wsp_push_is_mikey(const struct wsp_push *);
const char *wsp_fault_text(enum wsp_fault);

/* How many short messages a push takes: 1..255; 0: too long, or empty. */
size_t wdp_parts(size_t len);
/* The user data of part 0..parts-1, its header included: octets, at most WDP_BLOCK. ref: the same in all parts (V21). */
size_t wdp_part(const void *pdu, size_t len, uint8_t ref, size_t part, uint8_t out[WDP_BLOCK]);

/* The user data of one short message that goes to a port. */
struct wdp_block {
	uint16_t to, from;		/* ports */
	uint16_t ref; bool wide;	/* reference of the parts, 8 or 16 bits */
	uint8_t total, number;		/* 1, 1: it is alone */
	struct mikey_view data;
};
/* 0, or -1: malformed, or it goes to no port (a message for people). */
int wdp_decode(const void *block, size_t len, struct wdp_block *);

/* Parts waiting for the others. Zeroed at first; no memory but this, however many senders. */
enum { WDP_WAITING = 8, WDP_TOTAL = 8 };	/* messages at a time; parts of one (a larger one is refused) */
struct wdp_join {
	struct wdp_waiting {
		bool used, wide;
		uint64_t sender;
		uint16_t ref, to, from;
		uint8_t total, seen, len[WDP_TOTAL];	/* seen: a bit for each part */
		int64_t at_us;		/* of its last new part: the oldest gives way */
		uint8_t part[WDP_TOTAL][WDP_BLOCK];
	} waiting[WDP_WAITING];
	uint8_t whole[WDP_TOTAL * WDP_BLOCK];
	uint64_t given_up;		/* messages that gave way, or waited too long, before they were whole */
};
enum { WDP_WAIT_US = 600 * 1000000 };	/* 10 minutes: then the rest of a message is not waited for any more */
enum wdp_result { WDP_WHOLE, WDP_MORE, WDP_AGAIN, WDP_OTHER, WDP_BAD };	/* AGAIN: this part is here already; OTHER: to another port */
/*
 * One short message's user data, in any order. WDP_WHOLE: *pdu is the push, good until the next call. sender: whatever tells senders apart
 * (0: one). Time: any clock.
 */
enum wdp_result wdp_take(struct wdp_join *, uint64_t sender, const void *block, size_t len, int64_t now_us, struct mikey_view *pdu);
const char *wdp_result_text(enum wdp_result);
#endif
