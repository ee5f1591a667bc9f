/* lib/xml_light.c: a tree of libxml2's nodes, out of few blocks: libxml2 itself takes more time for the allocations of its tree than for reading the text */
#include "lib/xml_int.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"

enum { BLOCK = 8192 - 64 };

struct block { struct block *next; size_t used, cap; _Alignas(max_align_t) char p[]; };
struct gw_xml {
	struct block *blocks;		/* the latest first */
	xmlDict *dict;
	xmlNode *root, *open;		/* open: the element that is being read */
	xmlNs *ns;			/* the latest */
	char *text_end;			/* of the latest text: its NUL */
	const char *encoding;
};

/* ---- memory ---- */

/* align: a power of two */
static void *
take(struct gw_xml *x, size_t n, size_t align)
{
	struct block *b = x->blocks;
	size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;

	if (!b || at > b->cap || n > b->cap - at) {
		const size_t cap = n > BLOCK ? n : BLOCK;

		b = malloc(sizeof(*b) + cap);
		if (!b)
			return NULL;
		*b = (struct block){ .next = x->blocks, .cap = cap };
		x->blocks = b;
		at = 0;
	}
	b->used = at + n;
	return b->p + at;
}

static void *
no_memory(xmlParserCtxt *p)
{
	struct gw_xml_reading *r = p->_private;

	r->no_memory = true;
	gw_xml_stop(p, "out of memory");
	return NULL;
}

static void *
zeroed(xmlParserCtxt *p, size_t n)
{
	struct gw_xml_reading *r = p->_private;
	void *q = take(r->to, n, _Alignof(max_align_t));

	return q ? memset(q, 0, n) : no_memory(p);
}

static char *
copied(xmlParserCtxt *p, const xmlChar *text, size_t n)
{
	struct gw_xml_reading *r = p->_private;
	char *q = take(r->to, n + 1, 1);

	if (!q)
		return no_memory(p);
	memcpy(q, text, n);
	q[n] = '\0';
	r->to->text_end = q + n;
	return q;
}

/* ---- nodes ---- */

static xmlNode *
new_node(xmlParserCtxt *p, xmlElementType type)
{
	xmlNode *n = zeroed(p, sizeof(*n));
	const int line = p->input ? p->input->line : 0;

	if (!n)
		return NULL;
	n->type = type;
	n->line = (unsigned short)(line < 65535 ? line : 65535);
	if (line >= 65535 && type == XML_TEXT_NODE)
		n->psvi = (void *)(ptrdiff_t)line;	/* where xmlGetLineNo() looks */
	return n;
}

static void
append(struct gw_xml *x, xmlNode *n)
{
	xmlNode *parent = x->open;

	n->parent = parent;
	if (!parent) {
		x->root = n;
		return;
	}
	n->prev = parent->last;
	if (parent->last)
		parent->last->next = n;
	else
		parent->children = n;
	parent->last = n;
}

/* ns: what has a prefix that is bound to none has it as part of its name */
static bool
name_it(xmlParserCtxt *p, const xmlChar **name, xmlNs **ns, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	struct gw_xml_reading *r = p->_private;
	struct gw_xml *x = r->to;

	*name = prefix && !uri ? xmlDictQLookup(p->dict, prefix, local) : local;
	if (uri && (!x->ns || x->ns->href != uri)) {
		x->ns = zeroed(p, sizeof(*x->ns));
		if (!x->ns)
			return false;
		*x->ns = (xmlNs){ .type = XML_NAMESPACE_DECL, .href = uri };
	}
	*ns = uri ? x->ns : NULL;
	return *name || no_memory(p);
}

