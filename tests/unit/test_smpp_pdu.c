/* tests/unit/test_smpp_pdu.c: PDUs of SMPP 3.4 against V22, V23, and against what SMSCs answer */
#include <string.h>
#include "proto/smpp.h"
#include "tests/unit/mikey_vectors.h"

static uint8_t want[400], got[SMPP_MAX];

static struct smpp
submission(uint32_t id, uint32_t sequence)
{
	return (struct smpp){ .id = id, .sequence = sequence, .source_ton = SMPP_ISDN, .source_npi = SMPP_ISDN, .source = smpp_text("4000"),
		.dest_ton = SMPP_ISDN, .dest_npi = SMPP_ISDN, .destination = smpp_text("491701234567"), .data_coding = SMPP_BINARY };
}

START_TEST(bind_is_as_the_vector)
{
	struct smpp p = { .id = SMPP_BIND_TRANSMITTER, .sequence = 1, .system_id = smpp_text("bsm"), .password = smpp_text("secret"), .interface_version = SMPP_VERSION };
	size_t n = hex_of(vector("V22_smpp_submit_sm"), "bind_transmitter", want, sizeof(want));

	ck_assert_uint_eq(smpp_encode(&p, got, sizeof(got)), n);
	ck_assert_mem_eq(got, want, n);
	ck_assert_uint_eq(smpp_encode(&p, got, n), n);
	ck_assert_uint_eq(smpp_encode(&p, got, n - 1), 0);
	p.password = smpp_text("ninechars");
	ck_assert_uint_eq(smpp_encode(&p, got, sizeof(got)), 0);
}
END_TEST

START_TEST(submit_sm_is_as_the_vector)	/* _i: which part */
{
	json_t *v = vector("V22_smpp_submit_sm"), *parts = json_object_get(vector("V21_sms_segments"), "segments");
	uint8_t part[200];
	size_t n = unhex(json_string_value(json_array_get(json_object_get(v, "pdus"), (size_t)_i)), want, sizeof(want));
	struct smpp p = submission(SMPP_SUBMIT_SM, 2 + (uint32_t)_i), again;

	p.esm_class = SMPP_UDHI;
	p.message = (struct mikey_view){ part, unhex(json_string_value(json_array_get(parts, (size_t)_i)), part, sizeof(part)) };
	ck_assert_uint_eq(smpp_encode(&p, got, sizeof(got)), n);
	ck_assert_mem_eq(got, want, n);
	ck_assert_int_eq(smpp_frame(want, n), (int)n);
	ck_assert_int_eq(smpp_decode(want, n, &again, NULL), 0);
	ck_assert_uint_eq(again.message.len, p.message.len);
	ck_assert_mem_eq(again.message.p, part, p.message.len);
	ck_assert_mem_eq(again.destination.p, "491701234567", 13);
}
END_TEST

START_TEST(data_sm_is_as_the_vector)
{
	uint8_t push[200];
	size_t n = hex_of(vector("V23_smpp_data_sm"), "pdu", want, sizeof(want));
	struct smpp p = submission(SMPP_DATA_SM, 9), again;

	p.payload = (struct mikey_view){ push, hex_of(vector("V20_wsp_push"), "pdu", push, sizeof(push)) };
	p.has_ports = true;
	p.source_port = 9200;
	p.destination_port = 2948;
	ck_assert_uint_eq(smpp_encode(&p, got, sizeof(got)), n);
	ck_assert_mem_eq(got, want, n);
	ck_assert_int_eq(smpp_decode(want, n, &again, NULL), 0);
	ck_assert(again.has_ports && again.source_port == 9200 && again.destination_port == 2948);
	ck_assert_uint_eq(again.payload.len, p.payload.len);
	ck_assert_mem_eq(again.payload.p, push, p.payload.len);
}
END_TEST

