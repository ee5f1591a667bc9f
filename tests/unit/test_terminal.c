/* tests/unit/test_terminal.c: the lab receiver's shell on a real loop, both profiles, with STKMs and media on real sockets */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kms/drm_carousel.h"
#include "kms/keys.h"
#include "lib/clock.h"
#include "lib/rawip.h"
#include "lib/transform.h"
#include "lib/udp.h"
#include "terminal/terminal.h"
#include "tests/suite.h"

enum { DRM, SMARTCARD, PROFILES };
static const char *const key_files[PROFILES] = {
	"profile: drm\nbase_cid: tv1@operator.example\nservices:\n  news: { seak: [ { service_CID_extension: 7, "
	"SEK: 0x00112233445566778899aabbccddeeff, SAS: 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0 } ] }\n",
	"profile: smartcard\nkey_domain: 0x62f210\nservices:\n  news: { sek: [ { id: 0x00010001, key: 0x00112233445566778899aabbccddeeff, "
	"RAND: 0x101112131415161718191a1b1c1d1e1f, first_cp: 1 } ] }\n",
};
static struct terminal app;
static char dir[64], path[96];
static struct he_kms kms[] = {
	{ .name = (char []){ "legacy" }, .super_cas_id = 0x4ae60001 },
	{ .name = (char []){ "drm" }, .super_cas_id = 0x00010001 },
	{ .name = (char []){ "drm2" }, .super_cas_id = 0x00010002 },
	{ .name = (char []){ "smartcard" }, .super_cas_id = 0x00020001 },
};
static struct he_stkm stkm[4];
static struct he_medium medium[2] = { { .name = (char []){ "audio" } }, { .name = (char []){ "video" } } };
static const struct he_medium *media[] = { &medium[0], &medium[1] };
static struct he_service service;
static struct he_unit unit = { .id = (char []){ "news" }, .service = &service, .media = media, .nmedia = 2, .stkm = stkm, .nstkm = 4 };
static struct he_ltkm ltkm[2];
static struct headend he = { .file = (char []){ "x.yaml" }, .ltkm = ltkm };
static struct he_terminal conf = { .name = (char []){ "handset" }, .service = &service };
static const struct gw_tx_conf sending = { .authenticated = true, .sources = 4 };
static const struct gw_transform *row;
static struct gw_burst *burst;
static struct gw_tx *tx;
static struct gw_tx_medium *tx_media[2];
static void *marks;
static int stkm_out, media_out[2], player;

static struct gw_addr
address(unsigned port)
{
	struct gw_addr a;
	char text[64];

	snprintf(text, sizeof(text), "udp://127.0.0.1:%u", port);
	ck_assert_int_eq(gw_addr_parse(text, GW_UDP, &a, NULL), 0);
	return a;
}

static uint16_t
free_port(void)
{
	struct gw_addr any = address(0);
	int fd = gw_udp_receiver(&any, NULL);
	uint16_t port = port_of(fd);

	close(fd);
	return port;
}

static int
toward(int fd)
{
	struct gw_addr a = address(port_of(fd));

	return gw_udp_sender(&a, NULL);
}

static void on_wake(uv_timer_t *t) { (void)t; }

#define UNTIL(condition) do {							\
	int64_t end = gw_mono_us() + 20000000;					\
	uv_timer_t wake;							\
	uv_timer_init(&app.loop, &wake);					\
	uv_timer_start(&wake, on_wake, 2, 2);					\
	while (!(condition) && gw_mono_us() < end)				\
		uv_run(&app.loop, UV_RUN_ONCE);					\
	uv_close((uv_handle_t *)&wake, NULL);					\
	uv_run(&app.loop, UV_RUN_NOWAIT);					\
	ck_assert_msg(condition, "waited in vain for: " #condition);		\
} while (0)

static void
terminal_up(int profile)
{
	struct gw_err err = { 0 };
	struct gw_addr any = address(0);

	put_file(path, key_files[profile], 0600);
	conf.keys = path;
	conf.smartcard = profile == SMARTCARD;
	player = gw_udp_receiver(&any, &err);
	conf.out = address(port_of(player));
	ck_assert_msg(term_units_open(&app, &he, &conf, &err) == 0, "%s", err.text);
	stkm_out = toward(app.units[0].stkm_fd);
	for (int i = 0; i < 2; i++)
		media_out[i] = toward(app.units[0].media[i].in_fd);
}

