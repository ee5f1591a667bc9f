/* lib/srtp_int.h: what the files of the SRTP row share */
#ifndef GW_SRTP_INT_H
#define GW_SRTP_INT_H
#include <srtp2/srtp.h>
#include "lib/secret.h"
#include "lib/srtp_index.h"
#include "lib/transform.h"

enum {
	SRTP_KEY = 16, SRTP_SALT = 14, SRTP_MASTER = SRTP_KEY + SRTP_SALT, SRTP_MKI = 8,
	SRTP_TAG = 10, SRTP_ROC = 4,
	SRTP_RTP = 12, SRTCP_HEADER = 8, SRTCP_INDEX = 4,	/* octets in clear at least; E flag and index */
	SRTP_DATAGRAM = 65507,
};

/* Session keys (RFC 3711 4.3, key derivation rate 0). They do not depend on the SSRC: once per master key. */
struct srtp_session_keys {
	struct gw_aes rtp; struct gw_hmac rtp_mac; uint8_t rtp_salt[SRTP_SALT];	/* together: srtp_warm */
	struct gw_aes rtcp; struct gw_hmac rtcp_mac; uint8_t rtcp_salt[SRTP_SALT];
};
struct srtp_key {
	uint8_t mki[SRTP_MKI]; size_t mki_len;
	bool authenticated;
	uint8_t name[GW_SRTP_NAME];	/* of gw_fingerprint: names it in marks */
	struct gw_secret derived;	/* struct srtp_session_keys */
	struct gw_secret master;	/* for libsrtp2; else empty */
};
/* with_master: libsrtp2 will need it. -1 with *err; then it is empty. */
int srtp_key_set(struct srtp_key *, const struct gw_material *, bool with_master, struct gw_err *);
void srtp_key_free(struct srtp_key *);
static inline const struct srtp_session_keys *
srtp_keys_of(const struct srtp_key *k)
{
	return (const void *)k->derived.p;
}
/* label 0..5 of 4.3.1 and 4.3.2: n octets to out */
void srtp_derive(const uint8_t key[SRTP_KEY], const uint8_t salt[SRTP_SALT], uint8_t label, uint8_t *out, size_t n);
/* Counter block of a packet (4.1.1); index: 48 bits, or SRTCP's 31 */
static inline void
srtp_iv(const uint8_t salt[SRTP_SALT], uint32_t ssrc, uint64_t index, uint8_t iv[GW_AES_BLOCK])
{
	for (int i = 0; i < SRTP_SALT; i++)
		iv[i] = salt[i];
	iv[14] = iv[15] = 0;
	for (int i = 0; i < 4; i++)
		iv[4 + i] ^= (uint8_t)(ssrc >> (24 - 8 * i));
	for (int i = 0; i < 6; i++)
		iv[8 + i] ^= (uint8_t)(index >> (40 - 8 * i));
}
static inline void
srtp_put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}
static inline uint32_t
srtp_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One libsrtp2 session per key and source: a new key is made ready without touching the one in use. */
struct srtp_session {
	srtp_t ctx;
	uint32_t ssrc;
	uint64_t at;			/* highest index it has worked on */
};
int srtp_session_open(struct srtp_session *, const struct srtp_key *, uint32_t ssrc);	/* -1: refused */
void srtp_session_close(struct srtp_session *);
/*
 * libsrtp2 makes its own guess of the index; where that is not ours, we say the ROC. It heeds it only when the index lies more
 * than 2^15 ahead (else it keeps it for later packets), so nothing else may be asked for: false.
 */
bool srtp_session_aim(struct srtp_session *, uint64_t index);

/* How conf->marks are laid out. */
struct srtp_rtcp_mark {
	uint64_t reserved;		/* SRTCP packets counted ahead; the index is its low 31 bits */
	uint64_t begun;			/* where the key's count began */
	uint8_t key[GW_SRTP_NAME];
	uint64_t spare;
};
struct srtp_marks { struct srtp_rtcp_mark rtcp; struct gw_srtp_mark sources[]; };
struct gw_tx_medium { uint32_t index; };

size_t srtp_marks_len(const struct gw_tx_conf *);
struct gw_tx *srtp_tx_new(const struct gw_tx_conf *, struct gw_err *);
void srtp_tx_free(struct gw_tx *);
struct gw_tx_medium *srtp_medium_new(struct gw_tx *, const struct gw_tx_medium_conf *, struct gw_err *);
void srtp_medium_free(struct gw_tx_medium *);
struct gw_xkey *srtp_key_new(const struct gw_tx *, const struct gw_material *, struct gw_err *);
void srtp_xkey_free(struct gw_xkey *);
struct gw_xkey *srtp_use(struct gw_tx *, struct gw_xkey *);
int srtp_protect_rtp(struct gw_tx *, struct gw_tx_medium *, struct gw_pk *, struct gw_burst *, struct gw_sink *);
void srtp_warm(const struct gw_tx *, unsigned step);
int srtp_protect_report(struct gw_tx *, struct gw_tx_medium *, struct gw_pk *, struct gw_burst *);
size_t srtp_sources(const struct gw_tx *, struct gw_source *, size_t n);

struct gw_rx *srtp_rx_new(const struct gw_rx_conf *, struct gw_err *);
void srtp_rx_free(struct gw_rx *);
int srtp_rx_key(struct gw_rx *, const struct gw_material *, struct gw_err *);
void srtp_rx_drop(struct gw_rx *, const uint8_t *id, size_t id_len);
int srtp_unprotect_rtp(struct gw_rx *, struct gw_pk *, struct gw_rx_got *, struct gw_sink *);
int srtp_unprotect_report(struct gw_rx *, struct gw_pk *, struct gw_rx_got *);
bool srtp_in_clear(const struct gw_rx *, const struct gw_pk *);
#endif
