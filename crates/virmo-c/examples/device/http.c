/* HTTP/1.1 without TLS, one connection for each request. A product uses the HTTP library it has. */
#include "board.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_BODY (4u << 20)

struct answer {
  int socket;
  int status;
  uint64_t len; /* UINT64_MAX: not said. */
  uint64_t first, total;
  char content_type[128], etag[128];
  uint8_t rest[4096]; /* What of the body came with the head. */
  size_t rest_len;
};

/* Splits http://HOST:PORT/PATH. */
static bool split(const char *url, char *host, char *port, const char **path) {
  if (strncmp(url, "http://", 7)) return false;
  url += 7;
  size_t len = strcspn(url, "/:?#");
  if (len == 0 || len > 127) return false;
  memcpy(host, url, len);
  host[len] = 0;
  url += len;
  strcpy(port, "80");
  if (*url == ':') {
    len = strspn(++url, "0123456789");
    if (len == 0 || len > 5) return false;
    memcpy(port, url, len);
    port[len] = 0;
    url += len;
  }
  *path = *url ? url : "/";
  return true;
}

static int dial(const char *host, const char *port, uint64_t timeout_ms) {
  struct addrinfo hints = {0}, *found, *it;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
  int made = -1;
  for (it = found; it && made < 0; it = it->ai_next) {
    made = socket(it->ai_family, it->ai_socktype, it->ai_protocol);
    struct timeval limit = {(time_t)(timeout_ms / 1000), (suseconds_t)(timeout_ms % 1000 * 1000)};
    if (made < 0) continue;
    setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(made, it->ai_addr, it->ai_addrlen) != 0) {
      close(made);
      made = -1;
    }
  }
  freeaddrinfo(found);
  return made;
}

static bool send_all(int to, const void *data, size_t len) {
  const char *at = data;
  while (len > 0) {
    ssize_t sent = send(to, at, len, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
    len -= (size_t)sent;
  }
  return true;
}

static void header(struct answer *answer, char *line) {
  char *value = strchr(line, ':');
  if (!value) return;
  *value++ = 0;
  value += strspn(value, " \t");
  if (!strcasecmp(line, "content-length")) {
    answer->len = strtoull(value, NULL, 10);
  } else if (!strcasecmp(line, "content-type")) {
    snprintf(answer->content_type, sizeof answer->content_type, "%s", value);
  } else if (!strcasecmp(line, "etag") && *value == '"') {
    snprintf(answer->etag, sizeof answer->etag, "%s", value);
  } else if (!strcasecmp(line, "content-range")) {
    unsigned long long first, last, total;
    if (sscanf(value, "bytes %llu-%llu/%llu", &first, &last, &total) == 3) {
      answer->first = first;
      answer->total = total;
    } else if (sscanf(value, "bytes */%llu", &total) == 1) {
      answer->total = total;
    }
  }
}

/* Sends a request and reads the head of the answer. False if there is none. */
static bool ask(struct answer *answer, const char *url, uint64_t timeout_ms, const char *method,
                const char *headers, const void *body, size_t len) {
  char host[128], port[6], head[4096];
  const char *path;
  memset(answer, 0, sizeof *answer);
  answer->len = answer->total = UINT64_MAX;
  answer->socket = -1;
  if (!split(url, host, port, &path)) return false;
  int size = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n%s\r\n",
                      method, path, host, port, headers);
  if (size < 0 || (size_t)size >= sizeof head) return false;
  answer->socket = dial(host, port, timeout_ms);
  if (answer->socket < 0) return false;
  if (!send_all(answer->socket, head, (size_t)size) || !send_all(answer->socket, body, len))
    return false;
  size_t have = 0;
  char *end = NULL;
  while (!end && have < sizeof head - 1) {
    ssize_t got = recv(answer->socket, head + have, sizeof head - 1 - have, 0);
    if (got <= 0) return false;
    have += (size_t)got;
    head[have] = 0;
    end = strstr(head, "\r\n\r\n");
  }
  if (!end || sscanf(head, "HTTP/1.%*1[01] %d", &answer->status) != 1) return false;
  answer->rest_len = have - (size_t)(end + 4 - head);
  memcpy(answer->rest, end + 4, answer->rest_len);
  *end = 0;
  char *line = strstr(head, "\r\n");
  while (line) {
    line += 2;
    char *next = strstr(line, "\r\n");
    if (next) *next = 0;
    header(answer, line);
    line = next;
  }
  return true;
}

/* The next bytes of a body; 0 at its end, less than 0 if the connection broke. */
static ssize_t more(struct answer *answer, uint8_t *buffer, size_t room) {
  if (answer->rest_len > 0) {
    size_t len = answer->rest_len;
    memcpy(buffer, answer->rest, len); /* Every buffer here has room for it. */
    answer->rest_len = 0;
    return (ssize_t)len;
  }
  return recv(answer->socket, buffer, room, 0);
}

