/* scs/status.c: what operators see: the service x KMS matrix, the crypto-period being prepared, the followers */
#include <stdio.h>
#include <string.h>
#include "proto/playout.h"
#include "scs/scs.h"

static json_t *
stream_status(const struct scs_unit *u, size_t i)
{
	const struct scs_unit_stream *t = &u->streams[i];
	struct scs_stream_view v;
	json_t *j;

	scs_kms_stream_view(t->line, &v);
	j = json_pack("{s:s, s:i, s:b, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "kms", t->conf->kms->name, "ECM_id", t->conf->ecm_id,
	    "required", t->conf->required, "up", scs_schedule_up(u->schedule, i), "asked", scs_schedule_asked(u->schedule, i),
	    "state", v.state, "ecmg", (json_int_t)v.ecmg, "generated", (json_int_t)u->generated,
	    "provisioned", (json_int_t)v.provisioned, "answered", (json_int_t)v.answered, "committed", (json_int_t)t->committed);
	if (j && v.latency_us >= 0)
		json_object_set_new(j, "answer_us", json_integer(v.latency_us));
	return j;
}

static json_t *
cp_status(const struct scs_unit *u, const struct scs_cp *cp)
{
	const struct scs_key_entry *k = scs_unit_key(u, cp->cp);
	char start[32];
	json_t *j = json_pack("{s:I}", "cp", (json_int_t)cp->cp);

	if (j && k)
		json_object_set_new(j, "key", json_string(k->fingerprint));
	if (j && cp->start_us)
		json_object_set_new(j, "start", json_string(gw_utc_text(cp->start_us, start)));
	return j;
}

/* What a person has to look at. */
static bool
in_alarm(const struct scs_unit *u)
{
	enum scs_mode mode = scs_schedule_mode(u->schedule);

	return scs_schedule_in_alarm(u->schedule) || mode == SCS_MUTED || mode == SCS_EXPOSED || u->refused.by ||
	    u->differs.by;
}

static json_t *
unit_status(const struct scs_unit *u)
{
	const struct scs_cp *live[SCS_LIVE];
	size_t n = scs_schedule_live(u->schedule, gw_utc_us(), live);
	json_t *streams = json_array(), *cps = json_array();
	char refused[100] = "", differs[100] = "", missing[200];
	enum scs_mode mode = scs_schedule_mode(u->schedule);

	for (size_t i = 0; i < u->n; i++)
		json_array_append_new(streams, stream_status(u, i));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(cps, cp_status(u, live[i]));
	if (u->refused.by)
		snprintf(refused, sizeof(refused), "0x%04x of %s, cp %lld", u->refused.status, u->refused.by->name, (long long)u->refused.cp);
	if (u->differs.by)
		snprintf(differs, sizeof(differs), "%s, cp %lld", u->differs.by->name, (long long)u->differs.cp);
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "service", u->conf->id,
	    "mode", scs_mode_name(mode), "commanded", scs_schedule_commanded(u->schedule) ? "clear" : "scrambled", "key_refused", refused,
	    "key_differs", differs,
	    "cp", (json_int_t)scs_schedule_running(u->schedule, gw_utc_us()), "phase", scs_schedule_phase(u->schedule),
	    "extended", scs_schedule_extended(u->schedule), "alarm", in_alarm(u),
	    "period_ms", (json_int_t)(scs_schedule_period(u->schedule) / 1000), "epoch", (json_int_t)u->epoch,
	    "released", (json_int_t)u->committed, "extensions", (json_int_t)u->extensions, "streams", streams, "live", cps,
	    "next", cp_status(u, scs_schedule_preparing(u->schedule)));
	if (j && u->conf->service->outside_keys)
		json_object_set_new(j, "keys", json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:s}", "bridge", u->conf->service->outside_keys,
		    "connected", u->outside.up, "missing", scs_outside_says(u, missing, sizeof(missing)), "requests",
		    (json_int_t)u->outside.requests, "taken", (json_int_t)u->outside.taken, "again", (json_int_t)u->outside.again, "refused",
		    (json_int_t)u->outside.refused, "refusal", u->outside.why));
	return j;
}

