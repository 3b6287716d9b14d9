/* A device that knows no server until a bootstrap document tells it.
 *
 *   bootstrap FOLDER CONTENT-TYPE PIN FILE
 *
 * What a machine gets for the client in its guest it writes to FOLDER/guest. */
#define main device_main
#include "../../examples/device/device.c"
#undef main

#include "check.h"

static virmo_callbacks real;

static uint32_t create(void *u, const virmo_vm_spec *spec, virmo_writer *reason) {
  char path[PATH_MAX_LEN];
  snprintf(path, sizeof path, "%s/guest", ((struct board *)u)->folder);
  FILE *file = fopen(path, "wb");
  CHECK(file && spec->bootstrap && spec->bootstrap_len > 0);
  CHECK(fwrite(spec->bootstrap, 1, spec->bootstrap_len, file) == spec->bootstrap_len);
  CHECK(fclose(file) == 0);
  return real.hypervisor_create(u, spec, reason);
}

static size_t read_file(const char *path, uint8_t *octets, size_t room) {
  FILE *file = fopen(path, "rb");
  CHECK(file);
  size_t len = fread(octets, 1, room, file);
  CHECK(len > 0 && len < room);
  fclose(file);
  return len;
}

static virmo_config *config_of(const char *server) {
  virmo_capabilities capabilities = {0};
  capabilities.name = "toy";
  capabilities.ram = capabilities.storage = 4ull << 30;
  virmo_config *config = virmo_config_new(server, NULL);
  CHECK(config);
  CHECK(virmo_config_set_device(config, "urn:example:c", "Example", "Board", "1.0", "en") ==
        VIRMO_STATUS_OK);
  CHECK(virmo_config_set_capabilities(config, &capabilities) == VIRMO_STATUS_OK);
  CHECK(virmo_config_set_number(config, VIRMO_NUMBER_WATCH_MS, 0) == VIRMO_STATUS_OK);
  return config;
}

int main(int count, char **words) {
  struct board board = {0};
  uint8_t document[4096];
  CHECK(count == 5 && strlen(words[1]) < sizeof board.folder);
  strcpy(board.folder, words[1]);
  CHECK(store_open(&board) && toy_open(&board));
  real.size = sizeof real;
  real.clock_now = clock_now;
  real.clock_wait = clock_wait;
  real.random = fill;
  real.event = hear;
  store_callbacks(&real);
  toy_callbacks(&real);
  http_callbacks(&real);
  virmo_callbacks callbacks = real;
  callbacks.hypervisor_create = create;

  virmo_config *config = config_of(NULL);
  virmo_device *device;
  CHECK(virmo_device_new(config, &callbacks, &board, now(), &device) == VIRMO_STATUS_NOT_FOUND);
  CHECK(!device && !strcmp(virmo_config_error(config), "there is no account"));

  virmo_bootstrap bootstrap = {0};
#define TAKE_IN virmo_config_bootstrap(config, &callbacks, &board, now(), &bootstrap)
  CHECK(virmo_config_bootstrap(NULL, &callbacks, &board, now(), &bootstrap) ==
        VIRMO_STATUS_ARGUMENT);
  CHECK(virmo_config_bootstrap(config, &callbacks, &board, now(), NULL) == VIRMO_STATUS_ARGUMENT);
  CHECK(TAKE_IN == VIRMO_STATUS_ARGUMENT);
  CHECK(strstr(virmo_config_error(config), "bootstrap.size is 0"));
  bootstrap.size = sizeof bootstrap;
  CHECK(TAKE_IN == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "content_type is null"));
  bootstrap.content_type = words[2];
  bootstrap.document_len = 7;
  CHECK(TAKE_IN == VIRMO_STATUS_ARGUMENT);
  bootstrap.document = document;
  bootstrap.document_len = read_file(words[4], document, sizeof document);
  CHECK(virmo_config_bootstrap(config, NULL, &board, now(), &bootstrap) == VIRMO_STATUS_ARGUMENT);
  bootstrap.pin = "12a4";
  CHECK(TAKE_IN == VIRMO_STATUS_ARGUMENT);
  bootstrap.pin = NULL;
  CHECK(TAKE_IN == VIRMO_STATUS_REFUSED); /* No PIN to verify it with. */
  bootstrap.imsi = "12345";
  CHECK(TAKE_IN == VIRMO_STATUS_ARGUMENT);
  bootstrap.imsi = "26202123456789";
  bootstrap.network = document;
  bootstrap.network_len = 1;
  CHECK(TAKE_IN == VIRMO_STATUS_ARGUMENT);
  CHECK(!strcmp(virmo_config_error(config), "imsi and network are both set"));
  bootstrap.network_len = 0;
  bootstrap.pin = "999999";
  CHECK(TAKE_IN == VIRMO_STATUS_UNPROVEN);
  CHECK(strstr(virmo_config_error(config), "tries left: 2"));
  bootstrap.content_type = "text/plain";
  CHECK(TAKE_IN == VIRMO_STATUS_ARGUMENT);
  bootstrap.content_type = "application/vnd.syncml.dm+wbxml";
  CHECK(TAKE_IN == VIRMO_STATUS_REFUSED); /* Nothing protects it. */
  bootstrap.trusted = true;
  bootstrap.document_len--;
  CHECK(TAKE_IN == VIRMO_STATUS_REFUSED); /* Cut. */
  bootstrap.document_len++;
  bootstrap.trusted = false;
  CHECK(virmo_device_new(config, &callbacks, &board, now(), &device) == VIRMO_STATUS_NOT_FOUND);
  bootstrap.content_type = words[2];
  bootstrap.pin = words[3];
  CHECK(TAKE_IN == VIRMO_STATUS_OK);
  CHECK(virmo_config_free(config) == VIRMO_STATUS_OK);
  memset(document, 0, sizeof document); /* It is not needed any more. */

  config = config_of("another-server");
  CHECK(virmo_device_new(config, &callbacks, &board, now(), &device) == VIRMO_STATUS_NOT_FOUND);
  CHECK(virmo_config_free(config) == VIRMO_STATUS_OK);
  config = config_of("virmo-server");
  CHECK(virmo_device_new(config, &callbacks, &board, now(), &device) == VIRMO_STATUS_OK);
  CHECK(virmo_device_free(device) == VIRMO_STATUS_OK);
  CHECK(virmo_config_free(config) == VIRMO_STATUS_OK);

  config = config_of(NULL);
  CHECK(virmo_device_new(config, &callbacks, &board, now(), &device) == VIRMO_STATUS_OK);
  CHECK(virmo_config_free(config) == VIRMO_STATUS_OK);
  char id[64];
  size_t len;
  CHECK(virmo_device_read(device, "./DMAcc/here/ServerID", (uint8_t *)id, sizeof id, &len) ==
        VIRMO_STATUS_OK);
  CHECK(len == strlen("virmo-server") && !memcmp(id, "virmo-server", len));
  CHECK(virmo_device_read(device, "./DMAcc/virmo-server/ServerID", NULL, 0, &len) ==
        VIRMO_STATUS_NOT_FOUND);
  CHECK(run(&board, device) == VIRMO_STATUS_OK);
  CHECK(virmo_device_free(device) == VIRMO_STATUS_OK);
  store_close(&board);
  return 0;
}
