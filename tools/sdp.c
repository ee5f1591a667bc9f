/* tools/sdp.c: simulgate sdp: the session description of a service */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/args.h"
#include "lib/ops.h"
#include "lib/session.h"
#include "tools/tools.h"

enum { WAIT_MS = 2000, SOURCES = 256 };
static const uint64_t NTP_1970 = UINT64_C(2208988800);

struct ask {
	const char *service;
	bool roc;
	const struct he_service *of;
	json_t *status;			/* of the scrambler */
	struct gw_session_source sources[SOURCES];
};

static int
take_service(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct ask *)self)->service = value;
	return 0;
}

static int
take_roc(void *self, const char *value, struct gw_err *err)
{
	(void)value, (void)err;
	((struct ask *)self)->roc = true;
	return 0;
}

static const struct gw_option options[] = {
	{ "service", "ID", "which one", take_service },
	{ "roc", NULL, "with the roll-over counters as the running scrambler has them now, for receivers that join late", take_roc },
};
static const struct gw_program program = {
	"simulgate sdp", "FILE --service ID [--roc]", "Prints the session description (SDP) of a service.", options, 2, 0, 1,
};

/* ---- roll-over counters ---- */

/* Is this entry of the scrambler's list of media that one? Its service is a unit: "news", or "news/audio". */
static bool
is_medium(const json_t *entry, const struct he_service *s, const char *medium)
{
	const char *unit = json_string_value(json_object_get(entry, "service")), *name = json_string_value(json_object_get(entry, "medium"));
	size_t n = strlen(s->id);

	return unit && name && strcmp(name, medium) == 0 && strncmp(unit, s->id, n) == 0 &&
	    (unit[n] == '\0' || (unit[n] == '/' && strcmp(unit + n + 1, medium) == 0));
}

static size_t
sources(void *self, size_t medium, const struct gw_session_source **list)
{
	struct ask *a = self;
	size_t i, k, n = 0;
	json_t *entry, *source;

	json_array_foreach(json_object_get(a->status, "media"), i, entry) {
		if (!is_medium(entry, a->of, a->of->media[medium].name))
			continue;
		/* the SSRCs under its key, in hexadecimal */
		json_array_foreach(json_object_get(entry, "ssrcs"), k, source) {
			const char *ssrc = json_string_value(json_object_get(source, "ssrc"));
			if (n < SOURCES && ssrc)
				a->sources[n++] = (struct gw_session_source){ (uint32_t)strtoul(ssrc, NULL, 16),
					(uint32_t)json_integer_value(json_object_get(source, "roc")) };
		}
	}
	*list = a->sources;
	return n;
}

static int
ask_scrambler(struct ask *a, const struct headend *h, struct gw_err *err)
{
	struct gw_addr at;
	char *body = NULL;

	if (a->of->scrambling != HE_SRTP)
		return gw_fail(err, GW_EUSAGE, "service %s has no roll-over counter: it is not srtp", a->service);
	if (gw_ops_default_addr(h->playout, "scrambler", "", &at, err) < 0 || gw_ops_get(&at, "/status", WAIT_MS, &body, err) < 0)
		return gw_wrap(err, "the scrambler does not say its roll-over counters");
	a->status = json_loads(body, 0, NULL);
	free(body);
	if (!json_is_array(json_object_get(a->status, "media")))
		return gw_fail(err, GW_EPEER, "the scrambler's status has no media");
	return 0;
}

/* ---- the command ---- */

static int
find(struct ask *a, const struct headend *h, struct gw_err *err)
{
	char known[160] = "";
	size_t n = 0;

	if ((a->of = headend_service(h, a->service)))
		return 0;
	for (size_t i = 0; i < h->nservices && n < sizeof(known); i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "", h->services[i].id);
	return gw_fail(err, GW_EUSAGE, "%s: there is no service %s; there %s %s%s", h->file, a->service, h->nservices == 1 ? "is" : "are", known,
	    n < sizeof(known) ? "" : " …");
}

static int
print(struct ask *a, const struct headend *h, struct gw_err *err)
{
	static char text[GW_SESSION_MAX];
	struct gw_session_more more = { .version = gw_session_version(h) };
	size_t n;

	if (find(a, h, err) < 0 || (a->roc && ask_scrambler(a, h, err) < 0))
		return -1;
	if (a->roc)	/* what it says is of now */
		more = (struct gw_session_more){ .version = (uint64_t)time(NULL) + NTP_1970, .sources = sources, .self = a };
	if (!(n = gw_session_write(h, a->of, &more, text, sizeof(text), err)))
		return -1;
	if (fwrite(text, 1, n, stdout) != n || fflush(stdout) != 0)
		return gw_fail(err, GW_ESYS, "cannot write the session description");
	return 0;
}

int
tool_sdp(int argc, char **argv)
{
	struct ask ask = { .service = NULL };
	struct gw_args args;
	struct gw_err err = { 0 };
	struct headend *h;
	const char *path;
	int status = gw_args(&program, &args, &ask, argc, argv);

	if (status >= 0)
		return status;
	path = args.nrest ? args.rest[0] : args.config;
	if (!path || (args.nrest && args.config) || !ask.service) {
		fprintf(stderr, "simulgate sdp: %s see --help\n", ask.service || !path ? "which file?" : "which --service?");
		return gw_exit_status(GW_EUSAGE);
	}
	if (!(h = tool_load(path, &status)))
		return status;
	status = 0;
	if (print(&ask, h, &err) < 0) {
		fprintf(stderr, "simulgate sdp: %s\n", err.text);
		status = gw_exit_status(err.code);
	}
	json_decref(ask.status);
	headend_free(h);
	return status;
}
