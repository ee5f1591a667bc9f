/* tests/unit/test_tools_cli.c: what the front command says */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/transform.h"
#include "tests/suite.h"

static char dir[] = "/tmp/gw-cli-XXXXXX", simulgate[512], out[65536];

/* A directory of our own, with a copy of the command in bin/ and nothing else to be found. */
static void
build(void)
{
	const char *top = getenv("top_builddir");
	char command[1024], *real = realpath(top ? top : ".", NULL);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(command, sizeof(command), "mkdir %s/bin && cp %s/tools/simulgate %s/bin/", dir, real, dir);
	ck_assert_int_eq(system(command), 0);
	free(real);
	ck_assert_int_eq(chdir(dir), 0);
	setenv("PATH", "/usr/bin:/bin", 1);
	unsetenv("SIMULGATE_LIBEXEC");
	snprintf(simulgate, sizeof(simulgate), "%s/bin/simulgate", dir);
}

static void
remove_all(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(system(command), 0);
}

/* Runs it; stdout and stderr are in out; the exit status. */
static int
run(const char *args)
{
	char command[1024];
	FILE *p;
	size_t n;
	int st;

	snprintf(command, sizeof(command), "%s %s 2>&1", simulgate, args);
	p = popen(command, "r");
	ck_assert_ptr_nonnull(p);
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = '\0';
	st = pclose(p);
	ck_assert(WIFEXITED(st));
	return WEXITSTATUS(st);
}

static const struct { const char *args; int status; const char *said; } rows[] = {
	{ "", 64, "simulgate: which command? see --help\n" },
	{ "--version", 0, "simulgate 0.1.0\n" },
	{ "frobnicate", 64, "simulgate: there is no command frobnicate; see --help\n" },
	{ "../../bin/sh", 64, "simulgate: there is no command ../../bin/sh; see --help\n" },
	{ "scs --help", 64, "simulgate: there is no command scs; see --help\n" },
	{ "run", 64, "simulgate run: which file? see --help\n" },
	{ "run a.yaml --seconds -1", 64, "simulgate run: --seconds: -1 is not a number of seconds; see --help\n" },
	{ "explain", 64, "simulgate explain: CODE|COUNTER [--interface NAME]: something is missing; see --help\n" },
	{ "explain 0x10000", 64, "simulgate explain: 0x10000 is neither a code, as 0x0013 or 19, nor a counter, as no_key\n" },
	{ "explain seven", 64, "simulgate explain: seven is neither a code, as 0x0013 or 19, nor a counter, as no_key\n" },
	{ "explain 5 --interface x", 64, "simulgate explain: --interface: x is not known: ecmg, mux, bcast, eis, psig, cpsig or playout; see --help\n" },
	{ "explain 0x6fff", 0,
	    "0x6fff on every interface: reserved by DVB\n"
	    "  meaning: the number has no meaning on this interface in any edition of the standard that is known here\n"
	    "  next:    look the number up in the peer's manual; check that the peer speaks this interface: the same number means different things on each\n" },
	{ "explain 5 --interface ecmg", 0,
	    "0x0005 on ecmg: unknown Super_CAS_id value\n"
	    "  meaning: the ECMG does not serve this Super_CAS_id\n"
	    "  next:    compare super_cas_id of the KMS in the configuration with the ECMG's; check that the address is that KMS's\n" },
	{ "explain 5 --interface mux", 0,
	    "0x0005 on mux: unknown data_stream_id value\n"
	    "  meaning: the stream is not open on this channel\n"
	    "  next:    the EMMG sets it up again by itself; if it repeats, two EMMGs may be using one connection's identifiers\n" },
	{ "explain 0x0015 --interface mux", 0,
	    "0x0015 on mux: reserved by DVB\n"
	    "  meaning: the number has no meaning on this interface in any edition of the standard that is known here\n"
	    "  next:    look the number up in the peer's manual; check that the peer speaks this interface: the same number means different things on each\n" },
	{ "explain 0x9abc --interface ecmg", 0,
	    "0x9abc on ecmg: user defined\n"
	    "  meaning: the number is the peer's vendor's own\n"
	    "  next:    look it up in the vendor's manual; error_information may say more\n" },
	{ "explain 8 --interface eis", 0,
	    "0x0008 on eis: unknown EIS_channel_ID value\n"
	    "  meaning: the message names another channel than the one open on this connection, or none is open\n"
	    "  next:    usually a peer that lost its state: let the EIS reconnect and send its SCGs again\n" },
	{ "explain 0x12 --interface psig", 0,
	    "0x0012 on psig: stream already open for this transport_stream_ID and packet_ID\n"
	    "  meaning: another stream feeds the same PID\n"
	    "  next:    stop the other generator, or give the stream its own PID\n" },
	{ "explain 0x7000 --interface cpsig", 0,
	    "0x7000 on cpsig: unknown error\n"
	    "  meaning: the peer failed for a reason it does not say\n"
	    "  next:    look at the peer's log and at error_information\n" },
	{ "check-config gone.yaml", 78, "gone.yaml: No such file or directory\n" },
	{ "check-config", 64, "simulgate check-config: which file? see --help\n" },
	{ "status --config gone.yaml", 78, "gone.yaml: No such file or directory\n" },
	{ "sdp", 64, "simulgate sdp: which file? see --help\n" },
	{ "sdp gone.yaml", 64, "simulgate sdp: which --service? see --help\n" },
	{ "sdp gone.yaml --service news", 78, "gone.yaml: No such file or directory\n" },
};
enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

