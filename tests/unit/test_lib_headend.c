/* tests/unit/test_lib_headend.c: simulgate.yaml: good files, and what is said of bad ones */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "lib/conf.h"
#include "lib/headend.h"
#include "tests/suite.h"

/* A directory with the key files and the clip that the examples name; becomes the working directory. */
static char dir[] = "/tmp/gw-headend-XXXXXX";

static void
put_vec(const char *name, const char *vec)
{
	const char *text = vec_text(vec);

	put_file(name, text, 0644);
	free((void *)(uintptr_t)text);
}

static void
enter(void)
{
	if (vec_path("")[0] != '/') {	/* relative to where we were */
		char *top = realpath(getenv("top_srcdir") ? getenv("top_srcdir") : ".", NULL);

		setenv("top_srcdir", top, 1);
		free(top);
	}
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(mkdir("keys", 0700), 0);
	put_file("keys/drm.yaml", "", 0600);
	put_file("keys/smartcard.yaml", "", 0600);
	put_file("keys/handset.yaml", "", 0400);
	put_file("keys/phone.yaml", "", 0600);
	put_file("keys/open.yaml", "", 0644);
	put_file("clip.ts", "", 0644);
	put_file("vendor.yaml", "protocol_version: 2\nECM_id: omit\nempty_ECM: refuse\nCP_duration: always\naccess_criteria: always\n"
	    "ECM_channel_id: 5\nECM_stream_id: from-0\noverride: { max_comp_time: { max: 900 }, delay_start: { replace: -100 } }\n", 0644);
	put_file("broken.yaml", "protocol_version: 7\nnonsense: 1\n", 0644);
}

static void
leave(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(system(command), 0);
}

static char heard[65536];

static void
hear(void *self, const char *line)
{
	size_t n = strlen(heard);

	(void)self;
	snprintf(heard + n, sizeof(heard) - n, "%s\n", line);
}

/* The structs as text, without places. */
static void
addr(FILE *f, const char *key, const struct gw_addr *a)
{
	char text[GW_ADDR_TEXT];

	if (a->scheme)
		fprintf(f, " %s=%s", key, gw_addr_text(a, text, sizeof(text)));
}

static void
units(FILE *f, const struct he_service *s)
{
	for (size_t i = 0; i < s->nunits; i++) {
		const struct he_unit *u = &s->units[i];

		ck_assert_ptr_eq(u->service, s);
		fprintf(f, "  unit %s index=%u media=", u->id, u->index);
		for (size_t j = 0; j < u->nmedia; j++)
			fprintf(f, "%s%s", j ? "," : "", u->media[j]->name);
		fprintf(f, "\n");
		for (size_t j = 0; j < u->nstkm; j++) {
			fprintf(f, "    stkm kms=%s ecm_id=%u required=%d ac=", u->stkm[j].kms->name, u->stkm[j].ecm_id, u->stkm[j].required);
			for (size_t k = 0; k < u->stkm[j].access_criteria_len; k++)
				fprintf(f, "%02x", u->stkm[j].access_criteria[k]);
			addr(f, "out", &u->stkm[j].out);
			if (u->stkm[j].pek)
				fprintf(f, " pek");
			if (u->stkm[j].base_cid)
				fprintf(f, " cid=%s", u->stkm[j].base_cid);
			if (u->stkm[j].srv_cid_ext.set)
				fprintf(f, " srv=%x", u->stkm[j].srv_cid_ext.v);
			if (u->stkm[j].prg_cid_ext.set)
				fprintf(f, " prg=%x", u->stkm[j].prg_cid_ext.v);
			fprintf(f, "\n");
		}
	}
}

static void
opt(FILE *f, const char *key, const struct he_opt *o)
{
	if (o->set)
		fprintf(f, " %s=%lld", key, (long long)o->v);
}

