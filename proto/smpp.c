/* proto/smpp.c */
#include "proto/smpp.h"
#include "proto/cursor.h"

/*
 * Bodies, SMPP 3.4 chapter 4: mandatory fields in order, optional parameters behind. TEXT: octets at most, with its NUL; MESSAGE: a length octet and
 * so many octets.
 */
enum kind { NUMBER, TEXT, MESSAGE };
struct field { enum kind kind; size_t offset, max; };
#define N(member) { NUMBER, offsetof(struct smpp, member), 1 }
#define T(member, max) { TEXT, offsetof(struct smpp, member), max }
static const struct field bind[] = { T(system_id, 16), T(password, 9), T(system_type, 13), N(interface_version), N(ton), N(npi), T(address_range, 41) };
static const struct field bind_resp[] = { T(system_id, 16) };
static const struct field submit_sm[] = { T(service_type, 6), N(source_ton), N(source_npi), T(source, 21), N(dest_ton), N(dest_npi), T(destination, 21),
	N(esm_class), N(protocol_id), N(priority), T(schedule, 17), T(validity, 17), N(registered), N(replace), N(data_coding), N(default_message),
	{ MESSAGE, offsetof(struct smpp, message), SMPP_MESSAGE } };
static const struct field data_sm[] = { T(service_type, 6), N(source_ton), N(source_npi), T(source, 65), N(dest_ton), N(dest_npi), T(destination, 65),
	N(esm_class), N(registered), N(data_coding) };
static const struct field message_resp[] = { T(message_id, 65) };
#undef N
#undef T

#define BODY(a) a, sizeof(a) / sizeof((a)[0])
static const struct command { uint32_t id; const char *name; const struct field *body; size_t n; } commands[] = {
	{ SMPP_BIND_TRANSMITTER, "bind_transmitter", BODY(bind) },
	{ SMPP_BIND_TRANSMITTER | SMPP_RESP, "bind_transmitter_resp", BODY(bind_resp) },
	{ SMPP_SUBMIT_SM, "submit_sm", BODY(submit_sm) },
	{ SMPP_SUBMIT_SM | SMPP_RESP, "submit_sm_resp", BODY(message_resp) },
	{ SMPP_DELIVER_SM, "deliver_sm", BODY(submit_sm) },
	{ SMPP_DELIVER_SM | SMPP_RESP, "deliver_sm_resp", BODY(message_resp) },
	{ SMPP_DATA_SM, "data_sm", BODY(data_sm) },
	{ SMPP_DATA_SM | SMPP_RESP, "data_sm_resp", BODY(message_resp) },
	{ SMPP_UNBIND, "unbind", NULL, 0 },
	{ SMPP_UNBIND | SMPP_RESP, "unbind_resp", NULL, 0 },
	{ SMPP_ENQUIRE_LINK, "enquire_link", NULL, 0 },
	{ SMPP_ENQUIRE_LINK | SMPP_RESP, "enquire_link_resp", NULL, 0 },
	{ SMPP_NACK, "generic_nack", NULL, 0 },
};

static const struct { uint32_t status; const char *text; } statuses[] = {
	{ 0x00, "no error" }, { 0x01, "message length is invalid" }, { 0x02, "command length is invalid" }, { 0x03, "command id is invalid" },
	{ 0x04, "incorrect bind status" }, { 0x05, "already bound" }, { 0x06, "priority flag is invalid" }, { 0x08, "system error" },
	{ 0x0a, "source address is invalid" }, { 0x0b, "destination address is invalid" }, { 0x0d, "bind failed" }, { 0x0e, "password is invalid" },
	{ 0x0f, "system id is invalid" }, { 0x14, "message queue full" }, { 0x15, "service type is invalid" }, { 0x43, "esm_class is invalid" },
	{ 0x45, "submission failed" }, { 0x48, "source TON is invalid" }, { 0x49, "source NPI is invalid" }, { 0x50, "destination TON is invalid" },
	{ 0x51, "destination NPI is invalid" }, { 0x53, "system type is invalid" }, { 0x58, "throttled" }, { 0x64, "temporary error of an application" },
	{ 0x65, "permanent error of an application" }, { 0x66, "rejected by an application" }, { 0xc0, "optional part is invalid" },
	{ 0xc1, "optional parameter not allowed" }, { 0xc2, "parameter length is invalid" }, { 0xc3, "optional parameter missing" },
	{ 0xc4, "optional parameter is invalid" }, { 0xfe, "delivery failed" }, { 0xff, "unknown error" },
};
enum tag { TAG_SOURCE_PORT = 0x020a, TAG_DESTINATION_PORT = 0x020b, TAG_PAYLOAD = 0x0424 };

static const struct command *
command_of(uint32_t id)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].id == id)
			return &commands[i];
	return NULL;
}

int
smpp_frame(const void *buf, size_t len)
{
	struct cursor c = { .in = buf, .len = len, .beyond = SMPP_TRUNCATED };
	uint64_t n = number(&c, 0, 4);

	if (c.fault)
		return 0;
	if (n < SMPP_HEADER || n > SMPP_MAX)
		return -1;
	return n <= len ? (int)n : 0;
}

static void
view(struct cursor *c, struct mikey_view *v, size_t n)
{
	if (!room(c, n))
		return;
	if (c->out && n)
		memcpy(c->out + c->at, v->p, n);
	else if (!c->out)
		*v = (struct mikey_view){ c->in + c->at, n };
	c->at += n;
}