START_TEST(words_and_statuses)
{
	build();
	ck_assert_int_eq(run(rows[_i].args), rows[_i].status);
	ck_assert_str_eq(out, rows[_i].said);
	remove_all();
}
END_TEST

/* What scramblers and terminals have in their /status. */
START_TEST(counters_are_explained)
{
	static const char *const more[] = { "send_error", "overload", "kernel", "lost", "undecryptable", "unknown_key", "bad_tag", "waiting",
		"repeated", "reordered", "rtcp_bad" };
	const char *names[GW_XF_VERDICTS + sizeof(more) / sizeof(more[0])];
	size_t n = 0;
	char command[64], head[64];

	for (int v = GW_XF_HELD + 1; v < GW_XF_VERDICTS; v++)
		names[n++] = gw_verdict_name(v);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		names[n++] = more[i];
	build();
	for (size_t i = 0; i < n; i++) {
		snprintf(command, sizeof(command), "explain %s", names[i]);
		ck_assert_msg(run(command) == 0, "%s: %s", names[i], out);
		snprintf(head, sizeof(head), "%s, counted by the ", names[i]);
		ck_assert_int_eq(strncmp(out, head, strlen(head)), 0);
		ck_assert_ptr_nonnull(strstr(out, "\n  meaning: "));
		ck_assert_ptr_nonnull(strstr(out, "\n  next:    "));
	}
	ck_assert_int_eq(run("explain no_key --interface mux"), 64);
	remove_all();
}
END_TEST

START_TEST(codes_of_bcast_by_both_numbers)
{
	char first[4096];

	build();
	ck_assert_int_eq(run("explain 0x8007"), 0);
	ck_assert_int_eq(strncmp(out, "0x8007 on bcast: ", 17), 0);
	snprintf(first, sizeof(first), "%.4000s", out);
	ck_assert_int_eq(run("explain 7 --interface=bcast"), 0);
	ck_assert_str_eq(out, first);
	ck_assert_int_eq(run("explain 0x8007 --interface mux"), 0);
	ck_assert_int_eq(strncmp(out, "0x8007 on mux: BCAST: ", 22), 0);
	ck_assert_int_eq(run("explain 2"), 0);	/* all know it */
	ck_assert_ptr_nonnull(strstr(out, "0x0002 on ecmg: "));
	ck_assert_ptr_nonnull(strstr(out, "\n\n0x0002 on mux: "));
	ck_assert_ptr_nonnull(strstr(out, "\n\n0x0002 on eis: "));
	ck_assert_ptr_nonnull(strstr(out, "\n\n0x0002 on playout: "));
	remove_all();
}
END_TEST

