// Subscribers that look at messages where they lie, with the topic locked. See a0rs.hpp.

#ifndef A0RS_ZERO_COPY_HPP
#define A0RS_ZERO_COPY_HPP

#include "pubsub.hpp"

namespace a0rs {

/// Like SubscriberSync, but shows messages where they lie, without copying them. While a callback looks, the topic is
/// locked: nobody can publish there. For one thread at a time, but for interrupt().
class SubscriberSyncZeroCopy {
  public:
    explicit SubscriberSyncZeroCopy(const std::string &topic, const a0rs_reader_options &options = {}) {
        a0rs_subscriber_sync_zero_copy *handle;
        detail::check(a0rs_subscriber_sync_zero_copy_create(detail::text(topic), &options, &handle));
        handle_.reset(handle);
    }

    /// Calls look(const Message &) for the next message; false if there is none yet. What it throws is thrown again when
    /// the topic is unlocked.
    template <typename F> bool read(F &&look) {
        detail::Relay relay(look);
        return relay.done(a0rs_subscriber_sync_zero_copy_read(handle_.get(), show<F>, &relay));
    }

    /// The same for the next message to come.
    template <typename F> void read(Timeout timeout, F &&look) {
        detail::Relay relay(look);
        relay.done(a0rs_subscriber_sync_zero_copy_read_blocking(handle_.get(), timeout.ms(), show<F>, &relay));
    }

    void interrupt() { detail::check(a0rs_subscriber_sync_zero_copy_interrupt(handle_.get())); }

  private:
    template <typename F> static void show(void *user, const a0rs_message *message) noexcept {
        (*static_cast<detail::Relay<std::remove_reference_t<F>> *>(user))(Message(message));
    }

    detail::Handle<a0rs_subscriber_sync_zero_copy, a0rs_subscriber_sync_zero_copy_destroy> handle_;
};

/// Like Subscriber, but calls back with the topic locked.
class SubscriberZeroCopy {
  public:
    using Callback = Subscriber::Callback;

    SubscriberZeroCopy(const std::string &topic, const a0rs_reader_options &options, Callback callback) {
        const char *name = detail::text(topic);
        a0rs_subscriber_zero_copy *handle;
        auto call = [](void *user, const a0rs_message *message) noexcept {
            (*static_cast<Callback *>(user))(Message(message));
        };
        detail::check(a0rs_subscriber_zero_copy_create(name, &options, call,
                                                       new Callback(std::move(callback)),
                                                       detail::free_user<Callback>, &handle));
        handle_.reset(handle);
    }

    std::uint64_t skipped() const { return a0rs_subscriber_zero_copy_skipped(handle_.get()); }

  private:
    detail::Handle<a0rs_subscriber_zero_copy, a0rs_subscriber_zero_copy_destroy> handle_;
};

} // namespace a0rs

#endif
