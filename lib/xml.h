/* lib/xml.h: XML from strangers (libxml2): no DTD, no entities, no network, capped in size and depth. Local names are matched, namespaces and unknown elements ignored. */
#ifndef GW_XML_H
#define GW_XML_H
#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include "lib/err.h"

enum { GW_XML_BYTES = 1 << 20, GW_XML_DEPTH = 32 };
/* NULL with *err: "line L: what". Freed with xmlFreeDoc. */
xmlDoc *gw_xml_parse(const void *text, size_t len, struct gw_err *);
/* The next element of that local name at or after n among siblings; NULL: none. */
xmlNode *gw_xml_next(xmlNode *n, const char *local);
xmlNode *gw_xml_child(const xmlNode *, const char *local);	/* the first of its children */
/* Its text, white space around it stripped; false: too long, or it has elements in it. */
bool gw_xml_text(const xmlNode *, char *out, size_t cap);
/* Appends text with & < > " ' escaped; octets that it needs, as snprintf. */
size_t gw_xml_escape(const char *text, char *out, size_t cap);
#endif
