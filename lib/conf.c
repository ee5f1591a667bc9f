/* lib/conf.c: a YAML file read under schema rows: the walk, what is checked after it, and the faults */
#include "lib/conf_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/addr.h"
#include "lib/secret.h"

enum { FILE_MAX = 4 << 20, NODES_MAX = 1000000, FAULTS_MAX = 100, DEPTH_MAX = 32 };

/* ---- memory ---- */

void *
gw_conf_alloc(struct gw_conf *c, size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		c->nomem = true;
	return p;
}

void *
gw_conf_push(struct gw_conf *c, struct vec *v, size_t size)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? 2 * v->cap : 64;
		void *p = realloc(v->p, cap * size);

		if (!p) {
			c->nomem = true;
			return NULL;
		}
		v->p = p;
		v->cap = cap;
	}
	return (char *)v->p + v->n++ * size;
}

/* ---- places and faults ---- */

static struct given *
slot(struct given *t, size_t cap, const void *member)
{
	size_t i = ((uintptr_t)member * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (cap - 1);

	while (t[i].member && t[i].member != member)
		i = (i + 1) & (cap - 1);
	return &t[i];
}

static void
note_given(struct gw_conf *c, const void *member, struct gw_place at)
{
	if (2 * c->ngiven >= c->given_cap) {
		size_t cap = c->given_cap ? 2 * c->given_cap : 1024;
		struct given *t = gw_conf_alloc(c, cap, sizeof(*t));

		if (!t)
			return;
		for (size_t i = 0; i < c->given_cap; i++)
			if (c->given[i].member)
				*slot(t, cap, c->given[i].member) = c->given[i];
		free(c->given);
		c->given = t;
		c->given_cap = cap;
	}
	struct given *g = slot(c->given, c->given_cap, member);
	c->ngiven += !g->member;
	*g = (struct given){ member, at, false };
}

bool
gw_conf_given(const struct gw_conf *c, const void *member)
{
	return c->given_cap && slot(c->given, c->given_cap, member)->member;
}

bool
gw_conf_good(const struct gw_conf *c, const void *member)
{
	return gw_conf_given(c, member) && !slot(c->given, c->given_cap, member)->bad;
}

static struct gw_place
place_of(const struct gw_conf *c, const void *member)
{
	const struct object *o = c->objects.p, *best = NULL;
	uintptr_t m = (uintptr_t)member;

	if (gw_conf_given(c, member))
		return slot(c->given, c->given_cap, member)->at;
	for (size_t i = 0; i < c->objects.n; i++) {
		uintptr_t p = (uintptr_t)o[i].p;

		if (m >= p && m - p < o[i].schema->size && (!best || o[i].schema->size < best->schema->size))
			best = &o[i];
	}
	return best ? best->at : (struct gw_place){ 1, 1 };
}

static int
compare_places(struct gw_place a, struct gw_place b)
{
	return a.line != b.line ? (a.line < b.line ? -1 : 1) : (a.column > b.column) - (a.column < b.column);
}

static void __attribute__((format(printf, 3, 0)))
vfault(struct gw_conf *c, struct gw_place at, const char *fmt, va_list ap)
{
	if (c->nfaults == FAULTS_MAX || !c->faults) {
		c->unsaid++;
		return;
	}
	struct fault *f = &c->faults[c->nfaults];
	f->at = at;
	f->nth = c->nfaults;
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	for (size_t i = 0; i < c->nfaults; i++)	/* an alias: the same text again, said once */
		if (compare_places(c->faults[i].at, at) == 0 && strcmp(c->faults[i].text, f->text) == 0)
			return;
	c->nfaults++;
}

static void __attribute__((format(printf, 3, 4)))
fault(struct gw_conf *c, struct gw_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfault(c, at, fmt, ap);
	va_end(ap);
}

void
gw_conf_fail(struct gw_conf *c, const void *member, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfault(c, place_of(c, member), fmt, ap);
	va_end(ap);
}

struct twin { struct gw_conf_key *key; struct gw_place at; };

static int
compare_twins(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;
	int c = strcmp(x->key->text, y->key->text);

	return c ? c : compare_places(x->at, y->at);
}

void
gw_conf_unique(struct gw_conf *c, struct gw_conf_key *keys, size_t n, const char *what)
{
	struct twin *t = gw_conf_alloc(c, n, sizeof(*t));

	if (!t)
		return;
	for (size_t i = 0; i < n; i++)
		t[i] = (struct twin){ &keys[i], place_of(c, keys[i].member) };
	qsort(t, n, sizeof(*t), compare_twins);
	for (size_t i = 1; i < n; i++)
		if (*t[i].key->text && strcmp(t[i].key->text, t[i - 1].key->text) == 0)
			fault(c, t[i].at, "two %s %s; the other is in line %d", what, t[i].key->text, t[i - 1].at.line);
	free(t);
}

/* ---- the walk ---- */

static const char *
row_at(const void *rows, size_t i)
{
	return ((const struct gw_conf_row *)rows)[i].key;
}

static struct gw_place
mark(const yaml_node_t *n)
{
	return (struct gw_place){ (int)n->start_mark.line + 1, (int)n->start_mark.column + 1 };
}

static yaml_node_t *
node(struct gw_conf *c, int index)
{
	return yaml_document_get_node(&c->doc, index);
}

static const char *
text_of(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static bool
empty(const yaml_node_t *n)	/* "key:" with nothing behind it */
{
	return n->type == YAML_SCALAR_NODE && n->data.scalar.length == 0 && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool
visit(struct gw_conf *c, const yaml_node_t *n)
{
	if (++c->visits == NODES_MAX)
		fault(c, mark(n), "more than %d values, aliases counted each time", NODES_MAX);
	return c->visits < NODES_MAX;
}

/* One line without control characters. */
static bool
printable(const yaml_node_t *n)
{
	const unsigned char *p = n->data.scalar.value;

	for (size_t i = 0; i < n->data.scalar.length; i++)
		if (p[i] < ' ' || p[i] == 0x7f)
			return false;
	return true;
}

static bool
scalar(struct gw_conf *c, const struct gw_conf_row *r, char *member, const yaml_node_t *n)
{
	const char *text = text_of(n);
	size_t refs = c->refs.n;
	char why[WHY];

	if (!text || !printable(n)) {
		fault(c, mark(n), "%s: %s is wanted here", r->key, gw_conf_kinds[r->type].noun);
		return false;
	}
	if (!gw_conf_kinds[r->type].read(c, r, member, text, why)) {
		fault(c, mark(n), "%s: %s", r->key, why);
		return false;
	}
	if (c->refs.n > refs)
		((struct ref *)c->refs.p)[refs].at = mark(n);
	return true;
}

static void read_object(struct gw_conf *, const struct gw_conf_schema *, char *, const yaml_node_t *, struct gw_place);

static void
read_list(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	size_t count = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	char *items = gw_conf_alloc(c, count, r->sub->size);

	if (!items)
		return;
	*(char **)(void *)(obj + r->offset) = items;
	*(size_t *)(void *)(obj + r->count) = count;
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item = node(c, n->data.sequence.items.start[i]);

		read_object(c, r->sub, items + i * r->sub->size, item, mark(item));
	}
}

static void
read_named(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	size_t count = (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
	char *items = gw_conf_alloc(c, count, r->sub->size), why[WHY];

	if (!items)
		return;
	*(char **)(void *)(obj + r->offset) = items;
	*(size_t *)(void *)(obj + r->count) = count;
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *key = node(c, n->data.mapping.pairs.start[i].key);
		char *item = items + i * r->sub->size;

		if (!text_of(key) || !gw_conf_is_name(text_of(key), why))
			fault(c, mark(key), "%s: %s", r->key, text_of(key) ? why : "the name is missing");
		else
			gw_conf_set_text(c, item + r->sub->name, text_of(key));
		note_given(c, item + r->sub->name, mark(key));
		read_object(c, r->sub, item, node(c, n->data.mapping.pairs.start[i].value), mark(key));
	}
}

/* One scalar, or a list of them: each is read as a member of type `as` and size would be. */
static void
read_several(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n, enum gw_conf_type as, size_t size)
{
	bool one = n->type == YAML_SCALAR_NODE;
	size_t count = one ? 1 : (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	char *v = gw_conf_alloc(c, count, size);
	struct gw_conf_row each = *r;

	if (!v)
		return;
	each.type = as;
	each.size = size;
	*(char **)(void *)(obj + r->offset) = v;
	*(size_t *)(void *)(obj + r->count) = count;
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item = one ? n : node(c, n->data.sequence.items.start[i]);
		size_t refs = c->refs.n;
		char why[WHY];

		if (!visit(c, item))
			return;
		if (!text_of(item))
			fault(c, mark(item), "%s: %s is wanted here", r->key, gw_conf_kinds[as].noun);
		else if (!gw_conf_kinds[as].read(c, &each, v + i * size, text_of(item), why))
			fault(c, mark(item), "%s: %s", r->key, why);
		else if (c->refs.n > refs) {
			((struct ref *)c->refs.p)[refs].at = mark(item);
			((struct ref *)c->refs.p)[refs].row = r;
		}
	}
}

static void
read_addrs(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	read_several(c, r, obj, n, GW_CONF_ADDR, sizeof(struct gw_addr));
}

static void
read_numbers(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	read_several(c, r, obj, n, GW_CONF_UINT, sizeof(uint16_t));
}

static void
read_refs(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	read_several(c, r, obj, n, GW_CONF_REF, sizeof(void *));
}

/* One of the words, or a list of them. */
static void
read_set(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	bool one = n->type == YAML_SCALAR_NODE;
	size_t count = one ? 1 : (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	uint64_t all = 0, v;
	struct gw_conf_row each = *r;
	char why[WHY];

	each.type = GW_CONF_ENUM;
	each.size = sizeof(v);
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item = one ? n : node(c, n->data.sequence.items.start[i]);

		if (!visit(c, item))
			return;
		v = 0;
		if (!text_of(item))
			fault(c, mark(item), "%s: %s is wanted here", r->key, gw_conf_kinds[GW_CONF_ENUM].noun);
		else if (!gw_conf_kinds[GW_CONF_ENUM].read(c, &each, &v, text_of(item), why))
			fault(c, mark(item), "%s: %s", r->key, why);
		all |= v;
	}
	gw_conf_store(obj + r->offset, r->size, (int64_t)all);
}

static void
read_map(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	char **text = (char **)(void *)(obj + r->offset), why[WHY], *more;
	size_t len = strlen(*text);

	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = node(c, p->key), *v = node(c, p->value);
		size_t need;

		if (!visit(c, k))
			return;
		if (!text_of(k) || !gw_conf_is_name(text_of(k), why)) {
			fault(c, mark(k), "%s: %s", r->key, text_of(k) ? why : "a name is wanted here");
			continue;
		}
		if (!text_of(v) || !printable(v) || v->data.scalar.length > 900) {
			fault(c, mark(v), "%s: one line of text is wanted here", r->key);
			continue;
		}
		need = strlen(text_of(k)) + v->data.scalar.length + 3;
		more = len + need <= NODES_MAX ? realloc(*text, len + need) : NULL;
		if (!more) {
			c->nomem = true;
			return;
		}
		*text = more;
		len += (size_t)snprintf(more + len, need, "%s=%s\n", text_of(k), text_of(v));
	}
}

static bool
read_value(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	static const yaml_node_type_t wants[] = { [GW_CONF_ADDRS] = YAML_SEQUENCE_NODE, [GW_CONF_NUMBERS] = YAML_SEQUENCE_NODE,
		[GW_CONF_REFS] = YAML_SEQUENCE_NODE, [GW_CONF_SET] = YAML_SEQUENCE_NODE, [GW_CONF_MAP] = YAML_MAPPING_NODE,
		[GW_CONF_OBJECT] = YAML_MAPPING_NODE, [GW_CONF_LIST] = YAML_SEQUENCE_NODE, [GW_CONF_NAMED] = YAML_MAPPING_NODE };
	static void (*const reads[])(struct gw_conf *, const struct gw_conf_row *, char *, const yaml_node_t *) = {
		[GW_CONF_ADDRS] = read_addrs, [GW_CONF_NUMBERS] = read_numbers, [GW_CONF_REFS] = read_refs, [GW_CONF_SET] = read_set, [GW_CONF_MAP] = read_map,
		[GW_CONF_LIST] = read_list, [GW_CONF_NAMED] = read_named };

	if (gw_conf_kinds[r->type].read)
		return scalar(c, r, obj + r->offset, n);
	if (empty(n) && !(r->flags & GW_CONF_NEED))
		return true;
	if (n->type != wants[r->type] && !(r->type >= GW_CONF_ADDRS && r->type <= GW_CONF_SET && n->type == YAML_SCALAR_NODE)) {
		fault(c, mark(n), "%s: %s is wanted here", r->key, gw_conf_kinds[r->type].noun);
		return false;
	}
	if (r->type == GW_CONF_OBJECT) {
		read_object(c, r->sub, obj + r->offset, n, mark(n));
		return true;
	}
	reads[r->type](c, r, obj, n);
	if ((r->flags & GW_CONF_NEED) && r->type == GW_CONF_SET)
		return true;
	if ((r->flags & GW_CONF_NEED) && r->type != GW_CONF_MAP && *(size_t *)(void *)(obj + r->count) == 0)
		fault(c, mark(n), "%s: the list is empty", r->key);
	return true;
}

const struct gw_conf_row *
gw_conf_find_row(const struct gw_conf_schema *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->rows[i].key, key) == 0)
			return &s->rows[i];
	return NULL;
}

