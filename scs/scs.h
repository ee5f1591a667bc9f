/*
 * scs/scs.h: the program: units (schedule, keys, records), peers (a KMS with the connections to its ECMGs), followers (mux and scrambler on
 * the playout link). Everything runs on one loop thread; what a loop turn brings is worked off together at its end, so that one
 * transaction of the store serves every unit that reached a boundary.
 */
#ifndef SCS_SCS_H
#define SCS_SCS_H
#include <jansson.h>
#include <uv.h>
#include "cwg/cwg.h"
#include "lib/args.h"
#include "lib/clock.h"
#include "lib/headend.h"
#include "lib/index.h"
#include "lib/link.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/ops.h"
#include "lib/scs_wire.h"
#include "lib/secret.h"
#include "lib/store.h"
#include "scs/schedule.h"

enum { SCS_MUXES = 8 };		/* that may follow one unit */

/* id_len 0: named by he_key_id(). supplied: from outside, and whoever brought it waits for the word that it is stored. */
struct scs_key_entry { int64_t cp; struct gw_secret material; uint8_t id[8], id_len; char fingerprint[17]; bool durable, supplied;
	struct scs_key_entry *next; };
struct scs_ecm { int64_t cp; uint8_t *p; size_t len; struct scs_terms terms; };	/* terms: it was made under these */
/* A committed CP's ECMs as the messages that go to the mux, one after the other. */
struct scs_frames { int64_t cp; uint8_t *p; size_t len; };

struct scs_criteria { int64_t from; struct scs_criteria *older; size_t len; uint8_t p[]; };	/* in force from a CP on */

struct scs_unit_stream {
	struct scs_unit *unit;
	const struct he_stkm *conf;
	struct scs_peer *peer;
	struct scs_kms_stream *line;	/* of the peer */
	struct scs_terms terms; bool known;
	struct scs_ecm ecm;		/* the answer for the CP in preparation */
	struct scs_criteria *criteria;	/* the newest first */
	uint64_t committed;		/* crypto-periods with an ECM of this stream */
};
/* Keys that are made outside (`keys: BRIDGE`): from..last are asked for. */
struct scs_outside {
	bool wanted, up;		/* up: the bridge is connected */
	int64_t from, last, since_us, refused_cp;
	char why[160];			/* what stood in the way since then: a refusal of ours, or of the BSM; "" */
	uint64_t requests, taken, again, refused;
};
struct scs_unit {
	struct scs *app;
	const struct he_unit *conf;	/* of app->he */
	struct scs_schedule *schedule;
	bool *required;
	struct scs_unit_stream *streams; size_t n;
	uint64_t with_out;		/* bits of the streams whose ECMs go to a mux of ours */
	int64_t epoch;
	struct scs_key_entry *keys;
	struct scs_frames frames[SCS_LIVE];
	struct scs_air { const struct scs_follower *mux; uint64_t acked; } air[SCS_MUXES];	/* bits by place in the CP's messages */
	int64_t air_cp;			/* waits for acknowledgements; -1: none does */
	enum scs_mode mode;		/* as the log knows it */
	int64_t held;			/* of one that a reload replaced: the newest CP released */
	/* what the store was asked in this turn */
	struct { bool draw, drawn, commit, ok, supply; int64_t last, cp, start_us; } asked;
	struct scs_outside outside;
	struct gw_timer timer;
	struct { const struct scs_follower *by; int64_t cp; unsigned status; } refused;	/* a scrambler cannot use its key; by NULL: none */
	struct { const struct scs_follower *by; int64_t cp; uint64_t times; } differs;	/* a scrambler has another key for it; by NULL: none */
	bool dirty, fenced;
	struct scs_unit *next_dirty;
	int64_t ahead;			/* how many CPs after its own a CP wants keys of; and one more */
	uint64_t generated, committed, extensions;
};

struct scs_peer {
	struct scs *app;
	const struct he_kms *kms;	/* of app->he */
	struct scs_wire *wire;
	struct scs_kms *engine;		/* the wire's */
};

