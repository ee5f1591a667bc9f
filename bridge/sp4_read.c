/* bridge/sp4_read.c: a document into a message, row by row */
#include <stdlib.h>
#include <string.h>
#include "bridge/sp4_int.h"
#include "lib/secret.h"
#include "lib/xml.h"

enum { HELD = 2 * SP4_DATA, PATH = sizeof(((struct sp4_fault *)NULL)->element) };

/* What a message owns: texts and octets in one block, which a document of that length fills at most; keys in locked memory. */
struct sp4_memory { struct gw_secret held[HELD]; size_t nheld, used, cap; char text[]; };

struct reader {
	struct sp4_msg *m;
	struct sp4_fault *fault;
	struct sp4_fault late;		/* the first semantic one: told when the schema has had its say */
	const char *parent;		/* of what is in an extension element */
};

/* A character that was cut in two goes. */
static void
whole(char *s)
{
	for (size_t n = strlen(s); n > 0 && !xmlCheckUTF8((const xmlChar *)s); n--)
		s[n - 1] = '\0';
}

static int
wrong(struct reader *r, enum sp4_verdict verdict, const xmlNode *n, const struct sp4_row *row, const char *rule)
{
	struct sp4_fault *f = verdict == SP4_SEMANTIC ? &r->late : r->fault;

	if (f->verdict != SP4_OK)
		return 0;
	*f = (struct sp4_fault){ .verdict = verdict, .line = n ? xmlGetLineNo(n) : 1, .clause = row ? row->clause : "7.2" };
	if (row)
		snprintf(f->element, PATH, "%s%s%s%s", r->parent ? r->parent : "", r->parent ? "/" : "", row->place == SP4_ATTRIBUTE ? "@" : "", row->name);
	else if (n)
		snprintf(f->element, PATH, "%.90s", (const char *)n->name);
	whole(f->element);
	snprintf(f->rule, sizeof(f->rule), "%s", rule);
	return verdict == SP4_SEMANTIC ? 0 : -1;
}

/* ---- memory ---- */

static char *
room(struct reader *r, size_t n)
{
	struct sp4_memory *m = r->m->memory;
	char *p = m->text + m->used;

	if (n > m->cap - m->used)
		return NULL;
	m->used += n;
	return p;
}

static uint8_t *
locked(struct reader *r, size_t n)
{
	struct sp4_memory *m = r->m->memory;

	if (m->nheld == HELD || gw_secret_new(&m->held[m->nheld], n) < 0)
		return NULL;
	return m->held[m->nheld++].p;
}

void
sp4_fini(struct sp4_msg *m)
{
	struct sp4_memory *mem = m->memory;

	for (size_t i = 0; mem && i < mem->nheld; i++)
		gw_secret_free(&mem->held[i]);
	if (mem)
		gw_cleanse(mem, sizeof(*mem) + mem->used);
	free(mem);
	gw_cleanse(m, sizeof(*m));
}

/* ---- lexical rules: as XML Schema has them, except that numbers have no white space around them (7.2) ---- */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
collapse(const char **p, size_t *n)
{
	while (*n && is_space(**p))
		++*p, --*n;
	while (*n && is_space((*p)[*n - 1]))
		--*n;
}

static const char *
lex_int(const char *p, size_t n, int64_t hi, int64_t *out)
{
	if (n == 0)
		return "it is no number of decimal digits";
	for (*out = 0; n; p++, n--) {
		if (*p < '0' || *p > '9')
			return "it is no number of decimal digits";
		if (*out > (hi - (*p - '0')) / 10)
			return "it is out of range";
		*out = *out * 10 + (*p - '0');
	}
	return NULL;
}

static bool
is_word(const char *p, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(p, word, n) == 0;
}

static const char *
lex_word(const struct sp4_row *row, const char *p, size_t n, int64_t *out)
{
	for (size_t i = 0; i < row->nwords; i++)
		if (is_word(p, n, row->words[i])) {
			*out = (int64_t)i;
			return NULL;
		}
	return "it is none of the words";
}

static const char *
lex_bool(const char *p, size_t n, int64_t *out)
{
	static const char *const words[] = { "false", "true", "0", "1" };

	for (int64_t i = 0; i < 4; i++)
		if (is_word(p, n, words[i])) {
			*out = i % 2;
			return NULL;
		}
	return "it is neither true nor false";
}

