/*
 * tests/unit/plug_emmg.c: a KMS plugin whose ltkm() does what its settings say, built once for each way of calling. "count=N": so many
 * datagrams a round, "LTKM <data_id> <index> <round>"; the letters of "odd=XYZ" are for index 0, 1, 2: e refuses, b gives a bad section,
 * anything else is right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "kms/kms-plugin.h"

struct state { unsigned count, round; int calls; char odd[16]; };

static int
open_state(const struct kms_host *host, const char *conf, void **state, char *why, size_t cap)
{
	struct state *st = calloc(1, sizeof(*st));
	const char *odd = strstr(conf, "odd="), *count = strstr(conf, "count=");

	if (!st || host->size < sizeof(*host) || !count) {
		snprintf(why, cap, "count is missing");
		free(st);
		return -1;
	}
	st->count = (unsigned)strtoul(count + 6, NULL, 10);
	if (odd)
		snprintf(st->odd, sizeof(st->odd), "%.*s", (int)strcspn(odd + 4, "\n"), odd + 4);
	*state = st;
	return 0;
}

static int
channel(void *state, uint32_t super_cas_id, struct kms_channel *c, char *why, size_t cap)
{
	(void)state, (void)super_cas_id, (void)why, (void)cap;
	c->CW_per_msg = 1;
	return 0;
}

static int
ecm(void *state, const struct kms_request *q, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	(void)state, (void)q, (void)out, (void)cap, (void)why, (void)why_cap;
	return 0;
}

static int
ltkm(void *state, const struct kms_ltkm *q, uint32_t index, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct state *st = state;
	char odd = index < strlen(st->odd) ? st->odd[index] : 'r';
	int n;

	if (__atomic_add_fetch(&st->calls, 1, __ATOMIC_SEQ_CST) != 1) {
		snprintf(why, why_cap, "two calls at once");
		return -0x7000;
	}
	if (CALLING == KMS_WORKER)
		nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	st->round += index == 0;
	if (index >= st->count)
		n = 0;
	else if (odd == 'e')
		n = -0x0010;
	else
		n = snprintf((char *)out + 3, cap - 3, "LTKM %u %u %u", q->data_id, index, st->round) + 3;
	if (n == -0x0010)
		snprintf(why, why_cap, "this one is refused");
	if (n > 0) {
		out[0] = 0x82;
		out[1] = 0x70;
		out[2] = (uint8_t)(odd == 'b' ? n : n - 3);
	}
	__atomic_sub_fetch(&st->calls, 1, __ATOMIC_SEQ_CST);
	return n;
}

static void
close_state(void *state)
{
	free(state);
}

const struct kms_plugin *
kms_plugin_entry(void)
{
	static const struct kms_plugin p = { .abi = KMS_PLUGIN_ABI, .size = sizeof(p), .name = "ltkm-test", .version = "1",
		.calling = CALLING, .open = open_state, .channel = channel, .ecm = ecm, .close = close_state, .ltkm = ltkm };

	return &p;
}
