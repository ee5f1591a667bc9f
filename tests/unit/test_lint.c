/* tests/unit/test_lint.c: the rules of simulgate lint on a clock of ours: what breaks one is found by that one alone, what breaks none by none */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/suite.h"
#include "tests/unit/spelt.h"
#include "tools/lint.h"

enum { MS = 1000000, CONNECTIONS = 4, ROOM = 4096 };

/* ---- scenes ---- */

struct scene {
	struct lint *lint;
	struct dec_msg *msg;
	struct dec_tcp_user sink;
	struct dec_conn conn[CONNECTIONS];
	uint64_t frame; int64_t now;
	bool open[CONNECTIONS];
};

/* The same client and server, each connection with a port of its own; of UDP, to the same server. */
static struct dec_conn *
connection(struct scene *s, int n, bool udp, bool midway)
{
	struct dec_conn *c = &s->conn[n];

	if (s->open[n])
		return c;
	s->open[n] = true;
	*c = (struct dec_conn){ .udp = udp, .opener = udp || midway ? -1 : 0 };
	memcpy(c->ends.from, "\x0a\0\0\1", 4);
	memcpy(c->ends.to, "\x0a\0\0\2", 4);
	c->ends.from_port = (uint16_t)(5000 + n);
	c->ends.to_port = 2000;
	for (int k = 0; k < 2; k++)
		c->half[k].known = c->half[k].from_start = !midway && !udp;
	return c;
}

static void
air(struct scene *s, int place, const char *hex)
{
	uint8_t p[ROOM];
	struct dec_segment d = { .p = p };

	d.len = unhex(hex, p, sizeof(p));
	memcpy(d.ends.to, "\xef\0\0\1", 4);
	d.ends.to_port = (uint16_t)(5010 + place);
	lint_air(s->lint, &d, s->frame, s->now);
}

/*
 * "100 0> MESSAGE": 100 ms on, connection 0, of the client; <: of the server. U: a datagram; A: on air, at a place of that number; F f: the client, the server ends its
 * side; R r: resets; B: octets behind the end; G g: a gap in what it said; M: begun before the capture; X: octets that are no message; E: time goes on.
 */
static void
line(struct scene *s, char *text)
{
	long ms;
	int n, at;
	char what;
	uint8_t p[ROOM];
	struct dec_conn *c;
	int side;

	ck_assert_int_eq(sscanf(text, "%ld %1d%c%n", &ms, &n, &what, &at), 3);
	text += at + (text[at] == ' ');
	s->now = INT64_C(1700000000000000000) + ms * MS;
	s->frame++;
	dec_msg_now(s->msg, s->frame, s->now);
	lint_now(s->lint, s->now);
	if (what == 'E' || what == 'A') {
		if (what == 'A')
			air(s, n, text);
		return;
	}
	c = connection(s, n, what == 'U', what == 'M');
	side = strchr("<frg", what) != NULL;
	switch (what) {
	case '>': case '<': case 'U': s->sink.data(s->sink.self, c, side, p, octets(text, p)); break;
	case 'F': case 'f': c->half[side].fin = true; c->half[side].fin_ns = s->now; break;
	case 'R': case 'r': c->closed = true; s->sink.event(s->sink.self, c, side, DEC_TCP_RESET); break;
	case 'B': s->sink.event(s->sink.self, c, 0, DEC_TCP_BEHIND_FIN); break;
	case 'G': case 'g': s->sink.gap(s->sink.self, c, side, 100); break;
	case 'X': s->sink.data(s->sink.self, c, 0, p, unhex(text, p, sizeof(p))); break;
	case 'M': break;
	default: ck_abort_msg("%c", what);
	}
}

static struct lint *
play(const char *const *parts, const char *ignored)
{
	struct lint_conf conf = { .ignored = { ignored }, .nignored = ignored != NULL };
	struct dec_msg_conf any = { 0 };
	struct dec_msg_user user;
	static struct scene s;
	char copy[ROOM];

	s = (struct scene){ .lint = lint_new(&conf) };
	user = lint_sink(s.lint);
	s.msg = dec_msg_new(&any, &user);
	s.sink = dec_msg_sink(s.msg);
	for (; *parts; parts++)
		for (const char *at = *parts; *at; at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n')) {
			ck_assert_uint_lt(strcspn(at, "\n"), sizeof(copy));
			snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(at, "\n"), at);
			line(&s, copy);
		}
	for (int n = 0; n < CONNECTIONS; n++)
		if (s.open[n])
			s.sink.end(s.sink.self, &s.conn[n]);
	dec_msg_free(s.msg);
	return s.lint;
}

static const struct lint_report *
report(struct lint *t)
{
	struct dec_counts counts = { 0 };

	return lint_report(t, "scene", &counts, true, NULL);
}

/* ---- what is said ---- */

#define SETUP      "0 0> v2 0001 000e:0001 0001:4adc0001\n"
#define STATUS_AS(rest) "1 0< v2 0003 000e:0001 " rest "\n"
#define LIMITS     "0002:00 0003:ff38 0004:ff38 0007:01f4 0008:0002 0009:000a 000a:01 000b:02 000c:0064"
#define STATUS     STATUS_AS(LIMITS)
#define STREAM     "2 0> v2 0101 000e:0001 000f:0001 0019:0005 0010:0014\n"
#define STREAM_OK  "3 0< v2 0103 000e:0001 000f:0001 0019:0005 0011:00\n"
#define OPEN       SETUP STATUS STREAM STREAM_OK
#define WORD(n)    "0014:" n "a1a2a3a4a5a6" n
#define ASK(t, n, w, x) t " 0> v2 0201 000e:0001 000f:0001 0012:" n " " WORD(w) " " WORD(x) "\n"
#define ECM(t, n, id, body) t " 0< v2 0202 000e:0001 000f:0001 0012:" n " 0015:" id "7002" body "\n"
#define CW0        ASK("10", "0007", "0007", "0008")
#define ECM0       ECM("20", "0007", "81", "0707")
#define CW1        ASK("2010", "0008", "0008", "0009")
#define ECM1       ECM("2020", "0008", "80", "0808")
#define CW2        ASK("4010", "0009", "0009", "000a")
#define ECM2       ECM("4020", "0009", "81", "0909")
#define CLOSE      "8000 0> v2 0104 000e:0001 000f:0001\n8001 0< v2 0105 000e:0001 000f:0001\n8002 0> v2 0004 000e:0001\n8003 0F\n8004 0f\n"

