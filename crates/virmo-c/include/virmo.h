// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The C interface of the VirMO Client. Made from the sources of the crate virmo-c: do not edit.
//
// No function keeps a pointer it is given, unless it says so; null where something has to be is
// VIRMO_STATUS_ARGUMENT. Texts are UTF-8 and end with a NUL; a NUL inside a text of the server comes
// as U+FFFD. A word such as virmo_support in the comment of an integer is the enumeration its values
// are of.


#ifndef VIRMO_H
#define VIRMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What came of a call.
enum virmo_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It was done.
  VIRMO_STATUS_OK = 0,
  // An argument is null, not UTF-8, or not what it has to be. Nothing happened.
  VIRMO_STATUS_ARGUMENT = 1,
  // The call does not fit what went before: an answer nobody waits for, a second session, a job
  // of another device. Nothing happened.
  VIRMO_STATUS_MISUSE = 2,
  // Another thread, or a callback further up on this one, is using the handle. Nothing happened.
  VIRMO_STATUS_BUSY = 3,
  // A defect of this library; the handle can only be freed from now on. What was promised to the
  // server is in the journal: free the device, make it anew.
  VIRMO_STATUS_PANIC = 4,
  // The journal failed, or what it holds cannot be read.
  VIRMO_STATUS_JOURNAL = 5,
  // A management object did not start, or a document or an alert is not taken.
  VIRMO_STATUS_REFUSED = 6,
  // There is nothing at this place.
  VIRMO_STATUS_NOT_FOUND = 7,
  // The buffer is too small.
  VIRMO_STATUS_TOO_SMALL = 8,
  // The proof that came with something is wrong: so is the secret it was to be verified with, or
  // what it came with.
  VIRMO_STATUS_UNPROVEN = 9,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_status virmo_status;
#else
typedef uint32_t virmo_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A Generic Alert that the device sends by itself. All but the first have a Mark.
enum virmo_alert_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // How an Exec that was answered with 202 ended: its node is the Source, the status the Data. A
  // download that failed is told by nothing else.
  VIRMO_ALERT_TYPE_RESULT = 0,
  // A State that no server asked for: a guest that ended itself, a machine that crashed.
  VIRMO_ALERT_TYPE_STATE = 1,
  // A machine that cannot be told or used, so that its State is only what it was last.
  VIRMO_ALERT_TYPE_UNREACHABLE = 2,
  // A machine, or the file of an image, that no node stands for and that gets none.
  VIRMO_ALERT_TYPE_UNKNOWN = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_alert_type virmo_alert_type;
#else
typedef uint32_t virmo_alert_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What came of a question.
enum virmo_answer
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It was shown, or the answer is yes.
  VIRMO_ANSWER_ACCEPTED = 0,
  // The answer is no.
  VIRMO_ANSWER_REJECTED = 1,
  // A text was typed.
  VIRMO_ANSWER_TEXT = 2,
  // These choices were made, numbered from 1.
  VIRMO_ANSWER_CHOICES = 3,
  // The person wants no question.
  VIRMO_ANSWER_CANCELLED = 4,
  // There was no answer in time.
  VIRMO_ANSWER_TIMED_OUT = 5,
  // It cannot be displayed.
  VIRMO_ANSWER_CANNOT_DISPLAY = 6,
  // Questions of this kind are not asked here.
  VIRMO_ANSWER_UNSUPPORTED = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_answer virmo_answer;
#else
typedef uint32_t virmo_answer;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How an end proves who it is.
enum virmo_auth
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Name and password in the clear.
  VIRMO_AUTH_BASIC = 0,
  // A digest of name, password and nonce.
  VIRMO_AUTH_MD5 = 1,
  // A digest of the message too, in the transport header x-syncml-hmac.
  VIRMO_AUTH_MAC = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_auth virmo_auth;
#else
typedef uint32_t virmo_auth;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// When a change of a resource takes effect.
enum virmo_effect
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // There is no change.
  VIRMO_EFFECT_UNCHANGED = 0,
  // With the commit.
  VIRMO_EFFECT_LIVE = 1,
  // When the machine next runs.
  VIRMO_EFFECT_RECORDED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_effect virmo_effect;
#else
typedef uint32_t virmo_effect;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What an event tells. A later library may tell more: let go what is not known.
enum virmo_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // A VM went to another State: `node`, `id`, `from`, `to`.
  VIRMO_EVENT_KIND_VM = 0,
  // An image went to another State: `node`, `id`, `from`, `to`; `to` is -1 for one that is gone.
  VIRMO_EVENT_KIND_IMAGE = 1,
  // A download moved on: `node`, `id`, `bytes`, `total`.
  VIRMO_EVENT_KIND_DOWNLOAD = 2,
  // A primitive failed: `node`, `id`, `name` of the primitive, `text`.
  VIRMO_EVENT_KIND_PRIMITIVE_FAILED = 3,
  // Work on an image failed: `node`, `id`, `text`.
  VIRMO_EVENT_KIND_IMAGE_FAILED = 4,
  // A VM has other resources: `node`, `id`, `text`.
  VIRMO_EVENT_KIND_RESOURCES = 5,
  // ApplyChanges failed: `text`.
  VIRMO_EVENT_KIND_CHANGES_FAILED = 6,
  // What the last run left open was brought to an end: `node`, `id`, `name` of the primitive (null
  // for ApplyChanges), `text` finished, undone or open.
  VIRMO_EVENT_KIND_RECOVERED = 7,
  // The machine of a VM cannot be told or used at the moment: `node`, `id`, `text`.
  VIRMO_EVENT_KIND_UNREACHABLE = 8,
  // It can be told again: `node`, `id`.
  VIRMO_EVENT_KIND_REACHABLE = 9,
  // The hypervisor has a machine no node stands for: `id`.
  VIRMO_EVENT_KIND_UNKNOWN_MACHINE = 10,
  // The hypervisor has a machine of somebody else: `text` is its name.
  VIRMO_EVENT_KIND_FOREIGN_MACHINE = 11,
  // A record in the journal could not be read and is left alone: `text` is its key.
  VIRMO_EVENT_KIND_DAMAGED_RECORD = 12,
  // Anything else about a VM or an image, of which a later library tells more.
  VIRMO_EVENT_KIND_OTHER = 13,
  // A command of the server got its status: `name`, `uri`, `status`.
  VIRMO_EVENT_KIND_COMMAND = 14,
  // An alert is in the queue, durable: `name` is its type, `uri` its source, `text` its data.
  VIRMO_EVENT_KIND_ALERT_QUEUED = 15,
  // The server has an alert: as before.
  VIRMO_EVENT_KIND_ALERT_DELIVERED = 16,
  // The server refused an alert and will get it again: as before, `status` and `tries`.
  VIRMO_EVENT_KIND_ALERT_REFUSED = 17,
  // An alert was dropped: as before, and `reason`.
  VIRMO_EVENT_KIND_ALERT_DROPPED = 18,
  // A notification was dropped: `text` says why.
  VIRMO_EVENT_KIND_NOTIFICATION_DROPPED = 19,
  // A job took too long and was given up; its end is still to be told: `job`.
  VIRMO_EVENT_KIND_JOB_TIMED_OUT = 20,
  // The journal failed; what was to become durable did not happen: `text`.
  VIRMO_EVENT_KIND_JOURNAL_FAILED = 21,
  // An object could not take up what the journal could not keep: `uri` is its root, `status` says
  // why.
  VIRMO_EVENT_KIND_NOT_RESUMED = 22,
  // There is a file of an image no node stands for: `id`.
  VIRMO_EVENT_KIND_UNKNOWN_IMAGE = 23,
  // A machine no node stood for has one now, by VIRMO_NUMBER_ADOPT: `node`, `id`.
  VIRMO_EVENT_KIND_ADOPTED = 24,
  // So has an image whose file no node stood for: `node`, `id`.
  VIRMO_EVENT_KIND_ADOPTED_IMAGE = 25,
  // A VM of the draft was locked (`to` is 1) or unlocked (0): `node`, `id`, `to`.
  VIRMO_EVENT_KIND_LOCKED = 26,
  // A VM of the draft may share data with others (`to` is 1) or no longer (0): `node`, `id`, `to`.
  VIRMO_EVENT_KIND_SHARING = 27,
  // Such an operation failed: `node`, `id`, `name` of the operation, `text`.
  VIRMO_EVENT_KIND_ACCESS_FAILED = 28,
  // A question to the user of a VM is over: `node`, `id`, `status`.
  VIRMO_EVENT_KIND_INTERACTION = 29,
  // The guest of a VM does not answer, though it runs: `node`, `id`, `text`.
  VIRMO_EVENT_KIND_GUEST_SILENT = 30,
  // It answers again: `node`, `id`.
  VIRMO_EVENT_KIND_GUEST_HEARD = 31,
  // Something a guest told does not fit, and is dropped: `node`, `id`, `text`.
  VIRMO_EVENT_KIND_GUEST_NEWS_DROPPED = 32,
  // The hypervisor did not say at the start, or not in time, which machines there are: `text`. They
  // are not known until it is asked again or its answer comes late. It is asked again every
  // VIRMO_NUMBER_WATCH_MS, or at the next start if that is 0; for the machines of others at the next
  // start alone.
  VIRMO_EVENT_KIND_NOT_LISTED = 33,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_event_kind virmo_event_kind;