struct scs_follower {
	struct scs *app;
	struct gw_link *link;
	int role;			/* enum playout_role; 0 before follower_setup */
	char name[65];
	char **services; size_t n;	/* none: all */
	struct gw_index following;	/* the same by name */
	struct { char *service; int64_t cp; } *held; size_t nheld;
	int64_t heard_us; bool testing;	/* monotonic */
	uint64_t sent, acked, errors;
	struct scs_follower *next;
};

struct scs {
	uv_loop_t loop;
	struct gw_args args;
	const char *test_seed;
	struct headend *he;
	struct cwg *cwg;
	struct gw_store *store;
	struct gw_wrap *wrap;
	struct scs_unit **units; size_t nunits;
	struct gw_index index;		/* units by id */
	struct scs_peer **peers; size_t npeers;
	struct scs_follower *followers;
	struct gw_listener *listener;
	struct gw_ops *ops;
	struct gw_life life;
	struct gw_clock_watch watch;
	uv_timer_t second; uv_prepare_t turn; bool ticking;
	struct scs_unit *dirty, *replaced;	/* replaced: during a reload */
	struct scs_ids ids;
	struct gw_rate rate;
	bool stopping, fenced, incomplete; int status;	/* incomplete: a service of the configuration could not be taken up */
};

/* main.c */
/* UTC for the timetables. A jump of the clock is told to all of them before any sees the new time. */
int64_t scs_now(struct scs *);

/* unit.c */
/* Takes the unit over in the store and its earlier life up. The caller puts it into app->units. */
struct scs_unit *scs_unit_open(struct scs *, const struct he_unit *, struct gw_err *);
void scs_unit_close(struct scs_unit *, bool end);	/* end: the service is over, followers are told; frees itself later */
/* Whether a running unit can become the other: the same keys, and ECMs for the same streams. */
bool scs_unit_same(const struct he_unit *, const struct he_unit *);
void scs_unit_rebind(struct scs_unit *, const struct he_unit *);	/* takes such a configuration over, from the next CP on */
/*
 * A service, or one unit of it, in clear from the end of its crypto-period on, or scrambled again; stored before it is obeyed. When, 0
 * being that it is so already; else -1 with error_status of the playout link and why.
 */
int64_t scs_unit_command(struct scs *, const char *name, size_t len, bool clear, int *status, const char **why);
/* A scrambler holds a CP that the store never heard of: its records, and the command with them, are old ones. */
void scs_unit_behind(struct scs_unit *, int64_t cp);
void scs_touch(struct scs_unit *);		/* something happened: works off the unit's actions at the end of this turn */
void scs_work(struct scs *);			/* all that was touched */
struct scs_unit *scs_unit_find(const struct scs *, const char *id, size_t len);
/* The access criteria in force at a CP: octets, *p lent until the next turn; 0: none. */
size_t scs_unit_criteria(const struct scs_unit_stream *, int64_t cp, const uint8_t **p);
struct scs_frames *scs_unit_frames(struct scs_unit *, int64_t cp);	/* NULL: none kept for this CP */

/* keys.c */
const struct scs_key_entry *scs_unit_key(const struct scs_unit *, int64_t cp);	/* NULL: none is held */
size_t scs_unit_key_id(const struct scs_unit *, int64_t cp, uint8_t out[8]);	/* as it came from outside, or by he_key_id() */
size_t scs_keys_length(const struct scs_unit *);	/* octets of the unit's key material */
/* A wrapped key of the store into memory. -1: it does not open, or its length is not that of the unit's protection and origin: as good as a lost store. */
int scs_keys_load(struct scs_unit *, int64_t cp, const void *value, size_t len);
/*
 * Draws the key of a CP and stores it, or takes the one that is stored already: a KMS may refuse a second TEK for one CP_number. GW_WON: it is
 * there, once the store's transaction is.
 */
