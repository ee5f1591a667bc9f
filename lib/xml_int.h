/* lib/xml_int.h: between the two ways of reading a document: libxml2's own tree (lib/xml.c) and a light one (lib/xml_light.c) */
#ifndef GW_XML_INT_H
#define GW_XML_INT_H
#include <libxml/parser.h>
#include "lib/xml.h"

/* While a document is read, the parser's _private: what our own handlers found to be against the rules. */
struct gw_xml_reading { unsigned depth; const char *why; bool no_memory; struct gw_xml *to; };
void gw_xml_stop(xmlParserCtxt *, const char *why);	/* the first reason stands */
bool gw_xml_deeper(xmlParserCtxt *);	/* an element begins; false: too deep, and stopped */

extern const xmlSAXHandler gw_xml_light;	/* builds ->to; without what both ways have in common (lib/xml.c) */
struct gw_xml *gw_xml_new(void);	/* NULL: no memory */
void gw_xml_lend(struct gw_xml *, xmlDict *);	/* its names are of that one */
#endif