#else
typedef uint32_t virmo_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a library may be built without, each a bit. The header is the same.
enum virmo_feature
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // `bootstrap`: `virmo_config_bootstrap`, and bootstrap documents for guests.
  VIRMO_FEATURE_BOOTSTRAP = 1,
  // `descriptors`: images behind download descriptors.
  VIRMO_FEATURE_DESCRIPTORS = 2,
  // `dm-tree`: the DMTree of a VM.
  VIRMO_FEATURE_DM_TREE = 4,
  // `draft`: VIRMO_NUMBER_DRAFT, and `virmo_device_unlock`.
  VIRMO_FEATURE_DRAFT = 8,
  // `tnds`: subtrees as documents.
  VIRMO_FEATURE_TNDS = 16,
  // `ui`: questions to people.
  VIRMO_FEATURE_UI = 32,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_feature virmo_feature;
#else
typedef uint32_t virmo_feature;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Which bytes of a file an answer carries.
enum virmo_fetch_content
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // All of them: HTTP 200.
  VIRMO_FETCH_CONTENT_WHOLE = 0,
  // Those from `first` to the end: HTTP 206.
  VIRMO_FETCH_CONTENT_PART = 1,
  // None, for there are no such bytes: HTTP 416.
  VIRMO_FETCH_CONTENT_UNSATISFIABLE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_fetch_content virmo_fetch_content;
#else
typedef uint32_t virmo_fetch_content;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a request for a file comes to.
enum virmo_fetch_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // All that the peer meant to send has come; its framing proves it.
  VIRMO_FETCH_RESULT_COMPLETE = 0,
  // The peer closed the connection, having said nothing about the length.
  VIRMO_FETCH_RESULT_CLOSED = 1,
  // The receiver wants no more, or the request was cancelled.
  VIRMO_FETCH_RESULT_STOPPED = 2,
  // The host has no address, or nobody listens there.
  VIRMO_FETCH_RESULT_UNREACHABLE = 3,
  // The peer stayed silent for too long.
  VIRMO_FETCH_RESULT_TIMED_OUT = 4,
  // The connection broke.
  VIRMO_FETCH_RESULT_INTERRUPTED = 5,
  // The peer answered with the status of `virmo_receiver_status`.
  VIRMO_FETCH_RESULT_STATUS = 6,
  // A redirect that is refused, or one too many.
  VIRMO_FETCH_RESULT_REDIRECT = 7,
  // There is no trusted TLS connection.
  VIRMO_FETCH_RESULT_TLS = 8,
  // No file may come from this host.
  VIRMO_FETCH_RESULT_HOST = 9,
  // The answer breaks the protocol.
  VIRMO_FETCH_RESULT_PROTOCOL = 10,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_fetch_result virmo_fetch_result;
#else
typedef uint32_t virmo_fetch_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a call of the hypervisor comes to.
enum virmo_hypervisor_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It was done.
  VIRMO_HYPERVISOR_RESULT_DONE = 0,
  // It was so before.
  VIRMO_HYPERVISOR_RESULT_ALREADY_DONE = 1,
  // The machine's state does not allow it. Nothing happened.
  VIRMO_HYPERVISOR_RESULT_INVALID_STATE = 2,
  // There is no such machine. Nothing happened.
  VIRMO_HYPERVISOR_RESULT_NOT_FOUND = 3,
  // Another call on this machine has not ended. Nothing happened.
  VIRMO_HYPERVISOR_RESULT_BUSY = 4,
  // This hypervisor cannot do it. Nothing happened.
  VIRMO_HYPERVISOR_RESULT_NOT_SUPPORTED = 5,
  // The RAM cannot be changed while the machine runs. Nothing happened.
  VIRMO_HYPERVISOR_RESULT_LIVE_RAM = 6,
  // The storage cannot be changed while the machine runs. Nothing happened.
  VIRMO_HYPERVISOR_RESULT_LIVE_STORAGE = 7,
  // The CPU share cannot be changed while the machine runs. Nothing happened.
  VIRMO_HYPERVISOR_RESULT_LIVE_CPU = 8,
  // The network share cannot be changed while the machine runs. Nothing happened.
  VIRMO_HYPERVISOR_RESULT_LIVE_NETWORK = 9,
  // There is not enough RAM left.
  VIRMO_HYPERVISOR_RESULT_NO_RAM = 10,
  // There is not enough storage left.
  VIRMO_HYPERVISOR_RESULT_NO_STORAGE = 11,
  // There is not enough CPU time left.
  VIRMO_HYPERVISOR_RESULT_NO_CPU = 12,
  // There is not enough bandwidth left.
  VIRMO_HYPERVISOR_RESULT_NO_NETWORK = 13,
  // The image is missing, damaged or of a type that is not taken.
  VIRMO_HYPERVISOR_RESULT_IMAGE = 14,
  // There was no answer in time; it may have happened, or may still happen.
  VIRMO_HYPERVISOR_RESULT_TIMEOUT = 15,
  // It failed otherwise; it may have happened in part.
  VIRMO_HYPERVISOR_RESULT_FAILED = 16,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_hypervisor_result virmo_hypervisor_result;
#else
typedef uint32_t virmo_hypervisor_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What may be typed.
enum virmo_input
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Anything.
  VIRMO_INPUT_ALPHANUMERIC = 0,
  // Digits, decimal point, sign.
  VIRMO_INPUT_NUMERIC = 1,
  // A date, as DDMMYYYY.
  VIRMO_INPUT_DATE = 2,
  // A time, as hhmmss.
  VIRMO_INPUT_TIME = 3,
  // A telephone number.
  VIRMO_INPUT_PHONE = 4,
  // An IPv4 address.
  VIRMO_INPUT_IP = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_input virmo_input;
#else
typedef uint32_t virmo_input;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a server asks a person.
enum virmo_interaction
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Show the text.
  VIRMO_INTERACTION_DISPLAY = 0,
  // Yes or no.
  VIRMO_INTERACTION_CONFIRM = 1,
  // A text.
  VIRMO_INTERACTION_TEXT_INPUT = 2,
  // One of the choices.
  VIRMO_INTERACTION_SINGLE_CHOICE = 3,
  // Any of the choices.
  VIRMO_INTERACTION_MULTIPLE_CHOICE = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_interaction virmo_interaction;
#else
typedef uint32_t virmo_interaction;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a call of the journal comes to.
enum virmo_journal_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It was done.
  VIRMO_JOURNAL_RESULT_OK = 0,
  // There is no space left.
  VIRMO_JOURNAL_RESULT_FULL = 1,
  // The medium cannot be written.
  VIRMO_JOURNAL_RESULT_READ_ONLY = 2,
  // The stored bytes are damaged.
  VIRMO_JOURNAL_RESULT_CORRUPT = 3,
  // The medium failed in another way.
  VIRMO_JOURNAL_RESULT_IO = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_journal_result virmo_journal_result;
