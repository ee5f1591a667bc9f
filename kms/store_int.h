/* kms/store_int.h: what the files of the SQLite store share. All of its SQL is in store_schema.c. */
#ifndef KMS_STORE_INT_H
#define KMS_STORE_INT_H
#include "kms/store.h"
#include "lib/store_db.h"

enum kms_query {
	SUB_PUT, SUB_CHANGE, SUB_GET, SUB_BY_NAME, SUB_BY_IMPI, SUB_BY_MSISDN, SUB_SQN, SUB_SQN_SKIP, SUB_END, SUBS,
	GBA_TAKEN, GBA_OVER, GBA_PUT, GBA_RENEW, GBA_GET, GBA_LIVE, GBA_SPEND, GBA_SKIP, SPENT_SKIP,
	REG_PUT, REG_GET, REG_UNREACHABLE, REG_END, REGS, REG_COUNTS,
	SERVICE_PUT, SERVICE_CHANGE, SERVICE_GET, SERVICE_FIND, SERVICE_URI, SERVICE_GROUP, SERVICES, SERVICE_HAS_KEYS, SERVICE_NEXT_GROUP,
	SERVICE_PEK, SERVICE_RENAME, SERVICE_FREE, STREAM_PUT, STREAM_GET, STREAM_OF, STREAMS_END,
	SALES_END, KEYS_END, TEKS_END, OUTS_END, ROLLS_END,
	SALE_PUT, SALE_ORDER, SALE_GET, SALE_UNTIL, SALE_MARK, SALES_OF, SALES_IN, ENTITLED,
	KEY_NEW, KEY_LAST, KEY_PUT, KEY_GET, KEY_NUMBER, KEY_CURRENT, KEY_RETIRE, KEY_USE, KEY_STATE, KEY_VALIDITY, KEY_UPPER, KEYS,
	TEK_GET, TEK_LAST, TEK_PUT, TEK_TRIM, TEK_FORGET,
	OUT_PUT, OUT_CHANGE, OUT_FIND, OUT_DUE, OUT_NEXT, OUT_BACK, OUTS_OF, OUT_TRIM, TALLY,
	ROLL_PUT, ROLL_GET, ROLL_CHANGE, ROLL_INSTEAD, ROLL_LEFT, ROLLS,
	NONCE_USE, NONCE_TRIM, AUDIT, AUDITS, REG_TRIM, GBA_TRIM,
	TURN_SUB, TURNED_SUB, TURN_GBA, TURNED_GBA, TURN_KEY, TURNED_KEY, TURN_NOTE, TURNED_NOTE,
	NQUERIES
};
extern const struct gw_db_kind kms_store_kind;

struct kms_store {
	struct gw_db *db;
	struct gw_wrap *wrap;
	char path[4096], master[4096 + 8];
};

enum { KMS_SECRET = 256 };	/* no row's keys are longer */
/* Octets of the wrapped keys, -1. */
int kms_store_seal(struct kms_store *, const void *keys, size_t len, uint8_t out[KMS_SECRET + GW_WRAP_OVERHEAD]);
/* The keys in a column, of exactly that length. -1: tampered with, or of another master key; logged. */
int kms_store_unseal(struct kms_store *, enum kms_query, int column, void *keys, size_t len);

/* The first column of the first row; `none` without one. */
enum gw_outcome kms_store_number(struct kms_store *, enum kms_query, int stepped, int64_t none, int64_t *out);

/* Ends a list: what its last step said. */
enum gw_outcome kms_store_listed(struct kms_store *, enum kms_query, int stepped);

void kms_store_service_row(struct kms_store *, enum kms_query, struct kms_service *);
/* Draws the Key Group of a service's PEKs if it has none. Within a transaction. */
enum gw_outcome kms_store_pek_group(struct kms_store *, int64_t service);
#endif