/* The values that the operator overrides: as announced and in force. */
static json_t *
overridden(const struct scs_chan_view *v)
{
	json_t *j = json_object();

	for (int i = 0; i < HE_ANNOUNCED; i++) {
		int64_t theirs = scs_terms_value(&v->announced, i), ours = scs_terms_value(&v->terms, i);
		if (theirs != ours)
			json_object_set_new(j, scs_terms_name(i), json_pack("{s:I, s:I}", "announced", (json_int_t)theirs, "in_force",
			    (json_int_t)ours));
	}
	return j;
}

static json_t *
terms_status(const struct scs_terms *t)
{
	json_t *j = json_pack("{s:i}", "section_TSpkt_flag", t->section_TSpkt_flag);

	for (int i = 0; j && i < HE_ANNOUNCED; i++)
		json_object_set_new(j, scs_terms_name(i), json_integer(scs_terms_value(t, i)));
	return j;
}

static json_t *
chan_status(const struct scs_chan *c)
{
	struct scs_chan_view v;
	json_t *j;

	scs_chan_view(c, &v);
	j = json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:i}", "peer", scs_chan_peer(c), "state", v.state, "ECM_channel_id",
	    scs_chan_id(c), "protocol_version", v.version, "streams", (json_int_t)v.streams, "streams_up", (json_int_t)v.streams_up,
	    "last_error", v.last_error);
	if (j && v.open) {
		json_object_set_new(j, "in_force", terms_status(&v.terms));
		json_object_set_new(j, "overridden", overridden(&v));
	}
	return j;
}

enum { CHANNELS_SHOWN = 32 };	/* of one ECMG */

static json_t *
ecmg_status(const struct scs_peer *p, size_t i)
{
	struct scs_ecmg_view v;
	char address[GW_ADDR_TEXT];
	json_t *channels = json_array();
	const struct scs_chan *c;

	scs_kms_ecmg_view(p->engine, i, &v);
	for (size_t l = 0; l < CHANNELS_SHOWN && (c = scs_kms_chan(p->engine, i, l)); l++)
		json_array_append_new(channels, chan_status(c));
	return json_pack("{s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:o}", "address", gw_addr_text(&p->kms->ecmg[i], address, sizeof(address)),
	    "state", v.state, "preferred", v.preferred, "alarm", v.alarm, "channels_open", (json_int_t)v.open,
	    "channels_wanted", (json_int_t)v.lines, "streams", (json_int_t)v.streams, "streams_up", (json_int_t)v.streams_up,
	    "channels", channels);
}

static json_t *
peer_status(const struct scs_peer *p)
{
	struct scs_kms_view v;
	json_t *ecmgs = json_array(), *takeover, *j, *first;

	scs_kms_view(p->engine, &v);
	for (size_t i = 0; i < p->kms->necmg; i++)
		json_array_append_new(ecmgs, ecmg_status(p, i));
	takeover = json_pack("{s:I, s:I, s:I, s:I}", "times", (json_int_t)v.takeover.n, "asked", (json_int_t)v.takeover.asked,
	    "answered", (json_int_t)v.takeover.answered, "us", (json_int_t)v.takeover.us);
	j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:O}", "kms", p->kms->name,
	    "preferred", (json_int_t)v.preferred, "dead", (json_int_t)v.dead, "CW_provision", (json_int_t)v.counts.cw_provision,
	    "ECM_response", (json_int_t)v.counts.ecm_response, "stream_error", (json_int_t)v.counts.stream_error,
	    "channel_error", (json_int_t)v.counts.channel_error, "timeouts", (json_int_t)v.counts.timeouts,
	    "tolerated", (json_int_t)v.counts.tolerated, "switches", (json_int_t)v.switches, "hedged", (json_int_t)v.hedged,
	    "late", (json_int_t)v.late, "takeover", takeover, "ecmg", ecmgs);
	/* the first channel of the one in use, as far as one line goes */
	first = json_array_get(json_object_get(json_array_get(ecmgs, v.preferred), "channels"), 0);
	if (j && first)
		json_object_update_missing(j, first);
	json_decref(ecmgs);
	return j;
}

