/* tests/unit/test_lib_addr.c */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <string.h>
#include <sys/un.h>
#include "lib/addr.h"
#include "tests/suite.h"

enum { ALL = GW_TCP | GW_TLS | GW_UDP | GW_UNIX, TS = GW_UDP | GW_PID };

static const struct {
	const char *text, *canonical;	/* NULL: the same */
	int scheme;
	bool numeric, multicast, loopback;
} good[] = {
	{ "tcp://127.0.0.1:7001", NULL, GW_TCP, true, false, true },
	{ "tls://ecmg-1.example.net:2000", NULL, GW_TLS, false, false, false },
	{ "tcp://[::1]:2000", NULL, GW_TCP, true, false, true },
	{ "tcp://[0:0:0::0:1]:2000", "tcp://[::1]:2000", GW_TCP, true, false, true },
	{ "TCP://10.0.0.7:0", "tcp://10.0.0.7:0", GW_TCP, true, false, false },
	{ "udp://239.255.1.1:5004", NULL, GW_UDP, true, true, false },
	{ "udp://239.255.1.1:5004?interface=lo&ttl=4", NULL, GW_UDP, true, true, false },
	{ "udp://239.255.1.1:5004?ttl=0", NULL, GW_UDP, true, true, false },
	{ "udp://239.255.1.1:5004?ttl=1", "udp://239.255.1.1:5004", GW_UDP, true, true, false },
	{ "udp://[ff15::1]:65535?interface=eth0", NULL, GW_UDP, true, true, false },
	{ "udp://232.1.1.1:5004?source=10.0.0.7&dscp=34", "udp://232.1.1.1:5004?dscp=34&source=10.0.0.7", GW_UDP, true, true, false },
	{ "udp://[ff35::1]:5004?source=fe80:0::1", "udp://[ff35::1]:5004?source=fe80::1", GW_UDP, true, true, false },
	{ "udp://239.255.1.1:5004?pid=496", "udp://239.255.1.1:5004?pid=0x01f0", GW_UDP, true, true, false },
	{ "udp://239.255.1.1:5004?pid=0x1ffe&ttl=3&interface=lo", "udp://239.255.1.1:5004?interface=lo&ttl=3&pid=0x1ffe", GW_UDP, true, true, false },
	{ "unix:///run/simulgate/a.sock", NULL, GW_UNIX, true, false, true },
};
enum { NGOOD = sizeof(good) / sizeof(good[0]) };

START_TEST(understood)
{
	char text[GW_ADDR_TEXT];
	struct gw_err err = { 0 };
	struct gw_addr a, b;

	ck_assert_msg(gw_addr_parse(good[_i].text, ALL | GW_PID, &a, &err) == 0, "%s", err.text);
	ck_assert_str_eq(gw_addr_text(&a, text, sizeof(text)), good[_i].canonical ? good[_i].canonical : good[_i].text);
	ck_assert_int_eq(a.scheme, good[_i].scheme);
	ck_assert_int_eq(a.numeric, good[_i].numeric);
	ck_assert_int_eq(gw_addr_multicast(&a), good[_i].multicast);
	ck_assert_int_eq(gw_addr_loopback(&a), good[_i].loopback);
	ck_assert_int_eq(gw_addr_parse(text, ALL | GW_PID, &b, NULL), 0);
	ck_assert_mem_eq(&a, &b, sizeof(a));
}
END_TEST

