/* tools/pt_elf.c: what a shared object's file says about it (System V ABI, chapters 4 and 5); none of its code is run */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include "tools/pt.h"

#if __ELF_NATIVE_CLASS == 64
#define OWN_CLASS ELFCLASS64
#define SYM_BIND ELF64_ST_BIND
#define SYM_VISIBILITY ELF64_ST_VISIBILITY
#else
#define OWN_CLASS ELFCLASS32
#define SYM_BIND ELF32_ST_BIND
#define SYM_VISIBILITY ELF32_ST_VISIBILITY
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_ORDER ELFDATA2LSB
#else
#define OWN_ORDER ELFDATA2MSB
#endif

struct file { const uint8_t *p; size_t len; ElfW(Ehdr) head; };

/* Row `k` of a table; -1: it is not all in the file. */
static int
row(const struct file *f, uint64_t table, uint64_t k, size_t size, void *out)
{
	if (table > f->len || k >= (f->len - table) / size)
		return -1;
	memcpy(out, f->p + table + k * size, size);
	return 0;
}

/* What old linkers export of their own accord. */
static bool
linkers_own(const char *name)
{
	static const char *const own[] = { "_init", "_fini", "_edata", "_end", "__bss_start" };

	for (size_t k = 0; k < sizeof(own) / sizeof(own[0]); k++)
		if (strcmp(own[k], name) == 0)
			return true;
	return false;
}

static void
take_symbol(const struct file *f, const ElfW(Shdr) *strings, const ElfW(Sym) *s, struct pt_elf *out)
{
	const unsigned bind = SYM_BIND(s->st_info), visibility = SYM_VISIBILITY(s->st_other);
	const uint64_t at = (uint64_t)strings->sh_offset + s->st_name;
	char name[sizeof(out->exported[0])];

	if (s->st_shndx == SHN_UNDEF || bind == STB_LOCAL || visibility == STV_HIDDEN || visibility == STV_INTERNAL)
		return;
	if (strings->sh_offset > f->len || s->st_name >= strings->sh_size || at >= f->len)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(f->len - at < sizeof(name) ? f->len - at : sizeof(name) - 1), (const char *)f->p + at);
	if (linkers_own(name))
		return;
	if (out->nexported < sizeof(out->exported) / sizeof(out->exported[0]))
		memcpy(out->exported[out->nexported], name, sizeof(name));
	out->nexported++;
}

static void
take_section(const struct file *f, const ElfW(Shdr) *s, struct pt_elf *out)
{
	ElfW(Shdr) strings;
	ElfW(Sym) symbol;
	ElfW(Dyn) d;

	switch (s->sh_type) {
	case SHT_DYNSYM:
		if (row(f, f->head.e_shoff, s->sh_link, sizeof(strings), &strings) < 0)
			return;
		for (uint64_t k = 0; k < s->sh_size / sizeof(symbol) && row(f, s->sh_offset, k, sizeof(symbol), &symbol) == 0; k++)
			take_symbol(f, &strings, &symbol, out);
		break;
	case SHT_INIT_ARRAY:	/* one is the C run-time's own (frame_dummy) */
		out->constructors += s->sh_size / sizeof(ElfW(Addr)) > 1 ? (size_t)(s->sh_size / sizeof(ElfW(Addr)) - 1) : 0;
		break;
	case SHT_DYNAMIC:
		for (uint64_t k = 0; k < s->sh_size / sizeof(d) && row(f, s->sh_offset, k, sizeof(d), &d) == 0 && d.d_tag != DT_NULL; k++)
			if (d.d_tag == DT_TEXTREL || (d.d_tag == DT_FLAGS && (d.d_un.d_val & DF_TEXTREL)))
				out->textrel = true;
		break;
	}
}

int
pt_elf_read(const uint8_t *p, size_t len, struct pt_elf *out, char *why, size_t cap)
{
	struct file f = { .p = p, .len = len };
	ElfW(Shdr) section;
	ElfW(Phdr) segment;
	bool stack = false;

	*out = (struct pt_elf){ 0 };
	if (len < sizeof(f.head) || memcmp(p, ELFMAG, SELFMAG) != 0)
		return snprintf(why, cap, "it is no ELF file"), -1;
	memcpy(&f.head, p, sizeof(f.head));
	if (p[EI_CLASS] != OWN_CLASS || p[EI_DATA] != OWN_ORDER)
		return snprintf(why, cap, "it is for another kind of machine"), -1;
	if (f.head.e_type != ET_DYN)
		return snprintf(why, cap, "it is no shared object (link with -shared)"), -1;
	if (f.head.e_shentsize != sizeof(section) || f.head.e_phentsize != sizeof(segment) || f.head.e_shnum == 0)
		return snprintf(why, cap, "its section headers are missing: it cannot be judged"), -1;
	for (unsigned k = 0; k < f.head.e_phnum && row(&f, f.head.e_phoff, k, sizeof(segment), &segment) == 0; k++)
		if (segment.p_type == PT_GNU_STACK) {
			stack = true;
			out->execstack |= (segment.p_flags & PF_X) != 0;
		}
	out->execstack |= !stack;	/* then the kernel takes it for an old one, and gives it what old ones want */
	for (unsigned k = 0; k < f.head.e_shnum && row(&f, f.head.e_shoff, k, sizeof(section), &section) == 0; k++)
		take_section(&f, &section, out);
	return 0;
}
