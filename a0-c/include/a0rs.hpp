// AlephZero for C++17: handles that close themselves, errors that are thrown. Over a0rs.h, which says more about each
// function; this header has nothing of its own to link with.
//
// Everything that fails throws a0rs::Error. A callback that throws ends the program. Objects can be moved, not
// copied, and are used by any thread unless a0rs.h says otherwise.

#ifndef A0RS_HPP
#define A0RS_HPP

#include <a0rs.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace a0rs {

/// Why something failed: a code, and a text that names the file, the reason and what helps.
class Error : public std::runtime_error {
  public:
    Error(a0rs_error code, const std::string &message) : std::runtime_error(message), code_(code) {}
    a0rs_error code() const noexcept { return code_; }

  private:
    a0rs_error code_;
};

/// Key and value, each a text without NUL.
using Headers = std::vector<std::pair<std::string, std::string>>;

namespace detail {

inline void check(a0rs_error error) {
    if (error == A0RS_AGAIN) throw Error(error, "again");
    if (error != A0RS_OK) throw Error(error, a0rs_error_message());
}

inline std::vector<a0rs_header> pointers(const Headers &headers) {
    std::vector<a0rs_header> list;
    list.reserve(headers.size());
    for (const auto &[key, value] : headers) {
        if (key.find('\0') != key.npos || value.find('\0') != value.npos) {
            throw Error(A0RS_ERROR_BAD_PACKET, "a header contains a NUL character");
        }
        list.push_back({key.c_str(), value.c_str()});
    }
    return list;
}

template <auto Destroy> struct Destroyer {
    template <typename T> void operator()(T *handle) const noexcept { Destroy(handle); }
};

/// A handle of the C library.
template <typename T, auto Destroy> using Handle = std::unique_ptr<T, Destroyer<Destroy>>;

template <typename F> void free_user(void *user) noexcept { delete static_cast<F *>(user); }

} // namespace detail

/// How long to wait: milliseconds, or forever.
class Timeout {
  public:
    template <typename Rep, typename Period>
    Timeout(std::chrono::duration<Rep, Period> time)
        : ms_(std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(time).count())) {}
    static Timeout forever() { return Timeout(); }
    std::int64_t ms() const noexcept { return ms_; }

  private:
    Timeout() : ms_(-1) {}
    std::int64_t ms_;
};

/// A packet that was received, as long as whoever has handed it out says.
class Packet {
  public:
    explicit Packet(const a0rs_packet *packet) : packet_(packet) {}
    std::string_view id() const { return packet_->id.text; }
    std::string_view payload() const {
        return {reinterpret_cast<const char *>(packet_->payload.data), packet_->payload.len};
    }
    /// The first header with this key.
    std::optional<std::string> header(const std::string &key) const {
        const char *value = a0rs_packet_header(packet_, key.c_str());
        return value ? std::optional<std::string>(value) : std::nullopt;
    }
    Headers headers() const {
        Headers headers;
        for (size_t i = 0; i < packet_->headers_len; i++) {
            headers.emplace_back(packet_->headers[i].key, packet_->headers[i].value);
        }
        return headers;
    }

  private:
    const a0rs_packet *packet_;
};

/// A packet with its place in a topic.
class Message : public Packet {
  public:
    explicit Message(const a0rs_message *message)
        : Packet(&message->packet), seq_(message->seq), missed_(message->missed) {}
    std::uint64_t seq() const noexcept { return seq_; }
    std::uint64_t missed() const noexcept { return missed_; }

  private:
    std::uint64_t seq_, missed_;
};

/// Room for a payload in the topic itself; publishes nothing unless it is committed. For one thread.
class Loan {
  public:
    char *data() const noexcept { return static_cast<char *>(data_); }
    size_t size() const noexcept { return size_; }

    /// Publishes the first bytes of it.
    a0rs_published commit(size_t len) {
        a0rs_published published;
        detail::check(a0rs_loan_commit(loan_.get(), len, &published));
        (void)loan_.release();
        return published;
    }
    a0rs_published commit() { return commit(size_); }

  private:
    friend class Publisher;
    static void drop(a0rs_loan *loan) noexcept { (void)a0rs_loan_drop(loan); }
    Loan(a0rs_loan *loan, void *data, size_t size) : loan_(loan), data_(data), size_(size) {}

    detail::Handle<a0rs_loan, drop> loan_;
    void *data_;
    size_t size_;
};

/// Publishes messages on a topic.
class Publisher {
  public:
    explicit Publisher(const std::string &topic, const a0rs_file_options &options = {}) {
        a0rs_publisher *handle;
        detail::check(a0rs_publisher_create(topic.c_str(), &options, &handle));
        handle_.reset(handle);
    }

