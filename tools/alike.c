/* tools/alike.c */
#include "tools/alike.h"
#include <stdlib.h>
#include <string.h>
#include "proto/be.h"
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"

static const struct { const struct sim_iface *iface; uint16_t param; enum alike_rule rule; } rules[] = {
	{ &ecmg_scs, ECMG_CHANNEL_ID,        ALIKE_ID },
	{ &ecmg_scs, ECMG_STREAM_ID,         ALIKE_ID },
	{ &ecmg_scs, ECMG_ECM_ID,            ALIKE_ID },
	{ &ecmg_scs, ECMG_SUPER_CAS_ID,      ALIKE_ID },
	{ &ecmg_scs, ECMG_CP_NUMBER,         ALIKE_CP },
	{ &ecmg_scs, ECMG_CP_CW,             ALIKE_CP_MADE },
	{ &ecmg_scs, ECMG_KEY_IDENTIFIER,    ALIKE_CP_MADE },
	{ &ecmg_scs, ECMG_ECM_DATAGRAM,      ALIKE_MADE },
	{ &ecmg_scs, ECMG_ERROR_INFORMATION, ALIKE_WORDS },
	{ &emmg_mux, EMMG_CLIENT_ID,         ALIKE_ID },
	{ &emmg_mux, EMMG_CHANNEL_ID,        ALIKE_ID },
	{ &emmg_mux, EMMG_STREAM_ID,         ALIKE_ID },
	{ &emmg_mux, EMMG_DATA_ID,           ALIKE_ID },
	{ &emmg_mux, EMMG_DATAGRAM,          ALIKE_PAYLOAD },
	{ &emmg_mux, EMMG_ERROR_INFORMATION, ALIKE_WORDS },
};

enum alike_rule
alike_rule(const struct sim_iface *iface, uint16_t type)
{
	const struct sim_param *param;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].iface == iface && rules[i].param == type)
			return rules[i].rule;
	/* other interfaces: by what their tables say */
	if (type && (type == dec_channel_param(iface) || type == dec_stream_param(iface)))
		return ALIKE_ID;
	param = sim_param_find(iface, type);
	if (param && param->kind == SIM_TIME)
		return ALIKE_MADE;
	return param && param->kind == SIM_TEXT && type == 0x7001 ? ALIKE_WORDS : ALIKE_EXACT;
}

bool
alike_ignored(const struct alike_conf *conf, const struct sim_iface *iface, uint32_t type)
{
	const struct sim_param *param = type == ALIKE_VERSION ? NULL : sim_param_find(iface, (uint16_t)type);
	const char *name = type == ALIKE_VERSION ? "protocol_version" : param ? param->name : NULL;

	for (size_t i = 0; i < conf->nignored; i++) {
		char *end;
		unsigned long n = strtoul(conf->ignored[i], &end, 0);

		if ((name && strcmp(conf->ignored[i], name) == 0) || (end != conf->ignored[i] && *end == '\0' && n == type))
			return true;
	}
	return false;
}

bool
alike_ignored_message(const struct alike_conf *conf, const struct sim_iface *iface, const struct talk_msg *m)
{
	char room[24];
	const char *name = talk_name(iface, talk_type(m), room);

	for (size_t i = 0; i < conf->nignored; i++)
		if (strcmp(conf->ignored[i], name) == 0)
			return true;
	return false;
}

/* ---- the map ---- */

void
alike_map_fini(struct alike_map *map)
{
	free(map->id);
	free(map->cp);
	free(map->bucket[0]);
	free(map->bucket[1]);
	*map = (struct alike_map){ 0 };
}

enum { BY_A, BY_B };
static size_t
bucket_of(const struct alike_map *map, uint16_t param, uint32_t value)
{
	uint32_t h = (value ^ (uint32_t)param << 16) * 0x9e3779b1u;

	return (h ^ h >> 16) & (map->id_room - 1);
}

static const struct alike_id *
find_id(const struct alike_map *map, int by, uint16_t param, uint32_t value)
{
	for (uint32_t i = map->nids ? map->bucket[by][bucket_of(map, param, value)] : 0; i; i = map->id[i - 1].next[by]) {
		const struct alike_id *id = &map->id[i - 1];

		if (!id->gone && id->param == param && (by == BY_A ? id->a : id->b) == value)
			return id;
	}
	return NULL;
}

bool
alike_to_b(const struct alike_map *map, uint16_t param, uint32_t a, uint32_t *b)
{
	const struct alike_id *id = find_id(map, BY_A, param, a);

	if (id)
		*b = id->b;
	return id != NULL;
}