#else
typedef uint32_t virmo_journal_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Whether and how a machine is there.
enum virmo_machine_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // There is no such machine; a half-made one is absent too.
  VIRMO_MACHINE_STATE_ABSENT = 0,
  // It is off.
  VIRMO_MACHINE_STATE_OFF = 1,
  // It is off, for its guest or the hypervisor died.
  VIRMO_MACHINE_STATE_CRASHED = 2,
  // It runs.
  VIRMO_MACHINE_STATE_RUNNING = 3,
  // Its execution is saved durably.
  VIRMO_MACHINE_STATE_SUSPENDED = 4,
  // It is between two states, because a call was cut.
  VIRMO_MACHINE_STATE_UNSETTLED = 5,
  // It cannot be used any more; it can be deleted.
  VIRMO_MACHINE_STATE_BROKEN = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_machine_state virmo_machine_state;
#else
typedef uint32_t virmo_machine_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A number of the configuration. 0 is refused where nothing is said of it.
enum virmo_number
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // How messages are written: 0 in XML (default), 1 in WBXML.
  VIRMO_NUMBER_WBXML = 0,
  // Which text is followed: 0 the approved VirMO 1.0 (default), 1 its draft, which a library without
  // the feature `draft` refuses.
  VIRMO_NUMBER_DRAFT = 1,
  // How often to look whether every machine still is what State says; 0 at the start only.
  // Default 5,000.
  VIRMO_NUMBER_WATCH_MS = 2,
  // How long a primitive may take on the machine. Default 300,000.
  VIRMO_NUMBER_PRIMITIVE_MS = 3,
  // How long an Exec may keep the server waiting before it is answered with 202. Default 30,000.
  VIRMO_NUMBER_EXEC_MS = 4,
  // How long a guest may take to end itself before it is forced; 0 forces it at once. Default
  // 20,000.
  VIRMO_NUMBER_GRACEFUL_MS = 5,
  // How long one try to send a message may wait for its answer. Default 4,000.
  VIRMO_NUMBER_ANSWER_MS = 6,
  // How long a message is tried to be sent, in all. Default 15,000.
  VIRMO_NUMBER_TRANSPORT_MS = 7,
  // The largest message the server may send, in bytes: at least 1,000; a server whose answer does
  // not fit gives none. Default 65,536.
  VIRMO_NUMBER_MAX_MESSAGE_SIZE = 8,
  // The largest object the server may send, in bytes. Default 1,048,576.
  VIRMO_NUMBER_MAX_OBJECT_SIZE = 9,
  // The largest image, in bytes. Default 64 GiB.
  VIRMO_NUMBER_MAX_IMAGE_SIZE = 10,
  // How many images are downloaded at once. Default 4.
  VIRMO_NUMBER_MAX_DOWNLOADS = 11,
  // How many nodes the tree may have. Default 100,000.
  VIRMO_NUMBER_MAX_NODES = 12,
  // How many bytes the values of the tree may have, in all. Default 64 MiB.
  VIRMO_NUMBER_MAX_TREE_BYTES = 13,
  // What becomes of a machine of the device's own, or of the file of an image, that no node stands
  // for, as after the journal was lost: 0 it is told by an event (default), 1 it gets a node too.
  VIRMO_NUMBER_ADOPT = 14,
  // What becomes of the data of a deleted machine: 0 its storage is given back (default), 1 it is
  // overwritten first.
  VIRMO_NUMBER_OVERWRITE = 15,
  // How the CPU shares of all machines have to add up: 0 to at most 100 % (default), 1 to exactly
  // that.
  VIRMO_NUMBER_EXACT_CPU = 16,
  // The highest version of the protocol: 0 DM 1.2 (default), 1 DM 1.3.
  VIRMO_NUMBER_DM13 = 17,
  // How long a person may take for an answer, if the server does not want it sooner. Default
  // 240,000.
  VIRMO_NUMBER_INTERACTION_MS = 18,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_number virmo_number;
#else
typedef uint32_t virmo_number;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a device wants done.
enum virmo_output_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Send `send`, then tell the answer by `virmo_device_receive`, or that there is none by
  // `virmo_device_transport_failed`.
  VIRMO_OUTPUT_KIND_SEND = 0,
  // Run `job` by `virmo_job_run`, then hand it to `virmo_device_complete`. The job is the
  // program's from now on, to be completed or freed.
  VIRMO_OUTPUT_KIND_JOB = 1,
  // Ask the person at the device `question`, then tell the answer by `virmo_device_answer`.
  VIRMO_OUTPUT_KIND_ASK = 2,
  // Take the question with the id `question_id` off the screen: it is over.
  VIRMO_OUTPUT_KIND_WITHDRAW = 3,
  // The session is over: `end`. After one that failed another is asked for only if an alert waits: call
  // `virmo_device_start` after a while.
  VIRMO_OUTPUT_KIND_ENDED = 4,
  // A session is wanted, by the server or because an alert is due: call `virmo_device_start` when
  // it suits.
  VIRMO_OUTPUT_KIND_SESSION_WANTED = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_output_kind virmo_output_kind;
#else
typedef uint32_t virmo_output_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a call of the sink comes to.
enum virmo_sink_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It was done.
  VIRMO_SINK_RESULT_OK = 0,
  // There is no space left.
  VIRMO_SINK_RESULT_NO_SPACE = 1,
  // The medium cannot be written.
  VIRMO_SINK_RESULT_READ_ONLY = 2,
  // There is no such file.
  VIRMO_SINK_RESULT_MISSING = 3,
  // The medium failed in another way.
  VIRMO_SINK_RESULT_IO = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_sink_result virmo_sink_result;
#else
typedef uint32_t virmo_sink_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How a resource of a machine can be changed after its creation.
enum virmo_support
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // At once, also while the machine runs.
  VIRMO_SUPPORT_LIVE = 0,
  // Only while the machine does not run.
  VIRMO_SUPPORT_NOT_RUNNING = 1,
  // Not at all.
  VIRMO_SUPPORT_NONE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum virmo_support virmo_support;
#else
typedef uint32_t virmo_support;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Changes that become durable together or not at all.
typedef struct virmo_batch virmo_batch;

// Says whether a callback is to give up what it is doing.
typedef struct virmo_cancel virmo_cancel;

// What a device is to be. Made by `virmo_config_new`, used by `virmo_device_new`, freed by
// `virmo_config_free`. From any thread, one at a time.
typedef struct virmo_config virmo_config;

// A device: its tree, its objects, the sessions with its server. It opens no connection, reads no
// clock and starts no thread.
//
// From any thread, one at a time: a call while another is under way is VIRMO_STATUS_BUSY.
typedef struct virmo_device virmo_device;

// Work that blocks, to be run on a thread where that is no harm.
typedef struct virmo_job virmo_job;

// Takes the keys of a sink from a callback.
typedef struct virmo_keys virmo_keys;

// Takes what one machine is from a callback.
typedef struct virmo_machine virmo_machine;

// Takes machines from a callback.
typedef struct virmo_machines virmo_machines;

// Takes the peripherals of one machine from a callback.
typedef struct virmo_peripherals virmo_peripherals;

// Takes the answer to a request for a file.
typedef struct virmo_receiver virmo_receiver;

// Takes the records of a space from a callback.
typedef struct virmo_records virmo_records;

// Takes the answer of a person from a callback.
typedef struct virmo_reply virmo_reply;

// Takes one run of bytes from a callback: a record, a path, a reason.
typedef struct virmo_writer virmo_writer;

// What a machine is entitled to.
typedef struct virmo_resources {
  // Memory in bytes.
  uint64_t ram;
  // Storage in bytes.
  uint64_t storage;
  // Share of the CPU, in percent.
  uint8_t cpu;
  // Share of the bandwidth, in percent.
  uint8_t network;
  // All of it as the server wrote it, vendor keys included: `RAM=…&Storage=…&CPU=…&Network=…`.
  // Null where a callback does not set it.
  const char *text;
} virmo_resources;

