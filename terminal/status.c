/* terminal/status.c: what operators see, and the summary at the end */
#include <stdio.h>
#include "terminal/terminal.h"

static const char *const reasons[RECEIVER_REASONS] = {
	[RX_FINE] = "none", [RX_MALFORMED] = "malformed", [RX_UNSUPPORTED] = "unsupported", [RX_NO_KEY] = "no_key", [RX_BAD_MAC] = "bad_mac",
	[RX_NOT_VALID] = "not_valid", [RX_OLD] = "old", [RX_ABOVE] = "above_limit", [RX_STALE] = "stale", [RX_FAILED] = "failed",
};

const char *
term_reason(enum rx_reason r)
{
	return reasons[r];
}

/* "mac:2,address:40", or "0". */
static const char *
by_reason(const struct term_air_kind *k, char *out, size_t cap)
{
	size_t at = 0;

	snprintf(out, cap, "0");
	for (size_t r = 1; r < BCRO_NREASONS && at < cap; r++)
		if (k->refused[r])
			at += (size_t)snprintf(out + at, cap - at, "%s%s:%llu", at ? "," : "", bcro_reason_name((enum bcro_reason)r),
			    (unsigned long long)k->refused[r]);
	return out;
}

static void
air_summary(const struct term_air *air, FILE *out)
{
	struct term_air_counts c;
	char registration[1024], bcro[1024];

	term_air_counts(air, &c);
	fprintf(out, " registered=%d registration_accepted=%llu registration_refused=%s bcro_accepted=%llu bcro_refused=%s rights=%zu", c.registered,
	    (unsigned long long)c.registration.accepted, by_reason(&c.registration, registration, sizeof(registration)),
	    (unsigned long long)c.bcro.accepted, by_reason(&c.bcro, bcro, sizeof(bcro)), c.rights);
}

static uint64_t
refused(const struct receiver_counts *c)
{
	uint64_t n = 0;

	for (size_t r = 1; r < RECEIVER_REASONS; r++)
		n += c->refused[r];
	return n;
}

void
term_summary(const struct terminal *app, FILE *out)
{
	struct receiver_counts c;
	term_counts(app, &c);
	fprintf(out, "terminal %s: packets=%llu lost=%llu undecryptable=%llu crypto_periods=%llu clear=%llu waiting=%llu repeated=%llu stkm=%llu "
	    "accepted=%llu repeats=%llu refused=%llu reordered=%llu unknown_key=%llu bad_tag=%llu rtcp=%llu rtcp_bad=%llu", app->name, (unsigned long long)c.packets,
	    (unsigned long long)c.lost, (unsigned long long)c.undecryptable, (unsigned long long)c.crypto_periods, (unsigned long long)c.clear,
	    (unsigned long long)c.waiting, (unsigned long long)c.repeated, (unsigned long long)c.stkm, (unsigned long long)c.accepted,
	    (unsigned long long)c.repeats, (unsigned long long)refused(&c), (unsigned long long)c.reordered, (unsigned long long)c.unknown_key,
	    (unsigned long long)c.bad_tag, (unsigned long long)c.rtcp, (unsigned long long)c.rtcp_bad);
	if (app->air)
		air_summary(app->air, out);
	fputc('\n', out);
	fflush(out);
}

static json_t *
unit_status(const struct term_unit *u)
{
	struct receiver_counts c;
	json_t *why = json_object();

	receiver_counts(u->receiver, &c);
	for (size_t r = 1; r < RECEIVER_REASONS; r++)
		if (c.refused[r])
			json_object_set_new(why, reasons[r], json_integer((json_int_t)c.refused[r]));
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I}, s:{s:I, s:I, s:I, s:o}}", "service", u->id, "kms", u->kms,
	    "clear", (json_int_t)c.clear, "packets", (json_int_t)c.packets, "lost", (json_int_t)c.lost, "reordered", (json_int_t)c.reordered,
	    "undecryptable", (json_int_t)c.undecryptable, "unknown_key", (json_int_t)c.unknown_key, "bad_tag", (json_int_t)c.bad_tag,
	    "waiting", (json_int_t)c.waiting, "repeated", (json_int_t)c.repeated, "crypto_periods", (json_int_t)c.crypto_periods,
	    "keys", (json_int_t)receiver_keys(u->receiver),
	    "rtcp", "packets", (json_int_t)c.rtcp, "bad", (json_int_t)c.rtcp_bad,
	    "stkm", "received", (json_int_t)c.stkm, "accepted", (json_int_t)c.accepted, "repeats", (json_int_t)c.repeats, "refused", why);
}

static json_t *
kind_status(const struct term_air_kind *k)
{
	json_t *why = json_object();

	for (size_t r = 1; r < BCRO_NREASONS; r++)
		if (k->refused[r])
			json_object_set_new(why, bcro_reason_name((enum bcro_reason)r), json_integer((json_int_t)k->refused[r]));
	return json_pack("{s:I, s:I, s:o}", "accepted", (json_int_t)k->accepted, "repeats", (json_int_t)k->repeats, "refused", why);
}

static json_t *
air_status(const struct term_air *air)
{
	struct term_air_counts c;

	term_air_counts(air, &c);
	return json_pack("{s:b, s:I, s:o, s:o}", "registered", c.registered, "rights", (json_int_t)c.rights,
	    "registration", kind_status(&c.registration), "bcro", kind_status(&c.bcro));
}