static void
sender_up(enum he_scrambling protection)
{
	struct gw_tx_conf c = sending;

	service.scrambling = protection;
	ck_assert_ptr_nonnull(row = gw_transform_of((int)protection));
	c.marks = marks = calloc(1, row->marks_len(&c));
	ck_assert_ptr_nonnull(tx = row->tx_new(&c, NULL));
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_ptr_nonnull(tx_media[i] = row->medium_new(tx, &(struct gw_tx_medium_conf){ .index = i, .mtu = 1400,
		    .from = address(4000).ss, .to = medium[i].out.ss }, NULL));
}

static void
sender_down(void)
{
	row->key_free(row->use(tx, NULL));
	for (size_t i = 0; i < 2; i++)
		row->medium_free(tx_media[i]);
	row->tx_free(tx);
	free(marks);
}

static void
up(void)
{
	strcpy(dir, "/tmp/test_terminal.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/keys.yaml", dir);
	for (size_t i = 0; i < 4; i++)
		stkm[i] = (struct he_stkm){ .kms = &kms[i], .ecm_id = (uint16_t)(9 - i), .out = address(0) };
	for (size_t i = 0; i < 2; i++)
		medium[i].out = address(0);
	service = (struct he_service){ .id = unit.id, .scrambling = HE_SRTP, .authentication = true, .units = &unit, .nunits = 1 };
	memset(&app, 0, sizeof(app));
	app.name = conf.name;
	uv_loop_init(&app.loop);
	ck_assert_ptr_nonnull(burst = gw_burst_new(GW_BURST_OPENSSL, NULL));
	sender_up(HE_SRTP);
	stkm_out = media_out[0] = media_out[1] = player = -1;
}

