/*
 * tests/integration/bad_plugin.c: a plugin that keeps every rule of kms-plugin.h, but for the one that -DBAD_… breaks; for plugin_test.sh.
 * Its cipher is none: it only keeps control words from standing in ECMs as they are.
 */
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kms/kms-plugin.h"

enum { MAX = 4096, CW_MAX = 64, JOBS = 256 };
#ifdef BAD_CLOSES
enum { BAD_AT = 700 };
#else
enum { BAD_AT = 0 };	/* the CP_number with which it hangs; 0: with any */
#endif

struct job { uint64_t handle; int len; uint8_t ecm[MAX]; };
struct state {
	struct kms_host host;
	const uint8_t *kept;
	unsigned nonce;
	struct grown { struct grown *next; char more[40]; } *grown;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job jobs[JOBS];
	unsigned njobs, asked;
	int stop;
};

#define REFUSE(status, ...) (snprintf(why, why_cap, __VA_ARGS__), -(status))

#ifdef BAD_UNDEFINED
void a_function_that_nobody_has(void);
#endif
#ifdef BAD_SYMBOL
KMS_EXPORT int another_symbol = 1;
#endif
#if defined(BAD_CONSTRUCTOR) || defined(BAD_NOBODY)
static volatile int loaded;
__attribute__((constructor)) static void early(void) { loaded = 1; }
#endif
#ifdef BAD_STATES
static int ready;
#endif

#ifdef BAD_THREAD
static void *
stray(void *self)
{
	(void)self;
	pause();
	return NULL;
}
#endif

static __attribute__((unused)) int
start(pthread_t *thread, void *(*run)(void *), void *self)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
#ifdef BAD_SIGMASK
	sigdelset(&all, SIGTERM);
#endif
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(thread, NULL, run, self);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

/* ---- answers that come later */

#if defined(LATER) || defined(BOUNDED) || defined(BAD_TWICE) || defined(BAD_NEVER) || defined(BAD_AFTER_CLOSE) || defined(BAD_HANDLE) || defined(BAD_SIGMASK) || defined(BAD_BLOCKS)
#define ASYNC 1

