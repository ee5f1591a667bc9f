/*
 * lib/headend.h: the one YAML file that describes a head-end (simulgate.yaml(5)), checked whole by every program: unknown keys,
 * wrong units and dangling names are refused with file:line:column. Each program takes its own view of it in its conf.c.
 */
#ifndef GW_HEADEND_H
#define GW_HEADEND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "lib/addr.h"
#include "lib/err.h"

/* When a required ECM does not come for on_loss_after of extension: the key stays; nothing is sent; it is sent in clear. */
enum he_loss { HE_HOLD = 0, HE_MUTE = 1, HE_EXPOSE = 2 };
enum he_media_type { HE_TS, HE_H264, HE_AAC };	/* what a medium's packets carry: the numbers of enum gw_media_type */
enum he_scrambling { HE_IPSEC = 0, HE_SRTP = 1, HE_ISMACRYP = 2, HE_CISSA = 7, HE_NONE = 255 };	/* 0..7: traffic_protection_protocol */

struct he_place { int line, column; };	/* where it stands in the file, from 1 */

/* An override of a value that our ECMG announces in channel_status; absent: the plugin's own. */
struct he_opt { int64_t v; bool set; };	/* in this order: no `has` of a schema row is at offset 0 */

/* The values of channel_status that an operator may correct: replaced first, then kept between min and max. */
enum he_announced { HE_LEAD_CW, HE_CW_PER_MSG, HE_DELAY_START, HE_DELAY_STOP, HE_TRANSITION_DELAY_START, HE_TRANSITION_DELAY_STOP,
	HE_AC_DELAY_START, HE_AC_DELAY_STOP, HE_ECM_REP_PERIOD, HE_MAX_COMP_TIME, HE_MIN_CP_DURATION, HE_MAX_STREAMS, HE_ANNOUNCED };
struct he_limit { struct he_opt min, max, replace; };

enum { HE_ECMGS = 32 };			/* of one KMS */
enum he_stream_ids { HE_FROM_0, HE_FROM_1, HE_ECM_ID };	/* ECM_stream_id: from 0 or 1 upwards on each channel, or the ECM_id */

/* How a vendor's ECMG wants to be spoken to; a profile may say it for the entry. */
struct he_manners {
	bool omit_ECM_id;			/* ECM_id: omit: no ECM_id although the version has it */
	bool refuse_empty_ECM;			/* empty_ECM: refuse: an ECM_datagram of length 0 is no answer */
	bool CP_duration_always;		/* else when it is not nominal_CP_duration */
	bool criteria_always;			/* access_criteria in every CW_provision, whatever the transfer mode */
	uint8_t stream_ids;			/* enum he_stream_ids; default from 1 */
	struct { bool set; uint16_t v; } channel_id;	/* of the first channel to each ECMG; further ones take the next numbers */
	struct he_limit limits[HE_ANNOUNCED];
};

struct he_kms {
	char *name;
	struct he_place at;
	uint32_t super_cas_id;
	struct gw_addr *ecmg; size_t necmg;	/* in order of preference */
	uint8_t protocol_version;		/* default 5 for Super_CAS_id 0x0001xxxx and 0x0002xxxx, else 3 */
	char *plugin;				/* name or path; NULL: somebody else's ECMG */
	char *keys;				/* absolute path; NULL if none */
	char *store, *master;			/* absolute paths: of the store that its plugin and its BSM share; NULL: none, STORE.master */
	char *set;				/* "KEY=VALUE\n…" for the plugin, from the map `set`; "" if none */
	bool bcast_parameters;			/* send 0x8001 and 0x8002; default by Super_CAS_id as above */
	bool strict;				/* peer: strict */
	char *profile;				/* absolute path of the vendor's profile; NULL: none */
	struct he_manners manners;
	bool standby_cold;			/* standby: cold: a spare is connected when it is needed, not before */
	bool return_never;			/* stays with the spare that took over */
	uint32_t return_after_ms;		/* default 10 s: how long a better ECMG must be well before it is gone back to */
	uint32_t hedge_ms;			/* 0: a spare is not asked before the other failed */
	uint32_t test_interval_ms;		/* default 10 s: after this silence channel_test */
	char *kms_type, *service_provider;	/* of session descriptions; NULL: by Super_CAS_id, none */
	uint32_t profile_given;			/* of a profile while it is read: which of its keys stand there */
	struct he_opt lead_CW, CW_per_msg, delay_start, delay_stop, ECM_rep_period, max_comp_time, min_CP_duration, max_streams;
};

