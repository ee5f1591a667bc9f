/* tests/unit/test_bridge_sp4.c: every message there and back, and every rule, by our tables and by the schema */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/sp4.h"
#include "lib/xml.h"
#include "tests/suite.h"

static const char *const verdicts[] = { "valid", "not-xml", "too-long", "invalid", "semantic", "no-memory" };
static char text[SP4_DOCUMENT + 1], again[SP4_DOCUMENT + 1];

static struct gw_xml_schema *
schema(void)
{
	static struct gw_xml_schema *s;
	struct gw_err err = { 0 };

	if (!s)
		s = sp4_schema(vec_path("../../bridge"), &err);
	ck_assert_msg(s != NULL, "%s", err.text);
	return s;
}

/* Octets as they are, zeros among them. */
static size_t
slurp(const char *rel, char *to)
{
	FILE *f = fopen(vec_path(rel), "rb");
	size_t n;

	ck_assert_msg(f != NULL, "%s", rel);
	n = fread(to, 1, SP4_DOCUMENT + 1, f);
	fclose(f);
	return n;
}

static size_t
sample(const char *name)
{
	char rel[256];

	snprintf(rel, sizeof(rel), "sp4/samples/%s.xml", name);
	return slurp(rel, text);
}

static void
good(size_t n, struct sp4_msg *m)
{
	struct sp4_fault f;
	struct gw_err err;

	if (sp4_validate(schema(), text, n, m, &f) == 0)
		return;
	sp4_fail(&err, &f);
	ck_abort_msg("%s\n%.2000s", err.text, text);
}

static char *
as_json(const struct sp4_msg *m, bool secrets)
{
	json_t *j = sp4_json(m, secrets);
	char *s = json_dumps(j, 0);

	ck_assert_ptr_nonnull(s);
	json_decref(j);
	return s;
}

/* m, and text that it was read from, or that it makes */
static void
round_trip(const struct sp4_msg *m, size_t n)
{
	struct sp4_msg back;
	struct sp4_fault f;
	char *was = as_json(m, true), *is;

	ck_assert_uint_eq(sp4_encode(m, again, sizeof(again), &f), n);
	ck_assert_str_eq(again, text);
	ck_assert_int_eq(sp4_validate(schema(), again, n, &back, &f), 0);
	is = as_json(&back, true);
	ck_assert_str_eq(was, is);
	ck_assert_int_eq(m->short_form, back.short_form);
	sp4_fini(&back);
	free(was);
	free(is);
}

/* Our encoder writes in the samples' manner, so that they come back octet for octet. */
START_TEST(every_sample_comes_back)
{
	DIR *d = opendir(vec_path("sp4/samples"));
	unsigned seen = 0, tags = 0, n_short = 0;
	char rel[512];
	struct sp4_msg m;

	ck_assert_ptr_nonnull(d);
	for (struct dirent *e; (e = readdir(d));) {
		size_t n;

		if (!strstr(e->d_name, ".xml"))
			continue;
		snprintf(rel, sizeof(rel), "sp4/samples/%.400s", e->d_name);
		text[n = slurp(rel, text)] = '\0';
		good(n, &m);
		ck_assert_int_eq(m.tag, atoi(e->d_name + 3));
		ck_assert_int_eq(m.short_form, strstr(e->d_name, "-short") != NULL);
		round_trip(&m, n);
		seen++;
		tags |= 1u << m.tag;
		n_short += m.short_form;
		sp4_fini(&m);
	}
	closedir(d);
	ck_assert_uint_eq(seen, 32);
	ck_assert_uint_eq(tags, (1u << 21) - 2);
	ck_assert_uint_eq(n_short, 10);
}
END_TEST