json_t *
scs_status(void *self)
{
	const struct scs *app = self;
	json_t *services = json_array(), *kms = json_array(), *followers = json_array();

	for (size_t i = 0; i < app->nunits; i++)
		json_array_append_new(services, unit_status(app->units[i]));
	for (size_t i = 0; i < app->npeers; i++)
		json_array_append_new(kms, peer_status(app->peers[i]));
	for (const struct scs_follower *f = app->followers; f; f = f->next)
		json_array_append_new(followers, json_pack("{s:s, s:s, s:I, s:I, s:I}", "name", f->name,
		    "role", scs_role_name(f->role), "records", (json_int_t)f->sent,
		    "acknowledged", (json_int_t)f->acked, "errors", (json_int_t)f->errors));
	return json_pack("{s:s, s:o, s:o, s:o}", "head_end", app->he->head_end, "services", services, "kms", kms, "followers", followers);
}

static const struct gw_metric
	cp = { "simulgate_scs_crypto_period", "running crypto-period; absent before the first", GW_GAUGE },
	released = { "simulgate_scs_crypto_periods_total", "crypto-periods released to the scramblers", GW_COUNTER },
	extensions = { "simulgate_scs_extensions_total", "crypto-periods that had to be extended", GW_COUNTER },
	extended = { "simulgate_scs_extended", "1 while the running crypto-period is being extended", GW_GAUGE },
	alarm_on = { "simulgate_scs_alarm", "1 while it is so for longer than extension_alarm, or the service is muted or exposed, or a scrambler refuses its key or has another", GW_GAUGE },
	differing = { "simulgate_scs_fingerprint_differs_total", "key_acks of scramblers that hold another key than the one committed", GW_COUNTER },
	unscrambled = { "simulgate_scs_not_scrambled", "1 while a committed crypto-period has the service muted or in clear, by mode", GW_GAUGE },
	channel = { "simulgate_scs_channel_open", "1 while all channels to this ECMG of the KMS are open", GW_GAUGE },
	dead = { "simulgate_scs_ecmg_dead", "1 while an ECMG, in use or standby, has been without its channels for too long", GW_GAUGE },
	in_use = { "simulgate_scs_ecmg_preferred", "1 for the ECMG that is asked first", GW_GAUGE },
	supplied = { "simulgate_scs_keys_supplied_total", "keys of a service with keys from outside that were taken", GW_COUNTER },
	key_refusals = { "simulgate_scs_keys_refused_total", "keys from outside that were refused: another key, a wrong length, not wanted", GW_COUNTER },
	keyless = { "simulgate_scs_keys_missing", "1 while a key from outside is asked for and has not come", GW_GAUGE },
	switches = { "simulgate_scs_ecmg_switches_total", "times that another ECMG of the KMS became the one in use", GW_COUNTER },
	hedged = { "simulgate_scs_hedged_total", "requests put to a standby because the answer took long", GW_COUNTER },
	tolerated = { "simulgate_scs_deviations_tolerated_total", "messages that deviate from the standard, and were taken", GW_COUNTER },
	provisioned = { "simulgate_scs_provisioned_total", "crypto-periods for which the KMS was asked", GW_COUNTER },
	answered = { "simulgate_scs_answered_total", "crypto-periods for which it answered", GW_COUNTER },
	provisions = { "simulgate_scs_cw_provisions_total", "CW_provisions sent", GW_COUNTER },
	responses = { "simulgate_scs_ecm_responses_total", "ECM_responses received", GW_COUNTER },
	errors = { "simulgate_scs_ecmg_errors_total", "channel_errors and stream_errors received", GW_COUNTER },
	timeouts = { "simulgate_scs_timeouts_total", "answers of the ECMG that did not come in time", GW_COUNTER },
	answer = { "simulgate_scs_ecm_answer_seconds", "from the latest CW_provision to its ECM_response", GW_GAUGE },
	followers = { "simulgate_scs_followers", "muxes and scramblers connected", GW_GAUGE };

