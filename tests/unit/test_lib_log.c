/* tests/unit/test_lib_log.c: what stands on stderr */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/err.h"
#include "lib/log.h"
#include "tests/suite.h"

static int fd[2], was;
static char text[16384];

static void
catch(void)
{
	ck_assert_int_eq(pipe2(fd, O_NONBLOCK), 0);
	was = dup(STDERR_FILENO);
	dup2(fd[1], STDERR_FILENO);
}

/* What was written since catch(), with the time stamp of every line checked and cut off. */
static const char *
caught(void)
{
	char raw[sizeof(text)];
	ssize_t n;
	regex_t re;

	dup2(was, STDERR_FILENO);
	close(was);
	close(fd[1]);
	n = read(fd[0], raw, sizeof(raw) - 1);
	raw[n < 0 ? 0 : n] = '\0';
	close(fd[0]);
	text[0] = '\0';
	ck_assert_int_eq(regcomp(&re, "^ts=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z level=", REG_EXTENDED), 0);
	for (char *line = strtok(raw, "\n"); line; line = strtok(NULL, "\n")) {
		ck_assert_msg(regexec(&re, line, 0, NULL, 0) == 0, "%s", line);
		strcat(text, strchr(line, ' ') + 1);
		strcat(text, "\n");
	}
	regfree(&re);
	return text;
}

START_TEST(a_line_has_fields_then_the_sentence)
{
	catch();
	gw_log_init("ecmg", GW_INFO);
	gw_log(GW_INFO, "channel_open", "a peer set up a channel", "kms=%s peer=%s channel=%u", "drm", "10.0.0.7:2000", 7u);
	gw_log(GW_ERR, "bare", NULL, "");
	ck_assert_str_eq(caught(),
	    "level=info prog=ecmg event=channel_open kms=drm peer=10.0.0.7:2000 channel=7 msg=\"a peer set up a channel\"\n"
	    "level=err prog=ecmg event=bare\n");
}
END_TEST

START_TEST(values_cannot_pass_for_fields)
{
	catch();
	gw_log_init("scs", GW_DEBUG);
	gw_log(GW_NOTICE, "e", "he said \"no\"\n", "a=%s b=%s c=%s d=%d", "x level=err", "", "q\"\\\n\033[1m", -1);
	ck_assert_str_eq(caught(), "level=notice prog=scs event=e a=\"x level=err\" b=\"\" c=\"q\\\"\\\\\\n\\u001b[1m\" d=-1 "
	    "msg=\"he said \\\"no\\\"\\n\"\n");
}
END_TEST

START_TEST(every_conversion_keeps_its_argument)
{
	catch();
	gw_log_init("scs", GW_INFO);
	gw_log(GW_INFO, "e", NULL, "a=%lld b=%.*s c=%zu d=%#010x e=%s", 1LL << 40, 2, "xyz", (size_t)5, 0x4ae60001u, "end");
	ck_assert_str_eq(caught(), "level=info prog=scs event=e a=1099511627776 b=xy c=5 d=0x4ae60001 e=end\n");
}
END_TEST

START_TEST(levels_above_the_limit_are_dropped)
{
	catch();
	gw_log_init("mux", GW_WARNING);
	gw_log(GW_NOTICE, "no", NULL, "");
	gw_log(GW_WARNING, "yes", NULL, "");
	ck_assert_str_eq(caught(), "level=warning prog=mux event=yes\n");
	ck_assert(gw_log_on(GW_ERR) && !gw_log_on(GW_INFO));
	ck_assert_int_eq(gw_log_level("debug"), GW_DEBUG);
	ck_assert_int_eq(gw_log_level("loud"), -1);
}
END_TEST

START_TEST(long_lines_are_cut_and_stay_lines)
{
	char big[8000];
	const char *got;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	big[10] = ' ';
	catch();
	gw_log_init("mux", GW_INFO);
	gw_log(GW_INFO, "e", "still said", "a=%s b=%s c=%d", big, big, 1);
	gw_log(GW_INFO, "e", big, "");
	got = caught();
	ck_assert_ptr_nonnull(strstr(got, "\" msg=\"still said\"\n"));
	ck_assert_ptr_null(strstr(got, " c=1"));
	ck_assert_uint_le(strlen(got), 2 * 4096);
	ck_assert_str_eq(got + strlen(got) - 3, "x\"\n");
}
END_TEST

START_TEST(limited_lines_say_what_was_left_out)
{
	struct gw_rate r = { .burst = 2, .per_ms = 500 };
	const char *got;

	catch();
	gw_log_init("mux", GW_INFO);
	for (int i = 0; i < 5; i++)
		gw_log_limited(&r, GW_INFO, "e", NULL, "i=%d", i);
	usleep(600000);
	gw_log_limited(&r, GW_INFO, "e", "again", "i=%d", 9);
	got = caught();
	ck_assert_str_eq(got, "level=info prog=mux event=e i=0\nlevel=info prog=mux event=e i=1\n"
	    "level=info prog=mux event=e i=9 suppressed=3 msg=\"again\"\n");
}
END_TEST

START_TEST(errno_survives_a_line)
{
	catch();
	gw_log_init("mux", GW_INFO);
	close(STDERR_FILENO);	/* the write fails */
	errno = ERANGE;
	gw_log(GW_INFO, "e", NULL, "");
	ck_assert_int_eq(errno, ERANGE);
	caught();
}
END_TEST

START_TEST(die_logs_each_line_of_a_configuration_error)
{
	struct gw_err err = { 0 };
	int status;

	gw_fail(&err, GW_ECONF, "a.yaml:1:2: one\na.yaml:3:4: two");
	catch();
	gw_log_init("scs", GW_INFO);
	status = gw_die(&err);
	ck_assert_str_eq(caught(),
	    "level=err prog=scs event=fatal error=GW_ECONF status=78 msg=\"a.yaml:1:2: one\"\n"
	    "level=err prog=scs event=fatal error=GW_ECONF status=78 msg=\"a.yaml:3:4: two\"\n");
	ck_assert_int_eq(status, 78);
	catch();
	err = (struct gw_err){ .code = GW_EPLUGIN };
	gw_die(&err);
	ck_assert_str_eq(caught(), "level=err prog=scs event=fatal error=GW_EPLUGIN status=69 msg=\"a plugin was refused\"\n");
}
END_TEST

SUITE("lib_log", tcase_add_test(t, a_line_has_fields_then_the_sentence); tcase_add_test(t, values_cannot_pass_for_fields);
      tcase_add_test(t, every_conversion_keeps_its_argument); tcase_add_test(t, levels_above_the_limit_are_dropped);
      tcase_add_test(t, long_lines_are_cut_and_stay_lines); tcase_add_test(t, limited_lines_say_what_was_left_out);
      tcase_add_test(t, errno_survives_a_line); tcase_add_test(t, die_logs_each_line_of_a_configuration_error))
