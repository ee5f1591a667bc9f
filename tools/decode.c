/* tools/decode.c: simulgate-decode: SimulCrypt captures and live traffic as text */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/args.h"
#include "tools/dec_args.h"
#include "tools/dec_out.h"
#include "tools/term.h"

enum { FILES = 1024, PROGRESS = 1 << 17 };
static void write_out(void *self, const char *p, size_t len);
static struct decode {
	struct dec_out_conf out_conf;
	struct dec_msg_conf msg_conf;
	const char *interface;
	bool live, air, progress;
} app = { .out_conf = { .write = write_out, .filter = { .channel = -1, .stream = -1 } } };
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
	return dec_take_iface(value, &((struct decode *)self)->msg_conf.as, err);
}

static int
take_port(void *self, const char *value, struct gw_err *err)
{
	return dec_take_port(value, &((struct decode *)self)->msg_conf, err);
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
take_air(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	(void)err;
	((struct decode *)self)->air = true;
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
	{ "air", NULL, "STKMs, LTKMs and BCROs in other UDP datagrams, too, as on the way to receivers", take_air },
	{ "interface", "IFACE", "live traffic of a network interface instead of files; or -i", take_interface },
};
static const struct gw_program program = {
	"simulgate-decode", "[-v | --json | --ladder] [FILE … | -i IFACE]", "Reads SimulCrypt captures: pcap or pcapng files, - for standard input.",
	options, sizeof(options) / sizeof(options[0]), 0, FILES,
};

/* ---- reading ---- */

static void
on_first(void *self, int64_t at_ns)
{
	dec_out_begin(self, at_ns);
}

static void
on_frame(void *self, const struct dec_counts *counts)
{
	if (app.live)
		dec_out_flush(self);
	else if (app.progress && counts->frames % PROGRESS == 0)
		fprintf(stderr, "\r%llu frames, %llu messages", (unsigned long long)counts->frames, (unsigned long long)dec_out_messages(self));
}

static void
write_out(void *self, const char *p, size_t len)
{
	(void)self;
	if (fwrite(p, 1, len, stdout) != len)
		stop = SIGPIPE;
}

/* The exit status. */
static int
decode(const char *name)
{
	struct dec_out *out = dec_out_new(&app.out_conf);
	struct dec_read read = { .msg = app.msg_conf, .live = app.live, .stop = &stop, .first = on_first, .frame = on_frame,
		.datagram = app.air ? dec_out_air : NULL };
	struct gw_err err = { 0 };
	int rc = -1, status;

	if (out) {
		read.user = dec_out_sink(out);
		rc = dec_read(&read, name, &err);
	} else {
		gw_fail(&err, GW_ESYS, "no memory");
	}
	if (app.progress && read.counts.frames >= PROGRESS)
		fprintf(stderr, "\r%60s\r", "");
	if (err.code)
		fprintf(stderr, "simulgate-decode: %s\n", err.text);
	status = rc < 0 ? gw_exit_status(err.code) : rc;
	if (rc >= 0) {
		dec_out_summary(out, &read.counts);
		if (fflush(stdout) != 0) {
			fprintf(stderr, "simulgate-decode: cannot write: %s\n", strerror(errno));
			status = gw_exit_status(GW_ESYS);
		}
	}
	dec_out_free(out);
	return status;
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
	struct sigaction act = { .sa_handler = on_signal };	/* without SA_RESTART: a pipe that is silent must not hold us */
	struct gw_args args;
	int status, worst = 0;

	spell_out(argc, argv);
	status = gw_args(&program, &args, &app, argc, argv);
	if (status >= 0)
		return status;
	app.live = app.interface != NULL;
	if (app.live == (args.nrest > 0)) {
		fprintf(stderr, "simulgate-decode: files (- is standard input), or --interface; see --help\n");
		return gw_exit_status(GW_EUSAGE);
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	app.out_conf.colour = term_colour();
	app.out_conf.width = term_width();
	app.progress = isatty(STDERR_FILENO) && (!isatty(STDOUT_FILENO) || app.out_conf.mode == DEC_SUMMARY) && !app.live;
	if (app.live)
		return decode(app.interface);
	for (int i = 0; i < args.nrest && !stop; i++) {
		if (args.nrest > 1 && app.out_conf.mode != DEC_JSON)
			printf("%s== %s ==\n", i ? "\n" : "", args.rest[i]);
		fflush(stdout);
		status = decode(args.rest[i]);
		worst = status > worst ? status : worst;
	}
	return worst;
}
