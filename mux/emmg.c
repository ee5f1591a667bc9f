/* mux/emmg.c */
#include "mux/emmg.h"

/* Sections go to an address without PID as datagrams, each by itself. */
static void *
open_output(void *owner, const struct mux_route *r, uint8_t flag, struct gw_err *err)
{
	const enum mux_format format = flag == MUX_SECTIONS && !r->out.pid ? MUX_DATAGRAM : (enum mux_format)flag;

	return mux_output_ref(((struct mux_emmg *)owner)->outputs, &r->out, format, err);
}

static void
shut_output(void *owner, void *out)
{
	mux_output_unref(((struct mux_emmg *)owner)->outputs, out);
}

static void
put_on_air(void *owner, void *out, const uint8_t *datagram, size_t len)
{
	struct mux_emmg *s = owner;

	mux_output_send(s->outputs, out, datagram, len);
	mux_air_touch(s->air);
}

static const struct mux_maker maker = { open_output, shut_output, put_on_air, NULL, NULL };

static struct mux_face_conf
rules_of(const struct mux_conf *c)
{
	return (struct mux_face_conf){ &c->map, c->rules, c->silence_ms };
}

int
mux_emmg_open(struct mux_emmg *s, uv_loop_t *loop, const struct mux_conf *c, struct mux_outputs *o, struct mux_air *air, struct gw_err *err)
{
	const struct mux_face_conf conf = rules_of(c);

	s->outputs = o;
	s->air = air;
	return mux_face_open(&s->face, loop, &maker, s, &conf, err);
}

void
mux_emmg_reload(struct mux_emmg *s, const struct mux_conf *c)
{
	const struct mux_face_conf conf = rules_of(c);

	mux_face_reload(&s->face, &conf);
}
