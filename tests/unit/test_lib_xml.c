/* tests/unit/test_lib_xml.c */
#include "lib/xml.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/suite.h"

static void
refuse(const char *text, size_t len, const char *why)
{
	struct gw_err err = { 0 }, light = { 0 };

	ck_assert_msg(gw_xml_parse(text, len, &err) == NULL, "it parsed: %.60s", text);
	ck_assert_msg(gw_xml_read(text, len, &light) == NULL, "it was read: %.60s", text);
	ck_assert_str_eq(light.text, err.text);
	ck_assert_msg(strncmp(err.text, "line ", 5) == 0 && strstr(err.text, why), "'%s' does not say '%s'", err.text, why);
}

START_TEST(names_and_text)	/* _i: of libxml2's tree, of the light one */
{
	static const char text[] = "<?xml version='1.0'?>\n<a:r xmlns:a='urn:x'><b>one</b><a:c>\n <!-- n -->  t&amp;w\to <![CDATA[<3]]>\t</a:c><c><d/></c></a:r>";
	struct gw_err err = { 0 };
	xmlDoc *doc = _i ? NULL : gw_xml_parse(text, strlen(text), &err);
	struct gw_xml *light = _i ? gw_xml_read(text, strlen(text), &err) : NULL;
	const xmlNode *root;
	xmlNode *c;
	char out[32];

	ck_assert_msg(doc || light, "%s", err.text);
	root = doc ? xmlDocGetRootElement(doc) : gw_xml_root(light);
	c = gw_xml_child(root, "c");
	ck_assert(gw_xml_text(c, out, sizeof(out)));
	ck_assert_str_eq(out, "t&w\to <3");
	ck_assert(!gw_xml_text(c, out, 8));
	ck_assert(gw_xml_text(c, out, 9));
	c = gw_xml_next(c->next, "c");
	ck_assert_ptr_nonnull(c);
	ck_assert(!gw_xml_text(c, out, sizeof(out)));
	ck_assert_ptr_null(gw_xml_next(c->next, "c"));
	ck_assert_ptr_null(gw_xml_child(root, "d"));
	ck_assert_ptr_null(gw_xml_child(NULL, "d"));
	ck_assert(!gw_xml_text(NULL, out, sizeof(out)));
	ck_assert_int_eq(xmlGetLineNo(root->children), 2);
	xmlFreeDoc(doc);
	gw_xml_free(light);
}
END_TEST

/* n attributes, whose values hold what ends tags elsewhere, behind things that hold what begins them. */
static char *
attributes(int n)
{
	char *text = malloc(64 * (size_t)n + 200), *p = text;

	p += sprintf(p, "<?x <a '?><!-- <a \" ' >--><r><![CDATA[<a ']]><b");
	for (int i = 0; i < n; i++)
		p += sprintf(p, " a%d=%s", i, i % 2 ? "'>'" : "\"'/>\"");
	sprintf(p, "/></r>");
	return text;
}

START_TEST(attributes_are_bounded)
{
	char *text = attributes(GW_XML_ATTRIBUTES);
	struct gw_err err = { 0 };
	xmlDoc *doc = gw_xml_parse(text, strlen(text), &err);

	ck_assert_msg(doc != NULL, "%s", err.text);
	xmlFreeDoc(doc);
	free(text);
	text = attributes(GW_XML_ATTRIBUTES + 1);
	refuse(text, strlen(text), "more than 64 attributes");
	free(text);
}
END_TEST

/* libxml2 goes on after a fault unless it is stopped: with this one for minutes. */
START_TEST(the_first_fault_is_the_last)
{
	char *text = malloc(900020);

	memset(text, '-', 900020);
	memcpy(text, "<!--", 4);
	memcpy(text + 900000, "--><a/>", 7);
	refuse(text, 900007, "hyphen");
	free(text);
}
END_TEST

