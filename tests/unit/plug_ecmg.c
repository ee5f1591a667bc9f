/* tests/unit/plug_ecmg.c: a KMS plugin for the host's test, built once for each way of calling and for each fault */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "kms/kms-plugin.h"

#ifndef ABI
#define ABI KMS_PLUGIN_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(struct kms_plugin)
#endif

/* One call at a time: the state says when that is broken. CW "SLOW…" takes 200 ms, "FAIL…" fails. */
struct state {
	const struct kms_host *host;
	int calls;
	pthread_t threads[64];
	int nthreads;
};
struct later { struct state *st; uint64_t handle; size_t len; int rc; uint8_t ecm[256]; long ms; char mode[4]; };

static void
sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static int
open_state(const struct kms_host *host, const char *conf, void **state, char *why, size_t cap)
{
	struct state *st;

	if (strcmp(conf, "") != 0 && strcmp(conf, "mode=test\n") != 0) {
		snprintf(why, cap, "unknown setting: %s", conf);
		return -1;
	}
	st = calloc(1, sizeof(*st));
	if (!st || host->size < sizeof(*host))
		return -1;
	st->host = host;
	*state = st;
	host->log(host->ctx, KMS_LOG_DEBUG, "opened");
	return 0;
}

static int
channel(void *state, uint32_t super_cas_id, struct kms_channel *c, char *why, size_t cap)
{
	(void)state;
	if (super_cas_id == 0xdead) {
		snprintf(why, cap, "never heard of it");
		return -0x0005;
	}
	c->CW_per_msg = 1;
	return 0;
}

/* The ECM is the request, written back: ECM_id, CP, the criteria, then the CWs backwards. */
static int
answer(const struct kms_request *q, uint8_t *out, char *why, size_t cap)
{
	int n = 0;

	out[n++] = (uint8_t)(q->ecm_id >> 8);
	out[n++] = (uint8_t)q->ecm_id;
	out[n++] = (uint8_t)(q->cp_number >> 8);
	out[n++] = (uint8_t)q->cp_number;
	for (size_t k = 0; k < q->access_criteria_len; k++)
		out[n++] = q->access_criteria[k];
	for (size_t k = 0; k < q->ncws; k++)
		for (size_t i = q->cws[k].cw_len; i > 0; i--)
			out[n++] = q->cws[k].cw[i - 1];
	for (size_t k = 0; k < q->ncws; k++)
		for (size_t i = 0; i < q->cws[k].key_id_len; i++)
			out[n++] = q->cws[k].key_id[i];
	if (memcmp(q->cws[0].cw, "FAIL", 4) != 0)
		return n;
	snprintf(why, cap, "told to fail");
	return -0x8014;
}

static void *
later(void *arg)
{
	struct later *l = arg;

	sleep_ms(l->ms);
	if (memcmp(l->mode, "PLUS", 4) == 0)		/* an error that is none */
		l->st->host->answer(l->st->host->ctx, l->handle, NULL, 0, 0x11, "positive");
	else if (memcmp(l->mode, "NONE", 4) == 0)	/* an ECM that is not there */
		l->st->host->answer(l->st->host->ctx, l->handle, NULL, 20, 0, NULL);
	else
		l->st->host->answer(l->st->host->ctx, l->handle, l->ecm, l->rc < 0 ? 0 : (size_t)l->rc, l->rc < 0 ? l->rc : 0, l->rc < 0 ? "told to fail" : NULL);
	free(l);
	return NULL;
}

static int
ecm(void *state, const struct kms_request *q, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct state *st = state;
	const long ms = memcmp(q->cws[0].cw, "SLOW", 4) == 0 ? 200 : 0;
	int rc;

	if (cap < 256 || q->size != sizeof(*q) || st->calls++ != 0)	/* somebody else is in this state */
		abort();
	if (CALLING == KMS_ASYNC) {
		struct later *l = calloc(1, sizeof(*l));
		if (!l || st->nthreads == 64)
			abort();
		*l = (struct later){ .st = st, .handle = q->handle, .ms = ms };
		memcpy(l->mode, q->cws[0].cw, sizeof(l->mode));
		l->rc = answer(q, l->ecm, why, why_cap);
		pthread_create(&st->threads[st->nthreads++], NULL, later, l);
		rc = KMS_LATER;
	} else {
		sleep_ms(ms);
		rc = answer(q, out, why, why_cap);
	}
	st->calls--;
	return rc;
}

static void
close_state(void *state)
{
	struct state *st = state;

	for (int k = 0; k < st->nthreads; k++)
		pthread_join(st->threads[k], NULL);
	free(st);
}

__attribute__((visibility("default"))) const struct kms_plugin *
kms_plugin_entry(void)
{
	static const struct kms_plugin plugin = {
		.abi = ABI, .size = SIZE, .name = "test", .version = "1", .calling = CALLING,
		.open = open_state, .channel = channel, .close = close_state,
#ifndef NO_ECM
		.ecm = ecm,
#endif
	};
#ifdef NO_ECM
	(void)ecm;
#endif
	return &plugin;
}
