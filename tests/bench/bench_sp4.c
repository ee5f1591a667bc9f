/*
 * tests/bench/bench_sp4.c: a message of SP-4 written, checked by the schema and read: the STKM request of mode C, with its key, and its answer; and
 * the longest LTKM delivery. Beside it, in the same run, what libxml2 takes for parsing and validating the same document by itself.
 * Medians of CPU time.
 */
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/sp4.h"
#include "lib/secret.h"
#include "lib/xml.h"
#include "tests/bench/ceiling.h"

enum { WARM = 200, BATCH = 20 };
static char text[SP4_DOCUMENT + 1];
static struct gw_xml_schema *schema;
static xmlSchema *bare;

static void
die(const char *what)
{
	fprintf(stderr, "bench_sp4: %s\n", what);
	exit(1);
}

static void
request(struct sp4_msg *m)
{
	sp4_init(m, 5);
	m->version = 1;
	m->message_id = "bsda-0006";
	m->destination = "bsm1.operator.example";
	m->source = "bsda.operator.example";
	m->time = 4004245800;
	m->service = "urn:oma:bcast:iauth:x-test:service:tv1";
	m->stkm = (struct sp4_stkm_context){ .cp = 5, .stream = 1, .repetition_ms = 500 };
	m->n_stkm = m->n_keys = 1;
	m->keys[0] = (struct sp4_key_context){ .cp = 5, .protection = SP4_IPSEC, .authenticated = 1, .activation_ms = INT64_C(1795257000000), .duration_ds = 100,
		.key_id = { (const uint8_t *)"\x80\1\0\5", 4 }, .material = { (const uint8_t *)"0123456789abcdef0123456789abcdef", 32 } };
}

static void
response(struct sp4_msg *m)
{
	static const uint8_t stkm[62];

	request(m);
	m->tag = 6;
	m->n_keys = 0;
	m->status = 0;
	m->data[m->n_data++] = (struct sp4_octets){ stkm, sizeof(stkm) };
}

static void
delivery(struct sp4_msg *m)
{
	static uint8_t bcro[SP4_DATA_OCTETS];

	request(m);
	m->tag = 11;
	m->n_keys = m->n_stkm = 0;
	m->distribution_start = m->distribution_end = 4004245800;
	m->data[m->n_data++] = (struct sp4_octets){ bcro, sizeof(bcro) };
}

/* Microseconds of one, of a batch. */
static double
ours(const struct sp4_msg *m)
{
	static struct sp4_msg back;
	struct sp4_fault f;
	double from = bench_cpu_ns();

	for (int i = 0; i < BATCH; i++) {
		size_t len = sp4_encode(m, text, sizeof(text), &f);

		if (!len || sp4_decode(schema, text, len, &back, &f) < 0)
			die(f.rule);
		sp4_fini(&back);
	}
	return (bench_cpu_ns() - from) / BATCH / 1e3;
}

static double
libxml2(const struct sp4_msg *m)
{
	struct sp4_fault f;
	size_t len = sp4_encode(m, text, sizeof(text), &f);
	double from = bench_cpu_ns();

	for (int i = 0; i < BATCH; i++) {
		xmlDoc *doc = xmlReadMemory(text, (int)len, NULL, NULL, XML_PARSE_NONET | XML_PARSE_COMPACT);
		xmlSchemaValidCtxt *v = xmlSchemaNewValidCtxt(bare);

		if (xmlSchemaValidateDoc(v, doc) != 0)
			die("libxml2 refuses it");
		xmlSchemaFreeValidCtxt(v);
		xmlFreeDoc(doc);
	}
	return (bench_cpu_ns() - from) / BATCH / 1e3;
}

static void
line(const char *name, void (*make)(struct sp4_msg *), double seconds)
{
	static double a[20000], b[20000], ratio[20000];
	static struct sp4_msg m;
	size_t n = 0;
	double until;

	make(&m);
	for (int i = 0; i < WARM / BATCH; i++)
		ours(&m), libxml2(&m);
	for (until = bench_cpu_ns() + seconds * 1e9; n < 20000 && (n < 7 || bench_cpu_ns() < until); n++) {
		a[n] = ours(&m);
		b[n] = libxml2(&m);
		ratio[n] = b[n] / a[n];
	}
	printf("sp4_%s %.1f us %.2f of libxml2 (%.1f us)\n", name, bench_median(a, n), bench_median(ratio, n), bench_median(b, n));
}

int
main(int argc, char **argv)
{
	const char *src = getenv("top_srcdir");
	double seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? atof(argv[2]) : 5;
	struct gw_err err = { 0 };
	xmlSchemaParserCtxt *p;
	char dir[4096];

	gw_xml_cleanse();	/* as programs with keys do */
	if (gw_secrets_init(1024, true, &err) < 0)
		die(err.text);
	snprintf(dir, sizeof(dir), "%s/bridge", src ? src : SP4_SOURCE);
	if (!(schema = sp4_schema(dir, &err)))
		die(err.text);
	strncat(dir, "/sp4-backend.xsd", sizeof(dir) - strlen(dir) - 1);
	p = xmlSchemaNewParserCtxt(dir);
	bare = xmlSchemaParse(p);
	xmlSchemaFreeParserCtxt(p);
	bench_pin();
	line("request", request, seconds / 3);
	line("response", response, seconds / 3);
	line("delivery_64KiB", delivery, seconds / 3);
	xmlSchemaFree(bare);
	gw_xml_schema_free(schema);
	return 0;
}
