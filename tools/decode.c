/* tools/decode.c: simulgate-decode: SimulCrypt captures and live traffic as text */
#include <errno.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "lib/args.h"
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"
#include "tools/dec_net.h"
#include "tools/dec_out.h"

enum { FILES = 1024, SNAPLEN = 262144, PROGRESS = 1 << 17 };
struct decode {
	struct dec_out_conf out_conf;
	struct dec_msg_conf msg_conf;
	const char *interface;
	bool live, progress;
	/* of the capture that is being read */
	pcap_t *pcap;
	int link;
	struct dec_net *net;
	struct dec_tcp *tcp;
	struct dec_msg *msg;
	struct dec_out *out;
	struct dec_counts counts;
};
static volatile sig_atomic_t stop;

static void
on_signal(int n)
{
	stop = n;
}

/* ---- options ---- */

static int
number(const char *value, unsigned long most, unsigned long *out, struct gw_err *err)
{
	char *end;

	errno = 0;
	*out = strtoul(value, &end, 0);
	if (errno || *value < '0' || *value > '9' || *end || *out > most)
		return gw_fail(err, GW_EUSAGE, "%s is no number from 0 to %lu", value, most);
	return 0;
}

static int
take_mode(struct decode *d, enum dec_mode mode, struct gw_err *err)
{
	if (d->out_conf.mode != DEC_LINES && d->out_conf.mode != mode)
		return gw_fail(err, GW_EUSAGE, "one of --verbose, --json, --ladder and --summary");
	d->out_conf.mode = mode;
	return 0;
}

#define MODE(name, mode) static int name(void *self, const char *value, struct gw_err *err) { (void)value; return take_mode(self, mode, err); }
MODE(take_verbose, DEC_FIELDS)
MODE(take_json, DEC_JSON)
MODE(take_ladder, DEC_LADDER)
MODE(take_summary, DEC_SUMMARY)
#undef MODE

static int
take_as(void *self, const char *value, struct gw_err *err)
{
	static const struct { const char *name; const struct sim_iface *iface; } names[] = {
		{ "ecmg", &ecmg_scs }, { "mux", &emmg_mux }, { "emmg", &emmg_mux }, { "eis", &eis_scs }, { "psig", &psig_mux }, { "cpsig", &cpsig_psig },
		{ "playout", &playout },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, value) == 0) {
			((struct decode *)self)->msg_conf.as = names[i].iface;
			return 0;
		}
	return gw_fail(err, GW_EUSAGE, "%s is not known: ecmg, mux, eis, psig, cpsig or playout", value);
}

static int
take_port(void *self, const char *value, struct gw_err *err)
{
	struct decode *d = self;
	unsigned long n;

	if (number(value, 65535, &n, err) < 0)
		return -1;
	d->msg_conf.port = (uint16_t)n;
	d->msg_conf.forced = true;
	return 0;
}

static int
take_interface(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct decode *)self)->interface = value;
	return 0;
}

static int
take_secrets(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	(void)err;
	((struct decode *)self)->out_conf.secrets = true;
	return 0;
}

static int
take_errors(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	(void)err;
	((struct decode *)self)->out_conf.filter.errors = true;
	return 0;
}

static int
take_peer(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct decode *)self)->out_conf.filter.peer = value;
	return 0;
}

static int
take_message(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct decode *)self)->out_conf.filter.message = value;
	return 0;
}

static int
take_channel(void *self, const char *value, struct gw_err *err)
{
	unsigned long n;

	if (number(value, 65535, &n, err) < 0)
		return -1;
	((struct decode *)self)->out_conf.filter.channel = (int64_t)n;
	return 0;
}

static int
take_stream(void *self, const char *value, struct gw_err *err)
{
	unsigned long n;

	if (number(value, 65535, &n, err) < 0)
		return -1;
	((struct decode *)self)->out_conf.filter.stream = (int64_t)n;
	return 0;
}

