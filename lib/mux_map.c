/* lib/mux_map.c */
#include "lib/mux_map.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
order(const struct mux_route *a, uint32_t client_id, uint16_t data_id, int data_type)
{
	if (a->client_id != client_id)
		return a->client_id < client_id ? -1 : 1;
	if (a->data_id != data_id)
		return a->data_id < data_id ? -1 : 1;
	return (a->data_type > data_type) - (a->data_type < data_type);
}

/* The first that is not before it. */
static size_t
seek(const struct mux_map *m, uint32_t client_id, uint16_t data_id, int data_type)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		const size_t mid = (lo + hi) / 2;
		if (order(&m->v[mid], client_id, data_id, data_type) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int
mux_map_put(struct mux_map *m, const struct mux_route *r, struct gw_err *err)
{
	const size_t at = seek(m, r->client_id, r->data_id, r->data_type);
	struct mux_route *v;

	if (at < m->n && order(&m->v[at], r->client_id, r->data_id, r->data_type) == 0)
		return gw_fail(err, GW_ECONF, "two streams have client_id 0x%08x and data_id %u", r->client_id, r->data_id);
	v = realloc(m->v, (m->n + 1) * sizeof(*v));
	if (!v)
		return gw_fail(err, GW_ESYS, "out of memory");
	memmove(&v[at + 1], &v[at], (m->n++ - at) * sizeof(*v));
	v[at] = *r;
	m->v = v;
	return 0;
}

static int
number(const char **p, char stop, unsigned long most, unsigned long *out)
{
	char *end;

	if (!isdigit((unsigned char)**p))
		return -1;
	*out = strtoul(*p, &end, 0);
	if (*end != stop || *out > most)
		return -1;
	*p = end + 1;
	return 0;
}

int
mux_map_add(struct mux_map *m, const char *text, struct gw_err *err)
{
	struct mux_route r = { .data_type = MUX_ANY_TYPE, .most_bps = UINT64_MAX, .repeat = 1, .repeat_ms = 1000 };
	const char *p = text, *address = strchr(text, '='), *slash = strchr(text, '/');
	unsigned long type = 0, client = 0, data = 0;
	const bool typed = address && slash && slash < address && (slash = strchr(slash + 1, '/')) != NULL && slash < address;

	if (!address || (typed && number(&p, '/', 1, &type) < 0) || number(&p, '/', UINT32_MAX, &client) < 0 ||
	    number(&p, '=', UINT16_MAX, &data) < 0)
		return gw_fail(err, GW_EUSAGE, "%s is not [DATA_TYPE/]CLIENT_ID/DATA_ID=udp://HOST:PORT", text);
	r.data_type = typed ? (int)type : MUX_ANY_TYPE;
	r.client_id = (uint32_t)client;
	r.data_id = (uint16_t)data;
	if (gw_addr_parse(p, GW_UDP | GW_PID, &r.out, err) < 0)
		return -1;
	return mux_map_put(m, &r, err);
}

int
mux_map_take(struct mux_map *m, const struct headend *h, struct gw_err *err)
{
	for (size_t i = 0; i < h->nltkm; i++) {
		const struct he_ltkm *l = &h->ltkm[i];
		const struct mux_route r = { .client_id = l->client_id, .data_id = l->data_id, .data_type = l->data_type,
			.most_bps = l->bandwidth_bps, .repeat = l->repeat, .repeat_ms = l->repeat_every_ms,
			.udp_alone = l->udp_without_control, .out = l->out };
		if (l->out.scheme && mux_map_put(m, &r, err) < 0)
			return -1;
	}
	return 0;
}

void
mux_map_free(struct mux_map *m)
{
	free(m->v);
	*m = (struct mux_map){ 0 };
}

const struct mux_route *
mux_map_find(const struct mux_map *m, int data_type, uint32_t client_id, uint16_t data_id)
{
	for (size_t i = seek(m, client_id, data_id, MUX_ANY_TYPE); i < m->n; i++) {
		const struct mux_route *r = &m->v[i];
		if (r->client_id != client_id || r->data_id != data_id)
			break;
		if (r->data_type == data_type || r->data_type == MUX_ANY_TYPE || data_type == MUX_ANY_TYPE)
			return r;
	}
	return NULL;
}

bool
mux_map_knows(const struct mux_map *m, uint32_t client_id)
{
	const size_t i = seek(m, client_id, 0, MUX_ANY_TYPE);

	return i < m->n && m->v[i].client_id == client_id;
}
