/* lib/xml.c */
#include "lib/xml_int.h"
#include <errno.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemas.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>
#include "lib/secret.h"

void
gw_xml_stop(xmlParserCtxt *p, const char *why)
{
	struct gw_xml_reading *r = p->_private;

	if (!r->why)
		r->why = why;
	xmlStopParser(p);
}

bool
gw_xml_deeper(xmlParserCtxt *p)
{
	struct gw_xml_reading *r = p->_private;

	if (++r->depth <= GW_XML_DEPTH)
		return true;
	gw_xml_stop(p, "too deep");
	return false;
}

static void
on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int nns, const xmlChar **ns, int natt, int ndef, const xmlChar **att)
{
	if (gw_xml_deeper(ctx))
		xmlSAX2StartElementNs(ctx, name, prefix, uri, nns, ns, natt, ndef, att);
}

static void
on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	xmlParserCtxt *p = ctx;
	struct gw_xml_reading *r = p->_private;

	r->depth--;
	xmlSAX2EndElementNs(ctx, name, prefix, uri);
}

/* Where entities, external documents and defaults come from; there is no good use of it here. */
static void
on_dtd(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	(void)name;
	(void)external;
	(void)system;
	gw_xml_stop(ctx, "it has a document type, which is not allowed");
}

/* The first fault is the last: libxml2 goes on, and says every hyphen of a comment anew. */
static void
on_fault(void *ctx, xmlError *e)
{
	(void)ctx;
	if (e->level == XML_ERR_FATAL && e->ctxt)
		xmlStopParser(e->ctxt);
}

static void
quiet(void *ctx, const char *fmt, ...)
{
	(void)ctx;
	(void)fmt;
}

static void
set_handlers(xmlParserCtxt *p, bool light)
{
	if (light) {
		*p->sax = gw_xml_light;
	} else {
		xmlSAXVersion(p->sax, 2);
		p->sax->startElementNs = on_start;
		p->sax->endElementNs = on_end;
	}
	p->sax->internalSubset = on_dtd;
	p->sax->comment = NULL;		/* nobody looks at them, and a document may be full of them */
	p->sax->processingInstruction = NULL;
	p->sax->error = p->sax->fatalError = quiet;
	p->sax->warning = quiet;
	p->sax->serror = (xmlStructuredErrorFunc)on_fault;
}

/*
 * A thread's parser, kept from one document to the next: a new one, with its dictionary of names, takes as long as a small document. It is reset when
 * it is put back, not only when it is taken: until then it has a copy of the document's text, with the keys in it. After that it holds names only. It does not outlive one that was faulty, whose state nobody knows, or full of strange names, which would pile up.
 */
enum { KEPT_NAMES = 256 };
static once_flag once = ONCE_FLAG_INIT;
static tss_t kept;
static bool may_keep;

static void
end_kept(void *p)
{
	xmlFreeParserCtxt(p);
}

static void
begin_kept(void)
{
	may_keep = tss_create(&kept, end_kept) == thrd_success;
}

static xmlParserCtxt *
take_parser(void)
{
	xmlParserCtxt *p;

	call_once(&once, begin_kept);
	p = may_keep ? tss_get(kept) : NULL;
	if (p) {
		tss_set(kept, NULL);
		return p;
	}
	xmlSetGenericErrorFunc(NULL, quiet);	/* of this thread: what an encoder has to say would go to stderr */
	return xmlNewParserCtxt();
}

static void
put_back(xmlParserCtxt *p, bool clean)
{
	p->_private = NULL;
	xmlCtxtReset(p);
	if (!clean || !may_keep || xmlDictSize(p->dict) > KEPT_NAMES || tss_set(kept, p) != thrd_success)
		xmlFreeParserCtxt(p);
}

static int
fault(xmlParserCtxt *p, const struct gw_xml_reading *r, struct gw_err *err)
{
	const xmlError *e = xmlCtxtGetLastError(p);
	const char *why = r->why ? r->why : e && e->message ? e->message : "it is no XML";
	int line = r->why && p->input ? p->input->line : e ? e->line : 0;

	if (r->no_memory)
		return gw_fail(err, GW_ESYS, "out of memory");
	return gw_fail(err, GW_EPEER, "line %d: %.*s", line > 0 ? line : 1, (int)strcspn(why, "\n"), why);
}

/* Behind what ends a comment and the like; end when nothing does. */
static const char *
past(const char *p, const char *end, const char *what)
{
	const size_t n = strlen(what);	/* each ends with '>' */
	const char *at = p;

	while ((at = memchr(at, '>', (size_t)(end - at))) != NULL) {
		at++;
		if ((size_t)(at - p) >= n && memcmp(at - n, what, n) == 0)
			return at;
	}
	return end;
}