static const struct gw_option options[] = {
	{ "verbose", NULL, "every field: name, value, unit, meaning and clause; or -v", take_verbose },
	{ "json", NULL, "an object a line", take_json },
	{ "ladder", NULL, "who said what to whom, and how long answers took", take_ladder },
	{ "summary", NULL, "only the counts at the end", take_summary },
	{ "secrets", NULL, "show control words and keys", take_secrets },
	{ "peer", "ADDR", "only sessions with this end: ADDRESS, ADDRESS:PORT or :PORT", take_peer },
	{ "channel", "N", "only messages of this channel", take_channel },
	{ "stream", "N", "only messages of this stream", take_stream },
	{ "message", "NAME", "only messages of this name, such as CW_provision", take_message },
	{ "errors", NULL, "only refusals, faulty messages and gaps", take_errors },
	{ "as", "NAME", "the interface, instead of finding out: ecmg, mux, eis, psig, cpsig or playout", take_as },
	{ "port", "N", "only connections with this port, which are SimulCrypt however they look", take_port },
	{ "interface", "IFACE", "live traffic of a network interface instead of files; or -i", take_interface },
};
static const struct gw_program program = {
	"simulgate-decode", "[-v | --json | --ladder] [FILE … | -i IFACE]", "Reads SimulCrypt captures: pcap or pcapng files, - for standard input.",
	options, sizeof(options) / sizeof(options[0]), 0, FILES,
};

/* ---- reading ---- */

static void
frame(struct decode *d, const struct pcap_pkthdr *h, const uint8_t *p)
{
	struct dec_segment s;
	int64_t at_ns = (int64_t)h->ts.tv_sec * 1000000000 + h->ts.tv_usec;	/* nanoseconds, by the precision asked for */
	enum dec_frame kind = dec_net_read(d->net, d->link, p, h->caplen, h->len, &s);

	if (d->counts.frames++ == 0)
		dec_out_begin(d->out, at_ns);
	d->counts.cut += s.cut > 0;
	dec_msg_now(d->msg, d->counts.frames, at_ns);
	switch (kind) {
	case DEC_TCP:
		d->counts.tcp++;
		dec_tcp_segment(d->tcp, &s, at_ns);
		break;
	case DEC_UDP:
		d->counts.udp++;
		if (!s.cut)
			dec_tcp_datagram(d->tcp, &s, at_ns);
		break;
	case DEC_FRAGMENT: d->counts.fragments++; break;
	case DEC_BROKEN: d->counts.broken++; break;
	case DEC_OTHER: d->counts.other++; break;
	}
	if (d->progress && d->counts.frames % PROGRESS == 0)
		fprintf(stderr, "\r%llu frames, %llu messages", (unsigned long long)d->counts.frames, (unsigned long long)dec_out_messages(d->out));
}

/* 0; 1: the capture breaks off. */
static int
read_all(struct decode *d, const char *name)
{
	struct pcap_pkthdr *h;
	const u_char *p;
	int rc = 0;

	while (!stop && (rc = pcap_next_ex(d->pcap, &h, &p)) >= 0) {
		if (rc == 1)
			frame(d, h, p);
		if (d->live)
			dec_out_flush(d->out);
	}
	if (d->progress && d->counts.frames >= PROGRESS)
		fprintf(stderr, "\r%60s\r", "");
	if (stop || rc == PCAP_ERROR_BREAK)
		return 0;
	fprintf(stderr, "simulgate-decode: %s: breaks off after %llu frames: %s\n", name, (unsigned long long)d->counts.frames, pcap_geterr(d->pcap));
	return 1;
}

static void
write_out(void *self, const char *p, size_t len)
{
	(void)self;
	if (fwrite(p, 1, len, stdout) != len)
		stop = SIGPIPE;
}

static void
forget(struct decode *d)
{
	dec_tcp_free(d->tcp);
	dec_msg_free(d->msg);
	dec_out_free(d->out);
	dec_net_free(d->net);
	d->tcp = NULL;
	d->msg = NULL;
	d->out = NULL;
	d->net = NULL;
	d->counts = (struct dec_counts){ 0 };
}

static int
engines(struct decode *d, struct gw_err *err)
{
	struct dec_msg_user user;
	struct dec_tcp_user sink;

	d->out = dec_out_new(&d->out_conf);
	user = dec_out_sink(d->out);
	d->msg = dec_msg_new(&d->msg_conf, &user);
	sink = dec_msg_sink(d->msg);
	d->tcp = dec_tcp_new(&sink);
	d->net = dec_net_new();
	if (!d->out || !d->msg || !d->tcp || !d->net)
		return gw_fail(err, GW_ESYS, "no memory");
	return 0;
}

