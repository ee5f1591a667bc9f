/* ecmg/host.c: the plugin and its life */
#include "ecmg/host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "kms/load.h"
#include "lib/secret.h"
#include "proto/ecmg_scs.h"

enum { WHY = 240 };

/* A worker's request: one locked block holds it, its CWs and their octets. */
struct job { STAILQ_ENTRY(job) next; struct gw_secret block; const struct kms_request *request; };
struct answer { STAILQ_ENTRY(answer) next; uint64_t handle; int rc; char why[WHY]; uint8_t ecm[]; };

struct worker { uv_thread_t thread; struct ecmg_host *host; void *state; };

struct ecmg_host {
	uv_loop_t *loop;
	struct kms_module module;
	const struct kms_plugin *plugin;	/* module's */
	struct kms_host face;		/* what the plugin sees of us */
	void *state;			/* the loop's own */
	struct worker *workers;
	unsigned nworkers;
	ecmg_host_answer *answer;
	void *owner;
	size_t pending;
	bool opened, closing, abandoned;
	void (*closed)(void *owner, struct ecmg_host *);

	uv_mutex_t lock;		/* of all below */
	uv_cond_t work;
	STAILQ_HEAD(, job) jobs;
	STAILQ_HEAD(, answer) answers;
	bool stop, gone;		/* workers shall end; the loop is no longer to be woken */
	uv_async_t wake;
};

/* ---- what the plugin may call */

static void
plugin_log(void *ctx, int level, const char *text)
{
	kms_module_log(&((struct ecmg_host *)ctx)->module, level, text);
}

/* Any thread. */
static void
post_answer(struct ecmg_host *h, uint64_t handle, const uint8_t *ecm, int rc, const char *why)
{
	const size_t len = rc > 0 ? (size_t)rc : 0;
	struct answer *a = calloc(1, sizeof(*a) + len);

	if (!a)
		abort();	/* an answer that is lost would stall its stream, and there is nobody to tell */
	a->handle = handle;
	a->rc = rc;
	snprintf(a->why, sizeof(a->why), "%s", why ? why : "");
	if (len)
		memcpy(a->ecm, ecm, len);
	uv_mutex_lock(&h->lock);
	if (h->gone) {
		free(a);
	} else {
		STAILQ_INSERT_TAIL(&h->answers, a, next);
		uv_async_send(&h->wake);
	}
	uv_mutex_unlock(&h->lock);
}

static void
plugin_answer(void *ctx, uint64_t handle, const uint8_t *ecm, size_t len, int error, const char *why)
{
	if (error == 0 && (len > KMS_ECM_MAX || (len && !ecm))) {
		error = -ECMG_E_UNKNOWN;
		why = len > KMS_ECM_MAX ? "the plugin's ECM is too long" : "the plugin's answer has no ECM";
	} else if (error > 0) {		/* taken for success it would be an empty ECM: a crypto-period that nobody can receive */
		error = -ECMG_E_UNKNOWN;
		why = "the plugin's answer has an error that is neither 0 nor -error_status";
	}
	post_answer(ctx, handle, ecm, error < 0 ? error : (int)len, why);
}

/* ---- worker threads */

static void
work(void *arg)
{
	struct worker *w = arg;
	struct ecmg_host *h = w->host;
	uint8_t *out = malloc(KMS_ECM_MAX);
	char why[WHY];
	struct job *j;
	int rc;

	if (!out)
		abort();
	uv_mutex_lock(&h->lock);
	for (;;) {
		while (!h->stop && STAILQ_EMPTY(&h->jobs))
			uv_cond_wait(&h->work, &h->lock);
		if (h->stop)
			break;
		j = STAILQ_FIRST(&h->jobs);
		STAILQ_REMOVE_HEAD(&h->jobs, next);
		uv_mutex_unlock(&h->lock);
		why[0] = '\0';
		rc = h->plugin->ecm(w->state, j->request, out, KMS_ECM_MAX, why, sizeof(why));
		post_answer(h, j->request->handle, out, rc > (int)KMS_ECM_MAX || rc <= KMS_LATER ? -ECMG_E_UNKNOWN : rc, why);
		gw_secret_free(&j->block);
		free(j);
		uv_mutex_lock(&h->lock);
	}
	uv_mutex_unlock(&h->lock);
	free(out);
}

