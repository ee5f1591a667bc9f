/*
 * lib/httpd_tls.h: what a TLS server shows and whom it believes, loaded whole before anything is replaced. For lib/httpd; gw_tls_check also for clients
 * that want to know before they call.
 */
#ifndef GW_HTTPD_TLS_H
#define GW_HTTPD_TLS_H
#include <openssl/ssl.h>
#include "lib/err.h"

/* client_ca: NULL: no certificate is asked for. All files are read and fitted together before *ctx changes; connections that exist keep what they have. */
int gw_tls_credentials(SSL_CTX *, const char *certificate, const char *private_key, const char *client_ca, struct gw_err *);
/* The same without a context to change: do the files fit together? */
int gw_tls_check(const char *certificate, const char *private_key, const char *client_ca, struct gw_err *);
#endif
