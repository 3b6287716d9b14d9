/* What the example keeps, on a medium that fails: nothing that may be good is cut off, and every name
 * that comes or goes is durable. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int reads, bad_read; /* The read that fails, from 1. */
static int calls, bad_call; /* The call that fails, or at which the process ends. */
static bool ends, names_changed, unsynced;

/* Whether this call of the medium fails. */
static bool bad(void) {
  if (++calls != bad_call) return false;
  if (ends) _exit(9);
  errno = EIO;
  return true;
}

/* Whether it is a name under which nobody looks for anything. */
static bool is_new(const char *path) {
  size_t len = strlen(path);
  return len > 4 && !strcmp(path + len - 4, ".new");
}

static int seen_open(const char *path, int how, ...) {
  va_list more;
  va_start(more, how);
  int mode = how & O_CREAT ? va_arg(more, int) : 0;
  va_end(more);
  if (bad()) return -1;
  if (how & O_CREAT && access(path, F_OK) != 0 && !is_new(path)) names_changed = true;
  return open(path, how, mode);
}

static ssize_t odd_pread(int file, void *data, size_t len, off_t at) {
  if (++reads == bad_read) {
    errno = EIO;
    return -1;
  }
  return pread(file, data, len > 5 ? 5 : len, at); /* Never all at once. */
}

static ssize_t odd_pwrite(int file, const void *data, size_t len, off_t at) {
  if (bad()) return -1;
  unsynced = true;
  return pwrite(file, data, len > 50 ? 50 : len, at);
}

static int seen_fsync(int file) {
  struct stat what;
  if (bad()) return -1;
  if (fstat(file, &what) == 0 && S_ISDIR(what.st_mode))
    names_changed = false;
  else
    unsynced = false;
  return fsync(file);
}

static int seen_ftruncate(int file, off_t len) { return bad() ? -1 : ftruncate(file, len); }

/* What gets a name for good has its octets for good. */
static int seen_rename(const char *from, const char *to) {
  if (bad()) return -1;
  if (unsynced) abort();
  names_changed = true;
  return rename(from, to);
}

static int seen_unlink(const char *path) {
  if (bad()) return -1;
  if (!is_new(path)) names_changed = true;
  return unlink(path);
}

#define open seen_open
#define pread odd_pread
#define pwrite odd_pwrite
#define fsync seen_fsync
#define ftruncate seen_ftruncate
#define rename seen_rename
#define unlink seen_unlink
#include "../../examples/device/store.c"
#define path_of path_of_machine
#include "../../examples/device/toy.c"

#include "check.h"

/* A batch with one record. */
static void add(int file, const char *key, const char *value) {
  struct buffer buffer = {0};
  struct frame frame = {0, 0};
  put(&buffer, &frame, sizeof frame);
  put_change(&buffer, "tree", (const uint8_t *)key, strlen(key), value != NULL,
             (const uint8_t *)value, value ? strlen(value) : 0);
  CHECK(write_batch(file, &buffer, lseek(file, 0, SEEK_END)));
  free(buffer.data);
}

static int records(const struct board *board) {
  int count = 0;
  for (struct record *it = board->records; it; it = it->next) count++;
  return count;
}

static void the_journal(struct board *board) {
  CHECK(store_open(board) && records(board) == 0 && !names_changed);
  add(board->journal, "first", "value");
  off_t first = lseek(board->journal, 0, SEEK_END);
  add(board->journal, "second", "value");
  off_t second = lseek(board->journal, 0, SEEK_END);
  store_close(board);

  /* Wherever the medium fails, all is still there. */
  bool opened = false;
  for (bad_read = 1; !opened; bad_read++) {
    reads = 0;
    errno = 0;
    opened = store_open(board);
    CHECK(opened == (reads < bad_read) && (opened || errno == EIO));
    CHECK(lseek(board->journal, 0, SEEK_END) == second);
    CHECK(!opened || records(board) == 2);
    store_close(board);
  }
  CHECK(bad_read > 10);
  bad_read = 0;

  /* What a crash left of the last batch is none. */
  for (off_t len = second; --len >= first;) {
    CHECK(store_open(board) && ftruncate(board->journal, len) == 0);
    store_close(board);
    CHECK(store_open(board) && records(board) == 1);
    CHECK(lseek(board->journal, 0, SEEK_END) == first);
    add(board->journal, "second", "value");
    store_close(board);
  }
}