START_TEST(strangers_are_refused)
{
	static const struct { const char *text, *why; } bad[] = {
		{ "<a>", "line 1" }, { "<a>\n<b></a>", "line 2" }, { "text", "line 1" }, { "<a/><b/>", "line 1" }, { " ", "line 1" },
		{ "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "document type" },
		{ "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "document type" },
		{ "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<a>&x;</a>", "document type" },
		{ "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://127.0.0.1:1/'> %p;]>\n<a/>", "document type" },
		{ "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"
		  "<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'><!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'>]><l>&e;</l>", "document type" },
		{ "<a>&undefined;</a>", "line 1" }, { "<a x='1' x='2'/>", "line 1" }, { "<a>\xff</a>", "line 1" }, { "<a>\x01</a>", "line 1" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(bad[i].text, strlen(bad[i].text), bad[i].why);
	refuse("", 0, "nothing");
	refuse("<a>\0</a>", 8, "line 1");
}
END_TEST

/* Elements in elements, as many as that; heap. */
static char *
nested(unsigned depth)
{
	char *text = calloc(7, depth + 1);

	for (unsigned i = 0; i < depth; i++)
		memcpy(text + 3 * i, "<a>", 3);
	for (unsigned i = 0; i < depth; i++)
		memcpy(text + 3 * depth + 4 * i, "</a>", 4);
	return text;
}

START_TEST(bounds)
{
	char *text = nested(GW_XML_DEPTH), *big = malloc(GW_XML_BYTES + 2);
	struct gw_err err = { 0 };
	xmlDoc *doc = gw_xml_parse(text, strlen(text), &err);

	ck_assert_msg(doc != NULL, "%s", err.text);
	xmlFreeDoc(doc);
	free(text);
	text = nested(GW_XML_DEPTH + 1);
	refuse(text, strlen(text), "too deep");
	free(text);
	text = nested(30000);
	refuse(text, strlen(text), "too deep");
	free(text);
	memset(big, 'x', GW_XML_BYTES + 2);
	memcpy(big, "<a>", 3);
	memcpy(big + GW_XML_BYTES - 4, "</a>\n\n", 6);
	doc = gw_xml_parse(big, GW_XML_BYTES, &err);
	ck_assert_msg(doc != NULL, "%s", err.text);
	xmlFreeDoc(doc);
	refuse(big, GW_XML_BYTES + 1, "too long");
	free(big);
}
END_TEST

START_TEST(escape)
{
	char out[64];

	ck_assert_uint_eq(gw_xml_escape("a<&>\"'b", out, sizeof(out)), 27);
	ck_assert_str_eq(out, "a&lt;&amp;&gt;&quot;&apos;b");
	ck_assert_uint_eq(gw_xml_escape("<<<", out, 6), 12);
	ck_assert_str_eq(out, "&lt;&");
	ck_assert_uint_eq(gw_xml_escape("\001\t\xc3\xa9", NULL, 0), 4);
	gw_xml_escape("\001\t\xc3\xa9", out, sizeof(out));
	ck_assert_str_eq(out, "?\t\xc3\xa9");
}
END_TEST

START_TEST(schemas)
{
	static const struct { const char *text; long line; const char *element; } rows[] = {
		{ "<a xmlns='urn:t'><n>5</n>\n<n>007</n></a>", 0, NULL }, { "<a xmlns='urn:t'>\n<n>256</n><n>x</n></a>", 2, "n" },
		{ "<a xmlns='urn:t'>\n</a>", 1, "a" }, { "<a><n>5</n></a>", 1, "a" }, { "<a xmlns='urn:t'><n>5</n>\n<a:bbbbbbbbbbbbbbbbbb xmlns:a='urn:t'/></a>", 2, "bbbbbbb" },
	};
	static const char xsd[] = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns='urn:t' targetNamespace='urn:t' elementFormDefault='qualified'>\n"
	    "<xs:simpleType name='N'><xs:restriction base='xs:unsignedByte'/></xs:simpleType>\n"
	    "<xs:element name='a'><xs:complexType><xs:sequence><xs:element name='n' type='N' maxOccurs='9'/></xs:sequence></xs:complexType></xs:element>\n";
	char dir[] = "/tmp/xsd.XXXXXX", path[64], element[8], text[1024];
	struct gw_err err = { 0 };
	struct gw_xml_schema *s;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.xsd", dir);
	ck_assert(!gw_xml_schema_open(path, &err) && err.code == GW_EUNAVAIL && strstr(err.text, "t.xsd"));
	snprintf(text, sizeof(text), "%s<xs:element name='b' type='Missing'/></xs:schema>", xsd);
	put_file(path, text, 0600);
	ck_assert(!gw_xml_schema_open(path, &err));
	ck_assert_msg(strstr(err.text, "t.xsd:4:") && strstr(err.text, "Missing"), "%s", err.text);
	snprintf(text, sizeof(text), "%s</xs:schema>", xsd);
	put_file(path, text, 0600);
	s = gw_xml_schema_open(path, &err);
	ck_assert_msg(s != NULL, "%s", err.text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		xmlDoc *doc = gw_xml_parse(rows[i].text, strlen(rows[i].text), &err);
		long line;

		ck_assert_int_eq(gw_xml_schema_check(s, doc, &line, element, sizeof(element)), rows[i].element ? -1 : 0);
		if (rows[i].element)
			ck_assert_msg(line == rows[i].line && strcmp(element, rows[i].element) == 0, "row %zu: line %ld: %s", i, line, element);
		xmlFreeDoc(doc);
	}
	gw_xml_schema_free(s);
	remove(path);
	remove(dir);
}
END_TEST

enum { LONG = 4000 };		/* longer than what malloc() and libxml2 keep together */
static char seen[128];		/* what was cleansed last of that beginning */
static bool key_gone;		/* something that held it was */
static bool text_gone;		/* a copy of a whole document that holds it, as the parser makes one */
void __real_gw_cleanse(void *, size_t);
void __wrap_gw_cleanse(void *, size_t);

void
__wrap_gw_cleanse(void *p, size_t n)
{
	if (n >= sizeof(seen) && memcmp(p, "0123456789abc", 13) == 0)
		memcpy(seen, p, sizeof(seen));
	key_gone |= memmem(p, n, "0123456789abc", 13) != NULL;
	text_gone |= n > LONG && memmem(p, n, "<k>0123456789abc", 16) != NULL;
	__real_gw_cleanse(p, n);
}

START_TEST(memory_is_cleansed)
{
	static const char key[] = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
	    "0123456789abcdefghijklmnopqrstuvwxyz";
	char text[2 * LONG];
	xmlDoc *doc;

	ck_assert_int_eq(gw_xml_cleanse(), 0);
	snprintf(text, sizeof(text), "<k>%s</k>%*s", key, LONG, "");
	doc = gw_xml_parse(text, strlen(text), NULL);
	ck_assert_ptr_nonnull(doc);
	ck_assert_str_eq((const char *)xmlDocGetRootElement(doc)->children->content, key);
	ck_assert(!seen[0]);
	ck_assert(text_gone);	/* the parser is kept for the next document, this one's text is not */
	xmlFreeDoc(doc);
	ck_assert_mem_eq(seen, key, sizeof(seen));
}
END_TEST

START_TEST(memory_of_a_light_tree_is_cleansed)
{
	struct gw_err err = { 0 };
	struct gw_xml *light = gw_xml_read("<k a='1'>0123456789abc&lt;</k>", 30, &err);

	ck_assert_msg(light != NULL, "%s", err.text);
	ck_assert_str_eq((const char *)gw_xml_root(light)->children->content, "0123456789abc<");
	key_gone = false;
	gw_xml_free(light);
	ck_assert(key_gone);
}
END_TEST

SUITE("lib_xml", tcase_add_loop_test(t, names_and_text, 0, 2); tcase_add_test(t, memory_of_a_light_tree_is_cleansed); tcase_add_test(t, strangers_are_refused); tcase_add_test(t, attributes_are_bounded);
      tcase_add_test(t, the_first_fault_is_the_last); tcase_add_test(t, schemas); tcase_add_test(t, memory_is_cleansed); tcase_add_test(t, bounds); tcase_add_test(t, escape);)
