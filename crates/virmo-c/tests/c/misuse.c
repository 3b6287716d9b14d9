/* What a program may do wrong, as far as a library can tell: each is an error, and nothing else. */
#define main device_main
#include "../../examples/device/device.c"
#undef main

#include <stddef.h>

#include "check.h"

static virmo_device *seen;
static virmo_job *waiting;
static bool reentered;
static bool full;
static bool spoils_read, spoils_scan;

/* A callback that uses its own device. */
static uint32_t reenter(void *user_data, const virmo_batch *batch) {
  (void)user_data;
  if (seen) {
    CHECK(virmo_device_tick(seen, now()) == VIRMO_STATUS_BUSY);
    CHECK(virmo_device_free(seen) == VIRMO_STATUS_BUSY);
    CHECK(!strcmp(virmo_device_error(seen), "the handle is in use"));
    CHECK(virmo_device_look_at_machines(seen) == VIRMO_STATUS_OK);
    reentered = true;
  }
  if (waiting) {
    CHECK(virmo_job_run(waiting) == VIRMO_STATUS_BUSY);
    waiting = NULL;
  }
  virmo_operation operation;
  CHECK(virmo_batch_len(batch) > 0);
  CHECK(virmo_batch_at(batch, virmo_batch_len(batch), &operation) == VIRMO_STATUS_NOT_FOUND);
  CHECK(virmo_batch_at(batch, 0, NULL) == VIRMO_STATUS_ARGUMENT);
  return full ? VIRMO_JOURNAL_RESULT_FULL : VIRMO_JOURNAL_RESULT_OK;
}

static uint32_t nothing_read(void *user_data, const char *space, const uint8_t *key, size_t key_len,
                             virmo_writer *value) {
  (void)user_data, (void)space, (void)key, (void)key_len;
  CHECK(virmo_writer_set(NULL, (const uint8_t *)"x", 1) == VIRMO_STATUS_ARGUMENT);
  if (spoils_read) CHECK(virmo_writer_set(value, NULL, 1) == VIRMO_STATUS_ARGUMENT);
  return VIRMO_JOURNAL_RESULT_OK;
}

