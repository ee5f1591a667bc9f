/* bridge/keys.c: see keys.h; both sides of CP-3 as one part of the bridge */
#include "bridge/keys.h"
#include <stdlib.h>
#include <string.h>
#include "bridge/keys_int.h"
#include "cwg/cwg.h"
#include "lib/clock.h"

enum { TICK_MS = 200 };

char *
tek_content(const struct he_unit *u)
{
	const char *global = u->service->global_content_id ? u->service->global_content_id : u->service->id, *medium = u->id + strlen(u->service->id);
	size_t cap = strlen(global) + strlen(medium) + 1;
	char *out = malloc(cap);

	if (out) {
		memcpy(out, global, strlen(global));
		memcpy(out + strlen(global), medium, strlen(medium) + 1);
	}
	return out;
}

int
tek_protection(const struct he_service *s)
{
	static const struct { enum he_scrambling ours; int theirs; } table[] = {
		{ HE_IPSEC, SP4_IPSEC }, { HE_SRTP, SP4_SRTP }, { HE_ISMACRYP, SP4_ISMACRYP }, { HE_CISSA, SP4_CISSA },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].ours == s->scrambling)
			return table[i].theirs;
	return s->cw_length == 16 ? SP4_CISSA : SP4_CSA2;	/* a scrambler that is not ours */
}

size_t
tek_length(const struct he_service *s)
{
	return cwg_length((int)s->scrambling, s->authentication, s->cw_length);
}

static void
on_tick(uv_timer_t *t)
{
	tek_bsa_tick(t->data, gw_mono_us());
}

void
br_keys_let_go(struct br_keys *k)
{
	if (--k->handles == 0)
		free(k);
}

static void
timer_closed(uv_handle_t *h)
{
	br_keys_let_go(h->data);
}

struct br_keys *
br_keys_open(uv_loop_t *loop, const struct headend *he, const struct he_bridge *b, struct ex *ex, struct gw_err *err)
{
	struct br_keys *k = calloc(1, sizeof(*k));

	if (!k) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	*k = (struct br_keys){ .loop = loop, .he = he, .b = b, .ex = ex, .rate = { .burst = 20, .per_ms = 10000 }, .handles = 1 };
	uv_timer_init(loop, &k->timer);
	k->timer.data = k;
	uv_timer_start(&k->timer, on_tick, TICK_MS, TICK_MS);
	if (tek_made_reconf(k, err) < 0 || tek_bsa_reconf(k, err) < 0) {
		br_keys_close(k);
		return NULL;
	}
	return k;
}

int
br_keys_reconf(struct br_keys *k, const struct headend *he, const struct he_bridge *b, struct gw_err *err)
{
	const struct headend *old_he = k->he;
	const struct he_bridge *old = k->b;

	k->he = he;
	k->b = b;
	if (tek_made_reconf(k, err) == 0 && tek_bsa_reconf(k, err) == 0)
		return 0;
	k->he = old_he;		/* the fresh file goes: nothing may point there */
	k->b = old;
	tek_made_reconf(k, NULL);
	tek_bsa_reconf(k, NULL);
	return -1;
}

void
br_keys_close(struct br_keys *k)
{
	if (!k)
		return;
	k->closing = true;
	tek_bsa_close(k);
	tek_made_close(k);
	uv_close((uv_handle_t *)&k->timer, timer_closed);
}

json_t *
br_keys_status(const struct br_keys *k)
{
	return json_pack("{s:b, s:o, s:o}", "scs", tek_link_up(k->link), "taken", tek_bsa_status(k), "made", tek_made_status(k));
}

void
br_keys_collect(const struct br_keys *k, struct gw_samples *s)
{
	tek_bsa_collect(k, s);
	tek_made_collect(k, s);
}
