/*
 * kms-plugin.h: the whole contract between Simulgate's ECMG and EMMG and a KMS. Installed as <simulgate/kms-plugin.h>;
 * simulgate-kms-plugin(3) says more of each rule, `simulgate plugin-test` tries a plugin by them.
 * SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * A plugin is a shared object that exports one symbol, kms_plugin_entry. No globals, no constructors, no exit(), no signal
 * handlers. Names are those of ETSI TS 103 197. What the host passes in is lent for the call: keep no pointer, cleanse copies
 * of keys. Return values below zero are -error_status (TS 103 197 clause 5.6: -0x000B, -0x0011 …; OMA BCAST: -(0x8000 + code)),
 * with the reason as a sentence in `why`: it reaches the peer's operator, so it names no key.
 */
#ifndef SIMULGATE_KMS_PLUGIN_H
#define SIMULGATE_KMS_PLUGIN_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KMS_PLUGIN_ABI 1u	/* raised when a member changes meaning; members are only appended */
#define KMS_LATER (-0x10000)	/* returned by ecm() of a KMS_ASYNC plugin: host->answer() will follow */
#define KMS_ECM_MAX 65000u	/* bytes; the longest ECM_datagram */

enum kms_log_level { KMS_LOG_ERR, KMS_LOG_WARNING, KMS_LOG_NOTICE, KMS_LOG_INFO, KMS_LOG_DEBUG };

/* How ecm() may be called. */
enum kms_calling {
	KMS_INLINE = 0,	/* it answers within tens of microseconds: called on the host's event loop */
	KMS_WORKER = 1,	/* it may block: called on a worker thread, one call at a time per state, several states in parallel */
	KMS_ASYNC  = 2	/* called on the loop; returns the ECM at once, as KMS_INLINE does, or KMS_LATER: then the answer comes from any
			 * thread, maybe before ecm() has returned. It may choose per request. */
};

struct kms_host {
	uint32_t size;		/* sizeof, as the host was built: read later members only when it covers them */
	void *ctx;		/* lent until close() returns */
	void (*log)(void *ctx, int level, const char *text);
	int (*random)(void *ctx, uint8_t *out, size_t len);	/* 0, or -1 */
	/* The answer to a request for which ecm() returned KMS_LATER; any thread, once per handle; error: 0 or -error_status. */
	void (*answer)(void *ctx, uint64_t handle, const uint8_t *ecm, size_t len, int error, const char *why);
};

/* What channel_status announces (TS 103 197 clause 5.4.3). Delays in ms; has_*: the optional parameters are sent. */
struct kms_channel {
	uint8_t section_TSpkt_flag;	/* 0 sections, 1 TS packets, 2 arbitrary (OMA BCAST) */
	uint8_t lead_CW, CW_per_msg;
	uint8_t access_criteria_transfer_mode;	/* 1: needed in every CW_provision */
	int16_t delay_start, delay_stop, transition_delay_start, transition_delay_stop, AC_delay_start, AC_delay_stop;
	uint8_t has_transition, has_AC;
	uint16_t ECM_rep_period;	/* ms */
	uint16_t max_streams;		/* 0: not stated */
	uint16_t min_CP_duration;	/* x 100 ms */
	uint16_t max_comp_time;		/* ms */
};

struct kms_cw {
	uint16_t cp_number;
	const uint8_t *cw; size_t cw_len;		/* key material: CW, or TEK, salt, TAS without padding */
	const uint8_t *key_id; size_t key_id_len;	/* SPI, MKI, key indicator; 0 if the peer sent none */
};
struct kms_request {
	uint32_t size;
	uint64_t handle;		/* for answer() */
	uint32_t super_cas_id;
	uint16_t ecm_id, cp_number;
	uint16_t cp_duration_100ms;	/* of this CP; nominal_CP_duration if the peer did not say */
	uint8_t has_protection;		/* the peer sent traffic_protection (0x8001) */
	uint8_t protection;		/* 0 IPsec, 1 SRTP, 2 ISMACryp, 7 MPEG-2 TS */
	uint8_t authenticated;
	const struct kms_cw *cws; size_t ncws;	/* as sent; the host has checked the window that lead_CW and CW_per_msg ask for */
	const uint8_t *access_criteria; size_t access_criteria_len;	/* in force; NULL if none was ever sent */
};

/* A stream of EMMs or LTKMs that an EMMG sends to a MUX (TS 103 197 clause 6). */
struct kms_ltkm {
	uint32_t size;
	uint32_t client_id;
	uint16_t data_id;
	uint8_t data_type;		/* 0 EMM, 1 private data */
	uint8_t section_TSpkt_flag;	/* of the channel: what the datagrams must be */
	int64_t utc_s;			/* now */
};

struct kms_plugin {
	uint32_t abi, size;		/* KMS_PLUGIN_ABI and sizeof(struct kms_plugin), as the plugin was built */
	const char *name, *version;
	uint32_t calling;		/* enum kms_calling */
	/* conf: lines "KEY=VALUE\n", e.g. "keys=/etc/simulgate/keys/drm.yaml\n". 0, or -1 with why. An unknown key is refused. */
	int (*open)(const struct kms_host *, const char *conf, void **state, char *why, size_t why_cap);
	/* A channel for this Super_CAS_id: fills *channel (zeroed by the host). 0, or -error_status (-0x0005: not served). */
	int (*channel)(void *state, uint32_t super_cas_id, struct kms_channel *channel, char *why, size_t why_cap);
	/* A stream is set up. 0, or -error_status (-0x0012: unknown ECM_id). May be NULL: every ECM_id is welcome. */
	int (*stream)(void *state, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t why_cap);
	/* Bytes written to out (0: broadcast no ECM for this CP), -error_status with why, or KMS_LATER. The same request again
	 * gives the same octets. */
	int (*ecm)(void *state, const struct kms_request *, uint8_t *out, size_t cap, char *why, size_t why_cap);
	/* The hosts wait for the answers that are owed, but not for ever: what is still owed is dropped. When it returns no thread of the plugin's
	 * is left, and none calls the host: its code may be unloaded. */
	void (*close)(void *state);
	/*
	 * May be NULL, or beyond `size`: this KMS makes no EMMs. Datagram number `index` (from 0) of those that should be on air
	 * now: its bytes, 0 when there is no such number (the EMMG begins again with 0), or -error_status of clause 6.2 with why.
	 * Asked anew each time round, so that what it answers may change at any time. Called as ecm() is, KMS_ASYNC inline.
	 */
	int (*ltkm)(void *state, const struct kms_ltkm *, uint32_t index, uint8_t *out, size_t cap, char *why, size_t why_cap);
};

#if defined(__GNUC__) && !defined(KMS_EXPORT)
#define KMS_EXPORT __attribute__((visibility("default")))
#elif !defined(KMS_EXPORT)
#define KMS_EXPORT
#endif
/* The only exported symbol. */
KMS_EXPORT const struct kms_plugin *kms_plugin_entry(void);

#ifdef __cplusplus
}
#endif
#endif
