// What all classes share: errors, handles, times, packets. See a0rs.hpp.

#ifndef A0RS_BASE_HPP
#define A0RS_BASE_HPP

#include <a0rs.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
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

/// A C string, which ends at the first NUL: so there must be none. To be asked for before a callback is allocated, which
/// would leak if this threw later.
inline const char *text(const std::string &text) {
    if (text.find('\0') != text.npos) throw Error(A0RS_ERROR_ARGUMENT, "a text contains a NUL character");
    return text.c_str();
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

/// What a call of the library calls back before it returns. What that throws must not get into the library, so it waits.
template <typename F> class Relay {
  public:
    explicit Relay(F &function) : function_(function) {}

    template <typename... Args> void operator()(const Args &...args) noexcept {
        try {
            function_(args...);
        } catch (...) {
            if (!thrown_) thrown_ = std::current_exception();
        }
    }

    /// Behind the call: whether there was anything.
    bool done(a0rs_error error) const {
        if (error == A0RS_AGAIN) return false;
        check(error);
        if (thrown_) std::rethrow_exception(thrown_);
        return true;
    }

  private:
    F &function_;
    std::exception_ptr thrown_;
};

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

/// A packet that owns its content.
class OwnedPacket : public Packet {
  public:
    explicit OwnedPacket(a0rs_owned_packet *handle) : Packet(a0rs_owned_packet_view(handle)), handle_(handle) {}

  private:
    detail::Handle<a0rs_owned_packet, a0rs_owned_packet_destroy> handle_;
};

/// Where the names of cancelled requests go.
using CancelCallback = std::function<void(const a0rs_id &)>;

} // namespace a0rs

#endif
