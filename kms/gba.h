/* kms/gba.h: bootstrapping: MILENAGE, Ks, B-TID and the keys of a NAF (bcast-smartcard-profile 3.1, 3.2; TS 35.206, TS 33.220 annex B). */
#ifndef KMS_GBA_H
#define KMS_GBA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* f1 to f5 and their starred ones for one RAND. 0, or -1. */
struct milenage { uint8_t mac_a[8], mac_s[8], res[8], ck[16], ik[16], ak[6], ak_s[6]; };
int milenage(const uint8_t k[16], const uint8_t opc[16], const uint8_t rand[16], const uint8_t sqn[6], const uint8_t amf[2], struct milenage *);
int milenage_opc(const uint8_t k[16], const uint8_t op[16], uint8_t opc[16]);

/* An authentication vector; sqn is the one to use. mac_star: MAC XOR the first 64 bits of SHA-1(IK), for a GBA_U card (V02). */
struct gba_vector { uint8_t rand[16], autn[16], res[8], ks[32]; };
int gba_vector(const uint8_t k[16], const uint8_t opc[16], const uint8_t sqn[6], const uint8_t amf[2], const uint8_t rand[16], bool mac_star,
    struct gba_vector *);
/* The card's side: AUTN checked and SQN taken out of it. GBA_SYNC: sqn is not above the card's; auts is filled. */
enum gba_auth { GBA_OK, GBA_BAD_MAC, GBA_SYNC, GBA_FAILED };
enum gba_auth gba_answer(const uint8_t k[16], const uint8_t opc[16], const uint8_t amf[2], const uint8_t rand[16], const uint8_t autn[16], bool mac_star,
    uint8_t sqn[6], struct gba_vector *, uint8_t auts[14]);
/* The network's side of a synchronisation failure: SQN of the card. 0, or -1: not authentic. */
int gba_resync(const uint8_t k[16], const uint8_t opc[16], const uint8_t rand[16], const uint8_t auts[14], uint8_t sqn[6]);

/* base64(RAND)@BSF; octets without NUL, 0: no room. */
size_t gba_btid(const uint8_t rand[16], const char *bsf, char *out, size_t cap);
/* The keys of a NAF for the MBMS Ua protocol. me: MUK = Ks_NAF and MRK of it (1.1); else SMK = Ks_int_NAF, SRK = Ks_ext_NAF. 0, or -1. */
int gba_naf_keys(const uint8_t ks[32], const uint8_t rand[16], const char *impi, const char *naf, bool me, uint8_t smk[32], uint8_t srk[32]);
#endif
