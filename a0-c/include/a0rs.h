/*
 * AlephZero for C: message passing between the programs of one machine, without a broker.
 *
 * What holds for all functions:
 *
 * - Topics are files below A0_ROOT (environment; /dev/shm/alephzero if it is not set). The topic name is all that two
 *   programs share.
 * - Functions that can fail return an a0rs_error, and a0rs_error_message() says more. No panic leaves the library.
 * - Names, header keys and values are C strings in UTF-8. Payloads are any bytes; where there are none, null will do.
 * - Pointers that are null without need, texts that are no UTF-8 and unknown numbers are errors. Beyond that, a pointer
 *   must lead to what its type says, for as long as the call takes.
 * - A handle is made by a function that ends in _create, which sets *out to null if it fails, and is freed by the one that
 *   ends in _destroy, once, when nobody else uses it any more. In between any thread may use it.
 * - Callbacks run on a thread of the library, with nothing locked, unless their function says otherwise. They must
 *   neither throw nor longjmp. What they are given is valid until they return, unless it is said to be theirs.
 * - `user` is passed on to the callback; `free_user`, which may be null, is called with it exactly once, when the
 *   callback will not run any more, or the function fails.
 * - Times are in milliseconds; a negative timeout is as long as it takes.
 * - After fork(), handles made before can be destroyed on both sides, also by exit(). Publishers, loggers, configurations,
 *   deadmen, calls that are waited for, and subscribers that are asked serve both. What has a thread serves the parent:
 *   its callbacks do not run in the child, and whatever needs it there gives A0RS_ERROR_FORKED. New handles have it all.
 */

#ifndef A0RS_H
#define A0RS_H