START_TEST(help_lists_what_is_there)
{
	build();
	ck_assert_int_eq(run("--help"), 0);
	ck_assert_ptr_nonnull(strstr(out, "\n  run           start and watch all processes of one machine\n"));
	ck_assert_ptr_null(strstr(out, "  mux "));
	put_file("bin/simulgate-mux", "#!/bin/sh\necho mux \"$@\"\nexit 5\n", 0755);
	ck_assert_int_eq(run("help"), 0);
	ck_assert_ptr_nonnull(strstr(out, "\n  mux           "));
	ck_assert_int_eq(run("mux a 'b c'"), 5);
	ck_assert_str_eq(out, "mux a b c\n");
	remove_all();
}
END_TEST

START_TEST(programs_are_found_in_a_build_tree_and_on_the_path)
{
	build();
	ck_assert_int_eq(system("mkdir -p tree/scs tree/tools path sbin"), 0);
	put_file("tree/scs/simulgate-scs", "#!/bin/sh\necho tree\n", 0755);
	put_file("tree/tools/simulgate-load", "#!/bin/sh\necho tool\n", 0755);
	put_file("path/simulgate-scs", "#!/bin/sh\necho path\n", 0755);
	setenv("PATH", "/nowhere:path:/usr/bin:/bin", 1);
	ck_assert_int_eq(run("scs"), 0);
	ck_assert_str_eq(out, "path\n");
	setenv("SIMULGATE_LIBEXEC", "tree", 1);
	ck_assert_int_eq(run("scs"), 0);
	ck_assert_str_eq(out, "tree\n");
	ck_assert_int_eq(run("load"), 0);
	ck_assert_str_eq(out, "tool\n");
	put_file("sbin/simulgate-scs", "#!/bin/sh\necho sbin\n", 0755);
	ck_assert_int_eq(run("scs"), 0);
	ck_assert_str_eq(out, "sbin\n");
	put_file("bin/simulgate-scs", "#!/bin/sh\necho beside\n", 0755);
	ck_assert_int_eq(run("scs"), 0);
	ck_assert_str_eq(out, "beside\n");
	remove_all();
}
END_TEST

static const char good[] =
    "head_end: lab\nplayout: unix:run\n"
    "kms: { k: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:PORT, plugin: drm } }\n"
    "services: [{ id: a, scrambling: none, stkm: [{ kms: k, ecm_id: 1 }] }]\n";

static void
put_good(unsigned port)
{
	char text[1024], *p;

	memcpy(text, good, sizeof(good));
	p = strstr(text, "PORT");
	snprintf(p, sizeof(text) - (size_t)(p - text), "%u%s", port, strstr(good, "PORT") + 4);
	put_file("he.yaml", text, 0644);
}

START_TEST(every_program_checks_its_part)
{
	build();
	put_good(7001);
	ck_assert_int_eq(run("check-config he.yaml"), 0);
	ck_assert_ptr_nonnull(strstr(out, "he.yaml: simulgate-ecmg is not installed: its part was not looked at\n"));
	put_file("bin/simulgate-ecmg", "#!/bin/sh\necho \"$@\" >&2\necho the configuration\n", 0755);
	put_file("bin/simulgate-scs", "#!/bin/sh\necho \"$@\" >&2\n", 0755);
	put_file("bin/simulgate-mux", "#!/bin/sh\n", 0755);
	put_file("bin/simulgate-scrambler", "#!/bin/sh\n", 0755);
	ck_assert_int_eq(run("check-config he.yaml"), 0);
	ck_assert_str_eq(out, "--config he.yaml --check-config --kms k\n--config he.yaml --check-config\n"
	    "he.yaml: valid; head-end lab, KMSs: 1, services: 1, ECM streams: 1, terminals: 0\n");
	put_file("bin/simulgate-mux", "#!/bin/sh\necho bad part >&2\nexit 78\n", 0755);
	ck_assert_int_eq(run("check-config --config he.yaml"), 78);
	ck_assert_ptr_nonnull(strstr(out, "bad part\n"));
	ck_assert_ptr_null(strstr(out, "valid"));
	put_file("bad.yaml", "head_ent: a\nservices: 3\n", 0644);
	ck_assert_int_eq(run("check-config bad.yaml"), 78);
	ck_assert_str_eq(out, "bad.yaml:1:1: unknown key head_ent; did you mean head_end?\nbad.yaml:2:11: services: a list is wanted here\n");
	remove_all();
}
END_TEST

