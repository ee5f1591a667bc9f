/* lib/tls_name.h: whose certificate it is, by its subjectAltName alone */
#ifndef GW_TLS_NAME_H
#define GW_TLS_NAME_H
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The certificate carries the identity as a DNS name (whatever the case of letters; no wildcards) or, when there is a ':' in it, as a URI, octet for
 * octet. Its subject does not count, and neither do names with a NUL in them.
 */
bool gw_tls_names(const X509 *, const char *identity);
bool gw_tls_names_der(const uint8_t *der, size_t len, const char *identity);
#endif
