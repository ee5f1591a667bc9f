/* tests/unit/test_ecmg_conf.c: what an ECMG is told by words, by a file, or by both where that makes no sense */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ecmg/conf.h"
#include "lib/log.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

static struct ecmg_args args;
static struct ecmg_conf conf;
static struct gw_err err;

/* Words parted by spaces; @ stands for the scratch file. 0, or -1: the options or what they lead to were refused. */
static int
load(const char *words)
{
	static char text[1024], *argv[64];
	const char *file = scratch("headend.yaml"), *at = strchr(words, '@');
	int argc = 1;

	gw_log_init("test", GW_ERR);
	if (at)
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - words), words, file, at + 1);
	else
		snprintf(text, sizeof(text), "%s", words);
	argv[0] = (char[]){ "simulgate-ecmg" };
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	err = (struct gw_err){ 0 };
	conf = (struct ecmg_conf){ 0 };
	return ecmg_args(&args, argc, argv) >= 0 ? -1 : ecmg_conf_load(&conf, &args, &err);
}

static void
unload(void)
{
	ecmg_conf_free(&conf);
	ecmg_args_free(&args);
}

static const char *
printed(void)
{
	static char text[4096];
	const char *path = scratch("printed");
	int saved = dup(1);

	fflush(stdout);
	ck_assert_ptr_nonnull(freopen(path, "w", stdout));
	ecmg_conf_print(&conf);
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	FILE *f = fopen(path, "r");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static const char file[] =
	"head_end: test\nplayout: unix:///tmp/none\n"
	"kms:\n"
	"  drm:    { super_cas_id: 0x00010001, ecmg: [tcp://192.0.2.7:7001, tcp://127.0.0.1:7011], plugin: drm, keys: drm.yaml,\n"
	"            set: { protection: srtp }, delay_start: -300, max_comp_time: 300, max_streams: 12, lead_CW: 0, CW_per_msg: 1 }\n"
	"  theirs: { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:2000 }\n"
	"  away:   { super_cas_id: 0x00020001, ecmg: tcp://192.0.2.7:7002, plugin: smartcard, keys: drm.yaml }\n"
	"services:\n"
	"  - { id: news, scrambling: srtp, crypto_period: 10s, media: [ { name: av, in: udp://239.255.0.1:5004, out: udp://239.255.1.1:5004 } ],\n"
	"      stkm: [ { kms: drm, ecm_id: 1, out: udp://239.255.1.1:5010 } ] }\n";

START_TEST(words_alone)
{
	ck_assert_int_eq(load("--listen tcp://127.0.0.1:0 --listen tcp://[::1]:2000 --plugin lab --super-cas-id 0x4AE60001 --set lead_CW=1 "
	    "--set clear_cw=yes --strict --workers 2 --silence 5 --max-streams 9 --misbehave drop=0.5,seed=3"), 0);
	ck_assert_str_eq(printed(), "kms=lab\nplugin=lab\nlisten=tcp://127.0.0.1:0\nlisten=tcp://[::1]:2000\nsuper_cas_id=0x4ae60001\n"
	    "strict=true\nworkers=2\nsilence=5s\necm_limit=10000ms\nmax_channels=0\nmax_streams=9\nmisbehave=drop=0.5,seed=3\n"
	    "set lead_CW=1\nset clear_cw=yes\n");
	ck_assert_str_eq(conf.lines, "lead_CW=1\nclear_cw=yes\n");
	ck_assert_uint_eq(conf.misbehave.seed, 3);
	unload();
	ck_assert_int_eq(load("--listen unix:///tmp/x --plugin ./vendor/kms.so"), 0);
	ck_assert_str_eq(conf.kms, "kms.so");
	ck_assert_str_eq(conf.lines, "");
	ck_assert(!conf.one_super_cas_id && !conf.strict && !conf.misbehave.on);
	unload();
}
END_TEST

START_TEST(an_entry_of_the_file)
{
	char keys[256];

	put_file(scratch("headend.yaml"), file, 0600);
	put_file(scratch("drm.yaml"), "", 0600);
	ck_assert_msg(load("--config @ --kms drm") == 0, "%s", err.text);
	ck_assert_str_eq(conf.kms, "drm");
	ck_assert_uint_eq(conf.listen.n, 1);	/* of its addresses, the one that is ours */
	ck_assert_uint_eq(conf.listen.addr[0].port, 7011);
	ck_assert(conf.one_super_cas_id);
	ck_assert_uint_eq(conf.super_cas_id, 0x00010001);
	snprintf(keys, sizeof(keys), "keys=%s\nprotection=srtp\n", scratch("drm.yaml"));
	ck_assert_str_eq(conf.lines, keys);
	ck_assert_str_eq(conf.status.path, "/tmp/none/ecmg-drm-7011.status.sock");	/* two ECMGs of one KMS may run on one host */
	unload();
	ck_assert_int_eq(load("--config @ --kms drm --listen tcp://127.0.0.1:9999 --status unix:///tmp/s"), 0);
	ck_assert_uint_eq(conf.listen.addr[0].port, 9999);
	ck_assert_str_eq(conf.status.path, "/tmp/s");
	unload();
}
END_TEST

/* What the file says of channel_status goes before what the plugin announces; the rest is the plugin's. */
START_TEST(the_file_overrides_the_plugin)
{
	struct kms_channel k = { .section_TSpkt_flag = 2, .lead_CW = 1, .CW_per_msg = 2, .delay_start = -2000, .delay_stop = -2000,
		.ECM_rep_period = 500, .max_comp_time = 500, .min_CP_duration = 10 };

	put_file(scratch("headend.yaml"), file, 0600);
	put_file(scratch("drm.yaml"), "", 0600);
	ck_assert_int_eq(load("--config @ --kms drm"), 0);
	ecmg_conf_apply(&conf, &k);
	ck_assert_uint_eq(k.lead_CW, 0);
	ck_assert_uint_eq(k.CW_per_msg, 1);
	ck_assert_int_eq(k.delay_start, -300);
	ck_assert_int_eq(k.delay_stop, -2000);
	ck_assert_uint_eq(k.max_comp_time, 300);
	ck_assert_uint_eq(k.max_streams, 12);
	ck_assert_uint_eq(k.ECM_rep_period, 500);
	ck_assert_uint_eq(k.section_TSpkt_flag, 2);
	unload();
}
END_TEST

/* code GW_OK: refused with the options, on stderr */
static const struct { const char *words; enum gw_code code; const char *said; } refused[] = {
	{ "",                                                       GW_EUSAGE, "--listen and --plugin are needed" },
	{ "--plugin lab",                                           GW_EUSAGE, "--listen and --plugin are needed" },
	{ "--config @",                                             GW_EUSAGE, "--config needs --kms" },
	{ "--config @ --kms drm --plugin lab",                      GW_EUSAGE, "come from the file" },
	{ "--config @ --kms drm --set a=b",                         GW_EUSAGE, "come from the file" },
	{ "--config @ --kms nobody",                                GW_ECONF,  "no kms of the name nobody" },
	{ "--config @ --kms theirs",                                GW_ECONF,  ":6:3: kms theirs has no plugin" },
	{ "--config @ --kms away",                                  GW_ECONF,  ":7:3: none of kms away's ecmg addresses is this host's" },
	{ "--listen tcp://127.0.0.1:0 --plugin lab --set nonsense", GW_OK, NULL },
	{ "--listen udp://127.0.0.1:7 --plugin lab",                GW_OK, NULL },
	{ "--listen tcp://127.0.0.1:0 --plugin lab --workers 0",    GW_OK, NULL },
	{ "--listen tcp://127.0.0.1:0 --plugin lab --super-cas-id -1", GW_OK, NULL },
	{ "--listen tcp://127.0.0.1:0 --plugin lab --max-channels 65536", GW_OK, NULL },
	{ "--listen tcp://127.0.0.1:0 --plugin lab --misbehave drp", GW_OK, NULL },
};

START_TEST(what_makes_no_sense_is_refused)
{
	put_file(scratch("headend.yaml"), file, 0600);
	put_file(scratch("drm.yaml"), "", 0600);
	ck_assert_int_eq(load(refused[_i].words), -1);
	ck_assert_int_eq(err.code, refused[_i].code);
	if (refused[_i].said)
		ck_assert_msg(strstr(err.text, refused[_i].said) != NULL, "%s", err.text);
	unload();
}
END_TEST

SUITE("ecmg_conf", tcase_add_test(t, words_alone); tcase_add_test(t, an_entry_of_the_file);
    tcase_add_test(t, the_file_overrides_the_plugin);
    tcase_add_loop_test(t, what_makes_no_sense_is_refused, 0, sizeof(refused) / sizeof(refused[0])))
