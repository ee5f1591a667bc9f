/*
 * tests/integration/ismacryp_run.c: our ISMACryp sender and receiver on packets of somebody else's, with key changes during the run.
 *
 * ismacryp_run h264|aac PORT KEYS PERIOD DIR [authenticated]: takes RTP (payload type 98 or 99) at 127.0.0.1:PORT until a second of silence. KEYS has a
 * line "INDICATOR TEK SALT TAK" (hexadecimal) for each crypto-period; a period is PERIOD packets. Writes DIR/air.pcap, as it would go out, and
 * DIR/clear, what a receiver made of that: each packet behind its length, 2 octets.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/secret.h"
#include "lib/transform.h"

enum { MTU = 1400, ROOM = 2048, SLOTS = 4096, KEYS = 64, OUT_PORT = 5004 };

static struct {
	const struct gw_transform *xf;
	struct gw_tx *tx;
	struct gw_tx_medium *medium;
	struct gw_rx *rx;
	struct gw_burst *burst;
	struct gw_sink air, heard;
	struct gw_xkey *key[KEYS]; size_t nkeys;
	struct { uint8_t id, tek[16], salt[8], tak[20]; } raw[KEYS];
	FILE *pcap, *clear;
	unsigned long period, in, out, held, bad, keys_used;
} r;

struct room { struct gw_pk pk[SLOTS]; size_t n; uint8_t (*memory)[GW_XF_HEAD + ROOM + GW_XF_TAIL]; };
static struct room rooms[2];

static void
die(const char *what)
{
	fprintf(stderr, "ismacryp_run: %s\n", what);
	exit(1);
}

static struct gw_pk *
slot(void *self)
{
	struct room *m = self;

	if (m->n == SLOTS)
		return NULL;
	m->pk[m->n].p = m->memory[m->n] + GW_XF_HEAD;
	return &m->pk[m->n++];
}

static void
unhex(const char *hex, uint8_t *out, size_t len)
{
	unsigned v;

	if (strlen(hex) != 2 * len)
		die("bad key file");
	for (size_t i = 0; i < len; i++) {
		if (sscanf(hex + 2 * i, "%2x", &v) != 1)
			die("bad key file");
		out[i] = (uint8_t)v;
	}
}

static struct gw_material
material(size_t i, bool authenticated)
{
	return (struct gw_material){ .id = { r.raw[i].id }, .id_len = 1, .tek = r.raw[i].tek, .salt = r.raw[i].salt, .tak = r.raw[i].tak,
		.authenticated = authenticated };
}

static void
read_keys(const char *name)
{
	char id[8], tek[64], salt[64], tak[64];
	FILE *f = fopen(name, "r");

	if (!f)
		die("no key file");
	for (; r.nkeys < KEYS && fscanf(f, "%7s %63s %63s %63s", id, tek, salt, tak) == 4; r.nkeys++) {
		unhex(id, &r.raw[r.nkeys].id, 1);
		unhex(tek, r.raw[r.nkeys].tek, 16);
		unhex(salt, r.raw[r.nkeys].salt, 8);
		unhex(tak, r.raw[r.nkeys].tak, 20);
	}
	fclose(f);
}

/* Raw IPv4 packets. */
static void
pcap_begin(void)
{
	const struct { uint32_t magic; uint16_t major, minor; uint32_t zone, accuracy, snap, link; } head = { 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101 };

	fwrite(&head, sizeof(head), 1, r.pcap);
}

static void
pcap_put(const struct gw_pk *pk)
{
	uint16_t ip = (uint16_t)(28 + pk->len), udp = (uint16_t)(8 + pk->len);
	uint32_t head[] = { (uint32_t)(r.out / 1000), (uint32_t)(r.out % 1000) * 1000, ip, ip };
	uint8_t h[28] = { 0x45, 0, (uint8_t)(ip >> 8), (uint8_t)ip, 0, 0, 0, 0, 1, 17, 0, 0, 127, 0, 0, 1, 239, 255, 1, 1,
		OUT_PORT >> 8, OUT_PORT & 255, OUT_PORT >> 8, OUT_PORT & 255, (uint8_t)(udp >> 8), (uint8_t)udp };

	fwrite(head, sizeof(head), 1, r.pcap);
	fwrite(h, sizeof(h), 1, r.pcap);
	fwrite(pk->p, 1, pk->len, r.pcap);
}

static void
keep_clear(const struct gw_pk *pk)
{
	fputc((int)(pk->len >> 8), r.clear);
	fputc((int)(pk->len & 255), r.clear);
	fwrite(pk->p, 1, pk->len, r.clear);
}