static void *
answer_all(void *self)
{
	struct state *s = self;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (s->njobs == 0 && !s->stop)
			pthread_cond_wait(&s->wake, &s->lock);
#ifdef BAD_AFTER_CLOSE
		if (s->stop) {	/* nobody joins this thread */
			pthread_mutex_unlock(&s->lock);
			usleep(50000);
			s->host.answer(s->host.ctx, s->jobs[0].handle, s->jobs[0].ecm, (size_t)s->jobs[0].len, 0, NULL);
			return NULL;
		}
#else
		if (s->stop)
			break;
#endif
		struct job j = s->jobs[--s->njobs];
		pthread_mutex_unlock(&s->lock);
#ifdef BOUNDED
		usleep(2000);
#endif
#ifdef BAD_HANDLE
		j.handle += 1000;
#endif
		s->host.answer(s->host.ctx, j.handle, j.ecm, (size_t)j.len, 0, NULL);
#ifdef BAD_TWICE
		s->host.answer(s->host.ctx, j.handle, j.ecm, (size_t)j.len, 0, NULL);
#endif
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int
later(struct state *s, uint64_t handle, const uint8_t *ecm, int len, char *why, size_t why_cap)
{
	pthread_mutex_lock(&s->lock);
#ifdef BOUNDED
	if (s->njobs == 16)
		return pthread_mutex_unlock(&s->lock), REFUSE(0x000d, "16 requests wait already");
#endif
	(void)why, (void)why_cap;
#ifdef BAD_NEVER
	if (++s->asked > 100)
		return pthread_mutex_unlock(&s->lock), KMS_LATER;
#endif
	struct job *j = &s->jobs[s->njobs];
	s->njobs++;
	j->handle = handle;
	j->len = len;
	memcpy(j->ecm, ecm, (size_t)len);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return KMS_LATER;
}
#endif

/* ---- the plugin */

static int
bad_open(const struct kms_host *host, const char *conf, void **state, char *why, size_t why_cap)
{
	struct state *s;

#ifndef BAD_SETTINGS
	if (*conf)
		return REFUSE(1, "there are no settings");
#endif
#ifdef BAD_NEWER
	if (host->size != sizeof(*host))
		return REFUSE(1, "not my host");
#endif
	(void)conf;
	s = calloc(1, sizeof(*s));
	if (!s)
		return REFUSE(1, "out of memory");
	s->host = *host;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
#ifdef ASYNC
	if (start(&s->thread, answer_all, s) != 0)
		abort();
#endif
#ifdef BAD_STATES
	ready = 1;
#endif
#ifdef BAD_SIGNALS
	signal(SIGUSR1, SIG_IGN);
#endif
#ifdef BAD_UMASK
	umask(0);
#endif
#ifdef BAD_LOCALE
	setlocale(LC_ALL, "C.UTF-8");
#endif
#ifdef BAD_DIRECTORY
	if (chdir("/") < 0)
		abort();
#endif
#ifdef BAD_DESCRIPTORS
	if (dup(0) < 0)
		abort();
#endif
#ifdef BAD_THREAD
	if (start(&s->thread, stray, NULL) != 0)
		abort();
#endif
#ifdef BAD_OUTPUT
	printf("hello\n");
#endif
	*state = s;
	return 0;
}

static void
bad_close(void *state)
{
	struct state *s = state;

#ifdef ASYNC
	pthread_mutex_lock(&s->lock);
	s->stop = 1;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
#ifdef BAD_AFTER_CLOSE
	pthread_detach(s->thread);
	return;
#endif
	pthread_join(s->thread, NULL);
#endif
#ifdef BAD_STATES
	ready = 0;
#endif
	for (struct grown *g = s->grown, *next; g; g = next) {
		next = g->next;
		free(g);
	}
#ifndef BAD_LEAK
	free(s);
#endif
}

static int
bad_channel(void *state, uint32_t super_cas_id, struct kms_channel *c, char *why, size_t why_cap)
{
	(void)state;
#ifdef BAD_NOBODY
	return REFUSE(0x0005, "nobody is served");
#endif
	if (super_cas_id != 0x4ae60001)
#ifdef BAD_CAS
		return REFUSE(0x0011, "not served");
#else
		return REFUSE(0x0005, "not served");
#endif
	c->CW_per_msg = 1;
	c->delay_start = c->delay_stop = -200;
	c->ECM_rep_period = 100;
	c->min_CP_duration = 10;
	c->max_comp_time = 500;
#ifdef BAD_CHANNEL
	c->section_TSpkt_flag = 3;
#endif
#ifdef BAD_CHANNEL_SAME
	c->ECM_rep_period = (uint16_t)(100 + ++((struct state *)state)->nonce);
#endif
#ifdef BAD_DOUBT
	c->delay_start = 300;
#endif
#ifdef BAD_LATE
	c->max_comp_time = 2;
#endif
#ifdef BOUNDED
	c->max_streams = 2;
	c->max_comp_time = 10000;
#endif
#ifdef BAD_TS
	c->section_TSpkt_flag = 1;
#endif
	return 0;
}

static int
bad_stream(void *state, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t why_cap)
{
	(void)state, (void)super_cas_id;
#ifdef BAD_ECM_ID
	return ecm_id < 10 ? 0 : REFUSE(0x0011, "not here");
#else
	return ecm_id < 10 ? 0 : REFUSE(0x0012, "not here");
#endif
}

/* Something like a cipher. */
static uint8_t
hidden(const struct kms_request *r, const struct kms_cw *cw, size_t i)
{
	unsigned h = 2166136261u;

	for (size_t k = 0; k < cw->cw_len; k++)
		h = (h ^ cw->cw[k]) * 16777619u;
	h = (h ^ r->ecm_id ^ (unsigned)i << 8) * 16777619u;
	return (uint8_t)(h >> 16 ^ h);
}

static int
bad_ecm(void *state, const struct kms_request *r, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct state *s = state;
	const struct kms_cw *cw = r->cws;
	uint8_t ecm[MAX];
	int n = 5 + (int)cw->cw_len;

	if (cw->cw_len == 0 || cw->cw_len > CW_MAX)
#if defined(BAD_STATUS)
		return REFUSE(1000, "a control word of %zu octets", cw->cw_len);
#elif defined(BAD_SENTENCE)
		return -0x0011;
#elif defined(BAD_UNENDED)
		return strncpy(why, "a control word that is too long or too short", why_cap - 1), -0x0011;
#else
		return REFUSE(0x0011, "a control word of %zu octets", cw->cw_len);
#endif
#ifdef BAD_WINDOW
	if (r->cp_number == 0)
		return REFUSE(0x0011, "CP 0");
#endif
#ifdef BAD_STATES
	if (!ready)
		return REFUSE(0x7001, "closed");
#endif
#ifdef BAD_CLOSES
	if (r->cp_number == 700)
		for (int fd = 3; fd < 256; fd++)
			close(fd);
#endif
#if defined(BAD_HANG) || defined(BAD_CLOSES)
	while (!BAD_AT || r->cp_number == BAD_AT)
		pause();
#endif
#ifdef BAD_EMPTY
	return 0;
#endif
#ifdef BAD_EXIT
	if (r->cp_number == 700)
		exit(3);
#endif
#ifdef BAD_CRASH
	if (r->cp_number == 700)
		*(volatile int *)8 = 1;
#endif
#ifdef BAD_ABORT
	if (r->cp_number == 700)
		abort();
#endif
#ifdef BAD_KEPT
	if (s->kept && *(const volatile uint8_t *)s->kept == 0)
		why[0] = '\0';
	s->kept = cw->cw;
#endif
#ifdef BAD_OVERREAD
	if (r->access_criteria_len && ((const volatile uint8_t *)r->access_criteria)[r->access_criteria_len] == 1)
		why[0] = '\0';
#endif
#ifdef BAD_CONST
	memset((void *)(uintptr_t)cw->cw, 0, cw->cw_len);
#endif
#ifdef BAD_OVERWRITE
	memset(out, 0, cap + 1);
#endif
#ifdef BAD_UNDERWRITE
	out[-1] = 0;
#endif
#ifdef BAD_LATE
	usleep(5000);
#endif
#ifdef BAD_BLOCKS
	usleep(3000);
#endif
#ifdef BAD_MEMORY
	struct grown *g = malloc(sizeof(*g));
	if (g) {
		g->next = s->grown;
		s->grown = g;
	}
#endif
#ifdef BAD_LOG
	char text[64] = "the control word is ";
	for (size_t i = 0; i < 8 && i < cw->cw_len; i++)
		sprintf(text + 20 + 2 * i, "%02X", cw->cw[i]);
	s->host.log(s->host.ctx, KMS_LOG_DEBUG, text);
#endif
#ifdef BAD_CLEANSE
	uint8_t *copy = malloc(64 + CW_MAX);
	memcpy(copy + 64, cw->cw, cw->cw_len);
	free(copy);
#endif
#ifdef BAD_LENGTH
	return (int)cap + 1;
#endif
#ifdef BAD_TABLE_ID
	ecm[0] = 0x80;
#else
	ecm[0] = (uint8_t)(0x80 | (r->cp_number & 1));
#endif
	ecm[3] = (uint8_t)(r->cp_number >> 8);
	ecm[4] = (uint8_t)r->cp_number;
	for (size_t i = 0; i < cw->cw_len; i++)
		ecm[5 + i] = hidden(r, cw, i);
#ifdef BAD_CLEAR
	memcpy(ecm + 5, cw->cw, cw->cw_len);
#endif
#ifdef BAD_SAME
	ecm[5] = (uint8_t)++s->nonce;
#endif
#ifdef BAD_DIFFERENT
	memset(ecm + 5, 0, cw->cw_len);
#endif
	ecm[1] = 0x70;
	ecm[2] = (uint8_t)(n - 3);
#ifdef BAD_FORM
	ecm[2]++;
#endif
#ifdef BAD_CRC
	ecm[1] |= 0x80;
#endif
	if ((size_t)n > cap)
#ifdef BAD_SMALL
		return 0;
#else
		return REFUSE(0x000c, "%zu octets are not enough", cap);
#endif
	memcpy(out, ecm, (size_t)n);
#ifdef BAD_LATER
	return KMS_LATER;
#endif
#ifdef ASYNC
	return later(s, r->handle, ecm, n, why, why_cap);
#endif
	(void)s;
	return n;
}

#if defined(BAD_LTKM) || defined(BAD_LTKM_FORM) || defined(BAD_LTKM_STATUS) || defined(BAD_LTKM_MEMORY)
#ifdef BAD_LTKM_MEMORY
static void *kept_rounds;	/* what was sent, for ever */
#endif
static int
bad_ltkm(void *state, const struct kms_ltkm *what, uint32_t index, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	(void)state;
	if (what->section_TSpkt_flag != 0)
#ifdef BAD_LTKM_STATUS
		return REFUSE(0x0077, "sections only");
#else
		return REFUSE(0x000d, "sections only");
#endif
	if (cap < 4)
		return REFUSE(0x7000, "no room");
#ifndef BAD_LTKM
	if (index > 2)
		return 0;
#endif
#ifdef BAD_LTKM_MEMORY
	void **sent = calloc(1, 256);
	if (sent) {
		*sent = kept_rounds;
		kept_rounds = sent;
	}
#endif
	memcpy(out, "\x82\x70\x01\x00", 4);
	out[3] = (uint8_t)index;
#ifdef BAD_LTKM_FORM
	out[2]++;
#endif
	return 4;
}
#else
#define bad_ltkm NULL
#endif

static const struct kms_plugin plugin = {
	.abi = KMS_PLUGIN_ABI
#ifdef BAD_ABI
	+ 1
#endif
	, .size = sizeof(plugin)
#ifdef BAD_SIZE
	- 32
#endif
	, .name =
#ifdef BAD_NAME
	"a plugin \"of mine\"",
#else
	"bad",
#endif
	.version = "1",
#ifdef ASYNC
	.calling = KMS_ASYNC,
#else
	.calling = KMS_INLINE,
#endif
	.open = bad_open, .channel = bad_channel, .stream = bad_stream,
#ifndef BAD_MEMBERS
	.ecm = bad_ecm,
#endif
	.close = bad_close, .ltkm = bad_ltkm,
};

const struct kms_plugin *
kms_plugin_entry(void)
{
#ifdef BAD_UNDEFINED
	a_function_that_nobody_has();
#endif
#ifdef BAD_ENTRY
	return NULL;
#endif
	return &plugin;
}