// What a machine is found to be. Zero it, then set what is known.
typedef struct virmo_observed {
  // A virmo_machine_state.
  uint32_t state;
  // Whether `resources` are known. If not, CurrentConfig stays as it is.
  bool has_resources;
  // What it is entitled to now. If `text` is set, it is what counts. At a start of
  // the client this becomes CurrentConfig, whose vendor keys stay where there are none here.
  struct virmo_resources resources;
  // For VIRMO_MACHINE_STATE_BROKEN: why; may be null.
  const char *reason;
} virmo_observed;

// Something that happened, for logs and screens; nothing depends on it being heard. Texts that do
// not belong to it are null.
typedef struct virmo_event {
  // A virmo_event_kind.
  uint32_t kind;
  // The name of the node below VirMO or VMImgMO.
  const char *node;
  // The VMID or ImgID.
  const char *id;
  // The name of a command or a primitive, the type of an alert.
  const char *name;
  // The address of a command, the source of an alert.
  const char *uri;
  // For people.
  const char *text;
  // The State until now; -1 if there is none.
  int32_t from;
  // The State from now on; -1 if there is none.
  int32_t to;
  // The status of OMA DM; 0 if there is none.
  uint32_t status;
  // Bytes received.
  uint64_t bytes;
  // Bytes in all; UINT64_MAX if that is not known.
  uint64_t total;
  // Why an alert was dropped, for people.
  const char *reason;
  // How often the server refused an alert so far; 0 if it did not.
  uint32_t tries;
  // A job, by `virmo_job_number`; UINT64_MAX if there is none.
  uint64_t job;
} virmo_event;

// What to ask for. Ask for the bytes as they are (no content coding), follow redirects up to a limit
// and never from https to http, give up on a peer that stays silent.
typedef struct virmo_fetch_request {
  // Where the file is: http or https.
  const char *uri;
  // The media types to ask for, separated by commas: Accept.
  const char *accept;
  // The first byte to ask for, if `validator` is not null: Range.
  uint64_t from;
  // If-Range; null to ask for the whole file.
  const char *validator;
  // Thrown when the request is to be given up.
  const struct virmo_cancel *cancel;
} virmo_fetch_request;

// What a machine is made from.
typedef struct virmo_vm_spec {
  // Its identifier: 1 to 64 of the characters A-Z, a-z, 0-9, '-', '_' and '.', beginning with a
  // letter or a digit.
  const char *vm;
  // For people; may be empty.
  const char *description;
  // Where the image is: what `sink_finish` said.
  const char *image;
  // The image's media type.
  const char *media_type;
  // What it is entitled to.
  struct virmo_resources resources;
  // A bootstrap document for a DM client in the guest; null if there is none.
  const uint8_t *bootstrap;
  // How many bytes of it.
  size_t bootstrap_len;
} virmo_vm_spec;

// When a change of each resource takes effect: virmo_effect.
typedef struct virmo_prepared {
  // Of memory.
  uint32_t ram;
  // Of storage.
  uint32_t storage;
  // Of the CPU share.
  uint32_t cpu;
  // Of the network share.
  uint32_t network;
} virmo_prepared;

// A question to the person at the device, or to the user of a VM.
typedef struct virmo_question {
  // What the answer refers to: `virmo_device_answer`. 0 for the user of a VM.
  uint64_t id;
  // A virmo_interaction.
  uint32_t interaction;
  // What to show.
  const char *text;
  // The choices, numbered from 1; null for none.
  const char *const *choices;
  // How many choices.
  size_t choice_count;
  // What the answer is if the person changes nothing; null for nothing.
  const char *default_response;
  // Show it for at least so long; 0 if it does not matter.
  uint64_t min_display_ms;
  // Wait no longer than this; UINT64_MAX if it does not matter.
  uint64_t max_display_ms;
  // At most so many characters; UINT32_MAX if it does not matter.
  uint32_t max_length;
  // A virmo_input: what may be typed.
  uint32_t input;
  // Whether typing is masked.
  bool hidden;
  // The name of the VM's node; null for the person at the device.
  const char *node;
  // The VM; null for the person at the device.
  const char *vm;
} virmo_question;

