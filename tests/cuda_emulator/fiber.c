/* Fibers: stacks that are mapped once and kept, and a switch that saves what the calling
 * convention says a function keeps. Stack tops are spread over cache sets, since a thousand
 * fibers whose frames share a few sets would miss at every switch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#if !defined(__x86_64__) && !defined(IG_EMU_UCONTEXT)
#define IG_EMU_UCONTEXT 1
#endif
#ifdef IG_EMU_UCONTEXT
#include <ucontext.h>
#endif
#ifdef IG_EMU_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* An odd number of pages, mapped one after the other: no two stacks share sets of the TLB for
 * long. */
enum { PAGE = 4096, STACK = 129 * PAGE, COLOUR = 64, COLOURS = 256 };

struct fiber {
  void *saved; /* the stack pointer, registers below it */
#ifdef IG_EMU_UCONTEXT
  ucontext_t context;
#endif
  char *stack; /* lowest usable byte */
  size_t size;
  void *fake_stack, *race_state; /* the sanitizers' */
  fiber *next;
};

static fiber main_fiber, *current = &main_fiber, *previous, *idle;
static fiber fibers[MAX_THREADS];
static int fiber_count;
static void (*start)(void);
static uint64_t switches;
fiber *const ig_emu_main_fiber = &main_fiber;

#ifndef IG_EMU_UCONTEXT
void ig_emu_swap_stacks(void **save, void *load);
__asm__(".text\n"
        ".p2align 4\n"
        ".hidden ig_emu_swap_stacks\n"
        ".globl ig_emu_swap_stacks\n"
        ".type ig_emu_swap_stacks, @function\n"
        "ig_emu_swap_stacks:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  ret\n"
        ".size ig_emu_swap_stacks, .-ig_emu_swap_stacks\n");
#endif

static void arrived(void) {
#ifdef IG_EMU_ASAN
  const void *bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(current->fake_stack, &bottom, &size);
  if (previous == &main_fiber) {
    main_fiber.stack = (char *)bottom;
    main_fiber.size = size;
  }
#endif
}

static void enter_fiber(void) {
  arrived();
  start();
}

void ig_emu_switch_to(fiber *to) {
  fiber *from = current;
  previous = from;
  current = to;
  switches++;
#ifdef IG_EMU_ASAN
  __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->size);
#endif
#ifdef IG_EMU_TSAN
  if (from == &main_fiber) from->race_state = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to->race_state, 0);
#endif
#ifdef IG_EMU_UCONTEXT
  swapcontext(&from->context, &to->context);
#else
  ig_emu_swap_stacks(&from->saved, to->saved);
#endif
  arrived();
}

/* Makes the fiber's next switch enter enter_fiber. */
static void rewind_fiber(fiber *f) {
  int number = (int)(f - fibers);
  char *top = f->stack + f->size - (size_t)(number * 37 % COLOURS) * COLOUR;
  ASAN_UNPOISON_MEMORY_REGION(f->stack, f->size);
  f->fake_stack = NULL;
#ifdef IG_EMU_TSAN
  if (f->race_state) __tsan_destroy_fiber(f->race_state);
  f->race_state = __tsan_create_fiber(0);
#endif
#ifdef IG_EMU_UCONTEXT
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->stack;
  f->context.uc_stack.ss_size = (size_t)(top - f->stack);
  f->context.uc_link = NULL;
  makecontext(&f->context, enter_fiber, 0);
#else
  /* Six registers, the address to go to, and a frame end of zeros for whoever walks the stack. */
  void **frame = (void **)top - 10;
  memset(frame, 0, 10 * sizeof(void *));
  frame[6] = (void *)(uintptr_t)enter_fiber;
  f->saved = frame;
#endif
}

static void no_memory(void) {
  fprintf(stderr, "cuda emulator: no memory for the stack of fiber %d\n", fiber_count);
  abort();
}

fiber *ig_emu_take_fiber(void) {
  fiber *f = idle;
  if (f) {
    idle = f->next;
    return f;
  }
  if (fiber_count == MAX_THREADS) no_memory(); /* as many as a block has threads: never taken */
  f = &fibers[fiber_count];
  char *map = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (map == MAP_FAILED || mprotect(map, PAGE, PROT_NONE) != 0) no_memory();
  fiber_count++;
  f->stack = map + PAGE;
  f->size = STACK - PAGE;
  rewind_fiber(f);
  return f;
}

void ig_emu_put_fiber(fiber *f) {
  f->next = idle;
  idle = f;
}

fiber *ig_emu_current_fiber(void) {
  return current;
}

void ig_emu_fibers_start(void (*entry)(void)) {
  start = entry;
}

void ig_emu_reset_fibers(void) {
  idle = NULL;
  for (int i = fiber_count - 1; i >= 0; i--) {
    rewind_fiber(&fibers[i]);
    ig_emu_put_fiber(&fibers[i]);
  }
}

uint64_t ig_emu_switch_count(void) {
  return switches;
}

bool ig_emu_is_stack_end(const void *address) {
  for (int i = 0; i < fiber_count; i++) {
    const char *page = fibers[i].stack - PAGE;
    if ((const char *)address >= page && (const char *)address < page + PAGE) return true;
  }
  return false;
}
