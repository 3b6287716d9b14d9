/* A device in C: it comes to a DM server, and does what that wants until nothing is left to do.
 *
 *   device URL FOLDER
 *
 * It has one thread, which runs every job as it comes. A product gives jobs to threads of its own,
 * those of one lane to the same one; see docs/embedding-c.md. */
#include "board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t milliseconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

uint64_t clock_ms(void) { return milliseconds(CLOCK_MONOTONIC); }

static virmo_now now(void) {
  virmo_now now = {milliseconds(CLOCK_REALTIME), clock_ms()};
  return now;
}

static void pause_ms(uint64_t time) {
  struct timespec pause = {(time_t)(time / 1000), (long)(time % 1000) * 1000000};
  nanosleep(&pause, NULL);
}

static uint64_t clock_now(void *user_data) {
  (void)user_data;
  return clock_ms();
}

static void clock_wait(void *user_data, uint64_t time, const virmo_cancel *cancel) {
  (void)user_data;
  for (uint64_t step; time > 0 && !virmo_cancel_is_thrown(cancel); time -= step) {
    step = time < 50 ? time : 50;
    pause_ms(step);
  }
}

static bool fill(void *user_data, uint8_t *octets, size_t len) {
  (void)user_data;
  FILE *file = fopen("/dev/urandom", "rb");
  bool good = file && fread(octets, 1, len, file) == len;
  if (file) fclose(file);
  return good;
}

static const char *or_dash(const char *text) { return text ? text : "-"; }

static void hear(void *user_data, const virmo_event *event) {
  struct board *board = user_data;
  if (board->quiet) return;
  switch (event->kind) {
    case VIRMO_EVENT_KIND_VM:
      printf("vm %s %d -> %d\n", event->node, event->from, event->to);
      break;
    case VIRMO_EVENT_KIND_IMAGE:
      printf("image %s %d -> %d\n", event->node, event->from, event->to);
      break;
    case VIRMO_EVENT_KIND_COMMAND:
      printf("%u %s %s\n", event->status, event->name, event->uri);
      break;
    case VIRMO_EVENT_KIND_DOWNLOAD: break;
    default:
      printf("event %u %s %s %s\n", event->kind, or_dash(event->node), or_dash(event->name),
             or_dash(event->text));
  }
  fflush(stdout);
}

/* Sends a message and feeds what came of it. */
static virmo_status exchange(virmo_device *device, const virmo_request *request) {
  struct reply reply;
  http_post(request, &reply);
  virmo_status status;
  if (reply.status == 0) {
    status = virmo_device_transport_failed(device, now(), false);
  } else if (reply.status != 200) {
    status = virmo_device_transport_failed(device, now(), true);
  } else {
    status = virmo_device_receive(device, now(), reply.content_type, reply.body, reply.len, NULL, NULL,
                                  0);
    if (status == VIRMO_STATUS_ARGUMENT) status = virmo_device_transport_failed(device, now(), true);
  }
  free(reply.body);
  return status;
}

struct course {
  bool wanted; /* A session is. */
  bool open;
  bool failed; /* The last one did not end as it should. */
};

static virmo_status carry_out(struct board *board, virmo_device *device, const virmo_output *output,
                              struct course *course) {
  switch (output->kind) {
    case VIRMO_OUTPUT_KIND_SEND: return exchange(device, output->send);
    case VIRMO_OUTPUT_KIND_JOB: {
      /* The pointer to the output is gone with the next call, the job is ours. */
      virmo_job *job = output->job;
      virmo_job_run(job); /* If it panics, completing it tells. */
      virmo_status status = virmo_device_complete(device, now(), job);
      if (status != VIRMO_STATUS_OK) virmo_job_free(job);
      return status;
    }
    case VIRMO_OUTPUT_KIND_ASK: /* Nobody is here. */
      return virmo_device_answer(device, now(), output->question->id, VIRMO_ANSWER_UNSUPPORTED, NULL,
                                 NULL, 0);
    case VIRMO_OUTPUT_KIND_ENDED:
      if (!board->quiet) printf("session %s\n", output->end->text);
      course->open = false;
      course->failed = !output->end->normal;
      return VIRMO_STATUS_OK;
    case VIRMO_OUTPUT_KIND_SESSION_WANTED: course->wanted = true; return VIRMO_STATUS_OK;
    default: return VIRMO_STATUS_OK;
  }
}