/* What differs from the defaults. */
static void
manners(FILE *f, const struct he_kms *k)
{
	const struct he_manners *m = &k->manners;

	fprintf(f, "%s%s%s%s%s%s", m->omit_ECM_id ? " no_ECM_id" : "", m->refuse_empty_ECM ? " no_empty_ECM" : "",
	    m->CP_duration_always ? " CP_duration" : "", m->criteria_always ? " criteria" : "",
	    m->stream_ids == HE_FROM_0 ? " from_0" : m->stream_ids == HE_ECM_ID ? " ecm_id" : "", k->standby_cold ? " cold" : "");
	if (m->channel_id.set)
		fprintf(f, " channel=%u", m->channel_id.v);
	if (k->hedge_ms || k->return_never || k->return_after_ms != 10000 || k->test_interval_ms != 10000)
		fprintf(f, " hedge=%u stay=%d return=%u test=%u", k->hedge_ms, k->return_never, k->return_after_ms, k->test_interval_ms);
	for (int i = 0; i < HE_ANNOUNCED; i++) {
		opt(f, "min", &m->limits[i].min);
		opt(f, "max", &m->limits[i].max);
		opt(f, "replace", &m->limits[i].replace);
	}
}

static void
bsm(FILE *f, const struct he_bsm *b)
{
	fprintf(f, "bsm %s kms=%s naf=%s bsf=%s domain=%02x%02x%02x certificate=%s key=%s path=%s auth=%d address=%d star=%d registration=%u nonce=%u",
	    b->name, b->kms->name, b->naf, b->bsf, b->key_domain[0], b->key_domain[1], b->key_domain[2], b->certificate ? b->certificate : "-",
	    b->private_key ? b->private_key : "-", b->path, b->auth_ok, b->registered_address, b->mac_star, b->registration_ms, b->nonce_ms);
	fprintf(f, " bootstrapping=%llu challenge=%u requests=%u/%u", (unsigned long long)b->bootstrapping_ms, b->challenge_ms, b->requests,
	    b->request_window_ms);
	addr(f, "listen", &b->listen);
	addr(f, "ltkm", &b->ltkm);
	fprintf(f, " to=%u pushes=%u pull=%d ext=%u life=%llu window=%llu rate=%u sms=%s/%u", b->ltkm_port, b->pushes_per_second,
	    b->pull_on_purchase, b->ext_bcast, (unsigned long long)b->sek_life_ms, (unsigned long long)b->roll_window_ms, b->roll_rate,
	    b->sms_dir ? b->sms_dir : "-", b->sms_per_second);
	if (b->smpp.scheme)
		fprintf(f, " id=%s password=%s source=%s data_sm=%d", b->smpp_system_id, b->smpp_password_file, b->smpp_source, b->smpp_data_sm);
	addr(f, "smpp", &b->smpp);
	addr(f, "api", &b->api);
	fprintf(f, " token=%s\n", b->api_token_file ? b->api_token_file : "-");
}

static void
ends(FILE *f, const struct he_sp4_peer *peer, const struct he_service *s)
{
	fprintf(f, " peer=%s", peer ? peer->name : "-");
	if (s)
		fprintf(f, " service=%s", s->id);
}

