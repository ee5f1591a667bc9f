/* kms/plug.h: what the built-in plugins share: their "KEY=VALUE" lines, the channel they announce, refusals. */
#ifndef KMS_PLUG_H
#define KMS_PLUG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kms/kms-plugin.h"
#include "kms/tkm.h"

enum {	/* error_status of TS 103 197 clause 5.6; OMA BCAST codes above 0x8000 */
	PLUG_UNKNOWN_CAS = 0x0005, PLUG_NOT_ENOUGH_CWS = 0x000b, PLUG_NO_RESOURCES = 0x000d, PLUG_BAD_VALUE = 0x0011,
	PLUG_UNKNOWN_ECM_ID = 0x0012, PLUG_GENERATION_FAILURE = 0x8014
};
enum plug_type { PLUG_UINT, PLUG_INT, PLUG_FLAG, PLUG_PROTECTION, PLUG_WORDS, PLUG_PATH };
struct plug_row {
	const char *key;
	enum plug_type type;
	size_t offset, size;	/* FLAG: bool; PROTECTION, WORDS: uint8_t; PATH: char[size] */
	int64_t min, max;
	const char *words;	/* WORDS: "none|min", numbered from 0 */
};
#define PLUG_AT(tag, member) offsetof(struct tag, member), sizeof(((struct tag *)0)->member)
/* The parameters of channel_status that any plugin lets the operator set; the struct begins with its struct kms_channel. */
#define PLUG_CHANNEL(tag) \
	{ "delay_start", PLUG_INT, PLUG_AT(tag, channel.delay_start), INT16_MIN, INT16_MAX, NULL }, \
	{ "delay_stop", PLUG_INT, PLUG_AT(tag, channel.delay_stop), INT16_MIN, INT16_MAX, NULL }, \
	{ "ECM_rep_period", PLUG_UINT, PLUG_AT(tag, channel.ECM_rep_period), 1, UINT16_MAX, NULL }, \
	{ "max_streams", PLUG_UINT, PLUG_AT(tag, channel.max_streams), 0, UINT16_MAX, NULL }, \
	{ "min_CP_duration", PLUG_UINT, PLUG_AT(tag, channel.min_CP_duration), 1, UINT16_MAX, NULL }, \
	{ "max_comp_time", PLUG_UINT, PLUG_AT(tag, channel.max_comp_time), 1, UINT16_MAX, NULL }

/* Reads the lines into *out. 0, or -1 with why: an unknown key, a value out of range. */
int plug_conf(const struct plug_row *, size_t n, void *out, const char *conf, char *why, size_t why_cap);
/* The sentence into why; returns -status. */
int plug_refuse(int status, char *why, size_t why_cap, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* One call of ecm(). */
struct plug_call { const struct kms_request *r; uint8_t *out; size_t cap; char *why; size_t why_cap; };
#define PLUG_NO(call, status, ...) plug_refuse(status, (call)->why, (call)->why_cap, __VA_ARGS__)

/* Protection when the peer sends no traffic_protection (0x8001). */
struct plug_protection { uint8_t protocol; bool authenticated; };
/* A key and how packets name it: as sent (0x8002), or by rule. */
struct plug_key { struct tkm tkm; uint8_t id[STKM_ID_MAX]; size_t id_len; };

/* The combination of a CP; NULL: the request has none. */
const struct kms_cw *plug_cw(const struct kms_request *, uint16_t cp);
int plug_key(const struct plug_call *, const struct plug_protection *, const struct kms_cw *, struct plug_key *);	/* 0, or -error_status */
/* No descriptor loop, or a well-formed one: 0; else -error_status. */
int plug_criteria(const struct plug_call *);
/* n of traffic_key_lifetime for a request. */
uint8_t plug_lifetime(const struct kms_request *);
#endif