/* Generated from a0-c/src by `A0RS_BLESS=1 cargo test -p a0-c --test header`. Do not edit. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Flag: a new file takes space only as it is written to. When the filesystem is full then, programs that use the
// file die of SIGBUS.
#define A0RS_FILE_NO_RESERVE 1

// Flag: a missing file is not created.
#define A0RS_FILE_NO_CREATE 2

// Flag: when the file is removed, that is an error (A0RS_ERROR_REMOVED), where otherwise publishers, loggers, configurations
// and deadmen go on with the file that has the name then, and create it if need be.
#define A0RS_FILE_NO_REOPEN 4

// Every protocol.
#define A0RS_PROTOCOL_ALL 63

// What became of a call. Everything but A0RS_OK and A0RS_AGAIN is a failure; a0rs_error_message() says more about it.
typedef enum {
  // It worked.
  A0RS_OK = 0,
  // No failure: there is nothing yet, or somebody else has it; ask again later. Leaves no message.
  A0RS_AGAIN = 1,
  // An argument that cannot be used: null, not UTF-8, an unknown number.
  A0RS_ERROR_ARGUMENT = 2,
  // The handle is being used, by another thread or by the call that runs this callback, and is not for two at once.
  A0RS_ERROR_BUSY = 3,
  // The name of a topic, or a pattern, that cannot be used.
  A0RS_ERROR_NAME = 4,
  // An environment variable that cannot be used, such as A0_ROOT.
  A0RS_ERROR_ENVIRONMENT = 5,
  // The file does not exist, and was not to be created.
  A0RS_ERROR_NOT_FOUND = 6,
  // This user may not do that.
  A0RS_ERROR_PERMISSION = 7,
  // The file could not be opened, created or removed.
  A0RS_ERROR_FILE = 8,
  // The file holds what no sound program writes, or is no topic.
  A0RS_ERROR_CORRUPT = 9,
  // The topic's lock is not to be had.
  A0RS_ERROR_LOCK = 10,
  // The topic was opened for reading only.
  A0RS_ERROR_READ_ONLY = 11,
  // The message is larger than the topic's arena.
  A0RS_ERROR_TOO_LARGE = 12,
  // Anything else about the topic's memory.
  A0RS_ERROR_TOPIC = 13,
  // The topic was removed while it was open: open it again.
  A0RS_ERROR_REMOVED = 14,
  // A message that somebody else wrote is no packet; it was skipped.
  A0RS_ERROR_BAD_MESSAGE = 15,
  // A packet that cannot be written.
  A0RS_ERROR_BAD_PACKET = 16,
  // A configuration or a patch that is no JSON.
  A0RS_ERROR_CONFIG = 17,
  // Nothing came in time.
  A0RS_ERROR_TIMEOUT = 18,
  // Another thread has ended this wait.
  A0RS_ERROR_INTERRUPTED = 19,
  // The server is gone; whether it has acted on the call is unknown.
  A0RS_ERROR_SERVER_GONE = 20,
  // The request was overwritten, perhaps before a server has seen it.
  A0RS_ERROR_REQUEST_LOST = 21,
  // The answer may have been overwritten before it was read.
  A0RS_ERROR_REPLY_LOST = 22,
  // Somebody has cancelled the call.
  A0RS_ERROR_CANCELLED = 23,
  // The server says that it cannot answer.
  A0RS_ERROR_REMOTE = 24,
  // The deadman was not taken through this handle.
  A0RS_ERROR_NOT_OWNER = 25,
  // The operating system refused a thread or a file descriptor.
  A0RS_ERROR_SYSTEM = 26,
  // A fault in this library.
  A0RS_ERROR_PANIC = 27,
  // The message was overwritten while it was looked at in place: nothing that was learnt of it counts.
  A0RS_ERROR_OVERWRITTEN = 28,
  // An error that is newer than this list.
  A0RS_ERROR_OTHER = 29,
  // Made before a fork, it serves the parent process: make another one in this one.
  A0RS_ERROR_FORKED = 30,
} a0rs_error;

// What to do with a topic.
typedef enum {
  // Read and write beside others.
  A0RS_ACCESS_SHARED = 0,
  // Read and write alone: while it is open, nobody else can open the file but to read, not this program either.
  A0RS_ACCESS_EXCLUSIVE = 1,
  // Only read, beside others. Never creates the file.
  A0RS_ACCESS_READ_ONLY = 2,
} a0rs_access;

// Where a reader starts.
typedef enum {
  // With the first message that comes after it was made.
  A0RS_INIT_AWAIT_NEW = 0,
  // With the message that is the newest when it is made.
  A0RS_INIT_MOST_RECENT = 1,
  // With the oldest message that is still there.
  A0RS_INIT_OLDEST = 2,
} a0rs_init;

// How a reader goes on.
typedef enum {
  // With the next message.
  A0RS_ITER_NEXT = 0,
  // With the newest message, passing over those in between.
  A0RS_ITER_NEWEST = 1,
} a0rs_iter;

// How a message that is not there yet is waited for.
typedef enum {
  // Looking for a few microseconds, then sleeping.
  A0RS_WAIT_DEFAULT = 0,
  // Looking until it comes, without ever sleeping. For a thread that has a core of its own.
  A0RS_WAIT_SPIN = 1,
  // Looking for `spin_us`, then sleeping.
  A0RS_WAIT_SPIN_THEN_SLEEP = 2,
  // Sleeping at once.
  A0RS_WAIT_SLEEP = 3,
} a0rs_wait;

// Which requests a server takes first.
typedef enum {
  // Those that come after it was made.
  A0RS_SERVER_AWAIT_NEW = 0,
  // Those that are still in the topic with neither an answer nor a cancel, oldest first; then new ones.
  A0RS_SERVER_OLDEST_UNANSWERED = 1,
} a0rs_server_start;

// How serious a log message is.
typedef enum {
  // The program, or more than that, cannot go on.
  A0RS_LEVEL_CRIT = 0,
  // Something failed.
  A0RS_LEVEL_ERR = 1,
  // Something may be wrong.
  A0RS_LEVEL_WARN = 2,
  // Worth knowing.
  A0RS_LEVEL_INFO = 3,
  // Helps to find faults.
  A0RS_LEVEL_DBG = 4,
  // A level that somebody else has made up. A listener that asks for this one gets everything that has a level.
  A0RS_LEVEL_UNKNOWN = 5,
} a0rs_level;

// What a topic is used for. Numbers that can be added, to ask for several.
typedef enum {
  // Publishers and subscribers.
  A0RS_PROTOCOL_PUBSUB = 1,
  // Request and response.
  A0RS_PROTOCOL_RPC = 2,
  // Request and a stream of responses.
  A0RS_PROTOCOL_PRPC = 4,
  // Configuration.
  A0RS_PROTOCOL_CFG = 8,
  // Log messages.
  A0RS_PROTOCOL_LOG = 16,
  // Liveness.
  A0RS_PROTOCOL_DEADMAN = 32,
} a0rs_protocol;

// A configuration: a topic whose newest message is what counts. For any number of threads.
typedef struct a0rs_cfg a0rs_cfg;

// Calls back for each new configuration, on a thread of its own.
typedef struct a0rs_cfg_watcher a0rs_cfg_watcher;

// A sign of life: one handle at a time takes it, and has it until it releases it, is destroyed, or its program dies.
// For any number of threads.
typedef struct a0rs_deadman a0rs_deadman;

// Calls back for every topic that is there, comes, or goes, on a thread of its own.
typedef struct a0rs_discovery a0rs_discovery;

// Room for a payload in the topic itself, for the thread that has asked for it, and no other.
//
// The pointer to it is good until the loan is committed or dropped, or that thread ends: then the system hands the topic's
// lock on, and the room is others'.
//
// The topic is locked until it is committed or dropped: whoever else wants to publish there waits. Nobody sees
// anything of a loan before it is committed, and nobody ever does if it is dropped instead, or the program dies.
typedef struct a0rs_loan a0rs_loan;

// Calls back for the log messages of a topic, on a thread of its own.
typedef struct a0rs_log_listener a0rs_log_listener;

// Writes log messages. For any number of threads.
typedef struct a0rs_logger a0rs_logger;

// A received packet that owns its content.
typedef struct a0rs_owned_packet a0rs_owned_packet;

// Opens connections. For any number of threads.
typedef struct a0rs_prpc_client a0rs_prpc_client;

// A connection to be answered, by any thread, at any time, also after the server was destroyed.
typedef struct a0rs_prpc_connection a0rs_prpc_connection;

// Answers connections, on a thread of its own.
typedef struct a0rs_prpc_server a0rs_prpc_server;

// The answers of a connection. For one thread at a time; A0RS_ERROR_BUSY for others. Keeps its client alive.
typedef struct a0rs_prpc_stream a0rs_prpc_stream;

// Publishes messages on a topic. For any number of threads.
typedef struct a0rs_publisher a0rs_publisher;

// Sends requests. For any number of threads.
typedef struct a0rs_rpc_client a0rs_rpc_client;

// A request to be answered, by any thread, at any time, also after the server was destroyed.
typedef struct a0rs_rpc_request a0rs_rpc_request;

// Answers requests, on a thread of its own.
typedef struct a0rs_rpc_server a0rs_rpc_server;

// Calls back for every message of a topic, on a thread of its own. For any number of threads.
typedef struct a0rs_subscriber a0rs_subscriber;

// Reads a topic when asked to. For one thread at a time; A0RS_ERROR_BUSY for others.
typedef struct a0rs_subscriber_sync a0rs_subscriber_sync;

// Like a0rs_subscriber_sync, but shows messages where they lie, without copying them, with the topic locked. For one
// thread at a time; A0RS_ERROR_BUSY for others.
//
// While a callback looks, nobody can publish on the topic, and publishing on it from inside the callback fails with
// A0RS_ERROR_LOCK; other readers are not held up. For large messages that are looked at briefly, on topics whose
// publishers keep to the protocol: whoever can write to the file can change what is being looked at. Files that are
// opened read-only cannot be locked.
typedef struct a0rs_subscriber_sync_zero_copy a0rs_subscriber_sync_zero_copy;

// Like a0rs_subscriber, but calls back with the topic locked, as a0rs_subscriber_sync_zero_copy does. For any number of
// threads.
typedef struct a0rs_subscriber_zero_copy a0rs_subscriber_zero_copy;

// A message in the topic itself, which is not locked: a publisher may need the room of its payload at any moment.
//
// So there is no pointer to the payload, only copies of parts of it, and whatever is learnt of them counts only if the
// read that gave the view gives A0RS_OK. Until then they can be anything: use them to compute, not to decide what
// cannot be undone.
typedef struct a0rs_view a0rs_view;

// The name of a packet, a request or a connection: a C string.
typedef struct {
  // 36 bytes and a NUL.
  char text[37];
} a0rs_id;

// A header: two C strings in UTF-8. Keys that start with a0_ belong to AlephZero.
typedef struct {
  // The key, which may repeat.
  const char *key;
  // The value.
  const char *value;
} a0rs_header;

// Bytes.
typedef struct {
  // Never null.
  const uint8_t *data;
  // How many.
  size_t len;
} a0rs_bytes;

// A packet that was received.
typedef struct {
  // Its id, which no other packet has.
  a0rs_id id;
  // Its headers, in order, those of AlephZero included.
  const a0rs_header *headers;
  // How many headers.
  size_t headers_len;
  // Its payload.
  a0rs_bytes payload;
} a0rs_packet;

// How to open a topic's file, and how to create it if it is missing. Fields that are 0 have the value that is said
// here, so `a0rs_file_options options = {0}` is a good start. An existing file keeps its size and its permissions.
typedef struct {
  // Bytes of a new file: 16 MiB.
  uint64_t size;
  // Permissions of a new file: 0666, whatever the umask.
  uint32_t mode;
  // What to do with it, an a0rs_access: A0RS_ACCESS_SHARED.
  uint32_t access;
  // Any of A0RS_FILE_NO_RESERVE, A0RS_FILE_NO_CREATE, A0RS_FILE_NO_REOPEN, added up.
  uint32_t flags;
  // How long the topic's lock is waited for, in milliseconds: 10 000.
  uint32_t lock_timeout_ms;
} a0rs_file_options;

// What became of a packet.
typedef struct {
  // The packet's id.
  a0rs_id id;
  // Its sequence number in the topic.
  uint64_t seq;
} a0rs_published;

// Options of a reader. All 0 is a good start.
typedef struct {
  // Where it starts, an a0rs_init: A0RS_INIT_AWAIT_NEW.
  uint32_t init;
  // How it goes on, an a0rs_iter: A0RS_ITER_NEXT.
  uint32_t iter;
  // How it waits, an a0rs_wait: A0RS_WAIT_DEFAULT.
  uint32_t wait;
  // Microseconds, for A0RS_WAIT_SPIN_THEN_SLEEP.
  uint32_t spin_us;
  // How the file is opened.
  a0rs_file_options file;
} a0rs_reader_options;

// A packet with its place in a topic.
typedef struct {
  // The packet.
  a0rs_packet packet;
  // Sequence number in the topic: 1 for its first message, then one more for each.
  uint64_t seq;
  // Messages right before this one that the reader did not get: overwritten before it came to them, or passed over.
  uint64_t missed;
} a0rs_message;

// Takes one message of several; or null, and what is wrong with it: a0rs_error_message() says more. It must neither
// throw nor longjmp.
typedef void (*a0rs_each_callback)(void *user, a0rs_error error, const a0rs_message *message);

// Takes a message, which is valid until it returns. It must neither throw nor longjmp.
typedef void (*a0rs_message_callback)(void *user, const a0rs_message *message);

// Frees what a callback uses. Called exactly once, after the last call of the callback, by whatever thread; also if
// the function that was given the callback fails.
typedef void (*a0rs_free)(void *user);

// Looks at a message in place. The view is valid until it returns, for this thread. It must neither throw nor longjmp.
typedef void (*a0rs_view_callback)(void *user, const a0rs_view *view);

// Options of a server. All 0 is a good start.
typedef struct {
  // Which requests it takes first, an a0rs_server_start: A0RS_SERVER_AWAIT_NEW.
  uint32_t start;
  // How it waits, an a0rs_wait: A0RS_WAIT_DEFAULT.
  uint32_t wait;
  // Microseconds, for A0RS_WAIT_SPIN_THEN_SLEEP.
  uint32_t spin_us;
  // How the file is opened.
  a0rs_file_options file;
} a0rs_server_options;

// Takes a request, which is the callback's own from then on, to be destroyed by it or by whomever it hands it to.
typedef void (*a0rs_request_callback)(void *user, a0rs_rpc_request *request);

// Hears that a request or a connection was cancelled, answered or not.
typedef void (*a0rs_cancel_callback)(void *user, const a0rs_id *id);

// Takes a reply; or null, and what went wrong: a0rs_error_message() says more.
typedef void (*a0rs_reply_callback)(void *user, a0rs_error error, const a0rs_packet *reply);

// Takes a connection, which is the callback's own from then on, to be destroyed by it or by whomever it hands it to.
typedef void (*a0rs_connect_callback)(void *user, a0rs_prpc_connection *connection);

// Takes an answer, and whether it is the last one; or null, and what went wrong, and then it is the last call, too.
typedef void (*a0rs_progress_callback)(void *user,
                                       a0rs_error error,
                                       const a0rs_packet *answer,
                                       bool done);

// Takes a log message and its level, an a0rs_level.
typedef void (*a0rs_log_callback)(void *user, uint32_t level, const a0rs_message *message);

// How a deadman was taken.
typedef struct {
  // How often it was taken, with this time. Who waits for the end of just this time says so with the token.
  uint64_t token;
  // Whether the owner before did not release it, but died.
  bool previous_owner_died;
} a0rs_taken;

// What a deadman looks like at some moment.
typedef struct {
  // How often it was taken.
  uint64_t token;
  // Id of the thread that has it; 0 if nobody has.
  uint32_t owner;
  // Whether somebody has it.
  bool taken;
  // Whether it was taken through this handle.
  bool is_owner;
  // Whether nobody has it because the last owner died.
  bool owner_died;
} a0rs_deadman_state;

// A topic that has come or gone.
typedef struct {
  // Whether it is there; otherwise it was, and no longer is.
  bool found;
  // What it is used for, an a0rs_protocol.
  uint32_t protocol;
  // The topic's name.
  const char *topic;
  // The absolute path of its file.
  const char *path;
} a0rs_discovered;

// Takes a topic that has come or gone; what it points to is valid until it returns.
typedef void (*a0rs_discovery_callback)(void *user, const a0rs_discovered *topic);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What the last failure of a function called by this thread was about: the file, the reason, and what helps. Never
// null; empty if there was none. Valid until the next failure in this thread.
const char *a0rs_error_message(void);

// A short name of an a0rs_error, such as "timeout"; "unknown" for any other number. Valid forever.
const char *a0rs_error_name(int32_t error);

// The version of this library, such as "0.1.0". Valid forever.
const char *a0rs_version(void);

// What is in it. Valid until it is destroyed; null if given null.
const a0rs_packet *a0rs_owned_packet_view(const a0rs_owned_packet *packet);

// Frees it. Null is fine.
void a0rs_owned_packet_destroy(a0rs_owned_packet *packet);

// The value of the first header with this key; null if there is none. Valid as long as the packet.
const char *a0rs_packet_header(const a0rs_packet *packet, const char *key);

// Opens a topic to publish on it; creates it if it does not exist. `options` may be null.
a0rs_error a0rs_publisher_create(const char *topic,
                                 const a0rs_file_options *options,
                                 a0rs_publisher **out);

// Closes it. Loans that it has given stay good. Null is fine.
void a0rs_publisher_destroy(a0rs_publisher *publisher);

// Publishes a payload, which may be anything. `published` may be null.
a0rs_error a0rs_publish(const a0rs_publisher *publisher,
                        const void *payload,
                        size_t payload_len,
                        a0rs_published *published);

// Publishes a payload with headers. `published` may be null.
a0rs_error a0rs_publish_with(const a0rs_publisher *publisher,
                             const a0rs_header *headers,
                             size_t headers_len,
                             const void *payload,
                             size_t payload_len,
                             a0rs_published *published);

// Subscribes; creates the topic if it does not exist. `options` may be null: messages from now on, all of them.
a0rs_error a0rs_subscriber_sync_create(const char *topic,
                                       const a0rs_reader_options *options,
                                       a0rs_subscriber_sync **out);

// Closes it, and with it the message that it gave last. Null is fine.
void a0rs_subscriber_sync_destroy(a0rs_subscriber_sync *subscriber);

// Reads the next message; A0RS_AGAIN if there is none yet. Takes no lock of the topic. The message is valid until this
// subscriber is asked again, or destroyed.
a0rs_error a0rs_subscriber_sync_read(const a0rs_subscriber_sync *subscriber,
                                     a0rs_message *message);

// Reads the next message; waits for it at most so many milliseconds, or, if that is negative, as long as it takes.
a0rs_error a0rs_subscriber_sync_read_blocking(const a0rs_subscriber_sync *subscriber,
                                              int64_t timeout_ms,
                                              a0rs_message *message);

// Hands the messages that are there to a callback, 16 of them at most; A0RS_AGAIN if there is none yet. `count`, which
// may be null, gets how many. Faster than reading one by one where messages come in quick succession.
//
// The callback runs in this thread, before this returns. It gets A0RS_ERROR_BAD_MESSAGE for what is no packet. It
// cannot read from the subscriber (A0RS_ERROR_BUSY), and must not destroy it.
a0rs_error a0rs_subscriber_sync_read_batch(const a0rs_subscriber_sync *subscriber,
                                           a0rs_each_callback each,
                                           void *user,
                                           size_t *count);

// a0rs_subscriber_sync_read_batch for messages to come, which are waited for at most `timeout_ms`. For streams: a reader
// that has taken all there is does not look for a microsecond, so that several messages come together.
a0rs_error a0rs_subscriber_sync_read_batch_blocking(const a0rs_subscriber_sync *subscriber,
                                                    int64_t timeout_ms,
                                                    a0rs_each_callback each,
                                                    void *user,
                                                    size_t *count);

// Ends a blocked read of another thread, and every later one: A0RS_ERROR_INTERRUPTED. For any thread.
a0rs_error a0rs_subscriber_sync_interrupt(const a0rs_subscriber_sync *subscriber);

// Subscribes; creates the topic if it does not exist. `options` and `free_user` may be null.
//
// The callback runs without any lock held: it may publish, take its time, and destroy the subscriber. If the topic is
// removed, the subscriber goes on with the one that takes its place.
a0rs_error a0rs_subscriber_create(const char *topic,
                                  const a0rs_reader_options *options,
                                  a0rs_message_callback on_message,
                                  void *user,
                                  a0rs_free free_user,
                                  a0rs_subscriber **out);

// Stops the thread and waits until the callback has returned for the last time; from inside the callback, it only
// sees to it that this was the last call. Null is fine.
void a0rs_subscriber_destroy(a0rs_subscriber *subscriber);

// Messages skipped so far because they were no valid packets, or damaged.
uint64_t a0rs_subscriber_skipped(const a0rs_subscriber *subscriber);

// Looks at the next message where it lies, without copying it and without the lock; A0RS_AGAIN if there is none yet.
// For large messages of which little is needed, or of which something is computed.
//
// Nothing that the callback has learnt of the payload counts unless this gives A0RS_OK. If a publisher has overwritten
// the message meanwhile, it gives A0RS_ERROR_OVERWRITTEN; the next read goes on with what is left.
//
// The callback runs in this thread, before this returns, and at most once. It may take its time, and publish. It cannot
// read from the subscriber (A0RS_ERROR_BUSY), and must not destroy it.
a0rs_error a0rs_subscriber_sync_read_in_place(const a0rs_subscriber_sync *subscriber,
                                              a0rs_view_callback look,
                                              void *user);

// a0rs_subscriber_sync_read_in_place for the next message to come, which is waited for at most `timeout_ms`.
a0rs_error a0rs_subscriber_sync_read_in_place_blocking(const a0rs_subscriber_sync *subscriber,
                                                       int64_t timeout_ms,
                                                       a0rs_view_callback look,
                                                       void *user);

// All but the payload, which is empty here: id, headers, sequence number. They are copies, and sound. Valid as long as
// the view; null if given null.
const a0rs_message *a0rs_view_head(const a0rs_view *view);

// Bytes of payload; 0 if given null.
size_t a0rs_view_len(const a0rs_view *view);

// Copies `len` bytes of the payload, from byte `at` on. A0RS_ERROR_ARGUMENT if there are not so many; then nothing was
// copied.
a0rs_error a0rs_view_copy(const a0rs_view *view,
                          size_t at,
                          void *into,
                          size_t len);

// Whether all that was learnt until now is sound. If not, it never will be, and there is no use in going on.
bool a0rs_view_is_intact(const a0rs_view *view);

// Subscribes; creates the topic if it does not exist. `options` may be null: messages from now on, all of them.
a0rs_error a0rs_subscriber_sync_zero_copy_create(const char *topic,
                                                 const a0rs_reader_options *options,
                                                 a0rs_subscriber_sync_zero_copy **out);

// Closes it. Null is fine.
void a0rs_subscriber_sync_zero_copy_destroy(a0rs_subscriber_sync_zero_copy *subscriber);

// Shows the next message to a callback, in this thread, before this returns; A0RS_AGAIN if there is none yet. The
// callback cannot read from the subscriber (A0RS_ERROR_BUSY), and must not destroy it.
a0rs_error a0rs_subscriber_sync_zero_copy_read(const a0rs_subscriber_sync_zero_copy *subscriber,
                                               a0rs_message_callback look,
                                               void *user);

// a0rs_subscriber_sync_zero_copy_read for the next message to come, which is waited for at most `timeout_ms`, while the
// topic is not locked.
a0rs_error a0rs_subscriber_sync_zero_copy_read_blocking(const a0rs_subscriber_sync_zero_copy *subscriber,
                                                        int64_t timeout_ms,
                                                        a0rs_message_callback look,
                                                        void *user);

// Ends a blocked read of another thread, and every later one: A0RS_ERROR_INTERRUPTED. For any thread.
a0rs_error a0rs_subscriber_sync_zero_copy_interrupt(const a0rs_subscriber_sync_zero_copy *subscriber);

// Subscribes; creates the topic if it does not exist. `options` and `free_user` may be null.
//
// The callback runs on a thread of its own. It may destroy the subscriber.
a0rs_error a0rs_subscriber_zero_copy_create(const char *topic,
                                            const a0rs_reader_options *options,
                                            a0rs_message_callback on_message,
                                            void *user,
                                            a0rs_free free_user,
                                            a0rs_subscriber_zero_copy **out);

// Stops the thread and waits until the callback has returned for the last time; from inside the callback, it only
// sees to it that this was the last call. Null is fine.
void a0rs_subscriber_zero_copy_destroy(a0rs_subscriber_zero_copy *subscriber);

// Messages skipped so far because they were no valid packets, or damaged.
uint64_t a0rs_subscriber_zero_copy_skipped(const a0rs_subscriber_zero_copy *subscriber);

// Lends room for a payload of `len` bytes in a packet with headers. `data` gets where it is, to be filled until the
// loan is committed or dropped; at first it holds whatever was there before.
a0rs_error a0rs_publisher_loan(const a0rs_publisher *publisher,
                               const a0rs_header *headers_list,
                               size_t headers_len,
                               size_t len,
                               void **data,
                               a0rs_loan **out);

// Publishes the first `len` bytes of a loan's payload, or all of it if it is shorter. Frees the loan; in another
// thread than its own it fails, and the loan stays. `published` may be null.
a0rs_error a0rs_loan_commit(a0rs_loan *loan,
                            size_t len,
                            a0rs_published *published);

// Publishes nothing, and frees the loan. Null is an error, and so is another thread than its own: then the loan stays, and
// the topic stays locked, until that thread drops it or ends.
a0rs_error a0rs_loan_drop(a0rs_loan *loan);

// Serves a topic; creates it if it does not exist. `options`, `on_cancelled` and `free_user` may be null.
//
// If the server dies, clients that wait for a reply hear of it at once.
a0rs_error a0rs_rpc_server_create(const char *topic,
                                  const a0rs_server_options *options,
                                  a0rs_request_callback on_request,
                                  a0rs_cancel_callback on_cancelled,
                                  void *user,
                                  a0rs_free free_user,
                                  a0rs_rpc_server **out);

// Stops the thread and waits until the callbacks have returned for the last time; from inside one, it only sees to it
// that this was the last call. Requests that were kept can still be answered. Null is fine.
void a0rs_rpc_server_destroy(a0rs_rpc_server *server);

// What was asked. Valid until the request is destroyed; null if given null.
const a0rs_packet *a0rs_rpc_request_packet(const a0rs_rpc_request *request);

// Replies. The client takes the first reply to a request.
a0rs_error a0rs_rpc_request_reply(const a0rs_rpc_request *request,
                                  const a0rs_header *headers,
                                  size_t headers_len,
                                  const void *payload,
                                  size_t payload_len);

// Says that there will be no reply, and why: A0RS_ERROR_REMOTE for the client.
a0rs_error a0rs_rpc_request_fail(const a0rs_rpc_request *request, const char *reason);

// Whether somebody has cancelled the request by now. Also for a callback that keeps the server's thread busy.
bool a0rs_rpc_request_is_cancelled(const a0rs_rpc_request *request);

// Frees a request. One that was not answered never is; the client then waits for its timeout. Null is fine.
void a0rs_rpc_request_destroy(a0rs_rpc_request *request);

// Opens a topic to send requests; creates it if it does not exist. `options` may be null.
a0rs_error a0rs_rpc_client_create(const char *topic,
                                  const a0rs_file_options *options,
                                  a0rs_rpc_client **out);

// Closes it. Callbacks that have not run yet will not run. Null is fine.
void a0rs_rpc_client_destroy(a0rs_rpc_client *client);

// Sends a request and waits for the reply, which goes to `reply`, to be destroyed by the caller.
a0rs_error a0rs_rpc_client_call(const a0rs_rpc_client *client,
                                const a0rs_header *headers,
                                size_t headers_len,
                                const void *payload,
                                size_t payload_len,
                                int64_t timeout_ms,
                                a0rs_owned_packet **reply);

// Sends a request and returns; the reply goes to the callback, once. `id`, which may be null, gets what cancels it.
a0rs_error a0rs_rpc_client_send(const a0rs_rpc_client *client,
                                const a0rs_header *headers,
                                size_t headers_len,
                                const void *payload,
                                size_t payload_len,
                                int64_t timeout_ms,
                                a0rs_reply_callback on_reply,
                                void *user,
                                a0rs_free free_user,
                                a0rs_id *id);

// Cancels a request, whoever has sent it. The callback of a request that this client has sent will not run.
a0rs_error a0rs_rpc_client_cancel(const a0rs_rpc_client *client,
                                  const a0rs_id *request);

// Serves a topic; creates it if it does not exist. `options`, `on_cancelled` and `free_user` may be null.
a0rs_error a0rs_prpc_server_create(const char *topic,
                                   const a0rs_server_options *options,
                                   a0rs_connect_callback on_connect,
                                   a0rs_cancel_callback on_cancelled,
                                   void *user,
                                   a0rs_free free_user,
                                   a0rs_prpc_server **out);

// As a0rs_rpc_server_destroy().
void a0rs_prpc_server_destroy(a0rs_prpc_server *server);

// What opened it. Valid until the connection is destroyed; null if given null.
const a0rs_packet *a0rs_prpc_connection_packet(const a0rs_prpc_connection *connection);

// Sends something; `done` if it is the last.
a0rs_error a0rs_prpc_connection_send(const a0rs_prpc_connection *connection,
                                     const a0rs_header *headers,
                                     size_t headers_len,
                                     const void *payload,
                                     size_t payload_len,
                                     bool done);

// Says that nothing more will come, and why: A0RS_ERROR_REMOTE for the client.
a0rs_error a0rs_prpc_connection_fail(const a0rs_prpc_connection *connection, const char *reason);

// Whether somebody has cancelled the connection by now: then stop sending.
bool a0rs_prpc_connection_is_cancelled(const a0rs_prpc_connection *connection);

// Frees a connection. Null is fine.
void a0rs_prpc_connection_destroy(a0rs_prpc_connection *connection);

// Opens a topic to open connections; creates it if it does not exist. `options` may be null.
a0rs_error a0rs_prpc_client_create(const char *topic,
                                   const a0rs_file_options *options,
                                   a0rs_prpc_client **out);

// Closes it. Its callbacks will not run any more. Null is fine.
void a0rs_prpc_client_destroy(a0rs_prpc_client *client);

// Opens a connection and returns; its answers go to the callback. Each is waited for at most `timeout_ms`. `id`,
// which may be null, gets what cancels it.
a0rs_error a0rs_prpc_client_connect(const a0rs_prpc_client *client,
                                    const a0rs_header *headers,
                                    size_t headers_len,
                                    const void *payload,
                                    size_t payload_len,
                                    int64_t timeout_ms,
                                    a0rs_progress_callback on_progress,
                                    void *user,
                                    a0rs_free free_user,
                                    a0rs_id *id);

// Cancels a connection, whoever has opened it. Its callback will not run any more, if this client has opened it.
a0rs_error a0rs_prpc_client_cancel(const a0rs_prpc_client *client,
                                   const a0rs_id *connection);

// Opens a connection, whose answers are then asked for. Each is waited for at most `timeout_ms`.
a0rs_error a0rs_prpc_stream_create(const a0rs_prpc_client *client,
                                   const a0rs_header *headers,
                                   size_t headers_len,
                                   const void *payload,
                                   size_t payload_len,
                                   int64_t timeout_ms,
                                   a0rs_prpc_stream **out);

// Waits for the next answer, to be destroyed by the caller; `done` gets whether it is the last one. A failure is the
// end, too. Behind the end there is only A0RS_ERROR_ARGUMENT.
a0rs_error a0rs_prpc_stream_next(const a0rs_prpc_stream *stream,
                                 a0rs_owned_packet **answer,
                                 bool *done);

// Closes it; cancels the connection if the last answer has not come yet. Null is fine.
void a0rs_prpc_stream_destroy(a0rs_prpc_stream *stream);

// Opens a configuration; creates the topic if it does not exist. `options` may be null.
a0rs_error a0rs_cfg_create(const char *topic, const a0rs_file_options *options, a0rs_cfg **out);

// Closes it. Its watchers go on. Null is fine.
void a0rs_cfg_destroy(a0rs_cfg *cfg);

// What is configured, to be destroyed by the caller; A0RS_AGAIN if nothing was ever written.
a0rs_error a0rs_cfg_read(const a0rs_cfg *cfg, a0rs_owned_packet **out);

// What is configured, to be destroyed by the caller; waits for somebody to write.
a0rs_error a0rs_cfg_read_blocking(const a0rs_cfg *cfg, int64_t timeout_ms, a0rs_owned_packet **out);

// Replaces the configuration. `published` may be null.
a0rs_error a0rs_cfg_write(const a0rs_cfg *cfg,
                          const a0rs_header *headers,
                          size_t headers_len,
                          const void *payload,
                          size_t payload_len,
                          a0rs_published *published);

// Writes if nothing was written before; `written` gets whether it did. Of several programs that try, one succeeds.
a0rs_error a0rs_cfg_write_if_empty(const a0rs_cfg *cfg,
                                   const void *payload,
                                   size_t payload_len,
                                   bool *written);

// Changes parts of a JSON configuration as the patch says (RFC 7396): members with a value are set, members that are
// null are removed, all others stay. Patches made at the same time are all applied. If nothing was written before, the
// patch is written as it is, even if it is no JSON. `published` may be null.
a0rs_error a0rs_cfg_merge_patch(const a0rs_cfg *cfg,
                                const void *patch,
                                size_t patch_len,
                                a0rs_published *published);

// Calls back with the configuration that there is, if any, and then with each new one. If they come faster than the
// callback returns, those in between are passed over; the last one never is. `free_user` may be null.
a0rs_error a0rs_cfg_watcher_create(const a0rs_cfg *cfg,
                                   a0rs_message_callback on_message,
                                   void *user,
                                   a0rs_free free_user,
                                   a0rs_cfg_watcher **out);

// As a0rs_subscriber_destroy().
void a0rs_cfg_watcher_destroy(a0rs_cfg_watcher *watcher);

// Opens a topic to log there; creates it if it does not exist. `options` may be null.
a0rs_error a0rs_logger_create(const char *topic,
                              const a0rs_file_options *options,
                              a0rs_logger **out);

// Closes it. Null is fine.
void a0rs_logger_destroy(a0rs_logger *logger);

// Logs a message of this level, an a0rs_level. It is in the topic when this returns, and outlives the program.
// `published` may be null.
a0rs_error a0rs_logger_log(const a0rs_logger *logger,
                           uint32_t message_level,
                           const a0rs_header *headers,
                           size_t headers_len,
                           const void *message,
                           size_t message_len,
                           a0rs_published *published);

// Listens for messages that are as serious as `least_level`, an a0rs_level, or more; creates the topic if it does not
// exist. `options` and `free_user` may be null.
a0rs_error a0rs_log_listener_create(const char *topic,
                                    uint32_t least_level,
                                    const a0rs_reader_options *options,
                                    a0rs_log_callback on_message,
                                    void *user,
                                    a0rs_free free_user,
                                    a0rs_log_listener **out);

// As a0rs_subscriber_destroy().
void a0rs_log_listener_destroy(a0rs_log_listener *listener);

// Opens a deadman; creates it if it does not exist. `options` may be null; their size does not count.
a0rs_error a0rs_deadman_create(const char *topic,
                               const a0rs_file_options *options,
                               a0rs_deadman **out);

// Closes it, and releases it if it was taken through this handle. Null is fine.
void a0rs_deadman_destroy(a0rs_deadman *deadman);

// Takes it; A0RS_AGAIN if somebody else has it. `taken` may be null.
a0rs_error a0rs_deadman_try_take(const a0rs_deadman *deadman, a0rs_taken *taken);

// Takes it, waiting until nobody else has it. `taken` may be null.
a0rs_error a0rs_deadman_take(const a0rs_deadman *deadman, int64_t timeout_ms, a0rs_taken *taken);

// Releases it; A0RS_ERROR_NOT_OWNER if it was not taken through this handle.
a0rs_error a0rs_deadman_release(const a0rs_deadman *deadman);

// What it looks like now. Never waits.
a0rs_error a0rs_deadman_look(const a0rs_deadman *deadman, a0rs_deadman_state *state);

// Waits until somebody has it. `token`, which may be null, gets what a0rs_deadman_wait_released() takes.
a0rs_error a0rs_deadman_wait_taken(const a0rs_deadman *deadman,
                                   int64_t timeout_ms,
                                   uint64_t *token);

// Waits until whoever took it with this token has released it or died.
a0rs_error a0rs_deadman_wait_released(const a0rs_deadman *deadman,
                                      uint64_t token,
                                      int64_t timeout_ms);

// Ends what other threads wait for through this handle, and every later wait: A0RS_ERROR_INTERRUPTED. What was taken
// stays taken.
a0rs_error a0rs_deadman_interrupt(const a0rs_deadman *deadman);

// Discovers topics of these protocols, a sum of a0rs_protocol, whose names match a pattern: `cam/*` are those
// directly below `cam`, `cam/**` those at any depth, `**` is every topic. `free_user` may be null.
a0rs_error a0rs_discovery_create(uint32_t wanted,
                                 const char *pattern,
                                 a0rs_discovery_callback on_event,
                                 void *user,
                                 a0rs_free free_user,
                                 a0rs_discovery **out);

// As a0rs_subscriber_destroy().
void a0rs_discovery_destroy(a0rs_discovery *discovery);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* A0RS_H */