static void
down(void)
{
	term_units_close(&app);
	gw_loop_fini(&app.loop);
	term_units_free(&app);
	sender_down();
	gw_burst_free(burst);
	int fds[] = { stkm_out, media_out[0], media_out[1], player };
	for (size_t i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	unlink(path);
	rmdir(dir);
}

static struct tkm
tkm_at(uint16_t cp)
{
	const struct stkm_layout *l = stkm_layout((uint8_t)service.scrambling, true, 0);
	uint8_t cw[40];
	struct tkm t;

	memset(cw, 0x33, sizeof(cw));
	cw[0] = (uint8_t)(cp >> 8);
	cw[1] = (uint8_t)cp;
	ck_assert_int_eq(tkm_of_cw(&t, l->protocol, true, cw, (size_t)l->tek + l->salt + l->tas), 0);
	return t;
}

/* The STKM of a CP as the KMS of the profile makes it. */
static size_t
seal(int profile, uint16_t cp, uint8_t *out, size_t cap)
{
	uint8_t id[STKM_ID_MAX];
	size_t id_len = stkm_key_id((uint8_t)service.scrambling, unit.index, cp, id), n = 0;
	struct gw_err err = { 0 };
	struct tkm t = tkm_at(cp);

	if (profile == DRM) {
		struct keys_drm k;
		struct stkm m = { .id_len = (uint8_t)id_len, .lifetime = 4 };
		memcpy(m.id, id, id_len);
		ck_assert_msg(keys_drm_load(path, &k, &err) == 0, "%s", err.text);
		n = drm_seal(k.all[0], NULL, &m, &t, NULL, out, cap, &err);
		keys_drm_free(&k);
	} else {
		struct keys_card k;
		struct msk_plan plan = { .id = id, .id_len = id_len };
		ck_assert_msg(keys_card_load(path, &k, &err) == 0, "%s", err.text);
		ck_assert_int_eq(msk_tek_id(k.all[0], 1, cp, &plan.tek_id), 0);
		n = msk_seal(k.all[0], &plan, &t, out, cap, &err);
		keys_card_free(&k);
	}
	ck_assert_msg(n > 0, "%s", err.text);
	return n;
}

static void
send_stkm(int profile, uint16_t cp)
{
	uint8_t m[1024];
	size_t n = seal(profile, cp, m, sizeof(m));

	ck_assert_int_eq(send(stkm_out, m, n, 0), (ssize_t)n);
}

static void
scramble_with(uint16_t cp)
{
	struct tkm t = tkm_at(cp);
	uint8_t tak[20];
	struct gw_material m = { .tek = tkm_tek(&t), .salt = tkm_salt(&t), .tak = tkm_tak(&t, tak) == 0 ? tak : NULL, .authenticated = true };

	m.id_len = stkm_key_id((uint8_t)service.scrambling, unit.index, cp, m.id);
	struct gw_xkey *key = row->key_new(tx, &m, NULL);
	ck_assert_ptr_nonnull(key);
	row->key_free(row->use(tx, key));
}

static void
send_media(int i, uint16_t seq)
{
	static _Alignas(8) uint8_t room[GW_XF_HEAD + 1024 + GW_XF_TAIL];
	struct gw_pk pk = { room + GW_XF_HEAD, 12 + 188 };

	memset(pk.p, 0, pk.len);
	pk.p[0] = 0x80;
	pk.p[1] = 33;
	pk.p[2] = (uint8_t)(seq >> 8);
	pk.p[3] = (uint8_t)seq;
	pk.p[11] = (uint8_t)(i + 1);
	pk.p[12] = 0x47;
	ck_assert_int_eq(row->protect(tx, tx_media[i], &pk, burst, NULL), GW_XF_OK);
	gw_burst_run(burst);
	ck_assert_int_eq(send(media_out[i], pk.p, pk.len, 0), (ssize_t)pk.len);
}

static struct receiver_counts
counts(void)
{
	struct receiver_counts c;

	term_counts(&app, &c);
	return c;
}

START_TEST(receives_over_key_changes)	/* _i: profile */
{
	uint8_t clear[1024];
	uint16_t seq = 1;

	terminal_up(_i);
	scramble_with(1);
	send_media(0, seq++);
	UNTIL(counts().waiting == 1);
	for (uint16_t cp = 1; cp <= 5; cp++) {
		send_stkm(_i, cp);		/* just in time: it is read before the media */
		scramble_with(cp);
		for (int k = 0; k < 10; k++, seq++) {
			send_media(0, seq);
			send_media(1, seq);
		}
		send_stkm(_i, cp);
		UNTIL(counts().packets == cp * 20u && counts().repeats == cp);
	}
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.lost + c.undecryptable + c.repeated, 0);
	ck_assert_uint_eq(c.crypto_periods, 5);
	ck_assert_uint_eq(c.accepted, 5);
	for (int k = 0; k < 50; k++) {		/* the first medium goes where a player wants it */
		ck_assert_int_eq(recv(player, clear, sizeof(clear), MSG_DONTWAIT), 12 + 188);
		ck_assert_uint_eq(clear[11], 1);
		ck_assert_uint_eq(clear[12], 0x47);
	}
	ck_assert_int_eq(recv(player, clear, sizeof(clear), MSG_DONTWAIT), -1);
	term_units_second(&app);
}
END_TEST

/* A report of the first medium, protected. */
static size_t
report(uint8_t room[GW_XF_HEAD + 64 + GW_XF_TAIL])
{
	struct gw_pk pk = { room + GW_XF_HEAD, 8 };

	memcpy(pk.p, "\x80\xc9\0\1\0\0\0\1", pk.len);
	ck_assert_int_eq(row->protect_rtcp(tx, tx_media[0], &pk, burst), GW_XF_OK);
	gw_burst_run(burst);
	ck_assert_ptr_eq(pk.p, room + GW_XF_HEAD);
	return pk.len;
}