// What the firmware does for the device.
//
// Zero the whole table, set `size` to its `sizeof`, then the members: what a later header adds stays
// null for an older program, and an older library does not look at it.
//
// Each callback gets the `user_data` of `virmo_device_new` first. What else it gets may be used
// until it returns, and no longer, and from its thread alone. No callback may throw or `longjmp`,
// nor use the device or the job it is called for, nor run any job (that is VIRMO_STATUS_BUSY). A
// result that is none of its enumeration means failure, and so does anything handed over that was
// refused by VIRMO_STATUS_ARGUMENT, whatever the callback returns; but foreign machines and keys of
// a sink that are refused are left out.
//
// Jobs call those marked (job), on the threads `virmo_job_run` is called on, several at a time if
// several threads run jobs; calls on the device call those marked (device). Such as are marked with
// both have to be safe to call from several threads once jobs run on threads of their own.
//
// All are to be set but those marked optional.
typedef struct virmo_callbacks {
  // The size of this table, in bytes.
  size_t size;
  // (job) (device) Milliseconds since any origin; never runs backwards.
  uint64_t (*clock_now)(void *user_data);
  // (job) Returns after this many milliseconds, or soon after `cancel` is thrown.
  void (*clock_wait)(void *user_data, uint64_t milliseconds, const struct virmo_cancel *cancel);
  // (device) Fills a buffer with unpredictable octets; false if there are none. Optional: without
  // it no server can prove itself by a digest.
  bool (*random)(void *user_data, uint8_t *octets, size_t len);
  // (job) (device) Hears of what happened; must not block. Optional.
  void (*event)(void *user_data, const struct virmo_event *event);
  // (job) (device) Makes every change of the batch durable, all or nothing, in this order.
  // Returns a virmo_journal_result; after a failure nothing of the batch is visible, ever.
  uint32_t (*journal_commit)(void *user_data, const struct virmo_batch *batch);
  // (job) (device) Hands the record under a key to `value`, once; not at all if there is none.
  // Returns a virmo_journal_result.
  uint32_t (*journal_read)(void *user_data,
                           const char *space,
                           const uint8_t *key,
                           size_t key_len,
                           struct virmo_writer *value);
  // (job) (device) Adds every record of a space to `records`, in any order. Returns a
  // virmo_journal_result.
  uint32_t (*journal_scan)(void *user_data, const char *space, struct virmo_records *records);
  // (job) Asks for a file, hands its head and then its bytes to `receiver`, and returns a
  // virmo_fetch_result. See `virmo_receiver_head`.
  uint32_t (*fetch)(void *user_data,
                    const struct virmo_fetch_request *request,
                    struct virmo_receiver *receiver);
  // (job) Posts one line as `text/plain`: what came of a download whose descriptor wants to know.
  // Returns a virmo_fetch_result. Optional: without it such downloads fail.
  uint32_t (*fetch_report)(void *user_data,
                           const char *uri,
                           const char *line,
                           const struct virmo_cancel *cancel);
  // (job) Makes sure there is a partial file, empty if it is new, with room for `total` bytes in
  // all; UINT64_MAX is not known. This and the other calls of the sink return a virmo_sink_result.
  // A key is a file name of 1 to 240 of the characters A-Z, a-z, 0-9, '-' and '_'.
  uint32_t (*sink_reserve)(void *user_data, const char *key, uint64_t total);
  // (job) The length of the partial file; VIRMO_SINK_RESULT_MISSING if there is none.
  uint32_t (*sink_len)(void *user_data, const char *key, uint64_t *len);
  // (job) Writes bytes at an offset of the partial file.
  uint32_t (*sink_write)(void *user_data,
                         const char *key,
                         uint64_t offset,
                         const uint8_t *bytes,
                         size_t len);
  // (job) Reads up to `len` bytes at an offset of the partial file, and says how many; none at
  // its end.
  uint32_t (*sink_read)(void *user_data,
                        const char *key,
                        uint64_t offset,
                        uint8_t *buffer,
                        size_t len,
                        size_t *read);
  // (job) Cuts the partial file to at most this length.
  uint32_t (*sink_truncate)(void *user_data, const char *key, uint64_t len);
  // (job) Makes everything written to the partial file durable.
  uint32_t (*sink_sync)(void *user_data, const char *key);
  // (job) Makes the partial file the finished one, atomically and durably, in place of an earlier
  // one, and hands its absolute path to `path`. Without a partial file: the path of the finished
  // one.
  uint32_t (*sink_finish)(void *user_data, const char *key, struct virmo_writer *path);
  // (job) (device) Hands the path of the finished file to `path`; not at all if there is none.
  uint32_t (*sink_location)(void *user_data, const char *key, struct virmo_writer *path);
  // (job) Removes the partial and the finished file, as far as there are any.
  uint32_t (*sink_discard)(void *user_data, const char *key);
  // (device) Adds every key with a partial or a finished file to `keys`.
  uint32_t (*sink_keys)(void *user_data, struct virmo_keys *keys);
  // (job) Adds every machine the hypervisor knows to `machines`. This and the other calls of the
  // hypervisor return a virmo_hypervisor_result and may say more in `reason`. They block until
  // they are done, and can be repeated: what is so already is ALREADY_DONE. Calls for one machine
  // come one after the other, those for several side by side.
  uint32_t (*hypervisor_list)(void *user_data,
                              struct virmo_machines *machines,
                              struct virmo_writer *reason);
  // (job) Hands what a machine is at this moment to `machine`; not at all if it is not there, which
  // is no failure.
  uint32_t (*hypervisor_observe)(void *user_data,
                                 const char *vm,
                                 struct virmo_machine *machine,
                                 struct virmo_writer *reason);
  // (job) Makes the machine, and leaves it off. The image is copied: it may be deleted later.
  // After a failure the machine is absent.
  uint32_t (*hypervisor_create)(void *user_data,
                                const struct virmo_vm_spec *spec,
                                struct virmo_writer *reason);
  // (job) Boots the machine.
  uint32_t (*hypervisor_power_on)(void *user_data, const char *vm, struct virmo_writer *reason);
  // (job) Ends the machine's execution: by asking the guest, which may take `graceful_ms` (then:
  // TIMEOUT), or at once if that is 0.
  uint32_t (*hypervisor_power_off)(void *user_data,
                                   const char *vm,
                                   uint64_t graceful_ms,
                                   struct virmo_writer *reason);
  // (job) Saves the machine's execution durably and frees its RAM and CPU. Optional where
  // `virmo_config_set_capabilities` says so.
  uint32_t (*hypervisor_suspend)(void *user_data, const char *vm, struct virmo_writer *reason);
  // (job) Goes on from what was saved. Optional as `hypervisor_suspend`.
  uint32_t (*hypervisor_resume)(void *user_data, const char *vm, struct virmo_writer *reason);
  // (job) Removes the machine and everything of it, whatever its state, having overwritten its
  // data if `overwrite`.
  uint32_t (*hypervisor_delete)(void *user_data,
                                const char *vm,
                                bool overwrite,
                                struct virmo_writer *reason);
  // (job) Finds out whether the machine can have these resources, and reserves them; nothing of
  // the machine changes. `prepared` comes with every resource unchanged.
  uint32_t (*hypervisor_prepare)(void *user_data,
                                 const char *vm,
                                 const struct virmo_resources *want,
                                 struct virmo_prepared *prepared,
                                 struct virmo_writer *reason);
  // (job) Makes these resources effective and ends their preparation; prepares first if they are
  // not prepared.
  uint32_t (*hypervisor_commit)(void *user_data,
                                const char *vm,
                                const struct virmo_resources *want,
                                struct virmo_writer *reason);
  // (job) Drops what is prepared and makes `before` effective again, whether it was committed or
  // not.
  uint32_t (*hypervisor_undo)(void *user_data,
                              const char *vm,
                              const struct virmo_resources *before,
                              struct virmo_writer *reason);
  // (job) Asks the user of a VM and waits; hands the answer to `reply`. Returns a
  // virmo_hypervisor_result: DONE, or why the user could not be asked. Optional: without it VMs
  // have no `UI`.
  uint32_t (*vm_ask)(void *user_data,
                     const struct virmo_question *question,
                     const struct virmo_cancel *cancel,
                     struct virmo_reply *reply);
  // (job) Sends one message to the guest of a machine, waits `within_ms` for the answer, of at
  // most `max_reply` bytes, and hands it to `reply`. Looks at `cancel` four times a second. Returns
  // a virmo_hypervisor_result. Optional: without it no guest can be managed from here.
  uint32_t (*guest_exchange)(void *user_data,
                             const char *vm,
                             const uint8_t *message,
                             size_t message_len,
                             uint64_t within_ms,
                             size_t max_reply,
                             const struct virmo_cancel *cancel,
                             struct virmo_writer *reply,
                             struct virmo_writer *reason);
  // (job) (device) Keeps the user's input out of a machine without its help, or lets it in again; so it
  // stays over power cycles of machine and device. This and what follows return a
  // virmo_hypervisor_result. Optional, together with the next: without them only a guest can lock
  // itself.
  uint32_t (*hypervisor_set_locked)(void *user_data,
                                    const char *vm,
                                    bool locked,
                                    struct virmo_writer *reason);
  // (job) Says whether the user's input is kept out of a machine. `locked` comes as false.
  uint32_t (*hypervisor_is_locked)(void *user_data,
                                   const char *vm,
                                   bool *locked,
                                   struct virmo_writer *reason);
  // (job) Adds the peripherals a machine could have to `peripherals`. Optional, together with the
  // next: without them no peripheral is switched from outside.
  uint32_t (*hypervisor_peripherals)(void *user_data,
                                     const char *vm,
                                     struct virmo_peripherals *peripherals,
                                     struct virmo_writer *reason);
  // (job) Gives a peripheral to a machine, or takes it away; so it stays over power cycles. Its
  // name is one that `hypervisor_peripherals` has added.
  uint32_t (*hypervisor_set_peripheral)(void *user_data,
                                        const char *vm,
                                        const char *peripheral,
                                        bool enabled,
                                        struct virmo_writer *reason);
  // (job) Lets a machine share data with others that may (files, a clipboard, messages), or keeps
  // it from that; so it stays over power cycles. A new machine may not. Optional, together with
  // the next. Of use to the draft (VIRMO_NUMBER_DRAFT) alone.
  uint32_t (*hypervisor_set_sharing)(void *user_data,
                                     const char *vm,
                                     bool allowed,
                                     struct virmo_writer *reason);
  // (job) Says whether a machine may share data with others. `allowed` comes as false.
  uint32_t (*hypervisor_is_sharing)(void *user_data,
                                    const char *vm,
                                    bool *allowed,
                                    struct virmo_writer *reason);
} virmo_callbacks;

// The moment of a call: time is an argument.
typedef struct virmo_now {
  // Milliseconds since 1970-01-01T00:00:00Z; for time stamps, may jump.
  uint64_t wall_ms;
  // Milliseconds since any origin, that of `clock_now`; for deadlines, never runs backwards.
  uint64_t mono_ms;
} virmo_now;

// A bootstrap document as it came, and what there is to verify it with. Zero it, set `size` to its
// `sizeof`, then what is known; what a later header adds stays zero for an older program.
typedef struct virmo_bootstrap {
  // The size of this structure, in bytes.
  size_t size;
  // Its Content-Type with the parameters SEC and MAC: a DM message, a TNDS document or Client
  // Provisioning, each in WBXML or XML.
  const char *content_type;
  // The document.
  const uint8_t *document;
  // How many bytes of it.
  size_t document_len;
  // The PIN the user was told, digits; null if there is none.
  const char *pin;
  // What the network and the device share, where that is the IMSI: its 6 to 15 digits; else null.
  const char *imsi;
  // What they share else; null if there is nothing.
  const uint8_t *network;
  // How many bytes of it.
  size_t network_len;
  // Whether it may come without a MAC, as it comes from where nobody else writes: a smartcard, the
  // factory, a protected transport.
  bool trusted;
} virmo_bootstrap;

