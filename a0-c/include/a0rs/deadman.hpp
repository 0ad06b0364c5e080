// Signs of life. See a0rs.hpp.

#ifndef A0RS_DEADMAN_HPP
#define A0RS_DEADMAN_HPP

#include "base.hpp"

namespace a0rs {

/// A sign of life, which others see end however the program ends.
class Deadman {
  public:
    explicit Deadman(const std::string &topic, const a0rs_file_options &options = {}) {
        a0rs_deadman *handle;
        detail::check(a0rs_deadman_create(detail::text(topic), &options, &handle));
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

} // namespace a0rs

#endif
