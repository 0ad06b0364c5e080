// Log messages. See a0rs.hpp.

#ifndef A0RS_LOG_HPP
#define A0RS_LOG_HPP

#include "base.hpp"

namespace a0rs {

/// Writes log messages.
class Logger {
  public:
    explicit Logger(const std::string &topic, const a0rs_file_options &options = {}) {
        a0rs_logger *handle;
        detail::check(a0rs_logger_create(detail::text(topic), &options, &handle));
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
        const char *name = detail::text(topic);
        a0rs_log_listener *handle;
        auto call = [](void *user, std::uint32_t level, const a0rs_message *message) noexcept {
            (*static_cast<Callback *>(user))(static_cast<a0rs_level>(level), Message(message));
        };
        detail::check(a0rs_log_listener_create(name, least, &options, call,
                                               new Callback(std::move(callback)), detail::free_user<Callback>,
                                               &handle));
        handle_.reset(handle);
    }

  private:
    detail::Handle<a0rs_log_listener, a0rs_log_listener_destroy> handle_;
};

} // namespace a0rs

#endif