/* What SMSCs send: with and without bodies, with optional parameters; and what they must not send. */
static const struct answer { const char *hex; enum smpp_fault why; const char *message_id; } answers[] = {
	{ "00000010 80000004 00000014 00000002", SMPP_FINE, "" },
	{ "00000010 80000002 0000000d 00000001", SMPP_FINE, "" },
	{ "00000010 80000004 00000000 00000002", SMPP_FINE, "" },
	{ "00000012 80000004 00000000 00000002 6100", SMPP_FINE, "a" },
	{ "00000018 80000103 00000000 00000002 6100 0425 0002 0102", SMPP_FINE, "a" },
	{ "00000019 80000002 00000000 00000001 61626300 0210 0001 34", SMPP_FINE, "" },
	{ "00000010 80000000 00000003 00000002", SMPP_FINE, "" },
	{ "00000010 00000015 00000000 00000002", SMPP_FINE, "" },
	{ "00000011 00000015 00000000 00000002 00", SMPP_TRAILING, "" },
	{ "00000010 00000099 00000000 00000002", SMPP_UNKNOWN, "" },
	{ "00000012 80000004 00000000 00000002 6162", SMPP_TRUNCATED, "" },
	{ "00000014 80000004 00000000 00000002 6100 0425", SMPP_TRUNCATED, "" },
	{ "00000018 80000103 00000000 00000002 6100 0425 ffff 0102", SMPP_TRUNCATED, "" },
	{ "00000017 80000103 00000000 00000002 6100 020a 0001 01", SMPP_TLV, "" },
	{ "00000011 80000004 00000000 00000002", SMPP_LENGTH, "" },
	{ "00000010 80000004 00000000 0000", SMPP_TRUNCATED, "" },
};

START_TEST(answers_of_smscs)	/* _i: of the table */
{
	uint8_t in[64];
	struct smpp p;
	enum smpp_fault why;
	size_t n = unhex(answers[_i].hex, in, sizeof(in));
	int r = smpp_decode(in, n, &p, &why);

	ck_assert_msg(why == answers[_i].why, "%s: %s", answers[_i].hex, smpp_fault_text(why));
	ck_assert_int_eq(r, why == SMPP_FINE ? 0 : -1);
	if (r == 0) {
		ck_assert_uint_eq(p.message_id.len, strlen(answers[_i].message_id));
		ck_assert_int_eq(memcmp(p.message_id.p ? p.message_id.p : (const uint8_t *)"", answers[_i].message_id, p.message_id.len), 0);
	}
}
END_TEST

START_TEST(every_truncation_is_refused)	/* _i: octets kept */
{
	struct smpp p;
	enum smpp_fault why;
	size_t n = hex_of(vector("V23_smpp_data_sm"), "pdu", want, sizeof(want));

	ck_assert_uint_eq(n, 223);
	ck_assert_int_eq(smpp_frame(want, (size_t)_i), 0);
	ck_assert_int_eq(smpp_decode(want, (size_t)_i, &p, &why), -1);
}
END_TEST

START_TEST(lengths_that_no_pdu_has)
{
	const uint8_t small[4] = { 0, 0, 0, 15 }, large[4] = { 0, 0, 0x10, 0x01 }, huge[4] = { 0xff, 0xff, 0xff, 0xff };

	ck_assert_int_eq(smpp_frame(small, 4), -1);
	ck_assert_int_eq(smpp_frame(large, 4), -1);
	ck_assert_int_eq(smpp_frame(huge, 4), -1);
	ck_assert_int_eq(smpp_frame(huge, 3), 0);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(smpp_name(SMPP_SUBMIT_SM | SMPP_RESP), "submit_sm_resp");
	ck_assert(smpp_name(0x99) == NULL);
	ck_assert_str_eq(smpp_status_text(SMPP_THROTTLED), "throttled");
	ck_assert_str_eq(smpp_status_text(0x12345), "");
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))
SUITE("smpp_pdu", tcase_add_test(t, bind_is_as_the_vector); tcase_add_loop_test(t, submit_sm_is_as_the_vector, 0, 2);
      tcase_add_test(t, data_sm_is_as_the_vector); tcase_add_loop_test(t, answers_of_smscs, 0, COUNT(answers));
      tcase_add_loop_test(t, every_truncation_is_refused, 0, 223); tcase_add_test(t, lengths_that_no_pdu_has); tcase_add_test(t, names))
