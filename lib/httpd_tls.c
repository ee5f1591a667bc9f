/* lib/httpd_tls.c */
#include "lib/httpd_tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

struct credentials {
	X509 *own;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
	X509_STORE *believed;
	STACK_OF(X509_NAME) *names;	/* of those believed, for clients with several certificates */
};

static void
drop(struct credentials *c)
{
	X509_free(c->own);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	X509_STORE_free(c->believed);
	sk_X509_NAME_pop_free(c->names, X509_NAME_free);
	*c = (struct credentials){ 0 };
}

static int
tls_fail(struct gw_err *err, const char *path, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	gw_fail(err, GW_ECONF, "%s: %s%s%s", path, what, reason ? ": " : "", reason ? reason : "");
	ERR_clear_error();
	return -1;
}

static BIO *
open_pem(const char *path, struct gw_err *err)
{
	FILE *f = fopen(path, "re");
	BIO *b;

	if (!f) {
		gw_fail(err, GW_ECONF, "%s: %s", path, strerror(errno));
		return NULL;
	}
	b = BIO_new_fp(f, BIO_CLOSE);
	if (!b)
		fclose(f);
	return b;
}

/* A passphrase would be asked for at the terminal, which a server has not. */
static int
no_passphrase(char *buf, int size, int rw, void *arg)
{
	(void)buf;
	(void)size;
	(void)rw;
	(void)arg;
	return -1;
}

static int
load_own(struct credentials *c, const char *path, struct gw_err *err)
{
	BIO *b = open_pem(path, err);
	X509 *x;

	if (!b)
		return -1;
	c->own = PEM_read_bio_X509_AUX(b, NULL, no_passphrase, NULL);
	c->chain = sk_X509_new_null();
	while (c->own && c->chain && (x = PEM_read_bio_X509(b, NULL, no_passphrase, NULL)) != NULL)
		if (!sk_X509_push(c->chain, x))
			X509_free(x);
	BIO_free(b);
	if (!c->own || !c->chain)
		return tls_fail(err, path, "no certificate in PEM");
	ERR_clear_error();	/* the end of the file is an error for PEM_read */
	return 0;
}

static int
load_key(struct credentials *c, const char *path, struct gw_err *err)
{
	BIO *b = open_pem(path, err);

	if (!b)
		return -1;
	c->key = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL);
	BIO_free(b);
	if (!c->key)
		return tls_fail(err, path, "no private key in PEM without a passphrase");
	if (!X509_check_private_key(c->own, c->key))
		return tls_fail(err, path, "the key is not that of the certificate");
	return 0;
}

static int
load_believed(struct credentials *c, const char *path, struct gw_err *err)
{
	c->believed = X509_STORE_new();
	if (!c->believed || !X509_STORE_load_file(c->believed, path))
		return tls_fail(err, path, "no certificates in PEM");
	c->names = SSL_load_client_CA_file(path);
	if (!c->names)
		return tls_fail(err, path, "no certificates in PEM");
	return 0;
}

static int
load(struct credentials *c, const char *certificate, const char *private_key, const char *client_ca, struct gw_err *err)
{
	if (!certificate || !private_key)
		return gw_fail(err, GW_ECONF, "a TLS server needs a certificate and its private key");
	if (load_own(c, certificate, err) < 0 || load_key(c, private_key, err) < 0)
		return -1;
	return client_ca ? load_believed(c, client_ca, err) : 0;
}

/* A session that began under other rules is not resumed: its certificate was judged by them. */
static void
forget_sessions(SSL_CTX *ctx)
{
	uint8_t id[16];

	if (RAND_bytes(id, sizeof(id)) == 1)
		SSL_CTX_set_session_id_context(ctx, id, sizeof(id));
}

int
gw_tls_credentials(SSL_CTX *ctx, const char *certificate, const char *private_key, const char *client_ca, struct gw_err *err)
{
	struct credentials c = { 0 };

	if (load(&c, certificate, private_key, client_ca, err) < 0 || !SSL_CTX_use_cert_and_key(ctx, c.own, c.key, c.chain, 1)) {
		if (c.key && err && err->code == GW_OK)
			tls_fail(err, certificate, "the certificate cannot be used");
		drop(&c);
		return -1;
	}
	if (client_ca) {
		SSL_CTX_set_cert_store(ctx, c.believed);
		SSL_CTX_set_client_CA_list(ctx, c.names);
		c.believed = NULL;
		c.names = NULL;
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	} else {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	forget_sessions(ctx);
	drop(&c);
	return 0;
}

int
gw_tls_check(const char *certificate, const char *private_key, const char *client_ca, struct gw_err *err)
{
	struct credentials c = { 0 };
	int rc = load(&c, certificate, private_key, client_ca, err);

	drop(&c);
	return rc;
}