/* One tag, from behind its '<'; NULL: it has too many attributes. Each has its value in quotes, else the parser stops there. */
static const char *
past_tag(const char *p, const char *end)
{
	const char *close;

	for (unsigned n = 0; p < end && *p != '>'; p = close + 1) {
		close = p;
		if (*p != '"' && *p != '\'')
			continue;
		close = memchr(p + 1, *p, (size_t)(end - p - 1));
		if (!close)
			return end;
		if (++n > GW_XML_ATTRIBUTES)
			return NULL;
	}
	return p;
}

/* libxml2 compares each attribute of an element with all others. */
static bool
few_attributes(const char *p, size_t len)
{
	static const struct { const char *begin, *end; } others[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };
	const char *end = p + len;

	while (p && (p = memchr(p, '<', (size_t)(end - p))) != NULL) {
		size_t i = 0;

		while (i < 3 && ((size_t)(end - p) < strlen(others[i].begin) || memcmp(p, others[i].begin, strlen(others[i].begin)) != 0))
			i++;
		p = i < 3 ? past(p + strlen(others[i].begin), end, others[i].end) : past_tag(p + 1, end);
		if (!p)
			return false;
	}
	return true;
}

/* A document that says of itself that it is UTF-8, or says nothing, and does not look like anything else. */
static bool
is_utf8(const char *text, size_t len)
{
	const char *end, *says;

	if (text[0] != '<' || strlen(text) != len)
		return false;
	if (strncmp(text, "<?xml", 5) != 0 || !(end = strstr(text, "?>")) || !(says = memmem(text, (size_t)(end - text), "encoding", 8)))
		return true;
	says += 8 + strspn(says + 8, " \t\r\n=");
	return strncasecmp(says, "\"UTF-8\"", 7) == 0 || strncasecmp(says, "'UTF-8'", 7) == 0;
}

/* XML_PARSE_NOENT: "&amp;" in an attribute is "&" and no text of its own; there are no other entities, since they would be of a DTD */
enum { OPTIONS = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA | XML_PARSE_NOENT | XML_PARSE_COMPACT | XML_PARSE_BIG_LINES };

/* In place; libxml2 would copy it into a buffer of its own, which it grows and moves as if more was to come. */
static void
parse_in_place(xmlParserCtxt *p, const char *text)
{
	xmlParserInput *input = xmlNewStringInputStream(p, (const xmlChar *)text);

	xmlCtxtUseOptions(p, OPTIONS);
	if (input && inputPush(p, input) >= 0)
		xmlParseDocument(p);
}

/* NULL: it is not well-formed; the parser knows why. */
static xmlDoc *
parse(xmlParserCtxt *p, const void *text, size_t len)
{
	char *copy = malloc(len + 1);
	xmlDoc *doc;

	if (!copy) {
		((struct gw_xml_reading *)p->_private)->no_memory = true;
		return NULL;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (is_utf8(copy, len)) {
		parse_in_place(p, copy);
		doc = p->myDoc;
		p->myDoc = NULL;
	} else {
		doc = xmlCtxtReadMemory(p, copy, (int)len, NULL, NULL, OPTIONS);
	}
	gw_cleanse(copy, len);
	free(copy);
	return doc;
}

/* Into to, or else into *doc. */
static int
read_document(const void *text, size_t len, struct gw_xml *to, xmlDoc **doc, struct gw_err *err)
{
	struct gw_xml_reading r = { .to = to };
	xmlParserCtxt *p;
	bool good;

	if (len == 0 || len > GW_XML_BYTES)
		return gw_fail(err, GW_EPEER, len ? "line 1: the document is too long" : "line 1: there is nothing");
	if (!few_attributes(text, len))
		return gw_fail(err, GW_EPEER, "line 1: an element has more than %d attributes", GW_XML_ATTRIBUTES);
	p = take_parser();
	if (!p)
		return gw_fail(err, GW_ESYS, "out of memory");
	p->_private = &r;
	set_handlers(p, to != NULL);
	if (to)
		gw_xml_lend(to, p->dict);
	*doc = parse(p, text, len);
	good = p->wellFormed && !r.why && (to ? gw_xml_root(to) != NULL : xmlDocGetRootElement(*doc) != NULL);
	if (!good) {
		fault(p, &r, err);
		xmlFreeDoc(*doc);
		*doc = NULL;
	}
	put_back(p, good);
	return good ? 0 : -1;
}

xmlDoc *
gw_xml_parse(const void *text, size_t len, struct gw_err *err)
{
	xmlDoc *doc = NULL;

	read_document(text, len, NULL, &doc, err);
	return doc;
}

struct gw_xml *
gw_xml_read(const void *text, size_t len, struct gw_err *err)
{
	struct gw_xml *x = gw_xml_new();
	xmlDoc *none = NULL;

	if (!x) {
		gw_fail(err, GW_ESYS, "out of memory");
	} else if (read_document(text, len, x, &none, err) < 0) {
		gw_xml_free(x);
		x = NULL;
	}
	return x;
}

xmlNode *
gw_xml_next(xmlNode *n, const char *local)
{
	while (n && (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, local) != 0))
		n = n->next;
	return n;
}

