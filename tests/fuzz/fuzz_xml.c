/*
 * tests/fuzz/fuzz_xml.c: documents from strangers: both ways of reading them say the same, octet by octet and line by line; what parses as one of ours prints, and
 * what is printed parses to the same.
 */
#include <stdlib.h>
#include <string.h>
#include "kms/mbms_xml.h"
#include "lib/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
same(const struct mbms_list *a, const struct mbms_list *b)
{
	if (a->n != b->n)
		abort();
	for (size_t i = 0; i < a->n; i++) {
		const struct mbms_item *x = &a->items[i], *y = &b->items[i];
		if (strcmp(x->service, y->service) != 0 || x->code != y->code || memcmp(x->key.domain, y->key.domain, sizeof(x->key.domain)) != 0 ||
		    x->key.key_group != y->key.key_group || x->key.key_number != y->key.key_number)
			abort();
	}
}

static void
round_trip(enum mbms_procedure p, bool response, const uint8_t *data, size_t size)
{
	int (*parse)(enum mbms_procedure, const void *, size_t, struct mbms_list *, struct gw_err *) = response ? mbms_response_parse : mbms_request_parse;
	struct mbms_list l, again;
	struct gw_err err;
	char *text;

	if (parse(p, data, size, &l, &err) < 0)
		return;
	text = response ? mbms_response_print(p, &l) : mbms_request_print(p, &l);
	if (!text || parse(p, text, strlen(text), &again, &err) < 0)
		abort();
	same(&l, &again);
	free(text);
	mbms_list_free(&l);
	mbms_list_free(&again);
}

static void
bootstrapping(const uint8_t *data, size_t size)
{
	char name[320], once_more[320];
	int64_t at, then;
	char *text;

	if (mbms_bootstrapping_parse(data, size, name, sizeof(name), &at, NULL) < 0)
		return;
	text = mbms_bootstrapping_print(name, at);
	if (text && (mbms_bootstrapping_parse(text, strlen(text), once_more, sizeof(once_more), &then, NULL) < 0 || then != at || strcmp(name, once_more) != 0))
		abort();
	free(text);
}

/* ---- the light tree and libxml2's own ---- */

static void
same_words(const void *a, const void *b)
{
	if (!a != !b || (a && strcmp(a, b) != 0))
		abort();
}

static bool
is_text(const xmlNode *n)
{
	return n && (n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE);
}

/* Texts side by side, which may be cut in other places: both past them. */
static void
same_texts(const xmlNode **a, const xmlNode **b)
{
	const char *p = "", *q = "";

	for (;;) {
		for (; *p == '\0' && is_text(*a); *a = (*a)->next)
			p = (const char *)(*a)->content;
		for (; *q == '\0' && is_text(*b); *b = (*b)->next)
			q = (const char *)(*b)->content;
		if (*p != *q)
			abort();
		if (*p == '\0')
			return;
		p++;
		q++;
	}
}

static void
same_attributes(const xmlAttr *a, const xmlAttr *b)
{
	for (; a && b; a = a->next, b = b->next) {
		const xmlNode *p = a->children, *q = b->children;

		same_words(a->name, b->name);
		same_words(a->ns ? a->ns->href : NULL, b->ns ? b->ns->href : NULL);
		same_texts(&p, &q);
		if (p || q)
			abort();
	}
	if (a || b)
		abort();
}

/* Not deep: GW_XML_DEPTH. */
static void
same_elements(const xmlNode *a, const xmlNode *b)
{
	const xmlNode *p = a->children, *q = b->children;

	same_words(a->name, b->name);
	same_words(a->ns ? a->ns->href : NULL, b->ns ? b->ns->href : NULL);
	if (a->type != XML_ELEMENT_NODE || xmlGetLineNo(a) != xmlGetLineNo(b))
		abort();
	same_attributes(a->properties, b->properties);
	for (;; p = p->next, q = q->next) {
		same_texts(&p, &q);
		if (!p && !q)
			return;
		if (!p || !q)
			abort();
		same_elements(p, q);
	}
}

static bool
both_ways(const uint8_t *data, size_t size)
{
	struct gw_err e = { 0 }, f = { 0 };
	xmlDoc *doc = gw_xml_parse(data, size, &e);
	struct gw_xml *light = gw_xml_read(data, size, &f);

	if (!doc != !light || e.code != f.code || strcmp(e.text, f.text) != 0)
		abort();
	if (light) {
		same_words(gw_xml_encoding(light), doc->encoding);
		same_elements(gw_xml_root(light), xmlDocGetRootElement(doc));
	}
	gw_xml_free(light);
	xmlFreeDoc(doc);
	return light != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!both_ways(data, size))
		return 0;
	for (int p = 0; p < MBMS_PROCEDURES; p++) {
		round_trip(p, false, data, size);
		round_trip(p, true, data, size);
	}
	bootstrapping(data, size);
	return 0;
}
