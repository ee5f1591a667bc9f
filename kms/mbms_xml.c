/* kms/mbms_xml.c */
#include "kms/mbms_xml.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/xml.h"

const char mbms_all_services[] = "urn:allServices";
const char mbms_bootstrapping_type[] = "application/vnd.3gpp.bsf+xml";

/*
 * Reading: only the media types (IANA) and the namespace of mskResponse (TS 26.346 C.12) are confirmed; the other names follow the sister schema of
 * TS 26.237. What another implementation calls otherwise is changed here. entry: the element around each item, NULL: the items are the root's children.
 */
static const struct document { const char *media_type, *root, *space, *entry; bool keys, codes; } documents[MBMS_PROCEDURES][2] = {
	[MBMS_REGISTER] = {
		{ "application/mbms-register+xml", "mbmsSecurityRegister", "urn:3GPP:metadata:2005:MBMS:userServiceRegister", NULL, false, false },
		{ "application/mbms-register-response+xml", "mbmsSecurityRegisterResponse", "urn:3GPP:metadata:2005:MBMS:userServiceRegisterResponse",
		    "Response", false, true } },
	[MBMS_DEREGISTER] = {
		{ "application/mbms-deregister+xml", "mbmsSecurityDeregister", "urn:3GPP:metadata:2005:MBMS:userServiceDeregister", NULL, false, false },
		{ "application/mbms-register-response+xml", "mbmsSecurityRegisterResponse", "urn:3GPP:metadata:2005:MBMS:userServiceRegisterResponse",
		    "Response", false, true } },
	[MBMS_MSK] = {
		{ "application/mbms-msk+xml", "mbmsMSKRequest", "urn:3GPP:metadata:2005:MBMS:msk", "MSK", true, false },
		{ "application/mbms-msk-response+xml", "mskResponse", "urn:3GPP:metadata:2005:MBMS:mskResponse", "MSK", true, true } },
};
static const char *const request_types[MBMS_PROCEDURES] = { "register", "deregister", "msk-request" };
enum { DOMAIN_OCTETS = 3, KEY_OCTETS = 4, DOMAIN_TEXT = 4, KEY_TEXT = 8 };

const char *
mbms_media_type(enum mbms_procedure p, bool response)
{
	return documents[p][response].media_type;
}

const char *
mbms_request_type(enum mbms_procedure p)
{
	return request_types[p];
}

/* One of the query's values is that word, under whatever name: the name is a reading, too. */
static bool
query_says(const char *query, const char *word)
{
	size_t n = strlen(word), len, from;

	for (; *query; query += len + (query[len] != '\0')) {
		len = strcspn(query, "&;");
		from = strcspn(query, "=&;");
		from = from < len ? from + 1 : 0;
		if (len - from == n && memcmp(query + from, word, n) == 0)
			return true;
	}
	return false;
}

int
mbms_procedure_of(const char *content_type, const char *query)
{
	for (int p = 0; p < MBMS_PROCEDURES; p++)
		if (content_type && strcmp(content_type, documents[p][false].media_type) == 0)
			return p;
	for (int p = 0; p < MBMS_PROCEDURES; p++)
		if (query && query_says(query, request_types[p]))
			return p;
	return -1;
}

void
mbms_list_free(struct mbms_list *l)
{
	free(l->items);
	*l = (struct mbms_list){ 0 };
}

/* reading */

static int
wrong(const xmlNode *n, const char *element, const char *what, struct gw_err *err)
{
	return gw_fail(err, GW_EPEER, "line %ld: %s %s", xmlGetLineNo(n), element, what);
}

/* Exactly so many octets, in the one way that base64 has for them. */
static bool
from_base64(const char *text, uint8_t *out, size_t octets)
{
	uint8_t got[9], again[13];
	size_t chars = (octets + 2) / 3 * 4;

	if (strlen(text) != chars || EVP_DecodeBlock(got, (const uint8_t *)text, (int)chars) < 0)
		return false;
	EVP_EncodeBlock(again, got, (int)octets);
	memcpy(out, got, octets);
	return memcmp(again, text, chars) == 0;
}

static int
read_key(const xmlNode *n, struct mikey_ids *ids, struct gw_err *err)
{
	const xmlNode *domain = gw_xml_child(n, "keyDomainID"), *key = gw_xml_child(n, "MSKID");
	char text[16];
	uint8_t id[KEY_OCTETS];

	if (!gw_xml_text(domain, text, sizeof(text)) || !from_base64(text, ids->domain, DOMAIN_OCTETS))
		return wrong(n, "keyDomainID", "is not the base64 of 3 octets", err);
	if (!gw_xml_text(key, text, sizeof(text)) || !from_base64(text, id, KEY_OCTETS))
		return wrong(n, "MSKID", "is not the base64 of 4 octets", err);
	ids->has_domain = ids->has_key = true;
	ids->key_group = (uint16_t)(id[0] << 8 | id[1]);
	ids->key_number = (uint16_t)(id[2] << 8 | id[3]);
	return 0;
}

