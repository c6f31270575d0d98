/* The map of the program's modules. See fault_code.h. */
#include "runtime/real/fault_code.h"

#include "base/alloc.h"
#include "base/atomic.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#if SP__TSAN || defined(__SANITIZE_ADDRESS__)
#define CODE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CODE_SANITIZED 1
#endif
#endif
#ifndef CODE_SANITIZED
#define CODE_SANITIZED 0
#endif

struct code_range {
    uintptr_t low;
    uintptr_t high;
    enum sp__fault_code code;
};

struct code_map {
    struct code_range *ranges;
    size_t count;
    size_t room;
    uintptr_t allocator; /* where malloc is defined, if not by an undefined symbol's stub */
    bool has_libc;
    bool failed;
};

static struct code_map code_map;

/* The build puts all code of the library into this section; the linker knows its ends. */
extern const char code_ours_start[] __asm__("__start_sp_text")
    __attribute__((weak, visibility("hidden")));
extern const char code_ours_stop[] __asm__("__stop_sp_text")
    __attribute__((weak, visibility("hidden")));

/* Where a name is defined, or 0. An executable that is not position-independent and takes a
 * function's address has a stub for it, which stands for the function but is not it. */
static uintptr_t code_definition(const char *name)
{
    void *at = dlsym(RTLD_DEFAULT, name);
    Dl_info info;
    void *symbol = NULL;
    if (!at || !dladdr1(at, &info, &symbol, RTLD_DL_SYMENT) || !symbol)
        return 0;
    return ((const ElfW(Sym) *)symbol)->st_shndx == SHN_UNDEF ? 0 : (uintptr_t)at;
}

static bool code_name_begins(const char *name, const char *const *beginnings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

static bool code_name_is_libc(const char *name)
{
    static const char *const names[] = { "libc.so", "libc-", "ld-musl" };
    return code_name_begins(name, names, sizeof names / sizeof names[0]);
}

/* Modules that hold locks or invariants of their own on behalf of everybody. */
static bool code_name_is_system(const char *name)
{
    static const char *const names[] = {
        "ld-linux",   "ld64.so",     "linux-vdso",  "linux-gate",  "libpthread", "libdl.",
        "librt.",     "libresolv",   "libnss_",     "libgcc_s",    "libunwind",  "libstdc++",
        "libc++",     "libasan",     "libtsan",     "libubsan",    "liblsan",    "libclang_rt",
        "vgpreload_", "libjemalloc", "libmimalloc", "libtcmalloc", "libspawned",
    };
    return code_name_is_libc(name) || code_name_begins(name, names, sizeof names / sizeof names[0]);
}

static bool code_segment_has(const struct dl_phdr_info *module, uintptr_t at)
{
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
        uintptr_t low = module->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && at >= low && at < low + segment->p_memsz)
            return true;
    }
    return false;
}

static enum sp__fault_code code_of_module(struct code_map *map, const struct dl_phdr_info *module)
{
    const char *slash = strrchr(module->dlpi_name, '/');
    const char *name = slash ? slash + 1 : module->dlpi_name;
    if (code_name_is_libc(name))
        map->has_libc = true;
    bool unmarked = !code_ours_start;
    if (unmarked && code_segment_has(module, (uintptr_t)&sp__fault_code_load))
        return SP__FAULT_CODE_OURS;
    if (code_name_is_system(name))
        return SP__FAULT_CODE_SYSTEM;
    if (map->allocator && code_segment_has(module, map->allocator))
        return SP__FAULT_CODE_SYSTEM;
    return SP__FAULT_CODE_USER;
}

static bool code_add(struct code_map *map, uintptr_t low, uintptr_t high, enum sp__fault_code code)
{
    if (map->count == map->room) {
        size_t room = map->room ? 2 * map->room : 32;
        struct code_range *ranges = sp__realloc(map->ranges, room * sizeof *ranges);
        if (!ranges)
            return false;
        map->ranges = ranges;
        map->room = room;
    }
    map->ranges[map->count++] = (struct code_range){ low, high, code };
    return true;
}

static int code_add_module(struct dl_phdr_info *module, size_t size, void *arg)
{
    (void)size;
    struct code_map *map = arg;
    enum sp__fault_code code = code_of_module(map, module);
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
            continue;
        uintptr_t low = module->dlpi_addr + segment->p_vaddr;
        if (!code_add(map, low, low + segment->p_memsz, code))
            map->failed = true;
    }
    return map->failed;
}

/* With the C library in the executable, nothing tells its code from the program's. */
static void code_distrust_all(struct code_map *map)
{
    for (size_t i = 0; i < map->count; i++)
        map->ranges[i].code = SP__FAULT_CODE_SYSTEM;
}

sp_err sp__fault_code_load(void)
{
    struct code_map map = { 0 };
    /* Sanitizers bring an allocator of theirs, which clang links into the executable. */
    if (!CODE_SANITIZED)
        map.allocator = code_definition("malloc");
    /* That of simulated worlds is ours, and is told from the program by its section. */
    if (code_ours_start && map.allocator >= (uintptr_t)code_ours_start &&
        map.allocator < (uintptr_t)code_ours_stop)
        map.allocator = 0;
    /* First, for the first match counts: the executable may contain the library. */
    if (code_ours_start &&
        !code_add(&map, (uintptr_t)code_ours_start, (uintptr_t)code_ours_stop, SP__FAULT_CODE_OURS))
        return SP_ERR_NOMEM;
    (void)dl_iterate_phdr(code_add_module, &map);
    if (map.failed) {
        sp__free(map.ranges);
        return SP_ERR_NOMEM;
    }
    if (!map.has_libc)
        code_distrust_all(&map);
    code_map = map;
    return SP_OK;
}

void sp__fault_code_unload(void)
{
    sp__free(code_map.ranges);
    code_map = (struct code_map){ 0 };
}

enum sp__fault_code sp__fault_code_of(uintptr_t pc)
{
    for (size_t i = 0; i < code_map.count; i++)
        if (pc >= code_map.ranges[i].low && pc < code_map.ranges[i].high)
            return code_map.ranges[i].code;
    return SP__FAULT_CODE_UNKNOWN;
}