static void
bridge(FILE *f, const struct headend *h, const struct he_bridge *b)
{
	fprintf(f, "bridge %s id=%s roles=%u plain=%d certificate=%s key=%s ca=%s store=%s master=%s limit=%" PRIu64 " seaks=%s/%s", b->name, b->id, b->roles, b->plain,
	    b->certificate ? b->certificate : "-", b->private_key ? b->private_key : "-", b->ca ? b->ca : "-", b->store, b->master, b->store_limit, b->seaks,
	    b->seaks_master);
	addr(f, "listen", &b->listen);
	fprintf(f, "\n");
	for (size_t i = 0; i < b->npeers; i++) {
		const struct he_sp4_peer *p = &b->peers[i];

		fprintf(f, "  peer %s id=%s identity=%s url=%s roles=%u basic=%d short=%d timeout=%u connections=%u", p->name, p->id, p->identity,
		    p->url ? p->url : "-", p->roles, p->basic, p->short_form, p->timeout_ms, p->connections);
		for (size_t k = 0; k < p->nservices; k++)
			fprintf(f, " service=%s", p->services[k]->id);
		fprintf(f, "\n");
	}
	for (size_t i = 0; i < b->necmg; i++) {
		fprintf(f, "  ecmg kms=%s mode=%d", b->ecmg[i].kms->name, (int)b->ecmg[i].mode);
		ends(f, b->ecmg[i].peer, NULL);
		for (size_t k = 0; k < b->ecmg[i].nlisten; k++)
			addr(f, "listen", &b->ecmg[i].listen[k]);
		fprintf(f, "\n");
	}
	for (size_t i = 0; i < b->nemmg; i++) {
		const struct he_bridge_emmg *e = &b->emmg[i];

		ck_assert_ptr_eq(e->service, headend_service(h, e->service->id));
		fprintf(f, "  emmg client=%08x data=%u registration=%d bps=%u repetition=%u", e->client_id, e->data_id, e->registration, e->bandwidth_bps,
		    e->repetition_ms);
		ends(f, e->peer, e->service);
		addr(f, "listen", &e->listen);
		addr(f, "listen_udp", &e->listen_udp);
		fprintf(f, "\n");
	}
	for (size_t i = 0; i < b->nstkm; i++) {
		ck_assert_ptr_eq(b->stkm[i].service, headend_service(h, b->stkm[i].service->id));
		fprintf(f, "  stkm kms=%s ecm_id=%u mode=%d", b->stkm[i].kms->name, b->stkm[i].ecm_id, (int)b->stkm[i].mode);
		ends(f, b->stkm[i].peer, b->stkm[i].service);
		fprintf(f, "\n");
	}
	for (size_t i = 0; i < b->nmux; i++) {
		const struct he_bridge_mux *m = &b->mux[i];

		fprintf(f, "  mux client=%08x data=%u registration=%d bps=%u repetition=%u", m->client_id, m->data_id, m->registration, m->bandwidth_bps,
		    m->repetition_ms);
		ends(f, m->peer, m->service);
		addr(f, "to", &m->to);
		addr(f, "to_udp", &m->to_udp);
		fprintf(f, "\n");
	}
	for (size_t i = 0; i < b->nseak; i++) {
		fprintf(f, "  seak wait=%u make=%d generate=%d life=%llu ahead=%llu bsda=%s", b->seak[i].wait_ms, b->seak[i].make_stkm, b->seak[i].generate,
		    (unsigned long long)b->seak[i].life_ms, (unsigned long long)b->seak[i].ahead_ms, b->seak[i].bsda ? b->seak[i].bsda->name : "-");
		ends(f, b->seak[i].generator, b->seak[i].service);
		for (size_t k = 0; k < b->seak[i].nothers; k++)
			fprintf(f, " other=%s", b->seak[i].others[k]->name);
		fprintf(f, "\n");
	}
}

