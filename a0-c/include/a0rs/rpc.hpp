// Remote procedure calls: one reply for each request. See a0rs.hpp.

#ifndef A0RS_RPC_HPP
#define A0RS_RPC_HPP

#include "base.hpp"

namespace a0rs {

/// Where a reply goes: a code, and the packet if that is A0RS_OK.
using ReplyCallback = std::function<void(a0rs_error, const std::optional<Packet> &)>;

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
    void fail(const std::string &reason) { detail::check(a0rs_rpc_request_fail(handle_.get(), detail::text(reason))); }
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
        const char *name = detail::text(topic);
        a0rs_rpc_server *handle;
        auto take = [](void *user, a0rs_rpc_request *request) noexcept {
            static_cast<Both *>(user)->on_request(RpcRequest(request));
        };
        auto cancel = [](void *user, const a0rs_id *id) noexcept {
            if (auto &call = static_cast<Both *>(user)->on_cancel) call(*id);
        };
        detail::check(a0rs_rpc_server_create(name, &options, take, cancel,
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
        detail::check(a0rs_rpc_client_create(detail::text(topic), &options, &handle));
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

} // namespace a0rs

#endif
