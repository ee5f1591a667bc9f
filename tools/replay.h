/*
 * tools/replay.h: one side of captured connections, played to a live peer. The peer is followed: a message goes out when its time has
 * come and everything that preceded it in the capture has; answers go out when the peer asks. What the peer calls channels, streams and
 * crypto-periods is what it is called. No I/O, no clock: messages and times in, calls of the user out.
 */
#ifndef TOOLS_REPLAY_H
#define TOOLS_REPLAY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/finding.h"

enum { REPLAY_MAPS = 64, REPLAY_LINKS = 1024 };
/* What we call something that the capture calls otherwise, or a number that we state instead; old < 0: whatever it was. CP_number: now is added. */
struct replay_map { uint16_t param; int64_t old; uint32_t now; bool add; };
/* A message of the capture: by name and how many of that name precede it in a connection, or by frame. Zeroed: none. */
struct replay_mark { char name[40]; size_t nth; uint64_t frame; };
struct replay_conf {
	enum talk_side side;		/* that we are */
	const struct sim_iface *iface;
	struct alike_conf alike;
	struct replay_map map[REPLAY_MAPS]; size_t nmaps;
	uint8_t version;		/* that we speak as the client; 0: as captured */
	double speed;			/* 1: original timing; 0: as fast as answers come */
	int64_t timeout_ns;		/* for an answer */
	int64_t latest_ns;		/* an answer that takes longer is a difference; 0: it may take its time */
	struct replay_mark from, until;
	unsigned loops;			/* times; 0: without end */
};

struct replay_counts {
	uint64_t connections, sent, received, compared;
	uint64_t messages;		/* of the peer, that are not as captured */
	uint64_t found[FIND_KINDS];
	uint64_t beyond;		/* requests of the peer that had no captured one of their own, yet were answered */
	uint64_t unanswered;		/* those that nothing answers */
	struct find_times captured, live;	/* answers of the peer that were compared */
};
struct replay_user {
	void *self;
	void (*open)(void *self, unsigned link);	/* a connection to the peer: replay_up or replay_down follow */
	bool (*send)(void *self, unsigned link, bool udp, const uint8_t *p, size_t len);	/* false: sent, but no more than answers until replay_drained */
	void (*close)(void *self, unsigned link);	/* of one that was up, replay_down follows: before that the link is not used again */
	void (*found)(void *self, const struct finding *);
};
struct replay;
/* Conf, script and user are lent until replay_free. NULL: no memory. */
struct replay *replay_new(const struct replay_conf *, const struct talk *, const struct replay_user *);
void replay_free(struct replay *);
/* Begins; now_ns is of any clock that never goes back. */
void replay_start(struct replay *, int64_t now_ns);
/* A connection that the peer opened; its link, or -1: no more can be served. */
int replay_accept(struct replay *, int64_t now_ns);
void replay_up(struct replay *, unsigned link, int64_t now_ns);
void replay_drained(struct replay *, unsigned link);
/* One whole message; what is none is not looked at. */
void replay_message(struct replay *, unsigned link, const uint8_t *p, size_t len, int64_t now_ns);
/* A datagram, of whichever connection its stream belongs to; the link, or -1: none. */
int replay_datagram(struct replay *, const uint8_t *p, size_t len, int64_t now_ns);
void replay_down(struct replay *, unsigned link, int64_t now_ns);
/* Does what is due: also after every other call. */
void replay_tick(struct replay *, int64_t now_ns);
int64_t replay_next(const struct replay *);	/* when to tick; INT64_MAX: never */
bool replay_done(const struct replay *);	/* everything was played, and no link is open */
/* Ends it: what has not come is not reported as missing. */
void replay_stop(struct replay *, int64_t now_ns);
const struct replay_counts *replay_counts(const struct replay *);
bool replay_as_captured(const struct replay *);	/* nothing was found */
/* The names that differ on a link: for reports. */
const struct alike_map *replay_names(const struct replay *, unsigned link);
size_t replay_links(const struct replay *);
const struct talk_conn *replay_script(const struct replay *, unsigned link);	/* NULL: not known yet */

/* "CW_provision", "CW_provision#3" (the third), "frame:120"; 0, or -1. */
int replay_mark_parse(const char *text, struct replay_mark *);
/* Whether any connection has that message. */
bool replay_has_mark(const struct talk *, const struct replay_mark *);
/* "NAME=NEW", "NAME=OLD:NEW", "CP_number=+100"; 0, or -1: not like that, the interface has no number of that name, or it does not hold that much. */
int replay_map_parse(const char *text, const struct sim_iface *, struct replay_map *);
#endif