static char *
describe(const struct headend *h)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fprintf(f, "head_end=%s state=%s playout=%s\n", h->head_end, h->state, h->playout);
	for (size_t i = 0; i < h->nkms; i++) {
		const struct he_kms *k = &h->kms[i];

		fprintf(f, "kms %s cas=%08x v=%u plugin=%s keys=%s bcast=%d strict=%d", k->name, k->super_cas_id, k->protocol_version,
		    k->plugin ? k->plugin : "-", k->keys ? k->keys : "-", k->bcast_parameters, k->strict);
		for (size_t j = 0; j < k->necmg; j++)
			addr(f, "ecmg", &k->ecmg[j]);
		opt(f, "lead_CW", &k->lead_CW);
		opt(f, "CW_per_msg", &k->CW_per_msg);
		opt(f, "delay_start", &k->delay_start);
		opt(f, "delay_stop", &k->delay_stop);
		opt(f, "ECM_rep_period", &k->ECM_rep_period);
		opt(f, "max_comp_time", &k->max_comp_time);
		opt(f, "min_CP_duration", &k->min_CP_duration);
		opt(f, "max_streams", &k->max_streams);
		manners(f, k);
		if (k->store || k->master)
			fprintf(f, " store=%s master=%s", k->store, k->master ? k->master : "-");
		if (k->kms_type || k->service_provider)
			fprintf(f, " type=%s provider=%s", k->kms_type, k->service_provider);
		fprintf(f, "\n%s", k->set);
	}
	for (size_t i = 0; i < h->nservices; i++) {
		const struct he_service *s = &h->services[i];

		fprintf(f, "service %s scrambling=%d authentication=%d cp=%u alarm=%u wait=%u align=%d cw=%u rcc=%u\n", s->id, (int)s->scrambling,
		    s->authentication, s->crypto_period_ms, s->extension_alarm_ms, s->optional_wait_ms, s->align, s->cw_length,
		    s->rcc);
		if (s->ipsec.set)
			fprintf(f, "  ipsec tunnel=%d output=%d port=%u file=%s source=%s\n", s->ipsec.tunnel, (int)s->ipsec.output, s->ipsec.port,
			    s->ipsec.file ? s->ipsec.file : "-", s->ipsec.source ? s->ipsec.source : "-");
		for (size_t j = 0; j < s->nmedia; j++) {
			fprintf(f, "  medium %s type=%d pt=%u", s->media[j].name, (int)s->media[j].type, s->media[j].payload_type);
			addr(f, "in", &s->media[j].in);
			addr(f, "out", &s->media[j].out);
			for (size_t k = 0; k < s->media[j].npids; k++)
				fprintf(f, " pid=%u", s->media[j].pids[k]);
			if (s->media[j].rtpmap)
				fprintf(f, " rtpmap=%s", s->media[j].rtpmap);
			if (s->media[j].fmtp)
				fprintf(f, " fmtp=%s", s->media[j].fmtp);
			fprintf(f, " in_pt=%u%s\n", s->media[j].in_payload_type, s->media[j].rtp ? "" : " no_rtp");
		}
		if (s->title || s->session_id.set)
			fprintf(f, "  session %s %llu\n", s->title, (unsigned long long)s->session_id.v);
		fprintf(f, "  sold as %s%s%s\n", s->purchase_item, *s->purchase_data ? " " : "", s->purchase_data);
		fprintf(f, "  exchanged as %s content %s keys=%s\n", s->global_service_id, s->global_content_id, s->outside_keys ? s->outside_keys : "-");
		units(f, s);
	}
	for (size_t i = 0; i < h->nltkm; i++) {
		fprintf(f, "ltkm kms=%s client=%08x data=%u type=%u bps=%u repeat=%u/%u udp=%d", h->ltkm[i].kms->name, h->ltkm[i].client_id,
		    h->ltkm[i].data_id, h->ltkm[i].data_type, h->ltkm[i].bandwidth_bps, h->ltkm[i].repeat, h->ltkm[i].repeat_every_ms,
		    h->ltkm[i].udp_without_control);
		addr(f, "out", &h->ltkm[i].out);
		if (he_ltkm_ours(&h->ltkm[i])) {
			fprintf(f, " emmg source=%s format=%u version=%u message=%u/%u strict=%d by_udp=%d", h->ltkm[i].source ? h->ltkm[i].source : "-",
			    h->ltkm[i].format, h->ltkm[i].protocol_version, h->ltkm[i].datagrams_per_message, h->ltkm[i].bytes_per_message,
			    h->ltkm[i].strict, h->ltkm[i].udp);
			addr(f, "to", &h->ltkm[i].to);
			addr(f, "to_udp", &h->ltkm[i].to_udp);
		}
		fprintf(f, "\n");
	}
	for (size_t i = 0; i < h->nbsm; i++)
		bsm(f, &h->bsm[i]);
	for (size_t i = 0; i < h->nbridge; i++)
		bridge(f, h, &h->bridge[i]);
	fprintf(f, "scs channel_ids=%u..%u\n", h->scs.channel_id_min, h->scs.channel_id_max);
	fprintf(f, "mux total=%llu repetition=%u strict=%d channels=%u/%u streams=%u/%u message=%u/%u",
	    (unsigned long long)h->mux.total_bandwidth_bps, h->mux.repetition_ms, h->mux.strict, h->mux.max_channels,
	    h->mux.max_channels_per_client, h->mux.max_streams, h->mux.max_streams_per_channel, h->mux.max_datagrams, h->mux.max_message);
	addr(f, "emmg", &h->mux.emmg);
	addr(f, "emmg_udp", &h->mux.emmg_udp);
	fprintf(f, "\nscrambler engine=%s threads=%u", h->scrambler.engine, h->scrambler.threads);
	addr(f, "sap", &h->sap.to);
	fprintf(f, " every=%u\nsession %s@%s\n", h->sap.interval_ms, h->session.owner, h->session.origin);
	for (size_t i = 0; i < h->nterminals; i++) {
		const struct he_terminal *t = &h->terminals[i];

		ck_assert_ptr_eq(t->service, headend_service(h, t->service->id));
		fprintf(f, "terminal %s smartcard=%d service=%s keys=%s", t->name, t->smartcard, t->service->id, t->keys ? t->keys : "-");
		addr(f, "out", &t->out);
		if (t->card) {
			fprintf(f, " card=%s bsm=%s bsf=%s state=%s sms=%s poll=%u", t->card, t->bsm_url, t->bsf_url, t->card_state, t->sms_dir ? t->sms_dir : "-", t->stkm_poll_ms);
			addr(f, "address", &t->address);
		}
		fprintf(f, "\n");
	}
	for (size_t i = 0; i < h->nplay; i++) {
		fprintf(f, "play %s type=%d pt=%u rtp=%d loop=%d", h->play[i].file, (int)h->play[i].type, h->play[i].payload_type, h->play[i].rtp,
		    h->play[i].loop);
		addr(f, "to", &h->play[i].to);
		fprintf(f, "\n");
	}
	fclose(f);
	return text;
}

