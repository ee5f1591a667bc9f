/* tools/explain.c: simulgate explain: an error code, or a counter of packets, in words */
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

/* Why scramblers drop packets (lib/transform.h, scrambler/batch.h), and what terminals count, as /status and metrics name them. */
static const struct counter { const char *name, *where, *meaning, *next; } counters[] = {
	{ "no_key", "scrambler", "no key was in force: none has come since its start, its row refused it, or on_loss mutes the service",
	    "look whether the SCS runs and commits crypto-periods of the service; the ECM streams it waits for say so in simulgate status" },
	{ "not_rtp", "scrambler", "it is no RTP of version 2, or too short for what its header announces; or RTCP at the port of the media",
	    "look what is sent to the medium's in; a transport stream without RTP needs rtp: false, RTCP belongs to the port above" },
	{ "malformed", "scrambler", "its payload is not what the medium's type promises, or it came with the payload type of what goes out",
	    "compare type, in_payload_type and payload_type of the medium with what the source sends" },
	{ "repeat", "scrambler", "its sequence number was sent before", "look for a second source of the same stream, or a loop in the network" },
	{ "restart", "scrambler", "its sequence number lies far behind: late, or the first packet of a source that began anew",
	    "one for each restart is normal; if it repeats, two sources send with one SSRC" },
	{ "too_many_sources", "scrambler", "more SSRCs come than the service may have under one key", "raise sources of the service, or find out who sends" },
	{ "ssrc_taken", "scrambler", "another medium of the service uses this SSRC under the same key, which would repeat its key stream",
	    "give the sources SSRCs of their own" },
	{ "incomplete", "scrambler", "it belongs to an access unit of which a part was lost, or whose beginning was not seen",
	    "look for loss between the source and the scrambler; some at the start of a source are normal" },
	{ "too_long", "scrambler", "with what its protection adds it would not fit, or its access unit is larger than one may be",
	    "let the source send smaller packets" },
	{ "key_exhausted", "scrambler", "the key has protected as much as one may", "look why no new key came; a shorter crypto_period helps" },
	{ "authentication", "receiver", "it is not authentic under the key that it names", "see bad_tag" },
	{ "failed", "scrambler", "the cryptographic library refused it", "look at the log; restart with another engine to compare" },
	{ "send_error", "scrambler", "the kernel did not take it", "look for a full queue of the interface, a missing route, or packets above the MTU" },
	{ "overload", "scrambler", "its stream sent more than its share while the buffer of the socket that it shares was filling",
	    "look for a source that floods; else give the service's worker fewer services, or more threads" },
	{ "kernel", "scrambler", "the buffer of the socket was full; other streams may share the socket",
	    "as for overload; net.core.rmem_max limits the buffer where the scrambler may not raise it" },
	{ "lost", "terminal", "numbers are missing in the sequence of the packets that were descrambled", "compare with packets_out of the scrambler" },
	{ "undecryptable", "terminal", "it has no key, is not authentic, or has no sensible content",
	    "see unknown_key and bad_tag; what is neither is content: a wrong key or roll-over counter without authentication, or another payload" },
	{ "unknown_key", "terminal", "it names a key that no STKM has brought", "look whether STKMs are on air early enough and are accepted (stkm)" },
	{ "bad_tag", "terminal", "it is not authentic under the key that it names: another key, a change on the way, or a roll-over counter not found yet",
	    "compare the fingerprints of the key at the SCS and the scrambler; for receivers that join late set rcc" },
	{ "waiting", "terminal", "it came before the first key could be there", "nothing, unless it goes on: then no STKM is heard" },
	{ "repeated", "terminal", "it came twice, or far too late", "look for two senders, or a loop in the network" },
	{ "reordered", "terminal", "it came after one that follows it", "look at the network; it was descrambled" },
	{ "rtcp_bad", "terminal", "RTCP that could not be opened, or came twice", "as for bad_tag and unknown_key" },
};

/* -1: no counter has this name. */
static int
explain_counter(const char *name)
{
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		const struct counter *c = &counters[i];
		if (strcmp(c->name, name) == 0)
			return printf("%s, counted by the %s\n  meaning: %s\n  next:    %s\n", c->name, c->where, c->meaning, c->next) < 0;
	}
	return -1;
}

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
	"simulgate explain", "CODE|COUNTER [--interface NAME]", "Says what an error code, or a counter of packets, means and what to do next.", options, 1, 1, 1,
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
	if (!only && explain_counter(args.rest[0]) == 0)
		return 0;
	errno = 0;
	code = strtoul(args.rest[0], &end, 0);
	if (errno || !isdigit((unsigned char)*args.rest[0]) || *end || code > 0xffff) {
		fprintf(stderr, "simulgate explain: %s is neither a code, as 0x0013 or 19, nor a counter, as no_key\n", args.rest[0]);
		return gw_exit_status(GW_EUSAGE);
	}
	if (only)
		explain_on(only, (unsigned)code);
	else
		explain_all((unsigned)code);
	return 0;
}
