/*
 * kms/rsa.h: the RSA of registration on the broadcast channel (bcast-drm-profile 9): OAEP and PSS, both with SHA-1 and MGF1
 * with SHA-1.
 */
#ifndef KMS_RSA_H
#define KMS_RSA_H
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

enum { RSA_OCTETS_MAX = 1024, RSA_SHA1 = 20, RSA_SALT = 20 };	/* modulus up to 8192 bits */

/*
 * PEM files, RSA of 1024 to 8192 bits; a private key's file must have mode 0600 and no passphrase. NULL with *err, which names
 * the file.
 */
EVP_PKEY *rsa_private(const char *path, struct gw_err *);
EVP_PKEY *rsa_public(const char *path, struct gw_err *);
/* SHA-1 of the whole DER SubjectPublicKeyInfo: rights_issuer_id. 0, or -1. */
int rsa_id(EVP_PKEY *, uint8_t out[RSA_SHA1]);
/* Octets written, as many as the modulus has; 0: OpenSSL refuses or cap is too small. */
size_t rsa_oaep_seal(EVP_PKEY *, const void *in, size_t len, uint8_t *out, size_t cap);
/* Exactly len octets of clear text into out. 0, or -1: another length, or no OAEP of this key. */
int rsa_oaep_open(EVP_PKEY *, const void *in, size_t in_len, uint8_t *out, size_t len);
size_t rsa_pss_sign(EVP_PKEY *, const void *msg, size_t len, uint8_t *out, size_t cap);
int rsa_pss_verify(EVP_PKEY *, const void *msg, size_t len, const uint8_t *signature, size_t signature_len);	/* 0: it is right */
#endif
