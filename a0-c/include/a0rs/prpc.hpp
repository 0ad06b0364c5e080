// Progressive calls: any number of answers for each connection. See a0rs.hpp.

#ifndef A0RS_PRPC_HPP
#define A0RS_PRPC_HPP

#include "base.hpp"

namespace a0rs {

/// Where answers go: a code, the packet if that is A0RS_OK, and whether it is the last one.
using ProgressCallback = std::function<void(a0rs_error, const std::optional<Packet> &, bool)>;

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
        detail::check(a0rs_prpc_connection_fail(handle_.get(), detail::text(reason)));
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
        const char *name = detail::text(topic);
        a0rs_prpc_server *handle;
        auto connect = [](void *user, a0rs_prpc_connection *connection) noexcept {
            static_cast<Both *>(user)->on_connect(PrpcConnection(connection));
        };
        auto cancel = [](void *user, const a0rs_id *id) noexcept {
            if (auto &call = static_cast<Both *>(user)->on_cancel) call(*id);
        };
        detail::check(a0rs_prpc_server_create(name, &options, connect, cancel,
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
        detail::check(a0rs_prpc_client_create(detail::text(topic), &options, &handle));
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

} // namespace a0rs

#endif
