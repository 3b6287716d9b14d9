/* What the parts of the example have in common: one board with a folder for all it keeps. */
#ifndef BOARD_H
#define BOARD_H

#include <virmo.h>

#define PATH_MAX_LEN 512

struct record {
  struct record *next;
  char *space;
  uint8_t *key, *value;
  size_t key_len, value_len;
};

struct board {
  char folder[PATH_MAX_LEN - 260];
  struct record *records; /* What the journal holds. */
  int journal;            /* Its file. */
  bool quiet;
};

/* store.c: the journal and the files of images. */
bool store_open(struct board *board);
/* Names in the folder are as durable as the folder is. */
bool store_sync(const struct board *board);
void store_close(struct board *board);
void store_callbacks(virmo_callbacks *callbacks);

/* toy.c: a hypervisor whose machines are files that say what they are. */
struct machine {
  unsigned state; /* virmo_machine_state */
  char resources[256];
};
bool toy_open(struct board *board);
/* False if there is no such machine. */
bool toy_load(void *user_data, const char *vm, struct machine *machine);
void toy_callbacks(virmo_callbacks *callbacks);

/* http.c: messages and files, over HTTP/1.1 without TLS. */
struct reply {
  int status; /* 0: there was no answer. */
  char content_type[128];
  uint8_t *body; /* To be freed. */
  size_t len;
};
void http_post(const virmo_request *request, struct reply *reply);
void http_callbacks(virmo_callbacks *callbacks);

/* device.c */
uint64_t clock_ms(void);
/* Sessions until nothing is left to do; 0 if that went well. */
int board_run(struct board *board, const virmo_callbacks *callbacks, const char *server);

#endif