#define M_SETUP    "0 0> v3 0011 0001:4adc0001 0003:0001 0002:00\n"
#define M_STATUS   "1 0< v3 0013 0001:4adc0001 0003:0001 0002:00\n"
#define M_STREAM   "2 0> v3 0111 0001:4adc0001 0003:0001 0004:0001 0008:0005 0007:00\n"
#define M_STREAM_OK "3 0< v3 0113 0001:4adc0001 0003:0001 0004:0001 0008:0005 0007:00\n"
#define M_OPEN     M_SETUP M_STATUS M_STREAM M_STREAM_OK
#define M_BW       "4 0> v3 0117 0001:4adc0001 0003:0001 0004:0001 0006:0001\n5 0< v3 0118 0001:4adc0001 0003:0001 0004:0001 0006:0001\n"
#define M_DATA(t, what) t " 0> v3 0211 0001:4adc0001 0003:0001 0004:0001 0008:0005 0005:" what "\n"
#define EMM        "827003aabbcc"
#define U_DATA(t, what) t " 1U v3 0211 0001:4adc0001 0008:0005 0005:" what "\n"
#define M_CLOSE    "8000 0> v3 0114 0001:4adc0001 0003:0001 0004:0001\n8001 0< v3 0115 0001:4adc0001 0003:0001 0004:0001\n8002 0> v3 0014 0001:4adc0001 0003:0001\n8003 0F\n8004 0f\n"

#define E_SETUP    "0 0> v4 0401 0001:0001\n"
#define E_STATUS   "1 0< v4 0403 0001:0001 0002:01 0003:00 0004:0002 0013:01\n"
#define GROUP(id)  "0005:0009000200" id "000800044adc0001000a0001ff0010000101"
#define E_SCG(t, id, more) t " 0> v4 0408 0001:0001 0006:00" id " 000f:0001 0016:0001 0007:00000001 0014:0064 " more "\n"
#define E_SCG_OK(t, id) t " 0< v4 040a 0001:0001 0006:00" id " 0011:00000001 000c:00 0015:0064\n"
#define E_OPEN     E_SETUP E_STATUS
#define E_CLOSE    "8000 0> v4 0404 0001:0001\n8001 0F\n8002 0f\n"

/* 1 kbit/s is 125 octets a second: a section of 128. */
#define AA_16      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SECTION    "82707d" AA_16 AA_16 AA_16 AA_16 AA_16 AA_16 AA_16 "aaaaaaaaaaaaaaaaaaaaaaaaaa"

#define PERIOD(t, n, m, id) ASK(#t "0", "00" n, "00" n, "00" m) ECM(#t "5", "00" n, id, "00" n)
#define FAST_1 PERIOD(1, "01", "02", "81") PERIOD(2, "02", "03", "80") PERIOD(3, "03", "04", "81") PERIOD(4, "04", "05", "80") PERIOD(5, "05", "06", "81") \
	PERIOD(6, "06", "07", "80")
#define FAST_2 PERIOD(7, "07", "08", "81") PERIOD(8, "08", "09", "80") PERIOD(9, "09", "0a", "81") PERIOD(10, "0a", "0b", "80") \
	PERIOD(11, "0b", "0c", "81") PERIOD(12, "0c", "0d", "80")
#define FAST_3 PERIOD(13, "0d", "0e", "81") PERIOD(14, "0e", "0f", "80") PERIOD(15, "0f", "10", "81") PERIOD(16, "10", "11", "80") PERIOD(17, "11", "12", "81")

/* One a second, but for the ninth, which comes 0.9 s late. */
#define SLOW(t, n, m, id) ASK(t "00", "00" n, "00" n, "00" m) ECM(t "05", "00" n, id, "00" n)
#define SLOW_1 SLOW("10", "01", "02", "81") SLOW("20", "02", "03", "80") SLOW("30", "03", "04", "81") SLOW("40", "04", "05", "80") SLOW("50", "05", "06", "81") \
	SLOW("60", "06", "07", "80") SLOW("70", "07", "08", "81") SLOW("80", "08", "09", "80") SLOW("99", "09", "0a", "81")
#define SLOW_2 SLOW("100", "0a", "0b", "80") SLOW("110", "0b", "0c", "81") SLOW("120", "0c", "0d", "80") SLOW("130", "0d", "0e", "81") SLOW("140", "0e", "0f", "80") \
	SLOW("150", "0f", "10", "81") SLOW("160", "10", "11", "80") SLOW("170", "11", "12", "81") SLOW("180", "12", "13", "80")
#define CLOSE_LATE "20000 0> v2 0104 000e:0001 000f:0001\n20001 0< v2 0105 000e:0001 000f:0001\n20002 0> v2 0004 000e:0001\n"
#define TEST       "10 0> v2 0102 000e:0001 000f:0001\n11 0< v2 0103 000e:0001 000f:0001 0019:0005 0011:00\n"
#define TESTS      TEST TEST TEST TEST TEST TEST TEST TEST TEST