/* A socket on a port of its own, on loopback. */
static int
bound(int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

/* A peer for one connection: takes `want` octets, says that, waits for the other's end; `then` octets must have come until then. */
static pid_t
peer(int fd, size_t want, const char *says, size_t then)
{
	uint8_t in[256], out_[256];
	size_t len = unhex(says, out_, sizeof(out_)), have = 0;
	pid_t pid;
	ssize_t n = 1;

	ck_assert_int_eq(listen(fd, 5), 0);
	pid = fork();
	if (pid == 0) {
		int c = accept(fd, NULL, NULL);

		while (have < want && (n = read(c, in + have, want - have)) > 0)
			have += (size_t)n;
		if (write(c, out_, len) != (ssize_t)len)
			_exit(2);
		if (len)
			while ((n = read(c, in, sizeof(in))) > 0)
				have += (size_t)n;
		_exit(have == want + then && n >= 0 ? 0 : 1);
	}
	return pid;
}

#define ECMG_STATUS "05 0003 0039 000e 0002 ffff  0002 0001 02  0003 0002 ff38  0004 0002 0000  0007 0002 0064  0008 0002 0000  0009 0002 000a " \
	"000a 0001 00  000b 0001 01  000c 0002 01f4"
static const struct { const char *says; size_t then; int status; const char *said; } ecmgs[] = {
	{ ECMG_STATUS, 11, 0, "kms k at tcp://127.0.0.1:PORT, TIME ms: open, version 5: channel_status ECM_channel_id=65535 section_TSpkt_flag=2 " },
	/* something else first, and a test in between, that is none of our business */
	{ "05 0701 0000  05 0002 0006 000e 0002 ffff " ECMG_STATUS, 11, 0, "open, version 5: channel_status " },
	{ "05 0005 000c 000e 0002 ffff 7000 0002 0005", 0, 69,
	    "refuses: 0x0005 unknown Super_CAS_id value: the ECMG does not serve this Super_CAS_id; next: compare super_cas_id of the KMS" },
	{ "05 0005 000c 000e 0002 ffff 7000 0002 9999", 0, 69, "refuses: 0x9999 user defined: the number is the peer's vendor's own; next: " },
	{ "03 0005 000c 000e 0002 ffff 7000 0002 0002", 0, 69, "(version 3: channel_error ECM_channel_id=65535 error_status=0x0002)" },
	{ "05 0005 000c 000e 0002 ffff 7000 0002 0013", 0, 0, "answers; the channel is somebody's already, as is right while the head-end runs: 0x0013 " },
	{ "05 0003 0001 00", 0, 69, "answers what is no message of ECMG<=>SCS: malformed message, version 5, message 0x0003" },
	{ "15 0003 0000", 0, 69, "answers what is no message of ECMG<=>SCS: unsupported protocol version, version 21, " },
	{ "", 0, 69, "connected, but the peer closes without an answer\n" },
};
enum { NECMGS = sizeof(ecmgs) / sizeof(ecmgs[0]) };

/* The one line that it said of a peer, its port and time replaced. */
static const char *
line_of(const char *who, unsigned port)
{
	static char line[1024];
	char want[64], *begin_ = strstr(out, who), *rest, *p;

	ck_assert_msg(begin_ != NULL, "%s", out);
	ck_assert_ptr_null(strstr(begin_ + 1, who));
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(begin_, "\n") + 1, begin_);
	snprintf(want, sizeof(want), ":%u, ", port);
	p = strstr(line, want);
	ck_assert_msg(p != NULL, "%s", line);
	rest = strstr(begin_ + (p - line), " ms: ");
	snprintf(p, sizeof(line) - (size_t)(p - line), ":PORT, TIME%.*s", (int)strcspn(rest, "\n") + 1, rest);
	return line;
}

