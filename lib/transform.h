/*
 * lib/transform.h: the protections as rows: SRTP, IPsec ESP, ISMACryp, MPEG-2 TS with DVB-CISSA. Senders note their cryptography in a
 * burst that all transforms of a thread share; receivers work on one packet at a time. No I/O, no clock; nothing is allocated for a
 * packet but what a source's first needs.
 *
 * A unit has one sender (gw_tx) for all its media, since they share a key; a medium's own state (an access unit that is not
 * complete, the PIDs of a multiplex) is a gw_tx_medium. Keys are made ready beside the packets and put in force by one store.
 */
#ifndef GW_TRANSFORM_H
#define GW_TRANSFORM_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/burst.h"
#include "lib/err.h"

enum { GW_XF_WARM_STEPS = 3 };
enum { GW_XF_HEAD = 128, GW_XF_TAIL = 192 };	/* room that every packet handed to a sender has before and after it, octets */
struct gw_pk { uint8_t *p; size_t len; };	/* p on a 4-byte boundary */

enum gw_verdict {
	GW_XF_OK,		/* the packet is what it has become: send it */
	GW_XF_HELD,		/* taken: what came of it is with the sink, or is still to come */
	/* the rest: dropped */
	GW_XF_NOT_RTP,		/* no RTP version 2 header, or too short for what it announces */
	GW_XF_MALFORMED,	/* payload is not what the transform works on */
	GW_XF_NO_KEY,		/* sender: no key yet; receiver: no key has this identifier */
	GW_XF_REPEAT,		/* this index was seen */
	GW_XF_RESTART,		/* outside the window: late, or the first packet of a restarted source */
	GW_XF_FULL,		/* more sources under one key than the table holds */
	GW_XF_TAKEN,		/* another medium has used this source's name under this key */
	GW_XF_INCOMPLETE,	/* of an access unit of which a part was lost, or whose beginning was not seen */
	GW_XF_TOO_LONG,		/* it would not fit a datagram, or the room for an access unit */
	GW_XF_EXHAUSTED,	/* the key has protected as much as one may: a new one must come */
	GW_XF_FORGED,		/* receiver: authentication failed with the key that the packet names */
	GW_XF_FAILED,		/* the library refused */
	GW_XF_VERDICTS
};
const char *gw_verdict_name(int);	/* "ok", "not_rtp", …: of metrics */

enum gw_engine { GW_ENGINE_AUTO, GW_ENGINE_LIBSRTP2, GW_ENGINE_BATCH };	/* of SRTP; the others know batch only */
enum gw_media_type { GW_MEDIA_TS, GW_MEDIA_H264, GW_MEDIA_AAC };		/* what a medium's RTP carries */

/* Key material of one crypto-period; lent. tak (20 octets, of the TAS by f_auth) where packets are authenticated by the key itself (ESP, ISMACryp). */
struct gw_material {
	uint8_t id[8]; size_t id_len;		/* SPI, MKI, key indicator; TS: one octet, the parity (0 even, 1 odd) */
	const uint8_t *tek, *salt, *tak;	/* 16; 14 (SRTP) or 8 (ISMACryp); 20 or NULL */
	bool authenticated;
};

struct gw_tx_conf {
	enum gw_engine engine;
	bool authenticated;
	unsigned sources;		/* SRTP: SSRCs at a time under one key */
	unsigned rcc_rate;		/* SRTP: RFC 4771 RCCm2, the ROC in every packet whose sequence number it divides; 0: off */
	bool tunnel;			/* ESP: tunnel mode */
	/*
	 * What must outlive the process, since the key does: which of its numbers are spent. marks_len(conf) octets, lent until tx_free;
	 * zeroed at first, or as an earlier process left them. Without pointers. 8-byte aligned.
	 */
	void *marks;
};
struct gw_tx_medium_conf {
	uint32_t index;			/* names the medium among the unit's, for GW_XF_TAKEN */
	enum gw_media_type type;
	uint8_t payload_type;		/* ISMACryp: of the packets that go out */
	size_t mtu;			/* octets of a datagram's payload at most; ISMACryp packets are made to fit */
	struct sockaddr_storage from, to;	/* ESP: the datagram's addresses and ports, both of one family */
	const uint16_t *pids; size_t npids;	/* TS: those to be scrambled; none: all that are not PSI, SI, ECM or EMM; lent */
};

/* Where packets go that a transform makes itself. */
struct gw_sink {
	void *self;
	/* Room for one packet behind those before it (GW_XF_HEAD, GW_XF_TAIL and at least the medium's mtu between); its p is set, its len is
	 * the caller's to set before it asks again or returns. What the burst holds may be run. NULL: no room; it is dropped. */
	struct gw_pk *(*slot)(void *self);
};

