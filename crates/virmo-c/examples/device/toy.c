/* A hypervisor whose machines are files: NAME.vm holds the state and the resources. A real one calls
 * its own interface here. */
#include "board.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool toy_open(struct board *board) { return access(board->folder, W_OK) == 0; }

static void path_of(void *user_data, char *path, const char *vm, const char *end) {
  snprintf(path, PATH_MAX_LEN, "%s/%s%s", ((struct board *)user_data)->folder, vm, end);
}

bool toy_load(void *user_data, const char *vm, struct machine *machine) {
  char path[PATH_MAX_LEN];
  path_of(user_data, path, vm, ".vm");
  FILE *file = fopen(path, "r");
  machine->state = VIRMO_MACHINE_STATE_ABSENT;
  if (!file) return false;
  bool good = fscanf(file, "%u %255s", &machine->state, machine->resources) == 2;
  fclose(file);
  return good;
}

/* All or nothing, and durable: a file of its own that takes the place of the old one. */
static uint32_t save(void *user_data, const char *vm, const struct machine *machine) {
  char path[PATH_MAX_LEN], new_path[PATH_MAX_LEN];
  path_of(user_data, path, vm, ".vm");
  path_of(user_data, new_path, vm, ".new");
  FILE *file = fopen(new_path, "w");
  if (!file) return VIRMO_HYPERVISOR_RESULT_FAILED;
  bool good = fprintf(file, "%u %s\n", machine->state, machine->resources) > 0;
  good = fflush(file) == 0 && fsync(fileno(file)) == 0 && good;
  good = fclose(file) == 0 && good;
  good = good && rename(new_path, path) == 0 && store_sync(user_data);
  return good ? VIRMO_HYPERVISOR_RESULT_DONE : VIRMO_HYPERVISOR_RESULT_FAILED;
}

/* From one state to another; anything else is refused. */
static uint32_t change(void *user_data, const char *vm, unsigned from, unsigned to) {
  struct machine machine;
  if (!toy_load(user_data, vm, &machine)) return VIRMO_HYPERVISOR_RESULT_NOT_FOUND;
  if (machine.state == to) return VIRMO_HYPERVISOR_RESULT_ALREADY_DONE;
  if (machine.state != from) return VIRMO_HYPERVISOR_RESULT_INVALID_STATE;
  machine.state = to;
  return save(user_data, vm, &machine);
}

/* What a machine is as a virmo_observed, which points into `machine`. */
static bool look(void *user_data, const char *vm, struct machine *machine,
                 virmo_observed *observed) {
  memset(observed, 0, sizeof *observed);
  if (!toy_load(user_data, vm, machine)) return false;
  observed->state = machine->state;
  observed->has_resources = true;
  observed->resources.text = machine->resources;
  return true;
}

static uint32_t observe(void *user_data, const char *vm, virmo_machine *to, virmo_writer *reason) {
  struct machine machine;
  virmo_observed observed;
  (void)reason;
  if (look(user_data, vm, &machine, &observed)) virmo_machine_set(to, &observed);
  return VIRMO_HYPERVISOR_RESULT_DONE;
}

static uint32_t list(void *user_data, virmo_machines *machines, virmo_writer *reason) {
  (void)reason;
  DIR *folder = opendir(((struct board *)user_data)->folder);
  if (!folder) return VIRMO_HYPERVISOR_RESULT_FAILED;
  for (struct dirent *entry; (entry = readdir(folder));) {
    char *end = strrchr(entry->d_name, '.');
    if (!end || strcmp(end, ".vm")) continue;
    *end = 0;
    struct machine machine;
    virmo_observed observed;
    look(user_data, entry->d_name, &machine, &observed);
    virmo_machines_add(machines, entry->d_name, true, &observed);
  }
  closedir(folder);
  return VIRMO_HYPERVISOR_RESULT_DONE;
}

