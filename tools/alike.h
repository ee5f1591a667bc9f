/*
 * tools/alike.h: whether two messages of one type mean the same, field by field: what names a channel, a stream or a crypto-period is
 * compared by its role, and what a side makes anew each time (ECMs, control words) may differ. Pure.
 */
#ifndef TOOLS_ALIKE_H
#define TOOLS_ALIKE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/talk.h"

/* How a parameter is compared. The table is in alike.c; whatever it does not list is ALIKE_EXACT. */
enum alike_rule {
	ALIKE_EXACT,
	ALIKE_ID,		/* names something: the same name everywhere stands for the same thing */
	ALIKE_CP,		/* CP_number: at the same distance as the others of its stream */
	ALIKE_CP_MADE,		/* a CP_number, and behind it something made anew, of the same length */
	ALIKE_MADE,		/* made anew each time: only whether it is empty counts */
	ALIKE_PAYLOAD,		/* data of somebody else: neither number nor octets count */
	ALIKE_WORDS,		/* for people: may also be absent */
};
enum alike_rule alike_rule(const struct sim_iface *, uint16_t param);

enum { ALIKE_IGNORED = 32, ALIKE_IDS = 1 << 17 };	/* ALIKE_IDS: a channel may have 65,535 streams, with two names each */
struct alike_conf {
	bool strict;			/* ALIKE_MADE, ALIKE_CP_MADE, ALIKE_PAYLOAD and ALIKE_WORDS are compared like others */
	const char *ignored[ALIKE_IGNORED]; size_t nignored;	/* names of parameters, or 0x8001; "protocol_version"; of messages */
};
/* Whether a message of that version has the parameter, by the interface's tables; what they do not know, every one may have. */
bool alike_of_version(const struct sim_iface *, uint16_t message, uint8_t version, uint16_t param);
bool alike_ignored(const struct alike_conf *, const struct sim_iface *, uint32_t param);
bool alike_ignored_message(const struct alike_conf *, const struct sim_iface *, const struct talk_msg *);

/* What the names of A are in B, on one connection. Zeroed: nothing is known. Of param 0, the protocol_version. stream: of A, that it belongs to, -1: none; gone: that is closed. */
struct alike_id { uint16_t param; uint32_t a, b; int64_t stream; bool gone; uint32_t next[2]; };	/* next: index + 1 of another of its bucket */
struct alike_cp { int64_t stream; uint16_t distance; };	/* stream: of A; distance: CP_number of B less that of A */
struct alike_map {
	struct alike_id *id; size_t nids, id_room;
	struct alike_cp *cp; size_t ncps, cp_room;
	uint32_t *bucket[2];		/* of ids, by A and by B: index + 1; as many as id_room, a power of two */
	size_t ngone;			/* of ids */
};
void alike_map_fini(struct alike_map *);
/* What the value of A, or of B, is called on the other side. false: not known. */
bool alike_to_b(const struct alike_map *, uint16_t param, uint32_t a, uint32_t *b);
bool alike_to_a(const struct alike_map *, uint16_t param, uint32_t b, uint32_t *a);
/* -1: no memory, or ALIKE_IDS are known already. What is known stays. stream: of A; -1: the name is none of a stream's. */
int alike_learn(struct alike_map *, uint16_t param, uint32_t a, uint32_t b, int64_t stream);
bool alike_distance(const struct alike_map *, int64_t stream, uint16_t *distance);
int alike_learn_distance(struct alike_map *, int64_t stream, uint16_t distance);
/* The stream of A is closed: its names may stand for others from now on, and its crypto-periods are counted anew. */
void alike_forget(struct alike_map *, int64_t stream);

/* A field that is not the same; of one that is absent p is NULL. param: a parameter_type, or ALIKE_VERSION: an octet. */
enum { ALIKE_VERSION = 0x10000 };
struct alike_field { uint32_t param; size_t nth; struct talk_param a, b; };
/*
 * Compares messages of one type. What is new to the map is learnt from them. differs (may be NULL) is called for each field. The number
 * of fields that differ.
 */
size_t alike(const struct alike_conf *, struct alike_map *, const struct sim_iface *, const struct talk_msg *a, const struct talk_msg *b,
    void (*differs)(void *self, const struct alike_field *), void *self);
#endif