bool
alike_to_a(const struct alike_map *map, uint16_t param, uint32_t b, uint32_t *a)
{
	const struct alike_id *id = find_id(map, BY_B, param, b);

	if (id)
		*a = id->a;
	return id != NULL;
}

static void
chain(struct alike_map *map, uint32_t i)
{
	struct alike_id *id = &map->id[i];
	uint32_t *bucket[] = { &map->bucket[BY_A][bucket_of(map, id->param, id->a)], &map->bucket[BY_B][bucket_of(map, id->param, id->b)] };

	for (int by = BY_A; by <= BY_B; by++) {
		id->next[by] = *bucket[by];
		*bucket[by] = i + 1;
	}
}

static int
make_room(struct alike_map *map, size_t room)
{
	uint32_t *by_a = calloc(room, sizeof(*by_a)), *by_b = calloc(room, sizeof(*by_b));
	struct alike_id *id = realloc(map->id, room * sizeof(*id));

	map->id = id ? id : map->id;
	if (!id || !by_a || !by_b) {
		free(by_a);
		free(by_b);
		return -1;
	}
	free(map->bucket[BY_A]);
	free(map->bucket[BY_B]);
	map->bucket[BY_A] = by_a;
	map->bucket[BY_B] = by_b;
	map->id_room = room;
	for (size_t i = 0; i < map->nids; i++)
		chain(map, (uint32_t)i);
	return 0;
}

static void
drop_gone(struct alike_map *map)
{
	size_t kept = 0;

	for (size_t i = 0; i < map->nids; i++)
		if (!map->id[i].gone)
			map->id[kept++] = map->id[i];
	map->nids = kept;
	map->ngone = 0;
}

int
alike_learn(struct alike_map *map, uint16_t param, uint32_t a, uint32_t b, int64_t stream)
{
	/* what a stream was called that is set up again: names are reported once */
	for (uint32_t i = map->ngone ? map->bucket[BY_A][bucket_of(map, param, a)] : 0; i; i = map->id[i - 1].next[BY_A]) {
		struct alike_id *id = &map->id[i - 1];

		if (!id->gone || id->param != param || id->a != a || id->b != b)
			continue;
		id->gone = false;
		id->stream = stream;
		map->ngone--;
		return 0;
	}
	if (map->nids == map->id_room) {
		if (map->id_room == ALIKE_IDS)
			drop_gone(map);
		if (map->nids == ALIKE_IDS || make_room(map, map->id_room == ALIKE_IDS ? ALIKE_IDS : map->id_room ? map->id_room * 2 : 16) < 0)
			return -1;
	}
	map->id[map->nids] = (struct alike_id){ .param = param, .a = a, .b = b, .stream = stream };
	chain(map, (uint32_t)map->nids++);
	return 0;
}

bool
alike_distance(const struct alike_map *map, int64_t stream, uint16_t *distance)
{
	for (size_t i = 0; i < map->ncps; i++)
		if (map->cp[i].stream == stream) {
			*distance = map->cp[i].distance;
			return true;
		}
	return false;
}

int
alike_learn_distance(struct alike_map *map, int64_t stream, uint16_t distance)
{
	if (map->ncps == map->cp_room) {
		size_t room = map->cp_room ? map->cp_room * 2 : 16;
		struct alike_cp *v;

		if (room > ALIKE_IDS || !(v = realloc(map->cp, room * sizeof(*v))))
			return -1;
		map->cp = v;
		map->cp_room = room;
	}
	map->cp[map->ncps++] = (struct alike_cp){ stream, distance };
	return 0;
}

void
alike_forget(struct alike_map *map, int64_t stream)
{
	size_t kept = 0;

	for (size_t i = 0; i < map->nids && stream >= 0; i++)
		if (!map->id[i].gone && map->id[i].stream == stream) {
			map->id[i].gone = true;
			map->ngone++;
		}
	for (size_t i = 0; i < map->ncps; i++)
		if (map->cp[i].stream != stream)
			map->cp[kept++] = map->cp[i];
	map->ncps = kept;
}

/* ---- fields ---- */

struct comparison {
	const struct alike_conf *conf;
	struct alike_map *map;
	const struct sim_iface *iface;
	const struct talk_msg *a, *b;
	int64_t stream;			/* of A */
};

