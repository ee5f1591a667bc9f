/* tests/unit/mikey_vectors.h: the vectors V01 to V30 of the Smartcard profile */
#ifndef TESTS_UNIT_MIKEY_VECTORS_H
#define TESTS_UNIT_MIKEY_VECTORS_H
#include "tests/suite.h"

static inline json_t *
vector(const char *name)
{
	static json_t *all;

	if (!all)
		all = vec_json("bcast/mikey-vectors.json");
	json_t *v = json_object_get(json_object_get(all, "vectors"), name);
	ck_assert_msg(v != NULL, "no vector %s", name);
	return v;
}

/* Octets of a hexadecimal member; 0: there is none. */
static inline size_t
hex_of(json_t *v, const char *name, uint8_t *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(v, name));

	return text ? unhex(text, out, cap) : 0;
}

static inline const char *
text_of(json_t *v, const char *name)
{
	const char *text = json_string_value(json_object_get(v, name));

	ck_assert_msg(text != NULL, "no %s", name);
	return text;
}
#endif