const struct gw_conf_row *
gw_conf_find_list(const struct around *a, const char *key, char **object)
{
	for (; a; a = a->outer) {
		const struct gw_conf_row *r = gw_conf_find_row(a->schema, key);

		if (!r || (r->type != GW_CONF_LIST && r->type != GW_CONF_NAMED))
			continue;
		*object = a->object;
		return r;
	}
	return NULL;
}

/* Defaults go in first: what the file says then overwrites them. */
static void
set_defaults(struct gw_conf *c, const struct gw_conf_schema *s, char *obj, bool inner)
{
	char why[WHY];

	for (size_t i = 0; i < s->n; i++) {
		const struct gw_conf_row *r = &s->rows[i];

		if (r->type == GW_CONF_MAP)
			gw_conf_set_text(c, obj + r->offset, "");
		else if (r->type == GW_CONF_OBJECT && inner)
			set_defaults(c, r->sub, obj + r->offset, true);
		else if (r->dflt && !gw_conf_kinds[r->type].read(c, r, obj + r->offset, r->dflt, why))
			fault(c, (struct gw_place){ 0, 0 }, "%s: default: %s", r->key, why);	/* a test loads every schema */
	}
}

static void
read_pair(struct gw_conf *c, const struct gw_conf_schema *s, char *obj, yaml_node_pair_t *p, struct gw_place *first)
{
	const yaml_node_t *k = node(c, p->key), *v = node(c, p->value);
	const struct gw_conf_row *r = text_of(k) ? gw_conf_find_row(s, text_of(k)) : NULL;
	char more[WHY];

	if (!visit(c, k) || !visit(c, v))
		return;
	if (!text_of(k)) {
		fault(c, mark(k), "a key is wanted here");
	} else if (!r) {
		fault(c, mark(k), "unknown key %.*s%s", SHOWN, text_of(k), gw_conf_hint(text_of(k), row_at, s->rows, s->n, more));
	} else if (first[r - s->rows].line) {
		fault(c, mark(k), "the key %s is here twice; the first is in line %d", r->key, first[r - s->rows].line);
	} else {
		first[r - s->rows] = mark(k);
		note_given(c, obj + r->offset, mark(v));
		if (!read_value(c, r, obj, v))
			slot(c->given, c->given_cap, obj + r->offset)->bad = true;
		else if (r->has)
			*(bool *)(obj + r->has) = true;
	}
}