START_TEST(ecmgs_are_probed)
{
	int fd = bound(SOCK_STREAM), st;
	const char *line;
	pid_t pid;

	build();
	put_good(port_of(fd));
	pid = peer(fd, 19, ecmgs[_i].says, ecmgs[_i].then);
	ck_assert_int_eq(run("check-config he.yaml --probe"), ecmgs[_i].status);
	line = line_of("kms k", port_of(fd));
	ck_assert_msg(strstr(line, ecmgs[_i].said) != NULL, "%s", line);
	waitpid(pid, &st, 0);
	ck_assert_int_eq(st, 0);
	close(fd);
	remove_all();
}
END_TEST

START_TEST(a_port_that_nobody_has)
{
	int fd = bound(SOCK_STREAM);

	build();
	put_good(port_of(fd));
	ck_assert_int_eq(run("check-config he.yaml --probe"), 69);	/* bound, but nobody listens */
	ck_assert_str_eq(line_of("kms k", port_of(fd)), "kms k at tcp://127.0.0.1:PORT, TIME ms: not reachable: Connection refused\n");
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(run("check-config he.yaml --probe"), 69);	/* the kernel accepts, nobody answers */
	ck_assert_ptr_nonnull(strstr(out, "connected, but no answer to channel_setup: Connection timed out\n"));
	close(fd);
	remove_all();
}
END_TEST

static void
put_mux(unsigned tcp, unsigned udp, const char *ltkm)
{
	char text[1024];

	snprintf(text, sizeof(text), "head_end: lab\nplayout: unix:run\nmux: { emmg: tcp://127.0.0.1:%u, emmg_udp: udp://127.0.0.1:%u }\n%s", tcp, udp, ltkm);
	put_file("he.yaml", text, 0644);
}

START_TEST(the_mux_is_probed_both_ways)
{
	int tcp = bound(SOCK_STREAM), udp = bound(SOCK_DGRAM), nobody = bound(SOCK_DGRAM), st;
	const unsigned closed = port_of(nobody);
	uint8_t in[64], want[64];
	pid_t pid;

	build();
	close(nobody);
	put_mux(port_of(tcp), port_of(udp), "kms: { k: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:1 } }\n"
	    "ltkm:\n  - { kms: k, data_id: 1, udp: true, out: udp://239.255.0.1:1 }\n  - { kms: k, data_id: 2, out: udp://239.255.0.1:2 }\n");
	pid = peer(tcp, 24, "05 0013 0013 0001 0004 00010001  0003 0002 ffff  0002 0001 02", 19);
	ck_assert_int_eq(run("check-config he.yaml --probe"), 69);	/* for the ECMG's sake */
	ck_assert_str_eq(line_of("mux, client", port_of(tcp)), "mux, client_id 0x00010001, at tcp://127.0.0.1:PORT, TIME ms: open, version 5: "
	    "channel_status client_id=0x00010001 data_channel_id=65535 section_TSpkt_flag=2\n");
	waitpid(pid, &st, 0);
	ck_assert_int_eq(st, 0);
	ck_assert_int_eq(recv(udp, in, sizeof(in), MSG_DONTWAIT), (ssize_t)unhex("03 0211 0012 0001 0004 00000000 0008 0002 0000 0005 0000", want, 64));
	ck_assert_mem_eq(in, want, 23);
	put_mux(port_of(tcp), port_of(udp), "");	/* no stream: there is no client to be */
	ck_assert_int_eq(run("check-config he.yaml --probe"), 0);
	ck_assert_str_eq(line_of("mux at", port_of(tcp)), "mux at tcp://127.0.0.1:PORT, TIME ms: reachable\n");
	ck_assert_str_eq(line_of("mux, data", port_of(udp)), "mux, data by UDP, at udp://127.0.0.1:PORT, TIME ms: a datagram was not refused; there is never an answer\n");
	put_mux(port_of(tcp), closed, "");
	ck_assert_int_eq(run("check-config he.yaml --probe"), 69);
	ck_assert_str_eq(line_of("mux, data", closed), "mux, data by UDP, at udp://127.0.0.1:PORT, TIME ms: nobody has the port: Connection refused\n");
	close(tcp);
	close(udp);
	remove_all();
}
END_TEST

