// Configurations. See a0rs.hpp.

#ifndef A0RS_CFG_HPP
#define A0RS_CFG_HPP

#include "pubsub.hpp"

namespace a0rs {

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
        detail::check(a0rs_cfg_create(detail::text(topic), &options, &handle));
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

} // namespace a0rs

#endif
