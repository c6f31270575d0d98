#include "sim/memory.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define MEMORY_NONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MEMORY_NONE 1
#endif
#endif

bool *sim__memory_on;

#ifdef MEMORY_NONE

bool sim_memory_start(void)
{
    return false;
}

bool sim_memory_started(void)
{
    return false;
}

void sim_memory_reset(void)
{
}

bool sim_memory_inside(void)
{
    return true;
}

void sim_memory_set_layout(const struct sim_layout *layout)
{
    (void)layout;
}

const char *sim_memory_foreign(void)
{
    return NULL;
}

#else

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

enum {
    MEMORY_PAGE = 4096,
    MEMORY_ALIGN = 16,
    MEMORY_FILL = 4096,  /* bytes of a block that a layout fills: large ones are mostly not used */
    MEMORY_SMALL = 1024, /* classes of 16 bytes up to here, powers of two above */
    MEMORY_DENSE =
        8192, /* up to here blocks lie side by side, larger ones have pages of their own */
    MEMORY_SMALL_CLASSES = MEMORY_SMALL / MEMORY_ALIGN + 1,
    MEMORY_CLASSES = MEMORY_SMALL_CLASSES + 48,
    MEMORY_CHUNKS = 32,                         /* of a page */
    MEMORY_CHUNK = MEMORY_PAGE / MEMORY_CHUNKS, /* bytes of a page that are looked at together */
    MEMORY_AGE_MAX = 64, /* runs that did not write to a page until it is clean again */
};

/* Of addresses; the first part is for what is dense, so that a run writes to few pages. */
#define MEMORY_SIZE (UINT64_C(64) << 30)
#define MEMORY_DENSE_SIZE (UINT64_C(4) << 30)
#define MEMORY_PAGES (MEMORY_SIZE / MEMORY_PAGE)

/* Of a page. */
enum {
    PAGE_DIRTY = 1,   /* was written once; writable from then on, zeroed at each reset */
    PAGE_GUARD = 2,   /* asked to be inaccessible in this run */
    PAGE_GUARDED = 4, /* is inaccessible, perhaps since an earlier run */
    PAGE_LISTED = 8,  /* is in `guards` */
};

/* Before each dense block; of one with pages of its own, in `large` under its first page. */
struct memory_block {
    uint32_t class;
    uint32_t offset; /* of the payload from the block's start */
    size_t size;     /* of the payload */
};

/* A part of the arena that fills up in a run. */
struct memory_span {
    size_t end; /* of what is in use */
    size_t limit;
};

struct memory_free {
    struct memory_free *next;
};

/* Not in the program's data, which a reset takes back. */
struct memory {
    bool on;
    char *base;
    struct memory_span dense[2]; /* halves; the second one where blocks are scattered */
    struct memory_span wide[2];  /* the same of what has pages of its own */
    uint64_t scattered;          /* state of the scatter */
    struct sim_layout layout;
    uint8_t *pages;
    uint32_t *dirty; /* numbers of dirty pages */
    size_t dirty_count;
    uint8_t *ages; /* of dirty pages: resets that found nothing written */
    struct memory_block *large;
    uint32_t *guards; /* numbers of pages that were guards once */
    size_t guard_count;
    struct memory_free *free[MEMORY_CLASSES];
    bool fresh; /* nobody had the latest block before: it holds what the layout fills it with */
    char *data; /* the program's */
    char *data_copy;
    size_t data_size;
    struct sigaction before;
};

static struct memory *memory;

/* What the C library calls its own by. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *block);

/* Of sanitizers, where the program is built with one. */
extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

const char *sim_memory_foreign(void)
{
    if (__asan_init != NULL)
        return "address";
    return __tsan_init != NULL ? "thread" : NULL;
}

