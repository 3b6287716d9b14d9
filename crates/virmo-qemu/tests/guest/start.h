/* The beginning of every guest: a boot sector that loads what is behind it, and words for ports. Real
 * mode, one segment, the program at 0x7c00 and up to 9 sectors long. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

__asm__(".section .start,\"ax\"\n"
        ".globl _start\n"
        "_start: cli\n"
        "xor %ax, %ax\n"
        "mov %ax, %ds\n"
        "mov %ax, %es\n"
        "mov %ax, %ss\n"
        "mov $0x7c00, %esp\n"
        "ljmp $0, $1f\n"
        "1: mov $0x0208, %ax\n" /* read 8 sectors */
        "mov $0x0002, %cx\n"
        "mov $0, %dh\n"
        "mov $0x7e00, %bx\n"
        "int $0x13\n"
        "calll run\n"
        "hlt\n"
        ".section .sign,\"ax\"\n"
        ".word 0xaa55\n"
        ".text\n");

static inline void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outw(u16 port, u16 value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outl(u16 port, u32 value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

enum { COM1 = 0x3f8, COM2 = 0x2f8 };

static void put(u16 port, u8 octet) {
    while (!(inb(port + 5) & 0x20)) {}
    outb(port, octet);
}

static inline void say(const char *text) {
    for (; *text; text++) put(COM1, *text);
}
