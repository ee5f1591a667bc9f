/* tests/unit/sim_vectors.h: simulcrypt-vectors.json against the tables of an interface, whichever it is */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/sim.h"
#include "tests/suite.h"

struct vec_side { const char *interface, *transport; const struct sim_iface *iface; };	/* which vectors, which tables */
static struct sim_msg m;	/* 16 KiB: not on the stack of every test */

static inline const char *
str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	ck_assert_msg(s != NULL, "no %s in the vector", key);
	return s;
}

static inline bool
is_of(const json_t *v, const struct vec_side *side)
{
	return strcmp(str(v, "interface"), side->interface) == 0 && strcmp(str(v, "transport"), side->transport) == 0;
}

static inline json_t *
vector(const json_t *all, const char *kind, const char *name)
{
	size_t k;
	json_t *v;

	json_array_foreach(json_object_get(all, kind), k, v)
		if (strcmp(str(v, "name"), name) == 0)
			return v;
	ck_abort_msg("no vector %s", name);
	return NULL;
}

static inline const struct sim_param *
param_named(const struct sim_iface *iface, const char *name)
{
	for (size_t k = 0; k < iface->nparams; k++)
		if (strcmp(iface->params[k].name, name) == 0)
			return &iface->params[k];
	return NULL;
}

/* The octets of a field that is no number: hexadecimal, text for people, or {CP, CW}. */
static inline size_t
octets(const struct sim_param *param, const json_t *field, uint8_t *out, size_t cap)
{
	const char *text = json_string_value(json_is_object(field) ? json_object_get(field, "CW") : field);
	size_t n = 0;

	if (strcmp(param->name, "error_description") == 0) {
		memcpy(out, text, strlen(text));
		return strlen(text);
	}
	if (json_is_object(field)) {
		long long cp = json_integer_value(json_object_get(field, "CP"));
		out[n++] = (uint8_t)(cp >> 8);
		out[n++] = (uint8_t)cp;
	}
	return n + unhex(text, out + n, cap - n);
}

static inline void
same_octets(const struct sim_param *param, const struct sim_value *v, const json_t *field)
{
	uint8_t want[4096];
	size_t n = octets(param, field, want, sizeof(want));

	ck_assert_uint_eq(v->len, n);
	ck_assert_mem_eq(v->p, want, n);
}

/* A group against its fields: no more, no less. */
static inline void
same_group(const struct sim_value *group, const json_t *fields)
{
	size_t at = 0, n = 0;

	for (; at + 4 <= group->len; n++) {
		const struct sim_value v = { (uint16_t)(group->p[at] << 8 | group->p[at + 1]), (uint16_t)(group->p[at + 2] << 8 | group->p[at + 3]),
			group->p + at + 4 };
		const struct sim_param *param = sim_param_find(m.iface, v.type);
		const json_t *field = json_object_get(fields, param->name);
		long long number = 0;

		ck_assert_msg(field != NULL, "%s is not in the vector", param->name);
		for (size_t k = 0; k < v.len; k++)
			number = number << 8 | v.p[k];
		if (json_is_integer(field))
			ck_assert_int_eq(number, json_integer_value(field));
		else
			same_octets(param, &v, field);
		at += 4 + v.len;
	}
	ck_assert_uint_eq(at, group->len);
	ck_assert_uint_eq(n, json_object_size(fields));
}

/* The nth instance of a parameter against its field. */
static inline void
same_value(const struct sim_param *param, size_t nth, const json_t *field)
{
	const struct sim_value *v = sim_value(&m, param->type, nth);

	ck_assert_msg(v != NULL, "%s absent", param->name);
	if (json_is_integer(field)) {
		if (nth == 0)
			ck_assert_int_eq(sim_int(&m, param->type, -1), json_integer_value(field));
		else	/* sim_int() reads the first only */
			ck_assert_int_eq(v->p[0] << 8 | v->p[1], json_integer_value(field));
	} else if (param->kind == SIM_GROUP) {
		same_group(v, field);
	} else {
		same_octets(param, v, field);
	}
}

/* The decoded message m against all fields of its vector: no more, no less. */
static inline void
same_fields(const json_t *v)
{
	size_t values = 0, unknown = 0;
	const char *name;
	json_t *field;

	ck_assert_str_eq(m.def->name, str(v, "message"));
	ck_assert_int_eq(m.version, json_integer_value(json_object_get(v, "protocol_version")));
	json_object_foreach(json_object_get(v, "fields"), name, field) {
		const struct sim_param *param = param_named(m.iface, name);
		const bool list = json_is_array(field);
		if (!param) {	/* user_defined_0x8001 in a message that does not carry it */
			unknown++;
			continue;
		}
		for (size_t i = 0; i < (list ? json_array_size(field) : 1); i++, values++)
			same_value(param, i, list ? json_array_get(field, i) : field);
	}
	ck_assert_uint_eq(m.n, values);
	ck_assert_uint_eq(m.ignored, unknown);
}

/* Encodes m anew; what the decoder dropped does not come back. */
static inline void
same_bytes(const char *name, const uint8_t *in, size_t n)
{
	static uint8_t out[4096];
	size_t want = SIM_HEADER;
	struct sim_writer w;
	struct sim_fault why;

	sim_begin(&w, m.iface, m.version, m.type, out, sizeof(out));
	for (size_t i = 0; i < m.n; i++) {
		const struct sim_param *param = sim_param_find(m.iface, m.v[i].type);
		if (param->kind <= SIM_HEX && sim_count(&m, param->type) == 1)
			sim_put_int(&w, param->type, sim_int(&m, param->type, -1));
		else
			sim_put_bytes(&w, param->type, m.v[i].p, m.v[i].len);
		want += 4 + m.v[i].len;
	}
	ck_assert_msg(sim_end(&w, &why) == want, "%s: %s", name, sim_verdict_text(why.verdict));
	if (m.ignored)
		return;
	ck_assert_uint_eq(want, n);
	ck_assert_mem_eq(out, in, n);
}