static const struct { const char *text; int schemes; const char *why; } bad[] = {
	{ "", ALL, "it begins with tcp:// or tls:// or udp:// or unix:// here" },
	{ "127.0.0.1:7001", ALL, "it begins with" },
	{ "http://127.0.0.1:7001", ALL, "it begins with" },
	{ "udp://127.0.0.1:7001", GW_TCP | GW_TLS, "it begins with tcp:// or tls:// here" },
	{ "tcp://127.0.0.1", ALL, "the port is missing" },
	{ "tcp://127.0.0.1:", ALL, "the port is missing" },
	{ "tcp://:7001", ALL, "the host is missing" },
	{ "tcp://[]:7001", ALL, "the host is missing" },
	{ "tcp://[::1:7001", ALL, "the closing bracket is missing" },
	{ "tcp://[127.0.0.1]:7001", ALL, "no IPv6 address" },
	{ "tcp://::1:7001", ALL, "the port is missing" },
	{ "tcp://127.0.0.1:65536", ALL, "a port is a number up to 65535" },
	{ "tcp://127.0.0.1:-1", ALL, "the port is missing" },
	{ "tcp://127.0.0.1:99999999999999999999999", ALL, "a port is a number" },
	{ "tcp://127.0.0.1:80/x", ALL, "nothing may follow the port" },
	{ "tcp://127.0.0.1:80?ttl=1", ALL, "nothing may follow the port" },
	{ "tcp://127.0.1:80", ALL, "an IPv4 address has four numbers" },
	{ "tcp://256.0.0.1:80", ALL, "an IPv4 address has four numbers" },
	{ "tcp://exa mple:80", ALL, "a host name has" },
	{ "udp://239.0.0.1:80?", ALL, "after '?'" },
	{ "udp://239.0.0.1:80?ttl", ALL, "a key after '?' has a value" },
	{ "udp://239.0.0.1:80?ttl=256", ALL, "from 0 to 255" },
	{ "udp://239.0.0.1:80?ttl=-1", ALL, "from 0 to 255" },
	{ "udp://239.0.0.1:80?hops=3", ALL, "the keys after '?' are" },
	{ "udp://239.0.0.1:80?pid=0x100", ALL, "are interface, ttl, dscp and source" },
	{ "udp://239.0.0.1:80?dscp=64", ALL, "from 0 to 63" },
	{ "udp://239.0.0.1:80?source=::1", ALL, "of the same family" },
	{ "udp://239.0.0.1:80?source=host", ALL, "numeric" },
	{ "udp://239.0.0.1:80?pid=0x1f", TS, "from 0x0020 to 0x1ffe" },
	{ "udp://239.0.0.1:80?pid=0x1fff", TS, "from 0x0020 to 0x1ffe" },
	{ "udp://239.0.0.1:80?pid=0x", TS, "from 0x0020 to 0x1ffe" },
	{ "udp://239.0.0.1:80?pid=", TS, "from 0x0020 to 0x1ffe" },
	{ "udp://239.0.0.1:80?pid=-256", TS, "from 0x0020 to 0x1ffe" },
	{ "udp://239.0.0.1:80?interface=", ALL, "interface= wants" },
	{ "udp://239.0.0.1:80?interface=aninterfacetoolong", ALL, "interface= wants" },
	{ "udp://239.0.0.1:80?interface=lo&&ttl=1", ALL, "after '?'" },
	{ "unix://run/x", ALL, "absolute path" },
	{ "unix:///aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    ALL, "at most 107" },
};
enum { NBAD = sizeof(bad) / sizeof(bad[0]) };

START_TEST(refused)
{
	struct gw_err err = { 0 };
	struct gw_addr a;

	ck_assert_int_eq(gw_addr_parse(bad[_i].text, bad[_i].schemes, &a, &err), -1);
	ck_assert_int_eq(err.code, GW_ECONF);
	ck_assert_msg(strstr(err.text, bad[_i].why) != NULL, "%s", err.text);
}
END_TEST

START_TEST(names_are_resolved)
{
	struct gw_err err = { 0 };
	struct gw_addr a;

	ck_assert_int_eq(gw_addr_parse("tcp://localhost:7001", ALL, &a, NULL), 0);
	ck_assert(!gw_addr_loopback(&a));
	ck_assert_msg(gw_addr_resolve(&a, &err) == 0, "%s", err.text);
	ck_assert(a.numeric && gw_addr_loopback(&a));
	ck_assert_int_eq(gw_addr_parse("tcp://no-such-host.invalid:7001", ALL, &a, NULL), 0);
	ck_assert_int_eq(gw_addr_resolve(&a, &err), -1);
	ck_assert(err.code == GW_EUNAVAIL || err.code == GW_ETEMP);
	ck_assert(!a.numeric);
}
END_TEST

static const struct { const char *text; bool local; } places[] = {
	{ "tcp://127.0.0.1:7001", true }, { "tcp://127.0.0.9:7001", true }, { "tcp://[::1]:7001", true }, { "tcp://localhost:7001", true },
	{ "tcp://0.0.0.0:7001", true }, { "tcp://[::]:7001", true }, { "unix:///tmp/x", true },
	{ "tcp://192.0.2.1:7001", false }, { "tcp://[2001:db8::1]:7001", false }, { "tcp://no-such-host.invalid:7001", false },
};

START_TEST(what_is_ours_is_known)
{
	struct gw_addr a;

	ck_assert_int_eq(gw_addr_parse(places[_i].text, ALL, &a, NULL), 0);
	ck_assert_int_eq(gw_addr_local(&a), places[_i].local);
}
END_TEST

/* Whatever addresses this machine has, they are its own. */
START_TEST(interfaces_are_ours)
{
	struct ifaddrs *list;
	struct gw_addr a = { .scheme = GW_TCP, .numeric = true };

	ck_assert_int_eq(getifaddrs(&list), 0);
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&a.ss, i->ifa_addr, i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		ck_assert(gw_addr_local(&a));
	}
	freeifaddrs(list);
}
END_TEST

START_TEST(socket_addresses_have_text)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct gw_addr a;
	char text[80];

	gw_addr_parse("tcp://10.0.0.7:2000", ALL, &a, NULL);
	ck_assert_str_eq(gw_sockaddr_text((struct sockaddr *)&a.ss, text, sizeof(text)), "10.0.0.7:2000");
	gw_addr_parse("tcp://[2001:db8::7]:2000", ALL, &a, NULL);
	ck_assert_str_eq(gw_sockaddr_text((struct sockaddr *)&a.ss, text, sizeof(text)), "[2001:db8::7]:2000");
	ck_assert_str_eq(gw_sockaddr_text((struct sockaddr *)&un, text, sizeof(text)), "unix");
}
END_TEST

SUITE("lib_addr", tcase_add_loop_test(t, understood, 0, NGOOD); tcase_add_loop_test(t, refused, 0, NBAD);
      tcase_add_test(t, names_are_resolved); tcase_add_loop_test(t, what_is_ours_is_known, 0, 10);
      tcase_add_test(t, interfaces_are_ours); tcase_add_test(t, socket_addresses_have_text))
