/* tests/unit/test_lib_xml.c */
#include "lib/xml.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/suite.h"

static void
refuse(const char *text, size_t len, const char *why)
{
	struct gw_err err = { 0 };

	ck_assert_msg(gw_xml_parse(text, len, &err) == NULL, "it parsed: %.60s", text);
	ck_assert_msg(strncmp(err.text, "line ", 5) == 0 && strstr(err.text, why), "'%s' does not say '%s'", err.text, why);
}

START_TEST(names_and_text)
{
	static const char text[] = "<?xml version='1.0'?>\n<a:r xmlns:a='urn:x'><b>one</b><a:c>\n <!-- n -->  t&amp;w\to <![CDATA[<3]]>\t</a:c><c><d/></c></a:r>";
	struct gw_err err = { 0 };
	xmlDoc *doc = gw_xml_parse(text, strlen(text), &err);
	xmlNode *root, *c;
	char out[32];

	ck_assert_msg(doc != NULL, "%s", err.text);
	root = xmlDocGetRootElement(doc);
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
	xmlFreeDoc(doc);
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

SUITE("lib_xml", tcase_add_test(t, names_and_text); tcase_add_test(t, strangers_are_refused); tcase_add_test(t, bounds); tcase_add_test(t, escape);)