xmlNode *
gw_xml_child(const xmlNode *n, const char *local)
{
	return n ? gw_xml_next(n->children, local) : NULL;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
gw_xml_text(const xmlNode *n, char *out, size_t cap)
{
	size_t len = 0;

	for (const xmlNode *c = n ? n->children : NULL; c; c = c->next) {
		if (c->type == XML_COMMENT_NODE || c->type == XML_PI_NODE)
			continue;
		if (c->type != XML_TEXT_NODE && c->type != XML_CDATA_SECTION_NODE)
			return false;
		for (const char *p = (const char *)c->content; p && *p; p++) {
			if (len == 0 && is_space(*p))
				continue;
			if (len + 1 >= cap) {
				if (!is_space(*p))
					return false;
				continue;
			}
			out[len++] = *p;
		}
	}
	while (len > 0 && is_space(out[len - 1]))
		len--;
	if (cap == 0)
		return false;
	out[len] = '\0';
	return n != NULL;
}

size_t
gw_xml_escape(const char *text, char *out, size_t cap)
{
	static const struct { char c; const char *as; } marks[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&apos;" },
		{ '\r', "&#13;" } };	/* it would be read as \n */
	size_t at = 0;

	for (; *text; text++) {
		char one[2] = { *text >= 0 && *text < ' ' && !is_space(*text) ? '?' : *text, '\0' };	/* XML 1.0 has no other control characters */
		const char *as = one;
		for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
			if (marks[i].c == *text)
				as = marks[i].as;
		for (; *as; as++, at++)
			if (at + 1 < cap)
				out[at] = *as;
	}
	if (cap > 0)
		out[at < cap ? at : cap - 1] = '\0';
	return at;
}

/* ---- schemas ---- */

static void
on_schema_error(void *self, xmlError *e)
{
	struct gw_err *err = self;

	if (err->code == GW_OK)
		gw_fail(err, GW_EUNAVAIL, "%.200s:%d: %.*s", e->file ? e->file : "schema", e->line, (int)strcspn(e->message, "\n"), e->message);
}

/* A compiled schema is libxml2's own. */
struct gw_xml_schema *
gw_xml_schema_open(const char *path, struct gw_err *err)
{
	struct gw_err why = { 0 };
	xmlSchemaParserCtxt *p;
	xmlSchema *s = NULL;

	if (access(path, R_OK) < 0) {	/* libxml2 would say so on stderr */
		gw_fail(err, GW_EUNAVAIL, "%s: %s", path, strerror(errno));
		return NULL;
	}
	p = xmlSchemaNewParserCtxt(path);
	if (p) {
		xmlSchemaSetParserStructuredErrors(p, on_schema_error, &why);
		s = xmlSchemaParse(p);
		xmlSchemaFreeParserCtxt(p);
	}
	if (!s)
		gw_fail(err, GW_EUNAVAIL, "%s", why.code ? why.text : "no schema");
	return (struct gw_xml_schema *)s;
}

void
gw_xml_schema_free(struct gw_xml_schema *s)
{
	xmlSchemaFree((xmlSchema *)s);
}

struct place { long line; char *element; size_t cap; };

static void
on_invalid(void *self, xmlError *e)
{
	struct place *at = self;
	const xmlNode *n = e->node;

	if (at->line)
		return;
	at->line = n ? xmlGetLineNo(n) : e->line > 0 ? e->line : 1;
	if (at->cap)
		at->element[0] = '\0';
	if (n && n->name && at->cap)
		strncat(at->element, (const char *)n->name, at->cap - 1);
}

int
gw_xml_schema_check(const struct gw_xml_schema *s, xmlDoc *doc, long *line, char *element, size_t cap)
{
	xmlSchemaValidCtxt *v = xmlSchemaNewValidCtxt((xmlSchema *)(uintptr_t)s);
	struct place at = { .element = element, .cap = cap };
	int rc = -1;

	if (v) {
		xmlSchemaSetValidStructuredErrors(v, on_invalid, &at);
		rc = xmlSchemaValidateDoc(v, doc);
		xmlSchemaFreeValidCtxt(v);
	}
	*line = at.line ? at.line : 1;
	return rc == 0 ? 0 : -1;
}

/* ---- memory ---- */

static void
scrub(void *p)
{
	if (p)
		gw_cleanse(p, malloc_usable_size(p));
	free(p);
}

/* Never in place: what realloc moves it leaves behind. */
static void *
grow(void *p, size_t n)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *q = malloc(n);

	if (!q)
		return NULL;
	if (p)
		memcpy(q, p, had < n ? had : n);
	scrub(p);
	return q;
}

int
gw_xml_cleanse(void)
{
	mallopt(M_MMAP_THRESHOLD, 4 * GW_XML_BYTES);	/* what a long document takes would go back to the kernel, and come anew, page by page, with the next */
	mallopt(M_TRIM_THRESHOLD, 16 * GW_XML_BYTES);
	return xmlMemSetup(scrub, malloc, grow, strdup);
}
