/* tests/unit/test_ca.h: a certification authority for one test: PEM files in the scratch directory */
#ifndef TESTS_UNIT_TEST_CA_H
#define TESTS_UNIT_TEST_CA_H
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "tests/unit/scratch.h"

struct test_ca { X509 *cert; EVP_PKEY *key; long serial; };

static void
ca_write(const char *path, X509 *x, EVP_PKEY *key)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	if (x)
		ck_assert(PEM_write_X509(f, x));
	if (key)
		ck_assert(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
}

static X509 *
ca_sign(struct test_ca *ca, const char *name, const char *san, EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++ca->serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(ca->cert ? ca->cert : x));
	X509_set_pubkey(x, key);
	X509V3_set_ctx(&ctx, ca->cert ? ca->cert : x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, ca->cert ? NID_subject_alt_name : NID_basic_constraints, ca->cert ? san : "critical,CA:TRUE");
	ck_assert_ptr_nonnull(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	ck_assert_int_gt(X509_sign(x, ca->cert ? ca->key : key, EVP_sha256()), 0);
	return x;
}

/* DIR/NAME.pem */
static void
ca_open(struct test_ca *ca, const char *name)
{
	char file[64];

	*ca = (struct test_ca){ 0 };
	ca->key = EVP_EC_gen("P-256");
	ca->cert = ca_sign(ca, name, NULL, ca->key);
	snprintf(file, sizeof(file), "%s.pem", name);
	ca_write(scratch(file), ca->cert, NULL);
}

/* DIR/NAME.pem and DIR/NAME.key, for 127.0.0.1 */
static void
ca_issue(struct test_ca *ca, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = ca_sign(ca, name, "IP:127.0.0.1,DNS:localhost", key);
	char file[64];

	snprintf(file, sizeof(file), "%s.pem", name);
	ca_write(scratch(file), x, NULL);
	snprintf(file, sizeof(file), "%s.key", name);
	ca_write(scratch(file), NULL, key);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
ca_close(struct test_ca *ca)
{
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
}
#endif