struct he_stkm {
	struct he_place at;
	const struct he_kms *kms;
	uint16_t ecm_id;			/* = stkmstream; unique per KMS in the whole file */
	struct gw_addr out;			/* scheme 0: none (an ECM for a multiplexer that is not ours) */
	uint8_t *access_criteria; size_t access_criteria_len;
	bool required;				/* default true */
	bool pek;				/* key: pek: sealed with the keys of programmes; default with those of the service */
	char *base_cid;				/* of session descriptions, not escaped; NULL: none */
	struct { bool set; uint32_t v; } srv_cid_ext, prg_cid_ext;
};

struct he_medium {
	char *name;
	struct he_place at;
	struct gw_addr in, out;
	enum he_media_type type;		/* default ts */
	bool rtp;				/* default true; else TS packets by UDP alone */
	char *rtpmap, *fmtp;			/* "H264/90000", parameters of its encoder; NULL: the usual one, none */
	bool rtcp;				/* the ports above in and out carry its RTCP */
	uint8_t payload_type;			/* of RTP as it goes out; default 33 ts, 96 h264, 97 aac */
	uint8_t in_payload_type;		/* as it comes in, and of what is sent in clear; default with ismacryp 98 h264, 99 aac, else the same */
	uint16_t *pids; size_t npids;		/* dvb-cissa: those that are scrambled; none: all that are not PSI, SI, ECM or EMM */
};

/* A protected unit: one key sequence. A service, or a medium that has its own stkm list ("news/audio"). */
struct he_unit {
	char *id;				/* "news" or "news/audio" */
	const struct he_service *service;
	const struct he_medium **media; size_t nmedia;
	struct he_stkm *stkm; size_t nstkm;	/* may be 0 only for scrambling none */
	uint16_t index;				/* stream index of SPIs; by order in the file unless `stream_index` says */
};

enum he_esp_out { HE_ESP_RAW, HE_ESP_UDP, HE_ESP_PCAP };	/* raw IP; in UDP, RFC 3948; into a file */
struct he_ipsec {
	bool set;				/* scrambling is ipsec */
	bool tunnel;				/* mode: tunnel; default transport */
	enum he_esp_out output;			/* default raw */
	uint16_t port;				/* HE_ESP_UDP: it goes there; default 4500 */
	char *file;				/* HE_ESP_PCAP: absolute path */
	char *source;				/* a numeric address, of the family of the media's out; NULL: the kernel's choice */
};

struct he_service {
	char *id;
	struct he_place at;
	char *title;				/* for people; NULL: the id */
	char *purchase_item, *purchase_data;	/* GlobalPurchaseItemID, PurchaseDataReference; default urn:simulgate:HEAD_END:ID and "" */
	char *global_service_id, *global_content_id;	/* of SP-4 and CP-3; default urn:simulgate:HEAD_END:ID, and that of the service */
	char *outside_keys;			/* the bridge that its keys come through (CP-3, mode A); NULL: they are drawn here */
	struct { bool set; uint64_t v; } session_id;	/* of its session description */
	enum he_scrambling scrambling;
	bool authentication;			/* default: srtp, ipsec true; others false */
	uint32_t rcc;				/* srtp: RFC 4771, the ROC in every packet whose sequence number it divides; 0: off */
	uint32_t crypto_period_ms;		/* 1 s .. 6553.5 s, whole tenths of a second */
	uint32_t extension_alarm_ms;		/* default 30 s */
	uint32_t optional_wait_ms;		/* how long a required: false KMS is waited for past its time-out; default 0 */
	enum he_loss on_loss; uint32_t on_loss_after_ms;	/* default: hold */
	bool start_clear;			/* until the first command, from its first start on */
	bool align;				/* CP boundaries on multiples of the period since the epoch */
	uint32_t sources;			/* srtp: SSRCs at a time */
	uint8_t cw_length;			/* scrambling none: 8 or 16; default 8 */
	struct he_ipsec ipsec;
	struct he_medium *media; size_t nmedia;
	struct he_unit *units; size_t nunits;
};