enum { PARTS = 8 };
static const struct { const char *rule, *parts[PARTS]; } scenes[] = {
	/* what is right */
	{ "", { OPEN, CW0 ECM0 CW1 ECM1 CW2 ECM2, CLOSE } },
	{ "", { OPEN, CW0 ECM0, "50 0< v2 0002 000e:0001\n51 0> v2 0003 000e:0001 " LIMITS "\n52 0> v2 0102 000e:0001 000f:0001\n53 0< v2 0103 000e:0001 000f:0001 0019:0005 0011:00\n", CLOSE } },
	{ "", { OPEN, CW0, "15 0< v2 0106 000e:0001 000f:0001 7000:000d\n", ASK("20", "0007", "0007", "0008"), ECM0, CLOSE } },	/* asked again */
	{ "", { "0 0M\n", CW0 ECM0 CW1 ECM1, "2030 0> v2 0102 000e:0001 000f:0001\n9000 0E\n" } },	/* begun before, not at its end */
	{ "", { OPEN, CW0, "15 0g\n", CW1 ECM1, "30000 0E\n" } },	/* the answer is not in the capture */
	{ "", { OPEN, CW0 ECM0, "1000 0G\n", ASK("4010", "000b", "000b", "000c"), ECM("4020", "000b", "81", "0b0b"), CLOSE } },
	{ "", { M_OPEN M_BW, M_DATA("100", EMM) M_DATA("200", EMM), M_CLOSE } },
	{ "", { M_OPEN M_BW, U_DATA("100", EMM) U_DATA("2200", EMM), M_CLOSE } },
	{ "", { "0 1E\n", U_DATA("100", EMM) } },	/* who set it up is not in the capture */
	{ "", { M_OPEN M_BW, M_DATA("100", SECTION) M_DATA("1200", SECTION) M_DATA("2300", SECTION) M_DATA("3400", SECTION), M_CLOSE } },
	{ "", { E_OPEN, E_SCG("10", "07", "000e:0001 " GROUP("05")) E_SCG_OK("11", "07"), E_SCG("20", "07", "000e:0001 " GROUP("06")) E_SCG_OK("21", "07"), E_CLOSE } },
	{ "", { OPEN, CW0 ECM0 CW1 ECM1 CW2 ECM2, "100 1A 8170020707\n600 1A 8170020707\n1100 1A 8170020707\n1600 1A 8170020707\n",
	    "2100 1A 8070020808\n2600 1A 8070020808\n3100 1A 8070020808\n3600 1A 8070020808\n4100 1A 8170020909\n", CLOSE } },
	/* other access criteria at the third period: its ECM comes 1.4 s before the others would, the one before stays for that long */
	{ "", { SETUP STATUS_AS(LIMITS " 0016:f9c0 0017:ff38") STREAM STREAM_OK, CW0 ECM0 CW1 ECM1 ASK("2100", "0009", "0009", "000a"), ECM("2110", "0009", "81", "0909"),
	    "600 1A 8170020707\n1100 1A 8170020707\n1600 1A 8170020707\n2100 1A 8070020808\n2300 1A 8170020909\n2600 1A 8070020808\n2800 1A 8170020909\n3100 1A 8070020808\n3300 1A 8170020909\n3600 1A 8070020808\n", CLOSE } },
	/* what was asked of a stream, or of a channel, that was then closed: dropped, or on its way */
	{ "", { OPEN, CW0 ECM0 CW1, "2011 0> v2 0104 000e:0001 000f:0001\n2012 0< v2 0105 000e:0001 000f:0001\n", "2020 0> v2 0101 000e:0001 000f:0001 0019:0005 0010:0014\n2021 0< v2 0103 000e:0001 000f:0001 0019:0005 0011:00\n",
	    "2030 0> v2 0201 000e:0001 000f:0001 0012:0009 " WORD("0009") " " WORD("000a") "\n2035 0< v2 0106 000e:0001 000f:0001 7000:000d\n", CLOSE } },
	{ "", { OPEN, "10 0> v2 0102 000e:0001 000f:0001\n11 0> v2 0104 000e:0001 000f:0001\n12 0< v2 0105 000e:0001 000f:0001\n13 0> v2 0002 000e:0001\n14 0> v2 0004 000e:0001\n15 0< v2 0003 000e:0001 " LIMITS "\n16 0f\n" } },
	{ "", { OPEN, "10 0> v2 0104 000e:0001 000f:0001\n11 0< v2 0105 000e:0001 000f:0001\n13 0> v2 0002 000e:0001\n14 0> v2 0004 000e:0001\n16 0f\n30000 0E\n" } },
	{ "", { E_OPEN, E_SCG("10", "07", "000e:0001 " GROUP("05")) E_SCG_OK("11", "07"), E_SCG("20", "07", "000e:0001 " GROUP("06")),
	    "21 0< v4 040b 0001:0001 0006:0007 7000:000d\n22 0> v4 0409 0001:0001 0006:0007\n" E_SCG_OK("23", "07"), E_CLOSE } },	/* what was defined before stays */
	/* a channel is set up again in another version, once it was closed, or after it was refused for its version */
	{ "", { OPEN CW0 ECM0, "8000 0> v2 0104 000e:0001 000f:0001\n8001 0< v2 0105 000e:0001 000f:0001\n8002 0> v2 0004 000e:0001\n", "8100 0> v3 0001 000e:0001 0001:4adc0001\n8101 0< v3 0003 000e:0001 " LIMITS "\n8102 0> v3 0004 000e:0001\n" } },
	{ "", { "0 0> v5 0001 000e:0001 0001:4adc0001\n1 0< v1 0005 000e:0001 7000:0002\n", "2 0> v2 0001 000e:0001 0001:4adc0001\n3 0< v2 0003 000e:0001 " LIMITS "\n4 0> v2 0004 000e:0001\n" } },
	/* what was on its way when the other side said that it ends */
	{ "", { OPEN, CW0 ECM0, "2009 0< v2 0106 000e:0001 000f:0001 7000:7001\n", CW1, "2015 0< v2 0106 000e:0001 000f:0001 7000:0007\n", CLOSE } },
	{ "", { OPEN, CW0 ECM0, "2009 0f\n", CW1, "2011 0F\n" } },
	{ "", { OPEN, CW0 ECM0, "30 0f\n31 0F\n" } },	/* the ECMG went first */
	{ "", { M_OPEN, M_DATA("250", EMM), "300 0< v3 0118 0001:4adc0001 0003:0001 0004:0001 0006:0000\n", M_DATA("301", SECTION) M_DATA("310", SECTION), M_CLOSE } },
	/* another ECMG was asked for the crypto-periods between */
	{ "", { OPEN, CW0 ECM0, ASK("20010", "0011", "0011", "0012"), ECM("20020", "0011", "81", "1111") } },
	/* the second has to wait for the first: whose fault that is another rule says; and the network's time is not the ECMG's */
	{ "cw-outstanding", { OPEN, CW0 ASK("12", "0008", "0008", "0009"), ECM("105", "0007", "81", "0707") ECM("195", "0008", "80", "0808"), CLOSE } },
	{ "", { SETUP, "60 0< v2 0003 000e:0001 " LIMITS "\n61 0> v2 0101 000e:0001 000f:0001 0019:0005 0010:0014\n121 0< v2 0103 000e:0001 000f:0001 0019:0005 0011:00\n",
	    ASK("200", "0007", "0007", "0008") ECM("340", "0007", "81", "0707"), CLOSE } },
	/* the capture does not have how the stream came to count anew */
	{ "", { OPEN, CW0 ECM0, "1000 0G\n4010 0> v2 0201 000e:0001 000f:0001 0012:0007 0014:00070102030405060708 " WORD("0008") "\n", ECM("4020", "0007", "81", "0b0b"), CLOSE } },
	/* asked before the capture began, whatever has been said since */
	{ "", { "0 0M\n", TESTS TESTS, TESTS TESTS, ECM("20", "0007", "81", "0707") } },
	/* what the SCS waits for before it asks for the next one was said before the capture began */
	{ "", { "0 0M\n", TESTS TESTS, TESTS TESTS, ASK("11010", "0007", "0007", "0008") ASK("11600", "0008", "0008", "0009"), ECM("11700", "0007", "81", "0707") ECM("11710", "0008", "80", "0808") } },
	{ "cw-outstanding", { "0 0M\n", TESTS TESTS, TESTS TESTS, ASK("11010", "0007", "0007", "0008") ASK("11015", "0008", "0008", "0009"), ECM("11700", "0007", "81", "0707") ECM("11710", "0008", "80", "0808") } },
	/* the crypto-periods of one that is late once come no faster than the others */
	{ "", { OPEN, SLOW_1, SLOW_2, CLOSE_LATE } },
	/* the same on air elsewhere, two seconds behind */
	{ "", { OPEN, CW0 ECM0 CW1 ECM1, "600 0A 8170020707\n1100 0A 8170020707\n1600 0A 8170020707\n2100 0A 8070020808\n2600 0A 8070020808\n2600 1A 8170020707\n3100 0A 8070020808\n3100 1A 8170020707\n"
	    "3600 0A 8070020808\n3600 1A 8170020707\n4100 0A 8070020808\n4100 1A 8070020808\n", CLOSE } },
	/* identifiers that only earlier versions keep for OMA BCAST's are anybody's */
	{ "", { "0 0> v2 0001 000e:0001 0001:00010001\n1 0< v2 0003 000e:0001 " LIMITS "\n2 0> v2 0004 000e:0001\n" } },
	/* a group outlives the connection over which it was defined; one without content and ECMs is none any more */
	{ "", { E_OPEN, "10 0> v4 0409 0001:0001 0006:0007\n" E_SCG_OK("11", "07"), E_CLOSE } },
	{ "", { E_OPEN, E_SCG("10", "01", "000e:0001 " GROUP("05")) E_SCG_OK("11", "01"), E_SCG("20", "02", "000e:0002 " GROUP("06")) E_SCG_OK("21", "02"),
	    E_SCG("30", "01", "8001:00") E_SCG_OK("31", "01") E_SCG("40", "03", "000e:0001 " GROUP("07")) E_SCG_OK("41", "03"), E_CLOSE } },
	/* C(P)SIG <=> (P)SIG: its own errors are not known here, nor how long it may think; an error is an answer */
	{ "", { "0 0> v3 0301 0103:0001 0102:4adc0001\n1 0< v3 0305 0103:0001 7000:0005\n30000 0E\n" } },
	{ "", { "0 0> v3 0301 0103:0001 0102:4adc0001\n1 0< v3 0302 0103:0001 0117:0020\n", "2 0> v3 031e 0103:0001 0126:0001 0105:0900\n30000 0< v3 031f 0103:0001 0126:0001 0106:00\n" } },
	/* every message */
	{ "malformed", { OPEN, "50 0X 0200020008000e000200010000\n", CLOSE } },
	{ "param-missing", { SETUP STATUS, "2 0> v2 0101 000e:0001 000f:0001 0010:0014\n", STREAM_OK, CLOSE } },
	{ "param-wanted", { E_SETUP, "1 0< v4 0403 0001:0001\n", E_CLOSE } },
	{ "param-length", { OPEN, "10 0> v2 0201 000e:0001 000f:0001 0012:0007 " WORD("0007") " " WORD("0008") " 0013:000014\n", ECM0, CLOSE } },
	{ "param-repeated", { SETUP STATUS STREAM STREAM_OK, "9 0> v2 0102 000e:0001 000f:0001 000f:0001\n10 0< v2 0103 000e:0001 000f:0001 0019:0005 0011:00\n", CLOSE } },
	{ "param-unknown", { OPEN, "9 0> v2 0002 000e:0001 0042:01\n10 0< v2 0003 000e:0001 " LIMITS "\n", CLOSE } },
	{ "param-unlisted", { OPEN, "9 0> v2 0002 000e:0001 000f:0001\n10 0< v2 0003 000e:0001 " LIMITS "\n", CLOSE } },
	{ "value-reserved", { SETUP, "1 0< v2 0003 000e:0001 0002:02 0003:ff38 0004:ff38 0007:01f4 0008:0002 0009:000a 000a:01 000b:02 000c:0064\n", STREAM STREAM_OK CLOSE } },
	{ "value-boolean", { SETUP STATUS STREAM, "3 0< v2 0103 000e:0001 000f:0001 0019:0005 0011:02\n", "8000 0> v2 0104 000e:0001 000f:0001\n8001 0< v2 0105 000e:0001 000f:0001\n8002 0> v2 0004 000e:0001\n" } },
	{ "value-time", { E_OPEN, E_SCG("10", "07", "000b:07ea0d0101000000 000e:0001 " GROUP("05")) E_SCG_OK("11", "07"), E_CLOSE } },
	{ "version-unknown", { SETUP, STATUS STREAM STREAM_OK CLOSE, "9000 1> v6 0001 000e:0003 0001:4adc0001\n9001 1< v2 0005 000e:0003 7000:0002\n" } },
	{ "version-unusual", { "0 0> v4 0001 000e:0001 0001:4adc0001\n1 0< v4 0003 000e:0001 " LIMITS "\n2 0> v4 0004 000e:0001\n" } },
	{ "version-change", { OPEN, CW0 ECM0, "50 0> v3 0002 000e:0001\n51 0< v2 0005 000e:0001 7000:0002\n", CLOSE } },
	{ "version-mirror", { SETUP, "1 0< v3 0003 000e:0001 " LIMITS "\n2 0> v2 0004 000e:0001\n" } },
	{ "message-unknown", { OPEN, "9 0X 020007000c000e00020001000f00020001\n", CLOSE } },
	{ "message-direction", { OPEN, CW0 ECM0, "30 0< v2 0104 000e:0001 000f:0001\n31 0> v2 0105 000e:0001 000f:0001\n8002 0> v2 0004 000e:0001\n" } },
	{ "octets-strange", { OPEN, "9 0X 474554202f20485454502f312e310d0a0d0a\n", "10 0> v2 0102 000e:0001 000f:0001\n11 0< v2 0103 000e:0001 000f:0001 0019:0005 0011:00\n" } },
	{ "message-cut", { OPEN, CLOSE, "9000 0X 0200020006000e\n" } },
	/* errors */
	{ "error-number", { OPEN, CW0, "20 0< v2 0106 000e:0001 000f:0001 7000:0033\n", CLOSE } },
	{ "error-level", { OPEN, CW0, "20 0< v2 0106 000e:0001 000f:0001 7000:0008\n", CLOSE } },
	{ "error-for-error", { OPEN, CW0, "20 0< v2 0106 000e:0001 000f:0001 7000:000d\n21 0> v2 0106 000e:0001 000f:0001 7000:0001\n", CLOSE } },
	{ "error-unrecoverable", { OPEN, CW0, "20 0< v2 0106 000e:0001 000f:0001 7000:7001\n", CW1 ECM1, CLOSE } },
	/* answers */
	{ "silence", { OPEN, CW0, "5000 0E\n", CW1 ECM1, CLOSE } },
	{ "silence", { OPEN, "10 0> v2 0002 000e:0001\n", "30000 0E\n" } },
	{ "silence", { "0 0> v2 0001 000e:0001 0001:4adc0001\n", "30000 0E\n" } },
	{ "silence", { M_OPEN, "10 0> v3 0117 0001:4adc0001 0003:0001 0004:0001 0006:0001\n", "30000 0E\n" } },
	{ "silence", { SETUP, "20000 0F\n20001 0f\n" } },	/* the SCS gave up */
	{ "silence", { OPEN, CW0, "5000 0f\n" } },	/* the ECMG did */
	{ "", { SETUP, "2000 0F\n20001 0f\n" } },	/* too soon */
	{ "dropped", { OPEN, CW0, "20 0f\n" } },
	{ "answer-unasked", { OPEN, CW0 ECM0, ECM("30", "0009", "80", "0909"), CLOSE } },
	/* channels and streams */
	{ "channel-not-open", { "0 0> v2 0002 000e:0001\n1 0< v2 0005 000e:0001 7000:0006\n", "2 0> v2 0001 000e:0001 0001:4adc0001\n3 0< v2 0003 000e:0001 " LIMITS "\n4 0> v2 0004 000e:0001\n" } },
	{ "channel-not-open", { OPEN, CLOSE, "9000 0> v2 0002 000e:0001\n" } },
	{ "channel-twice", { OPEN, "10 0> v2 0001 000e:0001 0001:4adc0001\n11 0< v2 0005 000e:0001 7000:0013\n", CW1 ECM1, CLOSE } },
	{ "channel-id", { OPEN, "10 0> v2 0002 000e:0002\n11 0< v2 0005 000e:0002 7000:0006\n", CLOSE } },
	{ "channel-shared", { OPEN, "10 1> v2 0001 000e:0001 0001:4adc0002\n11 1< v2 0003 000e:0001 " LIMITS "\n12 1> v2 0004 000e:0001\n", CLOSE } },
	{ "channel-changed", { OPEN, "10 0> v2 0002 000e:0001\n11 0< v2 0003 000e:0001 0002:00 0003:ff38 0004:ff38 0007:01f4 0008:0002 0009:000a 000a:01 000b:02 000c:00c8\n", CLOSE } },
	{ "channel-changed", { OPEN, "10 0> v2 0002 000e:0001\n11 0< v2 0003 000e:0001 " LIMITS " 0005:fc18\n", CLOSE } },
	{ "channel-changed", { OPEN, "10 0> v2 0002 000e:0001\n11 0< v2 0003 000e:0001 0002:00 0003:ffff 0004:ffff 0007:01f4 0008:0002 0009:000a 000a:01 000b:02 000c:0064\n", CLOSE } },
	{ "close-order", { OPEN, CW0 ECM0, "8002 0> v2 0004 000e:0001\n" } },
	{ "close-missing", { OPEN, CW0 ECM0, "8000 0> v2 0104 000e:0001 000f:0001\n8001 0< v2 0105 000e:0001 000f:0001\n8002 0F\n8003 0f\n" } },
	{ "stream-not-open", { SETUP STATUS, CW0, "20 0< v2 0106 000e:0001 000f:0001 7000:0007\n", "8002 0> v2 0004 000e:0001\n" } },
	{ "stream-not-open", { OPEN, "10 0> v2 0104 000e:0001 000f:0001\n11 0< v2 0105 000e:0001 000f:0001\n", ASK("20", "0007", "0007", "0008"), "21 0< v2 0106 000e:0001 000f:0001 7000:0007\n" } },
	{ "stream-not-open", { M_SETUP M_STATUS, M_DATA("10", EMM), "20 0> v3 0014 0001:4adc0001 0003:0001\n" } },
	{ "stream-twice", { OPEN, "10 0> v2 0101 000e:0001 000f:0001 0019:0005 0010:0014\n11 0< v2 0106 000e:0001 000f:0001 7000:0014\n", CW1 ECM1, CLOSE } },
	{ "stream-changed", { SETUP STATUS STREAM, "3 0< v2 0103 000e:0001 000f:0001 0019:0006 0011:00\n", CLOSE } },
	{ "stream-count", { OPEN, "10 0> v2 0101 000e:0001 000f:0002 0019:0006 0010:0014\n11 0< v2 0103 000e:0001 000f:0002 0019:0006 0011:00\n",
	    "12 0> v2 0101 000e:0001 000f:0003 0019:0007 0010:0014\n13 0< v2 0106 000e:0001 000f:0003 7000:0009\n" } },
	{ "id-twice", { OPEN, "10 0> v2 0101 000e:0001 000f:0002 0019:0005 0010:0014\n11 0< v2 0106 000e:0001 000f:0002 7000:0015\n" } },
	{ "id-twice", { M_OPEN, "10 0> v3 0111 0001:4adc0001 0003:0001 0004:0002 0008:0005 0007:00\n11 0< v3 0116 0001:4adc0001 0003:0001 0004:0002 7000:0013\n" } },
	{ "id-shared", { OPEN, "10 1> v2 0001 000e:0002 0001:4adc0001\n11 1< v2 0003 000e:0002 " LIMITS "\n12 1> v2 0101 000e:0002 000f:0001 0019:0005 0010:0014\n13 1< v2 0103 000e:0002 000f:0001 0019:0005 0011:00\n",
	    "14 1> v2 0104 000e:0002 000f:0001\n15 1< v2 0105 000e:0002 000f:0001\n16 1> v2 0004 000e:0002\n", CLOSE } },
	{ "bcast-flag", { "0 0> v5 0001 000e:0001 0001:00010001\n1 0< v5 0003 000e:0001 " LIMITS "\n2 0> v5 0004 000e:0001\n" } },
	{ "flag-version", { "0 0> v3 0011 0001:4adc0001 0003:0001 0002:02\n1 0< v3 0013 0001:4adc0001 0003:0001 0002:02\n2 0> v3 0014 0001:4adc0001 0003:0001\n" } },
	/* ECMG <=> SCS */
	{ "cw-outstanding", { OPEN, CW0, ASK("12", "0008", "0008", "0009"), ECM0, ECM("25", "0008", "80", "0808"), CLOSE } },
	{ "cw-count", { OPEN, "10 0> v2 0201 000e:0001 000f:0001 0012:0007 " WORD("0007") "\n", ECM0, CLOSE } },
	{ "cw-window", { OPEN, ASK("10", "0007", "0006", "0007"), "20 0< v2 0106 000e:0001 000f:0001 7000:000b\n", CLOSE } },
	{ "cw-twice", { OPEN, "10 0> v2 0201 000e:0001 000f:0001 0012:0007 " WORD("0007") " " WORD("0007") "\n", ECM0, CLOSE } },
	{ "cw-changed", { OPEN, CW0 ECM0, "2010 0> v2 0201 000e:0001 000f:0001 0012:0008 0014:00080102030405060708 " WORD("0009") "\n", ECM1, CLOSE } },
	{ "cw-same", { OPEN, CW0 ECM0, "2010 0> v2 0201 000e:0001 000f:0001 0012:0008 " WORD("0008") " 0014:0009a1a2a3a4a5a60008\n", ECM1, CLOSE } },
	{ "cw-length", { OPEN, CW0 ECM0, "2010 0> v2 0201 000e:0001 000f:0001 0012:0008 " WORD("0008") " 0014:0009a1a2a3a4a5a600080001020304050607\n", ECM1, CLOSE } },
	{ "cw-refused", { OPEN, CW0, "20 0< v2 0106 000e:0001 000f:0001 7000:000b\n", CLOSE } },
	{ "cp-sequence", { OPEN, CW0 ECM0, ASK("2010", "0009", "0009", "000a"), ECM("2020", "0009", "80", "0909"), CLOSE } },
	{ "cp-short", { SETUP STATUS STREAM_OK, "10 0> v2 0201 000e:0001 000f:0001 0012:0007 " WORD("0007") " " WORD("0008") " 0013:0005\n" ECM0 } },
	{ "cp-nominal", { OPEN, "10 0> v2 0201 000e:0001 000f:0001 0012:0007 " WORD("0007") " " WORD("0008") " 0013:0010\n", ECM0, CLOSE } },
	{ "cp-pace", { OPEN, FAST_1, FAST_2, FAST_3, CLOSE } },
	{ "nominal-short", { SETUP STATUS, "2 0> v2 0101 000e:0001 000f:0001 0019:0005 0010:0009\n", "3 0< v2 0106 000e:0001 000f:0001 7000:0011\n" } },
	{ "nominal-comp", { SETUP, "1 0< v2 0003 000e:0001 0002:00 0003:ff38 0004:ff38 0007:01f4 0008:0002 0009:0000 000a:01 000b:02 000c:0bb8\n", STREAM STREAM_OK CLOSE } },
	{ "ac-missing", { SETUP STATUS STREAM, "3 0< v2 0103 000e:0001 000f:0001 0019:0005 0011:01\n", CW0 ECM0, CLOSE } },
	{ "ecm-late", { OPEN, CW0, ECM("210", "0007", "81", "0707"), CLOSE } },
	{ "ecm-late", { OPEN, CW0, ECM("900", "0007", "81", "0707"), CW1 ECM1, CLOSE } },
	{ "ecm-format", { OPEN, CW0, "20 0< v2 0202 000e:0001 000f:0001 0012:0007 0015:8170030707\n", CLOSE } },
	{ "ecm-format", { SETUP STATUS_AS("0002:01 0003:ff38 0004:ff38 0007:01f4 0008:0002 0009:000a 000a:01 000b:02 000c:0064"), STREAM STREAM_OK, CW0 ECM0, CLOSE } },
	{ "ecm-table-id", { OPEN, CW0 ECM0, CW1, ECM("2020", "0008", "81", "0808"), CLOSE } },
	{ "status-cw", { SETUP STATUS_AS("0002:00 0003:ff38 0004:ff38 0007:01f4 0008:0002 0009:000a 000a:01 000b:00 000c:0064"), "2 0> v2 0004 000e:0001\n" } },
	{ "status-comp", { SETUP STATUS_AS("0002:00 0003:ff38 0004:ff38 0007:01f4 0008:0002 0009:000a 000a:01 000b:02 000c:03e8"), STREAM STREAM_OK CLOSE } },
	{ "delay-late", { SETUP STATUS_AS("0002:00 0003:0064 0004:0064 0007:01f4 0008:0002 0009:000a 000a:00 000b:01 000c:0064"), STREAM STREAM_OK CLOSE } },
	{ "delay-gap", { SETUP STATUS_AS("0002:00 0003:0064 0004:0000 0007:01f4 0008:0002 0009:000a 000a:01 000b:02 000c:0064"), STREAM STREAM_OK CLOSE } },
	{ "delay-large", { SETUP STATUS_AS("0002:00 0003:f448 0004:0000 0007:01f4 0008:0002 0009:000a 000a:01 000b:02 000c:0064"), STREAM STREAM_OK CLOSE } },
	/* on air */
	{ "air-window", { OPEN, CW0 ECM0 CW1 ECM1, "1600 1A 8170020707\n2100 1A 8070020808\n2150 1A 8170020707\n2600 1A 8070020808\n2650 1A 8170020707\n3050 1A 8170020707\n", CLOSE } },
	{ "air-short", { OPEN, CW0 ECM0 CW1 ECM1 CW2 ECM2, "2600 1A 8170020707\n3900 1A 8070020808\n4040 1A 8170020909\n", CLOSE } },
	{ "air-repetition", { OPEN, CW0 ECM0, "600 1A 8170020707\n2100 1A 8170020707\n", CLOSE } },
	{ "air-skipped", { OPEN, CW0 ECM0 CW1 ECM1 CW2 ECM2, "4600 1A 8170020707\n5600 1A 8170020909\n", CLOSE } },
	/* EMMG <=> MUX */
	{ "udp-message", { M_OPEN, U_DATA("100", EMM), "110 1U v3 0012 0001:4adc0001 0003:0001\n", M_CLOSE } },
	{ "udp-version", { "0 1U v1 0211 0008:0005 0005:" EMM "\n" } },
	{ "udp-param", { M_OPEN, "100 1U v3 0211 0001:4adc0001 0003:0001 0004:0001 0008:0005 0005:" EMM "\n", M_CLOSE } },
	{ "udp-stream", { M_SETUP M_STATUS, U_DATA("2100", EMM), "8002 0> v3 0014 0001:4adc0001 0003:0001\n" } },
	{ "flag-changed", { M_SETUP, "1 0< v3 0013 0001:4adc0001 0003:0001 0002:01\n", M_STREAM M_STREAM_OK M_CLOSE } },
	{ "client-changed", { M_OPEN, "10 0> v3 0012 0001:4adc0002 0003:0001\n11 0< v3 0013 0001:4adc0001 0003:0001 0002:00\n", M_CLOSE } },
	{ "data-id", { M_OPEN, "10 0> v3 0211 0001:4adc0001 0003:0001 0004:0001 0008:0006 0005:" EMM "\n", M_CLOSE } },
	{ "data-format", { M_OPEN, M_DATA("10", "827004aabbcc"), M_CLOSE } },
	{ "data-format", { M_OPEN, M_DATA("10", EMM EMM), M_CLOSE } },
	{ "data-format", { M_OPEN, M_DATA("10", "807003aabbcc"), M_CLOSE } },
	{ "bandwidth", { M_OPEN M_BW, M_DATA("100", SECTION) M_DATA("200", SECTION) M_DATA("300", SECTION), M_CLOSE } },
	{ "bandwidth-absent", { M_OPEN, "4 0> v3 0117 0001:4adc0001 0003:0001 0004:0001 0006:0001\n5 0< v3 0118 0001:4adc0001 0003:0001 0004:0001\n", M_CLOSE } },
	/* EIS <=> SCS */
	{ "scg-content", { E_OPEN, E_SCG("10", "07", "000e:0001"), E_SCG_OK("11", "07"), E_CLOSE } },
	{ "scg-level", { E_OPEN, E_SCG("10", "07", "000d:0001 " GROUP("05")), E_SCG_OK("11", "07"), E_CLOSE } },
	{ "scg-ecm-twice", { E_OPEN, E_SCG("10", "07", "000e:0001 " GROUP("05") " " GROUP("05")), E_SCG_OK("11", "07"), E_CLOSE } },
	{ "scg-unknown", { E_OPEN, "5 0> v4 0406 0001:0001\n", E_SCG("10", "07", "000e:0001 " GROUP("05")), E_SCG_OK("11", "07"), E_SCG_OK("12", "08"), E_CLOSE } },
	/* TCP */
	{ "tcp-reset", { OPEN, CW0 ECM0, "30 0r\n" } },
	{ "tcp-behind-fin", { OPEN, CLOSE, "9000 0B\n" } },
};
enum { SCENES = sizeof(scenes) / sizeof(scenes[0]) };

