/*
 * man/pages.c: fills the lists of the manual from the tables that the programs work by. Template on standard input, page on
 * standard output; a line "@exit@", "@yaml@", "@keys PROFILE@", "@lint@", "@iface NAME@" or "@example@" (argument: a file) is replaced.
 */
#include <stdio.h>
#include <string.h>
#include "kms/keys.h"
#include "kms/usim.h"
#include "lib/err.h"
#include "lib/headend.h"
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"
#include "tools/lint.h"

/* Codes of OMA BCAST, the same everywhere, are listed once. */
static const struct { const char *name; const struct sim_iface *iface; uint16_t last; } ifaces[] = {
	{ "ecmg", &ecmg_scs, 0xffff }, { "mux", &emmg_mux, 0x7fff }, { "playout", &playout, 0xffff },
	{ "eis", &eis_scs, 0xffff }, { "psig", &psig_mux, 0xffff }, { "cpsig", &cpsig_psig, 0xffff },
};

static void
exit_statuses(void)
{
#define X(code, status, text) printf(".It %d\n%s\n", status, text);
	GW_ERRORS(X)
#undef X
}

/* "[AC_delay_start]", "ECM_id (from version 2)", "CP_CW_combination ..." */
static void
use(const struct sim_iface *iface, const struct sim_use *u, const char *comma)
{
	const struct sim_param *p = sim_param_find(iface, u->type);
	char more[96] = "";
	size_t n = 0;

	if (u->from && u->from == u->to)
		n += (size_t)snprintf(more + n, sizeof(more) - n, ", version %d", u->from);
	else if (u->to)
		n += (size_t)snprintf(more + n, sizeof(more) - n, ", to version %d", u->to);
	else if (u->from)
		n += (size_t)snprintf(more + n, sizeof(more) - n, ", from version %d", u->from);
	if (u->spare)
		n += (size_t)snprintf(more + n, sizeof(more) - n, u->least ? ", tolerated if missing" : ", tolerated");
	if (u->len)
		n += (size_t)snprintf(more + n, sizeof(more) - n, ", %d octets", u->len);
	if (u->top)
		n += (size_t)snprintf(more + n, sizeof(more) - n, ", at most %d", u->top);
	printf(u->least ? "%s%s" : "[%s%s]", p->name, u->most > 1 ? " ...\\&" : "");
	if (n)
		printf("\n(%s)", more + 2);
	printf("%s\n", comma);
}

static void
contents(const struct sim_iface *iface, const char *title, const struct sim_message *rows, size_t n)
{
	printf(".Ss %s\n.Bl -tag -width Ds\n", title);
	for (size_t i = 0; i < n; i++) {
		const struct sim_message *m = &rows[i];

		printf(".It Li 0x%04x Ic %s\n", m->type, m->name);
		for (size_t k = 0; k < m->n && m->n < iface->nparams; k++)	/* all of them: nothing is known */
			use(iface, &m->uses[k], k + 1 < m->n ? "," : ".");
	}
	printf(".El\n");
}

static void
parameters(const struct sim_iface *iface)
{
	static const char *const kinds[] = {
		[SIM_UINT] = "number", [SIM_INT] = "signed", [SIM_HEX] = "number", [SIM_BYTES] = "octets", [SIM_TEXT] = "text",
		[SIM_TIME] = "time", [SIM_GROUP] = "compound",
	};

	printf(".Ss Parameters\n.Bl -column \"0x0000\" \"access_criteria_transfer_mode\" \"compound\" \"0 to 65535\" \"x100 ms\"\n"
	    ".It Sy type Ta Sy name Ta Sy kind Ta Sy octets Ta Sy unit\n");
	for (size_t i = 0; i < iface->nparams; i++) {
		const struct sim_param *p = &iface->params[i];

		printf(".It Li 0x%04x Ta %s Ta %s Ta ", p->type, p->name, p->flags & SIM_SECRET ? "secret" : kinds[p->kind]);
		printf(p->min == p->max ? "%u" : "%u to %u", p->min, p->max);
		printf(" Ta %s\n", p->unit ? p->unit : "\\&");
	}
	printf(".El\n");
}

static void
statuses(const struct sim_iface *iface, uint16_t last)
{
	printf(".Ss error_status\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < iface->nstatuses; i++)
		if (iface->statuses[i].status <= last)
			printf(".It Li 0x%04x No %s\n%s.\nNext: %s.\n", iface->statuses[i].status, iface->statuses[i].name,
			    iface->statuses[i].meaning, iface->statuses[i].next);
	printf(".El\n");
}

static void
rules(void)
{
	const struct lint_rule *r;

	printf(".Bl -tag -width Ds\n");
	for (size_t n = 0; (r = lint_rule(n)) != NULL; n++)
		printf(".It Ic %s\n%s\n(%s, %s, %s%s%s).\n", r->id, r->says, r->iface ? r->iface->name : "all interfaces", lint_severity_word(r->severity),
		    r->side == LINT_EITHER ? "either side" : r->iface ? lint_side_word(r->iface, r->side) : r->side == LINT_CLIENT ? "the client" : "the server",
		    r->clause ? "; " : "", r->clause ? r->clause : "");
	printf(".El\n");
}

static int
copy(const char *path)
{
	FILE *f = path ? fopen(path, "r") : NULL;
	char line[1024];

	if (!f) {
		fprintf(stderr, "pages: cannot read the example\n");
		return -1;
	}
	while (fgets(line, sizeof(line), f))
		fputs(line, stdout);
	fclose(f);
	return 0;
}

static int
fill(char *what, const char *example)
{
	what[strcspn(what, "@")] = '\0';
	if (strcmp(what, "exit") == 0)
		return exit_statuses(), 0;
	if (strcmp(what, "yaml") == 0)
		return headend_print_mdoc(), 0;
	if (strcmp(what, "keys drm") == 0 || strcmp(what, "keys smartcard") == 0)
		return keys_print_mdoc(what[5] == 's', stdout), 0;
	if (strcmp(what, "keys usim") == 0)
		return usim_print_mdoc(stdout), 0;
	if (strcmp(what, "lint") == 0)
		return rules(), 0;
	if (strcmp(what, "example") == 0)
		return copy(example);
	for (size_t i = 0; i < sizeof(ifaces) / sizeof(ifaces[0]); i++)
		if (strncmp(what, "iface ", 6) == 0 && strcmp(what + 6, ifaces[i].name) == 0) {
			contents(ifaces[i].iface, "Messages", ifaces[i].iface->messages, ifaces[i].iface->nmessages);
			if (ifaces[i].iface->ngroups)
				contents(ifaces[i].iface, "Compound parameters", ifaces[i].iface->groups, ifaces[i].iface->ngroups);
			parameters(ifaces[i].iface);
			statuses(ifaces[i].iface, ifaces[i].last);
			return 0;
		}
	fprintf(stderr, "pages: @%s@ is not known\n", what);
	return -1;
}

int
main(int argc, char **argv)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin)) {
		if (line[0] != '@')
			fputs(line, stdout);
		else if (fill(line + 1, argc > 1 ? argv[1] : NULL) < 0)
			return 1;
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
