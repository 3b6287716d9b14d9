/* What a hypervisor switches for a machine from outside, a machine that ends by itself, one that no
 * node stands for, and a server that proves itself by its certificate.
 *
 *   switches URL FOLDER Approved|Draft
 *
 * In the end the machine is off without having been asked to, and nobody waits to find out. */
#include <stdint.h>
#include <string.h>
#include <virmo.h>

/* Whom TLS has authenticated, were it there. */
static const char *certificate;

static virmo_status receive_over_tls(virmo_device *device, virmo_now now, const char *content_type,
                                     const uint8_t *body, size_t len) {
  return virmo_device_receive(device, now, content_type, body, len, NULL,
                              (const uint8_t *)certificate, strlen(certificate));
}

#define virmo_device_receive(device, now, content_type, body, len, hmac, identity, identity_len) \
  receive_over_tls(device, now, content_type, body, len)
#define main device_main
#include "../../examples/device/device.c"
#undef main

#include "check.h"

static virmo_device *device;
static bool is_locked, is_sharing, has_camera = true;
static char machine[65];

static uint32_t set(bool *it, bool value) {
  if (*it == value) return VIRMO_HYPERVISOR_RESULT_ALREADY_DONE;
  *it = value;
  return VIRMO_HYPERVISOR_RESULT_DONE;
}

static uint32_t set_locked(void *u, const char *vm, bool locked, virmo_writer *reason) {
  (void)u, (void)reason;
  CHECK(strlen(vm) > 0 && strlen(vm) < sizeof machine);
  strcpy(machine, vm);
  printf("locked %d\n", locked);
  return set(&is_locked, locked);
}

static uint32_t get_locked(void *u, const char *vm, bool *locked, virmo_writer *reason) {
  (void)u, (void)vm, (void)reason;
  CHECK(!*locked);
  *locked = is_locked;
  return VIRMO_HYPERVISOR_RESULT_DONE;
}

static uint32_t set_sharing(void *u, const char *vm, bool allowed, virmo_writer *reason) {
  (void)u, (void)vm, (void)reason;
  printf("sharing %d\n", allowed);
  return set(&is_sharing, allowed);
}

static uint32_t get_sharing(void *u, const char *vm, bool *allowed, virmo_writer *reason) {
  (void)u, (void)vm, (void)reason;
  *allowed = is_sharing;
  return VIRMO_HYPERVISOR_RESULT_DONE;
}

static uint32_t peripherals(void *u, const char *vm, virmo_peripherals *to, virmo_writer *reason) {
  (void)u, (void)vm, (void)reason;
  CHECK(virmo_peripherals_add(to, "usb", true) == VIRMO_STATUS_OK);
  CHECK(virmo_peripherals_add(to, "camera", has_camera) == VIRMO_STATUS_OK);
  return VIRMO_HYPERVISOR_RESULT_DONE;
}

static uint32_t set_peripheral(void *u, const char *vm, const char *name, bool enabled,
                               virmo_writer *reason) {
  (void)u, (void)vm, (void)reason;
  CHECK(!strcmp(name, "camera"));
  printf("camera %d\n", enabled);
  return set(&has_camera, enabled);
}

static void tell(void *user_data, const virmo_event *event) {
  switch (event->kind) {
    case VIRMO_EVENT_KIND_ADOPTED: printf("event adopted %s %s\n", event->node, event->id); break;
    case VIRMO_EVENT_KIND_LOCKED: printf("event locked %s %d\n", event->node, event->to); break;
    case VIRMO_EVENT_KIND_SHARING: printf("event sharing %s %d\n", event->node, event->to); break;
    default: hear(user_data, event);
  }
}

static void no_wait(void *u, uint64_t time, const virmo_cancel *cancel) {
  (void)u, (void)time, (void)cancel;
  CHECK(!"what is known to have changed is looked at at once");
}

static void power_off(struct board *board, const virmo_callbacks *callbacks) {
  CHECK(callbacks->hypervisor_power_off(board, machine, 0, NULL) == VIRMO_HYPERVISOR_RESULT_DONE);
}

/* One that a device left whose journal was lost since. */
static void leave_a_machine(const struct board *board) {
  char path[PATH_MAX_LEN];
  snprintf(path, sizeof path, "%s/left.vm", board->folder);
  FILE *file = fopen(path, "w");
  CHECK(file);
  fprintf(file, "%u RAM=1048576&Storage=1048576&CPU=1&Network=1\n", VIRMO_MACHINE_STATE_OFF);
  CHECK(fclose(file) == 0);
}