START_TEST(a_scene_breaks_just_its_rule)
{
	struct lint *t = play(scenes[_i].parts, NULL);
	const struct lint_report *r = report(t);
	const char *rule = scenes[_i].rule;

	for (size_t i = 0; i < r->nfindings; i++) {
		const struct lint_finding *f = &r->findings[i];

		ck_assert_msg(strcmp(f->rule->id, rule) == 0, "scene %d, %s: %s in frame %llu: %s", _i, *rule ? rule : "right", f->rule->id, (unsigned long long)f->frame, f->text);
		ck_assert_msg(*f->text && *f->clause && f->frame > 0 && f->at_ns > 0, "%s", rule);
	}
	ck_assert_msg((r->nfindings > 0) == (*rule != 0), "scene %d, %s: %zu findings", _i, rule, r->nfindings);
	lint_free(t);
}
END_TEST

START_TEST(an_ignored_rule_finds_nothing)
{
	struct lint *t;

	if (!*scenes[_i].rule)
		return;
	t = play(scenes[_i].parts, scenes[_i].rule);
	ck_assert_uint_eq(report(t)->nfindings, 0);
	lint_free(t);
}
END_TEST

START_TEST(every_rule_has_a_scene)
{
	const struct lint_rule *r;

	for (size_t n = 0; (r = lint_rule(n)) != NULL; n++) {
		size_t i = 0;

		while (i < SCENES && strcmp(scenes[i].rule, r->id) != 0)
			i++;
		ck_assert_msg(i < SCENES, "%s", r->id);
		ck_assert_ptr_eq(lint_rule_find(r->id), r);	/* its name is its own */
		ck_assert_uint_lt(strlen(r->id), 20);
	}
	ck_assert_ptr_null(lint_rule_find("no-such-rule"));
}
END_TEST