START_TEST(rtcp_at_the_port_above)
{
	_Alignas(8) uint8_t room[GW_XF_HEAD + 64 + GW_XF_TAIL], *p = room + GW_XF_HEAD;
	struct gw_err err = { 0 };
	int fd, above;
	size_t n;

	do {	/* a port whose next is free, too */
		medium[0].out = address(free_port());
		struct gw_addr next = address(medium[0].out.port + 1u);
		if ((fd = gw_udp_receiver(&next, &err)) >= 0)
			close(fd);
	} while (fd < 0);
	medium[0].rtcp = true;
	terminal_up(DRM);
	medium[0].rtcp = false;
	ck_assert_int_ge(app.units[0].media[0].rtcp_fd, 0);
	ck_assert_int_eq(app.units[0].media[1].rtcp_fd, -1);
	ck_assert_int_eq(port_of(app.units[0].media[0].rtcp_fd), medium[0].out.port + 1);
	above = toward(app.units[0].media[0].rtcp_fd);
	send_stkm(DRM, 1);
	scramble_with(1);
	for (uint16_t seq = 1; seq <= 3; seq++) {
		send_media(0, seq);
		n = report(room);
		ck_assert_int_eq(send(above, p, n, 0), (ssize_t)n);
	}
	n = report(room);
	p[n - 1] ^= 1;
	ck_assert_int_eq(send(above, p, n, 0), (ssize_t)n);
	UNTIL(counts().packets == 3 && counts().rtcp == 3 && counts().rtcp_bad == 1);
	ck_assert_uint_eq(counts().undecryptable + counts().lost + counts().repeated, 0);
	json_t *j = term_status(&app), *s = json_object_get(json_array_get(json_object_get(j, "services"), 0), "rtcp");
	ck_assert_int_eq(json_integer_value(json_object_get(s, "packets")), 3);
	ck_assert_int_eq(json_integer_value(json_object_get(s, "bad")), 1);
	json_decref(j);
	close(above);
}
END_TEST

START_TEST(writes_what_players_open)	/* a file for each of the media */
{
	char file[2][128];
	struct stat st;
	FILE *f;

	conf.file = strcat(strcpy(file[0], dir), "/clear.ts");
	service.media = medium;
	service.nmedia = 2;
	terminal_up(DRM);
	send_stkm(DRM, 1);
	scramble_with(1);
	for (uint16_t seq = 1; seq <= 10; seq++)
		send_media(0, seq);
	UNTIL(counts().packets == 10);
	term_units_close(&app);
	for (size_t i = 0; i < 2; i++) {
		snprintf(file[1], sizeof(file[1]), "%s.%s", conf.file, medium[i].name);
		ck_assert_int_eq(stat(file[1], &st), 0);
		ck_assert_int_eq(st.st_size, i == 0 ? 10 * 188 : 0);
		ck_assert_ptr_nonnull(f = fopen(file[1], "r"));
		ck_assert_int_eq(fgetc(f), i == 0 ? 0x47 : EOF);
		fclose(f);
		unlink(file[1]);
	}
	conf.file = NULL;
}
END_TEST

START_TEST(esp_of_two_media_at_one_port)	/* RFC 3948; and in clear beside it */
{
	int esp;

	sender_down();
	for (size_t i = 0; i < 2; i++)
		medium[i].out = address(free_port());
	sender_up(HE_IPSEC);
	service.ipsec = (struct he_ipsec){ .set = true, .output = HE_ESP_UDP, .port = free_port() };
	unit.index = 5;
	terminal_up(SMARTCARD);
	struct gw_addr at = address(service.ipsec.port);
	int clear[2] = { media_out[0], media_out[1] };
	ck_assert_int_ge(esp = gw_udp_sender(&at, NULL), 0);
	media_out[0] = media_out[1] = esp;
	ck_assert_int_eq(send(esp, "\xff", 1, 0), 1);		/* keeps a NAT's door open */
	send_stkm(SMARTCARD, 1);
	scramble_with(1);
	for (uint16_t seq = 1; seq <= 20; seq++) {
		if (seq == 11) {
			send_stkm(SMARTCARD, 2);
			scramble_with(2);
		}
		send_media(0, seq);
		send_media(1, seq);
	}
	UNTIL(counts().packets == 40);
	unit.index = 6;			/* another service's, at the same port */
	scramble_with(2);
	send_media(0, 21);
	unit.index = 5;
	scramble_with(3);
	send_media(1, 21);		/* nobody said what that is */
	ck_assert_int_eq(send(clear[0], "\x80\x21\0\x15\0\0\0\0\0\0\0\1G", 13, 0), 13);
	UNTIL(counts().clear == 1 && counts().unknown_key == 1);
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.lost + c.bad_tag + c.reordered, 0);
	ck_assert_uint_eq(c.undecryptable, 1);
	ck_assert_uint_eq(c.crypto_periods, 2);
	unit.index = 0;
	close(esp);
	memcpy(media_out, clear, sizeof(clear));
}
END_TEST

