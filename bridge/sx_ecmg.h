/*
 * bridge/sx_ecmg.h: XML BSMs as ECMGs, sans-I/O (bcast-backend-xml 11): what lib/ecmg_channel.h wants made becomes tag 5 (mode C: with the keys), and
 * tag 6 its answer. Who does not answer within max_comp_time is asked on until the crypto-period's end, while the SCS is told 0x000D, after three
 * periods 0x7001: what comes late is kept, and there when the SCS asks again. An STKM that comes unasked (tag 7) is kept, too, by its CP.
 */
#ifndef BRIDGE_SX_ECMG_H
#define BRIDGE_SX_ECMG_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "bridge/exchange.h"
#include "lib/due.h"
#include "lib/ecmg_channel.h"
#include "lib/log.h"

struct sx_ecmg;
struct sx_ask;		/* a tag 5 that is under way */
struct sx_note { enum gw_level level; const char *event; const struct he_kms *kms; const struct he_service *service; uint16_t ecm_id; int cp; const char *why; };
struct sx_ecmg_door {
	/* As ex_send(), whose done is sx_ecmg_done(). */
	int (*send)(void *self, const struct he_sp4_peer *, struct sp4_msg *, unsigned attempt_ms, int64_t give_up_us, struct sx_ask *, struct gw_err *);
	/* As ecmg_channel_answer(). More may be asked from within. */
	void (*answer)(void *self, uint64_t handle, int rc, const uint8_t *stkm, const char *why);
	/* NULL; or whether this STKM of a service (its GlobalServiceID) may go on air by now; else *status and *reason, as of seak_run_may_air(). */
	bool (*may_air)(void *self, const char *urn, const void *stkm, size_t len, unsigned *status, const char **reason);
	void (*note)(void *self, const struct sx_note *);
};

enum { SX_ASKS = 4, SX_WAITERS = 4, SX_KEPT = 4, SX_SENT = 8, SX_DIGEST = 32, SX_PERIODS = 3 };
struct sx_kept {		/* an STKM that is there */
	bool there;
	uint16_t cp;
	bool asked;		/* whole is that of the request; else own is that of the key alone, or nothing (mode A) */
	uint8_t whole[SX_DIGEST], own[SX_DIGEST];
	uint8_t *stkm; size_t len;
};
/* One STKM stream: Super_CAS_id and ECM_id name it in the whole system, whoever asks for it on whatever channel. */
struct sx_stream {
	uint64_t key;		/* Super_CAS_id, ECM_id */
	const struct he_bridge_ecmg *row;
	const struct he_unit *unit;
	uint16_t ecm_id;
	LIST_HEAD(, sx_ask) asks; unsigned nasks;
	struct sx_kept kept[SX_KEPT]; unsigned next_kept;
	struct { bool there, whole; uint16_t cp; uint8_t own[SX_DIGEST], all[SX_DIGEST]; } sent[SX_SENT]; unsigned next_sent;	/* keys that the BSM has */
	int64_t silent_us;	/* since when it does not answer; 0: it does */
	bool gone;		/* not in the file any more */
};
struct sx_ecmg_counts { uint64_t asked, answered, refused, late, silent, unasked, from_store; };
struct sx_ecmg {
	const struct sx_ecmg_door *door;
	void *self;
	const struct he_bridge *bridge;
	struct sx_stream **v; size_t n;		/* by key */
	struct gw_dues dues;			/* when an SCS has waited long enough */
	size_t nasks;
	int64_t now_us;
	void *md, *mdctx;
	struct sx_ecmg_counts counts;
};

/* The file is lent until the next one, or the end. 0, or -1 with *err: as it was. */
int sx_ecmg_conf(struct sx_ecmg *, const struct headend *, const struct he_bridge *, struct gw_err *);
void sx_ecmg_fini(struct sx_ecmg *);	/* after its asks are done */
/* The maker's three of lib/ecmg_face.h. */
int sx_ecmg_channel(const struct sx_ecmg *, uint32_t super_cas_id, struct ecmg_says *, char *why, size_t cap);
int sx_ecmg_stream(const struct sx_ecmg *, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap);
int sx_ecmg_ecm(struct sx_ecmg *, const struct ecmg_request *, int64_t now_us, uint8_t *out, size_t cap, char *why, size_t why_cap);
struct sx_ecmg *sx_ask_engine(const struct sx_ask *);	/* whose it is */
void sx_ecmg_done(struct sx_ecmg *, struct sx_ask *, const struct ex_result *, int64_t now_us);
/* A tag 7: the status of its confirmation, and *reason. */
unsigned sx_ecmg_delivery(struct sx_ecmg *, const struct he_sp4_peer *from, const struct sp4_msg *, int64_t now_us, const char **reason);
void sx_ecmg_time(struct sx_ecmg *, int64_t now_us);
int64_t sx_ecmg_next(const struct sx_ecmg *);	/* when it next wants the time; INT64_MAX: not before it is asked */
json_t *sx_ecmg_status(const struct sx_ecmg *);
#endif