START_TEST(equal_findings_are_counted)
{
	static const char *const parts[] = { OPEN, "10 0> v2 0002 000e:0001 0042:01\n11 0< v2 0003 000e:0001 " LIMITS "\n", "20 0> v2 0002 000e:0001 0042:01\n21 0< v2 0003 000e:0001 " LIMITS "\n",
		"30 0> v2 0002 000e:0001 0042:01\n31 0< v2 0003 000e:0001 " LIMITS "\n", CLOSE, NULL };
	struct lint *t = play(parts, NULL);
	const struct lint_report *r = report(t);

	ck_assert_uint_eq(r->nfindings, 1);
	ck_assert_uint_eq(r->findings[0].count, 3);
	ck_assert_uint_eq(r->findings[0].frame, 5);
	ck_assert_uint_eq(r->findings[0].last_frame, 9);
	ck_assert_str_eq(r->findings[0].param, "0x0042");
	ck_assert_str_eq(r->findings[0].message, "channel_test");
	ck_assert_int_eq(r->findings[0].side, LINT_CLIENT);
	ck_assert_uint_eq(r->found[LINT_WARNING], 3);
	lint_free(t);
}
END_TEST

START_TEST(silence_ends_with_a_reset)
{
	static const char *const parts[] = { OPEN, CW0, "5000 0R\n", NULL };
	struct lint *t = play(parts, "tcp-reset");
	const struct lint_report *r = report(t);

	ck_assert_uint_eq(r->nfindings, 1);
	ck_assert_str_eq(r->findings[0].rule->id, "silence");
	ck_assert_int_eq(r->findings[0].stream, 1);
	ck_assert_uint_eq(r->sessions[0]->latency[2].unanswered, 1);
	lint_free(t);
}
END_TEST

