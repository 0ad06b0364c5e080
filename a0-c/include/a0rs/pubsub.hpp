// Publishers and subscribers. See a0rs.hpp.

#ifndef A0RS_PUBSUB_HPP
#define A0RS_PUBSUB_HPP

#include "base.hpp"

#include <cstdio>
#include <exception>
#include <type_traits>

namespace a0rs {

/// Room for a payload in the topic itself; publishes nothing unless it is committed.
///
/// It belongs to the thread that has asked for it, and so does the lock of the topic. Where it is destroyed in another one, the
/// lock cannot be released: that is said on stderr, and ends the program (`std::terminate`), as a `std::thread` that nobody has
/// joined does. With the program the lock is free again, and others go on.
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
    static void drop(a0rs_loan *loan) noexcept {
        if (a0rs_loan_drop(loan) == A0RS_OK) return;
        std::fprintf(stderr, "a0rs::Loan is destroyed in the wrong thread: %s\n", a0rs_error_message());
        std::terminate();
    }
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
        detail::check(a0rs_publisher_create(detail::text(topic), &options, &handle));
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

/// A message in the topic itself, which is not locked. All but its payload was copied and is sound; what is learnt of the
/// payload counts only if the read that gave the view returns, and does not throw. Goes with the callback.
class View : private Message {
  public:
    explicit View(const a0rs_view *view) : Message(a0rs_view_head(view)), view_(view) {}
    using Message::header, Message::headers, Message::id, Message::missed, Message::seq;

    /// Bytes of payload.
    size_t size() const noexcept { return a0rs_view_len(view_); }

    /// Copies so many bytes of the payload, from byte `at` on; throws if there are less.
    void copy(size_t at, void *into, size_t len) const { detail::check(a0rs_view_copy(view_, at, into, len)); }

    /// A copy of the T in the payload from byte `at` on, for a T that any bytes are good for.
    template <typename T> T read(size_t at = 0) const {
        static_assert(std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>);
        T value;
        copy(at, &value, sizeof value);
        return value;
    }

    /// Whether all that was learnt until now is sound.
    bool is_intact() const noexcept { return a0rs_view_is_intact(view_); }

  private:
    const a0rs_view *view_;
};

/// Reads a topic when asked to. For one thread at a time, but for interrupt().
class SubscriberSync {
  public:
    explicit SubscriberSync(const std::string &topic, const a0rs_reader_options &options = {}) {
        a0rs_subscriber_sync *handle;
        detail::check(a0rs_subscriber_sync_create(detail::text(topic), &options, &handle));
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

    /// Calls each(const Message &) for the messages that are there, 16 of them at most, and gives their number.
    ///
    /// It is called for all of them, whatever it throws; behind that, the first failure is thrown: what it has thrown, or
    /// A0RS_ERROR_BAD_MESSAGE for a message that is no packet.
    template <typename F> size_t read_batch(F &&each) {
        return batch(each, [&](a0rs_each_callback call, void *user, size_t *count) {
            return a0rs_subscriber_sync_read_batch(handle_.get(), call, user, count);
        });
    }

    /// The same for messages to come; gives at least one.
    template <typename F> size_t read_batch(Timeout timeout, F &&each) {
        return batch(each, [&](a0rs_each_callback call, void *user, size_t *count) {
            return a0rs_subscriber_sync_read_batch_blocking(handle_.get(), timeout.ms(), call, user, count);
        });
    }

    /// Calls look(const View &) for the next message where it lies, without the lock; false if there is none yet.
    ///
    /// What it has learnt of the payload counts only if this returns. A0RS_ERROR_OVERWRITTEN is thrown if a publisher has
    /// overwritten the message meanwhile, and otherwise what `look` throws.
    template <typename F> bool read_in_place(F &&look) {
        detail::Relay relay(look);
        return relay.done(a0rs_subscriber_sync_read_in_place(handle_.get(), show<F>, &relay));
    }

    /// The same for the next message to come.
    template <typename F> void read_in_place(Timeout timeout, F &&look) {
        detail::Relay relay(look);
        relay.done(a0rs_subscriber_sync_read_in_place_blocking(handle_.get(), timeout.ms(), show<F>, &relay));
    }

    void interrupt() { detail::check(a0rs_subscriber_sync_interrupt(handle_.get())); }

  private:
    template <typename F, typename Read> static size_t batch(F &each, Read read) {
        auto one = [&](a0rs_error error, const a0rs_message *message) {
            detail::check(error);
            each(Message(message));
        };
        detail::Relay relay(one);
        auto call = [](void *user, a0rs_error error, const a0rs_message *message) noexcept {
            (*static_cast<decltype(relay) *>(user))(error, message);
        };
        size_t count;
        relay.done(read(call, &relay, &count));
        return count;
    }

    template <typename F> static void show(void *user, const a0rs_view *view) noexcept {
        (*static_cast<detail::Relay<std::remove_reference_t<F>> *>(user))(View(view));
    }

    detail::Handle<a0rs_subscriber_sync, a0rs_subscriber_sync_destroy> handle_;
    std::unique_ptr<a0rs_message> message_ = std::make_unique<a0rs_message>();
};

/// Calls back for every message of a topic, on a thread of its own, until it goes.
class Subscriber {
  public:
    using Callback = std::function<void(const Message &)>;

    Subscriber(const std::string &topic, const a0rs_reader_options &options, Callback callback) {
        const char *name = detail::text(topic);
        a0rs_subscriber *handle;
        auto call = [](void *user, const a0rs_message *message) noexcept {
            (*static_cast<Callback *>(user))(Message(message));
        };
        detail::check(a0rs_subscriber_create(name, &options, call, new Callback(std::move(callback)),
                                             detail::free_user<Callback>, &handle));
        handle_.reset(handle);
    }

    std::uint64_t skipped() const { return a0rs_subscriber_skipped(handle_.get()); }

  private:
    detail::Handle<a0rs_subscriber, a0rs_subscriber_destroy> handle_;
};

} // namespace a0rs

#endif
