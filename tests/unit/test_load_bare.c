/* tests/unit/test_load_bare.c: a connection that says what no HTTP client would: what is heard of its answer, and how it ends */
#include "tools/load_bare.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/loop.h"
#include "tests/suite.h"

static uv_loop_t loop;
static int door, peer;
static struct sockaddr_in at;
static struct bare *bare;
static unsigned told, status;

static void
on_told(void *self, unsigned what)
{
	ck_assert_ptr_eq(self, &status);
	told++;
	status = what;
	bare_close(bare);
	bare = NULL;
}

static void
listens(void)
{
	socklen_t len = sizeof(at);

	at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uv_loop_init(&loop);
	door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(door, (struct sockaddr *)&at, len), 0);
	ck_assert_int_eq(listen(door, 1), 0);
	ck_assert_int_eq(getsockname(door, (struct sockaddr *)&at, &len), 0);
	told = status = 0;
	peer = -1;
}

static void
dials(enum rogue_stay stay)
{
	bare = bare_open(&loop, (const struct sockaddr *)&at, strdup("octets"), 6, stay, on_told, &status);
	ck_assert_ptr_nonnull(bare);
}

/* The peer has what was sent; it is blocking, and what it reads is there soon. */
static void
hears(void)
{
	char got[6];

	peer = accept(door, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	for (int i = 0; i < 3; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_int_eq(recv(peer, got, sizeof(got), MSG_WAITALL), 6);
	ck_assert_mem_eq(got, "octets", 6);
}

static void
answers(const char *text)
{
	ck_assert_int_eq(send(peer, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

static void
turns_until_told(void)
{
	while (!told)
		uv_run(&loop, UV_RUN_ONCE);
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
}

static void
over(void)
{
	gw_loop_fini(&loop);
	if (peer >= 0)
		close(peer);
	close(door);
}

START_TEST(statuses)	/* _i: row */
{
	static const struct { const char *first, *then; unsigned status; } rows[] = {
		{ "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "", 400 }, { "HTTP/1.0 200", "", 200 },
		{ "HTTP/1", ".1 408 Request Timeout\r\n\r\n", 408 }, { "no answer of HTTP", "", LOAD_CLOSED }, { "HTTP/1.1 999 What\r\n", "", LOAD_CLOSED },
		{ "HTTP/1.1 ", "", LOAD_CLOSED }, { "", "", LOAD_CLOSED },
	};
	listens();
	dials(ROGUE_STATUS);
	hears();
	answers(rows[_i].first);
	uv_run(&loop, UV_RUN_NOWAIT);
	if (*rows[_i].then)	/* else it may be over */
		answers(rows[_i].then);
	if (rows[_i].status == LOAD_CLOSED)
		shutdown(peer, SHUT_WR);
	turns_until_told();
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(status, rows[_i].status);
	over();
}
END_TEST

START_TEST(leaves)	/* the request is there, whole, and an end */
{
	char more;

	listens();
	dials(ROGUE_UNTIL_SENT);
	hears();
	turns_until_told();
	ck_assert_uint_eq(status, LOAD_LEFT);
	ck_assert_int_eq(recv(peer, &more, 1, 0), 0);
	over();
}
END_TEST

START_TEST(breaks_off)
{
	char more;

	listens();
	dials(ROGUE_UNTIL_STATUS);
	hears();
	answers("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	turns_until_told();
	ck_assert_uint_eq(status, 200);
	ck_assert_int_eq(recv(peer, &more, 1, 0), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	over();
}
END_TEST

START_TEST(nobody_there)
{
	listens();
	close(door);
	dials(ROGUE_STATUS);
	turns_until_told();
	ck_assert_uint_eq(status, LOAD_CLOSED);
	gw_loop_fini(&loop);
}
END_TEST

START_TEST(nothing_comes)	/* it is given up, and says nothing any more */
{
	listens();
	dials(ROGUE_STATUS);
	hears();
	bare_close(bare);
	answers("HTTP/1.1 200 OK\r\n\r\n");
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	ck_assert_uint_eq(told, 0);
	dials(ROGUE_STATUS);	/* not even connected */
	bare_close(bare);
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	ck_assert_uint_eq(told, 0);
	over();
}
END_TEST

SUITE("load_bare", tcase_add_loop_test(t, statuses, 0, 7); tcase_add_test(t, leaves); tcase_add_test(t, breaks_off);
	tcase_add_test(t, nobody_there); tcase_add_test(t, nothing_comes))