START_TEST(periods_are_kept_with_their_times)
{
	static const char *const parts[] = { OPEN, CW0 ECM0 CW1, ECM("2210", "0008", "80", "0808"), CW2, "4015 0< v2 0106 000e:0001 000f:0001 7000:000d\n", "4100 0E\n", NULL };
	struct lint *t = play(parts, NULL);
	const struct lint_report *r = report(t);
	const struct lint_session *s = r->sessions[0];
	const struct lint_period *p = s->streams[0].periods;

	ck_assert_uint_eq(r->nsessions, 1);
	ck_assert_str_eq(s->client, "10.0.0.1:5000");
	ck_assert_str_eq(s->server, "10.0.0.2:2000");
	ck_assert_int_eq(s->channel.max_comp_time, 100);
	ck_assert_int_eq(s->channel.delay_start, -200);
	ck_assert_int_eq(s->channel.AC_delay_start, INT32_MIN);
	ck_assert_uint_eq(s->streams[0].nperiods, 3);
	ck_assert_uint_eq(p[0].cp, 7);
	ck_assert_uint_eq(p[0].duration_100ms, 20);
	ck_assert_int_eq(p[0].latency_ns, 10 * MS);
	ck_assert(!p[0].late && p[1].late && p[2].refused && !p[2].late);
	ck_assert_int_eq(p[1].latency_ns, 200 * MS);
	ck_assert_uint_eq(s->latency[2].n, 3);
	ck_assert_uint_eq(s->latency[2].late, 1);
	ck_assert_str_eq(s->latency[2].request, "CW_provision");
	lint_free(t);
}
END_TEST