/* Datagrams in transport mode are summed up with the addresses outside: what comes from elsewhere was made for another way. */
START_TEST(esp_from_another_address)
{
	static const char *const sources[] = { "127.0.0.1", "127.0.0.77", "127.0.0.1" };
	struct sockaddr_storage from;
	struct gw_err err = { 0 };
	int clear, raw;

	sender_down();
	for (size_t i = 0; i < 2; i++)
		medium[i].out = address(free_port());
	sender_up(HE_IPSEC);
	if ((raw = gw_rawip_sender(&medium[0].out, NULL, &from, &err)) < 0 && geteuid() != 0)
		return;
	ck_assert_msg(raw >= 0, "%s", err.text);
	close(raw);
	service.ipsec = (struct he_ipsec){ .set = true, .output = HE_ESP_RAW };
	unit.index = (uint16_t)(1 + getpid() % 0x7000);	/* others may use lo, too */
	terminal_up(DRM);
	clear = media_out[0];
	send_stkm(DRM, 1);
	scramble_with(1);
	for (uint16_t seq = 1; seq <= 3; seq++) {
		ck_assert_int_ge(media_out[0] = gw_rawip_sender(&medium[0].out, sources[seq - 1], &from, &err), 0);
		send_media(0, seq);
		close(media_out[0]);
		UNTIL(counts().packets + counts().undecryptable == seq);
	}
	ck_assert_uint_eq(counts().packets, 2);
	ck_assert_uint_eq(counts().undecryptable, 1);
	ck_assert_uint_eq(counts().bad_tag + counts().unknown_key, 0);
	ck_assert_uint_eq(counts().lost, 1);
	unit.index = 0;
	media_out[0] = clear;
}
END_TEST

START_TEST(refuses_files_that_cannot_be)
{
	struct gw_err err = { 0 };

	service.media = medium;
	service.nmedia = 2;
	app.write = "-";
	ck_assert_int_eq(term_conf_out(&he, &conf, &app, &err), -1);
	ck_assert_int_eq(err.code, GW_EUSAGE);
	service.nmedia = 1;
	ck_assert_int_eq(term_conf_out(&he, &conf, &app, &err), 0);
	medium[0].type = HE_AAC;
	medium[0].at = (struct he_place){ 7, 3 };
	ck_assert_int_eq(term_conf_out(&he, &conf, &app, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "x.yaml:7:3: medium audio: "));
	medium[0].type = HE_TS;
	app.write = NULL;
}
END_TEST

START_TEST(refuses_what_is_not_sealed_for_it)	/* _i: profile */
{
	uint8_t m[1024];

	terminal_up(_i);
	size_t n = seal(_i, 1, m, sizeof(m));
	m[n - 1] ^= 1;
	ck_assert_int_eq(send(stkm_out, m, n, 0), (ssize_t)n);
	UNTIL(counts().refused[RX_BAD_MAC] == 1);
	ck_assert_int_eq(send(stkm_out, "?", 1, 0), 1);
	UNTIL(counts().stkm == 2);
	ck_assert_uint_eq(counts().refused[RX_MALFORMED], 1);
	ck_assert_uint_eq(counts().accepted, 0);
	json_t *j = term_status(&app);
	ck_assert_ptr_nonnull(j);
	json_t *s = json_array_get(json_object_get(j, "services"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json_object_get(s, "stkm"), "refused"), "bad_mac")), 1);
	json_decref(j);
}
END_TEST

START_TEST(replayed_stkm_of_a_card_is_stale)
{
	terminal_up(SMARTCARD);
	send_stkm(SMARTCARD, 2);
	send_stkm(SMARTCARD, 1);
	UNTIL(counts().stkm == 2);
	ck_assert_uint_eq(counts().refused[RX_STALE], 1);
}
END_TEST