struct gw_transform;
struct gw_xkey;			/* a key made ready: in locked memory */
struct gw_tx;
struct gw_tx_medium;
struct gw_rx;

struct gw_rx_conf {
	bool authenticated;
	unsigned rcc_rate;
	bool tunnel;
	enum gw_media_type type;
	uint8_t payload_type;		/* ISMACryp: of the clear packets */
	uint16_t port;			/* ESP: UDP port of the medium; others are GW_XF_MALFORMED */
};
/* What a receiver has learned of a packet that it opened. */
struct gw_rx_got {
	uint8_t id[8]; size_t id_len;	/* the key it named; 0: it came in clear, or (TS) is PSI before any key was named */
	uint32_t source;		/* whose sequence index counts in: SSRC, or 0 */
	uint64_t index;			/* without gaps where nothing was lost; bits above the transform's own are a guess */
};

struct gw_source { uint32_t ssrc, roc; };

struct gw_transform {
	const char *name;		/* as the configuration has it: "srtp" */
	uint8_t protection;		/* traffic_protection_protocol */
	size_t tek, salt, id_min, id_max;	/* octets of material that it takes */
	bool authenticates;		/* can it */
	size_t overhead;		/* octets a packet may grow by at most */

	size_t (*marks_len)(const struct gw_tx_conf *);
	struct gw_tx *(*tx_new)(const struct gw_tx_conf *, struct gw_err *);	/* NULL: with *err */
	void (*tx_free)(struct gw_tx *);			/* quiet on NULL; so are all *_free */
	struct gw_tx_medium *(*medium_new)(struct gw_tx *, const struct gw_tx_medium_conf *, struct gw_err *);
	void (*medium_free)(struct gw_tx_medium *);
	/* Makes a key ready: all that may take time. tx is read only; may run beside its packets, in another thread. NULL: with *err. */
	struct gw_xkey *(*key_new)(const struct gw_tx *, const struct gw_material *, struct gw_err *);
	void (*key_free)(struct gw_xkey *);			/* cleanses */
	/* The key in force from the next packet on, NULL for none; returns the one before, the caller's to free after the burst has run. */
	struct gw_xkey *(*use)(struct gw_tx *, struct gw_xkey *);
	/* One packet. GW_XF_OK: pk is the packet to be sent once the burst has run; its p may have moved within its room. */
	int (*protect)(struct gw_tx *, struct gw_tx_medium *, struct gw_pk *, struct gw_burst *, struct gw_sink *);
	/* A packet is near: asks for the sender's memory, a pointer further in each step (0..GW_XF_WARM_STEPS - 1). NULL: no matter. */
	void (*warm)(const struct gw_tx *, unsigned step);
	/* RTCP of the medium, the same way; NULL: goes as it is. */
	int (*protect_rtcp)(struct gw_tx *, struct gw_tx_medium *, struct gw_pk *, struct gw_burst *);
	/* Sources that sent under the key in force or the one before it, so that a change of keys hides none: how many; up to n of them
	 * are filled in. NULL: it has none. */
	size_t (*sources)(const struct gw_tx *, struct gw_source *, size_t n);

	struct gw_rx *(*rx_new)(const struct gw_rx_conf *, struct gw_err *);
	void (*rx_free)(struct gw_rx *);
	/* Adds a key; the same identifier again: the same key changes nothing, another replaces it. Eight are held; the one longest there goes. */
	int (*rx_key)(struct gw_rx *, const struct gw_material *, struct gw_err *);
	void (*rx_drop)(struct gw_rx *, const uint8_t *id, size_t id_len);
	/* One packet, in place. GW_XF_OK: pk is clear. GW_XF_HELD: what became of it is with the sink (none or several). *got is filled for both. */
	int (*unprotect)(struct gw_rx *, struct gw_pk *, struct gw_rx_got *, struct gw_sink *);
	/* RTCP (or what its port receives), in place; *got as above. NULL: comes as it is. */
	int (*unprotect_rtcp)(struct gw_rx *, struct gw_pk *, struct gw_rx_got *);
	/* Is it a packet that was sent in clear (a transition, as SimulCrypt has them)? Then it goes as it is. */
	bool (*in_clear)(const struct gw_rx *, const struct gw_pk *);

	int (*self_test)(struct gw_err *);	/* its public vectors; 0, or -1 with *err */
};

extern const struct gw_transform gw_transform_cissa;
extern const struct gw_transform gw_transform_ismacryp;
/* By traffic_protection_protocol (enum he_scrambling has the same numbers); NULL: no such one. */
const struct gw_transform *gw_transform_of(int protection);
/* lib/burst's and every row's. A program that scrambles or descrambles starts only when it holds. */
int gw_transforms_self_test(struct gw_err *);
#endif
