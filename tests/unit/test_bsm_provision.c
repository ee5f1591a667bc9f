/* tests/unit/test_bsm_provision.c: subscribers as an operator writes them */
#include "kms/provision.h"
#include <stdio.h>
#include <string.h>
#include "kms/csv.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

#define KEY16 "465b5ce8b199b49faa5f0a2ee238a6bc"
#define KEY32 KEY16 KEY16
static const struct provision_names names = { "bsm.example.net", "bsf.mnc001.mcc001.pub.3gppnetwork.org", 1000000 };

static int
note(void *self, const char *where, const struct provision *p, struct gw_err *err)
{
	char *said = self;

	(void)err;
	sprintf(said + strlen(said), "%s %s %s %s %d%d %02x%02x sqn%02x btid=%s smk%02x until%lld\n", strrchr(where, '/') + 1, p->sub.name, p->sub.impi, p->sub.msisdn,
	    (int)p->sub.provision, p->sub.gba_me, p->sub.k[0], p->sub.opc[15], p->sub.sqn[5], p->gba.btid, p->gba.smk[0], (long long)p->gba.expires_us);
	return 0;
}

static const char *
said(const char *text, bool csv, mode_t mode)
{
	static char out[2000];
	struct gw_err err = { 0 };
	const char *path = scratch("subs");

	out[0] = '\0';
	put_file(path, text, mode);
	if ((csv ? provision_csv : provision_read)(path, &names, note, out, &err) < 0)
		snprintf(out, sizeof(out), "%s", err.text);
	return out;
}

START_TEST(yaml_and_csv_say_the_same)
{
	static const char want[] = "anna anna@x 4917 01 465b sqn20 btid= smk00 until0\n";
	const char *yaml = said("subscribers:\n  anna: { provision: milenage, gba: me, impi: anna@x, msisdn: \"4917\", k: 0x" KEY16
	    ", opc: 0x000000000000000000000000000000" "5b, sqn: 0x000000000020 }\n", false, 0600);

	ck_assert_msg(strstr(yaml, "anna anna@x 4917 01 465b sqn20 btid= smk00 until0\n") != NULL, "%s", yaml);
	const char *csv = said("name,gba,provision,impi,msisdn,k,opc,sqn\nanna,me,milenage,anna@x,4917,0x" KEY16
	    ",0000000000000000000000000000005b,000000000020\n", true, 0600);
	ck_assert_msg(strstr(csv, want) != NULL, "%s", csv);
	/* JSON is YAML */
	const char *json = said("{\"subscribers\": {\"anna\": {\"provision\": \"milenage\", \"gba\": \"me\", \"impi\": \"anna@x\", \"msisdn\": \"4917\", \"k\": \"0x" KEY16
	    "\", \"opc\": \"0x0000000000000000000000000000005b\", \"sqn\": \"0x000000000020\"}}}\n", false, 0600);
	ck_assert_msg(strstr(json, want) != NULL, "%s", json);
}
END_TEST

/* V02, V03: B-TID and keys of a NAF from RAND and Ks */
START_TEST(ks_gives_a_context)
{
	const char *text = said("name,provision,impi,rand,ks,lifetime\nbert,ks,001010123456789@ims.mnc001.mcc001.3gppnetwork.org,"
	    "23553cbe9637a89d218ae64dae47bf35,b40ba9a3c58b2a05bbf0d987b21bf8cbf769bcd751044604127672711c6d3441,2s\n", true, 0600);

	ck_assert_msg(strstr(text, "btid=I1U8vpY3qJ0hiuZNrke/NQ==@bsf.mnc001.mcc001.pub.3gppnetwork.org smk22 until3000000") != NULL, "%s", text);
}
END_TEST

static const struct { const char *text, *why; } bad[] = {
	{ "", "names the columns" },
	{ "\n\n", "names the columns" },
	{ "impi\nx\n", "name: this column is missing" },
	{ "name,colour\n", ":1: colour: there is no such column" },
	{ "name,k,k\n", ":1: k: this column is there twice" },
	{ "name,provision\nx\n", ":2: it has not as many fields" },
	{ "name,provision\n\"x,keys\n", ":2: a quote does not end" },
	{ "name,provision\nx,card\n", ":2: provision" },
	{ "name,provision,k\nx,milenage,46\n", ":2: k: it is not hexadecimal" },
	{ "name,provision,k\nx,milenage,zz\n", ":2: k: it is not hexadecimal" },
	{ "name,provision,impi,k\nx,milenage,i," KEY16 "\n", ":2: opc is needed" },
	{ "name,provision,impi,k,opc,smk\nx,milenage,i," KEY16 "," KEY16 "," KEY32 "\n", ":2: smk does not go with" },
	{ "name,k,opc\nx," KEY16 "," KEY16 "\n", ":2: impi is missing" },
	{ "name,impi,k,opc\n,i," KEY16 "," KEY16 "\n", ":2: name is missing" },
	{ "name,impi,msisdn,k,opc\nx,i,+49," KEY16 "," KEY16 "\n", ":2: msisdn" },
	{ "name,provision,impi,ks\nx,ks,i," KEY32 "\n", ":2: rand is needed" },
	{ "name,provision,smk,srk\nx,keys," KEY32 "," KEY32 "\n", ":2: btid is needed" },
};

START_TEST(what_is_wrong_is_said_with_its_line)
{
	const char *text = said(bad[_i].text, true, 0600);

	ck_assert_msg(strstr(text, bad[_i].why) != NULL, "%s", text);
	ck_assert_msg(strstr(text, KEY16) == NULL, "%s", text);	/* and no key with it */
}
END_TEST

START_TEST(yaml_is_refused_with_its_line)
{
	ck_assert_ptr_nonnull(strstr(said("subscribers:\n  x: { provision: keys }\n", false, 0600), ":2: x: smk is needed"));
	ck_assert_ptr_nonnull(strstr(said("subscribers:\n  x: { provision: keys, colour: red }\n", false, 0600), ":2:"));
	ck_assert_ptr_nonnull(strstr(said("subscribers:\n  x: { provision: keys }\n", false, 0644), "0644"));
	ck_assert_ptr_nonnull(strstr(said("name\n", true, 0640), "0640"));
}
END_TEST

START_TEST(lines_are_taken_apart)
{
	char line[] = "a,\"b \"\"c\"\", d\",,\"\"\r\n", *field[CSV_FIELDS];
	const char *why;

	ck_assert_int_eq(csv_split(line, field, &why), 4);
	ck_assert_str_eq(field[0], "a");
	ck_assert_str_eq(field[1], "b \"c\", d");
	ck_assert_str_eq(field[2], "");
	ck_assert_str_eq(field[3], "");
}
END_TEST

SUITE("bsm_provision", tcase_add_test(t, yaml_and_csv_say_the_same); tcase_add_test(t, ks_gives_a_context);
    tcase_add_loop_test(t, what_is_wrong_is_said_with_its_line, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, yaml_is_refused_with_its_line); tcase_add_test(t, lines_are_taken_apart))