static void
read_object(struct gw_conf *c, const struct gw_conf_schema *s, char *obj, const yaml_node_t *n, struct gw_place at)
{
	struct gw_place first[64] = { { 0, 0 } };
	struct around around = { s, obj, c->around };
	struct object *o;

	if (!visit(c, n))
		return;
	if (s->placed)
		memcpy(obj + s->at, &at, sizeof(at));
	set_defaults(c, s, obj, true);
	if (n->type != YAML_MAPPING_NODE) {
		fault(c, mark(n), "a %s is a mapping, KEY: VALUE", s->noun);
		return;
	}
	c->around = &around;
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++)
		read_pair(c, s, obj, p, first);
	c->around = around.outer;
	for (size_t i = 0; i < s->n; i++)
		if ((s->rows[i].flags & GW_CONF_NEED) && !first[i].line)
			fault(c, at, "the %s lacks %s", s->noun, s->rows[i].key);
	o = gw_conf_push(c, &c->objects, sizeof(*o));
	if (o)
		*o = (struct object){ s, obj, at };
}

/* ---- after the walk ---- */

static void
resolve(struct gw_conf *c, const struct ref *ref)
{
	const struct gw_conf_row *list = ref->in;
	char *items = *(char **)(void *)(ref->object + list->offset);
	size_t n = *(size_t *)(void *)(ref->object + list->count);
	char more[WHY];
	const char **names = gw_conf_alloc(c, n, sizeof(*names));

	for (size_t i = 0; names && i < n; i++) {
		char *item = items + i * list->sub->size, *name = *(char **)(void *)(item + list->sub->name);

		names[i] = name ? name : "";
		if (strcmp(names[i], ref->name) == 0) {
			*(void **)(void *)ref->member = item;
			free(names);
			return;
		}
	}
	if (names) {
		struct gw_conf_word *w = gw_conf_alloc(c, n, sizeof(*w));

		for (size_t i = 0; w && i < n; i++)
			w[i].word = names[i];
		fault(c, ref->at, "%s: there is no %s %.*s%s", ref->row->key, list->sub->noun, SHOWN, ref->name,
		    w ? gw_conf_hint(ref->name, gw_conf_word_at, w, n, more) : "");
		free(w);
	}
	free(names);
}