static void
collect_unit(struct gw_samples *s, const struct scs_unit *u)
{
	int64_t running = scs_schedule_running(u->schedule, gw_utc_us());
	char labels[400] = "", with[500];

	gw_label(labels, sizeof(labels), "service", u->conf->id);
	if (running >= 0)
		gw_sample(s, &cp, labels, (double)running);
	gw_sample(s, &released, labels, (double)u->committed);
	gw_sample(s, &extensions, labels, (double)u->extensions);
	gw_sample(s, &extended, labels, scs_schedule_extended(u->schedule));
	gw_sample(s, &alarm_on, labels, in_alarm(u));
	gw_sample(s, &differing, labels, (double)u->differs.times);
	if (u->conf->service->outside_keys) {
		gw_sample(s, &supplied, labels, (double)u->outside.taken);
		gw_sample(s, &key_refusals, labels, (double)u->outside.refused);
		gw_sample(s, &keyless, labels, u->outside.wanted);
	}
	for (enum scs_mode m = SCS_CLEAR; m < SCS_NOTHING; m++) {
		memcpy(with, labels, sizeof(labels));
		gw_sample(s, &unscrambled, gw_label(with, sizeof(with), "mode", scs_mode_name(m)), scs_schedule_mode(u->schedule) == m);
	}
	for (size_t i = 0; i < u->n; i++) {
		struct scs_stream_view v;
		scs_kms_stream_view(u->streams[i].line, &v);
		memcpy(with, labels, sizeof(labels));
		gw_label(with, sizeof(with), "kms", u->streams[i].conf->kms->name);
		gw_sample(s, &provisioned, with, (double)v.provisioned);
		gw_sample(s, &answered, with, (double)v.answered);
		if (v.latency_us >= 0)
			gw_sample(s, &answer, with, (double)v.latency_us / 1e6);
	}
}

static void
collect_peer(struct gw_samples *s, const struct scs_peer *p)
{
	struct scs_kms_view v;
	char labels[200] = "", with[GW_ADDR_TEXT + 300], address[GW_ADDR_TEXT];

	scs_kms_view(p->engine, &v);
	gw_label(labels, sizeof(labels), "kms", p->kms->name);
	gw_sample(s, &provisions, labels, (double)v.counts.cw_provision);
	gw_sample(s, &responses, labels, (double)v.counts.ecm_response);
	gw_sample(s, &errors, labels, (double)(v.counts.channel_error + v.counts.stream_error));
	gw_sample(s, &timeouts, labels, (double)v.counts.timeouts);
	gw_sample(s, &tolerated, labels, (double)v.counts.tolerated);
	gw_sample(s, &switches, labels, (double)v.switches);
	gw_sample(s, &hedged, labels, (double)v.hedged);
	for (size_t i = 0; i < p->kms->necmg; i++) {
		struct scs_ecmg_view e;
		scs_kms_ecmg_view(p->engine, i, &e);
		memcpy(with, labels, sizeof(labels));
		gw_label(with, sizeof(with), "ecmg", gw_addr_text(&p->kms->ecmg[i], address, sizeof(address)));
		gw_sample(s, &channel, with, e.lines && e.open == e.lines);
		gw_sample(s, &dead, with, e.alarm);
		gw_sample(s, &in_use, with, e.preferred);
	}
}

void
scs_collect(void *self, struct gw_samples *s)
{
	const struct scs *app = self;
	size_t n = 0;

	for (size_t i = 0; i < app->nunits; i++)
		collect_unit(s, app->units[i]);
	for (size_t i = 0; i < app->npeers; i++)
		collect_peer(s, app->peers[i]);
	for (const struct scs_follower *f = app->followers; f; f = f->next)
		n++;
	gw_sample(s, &followers, "", (double)n);
}