/* All streams of a channel change their crypto-period at once: each is asked for an ECM before any has come. _i: streams. */
START_TEST(many_requests_at_once)
{
	struct lint_conf conf = { 0 };
	struct dec_msg_conf any = { 0 };
	struct scene s = { .lint = lint_new(&conf) };
	struct dec_msg_user user = lint_sink(s.lint);
	const struct lint_report *r;
	char text[ROOM];

	s.msg = dec_msg_new(&any, &user);
	s.sink = dec_msg_sink(s.msg);
	snprintf(text, sizeof(text), "0 0> v2 0001 000e:0001 0001:4adc0001");
	line(&s, text);
	snprintf(text, sizeof(text), "1 0< v2 0003 000e:0001 0002:00 0003:ff38 0004:ff38 0007:01f4 0008:0000 0009:000a 000a:00 000b:01 000c:0064");
	line(&s, text);
	for (int n = 1; n <= _i; n++) {
		snprintf(text, sizeof(text), "2 0> v2 0101 000e:0001 000f:%04x 0019:%04x 0010:0014", n, n);
		line(&s, text);
		snprintf(text, sizeof(text), "2 0< v2 0103 000e:0001 000f:%04x 0019:%04x 0011:00", n, n);
		line(&s, text);
	}
	for (int n = 1; n <= _i; n++) {
		snprintf(text, sizeof(text), "10 0> v2 0201 000e:0001 000f:%04x 0012:0007 0014:0007a1a2a3a4a5a6%04x", n, n);
		line(&s, text);
	}
	for (int n = 1; n <= _i; n++) {
		snprintf(text, sizeof(text), "50 0< v2 0202 000e:0001 000f:%04x 0012:0007 0015:817002%04x", n, n);
		line(&s, text);
	}
	s.sink.end(s.sink.self, &s.conn[0]);
	dec_msg_free(s.msg);
	r = report(s.lint);
	for (size_t i = 0; i < r->nfindings; i++)
		ck_abort_msg("%d streams: %s in frame %llu: %s", _i, r->findings[i].rule->id, (unsigned long long)r->findings[i].frame, r->findings[i].text);
	ck_assert_uint_eq(r->sessions[0]->latency[2].n, (unsigned)(_i < 1024 ? _i : 1024));
	for (size_t k = 0; k < r->sessions[0]->nstreams; k++) {	/* and of the others it is not said that they had none */
		const struct lint_period *period = r->sessions[0]->streams[k].periods;

		ck_assert(r->sessions[0]->streams[k].nperiods == 1 && period->unwatched == ((int)k < _i - 1024) && (period->latency_ns < 0) == period->unwatched);
	}
	lint_free(s.lint);
}
END_TEST

