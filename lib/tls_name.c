/* lib/tls_name.c */
#include "lib/tls_name.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>

static bool
is(const GENERAL_NAME *name, const char *identity, int type)
{
	const ASN1_IA5STRING *s = name->type == type ? name->d.ia5 : NULL;
	size_t len = strlen(identity);

	if (!s || ASN1_STRING_length(s) != (int)len || memchr(ASN1_STRING_get0_data(s), '\0', len))
		return false;
	return type == GEN_DNS ? strncasecmp((const char *)ASN1_STRING_get0_data(s), identity, len) == 0 :
	    memcmp(ASN1_STRING_get0_data(s), identity, len) == 0;
}

bool
gw_tls_names(const X509 *x, const char *identity)
{
	int type = strchr(identity, ':') ? GEN_URI : GEN_DNS;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; names && !found && i < sk_GENERAL_NAME_num(names); i++)
		found = is(sk_GENERAL_NAME_value(names, i), identity, type);
	GENERAL_NAMES_free(names);
	return found;
}

bool
gw_tls_names_der(const uint8_t *der, size_t len, const char *identity)
{
	const unsigned char *p = der;
	X509 *x = len > 0 && len < 1 << 20 ? d2i_X509(NULL, &p, (long)len) : NULL;
	bool found = x && gw_tls_names(x, identity);

	X509_free(x);
	ERR_clear_error();
	return found;
}
