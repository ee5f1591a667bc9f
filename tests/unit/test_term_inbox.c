/* tests/unit/test_term_inbox.c: short messages as files: whole, in parts, in any order, for others, damaged */
#include "terminal/inbox.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/log.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

static struct inbox box;
static uint8_t mikey[255], got[8][255];
static size_t got_len[8], ngot;
static char dir[128];

static void
take(void *self, const void *p, size_t len)
{
	ck_assert_ptr_eq(self, &box);
	ck_assert_uint_lt(ngot, 8);
	memcpy(got[ngot], p, len);
	got_len[ngot++] = len;
}

static void
put(const char *name, const void *p, size_t len)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_ge(fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), 0);
	ck_assert_int_eq(write(fd, p, len), (ssize_t)len);
	close(fd);
}

static int
files(void)
{
	DIR *d = opendir(dir);
	int n = -2;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Part k of a push of n octets. */
static void
put_part(const char *msisdn, unsigned order, size_t n, size_t k, size_t total)
{
	uint8_t pdu[300], block[WDP_BLOCK];
	size_t len = wsp_push_encode((uint8_t)order, mikey, n, pdu, sizeof(pdu));
	char name[64];

	ck_assert_uint_eq(wdp_parts(len), total);
	len = wdp_part(pdu, len, (uint8_t)order, k, block);
	snprintf(name, sizeof(name), "%s-%010u-%zu.sms", msisdn, order, k + 1);
	put(name, block, len);
}

static void
setup(void)
{
	gw_log_init("test", GW_ERR);
	snprintf(dir, sizeof(dir), "%s", scratch("sms"));
	mkdir(dir, 0700);
	box = (struct inbox){ .dir = dir, .msisdn = "491700000001" };
	ngot = 0;
	for (size_t k = 0; k < sizeof(mikey); k++)
		mikey[k] = (uint8_t)k;
}

static void
teardown(void)
{
	char command[200];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(messages_of_one_and_of_several_parts)
{
	put_part("491700000001", 1, 100, 0, 1);
	put_part("491700000001", 2, 159, 0, 2);
	put_part("491700000001", 2, 159, 1, 2);
	ck_assert(inbox_look(&box, 0, take, &box));
	ck_assert_uint_eq(ngot, 2);
	ck_assert_uint_eq(got_len[0], 100);
	ck_assert_uint_eq(got_len[1], 159);
	ck_assert_mem_eq(got[1], mikey, 159);
	ck_assert_int_eq(files(), 0);
	ck_assert_uint_eq(box.files, 3);
	ck_assert(inbox_look(&box, 0, take, &box));
	ck_assert_uint_eq(ngot, 2);
}
END_TEST

START_TEST(a_part_waits_for_the_others)
{
	put_part("491700000001", 7, 250, 1, 2);
	for (int k = 0; k < 3; k++) {
		ck_assert(inbox_look(&box, k, take, &box));
		ck_assert_uint_eq(ngot, 0);
		ck_assert_int_eq(files(), 1);	/* so that it survives a restart */
	}
	put_part("491700000001", 7, 250, 0, 2);
	ck_assert(inbox_look(&box, 9, take, &box));
	ck_assert_uint_eq(ngot, 1);
	ck_assert_mem_eq(got[0], mikey, 250);
	ck_assert_int_eq(files(), 0);
}
END_TEST

START_TEST(those_of_others_stay)
{
	put_part("491700000002", 1, 100, 0, 1);
	put_part("49170000000", 1, 100, 0, 1);
	put_part("4917000000011", 1, 100, 0, 1);
	put("491700000001-0000000001-1.sms.tmp", "x", 1);
	put(".491700000001-0000000001-1.sms", "x", 1);
	ck_assert(inbox_look(&box, 0, take, &box));
	ck_assert_uint_eq(ngot, 0);
	ck_assert_int_eq(files(), 5);
}
END_TEST

START_TEST(what_is_no_push_is_taken_away_and_counted)
{
	uint8_t big[300] = { 0 };

	put("491700000001-1-1.sms", "hello", 5);
	put("491700000001-2-1.sms", "", 0);
	put("491700000001-3-1.sms", big, sizeof(big));
	put("491700000001-4-1.sms", "\x06\x05\x04\x0b\x84\x23\xf0\x01\x06\x01\xd2", 11);
	put_part("491700000001", 5, 100, 0, 1);
	ck_assert(inbox_look(&box, 0, take, &box));
	ck_assert_uint_eq(ngot, 1);
	ck_assert_uint_eq(box.refused, 4);
	ck_assert_int_eq(files(), 0);
}
END_TEST

START_TEST(a_directory_that_is_not_there)
{
	box.dir = "/nonexistent/sms";
	ck_assert(!inbox_look(&box, 0, take, &box));
}
END_TEST

SUITE("term_inbox", tcase_add_checked_fixture(t, setup, teardown); tcase_add_test(t, messages_of_one_and_of_several_parts);
      tcase_add_test(t, a_part_waits_for_the_others); tcase_add_test(t, those_of_others_stay);
      tcase_add_test(t, what_is_no_push_is_taken_away_and_counted); tcase_add_test(t, a_directory_that_is_not_there))