/* Every positive vector decodes to its fields and encodes to its bytes; their number. */
static inline size_t
vectors_there_and_back(const struct vec_side *side)
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *v;
	uint8_t in[4096];
	size_t k, tested = 0;

	json_array_foreach(json_object_get(all, "vectors"), k, v) {
		size_t n;
		if (!is_of(v, side))
			continue;
		n = unhex(str(v, "hex"), in, sizeof(in));
		ck_assert_msg(sim_decode(side->iface, in, n, &m, NULL) == 0, "%s", str(v, "name"));
		same_fields(v);
		same_bytes(str(v, "name"), in, n);
		tested++;
	}
	json_decref(all);
	return tested;
}

/* "name: message parameter=value ...", a line each; their length. */
static inline size_t
vectors_print(const struct vec_side *side, char *text, size_t cap)
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *v;
	uint8_t in[4096];
	size_t k, at = 0;

	json_array_foreach(json_object_get(all, "vectors"), k, v) {
		if (!is_of(v, side))
			continue;
		ck_assert_int_eq(sim_decode(side->iface, in, unhex(str(v, "hex"), in, sizeof(in)), &m, NULL), 0);
		at += (size_t)snprintf(text + at, cap - at, "%s: ", str(v, "name"));
		at += sim_print(&m, text + at, cap - at);
		at += (size_t)snprintf(text + at, cap - at, "\n");
		ck_assert_uint_lt(at, cap);
	}
	json_decref(all);
	return at;
}

static inline void
every_cut_is_refused(const struct sim_iface *iface, const uint8_t *in, size_t n)
{
	for (size_t keep = 0; keep < n; keep++) {
		uint8_t *exact = malloc(keep ? keep : 1);	/* a sanitizer sees the first byte read past the end */
		struct sim_fault why;
		memcpy(exact, in, keep);
		ck_assert_int_eq(sim_decode(iface, exact, keep, &m, &why), -1);
		ck_assert_int_eq(why.verdict, SIM_MALFORMED);
		if (keep >= SIM_HEADER) {	/* the same, with a header that owns up to it */
			exact[3] = (uint8_t)((keep - SIM_HEADER) >> 8);
			exact[4] = (uint8_t)(keep - SIM_HEADER);
			sim_decode(iface, exact, keep, &m, &why);
		}
		free(exact);
	}
}

static inline void
vectors_truncated(const struct vec_side *side)
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *v;
	uint8_t in[4096];
	size_t k;

	json_array_foreach(json_object_get(all, "vectors"), k, v)
		if (is_of(v, side))
			every_cut_is_refused(side->iface, in, unhex(str(v, "hex"), in, sizeof(in)));
	json_decref(all);
}

static inline bool
share_a_version(const struct sim_use *a, const struct sim_use *b)
{
	return (a->to == 0 || b->from <= a->to) && (b->to == 0 || a->from <= b->to);
}

/* Of the rows of a parameter in a message only one may be of a version. */
static inline void
one_row_for_a_version(const struct sim_iface *iface)
{
	for (size_t n = 0; n < iface->nmessages; n++) {
		const struct sim_message *def = &iface->messages[n];
		for (size_t k = 0; k < def->n; k++)
			for (size_t i = 0; i < k; i++)
				ck_assert_msg(def->uses[i].type != def->uses[k].type || !share_a_version(&def->uses[i], &def->uses[k]),
				    "%s: 0x%04x", def->name, def->uses[k].type);
	}
}

/* No number twice, and all 65536 have words; every verdict, first..last and, where it has them, 28 of BCAST are there. */
static inline void
statuses_are_told(const struct sim_iface *iface, uint16_t first, uint16_t last, bool bcast)
{
	for (size_t k = 0; k < iface->nstatuses; k++)
		ck_assert_ptr_eq(sim_status_find(iface, iface->statuses[k].status), &iface->statuses[k]);
	for (unsigned s = 0; s <= UINT16_MAX; s++) {
		const struct sim_status *words = sim_status_words(iface, (uint16_t)s), *row = sim_status_find(iface, (uint16_t)s);
		ck_assert(words->name[0] && words->meaning[0] && words->next[0]);
		ck_assert(row ? words == row : words->status <= s);
	}
	for (uint16_t s = first; s <= last; s++)
		ck_assert_ptr_nonnull(sim_status_find(iface, s));
	ck_assert_ptr_null(sim_status_find(iface, last + 1));
	ck_assert_str_eq(sim_status_words(iface, 0)->name, "no error");
	ck_assert_str_eq(sim_status_words(iface, last + 1)->name, "reserved by DVB");
	ck_assert_str_eq(sim_status_words(iface, 0x7fff)->name, "reserved by DVB");
	ck_assert_str_eq(sim_status_words(iface, 0xffff)->name, "user defined");
	for (uint16_t s = 0x8000; s <= 0x8000 + 27; s++)
		ck_assert(bcast == (sim_status_find(iface, s) != NULL));
	for (int v = SIM_MALFORMED; v <= SIM_REPEATED; v++)
		ck_assert_ptr_nonnull(sim_status_find(iface, sim_status_of(iface, (enum sim_verdict)v)));
	ck_assert_str_eq(sim_status_find(iface, 0x7001)->name, "unrecoverable error");
}
