/* tools/lint_pic.c */
#include "tools/lint_pic.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const int64_t us = 1000, second = INT64_C(1000000000);

/* ---- axes ---- */

double
pic_at(const struct pic_axis *a, double v)
{
	double share;

	if (a->log)
		share = v <= a->lo ? 0 : log(v / a->lo) / log(a->hi / a->lo);
	else
		share = (v - a->lo) / (a->hi - a->lo);
	return share <= 0 || isnan(share) ? 0 : share >= 1 ? 100 : 100 * share;
}

/* The greatest 1, 2 or 5 times a power of ten that is not above v; up: the least that is not below it. */
static double
one_two_five(double v, bool up)
{
	static const double steps[] = { 1, 2, 5, 10 };
	double decade = pow(10, floor(log10(v) + 1e-9));
	double best = decade;

	for (size_t i = 0; i < 4; i++) {
		double at = steps[i] * decade;

		if (up && at >= v * (1 - 1e-9))
			return at;
		if (!up && at <= v * (1 + 1e-9))
			best = at;
	}
	return best;
}

struct pic_axis
pic_log_axis(double lo, double hi)
{
	struct pic_axis a = { .log = true };

	lo = lo > 0 ? lo : 1;
	hi = hi > lo ? hi : lo;
	a.lo = one_two_five(lo, false);
	a.hi = one_two_five(hi, true);
	while (a.hi < 10 * a.lo * (1 - 1e-9)) {
		if (lo / a.lo < a.hi / hi)
			a.lo = one_two_five(a.lo * 0.99, false);
		else
			a.hi = one_two_five(a.hi * 1.01, true);
	}
	return a;
}

static size_t
log_ticks(const struct pic_axis *a, double *out, bool decades)
{
	size_t n = 0;

	for (double v = one_two_five(a->lo, true); v <= a->hi * (1 + 1e-9); v = decades ? v * 10 : one_two_five(v * 1.01, true)) {
		if (decades)
			v = pow(10, ceil(log10(v) - 1e-9));
		if (v > a->hi * (1 + 1e-9))
			break;
		if (n == PIC_TICKS)
			return n + 1;
		out[n++] = v;
	}
	return n;
}

size_t
pic_ticks(const struct pic_axis *a, double out[PIC_TICKS])
{
	double step;
	size_t n;

	if (a->log) {
		n = a->hi / a->lo <= 1001 ? log_ticks(a, out, false) : PIC_TICKS + 1;
		if (n > PIC_TICKS)
			n = log_ticks(a, out, true);
		return n > PIC_TICKS ? PIC_TICKS : n;
	}
	step = one_two_five((a->hi - a->lo) / 5, true);
	n = 0;
	for (double v = ceil(a->lo / step - 1e-9) * step; v <= a->hi + step * 1e-9 && n < PIC_TICKS; v += step)
		out[n++] = v;
	return n;
}

int64_t
pic_time_step(int64_t span_ns, unsigned most)
{
	static const int64_t clock_steps[] = { 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400 };
	double least = (double)span_ns / (most ? most : 1);

	if (least < 1)
		return 1;
	if (least <= 1e9)
		return (int64_t)(one_two_five(least, true) + 0.5);
	for (size_t i = 0; i < sizeof(clock_steps) / sizeof(clock_steps[0]); i++)
		if ((double)clock_steps[i] * 1e9 >= least)
			return clock_steps[i] * second;
	least = one_two_five(least / 86400e9, true);
	return least > 50000 ? INT64_C(50000) * 86400 * second : (int64_t)(least + 0.5) * 86400 * second;
}

/* ---- words ---- */

static void
three_digits(double v, const char *unit, char out[PIC_TEXT])
{
	int places = v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
	char *end;

	snprintf(out, PIC_TEXT - 8, "%.*f", places, v);
	end = out + strlen(out);
	while (places > 0 && (end[-1] == '0' || end[-1] == '.')) {
		bool dot = *--end == '.';

		*end = '\0';
		if (dot)
			break;
	}
	strcat(out, unit);
}