/* One more than the value of a digit; 0: it is none. */
static const uint8_t digits[256] = { ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16 };

static bool
unhex(const char *p, size_t len, uint8_t *to)
{
	bool good = true;

	for (size_t i = 0; i < len; i++) {
		const uint8_t high = digits[(uint8_t)p[2 * i]], low = digits[(uint8_t)p[2 * i + 1]];

		good = good && high && low;
		to[i] = (uint8_t)((high - 1U) << 4 | (low - 1U));
	}
	return good;
}

/* Why it is none, or not to be had. */
static int
wrong_hex(struct reader *r, const struct sp4_row *row, const xmlNode *at, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!digits[(uint8_t)p[i]])
			return wrong(r, SP4_INVALID, at, row, "a character that is no hexadecimal digit");
	if (n % 2)
		return wrong(r, SP4_INVALID, at, row, "an odd number of hexadecimal digits");
	if (n / 2 > (size_t)row->hi)
		return wrong(r, SP4_INVALID, at, row, "it is longer than 65536 octets");
	return wrong(r, SP4_NO_MEMORY, at, row, "there is no memory to hold it");
}

static int
lex_hex(struct reader *r, const struct sp4_row *row, const xmlNode *at, const char *p, size_t n, struct sp4_octets *out)
{
	const size_t len = n / 2;
	uint8_t *to = NULL;

	if (n % 2 == 0 && len <= (size_t)row->hi)
		to = (row->flags & SP4_SECRET) && len ? locked(r, len) : (uint8_t *)room(r, len);
	if (!to || !unhex(p, len, to))
		return wrong_hex(r, row, at, p, n);
	*out = (struct sp4_octets){ to, len };
	return 0;
}

static int
keep_text(struct reader *r, const struct sp4_row *row, const xmlNode *at, const char *p, size_t n, const char **out)
{
	char *to = room(r, n + 1);

	if (!to)
		return wrong(r, SP4_NO_MEMORY, at, row, "there is no memory to hold it");
	memcpy(to, p, n);
	to[n] = '\0';
	*out = to;
	return 0;
}

/* One value in its lexical form; slot: where it goes. */
static int
lexical(struct reader *r, const struct sp4_row *row, const xmlNode *at, const char *p, size_t n, void *slot)
{
	const char *why = NULL;
	bool semantic = false;

	if (row->type != SP4_INT && row->type != SP4_STRING)
		collapse(&p, &n);
	switch (row->type) {
	case SP4_INT:
		why = lex_int(p, n, row->hi, slot);
		break;
	case SP4_WORD:
		why = lex_word(row, p, n, slot);
		break;
	case SP4_BOOL:
		why = lex_bool(p, n, slot);
		break;
	case SP4_HEX:
		if (lex_hex(r, row, at, p, n, slot) < 0)
			return -1;
		break;
	default:
		if (keep_text(r, row, at, p, n, slot) < 0)
			return -1;
	}
	if (!why)
		why = sp4_wrong(row, slot, &semantic);
	return why ? wrong(r, semantic ? SP4_SEMANTIC : SP4_INVALID, at, row, why) : 0;
}

/* ---- nodes ---- */

/* The text of children, in *whole when there is more than one piece (the caller's to free); false: an element is among them. */
static bool
content(const xmlNode *first, const char **p, size_t *n, char **whole)
{
	const xmlNode *only = NULL;
	size_t pieces = 0, len = 0;

	*p = "";
	*n = 0;
	*whole = NULL;
	for (const xmlNode *c = first; c; c = c->next) {
		if (c->type == XML_COMMENT_NODE || c->type == XML_PI_NODE)
			continue;
		if (c->type != XML_TEXT_NODE && c->type != XML_CDATA_SECTION_NODE)
			return false;
		only = c;
		pieces++;
		len += strlen((const char *)c->content);
	}
	if (pieces == 0)
		return true;
	*n = len;
	*p = (const char *)only->content;
	if (pieces == 1)
		return true;
	*p = *whole = malloc(len + 1);
	len = 0;
	for (const xmlNode *c = first; *whole && c; c = c->next)
		if (c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE) {
			memcpy(*whole + len, c->content, strlen((const char *)c->content));
			len += strlen((const char *)c->content);
		}
	return *whole != NULL;
}