json_t *
term_status(void *self)
{
	const struct terminal *app = self;
	json_t *units = json_array();

	for (size_t i = 0; i < app->nunits; i++)
		json_array_append_new(units, unit_status(&app->units[i]));
	json_t *status = json_pack("{s:s, s:o}", "terminal", app->name, "services", units);
	if (app->air)
		json_object_set_new(status, "ltkm", air_status(app->air));
	if (app->phone)
		json_object_set_new(status, "phone", term_phone_status(app->phone));
	return status;
}

static const struct gw_metric
	packets = { "simulgate_terminal_packets_total", "packets descrambled right", GW_COUNTER },
	lost = { "simulgate_terminal_packets_lost", "packets missing in the sequence", GW_GAUGE },
	undecryptable = { "simulgate_terminal_packets_undecryptable_total", "packets without a key, not authentic or not plausible", GW_COUNTER },
	unknown_key = { "simulgate_terminal_packets_unknown_key_total", "packets that name a key that is not there", GW_COUNTER },
	bad_tag = { "simulgate_terminal_packets_bad_tag_total", "packets that are not authentic under the key they name", GW_COUNTER },
	reordered = { "simulgate_terminal_packets_reordered_total", "packets that came after one that follows them", GW_COUNTER },
	clear = { "simulgate_terminal_packets_clear_total", "packets that came in clear", GW_COUNTER },
	waiting = { "simulgate_terminal_packets_waiting_total", "packets that came before a key could be there", GW_COUNTER },
	rtcp = { "simulgate_terminal_rtcp_total", "RTCP packets, by what became of them", GW_COUNTER },
	periods = { "simulgate_terminal_crypto_periods_total", "key identifiers seen in packets descrambled", GW_COUNTER },
	stkm = { "simulgate_terminal_stkm_total", "STKM datagrams, by what became of them", GW_COUNTER },
	keys = { "simulgate_terminal_keys", "traffic keys held", GW_GAUGE },
	registered = { "simulgate_terminal_registered", "1 when a registration from the air is in force", GW_GAUGE },
	rights = { "simulgate_terminal_rights", "service and programme keys from the air", GW_GAUGE },
	ltkm = { "simulgate_terminal_ltkm_total", "long-term key messages, by object and what became of them", GW_COUNTER };

static void
collect_result(struct gw_samples *s, const struct gw_metric *m, const char *labels, const char *result, uint64_t n)
{
	char with[600];

	snprintf(with, sizeof(with), "%s", labels);
	gw_sample(s, m, gw_label(with, sizeof(with), "result", result), (double)n);
}

static void
collect_kind(struct gw_samples *s, const char *terminal, const char *object, const struct term_air_kind *k)
{
	char labels[256] = "";

	gw_label(gw_label(labels, sizeof(labels), "terminal", terminal), sizeof(labels), "object", object);
	for (size_t r = 0; r < BCRO_NREASONS + 1; r++) {	/* 0: accepted; the one beyond: repeats */
		char with[320];
		snprintf(with, sizeof(with), "%s", labels);
		gw_sample(s, &ltkm, gw_label(with, sizeof(with), "result", r == 0 ? "accepted" : r == BCRO_NREASONS ? "repeat" :
		    bcro_reason_name((enum bcro_reason)r)), (double)(r == 0 ? k->accepted : r == BCRO_NREASONS ? k->repeats : k->refused[r]));
	}
}

static void
collect_air(struct gw_samples *s, const struct terminal *app)
{
	struct term_air_counts c;
	char labels[256] = "";

	term_air_counts(app->air, &c);
	gw_label(labels, sizeof(labels), "terminal", app->name);
	gw_sample(s, &registered, labels, c.registered);
	gw_sample(s, &rights, labels, (double)c.rights);
	collect_kind(s, app->name, "registration", &c.registration);
	collect_kind(s, app->name, "bcro", &c.bcro);
}

void
term_collect(void *self, struct gw_samples *s)
{
	const struct terminal *app = self;

	if (app->air)
		collect_air(s, app);
	term_phone_collect(app->phone, app->name, s);
	for (size_t i = 0; i < app->nunits; i++) {
		const struct term_unit *u = &app->units[i];
		struct receiver_counts c;
		char labels[512] = "";
		receiver_counts(u->receiver, &c);
		gw_label(gw_label(labels, sizeof(labels), "terminal", app->name), sizeof(labels), "service", u->id);
		gw_sample(s, &packets, labels, (double)c.packets);
		gw_sample(s, &clear, labels, (double)c.clear);
		gw_sample(s, &lost, labels, (double)c.lost);
		gw_sample(s, &undecryptable, labels, (double)c.undecryptable);
		gw_sample(s, &unknown_key, labels, (double)c.unknown_key);
		gw_sample(s, &bad_tag, labels, (double)c.bad_tag);
		gw_sample(s, &reordered, labels, (double)c.reordered);
		gw_sample(s, &waiting, labels, (double)c.waiting);
		gw_sample(s, &periods, labels, (double)c.crypto_periods);
		gw_sample(s, &keys, labels, (double)receiver_keys(u->receiver));
		collect_result(s, &rtcp, labels, "good", c.rtcp);
		collect_result(s, &rtcp, labels, "bad", c.rtcp_bad);
		collect_result(s, &stkm, labels, "accepted", c.accepted);
		collect_result(s, &stkm, labels, "repeat", c.repeats);
		for (size_t r = 1; r < RECEIVER_REASONS; r++)
			collect_result(s, &stkm, labels, reasons[r], c.refused[r]);
	}
}
