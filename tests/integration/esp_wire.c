/*
 * tests/integration/esp_wire.c: a sender and a receiver of ESP as small as they can be. PACKETS RTP packets of all lengths, an eighth of them
 * under each of eight keys, one SPI after the other.
 * esp_wire pcap FILE 4|6 MODE AUTH	into a capture; tells the keys, a line "SPI TEK TAK" each
 * esp_wire send ADDRESS MODE AUTH	from a raw socket
 * esp_wire receive ADDRESS MODE AUTH	by a raw socket, until all are there; says "ready", and in the end "received N wrong N"
 * MODE: transport or tunnel; AUTH: auth or plain
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/esp.h"
#include "lib/rawip.h"

enum { PACKETS = 200, KEYS = 8, BATCH = 20, ROOM = 2304, PORT = 5004 };
static const struct gw_transform *const esp = &gw_transform_esp;
static _Alignas(8) uint8_t room[GW_UDP_BATCH][ROOM];

static int
fail(const struct gw_err *err)
{
	fprintf(stderr, "esp_wire: %s\n", err->text);
	return 1;
}

/* Key n; the arrays are lent until the next call. */
static struct gw_material
material(unsigned n, bool authenticated)
{
	static uint8_t tek[16], tak[20];
	struct gw_material m = { .id = { 0x80, 0x42, 0, (uint8_t)(n + 1) }, .id_len = 4, .tek = tek, .tak = tak, .authenticated = authenticated };

	for (unsigned i = 0; i < 20; i++) {
		tek[i % 16] = (uint8_t)(n * 37 + i * 11 + 5);
		tak[i] = (uint8_t)(n * 53 + i * 7 + 9);
	}
	return m;
}

/* The n-th packet: its content follows from n, so that a judge needs no second file. */
static size_t
make(unsigned n, uint8_t *p)
{
	static const uint8_t header[12] = { 0x80, 96, 0, 0, 0, 0, 0x38, 0x40, 0xc0, 0xff, 0xee, 0x01 };
	size_t len = 12 + n * 13 % 1289;

	memcpy(p, header, 12);
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
	for (size_t i = 12; i < len; i++)
		p[i] = (uint8_t)(n + i * 3);
	return len;
}

struct out { int fd; struct gw_pcap *pcap; struct sockaddr_storage from, to; };

static int
put(struct out *o, struct gw_packet *pk, int n)
{
	if (!o->pcap)
		return gw_udp_send(o->fd, pk, (size_t)n) == n ? 0 : -1;
	for (int i = 0; i < n; i++)
		if (gw_pcap_esp(o->pcap, &o->from, &o->to, 5, 1700000000000000 + i, pk[i].p, pk[i].len) < 0)
			return -1;
	return 0;
}

static int
run(struct out *o, bool tunnel, bool authenticated, struct gw_err *err)
{
	struct gw_tx *tx = esp->tx_new(&(struct gw_tx_conf){ .tunnel = tunnel }, err);
	struct gw_tx_medium *m = tx ? esp->medium_new(tx, &(struct gw_tx_medium_conf){ .from = o->from, .to = o->to }, err) : NULL;
	struct gw_burst *b = gw_burst_new(GW_BURST_AUTO, err);
	int rc = m && b ? 0 : -1;

	for (unsigned n = 0; rc == 0 && n < PACKETS; ) {
		struct gw_packet out[BATCH];
		int k = 0;
		if (n % (PACKETS / KEYS) == 0) {
			struct gw_material x = material(n / (PACKETS / KEYS), authenticated);
			esp->key_free(esp->use(tx, esp->key_new(tx, &x, err)));
		}
		do {
			struct gw_pk pk = { room[k] + GW_XF_HEAD, 0 };
			pk.len = make(n++, pk.p);
			if (esp->protect(tx, m, &pk, b, NULL) != GW_XF_OK)
				return gw_fail(err, GW_ECRYPTO, "packet %u is refused", n - 1);
			out[k++] = (struct gw_packet){ pk.p, pk.len };
		} while (k < BATCH && n % (PACKETS / KEYS) != 0);
		gw_burst_run(b);
		if (put(o, out, k) < 0)
			rc = gw_fail(err, GW_ESYS, "packets cannot be sent");
	}
	gw_burst_free(b);
	esp->medium_free(m);
	esp->tx_free(tx);
	return rc;
}