/* Until nothing is left to do, or the session failed as it should; the job that waits for news is not
 * run. */
static virmo_job *settle(struct board *board, bool open, bool fails) {
  struct course course = {false, open, false};
  virmo_job *watch = NULL;
  for (;;) {
    const virmo_output *output;
    while (virmo_device_poll(device, &output) == VIRMO_STATUS_OK && output) {
      if (output->kind == VIRMO_OUTPUT_KIND_JOB && virmo_job_is_background(output->job)) {
        CHECK(!watch);
        watch = output->job;
      } else {
        CHECK(carry_out(board, device, output, &course) == VIRMO_STATUS_OK);
      }
    }
    CHECK(!course.failed || fails);
    bool idle;
    CHECK(virmo_device_is_idle(device, &idle) == VIRMO_STATUS_OK);
    if (idle) {
      CHECK(course.failed == fails);
      return watch;
    }
    if (course.wanted && !course.open) {
      course.wanted = false;
      course.open = true;
      CHECK(virmo_device_start(device, now()) == VIRMO_STATUS_OK);
    } else {
      pause_ms(10);
      CHECK(virmo_device_tick(device, now()) == VIRMO_STATUS_OK);
    }
  }
}

/* Runs the job that waits for news, which there are, and does what comes of it. */
static virmo_job *hear_news(struct board *board, virmo_job *watch) {
  CHECK(virmo_job_run(watch) == VIRMO_STATUS_OK);
  CHECK(virmo_device_complete(device, now(), watch) == VIRMO_STATUS_OK);
  watch = settle(board, false, false);
  CHECK(watch);
  return watch;
}

int main(int count, char **words) {
  struct board board = {0};
  CHECK(count == 4 && strlen(words[2]) < sizeof board.folder);
  strcpy(board.folder, words[2]);
  CHECK(store_open(&board) && toy_open(&board));
  virmo_callbacks callbacks = {0};
  callbacks.size = sizeof callbacks;
  callbacks.clock_now = clock_now;
  callbacks.clock_wait = no_wait;
  callbacks.random = fill;
  callbacks.event = tell;
  store_callbacks(&callbacks);
  toy_callbacks(&callbacks);
  http_callbacks(&callbacks);
  callbacks.hypervisor_set_locked = set_locked;
  callbacks.hypervisor_is_locked = get_locked;
  callbacks.hypervisor_peripherals = peripherals;
  callbacks.hypervisor_set_peripheral = set_peripheral;
  callbacks.hypervisor_set_sharing = set_sharing;
  callbacks.hypervisor_is_sharing = get_sharing;

  virmo_config *config = configure(words[1]);
  CHECK(config && virmo_config_set_number(config, VIRMO_NUMBER_WATCH_MS, 600000) == VIRMO_STATUS_OK);
  bool draft = !strcmp(words[3], "Draft");
  CHECK(virmo_config_set_number(config, VIRMO_NUMBER_DRAFT, draft) == VIRMO_STATUS_OK);
  CHECK(virmo_config_set_server_identity(config, (const uint8_t *)"server", 6) == VIRMO_STATUS_OK);
  CHECK(virmo_config_set_number(config, VIRMO_NUMBER_ADOPT, 1) == VIRMO_STATUS_OK);
  leave_a_machine(&board);
  CHECK(virmo_device_new(config, &callbacks, &board, now(), &device) == VIRMO_STATUS_OK);
  CHECK(virmo_config_free(config) == VIRMO_STATUS_OK);

  certificate = "another";
  CHECK(virmo_device_start(device, now()) == VIRMO_STATUS_OK);
  virmo_job *watch = settle(&board, true, true);
  CHECK(watch);
  certificate = "server";
  CHECK(virmo_device_start(device, now()) == VIRMO_STATUS_OK);
  CHECK(!settle(&board, true, false));

  CHECK(virmo_device_unlock(device, "left") == VIRMO_STATUS_REFUSED);
  if (draft) {
    CHECK(virmo_device_unlock(device, "work") == VIRMO_STATUS_OK);
    watch = hear_news(&board, watch);
  }
  power_off(&board, &callbacks);
  CHECK(virmo_device_look_at_machines(device) == VIRMO_STATUS_OK);
  watch = hear_news(&board, watch);
  CHECK(virmo_job_free(watch) == VIRMO_STATUS_OK);
  CHECK(virmo_device_free(device) == VIRMO_STATUS_OK);
  store_close(&board);
  return 0;
}