    a0rs_published publish(std::string_view payload, const Headers &headers = {}) {
        a0rs_published published;
        auto list = detail::pointers(headers);
        detail::check(a0rs_publish_with(handle_.get(), list.data(), list.size(), payload.data(), payload.size(),
                                        &published));
        return published;
    }

    Loan loan(size_t size, const Headers &headers = {}) {
        a0rs_loan *loan;
        void *data;
        auto list = detail::pointers(headers);
        detail::check(a0rs_publisher_loan(handle_.get(), list.data(), list.size(), size, &data, &loan));
        return Loan(loan, data, size);
    }

  private:
    detail::Handle<a0rs_publisher, a0rs_publisher_destroy> handle_;
};

/// Reads a topic when asked to. For one thread at a time, but for interrupt().
class SubscriberSync {
  public:
    explicit SubscriberSync(const std::string &topic, const a0rs_reader_options &options = {}) {
        a0rs_subscriber_sync *handle;
        detail::check(a0rs_subscriber_sync_create(topic.c_str(), &options, &handle));
        handle_.reset(handle);
    }

    /// The next message, good until the next one; nothing if there is none yet.
    std::optional<Message> read() {
        auto error = a0rs_subscriber_sync_read(handle_.get(), message_.get());
        if (error == A0RS_AGAIN) return std::nullopt;
        detail::check(error);
        return Message(message_.get());
    }

    /// The next message, good until the next one.
    Message read(Timeout timeout) {
        detail::check(a0rs_subscriber_sync_read_blocking(handle_.get(), timeout.ms(), message_.get()));
        return Message(message_.get());
    }

    void interrupt() { detail::check(a0rs_subscriber_sync_interrupt(handle_.get())); }

  private:
    detail::Handle<a0rs_subscriber_sync, a0rs_subscriber_sync_destroy> handle_;
    std::unique_ptr<a0rs_message> message_ = std::make_unique<a0rs_message>();
};

/// Calls back for every message of a topic, on a thread of its own, until it goes.
class Subscriber {
  public:
    using Callback = std::function<void(const Message &)>;

    Subscriber(const std::string &topic, const a0rs_reader_options &options, Callback callback) {
        a0rs_subscriber *handle;
        auto call = [](void *user, const a0rs_message *message) noexcept {
            (*static_cast<Callback *>(user))(Message(message));
        };
        detail::check(a0rs_subscriber_create(topic.c_str(), &options, call, new Callback(std::move(callback)),
                                             detail::free_user<Callback>, &handle));
        handle_.reset(handle);
    }

    std::uint64_t skipped() const { return a0rs_subscriber_skipped(handle_.get()); }

  private:
    detail::Handle<a0rs_subscriber, a0rs_subscriber_destroy> handle_;
};

/// A packet that owns its content.
class OwnedPacket : public Packet {
  public:
    explicit OwnedPacket(a0rs_owned_packet *handle) : Packet(a0rs_owned_packet_view(handle)), handle_(handle) {}

  private:
    detail::Handle<a0rs_owned_packet, a0rs_owned_packet_destroy> handle_;
};

/// Where a reply goes: a code, and the packet if that is A0RS_OK.
using ReplyCallback = std::function<void(a0rs_error, const std::optional<Packet> &)>;

/// Where answers go: a code, the packet if that is A0RS_OK, and whether it is the last one.
using ProgressCallback = std::function<void(a0rs_error, const std::optional<Packet> &, bool)>;

/// Where the names of cancelled requests go.
using CancelCallback = std::function<void(const a0rs_id &)>;

/// A request to be answered, by any thread, at any time.
class RpcRequest {
  public:
    explicit RpcRequest(a0rs_rpc_request *handle) : handle_(handle) {}
    Packet packet() const { return Packet(a0rs_rpc_request_packet(handle_.get())); }

    void reply(std::string_view payload, const Headers &headers = {}) {
        auto list = detail::pointers(headers);
        detail::check(
            a0rs_rpc_request_reply(handle_.get(), list.data(), list.size(), payload.data(), payload.size()));
    }
    void fail(const std::string &reason) { detail::check(a0rs_rpc_request_fail(handle_.get(), reason.c_str())); }
    bool is_cancelled() const { return a0rs_rpc_request_is_cancelled(handle_.get()); }

  private:
    detail::Handle<a0rs_rpc_request, a0rs_rpc_request_destroy> handle_;
};

