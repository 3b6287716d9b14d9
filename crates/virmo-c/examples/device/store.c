/* The journal: one file to which batches are appended. A batch that was cut by a crash is not there. At
 * a start the records that are left take the place of the file, if that makes it half as large; a
 * product that runs for months does so in between too. And the files of images: KEY.part grows, KEY.img
 * is whole. */
#include "board.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What stands before each batch in the file. */
struct frame {
  uint64_t len;
  uint64_t sum;
};

struct buffer {
  uint8_t *data;
  size_t len, room;
  bool failed;
};

static void put(struct buffer *to, const void *data, size_t len) {
  if (to->failed || len == 0) return;
  if (to->room - to->len < len) {
    size_t room = (to->len + len) * 2;
    uint8_t *data_now = realloc(to->data, room);
    if (!data_now) {
      to->failed = true;
      return;
    }
    to->data = data_now;
    to->room = room;
  }
  memcpy(to->data + to->len, data, len);
  to->len += len;
}

static void put_run(struct buffer *to, const void *data, size_t len) {
  uint64_t wide = len;
  put(to, &wide, sizeof wide);
  put(to, data, len);
}

/* A change of a batch; the first byte of what is under the key says whether there is a record. */
static void put_change(struct buffer *to, const char *space, const uint8_t *key, size_t key_len,
                       uint8_t is_put, const uint8_t *value, size_t value_len) {
  uint64_t len = value_len + 1;
  put_run(to, space, strlen(space));
  put_run(to, key, key_len);
  put(to, &len, sizeof len);
  put(to, &is_put, 1);
  put(to, value, value_len);
}

/* Takes a run out of a batch; false at its end. */
static bool take(const uint8_t **at, const uint8_t *end, const uint8_t **data, size_t *len) {
  uint64_t wide;
  if ((size_t)(end - *at) < sizeof wide) return false;
  memcpy(&wide, *at, sizeof wide);
  *at += sizeof wide;
  if ((uint64_t)(end - *at) < wide) return false;
  *data = *at;
  *len = (size_t)wide;
  *at += wide;
  return true;
}

static uint64_t sum_of(const uint8_t *data, size_t len) {
  uint64_t sum = 14695981039346656037u; /* FNV-1a */
  for (size_t i = 0; i < len; i++) sum = (sum ^ data[i]) * 1099511628211u;
  return sum;
}

/* Room for so many bytes and a NUL. */
static void *room_for(size_t len) {
  void *made = calloc(1, len + 1);
  if (!made) abort();
  return made;
}

static void *copy(const void *data, size_t len) {
  return memcpy(room_for(len), data, len);
}

static void forget(struct record *record) {
  free(record->space);
  free(record->key);
  free(record->value);
  free(record);
}

/* Makes a batch that is safe in the file visible. */
static void apply(struct board *board, const uint8_t *at, const uint8_t *end) {
  const uint8_t *space, *key, *value;
  size_t space_len, key_len, value_len;
  while (take(&at, end, &space, &space_len) && take(&at, end, &key, &key_len) &&
         take(&at, end, &value, &value_len)) {
    struct record **place = &board->records;
    for (; *place; place = &(*place)->next)
      if (strlen((*place)->space) == space_len && !memcmp((*place)->space, space, space_len) &&
          (*place)->key_len == key_len && !memcmp((*place)->key, key, key_len))
        break;
    if (*place) {
      struct record *old = *place;
      *place = old->next;
      forget(old);
    }
    if (value_len == 0 || !value[0]) continue;
    struct record *record = room_for(sizeof *record);
    record->space = copy(space, space_len);
    record->key = copy(key, key_len);
    record->key_len = key_len;
    record->value = copy(value + 1, value_len - 1);
    record->value_len = value_len - 1;
    record->next = board->records;
    board->records = record;
  }
}

