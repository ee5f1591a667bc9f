/* tests/unit/test_lib_refusals.c: what operators see of refusals: by code and name, and the last ones */
#include <stdio.h>
#include <string.h>
#include "lib/refusals.h"
#include "proto/emmg_mux.h"
#include "tests/suite.h"

static struct gw_refusals r;

START_TEST(codes_are_counted_by_name)
{
	json_t *o;

	r = (struct gw_refusals){ 0 };
	for (int i = 0; i < 3; i++)
		gw_refusals_add(&r, "10.0.0.1:9", "data_provision", EMMG_E_BANDWIDTH, "too much");
	gw_refusals_add(&r, "10.0.0.2:9", NULL, 0x9999, NULL);
	o = gw_refusals_counts(&r, &emmg_mux);
	ck_assert_uint_eq(json_object_size(o), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "0x000f exceeded bandwidth")), 3);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "0x9999 user defined")), 1);
	json_decref(o);
}
END_TEST

/* A plugin may invent codes without end: none is lost, and what was first keeps its place. */
START_TEST(codes_without_end_are_unknown_errors)
{
	json_t *o;

	r = (struct gw_refusals){ 0 };
	for (uint16_t i = 0; i < 1000; i++)
		gw_refusals_add(&r, "peer", "CW_provision", (uint16_t)(0x8000 + i), "why");
	gw_refusals_add(&r, "peer", "CW_provision", 0x8000, "why");
	o = gw_refusals_counts(&r, &emmg_mux);
	ck_assert_uint_eq(json_object_size(o), GW_REFUSAL_CODES);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "0x7000 unknown error")), 1000 - (GW_REFUSAL_CODES - 1));
	ck_assert_uint_eq(r.by[0].n, 2);
	json_decref(o);
}
END_TEST

START_TEST(the_last_ones_are_kept_the_youngest_first)
{
	json_t *list;
	char why[16];

	r = (struct gw_refusals){ 0 };
	for (int i = 0; i < 40; i++) {
		snprintf(why, sizeof(why), "%d", i);
		gw_refusals_add(&r, "10.0.0.1:9", "stream_setup", EMMG_E_DATA_ID, why);
	}
	list = gw_refusals_last(&r);
	ck_assert_uint_eq(json_array_size(list), GW_REFUSALS_LAST);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "error")), "10.0.0.1:9: stream_setup 0x0010 39");
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, GW_REFUSALS_LAST - 1), "error")), "10.0.0.1:9: stream_setup 0x0010 24");
	json_decref(list);
}
END_TEST

SUITE("lib_refusals", tcase_add_test(t, codes_are_counted_by_name); tcase_add_test(t, codes_without_end_are_unknown_errors);
      tcase_add_test(t, the_last_ones_are_kept_the_youngest_first))
