#include "runtime/real/symbol.h"

#include "base/text.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SYMBOL_NAME_MAX = 200 };

/* A module's file, mapped. Nothing in it is believed: it may be another one by now. */
struct symbol_file {
    const unsigned char *bytes;
    size_t size;
};

/* `size` bytes at `offset`, or NULL: not in the file. */
static const void *file_at(const struct symbol_file *file, uint64_t offset, uint64_t size)
{
    bool in_it = offset <= file->size && size <= file->size - offset;
    return in_it ? file->bytes + offset : NULL;
}

static bool file_map(const char *path, struct symbol_file *out)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    void *bytes = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size > 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (bytes == MAP_FAILED)
        return false;
    *out = (struct symbol_file){ bytes, (size_t)status.st_size };
    return true;
}

static const ElfW(Shdr) *
    file_section(const struct symbol_file *file, const ElfW(Ehdr) * head, uint32_t index)
{
    if (index >= head->e_shnum || head->e_shentsize != sizeof(ElfW(Shdr)) ||
        head->e_shoff % _Alignof(ElfW(Shdr)) != 0)
        return NULL;
    return file_at(file, head->e_shoff + (uint64_t)index * sizeof(ElfW(Shdr)), sizeof(ElfW(Shdr)));
}

/* The function in one table of symbols that `at` lies in, or NULL. */
static const ElfW(Sym) *
    table_find(const struct symbol_file *file, const ElfW(Shdr) * table, uint64_t at)
{
    const unsigned char *bytes = file_at(file, table->sh_offset, table->sh_size);
    if (bytes == NULL || table->sh_entsize != sizeof(ElfW(Sym)) ||
        table->sh_offset % _Alignof(ElfW(Sym)) != 0)
        return NULL;
    for (uint64_t i = 0; i + sizeof(ElfW(Sym)) <= table->sh_size; i += sizeof(ElfW(Sym))) {
        const ElfW(Sym) *symbol = (const ElfW(Sym) *)(const void *)(bytes + i);
        if ((symbol->st_info & 0xf) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
            at >= symbol->st_value && at - symbol->st_value < symbol->st_size)
            return symbol;
    }
    return NULL;
}

static bool table_name(const struct symbol_file *file, const ElfW(Shdr) * names, uint32_t index,
                       char name[SYMBOL_NAME_MAX])
{
    const char *bytes = names == NULL ? NULL : file_at(file, names->sh_offset, names->sh_size);
    if (bytes == NULL || index >= names->sh_size)
        return false;
    size_t room = names->sh_size - index;
    size_t length = strnlen(bytes + index, room < SYMBOL_NAME_MAX ? room : SYMBOL_NAME_MAX - 1);
    length = length < SYMBOL_NAME_MAX ? length : SYMBOL_NAME_MAX - 1;
    memcpy(name, bytes + index, length);
    name[length] = '\0';
    return length != 0;
}

/* Of the address `address`, which is `offset` behind where the module was loaded. */
static bool file_find(const struct symbol_file *file, uint64_t address, uint64_t offset,
                      char name[SYMBOL_NAME_MAX], uint64_t *out_inside)
{
    const ElfW(Ehdr) *head = file_at(file, 0, sizeof(*head));
    if (head == NULL || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_ident[EI_CLASS] != ELFCLASS64)
        return false;
    uint64_t at = head->e_type == ET_EXEC ? address : offset;
    for (uint32_t i = 0; i < head->e_shnum; i++) {
        const ElfW(Shdr) *table = file_section(file, head, i);
        if (table == NULL || table->sh_type != SHT_SYMTAB)
            continue;
        const ElfW(Sym) *symbol = table_find(file, table, at);
        if (symbol == NULL)
            continue;
        *out_inside = at - symbol->st_value;
        return table_name(file, file_section(file, head, table->sh_link), symbol->st_name, name);
    }
    return false;
}

void sp__symbol_text(const void *address, char *out, size_t size)
{
    Dl_info info;
    struct sp__text text;
    struct symbol_file file;
    char name[SYMBOL_NAME_MAX];
    uint64_t inside = 0;
    sp__text_init(&text, out, size);
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
        sp__text_add(&text, "%p", address);
        return;
    }
    uint64_t offset = (uint64_t)((const char *)address - (const char *)info.dli_fbase);
    bool named = false;
    if (file_map(info.dli_fname, &file)) {
        named = file_find(&file, (uint64_t)(uintptr_t)address, offset, name, &inside);
        (void)munmap((void *)(uintptr_t)file.bytes, file.size);
    }
    if (!named && info.dli_sname != NULL) { /* the file has no table of its own, or is gone */
        inside = (uint64_t)((const char *)address - (const char *)info.dli_saddr);
        named = snprintf(name, sizeof(name), "%s", info.dli_sname) > 0;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    const char *module = slash != NULL ? slash + 1 : info.dli_fname;
    if (named)
        sp__text_add(&text, "%s+0x%llx (", name, (unsigned long long)inside);
    sp__text_add(&text, "%s+0x%llx%s", module, (unsigned long long)offset, named ? ")" : "");
}
