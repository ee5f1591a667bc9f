/*
 * bridge/keys.h: traffic keys that a BSM makes (CP-3, tags 1 to 4; mode A). As BSA: what the SCS of this head-end wants, for services with
 * `keys: BRIDGE`, is asked of the service's BSM, or was delivered by it; as BSM: what is made here is offered to the BSAs. Keys are in locked memory.
 */
#ifndef BRIDGE_KEYS_H
#define BRIDGE_KEYS_H
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "bridge/exchange.h"
#include "lib/err.h"
#include "lib/headend.h"

struct gw_samples;
struct br_keys;
/* Handles tags 1 and 3, and follows the SCS at the playout directory when a service's keys come through this bridge. NULL with *err. */
struct br_keys *br_keys_open(uv_loop_t *, const struct headend *, const struct he_bridge *, struct ex *, struct gw_err *);
int br_keys_reconf(struct br_keys *, const struct headend *, const struct he_bridge *, struct gw_err *);	/* 0; -1 with *err and all stays */
void br_keys_close(struct br_keys *);	/* after ex_close; quiet on NULL */
json_t *br_keys_status(const struct br_keys *);
void br_keys_collect(const struct br_keys *, struct gw_samples *);

/* A key that was made here; lent until the next call. */
struct br_key { const uint8_t *material; size_t len; uint8_t id[8]; size_t id_len; };
/*
 * The key of a crypto-period of a unit ("news", "news/audio"), for the ECMs of an STKMG behind us (X->S, mode A). The first to ask has it made, and
 * stored; whoever asks for it again, also after a restart, gets the same. It is offered to every BSA among the peers by tag 3. cp: CP_number.
 * 0; -1 with *err: no such unit, nothing could be stored: tag 6 says status 20.
 */
int br_keys_make(struct br_keys *, const char *unit, uint16_t cp, struct br_key *, struct gw_err *);
#endif