/* The temporary directory's name as DIR. */
static char *
anonymous(char *text)
{
	char *out = malloc(strlen(text) + 1), *o = out;

	for (const char *p = text; *p; ) {
		if (strncmp(p, dir, strlen(dir)) == 0) {
			o = stpcpy(o, "DIR");
			p += strlen(dir);
		} else {
			*o++ = *p++;
		}
	}
	*o = '\0';
	free(text);
	return out;
}

static struct headend *
load(const char *name)
{
	struct gw_err err = { 0 };
	struct headend *h = headend_load(name, &err);

	ck_assert_msg(h != NULL, "%s", err.text);
	return h;
}

static char *
written(const struct headend *h)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	headend_write(h, f);
	fclose(f);
	return text;
}

START_TEST(good_files_are_understood_and_print_back)
{
	static const char *const names[] = { "good", "design", "bsm", "bridge" };
	char name[64], *a, *b, *text, *again;
	struct headend *h, *back;

	enter();
	snprintf(name, sizeof(name), "conf/%s.yaml", names[_i]);
	put_vec("here.yaml", name);
	h = load("here.yaml");
	ck_assert_str_eq(h->file, "here.yaml");
	a = anonymous(describe(h));
	snprintf(name, sizeof(name), "conf/%s.txt", names[_i]);
	vec_golden(name, a);
	text = written(h);
	ck_assert_int_eq(mkdir("elsewhere", 0700), 0);
	put_file("elsewhere/back.yaml", text, 0644);
	back = load("elsewhere/back.yaml");
	b = anonymous(describe(back));
	ck_assert_str_eq(a, b);
	again = written(back);
	ck_assert_str_eq(text, again);
	headend_free(h);
	headend_free(back);
	free(a);
	free(b);
	free(text);
	free(again);
	leave();
}
END_TEST

START_TEST(names_are_found_with_their_places)
{
	struct headend *h;

	enter();
	put_vec("here.yaml", "conf/good.yaml");
	h = load("here.yaml");
	ck_assert_uint_eq(headend_kms(h, "legacy")->super_cas_id, 0x4ae60001);
	ck_assert_int_eq(headend_kms(h, "legacy")->at.line, 29);
	ck_assert_int_eq(headend_kms(h, "legacy")->at.column, 3);
	ck_assert_int_eq(headend_service(h, "film")->at.line, 66);
	ck_assert_int_eq(headend_service(h, "film")->at.column, 5);
	ck_assert_str_eq(headend_unit(h, "film/audio")->media[0]->name, "audio");
	ck_assert_int_eq(headend_unit(h, "film/audio")->stkm[0].at.line, 87);
	ck_assert_ptr_null(headend_kms(h, "news"));
	ck_assert_ptr_null(headend_service(h, "drm"));
	ck_assert_ptr_null(headend_unit(h, "film"));
	headend_free(h);
	headend_free(NULL);
	leave();
}
END_TEST

static char bad_names[100][64];
static int nbad;

static int
find_bad(void)
{
	DIR *d = opendir(vec_path("conf/bad"));
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL && nbad < 100) {
		size_t n = strlen(e->d_name);

		if (n > 5 && n < 60 && strcmp(e->d_name + n - 5, ".yaml") == 0)
			memcpy(bad_names[nbad++], e->d_name, n + 1);
	}
	if (d)
		closedir(d);
	return nbad ? nbad : 1;
}

