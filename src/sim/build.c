/* Which build of a program this is: the linker's build id, or a hash of its code where there is
 * none. Threads: one. Neighbours: schedule.h. */
#include "sim/schedule.h"

#include <elf.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

static char build_text[SIM_BUILD_MAX];

static bool build_note(const char *at, size_t size)
{
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof(note));
        size_t name = (note.n_namesz + 3U) & ~(size_t)3;
        size_t bytes = (note.n_descsz + 3U) & ~(size_t)3;
        if (sizeof(note) + name + bytes > size)
            return false;
        const unsigned char *id = (const unsigned char *)at + sizeof(note) + name;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(at + sizeof(note), "GNU", 4) == 0) {
            for (size_t i = 0; i < note.n_descsz && 2 * i + 2 < sizeof(build_text); i++)
                (void)snprintf(build_text + 2 * i, 3, "%02x", id[i]);
            return true;
        }
        at += sizeof(note) + name + bytes;
        size -= sizeof(note) + name + bytes;
    }
    return false;
}

static int build_look(struct dl_phdr_info *info, size_t size, void *unused)
{
    uint64_t hash = 0;
    (void)size;
    (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const char *at = (const char *)(info->dlpi_addr +
                                        segment->p_vaddr); /* NOLINT(performance-no-int-to-ptr) */
        if (segment->p_type == PT_NOTE && build_note(at, segment->p_memsz))
            return 1;
        for (size_t byte = 0;
             segment->p_type == PT_LOAD && (segment->p_flags & PF_X) && byte < segment->p_memsz;
             byte++)
            hash = (hash ^ (unsigned char)at[byte]) * UINT64_C(0x100000001b3);
    }
    (void)snprintf(build_text, sizeof(build_text), "code-%016" PRIx64, hash);
    return 1; /* the executable comes first */
}

const char *sim_build_id(void)
{
    if (build_text[0] == '\0')
        (void)dl_iterate_phdr(build_look, NULL);
    return build_text;
}