static xmlAttr *
new_attribute(xmlParserCtxt *p, const xmlChar *const at[5])
{
	xmlAttr *a = zeroed(p, sizeof(*a));

	if (!a || !name_it(p, &a->name, &a->ns, at[0], at[1], at[2]))
		return NULL;
	a->type = XML_ATTRIBUTE_NODE;
	if (at[3] == at[4])
		return a;
	a->children = a->last = new_node(p, XML_TEXT_NODE);
	if (!a->children)
		return NULL;
	a->children->content = (xmlChar *)copied(p, at[3], (size_t)(at[4] - at[3]));
	return a->children->content ? a : NULL;
}

static void
on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int nns, const xmlChar **ns, int natt, int ndef, const xmlChar **att)
{
	xmlParserCtxt *p = ctx;
	struct gw_xml_reading *r = p->_private;
	xmlNode *e;
	xmlAttr **at, *last = NULL;

	(void)nns;
	(void)ns;
	(void)ndef;
	if (!gw_xml_deeper(p) || !(e = new_node(p, XML_ELEMENT_NODE)) || !name_it(p, &e->name, &e->ns, name, prefix, uri))
		return;
	at = &e->properties;
	for (int i = 0; i < natt; i++) {
		xmlAttr *a = new_attribute(p, &att[5 * i]);

		if (!a)
			return;
		a->parent = e;
		a->prev = last;
		*at = last = a;
		at = &a->next;
	}
	append(r->to, e);
	r->to->open = e;
}

static void
on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	xmlParserCtxt *p = ctx;
	struct gw_xml_reading *r = p->_private;

	(void)name;
	(void)prefix;
	(void)uri;
	r->depth--;
	if (r->to->open)
		r->to->open = r->to->open->parent;
}

/* Right behind the latest text, if there is room: that is one text. */
static bool
longer(struct gw_xml *x, const xmlChar *text, size_t n)
{
	struct block *b = x->blocks;
	const xmlNode *last = x->open->last;

	if (!last || last->type != XML_TEXT_NODE || x->text_end + 1 != b->p + b->used || n > b->cap - b->used)
		return false;
	memcpy(x->text_end, text, n);
	x->text_end += n;
	*x->text_end = '\0';
	b->used += n;
	return true;
}

static void
on_text(void *ctx, const xmlChar *text, int len)
{
	xmlParserCtxt *p = ctx;
	struct gw_xml_reading *r = p->_private;
	xmlNode *n;

	if (len <= 0 || !r->to->open || longer(r->to, text, (size_t)len))
		return;
	n = new_node(p, XML_TEXT_NODE);
	if (n && (n->content = (xmlChar *)copied(p, text, (size_t)len)) != NULL)
		append(r->to, n);
}

/* The encoding that the document says it has, or was seen to have. */
static void
on_end_document(void *ctx)
{
	xmlParserCtxt *p = ctx;
	struct gw_xml_reading *r = p->_private;
	const xmlChar *e = p->encoding ? p->encoding : p->inputNr > 0 ? p->inputTab[0]->encoding : NULL;

	if (e)
		r->to->encoding = copied(p, e, strlen((const char *)e));
}

const xmlSAXHandler gw_xml_light = { .initialized = XML_SAX2_MAGIC, .startElementNs = on_start, .endElementNs = on_end, .characters = on_text,
	.ignorableWhitespace = on_text, .endDocument = on_end_document };

/* ---- documents ---- */

void
gw_xml_lend(struct gw_xml *x, xmlDict *dict)
{
	x->dict = dict;
	xmlDictReference(dict);
}

const xmlNode *
gw_xml_root(const struct gw_xml *x)
{
	return x->root;
}

const char *
gw_xml_encoding(const struct gw_xml *x)
{
	return x->encoding;
}

struct gw_xml *
gw_xml_new(void)
{
	return calloc(1, sizeof(struct gw_xml));
}

void
gw_xml_free(struct gw_xml *x)
{
	for (struct block *b = x ? x->blocks : NULL, *next; b; b = next) {
		next = b->next;
		gw_cleanse(b->p, b->used);
		free(b);
	}
	if (x && x->dict)
		xmlDictFree(x->dict);
	free(x);
}