/* What is asked for again is answered once or twice. */
START_TEST(asked_twice)
{
	static const char *const once[] = { OPEN, CW0, ASK("1500", "0007", "0007", "0008"), ECM("1510", "0007", "81", "0707"), "30000 0E\n", NULL };
	static const char *const twice[] = { OPEN, CW0, ASK("1500", "0007", "0007", "0008"), ECM("1510", "0007", "81", "0707"), ECM("1520", "0007", "81", "0707"), "30000 0E\n", NULL };
	struct lint *t = play(_i ? twice : once, "silence");
	const struct lint_report *r = report(t);

	for (size_t i = 0; i < r->nfindings; i++)
		ck_abort_msg("%s: %s", r->findings[i].rule->id, r->findings[i].text);
	ck_assert_uint_eq(r->sessions[0]->latency[2].n, 1u + (unsigned)_i);
	ck_assert_uint_eq(r->sessions[0]->latency[2].unanswered, 1u - (unsigned)_i);
	lint_free(t);
}
END_TEST

/* A session of so many crypto-periods, each with an error of its own CP: memory is bounded, counts go on. */
START_TEST(lists_end_and_counts_go_on)
{
	enum { PERIODS = LINT_PERIODS_STREAM + 500 };
	struct lint_conf conf = { 0 };
	struct dec_msg_conf any = { 0 };
	struct scene s = { .lint = lint_new(&conf) };
	struct dec_msg_user user = lint_sink(s.lint);
	static const char *const opening[] = { "0 0> v2 0001 000e:0001 0001:4adc0001", STATUS, STREAM, STREAM_OK };
	const struct lint_report *r;
	char text[ROOM];

	s.msg = dec_msg_new(&any, &user);
	s.sink = dec_msg_sink(s.msg);
	for (size_t i = 0; i < sizeof(opening) / sizeof(opening[0]); i++) {
		snprintf(text, sizeof(text), "%s", opening[i]);
		text[strcspn(text, "\n")] = '\0';
		line(&s, text);
	}
	for (unsigned n = 0; n < PERIODS; n++) {
		snprintf(text, sizeof(text), "%u 0> v2 0201 000e:0001 000f:0001 0012:%04x 0014:%04xa1a2a3a4a5a6%04x 0014:%04xa1a2a3a4a5a6%04x", 2000 * n + 10, n, n, n, n + 1, n + 1);
		line(&s, text);
		snprintf(text, sizeof(text), "%u 0< v2 0202 000e:0001 000f:0001 0012:%04x 0015:%02x7002%04x", 2000 * n + 500, n, 0x80 | (n & 1), n);
		line(&s, text);
	}
	s.sink.end(s.sink.self, &s.conn[0]);
	dec_msg_free(s.msg);
	r = report(s.lint);
	ck_assert_uint_eq(r->nfindings, 1);
	ck_assert_str_eq(r->findings[0].rule->id, "ecm-late");
	ck_assert_uint_eq(r->findings[0].count, PERIODS);
	ck_assert_uint_eq(r->sessions[0]->streams[0].nperiods, LINT_PERIODS_STREAM);
	ck_assert_uint_eq(r->sessions[0]->streams[0].more_periods, PERIODS - LINT_PERIODS_STREAM);
	ck_assert_uint_eq(r->sessions[0]->latency[2].n, PERIODS);
	lint_free(s.lint);
}
END_TEST

SUITE("lint", tcase_add_loop_test(t, a_scene_breaks_just_its_rule, 0, SCENES); tcase_add_loop_test(t, an_ignored_rule_finds_nothing, 0, SCENES);
    tcase_add_test(t, every_rule_has_a_scene); tcase_add_test(t, silence_ends_with_a_reset); tcase_add_test(t, equal_findings_are_counted); tcase_add_test(t, periods_are_kept_with_their_times);
    tcase_add_loop_test(t, many_requests_at_once, 600, 601); tcase_add_loop_test(t, many_requests_at_once, 1500, 1501);
    tcase_add_loop_test(t, asked_twice, 0, 2); tcase_add_test(t, lists_end_and_counts_go_on))
