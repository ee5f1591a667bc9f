/*
 * example.h: what the files of the example KMS share.
 * SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 *	example.c	the plugin: its entry point and the calls of <simulgate/kms-plugin.h>
 *	settings.c	the lines of `conf`, key files
 *	message.c	ECMs and EMMs: what is in them, as sections and as TS packets
 *	worker.c	threads that answer later
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <openssl/evp.h>
#include <simulgate/kms-plugin.h>

/* error_status, TS 103 197 clauses 5.6 (ECMG) and 6.2.6 (EMMG): the same reason has two numbers */
enum {
	ECM_UNKNOWN_CAS = 0x0005, ECM_NO_ROOM = 0x000c, ECM_NO_POWER = 0x000d, ECM_BAD_VALUE = 0x0011, ECM_UNKNOWN_ECM_ID = 0x0012,
	EMM_BAD_VALUE = 0x000d, EMM_UNKNOWN_CLIENT = 0x000e,
	ANY_OTHER = 0x7000
};

/* A refusal: the reason into why, -status returned. A macro, so that the compiler checks the format. It names no key. */
#define REFUSE(status, ...) (snprintf(why, why_cap, __VA_ARGS__), -(status))

enum { KEY = 16, CW_MAX = 64, CWS_MAX = 8, CAS_MAX = 16, RANGES_MAX = 16, CARDS_MAX = 4096, THREADS_MAX = 16 };
enum { SECTION_MAX = 4096, PACKET = 188, TS_MAX = (SECTION_MAX / 183 + 1) * PACKET, CRITERIA_MAX = 255 };

struct range { uint16_t first, last; };
struct card { uint32_t number; uint8_t key[KEY]; };

/* Everything that the operator can set. It holds keys: it lives in locked memory. */
struct settings {
	uint8_t key[KEY];			/* ECMs are encrypted under it; cards get it by EMM */
	bool has_key;
	struct card *cards; size_t ncards;	/* in locked memory, too */
	uint32_t cas[CAS_MAX]; size_t ncas;	/* Super_CAS_ids served; none: all */
	struct range ecm_ids[RANGES_MAX]; size_t nranges;	/* ECM_ids that are welcome; none: all */
	uint8_t section_TSpkt_flag;		/* 0 sections, 1 TS packets */
	uint16_t max_streams;			/* of a channel; 0: not stated */
	unsigned threads;			/* 0: ecm() answers at once */
	unsigned delay_ms;			/* pretends that an HSM takes so long; with threads */
};

/* ---- settings.c */
/* 0, or -1 with why. What was begun is freed by settings_free() in either case. */
int settings_read(struct settings *, const char *conf, char *why, size_t why_cap);
void settings_free(struct settings *);
bool settings_serve(const struct settings *, uint32_t super_cas_id);
bool settings_know(const struct settings *, uint16_t ecm_id);

/* ---- message.c */
/* What an ECM is made of. A copy of a request, for requests are lent for the call only; it holds control words. */
struct order {
	uint64_t handle;
	uint32_t super_cas_id;
	uint16_t ecm_id, cp_number;
	unsigned ncws;
	struct { uint16_t cp; uint8_t len, cw[CW_MAX]; } cws[CWS_MAX];
	uint16_t package;			/* out of the access criteria; 0: none */
	uint8_t age;
};
/* 0, or -error_status with why: control words or access criteria that we cannot serve. */
int order_take(struct order *, const struct kms_request *, char *why, size_t why_cap);
EVP_CIPHER_CTX *wrap_new(const uint8_t key[KEY]);	/* AES key wrap with padding (RFC 5649); NULL: OpenSSL has none */
/* Octets of an ECM in `out`, or -error_status. The same order makes the same octets. */
int ecm_make(EVP_CIPHER_CTX *, const struct order *, uint8_t section_TSpkt_flag, uint8_t *out, size_t cap, char *why, size_t why_cap);
/* An EMM: the key, for one card. */
int emm_make(const struct card *, const uint8_t key[KEY], uint8_t section_TSpkt_flag, uint8_t *out, size_t cap, char *why, size_t why_cap);

/* ---- worker.c */
struct pool;
/* Starts the threads. NULL with why. `host` and `settings` are lent until pool_close(). */
struct pool *pool_open(const struct kms_host *, const struct settings *, char *why, size_t why_cap);
/* Takes a copy of the order. KMS_LATER, or -error_status. */
int pool_ask(struct pool *, const struct order *, char *why, size_t why_cap);
/* Drops what waits, waits for what is being made. When it returns, no thread of ours is left and none will call the host. */
void pool_close(struct pool *);
#endif