/* A stream of EMMs, LTKMs or private data, named by (data_type, client_id, data_id), TS 103 197 clause 6. */
struct he_ltkm {
	struct he_place at;
	const struct he_kms *kms;
	uint32_t client_id;
	uint16_t data_id;
	uint8_t data_type;			/* 0 EMM or LTKM, 1 private data */
	uint32_t bandwidth_bps;
	uint32_t repeat, repeat_every_ms;	/* each datagram is sent so often; 1: once */
	bool udp_without_control;		/* data by UDP is taken without a stream that was set up over TCP */
	struct gw_addr out;			/* scheme 0: the mux of `to` puts it on air */
	/* What our EMMG does, if it sends the stream: the KMS has a plugin, or there is a source. */
	char *source;				/* absolute path; NULL: the plugin's ltkm() */
	uint8_t format;				/* section_TSpkt_flag; default 2 for client_id 0x0001xxxx and 0x0002xxxx, else 0 */
	struct gw_addr to, to_udp;		/* filled in from mux.emmg and, with udp, mux.emmg_udp; scheme 0: nobody takes it, no UDP */
	bool udp;				/* data by UDP */
	uint8_t protocol_version;		/* default 5 for format bcast, else 3 */
	uint32_t datagrams_per_message, bytes_per_message;
	bool strict;				/* peer: strict */
};
bool he_ltkm_ours(const struct he_ltkm *);	/* our EMMG sends it */
/* What simulgate-mux listens at, and what one EMMG may do to it. */
struct he_mux {
	struct gw_addr emmg, emmg_udp;
	uint64_t total_bandwidth_bps;
	uint32_t repetition_ms;			/* for ECM_rep_period 0; default 500 */
	uint32_t max_channels, max_channels_per_client, max_streams, max_streams_per_channel;
	uint32_t max_datagrams, max_message;	/* of one data_provision: their number; octets, header included */
	bool strict;				/* peer: strict */
};
/* Media that `simulgate run` plays: a file as it is, or the H.264 or AAC of a transport stream. */
struct he_play { struct he_place at; char *file; struct gw_addr to; bool rtp, loop; enum he_media_type type; uint8_t payload_type; };

struct he_terminal {
	char *name;
	struct he_place at;
	bool smartcard;				/* profile: drm | smartcard */
	const struct he_service *service;
	char *keys;				/* absolute path; NULL: it has a card, or none are needed */
	char *card;				/* absolute path: its (U)SIM; long-term keys come from a BSM */
	char *bsm_url, *bsf_url;		/* where it registers and bootstraps; default: the file's BSM of its service's KMS */
	struct gw_addr address;			/* udp: where LTKMs come to it; its host is where it calls from */
	char *card_state;			/* absolute path: what the card remembers; default STATE/terminal-NAME.card */
	char *sms_dir;				/* absolute path: SMS user data blocks are taken from files there; NULL: no SMS */
	uint32_t stkm_poll_ms;			/* it asks the BSM for STKMs so often; 0: it hears them on air */
	struct gw_addr out;			/* where the descrambled media goes; scheme 0: nowhere */
	char *file;				/* absolute path of the file that it is written into; NULL: none */
};

/* The subscribers' side of a Smartcard KMS (simulgate-bsm): registration, long-term keys, purchases. */
struct he_bsm {
	char *name;
	struct he_place at;
	const struct he_kms *kms;
	char *naf, *bsf;			/* FQDNs: IDi and realm; after the @ of B-TIDs */
	uint8_t *key_domain; size_t key_domain_len;	/* 3 octets */
	struct gw_addr listen;			/* tcp, tls: BSF, registration, LTKM requests, STKMs */
	char *certificate, *private_key;	/* absolute paths */
	char *path;				/* default /keymanagement */
	bool auth_ok;				/* qop auth is accepted, too */
	bool registered_address;		/* X-Registered-Address is believed; tests */
	bool mac_star;				/* gba_u_mac_star */
	uint32_t registration_ms, nonce_ms;	/* defaults 3600 s, 300 s */
	uint64_t bootstrapping_ms;		/* life of a B-TID; default 24 h */
	uint32_t challenge_ms;			/* of one of Ub; default 60 s */
	uint32_t request_window_ms, requests;	/* LTKM Requests for a Key Group, so many in so long; defaults 30 s, 4 */
	struct gw_addr ltkm;			/* udp: LTKMs are sent from there */
	uint16_t ltkm_port;			/* of the terminals; default 4359 */
	uint32_t pushes_per_second;		/* default 1000; in a roll see roll_rate */
	bool pull_on_purchase;			/* default true (7.2) */
	uint8_t ext_bcast;			/* 0 none, 1 min, 2 full */
	uint64_t sek_life_ms, roll_window_ms;	/* defaults 30 days or what its crypto-periods allow, 1 h or a tenth of that */
	uint32_t roll_rate;			/* messages per second; 0: evenly over the window */
	char *sms_dir;				/* absolute path of a file sink; NULL: none */
	struct gw_addr smpp;			/* tcp: the SMSC; scheme 0: none */
	char *smpp_system_id, *smpp_password_file, *smpp_source;
	bool smpp_data_sm;			/* data_sm in place of submit_sm */
	uint32_t sms_per_second;
	struct gw_addr api;			/* tcp, tls: where web shops call; scheme 0: none */
	char *api_token_file;			/* 0600: the bearer token */
};