// What the hypervisor can do, and what the device has for machines. Zero it, then set what is so.
//
// A machine that does not fit beside the others is not made (420). One whose server has set no NewConfig
// gets 256 MiB of RAM, 1 GiB of storage, and 10 % of CPU and network each.
typedef struct virmo_capabilities {
  // The hypervisor's name, for events.
  const char *name;
  // The RAM that machines can have, in all, in bytes. At least 1: without it no machine runs.
  uint64_t ram;
  // The storage that machines can have, in all, in bytes. With 0 only machines of `Storage=0` are
  // made.
  uint64_t storage;
  // Whether machines can be suspended and resumed.
  bool suspend;
  // Whether a guest can be asked to end itself.
  bool graceful_power_off;
  // A virmo_support: how the RAM of a machine can be changed.
  uint32_t change_ram;
  // A virmo_support: how its storage can be changed.
  uint32_t change_storage;
  // A virmo_support: how its CPU share can be changed.
  uint32_t change_cpu;
  // A virmo_support: how its network share can be changed.
  uint32_t change_network;
} virmo_capabilities;

// News for the server: a Generic Alert. Zero it, then set what there is.
typedef struct virmo_alert {
  // Its type, such as `Reversed-Domain-Name: com.example.overheated`. Needed, with more than white
  // space in it.
  const char *alert_type;
  // The address of the node concerned, such as `./VirMO/work`; null for none.
  const char *source;
  // How important it is: `fatal`, `critical`, `minor`, `warning`, `informational`, `harmless` or
  // `indeterminate`; null for none, which a server reads as `informational`.
  const char *mark;
  // The content, a text (`chr`). Needed; may be empty.
  const char *data;
} virmo_alert;

// A message to the server, over HTTP: a POST.
typedef struct virmo_request {
  // Where it goes.
  const char *url;
  // Content-Type, and the Accept to send.
  const char *content_type;
  // The body.
  const uint8_t *body;
  // How many bytes of it.
  size_t body_len;
  // The value of the header x-syncml-hmac; null for none.
  const char *hmac;
  // How long to wait for the answer.
  uint64_t timeout_ms;
} virmo_request;

// How a session ended.
typedef struct virmo_session_end {
  // Whether it went to its end as it should.
  bool normal;
  // How, in English.
  const char *text;
} virmo_session_end;

// One thing to be done. What does not belong to its kind is null or 0. It is the device's, and valid
// until the next call with the device.
typedef struct virmo_output {
  // A virmo_output_kind. A later library may want more: let go what is not known.
  uint32_t kind;
  // For VIRMO_OUTPUT_KIND_SEND.
  const struct virmo_request *send;
  // For VIRMO_OUTPUT_KIND_JOB.
  struct virmo_job *job;
  // For VIRMO_OUTPUT_KIND_ASK.
  const struct virmo_question *question;
  // For VIRMO_OUTPUT_KIND_WITHDRAW.
  uint64_t question_id;
  // For VIRMO_OUTPUT_KIND_ENDED.
  const struct virmo_session_end *end;
} virmo_output;

// What is known before the first byte. Zero it, then set what is known.
typedef struct virmo_fetch_head {
  // A virmo_fetch_content.
  uint32_t content;
  // The offset of the first byte, for VIRMO_FETCH_CONTENT_PART.
  uint64_t first;
  // The length of the whole file; UINT64_MAX if the peer did not say.
  uint64_t total;
  // Content-Type as it came; null if there is none.
  const char *media_type;
  // A strong ETag with its quotes, or Last-Modified; null if there is neither, or if the peer does
  // not serve parts.
  const char *validator;
} virmo_fetch_head;

// One change of a batch.
typedef struct virmo_operation {
  // Where: the name of a space, a word of letters, digits and '-'.
  const char *space;
  // The key within the space: any bytes, few as a rule; but it may be an address of the tree, of up to
  // 1,024, or what the server calls itself.
  const uint8_t *key;
  // How many bytes of key.
  size_t key_len;
  // Whether the record is set; otherwise it is removed, if there is one.
  bool is_put;
  // The whole record, never empty; null if it is removed. It may be somewhat larger than the largest
  // value, VIRMO_NUMBER_MAX_OBJECT_SIZE.
  const uint8_t *value;
  // How many bytes of value.
  size_t value_len;
} virmo_operation;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Hands bytes over; a later call replaces an earlier one. A path and a reason are UTF-8, without the
// NUL at the end: `strlen`, not `sizeof`.
//
// # Safety
// `writer` is that of the callback under way; `data` points to `len` bytes, or `len` is 0.
virmo_status virmo_writer_set(struct virmo_writer *writer,
                              const uint8_t *data,
                              size_t len);

// Adds a key.
//
// # Safety
// `keys` is that of the callback under way; `key` is a NUL-terminated string.
virmo_status virmo_keys_add(struct virmo_keys *keys, const char *key);

// Adds a machine. One that was made by `hypervisor_create` is added by its identifier with `owned`;
// any other by a name for people, and is left alone.
//
// # Safety
// `machines` is that of the callback under way; `name` is a NUL-terminated string; `observed` and
// what it points to can be read.
virmo_status virmo_machines_add(struct virmo_machines *machines,
                                const char *name,
                                bool owned,
                                const struct virmo_observed *observed);

// Tells what a machine is; a later call replaces an earlier one.
//
// # Safety
// `machine` is that of the callback under way; `observed` and what it points to can be read.
virmo_status virmo_machine_set(struct virmo_machine *machine,
                               const struct virmo_observed *observed);

// Hands the answer over: a virmo_answer, with a text or with the numbers of choices where it is one
// of those.
//
// # Safety
// `reply` is that of the callback under way; `text` is null or a NUL-terminated string; `choices`
// points to `choice_count` numbers, or that is 0.
virmo_status virmo_reply_set(struct virmo_reply *reply,
                             uint32_t answer,
                             const char *text,
                             const uint32_t *choices,
                             size_t choice_count);

// Takes in a bootstrap document: the accounts it brings are in the journal on return, or nothing of
// it is. A device whose `virmo_config_new` was given no address finds its server there.
//
// To be called before a device is made, with what that would be made of; no device made from this
// journal may be alive. A document can be taken in again, and replaces what became of its accounts.
//
// VIRMO_STATUS_ARGUMENT: it is no bootstrap document by its Content-Type, or something else is
// missing or wrong. VIRMO_STATUS_UNPROVEN: its MAC is wrong, so the PIN is, or the document: it may be
// tried three times, which are counted in the journal. VIRMO_STATUS_REFUSED: it was tried too often,
// is not protected or by what is not known here, cannot be read, or does not fit the device; or the
// library is one without the feature `bootstrap`.
// VIRMO_STATUS_JOURNAL: the journal failed or cannot be read. `virmo_config_error` says more.
//
// # Safety
// `config` and `callbacks` as for `virmo_device_new`; `bootstrap` is null or points to `size` bytes
// that can be read, as can what it points to.
virmo_status virmo_config_bootstrap(struct virmo_config *config,
                                    const struct virmo_callbacks *callbacks,
                                    void *user_data,
                                    struct virmo_now now,
                                    const struct virmo_bootstrap *bootstrap);

// A configuration for the server with this identifier at this address: null if an argument is
// wrong. What a server calls itself is what its access control lists say. Its address is an absolute
// URI, of any scheme the program sends by; more is not looked at here.
//
// Without an address (null), address and proofs are those of the account with this server in the
// journal, which `virmo_config_bootstrap` brings; and without an identifier too, those of the only
// account there. Without an address `virmo_device_new` answers VIRMO_STATUS_NOT_FOUND while there is no
// account.
//
// # Safety
// Both are null or NUL-terminated strings.
struct virmo_config *virmo_config_new(const char *server_id,
                                      const char *server_url);

