/* tests/unit/test_lib_conf.c: the walker itself, under a schema as a file of keys has */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/conf.h"
#include "lib/secret.h"
#include "tests/suite.h"

struct key { char *name; struct gw_secret secret; uint8_t *id; size_t nid; uint64_t room; bool old; const struct key *parent; };
struct ring { char *title; struct key *keys; size_t nkeys; int checked; };

static void
check_ring(struct gw_conf *c, void *object)
{
	struct ring *r = object;

	r->checked++;
	for (size_t i = 0; i < r->nkeys; i++)
		if (r->keys[i].old && !gw_conf_given(c, &r->keys[i].room))
			gw_conf_fail(c, &r->keys[i].old, "an old key has room");
}

static const struct gw_conf_row key_rows[] = {
	{ "secret", GW_CONF_SECRET, GW_CONF_AT(key, secret), .min = 16, .max = 16, .flags = GW_CONF_NEED, .meaning = "The key." },
	{ "id", GW_CONF_OCTETS, GW_CONF_AT(key, id), .count = offsetof(struct key, nid), .min = 2, .max = 4, .meaning = "Its name on the wire." },
	{ "room", GW_CONF_SIZE, GW_CONF_AT(key, room), .dflt = "1KiB", .max = 1 << 20, .meaning = "Its room." },
	{ "old", GW_CONF_BOOL, GW_CONF_AT(key, old), .dflt = "no", .meaning = "Whether it is old." },
	{ "parent", GW_CONF_REF, GW_CONF_AT(key, parent), .ref = "keys", .meaning = "What it hangs on." },
};
static const struct gw_conf_schema key_schema = { key_rows, 5, sizeof(struct key), "key", .name = offsetof(struct key, name), .named = true };
static const struct gw_conf_row ring_rows[] = {
	{ "title", GW_CONF_TEXT, GW_CONF_AT(ring, title), .dflt = "a: \"ring\"", .meaning = "Its title." },
	{ "keys", GW_CONF_NAMED, GW_CONF_AT(ring, keys), .count = offsetof(struct ring, nkeys), .sub = &key_schema,
	    .flags = GW_CONF_NEED, .meaning = "The keys." },
};
static const struct gw_conf_schema ring_schema = { ring_rows, 2, sizeof(struct ring), "ring", .check = check_ring };

static struct ring ring;
static struct gw_err err;

static int
load(const char *yaml)
{
	char text[2048];
	size_t n = strlen(yaml);
	int rc;

	memcpy(text, yaml, n + 1);
	rc = gw_conf_load_text(&ring_schema, "ring.yaml", text, n, &ring, NULL, &err);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(text[i], 0);	/* it may have held keys */
	return rc;
}

START_TEST(keys_are_read_into_locked_memory)
{
	ck_assert_int_eq(gw_secrets_init(16, true, NULL), 0);
	ck_assert_msg(load("keys: { b: { secret: 0x000102030405060708090a0b0c0d0e0f, id: 0xabcd, room: 1.5 kB, parent: a, old: on },\n"
	    "  a: { secret: 0xffffffffffffffffffffffffffffffff } }\n") == 0, "%s", err.text);
	ck_assert_uint_eq(ring.nkeys, 2);
	ck_assert_uint_eq(ring.keys[0].secret.len, 16);
	ck_assert_uint_eq(ring.keys[0].secret.p[15], 15);
	ck_assert_uint_eq(ring.keys[0].nid, 2);
	ck_assert_uint_eq(ring.keys[0].room, 1500);
	ck_assert_uint_eq(ring.keys[1].room, 1024);
	ck_assert_ptr_eq(ring.keys[0].parent, &ring.keys[1]);
	ck_assert_ptr_null(ring.keys[1].parent);
	ck_assert_str_eq(ring.title, "a: \"ring\"");
	ck_assert_int_eq(ring.checked, 1);
	gw_conf_free(&ring_schema, &ring);
	gw_secrets_fini();
}
END_TEST

