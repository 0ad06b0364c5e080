// Topics that come and go. See a0rs.hpp.

#ifndef A0RS_DISCOVERY_HPP
#define A0RS_DISCOVERY_HPP

#include "base.hpp"

namespace a0rs {

/// Calls back for every topic that is there, comes, or goes, on a thread of its own, until it goes itself.
class Discovery {
  public:
    using Callback = std::function<void(const a0rs_discovered &)>;

    /// `protocols` is a sum of a0rs_protocol.
    Discovery(std::uint32_t protocols, const std::string &pattern, Callback callback) {
        const char *name = detail::text(pattern);
        a0rs_discovery *handle;
        auto call = [](void *user, const a0rs_discovered *topic) noexcept {
            (*static_cast<Callback *>(user))(*topic);
        };
        detail::check(a0rs_discovery_create(protocols, name, call, new Callback(std::move(callback)),
                                            detail::free_user<Callback>, &handle));
        handle_.reset(handle);
    }

  private:
    detail::Handle<a0rs_discovery, a0rs_discovery_destroy> handle_;
};

} // namespace a0rs

#endif