static uint32_t nothing_scanned(void *user_data, const char *space, virmo_records *records) {
  (void)user_data, (void)space;
  if (spoils_scan) CHECK(virmo_records_add(records, NULL, 1, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_records_add(NULL, NULL, 0, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  return VIRMO_JOURNAL_RESULT_OK;
}

static uint32_t odd_list(void *user_data, virmo_machines *machines, virmo_writer *reason) {
  (void)user_data, (void)reason;
  virmo_observed observed = {0};
  CHECK(virmo_machines_add(machines, "not an id", true, &observed) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_machines_add(machines, NULL, true, &observed) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_machines_add(machines, "\xff", false, &observed) == VIRMO_STATUS_ARGUMENT);
  observed.state = 99;
  CHECK(virmo_machines_add(machines, "vm", false, &observed) == VIRMO_STATUS_ARGUMENT);
  observed.state = VIRMO_MACHINE_STATE_RUNNING;
  observed.has_resources = true;
  observed.resources.cpu = 101;
  CHECK(virmo_machines_add(machines, "vm", false, &observed) == VIRMO_STATUS_ARGUMENT);
  return 4711; /* No result there is: a failure. */
}

static bool told_of_list;
static unsigned dropped;

static void hear_of_trouble(void *user_data, const virmo_event *event) {
  (void)user_data;
  if (event->kind == VIRMO_EVENT_KIND_NOT_LISTED) told_of_list = event->text && *event->text;
  if (event->kind == VIRMO_EVENT_KIND_ALERT_DROPPED) dropped++;
}

static uint32_t odd_lock(void *user_data, const char *vm, bool *locked, virmo_writer *reason) {
  (void)user_data, (void)vm, (void)locked, (void)reason;
  return 4711;
}

static virmo_callbacks table(void) {
  virmo_callbacks callbacks = {0};
  callbacks.size = sizeof callbacks;
  callbacks.clock_now = clock_now;
  callbacks.clock_wait = clock_wait;
  store_callbacks(&callbacks);
  toy_callbacks(&callbacks);
  http_callbacks(&callbacks);
  callbacks.journal_commit = reenter;
  callbacks.journal_read = nothing_read;
  callbacks.journal_scan = nothing_scanned;
  callbacks.hypervisor_list = odd_list;
  callbacks.event = hear_of_trouble;
  return callbacks;
}

static void null_handles(void) {
  const virmo_output *output;
  uint8_t byte;
  size_t len;
  bool idle;
  uint64_t time;
  CHECK(virmo_device_start(NULL, now()) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_receive(NULL, now(), "", &byte, 0, NULL, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_poll(NULL, &output) == VIRMO_STATUS_ARGUMENT && !output);
  CHECK(virmo_device_deadline(NULL, &time) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_is_idle(NULL, &idle) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_read(NULL, "./VirMO", &byte, 1, &len) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_look_at_machines(NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_peripherals_add(NULL, "usb", true) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_free(NULL) == VIRMO_STATUS_OK);
  CHECK(!strcmp(virmo_device_error(NULL), "there is no handle"));
  CHECK(virmo_job_run(NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_job_free(NULL) == VIRMO_STATUS_OK);
  CHECK(!strcmp(virmo_job_lane(NULL), "") && !virmo_job_is_background(NULL));
  CHECK(virmo_job_number(NULL) == UINT64_MAX);
  CHECK(virmo_device_unlock(NULL, "work") == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_number(NULL, VIRMO_NUMBER_WATCH_MS, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_free(NULL) == VIRMO_STATUS_OK);
  CHECK(virmo_cancel_is_thrown(NULL) == false);
}

static void wrong_configurations(void) {
  CHECK(!virmo_config_new(NULL, "http://x") && !virmo_config_new("a", ""));
  CHECK(!virmo_config_new("not an id*&", "http://x") && !virmo_config_new("\xff", "http://x"));
  const char *nowhere[] = {"dm.example", "/dm", "://x", "1a://x", "a b://x", "http:", "http://x y",
                           "http://x\n", "http://x/\x7f", "http://\xc3\xbc/"};
  for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
    CHECK(!virmo_config_new("server", nowhere[i]));
  virmo_config *config = virmo_config_new("server", "coap+tcp://[::1]:5683/dm?a=%20");
  CHECK(virmo_config_free(config) == VIRMO_STATUS_OK && config);
  config = virmo_config_new("server", "http://x");
  CHECK(config && !strcmp(virmo_config_error(config), ""));
  CHECK(virmo_config_set_device(config, "", "a", "a", "a", "a") == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "device_id is empty"));
  CHECK(virmo_config_set_device(config, "a", NULL, "a", "a", "a") == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "manufacturer is null"));
  CHECK(virmo_config_set_device(config, "a", "a", "\xff", "a", "a") == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "model is not UTF-8"));
  CHECK(virmo_config_set_number(config, 99, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_number(config, VIRMO_NUMBER_WBXML, 2) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_number(config, VIRMO_NUMBER_ANSWER_MS, 0) == VIRMO_STATUS_ARGUMENT);
  for (uint32_t number = VIRMO_NUMBER_ADOPT; number <= VIRMO_NUMBER_DM13; number++)
    for (uint64_t value = 0; value <= 2; value++)
      CHECK(virmo_config_set_number(config, number, value) ==
            (value < 2 ? VIRMO_STATUS_OK : VIRMO_STATUS_ARGUMENT));
  CHECK(virmo_config_set_number(config, VIRMO_NUMBER_INTERACTION_MS, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "0 leaves nothing"));
  CHECK(virmo_config_set_number(config, VIRMO_NUMBER_MAX_MESSAGE_SIZE, UINT64_MAX) ==
        VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_number(config, VIRMO_NUMBER_MAX_MESSAGE_SIZE, 999) ==
        VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "no answer of a server fits into 999 bytes"));
  CHECK(virmo_config_set_number(config, VIRMO_NUMBER_MAX_MESSAGE_SIZE, 1000) == VIRMO_STATUS_OK);
  CHECK(virmo_config_set_alert_type(config, VIRMO_ALERT_TYPE_UNKNOWN, "a") == VIRMO_STATUS_OK);
  CHECK(virmo_config_set_alert_type(config, 4, "a") == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "4 is no virmo_alert_type"));
  CHECK(virmo_config_set_alert_type(config, VIRMO_ALERT_TYPE_RESULT, "") == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_alert_type(config, VIRMO_ALERT_TYPE_RESULT, " ") == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_alert_type(config, VIRMO_ALERT_TYPE_RESULT, NULL) ==
        VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_client_auth(config, 9, "a", "b") == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_client_auth(config, VIRMO_AUTH_MD5, "a", NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_server_auth(config, VIRMO_AUTH_MAC, "a", "b") == VIRMO_STATUS_OK);
  CHECK(virmo_config_set_server_identity(config, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_server_identity(config, NULL, 3) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_notification_password(config, NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_set_notification_password(NULL, "b") == VIRMO_STATUS_ARGUMENT);
  virmo_capabilities capabilities = {0};
  CHECK(virmo_config_set_capabilities(config, &capabilities) == VIRMO_STATUS_ARGUMENT);
  capabilities.name = "toy";
  CHECK(virmo_config_set_capabilities(config, &capabilities) == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "ram is 0"));
  capabilities.ram = 1;
  capabilities.change_cpu = 3;
  CHECK(virmo_config_set_capabilities(config, &capabilities) == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "3 is no virmo_support"));

  virmo_callbacks callbacks = table();
  virmo_device *device;
  CHECK(virmo_device_new(config, &callbacks, NULL, now(), NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "device is null"));
  CHECK(virmo_device_new(config, &callbacks, NULL, now(), &device) == VIRMO_STATUS_ARGUMENT);
  CHECK(!device && !strcmp(virmo_config_error(config), "no capabilities set"));
  virmo_config_free(config);
}

static void wrong_tables(void) {
  virmo_config *config = configure("http://127.0.0.1:1/dm");
  virmo_device *device;
  CHECK(virmo_device_new(config, NULL, NULL, now(), &device) == VIRMO_STATUS_ARGUMENT);
  virmo_callbacks callbacks = table();
  callbacks.size = offsetof(virmo_callbacks, vm_ask) - 1;
  CHECK(virmo_device_new(config, &callbacks, NULL, now(), &device) == VIRMO_STATUS_ARGUMENT);
  callbacks = table();
  callbacks.hypervisor_undo = NULL;
  CHECK(virmo_device_new(config, &callbacks, NULL, now(), &device) == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "callbacks.hypervisor_undo is null"));
  callbacks = table();
  callbacks.hypervisor_is_locked = odd_lock; /* And nobody to set it. */
  CHECK(virmo_device_new(config, &callbacks, NULL, now(), &device) == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "callbacks.hypervisor_set_locked is null"));
  callbacks = table();
  callbacks.hypervisor_resume = NULL;
  CHECK(virmo_device_new(config, &callbacks, NULL, now(), &device) == VIRMO_STATUS_ARGUMENT);
  virmo_config_free(config);
}

/* What was refused is not what is not there, whatever the callback says then. */
static void a_spoilt_journal(struct board *board) {
  virmo_config *config = configure("http://127.0.0.1:1/dm");
  virmo_callbacks callbacks = table();
  virmo_device *device;
  spoils_read = true;
  CHECK(virmo_device_new(config, &callbacks, board, now(), &device) == VIRMO_STATUS_JOURNAL);
  spoils_read = false;
  spoils_scan = true;
  CHECK(virmo_device_new(config, &callbacks, board, now(), &device) == VIRMO_STATUS_JOURNAL);
  spoils_scan = false;
  CHECK(virmo_config_free(config) == VIRMO_STATUS_OK);
}

/* A program with a later header: its table is longer than the library knows. */
static void a_longer_table(struct board *board) {
  struct {
    virmo_callbacks known;
    void *later[3];
  } longer = {0};
  virmo_config *config = configure("http://127.0.0.1:1/dm");
  virmo_device *device;
  longer.known = table();
  longer.known.size = sizeof longer;
  CHECK(virmo_device_new(config, &longer.known, board, now(), &device) == VIRMO_STATUS_OK);
  CHECK(virmo_device_free(device) == VIRMO_STATUS_OK);
  virmo_config_free(config);
}

static void wrong_calls(struct board *board) {
  virmo_config *config = configure("http://127.0.0.1:1/dm");
  virmo_callbacks callbacks = table();
  virmo_device *device, *other;
  virmo_job *jobs[16];
  size_t count = 0;
  const virmo_output *output;
  CHECK(virmo_device_new(config, &callbacks, board, now(), &device) == VIRMO_STATUS_OK);
  CHECK(virmo_device_new(config, &callbacks, board, now(), &other) == VIRMO_STATUS_OK);
  virmo_config_free(config);

  /* Nothing was sent that an answer could be for. */
#define RECEIVE(...) virmo_device_receive(device, now(), __VA_ARGS__)
  CHECK(RECEIVE("text/plain", NULL, 0, NULL, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(RECEIVE(NULL, NULL, 0, NULL, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  const char *xml = "application/vnd.syncml.dm+xml";
  CHECK(RECEIVE(xml, NULL, 5, NULL, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(RECEIVE(xml, NULL, 0, NULL, NULL, 5) == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_device_error(device), "identity is null or has no such length"));
  CHECK(RECEIVE(xml, NULL, 0, NULL, NULL, 0) == VIRMO_STATUS_MISUSE);
  CHECK(virmo_device_unlock(device, NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_unlock(device, "nowhere") == VIRMO_STATUS_REFUSED);
  CHECK(virmo_device_transport_failed(device, now(), false) == VIRMO_STATUS_MISUSE);
  CHECK(virmo_device_answer(device, now(), 7, 99, NULL, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_answer(device, now(), 7, VIRMO_ANSWER_ACCEPTED, NULL, NULL, 0) ==
        VIRMO_STATUS_OK);
  CHECK(virmo_device_notify(device, now(), (const uint8_t *)"junk", 4) == VIRMO_STATUS_OK);
  CHECK(virmo_device_notify(device, now(), NULL, 4) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_abort(device, now()) == VIRMO_STATUS_OK);
  CHECK(virmo_device_poll(device, NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_device_error(device), "output is null"));

  while (virmo_device_poll(device, &output) == VIRMO_STATUS_OK && output)
    if (output->kind == VIRMO_OUTPUT_KIND_JOB && count < 16) jobs[count++] = output->job;
  CHECK(count > 0);
  CHECK(virmo_device_complete(device, now(), NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_complete(other, now(), jobs[0]) == VIRMO_STATUS_MISUSE);
  CHECK(virmo_job_run(jobs[0]) == VIRMO_STATUS_OK);
  CHECK(virmo_job_run(jobs[0]) == VIRMO_STATUS_MISUSE);
  CHECK(strlen(virmo_job_label(jobs[0])) > 0 && virmo_job_number(jobs[0]) != UINT64_MAX);
  CHECK(virmo_device_look_at_machines(device) == VIRMO_STATUS_OK);
  seen = device;
  CHECK(virmo_device_complete(device, now(), jobs[0]) == VIRMO_STATUS_OK);
  for (size_t i = 1; i < count; i++)
    CHECK(virmo_device_complete(device, now(), jobs[i]) == VIRMO_STATUS_OK); /* Lost. */
  CHECK(told_of_list);

  virmo_job *left = NULL;
  while (virmo_device_poll(other, &output) == VIRMO_STATUS_OK && output)
    if (output->kind == VIRMO_OUTPUT_KIND_JOB) {
      virmo_job_free(left);
      left = output->job;
    }

  /* What the journal is asked for during a call; no job runs in there. */
  waiting = left;
  virmo_alert alert = {0};
  CHECK(virmo_device_queue_alert(device, now(), NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_queue_alert(device, now(), &alert) == VIRMO_STATUS_ARGUMENT);
  alert.alert_type = "urn:example:alert";
  alert.data = "text";
  alert.mark = "loud";
  CHECK(virmo_device_queue_alert(device, now(), &alert) == VIRMO_STATUS_ARGUMENT);
  alert.mark = NULL;
  const char *no_types[] = {"", " \n"}, *nowhere[] = {"", "/", "//x", "http://x/y", "./VirMO?list=x"};
  for (size_t i = 0; i < sizeof no_types / sizeof *no_types; i++) {
    alert.alert_type = no_types[i];
    CHECK(virmo_device_queue_alert(device, now(), &alert) == VIRMO_STATUS_ARGUMENT);
  }
  alert.alert_type = "urn:example:alert";
  for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
    alert.source = nowhere[i];
    CHECK(virmo_device_queue_alert(device, now(), &alert) == VIRMO_STATUS_ARGUMENT);
  }
  CHECK(waiting); /* The journal was not asked. */
  alert.source = "./VirMO/work";
  alert.mark = "warning";
  CHECK(virmo_device_queue_alert(device, now(), &alert) == VIRMO_STATUS_OK);
  CHECK(reentered && !waiting);
  seen = NULL;
  full = true;
  CHECK(virmo_device_queue_alert(device, now(), &alert) == VIRMO_STATUS_JOURNAL);
  CHECK(!strcmp(virmo_device_error(device), "the journal failed"));
  full = false;
  virmo_status queued = VIRMO_STATUS_OK;
  for (unsigned more = 0; more < 10000 && queued == VIRMO_STATUS_OK; more++)
    queued = virmo_device_queue_alert(device, now(), &alert);
  CHECK(queued == VIRMO_STATUS_REFUSED);
  CHECK(!strcmp(virmo_device_error(device), "the queue is full"));
  while (virmo_device_poll(device, &output) == VIRMO_STATUS_OK && output) continue;
  CHECK(dropped == 2);

  uint8_t small[2];
  size_t len = 0;
  CHECK(virmo_device_read(device, "./DevInfo/Man", small, 2, &len) == VIRMO_STATUS_TOO_SMALL);
  CHECK(len == strlen("Example"));
  CHECK(virmo_device_read(device, "./DevInfo/Man", NULL, 99, &len) == VIRMO_STATUS_TOO_SMALL);
  CHECK(virmo_device_read(device, "./nowhere", small, 2, &len) == VIRMO_STATUS_NOT_FOUND);
  CHECK(virmo_device_read(device, "//", small, 2, &len) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_device_start(device, now()) == VIRMO_STATUS_OK);
  CHECK(virmo_device_start(device, now()) == VIRMO_STATUS_MISUSE);
  CHECK(!strcmp(virmo_device_error(device), "a session was started while one is open"));
  CHECK(virmo_device_free(device) == VIRMO_STATUS_OK);

  /* A job outlives its device. */
  CHECK(virmo_device_free(other) == VIRMO_STATUS_OK);
  CHECK(virmo_job_run(left) == VIRMO_STATUS_OK);
  CHECK(virmo_job_free(left) == VIRMO_STATUS_OK);
}

/* The greatest numbers there are, where numbers go. */
static void the_end_of_time(struct board *board) {
  virmo_config *config = configure("http://127.0.0.1:1/dm");
  virmo_callbacks callbacks = table();
  virmo_device *device;
  const virmo_output *output;
  virmo_now last = {UINT64_MAX, UINT64_MAX};
  uint64_t deadline;
  for (uint32_t number = VIRMO_NUMBER_WATCH_MS; number <= VIRMO_NUMBER_TRANSPORT_MS; number++)
    CHECK(virmo_config_set_number(config, number, UINT64_MAX) == VIRMO_STATUS_OK);
  CHECK(virmo_device_new(config, &callbacks, board, last, &device) == VIRMO_STATUS_OK);
  CHECK(virmo_config_free(config) == VIRMO_STATUS_OK);
  virmo_alert alert = {"urn:example:alert", NULL, NULL, "text"};
  CHECK(virmo_device_queue_alert(device, last, &alert) == VIRMO_STATUS_OK);
  CHECK(virmo_device_start(device, last) == VIRMO_STATUS_OK);
  bool failed = false;
  while (virmo_device_poll(device, &output) == VIRMO_STATUS_OK && output) {
    if (output->kind == VIRMO_OUTPUT_KIND_JOB) {
      virmo_job *job = output->job;
      if (virmo_job_is_background(job))
        CHECK(virmo_job_free(job) == VIRMO_STATUS_OK);
      else
        CHECK(virmo_device_complete(device, last, job) == VIRMO_STATUS_OK);
    } else if (output->kind == VIRMO_OUTPUT_KIND_SEND && !failed) {
      failed = true;
      CHECK(virmo_device_transport_failed(device, last, false) == VIRMO_STATUS_OK);
    }
  }
  CHECK(virmo_device_deadline(device, &deadline) == VIRMO_STATUS_OK);
  CHECK(virmo_device_tick(device, last) == VIRMO_STATUS_OK);
  /* The clock that never runs backwards does. */
  virmo_now first = {0, 0};
  CHECK(virmo_device_tick(device, first) == VIRMO_STATUS_OK);
  CHECK(virmo_device_free(device) == VIRMO_STATUS_OK);
}

int main(int count, char **words) {
  struct board board = {0};
  CHECK(count == 2 && strlen(words[1]) < sizeof board.folder);
  strcpy(board.folder, words[1]);
  null_handles();
  wrong_configurations();
  wrong_tables();
  a_spoilt_journal(&board);
  a_longer_table(&board);
  wrong_calls(&board);
  the_end_of_time(&board);
  return 0;
}