START_TEST(finds_its_key_stream)
{
	ck_assert_ptr_eq(term_conf_stkm(&unit, false), &stkm[2]);	/* the lower ECM_id */
	ck_assert_ptr_eq(term_conf_stkm(&unit, true), &stkm[3]);
	stkm[3].out.scheme = 0;
	ck_assert_ptr_null(term_conf_stkm(&unit, true));

	he = (struct headend){ .file = (char []){ "x.yaml" }, .terminals = &conf, .nterminals = 1, .services = &service, .nservices = 1 };
	struct gw_err err = { 0 };
	conf.at = (struct he_place){ 12, 5 };
	conf.smartcard = false;
	ck_assert_ptr_eq(term_conf(&he, "handset", &err), &conf);
	ck_assert_ptr_null(term_conf(&he, "phone", &err));
	ck_assert_int_eq(err.code, GW_ECONF);
	conf.smartcard = true;
	ck_assert_ptr_null(term_conf(&he, "handset", &err));
	ck_assert_ptr_nonnull(strstr(err.text, "x.yaml:12:5: "));
	conf.smartcard = false;
	service.scrambling = HE_NONE;
	ck_assert_ptr_null(term_conf(&he, "handset", &err));
}
END_TEST

START_TEST(keys_that_others_can_read_are_refused)
{
	struct he_terminal drm = { .service = &service, .keys = path }, smartcard = { .service = &service, .keys = path, .smartcard = true };
	struct gw_err err = { 0 };

	put_file(path, key_files[DRM], 0644);
	ck_assert_ptr_null(term_card_new(&app, &drm, &err));
	put_file(path, key_files[DRM], 0600);
	ck_assert_ptr_null(term_card_new(&app, &smartcard, &err));	/* keys of the other profile */
	ck_assert_ptr_nonnull(strstr(err.text, "keys.yaml:1:"));
}
END_TEST

/* --- keys from the air --- */

static const char *const pem[] = { "rights-issuer-private.pem", "rights-issuer-public.pem", "handset-private.pem", "handset-public.pem" };

/* The key files of issuer and handset beside one another; the services are those of key_files[DRM]. */
static void
put_broadcast_keys(char issuer[128], char handset[128])
{
	char to[160], from[128], text[2048];

	for (size_t k = 0; k < 4; k++) {
		snprintf(from, sizeof(from), "../../examples/keys/%s", pem[k]);
		snprintf(to, sizeof(to), "%s/%s", dir, pem[k]);
		const char *t = vec_text(from);
		put_file(to, t, 0600);
		free((void *)(uintptr_t)t);
	}
	snprintf(issuer, 128, "%s/issuer.yaml", dir);
	snprintf(handset, 128, "%s/handset.yaml", dir);
	snprintf(text, sizeof(text), "%srights_issuer: { private_key: rights-issuer-private.pem, RIAK: 0x7e57000000000000000000000000d503 }\n"
	    "devices: [ { unique_device_number: \"00490123456789012345\", public_key: handset-public.pem, "
	    "UDK: 0x7e57000000000000000000000000d505, UDF: 0x4780000345, rights: [ { service: news } ] } ]\n", key_files[DRM]);
	put_file(issuer, text, 0600);
	put_file(handset, "profile: drm\nbase_cid: tv1@operator.example\ndevice: { unique_device_number: \"00490123456789012345\", "
	    "private_key: handset-private.pem, rights_issuer: rights-issuer-public.pem }\n", 0600);
}

static void
remove_broadcast_keys(const char *issuer, const char *handset)
{
	char file[160];

	unlink(issuer);
	unlink(handset);
	for (size_t k = 0; k < 4; k++) {
		snprintf(file, sizeof(file), "%s/%s", dir, pem[k]);
		unlink(file);
	}
}

static struct term_air_counts
air(void)
{
	struct term_air_counts c;

	term_air_counts(app.air, &c);
	return c;
}