static void
check_names(struct gw_conf *c, const struct gw_conf_row *r, char *obj)
{
	char *items = *(char **)(void *)(obj + r->offset), what[80];
	size_t n = *(size_t *)(void *)(obj + r->count);
	struct gw_conf_key *k = gw_conf_alloc(c, n, sizeof(*k));

	for (size_t i = 0; k && i < n; i++) {
		char **name = (char **)(void *)(items + i * r->sub->size + r->sub->name);

		snprintf(k[i].text, sizeof(k[i].text), "%s", *name ? *name : "");
		k[i].member = name;
	}
	snprintf(what, sizeof(what), "elements of %s are called", r->key);
	if (k)
		gw_conf_unique(c, k, n, what);
	free(k);
}

static void
check_objects(struct gw_conf *c)
{
	struct object *o = c->objects.p;

	for (size_t i = 0; i < c->objects.n; i++) {
		const struct gw_conf_schema *s = o[i].schema;

		for (size_t k = 0; k < s->n; k++)
			if ((s->rows[k].type == GW_CONF_LIST || s->rows[k].type == GW_CONF_NAMED) && s->rows[k].sub->named)
				check_names(c, &s->rows[k], o[i].p);
		if (s->check)
			s->check(c, o[i].p);
	}
}

/*
 * YAML ends a plain scalar at a bracket, but people write tcp://[::1]:2000 without quotes. The brackets of such an address travel
 * through the parser as private characters, of one column each, and come back in the scalars.
 */