/* Octets copied to *at, which moves on. */
static const uint8_t *
keep(uint8_t **at, const uint8_t *p, size_t len)
{
	uint8_t *copy = *at;

	if (!p)
		return NULL;
	if (len)
		memcpy(copy, p, len);
	*at += len;
	return copy;
}

static struct job *
copy_request(const struct kms_request *q)
{
	size_t need = sizeof(struct kms_request) + q->ncws * sizeof(struct kms_cw) + q->access_criteria_len;
	struct job *j = calloc(1, sizeof(*j));
	struct kms_request *copy;
	struct kms_cw *cws;
	uint8_t *at;

	for (size_t k = 0; k < q->ncws; k++)
		need += q->cws[k].cw_len + q->cws[k].key_id_len;
	if (!j || gw_secret_new(&j->block, need) < 0) {
		free(j);
		return NULL;
	}
	copy = (struct kms_request *)(void *)j->block.p;
	cws = (struct kms_cw *)(copy + 1);
	at = (uint8_t *)(cws + q->ncws);
	*copy = *q;
	copy->cws = cws;
	for (size_t k = 0; k < q->ncws; k++) {
		cws[k] = q->cws[k];
		cws[k].cw = keep(&at, q->cws[k].cw, q->cws[k].cw_len);
		cws[k].key_id = keep(&at, q->cws[k].key_id, q->cws[k].key_id_len);
	}
	copy->access_criteria = keep(&at, q->access_criteria, q->access_criteria_len);
	j->request = copy;
	return j;
}

/* ---- life */

/* The loop's own state, and one for each worker thread: a state gets one call at a time. */
static int
start(struct ecmg_host *h, const char *conf, unsigned workers, struct gw_err *err)
{
	if (kms_open(&h->module, &h->face, conf, &h->state, err) < 0)
		return -1;
	h->opened = true;
	if (h->plugin->calling != KMS_WORKER)
		return 0;
	h->workers = calloc(workers, sizeof(*h->workers));
	while (h->workers && h->nworkers < workers) {
		struct worker *w = &h->workers[h->nworkers];
		w->host = h;
		if (kms_open(&h->module, &h->face, conf, &w->state, err) < 0)
			return -1;
		if (uv_thread_create(&w->thread, work, w) < 0) {
			h->plugin->close(w->state);
			break;
		}
		h->nworkers++;
	}
	return h->nworkers == workers ? 0 : gw_fail(err, GW_ESYS, "cannot start %u worker threads", workers);
}