void http_post(const virmo_request *request, struct reply *reply) {
  char headers[1024];
  struct answer answer;
  memset(reply, 0, sizeof *reply);
  snprintf(headers, sizeof headers,
           "Content-Type: %s\r\nAccept: %s\r\nContent-Length: %zu\r\n%s%s%s", request->content_type,
           request->content_type, request->body_len, request->hmac ? "x-syncml-hmac: " : "",
           request->hmac ? request->hmac : "", request->hmac ? "\r\n" : "");
  bool good = ask(&answer, request->url, request->timeout_ms, "POST", headers, request->body,
                  request->body_len);
  good = good && answer.len <= MAX_BODY;
  if (good) {
    reply->body = malloc((size_t)answer.len + sizeof answer.rest);
    good = reply->body != NULL;
    while (good && reply->len < answer.len) {
      ssize_t got = more(&answer, reply->body + reply->len, (size_t)answer.len - reply->len);
      good = got > 0;
      if (good) reply->len += (size_t)got;
    }
    reply->status = good ? answer.status : 0;
    memcpy(reply->content_type, answer.content_type, sizeof reply->content_type);
  }
  if (answer.socket >= 0) close(answer.socket);
}

static uint32_t fetch(void *user_data, const virmo_fetch_request *request,
                      virmo_receiver *receiver) {
  uint8_t buffer[16384];
  char headers[1024], range[512] = "";
  struct answer answer;
  (void)user_data;
  if (request->validator)
    snprintf(range, sizeof range, "Range: bytes=%llu-\r\nIf-Range: %s\r\n",
             (unsigned long long)request->from, request->validator);
  snprintf(headers, sizeof headers, "Accept: %.400s\r\n%s", request->accept, range);
  uint32_t result = VIRMO_FETCH_RESULT_UNREACHABLE;
  if (ask(&answer, request->uri, 30000, "GET", headers, "", 0)) {
    virmo_fetch_head head = {0};
    head.content = answer.status == 206   ? VIRMO_FETCH_CONTENT_PART
                   : answer.status == 416 ? VIRMO_FETCH_CONTENT_UNSATISFIABLE
                                          : VIRMO_FETCH_CONTENT_WHOLE;
    head.first = answer.first;
    head.total = answer.status == 200 ? answer.len : answer.total;
    head.media_type = answer.content_type[0] ? answer.content_type : NULL;
    head.validator = answer.etag[0] ? answer.etag : NULL;
    if (answer.status != 200 && answer.status != 206 && answer.status != 416) {
      virmo_receiver_status(receiver, (uint16_t)answer.status, UINT64_MAX);
      result = VIRMO_FETCH_RESULT_STATUS;
    } else if (!virmo_receiver_head(receiver, &head)) {
      result = VIRMO_FETCH_RESULT_STOPPED;
    } else {
      uint64_t left = answer.len;
      ssize_t got = 0;
      result = VIRMO_FETCH_RESULT_COMPLETE;
      while (left > 0 && (got = more(&answer, buffer, sizeof buffer)) > 0) {
        if (left != UINT64_MAX) left -= (uint64_t)got < left ? (uint64_t)got : left;
        if (virmo_cancel_is_thrown(request->cancel) ||
            !virmo_receiver_bytes(receiver, buffer, (size_t)got)) {
          result = VIRMO_FETCH_RESULT_STOPPED;
          break;
        }
      }
      if (got <= 0 && left > 0)
        result = left == UINT64_MAX && got == 0 ? VIRMO_FETCH_RESULT_CLOSED
                                                : VIRMO_FETCH_RESULT_INTERRUPTED;
    }
  }
  if (answer.socket >= 0) close(answer.socket);
  return result;
}

/* Tells a server what came of a download. */
static uint32_t report(void *user_data, const char *uri, const char *line,
                       const virmo_cancel *cancel) {
  char headers[128];
  struct answer answer;
  (void)user_data, (void)cancel;
  snprintf(headers, sizeof headers, "Content-Type: text/plain\r\nContent-Length: %zu\r\n",
           strlen(line));
  uint32_t result = VIRMO_FETCH_RESULT_UNREACHABLE;
  if (ask(&answer, uri, 30000, "POST", headers, line, strlen(line)))
    result = answer.status / 100 == 2 ? VIRMO_FETCH_RESULT_COMPLETE : VIRMO_FETCH_RESULT_STATUS;
  if (answer.socket >= 0) close(answer.socket);
  return result;
}

void http_callbacks(virmo_callbacks *callbacks) {
  callbacks->fetch = fetch;
  callbacks->fetch_report = report;
}