static const char opening[] = "\xee\x80\x80", closing[] = "\xee\x80\x81";	/* U+E000, U+E001 */

static char *
hide_brackets(const char *in, size_t len, size_t *out_len)
{
	char *out = malloc(3 * len + 1), *o = out;
	size_t end = 0;	/* of an address within brackets */

	for (size_t i = 0; out && i < len; i++) {
		if (i >= 3 && in[i] == '[' && memcmp(in + i - 3, "://", 3) == 0) {
			for (end = i + 1; end < len && strchr("0123456789abcdefABCDEF:.%", in[end]) && in[end]; )
				end++;
			if (end < len && in[end] == ']') {
				memcpy(o, opening, 3);
				o += 3;
				continue;
			}
			end = 0;
		}
		if (end && i == end) {
			memcpy(o, closing, 3);
			o += 3;
			continue;
		}
		*o++ = in[i];
	}
	*out_len = out ? (size_t)(o - out) : 0;
	return out;
}

static void
show_brackets(yaml_document_t *doc)
{
	for (yaml_node_t *n = doc->nodes.start; n < doc->nodes.top; n++) {
		char *p, *o;
		size_t len;

		if (n->type != YAML_SCALAR_NODE)
			continue;
		o = p = (char *)n->data.scalar.value;
		len = n->data.scalar.length;
		for (size_t i = 0; i < len; o++) {
			bool open = len - i >= 3 && memcmp(p + i, opening, 3) == 0;

			if (open || (len - i >= 3 && memcmp(p + i, closing, 3) == 0)) {
				*o = open ? '[' : ']';
				i += 3;
			} else {
				*o = p[i++];
			}
		}
		n->data.scalar.length = (size_t)(o - p);
		*o = '\0';
	}
}

static void
cleanse_document(yaml_document_t *doc)
{
	for (yaml_node_t *n = doc->nodes.start; n < doc->nodes.top; n++)
		if (n->type == YAML_SCALAR_NODE)
			gw_cleanse(n->data.scalar.value, n->data.scalar.length);
}