static bool has(const struct board *board, const char *key, const char *value) {
  for (struct record *it = board->records; it; it = it->next)
    if (it->key_len == strlen(key) && !memcmp(it->key, key, it->key_len))
      return it->value_len == strlen(value) && !memcmp(it->value, value, it->value_len);
  return false;
}

static off_t size_of(const struct board *board) { return lseek(board->journal, 0, SEEK_END); }

/* A start at which one call of the medium fails, or which ends there; whether there was such a call. */
static bool bad_start(struct board *board, const char *value) {
  bool opened = store_open(board), hit = calls >= bad_call;
  bad_call = 0;
  CHECK(hit || opened);
  CHECK(!opened || !names_changed);
  if (opened) {
    add(board->journal, "third", value);
    store_close(board);
    CHECK(store_open(board) && has(board, "third", value));
  }
  store_close(board);
  return hit;
}

/* Much is written over; at the next start little is left of it, whatever fails there and wherever that
 * start ends. */
static void a_journal_that_shrinks(struct board *board) {
  CHECK(store_open(board));
  add(board->journal, "gone", "value");
  add(board->journal, "gone", NULL);
  store_close(board);
  for (int way = 0; way < 2; way++) {
    bool hit = true;
    int call;
    for (call = 1; hit; call++) {
      char value[16];
      snprintf(value, sizeof value, "%d", call);
      CHECK(store_open(board));
      for (int i = 0; i < 20; i++) add(board->journal, "second", i < 19 ? "other" : value);
      off_t grown = size_of(board);
      store_close(board);
      /* What a start left that ended there. */
      char left[PATH_MAX_LEN];
      snprintf(left, sizeof left, "%s/journal.new", board->folder);
      FILE *file = fopen(left, "w");
      CHECK(file && fprintf(file, "%*d", (int)grown, 0) == grown && fclose(file) == 0);

      calls = 0;
      bad_call = call;
      ends = way == 0;
      if (ends) {
        pid_t child = fork();
        int status;
        if (child == 0) _exit(bad_start(board, value));
        CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
        hit = WEXITSTATUS(status) != 0;
        CHECK(!hit || WEXITSTATUS(status) == 9);
      } else {
        hit = bad_start(board, value);
      }
      bad_call = 0;

      CHECK(store_open(board));
      CHECK(has(board, "first", "value") && has(board, "second", value));
      CHECK(!has(board, "gone", "value") && size_of(board) < grown / 2);
      store_close(board);
    }
    CHECK(call > 8);
  }
}

static void the_machines(struct board *board) {
  struct machine machine = {VIRMO_MACHINE_STATE_OFF, "RAM=1"};
  CHECK(save(board, "vm", &machine) == VIRMO_HYPERVISOR_RESULT_DONE && !names_changed);
  CHECK(delete_vm(board, "vm", false, NULL) == VIRMO_HYPERVISOR_RESULT_DONE && !names_changed);
  CHECK(delete_vm(board, "vm", false, NULL) == VIRMO_HYPERVISOR_RESULT_ALREADY_DONE);
}

static void the_images(struct board *board) {
  for (int times = 0; times < 2; times++) {
    CHECK(sink_reserve(board, "img", 1) == VIRMO_SINK_RESULT_OK && !names_changed);
    /* Nobody takes the path. */
    if (times == 1) CHECK(sink_finish(board, "img", NULL) == VIRMO_SINK_RESULT_OK && !names_changed);
    CHECK(sink_discard(board, "img") == VIRMO_SINK_RESULT_OK && !names_changed);
  }
}

int main(int count, char **words) {
  struct board board = {0};
  CHECK(count == 2 && strlen(words[1]) < sizeof board.folder);
  strcpy(board.folder, words[1]);
  the_journal(&board);
  a_journal_that_shrinks(&board);
  the_machines(&board);
  the_images(&board);
  return 0;
}