START_TEST(no_secret_is_shown)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_int_eq(load("keys: { a: { secret: 0x00112233445566778899aabbccddeeff } }"), 0);
	gw_conf_print(&ring_schema, &ring, f);
	fclose(f);
	ck_assert_str_eq(text, "title: \"a: \\\"ring\\\"\"\nkeys:\n  a:\n    room: 1KiB\n    old: false\n");
	free(text);
	gw_conf_free(&ring_schema, &ring);
	ck_assert_int_eq(load("keys: { a: { secret: 0x00112233445566778899aabbccddee } }"), -1);
	ck_assert_str_eq(err.text, "ring.yaml:1:22: secret: 15 octets: it wants 16");
	ck_assert_int_eq(load("keys: { a: { secret: s00112233445566778899aabbccddeeff } }"), -1);
	ck_assert_ptr_null(strstr(err.text, "0011"));
	ck_assert_ptr_null(ring.keys);
}
END_TEST

START_TEST(an_error_holds_what_fits)
{
	char yaml[2048] = "";

	for (int i = 0; i < 90; i++)
		snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml), "nonsense%d: 1\n", i);
	ck_assert_int_eq(load(yaml), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "ring.yaml:1:1: the ring lacks keys\n"));
	ck_assert_ptr_nonnull(strstr(err.text, "\nand 8"));
	ck_assert_str_eq(err.text + strlen(err.text) - 5, " more");
}
END_TEST

static const struct { const char *yaml, *want; } bad[] = {
	{ "keys: {}", "ring.yaml:1:7: keys: the list is empty" },
	{ "keys:", "ring.yaml:1:6: keys: a mapping NAME: … is wanted here" },
	{ "keys: { a: { secret: 0x00112233445566778899aabbccddeeff, old: true } }", "ring.yaml:1:63: an old key has room" },
	{ "keys: { a: { secret: 0x00112233445566778899aabbccddeeff, room: 3MiB } }",
	    "ring.yaml:1:64: room: 3MiB is out of range: 0 to 1MiB" },
	{ "keys: { a: { secret: 0x00112233445566778899aabbccddeeff, room: 0.5B } }",
	    "ring.yaml:1:64: room: 0.5B is too fine: it is no whole number of B" },
	{ "keys: { a: { secret: 0x00112233445566778899aabbccddeeff, room: 1.KiB } }",
	    "ring.yaml:1:64: room: 1.KiB is not a size: write a number with B, kB, KiB, MB, MiB, GB or GiB" },
	{ "keys: { a: { secret: 0x00112233445566778899aabbccddeeff, room: -1B } }",
	    "ring.yaml:1:64: room: -1B is not a size: write a number with B, kB, KiB, MB, MiB, GB or GiB" },
	{ "keys: { a: { secret: 0x00112233445566778899aabbccddeeff, id: 0x01 } }",
	    "ring.yaml:1:62: id: 1 octets: it wants 2 to 4" },
	{ "keys: { a: { secret: 0x00112233445566778899aabbccddeeff, parent: b } }",
	    "ring.yaml:1:66: parent: there is no key b; did you mean a?" },
	{ "keys: { .a: { secret: 0x00112233445566778899aabbccddeeff } }",
	    "ring.yaml:1:9: keys: .a is not a name: letters, digits, '.', '_' and '-', at most 64" },
	{ "? [a]\n: b\n", "ring.yaml:1:1: the ring lacks keys\nring.yaml:1:3: a key is wanted here" },
};
enum { NBAD = sizeof(bad) / sizeof(bad[0]) };

START_TEST(refused)
{
	ck_assert_int_eq(load(bad[_i].yaml), -1);
	ck_assert_str_eq(err.text, bad[_i].want);
}
END_TEST

START_TEST(the_manual_lists_the_rows)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	gw_conf_print_mdoc(&ring_schema, f);
	fclose(f);
	vec_golden("conf/ring.mdoc", text);
	free(text);
}
END_TEST

SUITE("lib_conf", tcase_add_test(t, keys_are_read_into_locked_memory); tcase_add_test(t, no_secret_is_shown);
      tcase_add_test(t, an_error_holds_what_fits); tcase_add_loop_test(t, refused, 0, NBAD); tcase_add_test(t, the_manual_lists_the_rows))