static void
delete_parser(yaml_parser_t *p)
{
	if (p->raw_buffer.start)	/* libyaml's own copies */
		gw_cleanse(p->raw_buffer.start, (size_t)(p->raw_buffer.end - p->raw_buffer.start));
	if (p->buffer.start)
		gw_cleanse(p->buffer.start, (size_t)(p->buffer.end - p->buffer.start));
	yaml_parser_delete(p);
}

static void
parser_fault(struct gw_conf *c, const yaml_parser_t *p, const char *input)
{
	struct gw_place at = { (int)p->problem_mark.line + 1, (int)p->problem_mark.column + 1 };

	if (p->error == YAML_READER_ERROR) {	/* knows the octet only */
		at = (struct gw_place){ 1, 1 };
		for (size_t i = 0; i < p->problem_offset; i++)
			at = input[i] == '\n' ? (struct gw_place){ at.line + 1, 1 } : (struct gw_place){ at.line, at.column + 1 };
	}
	fault(c, at, "%s%s%s", p->context ? p->context : "", p->context ? ": " : "", p->problem ? p->problem : "not YAML");
}

/* A first pass for the depth alone: libyaml takes quadratic time over deep nesting. */
static bool
shallow(struct gw_conf *c, const char *input, size_t n)
{
	static const int steps[] = { [YAML_SEQUENCE_START_EVENT] = 1, [YAML_MAPPING_START_EVENT] = 1,
		[YAML_SEQUENCE_END_EVENT] = -1, [YAML_MAPPING_END_EVENT] = -1 };
	bool going = true, fine = true;
	yaml_parser_t p;
	yaml_event_t e;

	if (!yaml_parser_initialize(&p)) {
		c->nomem = true;
		return false;
	}
	yaml_parser_set_input_string(&p, (const unsigned char *)input, n);
	for (int depth = 0; going; ) {
		if (!yaml_parser_parse(&p, &e)) {
			parser_fault(c, &p, input);
			fine = going = false;
			break;
		}
		depth += steps[e.type];
		if (depth > DEPTH_MAX) {
			fault(c, (struct gw_place){ (int)e.start_mark.line + 1, (int)e.start_mark.column + 1 },
			    "nested more than %d deep", DEPTH_MAX);
			fine = false;
		}
		going = fine && e.type != YAML_STREAM_END_EVENT;
		if (e.type == YAML_SCALAR_EVENT)
			gw_cleanse(e.data.scalar.value, e.data.scalar.length);
		yaml_event_delete(&e);
	}
	delete_parser(&p);
	return fine;
}

static void
read_document(struct gw_conf *c)
{
	yaml_node_t *root = yaml_document_get_root_node(&c->doc);
	struct ref *refs;

	if (!root || empty(root)) {
		fault(c, (struct gw_place){ 1, 1 }, "the file is empty");
		return;
	}
	show_brackets(&c->doc);
	read_object(c, c->root, c->out, root, mark(root));
	refs = c->refs.p;
	for (size_t i = 0; i < c->refs.n; i++)
		resolve(c, &refs[i]);
	if (root->type == YAML_MAPPING_NODE && c->visits < NODES_MAX)	/* else there are holes to stumble over */
		check_objects(c);
}

static void
parse(struct gw_conf *c, const char *text, size_t len)
{
	yaml_parser_t p;
	yaml_document_t second;
	size_t n;
	char *input = hide_brackets(text, len, &n);

	if (!input)
		c->nomem = true;
	if (input && shallow(c, input, n) && yaml_parser_initialize(&p)) {
		yaml_parser_set_input_string(&p, (const unsigned char *)input, n);
		if (!yaml_parser_load(&p, &c->doc)) {
			parser_fault(c, &p, input);
		} else {
			read_document(c);
			cleanse_document(&c->doc);
			yaml_document_delete(&c->doc);
			if (!yaml_parser_load(&p, &second)) {
				parser_fault(c, &p, input);
			} else {
				if (yaml_document_get_root_node(&second))
					fault(c, mark(yaml_document_get_root_node(&second)), "a second document: there is one in a file");
				cleanse_document(&second);
				yaml_document_delete(&second);
			}
		}
		delete_parser(&p);
	}
	if (input)
		gw_cleanse(input, n);
	free(input);
}

