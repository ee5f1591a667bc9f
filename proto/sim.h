/* proto/sim.h: SimulCrypt TLV, TS 103 197 clause 4.4. Pure, no allocation; a decoded message borrows the input buffer. */
#ifndef PROTO_SIM_H
#define PROTO_SIM_H
#include <stddef.h>
#include <stdint.h>

/* SIM_TIME: year (2), month, day, hour, minute, second, hundredth. SIM_GROUP: the value is parameters of the same interface again. */
enum sim_kind { SIM_UINT, SIM_INT, SIM_HEX, SIM_BYTES, SIM_TEXT, SIM_TIME, SIM_GROUP };
enum { SIM_SECRET = 1, SIM_CP = 2 };	/* flags of a parameter: never printed; its first two bytes are a CP number, which is no secret */
enum { SIM_HEADER = 5, SIM_MAX = 65540, SIM_VALUES = 1024, SIM_ANY = UINT16_MAX };	/* header bytes; largest message; parameters accepted; no upper count */
enum sim_verdict { SIM_OK, SIM_MALFORMED, SIM_VERSION, SIM_TOO_LONG, SIM_NO_MESSAGE,
	SIM_NO_PARAM, SIM_BAD_LENGTH, SIM_BAD_VALUE, SIM_MISSING, SIM_REPEATED };

struct sim_param {		/* one parameter, wherever it appears */
	uint16_t type;		/* parameter_type */
	const char *name;	/* the standard's spelling */
	enum sim_kind kind;
	uint16_t min, max;	/* value length, bytes, inclusive */
	const char *unit;	/* "ms", "x100 ms" or NULL */
	unsigned flags;
};
/* Its place in one message. A parameter that changed between versions has several rows, one for a version. */
struct sim_use {
	uint16_t type, least, most;	/* least 0 or 1, most 1 or SIM_ANY: the decoder notes whether one was there, not how many */
	uint8_t from, to;	/* the protocol_versions in which the message carries it (0, 0: all of them) */
	uint8_t spare;		/* 1: a lenient receiver goes on without it; with least 0: only a lenient one takes it */
	uint16_t len;		/* bytes it must have in this place; 0: as the parameter says */
	uint16_t top;		/* largest value; 0: any */
};
struct sim_message { uint16_t type; const char *name; const struct sim_use *uses; size_t n; };
struct sim_error { enum sim_verdict verdict; uint16_t status; };
/* An error_status of the interface in words: what it means and what an operator does next. */
struct sim_status { uint16_t status; const char *name, *meaning, *next; };
struct sim_iface {
	const char *name;
	uint8_t oldest, newest;	/* protocol_version */
	const struct sim_param *params; size_t nparams;
	const struct sim_message *messages; size_t nmessages;
	const struct sim_error *errors; size_t nerrors;
	const struct sim_status *statuses; size_t nstatuses;
	const struct sim_message *groups; size_t ngroups;	/* by parameter_type: what a SIM_GROUP holds; no further group */
};
struct sim_fault { enum sim_verdict verdict; uint16_t param; size_t offset; };
struct sim_value { uint16_t type, len; const uint8_t *p; };
struct sim_msg {
	const struct sim_iface *iface; const struct sim_message *def;
	uint8_t version; uint16_t type;	/* protocol_version and message_type as read */
	size_t n; struct sim_value v[SIM_VALUES];
	size_t ignored;		/* parameters dropped because the interface or the message does not know them (4.4.1) */
};
struct sim_writer {
	const struct sim_iface *iface; uint8_t *buf; size_t cap, len;
	enum sim_verdict verdict;	/* sticky: the first mistake is kept, later puts do nothing */
};

#define ONE(t) { (t), 1, 1, 0, 0, 0, 0, 0 }
#define OPT(t) { (t), 0, 1, 0, 0, 0, 0, 0 }
#define SOME(t) { (t), 1, SIM_ANY, 0, 0, 0, 0, 0 }
#define MANY(t) { (t), 0, SIM_ANY, 0, 0, 0, 0, 0 }
#define WANT(t) { (t), 1, 1, 0, 0, 1, 0, 0 }	/* once, but a lenient receiver goes on without it */
#define TABLE(a) (a), sizeof(a) / sizeof((a)[0])
#define USES(...) (const struct sim_use[]){ __VA_ARGS__ }, \
	sizeof((const struct sim_use[]){ __VA_ARGS__ }) / sizeof(struct sim_use)

enum { SIM_LENIENT = 0, SIM_STRICT = 1 };
/*
 * One whole message of len bytes. 0, or -1 with what and where in *why (why may be NULL). Lenient drops unknown parameters and
 * those the message does not list, and user-defined ones of a length that is not ours (counted in m->ignored); an unknown message_type is SIM_NO_MESSAGE in both, the receiver's policy
 * decides. m->version and, as far as they could be read, the values are filled even on failure, so that an error can name its channel.
 */
int sim_decode_as(const struct sim_iface *, int strictness, const void *buf, size_t len, struct sim_msg *, struct sim_fault *why);
int sim_decode(const struct sim_iface *, const void *buf, size_t len, struct sim_msg *, struct sim_fault *why);	/* lenient */
const struct sim_value *sim_value(const struct sim_msg *, uint16_t type, size_t nth);	/* NULL: absent */
size_t sim_count(const struct sim_msg *, uint16_t type);
int64_t sim_int(const struct sim_msg *, uint16_t type, int64_t absent);		/* the first; up to 8 bytes, sign by kind */
/* "channel_setup ECM_channel_id=7 Super_CAS_id=0x4ae60001 …", as snprintf; SIM_SECRET values as "(16 bytes)", groups as {a=1,b=2}. */
size_t sim_print(const struct sim_msg *, char *out, size_t cap);
void sim_begin(struct sim_writer *, const struct sim_iface *, uint8_t version, uint16_t message, void *buf, size_t cap);
void sim_put_int(struct sim_writer *, uint16_t type, int64_t value);	/* refuses what does not fit */
void sim_put_bytes(struct sim_writer *, uint16_t type, const void *, size_t len);
void sim_put_text(struct sim_writer *, uint16_t type, const char *);
/* Bytes written, once our own output decodes by the same row; else 0 with *why. */
size_t sim_end(struct sim_writer *, struct sim_fault *why);
/* The same by the rules of a lenient receiver: for peers that want a parameter left out. */
size_t sim_end_as(struct sim_writer *, int strictness, struct sim_fault *why);

/* Whole length of the frame that begins at buf (needs 5 bytes), 5..65540; 0 while len < 5. */
size_t sim_frame_length(const void *buf, size_t len);
uint16_t sim_status_of(const struct sim_iface *, enum sim_verdict);	/* error_status of a verdict on this interface */
const struct sim_status *sim_status_find(const struct sim_iface *, uint16_t status);	/* NULL: unknown */
/* Never NULL: a number without a row gets the words of its range (reserved, user defined), whose status is that of the range's first. */
const struct sim_status *sim_status_words(const struct sim_iface *, uint16_t status);
const struct sim_param *sim_param_find(const struct sim_iface *, uint16_t type);
const struct sim_message *sim_message_find(const struct sim_iface *, uint16_t type);
const char *sim_verdict_text(enum sim_verdict);	/* "missing mandatory parameter" */
#endif
