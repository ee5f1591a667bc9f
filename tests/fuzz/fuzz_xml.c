/* tests/fuzz/fuzz_xml.c: documents from strangers: what parses as one of ours prints, and what is printed parses to the same */
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	xmlDoc *doc = gw_xml_parse(data, size, NULL);

	if (!doc)
		return 0;
	xmlFreeDoc(doc);
	for (int p = 0; p < MBMS_PROCEDURES; p++) {
		round_trip(p, false, data, size);
		round_trip(p, true, data, size);
	}
	bootstrapping(data, size);
	return 0;
}