/// Answers requests, on a thread of its own.
class RpcServer {
  public:
    using Callback = std::function<void(RpcRequest)>;

    explicit RpcServer(const std::string &topic, Callback on_request, CancelCallback on_cancel = {},
                       const a0rs_server_options &options = {}) {
        struct Both {
            Callback on_request;
            CancelCallback on_cancel;
        };
        a0rs_rpc_server *handle;
        auto request = [](void *user, a0rs_rpc_request *request) noexcept {
            static_cast<Both *>(user)->on_request(RpcRequest(request));
        };
        auto cancel = [](void *user, const a0rs_id *id) noexcept {
            if (auto &call = static_cast<Both *>(user)->on_cancel) call(*id);
        };
        detail::check(a0rs_rpc_server_create(topic.c_str(), &options, request, cancel,
                                             new Both{std::move(on_request), std::move(on_cancel)},
                                             detail::free_user<Both>, &handle));
        handle_.reset(handle);
    }

  private:
    detail::Handle<a0rs_rpc_server, a0rs_rpc_server_destroy> handle_;
};

/// Sends requests.
class RpcClient {
  public:
    explicit RpcClient(const std::string &topic, const a0rs_file_options &options = {}) {
        a0rs_rpc_client *handle;
        detail::check(a0rs_rpc_client_create(topic.c_str(), &options, &handle));
        handle_.reset(handle);
    }

    /// Waits for the reply.
    OwnedPacket call(std::string_view payload, Timeout timeout, const Headers &headers = {}) {
        a0rs_owned_packet *reply;
        auto list = detail::pointers(headers);
        detail::check(a0rs_rpc_client_call(handle_.get(), list.data(), list.size(), payload.data(), payload.size(),
                                           timeout.ms(), &reply));
        return OwnedPacket(reply);
    }

    /// Returns at once.
    a0rs_id send(std::string_view payload, Timeout timeout, ReplyCallback callback, const Headers &headers = {}) {
        a0rs_id id;
        auto list = detail::pointers(headers);
        auto call = [](void *user, a0rs_error error, const a0rs_packet *reply) noexcept {
            (*static_cast<ReplyCallback *>(user))(error, reply ? std::optional(Packet(reply)) : std::nullopt);
        };
        detail::check(a0rs_rpc_client_send(handle_.get(), list.data(), list.size(), payload.data(), payload.size(),
                                           timeout.ms(), call, new ReplyCallback(std::move(callback)),
                                           detail::free_user<ReplyCallback>, &id));
        return id;
    }

    void cancel(const a0rs_id &id) { detail::check(a0rs_rpc_client_cancel(handle_.get(), &id)); }

  private:
    detail::Handle<a0rs_rpc_client, a0rs_rpc_client_destroy> handle_;
};

/// A connection to be answered, by any thread, at any time.
class PrpcConnection {
  public:
    explicit PrpcConnection(a0rs_prpc_connection *handle) : handle_(handle) {}
    Packet packet() const { return Packet(a0rs_prpc_connection_packet(handle_.get())); }

    void send(std::string_view payload, bool done, const Headers &headers = {}) {
        auto list = detail::pointers(headers);
        detail::check(a0rs_prpc_connection_send(handle_.get(), list.data(), list.size(), payload.data(),
                                                payload.size(), done));
    }
    void fail(const std::string &reason) {
        detail::check(a0rs_prpc_connection_fail(handle_.get(), reason.c_str()));
    }
    bool is_cancelled() const { return a0rs_prpc_connection_is_cancelled(handle_.get()); }

  private:
    detail::Handle<a0rs_prpc_connection, a0rs_prpc_connection_destroy> handle_;
};

/// Answers connections, on a thread of its own.
class PrpcServer {
  public:
    using Callback = std::function<void(PrpcConnection)>;

    explicit PrpcServer(const std::string &topic, Callback on_connect, CancelCallback on_cancel = {},
                        const a0rs_server_options &options = {}) {
        struct Both {
            Callback on_connect;
            CancelCallback on_cancel;
        };
        a0rs_prpc_server *handle;
        auto connect = [](void *user, a0rs_prpc_connection *connection) noexcept {
            static_cast<Both *>(user)->on_connect(PrpcConnection(connection));
        };
        auto cancel = [](void *user, const a0rs_id *id) noexcept {
            if (auto &call = static_cast<Both *>(user)->on_cancel) call(*id);
        };
        detail::check(a0rs_prpc_server_create(topic.c_str(), &options, connect, cancel,
                                              new Both{std::move(on_connect), std::move(on_cancel)},
                                              detail::free_user<Both>, &handle));
        handle_.reset(handle);
    }