START_TEST(bad_files_are_refused_with_every_fault)
{
	struct gw_err err = { 0 };
	char name[160], *copy;

	ck_assert_int_gt(nbad, 15);
	enter();
	snprintf(name, sizeof(name), "conf/bad/%s", bad_names[_i]);
	put_vec(bad_names[_i], name);
	heard[0] = '\0';
	ck_assert_ptr_null(headend_load_all(bad_names[_i], hear, NULL, &err));
	ck_assert_int_eq(err.code, GW_ECONF);
	/* what an error has room for begins as what the listener heard */
	ck_assert_uint_ge(strlen(err.text), 10);
	ck_assert(strncmp(err.text, heard, strcspn(err.text, "\n")) == 0);
	copy = anonymous(strdup(heard));
	strcpy(strrchr(name, '.'), ".txt");
	vec_golden(name, copy);
	free(copy);
	leave();
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
	struct gw_err err = { 0 };
	FILE *f;

	enter();
	ck_assert_ptr_null(headend_load("gone.yaml", &err));
	ck_assert_str_eq(err.text, "gone.yaml: No such file or directory");
	ck_assert_int_eq(err.code, GW_ECONF);
	ck_assert_ptr_null(headend_load("keys", &err));
	ck_assert_str_eq(err.text, "keys: Is a directory");
	f = fopen("big.yaml", "w");
	for (int i = 0; i < 5 << 20; i++)
		fputc('#', f);
	fclose(f);
	ck_assert_ptr_null(headend_load("big.yaml", &err));
	ck_assert_str_eq(err.text, "big.yaml: a configuration has at most 4 MiB");
	leave();
}
END_TEST

/* Nesting as deep as the file is long: refused in bounded time. */
START_TEST(deep_files_end)
{
	struct gw_err err = { 0 };
	time_t start = time(NULL);
	FILE *f;

	enter();
	f = fopen("deep.yaml", "w");
	for (int i = 0; i < 4000000; i++)
		fputc(_i ? '{' : '[', f);
	fclose(f);
	ck_assert_ptr_null(headend_load("deep.yaml", &err));
	ck_assert_int_eq(err.code, GW_ECONF);
	ck_assert_int_lt(time(NULL) - start, 60);
	leave();
}
END_TEST

START_TEST(five_thousand_services_load)
{
	struct headend *h;
	FILE *f;

	enter();
	f = fopen("many.yaml", "w");
	fputs("kms: { k: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:1 } }\nservices:\n", f);
	for (int i = 0; i < 5000; i++)
		fprintf(f, "  - { id: s%d, scrambling: srtp, media: [{ name: v, in: udp://239.1.%d.%d:1, out: udp://239.2.%d.%d:1 }], "
		    "stkm: [{ kms: k, ecm_id: %d, out: udp://239.2.%d.%d:2 }] }\n", i, i / 250, i % 250, i / 250, i % 250, i, i / 250, i % 250);
	fclose(f);
	h = load("many.yaml");
	ck_assert_uint_eq(h->nservices, 5000);
	ck_assert_uint_eq(h->services[4999].units[0].index, 4999);
	headend_free(h);
	leave();
}
END_TEST

START_TEST(key_identifiers)
{
	static const struct { enum he_scrambling s; uint16_t index, cp; size_t n; const char *want; } rows[] = {
		{ HE_IPSEC, 0, 0, 4, "\x80\x00\x00\x00" }, { HE_IPSEC, 0x1234, 0xfffe, 4, "\x92\x34\xff\xfe" },
		{ HE_IPSEC, 0x7fff, 1, 4, "\xff\xff\x00\x01" }, { HE_SRTP, 9, 0x0102, 2, "\x01\x02" },
		{ HE_ISMACRYP, 9, 0x0102, 1, "\x02" }, { HE_CISSA, 9, 1, 0, "" }, { HE_NONE, 9, 1, 0, "" },
	};
	uint8_t out[8];

	ck_assert_uint_eq(he_key_id(rows[_i].s, rows[_i].index, rows[_i].cp, out), rows[_i].n);
	ck_assert_mem_eq(out, rows[_i].want, rows[_i].n);
}
END_TEST

SUITE("lib_headend", tcase_add_loop_test(t, good_files_are_understood_and_print_back, 0, 4);
      tcase_add_test(t, names_are_found_with_their_places);
      tcase_add_loop_test(t, bad_files_are_refused_with_every_fault, 0, find_bad()); tcase_add_test(t, files_that_cannot_be_read);
      tcase_add_loop_test(t, deep_files_end, 0, 2); tcase_add_test(t, five_thousand_services_load);
      tcase_add_loop_test(t, key_identifiers, 0, 7))