/* The roles of the ends of SP-4 and CP-3 (bcast-backend-xml 1). */
enum he_sp4_role { HE_ROLE_BSM = 1, HE_ROLE_BSDA = 2, HE_ROLE_BSA = 4 };
/* Somebody whom a bridge exchanges XML with. */
struct he_sp4_peer {
	char *name;
	struct he_place at;
	char *id;				/* its @source, our @destination; default the name */
	char *identity;				/* the DNS name or URI that its certificate carries; default id */
	char *url;				/* "https://HOST[:PORT]", paths are section 8's; NULL: it calls, we do not */
	unsigned roles;				/* enum he_sp4_role, those it may take towards us */
	bool basic;				/* status: basic: it is told 0 and 1 only */
	bool short_form;			/* short: true: it gets answers in the short form */
	uint32_t timeout_ms;			/* of one attempt; 0: section 8's */
	uint32_t connections;			/* to it at a time; default 4 */
	const struct he_service **services; size_t nservices;	/* a BSA: whose keys of mode A it may have, beside those of what it asks STKMs for */
};
enum he_bridge_mode { HE_MODE_A, HE_MODE_C };
/* S->X: the bridge serves ECMG addresses of a KMS; an XML BSM makes the STKMs. */
struct he_bridge_ecmg { struct he_place at; const struct he_kms *kms; const struct he_sp4_peer *peer; enum he_bridge_mode mode;
	struct gw_addr *listen; size_t nlisten;	/* which of them; default all of the KMS's */
};
/* S->X: EMMGs of a client_id connect to the bridge; their datagrams go to a BSD/A as tag 11, or 15 for the data_id of registration objects. */
struct he_bridge_emmg {
	struct he_place at;
	struct gw_addr listen, listen_udp;	/* tcp, tls; udp or scheme 0 */
	uint32_t client_id; uint16_t data_id;
	const struct he_sp4_peer *peer; const struct he_service *service;
	bool registration;
	uint32_t bandwidth_bps, repetition_ms;
};
/* X->S: tag 5 of a BSD/A for this service is answered by an ECMG of the KMS. */
struct he_bridge_stkm { struct he_place at; const struct he_kms *kms; const struct he_sp4_peer *peer; const struct he_service *service; uint16_t ecm_id;
	enum he_bridge_mode mode; };