static int
read_service(const xmlNode *n, char *out, size_t cap, struct gw_err *err)
{
	return gw_xml_text(n, out, cap) && out[0] ? 0 : wrong(n, "serviceID", "is empty or too long", err);
}

static int
read_code(const xmlNode *n, unsigned *code, struct gw_err *err)
{
	char text[8];

	if (!gw_xml_text(gw_xml_child(n, "ResponseCode"), text, sizeof(text)) || strlen(text) != 3 || strspn(text, "0123456789") != 3 || text[0] == '0')
		return wrong(n, "ResponseCode", "is no code of three digits", err);
	*code = (unsigned)atoi(text);
	return 0;
}

static int
read_item(const struct document *d, const xmlNode *n, struct mbms_item *i, struct gw_err *err)
{
	const xmlNode *service = d->entry && !d->keys ? gw_xml_child(n, "serviceID") : n;

	if (d->keys && read_key(n, &i->key, err) < 0)
		return -1;
	if (!d->keys && !service)
		return wrong(n, "serviceID", "is missing", err);
	if (!d->keys && read_service(service, i->service, sizeof(i->service), err) < 0)
		return -1;
	return d->codes ? read_code(n, &i->code, err) : 0;
}

static struct mbms_item *
add_item(struct mbms_list *l, const xmlNode *n, struct gw_err *err)
{
	struct mbms_item *more;

	if (l->n == MBMS_ITEMS) {
		wrong(n, (const char *)n->name, "stands there too often", err);
		return NULL;
	}
	if ((l->n & (l->n - 1)) == 0) {		/* 0, 1, 2, 4 …: full */
		more = realloc(l->items, (l->n ? 2 * l->n : 1) * sizeof(*more));
		if (!more) {
			gw_fail(err, GW_ESYS, "out of memory");
			return NULL;
		}
		l->items = more;
	}
	l->items[l->n] = (struct mbms_item){ 0 };
	return &l->items[l->n++];
}

static int
read_items(const struct document *d, const xmlNode *root, struct mbms_list *l, struct gw_err *err)
{
	const char *name = d->entry ? d->entry : "serviceID";

	if (strcmp((const char *)root->name, d->root) != 0)
		return gw_fail(err, GW_EPEER, "line %ld: the document is a %.64s, not a %s", xmlGetLineNo(root), (const char *)root->name, d->root);
	for (xmlNode *n = gw_xml_child(root, name); n; n = gw_xml_next(n->next, name)) {
		struct mbms_item *i = add_item(l, n, err);
		if (!i || read_item(d, n, i, err) < 0)
			return -1;
	}
	return l->n > 0 ? 0 : wrong(root, name, "is missing", err);
}

static int
parse(const struct document *d, const void *text, size_t len, struct mbms_list *l, struct gw_err *err)
{
	struct gw_xml *doc = gw_xml_read(text, len, err);
	int rc;

	*l = (struct mbms_list){ 0 };
	if (!doc)
		return -1;
	rc = read_items(d, gw_xml_root(doc), l, err);
	gw_xml_free(doc);
	if (rc < 0)
		mbms_list_free(l);
	return rc;
}

int
mbms_request_parse(enum mbms_procedure p, const void *text, size_t len, struct mbms_list *l, struct gw_err *err)
{
	return parse(&documents[p][false], text, len, l, err);
}

int
mbms_response_parse(enum mbms_procedure p, const void *text, size_t len, struct mbms_list *l, struct gw_err *err)
{
	return parse(&documents[p][true], text, len, l, err);
}

/* writing */

/* Octet for octet as V24 and V28: Digest is over the text. */
static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n";

static void
print_key(FILE *f, const struct mikey_ids *ids)
{
	uint8_t domain[DOMAIN_TEXT + 1], key[KEY_TEXT + 1];
	const uint8_t id[KEY_OCTETS] = { (uint8_t)(ids->key_group >> 8), (uint8_t)ids->key_group, (uint8_t)(ids->key_number >> 8), (uint8_t)ids->key_number };

	EVP_EncodeBlock(domain, ids->domain, DOMAIN_OCTETS);
	EVP_EncodeBlock(key, id, KEY_OCTETS);
	fprintf(f, "<keyDomainID>%s</keyDomainID><MSKID>%s</MSKID>", (char *)domain, (char *)key);
}

static void
print_service(FILE *f, const char *service)
{
	char text[6 * MBMS_URI];

	gw_xml_escape(service, text, sizeof(text));
	fprintf(f, "<serviceID>%s</serviceID>", text);
}