  private:
    detail::Handle<a0rs_prpc_server, a0rs_prpc_server_destroy> handle_;
};

/// One answer of a connection, and whether it is the last one.
struct Progress {
    OwnedPacket packet;
    bool done;
};

/// The answers of a connection; cancels it if it goes before the last one has come. For one thread at a time.
class PrpcStream {
  public:
    explicit PrpcStream(a0rs_prpc_stream *handle) : handle_(handle) {}

    /// Waits for the next one. Behind the last one, and behind a failure, there is none to ask for.
    Progress next() {
        a0rs_owned_packet *answer;
        bool done;
        detail::check(a0rs_prpc_stream_next(handle_.get(), &answer, &done));
        return {OwnedPacket(answer), done};
    }

  private:
    detail::Handle<a0rs_prpc_stream, a0rs_prpc_stream_destroy> handle_;
};

/// Opens connections.
class PrpcClient {
  public:
    explicit PrpcClient(const std::string &topic, const a0rs_file_options &options = {}) {
        a0rs_prpc_client *handle;
        detail::check(a0rs_prpc_client_create(topic.c_str(), &options, &handle));
        handle_.reset(handle);
    }

    a0rs_id connect(std::string_view payload, Timeout timeout, ProgressCallback callback,
                    const Headers &headers = {}) {
        a0rs_id id;
        auto list = detail::pointers(headers);
        auto call = [](void *user, a0rs_error error, const a0rs_packet *answer, bool done) noexcept {
            auto packet = answer ? std::optional(Packet(answer)) : std::nullopt;
            (*static_cast<ProgressCallback *>(user))(error, packet, done);
        };
        detail::check(a0rs_prpc_client_connect(handle_.get(), list.data(), list.size(), payload.data(),
                                               payload.size(), timeout.ms(), call,
                                               new ProgressCallback(std::move(callback)),
                                               detail::free_user<ProgressCallback>, &id));
        return id;
    }

    /// Each answer is waited for that long.
    PrpcStream stream(std::string_view payload, Timeout timeout, const Headers &headers = {}) {
        a0rs_prpc_stream *stream;
        auto list = detail::pointers(headers);
        detail::check(a0rs_prpc_stream_create(handle_.get(), list.data(), list.size(), payload.data(),
                                              payload.size(), timeout.ms(), &stream));
        return PrpcStream(stream);
    }

    void cancel(const a0rs_id &id) { detail::check(a0rs_prpc_client_cancel(handle_.get(), &id)); }

  private:
    detail::Handle<a0rs_prpc_client, a0rs_prpc_client_destroy> handle_;
};

/// Calls back for each new configuration, until it goes.
class CfgWatcher {
  public:
    explicit CfgWatcher(a0rs_cfg_watcher *handle) : handle_(handle) {}

  private:
    detail::Handle<a0rs_cfg_watcher, a0rs_cfg_watcher_destroy> handle_;
};

/// A configuration: a topic whose newest message is what counts.
class Cfg {
  public:
    explicit Cfg(const std::string &topic, const a0rs_file_options &options = {}) {
        a0rs_cfg *handle;
        detail::check(a0rs_cfg_create(topic.c_str(), &options, &handle));
        handle_.reset(handle);
    }

    /// Nothing if nothing was ever written.
    std::optional<OwnedPacket> read() {
        a0rs_owned_packet *packet;
        auto error = a0rs_cfg_read(handle_.get(), &packet);
        if (error == A0RS_AGAIN) return std::nullopt;
        detail::check(error);
        return OwnedPacket(packet);
    }

    OwnedPacket read(Timeout timeout) {
        a0rs_owned_packet *packet;
        detail::check(a0rs_cfg_read_blocking(handle_.get(), timeout.ms(), &packet));
        return OwnedPacket(packet);
    }

    a0rs_published write(std::string_view payload, const Headers &headers = {}) {
        a0rs_published published;
        auto list = detail::pointers(headers);
        detail::check(a0rs_cfg_write(handle_.get(), list.data(), list.size(), payload.data(), payload.size(),
                                     &published));
        return published;
    }

    bool write_if_empty(std::string_view payload) {
        bool written;
        detail::check(a0rs_cfg_write_if_empty(handle_.get(), payload.data(), payload.size(), &written));
        return written;
    }

    a0rs_published merge_patch(std::string_view patch) {
        a0rs_published published;
        detail::check(a0rs_cfg_merge_patch(handle_.get(), patch.data(), patch.size(), &published));
        return published;
    }

