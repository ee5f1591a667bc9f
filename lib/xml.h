/* lib/xml.h: XML from strangers (libxml2): no DTD, no entities, no network, capped in size, depth and attributes. Local names are matched, namespaces and unknown elements ignored. */
#ifndef GW_XML_H
#define GW_XML_H
#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include "lib/err.h"

enum { GW_XML_BYTES = 1 << 20, GW_XML_DEPTH = 32, GW_XML_ATTRIBUTES = 64 };	/* of one element, name spaces included */
/* NULL with *err: "line L: what". Freed with xmlFreeDoc. */
xmlDoc *gw_xml_parse(const void *text, size_t len, struct gw_err *);
/*
 * The same document as a light tree, for which libxml2 need not build its own: elements (type, name, ns->href, properties, children, last, next, prev,
 * parent, line), attributes (name, ns->href, children) and texts (content); everything else of these is zero, and comments, processing instructions and
 * declarations of name spaces are left out. NULL with *err as above. Freed, and cleansed, with gw_xml_free, quiet on NULL.
 */
struct gw_xml;
struct gw_xml *gw_xml_read(const void *text, size_t len, struct gw_err *);
const xmlNode *gw_xml_root(const struct gw_xml *);
const char *gw_xml_encoding(const struct gw_xml *);	/* which it says it has; NULL: it does not */
void gw_xml_free(struct gw_xml *);
/* The next element of that local name at or after n among siblings; NULL: none. */
xmlNode *gw_xml_next(xmlNode *n, const char *local);
xmlNode *gw_xml_child(const xmlNode *, const char *local);	/* the first of its children */
/* Its text, white space around it stripped; false: too long, or it has elements in it. */
bool gw_xml_text(const xmlNode *, char *out, size_t cap);
/* Appends text with & < > " ' escaped; octets that it needs, as snprintf. */
size_t gw_xml_escape(const char *text, char *out, size_t cap);

/* A schema (XSD) from a file, compiled; any number of documents, any thread. NULL with *err. */
struct gw_xml_schema;
struct gw_xml_schema *gw_xml_schema_open(const char *path, struct gw_err *);
void gw_xml_schema_free(struct gw_xml_schema *);
/* 0, or -1 with the line and the local name of the first element that is at fault; what it holds is not told. */
int gw_xml_schema_check(const struct gw_xml_schema *, xmlDoc *, long *line, char *element, size_t cap);
/* From now on libxml2 cleanses all memory that it gives back: for documents with keys. First of all calls, before there is a second thread. */
int gw_xml_cleanse(void);
#endif