START_TEST(gets_its_keys_from_the_air)
{
	char issuer[128], handset[128];
	uint8_t m[2][2048];
	int n[2], to;
	struct keys_drm keys;
	struct gw_err err = { 0 };
	struct drm_carousel *c;

	put_broadcast_keys(issuer, handset);
	put_file(path, key_files[DRM], 0600);	/* what seal() seals with */
	ck_assert_msg(keys_drm_load(issuer, &keys, &err) == 0, "%s", err.text);
	ck_assert_ptr_nonnull(c = drm_carousel_new(&keys, &err));
	for (uint32_t k = 0; k < 2; k++)
		ck_assert_int_gt(n[k] = drm_carousel_get(c, k, gw_utc_us() / 1000000, m[k], sizeof(m[k]), &err), 0);
	drm_carousel_free(c);
	keys_drm_free(&keys);

	conf.keys = handset;
	conf.smartcard = false;
	ck_assert_int_eq(term_units_open(&app, &he, &conf, &err), -1);	/* nowhere to listen */
	ck_assert_ptr_nonnull(strstr(err.text, "ltkm has no entry"));
	term_units_free(&app);
	ltkm[0] = (struct he_ltkm){ .kms = &kms[0], .out = address(free_port()) };	/* another KMS's */
	ltkm[1] = (struct he_ltkm){ .kms = &kms[2], .out = address(free_port()) };
	he.nltkm = 2;
	ck_assert_msg(term_units_open(&app, &he, &conf, &err) == 0, "%s", err.text);
	stkm_out = toward(app.units[0].stkm_fd);
	media_out[0] = toward(app.units[0].media[0].in_fd);
	media_out[1] = toward(app.units[0].media[1].in_fd);
	to = gw_udp_sender(&ltkm[1].out, &err);

	scramble_with(1);
	send_stkm(DRM, 1);
	send_media(0, 1);
	UNTIL(counts().waiting == 1);
	term_units_second(&app);
	ck_assert_uint_eq(counts().refused[RX_NO_KEY], 1);
	ck_assert_int_eq(send(to, m[1], (size_t)n[1], 0), n[1]);	/* rights before the registration are of no use yet */
	UNTIL(air().bcro.refused[BCRO_UNREGISTERED] == 1);
	for (int turn = 0; turn < 2; turn++)
		for (size_t k = 0; k < 2; k++)
			ck_assert_int_eq(send(to, m[k], (size_t)n[k], 0), n[k]);
	send_stkm(DRM, 1);
	send_media(0, 2);
	send_media(1, 2);	/* all of it is there at once: keys are read before what they open */
	UNTIL(counts().packets == 2);
	UNTIL(air().bcro.repeats == 1);
	ck_assert(air().registered);
	ck_assert_uint_eq(air().rights, 1);
	ck_assert_uint_eq(air().registration.accepted, 1);
	ck_assert_uint_eq(air().registration.repeats, 1);
	m[1][n[1] - 1] ^= 1;
	ck_assert_int_eq(send(to, m[1], (size_t)n[1], 0), n[1]);
	UNTIL(air().bcro.refused[BCRO_BAD_MAC] == 1);
	ck_assert_uint_eq(counts().undecryptable + counts().lost, 0);

	json_t *j = term_status(&app), *l = json_object_get(j, "ltkm");
	ck_assert(json_is_true(json_object_get(l, "registered")));
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json_object_get(l, "bcro"), "refused"), "mac")), 1);
	json_decref(j);
	term_summary(&app, stdout);
	close(to);
	remove_broadcast_keys(issuer, handset);
}
END_TEST

SUITE("terminal", tcase_add_checked_fixture(t, up, down);
      tcase_add_loop_test(t, receives_over_key_changes, 0, PROFILES); tcase_add_loop_test(t, refuses_what_is_not_sealed_for_it, 0, PROFILES);
      tcase_add_test(t, rtcp_at_the_port_above); tcase_add_test(t, writes_what_players_open); tcase_add_test(t, esp_of_two_media_at_one_port);
      tcase_add_test(t, esp_from_another_address); tcase_add_test(t, refuses_files_that_cannot_be);
      tcase_add_test(t, replayed_stkm_of_a_card_is_stale); tcase_add_test(t, finds_its_key_stream);
      tcase_add_test(t, keys_that_others_can_read_are_refused); tcase_add_test(t, gets_its_keys_from_the_air))
