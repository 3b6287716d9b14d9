/* A device as products have it: jobs on threads of their own, a person at it, a user of its VM,
 * notifications.
 *
 *   people URL FOLDER
 *
 * Whenever nothing is left to do it says `idle`, and takes a notification in hexadecimal from a line
 * of its input; at the end of the input it is freed while a job runs. */
#define main device_main
#include "../../examples/device/device.c"
#undef main

#include <pthread.h>

#include "check.h"

/* Jobs to run, in their order, or such as have run. */
struct queue {
  virmo_job *jobs[64];
  size_t count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static struct queue to_run, have_run;
static bool over;

static void add(struct queue *queue, virmo_job *job) {
  CHECK(pthread_mutex_lock(&lock) == 0 && queue->count < 64);
  queue->jobs[queue->count++] = job;
  pthread_cond_broadcast(&news);
  pthread_mutex_unlock(&lock);
}

/* With the lock held; null if there is none. */
static virmo_job *take(struct queue *queue) {
  if (queue->count == 0) return NULL;
  virmo_job *job = queue->jobs[0];
  queue->count--;
  memmove(queue->jobs, queue->jobs + 1, queue->count * sizeof *queue->jobs);
  return job;
}

static void *work(void *nothing) {
  pthread_mutex_lock(&lock);
  for (;;) {
    virmo_job *job = take(&to_run);
    if (job) {
      pthread_mutex_unlock(&lock);
      CHECK(virmo_job_run(job) == VIRMO_STATUS_OK);
      add(&have_run, job);
      pthread_mutex_lock(&lock);
    } else if (over) {
      pthread_mutex_unlock(&lock);
      return nothing;
    } else {
      pthread_cond_wait(&news, &lock);
    }
  }
}

static void *wait_for_news(void *job) {
  CHECK(virmo_job_run(job) == VIRMO_STATUS_OK);
  return job;
}

static virmo_device *device;
static virmo_config *config;
static virmo_callbacks real;
static bool asked_vm;

/* The store of the example has one thread: the journal is called from several. */
static pthread_mutex_t store = PTHREAD_MUTEX_INITIALIZER;

static uint32_t commit(void *u, const virmo_batch *batch) {
  pthread_mutex_lock(&store);
  uint32_t result = real.journal_commit(u, batch);
  pthread_mutex_unlock(&store);
  return result;
}

static uint32_t read_record(void *u, const char *space, const uint8_t *key, size_t len,
                            virmo_writer *value) {
  pthread_mutex_lock(&store);
  uint32_t result = real.journal_read(u, space, key, len, value);
  pthread_mutex_unlock(&store);
  return result;
}

static uint32_t scan(void *u, const char *space, virmo_records *records) {
  /* The configuration is in use while a device is made of it. */
  if (config) CHECK(virmo_config_free(config) == VIRMO_STATUS_BUSY);
  pthread_mutex_lock(&store);
  uint32_t result = real.journal_scan(u, space, records);
  pthread_mutex_unlock(&store);
  return result;
}

/* A callback of a job may not use the device either, whatever the thread of that does. */
static uint32_t create(void *u, const virmo_vm_spec *spec, virmo_writer *reason) {
  bool idle;
  CHECK(virmo_device_tick(device, now()) == VIRMO_STATUS_BUSY);
  CHECK(virmo_device_is_idle(device, &idle) == VIRMO_STATUS_BUSY);
  CHECK(virmo_device_free(device) == VIRMO_STATUS_BUSY);
  return real.hypervisor_create(u, spec, reason);
}

static uint32_t vm_ask(void *u, const virmo_question *question, const virmo_cancel *cancel,
                       virmo_reply *reply) {
  (void)u;
  CHECK(question->id == 0 && !strcmp(question->node, "work") && strlen(question->vm) > 0);
  CHECK(question->interaction == VIRMO_INTERACTION_TEXT_INPUT && question->hidden);
  CHECK(!question->choices && question->choice_count == 0);
  CHECK(!strcmp(question->text, "PIN?") && question->max_length == 4);
  CHECK(!virmo_cancel_is_thrown(cancel));
  CHECK(virmo_reply_set(reply, 99, NULL, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_reply_set(reply, VIRMO_ANSWER_TEXT, NULL, NULL, 0) == VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_reply_set(reply, VIRMO_ANSWER_TEXT, "1234", NULL, 0) == VIRMO_STATUS_OK);
  asked_vm = true;
  return VIRMO_HYPERVISOR_RESULT_DONE;
}

static virmo_status answer(const virmo_question *question) {
  uint64_t id = question->id;
  CHECK(id > 0 && !question->node && !question->vm);
  printf("asked %s\n", question->text);
  switch (question->interaction) {
    case VIRMO_INTERACTION_CONFIRM:
      return virmo_device_answer(device, now(), id, VIRMO_ANSWER_ACCEPTED, NULL, NULL, 0);
    case VIRMO_INTERACTION_SINGLE_CHOICE: {
      uint32_t wrong = 3, right = 2;
      CHECK(question->choice_count == 2 && !strcmp(question->choices[1], "green"));
      CHECK(virmo_device_answer(device, now(), id, VIRMO_ANSWER_CHOICES, NULL, NULL, 1) ==
            VIRMO_STATUS_ARGUMENT);
      CHECK(virmo_device_answer(device, now(), id, VIRMO_ANSWER_CHOICES, NULL, &wrong, 1) ==
            VIRMO_STATUS_MISUSE);
      CHECK(virmo_device_answer(device, now(), id + 1, VIRMO_ANSWER_CHOICES, NULL, &right, 1) ==
            VIRMO_STATUS_OK); /* No such question. */
      return virmo_device_answer(device, now(), id, VIRMO_ANSWER_CHOICES, NULL, &right, 1);
    }
    default: CHECK(!"a question of this kind"); return VIRMO_STATUS_REFUSED;
  }
}

/* Until nothing is left to do but to wait for news. */
static void run_idle(pthread_t *watcher, virmo_job **watch) {
  bool wanted = false, open = true;
  CHECK(virmo_device_tick(device, now()) == VIRMO_STATUS_OK);
  for (;;) {
    const virmo_output *output;
    while (virmo_device_poll(device, &output) == VIRMO_STATUS_OK && output) {
      switch (output->kind) {
        case VIRMO_OUTPUT_KIND_SEND:
          CHECK(exchange(device, output->send) == VIRMO_STATUS_OK);
          break;
        case VIRMO_OUTPUT_KIND_JOB:
          if (virmo_job_is_background(output->job)) {
            CHECK(!*watch);
            *watch = output->job;
            CHECK(pthread_create(watcher, NULL, wait_for_news, *watch) == 0);
          } else {
            add(&to_run, output->job);
          }
          break;
        case VIRMO_OUTPUT_KIND_ASK: CHECK(answer(output->question) == VIRMO_STATUS_OK); break;
        case VIRMO_OUTPUT_KIND_SESSION_WANTED: wanted = true; break;
        case VIRMO_OUTPUT_KIND_ENDED:
          printf("session %s\n", output->end->text);
          CHECK(output->end->normal);
          open = false;
          break;
        default: break;
      }
    }
    bool idle;
    CHECK(virmo_device_is_idle(device, &idle) == VIRMO_STATUS_OK);
    if (idle) return;
    if (wanted) {
      virmo_status status = virmo_device_start(device, now());
      if (status == VIRMO_STATUS_OK) open = true;
      CHECK(open);
      wanted = false;
      continue;
    }
    pthread_mutex_lock(&lock);
    virmo_job *job = take(&have_run);
    if (!job) {
      struct timespec soon;
      clock_gettime(CLOCK_REALTIME, &soon);
      soon.tv_nsec += 20000000;
      if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
      pthread_cond_timedwait(&news, &lock, &soon);
      job = take(&have_run);
    }
    pthread_mutex_unlock(&lock);
    if (job)
      CHECK(virmo_device_complete(device, now(), job) == VIRMO_STATUS_OK);
    else
      CHECK(virmo_device_tick(device, now()) == VIRMO_STATUS_OK);
  }
}

static size_t octets_of(const char *line, uint8_t *octets, size_t room) {
  size_t len = 0;
  unsigned octet;
  for (; len < room && sscanf(line + 2 * len, "%2x", &octet) == 1; len++) octets[len] = (uint8_t)octet;
  return len;
}

int main(int count, char **words) {
  struct board board = {0};
  CHECK(count == 3 && strlen(words[2]) < sizeof board.folder);
  strcpy(board.folder, words[2]);
  CHECK(store_open(&board) && toy_open(&board));
  real.size = sizeof real;
  real.clock_now = clock_now;
  real.clock_wait = clock_wait;
  real.random = fill;
  real.event = hear;
  real.vm_ask = vm_ask;
  store_callbacks(&real);
  toy_callbacks(&real);
  http_callbacks(&real);
  virmo_callbacks callbacks = real;
  callbacks.journal_commit = commit;
  callbacks.journal_read = read_record;
  callbacks.journal_scan = scan;
  callbacks.hypervisor_create = create;

  config = configure(words[1]);
  CHECK(config && virmo_config_set_number(config, VIRMO_NUMBER_WATCH_MS, 600000) == VIRMO_STATUS_OK);
  CHECK(virmo_config_set_server_auth(config, VIRMO_AUTH_MD5, "virmo-server", "secret") ==
        VIRMO_STATUS_OK);
  CHECK(virmo_device_new(config, &callbacks, &board, now(), &device) == VIRMO_STATUS_OK);
  CHECK(virmo_config_free(config) == VIRMO_STATUS_OK);
  config = NULL;

  pthread_t worker, watcher;
  virmo_job *watch = NULL;
  CHECK(pthread_create(&worker, NULL, work, NULL) == 0);
  CHECK(virmo_device_start(device, now()) == VIRMO_STATUS_OK);
  char line[256];
  uint8_t octets[128];
  for (;;) {
    run_idle(&watcher, &watch);
    puts("idle");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) break;
    size_t len = octets_of(line, octets, sizeof octets);
    CHECK(virmo_device_notify(device, now(), octets, len) == VIRMO_STATUS_OK);
  }
  CHECK(asked_vm && watch);

  /* The job that waits for news runs until the device is freed, and outlives it. */
  CHECK(virmo_job_free(watch) == VIRMO_STATUS_BUSY);
  CHECK(virmo_job_run(watch) == VIRMO_STATUS_BUSY);
  CHECK(virmo_device_complete(device, now(), watch) == VIRMO_STATUS_BUSY);
  CHECK(!strcmp(virmo_device_error(device), "the job is being run"));
  CHECK(virmo_device_free(device) == VIRMO_STATUS_OK);
  CHECK(pthread_join(watcher, NULL) == 0);
  CHECK(virmo_job_free(watch) == VIRMO_STATUS_OK);
  pthread_mutex_lock(&lock);
  over = true;
  pthread_cond_broadcast(&news);
  pthread_mutex_unlock(&lock);
  CHECK(pthread_join(worker, NULL) == 0);
  CHECK(have_run.count == 0 && to_run.count == 0);
  store_close(&board);
  return 0;
}