static int
simple(struct reader *r, const struct sp4_row *row, const xmlNode *at, const xmlNode *first, void *slot)
{
	const char *p;
	char *whole;
	size_t n;
	int rc;

	if (!content(first, &p, &n, &whole))
		return wrong(r, SP4_INVALID, at, row, "an element stands in it");
	rc = lexical(r, row, at, p, n, slot);
	if (whole)
		gw_cleanse(whole, n);
	free(whole);
	return rc;
}

static bool
named(const xmlNode *n, const char *space)
{
	return n->ns && n->ns->href && strcmp((const char *)n->ns->href, space) == 0;
}

static const struct sp4_row *
find(const struct sp4_row *rows, size_t n, enum sp4_place place, const xmlChar *name)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].place == place && strcmp(rows[i].name, (const char *)name) == 0)
			return &rows[i];
	return NULL;
}

static int
attributes(struct reader *r, const xmlNode *e, const struct sp4_row *rows, size_t n, char *base)
{
	for (const xmlAttr *a = e->properties; a; a = a->next) {
		const struct sp4_row stranger = { .name = (const char *)a->name, .place = SP4_ATTRIBUTE, .clause = "7.2" };
		const struct sp4_row *row = a->ns ? NULL : find(rows, n, SP4_ATTRIBUTE, a->name);

		if (!row)
			return wrong(r, SP4_INVALID, e, &stranger, "an unknown attribute");
		if (simple(r, row, e, a->children, base + row->at) < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++)
		if (rows[i].place == SP4_ATTRIBUTE && rows[i].least && sp4_count(&rows[i], base) == 0)
			return wrong(r, SP4_INVALID, e, &rows[i], "it is missing");
	return 0;
}

static int children(struct reader *, const xmlNode *, const char *space, const struct sp4_row *rows, size_t n, char *base);

/* An element that a row describes, in its turn. */
static int
element(struct reader *r, const xmlNode *e, const struct sp4_row *row, char *base)
{
	size_t *count = (size_t *)(base + row->count), k = sp4_count(row, base);
	char *slot = base + row->at + (row->most > 1 ? k * row->stride : 0);

	if (row->needs && !sp4_text_there(base, row->needs - 1))
		return wrong(r, SP4_INVALID, e, row, "it stands without the identifier that comes before it");
	if (k >= row->most)
		return wrong(r, SP4_INVALID, e, row, "it stands there too often");
	if (row->type != SP4_NEST) {
		if (attributes(r, e, NULL, 0, base) < 0 || simple(r, row, e, e->children, slot) < 0)
			return -1;
	} else {
		const char *was = r->parent;
		int rc;

		r->parent = row->name;
		rc = attributes(r, e, row->rows, row->nrows, slot) < 0 ? -1 : children(r, e, sp4_ext_space, row->rows, row->nrows, slot);
		r->parent = was;
		if (rc < 0)
			return -1;
	}
	if (row->count)
		*count = k + 1;
	return 0;
}

/* What the message has no use for is read all the same, into nothing: it is faulty or it is ignored. */
static int
unused(struct reader *r, const xmlNode *e, const struct sp4_row *row)
{
	struct sp4_msg *nothing = malloc(sizeof(*nothing));
	struct sp4_memory *mem = r->m->memory;
	const size_t held = mem->nheld;
	int rc;

	r->m->ignored++;
	if (!nothing)
		return wrong(r, SP4_NO_MEMORY, e, row, "there is no memory to hold it");
	sp4_init(nothing, 0);
	rc = element(r, e, row, (char *)nothing);
	while (mem->nheld > held)	/* the room for keys is for those of the message, and there may be any number of these */
		gw_secret_free(&mem->held[--mem->nheld]);
	free(nothing);
	return rc;
}

static int
extension(struct reader *r, const xmlNode *e)
{
	const struct sp4_row *row = named(e, sp4_ext_space) ? find(sp4_extensions, sp4_nextensions, SP4_EXTENSION, e->name) : NULL;
	bool again = row && row->most == 1 && sp4_count(row, r->m) > 0;

	if (!e->ns)
		return wrong(r, SP4_INVALID, e, NULL, "an element of no name space");
	if (!row) {
		r->m->ignored++;
		return 0;
	}
	if (again)
		wrong(r, SP4_SEMANTIC, e, row, "it stands there too often");
	return again || !(row->tags & SP4_BIT(r->m->tag)) ? unused(r, e, row) : element(r, e, row, (char *)r->m);
}

static bool
blank(const xmlNode *n)
{
	for (const xmlChar *c = n->content; c && *c; c++)
		if (!is_space((char)*c))
			return false;
	return true;
}

/* On to row `to`, of element e: what is passed over must have stood there. */
static int
pass(struct reader *r, const xmlNode *e, const struct sp4_row *rows, size_t to, const char *base, size_t *at)
{
	for (; *at < to; ++*at)
		if (rows[*at].place == SP4_CHILD && sp4_count(&rows[*at], base) < rows[*at].least)
			return wrong(r, SP4_INVALID, e, &rows[*at], "it is missing");
	return 0;
}

static int
child(struct reader *r, const xmlNode *e, const char *space, const struct sp4_row *rows, size_t n, char *base, size_t *at)
{
	const struct sp4_row *row = named(e, space) ? find(rows, n, SP4_CHILD, e->name) : NULL;

	if (!row && (named(e, space) || space == sp4_ext_space))
		return wrong(r, SP4_INVALID, e, NULL, "an element that has no place here");
	if (!row)	/* behind extension elements there is nothing else */
		return pass(r, e, rows, n, base, at) < 0 ? -1 : extension(r, e);
	if ((size_t)(row - rows) < *at)
		return wrong(r, SP4_INVALID, e, row, "it is out of order");
	return pass(r, e, rows, (size_t)(row - rows), base, at) < 0 ? -1 : element(r, e, row, base);
}

static int
children(struct reader *r, const xmlNode *parent, const char *space, const struct sp4_row *rows, size_t n, char *base)
{
	size_t at = 0;

	for (const xmlNode *c = parent->children; c; c = c->next) {
		if (c->type == XML_COMMENT_NODE || c->type == XML_PI_NODE)
			continue;
		if (c->type != XML_ELEMENT_NODE && !((c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE) && blank(c)))
			return wrong(r, SP4_INVALID, parent, NULL, "text between elements");
		if (c->type == XML_ELEMENT_NODE && child(r, c, space, rows, n, base, &at) < 0)
			return -1;
	}
	return pass(r, parent, rows, n, base, &at);
}

/* ---- documents ---- */

static const struct sp4_message *
message_of(const xmlNode *root)
{
	for (size_t i = 0; i < sp4_nmessages; i++)
		if (strcmp((const char *)root->name, sp4_messages[i].root) == 0)
			return &sp4_messages[i];
	return NULL;
}

static void
find_form(const struct sp4_message *d, struct sp4_msg *m)
{
	m->short_form = d->kind == SP4_RESPONSE || d->kind == SP4_CONFIRMATION;
	for (size_t i = 0; i < d->nrows && m->short_form; i++)
		m->short_form = !((d->rows[i].flags & SP4_FULL) && sp4_count(&d->rows[i], m));
}

static int
read_root(struct reader *r, const xmlNode *root)
{
	const struct sp4_message *d = named(root, sp4_space) ? message_of(root) : NULL;
	const char *why, *element, *clause;
	char *base = (char *)r->m;

	if (!d)
		return wrong(r, SP4_INVALID, root, NULL, "no message of urn:oma:xml:bcast:spcp:backend:1.0");
	if (attributes(r, root, d->rows, d->nrows, base) < 0)
		return -1;
	if (r->m->tag == 0 || r->m->tag > SP4_TAGS || !(d->tags & SP4_BIT(r->m->tag)))
		return wrong(r, SP4_INVALID, root, &d->rows[0], "it is not a tag of this root element");
	if (children(r, root, sp4_space, d->rows, d->nrows, base) < 0)
		return -1;
	find_form(d, r->m);
	why = sp4_wrong_whole(d, r->m, &element, &clause);
	if (why && r->late.verdict == SP4_OK) {
		wrong(r, SP4_SEMANTIC, root, NULL, why);
		snprintf(r->late.element, PATH, "%s", element);
		r->late.clause = clause;
	}
	return 0;
}

/* UTF-8 only. What is in another encoding has zero octets, or says so, or does not begin with a character of ours. */
static const char *
not_utf8(const char *text, size_t len, const struct gw_xml *doc)
{
	size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	if (!doc)
		return memchr(text, 0, len) || (at < len && text[at] != '<' && !is_space(text[at])) ? "it is not UTF-8, or no XML" : NULL;
	return gw_xml_encoding(doc) && strcasecmp(gw_xml_encoding(doc), "UTF-8") != 0 ? "its encoding is not UTF-8" : NULL;
}

static int
no_document(struct sp4_fault *f, enum sp4_verdict verdict, long line, const char *why)
{
	*f = (struct sp4_fault){ .verdict = verdict, .line = line, .clause = "7.2" };
	snprintf(f->rule, sizeof(f->rule), "%.159s", why);
	whole(f->rule);
	return -1;
}

/* By the schema, for which libxml2 wants a tree of its own. */
static int
by_schema(struct reader *r, const struct gw_xml_schema *schema, const void *text, size_t len)
{
	struct sp4_fault f = { .verdict = SP4_INVALID, .clause = "7.2", .rule = "the schema refuses it" };
	xmlDoc *doc = schema ? gw_xml_parse(text, len, NULL) : NULL;
	int rc;

	if (!schema)
		return 0;
	if (!doc)
		return no_document(r->fault, SP4_NO_MEMORY, 1, "there is no memory to hold it");
	rc = gw_xml_schema_check(schema, doc, &f.line, f.element, PATH);
	xmlFreeDoc(doc);
	if (rc == 0)
		return 0;
	*r->fault = f;
	whole(r->fault->element);
	return -1;
}

static struct gw_xml *
parse(const char *text, size_t len, struct sp4_fault *f)
{
	const char *why = len > SP4_DOCUMENT ? "the document is longer than 1 MiB" : not_utf8(text, len, NULL), *what;
	struct gw_err err = { 0 };
	struct gw_xml *doc;

	if (why) {
		no_document(f, len > SP4_DOCUMENT ? SP4_TOO_LONG : SP4_NOT_XML, 1, why);
		return NULL;
	}
	doc = gw_xml_read(text, len, &err);
	if (!doc) {	/* "line L: what"; libxml2 quotes names only */
		what = strstr(err.text, ": ");
		no_document(f, err.code == GW_ESYS ? SP4_NO_MEMORY : SP4_NOT_XML, what ? strtol(err.text + strcspn(err.text, "0123456789"), NULL, 10) : 1,
		    what ? what + 2 : err.text);
		return NULL;
	}
	why = not_utf8(text, len, doc);
	if (why) {
		no_document(f, SP4_NOT_XML, 1, why);
		gw_xml_free(doc);
		return NULL;
	}
	return doc;
}

static int
take_memory(struct sp4_msg *m, size_t len)
{
	m->memory = malloc(sizeof(*m->memory) + len + 1);
	if (!m->memory)
		return -1;
	m->memory->nheld = m->memory->used = 0;
	m->memory->cap = len + 1;
	return 0;
}

/* The schema takes what our tables do; but into what they have no row for, and pass over, it looks further. */
static bool
accounted_for(const struct reader *r)
{
	return r->m->ignored == 0 && r->late.verdict == SP4_OK;
}

static int
decode(const struct gw_xml_schema *schema, bool always, const void *text, size_t len, struct sp4_msg *m, struct sp4_fault *fault)
{
	struct reader r = { .m = m, .fault = fault };
	struct gw_xml *doc;
	int rc;

	*fault = (struct sp4_fault){ 0 };
	sp4_init(m, (int)SP4_ABSENT);
	doc = parse(text, len, fault);
	if (!doc)
		return -1;
	if (take_memory(m, len) < 0)
		rc = no_document(fault, SP4_NO_MEMORY, 1, "there is no memory to hold it");
	else
		rc = read_root(&r, gw_xml_root(doc)) < 0 ? -1 : !always && accounted_for(&r) ? 0 : by_schema(&r, schema, text, len);
	gw_xml_free(doc);
	if (rc < 0) {
		sp4_fini(m);
		return -1;
	}
	*fault = r.late;
	return r.late.verdict == SP4_OK ? 0 : -1;
}

int
sp4_decode(const struct gw_xml_schema *schema, const void *text, size_t len, struct sp4_msg *m, struct sp4_fault *fault)
{
	return decode(schema, false, text, len, m, fault);
}

int
sp4_validate(const struct gw_xml_schema *schema, const void *text, size_t len, struct sp4_msg *m, struct sp4_fault *fault)
{
	return decode(schema, true, text, len, m, fault);
}

struct gw_xml_schema *
sp4_schema(const char *dir, struct gw_err *err)
{
	char path[4096];

	snprintf(path, sizeof(path), "%.4000s/sp4-backend.xsd", dir);
	return gw_xml_schema_open(path, err);
}
