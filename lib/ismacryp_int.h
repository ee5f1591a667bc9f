/* lib/ismacryp_int.h: what sender and receiver of ISMACryp share; nobody else includes it */
#ifndef GW_ISMACRYP_INT_H
#define GW_ISMACRYP_INT_H
#include "lib/secret.h"
#include "lib/transform.h"
#include "proto/au.h"
#include "proto/rtp.h"

enum {
	TEK = 16, SALT = 8, TAK = 20, TAG = 10, ROC = 4, NAME = 8,
	KEYS = 8,			/* that a receiver holds; whose BSO a sender remembers */
	SOURCES = 16,			/* SSRCs at a time */
	AUS = 128,			/* access units in a packet */
	AAC_MOST = 1 << 13,		/* octets of an access unit: AU-size has 13 bits */
	H264_MOST = 4 << 20,
};

/* A key made ready: in locked memory. */
struct gw_xkey {
	struct gw_aes aes;
	struct gw_hmac mac;
	struct gw_secret block;		/* the memory this lies in */
	uint8_t salt[SALT], id[2], name[NAME];
	size_t id_len;
	uint64_t since;			/* receiver: when it came, by count */
};
struct gw_xkey *ismacryp_key(const struct gw_material *, bool authenticated, struct gw_err *);
void ismacryp_key_free(struct gw_xkey *);
/* The counter block of an octet of the byte stream; returns what is to be left out of its key stream. */
unsigned ismacryp_counter(const struct gw_xkey *, uint64_t bso, uint8_t iv[GW_AES_BLOCK]);
struct au_params ismacryp_params(enum gw_media_type, size_t id_len);

/* Headers of packets that are made here, and of packets that were changed where they lie: what padding there was is gone. */
void ismacryp_header(uint8_t *p, bool marker, uint8_t payload_type, uint16_t seq, uint32_t timestamp, uint32_t ssrc);
void ismacryp_renew(uint8_t *p, bool marker, uint8_t payload_type);
static inline void
ismacryp_put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}
/* The access units of a packet into list; their number, or 0: malformed. */
size_t ismacryp_read(const struct au_params *, const uint8_t *payload, size_t len, struct au list[AUS], size_t *section);
/* The 48-bit number nearest to highest that ends in seq. */
uint64_t ismacryp_nearest(uint64_t highest, uint16_t seq);

/*
 * Putting access units together. Packets come in order or their access unit is lost. A packet a little behind is late; two of them in a row
 * are a source that began anew. After a gap nothing is known until the next boundary: a marker, or a change of the time stamp between
 * neighbours.
 */
enum assembly_state { IDLE, OPEN, BROKEN };
struct assembly {
	bool known, late;
	uint32_t ssrc, timestamp;	/* of the access unit at hand */
	uint16_t expect, late_next;
	enum assembly_state state;
};
enum { STEP_ADD, STEP_BEGIN, STEP_END_AND_BEGIN, STEP_DROP };
/* What to do with a packet; for STEP_DROP *v says why. The caller goes to IDLE behind a marker. */
int ismacryp_step(struct assembly *, const struct rtp *, bool may_begin, int *v);

struct gw_tx;
struct gw_rx;
size_t ismacryp_marks_len(const struct gw_tx_conf *);
struct gw_tx *ismacryp_tx_new(const struct gw_tx_conf *, struct gw_err *);
void ismacryp_tx_free(struct gw_tx *);
struct gw_tx_medium *ismacryp_medium_new(struct gw_tx *, const struct gw_tx_medium_conf *, struct gw_err *);
void ismacryp_medium_free(struct gw_tx_medium *);
struct gw_xkey *ismacryp_key_new(const struct gw_tx *, const struct gw_material *, struct gw_err *);
struct gw_xkey *ismacryp_use(struct gw_tx *, struct gw_xkey *);
int ismacryp_protect(struct gw_tx *, struct gw_tx_medium *, struct gw_pk *, struct gw_burst *, struct gw_sink *);
size_t ismacryp_sources(const struct gw_tx *, struct gw_source *, size_t n);

struct gw_rx *ismacryp_rx_new(const struct gw_rx_conf *, struct gw_err *);
void ismacryp_rx_free(struct gw_rx *);
int ismacryp_rx_key(struct gw_rx *, const struct gw_material *, struct gw_err *);
void ismacryp_rx_drop(struct gw_rx *, const uint8_t *id, size_t id_len);
int ismacryp_unprotect(struct gw_rx *, struct gw_pk *, struct gw_rx_got *, struct gw_sink *);
bool ismacryp_in_clear(const struct gw_rx *, const struct gw_pk *);
#endif