static int
compare_faults(const void *a, const void *b)
{
	const struct fault *x = a, *y = b;
	int c = compare_places(x->at, y->at);

	return c ? c : (x->nth > y->nth) - (x->nth < y->nth);
}

static int
report(struct gw_conf *c, const struct gw_conf_listener *l, struct gw_err *err)
{
	char all[sizeof(err->text)] = "", line[PATH_MAX + WHY];
	size_t len = 0, left = c->unsaid;

	if (c->nomem)
		return gw_fail(err, GW_ESYS, "%s: out of memory", c->file);
	if (!c->nfaults)
		return 0;
	qsort(c->faults, c->nfaults, sizeof(*c->faults), compare_faults);
	for (size_t i = 0; i < c->nfaults; i++) {
		const struct fault *f = &c->faults[i];
		size_t n = (size_t)snprintf(line, sizeof(line), "%s:%d:%d: %s", c->file, f->at.line, f->at.column, f->text);

		if (l)
			l->say(l->self, line);
		if (left == c->unsaid && (len == 0 || len + n + 24 < sizeof(all)))
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", len ? "\n" : "", line);
		else
			left++;
	}
	if (l && c->unsaid) {
		snprintf(line, sizeof(line), "%s: and %zu more", c->file, c->unsaid);
		l->say(l->self, line);
	}
	if (left && len < sizeof(all))
		snprintf(all + len, sizeof(all) - len, "\nand %zu more", left);
	return gw_fail(err, GW_ECONF, "%s", all);
}

static void
find_dir(struct gw_conf *c)
{
	const char *slash = strrchr(c->file, '/');
	char dir[PATH_MAX], *real;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - c->file) + 1 : 1, slash ? c->file : ".");
	real = realpath(dir, NULL);
	snprintf(c->dir, sizeof(c->dir), "%s", real ? real : dir);
	free(real);
	if (strcmp(c->dir, "/") == 0)
		c->dir[0] = '\0';
}

int
gw_conf_load_text(const struct gw_conf_schema *s, const char *path, char *text, size_t len, void *out,
    const struct gw_conf_listener *l, struct gw_err *err)
{
	struct gw_conf *c = calloc(1, sizeof(*c));
	int rc;

	memset(out, 0, s->size);
	if (!c)
		return gw_fail(err, GW_ESYS, "%s: out of memory", path);
	c->file = path;
	c->root = s;
	c->out = out;
	c->faults = gw_conf_alloc(c, FAULTS_MAX, sizeof(*c->faults));
	find_dir(c);
	parse(c, text, len);
	gw_cleanse(text, len);
	rc = report(c, l, err);
	if (rc < 0) {
		gw_conf_free(s, out);
		memset(out, 0, s->size);
	}
	free(c->faults);
	free(c->given);
	free(c->objects.p);
	free(c->refs.p);
	free(c);
	return rc;
}

/* The whole file, bounded; the caller cleanses and frees. */
static char *
slurp(const char *path, size_t *len, struct gw_err *err)
{
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = 0;

	*len = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		gw_fail(err, GW_ECONF, "%s: %s", path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		gw_fail(err, GW_ECONF, "%s: %s", path, strerror(EISDIR));
	else if (!(text = malloc(FILE_MAX + 1)))
		gw_fail(err, GW_ESYS, "%s: out of memory", path);
	else
		while (*len <= FILE_MAX && (n = read(fd, text + *len, FILE_MAX + 1 - *len)) > 0)
			*len += (size_t)n;
	if (text && (n < 0 || *len > FILE_MAX)) {
		if (n < 0)
			gw_fail(err, GW_ESYS, "%s: %s", path, strerror(errno));
		else
			gw_fail(err, GW_ECONF, "%s: a configuration has at most %d MiB", path, FILE_MAX >> 20);
		gw_cleanse(text, *len);
		free(text);
		text = NULL;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

int
gw_conf_load(const struct gw_conf_schema *s, const char *path, void *out, const struct gw_conf_listener *l, struct gw_err *err)
{
	struct gw_err mine = { 0 };
	size_t len;
	char *text = slurp(path, &len, &mine);
	int rc;

	memset(out, 0, s->size);
	if (!text) {
		if (l)
			l->say(l->self, mine.text);
		if (err)
			*err = mine;
		return -1;
	}
	rc = gw_conf_load_text(s, path, text, len, out, l, err);
	free(text);
	return rc;
}