/* Until nothing is left to do, or a session failed. */
static virmo_status run(struct board *board, virmo_device *device) {
  struct course course = {true, false, false};
  for (;;) {
    const virmo_output *output;
    virmo_status status;
    while ((status = virmo_device_poll(device, &output)) == VIRMO_STATUS_OK && output)
      if ((status = carry_out(board, device, output, &course)) != VIRMO_STATUS_OK) return status;
    if (status != VIRMO_STATUS_OK) return status;

    bool idle;
    uint64_t deadline;
    if (!course.open) {
      if (course.failed) return VIRMO_STATUS_REFUSED;
      if (course.wanted) {
        course.wanted = false;
        course.open = true;
        if ((status = virmo_device_start(device, now())) != VIRMO_STATUS_OK) return status;
        continue;
      }
      status = virmo_device_is_idle(device, &idle);
      if (status != VIRMO_STATUS_OK || idle) return status;
    }
    if ((status = virmo_device_deadline(device, &deadline)) != VIRMO_STATUS_OK) return status;
    uint64_t time = clock_ms();
    if (deadline > time) pause_ms(deadline - time < 1000 ? deadline - time : 1000);
    if ((status = virmo_device_tick(device, now())) != VIRMO_STATUS_OK) return status;
  }
}

static virmo_config *configure(const char *server) {
  virmo_capabilities capabilities = {0};
  capabilities.name = "toy";
  capabilities.ram = 4ull << 30;
  capabilities.storage = 32ull << 30;
  capabilities.suspend = true;
  virmo_config *config = virmo_config_new("virmo-server", server);
  if (!config) {
    fprintf(stderr, "configuration: no server has this address: %s\n", server);
    return NULL;
  }
  if (virmo_config_set_device(config, "urn:example:c", "Example", "Board", "1.0", "en") ||
      virmo_config_set_capabilities(config, &capabilities) ||
      virmo_config_set_alert_type(config, VIRMO_ALERT_TYPE_RESULT,
                                  "Reversed-Domain-Name: com.example.result") ||
      virmo_config_set_number(config, VIRMO_NUMBER_WATCH_MS, 0) ||
      virmo_config_set_number(config, VIRMO_NUMBER_WBXML, 1)) {
    fprintf(stderr, "configuration: %s\n", virmo_config_error(config));
    virmo_config_free(config);
    return NULL;
  }
  return config;
}

int board_run(struct board *board, const virmo_callbacks *callbacks, const char *server) {
  virmo_config *config = configure(server);
  virmo_device *device;
  if (!config) return 2;
  virmo_status status = virmo_device_new(config, callbacks, board, now(), &device);
  if (status != VIRMO_STATUS_OK) {
    fprintf(stderr, "device: %s\n", virmo_config_error(config));
  } else {
    status = run(board, device);
    const char *why = virmo_device_error(device);
    if (status != VIRMO_STATUS_OK)
      fprintf(stderr, "run: status %u: %s\n", (unsigned)status, *why ? why : "the session failed");
    virmo_device_free(device);
  }
  virmo_config_free(config);
  return status == VIRMO_STATUS_OK ? 0 : 1;
}

#ifndef BOARD_WITHOUT_MAIN
int main(int count, char **words) {
  struct board board = {0};
  if (count != 3 || strlen(words[2]) >= sizeof board.folder) {
    fprintf(stderr, "usage: %s URL FOLDER\n", words[0]);
    return 2;
  }
  strcpy(board.folder, words[2]);
  if (!store_open(&board) || !toy_open(&board)) {
    perror(board.folder);
    return 1;
  }
  virmo_callbacks callbacks = {0};
  callbacks.size = sizeof callbacks;
  callbacks.clock_now = clock_now;
  callbacks.clock_wait = clock_wait;
  callbacks.random = fill;
  callbacks.event = hear;
  store_callbacks(&callbacks);
  toy_callbacks(&callbacks);
  http_callbacks(&callbacks);
  int result = board_run(&board, &callbacks, words[1]);
  store_close(&board);
  return result;
}
#endif