/* X->S: tags 11 and 15 of a BSM become data_provisions to a MUX. */
struct he_bridge_mux {
	struct he_place at;
	const struct he_sp4_peer *peer; const struct he_service *service;
	struct gw_addr to, to_udp;
	uint32_t client_id; uint16_t data_id;
	bool registration;
	uint32_t bandwidth_bps, repetition_ms;
};
/* The BSM whose SEAK a service has, and those that get it (section 6). generator NULL: whoever is first. */
struct he_bridge_seak {
	struct he_place at;
	const struct he_service *service;
	const struct he_sp4_peer *generator, **others; size_t nothers;
	uint32_t wait_ms;			/* the gate: default 30 s */
	bool make_stkm;				/* mode B: the bridge is the STKMG of the service's DRM KMS, with the SEAK it has */
	/* Role bsm: SEAKs are delivered to and asked of this BSD/A; generate: they are made here. */
	const struct he_sp4_peer *bsda;
	bool generate;
	uint64_t life_ms, ahead_ms;		/* of a SEAK that is made here: how long it is the newest, how long before that it is delivered; defaults 30 days, 24 h */
};
struct he_bridge {
	char *name;
	struct he_place at;
	char *id;				/* our @source; default the name */
	unsigned roles;				/* enum he_sp4_role: ours */
	struct gw_addr listen;			/* tls; tcp only on loopback and with plain; scheme 0: nobody calls */
	bool plain;
	char *certificate, *private_key, *ca;	/* absolute paths */
	char *store;				/* absolute path: what was answered; default STATE/bridge-NAME.db */
	char *master;				/* absolute path of the key that it is wrapped with; default STORE.master */
	uint64_t store_limit;			/* octets that what was answered within ten minutes may take there */
	char *seaks, *seaks_master;		/* absolute paths: of the store of SEAKs, which the plugin drm reads, too; defaults STATE/bridge-NAME.seaks, SEAKS.master */
	struct he_sp4_peer *peers; size_t npeers;
	struct he_bridge_ecmg *ecmg; size_t necmg;
	struct he_bridge_emmg *emmg; size_t nemmg;
	struct he_bridge_stkm *stkm; size_t nstkm;
	struct he_bridge_mux *mux; size_t nmux;
	struct he_bridge_seak *seak; size_t nseak;
};

struct headend {
	char *file;				/* as given */
	char *head_end;				/* its name; default "simulgate" */
	char *state;				/* absolute directory; default /var/lib/simulgate */
	char *playout;				/* absolute directory of the sockets between processes, from unix:///…; default /run/simulgate */
	struct he_kms *kms; size_t nkms;
	struct he_service *services; size_t nservices;
	struct he_ltkm *ltkm; size_t nltkm;
	struct he_bsm *bsm; size_t nbsm;
	struct he_bridge *bridge; size_t nbridge;
	struct he_terminal *terminals; size_t nterminals;
	struct he_play *play; size_t nplay;
	struct he_mux mux;
	struct { uint16_t channel_id_min, channel_id_max; } scs;	/* ECM_channel_ids that KMSs without one of their own share */
	struct { char *engine; uint32_t threads; bool no_gso; } scrambler;	/* engine: auto | libsrtp2 | batch */
	struct { char *owner, *origin; } session;	/* of session descriptions: the user of o= lines, and their host */
	struct { struct gw_addr to; uint32_t interval_ms; } sap;	/* where they are announced; scheme 0: they are not */
};

/*
 * Loads and checks the file. Relative paths are relative to the file's directory. Key files are checked for their mode only
 * (lib/secret.h), their content is their reader's. On failure *err has every error, a line each, as many as fit. path: NULL is HEADEND_FILE.
 */
#define HEADEND_FILE SYSCONFDIR "/simulgate/headend.yaml"
struct headend *headend_load(const char *path, struct gw_err *err);
/* The same; say hears every error, a line each, in the order of the file. */
struct headend *headend_load_all(const char *path, void (*say)(void *self, const char *line), void *self, struct gw_err *err);
/* The same from memory, which is cleansed; path is for errors and relative paths. */
struct headend *headend_load_text(const char *path, char *text, size_t len, struct gw_err *err);
void headend_free(struct headend *);
const struct he_kms *headend_kms(const struct headend *, const char *name);
const struct he_service *headend_service(const struct headend *, const char *id);
bool he_same_manners(const struct he_manners *, const struct he_manners *);
const struct he_unit *headend_unit(const struct headend *, const char *id);
/* The file as understood, every default filled in; parses back to itself. stdout. Key files' contents are never shown. */
void headend_print(const struct headend *);
/* --check-config of a program that needs no more than the file: loads and prints it. The exit status. */
int headend_check(const char *path, struct gw_err *);
void headend_write(const struct headend *, FILE *);	/* the same, elsewhere */
/* The list of keys for simulgate.yaml(5), mdoc, from the schema rows. stdout. */
void headend_print_mdoc(void);

/* The service's identifiers on the wire: key identifier of a CP, as stkm_key_id() has it. Octets written: 2, 4, 1, or 0 where
 * packets carry none. */
size_t he_key_id(enum he_scrambling, uint16_t stream_index, uint16_t cp, uint8_t out[8]);
#endif
