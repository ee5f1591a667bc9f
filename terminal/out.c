/* terminal/out.c: what becomes of clear packets: to a player by UDP, into a file, to stdout */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/udp.h"
#include "terminal/terminal.h"

enum { FILE_BUFFER = 1 << 16, SLOT = (GW_XF_HEAD + GW_UDP_MTU + GW_XF_TAIL + 63) / 64 * 64 };

static uint8_t octets[ES_ROOM(GW_UDP_MTU)];

/* ---- opening ---- */

/* Further media go to further ports, as RTP sessions have them: each second one. */
static int
open_udp(struct term_out *o, const struct gw_addr *conf, size_t offset, struct gw_err *err)
{
	struct gw_addr to = *conf;

	if (!to.scheme)
		return 0;
	term_port(&to, (uint16_t)(to.port + 2 * offset));
	return (o->fd = gw_udp_sender(&to, err)) < 0 ? -1 : 0;
}

static int
open_file(struct term_out *o, const char *path, const char *suffix, struct gw_err *err)
{
	size_t n;

	if (!path)
		return 0;
	n = strlen(path) + (suffix ? strlen(suffix) + 1 : 0) + 1;
	if (!(o->path = malloc(n)) || !(o->es = malloc(sizeof(*o->es))))
		return gw_fail(err, GW_ESYS, "no memory");
	snprintf(o->path, n, "%s%s%s", path, suffix ? "." : "", suffix ? suffix : "");
	if (strcmp(path, "-") == 0)
		o->file = stdout;
	else if (!(o->file = fopen(o->path, "we")))
		return gw_fail(err, GW_EUNAVAIL, "%s: %s", o->path, strerror(errno));
	setvbuf(o->file, NULL, _IOFBF, FILE_BUFFER);
	return 0;
}

int
term_out_open(struct term_out *o, const struct term_out_conf *conf, struct gw_err *err)
{
	o->fd = -1;
	if (open_udp(o, &conf->to, conf->offset, err) < 0 || open_file(o, conf->file, conf->suffix, err) < 0)
		return -1;
	if (o->es && es_init(o->es, conf->type, es_config(conf->fmtp)) < 0)
		return gw_fail(err, GW_ECONF, "a file of AAC needs the encoder's config= in the fmtp of the medium");
	return 0;
}

/* ---- sending ---- */

/* A reader that is gone, a full disk: said once, then nothing is written any more. */
static void
write_failed(struct term_out *o)
{
	gw_log(errno == EPIPE ? GW_NOTICE : GW_ERR, "file_not_written", strerror(errno), "file=%s", o->path);
	if (o->file != stdout)
		fclose(o->file);
	o->file = NULL;
}

/* A player that reads the file while it grows shall not lag behind. */
void
term_out_second(struct term_out *o)
{
	if (o->file && fflush(o->file) != 0)
		write_failed(o);
}

static void
write_file(struct term_out *o, const struct gw_packet *pk, size_t n)
{
	for (size_t i = 0; i < n && o->file; i++) {
		size_t len = es_take(o->es, pk[i].p, pk[i].len, octets);
		if (len && fwrite(octets, 1, len, o->file) < len)
			write_failed(o);
	}
	if (o->file == stdout)
		term_out_second(o);
}

static void
send_all(struct term_out *o, const struct gw_packet *pk, size_t n)
{
	if (o->fd >= 0)
		(void)gw_udp_send(o->fd, pk, n);	/* a player that is not there is no fault of ours */
	if (o->file)
		write_file(o, pk, n);
}

/* ---- clear packets of one medium: those opened where they lay, and what a protection made of others, in one order ---- */

static _Alignas(64) uint8_t room[GW_UDP_BATCH][SLOT];
static struct { struct term_out *out; struct gw_pk pk[GW_UDP_BATCH]; size_t n; } queue;

void
term_out_flush(void)
{
	struct gw_packet pk[GW_UDP_BATCH];
	size_t n = 0;

	for (size_t i = 0; i < queue.n; i++)
		if (queue.pk[i].len)	/* else a slot that was not used */
			pk[n++] = (struct gw_packet){ queue.pk[i].p, queue.pk[i].len };
	queue.n = 0;
	if (n)
		send_all(queue.out, pk, n);
}

static struct gw_pk *
next(struct term_out *o)
{
	if (queue.n == GW_UDP_BATCH || queue.out != o)
		term_out_flush();
	queue.out = o;
	return &queue.pk[queue.n++];
}

void
term_out_add(struct term_out *o, const struct gw_pk *pk)
{
	*next(o) = *pk;
}

static struct gw_pk *
slot(void *self)
{
	struct gw_pk *pk = next(self);

	*pk = (struct gw_pk){ room[pk - queue.pk] + GW_XF_HEAD, 0 };
	return pk;
}

struct gw_sink *
term_out_sink(struct term_out *o)
{
	static struct gw_sink sink = { .slot = slot };

	sink.self = o;
	return &sink;
}

void
term_out_close(struct term_out *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	term_out_second(o);
	if (o->file && o->file != stdout)
		fclose(o->file);
	o->file = NULL;
	free(o->path);
	free(o->es);
	o->path = NULL;
	o->es = NULL;
}