    CfgWatcher watch(Subscriber::Callback callback) {
        using Callback = Subscriber::Callback;
        a0rs_cfg_watcher *handle;
        auto call = [](void *user, const a0rs_message *message) noexcept {
            (*static_cast<Callback *>(user))(Message(message));
        };
        detail::check(a0rs_cfg_watcher_create(handle_.get(), call, new Callback(std::move(callback)),
                                              detail::free_user<Callback>, &handle));
        return CfgWatcher(handle);
    }

  private:
    detail::Handle<a0rs_cfg, a0rs_cfg_destroy> handle_;
};

/// Writes log messages.
class Logger {
  public:
    explicit Logger(const std::string &topic, const a0rs_file_options &options = {}) {
        a0rs_logger *handle;
        detail::check(a0rs_logger_create(topic.c_str(), &options, &handle));
        handle_.reset(handle);
    }

    void log(a0rs_level level, std::string_view message, const Headers &headers = {}) {
        auto list = detail::pointers(headers);
        detail::check(a0rs_logger_log(handle_.get(), level, list.data(), list.size(), message.data(),
                                      message.size(), nullptr));
    }

  private:
    detail::Handle<a0rs_logger, a0rs_logger_destroy> handle_;
};

/// Calls back for log messages that are serious enough, on a thread of its own, until it goes.
class LogListener {
  public:
    using Callback = std::function<void(a0rs_level, const Message &)>;

    LogListener(const std::string &topic, a0rs_level least, const a0rs_reader_options &options, Callback callback) {
        a0rs_log_listener *handle;
        auto call = [](void *user, std::uint32_t level, const a0rs_message *message) noexcept {
            (*static_cast<Callback *>(user))(static_cast<a0rs_level>(level), Message(message));
        };
        detail::check(a0rs_log_listener_create(topic.c_str(), least, &options, call,
                                               new Callback(std::move(callback)), detail::free_user<Callback>,
                                               &handle));
        handle_.reset(handle);
    }

  private:
    detail::Handle<a0rs_log_listener, a0rs_log_listener_destroy> handle_;
};

/// A sign of life, which others see end however the program ends.
class Deadman {
  public:
    explicit Deadman(const std::string &topic, const a0rs_file_options &options = {}) {
        a0rs_deadman *handle;
        detail::check(a0rs_deadman_create(topic.c_str(), &options, &handle));
        handle_.reset(handle);
    }

    /// Nothing if somebody else has it.
    std::optional<a0rs_taken> try_take() {
        a0rs_taken taken;
        auto error = a0rs_deadman_try_take(handle_.get(), &taken);
        if (error == A0RS_AGAIN) return std::nullopt;
        detail::check(error);
        return taken;
    }

    a0rs_taken take(Timeout timeout) {
        a0rs_taken taken;
        detail::check(a0rs_deadman_take(handle_.get(), timeout.ms(), &taken));
        return taken;
    }

    void release() { detail::check(a0rs_deadman_release(handle_.get())); }

    a0rs_deadman_state state() const {
        a0rs_deadman_state state;
        detail::check(a0rs_deadman_look(handle_.get(), &state));
        return state;
    }

    std::uint64_t wait_taken(Timeout timeout) {
        std::uint64_t token;
        detail::check(a0rs_deadman_wait_taken(handle_.get(), timeout.ms(), &token));
        return token;
    }

    void wait_released(std::uint64_t token, Timeout timeout) {
        detail::check(a0rs_deadman_wait_released(handle_.get(), token, timeout.ms()));
    }

    void interrupt() { detail::check(a0rs_deadman_interrupt(handle_.get())); }

  private:
    detail::Handle<a0rs_deadman, a0rs_deadman_destroy> handle_;
};

/// Calls back for every topic that is there, comes, or goes, on a thread of its own, until it goes itself.
class Discovery {
  public:
    using Callback = std::function<void(const a0rs_discovered &)>;

    /// `protocols` is a sum of a0rs_protocol.
    Discovery(std::uint32_t protocols, const std::string &pattern, Callback callback) {
        a0rs_discovery *handle;
        auto call = [](void *user, const a0rs_discovered *topic) noexcept {
            (*static_cast<Callback *>(user))(*topic);
        };
        detail::check(a0rs_discovery_create(protocols, pattern.c_str(), call, new Callback(std::move(callback)),
                                            detail::free_user<Callback>, &handle));
        handle_.reset(handle);
    }

  private:
    detail::Handle<a0rs_discovery, a0rs_discovery_destroy> handle_;
};

} // namespace a0rs

#endif