/* Serves one answer on each of n connections, in a process of its own. */
static pid_t
serve(const char *path, const char *answer, int n)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	pid = fork();
	for (int i = 0; pid == 0 && i < n; i++) {
		char ask[1024];
		int c = accept(fd, NULL, NULL);

		if (read(c, ask, sizeof(ask)) > 0)
			dprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(answer), answer);
		close(c);
	}
	if (pid == 0)
		_exit(0);
	close(fd);
	return pid;
}

START_TEST(status_is_a_table_or_json)
{
	json_t *j;

	build();
	put_good(7001);
	ck_assert_int_eq(run("status --config he.yaml"), 69);
	ck_assert_ptr_nonnull(strstr(out, "nothing runs"));
	ck_assert_int_eq(mkdir("run", 0755), 0);
	ck_assert_int_eq(run("status --config he.yaml"), 69);
	ck_assert_ptr_nonnull(strstr(out, "no process listens there"));
	serve("run/ecmg-k.status.sock", "{\"program\":\"ecmg\",\"instance\":\"k\",\"version\":\"0.1.0\",\"pid\":7,\"up_seconds\":3725.5,"
	    "\"channels\":2,\"kms\":\"k\",\"open\":true,\"rate\":0.25,\"streams\":[1,2,3],"
	    "\"services\":[{\"service\":\"news\",\"cp\":3,\"dropped\":{\"no_key\":3,\"malformed\":0,\"overload\":17},\"rtcp\":{\"bad\":0},\"of\":[{\"kms\":\"drm\",\"up\":false}]}]}", 3);
	ck_assert_int_eq(run("status --config he.yaml"), 0);
	ck_assert_str_eq(out,
	    "PROGRAM     INSTANCE         UP       FACTS\n"
	    "ecmg        k                1h02m    channels=2 kms=k open=yes rate=0.25 streams:3\n"
	    "    services: service=news cp=3 dropped=no_key:3,overload:17\n"
	    "        of: kms=drm up=no\n");
	serve("run/mux.status.sock", "no JSON", 2);
	ck_assert_int_eq(run("status --config he.yaml"), 69);
	ck_assert_ptr_nonnull(strstr(out, "mux                          -        error=what it says is no JSON object\n"));
	ck_assert_int_eq(run("status --json --config he.yaml"), 69);
	j = json_loads(out, 0, NULL);
	ck_assert_ptr_nonnull(j);
	ck_assert_uint_eq(json_array_size(j), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(j, 0), "channels")), 2);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(j, 1), "program")), "mux");
	json_decref(j);
	while (wait(NULL) > 0)
		;
	remove_all();
}
END_TEST

SUITE("tools_cli", tcase_add_loop_test(t, words_and_statuses, 0, NROWS); tcase_add_test(t, counters_are_explained);
      tcase_add_test(t, codes_of_bcast_by_both_numbers);
      tcase_add_test(t, help_lists_what_is_there); tcase_add_test(t, programs_are_found_in_a_build_tree_and_on_the_path);
      tcase_add_test(t, every_program_checks_its_part); tcase_add_loop_test(t, ecmgs_are_probed, 0, NECMGS);
      tcase_add_test(t, a_port_that_nobody_has); tcase_add_test(t, the_mux_is_probed_both_ways); tcase_add_test(t, status_is_a_table_or_json))