const char *
pic_span(int64_t ns, char out[PIC_TEXT])
{
	uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, s = size / (uint64_t)second;
	char *at = out;

	if (ns < 0)
		*at++ = '-';
	if (size < (uint64_t)us)
		snprintf(at, PIC_TEXT - 1, "%u ns", (unsigned)size);
	else if (size < 999500)
		three_digits((double)size / 1e3, " µs", at);
	else if (size < 999500000)
		three_digits((double)size / 1e6, " ms", at);
	else if (s < 60)
		three_digits((double)size / 1e9, " s", at);
	else if (s < 3600)
		snprintf(at, PIC_TEXT - 1, s % 60 ? "%u min %u s" : "%u min", (unsigned)(s / 60), (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(at, PIC_TEXT - 1, s / 60 % 60 ? "%u h %u min" : "%u h", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
	else
		snprintf(at, PIC_TEXT - 1, s / 3600 % 24 ? "%u d %u h" : "%u d", (unsigned)(s / 86400), (unsigned)(s / 3600 % 24));
	return out;
}

const char *
pic_clock(int64_t ns, int64_t step_ns, char out[PIC_TEXT])
{
	uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, s = size / (uint64_t)second;
	unsigned d = (unsigned)(s / 86400), h = (unsigned)(s / 3600 % 24), m = (unsigned)(s / 60 % 60), sec = (unsigned)(s % 60);
	const char *sign = ns < 0 ? "-" : "";
	char part[12] = "";	/* of a second, as finely as the marks stand */
	int places = 0;

	for (int64_t unit = second; unit > step_ns && places < 9; unit /= 10)
		places++;
	if (places > 0) {
		snprintf(part, sizeof(part), ".%09u", (unsigned)(size % (uint64_t)second));
		part[1 + places] = '\0';
	}
	if (s < 60)
		snprintf(out, PIC_TEXT, "%s%u%s s", sign, sec, part);
	else if (s < 3600)
		snprintf(out, PIC_TEXT, "%s%u:%02u%s", sign, m, sec, part);
	else if (d == 0)
		snprintf(out, PIC_TEXT, "%s%u:%02u:%02u%s", sign, h, m, sec, part);
	else if (step_ns % (86400 * second))
		snprintf(out, PIC_TEXT, "%s%u d %u:%02u:%02u%s", sign, d, h, m, sec, part);
	else
		snprintf(out, PIC_TEXT, "%s%u d", sign, d);
	return out;
}

/* ---- crypto-periods ---- */

bool
pic_period_silent(const struct lint_period *p)
{
	return p->latency_ns < 0 && !p->refused && !p->unwatched;
}

bool
pic_period_bad(const struct lint_period *p)
{
	return p->late || p->refused || pic_period_silent(p);
}

static void
add(struct pic_column *c, const struct lint_period *p, size_t index)
{
	if (c->n++ == 0)
		*c = (struct pic_column){ .n = 1, .first = index, .fastest_ns = -1, .slowest_ns = -1 };
	c->late += p->late;
	c->refused += p->refused;
	c->silent += pic_period_silent(p);
	if (p->latency_ns < 0)
		return;
	if (c->fastest_ns < 0 || p->latency_ns < c->fastest_ns)
		c->fastest_ns = p->latency_ns;
	if (p->latency_ns > c->slowest_ns)
		c->slowest_ns = p->latency_ns;
}

void
pic_columns(const struct lint_period *p, size_t n, int64_t from_ns, int64_t to_ns, struct pic_column *out, size_t cols)
{
	struct pic_axis a = { (double)from_ns, (double)to_ns, false };

	memset(out, 0, cols * sizeof(*out));
	for (size_t i = 0; i < n; i++) {
		size_t at = (size_t)(pic_at(&a, (double)p[i].asked_ns) / 100 * (double)cols);

		add(&out[at < cols ? at : cols - 1], &p[i], i);
	}
}

size_t
pic_stretches(const struct lint_period *p, size_t n, size_t wide, struct pic_stretch *out, size_t cap)
{
	size_t found = 0, shown = 0;

	for (size_t i = 0; i < n && found < cap; i++) {
		size_t from;

		if (i < shown || !pic_period_bad(&p[i]))
			continue;
		from = i > wide / 3 ? i - wide / 3 : 0;
		if (from < shown)
			from = shown;
		if (n - from < wide)
			from = n > wide && n - wide >= shown ? n - wide : shown;
		out[found++] = (struct pic_stretch){ from, n - from < wide ? n - from : wide };
		shown = from + out[found - 1].n;
	}
	return found;
}

uint64_t
pic_bars(const struct hist *h, const struct pic_axis *a, uint64_t bars[PIC_BARS])
{
	struct hist_bucket b;
	uint64_t most = 0;
	unsigned at = 0;

	memset(bars, 0, PIC_BARS * sizeof(bars[0]));
	while (hist_next(h, &at, &b)) {
		double middle = (double)b.low + (double)(b.high - b.low) / 2;
		size_t k = (size_t)(pic_at(a, middle) / 100 * PIC_BARS);

		k = k < PIC_BARS ? k : PIC_BARS - 1;
		bars[k] += b.n;
		most = bars[k] > most ? bars[k] : most;
	}
	return most;
}

/* ---- text ---- */

/* Characters that a page does not show as they are: controls, those that turn the direction of writing, and what XML forbids. */
static bool
shown(uint32_t c)
{
	if (c < 0x20)
		return c == '\t' || c == '\n';
	if ((c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff || (c & 0xfffe) == 0xfffe)
		return false;
	return !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f) && c != 0x061c && c != 0xfeff;
}

const char *
pic_character(const char *s, size_t *len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	size_t want = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0, n;
	uint32_t c = want == 1 ? *p : want == 2 ? *p & 0x1f : want == 3 ? *p & 0x0f : *p & 0x07;

	*len = *p != 0;
	if (want < 2)
		return want == 1 && (*p == 0 || shown(c)) ? s : "\ufffd";
	for (n = 1; n < want; n++) {
		if ((p[n] & 0xc0) != 0x80)
			return "\ufffd";
		c = c << 6 | (p[n] & 0x3f);
		*len = n + 1;
	}
	return c >= least[want] && shown(c) ? s : "\ufffd";
}