static void
send_and_hear(struct gw_pk *pk)
{
	struct gw_rx_got got;
	int v;

	r.out++;
	pcap_put(pk);
	rooms[1].n = 0;
	v = r.xf->unprotect(r.rx, pk, &got, &r.heard);
	if (v == GW_XF_OK)
		keep_clear(pk);
	else if (v != GW_XF_HELD)
		fprintf(stderr, "receiver: %s\n", gw_verdict_name(v));
	r.bad += v > GW_XF_HELD;
	for (size_t i = 0; i < rooms[1].n; i++)
		keep_clear(&rooms[1].pk[i]);
}

static void
packet(uint8_t *p, size_t len, bool authenticated)
{
	struct gw_pk pk = { p, len };
	struct gw_material m;
	struct gw_err err = { 0 };
	int v;

	if (r.in++ % r.period == 0) {
		size_t i = r.keys_used++ % r.nkeys;
		m = material(i, authenticated);
		if (r.xf->rx_key(r.rx, &m, &err) < 0)
			die(err.text);
		r.xf->use(r.tx, r.key[i]);
	}
	rooms[0].n = 0;
	v = r.xf->protect(r.tx, r.medium, &pk, r.burst, &r.air);
	gw_burst_run(r.burst);
	for (size_t i = 0; i < rooms[0].n; i++)
		send_and_hear(&rooms[0].pk[i]);
	if (v == GW_XF_OK)
		send_and_hear(&pk);
	else if (v == GW_XF_HELD)
		r.held++;
	else
		fprintf(stderr, "sender: %s\n", gw_verdict_name(v));
	r.bad += v > GW_XF_HELD;
}

static int
listen_at(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 16 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("cannot bind");
	return fd;
}

static void
up(bool h264, bool authenticated, struct gw_err *err)
{
	static uint64_t marks[1024];
	struct gw_tx_conf tc = { .authenticated = authenticated, .marks = marks };
	struct gw_tx_medium_conf mc = { .type = h264 ? GW_MEDIA_H264 : GW_MEDIA_AAC, .payload_type = h264 ? 96 : 97, .mtu = MTU };
	struct gw_rx_conf rc = { .authenticated = authenticated, .type = mc.type, .payload_type = h264 ? 98 : 99 };

	for (int i = 0; i < 2; i++)
		if (!(rooms[i].memory = calloc(SLOTS, sizeof(*rooms[i].memory))))
			die("no memory");
	r.air = (struct gw_sink){ &rooms[0], slot };
	r.heard = (struct gw_sink){ &rooms[1], slot };
	r.xf = gw_transform_of(2);
	if (r.xf->marks_len(&tc) > sizeof(marks))
		die("no room for the marks");
	if (gw_secrets_init(1024, true, err) < 0 || gw_transforms_self_test(err) < 0 || !(r.tx = r.xf->tx_new(&tc, err)) ||
	    !(r.medium = r.xf->medium_new(r.tx, &mc, err)) || !(r.rx = r.xf->rx_new(&rc, err)) || !(r.burst = gw_burst_new(GW_BURST_AUTO, err)))
		die(err->text);
	for (size_t i = 0; i < r.nkeys; i++) {
		struct gw_material m = material(i, authenticated);
		if (!(r.key[i] = r.xf->key_new(r.tx, &m, err)))
			die(err->text);
	}
}

int
main(int argc, char **argv)
{
	static _Alignas(16) uint8_t in[GW_XF_HEAD + 65536 + GW_XF_TAIL];
	struct gw_err err = { 0 };
	char path[4096];
	ssize_t n;

	if (argc < 6 || (r.period = strtoul(argv[4], NULL, 10)) == 0)
		die("usage: ismacryp_run h264|aac PORT KEYS PERIOD DIR [authenticated]");
	read_keys(argv[3]);
	up(strcmp(argv[1], "h264") == 0, argc > 6, &err);
	snprintf(path, sizeof(path), "%s/air.pcap", argv[5]);
	r.pcap = fopen(path, "wb");
	snprintf(path, sizeof(path), "%s/clear", argv[5]);
	r.clear = fopen(path, "wb");
	if (!r.pcap || !r.clear)
		die("cannot write");
	pcap_begin();
	struct pollfd pfd = { .fd = listen_at(argv[2]), .events = POLLIN };
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("listening\n");
	while (poll(&pfd, 1, r.in ? 1000 : 20000) > 0) {
		if ((n = recv(pfd.fd, in + GW_XF_HEAD, 65536, 0)) >= 0)
			packet(in + GW_XF_HEAD, (size_t)n, argc > 6);
	}
	printf("in=%lu out=%lu held=%lu bad=%lu keys=%lu\n", r.in, r.out, r.held, r.bad, r.keys_used);
	fclose(r.pcap);
	fclose(r.clear);
	close(pfd.fd);
	r.xf->medium_free(r.medium);
	for (size_t i = 0; i < r.nkeys; i++)
		r.xf->key_free(r.key[i]);
	r.xf->tx_free(r.tx);
	r.xf->rx_free(r.rx);
	gw_burst_free(r.burst);
	free(rooms[0].memory);
	free(rooms[1].memory);
	return r.bad || !r.in;
}
