/* scs/status.c: what operators see: the service x KMS matrix, the crypto-period being prepared, the followers */
#include <stdio.h>
#include <string.h>
#include "proto/playout.h"
#include "scs/scs.h"

static json_t *
stream_status(const struct scs_unit *u, size_t i)
{
	const struct scs_unit_stream *t = &u->streams[i];
	int64_t us = scs_chan_latency(t->peer->chan, t->number);
	json_t *j = json_pack("{s:s, s:i, s:b, s:I, s:I, s:b, s:s, s:s}", "kms", t->conf->kms->name, "ECM_id", t->conf->ecm_id,
	    "required", t->conf->required, "generated", (json_int_t)u->generated, "committed", (json_int_t)t->committed,
	    "up", scs_schedule_up(u->schedule, i), "asked", scs_schedule_asked(u->schedule, i),
	    "state", scs_chan_stream_state(t->peer->chan, t->number));

	if (j && us >= 0)
		json_object_set_new(j, "answer_us", json_integer(us));
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

	return scs_schedule_in_alarm(u->schedule) || mode == SCS_MUTED || mode == SCS_EXPOSED || u->refused.by;
}

static json_t *
unit_status(const struct scs_unit *u)
{
	const struct scs_cp *live[SCS_LIVE];
	size_t n = scs_schedule_live(u->schedule, gw_utc_us(), live);
	json_t *streams = json_array(), *cps = json_array();
	char refused[100] = "";
	enum scs_mode mode = scs_schedule_mode(u->schedule);

	for (size_t i = 0; i < u->n; i++)
		json_array_append_new(streams, stream_status(u, i));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(cps, cp_status(u, live[i]));
	if (u->refused.by)
		snprintf(refused, sizeof(refused), "0x%04x of %s, cp %lld", u->refused.status, u->refused.by->name, (long long)u->refused.cp);
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "service", u->conf->id,
	    "mode", scs_mode_name(mode), "commanded", scs_schedule_commanded(u->schedule) ? "clear" : "scrambled", "key_refused", refused,
	    "cp", (json_int_t)scs_schedule_running(u->schedule, gw_utc_us()), "phase", scs_schedule_phase(u->schedule),
	    "extended", scs_schedule_extended(u->schedule), "alarm", in_alarm(u),
	    "period_ms", (json_int_t)(scs_schedule_period(u->schedule) / 1000), "epoch", (json_int_t)u->epoch,
	    "released", (json_int_t)u->committed, "extensions", (json_int_t)u->extensions, "streams", streams, "live", cps,
	    "next", cp_status(u, scs_schedule_preparing(u->schedule)));
}

static json_t *
peer_status(const struct scs_peer *p)
{
	struct scs_chan_view v;

	scs_chan_view(p->chan, &v);
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "kms", p->kms->name,
	    "peer", scs_chan_peer(p->chan), "state", v.state, "ECM_channel_id", scs_chan_id(p->chan), "protocol_version", v.version,
	    "streams_up", (json_int_t)v.streams_up, "CW_provision", (json_int_t)v.counts.cw_provision,
	    "ECM_response", (json_int_t)v.counts.ecm_response, "stream_error", (json_int_t)v.counts.stream_error,
	    "channel_error", (json_int_t)v.counts.channel_error, "timeouts", (json_int_t)v.counts.timeouts, "last_error", v.last_error);
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
	alarm_on = { "simulgate_scs_alarm", "1 while it is so for longer than extension_alarm, or the service is muted or exposed, or a scrambler refuses its key", GW_GAUGE },
	unscrambled = { "simulgate_scs_not_scrambled", "1 while a committed crypto-period has the service muted or in clear, by mode", GW_GAUGE },
	channel = { "simulgate_scs_channel_open", "1 while the channel to the KMS's ECMG is open", GW_GAUGE },
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
	for (enum scs_mode m = SCS_CLEAR; m < SCS_NOTHING; m++) {
		memcpy(with, labels, sizeof(labels));
		gw_sample(s, &unscrambled, gw_label(with, sizeof(with), "mode", scs_mode_name(m)), scs_schedule_mode(u->schedule) == m);
	}
	for (size_t i = 0; i < u->n; i++) {
		int64_t us = scs_chan_latency(u->streams[i].peer->chan, u->streams[i].number);
		memcpy(with, labels, sizeof(labels));
		if (us >= 0)
			gw_sample(s, &answer, gw_label(with, sizeof(with), "kms", u->streams[i].conf->kms->name), (double)us / 1e6);
	}
}

void
scs_collect(void *self, struct gw_samples *s)
{
	const struct scs *app = self;
	size_t n = 0;

	for (size_t i = 0; i < app->nunits; i++)
		collect_unit(s, app->units[i]);
	for (size_t i = 0; i < app->npeers; i++) {
		struct scs_chan_view v;
		char labels[200] = "";
		scs_chan_view(app->peers[i]->chan, &v);
		gw_label(labels, sizeof(labels), "kms", app->peers[i]->kms->name);
		gw_sample(s, &channel, labels, v.open);
		gw_sample(s, &provisions, labels, (double)v.counts.cw_provision);
		gw_sample(s, &responses, labels, (double)v.counts.ecm_response);
		gw_sample(s, &errors, labels, (double)(v.counts.channel_error + v.counts.stream_error));
		gw_sample(s, &timeouts, labels, (double)v.counts.timeouts);
	}
	for (const struct scs_follower *f = app->followers; f; f = f->next)
		n++;
	gw_sample(s, &followers, "", (double)n);
}