START_TEST(fields_are_where_they_belong)
{
	struct sp4_msg m;

	good(sample("tag05-stkm-request-with-keys"), &m);
	ck_assert_int_eq(m.version, 1);
	ck_assert_int_eq(sp4_unix(m.time), 1795257000);
	ck_assert_str_eq(m.message_id, "bsda-0006");
	ck_assert_str_eq(m.destination, "bsm1.operator.example");
	ck_assert_str_eq(m.source, "bsda.operator.example");
	ck_assert_str_eq(m.service, "urn:oma:bcast:iauth:x-test:service:tv1");
	ck_assert(!m.content && !m.schedule && !m.reason && !m.n_data && !m.n_seak && !m.n_distribution && !m.ignored);
	ck_assert_uint_eq(m.n_stkm, 1);
	ck_assert(m.stkm.cp == 5 && m.stkm.stream == 1 && m.stkm.profile == SP4_DRM && m.stkm.repetition_ms == 500 && !m.stkm.access_criteria.p);
	ck_assert_uint_eq(m.n_keys, 1);
	ck_assert(m.keys[0].cp == 5 && m.keys[0].protection == SP4_IPSEC && m.keys[0].authenticated == 1 && m.keys[0].duration_ds == 100);
	ck_assert_int_eq(m.keys[0].activation_ms, INT64_C(1795257000000));
	ck_assert_uint_eq(m.keys[0].key_id.len, 4);
	ck_assert_mem_eq(m.keys[0].key_id.p, "\x80\x01\x00\x05", 4);
	ck_assert_uint_eq(m.keys[0].material.len, 32);
	ck_assert_int_eq(m.keys[0].material.p[31], 0x88);
	sp4_fini(&m);
	ck_assert(!m.memory && !m.n_keys && !m.keys[0].material.p);
	good(sample("tag18-seak-response"), &m);
	ck_assert(m.status == 0 && m.n_data == 1 && m.data[0].len == 32 && m.data[0].p[31] == 0xf0 && m.n_seak == 1);
	ck_assert(m.seak.kind == SP4_SERVICE_KEY && m.seak.cid_extension == 7 && m.seak.valid_to == 4004332200);
	ck_assert_str_eq(m.seak.generator, "bsm1.operator.example");
	sp4_fini(&m);
	good(sample("tag15-reg-delivery"), &m);
	ck_assert(m.distribution_start == 4004245800 && m.distribution_end == 4004249400 && m.n_distribution == 1 && m.status == SP4_ABSENT);
	ck_assert(m.distribution.data_id == 2 && m.distribution.repetition_ms == 5000 && m.distribution.bandwidth_kbps == 16);
	sp4_fini(&m);
	good(sample("tag06-stkm-response-failed"), &m);
	ck_assert_int_eq(m.status, 20);
	ck_assert_str_eq(m.reason, "no service key for this service");
	sp4_fini(&m);
}
END_TEST

/* What xmllint would say: the same schema over the same document. */
static const char *
by_schema(size_t n)
{
	char element[64];
	long line;
	xmlDoc *doc = gw_xml_parse(text, n, NULL);
	const char *says = !doc ? "none" : gw_xml_schema_check(schema(), doc, &line, element, sizeof(element)) == 0 ? "yes" : "no";

	xmlFreeDoc(doc);
	return says;
}

START_TEST(every_faulty_one_is_refused_by_its_rule)
{
	unsigned seen = 0;
	char *save;

	again[slurp("sp4/faulty.txt", again)] = '\0';
	for (char *row = strtok_r(again, "\n", &save); row; row = strtok_r(NULL, "\n", &save)) {
		char file[64], xsd[8], verdict[16], element[64], rule[64], rel[128];
		struct sp4_fault f, g;
		struct sp4_msg m;
		long line;
		size_t n;

		if (*row == '#')
			continue;
		ck_assert_msg(sscanf(row, "%63[^\t]\t%7s\t%15s\t%ld\t%63s\t%63[^\n]", file, xsd, verdict, &line, element, rule) == 6, "%s", row);
		snprintf(rel, sizeof(rel), "sp4/faulty/%s.xml", file);
		n = slurp(rel, text);
		ck_assert_msg(sp4_decode(NULL, text, n, &m, &f) == -1, "%s passed", file);
		ck_assert_msg(strcmp(verdicts[f.verdict], verdict) == 0, "%s: %s, not %s", file, verdicts[f.verdict], verdict);
		ck_assert_msg(f.line == line, "%s: line %ld, not %ld", file, f.line, line);
		ck_assert_msg(strcmp(f.element, strcmp(element, "-") ? element : "") == 0, "%s: element %s, not %s", file, f.element, element);
		ck_assert_msg(strcmp(rule, "-") == 0 || strstr(f.rule, rule), "%s: '%s' does not say '%s'", file, f.rule, rule);
		ck_assert_msg((f.verdict == SP4_SEMANTIC) == (m.message_id != NULL), "%s", file);
		sp4_fini(&m);
		if (strcmp(xsd, "none") != 0)
			ck_assert_msg(strcmp(by_schema(n), xsd) == 0, "%s: the schema says %s", file, by_schema(n));
		ck_assert(sp4_validate(schema(), text, n, &m, &g) == -1 && g.verdict == f.verdict && g.line == f.line);
		sp4_fini(&m);
		seen++;
	}
	ck_assert_uint_ge(seen, 100);
}
END_TEST

