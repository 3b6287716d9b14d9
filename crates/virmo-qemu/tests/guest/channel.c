/* A guest for tests: it answers each request on the second serial port with a reply that has the same
 * payload, and says "ready" on the first. Requests that contain '!' it does not answer. */
#include "start.h"

enum { FLAG = 0x7e, ESCAPE = 0x7d, HEAD = 6, CHECK = 4, MOST = 0x4000 };

/* What stands in the frame that is coming in. */
static u8 *const content = (void *)0xa000;

static u8 take(void) {
    while (!(inb(COM2 + 5) & 1)) {}
    return inb(COM2);
}

/* The frame check sequence of RFC 1662, appendix C.3: CRC-32. */
static u32 check_sequence(const u8 *octets, u32 length) {
    u32 fcs = 0xffffffff;
    for (u32 i = 0; i < length; i++) {
        fcs ^= octets[i];
        for (u32 bit = 0; bit < 8; bit++) fcs = fcs >> 1 ^ (fcs & 1 ? 0xedb88320 : 0);
    }
    return ~fcs;
}

static void put_check(u8 *to, u32 fcs) {
    for (u32 i = 0; i < CHECK; i++) to[i] = fcs >> (24 - 8 * i);
}

static void send(u32 length) {
    put(COM2, FLAG);
    for (u32 i = 0; i < length; i++) {
        if (content[i] == FLAG || content[i] == ESCAPE || content[i] < 0x20) {
            put(COM2, ESCAPE);
            put(COM2, content[i] ^ 0x20);
        } else {
            put(COM2, content[i]);
        }
    }
    put(COM2, FLAG);
}

void run(void) {
    outb(COM2 + 2, 7); /* the queue of 16 octets */
    say("ready\n");
    for (u32 length = 0, flip = 0;;) {
        u8 octet = take();
        if (octet == ESCAPE) {
            flip = 0x20;
        } else if (octet != FLAG) {
            if (length < MOST) content[length++] = octet ^ flip;
            flip = 0;
        } else {
            u8 check[CHECK];
            u32 good = length >= HEAD + CHECK && content[0] == 1 && content[1] == 1, wanted = 1;
            if (good) put_check(check, check_sequence(content, length - CHECK));
            for (u32 i = 0; good && i < CHECK; i++) good = check[i] == content[length - CHECK + i];
            for (u32 i = HEAD; good && i < length - CHECK; i++) wanted = wanted && content[i] != '!';
            if (good && wanted) {
                content[1] = 2;
                put_check(content + length - CHECK, check_sequence(content, length - CHECK));
                send(length);
            }
            length = flip = 0;
        }
    }
}
