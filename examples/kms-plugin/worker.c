/*
 * worker.c: threads that make ECMs while the host goes on. A KMS that asks an HSM, a database or another machine has its wait here.
 * SPDX-License-Identifier: Apache-2.0 OR MIT
 */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <openssl/crypto.h>
#include "example.h"

enum { WAITING_MAX = 256 };	/* a bound: a KMS that falls behind says so, and does not eat the machine */

/* Orders hold control words: all of this lives in locked memory. */
struct pool {
	const struct kms_host *host;
	const struct settings *settings;
	pthread_t threads[THREADS_MAX];
	unsigned nthreads;
	pthread_mutex_t lock;			/* of all below */
	pthread_cond_t work, end;
	struct order waiting[WAITING_MAX];	/* a ring */
	unsigned first, n;
	bool stop;
};

/* What an HSM would take; it ends early when we are to stop. With the lock. */
static void
pretend(struct pool *p)
{
	struct timespec due;

	clock_gettime(CLOCK_REALTIME, &due);
	due.tv_nsec += (long)(p->settings->delay_ms % 1000) * 1000000;
	due.tv_sec += p->settings->delay_ms / 1000 + due.tv_nsec / 1000000000;
	due.tv_nsec %= 1000000000;
	while (!p->stop && pthread_cond_timedwait(&p->end, &p->lock, &due) == 0)
		;
}

static void
answer(struct pool *p, EVP_CIPHER_CTX *wrap, const struct order *o)
{
	uint8_t ecm[TS_MAX];
	char why[160] = "";
	const int n = wrap ? ecm_make(wrap, o, p->settings->section_TSpkt_flag, ecm, sizeof(ecm), why, sizeof(why)) : -ANY_OTHER;

	/* Any thread may call it; once for each handle. On failure the peer gets the error, never silence. */
	p->host->answer(p->host->ctx, o->handle, ecm, n > 0 ? (size_t)n : 0, n < 0 ? n : 0, n >= 0 ? NULL : *why ? why : "AES key wrap is missing");
}

static void *
run(void *self)
{
	struct pool *p = self;
	EVP_CIPHER_CTX *wrap = wrap_new(p->settings->key);	/* a thread's own: contexts are not shared */
	struct order o;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->n == 0 && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		if (p->stop)
			break;
		o = p->waiting[p->first];
		OPENSSL_cleanse(&p->waiting[p->first], sizeof(o));
		p->first = (p->first + 1) % WAITING_MAX;
		p->n--;
		if (p->settings->delay_ms)
			pretend(p);
		if (p->stop)
			break;
		pthread_mutex_unlock(&p->lock);	/* never call the host with a lock held that ecm() takes */
		answer(p, wrap, &o);
		OPENSSL_cleanse(&o, sizeof(o));	/* now, not when the next one comes */
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	OPENSSL_cleanse(&o, sizeof(o));
	EVP_CIPHER_CTX_free(wrap);
	return NULL;
}

/* They block all signals, which are the host's: a thread begins with the mask of the one that starts it. */
static void
start(struct pool *p, unsigned n)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->nthreads < n && pthread_create(&p->threads[p->nthreads], NULL, run, p) == 0)
		p->nthreads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct pool *
pool_open(const struct kms_host *host, const struct settings *settings, char *why, size_t why_cap)
{
	struct pool *p = OPENSSL_secure_zalloc(sizeof(*p));

	if (!p) {
		snprintf(why, why_cap, "no locked memory is left for requests");
		return NULL;
	}
	p->host = host;
	p->settings = settings;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->end, NULL);
	start(p, settings->threads);
	if (p->nthreads == settings->threads)
		return p;
	snprintf(why, why_cap, "cannot start %u threads", settings->threads);
	pool_close(p);
	return NULL;
}

int
pool_ask(struct pool *p, const struct order *o, char *why, size_t why_cap)
{
	int rc = KMS_LATER;

	pthread_mutex_lock(&p->lock);
	if (p->n == WAITING_MAX) {
		rc = REFUSE(ECM_NO_POWER, "%d requests wait already", WAITING_MAX);
	} else {
		p->waiting[(p->first + p->n++) % WAITING_MAX] = *o;
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

void
pool_close(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_cond_broadcast(&p->end);
	pthread_mutex_unlock(&p->lock);
	while (p->nthreads > 0)
		pthread_join(p->threads[--p->nthreads], NULL);	/* our code may be unloaded when close() has returned */
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->end);
	pthread_mutex_destroy(&p->lock);
	OPENSSL_secure_clear_free(p, sizeof(*p));		/* what still waits goes with it, unanswered */
}
