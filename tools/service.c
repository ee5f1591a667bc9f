/* tools/service.c: simulgate service: puts a service in clear, or scrambles it again, through the SCS's door on the playout link */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "lib/args.h"
#include "lib/clock.h"
#include "lib/link.h"
#include "proto/playout.h"
#include "tools/tools.h"

enum { WAIT_MS = 10000 };	/* the SCS stores the command before it answers */

struct service {
	int mode;		/* -1: not said yet */
	const char *name;
	uv_timer_t late;
	struct gw_dialer *dialer;
	char said[400];
	int status;		/* -1: no answer yet */
};

static int
take_mode(struct service *s, int mode, struct gw_err *err)
{
	if (s->mode >= 0 && s->mode != mode)
		return gw_fail(err, GW_EUSAGE, "--clear or --scramble, not both");
	s->mode = mode;
	return 0;
}

static int
take_clear(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	return take_mode(self, PLAYOUT_CLEAR, err);
}

static int
take_scramble(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	return take_mode(self, PLAYOUT_SCRAMBLED, err);
}

static const struct gw_option options[] = {
	{ "clear", NULL, "in clear from the end of the running crypto-period on, until it is scrambled again", take_clear },
	{ "scramble", NULL, "scrambled again, as soon as its ECMs have been on air for long enough", take_scramble },
};
static const struct gw_program program = {
	"simulgate service", "NAME --clear|--scramble [--config FILE]",
	"Puts a service in clear, or scrambles it again. The SCS stores the command: its restart changes nothing.", options, 2, 1, 1,
};

/* The answer, or why there is none; the loop ends with the dialer. */
static void
end(struct service *s, int status)
{
	if (s->status >= 0)
		return;
	s->status = status;
	uv_close((uv_handle_t *)&s->late, NULL);
	gw_dialer_close(s->dialer, NULL);
}

static void
on_late(uv_timer_t *t)
{
	struct service *s = t->data;

	snprintf(s->said, sizeof(s->said), "the SCS does not answer; does it run, and with this configuration?");
	end(s, gw_exit_status(GW_EUNAVAIL));
}

static void
say_answer(struct service *s, const struct sim_msg *m)
{
	const struct sim_value *why = sim_value(m, PLAYOUT_ERROR_INFORMATION, 0);
	const struct sim_status *e = sim_status_find(&playout, (uint16_t)sim_int(m, PLAYOUT_ERROR_STATUS, 0));
	const char *what = s->mode == PLAYOUT_CLEAR ? "in clear" : "scrambled";
	char at[32];

	if (sim_value(m, PLAYOUT_ERROR_STATUS, 0)) {
		snprintf(s->said, sizeof(s->said), "%s: %.*s%s%s", s->name, why ? (int)why->len : 0, why ? (const char *)why->p : "",
		    e ? "; " : "", e ? e->next : "");
		end(s, gw_exit_status(GW_EUNAVAIL));
		return;
	}
	if (sim_value(m, PLAYOUT_START, 0))
		printf("service %s: %s from %s%s\n", s->name, what, gw_utc_text(sim_int(m, PLAYOUT_START, 0), at),
		    s->mode == PLAYOUT_CLEAR ? "" : ", should every required KMS answer in time");
	else
		printf("service %s: %s already\n", s->name, what);
	end(s, 0);
}

static void
on_up(void *self, struct gw_link *link)
{
	struct service *s = self;
	uint8_t buf[512];
	struct sim_writer w;
	size_t len;

	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_FOLLOWER_SETUP, buf, sizeof(buf));
	sim_put_int(&w, PLAYOUT_FOLLOWER_ROLE, PLAYOUT_OPERATOR);
	sim_put_text(&w, PLAYOUT_FOLLOWER_NAME, "operator");
	if ((len = sim_end(&w, NULL)))
		gw_link_send(link, buf, len);
	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_SERVICE_COMMAND, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_SERVICE, s->name);
	sim_put_int(&w, PLAYOUT_MODE, s->mode);
	if ((len = sim_end(&w, NULL)))
		gw_link_send(link, buf, len);
}

static void
on_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;
	struct service *s = self;

	(void)link;
	if (s->status >= 0 || sim_decode(&playout, msg, len, &m, NULL) < 0)
		return;
	if (m.def->type == PLAYOUT_SERVICE_ANSWER) {
		say_answer(s, &m);
	} else if (m.def->type == PLAYOUT_FOLLOWER_ERROR) {
		const struct sim_value *why = sim_value(&m, PLAYOUT_ERROR_INFORMATION, 0);
		snprintf(s->said, sizeof(s->said), "the SCS refuses: %.*s", why ? (int)why->len : 0, why ? (const char *)why->p : "");
		end(s, gw_exit_status(GW_EPEER));
	}
}

static void
on_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	(void)self;
	(void)link;
	(void)why;	/* it is dialled again until the time is up: an SCS that restarts has the command then */
}

static const struct gw_link_ops ops = { .up = on_up, .frame = on_frame, .down = on_down };

static int
command(struct service *s, const struct headend *h)
{
	uv_loop_t loop;
	struct gw_addr scs;
	char text[GW_ADDR_TEXT + 32];
	struct gw_err err = { 0 };

	snprintf(text, sizeof(text), "unix://%s/scs.sock", h->playout);
	if (gw_addr_parse(text, GW_UNIX, &scs, &err) < 0) {
		fprintf(stderr, "simulgate service: %s\n", err.text);
		return gw_exit_status(err.code);
	}
	uv_loop_init(&loop);
	if (!(s->dialer = gw_dial(&loop, &scs, 1, &ops, NULL, s))) {
		uv_loop_close(&loop);
		return gw_exit_status(GW_ESYS);
	}
	gw_dialer_max_backoff(s->dialer, 500);
	uv_timer_init(&loop, &s->late);
	s->late.data = s;
	uv_timer_start(&s->late, on_late, WAIT_MS, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	if (s->status)
		fprintf(stderr, "simulgate service: %s\n", s->said);
	return s->status;
}

int
tool_service(int argc, char **argv)
{
	struct service s = { .mode = -1, .status = -1 };
	struct gw_args args;
	struct headend *h;
	int status = gw_args(&program, &args, &s, argc, argv);

	if (status >= 0)
		return status;
	if (s.mode < 0) {
		fprintf(stderr, "simulgate service: --clear or --scramble? see --help\n");
		return gw_exit_status(GW_EUSAGE);
	}
	s.name = args.rest[0];
	if (strlen(s.name) > 128 || !*s.name) {
		fprintf(stderr, "simulgate service: %s is no name of a service\n", s.name);
		return gw_exit_status(GW_EUSAGE);
	}
	if (!(h = tool_load(args.config ? args.config : HEADEND_FILE, &status)))
		return status;
	status = command(&s, h);
	headend_free(h);
	return status;
}
