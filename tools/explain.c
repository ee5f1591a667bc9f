/* tools/explain.c: simulgate explain: an error code in words */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/args.h"
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"
#include "tools/tools.h"

/*
 * A code below `base` is the interface's own number: bcast 7 is 0x8007 on the wire. Codes of OMA BCAST mean the same on ECMG <=> SCS
 * and EMMG <=> MUX: `to` keeps a search through all books from saying so twice.
 */
static const struct book { const char *name; const struct sim_iface *iface; unsigned to, base; } books[] = {
	{ "ecmg", &ecmg_scs, 0x7fff, 0 },
	{ "mux", &emmg_mux, 0x7fff, 0 },
	{ "bcast", &ecmg_scs, 0xffff, ECMG_E_BCAST },
	{ "eis", &eis_scs, 0xffff, 0 },
	{ "psig", &psig_mux, 0xffff, 0 },
	{ "cpsig", &cpsig_psig, 0xffff, 0 },
	{ "playout", &playout, 0xffff, 0 },
};
enum { NBOOKS = sizeof(books) / sizeof(books[0]) };
#define BOOKS "ecmg, mux, bcast, eis, psig, cpsig or playout"

static int
take_interface(void *self, const char *value, struct gw_err *err)
{
	const struct book **book = self;

	for (size_t i = 0; i < NBOOKS; i++)
		if (strcmp(books[i].name, value) == 0) {
			*book = &books[i];
			return 0;
		}
	return gw_fail(err, GW_EUSAGE, "%s is not known: " BOOKS, value);
}

static const struct gw_option options[] = {
	{ "interface", "NAME", BOOKS "; bcast: status codes of OMA BCAST; without it all are searched", take_interface },
};
static const struct gw_program program = {
	"simulgate explain", "CODE [--interface NAME]", "Says what an error code means and what to do next.", options, 1, 1, 1,
};

static void
explain(const char *where, unsigned code, const struct sim_status *s)
{
	printf("0x%04x on %s: %s\n  meaning: %s\n  next:    %s\n", code, where, s->name, s->meaning, s->next);
}

/* The one interface asked for; BCAST's codes go by their own number, too. */
static void
explain_on(const struct book *b, unsigned code)
{
	if (code < b->base)
		code += b->base;
	explain(b->name, code, sim_status_words(b->iface, (uint16_t)code));
}

/* Every interface that has the code; what none has is explained by its range, which is the same on all. */
static void
explain_all(unsigned code)
{
	const struct sim_status *s;
	int found = 0;

	for (size_t i = 0; i < NBOOKS; i++) {
		if (code < books[i].base || code > books[i].to || !(s = sim_status_find(books[i].iface, (uint16_t)code)))
			continue;
		if (found++)
			putchar('\n');
		explain(books[i].name, code, s);
	}
	if (!found)
		explain("every interface", code, sim_status_words(books[0].iface, (uint16_t)code));
}

int
tool_explain(int argc, char **argv)
{
	const struct book *only = NULL;
	struct gw_args args;
	unsigned long code;
	int status = gw_args(&program, &args, &only, argc, argv);
	char *end;

	if (status >= 0)
		return status;
	errno = 0;
	code = strtoul(args.rest[0], &end, 0);
	if (errno || !isdigit((unsigned char)*args.rest[0]) || *end || code > 0xffff) {
		fprintf(stderr, "simulgate explain: %s is not a code: write 0x0013 or 19\n", args.rest[0]);
		return gw_exit_status(GW_EUSAGE);
	}
	if (only)
		explain_on(only, (unsigned)code);
	else
		explain_all((unsigned)code);
	return 0;
}