static uint32_t create(void *user_data, const virmo_vm_spec *spec, virmo_writer *reason) {
  struct machine machine;
  if (toy_load(user_data, spec->vm, &machine))
    return machine.state == VIRMO_MACHINE_STATE_OFF ? VIRMO_HYPERVISOR_RESULT_ALREADY_DONE
                                                    : VIRMO_HYPERVISOR_RESULT_INVALID_STATE;
  if (access(spec->image, R_OK) != 0) {
    const char *why = strerror(errno);
    virmo_writer_set(reason, (const uint8_t *)why, strlen(why));
    return VIRMO_HYPERVISOR_RESULT_IMAGE;
  }
  machine.state = VIRMO_MACHINE_STATE_OFF;
  snprintf(machine.resources, sizeof machine.resources, "%s", spec->resources.text);
  return save(user_data, spec->vm, &machine);
}

static uint32_t power_on(void *user_data, const char *vm, virmo_writer *reason) {
  (void)reason;
  return change(user_data, vm, VIRMO_MACHINE_STATE_OFF, VIRMO_MACHINE_STATE_RUNNING);
}

static uint32_t power_off(void *user_data, const char *vm, uint64_t graceful_ms,
                          virmo_writer *reason) {
  (void)graceful_ms;
  (void)reason;
  return change(user_data, vm, VIRMO_MACHINE_STATE_RUNNING, VIRMO_MACHINE_STATE_OFF);
}

static uint32_t suspend(void *user_data, const char *vm, virmo_writer *reason) {
  (void)reason;
  return change(user_data, vm, VIRMO_MACHINE_STATE_RUNNING, VIRMO_MACHINE_STATE_SUSPENDED);
}

static uint32_t resume(void *user_data, const char *vm, virmo_writer *reason) {
  (void)reason;
  return change(user_data, vm, VIRMO_MACHINE_STATE_SUSPENDED, VIRMO_MACHINE_STATE_RUNNING);
}

static uint32_t delete_vm(void *user_data, const char *vm, bool overwrite, virmo_writer *reason) {
  char path[PATH_MAX_LEN];
  (void)overwrite;
  (void)reason;
  path_of(user_data, path, vm, ".vm");
  bool done = unlink(path) == 0;
  if (!done && errno != ENOENT) return VIRMO_HYPERVISOR_RESULT_FAILED;
  if (!store_sync(user_data)) return VIRMO_HYPERVISOR_RESULT_FAILED;
  return done ? VIRMO_HYPERVISOR_RESULT_DONE : VIRMO_HYPERVISOR_RESULT_ALREADY_DONE;
}

static uint32_t prepare(void *user_data, const char *vm, const virmo_resources *want,
                        virmo_prepared *prepared, virmo_writer *reason) {
  struct machine machine;
  (void)reason;
  if (!toy_load(user_data, vm, &machine)) return VIRMO_HYPERVISOR_RESULT_NOT_FOUND;
  if (strcmp(machine.resources, want->text))
    prepared->ram = prepared->storage = prepared->cpu = prepared->network = VIRMO_EFFECT_LIVE;
  return VIRMO_HYPERVISOR_RESULT_DONE;
}

static uint32_t set_resources(void *user_data, const char *vm, const virmo_resources *want,
                              virmo_writer *reason) {
  struct machine machine;
  (void)reason;
  if (!toy_load(user_data, vm, &machine)) return VIRMO_HYPERVISOR_RESULT_NOT_FOUND;
  if (!strcmp(machine.resources, want->text)) return VIRMO_HYPERVISOR_RESULT_ALREADY_DONE;
  snprintf(machine.resources, sizeof machine.resources, "%s", want->text);
  return save(user_data, vm, &machine);
}

void toy_callbacks(virmo_callbacks *callbacks) {
  callbacks->hypervisor_list = list;
  callbacks->hypervisor_observe = observe;
  callbacks->hypervisor_create = create;
  callbacks->hypervisor_power_on = power_on;
  callbacks->hypervisor_power_off = power_off;
  callbacks->hypervisor_suspend = suspend;
  callbacks->hypervisor_resume = resume;
  callbacks->hypervisor_delete = delete_vm;
  callbacks->hypervisor_prepare = prepare;
  callbacks->hypervisor_commit = set_resources;
  callbacks->hypervisor_undo = set_resources;
}