/* ---- samples that something has happened to ---- */

enum { PIECES = 200, CHANGED = 3000 };
struct pieces { const char *p[PIECES]; size_t len[PIECES], n; };	/* tags, and what is between them */
static char samples[32][8192];
static size_t nsamples;
static unsigned dice;

static unsigned
throw(unsigned sides)
{
	dice = dice * 1664525u + 1013904223u;
	return (dice >> 8) % sides;
}

static void
read_samples(void)
{
	DIR *d = opendir(vec_path("sp4/samples"));

	ck_assert_ptr_nonnull(d);
	for (struct dirent *e; (e = readdir(d));)
		if (strstr(e->d_name, ".xml") && nsamples < 32) {
			char rel[512];
			snprintf(rel, sizeof(rel), "sp4/samples/%.400s", e->d_name);
			const size_t n = slurp(rel, text);
			ck_assert_uint_lt(n, sizeof(samples[0]));
			memcpy(samples[nsamples++], text, n);
		}
	closedir(d);
}

static void
cut(const char *from, struct pieces *out)
{
	for (out->n = 0; *from && out->n < PIECES; from += out->len[out->n++]) {
		out->p[out->n] = from;
		out->len[out->n] = *from == '<' ? strcspn(from, ">") + 1 : strcspn(from, "<");
	}
	ck_assert_uint_lt(out->n, PIECES);
}

/* A value of an attribute, or what is between tags, with another in its place. */
static size_t
put_changed(char *to, const char *p, size_t len)
{
	static const char *const values[] = { "", " ", "0", "1", "-1", "+1", " 7", "007", "1.0", "255", "256", "65535", "65536", "4294967295", "4294967296",
		"9223372036854775808", "18446744073709551616", "true", "TRUE", " 1 ", "srtp", "srtp ", "Srtp", "cissa", "drm", "program", "0A", "0a ", "0", "0g",
		"urn:x", "a b", "%", "%zz", "::", "http://[", "\xc3\xa9", "&#9;", "&amp;", "]]>", "<!-- -->", "<![CDATA[00]]>" };
	const char *value = values[throw(sizeof(values) / sizeof(values[0]))];
	const char *quote[64];
	size_t n = 0, from = 0, past = len;

	for (size_t i = 0; *p == '<' && i < len && n < 64; i++)
		if (p[i] == '"')
			quote[n++] = p + i;
	if (*p == '<' && n < 2)
		return (size_t)sprintf(to, "%.*s", (int)len, p);
	if (*p == '<') {
		const size_t k = 2 * throw((unsigned)n / 2);
		from = (size_t)(quote[k] - p) + 1;
		past = (size_t)(quote[k + 1] - p);
	}
	return (size_t)sprintf(to, "%.*s%s%.*s", (int)from, p, value, (int)(len - past), p + past);
}

