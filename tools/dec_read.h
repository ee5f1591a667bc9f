/* tools/dec_read.h: a capture file, or a network interface, through decoding of frames, reassembly and recognition to messages */
#ifndef TOOLS_DEC_READ_H
#define TOOLS_DEC_READ_H
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "tools/dec_msg.h"

struct dec_counts { uint64_t frames, tcp, udp, other, fragments, broken, cut, evicted; int64_t last_ns; uint64_t torn; };	/* last_ns: when the latest was; torn: datagrams that lack fragments */
struct dec_read {
	struct dec_msg_conf msg;
	struct dec_msg_user user;
	bool live;			/* the name is that of an interface */
	const volatile sig_atomic_t *stop;	/* reading ends when it is not 0; NULL: at the end of the file */
	/* For `user.self`; each may be NULL. Before the first frame is looked at; after every frame. */
	void (*first)(void *self, int64_t at_ns);
	void (*frame)(void *self, const struct dec_counts *);
	/* A datagram of whatever kind, after its frame was counted; lent. */
	void (*datagram)(void *self, const struct dec_segment *, uint64_t frame, int64_t at_ns);
	struct dec_counts counts;	/* of what was read */
};
/*
 * name: a pcap or pcapng file ("-": standard input), or an interface. All that it has is given to the user before it returns.
 * 0; 1: the capture breaks off, as *err says, after what was given; -1 with *err: nothing could be read (GW_ECONF: it is no capture that
 * is known here; GW_EUNAVAIL, GW_ESYS: the interface, memory).
 */
int dec_read(struct dec_read *, const char *name, struct gw_err *);
#endif
