/* What the example keeps, on a medium that fails: nothing that may be good is cut off, and every name
 * that comes or goes is durable. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int reads, bad_read; /* The read that fails, from 1. */
static bool names_changed;

static int seen_open(const char *path, int how, ...) {
  va_list more;
  va_start(more, how);
  int mode = how & O_CREAT ? va_arg(more, int) : 0;
  va_end(more);
  if (how & O_CREAT && access(path, F_OK) != 0) names_changed = true;
  return open(path, how, mode);
}

static ssize_t odd_pread(int file, void *data, size_t len, off_t at) {
  if (++reads == bad_read) {
    errno = EIO;
    return -1;
  }
  return pread(file, data, len > 5 ? 5 : len, at); /* Never all at once. */
}

static int seen_fsync(int file) {
  struct stat what;
  if (fstat(file, &what) == 0 && S_ISDIR(what.st_mode)) names_changed = false;
  return fsync(file);
}

static int seen_rename(const char *from, const char *to) {
  names_changed = true;
  return rename(from, to);
}

static int seen_unlink(const char *path) {
  names_changed = true;
  return unlink(path);
}

#define open seen_open
#define pread odd_pread
#define fsync seen_fsync
#define rename seen_rename
#define unlink seen_unlink
#include "../../examples/device/store.c"
#define path_of path_of_machine
#include "../../examples/device/toy.c"

#include "check.h"

/* A batch with one record. */
static void add(int file, const char *key) {
  struct buffer buffer = {0};
  struct frame frame = {0, 0};
  put(&buffer, &frame, sizeof frame);
  put_run(&buffer, "tree", 4);
  put_run(&buffer, key, strlen(key));
  put_run(&buffer, "\1value", 6);
  frame.len = buffer.len - sizeof frame;
  frame.sum = sum_of(buffer.data + sizeof frame, (size_t)frame.len);
  memcpy(buffer.data, &frame, sizeof frame);
  CHECK(write_all(file, buffer.data, buffer.len, lseek(file, 0, SEEK_END)));
  free(buffer.data);
}

static int records(const struct board *board) {
  int count = 0;
  for (struct record *it = board->records; it; it = it->next) count++;
  return count;
}

static void the_journal(struct board *board) {
  CHECK(store_open(board) && records(board) == 0 && !names_changed);
  add(board->journal, "first");
  off_t first = lseek(board->journal, 0, SEEK_END);
  add(board->journal, "second");
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
    add(board->journal, "second");
    store_close(board);
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
  the_machines(&board);
  the_images(&board);
  return 0;
}