static void
print_item(FILE *f, const struct document *d, const struct mbms_item *i)
{
	if (d->entry)
		fprintf(f, "<%s>", d->entry);
	if (d->keys)
		print_key(f, &i->key);
	else
		print_service(f, i->service);
	if (d->codes)
		fprintf(f, "<ResponseCode>%03u</ResponseCode>", i->code % 1000);
	if (d->entry)
		fprintf(f, "</%s>", d->entry);
}

static char *
print(const struct document *d, const struct mbms_list *l)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fprintf(f, "%s<%s xmlns=\"%s\">", declaration, d->root, d->space);
	for (size_t i = 0; i < l->n; i++)
		print_item(f, d, &l->items[i]);
	fprintf(f, "</%s>\r\n", d->root);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

char *
mbms_request_print(enum mbms_procedure p, const struct mbms_list *l)
{
	return print(&documents[p][false], l);
}

char *
mbms_response_print(enum mbms_procedure p, const struct mbms_list *l)
{
	return print(&documents[p][true], l);
}

/* BootstrappingInfo (TS 24.109) */

/* The second in which it expires has begun when the key ends: rounded down. */
char *
mbms_bootstrapping_print(const char *btid, int64_t expires_us)
{
	char name[6 * MBMS_URI], *text = NULL;
	time_t at = (time_t)(expires_us / 1000000);
	struct tm tm;

	if (!gmtime_r(&at, &tm) || tm.tm_year + 1900 > 9999 || gw_xml_escape(btid, name, sizeof(name)) >= sizeof(name))
		return NULL;
	if (asprintf(&text, "%s<BootstrappingInfo xmlns=\"uri:3gpp-gba\">\n  <btid>%s</btid>\n  <lifetime>%04d-%02d-%02dT%02d:%02d:%02dZ</lifetime>\n"
	    "</BootstrappingInfo>\n", declaration, name, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec) < 0)
		return NULL;
	return text;
}

static bool
digits(const char **p, int n, int least, int most, int *out)
{
	*out = 0;
	for (; n > 0; n--, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*out = 10 * *out + (**p - '0');
	}
	return *out >= least && *out <= most;
}

/* Z, +hh:mm or -hh:mm; without one it is UTC, too. */
static bool
read_zone(const char *p, int *offset_s)
{
	int hours, minutes, sign = *p == '-' ? -1 : 1;

	*offset_s = 0;
	if (*p == '\0' || strcmp(p, "Z") == 0)
		return true;
	if (*p != '+' && *p != '-')
		return false;
	p++;
	if (!digits(&p, 2, 0, 14, &hours) || *p++ != ':' || !digits(&p, 2, 0, 59, &minutes) || *p)
		return false;
	*offset_s = sign * (60 * hours + minutes) * 60;
	return true;
}

/* xs:dateTime; fractions are left out. */
static bool
read_time(const char *p, int64_t *utc_us)
{
	struct tm tm = { 0 };
	int offset_s;

	if (!digits(&p, 4, 1970, 9999, &tm.tm_year) || *p++ != '-' || !digits(&p, 2, 1, 12, &tm.tm_mon) || *p++ != '-' ||
	    !digits(&p, 2, 1, 31, &tm.tm_mday) || *p++ != 'T' || !digits(&p, 2, 0, 23, &tm.tm_hour) || *p++ != ':' ||
	    !digits(&p, 2, 0, 59, &tm.tm_min) || *p++ != ':' || !digits(&p, 2, 0, 60, &tm.tm_sec))
		return false;
	if (*p == '.')
		p += 1 + strspn(p + 1, "0123456789");
	if (!read_zone(p, &offset_s))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*utc_us = ((int64_t)timegm(&tm) - offset_s) * 1000000;
	return true;
}

static int
read_bootstrapping(const xmlNode *root, char *btid, size_t cap, int64_t *expires_us, struct gw_err *err)
{
	char text[64];

	if (strcmp((const char *)root->name, "BootstrappingInfo") != 0)
		return gw_fail(err, GW_EPEER, "line %ld: the document is a %.64s, not a BootstrappingInfo", xmlGetLineNo(root), (const char *)root->name);
	if (!gw_xml_text(gw_xml_child(root, "btid"), btid, cap) || !btid[0])
		return wrong(root, "btid", "is missing, empty or too long", err);
	if (!gw_xml_text(gw_xml_child(root, "lifetime"), text, sizeof(text)) || !read_time(text, expires_us))
		return wrong(root, "lifetime", "is missing or no time", err);
	return 0;
}

int
mbms_bootstrapping_parse(const void *text, size_t len, char *btid, size_t cap, int64_t *expires_us, struct gw_err *err)
{
	struct gw_xml *doc = gw_xml_read(text, len, err);
	int rc;

	if (!doc)
		return -1;
	rc = read_bootstrapping(gw_xml_root(doc), btid, cap, expires_us, err);
	gw_xml_free(doc);
	return rc;
}