static bool
same_octets(const struct talk_param *a, const struct talk_param *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

static bool
same_id(struct comparison *c, const struct talk_param *a, const struct talk_param *b)
{
	uint32_t va, vb, known;

	if (a->len != b->len || a->len > 4)
		return same_octets(a, b);
	va = (uint32_t)be_uint(a->p, a->len);
	vb = (uint32_t)be_uint(b->p, b->len);
	if (alike_to_b(c->map, a->type, va, &known))
		return known == vb;
	if (alike_to_a(c->map, a->type, vb, &known))	/* another of A is called that */
		return false;
	return alike_learn(c->map, a->type, va, vb, c->stream) == 0 || va == vb;
}

static bool
same_cp(struct comparison *c, const struct talk_param *a, const struct talk_param *b)
{
	uint16_t is, distance;

	if (a->len < 2 || b->len < 2)
		return same_octets(a, b);
	is = (uint16_t)(be16(b->p) - be16(a->p));
	if (alike_distance(c->map, c->stream, &distance))
		return distance == is;
	return alike_learn_distance(c->map, c->stream, is) == 0 || is == 0;
}

static bool
same(struct comparison *c, const struct talk_param *a, const struct talk_param *b)
{
	bool loose = !c->conf->strict;

	switch (alike_rule(c->iface, a->type)) {
	case ALIKE_ID: return same_id(c, a, b);
	case ALIKE_CP: return a->len == b->len && same_cp(c, a, b);
	case ALIKE_CP_MADE:
		return a->len == b->len && same_cp(c, a, b) && (loose || a->len <= 2 || memcmp(a->p + 2, b->p + 2, a->len - 2u) == 0);
	case ALIKE_MADE: return loose ? (a->len == 0) == (b->len == 0) : same_octets(a, b);
	case ALIKE_PAYLOAD: case ALIKE_WORDS: return loose || same_octets(a, b);
	case ALIKE_EXACT: break;
	}
	return same_octets(a, b);
}

bool
alike_of_version(const struct sim_iface *iface, uint16_t message, uint8_t version, uint16_t param)
{
	const struct sim_message *def = sim_message_find(iface, message);
	bool listed = false;

	for (size_t k = 0; def && k < def->n; k++) {
		const struct sim_use *u = &def->uses[k];

		if (u->type != param)
			continue;
		listed = true;
		if ((u->from == 0 || version >= u->from) && (u->to == 0 || version <= u->to) && !(u->spare && u->least == 0))
			return true;
	}
	return !listed;
}

/* One side alone has it. */
static bool
may_lack(const struct comparison *c, uint16_t param)
{
	enum alike_rule rule = alike_rule(c->iface, param);
	uint16_t type = talk_type(c->a);

	if (!c->conf->strict && (rule == ALIKE_WORDS || rule == ALIKE_PAYLOAD))
		return true;
	return c->a->p[0] != c->b->p[0] &&
	    alike_of_version(c->iface, type, c->a->p[0], param) != alike_of_version(c->iface, type, c->b->p[0], param);
}

/* How many of its type stand before it. */
static size_t
nth_of(const struct talk_msg *m, const struct talk_param *v)
{
	struct talk_param w;
	size_t n = 0;

	for (size_t at = 0; talk_next(m, &at, &w) && w.p != v->p; )
		n += w.type == v->type;
	return n;
}

/* The version is a name, too, once the map has it: a replay may speak another one than was captured. */
static bool
same_version(const struct alike_map *map, const struct talk_msg *a, const struct talk_msg *b)
{
	uint32_t known = a->p[0];

	alike_to_b(map, 0, a->p[0], &known);
	return known == b->p[0];
}

size_t
alike(const struct alike_conf *conf, struct alike_map *map, const struct sim_iface *iface, const struct talk_msg *a, const struct talk_msg *b,
    void (*differs)(void *self, const struct alike_field *), void *self)
{
	struct comparison c = { conf, map, iface, a, b, talk_int(a, dec_stream_param(iface)) };
	struct talk_param v, w;
	size_t n = 0;

	if (!same_version(map, a, b) && !alike_ignored(conf, iface, ALIKE_VERSION)) {
		struct alike_field f = { .param = ALIKE_VERSION, .a = { 0, 1, a->p }, .b = { 0, 1, b->p } };

		n++;
		if (differs)
			differs(self, &f);
	}
	for (int round = 0; round < 2; round++) {
		const struct talk_msg *one = round ? b : a, *other = round ? a : b;

		for (size_t at = 0, k = 0; k < SIM_VALUES && talk_next(one, &at, &v); k++) {
			struct alike_field f = { .param = v.type };
			bool both;

			if ((!conf->strict && alike_rule(iface, v.type) == ALIKE_PAYLOAD) || alike_ignored(conf, iface, v.type))
				continue;
			f.nth = nth_of(one, &v);
			both = talk_find(other, v.type, f.nth, &w);
			if (both ? round == 1 || same(&c, &v, &w) : may_lack(&c, v.type))
				continue;
			*(round ? &f.b : &f.a) = v;
			if (both)
				f.b = w;
			n++;
			if (differs)
				differs(self, &f);
		}
	}
	return n;
}
