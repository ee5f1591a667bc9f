/* tests/unit/test_kms_usim.c: card files: what each kind of provision needs, and what is made of it */
#include "tests/unit/kms_host.h"
#include "kms/usim.h"

#define WHO "impi: 001010123456789@ims.mnc001.mcc001.3gppnetwork.org\nnaf: bsm.example.net\nbsf: bsf.mnc001.mcc001.pub.3gppnetwork.org\n"
#define K "k: 0x465b5ce8b199b49faa5f0a2ee238a6bc\n"
#define OPC "opc: 0xcd63cb71954a9f4e48a5994e37a02baf\n"
#define THIRTY_TWO "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define KS "provision: ks\n" WHO "rand: 0x23553cbe9637a89d218ae64dae47bf35\nks: " THIRTY_TWO
#define KEYS "provision: keys\nnaf: bsm.example.net\nbtid: abc@bsf\nsmk: " THIRTY_TWO "srk: " THIRTY_TWO

static struct gw_err err;

static int
read_text(const char *text, struct usim *u)
{
	const char *path = private_file(text, 0600);
	int rc = usim_load(path, u, &err);

	unlink(path);
	return rc;
}

static void
read_right(const char *text, struct usim *u)
{
	ck_assert_msg(read_text(text, u) == 0, "%s", err.text);
}

START_TEST(the_example_is_test_set_1)
{
	const char *path = private_example("usim.yaml");
	struct usim u;
	uint8_t amf[2] = { 0xb9, 0xb9 };

	ck_assert_msg(usim_load(path, &u, &err) == 0, "%s", err.text);
	unlink(path);
	ck_assert_int_eq(u.provision, USIM_MILENAGE);
	ck_assert_str_eq(u.naf, "bsm.example.net");
	ck_assert_str_eq(u.msisdn, "491700000001");
	ck_assert_uint_eq(u.opc.len, 16);
	ck_assert_uint_eq(u.sqn_len, 6);
	ck_assert_mem_eq(u.amf, amf, 2);
	ck_assert(!u.gba_me && !u.mac_star && !u.errors && u.repeat_verifications);
	ck_assert_uint_eq(u.registration_ms, 3600000);
	ck_assert_uint_eq(u.request_delay_ms, 10000);
	usim_free(&u);
	ck_assert_ptr_null(u.k.p);
	usim_free(&u);
}
END_TEST

START_TEST(opc_is_made_of_op)	/* TS 35.208 test set 1 */
{
	struct usim u;
	uint8_t opc[16];

	unhex("cd63cb71954a9f4e48a5994e37a02baf", opc, sizeof(opc));
	read_right(WHO K "op: 0xcdc202d5123e20f62b6d676ac72cb318\n", &u);
	ck_assert_mem_eq(u.opc.p, opc, 16);
	ck_assert_ptr_null(u.op.p);
	ck_assert_uint_eq(u.amf[0], 0x80);
	ck_assert_uint_eq(u.sqn[5], 0);
	usim_free(&u);
}
END_TEST

START_TEST(a_given_ks_has_the_btid_of_its_rand)
{
	struct usim u;

	read_right(KS "lifetime: 24h\ngba_mode: me\n", &u);
	ck_assert_str_eq(u.btid, "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.mnc001.mcc001.pub.3gppnetwork.org");
	ck_assert_uint_eq(u.lifetime_ms, 86400000);
	ck_assert(u.gba_me);
	ck_assert_uint_eq(u.ks.len, 32);
	usim_free(&u);
	read_right(KEYS, &u);
	ck_assert_str_eq(u.btid, "abc@bsf");
	ck_assert_uint_eq(u.lifetime_ms, 0);
	ck_assert_ptr_null(u.impi);
	usim_free(&u);
}
END_TEST

/* What is wrong, where it is said to be, and a word of the sentence. */
static const struct { const char *text, *place, *word; } wrong[] = {
	{ WHO OPC, ":1:", "k is missing" },
	{ WHO K, ":1:", "one of opc and op" },
	{ WHO K OPC "op: 0xcdc202d5123e20f62b6d676ac72cb318\n", ":1:", "one of opc and op" },
	{ "naf: x\nbsf: y\n" K OPC, ":1:", "impi is missing" },
	{ "impi: x\nbsf: y\n" K OPC, ":1:", "naf" },
	{ "impi: x\nnaf: y\n" K OPC, ":1:", "bsf is missing" },
	{ WHO K OPC "ks: " THIRTY_TWO, ":6:", "ks is nothing of provision milenage" },
	{ KS "sqn: 0x000000000001\n", ":7:", "sqn is nothing of provision ks" },
	{ KEYS "rand: 0x23553cbe9637a89d218ae64dae47bf35\n", ":6:", "rand is nothing of provision keys" },
	{ "provision: keys\nnaf: x\nbtid: y\nsmk: " THIRTY_TWO, ":1:", "srk is missing" },
	{ WHO "k: 0x465b\n" OPC, ":4:", "k" },
	{ WHO K OPC "msisdn: \"+4917\"\n", ":6:", "digits" },
	{ "impi: \"a\\\"b\"\nnaf: x\nbsf: y\n" K OPC, ":1:", "impi" },
	{ "impi: \"a\\nb\"\nnaf: x\nbsf: y\n" K OPC, ":1:", "impi" },
	{ "impi: a\nnaf: \"x y\"\nbsf: y\n" K OPC, ":2:", "naf" },
	{ WHO K OPC "colour: red\n", ":6:", "colour" },
	{ WHO K OPC "gba_mode: x\n", ":6:", "gba_mode" },
	{ WHO K OPC "ca: /nonexistent/ca.pem\n", ":6:", "ca" },
};

START_TEST(faults_have_a_place_and_a_sentence)	/* _i: row */
{
	struct usim u;

	ck_assert_int_eq(read_text(wrong[_i].text, &u), -1);
	ck_assert_msg(strstr(err.text, wrong[_i].place) && strstr(err.text, wrong[_i].word), "%s", err.text);
	ck_assert_ptr_null(strstr(err.text, "465b5ce8"));	/* no key is said */
	usim_free(&u);
}
END_TEST

START_TEST(a_file_that_others_can_read_is_refused)
{
	const char *path = private_file(WHO K OPC, 0640);
	struct usim u;

	ck_assert_int_eq(usim_load(path, &u, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "0640"));
	unlink(path);
}
END_TEST

SUITE("kms_usim", tcase_add_test(t, the_example_is_test_set_1); tcase_add_test(t, opc_is_made_of_op);
      tcase_add_test(t, a_given_ks_has_the_btid_of_its_rand);
      tcase_add_loop_test(t, faults_have_a_place_and_a_sentence, 0, sizeof(wrong) / sizeof(wrong[0]));
      tcase_add_test(t, a_file_that_others_can_read_is_refused))