static void
text(struct cursor *c, struct mikey_view *v, size_t max)
{
	size_t n = v->len;

	if (!c->out) {
		const uint8_t *nul = c->at < c->len ? memchr(c->in + c->at, 0, c->len - c->at) : NULL;
		if (!nul) {
			fail(c, SMPP_TRUNCATED);
			return;
		}
		n = (size_t)(nul - (c->in + c->at));
	}
	if (n >= max || (c->out && n && memchr(v->p, 0, n)))
		fail(c, SMPP_TEXT);
	if (c->fault)
		return;
	view(c, v, n);
	number(c, 0, 1);
}

static void
walk(struct cursor *c, struct smpp *p, const struct field *f)
{
	void *member = (uint8_t *)p + f->offset;

	switch (f->kind) {
	case NUMBER:
		octets(c, member, 1);
		break;
	case TEXT:
		text(c, member, f->max);
		break;
	case MESSAGE: {
		struct mikey_view *v = member;
		if (c->out && v->len > f->max)
			fail(c, SMPP_LENGTH);
		size_t n = number(c, v->len & 0xff, 1);
		if (!c->fault && n > f->max)
			fail(c, SMPP_LENGTH);
		if (!c->fault)
			view(c, v, n);
		break;
	}
	}
}

static void
read_tlv(struct cursor *c, struct smpp *p, uint16_t *ports)
{
	uint64_t tag = number(c, 0, 2);
	size_t len = number(c, 0, 2);
	struct mikey_view v = { NULL, 0 };

	if (!c->fault)
		view(c, &v, len);
	if (c->fault)
		return;
	switch (tag) {
	case TAG_SOURCE_PORT:
	case TAG_DESTINATION_PORT:
		if (len != 2)
			fail(c, SMPP_TLV);
		else
			*(tag == TAG_SOURCE_PORT ? &p->source_port : &p->destination_port) = (uint16_t)(v.p[0] << 8 | v.p[1]);
		*ports |= (uint16_t)(1u << (tag & 1));
		break;
	case TAG_PAYLOAD:
		p->payload = v;
		break;
	default:
		break;
	}
}

static void
put_tlv(struct cursor *c, enum tag tag, const void *value, size_t len)
{
	struct mikey_view v = { value, len };

	number(c, tag, 2);
	number(c, len & 0xffff, 2);
	view(c, &v, len);
}

static void
put_tlvs(struct cursor *c, const struct smpp *p)
{
	const uint8_t from[2] = { (uint8_t)(p->source_port >> 8), (uint8_t)p->source_port },
		to[2] = { (uint8_t)(p->destination_port >> 8), (uint8_t)p->destination_port };

	if (p->has_ports) {
		put_tlv(c, TAG_SOURCE_PORT, from, 2);
		put_tlv(c, TAG_DESTINATION_PORT, to, 2);
	}
	if (p->payload.p)
		put_tlv(c, TAG_PAYLOAD, p->payload.p, p->payload.len);
}

int
smpp_decode(const void *buf, size_t len, struct smpp *p, enum smpp_fault *why)
{
	struct cursor c = { .in = buf, .len = len, .beyond = SMPP_TRUNCATED };
	uint16_t ports = 0;

	*p = (struct smpp){ 0 };
	uint64_t whole = number(&c, 0, 4);
	p->id = (uint32_t)number(&c, 0, 4);
	p->status = (uint32_t)number(&c, 0, 4);
	p->sequence = (uint32_t)number(&c, 0, 4);
	const struct command *def = command_of(p->id);
	if (!c.fault && (whole != len || len > SMPP_MAX))
		fail(&c, SMPP_LENGTH);
	if (!def)
		fail(&c, SMPP_UNKNOWN);
	/* A response that refuses has no body; some have none in any case. */
	bool bare = p->id & SMPP_RESP && c.at == len;
	for (size_t i = 0; !c.fault && !bare && i < def->n; i++)
		walk(&c, p, &def->body[i]);
	while (!c.fault && c.at < c.len)
		if (def->n == 0)
			fail(&c, SMPP_TRAILING);
		else
			read_tlv(&c, p, &ports);
	p->has_ports = ports == 3;
	if (why)
		*why = (enum smpp_fault)c.fault;
	return c.fault ? -1 : 0;
}

size_t
smpp_encode(const struct smpp *given, void *out, size_t cap)
{
	struct cursor c = { .out = out, .len = cap < SMPP_MAX ? cap : SMPP_MAX, .beyond = SMPP_TRUNCATED };
	const struct command *def = command_of(given->id);
	struct smpp p = *given;

	if (!def || !out)
		return 0;
	number(&c, 0, 4);
	number(&c, p.id, 4);
	number(&c, p.status, 4);
	number(&c, p.sequence, 4);
	bool bare = p.id & SMPP_RESP && p.status != SMPP_OK;
	for (size_t i = 0; !bare && i < def->n; i++)
		walk(&c, &p, &def->body[i]);
	if (!bare && def->n)
		put_tlvs(&c, &p);
	if (c.fault)
		return 0;
	struct cursor head = { .out = out, .len = 4, .beyond = SMPP_TRUNCATED };
	number(&head, c.at, 4);
	return c.at;
}

const char *
smpp_fault_text(enum smpp_fault f)
{
	static const char *const texts[] = { [SMPP_FINE] = "well-formed", [SMPP_TRUNCATED] = "it ends too early", [SMPP_UNKNOWN] = "no command that is known here",
		[SMPP_LENGTH] = "a length that cannot be", [SMPP_TEXT] = "a text that is too long", [SMPP_TLV] = "an optional parameter of another length",
		[SMPP_TRAILING] = "octets behind its end" };

	return texts[f];
}

const char *
smpp_status_text(uint32_t status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return statuses[i].text;
	return "";
}

const char *
smpp_name(uint32_t id)
{
	const struct command *def = command_of(id);

	return def ? def->name : NULL;
}