static bool write_all(int file, const void *data, size_t len, off_t offset) {
  const uint8_t *at = data;
  while (len > 0) {
    ssize_t written = pwrite(file, at, len, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += written;
    offset += written;
    len -= (size_t)written;
  }
  return true;
}

static bool read_all(int file, void *data, size_t len, off_t offset) {
  uint8_t *at = data;
  while (len > 0) {
    ssize_t got = pread(file, at, len, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO; /* It was longer. */
    if (got <= 0) return false;
    at += got;
    offset += got;
    len -= (size_t)got;
  }
  return true;
}

/* Writes a batch at an offset, durably, behind its frame, for which it has room at its beginning. */
static bool write_batch(int file, struct buffer *batch, off_t offset) {
  struct frame frame;
  if (batch->failed) return false;
  frame.len = batch->len - sizeof frame;
  frame.sum = sum_of(batch->data + sizeof frame, (size_t)frame.len);
  memcpy(batch->data, &frame, sizeof frame);
  return write_all(file, batch->data, batch->len, offset) && fsync(file) == 0;
}

bool store_sync(const struct board *board) {
  int folder = open(board->folder, O_RDONLY);
  bool done = folder >= 0 && fsync(folder) == 0;
  if (folder >= 0) close(folder);
  return done;
}

/* Puts the records that are left in the place of a journal of this size, as one batch in a new file. If
 * that cannot be written, the old one stays. False if nobody knows which of the two a start will find:
 * both have all records so far, but only one would have the next. */
static bool compact(struct board *board, off_t size) {
  char path[PATH_MAX_LEN], fresh[PATH_MAX_LEN];
  snprintf(path, sizeof path, "%s/journal", board->folder);
  snprintf(fresh, sizeof fresh, "%s/journal.new", board->folder);
  struct buffer batch = {0};
  struct frame frame = {0, 0};
  put(&batch, &frame, sizeof frame);
  for (struct record *it = board->records; it; it = it->next)
    put_change(&batch, it->space, it->key, it->key_len, 1, it->value, it->value_len);
  bool known = true;
  if (batch.len <= (uint64_t)size / 2) {
    int file = open(fresh, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file >= 0 && write_batch(file, &batch, 0)) {
      close(board->journal);
      board->journal = file;
      known = rename(fresh, path) == 0 && store_sync(board);
    } else if (file >= 0) {
      close(file);
      unlink(fresh);
    }
  }
  free(batch.data);
  return known;
}

bool store_open(struct board *board) {
  char path[PATH_MAX_LEN];
  snprintf(path, sizeof path, "%s/journal", board->folder);
  board->records = NULL;
  board->journal = open(path, O_RDWR | O_CREAT, 0600);
  if (board->journal < 0 || !store_sync(board)) return false;
  off_t size = lseek(board->journal, 0, SEEK_END), at = 0;
  if (size < 0) return false;
  while ((uint64_t)(size - at) >= sizeof(struct frame)) {
    /* What cannot be read is not cut off: it may be good. */
    struct frame frame;
    if (!read_all(board->journal, &frame, sizeof frame, at)) return false;
    if (frame.len > (uint64_t)(size - at) - sizeof frame) break;
    uint8_t *batch = room_for((size_t)frame.len);
    bool good = read_all(board->journal, batch, (size_t)frame.len, at + (off_t)sizeof frame);
    bool whole = good && sum_of(batch, (size_t)frame.len) == frame.sum;
    if (whole) apply(board, batch, batch + frame.len);
    free(batch);
    if (!good) return false;
    if (!whole) break;
    at += (off_t)(sizeof frame + frame.len);
  }
  return ftruncate(board->journal, at) == 0 && compact(board, at);
}

void store_close(struct board *board) {
  while (board->records) {
    struct record *record = board->records;
    board->records = record->next;
    forget(record);
  }
  close(board->journal);
}

static uint32_t journal_commit(void *user_data, const virmo_batch *batch) {
  struct board *board = user_data;
  struct buffer buffer = {0};
  struct frame frame = {0, 0};
  put(&buffer, &frame, sizeof frame);
  for (size_t i = 0; i < virmo_batch_len(batch); i++) {
    virmo_operation change;
    if (virmo_batch_at(batch, i, &change) != VIRMO_STATUS_OK) {
      buffer.failed = true;
      break;
    }
    put_change(&buffer, change.space, change.key, change.key_len, change.is_put, change.value,
               change.value_len);
  }
  off_t end = lseek(board->journal, 0, SEEK_END);
  bool safe = end >= 0 && write_batch(board->journal, &buffer, end);
  if (safe)
    apply(board, buffer.data + sizeof frame, buffer.data + buffer.len);
  else if (end >= 0 && ftruncate(board->journal, end) != 0) /* It would be in the way of the next. */
    abort();
  free(buffer.data);
  return safe ? VIRMO_JOURNAL_RESULT_OK : VIRMO_JOURNAL_RESULT_IO;
}

static uint32_t journal_read(void *user_data, const char *space, const uint8_t *key, size_t key_len,
                             virmo_writer *value) {
  struct board *board = user_data;
  for (struct record *it = board->records; it; it = it->next)
    if (!strcmp(it->space, space) && it->key_len == key_len && !memcmp(it->key, key, key_len))
      virmo_writer_set(value, it->value, it->value_len);
  return VIRMO_JOURNAL_RESULT_OK;
}

static uint32_t journal_scan(void *user_data, const char *space, virmo_records *records) {
  struct board *board = user_data;
  for (struct record *it = board->records; it; it = it->next)
    if (!strcmp(it->space, space))
      virmo_records_add(records, it->key, it->key_len, it->value, it->value_len);
  return VIRMO_JOURNAL_RESULT_OK;
}

static uint32_t problem(void) {
  switch (errno) {
    case ENOENT: return VIRMO_SINK_RESULT_MISSING;
    case ENOSPC: return VIRMO_SINK_RESULT_NO_SPACE;
    case EROFS: return VIRMO_SINK_RESULT_READ_ONLY;
    default: return VIRMO_SINK_RESULT_IO;
  }
}

static void path_of(struct board *board, char *path, const char *key, const char *end) {
  snprintf(path, PATH_MAX_LEN, "%s/%s%s", board->folder, key, end);
}

static int part(void *user_data, const char *key, int how) {
  char path[PATH_MAX_LEN];
  path_of(user_data, path, key, ".part");
  return open(path, how, 0600);
}

static uint32_t ended(int file, bool done) {
  uint32_t result = done ? VIRMO_SINK_RESULT_OK : problem();
  if (file >= 0) close(file);
  return result;
}

static uint32_t sink_reserve(void *user_data, const char *key, uint64_t total) {
  (void)total; /* A board with a nearly full medium would ask for room here. */
  int file = part(user_data, key, O_RDWR | O_CREAT);
  return ended(file, file >= 0 && store_sync(user_data));
}

static uint32_t sink_len(void *user_data, const char *key, uint64_t *len) {
  int file = part(user_data, key, O_RDONLY);
  off_t end = file < 0 ? -1 : lseek(file, 0, SEEK_END);
  if (end >= 0) *len = (uint64_t)end;
  return ended(file, end >= 0);
}

static uint32_t sink_write(void *user_data, const char *key, uint64_t offset, const uint8_t *bytes,
                           size_t len) {
  int file = part(user_data, key, O_WRONLY);
  return ended(file, file >= 0 && write_all(file, bytes, len, (off_t)offset));
}

static uint32_t sink_read(void *user_data, const char *key, uint64_t offset, uint8_t *buffer,
                          size_t len, size_t *read_len) {
  int file = part(user_data, key, O_RDONLY);
  ssize_t got = file < 0 ? -1 : pread(file, buffer, len, (off_t)offset);
  if (got >= 0) *read_len = (size_t)got;
  return ended(file, got >= 0);
}

static uint32_t sink_truncate(void *user_data, const char *key, uint64_t len) {
  int file = part(user_data, key, O_RDWR);
  off_t end = file < 0 ? -1 : lseek(file, 0, SEEK_END);
  return ended(file, end >= 0 && ((uint64_t)end <= len || ftruncate(file, (off_t)len) == 0));
}

static uint32_t sink_sync(void *user_data, const char *key) {
  int file = part(user_data, key, O_RDWR);
  return ended(file, file >= 0 && fsync(file) == 0);
}

static uint32_t sink_location(void *user_data, const char *key, virmo_writer *path) {
  char whole[PATH_MAX_LEN];
  path_of(user_data, whole, key, ".img");
  if (access(whole, R_OK) == 0) virmo_writer_set(path, (const uint8_t *)whole, strlen(whole));
  return VIRMO_SINK_RESULT_OK;
}

static uint32_t sink_finish(void *user_data, const char *key, virmo_writer *path) {
  char partial[PATH_MAX_LEN], whole[PATH_MAX_LEN];
  path_of(user_data, partial, key, ".part");
  path_of(user_data, whole, key, ".img");
  if (rename(partial, whole) != 0 && errno != ENOENT) return problem();
  if (access(whole, R_OK) != 0) return problem();
  if (!store_sync(user_data)) return problem();
  virmo_writer_set(path, (const uint8_t *)whole, strlen(whole));
  return VIRMO_SINK_RESULT_OK;
}

static uint32_t sink_discard(void *user_data, const char *key) {
  const char *ends[] = {".part", ".img"};
  for (int i = 0; i < 2; i++) {
    char path[PATH_MAX_LEN];
    path_of(user_data, path, key, ends[i]);
    if (unlink(path) != 0 && errno != ENOENT) return problem();
  }
  return store_sync(user_data) ? VIRMO_SINK_RESULT_OK : problem();
}

static uint32_t sink_keys(void *user_data, virmo_keys *keys) {
  DIR *folder = opendir(((struct board *)user_data)->folder);
  if (!folder) return problem();
  for (struct dirent *entry; (entry = readdir(folder));) {
    char *end = strrchr(entry->d_name, '.');
    if (!end || (strcmp(end, ".part") && strcmp(end, ".img"))) continue;
    *end = 0;
    virmo_keys_add(keys, entry->d_name);
  }
  closedir(folder);
  return VIRMO_SINK_RESULT_OK;
}

void store_callbacks(virmo_callbacks *callbacks) {
  callbacks->journal_commit = journal_commit;
  callbacks->journal_read = journal_read;
  callbacks->journal_scan = journal_scan;
  callbacks->sink_reserve = sink_reserve;
  callbacks->sink_len = sink_len;
  callbacks->sink_write = sink_write;
  callbacks->sink_read = sink_read;
  callbacks->sink_truncate = sink_truncate;
  callbacks->sink_sync = sink_sync;
  callbacks->sink_finish = sink_finish;
  callbacks->sink_location = sink_location;
  callbacks->sink_discard = sink_discard;
  callbacks->sink_keys = sink_keys;
}