// What the device is: DevInfo and DevDetail. Needed; each is to have at least one character. The
// identifier is one that no other device has, as a URN such as `IMEI:490154203237518`; the language a tag
// such as `en-US`.
//
// # Safety
// `config` is null or alive; the others are null or NUL-terminated strings.
virmo_status virmo_config_set_device(struct virmo_config *config,
                                     const char *device_id,
                                     const char *manufacturer,
                                     const char *model,
                                     const char *firmware_version,
                                     const char *language);

// What the hypervisor can do, and what the device has. Needed.
//
// # Safety
// `config` is null or alive; `capabilities` is null or can be read, as can its name.
virmo_status virmo_config_set_capabilities(struct virmo_config *config,
                                           const struct virmo_capabilities *capabilities);

// Sets a virmo_number.
//
// # Safety
// `config` is null or alive.
virmo_status virmo_config_set_number(struct virmo_config *config, uint32_t number, uint64_t value);

// Gives an alert, as a virmo_alert_type, its type: one of the vendor's own, such as
// `Reversed-Domain-Name: com.example.result`, with more than white space in it. Default: none, and it
// is not sent, as the specification registers no type for it; a server that reads State knows as much.
//
// # Safety
// `config` is null or alive; `type_name` is null or a NUL-terminated string.
virmo_status virmo_config_set_alert_type(struct virmo_config *config,
                                         uint32_t alert,
                                         const char *type_name);

// What the device proves itself by, as a virmo_auth. Default: nothing. This, or
// `virmo_config_set_server_auth`, takes the place of all that an account says.
//
// # Safety
// `config` is null or alive; the others are null or NUL-terminated strings.
virmo_status virmo_config_set_client_auth(struct virmo_config *config,
                                          uint32_t auth,
                                          const char *name,
                                          const char *password);

// What the server has to prove itself by, as a virmo_auth; it signs notifications with the same
// password. Default: nothing, so the transport has to, and no notification is taken.
//
// # Safety
// `config` is null or alive; the others are null or NUL-terminated strings.
virmo_status virmo_config_set_server_auth(struct virmo_config *config,
                                          uint32_t auth,
                                          const char *name,
                                          const char *password);

// Whom the transport has to have authenticated as the server, in the words of the transport: for TLS
// the server's certificate in DER. Each answer is compared with it, octet by octet, by what
// `virmo_device_receive` is told. Default: nobody. With `virmo_config_set_server_auth` too, either proof
// will do.
//
// # Safety
// `config` is null or alive; `identity` points to `len` bytes, or `len` is 0.
virmo_status virmo_config_set_server_identity(struct virmo_config *config,
                                              const uint8_t *identity,
                                              size_t len);

// The password notifications are signed with, where the server proves itself without one. Default:
// that of `virmo_config_set_server_auth`, or of the account.
//
// # Safety
// `config` is null or alive; `password` is null or a NUL-terminated string.
virmo_status virmo_config_set_notification_password(struct virmo_config *config,
                                                    const char *password);

// Why the last call with this configuration failed that did, `virmo_device_new` included; in English,
// never null. Valid until the next call with it.
//
// # Safety
// `config` is null or alive.
const char *virmo_config_error(const struct virmo_config *config);

// Frees a configuration; devices made from it stay. Null is allowed.
// VIRMO_STATUS_BUSY: a call is under way, as in a callback of `virmo_device_new`; it is not freed.
//
// # Safety
// `config` is null or alive, and not used again if this succeeds.
virmo_status virmo_config_free(struct virmo_config *config);

// Makes a device, and takes up what the last run left open in the journal, which is for one device at a
// time: each keeps in memory what it has written there.
//
// The configuration and the table are copied. `user_data` is handed to every callback; what it
// points to has to live until the device is freed and every job of it completed or freed, and to be
// safe to use from all threads that run jobs.
//
// VIRMO_STATUS_ARGUMENT: something is missing, `virmo_config_error` says what.
// VIRMO_STATUS_JOURNAL: the journal failed or cannot be read. VIRMO_STATUS_REFUSED: an object did
// not start. VIRMO_STATUS_NOT_FOUND: no account says who the server is. `device` is null then.
//
// # Safety
// `config` is null or alive; `callbacks` is null or points to a table of `size` bytes, whose members
// are null or functions of their types; `device` is null or can be written.
virmo_status virmo_device_new(struct virmo_config *config,
                              const struct virmo_callbacks *callbacks,
                              void *user_data,
                              struct virmo_now now,
                              struct virmo_device **device);

// Opens a session: the one a notification asks for, else one of the device's own.
// VIRMO_STATUS_MISUSE: one is open already.
//
// # Safety
// `device` is null or alive.
virmo_status virmo_device_start(struct virmo_device *device, struct virmo_now now);

// The server's answer to the last message: its Content-Type, its body, the header x-syncml-hmac
// (null if there is none), and whom the transport has authenticated as the server, as
// `virmo_config_set_server_identity` says (null if nobody, or if nobody wants to know). The bytes are
// not needed afterwards.
// VIRMO_STATUS_ARGUMENT: it is no message, by its Content-Type; what is awaited is still so.
// VIRMO_STATUS_MISUSE: no answer is awaited.
//
// # Safety
// `device` is null or alive; `content_type` and `hmac` are null or NUL-terminated strings; `body`
// points to `body_len` bytes and `identity` to `identity_len`, or that is 0.
virmo_status virmo_device_receive(struct virmo_device *device,
                                  struct virmo_now now,
                                  const char *content_type,
                                  const uint8_t *body,
                                  size_t body_len,
                                  const char *hmac,
                                  const uint8_t *identity,
                                  size_t identity_len);

// The last message got no answer. `refused`: the transport answered, but not with a message; the
// session ends. Else the message is sent again.
// VIRMO_STATUS_MISUSE: no answer is awaited.
//
// # Safety
// `device` is null or alive.
virmo_status virmo_device_transport_failed(struct virmo_device *device,
                                           struct virmo_now now,
                                           bool refused);

// A job ended; it is freed. One that was not run, or whose run panicked, counts as lost: what it was
// for has failed.
// VIRMO_STATUS_BUSY: it is being run. VIRMO_STATUS_MISUSE: it is a job of another device. After these
// and every other failure it is not freed.
//
// # Safety
// `device` is null or alive; `job` is null or alive, and not used again if this succeeds.
virmo_status virmo_device_complete(struct virmo_device *device,
                                   struct virmo_now now,
                                   struct virmo_job *job);

// The answer to a question, as `virmo_reply_set` takes it. Without effect when the question is over.
// VIRMO_STATUS_MISUSE: it does not fit the question, which stays open.
//
// # Safety
// `device` is null or alive; `text` is null or a NUL-terminated string; `choices` points to
// `choice_count` numbers, or that is 0.
virmo_status virmo_device_answer(struct virmo_device *device,
                                 struct virmo_now now,
                                 uint64_t question,
                                 uint32_t answer,
                                 const char *text,
                                 const uint32_t *choices,
                                 size_t choice_count);

// A notification, package 0, from whomever: it is verified, and taken once. One that counts becomes
// VIRMO_OUTPUT_KIND_SESSION_WANTED. Of a WAP push it is the content, without the headers of SMS and of
// the push; of a POST the body.
//
// # Safety
// `device` is null or alive; `bytes` points to `len` bytes, or `len` is 0.
virmo_status virmo_device_notify(struct virmo_device *device,
                                 struct virmo_now now,
                                 const uint8_t *bytes,
                                 size_t len);

// A machine may have changed without being asked to: its guest ended, it died, somebody else had a
// hand in it. The device looks soon instead of after VIRMO_NUMBER_WATCH_MS; it does not if that is 0.
// From any thread, while other calls are under way too, and in callbacks of the device.
//
// # Safety
// `device` is null or alive.
virmo_status virmo_device_look_at_machines(const struct virmo_device *device);