static void
unload(struct ecmg_host *h)
{
	struct answer *a;
	struct job *j;

	uv_mutex_lock(&h->lock);
	h->stop = h->gone = true;
	uv_cond_broadcast(&h->work);
	uv_mutex_unlock(&h->lock);
	for (unsigned k = 0; k < h->nworkers; k++) {
		uv_thread_join(&h->workers[k].thread);
		h->plugin->close(h->workers[k].state);
	}
	if (h->opened)
		h->plugin->close(h->state);
	while ((a = STAILQ_FIRST(&h->answers)) != NULL) {
		STAILQ_REMOVE_HEAD(&h->answers, next);
		free(a);
	}
	while ((j = STAILQ_FIRST(&h->jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&h->jobs, next);
		gw_secret_free(&j->block);
		free(j);
	}
}

static void
destroy(uv_handle_t *wake)
{
	struct ecmg_host *h = wake->data;

	if (h->closed)
		h->closed(h->owner, h);
	if (h->abandoned)
		return;
	uv_cond_destroy(&h->work);
	uv_mutex_destroy(&h->lock);
	free(h->workers);
	kms_unload(&h->module);
	free(h);
}

static void
end(struct ecmg_host *h)
{
	unload(h);
	uv_close((uv_handle_t *)&h->wake, destroy);
}

static void
on_wake(uv_async_t *wake)
{
	struct ecmg_host *h = wake->data;
	struct answer *a, *next;

	uv_mutex_lock(&h->lock);
	a = STAILQ_FIRST(&h->answers);
	STAILQ_INIT(&h->answers);
	uv_mutex_unlock(&h->lock);
	for (; a; a = next) {
		next = STAILQ_NEXT(a, next);
		if (h->pending > 0)
			h->pending--;
		h->answer(h->owner, a->handle, a->rc, a->ecm, a->why);
		free(a);
	}
	if (h->closing && h->pending == 0 && !uv_is_closing((uv_handle_t *)wake))
		end(h);
}

struct ecmg_host *
ecmg_host_open(uv_loop_t *loop, const char *plugin, const char *conf, unsigned workers, ecmg_host_answer *answer, void *owner,
    struct gw_err *err)
{
	struct ecmg_host *h = calloc(1, sizeof(*h));

	if (!h) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	h->loop = loop;
	h->answer = answer;
	h->owner = owner;
	h->face = (struct kms_host){ sizeof(h->face), h, plugin_log, kms_random, plugin_answer };
	STAILQ_INIT(&h->jobs);
	STAILQ_INIT(&h->answers);
	if (uv_mutex_init(&h->lock) < 0 || uv_cond_init(&h->work) < 0 || uv_async_init(loop, &h->wake, on_wake) < 0)
		abort();	/* no memory, no descriptors: before anything runs */
	h->wake.data = h;
	if (kms_load(&h->module, plugin, err) < 0) {
		end(h);
		return NULL;
	}
	h->plugin = h->module.plugin;
	if (start(h, conf, workers ? workers : 1, err) < 0) {
		end(h);
		return NULL;
	}
	return h;
}

const struct kms_plugin *
ecmg_host_plugin(const struct ecmg_host *h)
{
	return h->plugin;
}

const char *
ecmg_host_path(const struct ecmg_host *h)
{
	return h->module.path;
}

int
ecmg_host_channel(struct ecmg_host *h, uint32_t super_cas_id, struct kms_channel *channel, char *why, size_t cap)
{
	return h->plugin->channel(h->state, super_cas_id, channel, why, cap);
}

int
ecmg_host_stream(struct ecmg_host *h, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	return h->plugin->stream ? h->plugin->stream(h->state, super_cas_id, ecm_id, why, cap) : 0;
}

int
ecmg_host_ecm(struct ecmg_host *h, const struct kms_request *request, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct job *j;
	int rc;

	if (h->plugin->calling != KMS_WORKER) {
		rc = h->plugin->ecm(h->state, request, out, cap, why, why_cap);
		if (rc == KMS_LATER && h->plugin->calling != KMS_ASYNC)
			return -ECMG_E_UNKNOWN;
		h->pending += rc == KMS_LATER;
		return rc;
	}
	j = copy_request(request);
	if (!j)
		return -ECMG_E_STORAGE;
	h->pending++;
	uv_mutex_lock(&h->lock);
	STAILQ_INSERT_TAIL(&h->jobs, j, next);
	uv_cond_signal(&h->work);
	uv_mutex_unlock(&h->lock);
	return KMS_LATER;
}

size_t
ecmg_host_pending(const struct ecmg_host *h)
{
	return h ? h->pending : 0;
}

void
ecmg_host_close(struct ecmg_host *h, void (*closed)(void *, struct ecmg_host *))
{
	h->closing = true;
	h->closed = closed;
	if (h->pending == 0)
		end(h);
}

void
ecmg_host_abandon(struct ecmg_host *h)
{
	if (uv_is_closing((uv_handle_t *)&h->wake))
		return;
	h->abandoned = true;
	uv_mutex_lock(&h->lock);
	h->stop = h->gone = true;
	uv_mutex_unlock(&h->lock);
	uv_close((uv_handle_t *)&h->wake, destroy);
}