static void
tell_keys(bool authenticated)
{
	for (unsigned n = 0; n < KEYS; n++) {
		struct gw_material m = material(n, authenticated);
		printf("%02x%02x%02x%02x ", m.id[0], m.id[1], m.id[2], m.id[3]);
		for (int i = 0; i < 16; i++)
			printf("%02x", m.tek[i]);
		putchar(' ');
		for (int i = 0; i < 20; i++)
			printf("%02x", m.tak[i]);
		putchar('\n');
	}
}

static int
pcap(const char *path, bool v6, bool tunnel, bool authenticated, struct gw_err *err)
{
	struct gw_addr from, to;
	struct out o = { -1, NULL, { 0 }, { 0 } };
	int rc;

	if (gw_addr_parse(v6 ? "udp://[2001:db8::a]:5004" : "udp://192.0.2.10:5004", GW_UDP, &from, err) < 0 ||
	    gw_addr_parse(v6 ? "udp://[ff0e::42]:5004" : "udp://233.252.0.10:5004", GW_UDP, &to, err) < 0 || !(o.pcap = gw_pcap_new(path, err)))
		return -1;
	o.from = from.ss;
	o.to = to.ss;
	rc = run(&o, tunnel, authenticated, err);
	gw_pcap_free(o.pcap);
	tell_keys(authenticated);
	return rc;
}

static int
sender(const struct gw_addr *a, bool tunnel, bool authenticated, struct gw_err *err)
{
	struct out o = { -1, NULL, { 0 }, a->ss };
	int rc;

	if ((o.fd = gw_rawip_sender(a, NULL, &o.from, err)) < 0)
		return -1;
	rc = run(&o, tunnel, authenticated, err);
	close(o.fd);
	return rc;
}

static int
receiver(const struct gw_addr *a, bool tunnel, bool authenticated, struct gw_err *err)
{
	struct gw_rx *rx = esp->rx_new(&(struct gw_rx_conf){ .tunnel = tunnel, .port = a->port }, err);
	int fd = gw_rawip_receiver(a, err), right = 0, wrong = 0;
	time_t until = time(NULL) + 20;

	if (fd < 0 || !rx)
		return -1;
	for (unsigned n = 0; n < KEYS; n++) {
		struct gw_material m = material(n, authenticated);
		if (esp->rx_key(rx, &m, err) < 0)
			return -1;
	}
	puts("ready");
	fflush(stdout);
	while (right + wrong < PACKETS && time(NULL) < until) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct gw_packet in[GW_UDP_BATCH];
		if (poll(&p, 1, 100) <= 0)
			continue;
		for (int i = 0; i < GW_UDP_BATCH; i++)
			in[i] = (struct gw_packet){ room[i], 0 };
		int k = gw_rawip_recv(fd, a->ss.ss_family, in, NULL, GW_UDP_BATCH, ROOM);
		for (int i = 0; i < k; i++) {
			uint8_t want[ROOM];
			struct gw_pk pk = { in[i].p, in[i].len };
			struct gw_rx_got got;
			bool good = esp->unprotect(rx, &pk, &got, NULL) == GW_XF_OK && got.index == (unsigned)right &&
			    pk.len == make((unsigned)right, want) && memcmp(pk.p, want, pk.len) == 0;
			right += good;
			wrong += !good;
		}
	}
	printf("received %d wrong %d\n", right, wrong);
	esp->rx_free(rx);
	close(fd);
	return 0;
}

int
main(int argc, char **argv)
{
	struct gw_err err = { 0 };
	struct gw_addr a;
	bool tunnel = argc > 4 && strcmp(argv[argc - 2], "tunnel") == 0, auth = argc > 4 && strcmp(argv[argc - 1], "auth") == 0;
	int rc;

	if (argc == 6 && strcmp(argv[1], "pcap") == 0) {
		rc = pcap(argv[2], argv[3][0] == '6', tunnel, auth, &err);
	} else if (argc == 5) {
		if (gw_addr_parse(argv[2], GW_UDP, &a, &err) < 0)
			return fail(&err);
		rc = (strcmp(argv[1], "send") == 0 ? sender : receiver)(&a, tunnel, auth, &err);
	} else {
		fprintf(stderr, "esp_wire: pcap FILE 4|6 MODE AUTH, or send|receive ADDRESS MODE AUTH\n");
		return 64;
	}
	return rc < 0 ? fail(&err) : 0;
}