static void *system_map(size_t size, int protection)
{
    long address = syscall(SYS_mmap, NULL, size, protection,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
    return address == -1 ? NULL
                         : (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

static bool memory_has(const void *address)
{
    return memory != NULL && (size_t)((const char *)address - memory->base) < MEMORY_SIZE;
}

/* ---- pages ---- */

static void page_open(size_t page)
{
    (void)syscall(SYS_mprotect, memory->base + page * MEMORY_PAGE, (size_t)MEMORY_PAGE,
                  PROT_READ | PROT_WRITE);
    if (!(memory->pages[page] & PAGE_DIRTY))
        memory->dirty[memory->dirty_count++] = (uint32_t)page;
    memory->pages[page] = PAGE_DIRTY | (memory->pages[page] & PAGE_LISTED);
}

/* The first write to a page, or to one that was a guard in an earlier run. */
static void memory_fault(int signo, siginfo_t *info, void *ucontext)
{
    if (memory_has(info->si_addr)) {
        size_t page = (size_t)((char *)info->si_addr - memory->base) / MEMORY_PAGE;
        uint8_t state = memory->pages[page];
        if (!(state & PAGE_GUARD) && ((state & PAGE_GUARDED) || !(state & PAGE_DIRTY))) {
            int saved = errno;
            page_open(page);
            errno = saved;
            return;
        }
    }
    if (memory->before.sa_flags & SA_SIGINFO) {
        memory->before.sa_sigaction(signo, info, ucontext);
        return;
    }
    (void)sigaction(signo, &memory->before, NULL); /* the instruction faults again */
}

static void pages_guard(char *at, size_t size, bool guard)
{
    size_t page = (size_t)(at - memory->base) / MEMORY_PAGE;
    for (size_t end = page + size / MEMORY_PAGE; page < end; page++) {
        uint8_t *state = &memory->pages[page];
        if (!guard) {
            *state &= (uint8_t)~PAGE_GUARD;
            continue;
        }
        if (!(*state & PAGE_GUARDED))
            (void)syscall(SYS_mprotect, memory->base + page * MEMORY_PAGE, (size_t)MEMORY_PAGE,
                          PROT_NONE);
        if (!(*state & PAGE_LISTED))
            memory->guards[memory->guard_count++] = (uint32_t)page;
        *state |= PAGE_GUARD | PAGE_GUARDED | PAGE_LISTED;
    }
}

/* As if the pages had never been written. */
static void pages_clear(char *at, size_t size)
{
    size_t page = (size_t)(at - memory->base) / MEMORY_PAGE;
    for (size_t end = page + size / MEMORY_PAGE; page < end; page++)
        if ((memory->pages[page] & (PAGE_DIRTY | PAGE_GUARDED)) == PAGE_DIRTY)
            memset(memory->base + page * MEMORY_PAGE, 0, MEMORY_PAGE);
}

/* ---- blocks ---- */

static unsigned block_class(size_t size)
{
    if (size <= MEMORY_SMALL)
        return (unsigned)((size + MEMORY_ALIGN - 1) / MEMORY_ALIGN);
    return MEMORY_SMALL_CLASSES + 64 - (unsigned)__builtin_clzll((unsigned long long)size - 1) - 11;
}

static size_t class_size(unsigned class)
{
    return class < MEMORY_SMALL_CLASSES ? (size_t) class * MEMORY_ALIGN
                                        : (size_t)2048 << (class - MEMORY_SMALL_CLASSES);
}

/* In either half, after a gap: neither distances nor the order of addresses say anything. */
static struct memory_span *memory_scatter(struct memory_span *halves)
{
    uint64_t *state = &memory->scattered;
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    struct memory_span *span = &halves[*state >> 63];
    span->end += (size_t)(*state >> 56 & 7) * MEMORY_ALIGN;
    return span;
}

static char *memory_bump(struct memory_span *halves, size_t size, size_t align)
{
    struct memory_span *span = memory->layout.scatter == 0 ? halves : memory_scatter(halves);
    size_t at = (span->end + align - 1) & ~(align - 1);
    if (at > span->limit || size > span->limit - at)
        return NULL;
    span->end = at + size;
    return memory->base + at;
}

/* What is known of a block. */
static struct memory_block *block_of(const void *payload)
{
    size_t at = (size_t)((const char *)payload - memory->base);
    if (at >= MEMORY_DENSE_SIZE)
        return &memory->large[at / MEMORY_PAGE];
    return (struct memory_block *)(uintptr_t)payload - 1;
}

/* Of a class, used before or new. */
static char *block_start(unsigned class, bool dense)
{
    char *start = (char *)memory->free[class];
    size_t size = class_size(class);
    memory->fresh = start == NULL;
    if (start != NULL)
        memory->free[class] = ((struct memory_free *)(void *)start)->next;
    else if (dense)
        start = memory_bump(memory->dense, sizeof(struct memory_block) + size, MEMORY_ALIGN);
    else
        start = memory_bump(memory->wide, size, size); /* aligned, whatever was asked for */
    return start;
}

static void *block_new(size_t align, size_t size)
{
    size_t extra = align > MEMORY_ALIGN ? align : 0;
    bool dense = size + extra <= MEMORY_DENSE;
    size_t room = dense ? size + extra : size > align ? size : align;
    if (size > MEMORY_SIZE / 4 || align > MEMORY_SIZE / 4) {
        errno = ENOMEM;
        return NULL;
    }
    unsigned class = block_class(room);
    char *start = block_start(class, dense);
    if (start == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    char *payload = start;
    if (dense) {
        payload += sizeof(struct memory_block);
        payload += -(uintptr_t)payload & (align - 1);
    }
    *block_of(payload) = (struct memory_block){ .class = class,
                                                .offset = (uint32_t)(payload - start),
                                                .size = size };
    if (memory->layout.fill != 0)
        memset(payload, memory->layout.fill, size < MEMORY_FILL ? size : MEMORY_FILL);
    return payload;
}

static void block_free(void *payload)
{
    struct memory_block *block = block_of(payload);
    unsigned class = block->class;
    struct memory_free *start = (struct memory_free *)(void *)((char *)payload - block->offset);
    if (memory->layout.fill != 0)
        memset(payload, ~memory->layout.fill,
               block->size < MEMORY_FILL ? block->size : MEMORY_FILL);
    start->next = memory->free[class];
    memory->free[class] = start;
}

static bool memory_on(void)
{
    return memory != NULL && memory->on;
}

/* ---- what the program calls ---- */

SP_API void *malloc(size_t size)
{
    return memory_on() ? block_new(MEMORY_ALIGN, size) : __libc_malloc(size);
}

SP_API void free(void *block)
{
    if (!memory_has(block)) {
        __libc_free(block);
        return;
    }
    if (memory->on)
        block_free(block);
}

SP_API void *calloc(size_t count, size_t size)
{
    size_t product;
    if (!memory_on())
        return __libc_calloc(count, size);
    if (__builtin_mul_overflow(count, size, &product)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = block_new(MEMORY_ALIGN, product);
    if (block != NULL && (!memory->fresh || memory->layout.fill != 0))
        memset(block, 0, product);
    return block;
}

SP_API void *realloc(void *block, size_t size)
{
    if (!memory_on() && !memory_has(block))
        return __libc_realloc(block, size);
    if (block == NULL)
        return malloc(size);
    if (!memory_has(block))
        return __libc_realloc(block, size);
    size_t before = block_of(block)->size;
    void *moved = malloc(size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, before < size ? before : size);
    free(block);
    return moved;
}

SP_API void *memalign(size_t align, size_t size)
{
    return memory_on() ? block_new(align < MEMORY_ALIGN ? MEMORY_ALIGN : align, size)
                       : __libc_memalign(align, size);
}

SP_API void *aligned_alloc(size_t align, size_t size)
{
    return memalign(align, size);
}

SP_API int posix_memalign(void **out, size_t align, size_t size)
{
    if (align < sizeof(void *) || (align & (align - 1)) != 0)
        return EINVAL;
    int saved = errno;
    void *block = memalign(align, size);
    errno = saved;
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

SP_API void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (!memory_on() || address != NULL || fd != -1 || !(flags & MAP_ANONYMOUS)) {
        long map = syscall(SYS_mmap, address, size, protection, flags, fd, offset);
        return map == -1 ? MAP_FAILED
                         : (void *)(uintptr_t)map; /* NOLINT(performance-no-int-to-ptr) */
    }
    size_t whole = (size + MEMORY_PAGE - 1) & ~(size_t)(MEMORY_PAGE - 1);
    char *at = memory_bump(memory->wide, whole, MEMORY_PAGE);
    if (at == NULL) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return at;
}

SP_API int munmap(void *address, size_t size)
{
    if (!memory_has(address))
        return (int)syscall(SYS_munmap, address, size);
    return 0; /* taken back with everything else */
}

SP_API int mprotect(void *address, size_t size, int protection)
{
    if (!memory_has(address))
        return (int)syscall(SYS_mprotect, address, size, protection);
    pages_guard(address, size, protection == PROT_NONE);
    return 0;
}

SP_API int madvise(void *address, size_t size, int advice)
{
    if (!memory_has(address))
        return (int)syscall(SYS_madvise, address, size, advice);
    switch (advice) {
    case MADV_GUARD_INSTALL:
    case MADV_GUARD_REMOVE:
        pages_guard(address, size, advice == MADV_GUARD_INSTALL);
        return 0;
    case MADV_DONTNEED:
        pages_clear(address, size);
        return 0;
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
        return 0;
    default:
        errno = EINVAL;
        return -1;
    }
}

/* ---- beginning ---- */

/* The writable part of the executable that is not made read-only after relocation. */
static int memory_find_data(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct memory *self = arg;
    uintptr_t relro_end = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO)
            relro_end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W))
            continue;
        uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
        uintptr_t end = begin + segment->p_memsz;
        if (relro_end > begin && relro_end < end)
            begin = relro_end;
        self->data = (char *)begin; /* NOLINT(performance-no-int-to-ptr) */
        self->data_size = end - begin;
    }
    return 1; /* the executable comes first, and is all we want */
}

static bool memory_handle_faults(void)
{
    struct sigaction action = { .sa_sigaction = memory_fault,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    (void)sigemptyset(&action.sa_mask);
    return sigaction(SIGSEGV, &action, &memory->before) == 0;
}

bool sim_memory_start(void)
{
    struct memory *self = system_map(sizeof(*self), PROT_READ | PROT_WRITE);
    if (self == NULL || sysconf(_SC_PAGESIZE) != MEMORY_PAGE)
        return false;
    self->base = system_map(MEMORY_SIZE, PROT_READ);
    self->pages = system_map(MEMORY_PAGES, PROT_READ | PROT_WRITE);
    self->dirty = system_map(MEMORY_PAGES * sizeof(*self->dirty), PROT_READ | PROT_WRITE);
    self->ages = system_map(MEMORY_PAGES, PROT_READ | PROT_WRITE);
    self->large = system_map(MEMORY_PAGES * sizeof(*self->large), PROT_READ | PROT_WRITE);
    self->guards = system_map(MEMORY_PAGES * sizeof(*self->guards), PROT_READ | PROT_WRITE);
    (void)dl_iterate_phdr(memory_find_data, self);
    self->data_copy = system_map(self->data_size + 1, PROT_READ | PROT_WRITE);
    if (self->base == NULL || self->pages == NULL || self->dirty == NULL || self->ages == NULL ||
        self->large == NULL || self->guards == NULL || self->data_copy == NULL ||
        self->data == NULL)
        return false;
    memory = self;
    if (!memory_handle_faults()) {
        memory = NULL;
        return false;
    }
    sim__memory_on = &self->on;
    memcpy(self->data_copy, self->data, self->data_size);
    return true;
}

bool sim_memory_started(void)
{
    return memory != NULL;
}

/* As wide as registers are everywhere. */
typedef uint64_t memory_words __attribute__((vector_size(16)));

static bool chunk_written(const memory_words *words)
{
    memory_words any = (words[0] | words[1]) | (words[2] | words[3]);
    any |= (words[4] | words[5]) | (words[6] | words[7]);
    return (any[0] | any[1]) != 0;
}

static void chunk_zero(memory_words *words)
{
    const memory_words zero = { 0 };
    words[0] = words[1] = words[2] = words[3] = zero;
    words[4] = words[5] = words[6] = words[7] = zero;
}

/* Zero again; false: it was. A run writes to a seventh of its pages, so that reading all of them and
 * writing to that is faster than memset(); and so is finding out first, without a branch. */
static bool page_zero(char *page)
{
    uint32_t written = 0;
    for (unsigned i = 0; i < MEMORY_CHUNKS; i++)
        written |= (uint32_t)chunk_written((memory_words *)(void *)(page + i * MEMORY_CHUNK)) << i;
    for (uint32_t left = written; left != 0; left &= left - 1)
        chunk_zero((memory_words *)(void *)(page + __builtin_ctz(left) * MEMORY_CHUNK));
    return written != 0;
}

/* Was all of it given out in this run? */
static bool page_given(size_t page)
{
    return (page + 1) * MEMORY_PAGE <= memory->dense[0].end;
}

/* Of the dirty ones. True: it stays one. */
static bool page_reset(size_t page)
{
    if (memory->pages[page] & PAGE_GUARDED)
        return true;
    if (page_given(page)) { /* half of it was written to: reading it first would not pay */
        memset(memory->base + page * MEMORY_PAGE, 0, MEMORY_PAGE);
        return true;
    }
    if (page_zero(memory->base + page * MEMORY_PAGE)) {
        memory->ages[page] = 0;
        return true;
    }
    if (++memory->ages[page] < MEMORY_AGE_MAX)
        return true;
    /* An unusual run wrote there; the usual ones are not to pay for it. */
    (void)syscall(SYS_mprotect, memory->base + page * MEMORY_PAGE, (size_t)MEMORY_PAGE, PROT_READ);
    memory->pages[page] &= (uint8_t)~PAGE_DIRTY;
    memory->ages[page] = 0;
    return false;
}

static void spans_reset(struct memory_span *halves, size_t from, size_t to)
{
    size_t middle = memory->layout.scatter == 0 ? to : from + (to - from) / 2;
    halves[0] = (struct memory_span){ .end = from + memory->layout.shift, .limit = middle };
    halves[1] = (struct memory_span){ .end = middle, .limit = to };
}

void sim_memory_reset(void)
{
    if (memory == NULL)
        return;
    memcpy(memory->data, memory->data_copy, memory->data_size);
    for (size_t i = 0; i < memory->guard_count; i++)
        memory->pages[memory->guards[i]] &= (uint8_t)~PAGE_GUARD;
    for (size_t i = 0; i < memory->dirty_count;) {
        if (page_reset(memory->dirty[i]))
            i++;
        else
            memory->dirty[i] = memory->dirty[--memory->dirty_count];
    }
    memset(memory->free, 0, sizeof(memory->free));
    spans_reset(memory->dense, 0, MEMORY_DENSE_SIZE);
    spans_reset(memory->wide, MEMORY_DENSE_SIZE, MEMORY_SIZE);
    memory->scattered = memory->layout.scatter;
}

bool sim_memory_inside(void)
{
    return memory == NULL || memory->on;
}

void sim_memory_set_layout(const struct sim_layout *layout)
{
    if (memory == NULL)
        return;
    memory->layout = layout == NULL ? (struct sim_layout){ 0 } : *layout;
    memory->layout.shift = (memory->layout.shift + MEMORY_ALIGN - 1) & ~(size_t)(MEMORY_ALIGN - 1);
}

#endif
