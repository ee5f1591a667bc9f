/*
 * tests/integration/ltkm_air.c: puts a plugin's long-term key messages on air without EMMG and MUX between.
 * ltkm_air PLUGIN KEYS.yaml udp://ADDR PERIOD_MS: a round every PERIOD_MS, until a signal comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "kms/load.h"
#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/secret.h"
#include "lib/udp.h"

static void
say(void *ctx, int level, const char *text)
{
	(void)ctx;
	fprintf(stderr, "level=%d %s\n", level, text);
}

static int
sender(const char *to)
{
	struct gw_err err = { 0 };
	struct gw_addr addr;
	int fd = gw_addr_parse(to, GW_UDP, &addr, &err) == 0 ? gw_udp_sender(&addr, &err) : -1;

	if (fd < 0)
		fprintf(stderr, "ltkm_air: %s\n", err.text);
	return fd;
}

static int
round_of(const struct kms_plugin *p, void *state, int fd)
{
	const struct kms_ltkm l = { .size = sizeof(l), .client_id = 0x00010001, .data_id = 1, .section_TSpkt_flag = 2, .utc_s = gw_utc_us() / 1000000 };
	static uint8_t out[65536];
	char why[400] = "";
	int n;

	for (uint32_t k = 0; (n = p->ltkm(state, &l, k, out, sizeof(out), why, sizeof(why))) > 0; k++) {
		struct gw_packet pk = { out, (size_t)n };
		(void)gw_udp_send(fd, &pk, 1);
	}
	if (n < 0)
		fprintf(stderr, "ltkm_air: %s\n", why);
	return n;
}

int
main(int argc, char **argv)
{
	const struct kms_host host = { .size = sizeof(host), .log = say };
	struct kms_module plugin = { 0 };
	char conf[1200];
	struct gw_err err = { 0 };
	void *state;
	int fd;

	if (argc != 5) {
		fprintf(stderr, "ltkm_air: PLUGIN KEYS.yaml udp://ADDR PERIOD_MS\n");
		return 1;
	}
	snprintf(conf, sizeof(conf), "keys=%s\n", argv[2]);
	if ((fd = sender(argv[3])) < 0 || gw_secrets_init(1024, false, &err) < 0 || kms_load(&plugin, argv[1], &err) < 0 ||
	    kms_open(&plugin, &host, conf, &state, &err) < 0) {
		fprintf(stderr, "ltkm_air: %s\n", err.text);
		return 1;
	}
	fprintf(stderr, "on air\n");
	while (round_of(plugin.plugin, state, fd) == 0)
		usleep((useconds_t)(strtoul(argv[4], NULL, 10) * 1000));
	plugin.plugin->close(state);
	return 1;
}
