/* tests/suite.h: what every unit test shares. SUITE() is main(), in TAP; vec_*() read tests/data */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H
#include <check.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A check that holds costs nothing: Check would write a line to its file for each, and a loop would do little else. */
#define _mark_point(file, line) ((void)0)

#define SUITE(name, ...)						\
	static void suite_body(TCase *t) { __VA_ARGS__; }		\
	int main(void) { return suite_run(name, suite_body); }

int suite_run(const char *name, void (*body)(TCase *));

/* Path of a file below tests/data, in a static buffer of four that are used in turn. */
const char *vec_path(const char *rel);
/* Bytes of a .hex file (whitespace and #-comments ignored) into out; the count. Fails the test on any fault. */
size_t vec_hex(const char *rel, uint8_t *out, size_t cap);
/* The whole file as text; heap, kept until the test ends. GW_GOLDEN=write: see vec_golden. */
const char *vec_text(const char *rel);
/* Compares text with a golden file, or writes the file when GW_GOLDEN=write is in the environment. */
void vec_golden(const char *rel, const char *text);
/* A JSON file below tests/data; the caller's reference. */
json_t *vec_json(const char *rel);
/* Hexadecimal digits to bytes; the count. Fails the test on any fault. */
size_t unhex(const char *hex, uint8_t *out, size_t cap);
/* A file with that text and mode, new or in place of what was there. */
void put_file(const char *path, const char *text, mode_t mode);
/* The port that an Internet socket is bound to. */
uint16_t port_of(int fd);
#endif
