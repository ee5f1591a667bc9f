/* tests/fuzz/fuzz_tls_name.c: certificates: whom we find in one, OpenSSL finds in it, too */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include "lib/tls_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char name[] = "bsm1.operator.example", uri[] = "urn:operator:bsm2";
	const unsigned char *p = data;
	bool found = gw_tls_names_der(data, size, name);
	X509 *x;

	gw_tls_names_der(data, size, uri);
	gw_tls_names_der(data, size, "");
	if (!found)
		return 0;
	x = d2i_X509(NULL, &p, (long)size);
	if (!x || !gw_tls_names(x, name) ||
	    X509_check_host(x, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS, NULL) != 1)
		abort();
	X509_free(x);
	ERR_clear_error();
	return 0;
}
