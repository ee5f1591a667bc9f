/* tools/explain.c: simulgate explain: an error code in words */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/args.h"
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "proto/playout.h"
#include "tools/tools.h"

/* A code below `base` is the interface's own number: bcast 7 is 0x8007 on the wire. */
static const struct book { const char *name; const struct sim_iface *iface; unsigned from, to, base; } books[] = {
	{ "ecmg", &ecmg_scs, 0, 0x7fff, 0 },
	{ "mux", &emmg_mux, 0, 0x7fff, 0 },
	{ "bcast", &ecmg_scs, ECMG_E_BCAST, 0xffff, ECMG_E_BCAST },
	{ "playout", &playout, 0, 0xffff, 0 },
};
enum { NBOOKS = sizeof(books) / sizeof(books[0]) };

static int
take_interface(void *self, const char *value, struct gw_err *err)
{
	const struct book **book = self;

	for (size_t i = 0; i < NBOOKS; i++)
		if (strcmp(books[i].name, value) == 0) {
			*book = &books[i];
			return 0;
		}
	return gw_fail(err, GW_EUSAGE, "%s is not known: ecmg, mux, bcast or playout", value);
}

static const struct gw_option options[] = {
	{ "interface", "NAME", "ecmg, mux, bcast (status codes of OMA BCAST) or playout; without it all are searched", take_interface },
};
static const struct gw_program program = {
	"simulgate explain", "CODE [--interface NAME]", "Says what an error code means and what to do next.", options, 1, 1, 1,
};

static const struct sim_status *
look_up(const struct book *b, unsigned code, bool named)
{
	if (named && code < b->base)
		code += b->base;	/* its own number, when it is asked for */
	return code >= b->from && code <= b->to ? sim_status_find(b->iface, (uint16_t)code) : NULL;
}

int
tool_explain(int argc, char **argv)
{
	const struct book *only = NULL;
	struct gw_args args;
	unsigned long code;
	int status = gw_args(&program, &args, &only, argc, argv), found = 0;
	char *end;

	if (status >= 0)
		return status;
	errno = 0;
	code = strtoul(args.rest[0], &end, 0);
	if (errno || !isdigit((unsigned char)*args.rest[0]) || *end || code > 0xffff) {
		fprintf(stderr, "simulgate explain: %s is not a code: write 0x0013 or 19\n", args.rest[0]);
		return gw_exit_status(GW_EUSAGE);
	}
	for (size_t i = 0; i < NBOOKS; i++) {
		const struct sim_status *s = only && only != &books[i] ? NULL : look_up(&books[i], (unsigned)code, only != NULL);

		if (!s)
			continue;
		printf("%s0x%04x on %s: %s\n  meaning: %s\n  next:    %s\n", found++ ? "\n" : "", s->status, books[i].name, s->name,
		    s->meaning, s->next);
	}
	if (found)
		return 0;
	fprintf(stderr, "simulgate explain: 0x%04lx is no error of %s\n", code, only ? only->name : "any interface here");
	return 1;
}
