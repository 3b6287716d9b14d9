/* A guest for tests: a boot disk whose only program drives QEMU's memory balloon (legacy virtio, PCI) and
 * says "ready" on the first serial port once it does.
 *
 *   0x2000  page numbers of a batch   0x2800  statistics   0xa000  the rings of three queues
 */
#include "start.h"

static u32 pci(u32 device, u32 reg) { outl(0xcf8, 0x80000000u | device << 11 | reg); return inl(0xcfc); }
static void set_pci(u32 device, u32 reg, u32 value) { outl(0xcf8, 0x80000000u | device << 11 | reg); outl(0xcfc, value); }

/* Rings of 128 entries, at 0xa000, 0xc000 and 0xe000. */
struct descriptor { u32 address, high, length; u16 flags, next; };
enum { ENTRIES = 128, BATCH = 256, FIRST_PAGE = 1024 };
static volatile struct descriptor *descriptors(u32 queue) { return (void *)(0xa000 + queue * 0x2000); }
static volatile u16 *available(u32 queue) { return (void *)(0xa000 + queue * 0x2000 + ENTRIES * 16); }
static volatile u16 *used(u32 queue) { return (void *)(0xa000 + queue * 0x2000 + 0x1000); }

static u16 io;
static volatile u32 *const pages = (void *)0x2000;

/* Hands one buffer to the device. */
static void give(u32 queue, u32 address, u32 length) {
    volatile struct descriptor *first = descriptors(queue);
    volatile u16 *ring = available(queue);
    first->address = address;
    first->high = 0;
    first->length = length;
    first->flags = 0;
    ring[2 + ring[1] % ENTRIES] = 0;
    __asm__ volatile("" ::: "memory");
    ring[1]++;
    outw(io + 16, queue);
}

/* Hands a batch of page numbers to the device and waits until it took them. */
static void hand(u32 queue, u32 first, u32 count) {
    for (u32 i = 0; i < count; i++) pages[i] = FIRST_PAGE + first + i;
    give(queue, (u32)pages, count * 4);
    while (used(queue)[1] != available(queue)[1]) {}
}

void run(void) {
    u32 device = 0;
    while (device < 32 && pci(device, 0) != 0x10021af4) device++;
    if (device == 32) { say("no balloon\n"); for (;;) __asm__ volatile("hlt"); }
    io = pci(device, 0x10) & 0xfffc;
    set_pci(device, 4, pci(device, 4) | 5);
    outb(io + 18, 0);
    outb(io + 18, 3);
    outl(io + 4, inl(io) & 2); /* statistics: how the host sees that a driver is there */
    for (u32 queue = 0; queue < 3; queue++) {
        u8 *memory = (void *)descriptors(queue);
        for (u32 i = 0; i < 0x2000; i++) memory[i] = 0;
        outw(io + 14, queue);
        outl(io + 8, (u32)memory >> 12);
    }
    outb(io + 18, 7);
    for (u32 i = 0; i < 10; i++) *(volatile u8 *)(0x2800 + i) = 0;
    give(2, 0x2800, 10);
    say("ready\n");
    for (u32 actual = 0;;) {
        if (used(2)[1] == available(2)[1]) give(2, 0x2800, 10);
        u32 wanted = inl(io + 20);
        if (wanted > actual) {
            u32 more = wanted - actual > BATCH ? BATCH : wanted - actual;
            hand(0, actual, more);
            actual += more;
        } else if (wanted < actual) {
            u32 less = actual - wanted > BATCH ? BATCH : actual - wanted;
            actual -= less;
            hand(1, actual, less);
        } else {
            continue;
        }
        outl(io + 24, actual);
    }
}