static int
open_live(struct decode *d, struct gw_err *err)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	int rc;

	d->pcap = pcap_create(d->interface, why);
	if (!d->pcap)
		return gw_fail(err, GW_ESYS, "%s: %s", d->interface, why);
	pcap_set_snaplen(d->pcap, SNAPLEN);
	pcap_set_timeout(d->pcap, 100);
	pcap_set_promisc(d->pcap, 0);
	pcap_set_buffer_size(d->pcap, 16 << 20);
	pcap_set_tstamp_precision(d->pcap, PCAP_TSTAMP_PRECISION_NANO);
	if ((rc = pcap_activate(d->pcap)) < 0) {
		gw_fail(err, rc == PCAP_ERROR_NO_SUCH_DEVICE ? GW_EUNAVAIL : GW_ESYS, "%s: %s", d->interface, *pcap_geterr(d->pcap) ? pcap_geterr(d->pcap) : pcap_statustostr(rc));
		return -1;
	}
	if (pcap_get_tstamp_precision(d->pcap) != PCAP_TSTAMP_PRECISION_NANO)
		return gw_fail(err, GW_ESYS, "%s: no time stamps in nanoseconds", d->interface);
	return 0;
}

static int
open_file(struct decode *d, const char *name, struct gw_err *err)
{
	char why[PCAP_ERRBUF_SIZE] = "";

	d->pcap = pcap_open_offline_with_tstamp_precision(name, PCAP_TSTAMP_PRECISION_NANO, why);
	if (d->pcap)
		return 0;
	if (strcmp(name, "-") != 0 && strstr(why, name))
		return gw_fail(err, GW_ECONF, "%s", why);
	return gw_fail(err, GW_ECONF, "%s: %s", name, why);
}

/* The exit status. */
static int
decode(struct decode *d, const char *name)
{
	struct gw_err err = { 0 };
	int status;

	if ((d->live ? open_live(d, &err) : open_file(d, name, &err)) < 0) {
		status = gw_exit_status(err.code);
	} else if (d->link = pcap_datalink(d->pcap), !dec_net_knows(d->link)) {
		status = gw_exit_status(gw_fail(&err, GW_ECONF, "%s: its link layer %s (%d) is not known here", name, pcap_datalink_val_to_name(d->link), d->link) < 0 ? err.code : GW_OK);
	} else if (engines(d, &err) < 0) {
		status = gw_exit_status(err.code);
	} else {
		status = read_all(d, name);
		dec_tcp_flush(d->tcp);
		d->counts.evicted = dec_tcp_evicted(d->tcp);
		dec_out_summary(d->out, &d->counts);
		if (fflush(stdout) != 0)
			status = gw_exit_status(gw_fail(&err, GW_ESYS, "cannot write: %s", strerror(errno)) < 0 ? err.code : GW_OK);
	}
	if (err.code)
		fprintf(stderr, "simulgate-decode: %s\n", err.text);
	forget(d);
	if (d->pcap)
		pcap_close(d->pcap);
	d->pcap = NULL;
	return status;
}

static unsigned
width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize w;

	if (columns && atoi(columns) >= 20)
		return (unsigned)atoi(columns);
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= 20 ? w.ws_col : 80;
}

/* The letters of old: -v and -i. */
static void
spell_out(int argc, char **argv)
{
	static char verbose[] = "--verbose", interface[] = "--interface";

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "-v") == 0)
			argv[i] = verbose;
		else if (strcmp(argv[i], "-i") == 0)
			argv[i] = interface;
}

int
main(int argc, char **argv)
{
	struct decode d = { .out_conf = { .write = write_out, .filter = { .channel = -1, .stream = -1 } } };
	struct sigaction act = { .sa_handler = on_signal };	/* without SA_RESTART: a pipe that is silent must not hold us */
	struct gw_args args;
	int status, worst = 0;

	spell_out(argc, argv);
	status = gw_args(&program, &args, &d, argc, argv);
	if (status >= 0)
		return status;
	d.live = d.interface != NULL;
	if (d.live == (args.nrest > 0)) {
		fprintf(stderr, "simulgate-decode: files (- is standard input), or --interface; see --help\n");
		return gw_exit_status(GW_EUSAGE);
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (isatty(STDOUT_FILENO)) {
		const char *plain = getenv("NO_COLOR"), *term = getenv("TERM");

		d.out_conf.colour = !(plain && *plain) && !(term && strcmp(term, "dumb") == 0);
		d.out_conf.width = width();
	}
	d.progress = isatty(STDERR_FILENO) && (!isatty(STDOUT_FILENO) || d.out_conf.mode == DEC_SUMMARY) && !d.live;
	if (d.live)
		return decode(&d, d.interface);
	for (int i = 0; i < args.nrest && !stop; i++) {
		if (args.nrest > 1 && d.out_conf.mode != DEC_JSON)
			printf("%s== %s ==\n", i ? "\n" : "", args.rest[i]);
		fflush(stdout);
		status = decode(&d, args.rest[i]);
		worst = status > worst ? status : worst;
	}
	return worst;
}
