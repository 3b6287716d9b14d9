/* The example's device with one callback that fails, or at which the process ends.
 *
 *   faults URL FOLDER none|fail|end N
 *
 * Says how many callbacks that can fail were called, and in the end what State says and what the
 * machine is. */
#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* Nobody waits: to sleep moves the clock. */
static int64_t slept;

static int moved_clock(clockid_t clock, struct timespec *time) {
  int result = clock_gettime(clock, time);
  time->tv_sec += (time_t)(slept / 1000);
  time->tv_nsec += (long)(slept % 1000) * 1000000;
  if (time->tv_nsec >= 1000000000) {
    time->tv_nsec -= 1000000000;
    time->tv_sec++;
  }
  return result;
}

static int no_sleep(const struct timespec *time, struct timespec *left) {
  (void)left;
  slept += (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000 + 1;
  return 0;
}

#define clock_gettime moved_clock
#define nanosleep no_sleep
#define main device_main
#include "../../examples/device/device.c"
#undef main

static virmo_callbacks real;
static long calls, chosen;
static enum { NONE, FAIL, END } mode;

static bool hit(int when) { return mode == (unsigned)when && calls == chosen; }

/* What a callback comes to whose turn it may be. */
#define HOOK(name, failure, parameters, ...)                    \
  static uint32_t hook_##name parameters {                      \
    calls++;                                                    \
    if (hit(FAIL)) return failure;                              \
    if (hit(END)) _exit(9);                                     \
    return real.name(__VA_ARGS__);                              \
  }

#define JOURNAL VIRMO_JOURNAL_RESULT_FULL
#define SINK VIRMO_SINK_RESULT_IO
#define MACHINE VIRMO_HYPERVISOR_RESULT_FAILED

HOOK(journal_commit, JOURNAL, (void *u, const virmo_batch *b), u, b)
HOOK(journal_read, JOURNAL,
     (void *u, const char *s, const uint8_t *k, size_t l, virmo_writer *w), u, s, k, l, w)
HOOK(journal_scan, JOURNAL, (void *u, const char *s, virmo_records *r), u, s, r)
HOOK(fetch, VIRMO_FETCH_RESULT_PROTOCOL,
     (void *u, const virmo_fetch_request *q, virmo_receiver *r), u, q, r)
HOOK(sink_reserve, SINK, (void *u, const char *k, uint64_t t), u, k, t)
HOOK(sink_len, SINK, (void *u, const char *k, uint64_t *l), u, k, l)
HOOK(sink_write, SINK, (void *u, const char *k, uint64_t o, const uint8_t *b, size_t l), u, k, o, b,
     l)
HOOK(sink_read, SINK, (void *u, const char *k, uint64_t o, uint8_t *b, size_t l, size_t *r), u, k, o,
     b, l, r)
HOOK(sink_truncate, SINK, (void *u, const char *k, uint64_t l), u, k, l)
HOOK(sink_sync, SINK, (void *u, const char *k), u, k)
HOOK(sink_finish, SINK, (void *u, const char *k, virmo_writer *w), u, k, w)
HOOK(sink_location, SINK, (void *u, const char *k, virmo_writer *w), u, k, w)
HOOK(sink_discard, SINK, (void *u, const char *k), u, k)
HOOK(sink_keys, SINK, (void *u, virmo_keys *k), u, k)
HOOK(hypervisor_list, MACHINE, (void *u, virmo_machines *m, virmo_writer *w), u, m, w)
HOOK(hypervisor_observe, MACHINE, (void *u, const char *v, virmo_machine *m, virmo_writer *w), u, v,
     m, w)
HOOK(hypervisor_create, MACHINE, (void *u, const virmo_vm_spec *s, virmo_writer *w), u, s, w)
HOOK(hypervisor_power_on, MACHINE, (void *u, const char *v, virmo_writer *w), u, v, w)
HOOK(hypervisor_power_off, MACHINE, (void *u, const char *v, uint64_t g, virmo_writer *w), u, v, g,
     w)
HOOK(hypervisor_suspend, MACHINE, (void *u, const char *v, virmo_writer *w), u, v, w)
HOOK(hypervisor_resume, MACHINE, (void *u, const char *v, virmo_writer *w), u, v, w)
HOOK(hypervisor_delete, MACHINE, (void *u, const char *v, bool o, virmo_writer *w), u, v, o, w)

static void hook(virmo_callbacks *table) {
  real = *table;
#define SET(name) table->name = hook_##name;
  SET(journal_commit) SET(journal_read) SET(journal_scan) SET(fetch) SET(sink_reserve) SET(sink_len)
  SET(sink_write) SET(sink_read) SET(sink_truncate) SET(sink_sync) SET(sink_finish)
  SET(sink_location) SET(sink_discard) SET(sink_keys) SET(hypervisor_list) SET(hypervisor_observe)
  SET(hypervisor_create) SET(hypervisor_power_on) SET(hypervisor_power_off) SET(hypervisor_suspend)
  SET(hypervisor_resume) SET(hypervisor_delete)
}

static void value(virmo_device *device, const char *uri, char *text, size_t room) {
  size_t len = 0;
  strcpy(text, "-");
  if (virmo_device_read(device, uri, (uint8_t *)text, room - 1, &len) == VIRMO_STATUS_OK)
    text[len] = 0;
}

int main(int count, char **words) {
  static const char *const modes[] = {"none", "fail", "end"};
  struct board board = {0};
  if (count != 5 || strlen(words[2]) >= sizeof board.folder) return 2;
  while (strcmp(modes[mode], words[3])) mode++;
  chosen = atol(words[4]);
  board.quiet = true;
  strcpy(board.folder, words[2]);
  if (!store_open(&board)) return 2;
  virmo_callbacks callbacks = {0};
  callbacks.size = sizeof callbacks;
  callbacks.clock_now = clock_now;
  callbacks.clock_wait = clock_wait;
  callbacks.random = fill;
  callbacks.event = hear;
  store_callbacks(&callbacks);
  toy_callbacks(&callbacks);
  http_callbacks(&callbacks);
  hook(&callbacks);

  virmo_config *config = configure(words[1]);
  virmo_device *device;
  virmo_status status = virmo_device_new(config, &callbacks, &board, now(), &device);
  if (status == VIRMO_STATUS_OK) {
    char state[64], vm[65];
    struct machine machine;
    status = run(&board, device);
    value(device, "./VirMO/work/State", state, sizeof state);
    value(device, "./VirMO/work/VMID", vm, sizeof vm);
    toy_load(&board, vm, &machine);
    printf("state %s machine %u\n", state, machine.state);
    if (virmo_device_free(device) != VIRMO_STATUS_OK) return 2;
  }
  virmo_config_free(config);
  store_close(&board);
  printf("calls %ld status %u\n", calls, (unsigned)status);
  return status == VIRMO_STATUS_PANIC ? 3 : 0;
}
