/*
 * A QEMU that wraps its main loop in one memory transaction: the design `wrap-main` as something that runs.
 *
 * Preloaded into the installed program, this puts a jump at the entry of qemu_loadvm_state_main. The jump leads to
 * `wrapper`, which opens a transaction, calls the loop through its displaced first instructions, and commits, on every
 * way out of the loop: success, error, quit, a loop inside a loop, and the postcopy listener's thread. The program
 * exports the three functions that are needed, so that nothing of it is known here but their names, and that the loop
 * takes two pointers and returns an int.
 *
 * A program that is not as expected (a name missing, a first instruction that cannot be moved) ends at once with a line
 * that says so, exit status 77. Programs without any of the three names (a shell, env) are left alone.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { JUMP = 5, FAR_JUMP = 14, PAGE = 4096, UNUSABLE = 77 };

typedef int loop_fn(void *file, void *incoming);
typedef void transaction_fn(void);

static transaction_fn *begin, *commit;
static loop_fn *original;

static int wrapper(void *file, void *incoming)
{
    int result;

    begin();
    result = original(file, incoming);
    commit();
    return result;
}

static void unusable(const char *why)
{
    fprintf(stderr, "wrap_main: %s\n", why);
    _exit(UNUSABLE);
}

/* Bytes behind an opcode that has a ModRM byte; 0 where it depends on where the instruction stands. */
static int operand(const uint8_t *modrm)
{
    int mod = modrm[0] >> 6, rm = modrm[0] & 7, sib = mod != 3 && rm == 4;

    if (mod == 0 && (rm == 5 || (sib && (modrm[1] & 7) == 5))) {
        return 0;
    }
    return 1 + sib + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

/* Length of an instruction that a compiler puts at a function's beginning and that runs anywhere; 0 for any other. */
static int movable(const uint8_t *at)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    int prefix = (at[0] & 0xf0) == 0x40, length;
    const uint8_t *opcode = at + prefix;

    if (!memcmp(at, endbr64, sizeof endbr64)) {
        return sizeof endbr64;
    }
    switch (opcode[0]) {
    case 0x50 ... 0x57: /* push */
        return prefix + 1;
    case 0x31: /* xor */
    case 0x33:
    case 0x89: /* mov */
    case 0x8b:
    case 0x8d: /* lea */
        length = operand(opcode + 1);
        return length ? prefix + 1 + length : 0;
    case 0x83: /* arithmetic with a byte */
        length = operand(opcode + 1);
        return length ? prefix + 1 + length + 1 : 0;
    case 0x81: /* arithmetic with four bytes */
        length = operand(opcode + 1);
        return length ? prefix + 1 + length + 4 : 0;
    default:
        return 0;
    }
}

/* A page that a jump of five bytes reaches from `from`. */
static uint8_t *page_near(const uint8_t *from)
{
    uintptr_t base = (uintptr_t)from & ~(uintptr_t)(PAGE - 1);

    for (uintptr_t distance = 1 << 20; distance < 1u << 30; distance += 1 << 20) {
        void *hint = (void *)(base - distance);
        void *got = mmap(hint, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        if (got == hint) {
            return got;
        }
        if (got != MAP_FAILED) {
            munmap(got, PAGE);
        }
    }
    unusable("no free page near the loop");
    return NULL;
}

static void put_far_jump(uint8_t *at, const void *to)
{
    static const uint8_t jump_to_next_quad[] = {0xff, 0x25, 0, 0, 0, 0};
    uint64_t target = (uintptr_t)to;

    memcpy(at, jump_to_next_quad, sizeof jump_to_next_quad);
    memcpy(at + sizeof jump_to_next_quad, &target, sizeof target);
}

static void put_jump(uint8_t *at, const uint8_t *to)
{
    int32_t distance = (int32_t)(to - (at + JUMP));

    at[0] = 0xe9;
    memcpy(at + 1, &distance, sizeof distance);
}

__attribute__((constructor)) static void install(void)
{
    uint8_t *loop = dlsym(RTLD_DEFAULT, "qemu_loadvm_state_main");
    uint8_t *page, *code;
    int displaced = 0;

    *(void **)&begin = dlsym(RTLD_DEFAULT, "memory_region_transaction_begin");
    *(void **)&commit = dlsym(RTLD_DEFAULT, "memory_region_transaction_commit");
    if (!loop && !begin && !commit) {
        return;
    }
    if (!loop || !begin || !commit) {
        unusable("the program does not export what is wrapped");
    }
    while (displaced < JUMP) {
        int length = movable(loop + displaced);

        if (!length) {
            unusable("the loop begins with an instruction that cannot be moved");
        }
        displaced += length;
    }
    page = page_near(loop);
    put_far_jump(page, (const void *)wrapper);
    code = page + 16;
    memcpy(code, loop, displaced);
    put_far_jump(code + displaced, loop + displaced);
    *(void **)&original = code;
    if (mprotect(page, PAGE, PROT_READ | PROT_EXEC)) {
        unusable("cannot make a page executable");
    }
    code = (uint8_t *)((uintptr_t)loop & ~(uintptr_t)(PAGE - 1));
    if (mprotect(code, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        unusable("cannot write to the loop");
    }
    put_jump(loop, page);
    if (mprotect(code, 2 * PAGE, PROT_READ | PROT_EXEC)) {
        unusable("cannot protect the loop again");
    }
}
