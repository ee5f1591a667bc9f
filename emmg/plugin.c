/* emmg/plugin.c: see plugin.h */
#include "emmg/plugin.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "kms/load.h"
#include "lib/secret.h"
#include "proto/emmg_mux.h"

enum { WHY = 240 };

struct emmg_ask {
	STAILQ_ENTRY(emmg_ask) next;
	struct kms_ltkm what;
	uint32_t index;
	emmg_plugin_answer *answer;	/* NULL: forgotten */
	void *self;
};
struct emmg_plugin {
	uv_loop_t *loop;
	struct kms_module module;
	struct kms_host face;
	void *state;
	bool opened, closing;
	STAILQ_HEAD(, emmg_ask) asks;	/* the first one is on the worker thread while `busy` */
	bool busy;
	uv_work_t work;
	int rc;
	char why[WHY];
	uint8_t out[KMS_ECM_MAX];	/* LTKMs are encrypted, but who knows what a plugin makes: cleansed at the end */
};

static void
plugin_log(void *ctx, int level, const char *text)
{
	kms_module_log(&((struct emmg_plugin *)ctx)->module, level, text);
}

/* An EMMG asks for no ECM, and so waits for no late one. */
static void
no_answer(void *ctx, uint64_t handle, const uint8_t *ecm, size_t len, int error, const char *why)
{
	(void)ctx, (void)handle, (void)ecm, (void)len, (void)error, (void)why;
}

static void
destroy(struct emmg_plugin *p)
{
	if (p->opened)
		p->module.plugin->close(p->state);
	kms_unload(&p->module);
	gw_cleanse(p->out, sizeof(p->out));
	free(p);
}

struct emmg_plugin *
emmg_plugin_open(uv_loop_t *loop, const char *plugin, const char *lines, struct gw_err *err)
{
	struct emmg_plugin *p = calloc(1, sizeof(*p));

	if (!p) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	p->loop = loop;
	p->face = (struct kms_host){ sizeof(p->face), p, plugin_log, kms_random, no_answer };
	p->work.data = p;
	STAILQ_INIT(&p->asks);
	if (kms_load(&p->module, plugin, err) < 0) {
		destroy(p);
		return NULL;
	}
	if (!kms_makes_ltkm(&p->module)) {
		gw_fail(err, GW_EPLUGIN, "plugin %s makes no EMMs or LTKMs for broadcast: its struct kms_plugin has no ltkm(); give the stream "
		    "a source, or take it out", p->module.plugin->name);
		destroy(p);
		return NULL;
	}
	if (kms_open(&p->module, &p->face, lines, &p->state, err) < 0) {
		destroy(p);
		return NULL;
	}
	p->opened = true;
	return p;
}

const char *
emmg_plugin_name(const struct emmg_plugin *p)
{
	return p->module.plugin->name;
}

const char *
emmg_plugin_path(const struct emmg_plugin *p)
{
	return p->module.path;
}

static void
call(struct emmg_plugin *p, const struct emmg_ask *a)
{
	p->why[0] = '\0';
	p->rc = p->module.plugin->ltkm(p->state, &a->what, a->index, p->out, sizeof(p->out), p->why, sizeof(p->why));
	if (p->rc > (int)sizeof(p->out) || p->rc <= KMS_LATER)
		p->rc = -EMMG_E_UNKNOWN;
}

static void next(struct emmg_plugin *);

static void
on_worker(uv_work_t *w)
{
	struct emmg_plugin *p = w->data;

	call(p, STAILQ_FIRST(&p->asks));
}

static void
after(uv_work_t *w, int status)
{
	struct emmg_plugin *p = w->data;
	struct emmg_ask *a = STAILQ_FIRST(&p->asks);

	(void)status;
	STAILQ_REMOVE_HEAD(&p->asks, next);
	p->busy = false;
	if (a->answer)
		a->answer(a->self, p->rc, p->out, p->why);
	free(a);
	next(p);
}

static void
next(struct emmg_plugin *p)
{
	struct emmg_ask *a;

	while (!p->busy && (a = STAILQ_FIRST(&p->asks)) != NULL && !a->answer) {
		STAILQ_REMOVE_HEAD(&p->asks, next);
		free(a);
	}
	if (p->busy)
		return;
	if (!STAILQ_EMPTY(&p->asks))
		p->busy = uv_queue_work(p->loop, &p->work, on_worker, after) == 0;
	else if (p->closing)
		destroy(p);
}

struct emmg_ask *
emmg_plugin_ask(struct emmg_plugin *p, const struct kms_ltkm *what, uint32_t index, emmg_plugin_answer *answer, void *self)
{
	struct emmg_ask one = { .what = *what, .index = index, .answer = answer, .self = self }, *a;

	if (p->module.plugin->calling != KMS_WORKER) {
		call(p, &one);
		answer(self, p->rc, p->out, p->why);
		return NULL;
	}
	a = malloc(sizeof(*a));
	if (!a) {
		answer(self, -EMMG_E_UNKNOWN, NULL, "out of memory");
		return NULL;
	}
	*a = one;
	STAILQ_INSERT_TAIL(&p->asks, a, next);
	next(p);
	return a;
}

void
emmg_plugin_forget(struct emmg_ask *a)
{
	if (a)
		a->answer = NULL;
}

void
emmg_plugin_close(struct emmg_plugin *p)
{
	if (!p)
		return;
	p->closing = true;
	next(p);
}
