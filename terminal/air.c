/* terminal/air.c: the long-term keys of a terminal that is told them on air: registration, then BCROs (bcast-drm-profile 8 and 9) */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kms/drm_ltkm.h"
#include "kms/keys.h"
#include "lib/clock.h"
#include "lib/udp.h"
#include "terminal/terminal.h"

enum { SLOT = 65536, BATCH = 4 };

struct channel { struct term_air *air; int fd; uv_poll_t poll; };
struct term_air {
	struct terminal *app;
	struct drm_device *device;
	struct channel *channels; size_t nchannels;
	struct term_air_counts counts;
	bool waited;		/* said so in the log */
};

static uint8_t room[BATCH][SLOT];

static struct drm_device *
device_of(const struct keys_drm *k, struct gw_err *err)
{
	EVP_PKEY *own = rsa_private(k->device.private_key, err), *issuer = own ? rsa_public(k->device.rights_issuer, err) : NULL;

	if (issuer)
		return drm_device_new(k->base_cid, k->device.number, own, issuer, err);
	EVP_PKEY_free(own);
	return NULL;
}

int
term_air_new(struct terminal *app, const struct he_terminal *t, struct term_air **out, struct gw_err *err)
{
	struct keys_drm keys;
	struct term_air *a = NULL;
	int rc = 0;

	*out = NULL;
	if (t->smartcard)
		return 0;
	if (keys_drm_load(t->keys, &keys, err) < 0)
		return -1;
	if (keys.device.given) {
		a = calloc(1, sizeof(*a));
		rc = a ? 0 : gw_fail(err, GW_ESYS, "no memory");
		if (a && !(a->device = device_of(&keys, err)))
			rc = -1;
	}
	keys_drm_free(&keys);
	if (rc < 0) {
		term_air_free(a);
		return -1;
	}
	if (a)
		a->app = app;
	*out = a;
	return 0;
}

/* A datagram for another device or group is no fault: it shares the channel. Before the registration a BCRO cannot be read. */
static bool
expected(enum bcro_reason why)
{
	return why == BCRO_DEVICE || why == BCRO_ADDRESS || why == BCRO_UNREGISTERED;
}

void
term_air_take(struct term_air *a, const void *msg, size_t len, int64_t utc_s)
{
	bool registration = len > 0 && *(const uint8_t *)msg == BCRO_TAG_REGISTRATION;
	struct term_air_kind *c = registration ? &a->counts.registration : &a->counts.bcro;
	const char *name = registration ? "registration" : "BCRO";
	enum bcro_reason why;
	size_t rights;

	switch (drm_device_receive(a->device, msg, len, utc_s, &why)) {
	case RX_NEW:
		c->accepted++;
		drm_device_keys(a->device, &rights);
		gw_log(GW_INFO, registration ? "registered" : "rights_received", NULL, "terminal=%s rights=%zu", a->app->name, rights);
		break;
	case RX_REPEAT:
		c->repeats++;
		break;
	case RX_REFUSED:
		c->refused[why]++;
		if (!expected(why))
			gw_log_limited(&a->app->rate, GW_WARNING, "ltkm_refused", bcro_reason_text(why), "terminal=%s object=%s reason=%s",
			    a->app->name, name, bcro_reason_name(why));
	}
}

static void
drain(struct channel *ch)
{
	int64_t utc_s = gw_utc_us() / 1000000;
	struct gw_packet pk[BATCH];
	int n;

	do {
		for (size_t i = 0; i < BATCH; i++)
			pk[i].p = room[i];
		n = gw_udp_recv(ch->fd, pk, BATCH, SLOT);
		for (int i = 0; i < n; i++)
			term_air_take(ch->air, pk[i].p, pk[i].len, utc_s);
	} while (n == BATCH);
}

static void
on_ltkm(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	drain(poll->data);
}

void
term_air_drain(struct term_air *a)
{
	for (size_t i = 0; a && i < a->nchannels; i++)
		drain(&a->channels[i]);
}

int
term_air_open(struct term_air *a, const struct he_ltkm *const *ltkm, size_t n, struct gw_err *err)
{
	if (!(a->channels = calloc(n + 1, sizeof(*a->channels))))
		return gw_fail(err, GW_ESYS, "no memory");
	for (size_t i = 0; i < n; i++) {
		struct channel *ch = &a->channels[i];
		ch->air = a;
		if ((ch->fd = gw_udp_receiver(&ltkm[i]->out, err)) < 0)
			return -1;
		if (term_watch(a->app, &ch->poll, ch->fd, on_ltkm, ch, err) < 0) {
			close(ch->fd);
			return -1;
		}
		a->nchannels++;
	}
	return 0;
}

void
term_air_close(struct term_air *a)
{
	for (size_t i = 0; a && i < a->nchannels; i++)
		term_unwatch(&a->channels[i].poll, &a->channels[i].fd);
}

void
term_air_free(struct term_air *a)
{
	if (!a)
		return;
	drm_device_free(a->device);
	free(a->channels);	/* its handles are closed */
	free(a);
}

void
term_air_second(struct term_air *a)
{
	if (!a)
		return;
	drm_device_tick(a->device, gw_utc_us() / 1000000);
	if (!a->waited && !drm_device_registered(a->device))
		gw_log(GW_NOTICE, "waits_for_registration", NULL, "terminal=%s channels=%zu", a->app->name, a->nchannels);
	a->waited = true;
}

struct drm_key *const *
term_air_keys(const struct term_air *a, size_t *n)
{
	return drm_device_keys(a->device, n);
}

void
term_air_counts(const struct term_air *a, struct term_air_counts *c)
{
	*c = a->counts;
	c->registered = drm_device_registered(a->device);
	drm_device_keys(a->device, &c->rights);
}
