/* tests/unit/spelt.h: SimulCrypt messages as text: "v2 0001 000e:0001 0001:4adc0001" */
#ifndef TESTS_UNIT_SPELT_H
#define TESTS_UNIT_SPELT_H
#include <stdio.h>
#include <string.h>
#include "proto/sim.h"
#include "tests/suite.h"

/* Its length; out has room. */
static size_t
octets(const char *text, uint8_t *out)
{
	size_t n = 0, open = 0;
	unsigned v;

	ck_assert_int_eq(sscanf(text, "v%u", &v), 1);
	out[n++] = (uint8_t)v;
	text = strchr(text, ' ') + 1;
	ck_assert_int_eq(sscanf(text, "%4x", &v), 1);
	out[n++] = (uint8_t)(v >> 8);
	out[n++] = (uint8_t)v;
	n += 2;
	for (text += 4; *text; ) {
		if (*text == ' ') {
			open = n + 2;
			ck_assert_int_eq(sscanf(++text, "%4x:", &v), 1);
			out[n++] = (uint8_t)(v >> 8);
			out[n++] = (uint8_t)v;
			n += 2;
			text += 5;
		} else {
			ck_assert_int_eq(sscanf(text, "%2x", &v), 1);
			out[n++] = (uint8_t)v;
			text += 2;
		}
		if (open) {
			out[open] = (uint8_t)((n - open - 2) >> 8);
			out[open + 1] = (uint8_t)(n - open - 2);
		}
	}
	out[3] = (uint8_t)((n - SIM_HEADER) >> 8);
	out[4] = (uint8_t)(n - SIM_HEADER);
	return n;
}
#endif
