/* terminal/phone_status.c: what operators see of a phone */
#include <stdio.h>
#include <string.h>
#include "lib/clock.h"
#include "terminal/phone.h"

enum { KEYS = CARD_KEYS };
static const char *const states[SUB_STATES] = { "off", "no_gba", "bootstrapping", "bootstrapped", "registering", "registered", "deregistering", "over" };

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *
requests(const struct sub_counts *c)
{
	json_t *all = json_object();

	for (size_t p = 0; p < SUB_PROCEDURES; p++)
		json_object_set_new(all, sub_procedures[p], json_pack("{s:o, s:o, s:o}", "sent", number(c->sent[p]), "done", number(c->done[p]),
		    "failed", number(c->failed[p])));
	return all;
}

static json_t *
results(const struct sub_counts *c)
{
	json_t *all = json_object();

	for (size_t r = 0; r < SUB_RESULTS; r++)
		if (c->results[r] || r == LTKM_KEY || r == LTKM_PULL)
			json_object_set_new(all, sub_results[r], number(c->results[r]));
	return all;
}

static json_t *
by_bearer(const uint64_t n[SUB_BEARERS])
{
	json_t *all = json_object();

	for (size_t b = 0; b < SUB_BEARERS; b++)
		json_object_set_new(all, sub_bearers[b], number(n[b]));
	return all;
}

static json_t *
keys(const struct card *card)
{
	struct card_key key[KEYS];
	size_t n = card_keys(card, key, KEYS);
	json_t *all = json_array();

	for (size_t i = 0; i < n && i < KEYS; i++) {
		char id[12];
		snprintf(id, sizeof(id), "%04x%04x", key[i].ids.key_group, key[i].ids.key_number);
		json_array_append_new(all, json_pack("{s:s, s:i, s:i, s:i, s:s}", "id", id, "lower", key[i].lower, "upper", key[i].upper,
		    "tek_id", key[i].seqs, "fingerprint", key[i].fingerprint));
	}
	return all;
}

json_t *
term_phone_status(struct term_phone *p)
{
	struct subscriber *s = term_phone_subscriber(p);
	struct sub_counts c;
	int64_t expires, again = subscriber_again(s, &expires);
	char text[32];
	json_t *all;

	subscriber_counts(s, &c);
	all = json_pack("{s:s, s:b, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o, s:o}, s:o, s:o, s:o}", "state", states[subscriber_state(s)],
	    "registered", subscriber_state(s) == SUB_REGISTERED, "btid", subscriber_btid(s), "services", number(subscriber_services(s)),
	    "trouble", subscriber_trouble(s), "requests", requests(&c), "messages", by_bearer(c.messages), "pulls", by_bearer(c.pulls),
	    "ltkm", results(&c), "verifications", "sent", number(c.verifications), "repeated", number(c.repeated), "dropped", number(c.dropped),
	    "spoilt", number(c.spoilt), "errors", number(c.errors), "unsaved", number(c.unsaved), "keys", keys(subscriber_card(s)));
	json_object_set_new(all, "btid_expires", subscriber_btid(s)[0] && expires != INT64_MAX ? json_string(gw_utc_text(expires, text)) : json_null());
	json_object_set_new(all, "again_ms", again == INT64_MAX ? json_null() : json_integer((json_int_t)(again - gw_mono_us()) / 1000));
	return all;
}

static const struct gw_metric
	registered = { "simulgate_terminal_phone_registered", "1 when the phone is registered at its BSM", GW_GAUGE },
	sent = { "simulgate_terminal_phone_requests_total", "requests to BSF and BSM, those that were challenged included", GW_COUNTER },
	ended = { "simulgate_terminal_phone_procedures_total", "what became of bootstrappings, registrations and LTKM Requests", GW_COUNTER },
	messages = { "simulgate_terminal_phone_messages_total", "LTKMs and pulls, by bearer", GW_COUNTER },
	pulls = { "simulgate_terminal_phone_pulls_total", "pulls that were right, by bearer", GW_COUNTER },
	ltkm = { "simulgate_terminal_phone_ltkm_total", "LTKMs and pulls, by what became of them", GW_COUNTER },
	verifications = { "simulgate_terminal_phone_verifications_total", "verifications, by what became of them", GW_COUNTER };

static void
sample(struct gw_samples *s, const struct gw_metric *m, const char *labels, const char *key, const char *value, uint64_t n)
{
	char with[400];

	snprintf(with, sizeof(with), "%s", labels);
	gw_sample(s, m, gw_label(with, sizeof(with), key, value), (double)n);
}

static void
sample_procedure(struct gw_samples *s, const char *labels, const char *procedure, uint64_t done, uint64_t failed)
{
	char with[320];

	snprintf(with, sizeof(with), "%s", labels);
	gw_label(with, sizeof(with), "procedure", procedure);
	sample(s, &ended, with, "result", "done", done);
	sample(s, &ended, with, "result", "failed", failed);
}

void
term_phone_collect(struct term_phone *p, const char *terminal, struct gw_samples *s)
{
	struct sub_counts c;
	char labels[256] = "";

	if (!p)
		return;
	gw_label(labels, sizeof(labels), "terminal", terminal);
	subscriber_counts(term_phone_subscriber(p), &c);
	gw_sample(s, &registered, labels, subscriber_state(term_phone_subscriber(p)) == SUB_REGISTERED);
	for (size_t i = 0; i < SUB_PROCEDURES; i++) {
		sample(s, &sent, labels, "procedure", sub_procedures[i], c.sent[i]);
		sample_procedure(s, labels, sub_procedures[i], c.done[i], c.failed[i]);
	}
	for (size_t b = 0; b < SUB_BEARERS; b++) {
		sample(s, &messages, labels, "bearer", sub_bearers[b], c.messages[b]);
		sample(s, &pulls, labels, "bearer", sub_bearers[b], c.pulls[b]);
	}
	for (size_t r = 0; r < SUB_RESULTS; r++)
		sample(s, &ltkm, labels, "result", sub_results[r], c.results[r]);
	sample(s, &verifications, labels, "result", "sent", c.verifications);
	sample(s, &verifications, labels, "result", "dropped", c.dropped);
	sample(s, &verifications, labels, "result", "spoilt", c.spoilt);
}