/* Elements for the end of any message: ours, ones that it has no use for, others' with and without something of ours in them. */
static const char *
extra(void)
{
#define OURS(rest) "<e:" rest
#define E " xmlns:e=\"urn:bcast-headend:xml:sp4ext:1.0\""
	static const char *const all[] = { OURS("Reason" E ">why</e:Reason>"), OURS("Reason" E "/>"), OURS("StkmContext cp=\"1\"" E "/>"),
		OURS("StkmContext cp=\"no\"" E "/>"), OURS("DistributionContext dataId=\"7\"" E "/>"), OURS("SeakContext kind=\"service\" cidExtension=\"1\"" E "/>"),
		OURS("KeyContext cp=\"1\" protection=\"srtp\"" E "><e:KeyId>00</e:KeyId></e:KeyContext>"), OURS("Unheard" E "/>"), "<y xmlns=\"urn:z\"/>", "<y/>",
		"<y xmlns=\"urn:z\" e:Reason=\"\"" E "><e:StkmContext cp=\"no\"/></y>", "<y xmlns=\"urn:z\"" E "><e:StkmContext cp=\"1\"/>text</y>" };
#undef E
#undef OURS

	return all[throw(sizeof(all) / sizeof(all[0]))];
}

/* One to three things happen to a sample; it ends up in text. */
static size_t
change(void)
{
	static char was[2 * sizeof(samples[0])];
	size_t n = 0;

	memcpy(was, samples[throw((unsigned)nsamples)], sizeof(samples[0]));
	for (unsigned left = 1 + throw(3); left > 0; left--) {
		struct pieces p, other;
		cut(was, &p);
		cut(samples[throw((unsigned)nsamples)], &other);
		const size_t at = throw((unsigned)p.n), with = throw((unsigned)other.n);
		const unsigned what = throw(7);
		n = 0;
		for (size_t i = 0; i < p.n; i++) {
			const size_t k = what == 2 && at + 1 < p.n ? (i == at ? at + 1 : i == at + 1 ? at : i) : i;
			if (i == at && what == 0)
				continue;
			if (what == 6 && i + 2 == p.n)	/* the root's end, and a line's */
				n += (size_t)sprintf(text + n, "%s", extra());
			n += i == at && (what == 4 || what == 5) ? put_changed(text + n, p.p[i], p.len[i]) : (size_t)sprintf(text + n, "%.*s", (int)p.len[k], p.p[k]);
			if (i == at && what == 1)
				n += (size_t)sprintf(text + n, "%.*s", (int)p.len[i], p.p[i]);
			if (i == at && what == 3)
				n += (size_t)sprintf(text + n, "%.*s", (int)other.len[with], other.p[with]);
		}
		if (n >= sizeof(samples[0]))
			break;
		memcpy(was, text, n);
		was[n] = '\0';
	}
	return n;
}

/* What our tables take, and have a row for all of, the schema takes: that is why sp4_decode need not ask it. */
START_TEST(the_schema_takes_what_our_tables_do)
{
	unsigned taken = 0, refused = 0, asked = 0;

	read_samples();
	for (dice = 1; taken + refused < CHANGED;) {
		struct sp4_fault f, g, h;
		struct sp4_msg m, n, o;
		const size_t len = change();
		const int ours = sp4_decode(NULL, text, len, &m, &f), both = sp4_validate(schema(), text, len, &n, &g);
		const int quick = sp4_decode(schema(), text, len, &o, &h);

		ck_assert_msg(ours == 0 || both < 0, "the schema alone takes\n%.*s", (int)len, text);
		if (ours == 0 && m.ignored == 0)
			ck_assert_msg(both == 0 && strcmp(by_schema(len), "yes") == 0, "the schema refuses\n%.*s", (int)len, text);
		ck_assert_msg(quick == both && g.verdict == h.verdict && g.line == h.line && strcmp(g.rule, h.rule) == 0, "%.*s", (int)len, text);
		both == 0 ? taken++ : refused++;
		asked += ours == 0 && m.ignored > 0;
		sp4_fini(&m);
		sp4_fini(&n);
		sp4_fini(&o);
	}
	ck_assert_uint_ge(taken, CHANGED / 20);
	ck_assert_uint_ge(refused, CHANGED / 20);
	ck_assert_uint_ge(asked, 10);
}
END_TEST