enum gw_outcome scs_keys_draw(struct scs_unit *, int64_t cp);
/* One from outside, scs_keys_length() octets, copied; in the store with the next transaction. NULL: out of locked memory. */
struct scs_key_entry *scs_keys_supply(struct scs_unit *, int64_t cp, const void *material, const void *id, size_t id_len);
enum gw_outcome scs_keys_store_supplied(struct scs_unit *);	/* all those, into this transaction; not GW_WON: nothing of it will be */
/* The turn's keys are in the store now; or they are not, and must never be seen by anybody. */
void scs_keys_settle(struct scs_unit *, bool stored);
void scs_keys_drop(struct scs_unit *, int64_t below);

/* outside.c */
/* What a key source brings; lent. id_len 0: it says none. */
struct scs_supply { const char *source; int64_t cp, protection; bool authenticated; const uint8_t *material, *id; size_t len, id_len; };
enum { SCS_KEY_TAKEN = 0, SCS_KEY_HELD = -1 };
/*
 * SCS_KEY_TAKEN: kept, and acknowledged by scs_follow_supplied() once it is stored; SCS_KEY_HELD: it is there already, the same; else error_status of
 * the playout link, with why.
 */
int scs_outside_take(struct scs_unit *, const struct scs_supply *, const char **why);
void scs_outside_want(struct scs_unit *, int64_t from, int64_t last);	/* asks the key source; said again with each call */
void scs_outside_failed(struct scs_unit *, const char *why, size_t len);	/* the source could not get it */
void scs_outside_stored(struct scs_unit *, int64_t now_us);	/* after settling: acknowledges, and the schedule hears of it when all are there */
const char *scs_outside_says(const struct scs_unit *, char *out, size_t cap);	/* what is missing and why; "": nothing is */

/* peer.c */
struct scs_peer *scs_peer_open(struct scs *, const struct he_kms *, struct gw_err *);
void scs_peer_close(struct scs_peer *);		/* channel closed in order; frees itself later */
int scs_peer_join(struct scs_peer *, struct scs_unit_stream *, struct gw_err *);
void scs_peer_leave(struct scs_peer *, struct scs_unit_stream *);
void scs_peer_ask(struct scs_peer *, const struct scs_unit_stream *, int64_t cp, int64_t duration_us);

/* record.c: a committed CP as bytes: for the store, and for the mux */
int scs_record_frames(const struct scs_unit *, const struct scs_cp *, struct scs_frames *);	/* encodes; -1: out of memory or room */
int scs_record_restart(struct scs_frames *, int64_t start_us);	/* another start, in place */
void scs_record_hold(struct scs_frames *, bool hold);		/* is the mux to hold them? in place */
size_t scs_record_count(const struct scs_frames *);		/* messages */
int scs_record_place(const struct scs_frames *, int64_t super_cas_id, int64_t ecm_id);	/* which one is of this stream; -1: none */
int scs_record_pack(const struct scs_cp *, const struct scs_frames *, struct gw_blob *);
int scs_record_unpack(const void *, size_t, struct scs_cp *, struct scs_frames *);	/* -1: not whole, not sound; nothing is kept */
/* One message after the other; false at the end. */
bool scs_record_next(const struct scs_frames *, size_t *at, const uint8_t **msg, size_t *len);

/* follow.c */
int scs_follow_open(struct scs *, struct gw_err *);
void scs_follow_close(struct scs *);
void scs_follow_second(struct scs *);
const char *scs_role_name(int role);
void scs_follow_air(struct scs_unit *, const struct scs_cp *);	/* its ECMs to every mux */
void scs_follow_install(struct scs_unit *, const struct scs_cp *);	/* released: every mux lets its ECMs go on air, then its key to every scrambler */
void scs_follow_end(struct scs_unit *);
void scs_follow_request(struct scs_unit *);			/* what it wants of its key source; outside.up says whether one is there */
void scs_follow_supplied(struct scs_unit *, const struct scs_key_entry *);	/* that key is stored, to its source */
void scs_follow_count(struct scs_unit *);			/* tells the schedule how many muxes there are */

/* status.c */
json_t *scs_status(void *self);
void scs_collect(void *self, struct gw_samples *);
#endif
