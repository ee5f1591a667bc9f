/*
 * tools/dec_msg.h: SimulCrypt messages in what connections carry. The interface is recognised by content (TS 103 197 4.4.1): a version, a
 * message_type that is assigned, parameters of that interface which fill the message. Where the beginning is missing, octets are passed over
 * until such a message is found. No I/O; a connection costs at most one message of memory a direction.
 */
#ifndef TOOLS_DEC_MSG_H
#define TOOLS_DEC_MSG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/sim.h"
#include "tools/dec_tcp.h"

/* A connection with SimulCrypt in it. */
struct dec_session {
	unsigned number;		/* from 1 on, in the order in which they were recognised */
	const struct sim_iface *iface;
	const struct dec_conn *conn;
	int client;			/* the side that asks: SCS, EMMG, EIS, (C)(P)SIG */
	int section_TSpkt;		/* what channel_setup or channel_status said; -1: nothing */
	bool shown; void *user;		/* the user's */
	/* of dec_msg.c */
	bool client_known;
	struct dec_half_msg *half[2];
	struct dec_ask *asked;
};
struct dec_message {
	struct dec_session *session;
	int side;			/* who sent it, as in the connection */
	int64_t at_ns; uint64_t frame;	/* the frame that completed it */
	const uint8_t *p; size_t len;	/* header included */
	uint32_t seq;			/* of its first octet, as dec_conn.half counts */
	const struct sim_msg *msg;	/* as far as it could be read */
	struct sim_fault why;		/* SIM_OK: nothing is wrong with it */
	bool error;			/* it says that the peer refused something */
	uint64_t asked_frame; int64_t asked_ns;	/* the request that it answers; frame 0: none, or not captured */
};
enum dec_trouble { DEC_GAP, DEC_PASSED_OVER, DEC_TRUNCATED };	/* not in the capture; no messages; the end within a message */
struct dec_msg_user {
	void *self;
	void (*message)(void *self, const struct dec_message *);
	void (*trouble)(void *self, struct dec_session *, int side, enum dec_trouble, uint64_t octets);
	/* Each may be NULL. What TCP says of the session's connection; no more will come of it, which is about to be forgotten. */
	void (*event)(void *self, struct dec_session *, int side, enum dec_tcp_event, uint64_t frame, int64_t at_ns);
	void (*ended)(void *self, struct dec_session *);
	/* The octets of a message that will never be whole. NULL: not wanted. */
	void (*partial)(void *self, struct dec_session *, int side, uint32_t seq, const uint8_t *p, size_t len);
};
struct dec_msg_conf {
	const struct sim_iface *as;	/* NULL: find out */
	uint16_t port;			/* 0: any; only connections with this port at one end */
	bool forced;			/* what stands there is SimulCrypt, however it looks */
};
struct dec_msg;
struct dec_msg *dec_msg_new(const struct dec_msg_conf *, const struct dec_msg_user *);
void dec_msg_free(struct dec_msg *);
/* For the reassembly: what dec_tcp calls, with self the dec_msg. */
struct dec_tcp_user dec_msg_sink(struct dec_msg *);
/* The frame that is being read: before it is handed to the reassembly. */
void dec_msg_now(struct dec_msg *, uint64_t frame, int64_t at_ns);
/* A request of an interface, and what answers it; key: the parameter that both carry besides channel and stream, 0: none. */
struct dec_pair { const struct sim_iface *iface; uint16_t request, answer, key; };
const struct dec_pair *dec_pair_of(const struct sim_iface *, uint16_t request);	/* NULL: it has no answer */
/* Parameters that name the channel and the stream on an interface; 0: none. */
uint16_t dec_channel_param(const struct sim_iface *);
uint16_t dec_stream_param(const struct sim_iface *);
#endif