/* Right, though it looks otherwise. */
START_TEST(what_is_no_fault)
{
	static const struct { const char *sample, *from, *to; } rows[] = {
		{ "tag07-stkm-delivery", "<Data>", "<Data>\n    " }, { "tag07-stkm-delivery", "<Data>0C", "<Data>0<!-- n -->c" },
		{ "tag03-tek-delivery", "\"true\"", "\" 1 \"" }, { "tag03-tek-delivery", "\"ipsec\"", "\" cissa\n\"" },
		{ "tag05-stkm-request", "tag=\"5\"", "tag=\"005\"" }, { "tag05-stkm-request", "<GlobalServiceID>", "<GlobalServiceID>\n " },
		{ "tag05-stkm-request", "</STKMRequest>", "<x xmlns='urn:x' a='b'>t<y/></x></STKMRequest>" },
		{ "tag05-stkm-request", "</STKMRequest>", "<ext:Later>t</ext:Later></STKMRequest>" },
		{ "tag05-stkm-request", "</STKMRequest>", "<ext:Reason>because</ext:Reason></STKMRequest>" },
		{ "tag05-stkm-request", " version=\"1\"", "" }, { "tag05-stkm-request", "version=\"1\"", "version=\"4294967295\"" },
		{ "tag05-stkm-request", ":tv1", ": tv%C3%A9\xc3\xa9{}" }, { "tag05-stkm-request", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "\xef\xbb\xbf" },
		{ "tag01-tek-request", "</TEKRequest>", "<ext:KeyContext xmlns:ext='urn:bcast-headend:xml:sp4ext:1.0' cp='5' protection='srtp'/></TEKRequest>" },
		{ "tag09-ltkm-request", "  <DistributionStart>4004245800</DistributionStart>\n", "" },
		{ "tag09-ltkm-request", "4004249400", "5" },	/* of 2036 */
		{ "tag04-tek-confirmation-short", "/>", "><ext:Reason xmlns:ext='urn:bcast-headend:xml:sp4ext:1.0'>r</ext:Reason></TEKDeliveryConfirmation>" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sp4_msg m;
		char *at;

		text[sample(rows[i].sample)] = '\0';
		at = strstr(text, rows[i].from);
		ck_assert_msg(at != NULL, "%s", rows[i].from);
		snprintf(again, sizeof(again), "%.*s%s%s", (int)(at - text), text, rows[i].to, at + strlen(rows[i].from));
		strcpy(text, again);
		good(strlen(text), &m);
		ck_assert_uint_eq(m.ignored, strstr(rows[i].to, "</STKMRequest>") ? 1 : 0);
		text[sp4_encode(&m, text, sizeof(text), &(struct sp4_fault){ 0 })] = '\0';
		if (strcmp(rows[i].from, "  <DistributionStart>4004245800</DistributionStart>\n") != 0) {
			struct sp4_msg n;

			good(strlen(text), &n);
			round_trip(&n, strlen(text));
			sp4_fini(&n);
		} else
			ck_assert_uint_eq(strlen(text), 0);	/* senders always send it */
		sp4_fini(&m);
	}
}
END_TEST

static void
build(struct sp4_msg *m, int tag)
{
	sp4_init(m, tag);
	m->message_id = "a <\"&'>\t\n\xc3\xa9";
	m->destination = "bsm1";
	m->source = "bsda";
	m->service = m->content = "urn:x";
	m->time = sp4_ntp(1795257000);
	if (sp4_kind_of(tag) == SP4_RESPONSE || sp4_kind_of(tag) == SP4_CONFIRMATION)
		m->status = 255;
	if (sp4_kind_of(tag) == SP4_RESPONSE || sp4_kind_of(tag) == SP4_DELIVERY)
		m->data[m->n_data++] = (struct sp4_octets){ (const uint8_t *)"\xab\xcd", 2 };
	if ((sp4_object_of(tag) == SP4_LTKM || sp4_object_of(tag) == SP4_REG) && sp4_kind_of(tag) != SP4_CONFIRMATION)
		m->distribution_start = m->distribution_end = 0;
}

START_TEST(every_tag_is_built_and_read)	/* _i: the tag */
{
	struct sp4_msg m, n;
	struct sp4_fault f = { 0 };
	size_t len;

	build(&m, _i);
	len = sp4_encode(&m, text, sizeof(text), &f);
	ck_assert_msg(len > 0, "%s: %s", f.element, f.rule);
	ck_assert_uint_eq(sp4_encode(&m, again, len + 1, &f), len);
	ck_assert_uint_eq(sp4_encode(&m, again, len, &f), 0);
	ck_assert_int_eq(f.verdict, SP4_TOO_LONG);
	good(len, &n);
	ck_assert_str_eq(n.message_id, m.message_id);
	ck_assert(!n.n_data || (n.data[0].len == 2 && memcmp(n.data[0].p, "\xab\xcd", 2) == 0));
	round_trip(&n, len);
	sp4_fini(&n);
	/* and short */
	m.version = m.time = m.distribution_start = m.distribution_end = SP4_ABSENT;
	m.destination = m.source = m.service = m.content = NULL;
	m.short_form = true;
	len = sp4_encode(&m, text, sizeof(text), &f);
	ck_assert_int_eq(len > 0, sp4_kind_of(_i) == SP4_RESPONSE || sp4_kind_of(_i) == SP4_CONFIRMATION);
	if (!len)
		return;
	good(len, &n);
	ck_assert(n.short_form && n.status == 255);
	sp4_fini(&n);
}
END_TEST

/* One change makes a message that is not sent. */
static void no_id(struct sp4_msg *m) { m->message_id = NULL; }
static void empty_id(struct sp4_msg *m) { m->message_id = ""; }
static void bad_utf8(struct sp4_msg *m) { m->message_id = "\xc3"; }
static void control(struct sp4_msg *m) { m->source = "a\x01"; }
static void surrogate(struct sp4_msg *m) { m->source = "a\xed\xa0\x80"; }
static void no_source(struct sp4_msg *m) { m->source = NULL; }
static void no_service(struct sp4_msg *m) { m->service = NULL; }
static void bad_service(struct sp4_msg *m) { m->service = "a%zz"; }
static void no_data(struct sp4_msg *m) { m->n_data = 0; }
static void no_octets(struct sp4_msg *m) { m->data[0].len = 0; }
static void long_data(struct sp4_msg *m) { m->data[0].len = SP4_DATA_OCTETS + 1; }
static void many_data(struct sp4_msg *m) { m->n_data = SP4_DATA + 1; }
static void late_time(struct sp4_msg *m) { m->time = INT64_C(1) << 32; }
static void before_time(struct sp4_msg *m) { m->time = -2; }
static void half_short(struct sp4_msg *m) { m->short_form = true; }
static void no_start(struct sp4_msg *m) { m->distribution_start = SP4_ABSENT; }
static void reason(struct sp4_msg *m) { m->reason = "r"; }
static void key(struct sp4_msg *m) { m->keys[0].cp = 1; m->keys[0].protection = 6; m->n_keys = 1; }
static void keyless(struct sp4_msg *m) { m->n_keys = 1; }
static void no_tag(struct sp4_msg *m) { m->tag = 21; }
static void no_tag_either(struct sp4_msg *m) { m->tag = 0; }

START_TEST(what_is_not_sent)
{
	static const struct { int tag; void (*spoil)(struct sp4_msg *); const char *element, *rule; } rows[] = {
		{ 5, no_id, "@messageID", "missing" }, { 5, empty_id, "@messageID", "empty" }, { 5, bad_utf8, "@messageID", "character" },
		{ 5, control, "@source", "character" }, { 5, surrogate, "@source", "character" }, { 6, no_source, "source", "full form" },
		{ 5, no_source, "source", "full form" }, { 7, no_service, "GlobalServiceID", "full form" }, { 7, bad_service, "GlobalServiceID", "URI" },
		{ 3, no_data, "Data", "missing" }, { 19, no_octets, "Data", "empty" }, { 11, long_data, "Data", "65536" },
		{ 11, many_data, "Data", "too often" }, { 5, late_time, "@time", "range" }, { 5, before_time, "@time", "range" },
		{ 6, half_short, "destination", "short form" }, { 5, half_short, "", "no short form" }, { 9, no_start, "DistributionStart", "missing" },
		{ 5, reason, "Reason", "no use" }, { 5, key, "KeyContext/@protection", "words" }, { 5, keyless, "KeyContext/@cp", "missing" },
		{ 7, keyless, "KeyContext", "no use" }, { 5, no_tag, "", "no such tag" }, { 5, no_tag_either, "", "no such tag" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sp4_fault f;
		struct sp4_msg m;

		build(&m, rows[i].tag);
		rows[i].spoil(&m);
		ck_assert_msg(sp4_encode(&m, text, sizeof(text), &f) == 0, "row %zu was sent", i);
		ck_assert_msg(strcmp(f.element, rows[i].element) == 0 && strstr(f.rule, rows[i].rule), "row %zu: %s: %s", i, f.element, f.rule);
	}
}
END_TEST

/* What a message has no use for takes no room of what it has: there may be any number of it. */
START_TEST(keys_that_are_ignored_take_no_room)
{
	static const char head[] = "<STKMDelivery xmlns='urn:oma:xml:bcast:spcp:backend:1.0' xmlns:e='urn:bcast-headend:xml:sp4ext:1.0' tag='7' messageID='m' "
	    "destination='d' source='s'><GlobalServiceID>urn:a:b</GlobalServiceID><Data>00</Data>";
	static const char key[] = "<e:KeyContext cp='1' protection='srtp'><e:KeyMaterial>0011</e:KeyMaterial></e:KeyContext>";
	enum { MANY = 1000 };
	char *many = malloc(sizeof(head) + MANY * sizeof(key) + 20), *at = many;
	struct sp4_fault f;
	struct sp4_msg m;

	ck_assert_ptr_nonnull(many);
	at = stpcpy(at, head);
	for (int i = 0; i < MANY; i++)
		at = stpcpy(at, key);
	at = stpcpy(at, "</STKMDelivery>");
	ck_assert_msg(sp4_decode(schema(), many, (size_t)(at - many), &m, &f) == 0, "%s: %s", f.element, f.rule);
	ck_assert_uint_eq(m.n_keys, 0);
	ck_assert_uint_eq(m.ignored, MANY);
	sp4_fini(&m);
	free(many);
}
END_TEST

START_TEST(limits_are_where_they_are_said_to_be)
{
	static uint8_t large[SP4_DATA_OCTETS];
	static char id[4 * 129 + 1];
	struct sp4_fault f;
	struct sp4_msg m, n;
	size_t len;

	build(&m, 11);
	m.data[0] = (struct sp4_octets){ large, sizeof(large) };
	for (int i = 0; i < 128; i++)
		memcpy(id + 4 * i, "\xf0\x9f\x94\x91", 4);
	m.message_id = id;
	len = sp4_encode(&m, text, sizeof(text), &f);
	ck_assert_uint_gt(len, 2 * sizeof(large));
	good(len, &n);
	ck_assert_uint_eq(n.data[0].len, sizeof(large));
	sp4_fini(&n);
	memcpy(id + 4 * 128, "x", 2);
	ck_assert_uint_eq(sp4_encode(&m, text, sizeof(text), &f), 0);
	m.message_id = "x";
	for (m.n_data = 1; m.n_data < SP4_DATA; m.n_data++)
		m.data[m.n_data] = (struct sp4_octets){ large, 1 };
	len = sp4_encode(&m, text, sizeof(text), &f);
	good(len, &n);
	ck_assert_uint_eq(n.n_data, SP4_DATA);
	sp4_fini(&n);
	/* 1 MiB, and one octet more */
	memset(text + len, ' ', sizeof(text) - len);
	good(SP4_DOCUMENT, &n);
	sp4_fini(&n);
	ck_assert_int_eq(sp4_validate(schema(), text, SP4_DOCUMENT + 1, &n, &f), -1);
	ck_assert_int_eq(f.verdict, SP4_TOO_LONG);
	sp4_fini(&n);
	for (size_t i = 0; i < 9; i++)
		m.data[i] = (struct sp4_octets){ large, sizeof(large) };
	ck_assert_uint_eq(sp4_encode(&m, text, sizeof(text), &f), 0);
	ck_assert_int_eq(f.verdict, SP4_TOO_LONG);
}
END_TEST

/* The lines of a long document are its lines. */
START_TEST(a_fault_behind_line_65535_has_its_line)
{
	struct sp4_fault f;
	struct sp4_msg m;
	size_t n = sample("tag05-stkm-request");
	char *end = strstr(text, "</STKMRequest>");

	text[n] = '\0';
	memset(end, '\n', 70000);
	strcpy(end + 70000, "<Data>00</Data>\n</STKMRequest>\n");
	ck_assert_int_eq(sp4_validate(schema(), text, strlen(text), &m, &f), -1);
	ck_assert_str_eq(f.element, "Data");
	ck_assert_int_eq(f.line, 70006);
	sp4_fini(&m);
}
END_TEST

START_TEST(keys_are_masked)
{
	static const struct { const char *sample, *key; bool secret; } rows[] = {
		{ "tag02-tek-response", "11111111222222223333", true }, { "tag03-tek-delivery", "11111111222222223333", true },
		{ "tag05-stkm-request-with-keys", "11111111222222223333", true }, { "tag18-seak-response-short", "00112233445566778899", true },
		{ "tag19-seak-delivery", "00112233445566778899", true }, { "tag07-stkm-delivery", "0c158001000520b79a6a", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int secrets = 0; secrets < 2; secrets++) {
			char *json, *plain = NULL;
			struct sp4_msg m;
			size_t n;
			FILE *f = open_memstream(&plain, &n);

			good(sample(rows[i].sample), &m);
			json = as_json(&m, secrets);
			sp4_print(&m, secrets, f);
			fclose(f);
			ck_assert_msg((strstr(json, rows[i].key) != NULL) == (secrets || !rows[i].secret), "%s", json);
			ck_assert_msg((strstr(plain, rows[i].key) != NULL) == (secrets || !rows[i].secret), "%s", plain);
			ck_assert(secrets || !rows[i].secret || strstr(plain, "(secret, 32 octets, fingerprint "));
			free(json);
			free(plain);
			sp4_fini(&m);
		}
}
END_TEST

START_TEST(eras)
{
	ck_assert_int_eq(sp4_unix(INT64_C(4004245800)), 1795257000);
	ck_assert_int_eq(sp4_ntp(1795257000), INT64_C(4004245800));
	ck_assert_int_eq(sp4_unix(INT64_C(0x80000000)), -61505152);	/* 1968 */
	ck_assert_int_eq(sp4_unix(0), 2085978496);			/* 2036-02-07 06:28:16 */
	ck_assert_int_eq(sp4_ntp(2085978495), UINT32_MAX);
	ck_assert_int_eq(sp4_ntp(2085978497), 1);
}
END_TEST

SUITE("bridge_sp4", tcase_set_timeout(t, 60); tcase_add_test(t, every_sample_comes_back); tcase_add_test(t, fields_are_where_they_belong);
      tcase_add_test(t, every_faulty_one_is_refused_by_its_rule); tcase_add_test(t, the_schema_takes_what_our_tables_do); tcase_add_test(t, what_is_no_fault);
      tcase_add_loop_test(t, every_tag_is_built_and_read, 1, SP4_TAGS + 1); tcase_add_test(t, what_is_not_sent);
      tcase_add_test(t, limits_are_where_they_are_said_to_be); tcase_add_test(t, keys_that_are_ignored_take_no_room); tcase_add_test(t, a_fault_behind_line_65535_has_its_line);
      tcase_add_test(t, keys_are_masked); tcase_add_test(t, eras))