// Unlocks the VM at the node of this name, for its user, as the server may have allowed on a device of
// the draft. That somebody is the user is for the program to know. Calls `hypervisor_set_locked` on this
// thread, and waits for no job. The tree follows soon, by a look of the device at its machines as after
// `virmo_device_look_at_machines`; if VIRMO_NUMBER_WATCH_MS is 0, at the next start.
//
// VIRMO_STATUS_REFUSED: the server did not allow it, there is no such VM, the hypervisor did not do it,
// or the library is one without the feature `draft`. VIRMO_STATUS_BUSY: a job uses the machine. It is as locked as before.
//
// # Safety
// `device` is null or alive; `node` is null or a NUL-terminated string.
virmo_status virmo_device_unlock(struct virmo_device *device,
                                 const char *node);

// Queues an alert: it is durable, and kept until the server has it.
// VIRMO_STATUS_ARGUMENT: it is not as `virmo_alert` says; nothing happened.
// VIRMO_STATUS_JOURNAL: the journal failed. VIRMO_STATUS_REFUSED: the queue is full. The alert is
// dropped then, and VIRMO_EVENT_KIND_ALERT_DROPPED follows.
//
// # Safety
// `device` is null or alive; `alert` is null or can be read, as can its strings.
virmo_status virmo_device_queue_alert(struct virmo_device *device,
                                      struct virmo_now now,
                                      const struct virmo_alert *alert);

// The moment of `virmo_device_deadline` has come. Harmless when it has not.
//
// # Safety
// `device` is null or alive.
virmo_status virmo_device_tick(struct virmo_device *device, struct virmo_now now);

// Ends the session as soon as it is the device's turn. Without effect when none is open.
//
// # Safety
// `device` is null or alive.
virmo_status virmo_device_abort(struct virmo_device *device, struct virmo_now now);

// The next thing to be done; `output` becomes null when there is nothing more. To be called after
// every call that takes a `virmo_now`, until there is nothing more. See `virmo_output`.
//
// # Safety
// `device` is null or alive; `output` is null or can be written.
virmo_status virmo_device_poll(struct virmo_device *device, const struct virmo_output **output);

// When to call `virmo_device_tick` if nothing else happens before: milliseconds on the clock of
// `virmo_now.mono_ms`, UINT64_MAX for never.
//
// # Safety
// `device` is null or alive; `mono_ms` is null or can be written.
virmo_status virmo_device_deadline(struct virmo_device *device, uint64_t *mono_ms);

// Whether nothing is left to do: no session, no job that is no background job, no alert in the
// queue, no notification whose session was not opened, nothing to be polled.
//
// # Safety
// `device` is null or alive; `idle` is null or can be written.
virmo_status virmo_device_is_idle(struct virmo_device *device, bool *idle);

// Copies the value of a leaf into a buffer, as it is, without a NUL behind it, and says how many bytes
// it has.
// VIRMO_STATUS_NOT_FOUND: there is no such leaf, or it has no value. VIRMO_STATUS_TOO_SMALL: the
// buffer is; `len` says what it takes, nothing is copied.
//
// # Safety
// `device` is null or alive; `uri` is null or a NUL-terminated string; `buffer` can be written for
// `capacity` bytes, or that is 0; `len` is null or can be written.
virmo_status virmo_device_read(struct virmo_device *device,
                               const char *uri,
                               uint8_t *buffer,
                               size_t capacity,
                               size_t *len);

// Why the last call with this device failed that did; in English, never null. Valid until the next
// call with it.
//
// # Safety
// `device` is null or alive.
const char *virmo_device_error(const struct virmo_device *device);

// Frees a device. What it promised the server is in the journal. Downloads and background jobs end
// soon; jobs stay the program's, to be freed. Null is allowed.
// VIRMO_STATUS_BUSY: a call is under way, as in a callback; it is not freed.
//
// # Safety
// `device` is null or alive, and not used again if this succeeds.
virmo_status virmo_device_free(struct virmo_device *device);

// What this library has: the sum of its virmo_feature. A later library may have more of them. From any
// thread.
uint32_t virmo_features(void);

// Tells the head of an answer, once and before any byte. False: end the request.
//
// # Safety
// `receiver` is that of the callback under way; `head` can be read, as can the NUL-terminated
// strings in it.
bool virmo_receiver_head(struct virmo_receiver *receiver, const struct virmo_fetch_head *head);

// Hands over the next bytes. False: end the request.
//
// # Safety
// `receiver` is that of the callback under way; `bytes` points to `len` bytes, or `len` is 0.
bool virmo_receiver_bytes(struct virmo_receiver *receiver, const uint8_t *bytes, size_t len);

// Tells the HTTP status of an answer that brings no file, and after how many milliseconds the peer
// wants to be asked again (UINT64_MAX if it did not say); return VIRMO_FETCH_RESULT_STATUS then.
//
// # Safety
// `receiver` is null or that of the callback under way.
void virmo_receiver_status(struct virmo_receiver *receiver,
                           uint16_t status,
                           uint64_t retry_after_ms);

// The number of a job, of which its device gives out each once; UINT64_MAX if there is no job. From
// any thread.
//
// # Safety
// `job` is null or a live job.
uint64_t virmo_job_number(const struct virmo_job *job);

// The lane of a job: jobs of one lane run one after the other, in the order they came; lanes may run
// side by side. Lives as long as the job. From any thread.
//
// # Safety
// `job` is null or a live job.
const char *virmo_job_lane(const struct virmo_job *job);

// What a job is about, for people. Lives as long as the job. From any thread.
//
// # Safety
// `job` is null or a live job.
const char *virmo_job_label(const struct virmo_job *job);

// Whether a job waits for news rather than working. It takes a thread of its own for as long as
// VIRMO_NUMBER_WATCH_MS says, or until the device is freed, is completed as every other, and comes
// again. There is none if that number is 0, so that a program may run every job on its only thread.
//
// # Safety
// `job` is null or a live job.
bool virmo_job_is_background(const struct virmo_job *job);

// Does the work, on this thread; returns when it is done. From any thread; once; not from a callback,
// as the work may wait for what waits for the callback. Calls callbacks marked (job). The device may
// be used, or freed, meanwhile.
//
// VIRMO_STATUS_BUSY: this thread is in a callback, or the job is being run; nothing happened.
//
// VIRMO_STATUS_PANIC: the work is lost; tell the device, by `virmo_device_complete`.
//
// # Safety
// `job` is null or a live job; what `user_data` of its device points to is alive.
virmo_status virmo_job_run(struct virmo_job *job);

// Frees a job that is not handed to `virmo_device_complete`, as when its device is freed. Null is
// allowed. VIRMO_STATUS_BUSY: it is being run, and is not freed.
//
// # Safety
// `job` is null or a live job, and not used again if this succeeds.
virmo_status virmo_job_free(struct virmo_job *job);

// How many changes a batch has.
//
// # Safety
// `batch` is null or that of the callback under way.
size_t virmo_batch_len(const struct virmo_batch *batch);

// Shows the change at an index from 0. What it points to lives until the callback returns.
//
// # Safety
// `batch` is null or that of the callback under way; `operation` is null or can be written.
virmo_status virmo_batch_at(const struct virmo_batch *batch,
                            size_t index,
                            struct virmo_operation *operation);

// Adds a record.
//
// # Safety
// `records` is that of the callback under way; `key` and `value` point to as many bytes as said.
virmo_status virmo_records_add(struct virmo_records *records,
                               const uint8_t *key,
                               size_t key_len,
                               const uint8_t *value,
                               size_t value_len);

// Adds a peripheral: its name, such as `usb` or `camera`, and whether the machine has it now.
//
// # Safety
// `peripherals` is that of the callback under way; `name` is a NUL-terminated string.
virmo_status virmo_peripherals_add(struct virmo_peripherals *peripherals,
                                   const char *name,
                                   bool enabled);

// Whether a callback is to give up what it is doing. From the thread of the callback, until it
// returns.
//
// # Safety
// `cancel` is null or that of a callback under way.
bool virmo_cancel_is_thrown(const struct virmo_cancel *cancel);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VIRMO_H */
